//! Settings: what a manifest asks of a project, and the values that a project gives.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, NaiveTime, Utc};
use headwater_contract::Secret;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::limits::Share;
use crate::expression::Scalar;

/// What a setting holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SettingType {
    /// Any text.
    #[default]
    Text,
    /// A number.
    Number,
    /// True or false.
    Boolean,
    /// A UTC day, or an instant in RFC 3339.
    Date,
    /// Scheme, host and port of a self-hosted product, e.g. `https://git.example.com`; the connector is pinned to it.
    Origin,
    /// A list of texts.
    List,
}

/// A setting that a manifest declares.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SettingManifest {
    /// What it holds.
    #[serde(default, rename = "type")]
    pub setting_type: SettingType,
    /// Given by reference only (`env:`, `file:`) and never printed.
    #[serde(default)]
    pub secret: bool,
    /// Its value where the project gives none.
    #[serde(default)]
    pub default: Option<Scalar>,
    /// May be left out.
    #[serde(default)]
    pub optional: bool,
    /// What it is and where to find it.
    pub help: String,
}

/// A setting as `check` and `init` explain it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SettingInfo {
    /// Its name.
    pub name: String,
    /// What it holds.
    pub setting_type: SettingType,
    /// Whether it is given by reference only.
    pub secret: bool,
    /// Its value where the project gives none.
    pub default: Option<String>,
    /// Whether the project must give it.
    pub is_required: bool,
    /// What it is and where to find it.
    pub help: String,
}

impl SettingManifest {
    /// The setting as `check` and `init` explain it.
    pub fn describe(&self, name: &str) -> SettingInfo {
        SettingInfo {
            name: name.to_owned(),
            setting_type: self.setting_type,
            secret: self.secret,
            default: self.default.as_ref().map(ToString::to_string),
            is_required: self.is_required(),
            help: self.help.clone(),
        }
    }

    /// Whether the project must give it.
    pub(crate) fn is_required(&self) -> bool {
        self.default.is_none() && !self.optional
    }
}

/// A value that a project gives.
#[derive(Clone, Debug, PartialEq)]
pub enum SettingValue {
    /// Text.
    Text(String),
    /// A number.
    Number(f64),
    /// True or false.
    Bool(bool),
    /// An instant; a day is its first.
    Date(DateTime<Utc>),
    /// A credential.
    Secret(Secret),
    /// A list of texts.
    List(Vec<String>),
    /// A nested value; under `streams` it says the streams of a generic connector.
    Table(serde_json::Value),
}

impl SettingValue {
    /// The setting that a value of the project file means; `None` for null.
    pub fn from_json(value: &serde_json::Value) -> Option<Self> {
        use serde_json::Value;
        match value {
            Value::Null => None,
            Value::Bool(flag) => Some(Self::Bool(*flag)),
            Value::Number(number) => number.as_f64().map(Self::Number),
            Value::String(text) => Some(Self::Text(text.clone())),
            Value::Array(items) => {
                let texts: Option<Vec<String>> = items.iter().map(scalar_text).collect();
                Some(texts.map_or_else(|| Self::Table(value.clone()), Self::List))
            }
            Value::Object(_) => Some(Self::Table(value.clone())),
        }
    }
}

fn scalar_text(value: &serde_json::Value) -> Option<String> {
    match value {
        serde_json::Value::String(text) => Some(text.clone()),
        serde_json::Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Reads a UTC day or an RFC 3339 instant.
pub(crate) fn parse_instant(text: &str) -> Option<DateTime<Utc>> {
    if let Ok(day) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        return Some(day.and_time(NaiveTime::MIN).and_utc());
    }
    DateTime::parse_from_rfc3339(text).ok().map(|instant| instant.with_timezone(&Utc))
}

/// The settings of a source, checked against what the manifest declares.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Plain values, for paths, parameters and expressions.
    pub plain: BTreeMap<String, Scalar>,
    /// Lists, for slices.
    pub lists: BTreeMap<String, Vec<String>>,
    /// Instants, for `start` and `end`.
    pub dates: BTreeMap<String, DateTime<Utc>>,
    /// Credentials, for `auth`.
    pub secrets: BTreeMap<String, Secret>,
    /// The share of what a day allows that the project wants to use.
    pub quota_share: Option<Share>,
}

