//! The request of a stream: address, parameters, headers and body.

mod address;
mod params;

use serde_json::{Map, Value, json};

use super::auth::{basic_words, pieces_words, placed};
use super::convert::Convert;
use super::expression::{Code, Kind, Names, Place};
use super::jinja::{Ast, Piece};
use super::shape::pointer;
use super::tree::{self, component, kind, text};
use crate::manifest::SettingType;

/// Where a value goes.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Target {
    Query(String),
    Header(String),
    /// A JSON pointer.
    Json(String),
    Form(String),
    /// A name by which the request calls the value.
    Named(String),
}

impl Target {
    /// As manifests write it.
    pub(super) fn slot(&self) -> Value {
        match self {
            Self::Query(name) => name.clone().into(),
            Self::Header(name) => json!({ "header": name }),
            Self::Json(pointer) => pointer.clone().into(),
            Self::Form(name) => pointer_of(name).into(),
            Self::Named(name) => json!({ "as": name }),
        }
    }
}

fn pointer_of(name: &str) -> String {
    pointer(std::slice::from_ref(&name.to_owned()))
}

/// A request while its parts are gathered.
#[derive(Debug, Default)]
pub(super) struct Request {
    pub(super) method: String,
    pub(super) base: String,
    pub(super) path: String,
    pub(super) params: Map<String, Value>,
    pub(super) headers: Map<String, Value>,
    pub(super) values: Map<String, Value>,
    /// The fields of a form.
    pub(super) form: Option<Map<String, Value>>,
    /// The fields of a JSON body, each an expression; names of deeper ones are pointers.
    pub(super) json: Option<Vec<(String, Code)>>,
    /// A body that is one text.
    pub(super) text: Option<Value>,
    /// Credentials that stand somewhere in the request.
    pub(super) credentials: Vec<Value>,
    /// The field of a parent that is the whole address.
    pub(super) url_field: Option<String>,
}

/// The address of a requester before anything in it is worked out.
pub(super) fn whole_url(requester: &Value) -> String {
    let (url, base, path) = (text(requester.get("url")), text(requester.get("url_base")), text(requester.get("path")));
    let base = if base.is_empty() { url } else { base };
    let path = path.trim_start_matches('/');
    match (base, path) {
        (base, "") => base.to_owned(),
        (_, path) if path.starts_with("http://") || path.starts_with("https://") => path.to_owned(),
        (base, path) => format!("{}/{path}", base.trim_end_matches('/')),
    }
}

impl Request {
    /// Puts a value that requests know by a name where it goes; a condition leaves it out of some.
    pub(super) fn place(&mut self, target: &Target, name: &str, condition: Option<&str>) {
        let code = condition.map_or_else(|| Code::of_name(name), |condition| Code::under(name, condition));
        let value =
            if condition.is_some() { json!({ "expression": code.text }) } else { Value::from(format!("{{{name}}}")) };
        match target {
            Target::Query(key) => drop(self.params.insert(key.clone(), value)),
            Target::Header(key) => drop(self.headers.insert(key.clone(), value)),
            Target::Form(key) => drop(self.form.get_or_insert_default().insert(key.clone(), value)),
            Target::Json(pointer) => self.json.get_or_insert_default().push((pointer.clone(), code)),
            Target::Named(_) => {}
        }
    }

    /// Whether requests of this method have bodies at all.
    fn has_body(&self) -> bool {
        matches!(self.method.as_str(), "get" | "post" | "put" | "patch")
    }

    /// The method as a manifest writes it; a body may come of something that is said beside the request.
    pub(super) fn written_method(&self, has_more: bool) -> Option<String> {
        let has_body = has_more || self.text.is_some() || self.form.is_some() || self.json.is_some();
        match self.method.as_str() {
            "get" if has_body => Some("get_with_body".to_owned()),
            "get" => None,
            method => Some(method.to_owned()),
        }
    }

