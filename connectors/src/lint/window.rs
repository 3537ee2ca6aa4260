//! Windows: whether they are asked for, when they are final, and whether the filter means what the stream's kind says.

use headwater_contract::{Span, StreamKind};

use super::pages::judge_fact;
use super::{Place, Rule};
use crate::manifest::{ColumnManifest, Fact, StreamManifest, TypeManifest, WindowManifest};
use crate::pagination::{Pagination, Slot};
use crate::parents::ParentRange;
use crate::windowing::Feed;

/// A list that is read whole for each window should have windows at least this long.
const WHOLE_LIST_LEAST: Span = Span::days(28);

pub(super) fn judge(stream: &StreamManifest, is_template: bool, place: &mut Place<'_, '_>) {
    let window = stream.window.clone().unwrap_or_default();
    for (name, fact) in [("settle", &window.settle), ("lookback", &window.lookback), ("retention", &window.retention)] {
        if let Some(fact) = fact {
            let is_nothing = matches!(fact, Fact::Stated(span) if span.is_zero());
            judge_fact(fact, is_nothing, &format!("window.{name}"), name, place);
        }
    }
    if let Some(cap) = &window.cap {
        if cap.source.trim().is_empty() {
            let fix = "link the page that says what one query gives at most";
            place.find(Rule::SourceMissing, "window.cap", "the cap has no source", fix);
        }
        place.link("window.cap", &cap.source);
    }
    let Some(kind) = stream.kind else { return };
    if !kind.is_ranged() {
        if stream.because.as_deref().is_none_or(|why| why.trim().is_empty())
            && stream.internal != Some(true)
            && !is_template
        {
            let what = format!("a {kind} does not say why it is read without windows");
            let fix = "say what the API lacks under `because:`, or read it by windows";
            place.find(Rule::WhyWholeMissing, "kind", what, fix);
        }
        return;
    }
    if stream.start.is_none() {
        let fix = "write `start:` with a date setting or a date";
        place.find(Rule::StartMissing, "", "the stream does not say from when it is read", fix);
    }
    said(&window, kind, place);
    asked(stream, &window, place);
    meaning(kind, &window, place);
    steps(stream, &window, place);
}

/// Settle and lookback are said, and what restates is read again.
fn said(window: &WindowManifest, kind: StreamKind, place: &mut Place<'_, '_>) {
    if window.settle.is_none() {
        let fix = "write `settle:` with `published`, `assumed` or `not_published`";
        place.find(Rule::SettleMissing, "window", "the window does not say when it is final", fix);
    }
    let Some(lookback) = &window.lookback else {
        let fix = "write `lookback:`, where `0` is an answer";
        place.find(Rule::LookbackMissing, "window", "the window does not say how long it can change", fix);
        return;
    };
    let is_zero = match lookback {
        Fact::Stated(span) | Fact::Published { value: span, .. } | Fact::Assumed { value: span, .. } => span.is_zero(),
        Fact::NotPublished => false,
    };
    if kind == StreamKind::Restating && is_zero {
        let fix = "write how long rows change under `lookback:`, or `kind: events` where they never do";
        place.find(Rule::NeverReread, "window.lookback", "rows restate, and no window is read again", fix);
    }
}

/// The bounds reach the request, both of them, or the list's order says when to stop.
fn asked(stream: &StreamManifest, window: &WindowManifest, place: &mut Place<'_, '_>) {
    if window.feed == Some(Feed::Whole) && window.length.is_none_or(|length| length < WHOLE_LIST_LEAST) {
        let fix = "write `length: 28 days` or more, or read the stream as a snapshot";
        place.find(Rule::WholeListOften, "window", "a list that cannot be filtered is read for short windows", fix);
    }
    let Some(request) = &window.request else { return };
    let by_parents = stream.parent.as_ref().is_some_and(|parent| parent.range == ParentRange::Window);
    let moves = matches!(stream.pagination, Some(Pagination::AdvancingFrom(_)));
    let has_end = request.until.is_some() || request.length.is_some() || request.calendar.is_some();
    if !has_end && window.feed.is_none() && !by_parents && !moves {
        let what = "the request sends a start and no end, and nothing says when to stop";
        let fix =
            "write `until:`; where the API takes none, `feed: oldest_first` or `newest_first` if the list is sorted";
        place.find(Rule::EndNotAsked, "window.request", what, fix);
    }
}

/// The filter is by creation where rows do not change, and by change where they do.
fn meaning(kind: StreamKind, window: &WindowManifest, place: &mut Place<'_, '_>) {
    let slots = window.request.iter().flat_map(|request| std::iter::once(&request.from).chain(&request.until));
    let sent: Vec<&str> = slots
        .filter_map(|slot| match slot {
            Slot::Query(name) | Slot::Body(name) => Some(name.as_str()),
            // Our own name for it says nothing of the API, and `If-Modified-Since` is HTTP's.
            Slot::Name(_) | Slot::Header(_) => None,
        })
        .collect();
    let says = |names: &[&str]| {
        let any = |words: &[&str]| {
            let has = |name: &&&str| words.iter().any(|word| name.to_ascii_lowercase().contains(word));
            names.iter().find(has).map(|name| (*name).to_owned())
        };
        (any(&["creat"]), any(&["updat", "modif", "changed"]))
    };
    // What is sent says more than what the column is called.
    let (creation, change) = match says(&sent) {
        (None, None) => says(&window.field.as_deref().into_iter().collect::<Vec<_>>()),
        said => said,
    };
    match kind {
        StreamKind::Mutable => {
            if let Some(name) = creation.filter(|_| change.is_none()) {
                let what = format!("a mutable stream is asked for by `{name}`");
                let fix = "ask by the time of the last change, or say `kind: restating` with a `lookback`";
                place.find(Rule::FilteredByCreation, "window", what, fix);
            }
        }
        StreamKind::Events | StreamKind::Restating => {
            if let Some(name) = change.filter(|_| creation.is_none()) {
                let what = format!("a stream of kind {kind} is asked for by `{name}`");
                let fix = "say `kind: mutable`, or ask by the time of creation";
                place.find(Rule::FilteredByChange, "window", what, fix);
            }
        }
        StreamKind::Snapshot | StreamKind::Chain => {}
    }
}

/// The finest step is said where a bound is moved by it, and a column can tell it apart.
fn steps(stream: &StreamManifest, window: &WindowManifest, place: &mut Place<'_, '_>) {
    let moved = window.request.as_ref().is_some_and(|request| request.from_is_exclusive || request.until_is_inclusive);
    let column = window.field.as_deref().and_then(|field| stream.columns.as_ref()?.get(field));
    let is_day = column.is_some_and(is_date);
    if moved && window.granularity.is_none() && !is_day {
        let fix = "write `granularity:` with the finest step of the field at the source";
        place.find(Rule::GranularityMissing, "window", "a bound is moved by one step of unsaid length", fix);
    }
    if is_day && window.granularity.is_some_and(|granularity| granularity < Span::days(1)) {
        place.find(
            Rule::GranularityTooFine,
            "window",
            "the field is a date, and its step is less than a day",
            "write `granularity: 1 day`",
        );
    }
}

fn is_date(column: &ColumnManifest) -> bool {
    matches!(column.column_type, TypeManifest::Scalar(headwater_contract::ColumnType::Date))
}
