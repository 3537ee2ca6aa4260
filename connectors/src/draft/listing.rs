//! Which operations are lists, and where the list stands in the answer.

use crate::description::{Document, Node, Operation, elements, names_of, types};

use super::naming::snake;

/// An operation that answers with a list of objects.
#[derive(Clone, Debug)]
pub(super) struct Listing<'a> {
    pub(super) operation: Operation<'a>,
    /// JSON pointer to the list.
    pub(super) records: String,
    /// Why the place is a guess.
    pub(super) doubt: Option<&'static str>,
    /// The schemas of one record.
    pub(super) record: Vec<Node<'a>>,
    /// The schema of the whole answer.
    pub(super) answer: Node<'a>,
}

/// Names that vendors give to the list in an answer.
const LIST_NAMES: [&str; 14] = [
    "data",
    "items",
    "results",
    "records",
    "result",
    "values",
    "value",
    "list",
    "entries",
    "rows",
    "content",
    "elements",
    "objects",
    "collection",
];
/// Fields that an answer has beside a list that is not where lists usually are.
const FIELDS_MAX: usize = 8;
/// How deep a list is looked for.
const DEPTH_MAX: usize = 3;

/// The lists of a document, in its order.
pub(super) fn listings(document: &Document) -> Vec<Listing<'_>> {
    let mut found = Vec::new();
    for path in document.paths() {
        // The last segment of one object's path is its name.
        if path.key.contains(['?', '#']) || path.segments.last().is_none_or(|segment| segment.contains("{}")) {
            continue;
        }
        for operation in document.operations(path) {
            if operation.is_deprecated() || !is_reading(&operation) {
                continue;
            }
            found.extend(listing(operation, path.segments.last().map(String::as_str).unwrap_or_default()));
        }
    }
    found
}

fn is_reading(operation: &Operation<'_>) -> bool {
    let last = operation.path.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
    match operation.method {
        "get" => true,
        "post" => ["search", "query", "list", "find"].iter().any(|word| last.ends_with(word)),
        _ => false,
    }
}

fn listing<'a>(operation: Operation<'a>, last: &str) -> Option<Listing<'a>> {
    let answer = operation.answer()?;
    if !(answer.media_type.is_empty() || answer.media_type.contains("json") || answer.media_type.contains('*')) {
        return None;
    }
    let schema = answer.schema?;
    let mut candidates = Vec::new();
    collect(std::slice::from_ref(&schema), String::new(), 0, &mut candidates);
    let last = snake(last);
    let depth = |pointer: &str| pointer.matches('/').count();
    let rank = |pointer: &str| {
        let name = snake(pointer.rsplit('/').next().unwrap_or_default());
        match () {
            () if pointer.is_empty() => 0,
            () if name == last => 1,
            () => LIST_NAMES.iter().position(|known| *known == name).map_or(50, |at| at + 2),
        }
    };
    candidates.sort_by_key(|(pointer, _)| (depth(pointer), rank(pointer)));
    // A known name deeper down weighs more than an unknown one above.
    let chosen = candidates.iter().find(|(pointer, _)| rank(pointer) < 50);
    let is_sole = candidates.len() == 1;
    let (pointer, record) = chosen.or_else(|| candidates.first().filter(|_| is_sole)).cloned()?;
    let doubt = (rank(&pointer) == 50).then_some("the only list in the answer");
    // An object that has a list of parts beside many fields of its own is one thing, not a list of things.
    let fields = names_of(std::slice::from_ref(&schema)).len();
    if (doubt.is_some() || depth(&pointer) > 1) && fields > FIELDS_MAX {
        return None;
    }
    Some(Listing { operation, records: pointer, doubt, record, answer: schema })
}

fn collect<'a>(schemas: &[Node<'a>], pointer: String, depth: usize, out: &mut Vec<(String, Vec<Node<'a>>)>) {
    let kinds = types(schemas);
    if kinds.has("array") {
        let record = elements(schemas);
        if !names_of(&record).is_empty() {
            out.push((pointer, record));
        }
        return;
    }
    if depth == DEPTH_MAX {
        return;
    }
    for (name, children) in names_of(schemas) {
        let below = format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"));
        let kinds = types(&children);
        // Errors, messages and links are lists of objects too.
        let is_aside = matches!(
            snake(&name).as_str(),
            "errors" | "error" | "warnings" | "messages" | "links" | "included" | "schema"
        );
        if !is_aside && (kinds.has("array") || kinds.has("object")) {
            collect(&children, below, depth + 1, out);
        }
    }
}
