//! Erasing persons: nothing of them in any file afterwards, nobody else changed, no way back, and a kill anywhere in between.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::Path;

use headwater::sandbox::Collection;
use headwater_lake::steps::Step;
use parquet::file::reader::{FileReader, SerializedFileReader};
use serde_json::{Value, json};

use crate::harness::{Project, Server, walk, written};

/// The columns that name a customer, by stream; payments name orders only.
const NAMED_BY: [(&str, &str); 4] = [
    ("shop.customers", "id"),
    ("shop.orders", "customer_id"),
    ("shop.events", "customer_id"),
    ("shop.tickets", "customer_id"),
];

/// A customer with a name and an address that stand nowhere else.
struct Person {
    id: String,
    name: String,
    email: String,
}

impl Person {
    fn canaries(&self) -> [&str; 3] {
        [&self.id, &self.name, &self.email]
    }

    /// The arguments of the command that erases the person.
    fn whom(&self) -> Vec<String> {
        let pair = |(stream, column): &(&str, &str)| [(*stream).to_owned(), format!("{column}={}", self.id)];
        NAMED_BY.iter().flat_map(pair).collect()
    }

    fn erase<'a>(&self, project: &'a Project, server: &Server, more: &[&str]) -> (&'a Project, Vec<String>) {
        server.pass_hours(1);
        let words =
            ["erase".to_owned()].into_iter().chain(self.whom()).chain(more.iter().map(|word| (*word).to_owned()));
        (project.at_the_time_of(server), words.collect())
    }
}

/// Plants persons among those who ordered something.
fn plant(server: &Server, count: usize) -> Vec<Person> {
    let orders = server.rows(Collection::Orders);
    let known: BTreeSet<String> =
        server.rows(Collection::Customers).iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect();
    let buyers: BTreeSet<String> = orders.iter().map(|row| row["customer_id"].as_str().unwrap().to_owned()).collect();
    let chosen: Vec<String> = buyers.into_iter().filter(|id| known.contains(id)).take(count).collect();
    assert_eq!(chosen.len(), count);
    let person = |(number, id): (usize, String)| Person {
        name: format!("Canary Xylophone-{number}"),
        email: format!("canary.{number}@xylophone.example"),
        id,
    };
    let persons: Vec<Person> = chosen.into_iter().enumerate().map(person).collect();
    for person in &persons {
        server.set(Collection::Customers, &person.id, json!({ "name": person.name, "email": person.email }));
    }
    persons
}

