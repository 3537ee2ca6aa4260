//! One stream of a draft: path, list, key, windows, pages and columns of one operation.

use crate::description::{Document, Location, Node, Operation, types};

use super::listing::Listing;
use super::naming::{singular, snake};
use super::writing::quoted;
use super::{columns, paging, stream_name, windows};

/// A drafted stream, ready to be written.
#[derive(Clone, Debug)]
pub(super) struct DraftedStream {
    pub(super) name: String,
    pub(super) text: String,
    /// Settings that it needs: name, and what stands in its braces.
    pub(super) settings: Vec<(String, String)>,
    pub(super) has_window: bool,
    /// Names in its path that a project must give.
    pub(super) placeholders: usize,
    /// Its path, as a manifest writes it.
    path: String,
    /// Where the key stands in a record, and its type.
    key: Option<(String, String)>,
    /// The one name in its path, with the path of the list that it is of.
    owner: Option<(String, String)>,
}

impl DraftedStream {
    /// Reads the stream under the records of the list that its path names an element of, where that is one of `others`.
    pub(super) fn adopt(&mut self, others: &[(String, String, (String, String))]) {
        let Some((name, path)) = &self.owner else { return };
        let Some((_, parent, (pointer, typed))) = others.iter().find(|(known, ..)| known == path) else { return };
        let (setting, slices) = slices_of(name);
        let fields = format!("{{ {name}: {} }}", quoted(pointer));
        let line = format!("parent: {{ stream: {}, fields: {fields} }}", quoted(parent));
        self.text = self.text.replace(&slices, &line);
        self.settings.retain(|(known, _)| *known != setting);
        self.placeholders = 0;
        if !self.text.contains(&format!("\n      {name}: ")) {
            self.text.push_str(&format!(
                "      {name}: {{ type: {typed}, given: {name} }}  # confirm: whether it belongs to the key\n"
            ));
        }
    }

    /// What others need to be read under its records: path, name and key; nothing where it needs names itself.
    pub(super) fn as_parent(&self) -> Option<(String, String, (String, String))> {
        let key = self.key.clone().filter(|_| self.placeholders == 0)?;
        Some((self.path.clone(), self.name.clone(), key))
    }
}

/// The setting that lists what a name in a path may be, and the line that reads it.
fn slices_of(name: &str) -> (String, String) {
    let setting = format!("{name}_list");
    let line = format!("slices: {{ setting: {setting}, as: {name} }}  # confirm: where the values come from");
    (setting, line)
}

/// The page that describes a thing, where the description links one.
pub(super) fn docs_of(node: &Node<'_>) -> Option<String> {
    let url = node.get("externalDocs")?.text("url")?.trim().to_owned();
    url.starts_with("http").then_some(url)
}

/// A path with our names in its braces, and these names.
struct Path {
    text: String,
    names: Vec<String>,
    /// The last word, and the word before it.
    words: Vec<String>,
}

fn path_of(text: &str) -> Path {
    let mut path = Path { text: String::new(), names: Vec::new(), words: Vec::new() };
    for segment in text.split('/').filter(|segment| !segment.is_empty()) {
        path.text.push('/');
        let mut rest = segment;
        while let Some((before, after)) = rest.split_once('{') {
            let Some((name, after)) = after.split_once('}') else { break };
            let name = snake(name);
            path.text.push_str(&format!("{before}{{{name}}}"));
            if !path.names.contains(&name) {
                path.names.push(name);
            }
            rest = after;
        }
        path.text.push_str(&rest.replace(['{', '}'], ""));
        if !segment.contains('{') {
            path.words.push(snake(segment.split('.').next().unwrap_or(segment)));
        }
    }
    path
}

