//! Pages, chains, sessions, windows, parents and jobs of a source that contradicts itself.

use serde_json::{Value, json};

use super::row::{Ends, Row, endless, good, number, page};
use super::{AGAIN, GOES_ON, ONCE};
use crate::server::{Asked, Reply};

const FROM_START: &str = "reads the list from its first page three times, then fails";

#[expect(clippy::too_many_lines, reason = "a line of the table each")]
pub(super) fn pages() -> Vec<Row> {
    let flagged = |fault, more: fn() -> Value| {
        Row::new(fault, move |_| Reply::json(&json!({ "data": [{ "id": 1 }], "more": more() }))).on("flagged")
    };
    vec![
        Row::new("the page before comes again, under a new token", |asked| page([1, 2], number(asked) + 1)).fails(
            "page-repeated",
            2,
            ONCE,
        ),
        Row::new("an offset that the source ignores", |_| Reply::json(&json!({ "data": [{ "id": 1 }], "total": 9 })))
            .on("skipping")
            .fails("page-repeated", 2, ONCE),
        Row::new("the same token for ever", |asked| page([number(asked)], "same")).fails("cursor-stuck", 2, ONCE),
        Row::new("tokens in a circle", |asked| page([number(asked)], ["b", "c", "a"][asked.number % 3])).fails(
            "cursor-stuck",
            4,
            ONCE,
        ),
        Row::new("next pages in a circle", |asked| {
            page([number(asked)], ["/api/linked?p=1", "/api/linked?p=2"][asked.number % 2])
        })
        .on("linked")
        .fails("cursor-stuck", 3, ONCE),
        Row::new("an empty page that promises more", |_| Reply::json(&json!({ "data": [], "pages": 5, "total": 9 })))
            .on("numbered")
            .fails("page-empty", 1, ONCE),
        Row::new("an empty page in the middle, with a token", |asked| match asked.number {
            0 => page([1], "b"),
            1 => page([], "c"),
            _ => page([2, 3], Value::Null),
        })
        .ends(Ends::Reads(3), 3, GOES_ON),
        Row::new("a total that changes from page to page", |asked| {
            Reply::json(&json!({ "data": [{ "id": asked.number }], "pages": 9, "total": asked.number }))
        })
        .on("numbered")
        .fails("list-moved", 8, FROM_START),
        Row::new("fewer records than the total says", |_| {
            Reply::json(&json!({ "data": [{ "id": 1 }], "pages": 1, "total": 9 }))
        })
        .on("numbered")
        .fails("list-moved", 4, FROM_START),
        Row::new("a token that is an object: its place is wrong", |_| page([1], json!({ "after": "x" }))).fails(
            "cursor-missing",
            1,
            ONCE,
        ),
        Row::new("a token of more than 64 kB", |_| page([1], "x".repeat(70_000))).fails("cursor-missing", 1, ONCE),
        Row::new("a number of pages that is no number", |_| {
            Reply::json(&json!({ "data": [{ "id": 1 }], "pages": "many" }))
        })
        .on("numbered")
        .fails("count-missing", 1, ONCE),
        flagged("a flag for more that is no flag", || json!("perhaps")).fails("more-flag-missing", 1, ONCE),
        flagged("no flag for more", || Value::Null).fails("more-flag-missing", 1, ONCE),
        Row::new("the last record has no cursor, and more follow", |_| {
            Reply::json(&json!({ "data": [{ "x": 1 }], "more": true }))
        })
        .on("flagged")
        .fails("cursor-missing", 1, ONCE),
        Row::new("a next page that an expression cannot work out", |_| page([1], "many"))
            .with(|scene| {
                scene.replace("param: cursor, token: /next", "param: cursor, token: { expression: 'body.next - 1' }");
            })
            .fails("next-page-unknown", 1, ONCE),
        Row::new("the last record is not JSON inside, and more follow", |_| {
            Reply::text(200, r#"{"data":[{"id":1},{"id":tru}],"more":true}"#)
        })
        .on("flagged")
        .fails("cursor-missing", 1, ONCE),
    ]
}

pub(super) fn lists() -> Vec<Row> {
    let chained =
        |fault, body: fn(&Asked) -> Value| Row::new(fault, move |asked| Reply::json(&body(asked))).on("changes");
    let parent = |fault, records: &'static str| {
        Row::new(fault, move |asked| match asked.path.as_str() {
            "/api/rows" => Reply::text(200, &format!(r#"{{"data":{records},"next":null}}"#)),
            _ => good(),
        })
        .on("children")
    };
    vec![
        chained(
            "a chain whose token does not move",
            |asked| json!({ "data": [{ "id": asked.number }], "next": "t", "more": true }),
        )
        .fails("cursor-stuck", 2, ONCE),
        chained("a chain that ends without a token", |_| json!({ "data": [], "more": false })).fails(
            "cursor-missing",
            1,
            ONCE,
        ),
        chained("a chain without its flag", |_| json!({ "data": [], "next": "t" })).fails("more-flag-missing", 1, ONCE),
        Row::new("a scroll session that has expired each time", |asked| match asked.path.as_str() {
            "/api/scrolled" => {
                Reply::json(&json!({ "data": [{ "id": 1 }], "scroll_id": format!("s{}", asked.number) }))
            }
            _ => Reply::text(404, "no such session"),
        })
        .on("scrolled")
        .fails("list-moved", 8, FROM_START),
        Row::new("a scroll session that loses its id", |asked| match asked.path.as_str() {
            "/api/scrolled" => Reply::json(&json!({ "data": [{ "id": 1 }], "scroll_id": "s" })),
            _ => Reply::json(&json!({ "data": [{ "id": 2 }] })),
        })
        .on("scrolled")
        .fails("cursor-missing", 2, ONCE),
        Row::new("more records in a second than one query gives", |_| {
            Reply::json(&json!({ "data": [{ "id": 1 }], "total": 4 }))
        })
        .on("searched")
        .with(|scene| {
            let from = super::row::one_day().from();
            scene.request.bounds = headwater_contract::TimeRange::new(from, from + chrono::TimeDelta::seconds(1)).ok();
        })
        .fails("result-capped", 1, "reads in halves down to the finest step, then fails"),
        parent("a parent without the field that its children are asked by", r#"[{"id":1}]"#).fails(
            "parent-field-missing",
            1,
            ONCE,
        ),
        parent("a parent that is not JSON inside", r#"[{"code":tru}]"#).fails("parent-field-missing", 1, ONCE),
        parent("a parent whose value would leave its place in the path", r#"[{"code":".."}]"#).fails(
            "expression-failed",
            1,
            ONCE,
        ),
        Row::new("children of which one parent's are forbidden", |asked| match asked.path.as_str() {
            "/api/rows" => Reply::json(&json!({ "data": [{ "code": "a" }], "next": null })),
            _ => Reply::text(403, ""),
        })
        .on("children")
        .fails("forbidden", 2, ONCE),
    ]
}

pub(super) fn jobs() -> Vec<Row> {
    let job = |fault, told: fn() -> Value| {
        Row::new(fault, move |asked| match asked.path.as_str() {
            "/api/exports" => Reply::json(&json!({ "id": "e1" })),
            "/api/exports/e1" => Reply::json(&told()),
            _ => Reply::text(404, "gone"),
        })
        .on("exported")
    };
    vec![
        job("a job that fails", || json!({ "state": "failed", "why": "no quota" })).fails("job-failed", 2, FORGETS),
        job("a job in a state that the manifest does not name", || json!({ "state": "Done" })).fails(
            "job-state-unknown",
            2,
            FORGETS,
        ),
        job("a job that is done and lists no files", || json!({ "state": "done" })).fails("job-answer-wrong", 2, ONCE),
        job("a job whose files are gone", || json!({ "state": "done", "files": [{ "url": "/api/files/a" }] })).fails(
            "not-found",
            6,
            "orders it once more, then fails",
        ),
        job("a job that has nothing to download", || json!({ "state": "none" })).ends(
            Ends::Skips(1),
            2,
            "goes on; the request is counted",
        ),
        Row::new("a job that never finishes", |asked| match asked.path.as_str() {
            "/api/exports" => Reply::json(&json!({ "id": "e1" })),
            _ => Reply::json(&json!({ "state": "running" })),
        })
        .on("exported")
        .fails("job-timed-out", usize::MAX, "asks until `wait_max`, then fails"),
        Row::new("an order that is answered by a page of HTML", |_| Reply::text(200, "<html>")).on("exported").fails(
            "job-answer-wrong",
            1,
            ONCE,
        ),
        Row::new("an order that the source cannot take now", |_| Reply::text(500, "")).on("exported").fails(
            "server-error",
            4,
            AGAIN,
        ),
    ]
}

const FORGETS: &str = "fails at once; the next run orders another one";

pub(super) fn limits() -> Vec<Row> {
    vec![
        Row::new("the day's allowance is used up, by our own count", endless)
            .with(|scene| {
                scene.replace("requests: 100000, per: 1 second", "requests: 2, resets: { time: '00:00', zone: UTC }");
                scene.options.quotas = std::sync::Arc::new(headwater_connectors::MemoryQuotas::default());
            })
            .fails("quota-spent", 2, "sends no more, and parks until the allowance is full again"),
        Row::new("the file that counts requests cannot be written", |_| good())
            .with(|scene| {
                scene.options.quotas = std::sync::Arc::new(headwater_connectors::FileQuotas::new("/dev/null/quotas"));
            })
            .fails("quota-store", 0, ONCE),
        Row::new("the file that remembers jobs cannot be written", |_| good())
            .on("exported")
            .with(|scene| {
                scene.options.jobs =
                    std::sync::Arc::new(headwater_connectors::jobs::FileJobStore::new("/dev/null/jobs"));
            })
            .fails("job-store-failed", 0, ONCE),
    ]
}
