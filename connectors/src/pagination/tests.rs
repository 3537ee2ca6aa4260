//! Every variant against a server that pages as its kind does: each record comes once and in order, for every length and page size.

use std::collections::{BTreeMap, HashSet};

use chrono::{DateTime, Utc};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::decoding::Pointer;

/// What one request asks for.
#[derive(Clone, Debug, Default)]
struct Asked {
    values: BTreeMap<String, Value>,
    url: Option<String>,
    from: Option<i64>,
}

impl Asked {
    fn number(&self, name: &str) -> Option<usize> {
        let value = self.values.get(name)?;
        value.as_u64().and_then(|number| usize::try_from(number).ok()).or_else(|| value.as_str()?.parse().ok())
    }
}

/// What the server answers.
#[derive(Clone, Debug, Default)]
struct Answered {
    body: Value,
    headers: Vec<(String, String)>,
}

fn pagination(yaml: &str) -> Pagination {
    crate::manifest::yaml::from_str(yaml).unwrap_or_else(|error| panic!("{yaml}: {error}"))
}

/// Reads a list to its end as the engine does, without its retries and caps.
fn read(
    strategy: &Pagination,
    size: usize,
    server: &dyn Fn(&Asked) -> Answered,
) -> Result<(Vec<Value>, usize), PaginationError> {
    let first = |from: Option<i64>| {
        let values = strategy.first().into_iter().map(|(slot, value)| (slot.to_string(), value)).collect();
        Asked { values, url: None, from }
    };
    let (mut asked, mut read, mut requests, mut pass) = (first(None), Vec::new(), 0_usize, Page::default());
    let mut known = HashSet::new();
    loop {
        let answered = server(&asked);
        requests += 1;
        assert!(requests < 400, "{strategy:?} does not end");
        let rows = answered.body["rows"].as_array().unwrap().clone();
        let facts = strategy.facts().last_record_field(&Pointer::parse("at"));
        let body = answered.body.to_string();
        let mut page = Page::gather(pass.cursor.as_deref(), &facts, "/rows", body.as_bytes()).unwrap();
        page.links = answered
            .headers
            .iter()
            .filter(|(name, _)| name == "link")
            .flat_map(|(_, text)| parse_link_header(text))
            .collect();
        page.headers = answered.headers;
        page.url = Some(pass.url.clone().unwrap_or_else(|| "https://h/v1/rows".to_owned()));
        (page.number, page.read, page.size, page.first_total) =
            (pass.number, pass.read, Some(size as u64), pass.first_total);
        page.from = asked.from.and_then(|from| DateTime::<Utc>::from_timestamp(from, 0));
        page.last_time = page
            .last_record_field(&Pointer::parse("at"))
            .and_then(Value::as_i64)
            .and_then(|second| DateTime::from_timestamp(second, 0));
        if let Some(total) = strategy.total() {
            pass.first_total = pass.first_total.or(page.tell(total).ok());
        }
        // A row at a bound that moved comes twice and is known by its key.
        read.extend(rows.into_iter().filter(|row| known.insert(row["id"].to_string())));
        let next = strategy.next(&page)?;
        pass.number += 1;
        pass.read += page.count();
        match next {
            Next::Done => return Ok((read, requests)),
            Next::Request(set) => {
                pass.cursor = Some(cursor_text(&set));
                asked.values = set.into_iter().map(|(slot, value)| (slot.to_string(), value)).collect();
            }
            Next::Url(url) => {
                let url = resolve(&page, &url)?.to_string();
                (pass.cursor, pass.url, asked.url) = (Some(url.clone()), Some(url.clone()), Some(url));
            }
            Next::From(from) => (pass, asked) = (Page::default(), first(Some(from.timestamp()))),
            Next::Restart => panic!("nothing moves here"),
        }
    }
}

fn rows(total: usize) -> Vec<Value> {
    (0..total).map(|id| json!({ "id": id, "at": id / 3 })).collect()
}

