//! `headwater backfill`: reads every window of a range again.

use headwater_contract::TimeRange;

use crate::cli::args::BackfillArgs;
use crate::cli::failure::Ended;
use crate::cli::{Desk, plan, run};
use crate::project::ProjectError;
use crate::run::RunOptions;

pub(crate) async fn backfill(desk: &Desk, args: &BackfillArgs) -> Ended {
    let range = TimeRange::new(args.from, args.until).map_err(|error| ProjectError::Contradiction {
        at: "--from, --until".to_owned(),
        problem: error.to_string(),
    })?;
    let options = RunOptions {
        select: args.selection.streams.clone(),
        is_now: false,
        is_without_stars: args.no_star,
        is_strict: args.strict,
        again: Some(range),
    };
    if args.dry_run {
        return plan::show(desk, &options).await;
    }
    let house = desk.open_with(args.pause_at, false).await?;
    run::go(desk, &house, &options).await
}
