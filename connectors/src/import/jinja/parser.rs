//! Reads templates and expressions by recursive descent, in the precedence of the language.

use serde_json::Value;

use super::lexer::{Token, tokens};
use super::{Ast, Piece};

/// Deepest nesting of an expression.
const DEPTH_MAX: usize = 100;

/// A part of a template before its blocks are put together.
enum Part<'a> {
    Text(&'a str),
    Output(&'a str),
    Block(&'a str),
}

/// Reads a template.
pub(super) fn template(text: &str) -> Result<Vec<Piece>, String> {
    let parts = parts(text)?;
    let mut reader = Blocks { parts: parts.into_iter().peekable(), values: Vec::new() };
    let pieces = reader.until(&[])?;
    Ok(merged(pieces))
}

/// Texts beside each other are one.
fn merged(pieces: Vec<Piece>) -> Vec<Piece> {
    let mut out: Vec<Piece> = Vec::new();
    for piece in pieces {
        match (out.last_mut(), piece) {
            (Some(Piece::Text(before)), Piece::Text(text)) => before.push_str(&text),
            (_, Piece::Text(text)) if text.is_empty() => {}
            (_, piece) => out.push(piece),
        }
    }
    out
}

fn parts(text: &str) -> Result<Vec<Part<'_>>, String> {
    let (mut parts, mut rest) = (Vec::new(), text);
    // A newline at the very end is not part of a template.
    rest = rest.strip_suffix('\n').unwrap_or(rest);
    while let Some((at, open)) =
        ["{{", "{%", "{#"].iter().filter_map(|open| Some((rest.find(open)?, *open))).min_by_key(|(at, _)| *at)
    {
        let (before, after) = rest.split_at(at);
        let close = match open {
            "{{" => "}}",
            "{%" => "%}",
            _ => "#}",
        };
        let inside = after.get(2..).unwrap_or_default();
        let end = end_of(inside, close).ok_or_else(|| format!("`{open}` has no `{close}`"))?;
        let (inside, after) = inside.split_at(end);
        let trims_before = inside.starts_with('-');
        let trims_after = inside.ends_with('-') && inside.len() > 1;
        parts.push(Part::Text(if trims_before { before.trim_end() } else { before }));
        let inside = inside.trim_start_matches(['-', '+']).trim_end_matches('-').trim();
        match open {
            "{{" => parts.push(Part::Output(inside)),
            "{%" => parts.push(Part::Block(inside)),
            _ => {}
        }
        rest = after.get(2..).unwrap_or_default();
        if trims_after {
            rest = rest.trim_start();
        }
    }
    parts.push(Part::Text(rest));
    Ok(parts)
}

/// Where `close` stands outside quotes.
fn end_of(text: &str, close: &str) -> Option<usize> {
    let (mut quote, mut is_escaped) = (None, false);
    // Braces of a dict may end right before those of the template.
    let mut open = 0_usize;
    for (at, c) in text.char_indices() {
        if is_escaped {
            is_escaped = false;
            continue;
        }
        match (quote, c) {
            (Some(_), '\\') => is_escaped = true,
            (Some(known), c) if known == c => quote = None,
            (None, '"' | '\'') if close != "#}" => quote = Some(c),
            (None, '{') => open += 1,
            (None, '}') if open > 0 => open -= 1,
            (None, _) if text.get(at..).is_some_and(|rest| rest.starts_with(close)) => return Some(at),
            _ => {}
        }
    }
    None
}

struct Blocks<'a> {
    parts: std::iter::Peekable<std::vec::IntoIter<Part<'a>>>,
    /// What `set` has put in place of names.
    values: Vec<(String, Ast)>,
}

