//! What a low-code manifest asks of its user, as settings: nested objects become names with `_`, and what texts refer to without saying
//! so is a setting too.

use serde_json::{Map, Value};

use super::jinja::{self, Ast, Piece};
use super::tree::{self, component, kind, text};
use crate::manifest::SettingType;

/// Names that the engine itself puts into scope.
const TAKEN: [&str; 7] = ["from", "until", "now", "field", "columns", "selection", "host"];
/// Words in a name that tell a credential.
const SECRET_WORDS: [&str; 6] = ["api_key", "apikey", "token", "secret", "password", "access_key"];

/// A setting of the imported manifest.
#[derive(Clone, Debug, Default)]
pub(super) struct Setting {
    /// Our name.
    pub(super) name: String,
    /// Where it stands in the original's configuration.
    pub(super) path: Vec<String>,
    pub(super) kind: SettingType,
    pub(super) is_secret: bool,
    pub(super) is_required: bool,
    pub(super) default: Option<Value>,
    pub(super) help: String,
    /// How the original writes a date, where it is one.
    pub(super) pattern: Option<String>,
    /// Whether anything refers to it.
    pub(super) is_used: bool,
}

/// All settings.
#[derive(Clone, Debug, Default)]
pub(super) struct Settings {
    pub(super) all: Vec<Setting>,
    /// Without a specification everything that is referred to must be given.
    has_spec: bool,
    /// What stands for a setting that is not there.
    nobodys: Setting,
    /// What the original works out of its settings before anything else, by where it puts it.
    derived: Vec<(Vec<String>, Ast)>,
}

impl Settings {
    /// The settings that a `spec` declares.
    pub(super) fn of(spec: Option<&Value>) -> Self {
        let schema = spec.and_then(|spec| component(spec, "connection_specification"));
        let mut settings = Self { has_spec: schema.is_some(), ..Self::default() };
        if let Some(schema) = schema {
            settings.take(schema, &[], true);
        }
        if let Some(rules) = spec.and_then(|spec| component(spec, "config_normalization_rules")) {
            settings.derive(rules);
        }
        settings
    }

    /// Takes what rules put beside the settings; what they do to settings of older versions changes nothing.
    fn derive(&mut self, rules: &Value) {
        let list = |node: &Value, key: &str| -> Vec<Value> {
            node.get(key).and_then(Value::as_array).cloned().unwrap_or_default()
        };
        let migrations = list(rules, "config_migrations");
        let steps = migrations.iter().flat_map(|migration| list(migration, "transformations"));
        for step in steps.chain(list(rules, "transformations")).collect::<Vec<_>>() {
            match kind(&step) {
                "ConfigAddFields" => {
                    let condition = one(text(step.get("condition")));
                    for field in list(&step, "fields") {
                        self.derive_field(&field, condition.as_ref());
                    }
                }
                "ConfigRemapField" => {
                    let path: Vec<String> = list(&step, "field_path").iter().map(plain_text).collect();
                    let of = of_path(&path);
                    let mut made = of.clone();
                    for (old, new) in step.get("map").into_iter().flat_map(tree::fields) {
                        let is_it =
                            Ast::Binary("==", Box::new(of.clone()), Box::new(Ast::Constant(old.as_str().into())));
                        made = Ast::If(Box::new(Ast::Constant(new.clone())), Box::new(is_it), Some(Box::new(made)));
                    }
                    self.derived.push((path, made));
                }
                _ => {}
            }
        }
    }

    fn derive_field(&mut self, field: &Value, condition: Option<&Ast>) {
        let path =
            field.get("path").and_then(Value::as_array).into_iter().flatten().map(plain_text).collect::<Vec<_>>();
        let value = match field.get("value") {
            Some(Value::String(template)) => one(template),
            Some(value) => Some(Ast::Constant(tree::plain(value))),
            None => None,
        };
        let (Some(value), false) = (value, path.is_empty()) else { return };
        let is_known = self.is_declared(&path) || self.has_below(&path);
        let made = match (condition, is_known) {
            (Some(condition), _) => {
                Ast::If(Box::new(value), Box::new(condition.clone()), Some(Box::new(of_path(&path))))
            }
            (None, false) => value,
            // What the specification asks for is given.
            (None, true) => return,
        };
        // Rules that ask whether their own field is there are for what is not.
        let mut names_itself = false;
        made.walk(&mut |ast| {
            names_itself |= ast.path().is_some_and(|found| Some(found) == of_path(&path).path());
        });
        if !names_itself || is_known {
            self.derived.push((path, made));
        } else if let Ast::If(value, ..) = made {
            self.derived.push((path, *value));
        }
    }

