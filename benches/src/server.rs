//! The source: pages rendered in advance and sent as fast as a socket takes them, so that nothing is measured but the readers.
//!
//! `GET /orders?created_from=DATE…&cursor=NUMBER` answers `{"data": […], "next": "NUMBER" | null}`: the page of that day which
//! begins at that order. HTTP/1.1 with kept connections, a thread each; only what a reader of such pages needs.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use crate::Fallible;
use crate::order::{Order, Shape, date};

/// A server on a free port of this machine, until the process ends.
#[derive(Debug)]
pub(crate) struct Server {
    address: SocketAddr,
    pages: Arc<Pages>,
}

#[derive(Debug)]
struct Pages {
    shape: Shape,
    /// The bodies of each day's pages.
    days: Vec<Vec<Vec<u8>>>,
}

impl Server {
    /// Renders all pages and begins to listen.
    pub(crate) fn start(shape: Shape) -> Fallible<Self> {
        let days = std::thread::scope(|scope| {
            let rendering: Vec<_> = (0..shape.days).map(|day| scope.spawn(move || render(shape, day))).collect();
            rendering
                .into_iter()
                .map(|day| day.join().map_err(|_| "a page could not be rendered"))
                .collect::<Result<_, _>>()
        })?;
        let pages = Arc::new(Pages { shape, days });
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let server = Self { address: listener.local_addr()?, pages: pages.clone() };
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let pages = pages.clone();
                std::thread::spawn(move || serve(stream, &pages));
            }
        });
        Ok(server)
    }

    /// Where it listens, e.g. `http://127.0.0.1:40000`.
    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Bytes of all records, without what pages add.
    pub(crate) fn bytes(&self) -> usize {
        self.pages.days.iter().flatten().map(Vec::len).sum()
    }
}

fn render(shape: Shape, day: usize) -> Vec<Vec<u8>> {
    let numbers = shape.day(day);
    let starts = numbers.clone().step_by(shape.page);
    let page = |start: usize| {
        let until = numbers.end.min(start + shape.page);
        let records: Vec<String> = (start..until).map(|number| Order::at(number, shape).to_json()).collect();
        let next = if until < numbers.end { format!("\"{until}\"") } else { "null".to_owned() };
        format!("{{\"data\":[{}],\"next\":{next}}}", records.join(",")).into_bytes()
    };
    starts.map(page).collect()
}

/// Answers the requests of one connection until it closes.
fn serve(stream: TcpStream, pages: &Pages) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let mut writer = stream.try_clone().ok()?;
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        let target = line.split(' ').nth(1).unwrap_or_default().to_owned();
        // The rest of the head says nothing that matters here.
        loop {
            line.clear();
            reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
            if line == "\r\n" {
                break;
            }
        }
        let (status, body) = pages.find(&target).map_or(("404 Not Found", &b"{}"[..]), |body| ("200 OK", body));
        let head =
            format!("HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
        writer.write_all(head.as_bytes()).ok()?;
        writer.write_all(body).ok()?;
    }
}

impl Pages {
    fn find(&self, target: &str) -> Option<&[u8]> {
        let (_, query) = target.split_once('?')?;
        let value = |name: &str| query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        let from = value("created_from")?;
        let day = (0..self.shape.days).find(|day| u64::try_from(*day).is_ok_and(|day| from.starts_with(&date(day))))?;
        let first = self.shape.day(day).start;
        let start = value("cursor").map_or(Some(first), |cursor| cursor.parse().ok())?;
        self.days.get(day)?.get(start.checked_sub(first)? / self.shape.page).map(Vec::as_slice)
    }
}
