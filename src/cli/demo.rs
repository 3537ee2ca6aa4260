//! `headwater demo`: load, outage, crash, healing, star, answers, on a fresh machine in under a minute.
//!
//! Nothing is staged but the shop: the run that is killed is a child process of this very binary, killed with SIGKILL while it
//! waits between a receipt and its commit, and what heals afterwards is an ordinary run.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Instant;

use chrono::{NaiveTime, TimeDelta, Timelike};
use headwater_lake::star::BuildOptions;
use headwater_lake::steps::Step;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use crate::cli::args::DemoArgs;
use crate::cli::failure::{Ended, Failure};
use crate::cli::output::number;
use crate::cli::progress::Progress;
use crate::cli::{Desk, run};
use crate::lakehouse::{Lakehouse, OpenOptions};
use crate::project::{ProjectError, new_project};
use crate::run::{Outcome, RunError, RunOptions, RunReport};
use crate::sandbox::{Collection, Fault, FaultKind, Sandbox, SandboxOptions, TOKEN};

/// The star of `examples/shop`, as its files are.
const STAR: [(&str, &str); 7] = [
    ("star.yaml", include_str!("../../examples/shop/stars/shop/star.yaml")),
    ("dim_customer.sql", include_str!("../../examples/shop/stars/shop/dim_customer.sql")),
    ("dim_product.sql", include_str!("../../examples/shop/stars/shop/dim_product.sql")),
    ("fact_order_lines.sql", include_str!("../../examples/shop/stars/shop/fact_order_lines.sql")),
    ("fact_order_process.sql", include_str!("../../examples/shop/stars/shop/fact_order_process.sql")),
    ("fact_payments.sql", include_str!("../../examples/shop/stars/shop/fact_payments.sql")),
    ("fact_tickets.sql", include_str!("../../examples/shop/stars/shop/fact_tickets.sql")),
];

/// How long the shop has been open.
const DAYS: u32 = 60;

/// Three questions that a business asks, answered from curated alone.
const QUESTIONS: [(&str, &str); 3] = [
    (
        "Which categories bring the most?",
        "select p.category, sum(f.revenue) as revenue, sum(f.quantity) as pieces \
         from curated.shop.fact_order_lines f join curated.shop.dim_product p on f.product_key = p.product_key \
         group by p.category order by revenue desc limit 5",
    ),
    (
        "Where do the customers live who buy most?",
        "select c.country, sum(f.revenue) as revenue, count(distinct f.order_id) as orders \
         from curated.shop.fact_order_lines f join curated.shop.dim_customer c on f.customer_key = c.customer_key \
         group by c.country order by revenue desc limit 5",
    ),
    (
        "How is it paid, and how often does that fail?",
        "select method, count(*) as payments, sum(amount) as amount, \
         sum(case when state = 'failed' then 1 else 0 end) as failed \
         from curated.shop.fact_payments group by method order by amount desc",
    ),
];

pub(crate) async fn demo(desk: &Desk, args: &DemoArgs) -> Ended {
    let begun = Instant::now();
    let folder = desk.environment.folder.join(&args.folder);
    let sandbox = open_shop(desk).await?;
    write_project(desk, &folder, &sandbox)?;
    let options = OpenOptions { clock: desk.clock(), ..OpenOptions::default() };
    let house = Lakehouse::open(&folder, desk.environment.clone(), options).await?;
    let show = Show { desk, house, folder, sandbox };

    show.title("1 of 6", "the first load: sixty days of a small shop, from its API");
    show.run(&[]).await?;
    show.outage().await?;
    show.killed().await?;
    show.title("4 of 6", "the next run is an ordinary one, and it heals");
    let healed = show.run(&[]).await?;
    let owed = healed.windows().filter(|window| window.why == "uncommitted").count();
    let closed =
        healed.windows().filter(|window| matches!(window.outcome, Outcome::Committed | Outcome::Unchanged)).count();
    show.say(format!("{closed} windows committed, {owed} of them landed by the killed run and not read again"));
    show.compare().await?;
    show.answers().await?;
    show.rest(begun);
    show.sandbox.stop().await;
    Ok(desk.stop.code().unwrap_or(0))
}

