//! What a parent's record gives to its children.
//!
//! The record is parsed once and let go; only the named fields live on, so memory does not grow with parents.

use std::collections::BTreeMap;

use serde_json::Value;
use thiserror::Error;

use super::{Lack, ParentManifest};
use crate::decoding::Pointer;
use crate::expression::{ExpressionError, Scalar, Scope};
use crate::manifest::Ordered;

/// Fields of all parents above a request, by name.
pub type Fields = BTreeMap<String, Value>;

/// Why a parent's record has no children.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum FieldError {
    /// The record is no JSON.
    #[error("a record of parent `{stream}` is not JSON: {reason}")]
    NotJson {
        /// The parent's stream.
        stream: String,
        /// What is wrong.
        reason: String,
    },
    /// A field is absent or null.
    #[error("a record of parent `{stream}` has no `{pointer}`, which `{name}` is made of")]
    Absent {
        /// The parent's stream.
        stream: String,
        /// The field's name for children.
        name: String,
        /// Where it should be.
        pointer: String,
    },
    /// What should be a list is none.
    #[error("a record of parent `{stream}` has no list at `{pointer}`")]
    NotAList {
        /// The parent's stream.
        stream: String,
        /// Where it should be.
        pointer: String,
    },
    /// A field that should be a URL is none.
    #[error("`{name}` of a record of parent `{stream}` is no URL")]
    NotAUrl {
        /// The parent's stream.
        stream: String,
        /// The field's name for children.
        name: String,
    },
    /// `when` could not be computed.
    #[error("{0}")]
    When(ExpressionError),
}

/// The fields of each child request of one parent record, in order; `above` are those of the parent's own parents.
///
/// # Errors
///
/// [`FieldError`], unless `absent: skip` leaves the parent out.
pub fn fields_of(
    parent: &ParentManifest,
    record: &[u8],
    above: &Fields,
    base: &Scope,
) -> Result<Vec<Fields>, FieldError> {
    let record: Value = serde_json::from_slice(record)
        .map_err(|error| FieldError::NotJson { stream: parent.stream.clone(), reason: error.to_string() })?;
    let mut own = above.clone();
    if !take(parent, &parent.fields, &record, &mut own)? {
        return Ok(Vec::new());
    }
    let mut all = Vec::new();
    match &parent.each {
        None => all.push(own),
        Some(each) => match each.list.find(&record) {
            None | Some(Value::Null) => {}
            Some(Value::Array(items)) => {
                for item in items {
                    let mut fields = own.clone();
                    if take(parent, &each.fields, item, &mut fields)? {
                        all.push(fields);
                    }
                }
            }
            Some(one) if each.may_be_one => {
                let mut fields = own.clone();
                if take(parent, &each.fields, one, &mut fields)? {
                    all.push(fields);
                }
            }
            Some(_) => {
                return Err(FieldError::NotAList { stream: parent.stream.clone(), pointer: each.list.to_string() });
            }
        },
    }
    if let Some(when) = &parent.when {
        let mut kept = Vec::new();
        for fields in all {
            if when.holds(&scope_with(base, &fields)).map_err(FieldError::When)? {
                kept.push(fields);
            }
        }
        all = kept;
    }
    Ok(all)
}

/// Takes the named fields of `value`; false when one is absent and that leaves the parent out.
fn take(
    parent: &ParentManifest,
    names: &Ordered<Pointer>,
    value: &Value,
    into: &mut Fields,
) -> Result<bool, FieldError> {
    for (name, pointer) in names.iter() {
        match pointer.find(value).filter(|found| !found.is_null()) {
            Some(found) => {
                into.insert(name.to_owned(), found.clone());
            }
            None if parent.nullable.iter().any(|known| known == name) => {
                into.insert(name.to_owned(), Value::Null);
            }
            None if parent.absent == Lack::Skip => return Ok(false),
            None => {
                let (stream, pointer) = (parent.stream.clone(), pointer.to_string());
                return Err(FieldError::Absent { stream, name: name.to_owned(), pointer });
            }
        }
    }
    Ok(true)
}

