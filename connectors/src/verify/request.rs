//! Verdicts on what a request sends: every parameter of a window, a page, a filter, by name, place and value.

use headwater_contract::TimestampFormat;
use serde_json::Value;

use super::facts::{Sent, Way};
use super::meaning::{Paged, Side, is_counted_down, paged, side};
use super::report::{FactKind, FactReport, Verdict};
use crate::decoding::Pointer;
use crate::description::{Location, Node, Operation, Parameter, Reached, Types, names_of, reach, types};

/// A verdict with its place and reason, before it has a name.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Finding {
    pub(super) verdict: Verdict,
    pub(super) place: Option<String>,
    pub(super) reason: String,
}

impl Finding {
    pub(super) fn found(place: &str) -> Self {
        Self { verdict: Verdict::Found, place: Some(place.to_owned()), reason: String::new() }
    }

    pub(super) fn contradicted(place: &str, reason: impl Into<String>) -> Self {
        Self { verdict: Verdict::Contradicted, place: Some(place.to_owned()), reason: reason.into() }
    }

    pub(super) fn unsaid(reason: impl Into<String>) -> Self {
        Self { verdict: Verdict::NotCovered, place: None, reason: reason.into() }
    }

    pub(super) fn at(mut self, place: &str) -> Self {
        self.place = Some(place.to_owned());
        self
    }

    pub(super) fn of(self, kind: FactKind, fact: impl Into<String>) -> FactReport {
        FactReport { kind, fact: fact.into(), verdict: self.verdict, place: self.place, reason: self.reason }
    }
}

/// Judges every name that the request sends.
pub(super) fn judge(operation: &Operation<'_>, all: &[Sent]) -> Vec<FactReport> {
    let declared = operation.parameters();
    all.iter()
        .map(|sent| {
            let finding = match &sent.way {
                Way::Query => in_query(operation, &declared, sent),
                Way::Header => in_header(&declared, sent),
                Way::Form => in_form(operation, &declared, sent),
                Way::Body(pointer) => in_body(operation, &declared, sent, pointer),
            };
            let finding = match meant_otherwise(operation, &declared, sent, all) {
                Some(reason) if finding.verdict == Verdict::Found => {
                    Finding { verdict: Verdict::Contradicted, reason, ..finding }
                }
                _ => finding,
            };
            finding.of(sent.kind, sent.name.clone())
        })
        .collect()
}

/// Why a parameter is for something else than it is used for, where its name and the others' say so.
fn meant_otherwise(operation: &Operation<'_>, declared: &[Parameter<'_>], sent: &Sent, all: &[Sent]) -> Option<String> {
    let wanted = match sent.kind {
        FactKind::PageSize => Paged::Size,
        FactKind::Paging => Paged::Place,
        FactKind::Window => {
            let wanted = sent.side?;
            let said = |one: &Sent| side(&one.name);
            let other = all.iter().find(|one| one.side.is_some_and(|side| side != wanted))?;
            let (from, until) = if wanted == Side::From { (sent, other) } else { (other, sent) };
            let is_swapped = said(from) == Some(Side::Until) && said(until) == Some(Side::From)
                || is_counted_down(&from.name, &until.name);
            return is_swapped
                .then(|| format!("by their names `{}` and `{}` are the other way round", sent.name, other.name));
        }
        _ => return None,
    };
    let means_other = paged(&sent.name).is_some_and(|meant| meant != wanted);
    if !means_other {
        return None;
    }
    let in_query = declared.iter().filter(|one| one.location == Location::Query).map(|one| one.name.to_owned());
    let bodies: Vec<Node<'_>> = operation.request_bodies().into_iter().map(|body| body.schema).collect();
    let in_body = names_of(&bodies).into_iter().map(|(name, _)| name);
    // Where the one is used for the other, neither need be listed beside them.
    let used =
        all.iter().find(|one| one.kind == FactKind::PageSize && wanted == Paged::Place).map(|one| one.name.clone());
    let used = used.filter(|name| paged(name) != Some(Paged::Size));
    let better = in_query.chain(in_body).find(|name| paged(name) == Some(wanted)).or(used)?;
    let what = if wanted == Paged::Size { "a place in the list" } else { "a size of pages" };
    Some(format!("by its name it is {what}, and `{better}` is what is looked for"))
}

