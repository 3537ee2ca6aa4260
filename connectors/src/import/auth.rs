//! How requests prove who sends them.

use serde_json::{Map, Value, json};

use super::convert::Convert;
use super::expression::{Names, Place, duration};
use super::jinja::{Ast, Piece};
use super::request::Target;
use super::tree::{self, component, is_true, kind, text};

/// The way in of a requester; `None` for one without.
pub(super) fn auth(convert: &mut Convert<'_>, node: Option<&Value>) -> Option<Value> {
    let node = node?;
    match kind(node) {
        "NoAuth" | "" => None,
        "BearerAuthenticator" => Some(json!({ "bearer": secret(convert, node, "api_token")? })),
        "BasicHttpAuthenticator" => basic(convert, node),
        "ApiKeyAuthenticator" => api_key(convert, node),
        "OAuthAuthenticator" => oauth(convert, node),
        "SessionTokenAuthenticator" => session(convert, node),
        "LegacySessionTokenAuthenticator" => legacy_session(convert, node),
        "JwtAuthenticator" => jwt(convert, node),
        "SelectiveAuthenticator" => selective(convert, node),
        "RateLimitedMultipleTokenAuthenticator" => several(convert, node),
        other => {
            convert.custom(node, other, "a way in");
            None
        }
    }
}

/// The text of a field, in words that may hold secrets.
fn words(convert: &mut Convert<'_>, node: &Value, key: &str) -> Option<Value> {
    match node.get(key) {
        Some(Value::String(template)) => {
            let made = template_words(convert, node, template);
            if let Err(reason) = &made {
                convert.notes.impossible(node, format!("`{key}` of a way in: `{template}`: {reason}"));
            }
            made.ok()
        }
        Some(Value::Null) | None => Some(json!({ "text": "" })),
        Some(other) => Some(json!({ "text": other.to_string() })),
    }
}

/// The text of a field that is a credential, whatever the specification says of its settings.
fn secret(convert: &mut Convert<'_>, node: &Value, key: &str) -> Option<Value> {
    let words = words(convert, node, key)?;
    let mut names = Vec::new();
    setting_names(&words, &mut names);
    for setting in convert.settings.all.iter_mut().filter(|setting| names.contains(&setting.name)) {
        setting.is_secret = true;
        setting.default = None;
    }
    Some(words)
}

/// A template in words that may hold secrets.
pub(super) fn template_words(convert: &mut Convert<'_>, node: &Value, template: &str) -> Result<Value, String> {
    let pieces = convert.pieces(node, &Names::default(), template)?;
    words_or_text(convert, node, &Names::default(), &pieces, "")
}

/// Pieces of a template in words that may hold secrets; what comes to nothing is not sent.
pub(super) fn pieces_words(
    convert: &mut Convert<'_>,
    node: &Value,
    names: &Names,
    pieces: &[Piece],
) -> Result<Value, String> {
    words_or_text(convert, node, names, pieces, " or none")
}

/// Names and texts where these say it, else an expression.
fn words_or_text(
    convert: &mut Convert<'_>,
    node: &Value,
    names: &Names,
    pieces: &[Piece],
    nothing: &str,
) -> Result<Value, String> {
    if let Some(words) = plain_words(convert, pieces) {
        return Ok(words);
    }
    let code = convert.translate(node, names, Place::Credential, |translator| translator.text_of(pieces))?;
    Ok(json!({ "expression": format!("{}{nothing}", code.tight()) }))
}

/// Pieces that are names and texts.
fn plain_words(convert: &mut Convert<'_>, pieces: &[Piece]) -> Option<Value> {
    match pieces {
        [] => return Some(json!({ "text": "" })),
        [Piece::Text(text)] => return Some(json!({ "text": text })),
        [Piece::Expression(ast)] => {
            let names = alternatives(convert, ast)?;
            return Some(match names.as_slice() {
                [one] => one.clone().into(),
                several => json!({ "first": several }),
            });
        }
        _ => {}
    }
    let mut out = String::new();
    for piece in pieces {
        match piece {
            Piece::Text(text) if text.contains(['{', '}']) => return None,
            Piece::Text(text) => out.push_str(text),
            Piece::Expression(ast) => {
                let names = alternatives(convert, ast)?;
                let [name] = names.as_slice() else { return None };
                out.push_str(&format!("{{{name}}}"));
            }
        }
    }
    Some(out.into())
}

