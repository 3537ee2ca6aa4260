//! What can be wrong with lookups that only the whole connector shows.

use headwater_contract::StreamKind;

use crate::manifest::ManifestError;
use crate::stream::{Blame, Purpose, Stream};

/// Checks the streams that records are looked up in.
pub(crate) fn check_lookups(stream: &Stream, streams: &[Stream], blame: &Blame<'_>) -> Result<(), ManifestError> {
    for (name, lookup) in stream.lookups.iter() {
        let wrong = |reason: String, fix: &str| Err(blame.incomplete(&format!("lookups.{name}"), reason, fix));
        let Some(asked) = streams.iter().find(|known| known.name == lookup.stream) else {
            return wrong(format!("there is no stream `{}`", lookup.stream), "name a stream of this connector");
        };
        if asked.purpose != Purpose::Others || asked.kind != StreamKind::Snapshot {
            let reason = format!("`{}` is read by itself", asked.name);
            return wrong(reason, "say `internal: true` of the stream that is looked up in");
        }
        let has_more = [
            ("parent", asked.parent.is_some()),
            ("job", asked.job.is_some()),
            ("slices", asked.slices.is_some()),
            ("lookups", !asked.lookups.is_empty()),
            ("connections", !asked.connections.is_empty()),
            ("fields.at_most", asked.fields.as_ref().is_some_and(|fields| fields.manifest.at_most.is_some())),
        ];
        if let Some((key, _)) = has_more.iter().find(|(_, is_there)| *is_there) {
            let reason = format!("`{}` has `{key}`, which no lookup can follow", asked.name);
            return wrong(reason, "look up in a stream of plain pages");
        }
    }
    Ok(())
}
