//! Partitions of a stream: lists become slices, the records of other streams parents.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::convert::Convert;
use super::expression::Names;
use super::jinja::{Ast, Piece};
use super::request::Request;
use super::shape::{pointer, texts};
use super::tree::{self, component, kind, text};

/// Deepest chain of parents that is looked through.
const DEPTH_MAX: usize = 8;

/// What the routers of a stream come to.
#[derive(Clone, Debug, Default)]
pub(super) struct Routing {
    /// Lists of slices, those of the parents first.
    pub(super) slices: Vec<Value>,
    pub(super) parent: Option<Value>,
    /// The original's names below the slice, with ours.
    pub(super) partition: BTreeMap<Vec<String>, String>,
    /// Names of what a parent may lack.
    pub(super) nullable: Vec<String>,
    /// A parent's own parents are not seen.
    hides_above: bool,
    /// Values that go into each request.
    options: Vec<(Value, String)>,
}

impl Routing {
    /// Puts the partition's values where their options say.
    pub(super) fn inject(
        &self,
        convert: &mut Convert<'_>,
        requester: &Value,
        condition: Option<&str>,
        request: &mut Request,
    ) {
        for (option, name) in &self.options {
            let Some(target) = convert.target(option, requester) else { continue };
            request.place(&target, name, condition);
        }
    }

    /// `slices:` as a manifest writes it.
    pub(super) fn slices(&self) -> Option<Value> {
        match self.slices.as_slice() {
            [] => None,
            [one] => Some(one.clone()),
            several => Some(json!({ "product": several })),
        }
    }

    fn is_taken(&self, name: &str) -> bool {
        self.partition.values().any(|known| known == name)
    }
}

/// A name that placeholders can have.
pub(super) fn plain_name(name: &str) -> String {
    let letters: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    if letters.starts_with(|c: char| c.is_ascii_alphabetic()) { letters } else { format!("p_{letters}") }
}

/// The routers of a retriever.
pub(super) fn routing(convert: &mut Convert<'_>, retriever: &Value, depth: usize) -> Result<Routing, String> {
    let mut routing = Routing::default();
    let routers: Vec<&Value> = match retriever.get("partition_router").or_else(|| retriever.get("stream_slicer")) {
        Some(Value::Array(routers)) => routers.iter().collect(),
        Some(router @ Value::Object(_)) => vec![router],
        _ => Vec::new(),
    };
    // A parent that has slices itself hands them on, so it is the one that others stand beside.
    let (sliced, plain): (Vec<&Value>, Vec<&Value>) = routers.into_iter().partition(|router| is_sliced(router, 0));
    for router in sliced.into_iter().chain(plain) {
        route(convert, router, depth, &mut routing)?;
    }
    // Values of a parent's own parents are not seen where its records are slices.
    if routing.hides_above && names_parent_slice(retriever) {
        return Err("a partition of a partition, of a parent that stands beside another".to_owned());
    }
    Ok(routing)
}

/// Whether a router's parents have several partitions, or listed ones.
fn is_sliced(router: &Value, depth: usize) -> bool {
    let configs = router.get("parent_stream_configs").and_then(Value::as_array).into_iter().flatten();
    let retrievers = configs.filter_map(|config| config.get("stream")).filter_map(|stream| stream.get("retriever"));
    depth < DEPTH_MAX
        && retrievers.into_iter().any(|retriever| match retriever.get("partition_router") {
            Some(Value::Array(routers)) => {
                routers.len() > 1 || routers.iter().any(|router| is_listed(router) || is_sliced(router, depth + 1))
            }
            Some(router @ Value::Object(_)) => is_listed(router) || is_sliced(router, depth + 1),
            _ => false,
        })
}

fn is_listed(router: &Value) -> bool {
    matches!(kind(router), "ListPartitionRouter" | "ListStreamSlicer" | "UnionPartitionRouter")
}

fn names_parent_slice(node: &Value) -> bool {
    match node {
        Value::String(template) => super::jinja::is_template(template) && template.contains("parent_slice"),
        Value::Array(items) => items.iter().any(names_parent_slice),
        Value::Object(fields) => {
            fields.iter().any(|(name, value)| name != "partition_router" && names_parent_slice(value))
        }
        _ => false,
    }
}

