//! The text form of a star: what `star.yaml` may say.
//!
//! Settings only, checked for shape and nothing else; [`crate::star::Star`] resolves them and checks their meaning. Rows at grain
//! are not here: each table's `<table>.sql` beside the file says them.

use std::fmt;
use std::marker::PhantomData;

use chrono::NaiveDate;
use headwater_contract::{Classification, ColumnType, TableName};
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::star::describe::Additivity;

/// A map that keeps the order in which it was written; a key that comes twice is an error.
#[derive(Clone, Debug, PartialEq)]
pub struct Ordered<V>(pub Vec<(String, V)>);

impl<V> Default for Ordered<V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Ordered<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Entries<V>(PhantomData<V>);
        impl<'de, V: Deserialize<'de>> Visitor<'de> for Entries<V> {
            type Value = Ordered<V>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a map from names to settings")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries: Vec<(String, V)> = Vec::new();
                while let Some(key) = map.next_key::<String>()? {
                    if entries.iter().any(|(known, _)| *known == key) {
                        return Err(serde::de::Error::custom(format!("`{key}` stands twice")));
                    }
                    entries.push((key, map.next_value()?));
                }
                Ok(Ordered(entries))
            }
        }
        deserializer.deserialize_map(Entries(PhantomData))
    }
}

/// A flat column type, as a star can have it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(try_from = "String")]
pub struct FlatType(pub ColumnType);

impl TryFrom<String> for FlatType {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.parse::<ColumnType>()? {
            ColumnType::Json | ColumnType::Struct(_) | ColumnType::List(_) => Err(format!(
                "`{text}` is not flat: curated tables have string, int64, float64, boolean, decimal(12,2), date or timestamp"
            )),
            flat => Ok(Self(flat)),
        }
    }
}

/// How a column follows its source: the type of slowly changing dimension.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize)]
#[serde(try_from = "u8")]
pub enum ScdType {
    /// 0: keeps its first value.
    Fixed,
    /// 1: is overwritten.
    #[default]
    Overwritten,
    /// 2: a change begins a new version of the member.
    Versioned,
    /// 3: is overwritten, and `previous_<column>` keeps the value before.
    WithPrevious,
    /// 6: a change begins a new version, and `current_<column>` shows the newest value in all of them.
    VersionedWithCurrent,
}

impl TryFrom<u8> for ScdType {
    type Error = String;

    fn try_from(number: u8) -> Result<Self, String> {
        Ok(match number {
            0 => Self::Fixed,
            1 => Self::Overwritten,
            2 => Self::Versioned,
            3 => Self::WithPrevious,
            6 => Self::VersionedWithCurrent,
            other => return Err(format!("scd type {other} is not known: one of 0, 1, 2, 3, 6")),
        })
    }
}

impl ScdType {
    /// Whether a change of the column begins a new version.
    pub fn is_versioned(self) -> bool {
        matches!(self, Self::Versioned | Self::VersionedWithCurrent)
    }
}

/// `star.yaml` as a whole.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StarFile {
    /// Version of the vocabulary; 1.
    pub star: u32,
    /// The star's name: the folder's, and the schema of its tables.
    pub name: String,
    /// One line on what it is about.
    pub title: String,
    /// More about it.
    #[serde(default)]
    pub description: Option<String>,
    /// Who answers for it.
    #[serde(default)]
    pub owner: Option<String>,
    /// Words to find it by.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Its dimensions.
    pub dimensions: Ordered<DimensionFile>,
    /// Its facts.
    #[serde(default)]
    pub facts: Ordered<FactFile>,
}

