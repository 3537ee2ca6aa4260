//! Whether a model makes sense: every name it uses is there, and nothing is said that a build would not do.
//!
//! All problems are reported at once, each with its line, because a model is edited by hand.

use std::collections::{BTreeMap, BTreeSet};

use headwater_contract::{ColumnType, SourceName, Zone};

use crate::star::columns::surrogate_key;
use crate::star::definition::Rows;
use crate::star::error::Problem;
use crate::star::model::{
    ColumnFile, DeletePolicy, DimensionFile, FactFile, FactKindFile, LookupFile, OnMissing, PartitionFile, ScdType,
    StarFile, TestFile,
};

struct Checker<'a> {
    yaml: &'a str,
    problems: Vec<Problem>,
}

impl Checker<'_> {
    fn report(&mut self, path: &[&str], text: impl Into<String>) {
        let place = path.join(".");
        self.problems.push(Problem { line: line_of(self.yaml, path), place, text: text.into() });
    }

    fn name(&mut self, path: &[&str], name: &str) {
        if SourceName::new(name).is_err() || name.starts_with('_') {
            self.report(path, format!("`{name}` is not a name: use `a-z`, `0-9` and `_`, beginning with a letter"));
        }
    }
}

/// Everything that is wrong in a model.
pub(crate) fn problems_of(file: &StarFile, rows: &BTreeMap<String, Rows>, yaml: &str) -> Vec<Problem> {
    let mut checker = Checker { yaml, problems: Vec::new() };
    if file.star != 1 {
        checker.report(&["star"], format!("version {} of the vocabulary is not known: write 1", file.star));
    }
    checker.name(&["name"], &file.name);
    let mut tables = BTreeSet::new();
    let names = file.dimensions.0.iter().map(|(name, _)| ("dimensions", name));
    for (section, name) in names.chain(file.facts.0.iter().map(|(name, _)| ("facts", name))) {
        checker.name(&[section, name], name);
        if !tables.insert(name.as_str()) {
            checker.report(&[section, name], "another table has the same name");
        }
    }
    for (name, dimension) in &file.dimensions.0 {
        check_dimension(&mut checker, name, dimension, rows.contains_key(name));
    }
    for (name, fact) in &file.facts.0 {
        check_fact(&mut checker, file, name, fact, rows.contains_key(name));
    }
    for (name, rows) in rows {
        if !tables.contains(name.as_str()) {
            checker.report(&[&format!("{name}.sql")], "no table of the star has this name");
        }
        for input in rows.inputs() {
            if input.zone != Zone::Cleansed {
                let text =
                    format!("reads `{input}`: a star is made from cleansed tables, so that it can be built again");
                checker.report(&[&format!("{name}.sql")], text);
            }
        }
    }
    checker.problems
}

fn check_dimension(checker: &mut Checker<'_>, name: &str, dimension: &DimensionFile, has_rows: bool) {
    let path = ["dimensions", name];
    let is_built_in = dimension.date.is_some() || dimension.time.is_some();
    if dimension.date.is_some() && dimension.time.is_some() {
        checker.report(&path, "is either `date` or `time`");
    }
    if is_built_in {
        let says_more = !dimension.business_key.is_empty()
            || !dimension.columns.0.is_empty()
            || dimension.effective.is_some()
            || !dimension.order.is_empty()
            || dimension.deletes != DeletePolicy::Keep;
        if says_more || has_rows {
            checker.report(&path, "is built in: it takes no rows, business key, columns, effective time or deletes");
        }
        check_built_in(checker, name, dimension);
        return;
    }
    if !has_rows {
        checker.report(&path, format!("has no rows: write `{name}.sql`, or say `date` or `time`"));
    }
    if dimension.business_key.is_empty() {
        checker.report(&path, "needs a `business_key`");
    }
    check_members(checker, name, dimension);
    check_tests(checker, "dimensions", name, &dimension.tests, &dimension_columns(name, dimension));
}

