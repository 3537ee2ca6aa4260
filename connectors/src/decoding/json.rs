//! Splits a JSON body into records without parsing them, while it streams.
//!
//! One pass over the bytes: outside the list of records every token is read, inside a record only quotes and brackets are. A record is
//! a span of the chunk it came in; only one that straddles chunks is copied. What the body says beside the records (`has_more`, a next
//! token) is gathered on the way. Whether the inside of a record is valid is for whoever types it: one bad record must not cost a page.

use bytes::{Bytes, BytesMut};
use serde_json::Value;

use super::derived::{Named, add_fields, wrap, write_text};
use super::records::Path;
use super::scan;
use super::skip::{Skip, Skipped};
use super::{DecodeError, Pointer};

/// Deepest nesting of braces and brackets, counted from the body's first.
pub const NESTING_MAX: u32 = 128;
/// Largest record.
pub const RECORD_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Largest body field that is read; a larger one counts as present and no more.
const FIELD_BYTES_MAX: usize = 64 * 1024;
/// Longest name of a field on the way to records or facts.
const NAME_BYTES_MAX: usize = 4 * 1024;
/// What some servers put before a body.
const BYTE_ORDER_MARK: [u8; 3] = [0xEF, 0xBB, 0xBF];
/// Names of top fields that an error shows.
const NAMES_SHOWN: usize = 12;

/// What the next byte outside records may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expect {
    /// The body's first value.
    Root,
    /// A value, after `:` or `,` in a list.
    Value,
    /// A value or `]`, after `[`.
    ValueOrEnd,
    /// A name or `}`, after `{`.
    NameOrEnd,
    /// A name, after `,` in an object.
    Name,
    /// `:`.
    Colon,
    /// `,` or the end of the container.
    CommaOrEnd,
    /// White space only.
    Nothing,
}

/// A container that was entered because records or facts may be inside.
#[derive(Debug)]
struct Frame {
    is_object: bool,
    /// Of a list: how many elements began.
    elements: usize,
    /// It is a list whose elements a target takes.
    holds: Option<usize>,
}

/// Something in a body that is wanted with all its bytes.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "four claims about one place, of which any may hold")]
pub struct Target {
    path: Path,
    shown: String,
    /// The elements of the list there are wanted, and not the value itself.
    of_elements: bool,
    /// It may be a list, whose elements are wanted, or one value, which is wanted itself.
    is_either: bool,
    /// A body without it is an error.
    is_required: bool,
    is_found: bool,
}

impl Target {
    /// The elements of the list at a path.
    pub fn elements(pointer: &Pointer) -> Self {
        Self {
            path: Path::of(pointer),
            shown: pointer.to_string(),
            of_elements: true,
            is_either: false,
            is_required: true,
            is_found: false,
        }
    }

    /// The values at a path.
    pub fn whole(pointer: &Pointer) -> Self {
        Self { of_elements: false, ..Self::elements(pointer) }
    }

    /// The elements of a list at a path, or the value that stands there; nothing when nothing does.
    pub fn found(pointer: &Pointer) -> Self {
        Self { is_either: true, is_required: false, ..Self::elements(pointer) }
    }

    /// The same target, which may be absent.
    #[must_use]
    pub fn optional(self) -> Self {
        Self { is_required: false, ..self }
    }
}

/// Something that was found for another target than the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Aside {
    /// The target's place.
    pub target: usize,
    /// Its bytes.
    pub text: Bytes,
    /// The name under which it stands, where the target wants values.
    pub name: Option<String>,
}

/// What is written into each record that the splitter finds.
#[derive(Clone, Debug, Default)]
pub struct Dressing {
    /// Names for the keys at the last stars of the path, in order.
    pub keys: Vec<String>,
    /// The field that holds a value which is no object.
    pub wrap_as: Option<String>,
}

/// What a value that is not entered is taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Record(usize),
    Field(usize),
    Nothing,
}

