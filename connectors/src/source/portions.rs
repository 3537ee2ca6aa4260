//! Asks for a page once for each portion of its fields, and passes its records on when all their fields are there.

use std::sync::Arc;

use headwater_contract::{Records, TimeRange};
use serde_json::Value;

use super::pass::{Outcome, Pass};
use super::reading::Reader;
use crate::error::Fault;
use crate::expression::Scope;
use crate::pagination::{Page, PaginationError, Slot};
use crate::portions::{FieldsManifest, Merger, PORTIONS_MAX, Portion, cut};

/// How often a page is asked for whose portions have different records.
const TRIES: u32 = 3;

/// How the fields of a reading are asked for: with each request the same, or in portions.
#[derive(Debug, Default)]
pub(super) struct Portioning {
    /// What the request of each portion carries.
    portions: Arc<[(Slot, Value)]>,
    merger: Option<Merger>,
    /// The portion that is asked for.
    now: Option<Portion>,
    /// The page is asked for once more.
    is_again: bool,
}

impl Portioning {
    /// The names of `portions` as the manifest wants them sent.
    fn new(fields: &FieldsManifest, merger: Merger, portions: Vec<Vec<String>>) -> Self {
        let value = |names: Vec<String>| match &fields.separator {
            _ if names.is_empty() => Value::Null,
            Some(separator) => Value::String(names.join(separator)),
            None => Value::from(names),
        };
        let portions: Arc<[_]> = portions.into_iter().map(|names| (fields.param.clone(), value(names))).collect();
        let merger = (portions.len() > 1).then_some(merger);
        Self { portions, merger, now: None, is_again: false }
    }

    /// Whether a page takes several requests.
    pub(super) fn is_in_portions(&self) -> bool {
        self.merger.is_some()
    }

    /// What takes the records of a portion.
    pub(super) fn merger(&mut self) -> Option<&mut Merger> {
        self.merger.as_mut()
    }

    /// Whether what is asked for is a page, or the first portion of one.
    pub(super) fn is_first(&self) -> bool {
        self.now.is_none_or(|portion| portion.at == 0)
    }

    /// The same, and not for the second time.
    pub(super) fn is_new_page(&self) -> bool {
        self.is_first() && !self.is_again
    }

    /// The header of the portion that is asked for.
    pub(super) fn header(&self) -> Option<(String, String)> {
        self.now.map(Portion::header)
    }

    fn begin(&mut self, portion: Portion, is_again: bool) {
        (self.now, self.is_again) = (Some(portion), is_again);
        if let Some(merger) = &mut self.merger {
            merger.begin(portion);
        }
    }

    fn finish(&mut self) -> Result<Option<Vec<Vec<bytes::Bytes>>>, PaginationError> {
        self.merger.as_mut().map_or(Ok(None), Merger::finish)
    }
}

impl Reader {
    /// Finds the names of the fields that records are asked for with.
    pub(super) async fn settle_fields(&self) -> Result<Portioning, Fault> {
        let Some(fields) = &self.stream.fields else { return Ok(Portioning::default()) };
        let names = self.inner.field_names(&self.stream, &fields.manifest).await?;
        let portions = cut(&names, &fields.manifest.always, fields.manifest.at_most);
        if portions.len() > PORTIONS_MAX {
            return Err(PaginationError::TooManyPortions { limit: PORTIONS_MAX }.into());
        }
        let merger = Merger::new(&fields.merge_by, fields.manifest.partial);
        Ok(Portioning::new(&fields.manifest, merger, portions))
    }

    /// What each request carries, with the names of a portion.
    pub(super) fn sent(&self, portion: usize) -> Vec<(Slot, Value)> {
        self.errand.sent.iter().cloned().chain(self.portioning.portions.get(portion).cloned()).collect()
    }

    /// Asks for a page in portions; once more from the first one while they have different records.
    pub(super) async fn read_portions(
        &mut self,
        scope: &Scope,
        pass: &mut Pass,
        range: Option<TimeRange>,
    ) -> Result<Outcome, Fault> {
        let of = self.portioning.portions.len();
        for tries in 0..TRIES {
            let mut page: Option<Page> = None;
            for at in 0..of {
                self.portioning.begin(Portion { at, of }, tries > 0);
                pass.turn.sent = self.sent(at);
                match self.ask_page(scope, pass, range).await? {
                    Outcome::Page(later) => {
                        page = Some(match page {
                            Some(before) => before.joined(later),
                            None => later,
                        });
                    }
                    other => return Ok(other),
                }
            }
            if let (Some(batches), Some(page)) = (self.portioning.finish()?, page) {
                self.pass_on_page(batches).await?;
                return Ok(Outcome::Page(page));
            }
            tracing::debug!(stream = %self.stream.name, tries, "the list changed between the requests for a page's fields");
        }
        Err(PaginationError::PortionsDiffer { times: TRIES }.into())
    }

    /// Passes on the records of a page, which come from all of its bodies, under the last one.
    async fn pass_on_page(&mut self, batches: Vec<Vec<bytes::Bytes>>) -> Result<(), Fault> {
        for records in numbered(batches, self.summary.requests.saturating_sub(1), self.last_chunk) {
            self.pass_on_merged(records).await?;
        }
        Ok(())
    }
}

/// Batches of records that stand under the last chunk of a request.
pub(super) fn numbered(
    batches: Vec<Vec<bytes::Bytes>>,
    request: u32,
    last_chunk: u32,
) -> impl Iterator<Item = Records> {
    batches.into_iter().scan(0_u32, move |first, texts| {
        let first_ordinal = *first;
        *first = first.saturating_add(u32::try_from(texts.len()).unwrap_or(u32::MAX));
        Some(Records { request, chunks: (0, last_chunk), first_ordinal, texts })
    })
}
