//! Measures the whole way, from a fast source to committed rows, beside a program that does only what nobody can leave out; or the
//! connectors' engine alone, for which nothing of the lake is built.
//!
//! ```text
//! cargo build --release && cargo run --release -p headwater-benches -- --records 1000000 --one-cpu
//! cargo run --release -p headwater-benches -- engine --records 1000000 --rounds 3 --one-cpu
//! ```
//!
//! The source is a server in this process with pages that are rendered before anything is measured. Each program is a process of
//! its own, so that CPU seconds and peak memory are its own: the speed of light (fetch, compress, decode to typed Parquet, nothing
//! else) and `headwater run` with all that it promises. The rows of both are compared with the source's, field by field.

#![expect(clippy::print_stdout, reason = "a program whose output is its result")]

mod engine;
mod light;
mod measure;
mod order;
mod ours;
mod server;
mod verify;

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

use crate::engine::Reader;
use crate::measure::{Cost, Processors};
use crate::order::Shape;
use crate::server::Server;

/// What goes wrong here ends the measurement; nobody handles it.
type Fallible<T> = Result<T, Box<dyn Error>>;

const USAGE: &str =
    "usage: headwater-benches [--records N] [--page N] [--days N] [--only light|ours] [--rounds N] [--keep FOLDER] [--one-cpu]
       headwater-benches engine [--records N] [--page N] [--days N] [--rounds N] [--one-cpu]";

/// What to measure.
#[derive(Clone, Debug)]
struct Options {
    shape: Shape,
    only: Option<String>,
    rounds: usize,
    keep: Option<String>,
    processors: Processors,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["light", origin, records, page, days, folder] => {
            parse_shape(records, page, days).and_then(|shape| light::run(origin, shape, Path::new(folder)))
        }
        [name, origin, records, page, days] if *name == Reader::Engine.name() => {
            parse_shape(records, page, days).and_then(|shape| Reader::Engine.run(origin, shape))
        }
        [name, origin, records, page, days] if *name == Reader::Light.name() => {
            parse_shape(records, page, days).and_then(|shape| Reader::Light.run(origin, shape))
        }
        ["engine", rest @ ..] => parse(rest).and_then(|options| bench_engine(&options)),
        words => parse(words).and_then(|options| bench(&options)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("failed: {error}");
            ExitCode::FAILURE
        }
    }
}

fn parse_shape(records: &str, page: &str, days: &str) -> Fallible<Shape> {
    Ok(Shape { records: records.parse()?, page: page.parse()?, days: days.parse()? })
}

fn parse(arguments: &[&str]) -> Fallible<Options> {
    let shape = Shape { records: 1_000_000, page: 1_000, days: 10 };
    let mut options = Options { shape, only: None, rounds: 1, keep: None, processors: Processors::All };
    let mut rest = arguments.iter();
    while let Some(flag) = rest.next() {
        if *flag == "--one-cpu" {
            options.processors = Processors::One;
            continue;
        }
        let value = rest.next().ok_or(USAGE)?;
        match *flag {
            "--records" => options.shape.records = value.parse()?,
            "--page" => options.shape.page = value.parse()?,
            "--days" => options.shape.days = value.parse()?,
            "--rounds" => options.rounds = value.parse()?,
            "--only" => options.only = Some((*value).to_owned()),
            "--keep" => options.keep = Some((*value).to_owned()),
            _ => return Err(USAGE.into()),
        }
    }
    Ok(options)
}

/// Starts the source and says what it holds.
fn start(shape: Shape) -> Fallible<Server> {
    let server = Server::start(shape)?;
    let bytes = server.bytes();
    println!(
        "{} orders of {} bytes, {} a page, {} windows of a day, {} MB in all",
        shape.records,
        bytes / shape.records.max(1),
        shape.page,
        shape.days,
        bytes / 1_000_000
    );
    println!("{:<16} {:>10} {:>8} {:>8} {:>8}", "", "records/s", "wall s", "CPU s", "peak MB");
    Ok(server)
}

/// Measures the engine alone. The two programs take turns, so that a busy machine is as busy for both.
fn bench_engine(options: &Options) -> Fallible<()> {
    if options.only.is_some() || options.keep.is_some() {
        return Err(USAGE.into());
    }
    let shape = options.shape;
    let server = start(shape)?;
    let (mut light, mut engine) = (Vec::new(), Vec::new());
    for _ in 0..options.rounds {
        for (reader, costs) in [(Reader::Light, &mut light), (Reader::Engine, &mut engine)] {
            let cost = reader.measure(&server.origin(), shape, options.processors)?;
            print_cost(reader.name(), shape, &cost);
            costs.push(cost);
        }
    }
    println!("each program typed every order once: {}", shape.records);
    if let (Some(light), Some(engine)) = (Cost::median(&light), Cost::median(&engine)) {
        let records = u32::try_from(shape.records).map_or(f64::INFINITY, f64::from);
        println!("records per CPU second: engine {:.0}, light {:.0}", records / engine, records / light);
        println!("engine / light: {:.2}", light / engine);
    }
    Ok(())
}

fn bench(options: &Options) -> Fallible<()> {
    let shape = options.shape;
    let server = start(shape)?;
    let is_wanted = |name: &str| options.only.as_deref().is_none_or(|only| only == name);
    let (mut light, mut ours) = (Vec::new(), Vec::new());
    for round in 0..options.rounds {
        let folder = tempfile::tempdir()?;
        if is_wanted("light") {
            let cost = light::measure(&server.origin(), shape, folder.path(), options.processors)?;
            print_cost("speed of light", shape, &cost);
            verify::files(&light::files(folder.path())?, shape)?;
            light.push(cost);
        }
        if is_wanted("ours") {
            let project = folder.path().join("project");
            let cost = ours::measure(&server.origin(), shape, &project, options.processors)?;
            print_cost("headwater run", shape, &cost);
            verify::files(&verify::live_files(&project.join("lake/cleansed/bench/orders"))?, shape)?;
            ours.push(cost);
        }
        if let Some(keep) = options.keep.as_ref().filter(|_| round + 1 == options.rounds) {
            fs_err::rename(folder.keep(), keep)?;
        }
    }
    println!("rows of each program equal the source's: {} orders, every field", shape.records);
    if let (Some(light), Some(ours)) = (Cost::median(&light), Cost::median(&ours)) {
        println!("CPU of headwater / CPU of the speed of light: {:.2}", ours / light);
    }
    Ok(())
}

fn print_cost(name: &str, shape: Shape, cost: &Cost) {
    let records = u32::try_from(shape.records).map_or(f64::INFINITY, f64::from);
    println!(
        "{name:<16} {:>10.0} {:>8.1} {:>8.2} {:>8.0}",
        records / cost.wall_seconds,
        cost.wall_seconds,
        cost.cpu_seconds,
        cost.peak_megabytes
    );
}