/// Splits one JSON body; feed it chunks in order, then [`JsonSplitter::finish`].
#[derive(Debug)]
pub struct JsonSplitter {
    targets: Vec<Target>,
    dressing: Option<Dressing>,
    /// What was found for other targets than the first.
    aside: Vec<Aside>,
    fields: Vec<(Pointer, Option<Value>)>,
    stack: Vec<Frame>,
    path: Vec<String>,
    expect: Expect,
    name: Option<Name>,
    skip: Option<(Purpose, Skip)>,
    carry: BytesMut,
    offset: u64,
    has_begun: bool,
    names_seen: Vec<String>,
}

/// A field's name while it is read.
#[derive(Debug, Default)]
struct Name {
    raw: Vec<u8>,
    is_escaped: bool,
    is_too_long: bool,
}

impl JsonSplitter {
    /// A splitter for bodies whose records stand in the list at `records`, which also gathers `fields`.
    pub fn new(records: &Pointer, fields: Vec<Pointer>) -> Self {
        Self::of(vec![Target::elements(records)], None, fields)
    }

    /// A splitter that finds targets, of which the first are records, and also gathers `fields`.
    pub fn of(targets: Vec<Target>, dressing: Option<Dressing>, fields: Vec<Pointer>) -> Self {
        Self {
            targets,
            dressing,
            aside: Vec::new(),
            fields: fields.into_iter().map(|field| (field, None)).collect(),
            stack: Vec::new(),
            path: Vec::new(),
            expect: Expect::Root,
            name: None,
            skip: None,
            carry: BytesMut::new(),
            offset: 0,
            has_begun: false,
            names_seen: Vec::new(),
        }
    }

    /// Takes the next chunk and appends the records that end in it to `out`.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] when the body is not JSON, too deep, or a record is too large.
    pub fn push(&mut self, chunk: &Bytes, out: &mut Vec<Bytes>) -> Result<(), DecodeError> {
        self.take(chunk, usize::MAX, out).map(drop)
    }

    /// Takes the next chunk until `out` has `most` records, and returns how many bytes it took.
    pub(super) fn take(&mut self, chunk: &Bytes, most: usize, out: &mut Vec<Bytes>) -> Result<usize, DecodeError> {
        let mut at = 0;
        if !self.has_begun {
            at = self.begin(chunk)?;
        }
        while at < chunk.len() && out.len() < most {
            at = if self.skip.is_some() {
                self.go_on_skipping(chunk, at, at, out)?
            } else if self.name.is_some() {
                self.go_on_naming(chunk, at)?
            } else {
                self.step(chunk, at, out)?
            };
        }
        self.offset += at as u64;
        Ok(at)
    }

    /// Ends the body and returns the fields that were asked for.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Truncated`] when the body is not closed, [`DecodeError::Empty`] when nothing came.
    pub fn finish(&mut self) -> Result<Vec<(Pointer, Option<Value>)>, DecodeError> {
        if !self.has_begun {
            // Some APIs send nothing at all where there is nothing to list.
            if self.targets.first().is_some_and(|target| target.is_either) {
                return Ok(std::mem::take(&mut self.fields));
            }
            return Err(DecodeError::Empty);
        }
        if self.expect != Expect::Nothing {
            return Err(DecodeError::Truncated { at: self.offset });
        }
        Ok(std::mem::take(&mut self.fields))
    }

    /// Whether the last chunk ended within a record.
    pub fn is_within_record(&self) -> bool {
        matches!(self.skip, Some((Purpose::Record(_), _)))
    }

    /// What was found for other targets than the first since the last call.
    pub fn take_aside(&mut self) -> Vec<Aside> {
        std::mem::take(&mut self.aside)
    }

    /// Whether everything came that must.
    pub(super) fn found_records(&self) -> Result<(), DecodeError> {
        match self.targets.iter().find(|target| target.is_required && !target.is_found) {
            Some(missing) => {
                Err(DecodeError::RecordsMissing { pointer: missing.shown.clone(), names: self.names_seen.join("`, `") })
            }
            None => Ok(()),
        }
    }

