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
                        "beaten": report.beaten.len(), "cut": report.cut.len(),
                    })
                })
                .collect();
            desk.output.data(&values, || {
                let mut rows = vec![["stream", "windows", "rows", "beaten"].map(String::from).to_vec()];
                rows.extend(rebuilt.iter().map(|(stream, report)| {
                    vec![
                        stream.to_string(),
                        number(report.windows as u64),
                        number(report.rows),
                        report.beaten.len().to_string(),
                    ]
                }));
                table(&rows)
            });
            Ok(0)
        }
        RebuildCommand::Curated { stars } => star::build(desk, &house, stars, BuildOptions { is_rebuild: true }).await,
    }
}
