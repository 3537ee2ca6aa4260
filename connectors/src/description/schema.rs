//! What a schema says of a value: which fields it has and of which types they are, through references and compositions.
//!
//! A field that is not declared is absent only where the schema is closed: it names properties, and nothing in it admits others. Strictly,
//! JSON Schema admits every undeclared field (<https://json-schema.org/draft/2020-12/json-schema-core#name-additionalproperties>); vendors
//! who list properties mean the list.

use serde_json::Value;

use super::node::Node;

/// Compositions within compositions that are looked into.
const DEPTH_MAX: usize = 10;
/// Schemas looked at for one question, so that alternatives of alternatives end.
const LOOKS_MAX: usize = 2_000;

/// Where a pointer leads in a schema.
#[derive(Clone, Debug)]
pub enum Reached<'a> {
    /// To these schemas, one for each alternative.
    At(Vec<Node<'a>>),
    /// Nowhere: the schema at this place lists what there is, and this is not among it.
    Closed {
        /// The place that closes it.
        place: String,
        /// What it says.
        reason: String,
    },
    /// Nobody knows: the schema at this place admits anything or says nothing.
    Unsaid {
        /// The place at which it falls silent.
        place: String,
        /// Why it does not tell.
        reason: String,
    },
}

/// Follows `segments` from any of `schemas`; `*` stands for any field of an object or place in a list.
pub fn reach<'a>(schemas: Vec<Node<'a>>, segments: &[String]) -> Reached<'a> {
    let mut at = schemas;
    for segment in segments {
        if segment == "*" {
            match any_of(&at) {
                nodes if nodes.is_empty() => {
                    let place = at.first().map_or_else(|| "#".to_owned(), |schema| schema.place().to_owned());
                    return Reached::Unsaid { place, reason: "the schema does not say what is inside".to_owned() };
                }
                nodes => at = nodes,
            }
            continue;
        }
        let mut looks = LOOKS_MAX;
        let steps: Vec<Step<'a>> = at.iter().map(|schema| step(schema, segment, DEPTH_MAX, &mut looks)).collect();
        match one_of(steps) {
            Step::Into(nodes) => at = nodes,
            Step::Closed { place, reason } => return Reached::Closed { place, reason },
            Step::Open { place } => {
                let reason = format!("the schema admits any field beside those it names, so `{segment}` may be one");
                return Reached::Unsaid { place, reason };
            }
            Step::Silent => {
                let place = at.first().map_or_else(|| "#".to_owned(), |schema| schema.place().to_owned());
                return Reached::Unsaid {
                    place,
                    reason: format!("the schema names no fields, so `{segment}` may be one"),
                };
            }
        }
    }
    Reached::At(at)
}

/// What stands under any name or place of any of `schemas`.
fn any_of<'a>(schemas: &[Node<'a>]) -> Vec<Node<'a>> {
    let mut looks = LOOKS_MAX;
    let mut found = Vec::new();
    for schema in schemas {
        each_part(schema, DEPTH_MAX, &mut looks, &mut |part| {
            found.extend(part.child("items"));
            found.extend(part.child("additionalProperties").filter(|values| values.value().is_object()));
            for word in ["properties", "patternProperties"] {
                let members = part.get(word).map(|members| members.members()).unwrap_or_default();
                found.extend(members.into_iter().map(|(_, child)| child.followed()));
            }
        });
    }
    telling(found)
}

enum Step<'a> {
    Into(Vec<Node<'a>>),
    Closed { place: String, reason: String },
    Open { place: String },
    Silent,
}

