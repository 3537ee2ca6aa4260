//! Proves that no record got lost between two counts.
//!
//! A reading's records end in exactly one of four places, and a table shows exactly what its receipts say was loaded. Both are
//! checked by arithmetic after every window, so that a bug shows as a named error and never as missing rows.

use headwater_contract::{ErrorKind, Explain};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Where the records of one reading went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Records that the source sent.
    pub received: u64,
    /// Of these: outside the window's bounds, cut.
    pub outside: u64,
    /// Of these: repeated within the reading, of which another stays.
    pub duplicate: u64,
    /// Of these: failed the gate.
    pub quarantined: u64,
    /// Of these: in the typed files.
    pub loaded: u64,
    /// Of those loaded: with something in `_rescued`.
    pub rescued: u64,
}

/// Two counts that should agree and do not.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Unbalanced {
    /// Records of a reading are in no place, or in two.
    #[error(
        "{received} records were received but {outside} outside + {duplicate} repeated + {quarantined} quarantined + \
         {loaded} loaded make {}", outside + duplicate + quarantined + loaded
    )]
    Reading {
        /// Records that the source sent.
        received: u64,
        /// Cut at the bounds.
        outside: u64,
        /// Repeated.
        duplicate: u64,
        /// Failed the gate.
        quarantined: u64,
        /// In the typed files.
        loaded: u64,
    },
    /// More rows carry rescued values than were loaded.
    #[error("{rescued} rows have rescued values but only {loaded} were loaded")]
    Rescued {
        /// Rows with something in `_rescued`.
        rescued: u64,
        /// Rows in the typed files.
        loaded: u64,
    },
    /// A table shows other rows of a window than its receipt says.
    #[error("the table shows {table} rows of window {window} but its receipt says {receipt}")]
    Table {
        /// The window.
        window: String,
        /// Rows that the receipt says were loaded.
        receipt: u64,
        /// Rows that the table shows.
        table: u64,
    },
}

impl Explain for Unbalanced {
    fn code(&self) -> &'static str {
        match self {
            Self::Reading { .. } | Self::Rescued { .. } => "counts-unbalanced",
            Self::Table { .. } => "table-differs-from-receipt",
        }
    }

    fn kind(&self) -> ErrorKind {
        ErrorKind::Internal
    }

    fn place(&self) -> String {
        if let Self::Table { window, .. } = self { format!("window {window}") } else { String::new() }
    }

    fn fix(&self) -> String {
        match self {
            Self::Reading { .. } | Self::Rescued { .. } => "report it with the code and the run id".to_owned(),
            Self::Table { .. } => {
                "rebuild the table from raw with `headwater rebuild cleansed`, and find out who else wrote to it"
                    .to_owned()
            }
        }
    }

    fn committed(&self) -> String {
        match self {
            Self::Reading { .. } | Self::Rescued { .. } => {
                "nothing of this window was committed; running again is safe".to_owned()
            }
            Self::Table { .. } => "the window is committed; its receipt and raw parts are whole".to_owned(),
        }
    }
}

impl Counts {
    /// Checks that each record is in exactly one place.
    ///
    /// # Errors
    ///
    /// [`Unbalanced::Reading`] or [`Unbalanced::Rescued`], with the numbers.
    pub fn balance(&self) -> Result<(), Unbalanced> {
        let Self { received, outside, duplicate, quarantined, loaded, rescued } = *self;
        let placed = [outside, duplicate, quarantined, loaded].iter().try_fold(0_u64, |sum, one| sum.checked_add(*one));
        if placed != Some(received) {
            return Err(Unbalanced::Reading { received, outside, duplicate, quarantined, loaded });
        }
        if rescued > loaded {
            return Err(Unbalanced::Rescued { rescued, loaded });
        }
        Ok(())
    }
}

/// Checks that a table shows as many rows of a window as its receipt says were loaded.
///
/// # Errors
///
/// [`Unbalanced::Table`], with the numbers.
pub fn table(window: &str, receipt: u64, table: u64) -> Result<(), Unbalanced> {
    if receipt == table { Ok(()) } else { Err(Unbalanced::Table { window: window.to_owned(), receipt, table }) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_the_numbers_of_a_reading_that_lost_a_record() {
        let counts = Counts { received: 10, outside: 1, duplicate: 2, quarantined: 3, loaded: 3, rescued: 0 };
        assert_eq!(
            counts.balance().unwrap_err().to_string(),
            "10 records were received but 1 outside + 2 repeated + 3 quarantined + 3 loaded make 9"
        );
    }

    #[test]
    fn rejects_more_rescued_rows_than_loaded_ones_and_a_table_with_other_rows() {
        let counts = Counts { received: 1, loaded: 1, rescued: 2, ..Counts::default() };
        assert_eq!(counts.balance(), Err(Unbalanced::Rescued { rescued: 2, loaded: 1 }));
        assert!(table("t_a_b", 5, 6).is_err());
        assert_eq!(table("t_a_b", 5, 5), Ok(()));
    }

    proptest! {
        /// One record moved anywhere breaks the balance.
        #[test]
        fn any_single_miscount_shows(places in proptest::array::uniform4(0_u64..1_000), which in 0_usize..4) {
            let [outside, duplicate, quarantined, loaded] = places;
            let good = Counts { received: places.iter().sum(), outside, duplicate, quarantined, loaded, rescued: 0 };
            prop_assert_eq!(good.balance(), Ok(()));
            let mut bad = good;
            *[&mut bad.outside, &mut bad.duplicate, &mut bad.quarantined, &mut bad.loaded][which] += 1;
            prop_assert!(bad.balance().is_err());
        }
    }
}