/// Why a project's value does not fit a setting.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingError {
    /// The project must give it.
    #[error("setting `{name}` is missing: {help}")]
    Missing {
        /// The setting.
        name: String,
        /// What it is and where to find it.
        help: String,
    },
    /// The value is of another type.
    #[error("setting `{name}` must be {expected}")]
    WrongType {
        /// The setting.
        name: String,
        /// What would fit.
        expected: &'static str,
    },
    /// The value is none of those that the manifest knows.
    #[error("setting `{name}` is `{value}`; it must be one of {known}")]
    NotOneOf {
        /// The setting.
        name: String,
        /// What was given.
        value: String,
        /// What would fit.
        known: String,
    },
    /// The connector knows no such setting.
    #[error("`{name}` is not a setting of this connector; it has {known}")]
    Unknown {
        /// What was given.
        name: String,
        /// What there is.
        known: String,
    },
    /// A secret was written in the open.
    #[error("setting `{name}` is a secret: give it by reference, such as `env:TOKEN` or `file:token.txt`")]
    InTheOpen {
        /// The setting.
        name: String,
    },
}

fn quota_share(given: &SettingValue) -> Result<Share, SettingError> {
    let share = match given {
        SettingValue::Text(text) => Share::parse(text),
        SettingValue::Number(number) => Share::new(*number),
        _ => None,
    };
    share.ok_or_else(|| SettingError::WrongType { name: QUOTA_SHARE.to_owned(), expected: "a share such as `40 %`" })
}

impl Settings {
    /// Checks `given` against `declared` and fills in defaults.
    ///
    /// # Errors
    ///
    /// The first [`SettingError`] found, in the order of the manifest.
    pub fn resolve(
        declared: &super::Ordered<SettingManifest>,
        given: &BTreeMap<String, SettingValue>,
        secrets: &BTreeMap<String, Secret>,
    ) -> Result<Self, SettingError> {
        for name in given.keys().chain(secrets.keys()) {
            if name != STREAMS && name != QUOTA_SHARE && declared.get(name).is_none() {
                let known = declared.names().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
                return Err(SettingError::Unknown { name: name.clone(), known });
            }
        }
        let mut settings =
            Self { quota_share: given.get(QUOTA_SHARE).map(quota_share).transpose()?, ..Self::default() };
        for (name, manifest) in declared.iter() {
            if let Some(secret) = secrets.get(name) {
                settings.take(name, manifest, &SettingValue::Secret(secret.clone()))?;
            } else if let Some(value) = given.get(name) {
                settings.take(name, manifest, value)?;
            } else if let Some(default) = &manifest.default {
                settings.take(name, manifest, &SettingValue::Text(default.to_string()))?;
            } else if !manifest.optional {
                return Err(SettingError::Missing { name: name.to_owned(), help: manifest.help.clone() });
            }
        }
        Ok(settings)
    }

