//! A source: a connector with settings and credentials, ready to be read.
//!
//! All streams of a source share one transport, and so one pace.

mod access;
mod bases;
mod begin;
mod chain;
mod check;
mod columns;
mod connection;
mod delivery;
mod expansion;
mod gate;
mod job;
mod locks;
mod login;
mod lookups;
mod outlet;
mod page;
mod parts;
mod pass;
mod portions;
mod query;
mod reading;
mod records;
mod refusal;
mod replay;
mod request;
mod selection;
mod slices;
mod tree;

use bases::{Bases, parse_base};
use locks::Locks;
pub(crate) use request::standing_names;

pub use begin::{ReadRequest, Reading};
pub use check::{CheckReport, StreamCheck};
pub use columns::Observed;
pub use page::HOLD_BYTES;
pub use reading::PAGES_MAX;
pub use records::{Progress, RecordStream, Resume};
pub use replay::Replayer;

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use headwater_contract::{Clock, Secret, Slice, SourceName, StreamContract};
use url::Url;

use crate::auth::{Authenticators, MemoryTokenStore, TokenStore};
use crate::connector::Connector;
use crate::error::{Fault, Place, SourceError};
use crate::expression::{Scalar, Scope};
use crate::jobs::{JobStore, MemoryJobStore};
use crate::limits::{MemoryQuotas, Patience, QuotaStore, RealWaiting, Waiting};
use crate::manifest::{HostsManifest, Instant, STREAMS, SettingError, SettingValue, Settings, StreamManifest};
use crate::stream::{Purpose, RequestPlan, Stream};
use crate::transport::Transport;

/// The names of the credentials that were given, for what is worked out of settings.
const SECRETS_GIVEN: &str = "secrets_given";

/// What a source needs beside its settings.
#[derive(Clone, Debug)]
pub struct SourceOptions {
    /// `host:port` of private addresses that the project lists.
    pub allow_private: Vec<String>,
    /// The proxy that all requests go through; none when absent, whatever the environment says. It resolves the names of sources itself,
    /// so it is the proxy that must keep to public addresses.
    pub proxy: Option<Url>,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
    /// Credentials by setting name.
    pub secrets: BTreeMap<String, Secret>,
    /// Bounds of trying again.
    pub patience: Patience,
    /// Where tokens are kept that the source issues; in memory unless said otherwise, which loses refresh tokens that rotate.
    pub tokens: Arc<dyn TokenStore>,
    /// Where jobs are written down. In memory they are forgotten with the process, and ordered again.
    pub jobs: Arc<dyn JobStore>,
    /// Where the use of limits is kept; sources of the same credential that share it share the limits.
    pub quotas: Arc<dyn QuotaStore>,
    /// How pauses pass.
    pub waiting: Arc<dyn Waiting>,
}

impl SourceOptions {
    /// No private addresses, no credentials, the usual patience.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            allow_private: Vec::new(),
            proxy: None,
            clock,
            secrets: BTreeMap::new(),
            patience: Patience::default(),
            tokens: Arc::new(MemoryTokenStore::default()),
            jobs: Arc::new(MemoryJobStore::default()),
            quotas: MemoryQuotas::shared(),
            waiting: Arc::new(RealWaiting),
        }
    }
}

/// A connector with settings and credentials.
#[derive(Clone, Debug)]
pub struct Source {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    connector: Arc<Connector>,
    name: SourceName,
    settings: Settings,
    scope: Scope,
    /// What conditions see.
    claims: Scope,
    lists: slices::Lists,
    jobs: Arc<dyn JobStore>,
    base: Url,
    bases: Bases,
    streams: Vec<Arc<Stream>>,
    locks: Locks,
    contracts: Vec<StreamContract>,
    transport: Arc<Transport>,
    authenticators: Authenticators,
    clock: Arc<dyn Clock>,
}

impl Inner {
    /// The URL that the paths of a request stand below.
    fn base_of(&self, plan: &RequestPlan) -> &Url {
        plan.base_url.as_ref().and_then(|own| self.bases.get(own)).unwrap_or(&self.base)
    }
}

