//! Fields that are added: computed, copied, written out, made of a list, or taken from beside the records.

use std::borrow::Cow;

use headwater_contract::ColumnType;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{Deserializer, Error};

use super::node::Node;
use super::{Refusal, Surroundings, value_of};
use crate::decoding::Pointer;
use crate::expression::{RecordExpression, Scalar};

/// One field that is added; exactly one of `expression`, `from`, `value`, `each` and `body` says what it holds.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AddManifest {
    /// Computes it from `record`, `settings`, and `given`: what the request was made with, such as slices, fields of parents and bounds.
    pub expression: Option<RecordExpression>,
    /// Copies the value at this JSON pointer of the record, with every digit.
    pub from: Option<Pointer>,
    /// Writes it out.
    pub value: Option<Scalar>,
    /// Makes a list of it, from each element of a list.
    pub each: Option<EachItemManifest>,
    /// Takes it from beside the records, by JSON pointer in the body.
    pub body: Option<Pointer>,
    /// Adds it only where this is true.
    pub when: Option<RecordExpression>,
    /// The type of the result; what cannot be it refuses the record.
    #[serde(rename = "type")]
    pub result_type: Option<ResultType>,
}

/// A list made from each element of another: `for item in at, when it holds, yield expression`.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EachItemManifest {
    /// JSON pointer to the list in the record; one that is absent or null gives an empty list.
    pub at: Pointer,
    /// What each element becomes, from `item`, `index` and `record`; the element itself when absent.
    #[serde(default)]
    pub expression: Option<RecordExpression>,
    /// Leaves out the elements for which this is false.
    #[serde(default)]
    pub when: Option<RecordExpression>,
}

/// The type of an added field: `string`, `int64`, `float64`, `boolean`, `decimal(12,2)`, `date`, `timestamp` or `json`.
#[derive(Clone, Debug, PartialEq)]
pub struct ResultType(ColumnType);

impl<'de> Deserialize<'de> for ResultType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map(Self).map_err(D::Error::custom)
    }
}

impl JsonSchema for ResultType {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "ResultType".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "description": "string, int64, float64, boolean, decimal(12,2), date, timestamp or json" })
    }
}

impl AddManifest {
    pub(super) fn expressions(&self) -> Vec<&RecordExpression> {
        let each = self.each.iter().flat_map(|each| each.expression.iter().chain(&each.when));
        self.expression.iter().chain(&self.when).chain(each).collect()
    }

    pub(super) fn check(&self, name: &str) -> Result<(), String> {
        let said = [
            self.expression.is_some(),
            self.from.is_some(),
            self.value.is_some(),
            self.each.is_some(),
            self.body.is_some(),
        ];
        match said.into_iter().filter(|is_said| *is_said).count() {
            1 => Ok(()),
            0 => Err(format!("`{name}` needs one of `expression`, `from`, `value`, `each` and `body`")),
            _ => Err(format!("`{name}` has more than one of `expression`, `from`, `value`, `each` and `body`")),
        }
    }

    pub(super) fn apply(&self, name: &str, record: &mut Node<'_>, around: &Surroundings<'_>) -> Result<(), Refusal> {
        let failed = |reason: String| format!("`{name}` cannot be added: {reason}");
        let needs_value = self.when.is_some() || self.expression.is_some();
        let value = if needs_value { Some(value_of(record)?) } else { None };
        let names = || around.names(value.as_ref().unwrap_or(&minijinja::Value::UNDEFINED), None);
        if let Some(when) = &self.when
            && !when.evaluate(names()).map_err(|error| failed(error.to_string()))?.is_true()
        {
            return Ok(());
        }
        let added = if let Some(expression) = &self.expression {
            Node::json(expression.json(names()).map_err(|error| failed(error.to_string()))?)
        } else if let Some(from) = &self.from {
            record.get(from.segments()).map_or(Node::null(), |node| node.clone())
        } else if let Some(value) = &self.value {
            Node::json(value.to_json().to_string())
        } else if let Some(each) = &self.each {
            each.list(record, around).map_err(failed)?
        } else {
            let found = self.body.as_ref().and_then(|body| around.page.body.iter().find(|(known, _)| known == body));
            found.and_then(|(_, value)| value.as_ref()).map_or(Node::null(), |value| Node::json(value.to_string()))
        };
        let added = match &self.result_type {
            Some(ResultType(wanted)) => typed(&added, wanted).map_err(failed)?,
            None => added,
        };
        record.put(Pointer::parse(name).segments(), added).map_err(failed)
    }
}

impl EachItemManifest {
    fn list<'a>(&self, record: &mut Node<'a>, around: &Surroundings<'_>) -> Result<Node<'a>, Refusal> {
        let Some(list) = record.get(self.at.segments()).filter(|list| !list.is_null()) else {
            return Ok(Node::List(Vec::new()));
        };
        let items = list.items().ok_or_else(|| format!("`{}` is no list", self.at))?.clone();
        let whole = value_of(record)?;
        let mut made = Vec::with_capacity(items.len());
        for (index, item) in items.into_iter().enumerate() {
            if self.expression.is_none() && self.when.is_none() {
                made.push(item);
                continue;
            }
            let value = value_of(&item)?;
            let names = || around.names(&whole, Some((&value, index)));
            if let Some(when) = &self.when
                && !when.evaluate(names()).map_err(|error| error.to_string())?.is_true()
            {
                continue;
            }
            made.push(match &self.expression {
                Some(expression) => Node::json(expression.json(names()).map_err(|error| error.to_string())?),
                None => item,
            });
        }
        Ok(Node::List(made))
    }
}

/// A value as the type that was asked for; null stays null.
fn typed<'a>(value: &Node<'a>, wanted: &ColumnType) -> Result<Node<'a>, Refusal> {
    if value.is_null() || *wanted == ColumnType::Json {
        return Ok(value.clone());
    }
    let misfit = || format!("{} is no {wanted}", value.text().chars().take(60).collect::<String>());
    if *wanted == ColumnType::String {
        return Ok(Node::string(&value.plain().unwrap_or_else(|| value.text().into_owned())));
    }
    let plain = value.plain().ok_or_else(misfit)?;
    let text = plain.trim();
    let fits = match wanted {
        ColumnType::Int64 => text.parse::<i64>().is_ok(),
        ColumnType::Float64 => text.parse::<f64>().is_ok_and(f64::is_finite),
        ColumnType::Decimal { .. } => serde_json::from_str::<serde_json::Number>(text).is_ok(),
        ColumnType::Boolean => {
            let word = text.to_ascii_lowercase();
            return if matches!(word.as_str(), "true" | "false") { Ok(Node::json(word)) } else { Err(misfit()) };
        }
        _ => return Ok(Node::string(&plain)),
    };
    if fits { Ok(Node::json(text.trim_start_matches('+').to_owned())) } else { Err(misfit()) }
}
