//! Tells a good answer from the kinds of refusal: by the manifest's rules, else by its status.

use std::time::Duration;

use bytes::BytesMut;
use chrono::{DateTime, TimeDelta, Utc};
use reqwest::header::HeaderMap;
use serde_json::Value;
use tokio::time::Instant;
use url::Url;

use super::answer::Answer;
use super::body::Inflater;
use super::{HEAD_BYTES_MAX, Request, Transport, text_of};
use crate::decoding::Pointer;
use crate::error::Fault;
use crate::limits::{Shown, Turn, http_date, parse_retry_after};
use crate::refusal::{Decision, Evidence, Refusal};

/// Bytes of a refusal that are read, for rules and for its text.
const REFUSAL_BYTES_MAX: usize = 64 * 1024;
/// Characters of a refusal's text that people see.
const SAYS_CHARS_MAX: usize = 300;
/// Response headers that are worth keeping: what the source says of time, form, identity and quota. Never cookies.
const KEPT_HEADERS: [&str; 7] =
    ["date", "content-type", "etag", "last-modified", "x-request-id", "request-id", "retry-after"];
/// Prefixes of quota headers.
const KEPT_PREFIXES: [&str; 3] = ["x-ratelimit-", "ratelimit-", "x-rate-limit-"];
/// A part of a body: it was not asked for, so it is not the whole answer.
const PARTIAL_CONTENT: u16 = 206;

impl Transport {
    /// Judges an answer by its head, and by the beginning of its body where the status is no good one.
    pub(super) async fn judge(
        &self,
        request: &Request,
        response: reqwest::Response,
        location: Url,
        turn: Turn,
    ) -> Result<Answer, Refusal> {
        let now = self.clock.now();
        let mut answer = self.answer(response, location, now, turn)?;
        let (spent, cost) =
            self.learner.told(&Shown { header: &|name| answer.header(name), field: &|_| None, has_body: false }, now);
        if let Some(cost) = cost {
            self.pace.settle(&request.load, answer.location.path(), 0, cost - request.load.points).await?;
        }
        let status = answer.status;
        if (200..300).contains(&status) && status != PARTIAL_CONTENT {
            match spent {
                Some(pause) if !request.caller.spends(now, pause) => self.pace.rest(pause).await?,
                Some(_) => {}
                None => self.pace.note_good(),
            }
            return Ok(answer);
        }
        answer.look_ahead(REFUSAL_BYTES_MAX).await;
        let text = String::from_utf8_lossy(&answer.ahead).into_owned();
        let says = self.short(&text);
        let body: Option<Value> = serde_json::from_str(&text).ok();
        let retry_after =
            answer.header("retry-after").and_then(|text| parse_retry_after(&text, answer.source_date, now));
        let usual = || usual_fault(status, says.clone(), retry_after, spent, now);
        let evidence = Evidence {
            status,
            header: &|name| answer.header(name),
            field: &|pointer: &Pointer| pointer.find(body.as_ref()?).cloned(),
            text: Some(&text),
        };
        match request.rules.decide(&evidence, &usual, &says, now) {
            None => Err(usual().into()),
            Some(Refusal { decision: Some(Decision::Accept), .. }) => Ok(answer),
            Some(refusal) => Err(refusal),
        }
    }

    fn answer(
        &self,
        response: reqwest::Response,
        location: Url,
        now: DateTime<Utc>,
        turn: Turn,
    ) -> Result<Answer, Fault> {
        let headers = response.headers().clone();
        if headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum::<usize>() > HEAD_BYTES_MAX {
            return Err(Fault::HeadTooLarge { limit: HEAD_BYTES_MAX });
        }
        let links = headers.get_all("link").iter().filter_map(|value| value.to_str().ok());
        Ok(Answer {
            inflater: Inflater::new(text_of(&headers, "content-encoding").as_deref())?,
            ahead: BytesMut::new(),
            received: 0,
            turn,
            deadline: Instant::now() + self.patience.answer_max,
            status: response.status().as_u16(),
            url: self.redactor.url(&location),
            location,
            headers: self.kept_headers(&headers),
            links: links.collect::<Vec<_>>().join(", "),
            fetched_at: now,
            source_date: text_of(&headers, "date").and_then(|date| http_date(&date)),
            size_hint: response.content_length(),
            has_end: has_end(&response),
            all_headers: headers,
            response,
        })
    }

