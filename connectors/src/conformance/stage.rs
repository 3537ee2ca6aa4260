//! A source that believes it reads its vendor: its manifest is pointed at servers of this machine, and nothing else of it is changed but
//! how much there is of everything.
//!
//! Pages hold three records, caps let twelve through, and windows have few units of a calendar, so that every bound is met soon.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use headwater_contract::{Clock, Slice, SourceName, Span, StreamContract, TimeRange};
use url::Url;

use super::described::Described;
use super::server::Server;
use super::settings::Given;
use super::time::VirtualTime;
use super::vendor::{Elsewhere, Logins, PAGE, State, Vendor};
use crate::connector::Connector;
use crate::expression::{Scalar, Scope, Template};
use crate::limits::{MemoryQuotas, Patience};
use crate::manifest::{Instant, Manifest, Ordered};
use crate::pagination::Pagination;
use crate::portions::FieldNames;
use crate::source::{Source, SourceOptions};
use crate::stream::Stream;

/// The time at which every run begins.
const NOW: &str = "2026-07-15T12:00:00Z";
/// Records that one query gives, where the manifest says that there is a bound.
pub(super) const CAP: u64 = 12;
/// Windows that are read.
pub(super) const WINDOWS: usize = 3;
/// Slices that are read.
const SLICES: usize = 2;
/// Parents of one request, where they are put together.
const BATCH: u32 = 2;
/// Longest time of one check on the machine's clock; each takes well under a second of a processor that is free.
const CHECK: Duration = Duration::from_mins(2);
/// How the stream of the keys that exist is called, after the stream that they are of.
const KEYS: &str = "__keys";
/// Longest wait for a turn.
const TURN_DAYS: u64 = 30;

/// A source on a stage.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) source: Source,
    /// What the vendor is made of: the same source, or that of another manifest in tests of the suite itself.
    pub(super) truth: Source,
    pub(super) vendor: Arc<Vendor>,
    pub(super) time: Arc<VirtualTime>,
    pub(super) other: Arc<Elsewhere>,
    pub(super) foreign: Arc<Elsewhere>,
    _servers: [Server; 3],
}

/// The page sizes of streams as the manifest has them: parameter and value.
pub(super) type Sizes = BTreeMap<String, (String, String)>;

/// A manifest that plays, with what a project would give it.
#[derive(Debug)]
pub(super) struct Player {
    pub(super) connector: Connector,
    given: Given,
}

impl Player {
    pub(super) fn new(connector: &Connector) -> Arc<Self> {
        Arc::new(Self { given: Given::of(connector), connector: connector.clone() })
    }

    /// Its manifest, with no more streams than this one needs: a run opens many sources, and most manifests have many streams.
    fn manifest(&self, stream: Option<&str>) -> Manifest {
        let mut manifest = self.connector.manifest().clone();
        // What a project makes of templates may need any stream.
        if let Some(needed) = stream.and_then(|stream| self.needed(stream)).filter(|_| manifest.templates.is_empty()) {
            manifest.streams.retain(|name| needed.contains(name));
        }
        manifest
    }

    /// A stream and all that it names; nothing where it is not one of the manifest's own.
    fn needed(&self, stream: &str) -> Option<BTreeSet<String>> {
        let streams = &self.connector.manifest().streams;
        let mut open = vec![stream.strip_suffix(KEYS).unwrap_or(stream).to_owned()];
        let mut needed = BTreeSet::new();
        while let Some(name) = open.pop() {
            if !needed.insert(name.clone()) {
                continue;
            }
            let stream = self.connector.with_defaults(streams.get(&name)?.clone());
            open.extend(stream.parent.iter().map(|parent| parent.stream.clone()));
            let listing = stream.slices.iter().flat_map(|slices| slices.listing_streams());
            open.extend(listing.map(|parent| parent.stream.clone()));
            let lookups = stream.lookups.iter().flat_map(Ordered::iter);
            open.extend(lookups.map(|(_, lookup)| lookup.stream.clone()));
            open.extend(stream.column_list.iter().map(|list| list.stream.clone()));
            open.extend(stream.fields.iter().filter_map(|fields| match &fields.of {
                FieldNames::Stream(list) => Some(list.stream.clone()),
                FieldNames::Columns | FieldNames::List(_) | FieldNames::Setting(_) => None,
            }));
        }
        Some(needed)
    }
}

/// Who plays: the manifest that is tried, and the vendor that it is tried against.
#[derive(Clone, Debug)]
pub(super) struct Cast {
    pub(super) tried: Arc<Player>,
    /// The manifest that the vendor is made of, where that is another one.
    pub(super) truth: Option<Arc<Player>>,
    pub(super) described: Option<Arc<Described>>,
    pub(super) patience: Patience,
    /// Longest time of one check on the machine's clock.
    pub(super) check_max: Duration,
    /// Whether the engine goes wherever it is led: only tests of the suite itself have one that does.
    pub(super) is_gullible: bool,
}

