//! Names that people see in Power BI, unique where the model asks for it.
//!
//! Names in a model differ in more than case: tables in the model, measures in the model, columns and measures in their table
//! (<https://learn.microsoft.com/analysis-services/tom/>).

use std::collections::{BTreeMap, BTreeSet};

use headwater_lake::star::{Additivity, StarDescription, TableDescription};

/// The shown name of every table, column and measure.
#[derive(Debug)]
pub(super) struct ModelNames {
    tables: BTreeMap<String, TableNames>,
}

#[derive(Debug)]
struct TableNames {
    shown: String,
    columns: BTreeMap<String, String>,
    /// By column, since a column has at most one measure.
    measures: BTreeMap<String, String>,
    rows: String,
}

/// Takes the first candidate that is free, else the last with a number.
fn take(taken: &mut BTreeSet<String>, candidates: &[String]) -> String {
    let last = candidates.last().cloned().unwrap_or_default();
    let numbered = (2_u32..).map(|number| format!("{last} {number}"));
    let mut all = candidates.iter().cloned().chain(numbered);
    all.find(|name| taken.insert(name.to_lowercase())).unwrap_or(last)
}

/// `fact_store_daily` as `Store Daily`.
pub(super) fn title_of(name: &str) -> String {
    let words = name.split('_').filter(|word| !word.is_empty()).map(|word| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_uppercase().chain(letters).collect::<String>()).unwrap_or_default()
    });
    words.collect::<Vec<_>>().join(" ")
}

/// One line: TMDL has no names over several.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

impl ModelNames {
    pub(super) fn of(star: &StarDescription) -> Self {
        let (mut taken_tables, mut taken_measures) = (BTreeSet::new(), BTreeSet::new());
        let mut tables = BTreeMap::new();
        for table in &star.tables {
            let name = &table.name.table;
            let short = name.strip_prefix("dim_").or_else(|| name.strip_prefix("fact_")).unwrap_or(name);
            let shown = take(&mut taken_tables, &[title_of(short), title_of(name)]);
            tables.insert(name.clone(), TableNames::of(table, shown, &mut taken_measures));
        }
        Self { tables }
    }

    pub(super) fn table<'a>(&'a self, table: &'a str) -> &'a str {
        self.tables.get(table).map_or(table, |names| names.shown.as_str())
    }

    pub(super) fn column<'a>(&'a self, table: &str, column: &'a str) -> &'a str {
        self.tables.get(table).and_then(|names| names.columns.get(column)).map_or(column, String::as_str)
    }

    pub(super) fn measure<'a>(&'a self, table: &str, column: &'a str) -> &'a str {
        self.tables.get(table).and_then(|names| names.measures.get(column)).map_or(column, String::as_str)
    }

    /// The measure that counts a table's rows.
    pub(super) fn row_count<'a>(&'a self, table: &'a str) -> &'a str {
        self.tables.get(table).map_or(table, |names| names.rows.as_str())
    }
}

impl TableNames {
    /// Measures are named first: people see them, and the columns that they are made from are hidden.
    fn of(table: &TableDescription, shown: String, taken_measures: &mut BTreeSet<String>) -> Self {
        let mut measures = BTreeMap::new();
        for measure in &table.measures {
            let title = one_line(&measure.title);
            let title = match measure.additivity {
                Additivity::NonAdditive => format!("Average {title}"),
                Additivity::Additive | Additivity::SemiAdditive => title,
            };
            let name = take(taken_measures, &[title.clone(), format!("{title} of {shown}")]);
            measures.insert(measure.column.clone(), name);
        }
        let rows = take(taken_measures, &[format!("{shown} Rows")]);
        let mut taken: BTreeSet<String> = measures.values().chain([&rows]).map(|name| name.to_lowercase()).collect();
        let mut columns = BTreeMap::new();
        for column in &table.columns {
            let name = column.name.clone();
            let candidates = if column.is_hidden {
                vec![name.clone(), format!("{name} value")]
            } else {
                vec![one_line(&column.title), name.clone(), format!("{name} value")]
            };
            columns.insert(name, take(&mut taken, &candidates));
        }
        Self { shown, columns, measures, rows }
    }
}
