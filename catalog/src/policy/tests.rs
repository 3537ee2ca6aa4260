//! Tables of who may read what.

use headwater_contract::{ErrorKind, Explain, Zone};

use super::*;

fn policy(yaml: &str) -> Policy {
    Policy::new(&headwater_contract::yaml::from_str(yaml).unwrap()).unwrap()
}

fn role(name: &str) -> RoleName {
    RoleName::new(name).unwrap()
}

/// A user of each of the four roles, and one with grants below a zone.
fn project() -> Policy {
    policy(
        "roles: {support: [curated.shop, cleansed.shop.tickets]}\n\
         users: {eve: data_engineer, sam: data_scientist, ann: analyst, bob: business, sue: support}\n",
    )
}

fn may(policy: &Policy, user: &str, table: &str) -> bool {
    let caller = policy.caller(user, None).unwrap();
    policy.decide(&caller, Action::Read, &table.parse().unwrap()).is_allowed()
}

#[test]
fn each_role_reads_its_zones_and_no_other() {
    let project = project();
    for (user, zones) in [
        ("eve", "raw cleansed curated exploration"),
        ("sam", "cleansed curated exploration"),
        ("ann", "curated"),
        ("bob", ""),
    ] {
        for zone in Zone::ALL {
            let expected = zones.split(' ').any(|open| open == zone.as_str());
            assert_eq!(may(&project, user, &format!("{zone}.shop.orders")), expected, "{user} on {zone}");
        }
    }
}

#[test]
fn a_grant_on_a_schema_or_table_opens_that_alone() {
    let project = project();
    for (table, expected) in [
        ("curated.shop.fact_sales", true),
        ("cleansed.shop.tickets", true),
        ("cleansed.shop.tickets_2", false),
        ("cleansed.shop.orders", false),
        ("curated.shop_2.fact_sales", false),
        ("raw.shop.tickets", false),
    ] {
        assert_eq!(may(&project, "sue", table), expected, "{table}");
    }
}

#[test]
fn refuses_a_user_without_a_role_unless_anybody_has_one() {
    let error = project().caller("mallory", None).unwrap_err();
    assert_eq!((error.code(), error.kind()), ("no-role", ErrorKind::Access));
    let open = policy("users: {eve: data_engineer, '*': analyst}");
    assert_eq!(open.caller("mallory", None).unwrap().role(), &role("analyst"));
    assert_eq!(open.caller("eve", None).unwrap().role(), &role("data_engineer"));
    assert!(policy("{}").caller("*", None).is_err(), "no map, no access");
}

#[test]
fn a_caller_narrows_and_never_widens() {
    let project = project();
    for (user, wanted, taken) in [
        ("eve", "analyst", true),
        ("eve", "support", true),
        ("sam", "analyst", true),
        ("ann", "business", true),
        ("ann", "analyst", true),
        ("sam", "data_engineer", false),
        ("ann", "support", false),
        ("bob", "analyst", false),
        ("sue", "analyst", false),
    ] {
        let caller = project.caller(user, Some(&role(wanted)));
        assert_eq!(caller.is_ok(), taken, "{user} as {wanted}");
    }
    let error = project.caller("sam", Some(&role("data_engineer"))).unwrap_err();
    assert_eq!(
        error.to_string(),
        "user `sam` cannot act as data_engineer: it may read raw, which his own role data_scientist may not"
    );
    assert_eq!(project.caller("eve", Some(&role("king"))).unwrap_err().code(), "role-unknown");
    let narrowed = project.caller("eve", Some(&role("analyst"))).unwrap();
    assert!(!project.decide(&narrowed, Action::Read, &"raw.shop.orders".parse().unwrap()).is_allowed());
}

#[test]
fn a_decision_says_which_rule_or_what_would_help() {
    let project = project();
    let caller = project.caller("sue", None).unwrap();
    let allowed = project.decide(&caller, Action::Read, &"curated.shop.dim_date".parse().unwrap());
    assert_eq!(
        (allowed.reason(), allowed.rule().map(ToString::to_string)),
        ("role support may read curated.shop", Some("curated.shop".to_owned()))
    );
    assert!(allowed.require().is_ok());
    let denied = project.decide(&caller, Action::Read, &"raw.shop.orders".parse().unwrap());
    assert_eq!(
        denied.reason(),
        "role support may read only curated.shop, cleansed.shop.tickets; raw.shop.orders is open to data_engineer"
    );
    let error = denied.require().unwrap_err();
    assert_eq!((error.code(), error.kind().exit_code()), ("access-denied", 77));
}

#[test]
fn rejects_a_user_with_a_role_that_nobody_defines() {
    let settings = headwater_contract::yaml::from_str("users: {ann: analist}").unwrap();
    let error = Policy::new(&settings).unwrap_err();
    assert_eq!((error.code(), error.kind()), ("role-unknown", ErrorKind::Config));
}

#[test]
fn names_cannot_break_out_of_the_policy_text() {
    let hostile = "x\", \"y\" || true //";
    let open = policy(&format!("users: {{'{hostile}': business}}"));
    assert!(!may(&open, hostile, "curated.shop.orders"));
    // `TableName` has public fields, so a name that its parser would refuse can still reach the policy.
    let caller = open.caller(hostile, None).unwrap();
    let table = TableName::new(Zone::Raw, "a\" || true", "b");
    assert!(!open.decide(&caller, Action::Read, &table).is_allowed());
    // Nor can a dot move a table into another schema's grant.
    let project = project();
    let caller = project.caller("sue", None).unwrap();
    let table = TableName::new(Zone::Cleansed, "shop.tickets", "x");
    assert!(!project.decide(&caller, Action::Read, &table).is_allowed());
}

#[test]
fn the_digest_follows_grants_and_users() {
    let [one, two, three] =
        ["users: {ann: analyst}", "users: {ann: business}", "users: {ann: analyst}\nroles: {analyst: []}"]
            .map(|yaml| policy(yaml).digest());
    assert!(one != two && two != three && one != three);
    assert_eq!(one, policy("users: {ann: analyst}").digest());
}

#[test]
fn the_policy_reads_as_cedar() {
    insta::assert_snapshot!(policy("roles: {analyst: [curated.shop], data_engineer: [], data_scientist: []}").cedar_text(), @r#"
    @id("analyst:curated.shop")
    permit (
        principal in Headwater::Role::"analyst",
        action == Headwater::Action::"read",
        resource in Headwater::Schema::"curated.shop"
    );
    "#);
}

#[test]
fn an_explanation_names_the_rule_and_everybody_who_may() {
    let project = project();
    let caller = project.caller("eve", Some(&role("support"))).unwrap();
    let explained = project.explain(&caller, Action::Read, &"cleansed.shop.tickets".parse().unwrap());
    assert!(explained.is_allowed && explained.own_role == role("data_engineer"));
    assert!(explained.rule.unwrap().contains("Headwater::Table::\"cleansed.shop.tickets\""));
    let open: Vec<_> =
        explained.roles.iter().filter(|access| access.is_allowed).map(|access| access.role.as_str()).collect();
    assert_eq!(open, ["data_engineer", "data_scientist", "support"]);
    assert_eq!(explained.roles.last().unwrap().users, ["sue"]);
    let refused = project.explain(&caller, Action::Read, &"raw.shop.tickets".parse().unwrap());
    assert!(!refused.is_allowed && refused.rule.is_none());
}
