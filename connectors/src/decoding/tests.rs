//! The JSON decoder against a parser that reads the whole body, with every way of cutting it into chunks.

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// Splits `body` cut into chunks of `step` bytes; returns the records and the facts.
fn split(body: &[u8], records: &str, fields: &[&str], step: usize) -> Result<(Vec<String>, BodyFacts), DecodeError> {
    let wanted = fields.iter().fold(PageFacts::new(), |facts, field| facts.body_field(&Pointer::parse(field)));
    let wanted = wanted.last_record_field(&Pointer::parse("id"));
    let mut decoder = Decoder::new(Decoding::Json, &Pointer::parse(records), &wanted);
    let mut texts = Vec::new();
    let body = Bytes::copy_from_slice(body);
    for start in (0..body.len()).step_by(step.max(1)) {
        texts.extend(decoder.push(&body.slice(start..body.len().min(start + step.max(1))))?);
    }
    let Ended { records: last, facts, found } = decoder.finish()?;
    found?;
    texts.extend(last);
    Ok((texts.iter().map(|text| String::from_utf8(text.to_vec()).unwrap()).collect(), facts))
}

/// The same error wherever the body is cut.
fn error(body: &str, records: &str) -> DecodeError {
    let whole = split(body.as_bytes(), records, &[], usize::MAX >> 1).unwrap_err();
    for step in 1..body.len() {
        let cut = split(body.as_bytes(), records, &[], step).unwrap_err();
        // Only the beginning that an error shows may differ.
        let is_same = cut == whole || matches!((&cut, &whole), (DecodeError::Html { .. }, DecodeError::Html { .. }));
        assert!(is_same, "{body} in steps of {step}: {cut}");
    }
    whole
}

#[test]
fn every_prefix_of_a_body_is_truncated() {
    let body = r#" {"a":{"b":[1,2]},"data":[{"id":"x\"}"},{"id":[{}]}],"more":true,"n":-1.5e3} "#;
    for end in 2..body.len() - 1 {
        let error = error(&body[..end], "/data");
        assert!(matches!(error, DecodeError::Truncated { at } if at == end as u64), "{end}: {error}");
    }
    assert_eq!(error("", "/data"), DecodeError::Empty);
    assert_eq!(error(" \n\t ", "/data"), DecodeError::Empty);
}

#[test]
fn names_what_is_not_json() {
    assert!(
        matches!(error("<html><body>Sign in</body></html>", "/data"), DecodeError::Html { snippet } if snippet.starts_with("<html>"))
    );
    for body in [
        "nope",
        "\"text\"",
        "{data:[]}",
        "{\"data\" []}",
        "{\"data\":[] \"a\":1}",
        "{\"data\":[1 2]}",
        "{\"data\":[{]}]}",
        "{\"data\":[,]}",
        "{\"data\":[1,]}",
        "{\"data\":[]]",
        "{\"data\":[],}",
        "{,}",
        "{\"a\":1}}",
        "{\"data\":[]}{}",
        "{\"data\":[tru\"e]}",
        "{\"data\":[],\"data\":[]}",
    ] {
        let found = split(body.as_bytes(), "/data", &[], usize::MAX >> 1);
        assert!(matches!(found, Err(DecodeError::NotJson { .. } | DecodeError::Trailing { .. })), "{body}: {found:?}");
    }
}

