//! Files that stand beside records: they are kept as they came, each with one record that proves it.

use headwater_contract::{Explain, ReadEvent};
use serde_json::{Value, json};

use crate::server::{Asked, Reply, Server};
use crate::work::{open, read, replayed, whole};

const API: &str = r"
manifest: 1
connector: desk
title: Desk
docs: none
http: { base_url: ORIGIN, limits: [] }
streams:
  tickets:
    internal: true
    path: /tickets
    records: /data
  attachments:
    title: Files of tickets
    kind: snapshot
    parent: { stream: tickets, fields: { ticket: id, link: /file/url }, url: link, absent: skip }
    decoding: FILE
    key: [ticket]
    deletes: none
    columns:
      ticket: { type: int64, given: ticket }
      size_bytes: { type: int64 }
      sha256: { type: string }
      content_type: { type: string, nullable: true }
";

/// The start of a gzip file: what it is packed in is the file's own business.
const PACKED: &[u8] = &[0x1F, 0x8B, 0x08, 0x00, 0xFF, 0x00, 0x01];

fn desk(asked: &Asked) -> Reply {
    let file =
        |bytes: &[u8], kind: &str| Reply { body: bytes.to_vec(), ..Reply::text(200, "") }.header("Content-Type", kind);
    match asked.path.as_str() {
        "/tickets" => Reply::json(&json!({ "data": [
            { "id": 1, "file": { "url": "/files/a.gz?sig=x" } }, { "id": 2 }, { "id": 3, "file": { "url": "/files/empty" } },
        ] })),
        "/files/a.gz" => file(PACKED, "application/gzip"),
        _ => Reply::text(200, ""),
    }
}

async fn start(
    decoding: &str,
    handler: impl Fn(&Asked) -> Reply + Send + Sync + 'static,
) -> (Server, headwater_connectors::Source) {
    let server = Server::start(handler).await;
    let source = open(&API.replace("ORIGIN", &server.origin).replace("FILE", decoding), &server, "", &[]);
    (server, source)
}

#[tokio::test]
async fn a_file_is_kept_byte_by_byte_with_a_record_that_proves_it() {
    let (_server, source) = start("file", desk).await;
    let got = read(&source, "attachments", whole()).await.unwrap();
    let expected = json!([
        { "_given": { "ticket": 1 }, "size_bytes": 7,
          "sha256": "cb304eee2716ba328dc4bbbb63c3814504c5d612a0a1de1ec3b9a5f078b2a063", "content_type": "application/gzip" },
        { "_given": { "ticket": 3 }, "size_bytes": 0,
          "sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
    ]);
    assert_eq!(Value::from(got.records.clone()), expected);
    let chunks =
        got.events.iter().filter_map(|event| if let ReadEvent::Chunk(chunk) = event { Some(chunk) } else { None });
    let kept: Vec<u8> = chunks.filter(|chunk| chunk.request == 1).flat_map(|chunk| chunk.body.to_vec()).collect();
    assert_eq!(kept, PACKED);
    assert!(!got.exchanges[1].url.contains("sig"), "a link opens the file for whoever has it");
    assert_eq!(replayed(&source, "attachments", &got), got.texts);
}

#[tokio::test]
async fn a_page_for_people_in_place_of_a_file_is_an_error_unless_files_may_be_pages() {
    let login = |asked: &Asked| match asked.path.as_str() {
        "/tickets" => desk(asked),
        _ => Reply::text(200, "<!DOCTYPE html><title>Log in</title>"),
    };
    let (_server, source) = start("file", login).await;
    assert_eq!(read(&source, "attachments", whole()).await.unwrap_err().code(), "not-json");
    let (_server, source) = start("{ file: { may_be_html: true } }", login).await;
    assert_eq!(read(&source, "attachments", whole()).await.unwrap().records.len(), 2);
}
