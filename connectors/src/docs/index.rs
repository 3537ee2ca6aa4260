//! The index of all connectors: by category, and by shape for whoever writes the next one.

use std::collections::BTreeMap;

use serde::Serialize;

use super::words::{cell, variant};
use crate::connector::Connector;
use crate::library::Library;
use crate::lint::{Totals, lint};
use crate::manifest::{ManifestError, StreamManifest};
use crate::verify::{Counts, Evidence, LiveEvidence, Standing};

/// What a document without a date says of it.
const UNDATED: &str = "undated";

/// How one connector stands, as `INDEX.md` and `connectors list` say it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// The product's name.
    pub title: String,
    /// How many streams and templates.
    pub streams: String,
    /// The kinds of its streams.
    pub kinds: String,
    /// How requests prove who sends them.
    pub auth: String,
    /// How many streams are known how well.
    pub evidence: String,
    /// The newest document that its evidence rests on; `None` where none is dated.
    pub described_on: Option<String>,
    /// Facts that the vendor does not publish.
    pub not_published: usize,
    /// Facts that are assumed with a reason.
    pub assumed: usize,
    /// Facts that nobody wrote down yet, as `connectors lint` counts them.
    pub missing: usize,
    /// The software and version on which it was proved, where it was; empty else.
    pub live_software: String,
    /// Streams and templates that were proved on it.
    pub live: usize,
    /// How many streams are known how well, by standing.
    pub standings: BTreeMap<Standing, usize>,
}

/// Writes `INDEX.md` from manifests and what is known of them.
///
/// # Errors
///
/// [`ManifestError`] when a manifest of the library cannot be read.
pub fn index(library: &Library, evidence: &Evidence) -> Result<String, ManifestError> {
    let mut by_category: BTreeMap<String, Vec<Listed>> = BTreeMap::new();
    let mut by_shape: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut streams_count = 0;
    for name in library.names() {
        let connector = library.get(name)?;
        let manifest = connector.manifest();
        let streams = whole_streams(&connector);
        streams_count += manifest.streams.iter().len();
        for stream in &streams {
            let shape = stream.pagination.as_ref().map_or_else(|| "none".to_owned(), variant);
            let kind = stream.kind.map_or_else(|| "template".to_owned(), |kind| kind.to_string());
            let names = by_shape.entry(format!("{shape} | {kind}")).or_default();
            if !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        }
        let category = manifest.category.clone().unwrap_or_else(|| "other".to_owned());
        by_category.entry(category).or_default().push(listed_as(&connector, &streams, evidence));
    }
    Ok(write(&by_category, &by_shape, streams_count))
}

/// How a connector stands.
pub fn listed(connector: &Connector, evidence: &Evidence) -> Listed {
    listed_as(connector, &whole_streams(connector), evidence)
}

/// Its streams and templates, with the defaults that all of them share.
fn whole_streams(connector: &Connector) -> Vec<StreamManifest> {
    let manifest = connector.manifest();
    let all = manifest.streams.iter().chain(manifest.templates.iter());
    all.map(|(_, own)| connector.with_defaults(own.clone())).collect()
}

