//! What templates compute, and what is done to records, held against what the original made of the same input.

use headwater_connectors::import::import_airbyte;
use headwater_connectors::{Connector, lint};
use serde_json::{Value, json};

use crate::imports::{SPEC, import, one, queries, rows};
use crate::server::{Reply, Server};

/// The records that come of one record under these transformations.
async fn transformed(record: Value, steps: &str) -> Vec<Value> {
    let server = Server::start(move |_| Reply::json(&json!([record]))).await;
    rows(&one("path: rows", "[]", "", &format!("transformations:\n{steps}")), &server, &[]).await.records
}

#[tokio::test]
async fn fields_are_flat_under_the_names_of_the_original() {
    let record = || json!({ "id": 1, "a": { "b": 2, "id": 3 }, "l": [{ "c": 4, "d": [5] }, 6], "z": { "q": { "b": 7 } }, "e": {}, "n": null });
    let with_lists = json!({ "n": null, "b": 7, "l.1": 6, "l.0.d.0": 5, "l.0.c": 4, "a.id": 3, "a.b": 2, "id": 1 });
    let without = json!({ "n": null, "b": 7, "l": [{ "c": 4, "d": [5] }, 6], "id": 1, "a.b": 2 });
    assert_eq!(transformed(record(), "  - { type: FlattenFields }").await, [with_lists]);
    assert_eq!(transformed(record(), "  - { type: FlattenFields, flatten_lists: false }").await, [without]);
}

#[tokio::test]
async fn fields_are_lifted_moved_or_renamed_unless_a_name_is_taken() {
    let keys = "key_transformation: { type: KeyTransformation, prefix: p_, suffix: _s }";
    let free = || json!({ "id": 1, "a": { "b": 2, "c": { "x": 1 } } });
    let taken = || json!({ "id": 1, "a": { "b": 2, "id": 3 } });
    for (record, more, expected) in [
        (free(), "", json!({ "id": 1, "a": { "b": 2, "c": { "x": 1 } }, "b": 2, "c": { "x": 1 } })),
        (taken(), "", taken()),
        (free(), "delete_origin_value: true", json!({ "id": 1, "b": 2, "c": { "x": 1 } })),
        (taken(), "delete_origin_value: true", taken()),
        (taken(), "replace_record: true", json!({ "b": 2, "id": 3 })),
        (taken(), keys, json!({ "id": 1, "a": { "b": 2, "id": 3 }, "p_b_s": 2, "p_id_s": 3 })),
    ] {
        let step = format!("  - {{ type: DpathFlattenFields, field_path: [a], {more} }}");
        assert_eq!(transformed(record, &step).await, [expected], "{more}");
    }
}

#[tokio::test]
async fn a_record_is_expanded_with_what_the_original_takes_along() {
    let page = || {
        json!([
            { "id": 1, "n": "p", "items": [{ "id": 2 }, { "id": 3, "n": "c" }] },
            { "id": 5, "n": "p", "items": [] },
        ])
    };
    for (more, expected) in [
        (
            "merge_parent: true, on_no_records: emit_parent",
            json!([{ "id": 2, "n": "p" }, { "id": 3, "n": "c" }, { "id": 5, "n": "p", "items": [] }]),
        ),
        (
            "parent_fields: [{ type: ParentFieldPath, parent_path: [n], record_path: [n] }]",
            json!([{ "id": 2, "n": "p" }, { "id": 3, "n": "p" }]),
        ),
    ] {
        let server = Server::start(move |_| Reply::json(&page())).await;
        let expander = format!(
            "field_path: [], record_expander: {{ type: RecordExpander, expand_records_from_field: [items], {more} }}"
        );
        let original = one("path: rows", "[]", "", "").replace("field_path: []", &expander);
        assert_eq!(Value::from(rows(&original, &server, &[]).await.records), expected, "{more}");
    }
}

