//! What HTTP says: statuses, heads, redirects, connections.

use std::time::Duration;

use serde_json::Value;

use super::row::{Ends, Row, bytes, endless, good, page};
use super::{AGAIN, GOES_ON, ONCE, PARKS, SLOWER, UNSEEN};
use crate::server::{Framing, Reply};

pub(super) fn statuses() -> Vec<Row> {
    let status = |fault, status| Row::new(fault, move |_| Reply::text(status, r#"{"message":"no"}"#));
    vec![
        status("400: the request is refused", 400).fails("request-rejected", 1, ONCE),
        status("401: the credential is not known", 401).fails("unauthorized", 1, ONCE),
        status("403: the credential may not read this", 403).fails("forbidden", 1, ONCE),
        status("404: nothing is there", 404).fails("not-found", 1, ONCE),
        status("410: it is gone", 410).fails("not-found", 1, ONCE),
        status("422: a parameter is wrong", 422).fails("request-rejected", 1, ONCE),
        status("206: a part, although the whole was asked for", 206).fails("request-rejected", 1, ONCE),
        status("304: not changed, although nobody asked for that", 304).fails("request-rejected", 1, ONCE),
        status("407: a proxy refuses", 407).fails("proxy-refused", 1, ONCE),
        status("500 for ever", 500).fails("server-error", 4, AGAIN),
        status("503 for ever", 503).fails("server-error", 4, AGAIN),
        Row::new("503 with `Retry-After` of an hour", |_| Reply::text(503, "").header("Retry-After", "3600")).fails(
            "server-error",
            1,
            "fails at once, with the time",
        ),
        Row::new("429 for ever", |_| Reply::throttled()).fails("throttled", 9, SLOWER),
        Row::new("429 with `Retry-After` of an hour", |_| Reply::text(429, "").header("Retry-After", "3600")).fails(
            "throttled",
            1,
            PARKS,
        ),
        Row::new("403 with a quota header that says 0", |_| {
            Reply::text(403, "").header("X-Left", "0").header("X-Reset", "120")
        })
        .fails("throttled", 1, PARKS),
        status("a status that a rule of the manifest parks", 418).fails("throttled", 1, "parks at once"),
        Row::new("a refusal that a rule of the manifest names", |_| Reply::text(400, "no such edition")).fails(
            "declared-error",
            1,
            ONCE,
        ),
        status("a status that a rule of the manifest leaves out", 451).ends(
            Ends::Skips(1),
            1,
            "goes on; the request is counted and shown",
        ),
        Row::new("one 500 before a good answer", |asked| match asked.number {
            0 => Reply::text(500, "oops"),
            _ => good(),
        })
        .ends(Ends::Reads(3), 2, UNSEEN),
    ]
}

pub(super) fn connections() -> Vec<Row> {
    let cut = |fault, framing| Row::new(fault, move |_| Reply { cut: Some(12), framing, ..good() });
    let quick = |patience: fn(&mut headwater_connectors::Patience)| {
        move |scene: &mut super::row::Scene| patience(&mut scene.options.patience)
    };
    vec![
        Row::new("the connection is reset before an answer", |_| Reply {
            framing: Framing::Raw,
            resets: true,
            ..bytes("")
        })
        .fails("unreachable", 4, AGAIN),
        Row::new("what answers is not HTTP", |_| Reply {
            framing: Framing::Raw,
            ..bytes("220 mail.example ESMTP\r\n")
        })
        .fails("unreachable", 4, AGAIN),
        Row::new("nothing is ever answered", |_| Reply { framing: Framing::Raw, hangs: true, ..bytes("") })
            .with(quick(|patience| patience.silence_max = Duration::from_millis(50)))
            .fails("unreachable", 4, AGAIN),
        cut("a body that ends before its `Content-Length`", Framing::Length).fails("body-truncated", 4, AGAIN),
        cut("a body in chunks that ends without the last one", Framing::Chunks).fails("body-truncated", 4, AGAIN),
        cut("a body without length that ends too early", Framing::Close).fails("body-truncated", 4, AGAIN),
        Row::new("a body whose connection is reset", |_| Reply { cut: Some(12), resets: true, ..good() }).fails(
            "body-truncated",
            4,
            AGAIN,
        ),
        Row::new("a body that stops and stays silent", |_| Reply { cut: Some(12), hangs: true, ..good() })
            .with(quick(|patience| patience.silence_max = Duration::from_millis(50)))
            .fails("body-truncated", 4, AGAIN),
        Row::new("an answer that is not whole in time", |_| Reply { cut: Some(12), hangs: true, ..good() })
            .with(quick(|patience| patience.answer_max = Duration::from_millis(50)))
            .fails("too-slow", 1, ONCE),
        Row::new("a body in chunks, which is whole", |_| Reply { framing: Framing::Chunks, ..good() }).ends(
            Ends::Reads(3),
            1,
            GOES_ON,
        ),
        Row::new("a connection that breaks once", |asked| match asked.number {
            0 => Reply { cut: Some(12), ..good() },
            _ => good(),
        })
        .ends(Ends::Reads(3), 2, UNSEEN),
        Row::new("a head of a thousand fields", |_| {
            (0..1_000).fold(good(), |reply, nth| reply.header(&format!("X-{nth}"), "x"))
        })
        .fails("head-too-large", 1, ONCE),
        Row::new("a field of the head of 70 kB", |_| good().header("X-Long", &"x".repeat(70_000))).fails(
            "head-too-large",
            1,
            ONCE,
        ),
        Row::new("a field of the head of 2 MB", |_| good().header("X-Long", &"x".repeat(2_000_000))).fails(
            "head-too-large",
            1,
            ONCE,
        ),
        Row::new("a clock at the source that is a year off", |_| {
            good().header("Date", "Fri, 21 Nov 2025 09:00:00 GMT")
        })
        .ends(Ends::Reads(3), 1, "goes on; the run warns of the clock, and plans by the earlier one"),
        Row::new("a reading that takes longer than it may", endless)
            .with(quick(|patience| patience.reading_max = Duration::ZERO))
            .fails("reading-too-long", 1, ONCE),
    ]
}

pub(super) fn places() -> Vec<Row> {
    let redirect = |fault, status, to: &'static str| {
        Row::new(fault, move |asked| {
            Reply::text(status, "").header("Location", &to.replace("HERE", &asked.headers["host"]))
        })
    };
    let next = |fault, to: &'static str| {
        Row::new(fault, move |asked| page([1], to.replace("HERE", &asked.headers["host"]))).on("linked")
    };
    vec![
        redirect("a redirect to another origin", 302, "http://127.0.0.1:1/x").fails("origin-refused", 1, ONCE),
        redirect("a redirect to the cloud's metadata address", 307, "http://169.254.169.254/latest").fails(
            "origin-refused",
            1,
            ONCE,
        ),
        redirect(
            "a redirect to a private address that the manifest allows and the project does not list",
            302,
            "http://127.0.0.2:9/x",
        )
        .fails("private-address", 1, ONCE),
        redirect("a redirect to a file", 302, "file:///etc/passwd").fails("origin-refused", 1, ONCE),
        redirect("a redirect to the same host by another scheme", 302, "https://HERE/x").fails(
            "origin-refused",
            1,
            ONCE,
        ),
        redirect("a redirect in a circle", 307, "/api/rows").fails("too-many-redirects", 6, "follows five, then fails"),
        redirect("a redirect without a target", 302, "http://").fails("request-rejected", 1, ONCE),
        next("a next page at another origin", "//evil.example/rows").fails("origin-refused", 1, ONCE),
        next("a next page with a user of its own", "http://user:pass@HERE/api/linked").fails("origin-refused", 1, ONCE),
        next("a next page by another scheme", "https://HERE/api/linked").fails("origin-refused", 1, ONCE),
        next("a next page whose host is hidden behind a backslash", "http://evil.example\\@HERE/rows").fails(
            "origin-refused",
            1,
            ONCE,
        ),
        next("a next page that is a file", "file:///etc/passwd").fails("origin-refused", 1, ONCE),
        next("a next page that is data", "data:application/json,{}").fails("origin-refused", 1, ONCE),
        Row::new("a next page whose URL has 64 kB", |_| page([1], format!("/api/linked?x={}", "x".repeat(65_518))))
            .on("linked")
            .fails("url-too-long", 1, ONCE),
        Row::new("a name that leads into the private network", |_| good())
            .with(|scene| {
                let origin = scene.options.allow_private[0].clone();
                let port = origin.rsplit_once(':').unwrap().1;
                scene.replace(&format!("http://{origin}"), &format!("https://localhost:{port}"));
            })
            .fails("private-address", 0, ONCE),
        Row::new("a private address that the project does not list", |_| good())
            .with(|scene| scene.options.allow_private.clear())
            .fails("private-address", 0, ONCE),
        Row::new("plain HTTP to a host that the project does not list", |_| good())
            .with(|scene| {
                let origin = format!("http://{}", scene.options.allow_private[0]);
                scene.replace(&origin, "http://api.example.com");
            })
            .fails("plain-http", 0, ONCE),
        Row::new("the source is not there", |_| good())
            .with(|scene| {
                let origin = scene.options.allow_private[0].clone();
                scene.replace(&format!("http://{origin}"), "http://127.0.0.1:1");
                scene.options.allow_private = vec!["127.0.0.1:1".to_owned()];
            })
            .fails("unreachable", 0, AGAIN),
        Row::new("the last page says so", |_| page(1..=3, Value::Null)).on("linked").ends(Ends::Reads(3), 1, GOES_ON),
    ]
}
