//! Wrong facts that are sown into manifests on purpose, so that it shows what a verdict is worth: `connectors/SEEDS.md` has both tables.
//!
//! Of one manifest one fact is made wrong at a time. What counts is a seed whose true fact was *found* before: then the wrong one should
//! come out *contradicted*, and must not come out *found*.

#![expect(clippy::print_stdout, reason = "the seeds that were not refuted, one a line")]

mod others;
mod ten;

use std::fmt::Write;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::corpus::specs;
use super::evidence::description_file;
use super::{FactReport, StreamReport, Verdict, VerifyReport, verify};
use crate::description::Description;
use crate::{Connector, Library};

/// Manifests that the ten kinds are sown into.
const WANTED: usize = 20;
/// Compressed bytes of a description that is read here, so that the tables are made in minutes.
const DESCRIPTION_BYTES_MAX: u64 = 150_000;
/// Of the manifests that are left, every how many-th the other kinds are sown into.
const STEP: usize = 3;

/// A manifest with the description of its vendor.
struct Bed {
    name: String,
    manifest: Value,
    connector: Connector,
    description: Description,
    before: VerifyReport,
}

/// What became of seeds of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Harvest {
    /// The true fact was found before.
    found_before: usize,
    contradicted: usize,
    not_covered: usize,
    found: usize,
}

impl Harvest {
    fn count(&mut self, verdict: Verdict) {
        self.found_before += 1;
        match verdict {
            Verdict::Contradicted => self.contradicted += 1,
            Verdict::NotCovered => self.not_covered += 1,
            Verdict::Found => self.found += 1,
        }
    }

    fn sum<'a>(all: impl IntoIterator<Item = &'a Self>) -> Self {
        let add = |a: Self, b: &Self| Self {
            found_before: a.found_before + b.found_before,
            contradicted: a.contradicted + b.contradicted,
            not_covered: a.not_covered + b.not_covered,
            found: a.found + b.found,
        };
        all.into_iter().fold(Self::default(), add)
    }
}

/// A stream with the manifest's defaults laid under it; nothing for one that the manifest does not write itself.
fn whole(manifest: &Value, stream: &str) -> Option<Map<String, Value>> {
    let mut whole = manifest["defaults"].as_object().cloned().unwrap_or_default();
    let own = manifest["streams"].get(stream)?.as_object()?;
    for (key, value) in own {
        match (key.as_str(), whole.get_mut(key)) {
            ("window", Some(Value::Object(base))) => base.extend(value.as_object().cloned().unwrap_or_default()),
            _ => drop(whole.insert(key.clone(), value.clone())),
        }
    }
    Some(whole)
}

/// The parameter of a pagination, wherever the variant keeps it.
fn paging_param(pagination: &mut Value) -> Option<&mut Value> {
    let strategy = pagination.as_object_mut()?.values_mut().next()?.as_object_mut()?;
    if strategy.contains_key("pages") && strategy.len() == 1 {
        return paging_param(strategy.get_mut("pages")?);
    }
    strategy.get_mut("param")
}

/// The report on one stream when its words are others; nothing where they are no manifest any more.
fn reported(bed: &Bed, stream: &str, words: Map<String, Value>) -> Option<StreamReport> {
    let mut sown = bed.manifest.clone();
    sown["streams"][stream] = Value::Object(words);
    let connector = Connector::parse(&sown.to_string(), "sown.yaml").ok()?;
    let after = verify(&connector, &bed.description).ok()?;
    after.streams.into_iter().find(|after| after.stream == stream)
}

/// What a stream that reads another's path comes out as: it is noticed when something of it is refuted that was not before.
fn noticed(before: &StreamReport, after: &StreamReport) -> Verdict {
    let is_newly_refuted = |fact: &FactReport| {
        let was = before.facts.iter().find(|one| one.kind == fact.kind && one.fact == fact.fact);
        fact.verdict == Verdict::Contradicted && was.is_none_or(|was| was.verdict != Verdict::Contradicted)
    };
    if after.facts.iter().any(is_newly_refuted) {
        Verdict::Contradicted
    } else if after.counts().found < before.counts().found {
        Verdict::NotCovered
    } else {
        Verdict::Found
    }
}

