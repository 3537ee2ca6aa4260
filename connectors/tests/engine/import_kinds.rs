//! One manifest for each kind of component that low-code manifests have: what it comes to, against a server.

use headwater_connectors::import::{Outcome, import_airbyte};
use headwater_connectors::{Connector, ReadRequest, SettingValue};
use headwater_contract::TimeRange;
use serde_json::{Value, json};

use crate::imports::{SPEC, import, one, queries, rows};
use crate::server::{Asked, Reply, Server};
use crate::work::{at, open, range, read, text, whole};

/// A manifest of one stream whose retriever is given whole.
fn stream_of(retriever: &str, more: &str) -> String {
    let indent = |text: &str, by: usize| text.lines().map(|line| " ".repeat(by) + line + "\n").collect::<String>();
    format!(
        "version: 1.0.0\ntype: DeclarativeSource\ncheck: {{ type: CheckStream, stream_names: [rows] }}\nstreams:\n  - type: DeclarativeStream\n    name: rows\n    primary_key: id\n{}    retriever:\n{}",
        indent(more, 4),
        indent(retriever, 6)
    )
}

fn days(from: &str, until: &str) -> ReadRequest {
    let at = |day: &str| at(&format!("{day}T00:00:00Z"));
    range(TimeRange::new(at(from), at(until)).unwrap())
}

const EXPORT: &str = r"type: AsyncRetriever
status_mapping: { type: AsyncJobStatusMap, running: [queued], completed: [done], failed: [failed], timeout: [timeout], skipped: [empty] }
status_extractor: { type: DpathExtractor, field_path: [state] }
download_target_extractor: { type: DpathExtractor, field_path: [urls] }
creation_requester:
  type: HttpRequester
  url_base: URL/v1
  path: exports
  http_method: POST
  authenticator: { type: BearerAuthenticator, api_token: '{{ config[''api_key''] }}' }
  request_body_json: { from: '{{ stream_interval.start_time }}', until: '{{ stream_interval.end_time }}' }
polling_requester:
  type: HttpRequester
  url_base: URL/v1
  path: 'exports/{{ creation_response[''job''][''id''] }}'
  authenticator: { type: BearerAuthenticator, api_token: '{{ config[''api_key''] }}' }
  request_parameters: { kind: rows }
download_requester: { type: HttpRequester, url_base: '{{ download_target }}' }
delete_requester:
  type: HttpRequester
  url_base: URL/v1
  path: 'exports/{{ creation_response.job.id }}'
  http_method: DELETE
  authenticator: { type: BearerAuthenticator, api_token: '{{ config[''api_key''] }}' }
download_extractor: { type: ResponseToFileExtractor }
record_selector:
  type: RecordSelector
  record_filter: { type: RecordFilter, condition: '{{ record.id != ''2'' }}' }
  extractor: { type: DpathExtractor, field_path: [] }
";

#[tokio::test]
async fn an_export_is_ordered_asked_after_downloaded_and_removed() {
    let server = Server::start(|asked| match (asked.method.as_str(), asked.path.as_str()) {
        ("POST", "/v1/exports") => Reply::json(&json!({ "job": { "id": "e7" } })),
        ("GET", "/v1/exports/e7") if asked.number < 2 => Reply::json(&json!({ "state": "queued" })),
        ("GET", "/v1/exports/e7") => {
            let url = |name: &str| format!("http://{}/files/{name}", asked.headers["host"]);
            Reply::json(&json!({ "state": "done", "urls": [url("a"), url("b")] }))
        }
        ("GET", "/files/a") => Reply::text(200, "id,at,note\n1,2024-03-01,\n2,2024-03-01,x\n"),
        ("GET", "/files/b") => Reply::text(200, "id,at,note\n3,2024-03-02,NA\n"),
        ("DELETE", "/v1/exports/e7") => Reply::text(204, ""),
        (_, path) => Reply::text(500, path),
    })
    .await;
    let sync = "incremental_sync:\n  type: DatetimeBasedCursor\n  cursor_field: at\n  datetime_format: '%Y-%m-%d'\n  step: P1M\n  cursor_granularity: P1D\n  start_datetime: '2024-01-01'";
    let original = stream_of(EXPORT, sync) + SPEC;
    let text = import(&original, &server).replace("wait_max", "every: 1 millisecond\n        wait_max");
    let source = open(&text, &server, "api_key", &[]);
    let got = read(&source, "rows", days("2024-03-01", "2024-03-04")).await;
    let got = got.unwrap_or_else(|error| panic!("{error}\n{text}"));
    let asked = server.asked();
    let sent: Vec<String> = asked.iter().map(|asked| format!("{} {}", asked.method, asked.target)).collect();
    let poll = "GET /v1/exports/e7?kind=rows";
    let expected = ["POST /v1/exports", poll, poll, "GET /files/a", "GET /files/b", "DELETE /v1/exports/e7"];
    assert_eq!(sent, expected);
    assert_eq!(asked[0].body, json!({ "from": "2024-03-01", "until": "2024-03-03" }));
    assert_eq!(asked[1].headers["authorization"], "Bearer s3cret-token");
    let row = |id: &str, at: &str| json!({ "id": id, "at": at, "note": null });
    assert_eq!(got.records, [row("1", "2024-03-01"), row("3", "2024-03-02")]);
}

