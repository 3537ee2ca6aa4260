//! Which request of a stream one is, and what its names stand for: placeholders are read out of the texts that they were filled in to.
//!
//! What an expression made cannot be read back. It is computed for everything that the vendor can be asked for, until it gives what came.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use chrono::{DateTime, Utc};
use headwater_contract::TimeRange;
use serde_json::Value;

use super::asks::{Ask, Role};
use super::place::plain;
use crate::conformance::server::Asked;
use crate::expression::{Expression, Scalar, Scope, Template, ValueManifest};
use crate::manifest::{BodyManifest, GraphqlBody, Ordered};
use crate::pagination::Slot;
use crate::source::standing_names;
use crate::stream::{RequestPlan, Stream};
use crate::windowing::Wire;

/// What the names of a request stand for.
pub(super) type Names = BTreeMap<String, String>;

/// A request that fits a plan.
#[derive(Clone, Debug, Default)]
pub(super) struct Fit {
    /// Characters of it that stand in the manifest as they were sent.
    pub(super) score: usize,
    pub(super) names: Names,
}

/// What a request is held against.
#[derive(Debug)]
pub(super) struct Candidate<'a> {
    pub(super) ask: &'a Ask,
    /// Names of the source, the slice and the parents.
    pub(super) scope: &'a Scope,
    /// The names whose values are the same in each such request.
    pub(super) known: &'a Scope,
    /// The path of the base URL.
    pub(super) base: &'a str,
    /// Ranges that may be asked for, for expressions.
    pub(super) ranges: &'a [TimeRange],
    /// A later page, which may leave out what the first one said.
    pub(super) is_alone: bool,
}

/// The names whose values are the same in each request of a plan by one owner.
pub(super) fn known_names(stream: &Stream, plan: &RequestPlan, scope: &Scope) -> Scope {
    let mut known = standing_names(stream, plan, scope);
    for slot in slots(stream, plan) {
        if let Slot::Name(name) = slot {
            known.remove(name);
        }
    }
    known
}

/// Where pages, windows and tokens say what they ask for.
fn slots<'a>(stream: &'a Stream, plan: &'a RequestPlan) -> Vec<&'a Slot> {
    let request = stream.window.as_ref().and_then(|window| window.request.as_ref());
    let mut slots = stream.pagination.slots();
    slots.extend(request.into_iter().flat_map(|request| request.slots()));
    slots.extend(stream.chain.iter().filter_map(|chain| chain.param.as_ref()));
    slots.extend(plan.page_size.iter().filter_map(|size| size.param.as_ref()));
    slots
}

