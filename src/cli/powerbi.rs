//! `headwater powerbi export`: a Power BI project of a star.

use headwater_lake::star::describe;
use serde_json::json;

use crate::cli::Desk;
use crate::cli::args::PowerbiCommand;
use crate::cli::failure::Ended;
use crate::powerbi::{CuratedLocation, export};
use crate::run::unknown;

pub(crate) async fn powerbi(desk: &Desk, command: &PowerbiCommand) -> Ended {
    let PowerbiCommand::Export { star, folder, location } = command;
    let house = desk.open().await?;
    let stars = house.stars(std::slice::from_ref(star))?;
    let star = stars.first().ok_or_else(|| unknown("star", star, Vec::<String>::new()))?;
    let location = match location {
        Some(text) => CuratedLocation::parse(text)?,
        None => CuratedLocation::of_url(house.lake().zones.curated.url())?,
    };
    let project = export(&describe(star), &location)?;
    let written = project.write(&desk.environment.folder.join(folder))?;
    let value = json!({ "pbip": written.pbip, "files": written.files, "kept_report": written.kept_report, "notes": project.notes() });
    desk.output.data(&value, || written.pbip.display().to_string());
    for note in project.notes() {
        desk.output.note(note);
    }
    desk.output.note(format!("{} files written; open {} in Power BI Desktop", written.files, written.pbip.display()));
    Ok(0)
}
