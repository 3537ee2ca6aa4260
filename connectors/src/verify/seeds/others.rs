//! Other ways to be wrong, nearer to the truth: words that the description has, in places where they do not belong.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{Bed, Harvest, noticed, paging_param, reported, whole};
use crate::description::{Location, Operation, PathEntry, names_of, path_segments, types};
use crate::verify::{FactKind, FactReport, StreamReport, Verdict};

/// The ways to be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seed {
    /// `/order` for `/orders`, or the other way round.
    NumberOfPath,
    /// The path of another endpoint beside it.
    PathBeside,
    /// A parameter that only another operation takes.
    ParameterOfAnother,
    /// A field that only another stream has.
    CursorOfAnother,
    /// The parameters of page size and of page change places.
    SizeAndPlace,
    /// The bounds of the window change places.
    BoundsSwapped,
    /// A day where an instant stands.
    DayForInstant,
    /// An instant where a day stands.
    InstantForDay,
    /// A number where a text stands.
    NumberForText,
    /// A text where a number stands.
    TextForNumber,
    /// Seconds where milliseconds stand, and the other way round.
    OtherUnit,
    /// A written time where a number stands.
    WrittenForNumber,
    /// A key of yes and no.
    KeyOfFlags,
    /// The list of records for the count of all, or for the token.
    ListForCount,
    /// Another field of the answer than its list.
    RecordsBeside,
    /// A value that a parameter does not take.
    ValueForbidden,
}

const SEEDS: [(Seed, &str); 16] = [
    (Seed::NumberOfPath, "path in the singular for the plural, and the reverse"),
    (Seed::PathBeside, "path of an endpoint beside it"),
    (Seed::ParameterOfAnother, "parameter that another operation takes"),
    (Seed::CursorOfAnother, "cursor field of another stream"),
    (Seed::SizeAndPlace, "page size and page change parameters"),
    (Seed::BoundsSwapped, "bounds of the window change parameters"),
    (Seed::DayForInstant, "day for an instant"),
    (Seed::InstantForDay, "instant for a day"),
    (Seed::NumberForText, "number for a text"),
    (Seed::TextForNumber, "text for a number"),
    (Seed::OtherUnit, "seconds for milliseconds, and the reverse"),
    (Seed::WrittenForNumber, "written time for a number"),
    (Seed::KeyOfFlags, "key of yes and no"),
    (Seed::ListForCount, "list for a count or a token"),
    (Seed::RecordsBeside, "another field of the answer for its list"),
    (Seed::ValueForbidden, "value that a parameter does not take"),
];

pub(super) fn table_of(beds: &[Bed]) -> Vec<(String, usize, Harvest)> {
    let row = |(seed, name): (Seed, &str)| {
        let mut harvest = Harvest::default();
        for bed in beds {
            let Some((stream, verdict)) = outcome(bed, seed) else { continue };
            harvest.count(verdict);
            if verdict != Verdict::Contradicted {
                println!("{verdict}: {}.{stream} {name}", bed.name);
            }
        }
        (name.to_owned(), beds.len(), harvest)
    };
    SEEDS.into_iter().map(row).collect()
}

/// Wrong words for a stream, and the facts that are wrong then; none where its whole is judged.
type Sown = (Map<String, Value>, Vec<(FactKind, String)>);

fn outcome(bed: &Bed, seed: Seed) -> Option<(String, Verdict)> {
    for report in &bed.before.streams {
        let Some(stream) = whole(&bed.manifest, &report.stream) else { continue };
        let Some((wrong, facts)) = sow(bed, report, &stream, seed) else { continue };
        let Some(after) = reported(bed, &report.stream, wrong) else { continue };
        let name = report.stream.clone();
        if facts.is_empty() {
            return Some((name, noticed(report, &after)));
        }
        let of = |(kind, fact): &(FactKind, String)| {
            let found = after.facts.iter().find(|one| one.kind == *kind && one.fact == *fact);
            found.map_or(Verdict::NotCovered, |one| one.verdict)
        };
        let verdicts: Vec<Verdict> = facts.iter().map(of).collect();
        let verdict = if verdicts.contains(&Verdict::Contradicted) {
            Verdict::Contradicted
        } else if verdicts.contains(&Verdict::NotCovered) {
            Verdict::NotCovered
        } else {
            Verdict::Found
        };
        return Some((name, verdict));
    }
    None
}

