//! Tells a runner that works from one that was killed.
//!
//! A lease runs out by itself, but whoever starts the next run after a crash should not have to wait for it. Every runner holds an
//! operating-system lock on a file named by its id, and the system lets go of it whatever way the process ends. A lease whose
//! runner's file can be locked belongs to nobody. The ledger's `SQLite` file binds runners to one machine anyway, so do these files.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

use headwater_lake::ledger::{Ledger, LedgerError};

/// The runner's own lock, held until it is dropped.
#[derive(Debug)]
pub struct Presence {
    path: PathBuf,
    _lock: File,
}

impl Drop for Presence {
    fn drop(&mut self) {
        // A file that stays is as good as none: it can be locked.
        let _gone = fs_err::remove_file(&self.path);
    }
}

impl Presence {
    /// Shows that this runner works.
    ///
    /// # Errors
    ///
    /// What the file system says.
    pub fn show(state: &Path, ledger: &Ledger) -> std::io::Result<Self> {
        let folder = state.join("runners");
        fs_err::create_dir_all(&folder)?;
        let path = folder.join(ledger.runner().to_string());
        let lock = File::create(&path)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path, _lock: lock }),
            Err(TryLockError::Error(error)) => Err(error),
            Err(TryLockError::WouldBlock) => Err(std::io::ErrorKind::AlreadyExists.into()),
        }
    }

    /// Whether any other runner of this project is at work: one whose file is locked by a process that lives.
    ///
    /// # Errors
    ///
    /// What the file system says.
    pub fn others_work(state: &Path, ledger: &Ledger) -> std::io::Result<bool> {
        let folder = state.join("runners");
        if !folder.is_dir() {
            return Ok(false);
        }
        let own = ledger.runner().to_string();
        for entry in fs_err::read_dir(&folder)? {
            let path = entry?.path();
            if path.file_name().is_some_and(|name| name.to_string_lossy() == own) {
                continue;
            }
            // A file that is gone by now was of a runner that has ended.
            let Ok(file) = File::open(&path) else { continue };
            if file.try_lock().is_err() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Takes the leases back of runners that are gone, and returns how many those were.
    ///
    /// # Errors
    ///
    /// [`LedgerError`] when the ledger cannot be written.
    pub async fn forget_the_dead(state: &Path, ledger: &Ledger) -> Result<usize, LedgerError> {
        let mut dead = 0;
        for runner in ledger.runners().await? {
            let path = state.join("runners").join(runner.to_string());
            let is_dead = match File::open(&path) {
                Ok(file) => file.try_lock().is_ok(),
                Err(error) => error.kind() == std::io::ErrorKind::NotFound,
            };
            if is_dead {
                ledger.forget_runner(runner).await?;
                let _gone = fs_err::remove_file(&path);
                dead += 1;
            }
        }
        Ok(dead)
    }
}
