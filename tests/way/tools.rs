//! The commands around the run: records without a lake, logins of people, and the tools that write and judge manifests.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use crate::harness::{Project, Server, walk};

#[test]
fn records_are_read_without_a_lake() {
    let server = Server::start();
    let project = Project::of(&server);
    project.at_the_time_of(&server);
    let ran = project.run(&["read", "shop.orders", "--from", "2025-03-02", "--until", "2025-03-03", "--limit", "500"]);
    let ran = ran.ends_with(0).says("that is all there are in this range");
    let orders: Vec<Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let placed: Vec<&str> = orders.iter().map(|order| order["created_at"].as_str().unwrap()).collect();
    assert!(placed.len() > 100 && placed.iter().all(|at| at.starts_with("2025-03-02")), "{placed:?}");
    let few = project.run(&["read", "shop.orders", "--from", "2025-03-02", "--until", "2025-03-03", "--limit", "3"]);
    assert_eq!(few.ends_with(0).stdout.lines().count(), 3);
    project.run(&["read", "shop.ordres"]).ends_with(78).says("shop.ordres");
    project.run(&["read", "shop.orders", "--from", "2025-03-03", "--until", "2025-03-03"]).ends_with(78);
    assert!(!project.path("lake").exists(), "a look at records makes no lake");
}

/// A vendor whose API opens to whoever agreed on another device, at the third time of asking.
#[derive(Clone, Default)]
struct Guild {
    polls: Arc<AtomicU32>,
}

async fn device() -> Json<Value> {
    Json(json!({ "device_code": "s3cret-device", "user_code": "ABCD-EFGH", "interval": 0, "expires_in": 60,
        "verification_uri": "https://guild.example/device" }))
}

async fn token(State(guild): State<Guild>, body: String) -> (StatusCode, Json<Value>) {
    let form: Vec<(String, String)> = url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    let value = |name: &str| form.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    let is_ours = value("client_secret") == Some("s3cret-client");
    let is_agreed = match value("grant_type") {
        Some("urn:ietf:params:oauth:grant-type:device_code") => {
            value("device_code") == Some("s3cret-device") && guild.polls.fetch_add(1, Ordering::SeqCst) >= 2
        }
        Some("refresh_token") => value("refresh_token") == Some("s3cret-refresh"),
        _ => false,
    };
    if is_ours && is_agreed {
        let tokens = json!({ "access_token": "s3cret-access", "refresh_token": "s3cret-refresh", "expires_in": 3600 });
        return (StatusCode::OK, Json(tokens));
    }
    (
        StatusCode::BAD_REQUEST,
        Json(json!({ "error": if is_ours { "authorization_pending" } else { "invalid_client" } })),
    )
}

async fn members(headers: HeaderMap) -> (StatusCode, Json<Value>) {
    let is_known = headers.get("authorization").is_some_and(|value| value == "Bearer s3cret-access");
    if is_known {
        return (StatusCode::OK, Json(json!({ "data": [{ "id": 1, "name": "Ada" }, { "id": 2, "name": "Grace" }] })));
    }
    (StatusCode::UNAUTHORIZED, Json(json!({ "error": "who are you?" })))
}

const GUILD: &str = r#"manifest: 1
connector: guild
title: Guild
docs: https://guild.example/docs
settings:
  origin:        { type: origin, help: "Where it listens" }
  client_secret: { secret: true, help: "The app's secret" }
  granted:       { secret: true, optional: true, help: "Nobody has one: `headwater auth login` brings it" }
http:
  base_url: "{origin}"
  auth:
    oauth2:
      token_url: ORIGIN/token
      grant: { refresh_token: granted }
      client: { id: { text: guild-app }, secret: client_secret }
      revoke_url: ORIGIN/revoke
      consent: { authorize_url: ORIGIN/authorize, device_url: ORIGIN/device }
  limits: [{ requests: 100, per: 1 second, source: not_published }]
streams:
  members:
    title: One row for each member
    docs: https://guild.example/docs/members
    path: /members
    records: /data
    key: [id]
    kind: snapshot
    every: 1 day
    deletes: none
    columns: { id: { type: int64 }, name: { type: string, class: pii } }
"#;

