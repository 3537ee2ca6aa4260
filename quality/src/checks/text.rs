//! Walks the texts of a column, in whichever arrow type they come.

use arrow_array::ArrayRef;
use arrow_array::cast::AsArray;

/// Calls `fail` for each text that is not good; `None` when the array holds no texts.
pub(super) fn each(values: &ArrayRef, is_good: impl Fn(&str) -> bool, fail: &mut dyn FnMut(usize)) -> Option<()> {
    if let Some(texts) = values.as_string_opt::<i32>() {
        walk(texts.iter(), is_good, fail);
    } else if let Some(texts) = values.as_string_view_opt() {
        walk(texts.iter(), is_good, fail);
    } else {
        walk(values.as_string_opt::<i64>()?.iter(), is_good, fail);
    }
    Some(())
}

fn walk<'a>(texts: impl Iterator<Item = Option<&'a str>>, is_good: impl Fn(&str) -> bool, fail: &mut dyn FnMut(usize)) {
    for (row, text) in texts.enumerate() {
        if text.is_some_and(|text| !is_good(text)) {
            fail(row);
        }
    }
}
