//! The template language's expressions in ours: what they mean, and not how they are written.
//!
//! A template of the original is always a text that is read back as a literal, so `{{ 5 }}` is 5 and `{{ '5' }}` is 5 as well. Where that can
//! make a difference our expression says `| literal`, and `| text` where a value becomes a part of a text.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::jinja::{self, Ast, Piece};
use super::settings::Settings;
use crate::manifest::SettingType;

/// Where an expression stands, and so what it can see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// In a request: settings, slices, bounds, the page's token.
    Request,
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
    Span { months: i64, seconds: i64 },
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
            Kind::Instant => self.filter("strftime('%Y-%m-%d %H:%M:%S%.6f+00:00')", Kind::Text),
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
}

/// Translates the expressions of one component.
pub(super) struct Translator<'a> {
    pub(super) settings: &'a mut Settings,
    pub(super) parameters: &'a Map<String, Value>,
    pub(super) names: &'a Names,
    pub(super) place: Place,
}

type Answer = Result<Code, String>;

/// A text in quotes.
pub(super) fn quoted(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('\'', "\\'").replace('\n', "\\n").replace('\r', "\\r").replace('\t', "\\t");
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

/// `strftime` of Python in that of chrono.
pub(super) fn pattern(python: &str) -> String {
    let named = [("%s_as_float", "%s%.6f"), ("%epoch_microseconds", "%s%6f"), ("%_ms", "%3f"), ("%ms", "%s%3f")];
    let mut text = python.to_owned();
    for (theirs, ours) in named {
        text = text.replace(theirs, ours);
    }
    let mut out = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        out.push(c);
        if c == '%' {
            match chars.next() {
                // Their fraction has six digits, ours nine.
                Some('f') => out.push_str("6f"),
                Some(other) => out.push(other),
                None => {}
            }
        }
    }
    out
}

/// An ISO 8601 duration in months and seconds.
pub(super) fn duration(text: &str) -> Option<(i64, i64)> {
    let mut rest = text.trim().strip_prefix('P')?;
    let (mut months, mut seconds, mut is_time) = (0, 0.0_f64, false);
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('T') {
            is_time = true;
            rest = after;
            continue;
        }
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.' && c != ',')?;
        let number: f64 = rest.get(..end)?.replace(',', ".").parse().ok()?;
        let unit = rest.get(end..)?.chars().next()?;
        match (is_time, unit) {
            (false, 'Y') => months += whole(number)? * 12,
            (false, 'M') => months += whole(number)?,
            (false, 'W') => seconds += number * 604_800.0,
            (false, 'D') => seconds += number * 86_400.0,
            (true, 'H') => seconds += number * 3_600.0,
            (true, 'M') => seconds += number * 60.0,
            (true, 'S') => seconds += number,
            _ => return None,
        }
        rest = rest.get(end + unit.len_utf8()..)?;
    }
    Some((months, whole(seconds.floor())?))
}

