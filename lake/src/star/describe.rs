//! What a star is, said once for whoever shows it: the catalog, the Power BI model, the docs.
//!
//! It is computed from the model alone, without a table being there, so an export needs no build. Types, keys and relationships
//! are those that the build writes: both come from the same resolved model.

use headwater_contract::{Classification, ColumnType, TableName};
use serde::{Deserialize, Serialize};

/// A star as its readers see it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StarDescription {
    /// The star's name, which is the schema of its tables in curated.
    pub name: String,
    /// One line on what the star is about.
    pub title: String,
    /// More about it, if anything was written.
    pub description: Option<String>,
    /// Who answers for it.
    pub owner: Option<String>,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// Dimensions first, then facts, in the order of the model.
    pub tables: Vec<TableDescription>,
    /// From each fact's key column to the dimension it refers to.
    pub relationships: Vec<Relationship>,
}

impl StarDescription {
    /// The table of this name within the star.
    pub fn table(&self, name: &str) -> Option<&TableDescription> {
        self.tables.iter().find(|table| table.name.table == name)
    }

    /// The date dimension that a model marks as its calendar; the first one where there are several.
    pub fn date_table(&self) -> Option<&TableDescription> {
        self.tables.iter().find(|table| matches!(table.role, TableRole::Date { .. }))
    }
}

/// What a table is in its star.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TableRole {
    /// Members and their attributes.
    Dimension {
        /// It keeps a row for each version of a member.
        has_history: bool,
    },
    /// One row a day, built in.
    Date {
        /// The column of type date that is unique and without gaps, but for the unknown member, where it is null.
        date_column: String,
    },
    /// One row a step of the day, built in.
    Time,
    /// Measurements at a grain.
    Fact {
        /// What a row stands for over time.
        kind: FactKind,
        /// The columns that identify a row.
        grain: Vec<String>,
    },
}

/// What a row of a fact stands for over time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FactKind {
    /// Something that happened once.
    Transaction,
    /// The state of something at the end of each period.
    PeriodicSnapshot,
    /// A process whose milestones are filled in as they come.
    AccumulatingSnapshot,
}

/// A table of the star.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TableDescription {
    /// Its full name in curated.
    pub name: TableName,
    /// One line on what a row is.
    pub title: String,
    /// More about it.
    pub description: Option<String>,
    /// Who answers for it; the star's owner unless the table names another.
    pub owner: Option<String>,
    /// Words to find it by.
    pub tags: Vec<String>,
    /// What it is in the star.
    pub role: TableRole,
    /// Its columns in table order, the partition column included.
    pub columns: Vec<ColumnDescription>,
    /// What can be summed of it.
    pub measures: Vec<MeasureDescription>,
    /// The column by which its files are partitioned.
    pub partition: Option<String>,
    /// The tables that its rows are made from.
    pub inputs: Vec<TableName>,
}

impl TableDescription {
    /// The column of this name.
    pub fn column(&self, name: &str) -> Option<&ColumnDescription> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// The surrogate key of a dimension.
    pub fn key(&self) -> Option<&ColumnDescription> {
        self.columns.iter().find(|column| column.role == ColumnRole::SurrogateKey)
    }

    /// Whether it is a fact.
    pub fn is_fact(&self) -> bool {
        matches!(self.role, TableRole::Fact { .. })
    }
}

/// What a column is in its table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ColumnRole {
    /// The dense integer that facts refer to; `-1` is the unknown member.
    SurrogateKey,
    /// Identifies a member at its source.
    BusinessKey,
    /// A fact's reference to a dimension's surrogate key.
    ForeignKey,
    /// Describes a member.
    Attribute,
    /// Describes a fact row and has no dimension of its own, such as an order number.
    Degenerate,
    /// A number that measures.
    Measure,
    /// Tells the life of a version: from, until, current, inferred, deleted.
    Validity,
    /// Names the partition.
    Partition,
}

/// A column of a table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ColumnDescription {
    /// Its name in the table.
    pub name: String,
    /// Its name for people.
    pub title: String,
    /// Its type, always flat.
    pub column_type: ColumnType,
    /// Whether it can be null.
    pub is_nullable: bool,
    /// What it is in its table.
    pub role: ColumnRole,
    /// A reader has no use for it by itself: keys, and numbers that have a measure.
    pub is_hidden: bool,
    /// How to show it, in the notation of spreadsheets, e.g. `#,##0.00`.
    pub format: Option<String>,
    /// The column that orders its values, as a month's number orders its name.
    pub sort_by: Option<String>,
    /// What it means.
    pub description: Option<String>,
    /// How sensitive it is.
    pub classification: Option<Classification>,
}

/// Over what a measure may be added up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Additivity {
    /// Over every dimension.
    #[default]
    Additive,
    /// Over every dimension but time, where the last value counts: balances, stock.
    SemiAdditive,
    /// Over none: ratios, prices.
    NonAdditive,
}

/// Something that can be counted or summed of a fact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MeasureDescription {
    /// Its name for people, unique within the star.
    pub title: String,
    /// The column it is made from.
    pub column: String,
    /// Over what it may be added up.
    pub additivity: Additivity,
    /// How to show it, e.g. `#,##0.00`.
    pub format: String,
    /// What it means.
    pub description: Option<String>,
}

/// A many-to-one reference from a fact to a dimension.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Relationship {
    /// The fact.
    pub from_table: String,
    /// Its key column, which names the role.
    pub from_column: String,
    /// The dimension.
    pub to_table: String,
    /// The dimension's surrogate key.
    pub to_column: String,
    /// Of several references from one fact to one dimension, the first is active.
    pub is_active: bool,
}
