//! Lists the slices of streams, with requests where another stream lists them.
//!
//! What a stream listed is kept for a while, so that a run of many streams by account asks for the accounts once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use headwater_contract::{ReadEvent, Slice};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::tree::{Errand, Feed, ranges_of};
use super::{Inner, selection};
use crate::error::{Fault, SourceError};
use crate::expression::{Scalar, Scope};
use crate::manifest::{Manifest, Settings};
use crate::pagination::as_token;
use crate::parents::{Fields, ParentManifest, fields_of, scope_with};
use crate::portions::{FieldNames, FieldsManifest};
use crate::slicing::{Entry, Listing, SLICES_MAX, SliceError, SlicesManifest};
use crate::stream::Stream;

/// How long a list that took requests is taken for the present one.
const FRESH: Duration = Duration::from_mins(5);

/// A list that took requests, when it has been read.
type Listed = Arc<Mutex<Option<(Instant, Vec<Fields>)>>>;

/// Lists that took requests, by what asked for them. Each has a lock of its own, because a list may need another one.
#[derive(Debug, Default)]
pub(super) struct Lists(Mutex<BTreeMap<String, Listed>>);

/// What conditions see: plain settings, lists as texts with commas, whether a secret was given; what was not given is `""`.
pub(super) fn claims(manifest: &Manifest, settings: &Settings) -> Scope {
    let claim = |name: &str, is_secret: bool| {
        if is_secret {
            return Scalar::Bool(settings.secrets.contains_key(name));
        }
        let list = || settings.lists.get(name).map(|list| Scalar::Text(list.join(",")));
        settings.plain.get(name).cloned().or_else(list).unwrap_or_else(|| Scalar::Text(String::new()))
    };
    manifest.settings.iter().map(|(name, setting)| (name.to_owned(), claim(name, setting.secret))).collect()
}

impl Inner {
    /// The slices of a stream, as fresh as a plan needs them.
    pub(super) async fn slices(self: &Arc<Self>, stream: &Stream) -> Result<Vec<Slice>, SourceError> {
        let Some(slices) = &stream.slices else { return Ok(vec![Slice::whole()]) };
        let entries = self.list(stream, slices, true).await?;
        Ok(entries.into_iter().map(|entry| Slice::named(entry.text)).collect())
    }

    /// The names that the requests of a slice see.
    pub(super) async fn enter(self: &Arc<Self>, stream: &Stream, slice: &Slice) -> Result<Scope, SourceError> {
        let blame = |error: SliceError| self.blame(stream, "slices", error);
        let Some(slices) = &stream.slices else {
            if slice.is_whole() {
                return Ok(self.scope.clone());
            }
            return Err(blame(SliceError::NotSliced { slice: slice.to_string() }));
        };
        if slice.is_whole() {
            return Err(blame(SliceError::NotSliced { slice: String::new() }));
        }
        // A plan has listed the slices; they are listed again only for one that it did not know.
        for is_fresh in [false, true] {
            let entries = self.list(stream, slices, is_fresh).await?;
            if let Some(entry) = entries.into_iter().find(|entry| entry.text == slice.as_str()) {
                return Ok(scope_with(&self.scope, &entry.fields));
            }
        }
        Err(blame(SliceError::Unknown { slice: slice.to_string(), from: slices.describe() }))
    }

    async fn list(
        self: &Arc<Self>,
        stream: &Stream,
        slices: &SlicesManifest,
        is_fresh: bool,
    ) -> Result<Vec<Entry>, SourceError> {
        let mut listed = BTreeMap::new();
        let parents = slices.parents(&self.claims).map_err(|error| self.blame(stream, "slices", error))?;
        for parent in parents {
            listed.insert(Listing::key(parent), self.listed(parent, is_fresh).await?);
        }
        let now = self.clock.now();
        let listing = Listing { settings: &self.settings, claims: &self.claims, now, listed: &listed };
        listing.of(slices).map_err(|error| self.blame(stream, "slices", error))
    }

    /// The fields of a listing stream's records. Whoever comes second waits for the first one's list.
    async fn listed(self: &Arc<Self>, parent: &ParentManifest, is_fresh: bool) -> Result<Vec<Fields>, SourceError> {
        let list = Arc::clone(self.lists.0.lock().await.entry(Listing::key(parent)).or_default());
        let mut list = list.lock().await;
        if let Some((since, fields)) = &*list
            && (!is_fresh || since.elapsed() < FRESH)
        {
            return Ok(fields.clone());
        }
        let fields = self.read_list(parent).await?;
        *list = Some((Instant::now(), fields.clone()));
        Ok(fields)
    }

    /// The names of the fields that a stream's records are asked for with.
    pub(super) async fn field_names(
        self: &Arc<Self>,
        stream: &Stream,
        fields: &FieldsManifest,
    ) -> Result<Vec<String>, Fault> {
        match &fields.of {
            FieldNames::Columns => Ok(stream.request.columns.iter().map(selection::dotted).collect()),
            FieldNames::List(names) => Ok(names.clone()),
            FieldNames::Setting(name) => Ok(self.settings.lists.get(name).cloned().unwrap_or_default()),
            FieldNames::Stream(list) => {
                let name = "name";
                let parent = ParentManifest::listing(&list.stream, name, &list.field);
                let listed = self.listed(&parent, true).await.map_err(|error| *error.fault)?;
                let text = |fields: &Fields| as_token(fields.get(name)).filter(|text| !text.trim().is_empty());
                Ok(listed.iter().filter_map(text).collect())
            }
        }
    }

    async fn read_list(self: &Arc<Self>, parent: &ParentManifest) -> Result<Vec<Fields>, SourceError> {
        let stream = self.stream(&parent.stream)?;
        let ranges = ranges_of(self, &stream, None).map_err(|fault| self.blame(&stream, "", fault))?;
        let scope = Arc::new(self.scope.clone());
        let fields = Arc::<Fields>::default();
        let errand = Errand {
            stream: Arc::clone(&stream),
            scope,
            fields,
            ranges,
            token: None,
            gate: None,
            url: None,
            sent: Vec::new(),
        };
        let (mut feed, mut all) = (Feed::begin(self, errand), Vec::new());
        loop {
            let step = feed.next().await?;
            match step.event {
                ReadEvent::Records(records) => {
                    for record in records.texts {
                        let fields = fields_of(parent, &record, &step.fields, &self.scope);
                        all.extend(fields.map_err(|error| self.blame(&stream, "", error))?);
                        if all.len() > SLICES_MAX {
                            let from = format!("stream `{}`", parent.stream);
                            return Err(self.blame(&stream, "", SliceError::TooMany { from }));
                        }
                    }
                }
                ReadEvent::Done(_) => return Ok(all),
                ReadEvent::Exchange(_) | ReadEvent::Chunk(_) => {}
            }
        }
    }
}
