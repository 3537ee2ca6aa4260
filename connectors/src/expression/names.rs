//! The names that an expression uses, also those that it cuts a slice of.
//!
//! The evaluator's own list passes over whatever is sliced: of `since[:10]` it knows nothing. So each slice is taken off, the innermost
//! first, and what is left is asked again.

use std::collections::BTreeSet;

use minijinja::Environment;

/// The names with the fields after them, such as `body.meta.next`, sorted.
pub(super) fn names_of(text: &str, environment: &Environment<'_>) -> Vec<String> {
    let (mut names, mut rest) = (BTreeSet::new(), Some(text.to_owned()));
    while let Some(text) = rest {
        if let Ok(expression) = environment.compile_expression(&text) {
            names.extend(expression.undeclared_variables(true));
        }
        rest = without_slice(&text);
    }
    names.into_iter().collect()
}

/// The text without the brackets of its first innermost slice; nothing when it has none.
fn without_slice(text: &str) -> Option<String> {
    // Where each bracket opened, and whether a colon stood right in it.
    let mut open: Vec<(usize, char, bool)> = Vec::new();
    let (mut quote, mut is_escaped) = (None, false);
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(_), _) if is_escaped => is_escaped = false,
            (Some(_), '\\') => is_escaped = true,
            (Some(mark), _) if c == mark => quote = None,
            (None, '"' | '\'') => quote = Some(c),
            (None, '[' | '(' | '{') => open.push((at, c, false)),
            (None, ':') => {
                if let Some((.., has_colon)) = open.last_mut() {
                    *has_colon = true;
                }
            }
            (None, ']' | ')' | '}') => {
                if let Some((from, '[', true)) = open.pop() {
                    return Some([text.get(..from)?, text.get(at + 1..)?].concat());
                }
            }
            (Some(_) | None, _) => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sliced_is_named_like_everything_else() {
        let environment = Environment::new();
        for (text, names) in [
            ("since[:10]", &["since"][..]),
            ("a[b[:2]:] ~ c[1:d]", &["a", "b", "c", "d"]),
            ("body.next[0:4] ~ body.last", &["body.last", "body.next"]),
            ("{'a': x[:1], 'b': 'c:'}", &["x"]),
            ("'a[:1]' ~ \"]\\\"[:\"", &[]),
            ("a if b else [c, {'d': e}]", &["a", "b", "c", "e"]),
            ("((a))[:1][2:]", &["a"]),
        ] {
            assert_eq!(names_of(text, &environment), names, "{text}");
        }
    }
}