#[test]
fn a_login_opens_a_source_and_no_command_prints_its_tokens() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let listener = runtime.block_on(tokio::net::TcpListener::bind(("127.0.0.1", 0))).unwrap();
    let address = listener.local_addr().unwrap();
    let api = Router::new()
        .route("/device", post(device))
        .route("/token", post(token))
        .route("/revoke", post(|| async {}))
        .route("/members", get(members))
        .with_state(Guild::default());
    let serving = runtime.spawn(async move { axum::serve(listener, api).await });
    let project = Project::with(&format!(
        "headwater: 1\nallow_private: [\"{address}\"]\nsources:\n  guild:\n    connector: guild\n    settings: {{ origin: \
         \"http://{address}\", client_secret: env:GUILD_SECRET }}\nschedule: daily\n"
    ))
    .with_secret("GUILD_SECRET", "s3cret-client")
    .guarding(&["s3cret-access", "s3cret-refresh", "s3cret-device"]);
    std::fs::create_dir(project.path("connectors")).unwrap();
    std::fs::write(project.path("connectors/guild.yaml"), GUILD.replace("ORIGIN", &format!("http://{address}")))
        .unwrap();

    let mut said = Vec::new();
    let mut run = |arguments: &[&str], code| {
        let ran = project.run(arguments).ends_with(code);
        said.push(ran.both());
        ran
    };
    run(&["read", "guild.members"], 77).says("headwater auth login");
    assert_eq!(run(&["auth", "list"], 0).stdout, "");
    run(&["auth", "login", "guild", "--device"], 0).says("ABCD-EFGH").says("https://guild.example/device");
    run(&["auth", "list"], 0).says("guild");
    assert_eq!(run(&["read", "guild.members"], 0).stdout.lines().count(), 2);
    run(&["run"], 0);
    run(&["auth", "revoke", "guild"], 0).says("given back and forgotten");
    run(&["auth", "revoke", "guild"], 0).says("nothing to give back");
    run(&["read", "guild.members"], 77);
    let said = said.concat();
    assert!(!said.contains("s3cret"), "{said}");
    serving.abort();
}

const ROOMS: &str = r#"manifest: 1
connector: rooms
title: Rooms
docs: https://rooms.example/docs
settings: { origin: { type: origin, help: "Where it listens" } }
http: { base_url: "{origin}", limits: [{ requests: 100, per: 1 second, source: not_published }] }
streams:
  desks:
    title: One row for each desk that is in use
    docs: https://rooms.example/docs/desks
    path: /rooms/{room}
    slices: { list: [hall, cellar], as: room }
    records: /data
    key: [id]
    kind: snapshot
    every: 1 day
    deletes: none
    may_be_empty: true
    errors: [{ when: { status: 404 }, then: skip_request }]
    shape: [{ keep: "record.used" }]
    columns: { id: { type: int64 }, used: { type: boolean } }
"#;

#[test]
fn what_a_manifests_rules_leave_out_is_counted_in_the_report_and_in_receipts() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let listener = runtime.block_on(tokio::net::TcpListener::bind(("127.0.0.1", 0))).unwrap();
    let address = listener.local_addr().unwrap();
    let hall = || async {
        Json(json!({ "data": [{ "id": 1, "used": true }, { "id": 2, "used": false }, { "id": 3, "used": false }] }))
    };
    let api = Router::new().route("/rooms/hall", get(hall));
    let serving = runtime.spawn(async move { axum::serve(listener, api).await });
    let project = Project::with(&format!(
        "headwater: 1\nallow_private: [\"{address}\"]\nsources:\n  rooms:\n    connector: rooms\n    settings: {{ origin: \
         \"http://{address}\" }}\nschedule: daily\naccess:\n  users:\n    \"*\": data_engineer\n"
    ));
    std::fs::create_dir(project.path("connectors")).unwrap();
    std::fs::write(project.path("connectors/rooms.yaml"), ROOMS).unwrap();
    project.run(&["run"]).ends_with(0).says("1 refused requests skipped, 2 records dropped by the manifest");
    assert_eq!(project.value("select count(*) as n from cleansed.rooms.desks"), "1");
    let mut found = Vec::new();
    walk(&project.zone("raw"), &mut |path| {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let receipt = serde_json::from_str::<Value>(&text).ok().filter(|value| value["verdict"].is_string());
        found.extend(receipt.map(|receipt| (receipt["slice"].clone(), receipt["left_out"].clone())));
    });
    found.sort_by_key(|(slice, _)| slice.to_string());
    let expected =
        [("cellar", json!({ "requests": 1, "records": 0 })), ("hall", json!({ "requests": 0, "records": 2 }))];
    assert_eq!(found, expected.map(|(slice, left_out)| (json!(slice), left_out)));
    serving.abort();
}

#[test]
fn a_project_goes_through_its_proxy_and_through_no_other() {
    let server = Server::start();
    // Nobody listens at the discard port, so a request that goes through it cannot arrive.
    let lost = "http://127.0.0.1:9";
    let with = |proxy: &str| Project::with(&format!("{}proxy: {proxy}\n", Project::text_of(&server, "2025-03-01", "")));
    let read = ["read", "shop.customers", "--limit", "1"];
    Project::of(&server).with_variable("HTTP_PROXY", lost).with_variable("http_proxy", lost).run(&read).ends_with(0);
    with(lost).run(&read).ends_with(69);
    with("env:OUR_PROXY").with_variable("OUR_PROXY", lost).run(&read).ends_with(69);
    let said = with("http://me:s3cret@127.0.0.1:9").run(&read).ends_with(78).says("`proxy` holds a secret").both();
    assert!(!said.contains("s3cret"), "{said}");
    with("nowhere").run(&read).ends_with(78).says("proxy");
}

