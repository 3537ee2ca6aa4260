//! Tokens of an expression.

use serde_json::Value;

/// A token.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Name(String),
    Constant(Value),
    Sign(&'static str),
}

/// Signs, longer ones before those that begin them.
const SIGNS: [&str; 26] = [
    "==", "!=", "<=", ">=", "//", "**", "(", ")", "[", "]", "{", "}", ",", ":", ".", "|", "~", "+", "-", "*", "/", "%",
    "<", ">", "=", ";",
];

/// Splits the inside of braces.
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        if first.is_alphabetic() || first == '_' {
            let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            tokens.push(match word {
                "true" | "True" => Token::Constant(true.into()),
                "false" | "False" => Token::Constant(false.into()),
                "none" | "None" => Token::Constant(Value::Null),
                name => Token::Name(name.to_owned()),
            });
            rest = after;
        } else if first.is_ascii_digit() {
            let is_part = |c: char| c.is_ascii_digit() || c == '_';
            let mut end = rest.find(|c: char| !is_part(c)).unwrap_or(rest.len());
            let fraction = rest.get(end..).and_then(|rest| rest.strip_prefix('.'));
            if let Some(fraction) = fraction.filter(|fraction| fraction.starts_with(|c: char| c.is_ascii_digit())) {
                end += 1 + fraction.find(|c: char| !is_part(c)).unwrap_or(fraction.len());
            }
            let (number, after) = rest.split_at(end);
            let number = number.replace('_', "");
            let whole = number.parse::<i64>().map(Value::from);
            let value = whole.or_else(|_| number.parse::<f64>().map(Value::from));
            tokens.push(Token::Constant(value.map_err(|_| format!("`{number}` is no number"))?));
            rest = after;
        } else if first == '"' || first == '\'' {
            let (text, after) = quoted(rest, first)?;
            tokens.push(Token::Constant(text.into()));
            rest = after;
        } else {
            let sign = SIGNS.into_iter().find(|sign| rest.starts_with(sign));
            let sign = sign.ok_or_else(|| format!("`{first}` means nothing here"))?;
            tokens.push(Token::Sign(sign));
            rest = rest.strip_prefix(sign).unwrap_or_default();
        }
        rest = rest.trim_start();
    }
    Ok(tokens)
}

/// A text in quotes, and what follows it.
fn quoted(text: &str, quote: char) -> Result<(String, &str), String> {
    let mut out = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some((_, 'n')) => out.push('\n'),
                Some((_, 't')) => out.push('\t'),
                Some((_, 'r')) => out.push('\r'),
                Some((_, c @ ('\\' | '\'' | '"'))) => out.push(c),
                Some((_, c)) => {
                    out.push('\\');
                    out.push(c);
                }
                None => break,
            },
            c if c == quote => return Ok((out, text.get(at + 1..).unwrap_or_default())),
            c => out.push(c),
        }
    }
    Err("a text in it has no end".to_owned())
}
