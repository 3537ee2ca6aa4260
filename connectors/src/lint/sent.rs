//! What is sent: whether the values of pages and windows reach the request, and nothing else stands in their place.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Place, Rule};
use crate::expression::{Expression, Template, ValueManifest};
use crate::manifest::{BodyManifest, Manifest, Ordered, StreamManifest, WindowRequest};
use crate::pagination::{Pagination, ScrollRequest, Slot};

pub(super) fn judge(manifest: &Manifest, stream: &StreamManifest, place: &mut Place<'_, '_>) {
    let request = stream.window.as_ref().and_then(|window| window.request.as_ref());
    let bounds = request.into_iter().flat_map(WindowRequest::slots).map(|slot| (slot, "window.request"));
    let pages = stream.pagination.iter().flat_map(Pagination::slots).map(|slot| (slot, "pagination"));
    let token = stream.chain.iter().flat_map(|chain| &chain.param).map(|slot| (slot, "chain"));
    let size = stream.page_size.iter().flat_map(|size| &size.param).map(|slot| (slot, "page_size"));
    let fields = stream.fields.iter().map(|fields| (&fields.param, "fields"));
    let names = Names::of(manifest, stream);
    judge_others(manifest, stream, place);
    let mut seen: Vec<(&Slot, &str)> = Vec::new();
    for (slot, key) in bounds.chain(pages).chain(token).chain(size).chain(fields) {
        match slot {
            Slot::Name(name) if !names.has(name) => {
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

/// What goes along in requests of their own: ids that are looked up, and cursors of lists inside records.
fn judge_others(manifest: &Manifest, stream: &StreamManifest, place: &mut Place<'_, '_>) {
    let unused = |name: &str, key: &str, place: &mut Place<'_, '_>| {
        let what = format!("`{{{name}}}` has a value, and its request calls it nowhere");
        place.find(Rule::SlotUnused, key, what, format!("write `{{{name}}}` where the API takes it"));
    };
    for (field, lookup) in stream.lookups.iter().flat_map(Ordered::iter) {
        let Some(asked) = manifest.streams.get(&lookup.stream) else { continue };
        let asked = place.findings.connector.with_defaults(asked.clone());
        if let Slot::Name(name) = &lookup.param
            && !Names::of(manifest, &asked).has(name)
        {
            unused(name, &format!("lookups.{field}"), place);
        }
    }
    for (field, connection) in stream.connections.iter().flat_map(Ordered::iter) {
        let mut names = if connection.path.is_none() { Names::of(manifest, stream) } else { Names::default() };
        names.templates(&connection.path);
        names.values(&connection.params);
        names.bodies(&connection.body);
        if let Some(Slot::Name(name)) = &connection.param
            && !names.has(name)
        {
            unused(name, &format!("connections.{field}"), place);
        }
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

/// Every name that some part of a stream's requests calls.
#[derive(Debug, Default)]
struct Names(BTreeSet<String>);

impl Names {
    fn of(manifest: &Manifest, stream: &StreamManifest) -> Self {
        let mut names = Self::default();
        names.templates(stream.path.iter().chain(&stream.base_url));
        names.values([&manifest.http.headers]);
        names.values(stream.params.iter().chain(&stream.headers));
        names.bodies(&stream.body);
        for way in stream.by_age.iter().flatten() {
            names.templates(&way.path);
            names.values(&way.params);
        }
        if let Some(job) = &stream.job {
            names.templates([&job.create.path]);
            names.values(std::iter::once(&job.create.params).chain(&job.create.headers));
            names.bodies(&job.create.body);
        }
        let pages = stream.pagination.as_ref().map(|pages| match pages {
            Pagination::AdvancingFrom(advancing) => &*advancing.pages,
            pages => pages,
        });
        if let Some(Pagination::Scroll(scroll)) = pages {
            scroll.next.iter().chain(&scroll.close).for_each(|request| names.scroll(request));
        }
        let steps = crate::shaping::Shape::new(stream.shape.clone().unwrap_or_default(), Vec::new());
        names.0.extend(steps.iter().flat_map(crate::shaping::Shape::given).map(str::to_owned));
        names.through_values(stream);
        names
    }

    fn has(&self, name: &str) -> bool {
        self.0.contains(name)
    }

    /// What is worked out of a name calls it, if it is called itself.
    fn through_values(&mut self, stream: &StreamManifest) {
        let mut left: Vec<(&str, &ValueManifest)> = stream.values.iter().flat_map(Ordered::iter).collect();
        while let Some(at) = left.iter().position(|(name, _)| self.has(name)) {
            let (_, value) = left.swap_remove(at);
            self.value(value);
        }
    }

    fn scroll(&mut self, request: &ScrollRequest) {
        self.templates([&request.path]);
        self.values(&request.params);
        self.bodies(&request.body);
    }

    fn templates<'a>(&mut self, templates: impl IntoIterator<Item = &'a Template>) {
        self.0.extend(templates.into_iter().flat_map(Template::names).map(str::to_owned));
    }

    fn values<'a>(&mut self, all: impl IntoIterator<Item = &'a Ordered<ValueManifest>>) {
        for (name, value) in all.into_iter().flat_map(Ordered::iter) {
            self.text(name);
            self.value(value);
        }
    }

    fn value(&mut self, value: &ValueManifest) {
        match value {
            ValueManifest::Plain(_) => {}
            ValueManifest::Text(text) => self.templates([text]),
            ValueManifest::Computed(expression) => self.expression(expression),
            ValueManifest::List(items) => items.iter().for_each(|item| self.value(item)),
        }
    }

    fn bodies<'a>(&mut self, bodies: impl IntoIterator<Item = &'a BodyManifest>) {
        for body in bodies {
            match body {
                BodyManifest::Json(json) => self.json(json),
                BodyManifest::Form(fields) => self.values([fields]),
                BodyManifest::Computed(expression) => self.expression(expression),
                BodyManifest::Text(text) => self.value(&text.content),
                BodyManifest::Graphql(graphql) => {
                    self.text(&graphql.query);
                    graphql.variables.iter().for_each(|variables| self.json(variables));
                }
            }
        }
    }

    fn json(&mut self, value: &Value) {
        match value {
            Value::String(text) => self.text(text),
            Value::Array(items) => items.iter().for_each(|item| self.json(item)),
            Value::Object(fields) => fields.values().for_each(|item| self.json(item)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn expression(&mut self, expression: &Expression) {
        let roots = expression.names();
        self.0.extend(roots.iter().map(|name| name.split('.').next().unwrap_or(name).to_owned()));
    }

    /// The placeholders of a text in which other braces may stand, such as those of a query language.
    fn text(&mut self, text: &str) {
        for after in text.split('{').skip(1) {
            let Some((inside, _)) = after.split_once('}') else { continue };
            let name = inside.strip_prefix(['+', '*']).unwrap_or(inside);
            if !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
                self.0.insert(name.to_owned());
            }
        }
    }
}
