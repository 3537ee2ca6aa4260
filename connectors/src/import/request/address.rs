//! The address of a request: scheme and host, which the connector is pinned to, the path, and what stands in its query.

use serde_json::Value;

use super::{Request, Target, secret_words, template};
use crate::import::auth::placed;
use crate::import::convert::Convert;
use crate::import::expression::{Names, Place};
use crate::import::jinja::{Ast, Piece};
use crate::import::settings::plain_text;
use crate::import::tree::text;

/// Where an address is cut: its origin, the path after it, and the query.
pub(super) fn address(convert: &mut Convert<'_>, requester: &Value, names: &Names, request: &mut Request) {
    let (url, base) = (text(requester.get("url")).to_owned(), text(requester.get("url_base")).to_owned());
    let path = text(requester.get("path")).trim_start_matches('/').to_owned();
    // A path that is nothing but a value of the parent may be a whole address.
    if let Some(field) = url_field(convert, requester, &path, names) {
        request.url_field = Some(field);
        request.base = base_of(convert, requester, if base.is_empty() { &url } else { &base }).unwrap_or_default();
        return;
    }
    let pieces = match joined(convert, requester, names) {
        Ok(pieces) => pieces,
        Err(reason) => {
            convert.notes.impossible(requester, format!("the address: {reason}"));
            return;
        }
    };
    let written_base = if base.is_empty() { url } else { base };
    // The shared beginning as it is written, where it is plain; else only the origin.
    let shared = convert.constant(requester, written_base.trim_end_matches('/')).filter(|base| {
        base.starts_with("http") && !base.contains(['?', '{', '}']) && !path.is_empty() && !path.starts_with("http")
    });
    let (base, rest) = match shared {
        Some(shared) => {
            let mut rest = pieces;
            if let Some(Piece::Text(first)) = rest.first_mut() {
                *first = first.strip_prefix(shared.as_str()).unwrap_or(first).to_owned();
            }
            (shared, rest)
        }
        None => match split_origin(convert, requester, pieces) {
            Ok(found) => found,
            Err(reason) => {
                convert.notes.impossible(requester, format!("the address: {reason}"));
                return;
            }
        },
    };
    request.base = base;
    let (path, query) = split_query(super::super::lengths::flat(&rest));
    request.path = match template(convert, requester, names, &path, true, request) {
        Ok(path) => path,
        Err(reason) => {
            convert.notes.impossible(requester, format!("the path: {reason}"));
            return;
        }
    };
    if let Err(reason) = query_params(convert, requester, names, query, request) {
        convert.notes.impossible(requester, format!("the query of the address: {reason}"));
    }
}

/// The base and the path after it, with one slash between them once parameters are known.
fn joined(convert: &mut Convert<'_>, requester: &Value, names: &Names) -> Result<Vec<Piece>, String> {
    let mut path = convert.pieces(requester, names, text(requester.get("path")))?;
    if let Some(Piece::Text(first)) = path.first_mut() {
        *first = first.trim_start_matches('/').to_owned();
    }
    path.retain(|piece| !matches!(piece, Piece::Text(text) if text.is_empty()));
    let is_whole =
        matches!(path.first(), Some(Piece::Text(text)) if text.starts_with("http://") || text.starts_with("https://"));
    if is_whole {
        return Ok(path);
    }
    let (url, base) = (text(requester.get("url")), text(requester.get("url_base")));
    let base = if base.is_empty() { url } else { base };
    if path.is_empty() {
        return convert.pieces(requester, names, base);
    }
    let mut pieces = convert.pieces(requester, names, base.trim_end_matches('/'))?;
    let mut path = path.into_iter();
    let first = match path.next() {
        Some(Piece::Text(text)) => vec![Piece::Text(format!("/{text}"))],
        first => std::iter::once(Piece::Text("/".to_owned())).chain(first).collect(),
    };
    for piece in first.into_iter().chain(path) {
        match (pieces.last_mut(), piece) {
            (Some(Piece::Text(before)), Piece::Text(text)) => before.push_str(&text),
            (_, piece) => pieces.push(piece),
        }
    }
    Ok(pieces)
}

