//! The tables of the ledger, and how an older file becomes a present one.
//!
//! `user_version` counts the steps below that a file has had. A step is never changed after a release; a change is a new step.

/// One step: statements that `SQLite` runs in one transaction.
pub(crate) const STEPS: [&str; 2] = [STEP_1, STEP_2];

/// Instants are milliseconds since 1970 in UTC; ULIDs are text and facts are JSON, so that a person can read the file. What a
/// window's receipts, commits and failures say of it is one value that is read and written whole; `state` follows from it and
/// stands beside it for people.
const STEP_1: &str = "
create table meta (name text primary key, value text not null) strict, without rowid;

create table leases (
    unit text primary key,
    token text not null,
    runner text not null,
    stage text not null,
    expires_ms integer not null
) strict, without rowid;

create table windows (
    stream text not null,
    slice text not null,
    window text not null,
    from_ms integer,
    until_ms integer,
    state text not null,
    facts text not null,
    updated_ms integer not null,
    primary key (stream, slice, window)
) strict, without rowid;

create index windows_by_range on windows (stream, slice, from_ms, until_ms);

create table runs (
    run text primary key,
    command text not null,
    started_ms integer not null,
    finished_ms integer,
    outcome text,
    report text
) strict, without rowid;
";

/// The version of each table that was compared with the receipts last and agreed, keys that two windows of a stream hold, and
/// merged intervals of finished windows: positions are microseconds since 1970, or numbers of links.
const STEP_2: &str = "
create table compared (
    stream text not null,
    name text not null,
    table_id text not null,
    version integer not null,
    primary key (stream, name)
) strict, without rowid;

create table finished (
    stream text not null,
    slice text not null,
    shape text not null,
    first integer not null,
    until integer not null,
    windows integer not null,
    receipts integer not null,
    rows text not null,
    read_ms integer not null,
    age_ms integer not null,
    primary key (stream, slice, shape, first)
) strict, without rowid;

create table shared_keys (
    stream text primary key,
    contract text not null,
    keys integer not null,
    windows text not null
) strict, without rowid;
";