    /// Skips white space and a byte order mark, and looks whether this can be JSON at all.
    fn begin(&mut self, chunk: &[u8]) -> Result<usize, DecodeError> {
        let is_skipped = |(place, byte): &(u64, &u8)| {
            let mark = usize::try_from(*place).ok().and_then(|place| BYTE_ORDER_MARK.get(place));
            mark == Some(byte) || byte.is_ascii_whitespace()
        };
        let at = (self.offset..).zip(chunk).take_while(is_skipped).count();
        if at == chunk.len() {
            return Ok(at);
        }
        let start = chunk.get(at..).unwrap_or_default();
        match start.first() {
            Some(b'{' | b'[') => {
                self.has_begun = true;
                Ok(at)
            }
            Some(b'<') => Err(DecodeError::Html { snippet: snippet(start) }),
            _ => Err(DecodeError::NotJson {
                at: self.offset + at as u64,
                reason: format!("it begins with `{}`", snippet(start)),
            }),
        }
    }

    /// Reads one token outside records.
    fn step(&mut self, chunk: &Bytes, at: usize, out: &mut Vec<Bytes>) -> Result<usize, DecodeError> {
        let Some(&byte) = chunk.get(at) else { return Ok(at) };
        if byte.is_ascii_whitespace() {
            return Ok(at + 1);
        }
        match (self.expect, byte) {
            (Expect::NameOrEnd | Expect::CommaOrEnd, b'}') => self.close(true, at),
            (Expect::ValueOrEnd | Expect::CommaOrEnd, b']') => self.close(false, at),
            (Expect::NameOrEnd | Expect::Name, b'"') => {
                self.name = Some(Name::default());
                Ok(at + 1)
            }
            (Expect::Colon, b':') => {
                self.expect = Expect::Value;
                Ok(at + 1)
            }
            (Expect::CommaOrEnd, b',') => {
                let is_object = self.stack.last().is_some_and(|frame| frame.is_object);
                self.expect = if is_object { Expect::Name } else { Expect::Value };
                Ok(at + 1)
            }
            (Expect::Root | Expect::Value | Expect::ValueOrEnd, _) => self.value(chunk, at, byte, out),
            (Expect::Nothing, _) => Err(DecodeError::Trailing { at: self.offset + at as u64 }),
            _ => Err(self.unexpected(at, byte)),
        }
    }

    /// Begins a value: enters it, or skips it for a purpose.
    fn value(&mut self, chunk: &Bytes, at: usize, byte: u8, out: &mut Vec<Bytes>) -> Result<usize, DecodeError> {
        let is_container = matches!(byte, b'{' | b'[');
        self.mark_parent();
        if let Some(frame) = self.stack.last_mut() {
            if let Some(target) = frame.holds {
                return self.begin_skipping(chunk, at, byte, Purpose::Record(target), out);
            }
            let index = frame.elements;
            frame.elements += 1;
            if !frame.is_object {
                self.path.push(index.to_string());
            }
        }
        if let Some(target) = self.targets.iter().position(|target| target.path.is(&self.path)) {
            return self.target(target, chunk, at, byte, out);
        }
        let leads_on = |pointer: &Pointer| {
            pointer.segments().len() > self.path.len() && pointer.segments().starts_with(&self.path)
        };
        let leads_to_target = self.targets.iter().any(|target| target.path.leads_on(&self.path));
        if is_container && (leads_to_target || self.fields.iter().any(|(field, _)| leads_on(field))) {
            for target in self.targets.iter_mut().filter(|target| target.path.has_stars() && !target.of_elements) {
                target.is_found |= target.path.has_star_after(&self.path, true);
            }
            return self.enter(byte, at, None);
        }
        let field = self.fields.iter().position(|(field, _)| field.segments() == self.path);
        self.begin_skipping(chunk, at, byte, field.map_or(Purpose::Nothing, Purpose::Field), out)
    }