fn in_query(operation: &Operation<'_>, declared: &[Parameter<'_>], sent: &Sent) -> Finding {
    let place = operation.node().place();
    let in_query: Vec<&Parameter<'_>> =
        declared.iter().filter(|parameter| parameter.location == Location::Query).collect();
    // A list can be written with brackets that are no part of its name.
    let is_it = |name: &str| name == sent.name || name.strip_suffix("[]") == Some(&sent.name);
    if let Some(parameter) = in_query.iter().find(|parameter| is_it(parameter.name)) {
        return value_fits(&parameter.schema, parameter.node.place(), sent);
    }
    if let Some(finding) = as_part_of_an_object(&in_query, sent) {
        return finding;
    }
    if let Some(elsewhere) = declared.iter().find(|parameter| parameter.name == sent.name) {
        let reason = format!("it travels in the {}, not in the query", elsewhere.location.as_str());
        return Finding::contradicted(elsewhere.node.place(), reason);
    }
    for body in operation.request_bodies() {
        if let Reached::At(nodes) = reach(vec![body.schema.clone()], std::slice::from_ref(&sent.name)) {
            let place = nodes.first().map_or(place, |node| node.place()).to_owned();
            return Finding::contradicted(&place, "it travels in the body, not in the query");
        }
    }
    if in_query.is_empty() {
        return Finding::unsaid("the operation declares no query parameters").at(place);
    }
    if let Some(open) = in_query.iter().find(|parameter| is_open_object(parameter)) {
        return Finding::unsaid(format!("`{}` takes names that are not listed", open.name)).at(open.node.place());
    }
    if let Some(other) = in_query.iter().find(|parameter| parameter.name.eq_ignore_ascii_case(&sent.name)) {
        return Finding::contradicted(other.node.place(), format!("it is written `{}`", other.name));
    }
    Finding::contradicted(place, format!("no such query parameter among {}", listed(&in_query)))
}

/// `created[gte]` as a field of the parameter `created`, and fields of an object that is written out into the query.
fn as_part_of_an_object(in_query: &[&Parameter<'_>], sent: &Sent) -> Option<Finding> {
    let (root, rest) = match sent.name.split_once('[') {
        Some((root, rest)) => (root, rest),
        None => ("", ""),
    };
    if !root.is_empty() {
        let parts: Vec<String> = rest.split(['[', ']']).filter(|part| !part.is_empty()).map(str::to_owned).collect();
        let holder =
            in_query.iter().find(|parameter| parameter.name == root || parameter.name == format!("{root}[]"))?;
        if parts.is_empty() {
            return Some(value_fits(&holder.schema, holder.node.place(), sent));
        }
        return Some(match reach(vec![holder.schema.clone()], &parts) {
            Reached::At(nodes) => fits_any(&nodes, sent).unwrap_or_else(|| Finding::unsaid("the parameter is empty")),
            Reached::Closed { place, reason } => Finding::contradicted(&place, reason),
            Reached::Unsaid { place, reason } => Finding::unsaid(reason).at(&place),
        });
    }
    let written_out = in_query.iter().filter(|parameter| {
        !parameter.is_deep_object() && types(std::slice::from_ref(&parameter.schema)).has("object")
    });
    for holder in written_out {
        if let Reached::At(nodes) = reach(vec![holder.schema.clone()], std::slice::from_ref(&sent.name))
            && let Some(finding) = fits_any(&nodes, sent)
        {
            return Some(finding);
        }
    }
    None
}

fn is_open_object(parameter: &Parameter<'_>) -> bool {
    let kinds = types(std::slice::from_ref(&parameter.schema));
    let probe = ["\u{1}".to_owned()];
    kinds.has("object")
        && !parameter.is_deep_object()
        && matches!(reach(vec![parameter.schema.clone()], &probe), Reached::Unsaid { .. })
}

fn in_header(declared: &[Parameter<'_>], sent: &Sent) -> Finding {
    let same = |parameter: &&Parameter<'_>| parameter.name.eq_ignore_ascii_case(&sent.name);
    match declared.iter().filter(|parameter| parameter.location == Location::Header).find(same) {
        Some(parameter) => value_fits(&parameter.schema, parameter.node.place(), sent),
        None => match declared.iter().find(|parameter| parameter.location == Location::Query && same(parameter)) {
            Some(parameter) => {
                Finding::contradicted(parameter.node.place(), "it travels in the query, not in a header")
            }
            None => Finding::unsaid("the operation does not list this header"),
        },
    }
}

fn in_form(operation: &Operation<'_>, declared: &[Parameter<'_>], sent: &Sent) -> Finding {
    let mut in_form = declared.iter().filter(|parameter| parameter.location == Location::Form);
    if let Some(parameter) = in_form.find(|parameter| parameter.name == sent.name) {
        return value_fits(&parameter.schema, parameter.node.place(), sent);
    }
    in_body(operation, declared, sent, &Pointer::parse(&sent.name))
}

fn in_body(operation: &Operation<'_>, declared: &[Parameter<'_>], sent: &Sent, pointer: &Pointer) -> Finding {
    let place = operation.node().place();
    let last = pointer.segments().last().map(String::as_str).unwrap_or_default();
    if !operation.takes_a_body() {
        if let Some(parameter) = declared.iter().find(|parameter| parameter.name == last) {
            let reason = format!("it travels in the {}, not in the body", parameter.location.as_str());
            return Finding::contradicted(parameter.node.place(), reason);
        }
        return match operation.method {
            "get" => Finding::contradicted(place, "the operation takes no body"),
            _ => Finding::unsaid("the operation describes no body").at(place),
        };
    }
    let bodies: Vec<Node<'_>> = operation.request_bodies().into_iter().map(|body| body.schema).collect();
    if bodies.is_empty() {
        return Finding::unsaid("the body has no schema").at(place);
    }
    match reach(bodies, pointer.segments()) {
        Reached::At(nodes) => {
            fits_any(&nodes, sent).unwrap_or_else(|| Finding::unsaid("the body has no schema").at(place))
        }
        Reached::Closed { place, reason } => {
            match declared.iter().find(|parameter| parameter.name == last && parameter.location == Location::Query) {
                Some(parameter) => {
                    Finding::contradicted(parameter.node.place(), "it travels in the query, not in the body")
                }
                None => Finding::contradicted(&place, reason),
            }
        }
        Reached::Unsaid { place, reason } => Finding::unsaid(reason).at(&place),
    }
}

