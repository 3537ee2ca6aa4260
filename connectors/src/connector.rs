//! A connector: a manifest that was read and found complete.

use std::collections::BTreeMap;

use headwater_contract::{Digest16, StreamKind};
use serde::Serialize;

use crate::manifest::{
    Instant, Limit, Lines, Manifest, ManifestError, Ordered, SettingInfo, SettingManifest, SettingType, StreamManifest,
};
use crate::pagination::Slot;
use crate::parents::check_parents;
use crate::stream::{Blame, Stream};
use crate::verify::{Evidence, Standing};

/// A parsed manifest.
#[derive(Clone, Debug)]
pub struct Connector {
    manifest: Manifest,
    /// The file's name, for errors.
    origin: String,
    lines: Lines,
    digest: Digest16,
}

/// A connector as `connectors list` and `show` print it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ConnectorInfo {
    /// Its name.
    pub name: String,
    /// The product's name.
    pub title: String,
    /// The page that describes the API.
    pub docs: String,
    /// What the product is for, in a word.
    pub category: Option<String>,
    /// The version of the API that the streams are written for.
    pub api_version: Option<String>,
    /// Where it comes from: `embedded`, or a file of the project.
    pub origin: String,
    /// How requests prove who sends them.
    pub auth: String,
    /// Its streams, in the manifest's order.
    pub streams: Vec<StreamInfo>,
    /// Templates that a project fills in.
    pub templates: Vec<String>,
}

/// A stream as `connectors show` prints it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StreamInfo {
    /// Its name.
    pub name: String,
    /// One line on what a row is.
    pub title: String,
    /// What its rows are.
    pub kind: StreamKind,
    /// The page that describes it.
    pub docs: String,
    /// How well it is known, by the evidence in the binary.
    pub standing: Standing,
    /// Columns that identify a row.
    pub key: Vec<String>,
    /// What is read for each window where the API does not filter by it.
    pub feed: Option<&'static str>,
    /// Why exactly-once reading is not promised.
    pub best_effort: Option<String>,
    /// Tables of unnested rows.
    pub children: Vec<String>,
}

impl Connector {
    /// Reads a manifest and checks that every stream of it is complete; `origin` is the file's name.
    ///
    /// # Errors
    ///
    /// [`ManifestError`] with the place of the first thing that does not fit.
    pub fn parse(text: &str, origin: &str) -> Result<Self, ManifestError> {
        let manifest = Manifest::parse(text, origin)?;
        let connector = Self {
            manifest,
            origin: origin.to_owned(),
            lines: Lines::index(text),
            digest: Digest16::of(text.as_bytes()),
        };
        connector.check_limits()?;
        connector.complete(&BTreeMap::new())?;
        Ok(connector)
    }

    /// The same connector with another manifest.
    pub(crate) fn with_manifest(&self, manifest: Manifest) -> Self {
        Self { manifest, ..self.clone() }
    }

    /// The connector's name.
    pub fn name(&self) -> &str {
        &self.manifest.connector
    }

    /// The manifest as it was read.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Digest of the manifest's text, which receipts record.
    pub fn digest(&self) -> Digest16 {
        self.digest
    }

    /// What `connectors list` and `show` print.
    pub fn info(&self) -> ConnectorInfo {
        let streams = self.manifest.streams.iter().filter_map(|(name, own)| {
            let stream = self.with_defaults(own.clone());
            let docs = stream.docs.unwrap_or_default();
            (stream.internal != Some(true)).then(|| StreamInfo {
                name: name.to_owned(),
                standing: Evidence::embedded().standing(self, name, &docs),
                title: stream.title.unwrap_or_default(),
                kind: stream.kind.unwrap_or(StreamKind::Snapshot),
                docs,
                key: stream.key.unwrap_or_default(),
                feed: stream.window.as_ref().and_then(|window| window.feed).map(crate::windowing::Feed::reads),
                best_effort: stream.best_effort,
                children: stream.unnest.iter().flat_map(|unnest| unnest.names().map(str::to_owned)).collect(),
            })
        });
        ConnectorInfo {
            name: self.manifest.connector.clone(),
            title: self.manifest.title.clone(),
            docs: self.manifest.docs.clone(),
            category: self.manifest.category.clone(),
            api_version: self.manifest.api.as_ref().map(|api| api.version.clone()),
            origin: self.origin.clone(),
            auth: self.manifest.http.auth.name().to_owned(),
            streams: streams.collect(),
            templates: self.manifest.templates.names().map(str::to_owned).collect(),
        }
    }

