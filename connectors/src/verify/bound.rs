//! The greatest page size that a description declares for each stream.

use super::facts::{self, Way};
use super::path::{self, PathFound};
use super::report::FactKind;
use crate::connector::Connector;
use crate::description::{Description, Location, Operation, Reached, reach, types};
use crate::manifest::ManifestError;

/// A size that is sent, and the most that the description declares for it.
#[derive(Clone, Debug)]
pub(crate) struct Maximum {
    pub(crate) stream: String,
    pub(crate) value: f64,
    pub(crate) most: f64,
    /// Where the description declares it.
    pub(crate) place: String,
}

/// The page sizes that a manifest sends as numbers and of which the description declares the greatest.
pub(crate) fn declared_maxima(connector: &Connector, description: &Description) -> Result<Vec<Maximum>, ManifestError> {
    let mut maxima = Vec::new();
    for facts in facts::facts(connector)? {
        let Some(sent) = facts.sent.iter().find(|sent| sent.kind == FactKind::PageSize) else { continue };
        let value = sent.value.as_ref().and_then(|value| value.as_f64().or_else(|| value.as_str()?.parse().ok()));
        let (Some(value), PathFound::At(matches)) = (value, path::find(&facts, description)) else { continue };
        let declared = matches.iter().flat_map(|found| found.document.operations(found.entry));
        let declared = declared
            .filter(|operation| operation.method == facts.method)
            .find_map(|operation| most(&operation, &sent.name, &sent.way));
        if let Some((most, place)) = declared {
            maxima.push(Maximum { stream: facts.stream.clone(), value, most, place });
        }
    }
    Ok(maxima)
}

/// The greatest number that an operation takes under this name.
fn most(operation: &Operation<'_>, name: &str, way: &Way) -> Option<(f64, String)> {
    let at = |location| {
        let parameter = operation.parameters().into_iter().find(|one| one.location == location && one.name == name)?;
        Some((types(std::slice::from_ref(&parameter.schema)).range.1?, parameter.node.place().to_owned()))
    };
    match way {
        Way::Query => at(Location::Query),
        Way::Header => at(Location::Header),
        Way::Form => at(Location::Form),
        Way::Body(pointer) => {
            let bodies = operation.request_bodies().into_iter().map(|body| body.schema).collect();
            let Reached::At(nodes) = reach(bodies, pointer.segments()) else { return None };
            let node = nodes.first()?;
            Some((types(std::slice::from_ref(node)).range.1?, node.place().to_owned()))
        }
    }
}
