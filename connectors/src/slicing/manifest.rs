//! Where a stream's slices come from, as a manifest writes it.

use headwater_contract::{Span, TimestampFormat};
use schemars::JsonSchema;
use serde::Deserialize;

use super::Condition;
use crate::expression::{ExpressionError, Scalar, Scope, ValueManifest};
use crate::manifest::{Instant, Manifest, ManifestError, SettingType};
use crate::parents::ParentManifest;
use crate::stream::{Blame, Stream};

/// Deepest nesting of products and unions.
const NESTING_MAX: usize = 3;

/// Where a stream's slices come from: one of `setting`, `list`, `parent`, `numbers`, `dates`, `product` and `union`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SlicesManifest {
    /// The list setting whose values are the slices.
    pub setting: Option<String>,
    /// The values themselves.
    pub list: Option<Vec<Scalar>>,
    /// Another stream whose records are the slices; all its `fields` can be used, the one under `as` names the slice.
    pub parent: Option<ParentManifest>,
    /// A range of whole numbers, such as rows or ids.
    pub numbers: Option<NumbersManifest>,
    /// A range of days, for an API that is asked by months or years.
    pub dates: Option<DatesManifest>,
    /// Every combination of several lists; each has its own `as`.
    pub product: Option<Vec<SlicesManifest>>,
    /// The values of several lists, each value once.
    pub union: Option<Vec<SlicesManifest>>,
    /// The name by which path and parameters call the slice, e.g. `repository`.
    #[serde(rename = "as")]
    pub name: Option<String>,
    /// Leaves the whole list out when it is false, e.g. `not repositories` where a setting may name some instead of all.
    pub when: Option<Condition>,
}

/// Whole numbers in steps. `{<as>}` is the first of a step, `{<as>_last}` the last, `{<as>_until}` the one after it.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NumbersManifest {
    /// The first.
    pub from: ValueManifest,
    /// The one after the last.
    pub until: ValueManifest,
    /// How many make a slice; 1 when absent.
    #[serde(default)]
    pub step: Option<u32>,
}

/// Days in stretches. `{<as>}` is the first instant of a stretch, `{<as>_until}` the one after it.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DatesManifest {
    /// The first: a date setting, or a date.
    pub from: Instant,
    /// The one after the last; now when absent, so that the list grows.
    #[serde(default)]
    pub until: Option<Instant>,
    /// How long a stretch is.
    pub length: Span,
    /// How the request writes both; `2024-03-01` when absent.
    #[serde(default)]
    pub format: Option<TimestampFormat>,
}

impl SlicesManifest {
    /// Slices by a list setting.
    pub fn by_setting(setting: &str, name: &str) -> Self {
        Self { setting: Some(setting.to_owned()), name: Some(name.to_owned()), ..Self::default() }
    }

    /// Whether the requests of a slice have a value of this name.
    pub fn has_name(&self, name: &str) -> bool {
        let own = self.name.as_deref().is_some_and(|own| {
            own == name
                || name.strip_prefix(own).is_some_and(|rest| match rest {
                    "_until" => self.numbers.is_some() || self.dates.is_some(),
                    "_last" => self.numbers.is_some(),
                    _ => false,
                })
        });
        own || self.parent.as_ref().is_some_and(|parent| parent.has_field(name))
            || self.parts().any(|part| part.has_name(name))
    }

    /// What lists the slices, for people.
    pub fn describe(&self) -> String {
        match (&self.setting, &self.parent) {
            (Some(setting), _) => format!("setting `{setting}`"),
            (_, Some(parent)) => format!("stream `{}`", parent.stream),
            _ => "`slices`".to_owned(),
        }
    }

    /// The lists that a product or union is made of.
    pub(super) fn parts(&self) -> impl Iterator<Item = &Self> {
        self.product.iter().chain(&self.union).flatten()
    }

    /// The other streams that list slices, whatever `when` says.
    pub(crate) fn listing_streams(&self) -> Vec<&ParentManifest> {
        self.parent.iter().chain(self.parts().flat_map(Self::listing_streams)).collect()
    }

