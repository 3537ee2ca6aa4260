//! Which pagination an operation offers, by the names of its parameters and of the fields beside the list.

use crate::description::{Location, Node, Operation, Parameter, names_of, types};

use super::naming::snake;
use super::writing::quoted;

/// Pagination of a drafted stream.
#[derive(Clone, Debug, Default)]
pub(super) struct Paging {
    /// The variant as a manifest writes it.
    pub(super) variant: Option<String>,
    pub(super) doubts: Vec<&'static str>,
    /// Pages can lose rows of a list that changes.
    pub(super) loses_rows: bool,
    /// Parameter and value of the page's size, and whether the value is a guess.
    pub(super) size: Option<(String, String, bool)>,
    /// Parameters that are spoken for.
    pub(super) used: Vec<String>,
}

const SIZE: [&str; 17] = [
    "limit",
    "per_page",
    "page_size",
    "pagesize",
    "perpage",
    "page_limit",
    "max_results",
    "maxresults",
    "top",
    "size",
    "count",
    "first",
    "results_per_page",
    "page_length",
    "max_items",
    "items_per_page",
    "rows",
];
const TOKEN: [&str; 15] = [
    "cursor",
    "page_token",
    "next_token",
    "after",
    "page_cursor",
    "next_cursor",
    "continuation_token",
    "bookmark",
    "next_page_token",
    "pagination_token",
    "start_cursor",
    "continuation",
    "page_after",
    "next_page_key",
    "next",
];
const PAGE: [&str; 7] = ["page", "page_number", "pagenumber", "page_no", "page_num", "page_index", "current_page"];
const OFFSET: [&str; 8] =
    ["offset", "skip", "start_at", "page_offset", "start_index", "from_index", "startat", "start"];
const MORE: [&str; 7] = ["has_more", "hasmore", "has_next", "has_next_page", "more", "has_more_pages", "is_more"];
const TOTAL: [&str; 10] = [
    "total",
    "total_count",
    "total_results",
    "totalcount",
    "total_items",
    "total_records",
    "total_elements",
    "total_entries",
    "total_size",
    "count",
];
const PAGES: [&str; 7] =
    ["total_pages", "page_count", "last_page", "pages", "num_pages", "number_of_pages", "totalpages"];
const NEXT_TOKEN: [&str; 11] = [
    "next_cursor",
    "next_page_token",
    "next_token",
    "cursor",
    "next_page",
    "after",
    "continuation_token",
    "bookmark",
    "next_page_key",
    "next",
    "page_token",
];
const NEXT_URL: [&str; 8] =
    ["next_url", "next_link", "next_page_url", "odata_next_link", "next", "next_page_uri", "next_page", "href"];

