//! Bodies in every format from a real server, live and from storage: the same records, whatever they are wrapped in.

use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use headwater_connectors::Source;
use headwater_contract::{Explain, ReadEvent, Records};

use crate::server::{Reply, Server};
use crate::work::{open, read, whole};

const FILES: &str = r"
manifest: 1
connector: files
title: Files
docs: none
http:
  base_url: ORIGIN
  limits: [{ requests: 100000, per: 1 second, source: none }]
streams:
  rows:
    title: rows
    path: /rows
    kind: snapshot
    append_only: true
    deletes: none
    columns: { id: { type: int64 } }
";

/// A source of one stream whose only answer is `body`; `how` are lines of the stream, which may bring its columns.
pub(crate) async fn source(how: &str, body: &[u8], content_type: &str) -> (Server, Source) {
    let reply = Reply { body: body.to_vec(), ..Reply::text(200, "").header("Content-Type", content_type) };
    let server = Server::start(move |_| reply.clone()).await;
    let lines = how.lines().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n");
    let mut text = FILES.replace("ORIGIN", &server.origin);
    if how.contains("columns:") {
        text = text.replace("    columns: { id: { type: int64 } }\n", "");
    }
    let source = open(&format!("{text}{lines}"), &server, "", &[]);
    (server, source)
}

fn texts(batches: impl IntoIterator<Item = Records>) -> Vec<(u32, String)> {
    let numbered = |batch: Records| {
        (batch.first_ordinal..).zip(batch.texts).map(|(at, text)| (at, String::from_utf8_lossy(&text).into_owned()))
    };
    batches.into_iter().flat_map(numbered).collect()
}

/// Reads the stream, and replays what it yielded; both give the same records under the same numbers.
pub(crate) async fn read_and_replay(source: &Source) -> Vec<String> {
    let mut reading = source.read("rows", whole());
    let (mut replayer, mut live, mut again) = (source.replay("rows").unwrap(), Vec::new(), Vec::new());
    let mut summary = None;
    while let Some(event) = reading.next().await {
        match event.unwrap() {
            ReadEvent::Exchange(exchange) => again.extend(replayer.exchange(&exchange).unwrap()),
            ReadEvent::Chunk(chunk) => again.extend(replayer.chunk(chunk).unwrap()),
            ReadEvent::Records(records) => live.push(records),
            ReadEvent::Done(done) => summary = Some(done),
        }
    }
    let (last, came_to) = replayer.finish().unwrap();
    again.extend(last);
    let (live, again) = (texts(live), texts(again));
    assert_eq!(live, again);
    let summary = summary.unwrap();
    assert_eq!((summary.records, came_to.records), (live.len() as u64, live.len() as u64));
    assert!(live.iter().enumerate().all(|(at, (ordinal, _))| at == *ordinal as usize));
    live.into_iter().map(|(_, text)| text).collect()
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// The code of the error that a body ends in.
pub(crate) async fn code(how: &str, body: &[u8]) -> &'static str {
    let (_server, source) = source(how, body, "text/plain").await;
    read(&source, "rows", whole()).await.unwrap_err().code()
}

#[tokio::test]
async fn a_body_that_is_not_what_the_manifest_says_is_an_error_by_name() {
    assert_eq!(code("records: \"\"\ndecoding: csv", b"").await, "body-truncated");
    assert_eq!(code("records: \"\"\ndecoding: csv", b"<!doctype html><title>Sign in</title>").await, "not-json");
    assert_eq!(code("records: \"\"\ndecoding: csv", b"a,a\n1,2\n").await, "table-broken");
    assert_eq!(code("records: \"\"\ndecoding: [zip, csv]", b"PK\x03\x04 and no more of it").await, "body-truncated");
    let zeros = vec![b'0'; 64 * 1024 * 1024];
    assert_eq!(code("records: \"\"\ndecoding: [gzip, csv]", &gzip(&zeros)).await, "body-inflates");
}

