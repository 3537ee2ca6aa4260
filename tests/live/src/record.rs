//! What was proved, written to `connectors/live.json` under `UPDATE=1`; nobody types it.

use std::collections::BTreeMap;

use chrono::Utc;
use headwater_connectors::Connector;
use headwater_connectors::verify::{LiveConnector, LiveEvidence, LiveStream};

use crate::project::{Project, manifest, top};
use crate::software::Software;

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
    let text = fs_err::read_to_string(&path).unwrap();
    let mut evidence: LiveEvidence = serde_json::from_str(&text).unwrap();
    let manifest = manifest(project.connector());
    let connector = Connector::parse(&fs_err::read_to_string(&manifest).unwrap(), &manifest.display().to_string()).unwrap();
    let proved =
        LiveConnector { manifest: connector.digest(), software: software.version.clone(), proved_on: Utc::now().date_naive(), streams };
    evidence.connectors.insert(project.connector().to_owned(), proved);
    fs_err::write(&path, evidence.to_text().unwrap()).unwrap();
}
