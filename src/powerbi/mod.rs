//! A star as a Power BI project: a PBIP folder that Power BI Desktop opens and Git compares.
//!
//! The model folder is generated and rewritten by each export; the report folder is a first page to start from, written once
//! and then the user's. Ids are derived from names, so exporting again changes only what changed in the star. The layout follows
//! <https://learn.microsoft.com/power-bi/developer/projects/projects-overview>. Nothing here can run Power BI itself: what is
//! checked is that Microsoft's own TMDL and M parsers and its JSON schemas accept the folder (`tests/powerbi/validate.sh`).

mod error;
mod files;
mod ids;
mod location;
mod model;
mod names;
mod power_query;
mod report;
mod tmdl;

pub use error::ExportError;
pub use files::{Project, Written};
pub use location::CuratedLocation;

use headwater_lake::star::StarDescription;

/// Makes the project of a star whose curated tables lie at `location`.
///
/// # Errors
///
/// [`ExportError::NotFlat`] when a column has a type that Power BI has no word for.
pub fn export(star: &StarDescription, location: &CuratedLocation) -> Result<Project, ExportError> {
    let names = names::ModelNames::of(star);
    let mut project = Project::new(names::title_of(&star.name));
    model::add_files(&mut project, star, &names, location)?;
    report::add_files(&mut project, star, &names);
    Ok(project)
}

#[cfg(test)]
mod tests;
