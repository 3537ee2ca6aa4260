//! A project that is opened: its lake, ledger, catalog and policy, and what can be done with them.
//!
//! The library's front door. The command line is one caller of it, an embedding service another; both see the same windows, the
//! same events and the same report.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use headwater_catalog::{Audit, BusinessWords, Catalog, Policy};
use headwater_connectors::Library;
use headwater_contract::{Clock, SourceName, SystemClock, Zone};
use headwater_lake::ledger::Ledger;
use headwater_lake::star::Star;
use headwater_lake::steps::Steps;
use headwater_lake::store::{Store, StoreError, StoreOptions, ZoneUrl, ensure_container, probe};
use headwater_lake::zones::Zones;
use headwater_lake::{Lake, LakeLimits};

use crate::project::{Environment, ProjectError, ProjectFile, STATE_FOLDER, ZoneSettings};
use crate::run::source_time::SourceTimes;
use crate::run::{OpenSource, Opener, Presence, RunError, unknown};

/// How a project is opened.
#[derive(Clone, Debug)]
pub struct OpenOptions {
    /// The time of day.
    pub clock: Arc<dyn Clock>,
    /// Where a test stops the process.
    pub steps: Steps,
    /// Write nothing: the ledger and the catalog are copies that are gone when the project is closed.
    pub is_dry: bool,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self { clock: Arc::new(SystemClock), steps: Steps::run_through(), is_dry: false }
    }
}

/// An open project.
#[derive(Debug)]
pub struct Lakehouse {
    pub(crate) file: ProjectFile,
    pub(crate) folder: PathBuf,
    pub(crate) state: PathBuf,
    pub(crate) environment: Environment,
    pub(crate) library: Library,
    pub(crate) lake: Lake,
    pub(crate) catalog: Catalog,
    pub(crate) policy: Policy,
    pub(crate) audit: Audit,
    pub(crate) times: Arc<SourceTimes>,
    /// Holds the copies of a dry run.
    _copies: Option<tempfile::TempDir>,
}

impl Lakehouse {
    /// Opens the project in `folder`.
    ///
    /// # Errors
    ///
    /// [`RunError`] when the project file, the stores, the ledger or the catalog cannot be used.
    pub async fn open(folder: &Path, environment: Environment, options: OpenOptions) -> Result<Self, RunError> {
        let folder = environment.folder.join(folder);
        let file = ProjectFile::read(&folder)?;
        Self::open_file(file, &folder, environment, options).await
    }

    /// Opens a project that was built in code; `folder` is where its state, connectors and stars are.
    ///
    /// # Errors
    ///
    /// As [`Lakehouse::open`].
    pub async fn open_file(
        file: ProjectFile,
        folder: &Path,
        environment: Environment,
        options: OpenOptions,
    ) -> Result<Self, RunError> {
        let OpenOptions { clock, steps, is_dry } = options;
        let kept = folder.join(STATE_FOLDER);
        let copies = if is_dry { Some(copy_of_state(&kept)?) } else { None };
        let state = copies.as_ref().map_or_else(|| kept.clone(), |copies| copies.path().to_owned());
        let scratch = state.join("scratch");
        fs_err::create_dir_all(&scratch)?;
        let zones = open_zones(&file, folder, &environment)?;
        let ledger = Ledger::open(&state.join("ledger.db"), Arc::clone(&clock)).await?;
        let limits = LakeLimits { part_bytes: file.limits.part_mib.max(1) << 20, ..LakeLimits::default() };
        let lake = Lake { zones, ledger, clock: Arc::clone(&clock), steps, limits, scratch };
        let catalog = Catalog::open(&state.join("catalog.db")).await?;
        let policy = Policy::new(&file.access)?;
        let audit = Audit::open(state.join("audit.jsonl"), clock);
        let library = Library::embedded().with_folder(&folder.join("connectors"))?;
        let times = Arc::new(SourceTimes::open(&state.join("source-times.json")));
        let folder = folder.to_owned();
        Ok(Self { file, folder, state, environment, library, lake, catalog, policy, audit, times, _copies: copies })
    }

    /// The project file as it was read.
    pub fn project(&self) -> &ProjectFile {
        &self.file
    }

    /// The project's folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The operating-system user that this process works for.
    pub fn user(&self) -> &str {
        &self.environment.user
    }

    /// Whether the caller may read a table; for lists, which show nobody what he may not read.
    pub fn may_read(&self, caller: &headwater_catalog::Caller, table: &headwater_contract::TableName) -> bool {
        self.policy.decide(caller, headwater_catalog::Action::Read, table).is_allowed()
    }

    /// The lake.
    pub fn lake(&self) -> &Lake {
        &self.lake
    }

