//! Finds the tables of a query and gives each a name of one part, which Polars SQL needs.
//!
//! Polars SQL 0.55 looks at the first part of `zone.schema.table` only, so each such chain becomes one quoted name. Nothing is
//! reachable that is not registered under that name, so a chain that is missed here is an unknown table and never a leak; the one
//! other way to data, a table function such as `read_parquet`, is refused.

use std::collections::BTreeSet;

use headwater_contract::{TableName, Zone};
use thiserror::Error;

/// A query whose tables are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// The query with each table as one quoted name.
    pub text: String,
    /// The tables that it names, in order, each once.
    pub tables: Vec<TableName>,
}

/// Why a text cannot be a query.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SqlError {
    /// A quote or comment is opened and not closed.
    #[error("a {what} that begins at character {at} does not end")]
    Unclosed {
        /// What is open.
        what: &'static str,
        /// Where it begins, from 1.
        at: usize,
    },
    /// Only questions are answered.
    #[error("`{word}` is not a query: begin with SELECT or WITH")]
    NotAQuery {
        /// The first word.
        word: String,
    },
    /// A function would read files past the policy.
    #[error("`{function}` reads files: only tables of the lake can be read")]
    ReadsFiles {
        /// The function.
        function: String,
    },
    /// A table is not named by its three parts.
    #[error("`{name}` is not a table of the lake")]
    NotATable {
        /// What was written.
        name: String,
    },
    /// The text cannot be parsed.
    #[error("the query cannot be parsed: {reason}")]
    Syntax {
        /// What the parser says.
        reason: String,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind {
    /// A name, unquoted or with its quotes taken off.
    Name(String),
    Dot,
    /// An opening parenthesis.
    Open,
    /// White space or a comment.
    Blank,
    Other,
}

#[derive(Clone, Debug)]
struct Token {
    kind: Kind,
    from: usize,
    until: usize,
}

/// Reads the tables out of `sql`.
///
/// # Errors
///
/// [`SqlError`] when the text is no query, does not parse, reads files, or names a table by other than `zone.schema.table`.
pub fn tables_of(sql: &str) -> Result<Query, SqlError> {
    let tokens = tokenize(sql)?;
    check_is_question(&tokens)?;
    let (mut text, mut tables, mut copied) = (String::with_capacity(sql.len()), Vec::<TableName>::new(), 0);
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        if let Some((table, next, until)) = chain(&tokens, at) {
            text.push_str(sql.get(copied..token.from).unwrap_or_default());
            text.extend(["\"", &table.to_string(), "\""]);
            copied = until;
            at = next;
            if !tables.contains(&table) {
                tables.push(table);
            }
        } else {
            at += 1;
        }
    }
    text.push_str(sql.get(copied..).unwrap_or_default());
    check_nothing_else(&text, &tables)?;
    Ok(Query { text, tables })
}

/// The name under which a table is registered for [`Query::text`].
pub fn registered_name(table: &TableName) -> String {
    table.to_string()
}

/// Reads `zone.schema.table` at `at`: the table, the token after it, and the byte where it ends.
fn chain(tokens: &[Token], at: usize) -> Option<(TableName, usize, usize)> {
    // After a dot a name is a part of a longer one, such as a field of a struct called `raw`.
    if at.checked_sub(1).and_then(|before| tokens.get(before)).is_some_and(|token| token.kind == Kind::Dot) {
        return None;
    }
    let [zone, dot, schema, dot_again, table] = tokens.get(at..at + 5)? else { return None };
    let (Kind::Name(zone), Kind::Dot, Kind::Name(schema), Kind::Dot, Kind::Name(name)) =
        (&zone.kind, &dot.kind, &schema.kind, &dot_again.kind, &table.kind)
    else {
        return None;
    };
    let zone = Zone::ALL.into_iter().find(|known| known.as_str().eq_ignore_ascii_case(zone))?;
    Some((TableName::new(zone, schema.to_lowercase(), name.to_lowercase()), at + 5, table.until))
}

fn check_is_question(tokens: &[Token]) -> Result<(), SqlError> {
    let first = tokens.iter().find(|token| !matches!(token.kind, Kind::Blank | Kind::Open));
    match first.map(|token| &token.kind) {
        Some(Kind::Name(word)) if word.eq_ignore_ascii_case("select") || word.eq_ignore_ascii_case("with") => {}
        Some(Kind::Name(word)) => return Err(SqlError::NotAQuery { word: word.clone() }),
        _ => return Err(SqlError::NotAQuery { word: String::new() }),
    }
    for (at, token) in tokens.iter().enumerate() {
        let Kind::Name(name) = &token.kind else { continue };
        let next = tokens.iter().skip(at + 1).find(|token| token.kind != Kind::Blank);
        let lower = name.to_lowercase();
        let reads = lower.starts_with("read_") || lower.starts_with("scan_");
        if reads && next.is_some_and(|token| token.kind == Kind::Open) {
            return Err(SqlError::ReadsFiles { function: name.clone() });
        }
    }
    Ok(())
}

