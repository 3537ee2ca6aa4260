//! A server of one test: a function from request to reply, with a record of what was asked.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    pub(crate) path: String,
    /// Path and query as they were written.
    pub(crate) target: String,
    pub(crate) query: BTreeMap<String, String>,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Value,
    /// The body as it was written.
    pub(crate) text: String,
    /// Its number on this server, from 0.
    pub(crate) number: usize,
}

impl Asked {
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str)
    }

    pub(crate) fn number_of(&self, name: &str) -> Option<i64> {
        self.get(name).map(|text| text.parse().unwrap())
    }
}

/// How a reply says where its body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    Length,
    Chunks,
    /// By the end of the connection.
    Close,
    /// There is no reply at all: what stands in the body is sent as it is.
    Raw,
}

/// A reply to send.
#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Send only so many bytes of the body and hang up.
    pub(crate) cut: Option<usize>,
    /// Send so much and then nothing more, without hanging up.
    pub(crate) hangs: bool,
    pub(crate) framing: Framing,
    /// End with a reset of the connection.
    pub(crate) resets: bool,
}

impl Reply {
    pub(crate) fn json(body: &Value) -> Self {
        Self::text(200, &body.to_string())
    }

    pub(crate) fn text(status: u16, body: &str) -> Self {
        let (body, framing) = (body.as_bytes().to_vec(), Framing::Length);
        Self { status, headers: Vec::new(), body, cut: None, hangs: false, framing, resets: false }
    }

    pub(crate) fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn throttled() -> Self {
        Self::text(429, "{}").header("Retry-After", "0")
    }
}

type Handler = dyn Fn(&Asked) -> Reply + Send + Sync;

/// A server that lives as long as its value.
pub(crate) struct Server {
    pub(crate) origin: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start(handler: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (handler, record): (Arc<Handler>, _) = (Arc::new(handler), Arc::clone(&asked));
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&handler), Arc::clone(&record)));
            }
        });
        Self { origin, asked, task }
    }

    /// `host:port`.
    pub(crate) fn address(&self) -> String {
        self.origin.trim_start_matches("http://").to_owned()
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, handler: Arc<Handler>, record: Arc<Mutex<Vec<Asked>>>) {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return;
        }
    };
    let head = String::from_utf8(bytes[..head_end].to_vec()).unwrap();
    let mut lines = head.lines();
    let mut words = lines.next().unwrap().split(' ');
    let (method, target) = (words.next().unwrap().to_owned(), words.next().unwrap().to_owned());
    let headers: BTreeMap<String, String> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length: usize = headers.get("content-length").map_or(0, |text| text.parse().unwrap());
    while bytes.len() < head_end + length {
        if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
            return;
        }
    }
    // A proxy is asked for whole URLs.
    let url = url::Url::parse("http://x").unwrap().join(&target).unwrap();
    let asked = {
        let mut record = record.lock().unwrap();
        let asked = Asked {
            method,
            path: url.path().to_owned(),
            target,
            query: url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect(),
            headers,
            body: serde_json::from_slice(&bytes[head_end..]).unwrap_or_default(),
            text: String::from_utf8_lossy(&bytes[head_end..]).into_owned(),
            number: record.len(),
        };
        record.push(asked.clone());
        asked
    };
    let reply = handler(&asked);
    drop(stream.write_all(head_of(&reply).as_bytes()).await);
    let body = &reply.body[..reply.cut.unwrap_or(reply.body.len())];
    if reply.framing == Framing::Chunks {
        drop(stream.write_all(format!("{:x}\r\n", body.len()).as_bytes()).await);
    }
    drop(stream.write_all(body).await);
    if reply.framing == Framing::Chunks && reply.cut.is_none() {
        drop(stream.write_all(b"\r\n0\r\n\r\n").await);
    }
    if reply.hangs {
        std::future::pending::<()>().await;
    }
    if reply.resets {
        // What was sent is to arrive before the reset does.
        drop(stream.flush().await);
        tokio::task::yield_now().await;
        stream.set_zero_linger().unwrap();
        return;
    }
    drop(stream.shutdown().await);
}

fn head_of(reply: &Reply) -> String {
    let framing = match reply.framing {
        Framing::Raw => return String::new(),
        Framing::Length => format!("Content-Length: {}\r\n", reply.body.len()),
        Framing::Chunks => "Transfer-Encoding: chunked\r\n".to_owned(),
        Framing::Close => String::new(),
    };
    let mut head = format!("HTTP/1.1 {} X\r\n{framing}Connection: close\r\n", reply.status);
    for (name, value) in &reply.headers {
        write!(head, "{name}: {value}\r\n").unwrap();
    }
    head + "\r\n"
}
