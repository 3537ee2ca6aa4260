//! Compares a lake with the shop, row by row and key by key, and live Delta files with receipts.
//!
//! The promise is: every record that the source still offers is there once, *as the source showed it when its window was last
//! read*. So for each window that counts the oracle asks the shop what it showed when that reading began.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDateTime, Utc};
use headwater::sandbox::Collection;
use serde_json::{Map, Value};

use super::delta;
use super::project::{Project, walk};
use super::server::{Server, at};

type Row = Map<String, Value>;
type Rows = BTreeMap<String, Vec<String>>;

/// One receipt, read from the disk as text.
#[derive(Clone, Debug)]
pub(crate) struct Receipt(pub(crate) Value);

impl Receipt {
    pub(crate) fn window(&self) -> &str {
        self.0["window"].as_str().unwrap()
    }
    pub(crate) fn generation(&self) -> u64 {
        self.0["generation"].as_u64().unwrap()
    }
    pub(crate) fn read_at(&self) -> DateTime<Utc> {
        at(self.0["read_at"].as_str().unwrap())
    }
    pub(crate) fn is_passed(&self) -> bool {
        self.0["verdict"] == "passed"
    }
    pub(crate) fn is_held(&self) -> bool {
        self.0["verdict"].get("held").is_some()
    }
    pub(crate) fn same_as(&self) -> Option<u64> {
        self.0["same_as"].as_u64()
    }
    pub(crate) fn count(&self, name: &str) -> u64 {
        self.0["counts"][name].as_u64().unwrap()
    }
    /// The bounds of a window of time.
    pub(crate) fn bounds(&self) -> Option<(DateTime<Utc>, DateTime<Utc>)> {
        let (from, until) = self.window().strip_prefix("t_")?.split_once('_')?;
        let instant = |text: &str| NaiveDateTime::parse_from_str(text, "%Y%m%dT%H%M%S%.fZ").unwrap().and_utc();
        Some((instant(from), instant(until)))
    }
    /// The typed files of one table: path and rows.
    fn typed(&self, table: &str) -> Vec<(String, u64)> {
        let files = self.0["typed"].as_array().unwrap().iter().filter(|file| file["table"] == table);
        files.map(|file| (file["path"].as_str().unwrap().to_owned(), file["rows"].as_u64().unwrap())).collect()
    }
}

/// The receipts of a stream by window, each window's by generation.
pub(crate) fn receipts(project: &Project, stream: &str) -> BTreeMap<String, Vec<Receipt>> {
    let mut windows: BTreeMap<String, Vec<Receipt>> = BTreeMap::new();
    walk(&project.zone("raw").join("shop").join(stream).join("_receipts"), &mut |path| {
        // A killed process may leave the staging file of a write beside what it was to become (`g1.json#…`).
        if path.extension().is_none_or(|extension| extension != "json") {
            return;
        }
        let receipt = Receipt(serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap());
        windows.entry(receipt.window().to_owned()).or_default().push(receipt);
    });
    for receipts in windows.values_mut() {
        receipts.sort_by_key(Receipt::generation);
    }
    windows
}

/// The receipt whose rows a window shows, and when the reading was that says so.
fn data(receipts: &[Receipt]) -> Option<(&Receipt, DateTime<Utc>)> {
    let mut until = u64::MAX;
    loop {
        let receipt = receipts.iter().rev().find(|receipt| receipt.generation() <= until)?;
        match (receipt.is_passed(), receipt.same_as()) {
            // An equal later reading vouches for the rows at its own time.
            (true, None) => return Some((receipt, receipt.read_at())),
            (true, Some(named)) => {
                let shown = receipts.iter().find(|earlier| earlier.generation() == named)?;
                return Some((shown, receipt.read_at()));
            }
            (false, _) => until = receipt.generation().checked_sub(1)?,
        }
    }
}

/// Whether a live file holds the rows of several windows.
fn is_compacted(path: &str) -> bool {
    path.contains(".to.")
}

