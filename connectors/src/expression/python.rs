//! Values as Python writes and reads them: imported manifests compute texts that were templates of Python's.
//!
//! `text` writes a value as a template does (`True`, `None`, `[1, 'a']`), `literal` reads one back: `'12'` is 12, other texts stay.

use std::fmt::Write;

use minijinja::Value;
use minijinja::value::ValueKind;

/// Deepest nesting of a literal.
const NESTING_MAX: usize = 32;

/// A value as a template writes it; nothing for what is not there.
pub(crate) fn text(value: &Value) -> String {
    match value.kind() {
        ValueKind::Undefined => String::new(),
        ValueKind::String => value.as_str().unwrap_or_default().to_owned(),
        _ => {
            let mut out = String::new();
            represent(value, &mut out);
            out
        }
    }
}

fn represent(value: &Value, out: &mut String) {
    match value.kind() {
        ValueKind::Undefined | ValueKind::None => out.push_str("None"),
        ValueKind::Bool => out.push_str(if value.is_true() { "True" } else { "False" }),
        ValueKind::Number => out.push_str(&number(value)),
        ValueKind::String => quote(value.as_str().unwrap_or_default(), out),
        ValueKind::Map => {
            out.push('{');
            for (at, key) in value.try_iter().into_iter().flatten().enumerate() {
                if at > 0 {
                    out.push_str(", ");
                }
                represent(&key, out);
                out.push_str(": ");
                represent(&value.get_item(&key).unwrap_or_default(), out);
            }
            out.push('}');
        }
        ValueKind::Seq | ValueKind::Iterable => {
            out.push('[');
            for (at, item) in value.try_iter().into_iter().flatten().enumerate() {
                if at > 0 {
                    out.push_str(", ");
                }
                represent(&item, out);
            }
            out.push(']');
        }
        _ => out.push_str(&value.to_string()),
    }
}

/// A number; one with a fraction always shows it.
fn number(value: &Value) -> String {
    let plain = value.to_string();
    if value.is_integer() || plain.contains(['.', 'e', 'E', 'n', 'i']) { plain } else { format!("{plain}.0") }
}

