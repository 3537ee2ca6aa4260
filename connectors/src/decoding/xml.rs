//! Splits an XML body into records while it streams: every element at the path of the records becomes one JSON object.
//!
//! An element that holds only text is that text, an empty one is null. Attributes stand under `@name`, text beside them under `#text`. What
//! stands once and what stands often look alike where the manifest lists it under `lists`. Entities that a document declares are not
//! expanded, so none can grow: a reference that XML does not know stays as it was written.

use std::borrow::Cow;

use bytes::{Bytes, BytesMut};
use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};
use quick_xml::name::{NamespaceResolver, QName, ResolveResult};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::derived::write_text;
use super::json::{NESTING_MAX, RECORD_BYTES_MAX, html, snippet};
use super::records::Path;
use super::{DecodeError, Pointer};
use crate::manifest::Ordered;

/// Most different names in one element.
const NAMES_MAX: usize = 10_000;
/// Names of elements that an error shows.
const NAMES_SHOWN: usize = 12;
/// Longest reference, such as `&amp;`.
const REFERENCE_BYTES_MAX: usize = 32;
/// What text is called that stands beside attributes or elements.
const TEXT: &str = "#text";

/// How XML becomes JSON, as written in a manifest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct XmlManifest {
    /// JSON pointers, within a record, to elements that are lists however often they stand there, e.g. `/category`.
    pub lists: Vec<Pointer>,
    /// What becomes of namespaces; names stay as the document writes them when absent.
    pub namespaces: Namespaces,
}

/// What becomes of namespaces in names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Namespaces {
    /// Names stay as they are written, with their prefix.
    #[default]
    AsWritten,
    /// Prefixes are dropped.
    Strip,
    /// Names of these namespaces get these prefixes, whatever the document calls them; others stay as they are written.
    Named(Ordered<String>),
}

/// An element of a record that is still open.
#[derive(Debug, Default)]
struct Element {
    /// JSON texts by name, in the order of first appearance.
    members: Vec<(String, Vec<Vec<u8>>)>,
    text: String,
}

/// Splits one XML body.
#[derive(Debug)]
pub(super) struct XmlSplitter {
    rules: XmlManifest,
    records: Path,
    shown: String,
    fields: Vec<(Pointer, Option<Value>)>,
    carry: BytesMut,
    /// Names of the open elements, as fields are called and as they are written.
    path: Vec<String>,
    written: Vec<Vec<u8>>,
    namespaces: NamespaceResolver,
    /// The open elements of the record, from the record itself.
    record: Vec<Element>,
    record_bytes: usize,
    /// Text outside records.
    text: String,
    has_begun: bool,
    has_ended: bool,
    is_found: bool,
    offset: u64,
    names_seen: Vec<String>,
}

impl XmlSplitter {
    pub(super) fn new(rules: &XmlManifest, records: &Pointer, fields: Vec<Pointer>) -> Self {
        Self {
            rules: rules.clone(),
            records: Path::of(records),
            shown: records.to_string(),
            fields: fields.into_iter().map(|field| (field, None)).collect(),
            carry: BytesMut::new(),
            path: Vec::new(),
            written: Vec::new(),
            namespaces: NamespaceResolver::default(),
            record: Vec::new(),
            record_bytes: 0,
            text: String::new(),
            has_begun: false,
            has_ended: false,
            is_found: false,
            offset: 0,
            names_seen: Vec::new(),
        }
    }

    /// Takes the next piece and appends the records that end in it.
    pub(super) fn push(&mut self, piece: &[u8], out: &mut Vec<Bytes>) -> Result<(), DecodeError> {
        self.carry.extend_from_slice(piece);
        self.parse(false, out)
    }

    /// Ends the body.
    pub(super) fn finish(&mut self, out: &mut Vec<Bytes>) -> Result<Vec<(Pointer, Option<Value>)>, DecodeError> {
        self.parse(true, out)?;
        if !self.has_begun {
            return Err(DecodeError::Empty);
        }
        if !self.has_ended {
            return Err(DecodeError::Truncated { at: self.offset });
        }
        Ok(std::mem::take(&mut self.fields))
    }

    pub(super) fn is_within_record(&self) -> bool {
        !self.record.is_empty()
    }

