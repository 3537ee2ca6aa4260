//! Why a policy cannot be built, a role cannot be taken, or a table cannot be read.

use std::path::PathBuf;

use headwater_contract::{ErrorKind, Explain, TableName};
use thiserror::Error;

use crate::roles::{Grant, RoleName};

fn list(roles: &[RoleName]) -> String {
    roles.iter().map(RoleName::as_str).collect::<Vec<_>>().join(", ")
}

/// Why the `access:` block of a project makes no policy.
#[derive(Debug, Error)]
pub enum PolicyError {
    /// A user has a role that nobody defines.
    #[error("user `{user}` has the role `{role}`, which is not defined")]
    UnknownRole {
        /// The user.
        user: String,
        /// The role he is given.
        role: RoleName,
        /// The roles there are.
        known: Vec<RoleName>,
    },
    /// Cedar does not take what the grants were turned into.
    #[error("the grants of the project do not make a policy: {reason}")]
    Engine {
        /// What Cedar said.
        reason: String,
    },
}

impl Explain for PolicyError {
    fn code(&self) -> &'static str {
        match self {
            Self::UnknownRole { .. } => "role-unknown",
            Self::Engine { .. } => "policy-invalid",
        }
    }

    fn kind(&self) -> ErrorKind {
        match self {
            Self::UnknownRole { .. } => ErrorKind::Config,
            Self::Engine { .. } => ErrorKind::Internal,
        }
    }

    fn place(&self) -> String {
        match self {
            Self::UnknownRole { user, .. } => format!("access.users.{user}"),
            Self::Engine { .. } => "access.roles".to_owned(),
        }
    }

    fn fix(&self) -> String {
        match self {
            Self::UnknownRole { known, role, .. } => {
                format!("give one of {}, or define `{role}` under `access.roles`", list(known))
            }
            Self::Engine { .. } => "report this with the `access` block of the project".to_owned(),
        }
    }

    fn committed(&self) -> String {
        "nothing was read or written".to_owned()
    }
}

/// Why a caller gets no data.
#[derive(Debug, Error)]
pub enum AccessError {
    /// The project gives the user no role.
    #[error("user `{user}` has no role in this project")]
    NoRole {
        /// The user.
        user: String,
    },
    /// The role to act as is not defined.
    #[error("there is no role `{role}`")]
    UnknownRole {
        /// The role.
        role: RoleName,
        /// The roles there are.
        known: Vec<RoleName>,
    },
    /// The role to act as reaches further than the user's own.
    #[error("user `{user}` cannot act as {role}: it may read {beyond}, which his own role {own_role} may not")]
    NotNarrower {
        /// The user.
        user: String,
        /// The role he has.
        own_role: RoleName,
        /// The role he wants.
        role: RoleName,
        /// A grant of it that his own role does not cover.
        beyond: Box<Grant>,
    },
    /// The policy says no.
    #[error("user `{user}` as {role} may not read {table}")]
    Denied {
        /// The user.
        user: String,
        /// The role he acts as.
        role: RoleName,
        /// The table.
        table: Box<TableName>,
        /// Why, in the policy's words.
        reason: String,
    },
    /// The decision could not be written down, so nothing is read.
    #[error("cannot write the audit log {path}", path = path.display())]
    AuditFailed {
        /// The log.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl Explain for AccessError {
    fn code(&self) -> &'static str {
        match self {
            Self::NoRole { .. } => "no-role",
            Self::UnknownRole { .. } => "role-unknown",
            Self::NotNarrower { .. } => "role-not-narrower",
            Self::Denied { .. } => "access-denied",
            Self::AuditFailed { .. } => "audit-failed",
        }
    }

    fn kind(&self) -> ErrorKind {
        ErrorKind::Access
    }

    fn place(&self) -> String {
        match self {
            Self::NoRole { user } => format!("access.users.{user}"),
            Self::UnknownRole { role, .. } | Self::NotNarrower { role, .. } => format!("--as {role}"),
            Self::Denied { table, reason, .. } => format!("{table}: {reason}"),
            Self::AuditFailed { path, .. } => path.display().to_string(),
        }
    }

    fn fix(&self) -> String {
        match self {
            Self::NoRole { user } => format!("give `{user}` a role under `access.users` in the project file"),
            Self::UnknownRole { known, .. } => format!("use one of {}", list(known)),
            Self::NotNarrower { own_role, .. } => format!("choose a role that may read no more than {own_role}"),
            Self::Denied { role, table, .. } => {
                format!(
                    "ask a data engineer to grant {table} to {role} under `access.roles`, or read a table that it may"
                )
            }
            Self::AuditFailed { .. } => "make the folder of the audit log writable, then ask again".to_owned(),
        }
    }

    fn committed(&self) -> String {
        "nothing was read; asking again is safe".to_owned()
    }
}
