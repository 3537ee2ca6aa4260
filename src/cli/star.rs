//! `headwater star`: facts and dimensions in curated.

use std::sync::Arc;

use headwater_lake::star::{BuildOptions, describe};
use serde_json::json;

use crate::cli::args::StarCommand;
use crate::cli::failure::Ended;
use crate::cli::output::table;
use crate::cli::progress::Progress;
use crate::cli::{Desk, run};

pub(crate) async fn star(desk: &Desk, command: &StarCommand) -> Ended {
    match command {
        StarCommand::List => list(desk).await,
        StarCommand::Build { stars, pause_at } => {
            let house = desk.open_with(*pause_at, false).await?;
            build(desk, &house, stars, BuildOptions::default()).await
        }
    }
}

/// Builds stars whether their inputs changed or not.
pub(crate) async fn build(desk: &Desk, house: &crate::Lakehouse, stars: &[String], options: BuildOptions) -> Ended {
    let progress = Arc::new(Progress::new(desk.output));
    let listener = {
        let progress = Arc::clone(&progress);
        Arc::new(move |event: &_| progress.hear(event))
    };
    let report = house.build_stars(stars, options, listener, &desk.stop).await;
    progress.close();
    let report = report?;
    desk.output.data(&run::with_exit_code(&report), || run::text(&report));
    run::tell_problems(desk, &report);
    Ok(desk.stop.code().unwrap_or_else(|| report.exit_code()))
}

async fn list(desk: &Desk) -> Ended {
    let house = desk.open().await?;
    let described: Vec<_> = house.stars(&[])?.iter().map(describe).collect();
    let values: Vec<_> = described
        .iter()
        .map(|star| json!({ "star": star.name, "tables": star.tables.iter().map(|table| table.name.to_string()).collect::<Vec<_>>() }))
        .collect();
    desk.output.data(&values, || {
        let mut rows = vec![["star", "table", "a row is"].map(String::from).to_vec()];
        for star in &described {
            rows.extend(
                star.tables.iter().map(|table| vec![star.name.clone(), table.name.to_string(), table.title.clone()]),
            );
        }
        table(&rows)
    });
    Ok(0)
}
