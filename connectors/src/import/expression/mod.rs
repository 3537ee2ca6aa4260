//! The template language's expressions in ours: what they mean, and not how they are written.
//!
//! A template of the original is always a text that is read back as a literal, so `{{ 5 }}` is 5 and `{{ '5' }}` is 5 as well. Where that can
//! make a difference our expression says `| literal`, and `| text` where a value becomes a part of a text.

mod calls;
mod references;
mod times;

pub(super) use times::{duration, pattern};

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::jinja::{self, Ast, Piece};
use super::settings::Settings;

/// Where an expression stands, and so what it can see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In a request: settings, slices, bounds, the page's token.
    Request,
    /// In what auth sends: settings, secret ones among them, and slices.
    Credential,
    /// After a page: the answer, its records, settings.
    Page,
    /// In a record.
    Record,
    /// In a rule about an answer.
    Answer,
}

/// What a value is, as far as its expression tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Any,
    Bool,
    Text,
    Number,
    List,
    /// An instant, which our expressions hold as RFC 3339 text.
    Instant,
    /// A day: an instant at midnight.
    Day,
    /// A length of time.
    Span {
        months: i64,
        seconds: i64,
    },
}

/// An expression of ours.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Code {
    pub(super) text: String,
    pub(super) kind: Kind,
    /// It needs no parentheses.
    is_atom: bool,
    /// It is the bare name of something that is always there.
    pub(super) name: Option<String>,
}

impl Code {
    fn new(text: impl Into<String>, kind: Kind) -> Self {
        Self { text: text.into(), kind, is_atom: false, name: None }
    }

    fn atom(text: impl Into<String>, kind: Kind) -> Self {
        Self { text: text.into(), kind, is_atom: true, name: None }
    }

    /// A list of expressions.
    pub(super) fn of_list(items: &[String]) -> Self {
        Self::atom(format!("[{}]", items.join(", ")), Kind::List)
    }

    /// An object of names in quotes with expressions.
    pub(super) fn of_map(fields: &[String]) -> Self {
        Self::atom(format!("{{{}}}", fields.join(", ")), Kind::Any)
    }

    /// A name that is always there.
    pub(super) fn of_name(name: &str) -> Self {
        named(name)
    }

    /// A value under a condition, else none.
    pub(super) fn under(name: &str, condition: &str) -> Self {
        Self::new(format!("{name} if {condition} else none"), Kind::Any)
    }

    /// The value, or none where its text is empty.
    pub(super) fn unless_blank(&self, text: &Self) -> Self {
        Self::new(format!("{} if {} else none", self.tight(), text.tight()), self.kind)
    }

    /// In parentheses, where it needs them.
    pub(super) fn tight(&self) -> String {
        if self.is_atom { self.text.clone() } else { format!("({})", self.text) }
    }

    /// With a filter behind it.
    fn filter(&self, filter: &str, kind: Kind) -> Self {
        Self::atom(format!("{} | {filter}", self.tight()), kind).loosened()
    }

    /// A filter binds tighter than everything but a dot.
    fn loosened(mut self) -> Self {
        self.is_atom = false;
        self
    }

    /// As a part of a text.
    pub(super) fn as_text(&self) -> Self {
        match self.kind {
            Kind::Text => self.clone(),
            Kind::Instant => self.filter("isoformat(' ')", Kind::Text),
            Kind::Day => self.filter("strftime('%Y-%m-%d')", Kind::Text),
            _ => self.filter("text", Kind::Text),
        }
    }

    /// As the literal that its text spells.
    pub(super) fn as_literal(&self) -> Self {
        match self.kind {
            Kind::Bool | Kind::Number => self.clone(),
            Kind::Instant | Kind::Day => self.as_text(),
            _ => self.filter("literal", Kind::Any),
        }
    }

    /// As a yes or no, of which a condition is made.
    pub(super) fn as_condition(&self) -> Self {
        match self.kind {
            Kind::Bool => self.clone(),
            _ => self.filter("meant", Kind::Bool),
        }
    }
}

/// What the parts of a stream are called in the original, and by us.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    /// Values of the partition: the original's path below the slice, with our name.
    pub(super) partition: BTreeMap<Vec<String>, String>,
    /// The original's names for the bounds of the window, with ours.
    pub(super) bounds: BTreeMap<String, String>,
    /// The name under which requests see the page's token.
    pub(super) token: Option<String>,
    /// Where the records stand in the answer.
    pub(super) records: Vec<String>,
    /// Whether a page's records can be looked at beside the answer.
    pub(super) job: BTreeMap<Vec<String>, String>,
    /// Our names of what a parent may lack.
    pub(super) nullable: Vec<String>,
    /// Our names of lists.
    pub(super) lists: Vec<String>,
    /// What slices put into requests goes into that of their first page alone.
    pub(super) first_only: bool,
}

