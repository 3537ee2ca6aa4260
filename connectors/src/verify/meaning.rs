//! What the name of a parameter says that it is for. A description lists names and types alone, and a size of pages has the type of a
//! place in the list; so where names say the opposite of what a manifest uses them for, the manifest is wrong.

/// Words of sizes of pages.
const SIZES: [&str; 10] = ["limit", "size", "count", "per", "perpage", "pagesize", "top", "rows", "results", "take"];
/// Words of places in a list.
const PLACES: [&str; 9] = ["offset", "skip", "cursor", "token", "marker", "page", "after", "before", "continuation"];
/// Words of where a range begins, the plainer ones first: a field may be called `start_date` itself.
const BEGINNINGS: [&[&str]; 2] =
    [&["from", "since", "after", "gte", "ge", "gt", "min", "minimum"], &["start", "begin", "beginning", "starting"]];
/// Words of where a range ends.
const ENDS: [&[&str]; 2] =
    [&["to", "until", "till", "before", "lte", "le", "lt", "max", "maximum"], &["end", "ending", "finish"]];

/// What a parameter of pages is for, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Paged {
    Size,
    Place,
}

/// Where a range has the bound that a parameter carries, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    From,
    Until,
}

/// What a name says of pages; nothing where it says neither, or both.
pub(super) fn paged(name: &str) -> Option<Paged> {
    let words = words(name);
    let has = |known: &[&str]| words.iter().any(|word| known.contains(&word.as_str()));
    if words == ["max"] {
        return Some(Paged::Size);
    }
    match (has(&SIZES), has(&PLACES)) {
        // `page_size` and `per_page` are sizes.
        (true, _) if !has(&["offset", "skip", "cursor", "token"]) => Some(Paged::Size),
        (false, true) => Some(Paged::Place),
        _ => None,
    }
}

/// What a name says of a range; nothing where it says neither, or both.
pub(super) fn side(name: &str) -> Option<Side> {
    if let Some(sign) = name.find(['<', '>']).and_then(|at| name.get(at..=at)) {
        return Some(if sign == ">" { Side::From } else { Side::Until });
    }
    let words = words(name);
    let has = |known: &[&str]| words.iter().any(|word| known.contains(&word.as_str()));
    let said = BEGINNINGS.iter().zip(ENDS).map(|(beginnings, ends)| (has(beginnings), has(ends)));
    match said.into_iter().find(|said| *said != (false, false))? {
        (true, false) => Some(Side::From),
        (false, true) => Some(Side::Until),
        _ => None,
    }
}

/// Whether two names are one with a number, of which the first has the greater: `t1` and `t0`.
pub(super) fn is_counted_down(first: &str, second: &str) -> bool {
    let cut = |name: &str| {
        let stem = name.trim_end_matches(|c: char| c.is_ascii_digit()).to_owned();
        let number: Option<u32> = name.get(stem.len()..).and_then(|digits| digits.parse().ok());
        Some((stem, number?))
    };
    matches!((cut(first), cut(second)), (Some((stem, greater)), Some((other, less))) if stem == other && greater > less)
}

/// The words of a name in lower case: `updatedAtMin`, `created[gte]` and `page_size` have two or three.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut was_lower = false;
    for c in name.chars() {
        if !c.is_ascii_alphanumeric() || (was_lower && c.is_ascii_uppercase()) {
            words.push(String::new());
        }
        if let (true, Some(word)) = (c.is_ascii_alphanumeric(), words.last_mut()) {
            word.push(c.to_ascii_lowercase());
        }
        was_lower = c.is_ascii_lowercase();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_sizes_places_and_sides_or_nothing() {
        for (name, expected) in [
            ("limit", Some(Paged::Size)),
            ("per_page", Some(Paged::Size)),
            ("pageSize", Some(Paged::Size)),
            ("page[size]", Some(Paged::Size)),
            ("max-results", Some(Paged::Size)),
            ("page", Some(Paged::Place)),
            ("pageNumber", Some(Paged::Place)),
            ("starting_after", Some(Paged::Place)),
            ("limit_token", None),
            ("max", Some(Paged::Size)),
            ("max_id", None),
            ("q", None),
        ] {
            assert_eq!(paged(name), expected, "{name}");
        }
        for (name, expected) in [
            ("created[gte]", Some(Side::From)),
            ("updatedAtMax", Some(Side::Until)),
            ("date_to", Some(Side::Until)),
            ("from_start_to_end", None),
            ("start_date_lte", Some(Side::Until)),
            ("startTime", Some(Side::From)),
            ("DateSent>", Some(Side::From)),
            ("day", None),
        ] {
            assert_eq!(side(name), expected, "{name}");
        }
        assert!(is_counted_down("t1", "t0") && !is_counted_down("t0", "t1") && !is_counted_down("a1", "b0"));
    }
}
