//! How the engine waits: while the machine's time passes, or by a clock that whoever tests it turns.
//!
//! Every pause that a source, a limit or a job asks for goes through here, so that a conformance run waits for nothing. Bounds on silence
//! and on connecting are not pauses and stay with the machine's time.

use std::fmt::Debug;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;

/// How pauses pass.
pub trait Waiting: Debug + Send + Sync {
    /// Returns when `span` is over.
    fn wait(&self, span: Duration) -> BoxFuture<'_, ()>;

    /// Whether the machine's time passes meanwhile.
    fn is_real(&self) -> bool;
}

/// Waits by the machine's time.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealWaiting;

impl Waiting for RealWaiting {
    fn wait(&self, span: Duration) -> BoxFuture<'_, ()> {
        tokio::time::sleep(span).boxed()
    }

    fn is_real(&self) -> bool {
        true
    }
}
