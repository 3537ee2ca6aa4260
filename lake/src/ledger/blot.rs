//! Blots texts out of what the ledger keeps in words: messages of failures and reports of runs.
//!
//! What the ledger counts and decides by is left as it is. Deleted rows lie in free pages of the file until these are used again, so
//! the file is written anew afterwards.

use headwater_contract::Digest16;
use serde_json::Value;

use crate::ledger::{Ledger, LedgerError};

/// What stands in the place of a text that is blotted out.
const BLOT: &str = "[erased]";
/// Fields that hold words for people.
const WORDS: [&str; 7] = ["message", "why", "fix", "place", "reason", "says", "because"];

impl Ledger {
    /// Blots `texts` out of messages and reports, and writes the file anew. Returns how many rows had one.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Database`]; running again is safe.
    pub async fn blot_out(&self, texts: &[String]) -> Result<u64, LedgerError> {
        let failed = self.failed("blot out a text");
        let mut change = self.change("blot out a text").await?;
        let mut blotted = 0;
        let runs: Vec<(String, String)> = sqlx::query_as("select run, report from runs where report is not null")
            .fetch_all(&mut *change)
            .await
            .map_err(&failed)?;
        for (run, report) in runs {
            if let Some(clean) = cleaned(&report, texts) {
                let update = sqlx::query("update runs set report = ?2 where run = ?1").bind(run).bind(clean);
                update.execute(&mut *change).await.map_err(&failed)?;
                blotted += 1;
            }
        }
        let windows: Vec<(String, String, String, String)> =
            sqlx::query_as("select stream, slice, window, facts from windows")
                .fetch_all(&mut *change)
                .await
                .map_err(&failed)?;
        for (stream, slice, window, facts) in windows {
            if let Some(clean) = cleaned(&facts, texts) {
                let update =
                    sqlx::query("update windows set facts = ?4 where stream = ?1 and slice = ?2 and window = ?3");
                let update = update.bind(stream).bind(slice).bind(window).bind(clean);
                update.execute(&mut *change).await.map_err(&failed)?;
                blotted += 1;
            }
        }
        change.commit().await.map_err(&failed)?;
        for statement in ["pragma wal_checkpoint(truncate)", "vacuum", "pragma wal_checkpoint(truncate)"] {
            sqlx::raw_sql(statement).execute(self.pool()).await.map_err(&failed)?;
        }
        Ok(blotted)
    }
}

/// The JSON text without `texts`; `None` when it has none of them in words for people.
fn cleaned(json: &str, texts: &[String]) -> Option<String> {
    let mut value: Value = serde_json::from_str(json).ok()?;
    let before = Digest16::of(value.to_string().as_bytes());
    blot(&mut value, texts, false);
    let after = value.to_string();
    (Digest16::of(after.as_bytes()) != before).then_some(after)
}

fn blot(value: &mut Value, texts: &[String], is_words: bool) {
    match value {
        Value::String(words) if is_words => {
            for text in texts {
                *words = without(words, text);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| blot(item, texts, is_words)),
        Value::Object(fields) => {
            for (name, field) in fields {
                blot(field, texts, WORDS.contains(&name.as_str()) || is_words);
            }
        }
        _ => {}
    }
}

/// The words with a blot in the place of `text`, wherever it is a word of its own.
fn without(words: &str, text: &str) -> String {
    let mut clean = String::with_capacity(words.len());
    let mut from = 0;
    for (at, _) in words.match_indices(text) {
        let before = words.get(..at).and_then(|head| head.chars().next_back());
        let after = words.get(at + text.len()..).and_then(|tail| tail.chars().next());
        if [before, after].into_iter().flatten().any(|c| c.is_ascii_alphanumeric()) {
            continue;
        }
        clean.push_str(words.get(from..at).unwrap_or_default());
        clean.push_str(BLOT);
        from = at + text.len();
    }
    clean.push_str(words.get(from..).unwrap_or_default());
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_for_people_lose_the_text_and_what_is_decided_by_keeps_it() {
        let json =
            r#"{"standing":{"token_out":"ada@example.com"},"failure":{"message":"no ada@example.com here","times":2}}"#;
        let clean = cleaned(json, &["ada@example.com".to_owned()]).unwrap();
        assert_eq!(
            clean,
            r#"{"standing":{"token_out":"ada@example.com"},"failure":{"message":"no [erased] here","times":2}}"#
        );
        assert_eq!(cleaned(&clean, &["ada@example.com".to_owned()]), None);
        let clean = cleaned(r#"{"message":"row 142 of 42"}"#, &["42".to_owned()]);
        assert_eq!(clean.as_deref(), Some(r#"{"message":"row 142 of [erased]"}"#));
        assert_eq!(cleaned(r#"{"message":"row 142"}"#, &["42".to_owned()]), None, "a part of a word is no match");
    }
}