    /// The body as a manifest writes it.
    pub(super) fn body(&self) -> Option<Value> {
        if let Some(text) = &self.text {
            return Some(json!({ "text": { "content": text } }));
        }
        if let Some(form) = &self.form {
            return Some(json!({ "form": form }));
        }
        let fields = self.json.as_ref()?;
        let written = |code: &Code| crate::expression::literal_json(&code.text);
        let plain: Option<Vec<(String, Value)>> =
            fields.iter().map(|(name, code)| Some((name.clone(), written(code)?))).collect();
        if let Some(plain) = plain {
            let mut body = Value::Object(Map::new());
            for (name, value) in plain {
                lay(&mut body, &name, value);
            }
            let body = crate::expression::without_nulls(body);
            // Braces in a text would be placeholders.
            if !body.to_string().trim_start_matches('{').trim_end_matches('}').contains("\"{") && !has_braces(&body) {
                return Some(json!({ "json": body }));
            }
        }
        Some(json!({ "computed": dict(fields) }))
    }
}

/// Whether a text in it has braces.
fn has_braces(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains(['{', '}']),
        Value::Array(items) => items.iter().any(has_braces),
        Value::Object(fields) => fields.values().any(has_braces),
        _ => false,
    }
}

/// Fields by pointers, as one object in an expression.
fn dict(fields: &[(String, Code)]) -> String {
    let mut groups: Vec<(String, Vec<(String, Code)>)> = Vec::new();
    let mut out: Vec<String> = Vec::new();
    for (path, code) in fields {
        let rest = path.strip_prefix('/').unwrap_or(path);
        match rest.split_once('/') {
            None => {
                let name = rest.replace("~1", "/").replace("~0", "~");
                out.push(format!("{}: {}", super::expression::quoted(&name), code.text));
            }
            Some((first, below)) => {
                let first = first.replace("~1", "/").replace("~0", "~");
                let below = (format!("/{below}"), code.clone());
                match groups.iter_mut().find(|(known, _)| *known == first) {
                    Some((_, inner)) => inner.push(below),
                    None => groups.push((first, vec![below])),
                }
            }
        }
    }
    for (name, inner) in groups {
        out.push(format!("{}: {}", super::expression::quoted(&name), dict(&inner)));
    }
    format!("{{{}}}", out.join(", "))
}

/// Puts a value at a pointer.
fn lay(body: &mut Value, path: &str, value: Value) {
    let mut at = body;
    let parts: Vec<String> = path.split('/').skip(1).map(|part| part.replace("~1", "/").replace("~0", "~")).collect();
    for part in &parts {
        if !at.is_object() {
            *at = Value::Object(Map::new());
        }
        let Value::Object(fields) = at else { return };
        at = fields.entry(part.clone()).or_insert(Value::Null);
    }
    *at = value;
}

/// The request of a requester.
pub(super) fn request(convert: &mut Convert<'_>, requester: &Value, names: &Names) -> Request {
    request_after(convert, requester, names, &Request::default())
}

/// The same for a stream of several requests, which share the names of what is worked out.
pub(super) fn request_after(convert: &mut Convert<'_>, requester: &Value, names: &Names, before: &Request) -> Request {
    let method = match requester.get("http_method") {
        Some(Value::String(method)) => convert.constant(requester, method).unwrap_or_else(|| method.clone()),
        _ => "GET".to_owned(),
    };
    let values = before.values.clone();
    let mut request = Request { method: method.to_ascii_lowercase(), values, ..Request::default() };
    address::address(convert, requester, names, &mut request);
    params::parameters(convert, requester, names, &mut request);
    headers(convert, requester, names, &mut request);
    if request.has_body() {
        body(convert, requester, names, &mut request);
    }
    request
}

/// Words for pieces that hold a secret.
fn secret_words(
    convert: &mut Convert<'_>,
    node: &Value,
    names: &Names,
    pieces: &[Piece],
) -> Result<Option<Value>, String> {
    if !has_secret(convert, pieces) {
        return Ok(None);
    }
    let words = pieces_words(convert, node, names, pieces);
    words.map(Some).map_err(|reason| format!("a secret stands in an expression: {reason}"))
}