/// The step when a value fits any one of several schemas.
fn one_of(steps: Vec<Step<'_>>) -> Step<'_> {
    let (mut into, mut closed, mut unsaid) = (Vec::new(), None, None);
    for step in steps {
        match step {
            Step::Into(nodes) => into.extend(nodes),
            closing @ Step::Closed { .. } => closed = closed.or(Some(closing)),
            // An alternative that lets anything in weighs more than one that says nothing.
            Step::Open { place } => unsaid = Some(Step::Open { place }),
            Step::Silent => unsaid = unsaid.or(Some(Step::Silent)),
        }
    }
    if !into.is_empty() {
        return Step::Into(into);
    }
    unsaid.or(closed).unwrap_or(Step::Silent)
}

/// The step when a value fits all of several schemas.
fn all_of(steps: Vec<Step<'_>>) -> Step<'_> {
    let (mut into, mut closed, mut open) = (Vec::new(), None, None);
    for step in steps {
        match step {
            Step::Into(nodes) => into.extend(nodes),
            closing @ Step::Closed { .. } => closed = closed.or(Some(closing)),
            opening @ Step::Open { .. } => open = open.or(Some(opening)),
            Step::Silent => {}
        }
    }
    if !into.is_empty() {
        return Step::Into(telling(into));
    }
    open.or(closed).unwrap_or(Step::Silent)
}

/// Without schemas that say nothing, where others say something: a general list is often narrowed by a second word on it.
fn telling(mut schemas: Vec<Node<'_>>) -> Vec<Node<'_>> {
    let says = |schema: &Node<'_>| schema.value().as_object().is_some_and(|words| !words.is_empty());
    if schemas.iter().any(says) {
        schemas.retain(says);
    }
    schemas
}

fn step<'a>(schema: &Node<'a>, name: &str, depth: usize, looks: &mut usize) -> Step<'a> {
    let schema = schema.clone().followed();
    if depth == 0 || *looks == 0 {
        return Step::Silent;
    }
    *looks -= 1;
    let mut steps = Vec::new();
    if schema.get("$ref").is_some() {
        // It leads out of the document.
        return Step::Open { place: schema.place().to_owned() };
    }
    let properties = schema.get("properties").filter(|properties| properties.value().is_object());
    if let Some(child) = properties.as_ref().and_then(|properties| properties.child(name)) {
        steps.push(Step::Into(vec![child]));
    } else if is_open(&schema) {
        steps.push(Step::Open { place: schema.place().to_owned() });
    } else if let Some(properties) = properties.filter(|properties| !properties.members().is_empty()) {
        let reason = format!("no field `{name}` among {}", names(&properties));
        steps.push(Step::Closed { place: schema.place().to_owned(), reason });
    } else if let Some(list) = schema.child("items") {
        steps.push(if name.parse::<usize>().is_ok() {
            Step::Into(vec![list])
        } else {
            Step::Closed { place: schema.place().to_owned(), reason: format!("a list, which has no field `{name}`") }
        });
    } else if let Some(kind) = plain_type(&schema) {
        let reason = format!("a {kind}, which has no field `{name}`");
        steps.push(Step::Closed { place: schema.place().to_owned(), reason });
    }
    for part in schema.get("allOf").map(|parts| parts.elements()).unwrap_or_default() {
        steps.push(step(&part, name, depth - 1, looks));
    }
    for word in ["oneOf", "anyOf"] {
        let parts = schema.get(word).map(|parts| parts.elements()).unwrap_or_default();
        if !parts.is_empty() {
            steps.push(one_of(parts.iter().map(|part| step(part, name, depth - 1, looks)).collect()));
        }
    }
    all_of(steps)
}

/// Whether fields beside the named ones are admitted in so many words.
fn is_open(schema: &Node<'_>) -> bool {
    let additional = schema.value().get("additionalProperties").or_else(|| schema.value().get("unevaluatedProperties"));
    additional.is_some_and(|additional| *additional != Value::Bool(false)) || schema.get("patternProperties").is_some()
}

fn plain_type(schema: &Node<'_>) -> Option<String> {
    let word = schema.text("type")?;
    matches!(word, "string" | "integer" | "number" | "boolean" | "array").then(|| word.to_owned())
}

/// Names for a message: the first few.
fn names(properties: &Node<'_>) -> String {
    const SHOWN: usize = 6;
    let members = properties.members();
    let mut text = members.iter().take(SHOWN).map(|(name, _)| format!("`{name}`")).collect::<Vec<_>>().join(", ");
    if members.len() > SHOWN {
        text.push_str(&format!(" and {} more", members.len() - SHOWN));
    }
    text
}

/// The schemas of a list's elements.
pub fn elements<'a>(schemas: &[Node<'a>]) -> Vec<Node<'a>> {
    let mut looks = LOOKS_MAX;
    let mut found = Vec::new();
    for schema in schemas {
        each_part(schema, DEPTH_MAX, &mut looks, &mut |part| found.extend(part.child("items")));
    }
    telling(found)
}

