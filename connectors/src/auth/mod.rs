//! How a request proves who sends it. Each variant names settings; the secret itself enters at the last moment, in one place.
//!
//! | variant | what is sent |
//! |---|---|
//! | `none` | nothing |
//! | `bearer` | `Authorization: Bearer <secret>` |
//! | `header` | a header of the API's own |
//! | `query` | a query parameter, which every printed URL leaves out |
//! | `basic` | `Authorization: Basic <user:password>` |

mod basic;
mod header;
mod query;

pub use basic::Basic;
pub use header::HeaderKey;
pub use query::QueryKey;

use headwater_contract::Secret;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::manifest::Settings;

/// How a request proves who sends it, as written in a manifest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Auth {
    /// Not at all.
    #[default]
    None,
    /// The name of the secret setting that is sent as a bearer token.
    Bearer(String),
    /// A header of the API's own.
    Header(HeaderKey),
    /// A query parameter.
    Query(QueryKey),
    /// User and password.
    Basic(Basic),
}

/// What is added to a request just before it is sent.
#[derive(Clone, Debug, Default)]
pub struct Credential {
    /// A header and its secret value.
    pub header: Option<(String, Secret)>,
    /// A query parameter and its secret value.
    pub query: Option<(String, Secret)>,
}

impl Auth {
    /// The settings that it names.
    pub fn settings(&self) -> Vec<&str> {
        match self {
            Self::None => Vec::new(),
            Self::Bearer(setting) => vec![setting],
            Self::Header(header) => vec![&header.value],
            Self::Query(query) => vec![&query.value],
            Self::Basic(basic) => basic.settings(),
        }
    }

    /// The credential that `settings` hold; nothing where an optional secret was not given.
    pub fn credential(&self, settings: &Settings) -> Credential {
        let secret = |name: &str| settings.secrets.get(name);
        match self {
            Self::None => Credential::default(),
            Self::Bearer(setting) => Credential {
                header: secret(setting)
                    .map(|token| ("authorization".to_owned(), Secret::new(format!("Bearer {}", token.expose())))),
                query: None,
            },
            Self::Header(header) => header.credential(settings),
            Self::Query(query) => query.credential(settings),
            Self::Basic(basic) => basic.credential(settings),
        }
    }

    /// The variant's name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Bearer(_) => "bearer",
            Self::Header(_) => "header",
            Self::Query(_) => "query",
            Self::Basic(_) => "basic",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        let mut settings = Settings::default();
        settings.secrets.insert("key".into(), Secret::new("s3cret"));
        settings.plain.insert("user".into(), crate::expression::Scalar::Text("ann".into()));
        settings
    }

    fn credential(yaml: &str) -> Credential {
        serde_saphyr::from_str::<Auth>(yaml).unwrap().credential(&settings())
    }

    #[test]
    fn an_optional_secret_that_was_not_given_sends_nothing() {
        let credential = credential("bearer: other");
        assert!(credential.header.is_none() && credential.query.is_none());
    }

    #[test]
    fn each_variant_puts_the_secret_in_its_place() {
        let header = |yaml: &str| credential(yaml).header.map(|(name, value)| (name, value.expose().to_owned()));
        let pair = |name: &str, value: &str| Some((name.to_owned(), value.to_owned()));
        assert_eq!(header("bearer: key"), pair("authorization", "Bearer s3cret"));
        assert_eq!(header("header: { name: X-Api-Key, value: key }"), pair("x-api-key", "s3cret"));
        assert_eq!(
            header("header: { name: Authorization, value: key, prefix: 'Token ' }"),
            pair("authorization", "Token s3cret")
        );
        assert_eq!(header("basic: { user: user, password: key }"), pair("authorization", "Basic YW5uOnMzY3JldA=="));
        assert_eq!(header("basic: { user: key }"), pair("authorization", "Basic czNjcmV0Og=="));
        let query = credential("query: { param: api_key, value: key }").query.unwrap();
        assert_eq!((query.0.as_str(), query.1.expose()), ("api_key", "s3cret"));
    }

    #[test]
    fn a_credential_does_not_print_its_secret() {
        assert!(!format!("{:?}", credential("basic: { user: user, password: key }")).contains("YW5u"));
    }
}
