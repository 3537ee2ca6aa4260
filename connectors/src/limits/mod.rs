//! How fast and how much a source may be asked, and how patiently.
//!
//! ```text
//! declared limits ─▶ plan ─▶ pace ─▶ turn of a request ─▶ answer ─▶ what it cost, what is left, whether it was too fast ─┐
//!                             ▲                                                                                          │
//!                             └──────────────── state, in a store that runners share ◀───────────────────────────────────┘
//! ```

mod backoff;
mod learn;
mod moment;
mod pace;
mod patience;
mod plan;
mod retry_after;
mod state;
mod store;
mod waiting;
mod wall_clock;

pub use backoff::Backoff;
pub use moment::MomentFormat;
pub use patience::{Again, Patience, Retries};
pub(crate) use retry_after::http_date;
pub use retry_after::parse_retry_after;
pub use state::{Allowance, Granted, QuotaChange, QuotaState, Share};
pub use store::{FileQuotas, MemoryQuotas, QuotaStore, QuotaStoreError};
pub use waiting::{RealWaiting, Waiting};
pub use wall_clock::{TimeOfDay, WallClock, ZoneName};

pub(crate) use backoff::jitter;
pub(crate) use learn::{Learner, Shown};
pub(crate) use pace::{Load, Pace, PaceOptions, Turn};
