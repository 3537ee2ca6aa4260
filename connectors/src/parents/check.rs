//! What can be wrong with parents before a request is sent: unknown streams and names, circles, ranges that nobody gives.

use headwater_contract::StreamKind;

use super::{LEVELS_MAX, PARALLEL_MAX, ParentManifest, ParentRange};
use crate::lookups::check_lookups;
use crate::manifest::{Manifest, ManifestError};
use crate::pagination::Pagination;
use crate::portions::check_fields;
use crate::slicing::check_listed;
use crate::stream::{Blame, Stream};

/// Checks every stream against its parents; `blame` makes errors about a stream.
pub(crate) fn check_parents<'a>(
    streams: &'a [Stream],
    manifest: &Manifest,
    blame: &dyn Fn(&'a Stream) -> Blame<'a>,
) -> Result<(), ManifestError> {
    for stream in streams {
        let blame = blame(stream);
        let above = ancestors(streams, stream, &blame)?;
        if let Some(slices) = &stream.slices {
            slices.check(manifest, streams, &blame)?;
        }
        if let (Some(parent), Some(first)) = (&stream.parent, above.first()) {
            check_parent(stream, parent, first, &blame)?;
        }
        check_job(stream, &above, manifest, &blame)?;
        if let Some(list) = &stream.column_list {
            let listed = check_listed(&list.stream, streams);
            listed.map_err(|(reason, fix)| blame.incomplete("column_list", reason, fix))?;
        }
        check_lookups(stream, streams, &blame)?;
        check_fields(stream, streams, manifest, &blame)?;
        if stream.parent.is_some() || stream.job.is_some() {
            check_paths(stream, &above, manifest, &blame)?;
        }
        let is_given = |name: &str| knows(stream, &above, manifest, name);
        let auth = stream.auth.as_ref().unwrap_or(&manifest.http.auth);
        let is_known = |name: &str| {
            is_given(name) || manifest.settings.get(name).is_some() || manifest.http.values.get(name).is_some()
        };
        if let Some(unknown) = auth.names().iter().find(|name| !is_known(name)) {
            let reason = format!("`{unknown}` is no setting, slice or field of a parent");
            return Err(blame.incomplete(
                "auth",
                reason,
                "declare it under `settings`, or name it under `parent.fields`",
            ));
        }
        let in_shape = stream.shape.iter().flat_map(|shape| shape.given());
        let bounds = ["from", "until", "now"];
        if let Some(unknown) = in_shape.into_iter().find(|name| !is_given(name) && !bounds.contains(name)) {
            let reason = format!("`given.{unknown}` is no field of a parent, slice, setting or parameter");
            return Err(blame.incomplete("shape", reason, "name it under `parent.fields`, `slices` or `values`"));
        }
        if let Some(unknown) = stream.given.iter().find(|name| !is_given(name)) {
            let reason = format!("`given: {unknown}` is no field of a parent, slice, setting or parameter");
            return Err(blame.incomplete(
                "columns",
                reason,
                "name it under `parent.fields`, or give the column a `path`",
            ));
        }
    }
    Ok(())
}

/// The streams above, the nearest first.
fn ancestors<'a>(
    streams: &'a [Stream],
    stream: &'a Stream,
    blame: &Blame<'_>,
) -> Result<Vec<&'a Stream>, ManifestError> {
    let (mut above, mut at): (Vec<&Stream>, _) = (Vec::new(), stream);
    while let Some(parent) = &at.parent {
        let found = streams.iter().find(|known| known.name == parent.stream);
        let unknown = || {
            blame.incomplete(
                "parent",
                format!("there is no stream `{}`", parent.stream),
                "name a stream of this connector",
            )
        };
        at = found.ok_or_else(unknown)?;
        if at.name == stream.name || above.len() == LEVELS_MAX {
            let reason = format!("more than {LEVELS_MAX} parents stand above one another, or they form a circle");
            return Err(blame.incomplete("parent", reason, "name another parent"));
        }
        above.push(at);
    }
    Ok(above)
}

