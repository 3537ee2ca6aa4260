//! Zones that a setting gives, put into what a stream promises.

use headwater_contract::{Column, ColumnType, StreamContract, TimestampFormat};

use super::zone_of;
use crate::expression::{ExpressionError, Scope, Template};

/// Puts the zones that settings give in place of their placeholders, e.g. `zone: "{time_zone}"` of a column.
///
/// # Errors
///
/// [`ExpressionError`] when a placeholder is unknown, or what it stands for is no zone.
pub fn fill_zones(contract: &mut StreamContract, scope: &Scope) -> Result<(), ExpressionError> {
    let children = contract.children.iter_mut().flat_map(|child| &mut child.columns);
    contract.columns.iter_mut().chain(children).try_for_each(|column| fill(column, scope))
}

fn fill(column: &mut Column, scope: &Scope) -> Result<(), ExpressionError> {
    if let TimestampFormat::Pattern { zone, .. } = &mut column.format
        && zone.contains('{')
    {
        zone_of(&Template::parse(zone)?, scope)?.name().clone_into(zone);
    }
    match &mut column.column_type {
        ColumnType::Struct(fields) => fields.iter_mut().try_for_each(|field| fill(field, scope)),
        ColumnType::List(item) => fill(item, scope),
        _ => Ok(()),
    }
}
