//! Every rule, broken and kept, and the manifests in the binary.

#![expect(clippy::print_stdout, reason = "what is missing is shown to whoever runs the tests")]

use std::collections::BTreeSet;

use super::*;
use crate::Library;

/// A manifest that leaves nothing unsaid; each case below breaks it in one place.
const KEPT: &str = r#"manifest: 1
connector: shop
title: Shop
docs: https://shop.example/docs
settings:
  token: { secret: true, help: "Settings > API" }
  region: { help: "Settings > Region" }
  start_on: { type: date, help: "First UTC day" }
http:
  base_url: https://shop.example
  auth: { bearer: token }
  limits: [{ requests: 5, per: 1 second, source: "https://shop.example/limits" }]
  quota: { remaining: x-left, source: "https://shop.example/limits" }
defaults:
  docs: https://shop.example/docs/lists
  start: start_on
streams:
  charges:
    title: One row for each charge
    path: /charges
    params: { sort: created }
    records: /data
    key: [id]
    kind: restating
    pagination: { body_token: { param: cursor, token: /next } }
    page_size: { param: limit, value: 100, source: "https://shop.example/docs/paging" }
    window:
      field: created_at
      granularity: 1 second
      request: { from: created_from, until: created_until, until_is_inclusive: true }
      settle: not_published
      lookback: { assumed: { value: 3 days, because: "refunds come late" } }
      cap: { records: 1000, source: "https://shop.example/docs/paging" }
    deletes: none
    columns:
      id: { type: string }
      amount: { type: "decimal(12,2)", class: financial }
      customer: { type: string, refers_to: customers.id }
      created_at: { type: timestamp }
  customers:
    title: One row for each customer
    path: /customers
    params: { sort: updated }
    records: /data
    key: [id]
    kind: mutable
    pagination: { advancing_from: { pages: { body_token: { param: cursor, token: /next } } } }
    page_size: { param: limit, value: 100, source: "https://shop.example/docs/paging" }
    window:
      field: updated_at
      request: { from: updated_from }
      settle: { published: { value: 1 minute, source: "https://shop.example/docs/delay" } }
      lookback: 0
    deletes:
      key_list:
        path: /customers/ids
        records: /ids
        key: [id]
        pagination: { body_token: { param: cursor, token: /next } }
        page_size: { param: limit, value: 500, source: "https://shop.example/docs/paging" }
    columns:
      id: { type: string }
      updated_at: { type: timestamp }
  visits:
    title: One row for each visit
    method: post
    values: { page: "{page_id}" }
    path: /visits/{page}
    body: { computed: "{'since': since[:10]}" }
    records: /data
    append_only: true
    kind: events
    pagination: { offset: { param: { as: page_id }, total: /total } }
    page_size: { value: 50, source: "https://shop.example/docs/paging" }
    window:
      field: day
      granularity: 1 day
      request: { from: { as: since }, until: /until }
      settle: 0
      lookback: 0
      length: 28 days
    deletes: none
    columns: { day: { type: date } }
  products:
    title: One row for each product
    path: /products
    records: /data
    key: [id]
    kind: snapshot
    because: "the list has no filter by time"
    deletes: none
    columns:
      id: { type: string }
  searches:
    title: One row for each search
    method: post
    path: /graphql
    body: { graphql: { query: "query($after: String) { searches(after: $after) { id } }" } }
    records: /data/searches
    key: [id]
    kind: snapshot
    because: "the query takes no time"
    pagination: { body_token: { param: /variables/after, token: /data/next } }
    page_size: { param: /variables/first, value: 100, source: "https://shop.example/docs/graphql" }
    deletes: none
    columns: { id: { type: string } }
"#;

