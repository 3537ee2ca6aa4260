//! A low-code manifest as a tree: read with its lines, references followed, parameters handed down.
//!
//! A mapping remembers where it stood under [`LINE`], so that what is said about a component names the line that a person wrote, also
//! after a reference has put it elsewhere.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use serde_saphyr::Spanned;

use super::ImportError;

/// The field under which a mapping keeps its line.
const LINE: &str = "$line";
/// The field that names what stands elsewhere.
const REFERENCE: &str = "$ref";
/// The field with what is handed down.
const PARAMETERS: &str = "$parameters";
/// Deepest nesting of what references lead to.
const DEPTH_MAX: usize = 64;
/// Most values of a manifest once its references are followed.
const VALUES_MAX: usize = 2_000_000;

/// The type that a component has in a place where its author may leave it out.
const USUAL_TYPES: [(&str, &str); 38] = [
    ("CompositeErrorHandler.error_handlers", "DefaultErrorHandler"),
    ("DatetimeBasedCursor.end_datetime", "MinMaxDatetime"),
    ("DatetimeBasedCursor.end_time_option", "RequestOption"),
    ("DatetimeBasedCursor.start_datetime", "MinMaxDatetime"),
    ("DatetimeBasedCursor.start_time_option", "RequestOption"),
    ("DeclarativeSource.check", "CheckStream"),
    ("DeclarativeSource.spec", "Spec"),
    ("DeclarativeSource.streams", "DeclarativeStream"),
    ("DeclarativeStream.retriever", "SimpleRetriever"),
    ("DeclarativeStream.schema_loader", "JsonFileSchemaLoader"),
    ("DynamicDeclarativeStream.stream_template", "DeclarativeStream"),
    ("DynamicDeclarativeStream.components_resolver", "ConfigComponentsResolver"),
    ("HttpComponentsResolver.retriever", "SimpleRetriever"),
    ("HttpComponentsResolver.components_mapping", "ComponentMappingDefinition"),
    ("ConfigComponentsResolver.stream_config", "StreamConfig"),
    ("ConfigComponentsResolver.components_mapping", "ComponentMappingDefinition"),
    ("DefaultErrorHandler.response_filters", "HttpResponseFilter"),
    ("DefaultPaginator.page_size_option", "RequestOption"),
    ("DefaultPaginator.page_token_option", "RequestOption"),
    ("DpathExtractor.record_expander", "RecordExpander"),
    ("HttpRequester.error_handler", "DefaultErrorHandler"),
    ("ListPartitionRouter.request_option", "RequestOption"),
    ("ParentStreamConfig.request_option", "RequestOption"),
    ("ParentStreamConfig.stream", "DeclarativeStream"),
    ("RecordSelector.extractor", "DpathExtractor"),
    ("RecordSelector.record_filter", "RecordFilter"),
    ("SimpleRetriever.paginator", "NoPagination"),
    ("SimpleRetriever.record_selector", "RecordSelector"),
    ("SimpleRetriever.requester", "HttpRequester"),
    ("SubstreamPartitionRouter.parent_stream_configs", "ParentStreamConfig"),
    ("AddFields.fields", "AddedFieldDefinition"),
    ("DynamicSchemaLoader.retriever", "SimpleRetriever"),
    ("SchemaTypeIdentifier.types_map", "TypesMap"),
    ("AsyncRetriever.record_selector", "RecordSelector"),
    ("AsyncRetriever.creation_requester", "HttpRequester"),
    ("AsyncRetriever.polling_requester", "HttpRequester"),
    ("AsyncRetriever.download_requester", "HttpRequester"),
    ("SessionTokenAuthenticator.login_requester", "HttpRequester"),
];

/// A value that knows its line.
struct Lined(Value);

struct LinedVisitor;

impl<'de> Visitor<'de> for LinedVisitor {
    type Value = Lined;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E: Error>(self) -> Result<Lined, E> {
        Ok(Lined(Value::Null))
    }

