//! What a reading does about an answer that is no data: the manifest's rules over bodies with a good status, and what they decided.

use headwater_contract::SkippedRequest;

use super::reading::Reader;
use crate::decoding::{BodyFacts, Pointer};
use crate::error::Fault;
use crate::limits::Retries;
use crate::manifest::{BodyManifest, ErrorInBody};
use crate::refusal::{Decision, Evidence, Refusal, is_meant};
use crate::transport::Answer;

/// Bytes of a body that rules see when it is not what `decoding` says.
const TEXT_BYTES_MAX: usize = 64 * 1024;

/// What a rule makes of a request that was refused.
pub(super) enum Ruled {
    /// It has no records.
    Skipped,
    /// The range is too large for it.
    TooLarge(Fault),
    /// The list is read from its first page.
    Restart,
}

impl Reader {
    /// Does what a rule decided; waits and gives `None` when the request is to be sent again.
    pub(super) async fn obey(&mut self, retries: &mut Retries, refusal: Refusal) -> Result<Option<Ruled>, Fault> {
        match refusal.decision {
            Some(Decision::SkipRequest) => {
                self.skip(&refusal.fault);
                Ok(Some(Ruled::Skipped))
            }
            // Records that were passed on cannot be taken back, so a slice that refuses halfway is a fault.
            Some(Decision::SkipSlice) if self.summary.records == 0 => {
                self.skip(&refusal.fault);
                self.summary.is_slice_skipped = true;
                Ok(Some(Ruled::Skipped))
            }
            Some(Decision::SplitBatch) => Err(Fault::BatchRefused { fault: refusal.fault }),
            Some(Decision::SplitWindow) => Ok(Some(Ruled::TooLarge(*refusal.fault))),
            Some(Decision::Restart) => Ok(Some(Ruled::Restart)),
            _ => self.inner.transport.pause(retries, refusal).await.map(|()| None),
        }
    }

    /// The field of a body that means an error: the connector's, or that of every GraphQL answer.
    pub(super) fn error_in_body(&self) -> Option<ErrorInBody> {
        let graphql =
            || ErrorInBody { field: Pointer::parse("/errors"), message: Some(Pointer::parse("/errors/0/message")) };
        let is_graphql = matches!(self.stream.request.body, Some(BodyManifest::Graphql(_)));
        self.inner.connector.manifest().http.error_in_body.clone().or_else(|| is_graphql.then(graphql))
    }

    /// Notes a request that has no records by the manifest's word.
    fn skip(&mut self, fault: &Fault) {
        self.summary.skipped_requests += 1;
        if self.summary.skipped.len() < headwater_contract::ReadSummary::SKIPPED_SHOWN {
            let request = self.last_request.clone().unwrap_or_default();
            self.summary.skipped.push(SkippedRequest {
                request,
                status: fault.status().unwrap_or_default(),
                says: self.inner.transport.words(&fault.to_string()),
            });
        }
    }

    /// Asks the rules about a body that was decoded; `missing` is what it lacks all the same.
    pub(super) fn judge_decoded(
        &self,
        answer: &Answer,
        facts: &BodyFacts,
        whole: &[u8],
        missing: Option<Fault>,
    ) -> Result<(), Refusal> {
        let meant = self.error_in_body().and_then(|error| {
            let field = facts.body_field(&error.field).filter(|field| is_meant(field))?;
            let message = error.message.as_ref().and_then(|message| facts.body_field(message)).unwrap_or(field);
            let text = message.as_str().map_or_else(|| message.to_string(), str::to_owned);
            Some(Fault::ErrorInBody { says: self.inner.transport.short(&text) })
        });
        let fault = meant.or(missing);
        let text = fault.as_ref().map(|_| beginning(whole));
        let field = |pointer: &Pointer| facts.body_field(pointer).cloned();
        let refusal = self.decide(answer, &field, text.as_deref(), fault.as_ref());
        match (refusal, fault) {
            (Some(Refusal { decision: Some(Decision::Accept), .. }), None | Some(Fault::ErrorInBody { .. }))
            | (None, None) => Ok(()),
            (Some(refusal), _) => Err(refusal),
            (None, Some(fault)) => Err(fault.into()),
        }
    }

    /// Asks the rules about a body that is not what `decoding` says.
    pub(super) fn judge_undecoded(&self, answer: &Answer, whole: &[u8], fault: Fault) -> Refusal {
        let text = beginning(whole);
        let body: Option<serde_json::Value> = serde_json::from_slice(whole).ok();
        let field = |pointer: &Pointer| pointer.find(body.as_ref()?).cloned();
        self.decide(answer, &field, Some(&text), Some(&fault)).unwrap_or_else(|| fault.into())
    }

    fn decide(
        &self,
        answer: &Answer,
        field: &dyn Fn(&Pointer) -> Option<serde_json::Value>,
        text: Option<&str>,
        fault: Option<&Fault>,
    ) -> Option<Refusal> {
        let (status, transport) = (answer.status, &self.inner.transport);
        let says = match fault {
            Some(Fault::ErrorInBody { says }) => says.clone(),
            _ => transport.short(text.unwrap_or_default()),
        };
        let usual = || fault.cloned().unwrap_or_else(|| Fault::ErrorInBody { says: says.clone() });
        let evidence = Evidence { status, header: &|name| answer.header(name), field, text };
        self.stream.request.rules.decide(&evidence, &usual, &says, self.inner.clock.now())
    }
}

/// The beginning of a body as text.
fn beginning(body: &[u8]) -> String {
    String::from_utf8_lossy(body.get(..TEXT_BYTES_MAX).unwrap_or(body)).into_owned()
}