    fn take(&mut self, name: &str, manifest: &SettingManifest, value: &SettingValue) -> Result<(), SettingError> {
        let wrong = |expected| SettingError::WrongType { name: name.to_owned(), expected };
        if manifest.secret {
            let SettingValue::Secret(secret) = value else {
                return Err(SettingError::InTheOpen { name: name.to_owned() });
            };
            self.secrets.insert(name.to_owned(), secret.clone());
            return Ok(());
        }
        let scalar = match (manifest.setting_type, value) {
            (SettingType::List, SettingValue::List(items)) => {
                self.lists.insert(name.to_owned(), items.clone());
                return Ok(());
            }
            (SettingType::List, SettingValue::Text(text)) => {
                let items = text.split(',').map(|item| item.trim().to_owned()).filter(|item| !item.is_empty());
                self.lists.insert(name.to_owned(), items.collect());
                return Ok(());
            }
            (SettingType::List, _) => return Err(wrong("a list of texts")),
            (SettingType::Date, SettingValue::Date(instant)) => self.take_date(name, *instant),
            (SettingType::Date, SettingValue::Text(text)) => {
                let instant =
                    parse_instant(text).ok_or_else(|| wrong("a day such as `2024-03-01`, or an RFC 3339 instant"))?;
                self.take_date(name, instant)
            }
            (SettingType::Date, _) => return Err(wrong("a day such as `2024-03-01`, or an RFC 3339 instant")),
            (SettingType::Number, SettingValue::Number(number)) => Scalar::from_f64(*number),
            (SettingType::Number, SettingValue::Text(text)) => {
                Scalar::from_f64(text.parse().map_err(|_| wrong("a number"))?)
            }
            (SettingType::Number, _) => return Err(wrong("a number")),
            (SettingType::Boolean, SettingValue::Bool(flag)) => Scalar::Bool(*flag),
            (SettingType::Boolean, SettingValue::Text(text)) => {
                Scalar::Bool(text.parse().map_err(|_| wrong("`true` or `false`"))?)
            }
            (SettingType::Boolean, _) => return Err(wrong("`true` or `false`")),
            (SettingType::Origin, SettingValue::Text(text)) => {
                let url = url::Url::parse(text).map_err(|_| wrong("an origin such as `https://git.example.com`"))?;
                if !matches!(url.scheme(), "http" | "https") || !url.has_host() || url.query().is_some() {
                    return Err(wrong("an origin such as `https://git.example.com`"));
                }
                Scalar::Text(text.trim_end_matches('/').to_owned())
            }
            (SettingType::Text, SettingValue::Text(text)) => Scalar::Text(text.clone()),
            (SettingType::Text, SettingValue::Number(number)) => Scalar::Text(Scalar::from_f64(*number).to_string()),
            (SettingType::Text | SettingType::Origin, _) => return Err(wrong("a text")),
        };
        self.plain.insert(name.to_owned(), scalar);
        Ok(())
    }

    fn take_date(&mut self, name: &str, instant: DateTime<Utc>) -> Scalar {
        self.dates.insert(name.to_owned(), instant);
        Scalar::Text(instant.format("%Y-%m-%dT%H:%M:%SZ").to_string())
    }
}

/// The setting of every source that says which share of a day's allowance it may use, e.g. `40 %`.
pub const QUOTA_SHARE: &str = "quota_share";

/// The one name that a project gives beside the declared settings: the streams of a generic connector.
pub const STREAMS: &str = "streams";

#[cfg(test)]
mod tests {
    use super::*;

    fn declared() -> crate::manifest::Ordered<SettingManifest> {
        crate::manifest::yaml::from_str(concat!(
            "token: { secret: true, help: a }\nstart_on: { type: date, help: b }\n",
            "size: { type: number, default: 10, help: c }\nrepositories: { type: list, optional: true, help: d }\n",
        ))
        .unwrap()
    }

    fn resolve(given: &[(&str, SettingValue)]) -> Result<Settings, SettingError> {
        let given = given.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        Settings::resolve(&declared(), &given, &BTreeMap::new())
    }

    #[test]
    fn names_what_is_missing_wrong_unknown_or_in_the_open() {
        let token = ("token", SettingValue::Secret(Secret::new("s")));
        let text = |text: &str| SettingValue::Text(text.to_owned());
        assert!(matches!(resolve(&[]), Err(SettingError::Missing { name, .. }) if name == "token"));
        assert!(matches!(resolve(&[("token", text("s"))]), Err(SettingError::InTheOpen { .. })));
        assert!(matches!(resolve(&[token.clone(), ("start_on", text("soon"))]), Err(SettingError::WrongType { .. })));
        assert!(matches!(resolve(&[token, ("colour", text("red"))]), Err(SettingError::Unknown { .. })));
    }

    #[test]
    fn fills_in_defaults_and_reads_days() {
        let settings = resolve(&[
            ("token", SettingValue::Secret(Secret::new("s"))),
            ("start_on", SettingValue::Text("2024-03-01".into())),
        ])
        .unwrap();
        assert_eq!(settings.plain["size"].to_string(), "10");
        assert_eq!(settings.dates["start_on"].to_rfc3339(), "2024-03-01T00:00:00+00:00");
        assert!(settings.lists.is_empty());
    }
}
