//! Writes accepted differences into a manifest's text. Only what changes is touched: comments, order and spelling of all else stay.
//!
//! What came out is read back and compared with what was meant, so a text that is written in a way that is not understood here is left
//! alone, with a reason.

use std::ops::Range;

use headwater_contract::{ErrorKind, Explain};
use thiserror::Error;

use super::flow::{Entry, entries};
use super::{Change, FoundColumn};
use crate::draft::quoted;
use crate::manifest::{ColumnManifest, Lines, Manifest, Ordered};

/// Why a manifest was not changed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AcceptError {
    /// The stream has no columns in this text.
    #[error("`{stream}` writes no columns of its own in {file}")]
    NoColumns {
        /// The file.
        file: String,
        /// The stream.
        stream: String,
    },
    /// The text is written in a way that is not understood.
    #[error("`{column}` of `{stream}` cannot be changed in {file}: {reason}")]
    NotUnderstood {
        /// The file.
        file: String,
        /// Line of the stream's columns.
        line: Option<usize>,
        /// The stream.
        stream: String,
        /// The column.
        column: String,
        /// Why.
        reason: String,
    },
}

impl Explain for AcceptError {
    fn code(&self) -> &'static str {
        match self {
            Self::NoColumns { .. } => "columns-not-here",
            Self::NotUnderstood { .. } => "columns-not-changed",
        }
    }

    fn kind(&self) -> ErrorKind {
        ErrorKind::Config
    }

    fn place(&self) -> String {
        match self {
            Self::NoColumns { file, .. } | Self::NotUnderstood { file, line: None, .. } => file.clone(),
            Self::NotUnderstood { file, line: Some(line), .. } => format!("{file}:{line}"),
        }
    }

    fn fix(&self) -> String {
        match self {
            Self::NoColumns { stream, .. } => format!("write `columns:` under `streams.{stream}` first"),
            Self::NotUnderstood { .. } => "change the column by hand".to_owned(),
        }
    }

    fn committed(&self) -> String {
        "nothing was written".to_owned()
    }
}

/// The manifest's text with these differences of one stream; `origin` is the file's name. What is gone stays, since older rows have it.
///
/// # Errors
///
/// [`AcceptError`] when the text cannot be changed so that it means just that.
pub fn accept(text: &str, origin: &str, stream: &str, changes: &[Change]) -> Result<String, AcceptError> {
    let mut edited = text.to_owned();
    for change in changes.iter().filter(|change| !matches!(change, Change::Gone { .. })) {
        let refused = |reason: &str| AcceptError::NotUnderstood {
            file: origin.to_owned(),
            line: Lines::index(text).of(&format!("streams.{stream}.columns")),
            stream: stream.to_owned(),
            column: change.column().to_owned(),
            reason: reason.to_owned(),
        };
        let before = columns(&edited, origin, stream)
            .ok_or_else(|| AcceptError::NoColumns { file: origin.to_owned(), stream: stream.to_owned() })?;
        let block = Block::find(&edited, stream).ok_or_else(|| refused("its columns are not found in the text"))?;
        edited = match change {
            Change::New(found) => block.with_new(&edited, found),
            Change::Type { column, to, .. } => block.with_value(&edited, column, "type", &quoted(&to.to_string())),
            Change::Null { column } => block.with_value(&edited, column, "nullable", "true"),
            Change::Gone { .. } => None,
        }
        .ok_or_else(|| refused("it is written in a way that cannot be changed in place"))?;
        let after = columns(&edited, origin, stream).ok_or_else(|| refused("what came of it is no manifest"))?;
        if !means(&before, &after, change) {
            return Err(refused("what came of it means something else"));
        }
    }
    Ok(edited)
}

/// The columns that a text writes for a stream.
fn columns(text: &str, origin: &str, stream: &str) -> Option<Ordered<ColumnManifest>> {
    let manifest = Manifest::parse(text, origin).ok()?;
    manifest.streams.get(stream)?.columns.clone()
}

/// Whether `after` is `before` with just this difference.
fn means(before: &Ordered<ColumnManifest>, after: &Ordered<ColumnManifest>, change: &Change) -> bool {
    let shown = |columns: &Ordered<ColumnManifest>, but: &str| {
        let others = columns.iter().filter(|(name, _)| *name != but);
        others.map(|(name, column)| format!("{name}: {column:?}")).collect::<Vec<_>>()
    };
    let name = change.column();
    let Some(column) = after.get(name) else { return false };
    let is_so = match change {
        Change::New(found) => {
            let made = column.to_column(name);
            before.get(name).is_none()
                && made.column_type == found.column_type
                && made.nullable == found.nullable
                && crate::decoding::Pointer::parse(&made.pointer) == crate::decoding::Pointer::parse(&found.pointer)
        }
        Change::Type { to, .. } => column.to_column(name).column_type == *to,
        Change::Null { .. } => column.nullable,
        Change::Gone { .. } => false,
    };
    is_so && shown(before, name) == shown(after, name)
}