/// Whether a secret setting is named.
fn has_secret(convert: &mut Convert<'_>, pieces: &[Piece]) -> bool {
    let mut found = false;
    for piece in pieces {
        let Piece::Expression(ast) = piece else { continue };
        let mut paths = Vec::new();
        ast.walk(&mut |ast| {
            if let Some(path) = ast.path().filter(|path| path.len() > 1 && path.first() == Some(&"config".into())) {
                paths.push(path.iter().skip(1).map(super::settings::plain_text).collect::<Vec<_>>());
            }
        });
        for path in paths {
            found |= convert.settings.is_secret(&path);
        }
    }
    found
}

/// Pieces as a text with placeholders; what is computed becomes a value of the stream.
fn template(
    convert: &mut Convert<'_>,
    node: &Value,
    names: &Names,
    pieces: &[Piece],
    is_path: bool,
    request: &mut Request,
) -> Result<String, String> {
    let mut out = String::new();
    for piece in pieces {
        match piece {
            Piece::Text(text) if text.contains(['{', '}']) => {
                let name = format!("part_{}", request.values.len() + 1);
                request.values.insert(name.clone(), json!({ "expression": super::expression::quoted(text) }));
                out.push_str(&format!("{{{}{name}}}", if is_path { "*" } else { "" }));
            }
            Piece::Text(text) => out.push_str(text),
            Piece::Expression(ast) => {
                open_secrets(convert, node, ast);
                let code = convert.translate_ast(node, names, Place::Request, ast)?;
                let name = match &code.name {
                    Some(name) if code.kind != Kind::Bool => name.clone(),
                    _ => {
                        let text = code.as_text().text;
                        let known = request.values.iter().find(|(_, value)| value["expression"] == text.as_str());
                        let name = known
                            .map_or_else(|| format!("part_{}", request.values.len() + 1), |(name, _)| name.clone());
                        request.values.insert(name.clone(), json!({ "expression": text }));
                        name
                    }
                };
                out.push_str(&format!("{{{}{name}}}", if is_path { "*" } else { "" }));
            }
        }
    }
    Ok(out)
}

/// A secret that stands in a path cannot stay one: every printed address shows it.
fn open_secrets(convert: &mut Convert<'_>, node: &Value, ast: &Ast) {
    let mut paths = Vec::new();
    // What only decides something is not shown.
    let shown = ast.replaced(&|ast| match ast {
        Ast::If(then, _, otherwise) => {
            let nothing = || Ast::Constant("".into());
            Some(Ast::List(vec![then.as_ref().clone(), otherwise.as_deref().cloned().unwrap_or_else(nothing)]))
        }
        Ast::Test(..) | Ast::Not(_) => Some(Ast::Constant(true.into())),
        _ => None,
    });
    shown.walk(&mut |ast| {
        if let Some(path) = ast.path().filter(|path| path.len() > 1 && path.first() == Some(&"config".into())) {
            paths.push(path.iter().skip(1).map(super::settings::plain_text).collect::<Vec<_>>());
        }
    });
    for setting in &mut convert.settings.all {
        if setting.is_secret && paths.contains(&setting.path) {
            setting.is_secret = false;
            let what = format!(
                "`{}` stands in the path of requests, so it is no secret here: printed addresses show it",
                setting.name
            );
            convert.notes.approximated(node, what);
        }
    }
}

fn headers(convert: &mut Convert<'_>, requester: &Value, names: &Names, request: &mut Request) {
    let fields = requester.get("request_headers").or_else(|| {
        component(requester, "request_options_provider").and_then(|options| options.get("request_headers"))
    });
    for (name, value) in fields.cloned().iter().flat_map(tree::fields) {
        let Some(name) = name_of(convert, requester, names, name, request) else { continue };
        put(convert, requester, names, Target::Header(name), value, request);
    }
}

/// A name of a parameter, which may be worked out.
fn name_of(
    convert: &mut Convert<'_>,
    node: &Value,
    names: &Names,
    name: &str,
    request: &mut Request,
) -> Option<String> {
    if let Some(name) = convert.constant(node, name)
        && !name.contains(['{', '}'])
    {
        return Some(name);
    }
    let made =
        convert.pieces(node, names, name).and_then(|pieces| template(convert, node, names, &pieces, false, request));
    match made {
        Ok(name) => Some(name),
        Err(reason) => {
            convert.notes.impossible(node, format!("the name `{name}`: {reason}"));
            None
        }
    }
}

