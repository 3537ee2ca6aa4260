//! `headwater.yaml` as plain data: zones, sources, schedules, access, limits.
//!
//! Unknown keys are errors that name the allowed ones with line and snippet. What a setting *means* for a connector is the
//! connector's business; here it is only kept apart from secrets, which may stand in the file by reference alone.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use chrono::{DateTime, NaiveDate, Utc};
use headwater_catalog::AccessSettings;
use headwater_contract::{SourceName, Span, StreamContract, yaml};
use schemars::JsonSchema;
use serde::de::{MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::project::{ProjectError, Reference, looks_secret};
use crate::schedule::Schedule;

/// A whole project file.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProjectFile {
    /// Version of the vocabulary: 1.
    pub headwater: u32,
    /// Where the zones of the lake are.
    #[serde(default)]
    pub zones: ZoneSettings,
    /// How the stores are reached that hold the zones.
    #[serde(default)]
    pub store: StoreSettings,
    /// What is read, by the name that its tables get.
    #[serde(default)]
    pub sources: BTreeMap<SourceName, SourceEntry>,
    /// Stars to build after a run, folders of `stars/`; every folder there when absent.
    #[serde(default)]
    pub stars: Option<Vec<String>>,
    /// When sources without a schedule of their own are read.
    #[serde(default)]
    pub schedule: Option<Schedule>,
    /// Who may read what.
    #[serde(default)]
    pub access: AccessSettings,
    /// Private addresses (`host:port`) that sources may be read from.
    #[serde(default)]
    pub allow_private: Vec<String>,
    /// The proxy that all requests to sources go through, e.g. `http://proxy.example.com:3128`; credentials in it by reference alone, as
    /// `env:PROXY_URL`. None when absent, whatever the environment says.
    #[serde(default)]
    pub proxy: Option<Setting>,
    /// Bounds on what a run uses.
    #[serde(default)]
    pub limits: LimitSettings,
}

/// Where each zone is: a folder, or a `file`, `abfss`, `az` or `s3` URL.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ZoneSettings {
    /// Bodies as sent, with receipts.
    pub raw: String,
    /// Typed tables.
    pub cleansed: String,
    /// Facts and dimensions.
    pub curated: String,
    /// Samples and features of people.
    pub exploration: String,
}

impl Default for ZoneSettings {
    fn default() -> Self {
        let [raw, cleansed, curated, exploration] =
            ["raw", "cleansed", "curated", "exploration"].map(|zone| format!("./lake/{zone}"));
        Self { raw, cleansed, curated, exploration }
    }
}

/// Options of the stores, by the names that Azure's and S3's tools use, e.g. `azure_storage_account_key: env:AZURE_KEY`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StoreSettings {
    /// Option: value, or a reference to it.
    #[serde(default)]
    pub options: BTreeMap<String, Setting>,
}

/// One source: a connector with settings.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SourceEntry {
    /// The connector's name; a manifest of the project's `connectors/` folder wins over the built-in one.
    pub connector: String,
    /// What the connector asks for; secrets by reference.
    #[serde(default)]
    pub settings: BTreeMap<String, Setting>,
    /// Streams to read; all when absent.
    #[serde(default)]
    pub select: Option<Vec<String>>,
    /// Streams that a generic connector is told about, by name; the connector says what they need.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, serde_json::Map<String, serde_json::Value>>")]
    pub streams: BTreeMap<String, serde_json::Value>,
    /// Settings of single streams that differ from the connector's.
    #[serde(default)]
    pub overrides: BTreeMap<String, StreamOverride>,
    /// When it is read.
    #[serde(default)]
    pub schedule: Option<Schedule>,
}

