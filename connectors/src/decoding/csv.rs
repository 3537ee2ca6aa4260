//! Rows of cells: CSV (RFC 4180, <https://www.rfc-editor.org/rfc/rfc4180>), TSV and what spreadsheets make of them.
//!
//! Each row becomes a JSON object of texts: CSV has no types, the contract has. An empty cell without quotes is null; a quoted empty one is
//! an empty text. A pull parser cannot stop within a row, so the rows are split here by a state machine that can.

use std::borrow::Cow;
use std::collections::VecDeque;

use bytes::Bytes;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{Deserializer, Error};

use super::DecodeError;
use super::derived::{refused, write_bytes};
use super::json::{RECORD_BYTES_MAX, html, json_object, snippet};

/// Most cells of a row.
pub const CELLS_MAX: usize = 100_000;
/// Most lines that may be skipped at either end.
const SKIPPED_MAX: u32 = 10_000;

/// A dialect of CSV, as written in a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CsvDialect {
    /// What stands between cells; a comma when absent, `"\t"` for TSV.
    #[serde(deserialize_with = "delimiter")]
    #[schemars(with = "String")]
    pub delimiter: char,
    /// What a cell is quoted with; `"` when absent, `none` where quotes mean nothing.
    pub quote: Mark,
    /// What takes the meaning from a quote within quotes, beside doubling it; nothing when absent.
    pub escape: Mark,
    /// The columns in order, where the file does not name them in its first row.
    #[serde(deserialize_with = "distinct")]
    pub names: Vec<String>,
    /// Lines before the header, or before the first row where `names` are given.
    #[serde(deserialize_with = "few_lines")]
    pub skip_lines: u32,
    /// Rows at the end that are no records, such as totals.
    #[serde(deserialize_with = "few_lines")]
    pub footer_lines: u32,
    /// What a line begins with that is no row.
    pub comment: Mark,
    /// Unquoted texts that mean null, beside the empty one.
    pub nulls: Vec<String>,
    /// Whether an empty cell is an empty text; it is null when absent.
    pub empty_is_text: bool,
    /// Whether spaces around cells are dropped.
    pub trim: bool,
    /// What becomes of a row that has more or fewer cells than the header; it goes to quarantine when absent.
    pub ragged: Ragged,
    /// Whether a body without any byte is a table without rows; it is an error when absent.
    pub may_be_empty: bool,
}

impl Default for CsvDialect {
    fn default() -> Self {
        Self {
            delimiter: ',',
            quote: Mark(Some(b'"')),
            escape: Mark(None),
            names: Vec::new(),
            skip_lines: 0,
            footer_lines: 0,
            comment: Mark(None),
            nulls: Vec::new(),
            empty_is_text: false,
            trim: false,
            ragged: Ragged::default(),
            may_be_empty: false,
        }
    }
}

/// What becomes of a row that has more or fewer cells than the header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ragged {
    /// It goes to quarantine.
    #[default]
    Quarantine,
    /// Missing cells are null, and what is too much stands as a list under `_more`.
    Fill,
    /// The whole reading fails.
    Fail,
}

/// One ASCII character, or `none`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark(Option<u8>);

impl Mark {
    /// The character.
    pub(crate) fn char(self) -> Option<char> {
        self.0.map(char::from)
    }
}

impl<'de> Deserialize<'de> for Mark {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        match text.as_bytes() {
            b"none" => Ok(Self(None)),
            [byte] if byte.is_ascii() && !matches!(byte, b'\r' | b'\n') => Ok(Self(Some(*byte))),
            _ => Err(D::Error::custom(format!("`{text}` is neither one ASCII character nor `none`"))),
        }
    }
}

impl JsonSchema for Mark {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Mark".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^(.|none)$" })
    }
}

fn delimiter<'de, D: Deserializer<'de>>(deserializer: D) -> Result<char, D::Error> {
    let text = String::deserialize(deserializer)?;
    match text.as_bytes() {
        [byte] if byte.is_ascii() && !matches!(byte, b'\r' | b'\n') => Ok(char::from(*byte)),
        _ => Err(D::Error::custom(format!("`{text}` is not one ASCII character"))),
    }
}