/// Reads off the pagination of a list.
#[expect(clippy::too_many_lines, reason = "one branch a variant, the surest first")]
pub(super) fn paging(operation: &Operation<'_>, answer: &Node<'_>, records: &str, key: Option<&str>) -> Paging {
    let declared = operation.parameters();
    let query: Vec<&Parameter<'_>> =
        declared.iter().filter(|parameter| parameter.location == Location::Query).collect();
    let named = |names: &[&str]| {
        names.iter().find_map(|name| query.iter().find(|parameter| snake(parameter.name) == *name)).copied()
    };
    let beside = beside(answer, records);
    let field = |names: &[&str], kinds: &[&str]| {
        names
            .iter()
            .find_map(|name| beside.iter().find(|field| field.is(name, kinds)))
            .map(|field| field.pointer.clone())
    };
    // A page that is a text is a token whatever its name.
    let is_text = |one: &&Parameter<'_>| types(std::slice::from_ref(&one.schema)).kinds == ["string"];
    let mut paging = Paging::default();
    let size = named(&SIZE).filter(|parameter| !types(std::slice::from_ref(&parameter.schema)).has("boolean"));
    if let Some(size) = size {
        paging.size = Some(page_size(size));
        paging.used.push(size.name.to_owned());
    }
    let more = field(&MORE, &["boolean"]);
    let total = field(&TOTAL, &["integer", "number"]);
    let link = operation
        .answer()
        .is_some_and(|answer| answer.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("link")));
    let with = |parts: &[(&str, &Option<String>)]| {
        let parts = parts.iter().filter_map(|(name, value)| Some(format!(", {name}: {}", quoted(value.as_ref()?))));
        parts.collect::<String>()
    };
    let starting_after = query.iter().find(|parameter| snake(parameter.name) == "starting_after");
    if let (Some(param), Some(more), Some(key)) = (starting_after, &more, key) {
        paging.used.push(param.name.to_owned());
        let (param, key, more) = (quoted(param.name), quoted(key), quoted(more));
        paging.variant = Some(format!("last_record_cursor: {{ param: {param}, field: {key}, more: {more} }}"));
    } else if let (Some(param), Some(token)) =
        (named(&TOKEN).or_else(|| named(&PAGE).filter(is_text)), field(&NEXT_TOKEN, &["string", "integer"]))
    {
        paging.used.push(param.name.to_owned());
        let (name, token) = (quoted(param.name), quoted(&token));
        paging.variant = Some(format!("body_token: {{ param: {name}, token: {token}{} }}", with(&[("more", &more)])));
    } else if let Some(url) = field(&NEXT_URL, &["string"]).filter(|pointer| !pointer.ends_with("/cursor")) {
        paging.variant = Some(format!("next_url: {{ url: {} }}", quoted(&url)));
        paging
            .used
            .extend(named(&PAGE).or_else(|| named(&OFFSET)).or_else(|| named(&TOKEN)).map(|one| one.name.to_owned()));
        paging.doubts.push("that it is the URL of the next page");
    } else if link {
        paging.variant = Some("next_link: { rel: next }".to_owned());
        paging.used.extend(named(&PAGE).map(|one| one.name.to_owned()));
    } else if let Some(param) = named(&PAGE) {
        paging.used.push(param.name.to_owned());
        let first = types(std::slice::from_ref(&param.schema));
        let starts_at_zero = first.default.as_ref().and_then(serde_json::Value::as_u64) == Some(0);
        let pages = field(&PAGES, &["integer", "number"]);
        paging.loses_rows = total.is_none();
        paging.variant = Some(format!(
            "page_number: {{ param: {}, first: {}{} }}",
            quoted(param.name),
            u8::from(!starts_at_zero),
            with(&[("pages", &pages), ("total", &total), ("more", &more)])
        ));
        paging.doubts.push("the number of the first page");
    } else if let Some(param) = named(&OFFSET)
        .filter(|one| !types(std::slice::from_ref(&one.schema)).formats.iter().any(|f| f.starts_with("date")))
    {
        paging.used.push(param.name.to_owned());
        paging.loses_rows = total.is_none();
        paging.variant =
            Some(format!("offset: {{ param: {}{} }}", quoted(param.name), with(&[("total", &total), ("more", &more)])));
    }
    paging
}

fn page_size(parameter: &Parameter<'_>) -> (String, String, bool) {
    const CAUTIOUS: &str = "100";
    let takes = types(std::slice::from_ref(&parameter.schema));
    let most = takes.range.1.map(|most| most.to_string()).filter(|text| text.parse::<u32>().is_ok());
    let usual = || takes.default.as_ref().and_then(serde_json::Value::as_u64).map(|usual| usual.to_string());
    let is_guess = most.is_none();
    (parameter.name.to_owned(), most.or_else(usual).unwrap_or_else(|| CAUTIOUS.to_owned()), is_guess)
}

/// A field of the answer that stands beside the list or in an object there.
struct Beside {
    name: String,
    above: String,
    pointer: String,
    kinds: Vec<String>,
}

impl Beside {
    /// Whether it has the name, by itself or with the name of the object that holds it: `paging.next` is `next`, `cursors.after` is `after`.
    fn is(&self, name: &str, kinds: &[&str]) -> bool {
        let is_name = self.name == name || format!("{}_{}", self.above, self.name) == name;
        is_name && (self.kinds.is_empty() || self.kinds.iter().any(|kind| kinds.contains(&kind.as_str())))
    }
}

fn beside(answer: &Node<'_>, records: &str) -> Vec<Beside> {
    const DEPTH_MAX: usize = 3;
    fn visit(schemas: &[Node<'_>], above: &str, pointer: &str, records: &str, depth: usize, out: &mut Vec<Beside>) {
        for (name, children) in names_of(schemas) {
            let below = format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"));
            if below == records {
                continue;
            }
            let kinds = types(&children).kinds;
            if kinds.iter().any(|kind| kind == "object") && depth < DEPTH_MAX {
                visit(&children, &snake(&name), &below, records, depth + 1, out);
            } else if !kinds.iter().any(|kind| kind == "array") {
                out.push(Beside { name: snake(&name), above: above.to_owned(), pointer: below, kinds });
            }
        }
    }
    let mut out = Vec::new();
    if !records.is_empty() {
        visit(std::slice::from_ref(answer), "", "", records, 1, &mut out);
    }
    out.sort_by_key(|field| field.pointer.matches('/').count());
    out
}
