//! The named steps of the protocol, at which a test can stop the process from outside.
//!
//! A kill is only worth something when it hits a known place. `--pause-at STEP` makes the runner say where it is and wait there;
//! the test then sends SIGKILL. Without the flag a step costs one comparison.

use std::fmt;
use std::str::FromStr;

/// A place in the protocol of ARCHITECTURE.md at which a kill must lose and double nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// The window is leased, nothing is requested.
    Leased,
    /// The attempt's folder is named, nothing is written.
    AttemptBegun,
    /// Records have been typed, parts may be half written.
    Extracting,
    /// All parts and typed files are written, the verdict is open.
    PartsWritten,
    /// The verdict is fixed, the receipt is not created.
    BeforeReceipt,
    /// The receipt is created, the ledger does not know.
    ReceiptCreated,
    /// The ledger knows, no commit was tried.
    Landed,
    /// The actions of a window commit are computed, not sent.
    BeforeCommit,
    /// The window's table is committed, its child tables are not.
    Committed,
    /// Child tables are committed, keyed tables are not.
    ChildrenCommitted,
    /// The keyed table's new files are written, not committed.
    BeforeKeyed,
    /// The keyed table is committed, the ledger does not know.
    KeyedCommitted,
    /// The star's build has begun, nothing is committed.
    StarBegun,
    /// A dimension's keys and history are committed, its table is not.
    StateCommitted,
    /// Dimensions are committed, facts are not.
    DimensionsCommitted,
    /// The first fact is committed, others are not.
    FactCommitted,
    /// A compaction's new files are written, not committed.
    BeforeCompaction,
    /// A compaction is committed, the keyed table does not know that no row changed.
    Compacted,
    /// A checkpoint is written, older log files are there.
    CheckpointWritten,
    /// A vacuum has said up to which writer it deletes, and deleted nothing.
    HorizonCommitted,
    /// The first of a vacuum's files is deleted.
    FileDeleted,
    /// The first needless part is deleted.
    PartDeleted,
    /// Whom to erase is written down, nothing is erased.
    ErasureNoted,
    /// A window is written again without the person, no table knows.
    ErasureLanded,
    /// The first of the receipts below an erasure is emptied.
    ReceiptEmptied,
    /// The state of a dimension has forgotten the person, its table has not.
    MembersForgotten,
}

impl Step {
    /// Every step, in the order in which a run passes them, then a maintenance and an erasure.
    pub const ALL: [Self; 26] = [
        Self::Leased,
        Self::AttemptBegun,
        Self::Extracting,
        Self::PartsWritten,
        Self::BeforeReceipt,
        Self::ReceiptCreated,
        Self::Landed,
        Self::BeforeCommit,
        Self::Committed,
        Self::ChildrenCommitted,
        Self::BeforeKeyed,
        Self::KeyedCommitted,
        Self::StarBegun,
        Self::StateCommitted,
        Self::DimensionsCommitted,
        Self::FactCommitted,
        Self::BeforeCompaction,
        Self::Compacted,
        Self::CheckpointWritten,
        Self::HorizonCommitted,
        Self::FileDeleted,
        Self::PartDeleted,
        Self::ErasureNoted,
        Self::ErasureLanded,
        Self::ReceiptEmptied,
        Self::MembersForgotten,
    ];

    /// The steps that only an erasure passes.
    pub const ERASURE: [Self; 4] =
        [Self::ErasureNoted, Self::ErasureLanded, Self::ReceiptEmptied, Self::MembersForgotten];

    /// The steps of cleaning up, which a run does not pass.
    pub const MAINTENANCE: [Self; 6] = [
        Self::BeforeCompaction,
        Self::Compacted,
        Self::CheckpointWritten,
        Self::HorizonCommitted,
        Self::FileDeleted,
        Self::PartDeleted,
    ];

    /// Its name on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Leased => "leased",
            Self::AttemptBegun => "attempt-begun",
            Self::Extracting => "extracting",
            Self::PartsWritten => "parts-written",
            Self::BeforeReceipt => "before-receipt",
            Self::ReceiptCreated => "receipt-created",
            Self::Landed => "landed",
            Self::BeforeCommit => "before-commit",
            Self::Committed => "committed",
            Self::ChildrenCommitted => "children-committed",
            Self::BeforeKeyed => "before-keyed",
            Self::KeyedCommitted => "keyed-committed",
            Self::StarBegun => "star-begun",
            Self::StateCommitted => "state-committed",
            Self::DimensionsCommitted => "dimensions-committed",
            Self::FactCommitted => "fact-committed",
            Self::BeforeCompaction => "before-compaction",
            Self::Compacted => "compacted",
            Self::CheckpointWritten => "checkpoint-written",
            Self::HorizonCommitted => "horizon-committed",
            Self::FileDeleted => "file-deleted",
            Self::PartDeleted => "part-deleted",
            Self::ErasureNoted => "erasure-noted",
            Self::ErasureLanded => "erasure-landed",
            Self::ReceiptEmptied => "receipt-emptied",
            Self::MembersForgotten => "members-forgotten",
        }
    }
}

impl FromStr for Step {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|step| step.as_str() == text).ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|step| step.as_str()).collect();
            format!("`{text}` is not a step: one of {}", names.join(", "))
        })
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where to stop, if anywhere.
#[derive(Clone, Debug, Default)]
pub struct Steps {
    pause_at: Option<Step>,
}

impl Steps {
    /// Never stops.
    pub fn run_through() -> Self {
        Self::default()
    }

    /// Stops for good when `step` is reached.
    pub fn pause_at(step: Step) -> Self {
        Self { pause_at: Some(step) }
    }

    /// Says that `step` is reached; does not return when that is the one to stop at.
    pub async fn reached(&self, step: Step) {
        if self.pause_at == Some(step) {
            // The line is what a test waits for before it kills, so it bypasses the log's filters.
            #[expect(clippy::print_stderr, reason = "the test that waits for this line reads stderr")]
            {
                eprintln!("paused at {step}");
            }
            std::future::pending::<()>().await;
        }
    }
}