/// Whether the value that is sent is one that any of these alternatives takes; `None` when there is none.
fn fits_any(nodes: &[Node<'_>], sent: &Sent) -> Option<Finding> {
    let judged = || nodes.iter().map(|node| value_fits(node, node.place(), sent));
    judged().find(|finding| finding.verdict == Verdict::Found).or_else(|| judged().next())
}

/// Whether the value that is sent is one that the parameter takes.
fn value_fits(schema: &Node<'_>, place: &str, sent: &Sent) -> Finding {
    let takes = types(std::slice::from_ref(schema));
    if let Some(value) = &sent.value
        && let Some(reason) = misfit(value, &takes)
    {
        return Finding::contradicted(place, reason);
    }
    if let Some(format) = &sent.format
        && let Some(reason) = instant_misfit(format, &takes)
    {
        return Finding::contradicted(place, reason);
    }
    Finding::found(place)
}

/// Why a fixed value is not one that the parameter takes.
fn misfit(value: &Value, takes: &Types) -> Option<String> {
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Array(_) | Value::Object(_) | Value::Null => return None,
        other => other.to_string(),
    };
    // A list in a query is often one text with commas.
    let is_plain = !takes.has("array") && !takes.has("object");
    if is_plain && !takes.values.is_empty() && !takes.values.iter().any(|one| as_text(one).eq_ignore_ascii_case(&text))
    {
        let values = takes.values.iter().take(6).map(as_text).collect::<Vec<_>>().join("`, `");
        return Some(format!("`{text}` is not among the values `{values}`"));
    }
    let number: Option<f64> = text.parse().ok();
    let wants_number = (takes.has("integer") || takes.has("number")) && takes.kinds.len() == 1;
    let wants_flag = takes.kinds == ["boolean"];
    if wants_flag && !["true", "false", "1", "0"].contains(&text.to_ascii_lowercase().as_str()) {
        return Some(format!("it takes true or false, not `{text}`"));
    }
    match (number, takes.range) {
        (None, _) if wants_number => Some(format!("it takes a number, not `{text}`")),
        (Some(number), (_, Some(most))) if number > most => Some(format!("it takes at most {most}, not {text}")),
        (Some(number), (Some(least), _)) if number < least => Some(format!("it takes at least {least}, not {text}")),
        _ => None,
    }
}

fn as_text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Why an instant cannot be sent in this format.
fn instant_misfit(format: &TimestampFormat, takes: &Types) -> Option<String> {
    let only = |kinds: &[&str]| takes.is_known() && takes.kinds.iter().all(|kind| kinds.contains(&kind.as_str()));
    let has_format = |format: &str| takes.formats.iter().any(|known| known == format);
    match format {
        TimestampFormat::UnixSeconds | TimestampFormat::UnixMillis => (only(&["string"])
            && (has_format("date-time") || has_format("date")))
        .then(|| "it takes a written date, and is sent a number".to_owned()),
        TimestampFormat::Rfc3339 if has_format("date") && !has_format("date-time") && only(&["string"]) => {
            Some("it takes a day, and is sent an instant".to_owned())
        }
        _ => {
            only(&["integer", "number", "boolean"]).then(|| "it takes a number, and is sent a written date".to_owned())
        }
    }
}

fn listed(parameters: &[&Parameter<'_>]) -> String {
    const SHOWN: usize = 8;
    let mut text = parameters.iter().take(SHOWN).map(|one| format!("`{}`", one.name)).collect::<Vec<_>>().join(", ");
    if parameters.len() > SHOWN {
        text.push_str(&format!(" and {} more", parameters.len() - SHOWN));
    }
    text
}
