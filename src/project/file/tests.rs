//! Project files that must be refused, and what is read out of good ones.

use headwater_contract::Explain;

use super::*;

fn parse(text: &str) -> Result<ProjectFile, ProjectError> {
    ProjectFile::parse(text, "headwater.yaml")
}

fn code(text: &str) -> &'static str {
    parse(text).unwrap_err().code()
}

#[test]
fn a_typo_is_named_with_its_line_and_the_allowed_names() {
    let error = parse("headwater: 1\nsources:\n  shop:\n    conector: sandbox\n").unwrap_err();
    let text = headwater_contract::Report(&error).to_string();
    assert!(text.contains("headwater.yaml:4"), "{text}");
    assert!(text.contains("conector") && text.contains("connector"), "{text}");
}

#[test]
fn a_secret_in_plain_text_is_refused() {
    for text in [
        "headwater: 1\nsources:\n  s:\n    connector: stripe\n    settings: { api_key: sk_live_1 }\n",
        "headwater: 1\nstore:\n  options: { azure_storage_account_key: abc }\n",
    ] {
        assert_eq!(code(text), "literal-secret");
        assert!(!format!("{:?}", parse(text)).contains("sk_live_1"));
    }
    assert!(parse("headwater: 1\nsources:\n  s:\n    connector: stripe\n    settings: { api_key: env:KEY }\n").is_ok());
}

#[test]
fn what_contradicts_itself_is_refused() {
    let change =
        |text: &str| format!("headwater: 1\nsources:\n  s:\n    connector: c\n    overrides:\n      o: {{ {text} }}\n");
    for text in ["start: 2024-01-02, end: 2024-01-02", "length: 0", "max_removed: 1.5", "max_quarantined: -0.1"] {
        assert_eq!(code(&change(text)), "contradiction", "{text}");
    }
    assert_eq!(code("headwater: 2"), "project-version");
    assert_eq!(code("headwater: 1\nschedule: { cron: { at: now, zone: UTC } }\n"), "contradiction");
    for text in [
        "",
        "headwater: 1\nsources: { A: { connector: c } }",
        "headwater: 1\nzones: { bronze: x }",
        "headwater: 1\nschedule: weekly\n",
    ] {
        assert_eq!(code(text), "project-invalid", "{text}");
    }
}

#[test]
fn settings_are_scalars_and_lists() {
    let text = "headwater: 1
sources:
  hub:
    connector: github
    settings: { token: env:T, repositories: [a/b, c/d], pages: 3, ratio: 0.5, deep: true }
    select: [issues]
    schedule: daily
    streams: { rows: { template: table, columns: { id: { type: string } } } }
schedule: { cron: { at: '15 6 * * *', zone: Europe/Zurich } }
";
    let project = parse(text).unwrap();
    let entry = &project.sources[&SourceName::new("hub").unwrap()];
    assert_eq!(entry.settings["repositories"].value(), &serde_json::json!(["a/b", "c/d"]));
    assert_eq!(entry.settings["pages"].value(), &serde_json::json!(3));
    assert_eq!(entry.settings["token"].reference(), Some(Reference::Variable("T".into())));
    assert_eq!(entry.streams["rows"]["columns"]["id"]["type"], "string");
    assert_eq!(project.schedule_of(&SourceName::new("hub").unwrap()), Some(&Schedule::Daily));
    assert!(parse("headwater: 1\nsources: { s: { connector: c, settings: { a: { b: 1 } } } }").is_err());
}

#[test]
fn zones_are_beside_the_project_unless_it_says_otherwise() {
    let project = parse("headwater: 1\nzones: { raw: 's3://bucket/raw' }\n").unwrap();
    assert_eq!((project.zones.raw.as_str(), project.zones.curated.as_str()), ("s3://bucket/raw", "./lake/curated"));
}
