//! How the next page is asked for.

use serde_json::{Map, Value, json};

use super::convert::Convert;
use super::expression::{Code, Kind, Names, Place};
use super::jinja::{self, Ast, Piece};
use super::request::Target;
use super::shape::pointer;
use super::tree::{component, is_true, kind, text};

/// What a paginator comes to.
#[derive(Debug, Default)]
pub(super) struct Paging {
    pub(super) pagination: Option<Value>,
    pub(super) page_size: Option<Value>,
    /// Where a size goes that is no number, and what it is.
    pub(super) computed_size: Option<(Target, String)>,
    /// Values of the parameter without a name, of which the last counts.
    pub(super) nameless: Vec<Value>,
    /// The form must be there, even if nothing else stands in it.
    pub(super) needs_form: bool,
    /// Where the token goes that requests know by a name, beside the places where templates put it.
    pub(super) named_token: Option<Target>,
}

/// How many records make a full page.
struct Size {
    number: Option<u64>,
    /// The same in an expression over a page.
    of_page: Option<String>,
    /// The same in a request.
    template: Option<String>,
}

/// The pagination of a retriever.
#[expect(clippy::too_many_lines, reason = "where size and token go, one after the other")]
pub(super) fn paging(convert: &mut Convert<'_>, retriever: &Value, requester: &Value, names: &Names) -> Paging {
    let mut paging = Paging::default();
    let Some(paginator) = component(retriever, "paginator") else { return paging };
    match kind(paginator) {
        "DefaultPaginator" => {}
        "NoPagination" | "" => return paging,
        other => {
            convert.custom(paginator, other, "a paginator");
            return paging;
        }
    }
    let Some(strategy) = component(paginator, "pagination_strategy") else { return paging };
    let size = size(convert, strategy, names);
    let size_target = component(paginator, "page_size_option").and_then(|option| convert.target(option, requester));
    let option = component(paginator, "page_token_option");
    let is_path = option.is_some_and(|option| kind(option) == "RequestPath");
    let token = option.filter(|_| !is_path).and_then(|option| convert.target(option, requester));
    if token.is_none() && !is_path && names.token.is_none() {
        convert.notes.approximated(
            paginator,
            "pages whose token no request sends: one page is read, where the original asks for it for ever",
        );
        paging.page_size = size.number.zip(size_target).map(|(number, target)| sized(&target, number));
        return paging;
    }
    // A parameter without a name is no slot of ours, and is written beside the others.
    let is_nameless = |target: &Target| matches!(target, Target::Query(name) if name.is_empty());
    let token = match token {
        Some(target) if is_nameless(&target) => {
            let token = super::convert::TOKEN;
            paging.nameless.push(json!({ "expression": format!("{token} or none") }));
            Some(Target::Named(token.to_owned()))
        }
        other => other,
    };
    let size_target = match size_target {
        Some(target) if is_nameless(&target) => {
            paging.nameless.extend(size.number.map(Value::from));
            None
        }
        other => other,
    };
    paging.needs_form = [&size_target, &token].into_iter().flatten().any(|target| matches!(target, Target::Form(_)));
    let mut is_sent = false;
    if let Some(target) = size_target {
        match (size.number, &size.template) {
            (Some(number), _) => {
                paging.page_size = Some(sized(&target, number));
                is_sent = true;
            }
            (None, Some(template)) => paging.computed_size = Some((target, template.clone())),
            (None, None) => {}
        }
    }
    // Values that the request calls by a name.
    let slot = match (&names.token, &token) {
        (Some(name), _) => Some(json!({ "as": name })),
        (None, Some(target)) => Some(target.slot()),
        (None, None) => None,
    };
    if names.token.is_some() {
        paging.named_token = token.clone().filter(|target| !matches!(target, Target::Named(_)));
    }
    let is_typed = names.token.is_some() || matches!(token, Some(Target::Json(_)));
    paging.pagination = match kind(strategy) {
        "PageIncrement" => counted(convert, strategy, slot, is_typed, &size, is_sent, true),
        "OffsetIncrement" => counted(convert, strategy, slot, is_typed, &size, is_sent, false),
        "CursorPagination" => cursor(convert, strategy, requester, slot, is_typed, is_path, names),
        other => {
            convert.custom(strategy, other, "a pagination");
            None
        }
    };
    paging
}

/// A page size at its place.
fn sized(target: &Target, number: u64) -> Value {
    json!({ "param": target.slot(), "value": number, "source": SOURCE })
}

/// What stands for the page that says a vendor's number, which a low-code manifest does not know.
pub(super) const SOURCE: &str = "the imported manifest";