    /// Begins a value that a target wants, or the list whose elements it wants.
    fn target(
        &mut self,
        place: usize,
        chunk: &Bytes,
        at: usize,
        byte: u8,
        out: &mut Vec<Bytes>,
    ) -> Result<usize, DecodeError> {
        let Some(target) = self.targets.get_mut(place) else { return Ok(at) };
        if target.is_either && byte != b'[' {
            target.is_found = true;
            let purpose = if byte == b'{' { Purpose::Record(place) } else { Purpose::Nothing };
            return self.begin_skipping(chunk, at, byte, purpose, out);
        }
        let wrong = |found| DecodeError::RecordsNotAList { pointer: target.shown.clone(), found };
        let is_null = byte == b'n';
        if target.of_elements && byte != b'[' && !(is_null && (target.path.has_stars() || !target.is_required)) {
            return Err(wrong(kind_of(byte)));
        }
        if !target.of_elements && is_null && target.is_required && !target.path.has_stars() {
            return Err(wrong("null"));
        }
        if target.is_found && !target.path.has_stars() {
            return Err(DecodeError::NotJson {
                at: self.offset + at as u64,
                reason: format!("`{}` stands twice in it", target.shown),
            });
        }
        target.is_found = true;
        match (target.of_elements, is_null) {
            (true, false) => self.enter(byte, at, Some(place)),
            (true, true) => self.begin_skipping(chunk, at, byte, Purpose::Nothing, out),
            (false, _) => self.begin_skipping(chunk, at, byte, Purpose::Record(place), out),
        }
    }

    /// A field that was entered for the sake of fields inside it is not read whole, but that something is in it is known.
    fn mark_parent(&mut self) {
        let depth = self.stack.len().saturating_sub(1);
        let Some(parent) = self.path.get(..depth).filter(|parent| !parent.is_empty()) else { return };
        if let Some((_, slot)) = self.fields.iter_mut().find(|(field, _)| field.segments() == parent) {
            *slot = Some(Value::Bool(true));
        }
    }

    fn enter(&mut self, byte: u8, at: usize, holds: Option<usize>) -> Result<usize, DecodeError> {
        if self.depth() >= NESTING_MAX {
            return Err(DecodeError::TooDeep { limit: NESTING_MAX });
        }
        let is_object = byte == b'{';
        self.stack.push(Frame { is_object, elements: 0, holds });
        self.expect = if is_object { Expect::NameOrEnd } else { Expect::ValueOrEnd };
        Ok(at + 1)
    }

    fn depth(&self) -> u32 {
        u32::try_from(self.stack.len()).unwrap_or(u32::MAX)
    }

    fn close(&mut self, is_object: bool, at: usize) -> Result<usize, DecodeError> {
        match self.stack.pop() {
            Some(frame) if frame.is_object == is_object => {
                // Nothing in it could have been found: then nothing is missing.
                if frame.elements == 0 && frame.holds.is_none() {
                    for target in self.targets.iter_mut().filter(|target| target.path.has_stars()) {
                        target.is_found |= target.path.has_star_after(&self.path, false);
                    }
                }
                self.after_value();
                Ok(at + 1)
            }
            _ => Err(self.unexpected(at, if is_object { b'}' } else { b']' })),
        }
    }

    /// A value has ended: leaves its place and expects what may follow.
    fn after_value(&mut self) {
        if self.stack.last().is_some_and(|frame| frame.holds.is_none()) {
            self.path.pop();
        }
        self.expect = if self.stack.is_empty() { Expect::Nothing } else { Expect::CommaOrEnd };
    }

    fn begin_skipping(
        &mut self,
        chunk: &Bytes,
        at: usize,
        byte: u8,
        purpose: Purpose,
        out: &mut Vec<Bytes>,
    ) -> Result<usize, DecodeError> {
        let skip = Skip::begin(byte).ok_or_else(|| self.unexpected(at, byte))?;
        self.skip = Some((purpose, skip));
        self.go_on_skipping(chunk, at, at + 1, out)
    }

