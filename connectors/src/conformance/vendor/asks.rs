//! Every request that may come for the records of a table: each kind of request that its stream sends, by each of its owners.
//!
//! A reading of a stream under many parents sends many requests, and each is held against all of these; so they are worked out once a table.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, OnceLock};

use chrono::{DateTime, Utc};
use url::Url;

use super::route::{Names, known_names};
use super::world::Table;
use crate::expression::{Scalar, Scope};
use crate::manifest::Method;
use crate::pagination::Pagination;
use crate::parents::{BatchManifest, scope_with};
use crate::stream::{RequestPlan, Stream};

/// What one request of a stream is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    List,
    SessionPage,
    SessionEnd,
    ChainStart,
    Connection(usize),
    Order,
    Poll,
    Beside,
    Download,
}

/// A request that a stream sends.
#[derive(Debug)]
pub(super) struct Kind {
    pub(super) role: Role,
    pub(super) stream: Arc<Stream>,
    pub(super) plan: Arc<RequestPlan>,
}

/// What expressions were found to have been computed from, by their texts and what came of them.
pub(super) type Computed = Mutex<BTreeMap<(String, Option<String>), Option<Names>>>;

/// One kind of request by one owner, or by a batch of them.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) kind: Arc<Kind>,
    pub(super) owners: Vec<usize>,
    pub(super) scope: Scope,
    /// The names whose values are the same in each such request.
    pub(super) known: Scope,
    /// Where the parent's record says that its children are.
    pub(super) url: Option<String>,
    /// The path that its requests start with, where that is not the base URL's.
    pub(super) base: Option<String>,
    /// Times of its records, from each of which on it may be asked for where the lower bound moves.
    pub(super) times: Vec<DateTime<Utc>>,
    pub(super) bounds: OnceLock<Vec<Names>>,
    pub(super) computed: Computed,
}

/// All that may come for a table.
pub(super) fn asks(table: &Table) -> Vec<Ask> {
    let callers = callers(table);
    let mut asks = Vec::new();
    for kind in kinds(&table.stream).into_iter().map(Arc::new) {
        for (owners, scope) in &callers {
            let name = table.stream.parent.as_ref().and_then(|parent| parent.url.as_ref());
            let owner = owners.first().and_then(|owner| table.owners.get(*owner));
            let url = name.and_then(|name| owner?.fields.get(name)?.as_str().map(str::to_owned));
            let base = kind.plan.base_url.as_ref().and_then(|base| Url::parse(&base.fill(scope).ok()?).ok());
            asks.push(Ask {
                base: base.map(|base| base.path().trim_end_matches('/').to_owned()),
                known: known_names(&kind.stream, &kind.plan, scope),
                kind: Arc::clone(&kind),
                owners: owners.clone(),
                scope: scope.clone(),
                url,
                times: times(table, owners),
                bounds: OnceLock::new(),
                computed: Computed::default(),
            });
        }
    }
    asks
}

/// Each time of these records once, where pages are turned by it.
fn times(table: &Table, owners: &[usize]) -> Vec<DateTime<Utc>> {
    if !matches!(table.stream.pagination, Pagination::AdvancingFrom(_)) {
        return Vec::new();
    }
    let rows = super::lists::rows_of(table, owners).into_iter();
    let times: BTreeSet<_> = rows.filter_map(|row| table.rows.get(row)?.at).collect();
    times.into_iter().collect()
}

fn kinds(stream: &Arc<Stream>) -> Vec<Kind> {
    let kind = |role, stream: &Arc<Stream>, plan| Kind { role, stream: Arc::clone(stream), plan: Arc::new(plan) };
    let mut kinds = Vec::new();
    let lists = match &stream.job {
        None => {
            kinds.push(kind(Role::List, stream, stream.request.clone()));
            Arc::clone(stream)
        }
        Some(job) => {
            kinds.push(kind(Role::Order, &job.create, job.create.request.clone()));
            kinds.push(kind(Role::Poll, &job.poll, job.poll.request.clone()));
            for beside in job.delete.iter().chain(&job.cancel) {
                kinds.push(kind(Role::Beside, beside, beside.request.clone()));
            }
            kinds.push(kind(Role::Download, &job.download, job.download.request.clone()));
            Arc::clone(&job.download)
        }
    };
    if let Pagination::Scroll(scroll) = &stream.pagination {
        kinds.extend(scroll.next.iter().map(|next| kind(Role::SessionPage, &lists, next.plan(&lists.request))));
        kinds.extend(scroll.close.iter().map(|close| kind(Role::SessionEnd, &lists, close.plan(&lists.request))));
    }
    if let Some(start) = stream.chain.as_ref().and_then(|chain| chain.start.as_ref()) {
        let plan = RequestPlan {
            method: Method::Get,
            path: start.path.clone(),
            params: start.params.clone().unwrap_or_default(),
            body: None,
            page_size: None,
            ..stream.request.clone()
        };
        kinds.push(kind(Role::ChainStart, stream, plan));
    }
    for (at, connection) in stream.connections.iter().enumerate() {
        kinds.push(kind(Role::Connection(at), stream, connection.plan(&stream.request)));
    }
    kinds
}

/// Who may ask for records of a table: each owner, or each batch of them, with the names that its requests see.
fn callers(table: &Table) -> Vec<(Vec<usize>, Scope)> {
    let single = table.owners.iter().enumerate().map(|(at, owner)| (vec![at], owner.scope.clone()));
    match table.stream.parent.as_ref().and_then(|parent| parent.batch.as_ref()) {
        None => single.collect(),
        Some(batch) => batches(table, batch),
    }
}

/// Every batch, in every order: it is the order in which the parents were listed. A run puts no more than two together.
fn batches(table: &Table, batch: &BatchManifest) -> Vec<(Vec<usize>, Scope)> {
    let mut callers = Vec::new();
    for (at, first) in table.owners.iter().enumerate() {
        let mut put = |owners: Vec<usize>| {
            let fields: Vec<_> =
                owners.iter().filter_map(|owner| Some(table.owners.get(*owner)?.fields.clone())).collect();
            let mut scope = scope_with(&first.scope, &batch.fields(&fields));
            scope.remove(&batch.field);
            callers.push((owners, scope));
        };
        put(vec![at]);
        if batch.parents < 2 {
            continue;
        }
        for (other, second) in table.owners.iter().enumerate() {
            if other != at && second.slice == first.slice {
                put(vec![at, other]);
            }
        }
    }
    callers
}

/// The names that the requests for the rest of each record's list see.
pub(super) fn record_scopes(table: &Table, owners: &[usize], connection: usize, scope: &Scope) -> Vec<(usize, Scope)> {
    let Some(manifest) = table.stream.connections.get(connection) else { return Vec::new() };
    let named = |row: usize| {
        let value = &table.rows.get(row)?.value;
        let mut scope = scope.clone();
        for (name, pointer) in manifest.names.iter() {
            scope.insert(name.to_owned(), Scalar::from_json(pointer.find(value)?));
        }
        Some((row, scope))
    };
    super::lists::rows_of(table, owners).into_iter().filter_map(named).collect()
}
