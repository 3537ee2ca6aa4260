//! The parameters of a template: those that it declares, with what a project gives and the defaults of the others.

use std::collections::BTreeMap;

use super::Blame;
use crate::expression::Scalar;
use crate::manifest::{ManifestError, Ordered};

pub(super) fn parameters(
    declared: Option<&Ordered<crate::manifest::ParameterManifest>>,
    given: Option<BTreeMap<String, Scalar>>,
    blame: &Blame<'_>,
) -> Result<BTreeMap<String, Scalar>, ManifestError> {
    let mut given = given.unwrap_or_default();
    for (name, parameter) in declared.into_iter().flat_map(Ordered::iter) {
        if !given.contains_key(name) {
            let default = parameter.default.clone();
            let missing = || {
                blame.incomplete(
                    "with",
                    format!("`{name}` is missing: {}", parameter.help),
                    format!("write `with: {{ {name}: … }}`"),
                )
            };
            given.insert(name.to_owned(), default.ok_or_else(missing)?);
        }
    }
    let is_declared = |name: &String| declared.is_some_and(|declared| declared.get(name).is_some());
    if let Some(unknown) = given.keys().find(|name| !is_declared(name)) {
        return Err(blame.incomplete("with", format!("`{unknown}` is no parameter of the template"), "remove it"));
    }
    Ok(given)
}
