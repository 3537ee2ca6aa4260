//! One window: every page once, whatever happens to the connection.

use std::collections::BTreeSet;

use headwater_contract::ReadEvent;

use super::{ROWS, Trial, Tried, described_error, miss};
use crate::conformance::report::{Case, Check};
use crate::conformance::server::Reply;
use crate::conformance::stage::slice_of;
use crate::conformance::vendor::What;
use crate::pagination::Pagination;
use crate::source::ReadRequest;

/// Pages after each of which the connection is lost.
const LOST_MAX: usize = 6;

impl Trial<'_> {
    /// Every record once, every page asked for once; an empty window is empty.
    pub(super) async fn pages(&self) -> Vec<Case> {
        let check = Check::Pages;
        let once = async {
            self.begin(self.world(ROWS)?);
            for (slice, _) in &self.slices {
                self.read_whole(slice, self.middle()).await?;
            }
            self.asked_once()
        };
        let mut cases = vec![self.case(check, "every record comes once, every page is asked for once", once.await)];
        let empty = async {
            self.begin(self.world(0)?);
            let Some((slice, _)) = self.slices.first() else { return Ok(()) };
            let expected = self.expected(slice, self.middle())?.values().sum::<usize>();
            let got = self.read_whole(slice, self.middle()).await?;
            let came = got.records.values().sum::<usize>();
            if came == expected { Ok(()) } else { Err(miss("no records", format!("{came} records"))) }
        };
        cases.push(self.case(check, "a window without records is read as one", empty.await));
        cases
    }

    /// No page was asked for twice, and no request was refused.
    fn asked_once(&self) -> Tried {
        let state = self.stage.vendor.state();
        if let Some(problem) = state.problems().first() {
            return Err(miss("requests that the vendor takes", problem.clone()));
        }
        if matches!(self.stream.pagination, Pagination::AdvancingFrom(_)) {
            return Ok(());
        }
        let mut seen = BTreeSet::new();
        for hit in state.pages() {
            let What::Page { owners, bounds, at, .. } = &hit.what else { continue };
            if !seen.insert((owners.clone(), bounds.clone(), *at)) {
                return Err(miss(
                    "each page asked for once",
                    format!("the page at {at} was asked for again: {}", hit.request),
                ));
            }
        }
        Ok(())
    }

    /// A connection that is lost within any page goes on with that page; a reading that was killed after any page is done again.
    pub(super) async fn resume(&self) -> Vec<Case> {
        let check = Check::Resume;
        let Some((slice, _)) = self.slices.first() else { return Vec::new() };
        let counted = async {
            self.begin(self.world(ROWS)?);
            self.read_whole(slice, self.middle()).await?;
            Ok(self.stage.vendor.state().pages().len())
        };
        let pages = match counted.await {
            Ok(pages) => pages,
            Err(error) => return vec![self.case(check, "a reading without faults", Err(error))],
        };
        let mut cases = Vec::new();
        for (name, is_cut) in
            [("a body that is cut is asked for again", true), ("a connection that is lost is made again", false)]
        {
            let mut tried = Ok(());
            for lost in 0..pages.min(LOST_MAX) {
                tried = self.lose(slice, lost, pages, is_cut).await;
                if tried.is_err() {
                    break;
                }
            }
            cases.push(self.case(check, name, tried));
        }
        let mut tried = Ok(());
        for killed in 0..pages.min(LOST_MAX) {
            tried = self.kill(slice, killed).await;
            if tried.is_err() {
                break;
            }
        }
        cases.push(self.case(check, "a reading that was killed after any page is done again", tried));
        cases
    }

    async fn lose(&self, slice: &str, lost: usize, pages: usize, is_cut: bool) -> Tried {
        self.begin(self.world(ROWS)?);
        let mut has_lost = false;
        self.stage.vendor.state().script = Some(Box::new(move |hit, page, reply| {
            let is_it = page == lost && !has_lost && matches!(hit.what, What::Page { .. });
            has_lost |= is_it;
            let cut = Reply { cut: Some(reply.body.len() / 2), ..reply.clone() };
            is_it
                .then(|| if is_cut && !reply.body.is_empty() { cut } else { Reply { drops: true, ..Reply::default() } })
        }));
        self.read_whole(slice, self.middle()).await?;
        let asked = self.stage.vendor.state().pages().len();
        if asked == pages + 1 {
            return Ok(());
        }
        Err(miss(
            format!("{} requests: one page again", pages + 1),
            format!("{asked} requests after page {} was lost", lost + 1),
        ))
    }

    async fn kill(&self, slice: &str, killed: usize) -> Tried {
        self.begin(self.world(ROWS)?);
        let request = ReadRequest { slice: slice_of(slice), bounds: self.middle(), token: None };
        let mut reading = self.stage.source.read(&self.stream.name, request);
        let mut seen = 0;
        while let Some(event) = reading.next().await {
            let event = event.map_err(|error| miss("a page", described_error(&error)))?;
            seen += usize::from(matches!(event, ReadEvent::Exchange(_)));
            if seen > killed {
                break;
            }
        }
        drop(reading);
        self.begin(self.world(ROWS)?);
        self.read_whole(slice, self.middle()).await.map(drop)
    }
}
