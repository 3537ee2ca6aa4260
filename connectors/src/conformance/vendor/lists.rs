//! Lists: whose records a request asks for, within which bounds, and the page of them that answers it.

use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::appease::appeasing;
use super::asks::{Ask, Role, record_scopes};
use super::body::{Written, write};
use super::jobs;
use super::paging::{Leaf, Says, Want, after, link, position, size_of, wants};
use super::place::{place, plain};
use super::route::{Candidate, Names, known_names};
use super::world::{Table, is_single};
use super::{Issued, PAGE, State, Twist, What};
use crate::conformance::server::{Asked, Reply};
use crate::decoding::{BodyFacts, Pointer};
use crate::expression::{Scalar, Scope};
use crate::pagination::{Page, Pagination, Seen, Slot};
use crate::stream::{RequestPlan, Stream};
use crate::windowing::{Clockface, End, TimeFormat, Wire};

/// How the path of a next page's URL begins.
pub(super) const NEXT: &str = "/hw-next/";
/// Rows of a list inside a record that come at a time.
const REST: usize = 2;

/// The bounds of a request as it wrote them.
#[derive(Clone, Debug, Default)]
pub(super) struct Bounds {
    from: Option<DateTime<Utc>>,
    until: Option<DateTime<Utc>>,
    from_is_exclusive: bool,
    until_is_inclusive: bool,
    /// How fine the bounds are written.
    clockface: Option<Clockface>,
    /// Records of a chain that were read before.
    after: usize,
    /// Which of how many files of a job.
    part: Option<(usize, usize)>,
}

impl Bounds {
    fn admits(&self, at: Option<DateTime<Utc>>) -> bool {
        let Some(at) = at else { return true };
        // A day that is asked for is all of it.
        let is_of = |bound: DateTime<Utc>| {
            let written =
                |at: DateTime<Utc>| self.clockface.as_ref().map(|clockface| clockface.write(at, End::From, at));
            written(at).is_some_and(|text| written(bound) == Some(text))
        };
        let is_after =
            self.from.is_none_or(|from| if self.from_is_exclusive { at > from } else { at >= from || is_of(from) });
        let is_before = self
            .until
            .is_none_or(|until| if self.until_is_inclusive { at <= until || is_of(until) } else { at < until });
        is_after && is_before
    }

    /// The same, of which one file has every `parts`-th record.
    pub(super) fn part(self, part: usize, parts: usize) -> Self {
        Self { part: Some((part, parts)), ..self }
    }

    fn shown(&self) -> String {
        format!("{:?}..{:?} after {} of {:?}", self.from, self.until, self.after, self.part)
    }
}

/// What a page is of.
#[derive(Clone, Copy, Debug)]
struct Place<'a> {
    table: usize,
    owners: &'a [usize],
    stream: &'a Arc<Stream>,
    bounds: &'a Bounds,
    /// Records that match in all.
    total: usize,
}

/// A request that was recognised.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) role: Role,
    pub(super) table: usize,
    pub(super) owners: Vec<usize>,
    pub(super) stream: Arc<Stream>,
    plan: Arc<RequestPlan>,
    scope: Scope,
    names: Names,
    /// The record whose list goes on.
    row: Option<usize>,
}

impl State {
    /// What a request is and what answers it.
    pub(super) fn respond(&mut self, asked: &Asked) -> Result<(What, Reply), String> {
        if asked.path.starts_with(NEXT)
            && let Some(issued) = self.issued_in(&asked.path)
        {
            return self.page_of(issued, asked);
        }
        if asked.path.starts_with(jobs::DOWNLOAD)
            && let Some(issued) = self.issued_in(&asked.path)
        {
            return self.part(issued, asked, None);
        }
        let issued = self.issued_in(&asked.haystack());
        let found = self.recognise(asked, issued)?;
        match found.role {
            Role::List | Role::SessionPage => self.list(&found, asked, issued),
            Role::SessionEnd => Ok((What::Above, Reply::json(&json!({})))),
            Role::ChainStart => Ok((What::Above, self.chain_start(&found))),
            Role::Connection(at) => self.rest(&found, at, asked),
            Role::Order => self.order(&found, asked),
            Role::Poll => self.poll(&found, issued),
            Role::Beside => Ok((What::Job, Reply::json(&json!({})))),
            Role::Download => match issued {
                Some(issued) => self.part(issued, asked, Some(&found)),
                None => Err("a download names no job".to_owned()),
            },
        }
    }

