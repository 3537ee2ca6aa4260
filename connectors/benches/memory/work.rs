//! What is read: how much of it there is, each record of it by its number, and the manifest that asks for it.

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use crate::Fallible;

/// Records of a page, where a list has pages.
pub(crate) const PAGE_RECORDS: u64 = 10;
/// A record before its number and after it: an order of some 1.5 KB with a nested list and texts that look like the end of one.
const ROW: (&str, &str) = (
    r#"{"id":""#,
    r#"","status":"paid \"in full\" }]","total":129.90,"lines":[{"sku":"A-1","quantity":2,"tags":["x","y"]},{"sku":"B\\","quantity":1}],"note":""#,
);
/// Bytes of an order.
const ROW_BYTES: usize = 1_455;
/// Digits of a number, so that all records have one length.
const DIGITS: usize = 12;

static ROW_END: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut text = ROW.1.as_bytes().to_vec();
    let rest = ROW_BYTES - ROW.0.len() - DIGITS - text.len() - 2;
    text.extend(b"quiet river cotton lamp walnut copper ".iter().cycle().take(rest));
    text.extend_from_slice(b"\"}");
    text
});

/// Something large to read in one window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// One JSON document of about so many bytes, whose records are orders.
    Document(u64),
    /// One JSON document of about so many bytes, whose records are single digits.
    Crumbs(u64),
    /// A list of so many pages.
    Pages(u64),
    /// A request under each of so many parents, which stand on one page.
    Parents(u64),
}

impl Work {
    /// The stream that it is.
    pub(crate) fn stream(self) -> &'static str {
        match self {
            Self::Document(_) => "document",
            Self::Crumbs(_) => "crumbs",
            Self::Pages(_) => "pages",
            Self::Parents(_) => "children",
        }
    }

    /// How much there is, in what it is counted in.
    pub(crate) fn size(self) -> u64 {
        match self {
            Self::Document(size) | Self::Crumbs(size) | Self::Pages(size) | Self::Parents(size) => size,
        }
    }

    /// The same with another size.
    pub(crate) fn of(self, size: u64) -> Self {
        match self {
            Self::Document(_) => Self::Document(size),
            Self::Crumbs(_) => Self::Crumbs(size),
            Self::Pages(_) => Self::Pages(size),
            Self::Parents(_) => Self::Parents(size),
        }
    }

    /// Records that there are.
    pub(crate) fn records(self) -> u64 {
        match self {
            Self::Document(bytes) => bytes / (ROW_BYTES as u64 + 1),
            Self::Crumbs(bytes) => bytes / 2,
            Self::Pages(pages) => pages * PAGE_RECORDS,
            Self::Parents(parents) => parents,
        }
    }

    /// Requests that it takes.
    pub(crate) fn requests(self) -> u64 {
        match self {
            Self::Document(_) | Self::Crumbs(_) => 1,
            Self::Pages(pages) => pages,
            Self::Parents(parents) => parents + 1,
        }
    }

    /// Appends a record as a reading gives it.
    pub(crate) fn write_given(self, number: u64, into: &mut Vec<u8>) {
        match self {
            Self::Crumbs(_) => into.push(crumb(number)),
            Self::Document(_) | Self::Pages(_) => write_row(number, into),
            Self::Parents(_) => {
                into.extend_from_slice(format!(r#"{{"_given":{{"parent":"{number:0DIGITS$}"}},"#).as_bytes());
                let start = into.len();
                write_row(number, into);
                into.remove(start);
            }
        }
    }

    /// The manifest of a source at `origin`.
    pub(crate) fn manifest(origin: &str) -> String {
        MANIFEST.replace("ORIGIN", origin)
    }
}

impl fmt::Display for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.stream(), self.size())
    }
}

impl FromStr for Work {
    type Err = Box<dyn std::error::Error>;

    fn from_str(text: &str) -> Fallible<Self> {
        let (name, size) = text.split_once('=').ok_or("write a work as `name=size`")?;
        let size = size.parse()?;
        let all = [Self::Document(size), Self::Crumbs(size), Self::Pages(size), Self::Parents(size)];
        let known = |work: &Self| work.stream() == name || matches!(work, Self::Parents(_)) && name == "parents";
        all.into_iter()
            .find(known)
            .ok_or_else(|| format!("`{name}` is none of document, crumbs, pages, parents").into())
    }
}

/// An order.
pub(crate) fn write_row(number: u64, into: &mut Vec<u8>) {
    into.extend_from_slice(ROW.0.as_bytes());
    write_number(number, into);
    into.extend_from_slice(&ROW_END);
}

/// A record of a single digit.
pub(crate) fn crumb(number: u64) -> u8 {
    b'1' + u8::try_from(number % 7).unwrap_or(0)
}

/// A number with all its digits.
pub(crate) fn write_number(number: u64, into: &mut Vec<u8>) {
    into.extend_from_slice(format!("{number:0DIGITS$}").as_bytes());
}

const MANIFEST: &str = r"
manifest: 1
connector: large
title: A source of much
docs: none
http: { base_url: ORIGIN, limits: [] }
defaults:
  records: /data
  kind: snapshot
  deletes: none
  append_only: true
  columns: { id: { type: string } }
streams:
  document: { title: One large document, path: /document }
  crumbs: { title: One large document of small records, path: /crumbs }
  pages: { title: Many pages, path: /pages, pagination: { body_token: { param: after, token: /next } } }
  all: { title: Parents, path: /parents, internal: true }
  children:
    title: A request under each parent
    path: /parents/{parent}/rows
    parent: { stream: all, fields: { parent: id } }
    columns: { parent: { type: string, given: parent }, id: { type: string } }
";