    /// The catalog of its tables.
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// The connectors that the project can name.
    pub fn library(&self) -> &Library {
        &self.library
    }

    /// Who may read what.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Creates the containers of zones on Azure that are not there yet, and returns their URLs.
    ///
    /// # Errors
    ///
    /// [`RunError`] when the service refuses, or nothing in the project says who asks.
    pub async fn create_containers(&self) -> Result<Vec<String>, RunError> {
        let options = store_options(&self.file, &self.folder, &self.environment)?;
        let mut created = Vec::new();
        for zone in Zone::ALL {
            let url = ZoneUrl::parse(self.lake.zones.get(zone).url().as_str(), &self.folder)?;
            if ensure_container(&url, &options_for(&url, &options), self.lake.clock.as_ref()).await? {
                created.push(url.to_string());
            }
        }
        Ok(created)
    }

    /// What people say about tables in `catalog.yaml`, where there is one.
    ///
    /// # Errors
    ///
    /// [`RunError`] when the file is there and wrong.
    pub fn words(&self) -> Result<BusinessWords, RunError> {
        let path = self.folder.join("catalog.yaml");
        if !path.exists() {
            return Ok(BusinessWords::default());
        }
        Ok(BusinessWords::load(&path)?)
    }

    /// Opens the sources that are selected (`SOURCE` or `SOURCE.STREAM`), or all, with the streams that are selected. Sends nothing.
    ///
    /// # Errors
    ///
    /// [`RunError`] when a name is unknown or a source cannot be opened.
    pub fn sources(&self, select: &[String]) -> Result<Vec<OpenSource>, RunError> {
        let mut wanted: BTreeMap<SourceName, Option<Vec<String>>> = BTreeMap::new();
        if select.is_empty() {
            wanted = self.file.sources.keys().map(|name| (name.clone(), None)).collect();
        }
        for text in select {
            let (source, stream) =
                text.split_once('.').map_or((text.as_str(), None), |(source, stream)| (source, Some(stream)));
            let known = self.file.sources.keys().find(|name| name.as_str() == source);
            let name = known.ok_or_else(|| unknown("source", source, self.file.sources.keys()))?.clone();
            let streams = wanted.entry(name).or_insert_with(|| Some(Vec::new()));
            match stream {
                None => *streams = None,
                Some(stream) => streams.iter_mut().for_each(|streams| streams.push(stream.to_owned())),
            }
        }
        let opener = Opener {
            file: &self.file,
            folder: &self.folder,
            state: &self.state,
            library: &self.library,
            environment: &self.environment,
            clock: &self.lake.clock,
        };
        wanted.into_iter().map(|(name, streams)| narrow(opener.open(&name)?, streams.as_deref())).collect()
    }

    /// The stars of the project: the named ones, else those that the project file lists, else every folder of `stars/`.
    ///
    /// # Errors
    ///
    /// [`RunError`] when a star is unknown or its model is not sound.
    pub fn stars(&self, select: &[String]) -> Result<Vec<Star>, RunError> {
        let root = self.folder.join("stars");
        let mut there = Vec::new();
        if root.is_dir() {
            for entry in fs_err::read_dir(&root)? {
                let path = entry?.path();
                let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
                if path.join("star.yaml").is_file() {
                    there.push(name);
                }
            }
        }
        there.sort();
        let wanted =
            if select.is_empty() { self.file.stars.clone().unwrap_or_else(|| there.clone()) } else { select.to_vec() };
        let load = |name: &String| {
            if !there.contains(name) {
                return Err(RunError::from(unknown("star", name, &there)));
            }
            Ok(Star::load(&root.join(name))?)
        };
        wanted.iter().map(load).collect()
    }

    /// Whether the store of each zone can be written, and honours create-if-absent: its URL, or why not.
    pub async fn check_zones(&self) -> Vec<(Zone, Result<String, StoreError>)> {
        let mut answers = Vec::new();
        for zone in Zone::ALL {
            let store = self.lake.zones.get(zone);
            answers.push((zone, probe(store).await.map(|()| store.url().to_string())));
        }
        answers
    }

    /// Makes sure that this process may write: the stores honour create-if-absent, the ledger owns the lake, and leases of
    /// runners that were killed are free. Hold what it returns while writing.
    ///
    /// # Errors
    ///
    /// [`RunError`] with code `store-unsafe` or `not-owner`.
    pub(crate) async fn begin_to_write(&self) -> Result<Presence, RunError> {
        let marker = self.state.join("probed.json");
        let urls: Vec<String> = Zone::ALL.iter().map(|zone| self.lake.zones.get(*zone).url().to_string()).collect();
        let before: Vec<String> =
            fs_err::read(&marker).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
        if before != urls {
            for zone in Zone::ALL {
                probe(self.lake.zones.get(zone)).await?;
            }
            fs_err::write(&marker, serde_json::to_vec_pretty(&urls).unwrap_or_default())?;
        }
        let presence = Presence::show(&self.state, &self.lake.ledger)?;
        Presence::forget_the_dead(&self.state, &self.lake.ledger).await?;
        self.lake.ledger.claim(&self.lake.zones.raw).await?;
        Ok(presence)
    }
}