/// A value as text, the same however it was written.
fn text(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "null".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

fn field(row: &Row, name: &str) -> String {
    let text = text(row.get(name));
    match name {
        "created_at" | "updated_at" => text.replacen(' ', "T", 1).chars().take(19).collect(),
        "amount" => text.parse::<f64>().map_or(text, |amount| format!("{amount:.2}")),
        _ => text,
    }
}

/// What is compared of each table: its key, then other columns.
fn columns(table: &str) -> (&'static [&'static str], &'static [&'static str]) {
    match table {
        "events" => (&["id"], &["created_at", "type", "order_id", "customer_id"]),
        "orders" => (&["id"], &["created_at", "customer_id", "status", "currency", "total_minor"]),
        "order_lines" => (&["order_id", "line_no"], &["product_id", "quantity", "price_minor"]),
        "payments" => (&["id"], &["order_id", "amount", "method", "state", "created_at", "updated_at"]),
        "customers" => (&["id"], &["name", "email", "city", "country", "segment", "created_at", "updated_at"]),
        "products" => (&["id"], &["name", "category", "brand", "currency", "price_minor"]),
        "tickets" => (&["id"], &["customer_id", "subject", "status", "updated_at"]),
        other => panic!("nothing is known of table {other}"),
    }
}

fn keyed(table: &str, rows: impl IntoIterator<Item = Row>) -> Rows {
    let (key, rest) = columns(table);
    let mut found = Rows::new();
    for row in rows {
        let id = key.iter().map(|name| field(&row, name)).collect::<Vec<_>>().join("/");
        let values = rest.iter().map(|name| field(&row, name)).collect();
        assert!(found.insert(id.clone(), values).is_none(), "{table} shows {id} twice");
    }
    found
}

/// The lines of orders as rows of their own.
fn lines_of(orders: &[Row]) -> Vec<Row> {
    let mut lines = Vec::new();
    for order in orders {
        for line in order["lines"].as_array().unwrap() {
            let mut line = line.as_object().unwrap().clone();
            line.insert("order_id".to_owned(), order["id"].clone());
            lines.push(line);
        }
    }
    lines
}

/// Compares a project's lake with its shop.
pub(crate) struct Oracle<'a> {
    project: &'a Project,
    server: &'a Server,
    /// Rows that the gate refuses: they are in quarantine and nowhere else.
    refused: BTreeSet<String>,
    differences: Vec<String>,
}

impl<'a> Oracle<'a> {
    pub(crate) fn new(project: &'a Project, server: &'a Server) -> Self {
        Self { project, server, refused: BTreeSet::new(), differences: Vec::new() }
    }

    /// Says that the gate refuses a row.
    pub(crate) fn refusing(mut self, id: &str) -> Self {
        self.refused.insert(id.to_owned());
        self
    }

    /// Fails unless every table shows what it must, from the first day until the last midnight.
    #[track_caller]
    pub(crate) fn agrees(self) {
        let differences = self.differences();
        assert!(differences.is_empty(), "the lake is not what the shop showed:\n{}", differences.join("\n"));
    }

    /// All that is wrong, in words.
    pub(crate) fn differences(mut self) -> Vec<String> {
        let midnight = self.server.now().date_naive().and_time(chrono::NaiveTime::MIN).and_utc();
        for (collection, table) in [(Collection::Events, "events"), (Collection::Orders, "orders")] {
            let rows = self.shown_by_time(collection, midnight);
            self.compare(table, &keyed(table, rows.clone()));
            self.compare_files(table, table);
            if collection == Collection::Orders {
                self.compare("order_lines", &keyed("order_lines", lines_of(&rows)));
                self.compare_files(table, "order_lines");
            }
        }
        for (collection, table) in [(Collection::Payments, "payments"), (Collection::Customers, "customers")] {
            let rows = self.shown_by_key(collection, midnight);
            self.compare(table, &rows);
            self.compare_version_files(table);
        }
        self.compare_lists();
        self.differences
    }

    fn wrong(&mut self, what: String) {
        self.differences.push(what);
    }

    fn truth(
        &self,
        collection: Collection,
        bounds: Option<(DateTime<Utc>, DateTime<Utc>)>,
        read_at: DateTime<Utc>,
    ) -> Vec<Row> {
        let (from, until) = bounds.unzip();
        let lines = self.server.shop().truth(collection, from, until, Some(self.project.saw(read_at)));
        let rows = lines.lines().map(|line| serde_json::from_str::<Row>(line).unwrap());
        rows.filter(|row| !self.refused.contains(row["id"].as_str().unwrap_or_default())).collect()
    }

    /// What the windows of a ranged stream must show; notes holes and overlaps between the first day and `midnight`.
    fn shown_by_time(&mut self, collection: Collection, midnight: DateTime<Utc>) -> Vec<Row> {
        let windows = receipts(self.project, collection.as_str());
        let shown: Vec<_> = windows.values().filter_map(|receipts| data(receipts)).collect();
        let bounds = shown.iter().filter_map(|(receipt, _)| receipt.bounds()).collect();
        self.check_cover(collection, bounds, midnight);
        let rows = shown.iter().flat_map(|(receipt, read_at)| self.truth(collection, receipt.bounds(), *read_at));
        rows.collect()
    }

