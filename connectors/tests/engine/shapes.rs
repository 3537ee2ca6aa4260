//! Records that a manifest shapes, from a real server and from storage: what is kept, counted, joined and refused.

use headwater_connectors::Connector;

use crate::formats::{code, read_and_replay, source};
use crate::work::{read, whole};

/// What becomes of a JSON body.
async fn shaped(how: &str, body: &str) -> Vec<String> {
    let (_server, source) = source(&format!("records: /data\n{how}"), body.as_bytes(), "application/json").await;
    read_and_replay(&source).await
}

#[test]
fn a_manifest_with_a_step_that_cannot_be_is_refused_by_line() {
    let manifest = |lines: &str| {
        format!(
            "manifest: 1\nconnector: x\ntitle: X\ndocs: d\nsettings: {{ key: {{ secret: true, help: k }} }}\nhttp: {{ base_url: https://x.com }}\n\
             streams:\n  rows:\n    title: t\n    path: /rows\n    kind: snapshot\n    append_only: true\n    records: /data\n    columns: {{ id: {{ type: int64 }} }}\n{lines}"
        )
    };
    for (lines, reason) in [
        ("    shape:\n      - keep: \"recrod.id\"\n", "`recrod` is not known here"),
        ("    shape:\n      - keep: \"record.id == settings.key\"\n", "`settings.key` is no setting, or a secret one"),
        ("    shape:\n      - keep: \"record.id == settings.none\"\n", "`settings.none` is no setting"),
        ("    shape:\n      - add: { a: {} }\n", "`a` needs one of"),
        ("    shape:\n      - drop: x\n", "unknown variant `drop`"),
        ("    decoding: csv\n", "`records` is missing or does not fit"),
        ("    decoding: [csv, gzip]\n", "the format stands last"),
    ] {
        let error = Connector::parse(&manifest(lines), "x.yaml").unwrap_err();
        let place = headwater_contract::Explain::place(&error);
        assert!(error.to_string().contains(reason) && place.starts_with("x.yaml:"), "{error} at {place}");
    }
}

#[tokio::test]
async fn dropped_records_are_counted_and_pages_are_still_told_by_what_came() {
    let body = r#"{"data":[{"id":1},{"id":2},{"id":3}]}"#;
    let how = "records: /data\nshape:\n  - keep: \"record.id > 1\"\n  - keep: \"record.id != 3\"";
    let (_server, source) = source(how, body.as_bytes(), "application/json").await;
    let got = read(&source, "rows", whole()).await.unwrap();
    assert_eq!((got.texts.len(), got.summary.records, got.summary.dropped), (1, 1, 2));
    assert_eq!(read_and_replay(&source).await, [r#"{"id":2}"#]);
}

#[tokio::test]
async fn records_are_exploded_shaped_and_typed_alike_live_and_replayed() {
    let body = r#"{"data":[{"id":1.10,"lines":[{"sku":"a"},{"sku":"b"}]},{"id":2,"lines":[]},{"id":3,"lines":[7]}]}"#;
    let how = "shape:\n  - explode: { at: /lines, parent: { order: /id } }\n  - rename: { case: upper }";
    let rows = shaped(how, body).await;
    assert_eq!(rows[..2], [r#"{"ORDER":1.10,"SKU":"a"}"#, r#"{"ORDER":1.10,"SKU":"b"}"#]);
    assert!(rows[2].starts_with("refused: an element of `/lines` is no object") && rows.len() == 3, "{rows:?}");
    let how = "columns:\n  id: { type: int64 }\n  at: { type: timestamp, nullable: true, formats: [unix_seconds, iso8601], empty_is_null: true }";
    let body = r#"{"data":[{"id":1.10,"at":"1709280000"},{"id":2,"at":""},{"id":3,"at":"2024-03-01"}]}"#;
    let times = [r#""2024-03-01T08:00:00Z""#, "null", r#""2024-03-01T00:00:00Z""#];
    let rows = shaped(how, body).await;
    assert!(rows.iter().zip(times).all(|(row, time)| row.ends_with(&format!("\"at\":{time}}}"))), "{rows:?}");
    assert!(rows[0].starts_with(r#"{"id":1.10"#));
}

/// `included` stands after the records, the table of users before them, a field of the body at its end.
#[tokio::test]
async fn objects_and_fields_beside_the_records_are_joined_wherever_they_stand() {
    let body = r#"{"users":{"u1":{"name":"Zoë"}},
        "data":[{"id":1,"user":"u1","rel":{"author":{"data":{"type":"people","id":"9"}}}},{"id":2,"user":"u2","rel":{}}],
        "included":[{"type":"people","id":"9","attributes":{"n":1.50}},{"type":"tags","id":"9"}],"as_of":"2024-03-01"}"#;
    let how = "shape:\n  - include: { from: /included, key: [/type, /id], on: [/rel/author/data/type, /rel/author/data/id], as: author }\n  \
               - include: { from: \"/users/*\", on: /user, as: owner }\n  - add: { day: { body: /as_of } }\n  - remove: [/rel, /user]";
    assert_eq!(
        shaped(how, body).await,
        [
            r#"{"id":1,"author":{"type":"people","id":"9","attributes":{"n":1.50}},"owner":{"name":"Zoë"},"day":"2024-03-01"}"#,
            r#"{"id":2,"author":null,"owner":null,"day":"2024-03-01"}"#
        ]
    );
    assert_eq!(shaped(how, r#"{"data":[{"id":1}]}"#).await, [r#"{"id":1,"author":null,"owner":null,"day":null}"#]);
    assert_eq!(code(&format!("records: /data\n{how}"), br#"{"included":[]}"#).await, "records-missing");
}

/// A page that must wait for its end is bounded, and says so.
#[tokio::test]
async fn a_page_that_is_too_large_to_wait_is_an_error_by_name() {
    let row = format!("{{\"id\":1,\"filler\":\"{}\"}}", "x".repeat(1024 * 1024));
    let body = format!("{{\"data\":[{}],\"included\":[]}}", vec![row; 66].join(","));
    let how = "records: /data\nshape:\n  - include: { from: /included, key: /id, on: /id, as: more }";
    assert_eq!(code(how, body.as_bytes()).await, "page-too-large");
}