#[tokio::test]
async fn one_download_may_be_an_address_that_is_put_together() {
    let server = Server::start(|asked| match asked.path.as_str() {
        "/v1/exports" => Reply::json(&json!({ "job": { "id": "e7" } })),
        "/v1/exports/e7" => Reply::json(&json!({ "state": "done", "file": { "name": "f" } })),
        "/v1/results/e7/f" if asked.get("page").is_none() => Reply::json(&json!({ "rows": [{ "id": 1 }], "next": 2 })),
        "/v1/results/e7/f" => Reply::json(&json!({ "rows": [{ "id": 2 }] })),
        path => Reply::text(500, path),
    })
    .await;
    let original = EXPORT
        .replace("{ type: HttpRequester, url_base: '{{ download_target }}' }", "{ type: HttpRequester, url_base: URL/v1, path: 'results/{{ creation_response.job.id }}/{{ polling_response.file.name }}', authenticator: { type: BearerAuthenticator, api_token: '{{ config[''api_key''] }}' } }")
        .replace("download_target_extractor: { type: DpathExtractor, field_path: [urls] }\n", "")
        .replace("{ type: ResponseToFileExtractor }", "{ type: DpathExtractor, field_path: [rows] }\ndownload_paginator: { type: DefaultPaginator, page_token_option: { type: RequestOption, inject_into: request_parameter, field_name: page }, pagination_strategy: { type: CursorPagination, cursor_value: '{{ response.next }}' } }")
        .replace(", until: '{{ stream_interval.end_time }}'", "").replace("from: '{{ stream_interval.start_time }}'", "all: true");
    let got = rows(&(stream_of(&original, "") + SPEC), &server, &[]).await;
    assert_eq!(got.records, [json!({ "id": 1 }), json!({ "id": 2 })]);
}

#[tokio::test]
async fn fields_are_asked_for_in_portions_and_laid_together() {
    let page = |asked: &Asked| {
        let names = asked.get("props").unwrap_or_default().to_owned();
        let fields = names.split(',').map(|name| (name.to_owned(), json!(name.to_uppercase())));
        let mut row: serde_json::Map<String, Value> = fields.collect();
        row.insert("id".to_owned(), 1.into());
        Reply::json(&json!([row]))
    };
    let properties = "request_parameters: { props: { type: QueryProperties, property_list: [a, b, c], always_include_properties: [k], property_chunking: { type: PropertyChunking, property_limit_type: property_count, property_limit: 2, record_merge_strategy: { type: GroupByKeyMergeStrategy, key: id } } } }";
    let server = Server::start(page).await;
    let got = rows(&one(&format!("path: rows\n{properties}"), "[]", "", ""), &server, &[]).await;
    assert_eq!(queries(&server.asked()), ["props=k%2Ca%2Cb", "props=k%2Cc"]);
    assert_eq!(got.records, [json!({ "id": 1, "k": "K", "a": "A", "b": "B", "c": "C" })]);
    // By characters three are counted for each sign between names; without a limit what is always asked for stands last.
    let by_characters = properties.replace("property_count, property_limit: 2", "characters, property_limit: 8");
    let without = properties.replace(", property_limit: 2", "");
    for (properties, expected) in
        [(by_characters, vec!["props=k%2Ca%2Cb", "props=k%2Cc"]), (without, vec!["props=a%2Cb%2Cc%2Ck"])]
    {
        let server = Server::start(page).await;
        rows(&one(&format!("path: rows\n{properties}"), "[]", "", ""), &server, &[]).await;
        assert_eq!(queries(&server.asked()), expected);
    }
}

#[tokio::test]
async fn fields_come_from_an_endpoint_and_go_where_a_template_puts_them() {
    let server = Server::start(|asked| match asked.path.as_str() {
        "/v1/fields" => Reply::json(&json!({ "results": [{ "name": "a" }, { "name": "b" }] })),
        _ => Reply::json(&json!([{ "id": 1 }])),
    })
    .await;
    let requester = "path: search\nhttp_method: POST\nrequest_body_json: { fields: \"{{ stream_partition.extra_fields['query_properties'] }}\", text: \"{{ stream_slice.extra_fields['query_properties'] | join('|') }}\" }\nquery_properties:\n  type: QueryProperties\n  property_list:\n    type: PropertiesFromEndpoint\n    property_field_path: [name]\n    retriever: { type: SimpleRetriever, requester: { type: HttpRequester, url_base: URL/v1, path: fields }, record_selector: { type: RecordSelector, extractor: { type: DpathExtractor, field_path: [results] } } }";
    rows(&one(requester, "[]", "", ""), &server, &[]).await;
    assert_eq!(server.asked()[1].body, json!({ "fields": ["a", "b"], "text": "a|b" }));
}