    fn visit_none<E: Error>(self) -> Result<Lined, E> {
        Ok(Lined(Value::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Lined, D::Error> {
        Lined::deserialize(deserializer)
    }

    fn visit_bool<E: Error>(self, flag: bool) -> Result<Lined, E> {
        Ok(Lined(flag.into()))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Lined, E> {
        Ok(Lined(number.into()))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Lined, E> {
        Ok(Lined(number.into()))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Lined, E> {
        Ok(Lined(number.into()))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Lined, E> {
        Ok(Lined(text.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Lined, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element::<Spanned<Lined>>()? {
            items.push(placed(item));
        }
        Ok(Lined(Value::Array(items)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Lined, A::Error> {
        let mut fields = Map::new();
        while let Some(Lined(key)) = map.next_key::<Lined>()? {
            let name = key.as_str().map_or_else(|| key.to_string(), str::to_owned);
            fields.insert(name, placed(map.next_value::<Spanned<Lined>>()?));
        }
        Ok(Lined(Value::Object(fields)))
    }
}

/// The value; a mapping keeps its line.
fn placed(spanned: Spanned<Lined>) -> Value {
    let line = spanned.referenced.line();
    let Lined(mut value) = spanned.value;
    if let Value::Object(fields) = &mut value {
        fields.insert(LINE.to_owned(), line.into());
    }
    value
}

impl<'de> Deserialize<'de> for Lined {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(LinedVisitor)
    }
}

/// Reads a manifest, follows its references, and hands its parameters down.
pub(super) fn read(text: &str, origin: &str) -> Result<Value, ImportError> {
    let unreadable = |reason: String| ImportError::Unreadable { file: origin.to_owned(), reason };
    // As the original's reader takes it: the last of two equal keys counts, and `y` is a letter.
    let options = serde_saphyr::options! {
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::LastWins,
        strict_booleans: true,
    };
    let read: Spanned<Lined> = serde_saphyr::from_str_with_options(text, options)
        .map_err(|error| unreadable(error.to_string().lines().next().unwrap_or("").to_owned()))?;
    let root = placed(read);
    let mut budget = VALUES_MAX;
    let whole = follow(&root, &root, &mut Vec::new(), &mut budget).map_err(unreadable)?;
    let Value::Object(mut fields) = whole else {
        return Err(ImportError::NotAManifest { file: origin.to_owned() });
    };
    if fields.get("streams").is_none() && fields.get("dynamic_streams").is_none() {
        return Err(ImportError::NotAManifest { file: origin.to_owned() });
    }
    fields.entry("type").or_insert_with(|| "DeclarativeSource".into());
    // What was only there to be referred to.
    for unused in ["definitions", "schemas", "metadata"] {
        fields.shift_remove(unused);
    }
    Ok(hand_down("", Value::Object(fields), &Map::new()))
}

/// Follows the references in a value.
fn follow(node: &Value, root: &Value, visited: &mut Vec<String>, budget: &mut usize) -> Result<Value, String> {
    *budget = budget.checked_sub(1).ok_or("its references make it too large")?;
    if visited.len() > DEPTH_MAX {
        return Err("its references are nested too deep".to_owned());
    }
    match node {
        Value::Object(fields) => {
            let mut own = Map::new();
            for (name, value) in fields.iter().filter(|(name, _)| *name != REFERENCE) {
                own.insert(name.clone(), follow(value, root, visited, budget)?);
            }
            let Some(reference) = fields.get(REFERENCE) else { return Ok(Value::Object(own)) };
            match follow(reference, root, visited, budget)? {
                Value::Object(mut base) => {
                    base.extend(own);
                    Ok(Value::Object(base))
                }
                other => Ok(other),
            }
        }
        Value::Array(items) => {
            Ok(Value::Array(items.iter().map(|item| follow(item, root, visited, budget)).collect::<Result<_, _>>()?))
        }
        Value::String(text) if text.starts_with("#/") => {
            if visited.contains(text) {
                return Err(format!("`{text}` refers to itself"));
            }
            let found =
                look_up(text.trim_start_matches("#/"), root).ok_or_else(|| format!("`{text}` leads nowhere"))?;
            visited.push(text.clone());
            let value = follow(found, root, visited, budget);
            visited.pop();
            value
        }
        plain => Ok(plain.clone()),
    }
}

/// The value at a path; a name may hold slashes itself, and the longest that is there wins.
fn look_up<'a>(path: &str, node: &'a Value) -> Option<&'a Value> {
    if let Some(found) = node.get(path) {
        return Some(found);
    }
    let (first, rest) = path.split_once('/')?;
    match node {
        Value::Object(fields) => {
            // `a/b` may be one name: try ever longer ones.
            let mut name = first.to_owned();
            let mut rest = rest;
            loop {
                if let Some(found) = fields.get(&name).and_then(|below| look_up(rest, below)) {
                    return Some(found);
                }
                let (next, after) = rest.split_once('/')?;
                name = format!("{name}/{next}");
                rest = after;
            }
        }
        Value::Array(items) => look_up(rest, items.get(first.parse::<usize>().ok()?)?),
        _ => None,
    }
}

/// Gives components their usual types, and hands parameters down to those within.
fn hand_down(place: &str, node: Value, above: &Map<String, Value>) -> Value {
    let Value::Object(mut fields) = node else { return node };
    if !fields.contains_key("type")
        && !fields.contains_key("class_name")
        && let Some((_, usual)) = USUAL_TYPES.iter().find(|(known, _)| *known == place)
    {
        fields.insert("type".to_owned(), (*usual).into());
    }
    let mut parameters = above.clone();
    if let Some(Value::Object(own)) = fields.shift_remove(PARAMETERS) {
        parameters.extend(own.into_iter().filter(|(name, _)| name != LINE));
    }
    let has_type = matches!(fields.get("type"), Some(Value::String(kind)) if kind != "object");
    if !has_type {
        let is_schema = fields.contains_key("type");
        let is_component =
            |value: &Value| value.get("type").is_some_and(|kind| kind.as_str().is_some_and(|kind| !kind.is_empty()));
        if !is_schema && fields.values().any(is_component) {
            for (_, value) in fields.iter_mut().filter(|(_, value)| is_component(value)) {
                *value = hand_down(place, value.take(), &parameters);
            }
        }
        return Value::Object(fields);
    }
    for (name, value) in &parameters {
        let is_said = fields.get(name).is_some_and(is_truthy);
        if !is_said {
            fields.insert(name.clone(), value.clone());
        }
    }
    let kind = text(fields.get("type")).to_owned();
    for (name, value) in &mut fields {
        let mut below = parameters.clone();
        below.shift_remove(name);
        let place = format!("{kind}.{name}");
        match value {
            Value::Object(_) => *value = hand_down(&place, value.take(), &below),
            Value::Array(items) => {
                for item in items.iter_mut().filter(|item| item.is_object()) {
                    *item = hand_down(&place, item.take(), &below);
                }
            }
            _ => {}
        }
    }
    if !parameters.is_empty() {
        fields.insert(PARAMETERS.to_owned(), Value::Object(parameters));
    }
    Value::Object(fields)
}

fn is_truthy(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(fields) => fields.keys().any(|name| name != LINE),
        Value::Number(number) => number.as_f64().is_some_and(|number| number.abs() > 0.0),
        Value::Bool(true) => true,
    }
}

/// Whether Python takes it for true.
pub(super) fn is_true(value: Option<&Value>) -> bool {
    value.is_some_and(is_truthy)
}

/// The text, or none.
pub(super) fn text(value: Option<&Value>) -> &str {
    value.and_then(Value::as_str).unwrap_or_default()
}

/// The component's type.
pub(super) fn kind(node: &Value) -> &str {
    text(node.get("type"))
}

/// The line of a mapping.
pub(super) fn line(node: &Value) -> Option<usize> {
    node.get(LINE).and_then(Value::as_u64).and_then(|line| usize::try_from(line).ok())
}

/// What was handed down to a component.
pub(super) fn parameters(node: &Value) -> Map<String, Value> {
    node.get(PARAMETERS).and_then(Value::as_object).cloned().unwrap_or_default()
}

/// The component in a field that says something.
pub(super) fn component<'a>(node: &'a Value, name: &str) -> Option<&'a Value> {
    node.get(name).filter(|value| value.as_object().is_some_and(|fields| fields.keys().any(|key| key != LINE)))
}

/// The fields that a person wrote.
pub(super) fn fields(node: &Value) -> impl Iterator<Item = (&String, &Value)> {
    let own = |name: &str| !matches!(name, LINE | PARAMETERS);
    node.as_object().into_iter().flatten().filter(move |(name, _)| own(name))
}

/// The value without what this module put into it.
pub(super) fn plain(node: &Value) -> Value {
    match node {
        Value::Object(_) => Value::Object(fields(node).map(|(name, value)| (name.clone(), plain(value))).collect()),
        Value::Array(items) => Value::Array(items.iter().map(plain).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const TEXT: &str = "
streams:
  - $ref: '#/definitions/base'
    name: a
    $parameters: { path: /a, size: 7 }
definitions:
  base:
    type: DeclarativeStream
    name: base
    retriever:
      requester: { url_base: https://h, path: '{{ parameters.path }}', $ref: '#/definitions/method' }
      paginator: { type: DefaultPaginator, page_size_option: { field_name: n } }
  method: { http_method: POST }
";

    #[test]
    fn references_are_followed_and_parameters_handed_down() {
        let root = read(TEXT, "a.yaml").unwrap();
        let stream = &root["streams"][0];
        assert_eq!((line(stream), text(stream.get("name")), text(stream.get("path"))), (Some(3), "a", "/a"));
        let requester = &stream["retriever"]["requester"];
        assert_eq!((kind(requester), text(requester.get("http_method"))), ("HttpRequester", "POST"));
        // A field that is said stands over a parameter of its name.
        assert_eq!(text(requester.get("path")), "{{ parameters.path }}");
        assert_eq!(parameters(requester)["size"], json!(7));
        assert_eq!(kind(&stream["retriever"]["paginator"]["page_size_option"]), "RequestOption");
    }

    #[test]
    fn a_circle_and_a_reference_to_nothing_are_named() {
        for (text, reason) in [
            ("streams: ['#/a']\na: '#/b'\nb: '#/a'", "refers to itself"),
            ("streams: [{ $ref: '#/nothing' }]", "leads nowhere"),
            ("streams: [", ""),
            ("a: 1", "no low-code manifest"),
        ] {
            let error = read(text, "a.yaml").unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        }
    }
}