/// Translates the expressions of one component.
pub(super) struct Translator<'a> {
    pub(super) settings: &'a mut Settings,
    pub(super) parameters: &'a Map<String, Value>,
    pub(super) names: &'a Names,
    pub(super) place: Place,
}

/// An expression, or why there is none.
type Answer = Result<Code, String>;

/// A text in quotes.
pub(super) fn quoted(text: &str) -> String {
    let escaped =
        text.replace('\\', "\\\\").replace('\'', "\\'").replace('\n', "\\n").replace('\r', "\\r").replace('\t', "\\t");
    format!("'{escaped}'")
}

/// Whether a name can stand after a dot.
fn is_plain_name(name: &str) -> bool {
    const WORDS: [&str; 12] = ["true", "false", "none", "and", "or", "not", "in", "is", "if", "else", "True", "False"];
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !WORDS.contains(&name)
}

/// One step further down.
fn step(of: &str, key: &Value) -> String {
    match key {
        Value::String(name) if is_plain_name(name) => format!("{of}.{name}"),
        Value::String(name) => format!("{of}[{}]", quoted(name)),
        other => format!("{of}[{other}]"),
    }
}

fn key_text(key: &Value) -> String {
    key.as_str().map_or_else(|| key.to_string(), str::to_owned)
}