    /// What a project must or may give.
    pub fn settings(&self) -> Vec<SettingInfo> {
        self.manifest.settings.iter().map(|(name, setting)| setting.describe(name)).collect()
    }

    /// Line of a path such as `streams.charges.pagination`, or of the nearest block above it.
    pub(crate) fn line(&self, path: &str) -> Option<usize> {
        self.lines.of(path)
    }

    /// Whether this very path has a line of its own.
    pub(crate) fn has_line(&self, path: &str) -> bool {
        self.lines.exactly(path).is_some()
    }

    /// The manifest's file.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// `stripe.yaml:24 streams.charges.pagination`.
    pub(crate) fn place(&self, path: &str) -> String {
        self.line(path)
            .map_or_else(|| format!("{} {path}", self.origin), |line| format!("{}:{line} {path}", self.origin))
    }

    /// A stream with the manifest's defaults laid under it.
    pub(crate) fn with_defaults(&self, stream: StreamManifest) -> StreamManifest {
        match &self.manifest.defaults {
            Some(defaults) => stream.over(defaults.clone()),
            None => stream,
        }
    }

    /// All streams, complete: the manifest's, and what the project says over them or over templates.
    pub(crate) fn complete(&self, project: &BTreeMap<String, StreamManifest>) -> Result<Vec<Stream>, ManifestError> {
        let mut streams = Vec::new();
        let mut take = |name: &str, path: &str, manifest: StreamManifest| -> Result<(), ManifestError> {
            let blame = Blame { file: &self.origin, path, line: &|path| self.line(path) };
            let (stream, key_list) = Stream::complete(name, manifest, &self.manifest.http.errors, &blame)?;
            self.check_names(&stream, &blame)?;
            streams.push(stream);
            streams.extend(key_list);
            Ok(())
        };
        for (name, own) in self.manifest.streams.iter() {
            if !project.contains_key(name) {
                take(name, &format!("streams.{name}"), self.with_defaults(own.clone()))?;
            }
        }
        for (name, own) in project {
            let manifest = self.project_stream(name, own)?;
            take(name, &format!("streams.{name}"), manifest).map_err(|error| self.blame_project(name, &error))?;
        }
        let line = |path: &str| self.line(path);
        let blame = |stream| blame_of(stream, &self.origin, &line);
        check_parents(&streams, &self.manifest, &blame)?;
        Ok(streams)
    }

    fn project_stream(&self, name: &str, own: &StreamManifest) -> Result<StreamManifest, ManifestError> {
        let base = match &own.template {
            Some(template) => {
                let known =
                    || self.manifest.templates.names().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
                let unknown =
                    || self.project_error(name, format!("there is no template `{template}`; there is {}", known()));
                Some(self.manifest.templates.get(template).ok_or_else(unknown)?)
            }
            None => self.manifest.streams.get(name),
        };
        let laid = base.map_or_else(|| own.clone(), |base| own.clone().over(base.clone()));
        Ok(self.with_defaults(laid))
    }

    fn project_error(&self, stream: &str, reason: String) -> ManifestError {
        ManifestError::ProjectStream { connector: self.manifest.connector.clone(), stream: stream.to_owned(), reason }
    }

    fn blame_project(&self, stream: &str, error: &ManifestError) -> ManifestError {
        match error {
            ManifestError::Incomplete { reason, fix, .. } => self.project_error(stream, format!("{reason}; {fix}")),
            other => self.project_error(stream, other.to_string()),
        }
    }

    /// Every limit must say one thing.
    fn check_limits(&self) -> Result<(), ManifestError> {
        let limits = self.manifest.http.known_limits().unwrap_or_default();
        let blame = Blame { file: &self.origin, path: "http.limits", line: &|path| self.line(path) };
        match limits.iter().find_map(Limit::contradiction) {
            Some((reason, fix)) => Err(blame.incomplete("", reason, fix)),
            None => Ok(()),
        }
    }

