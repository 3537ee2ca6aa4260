//! Each step on records that a reader can see, and what is refused.

use serde_json::json;

use super::*;

/// Shapes a record by steps; the settings are `region: eu`.
fn shaped(steps: &str, record: &str) -> (Vec<String>, u64) {
    let steps: Vec<StepManifest> =
        crate::manifest::yaml::from_str(steps).unwrap_or_else(|error| panic!("{steps}: {error}"));
    let shape = Shape::new(steps, Vec::new()).unwrap();
    shape.check().unwrap();
    apply(&shape, record, &PageSides::default())
}

fn apply(shape: &Shape, record: &str, page: &PageSides) -> (Vec<String>, u64) {
    let scope = Scope::from([("region".to_owned(), Scalar::Text("eu".to_owned()))]);
    let mut out = Vec::new();
    let dropped = shape.apply(
        &Bytes::copy_from_slice(record.as_bytes()),
        &settings_value(&scope),
        &Value::UNDEFINED,
        page,
        &mut out,
    );
    (out.iter().map(|text| String::from_utf8(text.to_vec()).unwrap()).collect(), dropped)
}

fn one(steps: &str, record: &str) -> String {
    let (mut records, dropped) = shaped(steps, record);
    assert_eq!((records.len(), dropped), (1, 0), "{records:?}");
    records.remove(0)
}

#[test]
fn rejects_steps_that_cannot_be() {
    for steps in [
        "[{ keep: \"recrod.a\" }]",
        "[{ keep: \"record.a ==\" }]",
        "[{ filter: \"record.a\" }]",
        "[{ rename: { case: camel } }]",
        "[{ rename: { replace: [{ pattern: \"(\", with: x }] } }]",
        "[{ add: { a: { expression: \"1\", type: money } } }]",
        "[{ explode: { at: /lines, keep: [/id] } }]",
    ] {
        assert!(crate::manifest::yaml::from_str::<Vec<StepManifest>>(steps).is_err(), "{steps}");
    }
    for steps in [
        "[{ add: { a: {} } }]",
        "[{ add: { a: { value: 1, from: /b } } }]",
        "[{ explode: { at: \"\" } }]",
        "[{ explode: { at: /a, key_as: k } }]",
        "[{ include: { from: /users, on: /u, as: user } }]",
        "[{ include: { from: /users, key: [/a, /b], on: /u, as: user } }]",
        "[{ rename: {} }]",
    ] {
        let parsed: Vec<StepManifest> = crate::manifest::yaml::from_str(steps).unwrap();
        assert!(Shape::new(parsed, Vec::new()).unwrap().check().is_err(), "{steps}");
    }
}

#[test]
fn what_cannot_be_shaped_is_refused_with_all_its_bytes_and_what_is_no_record_passes() {
    let record = r#"{"a":{"id":1},"a_id":2,"n":"x","lines":[7]}"#;
    for (steps, reason) in [
        ("[{ flatten: {} }]", "two fields would be called `a_id`"),
        ("[{ rename: { names: { a: n } } }]", "two fields would be called `n`"),
        ("[{ add: { b: { expression: \"record.n + 1\" } } }]", "`b` cannot be added: expression `record.n + 1` failed"),
        ("[{ add: { b: { from: /n, type: int64 } } }]", "`b` cannot be added: \"x\" is no int64"),
        ("[{ explode: { at: /lines } }]", "an element of `/lines` is no object"),
        ("[{ explode: { at: /none, when_empty: refuse } }]", "`/none` holds nothing"),
        ("[{ explode: { at: /lines, wrap_as: n, whole_parent: true } }]", "`n` is in an element of `/lines`"),
    ] {
        let text = one(steps, record);
        assert!(text.starts_with("refused: ") && text.contains(reason) && text.ends_with(record), "{text}");
    }
    for record in ["[1]", "\"x\"", "{\"a\":", "7"] {
        assert_eq!(one("[{ keep: \"false\" }, { remove: [/a] }]", record), record);
    }
}

