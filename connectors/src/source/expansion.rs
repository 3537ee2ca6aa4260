//! Streams that a setting calls into being: one of a template for each value of a list.
//!
//! They are ordinary streams of the project, as if it had written them; one that it did write under the same name stays.

use std::collections::BTreeMap;

use crate::connector::Connector;
use crate::error::Fault;
use crate::expression::Scalar;
use crate::manifest::{ManifestError, SettingType, Settings, StreamManifest};

/// Longest name of a stream.
const NAME_CHARS_MAX: usize = 64;

/// Adds the streams of templates that are filled in by settings.
pub(super) fn expand(
    connector: &Connector,
    settings: &Settings,
    streams: &mut BTreeMap<String, StreamManifest>,
) -> Result<(), Fault> {
    let written: Vec<String> = streams.keys().cloned().collect();
    for (template, manifest) in connector.manifest().templates.iter() {
        let Some(each) = &manifest.for_each else { continue };
        let is_list = |known: &crate::manifest::SettingManifest| known.setting_type == SettingType::List;
        if !connector.manifest().settings.get(&each.setting).is_some_and(is_list) {
            let (connector, stream) = (connector.name().to_owned(), template.to_owned());
            let reason = format!("`for_each` of the template names `{}`, which is no list setting", each.setting);
            return Err(Fault::Manifest(ManifestError::ProjectStream { connector, stream, reason }));
        }
        let mut values: BTreeMap<String, &str> = BTreeMap::new();
        for value in settings.lists.get(&each.setting).into_iter().flatten().filter(|value| !value.is_empty()) {
            let name = stream_name(template, value);
            if let Some(other) = values.insert(name.clone(), value).filter(|other| other != value) {
                let reason = format!("`{other}` and `{value}` of setting `{}` have the same name here", each.setting);
                let connector = connector.name().to_owned();
                return Err(Fault::Manifest(ManifestError::ProjectStream { connector, stream: name, reason }));
            }
        }
        for (name, value) in values.into_iter().filter(|(name, _)| !written.contains(name)) {
            let with = BTreeMap::from([(each.name.clone(), Scalar::Text(value.to_owned()))]);
            let stream =
                StreamManifest { template: Some(template.to_owned()), with: Some(with), ..StreamManifest::default() };
            streams.insert(name, stream);
        }
    }
    Ok(())
}

/// `<template>_<value>` in the characters that a stream's name may have.
fn stream_name(template: &str, value: &str) -> String {
    let mut name = format!("{template}_");
    for c in value.chars() {
        match c.to_ascii_lowercase() {
            c @ ('a'..='z' | '0'..='9') => name.push(c),
            _ if !name.ends_with('_') => name.push('_'),
            _ => {}
        }
    }
    let name: String = name.trim_end_matches('_').chars().take(NAME_CHARS_MAX).collect();
    name.trim_end_matches('_').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_becomes_a_name_without_what_names_may_not_have() {
        for (value, name) in [("Custom__c", "object_custom_c"), ("Ä b-", "object_b"), ("x", "object_x")] {
            assert_eq!(stream_name("object", value), name);
        }
        assert_eq!(stream_name("object", &"x".repeat(99)).len(), NAME_CHARS_MAX);
    }
}
