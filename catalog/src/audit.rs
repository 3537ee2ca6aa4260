//! The audit log: who asked to read which table, when, and what was decided.
//!
//! One JSON object a line, appended and synced to the disk before any row is returned: [`Audit::admit`] is the only way to a
//! [`Permit`], and reading needs one. A line is written by one `write`, so that several processes may share the file
//! (`O_APPEND`, <https://pubs.opengroup.org/onlinepubs/9699919799/functions/write.html>).

use std::io::{BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use fs_err::{File, OpenOptions};
use headwater_contract::{Clock, TableName};
use serde::{Deserialize, Serialize};

use crate::policy::{AccessError, Action, Caller, Decision};

/// Version of a line; a reader refuses none, it ignores fields that it does not know.
const VERSION: u32 = 1;

/// Characters of a statement that a line keeps.
const WHAT_LENGTH_MAX: usize = 2_000;

/// Leave to read one table, given by [`Audit::admit`] after the decision was written down.
#[derive(Clone, Debug)]
pub struct Permit(Decision);

impl Permit {
    /// The table that may be read.
    pub fn table(&self) -> &TableName {
        self.0.table()
    }

    /// Who may read it.
    pub fn caller(&self) -> &Caller {
        self.0.caller()
    }

    /// The decision behind it.
    pub fn decision(&self) -> &Decision {
        &self.0
    }
}

/// One line of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditLine {
    /// Version of the line.
    pub version: u32,
    /// When it was decided.
    pub at: DateTime<Utc>,
    /// The user.
    pub user: String,
    /// The role that the project gives him.
    pub own_role: String,
    /// The role he acted as.
    pub role: String,
    /// What he wanted to do.
    pub action: Action,
    /// The table, as `zone.schema.table`.
    pub table: String,
    /// Whether he may.
    pub allowed: bool,
    /// Why.
    pub reason: String,
    /// The statement or call that needed the table.
    pub what: String,
    /// Digest of the policy that decided.
    pub policy: String,
}

/// The audit log of a project.
#[derive(Clone, Debug)]
pub struct Audit {
    path: PathBuf,
    clock: Arc<dyn Clock>,
}

impl Audit {
    /// Opens the log at `path`; the file is created with the first line.
    pub fn open(path: impl Into<PathBuf>, clock: Arc<dyn Clock>) -> Self {
        Self { path: path.into(), clock }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes `decision` down and, when it is a yes, gives leave to read. `what` is the statement or call that needs the table.
    ///
    /// # Errors
    ///
    /// [`AccessError::Denied`] when it is a no, [`AccessError::AuditFailed`] when it cannot be written.
    pub fn admit(&self, decision: Decision, what: &str) -> Result<Permit, AccessError> {
        let failed = |source| AccessError::AuditFailed { path: self.path.clone(), source };
        self.append(&self.line(&decision, what)).map_err(failed)?;
        decision.require()?;
        Ok(Permit(decision))
    }

    /// The newest `limit` lines, oldest of them first. Lines that are not whole are left out.
    ///
    /// # Errors
    ///
    /// [`AccessError::AuditFailed`] when the file is there and cannot be read.
    pub fn read(&self, limit: usize) -> Result<Vec<AuditLine>, AccessError> {
        let failed = |source| AccessError::AuditFailed { path: self.path.clone(), source };
        let file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        let mut newest = std::collections::VecDeque::new();
        for line in BufReader::new(file).lines() {
            // A process that was killed in the middle of a write leaves a line that is cut.
            let Ok(line) = serde_json::from_str(&line.map_err(failed)?) else { continue };
            newest.push_back(line);
            if newest.len() > limit {
                newest.pop_front();
            }
        }
        Ok(newest.into())
    }

    fn line(&self, decision: &Decision, what: &str) -> AuditLine {
        let caller = decision.caller();
        AuditLine {
            version: VERSION,
            at: self.clock.now(),
            user: caller.user().to_owned(),
            own_role: caller.own_role().to_string(),
            role: caller.role().to_string(),
            action: decision.action(),
            table: decision.table().to_string(),
            allowed: decision.is_allowed(),
            reason: decision.reason().to_owned(),
            what: what.chars().take(WHAT_LENGTH_MAX).collect(),
            policy: decision.policy().to_string(),
        }
    }

    /// Writes stars over `texts` wherever they are words of a statement that the log keeps; everything else stays as it was written.
    /// Returns how many lines had one.
    ///
    /// # Errors
    ///
    /// [`AccessError::AuditFailed`] when the file is there and cannot be read or written; doing it again is safe.
    pub fn blot_out(&self, texts: &[String]) -> Result<u64, AccessError> {
        let failed = |source| AccessError::AuditFailed { path: self.path.clone(), source };
        let mut file = match OpenOptions::new().read(true).write(true).open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(0),
            Err(error) => return Err(failed(error)),
        };
        let bytes = fs_err::read(&self.path).map_err(failed)?;
        // As they stand in JSON. Stars of the same length, so that nobody who appends meanwhile is in the way.
        let texts: Vec<Vec<u8>> = texts
            .iter()
            .map(|text| serde_json::Value::from(text.as_str()).to_string().trim_matches('"').as_bytes().to_vec())
            .filter(|text| !text.is_empty())
            .collect();
        let (mut blotted, mut begins) = (0, 0_usize);
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            let marks = words_in(line, &texts);
            for (at, length) in &marks {
                let place = u64::try_from(begins + at).unwrap_or(u64::MAX);
                file.seek(SeekFrom::Start(place)).map_err(failed)?;
                file.write_all(&vec![b'*'; *length]).map_err(failed)?;
            }
            blotted += u64::from(!marks.is_empty());
            begins += line.len();
        }
        file.sync_data().map_err(failed)?;
        Ok(blotted)
    }

    fn append(&self, line: &AuditLine) -> std::io::Result<()> {
        if let Some(folder) = self.path.parent() {
            fs_err::create_dir_all(folder)?;
        }
        let mut file = OpenOptions::new().create(true).append(true).open(&self.path)?;
        // A cut line of a killed process must not swallow this one, so each line also begins on a new one.
        let mut bytes = b"\n".to_vec();
        serde_json::to_writer(&mut bytes, line)?;
        bytes.push(b'\n');
        file.write_all(&bytes)?;
        file.sync_data()
    }
}

