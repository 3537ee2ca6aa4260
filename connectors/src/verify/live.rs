//! What was proved on the real software: what a connector loaded was what the software itself held.
//!
//! The file is written by `tests/live` alone (`UPDATE=1 tests/live/run`). A manifest that changed since is not proved any more.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use chrono::NaiveDate;
use headwater_contract::Digest16;
use serde::{Deserialize, Serialize};

use super::VerifyError;
use crate::connector::Connector;

/// What was proved of all connectors.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LiveEvidence {
    /// The version of the file's form.
    pub format: u32,
    /// By connector.
    pub connectors: BTreeMap<String, LiveConnector>,
}

/// What was proved of one connector.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LiveConnector {
    /// Digest of the manifest that was proved.
    pub manifest: Digest16,
    /// The software and its version.
    pub software: String,
    /// The UTC day of the proof.
    pub proved_on: NaiveDate,
    /// By stream, or by template where a project names the streams.
    pub streams: BTreeMap<String, LiveStream>,
}

/// What was proved of one stream: these rows were the same in the lake and in the software's own store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LiveStream {
    /// Rows after the first load.
    pub rows_first: usize,
    /// Rows after changes.
    pub rows_after: usize,
    /// Rows that the lake keeps as deleted after changes, where the stream says what is deleted.
    pub deleted: u64,
    /// Whether the changes reached the stream.
    pub is_changed: bool,
    /// Columns that were compared.
    pub columns: usize,
    /// Checksum of the rows after changes, as both had them. Ids and times are new in each run, and so is this.
    pub checksum: Digest16,
}

impl LiveStream {
    /// Adds what was proved of another stream of the same template.
    pub fn add(&mut self, other: &Self) {
        self.rows_first += other.rows_first;
        self.rows_after += other.rows_after;
        self.deleted += other.deleted;
        self.is_changed |= other.is_changed;
        self.columns += other.columns;
        self.checksum = Digest16::of(format!("{}{}", self.checksum, other.checksum).as_bytes());
    }
}

static EMBEDDED: LazyLock<LiveEvidence> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../live.json")).unwrap_or_default());

impl LiveEvidence {
    /// The evidence in the binary.
    pub fn embedded() -> &'static Self {
        &EMBEDDED
    }

    /// What was proved of a connector; nothing when its manifest changed since.
    pub fn of(&self, connector: &Connector) -> Option<&LiveConnector> {
        self.connectors.get(connector.name()).filter(|proved| proved.manifest == connector.digest())
    }

    /// The file's text: one stream a line, in the order of names.
    ///
    /// # Errors
    ///
    /// [`VerifyError::Unwritable`], which these types never cause.
    pub fn to_text(&self) -> Result<String, VerifyError> {
        let json = |value: serde_json::Result<String>| {
            value.map_err(|error| VerifyError::Unwritable { reason: error.to_string() })
        };
        let mut text = format!("{{\n\"format\": {},\n\"connectors\": {{", self.format);
        for (at, (name, connector)) in self.connectors.iter().enumerate() {
            text.push_str(if at > 0 { ",\n" } else { "\n" });
            text.push_str(&format!(
                "{}: {{\n \"manifest\": \"{}\", \"software\": {}, \"proved_on\": \"{}\",\n \"streams\": {{",
                json(serde_json::to_string(name))?,
                connector.manifest,
                json(serde_json::to_string(&connector.software))?,
                connector.proved_on,
            ));
            for (at, (name, stream)) in connector.streams.iter().enumerate() {
                text.push_str(if at > 0 { ",\n" } else { "\n" });
                let (name, stream) = (json(serde_json::to_string(name))?, json(serde_json::to_string(stream))?);
                text.push_str(&format!("  {name}: {stream}"));
            }
            text.push_str("}}");
        }
        text.push_str("}}\n");
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::library::Library;

    #[test]
    fn the_file_is_what_its_own_text_says() {
        let committed = include_str!("../../live.json");
        let read: LiveEvidence = serde_json::from_str(committed).unwrap();
        assert_eq!(read.to_text().unwrap(), committed);
    }

    #[test]
    fn names_only_streams_and_templates_of_their_connector() {
        let library = Library::embedded();
        for (name, proved) in &LiveEvidence::embedded().connectors {
            let connector = library.get(name).unwrap();
            let info = connector.info();
            for stream in proved.streams.keys() {
                let is_known = info.templates.iter().any(|known| known == stream)
                    || info.streams.iter().any(|known| known.name == *stream || known.children.iter().any(|child| child == stream));
                assert!(is_known || LiveEvidence::embedded().of(&connector).is_none(), "{name} has no `{stream}`");
            }
        }
    }

    #[test]
    fn a_manifest_that_changed_is_not_proved() {
        let connector = Library::embedded().get("sandbox").unwrap();
        let mut evidence = LiveEvidence::default();
        let proved = |manifest| LiveConnector {
            manifest,
            software: "Shop 1".to_owned(),
            proved_on: NaiveDate::from_ymd_opt(2026, 11, 21).unwrap(),
            streams: BTreeMap::new(),
        };
        evidence.connectors.insert("sandbox".to_owned(), proved(connector.digest()));
        assert!(evidence.of(&connector).is_some());
        evidence.connectors.insert("sandbox".to_owned(), proved(Digest16::of(b"another")));
        assert!(evidence.of(&connector).is_none());
    }
}
