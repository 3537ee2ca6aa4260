//! A small API to read from: 250 tickets a day in pages of 100, and three changes behind a token.

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The token that it knows.
pub const TOKEN: &str = "t0ken";
const TICKETS_A_DAY: i64 = 250;

/// Starts it on a free port and gives its origin.
pub async fn start() -> anyhow::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let origin = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            tokio::spawn(async move { answer(connection).await.ok() });
        }
    });
    Ok(origin)
}

async fn answer(mut connection: TcpStream) -> anyhow::Result<()> {
    let mut bytes = Vec::new();
    while !bytes.windows(4).any(|four| four == b"\r\n\r\n") {
        if connection.read_buf(&mut bytes).await? == 0 {
            return Ok(());
        }
    }
    let head = String::from_utf8(bytes)?;
    let target = head.split(' ').nth(1).unwrap_or_default();
    let is_known = head.to_ascii_lowercase().contains(&format!("authorization: bearer {TOKEN}"));
    let (status, body) = if is_known { (200, body(target)) } else { (401, json!({ "message": "who are you?" })) };
    let body = body.to_string();
    let length = body.len();
    let reply = format!(
        "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    );
    connection.write_all(reply.as_bytes()).await?;
    Ok(connection.shutdown().await?)
}

fn body(target: &str) -> Value {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let get = |name: &str| query.split('&').filter_map(|pair| pair.split_once('=')).find(|(known, _)| *known == name);
    if path == "/changes" {
        let rows: Vec<Value> =
            if get("since").is_some() { Vec::new() } else { (1..=3).map(|id| json!({ "id": id })).collect() };
        return json!({ "data": rows, "token": "c3" });
    }
    let day = get("from").map(|(_, from)| from.chars().take(10).collect::<String>()).unwrap_or_default();
    let after = get("after").and_then(|(_, after)| after.parse().ok()).unwrap_or(0);
    let until = (after + 100).min(TICKETS_A_DAY);
    let rows: Vec<Value> = (after..until)
        .map(|number| json!({ "id": number, "at": format!("{day}T{:02}:{:02}:00Z", number / 60, number % 60) }))
        .collect();
    json!({ "data": rows, "next": (until < TICKETS_A_DAY).then_some(until) })
}
