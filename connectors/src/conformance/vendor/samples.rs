//! Values of which a manifest computes what it wants: texts that its patterns find something in, lists that its filters choose from.

use std::sync::LazyLock;

use regex::Regex;
use regex_syntax::hir::{Class, ClassUnicodeRange, Hir, HirKind};
use serde_json::{Map, Value, json};

/// Repetitions of a part of a pattern at most.
const REPEATS_MAX: u32 = 64;
/// Characters that a class is asked for first.
const PREFERRED: [char; 4] = ['1', 'x', '"', ' '];
/// Numbers in place of tokens begin here, above everything that is counted.
const NUMBERS: u64 = 7_000_000;

static CHOSEN: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r#"selectattr\(\s*['"](\w+)['"]\s*,\s*['"](?:eq|equalto|==|sameas)['"]\s*,\s*['"]([^'"]*)['"]"#).ok()
});
static ATTRIBUTES: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\.\s*([A-Za-z_]\w*)").ok());

/// A text that a pattern matches, with `inside` in place of its first group.
pub(super) fn matched_by(pattern: &str, inside: Option<&str>) -> Option<String> {
    let mut text = String::new();
    write(&regex_syntax::parse(pattern).ok()?, inside, &mut text);
    Some(text)
}

fn write(hir: &Hir, inside: Option<&str>, out: &mut String) {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => out.push_str(&String::from_utf8_lossy(&literal.0)),
        HirKind::Class(class) => out.extend(one_of(class)),
        HirKind::Repetition(repeated) => {
            (0..repeated.min.min(REPEATS_MAX)).for_each(|_| write(&repeated.sub, inside, out));
        }
        HirKind::Capture(group) => match inside {
            Some(text) if group.index == 1 => out.push_str(text),
            _ => write(&group.sub, inside, out),
        },
        HirKind::Concat(parts) => parts.iter().for_each(|part| write(part, inside, out)),
        HirKind::Alternation(parts) => parts.iter().take(1).for_each(|part| write(part, inside, out)),
    }
}

fn one_of(class: &Class) -> Option<char> {
    match class {
        Class::Unicode(class) => {
            let has = |c: &char| class.iter().any(|range| (range.start()..=range.end()).contains(c));
            PREFERRED.into_iter().find(has).or_else(|| class.iter().next().map(ClassUnicodeRange::start))
        }
        Class::Bytes(class) => {
            let has = |c: &char| {
                class.iter().any(|range| (range.start()..=range.end()).contains(&u8::try_from(*c).unwrap_or(0)))
            };
            PREFERRED.into_iter().find(has).or_else(|| class.iter().next().map(|range| char::from(range.start())))
        }
    }
}

/// Values of a field out of which an expression may take `token`, or a number in its place where it takes nothing but digits.
pub(super) fn holding(expression: &str, token: &str) -> Vec<Value> {
    let digits = token.rsplit(|c: char| !c.is_ascii_digit()).find(|digits| !digits.is_empty());
    let number = NUMBERS + digits.and_then(|digits| digits.parse().ok()).unwrap_or(0);
    let mut values = Vec::new();
    for pattern in texts_in(expression) {
        for inside in [token, number.to_string().as_str()] {
            let text = matched_by(&pattern, Some(inside)).filter(|text| text.contains(inside) && text != inside);
            values.extend(text.map(Value::String));
        }
    }
    values.extend([json!(number), json!(number.to_string())]);
    values.extend(chosen(expression, token));
    values
}

/// A list with the one object that a filter of the expression chooses; each attribute that is asked for afterwards holds the token.
fn chosen(expression: &str, token: &str) -> Option<Value> {
    let found = CHOSEN.as_ref()?.captures(expression)?;
    let attributes = ATTRIBUTES.as_ref()?.captures_iter(expression).filter_map(|found| found.get(1));
    let mut object: Map<String, Value> = attributes.map(|name| (name.as_str().to_owned(), json!(token))).collect();
    object.insert(found.get(1)?.as_str().to_owned(), json!(found.get(2)?.as_str()));
    Some(json!([object]))
}

/// The texts that stand in quotes in an expression.
fn texts_in(expression: &str) -> Vec<String> {
    let mut texts = Vec::new();
    let mut rest = expression.chars();
    while let Some(mark) = rest.by_ref().find(|c| matches!(c, '\'' | '"')) {
        let mut text = String::new();
        while let Some(c) = rest.next().filter(|c| *c != mark) {
            if c == '\\' { text.extend(rest.next().into_iter().flat_map(unescaped)) } else { text.push(c) }
        }
        texts.push(text);
    }
    texts
}

/// What a backslash and this character stand for in an expression: what is no escape stays, backslash and all, as patterns have it.
fn unescaped(c: char) -> Vec<char> {
    match c {
        '\\' | '\'' | '"' => vec![c],
        'n' => vec!['\n'],
        't' => vec!['\t'],
        other => vec!['\\', other],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_matched_by_its_pattern_and_holds_what_was_asked_for() {
        for (pattern, inside) in [
            ("page_token=([^&]+)", "hw0t7z"),
            ("rel=.next.; results=.true.; cursor=.([0-9:]+)", "7000001"),
            (r"(?i)too many (?:rows|records)?\s{2}(\d{3})$", "123"),
            ("^[^a-z1x]+(b|c)", "c"),
        ] {
            let text = matched_by(pattern, Some(inside)).unwrap();
            let found = Regex::new(pattern).unwrap().captures(&text).unwrap_or_else(|| panic!("{pattern}: {text}"));
            assert_eq!(found.get(1).unwrap().as_str(), inside, "{text}");
        }
        assert_eq!(matched_by("(", None), None);
    }

    #[test]
    fn a_token_is_held_as_the_expression_looks_for_it() {
        let holds = |expression: &str, value: Value| assert!(holding(expression, "hw0t7z").contains(&value), "{value}");
        holds("(body.next or '') | regex_search('page=([^&]+)')", json!("page=hw0t7z"));
        holds(r#"body.next | regex_search("start=(\\d+)")"#, json!("start=7000007"));
        holds(
            "((body.links or []) | selectattr('rel', 'eq', 'next') | list | first).href",
            json!([{ "links": "hw0t7z", "href": "hw0t7z", "rel": "next" }]),
        );
        holds("body.page + 1", json!(7_000_007));
    }
}
