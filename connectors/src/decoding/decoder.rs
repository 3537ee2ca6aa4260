//! Decodes one body: wrappings are undone, the format is split into records, and what pagination needs is remembered.
//!
//! Records come in batches of bounded size, however much a chunk inflates to. A JSON body that is not wrapped goes straight to its
//! splitter, and its records are spans of the chunk.

use std::collections::VecDeque;

use bytes::Bytes;
use headwater_contract::Digest16;
use serde_json::Value;

use super::columnar::Columnar;
use super::csv::CsvSplitter;
use super::derived::{add_fields, write_text};
use super::format::{BodyDecoding, Decoding, Wrapping};
use super::json::{Dressing, JsonSplitter, Target};
use super::json_lines::LineSplitter;
use super::lines::TextSplitter;
use super::records::RecordsManifest;
use super::wrapping::{Pulled, Unwrapper};
use super::xml::XmlSplitter;
use super::{BodyFacts, DecodeError, Ended, PageFacts, Pointer};

/// Bytes of derived records that a batch holds, more or less.
const BATCH_BYTES: usize = 8 * 1024 * 1024;
/// Bytes that a format whose records are derived is split by at once.
const PIECE_BYTES: usize = 256 * 1024;

#[derive(Debug)]
enum Splitter {
    Json(Box<JsonSplitter>),
    JsonLines(LineSplitter),
    Lines(TextSplitter),
    Csv(Box<CsvSplitter>),
    Xml(Box<XmlSplitter>),
}

/// Where the bytes of a body are on their way.
#[derive(Debug)]
enum Way {
    /// Nothing came yet.
    Unknown,
    /// Straight to the splitter.
    Direct(Bytes),
    /// Through wrappings.
    Wrapped(Box<Unwrapper>),
}

/// Decodes one body.
#[derive(Debug)]
pub struct Decoder {
    decoding: BodyDecoding,
    records: RecordsManifest,
    wanted: PageFacts,
    content_type: Option<String>,
    way: Way,
    is_last: bool,
    has_ended: bool,
    splitter: Splitter,
    columnar: Option<Columnar>,
    /// Bytes that the splitter was given of the body, or of this file of an archive.
    split: u64,
    /// The file of an archive that is being read.
    member: Option<String>,
    /// Texts that were split and not yet passed on.
    waiting: VecDeque<Bytes>,
    count: u64,
    first: Option<Bytes>,
    last: Option<Bytes>,
    body: Vec<(Pointer, Option<Value>)>,
    found: Result<(), DecodeError>,
}

impl Decoder {
    /// A decoder for one body in a format without wrappings.
    pub fn new(decoding: Decoding, records: &Pointer, wanted: &PageFacts) -> Self {
        Self::of(&BodyDecoding::plain(decoding), &RecordsManifest::List(records.clone()), wanted)
    }

    /// A decoder for one body.
    pub fn of(decoding: &BodyDecoding, records: &RecordsManifest, wanted: &PageFacts) -> Self {
        Self {
            splitter: Splitter::new(&decoding.format, records, wanted),
            columnar: Columnar::new(records),
            decoding: decoding.clone(),
            records: records.clone(),
            wanted: wanted.clone(),
            content_type: None,
            way: Way::Unknown,
            is_last: false,
            has_ended: false,
            split: 0,
            member: None,
            waiting: VecDeque::new(),
            count: 0,
            first: None,
            last: None,
            body: wanted.body.iter().map(|pointer| (pointer.clone(), None)).collect(),
            found: Ok(()),
        }
    }

    /// The same decoder, which knows what the source says of its body.
    #[must_use]
    pub fn with_content_type(mut self, content_type: Option<&str>) -> Self {
        self.content_type = content_type.map(str::to_owned);
        self
    }

    /// Takes the next chunk, after [`Decoder::next`] has given all records of the one before.
    pub fn feed(&mut self, chunk: Bytes) {
        if chunk.is_empty() {
            return;
        }
        let content_type = self.content_type.as_deref();
        if matches!(self.way, Way::Unknown) {
            self.way = if Unwrapper::is_needed(&self.decoding, content_type, &chunk) {
                Way::Wrapped(Box::new(Unwrapper::new(&self.decoding, content_type)))
            } else {
                Way::Direct(Bytes::new())
            };
        }
        match &mut self.way {
            Way::Wrapped(unwrapper) => unwrapper.feed(chunk),
            way => *way = Way::Direct(chunk),
        }
    }

    /// Says that no chunk follows; [`Decoder::next`] then gives the records that only the end completes.
    pub fn end(&mut self) {
        self.is_last = true;
        if let Way::Wrapped(unwrapper) = &mut self.way {
            unwrapper.end();
        }
    }

