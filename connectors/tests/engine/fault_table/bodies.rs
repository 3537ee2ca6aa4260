//! What a body says under a good status: pages for people, errors, nothing, too much, other formats than were promised.

use std::io::{Cursor, Write};
use std::sync::LazyLock;

use flate2::Compression;
use flate2::write::GzEncoder;
use zip::write::SimpleFileOptions;

use super::row::{Ends, Row, bytes, good};
use super::{AGAIN, GOES_ON, ONCE};
use crate::server::{Framing, Reply};

const LOGIN_PAGE: &str = "<!doctype html><title>Sign in</title>";
const TABLE: &str = "id\n1\n2\n3\n";
/// The gate's business: the bytes are a record as far as framing goes.
const TO_THE_GATE: &str =
    "passes the record on as it came; the gate puts it into quarantine, and holds the window if they are many";

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn archive(name: &str, bytes: &[u8]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    writer.start_file(name, SimpleFileOptions::default()).unwrap();
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap().into_inner()
}

/// A table that packs badly.
fn numbers() -> Vec<u8> {
    let number = |nth: u64| format!("{}\n", nth.wrapping_mul(6_364_136_223_846_793_005) >> 20);
    format!("id\n{}", (0..5_000).map(number).collect::<String>()).into_bytes()
}

/// 64 MiB of one character.
static BLANK: LazyLock<Vec<u8>> = LazyLock::new(|| vec![b' '; 64 * 1024 * 1024]);
static GZIP_BOMB: LazyLock<Vec<u8>> = LazyLock::new(|| gzip(&BLANK));
static ZIP_BOMB: LazyLock<Vec<u8>> = LazyLock::new(|| archive("a.csv", &BLANK));
static PACKED_OFTEN: LazyLock<Vec<u8>> =
    LazyLock::new(|| (0..6).fold(TABLE.as_bytes().to_vec(), |inner, _| gzip(&inner)));

/// A body of `rows`.
fn body(fault: &'static str, text: &'static str) -> Row {
    Row::new(fault, move |_| Reply::text(200, text))
}

