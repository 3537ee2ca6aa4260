//! The ten kinds of wrong facts that every manifest is sown with.

use serde_json::{Map, Value, json};

use super::{Bed, Harvest, noticed, paging_param, reported, whole};
use crate::verify::{FactKind, FactReport, StreamReport, Verdict};

/// The ten ways to be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seed {
    Path,
    Method,
    Parameter,
    Records,
    Key,
    Cursor,
    Type,
    PagingParameter,
    PagingLocation,
    StreamSwapped,
}

const SEEDS: [(Seed, &str); 10] = [
    (Seed::Path, "path"),
    (Seed::Method, "method"),
    (Seed::Parameter, "parameter"),
    (Seed::Records, "record path"),
    (Seed::Key, "key"),
    (Seed::Cursor, "cursor"),
    (Seed::Type, "type"),
    (Seed::PagingParameter, "paging parameter"),
    (Seed::PagingLocation, "paging location"),
    (Seed::StreamSwapped, "stream swapped"),
];

pub(super) fn table_of(beds: &[Bed]) -> Vec<(String, usize, Harvest)> {
    let row = |(seed, name): (Seed, &str)| {
        let mut harvest = Harvest::default();
        for bed in beds {
            let Some(verdict) = outcome(bed, seed) else { continue };
            harvest.count(verdict);
            if verdict != Verdict::Contradicted {
                println!("{verdict}: {} {name}", bed.name);
            }
        }
        (name.to_owned(), beds.len(), harvest)
    };
    SEEDS.into_iter().map(row).collect()
}

#[expect(clippy::too_many_lines, reason = "one arm a way to be wrong")]
/// Sows one wrong fact: the changed stream, the kind of the fact, and its name before and after.
fn sow(
    seed: Seed,
    stream: &Map<String, Value>,
    other: Option<&str>,
) -> Option<(Map<String, Value>, FactKind, String, String)> {
    let mut wrong = stream.clone();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    let column_path = |wrong: &mut Map<String, Value>, name: &str| -> Option<()> {
        let column = wrong.get_mut("columns")?.get_mut(name)?.as_object_mut()?;
        let path = column.get("path").and_then(Value::as_str).map_or_else(|| format!("/{name}"), str::to_owned);
        let (above, last) = path.rsplit_once('/')?;
        column.insert("path".into(), json!(format!("{above}/{last}_of_old")));
        Some(())
    };
    Some(match seed {
        Seed::Path => {
            let path = text(stream.get("path")?)?;
            let bad = format!("{path}_of_old");
            wrong.insert("path".into(), json!(bad));
            (wrong, FactKind::Path, path, bad)
        }
        Seed::Method => {
            let is_post = stream.get("method") == Some(&json!("post")) || stream.contains_key("body");
            wrong.remove("body");
            wrong.insert("method".into(), json!(if is_post { "get" } else { "post" }));
            let (before, after) = if is_post { ("post", "get") } else { ("get", "post") };
            (wrong, FactKind::Method, before.into(), after.into())
        }
        Seed::Parameter => {
            if let Some(from) = stream.get("window").and_then(|window| text(&window["request"]["from"])) {
                let bad = from
                    .split_once('[')
                    .map_or_else(|| format!("{from}_of_old"), |(root, rest)| format!("{root}_of_old[{rest}"));
                wrong.get_mut("window")?["request"]["from"] = json!(bad);
                (wrong, FactKind::Window, from, bad)
            } else {
                let (name, value) = stream.get("params")?.as_object()?.iter().next()?;
                let bad = format!("{name}_of_old");
                let params = wrong.get_mut("params")?.as_object_mut()?;
                params.remove(name);
                params.insert(bad.clone(), value.clone());
                (wrong, FactKind::Filter, name.clone(), bad)
            }
        }
        Seed::Records => {
            let records = text(stream.get("records")?)?;
            let bad = format!("{}_of_old", if records.is_empty() { "/data" } else { &records });
            wrong.insert("records".into(), json!(bad));
            (wrong, FactKind::Records, if records.is_empty() { "the whole".into() } else { records }, bad)
        }
        Seed::Key => {
            let key = text(&stream.get("key")?[0])?;
            column_path(&mut wrong, &key)?;
            (wrong, FactKind::Key, key.clone(), key)
        }
        Seed::Cursor => {
            let field = text(&stream.get("window")?["field"])?;
            column_path(&mut wrong, &field)?;
            (wrong, FactKind::Cursor, field.clone(), field)
        }
        Seed::Type => {
            let typed = |wanted: &str| {
                let columns = stream.get("columns")?.as_object()?;
                columns.iter().find(|(_, column)| column["type"] == json!(wanted)).map(|(name, _)| name.clone())
            };
            let (name, before, after) = typed("boolean")
                .map(|name| (name, "boolean", "int64"))
                .or_else(|| typed("int64").map(|name| (name, "int64", "string")))
                .or_else(|| typed("string").map(|name| (name, "string", "boolean")))?;
            wrong.get_mut("columns")?[&name]["type"] = json!(after);
            (wrong, FactKind::Column, format!("{name}: {before}"), format!("{name}: {after}"))
        }
        Seed::PagingParameter | Seed::PagingLocation => {
            let param = paging_param(wrong.get_mut("pagination")?)?;
            let before = text(param)?;
            let after = match (seed, before.strip_prefix('/')) {
                (Seed::PagingParameter, _) => format!("{before}_of_old"),
                (_, Some(bare)) => bare.replace('/', "."),
                (_, None) => format!("/{before}"),
            };
            *param = json!(after);
            (wrong, FactKind::Paging, before, after)
        }
        Seed::StreamSwapped => {
            wrong.insert("path".into(), json!(other?));
            (wrong, FactKind::Column, String::new(), String::new())
        }
    })
}