/// The settings of which the first that is given counts.
fn alternatives(convert: &mut Convert<'_>, ast: &Ast) -> Option<Vec<String>> {
    match ast {
        Ast::Name(name) if name == "session_token" => return Some(vec!["session_token".to_owned()]),
        Ast::Binary("or", left, right) => {
            let mut names = alternatives(convert, left)?;
            names.extend(alternatives(convert, right)?);
            names.dedup();
            return Some(names);
        }
        Ast::Item(of, key) => {
            // `(config.get('a') or config).b`
            if let (Ast::Binary("or", left, right), Ast::Constant(_)) = (of.as_ref(), key.as_ref()) {
                let below = |side: &Ast| Ast::Item(Box::new(side.clone()), key.clone());
                let either = Ast::Binary("or", Box::new(below(left)), Box::new(below(right)));
                return alternatives(convert, &either);
            }
        }
        // Blanks around a credential are never meant.
        Ast::Call(called, arguments, _)
            if arguments.is_empty() && matches!(called.as_ref(), Ast::Attribute(_, method) if method == "strip") =>
        {
            let Ast::Attribute(of, _) = called.as_ref() else { return None };
            return alternatives(convert, of);
        }
        Ast::Call(called, arguments, by_name) if by_name.is_empty() => {
            if let (Ast::Attribute(of, method), [key, default]) = (called.as_ref(), arguments.as_slice())
                && method == "get"
                && !matches!(default, Ast::Constant(_) | Ast::Map(_))
            {
                let mut names = alternatives(convert, &Ast::Item(of.clone(), Box::new(key.clone())))?;
                names.extend(alternatives(convert, default)?);
                return Some(names);
            }
            if let (Ast::Attribute(of, method), [key]) = (called.as_ref(), arguments.as_slice())
                && method == "get"
                && matches!(of.as_ref(), Ast::Binary("or", ..))
            {
                return alternatives(convert, &Ast::Item(of.clone(), Box::new(key.clone())));
            }
        }
        Ast::Filter(of, name, ..) if matches!(name.as_str(), "string" | "trim") => return alternatives(convert, of),
        // What is taken where it is given.
        Ast::If(then, condition, Some(otherwise)) if asks_for(condition, then) => {
            let mut names = alternatives(convert, then)?;
            names.extend(alternatives(convert, otherwise)?);
            names.dedup();
            return Some(names);
        }
        _ => {}
    }
    let path = ast.path()?;
    if path.first()?.as_str()? != "config" || path.len() < 2 {
        return None;
    }
    let texts: Vec<String> = path.iter().skip(1).map(super::settings::plain_text).collect();
    if convert.settings.has_below(&texts) {
        return None;
    }
    Some(vec![convert.settings.find(&texts).name.clone()])
}

/// Whether a condition asks no more than whether a value is given.
fn asks_for(condition: &Ast, value: &Ast) -> bool {
    let Some(path) = value.path() else { return false };
    let is_it = |of: &Ast| of.path().is_some_and(|found| found == path);
    match condition {
        Ast::Test(of, name, _) => name == "defined" && is_it(of),
        Ast::Binary("in", key, within) => {
            let mut found = within.path().unwrap_or_default();
            found.extend(if let Ast::Constant(key) = key.as_ref() { Some(key.clone()) } else { None });
            found == path
        }
        other => is_it(other),
    }
}

/// User and password that a template itself puts together for `Authorization: Basic`.
pub(super) fn basic_words(convert: &mut Convert<'_>, pieces: &[Piece]) -> Option<Value> {
    let [Piece::Text(before), Piece::Expression(Ast::Filter(of, filter, ..))] = pieces else { return None };
    if before.trim() != "Basic" || filter != "base64encode" {
        return None;
    }
    let flat = super::lengths::flat(&[Piece::Expression(of.as_ref().clone())]);
    let colon = flat.iter().position(|piece| matches!(piece, Piece::Text(text) if text.contains(':')))?;
    let Some(Piece::Text(text)) = flat.get(colon) else { return None };
    let (left, right) = text.split_once(':')?;
    let part = |text: &str| (!text.is_empty()).then(|| Piece::Text(text.to_owned()));
    let user: Vec<Piece> = flat.iter().take(colon).cloned().chain(part(left)).collect();
    let password: Vec<Piece> = part(right).into_iter().chain(flat.iter().skip(colon + 1).cloned()).collect();
    let mut fields = Map::new();
    fields.insert("user".to_owned(), plain_words(convert, &user)?);
    if !password.is_empty() {
        fields.insert("password".to_owned(), plain_words(convert, &password)?);
    }
    Some(json!({ "basic": fields }))
}