/// The names that a child's request sees: those of the source and the slice, and every plain field of its parents.
pub fn scope_with(base: &Scope, fields: &Fields) -> Scope {
    let mut scope = base.clone();
    scope.extend(fields.iter().filter_map(|(name, value)| Some((name.clone(), scalar(value)?))));
    scope
}

/// The plain value of a field, of a list its values as texts; nothing for objects, which only columns can take.
fn scalar(value: &Value) -> Option<Scalar> {
    Some(match value {
        Value::String(text) => Scalar::Text(text.clone()),
        Value::Bool(flag) => Scalar::Bool(*flag),
        Value::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => Scalar::Integer(whole),
            (None, Some(float)) if !number.is_u64() => Scalar::Float(float),
            // An id above 2^63 keeps its digits as text.
            _ => Scalar::Text(number.to_string()),
        },
        Value::Array(items) => {
            let texts = items.iter().map(|item| scalar(item).map(|item| item.to_string()));
            Scalar::List(texts.collect::<Option<Vec<_>>>()?)
        }
        Value::Null | Value::Object(_) => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parent(rest: &str) -> ParentManifest {
        crate::manifest::yaml::from_str(&format!("stream: boards\nfields: {{ board: id, owner: /owner/name }}\n{rest}"))
            .unwrap()
    }

    fn of(parent: &ParentManifest, record: &str) -> Result<String, FieldError> {
        let above = Fields::from([("team".to_owned(), Value::from(7))]);
        let all = fields_of(parent, record.as_bytes(), &above, &Scope::new())?;
        Ok(serde_json::to_string(&all).unwrap())
    }

    #[test]
    fn rejects_a_parent_without_its_field_unless_it_is_to_be_left_out() {
        for record in [r#"{"id":1}"#, r#"{"id":null,"owner":{"name":"a"}}"#] {
            assert!(matches!(of(&parent(""), record), Err(FieldError::Absent { .. })), "{record}");
            assert_eq!(of(&parent("absent: skip"), record).unwrap(), "[]");
        }
        let each = parent("each: { list: /lists, fields: { list: id } }");
        let wrong = of(&each, r#"{"id":1,"owner":{"name":"a"},"lists":5}"#);
        assert!(matches!(wrong, Err(FieldError::NotAList { .. })));
        assert!(matches!(of(&parent(""), "{"), Err(FieldError::NotJson { .. })));
    }

    #[test]
    fn a_record_gives_its_fields_and_those_of_its_own_parents() {
        let record = r#"{"id":1,"owner":{"name":"a"},"lists":[{"id":"x"},{"id":"y"}],"count":0}"#;
        assert_eq!(of(&parent(""), record).unwrap(), r#"[{"board":1,"owner":"a","team":7}]"#);
        let each = parent("each: { list: /lists, fields: { list: id } }");
        let two = r#"[{"board":1,"list":"x","owner":"a","team":7},{"board":1,"list":"y","owner":"a","team":7}]"#;
        assert_eq!(of(&each, record).unwrap(), two);
        let elements = parent("each: { list: /lists, fields: { list: '' } }\nwhen: list != 'b'");
        let record = r#"{"id":1,"owner":{"name":"a"},"lists":["a","b"]}"#;
        assert_eq!(of(&elements, record).unwrap(), r#"[{"board":1,"list":"a","owner":"a","team":7}]"#);
        assert_eq!(of(&elements, r#"{"id":1,"owner":{"name":"a"}}"#).unwrap(), "[]");
    }

    #[test]
    fn a_request_sees_plain_fields_with_their_types() {
        let fields: Fields =
            serde_json::from_str(r#"{"a":"x","b":5,"c":1.5,"d":true,"e":18446744073709551615,"f":{},"g":[{}]}"#)
                .unwrap();
        let scope = scope_with(&Scope::new(), &fields);
        let text: Vec<String> = scope.iter().map(|(name, value)| format!("{name}={:?}", value.to_json())).collect();
        assert_eq!(scope.len(), 5);
        assert!(text.contains(&r#"e=String("18446744073709551615")"#.to_owned()), "{text:?}");
    }
}
