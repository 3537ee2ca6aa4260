//! Which slices there are: a pure function of settings, of the time, and of what other streams listed.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use headwater_contract::TimestampFormat;
use serde_json::Value;

use super::{DatesManifest, NumbersManifest, SLICES_MAX, SliceError, SlicesManifest};
use crate::expression::{Scope, ValueManifest};
use crate::manifest::{Instant, Settings};
use crate::parents::{Fields, ParentManifest};
use crate::windowing::write_instant;

/// One slice: its text, and the values that its requests see.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Names it in windows, folders and transactions.
    pub text: String,
    /// What its requests see.
    pub fields: Fields,
}

/// What slices are listed from.
#[derive(Clone, Copy, Debug)]
pub struct Listing<'a> {
    /// Settings of the source.
    pub settings: &'a Settings,
    /// What conditions see.
    pub claims: &'a Scope,
    /// Now.
    pub now: DateTime<Utc>,
    /// Fields of the records of each stream that lists slices, by [`Listing::key`].
    pub listed: &'a BTreeMap<String, Vec<Fields>>,
}

impl Listing<'_> {
    /// Tells one listing stream from another.
    pub fn key(parent: &ParentManifest) -> String {
        format!("{parent:?}")
    }

    /// All slices, sorted, without repetition.
    ///
    /// # Errors
    ///
    /// [`SliceError`] when there are none or too many.
    pub fn of(&self, manifest: &SlicesManifest) -> Result<Vec<Entry>, SliceError> {
        let mut entries = self.entries(manifest, manifest.name.as_deref().unwrap_or_default())?;
        entries.retain(|entry| !entry.text.is_empty());
        entries.sort_by(|left, right| left.text.cmp(&right.text));
        entries.dedup_by(|left, right| left.text == right.text);
        match entries.len() {
            0 => Err(SliceError::Nothing { from: manifest.describe() }),
            _ => Ok(entries),
        }
    }

    fn entries(&self, manifest: &SlicesManifest, name: &str) -> Result<Vec<Entry>, SliceError> {
        if manifest.is_left_out(self.claims)? {
            return Ok(Vec::new());
        }
        let plain = |value: Value| Entry { text: text_of(&value), fields: Fields::from([(name.to_owned(), value)]) };
        let entries = if let Some(setting) = &manifest.setting {
            let listed = self.settings.lists.get(setting).map(Vec::as_slice).unwrap_or_default();
            listed.iter().map(|text| plain(Value::String(text.clone()))).collect()
        } else if let Some(list) = &manifest.list {
            list.iter().map(|value| plain(value.to_json())).collect()
        } else if let Some(parent) = &manifest.parent {
            let listed = self.listed.get(&Self::key(parent)).map(Vec::as_slice).unwrap_or_default();
            let entry = |fields: &Fields| Some(Entry { text: fields.get(name).map(text_of)?, fields: fields.clone() });
            listed.iter().filter_map(entry).collect()
        } else if let Some(numbers) = &manifest.numbers {
            self.numbers(numbers, name, manifest)?
        } else if let Some(dates) = &manifest.dates {
            self.dates(dates, name, manifest)?
        } else if let Some(parts) = &manifest.product {
            self.product(parts, manifest)?
        } else {
            let mut all: Vec<Entry> = Vec::new();
            let mut seen = BTreeSet::new();
            for part in manifest.union.iter().flatten() {
                let entries = self.entries(part, name)?;
                all.extend(entries.into_iter().filter(|entry| seen.insert(entry.text.clone())));
            }
            all
        };
        bounded(entries, manifest)
    }

    fn product(&self, parts: &[SlicesManifest], manifest: &SlicesManifest) -> Result<Vec<Entry>, SliceError> {
        let mut all = vec![Entry { text: String::new(), fields: Fields::new() }];
        for (at, part) in parts.iter().enumerate() {
            let entries = self.entries(part, part.name.as_deref().unwrap_or_default())?;
            if all.len().saturating_mul(entries.len()) > SLICES_MAX {
                return Err(SliceError::TooMany { from: manifest.describe() });
            }
            let joined = |left: &Entry, right: &Entry| {
                let between = if at == 0 { "" } else { "|" };
                // A value that holds the separator stays one value.
                let text = right.text.replace('\\', "\\\\").replace('|', "\\|");
                let mut fields = left.fields.clone();
                fields.extend(right.fields.clone());
                Entry { text: format!("{}{between}{text}", left.text), fields }
            };
            all = all.iter().flat_map(|left| entries.iter().map(move |right| joined(left, right))).collect();
        }
        Ok(all)
    }

    fn numbers(
        &self,
        numbers: &NumbersManifest,
        name: &str,
        manifest: &SlicesManifest,
    ) -> Result<Vec<Entry>, SliceError> {
        let whole = |value: &ValueManifest, bound| {
            let value = value.value(&self.settings.plain)?;
            let number = value.as_i64().or_else(|| value.as_str()?.trim().parse().ok());
            number.ok_or_else(|| SliceError::NoBound { bound, from: manifest.describe() })
        };
        let (from, until) = (whole(&numbers.from, "from")?, whole(&numbers.until, "until")?);
        let step = i64::from(numbers.step.unwrap_or(1).max(1));
        if until.saturating_sub(from) / step > i64::try_from(SLICES_MAX).unwrap_or(i64::MAX) {
            return Err(SliceError::TooMany { from: manifest.describe() });
        }
        let (mut entries, mut first) = (Vec::new(), from);
        while first < until {
            let end = first.saturating_add(step).min(until);
            let fields = [(name.to_owned(), first), (format!("{name}_until"), end), (format!("{name}_last"), end - 1)];
            let fields = fields.into_iter().map(|(name, number)| (name, Value::from(number))).collect();
            entries.push(Entry { text: first.to_string(), fields });
            first = end;
        }
        Ok(entries)
    }

    fn dates(&self, dates: &DatesManifest, name: &str, manifest: &SlicesManifest) -> Result<Vec<Entry>, SliceError> {
        let instant = |instant: &Instant, bound| {
            let at = match instant {
                Instant::At(at) => Some(*at),
                Instant::Setting(setting) => self.settings.dates.get(setting).copied(),
            };
            at.ok_or_else(|| SliceError::NoBound { bound, from: manifest.describe() })
        };
        let from = instant(&dates.from, "from")?;
        let until = dates.until.as_ref().map_or(Ok(self.now), |until| instant(until, "until"))?;
        let length = dates.length.as_millis().max(1);
        if (until - from).num_milliseconds() / length > i64::try_from(SLICES_MAX).unwrap_or(i64::MAX) {
            return Err(SliceError::TooMany { from: manifest.describe() });
        }
        let day = TimestampFormat::Pattern { pattern: "%Y-%m-%d".to_owned(), zone: "UTC".to_owned() };
        let format = dates.format.as_ref().unwrap_or(&day);
        let write = |at| {
            write_instant(at, format).ok_or_else(|| SliceError::NoBound { bound: "format", from: manifest.describe() })
        };
        // Every stretch but the last has its whole length, and only the last one's end moves: its name stays.
        let (mut entries, mut at) = (Vec::new(), from);
        while at < until {
            let end = at + dates.length.delta();
            let shown = if dates.until.is_some() { end.min(until) } else { end };
            let fields = [(name.to_owned(), write(at)?), (format!("{name}_until"), write(shown)?)];
            let is_day = at.timestamp().rem_euclid(86_400) == 0;
            let text = at.format(if is_day { "%Y-%m-%d" } else { "%Y-%m-%dT%H:%M:%SZ" }).to_string();
            entries.push(Entry { text, fields: fields.into_iter().collect() });
            at = end;
        }
        Ok(entries)
    }
}

