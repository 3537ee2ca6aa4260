//! Slices: parts of a stream with their own progress, such as accounts or repositories.
//!
//! A slice's text names it in windows, folders and transactions, so it is the value itself and never its place in a list.

mod condition;

pub use condition::Condition;

use headwater_contract::Slice;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::expression::{Scalar, Scope};
use crate::manifest::Settings;

/// Most slices of a stream: beyond that a stream should be read another way.
pub const SLICES_MAX: usize = 10_000;

/// Where a stream's slices come from, as written in a manifest.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SlicesManifest {
    /// The list setting whose values are the slices.
    pub setting: String,
    /// The name by which path and parameters call the slice, e.g. `repository`.
    #[serde(rename = "as")]
    pub name: String,
}

/// Why a stream has no slices.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SliceError {
    /// The setting was not given, or is empty.
    #[error("setting `{setting}` lists nothing, and the stream is read by it")]
    Nothing {
        /// The setting.
        setting: String,
    },
    /// More than we take.
    #[error("setting `{setting}` lists {count} slices; a stream has at most {SLICES_MAX}")]
    TooMany {
        /// The setting.
        setting: String,
        /// How many.
        count: usize,
    },
    /// The stream has no slice of this name.
    #[error("`{slice}` is not in setting `{setting}`")]
    Unknown {
        /// What was asked for.
        slice: String,
        /// The setting.
        setting: String,
    },
    /// The stream has no slices, or has only slices.
    #[error("`{slice}` was asked for, but the stream {}", if slice.is_empty() { "is read by slices" } else { "has none" })]
    NotSliced {
        /// What was asked for.
        slice: String,
    },
}

impl SlicesManifest {
    /// All slices, in order, without repetition.
    ///
    /// # Errors
    ///
    /// [`SliceError::Nothing`] or [`SliceError::TooMany`].
    pub fn slices(&self, settings: &Settings) -> Result<Vec<Slice>, SliceError> {
        let listed = settings.lists.get(&self.setting).map(Vec::as_slice).unwrap_or_default();
        let mut slices: Vec<Slice> = listed.iter().filter(|text| !text.is_empty()).map(Slice::named).collect();
        slices.sort_unstable();
        slices.dedup();
        match slices.len() {
            0 => Err(SliceError::Nothing { setting: self.setting.clone() }),
            count if count > SLICES_MAX => Err(SliceError::TooMany { setting: self.setting.clone(), count }),
            _ => Ok(slices),
        }
    }
}

/// Puts the slice's value in scope, after checking that the stream has it.
///
/// # Errors
///
/// [`SliceError`] when the stream has no such slice.
pub fn enter(
    manifest: Option<&SlicesManifest>,
    slice: &Slice,
    settings: &Settings,
    scope: &mut Scope,
) -> Result<(), SliceError> {
    let Some(manifest) = manifest else {
        return if slice.is_whole() { Ok(()) } else { Err(SliceError::NotSliced { slice: slice.to_string() }) };
    };
    if slice.is_whole() {
        return Err(SliceError::NotSliced { slice: String::new() });
    }
    if !manifest.slices(settings)?.contains(slice) {
        return Err(SliceError::Unknown { slice: slice.to_string(), setting: manifest.setting.clone() });
    }
    scope.insert(manifest.name.clone(), Scalar::Text(slice.as_str().to_owned()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(list: &[&str]) -> Settings {
        let mut settings = Settings::default();
        settings.lists.insert("repositories".into(), list.iter().map(|text| (*text).to_owned()).collect());
        settings
    }

    fn manifest() -> SlicesManifest {
        SlicesManifest { setting: "repositories".into(), name: "repository".into() }
    }

    #[test]
    fn rejects_an_empty_list_and_a_slice_outside_it() {
        assert!(matches!(manifest().slices(&settings(&[])), Err(SliceError::Nothing { .. })));
        let mut scope = Scope::new();
        let ask = |slice: &Slice, scope: &mut Scope| enter(Some(&manifest()), slice, &settings(&["a/b"]), scope);
        assert!(matches!(ask(&Slice::named("c/d"), &mut scope), Err(SliceError::Unknown { .. })));
        assert!(matches!(ask(&Slice::whole(), &mut scope), Err(SliceError::NotSliced { .. })));
        assert!(matches!(
            enter(None, &Slice::named("x"), &settings(&[]), &mut scope),
            Err(SliceError::NotSliced { .. })
        ));
        assert!(scope.is_empty());
    }

    #[test]
    fn a_slice_is_named_by_its_value_and_listed_once() {
        let slices = manifest().slices(&settings(&["b/b", "a/a", "b/b"])).unwrap();
        assert_eq!(slices, [Slice::named("a/a"), Slice::named("b/b")]);
    }
}
