//! Members, their keys and their history: what is remembered, merged with what the source shows.
//!
//! A pure function of two frames: the state of the last build and the rows of today. What the state knows is never dropped, so a
//! source that forgets its past, a code change or a rebuild loses no version and no key. A version that comes late is put into
//! the middle of its member's history under a key of its own; the versions around it keep theirs.

use std::fmt::Write as _;

use headwater_contract::ColumnType;
use polars::prelude::{
    AnyValue, DataFrame, DataType, Expr, IntoLazy, JoinArgs, JoinType, LazyFrame, NULL, PolarsResult,
    SortMultipleOptions, UnionArgs, UniqueKeepStrategy, by_name, coalesce, col, concat, len, lit, when,
};

use crate::star::error::StarError;
use crate::star::model::{DeletePolicy, DimensionFile, ScdType};
use crate::star::types::{cast, polars_type, timestamp};

/// Columns of a state table beside those of the business key and the attributes.
pub(crate) const KEY: &str = "_key";
/// Since when the version holds at the source; null for an inferred member.
pub(crate) const AT: &str = "_at";
/// Only a fact has named the member so far.
pub(crate) const INFERRED: &str = "_inferred";
/// The source has deleted the member.
pub(crate) const DELETED: &str = "_deleted";
/// When the rows were read, of rows that are all members there are.
const SEEN: &str = "_seen";
/// 0 for what the state knows, 1 for what the source shows.
const FRESH: &str = "_fresh";

/// A dimension's members as the merge sees them: names and types of its columns, nothing of files or tables.
#[derive(Clone, Debug)]
pub(crate) struct Members {
    /// Star and dimension, for messages.
    pub(crate) table: String,
    /// Business key columns with their types.
    pub(crate) keys: Vec<(String, ColumnType)>,
    /// Attributes with their types and how they follow the source.
    pub(crate) attributes: Vec<(String, ColumnType, ScdType)>,
    effective: Option<String>,
    order: Vec<String>,
    deletes: DeletePolicy,
}

/// What a merge gives.
#[derive(Debug)]
pub(crate) struct Merged {
    /// The state from now on, ordered by key.
    pub(crate) state: DataFrame,
    /// Members that were there before and are deleted now.
    pub(crate) deleted: usize,
}

impl Members {
    /// Takes from a sound model what the merge needs.
    pub(crate) fn new(table: String, file: &DimensionFile) -> Self {
        let column = |name: &String| file.columns.0.iter().find(|(known, _)| known == name).map(|(_, column)| column);
        let key = |name: &String| Some((name.clone(), column(name)?.column_type.0.clone()));
        let attributes = file.columns.0.iter().filter(|(name, _)| !file.business_key.contains(name));
        Self {
            table,
            keys: file.business_key.iter().filter_map(key).collect(),
            attributes: attributes
                .map(|(name, column)| (name.clone(), column.column_type.0.clone(), column.scd.unwrap_or_default()))
                .collect(),
            effective: file.effective.clone(),
            order: file.order.clone(),
            deletes: file.deletes.clone(),
        }
    }

    /// Whether members have versions.
    pub(crate) fn has_history(&self) -> bool {
        self.attributes.iter().any(|(_, _, scd)| scd.is_versioned())
    }

    /// The business key, to group and join by.
    pub(crate) fn by(&self) -> Vec<Expr> {
        self.keys.iter().map(|(name, _)| col(name.as_str())).collect()
    }

    fn previous(&self) -> impl Iterator<Item = (&str, String, &ColumnType)> {
        let kept = self.attributes.iter().filter(|(_, _, scd)| *scd == ScdType::WithPrevious);
        kept.map(|(name, column_type, _)| (name.as_str(), format!("previous_{name}"), column_type))
    }

    /// Columns of the state with their types, in table order.
    pub(crate) fn state_columns(&self) -> Vec<(String, ColumnType)> {
        let mut columns = vec![(KEY.to_owned(), ColumnType::Int64)];
        columns.extend(self.keys.iter().cloned());
        columns.extend(self.attributes.iter().map(|(name, column_type, _)| (name.clone(), column_type.clone())));
        columns.extend(self.previous().map(|(_, name, column_type)| (name, column_type.clone())));
        columns.push((AT.to_owned(), ColumnType::Timestamp));
        columns.push((INFERRED.to_owned(), ColumnType::Boolean));
        columns.push((DELETED.to_owned(), ColumnType::Boolean));
        columns
    }

