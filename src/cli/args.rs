//! The command line as plain data: commands, flags and the help that people read.
//!
//! Names follow the habits of the trade (ARCHITECTURE.md § Words says what each word means here). Stdout carries data only;
//! everything a person reads beside it goes to stderr.

use std::path::PathBuf;

use chrono::{DateTime, NaiveDate, Utc};
use clap::{Args, Parser, Subcommand, ValueEnum};
use headwater_catalog::RoleName;
use headwater_contract::TableName;
use headwater_lake::steps::Step;

/// Pulls data from REST APIs into a lake that heals its own gaps, and builds star schemas from it.
#[derive(Debug, Parser)]
#[command(name = "headwater", version, max_term_width = 110, propagate_version = false, arg_required_else_help = true)]
pub struct Cli {
    /// Options of every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Clone, Debug, Args)]
pub struct Global {
    /// Folder of the project (where `headwater.yaml` is)
    #[arg(short = 'C', long = "project", value_name = "FOLDER", global = true, default_value = ".")]
    pub project: PathBuf,
    /// What to write to stdout
    #[arg(short, long, value_enum, global = true, default_value_t = Format::Text)]
    pub output: Format,
    /// Say less on stderr; errors are always said
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Log to stderr: -v what happens, -vv why
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// The time of day at which the process believes to start, for tests of what is due later
    #[arg(long, global = true, hide = true, value_name = "INSTANT")]
    pub clock: Option<DateTime<Utc>>,
}

/// What stdout carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON document.
    Json,
}

