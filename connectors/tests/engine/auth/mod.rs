//! Every way in, against servers that hold the other end: what arrives, what is renewed, and that no secret is ever printed.

mod logins;
mod oauth2;
mod sessions;
mod signatures;
mod simple;
mod tls;
mod tokens;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use headwater_connectors::auth::{MemoryTokenStore, TokenStore};
use headwater_connectors::{Connector, Patience, SettingValue, Source, SourceError, SourceOptions};
use headwater_contract::{Explain, FixedClock, Secret, SourceName};

use crate::server::Server;

/// Every test's secrets hold this text, and nothing printed may.
pub(crate) const CANARY: &str = "c4nary";

/// A secret that is found wherever it leaks.
pub(crate) fn canary(name: &str) -> String {
    format!("{CANARY}-{name}-key")
}

/// A source of one stream `rows` at `/rows`, with an `auth` of its own.
pub(crate) struct Setup {
    pub(crate) manifest: String,
    pub(crate) settings: BTreeMap<String, SettingValue>,
    pub(crate) options: SourceOptions,
    pub(crate) clock: Arc<FixedClock>,
}

impl Setup {
    /// `secrets` are declared optional and given as canaries; `auth` is the YAML under `http.auth`.
    pub(crate) fn new(server: &Server, auth: &str, secrets: &[&str]) -> Self {
        let declared = secrets.iter().fold(String::new(), |text, name| {
            text + &format!("  {name}: {{ secret: true, optional: true, help: h }}\n")
        });
        let manifest = format!(
            "manifest: 1\nconnector: shop\ntitle: Shop\ndocs: none\nsettings:\n  way: {{ optional: true, help: h }}\n  \
             slices: {{ type: list, optional: true, help: h }}\n{declared}http:\n  base_url: {}/api\n  auth: {auth}\n  \
             limits: [{{ requests: 100000, per: 1 second, source: none }}]\ndefaults:\n  records: /data\n  key: [id]\n  \
             kind: snapshot\n  deletes: none\n  columns: {{ id: {{ type: int64 }} }}\nstreams:\n  rows:\n    title: rows\n    \
             path: /rows\n",
            server.origin
        );
        let clock = Arc::new(FixedClock::at("2026-11-21T09:00:00Z".parse().unwrap()));
        let mut options = SourceOptions::new(clock.clone());
        options.allow_private = vec![server.address()];
        let pause = Duration::from_millis(1);
        options.patience = Patience { pause_min: pause, pause_max: pause, ..Patience::default() };
        options.secrets = secrets.iter().map(|name| ((*name).to_owned(), Secret::new(canary(name)))).collect();
        Self { manifest, settings: BTreeMap::new(), options, clock }
    }

    /// Adds to the one stream, or further streams.
    pub(crate) fn and(mut self, yaml: &str) -> Self {
        self.manifest.push_str(yaml);
        self
    }

    pub(crate) fn secret(mut self, name: &str, value: &str) -> Self {
        self.options.secrets.insert(name.to_owned(), Secret::new(value));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.options.secrets.remove(name);
        self
    }

    pub(crate) fn setting(mut self, name: &str, value: SettingValue) -> Self {
        self.settings.insert(name.to_owned(), value);
        self
    }

    pub(crate) fn tokens(mut self, store: Arc<dyn TokenStore>) -> Self {
        self.options.tokens = store;
        self
    }

    pub(crate) fn open(&self) -> Result<Source, SourceError> {
        let connector = Connector::parse(&self.manifest, "shop.yaml")
            .unwrap_or_else(|error| panic!("{error}\n{}\n{}", error.snippet(), self.manifest));
        Source::open(Arc::new(connector), SourceName::new("shop").unwrap(), self.settings.clone(), self.options.clone())
    }
}

/// A store that a test can look into.
pub(crate) fn memory() -> Arc<MemoryTokenStore> {
    Arc::new(MemoryTokenStore::default())
}

/// Everything that an error prints, and everything it is made of.
pub(crate) fn printed(error: &SourceError) -> String {
    format!(
        "{error} {error:?} {error:#?} {} {} {} {}",
        error.place(),
        error.fix(),
        error.committed(),
        error.fingerprint()
    )
}

/// Fails where a secret is printed, in whatever form.
pub(crate) fn prints_nothing(what: &impl Debug, secrets: &[String]) {
    let text = format!("{what:?} {what:#?}");
    for secret in secrets {
        assert!(!text.contains(secret.as_str()), "{secret} in {text}");
    }
    assert!(!text.contains(CANARY), "{text}");
}

/// A value that handlers and tests share.
pub(crate) type Shared<T> = Arc<Mutex<T>>;

pub(crate) fn shared<T>(value: T) -> Shared<T> {
    Arc::new(Mutex::new(value))
}

pub(crate) fn get<T: Clone>(shared: &Shared<T>) -> T {
    shared.lock().unwrap_or_else(PoisonError::into_inner).clone()
}