/// Every table that the parser sees is one of `tables` or a name that the query itself defines.
fn check_nothing_else(text: &str, tables: &[TableName]) -> Result<(), SqlError> {
    let seen = polars::sql::extract_table_identifiers(text, true, true)
        .map_err(|error| SqlError::Syntax { reason: error.to_string() })?;
    let known: BTreeSet<String> = tables.iter().map(registered_name).collect();
    for name in seen {
        // One part without a dot may be a common table expression; Polars refuses it when it is not.
        if name.contains('.') && !known.contains(&name) {
            return Err(SqlError::NotATable { name });
        }
    }
    Ok(())
}

fn tokenize(sql: &str) -> Result<Vec<Token>, SqlError> {
    let bytes = sql.as_bytes();
    let (mut tokens, mut at) = (Vec::new(), 0);
    while let Some(&byte) = bytes.get(at) {
        let from = at;
        let next = bytes.get(at + 1).copied();
        let kind = match byte {
            b'\'' => {
                at = after_quote(bytes, at, b'\'').ok_or(SqlError::Unclosed { what: "text", at: from + 1 })?;
                Kind::Other
            }
            b'"' | b'`' => {
                at = after_quote(bytes, at, byte).ok_or(SqlError::Unclosed { what: "quoted name", at: from + 1 })?;
                Kind::Name(sql.get(from + 1..at - 1).unwrap_or_default().to_owned())
            }
            b'-' if next == Some(b'-') => {
                at += bytes.iter().skip(at).take_while(|byte| **byte != b'\n').count();
                Kind::Blank
            }
            b'/' if next == Some(b'*') => {
                let rest = sql.get(at + 2..).unwrap_or_default();
                let length = rest.find("*/").ok_or(SqlError::Unclosed { what: "comment", at: from + 1 })?;
                at += length + 4;
                Kind::Blank
            }
            b'.' => {
                at += 1;
                Kind::Dot
            }
            b'(' => {
                at += 1;
                Kind::Open
            }
            _ if byte.is_ascii_whitespace() => {
                at += 1;
                Kind::Blank
            }
            _ if byte.is_ascii_alphabetic() || byte == b'_' || !byte.is_ascii() => {
                let is_name =
                    |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_' || *byte == b'$' || !byte.is_ascii();
                at += bytes.iter().skip(at).take_while(|byte| is_name(byte)).count();
                Kind::Name(sql.get(from..at).unwrap_or_default().to_owned())
            }
            _ if byte.is_ascii_digit() => {
                // `1.5` has a dot that joins no names.
                at += bytes.iter().skip(at).take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'.').count();
                Kind::Other
            }
            _ => {
                at += 1;
                Kind::Other
            }
        };
        tokens.push(Token { kind, from, until: at });
    }
    Ok(tokens)
}

/// The byte after the quote that closes the one at `from`; a doubled quote stands for itself.
fn after_quote(bytes: &[u8], from: usize, quote: u8) -> Option<usize> {
    let mut at = from + 1;
    while let Some(&byte) = bytes.get(at) {
        at += 1;
        if byte == quote {
            if bytes.get(at) != Some(&quote) {
                return Some(at);
            }
            at += 1;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(sql: &str) -> Vec<String> {
        tables_of(sql).unwrap().tables.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn refuses_what_is_no_query_or_goes_round_the_policy() {
        for sql in [
            "",
            "drop table curated.a.b",
            "delete from curated.a.b",
            "show tables",
            "explain select 1",
            "create table t as select 1",
        ] {
            assert!(matches!(tables_of(sql), Err(SqlError::NotAQuery { .. })), "{sql}");
        }
        for sql in
            ["select * from read_parquet('x')", "select * from READ_CSV ('x')", "select * from \"read_csv\"('x')"]
        {
            assert!(matches!(tables_of(sql), Err(SqlError::ReadsFiles { .. })), "{sql}");
        }
        for sql in [
            "select * from shop.orders",
            "select * from a.b.c",
            "select * from curated.b",
            "select * from x join gold.a.b on 1=1",
        ] {
            assert!(matches!(tables_of(sql), Err(SqlError::NotATable { .. })), "{sql}");
        }
        assert!(matches!(tables_of("select 'a"), Err(SqlError::Unclosed { .. })));
        assert!(matches!(tables_of("select /* a"), Err(SqlError::Unclosed { .. })));
        assert!(tables_of("select * from (").is_err());
    }

    #[test]
    fn finds_each_table_once_wherever_it_stands() {
        assert_eq!(names("select 1 -- from curated.a.b"), Vec::<String>::new());
        assert_eq!(names("select 'curated.a.b', 1.5"), Vec::<String>::new());
        assert_eq!(names("select * from curated.shop.fact_sales"), ["curated.shop.fact_sales"]);
        assert_eq!(names("SELECT * FROM Curated.\"shop\".Fact_Sales f"), ["curated.shop.fact_sales"]);
        assert_eq!(
            names(
                "with x as (select * from cleansed.a.b) select * from x join raw.a.b on x.id = raw.a.b.id where id in (select id from curated.c.d)"
            ),
            ["cleansed.a.b", "raw.a.b", "curated.c.d"]
        );
    }

    #[test]
    fn a_table_becomes_one_quoted_name() {
        let query = tables_of("select curated.a.b.x from curated.a.b where y = 'curated.a.b'").unwrap();
        assert_eq!(query.text, "select \"curated.a.b\".x from \"curated.a.b\" where y = 'curated.a.b'");
    }
}