fn distinct<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let names = Vec::<String>::deserialize(deserializer)?;
    let mut known = std::collections::HashSet::new();
    match names.iter().find(|name| !known.insert(name.as_str())) {
        Some(name) => Err(D::Error::custom(format!("`{name}` stands twice"))),
        None => Ok(names),
    }
}

fn few_lines<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let lines = u32::deserialize(deserializer)?;
    if lines > SKIPPED_MAX {
        return Err(D::Error::custom(format!("at most {SKIPPED_MAX} lines are skipped")));
    }
    Ok(lines)
}

/// Where the last byte left the splitter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// A line that is skipped.
    Skipped,
    RowStart,
    Comment,
    CellStart,
    Cell,
    Quoted,
    /// After the escape character within quotes.
    Escaped,
    /// After a quote within quotes: it closes them, or is doubled.
    QuoteInQuotes,
}

/// Splits one body into its rows.
#[derive(Debug)]
pub(super) struct CsvSplitter {
    dialect: CsvDialect,
    delimiter: u8,
    /// `"name":` of each column, once it is known.
    header: Option<Vec<Vec<u8>>>,
    state: State,
    skipped: u32,
    /// The last byte was a carriage return that ended a line.
    after_return: bool,
    /// Place in the byte order mark; 3 once the body has begun.
    mark: usize,
    has_bytes: bool,
    start: Vec<u8>,
    row: Vec<u8>,
    /// Ends of the row's cells, and whether each was quoted.
    cells: Vec<(usize, bool)>,
    is_quoted: bool,
    rows: u64,
    footer: VecDeque<Bytes>,
}

const BYTE_ORDER_MARK: [u8; 3] = [0xEF, 0xBB, 0xBF];

impl CsvSplitter {
    pub(super) fn new(dialect: &CsvDialect) -> Self {
        Self {
            delimiter: u8::try_from(dialect.delimiter).unwrap_or(b','),
            dialect: dialect.clone(),
            header: (!dialect.names.is_empty())
                .then(|| dialect.names.iter().map(|name| quoted(name.as_bytes())).collect()),
            state: if dialect.skip_lines > 0 { State::Skipped } else { State::RowStart },
            skipped: 0,
            after_return: false,
            mark: 0,
            has_bytes: false,
            start: Vec::new(),
            row: Vec::new(),
            cells: Vec::new(),
            is_quoted: false,
            rows: 0,
            footer: VecDeque::new(),
        }
    }

    /// Takes the next chunk and appends the rows that end in it.
    pub(super) fn push(&mut self, chunk: &[u8], out: &mut Vec<Bytes>) -> Result<(), DecodeError> {
        let mut chunk = chunk;
        while let Some((byte, rest)) = chunk.split_first()
            && self.mark < BYTE_ORDER_MARK.len()
        {
            if BYTE_ORDER_MARK.get(self.mark) == Some(byte) {
                self.mark += 1;
                chunk = rest;
            } else {
                self.mark = BYTE_ORDER_MARK.len();
            }
        }
        self.begin(chunk)?;
        let mut at = 0;
        while let Some(&byte) = chunk.get(at) {
            at += 1;
            if byte == b'\n' && std::mem::take(&mut self.after_return) {
                continue;
            }
            self.after_return = false;
            self.byte(byte, out)?;
            // Most bytes are the inside of a cell: they are taken at once.
            let rest = chunk.get(at..).unwrap_or_default();
            let inside = match self.state {
                State::Cell => rest.iter().position(|byte| self.ends_cell(*byte)),
                State::Quoted => rest.iter().position(|byte| self.ends_quotes(*byte)),
                State::Skipped | State::Comment => rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')),
                _ => Some(0),
            };
            let length = inside.unwrap_or(rest.len());
            if matches!(self.state, State::Cell | State::Quoted) {
                self.row.extend_from_slice(rest.get(..length).unwrap_or_default());
                if self.row.len() > RECORD_BYTES_MAX {
                    return Err(DecodeError::RecordTooLarge { limit: RECORD_BYTES_MAX });
                }
            }
            at += length;
        }
        Ok(())
    }