fn is_found(report: &StreamReport, kind: FactKind, name: &str) -> bool {
    let is_it = |fact: &FactReport| fact.kind == kind && fact.fact == name && fact.verdict == Verdict::Found;
    report.facts.iter().any(is_it)
}

#[expect(clippy::too_many_lines, reason = "one arm a way to be wrong")]
fn sow(bed: &Bed, report: &StreamReport, stream: &Map<String, Value>, seed: Seed) -> Option<Sown> {
    let mut wrong = stream.clone();
    let text = |value: &Value| value.as_str().map(str::to_owned);
    Some(match seed {
        Seed::NumberOfPath => {
            let path = text(stream.get("path")?)?;
            let (above, last) = path.rsplit_once('/').filter(|(_, last)| last.chars().all(char::is_alphabetic))?;
            let other = last.strip_suffix('s').map_or_else(|| format!("{last}s"), str::to_owned);
            let bad = format!("{above}/{other}");
            wrong.insert("path".into(), json!(bad));
            (is_found(report, FactKind::Path, &path)).then_some((wrong, vec![(FactKind::Path, bad)]))?
        }
        Seed::PathBeside => {
            let path = text(stream.get("path")?)?;
            let shows = report.facts.iter().any(|fact| fact.kind == FactKind::Column && fact.verdict == Verdict::Found);
            (is_found(report, FactKind::Path, &path) && shows).then_some(())?;
            let (above, _) = path.rsplit_once('/')?;
            let own = path_segments(&path);
            let theirs = entries(bed).find(|entry| is_beside(bed, report, entry, &own))?;
            wrong.insert("path".into(), json!(format!("{above}/{}", theirs.segments.last()?)));
            (wrong, Vec::new())
        }
        Seed::ParameterOfAnother => {
            let params = stream.get("params")?.as_object()?.clone();
            let name = params.keys().find(|name| is_found(report, FactKind::Filter, name))?;
            let own = parameters(bed, &own_key(bed, report)?);
            let other = all_parameters(bed).into_iter().find(|other| !own.contains(other) && !own.is_empty())?;
            let params = wrong.get_mut("params")?.as_object_mut()?;
            let value = params.remove(name)?;
            params.insert(other.clone(), value);
            (wrong, vec![(FactKind::Filter, other)])
        }
        Seed::CursorOfAnother => {
            let field = text(&stream.get("window")?["field"])?;
            is_found(report, FactKind::Cursor, &field).then_some(())?;
            let own = stream.get("columns")?.as_object()?;
            let others = bed.manifest["streams"].as_object()?.values();
            let columns = others.filter_map(|other| other["columns"].as_object()).flatten();
            let is_time = |column: &Value| column["type"] == json!("timestamp") && column.get("path").is_none();
            let mut names =
                columns.filter(|(name, column)| is_time(column) && !own.contains_key(*name)).map(|(name, _)| name);
            let other = names.find(|name| !shown(bed, report, name))?;
            wrong
                .get_mut("columns")?
                .get_mut(&field)?
                .as_object_mut()?
                .insert("path".into(), json!(format!("/{other}")));
            (wrong, vec![(FactKind::Cursor, field)])
        }
        Seed::SizeAndPlace => {
            let size = text(&stream.get("page_size")?["param"])?;
            let place = text(paging_param(wrong.get_mut("pagination")?)?)?;
            let both = is_found(report, FactKind::PageSize, &size) && is_found(report, FactKind::Paging, &place);
            both.then_some(())?;
            *paging_param(wrong.get_mut("pagination")?)? = json!(size);
            wrong.get_mut("page_size")?["param"] = json!(place);
            (wrong, vec![(FactKind::PageSize, place), (FactKind::Paging, size)])
        }
        Seed::BoundsSwapped => {
            let request = stream.get("window")?.get("request")?;
            let (from, until) = (text(request.get("from")?)?, text(request.get("until")?)?);
            let both = is_found(report, FactKind::Window, &from) && is_found(report, FactKind::Window, &until);
            both.then_some(())?;
            let request = wrong.get_mut("window")?.get_mut("request")?;
            (request["from"], request["until"]) = (json!(until), json!(from));
            (wrong, vec![(FactKind::Window, from), (FactKind::Window, until)])
        }
        Seed::DayForInstant => retyped(report, wrong, "timestamp", "date", |column| column.get("format").is_none())?,
        Seed::InstantForDay => retyped(report, wrong, "date", "timestamp", |column| column.get("format").is_none())?,
        Seed::NumberForText => retyped(report, wrong, "string", "int64", |_| true)?,
        Seed::TextForNumber => retyped(report, wrong, "int64", "string", |_| true)?,
        Seed::OtherUnit => {
            let columns = stream.get("columns")?.as_object()?;
            let unit = |column: &Value| match column["format"].as_str() {
                Some("unix_seconds") => Some("unix_millis"),
                Some("unix_millis") => Some("unix_seconds"),
                _ => None,
            };
            let mut counted =
                columns.iter().filter(|(name, _)| is_found(report, FactKind::Column, &format!("{name}: timestamp")));
            let (name, other) = counted.find_map(|(name, column)| Some((name, unit(column)?)))?;
            wrong.get_mut("columns")?[name]["format"] = json!(other);
            (wrong, vec![(FactKind::Column, format!("{name}: timestamp"))])
        }
        Seed::WrittenForNumber => {
            let columns = stream.get("columns")?.as_object()?;
            let mut counted = columns
                .iter()
                .filter(|(_, column)| column["format"].as_str().is_some_and(|format| format.starts_with("unix")));
            let (name, _) =
                counted.find(|(name, _)| is_found(report, FactKind::Column, &format!("{name}: timestamp")))?;
            wrong.get_mut("columns")?[name].as_object_mut()?.remove("format");
            (wrong, vec![(FactKind::Column, format!("{name}: timestamp"))])
        }
        Seed::KeyOfFlags => {
            let columns = stream.get("columns")?.as_object()?;
            let mut flags = columns.iter().filter(|(_, column)| column["type"] == json!("boolean"));
            let (name, _) = flags.find(|(name, _)| is_found(report, FactKind::Column, &format!("{name}: boolean")))?;
            stream.get("key")?;
            wrong.insert("key".into(), json!([name]));
            wrong.get_mut("columns")?[name].as_object_mut()?.remove("nullable");
            (wrong, vec![(FactKind::Key, name.clone())])
        }
        Seed::ListForCount => {
            let records = text(stream.get("records")?).filter(|records| !records.is_empty())?;
            is_found(report, FactKind::Records, &records).then_some(())?;
            let strategy = wrong.get_mut("pagination")?.as_object_mut()?.values_mut().next()?.as_object_mut()?;
            let told = ["total", "pages", "token"]
                .into_iter()
                .find(|word| strategy.get(*word).is_some_and(Value::is_string))?;
            strategy.insert(told.into(), json!(records));
            (wrong, vec![(FactKind::PagingAnswer, records)])
        }
        Seed::RecordsBeside => {
            let records = text(stream.get("records")?).filter(|records| !records.is_empty())?;
            is_found(report, FactKind::Records, &records).then_some(())?;
            let answer = own_operation(bed, report)?.answer()?.schema?;
            let names = names_of(&[answer]).into_iter().map(|(name, _)| format!("/{name}"));
            let other = names.into_iter().find(|name| !records.starts_with(name.as_str()))?;
            wrong.insert("records".into(), json!(other));
            // A list beside it is told by what its records lack.
            (wrong, Vec::new())
        }
        Seed::ValueForbidden => {
            let params = wrong.get_mut("params")?.as_object_mut()?;
            let is_limited = |value: &Value| value.is_boolean() || value.is_number();
            let mut limited = params.iter_mut().filter(|(_, value)| is_limited(value));
            let (name, value) =
                limited.find(|(name, _)| is_found(report, FactKind::Filter, name) && takes_few(bed, report, name))?;
            *value = json!("of_old");
            let name = name.clone();
            (wrong, vec![(FactKind::Filter, name)])
        }
    })
}