    /// Whether the element that holds the records came.
    pub(super) fn found_records(&self) -> Result<(), DecodeError> {
        if self.is_found {
            return Ok(());
        }
        Err(DecodeError::RecordsMissing { pointer: self.shown.clone(), names: self.names_seen.join("`, `") })
    }

    fn broken(&self, at: u64, reason: impl Into<String>) -> DecodeError {
        DecodeError::NotXml { at: self.offset + at, reason: reason.into() }
    }

    /// Reads all events that are whole, and keeps the rest for the next piece.
    fn parse(&mut self, is_last: bool, out: &mut Vec<Bytes>) -> Result<(), DecodeError> {
        let bytes = self.carry.split().freeze();
        if !self.begin(&bytes, is_last)? {
            self.carry.extend_from_slice(&bytes);
            return Ok(());
        }
        let whole = if is_last { bytes.len() } else { whole_characters(&bytes) };
        let input = bytes.get(..whole).unwrap_or_default();
        let mut reader = Reader::from_reader(input);
        let config = reader.config_mut();
        config.allow_dangling_amp = true;
        config.allow_unmatched_ends = true;
        config.check_end_names = false;
        config.expand_empty_elements = true;
        let read = loop {
            let before = reader.buffer_position();
            match reader.read_event() {
                Ok(Event::Eof) => break whole,
                Ok(event) => self.event(&event, before, out)?,
                Err(quick_xml::Error::Syntax(_)) if !is_last => break usize::try_from(before).unwrap_or(whole),
                Err(quick_xml::Error::Syntax(_)) => {
                    return Err(DecodeError::Truncated { at: self.offset + bytes.len() as u64 });
                }
                Err(error) => return Err(self.broken(reader.error_position(), error.to_string())),
            }
        };
        self.offset += read as u64;
        let rest = bytes.get(read..).unwrap_or_default();
        if rest.len() > RECORD_BYTES_MAX {
            return Err(DecodeError::RecordTooLarge { limit: RECORD_BYTES_MAX });
        }
        self.carry.extend_from_slice(rest);
        Ok(())
    }

