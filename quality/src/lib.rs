//! Decides whether a window may land.
//!
//! Nothing here writes to a lake: [`checks`] judge rows, [`dedup`] finds repeated keys, [`verdict`] judges the window, [`reconcile`]
//! proves that no record got lost between two counts, and [`profile`] describes what landed. The one thing on disk is a key set that
//! outgrew its memory, in a file without a name.

pub mod checks;
pub mod dedup;
pub mod profile;
pub mod reconcile;
pub mod verdict;
