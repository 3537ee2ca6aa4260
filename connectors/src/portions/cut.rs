//! Cuts names into portions: pure, so that a reading and whoever predicts its requests agree.

use std::collections::HashSet;

use super::MostFields;

/// Characters that a name counts beside its own: the separator before it, as `%2C` in a URL.
const SEPARATOR_CHARACTERS: usize = 3;

/// The names of each request, in order: `always` first in each, no name twice. At least one request, each with at least one name of its own
/// where there is one.
pub(crate) fn cut(names: &[String], always: &[String], at_most: Option<MostFields>) -> Vec<Vec<String>> {
    let mut known = HashSet::new();
    let always: Vec<String> = always.iter().filter(|name| known.insert(name.as_str())).cloned().collect();
    let own: Vec<&String> = names.iter().filter(|name| known.insert(name.as_str())).collect();
    let size = |name: &str| match at_most {
        Some(MostFields::Characters(_)) => name.chars().count() + SEPARATOR_CHARACTERS,
        _ => 1,
    };
    let limit = match at_most {
        Some(MostFields::Names(most) | MostFields::Characters(most)) => usize::try_from(most).unwrap_or(usize::MAX),
        None => usize::MAX,
    };
    let always_size: usize = always.iter().map(|name| size(name)).sum();
    let (mut portions, mut portion, mut filled) = (Vec::new(), always.clone(), always_size);
    for name in own {
        if portion.len() > always.len() && filled + size(name) > limit {
            portions.push(std::mem::replace(&mut portion, always.clone()));
            filled = always_size;
        }
        portion.push(name.clone());
        filled += size(name);
    }
    portions.push(portion);
    portions
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cut_to(names: &str, always: &str, at_most: Option<MostFields>) -> Vec<String> {
        let list = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        cut(&list(names), &list(always), at_most).iter().map(|portion| portion.join(" ")).collect()
    }

    #[test]
    fn names_are_cut_by_count_with_those_of_every_request_first() {
        assert_eq!(cut_to("a b c d e", "id", Some(MostFields::Names(3))), ["id a b", "id c d", "id e"]);
        assert_eq!(cut_to("a b c", "", Some(MostFields::Names(2))), ["a b", "c"]);
        assert_eq!(cut_to("a b", "id", None), ["id a b"]);
    }

    #[test]
    fn names_are_cut_by_characters_with_their_separators() {
        // `id` counts 5, each other name 4 + its length beyond one.
        assert_eq!(cut_to("a b cc d", "id", Some(MostFields::Characters(14))), ["id a b", "id cc d"]);
        assert_eq!(cut_to("a b cc d", "id", Some(MostFields::Characters(13))), ["id a b", "id cc", "id d"]);
    }

    #[test]
    fn a_name_that_is_too_long_goes_alone_and_none_goes_twice() {
        assert_eq!(cut_to("aaaaaaaaaa b", "id", Some(MostFields::Characters(4))), ["id aaaaaaaaaa", "id b"]);
        assert_eq!(cut_to("a id a b", "id id", Some(MostFields::Names(9))), ["id a b"]);
        assert_eq!(cut_to("", "", Some(MostFields::Names(1))), [""]);
        assert_eq!(cut_to("", "id", Some(MostFields::Names(1))), ["id"]);
    }

    proptest! {
        #[test]
        fn every_name_is_asked_for_once_and_in_order(names in prop::collection::vec("[a-c]{1,4}", 0..20), most in 1_u32..6) {
            let portions = cut(&names, &["key".to_owned()], Some(MostFields::Names(most)));
            let mut distinct = Vec::new();
            for name in &names {
                if !distinct.contains(name) {
                    distinct.push(name.clone());
                }
            }
            let asked: Vec<String> = portions.iter().flat_map(|portion| portion.iter().skip(1).cloned()).collect();
            prop_assert_eq!(asked, distinct);
            prop_assert!(portions.iter().all(|portion| portion[0] == "key" && portion.len() <= (most as usize).max(2)));
        }
    }
}
