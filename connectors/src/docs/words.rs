//! Words that pages share: how a variant, a fact and a type read in a sentence.

use std::fmt::Debug;

use headwater_contract::{Span, TimestampFormat};

use crate::manifest::Fact;

/// The name of a family's variant as manifests write it: `LastRecordCursor { … }` is `last_record_cursor`.
pub(super) fn variant(value: &impl Debug) -> String {
    let text = format!("{value:?}");
    let name: String = text.chars().take_while(char::is_ascii_alphanumeric).collect();
    let mut out = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.push(letter.to_ascii_lowercase());
    }
    out
}

/// A text in a cell of a table.
pub(super) fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace(['\n', '\r'], " ")
}

/// A link, or the bare text where it is none.
pub(super) fn link(title: &str, url: &str) -> String {
    if url.starts_with("http") { format!("[{title}]({url})") } else { cell(url) }
}

/// A fact with how it is known.
pub(super) fn fact(fact: Option<&Fact<Span>>, default: &str) -> String {
    match fact {
        None | Some(Fact::NotPublished) => format!("not published; {default}"),
        Some(Fact::Stated(value)) => value.to_string(),
        Some(Fact::Published { value, source }) => format!("{value}, {}", link("as the vendor says", source)),
        Some(Fact::Assumed { value, because }) => format!("{value}, assumed: {because}"),
    }
}

/// How an instant is written.
pub(super) fn format(format: &TimestampFormat) -> String {
    match format {
        TimestampFormat::Rfc3339 => "RFC 3339".to_owned(),
        TimestampFormat::UnixSeconds => "seconds since 1970".to_owned(),
        TimestampFormat::UnixMillis => "milliseconds since 1970".to_owned(),
        TimestampFormat::Pattern { pattern, zone } => format!("`{pattern}` in {zone}"),
    }
}
