//! The parameters of a request: a map of templates, or one template that makes a map.

use serde_json::{Value, json};

use super::{Request, Target, has_secret, name_of, put};
use crate::import::auth::{pieces_words, placed};
use crate::import::convert::Convert;
use crate::import::expression::{Kind, Names, Place};
use crate::import::jinja::{Ast, Piece};
use crate::import::settings::plain_text;
use crate::import::tree::{self, component, kind};

pub(super) fn parameters(convert: &mut Convert<'_>, requester: &Value, names: &Names, request: &mut Request) {
    let fields = requester.get("request_parameters").or_else(|| {
        component(requester, "request_options_provider").and_then(|options| options.get("request_parameters"))
    });
    match fields.cloned() {
        Some(Value::String(template)) if !template.is_empty() => {
            for (name, ast) in pairs_of(convert, requester, names, &template) {
                one_param(convert, requester, names, name, &ast, request);
            }
        }
        Some(fields @ Value::Object(_)) => {
            for (name, value) in tree::fields(&fields) {
                // The fields of records stand under `fields:`.
                if kind(value) == "QueryProperties" {
                    continue;
                }
                let Some(name) = name_of(convert, requester, names, name, request) else { continue };
                put(convert, requester, names, Target::Query(name), value, request);
            }
        }
        _ => {}
    }
}

/// The names and values of a template that makes an object; a text that is none says nothing, as in the original.
fn pairs_of(convert: &mut Convert<'_>, requester: &Value, names: &Names, template: &str) -> Vec<(String, Ast)> {
    let pieces = convert.pieces(requester, names, template).unwrap_or_default();
    let ast = match pieces.as_slice() {
        [Piece::Expression(ast)] => ast,
        [Piece::Text(_)] | [] => {
            if crate::expression::literal(&Value::from(template)).is_object() {
                convert.notes.impossible(requester, "parameters that are one text");
            }
            return Vec::new();
        }
        _ => {
            convert.notes.impossible(requester, "parameters that are put together as one text");
            return Vec::new();
        }
    };
    object_of(ast).unwrap_or_else(|| {
        convert.notes.impossible(requester, format!("the parameters `{template}` are worked out as a whole"));
        Vec::new()
    })
}

/// The pairs of an object, each under the conditions that stand around it.
fn object_of(ast: &Ast) -> Option<Vec<(String, Ast)>> {
    match ast {
        Ast::Map(pairs) => pairs
            .iter()
            .map(|(key, value)| match key {
                Ast::Constant(key) => Some((plain_text(key), value.clone())),
                _ => None,
            })
            .collect(),
        Ast::Constant(Value::Null) => Some(Vec::new()),
        Ast::Constant(Value::String(text)) if text.is_empty() => Some(Vec::new()),
        Ast::If(then, condition, otherwise) => {
            let then = object_of(then)?;
            let otherwise = otherwise.as_deref().map_or(Some(Vec::new()), object_of)?;
            let nothing = || Ast::Constant("".into());
            let under =
                |then: Ast, otherwise: Ast| Ast::If(Box::new(then), condition.clone(), Some(Box::new(otherwise)));
            let mut out: Vec<(String, Ast)> = Vec::new();
            for (name, value) in then {
                let other = otherwise.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone());
                out.push((name, under(value, other.unwrap_or_else(nothing))));
            }
            for (name, value) in otherwise {
                if !out.iter().any(|(known, _)| *known == name) {
                    out.push((name, under(nothing(), value)));
                }
            }
            Some(out)
        }
        _ => None,
    }
}

fn one_param(
    convert: &mut Convert<'_>,
    requester: &Value,
    names: &Names,
    name: String,
    ast: &Ast,
    request: &mut Request,
) {
    let pieces = [Piece::Expression(ast.clone())];
    if has_secret(convert, &pieces) {
        match pieces_words(convert, requester, names, &pieces) {
            Ok(words) => request.credentials.push(placed(&Target::Query(name), words)),
            Err(reason) => convert.notes.impossible(requester, format!("a secret stands in an expression: {reason}")),
        }
        return;
    }
    match convert.translate_ast(requester, names, Place::Request, ast) {
        Ok(code) if code.kind == Kind::List => drop(request.params.insert(name, json!({ "expression": code.text }))),
        Ok(code) => {
            let text = code.as_text();
            request.params.insert(name, json!({ "expression": format!("{} or none", text.tight()) }));
        }
        Err(reason) => convert.notes.impossible(requester, format!("the parameter `{name}`: {reason}")),
    }
}