fn basic(convert: &mut Convert<'_>, node: &Value) -> Option<Value> {
    let mut fields = Map::new();
    fields.insert("user".to_owned(), words(convert, node, "username")?);
    let password = words(convert, node, "password")?;
    if password != json!({ "text": "" }) {
        fields.insert("password".to_owned(), password);
    }
    Some(json!({ "basic": fields }))
}

/// A credential at its place.
#[expect(clippy::needless_pass_by_value, reason = "callers have made the value for this")]
pub(super) fn placed(target: &Target, value: Value) -> Value {
    match target {
        Target::Header(name) => json!({ "header": { "name": name, "value": value } }),
        Target::Query(name) | Target::Named(name) => json!({ "query": { "param": name, "value": value } }),
        Target::Json(pointer) => json!({ "body": { "field": pointer, "value": value } }),
        Target::Form(name) => json!({ "body": { "field": name, "value": value } }),
    }
}

fn api_key(convert: &mut Convert<'_>, node: &Value) -> Option<Value> {
    let target = match component(node, "inject_into") {
        Some(option) => convert.target(option, &json!({ "http_method": "POST" }))?,
        None => Target::Header(convert.constant_text(node, "header").filter(|name| !name.is_empty())?),
    };
    if matches!(&target, Target::Header(name) if name.eq_ignore_ascii_case("authorization"))
        && let Some(template) = node.get("api_token").and_then(Value::as_str)
        && let Ok(pieces) = convert.pieces(node, &Names::default(), template)
        && let Some(basic) = basic_words(convert, &pieces)
    {
        return Some(basic);
    }
    let value = words(convert, node, "api_token")?;
    Some(placed(&target, value))
}

/// A URL of a login, with settings as placeholders.
fn url(convert: &mut Convert<'_>, node: &Value, template: &str) -> Option<String> {
    let pieces = convert.pieces(node, &Names::default(), template).ok()?;
    let mut out = String::new();
    for piece in &pieces {
        match piece {
            Piece::Text(text) if text.contains(['{', '}']) => return None,
            Piece::Text(text) => out.push_str(text),
            Piece::Expression(ast) => {
                let name = if let Some([name]) = alternatives(convert, ast).as_deref() {
                    name.clone()
                } else {
                    let code = convert.translate_ast(node, &Names::default(), Place::Request, ast).ok()?.as_text();
                    convert.shared_value(&code.text)
                };
                out.push_str(&format!("{{{name}}}"));
            }
        }
    }
    Some(out)
}

/// A field of a login: settings as placeholders, secret or not, else what is worked out of plain ones.
fn login_value(convert: &mut Convert<'_>, node: &Value, value: &Value) -> Option<Value> {
    let Value::String(template) = value else { return Some(tree::plain(value)) };
    match template_words(convert, node, template) {
        Ok(Value::String(name)) if !name.contains('{') => return Some(format!("{{{name}}}").into()),
        Ok(Value::String(text)) => return Some(text.into()),
        Ok(words) if words.get("text").is_some_and(|words| !text(Some(words)).contains(['{', '}'])) => {
            return words.get("text").cloned();
        }
        _ => {}
    }
    let names = Names::default();
    let code = convert.translate(node, &names, Place::Credential, |translator| translator.as_text(template)).ok()?;
    Some(json!({ "expression": code.text }))
}

fn login_fields(convert: &mut Convert<'_>, node: &Value, fields: Option<&Value>) -> Option<Map<String, Value>> {
    let mut out = Map::new();
    for (name, value) in fields.into_iter().flat_map(tree::fields) {
        out.insert(name.clone(), login_value(convert, node, value)?);
    }
    Some(out)
}

