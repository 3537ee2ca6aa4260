//! How much a vendor allows: declared limits, quotas that answers tell of, and what a request costs.

use std::borrow::Cow;
use std::fmt;

use headwater_contract::Span;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};

use crate::decoding::Pointer;
use crate::expression::ValueManifest;
use crate::limits::{MomentFormat, WallClock};
use crate::refusal::Pattern;

/// At most so much per period, or so many requests at a time. It names one of `requests`, `points`, `bytes` and `concurrent`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limit {
    /// Requests per period.
    pub requests: Option<u32>,
    /// Points per period; `cost` says how many a request takes.
    pub points: Option<f64>,
    /// Bytes of answers per period.
    pub bytes: Option<u64>,
    /// Requests at a time.
    pub concurrent: Option<u32>,
    /// The period: so much within any stretch of this length, wherever it begins.
    pub per: Option<Span>,
    /// In place of `per`: the time of day at which a day's allowance is full again. What is used up parks the work until then.
    pub resets: Option<WallClock>,
    /// The share of it that we use, e.g. `40 %`; the rest is left to others.
    pub use_at_most: Option<Share>,
    /// Only requests of these streams count.
    pub streams: Option<Vec<String>>,
    /// Only requests whose path matches count.
    pub path: Option<Pattern>,
    /// Who shares it; `credential` when absent.
    pub shared_by: SharedBy,
    /// The page that says so.
    pub source: String,
}

/// Who shares a limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SharedBy {
    /// All requests with this credential.
    #[default]
    Credential,
    /// All requests to this host, whatever their credential.
    Host,
}

impl Limit {
    /// The limit for people: `5000 requests per 1 hour`.
    pub fn words(&self) -> String {
        let amount = match (self.requests, self.points, self.bytes, self.concurrent) {
            (Some(requests), ..) => format!("{requests} requests"),
            (_, Some(points), ..) => format!("{points} points"),
            (_, _, Some(bytes), _) => format!("{bytes} bytes"),
            (.., concurrent) => format!("{} requests at a time", concurrent.unwrap_or_default()),
        };
        match (self.per, &self.resets) {
            (Some(per), _) => format!("{amount} per {per}"),
            (None, Some(clock)) => format!("{amount} a day, full again at {clock}"),
            (None, None) => amount,
        }
    }

    /// What contradicts itself in it, and what to write.
    pub fn contradiction(&self) -> Option<(&'static str, &'static str)> {
        let measures =
            [self.requests.is_some(), self.points.is_some(), self.bytes.is_some(), self.concurrent.is_some()];
        let periods = usize::from(self.per.is_some()) + usize::from(self.resets.is_some());
        let is_zero = self.requests == Some(0)
            || self.bytes == Some(0)
            || self.concurrent == Some(0)
            || self.points.is_some_and(|points| !points.is_finite() || points <= 0.0)
            || self.per.is_some_and(Span::is_zero);
        match measures.into_iter().filter(|is_there| *is_there).count() {
            1 if is_zero => Some(("a limit of nothing", "write a number above 0, and a period above 0")),
            1 if self.concurrent.is_some() && periods > 0 => {
                Some(("`concurrent` has no period", "remove `per` and `resets`"))
            }
            1 if self.concurrent.is_none() && periods != 1 => {
                Some(("a limit has one period", "write `per: 1 minute`, or `resets:` with a time of day"))
            }
            1 => None,
            _ => Some(("a limit has one measure", "write one of `requests`, `points`, `bytes` and `concurrent`")),
        }
    }
}

/// How much of a quota is left, as answers tell.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Quota {
    /// Header with what is left; at 0 the source rests until `reset`.
    pub remaining: Option<String>,
    /// Header with what was used, where `limit` says of how much.
    pub used: Option<String>,
    /// Header with the whole quota.
    pub limit: Option<String>,
    /// A header that says used and whole at once, such as `32/40`.
    pub used_of_limit: Option<UsedOfLimit>,
    /// Fields of the body in place of headers.
    pub fields: Option<QuotaFields>,
    /// Header with the time at which it is full again.
    pub reset: Option<String>,
    /// How that time is written.
    pub reset_format: MomentFormat,
    /// How fast it fills up, where no header says when it is full again.
    pub refills: Option<Refill>,
    /// The share of the whole that we use, e.g. `90 %`; the rest is left to others.
    pub use_at_most: Option<Share>,
    /// The page that says so.
    pub source: String,
}