    /// The expression with what is worked out of settings in its place.
    pub(super) fn written_out(&self, ast: &Ast) -> Ast {
        if self.derived.is_empty() {
            return ast.clone();
        }
        ast.replaced(&|ast| {
            let path = ast.path()?;
            let (root, rest) = path.split_first()?;
            let rest: Vec<String> = rest.iter().map(plain_text).collect();
            (root == "config")
                .then(|| self.derived.iter().rev().find(|(path, _)| *path == rest))?
                .map(|(_, ast)| ast.clone())
        })
    }

    fn take(&mut self, schema: &Value, above: &[String], is_required: bool) {
        let required: Vec<&str> =
            schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        for (name, property) in schema.get("properties").into_iter().flat_map(tree::fields) {
            let mut path = above.to_vec();
            path.push(name.clone());
            let is_required = is_required && required.contains(&name.as_str());
            let variants: Vec<&Value> = ["oneOf", "anyOf"]
                .iter()
                .filter_map(|key| property.get(*key).and_then(Value::as_array))
                .flatten()
                .filter(|variant| variant.get("properties").is_some())
                .collect();
            if property.get("properties").is_some() || !variants.is_empty() {
                self.take(property, &path, is_required);
                for variant in variants {
                    // Which of several is chosen decides what is needed.
                    self.take(variant, &path, false);
                }
                continue;
            }
            self.add(path, property, is_required);
        }
    }

    fn add(&mut self, path: Vec<String>, property: &Value, is_required: bool) {
        if self.all.iter().any(|known| known.path == path) {
            return;
        }
        let words = |key| text(property.get(key)).split_whitespace().collect::<Vec<_>>().join(" ");
        let help = [words("description"), words("title")].into_iter().find(|words| !words.is_empty());
        let kind = match type_of(property) {
            "integer" | "number" => SettingType::Number,
            "boolean" => SettingType::Boolean,
            "array" => SettingType::List,
            _ => SettingType::Text,
        };
        let is_secret = property.get("airbyte_secret") == Some(&Value::Bool(true));
        let constant = property.get("const").filter(|value| value.is_string());
        let default = property.get("default").or(constant).filter(|value| !value.is_null() && !value.is_object());
        let default = default.filter(|value| !is_secret && **value != Value::String(String::new())).cloned();
        self.all.push(Setting {
            name: self.free_name(&path),
            kind: if is_secret { SettingType::Text } else { kind },
            is_secret,
            is_required,
            default,
            help: help.unwrap_or_else(|| path.join(" ")),
            pattern: date_pattern(property),
            is_used: false,
            path,
        });
    }

    fn free_name(&self, path: &[String]) -> String {
        let letters = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
        let mut name: String = path.join("_").chars().map(letters).collect();
        if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
            name = format!("setting_{name}");
        }
        let base = name.clone();
        let mut count = 1;
        while self.all.iter().any(|known| known.name == name) || TAKEN.contains(&name.as_str()) {
            count += 1;
            name = if TAKEN.contains(&base.as_str()) && count == 2 {
                format!("{base}_setting")
            } else {
                format!("{base}_{count}")
            };
        }
        name
    }

    /// The setting at a path of the configuration; one that was not declared is declared.
    pub(super) fn find(&mut self, path: &[String]) -> &mut Setting {
        let at = if let Some(at) = self.all.iter().position(|known| known.path == path) {
            at
        } else {
            let name = self.free_name(path);
            let is_secret = path.last().is_some_and(|last| is_secret_name(last));
            self.all.push(Setting {
                name,
                path: path.to_vec(),
                kind: SettingType::Text,
                is_secret,
                is_required: !self.has_spec,
                default: None,
                help: path.join(" "),
                pattern: None,
                is_used: true,
            });
            self.all.len() - 1
        };
        let setting = match self.all.get_mut(at) {
            Some(setting) => setting,
            None => &mut self.nobodys,
        };
        setting.is_used = true;
        setting
    }

    /// Whether a setting at a path is a credential; one that nobody declares is told by its name.
    pub(super) fn is_secret(&self, path: &[String]) -> bool {
        let by_name = || path.last().is_some_and(|last| is_secret_name(last)) && !self.has_below(path);
        self.all.iter().find(|known| known.path == path).map_or_else(by_name, |known| known.is_secret)
    }

    /// Whether the specification declares a setting at a path.
    pub(super) fn is_declared(&self, path: &[String]) -> bool {
        self.all.iter().any(|known| known.path == path)
    }

    /// Whether something is declared below a path.
    pub(super) fn has_below(&self, path: &[String]) -> bool {
        self.all.iter().any(|known| known.path.len() > path.len() && known.path.starts_with(path))
    }

    /// The date setting at a path, for what is read from an instant on.
    pub(super) fn date(&mut self, path: &[String]) -> Option<String> {
        let setting = self.find(path);
        if setting.is_secret || setting.default.as_ref().is_some_and(|default| instant(default).is_none()) {
            return None;
        }
        setting.kind = SettingType::Date;
        if let Some(default) = &setting.default {
            setting.default = instant(default).map(Value::from);
        }
        Some(setting.name.clone())
    }

    /// A date setting that the original has no word for.
    pub(super) fn own_start(&mut self) -> String {
        const NAME: &str = "start_on";
        if !self.all.iter().any(|known| known.name == NAME) {
            self.all.push(Setting {
                name: NAME.to_owned(),
                path: vec!["$start".to_owned()],
                kind: SettingType::Date,
                is_secret: false,
                is_required: true,
                default: None,
                help: "First UTC day to load".to_owned(),
                pattern: None,
                is_used: true,
            });
        }
        NAME.to_owned()
    }

    /// The settings as a manifest writes them.
    pub(super) fn write(&self) -> Value {
        let mut out = Map::new();
        for setting in self.all.iter().filter(|setting| setting.is_used) {
            let mut one = Map::new();
            let kind = match setting.kind {
                SettingType::Number => Some("number"),
                SettingType::Boolean => Some("boolean"),
                SettingType::Date => Some("date"),
                SettingType::Origin => Some("origin"),
                SettingType::List => Some("list"),
                SettingType::Text => None,
            };
            if let Some(kind) = kind.filter(|_| !setting.is_secret) {
                one.insert("type".to_owned(), kind.into());
            }
            if setting.is_secret {
                one.insert("secret".to_owned(), true.into());
            }
            match &setting.default {
                Some(Value::Array(items)) => {
                    let texts: Vec<String> = items.iter().map(plain_text).collect();
                    one.insert("default".to_owned(), texts.join(",").into());
                }
                Some(default) => {
                    one.insert("default".to_owned(), default.clone());
                }
                None if !setting.is_required => {
                    one.insert("optional".to_owned(), true.into());
                }
                None => {}
            }
            one.insert("help".to_owned(), setting.help.clone().into());
            out.insert(setting.name.clone(), Value::Object(one));
        }
        Value::Object(out)
    }
}