/// A whole number that a float holds.
fn whole(number: f64) -> Option<i64> {
    format!("{number:.0}").parse().ok()
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
                Piece::Expression(ast) => match self.known(&ast) {
                    Some(Value::String(text)) => Piece::Text(text),
                    Some(value) if !value.is_null() => Piece::Expression(Ast::Constant(value)),
                    _ => Piece::Expression(ast),
                },
                text => text,
            })
            .fold(Vec::new(), |mut out, piece| {
                match (out.last_mut(), piece) {
                    (Some(Piece::Text(before)), Piece::Text(text)) => before.push_str(&text),
                    (_, piece) => out.push(piece),
                }
                out
            }))
    }

    /// The value of what needs no request to be known.
    fn known(&self, ast: &Ast) -> Option<Value> {
        if let Ast::Constant(value) = ast {
            return Some(value.clone());
        }
        let path = ast.path()?;
        let (root, rest) = path.split_first()?;
        if !matches!(root.as_str(), Some("parameters" | "options")) {
            return None;
        }
        let mut value = self.parameters.get(rest.first()?.as_str()?)?;
        for key in rest.get(1..)? {
            value = match key {
                Value::String(name) => value.get(name)?,
                key => value.get(usize::try_from(key.as_i64()?).ok()?)?,
            };
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
    pub(super) fn code(&mut self, ast: &Ast) -> Answer {
        if let Some(value) = self.known(ast) {
            return constant(&value);
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
                    Kind::Span { months, seconds } => Ok(Code::atom("", Kind::Span { months: -months, seconds: -seconds })),
                    _ => Ok(Code::new(format!("-{}", of.tight()), Kind::Number)),
                }
            }
            Ast::Binary(sign, left, right) => self.binary(sign, left, right),
            Ast::If(then, condition, otherwise) => {
                let condition = self.truth(condition)?;
                let then = self.code(then)?;
                let otherwise = otherwise.as_ref().map_or_else(|| Ok(Code::atom("''", Kind::Text)), |code| self.code(code))?;
                let kind = if then.kind == otherwise.kind { then.kind } else { Kind::Any };
                // Both sides must be written alike where one is a time.
                let (then, otherwise) = if kind == Kind::Any { (settled(&then), settled(&otherwise)) } else { (then, otherwise) };
                Ok(Code::new(format!("{} if {} else {}", then.tight(), condition.tight(), otherwise.tight()), kind))
            }
            Ast::Joined(pieces) => self.join(pieces),
        }
    }

    /// A value that is only asked whether it is one.
    fn truth(&mut self, ast: &Ast) -> Answer {
        if let Some(path) = ast.path()
            && path.len() == 1
            && path.first().and_then(Value::as_str).is_some_and(|name| matches!(name, "stream_interval" | "stream_slice" | "stream_partition"))
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

    /// Whether something is a part of the configuration, the answer, or a slice.
    fn within(&mut self, left: &Ast, right: &Ast) -> Result<Option<Code>, String> {
        let (Some(Value::String(key)), Some(path)) = (self.known(left), right.path()) else { return Ok(None) };
        let root = path.first().and_then(Value::as_str).unwrap_or_default();
        let mut below = path.clone();
        below.push(key.as_str().into());
        Ok(match (root, self.place) {
            ("config", _) if path.len() == 1 => {
                let texts: Vec<String> = vec![key];
                if self.settings.has_below(&texts) {
                    return Ok(Some(Code::atom("true", Kind::Bool)));
                }
                let code = self.bare_setting(&texts)?;
                Some(Code::new(format!("{code} is defined"), Kind::Bool))
            }
            ("headers", Place::Page | Place::Answer) if path.len() == 2 && key_is(&path, 1, "link") => {
                Some(Code::new(link(&key, "url").text, Kind::Text).filter("meant", Kind::Bool))
            }
            // Whether the key is there is whether it says something: facts of an answer do not tell null from nothing.
            ("response", Place::Page | Place::Answer) if path.len() == 1 => {
                let code = self.reference(&below)?.ok_or("it cannot be seen")?;
                Some(Code::new(format!("{} is not none", code.tight()), Kind::Bool))
            }
            _ => None,
        })
    }

    /// A setting by its name, without anything in its place.
    fn bare_setting(&mut self, path: &[String]) -> Result<String, String> {
        let setting = self.settings.find(path);
        if setting.is_secret {
            return Err(format!("`{}` is a secret, which only credentials may hold", setting.name));
        }
        Ok(match self.place {
            Place::Request => setting.name.clone(),
            Place::Page | Place::Record => format!("settings.{}", setting.name),
            Place::Answer => return Err("a rule about answers sees no settings".to_owned()),
        })
    }

    /// What a path leads to; `None` where it is no reference of ours.
    fn reference(&mut self, path: &[Value]) -> Result<Option<Code>, String> {
        let (Some(root), rest) = (path.first().and_then(Value::as_str), path.get(1..).unwrap_or_default()) else {
            return Ok(None);
        };
        let texts: Vec<String> = rest.iter().map(key_text).collect();
        Ok(Some(match root {
            "config" if !rest.is_empty() => return self.setting(&texts).map(Some),
            "stream_interval" | "stream_slice" | "stream_partition" if !rest.is_empty() => self.slice(&texts)?,
            "next_page_token" => match &self.names.token {
                Some(token) => Code::new(format!("{token} or none"), Kind::Any),
                None => Code::atom("none", Kind::Any),
            },
            "response" if matches!(self.place, Place::Page | Place::Answer) => return self.answer(rest),
            "headers" if matches!(self.place, Place::Page | Place::Answer) => return self.header(&texts),
            "last_record" if self.place == Place::Page && !rest.is_empty() => {
                Code::atom(rest.iter().fold("last_record".to_owned(), |of, key| step(&of, key)), Kind::Any)
            }
            "last_page_size" if self.place == Place::Page => Code::atom("count", Kind::Number),
            "page_size" if self.place == Place::Page => Code::atom("size", Kind::Number),
            "record" if self.place == Place::Record => {
                Code::atom(rest.iter().fold("record".to_owned(), |of, key| step(&of, key)), Kind::Any)
            }
            "property" | "value" if self.place == Place::Record && rest.is_empty() => Code::atom("item", Kind::Any),
            "creation_response" | "polling_response" | "download_target" => {
                let mut whole = vec![root.to_owned()];
                whole.extend(texts);
                let name = self.names.job.get(&whole).ok_or_else(|| format!("`{}` is not known here", whole.join(".")))?;
                named(name)
            }
            "parameters" | "options" => Code::atom("''", Kind::Text),
            _ => return Ok(None),
        }))
    }

    fn setting(&mut self, path: &[String]) -> Answer {
        if self.settings.has_below(path) {
            return Err(format!("`{}` is an object, which no setting can be", path.join(".")));
        }
        let bare = self.bare_setting(path)?;
        let setting = self.settings.find(path);
        let kind = match setting.kind {
            SettingType::Number => Kind::Number,
            SettingType::Boolean => Kind::Bool,
            SettingType::List => Kind::List,
            _ => Kind::Any,
        };
        let is_there = setting.is_required || setting.default.is_some();
        if setting.kind == SettingType::Date {
            let pattern = setting.pattern.clone().unwrap_or_else(|| "%Y-%m-%dT%H:%M:%SZ".to_owned());
            let written = format!("{bare} | strftime({})", quoted(&pattern));
            let text = if is_there { written } else { format!("({written}) if {bare} is defined else ''") };
            return Ok(Code::new(text, Kind::Text));
        }
        if !is_there {
            return Ok(Code::new(format!("{bare} | default('')"), Kind::Any));
        }
        Ok(Code { name: (self.place == Place::Request).then(|| bare.clone()), ..Code::atom(bare, kind) })
    }

    /// A value of the slice: a bound of the window, or something of the partition.
    fn slice(&mut self, path: &[String]) -> Answer {
        let name = if let Some(name) = self.names.partition.get(path) {
            name.clone()
        } else if let [name] = path
            && let Some(ours) = self.names.bounds.get(name)
        {
            ours.clone()
        } else {
            // What a slice does not have is nothing, as in the original.
            return Ok(Code::atom("''", Kind::Text));
        };
        Ok(match self.place {
            Place::Request => named(&name),
            Place::Record => Code::atom(format!("given.{name}"), Kind::Any),
            Place::Page => Code::atom(format!("settings.{name}"), Kind::Any),
            Place::Answer => return Err("a rule about answers sees no slice".to_owned()),
        })
    }

    /// A field of the answer.
    fn answer(&mut self, path: &[Value]) -> Result<Option<Code>, String> {
        let (records, texts): (&[String], Vec<String>) = (&self.names.records, path.iter().map(key_text).collect());
        if self.place == Place::Page && texts.starts_with(records) {
            // The list of records itself is not kept: only how many it has, its first and its last.
            match path.get(records.len()..).unwrap_or_default() {
                [] => return Ok(Some(Code::atom("count", Kind::Number))),
                [Value::Number(place), below @ ..] if !below.is_empty() => {
                    let which = match place.as_i64() {
                        Some(0) => "first_record",
                        Some(-1) => "last_record",
                        _ => return Err("only the first and the last record of a page are kept".to_owned()),
                    };
                    return Ok(Some(Code::atom(below.iter().fold(which.to_owned(), |of, key| step(&of, key)), Kind::Any)));
                }
                _ => {}
            }
        }
        if path.is_empty() {
            return Ok(None);
        }
        if texts.iter().any(|text| text.contains('.')) {
            return Err(format!("`{}` has a dot in a name, which only plain references may have", texts.join("/")));
        }
        Ok(Some(Code::atom(path.iter().fold("body".to_owned(), |of, key| step(&of, key)), Kind::Any)))
    }

    fn header(&mut self, path: &[String]) -> Result<Option<Code>, String> {
        Ok(match path {
            [] => None,
            [link_header, relation, field] if link_header.eq_ignore_ascii_case("link") => Some(link(relation, field)),
            [link_header, relation] if link_header.eq_ignore_ascii_case("link") => Some(link(relation, "url")),
            [name] => {
                let of = step("headers", &name.to_ascii_lowercase().into());
                Some(Code::new(format!("{of} | default('')"), Kind::Any))
            }
            _ => None,
        })
    }

    fn call(&mut self, called: &Ast, arguments: &[Ast], named: &[(String, Ast)]) -> Answer {
        if let Ast::Name(name) = called {
            return self.function(name, arguments, named);
        }
        let Ast::Attribute(of, method) = called else { return Err("only functions and methods are called".to_owned()) };
        if method == "get" {
            let key = arguments.first().ok_or("`get` needs a key")?;
            let found = self.code(&Ast::Item(of.clone(), Box::new(key.clone())))?;
            let Some(default) = arguments.get(1) else { return Ok(found) };
            let default = settled(&self.code(default)?);
            // What an answer does not say is null; what is not given is not there.
            return Ok(if matches!(self.place, Place::Page | Place::Answer) {
                Code::new(format!("{} if {} is not none else {}", found.tight(), found.tight(), default.tight()), Kind::Any)
            } else if let Some(bare) = found.text.strip_suffix(" | default('')") {
                Code::new(format!("{bare} | default({})", default.text), Kind::Any)
            } else if let Some((written, condition)) = found.text.split_once(" if ").filter(|_| found.text.ends_with(" else ''")) {
                let condition = condition.strip_suffix(" else ''").unwrap_or(condition);
                Code::new(format!("{written} if {condition} else {}", default.tight()), Kind::Any)
            } else {
                Code::new(format!("{} | default({})", found.tight(), default.text), Kind::Any)
            });
        }
        self.method(of, method, arguments)
    }

    fn method(&mut self, of: &Ast, method: &str, arguments: &[Ast]) -> Answer {
        let of = self.code(of)?;
        let codes = arguments.iter().map(|argument| self.code(argument)).collect::<Result<Vec<_>, _>>()?;
        let texts: Vec<String> = codes.iter().map(|code| code.text.clone()).collect();
        let format = |this: &Self| -> Result<String, String> {
            let Some(Value::String(format)) = arguments.first().and_then(|format| this.known(format)) else {
                return Err("the format of a time must be written out".to_owned());
            };
            Ok(quoted(&pattern(&format)))
        };
        Ok(match (method, of.kind) {
            ("strftime", Kind::Instant | Kind::Day) => of.filter(&format!("strftime({})", format(self)?), Kind::Text),
            ("isoformat", Kind::Instant) => {
                let pattern = if codes.len() > 1 { "%Y-%m-%dT%H:%M:%S+00:00" } else { "%Y-%m-%dT%H:%M:%S%.6f+00:00" };
                of.filter(&format!("strftime('{pattern}')"), Kind::Text)
            }
            ("isoformat", Kind::Day) => of.filter("strftime('%Y-%m-%d')", Kind::Text),
            ("timestamp", Kind::Instant) => of.filter("unix_seconds", Kind::Number),
            ("date", Kind::Instant) => Code { kind: Kind::Day, ..of },
            ("lower" | "upper" | "title" | "capitalize", _) => of.as_text().filter(method, Kind::Text),
            ("strip", _) => of.as_text().filter(&with("trim", &texts), Kind::Text),
            ("rstrip", _) if texts.len() == 1 => {
                of.as_text().filter(&format!("regex_replace({} , '')", end_pattern(&codes)?), Kind::Text)
            }
            ("lstrip", _) if texts.len() == 1 => {
                of.as_text().filter(&format!("regex_replace({} , '')", begin_pattern(&codes)?), Kind::Text)
            }
            ("replace", _) => of.as_text().filter(&with("replace", &texts), Kind::Text),
            ("split", _) => Code::atom(format!("({} | {} | list)", of.as_text().tight(), with("split", &texts)), Kind::List),
            ("join", _) => {
                let list = codes.first().ok_or("`join` needs a list")?;
                list.filter(&format!("join({})", of.text), Kind::Text)
            }
            ("startswith" | "endswith", _) => {
                let test = if method == "startswith" { "startingwith" } else { "endingwith" };
                Code::new(format!("{} is {test}({})", of.tight(), texts.first().ok_or("a text is missing")?), Kind::Bool)
            }
            ("keys", _) => of.filter("list", Kind::List),
            ("items", _) => of.filter("items", Kind::List),
            _ => return Err(format!("the method `{method}` has no counterpart")),
        })
    }

    fn function(&mut self, name: &str, arguments: &[Ast], named: &[(String, Ast)]) -> Answer {
        let argument = |at: usize, by: &str| {
            arguments.get(at).or_else(|| named.iter().find(|(known, _)| known == by).map(|(_, value)| value))
        };
        let known_text = |this: &Self, ast: Option<&Ast>| ast.and_then(|ast| this.known(ast)).and_then(|value| value.as_str().map(str::to_owned));
        let now = match self.place {
            Place::Request => Ok("now"),
            Place::Record => Ok("given.now"),
            Place::Page | Place::Answer => Err("the time is not known here".to_owned()),
        };
        Ok(match name {
            "now_utc" => Code::atom(now?, Kind::Instant),
            "today_utc" => Code::atom(now?, Kind::Day),
            "duration" => {
                let text = known_text(self, argument(0, "datestring")).ok_or("a duration must be written out")?;
                let (months, seconds) = duration(&text).ok_or_else(|| format!("`{text}` is no duration"))?;
                Code::atom("", Kind::Span { months, seconds })
            }
            "day_delta" => {
                let days = self.code(argument(0, "num_days").ok_or("`day_delta` needs days")?)?;
                let format = match argument(1, "format") {
                    Some(format) => known_text(self, Some(format)).ok_or("the format of a time must be written out")?,
                    None => "%Y-%m-%dT%H:%M:%S.%f%z".to_owned(),
                };
                let format = quoted(&pattern(&format));
                Code::new(format!("{} | add_seconds(({} | int) * 86400) | strftime({format})", now?, days.text), Kind::Text)
            }
            "str_to_datetime" => self.instant(argument(0, "s").ok_or("`str_to_datetime` needs a text")?)?,
            "timestamp" => {
                let of = self.instant(argument(0, "dt").ok_or("`timestamp` needs a time")?)?;
                of.filter("unix_seconds", Kind::Number)
            }
            "format_datetime" => {
                let format = known_text(self, argument(1, "format")).ok_or("the format of a time must be written out")?;
                let given = argument(0, "dt").ok_or("`format_datetime` needs a time")?;
                let input = argument(2, "input_format");
                let of = match known_text(self, input) {
                    None if input.is_some() => return Err("the format of a time must be written out".to_owned()),
                    Some(input) if !matches!(input.as_str(), "%s" | "%ms") => {
                        let read = pattern(&input).replace(".%6f", "%.f").replace("%6f", "%f");
                        let of = self.code(given)?.as_text();
                        of.filter(&format!("parse_time({})", quoted(&read)), Kind::Instant)
                    }
                    Some(_) => self.code(given)?.filter("float", Kind::Number).filter("instant", Kind::Instant),
                    None => self.instant(given)?,
                };
                let kind = if format == "%s" { Kind::Number } else { Kind::Text };
                if kind == Kind::Number { of.filter("unix_seconds", kind) } else { of.filter(&format!("strftime({})", quoted(&pattern(&format))), kind) }
            }
            "max" | "min" => {
                let codes = arguments.iter().map(|argument| Ok(settled(&self.code(argument)?).text)).collect::<Result<Vec<_>, String>>()?;
                let list = if codes.len() == 1 { codes.concat() } else { format!("[{}]", codes.join(", ")) };
                Code::new(format!("({list}) | {name}"), Kind::Any)
            }
            "sanitize_url" => {
                let of = self.code(argument(0, "value").ok_or("`sanitize_url` needs a text")?)?.as_text();
                of.filter("url_encode", Kind::Text).filter("replace('%20', '+')", Kind::Text)
            }
            "camel_case_to_snake_case" => {
                let of = self.code(argument(0, "value").ok_or("a text is missing")?)?.as_text();
                of.filter("regex_replace('([A-Z])', '_$1')", Kind::Text)
                    .filter("regex_replace('^_', '')", Kind::Text)
                    .filter("lower", Kind::Text)
            }
            other => return Err(format!("the function `{other}` has no counterpart")),
        })
    }

    /// A time.
    fn instant(&mut self, ast: &Ast) -> Answer {
        let code = self.code(ast)?;
        Ok(match code.kind {
            Kind::Instant | Kind::Day => Code { kind: Kind::Instant, ..code },
            _ => code.filter("instant", Kind::Instant),
        })
    }

    fn filter(&mut self, of: &Ast, name: &str, arguments: &[Ast], named: &[(String, Ast)]) -> Answer {
        let of = self.code(of)?;
        let mut texts = arguments.iter().map(|argument| Ok(self.code(argument)?.text)).collect::<Result<Vec<_>, String>>()?;
        let first = texts.first().cloned();
        Ok(match name {
            "string" => Code::new(format!("{} if {} is string else ({} | to_json)", of.tight(), of.tight(), of.tight()), Kind::Text),
            "int" => of.filter(&with("int", &texts), Kind::Number),
            "float" => of.filter(&with("float", &texts), Kind::Number),
            "length" | "count" if of.text == "count" => of,
            "length" | "count" => of.filter("length", Kind::Number),
            "base64encode" | "base64binascii_decode" => of.as_text().filter("base64_encode", Kind::Text),
            "base64decode" => of.as_text().filter("base64_decode", Kind::Text),
            "regex_search" => of.as_text().filter(&with("regex_search", &texts), Kind::Text),
            "regex_replace" => of.as_text().filter(&with("regex_replace", &texts), Kind::Text),
            "hash" => {
                let kind = arguments.first().or_else(|| named.iter().find(|(name, _)| name == "hash_type").map(|(_, value)| value));
                let kind = kind.map_or_else(|| Some(Value::from("md5")), |kind| self.known(kind));
                let salt = arguments.get(1).or_else(|| named.iter().find(|(name, _)| name == "salt").map(|(_, value)| value)).cloned();
                let mut hashed = of.as_text();
                if let Some(salt) = salt {
                    let salt = self.code(&salt)?.as_text();
                    hashed = Code::new(format!("{} ~ {}", hashed.tight(), salt.tight()), Kind::Text);
                }
                match kind.as_ref().and_then(Value::as_str) {
                    Some(kind @ ("md5" | "sha256")) => hashed.filter(kind, Kind::Text),
                    _ => return Err("only the digests md5 and sha256 have a counterpart".to_owned()),
                }
            }
            "hmac" => of.as_text().filter(&format!("hmac_sha256({})", first.ok_or("`hmac` needs a key")?), Kind::Text),
            "urlencode" => of.as_text().filter("url_encode", Kind::Text),
            "tojson" => of.filter("to_json", Kind::Text),
            "default" | "d" => {
                let bare = of.text.strip_suffix(" | default('')").map_or_else(|| of.tight(), str::to_owned);
                if texts.is_empty() {
                    texts.push("''".to_owned());
                }
                Code::new(format!("{bare} | {}", with("default", &texts)), Kind::Any)
            }
            "lower" | "upper" | "title" | "capitalize" | "trim" | "replace" | "join" => {
                let of = if name == "join" { of } else { of.as_text() };
                of.filter(&with(name, &texts), Kind::Text)
            }
            "list" | "map" | "selectattr" | "rejectattr" | "select" | "reject" | "unique" | "sort" | "reverse" | "items" | "dictsort" | "batch" => {
                for (name, value) in named {
                    texts.push(format!("{name}={}", self.code(value)?.text));
                }
                of.filter(&with(name, &texts), Kind::List)
            }
            "first" | "last" | "sum" | "max" | "min" | "abs" | "round" => of.filter(&with(name, &texts), Kind::Any),
            other => return Err(format!("the filter `{other}` has no counterpart")),
        })
    }

    fn test(&mut self, of: &Ast, name: &str, arguments: &[Ast]) -> Answer {
        let is_answer = matches!(self.place, Place::Page | Place::Answer);
        if name == "defined"
            && let Some(path) = of.path()
            && path.first() == Some(&"config".into())
        {
            let texts: Vec<String> = path.iter().skip(1).map(key_text).collect();
            let bare = self.bare_setting(&texts)?;
            return Ok(Code::new(format!("{bare} is defined"), Kind::Bool));
        }
        let code = self.code(of)?;
        let arguments = arguments.iter().map(|argument| Ok(self.code(argument)?.text)).collect::<Result<Vec<_>, String>>()?;
        let test = match name {
            // What an answer lacks is null.
            "defined" if is_answer => return Ok(Code::new(format!("{} is not none", code.tight()), Kind::Bool)),
            "undefined" if is_answer => "none".to_owned(),
            "none" | "defined" | "undefined" | "string" | "number" | "mapping" | "sequence" | "iterable" | "true" | "false"
            | "odd" | "even" | "integer" | "float" | "boolean" => name.to_owned(),
            "sameas" | "eq" | "equalto" => {
                return Ok(Code::new(format!("{} == {}", code.tight(), arguments.first().ok_or("a value is missing")?), Kind::Bool));
            }
            "in" => return Ok(Code::new(format!("{} in {}", code.tight(), arguments.concat()), Kind::Bool)),
            "ne" => return Ok(Code::new(format!("{} != {}", code.tight(), arguments.concat()), Kind::Bool)),
            other => return Err(format!("the test `{other}` has no counterpart")),
        };
        Ok(Code::new(format!("{} is {test}", code.tight()), Kind::Bool))
    }
}

