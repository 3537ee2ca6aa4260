//! A vendor's description of its API in place of the manifest's word: what a request may hold, and what an answer and its records have.
//!
//! A field that the description does not admit is left out of answers, whatever the manifest says of it; so a manifest that counts on it
//! fails as it would with the vendor. Where the description says nothing, the manifest is taken at its word.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

use super::server::Asked;
use super::vendor::{World, plain};
use crate::connector::Connector;
use crate::decoding::{Pointer, RecordsManifest};
use crate::description::{
    Description, Location, Node, Operation, Parameter, Reached, elements, names_of, reach, types,
};
use crate::manifest::ManifestError;
use crate::parents::GIVEN;
use crate::stream::Stream;
use crate::verify::{Place, operations};

/// Headers that a description may require and that are not the manifest's to say.
const USUAL_HEADERS: [&str; 4] = ["authorization", "accept", "content-type", "user-agent"];

/// A description of the API, with the operation of each stream.
#[derive(Debug)]
pub(super) struct Described {
    description: Description,
    places: BTreeMap<String, Place>,
    /// Query parameters that carry a credential.
    secret_params: Vec<String>,
    /// Page sizes as the manifest has them, by stream: a run asks for smaller pages.
    sizes: BTreeMap<String, (String, String)>,
    /// What answers could not have, by stream.
    left_out: Mutex<BTreeMap<String, BTreeSet<String>>>,
}

impl Described {
    pub(super) fn new(connector: &Connector, description: Description) -> Result<Self, ManifestError> {
        let places = operations(connector, &description)?;
        let secret_params = connector.manifest().http.auth.secret_params();
        Ok(Self { description, places, secret_params, sizes: BTreeMap::new(), left_out: Mutex::default() })
    }

    /// The page sizes that the manifest asks for.
    pub(super) fn with_sizes(mut self, sizes: BTreeMap<String, (String, String)>) -> Self {
        self.sizes = sizes;
        self
    }

    /// Who wrote the description.
    pub(super) fn title(&self) -> String {
        let documents = self.description.documents.iter();
        let titles: Vec<String> =
            documents.take(3).map(|document| format!("{} {}", document.title, document.version)).collect();
        format!("{} ({})", titles.join(", "), self.description.provenance)
    }