fn route(convert: &mut Convert<'_>, router: &Value, depth: usize, routing: &mut Routing) -> Result<(), String> {
    match kind(router) {
        "ListPartitionRouter" | "ListStreamSlicer" => list(convert, router, routing),
        "SubstreamPartitionRouter" | "SubstreamSlicer" => substream(convert, router, depth, routing),
        "GroupingPartitionRouter" => grouping(convert, router, depth, routing),
        "UnionPartitionRouter" => union(convert, router, depth, routing),
        "" if tree::fields(router).next().is_none() => Ok(()),
        other => {
            convert.custom(router, other, "a partition router");
            Err(String::new())
        }
    }
}

fn list(convert: &mut Convert<'_>, router: &Value, routing: &mut Routing) -> Result<(), String> {
    let field = text(router.get("cursor_field"));
    let field = convert.constant(router, field).ok_or("the name of a partition is worked out")?;
    let name = convert.free_name(&plain_name(&field), |name| routing.is_taken(name));
    let slices = list_slices(convert, router, &name)?;
    routing.slices.push(slices);
    routing.partition.insert(vec![field], name.clone());
    if let Some(option) = component(router, "request_option") {
        routing.options.push((option.clone(), name));
    }
    Ok(())
}

/// The partitions of several routers, each value once; none of their options goes into requests.
fn union(convert: &mut Convert<'_>, router: &Value, depth: usize, routing: &mut Routing) -> Result<(), String> {
    let field = convert.constant_text(router, "partition_field").ok_or("the name of a partition is worked out")?;
    let name = convert.free_name(&plain_name(&field), |name| routing.is_taken(name));
    let mut parts = Vec::new();
    for inner in router.get("partition_routers").and_then(Value::as_array).into_iter().flatten() {
        let mut part = match kind(inner) {
            "ListPartitionRouter" => list_slices(convert, inner, &name)?,
            "SubstreamPartitionRouter" => {
                let mut own = Routing::default();
                substream(convert, inner, depth, &mut own)?;
                let Some(Value::Object(mut parent)) = own.parent else { return Err("a union of nothing".to_owned()) };
                let fields = parent.get("fields").and_then(Value::as_object).cloned().unwrap_or_default();
                let mut places = fields.values();
                let (Some(place), None, true) = (places.next(), places.next(), own.slices.is_empty()) else {
                    return Err("a union of partitions with fields or slices of their own".to_owned());
                };
                parent.insert("fields".to_owned(), json!({ name.clone(): place }));
                parent.shift_remove("nullable");
                json!({ "parent": parent })
            }
            other => {
                convert.custom(inner, other, "a partition router");
                return Err(String::new());
            }
        };
        if let Value::Object(fields) = &mut part {
            fields.shift_remove("as");
        }
        parts.push(part);
    }
    routing.slices.push(json!({ "union": parts, "as": name }));
    routing.partition.insert(vec![field], name);
    Ok(())
}

/// The values of a list, under a name.
fn list_slices(convert: &mut Convert<'_>, router: &Value, name: &str) -> Result<Value, String> {
    match router.get("values") {
        Some(Value::Array(values)) => {
            let values: Vec<Value> = values
                .iter()
                .map(|value| match value {
                    Value::String(text) => convert.constant(router, text).map(Value::from),
                    other => Some(other.clone()),
                })
                .collect::<Option<_>>()
                .ok_or("the values of a partition are worked out")?;
            Ok(json!({ "list": values, "as": name }))
        }
        Some(Value::String(template)) => listed(convert, router, template, name),
        _ => Err("a partition without values".to_owned()),
    }
}

/// A list that a template makes: a setting, or one written out.
fn listed(convert: &mut Convert<'_>, router: &Value, template: &str, name: &str) -> Result<Value, String> {
    let pieces = convert.pieces(router, &Names::default(), template)?;
    let [piece] = pieces.as_slice() else { return Err("the values of a partition are a text".to_owned()) };
    let ast = match piece {
        Piece::Text(text) => {
            return match crate::expression::literal(&Value::from(text.as_str())) {
                Value::Array(items) => Ok(json!({ "list": items, "as": name })),
                _ => Err("the values of a partition are a text".to_owned()),
            };
        }
        Piece::Expression(Ast::Constant(Value::Array(items))) => return Ok(json!({ "list": items, "as": name })),
        Piece::Expression(ast) => ast,
    };
    let (path, default) = setting_of(ast).ok_or_else(|| format!("the values `{template}` are worked out"))?;
    let setting = convert.list_setting(&path);
    if let Some(Value::Array(items)) = default {
        let found = convert.settings.find(&path);
        if found.default.is_none() {
            found.default = Some(Value::Array(items));
        }
    }
    Ok(json!({ "setting": setting, "as": name }))
}