/// A rule, and what is replaced by what in [`KEPT`] to break it and nothing else.
const BROKEN: [(Rule, &str, &str); 57] = [
    (Rule::HelpMissing, "help: \"Settings > API\"", "help: \"\""),
    (Rule::LimitsMissing, "  limits: [{ requests: 5, per: 1 second, source: \"https://shop.example/limits\" }]\n", ""),
    (Rule::SourceMissing, "per: 1 second, source: \"https://shop.example/limits\"", "per: 1 second, source: \"\""),
    (Rule::SourceMissing, "x-left, source: \"https://shop.example/limits\"", "x-left, source: \"\""),
    (Rule::SourceMissing, "title: Shop\n", "title: Shop\napi: { version: v1, sunset: 2030-01-01 }\n"),
    (Rule::SourceMissing, "settle: not_published", "settle: 5 minutes"),
    (
        Rule::SourceMissing,
        "records: 1000, source: \"https://shop.example/docs/paging\"",
        "records: 1000, source: \" \"",
    ),
    (Rule::SourceMissing, "value: 500, source: \"https://shop.example/docs/paging\"", "value: 500, source: \"\""),
    (Rule::SourceNoLink, "docs: https://shop.example/docs\n", "docs: the handbook\n"),
    (Rule::SourceNoLink, "  docs: https://shop.example/docs/lists", "  docs: page 7"),
    (Rule::SourceNoLink, "value: 500, source: \"https://shop.example/docs/paging\"", "value: 500, source: page 7"),
    (Rule::SourceNoLink, "source: \"https://shop.example/docs/delay\"", "source: page 7"),
    (Rule::LinkUnfilled, "per: 1 second, source: \"https://shop.example/limits\"", "per: 1 second, source: \"$SPEC\""),
    (Rule::LinkUnfilled, "  docs: https://shop.example/docs/lists", "  docs: https://shop.example/docs/<page>"),
    (
        Rule::LinkUnfilled,
        "source: \"https://shop.example/docs/delay\"",
        "source: \"https://shop.example/docs/${PAGE}\"",
    ),
    (Rule::ReasonMissing, "because: \"refunds come late\"", "because: \"\""),
    (Rule::SecretNotDeclared, "token: { secret: true,", "token: {"),
    (
        Rule::LoginUnencrypted,
        "auth: { bearer: token }",
        "auth: { oauth2: { token_url: \"http://shop.example/t\", grant: { refresh_token: token } } }",
    ),
    (
        Rule::PasswordGrant,
        "auth: { bearer: token }",
        "auth: { oauth2: { token_url: \"https://shop.example/t\", grant: { password: { user: region, password: token } } } }",
    ),
    (Rule::DocsMissing, "docs: https://shop.example/docs\n", "docs: \"\"\n"),
    (Rule::DocsMissing, "  docs: https://shop.example/docs/lists\n", ""),
    (Rule::TitleMissing, "title: One row for each visit", "title: \" \""),
    (Rule::SentTwice, "params: { sort: created }", "params: { sort: created, created_from: 0 }"),
    (
        Rule::SentTwice,
        "param: cursor, token: /next } }\n    page_size: { param: limit, value: 100, source: \"https://shop.example/docs/paging\" }\n    window:\n      field: created_at",
        "param: limit, token: /next } }\n    page_size: { param: limit, value: 100, source: \"https://shop.example/docs/paging\" }\n    window:\n      field: created_at",
    ),
    (Rule::SlotUnused, "body: { computed: \"{'since': since[:10]}\" }", "body: { computed: \"{'since': '{since}'}\" }"),
    (Rule::SlotUnused, "values: { page: \"{page_id}\" }", "values: { page: \"1\" }"),
    // The value calls the name, and nobody calls the value.
    (Rule::SlotUnused, "path: /visits/{page}", "path: /visits"),
    (Rule::SlotInNoBody, "body: { computed: \"{'since': since[:10]}\" }", "body: { text: { content: \"{since}\" } }"),
    (Rule::SlotInNoBody, "param: /variables/after", "param: /after"),
    (Rule::PageSizeMissing, "    page_size: { value: 50, source: \"https://shop.example/docs/paging\" }\n", ""),
    (
        Rule::PageSizeMissing,
        "        page_size: { param: limit, value: 500, source: \"https://shop.example/docs/paging\" }\n",
        "",
    ),
    (Rule::PageSizeTiny, "param: limit, value: 500", "param: limit, value: 10"),
    (Rule::BestEffortMissing, ", total: /total } }", " } }"),
    (
        Rule::KeyListMoves,
        "key: [id]\n        pagination: { body_token: { param: cursor, token: /next } }",
        "key: [id]\n        pagination: { page_number: { param: page, first: 1 } }",
    ),
    (Rule::OrderNotAsked, "params: { sort: updated }", "params: { state: all }"),
    (Rule::StartMissing, "  start: start_on\n", ""),
    (Rule::SettleMissing, "      settle: not_published\n", ""),
    (Rule::LookbackMissing, "      settle: 0\n      lookback: 0\n", "      settle: 0\n"),
    (Rule::NeverReread, "lookback: { assumed: { value: 3 days, because: \"refunds come late\" } }", "lookback: 0"),
    (Rule::EndNotAsked, "request: { from: { as: since }, until: /until }", "request: { from: { as: since } }"),
    (
        Rule::WholeListOften,
        "request: { from: { as: since }, until: /until }\n      settle: 0\n      lookback: 0\n      length: 28 days",
        "request: { from: { as: since } }\n      feed: whole\n      settle: 0\n      lookback: 0\n      length: 1 day",
    ),
    (Rule::GranularityMissing, "      granularity: 1 second\n", ""),
    (Rule::GranularityTooFine, "granularity: 1 day", "granularity: 1 hour"),
    (Rule::FilteredByCreation, "from: updated_from", "from: created_since"),
    (Rule::FilteredByChange, "from: created_from, until: created_until", "from: updated_from, until: updated_until"),
    (Rule::WhyWholeMissing, "    because: \"the list has no filter by time\"\n", ""),
    (
        Rule::DeletesMissing,
        "    deletes: none\n    columns: { day: { type: date } }",
        "    columns: { day: { type: date } }",
    ),
    (
        Rule::ColumnsMissing,
        "key: [id]\n    kind: snapshot\n    because: \"the list has no filter by time\"\n    deletes: none\n    columns:\n      id: { type: string }\n",
        "append_only: true\n    kind: snapshot\n    because: \"the list has no filter by time\"\n    deletes: none\n    columns: {}\n",
    ),
    (Rule::TimeAsText, "customer: { type: string,", "paid_at: { type: string }\n      customer: { type: string,"),
    (Rule::MoneyAsFloat, "amount: { type: \"decimal(12,2)\",", "amount: { type: float64,"),
    (Rule::KeyNotExact, "columns: { id: { type: string } }", "columns: { id: { type: float64 } }"),
    (Rule::ReferenceUnknown, "refers_to: customers.id", "refers_to: customers.number"),
    (Rule::ReferenceUnknown, "refers_to: customers.id", "refers_to: id"),
    (Rule::WaiverWithoutReason, "title: Shop\n", "title: Shop\nwaive: { page-size-below-maximum: \"\" }\n"),
    (Rule::WaiverUnknown, "title: Shop\n", "title: Shop\nwaive: { page-size: \"it is so\" }\n"),
    (Rule::WaiverUnknown, "title: Shop\n", "title: Shop\nwaive: { secret-not-declared: \"it is so\" }\n"),
    (
        Rule::WaiverUnneeded,
        "title: One row for each visit\n",
        "title: One row for each visit\n    waive: { page-size-tiny: \"it is so\" }\n",
    ),
];