/// Keeps the streams that are wanted, and the key lists that belong to them.
fn narrow(mut open: OpenSource, streams: Option<&[String]>) -> Result<OpenSource, RunError> {
    let Some(streams) = streams else { return Ok(open) };
    for stream in streams {
        if !open.streams.iter().any(|known| known.contract.name.stream() == stream) {
            let known = open.streams.iter().map(|known| known.contract.name.to_string());
            return Err(unknown("stream", &format!("{}.{stream}", open.name), known).into());
        }
    }
    let is_wanted = |stream: &str| streams.iter().any(|wanted| wanted == stream);
    open.streams.retain(|stream| {
        is_wanted(stream.contract.name.stream()) || stream.contract.key_list_of.as_deref().is_some_and(is_wanted)
    });
    Ok(open)
}

/// What the project says of its stores, with references resolved.
fn store_options<'a>(
    file: &'a ProjectFile,
    folder: &Path,
    environment: &Environment,
) -> Result<Vec<(&'a str, String)>, RunError> {
    let mut options = Vec::new();
    for (name, value) in &file.store.options {
        let at = format!("store.options.{name}");
        let text = match (value.reference(), value.value()) {
            (Some(reference), _) => reference.resolve(environment, folder, &at)?.expose().to_owned(),
            (None, serde_json::Value::String(text)) => text.clone(),
            (None, other) => other.to_string(),
        };
        options.push((name.as_str(), text));
    }
    Ok(options)
}

fn open_zones(file: &ProjectFile, folder: &Path, environment: &Environment) -> Result<Zones, RunError> {
    let options = store_options(file, folder, environment)?;
    apart(&file.zones, folder)?;
    let open = |url: &str| -> Result<Store, RunError> {
        let url = ZoneUrl::parse(url, folder)?;
        Ok(Store::open(&url, &options_for(&url, &options))?)
    };
    Ok(Zones {
        raw: open(&file.zones.raw)?,
        cleansed: open(&file.zones.cleansed)?,
        curated: open(&file.zones.curated)?,
        exploration: open(&file.zones.exploration)?,
    })
}

/// Makes sure that no zone lies in another: who may read the one would read both.
fn apart(zones: &ZoneSettings, folder: &Path) -> Result<(), RunError> {
    let all = [
        ("raw", &zones.raw),
        ("cleansed", &zones.cleansed),
        ("curated", &zones.curated),
        ("exploration", &zones.exploration),
    ];
    let mut seen: Vec<(&str, String)> = Vec::new();
    for (name, url) in all {
        let url = format!("{}/", ZoneUrl::parse(url, folder)?.url().as_str().trim_end_matches('/'));
        if let Some((other, _)) = seen.iter().find(|(_, other)| url.starts_with(other) || other.starts_with(&url)) {
            let problem = format!("it overlaps with the zone `{other}`: each zone needs a folder of its own");
            return Err(ProjectError::Contradiction { at: format!("zones.{name}"), problem }.into());
        }
        seen.push((name, url));
    }
    Ok(())
}

/// The options that are meant for the store of this URL: zones may lie on different ones, and each refuses what it does not know.
fn options_for(url: &ZoneUrl, options: &[(&str, String)]) -> StoreOptions {
    let kind = match url.url().scheme() {
        "s3" | "s3a" => "aws",
        "file" | "memory" => "file",
        _ => "azure",
    };
    let is_meant = |name: &str| match name.split_once('_').map_or(name, |(first, _)| first) {
        "aws" | "s3" => kind == "aws",
        "azure" => kind == "azure",
        "fsync" => kind == "file",
        _ => kind != "file",
    };
    let meant = options.iter().filter(|(name, _)| is_meant(name));
    meant.fold(StoreOptions::none(), |all, (name, value)| all.with(name, value.clone()))
}

/// Copies of ledger, catalog and clocks outside the project: a dry run works on them and they are gone with it.
fn copy_of_state(kept: &Path) -> Result<tempfile::TempDir, RunError> {
    let copies = tempfile::tempdir()?;
    for file in ["ledger.db", "ledger.db-wal", "catalog.db", "catalog.db-wal", "source-times.json", "probed.json"] {
        if kept.join(file).is_file() {
            fs_err::copy(kept.join(file), copies.path().join(file))?;
        }
    }
    Ok(copies)
}
