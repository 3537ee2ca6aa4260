//! `headwater maintain`: what a lake needs from time to time, in one command that a schedule also runs once a day.

use headwater_lake::maintenance::Swept;

use crate::Lakehouse;
use crate::cli::args::MaintainArgs;
use crate::cli::failure::{Ended, Failure};
use crate::cli::output::{number, size, table};
use crate::cli::{Desk, run};
use crate::run::{MaintainOptions, MaintainReport};

pub(crate) async fn maintain(desk: &Desk, args: &MaintainArgs) -> Ended {
    let house = desk.open_with(args.pause_at, args.dry_run).await?;
    let options = MaintainOptions { tables: args.tables.clone(), is_dry: args.dry_run };
    let report = Box::pin(house.maintain(&options)).await?;
    desk.output.data(&report, || text(&report));
    tell(desk, &report);
    Ok(report.exit_code())
}

/// What a schedule does once a day; its data goes to nobody, so stdout stays the runs' own.
pub(crate) async fn daily(desk: &Desk, house: &Lakehouse) -> Result<(), Failure> {
    if !house.is_maintenance_due(desk.clock().now()).await? {
        return Ok(());
    }
    let report = Box::pin(house.maintain(&MaintainOptions::default())).await?;
    tell(desk, &report);
    Ok(())
}

fn tell(desk: &Desk, report: &MaintainReport) {
    for stream in &report.busy {
        desk.output.note(format!("{stream}: another runner works on it, so its files were not put together"));
    }
    let (files, into) =
        report.compacted.iter().fold((0, 0), |(files, into), one| (files + one.files, into + one.into_files));
    let (files, into, swept) = (number(files), number(into), report.swept());
    let (deleted, bytes) = (number(swept.files), size(swept.bytes));
    desk.output.note(if report.is_dry {
        format!("a dry run: {files} files would be put together, {deleted} files ({bytes}) deleted")
    } else {
        format!("put together {files} files into {into}, deleted {deleted} files ({bytes})")
    });
    run::tell(desk, report.problems.iter());
}

fn text(report: &MaintainReport) -> String {
    let mut rows = vec![["what", "where", "files", "size", "version"].map(String::from).to_vec()];
    let mut row = |what: &str, place: String, swept: Swept, version: Option<i64>| {
        let version = version.map(|version| version.to_string()).unwrap_or_default();
        rows.push(vec![what.to_owned(), place, number(swept.files), size(swept.bytes), version]);
    };
    for one in &report.compacted {
        let place = format!("cleansed.{}", one.table.replace('/', "."));
        row("put together", place, Swept { files: one.files, bytes: one.bytes }, one.version);
    }
    for one in &report.tables {
        if !one.vacuum.swept.is_nothing() {
            row("not shown any more", one.table.clone(), one.vacuum.swept, one.vacuum.version);
        }
        if one.log.checkpoint.is_some() {
            row("checkpoint", one.table.clone(), Swept::default(), one.log.checkpoint);
        }
        if one.log.forgotten > 0 {
            row("old log", one.table.clone(), Swept { files: one.log.forgotten, bytes: 0 }, None);
        }
    }
    for one in &report.parts {
        let place = format!("raw.{}", one.stream);
        if one.voided > 0 {
            row("abandoned", place.clone(), Swept { files: one.voided, bytes: 0 }, None);
        }
        if !one.swept.is_nothing() {
            row("named by no receipt", place, one.swept, None);
        }
    }
    for table in &report.dropped {
        row("past its end date", table.to_string(), Swept::default(), None);
    }
    for (place, swept) in [("scratch", report.scratch), ("unfinished files", report.unfinished)] {
        if !swept.is_nothing() {
            row("left behind", place.to_owned(), swept, None);
        }
    }
    if rows.len() > 1 { table(&rows) } else { String::new() }
}