    /// Which request of which stream it is, and under whose name.
    fn recognise(&self, asked: &Asked, issued: Option<usize>) -> Result<Found, String> {
        let mut best: Vec<Found> = Vec::new();
        let mut most = 0;
        let mut take = |score: usize, found: &dyn Fn() -> Found| {
            if score > most {
                best.clear();
                most = score;
            }
            if score == most {
                best.push(found());
            }
        };
        for (at, table) in self.world.tables.iter().enumerate() {
            for ask in table.asks().iter() {
                let kind = &ask.kind;
                let found = |names: &Names, row: Option<usize>, scope: &Scope| Found {
                    role: kind.role,
                    table: at,
                    owners: ask.owners.clone(),
                    stream: Arc::clone(&kind.stream),
                    plan: Arc::clone(&kind.plan),
                    scope: scope.clone(),
                    names: names.clone(),
                    row,
                };
                if kind.role == Role::List && ask.url.as_ref().is_some_and(|url| asked.path == *url) {
                    take(usize::MAX, &|| found(&Names::new(), None, &ask.scope));
                } else if let Role::Connection(connection) = kind.role {
                    for (row, scope) in record_scopes(table, &ask.owners, connection, &ask.scope) {
                        let known = known_names(&kind.stream, &kind.plan, &scope);
                        if let Some(fit) = self.candidate(ask, (&scope, &known), issued).fit(asked) {
                            take(fit.score, &|| found(&fit.names, Some(row), &scope));
                        }
                    }
                } else if let Some(fit) = self.candidate(ask, (&ask.scope, &ask.known), issued).fit(asked) {
                    take(fit.score, &|| found(&fit.names, None, &ask.scope));
                }
            }
        }
        self.choose(best, issued)
    }

    fn choose(&self, mut best: Vec<Found>, issued: Option<usize>) -> Result<Found, String> {
        if best.len() > 1
            && let Some(issued) = issued.and_then(|issued| self.owners_of(issued))
        {
            best.retain(|found| (found.table, &found.owners) == (issued.0, &issued.1));
        }
        // One batch that holds another's parents is asked for with more of them, not with fewer.
        match best.len() {
            0 => Err("no request of this stream, or of one above it, looks like this".to_owned()),
            1 => best.pop().ok_or_else(String::new),
            count => {
                let same_row =
                    best.windows(2).all(|two| matches!(two, [a, b] if a.owners == b.owners && a.row == b.row));
                let first = best.into_iter().next();
                first.filter(|_| same_row).ok_or_else(|| {
                    format!(
                        "it does not say whose records it asks for: {count} slices or parents are asked for like this"
                    )
                })
            }
        }
    }

    fn owners_of(&self, issued: usize) -> Option<(usize, Vec<usize>)> {
        match self.issued.get(issued)? {
            Issued::Page { table, owners, .. }
            | Issued::Chain { table, owners, .. }
            | Issued::Job { table, owners, .. } => Some((*table, owners.clone())),
            Issued::Part { job, .. } => self.owners_of(*job),
            Issued::Rest { .. } => None,
        }
    }