/// A manifest whose one stream has these routers.
fn routed(requester: &str, routers: &str) -> String {
    one(requester, "[items]", "", "")
        .replace("      record_selector:", &format!("      partition_router: {routers}\n      record_selector:"))
}

fn parent(name: &str) -> String {
    format!(
        "{{ type: DeclarativeStream, name: {name}, retriever: {{ type: SimpleRetriever, requester: {{ type: HttpRequester, url_base: URL/v1, path: {name} }}, record_selector: {{ type: RecordSelector, extractor: {{ type: DpathExtractor, field_path: [items] }} }} }} }}"
    )
}

fn substream(name: &str, field: &str) -> String {
    format!(
        "{{ type: SubstreamPartitionRouter, parent_stream_configs: [{{ type: ParentStreamConfig, parent_key: id, partition_field: {field}, stream: {} }}] }}",
        parent(name)
    )
}

/// What is asked for by the rows of all slices, the lists of parents left out.
async fn asked_by_slices(original: &str, server: &Server) -> Vec<String> {
    let text = import(original, server);
    let source = open(&text, server, "", &[]);
    for slice in source.slices("rows").await.unwrap_or_else(|error| panic!("{error}\n{text}")) {
        let request = ReadRequest { slice, ..whole() };
        read(&source, "rows", request).await.unwrap_or_else(|error| panic!("{error}\n{text}"));
    }
    let mut targets: Vec<String> = server.asked().into_iter().map(|asked| asked.target).collect();
    targets.retain(|target| target.contains("rows"));
    targets.sort();
    targets
}

fn listed(asked: &Asked) -> Reply {
    let ids: &[&str] = match asked.path.as_str() {
        "/v1/a" => &["x", "y"],
        "/v1/b" => &["y", "z"],
        "/v1/a/x/c" => &["1"],
        "/v1/a/y/c" => &["2"],
        _ => &["row"],
    };
    Reply::json(&json!({ "items": ids.iter().map(|id| json!({ "id": id })).collect::<Vec<_>>() }))
}

#[tokio::test]
async fn partitions_are_unions_groups_and_products() {
    let union = format!(
        "{{ type: UnionPartitionRouter, partition_field: id, partition_routers: [{}, {}, {{ type: ListPartitionRouter, cursor_field: id, values: [w, x] }}] }}",
        substream("a", "id"),
        substream("b", "id")
    );
    let group = format!(
        "{{ type: GroupingPartitionRouter, group_size: 2, underlying_partition_router: {} }}",
        substream("a", "ids")
    );
    let below = parent("a")
        .replace("path: a", "path: 'a/{{ stream_partition.id }}/c'")
        .replace("name: a", "name: c")
        .replace("requester:", &format!("partition_router: {}, requester:", substream("a", "id")));
    let product = format!(
        "[{}, {{ type: SubstreamPartitionRouter, parent_stream_configs: [{{ type: ParentStreamConfig, parent_key: id, partition_field: child, stream: {below} }}] }}]",
        substream("b", "outer")
    );
    for (requester, routers, expected) in [
        ("path: \"rows/{{ stream_partition.id }}\"", &union, vec!["rows/w", "rows/x", "rows/y", "rows/z"]),
        ("path: \"rows/{{ stream_partition.ids | join('-') }}\"", &group, vec!["rows/x-y"]),
        (
            "path: \"rows/{{ stream_partition.outer }}/{{ stream_partition.child }}\"",
            &product,
            vec!["rows/y/1", "rows/y/2", "rows/z/1", "rows/z/2"],
        ),
    ] {
        let server = Server::start(listed).await;
        let asked = asked_by_slices(&routed(requester, routers), &server).await;
        let expected: Vec<String> = expected.into_iter().map(|path| format!("/v1/{path}")).collect();
        assert_eq!(asked, expected, "{routers}");
    }
}

/// The window of a stream with this cursor.
fn window_of(sync: &str, server: &Server) -> (String, Value) {
    let original = one(
        "path: rows",
        "[]",
        "",
        &format!(
            "incremental_sync:\n  type: DatetimeBasedCursor\n  cursor_field: at\n  start_time_option: {{ inject_into: request_parameter, field_name: from }}\n  end_time_option: {{ inject_into: request_parameter, field_name: to }}\n{sync}"
        ),
    );
    let text = import(
        &(original
            + SPEC
                .replace(
                    "      ids:",
                    "      days: { type: integer }\n      last_date: { type: string, format: date }\n      ids:",
                )
                .as_str()),
        server,
    );
    let value: Value = serde_saphyr::from_str(&text).unwrap();
    (text, value["streams"]["rows"].clone())
}