/// The name that a path suggests: its last word, with the word above it where the last is taken or says nothing.
fn name_of(path: &Path, is_taken: &impl Fn(&str) -> bool) -> String {
    const EMPTY: [&str; 8] = ["search", "query", "list", "all", "find", "index", "x", "get"];
    let last = path.words.last().cloned().unwrap_or_else(|| "rows".to_owned());
    let above = path.words.get(path.words.len().wrapping_sub(2)).cloned();
    let says_nothing = EMPTY.contains(&last.as_str());
    match above {
        Some(above) if says_nothing && !is_taken(&above) => above,
        Some(above) if says_nothing || is_taken(&last) => {
            stream_name(&snake(&format!("{}_{last}", singular(&above))), is_taken)
        }
        _ => stream_name(&last, is_taken),
    }
}

/// Drafts the stream of a list.
pub(super) fn draft_stream(
    listing: &Listing<'_>,
    document: &Document,
    is_taken: impl Fn(&str) -> bool,
) -> DraftedStream {
    let operation = &listing.operation;
    let path = path_of(operation.path);
    let name = name_of(&path, &is_taken);
    let mut columns = columns::columns(&listing.record);
    let key = columns::key(&name, &columns);
    if let Some(column) = key.and_then(|(at, _)| columns.get_mut(at)) {
        column.must_not_be_null();
    }
    let key_field = key.and_then(|(at, _)| columns.get(at)).map(|column| column.field.clone());
    let paging = paging::paging(operation, &listing.answer, &listing.records, key_field.as_deref());
    let window = windows::window(operation, &columns, &paging.used);
    if let Some(column) = window.as_ref().and_then(|window| columns.get_mut(window.column)) {
        column.must_not_be_null();
    }
    let mut settings = Vec::new();
    let mut lines: Vec<String> = Vec::new();
    let title = operation.node().text("summary").map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "));
    let title = title.filter(|title| !title.is_empty() && title.len() <= 100);
    lines.push(format!("title: {}  # confirm: what a row is", quoted(title.as_deref().unwrap_or(&name))));
    let docs = docs_of(operation.node()).or_else(|| docs_of(&document.top()));
    lines.push(match &docs {
        Some(url) => format!("docs: {}", quoted(url)),
        None => "docs: \"\"  # confirm: the page that describes it".to_owned(),
    });
    if operation.method == "post" {
        lines.push("method: post".to_owned());
    }
    lines.push(format!("path: {}", quoted(&path.text)));
    write_names(&path, &mut lines, &mut settings);
    let used: Vec<&String> = paging.used.iter().chain(window.iter().flat_map(|window| &window.used)).collect();
    write_params(operation, &used, &mut lines, &mut settings);
    let doubt = listing.doubt.map(|doubt| format!("  # confirm: {doubt}")).unwrap_or_default();
    lines.push(format!("records: {}{doubt}", quoted(&listing.records)));
    match key.and_then(|(at, doubt)| Some((columns.get(at)?, doubt))) {
        Some((column, doubt)) => {
            let doubt = doubt.map(|doubt| format!("  # confirm: {doubt}")).unwrap_or_default();
            lines.push(format!("key: [{}]{doubt}", quoted(&column.name)));
        }
        None => lines.push("append_only: true  # confirm: that no field identifies a row".to_owned()),
    }
    write_paging(&paging, docs.as_deref(), &mut lines);
    write_kind(window.as_ref(), &name, &mut lines);
    lines.push("# confirm: how deletes show: `deletes: none`, a flag, or a list of keys".to_owned());
    lines.push("columns:".to_owned());
    let mut text = format!("  {}:\n", quoted(&name));
    for line in lines {
        text.push_str(&format!("    {line}\n"));
    }
    for column in &columns {
        text.push_str(&format!("      {}\n", column.line()));
    }
    let key = key.and_then(|(at, _)| columns.get(at));
    let owner = match path.names.as_slice() {
        [sole] => path.text.split_once(&format!("/{{{sole}}}/")).map(|(above, _)| (sole.clone(), above.to_owned())),
        _ => None,
    };
    DraftedStream {
        name,
        text,
        settings,
        has_window: window.is_some(),
        placeholders: path.names.len(),
        key: key
            .map(|column| (format!("/{}", column.field.replace('~', "~0").replace('/', "~1")), column.typed.clone())),
        owner,
        path: path.text,
    }
}