/// A shop that opened sixty days ago and whose clock is seven hours behind ours, so that it has six to lose.
async fn open_shop(desk: &Desk) -> Result<Sandbox, Failure> {
    let now = desk.clock().now();
    let hour = now.date_naive().and_time(NaiveTime::MIN).and_utc() + TimeDelta::hours(now.hour().into());
    // Two minutes past the hour: the hour that has ended has settled.
    let starts = hour - TimeDelta::hours(7) + TimeDelta::minutes(2);
    let opens = starts.date_naive().and_time(NaiveTime::MIN).and_utc() - TimeDelta::days(DAYS.into());
    let options = SandboxOptions {
        port: 0,
        opens,
        days: DAYS,
        clock_start: Some(starts),
        clock: desk.clock(),
        ..SandboxOptions::default()
    };
    Ok(Sandbox::start(options).await.map_err(RunError::from)?)
}

/// A project in a fresh folder: the sandbox as the one source, the example's star.
fn write_project(desk: &Desk, folder: &Path, sandbox: &Sandbox) -> Result<(), Failure> {
    let is_taken = fs_err::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some());
    if is_taken {
        return Err(ProjectError::Exists { path: folder.display().to_string() }.into());
    }
    let source = format!(
        "  shop:\n    connector: sandbox            # `headwater sandbox` serves it\n    settings:\n      origin: {}\n      \
         token: file:sandbox-token.txt\n      start_on: {}\n",
        sandbox.origin(),
        sandbox.shop().opens().format("%Y-%m-%d"),
    );
    let io = |error: std::io::Error| Failure::from(ProjectError::from(error));
    new_project(folder, &desk.environment.user, &source, false)?;
    let file = folder.join(crate::project::PROJECT_FILE);
    let text = fs_err::read_to_string(&file).map_err(io)?;
    let private = format!("\nallow_private: [\"127.0.0.1:{}\"]\n", sandbox.port());
    fs_err::write(&file, text + &private).map_err(io)?;
    fs_err::write(folder.join("sandbox-token.txt"), format!("{TOKEN}\n")).map_err(io)?;
    let star = folder.join("stars").join("shop");
    fs_err::create_dir_all(&star).map_err(io)?;
    for (name, text) in STAR {
        fs_err::write(star.join(name), text).map_err(io)?;
    }
    Ok(())
}

/// The demo as it goes on.
struct Show<'a> {
    desk: &'a Desk,
    house: Lakehouse,
    folder: PathBuf,
    sandbox: Sandbox,
}

