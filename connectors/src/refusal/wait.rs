//! How long to wait before a refused request is sent again: pauses of a shape, or the moment that the source names.

use std::time::Duration;

use chrono::{DateTime, Utc};
use headwater_contract::Span;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::Pattern;
use super::condition::Evidence;
use crate::decoding::Pointer;
use crate::limits::{Backoff, MomentFormat, WallClock, http_date};

/// How long to wait before a refused request is sent again, as written in a manifest.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Wait {
    /// Always so long.
    Constant(Span),
    /// One step longer each time.
    Linear(LinearWait),
    /// Twice as long each time.
    Exponential(ExponentialWait),
    /// Until the moment that a response header names; the usual pauses where it names none.
    Header(HeaderWait),
    /// Until the moment that a field of the body names.
    Field(FieldWait),
    /// Until the moment that the refusal's text names.
    Message(MessageWait),
    /// Until a time of day in a zone, such as the vendor's midnight.
    Clock(WallClock),
}

/// One step longer each time.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LinearWait {
    /// The first wait, and what each next one adds.
    pub step: Span,
    /// The longest one; ten steps when absent.
    #[serde(default)]
    pub longest: Option<Span>,
}

/// Twice as long each time.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExponentialWait {
    /// The first wait.
    pub first: Span,
    /// The longest one; 30 times the first when absent.
    #[serde(default)]
    pub longest: Option<Span>,
}

/// Until the moment that a response header names.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HeaderWait {
    /// The header's name.
    pub name: String,
    /// How the moment is written.
    #[serde(default)]
    pub format: MomentFormat,
    /// Where it stands in the header's value: its first group; the whole value when absent.
    #[serde(default)]
    pub matches: Option<Pattern>,
    /// Wait at least so long.
    #[serde(default)]
    pub at_least: Option<Span>,
}

/// Until the moment that a field of the body names.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FieldWait {
    /// Where the field stands.
    pub at: Pointer,
    /// How the moment is written.
    #[serde(default)]
    pub format: MomentFormat,
    /// Where it stands in the field's text: its first group; the whole text when absent.
    #[serde(default)]
    pub matches: Option<Pattern>,
    /// Wait at least so long.
    #[serde(default)]
    pub at_least: Option<Span>,
}

/// Until the moment that the refusal's text names.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MessageWait {
    /// Its first group is the moment.
    pub matches: Pattern,
    /// How the moment is written.
    #[serde(default)]
    pub format: MomentFormat,
    /// Wait at least so long.
    #[serde(default)]
    pub at_least: Option<Span>,
}

/// What a [`Wait`] comes to for one answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Waiting {
    /// Pauses of this shape.
    Pauses(Backoff),
    /// Until this moment.
    Until(DateTime<Utc>),
    /// The source names no moment: the usual pauses.
    Usual,
}

impl Wait {
    /// How long to wait after the answer that `of` tells about.
    pub(crate) fn after(&self, of: &Evidence<'_>, now: DateTime<Utc>) -> Waiting {
        let date = (of.header)("date").and_then(|date| http_date(&date));
        let pauses = |backoff| Waiting::Pauses(backoff);
        let until = |moment: Option<DateTime<Utc>>, at_least: Option<Span>| {
            let earliest = now + at_least.unwrap_or_default().delta();
            moment.map_or(Waiting::Usual, |moment| Waiting::Until(moment.max(earliest)))
        };
        match self {
            Self::Constant(span) => pauses(Backoff::Constant(length(*span))),
            Self::Linear(wait) => {
                let step = length(wait.step);
                pauses(Backoff::Linear(step, wait.longest.map_or(step.saturating_mul(10), length)))
            }
            Self::Exponential(wait) => {
                let first = length(wait.first);
                pauses(Backoff::Exponential(first, wait.longest.map_or(first.saturating_mul(30), length)))
            }
            Self::Header(wait) => {
                let value = (of.header)(&wait.name);
                until(read(value.as_deref(), wait.matches.as_ref(), wait.format, date, now), wait.at_least)
            }
            Self::Field(wait) => {
                let value = (of.field)(&wait.at).map(|value| match value {
                    Value::String(text) => text,
                    other => other.to_string(),
                });
                until(read(value.as_deref(), wait.matches.as_ref(), wait.format, date, now), wait.at_least)
            }
            Self::Message(wait) => until(read(of.text, Some(&wait.matches), wait.format, date, now), wait.at_least),
            Self::Clock(clock) => until(clock.next(now), None),
        }
    }

    /// The body's field that it looks at.
    pub(crate) fn field(&self) -> Option<&Pointer> {
        if let Self::Field(wait) = self { Some(&wait.at) } else { None }
    }
}

fn length(span: Span) -> Duration {
    span.delta().to_std().unwrap_or_default()
}

fn read(
    text: Option<&str>,
    matches: Option<&Pattern>,
    format: MomentFormat,
    date: Option<DateTime<Utc>>,
    now: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    let text = text?;
    let moment = match matches {
        Some(pattern) => pattern.first_group(text)?,
        None => text,
    };
    format.read(moment, date, now)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn after(yaml: &str) -> Waiting {
        let wait: Wait = crate::manifest::yaml::from_str(yaml).unwrap_or_else(|error| panic!("{error}"));
        let body = json!({ "retry": { "in": 12 }, "text": "Try again at 2026-11-21T09:00:40Z." });
        let evidence = Evidence {
            status: 429,
            header: &|name| (name == "X-Reset").then(|| "reset=30; unit=s".to_owned()),
            field: &|pointer| pointer.find(&body).cloned(),
            text: Some("please wait 25 seconds"),
        };
        wait.after(&evidence, "2026-11-21T09:00:00Z".parse().unwrap())
    }

    #[test]
    fn a_source_that_names_no_moment_gets_the_usual_pauses() {
        for yaml in [
            "header: { name: X-None }",
            "header: { name: X-Reset, format: unix_seconds }",
            "field: { at: /none }",
            "message: { matches: 'after (\\d+) seconds' }",
        ] {
            assert_eq!(after(yaml), Waiting::Usual, "{yaml}");
        }
    }

    #[test]
    fn reads_the_moment_wherever_it_stands() {
        for (yaml, moment) in [
            ("header: { name: X-Reset, matches: 'reset=(\\d+)' }", "2026-11-21T09:00:30Z"),
            ("header: { name: X-Reset, matches: 'reset=(\\d+)', at_least: 1 minute }", "2026-11-21T09:01:00Z"),
            ("field: { at: /retry/in, format: seconds_from_now }", "2026-11-21T09:00:12Z"),
            ("field: { at: /text, format: rfc3339, matches: 'at (.*)\\.$' }", "2026-11-21T09:00:40Z"),
            ("message: { matches: 'wait (\\d+)', format: seconds_from_now }", "2026-11-21T09:00:25Z"),
            ("clock: { time: '00:00', zone: America/Los_Angeles }", "2026-11-22T08:00:00Z"),
        ] {
            assert_eq!(after(yaml), Waiting::Until(moment.parse().unwrap()), "{yaml}");
        }
        let second = Duration::from_secs;
        for (yaml, backoff) in [
            ("constant: 5 seconds", Backoff::Constant(second(5))),
            ("linear: { step: 2 seconds }", Backoff::Linear(second(2), second(20))),
            ("exponential: { first: 2 seconds, longest: 1 minute }", Backoff::Exponential(second(2), second(60))),
        ] {
            assert_eq!(after(yaml), Waiting::Pauses(backoff), "{yaml}");
        }
    }
}
