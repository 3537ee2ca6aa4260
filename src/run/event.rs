//! What a run tells while it works, for progress bars, logs and embedders.

use headwater_contract::{StreamName, Window};

use crate::run::report::{RunReport, StarReport, WindowReport};

/// One thing that happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum RunEvent {
    /// A stream's plan is made.
    Planned {
        /// The stream.
        stream: StreamName,
        /// Units that are due.
        windows: usize,
    },
    /// A reading begins.
    Started {
        /// The stream.
        stream: StreamName,
        /// The window.
        window: Window,
    },
    /// Records have been read; the numbers are of the window so far.
    Progressed {
        /// The stream.
        stream: StreamName,
        /// The window.
        window: Window,
        /// Records.
        records: u64,
        /// Bytes of bodies.
        bytes: u64,
    },
    /// A window has ended, one way or another.
    Ended {
        /// The stream.
        stream: StreamName,
        /// How.
        window: Box<WindowReport>,
    },
    /// A stream has nothing more to do.
    StreamEnded {
        /// The stream.
        stream: StreamName,
    },
    /// A star is being built.
    StarStarted {
        /// The star.
        star: String,
    },
    /// A star is built, or not.
    StarEnded {
        /// How.
        star: StarReport,
    },
    /// Something that a person should know, and that does not stop the run.
    Noted {
        /// In one sentence.
        note: String,
    },
    /// A stop was asked for: nothing new begins, what is in flight is finished.
    Stopping,
    /// The run has ended.
    Finished {
        /// What it came to.
        report: Box<RunReport>,
    },
}

/// Hears of a run's events; called from several tasks at once.
pub type Listener = dyn Fn(&RunEvent) + Send + Sync;
