//! A record must satisfy the JSON Schema that its stream brings as a contract.
//!
//! The schema judges the text as sent, before any typing: a field that has no column is judged too. References to other
//! documents are not followed, so judging never touches the network or the disk.

use jsonschema::Validator;
use serde_json::Value;

use crate::checks::{GateError, Reason};

/// A compiled JSON Schema.
#[derive(Debug)]
pub(super) struct RecordSchema {
    validator: Validator,
}

impl RecordSchema {
    pub(super) fn compile(schema: &Value) -> Result<Self, GateError> {
        let validator =
            jsonschema::validator_for(schema).map_err(|error| GateError::BadSchema { message: error.to_string() })?;
        Ok(Self { validator })
    }

    pub(super) fn judge(&self, record: &[u8]) -> Result<(), Reason> {
        let value: Value = serde_json::from_slice(record)
            .map_err(|error| Reason::Undecodable { message: error.to_string().into() })?;
        self.validator.validate(&value).map_err(|error| Reason::SchemaViolated {
            pointer: error.instance_path().to_string().into(),
            // The plain message quotes the value, which may be personal.
            message: error.masked().to_string().into(),
        })
    }
}