impl Candidate<'_> {
    fn plan(&self) -> &RequestPlan {
        &self.ask.kind.plan
    }

    /// How the request fits, if it does.
    pub(super) fn fit(&self, asked: &Asked) -> Option<Fit> {
        let method = self.plan().method.name();
        let is_posted = asked.method == "POST" && method == "GET" && !asked.body.is_empty();
        if asked.method != method && !is_posted {
            return None;
        }
        let known = self.known;
        let mut fit = Fit::default();
        let path = asked.path.strip_prefix(self.base)?;
        let templates = std::iter::once(&self.plan().path).chain(self.plan().by_age.iter().flat_map(|way| &way.path));
        let (score, names) = templates
            .filter_map(|template| Some((template.literal_length(), template.unfill(path, known, true)?)))
            .max_by_key(|(score, _)| *score)?;
        fit.score += score + 1;
        fit.names.extend(names);
        let ages = self.plan().by_age.iter().flat_map(|way| way.params.iter().flat_map(Ordered::iter));
        let changed: Vec<&str> = ages.map(|(name, _)| name).collect();
        for (name, value) in self.plan().params.iter().filter(|(name, _)| !changed.contains(name)) {
            let name = Template::parse(name).ok()?.fill(known).ok()?;
            if !self.is_slot(&name, known) {
                self.parameter(&name, value, asked, known, &mut fit)?;
            }
        }
        for (name, value) in self.plan().headers.iter() {
            if let ValueManifest::Text(template) = value
                && let Some(text) = asked.header(name)
            {
                fit.names.extend(template.unfill(text, known, false)?);
            }
        }
        if !self.is_alone {
            self.body(asked, known, &mut fit)?;
        }
        Some(fit)
    }

    /// Whether pages, windows or tokens say this parameter.
    fn is_slot(&self, name: &str, known: &Scope) -> bool {
        slots(&self.ask.kind.stream, self.plan()).iter().any(|slot| slot.fill(known).is_ok_and(|slot| slot == name))
    }

    fn parameter(&self, name: &str, value: &ValueManifest, asked: &Asked, known: &Scope, fit: &mut Fit) -> Option<()> {
        if name.starts_with('/') {
            return Some(());
        }
        let found = asked.query(name);
        if found.is_none() && self.is_alone {
            return Some(());
        }
        self.value(value, found, known, fit)
    }

    /// Holds one value against what the manifest says of it.
    fn value(&self, value: &ValueManifest, found: Option<&str>, known: &Scope, fit: &mut Fit) -> Option<()> {
        match value {
            ValueManifest::List(_) => {}
            ValueManifest::Plain(scalar) => {
                let text = scalar.to_string();
                if found != Some(text.as_str()) {
                    return None;
                }
                fit.score += text.len() + 1;
            }
            ValueManifest::Text(template) => {
                let found = found.unwrap_or_default();
                fit.names.extend(template.unfill(found, known, false)?);
                fit.score += template.literal_length() + 1;
            }
            ValueManifest::Computed(expression) => {
                fit.names.extend(self.computed(expression, found, known)?);
                fit.score += 1;
            }
        }
        Some(())
    }

    /// What the names of an expression stand for, so that it gives what came.
    fn computed(&self, expression: &Expression, found: Option<&str>, known: &Scope) -> Option<Names> {
        let gives = |scope: &Scope| match expression.evaluate(scope) {
            Ok(Value::Null) => found.is_none(),
            Ok(value) => found.is_some_and(|found| plain(&value).is_none_or(|text| text == found)),
            Err(_) => false,
        };
        let unknown: Vec<String> = expression
            .names()
            .into_iter()
            .map(|name| name.split('.').next().unwrap_or_default().to_owned())
            .filter(|name| !known.contains_key(name))
            .collect();
        if unknown.is_empty() {
            return gives(known).then(Names::new);
        }
        // A page's token is never part of what is computed; what is neither known nor a bound is empty.
        let from = |bounds: &Names| {
            let mut names = bounds.clone();
            for name in &unknown {
                names.entry(name.clone()).or_default();
            }
            let mut scope = known.clone();
            scope.extend(names.iter().map(|(name, value)| (name.clone(), Scalar::Text(value.clone()))));
            gives(&scope).then_some(names)
        };
        // The names of a list inside a record differ from record to record.
        if matches!(self.ask.kind.role, Role::Connection(_)) {
            return self.bounds().iter().find_map(from);
        }
        let key = (expression.as_str().to_owned(), found.map(str::to_owned));
        let mut computed = self.ask.computed.lock().unwrap_or_else(PoisonError::into_inner);
        computed.entry(key).or_insert_with(|| self.bounds().iter().find_map(from)).clone()
    }

    /// What names of bounds stand for, for each range that may be asked for.
    fn bounds(&self) -> &[Names] {
        self.ask.bounds.get_or_init(|| self.all_bounds())
    }

    fn all_bounds(&self) -> Vec<Names> {
        let Some(window) = &self.ask.kind.stream.window else { return vec![Names::new()] };
        let Ok(wire) = Wire::new(window, self.scope, DateTime::<Utc>::UNIX_EPOCH) else { return vec![Names::new()] };
        let mut all = vec![Names::new()];
        let whole = self.ranges.iter().filter_map(|range| wire.bounds(*range));
        let later = self.ranges.iter().flat_map(|range| {
            let within = self.ask.times.iter().filter(|at| range.contains(**at));
            within.filter_map(|at| wire.bounds_from(*at, *range))
        });
        for (from, until) in whole.chain(later) {
            let rfc3339 = |at: DateTime<Utc>| at.format("%Y-%m-%dT%H:%M:%S%.fZ").to_string();
            let mut names = Names::from([("from".to_owned(), rfc3339(from)), ("until".to_owned(), rfc3339(until))]);
            for (slot, value) in wire.values((from, until)) {
                if let Slot::Name(name) = slot {
                    names.insert(name, plain(&value).unwrap_or_default());
                }
            }
            all.push(names);
        }
        all
    }

    fn body(&self, asked: &Asked, known: &Scope, fit: &mut Fit) -> Option<()> {
        match &self.plan().body {
            None => Some(()),
            Some(BodyManifest::Json(json)) => self.json(json, Some(&asked.json), "", known, fit),
            Some(BodyManifest::Form(fields)) => {
                for (name, value) in fields.iter() {
                    if !self.is_slot(&format!("/{name}"), known) {
                        let found = asked.form.iter().find(|(known, _)| known == name);
                        self.value(value, found.map(|(_, value)| value.as_str()), known, fit)?;
                    }
                }
                Some(())
            }
            // What it comes to depends on the whole scope of the request, which the engine alone knows.
            Some(BodyManifest::Computed(_)) => (!asked.json.is_null()).then_some(()),
            Some(BodyManifest::Text(text)) => {
                let body = String::from_utf8_lossy(&asked.body).into_owned();
                self.value(&text.content, Some(&body), known, fit)
            }
            Some(BodyManifest::Graphql(graphql)) => self.graphql(graphql, asked, known, fit),
        }
    }

    fn graphql(&self, graphql: &GraphqlBody, asked: &Asked, known: &Scope, fit: &mut Fit) -> Option<()> {
        let query = graphql.query_with(known);
        if asked.json.get("query")?.as_str()? != query {
            return None;
        }
        fit.score += query.len();
        match &graphql.variables {
            Some(variables) => self.json(variables, asked.json.get("variables"), "/variables", known, fit),
            None => Some(()),
        }
    }

    /// Holds a body against its template; what stands at the pointer of a slot is another one's to read.
    fn json(&self, template: &Value, found: Option<&Value>, at: &str, known: &Scope, fit: &mut Fit) -> Option<()> {
        if self.is_slot(at, known) {
            return Some(());
        }
        match template {
            Value::Object(fields) => fields.iter().try_for_each(|(name, field)| {
                let below = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
                self.json(field, found?.get(name), &below, known, fit)
            }),
            Value::Array(items) => items
                .iter()
                .enumerate()
                .try_for_each(|(place, item)| self.json(item, found?.get(place), &format!("{at}/{place}"), known, fit)),
            Value::String(text) => {
                let template = Template::parse(text).ok()?;
                if template.names().next().is_some() && found.is_some_and(|found| plain(found).is_none()) {
                    return Some(());
                }
                let found = found.and_then(plain).unwrap_or_default();
                fit.names.extend(template.unfill(&found, known, false)?);
                fit.score += template.literal_length();
                Some(())
            }
            other => {
                fit.score += 1;
                (found == Some(other)).then_some(())
            }
        }
    }
}
