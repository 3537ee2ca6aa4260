//! Answers that are no data, and what is done about them: a closed list of rules, of the stream first, then of the connector.
//!
//! The first rule whose `when` holds decides. What no rule speaks of is judged by its status: 429 throttles, 408 and 5xx are tried
//! again, 401 and 403 ask for another credential, the rest is the connector's fault. Rules also see answers with a good status, because
//! many APIs say `ok: false` under a 200.
//!
//! | action | the request | the reading |
//! |---|---|---|
//! | `accept` | is good | goes on |
//! | `retry`, `throttle`, `renew_credential` | is sent again | goes on, or fails when the tries are used up |
//! | `skip_request` | has no records | goes on, and says so |
//! | `skip_slice` | has no records | ends, and says so |
//! | `split_window`, `split_batch` | is asked for in halves | goes on |
//! | `restart` | | reads the list from its first page |
//! | `park`, `fail` | | stops |

mod action;
mod condition;
mod expression;
mod pattern;
mod wait;

pub use action::{Action, FailAction, FailureClass, ParkAction, RetryAction, ThrottleAction};
pub use condition::{Condition, FieldTest, HeaderTest, StatusTest};
pub use expression::AnswerExpression;
pub use pattern::Pattern;
pub use wait::{ExponentialWait, FieldWait, HeaderWait, LinearWait, MessageWait, Wait};

pub(crate) use condition::{Evidence, is_meant};

use std::sync::Arc;

use chrono::{DateTime, Utc};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::decoding::PageFacts;
use crate::error::Fault;
use crate::limits::Again;
use wait::Waiting;

/// One rule: which answers, and what is done about them.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ErrorRule {
    /// What the answer looks like.
    pub when: Condition,
    /// What is done about it.
    pub then: Action,
}

/// The rules of one stream, in the order in which they are asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rules(Arc<[ErrorRule]>);

/// What a rule decided about one answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// The answer is good.
    Accept,
    /// Send it again, after pauses of this budget.
    Retry(Again),
    RenewCredential,
    SkipRequest,
    SkipSlice,
    SplitWindow,
    SplitBatch,
    Restart,
    /// The fault stands at once.
    Stand,
}

/// An answer that is no data: the fault, and what a rule decided about it, where one did.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub(crate) fault: Box<Fault>,
    pub(crate) decision: Option<Decision>,
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self { fault: Box::new(fault), decision: None }
    }
}

impl From<Refusal> for Fault {
    fn from(refusal: Refusal) -> Self {
        *refusal.fault
    }
}

impl Rules {
    /// The stream's rules, then the connector's.
    pub(crate) fn new(stream: &[ErrorRule], connector: &[ErrorRule]) -> Self {
        Self(stream.iter().chain(connector).cloned().collect())
    }

    /// The rules, in the order in which they are asked.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &ErrorRule> {
        self.0.iter()
    }

    /// Adds the fields that rules look at in answers with a good status.
    pub(crate) fn facts(&self, facts: PageFacts) -> PageFacts {
        let rules = self.0.iter().filter(|rule| rule.when.may_be_good());
        let fields = rules.flat_map(|rule| {
            let wait = rule.then.wait().and_then(Wait::field);
            rule.when.fields().into_iter().chain(wait)
        });
        fields.fold(facts, PageFacts::body_field)
    }

    /// What the first rule that holds decides; `usual` is the fault that stands where no rule says another.
    pub(crate) fn decide(
        &self,
        of: &Evidence<'_>,
        usual: &dyn Fn() -> Fault,
        says: &str,
        now: DateTime<Utc>,
    ) -> Option<Refusal> {
        let (place, rule) = self.0.iter().enumerate().find(|(_, rule)| rule.when.holds(of))?;
        let waiting = rule.then.wait().map_or(Waiting::Usual, |wait| wait.after(of, now));
        let until = if let Waiting::Until(at) = &waiting { Some(*at) } else { None };
        let (status, says) = (of.status, says.to_owned());
        let (fault, decision) = match &rule.then {
            Action::Accept => (usual(), Decision::Accept),
            Action::Retry(action) => {
                let backoff = if let Waiting::Pauses(backoff) = waiting { Some(backoff) } else { None };
                let again = Again::Declared { rule: place, backoff, times: action.times };
                (Fault::ServerError { status, says, retry_at: until }, Decision::Retry(again))
            }
            Action::Throttle(_) => {
                let again = match waiting {
                    Waiting::Pauses(backoff) => Again::Declared { rule: place, backoff: Some(backoff), times: None },
                    Waiting::Until(_) | Waiting::Usual => Again::Throttled,
                };
                let usual_wait = || usual().retry_at();
                let retry_at = if until.is_none() && again == Again::Throttled { usual_wait() } else { until };
                (Fault::Throttled { status, retry_at }, Decision::Retry(again))
            }
            Action::RenewCredential => (Fault::Unauthorized { says }, Decision::RenewCredential),
            Action::SkipRequest => (usual(), Decision::SkipRequest),
            Action::SkipSlice => (usual(), Decision::SkipSlice),
            Action::SplitWindow => (usual(), Decision::SplitWindow),
            Action::SplitBatch => (usual(), Decision::SplitBatch),
            Action::Restart => (usual(), Decision::Restart),
            Action::Park(_) => (Fault::Throttled { status, retry_at: until }, Decision::Stand),
            Action::Fail(FailAction { class: None, message: None }) => (usual(), Decision::Stand),
            Action::Fail(action) => {
                let class = action.class.unwrap_or(FailureClass::Source);
                let message = action.message.clone().unwrap_or_else(|| "the source refuses the request".to_owned());
                (Fault::Declared { class, status, message, says }, Decision::Stand)
            }
        };
        Some(Refusal { fault: Box::new(fault), decision: Some(decision) })
    }
}

/// What a stream's own rules ask for that the stream does not have, and what to write instead.
pub(crate) fn contradiction(
    rules: &[ErrorRule],
    has_window: bool,
    has_slices: bool,
) -> Option<(&'static str, &'static str)> {
    rules.iter().find_map(|rule| match &rule.then {
        Action::SplitWindow if !has_window => Some(("`split_window` needs a window to split", "choose another action")),
        Action::SkipSlice if !has_slices => Some(("`skip_slice` needs slices", "write `skip_request`")),
        _ => None,
    })
}

#[cfg(test)]
mod tests;
