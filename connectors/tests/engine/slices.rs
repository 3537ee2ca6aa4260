//! Slices that another stream lists, ranges of numbers, and products of lists.

use headwater_connectors::{ReadRequest, Source};
use headwater_contract::{Explain, Slice};
use serde_json::json;

use crate::server::{Asked, Reply, Server};
use crate::work::{open, read, text};

const OBJECTS: &str = r"
manifest: 1
connector: objects
title: Objects
docs: none
settings:
  objects: { type: list, optional: true, help: objects }
  edition: { optional: true, help: edition }
http:
  base_url: ORIGIN/api
  limits: [{ requests: 1000000, per: 1 second, source: none }]
templates:
  object:
    title: rows of an object
    path: /objects/{object}
    records: /data
    key: [id]
    kind: snapshot
    deletes: none
    for_each: { setting: objects, as: object }
    parameters: { object: { help: the name of the object } }
    columns: { id: { type: string }, object: { type: string, given: object } }
streams:
  audits:
    title: audits
    path: /audits
    when: edition == 'premium'
    records: /data
    key: [id]
    kind: snapshot
    deletes: none
    columns: { id: { type: string } }
";

fn streams(source: &Source) -> Vec<String> {
    source.contracts().iter().map(|contract| contract.name.stream().to_owned()).collect()
}

#[tokio::test]
async fn settings_call_streams_into_being_and_leave_others_out() {
    let server = Server::start(ads).await;
    let open = |settings: &[(&str, headwater_connectors::SettingValue)]| {
        open(&OBJECTS.replace("ORIGIN", &server.origin), &server, "", settings)
    };
    assert!(streams(&open(&[])).is_empty());
    let source = open(&[("objects", text("Lead,Custom__c")), ("edition", text("premium"))]);
    assert_eq!(streams(&source), ["audits", "object_custom_c", "object_lead"]);
    let got = read(&source, "object_custom_c", crate::work::whole()).await.unwrap();
    assert_eq!(got.records[0]["id"], "/api/objects/Custom__c{}");
    assert_eq!(got.records[0]["_given"], json!({ "object": "Custom__c" }));
    let text = OBJECTS.replace("ORIGIN", &server.origin);
    let same = [("objects", crate::work::text("Lead,lead"))];
    let error = crate::work::try_open(&text, &[server.address()], "", &same).unwrap_err();
    assert!(error.to_string().contains("`Lead` and `lead`"), "{error}");
}

const ADS: &str = r"
manifest: 1
connector: ads
title: Ads
docs: none
settings:
  accounts: { type: list, optional: true, help: accounts }
http:
  base_url: ORIGIN/api
  limits: [{ requests: 1000000, per: 1 second, source: none }]
defaults:
  records: /data
  key: [id]
  kind: snapshot
  columns: { id: { type: string } }
  deletes: none
streams:
  managers:
    title: managers
    path: /managers
    internal: true
  accounts:
    title: accounts
    path: /managers/{manager}/accounts
    internal: true
    parent: { stream: managers, fields: { manager: id } }
    pagination: { body_token: { param: cursor, token: /next } }
  campaigns:
    title: campaigns
    path: /accounts/{account}/campaigns
    params: { currency: '{currency}' }
    slices: { parent: { stream: accounts, fields: { account: id, currency: /money/currency } }, as: account }
    columns:
      id:       { type: string }
      account:  { type: string, given: account }
      currency: { type: string, given: currency }
  clicks:
    title: clicks
    path: /accounts/{account}/clicks/{size}
    slices:
      product:
        - parent: { stream: accounts, fields: { account: id, currency: /money/currency } }
          as: account
        - { list: [small, large], as: size }
  some:
    title: some
    path: /some/{account}
    slices:
      as: account
      union:
        - { setting: accounts }
        - { parent: { stream: accounts, fields: { account: id } }, when: not accounts }
  rows:
    title: rows
    path: /rows
    params: { from: '{row}', to: '{row_last}' }
    slices: { numbers: { from: 1, until: 26, step: 10 }, as: row }
";