    /// A state without members.
    #[cfg(test)]
    pub(crate) fn empty_state(&self) -> DataFrame {
        let columns = self.state_columns();
        let fields = columns
            .iter()
            .map(|(name, column_type)| polars::prelude::Field::new(name.as_str().into(), polars_type(column_type)));
        DataFrame::empty_with_schema(&fields.collect())
    }

    /// Names that the rows must have.
    pub(crate) fn row_columns(&self) -> Vec<&str> {
        let mut columns: Vec<&str> = self.keys.iter().map(|(name, _)| name.as_str()).collect();
        columns.extend(self.attributes.iter().map(|(name, _, _)| name.as_str()));
        columns.extend(self.effective.as_deref());
        columns.extend(self.order.iter().map(String::as_str));
        match &self.deletes {
            DeletePolicy::Keep => {}
            DeletePolicy::Flag(flag) => columns.push(&flag.column),
            DeletePolicy::Absent(absent) => columns.push(&absent.at),
        }
        columns
    }

    /// Reads the rows into observations: what the source says of a member, and since when.
    ///
    /// # Shape
    ///
    /// In: [`Self::row_columns`], any order. Out: business key and attributes in their types, `_at`, `_seen`, `_deleted`,
    /// `_inferred`, `_fresh`; ordered so that of rows of equal key and time the last counts.
    fn observations(&self, rows: LazyFrame) -> LazyFrame {
        let mut columns: Vec<Expr> = self.keys.iter().map(|(name, column_type)| cast(name, column_type)).collect();
        columns.extend(self.attributes.iter().map(|(name, column_type, _)| cast(name, column_type)));
        let at = self.effective.as_ref().map_or(lit(NULL), |name| col(name.as_str()));
        let seen = match &self.deletes {
            DeletePolicy::Absent(absent) => col(absent.at.as_str()),
            DeletePolicy::Keep | DeletePolicy::Flag(_) => lit(NULL),
        };
        let gone = match &self.deletes {
            DeletePolicy::Flag(flag) => col(flag.column.as_str()),
            DeletePolicy::Keep | DeletePolicy::Absent(_) => lit(NULL),
        };
        columns.push(at.cast(timestamp()).alias(AT));
        columns.push(seen.cast(timestamp()).alias(SEEN));
        columns.push(gone.cast(timestamp()).alias("_gone"));
        columns.extend(self.order.iter().enumerate().map(|(at, name)| col(name.as_str()).alias(format!("_order{at}"))));
        let mut sort = self.by();
        sort.push(col(AT));
        sort.extend((0..self.order.len()).map(|at| col(format!("_order{at}"))));
        // Where the model names no order, the values themselves decide: any choice is as good, but it must be the same each time.
        sort.extend(self.attributes.iter().map(|(name, _, _)| col(name.as_str())));
        rows.select(columns).sort_by_exprs(sort, SortMultipleOptions::default().with_maintain_order(true))
    }

    /// Merges the rows of today and members that facts name into `state`.
    ///
    /// # Shape
    ///
    /// In: `state` as [`Self::state_columns`]; `rows` with [`Self::row_columns`]; `named` with the business key. Out: a state.
    ///
    /// # Errors
    ///
    /// [`StarError`] when rows have no key or claim one member twice, or when more members are gone than the policy allows.
    pub(crate) fn merge(
        &self,
        state: &DataFrame,
        rows: LazyFrame,
        named: Option<LazyFrame>,
    ) -> Result<Merged, StarError> {
        let failed = || StarError::compute(&self.table);
        let seen = self.observations(rows).collect().map_err(failed())?;
        self.check(&seen)?;
        let fresh = self.events(state, &seen);
        let versions = self.versions(state, fresh).map_err(failed())?;
        let merged = self.numbered(state, versions, named).map_err(failed())?;
        let deleted = self.guard(state, &merged).map_err(failed())??;
        Ok(Merged { state: merged, deleted })
    }

    fn check(&self, seen: &DataFrame) -> Result<(), StarError> {
        let failed = || StarError::compute(&self.table);
        let mut lacks =
            self.keys.iter().map(|(name, _)| col(name.as_str()).is_null()).reduce(Expr::or).unwrap_or(lit(false));
        if self.effective.is_some() {
            lacks = lacks.or(col(AT).is_null());
        }
        let without = seen.clone().lazy().filter(lacks).collect().map_err(failed())?.height();
        if without > 0 {
            return Err(StarError::MemberWithoutKey { table: self.table.clone(), count: without });
        }
        if self.effective.is_none() {
            let twice = seen.clone().lazy().group_by_stable(self.by()).agg([len().alias("_count")]);
            let twice = twice.filter(col("_count").gt(lit(1_u32))).collect().map_err(failed())?;
            if twice.height() > 0 {
                let example = self.example(&twice);
                return Err(StarError::MemberTwice { table: self.table.clone(), count: twice.height(), example });
            }
        }
        Ok(())
    }