    /// Goes on to the end of a value that began at `start`, or in an earlier chunk, and hands it to its purpose.
    fn go_on_skipping(
        &mut self,
        chunk: &Bytes,
        start: usize,
        at: usize,
        out: &mut Vec<Bytes>,
    ) -> Result<usize, DecodeError> {
        let base = self.depth();
        let Some((purpose, skip)) = self.skip.as_mut() else { return Ok(at) };
        let purpose = *purpose;
        let skipped = skip.run_to_end(chunk, at, base).map_err(|error| error.shifted(self.offset))?;
        let Skipped::Until(end) = skipped else {
            self.keep(purpose, chunk.get(start..).unwrap_or_default())?;
            return Ok(chunk.len());
        };
        if let Purpose::Record(target) = purpose {
            let text = if self.carry.is_empty() {
                if end - start > RECORD_BYTES_MAX {
                    return Err(DecodeError::RecordTooLarge { limit: RECORD_BYTES_MAX });
                }
                chunk.slice(start..end)
            } else {
                self.keep(purpose, chunk.get(start..end).unwrap_or_default())?;
                self.carry.split().freeze()
            };
            if target > 0 {
                let wants_values = self.targets.get(target).is_some_and(|target| !target.of_elements);
                let name = if wants_values { self.path.last().cloned() } else { None };
                self.aside.push(Aside { target, text, name });
            } else if self.take_fields(&text) && Self::is_blank(&text) {
                // An object without fields stands for no record.
            } else if let Some(dressing) = &self.dressing {
                out.push(self.dress(&text, dressing));
            } else {
                out.push(text);
            }
        } else if let Purpose::Field(index) = purpose {
            self.keep(purpose, chunk.get(start..end).unwrap_or_default())?;
            let text = self.carry.split();
            let value = if text.len() > FIELD_BYTES_MAX {
                Value::Bool(true)
            } else {
                serde_json::from_slice(&text).map_err(|error| DecodeError::NotJson {
                    at: self.offset + start as u64,
                    reason: format!("a field beside the records is broken: {error}"),
                })?
            };
            if let Some((_, slot)) = self.fields.get_mut(index) {
                *slot = Some(value);
            }
        }
        self.skip = None;
        self.after_value();
        Ok(end)
    }

    /// Takes the wanted fields out of a record that is one value of the body, because nobody looked into it on the way.
    fn take_fields(&mut self, text: &Bytes) -> bool {
        let is_one = self.targets.first().is_some_and(|target| target.is_either)
            && self.stack.last().is_none_or(|frame| frame.holds.is_none());
        let path = &self.path;
        let inside = |pointer: &Pointer| pointer.segments().strip_prefix(path.as_slice()).map(<[String]>::to_vec);
        if is_one
            && self.fields.iter().any(|(field, _)| inside(field).is_some_and(|rest| !rest.is_empty()))
            && let Ok(record) = serde_json::from_slice::<Value>(text)
        {
            for (field, slot) in &mut self.fields {
                let Some(rest) = inside(field) else { continue };
                let found = rest.iter().try_fold(&record, |value, name| match value {
                    Value::Object(fields) => fields.get(name),
                    Value::Array(items) => items.get(name.parse::<usize>().ok()?),
                    _ => None,
                });
                *slot = found.cloned();
            }
        }
        is_one
    }

    /// Whether an object has no fields.
    fn is_blank(text: &Bytes) -> bool {
        text.iter().filter(|byte| !byte.is_ascii_whitespace()).eq(b"{}")
    }

    /// A record with the keys that led to it, and in the field that it is wrapped in.
    fn dress(&self, text: &Bytes, dressing: &Dressing) -> Bytes {
        let places: Vec<usize> =
            self.targets.first().map(|target| target.path.star_places().collect()).unwrap_or_default();
        let skipped = places.len().saturating_sub(dressing.keys.len());
        let key = |(name, place): (&String, &usize)| {
            let segment = self.path.get(*place)?;
            let is_name = self.stack.get(*place).is_some_and(|frame| frame.is_object);
            let mut value = Vec::new();
            if is_name {
                write_text(&mut value, segment);
            } else {
                value.extend_from_slice(segment.as_bytes());
            }
            Some((name.clone(), String::from_utf8(value).ok()?))
        };
        let keys: Vec<Named> = dressing.keys.iter().zip(places.iter().skip(skipped)).filter_map(key).collect();
        match &dressing.wrap_as {
            Some(name) => add_fields(&wrap(name, text), &keys),
            None => add_fields(text, &keys),
        }
    }