#[tokio::test]
async fn lengths_and_ends_that_settings_decide_are_the_settings() {
    let server = Server::start(|_| Reply::json(&json!([]))).await;
    let (text_of, stream) = window_of(
        "  datetime_format: '%Y-%m-%dT%H:%M:%S.%fZ'\n  cursor_granularity: PT0.000001S\n  step: \"P{{ config.get('days', 30) }}D\"\n  lookback_window: \"{{ 'PT' ~ config['days'] ~ 'H' }}\"\n  start_datetime: \"{{ config['since'] }}\"\n  end_datetime: \"{{ config['last_date'] or now_utc().strftime('%Y-%m-%d') }}\"",
        &server,
    );
    let window = &stream["window"];
    let expected = json!({ "length": { "setting": "days", "unit": "1 day" }, "lookback": { "setting": "days", "unit": "1 hour" } });
    assert_eq!((&window["by_settings"], &window["length"]), (&expected, &json!("30 days")), "{text_of}");
    assert_eq!((&stream["end"], &stream["end_is_inclusive"]), (&json!("last_date"), &json!(true)));
    let date = |text_: &str| text(text_);
    for (days_set, length) in [(None, 30), (Some(5.0), 5)] {
        let mut settings = vec![("since", date("2024-01-01")), ("last_date", date("2024-06-30"))];
        settings.extend(days_set.map(|days| ("days", SettingValue::Number(days))));
        let source = open(&text_of, &server, "", &settings);
        let contract = source.contracts()[0].clone();
        let policy = contract.window.unwrap();
        assert_eq!(policy.length, headwater_contract::Span::days(length));
        assert_eq!(contract.end, Some(at("2024-06-30T00:00:00.001Z")));
    }
    let source = open(&text_of, &server, "", &[("since", date("2024-01-01"))]);
    assert_eq!(source.contracts()[0].end, None);
    read(&source, "rows", days("2024-03-01", "2024-03-02")).await.unwrap();
    let asked = server.asked();
    assert_eq!(asked[0].get("to"), Some("2024-03-01T23:59:59.999999Z"));
}

#[tokio::test]
async fn what_lies_before_now_is_how_far_back_and_how_late_is_read() {
    let server = Server::start(|_| Reply::json(&json!([]))).await;
    for (sync, key, expected) in [
        ("  start_datetime: \"{{ day_delta(-30, format='%Y') }}\"", "retention", "30 days"),
        (
            "  start_datetime: { type: MinMaxDatetime, datetime: '2020-01-01', min_datetime: \"{{ (now_utc() - duration('P7D')).strftime('%Y') }}\" }",
            "retention",
            "7 days",
        ),
        (
            "  start_datetime: '2020-01-01'\n  end_datetime: \"{{ (now_utc() - duration('PT2H')).strftime('%Y') }}\"",
            "settle",
            "2 hours",
        ),
    ] {
        let (text, stream) = window_of(&format!("  datetime_format: '%Y-%m-%d'\n{sync}"), &server);
        assert_eq!(stream["window"][key]["assumed"]["value"], expected, "{text}");
    }
}

#[test]
fn kinds_keep_the_rules_on_filters() {
    let kind = |key: &str, field: &str| {
        let sync = format!(
            "primary_key: {key}\nincremental_sync: {{ type: DatetimeBasedCursor, cursor_field: {field}, datetime_format: '%Y', start_datetime: '2020-01-01', start_time_option: {{ inject_into: request_parameter, field_name: from }} }}"
        );
        let original = one("path: rows", "[]", "", &sync)
            .replace("    primary_key: id\n    primary_key", "    primary_key")
            .replace("URL", "https://h");
        let import = import_airbyte(&original, "a.yaml", None).unwrap();
        let connector = Connector::parse(&import.text, "a.yaml").unwrap();
        let findings = headwater_connectors::lint::lint(&connector);
        let wrong: Vec<_> =
            findings.iter().filter(|finding| finding.nature == headwater_connectors::lint::Nature::Error).collect();
        assert!(wrong.is_empty(), "{wrong:?}\n{}", import.text);
        let value: Value = serde_saphyr::from_str(&import.text).unwrap();
        value["streams"]["rows"]["kind"].as_str().unwrap().to_owned()
    };
    assert_eq!(kind("id", "created_at"), "restating");
    assert_eq!(kind("id", "updated_at"), "mutable");
    assert_eq!(kind("[]", "updated_at"), "events");
    assert_eq!(kind("[]", "created_at"), "events");
}

