//! Jobs: ordered, asked after twice, and downloaded in as many parts as the manifest expects.

use serde_json::{Value, json};

use super::lists::Found;
use super::paging::position;
use super::place::place;
use super::{Issued, PAGE, State, What};
use crate::conformance::server::{Asked, Reply};
use crate::decoding::Pointer;
use crate::jobs::JobPlan;
use crate::pagination::{Pagination, Slot};

/// How the path of a download's URL begins.
pub(super) const DOWNLOAD: &str = "/hw-job/";
/// Downloads of a job that has several.
const PARTS: usize = 2;

impl State {
    /// Takes an order.
    pub(super) fn order(&mut self, found: &Found, asked: &Asked) -> Result<(What, Reply), String> {
        let bounds = self.bounds(found, asked)?;
        let plan = self.job_plan(found.table)?;
        let (table, owners) = (found.table, found.owners.clone());
        let token = self.issue(Issued::Job { table, owners, bounds, polls: 0 });
        let mut body = json!({});
        for (_, pointer) in plan.manifest.create.fields.iter() {
            place(&mut body, pointer.segments(), json!(token));
        }
        Ok((What::Job, Reply::json(&body)))
    }

    fn job_plan(&self, table: usize) -> Result<std::sync::Arc<JobPlan>, String> {
        let table = self.world.tables.get(table).ok_or("no such table")?;
        table.stream.job.clone().ok_or_else(|| "the stream has no jobs".to_owned())
    }

    /// Says that a job runs, and the second time that it is done.
    pub(super) fn poll(&mut self, found: &Found, issued: Option<usize>) -> Result<(What, Reply), String> {
        let issued = issued.ok_or("it names no job that was ordered")?;
        let plan = self.job_plan(found.table)?;
        let polls = match self.issued.get_mut(issued) {
            Some(Issued::Job { polls, .. }) => {
                *polls += 1;
                *polls
            }
            _ => return Err("it names no job that was ordered".to_owned()),
        };
        let states = &plan.manifest.states;
        let word = if polls > 1 { states.completed.first() } else { states.running.first() };
        let word = word.cloned().unwrap_or_default();
        // `true` in a manifest is a word, and in an answer a value.
        let word = serde_json::from_str::<Value>(&word).ok().filter(Value::is_boolean).unwrap_or(json!(word));
        let mut body = json!({});
        if polls > 1 {
            self.tell_downloads(&mut body, &plan, issued);
        }
        place(&mut body, plan.manifest.poll.state.segments(), word);
        Ok((What::Job, Reply::json(&body)))
    }

    /// Says where the downloads of a job are.
    fn tell_downloads(&mut self, body: &mut Value, plan: &JobPlan, job: usize) {
        let origin = self.other_origin.clone().unwrap_or_else(|| self.origin.clone());
        let manifest = &plan.manifest;
        let tell = |state: &mut Self, into: &mut Value, fields: &[(String, Pointer)], part: usize| {
            for (name, pointer) in fields {
                let token = state.issue(Issued::Part { job, part });
                let is_url = manifest.url.as_ref() == Some(name);
                let text = if is_url { format!("{origin}{DOWNLOAD}{token}") } else { token };
                place(into, pointer.segments(), json!(text));
            }
        };
        let fields: Vec<_> = manifest.fields.iter().map(|(name, pointer)| (name.to_owned(), pointer.clone())).collect();
        tell(self, body, &fields, 0);
        if let Some(each) = &manifest.each {
            let fields: Vec<_> = each.fields.iter().map(|(name, pointer)| (name.to_owned(), pointer.clone())).collect();
            let mut items = Vec::new();
            for part in 0..PARTS {
                let mut item = Value::Null;
                tell(self, &mut item, &fields, part);
                items.push(item);
            }
            place(body, each.list.segments(), Value::Array(items));
        }
    }

    /// A page of a download.
    pub(super) fn part(
        &mut self,
        issued: usize,
        asked: &Asked,
        found: Option<&Found>,
    ) -> Result<(What, Reply), String> {
        let (job, part) = match self.issued.get(issued).cloned() {
            Some(Issued::Part { job, part }) => (job, part),
            Some(Issued::Job { .. }) => (issued, 0),
            // A page's token leads back to its list.
            Some(Issued::Page { table, owners, bounds, at }) => {
                let plan = self.job_plan(table)?;
                return self.page(table, &owners, &plan.download, &bounds, at, PAGE, Some(asked.path.clone()));
            }
            _ => return Err("this download was never given out".to_owned()),
        };
        let Some(Issued::Job { table, owners, bounds, .. }) = self.issued.get(job).cloned() else {
            return Err("this download is of no job".to_owned());
        };
        let plan = self.job_plan(table)?;
        let held = self.world.tables.get(table).cloned().ok_or("no such table")?;
        let has_parts = plan.manifest.each.is_some();
        // Of several files each has every second record; together they have all.
        let bounds = if has_parts { bounds.part(part, PARTS) } else { bounds };
        let stream = plan.download.clone();
        let list = super::lists::matching(&held, &owners, &bounds);
        let value = |slot: &Slot| found.and_then(|found| self.slot(slot, found, asked));
        let none = |_: &str| None;
        let at = match (&stream.pagination, found) {
            (Pagination::None, _) | (_, None) => 0,
            (pagination, Some(_)) => position(pagination, &held, &list, PAGE, &value, &none)?,
        };
        let size = if stream.pagination == Pagination::None { list.len().max(1) } else { PAGE };
        self.page(table, &owners, &stream, &bounds, at, size, None)
    }
}
