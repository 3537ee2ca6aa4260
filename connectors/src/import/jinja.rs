//! The template language of low-code manifests, read into a tree: only what stands in texts there, and no more.
//!
//! A template is texts and expressions in a row. `if` blocks become conditional expressions, `set` puts a value in place of a name, and a
//! loop that writes elements between texts is a list that is joined; other loops are refused.

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

    /// The same with everything within for which `of` gives something put in its place.
    pub(super) fn replaced(&self, of: &dyn Fn(&Self) -> Option<Self>) -> Self {
        if let Some(found) = of(self) {
            return found;
        }
        let one = |ast: &Self| Box::new(ast.replaced(of));
        let all = |asts: &[Self]| asts.iter().map(|ast| ast.replaced(of)).collect::<Vec<_>>();
        let by_name = |named: &[(String, Self)]| {
            named.iter().map(|(name, value)| (name.clone(), value.replaced(of))).collect::<Vec<_>>()
        };
        let some = |ast: &Option<Box<Self>>| ast.as_deref().map(one);
        match self {
            Self::Constant(_) | Self::Name(_) => self.clone(),
            Self::List(items) => Self::List(all(items)),
            Self::Map(pairs) => {
                Self::Map(pairs.iter().map(|(key, value)| (key.replaced(of), value.replaced(of))).collect())
            }
            Self::Attribute(inner, name) => Self::Attribute(one(inner), name.clone()),
            Self::Item(inner, key) => Self::Item(one(inner), one(key)),
            Self::Slice(inner, from, until) => Self::Slice(one(inner), some(from), some(until)),
            Self::Call(called, arguments, named) => Self::Call(one(called), all(arguments), by_name(named)),
            Self::Filter(inner, name, arguments, named) => {
                Self::Filter(one(inner), name.clone(), all(arguments), by_name(named))
            }
            Self::Test(inner, name, arguments) => Self::Test(one(inner), name.clone(), all(arguments)),
            Self::Not(inner) => Self::Not(one(inner)),
            Self::Negative(inner) => Self::Negative(one(inner)),
            Self::Binary(sign, left, right) => Self::Binary(sign, one(left), one(right)),
            Self::If(then, condition, otherwise) => Self::If(one(then), one(condition), some(otherwise)),
            Self::Joined(pieces) => Self::Joined(
                pieces
                    .iter()
                    .map(|piece| match piece {
                        Piece::Text(text) => Piece::Text(text.clone()),
                        Piece::Expression(inner) => Piece::Expression(inner.replaced(of)),
                    })
                    .collect(),
            ),
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
