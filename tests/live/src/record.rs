//! What was proved, written to `connectors/live.json` under `UPDATE=1`; nobody types it.
//!
//! This crate knows none of the others' code, so that it is built in seconds; `connectors/src/verify/live.rs` reads the file.

use std::collections::BTreeMap;

use chrono::{NaiveDate, Utc};
use headwater_contract::Digest16;
use serde::{Deserialize, Serialize};

use crate::project::{Project, top};
use crate::software::Software;

/// What was proved of all connectors.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LiveEvidence {
    format: u32,
    connectors: BTreeMap<String, LiveConnector>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct LiveConnector {
    manifest: Digest16,
    software: String,
    proved_on: NaiveDate,
    streams: BTreeMap<String, LiveStream>,
}

/// Rows of one stream that were the same in the lake and in the software's own store.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LiveStream {
    pub(crate) rows_first: usize,
    pub(crate) rows_after: usize,
    /// Rows that the lake keeps as deleted, where the stream says what is deleted.
    pub(crate) deleted: u64,
    /// Whether the changes reached the stream.
    pub(crate) is_changed: bool,
    /// Columns that were compared.
    pub(crate) columns: usize,
    pub(crate) checksum: Digest16,
}

impl LiveStream {
    /// Adds what was proved of another stream of the same template.
    pub(crate) fn add(&mut self, other: &Self) {
        self.rows_first += other.rows_first;
        self.rows_after += other.rows_after;
        self.deleted += other.deleted;
        self.is_changed |= other.is_changed;
        self.columns += other.columns;
        self.checksum = Digest16::of(format!("{}{}", self.checksum, other.checksum).as_bytes());
    }
}

impl LiveEvidence {
    /// One stream a line, in the order of names.
    fn text(&self) -> String {
        let quoted = |text: &str| serde_json::to_string(text).unwrap();
        let connectors = self.connectors.iter().map(|(name, connector)| {
            let streams = connector
                .streams
                .iter()
                .map(|(name, stream)| format!("  {}: {}", quoted(name), serde_json::to_string(stream).unwrap()));
            format!(
                "{}: {{\n \"manifest\": \"{}\", \"software\": {}, \"proved_on\": \"{}\",\n \"streams\": {{\n{}}}}}",
                quoted(name),
                connector.manifest,
                quoted(&connector.software),
                connector.proved_on,
                streams.collect::<Vec<_>>().join(",\n")
            )
        });
        let connectors = connectors.collect::<Vec<_>>().join(",\n");
        format!("{{\n\"format\": {},\n\"connectors\": {{\n{connectors}}}}}\n", self.format)
    }
}

/// Keeps what was proved of a connector in place of what was known.
pub(crate) fn keep(project: &Project<'_>, software: &Software, streams: BTreeMap<String, LiveStream>) {
    assert!(!streams.is_empty(), "{}: nothing was proved", software.version);
    if std::env::var("UPDATE").is_err() {
        return;
    }
    let path = top().join("connectors/live.json");
    // Tests of other software may write at the same time.
    let lock = std::fs::File::create(std::env::temp_dir().join("headwater-live.lock")).unwrap();
    lock.lock().unwrap();
    let mut evidence: LiveEvidence = serde_json::from_str(&fs_err::read_to_string(&path).unwrap()).unwrap();
    // The digest of the text that was read is what the engine calls the manifest's own.
    let manifest = Digest16::of(&fs_err::read(project.manifest()).unwrap());
    let (software, proved_on) = (software.version.clone(), Utc::now().date_naive());
    let proved = LiveConnector { manifest, software, proved_on, streams };
    evidence.connectors.insert(project.connector().to_owned(), proved);
    fs_err::write(&path, evidence.text()).unwrap();
}
