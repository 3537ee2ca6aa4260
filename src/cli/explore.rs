//! `headwater explore`: samples and features of people, with an owner and an end date.

use headwater_contract::Zone;
use headwater_lake::exploration::{self, Wish};

use crate::cli::Desk;
use crate::cli::args::ExploreCommand;
use crate::cli::failure::Ended;
use crate::cli::output::table;
use crate::project::ProjectError;
use crate::run::RunError;

pub(crate) async fn explore(desk: &Desk, command: &ExploreCommand) -> Ended {
    let house = desk.open().await?;
    match command {
        ExploreCommand::Create { name, sql, until, owner } => {
            let owner = owner.clone().unwrap_or_else(|| house.user().to_owned());
            let made = house.explore(Wish { owner: &owner, name, sql, until: *until }).await?;
            desk.output.data(&made, || made.table.to_string());
            desk.output
                .note(format!("it is {}'s until {}; then `headwater maintain` deletes it", made.owner, made.until));
        }
        ExploreCommand::List => {
            let listed = exploration::list(house.lake()).await.map_err(RunError::from)?;
            let caller = house.caller(None)?;
            let visible: Vec<_> = listed.into_iter().filter(|made| house.may_read(&caller, &made.table)).collect();
            let now = desk.clock().now();
            desk.output.data(&visible, || {
                let mut rows = vec![["table", "owner", "until", "made from"].map(String::from).to_vec()];
                rows.extend(visible.iter().map(|made| {
                    let ended = if made.is_expired(now) { " (over)" } else { "" };
                    let inputs: Vec<String> = made.inputs.iter().map(ToString::to_string).collect();
                    vec![
                        made.table.to_string(),
                        made.owner.clone(),
                        format!("{}{ended}", made.until),
                        inputs.join(", "),
                    ]
                }));
                if rows.len() > 1 { table(&rows) } else { String::new() }
            });
        }
        ExploreCommand::Drop { table } => {
            if table.zone != Zone::Exploration {
                let problem = format!("`{table}` is not a table of exploration");
                return Err(ProjectError::Contradiction { at: "explore drop".to_owned(), problem }.into());
            }
            house.permit(table, "explore drop")?;
            exploration::drop_table(house.lake(), &table.schema, &table.table).await.map_err(RunError::from)?;
            house.catalog().forget(table).await?;
            desk.output.data(&serde_json::json!({ "dropped": table }), || table.to_string());
        }
    }
    Ok(0)
}