/// The names in the braces of a path, which a swapped one must share.
fn names_in(path: &str) -> Vec<&str> {
    path.split('{').skip(1).filter_map(|rest| rest.split('}').next()).collect()
}

/// The verdict on a wrong fact in the first stream whose true one was found; nothing where no stream has it.
fn outcome(bed: &Bed, seed: Seed) -> Option<Verdict> {
    for report in &bed.before.streams {
        let Some(stream) = whole(&bed.manifest, &report.stream) else { continue };
        let other = if seed == Seed::StreamSwapped { swapped(bed, report, &stream) } else { None };
        let Some((wrong, kind, name, bad)) = sow(seed, &stream, other.as_deref()) else { continue };
        let is_the_fact = |fact: &FactReport| fact.kind == kind && fact.fact == name && fact.verdict == Verdict::Found;
        if seed != Seed::StreamSwapped && !report.facts.iter().any(is_the_fact) {
            continue;
        }
        let Some(after) = reported(bed, &report.stream, wrong) else { continue };
        if seed == Seed::StreamSwapped {
            return Some(noticed(report, &after));
        }
        let after = after.facts.iter().find(|fact| fact.kind == kind && fact.fact == bad);
        return Some(after.map_or(Verdict::NotCovered, |fact| fact.verdict));
    }
    None
}

/// The path of another stream, under the same names, that lacks most of what this one's answer shows.
fn swapped(bed: &Bed, report: &StreamReport, stream: &Map<String, Value>) -> Option<String> {
    let path = stream["path"].as_str()?;
    let names = bed.manifest["streams"].as_object()?.keys();
    let others = names.filter_map(|name| whole(&bed.manifest, name)).filter(|other| {
        let theirs = other.get("path").and_then(Value::as_str).unwrap_or_default();
        !theirs.is_empty() && theirs != path && names_in(theirs) == names_in(path)
    });
    let other = others.max_by_key(|other| peculiar(report, other)).filter(|other| peculiar(report, other) > 0)?;
    other["path"].as_str().map(str::to_owned)
}

/// Columns of a stream that its description shows and that the other stream lacks: without one, the two cannot be told apart.
fn peculiar(report: &StreamReport, other: &Map<String, Value>) -> usize {
    let shown = report.facts.iter().filter(|fact| fact.kind == FactKind::Column && fact.verdict == Verdict::Found);
    shown
        .filter(|fact| {
            other.get("columns").and_then(|columns| columns.get(fact.fact.split(": ").next().unwrap())).is_none()
        })
        .count()
}
