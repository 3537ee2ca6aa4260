//! What a stream asks for: its request, the fields that it names, what is done about refusals, and what else is asked for its records.

use std::collections::BTreeMap;
use std::sync::Arc;

use headwater_contract::{Column, StreamKind};

use super::columns::{given_name, named_columns};
use super::{Blame, FieldsPlan, RequestPlan};
use crate::decoding::Pointer;
use crate::expression::Scalar;
use crate::lookups::{Lookup, LookupManifest};
use crate::manifest::{ColumnManifest, ManifestError, Ordered, StreamManifest};
use crate::pagination::{ConnectionManifest, Pagination};
use crate::refusal::{ErrorRule, Rules, contradiction};

/// The stream's request, taken out of its manifest.
pub(super) fn complete_request(
    manifest: &mut StreamManifest,
    columns: &[Column],
    rules: Rules,
    blame: &Blame<'_>,
) -> Result<RequestPlan, ManifestError> {
    Ok(RequestPlan {
        method: manifest.method.unwrap_or_default(),
        base_url: manifest.base_url.take(),
        path: blame.need("path", manifest.path.take(), "write the path after `base_url`")?,
        values: manifest.values.take().unwrap_or_default(),
        params: manifest.params.take().unwrap_or_default(),
        headers: manifest.headers.take().unwrap_or_default(),
        body: manifest.body.take(),
        page_size: manifest.page_size.take(),
        rules,
        query: manifest.query.take(),
        cost: manifest.cost.take(),
        locks: manifest.locks.take().unwrap_or_default(),
        by_age: manifest.by_age.take().unwrap_or_default(),
        columns: named_columns(columns),
        with: parameters(manifest.parameters.as_ref(), manifest.with.take(), blame)?,
    })
}

/// The fields that records are asked for with, taken out of the stream's manifest.
pub(super) fn complete_fields(
    manifest: &mut StreamManifest,
    columns: &[Column],
    key: &[String],
    pagination: &Pagination,
    blame: &Blame<'_>,
) -> Result<Option<FieldsPlan>, ManifestError> {
    let Some(fields) = manifest.fields.take() else { return Ok(None) };
    let wrong = |reason: &str, fix: &str| Err(blame.incomplete("fields", reason, fix));
    if let Some((reason, fix)) = fields.fault() {
        return wrong(reason, fix);
    }
    if manifest.job.is_some() {
        return wrong("a job's download is asked for once", "name the fields where the job is created");
    }
    let own = columns.iter().filter(|column| key.contains(&column.name) && given_name(column).is_none());
    let merge_by = match &fields.merge_by {
        Some(by) => by.as_slice().to_vec(),
        None => own.map(|column| Pointer::parse(&column.pointer)).collect(),
    };
    if fields.at_most.is_some() {
        if merge_by.is_empty() {
            return wrong("nothing tells that records of two requests are the same", "write `merge_by`");
        }
        if manifest.kind == Some(StreamKind::Chain)
            || matches!(pagination, Pagination::Scroll(_))
            || pagination.is_alone()
        {
            let fix = "remove `at_most`, or choose another pagination";
            return wrong("each request moves on, so no page can be asked for twice", fix);
        }
    }
    Ok(Some(FieldsPlan { manifest: fields, merge_by }))
}

pub(super) fn own_rules(
    own: Option<Vec<ErrorRule>>,
    has_window: bool,
    has_slices: bool,
    connector_rules: &[ErrorRule],
    blame: &Blame<'_>,
) -> Result<Rules, ManifestError> {
    let own = own.unwrap_or_default();
    match contradiction(&own, has_window, has_slices) {
        Some((reason, fix)) => Err(blame.incomplete("errors", reason, fix)),
        None => Ok(Rules::new(&own, connector_rules)),
    }
}

pub(super) fn complete_connections(
    connections: Option<Ordered<ConnectionManifest>>,
    blame: &Blame<'_>,
) -> Result<Arc<[ConnectionManifest]>, ManifestError> {
    let connections = connections.unwrap_or_default();
    let wrong = connections.iter().find_map(|(name, connection)| Some((name, connection.fault()?)));
    if let Some((name, reason)) = wrong {
        return Err(blame.incomplete(&format!("connections.{name}"), reason, "mend it as the reason says"));
    }
    Ok(connections.iter().map(|(_, connection)| connection.clone()).collect())
}

pub(super) fn complete_lookups(
    lookups: Option<Ordered<LookupManifest>>,
    columns: &Ordered<ColumnManifest>,
    blame: &Blame<'_>,
) -> Result<Arc<[Lookup]>, ManifestError> {
    let lookups = lookups.unwrap_or_default();
    for (name, lookup) in lookups.iter() {
        let wrong = |reason: String, fix: &str| Err(blame.incomplete(&format!("lookups.{name}"), reason, fix));
        if let Some((reason, fix)) = lookup.fault() {
            return wrong(reason.to_owned(), fix);
        }
        let is_within = |column: &str, manifest: &ColumnManifest| {
            Pointer::parse(&manifest.to_column(column).pointer).segments().first().is_some_and(|first| first == name)
        };
        let normal =
            columns.iter().find(|(column, manifest)| manifest.normal().is_some() && is_within(column, manifest));
        if let Some((column, _)) = normal {
            let reason = format!("column `{column}` is written anew before anything is looked up");
            return wrong(reason, "write it anew by a `shape` step of the stream that is looked up in");
        }
    }
    Ok(lookups.iter().map(|(name, lookup)| (name.to_owned(), lookup.clone())).collect())
}

fn parameters(
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
