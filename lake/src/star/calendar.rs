//! The built-in dimensions: a calendar with a row a day, a clock with a row a step.
//!
//! Their keys are readable numbers (`20170131`, `1345`), the one exception to keys without meaning: a partition or a filter on a
//! day needs no join then, and no registry has to remember them.

use chrono::{Datelike, NaiveDate};
use headwater_contract::ColumnType;
use polars::prelude::{
    Column, DataFrame, DataType, LazyFrame, NamedFrom, PolarsResult, Series, TimeUnit, col, lit, when,
};
use polars::prelude::{Expr, TimeZone};

use crate::star::columns::plain;
use crate::star::describe::{ColumnDescription, ColumnRole};
use crate::star::model::{DateFile, TimeFile};

/// The key of the unknown member of every dimension.
pub(crate) const UNKNOWN_KEY: i64 = -1;

/// Days of one calendar at most: a typo in a year must not fill the disk.
const DAYS_MAX: i64 = 366 * 400;

/// A half-open range of days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Days {
    pub(crate) from: NaiveDate,
    pub(crate) until: NaiveDate,
}

impl Days {
    /// What the model says, and else whole years around the days that facts refer to.
    ///
    /// `None` when neither is there, or when the range is longer than a calendar can be.
    pub(crate) fn of(file: &DateFile, facts: Option<(NaiveDate, NaiveDate)>) -> Option<Self> {
        let from = file.from.or_else(|| NaiveDate::from_ymd_opt(facts?.0.year(), 1, 1))?;
        let until = file.until.or_else(|| NaiveDate::from_ymd_opt(facts?.1.year() + 1, 1, 1))?;
        let length = until.signed_duration_since(from).num_days();
        (1..=DAYS_MAX).contains(&length).then_some(Self { from, until })
    }

    /// Each day, in order.
    fn iter(self) -> impl Iterator<Item = NaiveDate> {
        self.from.iter_days().take_while(move |day| *day < self.until)
    }
}

fn number(day: NaiveDate) -> i64 {
    i64::from(day.year()) * 10_000 + i64::from(day.month()) * 100 + i64::from(day.day())
}

/// The columns of a calendar.
pub(crate) fn date_columns(key: &str) -> Vec<ColumnDescription> {
    let column = |name: &str, column_type, description: &str, sort_by: Option<&str>| ColumnDescription {
        description: Some(description.to_owned()),
        sort_by: sort_by.map(str::to_owned),
        ..plain(name, column_type, ColumnRole::Attribute)
    };
    let int = || ColumnType::Int64;
    let text = || ColumnType::String;
    vec![
        surrogate(key, "The day as yyyymmdd; -1 is the unknown day."),
        column("date", ColumnType::Date, "The day.", None),
        column("year", int(), "Calendar year.", None),
        column("quarter", int(), "Calendar quarter, 1 to 4.", None),
        column("year_quarter", text(), "Year and quarter, as 2017 Q1.", None),
        column("month", int(), "Calendar month, 1 to 12.", None),
        column("month_name", text(), "Name of the month in English.", Some("month")),
        column("year_month", text(), "Year and month, as 2017-01.", None),
        column("day", int(), "Day of the month.", None),
        column("day_of_year", int(), "Day of the year.", None),
        column("weekday", int(), "Day of the week by ISO 8601, Monday is 1.", None),
        column("weekday_name", text(), "Name of the weekday in English.", Some("weekday")),
        column("is_weekend", ColumnType::Boolean, "Saturday or Sunday.", None),
        column("iso_year", int(), "Year of the ISO 8601 week.", None),
        column("iso_week", int(), "Week of the year by ISO 8601.", None),
        column("fiscal_year", int(), "Fiscal year, named by the calendar year in which it ends.", None),
        column("fiscal_quarter", int(), "Fiscal quarter, 1 to 4.", None),
        column("fiscal_month", int(), "Month of the fiscal year, 1 to 12.", None),
    ]
}

