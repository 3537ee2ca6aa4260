//! What answers tell of quotas and costs.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::Value;

use super::{MomentFormat, http_date};
use crate::decoding::{PageFacts, Pointer};
use crate::manifest::{ActualCost, Quota, Share};
use crate::refusal::Pattern;

/// Reads quotas and costs out of answers.
#[derive(Debug)]
pub(crate) struct Learner {
    quotas: Vec<Quota>,
    actual: Option<ActualCost>,
    /// The share of every quota that the project wants to use.
    share: Share,
    used_of_limit: Option<Pattern>,
}

/// What an answer shows: its headers, and the fields of its body once it came.
pub(crate) struct Shown<'a> {
    pub(crate) header: &'a dyn Fn(&str) -> Option<String>,
    pub(crate) field: &'a dyn Fn(&Pointer) -> Option<Value>,
    /// The body came, and the head was looked at before.
    pub(crate) has_body: bool,
}

/// What is left of a quota.
struct Left {
    remaining: f64,
    limit: Option<f64>,
    reset: Option<DateTime<Utc>>,
    refills_per_second: Option<f64>,
}

impl Learner {
    pub(crate) fn new(quotas: Vec<Quota>, actual: Option<ActualCost>, share: Share) -> Self {
        Self { quotas, actual, share, used_of_limit: Pattern::parse(r"(\d+(?:\.\d+)?)\s*/\s*(\d+(?:\.\d+)?)").ok() }
    }

    /// Adds the body's fields that it looks at.
    pub(crate) fn facts(&self, facts: PageFacts) -> PageFacts {
        let fields = self.quotas.iter().filter_map(|quota| quota.fields.as_ref());
        let fields = fields.flat_map(|fields| {
            let others = [&fields.limit, &fields.refills_per_second, &fields.reset];
            std::iter::once(&fields.remaining).chain(others.into_iter().flatten())
        });
        let cost = self.actual.iter().filter_map(|actual| match actual {
            ActualCost::Field(field) => Some(field),
            ActualCost::Header(_) => None,
        });
        fields.chain(cost).fold(facts, PageFacts::body_field)
    }

    /// How long the source is left alone, and what the request cost.
    pub(crate) fn told(&self, of: &Shown<'_>, now: DateTime<Utc>) -> (Option<Duration>, Option<f64>) {
        let pause = self.spent_until(of, now).map(|until| (until - now).to_std().unwrap_or_default());
        (pause, self.cost(of))
    }

    /// What the answer says that the request cost.
    fn cost(&self, of: &Shown<'_>) -> Option<f64> {
        let cost = match self.actual.as_ref()? {
            ActualCost::Header(name) if !of.has_body => (of.header)(name)?.trim().parse().ok(),
            ActualCost::Field(field) if of.has_body => number(&(of.field)(field)?),
            _ => None,
        };
        cost.filter(|cost| *cost >= 0.0)
    }

    /// Until when the source is left alone, because a quota of it is spent.
    fn spent_until(&self, of: &Shown<'_>, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let told = self.quotas.iter().filter(|quota| quota.fields.is_some() == of.has_body);
        told.filter_map(|quota| self.spent(quota, of, now)).max()
    }

    fn spent(&self, quota: &Quota, of: &Shown<'_>, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let left = self.left(quota, of, now)?;
        let share = quota.use_at_most.unwrap_or(Share::WHOLE).get() * self.share.get();
        // Rounded, so that nine tenths of 100 leave 10 and not a hair less.
        let kept = left.limit.map_or(0.0, |limit| (limit * (1.0 - share) * 1e6).round() / 1e6);
        if left.remaining > kept {
            return None;
        }
        let refills = || {
            let seconds = (kept + 1.0 - left.remaining) / left.refills_per_second.filter(|rate| *rate > 0.0)?;
            now.checked_add_signed(TimeDelta::from_std(Duration::try_from_secs_f64(seconds).ok()?).ok()?)
        };
        left.reset.or_else(refills)
    }

    fn left(&self, quota: &Quota, of: &Shown<'_>, now: DateTime<Utc>) -> Option<Left> {
        let header = |name: &Option<String>| (of.header)(name.as_ref()?)?.trim().parse::<f64>().ok();
        let date = (of.header)("date").and_then(|date| http_date(&date));
        let reset_header = || quota.reset_format.read(&(of.header)(quota.reset.as_ref()?)?, date, now);
        let refills = || {
            let refill = quota.refills.as_ref()?;
            let seconds = refill.per.delta().to_std().ok()?.as_secs_f64();
            (seconds > 0.0).then(|| refill.amount / seconds)
        };
        if let Some(fields) = &quota.fields {
            let field = |pointer: &Option<Pointer>| number(&(of.field)(pointer.as_ref()?)?);
            let reset =
                fields.reset.as_ref().and_then(|reset| moment(&(of.field)(reset)?, quota.reset_format, date, now));
            return Some(Left {
                remaining: number(&(of.field)(&fields.remaining)?)?,
                limit: field(&fields.limit),
                reset: reset.or_else(reset_header),
                refills_per_second: field(&fields.refills_per_second).or_else(refills),
            });
        }
        let (remaining, limit) = if let Some(both) = &quota.used_of_limit {
            let text = (of.header)(&both.header)?;
            let (used, limit) = both.matches.as_ref().or(self.used_of_limit.as_ref())?.two_groups(&text)?;
            let (used, limit) = (used.parse::<f64>().ok()?, limit.parse::<f64>().ok()?);
            (limit - used, Some(limit))
        } else {
            let limit = header(&quota.limit);
            let unused = || Some(limit? - header(&quota.used)?);
            (header(&quota.remaining).or_else(unused)?, limit)
        };
        Some(Left { remaining, limit, reset: reset_header(), refills_per_second: refills() })
    }
}

fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.trim().parse().ok())
}

fn moment(
    value: &Value,
    format: MomentFormat,
    date: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    format.read(&value.as_str().map_or_else(|| value.to_string(), str::to_owned), date, now)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn now() -> DateTime<Utc> {
        "2026-11-21T09:00:00Z".parse().unwrap()
    }

    /// Seconds until a quota that answers like this is asked again.
    fn rest(quota: &str, share: &str, headers: &[(&str, &str)], body: &Value) -> Option<i64> {
        let quota: Quota = crate::manifest::yaml::from_str(quota).unwrap_or_else(|error| panic!("{error}"));
        let learner = Learner::new(vec![quota], None, Share::parse(share).unwrap());
        let shown = Shown {
            header: &|name| headers.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()),
            field: &|pointer| pointer.find(body).cloned(),
            has_body: learner.quotas[0].fields.is_some(),
        };
        learner.spent_until(&shown, now()).map(|until| (until - now()).num_seconds())
    }

    #[test]
    fn a_quota_that_is_not_spent_or_not_said_rests_nobody() {
        let plain = "{ remaining: left, limit: all, reset: at, reset_format: seconds_from_now, source: x }";
        for headers in [
            vec![("left", "1"), ("at", "60")],
            vec![("at", "60")],
            vec![("left", "none"), ("at", "60")],
            vec![("left", "0")],
        ] {
            assert_eq!(rest(plain, "100 %", &headers, &json!({})), None, "{headers:?}");
        }
    }

    #[test]
    fn rests_until_what_is_used_is_back() {
        let nothing = json!({});
        let plain = "{ remaining: left, limit: all, reset: at, reset_format: seconds_from_now, source: x }";
        assert_eq!(rest(plain, "100 %", &[("left", "0"), ("at", "60")], &nothing), Some(60));
        assert_eq!(rest(plain, "40 %", &[("left", "60"), ("all", "100"), ("at", "60")], &nothing), Some(60));
        assert_eq!(rest(plain, "40 %", &[("left", "61"), ("all", "100"), ("at", "60")], &nothing), None);
        let used = "{ used: used, limit: all, reset: at, reset_format: rfc3339, use_at_most: 90 %, source: x }";
        let headers = [("used", "90"), ("all", "100"), ("at", "2026-11-21T09:00:30Z")];
        assert_eq!(rest(used, "1", &headers, &nothing), Some(30));
        let shop =
            "{ used_of_limit: { header: calls }, refills: { amount: 2, per: 1 second }, use_at_most: 0.9, source: x }";
        assert_eq!(rest(shop, "1", &[("calls", "39/40")], &nothing), Some(2));
        assert_eq!(rest(shop, "1", &[("calls", "32/40")], &nothing), None);
        let force = "{ used_of_limit: { header: info, matches: 'api-usage=(\\d+)/(\\d+)' }, \
                     refills: { amount: 1, per: 1 minute }, source: x }";
        assert_eq!(rest(force, "1", &[("info", "api-usage=5000/5000")], &nothing), Some(60));
        let body = json!({ "throttle": { "left": 50, "max": 1000, "rate": 50 } });
        let graphql = "{ fields: { remaining: /throttle/left, limit: /throttle/max, refills_per_second: /throttle/rate }, \
                       use_at_most: 90 %, source: x }";
        assert_eq!(rest(graphql, "1", &[], &body), Some(1));
    }

    #[test]
    fn reads_what_a_request_cost() {
        let cost = |actual: ActualCost| {
            let shown = Shown {
                header: &|name| (name == "cost").then(|| "7.5".to_owned()),
                field: &|pointer| pointer.find(&json!({ "cost": "12" })).cloned(),
                has_body: matches!(actual, ActualCost::Field(_)),
            };
            Learner::new(Vec::new(), Some(actual), Share::WHOLE).cost(&shown)
        };
        assert_eq!(cost(ActualCost::Header("cost".into())), Some(7.5));
        assert_eq!(cost(ActualCost::Field(Pointer::parse("/cost"))), Some(12.0));
        assert_eq!(cost(ActualCost::Field(Pointer::parse("/none"))), None);
    }
}
