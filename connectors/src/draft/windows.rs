//! Which parameters bound a list in time, and which column they bound.

use crate::description::{Location, Node, Operation, names_of, types};

use super::columns::Column;
use super::naming::words;
use super::writing::quoted;

/// The windows of a drafted stream.
#[derive(Clone, Debug)]
pub(super) struct Window {
    /// Place of the column whose time decides.
    pub(super) column: usize,
    /// Whether the time moves when a row changes.
    pub(super) is_update: bool,
    /// The lines under `window:`.
    pub(super) lines: Vec<String>,
    /// Parameters that are spoken for.
    pub(super) used: Vec<String>,
}

/// A parameter that bounds a time.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "four claims about a parameter that do not exclude each other")]
struct Bound {
    name: String,
    /// What it bounds, e.g. `created`.
    stem: Vec<String>,
    is_lower: bool,
    /// `Some(true)` when the bound itself belongs to what is asked for.
    is_inclusive: Option<bool>,
    is_number: bool,
    is_day: bool,
    is_dated: bool,
}

const LOWER: [&str; 9] = ["gte", "gt", "from", "since", "after", "start", "min", "begin", "starting"];
const UPPER: [&str; 10] = ["lte", "lt", "to", "until", "before", "end", "max", "ending", "till", "stop"];
/// Words that say that it is a time, and nothing of which.
const TIME: [&str; 8] = ["at", "date", "time", "on", "datetime", "timestamp", "day", "utc"];
const UPDATED: [&str; 8] =
    ["updated", "modified", "changed", "update", "modification", "edited", "lastmodified", "update"];
const CREATED: [&str; 8] = ["created", "creation", "create", "added", "inserted", "registered", "occurred", "date"];

/// Finds the parameters that bound a list in time.
pub(super) fn window(operation: &Operation<'_>, columns: &[Column], used: &[String]) -> Option<Window> {
    let bounds = bounds(operation, used);
    let lower = bounds.iter().filter(|bound| bound.is_lower);
    let known = lower.filter_map(|lower| column_of(&lower.stem, columns).map(|(rank, column)| (rank, column, lower)));
    // Windows are half-open: a bound that belongs to the range suits the start, one that does not suits the end.
    let (rank, column, lower) = known.min_by_key(|(rank, _, lower)| (*rank, lower.is_inclusive == Some(false)))?;
    let is_partner = |bound: &&Bound| !bound.is_lower && bound.stem == lower.stem && bound.is_number == lower.is_number;
    let upper = bounds.iter().filter(is_partner).min_by_key(|bound| bound.is_inclusive == Some(true));
    Some(write(columns, column, rank, lower, upper))
}

fn write(columns: &[Column], at: usize, rank: u8, lower: &Bound, upper: Option<&Bound>) -> Window {
    let name = columns.get(at).map(|column| column.name.clone()).unwrap_or_default();
    let is_update = words(&name).iter().any(|word| UPDATED.contains(&word.as_str()));
    let doubt = if rank > 1 { format!("  # confirm: that `{}` bounds this field", lower.name) } else { String::new() };
    let mut lines = vec![format!("field: {}{doubt}", quoted(&name))];
    if lower.is_number {
        lines.push("format: unix_seconds  # confirm: seconds or milliseconds".to_owned());
    } else if lower.is_day {
        lines.push(
            "format: { pattern: { pattern: \"%Y-%m-%d\", zone: UTC } }  # confirm: the zone of the vendor's days"
                .to_owned(),
        );
        lines.push("granularity: 1 day".to_owned());
    } else {
        let doubt = if lower.is_dated { "" } else { "  # confirm: how the parameter is written" };
        lines.push(format!("format: rfc3339{doubt}"));
    }
    let mut parts = vec![format!("from: {}", quoted(&lower.name))];
    parts.extend(upper.map(|upper| format!("until: {}", quoted(&upper.name))));
    if upper.is_some_and(|upper| upper.is_inclusive == Some(true)) {
        parts.push("until_is_inclusive: true".to_owned());
    }
    if lower.is_inclusive == Some(false) {
        parts.push("from_is_exclusive: true".to_owned());
    }
    let is_known = lower.is_inclusive.is_some() && upper.is_none_or(|upper| upper.is_inclusive.is_some());
    let doubt = if is_known { "" } else { "  # confirm: whether the bounds belong to the range" };
    lines.push(format!("request: {{ {} }}{doubt}", parts.join(", ")));
    lines.push("length: 1 day".to_owned());
    lines.push("settle: not_published".to_owned());
    lines.push("lookback: not_published".to_owned());
    let used = std::iter::once(lower).chain(upper).map(|bound| bound.name.clone()).collect();
    Window { column: at, is_update, lines, used }
}

