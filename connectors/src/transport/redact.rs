//! Takes secrets out of what is printed and stored.
//!
//! The secrets of the settings are known from the beginning; tokens, signatures and whatever else is put on a request are learned when
//! it is sent, before an answer could repeat them.

use std::collections::VecDeque;
use std::sync::{PoisonError, RwLock};

use headwater_contract::Secret;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

/// Knows the secrets of one source.
#[derive(Debug, Default)]
pub(crate) struct Redactor {
    params: Vec<String>,
    secrets: Vec<Forms>,
    learned: RwLock<VecDeque<Forms>>,
}

/// Shorter texts occur by chance; replacing them would only garble.
const SECRET_CHARS_MIN: usize = 4;
/// The secrets learned last that are remembered: far more than the requests that can be in flight.
const LEARNED_MAX: usize = 1_024;

/// A secret in every form in which a server repeats it: as it is, in a query, percent-encoded, inside a JSON text.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Forms(Vec<Secret>);

impl Forms {
    fn of(secret: &Secret) -> Option<Self> {
        let raw = secret.expose();
        if raw.len() < SECRET_CHARS_MIN {
            return None;
        }
        let in_json = serde_json::Value::String(raw.to_owned()).to_string();
        let mut forms = vec![
            raw.to_owned(),
            url::form_urlencoded::byte_serialize(raw.as_bytes()).collect(),
            utf8_percent_encode(raw, NON_ALPHANUMERIC).to_string(),
            in_json.trim_matches('"').to_owned(),
        ];
        forms.sort_unstable();
        forms.dedup();
        Some(Self(forms.into_iter().map(Secret::new).collect()))
    }
}

impl Redactor {
    pub(crate) fn new(params: Vec<String>, secrets: &[Secret]) -> Self {
        Self { params, secrets: secrets.iter().filter_map(Forms::of).collect(), learned: RwLock::default() }
    }

    /// Remembers secrets that came up on the way.
    pub(crate) fn learn(&self, secrets: &[Secret]) {
        let mut learned = self.learned.write().unwrap_or_else(PoisonError::into_inner);
        for forms in secrets.iter().filter_map(Forms::of) {
            if self.secrets.contains(&forms) {
                continue;
            }
            learned.retain(|known| *known != forms);
            learned.push_back(forms);
            if learned.len() > LEARNED_MAX {
                learned.pop_front();
            }
        }
    }

    /// The URL without user, password and the secret parameters, and without any secret's text.
    pub(crate) fn url(&self, url: &Url) -> String {
        let mut clean = self.params.iter().fold(url.clone(), |url, param| without_param(&url, Some(param)));
        // Both fail only for URLs that have no host, which carry no user either.
        match (clean.set_username(""), clean.set_password(None)) {
            (Ok(()) | Err(()), Ok(()) | Err(())) => self.text(clean.as_str()),
        }
    }

    /// The text with every secret replaced, the longest first: one secret may be the beginning of another.
    pub(crate) fn text(&self, text: &str) -> String {
        let learned = self.learned.read().unwrap_or_else(PoisonError::into_inner);
        let forms = self.secrets.iter().chain(learned.iter()).flat_map(|forms| &forms.0).map(Secret::expose);
        let mut found: Vec<&str> = forms.filter(|form| text.contains(form)).collect();
        found.sort_unstable_by_key(|form| std::cmp::Reverse(form.len()));
        found.into_iter().fold(text.to_owned(), |text, form| text.replace(form, "****"))
    }
}

/// The URL without one query parameter.
pub(crate) fn without_param(url: &Url, param: Option<&str>) -> Url {
    let mut clean = url.clone();
    if let Some(param) = param
        && url.query_pairs().any(|(name, _)| name == param)
    {
        let kept: Vec<(String, String)> = url
            .query_pairs()
            .filter(|(name, _)| name != param)
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect();
        clean.query_pairs_mut().clear().extend_pairs(kept);
        if clean.query() == Some("") {
            clean.set_query(None);
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_survives_in_a_url_or_a_text() {
        let redactor = Redactor::new(vec!["key".into()], &[Secret::new("s3c/ret"), Secret::new("x")]);
        let url = Url::parse("https://u:p@h.com/a?key=s3c/ret&page=x&other=s3c%2Fret").unwrap();
        assert_eq!(redactor.url(&url), "https://h.com/a?page=x&other=****");
        assert_eq!(redactor.text("token s3c/ret is bad"), "token **** is bad");
        assert_eq!(redactor.url(&Url::parse("https://h.com/a?key=1").unwrap()), "https://h.com/a");
    }

    #[test]
    fn what_is_learned_is_taken_out_whole_and_the_oldest_is_forgotten_last() {
        let redactor = Redactor::new(Vec::new(), &[Secret::new("abcd")]);
        redactor.learn(&[Secret::new("abcd-efgh"), Secret::new("line one\nline two")]);
        assert_eq!(redactor.text("abcd-efgh abcd"), "**** ****");
        assert_eq!(redactor.text(r#"{"key":"line one\nline two"}"#), r#"{"key":"****"}"#);
        for number in 0..LEARNED_MAX {
            redactor.learn(&[Secret::new(format!("token-{number}")), Secret::new("abcd-efgh")]);
        }
        assert_eq!(redactor.text("abcd-efgh"), "****", "it was used last");
    }
}
