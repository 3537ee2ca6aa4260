//! Opens the sources of a project: connector, settings, secrets, and what the project changes of the contracts.

use std::collections::BTreeMap;
use std::sync::Arc;

use headwater_connectors::auth::FileTokenStore;
use headwater_connectors::jobs::FileJobStore;
use headwater_connectors::limits::FileQuotas;
use headwater_connectors::{Connector, SettingValue, Source, SourceOptions};
use headwater_contract::{Clock, Digest16, SourceName, Span, StreamContract};

use crate::project::{Environment, ProjectError, ProjectFile, STATE_FOLDER, Setting, SourceEntry};
use crate::run::error::RunError;

/// A source that can be read.
#[derive(Clone, Debug)]
pub struct OpenSource {
    /// Its name.
    pub name: SourceName,
    /// The engine's side of it.
    pub source: Source,
    /// Its streams that the project wants, key lists right after the streams that they are for.
    pub streams: Vec<OpenStream>,
    /// The period of its schedule, where it has one.
    pub period: Option<Span>,
}

/// One stream of an open source.
#[derive(Clone, Debug)]
pub struct OpenStream {
    /// What it promises, with the project's changes.
    pub contract: Arc<StreamContract>,
    /// Digest of manifest, contract, settings and credentials: a change of it gives a stopped window another chance.
    pub setup: Digest16,
}

/// What is needed to open sources.
#[derive(Clone, Copy, Debug)]
pub struct Opener<'a> {
    /// The project.
    pub file: &'a ProjectFile,
    /// Its folder.
    pub folder: &'a std::path::Path,
    /// Where it keeps what it must not forget.
    pub state: &'a std::path::Path,
    /// Connectors that it can name.
    pub library: &'a headwater_connectors::Library,
    /// Where secrets come from.
    pub environment: &'a Environment,
    /// The time of day.
    pub clock: &'a Arc<dyn Clock>,
}

