//! Operations: what one method of one path takes and answers, in the words of either standard.
//!
//! Swagger 2.0 writes a body as a parameter and a schema beside the parameter; both are read into the same nouns here.

use super::document::server_urls;
use super::node::Node;

/// Where a parameter travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Location {
    /// In the query of the URL.
    Query,
    /// In a header.
    Header,
    /// In the path.
    Path,
    /// In a form in the body.
    Form,
    /// In a cookie, or nowhere that the standards know.
    Other,
}

impl Location {
    /// The word for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Header => "header",
            Self::Path => "path",
            Self::Form => "form",
            Self::Other => "cookie",
        }
    }
}

/// A declared parameter.
#[derive(Clone, Debug)]
pub struct Parameter<'a> {
    /// Its name.
    pub name: &'a str,
    /// Where it travels.
    pub location: Location,
    /// What it may hold.
    pub schema: Node<'a>,
    /// The declaration.
    pub node: Node<'a>,
}

impl Parameter<'_> {
    /// Whether a request without it is refused.
    pub fn is_required(&self) -> bool {
        self.node.says("required")
    }

    /// Whether an object's fields become names such as `created[gte]`.
    pub fn is_deep_object(&self) -> bool {
        self.node.text("style") == Some("deepObject")
    }
}

/// What a request may carry in its body.
#[derive(Clone, Debug)]
pub struct RequestBody<'a> {
    /// The media type, where one is said.
    pub media_type: &'a str,
    /// The schema of the body.
    pub schema: Node<'a>,
}

/// What a successful answer holds.
#[derive(Clone, Debug)]
pub struct Answer<'a> {
    /// The media type, where one is said.
    pub media_type: &'a str,
    /// Its schema, where one is said.
    pub schema: Option<Node<'a>>,
    /// Its examples.
    pub examples: Vec<Node<'a>>,
    /// Its headers.
    pub headers: Vec<(&'a str, Node<'a>)>,
}

/// One method of one path.
#[derive(Clone, Debug)]
pub struct Operation<'a> {
    /// The key under `paths`.
    pub path: &'a str,
    /// In lower case.
    pub method: &'static str,
    item: Node<'a>,
    node: Node<'a>,
}

impl<'a> Operation<'a> {
    pub(super) fn new(path: &'a str, method: &'static str, item: Node<'a>, node: Node<'a>) -> Self {
        Self { path, method, item, node }
    }

    /// The declaration.
    pub fn node(&self) -> &Node<'a> {
        &self.node
    }

    /// Whether the vendor will take it away.
    pub fn is_deprecated(&self) -> bool {
        self.node.says("deprecated")
    }

    /// URLs that replace the document's for this operation.
    pub fn servers(&self) -> Vec<String> {
        let own = server_urls(&self.node);
        if own.is_empty() { server_urls(&self.item) } else { own }
    }

    /// All declared parameters but a body; the operation's own stand before those of its path.
    pub fn parameters(&self) -> Vec<Parameter<'a>> {
        let mut all: Vec<Parameter<'a>> = Vec::new();
        for holder in [&self.node, &self.item] {
            for node in holder.get("parameters").map(|list| list.elements()).unwrap_or_default() {
                let Some(name) = node.text("name") else { continue };
                let location = match node.text("in") {
                    Some("query") => Location::Query,
                    Some("header") => Location::Header,
                    Some("path") => Location::Path,
                    Some("formData") => Location::Form,
                    Some("body") => continue,
                    _ => Location::Other,
                };
                if all.iter().any(|known| known.name == name && known.location == location) {
                    continue;
                }
                let by_content =
                    || node.get("content")?.members().into_iter().next().and_then(|(_, media)| media.child("schema"));
                let schema = node.child("schema").or_else(by_content).unwrap_or_else(|| node.clone());
                all.push(Parameter { name, location, schema, node });
            }
        }
        all
    }

    /// What the request's body may hold, one entry a media type; empty when no body is declared.
    pub fn request_bodies(&self) -> Vec<RequestBody<'a>> {
        if let Some(content) = self.node.child("requestBody").and_then(|body| body.get("content")) {
            let of_media = |(media_type, media): (&'a str, Node<'a>)| {
                media.child("schema").map(|schema| RequestBody { media_type, schema })
            };
            return content.members().into_iter().filter_map(of_media).collect();
        }
        let holders = [&self.node, &self.item];
        let listed = holders.iter().filter_map(|holder| holder.get("parameters")).flat_map(|list| list.elements());
        let bodies = listed.filter(|node| node.text("in") == Some("body"));
        bodies.filter_map(|node| node.child("schema")).map(|schema| RequestBody { media_type: "", schema }).collect()
    }

    /// Whether a body is declared, with or without a schema.
    pub fn takes_a_body(&self) -> bool {
        self.node.get("requestBody").is_some()
            || !self.request_bodies().is_empty()
            || self.parameters().iter().any(|parameter| parameter.location == Location::Form)
    }

    /// The first successful answer that says what it holds, else the first successful one.
    pub fn answer(&self) -> Option<Answer<'a>> {
        let responses = self.node.get("responses")?.members();
        let rank = |code: &str| match code {
            "200" => 0,
            "2XX" | "2xx" => 1,
            _ if code.starts_with('2') => 2,
            "default" => 3,
            _ => 4,
        };
        let mut good: Vec<(u8, Answer<'a>)> = responses
            .into_iter()
            .filter(|(code, _)| rank(code) < 4)
            .map(|(code, node)| (rank(code), answer_of(&node.followed())))
            .collect();
        good.sort_by_key(|(rank, answer)| (answer.schema.is_none() && answer.examples.is_empty(), *rank));
        good.into_iter().next().map(|(_, answer)| answer)
    }
}

fn answer_of<'a>(response: &Node<'a>) -> Answer<'a> {
    let headers = response.get("headers").map(|headers| headers.members()).unwrap_or_default();
    let mut media: Vec<(&'a str, Node<'a>)> =
        response.get("content").map(|content| content.members()).unwrap_or_default();
    media.sort_by_key(|(name, _)| !name.contains("json"));
    if let Some((media_type, media)) = media.into_iter().next() {
        let mut examples: Vec<Node<'a>> = media.child("example").into_iter().collect();
        let named = media.get("examples").map(|examples| examples.members()).unwrap_or_default();
        examples.extend(named.into_iter().filter_map(|(_, example)| example.followed().child("value")));
        return Answer { media_type, schema: media.child("schema"), examples, headers };
    }
    // Swagger 2.0.
    let examples = response.get("examples").map(|examples| examples.members()).unwrap_or_default();
    Answer {
        media_type: "",
        schema: response.child("schema"),
        examples: examples.into_iter().map(|(_, example)| example).collect(),
        headers,
    }
}
