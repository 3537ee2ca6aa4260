//! The template language of low-code manifests, read into a tree: only what stands in texts there, and no more.
//!
//! A template is texts and expressions in a row. `if` blocks become conditional expressions and `set` puts a value in place of a name;
//! loops have no counterpart and are refused.

mod lexer;
mod parser;

use serde_json::Value;

/// An expression.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Ast {
    /// A value written out.
    Constant(Value),
    /// A list or tuple.
    List(Vec<Ast>),
    /// A dict.
    Map(Vec<(Ast, Ast)>),
    /// A name.
    Name(String),
    /// `of.name`.
    Attribute(Box<Ast>, String),
    /// `of[key]`.
    Item(Box<Ast>, Box<Ast>),
    /// `of[from:until]`.
    Slice(Box<Ast>, Option<Box<Ast>>, Option<Box<Ast>>),
    /// `called(arguments, name=value)`.
    Call(Box<Ast>, Vec<Ast>, Vec<(String, Ast)>),
    /// `of | name(arguments)`.
    Filter(Box<Ast>, String, Vec<Ast>, Vec<(String, Ast)>),
    /// `of is name(arguments)`.
    Test(Box<Ast>, String, Vec<Ast>),
    /// `not of`.
    Not(Box<Ast>),
    /// `-of`.
    Negative(Box<Ast>),
    /// `left operator right`.
    Binary(&'static str, Box<Ast>, Box<Ast>),
    /// `then if condition else otherwise`.
    If(Box<Ast>, Box<Ast>, Option<Box<Ast>>),
    /// Texts and expressions one after the other, which make one text.
    Joined(Vec<Piece>),
}

/// A part of a template.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Piece {
    /// As it stands.
    Text(String),
    /// Computed.
    Expression(Ast),
}

/// Reads a template.
///
/// # Errors
///
/// What is wrong with it, or has no counterpart.
pub(super) fn template(text: &str) -> Result<Vec<Piece>, String> {
    parser::template(text)
}

/// Whether a text is more than itself.
pub(super) fn is_template(text: &str) -> bool {
    text.contains("{{") || text.contains("{%") || text.contains("{#")
}

impl Ast {
    /// The names and constant keys that lead to a value: `config['a'].b` and `.get('a', …)` alike; `None` where anything is computed.
    pub(super) fn path(&self) -> Option<Vec<Value>> {
        match self {
            Self::Name(name) => Some(vec![name.as_str().into()]),
            Self::Attribute(of, name) => {
                let mut path = of.path()?;
                path.push(name.as_str().into());
                Some(path)
            }
            Self::Item(of, key) => {
                let mut path = of.path()?;
                let Self::Constant(key @ (Value::String(_) | Value::Number(_))) = key.as_ref() else { return None };
                path.push(key.clone());
                Some(path)
            }
            Self::Call(called, arguments, named) if named.is_empty() => {
                let Self::Attribute(of, method) = called.as_ref() else { return None };
                let (Some(Self::Constant(key @ Value::String(_))), "get") = (arguments.first(), method.as_str()) else {
                    return None;
                };
                // A default that is no more than something to go on from changes nothing.
                let is_blank = |argument: &Self| {
                    matches!(argument, Self::Map(pairs) if pairs.is_empty())
                        || matches!(argument, Self::Constant(Value::Null))
                        || matches!(argument, Self::Constant(Value::String(text)) if text.is_empty())
                };
                if !arguments.get(1).is_none_or(is_blank) {
                    return None;
                }
                let mut path = of.path()?;
                path.push(key.clone());
                Some(path)
            }
            _ => None,
        }
    }

    /// Calls `see` with this and everything within.
    pub(super) fn walk(&self, see: &mut dyn FnMut(&Self)) {
        see(self);
        match self {
            Self::Constant(_) | Self::Name(_) => {}
            Self::List(items) => items.iter().for_each(|item| item.walk(see)),
            Self::Map(pairs) => pairs.iter().for_each(|(key, value)| {
                key.walk(see);
                value.walk(see);
            }),
            Self::Attribute(of, _) | Self::Not(of) | Self::Negative(of) => of.walk(see),
            Self::Item(of, key) => {
                of.walk(see);
                key.walk(see);
            }
            Self::Slice(of, from, until) => {
                of.walk(see);
                for bound in [from, until].into_iter().flatten() {
                    bound.walk(see);
                }
            }
            Self::Call(of, arguments, named) | Self::Filter(of, _, arguments, named) => {
                of.walk(see);
                arguments.iter().chain(named.iter().map(|(_, value)| value)).for_each(|argument| argument.walk(see));
            }
            Self::Test(of, _, arguments) => {
                of.walk(see);
                for argument in arguments {
                    argument.walk(see);
                }
            }
            Self::Binary(_, left, right) => {
                left.walk(see);
                right.walk(see);
            }
            Self::If(then, condition, otherwise) => {
                then.walk(see);
                condition.walk(see);
                if let Some(otherwise) = otherwise {
                    otherwise.walk(see);
                }
            }
            Self::Joined(pieces) => pieces.iter().for_each(|piece| {
                if let Piece::Expression(inner) = piece {
                    inner.walk(see);
                }
            }),
        }
    }
}
