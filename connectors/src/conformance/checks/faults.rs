//! Sources that want fewer requests, that are broken, and that lie.

use std::sync::PoisonError;

use chrono::TimeDelta;
use headwater_contract::{Clock, ErrorKind, Explain};
use serde_json::{Value, json};

use super::{Got, ROWS, Trial, Tried, described_error, miss, skipped};
use crate::auth::Auth;
use crate::conformance::report::{Case, Check};
use crate::conformance::server::Reply;
use crate::conformance::vendor::{Hit, PAGE, Twist, What, place};
use crate::decoding::{Decoding, RecordsManifest};
use crate::error::SourceError;
use crate::pagination::Pagination;

/// Seconds that a source asks for and that are waited out.
const SOON_SECONDS: i64 = 37;
/// Seconds that nobody waits for.
const LATE_SECONDS: i64 = 3_600;
/// Requests after which something goes on for ever.
const ENDLESS: usize = 200;
/// Depth of a text that is too deep.
const DEEP: usize = 2_000;
/// Bytes of a header that is too large.
const LARGE_HEADER: usize = 70_000;

/// An answer that refuses with this status, to everything but logins.
pub(super) fn refuse(hit: &Hit, status: u16) -> Option<Reply> {
    (hit.what != What::Login)
        .then(|| Reply::text(status, r#"{"message":"no"}"#).header("Content-Type", "application/json"))
}

pub(super) fn unauthorized() -> Reply {
    Reply::text(401, r#"{"message":"the token has ended"}"#).header("Content-Type", "application/json")
}

/// An answer in place of that to one page.
type Instead = Box<dyn Fn(&Reply) -> Reply + Send>;

impl Trial<'_> {
    /// The place of the second page, or of the only one.
    async fn second_page(&self) -> Result<usize, super::Miss> {
        self.begin(self.world(ROWS)?);
        let Some((slice, _)) = self.slices.first() else { return Ok(0) };
        self.read_whole(slice, self.middle()).await?;
        Ok(self.stage.vendor.state().pages().len().saturating_sub(1).min(1))
    }

    /// Reads the first slice while one page is answered otherwise, once or always.
    async fn with(&self, instead: Instead, is_once: bool) -> Result<Result<Got, SourceError>, super::Miss> {
        let at = self.second_page().await?;
        self.begin(self.world(ROWS)?);
        let mut was = false;
        self.stage.vendor.state().script = Some(Box::new(move |hit, page, reply| {
            if !matches!(hit.what, What::Page { .. }) {
                return None;
            }
            let is_it = if is_once { page == at && !was } else { page >= at };
            was |= is_it;
            is_it.then(|| instead(reply))
        }));
        let Some((slice, _)) = self.slices.first() else { return Ok(Ok(Got::default())) };
        Ok(self.read(slice, self.middle(), None).await)
    }

    fn is_whole(&self, got: &Got) -> Tried {
        let Some((slice, _)) = self.slices.first() else { return Ok(()) };
        self.compare(got, slice, self.middle())
    }

    /// The fault passes, and nobody sees it.
    async fn passes(&self, instead: Instead) -> Tried {
        match self.with(instead, true).await? {
            Ok(got) => self.is_whole(&got),
            Err(error) => Err(miss("all records, after the page was asked for again", described_error(&error))),
        }
    }

    /// The fault is named, and nothing of it is taken for data.
    async fn is_named(&self, instead: Instead) -> Tried {
        let outcome = self.with(instead, false).await?;
        self.named(outcome)
    }

    pub(in crate::conformance) fn named(&self, outcome: Result<Got, SourceError>) -> Tried {
        let requests = self.stage.vendor.state().hits.len();
        match outcome {
            Err(_) if requests > ENDLESS => Err(miss("an end", format!("{requests} requests"))),
            Err(error) if error.kind() == ErrorKind::Internal => Err(miss("a named error", described_error(&error))),
            Err(_) => Ok(()),
            Ok(got) if got.summary.skipped_requests > 0 || got.summary.is_slice_skipped => Ok(()),
            Ok(got) => {
                let found = match self.is_whole(&got) {
                    Ok(()) => "success, as if nothing had been".to_owned(),
                    Err(error) => format!("success with {}", error.found),
                };
                Err(miss("an error by name", found))
            }
        }
    }

    /// Named as well, unless the lie could not lead anywhere: a bound that moves needs nobody's word on the next page.
    fn not_misled(&self, outcome: Result<Got, SourceError>) -> Tried {
        match &outcome {
            Ok(got) if matches!(self.stream.pagination, Pagination::AdvancingFrom(_)) => self.is_whole(got),
            _ => self.named(outcome),
        }
    }

    /// Too many requests are waited for, or the work is parked.
    pub(super) async fn throttle(&self) -> Vec<Case> {
        let check = Check::Throttle;
        let mut cases = Vec::new();
        let is_ruled = self.has_rule_for(429);
        let later = self.stage.time.now() + TimeDelta::days(1);
        let soon = move || Reply::text(429, "{}").header("Retry-After", &SOON_SECONDS.to_string());
        let name = "`Retry-After` in seconds is waited out";
        let is_pool = matches!(self.stage.vendor.state().auth, Auth::Tokens(_));
        let because = if is_pool { "another token is taken" } else { "a rule of the manifest decides about 429" };
        if is_ruled || is_pool {
            cases.push(skipped(name, because));
        } else {
            let tried = async {
                self.passes(Box::new(move |_| soon())).await?;
                self.waited()
            };
            cases.push(self.case(check, name, tried.await));
        }
        let tried = self.passes(Box::new(|_| Reply::text(429, "{}"))).await;
        let name = "a refusal without a word on time passes";
        cases.push(match (is_ruled, tried) {
            (true, Err(error)) => skipped(name, format!("a rule of the manifest decides about 429: {}", error.found)),
            (_, tried) => self.case(check, name, tried),
        });
        let name = "a long wait parks the work until then";
        if is_ruled || is_pool {
            cases.push(skipped(name, because));
        } else {
            let tried = async {
                let late = |_: &Reply| Reply::text(429, "{}").header("Retry-After", &LATE_SECONDS.to_string());
                match self.with(Box::new(late), false).await? {
                    Err(error)
                        if error.kind() == ErrorKind::Parked && error.retry_at().is_some_and(|at| at < later) =>
                    {
                        Ok(())
                    }
                    Err(error) => Err(miss("work that is parked (exit 75), with its time", described_error(&error))),
                    Ok(_) => Err(miss("work that is parked (exit 75)", "success")),
                }
            };
            cases.push(self.case(check, name, tried.await));
        }
        cases
    }

    /// No request came before the time that the source asked for.
    fn waited(&self) -> Tried {
        let state = self.stage.vendor.state();
        // What others had sent already may come all the same.
        let Some(at) = state.hits.iter().position(|hit| hit.status == 429) else { return Ok(()) };
        let (before, after) = state.hits.split_at(at + 1);
        let is_same = |hit: &Hit, refused: &Hit| (&hit.request, &hit.body) == (&refused.request, &refused.body);
        let again = |refused: &Hit| after.iter().find(|hit| is_same(hit, refused)).cloned();
        let Some((refused, next)) = before.last().and_then(|refused| Some((refused, again(refused)?))) else {
            return Ok(());
        };
        let waited = (next.at - refused.at).num_seconds();
        if waited >= SOON_SECONDS {
            return Ok(());
        }
        Err(miss(format!("no request for {SOON_SECONDS} s"), format!("one after {waited} s")))
    }

    /// No answer that is no data is taken for data.
    pub(super) async fn hostile(&self) -> Vec<Case> {
        let check = Check::Hostile;
        let mut cases = Vec::new();
        let is_json = self.stream.decoding.format == Decoding::Json;
        let tried = self.passes(Box::new(|_| Reply::text(500, "oops"))).await;
        cases.push(match (self.has_rule_for(500), tried) {
            (true, Err(error)) => skipped(
                "a failure that passes is not seen",
                format!("a rule of the manifest decides about 500: {}", error.found),
            ),
            (_, tried) => self.case(check, "a failure that passes is not seen", tried),
        });
        let always: [(&str, Instead); 7] = [
            ("a failure that stays is named", Box::new(|_| Reply::text(503, "away"))),
            ("a page of HTML is no data", Box::new(|_| html())),
            (
                "a body that ends too early is no data",
                Box::new(|reply| Reply { body: reply.body.slice(..reply.body.len() / 2), ..reply.clone() }),
            ),
            (
                "an answer without its list is no data",
                Box::new(|reply| Reply { body: b"{}".as_slice().into(), ..reply.clone() }),
            ),
            ("a redirect in a circle ends", Box::new(|_| Reply::text(302, "").header("Location", "?again"))),
            (
                "headers that are too large are refused",
                Box::new(|reply| reply.clone().header("X-Large", &"x".repeat(LARGE_HEADER))),
            ),
            (
                "nesting that is too deep is refused",
                Box::new(|reply| Reply { body: "[".repeat(DEEP).into_bytes().into(), ..reply.clone() }),
            ),
        ];
        let may_lack_list = self.may_lack_list();
        for (name, instead) in always {
            if let Some(because) = may_lack_list.filter(|_| name.starts_with("an answer")) {
                cases.push(skipped(name, because));
                continue;
            }
            let may_be_html = matches!(&self.stream.decoding.format, Decoding::File(file) if file.may_be_html);
            if name.contains("HTML") && may_be_html {
                cases.push(skipped(name, "the manifest says that a file may be HTML"));
                continue;
            }
            // Lines and rows end wherever they end, and any text is a line.
            let needs_json = name.starts_with("a body") || name.starts_with("an answer") || name.starts_with("nesting");
            if needs_json && !is_json {
                cases.push(skipped(name, "the format has no end and no nesting of its own"));
            } else {
                cases.push(self.case(check, name, self.is_named(instead).await));
            }
        }
        cases.push(self.empty_body().await);
        cases.push(self.error_under_200().await);
        cases.extend(self.lies().await);
        cases.push(self.elsewhere().await);
        cases
    }

    /// Why an empty object may be a good answer of the vendor's.
    fn may_lack_list(&self) -> Option<&'static str> {
        let truth = self.stage.truth.stream_of(&self.stream.name).ok()?;
        match &truth.records {
            // A map of records that stands alone.
            RecordsManifest::Each(each) if each.at.segments().first().is_some_and(|first| first == "*") => {
                Some("an empty object is the list, without records")
            }
            RecordsManifest::Each(each) if each.at.segments().is_empty() && !truth.facts().know_the_record() => {
                Some("any object may be the one record: no column says a field of it")
            }
            RecordsManifest::Found(_) => Some("the manifest says that an answer may leave its list out"),
            _ => None,
        }
    }

    async fn empty_body(&self) -> Case {
        let name = "an empty body is no data";
        let may_be = match &self.stream.decoding.format {
            Decoding::Json | Decoding::Xml(_) => false,
            Decoding::Csv(dialect) => dialect.may_be_empty,
            Decoding::JsonLines | Decoding::Lines(_) | Decoding::File(_) => true,
        };
        if may_be {
            return skipped(name, "a body of this format may be empty");
        }
        let tried = self.is_named(Box::new(|reply| Reply { body: bytes::Bytes::new(), ..reply.clone() })).await;
        self.case(Check::Hostile, name, tried)
    }

    async fn error_under_200(&self) -> Case {
        let name = "an error under a good status is no data";
        let field = self.cast.tried.connector.manifest().http.error_in_body.as_ref().map(|error| error.field.clone());
        let (Some(field), Decoding::Json) = (field, &self.stream.decoding.format) else {
            return skipped(name, "the manifest names no field for errors");
        };
        let mut body = Value::Null;
        place(&mut body, field.segments(), json!("no such thing"));
        let tried = self.is_named(Box::new(move |_| Reply::json(&body))).await;
        self.case(Check::Hostile, name, tried)
    }

    /// Whether the stream has pages, so that a vendor can lie about them.
    fn has_pages(&self) -> bool {
        self.stream.pagination != Pagination::None
            || self.stream.chain.as_ref().is_some_and(|chain| chain.more.is_some() || chain.next.is_of_record())
    }

    async fn lies(&self) -> Vec<Case> {
        let check = Check::Hostile;
        let names = ["the same page for ever ends", "pages in a circle end", "a next page elsewhere is refused"];
        if !self.has_pages() {
            return names.into_iter().map(|name| skipped(name, "the stream has one page")).collect();
        }
        let inner = match &self.stream.pagination {
            Pagination::AdvancingFrom(advancing) => &*advancing.pages,
            pagination => pagination,
        };
        let mut cases = Vec::new();
        for (name, twist) in names.into_iter().zip([Twist::SamePage, Twist::Circle, Twist::Elsewhere]) {
            let is_by_url = matches!(inner, Pagination::NextLink(_) | Pagination::NextUrl(_));
            let is_by_token = is_by_url || matches!(inner, Pagination::BodyToken(_));
            let fits = match twist {
                Twist::SamePage => true,
                Twist::Circle => is_by_token,
                Twist::Elsewhere => is_by_url,
            };
            if !fits {
                cases.push(skipped(name, "what asks for a page is ours, and not the vendor's word"));
                continue;
            }
            let tried = async {
                // Enough pages for a circle, also where each list is short.
                self.begin(self.world(4 * PAGE)?);
                self.stage.vendor.state().twist = Some(twist);
                let Some((slice, _)) = self.slices.first() else { return Ok(()) };
                let outcome = self.read(slice, self.middle(), None).await;
                self.not_misled(outcome)?;
                self.nobody_elsewhere()
            };
            cases.push(self.case(check, name, tried.await));
        }
        cases
    }

    async fn elsewhere(&self) -> Case {
        let name = "a redirect to another origin is refused, and nothing is sent there";
        let origin = self.stage.vendor.state().foreign_origin.clone();
        let tried = async {
            self.is_named(Box::new(move |_| Reply::text(302, "").header("Location", &format!("{origin}/x")))).await?;
            self.nobody_elsewhere()
        };
        self.case(Check::Hostile, name, tried.await)
    }

    /// Nothing was sent to an origin that the manifest does not allow, and no credential to one that it does.
    fn nobody_elsewhere(&self) -> Tried {
        for (server, what) in
            [(&self.stage.foreign, "no request elsewhere"), (&self.stage.other, "no credential elsewhere")]
        {
            let wrong = server.wrong.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(request) = wrong.first() {
                return Err(miss(what, request.clone()));
            }
        }
        Ok(())
    }
}

fn html() -> Reply {
    Reply::text(200, "<!doctype html><html><title>Sign in</title></html>").header("Content-Type", "text/html")
}
