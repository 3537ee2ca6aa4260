//! The command line: one file a command, each a thin layer over the library.
//!
//! Commands return an exit code or an error that explains itself; what they print goes through [`output`]. STYLE of exit codes:
//! 0 done, 2 usage, 3 partial, 4 quality, 65 source, 69 unavailable, 75 parked, 77 access, 78 configuration, 130/143 stopped.

mod args;
mod auth;
mod backfill;
mod catalog;
mod check;
mod clock;
mod completion;
mod connector_tools;
mod connectors;
mod demo;
mod erase;
mod explore;
mod failure;
mod init;
mod ledger;
mod maintain;
mod output;
mod plan;
mod powerbi;
mod progress;
mod quarantine;
mod query;
mod read;
mod rebuild;
mod run;
mod runs;
mod sandbox;
mod schedule;
mod schema;
mod star;
mod status;

use std::io;
use std::process::ExitCode;
use std::sync::Arc;

use headwater_contract::{Clock, SystemClock};
use headwater_lake::steps::{Step, Steps};

pub use args::Cli;
use args::{Command, ConnectorsCommand, Global};
use clock::ShiftedClock;
use failure::{Ended, Failure};
use output::Output;

use crate::lakehouse::{Lakehouse, OpenOptions};
use crate::project::Environment;
use crate::run::Stop;

/// What every command is given.
pub(crate) struct Desk {
    pub(crate) global: Global,
    pub(crate) output: Output,
    pub(crate) environment: Environment,
    pub(crate) stop: Stop,
}

impl Desk {
    /// The time of day, moved when a test asked for it.
    pub(crate) fn clock(&self) -> Arc<dyn Clock> {
        match self.global.clock {
            Some(start) => Arc::new(ShiftedClock::starting_at(start)),
            None => Arc::new(SystemClock),
        }
    }

    /// Opens the project.
    pub(crate) async fn open(&self) -> Result<Lakehouse, Failure> {
        self.open_with(None, false).await
    }

    /// Opens the project to stop at a step, or to write nothing.
    pub(crate) async fn open_with(&self, pause_at: Option<Step>, is_dry: bool) -> Result<Lakehouse, Failure> {
        let steps = pause_at.map_or_else(Steps::run_through, Steps::pause_at);
        let options = OpenOptions { clock: self.clock(), steps, is_dry };
        Ok(Lakehouse::open(&self.global.project, self.environment.clone(), options).await?)
    }
}

/// Runs the command and returns the process's exit code.
pub async fn execute(cli: Cli, environment: Environment, stop: Stop) -> u8 {
    let output = Output { format: cli.global.output, is_quiet: cli.global.quiet };
    log_to_stderr(cli.global.verbose);
    let desk = Desk { global: cli.global, output, environment, stop };
    let ended = Box::pin(dispatch(&desk, cli.command)).await;
    match ended {
        Ok(code) => code,
        Err(failure) => {
            output.error(&failure);
            failure.explain().kind().exit_code()
        }
    }
}

async fn dispatch(desk: &Desk, command: Command) -> Ended {
    match command {
        Command::Demo(args) => demo::demo(desk, &args).await,
        Command::Init(args) => init::init(desk, &args),
        Command::Connectors { command: ConnectorsCommand::Schema { command: Some(command) } } => {
            schema::schema(desk, &command).await
        }
        Command::Connectors { command } => connectors::connectors(desk, &command).await,
        Command::Auth { command } => auth::auth(desk, &command).await,
        Command::Check(args) => check::check(desk, &args).await,
        Command::Plan(args) => plan::plan(desk, &args).await,
        Command::Run(args) => run::run(desk, &args).await,
        Command::Backfill(args) => backfill::backfill(desk, &args).await,
        Command::Status(selection) => status::status(desk, &selection).await,
        Command::Runs { command } => runs::runs(desk, &command).await,
        Command::Quarantine { command } => Box::pin(quarantine::quarantine(desk, &command)).await,
        Command::Query(args) => query::query(desk, &args).await,
        Command::Schedule(args) => schedule::schedule(desk, args).await,
        Command::Star { command } => star::star(desk, &command).await,
        Command::Explore { command } => explore::explore(desk, &command).await,
        Command::Catalog { command } => catalog::catalog(desk, &command).await,
        Command::Ledger { command } => ledger::ledger(desk, command).await,
        Command::Rebuild { command } => rebuild::rebuild(desk, &command).await,
        Command::Maintain(args) => maintain::maintain(desk, &args).await,
        Command::Erase(args) => erase::erase(desk, &args).await,
        Command::Powerbi { command } => powerbi::powerbi(desk, &command).await,
        Command::Read(args) => read::read(desk, &args).await,
        Command::Sandbox(args) => sandbox::sandbox(desk, &args).await,
        Command::Completion { shell } => completion::completion(desk, shell),
    }
}

fn log_to_stderr(verbose: u8) {
    let level = match verbose {
        // What the reader of Delta's log finds wrong comes back as an error, and is looked for on purpose where a version may be gone.
        0 => "warn,buoyant_kernel=off,buoyant_kernel_engine=off",
        1 => "headwater=info,headwater_lake=info,headwater_connectors=info,warn",
        _ => "headwater=debug,headwater_lake=debug,headwater_connectors=debug,info",
    };
    let subscriber =
        tracing_subscriber::fmt().with_writer(io::stderr).with_env_filter(level).with_target(false).without_time();
    // A process that embeds us may have its own subscriber already; then ours is not needed.
    let _already_set = subscriber.try_init();
}

/// What to say when not even the runtime starts.
pub fn cannot_start(error: &io::Error) -> ExitCode {
    let output = Output { format: args::Format::Text, is_quiet: false };
    output.note(format!("error[runtime]: the process cannot start its threads: {error}"));
    ExitCode::FAILURE
}
