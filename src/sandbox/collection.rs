//! The shop's collections: their names, ids and the field that a reader asks for by time.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One collection of the shop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Collection {
    /// Things that happened; never changed.
    Events,
    /// Orders with their lines; listed by creation, changed for three days.
    Orders,
    /// Payments; listed by their last change.
    Payments,
    /// Customers; listed by their last change, and deleted at times.
    Customers,
    /// Products on sale; listed whole.
    Products,
    /// Support tickets; listed as a chain of changes.
    Tickets,
}

impl Collection {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Events, Self::Orders, Self::Payments, Self::Customers, Self::Products, Self::Tickets];

    /// Its name in paths.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Orders => "orders",
            Self::Payments => "payments",
            Self::Customers => "customers",
            Self::Products => "products",
            Self::Tickets => "tickets",
        }
    }

    /// The collection of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|collection| collection.as_str() == name)
    }

    fn prefix(self) -> &'static str {
        match self {
            Self::Events => "evt_",
            Self::Orders => "ord_",
            Self::Payments => "pay_",
            Self::Customers => "cus_",
            Self::Products => "prd_",
            Self::Tickets => "tic_",
        }
    }

    /// The id of row `number`. Ids sort as numbers do.
    pub fn id(self, number: u32) -> String {
        format!("{}{number:07}", self.prefix())
    }

    /// The number in an id of this collection.
    pub fn number(self, id: &str) -> Option<u32> {
        id.strip_prefix(self.prefix()).filter(|digits| digits.len() >= 7)?.parse().ok()
    }

    /// The field that a change of a row moves, if any.
    pub(super) fn moving_field(self) -> Option<&'static str> {
        matches!(self, Self::Payments | Self::Customers).then_some("updated_at")
    }
}

impl fmt::Display for Collection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_of_one_collection_is_none_of_another() {
        for text in ["", "ord_", "ord_12", "ord_abcdefg", "pay_0000012", "0000012"] {
            assert_eq!(Collection::Orders.number(text), None, "{text}");
        }
        assert_eq!(Collection::Orders.number(&Collection::Orders.id(12)), Some(12));
        assert_eq!(Collection::named("order"), None);
    }
}