/// Where the columns of a stream stand in a text.
enum Block {
    /// A map in braces: the place of the brace that opens it.
    Braces(usize),
    /// Lines of their own: their place, and how far the names are indented.
    Lines { place: Range<usize>, indent: usize },
}

impl Block {
    fn find(text: &str, stream: &str) -> Option<Self> {
        let lines = Lines::index(text);
        let number = lines.exactly(&format!("streams.{stream}.columns"))?;
        let starts = line_starts(text);
        let start = *starts.get(number.checked_sub(1)?)?;
        let line = text.get(start..)?.lines().next()?;
        let indent = line.len() - line.trim_start().len();
        let rest = line.trim_start().strip_prefix("columns:")?.trim_start();
        if rest.starts_with('{') {
            return Some(Self::Braces(start + line.find('{')?));
        }
        if !(rest.is_empty() || rest.starts_with('#')) {
            return None;
        }
        let mut from = None;
        let (mut until, mut names) = (start + line.len(), None);
        for (at, line) in starts.iter().skip(number).filter_map(|at| Some((*at, text.get(*at..)?.lines().next()?))) {
            let content = line.trim_start();
            let own = line.len() - content.len();
            if content.is_empty() || content.starts_with('#') {
                continue;
            }
            if own <= indent {
                break;
            }
            from.get_or_insert(at);
            names.get_or_insert(own);
            until = at + line.len();
        }
        Some(Self::Lines { place: from?..until, indent: names? })
    }

    fn with_new(&self, text: &str, found: &FoundColumn) -> Option<String> {
        let entry = format!("{}: {}", quoted(&found.name), found.written());
        match self {
            Self::Braces(open) => {
                let (known, close) = entries(text, *open)?;
                let at = known.last().map_or(open + 1, |last| last.value.end);
                let before = if known.is_empty() { " " } else { ", " };
                let after = if known.is_empty() && text.get(at..close)?.is_empty() { " " } else { "" };
                inserted(text, at, &format!("{before}{entry}{after}"))
            }
            Self::Lines { place, indent } => inserted(text, place.end, &format!("\n{}{entry}", " ".repeat(*indent))),
        }
    }

    /// The text with a key of a column set.
    fn with_value(&self, text: &str, column: &str, key: &str, value: &str) -> Option<String> {
        let place = self.column(text, column)?;
        if text.get(place.clone())?.starts_with('{') {
            let (known, _) = entries(text, place.start)?;
            return match known.iter().find(|entry| entry.key == key) {
                Some(entry) => replaced(text, entry.value.clone(), value),
                None => inserted(text, known.last()?.value.end, &format!(", {key}: {value}")),
            };
        }
        // Its keys stand on lines of their own.
        let (mut at, mut last) = (place.start, None);
        for line in text.get(place.clone())?.split_inclusive('\n') {
            let content = line.trim_start();
            let own = line.len() - content.len();
            if let Some(rest) = content.strip_prefix(key).and_then(|rest| rest.strip_prefix(':')) {
                let from = at + own + key.len() + 1;
                let written = rest.split(" #").next().unwrap_or(rest).trim();
                let start = from + (rest.len() - rest.trim_start().len());
                return replaced(text, start..start + written.len(), value);
            }
            if !content.trim().is_empty() && !content.starts_with('#') && last.is_none() {
                last = Some((at + line.trim_end_matches('\n').len(), own));
            }
            at += line.len();
        }
        let (end, indent) = last?;
        inserted(text, end, &format!("\n{}{key}: {value}", " ".repeat(indent)))
    }

    /// The place of a column's value: from its opening brace, or the lines below its name.
    fn column(&self, text: &str, column: &str) -> Option<Range<usize>> {
        match self {
            Self::Braces(open) => {
                let (known, _) = entries(text, *open)?;
                known.into_iter().find(|entry| entry.key == column).map(|Entry { value, .. }| value)
            }
            Self::Lines { place, indent } => {
                let mut at = place.start;
                let mut found: Option<usize> = None;
                for line in text.get(place.clone())?.split_inclusive('\n') {
                    let content = line.trim_start();
                    let own = line.len() - content.len();
                    let is_name = own == *indent && !content.starts_with('#') && !content.trim().is_empty();
                    if let (Some(from), true) = (found, is_name) {
                        return Some(from..at);
                    }
                    if is_name
                        && let Some((name, rest)) = content.split_once(':')
                        && name.trim_matches(['"', '\'']) == column
                    {
                        let value = rest.trim_start();
                        if value.starts_with('{') {
                            let start = at + own + name.len() + 1 + (rest.len() - value.len());
                            let (_, close) = entries(text, start)?;
                            return Some(start..close + 1);
                        }
                        found = Some(at + line.len());
                    }
                    at += line.len();
                }
                found.map(|from| from..place.end)
            }
        }
    }
}