fn check_built_in(checker: &mut Checker<'_>, name: &str, dimension: &DimensionFile) {
    if let Some(date) = &dimension.date {
        if let (Some(from), Some(until)) = (date.from, date.until)
            && from >= until
        {
            checker.report(&["dimensions", name, "date"], "`from` must lie before `until`");
        }
        if !(1..=12).contains(&date.fiscal_year_starts) {
            checker.report(&["dimensions", name, "date"], "`fiscal_year_starts` is a month, 1 to 12");
        }
    }
    if let Some(time) = &dimension.time
        && (time.step_minutes == 0 || 1440 % time.step_minutes != 0)
    {
        checker.report(&["dimensions", name, "time"], "`step_minutes` must divide a day of 1440 minutes");
    }
}

fn check_members(checker: &mut Checker<'_>, name: &str, dimension: &DimensionFile) {
    let key = surrogate_key(name, dimension);
    let mut seen = BTreeSet::from([key.clone()]);
    for (column, settings) in &dimension.columns.0 {
        let path = ["dimensions", name, "columns", column];
        checker.name(&path, column);
        let made = match settings.scd {
            Some(ScdType::WithPrevious) => Some(format!("previous_{column}")),
            Some(ScdType::VersionedWithCurrent) => Some(format!("current_{column}")),
            _ => None,
        };
        for column in std::iter::once(column.clone()).chain(made) {
            let reserved =
                matches!(column.as_str(), "valid_from" | "valid_to" | "is_current" | "is_inferred" | "is_deleted");
            if reserved || !seen.insert(column.clone()) {
                checker.report(&path, format!("`{column}` is a column that the build makes, or stands twice"));
            }
        }
        if dimension.business_key.contains(column) && settings.scd.is_some() {
            checker.report(&path, "identifies the member, so it has no `scd`");
        }
        check_sort(checker, &path, settings, &dimension.columns.0);
    }
    for column in &dimension.business_key {
        match dimension.columns.0.iter().find(|(known, _)| known == column) {
            None => {
                checker.report(&["dimensions", name, "business_key"], format!("`{column}` is not among the columns"));
            }
            Some((_, settings)) if settings.column_type.0 == ColumnType::Float64 => {
                checker.report(&["dimensions", name, "columns", column], "a float cannot identify a member");
            }
            Some(_) => {}
        }
    }
    let is_versioned = dimension.columns.0.iter().any(|(_, column)| column.scd.unwrap_or_default().is_versioned());
    if is_versioned && dimension.effective.is_none() {
        checker.report(
            &["dimensions", name],
            "has columns of scd 2 or 6: `effective` must name the column that says since when",
        );
    }
    if !dimension.order.is_empty() && dimension.effective.is_none() {
        checker
            .report(&["dimensions", name, "order"], "orders rows of equal effective time, so `effective` must be said");
    }
    let share = match &dimension.deletes {
        DeletePolicy::Keep => None,
        DeletePolicy::Flag(flag) => Some(flag.max_share),
        DeletePolicy::Absent(absent) => Some(absent.max_share),
    };
    if share.is_some_and(|share| !(0.0..=1.0).contains(&share)) {
        checker.report(&["dimensions", name, "deletes"], "`max_share` is a share from 0 to 1");
    }
}

fn check_sort(checker: &mut Checker<'_>, path: &[&str], settings: &ColumnFile, columns: &[(String, ColumnFile)]) {
    if let Some(by) = &settings.sort_by
        && !columns.iter().any(|(known, _)| known == by)
    {
        checker.report(path, format!("`sort_by` names `{by}`, which is not among the columns"));
    }
}

fn dimension_columns(name: &str, dimension: &DimensionFile) -> Vec<String> {
    let own = dimension.columns.0.iter().map(|(column, _)| column.clone());
    own.chain([surrogate_key(name, dimension)]).collect()
}