#[tokio::test]
async fn tables_and_lines_are_read_and_replayed() {
    let row = r#"{"id":"1","name":"Zoë"}"#;
    let latin: Vec<u8> = "id;name\n1;Zoë\n".chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    for (how, body, content_type) in [
        ("decoding: csv", "id,name\r\n1,Zoë\r\n".as_bytes().to_vec(), "text/csv"),
        ("decoding: { csv: { delimiter: \"\\t\" } }", "id\tname\n1\tZoë".as_bytes().to_vec(), "text/plain"),
        ("decoding: [gzip, { csv: { delimiter: \";\" } }]", gzip(&latin), "application/gzip; charset=latin1"),
        ("decoding: { csv: { delimiter: \";\" } }", latin, "text/csv; charset=ISO-8859-1"),
        ("decoding: json_lines", gzip(row.as_bytes()), "application/octet-stream"),
    ] {
        let (_server, source) = source(&format!("records: \"\"\n{how}"), &body, content_type).await;
        assert_eq!(read_and_replay(&source).await, [row], "{how}");
    }
    let (_server, source) =
        source("records: \"\"\ndecoding: { lines: { wrap_as: word } }", b"one\n\n two\n", "text/plain").await;
    assert_eq!(read_and_replay(&source).await, [r#"{"word":"one"}"#, r#"{"word":"two"}"#]);
}

/// A compressed body above what is held, and one below it that inflates to far more.
#[tokio::test]
async fn large_compressed_tables_stream() {
    let mut seed = 1_u64;
    let mut roll = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        seed >> 8
    };
    let mut hex = |_| format!("{:x}", roll());
    let noisy = (0..60_000).map(|id| format!("{id},{}", (0..24).map(&mut hex).collect::<String>()));
    let noisy = noisy.collect::<Vec<_>>().join("\n");
    let even = (0..60_000).map(|id| format!("{id},{}", "x".repeat(800))).collect::<Vec<_>>().join("\n");
    for (table, is_held) in [(noisy, false), (even, true)] {
        let body = gzip(format!("id,text\n{table}").as_bytes());
        assert_eq!(body.len() <= headwater_connectors::HOLD_BYTES, is_held, "{}", body.len());
        let (_server, source) = source("records: \"\"\ndecoding: [gzip, csv]", &body, "text/csv").await;
        let rows = read_and_replay(&source).await;
        assert_eq!(rows.len(), table.lines().count());
        let last = rows.last().unwrap();
        assert!(last.starts_with(&format!("{{\"id\":\"{}\"", rows.len() - 1)), "{last}");
    }
}

#[tokio::test]
async fn a_plain_record_is_still_a_span_of_its_chunk() {
    let (_server, source) = source("records: /data", br#"{"data":[{"id":1},{"id":2}]}"#, "application/json").await;
    let got = read(&source, "rows", whole()).await.unwrap();
    let chunk: Vec<Bytes> = got
        .events
        .iter()
        .filter_map(|event| if let ReadEvent::Chunk(chunk) = event { Some(chunk.body.clone()) } else { None })
        .collect();
    assert_eq!(got.texts[1].as_ptr(), chunk[0][18..].as_ptr());
}

#[tokio::test]
async fn records_are_found_wherever_they_stand_and_replayed() {
    let feed = "<?xml version=\"1.0\" encoding=\"ISO-8859-1\"?><rss><channel><title>t</title>\
                <item><title>Zo\u{eb}</title><guid isPermaLink=\"false\">1</guid></item></channel></rss>";
    let latin: Vec<u8> = feed.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    for (how, body, expected) in [
        (
            "records: /g/*/m",
            br#"{"g":[{"m":[{"id":1}]},{"m":[{"id":2}]}]}"#.to_vec(),
            vec![r#"{"id":1}"#, r#"{"id":2}"#],
        ),
        (
            "records: { each: { at: /m/*, key_as: id } }",
            br#"{"m":{"x":{"a":1}}}"#.to_vec(),
            vec![r#"{"id":"x","a":1}"#],
        ),
        ("records: { each: { at: \"\" } }", br#"{"id":[1]}"#.to_vec(), vec![r#"{"id":[1]}"#]),
        ("records: { table: { rows: \"\" } }", br#"[["id"],[1],[2]]"#.to_vec(), vec![r#"{"id":1}"#, r#"{"id":2}"#]),
        ("records: { zip: { id: /a, n: /b } }", br#"{"a":[1],"b":["x"]}"#.to_vec(), vec![r#"{"id":1,"n":"x"}"#]),
        (
            "records: /rss/channel/item\ndecoding: xml",
            latin,
            vec![r##"{"title":"Zoë","guid":{"@isPermaLink":"false","#text":"1"}}"##],
        ),
        (
            "records: /feed/entry\ndecoding: [gzip, { xml: { namespaces: strip, lists: [/link] } }]",
            gzip(b"<a:feed xmlns:a='http://www.w3.org/2005/Atom'><a:entry><a:link href='/x'/></a:entry></a:feed>"),
            vec![r#"{"link":[{"@href":"/x"}]}"#],
        ),
    ] {
        let (_server, source) = source(how, &body, "application/octet-stream").await;
        assert_eq!(read_and_replay(&source).await, expected, "{how}");
    }
    assert_eq!(code("records: /g/*/m", br#"{"g":[{"n":1}]}"#).await, "records-missing");
    assert_eq!(code("records: /rss/channel/item\ndecoding: xml", b"<rss><channel><item>").await, "body-truncated");
}