    /// Ends the body; a last row needs no line break.
    pub(super) fn finish(&mut self, at: u64, out: &mut Vec<Bytes>) -> Result<(), DecodeError> {
        if html(&self.start) {
            return Err(DecodeError::Html { snippet: snippet(&self.start) });
        }
        match self.state {
            State::Quoted | State::Escaped => return Err(DecodeError::Truncated { at }),
            State::RowStart | State::Skipped | State::Comment => {}
            State::CellStart | State::Cell | State::QuoteInQuotes => self.end_row(out)?,
        }
        if !self.has_bytes && !self.dialect.may_be_empty {
            return Err(DecodeError::Empty);
        }
        self.footer.clear();
        Ok(())
    }

    pub(super) fn is_within_record(&self) -> bool {
        !self.row.is_empty() || !self.cells.is_empty() || !self.footer.is_empty()
    }

    /// Looks at the first bytes for a page that stands where rows should.
    fn begin(&mut self, chunk: &[u8]) -> Result<(), DecodeError> {
        const LOOKED_AT: usize = 80;
        if self.start.len() >= LOOKED_AT || chunk.is_empty() {
            return Ok(());
        }
        let fresh = if self.start.is_empty() { chunk.trim_ascii_start() } else { chunk };
        self.has_bytes |= !fresh.is_empty();
        self.start.extend(fresh.iter().take(LOOKED_AT - self.start.len()));
        if html(&self.start) && self.start.len() == LOOKED_AT {
            return Err(DecodeError::Html { snippet: snippet(&self.start) });
        }
        Ok(())
    }

    #[inline]
    fn ends_cell(&self, byte: u8) -> bool {
        byte == self.delimiter || matches!(byte, b'\n' | b'\r')
    }

    #[inline]
    fn ends_quotes(&self, byte: u8) -> bool {
        Some(byte) == self.dialect.quote.0 || Some(byte) == self.dialect.escape.0
    }

    fn byte(&mut self, byte: u8, out: &mut Vec<Bytes>) -> Result<(), DecodeError> {
        let is_end = matches!(byte, b'\n' | b'\r');
        match self.state {
            State::Skipped if is_end => {
                self.skipped += 1;
                self.after_return = byte == b'\r';
                if self.skipped >= self.dialect.skip_lines {
                    self.state = State::RowStart;
                }
            }
            State::Comment if is_end => {
                self.after_return = byte == b'\r';
                self.state = State::RowStart;
            }
            State::Skipped | State::Comment => {}
            State::RowStart if is_end => self.after_return = byte == b'\r',
            State::RowStart if Some(byte) == self.dialect.comment.0 => self.state = State::Comment,
            State::RowStart | State::CellStart => self.begin_cell(byte, out)?,
            State::Cell if self.ends_cell(byte) => self.end_cell(byte, out)?,
            State::Quoted if Some(byte) == self.dialect.escape.0 && self.dialect.escape != self.dialect.quote => {
                self.state = State::Escaped;
            }
            State::Quoted if Some(byte) == self.dialect.quote.0 => self.state = State::QuoteInQuotes,
            State::Cell | State::Quoted => self.row.push(byte),
            State::Escaped => {
                self.row.push(byte);
                self.state = State::Quoted;
            }
            State::QuoteInQuotes if Some(byte) == self.dialect.quote.0 => {
                self.row.push(byte);
                self.state = State::Quoted;
            }
            State::QuoteInQuotes if self.ends_cell(byte) => self.end_cell(byte, out)?,
            State::QuoteInQuotes if self.dialect.trim && byte == b' ' => {}
            // What follows a closing quote belongs to the cell, as spreadsheets have it.
            State::QuoteInQuotes => {
                self.row.push(byte);
                self.state = State::Cell;
            }
        }
        Ok(())
    }

    fn begin_cell(&mut self, byte: u8, out: &mut Vec<Bytes>) -> Result<(), DecodeError> {
        if self.ends_cell(byte) {
            return self.end_cell(byte, out);
        }
        if self.dialect.trim && matches!(byte, b' ' | b'\t') {
            self.state = State::CellStart;
        } else if Some(byte) == self.dialect.quote.0 {
            self.is_quoted = true;
            self.state = State::Quoted;
        } else {
            self.row.push(byte);
            self.state = State::Cell;
        }
        Ok(())
    }

