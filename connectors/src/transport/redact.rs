//! Takes secrets out of what is printed and stored.

use headwater_contract::Secret;
use url::Url;

/// Knows the secrets of one source.
#[derive(Clone, Debug, Default)]
pub(crate) struct Redactor {
    param: Option<String>,
    secrets: Vec<Secret>,
}

/// Shorter texts occur by chance; replacing them would only garble.
const SECRET_CHARS_MIN: usize = 4;

impl Redactor {
    pub(crate) fn new(param: Option<String>, secrets: Vec<Secret>) -> Self {
        Self {
            param,
            secrets: secrets.into_iter().filter(|secret| secret.expose().len() >= SECRET_CHARS_MIN).collect(),
        }
    }

    /// The URL without user, password and the secret parameter, and without any secret's text.
    pub(crate) fn url(&self, url: &Url) -> String {
        let mut clean = without_param(url, self.param.as_deref());
        // Both fail only for URLs that have no host, which carry no user either.
        match (clean.set_username(""), clean.set_password(None)) {
            (Ok(()) | Err(()), Ok(()) | Err(())) => self.text(clean.as_str()),
        }
    }

    /// The text with every secret replaced.
    pub(crate) fn text(&self, text: &str) -> String {
        self.secrets.iter().fold(text.to_owned(), |text, secret| {
            let encoded: String = url::form_urlencoded::byte_serialize(secret.expose().as_bytes()).collect();
            text.replace(secret.expose(), "****").replace(&encoded, "****")
        })
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
        let redactor = Redactor::new(Some("key".into()), vec![Secret::new("s3c/ret"), Secret::new("x")]);
        let url = Url::parse("https://u:p@h.com/a?key=s3c/ret&page=x&other=s3c%2Fret").unwrap();
        assert_eq!(redactor.url(&url), "https://h.com/a?page=x&other=****");
        assert_eq!(redactor.text("token s3c/ret is bad"), "token **** is bad");
        assert_eq!(redactor.url(&Url::parse("https://h.com/a?key=1").unwrap()), "https://h.com/a");
    }
}
