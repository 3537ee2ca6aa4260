//! Judges the rows of a typed batch by what the contract promises of each column.
//!
//! A [`Gate`] is compiled once from a contract and judges every batch of its windows. A row is good when no rule of [`Rule`] fails
//! on it; else the first failing rule, in the order of the columns, is its [`Reason`]. Reasons name column and rule and never the
//! value: receipts carry them, and receipts outlive the erasure of a person.
//!
//! | variant | judges | file |
//! |---|---|---|
//! | presence | keys and columns that must have a value | `presence` |
//! | min, max | numbers | `min`, `max` |
//! | `one_of` | texts, whole numbers, booleans | `one_of` |
//! | matches, `max_length`, `currency_code` | texts | one each |
//! | unique | the whole window, not a row | `unique` |
//! | JSON Schema | the record's text, not its columns | `json_schema` |

mod currency_code;
mod deleted;
mod json_schema;
mod matches;
mod max;
mod max_length;
mod min;
mod number;
mod one_of;
mod presence;
mod reason;
mod text;
mod unique;

use arrow_array::{Array, ArrayRef, BooleanArray, RecordBatch, StructArray};
use headwater_contract::{Check, ChildTable, Column, ColumnType, ErrorKind, Explain, StreamContract};
use thiserror::Error;

pub use deleted::DeleteFlag;
pub use reason::Reason;
pub use unique::{NotUnique, UniqueError, Uniques};

use currency_code::CurrencyCode;
use json_schema::RecordSchema;
use matches::Matches;
use max::Max;
use max_length::MaxLength;
use min::Min;
use one_of::OneOf;
use presence::Presence;

/// Why a contract has no gate, or a batch cannot be judged.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum GateError {
    /// A check stands on a column whose type it has no meaning for.
    #[error("the check `{check}` has no meaning for column `{column}` of type {found}")]
    NotApplicable {
        /// The column, with the fields that lead to it.
        column: String,
        /// The check's name.
        check: &'static str,
        /// The column's type.
        found: String,
    },
    /// A check stands inside a list.
    #[error("column `{column}` has a check inside a list")]
    InsideList {
        /// The column, with the fields that lead to it.
        column: String,
    },
    /// A pattern does not compile.
    #[error("column `{column}`: `{pattern}` is not a regular expression: {message}")]
    BadPattern {
        /// The column.
        column: String,
        /// The pattern.
        pattern: String,
        /// What the parser said.
        message: String,
    },
    /// A bound is not a finite number.
    #[error("column `{column}`: the bound of `{check}` is not a finite number")]
    BadBound {
        /// The column.
        column: String,
        /// The check's name.
        check: &'static str,
    },
    /// The contract's JSON Schema does not compile.
    #[error("the JSON Schema of the stream does not compile: {message}")]
    BadSchema {
        /// What the compiler said.
        message: String,
    },
    /// A key, window or delete column is not among the columns.
    #[error("column `{column}` is used as {used_as} but is not among the columns")]
    NotAColumn {
        /// The column.
        column: String,
        /// What it is used as.
        used_as: &'static str,
    },
    /// A batch lacks a column of the contract or has it in another type.
    #[error("the batch does not have column `{column}` as the contract promises it")]
    BatchMismatch {
        /// The column.
        column: String,
    },
}