/// The first column of a type that was found, as one of another type.
fn retyped(
    report: &StreamReport,
    mut wrong: Map<String, Value>,
    from: &str,
    to: &str,
    is_fit: impl Fn(&Value) -> bool,
) -> Option<Sown> {
    let columns = wrong.get_mut("columns")?.as_object_mut()?;
    let mut typed = columns.iter_mut().filter(|(_, column)| column["type"] == json!(from) && is_fit(column));
    let (name, column) = typed.find(|(name, _)| is_found(report, FactKind::Column, &format!("{name}: {from}")))?;
    column["type"] = json!(to);
    let name = format!("{name}: {to}");
    Some((wrong, vec![(FactKind::Column, name)]))
}

fn entries(bed: &Bed) -> impl Iterator<Item = &PathEntry> {
    bed.description.documents.iter().flat_map(crate::description::Document::paths)
}

fn operations(bed: &Bed, is_it: impl Fn(&PathEntry) -> bool) -> Vec<Operation<'_>> {
    let mut all = Vec::new();
    for document in &bed.description.documents {
        for entry in document.paths().iter().filter(|entry| is_it(entry)) {
            all.extend(document.operations(entry));
        }
    }
    all
}

/// The place of the operation that a stream was found to call.
fn own_key(bed: &Bed, report: &StreamReport) -> Option<(usize, usize, &'static str)> {
    crate::verify::operations(&bed.connector, &bed.description).ok()?.get(&report.stream).copied()
}

