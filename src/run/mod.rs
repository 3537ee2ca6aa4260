//! A run: plan → extract → gate → land → cleanse → star, a file a step.

pub mod coverage;
pub mod order;
pub mod plan;
pub mod source_time;

mod commit;
mod debts;
mod decode;
mod erase;
mod error;
mod event;
mod fold;
mod known;
mod maintain;
mod presence;
mod record;
mod repair;
mod report;
mod runner;
mod shared_keys;
mod source;
mod star;
mod status;
mod stop;
mod stream;
mod window;

pub use erase::{EraseOptions, EraseReport, Proof, StreamErased, TablePurged, Whom};
pub use error::RunError;
pub use event::{Listener, RunEvent};
pub use maintain::{MaintainOptions, MaintainReport, PartsMaintained, TableMaintained};
pub use presence::Presence;
pub use repair::Decision;
pub(crate) use report::first_of;
pub use report::{Outcome, Problem, RunReport, StarReport, StarTable, StreamReport, WindowReport};
pub use runner::{RunOptions, StreamDue};
pub use source::{OpenSource, OpenStream, Opener, unknown};
pub use status::{Gap, StreamStatus};
pub use stop::Stop;
pub(crate) use window::why_text;