    /// Copies what a later chunk will need.
    fn keep(&mut self, purpose: Purpose, bytes: &[u8]) -> Result<(), DecodeError> {
        match purpose {
            Purpose::Nothing => {}
            Purpose::Record(_) => {
                if self.carry.len() + bytes.len() > RECORD_BYTES_MAX {
                    return Err(DecodeError::RecordTooLarge { limit: RECORD_BYTES_MAX });
                }
                self.carry.extend_from_slice(bytes);
            }
            Purpose::Field(_) => {
                let room = (FIELD_BYTES_MAX + 1).saturating_sub(self.carry.len());
                self.carry.extend_from_slice(bytes.get(..room.min(bytes.len())).unwrap_or_default());
            }
        }
        Ok(())
    }

    /// Goes on with a field's name to its closing quote.
    fn go_on_naming(&mut self, chunk: &Bytes, start: usize) -> Result<usize, DecodeError> {
        let Some(name) = self.name.as_mut() else { return Ok(start) };
        let mut at = start;
        let end = loop {
            if name.is_escaped {
                name.is_escaped = false;
                at += 1;
            }
            let Some(next) = scan::quote_or_backslash(chunk.get(at..).unwrap_or_default()) else { break None };
            at += next;
            if chunk.get(at) == Some(&b'"') {
                break Some(at);
            }
            name.is_escaped = true;
            at += 1;
            if at >= chunk.len() {
                break None;
            }
        };
        let bytes = chunk.get(start..end.unwrap_or(chunk.len())).unwrap_or_default();
        if name.raw.len() + bytes.len() > NAME_BYTES_MAX {
            name.is_too_long = true;
        } else {
            name.raw.extend_from_slice(bytes);
        }
        let Some(end) = end else { return Ok(chunk.len()) };
        let name = self.name.take().unwrap_or_default();
        let text = name.into_text().ok_or_else(|| DecodeError::NotJson {
            at: self.offset + start as u64,
            reason: "the name of a field is broken".to_owned(),
        })?;
        if self.stack.len() == 1 && self.names_seen.len() < NAMES_SHOWN {
            self.names_seen.push(text.clone());
        }
        self.path.push(text);
        self.expect = Expect::Colon;
        Ok(end + 1)
    }

    fn unexpected(&self, at: usize, byte: u8) -> DecodeError {
        let found = if byte.is_ascii_graphic() { char::from(byte).to_string() } else { format!("\\x{byte:02x}") };
        DecodeError::NotJson { at: self.offset + at as u64, reason: format!("`{found}` does not belong there") }
    }
}

impl Name {
    /// The unescaped name; a name that is too long matches nothing and stands as an empty one.
    fn into_text(self) -> Option<String> {
        if self.is_too_long {
            return Some(String::new());
        }
        if !self.raw.contains(&b'\\') {
            return String::from_utf8(self.raw).ok();
        }
        let mut quoted = Vec::with_capacity(self.raw.len() + 2);
        quoted.push(b'"');
        quoted.extend_from_slice(&self.raw);
        quoted.push(b'"');
        serde_json::from_slice(&quoted).ok()
    }
}

fn kind_of(byte: u8) -> &'static str {
    match byte {
        b'{' => "an object",
        b'"' => "a text",
        b'n' => "null",
        b't' | b'f' => "a boolean",
        _ => "a number",
    }
}

/// Whether a body that should hold rows or lines begins like a page for people.
pub(super) fn html(bytes: &[u8]) -> bool {
    let start = bytes.get(..bytes.len().min(15)).unwrap_or_default().to_ascii_lowercase();
    start.starts_with(b"<!doctype html") || start.starts_with(b"<html")
}

/// Whether a body that should hold rows or lines begins like a JSON object, or a list of them: an error under a good status.
pub(super) fn json_object(bytes: &[u8]) -> bool {
    let after = |start: &[u8]| start.get(1..).unwrap_or_default().trim_ascii_start().first().copied();
    let is_object = |start: &[u8]| start.first() == Some(&b'{') && matches!(after(start), Some(b'"' | b'}'));
    let start = bytes.trim_ascii_start();
    let inner = start.strip_prefix(b"[").map(<[u8]>::trim_ascii_start);
    is_object(start) || inner.is_some_and(is_object)
}

/// The first printable characters of a body, for an error.
pub(super) fn snippet(bytes: &[u8]) -> String {
    let start = bytes.get(..bytes.len().min(80)).unwrap_or_default();
    String::from_utf8_lossy(start).chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
