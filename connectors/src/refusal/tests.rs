//! Rules against answers: which one speaks, and what it decides.

use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::decoding::Pointer;
use crate::limits::Backoff;

fn rules(stream: &str, connector: &str) -> Rules {
    let read =
        |yaml: &str| crate::manifest::yaml::from_str::<Vec<ErrorRule>>(yaml).unwrap_or_else(|error| panic!("{error}"));
    Rules::new(&read(stream), &read(connector))
}

fn now() -> DateTime<Utc> {
    "2026-11-21T09:00:00Z".parse().unwrap()
}

fn decide(rules: &Rules, status: u16, body: &Value) -> Option<Refusal> {
    let text = body.to_string();
    let usual = || Fault::Rejected { status, says: "no".to_owned() };
    let evidence = Evidence {
        status,
        header: &|name| (name == "retry-after").then(|| "30".to_owned()),
        field: &|pointer: &Pointer| pointer.find(body).cloned(),
        text: Some(&text),
    };
    rules.decide(&evidence, &usual, "no", now())
}

#[test]
fn a_typo_in_a_rule_is_an_error() {
    for yaml in [
        "[{ when: { status: 404 } }]",
        "[{ when: { status: 404 }, then: ignore }]",
        "[{ when: { status: 404 }, then: { fail: { kind: access } } }]",
        "[{ when: { status: 404 }, then: { retry: { wait: { constant: 5 } } } }]",
        "[{ when: { message: '(' }, then: skip_request }]",
    ] {
        assert!(crate::manifest::yaml::from_str::<Vec<ErrorRule>>(yaml).is_err(), "{yaml}");
    }
}

#[test]
fn an_answer_that_no_rule_speaks_of_is_not_decided() {
    assert!(decide(&Rules::default(), 404, &json!({})).is_none());
    let rules = rules("[{ when: { status: 404 }, then: skip_request }]", "[]");
    assert!(decide(&rules, 500, &json!({})).is_none());
}

#[test]
fn the_first_rule_that_holds_decides_the_streams_before_the_connectors() {
    let rules = rules(
        "[{ when: { status: 404 }, then: skip_request }, { when: { status: 4xx }, then: skip_slice }]",
        "[{ when: { status: 404 }, then: { fail: {} } }, { when: { status: 5xx }, then: split_window }]",
    );
    for (status, decision) in [(404, Decision::SkipRequest), (400, Decision::SkipSlice), (502, Decision::SplitWindow)] {
        assert_eq!(decide(&rules, status, &json!({})).unwrap().decision, Some(decision), "{status}");
    }
}

#[test]
fn each_action_has_its_fault() {
    let decided = |then: &str| {
        let rules = rules(&format!("[{{ when: {{ status: 403 }}, then: {then} }}]"), "[]");
        let refusal = decide(&rules, 403, &json!({})).unwrap();
        (*refusal.fault, refusal.decision.unwrap())
    };
    let rejected = Fault::Rejected { status: 403, says: "no".into() };
    let in_half_a_minute = Some(now() + chrono::TimeDelta::seconds(30));
    assert_eq!(decided("accept"), (rejected.clone(), Decision::Accept));
    assert_eq!(decided("restart"), (rejected.clone(), Decision::Restart));
    assert_eq!(decided("split_batch"), (rejected.clone(), Decision::SplitBatch));
    assert_eq!(decided("{ fail: {} }"), (rejected, Decision::Stand));
    assert_eq!(decided("{ park: {} }").0, Fault::Throttled { status: 403, retry_at: None });
    assert_eq!(
        decided("{ park: { wait: { clock: { time: '00:00', zone: UTC } } } }").0.retry_at(),
        Some("2026-11-22T00:00:00Z".parse().unwrap())
    );
    let declared = decided("{ fail: { class: config, message: 'the plan lacks reports' } }").0;
    assert_eq!(declared.to_string(), "the plan lacks reports (403): no");
    let (fault, decision) = decided("{ throttle: { wait: { header: { name: retry-after } } } }");
    assert_eq!((fault.retry_at(), decision), (in_half_a_minute, Decision::Retry(Again::Throttled)));
    let (fault, decision) = decided("{ retry: { wait: { constant: 5 seconds }, times: 7 } }");
    let backoff = Some(Backoff::Constant(Duration::from_secs(5)));
    assert_eq!(decision, Decision::Retry(Again::Declared { rule: 0, backoff, times: Some(7) }));
    assert!(fault.may_pass());
}

#[test]
fn asks_good_answers_only_for_fields_that_can_matter_there() {
    let rules = rules(
        "[{ when: { field: { at: /ok, is: false } }, then: { throttle: { wait: { field: { at: /in } } } } }]",
        "[{ when: { all: [{ status: 4xx }, { field: { at: /code } }] }, then: skip_request }]",
    );
    let expected = PageFacts::new().body_field(&Pointer::parse("/ok")).body_field(&Pointer::parse("/in"));
    assert_eq!(rules.facts(PageFacts::new()), expected);
}
