//! Faults on purpose: the ways in which real sources fail, switched on for an endpoint and a number of requests.

use serde::{Deserialize, Serialize};

/// One path of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Endpoint {
    /// `/v1/events`
    Events,
    /// `/v1/orders`
    Orders,
    /// `/v1/payments`
    Payments,
    /// `/v1/customers`
    Customers,
    /// `/v1/customers/ids`
    CustomerIds,
    /// `/v1/products`
    Products,
    /// `/v1/tickets/changes`
    Tickets,
}

impl Endpoint {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Events, Self::Orders, Self::Payments, Self::Customers, Self::CustomerIds, Self::Products, Self::Tickets];

    /// Its path.
    pub fn path(self) -> &'static str {
        match self {
            Self::Events => "/v1/events",
            Self::Orders => "/v1/orders",
            Self::Payments => "/v1/payments",
            Self::Customers => "/v1/customers",
            Self::CustomerIds => "/v1/customers/ids",
            Self::Products => "/v1/products",
            Self::Tickets => "/v1/tickets/changes",
        }
    }

    /// The endpoint of this path.
    pub fn at(path: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|endpoint| endpoint.path() == path)
    }

    /// The field of the body that holds the rows.
    pub(super) fn rows_field(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Orders => "data",
            Self::Payments => "payments",
            Self::Customers => "customers",
            Self::CustomerIds => "ids",
            Self::Products => "products",
            Self::Tickets => "changes",
        }
    }
}

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum FaultKind {
    /// The connection breaks before an answer.
    Down,
    /// An answer with this status and no rows.
    Status {
        /// The status, e.g. 500 or 429.
        status: u16,
        /// Seconds in the `Retry-After` header.
        retry_after: Option<u32>,
    },
    /// The connection breaks in the middle of the body.
    Truncated,
    /// A web page with status 200.
    Html,
    /// The answer is right and late.
    Slow {
        /// By so many milliseconds.
        millis: u32,
    },
    /// The list of rows has another name than it should.
    WrongPath,
}

/// A fault that is switched on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Where; everywhere when absent.
    pub endpoint: Option<Endpoint>,
    /// Requests that go well before.
    #[serde(default)]
    pub after: u32,
    /// Requests that it hits; all that follow when absent.
    pub times: Option<u32>,
    /// What goes wrong.
    pub fault: FaultKind,
}

impl Fault {
    /// A fault that hits every request to `endpoint`, or to all when absent, until it is cleared.
    pub fn lasting(endpoint: impl Into<Option<Endpoint>>, fault: FaultKind) -> Self {
        Self { endpoint: endpoint.into(), after: 0, times: None, fault }
    }
}

/// The faults that are switched on, oldest first.
#[derive(Debug, Default)]
pub(super) struct Faults(Vec<Fault>);

impl Faults {
    pub(super) fn add(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn list(&self) -> &[Fault] {
        &self.0
    }

    /// Whether the whole shop is down, and not an endpoint alone.
    pub(super) fn are_total(&self) -> bool {
        self.0.iter().any(|fault| fault.endpoint.is_none() && fault.fault == FaultKind::Down && fault.times != Some(0))
    }

    /// What befalls a request to `endpoint`; the first fault that fits counts it.
    pub(super) fn befall(&mut self, endpoint: Endpoint) -> Option<FaultKind> {
        let fault = self
            .0
            .iter_mut()
            .find(|fault| fault.endpoint.is_none_or(|place| place == endpoint) && fault.times != Some(0))?;
        if fault.after > 0 {
            fault.after -= 1;
            return None;
        }
        if let Some(times) = &mut fault.times {
            *times -= 1;
        }
        Some(fault.fault.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_hits_its_endpoint_and_its_number_of_requests() {
        let mut faults = Faults::default();
        faults.add(Fault { endpoint: Some(Endpoint::Orders), after: 1, times: Some(2), fault: FaultKind::Html });
        assert_eq!(faults.befall(Endpoint::Events), None);
        let hits: Vec<bool> = (0..4).map(|_| faults.befall(Endpoint::Orders).is_some()).collect();
        assert_eq!(hits, [false, true, true, false]);
        faults.add(Fault::lasting(None, FaultKind::Down));
        assert_eq!(faults.befall(Endpoint::Events), Some(FaultKind::Down));
        faults.clear();
        assert_eq!(faults.befall(Endpoint::Events), None);
    }
}
