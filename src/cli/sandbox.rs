//! `headwater sandbox`: serves the shop until it is stopped.

use chrono::TimeDelta;
use serde_json::json;

use crate::cli::Desk;
use crate::cli::args::SandboxArgs;
use crate::cli::failure::Ended;
use crate::sandbox::{Sandbox, SandboxOptions, TOKEN};

pub(crate) async fn sandbox(desk: &Desk, args: &SandboxArgs) -> Ended {
    desk.stop.heed();
    let defaults = SandboxOptions::default();
    let opens = args.opens.map_or(defaults.opens, |day| day.and_time(chrono::NaiveTime::MIN).and_utc());
    let options = SandboxOptions {
        seed: args.seed,
        orders: args.orders,
        days: args.days,
        port: args.port,
        opens,
        clock_start: args.clock_start.or(Some(opens + TimeDelta::days(args.days.into()))),
        pace: args.pace,
        clock: desk.clock(),
        ..defaults
    };
    let sandbox = Sandbox::start(options).await.map_err(crate::run::RunError::from)?;
    let origin = sandbox.origin().to_owned();
    let about = json!({ "origin": origin, "token": TOKEN, "clock": sandbox.shop().now() });
    desk.output.data(&about, || origin.clone());
    desk.output.note(format!(
        "a small shop, made up, at {origin} (token `{TOKEN}`); its clock shows {} and stands still\n\
         move it:   curl -X POST {origin}/_sandbox/clock -H 'content-type: application/json' -d '{{\"advance_seconds\": 3600}}'\n\
         break it:  see `GET {origin}/_sandbox/faults`\n\
         Ctrl-C ends it",
        sandbox.shop().now().format("%Y-%m-%d %H:%M:%SZ"),
    ));
    desk.stop.asked().await;
    sandbox.stop().await;
    Ok(0)
}
