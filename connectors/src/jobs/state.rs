//! What an answer about a job means: a pure function of the answer and the manifest's words.

use serde_json::Value;
use thiserror::Error;

use super::{PollManifest, StatesManifest};

/// What a job has come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobState {
    /// It goes on.
    Running,
    /// Its downloads are there.
    Completed,
    /// There is nothing to download.
    Skipped,
    /// The range is too long for one job.
    TooLarge {
        /// The source's word.
        state: String,
    },
}

/// Why a job gave no data.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum JobError {
    /// The answer does not say what follows from it.
    #[error("the answer about a job has no `{pointer}`")]
    Absent {
        /// What is missing.
        pointer: String,
    },
    /// The answer is no JSON.
    #[error("the answer about a job is not JSON: {reason}")]
    NotJson {
        /// What is wrong.
        reason: String,
    },
    /// A word that the manifest does not know.
    #[error("the job is in state `{state}`, which the manifest does not name; it names {known}")]
    UnknownState {
        /// The word.
        state: String,
        /// What is known.
        known: String,
    },
    /// It failed at the source.
    #[error("the job failed: {says}")]
    Failed {
        /// The source's words.
        says: String,
    },
    /// It took too long.
    #[error("the job was not done after {seconds} seconds")]
    TimedOut {
        /// How long it was waited for.
        seconds: u64,
    },
    /// The range cannot be cut further.
    #[error("the job is in state `{state}`: the range is too long, and cannot be cut further")]
    TooLarge {
        /// The word.
        state: String,
    },
    /// A field that should be a URL is none.
    #[error("`{name}` is no URL of a download")]
    NotAUrl {
        /// The field.
        name: String,
    },
}

impl JobError {
    /// A stable word for it.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Absent { .. } | Self::NotJson { .. } | Self::NotAUrl { .. } => "job-answer-wrong",
            Self::UnknownState { .. } => "job-state-unknown",
            Self::Failed { .. } => "job-failed",
            Self::TimedOut { .. } => "job-timed-out",
            Self::TooLarge { .. } => "job-too-large",
        }
    }

    /// Whether another job may do better.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Failed { .. } | Self::TimedOut { .. })
    }

    /// What to do about it.
    pub fn fix(&self) -> &'static str {
        match self {
            Self::Absent { .. } | Self::NotJson { .. } | Self::NotAUrl { .. } => {
                "compare `job` in the manifest with the answers that the vendor documents"
            }
            Self::UnknownState { .. } => "name the state under `job.states`",
            Self::Failed { .. } | Self::TimedOut { .. } => "wait; the next run orders another job",
            Self::TooLarge { .. } => "narrow the stream, e.g. by slices",
        }
    }
}

/// What `answer` says of the job.
///
/// # Errors
///
/// [`JobError`] when it failed, or is in a state that nobody named.
pub(crate) fn state_of(answer: &Value, poll: &PollManifest, states: &StatesManifest) -> Result<JobState, JobError> {
    let word = match poll.state.find(answer) {
        Some(Value::String(text)) => text.clone(),
        Some(value @ (Value::Bool(_) | Value::Number(_))) => value.to_string(),
        _ => return Err(JobError::Absent { pointer: poll.state.to_string() }),
    };
    let is_in = |words: &[String]| words.contains(&word);
    if is_in(&states.completed) {
        return Ok(JobState::Completed);
    }
    if is_in(&states.running) {
        return Ok(JobState::Running);
    }
    if is_in(&states.skipped) {
        return Ok(JobState::Skipped);
    }
    if is_in(&states.too_large) {
        return Ok(JobState::TooLarge { state: word });
    }
    if is_in(&states.failed) {
        let message = poll.message.as_ref().and_then(|message| message.find(answer));
        let says = message.map(|message| message.as_str().map_or_else(|| message.to_string(), str::to_owned));
        return Err(JobError::Failed { says: says.unwrap_or(word).chars().take(300).collect() });
    }
    let known = [&states.running, &states.completed, &states.failed, &states.skipped, &states.too_large];
    let known = known.into_iter().flatten().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
    Err(JobError::UnknownState { state: word, known })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn state(answer: &Value) -> Result<JobState, JobError> {
        let poll = crate::manifest::yaml::from_str("{ path: /x, state: /job/state, message: /job/error }").unwrap();
        let states =
            "{ running: [queued, 'false'], completed: [done], failed: [bad], skipped: [none], too_large: [big] }";
        state_of(answer, &poll, &crate::manifest::yaml::from_str(states).unwrap())
    }

    #[test]
    fn a_state_that_nobody_named_is_an_error_and_never_a_wait() {
        let unknown = state(&json!({ "job": { "state": "Done" } })).unwrap_err();
        assert!(matches!(&unknown, JobError::UnknownState { state, .. } if state == "Done"), "{unknown}");
        assert!(matches!(state(&json!({ "job": {} })), Err(JobError::Absent { .. })));
        assert!(matches!(state(&json!({ "job": { "state": null } })), Err(JobError::Absent { .. })));
        let failed = state(&json!({ "job": { "state": "bad", "error": "no rows" } })).unwrap_err();
        assert_eq!(failed, JobError::Failed { says: "no rows".into() });
        assert!(failed.may_pass() && !unknown.may_pass());
    }

    #[test]
    fn words_mean_what_the_manifest_says() {
        let word = |word: Value| state(&json!({ "job": { "state": word } })).unwrap();
        assert_eq!(word("queued".into()), JobState::Running);
        assert_eq!(word(false.into()), JobState::Running);
        assert_eq!(word("done".into()), JobState::Completed);
        assert_eq!(word("none".into()), JobState::Skipped);
        assert_eq!(word("big".into()), JobState::TooLarge { state: "big".into() });
    }
}
