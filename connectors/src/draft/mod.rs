//! Drafts a manifest from an API description: what the description says is written down, what it does not say is marked.
//!
//! A draft is a beginning that runs, not a claim. Every guess carries `# confirm:` with what to look up, and what nobody can guess, such
//! as how deletes show, is left out, so that `lint` asks for it.

mod access;
mod columns;
mod listing;
mod naming;
mod paging;
mod stream;
mod windows;
mod writing;

use headwater_contract::{ErrorKind, Explain};
use thiserror::Error;

use crate::description::{Description, Document};
pub(crate) use naming::{free, is_money, snake};
pub(crate) use writing::quoted;

/// Most streams of a draft where nobody names them; more would be read by nobody.
pub const STREAMS_MAX: usize = 40;

/// What to draft.
#[derive(Clone, Debug, Default)]
pub struct DraftOptions {
    /// The connector's name; made from the vendor's when absent.
    pub name: Option<String>,
    /// The streams to keep; the first [`STREAMS_MAX`] when empty.
    pub streams: Vec<String>,
    /// The title of the document, where a description has several; the one with most lists when absent.
    pub document: Option<String>,
}

/// A drafted manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// The connector's name.
    pub name: String,
    /// The manifest.
    pub text: String,
    /// Its streams.
    pub streams: Vec<String>,
    /// Streams that it could have too.
    pub left_out: Vec<String>,
    /// How many places a person must confirm.
    pub to_confirm: usize,
}

/// Why there is no draft.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DraftError {
    /// No document has the title.
    #[error("the description has no document `{title}`; it has {known}")]
    NoDocument {
        /// What was asked for.
        title: String,
        /// What there is.
        known: String,
    },
    /// No operation answers with a list of objects.
    #[error("no operation of `{document}` answers with a list of objects")]
    NoLists {
        /// The document.
        document: String,
    },
    /// A stream that was asked for is not there.
    #[error("the description has no list `{name}`; it has {known}")]
    NoStream {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
}

impl Explain for DraftError {
    fn code(&self) -> &'static str {
        match self {
            Self::NoDocument { .. } => "draft-no-document",
            Self::NoLists { .. } => "draft-no-lists",
            Self::NoStream { .. } => "draft-no-stream",
        }
    }

    fn kind(&self) -> ErrorKind {
        ErrorKind::Config
    }

    fn place(&self) -> String {
        String::new()
    }

    fn fix(&self) -> String {
        match self {
            Self::NoDocument { .. } => "name one of them".to_owned(),
            Self::NoLists { .. } => {
                "write the manifest by hand: `headwater connectors new` makes the first lines".to_owned()
            }
            Self::NoStream { .. } => "name some of them, or leave `--streams` out".to_owned(),
        }
    }

    fn committed(&self) -> String {
        "nothing was written".to_owned()
    }
}

/// Drafts a manifest from a description.
///
/// # Errors
///
/// [`DraftError`] when the description has no list, or not what was asked for.
pub fn draft(description: &Description, options: &DraftOptions) -> Result<Draft, DraftError> {
    let documents = &description.documents;
    let document = if let Some(title) = &options.document {
        documents.iter().find(|document| document.title == *title).ok_or_else(|| {
            let known: Vec<String> = documents.iter().map(|one| format!("`{}`", one.title)).collect();
            DraftError::NoDocument { title: title.clone(), known: known.join(", ") }
        })?
    } else {
        let by_lists = documents.iter().rev().max_by_key(|document| listing::listings(document).len());
        by_lists.ok_or_else(|| DraftError::NoLists { document: description.vendor.clone() })?
    };
    draft_document(&description.vendor, description.category.as_deref(), document, options)
}

