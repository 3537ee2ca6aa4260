//! A stand-in vendor: it answers as the API of a manifest would, from a world of records that it holds.
//!
//! It is derived from the compiled manifest, whatever kinds of pages, parents, slices, windows, logins, jobs and bodies that has. What it
//! understands of a request it reads out of the request; it never asks the engine what it meant.

mod appease;
mod asks;
mod body;
mod jobs;
mod lists;
mod login;
mod paging;
mod place;
mod route;
mod row;
mod samples;
mod world;

pub(super) use appease::answer_for;
pub(super) use lists::is_upwards;
pub(super) use login::{Logins, renews};
pub(super) use place::{place, plain, remove};
pub(super) use world::{Amount, Table, Tally, World, shown};

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use headwater_contract::Clock;
use serde_json::Value;

use super::described::Described;
use super::server::{Answers, Asked, Reply};
use super::time::VirtualTime;
use crate::auth::Auth;
use crate::expression::Scope;

/// What was issued begins and ends like this, wherever it comes back.
const ISSUED: &str = "hw0t";
const ISSUED_END: char = 'z';
/// Records of a page where the request does not say how many.
pub(super) const PAGE: usize = 3;

/// A request that was answered.
#[derive(Clone, Debug)]
pub(super) struct Hit {
    /// Method, path and query.
    pub(super) request: String,
    pub(super) body: bytes::Bytes,
    /// When it came, by the run's time.
    pub(super) at: DateTime<Utc>,
    /// What it was.
    pub(super) what: What,
    pub(super) status: u16,
}

/// What a request was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// A page of the stream that is read: its owners, its bounds as they were sent, where it begins, how many records
    /// match in all.
    Page {
        owners: Vec<usize>,
        bounds: String,
        at: usize,
        total: usize,
    },
    /// A page of a stream above it.
    Above,
    /// An order of a job, or what follows it.
    Job,
    Login,
    /// Anything else, with what was wrong.
    Refused(String),
}

/// What is done to answers; it sees the request, how many pages of the stream were asked for before it, and the answer.
pub(super) type Script = Box<dyn FnMut(&Hit, usize, &Reply) -> Option<Reply> + Send>;

/// How the vendor lies about what follows a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Twist {
    /// Every page is the first one, and more follow.
    SamePage,
    /// What asks for the next page asks for the first one.
    Circle,
    /// The next page is elsewhere.
    Elsewhere,
}

/// Something that was issued.
#[derive(Clone, Debug)]
enum Issued {
    /// The page of a list that begins there.
    Page { table: usize, owners: Vec<usize>, bounds: lists::Bounds, at: usize },
    /// The rest of a list inside a record.
    Rest { table: usize, row: usize, connection: usize, at: usize },
    /// Where a chain goes on.
    Chain { table: usize, owners: Vec<usize>, at: usize },
    /// A job, and how often it was asked after.
    Job { table: usize, owners: Vec<usize>, bounds: lists::Bounds, polls: usize },
    /// One download of a job.
    Part { job: usize, part: usize },
}

/// What a vendor is made of.
pub(super) struct State {
    pub(super) world: World,
    pub(super) logins: Logins,
    pub(super) hits: Vec<Hit>,
    pub(super) script: Option<Script>,
    pub(super) twist: Option<Twist>,
    /// Settings and secrets by name, as texts.
    pub(super) known: BTreeMap<String, String>,
    /// The texts of secrets.
    pub(super) secrets: Vec<String>,
    pub(super) auth: Auth,
    pub(super) scope: Scope,
    /// The path of the base URL.
    pub(super) base: String,
    pub(super) origin: String,
    /// Another origin that the manifest allows, and one that it does not.
    pub(super) other_origin: Option<String>,
    pub(super) foreign_origin: String,
    /// Whether requests without a credential are refused.
    pub(super) is_guarded: bool,
    pub(super) described: Option<Arc<Described>>,
    issued: Vec<Issued>,
    /// Texts that ask for what was issued although they are not the vendor's own.
    aliases: BTreeMap<String, usize>,
    /// What good answers must say, by the address of their stream.
    appeasing: BTreeMap<usize, Vec<(Vec<String>, Value)>>,
    pages: usize,
    /// The time of the request that is answered.
    now: DateTime<Utc>,
}

/// A stand-in vendor.
pub(super) struct Vendor {
    state: Mutex<State>,
    time: Arc<VirtualTime>,
}

impl fmt::Debug for Vendor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vendor")
    }
}

impl State {
    pub(super) fn new(logins: Logins, auth: Auth) -> Self {
        Self {
            world: World::default(),
            logins,
            hits: Vec::new(),
            script: None,
            twist: None,
            known: BTreeMap::new(),
            secrets: Vec::new(),
            auth,
            scope: Scope::new(),
            base: String::new(),
            origin: String::new(),
            other_origin: None,
            foreign_origin: String::new(),
            is_guarded: true,
            described: None,
            issued: Vec::new(),
            aliases: BTreeMap::new(),
            appeasing: BTreeMap::new(),
            pages: 0,
            now: DateTime::UNIX_EPOCH,
        }
    }