fn key_is(path: &[Value], at: usize, name: &str) -> bool {
    path.get(at).and_then(Value::as_str).is_some_and(|key| key.eq_ignore_ascii_case(name))
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

fn with(name: &str, arguments: &[String]) -> String {
    if arguments.is_empty() { name.to_owned() } else { format!("{name}({})", arguments.join(", ")) }
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

fn class(codes: &[Code]) -> Result<String, String> {
    let text = codes.first().map(|code| code.text.as_str()).unwrap_or_default();
    let inner = text.strip_prefix('\'').and_then(|text| text.strip_suffix('\'')).ok_or("what is stripped must be written out")?;
    Ok(format!("[{}]", regex::escape(inner).replace('\\', "\\\\")))
}

fn end_pattern(codes: &[Code]) -> Result<String, String> {
    class(codes).map(|class| format!("'{class}+$'"))
}

fn begin_pattern(codes: &[Code]) -> Result<String, String> {
    class(codes).map(|class| format!("'^{class}+'"))
}

/// A value written out.
pub(super) fn constant(value: &Value) -> Answer {
    Ok(match value {
        Value::Null => Code::atom("none", Kind::Any),
        Value::Bool(flag) => Code::atom(flag.to_string(), Kind::Bool),
        Value::Number(number) if number.as_f64().is_some_and(|number| number < 0.0) => Code::new(number.to_string(), Kind::Number),
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