fn size(convert: &mut Convert<'_>, strategy: &Value, names: &Names) -> Size {
    let none = Size { number: None, of_page: None, template: None };
    match strategy.get("page_size") {
        Some(Value::Number(number)) => {
            let number = number.as_u64().filter(|number| *number > 0);
            Size { of_page: number.map(|number| number.to_string()), number, template: None }
        }
        Some(Value::String(template)) if !template.is_empty() => {
            if let Some(number) = convert.constant(strategy, template).and_then(|text| text.trim().parse::<u64>().ok())
            {
                return Size { number: Some(number), of_page: Some(number.to_string()), template: None };
            }
            let code = convert.translate(strategy, names, Place::Page, |translator| translator.as_it_is(template));
            match code {
                Ok(code) => Size {
                    number: None,
                    of_page: Some(format!("({} | int)", code.tight())),
                    template: Some(template.clone()),
                },
                Err(reason) => {
                    convert.notes.impossible(strategy, format!("a page size: {reason}"));
                    none
                }
            }
        }
        _ => none,
    }
}

/// Pages by number, or by the number of records before them.
fn counted(
    convert: &mut Convert<'_>,
    strategy: &Value,
    slot: Option<Value>,
    is_typed: bool,
    size: &Size,
    is_sent: bool,
    is_page: bool,
) -> Option<Value> {
    let slot = slot?;
    let is_silent = !is_true(strategy.get("inject_on_first_request"));
    let first = if is_page { convert.number(strategy, "start_from_page").unwrap_or_default() } else { 0.0 };
    let first = format!("{first:.0}").parse::<i64>().unwrap_or_default();
    let more = size.of_page.as_ref().map(|size| json!({ "expression": format!("count >= {size} and count > 0") }));
    if is_typed {
        let value = if is_page { format!("page + {}", first + 1) } else { "read + count".to_owned() };
        let mut send = json!({ "param": slot, "value": { "expression": value } });
        if let (false, Value::Object(fields)) = (is_silent, &mut send) {
            fields.insert("first".to_owned(), first.into());
        }
        let more = more.unwrap_or_else(|| json!({ "expression": "count > 0" }));
        return Some(json!({ "cursor": { "send": [send], "more": more } }));
    }
    let mut settings = Map::new();
    settings.insert("param".to_owned(), slot);
    if is_page {
        let Ok(first) = u64::try_from(first) else {
            convert.notes.impossible(strategy, "pages that begin below 0");
            return None;
        };
        settings.insert("first".to_owned(), first.into());
    }
    if is_silent {
        settings.insert("first_is_silent".to_owned(), true.into());
    }
    if is_sent && size.number.is_some() {
        settings.insert("short_page".to_owned(), true.into());
    } else if let Some(more) = more {
        settings.insert("more".to_owned(), more);
    }
    Some(if is_page { json!({ "page_number": settings }) } else { json!({ "offset": settings }) })
}

/// Pages by what the answer says.
fn cursor(
    convert: &mut Convert<'_>,
    strategy: &Value,
    requester: &Value,
    slot: Option<Value>,
    is_typed: bool,
    is_path: bool,
    names: &Names,
) -> Option<Value> {
    let template = match strategy.get("cursor_value") {
        Some(Value::String(template)) => template.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    };
    let stop = match strategy.get("stop_condition") {
        Some(Value::String(stop)) => stop.clone(),
        Some(Value::Bool(flag)) => flag.to_string(),
        _ => String::new(),
    };
    let seen = seen(convert, strategy, &template, &stop, names);
    let seen = match seen {
        Ok(seen) => seen,
        Err(reason) => {
            convert.notes.impossible(strategy, format!("a cursor: {reason}"));
            return None;
        }
    };
    if is_path {
        return Some(match seen {
            Said::Link(relation) => json!({ "next_link": { "rel": relation, "adds_params": true } }),
            Said::Plain(value) | Said::Computed(value) => {
                let mut next = json!({ "url": value, "adds_params": true });
                let base = text(requester.get("url_base"));
                if let (true, Value::Object(fields)) = (convert.constant(requester, base).is_some(), &mut next) {
                    fields.insert("from_base".to_owned(), true.into());
                }
                json!({ "next_url": next })
            }
        });
    }
    let slot = slot?;
    let value = match seen {
        Said::Plain(value) | Said::Computed(value) => value,
        Said::Link(relation) => {
            let expression = format!("<([^>]*)>;[^<]*rel=\"?{}\"?", regex::escape(&relation));
            json!({ "expression": format!("headers.link | default('') | regex_search({})", super::expression::quoted(&expression)) })
        }
    };
    if is_typed {
        return Some(json!({ "cursor": { "send": [{ "param": slot, "value": typed(&value) }] } }));
    }
    Some(json!({ "body_token": { "param": slot, "token": value } }))
}

/// What a page says, as the literal that its text spells.
fn typed(value: &Value) -> Value {
    let literal = |of: &str| json!({ "expression": format!("({of}) | literal or none") });
    let below = |root: &str, place: &str| {
        let pointer = crate::decoding::Pointer::parse(place);
        let parts = pointer.segments().iter().map(|part| format!("[{}]", super::expression::quoted(part)));
        format!("{root}{}", parts.collect::<Vec<_>>().concat())
    };
    if let Some(place) = value.as_str() {
        return literal(&below("body", place));
    }
    match (value.get("expression").and_then(Value::as_str), value.get("last_record").and_then(Value::as_str)) {
        (Some(expression), _) => literal(expression),
        (_, Some(place)) => literal(&below("last_record", place)),
        _ => value.clone(),
    }
}

