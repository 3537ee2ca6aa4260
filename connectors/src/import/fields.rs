//! The fields that records are asked for with, in portions.

use serde_json::{Map, Value, json};

use super::convert::Convert;
use super::expression::Names;
use super::settings::plain_text;
use super::shape::{pointer, texts};
use super::tree::{self, component, kind, text};

/// The original's name for the fields of a portion, below the slice.
const THEIRS: [&str; 2] = ["extra_fields", "query_properties"];

/// What a requester asks for, and where it says it.
pub(super) struct AskedFor {
    param: Value,
    /// Names in one text, with commas.
    is_text: bool,
    definition: Value,
}

/// The fields that a requester asks for; requests know them by a name where a template puts them.
pub(super) fn asked_for(convert: &mut Convert<'_>, requester: &Value, names: &mut Names) -> Option<AskedFor> {
    for (name, value) in requester.get("request_parameters").into_iter().flat_map(tree::fields) {
        if kind(value) == "QueryProperties" {
            let name = convert.constant(requester, name)?;
            return Some(AskedFor { param: name.into(), is_text: true, definition: value.clone() });
        }
    }
    let definition = match component(requester, "query_properties") {
        Some(definition) => definition.clone(),
        None => json!({ "property_list": component(requester, "fetch_properties_from_endpoint")? }),
    };
    let name = convert.free_name("property_names", |name| names.partition.values().any(|known| known == name));
    names.partition.insert(THEIRS.map(str::to_owned).to_vec(), name.clone());
    names.lists.push(name.clone());
    Some(AskedFor { param: json!({ "as": name }), is_text: false, definition })
}

/// `fields:` of a stream.
pub(super) fn fields(
    convert: &mut Convert<'_>,
    stream: &Value,
    asked_for: &AskedFor,
    depth: usize,
) -> Result<Value, String> {
    let definition = &asked_for.definition;
    let mut out = Map::new();
    out.insert("param".to_owned(), asked_for.param.clone());
    let always = list(definition.get("always_include_properties"));
    let chunking = component(definition, "property_chunking");
    let limit =
        chunking.and_then(|chunking| chunking.get("property_limit")).and_then(Value::as_u64).filter(|limit| *limit > 0);
    // Without a limit what is always asked for stands behind the others.
    let is_behind = chunking.is_some() && limit.is_none();
    let of = match definition.get("property_list") {
        Some(Value::Array(names)) => {
            let mut names: Vec<Value> = names.iter().map(|name| plain_text(name).into()).collect();
            selected(convert, stream, definition, &mut names);
            if is_behind {
                names.extend(always.iter().cloned());
            }
            json!({ "list": names })
        }
        Some(endpoint @ Value::Object(_)) => {
            if component(definition, "property_selector").is_some() {
                return Err("fields of an endpoint that a schema chooses among".to_owned());
            }
            if is_behind && !always.is_empty() {
                convert.notes.approximated(definition, "fields that are always asked for stand before the others");
            }
            endpoint_names(convert, stream, endpoint, depth)?
        }
        _ => return Err("fields of no list".to_owned()),
    };
    out.insert("of".to_owned(), of.clone());
    if !(always.is_empty() || is_behind && of.get("list").is_some()) {
        out.insert("always".to_owned(), always.clone().into());
    }
    if asked_for.is_text {
        out.insert("separator".to_owned(), ",".into());
    }
    if let (Some(chunking), Some(limit)) = (chunking, limit) {
        portions(convert, chunking, limit, &always, &mut out)?;
    }
    Ok(Value::Object(out))
}

fn list(names: Option<&Value>) -> Vec<Value> {
    names.and_then(Value::as_array).into_iter().flatten().map(|name| plain_text(name).into()).collect()
}

/// How many go into one request, and how records are laid together.
fn portions(
    convert: &mut Convert<'_>,
    chunking: &Value,
    limit: u64,
    always: &[Value],
    out: &mut Map<String, Value>,
) -> Result<(), String> {
    // Ours counts what is always asked for, theirs does not.
    let at_most = if text(chunking.get("property_limit_type")) == "characters" {
        let own: usize = always.iter().map(|name| plain_text(name).chars().count() + 3).sum();
        json!({ "characters": limit + u64::try_from(own).unwrap_or_default() })
    } else {
        json!({ "names": limit + u64::try_from(always.len()).unwrap_or_default() })
    };
    out.insert("at_most".to_owned(), at_most);
    out.insert("source".to_owned(), super::paging::SOURCE.into());
    let keys = match component(chunking, "record_merge_strategy") {
        Some(strategy) if kind(strategy) != "GroupByKeyMergeStrategy" => {
            convert.custom(strategy, kind(strategy), "a way to lay records together");
            return Err(String::new());
        }
        Some(strategy) => texts(convert, strategy, strategy.get("key")).ok_or("the key of records is worked out")?,
        None => vec!["id".to_owned()],
    };
    let pointers: Vec<Value> = keys.iter().map(|key| pointer(std::slice::from_ref(key)).into()).collect();
    out.insert("merge_by".to_owned(), if let [one] = pointers.as_slice() { one.clone() } else { pointers.into() });
    out.insert("partial".to_owned(), "keep".into());
    Ok(())
}

/// Takes out the names that the schema of the stream does not know, where the original does.
fn selected(convert: &mut Convert<'_>, stream: &Value, definition: &Value, names: &mut Vec<Value>) {
    let Some(selector) = component(definition, "property_selector") else { return };
    if kind(selector) != "JsonSchemaPropertySelector" || selector.get("transformations").is_some() {
        convert.custom(selector, kind(selector), "a choice of fields");
        return;
    }
    let known = super::columns::properties(stream.get("schema_loader"));
    names.retain(|name| known.contains_key(plain_text(name).as_str()));
}

/// The names that another request lists.
fn endpoint_names(convert: &mut Convert<'_>, stream: &Value, endpoint: &Value, depth: usize) -> Result<Value, String> {
    let path = texts(convert, endpoint, endpoint.get("property_field_path"))
        .ok_or("the place of a field's name is worked out")?;
    let retriever = component(endpoint, "retriever").ok_or("fields of no request")?.clone();
    let name = format!("{} fields", text(stream.get("name")));
    let mut listing = json!({ "type": "DeclarativeStream", "name": name, "retriever": retriever });
    if let (Value::Object(fields), Some(parameters)) = (&mut listing, endpoint.get("$parameters")) {
        fields.insert("$parameters".to_owned(), parameters.clone());
    }
    let (name, routing) = convert.parent_stream(&listing, depth)?;
    if routing.parent.is_some() || routing.slices().is_some() {
        return Err("fields that are listed for each slice".to_owned());
    }
    Ok(json!({ "stream": { "stream": name, "field": pointer(&path) } }))
}
