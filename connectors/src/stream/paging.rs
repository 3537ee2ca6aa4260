//! What follows a page: the next page, or the token of the next link.

use headwater_contract::StreamKind;

use super::Blame;
use crate::manifest::{ChainManifest, ManifestError, PageSize};
use crate::pagination::{Pagination, Seen};

pub(super) fn complete_pagination(
    pagination: Option<Pagination>,
    page_size: Option<&PageSize>,
    blame: &Blame<'_>,
) -> Result<Pagination, ManifestError> {
    let pagination = pagination.unwrap_or_default();
    if pagination.needs_page_size() && page_size.is_none() {
        let reason = "a short page is known only by the size that was asked for";
        return Err(blame.incomplete("pagination", reason, "write `page_size`, or let an empty page end the list"));
    }
    Ok(pagination)
}

pub(super) fn complete_chain(
    kind: StreamKind,
    chain: Option<ChainManifest>,
    pagination: &Pagination,
    has_window: bool,
    blame: &Blame<'_>,
) -> Result<Option<ChainManifest>, ManifestError> {
    let chain = match (kind, chain) {
        (StreamKind::Chain, chain) => Some(blame.need("chain", chain, "write `chain: { param: …, next: … }`")?),
        (_, Some(_)) => return Err(blame.incomplete("chain", "only a stream of kind chain has one", "remove it")),
        (_, None) => None,
    };
    if let Some(chain) = &chain {
        let has_pages = *pagination != Pagination::None;
        if has_pages && chain.more.is_some() {
            return Err(blame.incomplete(
                "chain",
                "`more` and `pagination` both say what follows",
                "remove one of them",
            ));
        }
        if !has_pages && matches!(chain.next, Seen::FirstRecord(_)) {
            let reason = "the newest record is the token, but nothing leads to the older ones";
            return Err(blame.incomplete("chain", reason, "write `pagination`"));
        }
    }
    if matches!(pagination, Pagination::AdvancingFrom(_)) && !has_window {
        let fix = "choose another pagination";
        return Err(blame.incomplete("pagination", "only a window has a lower bound to move", fix));
    }
    Ok(chain)
}
