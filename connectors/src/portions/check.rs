//! What can be wrong with the fields of a stream that only the whole connector shows: unknown settings and streams, lists that ask one another.

use super::FieldNames;
use crate::manifest::{Manifest, ManifestError, SettingType};
use crate::parents::LEVELS_MAX;
use crate::slicing::check_listed;
use crate::stream::{Blame, Stream};

/// Checks where the names of a stream's fields come from.
pub(crate) fn check_fields(
    stream: &Stream,
    streams: &[Stream],
    manifest: &Manifest,
    blame: &Blame<'_>,
) -> Result<(), ManifestError> {
    let Some(fields) = &stream.fields else { return Ok(()) };
    match &fields.manifest.of {
        FieldNames::Columns if stream.request.columns.is_empty() && fields.manifest.always.is_empty() => Err(
            blame.incomplete("fields", "the stream has no columns to ask for", "say `of:` where the names come from")
        ),
        FieldNames::Columns | FieldNames::List(_) => Ok(()),
        FieldNames::Setting(name) => {
            let setting = manifest.settings.get(name).filter(|setting| setting.setting_type == SettingType::List);
            let unknown = || {
                let fix = "declare it under `settings` with `type: list`";
                blame.incomplete("fields", format!("`{name}` is no list setting"), fix)
            };
            setting.map(|_| ()).ok_or_else(unknown)
        }
        FieldNames::Stream(list) => {
            let listed = check_listed(&list.stream, streams);
            let mut at = listed.map_err(|(reason, fix)| blame.incomplete("fields", reason, fix))?;
            for _ in 0..=LEVELS_MAX {
                let is_listed = |other: &Stream| {
                    other.fields.as_ref().is_some_and(|fields| matches!(fields.manifest.of, FieldNames::Stream(_)))
                };
                if is_listed(at) {
                    let reason = format!("`{}` lists names and needs a list of names itself", at.name);
                    return Err(blame.incomplete("fields", reason, "name a stream whose fields are written out"));
                }
                let above = at.parent.as_ref();
                match above.and_then(|parent| streams.iter().find(|known| known.name == parent.stream)) {
                    Some(above) => at = above,
                    None => break,
                }
            }
            // Circles of parents are refused by whoever checks parents.
            Ok(())
        }
    }
}
