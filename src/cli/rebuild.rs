//! `headwater rebuild`: cleansed or curated again from raw, without a request.

use headwater_lake::star::BuildOptions;
use serde_json::json;

use crate::cli::args::RebuildCommand;
use crate::cli::failure::Ended;
use crate::cli::output::{number, table};
use crate::cli::{Desk, star};

pub(crate) async fn rebuild(desk: &Desk, command: &RebuildCommand) -> Ended {
    let house = desk.open().await?;
    match command {
        RebuildCommand::Cleansed(selection) => {
            let rebuilt = house.rebuild_cleansed(&selection.streams).await?;
            let values: Vec<_> = rebuilt
                .iter()
                .map(|(stream, report)| {
                    json!({
                        "stream": stream, "windows": report.windows, "rows": report.rows,
                        "beaten": report.beaten.len(), "cut": report.cut.len(), "replayed": report.replayed,
                        "quarantined": report.quarantined.iter().map(|(_, more)| more).sum::<u64>(),
                        "left_out": report.left_out,
                    })
                })
                .collect();
            desk.output.data(&values, || {
                let columns = ["stream", "windows", "rows", "beaten", "replayed", "newly in quarantine", "left out"];
                let mut rows = vec![columns.map(String::from).to_vec()];
                rows.extend(rebuilt.iter().map(|(stream, report)| {
                    vec![
                        stream.to_string(),
                        number(report.windows as u64),
                        number(report.rows),
                        report.beaten.len().to_string(),
                        number(report.replayed as u64),
                        number(report.quarantined.iter().map(|(_, more)| more).sum()),
                        number(report.left_out),
                    ]
                }));
                table(&rows)
            });
            Ok(0)
        }
        RebuildCommand::Curated { stars } => star::build(desk, &house, stars, BuildOptions { is_rebuild: true }).await,
    }
}