fn is_secret_name(name: &str) -> bool {
    let name = name.to_lowercase();
    SECRET_WORDS.iter().any(|word| name.contains(word)) && !name.contains("expiry")
}

/// A template as one expression.
fn one(template: &str) -> Option<Ast> {
    let pieces = jinja::template(template).ok()?;
    match pieces.as_slice() {
        [] => None,
        [Piece::Text(text)] => Some(Ast::Constant(text.as_str().into())),
        [Piece::Expression(ast)] => Some(ast.clone()),
        _ => Some(Ast::Joined(pieces)),
    }
}

/// A place in the configuration as an expression.
fn of_path(path: &[String]) -> Ast {
    let start = Ast::Name("config".to_owned());
    path.iter().fold(start, |of, name| Ast::Item(Box::new(of), Box::new(Ast::Constant(name.as_str().into()))))
}

/// The text of a plain value.
pub(super) fn plain_text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The first type that is not null.
pub(super) fn type_of(schema: &Value) -> &str {
    match schema.get("type") {
        Some(Value::String(kind)) => kind,
        Some(Value::Array(kinds)) => kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null").unwrap_or(""),
        _ => "",
    }
}

/// An instant as our manifests write it: a day, or RFC 3339.
pub(super) fn instant(value: &Value) -> Option<String> {
    let text = value.as_str()?.trim();
    if chrono::NaiveDate::parse_from_str(text, "%Y-%m-%d").is_ok() || chrono::DateTime::parse_from_rfc3339(text).is_ok()
    {
        return Some(text.to_owned());
    }
    let local = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M"]
        .iter()
        .find_map(|pattern| chrono::NaiveDateTime::parse_from_str(text, pattern).ok());
    let offset = ["%Y-%m-%dT%H:%M:%S%.f%#z", "%Y-%m-%d %H:%M:%S%.f%#z"]
        .iter()
        .find_map(|pattern| chrono::DateTime::parse_from_str(text, pattern).ok());
    let at = local.map(|local| local.and_utc()).or_else(|| offset.map(|at| at.with_timezone(&chrono::Utc)))?;
    Some(at.format("%Y-%m-%dT%H:%M:%S%.fZ").to_string())
}

/// How a date is written, as far as its pattern, format and examples tell.
fn date_pattern(property: &Value) -> Option<String> {
    let pattern = text(property.get("pattern"));
    let example = property.get("examples").and_then(|examples| examples.get(0)).map(plain_text).unwrap_or_default();
    let has_time = pattern.contains('T')
        || pattern.contains(':')
        || text(property.get("format")) == "date-time"
        || example.contains('T');
    let is_date = !pattern.is_empty() || !text(property.get("format")).is_empty() || !example.is_empty();
    if !is_date {
        return None;
    }
    Some(if !has_time {
        "%Y-%m-%d".to_owned()
    } else if pattern.contains("\\.") || example.contains('.') {
        "%Y-%m-%dT%H:%M:%S.%3fZ".to_owned()
    } else {
        "%Y-%m-%dT%H:%M:%SZ".to_owned()
    })
}