/// The setting of a list, and what it is without one.
fn setting_of(ast: &Ast) -> Option<(Vec<String>, Option<Value>)> {
    let constant = |ast: &Ast| match ast {
        Ast::Constant(value) => Some(value.clone()),
        Ast::List(items) => items
            .iter()
            .map(|item| if let Ast::Constant(value) = item { Some(value.clone()) } else { None })
            .collect::<Option<Vec<_>>>()
            .map(Value::Array),
        _ => None,
    };
    if let Some(path) = ast.path().filter(|path| path.len() > 1 && path.first() == Some(&"config".into())) {
        return Some((path.iter().skip(1).map(super::settings::plain_text).collect(), None));
    }
    match ast {
        Ast::Binary("or", left, right) => {
            let (path, _) = setting_of(left)?;
            Some((path, Some(constant(right)?)))
        }
        Ast::If(then, _, Some(otherwise)) => match (setting_of(then), setting_of(otherwise)) {
            (Some((path, _)), None) => Some((path, Some(constant(otherwise)?))),
            (None, Some((path, _))) => Some((path, Some(constant(then)?))),
            _ => None,
        },
        // `config['ids'].split(',')`: lists are read from texts with commas.
        Ast::Call(called, arguments, _) => match (called.as_ref(), arguments.as_slice()) {
            (Ast::Attribute(of, method), [Ast::Constant(comma)])
                if method == "split" && comma.as_str().is_some_and(|comma| comma.trim() == ",") =>
            {
                setting_of(of)
            }
            (Ast::Attribute(of, method), [key, default]) if method == "get" => {
                let (path, _) = setting_of(&Ast::Item(of.clone(), Box::new(key.clone())))?;
                Some((path, Some(constant(default)?)))
            }
            _ => None,
        },
        Ast::Filter(of, name, ..) if matches!(name.as_str(), "list" | "unique") => setting_of(of),
        _ => None,
    }
}

/// What one parent gives.
struct Parent {
    stream: String,
    fields: Map<String, Value>,
    nullable: Vec<String>,
    own: String,
}

fn substream(convert: &mut Convert<'_>, router: &Value, depth: usize, routing: &mut Routing) -> Result<(), String> {
    let configs: Vec<&Value> =
        router.get("parent_stream_configs").and_then(Value::as_array).into_iter().flatten().collect();
    let [config] = configs.as_slice() else { return side_by_side(convert, &configs, depth, routing) };
    let (parent, above) = parent(convert, config, depth, routing)?;
    if routing.parent.is_some() && !above.slices.is_empty() {
        return Err("two parents that both have slices themselves".to_owned());
    }
    let mut settings = Map::new();
    settings.insert("stream".to_owned(), parent.stream.into());
    settings.insert("fields".to_owned(), Value::Object(parent.fields));
    settings.insert("absent".to_owned(), "skip".into());
    if !parent.nullable.is_empty() {
        settings.insert("nullable".to_owned(), parent.nullable.into());
    }
    if routing.parent.is_none() {
        routing.parent = Some(Value::Object(settings));
    } else {
        // Of two parents one lists slices.
        routing.hides_above |= above.parent.is_some();
        routing.slices.push(json!({ "parent": settings, "as": parent.own }));
    }
    Ok(())
}