fn line_starts(text: &str) -> Vec<usize> {
    std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect()
}

fn inserted(text: &str, at: usize, what: &str) -> Option<String> {
    replaced(text, at..at, what)
}

fn replaced(text: &str, place: Range<usize>, with: &str) -> Option<String> {
    Some(format!("{}{with}{}", text.get(..place.start)?, text.get(place.end..)?))
}

#[cfg(test)]
mod tests {
    use headwater_contract::{ColumnType, TimestampFormat};

    use super::*;

    const HEAD: &str = "manifest: 1\nconnector: x\ntitle: X\ndocs: d\nhttp: { base_url: https://x.com }\nstreams:\n  rows:\n    title: t\n";

    fn new(name: &str, pointer: &str) -> Change {
        Change::New(FoundColumn {
            name: name.to_owned(),
            pointer: pointer.to_owned(),
            column_type: ColumnType::Timestamp,
            format: TimestampFormat::UnixMillis,
            nullable: true,
            help: Some("When: it \"changed\"".to_owned()),
        })
    }

    fn changes() -> [Change; 4] {
        let column = || "size".to_owned();
        [
            Change::Type {
                column: column(),
                from: ColumnType::Int64,
                to: ColumnType::Decimal { precision: 12, scale: 2 },
            },
            Change::Null { column: column() },
            Change::Gone { column: "id".to_owned() },
            new("seen_at", "/meta/seen"),
        ]
    }

    fn accepted(columns: &str, changes: &[Change]) -> Result<String, AcceptError> {
        let text = format!("{HEAD}    key: [id]\n{columns}\n    # the end\n    path: /rows\n");
        let edited = accept(&text, "x.yaml", "rows", changes)?;
        let start = format!("{HEAD}    key: [id]\n").len();
        Ok(edited[start..].trim_end_matches("\n    # the end\n    path: /rows\n").to_owned())
    }

    const ADDED: &str = "seen_at: { type: timestamp, path: /meta/seen, format: unix_millis, nullable: true, help: \"When: it \\\"changed\\\"\" }";

    #[test]
    fn a_text_that_cannot_be_changed_is_left_alone_with_the_reason() {
        let none = accept(HEAD, "x.yaml", "rows", &changes()).unwrap_err();
        assert_eq!((none.code(), none.place()), ("columns-not-here", "x.yaml".to_owned()));
        let unknown = Change::Null { column: "nobody".to_owned() };
        let error = accepted("    columns: { id: { type: int64 } }", &[unknown]).unwrap_err();
        assert_eq!((error.code(), error.place()), ("columns-not-changed", "x.yaml:10".to_owned()));
        let taken = accepted("    columns: { id: { type: int64 } }", &[new("id", "/x")]).unwrap_err();
        assert_eq!(taken.code(), "columns-not-changed");
    }

    #[test]
    fn columns_on_lines_keep_their_comments_and_order() {
        let before = concat!(
            "    columns:            # what rows promise\n      id: { type: int64 }       # the key\n",
            "      # how large\n      size: { type: int64, check: { min: 0 } }   # bytes, { not: blocks }\n\n      # the last\n",
            "      name: { type: string }",
        );
        let after = concat!(
            "    columns:            # what rows promise\n      id: { type: int64 }       # the key\n",
            "      # how large\n      size: { type: \"decimal(12,2)\", check: { min: 0 }, nullable: true }   # bytes, { not: blocks }\n\n      # the last\n",
            "      name: { type: string }\n      ",
        );
        assert_eq!(accepted(before, &changes()).unwrap(), format!("{after}{ADDED}"));
    }

    #[test]
    fn columns_in_braces_and_keys_on_lines_are_changed_in_place() {
        let before = "    columns: { id: { type: int64 }, size: { nullable: false, type: int64 }, name: { type: string } } # all";
        let after = format!(
            "    columns: {{ id: {{ type: int64 }}, size: {{ nullable: true, type: \"decimal(12,2)\" }}, name: {{ type: string }}, {ADDED} }} # all"
        );
        assert_eq!(accepted(before, &changes()).unwrap(), after);
        let before = "    columns:\n      size:\n        # in bytes\n        type: int64   # whole\n        help: a\n      id: { type: int64 }";
        let after = "    columns:\n      size:\n        # in bytes\n        type: \"decimal(12,2)\"   # whole\n        nullable: true\n        help: a\n      id: { type: int64 }\n      ";
        assert_eq!(accepted(before, &changes()).unwrap(), format!("{after}{ADDED}"));
    }
}