    fn operation(&self, stream: &str) -> Option<Operation<'_>> {
        let (document, path, method) = self.places.get(stream)?;
        let document = self.description.documents.get(*document)?;
        let path = document.paths().get(*path)?;
        document.operations(path).into_iter().find(|operation| operation.method == *method)
    }

    /// Whether the description has the stream's operation.
    pub(super) fn covers(&self, stream: &str) -> bool {
        self.operation(stream).is_some()
    }

    /// What answers to a stream's requests could not have, although the manifest speaks of it.
    pub(super) fn left_out(&self, stream: &str) -> Vec<String> {
        let left_out = self.left_out.lock().unwrap_or_else(PoisonError::into_inner);
        left_out.get(stream).into_iter().flatten().cloned().collect()
    }

    fn leave_out(&self, stream: &str, what: String) {
        let mut left_out = self.left_out.lock().unwrap_or_else(PoisonError::into_inner);
        left_out.entry(stream.to_owned()).or_default().insert(what);
    }

    /// What a request has that the description does not allow.
    pub(super) fn violations(&self, stream: &str, asked: &Asked) -> Vec<String> {
        let Some(operation) = self.operation(stream) else { return Vec::new() };
        let mut wrong = Vec::new();
        let parameters = operation.parameters();
        let in_query: Vec<&Parameter<'_>> =
            parameters.iter().filter(|parameter| parameter.location == Location::Query).collect();
        for (name, value) in &asked.query {
            if self.secret_params.contains(name) {
                continue;
            }
            let base = name.split('[').next().unwrap_or(name);
            let exact =
                in_query.iter().find(|parameter| parameter.name == name || parameter.name == format!("{name}[]"));
            match exact {
                Some(parameter) => {
                    let said = self.sizes.get(stream).filter(|(param, _)| param == name).map(|(_, size)| size);
                    wrong.extend(unfit(name, said.unwrap_or(value), &parameter.schema));
                }
                None if base != name
                    && in_query.iter().any(|parameter| parameter.name.split('[').next() == Some(base)) => {}
                None => wrong.push(format!("`{name}` is no parameter of {} {}", operation.method, operation.path)),
            }
        }
        for parameter in parameters.iter().filter(|parameter| parameter.is_required()) {
            let is_there = match parameter.location {
                Location::Query => {
                    asked.query.iter().any(|(name, _)| name.split('[').next() == parameter.name.split('[').next())
                }
                Location::Header => {
                    USUAL_HEADERS.contains(&parameter.name.to_ascii_lowercase().as_str())
                        || asked.header(parameter.name).is_some()
                }
                Location::Path | Location::Form | Location::Other => true,
            };
            if !is_there {
                wrong.push(format!("{} `{}` is required and absent", parameter.location.as_str(), parameter.name));
            }
        }
        wrong.extend(wrong_body(&operation, asked));
        wrong
    }

    /// Takes out of an answer's fields what the description does not admit.
    pub(super) fn fit_fields(&self, stream: &str, fields: &mut Vec<(Vec<String>, Value)>) {
        let schema = self.operation(stream).and_then(|operation| operation.answer()).and_then(|answer| answer.schema);
        let Some(schema) = schema else { return };
        fields.retain(|(path, _)| match reach(vec![schema.clone()], path) {
            Reached::Closed { reason, .. } => {
                self.leave_out(stream, format!("the answer has no `/{}`: {reason}", path.join("/")));
                false
            }
            Reached::At(_) | Reached::Unsaid { .. } => true,
        });
    }

    /// Gives the records of a world the fields and types that the description says.
    pub(super) fn fit_world(&self, world: &mut World) -> Result<(), String> {
        for at in 0..world.tables.len() {
            let Some(stream) = world.tables.get(at).map(|table| Arc::clone(&table.stream)) else { continue };
            let operation = self.operation(&stream.name);
            let schema = operation.and_then(|operation| operation.answer()).and_then(|answer| answer.schema);
            let (Some(schema), Some(path)) = (schema, place_of(&stream.records)) else { continue };
            let nodes = match reach(vec![schema], path.segments()) {
                Reached::At(nodes) => nodes,
                Reached::Unsaid { .. } => continue,
                Reached::Closed { reason, .. } => {
                    return Err(format!("the described answer has no records at `{path}`: {reason}"));
                }
            };
            let records = if matches!(stream.records, RecordsManifest::List(_)) { elements(&nodes) } else { nodes };
            world.change(at, |table| {
                table.rows.iter_mut().for_each(|row| self.fit_record(&stream, &records, &mut row.value));
            });
        }
        Ok(())
    }

    fn fit_record(&self, stream: &Stream, records: &[Node<'_>], value: &mut Value) {
        for column in stream.columns() {
            let pointer = Pointer::parse(&column.pointer);
            if column.pointer.starts_with(&format!("/{GIVEN}/")) || pointer.find(value).is_none() {
                continue;
            }
            match reach(records.to_vec(), pointer.segments()) {
                Reached::Closed { reason, .. } => {
                    self.leave_out(&stream.name, format!("a record has no `{pointer}`: {reason}"));
                    super::vendor::remove(value, pointer.segments());
                }
                Reached::At(nodes) => {
                    let wanted = types(&nodes);
                    if let Some(found) = value.pointer_mut(pointer.as_str())
                        && let Some(other) = as_described(found, &wanted.kinds)
                    {
                        *found = other;
                    }
                }
                Reached::Unsaid { .. } => {}
            }
        }
        let Some(fields) = value.as_object_mut() else { return };
        for (name, nodes) in names_of(records) {
            if !fields.contains_key(&name) {
                fields.insert(name, sample(&nodes));
            }
        }
    }
}