    fn example(&self, frame: &DataFrame) -> String {
        let mut text = String::new();
        for (name, _) in &self.keys {
            let value = frame.column(name).ok().and_then(|column| column.get(0).ok()).unwrap_or(AnyValue::Null);
            let comma = if text.is_empty() { "" } else { ", " };
            // Writing to a text cannot fail.
            write!(text, "{comma}{name} {value}").unwrap_or_default();
        }
        text
    }

    /// The last version of each member.
    fn last_versions(&self, state: LazyFrame) -> LazyFrame {
        let mut sort = self.by();
        sort.push(col(AT));
        let keys = by_name(self.keys.iter().map(|(name, _)| name.as_str()), true, false);
        let sorted = state.sort_by_exprs(sort, SortMultipleOptions::default().with_maintain_order(true));
        sorted.unique_stable(Some(keys), UniqueKeepStrategy::Last)
    }

    /// What the source says, deletions and returns included, as versions without keys.
    fn events(&self, state: &DataFrame, seen: &DataFrame) -> LazyFrame {
        let no = || lit(false).alias(DELETED);
        let yes = || lit(true).alias(DELETED);
        let shown = seen.clone().lazy();
        let known = self.last_versions(state.clone().lazy()).filter(col(INFERRED).not());
        let names = || by_name(self.keys.iter().map(|(name, _)| name.as_str()), true, false);
        let last_shown = shown.clone().unique_stable(Some(names()), UniqueKeepStrategy::Last);
        let mut events = Vec::new();
        match &self.deletes {
            DeletePolicy::Keep => events.push(shown.with_column(no())),
            DeletePolicy::Flag(_) => {
                // A tombstone says nothing of the member before it was deleted.
                let is_alive = col("_gone").is_null().or(col("_gone").gt(col(AT))).fill_null(lit(false));
                let gone = coalesce_later(col("_gone"), col(AT));
                if self.has_history() {
                    events.push(shown.filter(is_alive).with_column(no()));
                    let last = last_shown.clone().filter(col("_gone").is_not_null());
                    events.push(last.with_columns([gone.alias(AT), yes()]));
                } else {
                    events.push(shown.with_column(col("_gone").is_not_null().alias(DELETED)));
                }
            }
            DeletePolicy::Absent(_) => {
                events.push(shown.clone().with_column(no()));
                let newest = shown.select([col(SEEN).max().alias("_newest")]);
                let present = known.clone().filter(col(DELETED).not());
                let absent = present.join(last_shown.clone(), self.by(), self.by(), JoinArgs::new(JoinType::Anti));
                let absent = absent.join(newest, [], [], JoinArgs::new(JoinType::Cross));
                let at = if self.has_history() { coalesce_later(col("_newest"), col(AT)) } else { col(AT) };
                events.push(absent.with_columns([at.alias(AT), yes()]));
            }
        }
        if self.deletes != DeletePolicy::Keep && self.has_history() {
            // A deleted member that is shown again has returned, at the latest time that anybody knows of.
            let was = known
                .filter(col(DELETED))
                .select(self.by().into_iter().chain([col(AT).alias("_was")]).collect::<Vec<_>>());
            let back = last_shown.filter(col("_gone").is_null());
            let back = back.join(was, self.by(), self.by(), JoinArgs::new(JoinType::Inner));
            let at = coalesce_later(coalesce_later(col(SEEN), col(AT)), col("_was"));
            events.push(back.with_columns([at.alias(AT), no()]));
        }
        let mut columns = self.by();
        columns.extend(self.attributes.iter().map(|(name, _, _)| col(name.as_str())));
        columns.extend([col(AT), col(DELETED)]);
        let events: Vec<_> = events.into_iter().map(|event| event.select(columns.clone())).collect();
        let previous =
            self.previous().map(|(_, name, column_type)| lit(NULL).cast(polars_type(column_type)).alias(name));
        let mut made: Vec<Expr> = previous.collect();
        made.push(lit(NULL).cast(DataType::Int64).alias(KEY));
        made.push(lit(false).alias(INFERRED));
        made.push(lit(1_i64).alias(FRESH));
        stacked(events).with_columns(made)
    }