impl Blocks<'_> {
    /// Pieces up to a block that begins with one of `ends`.
    fn until(&mut self, ends: &[&str]) -> Result<Vec<Piece>, String> {
        let mut pieces = Vec::new();
        while let Some(part) = self.parts.peek() {
            if let Part::Block(block) = part
                && ends.iter().any(|end| block.split_whitespace().next() == Some(end))
            {
                return Ok(pieces);
            }
            match self.parts.next() {
                Some(Part::Text(text)) => pieces.push(Piece::Text(text.to_owned())),
                Some(Part::Output(inside)) => pieces.push(Piece::Expression(self.expression(inside)?)),
                Some(Part::Block(block)) => self.block(block, &mut pieces)?,
                None => {}
            }
        }
        if ends.is_empty() { Ok(pieces) } else { Err(format!("`{}` is missing", ends.join("` or `"))) }
    }

    fn expression(&self, text: &str) -> Result<Ast, String> {
        let mut parser = Parser { tokens: tokens(text)?, at: 0, values: &self.values };
        let ast = parser.whole(DEPTH_MAX)?;
        if parser.at < parser.tokens.len() {
            return Err(format!("`{text}` goes on after its end"));
        }
        Ok(ast)
    }

    fn block(&mut self, block: &str, pieces: &mut Vec<Piece>) -> Result<(), String> {
        let (word, rest) = block.split_once(char::is_whitespace).unwrap_or((block, ""));
        match word {
            "set" => {
                let (name, value) = rest.split_once('=').ok_or("`set` without a block has no counterpart")?;
                let value = self.expression(value)?;
                self.values.insert(0, (name.trim().to_owned(), value));
                Ok(())
            }
            "if" => {
                let condition = self.expression(rest)?;
                let made = self.branches(condition)?;
                pieces.push(Piece::Expression(made));
                Ok(())
            }
            "for" => {
                let repeated = self.repeated(rest)?;
                pieces.push(Piece::Expression(repeated));
                Ok(())
            }
            other => Err(format!("`{{% {other} %}}` has no counterpart in our expressions")),
        }
    }

    /// A loop that writes each element of a list, or a field of it, between texts: a list that is joined.
    fn repeated(&mut self, head: &str) -> Result<Ast, String> {
        let odd = || format!("`{{% for {head} %}}` has no counterpart in our expressions");
        let (name, list) = head.split_once(" in ").ok_or_else(odd)?;
        let name = name.trim();
        if name.contains(',') || list.split_whitespace().any(|word| word == "if" || word == "recursive") {
            return Err(odd());
        }
        let list = self.expression(list)?;
        let body = merged(self.until(&["else", "endfor"])?);
        let Some(Part::Block("endfor")) = self.parts.next() else { return Err(odd()) };
        let (mut before, mut after, mut between, mut item) = (String::new(), String::new(), None, None);
        for piece in body {
            match piece {
                Piece::Text(text) if item.is_none() => before.push_str(&text),
                Piece::Text(text) if between.is_none() => after.push_str(&text),
                Piece::Text(text) if text.trim().is_empty() => {}
                Piece::Expression(Ast::If(sign, condition, otherwise))
                    if item.is_some()
                        && between.is_none()
                        && is_not_last(&condition)
                        && is_blank(otherwise.as_deref()) =>
                {
                    let Ast::Constant(Value::String(sign)) = *sign else { return Err(odd()) };
                    between = Some(sign);
                }
                Piece::Expression(ast) if item.is_none() => item = Some(ast),
                _ => return Err(odd()),
            }
        }
        let path = item.as_ref().and_then(Ast::path).ok_or_else(odd)?;
        let (Some(Value::String(root)), fields) = (path.first(), path.get(1..).unwrap_or_default()) else {
            return Err(odd());
        };
        if root != name || !fields.iter().all(Value::is_string) {
            return Err(odd());
        }
        let attribute = fields.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(".");
        let items = if attribute.is_empty() {
            list.clone()
        } else {
            let named = vec![("attribute".to_owned(), Ast::Constant(attribute.into()))];
            Ast::Filter(Box::new(list.clone()), "map".to_owned(), Vec::new(), named)
        };
        let sign = format!("{after}{}{before}", between.unwrap_or_default());
        let joined_items =
            Ast::Filter(Box::new(items), "join".to_owned(), vec![Ast::Constant(sign.into())], Vec::new());
        let pieces = merged(vec![Piece::Text(before), Piece::Expression(joined_items), Piece::Text(after)]);
        let pieces: Vec<Piece> =
            pieces.into_iter().filter(|piece| !matches!(piece, Piece::Text(text) if text.is_empty())).collect();
        // A list without elements writes nothing.
        Ok(Ast::If(Box::new(joined(pieces)), Box::new(list), Some(Box::new(Ast::Constant("".into())))))
    }

    /// The rest of an `if`. A name that a branch sets is what it is there, under the condition.
    fn branches(&mut self, condition: Ast) -> Result<Ast, String> {
        let scope = self.values.clone();
        let then = joined(self.until(&["elif", "else", "endif"])?);
        let set_then = std::mem::replace(&mut self.values, scope.clone());
        let Some(Part::Block(end)) = self.parts.next() else { return Err("`endif` is missing".to_owned()) };
        let (word, rest) = end.split_once(char::is_whitespace).unwrap_or((end, ""));
        let otherwise = match word {
            "elif" => {
                let condition = self.expression(rest)?;
                Some(self.branches(condition)?)
            }
            "else" => {
                let otherwise = joined(self.until(&["endif"])?);
                self.parts.next();
                Some(otherwise)
            }
            _ => None,
        };
        let set_else = std::mem::replace(&mut self.values, scope.clone());
        let value = |values: &[(String, Ast)], name: &str| {
            let found = values.iter().find(|(known, _)| known == name);
            found.map_or_else(|| Ast::Constant("".into()), |(_, value)| value.clone())
        };
        let mut names: Vec<String> = set_then.iter().chain(&set_else).map(|(name, _)| name.clone()).collect();
        names.sort();
        names.dedup();
        for name in names {
            let (then, otherwise) = (value(&set_then, &name), value(&set_else, &name));
            if then != otherwise {
                let chosen = Ast::If(Box::new(then), Box::new(condition.clone()), Some(Box::new(otherwise)));
                self.values.insert(0, (name, chosen));
            } else if !scope.iter().any(|(known, value)| *known == name && *value == then) {
                self.values.insert(0, (name, then));
            }
        }
        let otherwise = otherwise.unwrap_or(Ast::Constant("".into()));
        Ok(Ast::If(Box::new(then), Box::new(condition), Some(Box::new(otherwise))))
    }
}

