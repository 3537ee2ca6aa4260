//! `headwater check`: whether each zone's store can be written safely, one cheap question per stream, and the containers of the zones
//! where they are asked for.

use headwater_contract::Explain;
use serde_json::json;

use crate::cli::Desk;
use crate::cli::args::CheckArgs;
use crate::cli::failure::Ended;
use crate::cli::output::table;
use crate::run::Problem;

pub(crate) async fn check(desk: &Desk, args: &CheckArgs) -> Ended {
    let house = desk.open_with(None, true).await?;
    if args.create_containers {
        for url in house.create_containers().await? {
            desk.output.note(format!("created {url}"));
        }
    }
    let (mut rows, mut values, mut code) = (vec![["stream", "answer"].map(String::from).to_vec()], Vec::new(), 0);
    for (zone, answer) in house.check_zones().await {
        match answer {
            Ok(url) => rows.push(vec![format!("zone {zone}"), format!("good: {url}")]),
            Err(error) => {
                rows.push(vec![format!("zone {zone}"), format!("[{}] {error}; {}", error.code(), error.fix())]);
                values.push(json!({ "zone": zone, "is_good": false, "error": Problem::of(&error) }));
                code = if code == 0 { error.kind().exit_code() } else { code };
            }
        }
    }
    for open in house.sources(&args.selection.streams)? {
        let report = open.source.check().await?;
        for checked in report.streams {
            if !open.streams.iter().any(|stream| stream.contract.name.stream() == checked.stream) {
                continue;
            }
            let name = format!("{}.{}", open.name, checked.stream);
            match checked.outcome {
                Ok(records) => {
                    rows.push(vec![name.clone(), format!("good: {records} records on the first page")]);
                    values.push(json!({ "stream": name, "is_good": true, "records": records }));
                }
                Err(error) => {
                    rows.push(vec![name.clone(), format!("[{}] {error}; {}", error.code(), error.fix())]);
                    values.push(json!({ "stream": name, "is_good": false, "error": Problem::of(&error) }));
                    code = if code == 0 { error.kind().exit_code() } else { code };
                }
            }
        }
    }
    desk.output.data(&values, || table(&rows));
    Ok(code)
}
