//! Verdicts on what comes back: the list of records, its key, its time, its columns, and what pagination reads.

use headwater_contract::{Column, ColumnType, TimestampFormat};
use serde_json::Value;

use super::facts::{ColumnFact, Read, RecordsFact, StreamFacts};
use super::report::{FactKind, FactReport, Verdict};
use super::request::Finding;
use crate::decoding::Pointer;
use crate::description::{Answer, Node, Operation, Reached, Types, elements, reach, types};
use crate::windowing::read_instant;

/// How a day without a time is written.
const DAY: &str = "%Y-%m-%d";
/// Numbers from here on are times: of 2001 in seconds.
const SECONDS_MIN: f64 = 1e9;
/// Numbers from here on are milliseconds: as seconds they would be of the year 5138.
const MILLIS_MIN: f64 = 1e11;

/// What is known of the records.
enum Records<'a> {
    /// The schemas of one record, and an example of one.
    Known { schemas: Vec<Node<'a>>, example: Option<(&'a Value, String)> },
    /// Why nothing is known.
    Unknown(String),
}

/// Judges everything that is read from the answer.
pub(super) fn judge(operation: &Operation<'_>, facts: &StreamFacts) -> Vec<FactReport> {
    let answer = operation.answer();
    let records_name = facts.records.as_ref().map(records_name).unwrap_or_default();
    let (finding, records) = find_records(operation, answer.as_ref(), facts.records.as_ref());
    let mut reports = vec![finding.of(FactKind::Records, records_name)];
    for name in &facts.key {
        let column = facts.columns.iter().find(|fact| fact.column.name == *name);
        let finding = match column {
            Some(fact) => typed(&records, fact, |types, _| tells_apart(types, facts.key.len() == 1)),
            None => field(&records, None),
        };
        reports.push(finding.of(FactKind::Key, name.clone()));
    }
    if let Some((name, format)) = &facts.cursor {
        let column = facts.columns.iter().find(|fact| fact.column.name == *name);
        let pointer = column.and_then(|fact| fact.pointer.as_ref());
        reports.push(field(&records, pointer).of(FactKind::Cursor, name.clone()));
        if let Some(fact) = column {
            let finding = typed(&records, fact, |types, example| instant(format, types, example));
            reports.push(finding.of(FactKind::CursorType, format!("{name}: {}", format_name(format))));
        }
    }
    for read in &facts.read {
        reports.push(paging(operation, answer.as_ref(), &records, read));
    }
    for fact in &facts.columns {
        // A record without its key is kept apart by the gate, whatever a description admits.
        let is_key = facts.key.contains(&fact.column.name);
        let finding = typed(&records, fact, |types, example| {
            let is_nullable = types.is_nullable && !is_key;
            fits(&fact.column, &Types { is_nullable, ..types.clone() }, example)
        });
        reports.push(finding.of(FactKind::Column, format!("{}: {}", fact.column.name, fact.column.column_type)));
    }
    reports
}

/// All verdicts of an answer when there is no operation to look in.
pub(super) fn unsaid(facts: &StreamFacts, reason: &str) -> Vec<FactReport> {
    let finding = || Finding::unsaid(reason);
    let records = facts.records.as_ref().map(records_name).unwrap_or_default();
    let mut reports = vec![finding().of(FactKind::Records, records)];
    reports.extend(facts.key.iter().map(|name| finding().of(FactKind::Key, name.clone())));
    if let Some((name, format)) = &facts.cursor {
        reports.push(finding().of(FactKind::Cursor, name.clone()));
        reports.push(finding().of(FactKind::CursorType, format!("{name}: {}", format_name(format))));
    }
    reports.extend(facts.read.iter().map(|read| finding().of(FactKind::PagingAnswer, read_name(read))));
    let columns = facts.columns.iter().map(|fact| format!("{}: {}", fact.column.name, fact.column.column_type));
    reports.extend(columns.map(|name| finding().of(FactKind::Column, name)));
    reports
}

fn records_name(records: &RecordsFact) -> String {
    match (records.pointer.as_str(), records.is_each) {
        ("", _) => "the whole".to_owned(),
        (pointer, false) => pointer.to_owned(),
        (pointer, true) => format!("each {pointer}"),
    }
}

