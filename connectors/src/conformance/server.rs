//! The server on loopback behind which a stand-in vendor answers.
//!
//! It speaks plain HTTP/1.1, so that it can break it: cut a body, hang up, lie about what it holds.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A request as it arrived.
#[derive(Clone, Debug, Default)]
pub(super) struct Asked {
    pub(super) method: String,
    /// Path and query as they were written.
    pub(super) target: String,
    /// The path as it was written.
    pub(super) path: String,
    /// Names and values of the query, in order.
    pub(super) query: Vec<(String, String)>,
    /// Headers by lower-case name.
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: Bytes,
    /// The body as JSON, null when it is none.
    pub(super) json: Value,
    /// The body as a form, empty when it is none.
    pub(super) form: Vec<(String, String)>,
}

impl Asked {
    pub(super) fn query(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(&name.to_ascii_lowercase()).map(String::as_str)
    }

    /// All of it in one text without escapes, to look for what was issued.
    pub(super) fn haystack(&self) -> String {
        let mut text = percent_encoding::percent_decode_str(&self.target).decode_utf8_lossy().into_owned();
        for value in self.headers.values() {
            text.push('\n');
            text.push_str(value);
        }
        text.push('\n');
        text.push_str(&String::from_utf8_lossy(&self.body));
        for (_, value) in &self.form {
            text.push('\n');
            text.push_str(value);
        }
        text
    }
}

/// What is sent back.
#[derive(Clone, Debug, Default)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Bytes,
    /// Sends only so many bytes of the body and hangs up.
    pub(super) cut: Option<usize>,
    /// Hangs up without a word.
    pub(super) drops: bool,
}

impl Reply {
    pub(super) fn text(status: u16, body: impl Into<String>) -> Self {
        Self { status, body: Bytes::from(body.into()), ..Self::default() }
    }

    pub(super) fn json(body: &Value) -> Self {
        Self::text(200, body.to_string()).header("Content-Type", "application/json")
    }

    pub(super) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// Who answers.
pub(super) trait Answers: Send + Sync {
    /// The reply to a request at this port.
    fn answer(&self, asked: Asked) -> Reply;
}

/// A server that lives as long as its value.
#[derive(Debug)]
pub(super) struct Server {
    /// `127.0.0.1:port`.
    pub(super) address: String,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    pub(super) async fn start(vendor: Arc<dyn Answers>) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let vendor = Arc::clone(&vendor);
                // What goes wrong on a connection is the other side's to see.
                tokio::spawn(async move { drop(serve(stream, vendor).await) });
            }
        });
        Ok(Self { address, task })
    }

    /// `http://127.0.0.1:port`.
    pub(super) fn origin(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, vendor: Arc<dyn Answers>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut bytes = BytesMut::new();
    while let Some(asked) = receive(&mut stream, &mut bytes).await? {
        let is_head = asked.method == "HEAD";
        let reply = vendor.answer(asked);
        if reply.drops {
            return Ok(());
        }
        let mut out = format!("HTTP/1.1 {} X\r\nContent-Length: {}\r\n", reply.status, reply.body.len());
        for (name, value) in &reply.headers {
            out.push_str(&format!("{name}: {value}\r\n"));
        }
        out.push_str("\r\n");
        let mut out = out.into_bytes();
        let length = if is_head { 0 } else { reply.cut.unwrap_or(reply.body.len()).min(reply.body.len()) };
        out.extend_from_slice(reply.body.get(..length).unwrap_or_default());
        stream.write_all(&out).await?;
        if reply.cut.is_some() {
            return stream.shutdown().await;
        }
    }
    Ok(())
}

/// The next request; nothing when the other side is done.
async fn receive(stream: &mut TcpStream, bytes: &mut BytesMut) -> io::Result<Option<Asked>> {
    let head_end = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(bytes).await? == 0 {
            return Ok(None);
        }
    };
    let head = bytes.split_to(head_end);
    let head = String::from_utf8_lossy(&head).into_owned();
    let mut lines = head.lines();
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length: usize = headers.get("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    while bytes.len() < length {
        if stream.read_buf(bytes).await? == 0 {
            return Ok(None);
        }
    }
    let body = bytes.split_to(length).freeze();
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let pairs = |text: &[u8]| url::form_urlencoded::parse(text).into_owned().collect::<Vec<_>>();
    let is_form = headers.get("content-type").is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded"));
    Ok(Some(Asked {
        method: method.to_owned(),
        target: target.to_owned(),
        path: path.to_owned(),
        query: pairs(query.as_bytes()),
        json: serde_json::from_slice(&body).unwrap_or_default(),
        form: if is_form { pairs(&body) } else { Vec::new() },
        headers,
        body,
    }))
}
