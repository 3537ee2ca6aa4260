//! Fields that are made into a type where they can be, such as numbers that a source writes as texts. What cannot be it stays as it came.

use schemars::JsonSchema;
use serde::Deserialize;

use super::node::Node;
use super::{Refusal, value_of};
use crate::expression::python_text;

/// What a field is made into; null stays null.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fit {
    /// A text, of anything: `5` as `"5"`, `true` as `"True"`.
    String,
    /// A number, of texts and booleans.
    Float64,
    /// A whole number, of texts, booleans, and numbers, whose fraction is cut off.
    Int64,
    /// True or false: of `"yes"`, `"on"`, `"1"` and their like, of numbers, lists and objects by whether they hold something.
    Boolean,
    /// A list of a plain value alone.
    List,
}

impl Fit {
    /// Fits the values at a path; `*` stands for any name or place.
    pub(super) fn apply(self, path: &[String], record: &mut Node<'_>) -> Result<(), Refusal> {
        let Some((first, rest)) = path.split_first() else { return self.fit(record) };
        if first != "*" {
            let child = record.get(std::slice::from_ref(first));
            return child.map_or(Ok(()), |child| self.apply(rest, child));
        }
        if let Some(members) = record.members() {
            return members.iter_mut().try_for_each(|(_, child)| self.apply(rest, child));
        }
        record.items().map_or(Ok(()), |items| items.iter_mut().try_for_each(|child| self.apply(rest, child)))
    }

    fn fit(self, node: &mut Node<'_>) -> Result<(), Refusal> {
        if node.is_null() {
            return Ok(());
        }
        let plain = node.plain();
        let is_text = plain.is_some() && node.text().starts_with('"');
        let made = match (self, plain) {
            (Self::String, _) if is_text => None,
            (Self::String, _) => Some(Node::string(&python_text(&value_of(node)?))),
            (Self::List, Some(_)) => Some(Node::List(vec![node.clone()])),
            (Self::Float64, Some(plain)) => number(&plain, is_text),
            (Self::Int64, Some(plain)) => whole(&plain, is_text),
            (Self::Boolean, Some(plain)) => truth(&plain, is_text).map(|flag| Node::json(flag.to_string())),
            (Self::Boolean, None) => {
                let holds = node.members().is_some_and(|members| !members.is_empty())
                    || node.items().is_some_and(|items| !items.is_empty());
                Some(Node::json(holds.to_string()))
            }
            (Self::List | Self::Float64 | Self::Int64, None) => None,
        };
        if let Some(made) = made {
            *node = made;
        }
        Ok(())
    }
}

fn number<'a>(plain: &str, is_text: bool) -> Option<Node<'a>> {
    match plain {
        "true" if !is_text => return Some(Node::json("1.0".to_owned())),
        "false" if !is_text => return Some(Node::json("0.0".to_owned())),
        _ if !is_text => return None,
        _ => {}
    }
    let text = plain.trim();
    let value = text.parse::<f64>().ok().filter(|value| value.is_finite())?;
    let is_json = serde_json::from_str::<serde_json::Number>(text).is_ok();
    Some(Node::json(if is_json { text.to_owned() } else { format!("{value:?}") }))
}

fn whole<'a>(plain: &str, is_text: bool) -> Option<Node<'a>> {
    match plain {
        "true" if !is_text => return Some(Node::json("1".to_owned())),
        "false" if !is_text => return Some(Node::json("0".to_owned())),
        _ => {}
    }
    let text = plain.trim();
    if let Ok(value) = text.parse::<i64>() {
        return Some(Node::json(value.to_string()));
    }
    if is_text {
        return None;
    }
    // Beyond what a float holds exactly the number stays as it came.
    let value = text.parse::<f64>().ok().filter(|value| value.abs() < 9e15)?;
    Some(Node::json(format!("{:.0}", value.trunc())))
}

fn truth(plain: &str, is_text: bool) -> Option<bool> {
    if !is_text {
        return match plain {
            "true" | "false" => None,
            number => number.parse::<f64>().ok().map(|number| number.abs() > 0.0),
        };
    }
    match plain.to_lowercase().trim() {
        "y" | "yes" | "t" | "true" | "on" | "1" => Some(true),
        "n" | "no" | "f" | "false" | "off" | "0" => Some(false),
        _ => None,
    }
}