    /// State and events as one history: what changed, and what each column shows of it.
    fn versions(&self, state: &DataFrame, fresh: LazyFrame) -> PolarsResult<DataFrame> {
        let columns: Vec<Expr> =
            self.state_columns().iter().map(|(name, _)| col(name.as_str())).chain([col(FRESH)]).collect();
        let known = state.clone().lazy().with_column(lit(0_i64).alias(FRESH)).select(columns.clone());
        let mut sort = self.by();
        sort.extend([col(AT), col(FRESH)]);
        let all_rows = stacked(vec![known, fresh.select(columns.clone())])
            .sort_by_exprs(sort, SortMultipleOptions::default().with_maintain_order(true));
        let by = self.by();
        let within = |expression: Expr| expression.over(by.clone());
        // An inferred member that its source shows now gives its key to the earliest version.
        let real = all_rows
            .with_columns([
                within(col(INFERRED).not().cast(DataType::Int64).sum())?.alias("_real"),
                within(when(col(INFERRED)).then(col(KEY)).otherwise(lit(NULL)).max())?.alias("_inferred_key"),
            ])
            .filter(col(INFERRED).not().or(col("_real").eq(lit(0_i64))));
        // A tombstone has no attributes: the member keeps those it had.
        let filled = self.attributes.iter().map(|(name, _, _)| {
            let own = col(name.as_str());
            let before = within(own.clone().shift(lit(1_i64)))?;
            Ok(when(col(DELETED)).then(coalesce(&[own.clone(), before])).otherwise(own).alias(name.as_str()))
        });
        let filled = filled.collect::<PolarsResult<Vec<Expr>>>()?;
        let (mut shown, mut others): (Vec<Expr>, Vec<Expr>) = (Vec::new(), Vec::new());
        for (name, _, scd) in &self.attributes {
            let own = col(name.as_str());
            match scd {
                ScdType::Versioned | ScdType::VersionedWithCurrent => {}
                ScdType::Overwritten => shown.push(within(own.last())?),
                ScdType::Fixed => {
                    let known = when(col(FRESH).eq(lit(0_i64))).then(own.clone()).otherwise(lit(NULL));
                    let first = coalesce(&[within(known.drop_nulls().first())?, within(own.drop_nulls().first())?]);
                    shown.push(first.alias(name.as_str()));
                }
                ScdType::WithPrevious => {
                    let now = within(own.clone().last())?;
                    // The window looks at the value in each row, so the comparison with the newest one stands in a column.
                    others.push(
                        when(own.clone().neq_missing(now.clone()))
                            .then(own)
                            .otherwise(lit(NULL))
                            .alias(format!("_other_{name}")),
                    );
                    let before = within(col(format!("_other_{name}")).drop_nulls().last())?;
                    let previous = format!("previous_{name}");
                    let held = within(col(previous.as_str()).drop_nulls().last())?;
                    shown.push(coalesce(&[before, held]).alias(previous.as_str()));
                    shown.push(now.alias(name.as_str()));
                }
            }
        }
        let dated = real.with_columns(filled).with_columns(others).with_columns(shown);
        if self.has_history() { self.changed(dated, columns) } else { self.newest(dated, columns) }
    }

    /// Of each member's history the rows at which a version begins.
    fn changed(&self, dated: LazyFrame, columns: Vec<Expr>) -> PolarsResult<DataFrame> {
        let by = self.by();
        let mut moment = by.clone();
        moment.push(col(AT));
        let names = self.keys.iter().map(|(name, _)| name.as_str()).chain([AT]);
        let once = dated
            .with_column(col(KEY).max().over(moment)?)
            .unique_stable(Some(by_name(names, true, false)), UniqueKeepStrategy::Last);
        let tracked = self.attributes.iter().filter(|(_, _, scd)| scd.is_versioned()).map(|(name, _, _)| name.as_str());
        let mut differs = lit(false);
        for name in tracked.chain([DELETED]) {
            differs = differs.or(col(name).neq_missing(col(name).shift(lit(1_i64)).over(by.clone())?));
        }
        let place = col(DELETED).cum_count(false).over(by.clone())?;
        once.with_columns([differs.alias("_differs"), place.alias("_place")])
            .filter(col("_differs").or(col("_place").eq(lit(1_u32))).or(col(KEY).is_not_null()))
            .with_column(
                when(col("_place").eq(lit(1_u32)).and(col(KEY).is_null()))
                    .then(col("_inferred_key"))
                    .otherwise(col(KEY))
                    .alias(KEY),
            )
            .select(columns)
            .collect()
    }

