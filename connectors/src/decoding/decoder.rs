//! Decodes one body: wrappings are undone, the format is split into records, and what pagination needs is remembered.
//!
//! Records come in batches of bounded size, however much a chunk inflates to. A JSON body that is not wrapped goes straight to its
//! splitter, and its records are spans of the chunk.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::{Buf, Bytes};
use headwater_contract::Digest16;
use serde_json::Value;

use super::columnar::{Columnar, hold};
use super::csv::CsvSplitter;
use super::derived::{add_fields, field_names, write_text};
use super::file::FileSplitter;
use super::format::{BodyDecoding, Decoding, Wrapping};
use super::json::{Aside, Dressing, JsonSplitter, Target};
use super::json_lines::LineSplitter;
use super::lines::TextSplitter;
use super::records::RecordsManifest;
use super::wrapping::{Pulled, Unwrapper};
use super::xml::XmlSplitter;
use super::{BodyFacts, DecodeError, Ended, PageFacts, Pointer};
use crate::expression::Scope;
use crate::parents::Given;
use crate::shaping::{Lookup, LookupKey, PageSides, Shape, settings_value};

/// Bytes of derived records that a batch holds, more or less.
const BATCH_BYTES: usize = 8 * 1024 * 1024;
/// Records that a batch holds: one is a few words of memory beside its bytes, which counts where records are a few bytes each.
const BATCH_RECORDS: usize = 65_536;
/// Bytes that are split at once where no splitter stops by itself when it has found enough.
const PIECE_BYTES: usize = 256 * 1024;
/// Names of fields that an error shows.
const NAMES_SHOWN: usize = 12;

#[derive(Debug)]
enum Splitter {
    Json(Box<JsonSplitter>),
    JsonLines(LineSplitter),
    Lines(TextSplitter),
    Csv(Box<CsvSplitter>),
    Xml(Box<XmlSplitter>),
    File(Box<FileSplitter>),
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

/// What the records of a body go through after they are split.
#[derive(Debug)]
struct Shaper {
    shape: Arc<Shape>,
    settings: minijinja::Value,
    /// What the request was made with.
    given: minijinja::Value,
    /// How each `include` step finds the keys of what it joins.
    keys: Vec<LookupKey>,
    /// What the page has said so far beside its records.
    gathered: Vec<Lookup>,
    /// What the whole page said.
    sides: PageSides,
    needs_whole_page: bool,
    /// Records that wait for the end of the page.
    held: VecDeque<Bytes>,
    held_bytes: usize,
    dropped: u64,
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
    /// What is left of the bytes that the splitter is given.
    piece: Bytes,
    splitter: Splitter,
    columnar: Option<Columnar>,
    shaper: Option<Shaper>,
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
            splitter: Splitter::new(&decoding.format, records, wanted, &[]),
            shaper: None,
            columnar: Columnar::new(records),
            decoding: decoding.clone(),
            records: records.clone(),
            wanted: wanted.clone(),
            content_type: None,
            way: Way::Unknown,
            is_last: false,
            has_ended: false,
            piece: Bytes::new(),
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

    /// The same decoder, which also shapes the records that it splits; `scope` has the settings that expressions name, `given` what the
    /// request was made with.
    #[must_use]
    pub fn with_shape(mut self, shape: Option<&Arc<Shape>>, scope: &Scope, given: Option<&Given>) -> Self {
        let Some(shape) = shape else { return self };
        for field in shape.body_fields() {
            self.wanted = self.wanted.body_field(field);
        }
        self.body = self.wanted.body.iter().map(|pointer| (pointer.clone(), None)).collect();
        let shaper = Shaper::new(shape, scope, given);
        self.splitter = Splitter::new(&self.decoding.format, &self.records, &self.wanted, &shaper.targets());
        self.shaper = Some(shaper);
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
                if let Some(shaper) = &mut self.shaper {
                    bytes += shaper.shape(&text, &mut texts);
                } else {
                    bytes += text.len();
                    texts.push(text);
                }
                if texts.len() >= BATCH_RECORDS || (bytes >= BATCH_BYTES && self.derives()) {
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
            Splitter::File(file) => file.is_within_record(),
        };
        let holds = self.columnar.as_ref().is_some_and(Columnar::holds)
            || self.shaper.as_ref().is_some_and(|shaper| !shaper.held.is_empty());
        is_within || holds || matches!(&self.way, Way::Wrapped(unwrapper) if unwrapper.holds())
    }

    /// Whether a record may come from any byte before it, as in an archive, whose directory stands at its end.
    pub fn reaches_back(&self) -> bool {
        self.member.is_some() || self.shaper.as_ref().is_some_and(|shaper| shaper.needs_whole_page)
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
        let dropped = self.shaper.as_ref().map_or(0, |shaper| shaper.dropped);
        let found = self.found.clone().and_then(|()| self.known_record());
        let facts = BodyFacts { count: self.count, dropped, body: self.body, first, last, digest };
        Ok(Ended { records, facts, found })
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
        self.derives_records() || self.shaper.is_some() || matches!(self.way, Way::Wrapped(_))
    }