    /// Another world, and nothing of what was asked of the one before. What was issued stays good: jobs are gone on with.
    pub(super) fn begin(&mut self, world: World) {
        self.world = world;
        self.hits.clear();
        self.script = None;
        self.twist = None;
        self.pages = 0;
    }

    /// Pages of the stream that is read, in the order in which they were asked for.
    pub(super) fn pages(&self) -> Vec<&Hit> {
        self.hits.iter().filter(|hit| matches!(hit.what, What::Page { .. })).collect()
    }

    /// What was wrong with requests.
    pub(super) fn problems(&self) -> Vec<String> {
        let problem = |hit: &Hit| match &hit.what {
            What::Refused(reason) => Some(format!("{}: {reason}", hit.request)),
            _ => None,
        };
        self.hits.iter().filter_map(problem).collect()
    }

    /// Gives something out; the text brings it back.
    fn issue(&mut self, what: Issued) -> String {
        self.issued.push(what);
        self.token(self.issued.len() - 1)
    }

    /// The text that brings it back.
    #[expect(clippy::unused_self, reason = "a token is the vendor's")]
    fn token(&self, issued: usize) -> String {
        format!("{ISSUED}{issued}{ISSUED_END}")
    }

    /// What a text was issued for.
    fn issued_in(&self, text: &str) -> Option<usize> {
        let places = text.split(ISSUED).skip(1).filter_map(|rest| rest.split(ISSUED_END).next()?.parse::<usize>().ok());
        let known = places.filter(|place| *place < self.issued.len()).max();
        known.or_else(|| self.aliases.get(text).copied())
    }

    fn judge(&mut self, asked: &Asked, now: DateTime<Utc>) -> (What, Reply) {
        self.now = now;
        let scope = self.scope.clone();
        let base = self.base.clone();
        if let Some(reply) = self.logins.answer(asked, &base, &scope, now) {
            return (What::Login, reply);
        }
        if self.is_guarded
            && let Some(reason) = self.logins.lacks(&self.way_in(), asked, &self.known)
        {
            let reply = Reply::text(401, r#"{"error":"unauthorized"}"#).header("Content-Type", "application/json");
            return (What::Refused(reason), reply);
        }
        match self.respond(asked) {
            Ok(answered) => answered,
            Err(reason) => {
                let body = serde_json::json!({ "message": format!("the stand-in vendor refuses this: {reason}") });
                (What::Refused(reason), Reply { status: 400, ..Reply::json(&body) })
            }
        }
    }

    /// Whether a request proves who sends it.
    fn is_proved(&self, asked: &Asked) -> bool {
        let way = self.way_in();
        !matches!(way, Auth::None | Auth::Tls(_)) && self.logins.lacks(&way, asked, &self.known).is_none()
    }

    /// How requests of the stream that is read prove who sends them.
    fn way_in(&self) -> Auth {
        let own = self.world.target().and_then(|table| table.stream.auth.clone());
        own.unwrap_or_else(|| self.auth.clone())
    }
}

impl State {
    /// Writes a request down, and lets the script change what answers it.
    fn conclude(&mut self, asked: &Asked, now: DateTime<Utc>, (what, reply): (What, Reply)) -> Reply {
        let request = format!("{} {}", asked.method, asked.target);
        let mut hit = Hit { request, body: asked.body.clone(), at: now, what, status: reply.status };
        let pages = self.pages;
        self.pages += usize::from(matches!(hit.what, What::Page { .. }));
        let mut script = self.script.take();
        let changed = script.as_mut().and_then(|script| script(&hit, pages, &reply));
        self.script = script;
        let reply = changed.unwrap_or(reply);
        hit.status = if reply.cut.is_some() || reply.drops { 0 } else { reply.status };
        self.hits.push(hit);
        reply
    }
}

impl Vendor {
    pub(super) fn new(state: State, time: Arc<VirtualTime>) -> Arc<Self> {
        Arc::new(Self { state: Mutex::new(state), time })
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Answers for Vendor {
    fn answer(&self, asked: Asked) -> Reply {
        let now = self.time.now();
        let mut state = self.state();
        let judged = state.judge(&asked, now);
        state.conclude(&asked, now, judged)
    }
}

/// Another origin: it answers downloads that the vendor put there, and takes no credential.
#[derive(Debug)]
pub(super) struct Elsewhere {
    pub(super) vendor: Arc<Vendor>,
    /// Requests that carried a secret or a token, or that should not have come at all.
    pub(super) wrong: Mutex<Vec<String>>,
    pub(super) is_allowed: bool,
}

impl Answers for Elsewhere {
    fn answer(&self, asked: Asked) -> Reply {
        let mut state = self.vendor.state();
        let text = asked.haystack();
        let carries = state.secrets.iter().any(|secret| text.contains(secret.as_str()))
            || text.contains("hw0a")
            || state.is_proved(&asked);
        if carries || !self.is_allowed {
            let mut wrong = self.wrong.lock().unwrap_or_else(PoisonError::into_inner);
            wrong.push(format!("{} {}", asked.method, asked.path));
        }
        let now = self.vendor.time.now();
        match state.respond(&asked) {
            Ok(answered) if self.is_allowed => state.conclude(&asked, now, answered),
            _ => Reply::text(404, "{}"),
        }
    }
}