#[tokio::test]
async fn secrets_stand_in_what_is_worked_out_and_in_no_other_place() {
    let server = Server::start(|_| Reply::json(&json!([{ "id": 1 }]))).await;
    let requester = "path: rows\nhttp_method: POST\nrequest_headers: { X-Key: \"{{ config['api_key'] | base64encode }}\", X-None: \"{{ config['api_key'] if config['region'] == 'us' else '' }}\" }\nrequest_parameters: { key: \"{{ (config['api_key'] ~ ':' ~ config['region']) | upper }}\" }\nrequest_body_json: { auth: { key: \"k-{{ config['api_key'] | upper }}\" } }";
    rows(&(one(requester, "[]", "", "") + SPEC), &server, &[]).await;
    let asked = server.asked();
    assert_eq!(asked[0].headers["x-key"], "czNjcmV0LXRva2Vu");
    assert!(!asked[0].headers.contains_key("x-none"));
    assert_eq!(queries(&asked), ["key=S3CRET-TOKEN%3AEU"]);
    assert_eq!(asked[0].body, json!({ "auth": { "key": "k-S3CRET-TOKEN" } }));
}

#[tokio::test]
async fn whether_a_secret_is_given_decides_the_host() {
    let server = Server::start(|_| Reply::json(&json!([{ "id": 1 }]))).await;
    let requester = "path: \"{{ 'pro' if config.get('api_key') else 'free' }}/rows\"\nauthenticator: { type: BearerAuthenticator, api_token: \"{{ config['api_key'] }}\" }";
    let original = one(requester, "[]", "", "")
        .replace("url_base: URL/v1", "url_base: \"URL/{{ 'v2' if config['api_key'] else 'v1' }}\"");
    let text = import(&(original + SPEC), &server);
    assert!(text.contains("secrets_given"), "{text}");
}

#[tokio::test]
async fn times_and_texts_are_worked_out_as_the_original_does() {
    let values = [
        ("a", "{{ timestamp('2024-01-01') }}", json!(1_704_067_200.0)),
        ("b", "{{ timestamp(1658505815.22) }}", json!(1_658_505_815)),
        ("c", "{{ str_to_datetime('2024-01-01').isoformat() }}", json!("2024-01-01T00:00:00+00:00")),
        ("d", "{{ str_to_datetime('2024-01-01T00:00:00.5Z') }}", json!("2024-01-01 00:00:00.500000+00:00")),
        ("e", "{{ str_to_datetime('2024-03-01').year + 1 }}", json!(2025)),
        ("f", "{{ 'a1b2' | regex_replace('([a-z])(\\\\d)', '\\\\2-\\\\1') }}", json!("1-a2-b")),
        ("g", "{{ ' x '.rstrip() ~ '|' }}", json!(" x|")),
        ("h", "{{ 'a,b,c'.split(',', 1) }}", json!(["a", "b,c"])),
        ("j", "{{ 'x' | int }}{{ '3.7' | int }}{{ 'x' | float }}{{ 'x' | int(5) }}", json!(30.05)),
        ("i", "{{ today_with_timezone('Asia/Tokyo') }}", Value::Null),
    ];
    let fields: Vec<String> = values
        .iter()
        .map(|(name, value, _)| format!("{{ path: [{name}], value: '{}' }}", value.replace('\'', "''")))
        .collect();
    let step = format!("  - {{ type: AddFields, fields: [{}] }}", fields.join(", "));
    let made = transformed(json!({ "id": 1 }), &step).await;
    for (name, value, expected) in &values {
        let found = &made[0][*name];
        let is_day = expected.is_null() && found.as_str().is_some_and(|day| day.len() == 10);
        assert!(found == expected || is_day, "{value}: {found}");
    }
}

#[tokio::test]
async fn addresses_keep_their_signs_and_leave_out_what_is_not_given() {
    for (path, expected) in [
        ("\"rows{{ '/x' if config.get('region') == 'us' else '' }}:run\"", "/v1/rows:run"),
        ("\"rows/{{ sanitize_url('https://a.b/c') }}/x\"", "/v1/rows/https%3A%2F%2Fa.b%2Fc/x"),
        (
            "\"rows?{{ ('a=' ~ config['region']) if config['region'] is defined else '' }}&{{ ('b=' ~ config['since']) if config['since'] is defined else '' }}\"",
            "/v1/rows?a=eu",
        ),
        ("\"rows?a=1{{ '&b=' ~ config['region'] if config['region'] else '' }}&c=2\"", "/v1/rows?a=1&b=eu&c=2"),
        ("\"rows?{{ 'a=' ~ config['region'] }}\"", "/v1/rows?a=eu"),
    ] {
        let server = Server::start(|_| Reply::json(&json!([{ "id": 1 }]))).await;
        rows(&(one(&format!("path: {path}"), "[]", "", "") + SPEC), &server, &[]).await;
        assert_eq!(server.asked()[0].target, expected, "{path}");
    }
}

