//! The grants as Cedar policies, and the question put to Cedar.
//!
//! Entities form the tree that grants speak of: a table is in its schema, a schema in its zone; a user is in the role he acts
//! as. A grant is `permit(principal in Role, action, resource in Zone | Schema | Table)`, and Cedar refuses what no policy
//! permits (<https://docs.cedarpolicy.com/auth/authorization.html>).

use std::collections::{BTreeMap, HashSet};
use std::str::FromStr;

use cedar_policy::{
    Authorizer, Context, Decision as Verdict, Entities, Entity, EntityId, EntityTypeName, EntityUid,
    Policy as CedarPolicy, PolicyId, PolicySet, Request,
};
use headwater_contract::TableName;

use crate::policy::{Action, Caller, PolicyError};
use crate::roles::{Grant, RoleName};

/// The policy set of a project, with the way back from a Cedar policy to the grant that it came from.
#[derive(Debug)]
pub(super) struct Engine {
    policies: PolicySet,
    /// By the id of the Cedar policy: the grant and the policy's text.
    grants: BTreeMap<String, (Grant, String)>,
    text: String,
}

impl Engine {
    pub(super) fn new(roles: &BTreeMap<RoleName, Vec<Grant>>) -> Result<Self, PolicyError> {
        let error = |reason: String| PolicyError::Engine { reason };
        let (mut policies, mut by_id, mut text) = (PolicySet::new(), BTreeMap::new(), String::new());
        for (role, grants) in roles {
            for grant in grants {
                let id = id_of(role, grant);
                let permit = permit(role, grant).map_err(error)?;
                if by_id.insert(id.clone(), (grant.clone(), permit.clone())).is_some() {
                    continue; // The same grant said twice is one grant.
                }
                let policy = CedarPolicy::parse(Some(PolicyId::new(&id)), &permit);
                policies
                    .add(policy.map_err(|cause| error(cause.to_string()))?)
                    .map_err(|cause| error(cause.to_string()))?;
                text.extend(["@id(\"", &id, "\")\n", &permit, "\n\n"]);
            }
        }
        Ok(Self { policies, grants: by_id, text })
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The Cedar text of a role's grant.
    pub(super) fn rule_text(&self, role: &RoleName, grant: &Grant) -> Option<String> {
        self.grants.get(&id_of(role, grant)).map(|(_, text)| text.clone())
    }

    /// The widest grant that permits it, or `None` when it is refused. An error is to be read as a refusal.
    pub(super) fn decide(&self, caller: &Caller, action: Action, table: &TableName) -> Result<Option<Grant>, String> {
        let role = uid("Role", caller.role().as_str())?;
        let user = uid("User", caller.user())?;
        let zone = resource(&Grant::Zone(table.zone))?;
        let schema = resource(&Grant::Schema(table.zone, table.schema.clone()))?;
        let leaf = resource(&Grant::Table(table.clone()))?;
        let entities = [
            Entity::new_no_attrs(role.clone(), HashSet::new()),
            Entity::new_no_attrs(user.clone(), HashSet::from([role])),
            Entity::new_no_attrs(zone.clone(), HashSet::new()),
            Entity::new_no_attrs(schema.clone(), HashSet::from([zone])),
            Entity::new_no_attrs(leaf.clone(), HashSet::from([schema])),
        ];
        let entities = Entities::from_entities(entities, None).map_err(|error| error.to_string())?;
        let request = Request::new(user, uid("Action", action.as_str())?, leaf, Context::empty(), None);
        let request = request.map_err(|error| error.to_string())?;
        let answer = Authorizer::new().is_authorized(&request, &self.policies, &entities);
        if let Some(error) = answer.diagnostics().errors().next() {
            return Err(error.to_string());
        }
        if answer.decision() != Verdict::Allow {
            return Ok(None);
        }
        // Several grants may apply. The order of `Grant` puts zones before schemas before tables.
        let rules = answer.diagnostics().reason().filter_map(|id| self.grants.get(AsRef::<str>::as_ref(id)));
        rules
            .map(|(grant, _)| grant)
            .min()
            .cloned()
            .map(Some)
            .ok_or_else(|| "a rule that is not ours permitted it".to_owned())
    }
}

fn id_of(role: &RoleName, grant: &Grant) -> String {
    format!("{role}:{grant}")
}

/// One grant of a role in the Cedar language.
fn permit(role: &RoleName, grant: &Grant) -> Result<String, String> {
    let (role, action) = (uid("Role", role.as_str())?, uid("Action", Action::Read.as_str())?);
    let resource = resource(grant)?;
    Ok(format!("permit (\n    principal in {role},\n    action == {action},\n    resource in {resource}\n);"))
}

fn resource(grant: &Grant) -> Result<EntityUid, String> {
    let kind = match grant {
        Grant::Zone(_) => "Zone",
        Grant::Schema(..) => "Schema",
        Grant::Table(_) => "Table",
    };
    uid(kind, &grant.to_string())
}

/// Builds the identity from its parts; its `Display` escapes the text, so no name can break out of its quotes.
fn uid(kind: &str, id: &str) -> Result<EntityUid, String> {
    let kind = EntityTypeName::from_str(&format!("Headwater::{kind}")).map_err(|error| error.to_string())?;
    Ok(EntityUid::from_type_name_and_id(kind, EntityId::new(id)))
}