/// What a project may change of a stream's contract.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StreamOverride {
    /// First UTC day that is required.
    pub start: Option<NaiveDate>,
    /// First UTC day that is not required any more.
    pub end: Option<NaiveDate>,
    /// The longest window.
    pub length: Option<Span>,
    /// How long after its end a window is first read.
    pub settle: Option<Span>,
    /// How long after its end a window can still change.
    pub lookback: Option<Span>,
    /// Ages at which a window is read again.
    pub rereads: Option<Vec<Span>>,
    /// How often a list or chain is read without a schedule.
    pub every: Option<Span>,
    /// An empty window is never suspicious.
    pub may_be_empty: Option<bool>,
    /// Share of a window's rows that a re-read may remove before it is held.
    pub max_removed: Option<f64>,
    /// Share of a window's rows that may fail the gate before it is held.
    pub max_quarantined: Option<f64>,
}

/// Bounds on what a run uses.
#[derive(Clone, Copy, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LimitSettings {
    /// Streams that are read at once.
    pub streams_at_once: usize,
    /// Windows of one stream that are read at once.
    pub windows_at_once: usize,
    /// A window of more records is split before it is read to its end; one that was read once keeps its bounds.
    pub window_records: u64,
    /// A raw part is closed at this many MiB of bodies.
    pub part_mib: usize,
    /// Seconds that a stopped run waits for the readings in flight.
    pub grace_seconds: u32,
}

impl Default for LimitSettings {
    fn default() -> Self {
        Self { streams_at_once: 3, windows_at_once: 2, window_records: 20_000_000, part_mib: 32, grace_seconds: 30 }
    }
}

/// A setting's value: text, number, boolean, or a list of texts.
#[derive(Clone, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Setting(serde_json::Value);

impl Setting {
    /// Text, perhaps a reference.
    pub fn text(text: impl Into<String>) -> Self {
        Self(serde_json::Value::String(text.into()))
    }

    /// The value as it was written.
    pub fn value(&self) -> &serde_json::Value {
        &self.0
    }

    /// The reference that it is, if it is one.
    pub fn reference(&self) -> Option<Reference> {
        self.0.as_str().and_then(Reference::parse)
    }
}

impl fmt::Debug for Setting {
    // A literal secret is refused, but only after it was parsed; until then nothing may print it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.reference().is_some() { write!(f, "{}", self.0) } else { f.write_str("…") }
    }
}

impl<'de> Deserialize<'de> for Setting {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Scalar;
        impl<'de> Visitor<'de> for Scalar {
            type Value = serde_json::Value;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text, a number, a boolean, or a list of texts")
            }
            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(text.into())
            }
            fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
                Ok(value.into())
            }
            fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
                Ok(value.into())
            }
            fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
                Ok(value.into())
            }
            fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
                Ok(value.into())
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
                let mut list = Vec::new();
                while let Some(item) = items.next_element::<String>()? {
                    list.push(serde_json::Value::String(item));
                }
                Ok(list.into())
            }
            fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<Self::Value, A::Error> {
                Err(serde::de::Error::custom("a setting is text, a number, a boolean or a list, not a map"))
            }
        }
        deserializer.deserialize_any(Scalar).map(Self)
    }
}

impl JsonSchema for Setting {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Setting".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "Text, a number, a boolean or a list of texts; a secret as `env:NAME` or `file:path`",
            "type": ["string", "number", "boolean", "array"]
        })
    }
}

impl ProjectFile {
    /// Parses the text of a project file; `path` names it in errors.
    ///
    /// # Errors
    ///
    /// [`ProjectError`] with line and snippet where the text is not a project, or holds a secret in plain text.
    pub fn parse(text: &str, path: &str) -> Result<Self, ProjectError> {
        let file: Self = yaml::from_str(text).map_err(|source| {
            let place = match source.line {
                0 => path.to_owned(),
                line => format!("{path}:{line}:{}", source.column),
            };
            ProjectError::Invalid { path: path.to_owned(), place, source }
        })?;
        file.check()?;
        Ok(file)
    }

    /// Reads and parses the project file of `folder`.
    ///
    /// # Errors
    ///
    /// [`ProjectError`] when it is missing or wrong.
    pub fn read(folder: &Path) -> Result<Self, ProjectError> {
        let path = folder.join(super::PROJECT_FILE);
        let text = fs_err::read_to_string(&path).map_err(|source| ProjectError::NotFound { source })?;
        Self::parse(&text, super::PROJECT_FILE)
    }

