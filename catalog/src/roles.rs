//! Roles, what each may read, and which role a user has: the `access:` block of a project.
//!
//! A role is a list of grants, and a grant covers what lies below it: `curated` covers `curated.retail`, which covers
//! `curated.retail.fact_sales`. There are no denials, so that the order of grants never matters.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use headwater_contract::{NameError, SourceName, TableName, Zone};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The user that stands for everybody who is not named in the map of users.
pub const ANYBODY: &str = "*";

/// A role's name, e.g. `analyst`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct RoleName(String);

impl RoleName {
    /// Checks and wraps a name.
    ///
    /// # Errors
    ///
    /// [`NameError::NotAName`] when it has other characters than `a-z`, `0-9` and `_`.
    pub fn new(text: impl Into<String>) -> Result<Self, NameError> {
        // A role and a source follow the same rule of names.
        SourceName::new(text).map(|name| Self(name.into()))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for RoleName {
    type Err = NameError;
    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::new(text)
    }
}

impl TryFrom<String> for RoleName {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        Self::new(text)
    }
}

impl From<RoleName> for String {
    fn from(name: RoleName) -> Self {
        name.0
    }
}

impl fmt::Display for RoleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a role may read: a zone, a schema of it, or one table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub enum Grant {
    /// Every table of a zone, written `curated`.
    Zone(Zone),
    /// Every table of a schema, written `curated.retail`.
    Schema(Zone, String),
    /// One table, written `curated.retail.fact_sales`.
    Table(TableName),
}

impl Grant {
    /// Whether everything that `other` grants is granted by `self`.
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Zone(zone), other) => *zone == other.zone(),
            (Self::Schema(zone, schema), Self::Schema(other_zone, other_schema)) => {
                zone == other_zone && schema == other_schema
            }
            (Self::Schema(zone, schema), Self::Table(table)) => *zone == table.zone && *schema == table.schema,
            (Self::Table(table), Self::Table(other)) => table == other,
            (Self::Schema(..) | Self::Table(_), _) => false,
        }
    }

    /// The zone it lies in.
    pub fn zone(&self) -> Zone {
        match self {
            Self::Zone(zone) | Self::Schema(zone, _) => *zone,
            Self::Table(table) => table.zone,
        }
    }
}

impl FromStr for Grant {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let mut parts = text.split('.');
        let (zone, schema, rest) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
        if rest.is_some() {
            return text.parse().map(Self::Table);
        }
        let known = Zone::ALL.into_iter().find(|known| known.as_str() == zone);
        let zone = known.ok_or_else(|| NameError::NotATable { text: text.to_owned() })?;
        match schema {
            None => Ok(Self::Zone(zone)),
            Some(schema) => Ok(Self::Schema(zone, SourceName::new(schema)?.into())),
        }
    }
}

impl TryFrom<String> for Grant {
    type Error = NameError;
    fn try_from(text: String) -> Result<Self, NameError> {
        text.parse()
    }
}

impl From<Grant> for String {
    fn from(grant: Grant) -> Self {
        grant.to_string()
    }
}

impl fmt::Display for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Zone(zone) => write!(f, "{zone}"),
            Self::Schema(zone, schema) => write!(f, "{zone}.{schema}"),
            Self::Table(table) => write!(f, "{table}"),
        }
    }
}

/// Who may read what: the `access:` block of a project file.
///
/// ```yaml
/// access:
///   roles:                       # added to the four that are there; the same name replaces one
///     support: [curated, cleansed.shop.tickets]
///   users:                       # operating-system user: role
///     alice: data_engineer
///     "*": analyst               # everybody else; without this line they may read nothing
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AccessSettings {
    /// What each role may read, by zone, schema or table. Added to the roles that every project has: `data_engineer`,
    /// `data_scientist`, `analyst` and `business`; an entry with the same name replaces one of them.
    #[serde(default)]
    pub roles: BTreeMap<RoleName, Vec<Grant>>,
    /// The role of each user; `*` stands for everybody who is not named.
    #[serde(default)]
    pub users: BTreeMap<String, RoleName>,
}

impl AccessSettings {
    /// The roles of the project: the four that every project has, changed and added to by the settings.
    pub fn all_roles(&self) -> BTreeMap<RoleName, Vec<Grant>> {
        let zones = |zones: &[Zone]| zones.iter().copied().map(Grant::Zone).collect::<Vec<_>>();
        let mut roles = BTreeMap::from([
            (RoleName("data_engineer".to_owned()), zones(&Zone::ALL)),
            (RoleName("data_scientist".to_owned()), zones(&[Zone::Cleansed, Zone::Curated, Zone::Exploration])),
            (RoleName("analyst".to_owned()), zones(&[Zone::Curated])),
            (RoleName("business".to_owned()), Vec::new()),
        ]);
        roles.extend(self.roles.clone());
        roles
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(text: &str) -> Grant {
        text.parse().unwrap()
    }

    #[test]
    fn rejects_grants_that_name_nothing() {
        for text in ["", "gold", "curated.", "curated..x", "curated.a.b.c", "curated.A", "*", "curated.*"] {
            assert!(text.parse::<Grant>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_grant_covers_itself_and_what_lies_below_and_nothing_beside() {
        let texts = ["curated", "curated.retail", "curated.retail.fact_sales", "cleansed.retail", "curated.retail_2"];
        for (at, wide) in texts.iter().enumerate() {
            for (below, narrow) in texts.iter().enumerate() {
                let expected = at == below || matches!((at, below), (0, 1 | 2 | 4) | (1, 2));
                assert_eq!(grant(wide).covers(&grant(narrow)), expected, "{wide} over {narrow}");
            }
        }
    }

    #[test]
    fn settings_replace_a_role_and_keep_the_others() {
        let text = "roles:\n  analyst: [curated.retail]\n  support: []\nusers: {alice: analyst}\n";
        let settings: AccessSettings = headwater_contract::yaml::from_str(text).unwrap();
        let roles = settings.all_roles();
        assert_eq!(roles.len(), 5);
        assert_eq!(roles[&RoleName::new("analyst").unwrap()], [grant("curated.retail")]);
        assert_eq!(roles[&RoleName::new("data_scientist").unwrap()].len(), 3);
    }

    #[test]
    fn rejects_keys_that_nothing_reads() {
        for text in ["row_filters: {}", "roles: {analyst: [gold]}", "roles: {Analyst: []}"] {
            assert!(headwater_contract::yaml::from_str::<AccessSettings>(text).is_err(), "{text}");
        }
    }
}
