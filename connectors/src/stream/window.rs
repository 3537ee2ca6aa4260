//! How a ranged stream is cut into windows, and what carries their bounds.

use headwater_contract::{Column, ColumnType, Span, StreamKind, WindowPolicy};

use super::{Blame, WindowPlan};
use crate::decoding::Pointer;
use crate::manifest::{ColumnManifest, Fact, ManifestError, Ordered, WindowManifest, WindowRequest};
use crate::windowing::{Feed, TimeFormat};

/// How long a window can change where the vendor does not say.
const LOOKBACK_UNPUBLISHED: Span = Span::days(7);
/// How long to wait for late rows at least where the vendor does not say.
const SETTLE_UNPUBLISHED: Span = Span::seconds(60);
/// The longest window where the manifest says none.
const LENGTH: Span = Span::days(1);

/// The formats in which records write the window's field before they are shaped, where its column knows several.
pub(super) fn written_formats(window: Option<&WindowManifest>, columns: &Ordered<ColumnManifest>) -> Vec<TimeFormat> {
    let column = window.and_then(|window| columns.get(window.field.as_deref()?));
    column.map(|column| column.formats.clone()).unwrap_or_default()
}

pub(super) fn complete_window(
    kind: StreamKind,
    manifest: Option<WindowManifest>,
    columns: &[Column],
    written: Vec<TimeFormat>,
    by_parents: bool,
    blame: &Blame<'_>,
) -> Result<Option<WindowPlan>, ManifestError> {
    if !kind.is_ranged() {
        // A template's window serves its ranged streams; a snapshot of the same template has no field and so no window.
        return match manifest {
            Some(window) if window.field.is_some() => {
                Err(blame.incomplete("window", format!("a stream of kind {kind} has no windows"), "remove it"))
            }
            _ => Ok(None),
        };
    }
    let window = blame.need("window", manifest, "write how the stream is cut into windows")?;
    let field = blame.need("window.field", window.field, "name the column whose time decides")?;
    let column = columns.iter().find(|column| column.name == field);
    let column =
        column.ok_or_else(|| blame.incomplete("window.field", format!("`{field}` is no column"), "name a column"))?;
    if !matches!(column.column_type, ColumnType::Timestamp | ColumnType::Date) {
        return Err(blame.incomplete(
            "window.field",
            format!("`{field}` is no timestamp and no date"),
            "name a column of time",
        ));
    }
    let read_formats = match &column.column_type {
        _ if !written.is_empty() => written,
        ColumnType::Date => vec![TimeFormat::Pattern { pattern: "%Y-%m-%d".to_owned(), zone: None }],
        _ => vec![TimeFormat::from(&column.format)],
    };
    let granularity = window.granularity.unwrap_or(if column.column_type == ColumnType::Date {
        Span::days(1)
    } else {
        Span::seconds(1)
    });
    let twice: Span =
        format!("{} milliseconds", granularity.as_millis().saturating_mul(2)).parse().unwrap_or(SETTLE_UNPUBLISHED);
    let plan = WindowPlan {
        policy: WindowPolicy {
            field: field.clone(),
            granularity,
            length: window.length.unwrap_or(LENGTH),
            settle: window.settle.unwrap_or(Fact::NotPublished).value_or(twice.max(SETTLE_UNPUBLISHED)),
            lookback: window.lookback.unwrap_or(Fact::NotPublished).value_or(LOOKBACK_UNPUBLISHED),
            rereads: window.rereads.unwrap_or_else(|| vec![Span::days(1), Span::days(7), Span::days(30)]),
            retention: match window.retention {
                None | Some(Fact::NotPublished) => None,
                Some(fact) => Some(fact.value_or(Span::ZERO)),
            },
        },
        sent_format: window.format.or_else(|| read_formats.first().cloned()).unwrap_or_default(),
        pointer: Pointer::parse(&column.pointer),
        read_formats,
        request: complete_bounds(window.request, window.feed, by_parents, blame)?,
        feed: window.feed,
        cap: window.cap,
        by_settings: window.by_settings.unwrap_or_default(),
    };
    if let Some(cap) = &plan.cap
        && (cap.records.is_none() && cap.pages.is_none() || cap.total.is_some() && cap.records.is_none())
    {
        let fix = "write `records`, with or without `total`, or `pages`";
        return Err(blame.incomplete("window.cap", "it does not say what one query gives", fix));
    }
    if let Some(reason) = plan.sent_format.fault() {
        return Err(blame.incomplete("window.format", reason, "write a strftime pattern and an IANA zone"));
    }
    Ok(Some(plan))
}

/// What carries the bounds: something does, or the list's order says when to stop.
fn complete_bounds(
    request: Option<WindowRequest>,
    feed: Option<Feed>,
    by_parents: bool,
    blame: &Blame<'_>,
) -> Result<Option<WindowRequest>, ManifestError> {
    let Some(request) = request else {
        if by_parents || feed.is_some() {
            return Ok(None);
        }
        let fix = "name the parameters that carry the bounds, or the list's order under `feed`";
        return Err(blame.incomplete("window.request", "`window.request` is missing", fix));
    };
    let calendar = request.calendar.as_ref();
    let zone = calendar.and_then(|calendar| calendar.zone.as_ref());
    if let Some(reason) = zone.and_then(crate::windowing::zone_fault) {
        return Err(blame.incomplete("window.request.calendar", reason, "write an IANA zone such as `Europe/Berlin`"));
    }
    if calendar.is_some() && request.max_span.is_some() {
        let fix = "remove one of them: `each: true` reads unit by unit";
        return Err(blame.incomplete("window.request", "`max_span` would cut units of the calendar", fix));
    }
    Ok(Some(request))
}
