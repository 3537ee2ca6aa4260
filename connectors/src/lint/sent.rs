//! What is sent: whether the values of pages and windows reach the request, and nothing else stands in their place.

use serde_json::Value;

use super::{Place, Rule};
use crate::expression::{Template, ValueManifest};
use crate::manifest::{BodyManifest, Ordered, StreamManifest, WindowRequest};
use crate::pagination::Slot;

pub(super) fn judge(stream: &StreamManifest, place: &mut Place<'_, '_>) {
    let request = stream.window.as_ref().and_then(|window| window.request.as_ref());
    let bounds = request.into_iter().flat_map(WindowRequest::slots).map(|slot| (slot, "window.request"));
    let pages =
        stream.pagination.iter().flat_map(crate::pagination::Pagination::slots).map(|slot| (slot, "pagination"));
    let token = stream.chain.iter().flat_map(|chain| &chain.param).map(|slot| (slot, "chain"));
    let size = stream.page_size.iter().flat_map(|size| &size.param).map(|slot| (slot, "page_size"));
    let texts = texts(stream);
    let mut seen: Vec<(&Slot, &str)> = Vec::new();
    for (slot, key) in bounds.chain(pages).chain(token).chain(size) {
        match slot {
            Slot::Name(name) if !texts.iter().any(|text| uses(text, name)) => {
                let what = format!("`{slot}` has a value, and no path, parameter, header or body calls it");
                place.find(Rule::SlotUnused, key, what, format!("write `{{{name}}}` where the API takes it"));
            }
            Slot::Query(name) if stream.params.as_ref().is_some_and(|params| is_fixed(params, name)) => {
                let what = format!("`{slot}` is sent with a fixed value under `params` too");
                place.find(Rule::SentTwice, key, what, format!("remove `{slot}` from `params`"));
            }
            Slot::Body(_) if matches!(stream.body, Some(BodyManifest::Text(_))) => {
                let what = format!("`{slot}` points into a body that is plain text");
                place.find(
                    Rule::SlotInNoBody,
                    key,
                    what,
                    "give the value a name by `{ as: … }` and write it into the text",
                );
            }
            Slot::Body(pointer) if is_outside_variables(stream, pointer) => {
                let what = format!("`{slot}` points outside the variables of the GraphQL query");
                place.find(Rule::SlotInNoBody, key, what, "write `/variables/…` with the variable's name");
            }
            _ => {}
        }
        // A list that is turned by moving a bound carries both in one parameter.
        let is_taken =
            seen.iter().any(|(other, by)| *other == slot && (*by != "window.request" || key != "pagination"));
        if is_taken && !matches!(slot, Slot::Name(_)) {
            let what = format!("`{slot}` carries two values");
            place.find(Rule::SentTwice, key, what, "give each value a parameter of its own");
        }
        seen.push((slot, key));
    }
}

/// Whether a list of parameters holds this one with a value that never changes.
fn is_fixed(params: &Ordered<ValueManifest>, name: &Template) -> bool {
    params.get(name.as_str()).is_some_and(|value| match value {
        ValueManifest::Plain(_) => true,
        ValueManifest::Text(text) => text.names().next().is_none(),
        ValueManifest::Computed(_) | ValueManifest::List(_) => false,
    })
}

fn is_outside_variables(stream: &StreamManifest, pointer: &Template) -> bool {
    matches!(stream.body, Some(BodyManifest::Graphql(_))) && !pointer.as_str().starts_with("/variables/")
}

/// Every text of a request in which a name can stand.
fn texts(stream: &StreamManifest) -> Vec<String> {
    let mut texts: Vec<String> = stream.path.iter().map(|path| path.as_str().to_owned()).collect();
    let mut values = |values: &Ordered<ValueManifest>| {
        for (name, value) in values.iter() {
            texts.push(name.to_owned());
            value_texts(value, &mut texts);
        }
    };
    stream.params.iter().for_each(&mut values);
    stream.headers.iter().for_each(&mut values);
    for way in stream.by_age.iter().flatten() {
        way.params.iter().for_each(&mut values);
    }
    if let Some(BodyManifest::Form(fields)) = &stream.body {
        values(fields);
    }
    if let Some(job) = &stream.job {
        values(&job.create.params);
    }
    texts.extend(
        stream.by_age.iter().flatten().filter_map(|way| way.path.as_ref()).map(|path| path.as_str().to_owned()),
    );
    let mut body = |body: &BodyManifest| match body {
        BodyManifest::Json(json) => json_texts(json, &mut texts),
        BodyManifest::Computed(expression) => texts.push(expression.as_str().to_owned()),
        BodyManifest::Text(text) => value_texts(&text.content, &mut texts),
        BodyManifest::Graphql(graphql) => {
            texts.push(graphql.query.clone());
            graphql.variables.iter().for_each(|variables| json_texts(variables, &mut texts));
        }
        BodyManifest::Form(_) => {}
    };
    stream.body.iter().for_each(&mut body);
    if let Some(job) = &stream.job {
        job.create.body.iter().for_each(&mut body);
        texts.push(job.create.path.as_str().to_owned());
    }
    texts
}

fn value_texts(value: &ValueManifest, texts: &mut Vec<String>) {
    match value {
        ValueManifest::Plain(_) => {}
        ValueManifest::Text(text) => texts.push(text.as_str().to_owned()),
        // The names of an expression, as placeholders, so that both are looked for alike.
        ValueManifest::Computed(expression) => {
            texts.extend(
                expression.names().iter().map(|name| format!("{{{}}}", name.split('.').next().unwrap_or(name))),
            );
        }
        ValueManifest::List(items) => items.iter().for_each(|item| value_texts(item, texts)),
    }
}

fn json_texts(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::String(text) => texts.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| json_texts(item, texts)),
        Value::Object(fields) => fields.values().for_each(|item| json_texts(item, texts)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn uses(text: &str, name: &str) -> bool {
    text.contains(&format!("{{{name}}}")) || text.contains(&format!("{{+{name}}}"))
}
