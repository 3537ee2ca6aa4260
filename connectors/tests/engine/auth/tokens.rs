//! Several tokens: one until it is spent, then the next, and a wait for the first to be full again.

use headwater_contract::Explain;
use serde_json::json;

use super::{CANARY, Setup, printed, prints_nothing};
use crate::server::{Asked, Reply, Server};
use crate::work::{read, whole};

const QUOTA: &str =
    "  quota: { remaining: x-left, reset: x-reset, reset_format: seconds_from_now, source: none }\n  auth:";
const LIST: &str = "c4nary-one, c4nary-two\nc4nary-three";

fn setup(server: &Server, auth: &str) -> Setup {
    let mut setup = Setup::new(server, auth, &["list"]).secret("list", LIST);
    setup.manifest = setup.manifest.replace("  auth:", QUOTA);
    setup
}

fn used(server: &Server) -> Vec<String> {
    server.asked().iter().map(|asked| asked.headers["authorization"].replace("Bearer c4nary-", "")).collect()
}

fn rows(left: u32, reset: u32) -> Reply {
    let reply = Reply::json(&json!({ "data": [{ "id": 1 }] }));
    reply.header("x-left", &left.to_string()).header("x-reset", &reset.to_string())
}

#[tokio::test]
async fn a_token_is_used_until_its_quota_is_spent_and_then_the_next() {
    let server = Server::start(|asked| rows(u32::from(asked.number % 2 == 0), 3600)).await;
    let source = setup(&server, "{ tokens: { from: list } }").open().unwrap();
    for _ in 0..5 {
        let got = read(&source, "rows", whole()).await.unwrap();
        prints_nothing(&got, &[]);
    }
    assert_eq!(used(&server), ["one", "one", "two", "two", "three"]);
}

#[tokio::test]
async fn a_refusal_for_too_many_requests_goes_to_the_next_token_at_once_and_parks_when_all_rest() {
    let server = Server::start(|_| Reply::text(429, "{}").header("retry-after", "3600")).await;
    let source = setup(&server, "{ tokens: { from: list } }").open().unwrap();
    let error = read(&source, "rows", whole()).await.unwrap_err();
    assert_eq!((error.code(), used(&server)), ("throttled", ["one", "two", "three"].map(str::to_owned).to_vec()));
    assert_eq!(error.retry_at(), Some("2026-11-21T10:00:00Z".parse().unwrap()));
    let error = read(&source, "rows", whole()).await.unwrap_err();
    assert_eq!((error.code(), server.asked().len()), ("throttled", 3), "nothing is sent while all rest");
    assert!(!printed(&error).contains(CANARY));
}

#[tokio::test]
async fn the_token_that_is_full_again_first_is_waited_for() {
    let server = Server::start(|asked| rows(0, u32::from(!asked.headers["authorization"].ends_with("two")) * 50)).await;
    let mut setup = setup(&server, "{ tokens: { from: list } }");
    setup.options.patience.wait_max = std::time::Duration::from_secs(10);
    let source = setup.open().unwrap();
    for _ in 0..4 {
        read(&source, "rows", whole()).await.unwrap();
    }
    assert_eq!(used(&server), ["one", "two", "two", "two"]);
}

#[tokio::test]
async fn kinds_of_requests_that_are_counted_apart_have_pools_apart() {
    let server = Server::start(|asked: &Asked| rows(u32::from(asked.path != "/api/search/rows"), 3600)).await;
    let search = "  found:\n    title: t\n    path: /search/rows\n";
    let source = setup(&server, "{ tokens: { from: list, pools: { search: /search } } }").and(search).open().unwrap();
    for stream in ["found", "rows", "found", "rows"] {
        read(&source, stream, whole()).await.unwrap();
    }
    assert_eq!(used(&server), ["one", "one", "two", "one"]);
}

#[tokio::test]
async fn a_list_without_tokens_is_named() {
    let server = Server::start(|_| rows(1, 1)).await;
    let source = setup(&server, "{ tokens: { from: list } }").secret("list", " , \n").open().unwrap();
    assert_eq!(read(&source, "rows", whole()).await.unwrap_err().code(), "key-unusable");
}

#[tokio::test]
async fn a_share_of_each_tokens_quota_is_left_to_others() {
    // Of ten requests a token is used for eight.
    let server =
        Server::start(|asked| rows(9 - u32::try_from(asked.number % 8).unwrap(), 3600).header("x-limit", "10")).await;
    let mut setup = setup(&server, "{ tokens: { from: list } }");
    setup.manifest =
        setup.manifest.replace("remaining: x-left,", "remaining: x-left, limit: x-limit, use_at_most: 80 %,");
    let source = setup.open().unwrap();
    for _ in 0..17 {
        read(&source, "rows", whole()).await.unwrap();
    }
    let used = used(&server);
    let of = |token: &str| used.iter().filter(|used| *used == token).count();
    assert_eq!((of("one"), of("two"), of("three")), (8, 8, 1));
}
