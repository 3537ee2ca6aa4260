//! What a stream is: its columns, who may read it, which parts it has.

use headwater_contract::{Column, ColumnType, ErrorKind, Explain, StreamContract};
use serde_json::Value;

use super::{ROWS, Trial, Tried, described_error, miss, skipped};
use crate::auth::Auth;
use crate::conformance::report::{Case, Check};
use crate::conformance::stage::Stage;
use crate::conformance::vendor::renews;
use crate::decoding::Pointer;
use crate::parents::GIVEN;

impl Trial<'_> {
    /// Records have the columns that the manifest promises, and keys that tell them apart.
    pub(in crate::conformance) fn columns(&self) -> Vec<Case> {
        let check = Check::Columns;
        let world = match self.world(ROWS) {
            Ok(world) => world,
            Err(error) => return vec![self.case(check, "records can be made", Err(error))],
        };
        self.begin(world);
        let mut slices: Vec<Vec<Value>> = Vec::new();
        for (slice, _) in &self.slices {
            match self.expected(slice, None) {
                Ok(tally) => slices.push(tally.keys().filter_map(|text| serde_json::from_str(text).ok()).collect()),
                Err(error) => return vec![self.case(check, "records can be decoded", Err(error))],
            }
        }
        let typed = self.stream.columns().iter().try_for_each(|column| held(column, slices.iter().flatten()));
        let described = self.cast.described.as_ref().map(|described| described.left_out(&self.stream.name));
        let there = match described.unwrap_or_default() {
            left_out if left_out.is_empty() => Ok(()),
            left_out => Err(miss("every field that the manifest speaks of", left_out.join("; "))),
        };
        vec![
            self.case(check, "columns are found, of their types", typed),
            self.case(check, "keys tell records apart", self.keys(&slices)),
            self.case(check, "the description has every field", there),
        ]
    }

    /// Keys are unique within a slice, unless the manifest says more.
    fn keys(&self, slices: &[Vec<Value>]) -> Tried {
        if self.stream.is_append_only() || self.stream.key().is_empty() {
            return Ok(());
        }
        let is_wide = self.stage.contract(&self.stream.name).is_some_and(|contract| contract.key_is_stream_wide);
        let mut seen = std::collections::BTreeSet::new();
        for (slice, record) in slices.iter().enumerate().flat_map(|(at, all)| all.iter().map(move |one| (at, one))) {
            let slice = if is_wide { 0 } else { slice };
            let parts = self.stream.key().iter().map(|name| {
                let column = self.stream.columns().iter().find(|column| column.name == *name);
                column.and_then(|column| Pointer::parse(&column.pointer).find(record)).cloned().unwrap_or_default()
            });
            let parts: Vec<Value> = parts.collect();
            if parts.iter().any(Value::is_null) {
                return Err(miss("a key in every record", format!("a part of {:?} is null", self.stream.key())));
            }
            if !seen.insert((slice, Value::Array(parts.clone()).to_string())) {
                return Err(miss("another key for each record", format!("{} stands twice", Value::Array(parts))));
            }
        }
        Ok(())
    }

    /// A good credential reads; one that is refused is named, and nothing is taken for data.
    pub(super) async fn access(&self) -> Vec<Case> {
        let check = Check::Access;
        let mut cases = Vec::new();
        let tried = async {
            self.begin(self.world(ROWS)?);
            for (slice, _) in &self.slices {
                self.read_whole(slice, self.middle()).await?;
            }
            Ok(())
        };
        cases.push(self.case(check, "a good credential reads", tried.await));
        for (status, name) in
            [(401_u16, "a credential that is refused is named"), (403, "what may not be read is named")]
        {
            let tried = async {
                // A token that was issued before must not help.
                let stage = Stage::open(&self.cast, Some(&self.stream.name)).await;
                let stage = stage.map_err(|error| miss("a source", error))?;
                let trial = self.on(&stage);
                let world = trial.world(ROWS)?;
                trial.begin(world);
                stage.vendor.state().script = Some(Box::new(move |hit, _, _| super::faults::refuse(hit, status)));
                trial.denied(status).await
            };
            cases.push(self.case(check, name, tried.await));
        }
        cases
    }

    async fn denied(&self, status: u16) -> Tried {
        let Some((slice, _)) = self.slices.first() else { return Ok(()) };
        let outcome = self.read(slice, self.middle(), None).await;
        let is_ruled = self.has_rule_for(status);
        let requests = self.stage.vendor.state().hits.len();
        match outcome {
            Err(error) if is_ruled || error.kind() == ErrorKind::Access => match requests {
                0..=40 => Ok(()),
                many => Err(miss("an end after a few tries", format!("{many} requests"))),
            },
            Err(error) => Err(miss("an error that asks for another credential (exit 77)", described_error(&error))),
            Ok(got) if got.summary.skipped_requests > 0 || got.summary.is_slice_skipped => Ok(()),
            Ok(got) => Err(miss("an error", format!("success with {} records", got.summary.records))),
        }
    }

    /// The same streams and slices each time.
    pub(in crate::conformance) async fn discovery(&self) -> Vec<Case> {
        let check = Check::Discovery;
        let tried = async {
            let again = Stage::open(&self.cast, Some(&self.stream.name)).await;
            let again = again.map_err(|error| miss("a source", error))?;
            let name = &self.stream.name;
            let (one, other) = (self.stage.contract(name), again.contract(name));
            if one.map(StreamContract::digest) != other.map(StreamContract::digest) {
                return Err(miss("the same contract", "another one"));
            }
            let world = self.world(0)?;
            again.vendor.state().begin(world);
            let stream = again.source.stream_of(name).map_err(|error| miss("the stream", described_error(&error)))?;
            let slices = again.slices(&stream).await.map_err(|error| miss("slices", error))?;
            let names = |slices: &[(String, crate::expression::Scope)]| {
                slices.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>()
            };
            if names(&slices) != names(&self.slices) {
                return Err(miss(format!("{:?}", names(&self.slices)), format!("{:?}", names(&slices))));
            }
            Ok(())
        };
        vec![self.case(check, "contract and slices are the same each time", tried.await)]
    }

    /// A token that ends within a reading is renewed once, and the same page is asked for.
    pub(super) async fn renewal(&self) -> Vec<Case> {
        let (check, name) = (Check::Renewal, "a token that ends at a page is renewed once");
        let (auth, known) = {
            let state = self.stage.vendor.state();
            let auth = self.stream.auth.clone().unwrap_or_else(|| state.auth.clone());
            (auth, state.known.clone())
        };
        if !renews(&auth, &known) {
            let because = match auth {
                Auth::None => "requests carry no credential".to_owned(),
                other => format!("a credential of kind `{}` has nothing to renew", other.name()),
            };
            return vec![skipped(name, because)];
        }
        let tried = async {
            self.begin(self.world(ROWS)?);
            let Some((slice, _)) = self.slices.first() else { return Ok(()) };
            self.read_whole(slice, self.middle()).await?;
            let (pages, logins) = {
                let state = self.stage.vendor.state();
                (state.pages().len(), state.logins.count)
            };
            self.begin(self.world(ROWS)?);
            self.stage.vendor.state().logins.revoke();
            // The token that is held has ended; where there is a second page, another one ends there.
            let last = pages.saturating_sub(1).min(1);
            let mut has_ended = last == 0;
            self.stage.vendor.state().script = Some(Box::new(move |hit, page, _| {
                let ends = !has_ended && page == last && matches!(hit.what, super::What::Page { .. });
                has_ended |= ends;
                ends.then(super::faults::unauthorized)
            }));
            self.read_whole(slice, self.middle()).await?;
            let state = self.stage.vendor.state();
            match state.logins.count - logins {
                1.. => Ok(()),
                0 => Err(miss("another login", "none")),
            }
        };
        vec![self.case(check, name, tried.await)]
    }
}

