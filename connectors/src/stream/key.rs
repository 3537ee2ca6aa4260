//! The columns that identify a row: they are there and never null, or the stream says that it has none.

use headwater_contract::Column;

use super::Blame;
use crate::manifest::ManifestError;

pub(super) fn complete_key(
    key: Option<Vec<String>>,
    append_only: bool,
    columns: &[Column],
    blame: &Blame<'_>,
) -> Result<Vec<String>, ManifestError> {
    match (key.unwrap_or_default(), append_only) {
        (key, true) if key.is_empty() => Ok(key),
        (_, true) => Err(blame.incomplete("key", "an append-only stream has no key", "remove `key` or `append_only`")),
        (key, false) if key.is_empty() => Err(blame.incomplete(
            "key",
            "`key` is missing",
            "name the columns that identify a row, or say `append_only: true`",
        )),
        (key, false) => {
            for name in &key {
                match columns.iter().find(|column| column.name == *name) {
                    None => {
                        return Err(blame.incomplete(
                            "key",
                            format!("`{name}` is no column"),
                            "name columns of this stream",
                        ));
                    }
                    Some(column) if column.nullable => {
                        return Err(blame.incomplete(
                            "key",
                            format!("`{name}` may be null"),
                            "a key column is never null",
                        ));
                    }
                    Some(_) => {}
                }
            }
            Ok(key)
        }
    }
}