impl Translator<'_> {
    /// The template as an expression whose value is a text.
    pub(super) fn as_text(&mut self, template: &str) -> Answer {
        let pieces = self.pieces(template)?;
        match pieces.as_slice() {
            [] => Ok(Code::atom("''", Kind::Text)),
            [Piece::Text(text)] => Ok(Code::atom(quoted(text), Kind::Text)),
            [Piece::Expression(ast)] => Ok(self.code(ast)?.as_text()),
            _ => self.join(&pieces),
        }
    }

    /// Pieces as an expression whose value is a text.
    pub(super) fn text_of(&mut self, pieces: &[Piece]) -> Answer {
        match pieces {
            [Piece::Expression(ast)] => Ok(self.code(ast)?.as_text()),
            pieces => self.join(pieces),
        }
    }

    /// The template as an expression with the value that its text spells.
    pub(super) fn as_value(&mut self, template: &str) -> Answer {
        let pieces = self.pieces(template)?;
        match pieces.as_slice() {
            [] => Ok(Code::atom("none", Kind::Any)),
            [Piece::Text(text)] => constant(&crate::expression::literal(&Value::from(text.as_str()))),
            [Piece::Expression(ast)] => Ok(self.code(ast)?.as_literal()),
            _ => Ok(self.join(&pieces)?.filter("literal", Kind::Any)),
        }
    }

    /// The template as an expression with the value that its text spells, where that is of a type; else its text.
    pub(super) fn as_value_of(&mut self, template: &str, wanted: &str) -> Answer {
        let (check, known) = match wanted {
            "integer" => ("integer", Kind::Number),
            "number" => ("float", Kind::Number),
            "boolean" => ("boolean", Kind::Bool),
            _ => return self.as_value(template),
        };
        let (value, text) = (self.as_value(template)?, self.as_text(template)?);
        let is_sure = match wanted {
            "integer" => value.text.ends_with("| int") || value.text.ends_with("| int_or"),
            "number" => value.text.ends_with("| float") || value.text.ends_with("| float_or"),
            _ => value.kind == known,
        };
        if is_sure {
            return Ok(value);
        }
        Ok(Code::new(format!("{} if {} is {check} else {}", value.tight(), value.tight(), text.tight()), Kind::Any))
    }

    /// The template as an expression with its value as it is, for lists and conditions.
    pub(super) fn as_it_is(&mut self, template: &str) -> Answer {
        let pieces = self.pieces(template)?;
        match pieces.as_slice() {
            [Piece::Expression(ast)] => self.code(ast),
            _ => self.as_text(template),
        }
    }

    /// The template as a condition.
    pub(super) fn as_condition(&mut self, template: &str) -> Answer {
        Ok(self.as_it_is(template)?.as_condition())
    }

    /// The pieces of a template.
    pub(super) fn pieces(&self, template: &str) -> Result<Vec<Piece>, String> {
        if !jinja::is_template(template) {
            return Ok(if template.is_empty() { Vec::new() } else { vec![Piece::Text(template.to_owned())] });
        }
        let pieces = jinja::template(template).map_err(|reason| format!("`{template}`: {reason}"))?;
        // What parameters say is known here and now.
        Ok(pieces
            .into_iter()
            .map(|piece| match piece {
                Piece::Expression(ast) => {
                    let ast = self.settings.written_out(&self.folded(&ast));
                    match self.known(&ast) {
                        Some(Value::String(text)) => Piece::Text(text),
                        Some(value) if !value.is_null() => Piece::Expression(Ast::Constant(value)),
                        _ => Piece::Expression(ast),
                    }
                }
                text @ Piece::Text(_) => text,
            })
            .fold(Vec::new(), |mut out, piece| {
                match (out.last_mut(), piece) {
                    (Some(Piece::Text(before)), Piece::Text(text)) => before.push_str(&text),
                    (_, piece) => out.push(piece),
                }
                out
            }))
    }

    /// The expression with keys that are put together of what is known, `config['a_' ~ parameters.b]`, written out.
    fn folded(&self, ast: &Ast) -> Ast {
        ast.replaced(&|ast| {
            let Ast::Item(of, key) = ast else { return None };
            let key = match key.as_ref() {
                Ast::Constant(_) => return None,
                key => self.known(key)?,
            };
            Some(Ast::Item(Box::new(self.folded(of)), Box::new(Ast::Constant(key))))
        })
    }

    /// The value of what needs no request to be known.
    fn known(&self, ast: &Ast) -> Option<Value> {
        if let Ast::Constant(value) = ast {
            return Some(value.clone());
        }
        if let Ast::Binary("+" | "~", left, right) = ast
            && let (Some(Value::String(left)), Some(Value::String(right))) = (self.known(left), self.known(right))
        {
            return Some(format!("{left}{right}").into());
        }
        let path = ast.path()?;
        let (root, rest) = path.split_first()?;
        if !matches!(root.as_str(), Some("parameters" | "options")) {
            return None;
        }
        // What nobody handed down is nothing.
        let nothing = || Some(Value::from(""));
        let Some(mut value) = self.parameters.get(rest.first()?.as_str()?) else { return nothing() };
        for key in rest.get(1..)? {
            let below = match key {
                Value::String(name) => value.get(name),
                key => value.get(usize::try_from(key.as_i64()?).ok()?),
            };
            let Some(below) = below else { return nothing() };
            value = below;
        }
        Some(super::tree::plain(value))
    }

    /// Pieces as one text.
    fn join(&mut self, pieces: &[Piece]) -> Answer {
        let mut parts = Vec::new();
        for piece in pieces {
            parts.push(match piece {
                Piece::Text(text) => quoted(text),
                Piece::Expression(ast) => {
                    let code = self.code(ast)?.as_text();
                    code.tight()
                }
            });
        }
        Ok(Code::new(parts.join(" ~ "), Kind::Text))
    }

    /// One expression.
    #[expect(clippy::too_many_lines, reason = "one arm for each kind of expression")]
    pub(super) fn code(&mut self, ast: &Ast) -> Answer {
        if let Some(value) = self.known(ast) {
            return constant(&value);
        }
        // `get` gives none for what is not there, where an index gives an empty text.
        if let Ast::Call(_, arguments, _) = ast
            && arguments.len() == 1
            && let Some(path) = ast.path()
            && path.first() == Some(&"config".into())
            && let Some(code) = self.reference(&path)?
        {
            return Ok(match code.text.strip_suffix(" | default('')") {
                Some(bare) => Code::new(format!("{bare} | default(none)"), Kind::Any),
                None => code,
            });
        }
        if let Some(path) = ast.path()
            && let Some(code) = self.reference(&path)?
        {
            return Ok(code);
        }
        match ast {
            Ast::Constant(value) => constant(value),
            Ast::List(items) => {
                let items = items.iter().map(|item| Ok(self.code(item)?.text)).collect::<Result<Vec<_>, String>>()?;
                Ok(Code::atom(format!("[{}]", items.join(", ")), Kind::List))
            }
            Ast::Map(pairs) => {
                let pairs = pairs
                    .iter()
                    .map(|(key, value)| Ok(format!("{}: {}", self.code(key)?.text, self.code(value)?.text)))
                    .collect::<Result<Vec<_>, String>>()?;
                Ok(Code::atom(format!("{{{}}}", pairs.join(", ")), Kind::Any))
            }
            Ast::Name(name) => Err(format!("`{name}` is not known here")),
            Ast::Attribute(of, name) => self.down(of, &name.as_str().into()),
            Ast::Item(of, key) => match key.as_ref() {
                Ast::Constant(key @ (Value::String(_) | Value::Number(_))) => self.down(of, key),
                key => {
                    let (of, key) = (self.code(of)?, self.code(key)?);
                    Ok(Code::atom(format!("{}[{}]", of.tight(), key.text), Kind::Any))
                }
            },
            Ast::Slice(of, from, until) => {
                let of = self.code(of)?;
                let mut bound = |bound: &Option<Box<Ast>>| -> Result<String, String> {
                    bound.as_ref().map_or(Ok(String::new()), |bound| Ok(self.code(bound)?.text))
                };
                let (from, until) = (bound(from)?, bound(until)?);
                Ok(Code::atom(format!("{}[{from}:{until}]", of.tight()), of.kind))
            }
            Ast::Call(called, arguments, named) => self.call(called, arguments, named),
            Ast::Filter(of, name, arguments, named) => self.filter(of, name, arguments, named),
            Ast::Test(of, name, arguments) => self.test(of, name, arguments),
            Ast::Not(of) => {
                let of = self.truth(of)?;
                Ok(Code::new(format!("not {}", of.tight()), Kind::Bool))
            }
            Ast::Negative(of) => {
                let of = self.code(of)?;
                match of.kind {
                    Kind::Span { months, seconds } => {
                        Ok(Code::atom("", Kind::Span { months: -months, seconds: -seconds }))
                    }
                    _ => Ok(Code::new(format!("-{}", of.tight()), Kind::Number)),
                }
            }
            Ast::Binary(sign, left, right) => self.binary(sign, left, right),
            Ast::If(then, condition, otherwise) => {
                let condition = self.truth(condition)?;
                let then = self.code(then)?;
                let otherwise =
                    otherwise.as_ref().map_or_else(|| Ok(Code::atom("''", Kind::Text)), |code| self.code(code))?;
                let kind = if then.kind == otherwise.kind { then.kind } else { Kind::Any };
                // Both sides must be written alike where one is a time.
                let (then, otherwise) =
                    if kind == Kind::Any { (settled(&then), settled(&otherwise)) } else { (then, otherwise) };
                Ok(Code::new(format!("{} if {} else {}", then.tight(), condition.tight(), otherwise.tight()), kind))
            }
            Ast::Joined(pieces) => self.join(pieces),
        }
    }

    /// A value that is only asked whether it is one.
    fn truth(&mut self, ast: &Ast) -> Answer {
        if self.place == Place::Request
            && let Some(path) = ast.path().filter(|path| path.len() > 1 && path.first() == Some(&"config".into()))
        {
            let texts: Vec<String> = path.iter().skip(1).map(key_text).collect();
            if self.settings.is_secret(&texts) {
                let name = self.settings.find(&texts).name.clone();
                return Ok(Code::new(format!("{} in secrets_given", quoted(&name)), Kind::Bool));
            }
        }
        if self.place == Place::Page
            && let Some(root) = ast.path().filter(|path| path.len() == 1).and_then(|path| path.first().cloned())
        {
            match root.as_str() {
                Some("last_record") => return Ok(Code::new("count > 0", Kind::Bool)),
                Some("response" | "headers") => return Ok(Code::atom("true", Kind::Bool)),
                _ => {}
            }
        }
        if let Some(path) = ast.path()
            && path.len() == 1
            && path
                .first()
                .and_then(Value::as_str)
                .is_some_and(|name| matches!(name, "stream_interval" | "stream_slice" | "stream_partition"))
        {
            let is_there = !self.names.bounds.is_empty() || !self.names.partition.is_empty();
            return Ok(Code::atom(if is_there { "true" } else { "false" }, Kind::Bool));
        }
        self.code(ast)
    }

    /// A value further down; of one of several values, further down in each.
    fn down(&mut self, of: &Ast, key: &Value) -> Answer {
        if let Ast::Binary("or", left, right) = of {
            let below = |side: &Ast| {
                let key = Box::new(Ast::Constant(key.clone()));
                Ast::Item(Box::new(side.clone()), key)
            };
            let (left, right) = (self.code(&below(left))?, self.code(&below(right))?);
            return Ok(Code::new(format!("{} or {}", left.tight(), right.tight()), Kind::Any));
        }
        let of = self.code(of)?;
        if matches!(of.kind, Kind::Instant | Kind::Day)
            && let Some(pattern) = key.as_str().and_then(part_of_time)
        {
            return Ok(of.filter(&format!("strftime('{pattern}')"), Kind::Text).filter("int", Kind::Number));
        }
        Ok(Code::atom(step(&of.tight(), key), Kind::Any))
    }

    fn binary(&mut self, sign: &'static str, left: &Ast, right: &Ast) -> Answer {
        if sign == "in"
            && let Some(code) = self.within(left, right)?
        {
            return Ok(code);
        }
        if matches!(sign, "and" | "or") {
            let (left, right) = (self.truth(left)?, self.truth(right)?);
            let kind = if left.kind == right.kind { left.kind } else { Kind::Any };
            let (left, right) = if kind == Kind::Any { (settled(&left), settled(&right)) } else { (left, right) };
            return Ok(Code::new(format!("{} {sign} {}", left.tight(), right.tight()), kind));
        }
        let (left, right) = (self.code(left)?, self.code(right)?);
        if let ("+" | "-", Kind::Instant | Kind::Day, Kind::Span { months, seconds }) = (sign, left.kind, right.kind) {
            let turn = if sign == "-" { -1 } else { 1 };
            return Ok(moved(&left, months * turn, seconds * turn));
        }
        if let ("+", Kind::Span { months, seconds }, Kind::Instant | Kind::Day) = (sign, left.kind, right.kind) {
            return Ok(moved(&right, months, seconds));
        }
        if matches!(left.kind, Kind::Span { .. }) || matches!(right.kind, Kind::Span { .. }) {
            return Err("a length of time is only added to an instant".to_owned());
        }
        if sign == "-" && left.kind == Kind::Instant && right.kind == Kind::Instant {
            return Err("the time between two instants has no counterpart".to_owned());
        }
        let (kind, left, right) = match sign {
            "~" => (Kind::Text, left.as_text(), right.as_text()),
            "==" | "!=" | "<" | ">" | "<=" | ">=" | "in" => (Kind::Bool, settled(&left), settled(&right)),
            "+" if left.kind == Kind::Text || right.kind == Kind::Text => (Kind::Text, settled(&left), settled(&right)),
            "+" => (Kind::Any, settled(&left), settled(&right)),
            _ => (Kind::Number, left, right),
        };
        Ok(Code::new(format!("{} {sign} {}", left.tight(), right.tight()), kind))
    }
}