/// Whether a condition is `not loop.last`.
fn is_not_last(condition: &Ast) -> bool {
    matches!(condition, Ast::Not(of) if of.path().is_some_and(|path| path == ["loop", "last"]))
}

fn is_blank(ast: Option<&Ast>) -> bool {
    ast.is_none_or(|ast| matches!(ast, Ast::Constant(Value::String(text)) if text.is_empty()))
}

/// The text that pieces make, as an expression.
fn joined(pieces: Vec<Piece>) -> Ast {
    let mut pieces = merged(pieces);
    match pieces.len() {
        0 => Ast::Constant("".into()),
        1 => match pieces.remove(0) {
            Piece::Text(text) => Ast::Constant(text.into()),
            Piece::Expression(ast) => ast,
        },
        _ => Ast::Joined(pieces),
    }
}

struct Parser<'a> {
    tokens: Vec<Token>,
    at: usize,
    values: &'a [(String, Ast)],
}

impl Parser<'_> {
    fn sign(&mut self, sign: &str) -> bool {
        let is_it = matches!(self.tokens.get(self.at), Some(Token::Sign(known)) if *known == sign);
        self.at += usize::from(is_it);
        is_it
    }

    fn word(&mut self, word: &str) -> bool {
        let is_it = matches!(self.tokens.get(self.at), Some(Token::Name(known)) if known == word);
        self.at += usize::from(is_it);
        is_it
    }

    fn need(&mut self, sign: &str) -> Result<(), String> {
        if self.sign(sign) { Ok(()) } else { Err(format!("`{sign}` is missing")) }
    }

    fn name(&mut self) -> Result<String, String> {
        match self.tokens.get(self.at) {
            Some(Token::Name(name)) => {
                self.at += 1;
                Ok(name.clone())
            }
            // `.true` and `.none` are names after a dot.
            Some(Token::Constant(Value::Bool(flag))) => {
                self.at += 1;
                Ok(flag.to_string())
            }
            Some(Token::Constant(Value::Null)) => {
                self.at += 1;
                Ok("none".to_owned())
            }
            Some(Token::Constant(Value::Number(number))) => {
                self.at += 1;
                Ok(number.to_string())
            }
            _ => Err("a name is missing".to_owned()),
        }
    }

    fn whole(&mut self, depth: usize) -> Result<Ast, String> {
        let depth = depth.checked_sub(1).ok_or("it is nested too deep")?;
        let then = self.or(depth)?;
        if !self.word("if") {
            return Ok(then);
        }
        let condition = self.or(depth)?;
        let otherwise = if self.word("else") { Some(Box::new(self.whole(depth)?)) } else { None };
        Ok(Ast::If(Box::new(then), Box::new(condition), otherwise))
    }

    fn or(&mut self, depth: usize) -> Result<Ast, String> {
        let mut left = self.and(depth)?;
        while self.word("or") {
            left = Ast::Binary("or", Box::new(left), Box::new(self.and(depth)?));
        }
        Ok(left)
    }

    fn and(&mut self, depth: usize) -> Result<Ast, String> {
        let mut left = self.not(depth)?;
        while self.word("and") {
            left = Ast::Binary("and", Box::new(left), Box::new(self.not(depth)?));
        }
        Ok(left)
    }

    fn not(&mut self, depth: usize) -> Result<Ast, String> {
        let depth = depth.checked_sub(1).ok_or("it is nested too deep")?;
        if self.word("not") { Ok(Ast::Not(Box::new(self.not(depth)?))) } else { self.compare(depth) }
    }

    fn compare(&mut self, depth: usize) -> Result<Ast, String> {
        let first = self.sum(depth)?;
        let (mut result, mut left): (Option<Ast>, Ast) = (None, first);
        loop {
            let sign = ["==", "!=", "<=", ">=", "<", ">"].into_iter().find(|sign| self.sign(sign));
            let one = if let Some(sign) = sign {
                let right = self.sum(depth)?;
                (Ast::Binary(sign, Box::new(left), Box::new(right.clone())), right)
            } else if self.word("in") {
                let right = self.sum(depth)?;
                (Ast::Binary("in", Box::new(left), Box::new(right.clone())), right)
            } else if matches!(self.tokens.get(self.at..self.at + 2), Some([Token::Name(not), Token::Name(within)]) if not == "not" && within == "in")
            {
                self.at += 2;
                let right = self.sum(depth)?;
                let within = Ast::Binary("in", Box::new(left), Box::new(right.clone()));
                (Ast::Not(Box::new(within)), right)
            } else {
                return Ok(result.unwrap_or(left));
            };
            // `a < b < c` is two comparisons.
            result = Some(match result {
                None => one.0,
                Some(before) => Ast::Binary("and", Box::new(before), Box::new(one.0)),
            });
            left = one.1;
        }
    }

    fn sum(&mut self, depth: usize) -> Result<Ast, String> {
        let mut left = self.concatenation(depth)?;
        loop {
            let Some(sign) = ["+", "-"].into_iter().find(|sign| self.sign(sign)) else { return Ok(left) };
            left = Ast::Binary(sign, Box::new(left), Box::new(self.concatenation(depth)?));
        }
    }

    fn concatenation(&mut self, depth: usize) -> Result<Ast, String> {
        let mut left = self.product(depth)?;
        while self.sign("~") {
            left = Ast::Binary("~", Box::new(left), Box::new(self.product(depth)?));
        }
        Ok(left)
    }

    fn product(&mut self, depth: usize) -> Result<Ast, String> {
        let mut left = self.unary(depth)?;
        loop {
            let Some(sign) = ["//", "*", "/", "%"].into_iter().find(|sign| self.sign(sign)) else { return Ok(left) };
            left = Ast::Binary(sign, Box::new(left), Box::new(self.unary(depth)?));
        }
    }

    fn unary(&mut self, depth: usize) -> Result<Ast, String> {
        let depth = depth.checked_sub(1).ok_or("it is nested too deep")?;
        if self.sign("-") {
            return Ok(Ast::Negative(Box::new(self.unary(depth)?)));
        }
        if self.sign("+") {
            return self.unary(depth);
        }
        let mut value = self.primary(depth)?;
        loop {
            if self.sign("|") {
                let mut name = self.name()?;
                while self.sign(".") {
                    name = format!("{name}.{}", self.name()?);
                }
                let (arguments, named) = if self.sign("(") { self.arguments(depth)? } else { Default::default() };
                value = Ast::Filter(Box::new(value), name, arguments, named);
            } else if self.word("is") {
                let is_not = self.word("not");
                let name = self.name()?;
                let mut arguments = Vec::new();
                if self.sign("(") {
                    arguments = self.arguments(depth)?.0;
                } else if matches!(
                    name.as_str(),
                    "sameas" | "divisibleby" | "eq" | "equalto" | "in" | "ne" | "gt" | "lt" | "ge" | "le"
                ) {
                    arguments.push(self.primary(depth)?);
                }
                let test = Ast::Test(Box::new(value), name, arguments);
                value = if is_not { Ast::Not(Box::new(test)) } else { test };
            } else if self.sign("**") {
                value = Ast::Binary("**", Box::new(value), Box::new(self.unary(depth)?));
            } else {
                return Ok(value);
            }
        }
    }

    fn primary(&mut self, depth: usize) -> Result<Ast, String> {
        let mut value = self.atom(depth)?;
        loop {
            if self.sign(".") {
                value = Ast::Attribute(Box::new(value), self.name()?);
            } else if self.sign("[") {
                value = self.subscript(value, depth)?;
            } else if self.sign("(") {
                let (arguments, named) = self.arguments(depth)?;
                value = Ast::Call(Box::new(value), arguments, named);
            } else {
                return Ok(value);
            }
        }
    }

    fn subscript(&mut self, of: Ast, depth: usize) -> Result<Ast, String> {
        let bound = |parser: &mut Self| -> Result<Option<Box<Ast>>, String> {
            let is_open = matches!(parser.tokens.get(parser.at), Some(Token::Sign(":" | "]")));
            if is_open { Ok(None) } else { parser.whole(depth).map(|bound| Some(Box::new(bound))) }
        };
        let first = bound(self)?;
        let value = if self.sign(":") {
            Ast::Slice(Box::new(of), first, bound(self)?)
        } else {
            let key = match *first.ok_or("an index is missing")? {
                // `x[-1]` counts from the end.
                Ast::Negative(inner) => match *inner {
                    Ast::Constant(Value::Number(number)) => {
                        Ast::Constant((-number.as_i64().unwrap_or_default()).into())
                    }
                    other => Ast::Negative(Box::new(other)),
                },
                key => key,
            };
            Ast::Item(Box::new(of), Box::new(key))
        };
        self.need("]")?;
        Ok(value)
    }

    #[expect(clippy::type_complexity, reason = "arguments by place and by name, used twice")]
    fn arguments(&mut self, depth: usize) -> Result<(Vec<Ast>, Vec<(String, Ast)>), String> {
        let (mut arguments, mut named) = (Vec::new(), Vec::new());
        while !self.sign(")") {
            if let (Some(Token::Name(name)), Some(Token::Sign("="))) =
                (self.tokens.get(self.at), self.tokens.get(self.at + 1))
            {
                let name = name.clone();
                self.at += 2;
                named.push((name, self.whole(depth)?));
            } else {
                arguments.push(self.whole(depth)?);
            }
            if !self.sign(",") {
                self.need(")")?;
                break;
            }
        }
        Ok((arguments, named))
    }

    fn atom(&mut self, depth: usize) -> Result<Ast, String> {
        if self.sign("(") {
            let first = self.whole(depth)?;
            if !self.sign(",") {
                self.need(")")?;
                return Ok(first);
            }
            let mut items = vec![first];
            while !self.sign(")") {
                items.push(self.whole(depth)?);
                if !self.sign(",") {
                    self.need(")")?;
                    break;
                }
            }
            return Ok(Ast::List(items));
        }
        if self.sign("[") {
            let mut items = Vec::new();
            while !self.sign("]") {
                items.push(self.whole(depth)?);
                if !self.sign(",") {
                    self.need("]")?;
                    break;
                }
            }
            return Ok(Ast::List(items));
        }
        if self.sign("{") {
            let mut pairs = Vec::new();
            while !self.sign("}") {
                let key = self.whole(depth)?;
                self.need(":")?;
                pairs.push((key, self.whole(depth)?));
                if !self.sign(",") {
                    self.need("}")?;
                    break;
                }
            }
            return Ok(Ast::Map(pairs));
        }
        let token = self.tokens.get(self.at).cloned().ok_or("it ends too early")?;
        self.at += 1;
        match token {
            // Texts beside each other are one.
            Token::Constant(Value::String(mut text)) => {
                while let Some(Token::Constant(Value::String(more))) = self.tokens.get(self.at) {
                    text.push_str(more);
                    self.at += 1;
                }
                Ok(Ast::Constant(text.into()))
            }
            Token::Constant(value) => Ok(Ast::Constant(value)),
            Token::Name(name) => {
                let set = self.values.iter().find(|(known, _)| *known == name);
                Ok(set.map_or(Ast::Name(name), |(_, value)| value.clone()))
            }
            Token::Sign(sign) => Err(format!("`{sign}` stands where a value should")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Ast;
    use super::*;

    fn one(text: &str) -> Ast {
        match template(text).unwrap().as_slice() {
            [Piece::Expression(ast)] => ast.clone(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn paths_are_one_however_they_are_written() {
        for text in [
            "{{ response.a['b'] }}",
            "{{response['a'].b}}",
            "{{ response.get('a', {}).get('b') }}",
            "{{ response['a']['b'] }}",
            "{{ (response.get(\"a\", {})).b -}}",
        ] {
            assert_eq!(one(text).path(), Some(vec!["response".into(), "a".into(), "b".into()]), "{text}");
        }
        assert_eq!(one("{{ response.data[-1].id }}").path().unwrap().get(2), Some(&(-1).into()));
        assert_eq!(one("{{ config.get('a', 5) }}").path(), None);
    }

    #[test]
    fn operators_bind_as_in_python() {
        for (text, same) in [
            ("{{ a or b and not c == d }}", "{{ a or (b and (not (c == d))) }}"),
            ("{{ a if b else c if d else e }}", "{{ a if b else (c if d else e) }}"),
            ("{{ 1 + 2 * 3 }}", "{{ 1 + (2 * 3) }}"),
            ("{{ a ~ b | upper }}", "{{ a ~ (b | upper) }}"),
            ("{{ 'x' not in a }}", "{{ not ('x' in a) }}"),
            ("{{ a is not none and b }}", "{{ (not (a is none)) and b }}"),
            ("{% if a %}x{% elif b %}y{% else %}z{% endif %}", "{{ 'x' if a else 'y' if b else 'z' }}"),
            ("{% set x = a.b %}{{ x + 1 }}", "{{ a.b + 1 }}"),
            ("{{ {'a': {'b': 1}} }}", "{{ {'a': {'b': 1}} }}"),
            (
                "{% if a %}{% set x = 1 %}{% else %}{% set x = 2 %}{% endif %}{{ x }}",
                "{{ '' if a else '' }}{{ 1 if a else 2 }}",
            ),
            ("{% set x = 3 %}{% if a %}{% set x = 1 %}{% endif %}{{ x }}", "{{ '' if a else '' }}{{ 1 if a else 3 }}"),
            (
                "{% for x in y %}{{ x.b }}{% if not loop.last %},{% endif %}{% endfor %}",
                "{{ y | map(attribute='b') | join(',') if y else '' }}",
            ),
        ] {
            assert_eq!(template(text).unwrap(), template(same).unwrap(), "{text}");
        }
    }

    #[test]
    fn what_has_no_counterpart_is_refused_by_name() {
        for text in [
            "{% for x in y %}{{ x + 1 }}{% endfor %}",
            "{% for k, v in y %}{{ k }}{% endfor %}",
            "{% for x in y %}{{ x }}",
            "{% macro x() %}{% endmacro %}",
            "{{ a",
            "{{ a b }}",
            "{{ 'a }}",
            "{% if a %}x",
            "{{ }}",
            "{{ a + }}",
            "{{ ? }}",
        ] {
            assert!(template(text).is_err(), "{text}");
        }
    }

    #[test]
    fn texts_stay_around_expressions() {
        assert_eq!(
            template("a {{ b }}\n").unwrap(),
            [Piece::Text("a ".into()), Piece::Expression(Ast::Name("b".into()))]
        );
        assert_eq!(template("plain").unwrap(), [Piece::Text("plain".into())]);
        assert!(template("").unwrap().is_empty());
    }
}
