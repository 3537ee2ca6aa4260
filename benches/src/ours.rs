//! The measured product: `headwater run` on a project whose one source is the bench's server.
//!
//! It is the binary that users run, found beside this one in the target folder, with its defaults: nothing is switched off.

use std::path::{Path, PathBuf};

use crate::measure::{Cost, Processors};
use crate::order::{COLUMNS, Shape, date};
use crate::{Fallible, measure};

/// Makes a project in `folder` and runs it in a process of its own.
pub(crate) fn measure(origin: &str, shape: Shape, folder: &Path, processors: Processors) -> Fallible<Cost> {
    let program = program()?;
    fs_err::create_dir_all(folder.join("connectors"))?;
    let until = date(u64::try_from(shape.days)?);
    fs_err::write(folder.join("connectors/bench.yaml"), manifest(shape, &until))?;
    fs_err::write(folder.join("headwater.yaml"), project(origin))?;
    measure::run(&program, &["run"], folder, processors)
}

fn program() -> Fallible<PathBuf> {
    let here = std::env::current_exe()?;
    let program = here.with_file_name("headwater");
    if program.exists() { Ok(program) } else { Err("build the product first: cargo build --release".into()) }
}

fn project(origin: &str) -> String {
    let host = origin.trim_start_matches("http://");
    format!(
        "headwater: 1\nallow_private: [\"{host}\"]\nsources:\n  bench:\n    connector: bench\n    settings: {{ origin: \"{origin}\" }}\n"
    )
}

/// The manifest of the bench's source.
pub(crate) fn manifest(shape: Shape, until: &str) -> String {
    let page = shape.page;
    format!(
        r#"manifest: 1
connector: bench
title: The source of the benchmark
docs: benches/src/server.rs
settings:
  origin: {{ type: origin, help: "Where the benchmark's server listens" }}
http:
  base_url: "{{origin}}"
  limits: [{{ requests: 100000, per: 1 second, source: benches/src/server.rs }}]
streams:
  orders:
    title: One row for each order
    docs: benches/src/order.rs
    path: /orders
    records: /data
    key: [id]
    pagination: {{ body_token: {{ param: cursor, token: /next }} }}
    page_size: {{ param: limit, value: {page}, source: benches/src/server.rs }}
    kind: restating
    start: 2026-01-01
    end: {until}
    window:
      field: created_at
      format: rfc3339
      granularity: 1 second
      request: {{ from: created_from, until: created_until }}
      length: 1 day
      settle: 0
      lookback: 0
    deletes: none
    columns:{COLUMNS}"#
    )
}