#[test]
fn records_are_kept_by_an_expression_and_the_others_are_counted() {
    let keep = "[{ keep: \"record.status != 'draft' and record.region == settings.region\" }]";
    assert_eq!(shaped(keep, r#"{"status":"open","region":"eu"}"#).1, 0);
    assert_eq!(shaped(keep, r#"{"status":"draft","region":"eu"}"#), (vec![], 1));
    assert_eq!(shaped(keep, r#"{"region":"us"}"#), (vec![], 1));
}

#[test]
fn a_record_explodes_over_several_levels_with_what_is_taken_along() {
    let record = r#"{"id":1.10,"groups":[{"name":"a","members":[{"m":1},{"m":2}]},{"name":"b","members":[]}],"x":9}"#;
    let levels = "[{ explode: { at: /groups, parent: { id: /id } } }, { explode: { at: /members, parent: { id: /id, group: /name } } }]";
    let (rows, dropped) = shaped(levels, record);
    assert_eq!(rows, [r#"{"id":1.10,"group":"a","m":1}"#, r#"{"id":1.10,"group":"a","m":2}"#]);
    assert_eq!(dropped, 1);
    let stars = "[{ explode: { at: /groups/*/members, parent: { id: /id }, key_as: [group], index_as: place } }]";
    assert_eq!(shaped(stars, record).0[1], r#"{"id":1.10,"group":0,"place":1,"m":2}"#);
    let whole = shaped("[{ explode: { at: /groups, whole_parent: true, wrap_as: group } }]", record).0;
    assert_eq!(whole[1], r#"{"id":1.10,"x":9,"group":{"name":"b","members":[]}}"#);
    let history = r#"{"id":1,"history":{"email":[{"v":"a"},{"v":"b"}],"name":[{"v":"c"}]}}"#;
    let of = "[{ explode: { at: /history/*, parent: { id: /id }, key_as: property } }]";
    assert_eq!(shaped(of, history).0[2], r#"{"id":1,"property":"name","v":"c"}"#);
    let kept = "[{ explode: { at: /lines, parent: { id: /id }, wrap_as: tag, when_empty: keep } }]";
    assert_eq!(shaped(kept, r#"{"id":1,"lines":null}"#), (vec![r#"{"id":1}"#.to_owned()], 0));
    assert_eq!(shaped(kept, r#"{"id":1,"lines":["x"]}"#).0, [r#"{"id":1,"tag":"x"}"#]);
}

#[test]
fn fields_are_added_with_their_type_and_removed_under_conditions() {
    let record =
        r#"{"a":1,"price":0.12345678901234567890,"items":[{"id":1,"q":0},{"id":2,"q":3}],"s":" 7 ","deep":{"x":null}}"#;
    let add = "[{ add: { sum: { expression: \"record.a + 1\", type: string }, exact: { from: /price }, kind: { value: invoice },\
               ids: { each: { at: /items, expression: \"item.id ~ '/' ~ index\", when: \"item.q > 0\" } }, n: { from: /s, type: int64 },\
               /deep/y: { value: 2, when: \"record.a == 1\" }, no: { value: 1, when: \"record.a == 2\" }, none: { each: { at: /nothing } } } },\
               { remove: [/items, /price, /s] }]";
    assert_eq!(
        one(add, record),
        r#"{"a":1,"deep":{"x":null,"y":2},"sum":"2","exact":0.12345678901234567890,"kind":"invoice","ids":["2/1"],"n":7,"none":[]}"#
    );
    let maps = "[{ add: { items: { each: { at: /items, expression: \"{'id': item.id, 'a': record.a}\" } } } }, { remove: [/price, /s, /deep] }]";
    assert_eq!(one(maps, record), r#"{"a":1,"items":[{"a":1,"id":1},{"a":1,"id":2}]}"#);
    let remove = "[{ remove: { at: [\"/*\", /items/*/q], when: \"item is none or item is number\" } }, { remove: /s }]";
    assert_eq!(one(remove, record), r#"{"items":[{"id":1},{"id":2}],"deep":{"x":null}}"#);
}

#[test]
fn names_change_by_rule_and_nested_fields_are_lifted() {
    let record = r#"{"createdAt":1,"Custom Field (USD)":{"InnerID":2},"keep":3}"#;
    let rename = "[{ rename: { names: { keep: Kept }, replace: [{ pattern: \" *\\\\((.*)\\\\)\", with: \"_$1\" }], case: snake, prefix: x_, deep: true } }]";
    assert_eq!(one(rename, record), r#"{"x_created_at":1,"x_custom_field_usd":{"x_inner_id":2},"Kept":3}"#);
    let nested = r#"{"id":1,"address":{"city":"x","geo":{"lat":1.50,"tags":[{"a":1}]}},"empty":{}}"#;
    let flat = one("[{ flatten: {} }]", nested);
    assert_eq!(flat, r#"{"id":1,"address_city":"x","address_geo_lat":1.50,"address_geo_tags":[{"a":1}],"empty":{}}"#);
    let at = one("[{ flatten: { at: /address, prefix: false, depth: 1 } }]", nested);
    assert_eq!(at, r#"{"id":1,"empty":{},"city":"x","geo":{"lat":1.50,"tags":[{"a":1}]}}"#);
    let one_level = one("[{ flatten: { separator: ., depth: 1 } }]", nested);
    assert!(one_level.contains(r#""address.geo":{"lat":1.50"#), "{one_level}");
    let nulls = one("[{ drop_nulls: [\"\"] }]", r#"{"a":null,"b":{"c":null,"d":[null,{"e":null}]}}"#);
    assert_eq!(nulls, r#"{"b":{"d":[null,{}]}}"#);
    assert_eq!(one("[{ drop_nulls: /b }]", r#"{"a":null,"b":{"c":null}}"#), r#"{"a":null,"b":{}}"#);
}

#[test]
fn objects_beside_the_records_are_joined_by_key() {
    let steps = "[{ include: { from: /included, key: [/type, /id], on: [/author/type, /author/id], as: author } },\
                 { include: { from: /tags/*, each: /tag_ids, on: \"\", as: tags } }]";
    let shape = Shape::new(crate::manifest::yaml::from_str(steps).unwrap(), Vec::new()).unwrap();
    shape.check().unwrap();
    let key = shape.includes().next().unwrap().lookup_key();
    let person = r#"{"type":"people","id":"9","name":"Zoë"}"#;
    let people = Lookup::from([(key.of(person, None).unwrap(), person.to_owned())]);
    let tags = Lookup::from([("5".to_owned(), r#"{"n":"x"}"#.to_owned())]);
    let page = PageSides { lookups: vec![people, tags], body: Vec::new() };
    let record = r#"{"author":{"type":"people","id":9},"tag_ids":[5,6]}"#;
    let expected = format!(r#"{{"author":{person},"tag_ids":[5,6],"tags":[{{"n":"x"}},null]}}"#);
    assert_eq!(apply(&shape, record, &page).0, [expected]);
    assert_eq!(apply(&shape, "{}", &page).0, [r#"{"author":null,"tags":[]}"#]);
    assert_eq!(key.of(r#"{"id":"9"}"#, None), None);
}

#[test]
fn columns_get_one_format_and_null_where_the_source_means_null() {
    let column = |yaml: &str| {
        let column: crate::manifest::ColumnManifest = crate::manifest::yaml::from_str(yaml).unwrap();
        column.check().map(|()| column.normal())
    };
    for wrong in [
        "{ type: string, formats: [iso8601] }",
        "{ type: date, formats: [iso8601], format: unix_seconds }",
        "{ type: string, empty_is_null: true }",
        "{ type: string, true_if: [x] }",
        "{ type: timestamp, formats: [{ pattern: { pattern: \"%Y\", zone: Mars/Base } }] }",
    ] {
        assert!(column(wrong).is_err(), "{wrong}");
    }
    assert_eq!(column("{ type: date }"), Ok(None));
    let times = "{ type: timestamp, nullable: true, empty_is_null: true, null_if: [\"0000-00-00\", 0], formats: [rfc3339, unix_seconds,\
                 dot_net, { pattern: { pattern: \"%d/%m/%Y %H:%M\", zone: Europe/Berlin } }, iso8601] }";
    let columns = vec![
        (Pointer::parse("t"), column(times).unwrap().unwrap()),
        (Pointer::parse("/in/day"), column("{ type: date, formats: [iso8601, unix_millis] }").unwrap().unwrap()),
        (Pointer::parse("ok"), column("{ type: boolean, true_if: [\"Y\", 1], false_if: [\"N\"] }").unwrap().unwrap()),
    ];
    let shape = Shape::new(Vec::new(), columns).unwrap();
    for (value, expected) in [
        (json!("2024-03-01T10:00:00+02:00"), json!("2024-03-01T08:00:00Z")),
        (json!(1_709_280_000), json!("2024-03-01T08:00:00Z")),
        (json!("1709280000.250"), json!("2024-03-01T08:00:00.250Z")),
        (json!("/Date(1709280000000+0000)/"), json!("2024-03-01T08:00:00Z")),
        (json!("/Date(-1000)/"), json!("1969-12-31T23:59:59Z")),
        (json!("01/03/2024 09:00"), json!("2024-03-01T08:00:00Z")),
        (json!("2024-03-01"), json!("2024-03-01T00:00:00Z")),
        (json!("2024-03-01 08:00:00.5"), json!("2024-03-01T08:00:00.500Z")),
        (json!("  "), json!(null)),
        (json!("0000-00-00"), json!(null)),
        (json!(0), json!(null)),
        (json!("soon"), json!("soon")),
        (json!([1]), json!([1])),
    ] {
        let text = apply(&shape, &json!({ "t": value }).to_string(), &PageSides::default()).0.remove(0);
        assert_eq!(text, json!({ "t": expected }).to_string());
    }
    let text = apply(&shape, r#"{"in":{"day":"2024-03-01T23:00"},"ok":"Y"}"#, &PageSides::default()).0.remove(0);
    assert_eq!(text, r#"{"in":{"day":"2024-03-01"},"ok":true}"#);
}
