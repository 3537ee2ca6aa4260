//! What is done about answers that are no data: handlers and filters, as rules.

use serde_json::{Map, Value, json};

use super::convert::Convert;
use super::expression::{Names, Place};
use super::jinja::Piece;
use super::tree::{component, kind, text};

/// The rules of a requester.
pub(super) fn rules(convert: &mut Convert<'_>, requester: &Value, names: &Names) -> Vec<Value> {
    let Some(handler) = component(requester, "error_handler") else { return Vec::new() };
    let mut rules = Vec::new();
    take(convert, handler, names, &mut rules);
    rules
}

fn take(convert: &mut Convert<'_>, handler: &Value, names: &Names, rules: &mut Vec<Value>) {
    match kind(handler) {
        "CompositeErrorHandler" => {
            for inner in handler.get("error_handlers").and_then(Value::as_array).into_iter().flatten() {
                take(convert, inner, names, rules);
            }
        }
        "DefaultErrorHandler" | "" => default(convert, handler, names, rules),
        other => convert.custom(handler, other, "an error handler"),
    }
}

fn default(convert: &mut Convert<'_>, handler: &Value, names: &Names, rules: &mut Vec<Value>) {
    let wait = wait(convert, handler);
    let times = handler.get("max_retries").and_then(Value::as_u64);
    let filters: Vec<&Value> = match handler.get("response_filters") {
        Some(Value::Array(filters)) => filters.iter().collect(),
        _ => Vec::new(),
    };
    for filter in filters {
        let Some(when) = when(convert, filter, names) else { continue };
        let action = text(filter.get("action"));
        let message = text(filter.get("error_message"));
        let message = if message.contains("{{") { "" } else { message };
        // Without an action the status decides, in words of its own.
        if action.is_empty() && message.is_empty() {
            continue;
        }
        let action = if action.is_empty() { "FAIL" } else { action };
        let then = match action {
            "SUCCESS" => "accept".into(),
            "IGNORE" => "skip_request".into(),
            "RETRY" => retry(wait.as_ref(), times),
            "RATE_LIMITED" => throttle(wait.as_ref()),
            "FAIL" => fail(filter, message),
            "REFRESH_TOKEN_THEN_RETRY" => "renew_credential".into(),
            "RESET_PAGINATION" => "restart".into(),
            "SPLIT_REQUEST_WINDOW" => "split_window".into(),
            other => {
                convert.notes.impossible(filter, format!("the action `{other}` on an answer"));
                continue;
            }
        };
        rules.push(json!({ "when": when, "then": then }));
    }
    if wait.is_some() || times.is_some() {
        if wait.is_some() {
            rules.push(json!({ "when": { "status": 429 }, "then": throttle(wait.as_ref()) }));
        }
        rules.push(json!({ "when": { "status": [408, "5xx"] }, "then": retry(wait.as_ref(), times) }));
    }
}

fn retry(wait: Option<&Value>, times: Option<u64>) -> Value {
    let mut action = Map::new();
    action.extend(wait.map(|wait| ("wait".to_owned(), wait.clone())));
    action.extend(times.map(|times| ("times".to_owned(), times.into())));
    json!({ "retry": action })
}

fn throttle(wait: Option<&Value>) -> Value {
    let mut action = Map::new();
    action.extend(wait.map(|wait| ("wait".to_owned(), wait.clone())));
    json!({ "throttle": action })
}

fn fail(filter: &Value, message: &str) -> Value {
    let mut action = Map::new();
    let class = match text(filter.get("failure_type")) {
        "config_error" => Some("config"),
        "transient_error" => Some("unavailable"),
        "system_error" => Some("source"),
        _ => None,
    };
    action.extend(class.map(|class| ("class".to_owned(), class.into())));
    if !message.is_empty() {
        action.insert("message".to_owned(), message.into());
    }
    json!({ "fail": action })
}

/// What the answer looks like; any of what the filter names.
fn when(convert: &mut Convert<'_>, filter: &Value, names: &Names) -> Option<Value> {
    let mut any = Vec::new();
    if let Some(Value::Array(codes)) = filter.get("http_codes") {
        let codes: Vec<Value> = codes
            .iter()
            .filter_map(|code| code.as_u64().or_else(|| code.as_str()?.parse().ok()))
            .filter(|code| (100..600).contains(code))
            .map(Value::from)
            .collect();
        match codes.as_slice() {
            [] => {}
            [one] => any.push(json!({ "status": one })),
            _ => any.push(json!({ "status": codes })),
        }
    }
    let contains = text(filter.get("error_message_contains"));
    if !contains.is_empty() {
        any.push(json!({ "message": regex::escape(contains) }));
    }
    let predicate = text(filter.get("predicate"));
    if !predicate.is_empty() {
        match convert.translate(filter, names, Place::Answer, |translator| translator.as_condition(predicate)) {
            Ok(code) => any.push(json!({ "expression": code.text })),
            Err(reason) => {
                convert.notes.impossible(filter, format!("a predicate on answers: {reason}"));
                return None;
            }
        }
    }
    match any.len() {
        0 => None,
        1 => any.pop(),
        _ => Some(json!({ "any": any })),
    }
}