/// A name that is always there.
fn named(name: &str) -> Code {
    Code { name: Some(name.to_owned()), ..Code::atom(name, Kind::Any) }
}

/// A time as the text that the original would compare or write.
fn settled(code: &Code) -> Code {
    match code.kind {
        Kind::Instant | Kind::Day => code.as_text(),
        _ => code.clone(),
    }
}

/// How a part of a time is written.
fn part_of_time(name: &str) -> Option<&'static str> {
    Some(match name {
        "year" => "%Y",
        "month" => "%m",
        "day" => "%d",
        "hour" => "%H",
        "minute" => "%M",
        "second" => "%S",
        _ => return None,
    })
}

fn moved(of: &Code, months: i64, seconds: i64) -> Code {
    let mut code = of.clone();
    if months != 0 {
        code = code.filter(&format!("add_months({months})"), of.kind);
    }
    if seconds != 0 {
        code = code.filter(&format!("add_seconds({seconds})"), of.kind);
    }
    code
}

/// A link of the `Link` header, or a parameter of it.
fn link(relation: &str, field: &str) -> Code {
    let relation = regex::escape(relation);
    let expression = match field {
        "url" => format!("<([^>]*)>;[^<]*rel=\"?{relation}\"?"),
        field => format!("rel=\"?{relation}\"?[^<]*?{}=\"?([^\";,]*)", regex::escape(field)),
    };
    Code::new(format!("headers.link | default('') | regex_search({})", quoted(&expression)), Kind::Text)
}

/// A value written out.
pub(super) fn constant(value: &Value) -> Answer {
    Ok(match value {
        Value::Null => Code::atom("none", Kind::Any),
        Value::Bool(flag) => Code::atom(flag.to_string(), Kind::Bool),
        Value::Number(number) if number.as_f64().is_some_and(|number| number < 0.0) => {
            Code::new(number.to_string(), Kind::Number)
        }
        Value::Number(number) => Code::atom(number.to_string(), Kind::Number),
        Value::String(text) => Code::atom(quoted(text), Kind::Text),
        Value::Array(items) => {
            let items = items.iter().map(|item| Ok(constant(item)?.text)).collect::<Result<Vec<_>, String>>()?;
            Code::atom(format!("[{}]", items.join(", ")), Kind::List)
        }
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, field)| Ok(format!("{}: {}", quoted(name), constant(field)?.text)));
            Code::atom(format!("{{{}}}", fields.collect::<Result<Vec<_>, String>>()?.join(", ")), Kind::Any)
        }
    })
}