    /// Every name in a path must be known before a request is sent.
    fn check_names(&self, stream: &Stream, blame: &Blame<'_>) -> Result<(), ManifestError> {
        for name in stream.shape.iter().flat_map(|shape| shape.settings()) {
            if self.manifest.settings.get(name).is_none_or(|setting| setting.secret) {
                let reason = format!("`settings.{name}` is no setting, or a secret one");
                return Err(blame.incomplete(
                    "shape",
                    reason,
                    "declare it under `settings`; a secret is never in scope",
                ));
            }
        }
        for counted in stream.window.iter().flat_map(|window| window.by_settings.all()) {
            let known = self.manifest.settings.get(&counted.setting);
            if known.is_none_or(|setting| setting.setting_type != SettingType::Number) {
                let reason = format!("`{}` is no number setting", counted.setting);
                return Err(blame.incomplete(
                    "window.by_settings",
                    reason,
                    "declare it under `settings` with `type: number`",
                ));
            }
        }
        let is_slice = |name: &str| stream.slices.as_ref().is_some_and(|slices| slices.has_name(name));
        // Names that come from parents are checked when all streams are known.
        for name in stream.request.path.names().filter(|_| stream.parent.is_none() && stream.job.is_none()) {
            let is_known = self.manifest.settings.get(name).is_some_and(|setting| !setting.secret)
                || is_slice(name)
                || stream.request.with.contains_key(name)
                || stream.request.values.get(name).is_some()
                || self.manifest.http.values.get(name).is_some()
                || stream.names_slot(name)
                || self.looks_up(&stream.name, name);
            if !is_known {
                let reason = format!("`{{{name}}}` is no setting, slice or parameter");
                return Err(blame.incomplete("path", reason, "declare it under `settings`, or name it in `slices`"));
            }
        }
        for (key, instant) in [("start", &stream.start), ("end", &stream.end)] {
            if let Some(Instant::Setting(name)) = instant
                && self.manifest.settings.get(name).is_none_or(|setting| setting.setting_type != SettingType::Date)
            {
                let reason = format!("`{name}` is no date setting");
                return Err(blame.incomplete(
                    key,
                    reason,
                    "declare it under `settings` with `type: date`, or write a date",
                ));
            }
        }
        if let Some(hosts) = &self.manifest.http.hosts
            && self.manifest.settings.get(&hosts.setting).is_none_or(|setting| setting.secret)
        {
            let blame = Blame { path: "http.hosts", ..*blame };
            let fix = "declare it under `settings`";
            return Err(blame.incomplete("", format!("`{}` is no setting", hosts.setting), fix));
        }
        self.check_auth(stream, blame)
    }

    /// Whether the requests of a stream are given a value of this name by a lookup.
    fn looks_up(&self, stream: &str, name: &str) -> bool {
        let manifest = &self.manifest;
        let all = manifest.streams.iter().chain(manifest.templates.iter()).map(|(_, stream)| stream);
        let lookups = all.chain(&manifest.defaults).flat_map(|stream| stream.lookups.iter().flat_map(Ordered::iter));
        lookups
            .map(|(_, lookup)| lookup)
            .any(|lookup| lookup.stream == stream && matches!(&lookup.param, Slot::Name(known) if known == name))
    }

    /// Every name in a credential must be known, and what is one way in of several must be optional.
    fn check_auth(&self, stream: &Stream, blame: &Blame<'_>) -> Result<(), ManifestError> {
        let (auth, blame, key) = match &stream.auth {
            Some(auth) => (auth, *blame, "auth"),
            None => (&self.manifest.http.auth, Blame { path: "http.auth", ..*blame }, ""),
        };
        let is_known = |name: &str| {
            self.manifest.settings.get(name).is_some()
                || self.manifest.http.values.get(name).is_some()
                || stream.slices.as_ref().is_some_and(|slices| slices.has_name(name))
                || stream.request.with.contains_key(name)
        };
        // Names that come from parents are checked when all streams are known.
        if let Some(unknown) = auth.names().iter().find(|name| stream.parent.is_none() && !is_known(name)) {
            return Err(blame.incomplete(key, format!("`{unknown}` is no setting"), "declare it under `settings`"));
        }
        if let Some((reason, fix)) = auth.flaw() {
            return Err(blame.incomplete(key, reason, fix));
        }
        let is_required = |name: &&String| self.manifest.settings.get(name).is_some_and(SettingManifest::is_required);
        if let Some(required) = auth.optional_names().iter().find(is_required) {
            let reason = format!("`{required}` is needed by one way in of several, and every project must give it");
            return Err(blame.incomplete(key, reason, format!("say `optional: true` of setting `{required}`")));
        }
        Ok(())
    }
}

fn blame_of<'a>(stream: &'a Stream, file: &'a str, line: &'a dyn Fn(&str) -> Option<usize>) -> Blame<'a> {
    Blame { file, path: &stream.path, line }
}
