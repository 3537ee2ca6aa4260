//! Whole manifests: what comes out, what is said of it, and that it is complete.

use super::*;
use crate::lint::{Nature, lint};

const SHOP: &str = r##"
version: 6.0.0
type: DeclarativeSource
check: { type: CheckStream, stream_names: [orders] }
definitions:
  requester:
    type: HttpRequester
    url_base: https://api.shop.example/v2
    path: "{{ parameters['path'] }}"
    authenticator: { type: BearerAuthenticator, api_token: "{{ config['credentials']['token'] }}" }
    request_headers: { X-Version: "2024-06" }
  retriever:
    type: SimpleRetriever
    requester: { $ref: "#/definitions/requester" }
    record_selector: { type: RecordSelector, extractor: { type: DpathExtractor, field_path: [data] } }
    paginator:
      type: DefaultPaginator
      page_size_option: { type: RequestOption, inject_into: request_parameter, field_name: limit }
      page_token_option: { type: RequestOption, inject_into: request_parameter, field_name: cursor }
      pagination_strategy:
        type: CursorPagination
        page_size: 100
        cursor_value: "{{ response.get('meta', {}).get('next') }}"
        stop_condition: "{{ not response.meta.next }}"
streams:
  - type: DeclarativeStream
    name: orders
    primary_key: [id]
    retriever: { $ref: "#/definitions/retriever" }
    $parameters: { path: /orders }
    incremental_sync:
      type: DatetimeBasedCursor
      cursor_field: updated_at
      datetime_format: "%Y-%m-%dT%H:%M:%SZ"
      cursor_granularity: PT1S
      step: P30D
      lookback_window: P2D
      start_datetime: { type: MinMaxDatetime, datetime: "{{ config['start_date'] }}", datetime_format: "%Y-%m-%dT%H:%M:%SZ" }
      start_time_option: { type: RequestOption, inject_into: request_parameter, field_name: "updated[gte]" }
      end_time_option: { type: RequestOption, inject_into: request_parameter, field_name: "updated[lte]" }
    schema_loader:
      type: InlineSchemaLoader
      schema: { type: object, properties: { id: { type: integer }, total: { type: [number, "null"] }, lines: { type: array }, updated_at: { type: string } } }
  - type: DeclarativeStream
    name: customTables
    $parameters: { path: /tables }
    retriever: { $ref: "#/definitions/retriever" }
    transformations:
      - type: CustomTransformation
        class_name: source_shop.components.Explode
spec:
  type: Spec
  documentation_url: https://docs.shop.example
  connection_specification:
    type: object
    required: [credentials, start_date]
    properties:
      credentials: { type: object, required: [token], properties: { token: { type: string, airbyte_secret: true, title: API token } } }
      start_date: { type: string, format: date-time, description: First day }
"##;

#[test]
fn a_manifest_reads_as_a_person_would_write_it() {
    let import = import_airbyte(SHOP, "source-shop/manifest.yaml", None).unwrap();
    let expected = r#"# shop: imported from a low-code manifest. Look at every `# confirm:`, then at what `lint` says.
manifest: 1
connector: shop
title: Shop
docs: "https://docs.shop.example"

settings:
  credentials_token: { secret: true, help: API token }
  start_date: { type: date, help: First day }

http:
  base_url: "https://api.shop.example/v2"
  auth: { bearer: credentials_token }
  limits: not_published  # confirm: the requests that a credential may make

streams:
  orders:
    title: Rows of orders
    docs: "https://docs.shop.example"
    path: /orders
    headers: { X-Version: "2024-06" }
    records: { found: /data }
    pagination: { body_token: { param: cursor, token: /meta/next } }
    page_size: { param: limit, value: 100, source: the imported manifest }
    key: [id]
    start: start_date
    kind: mutable
    window:
      field: updated_at
      format: { pattern: { pattern: "%Y-%m-%dT%H:%M:%SZ" } }
      granularity: "1 second"
      length: "30 days"
      settle: not_published
      lookback: { assumed: { value: "2 days", because: the lookback window of the imported manifest } }
      request: { from: "updated[gte]", until: "updated[lte]", until_is_inclusive: true }
    deletes: none  # confirm: the original does not look for deleted rows
    columns:
      id: { type: int64 }
      total: { type: float64, nullable: true }
      lines: { type: json, nullable: true }
      updated_at: { type: timestamp, nullable: true }

  # confirm: `customTables` (line 44 of the original) is left out, the report says why
"#;
    assert_eq!(import.text, expected);
    assert_eq!(import.streams, ["orders"]);
}