#[test]
fn a_missing_list_is_an_error_and_never_an_empty_page() {
    let DecodeError::RecordsMissing { pointer, names } = error(r#"{"items":[],"next":null}"#, "/data") else {
        panic!()
    };
    assert_eq!((pointer.as_str(), names.as_str()), ("/data", "items`, `next"));
    for (body, found) in
        [(r#"{"data":null}"#, "null"), (r#"{"data":{"a":[]}}"#, "an object"), (r#"{"data":"[]"}"#, "a text")]
    {
        assert_eq!(error(body, "/data"), DecodeError::RecordsNotAList { pointer: "/data".into(), found });
    }
    assert!(matches!(error(r#"{"a":[{"data":[1]}]}"#, "/data"), DecodeError::RecordsMissing { .. }));
    assert!(matches!(error(r#"{"data":[]}"#, ""), DecodeError::RecordsNotAList { .. }));
}

#[test]
fn rejects_nesting_without_end() {
    for body in ["[".repeat(200), format!("[{}", "{\"a\":".repeat(200)), format!("{{\"skip\":{}", "[".repeat(200))] {
        assert!(matches!(
            split(body.as_bytes(), "", &["/a/b"], 7),
            Err(DecodeError::TooDeep { .. } | DecodeError::RecordsNotAList { .. })
        ));
    }
}

#[test]
fn finds_records_and_facts_wherever_they_stand() {
    let body = "\u{feff}{\"meta\":{\"big\":[{\"data\":[9]}],\"paging\":{\"after\":\"t\\u00e9\\n\"}},\"result\":{\"k\":[], \"data\" : [ {\"id\":1} ,\n\"two\",3.5,null,[4]\t,{\"id\":7}]},\"more\":false,\"errors\":[{\"a\":1}]}";
    for step in 1..=body.len() {
        let (records, facts) =
            split(body.as_bytes(), "/result/data", &["/meta/paging/after", "/more", "/errors", "/none"], step).unwrap();
        assert_eq!(records, ["{\"id\":1}", "\"two\"", "3.5", "null", "[4]", "{\"id\":7}"]);
        let field = |pointer: &str| facts.body_field(&Pointer::parse(pointer)).cloned();
        assert_eq!(field("/meta/paging/after"), Some(json!("té\n")));
        assert_eq!(
            (field("/more"), field("/errors"), field("/none")),
            (Some(json!(false)), Some(json!([{ "a": 1 }])), None)
        );
        assert_eq!(facts.last_record_field(&Pointer::parse("id")), Some(&json!(7)));
        assert_eq!(facts.count, 6);
    }
}

#[test]
fn a_field_around_another_is_present_when_anything_is_in_it() {
    let fields = ["/error", "/error/text", "/error/at/0"];
    for (error, around, inside) in [
        (r#"{"text":"no"}"#, Some(json!(true)), Some(json!("no"))),
        (r#"{"code":{"a":1}}"#, Some(json!(true)), None),
        ("{}", None, None),
        ("null", None, None),
        ("\"no\"", Some(json!("no")), None),
    ] {
        let body = format!(r#"{{"data":[],"error":{error}}}"#);
        for step in 1..body.len() {
            let facts = split(body.as_bytes(), "/data", &fields, step).unwrap().1;
            let field = |pointer: &str| facts.body_field(&Pointer::parse(pointer)).cloned();
            assert_eq!((field("/error"), field("/error/text")), (around.clone(), inside.clone()), "{body}");
        }
    }
}

#[test]
fn a_list_may_be_the_body_or_an_element_of_it() {
    assert_eq!(split(b"[]", "", &[], 1).unwrap().0, Vec::<String>::new());
    assert_eq!(split(br#"[{"a":1},2]"#, "", &[], 3).unwrap().0, ["{\"a\":1}", "2"]);
    let (records, facts) = split(br#"[{"pages":3},[{"id":5},{"id":6}]]"#, "/1", &["/0/pages"], 4).unwrap();
    assert_eq!(records, ["{\"id\":5}", "{\"id\":6}"]);
    assert_eq!(facts.body_field(&Pointer::parse("/0/pages")), Some(&json!(3)));
}

#[test]
fn a_record_is_a_span_of_its_chunk_and_not_a_copy() {
    let body = Bytes::from_static(br#"{"data":[{"id":1},{"id":2}]}"#);
    let mut decoder = Decoder::new(Decoding::Json, &Pointer::parse("/data"), &PageFacts::new());
    let texts = decoder.push(&body).unwrap();
    assert_eq!(texts[1].as_ptr(), body[18..].as_ptr());
}

#[test]
fn a_batch_is_bounded_however_small_its_records_are() {
    let count = 150_000;
    let list = vec!["{}"; count].join(",");
    for (decoding, body) in
        [(Decoding::Json, format!("{{\"data\":[{list}]}}")), (Decoding::JsonLines, "{}\n".repeat(count))]
    {
        let mut reader = BodyReader::new(0, Decoder::new(decoding, &Pointer::parse("/data"), &PageFacts::new()));
        reader.push(body.into());
        reader.end();
        let mut found = 0;
        while let Some(records) = reader.next().unwrap() {
            assert_eq!((records.first_ordinal as usize, records.chunks), (found, (0, 0)));
            assert!(records.texts.len() <= 65_536, "{}", records.texts.len());
            found += records.texts.len();
        }
        assert_eq!((found, reader.finish().unwrap().facts.count), (count, count as u64));
    }
}

#[test]
fn records_that_take_more_room_than_their_body_are_not_kept() {
    for (count, is_kept) in [(1_000, true), (1_100_000, false)] {
        let reader = BodyReader::new(0, Decoder::new(Decoding::Json, &Pointer::parse(""), &PageFacts::new()));
        let whole = reader.whole(format!("[{}]", vec!["7"; count].join(",")).into()).unwrap();
        assert_eq!((whole.batches.is_some(), whole.ended.facts.count), (is_kept, count as u64));
    }
}

#[test]
fn lines_are_records_and_the_last_needs_no_break() {
    for step in 1..20 {
        let mut decoder = Decoder::new(Decoding::JsonLines, &Pointer::parse(""), &PageFacts::new());
        let body = Bytes::from_static(b"{\"a\":1}\r\n\n {\"b\":2}\n{\"c\":3}");
        let mut texts = Vec::new();
        for start in (0..body.len()).step_by(step) {
            texts.extend(decoder.push(&body.slice(start..body.len().min(start + step))).unwrap());
        }
        let Ended { records: last, facts, .. } = decoder.finish().unwrap();
        texts.extend(last);
        assert_eq!(texts, ["{\"a\":1}", "{\"b\":2}", "{\"c\":3}"]);
        assert_eq!(facts.count, 3);
    }
    let mut cut = Decoder::new(Decoding::JsonLines, &Pointer::parse(""), &PageFacts::new());
    cut.push(&Bytes::from_static(b"{\"a\":1}\n{\"b\":")).unwrap();
    assert!(matches!(cut.finish(), Err(DecodeError::Truncated { .. })));
}

#[test]
fn batches_name_the_chunks_that_they_came_from() {
    let decoder = Decoder::new(Decoding::Json, &Pointer::parse("/d"), &PageFacts::new());
    let mut body = BodyReader::new(7, decoder);
    let mut batches = Vec::new();
    for chunk in ["{\"d\":[{\"a\":1},{\"b", "\":\"long", "er\"},{\"c\":3}", "]}"] {
        body.push(Bytes::from_static(chunk.as_bytes()));
        let batch = body.next().unwrap();
        assert!(batch.is_none() || body.next().unwrap().is_none());
        batches.push(batch);
    }
    body.end();
    assert_eq!(body.next().unwrap(), None);
    let places: Vec<_> = batches
        .into_iter()
        .map(|batch| batch.map(|records| (records.chunks, records.first_ordinal, records.texts.len())))
        .collect();
    assert_eq!(places, [Some(((0, 0), 0, 1)), None, Some(((0, 2), 1, 2)), None]);
}

/// The records of a body by a manifest's `records`, the same wherever it is cut.
fn records(body: &str, manifest: &str) -> Result<Vec<String>, DecodeError> {
    let manifest: RecordsManifest = crate::manifest::yaml::from_str(manifest).unwrap();
    let read = |step: usize| {
        let wanted = PageFacts::new().body_field(&Pointer::parse("/next")).last_record_field(&Pointer::parse("id"));
        let mut decoder = Decoder::of(&BodyDecoding::default(), &manifest, &wanted);
        let mut texts = Vec::new();
        for piece in body.as_bytes().chunks(step) {
            texts.extend(decoder.push(&Bytes::copy_from_slice(piece))?);
        }
        let Ended { records: last, facts, found } = decoder.finish()?;
        found?;
        texts.extend(last);
        assert_eq!((facts.count, facts.body_field(&Pointer::parse("/next"))), (texts.len() as u64, Some(&json!(2))));
        Ok(texts.iter().map(|text| String::from_utf8(text.to_vec()).unwrap()).collect::<Vec<_>>())
    };
    let whole = read(usize::MAX);
    for step in 1..body.len() {
        assert_eq!(read(step), whole, "{body} in steps of {step}");
    }
    whole
}

#[test]
fn a_path_that_leads_nowhere_is_an_error_wherever_it_has_stars() {
    let missing = |body: &str, manifest: &str| records(body, manifest).unwrap_err().code();
    for (body, manifest) in [
        (r#"{"next":2,"groups":[{"id":1},{"id":2}]}"#, "/groups/*/members"),
        (r#"{"next":2,"groups":null}"#, "/groups/*/members"),
        (r#"{"next":2,"groups":[{"members":{}}]}"#, "/groups/*/members"),
        (r#"{"next":2}"#, "{ each: { at: /data } }"),
        (r#"{"next":2,"data":null}"#, "{ each: { at: /data } }"),
        (r#"{"next":2,"rates":7}"#, "{ each: { at: /rates/* } }"),
        (r#"{"next":2,"rows":[]}"#, "{ table: { rows: /rows, columns: { header: /columns } } }"),
        (r#"{"next":2,"a":[1]}"#, "{ zip: { x: /a, y: /b } }"),
    ] {
        assert_eq!(missing(body, manifest), "records-missing", "{body}");
    }
}

#[test]
fn stars_stand_for_any_name_or_place() {
    let body =
        r#"{"groups":[{"members":[{"id":1},{"id":2}]},{"members":null},{"x":[0],"members":[{"id":3}]}],"next":2}"#;
    assert_eq!(records(body, "/groups/*/members").unwrap(), [r#"{"id":1}"#, r#"{"id":2}"#, r#"{"id":3}"#]);
    let keyed = records(body, "{ each: { at: /groups/*/members/*, key_as: [group, place] } }").unwrap();
    assert_eq!(keyed[2], r#"{"group":2,"place":0,"id":3}"#);
    assert_eq!(records(r#"{"groups":[],"next":2}"#, "/groups/*/members").unwrap(), Vec::<String>::new());
    assert_eq!(records(r#"{"a":{"x":[1]},"b":{"x":[2]},"next":2}"#, "/*/x").unwrap(), ["1", "2"]);
}

#[test]
fn each_value_of_a_map_one_object_and_scalars_are_records() {
    let map = r#"{"rates":{"2024-03-01":{"usd":1.10},"2024-03-02":{"usd":2,"day":0}},"next":2}"#;
    assert_eq!(
        records(map, "{ each: { at: /rates/*, key_as: day } }").unwrap(),
        [r#"{"day":"2024-03-01","usd":1.10}"#, r#"{"day":"2024-03-02","usd":2}"#]
    );
    let deep = r#"{"next":2,"values":{"signup":{"d1":5,"d\"2":6}}}"#;
    let manifest = "{ each: { at: /values/*/*, key_as: [event, day], wrap_as: count } }";
    assert_eq!(
        records(deep, manifest).unwrap(),
        [r#"{"event":"signup","day":"d1","count":5}"#, r#"{"event":"signup","day":"d\"2","count":6}"#]
    );
    assert_eq!(records(r#"{"data":{"id":1},"next":2}"#, "{ each: { at: /data } }").unwrap(), [r#"{"id":1}"#]);
    let labels = r#"{"labels":["a",3,null],"next":2}"#;
    let wrapped = records(labels, "{ each: { at: /labels/*, wrap_as: label } }").unwrap();
    assert_eq!(wrapped, [r#"{"label":"a"}"#, r#"{"label":3}"#, r#"{"label":null}"#]);
    assert_eq!(records(r#"{"rates":{},"next":2}"#, "{ each: { at: /rates/* } }").unwrap(), Vec::<String>::new());
}

#[test]
fn columnar_answers_become_records_or_an_error_by_name() {
    let census = r#"{"next":2,"d":[["NAME","POP"],["Ohio",11],["Utah"],["Iowa",3.10]]}"#;
    assert_eq!(
        records(census, "{ table: { rows: /d } }").unwrap(),
        [
            r#"{"NAME":"Ohio","POP":11}"#,
            "refused: the row has 1 cells, its header 2\n[\"Utah\"]",
            r#"{"NAME":"Iowa","POP":3.10}"#
        ]
    );
    // The header may come after the rows.
    let late = r#"{"rows":[[1,"a"]],"columns":[{"n":"id"},{"n":"name"}],"next":2}"#;
    let manifest = "{ table: { rows: /rows, columns: { header: /columns, name: /n } } }";
    assert_eq!(records(late, manifest).unwrap(), [r#"{"id":1,"name":"a"}"#]);
    let report = r#"{"dims":[{"name":"date"}],"mets":[{"name":"users"}],"next":2,
        "rows":[{"d":[{"value":"20240301"}],"m":[{"value":"7"}],"k":0.50}]}"#;
    let manifest = "{ table: { rows: /rows, columns: [                    { header: /dims, name: /name, cells: /d, value: /value }, { header: /mets, name: /name, cells: /m, value: /value }] } }";
    assert_eq!(records(report, manifest).unwrap(), [r#"{"date":"20240301","users":"7","k":0.50}"#]);
    let keys = r#"{"next":2,"rows":[{"keys":["2024","x"],"clicks":3}]}"#;
    let manifest = "{ table: { rows: /rows, columns: { names: [day, page], cells: /keys } } }";
    assert_eq!(records(keys, manifest).unwrap(), [r#"{"day":"2024","page":"x","clicks":3}"#]);
    let side = r#"{"data":{"days":["d1","d2"],"series":[[1,2],[3]]},"next":2}"#;
    let zipped = records(side, "{ zip: { day: /data/days, count: /data/series/0 } }").unwrap();
    assert_eq!(zipped, [r#"{"day":"d1","count":1}"#, r#"{"day":"d2","count":2}"#]);
    let error = records(side, "{ zip: { day: /data/days, count: /data/series/1 } }").unwrap_err();
    assert!(error.to_string().contains("`day` 2, `count` 1"), "{error}");
    assert_eq!(
        records(r#"{"next":2,"d":[["a","a"],[1,2]]}"#, "{ table: { rows: /d } }").unwrap_err().code(),
        "table-broken"
    );
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[ -~\\\\\"{}\\[\\]é\u{1F600}\n]{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map("[a-z\"\\\\]{0,4}", inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    /// Whatever stands in and around the list, and wherever it is cut, the records are those that a parser finds.
    #[test]
    fn splits_what_a_parser_parses(
        records in prop::collection::vec(any_json(), 0..8),
        before in any_json(),
        after in any_json(),
        step in 1_usize..50,
        pretty in any::<bool>(),
    ) {
        let body = json!({ "before": before, "data": records, "after": after });
        let text = if pretty { serde_json::to_string_pretty(&body) } else { serde_json::to_string(&body) }.unwrap();
        let (texts, facts) = split(text.as_bytes(), "/data", &["/after"], step).unwrap();
        let parsed: Vec<Value> = texts.iter().map(|text| serde_json::from_str(text).unwrap()).collect();
        prop_assert_eq!(parsed, records);
        prop_assert_eq!(facts.body_field(&Pointer::parse("/after")).cloned().unwrap_or_default(), after);
    }

    /// Bytes that nobody chose never make it panic.
    #[test]
    fn survives_any_bytes(bytes in prop::collection::vec(prop::sample::select(&b"{}[]\",:\\ \n1tnull-\xff\x00a"[..]), 0..200), step in 1_usize..20) {
        drop(split(&bytes, "/a", &["/b"], step));
    }
}