impl Show<'_> {
    fn title(&self, step: &str, text: &str) {
        self.say(format!("\n── {step}: {text}"));
    }

    fn say(&self, text: String) {
        self.desk.output.note(text);
    }

    /// A run with progress; its stars wait until the end.
    async fn run(&self, select: &[&str]) -> Result<RunReport, Failure> {
        let select = select.iter().map(|name| (*name).to_owned()).collect();
        let options = RunOptions { select, is_without_stars: true, ..RunOptions::default() };
        let progress = Arc::new(Progress::new(self.desk.output));
        let listener = {
            let progress = Arc::clone(&progress);
            Arc::new(move |event: &_| progress.hear(event))
        };
        let report = self.house.run(&options, listener, &self.desk.stop).await;
        progress.close();
        Ok(report?)
    }

    async fn outage(&self) -> Result<(), Failure> {
        self.title("2 of 6", "six hours pass in the shop, and its API answers 503 to everything");
        self.sandbox.shop().advance(TimeDelta::hours(6));
        self.sandbox.shop().add_fault(Fault::lasting(None, FaultKind::Status { status: 503, retry_after: None }));
        let report = self.run(&["shop.orders", "shop.events", "shop.payments"]).await?;
        self.say(format!(
            "the run ends with exit code {}; `headwater status` says what is missing and why:",
            report.exit_code()
        ));
        for stream in self.house.status(&["shop".to_owned()]).await? {
            for gap in stream.gaps.iter().filter(|gap| gap.range.is_some()) {
                self.say(format!("  {} {}  {}", stream.stream, gap.name(), gap.cause));
            }
        }
        self.sandbox.shop().clear_faults();
        Ok(())
    }

    /// Starts this binary once more, waits until it is between a receipt and its commit, and kills it.
    async fn killed(&self) -> Result<(), Failure> {
        self.title("3 of 6", "the source is back, but the run is killed half-way (SIGKILL, no chance to clean up)");
        let io = |error: std::io::Error| Failure::from(ProjectError::from(error));
        let step = Step::ReceiptCreated;
        let mut child = Command::new(&self.desk.environment.program)
            .arg("--project")
            .arg(&self.folder)
            .args(["run", "shop.orders", "--no-star", "--quiet", "--pause-at", step.as_str()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(io)?;
        let mut lines = child.stderr.take().map(|stderr| BufReader::new(stderr).lines());
        let expected = format!("paused at {step}");
        while let Some(lines) = &mut lines
            && let Some(line) = lines.next_line().await.map_err(io)?
        {
            if line == expected {
                break;
            }
            self.say(format!("  {line}"));
        }
        let id = child.id().map_or_else(String::new, |id| format!(" {id}"));
        child.kill().await.map_err(io)?;
        self.say(format!("process{id} was killed after its receipt was created and before its rows were visible"));
        Ok(())
    }

    /// Compares the lake with the shop: every event, once.
    async fn compare(&self) -> Result<(), Failure> {
        let until =
            self.house.status(&["shop.events".to_owned()]).await?.into_iter().find_map(|stream| stream.complete_until);
        let truth = self.sandbox.shop().truth(Collection::Events, None, until, None).lines().count();
        let sql = "select count(*) as n, count(distinct id) as ids from cleansed.shop.events";
        let answer = self.house.query(sql, None, 1).await?;
        let count = |name: &str| answer.as_json().pointer(name).and_then(serde_json::Value::as_u64).unwrap_or_default();
        let (rows, ids) = (count("/0/n"), count("/0/ids"));
        let verdict =
            if rows == ids && usize::try_from(rows) == Ok(truth) { "every one, once" } else { "NOT THE SAME" };
        let (rows, truth) = (number(rows), number(truth as u64));
        self.say(format!("events in the lake: {rows}, in the shop: {truth}: {verdict}"));
        Ok(())
    }

    async fn answers(&self) -> Result<(), Failure> {
        self.title("5 of 6", "facts and dimensions are built");
        let progress = Arc::new(Progress::new(self.desk.output));
        let listener = {
            let progress = Arc::clone(&progress);
            Arc::new(move |event: &_| progress.hear(event))
        };
        let report = self.house.build_stars(&[], BuildOptions::default(), listener, &self.desk.stop).await;
        progress.close();
        run::tell_problems(self.desk, &report?);
        self.title("6 of 6", "three questions, answered from curated");
        for (question, sql) in QUESTIONS {
            let answer = self.house.query(sql, None, 10).await?;
            let value = serde_json::json!({ "question": question, "sql": sql, "answer": answer.as_json() });
            self.desk.output.data(&value, || format!("\n{question}\n{}", answer.as_text()));
        }
        Ok(())
    }

    /// Where everything lies, and what to try next.
    fn rest(&self, begun: Instant) {
        let folder = self.folder.display();
        let shop = self.sandbox.shop();
        let again = format!(
            "headwater sandbox --port {} --opens {} --clock-start {} &",
            self.sandbox.port(),
            shop.opens().format("%Y-%m-%d"),
            shop.now().format("%Y-%m-%dT%H:%M:%SZ")
        );
        self.say(format!(
            "\n── done in {} seconds. It lies in {folder}:\n\
             headwater.yaml     the project\n\
             lake/raw           bodies as the shop sent them, with receipts\n\
             lake/cleansed      typed Delta tables, one or two a stream\n\
             lake/curated       facts and dimensions, also Delta\n\
             stars/shop         the star: YAML and SQL\n\
             \n── try next:\n\
             cd {folder}\n\
             {again}   # the shop again, where it was\n\
             headwater run        # nothing is due: nothing is asked for, nothing is written\n\
             headwater status\n\
             headwater catalog show curated.shop.fact_order_lines\n\
             headwater query \"select * from curated.shop.dim_customer limit 5\" --as analyst\n\
             headwater powerbi export --star shop",
            begun.elapsed().as_secs(),
        ));
    }
}