fn bounds(operation: &Operation<'_>, used: &[String]) -> Vec<Bound> {
    let mut found = Vec::new();
    for parameter in operation.parameters() {
        if parameter.location != Location::Query || used.iter().any(|name| name == parameter.name) {
            continue;
        }
        if parameter.is_deep_object() {
            for (field, schemas) in names_of(std::slice::from_ref(&parameter.schema)) {
                found.extend(bound(&format!("{}[{field}]", parameter.name), &schemas));
            }
            continue;
        }
        found.extend(bound(parameter.name, std::slice::from_ref(&parameter.schema)));
    }
    found
}

fn bound(name: &str, schemas: &[Node<'_>]) -> Option<Bound> {
    let words = words(name);
    let takes = types(schemas);
    if takes.has("boolean") || takes.has("array") || !takes.values.is_empty() {
        return None;
    }
    let side = |word: &String| {
        let is_lower = LOWER.contains(&word.as_str());
        (is_lower || UPPER.contains(&word.as_str())).then_some((word.clone(), is_lower))
    };
    let (word, is_lower) = words.iter().rev().find_map(side)?;
    let stem: Vec<String> = words
        .iter()
        .filter(|one| **one != word && !TIME.contains(&one.as_str()) && *one != "filter")
        .cloned()
        .collect();
    let has_format = |format: &str| takes.formats.iter().any(|known| known == format);
    let is_dated = has_format("date-time") || has_format("date");
    let speaks_of_time = words.iter().any(|one| TIME.contains(&one.as_str()))
        || stem.iter().any(|one| UPDATED.contains(&one.as_str()) || CREATED.contains(&one.as_str()))
        || is_dated
        || word == "since";
    let is_number = (takes.has("integer") || takes.has("number")) && !takes.has("string");
    speaks_of_time.then(|| Bound {
        name: name.to_owned(),
        is_lower,
        is_inclusive: match word.as_str() {
            "gte" | "lte" | "min" | "max" => Some(true),
            "gt" | "lt" => Some(false),
            _ => None,
        },
        stem,
        is_number,
        is_day: has_format("date"),
        is_dated,
    })
}

/// The column that a stem names, with how sure that is: 0 and 1 by name, above that by guess.
fn column_of(stem: &[String], columns: &[Column]) -> Option<(u8, usize)> {
    let fits = |column: &Column| column.is_time() || column.typed == "string" || column.typed == "int64";
    let has = |names: &[&str]| {
        columns.iter().position(|column| {
            let words = words(&column.name);
            fits(column) && column.is_time() && words.iter().any(|word| names.contains(&word.as_str()))
        })
    };
    if !stem.is_empty() {
        let exact = |column: &Column| {
            let name: Vec<String> =
                words(&column.name).into_iter().filter(|word| !TIME.contains(&word.as_str())).collect();
            name == stem
        };
        if let Some(at) = columns.iter().position(|column| column.is_time() && exact(column)) {
            return Some((0, at));
        }
        let is_update = stem.iter().any(|word| UPDATED.contains(&word.as_str()));
        let is_creation = stem.iter().any(|word| CREATED.contains(&word.as_str()));
        return match (is_update, is_creation) {
            (true, _) => has(&UPDATED).map(|at| (1, at)),
            (_, true) => has(&CREATED).map(|at| (1, at)),
            _ => None,
        };
    }
    let guess = has(&UPDATED).or_else(|| has(&CREATED)).or_else(|| columns.iter().position(Column::is_time));
    guess.map(|at| (2, at))
}
