//! Walks over JSON bytes and says where values lie.
//!
//! Everything is checked against the grammar of RFC 8259 while it is passed, so a span can be kept as text without a second look.

/// Nesting beyond this is refused: a record is data, not a program.
const DEPTH_MAX: u32 = 128;

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Null,
    True,
    False,
    Number,
    /// Text, and whether it holds escapes.
    Text(bool),
    Object,
    Array,
}

/// Where a value lies. A text's span includes its quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Value {
    pub(super) kind: Kind,
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Value {
    /// The value's bytes.
    pub(super) fn of<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        bytes.get(self.start..self.end).unwrap_or_default()
    }

    /// The bytes between a text's quotes.
    pub(super) fn inner<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        bytes.get(self.start + 1..self.end.saturating_sub(1)).unwrap_or_default()
    }
}

/// Why bytes are not JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed {
    /// The first byte that does not belong.
    pub(super) at: usize,
    /// What stood there should have been.
    pub(super) expected: &'static str,
}

impl std::fmt::Display for Malformed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "not JSON at byte {}: expected {}", self.at, self.expected)
    }
}

/// A place in JSON bytes.
#[derive(Clone, Debug)]
pub(super) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    pub(super) fn space(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.peek() {
            self.at += 1;
        }
    }

    /// Passes `byte` or says what was expected.
    pub(super) fn pass(&mut self, byte: u8, expected: &'static str) -> Result<(), Malformed> {
        if self.peek() == Some(byte) {
            self.at += 1;
            Ok(())
        } else {
            Err(self.malformed(expected))
        }
    }

    /// Passes `byte` if it stands here.
    pub(super) fn passes(&mut self, byte: u8) -> bool {
        let is_there = self.peek() == Some(byte);
        self.at += usize::from(is_there);
        is_there
    }

    pub(super) fn malformed(&self, expected: &'static str) -> Malformed {
        Malformed { at: self.at, expected }
    }

    /// Passes one value of any kind.
    pub(super) fn value(&mut self, depth: u32) -> Result<Value, Malformed> {
        let start = self.at;
        let kind = match self.peek() {
            Some(b'"') => Kind::Text(self.text()?),
            Some(b'{') => {
                self.object(depth)?;
                Kind::Object
            }
            Some(b'[') => {
                self.array(depth)?;
                Kind::Array
            }
            Some(b'-' | b'0'..=b'9') => {
                self.number()?;
                Kind::Number
            }
            Some(b't') => self.word(b"true", Kind::True)?,
            Some(b'f') => self.word(b"false", Kind::False)?,
            Some(b'n') => self.word(b"null", Kind::Null)?,
            _ => return Err(self.malformed("a value")),
        };
        Ok(Value { kind, start, end: self.at })
    }

    fn word(&mut self, word: &'static [u8], kind: Kind) -> Result<Kind, Malformed> {
        if self.bytes.get(self.at..self.at + word.len()) == Some(word) {
            self.at += word.len();
            Ok(kind)
        } else {
            Err(self.malformed("true, false or null"))
        }
    }

    fn digits(&mut self) -> Result<(), Malformed> {
        let start = self.at;
        while let Some(b'0'..=b'9') = self.peek() {
            self.at += 1;
        }
        if self.at == start { Err(self.malformed("a digit")) } else { Ok(()) }
    }

    fn number(&mut self) -> Result<(), Malformed> {
        self.passes(b'-');
        if !self.passes(b'0') {
            self.digits()?;
        }
        if self.passes(b'.') {
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    /// Passes a text and says whether it holds escapes.
    pub(super) fn text(&mut self) -> Result<bool, Malformed> {
        self.pass(b'"', "a text")?;
        let mut is_escaped = false;
        loop {
            self.at = plain_end(self.bytes, self.at);
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(is_escaped);
                }
                Some(b'\\') => {
                    is_escaped = true;
                    self.escape()?;
                }
                _ => return Err(self.malformed("the end of a text")),
            }
        }
    }

    fn escape(&mut self) -> Result<(), Malformed> {
        self.at += 1;
        match self.peek() {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u') => {
                let digits = self.bytes.get(self.at + 1..self.at + 5);
                if !digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)) {
                    return Err(self.malformed("four hexadecimal digits"));
                }
                self.at += 5;
            }
            _ => return Err(self.malformed("an escape")),
        }
        Ok(())
    }

    fn object(&mut self, depth: u32) -> Result<(), Malformed> {
        if depth >= DEPTH_MAX {
            return Err(self.malformed("less nesting"));
        }
        self.at += 1;
        self.space();
        if self.passes(b'}') {
            return Ok(());
        }
        loop {
            self.text()?;
            self.space();
            self.pass(b':', "`:`")?;
            self.space();
            self.value(depth + 1)?;
            self.space();
            if self.passes(b'}') {
                return Ok(());
            }
            self.pass(b',', "`,` or `}`")?;
            self.space();
        }
    }

    fn array(&mut self, depth: u32) -> Result<(), Malformed> {
        if depth >= DEPTH_MAX {
            return Err(self.malformed("less nesting"));
        }
        self.at += 1;
        self.space();
        if self.passes(b']') {
            return Ok(());
        }
        loop {
            self.value(depth + 1)?;
            self.space();
            if self.passes(b']') {
                return Ok(());
            }
            self.pass(b',', "`,` or `]`")?;
            self.space();
        }
    }
}