fn parse(text: &str) -> Connector {
    Connector::parse(text, "shop.yaml").unwrap_or_else(|error| panic!("{error} {}\n{text}", error.snippet()))
}

fn broken(from: &str, to: &str) -> Vec<Finding> {
    assert!(KEPT.contains(from), "`{from}` is not in the manifest");
    lint(&parse(&KEPT.replacen(from, to, 1)))
}

#[test]
fn a_manifest_that_says_everything_breaks_no_rule() {
    let connector = parse(KEPT);
    assert_eq!(lint(&connector), []);
    let totals = Totals::of(&connector, &[]);
    assert_eq!(totals, Totals { not_published: 1, assumed: 1, ..Totals::default() });
    assert!(totals.is_clean());
    assert_eq!(totals.to_string(), "0 errors, 0 missing facts, 0 waived; 1 facts not published, 1 assumed");
}

#[test]
fn each_rule_is_broken_by_the_one_thing_that_it_is_about() {
    for (rule, from, to) in BROKEN {
        let findings = broken(from, to);
        let codes: BTreeSet<&str> = findings.iter().map(|finding| finding.code).collect();
        assert_eq!(codes, BTreeSet::from([rule.code()]), "{from} → {to}\n{findings:#?}");
        for finding in findings {
            assert!(finding.line.is_some() && finding.file == "shop.yaml", "{finding:?}");
            assert!(!finding.what.is_empty() && !finding.fix.is_empty() && finding.nature == rule.nature());
        }
    }
    let tried: BTreeSet<&str> = BROKEN.iter().map(|(rule, ..)| rule.code()).collect();
    let untried: Vec<&str> = Rule::ALL.iter().map(|rule| rule.code()).filter(|code| !tried.contains(code)).collect();
    assert_eq!(untried, ["page-size-below-maximum"], "every rule has a manifest that breaks it");
}