/// A JSON body of a login, with placeholders.
fn login_json(convert: &mut Convert<'_>, node: &Value, value: &Value) -> Option<Value> {
    Some(match value {
        Value::Object(_) => {
            let mut out = Map::new();
            for (name, field) in tree::fields(value) {
                out.insert(name.clone(), login_json(convert, node, field)?);
            }
            Value::Object(out)
        }
        Value::Array(items) => {
            Value::Array(items.iter().map(|item| login_json(convert, node, item)).collect::<Option<_>>()?)
        }
        plain => login_value(convert, node, plain).filter(|value| !value.is_object())?,
    })
}

fn oauth(convert: &mut Convert<'_>, node: &Value) -> Option<Value> {
    let endpoint = text(node.get("token_refresh_endpoint")).to_owned();
    if endpoint.is_empty() {
        return Some(json!({ "bearer": secret(convert, node, "access_token_value")? }));
    }
    let Some(token_url) = url(convert, node, &endpoint) else {
        convert.notes.impossible(node, format!("the address of a token: `{endpoint}`"));
        return None;
    };
    let mut out = Map::new();
    out.insert("token_url".to_owned(), token_url.into());
    let grant = convert.constant_text(node, "grant_type").filter(|grant| !grant.is_empty());
    let grant = grant.unwrap_or_else(|| "refresh_token".to_owned());
    if is_true(node.get("use_profile_assertion")) {
        let assertion = component(node, "profile_assertion")?;
        let mut signed = jwt_settings(convert, assertion)?;
        signed.shift_remove("send");
        out.insert("grant".to_owned(), json!({ "jwt_bearer": signed }));
        if grant != "urn:ietf:params:oauth:grant-type:jwt-bearer" {
            out.insert("grant_type".to_owned(), grant.into());
        }
    } else if !text(node.get("refresh_token")).is_empty()
        || (grant == "refresh_token" && component(node, "refresh_token_updater").is_some())
    {
        let token = if text(node.get("refresh_token")).is_empty() {
            let path =
                component(node, "refresh_token_updater").and_then(|updater| updater.get("refresh_token_config_path"));
            let path: Vec<String> = match path.and_then(Value::as_array) {
                Some(path) => path.iter().map(super::settings::plain_text).collect(),
                None => vec!["credentials".to_owned(), "refresh_token".to_owned()],
            };
            convert.settings.find(&path).name.clone().into()
        } else {
            secret(convert, node, "refresh_token")?
        };
        out.insert("grant".to_owned(), json!({ "refresh_token": token }));
        if grant != "refresh_token" {
            out.insert("grant_type".to_owned(), grant.into());
        }
    } else {
        out.insert("grant".to_owned(), "client_credentials".into());
        if grant != "client_credentials" {
            out.insert("grant_type".to_owned(), grant.into());
        }
    }
    client(convert, node, &mut out)?;
    token_names(convert, node, &mut out);
    Some(json!({ "oauth2": out }))
}

/// The client and the further fields of a request for a token.
fn client(convert: &mut Convert<'_>, node: &Value, out: &mut Map<String, Value>) -> Option<()> {
    let has_client = !text(node.get("client_id")).is_empty();
    if has_client {
        let mut client = Map::new();
        client.insert("id".to_owned(), words(convert, node, "client_id")?);
        if !text(node.get("client_secret")).is_empty() {
            client.insert("secret".to_owned(), secret(convert, node, "client_secret")?);
        }
        out.insert("client".to_owned(), Value::Object(client));
    }
    let mut sent_as = None;
    let mut headers = Map::new();
    for (name, value) in node.get("refresh_request_headers").into_iter().flat_map(tree::fields) {
        let is_json = name.eq_ignore_ascii_case("content-type") && text(Some(value)).contains("application/json");
        if is_json {
            sent_as = Some("json");
        } else if name.eq_ignore_ascii_case("authorization") && text(Some(value)).contains("base64encode") {
            // User and password in the header, and beside the other fields all the same.
            let Some(Value::Object(client)) = out.get_mut("client") else { return None };
            client.insert("sent_as".to_owned(), "basic".into());
            let fields = [("client_id", "id"), ("client_secret", "secret")];
            let fields: Map<String, Value> = fields
                .iter()
                .filter_map(|(name, key)| {
                    Some(((*name).to_owned(), Value::from(format!("{{{}}}", client.get(*key)?.as_str()?))))
                })
                .collect();
            out.insert("fields".to_owned(), Value::Object(fields));
        } else if !name.eq_ignore_ascii_case("content-type") {
            headers.insert(name.clone(), login_value(convert, node, value)?);
        }
    }
    if is_true(node.get("send_refresh_request_as_query_params")) {
        sent_as = Some("query");
    }
    if let Some(sent_as) = sent_as {
        out.insert("sent_as".to_owned(), sent_as.into());
    }
    if !headers.is_empty() {
        out.insert("headers".to_owned(), Value::Object(headers));
    }
    let body = login_fields(convert, node, node.get("refresh_request_body"));
    let Some(body) = body else {
        convert.notes.impossible(node, "a field of a request for a token");
        return None;
    };
    if !body.is_empty() {
        let fields = out.entry("fields").or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(fields) = fields {
            fields.extend(body);
        }
    }
    if let Some(Value::Array(scopes)) = node.get("scopes") {
        out.insert("scopes".to_owned(), Value::Array(scopes.clone()));
    }
    Some(())
}