/// Parents whose records are partitions one after the other, each under a name of its own: the same records under one name.
fn side_by_side(
    convert: &mut Convert<'_>,
    configs: &[&Value],
    depth: usize,
    routing: &mut Routing,
) -> Result<(), String> {
    let names: Vec<Option<String>> =
        configs.iter().map(|config| convert.constant_text(config, "partition_field")).collect();
    let has_extra =
        |config: &&Value| config.get("extra_fields").is_some() || component(config, "request_option").is_some();
    let [Some(first), rest @ ..] = names.as_slice() else { return Err("a partition of nothing".to_owned()) };
    if rest.iter().any(|name| name.as_ref() != Some(first)) || configs.iter().any(has_extra) {
        return Err("a partition of several parents side by side, under names of their own".to_owned());
    }
    let routers: Vec<Value> = configs
        .iter()
        .map(|config| json!({ "type": "SubstreamPartitionRouter", "parent_stream_configs": [config] }))
        .collect();
    convert.notes.approximated(
        configs.first().copied().unwrap_or(&Value::Null),
        "partitions of several parents: a value that several of them give is read once",
    );
    union(convert, &json!({ "partition_field": first, "partition_routers": routers }), depth, routing)
}

fn parent(
    convert: &mut Convert<'_>,
    config: &Value,
    depth: usize,
    routing: &mut Routing,
) -> Result<(Parent, Routing), String> {
    if config.get("lazy_read_pointer").is_some_and(|pointer| tree::is_true(Some(pointer))) {
        return Err("children that stand in their parent's answer".to_owned());
    }
    let stream = config.get("stream").ok_or("a parent without a stream")?;
    let (name, above) = convert.parent_stream(stream, depth)?;
    let field = convert.constant_text(config, "partition_field").ok_or("the name of a partition is worked out")?;
    let key = convert.constant_text(config, "parent_key").ok_or("the key of a parent is worked out")?;
    let parts: Vec<String> = key.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect();
    // What the parent has of its own parents is seen here too.
    for (path, ours) in &above.partition {
        let mut path = path.clone();
        path.insert(0, "parent_slice".to_owned());
        routing.partition.entry(path).or_insert_with(|| ours.clone());
    }
    routing.slices.extend(above.slices.iter().cloned());
    let own = convert.free_name(&plain_name(&field), |name| {
        routing.is_taken(name) || above.partition.values().any(|known| known == name)
    });
    let mut fields = Map::from_iter([(own.clone(), Value::from(pointer(&parts)))]);
    routing.partition.insert(vec![field], own.clone());
    let mut nullable = Vec::new();
    for extra in config.get("extra_fields").and_then(Value::as_array).into_iter().flatten() {
        let path = texts(convert, config, Some(extra)).ok_or("a field of a parent is worked out")?;
        let joined = path.join(".");
        let name = convert.free_name(&plain_name(&joined), |name| routing.is_taken(name) || fields.contains_key(name));
        fields.insert(name.clone(), pointer(&path).into());
        nullable.push(name.clone());
        routing.nullable.push(name.clone());
        routing.partition.insert(vec!["extra_fields".to_owned(), joined], name);
    }
    if let Some(option) = component(config, "request_option") {
        routing.options.push((option.clone(), own.clone()));
    }
    if tree::is_true(config.get("incremental_dependency")) {
        convert.notes.converted(config, "an incremental parent: windows of the child re-read its parents");
    }
    Ok((Parent { stream: name, fields, nullable, own }, above))
}

fn grouping(convert: &mut Convert<'_>, router: &Value, depth: usize, routing: &mut Routing) -> Result<(), String> {
    let inner = component(router, "underlying_partition_router").ok_or("a group of nothing")?;
    if kind(inner) != "SubstreamPartitionRouter" {
        return Err("a group of what is no parent's records".to_owned());
    }
    substream(convert, inner, depth, routing)?;
    let size = router.get("group_size").and_then(Value::as_u64).unwrap_or(1);
    let Some(Value::Object(parent)) = &mut routing.parent else {
        return Err("a group of what is no parent's records".to_owned());
    };
    let field = parent
        .get("fields")
        .and_then(Value::as_object)
        .and_then(|fields| fields.keys().next().cloned())
        .unwrap_or_default();
    let list = format!("{field}_list");
    parent.insert("batch".to_owned(), json!({ "field": field, "as": list, "parents": size }));
    for ours in routing.partition.values_mut().filter(|ours| **ours == field) {
        ours.clone_from(&list);
    }
    // Options of what is grouped go into no request.
    routing.options.retain(|(_, ours)| *ours != field);
    Ok(())
}
