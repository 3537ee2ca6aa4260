//! Takes secrets out of what is printed and stored.
//!
//! The secrets of the settings are known from the beginning; tokens, signatures and whatever else is put on a request are learned when
//! it is sent, before an answer could repeat them.

use std::collections::VecDeque;
use std::sync::{PoisonError, RwLock};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use headwater_contract::Secret;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
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

/// Of a text that was cut, the beginning of a secret that is still known for one: fewer characters are of no use to anybody.
const BEGINNING_CHARS: usize = 12;
/// What stays as it is in a part of a URL (RFC 3986 § 2.3).
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A secret in every form in which a server repeats it: as it is, in a query, percent-encoded, in a JSON text, on a page, in one line.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Forms(Vec<Secret>);

impl Forms {
    fn of(secret: &Secret) -> Option<Self> {
        Self::with(secret, Vec::new())
    }

    /// Of a secret that somebody gave, which a server may also have kept in Base64.
    fn of_setting(secret: &Secret) -> Option<Self> {
        let raw = secret.expose();
        Self::with(secret, vec![STANDARD.encode(raw), STANDARD_NO_PAD.encode(raw), URL_SAFE_NO_PAD.encode(raw)])
    }

    fn with(secret: &Secret, mut forms: Vec<String>) -> Option<Self> {
        let raw = secret.expose();
        if raw.len() < SECRET_CHARS_MIN {
            return None;
        }
        let quoted = serde_json::Value::String(raw.to_owned()).to_string();
        let in_json = quoted.get(1..quoted.len() - 1).unwrap_or(raw).to_owned();
        let encoded: Vec<String> = vec![
            url::form_urlencoded::byte_serialize(raw.as_bytes()).collect(),
            utf8_percent_encode(raw, NON_ALPHANUMERIC).to_string(),
            utf8_percent_encode(raw, UNRESERVED).to_string(),
        ];
        // Hexadecimal digits are written in both ways, and slashes in JSON too.
        forms.extend(encoded.iter().map(|text| lower_escapes(text)));
        forms.extend(encoded);
        forms.push(in_json.replace('/', "\\/"));
        forms.push(in_json);
        forms.push(raw.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;"));
        forms.push(raw.split_whitespace().collect::<Vec<_>>().join(" "));
        forms.push(raw.to_owned());
        forms.sort_unstable();
        forms.dedup();
        Some(Self(forms.into_iter().map(Secret::new).collect()))
    }
}

/// The text with `%2F` as `%2f`.
fn lower_escapes(text: &str) -> String {
    let mut parts = text.split('%');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2).unwrap_or((part, ""));
        out.push('%');
        out.push_str(&digits.to_ascii_lowercase());
        out.push_str(rest);
    }
    out
}

impl Redactor {
    pub(crate) fn new(params: Vec<String>, secrets: &[Secret]) -> Self {
        Self { params, secrets: secrets.iter().filter_map(Forms::of_setting).collect(), learned: RwLock::default() }
    }

    /// Remembers secrets that came up on the way.
    pub(crate) fn learn(&self, secrets: &[Secret]) {
        let mut learned = self.learned.write().unwrap_or_else(PoisonError::into_inner);
        for forms in secrets.iter().filter_map(Forms::of) {
            if self.secrets.iter().any(|known| forms.0.iter().all(|form| known.0.contains(form))) {
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

    /// The same for a text that may have been cut within a secret.
    pub(crate) fn words(&self, text: &str) -> String {
        let clean = self.text(text);
        let learned = self.learned.read().unwrap_or_else(PoisonError::into_inner);
        let forms = self.secrets.iter().chain(learned.iter()).flat_map(|forms| &forms.0).map(Secret::expose);
        forms.fold(clean, |text, form| without_beginnings(&text, form).unwrap_or(text))
    }

    /// A link as it is kept: without the parameters that carry a credential, which whoever follows it puts on again.
    pub(crate) fn link(&self, link: &str) -> String {
        let Some((place, query)) = link.split_once('?') else { return link.to_owned() };
        let is_secret = |pair: &str| {
            let name = url::form_urlencoded::parse(pair.as_bytes()).next().map(|(name, _)| name.into_owned());
            name.is_some_and(|name| self.params.contains(&name))
        };
        if !query.split('&').any(is_secret) {
            return link.to_owned();
        }
        let kept = query.split('&').filter(|pair| !is_secret(pair)).collect::<Vec<_>>().join("&");
        if kept.is_empty() { place.to_owned() } else { format!("{place}?{kept}") }
    }
}

/// The text without what begins like a secret, however far it goes on like it.
fn without_beginnings(text: &str, form: &str) -> Option<String> {
    let (length, _) = form.char_indices().nth(BEGINNING_CHARS)?;
    let (beginning, end) = form.split_at_checked(length)?;
    if !text.contains(beginning) {
        return None;
    }
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some((before, after)) = rest.split_once(beginning) {
        let alike = after.chars().zip(end.chars()).take_while(|(found, secret)| found == secret);
        let more: usize = alike.map(|(found, _)| found.len_utf8()).sum();
        out.push_str(before);
        out.push_str("****");
        rest = after.get(more..).unwrap_or_default();
    }
    out.push_str(rest);
    Some(out)
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
    fn a_secret_is_known_in_every_form_and_by_its_beginning() {
        let secret = "k3y/of+\"the\" shop~";
        let redactor = Redactor::new(Vec::new(), &[Secret::new(secret)]);
        for form in [
            r#"k3y\/of+\"the\" shop~"#,
            "k3y%2fof%2b%22the%22+shop%7e",
            "k3y%2Fof%2B%22the%22%20shop~",
            "k3y/of+&quot;the&quot; shop~",
            "azN5L29mKyJ0aGUiIHNob3B+",
            "azN5L29mKyJ0aGUiIHNob3B-",
        ] {
            assert_eq!(redactor.text(&format!("<{form}>")), "<****>", "{form}");
        }
        let cut = |length: usize| redactor.words(&format!("it begins with `{}`", &secret[..length]));
        assert_eq!(cut(11), "it begins with `k3y/of+\"the`");
        for length in 12..secret.len() {
            assert_eq!(cut(length), "it begins with `****`", "{length}");
        }
        assert_eq!(redactor.text("k3y/of+\"the\""), "k3y/of+\"the\"", "what was not cut is known whole");
    }

    #[test]
    fn a_link_that_is_kept_has_no_credential() {
        let redactor = Redactor::new(vec!["api key".into()], &[]);
        for (link, kept) in [
            ("https://h.com/a?x=1%202&api+key=s&y=", "https://h.com/a?x=1%202&y="),
            ("/a?api%20key=s", "/a"),
            ("/a?x=%zz", "/a?x=%zz"),
            ("opaque", "opaque"),
        ] {
            assert_eq!(redactor.link(link), kept);
        }
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