/// Where texts stand as words in the statement of a line, each with its length.
fn words_in(line: &[u8], texts: &[Vec<u8>]) -> Vec<(usize, usize)> {
    const FIELD: &[u8] = b"\"what\":\"";
    let Some(from) = line.windows(FIELD.len()).position(|window| window == FIELD) else { return Vec::new() };
    let from = from + FIELD.len();
    let is_word = |at: Option<usize>| at.and_then(|at| line.get(at)).is_some_and(u8::is_ascii_alphanumeric);
    let mut marks = Vec::new();
    for text in texts {
        for at in from..line.len() {
            let end = at + text.len();
            if line.get(at..end) == Some(text.as_slice()) && !is_word(at.checked_sub(1)) && !is_word(Some(end)) {
                marks.push((at, text.len()));
            }
        }
    }
    marks
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;
    use headwater_contract::FixedClock;

    use super::*;
    use crate::policy::Policy;

    fn clock() -> Arc<FixedClock> {
        Arc::new(FixedClock::at("2026-11-21T09:00:00Z".parse().unwrap()))
    }

    fn decide(user: &str, table: &str) -> Decision {
        let settings = headwater_contract::yaml::from_str("users: {ann: analyst, eve: data_engineer}").unwrap();
        let policy = Policy::new(&settings).unwrap();
        policy.decide(&policy.caller(user, None).unwrap(), Action::Read, &table.parse().unwrap())
    }

    #[test]
    fn writes_a_refusal_down_and_gives_no_permit() {
        let folder = tempfile::tempdir().unwrap();
        let audit = Audit::open(folder.path().join("state/audit.jsonl"), clock());
        let refused = audit.admit(decide("ann", "raw.shop.orders"), "select 1");
        assert!(matches!(refused, Err(AccessError::Denied { .. })));
        let lines = audit.read(10).unwrap();
        assert_eq!((lines.len(), lines[0].allowed, lines[0].user.as_str()), (1, false, "ann"));
    }

    #[test]
    fn a_text_that_is_blotted_out_leaves_stars_and_the_other_lines_as_they_were() {
        let folder = tempfile::tempdir().unwrap();
        let audit = Audit::open(folder.path().join("audit.jsonl"), clock());
        for what in ["select 1", "where mail = 'ann@x.org' or mail = 'joann@x.org'", "say \"eve\""] {
            audit.admit(decide("eve", "raw.shop.orders"), what).unwrap();
        }
        let before = audit.read(10).unwrap();
        let texts = ["ann@x.org", "eve"].map(str::to_owned);
        assert_eq!(audit.blot_out(&texts).unwrap(), 2);
        let after = audit.read(10).unwrap();
        assert_eq!(after[0].what, "select 1");
        assert_eq!(after[1].what, "where mail = '*********' or mail = 'joann@x.org'");
        assert_eq!((after[2].what.as_str(), after[2].user.as_str()), ("say \"***\"", "eve"));
        assert_eq!(
            after.iter().map(|line| line.at).collect::<Vec<_>>(),
            before.iter().map(|line| line.at).collect::<Vec<_>>()
        );
    }

    #[test]
    fn gives_no_permit_when_the_log_cannot_be_written() {
        let folder = tempfile::tempdir().unwrap();
        let audit = Audit::open(folder.path(), clock());
        let refused = audit.admit(decide("eve", "raw.shop.orders"), "select 1");
        assert!(matches!(refused, Err(AccessError::AuditFailed { .. })), "a folder is no file");
    }

    #[test]
    fn appends_after_a_line_that_was_cut() {
        let folder = tempfile::tempdir().unwrap();
        let clock = clock();
        let audit = Audit::open(folder.path().join("audit.jsonl"), clock.clone());
        audit.admit(decide("eve", "raw.shop.orders"), "first").unwrap();
        let mut file = OpenOptions::new().append(true).open(audit.path()).unwrap();
        file.write_all(b"{\"version\":1,\"at\"").unwrap();
        clock.advance(TimeDelta::seconds(1));
        let permit = audit.admit(decide("ann", "curated.shop.dim_date"), "second").unwrap();
        assert_eq!(permit.table().to_string(), "curated.shop.dim_date");
        let lines = audit.read(10).unwrap();
        assert_eq!(lines.iter().map(|line| line.what.as_str()).collect::<Vec<_>>(), ["first", "second"]);
        assert_eq!(audit.read(1).unwrap()[0].what, "second");
        assert!(lines[1].at > lines[0].at);
    }
}