/// Puts one value where it goes.
pub(super) fn put(
    convert: &mut Convert<'_>,
    node: &Value,
    names: &Names,
    target: Target,
    value: &Value,
    request: &mut Request,
) {
    let is_body = matches!(target, Target::Json(_) | Target::Form(_));
    if is_body && !request.has_body() {
        return;
    }
    if let Target::Json(pointer) = target {
        json_field(convert, node, names, &pointer, value, request);
        return;
    }
    let written = match value {
        Value::Null => return,
        Value::Bool(flag) => Some(Value::from(if *flag { "True" } else { "False" })),
        Value::Number(number) => {
            Some(if matches!(target, Target::Header(_)) { number.to_string().into() } else { number.clone().into() })
        }
        Value::Array(items) => Some(Value::Array(
            items
                .iter()
                .map(|item| match item {
                    Value::Bool(flag) => Value::from(if *flag { "True" } else { "False" }),
                    other => other.clone(),
                })
                .collect(),
        )),
        Value::Object(_) => {
            convert.notes.impossible(node, "an object as a parameter");
            return;
        }
        Value::String(template) => match scalar(convert, node, names, &target, template, request) {
            Ok(value) => value,
            Err(reason) => {
                convert.notes.impossible(node, format!("`{template}`: {reason}"));
                return;
            }
        },
    };
    let Some(written) = written else { return };
    match target {
        Target::Query(name) => request.params.insert(name, written),
        Target::Header(name) => request.headers.insert(name, written),
        Target::Form(name) => request.form.get_or_insert_default().insert(name, written),
        Target::Json(_) | Target::Named(_) => None,
    };
}

/// A template as a parameter, header or field of a form; `None` where it is left out.
fn scalar(
    convert: &mut Convert<'_>,
    node: &Value,
    names: &Names,
    target: &Target,
    text: &str,
    request: &mut Request,
) -> Result<Option<Value>, String> {
    let pieces = convert.pieces(node, names, text)?;
    match pieces.as_slice() {
        [] => return Ok(None),
        [Piece::Text(text)] => {
            // A text that spells a text or a list is that.
            let read = crate::expression::literal(&Value::from(text.as_str()));
            let text = match read {
                Value::String(text) => text,
                list @ Value::Array(_) if !matches!(target, Target::Header(_)) => return Ok(Some(list)),
                Value::Null if matches!(target, Target::Header(_)) => return Ok(None),
                // `1.10` is a number there, and so is sent as `1.1`.
                Value::Number(number) => number.to_string(),
                _ => text.clone(),
            };
            if text.is_empty() {
                return Ok(None);
            }
            return Ok(Some(if text.contains(['{', '}']) {
                json!({ "expression": super::expression::quoted(&text) })
            } else {
                text.into()
            }));
        }
        _ => {}
    }
    if matches!(target, Target::Header(name) if name.eq_ignore_ascii_case("authorization"))
        && let Some(basic) = basic_words(convert, &pieces)
    {
        request.credentials.push(basic);
        return Ok(None);
    }
    if let Some(words) = secret_words(convert, node, names, &pieces)? {
        request.credentials.push(placed(target, words));
        return Ok(None);
    }
    // What is put together may spell a text in quotes, or a list.
    if spells_literal(&pieces) && !matches!(target, Target::Header(_)) {
        let code = convert.translate(node, names, Place::Request, |translator| translator.as_value(text))?;
        return Ok(Some(json!({ "expression": format!("({}) or none", code.text) })));
    }
    let mut codes = Vec::new();
    for piece in &pieces {
        codes.push(match piece {
            Piece::Text(_) => None,
            Piece::Expression(ast) => Some(convert.translate_ast(node, names, Place::Request, ast)?),
        });
    }
    // Names alone, between texts without braces, are placeholders.
    let is_plain = pieces.iter().zip(&codes).all(|(piece, code)| match (piece, code) {
        (Piece::Text(text), _) => !text.contains(['{', '}']),
        (_, Some(code)) => code.name.is_some() && code.kind != Kind::Bool,
        _ => false,
    });
    if is_plain {
        let written = pieces.iter().zip(&codes).map(|(piece, code)| match (piece, code) {
            (Piece::Text(text), _) => text.clone(),
            (_, Some(code)) => format!("{{{}}}", code.name.clone().unwrap_or_default()),
            _ => String::new(),
        });
        return Ok(Some(written.collect::<String>().into()));
    }
    if let [Some(code)] = codes.as_slice() {
        if code.kind == Kind::List && !matches!(target, Target::Header(_)) {
            return Ok(Some(json!({ "expression": code.text })));
        }
        let text = code.as_text();
        // A text that came to nothing leaves the parameter out.
        return Ok(Some(json!({ "expression": format!("{} or none", text.tight()) })));
    }
    let code = convert.translate(node, names, Place::Request, |translator| translator.as_text(text))?;
    Ok(Some(json!({ "expression": format!("({}) or none", code.text) })))
}