/// The names in a path: the last is what the stream is sliced by, the others are settings.
fn write_names(path: &Path, lines: &mut Vec<String>, settings: &mut Vec<(String, String)>) {
    let Some((last, above)) = path.names.split_last() else { return };
    for name in above {
        settings.push((name.clone(), format!("help: {}", quoted(&format!("The `{name}` in the path")))));
    }
    let (setting, line) = slices_of(last);
    settings.push((setting.clone(), format!("type: list, help: {}", quoted(&format!("Each `{last}` to read")))));
    lines.push(line);
}

/// Parameters without which a request is refused become settings.
fn write_params(
    operation: &Operation<'_>,
    used: &[&String],
    lines: &mut Vec<String>,
    settings: &mut Vec<(String, String)>,
) {
    let mut needed: Vec<String> = Vec::new();
    for parameter in operation.parameters() {
        let is_free = !used
            .iter()
            .any(|name| name.as_str() == parameter.name || name.starts_with(&format!("{}[", parameter.name)));
        if parameter.location != Location::Query || !parameter.is_required() || !is_free {
            continue;
        }
        let takes = types(std::slice::from_ref(&parameter.schema));
        let fixed = takes.default.as_ref().or_else(|| takes.values.first().filter(|_| takes.values.len() == 1));
        match fixed.and_then(|value| {
            value.as_str().map(str::to_owned).or_else(|| value.is_number().then(|| value.to_string()))
        }) {
            Some(value) if !value.contains('{') => {
                needed.push(format!("{}: {}", quoted(parameter.name), quoted(&value)));
            }
            _ => {
                let name = snake(parameter.name);
                settings
                    .push((name.clone(), format!("help: {}", quoted(&format!("The parameter `{}`", parameter.name)))));
                needed.push(format!("{}: \"{{{name}}}\"", quoted(parameter.name)));
            }
        }
    }
    if !needed.is_empty() {
        lines.push(format!("params: {{ {} }}  # confirm: parameters that every request needs", needed.join(", ")));
    }
}

fn write_paging(paging: &paging::Paging, docs: Option<&str>, lines: &mut Vec<String>) {
    match &paging.variant {
        Some(variant) => {
            let doubt = paging.doubts.first().map(|doubt| format!("  # confirm: {doubt}")).unwrap_or_default();
            lines.push(format!("pagination: {{ {variant} }}{doubt}"));
        }
        None if paging.size.is_some() => {
            lines.push(
                "# confirm: how the next page is asked for; the description names a page size and no more".to_owned(),
            );
        }
        None => {}
    }
    if paging.loses_rows {
        lines.push("best_effort: pages of a list that changes lose rows  # confirm: or name a total".to_owned());
    }
    if let Some((param, value, is_guess)) = &paging.size {
        let doubt = if *is_guess { "  # confirm: the largest page" } else { "" };
        let source = quoted(docs.unwrap_or_default());
        lines.push(format!("page_size: {{ param: {}, value: {value}, source: {source} }}{doubt}", quoted(param)));
    }
}

fn write_kind(window: Option<&windows::Window>, name: &str, lines: &mut Vec<String>) {
    let Some(window) = window else {
        lines.push("kind: snapshot".to_owned());
        lines.push("every: 1 day  # confirm: how often the list is worth reading".to_owned());
        return;
    };
    let words = super::naming::words(name);
    let is_log =
        words.iter().any(|word| ["events", "logs", "log", "activities", "activity", "audit"].contains(&word.as_str()));
    let kind = match (window.is_update, is_log) {
        (true, _) => "mutable",
        (false, true) => "events",
        (false, false) => "restating",
    };
    lines.push("start: start_on".to_owned());
    lines.push(format!("kind: {kind}  # confirm: whether rows change after their time"));
    lines.push("window:".to_owned());
    lines.extend(window.lines.iter().map(|line| format!("  {line}")));
}