fn ads(asked: &Asked) -> Reply {
    let account = |id: &str| json!({ "id": id, "money": { "currency": format!("C{id}") } });
    match (asked.path.as_str(), asked.get("cursor")) {
        ("/api/managers", _) => Reply::json(&json!({ "data": [{ "id": "m" }, { "id": "n" }] })),
        ("/api/managers/m/accounts", None) => Reply::json(&json!({ "data": [account("b")], "next": "2" })),
        ("/api/managers/m/accounts", Some(_)) => Reply::json(&json!({ "data": [account("a/1")] })),
        ("/api/managers/n/accounts", _) => Reply::json(&json!({ "data": [account("b")] })),
        (path, _) => Reply::json(&json!({ "data": [{ "id": format!("{path}{:?}", asked.query) }] })),
    }
}

async fn start(settings: &[(&str, headwater_connectors::SettingValue)]) -> (Server, Source) {
    let server = Server::start(ads).await;
    let source = open(&ADS.replace("ORIGIN", &server.origin), &server, "", settings);
    (server, source)
}

fn slice(text: &str) -> ReadRequest {
    ReadRequest { slice: Slice::named(text), bounds: None, token: None }
}

fn named(texts: &[&str]) -> Vec<Slice> {
    texts.iter().map(|text| Slice::named(*text)).collect()
}

#[tokio::test]
async fn a_stream_that_lists_slices_is_asked_once_for_all_that_are_read_by_it() {
    let (server, source) = start(&[]).await;
    assert_eq!(source.slices("campaigns").await.unwrap(), named(&["a/1", "b"]));
    let lists = server.asked().len();
    let product = named(&["a/1|large", "a/1|small", "b|large", "b|small"]);
    assert_eq!(source.slices("clicks").await.unwrap(), product);
    let got = read(&source, "campaigns", slice("a/1")).await.unwrap();
    assert_eq!(got.records[0]["id"], r#"/api/accounts/a%2F1/campaigns{"currency": "Ca/1"}"#);
    assert_eq!(got.records[0]["_given"], json!({ "account": "a/1", "currency": "Ca/1" }));
    let got = read(&source, "clicks", slice("b|large")).await.unwrap();
    assert_eq!(got.records[0]["id"], "/api/accounts/b/clicks/large{}");
    // Two managers, three pages of accounts, then one request a reading.
    assert_eq!((lists, server.asked().len()), (4, 6));
    assert_eq!(read(&source, "campaigns", slice("c")).await.unwrap_err().code(), "slice-unknown");
}

#[tokio::test]
async fn a_unit_that_never_planned_lists_the_slices_itself() {
    let (server, source) = start(&[]).await;
    let got = read(&source, "campaigns", slice("b")).await.unwrap();
    assert_eq!((got.summary.requests, server.asked().len()), (1, 5));
}

#[tokio::test]
async fn a_setting_names_some_and_its_absence_means_all() {
    let (server, source) = start(&[("accounts", text("z"))]).await;
    assert_eq!(source.slices("some").await.unwrap(), named(&["z"]));
    assert_eq!(server.asked().len(), 0, "nobody asks for a list that is left out");
    let (_server, source) = start(&[]).await;
    assert_eq!(source.slices("some").await.unwrap(), named(&["a/1", "b"]));
}

#[tokio::test]
async fn a_range_of_rows_is_read_in_steps() {
    let (_server, source) = start(&[]).await;
    assert_eq!(source.slices("rows").await.unwrap(), named(&["1", "11", "21"]));
    let got = read(&source, "rows", slice("21")).await.unwrap();
    assert_eq!(got.records[0]["id"], r#"/api/rows{"from": "21", "to": "25"}"#);
}

#[test]
fn slices_that_come_from_nowhere_or_everywhere_are_refused() {
    for (from, to, reason) in [
        ("as: row }", "list: [a], as: row }", "slices come from one place"),
        (", as: row }", " }", "`as` is missing"),
        ("step: 10", "step: 0", "a range without length"),
        ("{ setting: accounts }", "{ setting: other }", "`other` is no list setting"),
        ("stream: accounts, fields: { account: id }", "stream: accounts", "fields"),
        (
            "stream: accounts, fields: { account: id }",
            "stream: accounts, fields: { other: id }",
            "`account` is no field",
        ),
        ("stream: accounts, fields: { account: id }", "stream: rows, fields: { account: id }", "read by slices itself"),
        ("stream: accounts, fields: { account: id }", "stream: other, fields: { account: id }", "no stream `other`"),
    ] {
        let text = ADS.replace("ORIGIN", "http://127.0.0.1:1").replacen(from, to, 1);
        let error = headwater_connectors::Connector::parse(&text, "ads.yaml").unwrap_err();
        assert!(format!("{error} {}", error.snippet()).contains(reason), "{error}");
    }
}
