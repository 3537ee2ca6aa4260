//! How to call an API: where it is, how much it allows, how it says no.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::auth::Auth;
use crate::decoding::Pointer;
use crate::expression::{Expression, Template, ValueManifest};
use crate::manifest::fact::Fact;
use crate::manifest::limits::{CostManifest, Limit, Quota};
use crate::manifest::ordered::{OneOrMany, Ordered};
use crate::manifest::request::{GraphqlBody, HostsManifest, QueryManifest, TextBody};
use crate::refusal::ErrorRule;

/// What all streams of a connector share when they call the API.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HttpManifest {
    /// Where paths start, e.g. `https://api.stripe.com/v1`, or `{origin}` for a self-hosted product. Its origin is pinned.
    pub base_url: Template,
    /// Hosts of regions, one of which a setting chooses; `{host}` in `base_url` stands for it.
    #[serde(default)]
    pub hosts: Option<HostsManifest>,
    /// Names for what is worked out of settings, for placeholders where no expression can stand, such as those of `base_url`.
    #[serde(default)]
    pub values: Ordered<ValueManifest>,
    /// How a request proves who sends it.
    #[serde(default)]
    pub auth: Auth,
    /// Headers of every request.
    #[serde(default)]
    pub headers: Ordered<ValueManifest>,
    /// How query parameters and forms are written.
    #[serde(default)]
    pub query: QueryManifest,
    /// What a credential may ask for; all its streams share it. `not_published` when absent, which `lint` asks to be said.
    #[serde(default)]
    pub limits: Option<Fact<Vec<Limit>>>,
    /// How answers tell how much is left; one quota, or a list of them.
    #[serde(default)]
    pub quota: Option<OneOrMany<Quota>>,
    /// What a request costs, for limits in points.
    #[serde(default)]
    pub cost: Option<CostManifest>,
    /// What is done about answers that are no data, after the stream's own rules; the first that holds decides.
    #[serde(default)]
    pub errors: Vec<ErrorRule>,
    /// A field of a body that means an error although the status is 200, where no rule of `errors` speaks of it.
    #[serde(default)]
    pub error_in_body: Option<ErrorInBody>,
    /// Other origins, such as `https://cdn.example.com`, that a next-page URL or a redirect may lead to.
    #[serde(default)]
    pub other_origins: Vec<String>,
}

impl HttpManifest {
    /// The limits that are known, whoever vouches for them.
    pub fn known_limits(&self) -> Option<&[Limit]> {
        match self.limits.as_ref()? {
            Fact::NotPublished => None,
            Fact::Stated(limits) | Fact::Published { value: limits, .. } | Fact::Assumed { value: limits, .. } => {
                Some(limits.as_slice())
            }
        }
    }
}

/// A field of a body that means an error.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ErrorInBody {
    /// The field: anything but absent, null, false, `""`, `[]` and `{}` is an error.
    pub field: Pointer,
    /// Where the text for people stands; the field itself when absent.
    #[serde(default)]
    pub message: Option<Pointer>,
}

/// A request's method.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// `GET`.
    #[default]
    Get,
    /// `GET` with a body, for APIs that take a query there all the same.
    GetWithBody,
    /// `POST`, for APIs that take a query in the body; it must change nothing at the source.
    Post,
    /// `PUT`, as some exports are ordered.
    Put,
    /// `PATCH`.
    Patch,
    /// `DELETE`, to clean up an export after it was read.
    Delete,
    /// `HEAD`, where only the head of an answer is of interest.
    Head,
}

impl Method {
    /// Its name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Get | Self::GetWithBody => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Head => "HEAD",
        }
    }
}

/// The body of a request.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BodyManifest {
    /// JSON; texts may hold placeholders.
    Json(serde_json::Value),
    /// An HTML form.
    Form(Ordered<ValueManifest>),
    /// Plain text, such as a query in a language of its own.
    Text(TextBody),
    /// A GraphQL query.
    Graphql(GraphqlBody),
    /// JSON that an expression makes, e.g. `{'ids': ids, 'from': from | unix_millis}`; fields that are null are left out.
    Computed(Expression),
}