/// The columns of a clock.
pub(crate) fn time_columns(key: &str) -> Vec<ColumnDescription> {
    let column = |name: &str, column_type, description: &str| ColumnDescription {
        description: Some(description.to_owned()),
        ..plain(name, column_type, ColumnRole::Attribute)
    };
    vec![
        surrogate(key, "The time of day as hhmm, cut to its step; -1 is the unknown time."),
        column("time", ColumnType::String, "The time of day, as 13:45."),
        column("hour", ColumnType::Int64, "Hour, 0 to 23."),
        column("minute", ColumnType::Int64, "Minute, 0 to 59."),
        column("part_of_day", ColumnType::String, "Night, morning, afternoon or evening, six hours each."),
    ]
}

fn surrogate(key: &str, description: &str) -> ColumnDescription {
    ColumnDescription {
        is_nullable: false,
        is_hidden: true,
        description: Some(description.to_owned()),
        ..plain(key, ColumnType::Int64, ColumnRole::SurrogateKey)
    }
}

/// The rows of a calendar, the unknown day first.
///
/// # Shape
///
/// Out: the columns of [`date_columns`], one row a day of `days`, ordered by key.
pub(crate) fn date_rows(key: &str, file: &DateFile, days: Option<Days>, unknown: &str) -> PolarsResult<DataFrame> {
    let all: Vec<NaiveDate> = days.into_iter().flat_map(Days::iter).collect();
    let ints = |name: &str, value: &dyn Fn(NaiveDate) -> i64| {
        let values = std::iter::once(None).chain(all.iter().map(|day| Some(value(*day))));
        Column::from(Series::new(name.into(), values.collect::<Vec<Option<i64>>>()))
    };
    let texts = |name: &str, value: &dyn Fn(NaiveDate) -> String| {
        let values = std::iter::once(unknown.to_owned()).chain(all.iter().map(|day| value(*day)));
        Column::from(Series::new(name.into(), values.collect::<Vec<String>>()))
    };
    let keys: Vec<i64> = std::iter::once(UNKNOWN_KEY).chain(all.iter().map(|day| number(*day))).collect();
    let dates: Vec<Option<NaiveDate>> = std::iter::once(None).chain(all.iter().map(|day| Some(*day))).collect();
    let weekend: Vec<Option<bool>> =
        std::iter::once(None).chain(all.iter().map(|day| Some(day.weekday().number_from_monday() > 5))).collect();
    let start = u32::from(file.fiscal_year_starts);
    let fiscal_month = move |day: NaiveDate| i64::from((day.month() + 12 - start) % 12 + 1);
    let fiscal_year = move |day: NaiveDate| i64::from(day.year()) + i64::from(start > 1 && day.month() >= start);
    DataFrame::new_infer_height(vec![
        Column::from(Series::new(key.into(), keys)),
        Column::from(Series::new("date".into(), dates)),
        ints("year", &|day| i64::from(day.year())),
        ints("quarter", &|day| i64::from(day.month0() / 3 + 1)),
        texts("year_quarter", &|day| format!("{} Q{}", day.year(), day.month0() / 3 + 1)),
        ints("month", &|day| i64::from(day.month())),
        texts("month_name", &|day| day.format("%B").to_string()),
        texts("year_month", &|day| day.format("%Y-%m").to_string()),
        ints("day", &|day| i64::from(day.day())),
        ints("day_of_year", &|day| i64::from(day.ordinal())),
        ints("weekday", &|day| i64::from(day.weekday().number_from_monday())),
        texts("weekday_name", &|day| day.format("%A").to_string()),
        Column::from(Series::new("is_weekend".into(), weekend)),
        ints("iso_year", &|day| i64::from(day.iso_week().year())),
        ints("iso_week", &|day| i64::from(day.iso_week().week())),
        ints("fiscal_year", &fiscal_year),
        ints("fiscal_quarter", &|day| (fiscal_month(day) - 1) / 3 + 1),
        ints("fiscal_month", &fiscal_month),
    ])
}