fn find_records<'a>(
    operation: &Operation<'_>,
    answer: Option<&Answer<'a>>,
    records: Option<&RecordsFact>,
) -> (Finding, Records<'a>) {
    let give_up = |reason: &str| (Finding::unsaid(reason), Records::Unknown(reason.to_owned()));
    let Some(records) = records else { return give_up("the records are no plain list in a JSON answer") };
    let pointer = &records.pointer;
    let Some(answer) = answer else { return give_up("no answer is described") };
    let is_json = answer.media_type.is_empty() || answer.media_type.contains("json") || answer.media_type.contains('*');
    if !is_json {
        return give_up(&format!("the answer is described as {}", answer.media_type));
    }
    let example = answer.examples.iter().find_map(|example| {
        let list = pointer.find(example.value())?.as_array()?;
        Some((list.first().unwrap_or(&Value::Null), format!("{}{pointer}", example.place())))
    });
    let by_example = |place: &str, reason: &str| match &example {
        Some((record, place)) => {
            let known = Records::Known { schemas: Vec::new(), example: Some((record, place.clone())) };
            (Finding::found(place), known)
        }
        None => (Finding::unsaid(reason).at(place), Records::Unknown(reason.to_owned())),
    };
    let Some(schema) = &answer.schema else {
        return by_example(operation.node().place(), "the answer has no schema");
    };
    match reach(vec![schema.clone()], pointer.segments()) {
        Reached::At(nodes) => {
            let place = nodes.first().map_or_else(|| schema.place(), Node::place);
            let kinds = types(&nodes);
            if records.is_each && (kinds.has("object") || !kinds.is_known()) {
                let finding =
                    if kinds.is_known() { Finding::found(place) } else { Finding::unsaid("its type is not said") };
                return (finding, Records::Known { schemas: nodes, example: None });
            }
            if !records.is_each && kinds.has("array") {
                let known = Records::Known { schemas: elements(&nodes), example: example.clone() };
                return (Finding::found(place), known);
            }
            if kinds.is_known() {
                let wanted = if records.is_each { "an object" } else { "a list" };
                let reason = format!("it is {}, not {wanted}", kinds.kinds.join(" or "));
                return (Finding::contradicted(place, reason.clone()), Records::Unknown(reason));
            }
            by_example(place, "the schema does not say what it is")
        }
        Reached::Closed { place, reason } => {
            (Finding::contradicted(&place, reason), Records::Unknown("the list of records is elsewhere".to_owned()))
        }
        Reached::Unsaid { place, reason } => by_example(&place, &reason),
    }
}

/// Whether a record has a field.
fn field(records: &Records<'_>, pointer: Option<&Pointer>) -> Finding {
    let Some(pointer) = pointer else { return Finding::unsaid("its value is made, not read") };
    let (schemas, example) = match records {
        Records::Known { schemas, example } => (schemas, example),
        Records::Unknown(reason) => return Finding::unsaid(reason.clone()),
    };
    let shown = example.as_ref().filter(|(record, _)| pointer.find(record).is_some());
    let by_example = |place: &str, reason: &str| match shown {
        Some((_, place)) => Finding::found(&format!("{place}/0{pointer}")),
        None => Finding::unsaid(reason).at(place),
    };
    if schemas.is_empty() {
        return by_example("#", "the records have no schema");
    }
    match reach(schemas.clone(), pointer.segments()) {
        Reached::At(nodes) => {
            nodes.first().map_or_else(|| Finding::unsaid("it has no schema"), |node| Finding::found(node.place()))
        }
        // An example that shows the field weighs more than a list that forgot it.
        Reached::Closed { place, reason } if shown.is_none() => Finding::contradicted(&place, reason),
        Reached::Closed { place, reason } | Reached::Unsaid { place, reason } => by_example(&place, &reason),
    }
}

/// Whether a field has the type that the manifest says, by `judge`.
fn typed(
    records: &Records<'_>,
    fact: &ColumnFact,
    judge: impl Fn(&Types, Option<&Value>) -> Result<(), (Verdict, String)>,
) -> Finding {
    let finding = field(records, fact.pointer.as_ref());
    let (Records::Known { schemas, example }, Some(pointer), Verdict::Found) =
        (records, &fact.pointer, finding.verdict)
    else {
        return finding;
    };
    let place = finding.place.clone().unwrap_or_default();
    let example = example.as_ref().and_then(|(record, _)| pointer.find(record));
    let kinds = match reach(schemas.clone(), pointer.segments()) {
        Reached::At(nodes) => types(&nodes),
        _ => Types::default(),
    };
    match judge(&kinds, example) {
        Ok(()) => finding,
        Err((verdict, reason)) => Finding { verdict, place: Some(place), reason },
    }
}