fn page_of(all: &[Value], from: usize, size: usize) -> &[Value] {
    all.get(from..all.len().min(from + size)).unwrap_or_default()
}

fn query_number(url: Option<&str>, name: &str) -> Option<usize> {
    let url = url::Url::parse(url?).unwrap();
    url.query_pairs().find(|(known, _)| known == name).and_then(|(_, value)| value.parse().ok())
}

/// A server that knows every way to say where it is; each strategy looks at its own.
fn by_offset(all: Vec<Value>, size: usize, offset: impl Fn(&Asked) -> usize) -> impl Fn(&Asked) -> Answered {
    move |asked| {
        let from = offset(asked);
        let rows = page_of(&all, from, size);
        let next = from + rows.len();
        let is_more = next < all.len();
        let token = is_more.then(|| next.to_string());
        let mut headers = vec![
            ("x-pages".to_owned(), all.len().div_ceil(size).to_string()),
            ("x-total".to_owned(), all.len().to_string()),
            ("x-more".to_owned(), is_more.to_string()),
        ];
        if is_more {
            headers.push(("link".to_owned(), format!("</v1/rows?from={next}>; rel=\"next\"")));
            headers.push(("x-next".to_owned(), format!("from={next}")));
        }
        let body = json!({
            "rows": rows, "more": is_more, "next": token, "total": all.len(), "pages": all.len().div_ceil(size), "in_page": rows.len(),
            "links": { "next": is_more.then(|| format!("?from={next}")) }, "session": "s1",
        });
        Answered { body, headers }
    }
}