fn bounded(entries: Vec<Entry>, manifest: &SlicesManifest) -> Result<Vec<Entry>, SliceError> {
    if entries.len() > SLICES_MAX {
        return Err(SliceError::TooMany { from: manifest.describe() });
    }
    Ok(entries)
}

fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expression::Scalar;

    fn of(yaml: &str) -> Result<Vec<String>, SliceError> {
        let mut settings = Settings::default();
        settings.lists.insert("repositories".into(), ["b/b", "a/a", "b/b", ""].map(str::to_owned).to_vec());
        settings.plain.insert("rows".into(), Scalar::Integer(25));
        settings.dates.insert("start_on".into(), "2024-01-01T00:00:00Z".parse().unwrap());
        let claims = Scope::from([("repositories".to_owned(), Scalar::Text("b/b,a/a".to_owned()))]);
        let manifest: SlicesManifest = crate::manifest::yaml::from_str(yaml).unwrap();
        let accounts = [r#"{"account":"x","currency":"EUR"}"#, r#"{"account":7,"currency":"USD"}"#];
        let accounts = accounts.map(|text| serde_json::from_str::<Fields>(text).unwrap()).to_vec();
        let listed = manifest
            .parents(&claims)
            .unwrap()
            .into_iter()
            .map(|parent| (Listing::key(parent), accounts.clone()))
            .collect();
        let now = "2024-02-15T10:00:00Z".parse().unwrap();
        let entries = Listing { settings: &settings, claims: &claims, now, listed: &listed }.of(&manifest)?;
        let show = |entry: &Entry| format!("{} {}", entry.text, serde_json::to_string(&entry.fields).unwrap());
        Ok(entries.iter().map(show).collect())
    }

    #[test]
    fn rejects_empty_lists_and_those_that_are_too_long() {
        for yaml in
            ["{ setting: other, as: x }", "{ list: [''], as: x }", "{ list: [a], as: x, when: not repositories }"]
        {
            assert!(matches!(of(yaml), Err(SliceError::Nothing { .. })), "{yaml}");
        }
        for yaml in [
            "{ numbers: { from: 0, until: 20000 }, as: x }",
            "{ numbers: { from: -9223372036854775808, until: 9223372036854775807 }, as: x }",
            "{ dates: { from: 1900-01-01, length: 1 hour }, as: x }",
            "{ product: [{ numbers: { from: 0, until: 200 }, as: x }, { numbers: { from: 0, until: 200 }, as: y }] }",
        ] {
            assert!(matches!(of(yaml), Err(SliceError::TooMany { .. })), "{yaml}");
        }
        assert!(matches!(of("{ numbers: { from: 0, until: many }, as: x }"), Err(SliceError::NoBound { .. })));
        assert!(matches!(of("{ dates: { from: unset, length: 1 day }, as: x }"), Err(SliceError::NoBound { .. })));
    }

    #[test]
    fn a_slice_is_named_by_its_value_and_listed_once() {
        assert_eq!(of("{ setting: repositories, as: r }").unwrap(), [r#"a/a {"r":"a/a"}"#, r#"b/b {"r":"b/b"}"#]);
        assert_eq!(of("{ list: [us, 5], as: r }").unwrap(), [r#"5 {"r":5}"#, r#"us {"r":"us"}"#]);
        let parent = "{ parent: { stream: accounts, fields: { account: id, currency: currency } }, as: account }";
        let accounts = [r#"7 {"account":7,"currency":"USD"}"#, r#"x {"account":"x","currency":"EUR"}"#];
        assert_eq!(of(parent).unwrap(), accounts);
    }

    #[test]
    fn ranges_are_cut_in_steps_whose_names_stay() {
        let numbers = of("{ numbers: { from: 1, until: '{rows}', step: 10 }, as: row }").unwrap();
        let last = r#"21 {"row":21,"row_last":24,"row_until":25}"#;
        assert_eq!(
            numbers,
            [r#"1 {"row":1,"row_last":10,"row_until":11}"#, r#"11 {"row":11,"row_last":20,"row_until":21}"#, last]
        );
        let dates = of("{ dates: { from: start_on, length: 30 days }, as: day }").unwrap();
        let second = r#"2024-01-31 {"day":"2024-01-31","day_until":"2024-03-01"}"#;
        assert_eq!(dates, [r#"2024-01-01 {"day":"2024-01-01","day_until":"2024-01-31"}"#, second]);
    }

    #[test]
    fn lists_are_combined_and_joined() {
        let product = "{ product: [{ list: ['a|b', c], as: x }, { list: [1], as: y }] }";
        assert_eq!(of(product).unwrap(), [r#"a\|b|1 {"x":"a|b","y":1}"#, r#"c|1 {"x":"c","y":1}"#]);
        let union = "{ union: [{ setting: repositories }, { list: [b/b, c] }], as: r }";
        assert_eq!(of(union).unwrap().len(), 3);
        // All of a stream's, unless a setting names some.
        let some = "{ union: [{ setting: repositories }, { list: [all], when: not repositories }], as: r }";
        assert_eq!(of(some).unwrap().len(), 2);
    }
}