/// The rows of a clock, the unknown time first.
///
/// # Shape
///
/// Out: the columns of [`time_columns`], one row a step, ordered by key.
pub(crate) fn time_rows(key: &str, file: &TimeFile, unknown: &str) -> PolarsResult<DataFrame> {
    let step = i64::from(file.step_minutes.max(1));
    let all: Vec<i64> = (0..1440 / step).map(|at| at * step).collect();
    let ints = |name: &str, unknown: Option<i64>, value: &dyn Fn(i64) -> i64| {
        let values = std::iter::once(unknown).chain(all.iter().map(|minute| Some(value(*minute))));
        Column::from(Series::new(name.into(), values.collect::<Vec<Option<i64>>>()))
    };
    let texts = |name: &str, value: &dyn Fn(i64) -> String| {
        let values = std::iter::once(unknown.to_owned()).chain(all.iter().map(|minute| value(*minute)));
        Column::from(Series::new(name.into(), values.collect::<Vec<String>>()))
    };
    let part = |minute: i64| match minute / 360 {
        0 => "Night",
        1 => "Morning",
        2 => "Afternoon",
        _ => "Evening",
    };
    DataFrame::new_infer_height(vec![
        ints(key, Some(UNKNOWN_KEY), &|minute| minute / 60 * 100 + minute % 60),
        texts("time", &|minute| format!("{:02}:{:02}", minute / 60, minute % 60)),
        ints("hour", None, &|minute| minute / 60),
        ints("minute", None, &|minute| minute % 60),
        texts("part_of_day", &|minute| part(minute).to_owned()),
    ])
}

/// The instant or day of `column` as it is read in `zone`.
fn local(column: &str, column_type: &DataType, zone: Option<&str>) -> PolarsResult<Expr> {
    let expression = col(column);
    Ok(match (column_type, zone) {
        (DataType::Datetime(_, Some(_)), Some(zone)) => match TimeZone::opt_try_new(Some(zone))? {
            Some(zone) => expression.dt().convert_time_zone(zone),
            None => expression,
        },
        _ => expression,
    })
}

/// The day of a date or timestamp column, in `zone`.
pub(crate) fn day_of(column: &str, column_type: &DataType, zone: Option<&str>) -> PolarsResult<Expr> {
    let at = local(column, column_type, zone)?;
    // A cast would give the day in UTC, whatever the zone.
    Ok(if matches!(column_type, DataType::Datetime(_, _)) { at.dt().date() } else { at.cast(DataType::Date) })
}

/// The key of a calendar for a date or timestamp column; a day outside `days` is the unknown one.
pub(crate) fn date_key(column: &str, column_type: &DataType, zone: Option<&str>, days: Days) -> PolarsResult<Expr> {
    let day = day_of(column, column_type, zone)?;
    let part = |expression: Expr| expression.cast(DataType::Int64);
    let key = part(day.clone().dt().year()) * lit(10_000_i64)
        + part(day.clone().dt().month()) * lit(100_i64)
        + part(day.dt().day());
    let is_inside = key.clone().gt_eq(lit(number(days.from))).and(key.clone().lt(lit(number(days.until))));
    Ok(when(is_inside).then(key).otherwise(lit(UNKNOWN_KEY)).fill_null(lit(UNKNOWN_KEY)))
}

/// The key of a clock for a timestamp column.
pub(crate) fn time_key(
    column: &str,
    column_type: &DataType,
    zone: Option<&str>,
    file: &TimeFile,
) -> PolarsResult<Expr> {
    let at = local(column, column_type, zone)?;
    let hour = at.clone().dt().hour().cast(DataType::Int64);
    let minute = at.dt().minute().cast(DataType::Int64);
    let step = i64::from(file.step_minutes.max(1));
    let minutes = hour * lit(60_i64) + minute;
    let cut = minutes.clone() - minutes % lit(step);
    let key = cut.clone().floor_div(lit(60_i64)) * lit(100_i64) + cut % lit(60_i64);
    Ok(key.fill_null(lit(UNKNOWN_KEY)))
}

/// The first and last day that a column of `rows` refers to.
pub(crate) fn span_of(
    rows: LazyFrame,
    column: &str,
    column_type: &DataType,
    zone: Option<&str>,
) -> PolarsResult<LazyFrame> {
    let day = day_of(column, column_type, zone)?;
    Ok(rows.select([day.clone().min().alias("first"), day.max().alias("last")]))
}

/// The instant of a date or timestamp column in microseconds of UTC, which decides the version of a member.
pub(crate) fn instant_of(column: &str) -> Expr {
    col(column).cast(DataType::Datetime(TimeUnit::Microseconds, Some(TimeZone::UTC)))
}

