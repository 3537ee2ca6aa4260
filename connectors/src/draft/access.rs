//! Where an API is and how a request proves who sends it, from `servers` and the declared security schemes.

use crate::description::{Document, Node};

use super::naming::{free, snake};
use super::writing::quoted;

/// A setting that a draft declares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Setting {
    pub(super) name: String,
    /// What stands in its braces.
    pub(super) body: String,
}

/// The head of a draft: settings and `http`.
#[derive(Clone, Debug, Default)]
pub(super) struct Access {
    pub(super) settings: Vec<Setting>,
    pub(super) base_url: String,
    pub(super) base_doubt: Option<&'static str>,
    pub(super) auth: Option<String>,
    pub(super) auth_doubt: Option<String>,
}

impl Access {
    /// Declares a setting, or finds the one of this name.
    pub(super) fn setting(&mut self, name: &str, body: &str) {
        if !self.settings.iter().any(|setting| setting.name == name) {
            self.settings.push(Setting { name: name.to_owned(), body: body.to_owned() });
        }
    }

    fn secret(&mut self, name: &str, help: &str) -> String {
        let name = free(&snake(name), |name| self.settings.iter().any(|setting| setting.name == name));
        self.setting(&name, &format!("secret: true, help: {}", quoted(help)));
        name
    }
}

/// Reads the head off a document.
pub(super) fn access(document: &Document) -> Access {
    let mut access = Access::default();
    base_url(document, &mut access);
    auth(document, &mut access);
    access
}

fn base_url(document: &Document, access: &mut Access) {
    let servers = document.servers();
    let absolute = servers
        .iter()
        .find(|url| url.starts_with("https://"))
        .or_else(|| servers.iter().find(|url| url.contains("://")));
    let (text, origin) = match absolute {
        Some(url) => (url.clone(), false),
        None => (servers.first().cloned().unwrap_or_default(), true),
    };
    let text = text.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/').replace(' ', "%20");
    if origin {
        access.setting("origin", "type: origin, help: \"Where the API is, e.g. https://api.example.com\"");
        access.base_doubt = Some("the description does not say where the API is");
        let path = if text.is_empty() || text.starts_with('/') { text } else { format!("/{text}") };
        access.base_url = format!("{{origin}}{}", with_settings(&path, access));
        return;
    }
    let filled = with_settings(&text, access);
    if filled.starts_with('{') {
        // A URL that begins with a name is an origin of the project's.
        access.base_doubt = Some("the setting must hold the whole origin");
    }
    access.base_url = filled;
}

/// A text whose placeholders become settings.
fn with_settings(text: &str, access: &mut Access) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once('{') {
        let Some((name, after)) = after.split_once('}') else { break };
        out.push_str(before);
        let name = snake(name);
        access.setting(&name, &format!("help: {}", quoted(&format!("The `{name}` in the API's address"))));
        out.push_str(&format!("{{{name}}}"));
        rest = after;
    }
    out.push_str(&rest.replace(['{', '}'], ""));
    out
}

fn auth(document: &Document, access: &mut Access) {
    let schemes = document.security_schemes();
    let required: Vec<&str> = document
        .top()
        .get("security")
        .map(|list| list.elements())
        .unwrap_or_default()
        .iter()
        .flat_map(Node::members)
        .map(|(name, _)| name)
        .collect();
    let is_required = |name: &str| required.is_empty() || required.contains(&name);
    let ranked = schemes.iter().filter_map(|(name, scheme)| Some((!is_required(name), rank(scheme)?, scheme)));
    let Some((_, _, scheme)) = ranked.min_by_key(|(is_optional, rank, _)| (*is_optional, *rank)) else {
        access.auth_doubt = Some("the description declares no way to log in".to_owned());
        return;
    };
    let kind = scheme.text("type").unwrap_or_default();
    let word = scheme.text("scheme").unwrap_or_default().to_ascii_lowercase();
    match (kind, word.as_str(), scheme.text("in")) {
        ("basic", ..) | ("http", "basic", _) => {
            access.setting("user", "help: \"The user, or the API key where the vendor takes it as the user\"");
            let password = access.secret("password", "The password; an empty one where the key is the user");
            access.auth = Some(format!("basic: {{ user: user, password: {password} }}"));
        }
        ("apiKey", _, Some("query")) => {
            let param = scheme.text("name").unwrap_or("api_key");
            let secret = access.secret("api_key", "An API key that may read");
            access.auth = Some(format!("query: {{ param: {}, value: {secret} }}", quoted(param)));
        }
        ("apiKey", ..) => {
            let header = scheme.text("name").unwrap_or("Authorization");
            let secret = access.secret("api_key", "An API key that may read");
            access.auth = Some(format!("header: {{ name: {}, value: {secret} }}", quoted(header)));
            if header.eq_ignore_ascii_case("authorization") {
                access.auth_doubt =
                    Some("whether a word such as `Bearer ` stands before the key (`prefix:`)".to_owned());
            }
        }
        ("oauth2", ..) => {
            oauth2(scheme, access);
        }
        _ => {
            let secret = access.secret("token", "An API token that may read");
            access.auth = Some(format!("bearer: {secret}"));
        }
    }
}

/// A program that runs alone logs in as itself, else with a refresh token that a person once gave it.
fn oauth2(scheme: &Node<'_>, access: &mut Access) {
    let flow = |names: [&str; 2]| {
        let flows = scheme.get("flows");
        let found = names.iter().find_map(|name| flows.as_ref().and_then(|flows| flows.get(name)));
        // Swagger 2.0 names one flow beside the scheme.
        let own = || scheme.text("flow").filter(|flow| names.contains(flow)).map(|_| scheme.clone());
        let url = found.or_else(own)?.text("tokenUrl")?.trim().to_owned();
        (url.starts_with("https://") || url.starts_with('/')).then_some(url).filter(|url| !url.contains(['{', '}']))
    };
    let alone = flow(["clientCredentials", "application"]);
    let (url, grant) = match (alone, flow(["authorizationCode", "accessCode"])) {
        (Some(url), _) => (url, "client_credentials".to_owned()),
        (None, Some(url)) => {
            let secret = access.secret("refresh_token", "A refresh token that a person with read access gave");
            (url, format!("{{ refresh_token: {secret} }}"))
        }
        (None, None) => {
            let secret = access.secret("access_token", "An access token that may read");
            access.auth = Some(format!("bearer: {secret}"));
            access.auth_doubt =
                Some("the description asks for OAuth 2 and does not say where tokens are issued".to_owned());
            return;
        }
    };
    access.setting("client_id", "help: \"The client id of an app registered with the vendor\"");
    let secret = access.secret("client_secret", "The client secret of that app");
    let client = format!("{{ id: client_id, secret: {secret} }}");
    access.auth = Some(format!("oauth2: {{ token_url: {}, grant: {grant}, client: {client} }}", quoted(&url)));
    access.auth_doubt = Some("the scopes that reading needs (`scopes:`)".to_owned());
}

/// How well a scheme serves a program that runs alone.
fn rank(scheme: &Node<'_>) -> Option<u8> {
    let word = scheme.text("scheme").unwrap_or_default().to_ascii_lowercase();
    Some(match (scheme.text("type")?, word.as_str(), scheme.text("in")) {
        ("http", "bearer", _) => 0,
        ("apiKey", _, Some("header")) => 1,
        ("http", "basic", _) | ("basic", ..) => 2,
        ("apiKey", _, Some("query")) => 3,
        ("oauth2" | "openIdConnect", ..) => 4,
        _ => return None,
    })
}
