//! What was proved on the real software: what a connector loaded was what the software itself held.
//!
//! The file is written by `tests/live` alone (`UPDATE=1 tests/live/run`). A manifest that changed since is not proved any more.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use chrono::NaiveDate;
use headwater_contract::Digest16;
use serde::Deserialize;

use crate::connector::Connector;

/// The version of the file's form.
#[cfg(test)]
const FORMAT: u32 = 1;

/// What was proved of all connectors.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LiveEvidence {
    /// The version of the file's form.
    pub format: u32,
    /// By connector.
    pub connectors: BTreeMap<String, LiveConnector>,
}

/// What was proved of one connector.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
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
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::library::Library;

    #[test]
    fn the_file_is_read_whole() {
        let read: LiveEvidence = serde_json::from_str(include_str!("../../live.json")).unwrap();
        assert_eq!(read.format, FORMAT);
        assert_eq!(&read, LiveEvidence::embedded());
    }

    #[test]
    fn names_only_streams_and_templates_of_their_connector() {
        let library = Library::embedded();
        for (name, proved) in &LiveEvidence::embedded().connectors {
            let connector = library.get(name).unwrap();
            let info = connector.info();
            for stream in proved.streams.keys() {
                let is_known = info.templates.iter().any(|known| known == stream)
                    || info
                        .streams
                        .iter()
                        .any(|known| known.name == *stream || known.children.iter().any(|child| child == stream));
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