    /// Whether enough has come to tell that this can be XML.
    fn begin(&mut self, bytes: &[u8], is_last: bool) -> Result<bool, DecodeError> {
        const LOOKED_AT: usize = 15;
        if self.has_begun {
            return Ok(true);
        }
        let start = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes).trim_ascii_start();
        if start.is_empty() || (start.len() < LOOKED_AT && !is_last) {
            return Ok(false);
        }
        if html(start) {
            return Err(DecodeError::Html { snippet: snippet(start) });
        }
        if start.first() != Some(&b'<') {
            return Err(self.broken(0, format!("it begins with `{}`", snippet(start))));
        }
        self.has_begun = true;
        Ok(true)
    }

    fn event(&mut self, event: &Event<'_>, at: u64, out: &mut Vec<Bytes>) -> Result<(), DecodeError> {
        match event {
            Event::Start(start) => self.start(start, at),
            Event::End(end) => self.end(end.name(), at, out),
            Event::Text(text) => {
                let text = std::str::from_utf8(text).map_err(|_| self.not_text(at))?;
                self.add_text(text)
            }
            Event::CData(text) => {
                let text = std::str::from_utf8(text).map_err(|_| self.not_text(at))?;
                self.add_text(text)
            }
            Event::GeneralRef(reference) => {
                let name = std::str::from_utf8(reference).map_err(|_| self.not_text(at))?.to_owned();
                match reference.resolve_char_ref() {
                    Ok(Some(character)) => self.add_text(character.encode_utf8(&mut [0; 4])),
                    _ => match quick_xml::escape::resolve_xml_entity(&name) {
                        Some(text) => self.add_text(text),
                        None => self.add_text(&format!("&{name};")),
                    },
                }
            }
            _ => Ok(()),
        }
    }

    fn not_text(&self, at: u64) -> DecodeError {
        DecodeError::NotInCharset { charset: "UTF-8".to_owned(), at: self.offset + at }
    }

    fn start(&mut self, start: &BytesStart<'_>, at: u64) -> Result<(), DecodeError> {
        if self.has_ended {
            return Err(DecodeError::Trailing { at: self.offset + at });
        }
        if self.path.len() >= NESTING_MAX as usize {
            return Err(DecodeError::TooDeep { limit: NESTING_MAX });
        }
        self.namespaces.push(start).map_err(|error| self.broken(at, error.to_string()))?;
        let name = self.name(start.name(), true);
        if self.path.len() < 2 && self.names_seen.len() < NAMES_SHOWN && !self.names_seen.contains(&name) {
            self.names_seen.push(name.clone());
        }
        self.path.push(name);
        self.written.push(start.name().as_ref().to_vec());
        self.text.clear();
        let is_record = self.record.is_empty() && self.records.is(&self.path);
        let holds_records = self.path.len() + 1 == self.records.len() && self.records.leads_on(&self.path);
        self.is_found |= is_record || holds_records;
        if is_record || !self.record.is_empty() {
            self.record.push(Element::default());
        }
        self.attributes(start, at)
    }

    fn attributes(&mut self, start: &BytesStart<'_>, at: u64) -> Result<(), DecodeError> {
        for attribute in start.attributes().with_checks(false) {
            let attribute = attribute.map_err(|error| self.broken(at, error.to_string()))?;
            if attribute.key.as_namespace_binding().is_some() {
                continue;
            }
            let name = format!("@{}", self.name(attribute.key, false));
            let written = std::str::from_utf8(&attribute.value).map_err(|_| self.not_text(at))?;
            let text = quick_xml::escape::unescape(written).unwrap_or(Cow::Borrowed(written));
            if self.record.is_empty() {
                self.path.push(name);
                self.field(Value::String(text.into_owned()));
                self.path.pop();
            } else {
                let mut value = Vec::with_capacity(text.len() + 2);
                write_text(&mut value, &text);
                self.member(name, value)?;
            }
        }
        Ok(())
    }

    fn add_text(&mut self, text: &str) -> Result<(), DecodeError> {
        if let Some(element) = self.record.last_mut() {
            element.text.push_str(text);
            self.record_bytes += text.len();
        } else if self.text.len() <= RECORD_BYTES_MAX {
            self.text.push_str(text);
        }
        self.admit()
    }

    fn admit(&self) -> Result<(), DecodeError> {
        if self.record_bytes > RECORD_BYTES_MAX || self.text.len() > RECORD_BYTES_MAX {
            return Err(DecodeError::RecordTooLarge { limit: RECORD_BYTES_MAX });
        }
        Ok(())
    }

    fn end(&mut self, name: QName<'_>, at: u64, out: &mut Vec<Bytes>) -> Result<(), DecodeError> {
        if self.written.pop().as_deref() != Some(name.as_ref()) {
            let name = String::from_utf8_lossy(name.as_ref()).into_owned();
            return Err(self.broken(at, format!("`{name}` closes what it did not open")));
        }
        self.namespaces.pop();
        if let Some(element) = self.record.pop() {
            let value = element.into_json(&self.rules, self.within_record());
            let name = self.path.pop().unwrap_or_default();
            if self.record.is_empty() {
                self.record_bytes = 0;
                out.push(value.into());
            } else {
                self.member(name, value)?;
            }
        } else {
            let text = std::mem::take(&mut self.text);
            let text = text.trim();
            if !text.is_empty() {
                self.field(Value::String(text.to_owned()));
            }
            self.path.pop();
        }
        self.has_ended = self.path.is_empty();
        Ok(())
    }

    /// The names from the record to the open element, the record itself left out.
    fn within_record(&self) -> &[String] {
        self.path.get(self.records.len()..).unwrap_or_default()
    }

    /// Adds a value to the open element of the record.
    fn member(&mut self, name: String, value: Vec<u8>) -> Result<(), DecodeError> {
        self.record_bytes += name.len() + value.len();
        self.admit()?;
        let Some(element) = self.record.last_mut() else { return Ok(()) };
        // Elements of one name mostly follow one another.
        let count = element.members.len();
        match element.members.iter_mut().rev().find(|(known, _)| *known == name) {
            Some((_, values)) => values.push(value),
            None if count >= NAMES_MAX => return Err(DecodeError::TooManyCells { limit: NAMES_MAX }),
            None => element.members.push((name, vec![value])),
        }
        Ok(())
    }

    /// Keeps a value outside records that was asked for.
    fn field(&mut self, value: Value) {
        let path = &self.path;
        if let Some((_, slot)) = self.fields.iter_mut().find(|(field, _)| field.segments() == path.as_slice()) {
            *slot = Some(value);
        }
    }

    fn name(&self, name: QName<'_>, is_element: bool) -> String {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        match &self.rules.namespaces {
            Namespaces::AsWritten => text(name.as_ref()),
            Namespaces::Strip => text(name.local_name().as_ref()),
            Namespaces::Named(prefixes) => {
                let (space, local) = if is_element {
                    self.namespaces.resolve_element(name)
                } else {
                    self.namespaces.resolve_attribute(name)
                };
                let ResolveResult::Bound(space) = space else { return text(name.as_ref()) };
                match prefixes.get(&text(space.as_ref())).map(String::as_str) {
                    Some("") => text(local.as_ref()),
                    Some(prefix) => format!("{prefix}:{}", text(local.as_ref())),
                    None => text(name.as_ref()),
                }
            }
        }
    }
}