fn run(project: &Project, words: &[String]) -> crate::harness::Ran {
    project.run(&words.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Every file of the project, compression undone, in which a text stands. What the log says of whom a reading concerned counts too.
fn files_with(project: &Project, texts: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for folder in ["lake", ".headwater"] {
        walk(&project.path(folder), &mut |path| {
            let content = content(path);
            let name = path.display().to_string();
            for text in texts {
                if content.contains(text) || name.contains(text) {
                    found.push(format!("{name}: {text}"));
                }
            }
        });
    }
    found
}

fn content(path: &Path) -> String {
    let mut all = String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned();
    if path.extension().is_some_and(|extension| extension == "parquet") {
        let reader = SerializedFileReader::new(File::open(path).unwrap()).unwrap();
        for row in reader.get_row_iter(None).unwrap() {
            for (_, field) in row.unwrap().get_column_iter() {
                all += &written(field);
                all.push(' ');
            }
        }
    }
    all
}

/// Rows of every cleansed and curated table, without what says which generation wrote them or when.
fn rows(project: &Project) -> BTreeMap<String, Vec<String>> {
    let mut tables = BTreeMap::new();
    for zone in ["cleansed", "curated"] {
        let entries = project.run(&["catalog", "list", "--zone", zone, "-o", "json"]).ends_with(0).json();
        for entry in entries.as_array().unwrap() {
            let name = entry["dataset"]["table"].as_str().unwrap().to_owned();
            let is_kept = |column: &str| match zone {
                "cleansed" => !matches!(column, "_generation" | "_attempt" | "_landed_at"),
                _ => !column.starts_with('_'),
            };
            let text = |row: &serde_json::Map<String, Value>| {
                let fields = row.iter().filter(|(column, _)| is_kept(column));
                fields.map(|(column, value)| format!("{column}={value}")).collect::<Vec<_>>().join(" ")
            };
            let mut rows: Vec<String> = project.query(&format!("select * from {name}")).iter().map(text).collect();
            rows.sort_unstable();
            tables.insert(name, rows);
        }
    }
    tables
}

/// The orders of these persons, and what belongs to them.
fn ids_of(server: &Server, persons: &[Person]) -> BTreeSet<String> {
    let is_theirs = |id: &Value| persons.iter().any(|person| id == person.id.as_str());
    let orders = server.rows(Collection::Orders).into_iter().filter(|row| is_theirs(&row["customer_id"]));
    orders.map(|row| row["id"].as_str().unwrap().to_owned()).collect()
}

/// Fails unless cleansed shows what it showed but for the persons, and facts what they showed but for their keys.
#[track_caller]
fn only_theirs_are_gone(
    before: &BTreeMap<String, Vec<String>>,
    after: &BTreeMap<String, Vec<String>>,
    persons: &[Person],
    orders: &BTreeSet<String>,
) {
    let names = |row: &str| persons.iter().any(|person| person.canaries().iter().any(|canary| row.contains(canary)));
    let is_of_order = |row: &str| orders.iter().any(|order| row.contains(order.as_str()));
    for (table, rows) in before {
        // A payment stays, and belongs to nobody: it is what the shop earned.
        if table.contains("payments") || table.starts_with("curated.") {
            assert!(table.starts_with("curated.") || after[table] == *rows, "{table}");
            continue;
        }
        let expected: Vec<&String> = rows.iter().filter(|row| !names(row) && !is_of_order(row)).collect();
        let found: Vec<&String> = after[table].iter().collect();
        let first = expected.iter().zip(&found).find(|(one, other)| one != other);
        assert!(expected == found, "{table}: {} rows expected, {} found, {first:#?}", expected.len(), found.len());
    }
    // Nobody's surrogate key changes.
    let customers = |rows: &BTreeMap<String, Vec<String>>| -> Vec<String> {
        rows["curated.shop.dim_customer"].iter().filter(|row| !names(row)).cloned().collect()
    };
    assert_eq!(customers(before), customers(after));
    assert!(!customers(after).is_empty());
    assert_eq!(before["curated.shop.dim_product"], after["curated.shop.dim_product"]);
    let lines = |rows: &BTreeMap<String, Vec<String>>| -> Vec<String> {
        rows["curated.shop.fact_order_lines"].iter().filter(|row| !is_of_order(row)).cloned().collect()
    };
    assert_eq!(lines(before), lines(after));
}

#[test]
fn three_persons_are_gone_from_every_file_and_nobody_else_changes() {
    let server = Server::start();
    let persons = plant(&server, 3);
    let mut orders = ids_of(&server, &persons);
    assert!(!orders.is_empty());
    let project = Project::of(&server).with_stars("shop");
    project.at_the_time_of(&server).run(&["run"]).ends_with(0);
    server.set(Collection::Customers, &persons[1].id, json!({ "city": "Vienna" }));
    server.pass_hours(25);
    project.at_the_time_of(&server).run(&["run"]).ends_with(0);
    project.at_the_time_of(&server).run(&["maintain"]).ends_with(0);
    // Now a question is in the audit log, a second reading in raw, and large files hold many windows.
    let question = format!("select count(*) as n from cleansed.shop.customers where email = '{}'", persons[0].email);
    assert_eq!(project.value(&question), "1");
    orders.extend(ids_of(&server, &persons));
    let before = rows(&project);
    for person in &persons {
        assert!(!files_with(&project, &person.canaries()).is_empty());
        let (project, words) = person.erase(&project, &server, &[]);
        let ran = run(project, &words).ends_with(0);
        ran.says("proof: ").says("0 records of the person").says("time travel");
    }
    let canaries: Vec<&str> = persons.iter().flat_map(Person::canaries).collect();
    assert_eq!(files_with(&project, &canaries), Vec::<String>::new());
    only_theirs_are_gone(&before, &rows(&project), &persons, &orders);
    // A run afterwards owes nothing and reads nobody again; a backfill and a rebuild bring nobody back.
    project.at_the_time_of(&server).run(&["run"]).ends_with(0);
    let backfill = ["backfill", "--from", "2025-03-01", "--until", "2025-03-08"];
    project.at_the_time_of(&server).run(&backfill).ends_with(0);
    assert_eq!(files_with(&project, &canaries), Vec::<String>::new(), "after a backfill from a source that shows them");
    let after = rows(&project);
    for gone in ["lake/cleansed", "lake/curated", ".headwater"] {
        std::fs::remove_dir_all(project.path(gone)).unwrap();
    }
    let asked = server.requests();
    project.run(&["ledger", "rebuild"]).ends_with(0);
    project.run(&["rebuild", "cleansed"]).ends_with(0);
    project.run(&["rebuild", "curated"]).ends_with(0);
    assert_eq!(server.requests(), asked);
    assert_eq!(files_with(&project, &canaries), Vec::<String>::new(), "after a rebuild");
    let rebuilt = rows(&project);
    assert_eq!(rebuilt.keys().collect::<Vec<_>>(), after.keys().collect::<Vec<_>>());
    for table in
        ["cleansed.shop.customers", "cleansed.shop.orders", "curated.shop.dim_customer", "curated.shop.dim_product"]
    {
        // The texts are long: which table differs is enough to look into it.
        assert!(values(&rebuilt[table]) == values(&after[table]), "{table}");
        assert!(!rebuilt[table].is_empty());
    }
}

/// The rows without what a later reading of the same says otherwise.
fn values(rows: &[String]) -> Vec<String> {
    let is_value = |field: &&str| !field.starts_with('_') || field.starts_with("_deleted_at");
    let mut values: Vec<String> =
        rows.iter().map(|row| row.split(' ').filter(is_value).collect::<Vec<_>>().join(" ")).collect();
    values.sort_unstable();
    values
}

#[test]
fn a_kill_at_any_step_is_finished_by_the_next_erase() {
    let steps = [
        Step::ErasureNoted,
        Step::BeforeReceipt,
        Step::ReceiptCreated,
        Step::ErasureLanded,
        Step::BeforeCommit,
        Step::Committed,
        Step::KeyedCommitted,
        Step::PartDeleted,
        Step::ReceiptEmptied,
        Step::HorizonCommitted,
        Step::FileDeleted,
        Step::CheckpointWritten,
        Step::MembersForgotten,
    ];
    let mut failures = Vec::new();
    for step in steps {
        let server = Server::start();
        let persons = plant(&server, 1);
        let project = Project::of(&server).with_stars("shop");
        project.at_the_time_of(&server).run(&["run"]).ends_with(0);
        let before = rows(&project);
        let (project, words) = persons[0].erase(&project, &server, &[]);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let wrong = project.kill_at(&words, step.as_str()).err().or_else(|| {
            // What a killed process noted of its time is never met by another at the same instant.
            server.pass_hours(1);
            let ran = project.at_the_time_of(&server).run(&words);
            (ran.code != Some(0)).then(|| format!("the next erase ended with {:?}:\n{}", ran.code, ran.both()))
        });
        let wrong = wrong.or_else(|| files_with(project, &persons[0].canaries()).into_iter().next());
        eprintln!("erase, killed at {step}: {}", wrong.as_deref().unwrap_or("finished"));
        if wrong.is_none() {
            only_theirs_are_gone(&before, &rows(project), &persons, &ids_of(&server, &persons));
            project.at_the_time_of(&server).run(&["run"]).ends_with(0);
        }
        failures.extend(wrong.map(|why| format!("{step}: {why}")));
    }
    assert!(failures.is_empty(), "{} of the kills left something:\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn what_is_wrong_is_said_before_anything_is_erased() {
    let server = Server::start();
    let persons = plant(&server, 1);
    let project = Project::of(&server);
    project.at_the_time_of(&server).run(&["run"]).ends_with(0);
    let before = project.files("lake");
    let erase = |words: &[&str]| {
        server.pass_hours(1);
        project.at_the_time_of(&server).run(&[&["erase"], words].concat())
    };
    erase(&["shop.nothing", "id=1"]).ends_with(78).says("shop.customers");
    erase(&["nothing", "id=1"]).ends_with(78).says("SOURCE.STREAM");
    erase(&["shop.customers"]).ends_with(78).says("error[erase-arguments]");
    erase(&["shop.customers", "nobody=1"]).ends_with(78).says("error[erase-column]").says("id, name, email");
    erase(&["shop.customers", "created_at=2025-03-01"]).ends_with(78).says("error[erase-column-type]");
    erase(&["shop.orders", "total_minor=much"]).ends_with(78).says("error[erase-value]");
    let nobody = erase(&["shop.customers", "email=no.body@example.com"]).ends_with(78);
    assert!(!nobody.both().contains("no.body"), "a value is never said: {}", nobody.both());
    nobody.says("error[erase-nobody]").says("nothing was erased");
    let whom = persons[0].whom();
    let whom: Vec<&str> = whom.iter().map(String::as_str).collect();
    let told = erase(&[&whom[..], &["--dry-run", "-o", "json"]].concat()).ends_with(0).json();
    let streams = told["streams"].as_array().unwrap();
    assert_eq!(streams.len(), 5, "the list of keys as well: {told:#}");
    assert!(streams.iter().any(|stream| stream["stream"] == "shop.orders" && stream["records"].as_u64() > Some(0)));
    assert_eq!(project.files("lake"), before);
    // A copy that somebody made is named, and dropped by nobody but them.
    let create = ["explore", "create", "mine", "--owner", "ann", "--until", "2025-04-01"];
    let sql = ["--sql", "select id, name from cleansed.shop.customers"];
    project.at_the_time_of(&server).run(&[&create[..], &sql].concat()).ends_with(0);
    erase(&whom).ends_with(3).says("exploration.ann.mine").says("headwater explore drop").says("not proven");
    project.at_the_time_of(&server).run(&["explore", "drop", "exploration.ann.mine"]).ends_with(0);
    erase(&whom).ends_with(0).says("certificate raw/_erasures/");
    erase(&whom).ends_with(0).says("nothing of this person is left");
    assert_eq!(files_with(&project, &persons[0].canaries()), Vec::<String>::new());
}
