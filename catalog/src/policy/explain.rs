//! Why a caller may or may not read a table, and who else may: what `explain-access` shows.

use headwater_contract::TableName;
use serde::{Deserialize, Serialize};

use crate::policy::{Action, Caller, Policy};
use crate::roles::RoleName;

/// Everything that bears on one caller and one table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// The user.
    pub user: String,
    /// The role that the project gives him.
    pub own_role: RoleName,
    /// The role he acts as.
    pub role: RoleName,
    /// What he wants to do.
    pub action: Action,
    /// The table.
    pub table: TableName,
    /// Whether he may.
    pub is_allowed: bool,
    /// Why, as a sentence without a period.
    pub reason: String,
    /// The rule that allows it, in the Cedar language.
    pub rule: Option<String>,
    /// What each role may do with the table.
    pub roles: Vec<RoleAccess>,
    /// Digest of the policy, as audit lines name it.
    pub policy: String,
}

/// What one role may do with a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoleAccess {
    /// The role.
    pub role: RoleName,
    /// Whether it may.
    pub is_allowed: bool,
    /// Users that the project gives the role; `*` stands for everybody who is not named.
    pub users: Vec<String>,
}

impl Policy {
    /// Explains the decision on `caller` and `table`. It asks the same engine as [`Policy::decide`], for every role.
    pub fn explain(&self, caller: &Caller, action: Action, table: &TableName) -> Explanation {
        let decision = self.decide(caller, action, table);
        let roles = self.roles.keys().map(|role| {
            let member = Caller { user: caller.user.clone(), own_role: role.clone(), role: role.clone() };
            let users = self.users.iter().filter(|(_, held)| *held == role).map(|(user, _)| user.clone());
            RoleAccess {
                role: role.clone(),
                is_allowed: self.decide(&member, action, table).is_allowed(),
                users: users.collect(),
            }
        });
        Explanation {
            user: caller.user.clone(),
            own_role: caller.own_role.clone(),
            role: caller.role.clone(),
            action,
            table: table.clone(),
            is_allowed: decision.is_allowed(),
            reason: decision.reason().to_owned(),
            rule: decision.rule().and_then(|grant| self.engine.rule_text(&caller.role, grant)),
            roles: roles.collect(),
            policy: self.digest.to_string(),
        }
    }
}