pub(super) fn lies() -> Vec<Row> {
    vec![
        body("200 with a page of HTML", LOGIN_PAGE).fails("not-json", 1, ONCE),
        body("200 with an error in the field that the manifest names", r#"{"error":{"text":"no such view"}}"#).fails(
            "error-in-body",
            1,
            ONCE,
        ),
        body("200 with an error beside an empty list", r#"{"data":[],"error":"quota"}"#).fails(
            "error-in-body",
            1,
            ONCE,
        ),
        body("200 with an error in a field that nobody named", r#"{"fault":"quota"}"#).fails(
            "records-missing",
            1,
            ONCE,
        ),
        body("the selector is broken: the list has another name", r#"{"items":[{"id":1}],"next":null}"#).fails(
            "records-missing",
            1,
            ONCE,
        ),
        body("`null` where the list should stand", r#"{"data":null}"#).fails("records-missing", 1, ONCE),
        body("an object where the list should stand", r#"{"data":{"id":1}}"#).fails("records-missing", 1, ONCE),
        body("a text where the list should stand", r#"{"data":"none"}"#).fails("records-missing", 1, ONCE),
        body("a list where the body should be an object", "[1,2]").fails("records-missing", 1, ONCE),
        body("the list stands twice", r#"{"data":[{"id":1}],"data":[]}"#).fails("not-json", 1, ONCE),
        body("a body that is a text, and no JSON", "quota exceeded").fails("not-json", 1, ONCE),
        body("a body that is a JSON number", "7").fails("not-json", 1, ONCE),
        body("something follows the body", r#"{"data":[]} trailing"#).fails("not-json", 1, ONCE),
        body("a comma too many", r#"{"data":[{"id":1},],"next":null}"#).fails("not-json", 1, ONCE),
        body("an empty body", "").fails("body-truncated", 4, AGAIN),
        body("white space and nothing else", " \n ").fails("body-truncated", 4, AGAIN),
        Row::new("204: no content", |_| Reply::text(204, "")).fails("body-truncated", 4, AGAIN),
        body("JSON that ends in its middle, with a right length", r#"{"data":[{"id":1}"#).fails(
            "body-truncated",
            4,
            AGAIN,
        ),
        body("an empty list where records are expected", r#"{"data":[],"next":null}"#).ends(
            Ends::Reads(0),
            1,
            "reads nothing; the gate compares with earlier windows and holds it",
        ),
        Row::new("JSON under `text/html`", |_| good().header("Content-Type", "text/html")).ends(
            Ends::Reads(3),
            1,
            GOES_ON,
        ),
        Row::new("JSON in UTF-8 that is called Latin-1", |_| {
            good().header("Content-Type", "application/json; charset=latin1")
        })
        .ends(Ends::Reads(3), 1, GOES_ON),
        Row::new("JSON with a byte order mark", |_| bytes([b"\xEF\xBB\xBF".as_slice(), &good().body].concat())).ends(
            Ends::Reads(3),
            1,
            GOES_ON,
        ),
    ]
}

pub(super) fn records() -> Vec<Row> {
    let with = |fault, odd: &'static [u8]| {
        Row::new(fault, move |_| {
            bytes([b"{\"data\":[{\"id\":1},".as_slice(), odd, b",{\"id\":2},{\"id\":3}],\"next\":null}"].concat())
        })
    };
    vec![
        with("a record with bytes that are not UTF-8", b"{\"id\":\"\xff\"}").ends(Ends::Spoils(3, 1), 1, TO_THE_GATE),
        with("a record that is not JSON inside", b"{\"id\":tru}").ends(Ends::Spoils(3, 1), 1, TO_THE_GATE),
        with("a number beyond every range", b"{\"id\":1e400}").ends(Ends::Spoils(3, 1), 1, TO_THE_GATE),
        with("a record that names a field twice", b"{\"id\":7,\"id\":8}").ends(
            Ends::Spoils(3, 1),
            1,
            "passes the record on as it came; raw keeps both, and the typed row has the last",
        ),
        with("an integer above 64 bits", b"{\"id\":18446744073709551616}").ends(
            Ends::Spoils(3, 1),
            1,
            "passes the record on as it came; what does not fit its column stands in `_rescued` with every digit",
        ),
        with("a text where a number is promised", b"{\"id\":\"seven\"}").ends(
            Ends::Spoils(3, 1),
            1,
            "passes the record on as it came; what does not fit its column stands in `_rescued`, a key puts it into quarantine",
        ),
        with("`null` among the records", b"null").ends(Ends::Spoils(3, 1), 1, TO_THE_GATE),
    ]
}

pub(super) fn bombs() -> Vec<Row> {
    let packed = |fault, encoding: &'static str, body: fn() -> Vec<u8>| {
        Row::new(fault, move |_| bytes(body()).header("Content-Encoding", encoding))
    };
    vec![
        packed("a body that gzip inflates a thousandfold", "gzip", || GZIP_BOMB.clone()).large().fails(
            "body-inflates",
            1,
            ONCE,
        ),
        packed("gzip within gzip, by the header", "gzip, gzip", || gzip(&gzip(b"{}"))).fails(
            "encoding-unknown",
            1,
            ONCE,
        ),
        packed("an encoding that was not asked for", "br", || b"{}".to_vec()).fails("encoding-unknown", 1, ONCE),
        packed("gzip that ends too early", "gzip", || gzip(b"{\"data\":[{\"id\":1}],\"next\":null}")[..30].to_vec())
            .fails("body-truncated", 4, AGAIN),
        packed("plain text that is called gzip", "gzip", || good().body).ends(Ends::Reads(3), 1, GOES_ON),
        Row::new("a file of a zip archive that inflates a thousandfold", |_| bytes(ZIP_BOMB.clone()))
            .on("packed")
            .large()
            .fails("body-inflates", 1, ONCE),
        Row::new("gzip in gzip, six times", |_| bytes(PACKED_OFTEN.clone())).on("squeezed").fails(
            "wrapped-too-often",
            1,
            ONCE,
        ),
        Row::new("a zip archive whose middle is broken", |_| {
            let mut body = archive("a.csv", &numbers());
            body[1_000..1_100].fill(0xff);
            bytes(body)
        })
        .on("packed")
        .fails("archive-broken", 1, ONCE),
        Row::new("a zip archive without a file", |_| {
            bytes(b"PK\x05\x06".iter().copied().chain([0; 18]).collect::<Vec<u8>>())
        })
        .on("packed")
        .fails("archive-broken", 1, ONCE),
        Row::new("a zip archive that ends too early", |_| {
            let body = archive("a.csv", TABLE.as_bytes());
            bytes(&body[..body.len() - 30])
        })
        .on("packed")
        .fails("body-truncated", 4, AGAIN),
        Row::new("brackets in brackets, a hundred thousand deep", |_| {
            Reply::text(200, &format!(r#"{{"data":[{}"#, "[".repeat(100_000)))
        })
        .fails("nested-too-deep", 1, ONCE),
        Row::new("one record of more than 64 MiB", |_| {
            bytes([b"{\"data\":[{\"id\":1,\"x\":\"".as_slice(), &BLANK, b"\"}],\"next\":null}"].concat())
        })
        .large()
        .fails("record-too-large", 1, ONCE),
    ]
}

pub(super) fn formats() -> Vec<Row> {
    let of = |fault, stream, text: &'static str| body(fault, text).on(stream);
    let typed = |fault, content_type: &'static str, text: &'static [u8]| {
        Row::new(fault, move |_| bytes(text).header("Content-Type", content_type)).on("table")
    };
    let openly = |fault, stream, text: &'static str| {
        Row::new(fault, move |_| Reply { framing: Framing::Close, ..Reply::text(200, text) }).on(stream)
    };
    vec![
        of("a page of HTML in place of a table", "table", LOGIN_PAGE).fails("not-json", 1, ONCE),
        of("a JSON error in place of a table", "table", r#"{"error":"quota"}"#).fails("table-broken", 1, ONCE),
        of("a JSON error in place of lines", "words", r#"{"error":"quota"}"#).fails("table-broken", 1, ONCE),
        of("a header that names a column twice", "table", "id,id\n1,2\n").fails("table-broken", 1, ONCE),
        of("an empty table without a header", "table", "").fails("body-truncated", 4, AGAIN),
        of("a table that ends within quotes", "table", "id\n1\n\"2").fails("body-truncated", 4, AGAIN),
        openly("a table without length or chunks over plain HTTP", "table", "id\n1\n").fails("end-unknown", 1, ONCE),
        openly("lines without length or chunks over plain HTTP", "lines", "{\"id\":1}\n").fails("end-unknown", 1, ONCE),
        typed("a charset that there is not", "text/csv; charset=klingon", b"id\n1\n").fails("charset-wrong", 1, ONCE),
        typed("bytes that the named charset does not have", "text/csv; charset=shift_jis", b"id\n\x81\xff\n").fails(
            "charset-wrong",
            1,
            ONCE,
        ),
        of("JSON lines of which the last is cut", "lines", "{\"id\":1}\n{\"id\":").fails("body-truncated", 4, AGAIN),
        of("a page of HTML in place of JSON lines", "lines", LOGIN_PAGE).fails("not-json", 1, ONCE),
        of("JSON lines of which one is broken", "lines", "{\"id\":1}\n{\"id\":tru}\n{\"id\":2}\n{\"id\":3}\n").ends(
            Ends::Spoils(3, 1),
            1,
            TO_THE_GATE,
        ),
        of("XML that ends too early", "feed", "<rss><channel><item>").fails("body-truncated", 4, AGAIN),
        of("XML whose root is an error", "feed", "<error><message>quota</message></error>").fails(
            "records-missing",
            1,
            ONCE,
        ),
        of("a page of HTML in place of XML", "feed", LOGIN_PAGE).fails("not-json", 1, ONCE),
        of("elements that cross", "feed", "<rss><channel></rss></channel>").fails("not-xml", 1, ONCE),
        of("entities that refer to entities", "feed", BILLION_LAUGHS).ends(
            Ends::Spoils(0, 1),
            1,
            "expands no entity: what XML does not know stays as it was written",
        ),
        Row::new("gzip that holds no deflate", |_| {
            let mut body = gzip(&numbers());
            // No block of deflate has this type (RFC 1951 § 3.2.3).
            body[10] = 0xff;
            bytes(body)
        })
        .on("squeezed")
        .fails("not-inflatable", 1, ONCE),
    ]
}

/// Each entity is ten of the one before.
const BILLION_LAUGHS: &str = "<?xml version=\"1.0\"?><!DOCTYPE lolz [<!ENTITY a \"lol\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;\">\
    <!ENTITY c \"&b;&b;&b;&b;&b;&b;&b;&b;&b;&b;\">]><rss><channel><item><id>&c;</id></item></channel></rss>";