fn fact_columns(fact: &FactFile) -> Vec<String> {
    let mut columns: Vec<String> = fact.lookups.0.iter().map(|(column, _)| column.clone()).collect();
    columns.extend(fact.degenerate.0.iter().map(|(column, _)| column.clone()));
    columns.extend(fact.measures.0.iter().map(|(column, _)| column.clone()));
    if let FactKindFile::AccumulatingSnapshot(kind) = &fact.kind {
        columns.extend(kind.lags.0.iter().map(|(column, _)| column.clone()));
    }
    if fact.partition.is_some() {
        columns.push("month".to_owned());
    }
    columns
}

fn check_fact(checker: &mut Checker<'_>, file: &StarFile, name: &str, fact: &FactFile, has_rows: bool) {
    let path = ["facts", name];
    if !has_rows {
        checker.report(&path, format!("has no rows: write `{name}.sql`"));
    }
    let columns = fact_columns(fact);
    let mut seen = BTreeSet::new();
    for column in &columns {
        checker.name(&["facts", name, column], column);
        if !seen.insert(column) {
            checker.report(&["facts", name, column], "another column of the fact has the same name");
        }
    }
    let identifies = |column: &String| {
        fact.lookups.0.iter().any(|(known, _)| known == column)
            || fact.degenerate.0.iter().any(|(known, _)| known == column)
    };
    if fact.grain.is_empty() {
        checker.report(&["facts", name, "grain"], "names no column");
    }
    for column in fact.grain.iter().filter(|column| !identifies(column)) {
        checker.report(&["facts", name, "grain"], format!("`{column}` is neither a lookup nor a degenerate column"));
    }
    for (role, lookup) in &fact.lookups.0 {
        check_lookup(checker, file, name, role, lookup);
    }
    for (measure, settings) in &fact.measures.0 {
        let is_number =
            matches!(settings.column_type.0, ColumnType::Int64 | ColumnType::Float64 | ColumnType::Decimal { .. });
        if !is_number {
            checker.report(&["facts", name, "measures", measure], "a measure is int64, float64 or decimal");
        }
    }
    check_kind(checker, file, name, fact);
    check_tests(checker, "facts", name, &fact.tests, &columns);
}

fn check_kind(checker: &mut Checker<'_>, file: &StarFile, name: &str, fact: &FactFile) {
    let is_date = |role: &String| {
        let lookup = fact.lookups.0.iter().find(|(known, _)| known == role);
        let dimension =
            lookup.and_then(|(_, lookup)| file.dimensions.0.iter().find(|(known, _)| *known == lookup.dimension));
        dimension.is_some_and(|(_, dimension)| dimension.date.is_some())
    };
    match &fact.kind {
        FactKindFile::Transaction => {}
        FactKindFile::PeriodicSnapshot(kind) => {
            let of = |lookup: &LookupFile| lookup.of.as_ref() == Some(&kind.of);
            if !fact.lookups.0.iter().any(|(role, lookup)| fact.grain.contains(role) && of(lookup)) {
                let text = format!("a lookup of the grain must be `of: {}`, the column of the period", kind.of);
                checker.report(&["facts", name, "kind"], text);
            }
            let other = |role: &String| fact.lookups.0.iter().any(|(known, lookup)| known == role && !of(lookup));
            for column in
                fact.lookups.0.iter().map(|(role, _)| role).chain(fact.degenerate.0.iter().map(|(name, _)| name))
            {
                let is_period = fact.lookups.0.iter().any(|(known, lookup)| known == column && of(lookup));
                if !is_period && !fact.grain.contains(column) {
                    let text =
                        format!("`{column}` is not in the grain, so a period without rows would have no value for it");
                    checker.report(&["facts", name, "kind"], text);
                }
                if other(column) && is_date(column) {
                    checker.report(
                        &["facts", name, "kind"],
                        format!("`{column}` is a second calendar in a periodic snapshot"),
                    );
                }
            }
            if let Some(PartitionFile::MonthOf(column)) = &fact.partition
                && *column != kind.of
            {
                checker.report(&["facts", name, "partition"], format!("must be `month_of: {}`, the period", kind.of));
            }
        }
        FactKindFile::AccumulatingSnapshot(kind) => {
            if kind.milestones.len() < 2 {
                checker.report(&["facts", name, "kind"], "a process has at least two milestones");
            }
            for role in kind.milestones.iter().filter(|role| !is_date(role)) {
                checker.report(&["facts", name, "kind"], format!("milestone `{role}` is not a lookup of a calendar"));
            }
        }
    }
}

