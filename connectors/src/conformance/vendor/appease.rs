//! Fields that a good answer needs so that no rule of the manifest takes it for an error, such as `ok: true`.

use serde_json::{Value, json};

use super::place::place;
use super::samples::matched_by;
use crate::decoding::Pointer;
use crate::expression::Scalar;
use crate::refusal::{Condition, Evidence, Rules};

/// Tries of values for the fields of rules.
const TRIES_MAX: usize = 4_000;

/// What must stand in a good answer with these headers; nothing where no rule speaks of one.
pub(super) fn appeasing(rules: &Rules, status: u16) -> Vec<(Vec<String>, Value)> {
    let rules: Vec<&Condition> = rules.iter().map(|rule| &rule.when).filter(|when| when.may_be_good()).collect();
    let mut fields: Vec<&Pointer> = rules.iter().flat_map(|when| when.fields()).collect();
    fields.dedup();
    let holds = |body: &Value| {
        let evidence =
            Evidence { status, header: &|_| None, field: &|pointer: &Pointer| pointer.find(body).cloned(), text: None };
        rules.iter().any(|when| when.holds(&evidence))
    };
    if !holds(&json!({})) {
        return Vec::new();
    }
    let mut values = vec![Value::Null];
    values.extend(rules.iter().flat_map(|when| tested(when)));
    values.extend([
        json!(true),
        json!("ok"),
        json!("success"),
        json!(200),
        json!("200"),
        json!(0),
        json!("0"),
        json!(1),
    ]);
    let tries = values.len().saturating_pow(u32::try_from(fields.len()).unwrap_or(u32::MAX)).min(TRIES_MAX);
    for mut at in 0..tries {
        let mut body = json!({});
        let mut chosen = Vec::new();
        for field in &fields {
            let value = values.get(at % values.len()).cloned().unwrap_or_default();
            at /= values.len();
            if !value.is_null() {
                place(&mut body, field.segments(), value.clone());
                chosen.push((field.segments().to_vec(), value));
            }
        }
        if !holds(&body) {
            return chosen;
        }
    }
    Vec::new()
}

/// The values that a condition compares with.
fn tested(condition: &Condition) -> Vec<Value> {
    match condition {
        Condition::Field(test) => test.is.iter().flat_map(|is| is.iter()).map(Scalar::to_json).collect(),
        Condition::All(tests) | Condition::Any(tests) => tests.iter().flat_map(tested).collect(),
        Condition::Not(test) => tested(test),
        Condition::Status(_) | Condition::Header(_) | Condition::Message(_) | Condition::Expression(_) => Vec::new(),
    }
}

/// An answer that a condition speaks of, where one can be made.
pub(in crate::conformance) fn answer_for(condition: &Condition) -> Option<crate::conformance::server::Reply> {
    use crate::conformance::server::Reply;
    let statuses = [400, 422, 413, 403, 404, 429, 500, 504, 502, 503, 200, 409, 416];
    let mut texts = vec![String::new()];
    texts.extend(patterns(condition).iter().filter_map(|pattern| matched_by(pattern, None)));
    let fields = condition.fields();
    let mut values = vec![Value::Null];
    values.extend(tested(condition));
    values.extend(texts.iter().map(|text| json!(text)));
    values.extend([json!(true), json!(1), json!(1_000_000_000), json!("x")]);
    let tries = values.len().saturating_pow(u32::try_from(fields.len()).unwrap_or(u32::MAX)).min(TRIES_MAX);
    for status in statuses {
        for text in &texts {
            for mut at in 0..tries {
                let mut body = json!({});
                for field in &fields {
                    place(&mut body, field.segments(), values.get(at % values.len()).cloned().unwrap_or_default());
                    at /= values.len();
                }
                if let (false, Some(whole)) = (text.is_empty(), body.as_object_mut()) {
                    whole.entry("message").or_insert_with(|| json!(text));
                }
                let written = body.to_string();
                let field = |pointer: &Pointer| pointer.find(&body).cloned();
                let evidence = Evidence { status, header: &|_| None, field: &field, text: Some(&written) };
                if condition.holds(&evidence) {
                    return Some(Reply { status, ..Reply::json(&body) });
                }
            }
        }
    }
    None
}

fn patterns(condition: &Condition) -> Vec<String> {
    match condition {
        Condition::Message(pattern) => vec![pattern.as_str().to_owned()],
        Condition::Field(test) => test.matches.iter().map(|pattern| pattern.as_str().to_owned()).collect(),
        Condition::All(tests) | Condition::Any(tests) => tests.iter().flat_map(patterns).collect(),
        Condition::Not(_) | Condition::Status(_) | Condition::Header(_) | Condition::Expression(_) => Vec::new(),
    }
}
