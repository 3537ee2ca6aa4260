//! Imported manifests against a server: the requests that the original sends, and the records that it yields.

use headwater_connectors::SettingValue;
use headwater_connectors::import::{Outcome, import_airbyte};
use headwater_contract::{Slice, TimeRange};
use serde_json::{Value, json};

use crate::server::{Asked, Reply, Server};
use crate::work::{Got, at, open, range, read, text, whole};

/// Imports a manifest whose `URL` is the server's; everything in it must have a counterpart.
pub(crate) fn import(original: &str, server: &Server) -> String {
    let original = original.replace("URL", &server.origin);
    let import = import_airbyte(&original, "source-test/manifest.yaml", None).unwrap();
    assert_eq!(import.report.count(Outcome::Impossible), 0, "{}", import.report);
    import.text
}

/// A manifest of one stream `rows`, whose requester, selector, paginator and further keys are given.
pub(crate) fn one(requester: &str, path: &str, paginator: &str, more: &str) -> String {
    let indent =
        |text: &str, by: usize| text.lines().fold(String::new(), |all, line| all + &" ".repeat(by) + line + "\n");
    let paginator =
        if paginator.is_empty() { String::new() } else { format!("      paginator:\n{}", indent(paginator, 8)) };
    format!(
        "version: 1.0.0\ntype: DeclarativeSource\ncheck: {{ type: CheckStream, stream_names: [rows] }}\nstreams:\n  - type: DeclarativeStream\n    name: rows\n    \
         primary_key: id\n{}    retriever:\n      type: SimpleRetriever\n      requester:\n        type: HttpRequester\n        url_base: URL/v1\n{}      \
         record_selector:\n        type: RecordSelector\n        extractor: {{ type: DpathExtractor, field_path: {path} }}\n{paginator}",
        indent(more, 4),
        indent(requester, 8),
    )
}

pub(crate) const SPEC: &str = "spec:\n  type: Spec\n  connection_specification:\n    type: object\n    required: [api_key]\n    properties:\n      api_key: { type: string, airbyte_secret: true }\n      region: { type: string, default: eu }\n      since: { type: string, pattern: '^[0-9]{4}-[0-9]{2}-[0-9]{2}$' }\n      ids: { type: array, items: { type: string } }\n      flag: { type: boolean, default: true }\n";

pub(crate) async fn rows(original: &str, server: &Server, settings: &[(&str, SettingValue)]) -> Got {
    let text = import(original, server);
    let source = open(&text, server, secret_of(&text), settings);
    read(&source, "rows", whole()).await.unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// The secret that a manifest asks for.
pub(crate) fn secret_of(text: &str) -> &'static str {
    if text.contains("api_key: {") { "api_key" } else { "" }
}

pub(crate) fn queries(asked: &[Asked]) -> Vec<String> {
    asked
        .iter()
        .map(|asked| asked.target.split_once('?').map_or(String::new(), |(_, query)| query.to_owned()))
        .collect()
}

