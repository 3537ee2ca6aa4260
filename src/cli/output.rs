//! Stdout carries data only; everything a person reads beside it goes to stderr.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

use headwater_contract::Report;
use serde::Serialize;

use crate::cli::args::Format;
use crate::cli::failure::Failure;
use crate::run::Problem;

/// The two ways out of the process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    /// What stdout carries.
    pub(crate) format: Format,
    /// Say less on stderr.
    pub(crate) is_quiet: bool,
}

impl Output {
    /// Whether a person watches stderr.
    pub(crate) fn is_watched() -> bool {
        io::stderr().is_terminal()
    }

    /// Whether the data is to be JSON.
    pub(crate) fn is_json(self) -> bool {
        self.format == Format::Json
    }

    /// Writes data to stdout: `value` as one JSON document, or `text` for people.
    pub(crate) fn data(self, value: &impl Serialize, text: impl FnOnce() -> String) {
        let out = match self.format {
            // What is serialised here has string keys and no errors of its own.
            Format::Json => serde_json::to_string_pretty(value).unwrap_or_default(),
            Format::Text => text(),
        };
        self.line(out.trim_end_matches('\n'));
    }

    /// Writes one piece of data to stdout, unless there is none.
    #[expect(clippy::unused_self, reason = "who may print is decided by who has an `Output`")]
    pub(crate) fn line(self, text: &str) {
        if text.is_empty() {
            return;
        }
        // A reader that has gone (`| head`) is no error of ours.
        let _gone = writeln!(io::stdout().lock(), "{text}").and_then(|()| io::stdout().flush());
    }

    /// Says something to the person, unless they asked for silence.
    pub(crate) fn note(self, text: impl Display) {
        if !self.is_quiet {
            let _gone = writeln!(io::stderr().lock(), "{text}");
        }
    }

    /// Says something to the person, whatever they asked for.
    #[expect(clippy::unused_self, reason = "who may print is decided by who has an `Output`")]
    pub(crate) fn always(self, text: impl Display) {
        let _gone = writeln!(io::stderr().lock(), "{text}");
    }

    /// Says what went wrong, always.
    pub(crate) fn error(self, failure: &Failure) {
        let error = failure.explain();
        if self.is_json() {
            let problem = serde_json::json!({ "error": Problem::of(error) });
            self.line(&serde_json::to_string_pretty(&problem).unwrap_or_default());
        }
        let _gone = write!(io::stderr().lock(), "{}", Report(error));
    }
}

/// Aligns rows into columns for people. The first row is the head.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let is_number = |cell: &str| !cell.is_empty() && cell.chars().all(|c| c.is_ascii_digit() || ",.-%".contains(c));
    let right: Vec<bool> = (0..columns)
        .map(|column| {
            rows.iter().skip(1).filter_map(|row| row.get(column)).all(|cell| cell.is_empty() || is_number(cell))
        })
        .collect();
    let mut out = String::new();
    for row in rows {
        let mut line = String::new();
        for ((cell, width), right) in row.iter().zip(&widths).zip(&right) {
            let gap = " ".repeat(width.saturating_sub(cell.chars().count()));
            if *right && rows.len() > 1 {
                line.push_str(&gap);
                line.push_str(cell);
            } else {
                line.push_str(cell);
                line.push_str(&gap);
            }
            line.push_str("  ");
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// A number with separators: `1,469,307`.
pub(crate) fn number(value: u64) -> String {
    let digits = value.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Bytes in the unit that a person reads: `1.4 MB`.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [(&str, u64); 3] = [("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000)];
    match UNITS.iter().find(|(_, unit)| bytes >= *unit) {
        Some((name, unit)) => format!("{}.{} {name}", bytes / unit, bytes % unit * 10 / unit),
        None => format!("{bytes} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_numbers_stand_to_the_right() {
        let row = |cells: [&str; 3]| cells.map(String::from).to_vec();
        let text = table(&[
            row(["stream", "rows", "why"]),
            row(["shop.orders", "1,469,307", ""]),
            row(["shop.x", "5", "held"]),
        ]);
        insta::assert_snapshot!(text, @r"
        stream            rows  why
        shop.orders  1,469,307
        shop.x               5  held
        ");
    }

    #[test]
    fn numbers_and_sizes_are_for_people() {
        assert_eq!([0, 999, 1_000, 1_469_307].map(number), ["0", "999", "1,000", "1,469,307"]);
        assert_eq!([0, 999, 1_000, 1_450_000, 2_999_000_000].map(size), ["0 B", "999 B", "1.0 kB", "1.4 MB", "2.9 GB"]);
    }
}
