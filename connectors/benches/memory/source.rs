//! The source: makes what it is asked for while it sends it, so that it never holds a document.
//!
//! HTTP/1.1 on 127.0.0.1 with kept connections, a thread each; only what a reader of such answers needs.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};

use crate::Fallible;
use crate::work::{PAGE_RECORDS, Work, crumb, write_number, write_row};

/// Bytes that are made before they are sent.
const PIECE_BYTES: usize = 256 * 1024;

/// Begins to listen, until the process ends; gives the origin, e.g. `http://127.0.0.1:40000`.
pub(crate) fn start(work: Work) -> Fallible<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let origin = format!("http://{}", listener.local_addr()?);
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A reader that hangs up is done.
            std::thread::spawn(move || drop(serve(stream, work)));
        }
    });
    Ok(origin)
}

fn serve(stream: TcpStream, work: Work) -> Fallible<()> {
    stream.set_nodelay(true)?;
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    loop {
        line.clear();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let target = line.split(' ').nth(1).unwrap_or_default().to_owned();
        while line != "\r\n" {
            line.clear();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
        }
        answer(&target, work, &mut writer)?;
    }
}

/// A list of records, with what stands before and after it.
struct List<'a> {
    records: std::ops::Range<u64>,
    record_bytes: u64,
    write: &'a dyn Fn(u64, &mut Vec<u8>),
    end: String,
}

fn answer(target: &str, work: Work, writer: &mut TcpStream) -> Fallible<()> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let orders = |records| List { records, record_bytes: length(&write_row), write: &write_row, end: "]}".to_owned() };
    let small = |number: u64, into: &mut Vec<u8>| into.push(crumb(number));
    let parent = |number: u64, into: &mut Vec<u8>| {
        into.extend_from_slice(b"{\"id\":\"");
        write_number(number, into);
        into.extend_from_slice(b"\"}");
    };
    let all = 0..work.records();
    let list = match path.split('/').skip(1).collect::<Vec<_>>().as_slice() {
        ["document"] => orders(all),
        ["crumbs"] => List { record_bytes: 1, write: &small, ..orders(all) },
        ["parents"] => List { record_bytes: length(&parent), write: &parent, ..orders(all) },
        ["parents", parent, "rows"] => {
            let number: u64 = parent.parse()?;
            orders(number..number + 1)
        }
        ["pages"] => {
            let page = query.strip_prefix("after=").map_or(Ok(0), str::parse::<u64>)?;
            let next = if page + 1 < work.size() { format!("\"{}\"", page + 1) } else { "null".to_owned() };
            List { end: format!("],\"next\":{next}}}"), ..orders(page * PAGE_RECORDS..(page + 1) * PAGE_RECORDS) }
        }
        _ => return Err(format!("nothing is at {path}").into()),
    };
    send(&list, writer)
}

fn length(write: &dyn Fn(u64, &mut Vec<u8>)) -> u64 {
    let mut text = Vec::new();
    write(0, &mut text);
    text.len() as u64
}

fn send(list: &List<'_>, writer: &mut TcpStream) -> Fallible<()> {
    const BEGIN: &str = "{\"data\":[";
    let count = list.records.end - list.records.start;
    let bytes = BEGIN.len() as u64 + count * list.record_bytes + count.saturating_sub(1) + list.end.len() as u64;
    let mut piece = Vec::with_capacity(PIECE_BYTES + 4_096);
    write!(piece, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {bytes}\r\n\r\n{BEGIN}")?;
    for number in list.records.clone() {
        if number > list.records.start {
            piece.push(b',');
        }
        (list.write)(number, &mut piece);
        if piece.len() >= PIECE_BYTES {
            writer.write_all(&piece)?;
            piece.clear();
        }
    }
    piece.extend_from_slice(list.end.as_bytes());
    writer.write_all(&piece)?;
    Ok(())
}
