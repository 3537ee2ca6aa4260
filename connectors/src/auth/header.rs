//! A key in a header of the API's own, such as `X-Api-Key`.

use headwater_contract::Secret;
use schemars::JsonSchema;
use serde::Deserialize;

use super::Credential;
use crate::manifest::Settings;

/// Settings of the `header` variant.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HeaderKey {
    /// The header, e.g. `X-Api-Key`.
    pub name: String,
    /// The secret setting that holds the key.
    pub value: String,
    /// Text before the key, e.g. `Token ` with its space.
    #[serde(default)]
    pub prefix: String,
}

impl HeaderKey {
    pub(super) fn credential(&self, settings: &Settings) -> Credential {
        let secret = settings.secrets.get(&self.value);
        let value = secret.map(|secret| Secret::new(format!("{}{}", self.prefix, secret.expose())));
        Credential { header: value.map(|value| (self.name.to_ascii_lowercase(), value)), query: None }
    }
}
