//! Decides who may read a table, and says why.
//!
//! A decision is a pure function of the policy, the caller and the table. [`Cedar`](https://www.cedarpolicy.com) decides: each
//! grant of a role becomes one `permit`, and what no `permit` covers is refused, so a mistake in a grant closes and never opens.
//! A [`Decision`] cannot be made elsewhere, and a [`Permit`](crate::Permit) only by [`Audit::admit`](crate::Audit::admit):
//! nothing is read that was not decided and written down.

mod cedar;
mod error;
mod explain;

use std::collections::BTreeMap;
use std::fmt;

use headwater_contract::{Digest16, TableName};
use serde::{Deserialize, Serialize};

pub use self::error::{AccessError, PolicyError};
pub use self::explain::{Explanation, RoleAccess};
use crate::policy::cedar::Engine;
use crate::roles::{ANYBODY, AccessSettings, Grant, RoleName};

/// What a caller wants to do with a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// See its rows.
    Read,
}

impl Action {
    /// The action's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Who asks: a user, the role he has, and the role he acts as. Made by [`Policy::caller`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    user: String,
    own_role: RoleName,
    role: RoleName,
}

impl Caller {
    /// The user's name.
    pub fn user(&self) -> &str {
        &self.user
    }

    /// The role that the project gives the user.
    pub fn own_role(&self) -> &RoleName {
        &self.own_role
    }

    /// The role that is decided for: the user's own, or a narrower one.
    pub fn role(&self) -> &RoleName {
        &self.role
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` as {}", self.user, self.role)
    }
}

/// A verdict on one caller and one table. Only [`Policy::decide`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    caller: Caller,
    action: Action,
    table: TableName,
    rule: Option<Grant>,
    reason: String,
    policy: Digest16,
}

impl Decision {
    /// Who asked.
    pub fn caller(&self) -> &Caller {
        &self.caller
    }

    /// What was asked for.
    pub fn action(&self) -> Action {
        self.action
    }

    /// The table that was asked for.
    pub fn table(&self) -> &TableName {
        &self.table
    }

    /// Whether the answer is yes.
    pub fn is_allowed(&self) -> bool {
        self.rule.is_some()
    }

    /// The grant that allows it; none when it is refused.
    pub fn rule(&self) -> Option<&Grant> {
        self.rule.as_ref()
    }

    /// Why, as a sentence without a period.
    pub fn reason(&self) -> &str {
        &self.reason
    }

    /// The digest of the policy that decided.
    pub fn policy(&self) -> Digest16 {
        self.policy
    }

    /// Checks that the answer is yes. What is then read needs a [`Permit`](crate::Permit) all the same.
    ///
    /// # Errors
    ///
    /// [`AccessError::Denied`] when it is no.
    pub fn require(&self) -> Result<(), AccessError> {
        if self.is_allowed() {
            return Ok(());
        }
        Err(AccessError::Denied {
            user: self.caller.user.clone(),
            role: self.caller.role.clone(),
            table: Box::new(self.table.clone()),
            reason: self.reason.clone(),
        })
    }
}

/// Roles, grants and users of a project, ready to decide.
#[derive(Debug)]
pub struct Policy {
    roles: BTreeMap<RoleName, Vec<Grant>>,
    users: BTreeMap<String, RoleName>,
    engine: Engine,
    digest: Digest16,
}

impl Policy {
    /// Builds the policy of a project.
    ///
    /// # Errors
    ///
    /// [`PolicyError::UnknownRole`] when a user has a role that nobody defines.
    pub fn new(settings: &AccessSettings) -> Result<Self, PolicyError> {
        let roles = settings.all_roles();
        for (user, role) in &settings.users {
            if !roles.contains_key(role) {
                let known = roles.keys().cloned().collect();
                return Err(PolicyError::UnknownRole { user: user.clone(), role: role.clone(), known });
            }
        }
        let engine = Engine::new(&roles)?;
        let users = settings.users.clone();
        // The map's order is that of its keys, so equal policies have equal digests. Strings always serialise.
        let text = serde_json::to_vec(&(&roles, &users)).unwrap_or_default();
        Ok(Self { roles, users, engine, digest: Digest16::of(&text) })
    }

    /// The roles and what each may read.
    pub fn roles(&self) -> &BTreeMap<RoleName, Vec<Grant>> {
        &self.roles
    }

    /// The digest of roles, grants and users.
    pub fn digest(&self) -> Digest16 {
        self.digest
    }

    /// The policy in the Cedar language, one `permit` a grant.
    pub fn cedar_text(&self) -> &str {
        self.engine.text()
    }

    /// Finds who `user` is. With `narrow_to` he acts as that role, which must not reach further than his own.
    ///
    /// # Errors
    ///
    /// [`AccessError::NoRole`] when the project gives the user none, [`AccessError::UnknownRole`] and
    /// [`AccessError::NotNarrower`] when `narrow_to` cannot be taken.
    pub fn caller(&self, user: &str, narrow_to: Option<&RoleName>) -> Result<Caller, AccessError> {
        let own_role = self.users.get(user).or_else(|| self.users.get(ANYBODY));
        let own_role = own_role.ok_or_else(|| AccessError::NoRole { user: user.to_owned() })?.clone();
        let role = narrow_to.unwrap_or(&own_role).clone();
        let Some(wanted) = self.roles.get(&role) else {
            return Err(AccessError::UnknownRole { role, known: self.roles.keys().cloned().collect() });
        };
        let own = self.roles.get(&own_role).map(Vec::as_slice).unwrap_or_default();
        if let Some(beyond) = wanted.iter().find(|grant| !own.iter().any(|own| own.covers(grant))) {
            return Err(AccessError::NotNarrower {
                user: user.to_owned(),
                own_role,
                role,
                beyond: Box::new(beyond.clone()),
            });
        }
        Ok(Caller { user: user.to_owned(), own_role, role })
    }

    /// Decides whether `caller` may do `action` with `table`, and says which rule or lack of one is the reason.
    ///
    /// It never fails: what the engine cannot decide is refused.
    pub fn decide(&self, caller: &Caller, action: Action, table: &TableName) -> Decision {
        let verdict = self.engine.decide(caller, action, table);
        let (rule, reason) = match verdict {
            Ok(Some(grant)) => {
                let reason = format!("role {} may {action} {grant}", caller.role);
                (Some(grant), reason)
            }
            Ok(None) => (None, self.refusal(caller, action, table)),
            Err(error) => (None, format!("the policy could not be evaluated: {error}")),
        };
        Decision { caller: caller.clone(), action, table: table.clone(), rule, reason, policy: self.digest }
    }

    /// Says what the role reaches and which roles reach the table.
    fn refusal(&self, caller: &Caller, action: Action, table: &TableName) -> String {
        let wanted = Grant::Table(table.clone());
        let grants = self.roles.get(&caller.role).map(Vec::as_slice).unwrap_or_default();
        let reaches: Vec<String> = grants.iter().map(Grant::to_string).collect();
        let reaches = if reaches.is_empty() { "no zone".to_owned() } else { format!("only {}", reaches.join(", ")) };
        let others = self.roles.iter().filter(|(_, grants)| grants.iter().any(|grant| grant.covers(&wanted)));
        let others: Vec<&str> = others.map(|(role, _)| role.as_str()).collect();
        let others = if others.is_empty() { "no role".to_owned() } else { others.join(", ") };
        format!("role {} may {action} {reaches}; {table} is open to {others}", caller.role)
    }
}

#[cfg(test)]
mod tests;
