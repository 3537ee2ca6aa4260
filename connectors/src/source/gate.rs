//! Lets a parent's reading ask for its next page only when the children of the page before are in.
//!
//! Without it the parent would run ahead and its bodies would arrive between its children's, in an order that no replay could name.

use tokio::sync::{mpsc, oneshot};

/// The side of the reading that waits.
#[derive(Clone, Debug)]
pub(super) struct Gate(mpsc::Sender<oneshot::Sender<()>>);

/// The side that lets it on.
#[derive(Debug)]
pub(super) struct Keeper(mpsc::Receiver<oneshot::Sender<()>>);

/// A reading that waits at its gate.
#[derive(Debug)]
pub(super) struct Waiting(oneshot::Sender<()>);

impl Gate {
    /// Both sides of a gate.
    pub(super) fn new() -> (Self, Keeper) {
        let (sender, receiver) = mpsc::channel(1);
        (Self(sender), Keeper(receiver))
    }

    /// Waits until the next request may be sent. Whoever is gone holds nobody up: the next event finds no taker.
    pub(super) async fn pass(&self) {
        let (answer, waiting) = oneshot::channel();
        if self.0.send(answer).await.is_ok() {
            drop(waiting.await);
        }
    }
}

impl Keeper {
    /// The reading that waits next; never when it is over.
    pub(super) async fn next(&mut self) -> Waiting {
        match self.0.recv().await {
            Some(answer) => Waiting(answer),
            None => std::future::pending().await,
        }
    }
}

impl Waiting {
    /// Lets it send its next request.
    pub(super) fn go_on(self) {
        // A reading that is gone needs no answer.
        self.0.send(()).ok();
    }
}
