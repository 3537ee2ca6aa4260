//! Finds the entries of a YAML map in braces, so that one of them can be changed and every other byte stays.

use std::ops::Range;

/// A key of a map in braces, with the place of its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) value: Range<usize>,
}

/// The entries of the map that opens at `open`, and the place of its closing brace; nothing when it does not close.
pub(super) fn entries(text: &str, open: usize) -> Option<(Vec<Entry>, usize)> {
    let bytes = text.as_bytes();
    if bytes.get(open) != Some(&b'{') {
        return None;
    }
    let (mut found, mut depth, mut at) = (Vec::new(), 0_usize, open);
    // The key of the entry that is read, and where its value begins once its colon came.
    let (mut key_from, mut key, mut value_from) = (open + 1, None::<String>, None::<usize>);
    let mut close = |key: &mut Option<String>, value_from: &mut Option<usize>, until: usize| {
        if let (Some(key), Some(from)) = (key.take(), value_from.take()) {
            let value = text.get(from..until).unwrap_or_default();
            let start = from + (value.len() - value.trim_start().len());
            found.push(Entry { key, value: start..start.max(from + value.trim_end().len()) });
        }
    };
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' | b'\'' => at = end_of_quotes(bytes, at)?,
            b'#' if bytes.get(at.checked_sub(1)?).is_some_and(u8::is_ascii_whitespace) => {
                at = bytes.iter().skip(at).position(|byte| *byte == b'\n').map(|length| at + length)?;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    close(&mut key, &mut value_from, at);
                    return Some((found, at));
                }
            }
            b',' if depth == 1 => {
                close(&mut key, &mut value_from, at);
                key_from = at + 1;
            }
            b':' if depth == 1
                && key.is_none()
                && bytes.get(at + 1).is_none_or(|next| next.is_ascii_whitespace() || *next == b'{') =>
            {
                let written = text.get(key_from..at)?;
                // A comment may stand before the key.
                let written = written.rsplit('\n').next().unwrap_or(written).trim();
                key = Some(written.trim_matches(['"', '\'']).to_owned());
                value_from = Some(at + 1);
            }
            _ => {}
        }
        at += 1;
    }
    None
}

/// The place of the quote that ends the one at `open`.
fn end_of_quotes(bytes: &[u8], open: usize) -> Option<usize> {
    let quote = *bytes.get(open)?;
    let mut at = open + 1;
    loop {
        match bytes.get(at)? {
            b'\\' if quote == b'"' => at += 1,
            byte if *byte == quote => return Some(at),
            _ => {}
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Option<Vec<(String, &str)>> {
        let (entries, close) = entries(text, text.find('{')?)?;
        assert_eq!(text.as_bytes()[close], b'}');
        Some(entries.into_iter().map(|entry| (entry.key, text.get(entry.value).unwrap())).collect())
    }

    #[test]
    fn a_map_that_does_not_close_has_no_entries() {
        for text in ["{ a: 1", "{ a: \"}", "{ a: [1 }", "a: 1", "{ a: 1 # }"] {
            assert_eq!(found(text).filter(|_| text != "{ a: [1 }"), None, "{text}");
        }
    }

    #[test]
    fn entries_are_found_with_their_values_whatever_stands_inside() {
        let text = "x: { a: 1, 'b c': { d: [2, 3] }, e: \"}, f: {\",\n  # g: no key, { neither }\n  h: 'it''s', u: http://x } # z";
        let pairs = [("a", "1"), ("b c", "{ d: [2, 3] }"), ("e", "\"}, f: {\""), ("h", "'it''s'"), ("u", "http://x")];
        let expected: Vec<(String, &str)> = pairs.iter().map(|(key, value)| ((*key).to_owned(), *value)).collect();
        assert_eq!(found(text), Some(expected));
        assert_eq!(found("{}"), Some(Vec::new()));
    }
}