    fn candidate<'a>(
        &'a self,
        ask: &'a Ask,
        (scope, known): (&'a Scope, &'a Scope),
        issued: Option<usize>,
    ) -> Candidate<'a> {
        let is_alone = issued.is_some() && (ask.kind.stream.pagination.is_alone() || ask.kind.role != Role::List);
        let base = ask.base.as_deref().unwrap_or_else(|| self.base.trim_end_matches('/'));
        Candidate { ask, scope, known, base, ranges: &self.world.ranges, is_alone }
    }

    /// The value that a request has in a slot.
    #[expect(clippy::unused_self, reason = "what a request says is the vendor's to read")]
    pub(super) fn slot(&self, slot: &Slot, found: &Found, asked: &Asked) -> Option<String> {
        let mut scope = crate::source::standing_names(&found.stream, &found.plan, &found.scope);
        scope.extend(found.names.iter().map(|(name, text)| (name.clone(), Scalar::Text(text.clone()))));
        let name = slot.fill(&scope).ok()?;
        match slot {
            Slot::Query(_) => asked.query(&name).map(str::to_owned),
            Slot::Header(_) => asked.header(&name).map(str::to_owned),
            Slot::Name(_) => found.names.get(&name).cloned(),
            Slot::Body(_) => {
                let field = asked.form.iter().find(|(known, _)| *known == name.trim_start_matches('/'));
                let json = || Pointer::parse(&name).find(&asked.json).and_then(plain);
                field.map(|(_, value)| value.clone()).or_else(json)
            }
        }
    }

    /// The bounds that a request says.
    pub(super) fn bounds(&self, found: &Found, asked: &Asked) -> Result<Bounds, String> {
        let window = found.stream.window.as_ref();
        let Some((window, request)) = window.and_then(|window| Some((window, window.request.as_ref()?))) else {
            return Ok(Bounds::default());
        };
        let clockface = window.sent_format.with_zone(&found.scope).map_err(|error| error.to_string())?;
        let instant = |slot: &Slot| {
            let text = match self.slot(slot, found, asked) {
                Some(text) => text,
                // A name that stands nowhere in the request is no bound to the vendor.
                None if matches!(slot, Slot::Name(_)) => return Ok(None),
                None => return Err(format!("it has no bound at `{slot}`")),
            };
            if let TimeFormat::Ago(unit) = &window.sent_format {
                let units: i64 = text.parse().map_err(|_| format!("`{text}` at `{slot}` is no number"))?;
                return Ok(Some(self.now - TimeDelta::milliseconds(units.saturating_mul(unit.as_millis()))));
            }
            // A format that leaves out what it needs to be read back is known by what is written in it.
            let reads_back = |at: &DateTime<Utc>| plain(&clockface.write(*at, End::From, *at)).as_ref() == Some(&text);
            let read = clockface.read(&Value::String(text.clone())).filter(reads_back);
            let bounds = self.world.ranges.iter().flat_map(|range| [range.from(), range.until()]);
            let instant = read.or_else(|| bounds.into_iter().find(reads_back));
            instant.map(Some).ok_or_else(|| format!("`{text}` at `{slot}` is no instant as the manifest writes them"))
        };
        let from = instant(&request.from)?;
        let shared = shared_bound(&found.stream);
        let mut until = match (&request.until, shared) {
            (None, _) => None,
            (Some(slot), None) => instant(slot)?,
            // Either it is the end of the window, or a page's own; then the list goes on from there down.
            (Some(slot), Some(_)) => {
                instant(slot).unwrap_or(None).filter(|until| self.is_asked_for(found, from, *until))
            }
        };
        if let Some(length) = &request.length {
            let units = self.slot(&length.param, found, asked).and_then(|text| text.parse::<i64>().ok());
            let units = units.ok_or_else(|| format!("it has no length at `{}`", length.param))?;
            let span = TimeDelta::milliseconds(units.saturating_mul(length.unit.as_millis()));
            until = until.or(from.map(|from| from + span));
        }
        // One that is asked for one unit of a calendar at a time gives that unit.
        if request.calendar.as_ref().is_some_and(|calendar| calendar.each) && until.is_none() {
            let unit = self.world.ranges.iter().find(|range| Some(range.from()) == from);
            until = unit.map(headwater_contract::TimeRange::until);
        }
        let is_ago = matches!(window.sent_format, TimeFormat::Ago(_));
        Ok(Bounds {
            from,
            until,
            from_is_exclusive: request.from_is_exclusive,
            until_is_inclusive: request.until_is_inclusive,
            clockface: Some(clockface).filter(|_| !is_ago),
            ..Bounds::default()
        })
    }

    /// Whether a window ends and begins there, as its request says it.
    fn is_asked_for(&self, found: &Found, from: Option<DateTime<Utc>>, until: DateTime<Utc>) -> bool {
        let Some(window) = &found.stream.window else { return false };
        let Ok(wire) = Wire::new(window, &found.scope, self.now) else { return false };
        let written = |(begin, end): (DateTime<Utc>, DateTime<Utc>)| {
            let clock =
                |at, side| window.sent_format.with_zone(&found.scope).ok().map(|clock| clock.write(at, side, self.now));
            (clock(begin, End::From), clock(end, End::Until))
        };
        let asked = from.map(|from| written((from, until)));
        self.world.ranges.iter().any(|range| wire.bounds(*range).map(written) == asked)
    }

    fn list(&mut self, found: &Found, asked: &Asked, issued: Option<usize>) -> Result<(What, Reply), String> {
        if let Some(described) = self.described.as_ref().filter(|_| found.role == Role::List) {
            let wrong = described.violations(&found.stream.name, asked);
            if !wrong.is_empty() {
                return Err(format!("the description does not allow it: {}", wrong.join("; ")));
            }
        }
        let is_alone = found.stream.pagination.is_alone() || found.role == Role::SessionPage;
        let shared = shared_bound(&found.stream);
        let bounds = match issued.and_then(|issued| self.issued.get(issued)) {
            Some(Issued::Page { bounds, .. }) if is_alone || shared.is_some() => bounds.clone(),
            _ => {
                let mut bounds = self.bounds(found, asked)?;
                bounds.after = self.chain_place(found, asked)?;
                bounds
            }
        };
        let table = self.world.tables.get(found.table).cloned().ok_or("no such table")?;
        let list = matching(&table, &found.owners, &bounds);
        let size = self.size(found, asked);
        let is_end = |slot: &Slot| shared == Some(slot) && issued.is_none() && bounds.until.is_some();
        let value = |slot: &Slot| if is_end(slot) { None } else { self.slot(slot, found, asked) };
        let known = |text: &str| match self.issued.get(self.issued_in(text)?)? {
            Issued::Page { at, .. } => Some(*at),
            _ => None,
        };
        let at = match &found.stream.chain {
            Some(_) if found.stream.pagination == Pagination::None => 0,
            _ => position(&found.stream.pagination, &table, &list, size, &value, &known)?,
        };
        let asked_for = found.stream.pagination.slots().into_iter().find_map(value);
        self.page(found.table, &found.owners, &found.stream, &bounds, at, size, asked_for)
    }

    fn size(&self, found: &Found, asked: &Asked) -> usize {
        let is_single = is_single(&found.stream);
        if !is_single && found.stream.pagination == Pagination::None && found.stream.chain.is_none() {
            // One page is all.
            return usize::MAX;
        }
        let usual = if is_single { 1 } else { PAGE };
        let param = found.stream.request.page_size.as_ref().and_then(|size| size.param.as_ref());
        size_of(param.and_then(|param| self.slot(param, found, asked)), usual)
    }

    /// How many records of a chain come before what a request asks for.
    fn chain_place(&self, found: &Found, asked: &Asked) -> Result<usize, String> {
        let Some(chain) = &found.stream.chain else { return Ok(0) };
        let text =
            chain.param.as_ref().and_then(|param| self.slot(param, found, asked)).filter(|text| !text.is_empty());
        let Some(text) = text else { return Ok(0) };
        if let Some(Issued::Chain { at, .. }) = self.issued_in(&text).and_then(|issued| self.issued.get(issued)) {
            return Ok(*at);
        }
        // The very first listing may say in the token's own parameter where it starts, such as a time.
        let first = chain.param.as_ref().and_then(|param| chain.first.as_ref()?.get(&param.to_string()));
        if first.is_some_and(|first| first.text(&Scope::new()).is_ok_and(|first| first.as_ref() == Some(&text))) {
            return Ok(0);
        }
        let table = self.world.tables.get(found.table).ok_or("no such table")?;
        let mut rows = rows_of(table, &found.owners);
        rows.sort_unstable();
        match &chain.next {
            Seen::FirstRecord(field) | Seen::LastRecord(field) => after(table, &rows, field, &text),
            _ => Err(format!("`{text}` is a token that was never issued")),
        }
    }

    fn chain_start(&mut self, found: &Found) -> Reply {
        let token = self.issue(Issued::Chain { table: found.table, owners: found.owners.clone(), at: 0 });
        let mut body = json!({});
        if let Some(start) = found.stream.chain.as_ref().and_then(|chain| chain.start.as_ref()) {
            place(&mut body, start.token.segments(), json!(token));
        }
        Reply::json(&body)
    }

    /// The page that a URL of the vendor's own leads to.
    fn page_of(&mut self, issued: usize, asked: &Asked) -> Result<(What, Reply), String> {
        match self.issued.get(issued).cloned() {
            Some(Issued::Page { table, owners, bounds, at }) => {
                let stream = self.paged_stream(table)?;
                self.page(table, &owners, &stream, &bounds, at, PAGE, Some(asked.path.clone()))
            }
            Some(Issued::Chain { table, owners, at }) => {
                let stream = self.paged_stream(table)?;
                let bounds = Bounds { after: at, ..Bounds::default() };
                self.page(table, &owners, &stream, &bounds, 0, PAGE, Some(asked.path.clone()))
            }
            Some(Issued::Rest { table, row, connection, at }) => self.rest_at(table, row, connection, at),
            _ => Err("this URL was never given out".to_owned()),
        }
    }

    /// The stream whose pages a table has: a job's are those of its downloads.
    fn paged_stream(&self, table: usize) -> Result<Arc<Stream>, String> {
        let stream = &self.world.tables.get(table).ok_or("no such table")?.stream;
        Ok(stream.job.as_ref().map_or_else(|| Arc::clone(stream), |job| Arc::clone(&job.download)))
    }

    /// One page of a list.
    #[expect(clippy::too_many_arguments, reason = "what tells one page from all others")]
    pub(super) fn page(
        &mut self,
        table_at: usize,
        owners: &[usize],
        stream: &Arc<Stream>,
        bounds: &Bounds,
        at: usize,
        size: usize,
        cursor: Option<String>,
    ) -> Result<(What, Reply), String> {
        let table = self.world.tables.get(table_at).cloned().ok_or("no such table")?;
        let is_same = table_at == 0 && self.twist == Some(Twist::SamePage);
        let first = Bounds { after: 0, ..bounds.clone() };
        let mut list = matching(&table, owners, if is_same { &first } else { bounds });
        let total = list.len();
        let cap = stream.window.as_ref().and_then(|window| window.cap.as_ref());
        let pages = cap.and_then(|cap| cap.pages).map(|pages| u64::from(pages).saturating_mul(size as u64));
        let most = cap.and_then(|cap| cap.records).into_iter().chain(pages).min();
        list.truncate(most.and_then(|most| usize::try_from(most).ok()).unwrap_or(usize::MAX));
        let from = if is_same { 0 } else { at.min(list.len()) };
        let end = from.saturating_add(size).min(list.len());
        let mut leaf = Leaf { total, at, size, rows: list.get(from..end).unwrap_or_default().to_vec(), next: None };
        leaf.next = (is_same || end < list.len()).then_some(at.saturating_add(size));
        if is_same {
            leaf.total = total.max(1) * 100;
        }
        if is_upwards(stream) {
            leaf.rows = upwards(&list, from, end);
        }
        let asked_for = Place { table: table_at, owners, stream, bounds, total };
        let mut said = self.said(&asked_for, &table, &leaf, cursor.clone());
        // Where nothing can say that a page is the last one, an empty one follows it.
        if said.is_err() && leaf.next.is_none() && !leaf.rows.is_empty() {
            leaf.next = Some(end);
            said = self.said(&asked_for, &table, &leaf, cursor);
        }
        let (says, url) = said?;
        let mut reply = self.written(table_at, &table, stream, &leaf, says)?;
        if let (Some(rel), Some(url)) = (link(&stream.pagination), &url) {
            reply = reply.header("Link", &format!("<{url}>; rel=\"{rel}\""));
        }
        let what = if table_at == 0 {
            What::Page { owners: owners.to_vec(), bounds: bounds.shown(), at, total }
        } else {
            What::Above
        };
        Ok((what, reply))
    }

    /// What an answer says beside the records of a page, and where the next page is.
    fn said(
        &mut self,
        asked_for: &Place<'_>,
        table: &Table,
        leaf: &Leaf,
        cursor: Option<String>,
    ) -> Result<(Says, Option<String>), String> {
        let Place { table: table_at, owners, stream, bounds, total } = *asked_for;
        let next = if table_at == 0 && self.twist == Some(Twist::Circle) { leaf.next.map(|_| 0) } else { leaf.next };
        // A session has a name on its last page, too, and what follows is empty.
        let is_session = matches!(stream.pagination, Pagination::Scroll(_));
        let next = next.or(is_session.then_some(leaf.at + leaf.rows.len()));
        let (owned, bounds_next) = (owners.to_vec(), bounds.clone());
        let token = next.map(|at| self.issue(Issued::Page { table: table_at, owners: owned, bounds: bounds_next, at }));
        let origin =
            if table_at == 0 && self.twist == Some(Twist::Elsewhere) { &self.foreign_origin } else { &self.origin };
        let url = token.as_ref().map(|token| format!("{origin}{NEXT}{token}"));
        let mut wants = wants(&stream.pagination, leaf, token.as_deref(), url.as_deref());
        let cap = stream.window.as_ref().and_then(|window| window.cap.as_ref());
        wants.extend(cap.and_then(|cap| Some((cap.total.clone()?, Want::Count(total)))));
        wants.extend(self.chain_wants(table_at, owners, stream, bounds, leaf));
        let page = known_page(table, leaf, &wants, cursor);
        let mut says = Says::all(wants, leaf, &page);
        if let Some(problem) = says.problems.pop() {
            return Err(problem);
        }
        for (alias, token) in says.aliases.drain(..) {
            if let Some(issued) = self.issued_in(&token) {
                self.aliases.insert(alias, issued);
            }
        }
        Ok((says, url))
    }

    /// What an answer says so that a chain goes on.
    fn chain_wants(
        &mut self,
        table: usize,
        owners: &[usize],
        stream: &Stream,
        bounds: &Bounds,
        leaf: &Leaf,
    ) -> Vec<(Seen, Want)> {
        let Some(chain) = &stream.chain else { return Vec::new() };
        let mut wants: Vec<(Seen, Want)> =
            chain.more.iter().map(|more| (more.clone(), Want::Flag(leaf.next.is_some()))).collect();
        let is_last = leaf.next.is_none();
        // A record that is there says itself what it says; only what is computed of it must be known.
        let is_silent = chain.next.is_of_record() && (chain.next.expression().is_none() || leaf.rows.is_empty());
        if is_silent || (stream.pagination != Pagination::None && !is_last) {
            return wants;
        }
        let at = bounds.after + leaf.at + leaf.rows.len();
        let token = self.issue(Issued::Chain { table, owners: owners.to_vec(), at });
        let token = if chain.param.is_some() { token } else { format!("{}{NEXT}{token}", self.origin) };
        wants.push((chain.next.clone(), Want::Token(Some(token))));
        wants
    }

    /// The answer with the records of a page.
    fn written(
        &mut self,
        table_at: usize,
        table: &Table,
        stream: &Stream,
        leaf: &Leaf,
        says: Says,
    ) -> Result<Reply, String> {
        let mut values = Vec::new();
        for row in leaf.rows.iter().filter_map(|row| Some((*row, table.rows.get(*row)?))) {
            let value = self.opened(table_at, stream, row.0, &row.1.value);
            values.push((value, row.1.text.clone()));
        }
        let mut fields = self.appeasing(stream);
        fields.extend(says.fields);
        if let Some(described) = &self.described {
            described.fit_fields(&stream.name, &mut fields);
        }
        let rows: Vec<Written<'_>> =
            values.iter().map(|(value, text)| Written { value, text: text.as_deref() }).collect();
        let (content_type, body) = write(&stream.decoding, &stream.records, &rows, &fields)?;
        let mut reply = Reply { status: 200, body: Bytes::from(body), ..Reply::default() };
        reply.headers.push(("Content-Type".to_owned(), content_type.to_owned()));
        reply.headers.extend(says.headers);
        Ok(reply)
    }

    /// What must stand in a good answer of this stream so that no rule takes it for an error.
    fn appeasing(&mut self, stream: &Stream) -> Vec<(Vec<String>, Value)> {
        // Streams live as long as the source that the vendor is made of.
        let known = self.appeasing.entry(std::ptr::from_ref(stream).addr());
        known.or_insert_with(|| appeasing(&stream.request.rules, 200)).clone()
    }

    /// A record whose long lists go on elsewhere.
    fn opened(&mut self, table: usize, stream: &Stream, row: usize, value: &Value) -> Value {
        let mut value = value.clone();
        for (connection, manifest) in stream.connections.iter().enumerate() {
            let Some(rows) = manifest.records.find(&value).and_then(Value::as_array).cloned() else { continue };
            if rows.len() <= REST {
                continue;
            }
            let first = rows.get(..REST).unwrap_or_default().to_vec();
            place(&mut value, manifest.records.segments(), Value::Array(first));
            let known = |issued: &Issued| matches!(issued, Issued::Rest { table: t, row: r, connection: c, at: REST } if (*t, *r, *c) == (table, row, connection));
            let mut token = match self.issued.iter().position(known) {
                Some(at) => self.token(at),
                None => self.issue(Issued::Rest { table, row, connection, at: REST }),
            };
            if manifest.param.is_none() {
                token = format!("{}{NEXT}{token}", self.origin);
            }
            if let Seen::Body(pointer) = &manifest.cursor {
                place(&mut value, pointer.segments(), json!(token));
            }
            if let Some(more) = &manifest.more {
                place(&mut value, more.segments(), json!(true));
            }
        }
        value
    }

    /// The rest of a list inside a record.
    fn rest(&mut self, found: &Found, connection: usize, asked: &Asked) -> Result<(What, Reply), String> {
        let manifest = found.stream.connections.get(connection).ok_or("no such connection")?.clone();
        let text = manifest.param.as_ref().and_then(|param| self.slot(param, found, asked)).unwrap_or_default();
        if let Some(Issued::Rest { table, row, connection, at }) =
            self.issued_in(&text).and_then(|issued| self.issued.get(issued)).cloned()
        {
            return self.rest_at(table, row, connection, at);
        }
        let Seen::LastRecord(field) = &manifest.cursor else { return Err(format!("`{text}` was never issued")) };
        let row = found.row.ok_or("it names no record")?;
        let table = self.world.tables.get(found.table).ok_or("no such table")?;
        let rows = table.rows.get(row).and_then(|row| manifest.records.find(&row.value)?.as_array());
        let is_it = |item: &Value| field.find(item).and_then(plain).as_ref() == Some(&text);
        let at = rows.and_then(|rows| rows.iter().position(is_it)).ok_or_else(|| format!("no row has `{text}`"))?;
        self.rest_at(found.table, row, connection, at + 1)
    }

    fn rest_at(&mut self, table: usize, row: usize, connection: usize, at: usize) -> Result<(What, Reply), String> {
        let held = self.world.tables.get(table).ok_or("no such table")?;
        let manifest = held.stream.connections.get(connection).ok_or("no such connection")?.clone();
        let rows = held.rows.get(row).and_then(|row| manifest.records.find(&row.value)?.as_array()).cloned();
        let rows = rows.unwrap_or_default();
        let end = (at + REST).min(rows.len());
        let mut body = json!({});
        let part = rows.get(at.min(end)..end).unwrap_or_default().to_vec();
        place(&mut body, manifest.answer.records.segments(), Value::Array(part));
        if let Some(more) = &manifest.answer.more {
            place(&mut body, more.segments(), json!(end < rows.len()));
        }
        if let (true, Seen::Body(pointer)) = (end < rows.len(), &manifest.answer.cursor) {
            let mut token = self.issue(Issued::Rest { table, row, connection, at: end });
            if manifest.param.is_none() {
                token = format!("{}{NEXT}{token}", self.origin);
            }
            place(&mut body, pointer.segments(), json!(token));
        }
        Ok((What::Above, Reply::json(&body)))
    }
}