/// The first place from `at` that holds a quote, a backslash or a control character. Eight bytes at a time: texts are most of
/// what a record is.
fn plain_end(bytes: &[u8], mut at: usize) -> usize {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let zero = |word: u64| word.wrapping_sub(ONES) & !word & HIGH;
    while let Some(eight) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let word = u64::from_le_bytes(*eight);
        let quote = zero(word ^ (ONES * 0x22));
        let backslash = zero(word ^ (ONES * 0x5C));
        let control = word.wrapping_sub(ONES * 0x20) & !word & HIGH;
        let found = quote | backslash | control;
        if found != 0 {
            return at + (found.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    while let Some(byte) = bytes.get(at) {
        if *byte < 0x20 || *byte == b'"' || *byte == b'\\' {
            break;
        }
        at += 1;
    }
    at
}

/// Puts the characters of an escaped text into `out`. A lone half of a surrogate pair becomes U+FFFD.
pub(super) fn unescape(inner: &[u8], out: &mut Vec<u8>) {
    out.clear();
    let mut at = 0;
    while let Some(&byte) = inner.get(at) {
        if byte != b'\\' {
            out.push(byte);
            at += 1;
            continue;
        }
        let plain = match inner.get(at + 1) {
            Some(b'b') => 0x08,
            Some(b'f') => 0x0C,
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'u') => {
                let (character, used) = unicode(inner, at);
                out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                at += used;
                continue;
            }
            Some(other) => *other,
            None => return,
        };
        out.push(plain);
        at += 2;
    }
}

fn unicode(inner: &[u8], at: usize) -> (char, usize) {
    let unit = |at: usize| {
        let escape = inner.get(at..at + 6).filter(|escape| escape.starts_with(b"\\u"))?;
        u32::from_str_radix(std::str::from_utf8(escape.get(2..)?).ok()?, 16).ok()
    };
    let Some(first) = unit(at) else { return (char::REPLACEMENT_CHARACTER, 2) };
    if (0xD800..0xDC00).contains(&first)
        && let Some(second) = unit(at + 6).filter(|second| (0xDC00..0xE000).contains(second))
    {
        let code = 0x1_0000 + ((first - 0xD800) << 10) + (second - 0xDC00);
        return (char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), 12);
    }
    (char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER), 6)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(text: &str) -> Result<Value, Malformed> {
        let mut cursor = Cursor::new(text.as_bytes(), 0);
        let value = cursor.value(0)?;
        if cursor.at() == text.len() { Ok(value) } else { Err(cursor.malformed("the end")) }
    }

    #[test]
    fn refuses_what_serde_json_refuses_and_takes_what_it_takes() {
        let texts = [
            "",
            "{",
            "}",
            "nul",
            "tru",
            "01",
            "-",
            "1.",
            ".5",
            "1e",
            "1e+",
            "+1",
            "\"",
            "\"\\x\"",
            "\"\\u12g4\"",
            "\"a\nb\"",
            "[1,]",
            "{\"a\"}",
            "{\"a\":1,}",
            "{a:1}",
            "[1 2]",
            "{\"a\":1 \"b\":2}",
            "\"\u{1}\"",
            "[",
            "0",
            "-0",
            "-1.5e-3",
            "1E5",
            "null",
            "true",
            "false",
            "\"\"",
            "\"a\\\"b\"",
            "[]",
            "{}",
            "[ ]",
            "{ }",
            "[1 , {\"a\" : [null]}]",
            "\"long enough for two words of eight\"",
            "\"seven77\\\\\"",
            "\"ä€𝄞\"",
            "{\"a\":{\"b\":[\"c\",\"d\"]}}",
        ];
        for text in texts {
            let theirs = serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
            assert_eq!(whole(text).is_ok(), theirs, "{text}");
        }
    }

    #[test]
    fn refuses_nesting_without_end() {
        assert!(whole(&"[".repeat(100_000)).is_err());
        let nested = format!("{}{}", "[".repeat(127), "]".repeat(127));
        assert!(whole(&nested).is_ok());
    }

    #[test]
    fn escapes_read_as_serde_json_reads_them() {
        for text in [r#""a\"\\\/\b\f\n\r\tz""#, r#""\u00e4\u20AC""#, r#""\ud834\udd1e!""#, "\"ä\\n€\""] {
            let mut out = Vec::new();
            unescape(&text.as_bytes()[1..text.len() - 1], &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), serde_json::from_str::<String>(text).unwrap(), "{text}");
        }
        let mut out = Vec::new();
        unescape(br"\ud834x", &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), "\u{FFFD}x");
    }
}