    fn end_cell(&mut self, byte: u8, out: &mut Vec<Bytes>) -> Result<(), DecodeError> {
        if byte == self.delimiter {
            self.close_cell()?;
            self.state = State::CellStart;
            return Ok(());
        }
        self.after_return = byte == b'\r';
        self.end_row(out)
    }

    fn close_cell(&mut self) -> Result<(), DecodeError> {
        if self.dialect.trim && !self.is_quoted {
            let start = self.cells.last().map_or(0, |(end, _)| *end);
            let cell = self.row.get(start..).unwrap_or_default();
            let blank = cell.len() - cell.trim_ascii_end().len();
            self.row.truncate(self.row.len() - blank);
        }
        if self.cells.len() >= CELLS_MAX {
            return Err(DecodeError::TooManyCells { limit: CELLS_MAX });
        }
        self.cells.push((self.row.len(), std::mem::take(&mut self.is_quoted)));
        Ok(())
    }

    fn end_row(&mut self, out: &mut Vec<Bytes>) -> Result<(), DecodeError> {
        self.close_cell()?;
        self.state = State::RowStart;
        let (row, cells) = (std::mem::take(&mut self.row), std::mem::take(&mut self.cells));
        let texts = || {
            cells.iter().scan(0, |start, (end, is_quoted)| {
                let cell = row.get(*start..*end).unwrap_or_default();
                *start = *end;
                Some((cell, *is_quoted))
            })
        };
        if self.header.is_none() {
            // It would be a header of odd names, and a table without rows.
            if self.dialect.skip_lines == 0 && json_object(&self.start) {
                return Err(DecodeError::NotATable { snippet: snippet(&self.start) });
            }
            self.take_header(texts().map(|(cell, _)| Cow::Owned(cell.trim_ascii().to_vec())).collect())?;
        } else {
            self.rows += 1;
            let record = self.record(texts(), cells.len(), &row)?;
            self.pass_on(record, out);
        }
        // The buffers keep their room.
        (self.row, self.cells) = (row, cells);
        self.row.clear();
        self.cells.clear();
        Ok(())
    }

    /// Passes a row on, or the one that can no longer be part of the footer.
    fn pass_on(&mut self, record: Bytes, out: &mut Vec<Bytes>) {
        if self.dialect.footer_lines == 0 {
            out.push(record);
            return;
        }
        self.footer.push_back(record);
        if self.footer.len() > self.dialect.footer_lines as usize {
            out.extend(self.footer.pop_front());
        }
    }

    fn take_header(&mut self, names: Vec<Cow<'_, [u8]>>) -> Result<(), DecodeError> {
        let mut known = std::collections::HashSet::new();
        let mut header = Vec::with_capacity(names.len());
        for (at, name) in names.into_iter().enumerate() {
            let name = if name.is_empty() { Cow::Owned(format!("column_{}", at + 1).into_bytes()) } else { name };
            if !known.insert(name.to_vec()) {
                return Err(DecodeError::HeaderTwice { name: snippet(&name) });
            }
            header.push(quoted(&name));
        }
        self.header = Some(header);
        Ok(())
    }

    fn record<'a>(
        &self,
        cells: impl Iterator<Item = (&'a [u8], bool)>,
        found: usize,
        row: &[u8],
    ) -> Result<Bytes, DecodeError> {
        let header = self.header.as_deref().unwrap_or_default();
        if found != header.len() {
            let ragged = DecodeError::Ragged { row: self.rows, found, expected: header.len() };
            match self.dialect.ragged {
                Ragged::Fail => return Err(ragged),
                Ragged::Quarantine => {
                    let texts: Vec<_> = cells.map(|(cell, _)| String::from_utf8_lossy(cell)).collect();
                    return Ok(refused(&ragged.to_string(), serde_json::json!(texts).to_string().as_bytes()));
                }
                Ragged::Fill => {}
            }
        }
        let names: usize = header.iter().map(Vec::len).sum();
        let mut out = Vec::with_capacity(names + row.len() + 3 * found + 2);
        out.push(b'{');
        let mut cells = cells.fuse();
        for name in header {
            if out.len() > 1 {
                out.push(b',');
            }
            out.extend_from_slice(name);
            self.write_cell(cells.next(), &mut out);
        }
        if let Some(first) = cells.next() {
            out.extend_from_slice(b",\"_more\":[");
            self.write_cell(Some(first), &mut out);
            for cell in cells {
                out.push(b',');
                self.write_cell(Some(cell), &mut out);
            }
            out.push(b']');
        }
        out.push(b'}');
        Ok(out.into())
    }

