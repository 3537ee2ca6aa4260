//! The largest page, as the vendor's description declares it.

use crate::connector::Connector;
use crate::description::Description;
use crate::manifest::ManifestError;
use crate::verify::declared_maxima;

/// A page that is asked to hold less than it could.
#[derive(Clone, Debug)]
pub(super) struct TooSmall {
    pub(super) stream: String,
    /// The stream's key under which it is written.
    pub(super) key: &'static str,
    value: f64,
    pub(super) most: f64,
    place: String,
}

impl TooSmall {
    pub(super) fn what(&self) -> String {
        format!("a page is asked to hold {}, and may hold {} ({})", self.value, self.most, self.place)
    }
}

/// The sizes of pages that are below what the description declares.
pub(super) fn page_sizes(connector: &Connector, description: &Description) -> Result<Vec<TooSmall>, ManifestError> {
    let maxima = declared_maxima(connector, description)?.into_iter().filter(|one| one.value < one.most);
    Ok(maxima
        .map(|one| {
            let keys = one.stream.strip_suffix("__keys");
            let key = if keys.is_some() { "deletes.key_list.page_size" } else { "page_size" };
            let stream = keys.unwrap_or(&one.stream).to_owned();
            TooSmall { stream, key, value: one.value, most: one.most, place: one.place }
        })
        .collect())
}