/// The parameter that says where a window ends, where it is the one that pages are turned by: the list goes down from its end.
pub(super) fn shared_bound(stream: &Stream) -> Option<&Slot> {
    let until = stream.window.as_ref()?.request.as_ref()?.until.as_ref()?;
    stream.pagination.slots().contains(&until).then_some(until)
}

/// Whether a page holds the records right after a token and names the last of them first.
pub(in crate::conformance) fn is_upwards(stream: &Stream) -> bool {
    let chain = stream.chain.as_ref().filter(|_| stream.pagination == Pagination::None);
    chain.is_some_and(|chain| chain.next.is_of_first_record())
}

/// The page from the `from`-th record on, of a list whose last record is the first one.
fn upwards(list: &[usize], from: usize, end: usize) -> Vec<usize> {
    let (from, end) = (list.len().saturating_sub(end), list.len().saturating_sub(from));
    list.get(from..end).unwrap_or_default().to_vec()
}

pub(super) fn rows_of(table: &Table, owners: &[usize]) -> Vec<usize> {
    owners.iter().filter_map(|owner| table.owners.get(*owner)).flat_map(|owner| owner.rows.clone()).collect()
}

/// The records that a request asks for, in the order of the list.
pub(super) fn matching(table: &Table, owners: &[usize], bounds: &Bounds) -> Vec<usize> {
    let mut rows = rows_of(table, owners);
    rows.retain(|row| table.rows.get(*row).is_some_and(|row| bounds.admits(row.at)));
    if table.stream.chain.is_some() {
        rows.sort_unstable();
        rows = rows.split_off(bounds.after.min(rows.len()));
    }
    if let Some((part, parts)) = bounds.part {
        rows = rows.into_iter().enumerate().filter(|(at, _)| at % parts == part).map(|(_, row)| row).collect();
    }
    table.ordered(rows)
}

/// A page as the engine will know it, for what is computed of it.
fn known_page(table: &Table, leaf: &Leaf, wants: &[(Seen, Want)], cursor: Option<String>) -> Page {
    let fields: Vec<Pointer> = wants.iter().flat_map(|(seen, _)| seen.record_fields()).cloned().collect();
    let of = |row: Option<&usize>| {
        let value = row.and_then(|row| table.rows.get(*row)).map(|row| &row.value);
        let found = |field: &Pointer| (field.clone(), value.and_then(|value| field.find(value)).cloned());
        fields.iter().map(found).collect::<Vec<_>>()
    };
    let number = u32::try_from(leaf.at / leaf.size.max(1)).unwrap_or(0);
    Page {
        facts: BodyFacts {
            count: leaf.rows.len() as u64,
            first: of(leaf.rows.first()),
            last: of(leaf.rows.last()),
            ..BodyFacts::default()
        },
        cursor,
        number,
        read: leaf.at as u64,
        size: Some(leaf.size as u64),
        ..Page::default()
    }
}
