//! The vocabulary of manifests: typed structs that a YAML file is read into.
//!
//! Reading order is a request's order: who, secrets, how to call, which stream, which part, what comes back. Variants are
//! single-key maps and unknown keys are errors, because with these two an error can name line, column and the allowed names.

mod column;
mod error;
mod fact;
mod http;
mod limits;
mod lines;
mod ordered;
mod request;
mod settings;
mod stream;

pub use column::{ChildManifest, ColumnManifest, TypeManifest};
pub use error::ManifestError;
pub use fact::Fact;
pub use http::{BodyManifest, ErrorInBody, HttpManifest, Method};
pub use limits::{ActualCost, CostManifest, Limit, Quota, QuotaFields, Refill, Share, SharedBy, UsedOfLimit};
pub use lines::Lines;
pub use ordered::{OneOrMany, Ordered};
pub use request::{AgeManifest, GraphqlBody, HostsManifest, ListStyle, QueryManifest, SpaceStyle, TextBody};
pub use settings::{
    QUOTA_SHARE, STREAMS, SettingError, SettingInfo, SettingManifest, SettingType, SettingValue, Settings,
};
pub use stream::{
    ChainManifest, ChainStart, CountedSpan, DeletesManifest, Droppable, Erratum, FlagManifest, ForEachManifest,
    Instant, KeyListManifest, KeyScope, LengthManifest, LengthSettings, PageSize, ParameterManifest, ResultCap,
    StreamManifest, WindowManifest, WindowRequest,
};

pub(crate) use headwater_contract::yaml;
use schemars::JsonSchema;
use serde::Deserialize;

/// The version of the vocabulary that this engine reads.
pub const VERSION: u32 = 1;

/// One connector: everything that is particular to one API.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of the vocabulary: 1.
    pub manifest: u32,
    /// The connector's name: `a-z`, `0-9`, `_` and `-`.
    pub connector: String,
    /// The product's name.
    pub title: String,
    /// The page that describes the API.
    pub docs: String,
    /// What the product is for, in a word: `crm`, `payments`, `marketing`. The index of all connectors is ordered by it.
    #[serde(default)]
    pub category: Option<String>,
    /// The version of the API that the streams are written for.
    #[serde(default)]
    pub api: Option<ApiManifest>,
    /// The vendor's name among the API descriptions that `connectors verify` reads; the connector's own name when absent.
    #[serde(default)]
    pub description: Option<String>,
    /// What a project must or may give.
    #[serde(default)]
    pub settings: Ordered<SettingManifest>,
    /// Rules of `connectors lint` that it does not keep, by their words, each with the reason.
    #[serde(default)]
    pub waive: Option<Ordered<String>>,
    /// How to call the API.
    pub http: HttpManifest,
    /// Keys for all streams; a stream's own key replaces it whole.
    #[serde(default)]
    pub defaults: Option<StreamManifest>,
    /// Streams whose particulars a project gives, for products that hold anybody's tables.
    #[serde(default)]
    pub templates: Ordered<StreamManifest>,
    /// The streams.
    #[serde(default)]
    pub streams: Ordered<StreamManifest>,
}

/// A version of an API, and how long it lives.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApiManifest {
    /// The vendor's name for it, e.g. `2024-06-20` or `v3`.
    pub version: String,
    /// The first UTC day on which the vendor does not answer it any more; absent while none is announced.
    #[serde(default)]
    pub sunset: Option<chrono::NaiveDate>,
    /// The page that says so.
    #[serde(default)]
    pub source: Option<String>,
}

impl Manifest {
    /// Reads a manifest; `origin` is the file's name, for errors.
    ///
    /// # Errors
    ///
    /// [`ManifestError::Unreadable`] with line, column, snippet and the allowed names, or [`ManifestError::Version`].
    pub fn parse(text: &str, origin: &str) -> Result<Self, ManifestError> {
        let manifest: Self = yaml::from_str(text).map_err(|error| ManifestError::unreadable(error, origin))?;
        if manifest.manifest != VERSION {
            return Err(ManifestError::Version {
                file: origin.to_owned(),
                found: manifest.manifest,
                line: Lines::index(text).of("manifest"),
            });
        }
        Ok(manifest)
    }
}

/// The JSON Schema of manifests, for editors.
pub fn json_schema() -> serde_json::Value {
    let mut schema = schemars::schema_for!(Manifest);
    schema.insert("title".to_owned(), "Headwater connector manifest".into());
    schema.to_value()
}

#[cfg(test)]
mod tests;