impl Opener<'_> {
    /// Opens one source. Sends nothing.
    ///
    /// # Errors
    ///
    /// [`RunError`] that names the setting, the manifest's line or the missing secret.
    pub fn open(&self, name: &SourceName) -> Result<OpenSource, RunError> {
        let entry = self.file.sources.get(name).ok_or_else(|| unknown("source", name, self.file.sources.keys()))?;
        let connector = self.library.get(&entry.connector)?;
        let (settings, options) = self.settings(name, entry, &connector)?;
        let credentials: Vec<Digest16> = options
            .secrets
            .iter()
            .map(|(name, secret)| Digest16::of_parts([name.as_bytes(), secret.expose().as_bytes()]))
            .collect();
        let source = Source::open(connector, name.clone(), settings, options)?;
        let now = self.clock.now();
        let period = self.file.schedule_of(name).map(|schedule| schedule.period(now));
        let written: Vec<u8> = serde_json::to_vec(&entry.settings).unwrap_or_default();
        let mut streams = Vec::new();
        for contract in select(name, entry, source.contracts())? {
            let mut contract = contract.clone();
            let stream = contract.key_list_of.clone().unwrap_or_else(|| contract.name.stream().to_owned());
            if let Some(change) = entry.overrides.get(contract.name.stream()) {
                change.apply(&mut contract, &format!("sources.{name}.overrides.{stream}"))?;
            }
            let digest = contract.digest();
            let parts = credentials.iter().map(|digest| &digest.0[..]);
            let setup =
                Digest16::of_parts([&contract.manifest_digest.0[..], &digest.0[..], &written].into_iter().chain(parts));
            streams.push(OpenStream { contract: Arc::new(contract), setup });
        }
        Ok(OpenSource { name: name.clone(), source, streams, period })
    }

    fn settings(
        &self,
        name: &SourceName,
        entry: &SourceEntry,
        connector: &Connector,
    ) -> Result<(BTreeMap<String, SettingValue>, SourceOptions), RunError> {
        let mut options = SourceOptions::new(Arc::clone(self.clock));
        options.allow_private.clone_from(&self.file.allow_private);
        options.jobs = Arc::new(FileJobStore::new(self.state.join("jobs")));
        options.quotas = Arc::new(FileQuotas::new(self.state.join("quotas")));
        // Of the project itself also in a dry run: a refresh token that is used up and not kept would lock the source out.
        options.tokens = Arc::new(FileTokenStore::new(self.folder.join(STATE_FOLDER).join("tokens")));
        options.proxy = self.proxy()?;
        let mut settings = BTreeMap::new();
        let is_secret = |setting: &str| connector.settings().iter().any(|info| info.name == setting && info.secret);
        for (setting, value) in &entry.settings {
            let at = format!("sources.{name}.settings.{setting}");
            match (self.resolve(value, &at)?, is_secret(setting)) {
                (Resolved::Secret(secret), true) => {
                    options.secrets.insert(setting.clone(), secret);
                }
                (Resolved::Secret(secret), false) => {
                    settings.insert(setting.clone(), SettingValue::Text(secret.expose().to_owned()));
                }
                (Resolved::Literal, true) => return Err(ProjectError::LiteralSecret { at }.into()),
                (Resolved::Literal, false) => {
                    if let Some(value) = SettingValue::from_json(value.value()) {
                        settings.insert(setting.clone(), value);
                    }
                }
            }
        }
        if !entry.streams.is_empty() {
            let streams = entry.streams.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
            settings.insert("streams".to_owned(), SettingValue::Table(serde_json::Value::Object(streams)));
        }
        Ok((settings, options))
    }

    /// The project's proxy. Its credentials, like all others, may not stand in the file.
    fn proxy(&self) -> Result<Option<url::Url>, ProjectError> {
        const AT: &str = "proxy";
        let Some(value) = &self.file.proxy else { return Ok(None) };
        let contradiction = || ProjectError::Contradiction {
            at: AT.to_owned(),
            problem: "a proxy is a URL such as http://proxy.example.com:3128, or a reference to one".to_owned(),
        };
        let (text, is_literal) = match self.resolve(value, AT)? {
            Resolved::Secret(secret) => (secret.expose().to_owned(), false),
            Resolved::Literal => (value.value().as_str().unwrap_or_default().to_owned(), true),
        };
        let url = url::Url::parse(&text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        let url = url.ok_or_else(contradiction)?;
        if is_literal && url.password().is_some() {
            return Err(ProjectError::LiteralSecret { at: AT.to_owned() });
        }
        Ok(Some(url))
    }

    fn resolve(&self, value: &Setting, at: &str) -> Result<Resolved, ProjectError> {
        match value.reference() {
            Some(reference) => reference.resolve(self.environment, self.folder, at).map(Resolved::Secret),
            None => Ok(Resolved::Literal),
        }
    }
}

enum Resolved {
    Secret(headwater_contract::Secret),
    Literal,
}

/// The contracts that the project wants, in the manifest's order, each key list right after its stream.
fn select<'a>(
    name: &SourceName,
    entry: &SourceEntry,
    contracts: &'a [StreamContract],
) -> Result<Vec<&'a StreamContract>, ProjectError> {
    let known =
        || contracts.iter().filter(|contract| contract.key_list_of.is_none()).map(|contract| contract.name.stream());
    let wanted = entry.select.iter().flatten();
    for stream in wanted.chain(entry.overrides.keys()) {
        if !contracts.iter().any(|contract| contract.name.stream() == stream) {
            return Err(unknown(
                "stream",
                &format!("{name}.{stream}"),
                known().map(|stream| format!("{name}.{stream}")),
            ));
        }
    }
    let is_wanted =
        |stream: &str| entry.select.as_ref().is_none_or(|select| select.iter().any(|wanted| wanted == stream));
    let mut out = Vec::new();
    for contract in contracts.iter().filter(|contract| contract.key_list_of.is_none()) {
        if is_wanted(contract.name.stream()) {
            out.push(contract);
            out.extend(contracts.iter().filter(|list| list.key_list_of.as_deref() == Some(contract.name.stream())));
        }
    }
    Ok(out)
}

/// The error for a name that the project does not have.
pub fn unknown(
    what: &'static str,
    name: &(impl ToString + ?Sized),
    known: impl IntoIterator<Item = impl ToString>,
) -> ProjectError {
    ProjectError::Unknown {
        what,
        name: name.to_string(),
        known: known.into_iter().map(|name| name.to_string()).collect(),
    }
}
