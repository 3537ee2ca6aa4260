//! Pages: how large they are, and whether turning them loses rows.

use super::{Place, Rule};
use crate::expression::{Scalar, ValueManifest};
use crate::manifest::{BodyManifest, Fact, Ordered, PageSize, StreamManifest};
use crate::pagination::Pagination;

/// Pages of so few rows need a reason.
const TINY: i64 = 10;

/// Parts of names under which APIs take the order of a list.
const ORDER_WORDS: [&str; 3] = ["sort", "order", "direction"];

pub(super) fn judge(stream: &StreamManifest, place: &mut Place<'_, '_>) {
    // What an export holds is one file, whatever its size.
    if stream.job.is_none() {
        judge_size(stream.page_size.as_ref(), stream.pagination.as_ref(), "", place);
    }
    let has_bound = stream.fields.as_ref().is_some_and(|fields| fields.at_most.is_some());
    let source = stream.fields.as_ref().and_then(|fields| fields.source.as_deref()).unwrap_or_default();
    if has_bound && source.trim().is_empty() {
        let fix = "link the page that says how many fields one request takes";
        place.find(Rule::SourceMissing, "fields", "the number of fields has no source", fix);
    }
    place.link("fields", source);
    let Some(pagination) = &stream.pagination else { return };
    if pagination.loses_moving_rows() && stream.best_effort.is_none() {
        let fix = "name its total under `total:`, or say `best_effort:` and why";
        place.find(Rule::BestEffortMissing, "pagination", "pages are asked for by numbers that shift", fix);
    }
    if matches!(pagination, Pagination::AdvancingFrom(_)) && !asks_for_an_order(stream) {
        let what =
            "`advancing_from` needs a list that is sorted by the window's field, and the request asks for no order";
        let fix = "send the parameter that sorts the list; where the API sorts it by itself, waive the rule and say where that is written";
        place.find(Rule::OrderNotAsked, "pagination", what, fix);
    }
}

/// Judges the size of pages; `within` is the key of the block that holds it.
pub(super) fn judge_size(
    size: Option<&PageSize>,
    pagination: Option<&Pagination>,
    within: &str,
    place: &mut Place<'_, '_>,
) {
    let key = if within.is_empty() { "page_size".to_owned() } else { format!("{within}.page_size") };
    let Some(size) = size else {
        if pagination.is_some_and(|pagination| *pagination != Pagination::None) {
            let fix = "write `page_size: { param, value, source }` with the vendor's maximum; without `param` where the API alone decides";
            place.find(Rule::PageSizeMissing, within, "nothing is said about the size of pages", fix);
        }
        return;
    };
    if size.source.trim().is_empty() {
        let fix = "link the page that says the largest page under `source:`";
        place.find(Rule::SourceMissing, &key, "the size of pages has no source", fix);
    }
    place.link(&key, &size.source);
    let number = match &size.value {
        Scalar::Integer(number) => Some(*number),
        Scalar::Text(text) => text.parse().ok(),
        _ => None,
    };
    if size.param.is_some() && number.is_some_and(|number| number <= TINY) {
        let fix = "write the vendor's maximum, or waive the rule and say why";
        place.find(Rule::PageSizeTiny, &key, format!("a page holds only {}", size.value), fix);
    }
}

/// Whether a parameter, or a field of the body, sorts the list.
fn asks_for_an_order(stream: &StreamManifest) -> bool {
    let is_order = |name: &str| ORDER_WORDS.iter().any(|word| name.to_ascii_lowercase().contains(word));
    let named = |values: &Ordered<ValueManifest>| values.names().any(is_order);
    let in_body = match &stream.body {
        Some(BodyManifest::Json(json)) => is_order(&json.to_string()),
        Some(BodyManifest::Form(fields)) => named(fields),
        Some(BodyManifest::Computed(expression)) => is_order(expression.as_str()),
        Some(BodyManifest::Text(text)) => is_order(&format!("{:?}", text.content)),
        Some(BodyManifest::Graphql(graphql)) => {
            is_order(&graphql.query) || graphql.variables.as_ref().is_some_and(|set| is_order(&set.to_string()))
        }
        None => false,
    };
    in_body || stream.params.as_ref().is_some_and(named)
}

/// Notes a fact whose number is the vendor's and has no page, or that is assumed without a reason.
pub(super) fn judge_fact<T>(fact: &Fact<T>, is_nothing: bool, key: &str, name: &str, place: &mut Place<'_, '_>) {
    match fact {
        Fact::Stated(_) if !is_nothing => {
            let fix =
                "a number of the vendor's is `published: { value, source }`, ours is `assumed: { value, because }`";
            place.find(Rule::SourceMissing, key, format!("`{name}` does not say where its number is from"), fix);
        }
        Fact::Published { source, .. } if source.trim().is_empty() => {
            place.find(Rule::SourceMissing, key, format!("`{name}` has no source"), "link the page that says it");
        }
        Fact::Published { source, .. } => place.link(key, source),
        Fact::Assumed { because, .. } if because.trim().is_empty() => {
            place.find(Rule::ReasonMissing, key, format!("`{name}` is assumed without a reason"), "say why");
        }
        Fact::NotPublished | Fact::Stated(_) | Fact::Assumed { .. } => {}
    }
}
