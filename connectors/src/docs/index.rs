//! The index of all connectors: by category, and by shape for whoever writes the next one.

use std::collections::BTreeMap;

use super::words::{cell, unknowns, variant};
use crate::connector::Connector;
use crate::library::Library;
use crate::manifest::{ManifestError, StreamManifest};
use crate::verify::{Counts, Evidence, Standing};

/// One line of the index.
struct Line {
    name: String,
    title: String,
    streams: String,
    kinds: String,
    auth: String,
    evidence: String,
    unknowns: (usize, usize),
    standings: BTreeMap<Standing, usize>,
}

/// Writes `INDEX.md` from manifests and what is known of them.
///
/// # Errors
///
/// [`ManifestError`] when a manifest of the library cannot be read.
pub fn index(library: &Library, evidence: &Evidence) -> Result<String, ManifestError> {
    let mut by_category: BTreeMap<String, Vec<Line>> = BTreeMap::new();
    let mut by_shape: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut streams_count = 0;
    for name in library.names() {
        let connector = library.get(name)?;
        let manifest = connector.manifest();
        let all = manifest.streams.iter().chain(manifest.templates.iter());
        let streams: Vec<StreamManifest> = all.map(|(_, own)| connector.with_defaults(own.clone())).collect();
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
        by_category.entry(category).or_default().push(line(&connector, &streams, evidence));
    }
    Ok(write(&by_category, &by_shape, streams_count))
}

fn line(connector: &Connector, streams: &[StreamManifest], evidence: &Evidence) -> Line {
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
    let templates = info.templates.len();
    let streams_text = match (info.streams.len(), templates) {
        (streams, 0) => streams.to_string(),
        (0, templates) => format!("{templates} templates"),
        (streams, templates) => format!("{streams}, {templates} templates"),
    };
    Line {
        name: info.name,
        title: info.title,
        streams: streams_text,
        kinds: kinds.join(", "),
        auth: info.auth,
        evidence: summary,
        unknowns: unknowns(connector.manifest(), streams),
        standings,
    }
}

fn write(
    by_category: &BTreeMap<String, Vec<Line>>,
    by_shape: &BTreeMap<String, Vec<String>>,
    streams: usize,
) -> String {
    let lines = || by_category.values().flatten();
    let sum = |standing: Standing| lines().filter_map(|line| line.standings.get(&standing)).sum::<usize>();
    let unknowns = lines().fold((0, 0), |sum, line| (sum.0 + line.unknowns.0, sum.1 + line.unknowns.1));
    let mut text = String::from("# Connectors\n\n");
    text.push_str(
        "Generated from the manifests and `evidence.json`: `UPDATE=1 cargo test -p headwater-connectors generated`.\n\n",
    );
    text.push_str(&format!(
        "{} connectors, {streams} streams: {} verified, {} cross-checked, {} documented, {} unverified. \
         {} facts are not published by their vendors and run on a cautious default; {} are assumed with a reason.\n\n",
        lines().count(),
        sum(Standing::Verified),
        sum(Standing::CrossChecked),
        sum(Standing::Documented),
        sum(Standing::Unverified),
        unknowns.0,
        unknowns.1,
    ));
    text.push_str(
        "*Verified*: path, method, record path, key, cursor and every parameter that is sent are found in the vendor's own published \
         description, and nothing is contradicted. *Cross-checked*: found in a description that others wrote or keep. *Documented*: written \
         from the vendor's documentation, which is linked.\n",
    );
    for (category, lines) in by_category {
        text.push_str(&format!("\n## {category}\n\n"));
        text.push_str("| connector | product | streams | kinds | auth | evidence | not published | assumed |\n");
        text.push_str("|---|---|---|---|---|---|---|---|\n");
        for line in lines {
            text.push_str(&format!(
                "| [{}](manifests/{}.yaml) | {} | {} | {} | {} | {} | {} | {} |\n",
                line.name,
                line.name,
                cell(&line.title),
                line.streams,
                line.kinds,
                line.auth,
                line.evidence,
                line.unknowns.0,
                line.unknowns.1
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