    /// The other streams that list slices, this one's and those of its parts, but for lists that `when` leaves out.
    pub(crate) fn parents(&self, claims: &Scope) -> Result<Vec<&ParentManifest>, ExpressionError> {
        if self.is_left_out(claims)? {
            return Ok(Vec::new());
        }
        let mut all: Vec<&ParentManifest> = self.parent.iter().collect();
        for part in self.parts() {
            all.extend(part.parents(claims)?);
        }
        Ok(all)
    }

    /// Whether `when` leaves the whole list out.
    pub(super) fn is_left_out(&self, claims: &Scope) -> Result<bool, ExpressionError> {
        self.when.as_ref().map_or(Ok(false), |when| when.holds(claims).map(|holds| !holds))
    }

    /// Checks what a parser cannot see.
    pub(crate) fn check(
        &self,
        manifest: &Manifest,
        streams: &[Stream],
        blame: &Blame<'_>,
    ) -> Result<(), ManifestError> {
        self.check_at(manifest, streams, NESTING_MAX).map_err(|(reason, fix)| blame.incomplete("slices", reason, fix))
    }

    fn check_at(&self, manifest: &Manifest, streams: &[Stream], depth: usize) -> Result<(), (String, &'static str)> {
        let wrong = |reason: &str, fix| Err((reason.to_owned(), fix));
        let sources = [
            self.setting.is_some(),
            self.list.is_some(),
            self.parent.is_some(),
            self.numbers.is_some(),
            self.dates.is_some(),
            self.product.is_some(),
            self.union.is_some(),
        ];
        if sources.iter().filter(|is_there| **is_there).count() != 1 {
            let fix = "write one of `setting`, `list`, `parent`, `numbers`, `dates`, `product` and `union`";
            return wrong("slices come from one place", fix);
        }
        match (&self.name, &self.product) {
            (None, None) => return wrong("`as` is missing", "say by which name the request calls the slice"),
            (Some(_), Some(_)) => return wrong("a product has no name of its own", "give each of its parts `as`"),
            _ => {}
        }
        if self.parts().next().is_some() && depth == 0 {
            return wrong("products and unions are nested too deep", "write fewer levels");
        }
        if let Some(setting) = &self.setting
            && manifest.settings.get(setting).is_none_or(|known| known.setting_type != SettingType::List)
        {
            return Err((format!("`{setting}` is no list setting"), "declare it under `settings` with `type: list`"));
        }
        if self.dates.as_ref().is_some_and(|dates| dates.length.is_zero())
            || self.numbers.as_ref().is_some_and(|numbers| numbers.step == Some(0))
        {
            return wrong("a range without length has no end", "write how long a slice is");
        }
        if let Some(parent) = &self.parent {
            check_parent(parent, self.name.as_deref().unwrap_or_default(), streams)?;
        }
        for part in self.parts() {
            if self.union.is_some() && part.name.as_ref().is_some_and(|name| Some(name) != self.name.as_ref()) {
                return wrong("the parts of a union have one name", "write `as` beside `union` only");
            }
            let mut part = part.clone();
            if self.union.is_some() && part.product.is_none() {
                part.name.clone_from(&self.name);
            }
            part.check_at(manifest, streams, depth - 1)?;
        }
        Ok(())
    }
}

/// Checks that a stream of this name can be read as a whole, to list something for others.
pub(crate) fn check_listed<'a>(name: &str, streams: &'a [Stream]) -> Result<&'a Stream, (String, &'static str)> {
    let Some(stream) = streams.iter().find(|stream| stream.name == name) else {
        return Err((format!("there is no stream `{name}`"), "name a stream of this connector"));
    };
    if stream.slices.is_some() {
        return Err((format!("`{}` is read by slices itself", stream.name), "name a stream that is read as a whole"));
    }
    if stream.chain.is_some() || (stream.window.is_some() && stream.start.is_none()) {
        let fix = "name a snapshot, or a stream with a `start`";
        return Err((format!("`{}` cannot be listed as a whole", stream.name), fix));
    }
    Ok(stream)
}

fn check_parent(parent: &ParentManifest, name: &str, streams: &[Stream]) -> Result<(), (String, &'static str)> {
    check_listed(&parent.stream, streams)?;
    if !parent.has_field(name) {
        let fix = "name the field that names the slice under `fields`";
        return Err((format!("`{name}` is no field of the parent"), fix));
    }
    Ok(())
}