    /// The next records of what was fed; `None` when all are given.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] as soon as the body cannot be what the manifest says.
    #[expect(clippy::should_implement_trait, reason = "it ends more than once: after each chunk")]
    pub fn next(&mut self) -> Result<Option<Vec<Bytes>>, DecodeError> {
        let (mut texts, mut bytes) = (Vec::new(), 0);
        loop {
            while let Some(text) = self.waiting.pop_front() {
                bytes += text.len();
                texts.push(text);
                if bytes >= BATCH_BYTES && self.derives() {
                    return Ok(Some(texts));
                }
            }
            if !self.split_on()? {
                return Ok(Some(texts).filter(|texts| !texts.is_empty()));
            }
        }
    }

    /// Takes the next chunk and returns all records that end in it: for bodies that are small.
    ///
    /// # Errors
    ///
    /// As [`Decoder::next`].
    pub fn push(&mut self, chunk: &Bytes) -> Result<Vec<Bytes>, DecodeError> {
        self.feed(chunk.clone());
        self.rest()
    }

    /// Whether the last chunk ended within a record.
    pub fn is_within_record(&self) -> bool {
        let is_within = match &self.splitter {
            Splitter::Json(json) => json.is_within_record(),
            Splitter::JsonLines(lines) => lines.is_within_record(),
            Splitter::Lines(lines) => lines.is_within_record(),
            Splitter::Csv(rows) => rows.is_within_record(),
            Splitter::Xml(xml) => xml.is_within_record(),
        };
        let holds = self.columnar.as_ref().is_some_and(Columnar::holds);
        is_within || holds || matches!(&self.way, Way::Wrapped(unwrapper) if unwrapper.holds())
    }

    /// Whether a record may come from any byte before it, as in an archive, whose directory stands at its end.
    pub fn reaches_back(&self) -> bool {
        self.member.is_some()
    }

    /// Ends the body.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] when the body is not whole.
    pub fn finish(mut self) -> Result<Ended<Vec<Bytes>>, DecodeError> {
        self.end();
        let records = self.rest()?;
        let digest = Digest16::of_parts([
            &self.count.to_le_bytes()[..],
            self.first.as_deref().unwrap_or_default(),
            self.last.as_deref().unwrap_or_default(),
        ]);
        let first = fields_of(self.first.as_ref(), &self.wanted.first);
        let last = fields_of(self.last.as_ref(), &self.wanted.last);
        let facts = BodyFacts { count: self.count, body: self.body, first, last, digest };
        Ok(Ended { records, facts, found: self.found })
    }

    fn rest(&mut self) -> Result<Vec<Bytes>, DecodeError> {
        let mut all = Vec::new();
        while let Some(texts) = self.next()? {
            all.extend(texts);
        }
        Ok(all)
    }

    /// Whether records take room of their own, so that a batch must end before the chunk does.
    fn derives(&self) -> bool {
        self.decoding.format.derives() || self.columnar.is_some() || matches!(self.way, Way::Wrapped(_))
    }

    /// Splits the next piece; false when nothing is left of what was fed.
    fn split_on(&mut self) -> Result<bool, DecodeError> {
        let derives = self.decoding.format.derives() || self.columnar.is_some();
        let pulled = match &mut self.way {
            Way::Wrapped(unwrapper) => unwrapper.pull()?,
            Way::Direct(chunk) if !chunk.is_empty() => {
                let length = if derives { chunk.len().min(PIECE_BYTES) } else { chunk.len() };
                Pulled::Piece(chunk.split_to(length))
            }
            Way::Direct(_) | Way::Unknown if self.is_last => Pulled::End,
            Way::Direct(_) | Way::Unknown => Pulled::Wait,
        };
        match pulled {
            Pulled::Piece(piece) => {
                let mut texts = Vec::new();
                self.splitter.push(&piece, &mut texts)?;
                self.split += piece.len() as u64;
                self.assemble(&mut texts)?;
                self.remember(texts);
                Ok(true)
            }
            Pulled::Member(name) => {
                if self.member.is_some() {
                    self.end_splitter()?;
                    self.splitter = Splitter::new(&self.decoding.format, &self.records, &self.wanted);
                    self.columnar = Columnar::new(&self.records);
                    self.split = 0;
                }
                self.member = Some(name);
                Ok(true)
            }
            Pulled::Wait => Ok(false),
            Pulled::End if self.has_ended => Ok(false),
            Pulled::End => {
                self.has_ended = true;
                self.end_splitter()?;
                Ok(true)
            }
        }
    }