fn check_lookup(checker: &mut Checker<'_>, file: &StarFile, fact: &str, role: &str, lookup: &LookupFile) {
    let path = ["facts", fact, "lookups", role];
    let Some((_, dimension)) = file.dimensions.0.iter().find(|(known, _)| *known == lookup.dimension) else {
        checker.report(&path, format!("`{}` is not a dimension of the star", lookup.dimension));
        return;
    };
    if dimension.date.is_some() || dimension.time.is_some() {
        if lookup.of.is_none() {
            checker.report(&path, "`of` must name the date or timestamp column of the rows");
        }
        if !lookup.by.is_empty() || lookup.as_of.is_some() || lookup.on_missing != OnMissing::default() {
            checker.report(&path, "a calendar or clock takes `of` and `zone` only");
        }
        if let Some(zone) = &lookup.zone
            && polars::prelude::TimeZone::opt_try_new(Some(zone.as_str())).is_err()
        {
            checker.report(&path, format!("`{zone}` is not an IANA zone such as `Europe/Berlin`"));
        }
        return;
    }
    if lookup.of.is_some() || lookup.zone.is_some() {
        checker.report(&path, "`of` and `zone` are for calendars and clocks; name the columns `by`");
    }
    if !lookup.by.is_empty() && lookup.by.len() != dimension.business_key.len() {
        let text = format!("`by` needs a column for each of {}", dimension.business_key.join(", "));
        checker.report(&path, text);
    }
    let is_versioned = dimension.columns.0.iter().any(|(_, column)| column.scd.unwrap_or_default().is_versioned());
    if is_versioned && lookup.as_of.is_none() {
        let text =
            format!("`{}` keeps history: `as_of` must name the column that says which version", lookup.dimension);
        checker.report(&path, text);
    }
    if !is_versioned && lookup.as_of.is_some() {
        checker.report(&path, format!("`{}` keeps no history, so `as_of` would do nothing", lookup.dimension));
    }
}

fn check_tests(checker: &mut Checker<'_>, section: &str, table: &str, tests: &[TestFile], columns: &[String]) {
    for test in tests {
        let named: Vec<&String> = match test {
            TestFile::Unique(named) | TestFile::NotNull(named) => named.iter().collect(),
            TestFile::SumEquals(sum) => vec![&sum.column],
            TestFile::RowCount(_) | TestFile::RowsEqual(_) => Vec::new(),
        };
        for column in named.into_iter().filter(|column| !columns.contains(column)) {
            checker.report(&[section, table, "tests"], format!("`{column}` is not a column of the table"));
        }
        let other = match test {
            TestFile::RowsEqual(table) => Some(table),
            TestFile::SumEquals(sum) => Some(&sum.table),
            _ => None,
        };
        if let Some(other) = other.filter(|other| other.zone != Zone::Cleansed) {
            checker
                .report(&[section, table, "tests"], format!("compares with `{other}`, which is not a cleansed table"));
        }
    }
}

/// The line of a path in YAML's block style: each part is looked for below the one before it.
fn line_of(yaml: &str, path: &[&str]) -> Option<usize> {
    let (mut found, mut parts) = (None, path.iter());
    let mut part = parts.next()?;
    for (at, line) in yaml.lines().enumerate() {
        let is_key = line.trim_start().strip_prefix(*part).is_some_and(|rest| rest.starts_with(':'));
        if is_key {
            found = Some(at + 1);
            match parts.next() {
                Some(next) => part = next,
                None => break,
            }
        }
    }
    found
}
