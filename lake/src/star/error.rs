//! Why a star cannot be read, compiled or built.

use headwater_contract::yaml::YamlError;
use headwater_contract::{ErrorKind, Explain, TableName};
use thiserror::Error;

use crate::read::SqlError;

/// One thing that is wrong in a model, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Path in the file, e.g. `facts.fact_sales.lookups.product_key`, or the file of a table's rows.
    pub place: String,
    /// Line in `star.yaml`, when it is known.
    pub line: Option<usize>,
    /// What is wrong and what would be right, as one sentence without a period.
    pub text: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}, {}: {}", self.place, self.text),
            None => write!(f, "{}: {}", self.place, self.text),
        }
    }
}

/// Why a star cannot be read, compiled or built.
#[derive(Debug, Error)]
pub enum StarError {
    /// A model's file cannot be read.
    #[error("cannot read the star at `{origin}`")]
    Unreadable {
        /// The folder or file.
        origin: String,
        /// What the file system says.
        #[source]
        source: std::io::Error,
    },
    /// `star.yaml` has a shape that the vocabulary does not know.
    #[error("`{origin}` is not a star")]
    Syntax {
        /// The file.
        origin: String,
        /// Place and reason.
        #[source]
        source: YamlError,
    },
    /// The model contradicts itself.
    #[error("star `{star}` is not sound: {}", problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Unsound {
        /// The star.
        star: String,
        /// What is wrong.
        problems: Vec<Problem>,
    },
    /// A table's SQL is no query over tables of the lake.
    #[error("the rows of `{table}` cannot be read")]
    Rows {
        /// Star and table.
        table: String,
        /// Why.
        #[source]
        source: SqlError,
    },
    /// A table that the rows are made from does not exist.
    #[error("`{input}`, from which `{table}` is made, does not exist yet")]
    InputMissing {
        /// Star and table.
        table: String,
        /// The table that is not there.
        input: TableName,
    },
    /// The rows lack a column that the model names.
    #[error("the rows of `{table}` have no column `{column}`; they have {have}")]
    ColumnMissing {
        /// Star and table.
        table: String,
        /// The column.
        column: String,
        /// What they have.
        have: String,
    },
    /// A query could not be run.
    #[error("`{table}` cannot be computed")]
    Compute {
        /// Star and table.
        table: String,
        /// What the engine says.
        #[source]
        source: Box<polars::error::PolarsError>,
    },
    /// Two rows claim to be the same member at the same time.
    #[error("`{table}` has {count} members with more than one row for the same business key, such as {example}")]
    MemberTwice {
        /// Star and dimension.
        table: String,
        /// How many.
        count: usize,
        /// One of them.
        example: String,
    },
    /// A member has no business key.
    #[error("`{table}` has {count} rows without a business key or effective time")]
    MemberWithoutKey {
        /// Star and dimension.
        table: String,
        /// How many.
        count: usize,
    },
    /// A build would delete more members than the policy allows.
    #[error("`{table}` would lose {deleted} of {present} members, more than {allowed:.0} %")]
    TooManyDeleted {
        /// Star and dimension.
        table: String,
        /// How many would be deleted.
        deleted: usize,
        /// How many there are.
        present: usize,
        /// Percentage that is allowed.
        allowed: f64,
    },
    /// A test of the model does not hold.
    #[error("`{table}` fails its test {test}: {found}")]
    TestFailed {
        /// Star and table.
        table: String,
        /// The test.
        test: String,
        /// What was found.
        found: String,
    },
    /// Another build commits faster than this one.
    #[error("`{table}` was committed by another build while this one computed it")]
    Contended {
        /// The table.
        table: String,
    },
    /// The table is partitioned otherwise than the model says.
    #[error("`{table}` is partitioned by `{held}`, which the model no longer says")]
    PartitionChanged {
        /// The table.
        table: String,
        /// Its partition columns.
        held: String,
    },
    /// An input is older than the last build saw it.
    #[error("`{input}` shows version {found}, but the last build of `{table}` read version {recorded}")]
    InputOlder {
        /// Star and table.
        table: String,
        /// The input.
        input: TableName,
        /// The version that shows.
        found: i64,
        /// The version that was read before.
        recorded: i64,
    },
    /// A dimension shows keys of a state that is gone.
    #[error("keys and history of `{table}` are gone: its rows come from a state that is not in raw any more")]
    StateGone {
        /// Star and dimension.
        table: String,
    },
    /// Another runner builds the star.
    #[error("star `{star}` is being built by another runner")]
    Leased {
        /// The star.
        star: String,
    },
    /// The lake refused.
    #[error("the lake refused while `{table}` was read or written")]
    Lake {
        /// Star and table.
        table: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A file on its way could not be written or read.
    #[error("a scratch file of `{table}` failed")]
    Scratch {
        /// Star and table.
        table: String,
        /// What the file system says.
        #[source]
        source: std::io::Error,
    },
    /// What must be impossible happened.
    #[error("`{table}`: {what}")]
    Internal {
        /// Star and table.
        table: String,
        /// The facts.
        what: String,
    },
}

impl StarError {
    /// Wraps what the engine says about `table`.
    pub(crate) fn compute(table: &str) -> impl FnOnce(polars::error::PolarsError) -> Self + use<> {
        let table = table.to_owned();
        move |source| Self::Compute { table, source: Box::new(source) }
    }