/// What the body of a request has that the operation does not take.
fn wrong_body(operation: &Operation<'_>, asked: &Asked) -> Vec<String> {
    let mut wrong = Vec::new();
    if !asked.body.is_empty() && !operation.takes_a_body() {
        wrong.push("the operation takes no body".to_owned());
    }
    let bodies = operation.request_bodies();
    let Some(fields) = asked.json.as_object() else { return wrong };
    let Some(body) = bodies.iter().find(|body| body.media_type.is_empty() || body.media_type.contains("json")) else {
        return wrong;
    };
    for name in fields.keys() {
        if let Reached::Closed { reason, .. } = reach(vec![body.schema.clone()], std::slice::from_ref(name)) {
            wrong.push(format!("the body takes no `{name}`: {reason}"));
        }
    }
    let required = body.schema.value().get("required").and_then(Value::as_array).into_iter().flatten();
    for name in required.filter_map(Value::as_str).filter(|name| !fields.contains_key(*name)) {
        wrong.push(format!("the body lacks `{name}`, which is required"));
    }
    wrong
}

/// Where the records stand, for forms that a description can be asked for.
fn place_of(records: &RecordsManifest) -> Option<Pointer> {
    match records {
        RecordsManifest::List(pointer) => Some(pointer.clone()),
        RecordsManifest::Each(each) if each.is_single() && each.wrap_as.is_none() => Some(each.at.clone()),
        _ => None,
    }
}

/// Why a value does not fit a parameter.
fn unfit(name: &str, value: &str, schema: &Node<'_>) -> Option<String> {
    let wanted = types(std::slice::from_ref(schema));
    let only = |kind: &str| wanted.kinds.iter().all(|known| known == kind) && wanted.is_known();
    if !wanted.values.is_empty() && !wanted.has("array") {
        let known: Vec<String> = wanted.values.iter().filter_map(plain).collect();
        if !known.iter().any(|known| known == value) {
            return Some(format!("`{name}` is `{value}`, which is none of {}", known.join(", ")));
        }
    }
    let number: Option<f64> = value.parse().ok();
    if only("integer") && value.parse::<i64>().is_err() {
        return Some(format!("`{name}` is `{value}`, which is no whole number"));
    }
    if only("number") && number.is_none() {
        return Some(format!("`{name}` is `{value}`, which is no number"));
    }
    if only("boolean") && !matches!(value, "true" | "false") {
        return Some(format!("`{name}` is `{value}`, which is neither true nor false"));
    }
    match (number, wanted.range) {
        (Some(number), (_, Some(most))) if (only("integer") || only("number")) && number > most => {
            Some(format!("`{name}` is {value}, above the most of {most}"))
        }
        _ => None,
    }
}

/// The value as one of the described types; nothing when it is of one already.
fn as_described(value: &Value, kinds: &[String]) -> Option<Value> {
    let has = |kind: &str| kinds.iter().any(|known| known == kind);
    let is_fine = match value {
        Value::Null => true,
        Value::String(_) => has("string"),
        Value::Number(number) => has("number") || (has("integer") && number.is_i64()),
        Value::Bool(_) => has("boolean"),
        Value::Array(_) => has("array"),
        Value::Object(_) => has("object"),
    };
    if is_fine || kinds.is_empty() {
        return None;
    }
    let digits = || value.to_string().chars().filter(char::is_ascii_digit).collect::<String>().parse::<i64>().ok();
    Some(match kinds.first().map(String::as_str) {
        Some("integer" | "number") => json!(digits().unwrap_or(1)),
        Some("boolean") => json!(true),
        Some("array") => json!([]),
        Some("object") => json!({}),
        _ => Value::String(plain(value).unwrap_or_else(|| value.to_string())),
    })
}

/// A value of a described field that the manifest does not speak of.
fn sample(nodes: &[Node<'_>]) -> Value {
    let wanted = types(nodes);
    if let Some(first) = wanted.values.first() {
        return first.clone();
    }
    match wanted.kinds.first().map(String::as_str) {
        Some("string") => json!("x"),
        Some("integer" | "number") => json!(1),
        Some("boolean") => json!(true),
        Some("array") => json!([]),
        Some("object") => json!({}),
        _ => Value::Null,
    }
}