#[cfg(test)]
mod tests {
    use polars::prelude::{AnyValue, IntoLazy};

    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn a_calendar_without_facts_or_bounds_has_no_days() {
        assert_eq!(Days::of(&DateFile::default(), None), None);
        let file = DateFile { from: Some(day("0001-01-01")), until: Some(day("9999-01-01")), fiscal_year_starts: 1 };
        assert_eq!(Days::of(&file, None), None);
    }

    #[test]
    fn a_calendar_covers_whole_years_of_the_facts() {
        let days = Days::of(&DateFile::default(), Some((day("2017-03-05"), day("2018-01-01")))).unwrap();
        assert_eq!((days.from, days.until), (day("2017-01-01"), day("2019-01-01")));
    }

    #[test]
    fn a_day_has_its_iso_week_and_its_fiscal_year() {
        let file = DateFile { fiscal_year_starts: 7, ..DateFile::default() };
        let days = Days { from: day("2017-01-01"), until: day("2017-07-02") };
        let frame = date_rows("date_key", &file, Some(days), "Unknown").unwrap();
        assert_eq!(frame.height(), 1 + 182);
        let row = |at: usize| frame.get_row(at).unwrap().0;
        assert_eq!(row(0)[0], AnyValue::Int64(-1));
        assert_eq!(row(0)[1], AnyValue::Null);
        // 2017-01-01 was a Sunday, in week 52 of 2016.
        assert_eq!(row(1)[0], AnyValue::Int64(20_170_101));
        assert_eq!(
            (row(1)[10].clone(), row(1)[13].clone(), row(1)[14].clone()),
            (7_i64.into(), 2016_i64.into(), 52_i64.into())
        );
        assert_eq!((row(181)[15].clone(), row(181)[17].clone()), (2017_i64.into(), 12_i64.into()));
        assert_eq!(
            (row(182)[15].clone(), row(182)[16].clone(), row(182)[17].clone()),
            (2018_i64.into(), 1_i64.into(), 1_i64.into())
        );
        let names: Vec<String> = date_columns("date_key").into_iter().map(|column| column.name).collect();
        let shown: Vec<String> = frame.columns().iter().map(|column| column.name().to_string()).collect();
        assert_eq!(shown, names);
    }

    #[test]
    fn a_clock_has_a_row_a_step() {
        let frame = time_rows("time_key", &TimeFile { step_minutes: 15 }, "Unknown").unwrap();
        assert_eq!(frame.height(), 97);
        assert_eq!(frame.get_row(96).unwrap().0[0], AnyValue::Int64(2345));
    }

    #[test]
    fn a_key_is_cut_in_the_zone_and_unknown_outside() {
        let at = "2017-06-30T23:30:00".parse::<chrono::NaiveDateTime>().unwrap();
        let frame = Series::new("at".into(), [Some(at), None]).into_frame().lazy();
        let utc = DataType::Datetime(TimeUnit::Microseconds, Some(TimeZone::UTC));
        let frame =
            frame.with_column(col("at").cast(DataType::Datetime(TimeUnit::Microseconds, None)).dt().replace_time_zone(
                Some(TimeZone::UTC),
                lit("raise"),
                polars::prelude::NonExistent::Raise,
            ));
        let days = Days { from: day("2017-01-01"), until: day("2018-01-01") };
        let early = Days { from: day("2016-01-01"), until: day("2017-01-01") };
        let zone = Some("Europe/Berlin");
        let keys = frame
            .select([
                date_key("at", &utc, None, days).unwrap().alias("utc"),
                date_key("at", &utc, zone, days).unwrap().alias("berlin"),
                date_key("at", &utc, zone, early).unwrap().alias("outside"),
                time_key("at", &utc, zone, &TimeFile { step_minutes: 60 }).unwrap().alias("time"),
            ])
            .collect()
            .unwrap();
        assert_eq!(keys.get_row(0).unwrap().0, [20_170_630_i64, 20_170_701, -1, 100].map(AnyValue::Int64));
        assert_eq!(keys.get_row(1).unwrap().0, [-1_i64; 4].map(AnyValue::Int64));
    }
}