/// Whether values of these types can tell records apart, alone or with others.
fn tells_apart(types: &Types, is_alone: bool) -> Result<(), (Verdict, String)> {
    let is_plain = ["string", "integer", "number"].iter().any(|kind| types.has(kind));
    if types.is_known() && !is_plain && (is_alone || !types.has("boolean")) {
        return Err((Verdict::Contradicted, format!("it is {}, which tells no records apart", described(types))));
    }
    Ok(())
}

/// Whether values of these types fit a column; else the verdict and why.
pub(super) fn fits(column: &Column, types: &Types, example: Option<&Value>) -> Result<(), (Verdict, String)> {
    if types.is_nullable && !column.nullable {
        return Err((Verdict::Contradicted, "it may be null, and the column may not".to_owned()));
    }
    if !types.is_known() && example.is_none() {
        return match column.column_type {
            ColumnType::Json => Ok(()),
            _ => Err((Verdict::NotCovered, "its type is not said".to_owned())),
        };
    }
    let types = &with_example(types, example);
    let contradicted =
        || Err((Verdict::Contradicted, format!("it is {}, not {}", described(types), column.column_type)));
    let needs = |kinds: &[&str]| if kinds.iter().any(|kind| types.has(kind)) { Ok(()) } else { contradicted() };
    match &column.column_type {
        ColumnType::Json => Ok(()),
        ColumnType::String => needs(&["string"]),
        ColumnType::Boolean => needs(&["boolean"]),
        ColumnType::Float64 => needs(&["number", "integer"]),
        ColumnType::Struct(_) => needs(&["object"]),
        ColumnType::List(_) => needs(&["array"]),
        ColumnType::Int64 if types.has("integer") => Ok(()),
        ColumnType::Int64 => {
            needs(&["number"])?;
            Err((Verdict::NotCovered, "it is a number; whole or not is not said".to_owned()))
        }
        ColumnType::Decimal { .. } if types.has("number") || types.has("integer") => Ok(()),
        ColumnType::Decimal { .. } => {
            needs(&["string"])?;
            let is_number = |value: &Value| value.as_str().is_some_and(|text| text.parse::<f64>().is_ok());
            let says =
                types.formats.iter().any(|format| matches!(format.as_str(), "decimal" | "double" | "float" | "money"));
            if says || types.examples.iter().any(is_number) {
                return Ok(());
            }
            Err((Verdict::NotCovered, "it is a text; that it holds a number is not said".to_owned()))
        }
        ColumnType::Date => {
            needs(&["string"])?;
            let day = TimestampFormat::Pattern { pattern: DAY.to_owned(), zone: "UTC".to_owned() };
            written(&day, types, "date", "date-time")
        }
        ColumnType::Timestamp => instant(&column.format, types, None),
    }
}

/// Whether values of these types hold an instant that is written in `format`.
fn instant(format: &TimestampFormat, types: &Types, example: Option<&Value>) -> Result<(), (Verdict, String)> {
    if !types.is_known() && example.is_none() {
        return Err((Verdict::NotCovered, "its type is not said".to_owned()));
    }
    let types = &with_example(types, example);
    let (is_number, is_text) = (types.has("integer") || types.has("number"), types.has("string"));
    let is_dated = types.formats.iter().any(|known| known == "date-time" || known == "date");
    match format {
        TimestampFormat::UnixSeconds | TimestampFormat::UnixMillis => match (is_number, is_text) {
            (true, _) => counted(format, types),
            (false, true) if !is_dated => {
                Err((Verdict::NotCovered, "it is a text; that it holds a number is not said".to_owned()))
            }
            _ => Err((Verdict::Contradicted, format!("it is {}, not a number", described(types)))),
        },
        _ if !is_text => Err((Verdict::Contradicted, format!("it is {}, not a written instant", described(types)))),
        TimestampFormat::Rfc3339 => written(format, types, "date-time", "date"),
        TimestampFormat::Pattern { pattern, .. } if pattern == DAY => written(format, types, "date", "date-time"),
        TimestampFormat::Pattern { .. } => written(format, types, "", ""),
    }
}

/// Whether a number counts what `format` says, by the schema's format or by an example.
fn counted(format: &TimestampFormat, types: &Types) -> Result<(), (Verdict, String)> {
    let says = |words: &[&str]| types.formats.iter().any(|known| words.iter().any(|word| known.contains(word)));
    let examples: Vec<f64> =
        types.examples.iter().filter_map(Value::as_f64).filter(|number| *number > SECONDS_MIN).collect();
    let is_millis = says(&["milli"]) || examples.iter().any(|number| *number >= MILLIS_MIN);
    let is_seconds = !is_millis && (says(&["unix", "epoch", "timestamp", "seconds"]) || !examples.is_empty());
    match (format, is_millis, is_seconds) {
        (TimestampFormat::UnixMillis, true, _) | (TimestampFormat::UnixSeconds, _, true) => Ok(()),
        (TimestampFormat::UnixMillis, _, true) => Err((Verdict::Contradicted, "it counts seconds".to_owned())),
        (_, true, _) => Err((Verdict::Contradicted, "it counts milliseconds".to_owned())),
        _ => Err((Verdict::NotCovered, "it is a number; what it counts is not said".to_owned())),
    }
}