/// What the vendor calls the fields of requests for tokens and of their answers.
fn token_names(convert: &mut Convert<'_>, node: &Value, out: &mut Map<String, Value>) {
    let mut names = Map::new();
    for (theirs, ours) in [
        ("grant_type_name", "grant_type"),
        ("client_id_name", "client_id"),
        ("client_secret_name", "client_secret"),
        ("refresh_token_name", "refresh_token"),
    ] {
        if let Some(name) = convert.constant_text(node, theirs).filter(|name| !name.is_empty() && name != ours) {
            names.insert(ours.to_owned(), name.into());
        }
    }
    if out.contains_key("scopes") {
        names.insert("scope".to_owned(), "scopes".into());
    }
    if !names.is_empty() {
        out.insert("names".to_owned(), Value::Object(names));
    }
    let mut answer = Map::new();
    let said = |convert: &mut Convert<'_>, key: &str, usual: &str| {
        convert.constant_text(node, key).filter(|name| !name.is_empty() && name != usual)
    };
    if let Some(name) = said(convert, "access_token_name", "access_token") {
        answer.insert("access_token".to_owned(), name.into());
    }
    let expires = said(convert, "expires_in_name", "expires_in");
    let format = text(node.get("token_expiry_date_format"));
    if !format.is_empty() {
        let field = expires.unwrap_or_else(|| "expires_in".to_owned());
        let format: Value = match format {
            "%s" => "unix_seconds".into(),
            "%ms" => "unix_millis".into(),
            other => json!({ "pattern": { "pattern": super::expression::pattern(other), "zone": "UTC" } }),
        };
        answer.insert("expires".to_owned(), json!({ "at": { "field": field, "format": format } }));
    } else if let Some(name) = expires {
        answer.insert("expires".to_owned(), json!({ "in_seconds": name }));
    }
    if !answer.is_empty() {
        out.insert("answer".to_owned(), Value::Object(answer));
    }
}

/// One request that logs in.
fn login_step(convert: &mut Convert<'_>, requester: &Value, take: Value) -> Option<Value> {
    let whole = super::request::whole_url(requester);
    let Some(url) = url(convert, requester, &whole) else {
        convert.notes.impossible(requester, format!("the address of a login: `{whole}`"));
        return None;
    };
    let mut step = Map::new();
    step.insert("url".to_owned(), url.into());
    let method = text(requester.get("http_method")).to_ascii_lowercase();
    let method = if method.is_empty() { "get".to_owned() } else { method };
    step.insert("method".to_owned(), method.clone().into());
    for (theirs, ours) in [("request_parameters", "params"), ("request_headers", "headers")] {
        let fields = login_fields(convert, requester, requester.get(theirs));
        let Some(fields) = fields else {
            convert.notes.impossible(requester, format!("`{theirs}` of a login"));
            return None;
        };
        if !fields.is_empty() {
            step.insert(ours.to_owned(), Value::Object(fields));
        }
    }
    if method != "get" {
        let body = component(requester, "request_body");
        let json = component(requester, "request_body_json")
            .or_else(|| body.filter(|body| kind(body) == "RequestBodyJsonObject").and_then(|body| body.get("value")));
        let form = component(requester, "request_body_data").or_else(|| {
            body.filter(|body| kind(body) == "RequestBodyUrlEncodedForm").and_then(|body| body.get("value"))
        });
        let made = if let Some(json) = json {
            login_json(convert, requester, json).map(|json| json!({ "json": json }))
        } else if let Some(form) = form {
            login_fields(convert, requester, Some(form)).map(|form| json!({ "form": form }))
        } else if requester.get("request_body_data").is_some() || body.is_some() {
            None
        } else {
            Some(Value::Null)
        };
        let Some(made) = made else {
            convert.notes.impossible(requester, "the body of a login");
            return None;
        };
        if !made.is_null() {
            step.insert("body".to_owned(), made);
        }
    }
    if let Some(own) = auth(convert, component(requester, "authenticator")) {
        step.insert("auth".to_owned(), own);
    }
    step.insert("take".to_owned(), take);
    Some(Value::Object(step))
}

