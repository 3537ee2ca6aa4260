//! Against the vendors' published descriptions, which are test data outside the project: the committed evidence, and wrong facts that are
//! sown into manifests on purpose. Where the descriptions are absent, these tests say `skipped: no specs`.

#![expect(clippy::print_stdout, reason = "the table of seeds, and why a test has nothing to say")]

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::*;
use crate::Library;
use crate::draft::{DraftOptions, draft};

/// The folder of descriptions: `HEADWATER_SPECS`, else beside the checkout.
pub(crate) fn specs() -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/specs");
    let folder = std::env::var_os("HEADWATER_SPECS").map_or(beside, PathBuf::from);
    if folder.join("slim").is_dir() {
        return Some(folder);
    }
    println!("skipped: no specs");
    None
}

fn evidence_file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("evidence.json")
}

/// `UPDATE=1` writes the file; without it, what the file says of unchanged manifests must be what the descriptions say.
#[test]
fn the_generated_evidence_is_what_the_descriptions_say() {
    let text = fs_err::read_to_string(evidence_file()).unwrap();
    let kept: Evidence = serde_json::from_str(&text).unwrap();
    assert_eq!(kept.to_text().unwrap(), text, "the file is not in its order");
    let Some(specs) = specs() else { return };
    let done = verify_all(&Library::embedded(), &specs).unwrap();
    println!("{}", done.summary());
    let VerifiedAll::Done { evidence, .. } = done else { panic!("the folder is there") };
    if std::env::var_os("UPDATE").is_some_and(|value| value == "1") {
        fs_err::write(evidence_file(), evidence.to_text().unwrap()).unwrap();
        return;
    }
    for (name, now) in &evidence.connectors {
        let same = kept.connectors.get(name).filter(|kept| kept.manifest == now.manifest);
        let is_same_description = same.is_some_and(|kept| kept.description == now.description);
        assert!(
            !is_same_description || same == Some(now),
            "evidence of `{name}` differs: run `UPDATE=1 cargo test -p headwater-connectors generated`"
        );
    }
}

#[test]
fn absent_descriptions_are_said() {
    let done = verify_all(&Library::embedded(), Path::new("/nowhere/at/all")).unwrap();
    assert_eq!((done.summary().as_str(), done), ("skipped: no specs\n", VerifiedAll::Skipped));
}

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

const SEEDS: [Seed; 10] = [
    Seed::Path,
    Seed::Method,
    Seed::Parameter,
    Seed::Records,
    Seed::Key,
    Seed::Cursor,
    Seed::Type,
    Seed::PagingParameter,
    Seed::PagingLocation,
    Seed::StreamSwapped,
];

/// A stream with the manifest's defaults laid under it.
fn whole(manifest: &Value, stream: &str) -> Map<String, Value> {
    let mut whole = manifest["defaults"].as_object().cloned().unwrap_or_default();
    let own = manifest["streams"][stream].as_object().unwrap();
    for (key, value) in own {
        match (key.as_str(), whole.get_mut(key)) {
            ("window", Some(Value::Object(base))) => base.extend(value.as_object().unwrap().clone()),
            _ => drop(whole.insert(key.clone(), value.clone())),
        }
    }
    whole
}