/// Whether a text holds a time in `format`, by the schema's format or by an example.
fn written(format: &TimestampFormat, types: &Types, good: &str, bad: &str) -> Result<(), (Verdict, String)> {
    let says = |word: &str| !word.is_empty() && types.formats.iter().any(|known| known == word);
    if says(good) || types.examples.iter().any(|example| read_instant(example, format).is_some()) {
        return Ok(());
    }
    if says(bad) {
        return Err((Verdict::Contradicted, format!("it is written as a {bad}, not as a {good}")));
    }
    Err((Verdict::NotCovered, "it is a text; how the time is written is not said".to_owned()))
}

/// The types with what an example of the answer shows, where the schema says nothing.
fn with_example(types: &Types, example: Option<&Value>) -> Types {
    let mut types = types.clone();
    let Some(example) = example else { return types };
    if !types.is_known() {
        let kind = match example {
            Value::String(_) => "string",
            Value::Bool(_) => "boolean",
            Value::Number(number) if number.is_f64() => "number",
            Value::Number(_) => "integer",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
            Value::Null => return types,
        };
        types.kinds.push(kind.to_owned());
    }
    types.examples.push(example.clone());
    types
}

fn described(types: &Types) -> String {
    let kinds = types.kinds.join(" or ");
    if types.formats.is_empty() { kinds } else { format!("{kinds} ({})", types.formats.join(", ")) }
}

fn format_name(format: &TimestampFormat) -> &str {
    match format {
        TimestampFormat::Rfc3339 => "rfc3339",
        TimestampFormat::UnixSeconds => "unix_seconds",
        TimestampFormat::UnixMillis => "unix_millis",
        TimestampFormat::Pattern { pattern, .. } => pattern,
    }
}

fn read_name(read: &Read) -> String {
    match read {
        Read::Body(pointer) | Read::Flag(pointer) | Read::Count(pointer) | Read::Token(pointer) => pointer.to_string(),
        Read::Record(pointer) => format!("record {pointer}"),
        Read::Header(name) => format!("header {name}"),
    }
}

fn paging(operation: &Operation<'_>, answer: Option<&Answer<'_>>, records: &Records<'_>, read: &Read) -> FactReport {
    let name = read_name(read);
    let finding = match (read, answer) {
        (Read::Record(pointer), _) => field(records, Some(pointer)),
        (_, None) => Finding::unsaid("no answer is described"),
        (Read::Header(header), Some(answer)) => {
            match answer.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(header)) {
                Some((_, node)) => Finding::found(node.place()),
                None => Finding::unsaid("the answer does not list this header").at(operation.node().place()),
            }
        }
        (Read::Body(pointer) | Read::Flag(pointer) | Read::Count(pointer) | Read::Token(pointer), Some(answer)) => {
            match &answer.schema {
                None => Finding::unsaid("the answer has no schema"),
                Some(schema) => match reach(vec![schema.clone()], pointer.segments()) {
                    Reached::At(nodes) => {
                        let place = nodes.first().map_or_else(|| schema.place(), Node::place);
                        let kinds = types(&nodes);
                        let (wanted, good): (&str, &[&str]) = match read {
                            Read::Flag(_) => ("boolean", &["boolean"]),
                            Read::Count(_) if kinds.kinds == ["string"] => ("", &[]),
                            Read::Count(_) => ("a number", &["integer", "number"]),
                            Read::Token(_) => ("a text or a number", &["string", "integer", "number"]),
                            _ => ("", &[]),
                        };
                        if !good.is_empty() && kinds.is_known() && !good.iter().any(|kind| kinds.has(kind)) {
                            Finding::contradicted(place, format!("it is {}, not {wanted}", described(&kinds)))
                        } else {
                            Finding::found(place)
                        }
                    }
                    Reached::Closed { place, reason } => Finding::contradicted(&place, reason),
                    Reached::Unsaid { place, reason } => Finding::unsaid(reason).at(&place),
                },
            }
        }
    };
    finding.of(FactKind::PagingAnswer, name)
}