/// The name of the value that is the whole address.
fn url_field(convert: &mut Convert<'_>, requester: &Value, path: &str, names: &Names) -> Option<String> {
    let alone = [text(requester.get("url")), text(requester.get("url_base"))].into_iter().find(|text| !text.is_empty());
    let is_alone = path.is_empty() && !names.job.is_empty();
    let pieces = convert.pieces(requester, names, if is_alone { alone? } else { path }).ok()?;
    let [Piece::Expression(ast)] = pieces.as_slice() else { return None };
    let path = ast.path()?;
    let whole: Vec<String> = path.iter().map(plain_text).collect();
    if let Some(name) = names.job.get(&whole) {
        return Some(name.clone());
    }
    let root = path.first()?.as_str()?;
    let texts: Vec<String> = path.iter().skip(1).map(plain_text).collect();
    let last = texts.last()?.to_ascii_lowercase();
    let is_url = ["url", "uri", "href", "link", "endpoint"].iter().any(|word| last.contains(word));
    if !is_url || !root.starts_with("stream_") {
        return None;
    }
    names.partition.get(&texts).cloned()
}

/// The base URL of a text, where settings alone decide it.
fn base_of(convert: &mut Convert<'_>, requester: &Value, base: &str) -> Option<String> {
    let pieces = convert.pieces(requester, &Names::default(), base).ok()?;
    split_origin(convert, requester, pieces).ok().map(|(base, _)| base)
}

/// Scheme and host, and what follows; what is worked out of settings becomes a value of the connector.
fn split_origin(
    convert: &mut Convert<'_>,
    requester: &Value,
    pieces: Vec<Piece>,
) -> Result<(String, Vec<Piece>), String> {
    let (mut base, mut rest) = (String::new(), Vec::new());
    let mut is_over = false;
    for (at, piece) in pieces.into_iter().enumerate() {
        if is_over {
            rest.push(piece);
            continue;
        }
        match piece {
            Piece::Text(text) => {
                let scheme = if at == 0 { text.find("://").map_or(0, |scheme| scheme + 3) } else { 0 };
                let (head, tail) = text.split_at(scheme);
                let end = tail.find(['/', '?']);
                let (authority, after) = tail.split_at(end.unwrap_or(tail.len()));
                if authority.contains(['{', '}']) {
                    return Err("braces stand in the host".to_owned());
                }
                base.push_str(head);
                base.push_str(authority);
                if end.is_some() {
                    is_over = true;
                    rest.push(Piece::Text(after.to_owned()));
                }
            }
            Piece::Expression(ast) => {
                let path = ast.path();
                let is_setting =
                    path.as_ref().is_some_and(|path| path.len() > 1 && path.first() == Some(&"config".into()));
                if let (true, Some(path)) = (is_setting, path) {
                    let texts: Vec<String> = path.iter().skip(1).map(plain_text).collect();
                    if !convert.settings.has_below(&texts) {
                        let setting = convert.settings.find(&texts);
                        // A host is no secret, whatever the original calls it: it stands in every printed address.
                        setting.is_secret = false;
                        if setting.default.is_none() {
                            setting.is_required = true;
                        }
                        base.push_str(&format!("{{{}}}", setting.name));
                        continue;
                    }
                }
                let code = convert.translate_ast(requester, &Names::default(), Place::Request, &ast)?.as_text();
                base.push_str(&format!("{{{}}}", convert.shared_value(&code.text)));
            }
        }
    }
    if !base.starts_with("http") && !base.starts_with('{') {
        base = format!("https://{base}");
    }
    Ok((base, rest))
}

