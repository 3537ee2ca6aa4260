//! GitLab.

use headwater_connectors::{ReadRequest, SettingValue};
use headwater_contract::Slice;
use serde_json::{Value, json};

use super::{OneThrottle, page_of, rfc3339, rows, two_days};
use crate::server::{Asked, Reply, Server};
use crate::work::{SECRET, at, embedded, open, read, sorted, text};

/// GitLab: a project's path as one segment, inclusive bounds, the `Link` header.
fn gitlab(asked: &Asked) -> Reply {
    assert_eq!(asked.headers["private-token"], SECRET);
    assert_eq!(asked.get("per_page"), Some("100"));
    let skip = usize::try_from(asked.number_of("page").unwrap_or(1) - 1).unwrap() * 2;
    let rows: Vec<Value> = match asked.path.as_str() {
        "/api/v4/projects/group%2Fname/repository/branches" => {
            ["a", "b", "c"].map(|name| json!({ "name": name })).to_vec()
        }
        "/api/v4/projects/group%2Fname/issues" | "/api/v4/projects/group%2Fname/merge_requests" => {
            assert_eq!((asked.get("order_by"), asked.get("sort")), (Some("updated_at"), Some("asc")));
            assert_eq!((asked.get("scope"), asked.get("state")), (Some("all"), Some("all")));
            let (from, until) = (at(asked.get("updated_after").unwrap()), at(asked.get("updated_before").unwrap()));
            let matching = rows().into_iter().filter(|(_, time)| from <= *time && *time <= until);
            matching.map(|(n, time)| json!({ "id": n, "iid": n, "updated_at": rfc3339(time) })).collect()
        }
        other => panic!("{other}"),
    };
    let (page, has_more) = page_of(&rows, skip);
    let reply = Reply::json(&Value::from(page));
    if !has_more {
        return reply;
    }
    let target = asked.target.split("&page=").next().unwrap();
    reply.header("Link", &format!("<{target}&page={}>; rel=\"next\", <{target}&page=1>; rel=\"first\"", skip / 2 + 2))
}

#[tokio::test]
async fn gitlab_reads_the_projects_that_a_source_lists() {
    for stream in ["issues", "merge_requests"] {
        let throttle = OneThrottle::new();
        let server =
            Server::start(move |asked| if throttle.hits(asked) { Reply::throttled() } else { gitlab(asked) }).await;
        let projects = SettingValue::List(vec!["group/name".into()]);
        let source =
            open(&embedded("gitlab"), &server, "token", &[("origin", text(&server.origin)), ("projects", projects)]);
        assert_eq!(source.slices(stream).await.unwrap(), [Slice::named("group/name")]);
        two_days(&source, stream, "/id", Slice::named("group/name")).await;
        let whole = ReadRequest { slice: Slice::named("group/name"), bounds: None, token: None };
        let branches = read(&source, "branches", whole).await.unwrap();
        assert_eq!(sorted(&branches.records, "/name"), ["\"a\"", "\"b\"", "\"c\""]);
    }
}
