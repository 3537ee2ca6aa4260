//! Reads a Delta log by the protocol's text alone: JSON commits in order, `add` shows a file, `remove` hides it.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

/// The live files of a table with the rows that their statistics state, and its application transactions.
pub(crate) fn live_files(table: &Path) -> (BTreeMap<String, u64>, BTreeMap<String, i64>) {
    let (mut files, mut txns) = (BTreeMap::new(), BTreeMap::new());
    for version in 0.. {
        let path = table.join(format!("_delta_log/{version:020}.json"));
        let Ok(text) = std::fs::read_to_string(path) else { break };
        for action in text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
            if let Some(add) = action.get("add") {
                let stats: Value = serde_json::from_str(add["stats"].as_str().unwrap()).unwrap();
                let path = decode(add["path"].as_str().unwrap());
                files.insert(path, stats["numRecords"].as_u64().unwrap());
            } else if let Some(remove) = action.get("remove") {
                files.remove(&decode(remove["path"].as_str().unwrap()));
            } else if let Some(txn) = action.get("txn") {
                txns.insert(txn["appId"].as_str().unwrap().to_owned(), txn["version"].as_i64().unwrap());
            }
        }
    }
    // A file that was hidden since may be cleaned up; one that shows must be there.
    for path in files.keys() {
        assert!(table.join(path).is_file(), "the log of {} shows {path}, which is not there", table.display());
    }
    (files, txns)
}

/// A path of the log, where every byte may be percent-encoded.
fn decode(path: &str) -> String {
    let (mut bytes, mut rest) = (Vec::new(), path.as_bytes());
    while let Some((first, tail)) = rest.split_first() {
        let code = tail.get(..2).and_then(|pair| std::str::from_utf8(pair).ok());
        let byte = code.and_then(|pair| u8::from_str_radix(pair, 16).ok()).filter(|_| *first == b'%');
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8(bytes).unwrap()
}