    /// Wraps what a store, log or ledger says about `table`.
    pub(crate) fn lake<E: std::error::Error + Send + Sync + 'static>(table: &str) -> impl FnOnce(E) -> Self + use<E> {
        let table = table.to_owned();
        move |source| Self::Lake { table, source: Box::new(source) }
    }

    /// Wraps what the file system says about a scratch file of `table`.
    pub(crate) fn scratch(table: &str) -> impl FnOnce(std::io::Error) -> Self + use<> {
        let table = table.to_owned();
        move |source| Self::Scratch { table, source }
    }
}

impl Explain for StarError {
    fn code(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "star-unreadable",
            Self::Syntax { .. } => "star-syntax",
            Self::Unsound { .. } => "star-unsound",
            Self::Rows { .. } => "star-rows",
            Self::InputMissing { .. } => "star-input-missing",
            Self::ColumnMissing { .. } => "star-column-missing",
            Self::Compute { .. } => "star-compute",
            Self::MemberTwice { .. } => "star-member-twice",
            Self::MemberWithoutKey { .. } => "star-member-without-key",
            Self::TooManyDeleted { .. } => "star-too-many-deleted",
            Self::TestFailed { .. } => "star-test-failed",
            Self::Contended { .. } => "star-contended",
            Self::PartitionChanged { .. } => "star-partition-changed",
            Self::InputOlder { .. } => "star-input-older",
            Self::StateGone { .. } => "star-state-gone",
            Self::Leased { .. } => "star-leased",
            Self::Lake { .. } => "star-lake",
            Self::Scratch { .. } => "star-scratch",
            Self::Internal { .. } => "internal",
        }
    }

    fn kind(&self) -> ErrorKind {
        match self {
            Self::Unreadable { .. }
            | Self::Syntax { .. }
            | Self::Unsound { .. }
            | Self::Rows { .. }
            | Self::ColumnMissing { .. }
            | Self::PartitionChanged { .. }
            | Self::StateGone { .. }
            | Self::Compute { .. } => ErrorKind::Config,
            Self::MemberTwice { .. }
            | Self::MemberWithoutKey { .. }
            | Self::TooManyDeleted { .. }
            | Self::TestFailed { .. } => ErrorKind::Quality,
            Self::Contended { .. } | Self::Leased { .. } => ErrorKind::Parked,
            Self::InputMissing { .. } | Self::InputOlder { .. } | Self::Lake { .. } | Self::Scratch { .. } => {
                ErrorKind::Unavailable
            }
            Self::Internal { .. } => ErrorKind::Internal,
        }
    }

    fn place(&self) -> String {
        match self {
            Self::Unreadable { origin, .. } | Self::Syntax { origin, .. } => origin.clone(),
            Self::Unsound { star, .. } | Self::Leased { star } => format!("star {star}"),
            Self::Rows { table, .. }
            | Self::InputMissing { table, .. }
            | Self::ColumnMissing { table, .. }
            | Self::Compute { table, .. }
            | Self::MemberTwice { table, .. }
            | Self::MemberWithoutKey { table, .. }
            | Self::TooManyDeleted { table, .. }
            | Self::TestFailed { table, .. }
            | Self::Contended { table }
            | Self::PartitionChanged { table, .. }
            | Self::InputOlder { table, .. }
            | Self::StateGone { table }
            | Self::Lake { table, .. }
            | Self::Scratch { table, .. }
            | Self::Internal { table, .. } => format!("star table {table}"),
        }
    }

    fn fix(&self) -> String {
        match self {
            Self::Unreadable { .. } => {
                "write `star.yaml` and one `<table>.sql` for each table with rows of its own".into()
            }
            Self::Syntax { .. } | Self::Unsound { .. } => {
                "edit the place that is named, then run `headwater star build`".into()
            }
            Self::Rows { .. } => "write one SELECT over tables named `cleansed.<source>.<table>`".into(),
            Self::InputMissing { input, .. } => format!("run `headwater run {}.{}` first", input.schema, input.table),
            Self::ColumnMissing { column, .. } => {
                format!("select `{column}` in the table's SQL, or take it out of the model")
            }
            Self::Compute { .. } => "correct the table's SQL or the column types in the model".into(),
            Self::MemberTwice { .. } => {
                "make the rows unique by business key and effective time, or name `order` columns".into()
            }
            Self::MemberWithoutKey { .. } => "filter rows without a key out of the table's SQL".into(),
            Self::TooManyDeleted { .. } => {
                "check the source; if so many are gone indeed, raise `max_share` for one build".into()
            }
            Self::TestFailed { .. } => {
                "look at the rows with `headwater query`, then correct the model or the source".into()
            }
            Self::Contended { .. } | Self::Leased { .. } => "run again when the other build has ended".into(),
            Self::PartitionChanged { .. } => "give the fact another name, or partition it as it was".into(),
            Self::InputOlder { .. } => {
                "run again; if it stays, the table was restored: run `headwater rebuild curated`".into()
            }
            Self::StateGone { .. } => "bring `raw/_state` back from a backup; or give every member a new key, without its history, by `headwater rebuild curated`".into(),
            Self::Lake { .. } | Self::Scratch { .. } => "see the cause, then run again".into(),
            Self::Internal { .. } => "report it with the model and the run id".into(),
        }
    }

    fn committed(&self) -> String {
        "tables of the star that were committed before stay as they are; running again is safe".into()
    }
}
