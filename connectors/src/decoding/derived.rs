//! Records that are made and not found: JSON texts written from cells, and values added to a record without parsing all of it.
//!
//! A number keeps the digits that the source wrote, because nothing here reads one.

use bytes::Bytes;

use super::scan;
use super::skip::{Skip, Skipped};

/// A name with the JSON text of its value.
pub type Named = (String, String);

/// Adds named values, each a JSON text, to the front of a record; a field of the same name that it had is replaced.
///
/// A record that is no JSON object comes back as it was: whoever types it refuses it with everything that is in it.
pub fn add_fields(record: &Bytes, fields: &[Named]) -> Bytes {
    if fields.is_empty() {
        return record.clone();
    }
    let Some(members) = members(record) else { return record.clone() };
    let added: usize = fields.iter().map(|(name, value)| name.len() + value.len() + 6).sum();
    let mut out = Vec::with_capacity(record.len() + added);
    out.push(b'{');
    for (name, value) in fields {
        separate(&mut out);
        write_text(&mut out, name);
        out.push(b':');
        out.extend_from_slice(value.as_bytes());
    }
    let names: Vec<Vec<u8>> = fields.iter().map(|(name, _)| text_of(name)).collect();
    for Member { name, whole } in members {
        let is_replaced = |added: &Vec<u8>| {
            added == name || (name.contains(&b'\\') && plain_name(name).as_deref() == plain_name(added).as_deref())
        };
        if !names.iter().any(is_replaced) {
            separate(&mut out);
            out.extend_from_slice(whole);
        }
    }
    out.push(b'}');
    out.into()
}

/// A scalar or list as the only field of a new record.
pub fn wrap(name: &str, value: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(name.len() + value.len() + 6);
    out.push(b'{');
    write_text(&mut out, name);
    out.push(b':');
    out.extend_from_slice(value);
    out.push(b'}');
    out.into()
}

/// A record that cannot be made, as a text that nothing takes for a record: it goes to quarantine with the reason and all its bytes.
pub fn refused(reason: &str, record: &[u8]) -> Bytes {
    let mut out = format!("refused: {reason}\n").into_bytes();
    out.extend_from_slice(record);
    out.into()
}

/// Appends a text as JSON.
pub(crate) fn write_text(out: &mut Vec<u8>, text: &str) {
    write_bytes(out, text.as_bytes());
}

/// Appends bytes as a JSON text; bytes that are no UTF-8 stay, so that whoever types the record refuses it.
pub(super) fn write_bytes(out: &mut Vec<u8>, text: &[u8]) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    let mut rest = text;
    while let Some(at) = rest.iter().position(|byte| *byte < 0x20 || matches!(byte, b'"' | b'\\')) {
        let (plain, special) = rest.split_at(at);
        out.extend_from_slice(plain);
        let Some((byte, after)) = special.split_first() else { break };
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            control => {
                out.extend_from_slice(b"\\u00");
                out.extend([control >> 4, control & 15].iter().filter_map(|digit| HEX.get(usize::from(*digit))));
            }
        }
        rest = after;
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

fn text_of(name: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(name.len() + 2);
    write_text(&mut out, name);
    out
}

fn plain_name(quoted: &[u8]) -> Option<String> {
    serde_json::from_slice(quoted).ok()
}

/// The names of an object's fields; none of what is no whole object.
pub(super) fn field_names(record: &[u8]) -> Vec<String> {
    members(record).unwrap_or_default().iter().filter_map(|member| plain_name(member.name)).collect()
}

/// A comma, unless nothing stands before it.
fn separate(out: &mut Vec<u8>) {
    if out.last().is_some_and(|byte| *byte != b'{') {
        out.push(b',');
    }
}

/// A member of an object, as it stands there.
#[derive(Clone, Copy, Debug)]
pub(super) struct Member<'a> {
    /// Its name with the quotes.
    pub(super) name: &'a [u8],
    /// `"name": value`.
    pub(super) whole: &'a [u8],
}

/// The members of an object; nothing when it is no whole object.
pub(super) fn members(record: &[u8]) -> Option<Vec<Member<'_>>> {
    let record = record.trim_ascii();
    let mut at = 1 + blank(record.strip_prefix(b"{")?);
    let mut found = Vec::new();
    loop {
        match record.get(at)? {
            b'}' if found.is_empty() => break,
            b'"' => {}
            _ => return None,
        }
        let start = at;
        at += 1;
        loop {
            at += scan::quote_or_backslash(record.get(at..)?)?;
            if record.get(at) == Some(&b'"') {
                break;
            }
            at += 2;
        }
        at += 1;
        let name = record.get(start..at)?;
        at += blank(record.get(at..)?);
        if record.get(at) != Some(&b':') {
            return None;
        }
        at += 1;
        at += blank(record.get(at..)?);
        let mut skip = Skip::begin(*record.get(at)?)?;
        let Ok(Skipped::Until(end)) = skip.run_to_end(record, at + 1, 0) else { return None };
        found.push(Member { name, whole: record.get(start..end)? });
        at = end + blank(record.get(end..)?);
        match record.get(at)? {
            b'}' => break,
            b',' => at += 1 + blank(record.get(at + 1..)?),
            _ => return None,
        }
    }
    (at + 1 == record.len()).then_some(found)
}

fn blank(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| byte.is_ascii_whitespace()).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn added(record: &str, fields: &[(&str, &str)]) -> String {
        let fields: Vec<Named> = fields.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        String::from_utf8(add_fields(&Bytes::copy_from_slice(record.as_bytes()), &fields).to_vec()).unwrap()
    }

    #[test]
    fn what_is_no_object_stays_as_it_was() {
        for record in
            ["", "1", "[1]", "\"{}\"", "{", "{\"a\":1", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{\"a\":1}x", "{a:1}"]
        {
            assert_eq!(added(record, &[("id", "1")]), record);
        }
    }

    #[test]
    fn added_values_stand_first_and_replace_their_namesakes() {
        let one = [("id", "1")];
        assert_eq!(added("{}", &one), r#"{"id":1}"#);
        assert_eq!(added("{ }", &one), r#"{"id":1}"#);
        assert_eq!(added(r#"{"a": 0.10, "b":[{"id":2}]}"#, &one), r#"{"id":1,"a": 0.10,"b":[{"id":2}]}"#);
        assert_eq!(added(r#"{"id":7,"a":1}"#, &one), r#"{"id":1,"a":1}"#);
        assert_eq!(added(r#"{"a":1,"\u0069d" : {"x":"}"} }"#, &one), r#"{"id":1,"a":1}"#);
        assert_eq!(added(r#"{"a":1}"#, &[("q\"", "\"x\""), ("n", "null")]), r#"{"q\"":"x","n":null,"a":1}"#);
    }

    #[test]
    fn texts_are_escaped_as_a_parser_reads_them() {
        for text in ["", "a\"b\\c", "\u{0}\u{1f}\n\r\t", "é😀", "</script>"] {
            let mut out = Vec::new();
            write_text(&mut out, text);
            assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
        }
    }
}
