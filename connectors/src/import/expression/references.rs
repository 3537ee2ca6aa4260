//! What a path of names leads to: settings, values of the slice, the answer, its headers and records.

use serde_json::Value;

use super::{Answer, Code, Kind, Place, Translator, key_text, link, named, quoted, step};
use crate::import::jinja::Ast;
use crate::manifest::SettingType;

impl Translator<'_> {
    /// Whether something is a part of the configuration, the answer, or a slice.
    pub(super) fn within(&mut self, left: &Ast, right: &Ast) -> Result<Option<Code>, String> {
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
            // No name of a field has blanks in it: what is looked for is a text that stands nowhere among the names.
            ("response", Place::Answer) if path.len() == 1 && key.contains(' ') => {
                Some(Code::atom("false", Kind::Bool))
            }
            ("response" | "last_record", Place::Page) if path.len() > 1 => {
                let of = self.reference(&path)?.ok_or("it cannot be seen")?;
                let (key, of) = (quoted(&key), of.tight());
                Some(Code::new(format!("({key} in {of}) if {of} is iterable else false"), Kind::Bool))
            }
            ("response", Place::Page | Place::Answer) | ("last_record", Place::Page) if path.len() == 1 => {
                let code = self.reference(&below)?.ok_or("it cannot be seen")?;
                Some(Code::new(format!("{} is not none", code.tight()), Kind::Bool))
            }
            _ => None,
        })
    }

    /// A setting by its name, without anything in its place.
    pub(super) fn bare_setting(&mut self, path: &[String]) -> Result<String, String> {
        let setting = self.settings.find(path);
        if setting.is_secret && self.place != Place::Credential {
            return Err(format!("`{}` is a secret, which only credentials may hold", setting.name));
        }
        Ok(match self.place {
            Place::Request | Place::Credential => setting.name.clone(),
            Place::Page | Place::Record => format!("settings.{}", setting.name),
            Place::Answer => return Err("a rule about answers sees no settings".to_owned()),
        })
    }

    /// What a path leads to; `None` where it is no reference of ours.
    pub(super) fn reference(&mut self, path: &[Value]) -> Result<Option<Code>, String> {
        let (Some(root), rest) = (path.first().and_then(Value::as_str), path.get(1..).unwrap_or_default()) else {
            return Ok(None);
        };
        let texts: Vec<String> = rest.iter().map(key_text).collect();
        Ok(Some(match root {
            "config" if !rest.is_empty() => return self.setting(&texts).map(Some),
            "stream_interval" | "stream_slice" | "stream_partition" if !rest.is_empty() => self.slice(&texts)?,
            "session_token" if self.place == Place::Credential && rest.is_empty() => named("session_token"),
            "next_page_token" if self.place == Place::Credential && self.names.token.is_some() => {
                return Err("a secret stands beside the page's token".to_owned());
            }
            "next_page_token" => match &self.names.token {
                Some(token) => Code::new(format!("{token} or none"), Kind::Any),
                None => Code::atom("none", Kind::Any),
            },
            "response" if matches!(self.place, Place::Page | Place::Answer) => return self.answer(rest),
            "headers" if matches!(self.place, Place::Page | Place::Answer) => return Ok(Self::header(&texts)),
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
                let name =
                    self.names.job.get(&whole).ok_or_else(|| format!("`{}` is not known here", whole.join(".")))?;
                named(name)
            }
            // Nothing is known of earlier runs, as in the first one of the original.
            "parameters" | "options" | "stream_state" => Code::atom("''", Kind::Text),
            _ => return Ok(None),
        }))
    }

    pub(super) fn setting(&mut self, path: &[String]) -> Answer {
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
            return Ok(match kind {
                Kind::List => Code::new(format!("{bare} | default(none)"), kind),
                _ => Code::new(format!("{bare} | default('')"), Kind::Any),
            });
        }
        Ok(Code { name: (self.place == Place::Request).then(|| bare.clone()), ..Code::atom(bare, kind) })
    }

    /// A value of the slice: a bound of the window, or something of the partition.
    pub(super) fn slice(&mut self, path: &[String]) -> Answer {
        let name = if let Some(name) = self.names.partition.get(path) {
            name.clone()
        } else if let [name] = path
            && let Some(ours) = self.names.bounds.get(name)
        {
            if self.place == Place::Credential {
                return Err("a secret stands beside a bound of the window".to_owned());
            }
            ours.clone()
        } else {
            // What a slice does not have is nothing, as in the original.
            return Ok(Code::atom("''", Kind::Text));
        };
        Ok(match self.place {
            Place::Request | Place::Credential if self.names.nullable.contains(&name) => {
                Code::new(format!("{name} | default(none)"), Kind::Any)
            }
            Place::Request if self.names.lists.contains(&name) => Code::atom(name, Kind::List),
            Place::Request | Place::Credential => named(&name),
            Place::Record => Code::atom(format!("given.{name}"), Kind::Any),
            Place::Page => Code::atom(format!("settings.{name}"), Kind::Any),
            Place::Answer => return Err("a rule about answers sees no slice".to_owned()),
        })
    }

    /// A field of the answer.
    pub(super) fn answer(&mut self, path: &[Value]) -> Result<Option<Code>, String> {
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
                    return Ok(Some(Code::atom(
                        below.iter().fold(which.to_owned(), |of, key| step(&of, key)),
                        Kind::Any,
                    )));
                }
                _ => {}
            }
        }
        if path.is_empty() {
            return Ok(None);
        }
        Ok(Some(Code::atom(path.iter().fold("body".to_owned(), |of, key| step(&of, key)), Kind::Any)))
    }

    pub(super) fn header(path: &[String]) -> Option<Code> {
        match path {
            [link_header, relation, field] if link_header.eq_ignore_ascii_case("link") => Some(link(relation, field)),
            [link_header, relation] if link_header.eq_ignore_ascii_case("link") => Some(link(relation, "url")),
            [name] => {
                let of = step("headers", &name.to_ascii_lowercase().into());
                Some(Code::new(format!("{of} | default('')"), Kind::Any))
            }
            _ => None,
        }
    }
}

fn key_is(path: &[Value], at: usize, name: &str) -> bool {
    path.get(at).and_then(Value::as_str).is_some_and(|key| key.eq_ignore_ascii_case(name))
}