    fn derives_records(&self) -> bool {
        self.decoding.format.derives() || self.columnar.is_some()
    }

    /// Splits the next piece; false when nothing is left of what was fed.
    fn split_on(&mut self) -> Result<bool, DecodeError> {
        if !self.piece.is_empty() {
            self.split_piece()?;
            return Ok(true);
        }
        let derives = self.derives_records();
        let pulled = match &mut self.way {
            Way::Wrapped(unwrapper) => unwrapper.pull()?,
            Way::Direct(chunk) if !chunk.is_empty() => {
                // Only JSON stops in the middle of a piece when it has found enough.
                let stops = matches!(self.splitter, Splitter::Json(_)) && !derives;
                let length = if stops { chunk.len() } else { chunk.len().min(PIECE_BYTES) };
                Pulled::Piece(chunk.split_to(length))
            }
            Way::Direct(_) | Way::Unknown if self.is_last => Pulled::End,
            Way::Direct(_) | Way::Unknown => Pulled::Wait,
        };
        match pulled {
            Pulled::Piece(piece) => {
                self.piece = piece;
                self.split_piece()?;
                Ok(true)
            }
            Pulled::Member(name) => {
                let is_within = matches!(&self.way, Way::Wrapped(unwrapper) if unwrapper.is_within_member());
                if self.member.is_some() && !is_within {
                    self.end_splitter()?;
                    let targets = self.shaper.as_ref().map(Shaper::targets).unwrap_or_default();
                    self.splitter = Splitter::new(&self.decoding.format, &self.records, &self.wanted, &targets);
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

    /// Splits the piece that is being split, or as much of it as makes a batch.
    fn split_piece(&mut self) -> Result<(), DecodeError> {
        let mut texts = Vec::new();
        let taken = self.splitter.push(&self.piece, &mut texts)?;
        self.piece.advance(taken);
        self.split += taken as u64;
        self.assemble(&mut texts)?;
        self.remember(texts)
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
            Splitter::File(file) => texts.push(file.finish(self.content_type.as_deref())),
        }
        self.remember(texts)?;
        if let Some(shaper) = &mut self.shaper {
            self.waiting.extend(shaper.end_page(&self.body));
        }
        Ok(())
    }

    /// Refuses an object that stands where the one record should and has none of its fields: the path of a whole body leads to anything.
    fn known_record(&self) -> Result<(), DecodeError> {
        let Some(record) = self.first.as_ref().filter(|_| !self.wanted.some_of.is_empty()) else { return Ok(()) };
        let names: Vec<String> = field_names(record);
        if names.iter().any(|name| self.wanted.some_of.contains(name)) {
            return Ok(());
        }
        let names = names.iter().take(NAMES_SHOWN).map(String::as_str).collect::<Vec<_>>().join("`, `");
        Err(DecodeError::RecordForeign { pointer: self.records.path().to_string(), names })
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

    /// Puts together the records that do not stand in the body as they are, and keeps what is joined to them.
    fn assemble(&mut self, texts: &mut Vec<Bytes>) -> Result<(), DecodeError> {
        let Splitter::Json(json) = &mut self.splitter else { return Ok(()) };
        if self.columnar.is_none() && self.shaper.as_ref().is_none_or(|shaper| shaper.keys.is_empty()) {
            return Ok(());
        }
        let own = Columnar::targets(&self.records).len().max(1);
        let mut asides = json.take_aside();
        if let Some(shaper) = &mut self.shaper {
            for aside in asides.extract_if(.., |aside| aside.target >= own) {
                shaper.gather(aside.target - own, &aside)?;
            }
        }
        let Some(columnar) = &mut self.columnar else { return Ok(()) };
        // Headers first: rows of the same chunk need not wait for them.
        let found = std::mem::take(texts);
        for Aside { target, text, .. } in asides {
            columnar.take(target, &text, texts)?;
        }
        for text in found {
            columnar.take(0, &text, texts)?;
        }
        Ok(())
    }

    fn remember(&mut self, texts: Vec<Bytes>) -> Result<(), DecodeError> {
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
        let texts = match (member_as, &self.member) {
            (Some(name), Some(member)) => {
                let mut value = Vec::new();
                write_text(&mut value, member);
                let field = [(name, String::from_utf8_lossy(&value).into_owned())];
                texts.iter().map(|text| add_fields(text, &field)).collect()
            }
            _ => texts,
        };
        match &mut self.shaper {
            Some(shaper) if shaper.needs_whole_page => shaper.hold(texts),
            _ => {
                self.waiting.extend(texts);
                Ok(())
            }
        }
    }
}

impl Shaper {
    fn new(shape: &Arc<Shape>, scope: &Scope, given: Option<&Given>) -> Self {
        let keys: Vec<LookupKey> = shape.includes().map(crate::shaping::IncludeManifest::lookup_key).collect();
        Self {
            settings: settings_value(scope),
            given: given.map_or_else(minijinja::Value::default, Given::value),
            gathered: vec![Lookup::new(); keys.len()],
            keys,
            sides: PageSides::default(),
            needs_whole_page: shape.needs_whole_page(),
            held: VecDeque::new(),
            held_bytes: 0,
            dropped: 0,
            shape: Arc::clone(shape),
        }
    }

    /// What must be found in a body for the steps that join.
    fn targets(&self) -> Vec<Target> {
        let target = |include: &crate::shaping::IncludeManifest| {
            let target = if include.takes_values() { Target::whole } else { Target::elements };
            target(&include.from).optional()
        };
        self.shape.includes().map(target).collect()
    }

    fn gather(&mut self, place: usize, aside: &Aside) -> Result<(), DecodeError> {
        hold(&mut self.held_bytes, &aside.text)?;
        let Ok(text) = std::str::from_utf8(&aside.text) else { return Ok(()) };
        let key = self.keys.get(place).and_then(|key| key.of(text, aside.name.as_deref()));
        if let (Some(key), Some(lookup)) = (key, self.gathered.get_mut(place)) {
            lookup.insert(key, text.to_owned());
        }
        Ok(())
    }

    fn hold(&mut self, texts: Vec<Bytes>) -> Result<(), DecodeError> {
        for text in texts {
            hold(&mut self.held_bytes, &text)?;
            self.held.push_back(text);
        }
        Ok(())
    }

    /// The page has said everything: its records can be shaped.
    fn end_page(&mut self, body: &[(Pointer, Option<Value>)]) -> VecDeque<Bytes> {
        self.sides.lookups = self.gathered.iter_mut().map(std::mem::take).collect();
        self.sides.body = body.to_vec();
        self.held_bytes = 0;
        std::mem::take(&mut self.held)
    }

    /// Shapes one record, and returns how many bytes became of it.
    fn shape(&mut self, text: &Bytes, out: &mut Vec<Bytes>) -> usize {
        let before = out.len();
        self.dropped += self.shape.apply(text, &self.settings, &self.given, &self.sides, out);
        out.get(before..).unwrap_or_default().iter().map(Bytes::len).sum()
    }
}

impl Splitter {
    fn new(format: &Decoding, records: &RecordsManifest, wanted: &PageFacts, joined: &[Target]) -> Self {
        match format {
            Decoding::Json => Self::Json(Box::new(json_splitter(records, wanted, joined))),
            Decoding::JsonLines => Self::JsonLines(LineSplitter::default()),
            Decoding::Lines(lines) => Self::Lines(TextSplitter::new(lines)),
            Decoding::Csv(dialect) => Self::Csv(Box::new(CsvSplitter::new(dialect))),
            Decoding::File(file) => Self::File(Box::new(FileSplitter::new(file))),
            Decoding::Xml(rules) => Self::Xml(Box::new(XmlSplitter::new(rules, &records.path(), wanted.body.clone()))),
        }
    }

    /// Splits a piece, or as much of it as makes a batch; returns how many bytes were taken.
    fn push(&mut self, piece: &Bytes, texts: &mut Vec<Bytes>) -> Result<usize, DecodeError> {
        match self {
            Self::Json(json) => return json.take(piece, BATCH_RECORDS, texts),
            Self::JsonLines(lines) => lines.push(piece, texts)?,
            Self::Lines(lines) => lines.push(piece, texts)?,
            Self::Csv(rows) => rows.push(piece, texts)?,
            Self::Xml(xml) => xml.push(piece, texts)?,
            Self::File(file) => file.push(piece)?,
        }
        Ok(piece.len())
    }
}

fn json_splitter(records: &RecordsManifest, wanted: &PageFacts, joined: &[Target]) -> JsonSplitter {
    let mut dressing = None;
    let mut targets = match records {
        RecordsManifest::List(pointer) => vec![Target::elements(pointer)],
        RecordsManifest::Found(pointer) => vec![Target::found(pointer)],
        RecordsManifest::Each(each) => {
            let asked = Dressing { keys: each.keys().to_vec(), wrap_as: each.wrap_as.clone() };
            dressing = Some(asked).filter(|asked| !asked.keys.is_empty() || asked.wrap_as.is_some());
            vec![Target::whole(&each.at)]
        }
        columnar => Columnar::targets(columnar),
    };
    targets.extend_from_slice(joined);
    JsonSplitter::of(targets, dressing, wanted.body.clone())
}

/// The wanted fields of a record.
fn fields_of(record: Option<&Bytes>, wanted: &[Pointer]) -> Vec<(Pointer, Option<Value>)> {
    let record: Option<Value> =
        record.filter(|_| !wanted.is_empty()).and_then(|text| serde_json::from_slice(text).ok());
    let field = |pointer: &Pointer| record.as_ref().and_then(|record| pointer.find(record)).cloned();
    wanted.iter().map(|pointer| (pointer.clone(), field(pointer))).collect()
}