#[tokio::test]
async fn parameters_headers_and_transformations_mean_the_same() {
    let server = Server::start(|_| {
        Reply::json(&json!({ "items": [
            { "id": 1, "zip": "00123", "digits": "456", "deep": { "name": "it's" }, "gone": true, "kind": "a" },
            { "id": 2, "zip": "7", "kind": "b", "extra": null },
        ] }))
    })
    .await;
    let requester = "path: /rows\nauthenticator: { type: BearerAuthenticator, api_token: \"{{ config['api_key'] }}\" }\nrequest_parameters: { region: \"{{ config['region'] }}\", flag: \"{{ config['flag'] }}\", plain: true, none: \"{{ config.get('missing') }}\", empty: '', ids: \"{{ config['ids'] }}\", year: \"{{ format_datetime('2024-03-01', '%Y') }}\" }\nrequest_headers: { X-Mode: \"m-{{ config['region'] | upper }}\", X-Key: \"k {{ config['api_key'] }}\" }";
    let more = "transformations:\n  - { type: AddFields, fields: [{ path: [number], value: \"{{ record['digits'] }}\" }, { path: [code], value: \"{{ record.zip }}\" }, { path: [a, b], value: \"{{ record.deep.name ~ '!' }}\" }, { path: [text], value: \"{{ record.id }}\", value_type: string }] }\n  - { type: RemoveFields, field_pointers: [[gone], [deep, name]] }";
    let original = one(requester, "[items]", "", more).replace(
        "        extractor:",
        "        record_filter: { type: RecordFilter, condition: \"{{ record.kind == 'a' }}\" }\n        extractor:",
    ) + SPEC;
    let got = rows(&original, &server, &[("ids", SettingValue::List(vec!["x".into(), "y".into()]))]).await;
    let asked = server.asked();
    assert_eq!(queries(&asked), ["region=eu&flag=True&plain=True&none=None&ids=x&ids=y&year=2024"]);
    let header = |name: &str| asked[0].headers.get(name).map(String::as_str);
    assert_eq!((header("x-mode"), header("x-key")), (Some("m-EU"), Some("k s3cret-token")));
    assert_eq!(header("authorization"), Some("Bearer s3cret-token"));
    let expected = json!({ "id": 1, "zip": "00123", "digits": "456", "deep": {}, "kind": "a", "number": 456, "code": "00123", "a": { "b": "it's!" }, "text": "1" });
    assert_eq!(got.records, [expected]);
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
async fn pages_end_where_the_original_ends_them() {
    // Records of the pages, the paginator, and the queries that are sent.
    type Case = (&'static str, &'static str, fn(&Asked) -> Reply, Vec<&'static str>);
    fn ids(count: usize) -> Vec<Value> {
        (0..count).map(|id| json!({ "id": id })).collect()
    }
    fn numbered(asked: &Asked) -> Reply {
        let rows: Vec<Value> =
            if asked.number < 2 { vec![json!({ "id": asked.number }), json!({ "id": 9 })] } else { vec![] };
        Reply::json(&json!({ "items": rows }))
    }
    fn told(asked: &Asked) -> Reply {
        let next = (asked.number == 0).then_some("t1");
        Reply::json(
            &json!({ "items": [{ "id": asked.number }], "meta": { "next": next, "has_more": asked.number == 0 }, "@odata.nextLink": next }),
        )
    }
    fn linked(asked: &Asked) -> Reply {
        let reply = Reply::json(&Value::from(vec![json!({ "id": asked.number })]));
        if asked.number == 0 { reply.header("Link", "</v1/rows?page=2>; rel=\"next\"") } else { reply }
    }
    fn url(asked: &Asked) -> Reply {
        let next = (asked.number == 0).then(|| format!("http://{}/v1/rows?page=2&size=5", asked.headers["host"]));
        Reply::json(&json!({ "items": ids(1 + asked.number), "next": next }))
    }
    let cases: [Case; 8] = [
        (
            "[items]",
            "type: DefaultPaginator\npage_size_option: { type: RequestOption, inject_into: request_parameter, field_name: size }\npage_token_option: { type: RequestOption, inject_into: request_parameter, field_name: page }\npagination_strategy: { type: PageIncrement, page_size: 2, start_from_page: 1 }",
            numbered,
            vec!["size=2", "size=2&page=2", "size=2&page=3"],
        ),
        (
            "[items]",
            "type: DefaultPaginator\npage_token_option: { type: RequestOption, inject_into: request_parameter, field_name: skip }\npagination_strategy: { type: OffsetIncrement, page_size: 2, inject_on_first_request: true }",
            numbered,
            vec!["skip=0", "skip=2", "skip=4"],
        ),
        (
            "[items]",
            "type: DefaultPaginator\npage_token_option: { type: RequestOption, inject_into: request_parameter, field_name: after }\npagination_strategy: { type: CursorPagination, cursor_value: \"{{ response.meta.next }}\", stop_condition: \"{{ not response.meta.next }}\" }",
            told,
            vec!["", "after=t1"],
        ),
        (
            "[items]",
            "type: DefaultPaginator\npage_token_option: { type: RequestOption, inject_into: request_parameter, field_name: after }\npagination_strategy: { type: CursorPagination, cursor_value: \"{{ last_record['id'] + 5 }}\", stop_condition: \"{{ not response.get('meta', {}).get('has_more') }}\" }",
            told,
            vec!["", "after=5"],
        ),
        (
            "[items]",
            "type: DefaultPaginator\npage_token_option: { type: RequestOption, inject_into: request_parameter, field_name: after }\npagination_strategy: { type: CursorPagination, cursor_value: \"{{ response['@odata.nextLink'] ~ 'x' if response['@odata.nextLink'] }}\" }",
            told,
            vec!["", "after=t1x"],
        ),
        (
            "[]",
            "type: DefaultPaginator\npage_token_option: { type: RequestPath }\npagination_strategy: { type: CursorPagination, cursor_value: \"{{ headers['link']['next']['url'] }}\", stop_condition: \"{{ 'next' not in headers['link'] }}\" }",
            linked,
            vec!["", "page=2"],
        ),
        (
            "[items]",
            "type: DefaultPaginator\npage_size_option: { type: RequestOption, inject_into: request_parameter, field_name: size }\npage_token_option: { type: RequestPath }\npagination_strategy: { type: CursorPagination, page_size: 5, cursor_value: \"{{ response.next }}\" }",
            url,
            vec!["size=5", "page=2&size=5"],
        ),
        (
            "[items]",
            "type: DefaultPaginator\npage_token_option: { type: RequestOption, inject_into: header, field_name: X-After }\npagination_strategy: { type: CursorPagination, cursor_value: \"{{ response.meta.next }}\" }",
            told,
            vec!["", ""],
        ),
    ];
    for (path, paginator, handler, expected) in cases {
        let server = Server::start(handler).await;
        let got = rows(&one("path: rows", path, paginator, ""), &server, &[]).await;
        assert_eq!(queries(&server.asked()), expected, "{paginator}");
        assert!(!got.records.is_empty());
    }
}

#[tokio::test]
async fn bodies_keep_the_types_of_the_original() {
    let server = Server::start(|asked| {
        Reply::json(&json!({ "data": { "rows": [{ "id": asked.number }] }, "cursor": if asked.number == 0 { json!("77") } else { json!(null) } }))
    })
    .await;
    let requester = "path: /query\nhttp_method: POST\nauthenticator: { type: ApiKeyAuthenticator, api_token: \"{{ config['api_key'] }}\", inject_into: { type: RequestOption, inject_into: body_json, field_name: key } }\nrequest_body_json: { query: \"query { rows(first: 5) { id } }\", size: \"{{ 2 + 3 }}\", text: '12', where: { region: \"{{ config.region }}\", flags: [\"{{ config['flag'] }}\", a] }, nothing: \"{{ config.get('missing') }}\" }";
    let paginator = "type: DefaultPaginator\npage_size_option: { type: RequestOption, inject_into: body_json, field_path: [paging, limit] }\npage_token_option: { type: RequestOption, inject_into: body_json, field_path: [paging, after] }\npagination_strategy: { type: CursorPagination, page_size: 5, cursor_value: \"{{ response.cursor }}\" }";
    rows(&(one(requester, "[data, rows]", paginator, "") + SPEC), &server, &[]).await;
    let asked = server.asked();
    let body = |paging: Value| json!({ "query": "query { rows(first: 5) { id } }", "size": 5, "text": 12, "where": { "region": "eu", "flags": [true, "a"] }, "paging": paging, "key": "s3cret-token" });
    assert_eq!(asked.len(), 2);
    assert_eq!(asked[0].body, body(json!({ "limit": 5 })));
    assert_eq!(asked[1].body, body(json!({ "limit": 5, "after": 77 })));
}

#[tokio::test]
async fn windows_are_asked_for_as_the_original_asks_for_slices() {
    let range_of = |from: &str, until: &str| range(TimeRange::new(at(from), at(until)).unwrap());
    for (more, requester, expected) in [
        (
            "incremental_sync:\n  type: DatetimeBasedCursor\n  cursor_field: at\n  datetime_format: '%Y-%m-%d'\n  step: P3D\n  cursor_granularity: P1D\n  start_datetime: \"{{ config['since'] }}\"\n  start_time_option: { type: RequestOption, inject_into: request_parameter, field_name: from }\n  end_time_option: { type: RequestOption, inject_into: request_parameter, field_name: to }",
            "path: /rows",
            "/v1/rows?from=2024-03-01&to=2024-03-03",
        ),
        (
            "incremental_sync:\n  type: DatetimeBasedCursor\n  cursor_field: at\n  datetime_format: '%s'\n  start_datetime: { type: MinMaxDatetime, datetime: \"{{ config['since'] }}\", datetime_format: '%Y-%m-%d' }\n  partition_field_start: begin",
            "path: \"/rows/{{ stream_interval.begin }}/all\"\nrequest_parameters: { q: \"at > {{ stream_slice['begin'] }}\", day: \"{{ format_datetime(stream_interval.begin, '%Y-%m-%d') }}\", early: \"{{ config['since'] }}\" }",
            "/v1/rows/1709251200/all?q=at+%3E+1709251200&day=2024-03-01&early=2024-01-02",
        ),
    ] {
        let server = Server::start(|_| Reply::json(&json!([{ "id": 1, "at": "2024-03-02" }]))).await;
        let text_of = import(&(one(requester, "[]", "", more) + SPEC), &server);
        let source = open(&text_of, &server, secret_of(&text_of), &[("since", text("2024-01-02"))]);
        let got = read(&source, "rows", range_of("2024-03-01T00:00:00Z", "2024-03-04T00:00:00Z")).await;
        let got = got.unwrap_or_else(|error| panic!("{error}\n{text_of}"));
        assert_eq!(server.asked()[0].target, expected);
        assert_eq!(got.records, [json!({ "id": 1, "at": "2024-03-02" })]);
    }
}

#[tokio::test]
async fn partitions_come_from_lists_and_parents() {
    let server = Server::start(|asked| match asked.path.as_str() {
        "/v1/groups" => Reply::json(&json!({ "items": [{ "key": { "id": "g1" }, "size": 3 }, { "key": {} }, { "key": { "id": "g2" }, "size": null }] })),
        _ => Reply::json(&json!({ "items": [{ "id": 7 }] })),
    })
    .await;
    let parent = "{ type: DeclarativeStream, name: groups, retriever: { type: SimpleRetriever, requester: { type: HttpRequester, url_base: URL/v1, path: groups }, record_selector: { type: RecordSelector, extractor: { type: DpathExtractor, field_path: [items] } } } }";
    let original = one(
        "path: \"/groups/{{ stream_partition.group }}/rows\"\nrequest_parameters: { size: \"{{ stream_slice.extra_fields['size'] }}\" }",
        "[items]",
        "",
        "transformations: [{ type: AddFields, fields: [{ path: [group], value: \"{{ stream_partition['group'] }}\" }, { path: [kind], value: \"{{ stream_slice.kind }}\" }] }]",
    )
    .replace(
        "      record_selector:",
        &format!("      partition_router:\n        - {{ type: ListPartitionRouter, cursor_field: kind, values: [a, b], request_option: {{ type: RequestOption, inject_into: request_parameter, field_name: kind }} }}\n        - {{ type: SubstreamPartitionRouter, parent_stream_configs: [{{ type: ParentStreamConfig, parent_key: key/id, partition_field: group, extra_fields: [[size]], stream: {parent} }}] }}\n      record_selector:"),
    );
    let text = import(&original, &server);
    let source = open(&text, &server, "", &[]);
    let mut records = Vec::new();
    for slice in source.slices("rows").await.unwrap() {
        let request = headwater_connectors::ReadRequest { slice, ..whole() };
        records.extend(read(&source, "rows", request).await.unwrap_or_else(|error| panic!("{error}\n{text}")).records);
    }
    assert_eq!(source.slices("rows").await.unwrap(), [Slice::named("a".to_owned()), Slice::named("b".to_owned())]);
    let mut targets: Vec<String> =
        server.asked().into_iter().map(|asked| asked.target).filter(|target| target != "/v1/groups").collect();
    targets.sort();
    assert_eq!(
        targets,
        [
            "/v1/groups/g1/rows?size=3&kind=a",
            "/v1/groups/g1/rows?size=3&kind=b",
            "/v1/groups/g2/rows?size=None&kind=a",
            "/v1/groups/g2/rows?size=None&kind=b",
        ]
    );
    assert_eq!(records.len(), 4);
    assert_eq!(records[0], json!({ "id": 7, "group": "g1", "kind": "a" }));
}

#[tokio::test]
async fn what_an_answer_lacks_is_no_record() {
    for (path, answer, expected) in [
        ("[data]", json!({ "other": 1 }), 0),
        ("[data]", json!({ "data": null }), 0),
        ("[data]", json!({ "data": {} }), 0),
        ("[data]", json!({ "data": { "id": 1 } }), 1),
        ("[data]", json!({ "data": [{ "id": 1 }, { "id": 2 }] }), 2),
        ("[]", json!({ "id": 1 }), 1),
        ("[]", json!([{ "id": 1 }, { "id": 2 }]), 2),
        ("[data, '*']", json!({ "data": { "a": { "id": 1 }, "b": { "id": 2 } } }), 2),
    ] {
        let body = answer.clone();
        let server = Server::start(move |_| Reply::json(&body)).await;
        let got = rows(&one("path: rows", path, "", ""), &server, &[]).await;
        assert_eq!(got.records.len(), expected, "{path} {answer}");
    }
}

#[tokio::test]
async fn rules_about_answers_do_what_the_original_does() {
    let server = Server::start(|asked| match asked.number {
        0 => Reply::text(420, "{}").header("X-Wait", "0"),
        1 => Reply::text(400, "{\"code\": 8, \"error\": \"slow down\"}"),
        2 => Reply::json(&json!({ "items": [{ "id": 1 }], "next": "b" })),
        _ => Reply::text(404, "{\"error\": \"no more\"}"),
    })
    .await;
    let requester = "path: rows\nerror_handler:\n  type: CompositeErrorHandler\n  error_handlers:\n    - { type: DefaultErrorHandler, response_filters: [{ type: HttpResponseFilter, action: RETRY, predicate: \"{{ response.get('code') == 8 }}\" }, { type: HttpResponseFilter, action: IGNORE, http_codes: [404] }] }\n    - { type: DefaultErrorHandler, backoff_strategies: [{ type: WaitTimeFromHeader, header: X-Wait }], response_filters: [{ type: HttpResponseFilter, action: RATE_LIMITED, http_codes: [420] }] }";
    let paginator = "type: DefaultPaginator\npage_token_option: { type: RequestOption, inject_into: request_parameter, field_name: after }\npagination_strategy: { type: CursorPagination, cursor_value: \"{{ response.next }}\" }";
    let got = rows(&one(requester, "[items]", paginator, ""), &server, &[]).await;
    assert_eq!((got.records.len(), server.asked().len()), (1, 4));
}

#[tokio::test]
async fn logins_send_what_the_original_sends() {
    let login = "{ type: SessionTokenAuthenticator, expiration_duration: PT1H, session_token_path: [data, token], request_authentication: { type: ApiKey, inject_into: { type: RequestOption, inject_into: header, field_name: X-Session } }, login_requester: { type: HttpRequester, url_base: URL, path: /login, http_method: POST, request_body_json: { key: \"{{ config['api_key'] }}\", region: \"{{ config['region'] }}\" } } }";
    let oauth = "{ type: OAuthAuthenticator, token_refresh_endpoint: URL/token, grant_type: client_credentials, client_id: \"{{ config['region'] }}\", client_secret: \"{{ config['api_key'] }}\", refresh_request_body: { audience: all } }";
    let selective = "{ type: SelectiveAuthenticator, authenticator_selection_path: [region], authenticators: { eu: { type: BasicHttpAuthenticator, username: \"{{ config['api_key'] }}\", password: '' }, us: { type: NoAuth } } }";
    for (authenticator, header, value) in [
        (login, "x-session", "tok"),
        (oauth, "authorization", "Bearer tok"),
        (selective, "authorization", "Basic czNjcmV0LXRva2VuOg=="),
    ] {
        let server = Server::start(|asked| match asked.path.as_str() {
            "/login" => {
                assert_eq!(asked.body, json!({ "key": "s3cret-token", "region": "eu" }));
                Reply::json(&json!({ "data": { "token": "tok" } }))
            }
            "/token" => {
                let mut fields: Vec<&str> = asked.text.split('&').collect();
                fields.sort_unstable();
                assert_eq!(
                    fields,
                    ["audience=all", "client_id=eu", "client_secret=s3cret-token", "grant_type=client_credentials"]
                );
                Reply::json(&json!({ "access_token": "tok", "expires_in": 3600 }))
            }
            _ => Reply::json(&json!([{ "id": 1 }])),
        })
        .await;
        let original = one(&format!("path: rows\nauthenticator: {authenticator}"), "[]", "", "") + SPEC;
        rows(&original, &server, &[]).await;
        let asked = server.asked();
        assert_eq!(asked.last().unwrap().headers.get(header).map(String::as_str), Some(value), "{authenticator}");
    }
}

#[tokio::test]
async fn addresses_are_put_together_as_the_original_does() {
    for (requester, settings, expected) in [
        ("path: /a/b?x=1&y={{ config['region'] }}", vec![], "/v1/a/b?x=1&y=eu"),
        ("path: \"{{ 'all/' ~ config['region'] if config['flag'] else 'none' }}/rows\"", vec![], "/v1/all/eu/rows"),
        ("path: \"a/{{ config['region'] }}\"", vec![("region", text("x/y z"))], "/v1/a/x/y%20z"),
    ] {
        let server = Server::start(|_| Reply::json(&json!([{ "id": 1 }]))).await;
        rows(&(one(requester, "[]", "", "") + SPEC), &server, &settings).await;
        assert_eq!(server.asked()[0].target, expected, "{requester}");
    }
    // A stream on a host of its own takes the credential too.
    let (first, second) =
        (Server::start(|_| Reply::json(&json!([]))).await, Server::start(|_| Reply::json(&json!([{ "id": 1 }]))).await);
    let bearer = "authenticator: { type: BearerAuthenticator, api_token: \"{{ config['api_key'] }}\" }";
    let other = one(&format!("path: other\n{bearer}"), "[]", "", "")
        .replace("name: rows", "name: others")
        .replace("URL", &first.origin);
    let own = one(&format!("path: rows\n{bearer}"), "[]", "", "").replace("URL", &second.origin);
    let (_, stream) = own.split_once("streams:\n").unwrap();
    let text = import(&(other + stream + SPEC), &first);
    let private = [first.address(), second.address()];
    let source = crate::work::try_open(&text, &private, "api_key", &[]).unwrap();
    assert_eq!(read(&source, "rows", whole()).await.unwrap().records.len(), 1);
    assert_eq!(second.asked()[0].headers["authorization"], "Bearer s3cret-token");
}