/// Whether pieces begin and end as a text in quotes or a list does; so does what is written as JSON.
fn spells_literal(pieces: &[Piece]) -> bool {
    match pieces {
        [Piece::Expression(Ast::Filter(_, name, ..))] => name == "tojson",
        [Piece::Text(first), .., Piece::Text(last)] => {
            let ends =
                |open: char, close: char| first.trim_start().starts_with(open) && last.trim_end().ends_with(close);
            ends('\'', '\'') || ends('"', '"') || ends('[', ']')
        }
        _ => false,
    }
}

fn body(convert: &mut Convert<'_>, requester: &Value, names: &Names, request: &mut Request) {
    let options = component(requester, "request_options_provider");
    let said = |key: &str| requester.get(key).or_else(|| options.and_then(|options| options.get(key))).cloned();
    let (mut json, mut data) = (said("request_body_json"), said("request_body_data"));
    if let Some(body) = component(requester, "request_body") {
        let value = body.get("value").cloned();
        match kind(body) {
            "RequestBodyJsonObject" | "RequestBodyGraphQL" => json = value,
            "RequestBodyUrlEncodedForm" | "RequestBodyPlainText" => data = value,
            other => convert.notes.impossible(body, format!("a body of type `{other}`")),
        }
    }
    match json {
        Some(Value::String(template)) if !template.is_empty() => {
            let code = convert.translate(requester, names, Place::Request, |translator| translator.as_value(&template));
            match code {
                Ok(code) => request.json = Some(vec![(String::new(), code)]),
                Err(reason) => convert.notes.impossible(requester, format!("the body: {reason}")),
            }
        }
        Some(fields @ Value::Object(_)) => {
            for (name, value) in tree::fields(&fields) {
                let Some(name) = convert.constant(requester, name) else {
                    convert.notes.impossible(requester, format!("the name `{name}` in a body"));
                    continue;
                };
                json_field(convert, requester, names, &pointer_of(&name), value, request);
            }
        }
        _ => {}
    }
    match data {
        Some(Value::String(template)) if !template.is_empty() => {
            match scalar(convert, requester, names, &Target::Form(String::new()), &template, request) {
                Ok(text) => request.text = text,
                Err(reason) => convert.notes.impossible(requester, format!("the body: {reason}")),
            }
        }
        Some(fields @ Value::Object(_)) => {
            for (name, value) in tree::fields(&fields) {
                let Some(name) = name_of(convert, requester, names, name, request) else { continue };
                put(convert, requester, names, Target::Form(name), value, request);
            }
        }
        _ => {}
    }
}

/// A field of a JSON body, with everything in it.
fn json_field(
    convert: &mut Convert<'_>,
    node: &Value,
    names: &Names,
    pointer: &str,
    value: &Value,
    request: &mut Request,
) {
    if let Value::String(template) = value
        && let Ok(pieces) = convert.pieces(node, names, template)
        && has_secret(convert, &pieces)
    {
        match pieces_words(convert, node, names, &pieces) {
            Ok(words) => request.credentials.push(placed(&Target::Json(pointer.to_owned()), words)),
            Err(reason) => convert.notes.impossible(node, format!("a secret stands in the body: {reason}")),
        }
        request.json.get_or_insert_default();
        return;
    }
    if let Value::Object(_) = value
        && contains_secret(convert, node, names, value)
    {
        for (name, inner) in tree::fields(value) {
            json_field(convert, node, names, &format!("{pointer}{}", pointer_of(name)), inner, request);
        }
        return;
    }
    match json_code(convert, node, names, value) {
        Ok(code) => request.json.get_or_insert_default().push((pointer.to_owned(), code)),
        Err(reason) => convert.notes.impossible(node, format!("the body at `{pointer}`: {reason}")),
    }
}