/// The fields that a schema names, with their schemas, in order; a name of two alternatives stands once.
pub fn names_of<'a>(schemas: &[Node<'a>]) -> Vec<(String, Vec<Node<'a>>)> {
    let mut looks = LOOKS_MAX;
    let mut found: Vec<(String, Vec<Node<'a>>)> = Vec::new();
    for schema in schemas {
        each_part(schema, DEPTH_MAX, &mut looks, &mut |part| {
            for (name, child) in part.get("properties").map(|properties| properties.members()).unwrap_or_default() {
                let child = child.followed();
                match found.iter_mut().find(|(known, _)| known == name) {
                    Some((_, children)) => children.push(child),
                    None => found.push((name.to_owned(), vec![child])),
                }
            }
        });
    }
    found
}

/// Visits a schema and all parts of its compositions.
fn each_part<'a>(schema: &Node<'a>, depth: usize, looks: &mut usize, visit: &mut dyn FnMut(&Node<'a>)) {
    let schema = schema.clone().followed();
    if depth == 0 || *looks == 0 {
        return;
    }
    *looks -= 1;
    visit(&schema);
    for word in ["allOf", "oneOf", "anyOf"] {
        for part in schema.get(word).map(|parts| parts.elements()).unwrap_or_default() {
            each_part(&part, depth - 1, looks, visit);
        }
    }
}

/// What a value may be, gathered over all parts of its schema.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Types {
    /// JSON types that are named: `string`, `integer`, `number`, `boolean`, `object`, `array`.
    pub kinds: Vec<String>,
    /// Formats that are named, such as `date-time`.
    pub formats: Vec<String>,
    /// The values that are allowed, where they are listed.
    pub values: Vec<Value>,
    /// Whether null is admitted in so many words.
    pub is_nullable: bool,
    /// The least and the greatest number.
    pub range: (Option<f64>, Option<f64>),
    /// A value that it takes where none is given.
    pub default: Option<Value>,
    /// Values that it shows.
    pub examples: Vec<Value>,
    /// Whether the vendor will take it away.
    pub is_deprecated: bool,
}

impl Types {
    /// Whether a type is named at all.
    pub fn is_known(&self) -> bool {
        !self.kinds.is_empty()
    }

    /// Whether this JSON type is named.
    pub fn has(&self, kind: &str) -> bool {
        self.kinds.iter().any(|known| known == kind)
    }
}

/// What a value of any of these schemas may be.
pub fn types(schemas: &[Node<'_>]) -> Types {
    let mut all = Types::default();
    let mut looks = LOOKS_MAX;
    for schema in schemas {
        each_part(schema, DEPTH_MAX, &mut looks, &mut |part| add_types(part, &mut all));
    }
    all
}

fn add_types(schema: &Node<'_>, all: &mut Types) {
    let mut add = |kind: &str| match kind {
        "null" => all.is_nullable = true,
        "string" | "integer" | "number" | "boolean" | "object" | "array"
            if !all.kinds.iter().any(|known| known == kind) =>
        {
            all.kinds.push(kind.to_owned());
        }
        _ => {}
    };
    match schema.value().get("type") {
        Some(Value::String(kind)) => add(kind),
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).for_each(&mut add),
        _ => {
            if schema.get("properties").is_some() {
                add("object");
            } else if schema.get("items").is_some() {
                add("array");
            }
        }
    }
    let listed = schema.value().get("enum").and_then(Value::as_array).into_iter().flatten();
    for value in listed.chain(schema.value().get("const")) {
        match value {
            Value::Null => all.is_nullable = true,
            value if !all.values.contains(value) => all.values.push(value.clone()),
            _ => {}
        }
    }
    if let Some(format) = schema.text("format")
        && !all.formats.iter().any(|known| known == format)
    {
        all.formats.push(format.to_owned());
    }
    all.is_nullable |= schema.says("nullable") || schema.says("x-nullable");
    all.is_deprecated |= schema.says("deprecated");
    let number = |key: &str| schema.value().get(key).and_then(Value::as_f64);
    all.range = (all.range.0.or(number("minimum")), all.range.1.or(number("maximum")));
    all.default = all.default.take().or_else(|| schema.value().get("default").cloned());
    let shown = schema.value().get("example").into_iter();
    let shown = shown.chain(schema.value().get("examples").and_then(Value::as_array).into_iter().flatten());
    all.examples.extend(shown.take(4).cloned());
}

#[cfg(test)]
mod tests;