#[test]
fn a_finding_names_the_line_that_is_to_be_mended() {
    let line = |text: &str| KEPT.lines().position(|line| line.contains(text)).unwrap() + 1;
    let at =
        |from: &str, to: &str| broken(from, to).first().map(|finding| (finding.path.clone(), finding.line.unwrap()));
    let settle = at("settle: not_published", "settle: 5 minutes");
    assert_eq!(settle, Some(("streams.charges.window.settle".to_owned(), line("settle: not_published"))));
    // What all streams take from `defaults` is wrong there, and once.
    let docs = broken("  docs: https://shop.example/docs/lists", "  docs: page 7");
    assert_eq!((docs.len(), docs[0].path.as_str(), docs[0].line), (1, "defaults.docs", Some(line("docs/lists"))));
    let shown = broken("refers_to: customers.id", "refers_to: id")[0].to_string();
    assert_eq!(
        shown,
        format!(
            "error[reference-unknown]: `refers_to: id` names nothing here\n  where  shop.yaml:{} streams.charges.columns.customer\n  \
             why    the reference leads nowhere, so no join can be drawn from it\n  fix    write `stream.column` of this manifest, or remove it",
            line("customers.id")
        )
    );
}

#[test]
fn a_waiver_with_a_reason_takes_a_finding_out_and_is_counted() {
    let tiny = KEPT.replacen("param: limit, value: 500", "param: limit, value: 5", 1);
    assert_eq!(lint(&parse(&tiny)).len(), 1);
    let waive = "title: One row for each customer\n    waive: { page-size-tiny: \"the API refuses more\" }\n";
    let waived = parse(&tiny.replacen("title: One row for each customer\n", waive, 1));
    assert_eq!(lint(&waived), []);
    assert_eq!(Totals::of(&waived, &[]).waived, 1);
    let elsewhere = "title: One row for each visit\n    waive: { page-size-tiny: \"the API refuses more\" }\n";
    let elsewhere = parse(&tiny.replacen("title: One row for each visit\n", elsewhere, 1));
    let codes: Vec<&str> = lint(&elsewhere).iter().map(|finding| finding.code).collect();
    assert_eq!(codes, ["page-size-tiny", "waiver-unneeded"]);
}