fn contains_secret(convert: &mut Convert<'_>, node: &Value, names: &Names, value: &Value) -> bool {
    match value {
        Value::String(template) => {
            let pieces = convert.pieces(node, names, template).unwrap_or_default();
            has_secret(convert, &pieces)
        }
        Value::Object(_) => tree::fields(value).any(|(_, inner)| contains_secret(convert, node, names, inner)),
        _ => false,
    }
}

/// A value of a JSON body as an expression.
fn json_code(convert: &mut Convert<'_>, node: &Value, names: &Names, value: &Value) -> Result<Code, String> {
    match value {
        Value::String(template) => {
            let code = convert.translate(node, names, Place::Request, |translator| translator.as_value(template))?;
            // What comes to nothing is left out.
            if !code.text.contains("''") || template.is_empty() {
                return Ok(code);
            }
            let text = convert.translate(node, names, Place::Request, |translator| translator.as_text(template))?;
            Ok(code.unless_blank(&text))
        }
        Value::Array(items) => {
            let items = items
                .iter()
                .map(|item| Ok(json_code(convert, node, names, item)?.text))
                .collect::<Result<Vec<_>, String>>()?;
            Ok(Code::of_list(&items))
        }
        Value::Object(_) => {
            let mut fields = Vec::new();
            for (name, field) in tree::fields(value) {
                let name = convert.translate(node, names, Place::Request, |translator| translator.as_text(name))?;
                fields.push(format!("{}: {}", name.tight(), json_code(convert, node, names, field)?.text));
            }
            Ok(Code::of_map(&fields))
        }
        plain => super::expression::constant(plain),
    }
}

impl Convert<'_> {
    /// Where an option puts its value; `None` where a request of this kind has no such place.
    pub(super) fn target(&mut self, option: &Value, requester: &Value) -> Option<Target> {
        let method = text(requester.get("http_method")).to_ascii_uppercase();
        let has_body = matches!(method.as_str(), "" | "GET" | "POST" | "PUT" | "PATCH");
        let into = match text(option.get("inject_into")) {
            "" => "request_parameter",
            into => into,
        };
        if !has_body && into.starts_with("body_") {
            return None;
        }
        if let Some(path) = option.get("field_path").filter(|path| path.is_array()) {
            let parts = super::shape::texts(self, option, Some(path))?;
            return Some(Target::Json(pointer(&parts)));
        }
        let written = text(option.get("field_name")).to_owned();
        let name = match self.constant(option, &written) {
            Some(name) => name,
            // What nobody declares is nothing.
            None if self.is_undeclared(option, &written) => String::new(),
            None => {
                self.notes.impossible(option, format!("the name `{written}` of a parameter is worked out"));
                return None;
            }
        };
        Some(match into {
            "header" => Target::Header(name),
            "body_json" => Target::Json(pointer_of(&name)),
            "body_data" => Target::Form(name),
            "path" => return None,
            _ => Target::Query(name),
        })
    }

    /// Whether a template is no more than a setting that the specification does not know.
    fn is_undeclared(&mut self, node: &Value, template: &str) -> bool {
        let pieces = self.pieces(node, &Names::default(), template).unwrap_or_default();
        let [Piece::Expression(ast)] = pieces.as_slice() else { return false };
        let path = ast.path().unwrap_or_default();
        let texts: Vec<String> = path.iter().skip(1).map(super::settings::plain_text).collect();
        path.first() == Some(&"config".into())
            && !self.settings.all.iter().any(|setting| setting.path.starts_with(&texts))
    }

    /// A setting that lists values.
    pub(super) fn list_setting(&mut self, path: &[String]) -> String {
        let setting = self.settings.find(path);
        setting.kind = SettingType::List;
        setting.is_secret = false;
        setting.name.clone()
    }
}