fn session(convert: &mut Convert<'_>, node: &Value) -> Option<Value> {
    let requester = component(node, "login_requester")?;
    let path = super::shape::texts(convert, node, node.get("session_token_path")).unwrap_or_default();
    let take = if path.is_empty() { "text".into() } else { json!({ "field": super::shape::pointer(&path) }) };
    let step = login_step(convert, requester, json!({ "session_token": take }))?;
    let request = component(node, "request_authentication")?;
    let send = if kind(request) == "Bearer" {
        json!({ "bearer": "session_token" })
    } else {
        let target = convert.target(component(request, "inject_into")?, &json!({ "http_method": "POST" }))?;
        let token = text(request.get("api_token"));
        let value =
            if token.is_empty() { "session_token".into() } else { template_words(convert, request, token).ok()? };
        placed(&target, value)
    };
    let mut session = json!({ "steps": [step], "send": send });
    let lasts = duration(text(node.get("expiration_duration")));
    if let (Some((months, seconds)), Value::Object(fields)) = (lasts, &mut session) {
        let seconds = u32::try_from(months * 30 * 86_400 + seconds).unwrap_or(3_600);
        fields.insert("lasts".to_owned(), super::errors::span(f64::from(seconds)).into());
    }
    Some(json!({ "session": session }))
}

fn legacy_session(convert: &mut Convert<'_>, node: &Value) -> Option<Value> {
    let (base, login) = (text(node.get("api_url")), text(node.get("login_url")));
    let whole = format!("{}/{}", base.trim_end_matches('/'), login.trim_start_matches('/'));
    let url = url(convert, node, &whole)?;
    let [user, password] = ["username", "password"].map(|key| node.get(key).cloned().unwrap_or_default());
    let user = login_value(convert, node, &user)?;
    let password = login_value(convert, node, &password)?;
    let key = convert.constant_text(node, "session_token_response_key")?;
    let header = convert.constant_text(node, "header")?;
    if !text(node.get("session_token")).is_empty() {
        convert.notes.approximated(node, "a session token that is given is not used: every session logs in");
    }
    let step = json!({
        "url": url, "method": "post", "body": { "json": { "username": user, "password": password } },
        "take": { "session_token": { "field": key } },
    });
    Some(json!({ "session": { "steps": [step], "send": { "header": { "name": header, "value": "session_token" } } } }))
}

fn jwt(convert: &mut Convert<'_>, node: &Value) -> Option<Value> {
    jwt_settings(convert, node).map(|settings| json!({ "jwt": settings }))
}