/// What stands before the question mark, and behind it.
fn split_query(pieces: Vec<Piece>) -> (Vec<Piece>, Vec<Piece>) {
    let (mut path, mut query, mut is_query) = (Vec::new(), Vec::new(), false);
    for piece in pieces {
        if is_query {
            query.push(piece);
            continue;
        }
        match piece {
            Piece::Text(text) => match text.split_once('?') {
                Some((before, after)) => {
                    is_query = true;
                    path.push(Piece::Text(before.to_owned()));
                    query.push(Piece::Text(after.to_owned()));
                }
                None => path.push(Piece::Text(text)),
            },
            piece @ Piece::Expression(_) => path.push(piece),
        }
    }
    (path, query)
}

/// The parameters that stand in an address.
fn query_params(
    convert: &mut Convert<'_>,
    requester: &Value,
    names: &Names,
    query: Vec<Piece>,
    request: &mut Request,
) -> Result<(), String> {
    let mut pairs: Vec<Vec<Piece>> = vec![Vec::new()];
    let mut is_optional: Vec<usize> = Vec::new();
    for piece in query {
        match piece {
            // `&name=value` under a condition is a parameter that goes along or not.
            Piece::Expression(ast) if conditional(&ast).is_some() => {
                let Some((name, value)) = conditional(&ast) else { continue };
                pairs.push(vec![Piece::Text(format!("{name}=")), Piece::Expression(value)]);
                pairs.push(Vec::new());
                is_optional.push(pairs.len() - 2);
            }
            Piece::Text(text) => {
                for (at, part) in text.split('&').enumerate() {
                    if at > 0 {
                        pairs.push(Vec::new());
                    }
                    if let (false, Some(last)) = (part.is_empty(), pairs.last_mut()) {
                        last.push(Piece::Text(part.to_owned()));
                    }
                }
            }
            piece @ Piece::Expression(_) => {
                if let Some(last) = pairs.last_mut() {
                    last.push(piece);
                }
            }
        }
    }
    for (at, mut pair) in pairs.into_iter().enumerate().filter(|(_, pair)| !pair.is_empty()) {
        let Some(Piece::Text(first)) = pair.first_mut() else {
            return Err("a parameter has a computed name".to_owned());
        };
        let (name, value) = first
            .split_once('=')
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .unwrap_or((first.clone(), String::new()));
        let decode =
            |text: &str| percent_encoding::percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
        *first = decode(&value);
        if first.is_empty() {
            pair.remove(0);
        }
        let value = if pair.is_empty() {
            "".into()
        } else if let Some(words) = secret_words(convert, requester, names, &pair)? {
            request.credentials.push(placed(&Target::Query(decode(&name)), words));
            continue;
        } else if is_optional.contains(&at) {
            let code = convert.translate(requester, names, Place::Request, |translator| translator.text_of(&pair))?;
            serde_json::json!({ "expression": format!("{} or none", code.tight()) })
        } else {
            let template = template(convert, requester, names, &pair, false, request)?;
            template.into()
        };
        request.params.insert(decode(&name), value);
    }
    Ok(())
}

/// The parameter that an expression writes under a condition, `&name=value` or nothing: its name, and its value under the condition.
fn conditional(ast: &Ast) -> Option<(String, Ast)> {
    let Ast::If(then, condition, otherwise) = ast else { return None };
    let is_blank = |ast: &Ast| matches!(ast, Ast::Constant(Value::String(text)) if text.is_empty());
    if !otherwise.as_deref().is_none_or(is_blank) {
        return None;
    }
    let mut pieces = super::super::lengths::flat(&[Piece::Expression(then.as_ref().clone())]);
    let Some(Piece::Text(first)) = pieces.first_mut() else { return None };
    let (name, value) = first.trim_start_matches('&').split_once('=')?;
    let (name, value) = (name.to_owned(), value.to_owned());
    if value.contains('&')
        || pieces.iter().skip(1).any(|piece| matches!(piece, Piece::Text(text) if text.contains('&')))
    {
        return None;
    }
    if let Some(first) = pieces.first_mut() {
        *first = Piece::Text(value);
    }
    let nothing = Ast::Constant("".into());
    Some((name, Ast::If(Box::new(Ast::Joined(pieces)), condition.clone(), Some(Box::new(nothing)))))
}