#[test]
fn a_source_with_a_token_of_its_own_asks_for_no_login() {
    let server = Server::start();
    let project = Project::of(&server);
    for command in ["login", "revoke"] {
        project.run(&["auth", command, "shop"]).ends_with(78).says("asks nobody's consent");
        project.run(&["auth", command, "ship"]).ends_with(78).says("shop");
    }
}

/// A description of one list, as a vendor publishes it.
fn description() -> Value {
    json!({
        "openapi": "3.0.0", "info": { "title": "Guild", "version": "1" }, "servers": [{ "url": "https://api.guild.example" }],
        "components": { "securitySchemes": { "key": { "type": "http", "scheme": "bearer" } } }, "security": [{ "key": [] }],
        "paths": { "/members": { "get": {
            "operationId": "listMembers",
            "parameters": [
                { "name": "page", "in": "query", "schema": { "type": "integer" } },
                { "name": "per_page", "in": "query", "schema": { "type": "integer", "maximum": 100 } },
            ],
            "responses": { "200": { "description": "members", "content": { "application/json": { "schema": {
                "type": "object", "properties": { "data": { "type": "array", "items": { "type": "object",
                    "required": ["id", "name"], "properties": {
                        "id": { "type": "integer", "format": "int64" }, "name": { "type": "string" },
                        "joined_at": { "type": "string", "format": "date-time" } } } } } } } } } },
        } } },
    })
}

#[test]
fn a_manifest_is_drafted_judged_and_never_written_over() {
    let project = Project::with("headwater: 1\nsources: {}\n");
    std::fs::write(project.path("guild.json"), description().to_string()).unwrap();
    let at = |file: &str| project.path(file).display().to_string();
    let draft = |out: &str| {
        let (description, out) = (at("guild.json"), at(out));
        project.run(&["connectors", "draft", "--openapi", &description, "--name", "guild", "--out", &out])
    };
    draft("drafted.yaml").ends_with(0).says("places to confirm");
    let drafted = std::fs::read_to_string(at("drafted.yaml")).unwrap();
    assert!(drafted.contains("members") && drafted.contains("joined_at"), "{drafted}");
    draft("drafted.yaml").ends_with(78).says("already there").says("another place");
    assert_eq!(std::fs::read_to_string(at("drafted.yaml")).unwrap(), drafted);

    let verify = |file: &str| project.run(&["connectors", "verify", &at(file), "--spec", &at("guild.json")]);
    verify("drafted.yaml").ends_with(0).says("members");
    std::fs::write(at("wrong.yaml"), drafted.replace("per_page", "per_pge")).unwrap();
    verify("wrong.yaml").ends_with(78).says("contradicted");
    verify("absent.yaml").ends_with(78).says("absent.yaml");
    project.run(&["connectors", "lint", &at("drafted.yaml")]).ends_with(78).says("drafted.yaml:");
}

#[test]
fn a_new_manifest_is_the_projects_own_and_listed_so() {
    let project = Project::with("headwater: 1\nsources: {}\n");
    project.run(&["connectors", "new", "guild"]).ends_with(0).says("connectors lint guild");
    project.run(&["connectors", "new", "guild"]).ends_with(78).says("already there");
    project.run(&["connectors", "lint", "guild"]).ends_with(78).says("guild.yaml:");
    let listed = project.run(&["connectors", "list", "-o", "json"]).ends_with(0).json();
    let find = |name: &str| listed.as_array().unwrap().iter().find(|one| one["name"] == name).unwrap().clone();
    assert_eq!(
        (find("guild")["from"].as_str(), find("stripe")["from"].as_str()),
        (Some("this project"), Some("headwater"))
    );
    let (stripe, evidence) = (find("stripe"), find("stripe")["evidence"].as_object().unwrap().clone());
    let counted: u64 = evidence.values().filter_map(Value::as_u64).sum();
    assert_eq!(counted, stripe["streams"].as_array().unwrap().len() as u64, "{evidence:?}");
    assert!(evidence["verified"].as_u64() > Some(20), "{evidence:?}");
    project.run(&["connectors", "list"]).ends_with(0).says("payments").says(" streams");
    project.run(&["connectors", "show", "stripe"]).ends_with(0).says("charges");
    project.run(&["connectors", "show", "strip"]).ends_with(78).says("stripe");
    project.run(&["connectors", "docs", "stripe"]).ends_with(0).says("charges");
    let schema = project.run(&["connectors", "schema"]).ends_with(0).json();
    assert!(schema["properties"]["streams"].is_object(), "{schema}");
}
