//! A shop on a free port of 127.0.0.1, with its switches at hand.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use headwater::sandbox::{Collection, Edit, Edited, Fault, Sandbox, SandboxOptions, Shop};
use headwater_contract::Secret;
use serde_json::{Map, Value};
use tokio::runtime::Runtime;

use super::secrets::TOKEN;

/// A running shop.
pub(crate) struct Server {
    runtime: Runtime,
    sandbox: Option<Sandbox>,
    shop: Arc<Shop>,
    port: u16,
}

/// An instant from its text.
pub(crate) fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap_or_else(|_| panic!("`{text}` is no instant"))
}

impl Server {
    /// A shop of six days with 200 orders a day, whose clock shows one in the morning after them.
    pub(crate) fn start() -> Self {
        Self::of(SandboxOptions { orders: 1_200, days: 6, days_ahead: 12, ..SandboxOptions::default() })
    }

    /// A shop of these options on a free port, an hour after the last of its days.
    pub(crate) fn of(options: SandboxOptions) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let clock_start = Some(options.opens + TimeDelta::days(i64::from(options.days)) + TimeDelta::hours(1));
        let sandbox = runtime
            .block_on(Sandbox::start(SandboxOptions { port: 0, clock_start, token: Secret::new(TOKEN), ..options }))
            .unwrap();
        let (shop, port) = (Arc::clone(sandbox.shop()), sandbox.port());
        Self { runtime, sandbox: Some(sandbox), shop, port }
    }

    /// Where it listens.
    pub(crate) fn origin(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Its port.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Its switches.
    pub(crate) fn shop(&self) -> &Shop {
        &self.shop
    }

    /// Its time.
    pub(crate) fn now(&self) -> DateTime<Utc> {
        self.shop.now()
    }

    /// Lets hours pass in the shop.
    pub(crate) fn pass_hours(&self, hours: i64) {
        self.shop.advance(TimeDelta::hours(hours));
    }

    /// Makes an edit ten of the shop's minutes later, so that no reading of before can have seen it.
    pub(crate) fn edit(&self, edit: Edit) -> Edited {
        self.shop.advance(TimeDelta::minutes(10));
        self.shop.edit(edit).unwrap()
    }

    /// Gives a row other values.
    pub(crate) fn set(&self, collection: Collection, id: &str, fields: Value) {
        self.edit(Edit::Set { collection, id: id.to_owned(), fields: object(fields) });
    }

    /// Hides a share of the rows of a range.
    pub(crate) fn hide(&self, collection: Collection, from: &str, until: &str, percent: u8) {
        self.edit(Edit::Hide { collection, from: at(from), until: at(until), percent });
    }

    /// Switches a fault on.
    pub(crate) fn fault(&self, fault: Fault) {
        self.shop.add_fault(fault);
    }

    /// How many requests it has received in all.
    pub(crate) fn requests(&self) -> u64 {
        self.shop.request_counts().values().sum()
    }

    /// The rows of a collection as of now.
    pub(crate) fn rows(&self, collection: Collection) -> Vec<Map<String, Value>> {
        let text = self.shop.truth(collection, None, None, None);
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Closes the port.
    pub(crate) fn stop(&mut self) {
        if let Some(sandbox) = self.sandbox.take() {
            self.runtime.block_on(sandbox.stop());
        }
    }

    /// Opens the port again, with the shop as it was.
    pub(crate) fn come_back(&mut self) {
        let served = Sandbox::serve(Arc::clone(&self.shop), self.port, Secret::new(TOKEN));
        self.sandbox = Some(self.runtime.block_on(served).unwrap());
    }
}

/// A JSON object.
pub(crate) fn object(value: Value) -> Map<String, Value> {
    if let Value::Object(map) = value { map } else { panic!("{value} is no object") }
}