fn listed_as(connector: &Connector, streams: &[StreamManifest], evidence: &Evidence) -> Listed {
    let info = connector.info();
    let mut kinds: Vec<String> = Vec::new();
    for stream in streams {
        let kind = stream.kind.map_or_else(|| "as the project says".to_owned(), |kind| kind.to_string());
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
    }
    let mut standings: BTreeMap<Standing, usize> = BTreeMap::new();
    for stream in &info.streams {
        *standings.entry(evidence.standing(connector, &stream.name, &stream.docs)).or_default() += 1;
    }
    let known = evidence.of(connector.name(), connector.digest());
    let contradicted = known.map_or(0, |known| {
        known
            .streams
            .values()
            .map(crate::verify::StreamEvidence::counts)
            .fold(Counts::default(), Counts::and)
            .contradicted
    });
    let words = standings.iter().rev().map(|(standing, count)| format!("{count} {standing}"));
    let mut summary = words.collect::<Vec<_>>().join(", ");
    if contradicted > 0 {
        summary.push_str(&format!("; {contradicted} facts contradicted"));
    }
    let proved = LiveEvidence::embedded().of(connector);
    let (live, live_software) = proved.map_or((0, String::new()), |live| (live.streams.len(), live.software.clone()));
    if live > 0 {
        let before = if summary.is_empty() { "" } else { "; " };
        summary.push_str(&format!("{before}{live} live on {live_software}"));
    }
    let templates = info.templates.len();
    let streams_text = match (info.streams.len(), templates) {
        (streams, 0) => streams.to_string(),
        (0, templates) => format!("{templates} templates"),
        (streams, templates) => format!("{streams}, {templates} templates"),
    };
    let dates =
        known.into_iter().flat_map(|known| known.streams.values()).filter_map(|stream| stream.document.as_ref());
    let described_on = dates.map(|document| &document.date).filter(|date| *date != UNDATED).max().cloned();
    let Totals { errors, missing_facts, not_published, assumed, .. } = Totals::of(connector, &lint(connector));
    Listed {
        name: info.name,
        title: info.title,
        streams: streams_text,
        kinds: kinds.join(", "),
        auth: info.auth,
        evidence: summary,
        described_on,
        not_published,
        assumed,
        missing: errors + missing_facts,
        live_software,
        live,
        standings,
    }
}

fn write(
    by_category: &BTreeMap<String, Vec<Listed>>,
    by_shape: &BTreeMap<String, Vec<String>>,
    streams: usize,
) -> String {
    let lines = || by_category.values().flatten();
    let sum = |standing: Standing| lines().filter_map(|line| line.standings.get(&standing)).sum::<usize>();
    let unknowns =
        lines().fold((0, 0, 0), |sum, line| (sum.0 + line.not_published, sum.1 + line.assumed, sum.2 + line.missing));
    let mut text = String::from("# Connectors\n\n");
    text.push_str(
        "Generated from the manifests and `evidence.json`: `UPDATE=1 cargo test -p headwater-connectors generated`.\n\n",
    );
    text.push_str(&format!(
        "{} connectors, {streams} streams: {} verified, {} cross-checked, {} documented, {} unverified; {} live on {} products. \
         {} facts are not published by their vendors and run on a cautious default; {} are assumed with a reason; {} are missing.\n\n",
        lines().count(),
        sum(Standing::Verified),
        sum(Standing::CrossChecked),
        sum(Standing::Documented),
        sum(Standing::Unverified),
        lines().map(|line| line.live).sum::<usize>(),
        lines().filter(|line| line.live > 0).count(),
        unknowns.0,
        unknowns.1,
        unknowns.2,
    ));
    text.push_str(
        "*Verified*: path, method, record path, key, cursor and every parameter that is sent are found in the vendor's own published \
         description, and nothing is contradicted. *Cross-checked*: found in a description that others wrote or keep. *Documented*: written \
         from the vendor's documentation, which is linked. *Live*: also run against the real software (`tests/live`), where counts and \
         checksums of what was loaded were those of the software's own store, after the first load and after changes.\n",
    );
    for (category, lines) in by_category {
        text.push_str(&format!("\n## {category}\n\n"));
        text.push_str(
            "| connector | product | streams | kinds | auth | evidence | not published | assumed | missing |\n",
        );
        text.push_str("|---|---|---|---|---|---|---|---|---|\n");
        for line in lines {
            text.push_str(&format!(
                "| [{}](manifests/{}.yaml) | {} | {} | {} | {} | {} | {} | {} | {} |\n",
                line.name,
                line.name,
                cell(&line.title),
                line.streams,
                line.kinds,
                line.auth,
                line.evidence,
                line.not_published,
                line.assumed,
                line.missing
            ));
        }
    }
    text.push_str(
        "\n## By shape\n\nThe nearest manifest to copy from: the one that pages and changes as yours does.\n\n",
    );
    text.push_str("| pagination | kind | connectors |\n|---|---|---|\n");
    for (shape, names) in by_shape {
        text.push_str(&format!("| {shape} | {} |\n", names.join(", ")));
    }
    text
}