impl Cast {
    pub(super) fn new(connector: &Connector, described: Option<Arc<Described>>) -> Self {
        let patience = Patience {
            // Declared limits are kept, and no run waits for them.
            turn_max: Duration::from_secs(TURN_DAYS * 86_400),
            ..Patience::default()
        };
        let tried = Player::new(connector);
        Self { tried, truth: None, described, patience, check_max: CHECK, is_gullible: false }
    }
}

impl Stage {
    /// With all streams of the manifest, or only with what one of them needs.
    pub(super) async fn open(cast: &Cast, stream: Option<&str>) -> Result<Self, String> {
        let time = Arc::new(VirtualTime::at(now()));
        let player = cast.truth.as_ref().unwrap_or(&cast.tried);
        let mut manifest = player.manifest(stream);
        let state = State::new(Logins::default(), manifest.http.auth.clone());
        let vendor = Vendor::new(state, Arc::clone(&time));
        let elsewhere = |is_allowed| {
            let vendor = Arc::clone(&vendor);
            Arc::new(Elsewhere { vendor, wrong: std::sync::Mutex::default(), is_allowed })
        };
        let (other, foreign) = (elsewhere(!manifest.http.other_origins.is_empty()), elsewhere(false));
        let started = async {
            let here = Server::start(Arc::clone(&vendor) as _).await?;
            let there = Server::start(Arc::clone(&other) as _).await?;
            Ok::<_, std::io::Error>([here, there, Server::start(Arc::clone(&foreign) as _).await?])
        };
        let servers = started.await.map_err(|error| error.to_string())?;
        let [here, there, nowhere] = &servers;
        let origin = here.origin();
        let move_here = |manifest: &mut Manifest| {
            manifest.http.base_url = relocated(&manifest.http.base_url, &origin)?;
            let streams = manifest.streams.values_mut().chain(manifest.templates.values_mut());
            for base_url in streams.chain(&mut manifest.defaults).filter_map(|stream| stream.base_url.as_mut()) {
                *base_url = relocated(base_url, &origin)?;
            }
            manifest.http.other_origins = if other.is_allowed { vec![there.origin()] } else { Vec::new() };
            Ok::<_, String>(Logins::relocate(manifest, &origin))
        };
        let open = |player: &Player, manifest: Manifest| {
            let given = player.given.at(&player.connector, &origin);
            let mut options = SourceOptions::new(Arc::clone(&time) as Arc<dyn Clock>);
            options.waiting = Arc::clone(&time) as _;
            // Ports come again, and with them would the use of limits by another run, whose time is another one.
            options.quotas = Arc::new(MemoryQuotas::default());
            options.allow_private = servers.iter().map(|server| server.address.clone()).collect();
            options.secrets = given.secrets;
            options.patience = cast.patience.clone();
            let name = SourceName::new("tested").map_err(|error| error.to_string())?;
            let moved = Arc::new(player.connector.with_manifest(manifest));
            let opened = Source::open_as(moved, name, &given.settings, options, &shorten);
            opened.map_err(|error| error.to_string())
        };
        let logins = move_here(&mut manifest)?;
        let known = player.given.at(&player.connector, &origin).texts(&player.connector);
        let truth = open(player, manifest)?;
        let source = if cast.truth.is_some() || cast.is_gullible {
            let mut manifest = cast.tried.manifest(stream);
            move_here(&mut manifest)?;
            if cast.is_gullible {
                manifest.http.other_origins.push(nowhere.origin());
            }
            open(&cast.tried, manifest)?
        } else {
            truth.clone()
        };
        {
            let mut state = vendor.state();
            state.logins = logins;
            state.known = known;
            state.secrets = player.given.secret_texts();
            state.scope = truth.scope().clone();
            truth.base().path().clone_into(&mut state.base);
            state.origin.clone_from(&origin);
            state.other_origin = other.is_allowed.then(|| there.origin());
            state.foreign_origin = nowhere.origin();
            state.described.clone_from(&cast.described);
        }
        Ok(Self { source, truth, vendor, time, other, foreign, _servers: servers })
    }

    /// The first slices of a stream, with what their requests see.
    pub(super) async fn slices(&self, stream: &Stream) -> Result<Vec<(String, Scope)>, String> {
        let slices = self.source.slices(&stream.name).await.map_err(|error| error.to_string())?;
        let mut scopes = Vec::new();
        for slice in slices.into_iter().take(SLICES) {
            let scope = self.source.scope_of(stream, &slice).await.map_err(|error| error.to_string())?;
            scopes.push((slice.as_str().to_owned(), scope));
        }
        Ok(scopes)
    }

    /// The contract of a stream.
    pub(super) fn contract(&self, stream: &str) -> Option<&StreamContract> {
        self.source.contracts().iter().find(|contract| contract.name.stream() == stream)
    }

