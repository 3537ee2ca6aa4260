//! How deletes show, and whether the way that is named can be trusted.

use super::{Place, Rule};
use crate::manifest::{DeletesManifest, StreamManifest};

pub(super) fn judge(stream: &StreamManifest, place: &mut Place<'_, '_>) {
    let list = match &stream.deletes {
        None => {
            let fix = "write `deletes: none`, a flag, or a list of the keys that exist";
            place.find(Rule::DeletesMissing, "", "nothing is said about deletes", fix);
            return;
        }
        Some(DeletesManifest::KeyList(list)) => list,
        Some(DeletesManifest::None | DeletesManifest::Flag(_)) => return,
    };
    let key = "deletes.key_list";
    super::pages::judge_size(list.page_size.as_ref(), list.pagination.as_ref(), key, place);
    if list.pagination.as_ref().is_some_and(crate::pagination::Pagination::loses_moving_rows) {
        let fix = "page by a cursor, name the list's total, or write `deletes: none`";
        place.find(Rule::KeyListMoves, key, "the list of keys is read by numbers of pages that shift", fix);
    }
}
