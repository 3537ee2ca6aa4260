//! A way in that a setting names: a vendor that takes a token or a login leaves the choice to the project.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{Auth, AuthError};
use crate::manifest::{Ordered, Settings};

/// Settings of the `choose` variant.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Choose {
    /// The setting whose value names one of `among`.
    pub by: String,
    /// What there is to choose from. The one that is chosen needs all its settings; the others need none, so all are `optional`.
    pub among: Ordered<Auth>,
}

impl Choose {
    /// The variant that the settings choose.
    pub(super) fn chosen(&self, settings: &Settings) -> Result<&Auth, AuthError> {
        let value = settings.plain.get(&self.by).map(ToString::to_string);
        let value = value.ok_or_else(|| AuthError::Missing { name: self.by.clone() })?;
        self.among.get(&value).ok_or_else(|| AuthError::UnknownChoice {
            setting: self.by.clone(),
            known: self.among.names().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
            value,
        })
    }
}