impl Element {
    fn into_json(self, rules: &XmlManifest, path: &[String]) -> Vec<u8> {
        let text = self.text.trim();
        let mut out = Vec::new();
        if self.members.is_empty() && !path.is_empty() {
            if text.is_empty() {
                return b"null".to_vec();
            }
            write_text(&mut out, text);
            return out;
        }
        out.push(b'{');
        for (name, values) in &self.members {
            if out.len() > 1 {
                out.push(b',');
            }
            write_text(&mut out, name);
            out.push(b':');
            let is_declared = |list: &Pointer| {
                list.segments().split_last().is_some_and(|(last, above)| last == name && above == path)
            };
            match values.as_slice() {
                [value] if !rules.lists.iter().any(is_declared) => out.extend_from_slice(value),
                values => {
                    out.push(b'[');
                    out.extend_from_slice(&values.join(&b','));
                    out.push(b']');
                }
            }
        }
        if !text.is_empty() {
            if out.len() > 1 {
                out.push(b',');
            }
            write_text(&mut out, TEXT);
            out.push(b':');
            write_text(&mut out, text);
        }
        out.push(b'}');
        out
    }
}

/// How many bytes of a piece can be read without cutting a character, or a reference such as `&amp;`.
fn whole_characters(bytes: &[u8]) -> usize {
    let mut end = bytes.len();
    let tail_start = end.saturating_sub(REFERENCE_BYTES_MAX);
    let tail = bytes.get(tail_start..).unwrap_or_default();
    if let Some(at) = tail.iter().rposition(|byte| *byte == b'&')
        && !tail.get(at..).unwrap_or_default().iter().any(|byte| matches!(byte, b';' | b'<' | b' '))
    {
        end = tail_start + at;
    }
    let Some((start, lead)) =
        bytes.get(..end).unwrap_or_default().iter().enumerate().rev().take(4).find(|(_, byte)| **byte & 0xC0 != 0x80)
    else {
        return end;
    };
    let length = match lead {
        0x00..=0x7F => 1,
        0xC0..=0xDF => 2,
        0xE0..=0xEF => 3,
        _ => 4,
    };
    if start + length > end { start } else { end }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(
        body: &str,
        records: &str,
        rules: &str,
        fields: &[&str],
        step: usize,
    ) -> Result<(Vec<String>, Vec<Option<Value>>), DecodeError> {
        let rules: XmlManifest = crate::manifest::yaml::from_str(rules).unwrap();
        let fields = fields.iter().map(|field| Pointer::parse(field)).collect();
        let (mut splitter, mut out) = (XmlSplitter::new(&rules, &Pointer::parse(records), fields), Vec::new());
        for piece in body.as_bytes().chunks(step) {
            splitter.push(piece, &mut out)?;
        }
        let fields = splitter.finish(&mut out)?;
        splitter.found_records()?;
        let texts = out.iter().map(|text| String::from_utf8(text.to_vec()).unwrap()).collect();
        Ok((texts, fields.into_iter().map(|(_, value)| value).collect()))
    }

    /// The records, the same wherever the body is cut.
    fn read(body: &str, records: &str, rules: &str) -> Result<Vec<String>, DecodeError> {
        let whole = split(body, records, rules, &[], usize::MAX).map(|(texts, _)| texts);
        for step in 1..body.len().min(50) {
            let cut = split(body, records, rules, &[], step).map(|(texts, _)| texts);
            match (&cut, &whole) {
                (Err(cut), Err(whole)) => assert_eq!(cut.code(), whole.code(), "steps of {step}"),
                _ => assert_eq!(cut, whole, "steps of {step}"),
            }
        }
        whole
    }

    #[test]
    fn names_what_is_not_xml() {
        let code = |body: &str| read(body, "/a/b", "{}").unwrap_err().code();
        assert_eq!(code(""), "body-truncated");
        assert_eq!(code("{\"a\":[{}],\"b\":12}"), "not-xml");
        assert_eq!(code("<!doctype html><html><body>Sign in</body></html>"), "not-json");
        assert_eq!(code("<a><b>1</b><b>2</b>"), "body-truncated");
        assert_eq!(code("<a><b>1</b><b x='1"), "body-truncated");
        assert_eq!(code("<a><b>1</c></a> and more"), "not-xml");
        assert_eq!(code("<a></a><a></a> and more"), "not-json");
        assert_eq!(code("<c><b>1</b></c><!-- more -->"), "records-missing");
        assert_eq!(code(&"<a>".repeat(200)), "nested-too-deep");
    }

    #[test]
    fn an_entity_that_a_document_declares_is_never_expanded() {
        let bomb = "<!DOCTYPE a [<!ENTITY x \"xxxxxxxxxx\"><!ENTITY y \"&x;&x;&x;\">]><a><b>&y;&#233;&amp; &lt;i&gt; Tom & Jerry</b></a>";
        assert_eq!(read(bomb, "/a/b", "{}").unwrap(), [r##"{"#text":"&y;é& <i> Tom & Jerry"}"##]);
    }

    #[test]
    fn attributes_texts_and_lists_have_one_rule() {
        let body = "<?xml version=\"1.0\"?><r n='2' xmlns='urn:x'><!-- c --><items>\n <item id=\"1\" t='a&quot;b'>\n  <name> Zoë </name><tag>x</tag><empty/><deep><v u=\"kg\">3</v></deep>\
                    <![CDATA[<raw>]]></item>\n <item><tag>x</tag><name>b</name><tag>y</tag></item></items><next>p2</next></r>\n";
        assert_eq!(
            read(body, "/r/items/item", "{}").unwrap(),
            [
                r##"{"@id":"1","@t":"a\"b","name":"Zoë","tag":"x","empty":null,"deep":{"v":{"@u":"kg","#text":"3"}},"#text":"<raw>"}"##,
                r#"{"tag":["x","y"],"name":"b"}"#,
            ]
        );
        let lists = read(body, "/r/items/item", "{ lists: [/tag, /deep/v] }").unwrap();
        assert!(
            lists[0].contains(r#""tag":["x"]"#) && lists[0].contains(r##""deep":{"v":[{"@u":"kg","#text":"3"}]}"##)
        );
        for step in 1..body.len() {
            let fields = split(body, "/r/items/item", "{}", &["/r/next", "/r/@n", "/r/none"], step).unwrap().1;
            assert_eq!(fields, [Some(Value::from("p2")), Some(Value::from("2")), None]);
        }
        assert_eq!(read("<r><items></items></r>", "/r/items/item", "{}").unwrap(), Vec::<String>::new());
        assert_eq!(read("<r><items/></r>  <!-- x -->", "/r/*/item", "{}").unwrap(), Vec::<String>::new());
    }

    #[test]
    fn namespaces_are_kept_dropped_or_named() {
        let feed = "<f:feed xmlns:f='urn:feed' xmlns:d='urn:dc'><f:entry><d:creator x:a='1'>me</d:creator><id>1</id></f:entry></f:feed>";
        let of = |records: &str, rules: &str| read(feed, records, rules).unwrap().remove(0);
        assert_eq!(of("/f:feed/f:entry", "{}"), r##"{"d:creator":{"@x:a":"1","#text":"me"},"id":"1"}"##);
        assert_eq!(of("/feed/entry", "{ namespaces: strip }"), r##"{"creator":{"@a":"1","#text":"me"},"id":"1"}"##);
        let named = "{ namespaces: { named: { \"urn:feed\": \"\", \"urn:dc\": dc } } }";
        assert_eq!(of("/feed/entry", named), r##"{"dc:creator":{"@x:a":"1","#text":"me"},"id":"1"}"##);
    }
}