/// A text in single quotes, in double ones where it holds single ones only.
fn quote(text: &str, out: &mut String) {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    out.push(quote);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c == quote => {
                out.push('\\');
                out.push(c);
            }
            c if c.is_control() => drop(write!(out, "\\x{:02x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push(quote);
}

/// The value that a text spells as a literal; other texts, and what is no text, stay.
pub(super) fn literal(value: &Value) -> Value {
    let Some(text) = value.as_str() else {
        return if value.is_undefined() { Value::from("") } else { value.clone() };
    };
    // Only blanks that stand before a literal are an error; those behind it are not.
    let mut reader = Reader { rest: text.trim_end().trim_start_matches([' ', '\t']) };
    match reader.value(NESTING_MAX) {
        Some(found) if reader.rest.trim().is_empty() => found,
        _ => value.clone(),
    }
}

/// The JSON value that a text spells; other texts stay.
pub(crate) fn literal_of(value: &serde_json::Value) -> serde_json::Value {
    let read = value.as_str().map(|text| literal(&Value::from(text)));
    read.and_then(|read| serde_json::to_value(&read).ok()).unwrap_or_else(|| value.clone())
}

/// Whether a template's text means yes: it is not empty, and spells neither `False`, `None`, a zero nor something without content.
pub(super) fn is_meant(value: &Value) -> bool {
    let written = text(value);
    if matches!(written.as_str(), "" | "False" | "false" | "{}" | "[]" | "()" | "0" | "0.0") {
        return false;
    }
    let spelled = literal(&Value::from(written.as_str()));
    match spelled.as_str() {
        Some(text) => !matches!(text, "" | "False" | "false" | "{}" | "[]" | "()" | "0" | "0.0"),
        None => spelled.is_true(),
    }
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn skip(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn take(&mut self, token: &str) -> bool {
        self.skip();
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn value(&mut self, depth: usize) -> Option<Value> {
        let depth = depth.checked_sub(1)?;
        self.skip();
        match self.rest.chars().next()? {
            '[' => self.list(']', depth),
            '(' => self.list(')', depth),
            '{' => self.map(depth),
            '\'' | '"' => self.text(),
            c if c.is_ascii_digit() || matches!(c, '-' | '+' | '.') => self.number(),
            _ => {
                let words = [("True", Value::from(true)), ("False", Value::from(false)), ("None", Value::from(()))];
                let (word, value) = words.into_iter().find(|(word, _)| self.rest.starts_with(word))?;
                let rest = self.rest.strip_prefix(word)?;
                let ends = !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_');
                self.rest = rest;
                ends.then_some(value)
            }
        }
    }

    fn list(&mut self, end: char, depth: usize) -> Option<Value> {
        let open = self.rest.get(..1)?.to_owned();
        self.take(&open);
        let (mut items, mut has_comma) = (Vec::new(), false);
        loop {
            if self.take(end.encode_utf8(&mut [0; 4])) {
                // One value in parentheses is the value itself.
                if end == ')' && items.len() == 1 && !has_comma {
                    return items.pop();
                }
                return Some(Value::from(items));
            }
            if !items.is_empty() && !has_comma {
                return None;
            }
            items.push(self.value(depth)?);
            has_comma = self.take(",");
        }
    }

    fn map(&mut self, depth: usize) -> Option<Value> {
        self.take("{");
        let (mut pairs, mut has_comma) = (std::collections::BTreeMap::new(), true);
        loop {
            if self.take("}") {
                return Some(Value::from(pairs));
            }
            if !has_comma {
                return None;
            }
            let key = self.value(depth)?;
            if !self.take(":") {
                return None;
            }
            let key = key.as_str().map_or_else(|| text(&key), str::to_owned);
            pairs.insert(key, self.value(depth)?);
            has_comma = self.take(",");
        }
    }

    fn text(&mut self) -> Option<Value> {
        let quote = self.rest.chars().next()?;
        let triple = quote.to_string().repeat(3);
        let (close, is_long) = if let Some(rest) = self.rest.strip_prefix(triple.as_str()) {
            self.rest = rest;
            (triple, true)
        } else {
            self.rest = self.rest.get(1..)?;
            (quote.to_string(), false)
        };
        let mut out = String::new();
        loop {
            if let Some(rest) = self.rest.strip_prefix(close.as_str()) {
                self.rest = rest;
                return Some(Value::from(out));
            }
            let mut chars = self.rest.chars();
            match chars.next()? {
                '\\' => {
                    let escaped = chars.next()?;
                    let code = |chars: &mut std::str::Chars<'_>, digits: usize| {
                        let hex: String = chars.by_ref().take(digits).collect();
                        u32::from_str_radix(&hex, 16).ok().and_then(char::from_u32)
                    };
                    match escaped {
                        'n' => out.push('\n'),
                        't' => out.push('\t'),
                        'r' => out.push('\r'),
                        '\n' => {}
                        'x' => out.push(code(&mut chars, 2)?),
                        'u' => out.push(code(&mut chars, 4)?),
                        '\\' | '\'' | '"' => out.push(escaped),
                        other => {
                            out.push('\\');
                            out.push(other);
                        }
                    }
                }
                '\n' if !is_long => return None,
                c => out.push(c),
            }
            self.rest = chars.as_str();
        }
    }

    /// A number; Python refuses whole ones that begin with a zero.
    fn number(&mut self) -> Option<Value> {
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_');
        let sign = self.rest.starts_with(['-', '+']);
        let body = self.rest.get(usize::from(sign)..)?.trim_start();
        let mut length = body.find(|c: char| !is_part(c)).unwrap_or(body.len());
        let is_exponent = body.get(..length).is_some_and(|word| word.ends_with(['e', 'E']) && !word.starts_with("0x"));
        if is_exponent && body.get(length..).is_some_and(|rest| rest.starts_with(['-', '+'])) {
            let more = body.get(length + 1..)?;
            length += 1 + more.find(|c: char| !c.is_ascii_digit()).unwrap_or(more.len());
        }
        let written = body.get(..length)?;
        let is_negative = self.rest.starts_with('-');
        self.rest = body.get(length..)?;
        if written.starts_with('_') || written.ends_with('_') || written.contains("__") {
            return None;
        }
        let digits = written.replace('_', "");
        if digits.chars().all(|c| c.is_ascii_digit()) {
            if digits.len() > 1 && digits.starts_with('0') && !digits.chars().all(|c| c == '0') {
                return None;
            }
            let number: i128 = digits.parse().ok()?;
            return Some(Value::from(if is_negative { -number } else { number }));
        }
        if let Some(hex) = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
            let number = i128::from_str_radix(hex, 16).ok()?;
            return Some(Value::from(if is_negative { -number } else { number }));
        }
        if digits.contains(|c: char| c.is_ascii_alphabetic() && !matches!(c, 'e' | 'E')) {
            return None;
        }
        let number: f64 = digits.parse().ok()?;
        Some(Value::from(if is_negative { -number } else { number }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(value: &Value) -> String {
        serde_json::to_string(value).unwrap()
    }

    #[test]
    fn texts_that_are_no_literals_stay_as_they_are() {
        for given in [
            "00123",
            "1-2",
            "2024-01-01",
            "abc",
            "",
            "True story",
            "[1",
            "nan",
            "1__0",
            "'a",
            "a'b'",
            "1 2",
            "Infinity",
            "5d",
        ] {
            assert_eq!(literal(&Value::from(given)).as_str(), Some(given), "{given}");
        }
    }

    #[test]
    fn a_literal_becomes_its_value() {
        for (given, expected) in [
            ("12", "12"),
            ("-7", "-7"),
            ("1_000", "1000"),
            ("0", "0"),
            ("1.50", "1.5"),
            ("1e3", "1000.0"),
            ("True", "true"),
            ("None", "null"),
            ("'a'", "\"a\""),
            ("[1, 'x', None]", "[1,\"x\",null]"),
            ("(1, 2)", "[1,2]"),
            ("(3)", "3"),
            ("{'a': {'b': [True]}}", "{\"a\":{\"b\":[true]}}"),
            ("\"\"\"{\"a\": 1}\"\"\"", "\"{\\\"a\\\": 1}\""),
        ] {
            assert_eq!(json(&literal(&Value::from(given))), expected, "{given}");
        }
    }

    #[test]
    fn a_value_is_written_as_a_template_writes_it() {
        for (given, expected) in [
            ("true", "True"),
            ("null", "None"),
            ("1.0", "1.0"),
            ("3", "3"),
            ("\"it's\"", "it's"),
            ("[\"a\", 1, null, \"it's\"]", "['a', 1, None, \"it's\"]"),
            ("{\"a\": {\"b\": false}}", "{'a': {'b': False}}"),
        ] {
            let value: Value = serde_json::from_str(given).unwrap();
            assert_eq!(text(&value), expected, "{given}");
        }
        assert_eq!(text(&Value::UNDEFINED), "");
    }
}