fn jwt_settings(convert: &mut Convert<'_>, node: &Value) -> Option<Map<String, Value>> {
    if is_true(node.get("base64_encode_secret_key")) || !text(node.get("passphrase")).is_empty() {
        convert.notes.impossible(node, "a key that is encoded, or locked by a passphrase");
        return None;
    }
    let mut out = Map::new();
    out.insert("algorithm".to_owned(), text(node.get("algorithm")).into());
    out.insert("key".to_owned(), words(convert, node, "secret_key")?);
    let (mut claims, mut header) = (Map::new(), Map::new());
    for (holder, own, into) in
        [("jwt_payload", "additional_jwt_payload", &mut claims), ("jwt_headers", "additional_jwt_headers", &mut header)]
    {
        for key in [own, holder] {
            let fields = node.get(key).cloned().unwrap_or_default();
            for (name, value) in tree::fields(&fields).filter(|(name, _)| *name != "type") {
                let value = login_value(convert, node, value).filter(|value| !value.is_object());
                let Some(value) = value else {
                    convert.notes.impossible(node, format!("the claim `{name}`"));
                    return None;
                };
                into.insert(name.clone(), value);
            }
        }
    }
    if !claims.is_empty() {
        out.insert("claims".to_owned(), Value::Object(claims));
    }
    if !header.is_empty() {
        out.insert("header".to_owned(), Value::Object(header));
    }
    let seconds = node.get("token_duration").and_then(Value::as_u64).unwrap_or(1_200);
    out.insert("lasts".to_owned(), super::errors::span(f64::from(u32::try_from(seconds).unwrap_or(1_200))).into());
    let prefix = convert.constant_text(node, "header_prefix").unwrap_or_default();
    let send = match component(node, "request_option") {
        Some(option) => placed(&convert.target(option, &json!({ "http_method": "POST" }))?, "jwt".into()),
        None if prefix == "Bearer" => json!({ "bearer": "jwt" }),
        None if prefix.is_empty() => json!({ "header": { "name": "Authorization", "value": "jwt" } }),
        None => json!({ "header": { "name": "Authorization", "value": "jwt", "prefix": format!("{prefix} ") } }),
    };
    out.insert("send".to_owned(), send);
    Some(out)
}

fn selective(convert: &mut Convert<'_>, node: &Value) -> Option<Value> {
    let path: Vec<String> = match node.get("authenticator_selection_path") {
        Some(Value::Array(path)) => path.iter().map(super::settings::plain_text).collect(),
        _ => return None,
    };
    let mut among = Map::new();
    for (name, inner) in node.get("authenticators").into_iter().flat_map(tree::fields) {
        among.insert(name.clone(), auth(convert, Some(inner)).unwrap_or_else(|| "none".into()));
    }
    if among.is_empty() {
        return None;
    }
    let mut names = Vec::new();
    among.values().for_each(|way| setting_names(way, &mut names));
    for setting in &mut convert.settings.all {
        if names.contains(&setting.name) {
            setting.is_required = false;
        }
    }
    let by = convert.settings.find(&path);
    by.is_secret = false;
    if !by.default.as_ref().is_some_and(|default| among.contains_key(&super::settings::plain_text(default))) {
        by.default = None;
        by.is_required = true;
    }
    let (by, known) = (by.name.clone(), among.keys().cloned().collect::<Vec<_>>().join(", "));
    if let Some(setting) = convert.settings.all.iter_mut().find(|setting| setting.name == by)
        && !setting.help.contains(&known)
    {
        setting.help = format!("{}: one of {known}", setting.help);
    }
    Some(json!({ "choose": { "by": by, "among": among } }))
}

/// Several tokens of which one rests when its quota is spent.
fn several(convert: &mut Convert<'_>, node: &Value) -> Option<Value> {
    let from = secret(convert, node, "tokens")?;
    convert.notes.approximated(node, "several tokens: what each may still ask is learned from answers, not asked for");
    let header = convert.constant_text(node, "header").filter(|name| !name.is_empty());
    let header = header.unwrap_or_else(|| "Authorization".to_owned());
    let prefix = convert.constant_text(node, "auth_method").filter(|word| !word.is_empty());
    let prefix = prefix.unwrap_or_else(|| "Bearer".to_owned());
    let send = if header == "Authorization" && prefix == "Bearer" {
        json!({ "bearer": "token" })
    } else {
        json!({ "header": { "name": header, "value": "token", "prefix": format!("{prefix} ") } })
    };
    Some(json!({ "tokens": { "from": from, "send": send } }))
}

/// Every text in a way in that may be the name of a setting, in braces or bare.
fn setting_names(value: &Value, names: &mut Vec<String>) {
    match value {
        Value::String(text) => {
            names.push(text.clone());
            let inside = text.split('{').skip(1).filter_map(|rest| rest.split_once('}'));
            names.extend(inside.map(|(name, _)| name.to_owned()));
        }
        Value::Array(items) => items.iter().for_each(|item| setting_names(item, names)),
        Value::Object(fields) => fields.values().for_each(|field| setting_names(field, names)),
        _ => {}
    }
}