#[test]
fn streams_that_hold_streams_are_those_they_hold() {
    let server_less = |text: &str| import_airbyte(&text.replace("URL", "https://h"), "a.yaml", None).unwrap();
    let inner = |name: &str, path: &str| parent(name).replace(&format!("path: {name}"), &format!("path: {path}"));
    let text = format!(
        "streams:\n  - type: StateDelegatingStream\n    name: a\n    full_refresh_stream: {}\n    incremental_stream: {}\n  - type: ConditionalStreams\n    condition: \"{{{{ config['region'] == 'eu' }}}}\"\n    streams: [{}]\n  - type: StreamGroup\n    streams: [{}]\ndynamic_streams:\n  - type: DynamicDeclarativeStream\n    stream_template: {}\n    components_resolver:\n      type: ParametrizedComponentsResolver\n      stream_parameters: {{ type: StreamParametersDefinition, list_of_parameters_for_stream: [{{ n: d }}, {{ n: e }}] }}\n      components_mapping: [{{ type: ComponentMappingDefinition, field_path: [name], value: \"{{{{ components_values['n'] }}}}\" }}]\n{SPEC}",
        inner("a", "whole"),
        inner("a", "changes"),
        inner("b", "b"),
        inner("c", "c"),
        inner("t", "t"),
    );
    let import = server_less(&text);
    assert_eq!(import.report.count(Outcome::Impossible), 0, "{}", import.report);
    let value: Value = serde_saphyr::from_str(&import.text).unwrap();
    let paths: Vec<(&str, &str)> = ["a", "b", "c", "d", "e"]
        .map(|name| (name, value["streams"][name]["path"].as_str().unwrap_or_default()))
        .to_vec();
    assert_eq!(paths, [("a", "/whole"), ("b", "/b"), ("c", "/c"), ("d", "/t"), ("e", "/t")]);
    assert_eq!(value["streams"]["b"]["when"], "region == 'eu'");
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
async fn transformations_make_the_records_of_the_original() {
    for (transformations, given, expected) in [
        ("{ type: KeysToLower }", json!({ "Id": 1, "Deep": { "Kept": 2 } }), json!({ "id": 1, "deep": { "Kept": 2 } })),
        ("{ type: KeysReplace, old: ' ', new: _ }", json!({ "a b": { "c d": 1 } }), json!({ "a_b": { "c_d": 1 } })),
        (
            "{ type: KeysToSnakeCase }",
            json!({ "myId2Name": { "a-b": 1 }, "HTTPServer": [{ "aB": 1 }], "1st": 2 }),
            json!({ "my_id_2_name": { "a_b": 1 }, "httpserver": [{ "aB": 1 }], "_1_st": 2 }),
        ),
        (
            "{ type: AddFields, fields: [{ path: [a], value: \"{{ record.n }}\", value_type: integer }, { path: [b], value: \"{{ record.n }}\", value_type: number }, { path: [c], value: \"{{ record.n | float }}\", value_type: number }, { path: [d], value: \"{{ record.t }}\", value_type: boolean }] }",
            json!({ "n": 5, "t": "yes" }),
            json!({ "n": 5, "t": "yes", "a": 5, "b": "5", "c": 5.0, "d": "yes" }),
        ),
        (
            "{ type: FlattenFields, flatten_lists: false }",
            json!({ "a": { "b": 1 }, "c": 2 }),
            json!({ "b": 1, "c": 2 }),
        ),
        (
            "{ type: DpathFlattenFields, field_path: [data] }",
            json!({ "id": 1, "data": { "x": 2 } }),
            json!({ "id": 1, "data": { "x": 2 }, "x": 2 }),
        ),
        (
            "{ type: DpathFlattenFields, field_path: [data], delete_origin_value: true }",
            json!({ "id": 1, "data": { "x": 2 } }),
            json!({ "id": 1, "x": 2 }),
        ),
        (
            "{ type: DpathFlattenFields, field_path: [data], delete_origin_value: true }",
            json!({ "id": 1, "data": { "id": 2 } }),
            json!({ "id": 1, "data": { "id": 2 } }),
        ),
        (
            "{ type: DpathFlattenFields, field_path: [data, object], replace_record: true }",
            json!({ "id": 1, "data": { "object": { "id": 2 } } }),
            json!({ "id": 2 }),
        ),
        (
            "{ type: DpathFlattenFields, field_path: [data, object], replace_record: true }",
            json!({ "id": 1, "data": { "object": null } }),
            json!({ "id": 1, "data": { "object": null } }),
        ),
        (
            "{ type: DpathFlattenFields, field_path: [data], key_transformation: { type: KeyTransformation, prefix: p_, suffix: _s } }",
            json!({ "id": 1, "data": { "x": 2 } }),
            json!({ "id": 1, "data": { "x": 2 }, "p_x_s": 2 }),
        ),
        (
            "{ type: DpathFlattenFields, field_path: [data, '*'] }",
            json!({ "id": 1, "data": { "k": { "x": 2 }, "l": { "y": 3 } } }),
            json!({ "id": 1, "data": { "k": { "x": 2 }, "l": { "y": 3 } }, "x": 2 }),
        ),
        (
            "{ type: RemoveFields, field_pointers: [['**']], condition: \"{{ property|string == '' }}\" }",
            json!({ "a": "", "b": { "c": "", "d": 1 }, "e": ["", 1, ""], "f": null }),
            json!({ "b": { "d": 1 }, "e": [null, 1], "f": null }),
        ),
        (
            "{ type: AddFields, condition: \"{{ record.kind == 'a' }}\", fields: [{ path: [x, y], value: \"{{ record.get('n', 0) + 1 }}\" }] }",
            json!({ "kind": "a", "n": 1 }),
            json!({ "kind": "a", "n": 1, "x": { "y": 2 } }),
        ),
    ] {
        let record = given.clone();
        let server = Server::start(move |_| Reply::json(&json!([record]))).await;
        let original = one("path: rows", "[]", "", &format!("transformations: [{transformations}]"))
            .replace("    primary_key: id\n", "");
        let got = rows(&original, &server, &[]).await;
        assert_eq!(got.records, [expected], "{transformations}");
    }
}

#[tokio::test]
async fn values_are_made_to_fit_the_schema_where_that_is_asked_for() {
    let given = json!({ "id": "7", "n": "1.5", "s": 5, "t": true, "b": "yes", "l": "x", "deep": { "n": "2" }, "list": [{ "n": "3" }], "no": "abc", "any": "5", "none": null });
    let server = Server::start(move |_| Reply::json(&json!([given]))).await;
    let schema = "schema_loader: { type: InlineSchemaLoader, schema: { type: object, properties: { id: { type: integer }, n: { type: ['null', number] }, s: { type: string }, t: { type: string }, b: { type: boolean }, l: { type: array, items: { type: string } }, deep: { type: object, properties: { n: { type: integer } } }, list: { type: array, items: { type: object, properties: { n: { type: number } } } }, no: { type: integer }, any: { type: [string, integer] }, none: { type: ['null', string] } } } }";
    let original = one("path: rows", "[]", "", schema)
        .replace("        extractor:", "        schema_normalization: Default\n        extractor:");
    let got = rows(&original, &server, &[]).await;
    let expected = json!({ "id": 7, "n": 1.5, "s": "5", "t": "True", "b": true, "l": ["x"], "deep": { "n": 2 }, "list": [{ "n": 3 }], "no": "abc", "any": "5", "none": null });
    assert_eq!(got.records, [expected]);
}

#[tokio::test]
async fn settings_that_rules_work_out_are_what_they_are_made_of() {
    let server = Server::start(|_| Reply::json(&json!([]))).await;
    let rules = "  config_normalization_rules:\n    type: ConfigNormalizationRules\n    transformations:\n      - { type: ConfigAddFields, fields: [{ type: AddedFieldDefinition, path: [zone], value: \"{{ config['region'] ~ '-1' }}\" }] }\n      - { type: ConfigRemapField, map: { eu: europe }, field_path: [region] }\n";
    let spec = SPEC.replace("  connection_specification:", &format!("{rules}  connection_specification:"));
    rows(
        &(one(
            "path: rows\nrequest_parameters: { zone: \"{{ config['zone'] }}\", region: \"{{ config['region'] }}\" }",
            "[]",
            "",
            "",
        ) + &spec),
        &server,
        &[],
    )
    .await;
    assert_eq!(queries(&server.asked()), ["zone=eu-1&region=europe"]);
}

#[tokio::test]
async fn bodies_are_read_as_their_decoders_say() {
    let row = |id: &str, note: Value| json!({ "id": id, "note": note });
    for (decoder, path, body, expected) in [
        ("{ type: CsvDecoder }", "[]", "id,note\n1,\n2,x\n", vec![row("1", json!("")), row("2", json!("x"))]),
        (
            "{ type: CsvDecoder, delimiter: \"\\\\t\", set_values_to_none: ['', '-'] }",
            "[]",
            "id\tnote\n1\t\n2\t-\n",
            vec![row("1", json!(null)), row("2", json!(null))],
        ),
        ("{ type: CsvDecoder }", "[]", "id,note\n1\n", vec![row("1", json!(null))]),
        (
            "{ type: JsonlDecoder }",
            "[]",
            "{\"id\": \"1\", \"note\": 1}\n{\"id\": \"2\", \"note\": 2}\n",
            vec![row("1", json!(1)), row("2", json!(2))],
        ),
        (
            "{ type: JsonItemsDecoder, items_path: data.rows }",
            "[]",
            "{\"data\": {\"rows\": [{\"id\": \"1\", \"note\": 1}]}}",
            vec![row("1", json!(1))],
        ),
        ("{ type: IterableDecoder }", "[]", "a\nb\n", vec![json!({ "record": "a" }), json!({ "record": "b" })]),
        (
            "{ type: CompositeRawDecoder, parser: { type: CsvParser } }",
            "[]",
            "id,note\n1,2\n",
            vec![row("1", json!("2"))],
        ),
    ] {
        let server = Server::start(move |_| Reply::text(200, body)).await;
        let original = one("path: rows", path, "", "")
            .replace("      requester:", &format!("      decoder: {decoder}\n      requester:"))
            .replace("    primary_key: id\n", "");
        let got = rows(&original, &server, &[]).await;
        assert_eq!(got.records, expected, "{decoder}");
    }
}

#[tokio::test]
async fn waits_and_actions_are_those_of_the_original() {
    for (handler, first, then) in [
        (
            "backoff_strategies: [{ type: ConstantBackoffStrategy, backoff_time_in_seconds: 0 }]",
            Reply::text(503, "{}"),
            2,
        ),
        ("backoff_strategies: [{ type: ExponentialBackoffStrategy, factor: 0.001 }]", Reply::text(503, "{}"), 2),
        (
            "backoff_strategies: [{ type: WaitUntilTimeFromHeader, header: X-Reset, regex: '[0-9]+', min_wait: 0 }]",
            Reply::text(429, "{}").header("X-Reset", "at 0"),
            2,
        ),
        (
            "backoff_strategies: [{ type: WaitTimeFromResponse, wait_time_in_seconds: \"{{ response['wait'] }}\" }]",
            Reply::text(429, "{\"wait\": 0}"),
            2,
        ),
        (
            "response_filters: [{ type: HttpResponseFilter, action: IGNORE, error_message_contains: not here }]",
            Reply::text(400, "{\"error\": \"it is not here\"}"),
            1,
        ),
        (
            "response_filters: [{ type: HttpResponseFilter, action: RETRY, http_codes: [400] }]",
            Reply::text(400, "{}"),
            2,
        ),
        (
            "response_filters: [{ type: HttpResponseFilter, action: SUCCESS, http_codes: [404] }]",
            Reply::text(404, "[{\"id\": 9}]"),
            1,
        ),
        (
            "response_filters: [{ type: HttpResponseFilter, action: RATE_LIMITED, predicate: \"{{ 'slow' in response.get('error', '') and headers.get('X-Kind') == 'a' }}\" }]",
            Reply::text(400, "{\"error\": \"slow down\"}").header("X-Kind", "a"),
            2,
        ),
    ] {
        let first = std::sync::Arc::new(first);
        let server =
            Server::start(
                move |asked| if asked.number == 0 { Reply::clone(&first) } else { Reply::json(&json!([{ "id": 1 }])) },
            )
            .await;
        rows(
            &one(&format!("path: rows\nerror_handler: {{ type: DefaultErrorHandler, {handler} }}"), "[]", "", ""),
            &server,
            &[],
        )
        .await;
        assert_eq!(server.asked().len(), then, "{handler}");
    }
}

#[tokio::test]
async fn templates_with_blocks_say_the_same() {
    let parameters = [
        ("{% for id in config['ids'] %}{{ id }}{% if not loop.last %},{% endif %}{% endfor %}", "x,y"),
        ("{% for id in config['ids'] %}[{{ id }}]{% endfor %}", "[x][y]"),
        ("{% set r = config['region'] %}{{ r ~ '!' }}", "eu!"),
        ("{% if config['flag'] %}{% set v = 'on' %}{% else %}{% set v = 'off' %}{% endif %}{{ v }}", "on"),
        ("{{ ';'.join(config['ids']) if config['region'] in ['eu', 'us'] else '' }}", "x;y"),
        ("{{ ','.join((config.get('ids') or []) + (config.get('more') or [])) }}", "x,y"),
        ("{{ config['region'] | upper | base64encode }}", "RVU="),
        ("'[{{ config.region }}, 2]'", "[eu, 2]"),
        ("{{ '1' if config.region.startswith('e') and not config.region.endswith('x') else '0' }}", "1"),
    ];
    for (template, expected) in parameters {
        let server = Server::start(|_| Reply::json(&json!([]))).await;
        let requester = format!("path: rows\nrequest_parameters: {{ q: {} }}", json!(template));
        let original =
            one(&requester, "[]", "", "") + &SPEC.replace("      flag:", "      more: { type: array }\n      flag:");
        let ids = ("ids", SettingValue::List(vec!["x".into(), "y".into()]));
        rows(&original, &server, if template.contains("ids") { std::slice::from_ref(&ids) } else { &[] }).await;
        assert_eq!(server.asked()[0].get("q"), Some(expected), "{template}");
    }
    let server = Server::start(|_| Reply::json(&json!([]))).await;
    let whole_map =
        "path: rows\nrequest_parameters: \"{{ {'a': config['region'], 'b': 2} if config['flag'] else {'c': 3} }}\"";
    rows(&(one(whole_map, "[]", "", "") + SPEC), &server, &[]).await;
    assert_eq!(queries(&server.asked()), ["a=eu&b=2"]);
    for listed in ["['{{ config.region }}', 'us']", "{{ ['eu', 'us'] | tojson }}"] {
        let server = Server::start(|_| Reply::json(&json!([]))).await;
        let requester = format!("path: rows\nrequest_parameters: {{ r: {} }}", json!(listed));
        rows(&(one(&requester, "[]", "", "") + SPEC), &server, &[]).await;
        assert_eq!(queries(&server.asked()), ["r=eu&r=us"], "{listed}");
    }
}

#[tokio::test]
async fn a_header_that_is_put_together_of_user_and_password_is_basic() {
    for requester in [
        "request_headers: { Authorization: \"Basic {{ (config['region'] ~ ':' ~ config['api_key']) | base64encode }}\" }",
        "authenticator: { type: ApiKeyAuthenticator, header: Authorization, api_token: \"Basic {{ (config.region + ':' + config.api_key.strip()) | base64encode }}\" }",
    ] {
        let server = Server::start(|_| Reply::json(&json!([]))).await;
        rows(&(one(&format!("path: rows\n{requester}"), "[]", "", "") + SPEC), &server, &[]).await;
        assert_eq!(server.asked()[0].headers["authorization"], "Basic ZXU6czNjcmV0LXRva2Vu", "{requester}");
    }
}

#[tokio::test]
async fn later_pages_go_without_the_slice_where_the_original_sends_them_so() {
    let server = Server::start(|asked| {
        let next = (asked.number == 0).then_some("n");
        Reply::json(&json!({ "items": [{ "id": asked.number, "at": "2024-03-01" }], "next": next }))
    })
    .await;
    let paginator = "type: DefaultPaginator\npage_token_option: { type: RequestOption, inject_into: request_parameter, field_name: after }\npagination_strategy: { type: CursorPagination, cursor_value: \"{{ response.next }}\" }";
    let sync = "incremental_sync: { type: DatetimeBasedCursor, cursor_field: at, datetime_format: '%Y-%m-%d', start_datetime: '2024-01-01', start_time_option: { inject_into: request_parameter, field_name: from } }";
    let original = one("path: rows\nrequest_parameters: { all: 1 }", "[items]", paginator, sync).replace(
        "      requester:",
        "      ignore_stream_slicer_parameters_on_paginated_requests: true\n      requester:",
    );
    let text = import(&original, &server);
    let source = open(&text, &server, "", &[]);
    read(&source, "rows", days("2024-03-01", "2024-03-02")).await.unwrap_or_else(|error| panic!("{error}\n{text}"));
    assert_eq!(queries(&server.asked()), ["all=1&from=2024-03-01", "all=1&after=n"]);
}

#[test]
fn budgets_are_limits() {
    let budget = "api_budget:\n  type: HTTPAPIBudget\n  policies:\n    - { type: MovingWindowCallRatePolicy, rates: [{ type: Rate, limit: 10, interval: PT1S }, { limit: \"{{ 5 * 2 }}\", interval: PT1M }], matchers: [] }\n    - { type: FixedWindowCallRatePolicy, period: PT1H, call_limit: 100, matchers: [{ type: HttpRequestRegexMatcher, method: GET, url_path_pattern: /rows }] }\n    - { type: UnlimitedCallRatePolicy, matchers: [{ method: POST }] }\n";
    let text = one("path: rows", "[]", "", "").replace("URL", "https://h") + budget;
    let import = import_airbyte(&text, "a.yaml", None).unwrap();
    let value: Value = serde_saphyr::from_str(&import.text).unwrap();
    let limits = &value["http"]["limits"]["assumed"]["value"];
    assert_eq!(limits[0], json!({ "requests": 10, "per": "1 second" }));
    assert_eq!(limits.as_array().unwrap().last().unwrap()["per"], "1 hour", "{limits}");
    Connector::parse(&import.text, "a.yaml").unwrap();
}

#[test]
fn nothing_that_changes_requests_or_records_goes_unsaid() {
    let with = |retriever: &str, more: &str| {
        let text =
            one("path: rows", "[]", "", more).replace("      requester:", &format!("{retriever}      requester:"));
        let import = import_airbyte(&text.replace("URL", "https://h"), "a.yaml", None);
        import.map_or_else(|error| error.to_string(), |import| import.report.to_string())
    };
    for (retriever, more, reason) in [
        ("      pagination_reset: { type: PaginationReset, action: SPLIT_USING_CURSOR }\n", "", "begin anew"),
        ("", "file_uploader: { type: FileUploader, requester: {} }", "files that are downloaded"),
        (
            "",
            "incremental_sync: { type: IncrementingCountCursor, cursor_field: id, start_value: 0 }",
            "a cursor that counts",
        ),
        ("", "transformations: [{ type: KeysToSnakeCase }]", "snake case"),
        ("      decoder: { type: CustomDecoder, class_name: a.B }\n", "", "a.B"),
        ("      partition_router: { type: CustomPartitionRouter, class_name: a.C }\n", "", "a.C"),
    ] {
        let said = with(retriever, more);
        assert!(said.contains(reason), "{reason}: {said}");
    }
}