#[tokio::test]
async fn a_get_carries_the_body_that_the_original_sends() {
    let option = |name: &str| format!("{{ type: RequestOption, inject_into: body_json, field_name: {name} }}");
    let paginator = format!(
        "type: DefaultPaginator\npage_size_option: {}\npage_token_option: {}\npagination_strategy: {{ type: PageIncrement, page_size: 1 }}",
        option("size"),
        option("page")
    );
    for (requester, paginator, expected) in [
        ("path: rows\nrequest_body_json: { a: 1 }", "", json!({ "a": 1 })),
        ("path: rows", paginator.as_str(), json!({ "size": 1 })),
    ] {
        let server =
            Server::start(|asked| Reply::json(&if asked.number == 0 { json!([{ "id": 1 }]) } else { json!([]) })).await;
        rows(&one(requester, "[]", paginator, ""), &server, &[]).await;
        let asked = server.asked();
        assert_eq!((asked[0].method.as_str(), &asked[0].body), ("GET", &expected));
    }
}

#[tokio::test]
async fn names_are_worked_out_where_the_original_does() {
    let server = Server::start(|_| Reply::json(&json!([{ "id": 1 }]))).await;
    let requester = "path: rows\nhttp_method: POST\nrequest_body_json: { sort: { \"{{ config['region'] }}\": asc } }\nrequest_parameters: { q: \"{{ config['re' + 'gion'] }}\", zone: \"{{ parameters['nothing'] }}\" }";
    rows(&(one(requester, "[]", "", "") + SPEC), &server, &[]).await;
    assert_eq!(server.asked()[0].body, json!({ "sort": { "eu": "asc" } }));
    assert_eq!(queries(&server.asked()), ["q=eu"]);
}

#[tokio::test]
async fn a_page_asks_after_its_last_record() {
    let option = "page_token_option: { type: RequestOption, inject_into: request_parameter, field_name: after }\n";
    let cursor = "{ type: CursorPagination, cursor_value: \"{{ last_record['meta']['after'] if last_record else None }}\", stop_condition: \"{{ 'after' not in last_record['meta'] }}\" }";
    for (option, expected) in [(option, vec!["", "after=t1"]), ("", vec![""])] {
        let server = Server::start(|asked| {
            let meta = if asked.number == 0 { json!({ "after": "t1" }) } else { json!({}) };
            Reply::json(&json!([{ "id": asked.number, "meta": meta }]))
        })
        .await;
        let paginator = format!("type: DefaultPaginator\n{option}pagination_strategy: {cursor}");
        rows(&one("path: rows", "[]", &paginator, ""), &server, &[]).await;
        assert_eq!(queries(&server.asked()), expected);
    }
}

#[tokio::test]
async fn a_bound_that_nobody_names_is_not_sent() {
    let sync = |options: &str| {
        format!(
            "incremental_sync:\n  type: DatetimeBasedCursor\n  cursor_field: at\n  datetime_format: '%Y-%m-%d'\n  step: P10D\n  cursor_granularity: P1D\n  start_datetime: '2024-03-01'\n{options}"
        )
    };
    let option =
        |key: &str| format!("  {key}: {{ type: RequestOption, inject_into: request_parameter, field_name: {key} }}");
    for (requester, sync) in [
        ("path: rows\nrequest_parameters: { since: \"{{ stream_interval.start_time }}\" }", sync("")),
        ("path: rows", sync(&option("end_time_option"))),
        ("path: \"rows/{{ stream_slice['end_time'] }}\"", sync(&option("start_time_option"))),
    ] {
        let original = one(requester, "[]", "", &sync).replace("URL", "https://api.example.com");
        let import = import_airbyte(&original, "source-test/manifest.yaml", None).unwrap();
        let connector = Connector::parse(&import.text, "test.yaml").unwrap();
        let errors: Vec<String> = lint::lint(&connector)
            .iter()
            .filter(|found| found.nature == lint::Nature::Error)
            .map(ToString::to_string)
            .collect();
        assert!(errors.is_empty(), "{errors:?}\n{}", import.text);
    }
}
