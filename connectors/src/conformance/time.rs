//! Time of a conformance run: it stands still but for pauses, which pass at once and move it by their length.
//!
//! So a run shows how long the engine would have waited, and waits for nothing.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures::FutureExt;
use futures::future::BoxFuture;
use headwater_contract::Clock;

use crate::limits::Waiting;

/// A clock that is moved by waiting.
#[derive(Debug)]
pub(super) struct VirtualTime(Mutex<DateTime<Utc>>);

impl VirtualTime {
    pub(super) fn at(now: DateTime<Utc>) -> Self {
        Self(Mutex::new(now))
    }

    fn advance(&self, span: Duration) {
        let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let later = TimeDelta::from_std(span).ok().and_then(|span| now.checked_add_signed(span));
        *now = later.unwrap_or(*now);
    }
}

impl Clock for VirtualTime {
    fn now(&self) -> DateTime<Utc> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting for VirtualTime {
    fn wait(&self, span: Duration) -> BoxFuture<'_, ()> {
        self.advance(span);
        // Others that are ready go first, as they would while time passes.
        tokio::task::yield_now().boxed()
    }

    fn is_real(&self) -> bool {
        false
    }
}
