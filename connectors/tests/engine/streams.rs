//! Records one by one, for programs without a lake: progress on the way, and where to go on once the end was reached.

use chrono::TimeDelta;
use futures::StreamExt;
use headwater_connectors::{RecordStream, Resume};
use headwater_contract::{Explain, Slice};
use serde_json::{Value, json};

use crate::paging::start;
use crate::server::Reply;
use crate::work::{at, day, range, whole};

/// Reads to the end, or to the first error.
async fn drain(stream: &mut RecordStream) -> (Vec<i64>, Option<String>) {
    let mut ids = Vec::new();
    while let Some(record) = stream.next().await {
        match record {
            Ok(text) => ids.push(serde_json::from_slice::<Value>(&text).unwrap()["id"].as_i64().unwrap()),
            Err(error) => return (ids, Some(error.code().to_owned())),
        }
    }
    (ids, None)
}

const RANGED: &str = "kind: events\npath: /rows\nwindow: { field: at, request: { from: since, until: till } }\npagination: { body_token: { param: after, token: next } }";

#[tokio::test]
async fn a_window_is_gone_on_with_where_it_ended_and_not_before() {
    let (server, source) = start(RANGED, |asked| {
        let page = asked.number_of("after").unwrap_or(0);
        Reply::json(
            &json!({ "data": [{ "id": page, "at": asked.get("since") }], "next": (page < 2).then_some(page + 1) }),
        )
    })
    .await;
    let mut records = source.records("rows", range(day("2024-03-01")));
    assert!(records.next().await.unwrap().is_ok());
    assert!(records.resume().is_none() && records.summary().is_none(), "a window that is not at its end is read again");
    assert_eq!(drain(&mut records).await, (vec![1, 2], None));
    let progress = records.progress().clone();
    assert_eq!((progress.requests, progress.records), (3, 3));
    assert!(progress.bytes > 0 && progress.last_request.unwrap().starts_with("GET http://127.0.0.1"));
    let resume = records.resume().unwrap();
    assert_eq!((resume.to_string().as_str(), records.summary().unwrap().records), ("from 2024-03-02T00:00:00Z", 3));
    let kept: Resume = serde_json::from_str(&serde_json::to_string(&resume).unwrap()).unwrap();
    let next = kept.request(Slice::whole(), at("2024-03-03T00:00:00Z")).unwrap();
    drain(&mut source.records("rows", next)).await;
    assert_eq!(server.asked()[3].get("since"), Some("2024-03-02T00:00:00Z"));
    assert!(kept.request(Slice::whole(), at("2024-03-02T00:00:00Z") - TimeDelta::days(1)).is_err());
}

#[tokio::test]
async fn a_chain_is_gone_on_with_by_its_token_and_a_snapshot_from_the_start() {
    let (server, source) = start("kind: chain\npath: /rows\nchain: { param: since, next: token }", |asked| {
        let rows = if asked.get("since").is_some() { json!([]) } else { json!([{ "id": 7 }]) };
        Reply::json(&json!({ "data": rows, "token": "c2" }))
    })
    .await;
    let mut records = source.records("rows", whole());
    assert_eq!(drain(&mut records).await, (vec![7], None));
    let resume = records.resume().unwrap();
    assert_eq!(resume, Resume::Token("c2".to_owned()));
    let next = resume.request(Slice::whole(), at("2024-03-03T00:00:00Z")).unwrap();
    assert_eq!(drain(&mut source.records("rows", next)).await, (vec![], None));
    assert_eq!(server.asked().last().unwrap().get("since"), Some("c2"));
    let (_server, source) = start("kind: snapshot\npath: /rows", |_| Reply::text(200, r#"{"data":[]}"#)).await;
    let mut records = source.records("rows", whole());
    drain(&mut records).await;
    assert_eq!(records.resume(), Some(Resume::Start));
}

/// A program that is stopped in the middle has what it kept of the last whole window, and nothing else.
#[tokio::test]
async fn a_reading_that_is_dropped_in_the_middle_loses_its_window_and_no_more() {
    const PAGES: i64 = 50;
    let (server, source) = start(RANGED, |asked| {
        let page = asked.number_of("after").unwrap_or(0);
        let day: i64 = asked.get("since").unwrap()[8..10].parse().unwrap();
        let row = json!({ "id": day * 100 + page, "at": asked.get("since") });
        Reply::json(&json!({ "data": [row], "next": (page + 1 < PAGES).then_some(page + 1) }))
    })
    .await;
    let asked_of = |day: &str| server.asked().iter().filter(|asked| asked.get("since").unwrap().contains(day)).count();
    let all_of = |day: i64| (0..PAGES).map(|page| day * 100 + page).collect::<Vec<_>>();
    let mut first = source.records("rows", range(day("2024-03-01")));
    let mut kept = drain(&mut first).await.0;
    let resume = serde_json::to_string(&first.resume().unwrap()).unwrap();

    let second = || {
        let resume: Resume = serde_json::from_str(&resume).unwrap();
        source.records("rows", resume.request(Slice::whole(), at("2024-03-03T00:00:00Z")).unwrap())
    };
    let mut stopped = second();
    assert!(stopped.next().await.unwrap().is_ok() && stopped.resume().is_none());
    drop(stopped);
    let lost = asked_of("03-02");
    assert!((1..10).contains(&lost), "it ran ahead of who reads it: {lost} of {PAGES} pages");

    let mut again = second();
    kept.extend(drain(&mut again).await.0);
    let final_one = again.resume().unwrap().request(Slice::whole(), at("2024-03-04T00:00:00Z")).unwrap();
    kept.extend(drain(&mut source.records("rows", final_one)).await.0);
    assert_eq!(kept, [all_of(1), all_of(2), all_of(3)].concat());
    let pages = usize::try_from(PAGES).unwrap();
    let asked = ["03-01", "03-02", "03-03"].map(asked_of);
    assert!(asked[0] == pages && asked[2] == pages, "whole windows are asked for once: {asked:?}");
    // One request may have been on its way when the reading was dropped.
    assert!((pages + lost..=pages + lost + 1).contains(&asked[1]), "a dropped reading went on: {asked:?}");
}

#[tokio::test]
async fn an_error_has_a_name_and_ends_the_stream_without_a_place_to_go_on() {
    let (_server, source) = start(RANGED, |asked| match asked.number {
        0 => Reply::json(&json!({ "data": [{ "id": 1, "at": "2024-03-01T00:00:00Z" }], "next": 1 })),
        _ => Reply::text(403, "no"),
    })
    .await;
    let mut records = source.records("rows", range(day("2024-03-01")));
    assert_eq!(drain(&mut records).await, (vec![1], Some("forbidden".to_owned())));
    assert!(records.next().await.is_none() && records.resume().is_none());
}
