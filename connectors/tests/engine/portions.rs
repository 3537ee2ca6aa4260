//! Fields that are asked for by name, in portions: what each request carries, how records are laid together, what a doubtful page costs.

use headwater_connectors::{Connector, ReadRequest, SettingValue, Source, SourceError};
use headwater_contract::{Explain, Records};
use serde_json::{Value, json};

use crate::paging::{manifest, refusal, start};
use crate::server::{Asked, Reply, Server};
use crate::work::{Got, open, read, replayed, whole};

/// Records of a page with the fields that `names` lists, as an API gives them that always sends the id.
fn rows(ids: std::ops::Range<i64>, names: &str) -> Vec<Value> {
    ids.map(|id| {
        let asked = names.split(',').filter(|name| !name.is_empty());
        let fields: serde_json::Map<_, _> = asked.map(|name| (name.to_owned(), json!(format!("{name}{id}")))).collect();
        json!({ "id": id, "properties": fields })
    })
    .collect()
}

fn page(asked: &Asked) -> Reply {
    let from = asked.number_of("after").unwrap_or(0);
    let names = asked.get("fields").unwrap_or_default();
    Reply::json(&json!({ "data": rows(from..(from + 2).min(3), names), "next": (from + 2 < 3).then_some(from + 2) }))
}

const PAGED: &str = "kind: snapshot\npath: /rows\npagination: { body_token: { param: after, token: next } }\n";

fn targets(server: &Server) -> Vec<String> {
    server.asked().into_iter().map(|asked| asked.target).collect()
}

async fn got(source: &Source) -> Result<Got, SourceError> {
    read(source, "rows", whole()).await
}

#[tokio::test]
async fn each_page_is_asked_for_with_every_portion_and_its_records_have_all_fields() {
    let fields = "fields: { param: fields, of: { list: [a, b, c, d, e] }, always: [k], separator: ',', at_most: { names: 3 }, source: none }";
    let (server, source) = start(&format!("{PAGED}{fields}"), page).await;
    let got = got(&source).await.unwrap();
    let expected = [
        "/v1/rows?fields=k%2Ca%2Cb",
        "/v1/rows?fields=k%2Cc%2Cd",
        "/v1/rows?fields=k%2Ce",
        "/v1/rows?fields=k%2Ca%2Cb&after=2",
        "/v1/rows?fields=k%2Cc%2Cd&after=2",
        "/v1/rows?fields=k%2Ce&after=2",
    ];
    assert_eq!(targets(&server), expected);
    assert_eq!(got.records.len(), 3);
    let last = json!({ "id": 2, "properties": { "k": "k2", "a": "a2", "b": "b2", "c": "c2", "d": "d2", "e": "e2" } });
    assert_eq!(got.records[2], last);
    assert_eq!(replayed(&source, "rows", &got), got.texts);
}

#[tokio::test]
async fn portions_by_characters_count_each_name_with_its_separator() {
    let fields = "fields: { param: fields, of: { list: [a, bb, ccc, d] }, separator: ',', at_most: { characters: 10 }, source: none }";
    let (server, source) = start(&format!("{PAGED}{fields}"), |asked| {
        Reply::json(&json!({ "data": rows(0..1, asked.get("fields").unwrap()), "next": null }))
    })
    .await;
    got(&source).await.unwrap();
    assert_eq!(targets(&server), ["/v1/rows?fields=a%2Cbb", "/v1/rows?fields=ccc%2Cd"]);
}

#[tokio::test]
async fn names_go_as_a_list_into_the_body_and_by_name_into_a_query_text() {
    let body = "kind: snapshot\npath: /search\nbody: { json: { limit: 5 } }\nfields: { param: /properties, of: { list: [a, b] }, always: [id] }";
    let (server, source) = start(body, |_| Reply::json(&json!({ "data": [] }))).await;
    got(&source).await.unwrap();
    assert_eq!(server.asked()[0].body, json!({ "limit": 5, "properties": ["id", "a", "b"] }));
    let named = "kind: snapshot\npath: /query\nparams: { q: { expression: \"'SELECT ' ~ names | join(' + ')\" }, n: '{names}' }\nfields: { param: { as: names }, of: columns }";
    let (server, source) = start(named, |_| Reply::json(&json!({ "data": [] }))).await;
    got(&source).await.unwrap();
    let asked = server.asked()[0].clone();
    assert_eq!(
        (asked.get("q"), asked.target.as_str()),
        (Some("SELECT id + at"), "/v1/query?q=SELECT+id+%2B+at&n=id&n=at")
    );
}