/// Where an answer says the next page.
enum Said {
    /// The `Link` header of this relation.
    Link(String),
    /// At one place.
    Plain(Value),
    Computed(Value),
}

fn seen(
    convert: &mut Convert<'_>,
    strategy: &Value,
    template: &str,
    stop: &str,
    names: &Names,
) -> Result<Said, String> {
    let pieces = convert.pieces(strategy, names, template)?;
    let stops = convert.pieces(strategy, names, stop)?;
    let path = match pieces.as_slice() {
        [Piece::Expression(ast)] => ast.path(),
        _ => None,
    };
    let is_plain_stop = match stops.as_slice() {
        [] | [Piece::Expression(Ast::Constant(Value::Bool(false)))] => true,
        [Piece::Text(text)] => matches!(text.trim(), "False" | "false"),
        [Piece::Expression(ast)] => path.as_ref().is_some_and(|path| is_absence(ast, path)),
        _ => false,
    };
    if let (Some(path), true) = (&path, is_plain_stop) {
        let texts: Vec<String> =
            path.iter().skip(1).map(|key| key.as_str().map_or_else(|| key.to_string(), str::to_owned)).collect();
        let is_in_records = !names.records.is_empty() && texts.starts_with(&names.records);
        match (path.first().and_then(Value::as_str), texts.as_slice()) {
            (Some("headers"), [link, relation, url]) if link.eq_ignore_ascii_case("link") && url == "url" => {
                return Ok(Said::Link(relation.to_ascii_lowercase()));
            }
            (Some("headers"), [name]) if !name.eq_ignore_ascii_case("link") => {
                return Ok(Said::Plain(json!({ "header": name.to_ascii_lowercase() })));
            }
            (Some("response"), texts)
                if !texts.is_empty() && !is_in_records && path.iter().skip(1).all(Value::is_string) =>
            {
                return Ok(Said::Plain(plain_pointer(texts).into()));
            }
            (Some("last_record"), texts) if !texts.is_empty() => {
                return Ok(Said::Plain(json!({ "last_record": plain_pointer(texts) })));
            }
            _ => {}
        }
    }
    let value = convert.translate(strategy, names, Place::Page, |translator| translator.as_it_is(template))?;
    let value = if value.kind == Kind::Text || pieces.len() == 1 { value } else { value.as_text() };
    let condition = if is_plain_stop && stops.is_empty() {
        None
    } else {
        Some(convert.translate(strategy, names, Place::Page, |translator| translator.as_condition(stop))?)
    };
    Ok(Said::Computed(json!({ "expression": until(&value, condition.as_ref()) })))
}

/// The value, unless the condition ends the list.
fn until(value: &Code, condition: Option<&Code>) -> String {
    match condition {
        None => format!("{} or none", value.tight()),
        Some(condition) => {
            let condition = condition.text.strip_prefix("not ").map_or_else(
                || format!("not {}", condition.tight()),
                |plain| {
                    if plain.contains(' ') && !plain.starts_with('(') {
                        format!("not {}", condition.tight())
                    } else {
                        plain.to_owned()
                    }
                },
            );
            format!("({} or none) if {condition} else none", value.tight())
        }
    }
}

/// A field as manifests write it: a bare name, or a pointer.
fn plain_pointer(texts: &[String]) -> String {
    match texts {
        [name] if !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') => name.clone(),
        _ => pointer(texts),
    }
}

/// Whether a condition says no more than that the value at a path is nothing.
fn is_absence(ast: &Ast, path: &[Value]) -> bool {
    let is_it = |of: &Ast| of.path().is_some_and(|found| found == path);
    match ast {
        Ast::Not(of) => {
            is_it(of)
                || matches!(of.as_ref(), Ast::Binary("in", key, within)
                    if matches!(key.as_ref(), Ast::Constant(key) if path_of(within, key).is_some_and(|found| path.starts_with(&found))))
        }
        Ast::Test(of, name, _) => is_it(of) && matches!(name.as_str(), "none" | "undefined" | "false"),
        Ast::Binary("==", left, right) => {
            let is_nothing = |of: &Ast| {
                matches!(of, Ast::Constant(Value::Null | Value::Bool(false)))
                    || matches!(of, Ast::Constant(Value::String(text)) if text.is_empty())
            };
            (is_it(left) && is_nothing(right)) || (is_it(right) && is_nothing(left))
        }
        _ => false,
    }
}

fn path_of(within: &Ast, key: &Value) -> Option<Vec<Value>> {
    let mut path = within.path()?;
    path.push(key.clone());
    Some(path)
}

/// Whether anything in a component names the page's token.
pub(super) fn names_token(node: &Value) -> bool {
    match node {
        Value::String(template) => jinja::is_template(template) && template.contains("next_page_token"),
        Value::Array(items) => items.iter().any(names_token),
        Value::Object(fields) => {
            fields.iter().any(|(name, value)| name.contains("next_page_token") || names_token(value))
        }
        _ => false,
    }
}
