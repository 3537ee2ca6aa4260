//! Deletes what killed processes left on the local disk: spilled keys, files on their way, copies of remote files.
//!
//! Here age decides, because nothing of it is true: a spill or an unfinished file that nobody touched for days has no writer, and
//! a copy is made again by the next query. A store on the local disk hides unfinished files from every listing, so they are
//! looked for by name.

use std::path::{Path, PathBuf};

use chrono::{DateTime, TimeDelta, Utc};
use headwater_contract::Zone;

use crate::Lake;
use crate::maintenance::{MaintenanceError, Swept};

/// Files that nobody wrote to for so many days are deleted.
pub const SCRATCH_KEPT_DAYS: i64 = 7;
/// Where copies of remote files lie.
const COPIES: &str = "copies";

/// Deletes old files of the scratch folder. While other runners work, only copies: a reading may spill keys for long.
///
/// # Errors
///
/// [`MaintenanceError::Scratch`] when the folder cannot be read or a file not deleted.
pub fn clean_scratch(lake: &Lake, others_work: bool, is_dry: bool) -> Result<Swept, MaintenanceError> {
    let folder = if others_work { lake.scratch.join(COPIES) } else { lake.scratch.clone() };
    let mut old = Vec::new();
    walk(&folder, kept_from(lake), &|_| true, &mut old)?;
    delete(&old, is_dry)
}

/// Deletes old unfinished files in zones that lie on the local disk.
///
/// # Errors
///
/// [`MaintenanceError::Scratch`] when a folder cannot be read or a file not deleted.
pub fn clean_unfinished(lake: &Lake, is_dry: bool) -> Result<Swept, MaintenanceError> {
    let mut old = Vec::new();
    for zone in Zone::ALL {
        if let Some(folder) = lake.zones.get(zone).folder() {
            walk(folder, kept_from(lake), &is_unfinished, &mut old)?;
        }
    }
    delete(&old, is_dry)
}

/// Deletes everything in the scratch folder, and every unfinished file of zones that lie on the local disk: what an erasure must not
/// leave. While other runners work, only copies of remote files.
///
/// # Errors
///
/// [`MaintenanceError::Scratch`] when a folder cannot be read or a file not deleted.
pub fn clear_scratch(lake: &Lake, others_work: bool) -> Result<Swept, MaintenanceError> {
    let until = DateTime::<Utc>::MAX_UTC;
    let mut all = Vec::new();
    if others_work {
        walk(&lake.scratch.join(COPIES), until, &|_| true, &mut all)?;
        return delete(&all, false);
    }
    walk(&lake.scratch, until, &|_| true, &mut all)?;
    for zone in Zone::ALL {
        if let Some(folder) = lake.zones.get(zone).folder() {
            walk(folder, until, &is_unfinished, &mut all)?;
        }
    }
    delete(&all, false)
}

fn kept_from(lake: &Lake) -> DateTime<Utc> {
    lake.clock.now() - TimeDelta::days(SCRATCH_KEPT_DAYS)
}

/// Whether a store gave the file this name until it was whole: `<name>#<number>`.
fn is_unfinished(file: &Path) -> bool {
    let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.rsplit_once('#')
        .is_some_and(|(_, number)| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

fn walk(
    folder: &Path,
    kept_from: DateTime<Utc>,
    wanted: &dyn Fn(&Path) -> bool,
    old: &mut Vec<(PathBuf, u64)>,
) -> Result<(), MaintenanceError> {
    if !folder.is_dir() {
        return Ok(());
    }
    for entry in fs_err::read_dir(folder)? {
        let entry = entry?;
        let (path, kind) = (entry.path(), entry.file_type()?);
        if kind.is_dir() {
            walk(&path, kept_from, wanted, old)?;
        } else if kind.is_file() && wanted(&path) {
            // Whoever wrote it may have finished or deleted it since it was listed.
            let Ok(facts) = fs_err::metadata(&path) else { continue };
            if DateTime::<Utc>::from(facts.modified()?) < kept_from {
                old.push((path, facts.len()));
            }
        }
    }
    Ok(())
}

fn delete(old: &[(PathBuf, u64)], is_dry: bool) -> Result<Swept, MaintenanceError> {
    let mut swept = Swept::default();
    for (path, bytes) in old {
        match if is_dry { Ok(()) } else { fs_err::remove_file(path) } {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            other => {
                other?;
                swept.add(Swept { files: 1, bytes: *bytes });
            }
        }
    }
    Ok(swept)
}