/// Paginations with the offset that each asks for, and whether one request more than pages is needed to see the end.
type Case = (&'static str, fn(&Asked, usize) -> usize, bool);

fn cases() -> Vec<Case> {
    fn number(asked: &Asked, size: usize) -> usize {
        asked.number("page").map_or(0, |page| (page - 1) * size)
    }
    fn skip(asked: &Asked, _: usize) -> usize {
        asked.number("skip").unwrap_or(0)
    }
    fn token(asked: &Asked, _: usize) -> usize {
        asked.number("token").unwrap_or(0)
    }
    fn after(asked: &Asked, _: usize) -> usize {
        asked.number("after").map_or(0, |id| id + 1)
    }
    fn url(asked: &Asked, _: usize) -> usize {
        query_number(asked.url.as_deref(), "from").unwrap_or(0)
    }
    vec![
        ("page_number: { param: page, first: 1 }", number, true),
        ("page_number: { param: page, first: 1, short_page: true }", number, false),
        ("page_number: { param: page, first: 1, first_is_silent: true, pages: pages }", number, false),
        ("page_number: { param: page, first: 1, pages: { header: X-Pages } }", number, false),
        ("page_number: { param: page, first: 1, total: total }", number, false),
        ("page_number: { param: page, first: 1, more: more }", number, false),
        (
            "page_number: { param: { header: page }, first: 1, more: more }",
            |asked, size| asked.number("header page").map_or(0, |page| (page - 1) * size),
            false,
        ),
        (
            "page_number: { param: page, first: 0, pages: pages }",
            |asked, size| asked.number("page").unwrap() * size,
            false,
        ),
        ("offset: { param: skip }", skip, true),
        ("offset: { param: skip, short_page: true }", skip, false),
        ("offset: { param: skip, total: { header: X-Total }, count: in_page }", skip, false),
        ("offset: { param: skip, more: { header: X-More } }", skip, false),
        (
            "offset: { param: /page/skip, start: 1, total: total }",
            |asked, _| asked.number("/page/skip").unwrap() - 1,
            false,
        ),
        ("offset: { param: skip, more: { expression: 'read + count < body.total' } }", skip, false),
        ("body_token: { param: token, token: next }", token, false),
        ("body_token: { param: token, token: next, first: 0 }", token, false),
        ("body_token: { param: token, token: { expression: 'read + count' }, more: more }", token, false),
        ("last_record_cursor: { param: after, field: id, more: more }", after, false),
        ("last_record_cursor: { param: after, field: id }", after, true),
        ("last_record_cursor: { param: after, field: id, short_page: true }", after, false),
        ("cursor: { send: [{ param: after, value: { last_record: id } }] }", after, true),
        (
            "cursor: { send: [{ param: token, value: next }, { param: session, value: session }], more: more }",
            token,
            false,
        ),
        (
            "cursor: { send: [{ param: after, value: { expression: 'first_record.id + count - 1' } }], more: more }",
            after,
            false,
        ),
        ("next_link: { rel: next }", url, false),
        ("next_url: { url: /links/next }", url, false),
        ("next_url: { url: { header: X-Next } }", url, false),
    ]
}

proptest! {
    #[test]
    fn every_record_comes_once_and_in_order(total in 0_usize..40, size in 1_usize..9) {
        for (yaml, offset, needs_empty) in cases() {
            let strategy = pagination(yaml);
            let server = by_offset(rows(total), size, |asked| offset(asked, size));
            let (seen, requests) = read(&strategy, size, &server).unwrap();
            prop_assert_eq!(&seen, &rows(total), "{}", yaml);
            // A full last page looks like any other, so what ends by a short page may need one request more as well.
            let pages = total.div_ceil(size).max(1);
            let extra = usize::from(total > 0 && (needs_empty || (yaml.contains("short_page") && total % size == 0)));
            prop_assert_eq!(requests, pages + extra, "{} of {} by {}", yaml, total, size);
        }
    }

    /// A list by time without pages to spare: the bound moves, and rows of one instant are turned through.
    #[test]
    fn a_moving_bound_reads_every_record_once(total in 0_usize..40, size in 1_usize..9, per_reset in 1_usize..4) {
        for (yaml, is_capped) in [
            ("advancing_from: { pages: { offset: { param: skip, more: more } } }", false),
            ("advancing_from: { pages: { offset: { param: skip, more: more } }, after_records: AFTER }", true),
        ] {
            // Three rows share an instant, so a query must give more than three for the bound to move past them.
            let after = (size * per_reset).max(4);
            let strategy = pagination(&yaml.replace("AFTER", &after.to_string()));
            let all = rows(total);
            let server = |asked: &Asked| {
                let from = asked.from.unwrap_or(0);
                let matching: Vec<Value> = all.iter().filter(|row| row["at"].as_i64() >= Some(from)).cloned().collect();
                let skip = asked.number("skip").unwrap_or(0);
                assert!(!is_capped || skip < after + size, "a query gives no more than {after} and a page");
                let rows = page_of(&matching, skip, size);
                Answered { body: json!({ "rows": rows, "more": skip + rows.len() < matching.len() }), headers: Vec::new() }
            };
            let (seen, _) = read(&strategy, size, &server).unwrap();
            prop_assert_eq!(&seen, &all, "{}", strategy_name(yaml));
        }
    }
}

fn strategy_name(yaml: &str) -> &str {
    yaml.split(':').next().unwrap_or_default()
}

#[test]
fn a_pagination_that_says_what_it_does_not_know_is_refused_by_name() {
    for (yaml, hint) in [
        ("page_number: { param: page }", "first"),
        ("page_number: { param: page, first: 1, until: 5 }", "until"),
        ("offset: { param: skip, short: true }", "short_page"),
        ("cursor: { more: more }", "send"),
        ("cursor: { send: [{ param: a, value: { expression: 'x' } }] }", "last_record"),
        ("body_token: { param: { cookie: a }, token: b }", "header"),
    ] {
        let error = crate::manifest::yaml::from_str::<Pagination>(yaml).unwrap_err().to_string();
        assert!(error.contains(hint), "{yaml}: {error}");
    }
}