    /// Ends what was split as one text: the body, or a file of an archive.
    fn end_splitter(&mut self) -> Result<(), DecodeError> {
        let mut texts = Vec::new();
        match &mut self.splitter {
            Splitter::Xml(xml) => {
                let fields = xml.finish(&mut texts)?;
                let found = xml.found_records();
                self.learn(fields, found);
            }
            Splitter::Json(json) => {
                let (found, fields) = (json.found_records(), json.finish()?);
                let is_found = found.is_ok();
                self.learn(fields, found);
                if let Some(columnar) = self.columnar.as_mut().filter(|_| is_found) {
                    columnar.finish(&mut texts)?;
                }
            }
            Splitter::JsonLines(lines) => lines.finish(self.split, &mut texts)?,
            Splitter::Lines(lines) => lines.finish(&mut texts)?,
            Splitter::Csv(rows) => rows.finish(self.split, &mut texts)?,
        }
        self.remember(texts);
        Ok(())
    }

    /// Keeps what a text said beside its records; of several files the first that lacks its records is blamed.
    fn learn(&mut self, fields: Vec<(Pointer, Option<Value>)>, found: Result<(), DecodeError>) {
        for (slot, (_, value)) in self.body.iter_mut().zip(fields) {
            slot.1 = value.or(slot.1.take());
        }
        if self.found.is_ok() {
            self.found = found;
        }
    }

    /// Puts together the records that do not stand in the body as they are.
    fn assemble(&mut self, texts: &mut Vec<Bytes>) -> Result<(), DecodeError> {
        let (Some(columnar), Splitter::Json(json)) = (&mut self.columnar, &mut self.splitter) else { return Ok(()) };
        let found = std::mem::take(texts);
        let aside = json.take_aside();
        // Headers first: rows of the same chunk need not wait for them.
        for (target, text) in aside.into_iter().chain(found.into_iter().map(|text| (0, text))) {
            columnar.take(target, &text, texts)?;
        }
        Ok(())
    }

    fn remember(&mut self, texts: Vec<Bytes>) {
        self.count += texts.len() as u64;
        if self.first.is_none() {
            self.first = texts.first().cloned();
        }
        if let Some(last) = texts.last() {
            self.last = Some(last.clone());
        }
        let member_as = self.decoding.wrappings.iter().find_map(|wrapping| match wrapping {
            Wrapping::Zip(rules) => rules.member_as.clone(),
            _ => None,
        });
        match (member_as, &self.member) {
            (Some(name), Some(member)) => {
                let mut value = Vec::new();
                write_text(&mut value, member);
                let field = [(name, String::from_utf8_lossy(&value).into_owned())];
                self.waiting.extend(texts.iter().map(|text| add_fields(text, &field)));
            }
            _ => self.waiting.extend(texts),
        }
    }
}

impl Splitter {
    fn new(format: &Decoding, records: &RecordsManifest, wanted: &PageFacts) -> Self {
        match format {
            Decoding::Json => Self::Json(Box::new(json_splitter(records, wanted))),
            Decoding::JsonLines => Self::JsonLines(LineSplitter::default()),
            Decoding::Lines(lines) => Self::Lines(TextSplitter::new(lines)),
            Decoding::Csv(dialect) => Self::Csv(Box::new(CsvSplitter::new(dialect))),
            Decoding::Xml(rules) => Self::Xml(Box::new(XmlSplitter::new(rules, &records.path(), wanted.body.clone()))),
        }
    }

    fn push(&mut self, piece: &Bytes, texts: &mut Vec<Bytes>) -> Result<(), DecodeError> {
        match self {
            Self::Json(json) => json.push(piece, texts),
            Self::JsonLines(lines) => lines.push(piece, texts),
            Self::Lines(lines) => lines.push(piece, texts),
            Self::Csv(rows) => rows.push(piece, texts),
            Self::Xml(xml) => xml.push(piece, texts),
        }
    }
}

fn json_splitter(records: &RecordsManifest, wanted: &PageFacts) -> JsonSplitter {
    let fields = wanted.body.clone();
    match records {
        RecordsManifest::List(pointer) => JsonSplitter::new(pointer, fields),
        RecordsManifest::Each(each) => {
            let dressing = Dressing { keys: each.keys().to_vec(), wrap_as: each.wrap_as.clone() };
            let is_dressed = !dressing.keys.is_empty() || dressing.wrap_as.is_some();
            JsonSplitter::of(vec![Target::whole(&each.at)], is_dressed.then_some(dressing), fields)
        }
        columnar => JsonSplitter::of(Columnar::targets(columnar), None, fields),
    }
}

/// The wanted fields of a record.
fn fields_of(record: Option<&Bytes>, wanted: &[Pointer]) -> Vec<(Pointer, Option<Value>)> {
    let record: Option<Value> =
        record.filter(|_| !wanted.is_empty()).and_then(|text| serde_json::from_slice(text).ok());
    let field = |pointer: &Pointer| record.as_ref().and_then(|record| pointer.find(record)).cloned();
    wanted.iter().map(|pointer| (pointer.clone(), field(pointer))).collect()
}