/// Ids that are looked up, cursors of lists inside records and names of fields have requests that must call them too.
#[test]
fn names_that_go_along_in_requests_of_their_own_are_called_there() {
    let makers = "    lookups: { maker: { stream: makers, on: /maker_id, param: { as: maker } } }\n  makers:\n    internal: true\n    \
                  path: /makers/{maker}\n    records: { each: { at: \"\" } }\n  searches:\n";
    let colours = "    connections: { colours: { records: /colours/data, more: /colours/more, cursor: /colours/next, \
                   param: { as: colour }, names: { product: /id }, path: \"/products/{product}/{colour}\", \
                   answer: { records: /data, more: /more, cursor: /next } } }\n  searches:\n";
    let fields = "    fields: { param: { as: wanted }, separator: \",\" }\n    headers: { X-Fields: \"{wanted}\" }\n  searches:\n";
    for (stream, call, key) in [
        (makers, "{maker}", "lookups.maker"),
        (colours, "{colour}", "connections.colours"),
        (fields, "{wanted}", "fields"),
    ] {
        let text = KEPT.replacen("  searches:\n", stream, 1);
        assert_eq!(lint(&parse(&text)), [], "{stream}");
        let findings = lint(&parse(&text.replacen(call, "1", 1)));
        let [finding] = findings.as_slice() else { panic!("{findings:?}") };
        assert_eq!((finding.code, finding.path.ends_with(key)), ("slot-unused", true), "{finding}");
    }
}

#[test]
fn what_is_missing_is_told_from_what_is_wrong() {
    let text = KEPT.replacen("    deletes: none\n", "", 1).replacen("refers_to: customers.id", "refers_to: id", 1);
    let connector = parse(&text);
    let totals = Totals::of(&connector, &lint(&connector));
    assert_eq!((totals.errors, totals.missing_facts, totals.is_clean()), (1, 1, false));
}

#[test]
fn a_page_is_as_large_as_the_description_allows() {
    let described = |most: u32| {
        let text = format!(
            r#"{{"paths": {{"/charges": {{"get": {{"parameters": [
                {{"name": "limit", "in": "query", "schema": {{"type": "integer", "maximum": {most}}}}}], "responses": {{}}}}}},
               "/customers": {{"get": {{"responses": {{}}}}}}}}}}"#
        );
        Description::parse(text.as_bytes(), "shop.json").unwrap()
    };
    let connector = parse(KEPT);
    assert_eq!(lint_against(&connector, &described(100)).unwrap(), []);
    let findings = lint_against(&connector, &described(250)).unwrap();
    let [finding] = findings.as_slice() else { panic!("{findings:?}") };
    assert_eq!((finding.code, finding.path.as_str()), ("page-size-below-maximum", "streams.charges.page_size"));
    assert!(finding.what.contains("hold 100, and may hold 250") && finding.fix == "write `value: 250`", "{finding}");
    let waive = "title: One row for each charge\n    waive: { page-size-below-maximum: \"larger pages time out\" }\n";
    let waived = parse(&KEPT.replacen("title: One row for each charge\n", waive, 1));
    assert_eq!(lint_against(&waived, &described(250)).unwrap(), []);
    // Without the description nobody can say that the waiver is unneeded.
    assert_eq!(lint(&waived), []);
}

/// Manifests whose vendors' pages were all read, against the descriptions where they are. What others still lack is counted by connector in
/// `INDEX.md`, which is generated.
#[test]
fn the_manifests_that_were_finished_leave_nothing_unsaid() {
    let specs = crate::verify::specs_of_tests();
    let mut totals = Totals::default();
    for name in [
        "datasette",
        "github",
        "gitlab",
        "greenhouse",
        "hubspot",
        "intercom",
        "klaviyo",
        "mailchimp",
        "paypal",
        "sandbox",
        "stripe",
        "twilio",
        "woocommerce",
        "zendesk",
    ] {
        let connector = Library::embedded().get(name).unwrap();
        let description = specs.as_ref().and_then(|specs| crate::verify::description_file(&connector, specs));
        let findings = match description {
            Some(path) => lint_against(&connector, &Description::open(&path).unwrap()).unwrap(),
            None => lint(&connector),
        };
        let shown: Vec<String> = findings.iter().map(ToString::to_string).collect();
        assert!(shown.is_empty(), "{}", shown.join("\n"));
        totals = totals.and(Totals::of(&connector, &findings));
    }
    println!("{totals}");
}