/// A dimension: members with a business key, or a built-in calendar (`date`) or clock (`time`).
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DimensionFile {
    /// One line on what a member is.
    pub title: String,
    /// More about it.
    #[serde(default)]
    pub description: Option<String>,
    /// Who answers for it, where that is not the star's owner.
    #[serde(default)]
    pub owner: Option<String>,
    /// Words to find it by.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Makes it a calendar.
    #[serde(default)]
    pub date: Option<DateFile>,
    /// Makes it a clock.
    #[serde(default)]
    pub time: Option<TimeFile>,
    /// Name of the surrogate key; the dimension's name without `dim_`, and `_key`, unless said.
    #[serde(default)]
    pub key: Option<String>,
    /// Columns that identify a member at its source.
    #[serde(default)]
    pub business_key: Vec<String>,
    /// The column of the rows that says since when a row holds; required with versioned columns.
    #[serde(default)]
    pub effective: Option<String>,
    /// Columns of the rows that order those with equal key and effective time; the last wins.
    #[serde(default)]
    pub order: Vec<String>,
    /// What becomes of members that the source deletes.
    #[serde(default)]
    pub deletes: DeletePolicy,
    /// Text of string columns for the unknown member and for inferred ones.
    #[serde(default = "unknown_label")]
    pub unknown: String,
    /// Columns of the table: those of the business key, and attributes.
    #[serde(default)]
    pub columns: Ordered<ColumnFile>,
    /// What must hold before the table is shown.
    #[serde(default)]
    pub tests: Vec<TestFile>,
}

fn unknown_label() -> String {
    "Unknown".to_owned()
}

/// A calendar: one row a day of whole years.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DateFile {
    /// First day; the first day of the year of the earliest fact, unless said.
    #[serde(default)]
    pub from: Option<NaiveDate>,
    /// First day after it; the first day of the year after the latest fact, unless said.
    #[serde(default)]
    pub until: Option<NaiveDate>,
    /// Month in which the fiscal year starts; a fiscal year is named by the calendar year in which it ends.
    #[serde(default = "january")]
    pub fiscal_year_starts: u8,
}

fn january() -> u8 {
    1
}

/// A clock: one row a step of the day.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimeFile {
    /// Length of a step; must divide a day.
    #[serde(default = "one_minute")]
    pub step_minutes: u32,
}

fn one_minute() -> u32 {
    1
}

/// A column of a dimension.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ColumnFile {
    /// Its type.
    #[serde(rename = "type")]
    pub column_type: FlatType,
    /// How it follows its source.
    #[serde(default)]
    pub scd: Option<ScdType>,
    /// Its name for people; made from the column's name unless said.
    #[serde(default)]
    pub title: Option<String>,
    /// What it means.
    #[serde(default)]
    pub description: Option<String>,
    /// How to show it.
    #[serde(default)]
    pub format: Option<String>,
    /// The column that orders its values.
    #[serde(default)]
    pub sort_by: Option<String>,
    /// How sensitive it is.
    #[serde(default)]
    pub classification: Option<Classification>,
}

/// What becomes of members that the source deletes. A member's rows stay in any case; they are flagged.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeletePolicy {
    /// Members that are not in the rows any more stay as they were.
    #[default]
    Keep,
    /// A column of the rows says when the member was deleted; null while it is there.
    Flag(FlagFile),
    /// The rows are all members there are: one that is not among them is deleted.
    Absent(AbsentFile),
}

/// Settings of [`DeletePolicy::Flag`].
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FlagFile {
    /// The timestamp column.
    pub column: String,
    /// Share of the present members that one build may delete.
    #[serde(default = "max_share")]
    pub max_share: f64,
}

/// Settings of [`DeletePolicy::Absent`].
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AbsentFile {
    /// The timestamp column that says when the rows were read: a member is deleted since the newest of them.
    pub at: String,
    /// Share of the present members that one build may delete.
    #[serde(default = "max_share")]
    pub max_share: f64,
}

fn max_share() -> f64 {
    0.2
}

/// A fact.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FactFile {
    /// One line on what a row is.
    pub title: String,
    /// More about it.
    #[serde(default)]
    pub description: Option<String>,
    /// Who answers for it, where that is not the star's owner.
    #[serde(default)]
    pub owner: Option<String>,
    /// Words to find it by.
    #[serde(default)]
    pub tags: Vec<String>,
    /// What a row stands for over time.
    #[serde(default)]
    pub kind: FactKindFile,
    /// Columns of the table that identify a row: keys and degenerate columns. Always tested.
    pub grain: Vec<String>,
    /// Key columns, by the role's name.
    pub lookups: Ordered<LookupFile>,
    /// Columns of the rows that describe a row and have no dimension.
    #[serde(default)]
    pub degenerate: Ordered<ColumnFile>,
    /// Numbers of the rows.
    #[serde(default)]
    pub measures: Ordered<MeasureFile>,
    /// How its files are partitioned.
    #[serde(default)]
    pub partition: Option<PartitionFile>,
    /// What must hold before the table is shown.
    #[serde(default)]
    pub tests: Vec<TestFile>,
}

