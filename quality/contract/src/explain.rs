//! What every error owes its reader: what, where, why, the fix, and the state of the data.

use std::error::Error;
use std::fmt;

/// What the reader must do about an error. Each kind has one exit code (0 is done, 2 is a usage error).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A bug of ours: report it with the code and the run id.
    Internal = 1,
    /// Some windows failed, the others are committed: see `status`, then run again.
    Partial = 3,
    /// Rows or windows failed the gate: look in quarantine.
    Quality = 4,
    /// The source broke its own contract: fix the connector.
    Source = 65,
    /// Wait: the runner has retried and the next run will try again.
    Unavailable = 69,
    /// Quota used up, or another writer won: run again later.
    Parked = 75,
    /// Renew or widen a credential, then run again.
    Access = 77,
    /// Edit a manifest or a setting, then run again.
    Config = 78,
    /// Interrupted after a clean stop (SIGINT; SIGTERM is 143).
    Interrupted = 130,
}

impl ErrorKind {
    /// The process exit code of this kind.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Internal => 1,
            Self::Partial => 3,
            Self::Quality => 4,
            Self::Source => 65,
            Self::Unavailable => 69,
            Self::Parked => 75,
            Self::Access => 77,
            Self::Config => 78,
            Self::Interrupted => 130,
        }
    }
}

/// The five answers an error owes. `Display` (one line, no period) says what.
pub trait Explain: Error {
    /// A stable word for the error, e.g. `page-empty`.
    fn code(&self) -> &'static str;
    /// What the reader must do.
    fn kind(&self) -> ErrorKind;
    /// Manifest line, stream, window and request, outermost first.
    fn place(&self) -> String;
    /// One thing to do, as an order.
    fn fix(&self) -> String;
    /// Which windows are committed and whether running again is safe.
    fn committed(&self) -> String;
}

/// Prints an error as the five lines that a person reads.
#[derive(Debug)]
pub struct Report<'a, E: Explain + ?Sized>(pub &'a E);

impl<E: Explain + ?Sized> fmt::Display for Report<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let error = self.0;
        writeln!(f, "error[{}]: {error}", error.code())?;
        let mut why = Vec::new();
        let mut cause = error.source();
        while let Some(inner) = cause {
            let text = inner.to_string();
            if why.last() != Some(&text) {
                why.push(text);
            }
            cause = inner.source();
        }
        for (label, text) in
            [("where", error.place()), ("why", why.join(": ")), ("fix", error.fix()), ("data", error.committed())]
        {
            if !text.is_empty() {
                writeln!(f, "  {label:<6} {text}")?;
            }
        }
        Ok(())
    }
}