impl Source {
    /// Checks the settings, completes the streams and prepares the transport. Sends nothing.
    ///
    /// # Errors
    ///
    /// [`SourceError`] that names the setting or the place in the manifest.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a source owns what it was opened with; callers have no other use for it"
    )]
    pub fn open(
        connector: Arc<Connector>,
        name: SourceName,
        settings: BTreeMap<String, SettingValue>,
        options: SourceOptions,
    ) -> Result<Self, SourceError> {
        Self::open_as(connector, name, &settings, options, &|_| ())
    }

    /// The same, with streams changed before anything is made of them.
    pub(crate) fn open_as(
        connector: Arc<Connector>,
        name: SourceName,
        settings: &BTreeMap<String, SettingValue>,
        options: SourceOptions,
        change: &dyn Fn(&mut Stream),
    ) -> Result<Self, SourceError> {
        let blame = |path: &str, fault: Fault| {
            let place = Place { stream: name.to_string(), manifest: connector.place(path), request: None };
            SourceError::new(place, fault)
        };
        let manifest = connector.manifest();
        let resolved = Settings::resolve(&manifest.settings, settings, &options.secrets)
            .map_err(|error| blame("settings", error.into()))?;
        let claims = slices::claims(manifest, &resolved);
        let mut scope: Scope = resolved.plain.clone();
        let lists = resolved.lists.iter().map(|(name, list)| (name.clone(), Scalar::List(list.clone())));
        scope.extend(lists);
        // What is worked out of settings may ask which credentials there are, and no more.
        let mut asked = scope.clone();
        asked.insert(SECRETS_GIVEN.to_owned(), Scalar::List(resolved.secrets.keys().cloned().collect()));
        for (name, value) in manifest.http.values.iter() {
            let value = value.value(&asked).map_err(|error| blame("http.values", error.into()))?;
            asked.insert(name.to_owned(), Scalar::from_json(&value));
            scope.insert(name.to_owned(), Scalar::from_json(&value));
        }
        let mut project =
            project_streams(&connector, settings.get(STREAMS)).map_err(|fault| blame("streams", fault))?;
        expansion::expand(&connector, &resolved, &mut project).map_err(|fault| blame("templates", fault))?;
        let mut streams = connector.complete(&project).map_err(|error| blame("streams", error.into()))?;
        streams.iter_mut().for_each(change);
        for stream in &mut streams {
            stream.fill_in(&scope).map_err(|error| blame(&stream.path, error.into()))?;
        }
        let base = base_url(&connector, &scope).map_err(|fault| blame("http.base_url", fault))?;
        let bases = Bases::of(&streams, &scope).map_err(|wrong| blame(&wrong.0, wrong.1))?;
        let mut known = resolved.clone();
        let values =
            manifest.http.values.iter().filter_map(|(name, _)| Some((name.to_owned(), scope.get(name)?.clone())));
        known.plain.extend(values);
        let (transport, authenticators) =
            access::access(manifest, &name, &known, &streams, &base, &bases.urls(), &options, &blame)?;
        let mut contracts = Vec::new();
        for stream in streams.iter().filter(|stream| stream.purpose == Purpose::Itself) {
            let is_wanted = stream.when.as_ref().map_or(Ok(true), |when| when.holds(&claims));
            if !is_wanted.map_err(|error| blame(&stream.path, error.into()))? {
                continue;
            }
            let instant = |instant: &Option<Instant>| resolve_instant(instant.as_ref()?, &resolved);
            let (start, end) = (instant(&stream.start), instant(&stream.end));
            let contract = stream.contract(&name, start, end, connector.digest());
            let mut contract =
                contract.map_err(|error| blame(&stream.path, Fault::Internal { facts: error.to_string() }))?;
            crate::windowing::fill_zones(&mut contract, &scope).map_err(|error| blame(&stream.path, error.into()))?;
            contracts.push(contract);
        }
        let locks = Locks::new(&streams);
        let streams = streams.into_iter().map(Arc::new).collect();
        let clock = options.clock;
        Ok(Self {
            inner: Arc::new(Inner {
                connector,
                name,
                settings: resolved,
                scope,
                claims,
                lists: slices::Lists::default(),
                jobs: options.jobs,
                base,
                bases,
                streams,
                locks,
                contracts,
                transport,
                authenticators,
                clock,
            }),
        })
    }

    /// The source's name.
    pub fn name(&self) -> &SourceName {
        &self.inner.name
    }

    /// The connector it is made of.
    pub fn connector(&self) -> &Arc<Connector> {
        &self.inner.connector
    }

    /// What its streams promise, key lists included.
    pub fn contracts(&self) -> &[StreamContract] {
        &self.inner.contracts
    }

    /// The slices of a stream; the whole one where it has none.
    ///
    /// # Errors
    ///
    /// [`SourceError`] when the stream is unknown, nothing lists a slice, or the stream that lists them cannot be read.
    pub async fn slices(&self, stream: &str) -> Result<Vec<Slice>, SourceError> {
        let stream = self.inner.stream(stream)?;
        self.inner.slices(&stream).await
    }

    /// Sends one cheap request per stream and says what came back.
    ///
    /// # Errors
    ///
    /// None of its own; each stream has its own outcome in the report.
    pub async fn check(&self) -> Result<CheckReport, SourceError> {
        Ok(check::check(self).await)
    }

    /// The source's time, by its `Date` header: one cheap request without credential, whatever its answer.
    ///
    /// # Errors
    ///
    /// [`SourceError`] when nothing answers.
    pub async fn clock(&self) -> Result<Option<DateTime<Utc>>, SourceError> {
        self.inner.transport.date(&self.inner.base).await.map_err(|fault| {
            let request = Some(format!("HEAD {}", self.inner.transport.redact_url(&self.inner.base)));
            SourceError::new(
                Place {
                    stream: self.inner.name.to_string(),
                    manifest: self.inner.connector.place("http.base_url"),
                    request,
                },
                self.inner.clean(fault),
            )
        })
    }

    /// Compares a stream's columns with what the source lists and with at most `records` records of what `request` asks for.
    ///
    /// # Errors
    ///
    /// [`SourceError`] when the stream is unknown, or neither its list nor its records can be read.
    pub async fn observe(&self, stream: &str, request: ReadRequest, records: u64) -> Result<Observed, SourceError> {
        columns::observe(self, stream, request, records).await
    }

    /// Reads one window of a stream. The reading runs on a task of its own until it is done or dropped.
    pub fn read(&self, stream: &str, request: ReadRequest) -> Reading {
        begin::begin(Arc::clone(&self.inner), stream.to_owned(), request)
    }

    /// A complete stream, whether it is read by itself or not.
    pub(crate) fn stream_of(&self, name: &str) -> Result<Arc<Stream>, SourceError> {
        self.inner.stream(name)
    }

    /// What its requests see beside slices and parents.
    pub(crate) fn scope(&self) -> &Scope {
        &self.inner.scope
    }

    /// What the requests of a slice see.
    pub(crate) async fn scope_of(&self, stream: &Stream, slice: &Slice) -> Result<Scope, SourceError> {
        self.inner.enter(stream, slice).await
    }

    /// Where its paths start.
    pub(crate) fn base(&self) -> &Url {
        &self.inner.base
    }

    /// The manifest's decoder over stored bodies.
    ///
    /// # Errors
    ///
    /// [`SourceError`] when the stream is unknown.
    pub fn replay(&self, stream: &str) -> Result<Replayer, SourceError> {
        Ok(Replayer::new(Arc::clone(&self.inner), self.inner.stream(stream)?))
    }
}