/// The parameter of a pagination, wherever the variant keeps it.
fn paging_param(pagination: &mut Value) -> Option<&mut Value> {
    let strategy = pagination.as_object_mut()?.values_mut().next()?.as_object_mut()?;
    if strategy.contains_key("pages") && strategy.len() == 1 {
        return paging_param(strategy.get_mut("pages")?);
    }
    strategy.get_mut("param")
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

/// What became of one seed: whether the true fact was found before, and the verdict on the wrong one.
fn outcome(manifest: &Value, description: &Description, before: &VerifyReport, seed: Seed) -> Option<(bool, Verdict)> {
    let mut fallback = None;
    for report in before.streams.iter().filter(|report| !report.stream.ends_with("__keys")) {
        let stream = whole(manifest, &report.stream);
        let path = stream["path"].as_str().unwrap_or_default();
        let others = manifest["streams"].as_object().unwrap().keys().map(|name| whole(manifest, name));
        let fitting = others.filter(|other| {
            let theirs = other["path"].as_str().unwrap_or_default();
            theirs != path && names_in(theirs) == names_in(path)
        });
        let other = fitting.max_by_key(|other| peculiar(report, other)).filter(|other| peculiar(report, other) > 0);
        let other = other.and_then(|other| other["path"].as_str().map(str::to_owned));
        let Some((wrong, kind, name, bad)) = sow(seed, &stream, other.as_deref()) else { continue };
        let is_the_fact = |fact: &&FactReport| fact.kind == kind && fact.fact == name && fact.verdict == Verdict::Found;
        let was_found = seed == Seed::StreamSwapped || report.facts.iter().any(|fact| is_the_fact(&fact));
        if !was_found {
            fallback = fallback.or(Some((false, Verdict::NotCovered)));
            continue;
        }
        let mut sown = manifest.clone();
        sown["streams"][&report.stream] = Value::Object(wrong);
        let connector =
            Connector::parse(&sown.to_string(), "sown.yaml").unwrap_or_else(|error| panic!("{seed:?} {error}"));
        let after = verify(&connector, description).unwrap();
        let after = after.streams.iter().find(|after| after.stream == report.stream).unwrap();
        let verdict = match seed {
            // A stream that reads another's path is noticed when something of it is refuted that was not before.
            Seed::StreamSwapped if after.facts.iter().any(|fact| is_newly_refuted(fact, report)) => {
                Verdict::Contradicted
            }
            Seed::StreamSwapped if after.counts().found < report.counts().found => Verdict::NotCovered,
            Seed::StreamSwapped => Verdict::Found,
            _ => after.facts.iter().find(|fact| fact.kind == kind && fact.fact == bad).unwrap().verdict,
        };
        return Some((true, verdict));
    }
    fallback
}

fn is_newly_refuted(fact: &FactReport, before: &StreamReport) -> bool {
    let was = before.facts.iter().find(|one| one.kind == fact.kind && one.fact == fact.fact);
    fact.verdict == Verdict::Contradicted && was.is_none_or(|was| was.verdict != Verdict::Contradicted)
}

/// Columns of a stream that its description shows and that the other stream lacks: without one, the two cannot be told apart.
fn peculiar(report: &StreamReport, other: &Map<String, Value>) -> usize {
    let shown = report.facts.iter().filter(|fact| fact.kind == FactKind::Column && fact.verdict == Verdict::Found);
    shown.filter(|fact| other["columns"].get(fact.fact.split(": ").next().unwrap()).is_none()).count()
}

/// Our manifests that a vendor describes, and drafts of other vendors, in order of the alphabet.
fn manifests(specs: &Path) -> Vec<(String, Value, Description)> {
    const WANTED: usize = 20;
    let open = |vendor: &str| Description::open(&specs.join(format!("slim/{vendor}.json.gz"))).unwrap();
    let mut all = Vec::new();
    for vendor in ["github", "hubspot", "stripe"] {
        let (_, text) = Library::embedded_texts().find(|(file, _)| *file == format!("{vendor}.yaml")).unwrap();
        all.push((vendor.to_owned(), crate::manifest::yaml::from_str::<Value>(text).unwrap(), open(vendor)));
    }
    let mut files: Vec<PathBuf> =
        fs_err::read_dir(specs.join("slim")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    // Small descriptions, so that the test stays quick; every third, so that no letter is favoured.
    files.retain(|file| (4_000..60_000).contains(&file.metadata().unwrap().len()));
    for file in files.iter().step_by(3) {
        if all.len() == WANTED {
            break;
        }
        let description = Description::open(file).unwrap();
        if ["github", "hubspot", "stripe"].contains(&description.vendor.as_str()) {
            continue;
        }
        let Ok(drafted) = draft(&description, &DraftOptions::default()) else { continue };
        let manifest: Value = crate::manifest::yaml::from_str(&drafted.text).unwrap();
        // A manifest without windows and pages has nothing to sow into.
        let has = |key: &str| drafted.streams.iter().any(|stream| manifest["streams"][stream].get(key).is_some());
        if has("window") && has("pagination") {
            all.push((format!("{} (draft)", description.vendor), manifest, description));
        }
    }
    assert_eq!(all.len(), WANTED);
    all
}

#[test]
fn wrong_facts_that_are_sown_are_refuted() {
    let Some(specs) = specs() else { return };
    let mut table: Vec<(Seed, usize, usize, usize, usize)> = SEEDS.iter().map(|seed| (*seed, 0, 0, 0, 0)).collect();
    for (name, manifest, description) in manifests(&specs) {
        let connector = Connector::parse(&manifest.to_string(), &name).unwrap();
        let before = verify(&connector, &description).unwrap();
        for (seed, found_before, contradicted, not_covered, found) in &mut table {
            let Some((true, verdict)) = outcome(&manifest, &description, &before, *seed) else { continue };
            *found_before += 1;
            match verdict {
                Verdict::Contradicted => *contradicted += 1,
                Verdict::NotCovered => *not_covered += 1,
                Verdict::Found => *found += 1,
            }
            if verdict != Verdict::Contradicted {
                println!("{verdict}: {name} {seed:?}");
            }
        }
    }
    println!(
        "{:<16} {:>5} {:>12} {:>12} {:>11} {:>6}",
        "seed", "sown", "found before", "contradicted", "not covered", "found"
    );
    let mut sums = (0, 0, 0);
    for (seed, found_before, contradicted, not_covered, found) in &table {
        println!(
            "{:<16} {:>5} {found_before:>12} {contradicted:>12} {not_covered:>11} {found:>6}",
            format!("{seed:?}"),
            20
        );
        sums = (sums.0 + found_before, sums.1 + contradicted, sums.2 + found);
    }
    let (found_before, contradicted, found) = sums;
    println!(
        "{found_before} of 200 true facts were found before; {contradicted} of the wrong ones were contradicted, {found} found"
    );
    assert!(found_before * 10 >= 200 * 6, "{found_before} of 200");
    assert!(contradicted * 10 >= found_before * 9, "{contradicted} of {found_before}");
    assert_eq!(found, 0);
}