/// A header that says used and whole at once.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UsedOfLimit {
    /// Its name.
    pub header: String,
    /// Its first group is what was used, its second the whole; `(\d+)\s*/\s*(\d+)` when absent.
    #[serde(default)]
    pub matches: Option<Pattern>,
}

/// Fields of a body that tell of a quota.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct QuotaFields {
    /// What is left.
    pub remaining: Pointer,
    /// The whole.
    #[serde(default)]
    pub limit: Option<Pointer>,
    /// How much it fills up in a second.
    #[serde(default)]
    pub refills_per_second: Option<Pointer>,
    /// The time at which it is full again, written as `reset_format` says.
    #[serde(default)]
    pub reset: Option<Pointer>,
}

/// How fast a quota fills up.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Refill {
    /// So much.
    pub amount: f64,
    /// In this time.
    pub per: Span,
}

/// What a request costs, in points.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CostManifest {
    /// Before it is sent: a number, or an expression over the request's names; 1 when absent. A stream's own `cost` wins.
    pub estimate: Option<ValueManifest>,
    /// Where the answer says what it cost.
    pub actual: Option<ActualCost>,
}

/// Where an answer says what it cost.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ActualCost {
    /// In a response header.
    Header(String),
    /// In a field of the body.
    Field(Pointer),
}

/// A share above 0 up to the whole: `40 %`, or `0.4`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Share(f64);

impl Share {
    /// The whole.
    pub const WHOLE: Self = Self(1.0);

    /// The share as a number above 0 and up to 1; `None` for others.
    pub fn new(share: f64) -> Option<Self> {
        (share > 0.0 && share <= 1.0).then_some(Self(share))
    }

    /// Reads `40 %` or `0.4`.
    pub fn parse(text: &str) -> Option<Self> {
        match text.trim().strip_suffix('%') {
            Some(percent) => Self::new(percent.trim().parse::<f64>().ok()? / 100.0),
            None => Self::new(text.trim().parse().ok()?),
        }
    }

    /// The number.
    pub fn get(self) -> f64 {
        self.0
    }
}

struct ShareVisitor;

impl Visitor<'_> for ShareVisitor {
    type Value = Share;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a share such as `40 %`")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Share, E> {
        Share::parse(text).ok_or_else(|| E::custom(format!("`{text}` is no share: write e.g. `40 %`")))
    }

    fn visit_f64<E: Error>(self, share: f64) -> Result<Share, E> {
        Share::new(share).ok_or_else(|| E::custom(format!("`{share}` is no share: write e.g. `40 %`")))
    }

    fn visit_u64<E: Error>(self, share: u64) -> Result<Share, E> {
        if share == 1 { Ok(Share::WHOLE) } else { self.visit_str(&share.to_string()) }
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ShareVisitor)
    }
}

impl JsonSchema for Share {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Share".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "number"], "description": "A share above 0 up to the whole: `40 %`, or 0.4" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_limits_that_contradict_themselves_and_shares_that_are_none() {
        for text in [
            "{ source: x }",
            "{ requests: 1, bytes: 2, per: 1 day, source: x }",
            "{ requests: 1, source: x }",
            "{ requests: 0, per: 1 day, source: x }",
            "{ requests: 1, per: 0, source: x }",
            "{ concurrent: 1, per: 1 day, source: x }",
            "{ requests: 1, per: 1 day, resets: { time: '00:00', zone: UTC }, source: x }",
        ] {
            let limit: Limit = crate::manifest::yaml::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert!(limit.contradiction().is_some(), "{text}");
        }
        for text in ["0 %", "101 %", "half", "1.5", "-1", "NaN"] {
            assert_eq!(Share::parse(text), None, "{text}");
        }
    }

    #[test]
    fn reads_limits_and_shares() {
        for text in [
            "{ requests: 1, per: 1 day, source: x }",
            "{ points: 10.5, resets: { time: '00:00', zone: UTC }, use_at_most: 40 %, source: x }",
            "{ concurrent: 2, shared_by: host, source: x }",
        ] {
            assert_eq!(crate::manifest::yaml::from_str::<Limit>(text).unwrap().contradiction(), None, "{text}");
        }
        let words = |text: &str| crate::manifest::yaml::from_str::<Limit>(text).unwrap().words();
        assert_eq!(
            words("{ points: 10, resets: { time: '08:30', zone: Europe/Berlin } }"),
            "10 points a day, full again at 08:30 Europe/Berlin"
        );
        assert_eq!(words("{ requests: 5000, per: 1 hour }"), "5000 requests per 1 hour");
        assert_eq!((Share::parse("40 %"), Share::parse("0.4")), (Share::new(0.4), Share::new(0.4)));
    }
}
