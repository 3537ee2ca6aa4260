//! The proof, the same for every software: first load, increment after changes, deletes where the API shows them, and then nothing.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::project::Project;
use crate::record::{self, LiveStream};
use crate::software::Software;
use crate::table::Table;

/// What the software itself holds of one stream.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Truth {
    columns: Vec<String>,
    rows: Vec<Vec<Value>>,
    /// The stream, where one is looked at a second time.
    of: Option<String>,
    /// Which of the lake's rows are told of.
    r#where: Option<String>,
}

/// What was proved of each stream.
type Proved = BTreeMap<String, Vec<(Table, usize)>>;

/// Holds every stream that the software tells of against the lake.
#[track_caller]
fn compare(project: &Project<'_>, software: &Software, when: &str, proved: &mut Proved) {
    let truths: BTreeMap<String, Truth> = serde_json::from_value(software.ask("truth")).unwrap();
    assert!(!truths.is_empty(), "{} tells of no stream", software.version);
    let mut wrong = Vec::new();
    for (name, truth) in truths {
        let stream = truth.of.clone().unwrap_or_else(|| name.clone());
        let theirs = Table::new(&truth.rows, 0);
        let ours = project.table(&stream, &truth.columns, truth.r#where.as_deref());
        eprintln!("{} {when}: {name} {} rows, lake {}", software.version, theirs.count(), ours.count());
        match ours.difference(&theirs) {
            Some(difference) => wrong.push(format!("{when}, {name}: {difference}")),
            None if truth.of.is_none() => proved.entry(stream).or_default().push((ours, truth.columns.len())),
            None => {}
        }
    }
    assert!(wrong.is_empty(), "{}\n{}", software.version, wrong.join("\n"));
}

fn prove(name: &'static str) {
    let Some(software) = Software::start(name, 6) else { return };
    software.step("fill");
    let project = Project::of(&software);
    let mut proved = Proved::new();
    software.clock_at(5);
    project.run(&["run", "--strict"]);
    compare(&project, &software, "first load", &mut proved);
    software.clock_at(4);
    software.step("change");
    software.clock_at(3);
    project.run(&["run", "--strict"]);
    compare(&project, &software, "after changes", &mut proved);
    let again = project.run(&["run", "--strict"]);
    assert!(again.contains("nothing is due"), "{again}");

    let mut streams: BTreeMap<String, LiveStream> = BTreeMap::new();
    for (stream, tables) in proved {
        let [(first, columns), (changed, _)] = tables.as_slice() else { panic!("{stream} was not told of each time") };
        // A stream without a row proves nothing.
        if first.count() == 0 {
            continue;
        }
        let line = LiveStream {
            rows_first: first.count(),
            rows_after: changed.count(),
            deleted: changed.deleted,
            is_changed: first.checksum() != changed.checksum(),
            columns: *columns,
            checksum: changed.checksum(),
        };
        streams.entry(project.manifest_stream(&stream)).and_modify(|before| before.add(&line)).or_insert(line);
    }
    record::keep(&project, &software, streams);
}

#[test]
fn airflow() {
    prove("airflow");
}

#[test]
fn datasette() {
    prove("datasette");
}

#[test]
fn directus() {
    prove("directus");
}

#[test]
fn jupyterhub() {
    prove("jupyterhub");
}

#[test]
fn kinto() {
    prove("kinto");
}

#[test]
fn label_studio() {
    prove("label-studio");
}

#[test]
fn mediawiki() {
    prove("mediawiki");
}

#[test]
fn medusa() {
    prove("medusa");
}

#[test]
fn nocodb() {
    prove("nocodb");
}

#[test]
fn prefect() {
    prove("prefect");
}

#[test]
fn prometheus() {
    prove("prometheus");
}

#[test]
fn redmine() {
    prove("redmine");
}

#[test]
fn request_tracker() {
    prove("request-tracker");
}

#[test]
fn superset() {
    prove("superset");
}

#[test]
fn wordpress() {
    prove("wordpress");
}