    fn kept_headers(&self, headers: &HeaderMap) -> Vec<(String, String)> {
        let is_kept =
            |name: &str| KEPT_HEADERS.contains(&name) || KEPT_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
        let kept = headers.iter().filter(|(name, _)| is_kept(name.as_str()));
        kept.filter_map(|(name, value)| Some((name.as_str().to_owned(), self.redactor.text(value.to_str().ok()?))))
            .collect()
    }

    /// The beginning of a source's words, for people: in one line, without secrets.
    pub(crate) fn short(&self, text: &str) -> String {
        // Secrets go first: one that is cut in the middle would not be known again.
        let clean = self.redactor.text(text);
        let line = clean.split_whitespace().collect::<Vec<_>>().join(" ");
        line.chars().filter(|c| !c.is_control()).take(SAYS_CHARS_MAX).collect()
    }
}

/// Whether an end of the connection within the body would be noticed: the body has a length or comes in chunks or frames, or TLS says
/// when a side is done.
fn has_end(response: &reqwest::Response) -> bool {
    let has = |name: &str| response.headers().contains_key(name);
    let is_framed = response.version() >= reqwest::Version::HTTP_2 || response.url().scheme() == "https";
    is_framed || has("content-length") || has("transfer-encoding") || response.content_length().is_some()
}

/// What a refusal means where no rule says another.
fn usual_fault(
    status: u16,
    says: String,
    retry_after: Option<Duration>,
    spent: Option<Duration>,
    now: DateTime<Utc>,
) -> Fault {
    let later = |pause: Duration| now.checked_add_signed(TimeDelta::from_std(pause).ok()?);
    match status {
        429 => Fault::Throttled { status, retry_at: retry_after.or(spent).and_then(later) },
        403 if spent.is_some() => Fault::Throttled { status, retry_at: retry_after.or(spent).and_then(later) },
        401 => Fault::Unauthorized { says },
        407 => Fault::ProxyRefused { says },
        403 => Fault::Forbidden { says },
        404 | 410 => Fault::NotFound { status, says },
        408 | 425 | 500..=599 => Fault::ServerError { status, says, retry_at: retry_after.and_then(later) },
        PARTIAL_CONTENT => Fault::Rejected { status, says: "a part came although the whole was asked for".to_owned() },
        _ => Fault::Rejected { status, says },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_that_no_rule_speaks_of_has_its_usual_meaning() {
        let now = "2026-11-21T09:00:00Z".parse().unwrap();
        let minute = Some(Duration::from_mins(1));
        let at = Some("2026-11-21T09:01:00Z".parse().unwrap());
        let usual = |status, retry_after, spent| usual_fault(status, String::new(), retry_after, spent, now);
        for status in [206, 300, 304, 400, 402, 405, 409, 413, 422, 431, 451] {
            assert!(matches!(usual(status, None, None), Fault::Rejected { .. }), "{status}");
        }
        for status in [408, 425, 500, 502, 503, 504, 520, 529] {
            assert_eq!(usual(status, minute, None).retry_at(), at, "{status}");
            assert!(usual(status, None, None).may_pass(), "{status}");
        }
        assert_eq!(usual(429, None, None), Fault::Throttled { status: 429, retry_at: None });
        assert_eq!(usual(403, None, minute), Fault::Throttled { status: 403, retry_at: at });
        assert!(matches!(usual(403, minute, None), Fault::Forbidden { .. }));
        assert!(matches!(usual(401, None, None), Fault::Unauthorized { .. }));
        assert!(matches!(usual(410, None, None), Fault::NotFound { .. }));
        assert_eq!(usual(429, Some(Duration::MAX), None).retry_at(), None);
    }
}