/// How long to wait before a refused request is sent again: the first strategy that says it.
fn wait(convert: &mut Convert<'_>, handler: &Value) -> Option<Value> {
    let strategy = handler.get("backoff_strategies").and_then(Value::as_array)?.first()?;
    let seconds = |key: &str, convert: &mut Convert<'_>| convert.number(strategy, key);
    let header = convert.constant_text(strategy, "header").unwrap_or_default();
    let pattern = text(strategy.get("regex")).to_owned();
    let made = match kind(strategy) {
        "ConstantBackoffStrategy" => {
            let seconds = seconds("backoff_time_in_seconds", convert)?;
            json!({ "constant": span(seconds) })
        }
        "ExponentialBackoffStrategy" => {
            let factor = seconds("factor", convert).unwrap_or(5.0);
            json!({ "exponential": { "first": span(factor * 2.0) } })
        }
        "WaitTimeFromHeader" => {
            let mut wait = json!({ "name": header, "format": "seconds_from_now" });
            put_pattern(&mut wait, &pattern);
            json!({ "header": wait })
        }
        "WaitUntilTimeFromHeader" => {
            let mut wait = json!({ "name": header, "format": "unix_seconds" });
            put_pattern(&mut wait, &pattern);
            if let (Some(least), Value::Object(fields)) = (seconds("min_wait", convert), &mut wait) {
                fields.insert("at_least".to_owned(), span(least).into());
            }
            json!({ "header": wait })
        }
        "WaitTimeFromResponse" => {
            let place = convert
                .pieces(strategy, &Names::default(), text(strategy.get("wait_time_in_seconds")))
                .ok()
                .and_then(|pieces| response_place(&pieces));
            let Some(place) = place else {
                convert.notes.approximated(strategy, "a wait that is worked out of the answer: it grows with each try");
                return None;
            };
            json!({ "field": { "at": place, "format": "seconds_from_now" } })
        }
        other => {
            convert.custom(strategy, other, "a way to wait");
            return None;
        }
    };
    Some(made)
}

/// Where in the answer a template looks.
fn response_place(pieces: &[Piece]) -> Option<String> {
    let [Piece::Expression(ast)] = pieces else { return None };
    let path = ast.path()?;
    let (root, rest) = path.split_first()?;
    let parts: Vec<String> = rest.iter().map(super::settings::plain_text).collect();
    (*root == "response" && !parts.is_empty()).then(|| super::shape::pointer(&parts))
}

fn put_pattern(wait: &mut Value, pattern: &str) {
    if let (false, Value::Object(fields)) = (pattern.is_empty(), wait) {
        fields.insert("matches".to_owned(), pattern.into());
    }
}

/// Seconds as a length of time.
pub(super) fn span(seconds: f64) -> String {
    let millis = format!("{:.0}", (seconds * 1_000.0).max(0.0)).parse::<u64>().unwrap_or_default();
    if millis == 0 {
        return "0".to_owned();
    }
    for (unit, length) in
        [("day", 86_400_000), ("hour", 3_600_000), ("minute", 60_000), ("second", 1_000), ("millisecond", 1)]
    {
        if millis.is_multiple_of(length) {
            let count = millis / length;
            return format!("{count} {unit}{}", if count == 1 { "" } else { "s" });
        }
    }
    format!("{millis} milliseconds")
}

/// The limits that an API budget declares.
pub(super) fn limits(convert: &mut Convert<'_>, budget: Option<&Value>) -> Option<Value> {
    let budget = budget?;
    let mut limits = Vec::new();
    for policy in budget.get("policies").and_then(Value::as_array)? {
        let path = policy.get("matchers").and_then(Value::as_array).and_then(|matchers| matchers.first());
        let path = path.map(|matcher| text(matcher.get("url_path_pattern")).to_owned()).filter(|path| !path.is_empty());
        let mut add = |requests: Option<f64>, interval: &str| {
            let (Some(requests), Some((months, seconds))) = (requests, super::expression::duration(interval)) else {
                return;
            };
            let seconds = seconds + months * 30 * 86_400;
            let requests = format!("{requests:.0}").parse::<u32>().unwrap_or(1).max(1);
            let mut limit =
                json!({ "requests": requests, "per": span(f64::from(u32::try_from(seconds).unwrap_or(1).max(1))) });
            if let (Some(path), Value::Object(fields)) = (&path, &mut limit) {
                fields.insert("path".to_owned(), path.clone().into());
            }
            limits.push(limit);
        };
        match kind(policy) {
            "MovingWindowCallRatePolicy" => {
                for rate in policy.get("rates").and_then(Value::as_array).into_iter().flatten() {
                    add(convert.number(rate, "limit"), text(rate.get("interval")));
                }
            }
            "FixedWindowCallRatePolicy" => add(convert.number(policy, "call_limit"), text(policy.get("period"))),
            _ => {}
        }
    }
    convert.notes.converted(budget, "the API budget, as limits");
    (!limits.is_empty())
        .then(|| json!({ "assumed": { "value": limits, "because": "the budget of the imported manifest; the vendor's page is not known" } }))
}
