//! Records as a body holds them: the decoder's work, done backwards.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use serde_json::{Value, json};

use super::place::{place, plain, remove};
use crate::decoding::{BodyDecoding, CsvDialect, Decoding, EachManifest, RecordsManifest, TableManifest, Wrapping};

/// What stands for the list of records in an envelope until it is written.
const ROWS: &str = "hw0rows";

/// One record of a body.
#[derive(Clone, Debug)]
pub(super) struct Written<'a> {
    pub(super) value: &'a Value,
    /// Its text, where that is not the value's.
    pub(super) text: Option<&'a str>,
}

impl Written<'_> {
    fn text(&self) -> String {
        self.text.map_or_else(|| self.value.to_string(), str::to_owned)
    }
}

/// A body: its type and its bytes.
pub(super) type Body = (&'static str, Vec<u8>);

/// The body of these records, with these fields beside them.
pub(super) fn write(
    decoding: &BodyDecoding,
    records: &RecordsManifest,
    rows: &[Written<'_>],
    fields: &[(Vec<String>, Value)],
) -> Result<Body, String> {
    let (content_type, text) = match &decoding.format {
        Decoding::Json => ("application/json", json_body(records, rows, fields)?),
        Decoding::JsonLines => {
            ("application/x-ndjson", rows.iter().flat_map(|row| [row.text(), "\n".to_owned()]).collect::<String>())
        }
        Decoding::Lines(lines) => {
            let line = |row: &Written<'_>| row.value.get(&lines.wrap_as).and_then(plain).unwrap_or_default();
            ("text/plain", rows.iter().flat_map(|row| [line(row), "\n".to_owned()]).collect())
        }
        Decoding::Csv(dialect) => ("text/csv", csv_body(dialect, rows)),
        // What is in a file is its own business.
        Decoding::File(_) => ("application/octet-stream", rows.iter().map(Written::text).collect()),
        Decoding::Xml(_) => ("application/xml", xml_body(records, rows, fields)?),
    };
    Ok((content_type, wrapped(&decoding.wrappings, &text)?))
}

fn wrapped(wrappings: &[Wrapping], text: &str) -> Result<Vec<u8>, String> {
    let charset = wrappings.iter().find_map(|wrapping| match wrapping {
        Wrapping::Charset(name) => Some(*name),
        _ => None,
    });
    let mut bytes = charset.map_or_else(|| text.as_bytes().to_vec(), |charset| charset.encode(text));
    for wrapping in wrappings.iter().rev() {
        bytes = match wrapping {
            Wrapping::Charset(_) => bytes,
            Wrapping::Gzip => {
                let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
                encoder.write_all(&bytes).and_then(|()| encoder.finish()).map_err(|error| error.to_string())?
            }
            Wrapping::Deflate => {
                let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
                encoder.write_all(&bytes).and_then(|()| encoder.finish()).map_err(|error| error.to_string())?
            }
            Wrapping::Zip(rules) => {
                let name = rules.members.as_deref().unwrap_or("rows").replace(['*', '?'], "a");
                zipped(&name, &bytes).map_err(|error| error.to_string())?
            }
        };
    }
    Ok(bytes)
}

fn zipped(name: &str, bytes: &[u8]) -> zip::result::ZipResult<Vec<u8>> {
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    archive.start_file(name, zip::write::SimpleFileOptions::default())?;
    archive.write_all(bytes)?;
    Ok(archive.finish()?.into_inner())
}

fn json_body(
    records: &RecordsManifest,
    rows: &[Written<'_>],
    fields: &[(Vec<String>, Value)],
) -> Result<String, String> {
    let mut whole = Value::Null;
    for (path, value) in fields {
        place(&mut whole, path, value.clone());
    }
    let joined = || rows.iter().map(Written::text).collect::<Vec<_>>().join(",");
    match records {
        RecordsManifest::List(pointer) | RecordsManifest::Found(pointer) => {
            let path: Vec<String> = pointer.segments().iter().map(|part| part.replace('*', "0")).collect();
            if !place(&mut whole, &path, json!([ROWS])) {
                return Err(format!("`{pointer}` leads through another value of the answer"));
            }
            return Ok(whole.to_string().replace(&format!("\"{ROWS}\""), &joined()));
        }
        RecordsManifest::Each(each) => each_body(each, rows, &mut whole)?,
        RecordsManifest::Table(table) => table_body(table, rows, &mut whole),
        RecordsManifest::Zip(lists) => {
            for (name, pointer) in lists.iter() {
                let values: Vec<Value> =
                    rows.iter().map(|row| row.value.get(name).cloned().unwrap_or_default()).collect();
                place(&mut whole, pointer.segments(), Value::Array(values));
            }
        }
    }
    Ok(whole.to_string())
}

fn each_body(each: &EachManifest, rows: &[Written<'_>], whole: &mut Value) -> Result<(), String> {
    let stars = each.at.segments().iter().filter(|part| *part == "*").count();
    if stars == 0 && rows.len() > 1 {
        return Err(format!("`each: {}` is one record, and {} were to be sent", each.at, rows.len()));
    }
    let above: Vec<String> = each.at.segments().iter().take_while(|part| *part != "*").cloned().collect();
    if stars > 0 {
        place(whole, &above, json!({}));
    }
    for (at, row) in rows.iter().enumerate() {
        let mut value = row.value.clone();
        let keys: Vec<String> =
            each.keys().iter().map(|key| row.value.get(key).and_then(plain).unwrap_or_default()).collect();
        for key in each.keys() {
            remove(&mut value, std::slice::from_ref(key));
        }
        // The last key is for the last star; stars before the first key have any name.
        let names = (0..stars.saturating_sub(keys.len()))
            .map(|star| if star + 1 == stars { format!("r{at}") } else { "k".to_owned() });
        let mut names = names.chain(keys.clone());
        let star = |part: &String| if part == "*" { names.next().unwrap_or_default() } else { part.clone() };
        let path: Vec<String> = each.at.segments().iter().map(star).collect();
        let value = each.wrap_as.as_ref().and_then(|name| value.get(name).cloned()).unwrap_or(value);
        place(whole, &path, value);
    }
    Ok(())
}

fn table_body(table: &TableManifest, rows: &[Written<'_>], whole: &mut Value) {
    let groups = table.all();
    let named: Vec<&String> = groups.iter().flat_map(|group| &group.names).collect();
    let others = names_of(rows).into_iter().filter(|name| !named.contains(&name)).collect::<Vec<_>>();
    let mut others = Some(others);
    let headers: Vec<Vec<String>> = groups
        .iter()
        .map(|group| if group.names.is_empty() { others.take().unwrap_or_default() } else { group.names.clone() })
        .collect();
    let mut lines = Vec::new();
    for (group, names) in groups.iter().zip(&headers) {
        let head = |name: &String| match &group.name {
            None => Value::from(name.as_str()),
            Some(pointer) => {
                let mut head = json!({});
                place(&mut head, pointer.segments(), Value::from(name.as_str()));
                head
            }
        };
        let header = Value::Array(names.iter().map(head).collect());
        match &group.header {
            Some(pointer) => drop(place(whole, pointer.segments(), header)),
            None if group.names.is_empty() => lines.push(header),
            None => {}
        }
    }
    for row in rows {
        let mut line = Value::Null;
        for (group, names) in groups.iter().zip(&headers) {
            let cell = |name: &String| {
                let value = row.value.get(name).cloned().unwrap_or_default();
                match &group.value {
                    None => value,
                    Some(pointer) => {
                        let mut cell = json!({});
                        place(&mut cell, pointer.segments(), value);
                        cell
                    }
                }
            };
            let cells = Value::Array(names.iter().map(cell).collect());
            match &group.cells {
                None => line = cells,
                Some(pointer) => drop(place(&mut line, pointer.segments(), cells)),
            }
        }
        lines.push(line);
    }
    let path: Vec<String> = table.rows.segments().iter().map(|part| part.replace('*', "0")).collect();
    place(whole, &path, Value::Array(lines));
}

/// All names of fields, in the order of their first appearance.
fn names_of(rows: &[Written<'_>]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for row in rows {
        for name in row.value.as_object().into_iter().flat_map(serde_json::Map::keys) {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
    }
    names
}

fn csv_body(dialect: &CsvDialect, rows: &[Written<'_>]) -> String {
    let names = if dialect.names.is_empty() { names_of(rows) } else { dialect.names.clone() };
    let between = dialect.delimiter.to_string();
    let cell = |value: Option<&Value>| {
        let text = match value {
            None | Some(Value::Null) => return String::new(),
            Some(value) => plain(value).unwrap_or_else(|| value.to_string()),
        };
        match dialect.quote.char() {
            Some(quote) if text.contains([quote, dialect.delimiter, '\n', '\r']) || text.is_empty() => {
                format!("{quote}{}{quote}", text.replace(quote, &format!("{quote}{quote}")))
            }
            _ => text,
        }
    };
    let mut text = "about this file\n".repeat(usize::try_from(dialect.skip_lines).unwrap_or(0));
    if dialect.names.is_empty() && !(rows.is_empty() && dialect.may_be_empty) {
        let header = if names.is_empty() { vec!["id".to_owned()] } else { names.clone() };
        text.push_str(&format!("{}\n", header.join(&between)));
    }
    for row in rows {
        if let Some(line) = row.text {
            text.push_str(line);
        } else {
            let cells: Vec<String> = names.iter().map(|name| cell(row.value.get(name))).collect();
            text.push_str(&cells.join(&between));
        }
        text.push('\n');
    }
    for _ in 0..dialect.footer_lines {
        text.push_str(&format!("{}\n", vec!["total"; names.len().max(1)].join(&between)));
    }
    text
}

fn xml_body(
    records: &RecordsManifest,
    rows: &[Written<'_>],
    fields: &[(Vec<String>, Value)],
) -> Result<String, String> {
    let RecordsManifest::List(pointer) = records else {
        return Err("an XML body has a path to its records".to_owned());
    };
    let mut whole = Value::Null;
    for (path, value) in fields {
        place(&mut whole, path, value.clone());
    }
    let path: Vec<String> = pointer.segments().iter().map(|part| part.replace('*', "any")).collect();
    let list = Value::Array(rows.iter().map(|row| row.value.clone()).collect());
    if !place(&mut whole, &path, list) {
        return Err(format!("`{pointer}` leads through another value of the answer"));
    }
    let mut text = String::from("<?xml version=\"1.0\"?>");
    for (name, value) in whole.as_object().into_iter().flatten() {
        element(&mut text, name, value);
    }
    Ok(text)
}

fn element(out: &mut String, name: &str, value: &Value) {
    let escaped = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
    match value {
        Value::Array(items) => items.iter().for_each(|item| element(out, name, item)),
        Value::Object(fields) => {
            out.push_str(&format!("<{name}"));
            for (attribute, value) in fields.iter().filter(|(field, _)| field.starts_with('@')) {
                let value = plain(value).unwrap_or_default();
                out.push_str(&format!(" {}=\"{}\"", attribute.trim_start_matches('@'), escaped(&value)));
            }
            out.push('>');
            for (field, value) in fields.iter().filter(|(field, _)| !field.starts_with('@')) {
                match field.as_str() {
                    "#text" => out.push_str(&escaped(&plain(value).unwrap_or_default())),
                    _ => element(out, field, value),
                }
            }
            out.push_str(&format!("</{name}>"));
        }
        Value::Null => out.push_str(&format!("<{name}/>")),
        text => out.push_str(&format!("<{name}>{}</{name}>", escaped(&plain(text).unwrap_or_default()))),
    }
}