    fn check(&self) -> Result<(), ProjectError> {
        if self.headwater != 1 {
            return Err(ProjectError::Version { found: self.headwater });
        }
        for (name, value) in &self.store.options {
            refuse_literal(name, value, || format!("store.options.{name}"))?;
        }
        for (source, entry) in &self.sources {
            for (name, value) in &entry.settings {
                refuse_literal(name, value, || format!("sources.{source}.settings.{name}"))?;
            }
            for (stream, change) in &entry.overrides {
                change.check(&format!("sources.{source}.overrides.{stream}"))?;
            }
            if let Some(schedule) = &entry.schedule {
                schedule.check(&format!("sources.{source}.schedule"))?;
            }
        }
        self.schedule.as_ref().map_or(Ok(()), |schedule| schedule.check("schedule"))
    }

    /// The schedule of a source: its own, else the project's.
    pub fn schedule_of(&self, source: &SourceName) -> Option<&Schedule> {
        self.sources.get(source).and_then(|entry| entry.schedule.as_ref()).or(self.schedule.as_ref())
    }
}

/// A setting whose name says secret must be a reference. A connector may know of more secrets; those are refused where its
/// manifest is at hand.
fn refuse_literal(name: &str, value: &Setting, at: impl Fn() -> String) -> Result<(), ProjectError> {
    let is_literal = value.reference().is_none() && value.value().as_str().is_some_and(|text| !text.is_empty());
    if looks_secret(name) && is_literal { Err(ProjectError::LiteralSecret { at: at() }) } else { Ok(()) }
}

impl StreamOverride {
    fn check(&self, at: &str) -> Result<(), ProjectError> {
        let contradiction =
            |problem: &str| Err(ProjectError::Contradiction { at: at.to_owned(), problem: problem.to_owned() });
        if let (Some(start), Some(end)) = (self.start, self.end)
            && start >= end
        {
            return contradiction("`end` must be later than `start`");
        }
        if self.length.is_some_and(Span::is_zero) {
            return contradiction("`length` must be longer than 0");
        }
        let is_share = |share: &f64| (0.0..=1.0).contains(share);
        if ![self.max_removed, self.max_quarantined].iter().flatten().all(is_share) {
            return contradiction("a share lies between 0 and 1");
        }
        Ok(())
    }

    /// Changes the contract.
    ///
    /// # Errors
    ///
    /// [`ProjectError::Contradiction`] when a stream without windows is given a window's setting.
    pub fn apply(&self, contract: &mut StreamContract, at: &str) -> Result<(), ProjectError> {
        let midnight = |day: NaiveDate| -> DateTime<Utc> { day.and_time(chrono::NaiveTime::MIN).and_utc() };
        contract.start = self.start.map(midnight).or(contract.start);
        contract.end = self.end.map(midnight).or(contract.end);
        contract.every = self.every.unwrap_or(contract.every);
        contract.may_be_empty = self.may_be_empty.unwrap_or(contract.may_be_empty);
        contract.max_removed = self.max_removed.unwrap_or(contract.max_removed);
        contract.max_quarantined = self.max_quarantined.unwrap_or(contract.max_quarantined);
        let is_windowed =
            [self.length, self.settle, self.lookback].iter().any(Option::is_some) || self.rereads.is_some();
        match &mut contract.window {
            Some(window) => {
                window.length = self.length.unwrap_or(window.length);
                window.settle = self.settle.unwrap_or(window.settle);
                window.lookback = self.lookback.unwrap_or(window.lookback);
                if let Some(rereads) = &self.rereads {
                    window.rereads.clone_from(rereads);
                }
            }
            None if is_windowed => {
                let problem = format!("`{}` is read as a whole and has no windows", contract.name);
                return Err(ProjectError::Contradiction { at: at.to_owned(), problem });
            }
            None => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