impl Explain for GateError {
    fn code(&self) -> &'static str {
        match self {
            Self::NotApplicable { .. } => "check-not-applicable",
            Self::InsideList { .. } => "check-inside-list",
            Self::BadPattern { .. } => "check-bad-pattern",
            Self::BadBound { .. } => "check-bad-bound",
            Self::BadSchema { .. } => "bad-json-schema",
            Self::NotAColumn { .. } => "not-a-column",
            Self::BatchMismatch { .. } => "batch-mismatch",
        }
    }

    fn kind(&self) -> ErrorKind {
        if matches!(self, Self::BatchMismatch { .. }) { ErrorKind::Internal } else { ErrorKind::Config }
    }

    fn place(&self) -> String {
        match self {
            Self::NotApplicable { column, .. }
            | Self::InsideList { column }
            | Self::BadPattern { column, .. }
            | Self::BadBound { column, .. }
            | Self::NotAColumn { column, .. }
            | Self::BatchMismatch { column } => format!("column {column}"),
            Self::BadSchema { .. } => "json_schema".to_owned(),
        }
    }

    fn fix(&self) -> String {
        match self {
            Self::NotApplicable { check, .. } => format!("take `{check}` away or change the column's type"),
            Self::InsideList { .. } => "declare the list as a child table and put the check there".to_owned(),
            Self::BadPattern { .. } => "write the pattern in the syntax of the regex crate".to_owned(),
            Self::BadBound { .. } => "write a finite number".to_owned(),
            Self::BadSchema { .. } => "mend the JSON Schema; it must not refer to other files".to_owned(),
            Self::NotAColumn { column, .. } => format!("add `{column}` to `columns`"),
            Self::BatchMismatch { .. } => "report it with the code and the run id".to_owned(),
        }
    }

    fn committed(&self) -> String {
        "nothing of this window was committed; running again is safe".to_owned()
    }
}

/// What a column's values must be. `failures` calls back with every row that fails.
#[derive(Debug)]
enum Rule {
    Presence(Presence),
    Min(Min),
    Max(Max),
    OneOf(OneOf),
    Matches(Matches),
    MaxLength(MaxLength),
    CurrencyCode(CurrencyCode),
}

impl Rule {
    fn compile(check: &Check, path: &str, column: &Column) -> Result<Option<Self>, GateError> {
        let kind = &column.column_type;
        Ok(Some(match check {
            Check::Min(bound) => Self::Min(Min::compile(*bound, path, kind)?),
            Check::Max(bound) => Self::Max(Max::compile(*bound, path, kind)?),
            Check::OneOf(allowed) => Self::OneOf(OneOf::compile(allowed, path, kind)?),
            Check::Matches(pattern) => Self::Matches(Matches::compile(pattern, path, kind)?),
            Check::MaxLength(most) => Self::MaxLength(MaxLength::compile(*most, path, kind)?),
            Check::CurrencyCode => Self::CurrencyCode(CurrencyCode::compile(path, kind)?),
            Check::Unique => return Ok(None),
        }))
    }

    /// Calls `fail` for every row whose value fails; `None` when the array has another type than was promised.
    fn failures(&self, values: &ArrayRef, fail: &mut dyn FnMut(usize)) -> Option<()> {
        match self {
            Self::Presence(rule) => {
                rule.failures(values, fail);
                Some(())
            }
            Self::Min(rule) => rule.failures(values, fail),
            Self::Max(rule) => rule.failures(values, fail),
            Self::OneOf(rule) => rule.failures(values, fail),
            Self::Matches(rule) => rule.failures(values, fail),
            Self::MaxLength(rule) => rule.failures(values, fail),
            Self::CurrencyCode(rule) => rule.failures(values, fail),
        }
    }

    fn reason(&self, column: &str) -> Reason {
        let column = column.into();
        match self {
            Self::Presence(rule) => rule.reason(column),
            Self::Min(rule) => rule.reason(column),
            Self::Max(rule) => rule.reason(column),
            Self::OneOf(rule) => rule.reason(column),
            Self::Matches(rule) => rule.reason(column),
            Self::MaxLength(rule) => rule.reason(column),
            Self::CurrencyCode(_) => Reason::NotACurrencyCode { column },
        }
    }
}

fn not_applicable(column: &str, check: &'static str, found: &ColumnType) -> GateError {
    GateError::NotApplicable { column: column.to_owned(), check, found: found.to_string() }
}

/// A rule with the column it stands on.
#[derive(Debug)]
struct Placed {
    /// Column and, inside structs, fields.
    path: Vec<String>,
    rule: Rule,
    reason: Reason,
    /// A row that says it is deleted need not satisfy this rule: such rows often carry nothing but the key.
    spares_deleted: bool,
}

