//! A key in a query parameter. Servers log URLs, so a header is better wherever the API offers one.

use schemars::JsonSchema;
use serde::Deserialize;

use super::Credential;
use crate::manifest::Settings;

/// Settings of the `query` variant.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct QueryKey {
    /// The parameter, e.g. `api_key`.
    pub param: String,
    /// The secret setting that holds the key.
    pub value: String,
}

impl QueryKey {
    pub(super) fn credential(&self, settings: &Settings) -> Credential {
        let secret = settings.secrets.get(&self.value).cloned();
        Credential { header: None, query: secret.map(|secret| (self.param.clone(), secret)) }
    }
}
