//! How a request is written: lists and characters of the query, texts and GraphQL in the body, other ways for young windows.

use std::collections::BTreeMap;

use headwater_contract::Span;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use crate::expression::{Scope, Template, ValueManifest};
use crate::manifest::ordered::Ordered;

/// How query parameters and forms are written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct QueryManifest {
    /// How a list is written; `repeat` when absent.
    pub lists: ListStyle,
    /// The same for single parameters.
    pub params: BTreeMap<String, ListStyle>,
    /// Characters that the API wants as they are, e.g. `":,()"`. `&`, `#`, `+` and `%` are always encoded.
    pub keep: Option<String>,
    /// How a space is written; `plus` when absent.
    pub spaces: SpaceStyle,
}

/// How a list is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ListStyle {
    /// `id=1&id=2`.
    #[default]
    Repeat,
    /// `id[]=1&id[]=2`.
    Brackets,
    /// `id=1,2`.
    Comma,
    /// `id=[1,2]`.
    Json,
}

/// How a space is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SpaceStyle {
    /// `+`.
    #[default]
    Plus,
    /// `%20`.
    Percent,
}

/// A body that is plain text.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TextBody {
    /// The text.
    pub content: ValueManifest,
    /// Its `Content-Type`; `text/plain` when absent.
    #[serde(default)]
    pub content_type: Option<String>,
}

/// A GraphQL query. `errors` in its answer are an error, whatever the status says.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GraphqlBody {
    /// The query, sent as it stands; `...columns` in it stands for the selection of the stream's columns.
    pub query: String,
    /// Variables; texts may hold placeholders. Pages and windows set them by pointers such as `/variables/after`.
    #[serde(default)]
    pub variables: Option<Value>,
}

impl GraphqlBody {
    /// What stands for the selection of the columns.
    pub const COLUMNS: &'static str = "...columns";

    /// The query with the selection of the columns, which `scope` knows as `selection`.
    pub(crate) fn query_with(&self, scope: &Scope) -> String {
        match scope.get("selection") {
            Some(selection) => self.query.replace(Self::COLUMNS, &selection.to_string()),
            None => self.query.clone(),
        }
    }
}

/// Another way to ask for windows that are young, for APIs that keep what is recent elsewhere.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AgeManifest {
    /// Windows that begin less than this before the request take this way; the first that fits counts.
    pub younger_than: Span,
    /// The path in place of the stream's.
    #[serde(default)]
    pub path: Option<Template>,
    /// Query parameters over the stream's.
    #[serde(default)]
    pub params: Option<Ordered<ValueManifest>>,
}

/// Hosts of regions or editions: a setting chooses one, and `{host}` in `base_url` stands for it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HostsManifest {
    /// The setting that chooses.
    pub setting: String,
    /// Its values with their hosts, e.g. `eu: api.eu.example.com`.
    pub of: Ordered<String>,
}