    fn check_cover(
        &mut self,
        collection: Collection,
        mut bounds: Vec<(DateTime<Utc>, DateTime<Utc>)>,
        midnight: DateTime<Utc>,
    ) {
        bounds.sort_unstable();
        let mut reached = self.server.shop().opens();
        for (from, until) in bounds {
            if from != reached {
                self.wrong(format!("{collection}: windows leave a hole or overlap between {reached} and {from}"));
            }
            reached = until;
        }
        if reached < midnight {
            self.wrong(format!("{collection}: windows end at {reached}, before {midnight}"));
        }
    }

    /// What the keyed table of a mutable stream must show: the newest version of each key over all passed readings.
    fn shown_by_key(&mut self, collection: Collection, midnight: DateTime<Utc>) -> Rows {
        let windows = receipts(self.project, collection.as_str());
        let mut newest: BTreeMap<String, (String, DateTime<Utc>, Row)> = BTreeMap::new();
        let mut bounds = Vec::new();
        for receipt in windows.values().flatten().filter(|receipt| receipt.is_passed()) {
            for row in self.truth(collection, receipt.bounds(), receipt.read_at()) {
                let version = (field(&row, "updated_at"), receipt.read_at());
                let id = field(&row, "id");
                if newest.get(&id).is_none_or(|(updated, read_at, _)| (updated, read_at) < (&version.0, &version.1)) {
                    newest.insert(id, (version.0, version.1, row));
                }
            }
        }
        for receipts in windows.values().filter(|receipts| receipts.iter().any(Receipt::is_passed)) {
            bounds.extend(receipts[0].bounds());
        }
        self.check_cover(collection, bounds, midnight);
        if collection == Collection::Customers {
            let lists = receipts(self.project, "customers__keys");
            let list = lists.values().flatten().filter(|receipt| receipt.is_passed()).map(Receipt::read_at).max();
            match list {
                None => self.wrong("customers: no list of keys was read".to_owned()),
                Some(listed_at) => {
                    let there: BTreeSet<String> =
                        self.truth(collection, None, listed_at).iter().map(|row| field(row, "id")).collect();
                    let listed = listed_at.format("%Y-%m-%dT%H:%M:%S").to_string();
                    newest.retain(|id, (updated, read_at, _)| {
                        there.contains(id) || *updated > listed || *read_at > listed_at
                    });
                }
            }
        }
        keyed(collection.as_str(), newest.into_values().map(|(_, _, row)| row))
    }

    /// The snapshot and the chain.
    fn compare_lists(&mut self) {
        for (collection, table) in [(Collection::Products, "products"), (Collection::Tickets, "tickets")] {
            let windows = receipts(self.project, table);
            let latest = windows.values().flatten().filter(|receipt| receipt.is_passed()).map(Receipt::read_at).max();
            match latest {
                None => self.wrong(format!("{table}: nothing was read")),
                Some(read_at) => {
                    let rows = self.truth(collection, None, read_at);
                    self.compare(table, &keyed(table, rows));
                }
            }
        }
    }

    fn compare(&mut self, table: &str, expected: &Rows) {
        let (key, rest) = columns(table);
        let names = key.iter().chain(rest).copied().collect::<Vec<_>>().join(", ");
        let alive =
            if matches!(table, "payments" | "customers" | "tickets") { " where _deleted_at is null" } else { "" };
        let found = keyed(table, self.project.query(&format!("select {names} from cleansed.shop.{table}{alive}")));
        let mut differences = Vec::new();
        for (id, values) in expected {
            match found.get(id) {
                None => differences.push(format!("{table}: {id} is missing")),
                Some(shown) if shown != values => {
                    differences.push(format!("{table}: {id} is {shown:?}, not {values:?}"));
                }
                Some(_) => {}
            }
        }
        differences.extend(
            found.keys().filter(|id| !expected.contains_key(*id)).map(|id| format!("{table}: {id} is too much")),
        );
        let count = differences.len();
        differences.truncate(5);
        if count > 5 {
            differences.push(format!("{table}: {} more of {}", count - 5, expected.len()));
        }
        self.differences.extend(differences);
    }