    fn write_cell(&self, cell: Option<(&[u8], bool)>, out: &mut Vec<u8>) {
        let is_null = |text: &[u8]| {
            (text.is_empty() && !self.dialect.empty_is_text)
                || self.dialect.nulls.iter().any(|null| null.as_bytes() == text)
        };
        match cell {
            None => out.extend_from_slice(b"null"),
            Some((text, false)) if is_null(text) => out.extend_from_slice(b"null"),
            Some((text, _)) => write_bytes(out, text),
        }
    }
}

/// `"name":`
fn quoted(name: &[u8]) -> Vec<u8> {
    let mut quoted = Vec::with_capacity(name.len() + 3);
    write_bytes(&mut quoted, name);
    quoted.push(b':');
    quoted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn dialect(yaml: &str) -> CsvDialect {
        crate::manifest::yaml::from_str(yaml).unwrap()
    }

    fn rows(body: &[u8], dialect: &CsvDialect, step: usize) -> Result<Vec<String>, DecodeError> {
        let (mut splitter, mut out) = (CsvSplitter::new(dialect), Vec::new());
        for piece in body.chunks(step.max(1)) {
            splitter.push(piece, &mut out)?;
        }
        splitter.finish(body.len() as u64, &mut out)?;
        Ok(out.iter().map(|row| String::from_utf8_lossy(row).into_owned()).collect())
    }

    /// The rows, or what kind of error it was: how much of the body an error shows depends on where it was cut.
    fn gist(rows: &Result<Vec<String>, DecodeError>) -> Result<&[String], std::mem::Discriminant<DecodeError>> {
        rows.as_deref().map_err(std::mem::discriminant)
    }

    /// The rows as JSON, the same wherever the body is cut.
    fn read(body: &str, yaml: &str) -> Result<Vec<Value>, DecodeError> {
        let dialect = dialect(yaml);
        let whole = rows(body.as_bytes(), &dialect, usize::MAX);
        for step in 1..body.len().min(40) {
            assert_eq!(gist(&rows(body.as_bytes(), &dialect, step)), gist(&whole), "{body} in steps of {step}");
        }
        Ok(whole?.iter().map(|row| serde_json::from_str(row).unwrap_or_else(|_| Value::from(row.as_str()))).collect())
    }

    #[test]
    fn rejects_dialects_that_cannot_be() {
        for text in [
            "{ delimiter: \"::\" }",
            "{ delimiter: \"\\n\" }",
            "{ quote: \"\" }",
            "{ skip_lines: 20000 }",
            "{ ragged: guess }",
            "{ names: [a, a] }",
        ] {
            assert!(crate::manifest::yaml::from_str::<CsvDialect>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn names_what_is_no_table() {
        assert_eq!(read("", "{}"), Err(DecodeError::Empty));
        assert_eq!(read(" \n \n", "{}"), Err(DecodeError::Empty));
        assert_eq!(read("a,b\n1,\"2", "{}"), Err(DecodeError::Truncated { at: 8 }));
        assert_eq!(read("a,a\n1,2", "{}"), Err(DecodeError::HeaderTwice { name: "a".into() }));
        assert_eq!(read("a,b\n1,2\n1", "{ ragged: fail }"), Err(DecodeError::Ragged { row: 2, found: 1, expected: 2 }));
        let page = format!("<!DOCTYPE html><title>Sign in</title>{}", "x".repeat(100));
        assert!(matches!(read(&page, "{}"), Err(DecodeError::Html { .. })));
        assert!(matches!(read("<html>\n", "{}"), Err(DecodeError::Html { .. })));
        for error in [r#"{"error":"quota"}"#, "{ \"error\": 1,\n\"b\": 2 }\n", "{}", r#"[{"code":4}]"#] {
            assert!(matches!(read(error, "{}"), Err(DecodeError::NotATable { .. })), "{error}");
        }
        assert!(read("[a],{b}\n1,2\n", "{}").is_ok());
    }

    #[test]
    fn a_ragged_row_is_refused_by_itself_or_filled() {
        let found = read("a,b\n1\n1,2\n1,2,3\n", "{}").unwrap();
        assert_eq!(found[0], json!("refused: row 1 has 1 cells, its header 2\n[\"1\"]"));
        assert_eq!(found[1], json!({ "a": "1", "b": "2" }));
        assert_eq!(found[2], json!("refused: row 3 has 3 cells, its header 2\n[\"1\",\"2\",\"3\"]"));
        let filled = read("a,b\n1\n1,2,3,\n", "{ ragged: fill }").unwrap();
        assert_eq!(filled, [json!({ "a": "1", "b": null }), json!({ "a": "1", "b": "2", "_more": ["3", null] })]);
    }

    #[test]
    fn quotes_hold_delimiters_line_breaks_and_quotes() {
        let body = "\u{feff}id,text,\r\n1,\"a,\"\"b\"\"\r\nc\",\"\"\r\n\r\n2,x\"y\",\n3,\"a\"b,z";
        assert_eq!(
            read(body, "{}").unwrap(),
            [
                json!({ "id": "1", "text": "a,\"b\"\r\nc", "column_3": "" }),
                json!({ "id": "2", "text": "x\"y\"", "column_3": null }),
                json!({ "id": "3", "text": "ab", "column_3": "z" }),
            ]
        );
    }

    #[test]
    fn every_setting_of_a_dialect_holds() {
        let body = "Report of today\nby us\nid;'name'\n# none\n1; 'it\\'s' ;\n 2 ;NULL;\nTotal;2;\n";
        let dialect = "{ delimiter: \";\", quote: \"'\", escape: \"\\\\\", comment: \"#\", skip_lines: 2, footer_lines: 1, \
                       nulls: [\"NULL\"], trim: true, ragged: fill }";
        assert_eq!(
            read(body, dialect).unwrap(),
            [
                json!({ "id": "1", "name": "it's", "_more": [null] }),
                json!({ "id": "2", "name": null, "_more": [null] })
            ]
        );
        let tabs = read("1\t\"x\n2\t\n", "{ delimiter: \"\\t\", quote: none, names: [id, text] }").unwrap();
        assert_eq!(tabs, [json!({ "id": "1", "text": "\"x" }), json!({ "id": "2", "text": null })]);
        assert_eq!(read("", "{ may_be_empty: true }").unwrap(), Vec::<Value>::new());
        assert_eq!(read("a,b\n", "{}").unwrap(), Vec::<Value>::new());
    }

    proptest! {
        /// Rows are those that the `csv` crate reads, wherever the body is cut.
        #[test]
        fn reads_what_the_csv_crate_reads(body in "[abé,\"\n\r]{0,60}", step in 1_usize..20) {
            let text = format!("x{body}");
            let dialect = CsvDialect { names: (0..60).map(|n| n.to_string()).collect(), ragged: Ragged::Fill, ..CsvDialect::default() };
            let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text.as_bytes());
            let expected: Vec<Vec<String>> =
                reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect();
            let Ok(found) = rows(text.as_bytes(), &dialect, step) else {
                // Only an open quote is an error of ours, where the crate closes it.
                prop_assert!(text.matches('"').count() > 0);
                return Ok(());
            };
            let found: Vec<Vec<String>> = found
                .iter()
                .zip(&expected)
                .map(|(row, cells)| {
                    let row: Value = serde_json::from_str(row).unwrap();
                    (0..cells.len()).map(|at| row[at.to_string()].as_str().unwrap_or_default().to_owned()).collect()
                })
                .collect();
            prop_assert_eq!(found, expected);
        }
    }
}