fn own_operation<'a>(bed: &'a Bed, report: &StreamReport) -> Option<Operation<'a>> {
    let (document, path, method) = own_key(bed, report)?;
    let document = bed.description.documents.get(document)?;
    document.operations(document.paths().get(path)?).into_iter().find(|operation| operation.method == method)
}

/// Whether every description of a stream's operation says that a parameter is a number or a flag.
fn takes_few(bed: &Bed, report: &StreamReport, name: &str) -> bool {
    let Some(path) = own_operation(bed, report).map(|operation| operation.path) else { return false };
    let all = operations(bed, |entry| entry.key == path);
    let declared = all.iter().flat_map(Operation::parameters).filter(|parameter| parameter.name == name);
    let mut kinds = declared.map(|parameter| types(&[parameter.schema]).kinds).peekable();
    kinds.peek().is_some() && kinds.all(|kinds| kinds == ["boolean"] || kinds == ["integer"] || kinds == ["number"])
}

fn in_query(operation: &Operation<'_>) -> BTreeSet<String> {
    let parameters = operation.parameters().into_iter().filter(|parameter| parameter.location == Location::Query);
    parameters.map(|parameter| parameter.name.to_owned()).filter(|name| !name.contains('[')).collect()
}

fn parameters(bed: &Bed, (document, path, method): &(usize, usize, &'static str)) -> BTreeSet<String> {
    let document = &bed.description.documents[*document];
    let found = document.operations(&document.paths()[*path]).into_iter().find(|operation| operation.method == *method);
    found.map(|operation| in_query(&operation)).unwrap_or_default()
}

fn all_parameters(bed: &Bed) -> BTreeSet<String> {
    operations(bed, |_| true).iter().flat_map(in_query).collect()
}

/// Whether the records of a stream's answer have a field.
fn shown(bed: &Bed, report: &StreamReport, name: &str) -> bool {
    let Some(schema) = own_operation(bed, report).and_then(|operation| operation.answer()?.schema) else {
        return false;
    };
    schema.value().to_string().contains(&format!("\"{name}\""))
}

/// Whether a described path differs from a stream's in its last word alone, and answers a list that lacks some of what the stream shows.
fn is_beside(bed: &Bed, report: &StreamReport, entry: &PathEntry, own: &[String]) -> bool {
    let (Some((their_last, theirs)), Some((own_last, own))) = (entry.segments.split_last(), own.split_last()) else {
        return false;
    };
    let is_near = theirs.ends_with(own) || own.ends_with(theirs);
    if !is_near || their_last == own_last || their_last.contains("{}") || own_last.contains("{}") {
        return false;
    }
    // Two answers of one schema cannot be told apart by anybody.
    let schema = |operation: &Operation<'_>| operation.answer().and_then(|answer| Some(answer.schema?.value().clone()));
    let their = operations(bed, |one| std::ptr::eq(one, entry));
    let their = their.iter().find(|operation| operation.method == "get").and_then(schema);
    let own = own_operation(bed, report).as_ref().and_then(schema);
    their.is_some() && their != own
}