    /// Of each member the last row.
    fn newest(&self, dated: LazyFrame, columns: Vec<Expr>) -> PolarsResult<DataFrame> {
        let names = by_name(self.keys.iter().map(|(name, _)| name.as_str()), true, false);
        dated
            .with_column(coalesce(&[col(KEY).max().over(self.by())?, col("_inferred_key")]).alias(KEY))
            .unique_stable(Some(names), UniqueKeepStrategy::Last)
            .select(columns)
            .collect()
    }

    /// Adds members that only facts name, and gives a key to each version that has none.
    fn numbered(&self, state: &DataFrame, versions: DataFrame, named: Option<LazyFrame>) -> PolarsResult<DataFrame> {
        let columns = self.state_columns();
        let selected: Vec<Expr> = columns.iter().map(|(name, _)| col(name.as_str())).collect();
        let mut parts = vec![versions.clone().lazy().select(selected.clone())];
        if let Some(named) = named {
            let keys: Vec<Expr> = self.keys.iter().map(|(name, column_type)| cast(name, column_type)).collect();
            let is_whole = self.keys.iter().map(|(name, _)| col(name.as_str()).is_not_null()).reduce(Expr::and);
            let new = named
                .select(keys)
                .filter(is_whole.unwrap_or(lit(true)))
                .unique(None, UniqueKeepStrategy::Any)
                .join(versions.lazy(), self.by(), self.by(), JoinArgs::new(JoinType::Anti));
            let made = columns.iter().filter(|(name, _)| !self.keys.iter().any(|(key, _)| key == name)).map(
                |(name, column_type)| {
                    let value = match name.as_str() {
                        INFERRED => lit(true),
                        DELETED => lit(false),
                        _ => lit(NULL).cast(polars_type(column_type)),
                    };
                    value.alias(name.as_str())
                },
            );
            parts.push(new.with_columns(made.collect::<Vec<_>>()).select(selected.clone()));
        }
        let last = match state.column(KEY)?.as_materialized_series().max::<i64>()? {
            Some(last) => last.max(0),
            None => 0,
        };
        let mut sort = self.by();
        sort.push(col(AT));
        let number = lit(last) + col(KEY).is_null().cast(DataType::Int64).cum_sum(false);
        stacked(parts)
            .sort_by_exprs(sort, SortMultipleOptions::default().with_maintain_order(true))
            .with_column(when(col(KEY).is_null()).then(number).otherwise(col(KEY)).alias(KEY))
            .sort([KEY], SortMultipleOptions::default())
            .select(selected)
            .collect()
    }

    /// Counts the members that are deleted now and were not before, and refuses more than the policy allows.
    fn guard(&self, state: &DataFrame, merged: &DataFrame) -> PolarsResult<Result<usize, StarError>> {
        let share = match &self.deletes {
            DeletePolicy::Keep => return Ok(Ok(0)),
            DeletePolicy::Flag(flag) => flag.max_share,
            DeletePolicy::Absent(absent) => absent.max_share,
        };
        let before = self.last_versions(state.clone().lazy()).filter(col(INFERRED).not().and(col(DELETED).not()));
        let present = before.clone().collect()?.height();
        let gone = self.last_versions(merged.clone().lazy()).filter(col(DELETED));
        let deleted = before.join(gone, self.by(), self.by(), JoinArgs::new(JoinType::Semi)).collect()?.height();
        #[expect(clippy::cast_precision_loss, reason = "a share of members needs no more than 52 bits")]
        let is_too_many = deleted as f64 > share * present as f64;
        if is_too_many {
            let table = self.table.clone();
            return Ok(Err(StarError::TooManyDeleted { table, deleted, present, allowed: share * 100.0 }));
        }
        Ok(Ok(deleted))
    }
}

/// The later of two times; the one that is there where the other is null.
fn coalesce_later(a: Expr, b: Expr) -> Expr {
    when(a.clone().gt_eq(b.clone()))
        .then(a.clone())
        .otherwise(coalesce(&[when(b.clone().is_null()).then(a).otherwise(lit(NULL)), b]))
}

/// Frames of the same columns, one below the other.
fn stacked(frames: Vec<LazyFrame>) -> LazyFrame {
    let fallback = frames.first().cloned().unwrap_or_default();
    concat(frames, UnionArgs::default()).unwrap_or(fallback)
}

/// All columns of the state in order, so that two states compare.
pub(crate) fn is_same_state(a: &DataFrame, b: &DataFrame) -> bool {
    a.schema() == b.schema() && a.equals_missing(b)
}

#[cfg(test)]
mod tests;