/// Every shipped manifest that its vendor describes and that has windows and pages to sow into, in the order of the alphabet.
fn beds(specs: &Path) -> Vec<Bed> {
    let mut beds = Vec::new();
    let library = Library::embedded();
    for (file, text) in Library::embedded_texts() {
        let name = file.trim_end_matches(".yaml");
        let connector = library.get(name).unwrap();
        let Some(path) = description_file(&connector, specs) else { continue };
        if path.metadata().unwrap().len() > DESCRIPTION_BYTES_MAX {
            continue;
        }
        let manifest: Value = crate::manifest::yaml::from_str(text).unwrap();
        let has = |key: &str| {
            let names = manifest["streams"].as_object().into_iter().flat_map(Map::keys);
            names.filter_map(|name| whole(&manifest, name)).any(|stream| stream.get(key).is_some_and(Value::is_object))
        };
        if !has("window") || !has("pagination") {
            continue;
        }
        let description = Description::open(&path).unwrap();
        if !description.provenance.is_of_the_vendor() {
            continue;
        }
        let connector = Connector::parse(text, file).unwrap();
        let before = verify(&connector, &description).unwrap();
        beds.push(Bed { name: name.to_owned(), manifest, connector, description, before });
    }
    beds.sort_by(|a, b| a.name.cmp(&b.name));
    beds
}

/// Twenty of the beds, evenly over the alphabet, and every third of the others.
fn divided(beds: Vec<Bed>) -> (Vec<Bed>, Vec<Bed>) {
    let step = beds.len() / WANTED;
    assert!(step > 0, "{} manifests are too few", beds.len());
    let (mut twenty, mut others) = (Vec::new(), Vec::new());
    for (at, bed) in beds.into_iter().enumerate() {
        if at % step == 0 && twenty.len() < WANTED { twenty.push(bed) } else { others.push(bed) }
    }
    (twenty, others.into_iter().step_by(STEP).collect())
}

fn table(rows: &[(String, usize, Harvest)]) -> String {
    let mut text =
        "| wrong | sown | found before | contradicted | not covered | found |\n|---|---|---|---|---|---|\n".to_owned();
    let mut row = |name: &str, sown: usize, harvest: &Harvest| {
        let Harvest { found_before, contradicted, not_covered, found } = harvest;
        writeln!(text, "| {name} | {sown} | {found_before} | {contradicted} | {not_covered} | {found} |").unwrap();
    };
    for (name, sown, harvest) in rows {
        row(name, *sown, harvest);
    }
    let sown = rows.iter().map(|(_, sown, _)| sown).sum();
    row("all", sown, &Harvest::sum(rows.iter().map(|(.., harvest)| harvest)));
    text
}

fn page_file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("SEEDS.md")
}

/// `UPDATE=1` writes the page; without it, the tables hold what is promised of verdicts. Manifests change more often than the page, so
/// its counts are of the day on which it was written.
#[test]
fn the_generated_page_of_seeds_is_what_verdicts_are_worth() {
    let Some(specs) = specs() else { return };
    let (twenty, rest) = divided(beds(&specs));
    let names = twenty.iter().map(|bed| bed.name.as_str()).collect::<Vec<_>>().join(", ");
    let (ten, others) = (ten::table_of(&twenty), others::table_of(&rest));
    let page = format!(
        "# What a verdict is worth\n\nWrong facts are sown into manifests on purpose, one at a time, and held against the vendors' descriptions. What counts is a seed\n\
         whose true fact was found before it was made wrong. Written by `UPDATE=1 HEADWATER_SPECS=… cargo test -p headwater-connectors --lib generated`.\n\n\
         ## Ten kinds in twenty manifests\n\nOf the shipped manifests that the vendor itself describes (in at most {} kB, packed) and that have windows and pages, in the order of the\n\
         alphabet, twenty at even distances: {names}.\n\n{}\n## Other kinds in other manifests\n\nEvery third of the manifests that are left, {} of them; every kind into each stream in turn until one has what it takes.\n\n{}",
        DESCRIPTION_BYTES_MAX / 1_000,
        table(&ten),
        rest.len(),
        table(&others),
    );
    println!("{page}");
    let (ten, others) =
        (Harvest::sum(ten.iter().map(|(.., all)| all)), Harvest::sum(others.iter().map(|(.., all)| all)));
    assert!(ten.found_before * 10 >= 200 * 6, "{ten:?}: too few were found before");
    assert!(ten.contradicted * 10 >= ten.found_before * 9, "{ten:?}: too few are contradicted");
    assert_eq!(ten.found, 0, "{ten:?}: wrong facts are found");
    // Near the truth a description itself may say both.
    assert!(others.found * 100 <= others.found_before, "{others:?}: wrong facts are found");
    if std::env::var_os("UPDATE").is_some_and(|value| value == "1") {
        fs_err::write(page_file(), page).unwrap();
    }
    assert!(
        fs_err::read_to_string(page_file()).unwrap().contains("| stream swapped | 20 |"),
        "the page is not written yet"
    );
}
