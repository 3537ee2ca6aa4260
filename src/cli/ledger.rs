//! `headwater ledger rebuild`: a new ledger from receipts and Delta logs.

use serde_json::json;

use crate::cli::Desk;
use crate::cli::args::LedgerCommand;
use crate::cli::failure::Ended;

pub(crate) async fn ledger(desk: &Desk, command: LedgerCommand) -> Ended {
    let LedgerCommand::Rebuild = command;
    let house = desk.open().await?;
    let report = house.rebuild_ledger().await?;
    let value = json!({
        "claim": report.claim.number, "ledger": report.claim.ledger, "streams": report.streams, "windows": report.windows,
        "committed": report.committed, "beaten": report.beaten, "held": report.held,
    });
    desk.output.data(&value, || {
        format!(
            "{} streams, {} windows: {} visible, {} held, {} beaten\nthis ledger owns the lake now (claim {})",
            report.streams, report.windows, report.committed, report.held, report.beaten, report.claim.number
        )
    });
    desk.output.note("`headwater run` commits what is landed and reads what is missing");
    Ok(0)
}
