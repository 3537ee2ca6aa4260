//! An error on its way to the person at the terminal.

use std::fmt;

use headwater_contract::Explain;

/// Any error that explains itself.
pub(crate) struct Failure(Box<dyn Explain + Send + Sync>);

impl Failure {
    /// The error.
    pub(crate) fn explain(&self) -> &(dyn Explain + Send + Sync) {
        &*self.0
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl<E: Explain + Send + Sync + 'static> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(Box::new(error))
    }
}

/// What a command returns: its exit code.
pub(crate) type Ended = Result<u8, Failure>;
