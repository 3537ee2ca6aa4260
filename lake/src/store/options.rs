//! Options of a store: endpoint, region, credentials.
//!
//! They are a flat map in the words of `object_store` (`account_name`, `access_key`, `client_secret`, `endpoint`, `region` …), so
//! that what works with other lakehouse tools works here. Values may be secrets, so none is ever printed.

use std::collections::BTreeMap;
use std::fmt;

use headwater_contract::Secret;

/// Options of one zone's store, by name.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct StoreOptions {
    values: BTreeMap<String, Secret>,
}

impl StoreOptions {
    /// No options: a local disk needs none.
    pub fn none() -> Self {
        Self::default()
    }

    /// Sets `name`, in lower case, to `value`.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.values.insert(name.to_ascii_lowercase(), Secret::new(value));
        self
    }

    /// The value of the option, for whoever sends it.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(Secret::expose)
    }

    /// The value of the first of these names that is set.
    pub(crate) fn first(&self, names: &[&str]) -> Option<&str> {
        names.iter().find_map(|name| self.get(name))
    }

    /// Whether the option is set to true.
    pub(crate) fn is_true(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.values.iter().map(|(name, value)| (name.as_str(), value.expose()))
    }
}

impl<N: AsRef<str>> FromIterator<(N, Secret)> for StoreOptions {
    fn from_iter<I: IntoIterator<Item = (N, Secret)>>(pairs: I) -> Self {
        Self { values: pairs.into_iter().map(|(name, value)| (name.as_ref().to_ascii_lowercase(), value)).collect() }
    }
}

impl fmt::Debug for StoreOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.values.iter()).finish()
    }
}
