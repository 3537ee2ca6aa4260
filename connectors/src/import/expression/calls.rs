//! What is called in a template: functions, methods, filters and tests, each by what it does.

use serde_json::Value;

use super::{Answer, Code, Kind, Place, Translator, duration, key_text, pattern, quoted, settled};
use crate::import::jinja::Ast;

impl Translator<'_> {
    pub(super) fn call(&mut self, called: &Ast, arguments: &[Ast], named: &[(String, Ast)]) -> Answer {
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
                Code::new(
                    format!("{} if {} is not none else {}", found.tight(), found.tight(), default.tight()),
                    Kind::Any,
                )
            } else if let Some(bare) = found.text.strip_suffix(" | default('')") {
                Code::new(format!("{bare} | default({})", default.text), Kind::Any)
            } else if let Some((written, condition)) =
                found.text.split_once(" if ").filter(|_| found.text.ends_with(" else ''"))
            {
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
                let whole = "strftime('%Y-%m-%dT%H:%M:%S+00:00')";
                let filter = if codes.len() > 1 { whole.to_owned() } else { with("isoformat", &texts) };
                of.filter(&filter, Kind::Text)
            }
            ("isoformat", Kind::Day) => of.filter("strftime('%Y-%m-%d')", Kind::Text),
            ("timestamp", Kind::Instant) => of.filter("unix_time", Kind::Number),
            ("isoweekday", Kind::Instant | Kind::Day) => {
                of.filter("strftime('%u')", Kind::Text).filter("int", Kind::Number)
            }
            ("weekday", Kind::Instant | Kind::Day) => {
                let day = of.filter("strftime('%u')", Kind::Text).filter("int", Kind::Number);
                Code::new(format!("{} - 1", day.tight()), Kind::Number)
            }
            ("date", Kind::Instant) => Code { kind: Kind::Day, ..of },
            ("lower" | "upper" | "title" | "capitalize", _) => of.as_text().filter(method, Kind::Text),
            ("strip", _) => of.as_text().filter(&with("trim", &texts), Kind::Text),
            ("rstrip", _) if texts.is_empty() => of.as_text().filter("regex_replace('\\\\s+$', '')", Kind::Text),
            ("lstrip", _) if texts.is_empty() => of.as_text().filter("regex_replace('^\\\\s+', '')", Kind::Text),
            ("values", _) if texts.is_empty() => {
                Code::atom(format!("({} | items | map(attribute=1) | list)", of.tight()), Kind::List)
            }
            ("rstrip", _) if texts.len() == 1 => {
                of.as_text().filter(&format!("regex_replace({} , '')", end_pattern(&codes)?), Kind::Text)
            }
            ("lstrip", _) if texts.len() == 1 => {
                of.as_text().filter(&format!("regex_replace({} , '')", begin_pattern(&codes)?), Kind::Text)
            }
            ("replace", _) => of.as_text().filter(&with("replace", &texts), Kind::Text),
            ("split", _) => {
                Code::atom(format!("({} | {} | list)", of.as_text().tight(), with("split", &texts)), Kind::List)
            }
            ("join", _) => {
                let list = codes.first().ok_or("`join` needs a list")?;
                list.filter(&format!("join({})", of.text), Kind::Text)
            }
            ("startswith" | "endswith", _) => {
                let test = if method == "startswith" { "startingwith" } else { "endingwith" };
                Code::new(
                    format!("{} is {test}({})", of.tight(), texts.first().ok_or("a text is missing")?),
                    Kind::Bool,
                )
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
        let known_text = |this: &Self, ast: Option<&Ast>| {
            ast.and_then(|ast| this.known(ast)).and_then(|value| value.as_str().map(str::to_owned))
        };
        let now = match self.place {
            Place::Request | Place::Credential => Ok("now"),
            Place::Record => Ok("given.now"),
            Place::Page | Place::Answer => Err("the time is not known here".to_owned()),
        };
        Ok(match name {
            "now_utc" => Code::atom(now?, Kind::Instant),
            "today_utc" => Code::atom(now?, Kind::Day),
            "today_with_timezone" => {
                let zone = self.code(argument(0, "timezone").ok_or("`today_with_timezone` needs a zone")?)?.as_text();
                Code::new(format!("{} | in_zone({})", now?, zone.text), Kind::Day)
            }
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
                Code::new(
                    format!("{} | add_seconds(({} | int) * 86400) | strftime({format})", now?, days.text),
                    Kind::Text,
                )
            }
            "str_to_datetime" => self.instant(argument(0, "s").ok_or("`str_to_datetime` needs a text")?)?,
            "timestamp" => {
                self.code(argument(0, "dt").ok_or("`timestamp` needs a time")?)?.filter("unix_time", Kind::Number)
            }
            "format_datetime" => {
                return self.format_datetime(argument(0, "dt"), argument(1, "format"), argument(2, "input_format"));
            }
            "max" | "min" => {
                let codes = arguments.iter().map(|argument| Ok(settled(&self.code(argument)?).text)).collect::<Result<
                    Vec<_>,
                    String,
                >>(
                )?;
                let list = if codes.len() == 1 { codes.concat() } else { format!("[{}]", codes.join(", ")) };
                Code::new(format!("({list}) | {name}"), Kind::Any)
            }
            "sanitize_url" => {
                let of = self.code(argument(0, "value").ok_or("`sanitize_url` needs a text")?)?.as_text();
                of.filter("url_encode('-._~')", Kind::Text).filter("replace('%20', '+')", Kind::Text)
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

    /// A time in another format.
    fn format_datetime(&mut self, given: Option<&Ast>, format: Option<&Ast>, input: Option<&Ast>) -> Answer {
        let format =
            format.and_then(|format| self.known_text(format)).ok_or("the format of a time must be written out")?;
        let given = given.ok_or("`format_datetime` needs a time")?;
        let of = match input.and_then(|input| self.known_text(input)) {
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
        Ok(if kind == Kind::Number {
            of.filter("unix_seconds", kind)
        } else {
            of.filter(&format!("strftime({})", quoted(&pattern(&format))), kind)
        })
    }

    /// The text of what is written out.
    fn known_text(&self, ast: &Ast) -> Option<String> {
        self.known(ast)?.as_str().map(str::to_owned)
    }

    /// A time.
    fn instant(&mut self, ast: &Ast) -> Answer {
        let code = self.code(ast)?;
        Ok(match code.kind {
            Kind::Instant | Kind::Day => Code { kind: Kind::Instant, ..code },
            _ => code.filter("instant", Kind::Instant),
        })
    }

    pub(super) fn filter(&mut self, of: &Ast, name: &str, arguments: &[Ast], named: &[(String, Ast)]) -> Answer {
        let of = self.code(of)?;
        let mut texts =
            arguments.iter().map(|argument| Ok(self.code(argument)?.text)).collect::<Result<Vec<_>, String>>()?;
        let first = texts.first().cloned();
        Ok(match name {
            "string" => Code::new(
                format!("{} if {} is string else ({} | to_json)", of.tight(), of.tight(), of.tight()),
                Kind::Text,
            ),
            // What is no number is zero there, or what is said in its place.
            "int" if of.kind != Kind::Number => of.filter(&with("int_or", &texts), Kind::Number),
            "float" if of.kind != Kind::Number => of.filter(&with("float_or", &texts), Kind::Number),
            "int" | "float" => of.filter(name, Kind::Number),
            "length" | "count" if of.text == "count" => of,
            "length" | "count" => of.filter("length", Kind::Number),
            "base64encode" | "base64binascii_decode" => of.as_text().filter("base64_encode", Kind::Text),
            "base64decode" => of.as_text().filter("base64_decode", Kind::Text),
            "regex_search" | "regex_replace" => return self.by_regex(&of, name, arguments, texts),
            "hash" => {
                let kind = arguments
                    .first()
                    .or_else(|| named.iter().find(|(name, _)| name == "hash_type").map(|(_, value)| value));
                let kind = kind.map_or_else(|| Some(Value::from("md5")), |kind| self.known(kind));
                let salt = arguments
                    .get(1)
                    .or_else(|| named.iter().find(|(name, _)| name == "salt").map(|(_, value)| value))
                    .cloned();
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
            "urlencode" => of.as_text().filter("url_encode('-._~/')", Kind::Text),
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
            "list" | "map" | "selectattr" | "rejectattr" | "select" | "reject" | "unique" | "sort" | "reverse"
            | "items" | "dictsort" | "batch" => {
                for (name, value) in named {
                    texts.push(format!("{name}={}", self.code(value)?.text));
                }
                of.filter(&with(name, &texts), Kind::List)
            }
            "first" | "last" | "sum" | "max" | "min" | "abs" | "round" => of.filter(&with(name, &texts), Kind::Any),
            other => return Err(format!("the filter `{other}` has no counterpart")),
        })
    }

    /// A filter with a regular expression, which must be one of ours, too.
    fn by_regex(&mut self, of: &Code, name: &str, arguments: &[Ast], mut texts: Vec<String>) -> Answer {
        let pattern = arguments.first().and_then(|pattern| self.known_text(pattern));
        let pattern = pattern.ok_or("a regular expression must be written out")?;
        let regex = crate::expression::regex(&pattern)
            .map_err(|_| format!("the regular expression `{pattern}` has no counterpart"))?;
        if name == "regex_search" {
            // Without a group the original finds nothing.
            return Ok(match regex.captures_len() {
                1 => Code::atom("''", Kind::Text),
                _ => of.as_text().filter(&with(name, &texts), Kind::Text),
            });
        }
        if let Some(replacement) = arguments.get(1).and_then(|with| self.known_text(with)) {
            texts.truncate(1);
            texts.push(quoted(&replaced_by(&replacement)));
        }
        Ok(of.as_text().filter(&with(name, &texts), Kind::Text))
    }

    pub(super) fn test(&mut self, of: &Ast, name: &str, arguments: &[Ast]) -> Answer {
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
        let arguments =
            arguments.iter().map(|argument| Ok(self.code(argument)?.text)).collect::<Result<Vec<_>, String>>()?;
        let test = match name {
            // What an answer lacks is null.
            "defined" if is_answer => return Ok(Code::new(format!("{} is not none", code.tight()), Kind::Bool)),
            "undefined" if is_answer => "none".to_owned(),
            "none" | "defined" | "undefined" | "string" | "number" | "mapping" | "sequence" | "iterable" | "true"
            | "false" | "odd" | "even" | "integer" | "float" | "boolean" => name.to_owned(),
            "sameas" | "eq" | "equalto" => {
                return Ok(Code::new(
                    format!("{} == {}", code.tight(), arguments.first().ok_or("a value is missing")?),
                    Kind::Bool,
                ));
            }
            "in" => return Ok(Code::new(format!("{} in {}", code.tight(), arguments.concat()), Kind::Bool)),
            "ne" => return Ok(Code::new(format!("{} != {}", code.tight(), arguments.concat()), Kind::Bool)),
            other => return Err(format!("the test `{other}` has no counterpart")),
        };
        Ok(Code::new(format!("{} is {test}", code.tight()), Kind::Bool))
    }
}

fn with(name: &str, arguments: &[String]) -> String {
    if arguments.is_empty() { name.to_owned() } else { format!("{name}({})", arguments.join(", ")) }
}

/// What stands for matches, groups as we write them.
fn replaced_by(python: &str) -> String {
    let mut out = String::new();
    let mut chars = python.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, chars.peek()) {
            ('$', _) => out.push_str("$$"),
            ('\\', Some(digit)) if digit.is_ascii_digit() => {
                out.push_str(&format!("${{{digit}}}"));
                chars.next();
            }
            ('\\', Some('g')) => {
                let name: String = chars.by_ref().skip(2).take_while(|c| *c != '>').collect();
                out.push_str(&format!("${{{name}}}"));
            }
            ('\\', Some('\\')) => {
                out.push('\\');
                chars.next();
            }
            (c, _) => out.push(c),
        }
    }
    out
}

fn class(codes: &[Code]) -> Result<String, String> {
    let text = codes.first().map(|code| code.text.as_str()).unwrap_or_default();
    let inner = text
        .strip_prefix('\'')
        .and_then(|text| text.strip_suffix('\''))
        .ok_or("what is stripped must be written out")?;
    Ok(format!("[{}]", regex::escape(inner).replace('\\', "\\\\")))
}

fn end_pattern(codes: &[Code]) -> Result<String, String> {
    class(codes).map(|class| format!("'{class}+$'"))
}

fn begin_pattern(codes: &[Code]) -> Result<String, String> {
    class(codes).map(|class| format!("'^{class}+'"))
}