/// As the custom properties of a CRM: each account has its own, and an endpoint lists them.
#[tokio::test]
async fn names_come_from_another_stream_or_a_setting() {
    let text = |origin: &str, of: &str| {
        format!(
            "manifest: 1\nconnector: crm\ntitle: CRM\ndocs: none\nsettings: {{ names: {{ type: list, default: 'x,y', help: names }} }}\n\
             http: {{ base_url: {origin}, limits: [] }}\nstreams:\n  properties:\n    internal: true\n    path: /properties\n    records: /results\n    \
             pagination: {{ body_token: {{ param: after, token: next }} }}\n  rows:\n    title: rows\n    kind: snapshot\n    path: /rows\n    records: /data\n    \
             key: [id]\n    deletes: none\n    columns: {{ id: {{ type: int64 }} }}\n    fields: {{ param: properties, of: {of}, separator: ',', at_most: {{ names: 2 }}, source: none }}\n"
        )
    };
    let server = Server::start(|asked| match (asked.path.as_str(), asked.get("after")) {
        ("/properties", None) => Reply::text(200, r#"{"results":[{"name":"a"},{"name":"b"}],"next":"2"}"#),
        ("/properties", _) => Reply::text(200, r#"{"results":[{"name":"c"}],"next":null}"#),
        _ => Reply::json(&json!({ "data": rows(0..1, asked.get("properties").unwrap_or_default()) })),
    })
    .await;
    let source = open(&text(&server.origin, "{ stream: { stream: properties, field: name } }"), &server, "", &[]);
    let whole_record = json!([{ "id": 0, "properties": { "a": "a0", "b": "b0", "c": "c0" } }]);
    assert_eq!(Value::from(got(&source).await.unwrap().records), whole_record);
    got(&source).await.unwrap();
    // The list is read once; rows twice, in two portions each.
    let paths: Vec<String> = server.asked().into_iter().map(|asked| asked.path).collect();
    assert_eq!(paths, ["/properties", "/properties", "/rows", "/rows", "/rows", "/rows"]);
    let list = SettingValue::List(vec!["p".to_owned(), "q".to_owned(), "r".to_owned()]);
    let source = open(&text(&server.origin, "{ setting: names }"), &server, "", &[("names", list)]);
    let of_setting = json!([{ "id": 0, "properties": { "p": "p0", "q": "q0", "r": "r0" } }]);
    assert_eq!(Value::from(got(&source).await.unwrap().records), of_setting);
}

#[tokio::test]
async fn a_page_whose_portions_have_other_records_is_read_again_and_then_fails_by_name() {
    let fields = "fields: { param: fields, of: { list: [a, b] }, separator: ',', at_most: { names: 1 }, source: none }";
    let (server, source) = start(&format!("{PAGED}{fields}"), |asked| {
        // The first attempt misses a record in its second portion.
        let until = if asked.number == 1 { 1 } else { 2 };
        Reply::json(&json!({ "data": rows(0..until, asked.get("fields").unwrap()), "next": null }))
    })
    .await;
    let read_again = got(&source).await.unwrap();
    assert_eq!((read_again.records.len(), server.asked().len()), (2, 4));
    assert_eq!(read_again.records[1], json!({ "id": 1, "properties": { "a": "a1", "b": "b1" } }));
    assert_eq!(replayed(&source, "rows", &read_again), read_again.texts);
    let moving = |asked: &Asked| {
        let from = i64::try_from(asked.number).unwrap();
        Reply::json(&json!({ "data": rows(from..from + 1, asked.get("fields").unwrap()), "next": null }))
    };
    let (_server, source) = start(&format!("{PAGED}{fields}"), moving).await;
    let error = got(&source).await.unwrap_err();
    assert_eq!((error.code(), error.kind()), ("portions-differ", headwater_contract::ErrorKind::Unavailable));
    let (_server, source) =
        start(&format!("{PAGED}{}", fields.replace("source: none", "source: none, partial: keep")), moving).await;
    let kept = got(&source).await.unwrap();
    let expected = json!([{ "id": 0, "properties": { "a": "a0" } }, { "id": 1, "properties": { "b": "b1" } }]);
    assert_eq!(Value::from(kept.records), expected);
}

#[tokio::test]
async fn records_without_their_key_cannot_be_laid_together() {
    let fields = "fields: { param: fields, of: { list: [a, b] }, separator: ',', at_most: { names: 1 }, source: none }";
    let (_server, source) = start(&format!("{PAGED}{fields}"), |asked| {
        Reply::json(&json!({ "data": [{ "name": asked.get("fields") }], "next": null }))
    })
    .await;
    let error = got(&source).await.unwrap_err();
    assert_eq!(error.code(), "portion-keyless");
    assert!(error.fix().contains("fields.always"), "{}", error.fix());
}

#[tokio::test]
async fn a_portion_that_fails_is_asked_for_again_alone() {
    let fields = "fields: { param: fields, of: { list: [a, b] }, separator: ',', at_most: { names: 1 }, source: none }";
    let (server, source) = start(&format!("{PAGED}{fields}"), |asked| match asked.number {
        1 => Reply::throttled(),
        _ => Reply::json(&json!({ "data": rows(0..1, asked.get("fields").unwrap()), "next": null })),
    })
    .await;
    let got = got(&source).await.unwrap();
    assert_eq!(targets(&server), ["/v1/rows?fields=a", "/v1/rows?fields=b", "/v1/rows?fields=b"]);
    assert_eq!((got.summary.retries, got.records.len()), (1, 1));
}

#[tokio::test]
async fn a_url_of_the_server_is_asked_for_with_the_names_of_each_portion() {
    let stream = "kind: snapshot\npath: /rows\npagination: { next_url: { url: next } }\n\
         fields: { param: fields, of: { list: [a, b] }, separator: ',', at_most: { names: 1 }, source: none }";
    let (server, source) = start(stream, |asked| {
        let page = asked.number_of("p").unwrap_or(0);
        let names = asked.get("fields").unwrap();
        // Its link repeats what it was asked for.
        let next = (page == 0).then(|| format!("/v1/rows?p=1&fields={names}"));
        Reply::json(&json!({ "data": rows(page..page + 1, names), "next": next }))
    })
    .await;
    assert_eq!(got(&source).await.unwrap().records.len(), 2);
    let expected = ["/v1/rows?fields=a", "/v1/rows?fields=b", "/v1/rows?p=1&fields=a", "/v1/rows?p=1&fields=b"];
    assert_eq!(targets(&server), expected);
}

#[test]
fn fields_that_no_request_could_carry_are_refused_with_their_place() {
    for (stream, says) in [
        ("fields: { param: f, of: { list: [a] }, at_most: { names: 0 } }", "no fields"),
        ("fields: { param: f, of: { list: [a, ' '] } }", "no name"),
        ("fields: { param: f, of: { list: [] } }", "no field is asked for"),
        ("fields: { param: f, of: { setting: nobody } }", "no list setting"),
        ("fields: { param: f, of: { stream: { stream: nobody, field: name } } }", "no stream `nobody`"),
        ("fields: { param: f, of: { stream: { stream: rows, field: name } } }", "needs a list of names itself"),
        (
            "fields: { param: f, at_most: { names: 1 } }\npagination: { body_token: { param: c, token: next, alone: true } }",
            "no page can be asked for twice",
        ),
    ] {
        let told = refusal(&format!("kind: snapshot\npath: /rows\n{stream}"));
        assert!(told.contains(says) && told.contains("fields"), "{stream}: {told}");
    }
    let keyless = manifest("https://h", "kind: snapshot\npath: /rows\nfields: { param: f, at_most: { names: 1 } }");
    let error = Connector::parse(&keyless.replace("key: [id]", "append_only: true"), "test.yaml").unwrap_err();
    assert!(error.to_string().contains("nothing tells") && error.fix().contains("merge_by"), "{error}");
}

/// A record under a chunk that precedes it would break the order of events; this is what `read` checks of each.
#[tokio::test]
async fn records_of_a_page_in_portions_stand_under_its_last_request() {
    let fields = "fields: { param: fields, of: { list: [a, b] }, separator: ',', at_most: { names: 1 }, source: none }";
    let (_server, source) = start(&format!("{PAGED}{fields}"), page).await;
    let mut reading =
        source.read("rows", ReadRequest { slice: headwater_contract::Slice::whole(), bounds: None, token: None });
    let mut places = Vec::new();
    while let Some(event) = reading.next().await {
        if let headwater_contract::ReadEvent::Records(Records { request, first_ordinal, texts, .. }) = event.unwrap() {
            places.push((request, first_ordinal, texts.len()));
        }
    }
    assert_eq!(places, [(1, 0, 2), (3, 0, 1)]);
}

#[test]
fn how_many_fields_one_request_takes_is_said_with_the_page_that_says_so() {
    let unsaid = |fields: &str| {
        let text = manifest("https://h", &format!("kind: snapshot\npath: /rows\n{fields}"));
        let connector = Connector::parse(&text, "test.yaml").unwrap();
        let findings = headwater_connectors::lint::lint(&connector);
        findings.iter().any(|finding| finding.code == "source-missing" && finding.path == "streams.rows.fields")
    };
    assert!(unsaid("fields: { param: f, at_most: { names: 9 } }"));
    assert!(!unsaid("fields: { param: f, at_most: { names: 9 }, source: 'https://h/limits' }"));
    assert!(!unsaid("fields: { param: f }"));
}