/// What a row stands for over time.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FactKindFile {
    /// Something that happened once.
    #[default]
    Transaction,
    /// The state of something in each period, also where nothing happened.
    PeriodicSnapshot(PeriodicFile),
    /// A process whose milestones are filled in as they come.
    AccumulatingSnapshot(AccumulatingFile),
}

/// Settings of a periodic snapshot.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeriodicFile {
    /// The length of a period.
    pub period: Period,
    /// The date column of the rows that lies in the period; a period's row has its first day.
    pub of: String,
}

/// The length of a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    /// A calendar day.
    Day,
    /// A calendar month.
    Month,
}

/// Settings of an accumulating snapshot.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccumulatingFile {
    /// Date lookups, in the order in which the process passes them.
    pub milestones: Vec<String>,
    /// Whole days between two timestamp or date columns of the rows; null until both are there.
    #[serde(default)]
    pub lags: Ordered<LagFile>,
}

/// Days between two milestones.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LagFile {
    /// Column of the rows where it begins.
    pub from: String,
    /// Column of the rows where it ends.
    pub until: String,
    /// Its name for people.
    #[serde(default)]
    pub title: Option<String>,
    /// What it means.
    #[serde(default)]
    pub description: Option<String>,
}

/// A reference to a dimension.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LookupFile {
    /// The dimension.
    pub dimension: String,
    /// For a calendar or clock: the date or timestamp column of the rows.
    #[serde(default)]
    pub of: Option<String>,
    /// For a calendar or clock: the zone in which a timestamp is cut to its day.
    #[serde(default)]
    pub zone: Option<String>,
    /// For members: columns of the rows, in the order of the business key; its own names unless said.
    #[serde(default)]
    pub by: Vec<String>,
    /// For members with history: the timestamp or date column whose instant decides the version.
    #[serde(default)]
    pub as_of: Option<String>,
    /// What a business key that no member has becomes.
    #[serde(default)]
    pub on_missing: OnMissing,
    /// The role's name for people.
    #[serde(default)]
    pub title: Option<String>,
    /// What the role means.
    #[serde(default)]
    pub description: Option<String>,
}

/// What a business key that no member has becomes. A null one is the unknown member always.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnMissing {
    /// The unknown member, `-1`.
    #[default]
    Unknown,
    /// A new member without attributes, which gets them when its source shows it.
    Infer,
}

/// A number of a fact.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MeasureFile {
    /// Its type: int64, float64 or decimal.
    #[serde(rename = "type")]
    pub column_type: FlatType,
    /// Over what it may be added up.
    #[serde(default)]
    pub additivity: Additivity,
    /// How to show it; by its type unless said.
    #[serde(default)]
    pub format: Option<String>,
    /// Its name for people.
    #[serde(default)]
    pub title: Option<String>,
    /// What it means.
    #[serde(default)]
    pub description: Option<String>,
}

/// How a fact's files are partitioned.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PartitionFile {
    /// By the month, in UTC, of a date or timestamp column of the rows: column `month`, as `2017-01`.
    MonthOf(String),
}

/// What must hold of a table before it is shown.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TestFile {
    /// No two rows have the same values in these columns.
    Unique(Vec<String>),
    /// None of these columns is null; the unknown member is not looked at.
    NotNull(Vec<String>),
    /// So many rows, the unknown member not counted.
    RowCount(RowCountFile),
    /// As many rows as this table has, the unknown and inferred members not counted.
    RowsEqual(TableName),
    /// A column adds up to what another table's column adds up to.
    SumEquals(SumEqualsFile),
}

/// Settings of [`TestFile::RowCount`].
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RowCountFile {
    /// At least so many.
    #[serde(default)]
    pub min: u64,
    /// At most so many.
    #[serde(default)]
    pub max: Option<u64>,
}

/// Settings of [`TestFile::SumEquals`].
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SumEqualsFile {
    /// Column of this table.
    pub column: String,
    /// The other table.
    pub table: TableName,
    /// Its column.
    pub of: String,
}
