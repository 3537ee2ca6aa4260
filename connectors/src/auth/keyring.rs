//! What auth may name: settings, secrets, slices, and what a session yielded.
//!
//! Everywhere else secrets are out of scope. Here they are in it, so the errors of an expression, which quote values, are not passed on.

use std::collections::BTreeMap;
use std::fmt;

use headwater_contract::{Digest16, Secret};
use serde_json::Value;

use super::Words;
use crate::error::Fault;
use crate::expression::{Expression, Scalar, Scope, Template, ValueManifest, fill_json, without_nulls};
use crate::manifest::{Ordered, Settings};

/// Names and values for one request's credential.
#[derive(Clone, Default)]
pub(crate) struct Keyring {
    plain: Scope,
    /// Plain and secret names; never printed.
    all: Scope,
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.all.keys()).finish()
    }
}

impl Keyring {
    /// All settings of a source.
    pub(crate) fn of(settings: &Settings) -> Self {
        let mut keyring = Self { plain: settings.plain.clone(), all: settings.plain.clone() };
        for (name, secret) in &settings.secrets {
            keyring.put(name, secret);
        }
        keyring
    }

    /// Adds a secret value.
    pub(crate) fn put(&mut self, name: &str, value: &Secret) {
        self.plain.remove(name);
        self.all.insert(name.to_owned(), Scalar::Text(value.expose().to_owned()));
    }

    /// Adds secret values.
    pub(crate) fn put_all<'a>(&mut self, values: impl IntoIterator<Item = (&'a String, &'a Secret)>) {
        for (name, value) in values {
            self.put(name, value);
        }
    }

    /// Adds a value that may be printed.
    pub(crate) fn put_plain(&mut self, name: &str, value: Scalar) {
        self.plain.insert(name.to_owned(), value.clone());
        self.all.insert(name.to_owned(), value);
    }

    /// The value of this name.
    pub(crate) fn get(&self, name: &str) -> Option<Secret> {
        self.all.get(name).map(|value| Secret::new(value.to_string()))
    }

    /// The text; `None` when it is the bare name of a setting that was not given.
    pub(crate) fn text(&self, words: &Words) -> Result<Option<Secret>, Fault> {
        match words {
            Words::Name(name) => Ok(self.get(name)),
            Words::Template(template) => self.fill(template).map(Some),
            Words::Text(text) => Ok(Some(Secret::new(text.clone()))),
            Words::First(names) => {
                Ok(names.iter().find_map(|name| self.get(name).filter(|found| !found.expose().is_empty())))
            }
            Words::Computed(computed) => Ok(match self.worked_out(&computed.expression)? {
                Value::Null => None,
                Value::String(text) => Some(Secret::new(text)),
                other => Some(Secret::new(other.to_string())),
            }),
        }
    }

    /// The text, which must be there.
    pub(crate) fn need(&self, words: &Words) -> Result<Secret, Fault> {
        let missing = || {
            let name = words.names().join(", ");
            super::AuthError::Missing { name }
        };
        Ok(self.text(words)?.ok_or_else(missing)?)
    }

    /// The text to send, which must be there unless it is worked out and comes to nothing.
    pub(crate) fn sent(&self, words: &Words) -> Result<Option<Secret>, Fault> {
        if matches!(words, Words::Computed(_)) { self.text(words) } else { self.need(words).map(Some) }
    }

    /// What an expression makes of plain and secret names.
    fn worked_out(&self, expression: &Expression) -> Result<Value, Fault> {
        let hidden = |_| super::AuthError::Unsignable {
            reason: format!("`{}` cannot be worked out of the settings that were given", expression.as_str()),
        };
        Ok(expression.evaluate(&self.all).map_err(hidden)?)
    }

    /// The template with every name filled in.
    pub(crate) fn fill(&self, template: &Template) -> Result<Secret, Fault> {
        Ok(Secret::new(template.fill(&self.all)?))
    }

    /// The template as a path, with every value encoded.
    pub(crate) fn fill_path(&self, template: &Template) -> Result<String, Fault> {
        Ok(template.fill_path(&self.all)?)
    }

    /// A field's value; `None` leaves the field out.
    pub(crate) fn value(&self, value: &ValueManifest) -> Result<Option<Secret>, Fault> {
        if let ValueManifest::Computed(expression) = value {
            let text = |value: Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let computed = self.worked_out(expression)?;
            return Ok((!computed.is_null()).then(|| Secret::new(text(computed))));
        }
        let scope = if computes(value) { &self.plain } else { &self.all };
        Ok(value.text(scope)?.map(Secret::new))
    }

    /// Named values, without those that are left out.
    pub(crate) fn values(&self, fields: &Ordered<ValueManifest>) -> Result<Vec<(String, Secret)>, Fault> {
        let mut filled = Vec::new();
        for (name, value) in fields.iter() {
            if let Some(value) = self.value(value)? {
                filled.push((name.to_owned(), value));
            }
        }
        Ok(filled)
    }

    /// A JSON value with every placeholder filled in.
    pub(crate) fn json(&self, value: &Value) -> Result<Value, Fault> {
        Ok(fill_json(value, &self.all)?)
    }

    /// What an expression makes of the plain names.
    pub(crate) fn computed(&self, expression: &Expression) -> Result<Value, Fault> {
        Ok(without_nulls(expression.evaluate(&self.plain)?))
    }

    /// Digests of the values of some names, to tell one slice's session from another's.
    pub(crate) fn marks(&self, names: &[String]) -> BTreeMap<String, Digest16> {
        let mark = |name: &String| Some((name.clone(), Digest16::of(self.all.get(name)?.to_string().as_bytes())));
        names.iter().filter_map(mark).collect()
    }

    /// The values of those of some names that may be printed.
    pub(crate) fn printable(&self, names: &[String]) -> Vec<String> {
        names.iter().filter_map(|name| Some(self.plain.get(name)?.to_string())).collect()
    }
}

/// Whether an expression takes part in a value.
fn computes(value: &ValueManifest) -> bool {
    match value {
        ValueManifest::Computed(_) => true,
        ValueManifest::List(items) => items.iter().any(computes),
        ValueManifest::Plain(_) | ValueManifest::Text(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keyring() -> Keyring {
        let mut settings = Settings::default();
        settings.plain.insert("email".into(), Scalar::Text("a@b.c".into()));
        settings.secrets.insert("key".into(), Secret::new("s3cret"));
        Keyring::of(&settings)
    }

    #[test]
    fn a_secret_is_in_scope_of_templates_and_expressions_and_never_in_their_errors() {
        let keyring = keyring();
        let value = |yaml: &str| keyring.value(&crate::manifest::yaml::from_str(yaml).unwrap());
        assert_eq!(value("'{email}:{key}'").unwrap().unwrap().expose(), "a@b.c:s3cret");
        let error = value("{ expression: \"key | strftime('%Y')\" }").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("s3cret"), "{error}");
        assert_eq!(value("{ expression: \"key ~ '!'\" }").unwrap().unwrap().expose(), "s3cret!");
        assert!(value("{ expression: \"none if key else key\" }").unwrap().is_none());
        let unknown = value("'{key}{nothing}'").unwrap_err();
        assert!(!format!("{unknown} {unknown:?}").contains("s3cret"), "{unknown}");
    }

    #[test]
    fn prints_names_and_no_values() {
        let printed = format!("{:?}", keyring());
        assert!(printed.contains("key") && !printed.contains("s3cret"), "{printed}");
    }
}