    /// The live files of an events or restating table are those that the receipts that count name.
    fn compare_files(&mut self, stream: &str, table: &str) {
        let folder = self.project.zone("cleansed").join("shop").join(table);
        let (mut live, txns) = delta::live_files(&folder);
        let windows = receipts(self.project, stream);
        let mut named = BTreeMap::new();
        for (window, receipts) in &windows {
            let Some((receipt, _)) = data(receipts) else { continue };
            named.extend(receipt.typed(table));
            let txn = txns.iter().find(|(id, _)| id.ends_with(&format!("/{window}"))).map(|(_, version)| *version);
            if txn.is_none_or(|version| version < receipt.generation().cast_signed()) && stream == table {
                self.wrong(format!("{table}: {window} is not committed, its txn is {txn:?}"));
            }
        }
        // A compacted file holds the rows of several windows: then the rows themselves are counted.
        if live.keys().any(|path| is_compacted(path)) {
            return self.compare_counts(table, &named);
        }
        // A typed file that is gone was typed again, under another attempt: the same reading, with as many rows.
        let reading = |path: &str| path.rsplitn(3, '.').last().map(str::to_owned);
        let gone: Vec<String> = named.keys().filter(|path| !folder.join(path).is_file()).cloned().collect();
        for path in &gone {
            let again = live.iter().find(|(other, rows)| {
                Some(*rows) == named.get(path) && reading(other) == reading(path) && !named.contains_key(*other)
            });
            if let Some(again) = again.map(|(again, _)| again.clone()) {
                live.remove(&again);
                named.remove(path);
            }
        }
        if live != named {
            let only = |one: &BTreeMap<String, u64>, other: &BTreeMap<String, u64>| {
                one.iter()
                    .filter(|(path, rows)| other.get(*path) != Some(*rows))
                    .map(|(path, _)| path.clone())
                    .collect::<Vec<_>>()
            };
            self.wrong(format!(
                "{table}: live and not in receipts {:?}, in receipts and not live {:?}, of which gone {gone:?}",
                only(&live, &named),
                only(&named, &live)
            ));
        }
    }

    /// A table with compacted files shows of each window as many rows as the receipt that counts says.
    fn compare_counts(&mut self, table: &str, named: &BTreeMap<String, u64>) {
        let mut expected: BTreeMap<String, u64> = BTreeMap::new();
        for (path, rows) in named {
            let window = path.rsplit('/').next().unwrap().split(".g").next().unwrap();
            *expected.entry(window.to_owned()).or_default() += rows;
        }
        let sql = format!("select _window as window, count(*) as rows from cleansed.shop.{table} group by _window");
        let count = |row: &Row| (text(row.get("window")), text(row.get("rows")).parse().unwrap());
        let found: BTreeMap<String, u64> = self.project.query(&sql).iter().map(count).collect();
        if found != expected {
            self.wrong(format!("{table}: rows by window are {found:?}, the receipts say {expected:?}"));
        }
    }

    /// Every live file of a versions table is of a passed reading, and every passed reading with rows of its own is there.
    fn compare_version_files(&mut self, stream: &str) {
        let table = format!("{stream}__versions");
        let (live, _) = delta::live_files(&self.project.zone("cleansed").join("shop").join(&table));
        let place = |path: &str| {
            path.rsplit('/')
                .next()
                .and_then(|file| file.rsplit_once('.')?.0.rsplit_once('.'))
                .map(|(place, _)| place.to_owned())
        };
        let own = live.keys().filter(|path| !is_compacted(path));
        let mut shown: BTreeSet<String> = own.filter_map(|path| place(path)).collect();
        if live.keys().any(|path| is_compacted(path)) {
            let sql = format!("select distinct _window, _generation from cleansed.shop.{table}");
            let reading = |row: &Row| format!("{}.g{}", text(row.get("_window")), text(row.get("_generation")));
            shown.extend(self.project.query(&sql).iter().map(reading));
        }
        let mut passed = BTreeSet::new();
        for receipt in receipts(self.project, stream).values().flatten().filter(|receipt| receipt.is_passed()) {
            let name = format!("{}.g{}", receipt.window(), receipt.generation());
            if receipt.generation() == 1 && receipt.count("loaded") > 0 && !shown.contains(&name) {
                self.wrong(format!("{table}: {name} landed and does not show"));
            }
            passed.insert(name);
        }
        for name in shown.difference(&passed) {
            self.differences.push(format!("{table}: {name} shows and has no passed receipt"));
        }
    }
}