impl Placed {
    fn new(path: &[String], rule: Rule, spares_deleted: bool) -> Self {
        let reason = rule.reason(&path.join("."));
        Self { path: path.to_vec(), rule, reason, spares_deleted }
    }
}

/// What a gate says of one batch.
#[derive(Debug)]
pub struct Judgement {
    /// True for each row that may land.
    pub good: BooleanArray,
    /// The rows that may not, ascending, each with its first reason.
    pub reasons: Vec<(usize, Reason)>,
}

/// The compiled checks of a stream's rows, or of the rows of one of its child tables.
#[derive(Debug)]
pub struct Gate {
    rules: Vec<Placed>,
    deleted: Option<DeleteFlag>,
    schema: Option<RecordSchema>,
    unique: Vec<String>,
}

impl Gate {
    /// Compiles the checks of a stream's own rows.
    ///
    /// # Errors
    ///
    /// [`GateError`] when the contract asks for what cannot be judged: fix the manifest.
    pub fn compile(contract: &StreamContract) -> Result<Self, GateError> {
        let mut required: Vec<(&str, &'static str)> = Vec::new();
        if let Some(window) = &contract.window {
            required.push((&window.field, "the window's field"));
        }
        if let Some(version) = &contract.version_field {
            required.push((version, "the version field"));
        }
        let mut gate = Self::of_columns(&contract.columns, &contract.key, &required)?;
        gate.deleted = DeleteFlag::compile(contract)?;
        gate.schema = contract.json_schema.as_ref().map(RecordSchema::compile).transpose()?;
        Ok(gate)
    }

    /// Compiles the checks of a child table's rows, which carry the parent's columns under their names in the child.
    ///
    /// # Errors
    ///
    /// [`GateError`] when the contract asks for what cannot be judged: fix the manifest.
    pub fn compile_child(child: &ChildTable) -> Result<Self, GateError> {
        let own = |name: &&String| !child.parent_columns.iter().any(|(ours, _)| ours == *name);
        let key: Vec<String> = child.key.iter().filter(own).cloned().collect();
        Self::of_columns(&child.columns, &key, &[])
    }

    fn of_columns(columns: &[Column], key: &[String], required: &[(&str, &'static str)]) -> Result<Self, GateError> {
        let mut gate = Self { rules: Vec::new(), deleted: None, schema: None, unique: Vec::new() };
        let used = key.iter().map(|name| (name.as_str(), "a key")).chain(required.iter().copied());
        for (name, used_as) in used {
            if !columns.iter().any(|column| column.name == name) {
                return Err(GateError::NotAColumn { column: name.to_owned(), used_as });
            }
        }
        for column in columns {
            let is_key = key.contains(&column.name);
            let is_required = required.iter().any(|(name, _)| *name == column.name);
            let path = [column.name.clone()];
            if is_key || is_required || !column.nullable {
                let rule = if is_key { Presence::Key } else { Presence::Value };
                gate.rules.push(Placed::new(&path, Rule::Presence(rule), !is_key && !is_required));
            }
            gate.place_checks(&path, column)?;
        }
        Ok(gate)
    }

    fn place_checks(&mut self, path: &[String], column: &Column) -> Result<(), GateError> {
        let dotted = path.join(".");
        for check in &column.checks {
            match Rule::compile(check, &dotted, column)? {
                Some(rule) => self.rules.push(Placed::new(path, rule, false)),
                None if path.len() == 1 => {
                    unique::check_type(&dotted, &column.column_type)?;
                    self.unique.push(dotted.clone());
                }
                None => return Err(not_applicable(&dotted, "unique", &column.column_type)),
            }
        }
        match &column.column_type {
            ColumnType::Struct(fields) => fields.iter().try_for_each(|field| {
                let mut path = path.to_vec();
                path.push(field.name.clone());
                if !field.nullable {
                    self.rules.push(Placed::new(&path, Rule::Presence(Presence::Value), true));
                }
                self.place_checks(&path, field)
            }),
            ColumnType::List(item) if has_checks(item) => Err(GateError::InsideList { column: dotted }),
            _ => Ok(()),
        }
    }

    /// Judges the rows of a typed batch.
    ///
    /// # Shape
    ///
    /// In: the contract's columns by name, in their arrow types (text as `Utf8`, decimals as `Decimal128`, instants as
    /// microseconds in UTC); more columns do not matter. Out: one verdict a row.
    ///
    /// # Errors
    ///
    /// [`GateError::BatchMismatch`] when a column is missing or has another type. Never fails on values.
    pub fn judge(&self, batch: &RecordBatch) -> Result<Judgement, GateError> {
        let mut failed: Vec<(usize, usize)> = Vec::new();
        let mut deleted: Option<BooleanArray> = None;
        for (order, placed) in self.rules.iter().enumerate() {
            let mismatch = || GateError::BatchMismatch { column: placed.path.join(".") };
            let (values, parents) = resolve(batch, &placed.path).ok_or_else(mismatch)?;
            let before = failed.len();
            let mut fail = |row: usize| {
                if parents.iter().all(|parent| parent.is_valid(row)) {
                    failed.push((row, order));
                }
            };
            placed.rule.failures(&values, &mut fail).ok_or_else(mismatch)?;
            if let Some(flag) = self.deleted.as_ref().filter(|_| placed.spares_deleted && failed.len() > before) {
                let mask = match deleted.take() {
                    Some(mask) => mask,
                    None => flag.mask(batch)?,
                };
                let mut at = 0;
                failed.retain(|(row, _)| {
                    at += 1;
                    at <= before || !mask.value(*row)
                });
                deleted = Some(mask);
            }
        }
        Ok(self.judgement(batch.num_rows(), failed))
    }

    fn judgement(&self, rows: usize, mut failed: Vec<(usize, usize)>) -> Judgement {
        failed.sort_unstable();
        failed.dedup_by_key(|(row, _)| *row);
        let mut bad = failed.iter().map(|(row, _)| *row).peekable();
        let good = if failed.is_empty() {
            BooleanArray::from(vec![true; rows])
        } else {
            (0..rows).map(|row| Some(bad.next_if_eq(&row).is_none())).collect()
        };
        let reasons = failed
            .iter()
            .filter_map(|(row, order)| self.rules.get(*order).map(|placed| (*row, placed.reason.clone())))
            .collect();
        Judgement { good, reasons }
    }

    /// Whether [`Gate::judge_text`] has anything to say, so that a caller can spare the call.
    pub fn has_json_schema(&self) -> bool {
        self.schema.is_some()
    }

    /// Judges a record's text by the stream's JSON Schema; everything is good where there is none.
    ///
    /// # Errors
    ///
    /// The [`Reason`] why the record may not land.
    pub fn judge_text(&self, record: &[u8]) -> Result<(), Reason> {
        self.schema.as_ref().map_or(Ok(()), |schema| schema.judge(record))
    }

    /// The columns whose values no two keys of a window may share; judged by [`Uniques`].
    pub fn unique_columns(&self) -> &[String] {
        &self.unique
    }
}

fn has_checks(column: &Column) -> bool {
    !column.checks.is_empty()
        || match &column.column_type {
            ColumnType::Struct(fields) => fields.iter().any(has_checks),
            ColumnType::List(item) => has_checks(item),
            _ => false,
        }
}

/// The array at `path` and the structs around it, outermost first. Where one of those is null, its fields are not judged.
fn resolve(batch: &RecordBatch, path: &[String]) -> Option<(ArrayRef, Vec<ArrayRef>)> {
    let (first, fields) = path.split_first()?;
    let mut array = batch.column_by_name(first)?.clone();
    let mut parents = Vec::new();
    for field in fields {
        let inner = array.as_any().downcast_ref::<StructArray>()?.column_by_name(field)?.clone();
        parents.push(std::mem::replace(&mut array, inner));
    }
    Some((array, parents))
}

#[cfg(test)]
mod tests;