fn check_parent(
    stream: &Stream,
    parent: &ParentManifest,
    first: &Stream,
    blame: &Blame<'_>,
) -> Result<(), ManifestError> {
    let wrong = |reason: String, fix: &str| Err(blame.incomplete("parent", reason, fix));
    if let Some(chained) = [stream, first].into_iter().find(|stream| stream.kind == StreamKind::Chain) {
        return wrong(
            format!("`{}` is a chain, which has neither parents nor children", chained.name),
            "choose another kind",
        );
    }
    if parent.parallel.is_some_and(|parallel| parallel == 0 || parallel as usize > PARALLEL_MAX) {
        return wrong(format!("`parallel` is 1 to {PARALLEL_MAX}"), "write a number within these bounds");
    }
    if let Some(unknown) = parent.url.as_ref().filter(|name| !parent.has_field(name)) {
        return wrong(format!("`url: {unknown}` is no field of the parent"), "name it under `fields`");
    }
    match (parent.range, &first.window) {
        (ParentRange::Window, None) => {
            wrong(format!("`{}` has no windows to be asked by", first.name), "remove `range: window`")
        }
        (ParentRange::Window, Some(_)) if stream.window.is_none() => {
            wrong("a stream without windows has no range for its parents".to_owned(), "remove `range: window`")
        }
        (ParentRange::All, Some(_)) if first.start.is_none() => {
            wrong(format!("`{}` does not say from when it is read", first.name), "give it a `start`")
        }
        _ if matches!(stream.pagination, Pagination::AdvancingFrom(_))
            && stream.window.as_ref().is_some_and(|window| window.request.is_none()) =>
        {
            wrong(
                "`advancing_from` moves a bound that this stream does not send".to_owned(),
                "choose another pagination",
            )
        }
        _ => Ok(()),
    }
}

/// Every name in the paths of a stream and of those above it must be known to it.
fn check_paths(
    stream: &Stream,
    above: &[&Stream],
    manifest: &Manifest,
    blame: &Blame<'_>,
) -> Result<(), ManifestError> {
    let mut asked = vec![(stream, above)];
    asked.extend(above.iter().enumerate().map(|(at, parent)| (*parent, above.get(at + 1..).unwrap_or_default())));
    for (asked, above) in asked {
        for name in asked.request.path.names() {
            // The slice is the child's: a parent is read within it.
            let is_known = knows(asked, above, manifest, name)
                || stream.slices.as_ref().is_some_and(|slices| slices.has_name(name));
            if !is_known {
                let reason = format!("`{{{name}}}` in the path of `{}` is not known to `{}`", asked.name, stream.name);
                return Err(blame.incomplete(
                    "parent",
                    reason,
                    "name it under `parent.fields`, `slices` or `settings`",
                ));
            }
        }
    }
    Ok(())
}

/// Every name in the paths of a job's requests must be known to it.
fn check_job(stream: &Stream, above: &[&Stream], manifest: &Manifest, blame: &Blame<'_>) -> Result<(), ManifestError> {
    let steps = stream.job.iter().flat_map(|job| job.steps());
    for name in steps.flat_map(|step| step.request.path.names()) {
        if !knows(stream, above, manifest, name) && name != "job_key" {
            let reason = format!("`{{{name}}}` in the path of a request of the job is not known");
            return Err(blame.incomplete("job", reason, "name it under `create.fields`, `slices` or `settings`"));
        }
    }
    Ok(())
}

/// Whether the requests of `stream` have a value of this name.
fn knows(stream: &Stream, above: &[&Stream], manifest: &Manifest, name: &str) -> bool {
    let by_parents = std::iter::once(stream)
        .chain(above.iter().copied())
        .filter_map(|stream| stream.parent.as_ref())
        .any(|parent| parent.has_field(name));
    let by_jobs = stream.job.iter().chain(above.iter().filter_map(|above| above.job.as_ref()));
    by_parents
        || by_jobs.into_iter().any(|job| job.has_field(name))
        || manifest.settings.get(name).is_some_and(|setting| !setting.secret)
        || stream.slices.as_ref().is_some_and(|slices| slices.has_name(name))
        || stream.request.with.contains_key(name)
        || stream.request.values.get(name).is_some()
        || manifest.http.values.get(name).is_some()
        || stream.names_slot(name)
}