/// Drafts a manifest from one document of a vendor.
///
/// # Errors
///
/// As [`draft`].
pub fn draft_document(
    vendor: &str,
    category: Option<&str>,
    document: &Document,
    options: &DraftOptions,
) -> Result<Draft, DraftError> {
    let name = options.name.clone().unwrap_or_else(|| snake(vendor).replace('_', "-"));
    let mut access = access::access(document);
    let mut drafted: Vec<stream::DraftedStream> = Vec::new();
    for listing in listing::listings(document) {
        let stream = stream::draft_stream(&listing, document, |name| drafted.iter().any(|other| other.name == name));
        drafted.push(stream);
    }
    if drafted.is_empty() {
        return Err(DraftError::NoLists { document: document.title.clone() });
    }
    let known = drafted.iter().map(|stream| format!("`{}`", stream.name)).collect::<Vec<_>>().join(", ");
    for name in &options.streams {
        if !drafted.iter().any(|stream| stream.name == *name) {
            return Err(DraftError::NoStream { name: name.clone(), known });
        }
    }
    let (kept, left_out): (Vec<_>, Vec<_>) = if options.streams.is_empty() {
        // Lists that need nothing but a credential come first.
        drafted.sort_by_key(|stream| stream.placeholders);
        let rest = drafted.split_off(drafted.len().min(STREAMS_MAX));
        (drafted, rest)
    } else {
        drafted.into_iter().partition(|stream| options.streams.contains(&stream.name))
    };
    let mut kept = kept;
    let parents: Vec<_> = kept.iter().filter_map(stream::DraftedStream::as_parent).collect();
    for stream in &mut kept {
        stream.adopt(&parents);
    }
    for stream in &kept {
        for (name, body) in &stream.settings {
            access.setting(name, body);
        }
    }
    if kept.iter().any(|stream| stream.has_window) {
        access.setting("start_on", "type: date, help: \"First UTC day to load\"");
    }
    let text = write(&name, vendor, category, document, &access, &kept);
    Ok(Draft {
        name,
        to_confirm: text.matches("# confirm:").count(),
        text,
        streams: kept.into_iter().map(|stream| stream.name).collect(),
        left_out: left_out.into_iter().map(|stream| stream.name).collect(),
    })
}

fn write(
    name: &str,
    vendor: &str,
    category: Option<&str>,
    document: &Document,
    access: &access::Access,
    streams: &[stream::DraftedStream],
) -> String {
    let title = if document.title.trim().is_empty() { vendor } else { document.title.trim() };
    let one_line = title.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut text = format!(
        "# {one_line}: drafted from the API description{}. Look at every `# confirm:`, then at what `lint` says.\n",
        if document.version.is_empty() { String::new() } else { format!(", version {}", document.version.trim()) }
    );
    text.push_str(&format!("manifest: 1\nconnector: {}\ntitle: {}\n", quoted(name), quoted(&one_line)));
    match stream::docs_of(&document.top()) {
        Some(url) => text.push_str(&format!("docs: {}\n", quoted(&url))),
        None => text.push_str("docs: \"\"  # confirm: the page that describes the API\n"),
    }
    if let Some(category) = category {
        text.push_str(&format!("category: {}\n", quoted(category)));
    }
    if vendor != name {
        text.push_str(&format!("description: {}\n", quoted(vendor)));
    }
    if !document.version.trim().is_empty() {
        text.push_str(&format!("api: {{ version: {} }}\n", quoted(document.version.trim())));
    }
    if !access.settings.is_empty() {
        text.push_str("\nsettings:\n");
        for setting in &access.settings {
            text.push_str(&format!("  {}: {{ {} }}\n", setting.name, setting.body));
        }
    }
    let doubt = |doubt: Option<&str>| doubt.map(|doubt| format!("  # confirm: {doubt}")).unwrap_or_default();
    text.push_str(&format!("\nhttp:\n  base_url: {}{}\n", quoted(&access.base_url), doubt(access.base_doubt)));
    if let Some(auth) = &access.auth {
        text.push_str(&format!("  auth: {{ {auth} }}{}\n", doubt(access.auth_doubt.as_deref())));
    } else if let Some(why) = &access.auth_doubt {
        text.push_str(&format!("  # confirm: {why}\n"));
    }
    text.push_str("  limits: not_published  # confirm: the requests that a credential may make\n\nstreams:\n");
    for (at, stream) in streams.iter().enumerate() {
        if at > 0 {
            text.push('\n');
        }
        text.push_str(&stream.text);
    }
    text
}

/// The name of a stream among those taken.
fn stream_name(wanted: &str, is_taken: impl Fn(&str) -> bool) -> String {
    free(wanted, is_taken)
}

#[cfg(test)]
mod tests;