impl Inner {
    fn stream(&self, name: &str) -> Result<Arc<Stream>, SourceError> {
        self.streams.iter().find(|stream| stream.name == name).cloned().ok_or_else(|| {
            let known = self.streams.iter().map(|stream| format!("`{}`", stream.name)).collect::<Vec<_>>().join(", ");
            let place = Place { stream: self.name.to_string(), ..Place::default() };
            SourceError::new(place, Fault::UnknownStream { stream: name.to_owned(), known })
        })
    }

    /// An optional date that was not given bounds nothing.
    fn instant(&self, instant: Option<&Instant>) -> Option<DateTime<Utc>> {
        resolve_instant(instant?, &self.settings)
    }

    fn blame(&self, stream: &Stream, key: &str, fault: impl Into<Fault>) -> SourceError {
        let path = if key.is_empty() { stream.path.clone() } else { format!("{}.{key}", stream.path) };
        let place = Place {
            stream: format!("{}.{}", self.name, stream.name),
            manifest: self.connector.place(&path),
            request: None,
        };
        SourceError::new(place, self.clean(fault.into()))
    }

    /// The fault without secrets, wherever the source may have repeated them.
    fn clean(&self, fault: Fault) -> Fault {
        fault.with_words(&|words| self.transport.words(words))
    }
}

fn project_streams(
    connector: &Connector,
    given: Option<&SettingValue>,
) -> Result<BTreeMap<String, StreamManifest>, Fault> {
    let wrong = |stream: &str, reason: String| {
        let connector = connector.name().to_owned();
        Fault::Manifest(crate::manifest::ManifestError::ProjectStream { connector, stream: stream.to_owned(), reason })
    };
    let Some(given) = given else { return Ok(BTreeMap::new()) };
    let SettingValue::Table(serde_json::Value::Object(streams)) = given else {
        return Err(wrong("*", "`streams` is a map from a stream's name to what it is".to_owned()));
    };
    let read = |(name, value): (&String, &serde_json::Value)| {
        let stream = serde_json::from_value::<StreamManifest>(value.clone());
        Ok((name.clone(), stream.map_err(|error| wrong(name, error.to_string()))?))
    };
    streams.iter().map(read).collect()
}

fn base_url(connector: &Connector, scope: &Scope) -> Result<Url, Fault> {
    let mut scope = scope.clone();
    if let Some(hosts) = &connector.manifest().http.hosts {
        scope.insert("host".to_owned(), Scalar::Text(chosen_host(hosts, &scope)?.to_owned()));
    }
    parse_base(&connector.manifest().http.base_url, &scope)
}

/// The host that the setting chooses.
fn chosen_host<'a>(hosts: &'a HostsManifest, scope: &Scope) -> Result<&'a str, Fault> {
    let chosen = scope.get(&hosts.setting).map(ToString::to_string).unwrap_or_default();
    let unknown = || {
        let known = hosts.of.names().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
        Fault::Setting(SettingError::NotOneOf { name: hosts.setting.clone(), value: chosen.clone(), known })
    };
    hosts.of.get(&chosen).map(String::as_str).ok_or_else(unknown)
}

/// An optional date that was not given bounds nothing.
fn resolve_instant(instant: &Instant, settings: &Settings) -> Option<DateTime<Utc>> {
    match instant {
        Instant::At(at) => Some(*at),
        Instant::Setting(name) => settings.dates.get(name).copied(),
    }
}