#[test]
fn code_is_named_with_its_class_and_line() {
    let import = import_airbyte(SHOP, "source-shop/manifest.yaml", None).unwrap();
    assert!(import.is_partial());
    let impossible: Vec<String> = import.report.of(Outcome::Impossible).map(ToString::to_string).collect();
    let expected =
        "impossible  line 49: custom_tables: a transformation that is Python code: `source_shop.components.Explode`";
    assert_eq!(impossible, [expected]);
    assert!(import.report.to_string().ends_with("1 converted, 0 approximated, 1 impossible"));
}

#[test]
fn what_comes_out_is_complete_and_lints_but_for_facts_that_nobody_knows() {
    let import = import_airbyte(SHOP, "a.yaml", Some("shop")).unwrap();
    let connector = Connector::parse(&import.text, "shop.yaml").unwrap();
    let findings = lint(&connector);
    assert!(findings.iter().all(|finding| finding.nature == Nature::MissingFact), "{findings:?}");
}

/// Each of these has no counterpart; a conversion that guessed would read other records.
#[test]
fn what_has_no_counterpart_is_said_and_never_guessed() {
    let with = |from: &str, to: &str| {
        assert!(SHOP.contains(from), "{from}");
        SHOP.replace(from, to)
    };
    for (text, reason) in [
        (
            with("type: SimpleRetriever", "type: AsyncRetriever\n    creation_requester: { url_base: https://h }"),
            "an export without",
        ),
        (
            with(
                "cursor_value: \"{{ response.get('meta', {}).get('next') }}\"",
                "cursor_value: \"{% for x in response.a %}{{ x + 1 }}{% endfor %}\"",
            ),
            "for",
        ),
        (with("field_path: [data]", "field_path: [\"{{ config['x'] }}\"]"), "worked out"),
        (with("type: CursorPagination", "type: CustomPaginationStrategy\n        class_name: a.B"), "a.B"),
        (with("type: BearerAuthenticator,", "type: CustomAuthenticator, class_name: a.C,"), "a.C"),
        (
            with(
                "X-Version: \"2024-06\"",
                "X-Version: \"{{ config['credentials']['token'] ~ next_page_token['next_page_token'] }}\"",
            ),
            "secret",
        ),
    ] {
        let said = match import_airbyte(&text, "a.yaml", None) {
            Ok(import) => import.report.of(Outcome::Impossible).map(ToString::to_string).collect::<Vec<_>>().join("\n"),
            Err(error) => error.to_string(),
        };
        assert!(said.contains(reason), "{reason}: {said}");
    }
}

#[test]
fn nothing_is_imported_of_what_is_no_manifest() {
    assert!(matches!(import_airbyte("a: [", "a.yaml", None), Err(ImportError::Unreadable { .. })));
    assert!(matches!(import_airbyte("openapi: 3.0.0", "a.yaml", None), Err(ImportError::NotAManifest { .. })));
    assert!(matches!(import_airbyte("streams: []", "a.yaml", None), Err(ImportError::NothingLeft { .. })));
}

#[test]
fn the_folder_names_the_connector() {
    for (path, name) in [
        ("connectors/source-big-shop/manifest.yaml", "big-shop"),
        ("./shop.yaml", "shop"),
        ("manifest.yaml", "imported"),
        ("source_x/manifest.yml", "x"),
    ] {
        assert_eq!(connector_name(path), name, "{path}");
    }
}