    /// The windows that are read of a stream; none where it has none.
    pub(super) fn windows(&self, stream: &Stream) -> Vec<TimeRange> {
        let mut at = Some(stream.name.clone());
        // A stream without windows may be read under one that has some.
        while let Some(stream) = at.as_ref().and_then(|name| self.source.stream_of(name).ok()) {
            if let Some(window) = &stream.window {
                return windows(window.policy.granularity, window.policy.settle, window.policy.length);
            }
            at = stream.parent.as_ref().map(|parent| parent.stream.clone());
        }
        Vec::new()
    }
}

/// A slice by its text.
pub(super) fn slice_of(text: &str) -> Slice {
    if text.is_empty() { Slice::whole() } else { Slice::named(text.to_owned()) }
}

fn now() -> DateTime<Utc> {
    NOW.parse().unwrap_or_default()
}

/// The page sizes that a run shortens.
pub(super) fn sizes(connector: &Connector) -> Sizes {
    let streams = connector.complete(&BTreeMap::new()).unwrap_or_default();
    let size = |stream: Stream| {
        let size = stream.request.page_size.as_ref()?;
        Some((stream.name.clone(), (size.param.as_ref()?.to_string(), size.value.to_string())))
    };
    streams.into_iter().filter_map(size).collect()
}

/// Windows side by side, the last of which has settled.
fn windows(granularity: Span, settle: Span, length: Span) -> Vec<TimeRange> {
    let step = granularity.as_millis().max(1);
    let end = (now() - settle.delta() - granularity.delta()).timestamp_millis().div_euclid(step) * step;
    let length = (length.as_millis() / step).max(1) * step;
    let bound = |number: usize| {
        let back = i64::try_from(WINDOWS - number).unwrap_or(0) * length;
        DateTime::from_timestamp_millis(end - back)
    };
    (0..WINDOWS).filter_map(|number| TimeRange::new(bound(number)?, bound(number + 1)?).ok()).collect()
}

/// The base URL at another origin: the path stays.
fn relocated(base: &Template, origin: &str) -> Result<Template, String> {
    let text = base.as_str();
    let path = match text.split_once("://") {
        Some((_, rest)) => rest.find('/').and_then(|at| rest.get(at..)).unwrap_or_default(),
        None => text.split_once('}').map_or("", |(_, rest)| rest),
    };
    let moved = format!("{origin}{path}");
    Url::parse(&moved.replace(['{', '}'], "")).map_err(|error| format!("`{text}` cannot be moved: {error}"))?;
    Template::parse(&moved).map_err(|error| error.to_string())
}

/// Makes everything smaller of which a run would need much.
fn shorten(stream: &mut Stream) {
    shorten_one(stream);
    if let Some(job) = &mut stream.job {
        let job = Arc::make_mut(job);
        for inner in [&mut job.create, &mut job.poll, &mut job.download] {
            shorten_one(Arc::make_mut(inner));
        }
    }
}

fn shorten_one(stream: &mut Stream) {
    if let Some(size) = &mut stream.request.page_size
        && matches!(size.value, Scalar::Integer(_))
    {
        size.value = Scalar::Integer(i64::try_from(PAGE).unwrap_or(1));
    }
    shorten_pages(&mut stream.pagination);
    if let Some(batch) = stream.parent.as_mut().and_then(|parent| parent.batch.as_mut()) {
        batch.parents = batch.parents.min(BATCH);
    }
    if let Some(window) = &mut stream.window {
        if let Some(cap) = &mut window.cap {
            cap.records = cap.records.map(|_| CAP);
            cap.pages = cap.pages.map(|_| u32::try_from(CAP).unwrap_or(u32::MAX) / u32::try_from(PAGE).unwrap_or(1));
        }
        let mut length = window.policy.length;
        if let Some(request) = &window.request {
            let unit = request.calendar.as_ref().filter(|calendar| calendar.each).map(|calendar| calendar.unit.span());
            for unit in unit.into_iter().chain(request.max_span) {
                length = length.min(thrice(unit));
            }
        }
        window.policy.length = length;
        let first = windows(window.policy.granularity, window.policy.settle, length).first().map(TimeRange::from);
        stream.start =
            first.map(|first| Instant::At(first - window.policy.granularity.delta() - TimeDelta::seconds(1)));
    }
    stream.end = None;
}

fn shorten_pages(pagination: &mut Pagination) {
    if let Pagination::AdvancingFrom(advancing) = pagination {
        advancing.after_records = advancing.after_records.map(|_| 2 * PAGE as u64);
        shorten_pages(&mut advancing.pages);
    }
}

fn thrice(span: Span) -> Span {
    format!("{} milliseconds", span.as_millis().saturating_mul(3)).parse().unwrap_or(span)
}