/// Whether every record has a column, of its type.
fn held<'a>(column: &Column, records: impl Iterator<Item = &'a Value>) -> Tried {
    let pointer = Pointer::parse(&column.pointer);
    for record in records {
        let found = pointer.find(record).filter(|value| !value.is_null());
        let Some(found) = found else {
            if column.nullable || column.pointer.starts_with(&format!("/{GIVEN}/")) {
                continue;
            }
            return Err(miss(format!("`{}` in every record", column.name), format!("no `{pointer}` in {record}")));
        };
        let fits = match column.column_type {
            ColumnType::String | ColumnType::Date | ColumnType::Timestamp | ColumnType::Json => true,
            // Formats without types write numbers as texts.
            ColumnType::Int64 | ColumnType::Float64 | ColumnType::Decimal { .. } => {
                found.is_number() || found.as_str().is_some_and(|text| text.parse::<f64>().is_ok())
            }
            ColumnType::Boolean => found.is_boolean() || found.is_string() || found.is_number(),
            ColumnType::Struct(_) => found.is_object() || found.is_string(),
            ColumnType::List(_) => found.is_array() || found.is_string(),
        };
        if !fits {
            return Err(miss(format!("`{}` as {}", column.name, column.column_type), found.to_string()));
        }
    }
    Ok(())
}
