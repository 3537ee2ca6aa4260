//! A request to stop: nothing new begins, what is in flight is finished.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::watch;

/// Asks a run to stop, and tells who asks whether anybody listens. Clones share one request.
#[derive(Clone, Debug)]
pub struct Stop {
    /// The exit code of who asked.
    asked: Arc<watch::Sender<Option<u8>>>,
    is_heeded: Arc<AtomicBool>,
}

impl Default for Stop {
    fn default() -> Self {
        Self { asked: Arc::new(watch::Sender::new(None)), is_heeded: Arc::default() }
    }
}

impl Stop {
    /// A request that nobody has made yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes the request; a process that ends because of it ends with `code` (130 for SIGINT, 143 for SIGTERM).
    pub fn ask(&self, code: u8) {
        self.asked.send_replace(Some(code));
    }

    /// The exit code of who asked, if anybody did.
    pub fn code(&self) -> Option<u8> {
        *self.asked.borrow()
    }

    /// Whether the request was made.
    pub fn is_asked(&self) -> bool {
        self.code().is_some()
    }

    /// Returns when it is made.
    pub async fn asked(&self) {
        // The sender lives as long as `self`, so waiting cannot fail before the request is made.
        let mut asked = self.asked.subscribe();
        // It fails only when every `Stop` is gone, and this one is here.
        drop(asked.wait_for(Option::is_some).await);
    }

    /// Says that somebody will finish in good order when asked.
    pub fn heed(&self) {
        self.is_heeded.store(true, Ordering::Relaxed);
    }

    /// Whether somebody said so. If not, whoever was interrupted may as well go at once.
    pub fn is_heeded(&self) -> bool {
        self.is_heeded.load(Ordering::Relaxed)
    }
}
