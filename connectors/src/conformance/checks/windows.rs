//! Several windows: they tile, their order means nothing, and one that is too large comes in parts.

use headwater_contract::{ErrorKind, Explain, StreamKind, TimeRange};

use super::{ROWS, Trial, Tried, described_error, miss, skipped};
use crate::conformance::report::{Case, Check};
use crate::conformance::server::Reply;
use crate::conformance::stage::CAP;
use crate::conformance::vendor::{Amount, Tally, What, World, answer_for};
use crate::refusal::Action;

/// Records of a window that is above every cap.
const MANY: usize = 40;
/// Records of one unit of a calendar, which is not cut.
const UNIT_ROWS: usize = 8;

impl Trial<'_> {
    /// Windows side by side share no record and lose none.
    pub(super) async fn tiling(&self) -> Vec<Case> {
        let (check, name) = (Check::Tiling, "three windows side by side give every record once");
        if self.stream.window.is_none() {
            return vec![skipped(name, "the stream has no windows")];
        }
        let tried = async {
            self.begin(self.world(ROWS)?);
            let whole = self.windows.first().zip(self.windows.last());
            let whole = whole.and_then(|(first, last)| TimeRange::new(first.from(), last.until()).ok());
            for (slice, _) in &self.slices {
                let mut all = Tally::new();
                for window in &self.windows {
                    let got = self.read_whole(slice, Some(*window)).await?;
                    for (text, count) in got.records {
                        *all.entry(text).or_default() += count;
                    }
                }
                let expected = self.expected(slice, whole)?;
                self.compare_tally(&all, &expected)?;
            }
            Ok(())
        };
        vec![self.case(check, name, tried.await)]
    }

    /// Windows are read in any order; one that failed is read later.
    pub(super) async fn gaps(&self) -> Vec<Case> {
        let check = Check::Gaps;
        if self.stream.kind == StreamKind::Chain {
            let name = "a link that failed is read again, and the next one goes on where it ended";
            return vec![self.case(check, name, self.links().await)];
        }
        let name = "windows 1 and 3, then 2, which failed at first, equal the oracle";
        let [first, second, third] = self.windows.as_slice() else {
            return vec![skipped(name, "the stream has no windows: it is read whole each time")];
        };
        if self.stream.window.is_none() {
            return vec![skipped(name, "the stream has no windows: it is read whole each time")];
        }
        let tried = async {
            self.begin(self.world(ROWS)?);
            for (slice, _) in &self.slices {
                self.read_whole(slice, Some(*first)).await?;
                self.fails(slice, Some(*second), None).await?;
                self.read_whole(slice, Some(*third)).await?;
                self.read_whole(slice, Some(*second)).await?;
            }
            Ok(())
        };
        vec![self.case(check, name, tried.await)]
    }

    /// A reading of a source that is broken fails by name.
    async fn fails(&self, slice: &str, window: Option<TimeRange>, token: Option<String>) -> Tried {
        self.stage.vendor.state().script = Some(Box::new(|hit, _, _| super::faults::refuse(hit, 500)));
        let outcome = self.read(slice, window, token).await;
        self.stage.vendor.state().script = None;
        match outcome {
            Err(error) if error.kind() == ErrorKind::Unavailable || self.has_rule_for(500) => Ok(()),
            Err(error) => Err(miss("an error that time heals (exit 69)", described_error(&error))),
            Ok(got) if got.summary.skipped_requests > 0 || got.summary.is_slice_skipped => Ok(()),
            Ok(got) => Err(miss("an error", format!("success with {} records", got.summary.records))),
        }
    }

    async fn links(&self) -> Tried {
        let Some((slice, _)) = self.slices.first() else { return Ok(()) };
        let build = |rows: usize| {
            let amount = Amount { windows: Vec::new(), rows };
            let truth = self
                .stage
                .truth
                .stream_of(&self.stream.name)
                .map_err(|error| miss("the stream", described_error(&error)))?;
            let world = World::build(&self.stage.truth, &truth, self.slices.get(..1).unwrap_or_default(), &amount);
            world.map_err(|error| miss("records of the manifest's shape", error))
        };
        self.begin(build(ROWS)?);
        let failed = |error| miss("the changes since", described_error(&error));
        let first = self.read(slice, None, None).await.map_err(failed)?;
        self.compare(&first, slice, None)?;
        let token = first.summary.token_out.clone();
        if token.is_none() {
            return Err(miss("a token for the next link", "none"));
        }
        self.fails(slice, None, token.clone()).await?;
        let before = self.expected(slice, None)?;
        self.stage.vendor.state().world = build(ROWS + 4)?;
        let second = self.read(slice, None, token).await.map_err(failed)?;
        let mut expected = Tally::clone(&*self.expected(slice, None)?);
        for (text, count) in before.iter() {
            if let Some(more) = expected.get_mut(text) {
                *more -= count;
            }
        }
        expected.retain(|_, count| *count > 0);
        self.compare_tally(&second.records, &expected)?;
        let last = self.read(slice, None, second.summary.token_out).await.map_err(failed)?;
        self.compare_tally(&last.records, &Tally::new())
    }

    /// What one query does not give comes in parts.
    pub(super) async fn overflow(&self) -> Vec<Case> {
        let mut cases = vec![self.overflow_by_cap().await, self.overflow_by_rule().await];
        cases.push(self.batches().await);
        cases
    }

    /// Records of a window that are too many for one query, and not for what it can be cut into.
    fn many(&self) -> Option<usize> {
        let window = self.stream.window.as_ref()?;
        let calendar = window.request.as_ref().and_then(|request| request.calendar.as_ref());
        let (step, each) = match calendar.map(|calendar| calendar.unit) {
            None => (window.policy.granularity.as_millis().max(1), 1),
            Some(unit) => (unit.span().as_millis(), UNIT_ROWS),
        };
        let steps = usize::try_from(window.policy.length.as_millis() / step).unwrap_or(0);
        let many = steps.saturating_mul(each).min(MANY);
        (many > if calendar.is_some() { usize::try_from(CAP).unwrap_or(0) } else { MANY - 1 }).then_some(many)
    }

    async fn overflow_by_cap(&self) -> Case {
        let name = "a window above the vendor's cap is read in parts";
        let window = self.stream.window.as_ref();
        if window.is_none_or(|window| window.cap.is_none()) {
            return skipped(name, "the manifest says no cap");
        }
        let Some(many) = self.many() else {
            return skipped(name, "a window has fewer steps than the records that it would take");
        };
        let tried = async {
            self.begin(self.world(many)?);
            let Some((slice, _)) = self.slices.first() else { return Ok(()) };
            self.read_whole(slice, self.middle()).await.map(drop)
        };
        self.case(Check::Overflow, name, tried.await)
    }

    async fn overflow_by_rule(&self) -> Case {
        let name = "a window that the vendor refuses as too large is read in parts";
        let rule = self.stream.request.rules.iter().find(|rule| rule.then == Action::SplitWindow);
        let Some(rule) = rule else { return skipped(name, "no rule of the manifest splits a window") };
        let Some(many) = self.many() else {
            return skipped(name, "a window has fewer steps than the records that it would take");
        };
        let Some(refusal) = answer_for(&rule.when) else {
            return skipped(name, "no answer could be made that the rule speaks of");
        };
        let tried = async {
            self.begin(self.world(many)?);
            let Some((slice, _)) = self.slices.first() else { return Ok(()) };
            self.stage.vendor.state().script = Some(Box::new(move |hit, _, _| match &hit.what {
                What::Page { total, .. } if *total > usize::try_from(CAP).unwrap_or(0) => Some(refusal.clone()),
                _ => None,
            }));
            self.read_whole(slice, self.middle()).await.map(drop)
        };
        self.case(Check::Overflow, name, tried.await)
    }

    async fn batches(&self) -> Case {
        let name = "a batch of parents that the vendor refuses is asked for in halves";
        if self.stream.parent.as_ref().is_none_or(|parent| parent.batch.is_none()) {
            return skipped(name, "parents are not put together");
        }
        let tried = async {
            self.begin(self.world(ROWS)?);
            let Some((slice, _)) = self.slices.first() else { return Ok(()) };
            self.stage.vendor.state().script = Some(Box::new(|hit, _, _| match &hit.what {
                What::Page { owners, .. } if owners.len() > 1 => Some(Reply::text(413, "{}")),
                _ => None,
            }));
            self.read_whole(slice, self.middle()).await.map(drop)
        };
        self.case(Check::Overflow, name, tried.await)
    }
}