/// Everything that the runner can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show all of it in under a minute: load, outage, crash, healing, star, answers
    Demo(DemoArgs),
    /// Start a project in this folder
    Init(InitArgs),
    /// What can be read
    Connectors {
        /// What to do.
        #[command(subcommand)]
        command: ConnectorsCommand,
    },
    /// Consent that a person gives to a source: log in, see, give back
    Auth {
        /// What to do.
        #[command(subcommand)]
        command: AuthCommand,
    },
    /// Ask each source one cheap question per stream: does it answer, does the credential do
    Check(CheckArgs),
    /// Show what is due and not read; requests nothing that a plan does not need, writes nothing
    Plan(PlanArgs),
    /// Read what is due, then build the stars whose inputs changed
    Run(RunArgs),
    /// Read every window of a range again
    Backfill(BackfillArgs),
    /// Coverage of each stream, gaps with their cause, held windows
    Status(Selection),
    /// Runs of the past
    Runs {
        /// What to do.
        #[command(subcommand)]
        command: RunsCommand,
    },
    /// Records and windows that failed the gate
    Quarantine {
        /// What to do.
        #[command(subcommand)]
        command: QuarantineCommand,
    },
    /// Ask the lake in SQL: `select … from zone.schema.table`
    Query(QueryArgs),
    /// Keep reading by the project's schedules, until it is stopped
    Schedule(ScheduleArgs),
    /// Facts and dimensions in curated
    Star {
        /// What to do.
        #[command(subcommand)]
        command: StarCommand,
    },
    /// Samples and features of people, with an owner and an end date
    Explore {
        /// What to do.
        #[command(subcommand)]
        command: ExploreCommand,
    },
    /// Every table with columns, freshness, owner and where it comes from
    Catalog {
        /// What to do.
        #[command(subcommand)]
        command: CatalogCommand,
    },
    /// The database of window states
    Ledger {
        /// What to do.
        #[command(subcommand)]
        command: LedgerCommand,
    },
    /// Make cleansed or curated again from raw, without a request
    Rebuild {
        /// What to do.
        #[command(subcommand)]
        command: RebuildCommand,
    },
    /// Clean up: put small files together, shorten logs, delete what nothing names and what is past its end date
    Maintain(MaintainArgs),
    /// Erase a person: from raw, every table, the log of each, and later readings
    ///
    /// Every record whose column has the value goes, from every stream that is named. What is left of the windows is written again,
    /// files and old versions of the tables are deleted at once (they cannot be read as of before any more), stars are built again,
    /// and a keyed digest keeps the person out of later readings, replays and backfills. A run that is killed is finished by the same
    /// command. Tables of exploration are named and left to their owners. Not reached: backups, old object versions that a bucket
    /// keeps, what others have downloaded, the history of your shell.
    Erase(EraseArgs),
    /// A Power BI project of a star
    Powerbi {
        /// What to do.
        #[command(subcommand)]
        command: PowerbiCommand,
    },
    /// Records of a stream as the source sends them, one a line; writes nothing
    Read(ReadArgs),
    /// Serve the sandbox: a small shop's API, made up, on this machine
    Sandbox(SandboxArgs),
    /// Completions for a shell, to stdout
    Completion {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// Which streams.
#[derive(Clone, Debug, Default, Args)]
pub struct Selection {
    /// Sources or streams; all of the project when none is named
    #[arg(value_name = "SOURCE[.STREAM]")]
    pub streams: Vec<String>,
}

/// `check`
#[derive(Clone, Debug, Args)]
pub struct CheckArgs {
    /// Which streams.
    #[command(flatten)]
    pub selection: Selection,
    /// Create the containers of zones on Azure that are not there yet
    #[arg(long)]
    pub create_containers: bool,
}

/// `demo`
#[derive(Clone, Debug, Args)]
pub struct DemoArgs {
    /// A folder that is empty or not there yet
    #[arg(default_value = "headwater-demo")]
    pub folder: PathBuf,
}

/// `init`
#[derive(Clone, Debug, Args)]
pub struct InitArgs {
    /// The folder; this one when none is named
    pub folder: Option<PathBuf>,
    /// The connector to begin with
    #[arg(long, value_name = "NAME", default_value = "sandbox")]
    pub connector: String,
}

/// `connectors …`
#[derive(Clone, Debug, Subcommand)]
pub enum ConnectorsCommand {
    /// All connectors, ours and the project's
    List,
    /// One connector: settings, streams, windows, what is assumed
    Show {
        /// Its name.
        name: String,
    },
    /// What a manifest lacks or says in vain, with lines; totals of what is not published and assumed
    Lint {
        /// Its name, or the path of a file; all connectors when absent.
        name: Option<String>,
        /// The vendor's API description, which tells how large a page may be.
        #[arg(long, requires = "name")]
        spec: Option<PathBuf>,
    },
    /// Each fact of a manifest, held against the vendor's API description: found, contradicted or not covered
    Verify(VerifyArgs),
    /// Twelve promises that every connector keeps, tried on a server of this machine
    Test(TestArgs),
    /// A manifest from an API description; what was guessed is marked
    Draft(DraftArgs),
    /// A manifest of another tool as one of ours; what has no counterpart is named with its line
    Import {
        /// What to import.
        #[command(subcommand)]
        format: ImportCommand,
    },
    /// A page about a connector, or the index of all
    Docs {
        /// Its name, or the path of a file; the index when absent
        name: Option<String>,
        /// Write pages and index into this folder
        #[arg(long, value_name = "FOLDER")]
        out: Option<PathBuf>,
    },
    /// The first lines of a connector, in the project's `connectors/`
    New {
        /// Its name.
        name: String,
    },
    /// The JSON Schema of manifests, for editors; below it the columns that a source really has
    Schema {
        /// What to do about a stream's columns; prints the JSON Schema when absent.
        #[command(subcommand)]
        command: Option<SchemaCommand>,
    },
}

/// `connectors schema …`
#[derive(Clone, Debug, Subcommand)]
pub enum SchemaCommand {
    /// How a stream's columns differ from what its source lists and sends
    Diff(SchemaDiffArgs),
    /// Writes differences into the project's copy of the manifest; comments stay
    Accept(SchemaAcceptArgs),
}

/// `connectors schema diff`
#[derive(Clone, Debug, Args)]
pub struct SchemaDiffArgs {
    /// The stream
    #[arg(value_name = "SOURCE.STREAM")]
    pub stream: String,
    /// Records to look at
    #[arg(long, default_value_t = headwater_connectors::columns::SAMPLE_RECORDS)]
    pub records: u64,
    /// The slice, where the stream has slices; the first when absent
    #[arg(long)]
    pub slice: Option<String>,
    /// First UTC day or instant of the range
    #[arg(long, value_name = "DAY", value_parser = instant)]
    pub from: Option<DateTime<Utc>>,
    /// First UTC day or instant after it
    #[arg(long, value_name = "DAY", value_parser = instant)]
    pub until: Option<DateTime<Utc>>,
}

/// `connectors schema accept`
#[derive(Clone, Debug, Args)]
pub struct SchemaAcceptArgs {
    /// What to look at.
    #[command(flatten)]
    pub seen: SchemaDiffArgs,
    /// The columns to accept; new ones and nulls when absent, while a type changes only where its column is named
    #[arg(long, value_delimiter = ',', value_name = "COLUMN")]
    pub column: Vec<String>,
}

/// `auth …`
#[derive(Clone, Debug, Subcommand)]
pub enum AuthCommand {
    /// Log in to a source that asks a person's consent; its tokens are kept in the project's state folder
    Login {
        /// The source.
        source: String,
        /// By a code that is entered on any device, where this machine has no browser
        #[arg(long)]
        device: bool,
    },
    /// Which tokens are kept and when they end; never the tokens
    List,
    /// Give a source's tokens back and forget them
    Revoke {
        /// The source.
        source: String,
    },
}

/// `connectors verify`
#[derive(Clone, Debug, Args)]
pub struct VerifyArgs {
    /// The connector's name, or the path of its manifest
    #[arg(required_unless_present = "all")]
    pub name: Option<String>,
    /// The API description: `OpenAPI` 3 or Swagger 2, JSON or YAML
    #[arg(long, value_name = "FILE", required_unless_present = "all")]
    pub spec: Option<PathBuf>,
    /// An older description: says what changed since for the connector's streams
    #[arg(long, value_name = "FILE", requires = "spec")]
    pub before: Option<PathBuf>,
    /// Show each column that was found, not only how many
    #[arg(long)]
    pub columns: bool,
    /// Verify every connector by this folder of descriptions
    #[arg(long, value_name = "FOLDER", conflicts_with_all = ["name", "spec"])]
    pub all: Option<PathBuf>,
    /// Where to write the evidence of all
    #[arg(long, value_name = "FILE", requires = "all")]
    pub out: Option<PathBuf>,
}

/// `connectors test`
#[derive(Clone, Debug, Args)]
pub struct TestArgs {
    /// The connectors' names, or the paths of their manifests
    #[arg(required_unless_present = "all")]
    pub names: Vec<String>,
    /// Every connector, ours and the project's
    #[arg(long, conflicts_with_all = ["names", "spec"])]
    pub all: bool,
    /// The API description of which answers are made; without one a run proves the engine and not the manifest
    #[arg(long, value_name = "FILE")]
    pub spec: Option<PathBuf>,
    /// Only these streams
    #[arg(long, value_name = "STREAM", value_delimiter = ',')]
    pub streams: Vec<String>,
    /// Also say what had nothing to try, and why
    #[arg(long)]
    pub why: bool,
}

/// `connectors draft`
#[derive(Clone, Debug, Args)]
pub struct DraftArgs {
    /// The API description
    #[arg(long, value_name = "FILE")]
    pub openapi: PathBuf,
    /// The connector's name; the vendor's when absent
    #[arg(long)]
    pub name: Option<String>,
    /// The lists to keep
    #[arg(long, value_delimiter = ',', value_name = "STREAM")]
    pub streams: Vec<String>,
    /// The document's title, where the file holds several
    #[arg(long, value_name = "TITLE")]
    pub document: Option<String>,
    /// The file to write; stdout when absent
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// `connectors import …`
#[derive(Clone, Debug, Subcommand)]
pub enum ImportCommand {
    /// A low-code manifest of Airbyte
    Airbyte(ImportArgs),
}

/// `connectors import airbyte`
#[derive(Clone, Debug, Args)]
pub struct ImportArgs {
    /// The low-code manifest
    pub file: PathBuf,
    /// The connector's name; that of the file's folder when absent
    #[arg(long)]
    pub name: Option<String>,
    /// The file to write; stdout when absent
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// `read`
#[derive(Clone, Debug, Args)]
pub struct ReadArgs {
    /// The stream
    #[arg(value_name = "SOURCE.STREAM")]
    pub stream: String,
    /// Records at most
    #[arg(long, default_value_t = 10)]
    pub limit: usize,
    /// The slice, where the stream has slices; all when absent
    #[arg(long)]
    pub slice: Option<String>,
    /// First UTC day or instant of the range
    #[arg(long, value_name = "DAY", value_parser = instant)]
    pub from: Option<DateTime<Utc>>,
    /// First UTC day or instant after it
    #[arg(long, value_name = "DAY", value_parser = instant)]
    pub until: Option<DateTime<Utc>>,
}

/// `plan`
#[derive(Clone, Debug, Args)]
pub struct PlanArgs {
    /// Which streams.
    #[command(flatten)]
    pub selection: Selection,
    /// As `run --now` would
    #[arg(long)]
    pub now: bool,
}

/// `run`
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
#[derive(Clone, Debug, Args)]
pub struct RunArgs {
    /// Which streams.
    #[command(flatten)]
    pub selection: Selection,
    /// Read lists and chains although they are not due, and try what waits or was stopped
    #[arg(long)]
    pub now: bool,
    /// Build no star
    #[arg(long)]
    pub no_star: bool,
    /// Send what a plan needs, write nothing, show what would be read
    #[arg(long)]
    pub dry_run: bool,
    /// End with code 4 when any record was quarantined
    #[arg(long)]
    pub strict: bool,
    /// Stop at a step of the protocol and wait to be killed
    #[arg(long, hide = true, value_name = "STEP")]
    pub pause_at: Option<Step>,
}

/// `backfill`
#[derive(Clone, Debug, Args)]
pub struct BackfillArgs {
    /// Which streams.
    #[command(flatten)]
    pub selection: Selection,
    /// First UTC day or instant of the range
    #[arg(long, value_name = "DAY", value_parser = instant)]
    pub from: DateTime<Utc>,
    /// First UTC day or instant after the range
    #[arg(long, value_name = "DAY", value_parser = instant)]
    pub until: DateTime<Utc>,
    /// Build no star
    #[arg(long)]
    pub no_star: bool,
    /// Show what would be read, write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// End with code 4 when any record was quarantined
    #[arg(long)]
    pub strict: bool,
    /// Stop at a step of the protocol and wait to be killed
    #[arg(long, hide = true, value_name = "STEP")]
    pub pause_at: Option<Step>,
}

/// `runs …`
#[derive(Clone, Debug, Subcommand)]
pub enum RunsCommand {
    /// The latest runs
    List {
        /// How many
        #[arg(long, default_value_t = 20)]
        limit: u32,
    },
    /// One run, window by window
    Show {
        /// Its id; `last` for the latest.
        #[arg(default_value = "last")]
        run: String,
    },
}

/// One stream's window.
#[derive(Clone, Debug, Args)]
pub struct WindowArgs {
    /// The stream
    #[arg(value_name = "SOURCE.STREAM")]
    pub stream: String,
    /// The window's name, as `quarantine list` shows it
    pub window: String,
    /// The slice, where the stream has slices
    #[arg(long, default_value = "")]
    pub slice: String,
}

/// `quarantine …`
#[derive(Clone, Debug, Subcommand)]
pub enum QuarantineCommand {
    /// Held windows and quarantined records
    List(Selection),
    /// The records of one window, with reason and bytes
    Show {
        /// The window.
        #[command(flatten)]
        window: WindowArgs,
        /// How many records
        #[arg(long, default_value_t = 20)]
        limit: usize,
    },
    /// Release a held window as it is
    Accept {
        /// The window.
        #[command(flatten)]
        window: WindowArgs,
    },
    /// Read a window's stored bodies again under the present contract, without a request
    Replay {
        /// The window.
        #[command(flatten)]
        window: WindowArgs,
    },
}

/// `query`
#[derive(Clone, Debug, Args)]
pub struct QueryArgs {
    /// One SELECT over tables named `zone.schema.table`
    pub sql: String,
    /// Ask as this role; it only narrows what you may read
    #[arg(long = "as", value_name = "ROLE")]
    pub role: Option<RoleName>,
    /// Rows to print at most
    #[arg(long, default_value_t = 1_000)]
    pub limit: usize,
}

/// `schedule`
#[derive(Clone, Copy, Debug, Args)]
pub struct ScheduleArgs {
    /// Look once at what is due by now, then end: for cron, systemd timers and container jobs
    #[arg(long)]
    pub once: bool,
}

/// `star …`
#[derive(Clone, Debug, Subcommand)]
pub enum StarCommand {
    /// Stars of the project
    List,
    /// Build stars now, changed inputs or not
    Build {
        /// Which; all when none is named
        stars: Vec<String>,
        /// Stop at a step of the protocol and wait to be killed
        #[arg(long, hide = true, value_name = "STEP")]
        pause_at: Option<Step>,
    },
}

/// `explore …`
#[derive(Clone, Debug, Subcommand)]
pub enum ExploreCommand {
    /// Keep the answer of a query as `exploration.<owner>.<name>`
    Create {
        /// Its name
        name: String,
        /// One SELECT over tables that you may read
        #[arg(long)]
        sql: String,
        /// The day on which it may be dropped
        #[arg(long, value_name = "DAY")]
        until: NaiveDate,
        /// Whose it is; you when nobody is named
        #[arg(long)]
        owner: Option<String>,
    },
    /// What there is, whose, and until when
    List,
    /// Delete one
    Drop {
        /// `exploration.<owner>.<name>`
        table: TableName,
    },
}

/// `catalog …`
#[derive(Clone, Debug, Subcommand)]
pub enum CatalogCommand {
    /// All tables
    List {
        /// Only tables with these words in name, meaning, columns or tags
        text: Option<String>,
        /// Only this zone
        #[arg(long)]
        zone: Option<String>,
    },
    /// One table: columns, freshness, lineage
    Show {
        /// `zone.schema.table`
        table: TableName,
    },
    /// Why somebody may or may not read a table, and who else may
    ExplainAccess {
        /// `zone.schema.table`
        table: TableName,
        /// About this user; you when nobody is named
        #[arg(long)]
        user: Option<String>,
        /// As if he asked as this role; it only narrows
        #[arg(long = "as", value_name = "ROLE")]
        role: Option<RoleName>,
    },
}

/// `ledger …`
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum LedgerCommand {
    /// Make a new ledger from receipts and Delta logs, and claim the lake with it
    Rebuild,
}

/// `rebuild …`
#[derive(Clone, Debug, Subcommand)]
pub enum RebuildCommand {
    /// Cleansed tables, from raw and its receipts
    Cleansed(Selection),
    /// Stars, from cleansed and the kept keys and history
    Curated {
        /// Which; all when none is named
        stars: Vec<String>,
    },
}

/// `erase`
#[derive(Clone, Debug, Args)]
pub struct EraseArgs {
    /// By what the person is known: a stream, then columns of it, e.g. `shop.customers id=42 shop.orders customer_id=42`
    #[arg(value_name = "SOURCE.STREAM COLUMN=VALUE", required = true)]
    pub whom: Vec<String>,
    /// Tell what would be erased, delete and write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Stop at a step of the protocol and wait to be killed
    #[arg(long, hide = true, value_name = "STEP")]
    pub pause_at: Option<Step>,
}

/// `maintain`
#[derive(Clone, Debug, Args)]
pub struct MaintainArgs {
    /// Tables, or `raw.SOURCE.STREAM` for a stream's parts; everything when none is named
    #[arg(value_name = "ZONE.SCHEMA.TABLE")]
    pub tables: Vec<TableName>,
    /// Tell what would be done, delete and write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Stop at a step of the protocol and wait to be killed
    #[arg(long, hide = true, value_name = "STEP")]
    pub pause_at: Option<Step>,
}

/// `powerbi …`
#[derive(Clone, Debug, Subcommand)]
pub enum PowerbiCommand {
    /// Write a PBIP folder: tables, relationships, measures
    Export {
        /// The star
        #[arg(long)]
        star: String,
        /// The folder to write
        #[arg(long = "out", value_name = "FOLDER", default_value = "powerbi")]
        folder: PathBuf,
        /// Where Power BI finds curated, when not where we do: a folder or an ADLS URL
        #[arg(long, value_name = "FOLDER|URL")]
        location: Option<String>,
    },
}

/// `sandbox`
#[derive(Clone, Debug, Args)]
pub struct SandboxArgs {
    /// Port on 127.0.0.1; 0 takes a free one
    #[arg(long, default_value_t = 8787)]
    pub port: u16,
    /// Orders in the shop's first days
    #[arg(long, default_value_t = 50_000)]
    pub orders: u32,
    /// Days that the orders are spread over, up to the clock's start
    #[arg(long, default_value_t = 60)]
    pub days: u32,
    /// The seed that everything is made from
    #[arg(long, default_value_t = 7)]
    pub seed: u64,
    /// The day on which the shop opened
    #[arg(long, value_name = "DAY")]
    pub opens: Option<NaiveDate>,
    /// What its clock shows at the start
    #[arg(long, value_name = "INSTANT")]
    pub clock_start: Option<DateTime<Utc>>,
    /// Seconds of the shop in one of ours; 0 stands still
    #[arg(long, default_value_t = 0)]
    pub pace: u32,
}

fn instant(text: &str) -> Result<DateTime<Utc>, String> {
    let day = text.parse::<NaiveDate>().map(|day| day.and_time(chrono::NaiveTime::MIN).and_utc());
    day.or_else(|_| text.parse())
        .map_err(|_| format!("`{text}` is neither a day (2024-03-01) nor an instant (2024-03-01T06:00:00Z)"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_holds_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn rejects_what_is_no_day_no_step_and_no_role() {
        for line in [
            "backfill --from yesterday --until 2024-01-01",
            "run --pause-at nowhere",
            "query select --as Analyst",
            "catalog show gold.a.b",
            "run -o xml",
            "backfill --from 2024-01-01",
        ] {
            assert!(Cli::try_parse_from(std::iter::once("headwater").chain(line.split(' '))).is_err(), "{line}");
        }
        assert_eq!(instant("2024-03-01"), instant("2024-03-01T00:00:00Z"));
    }
}
