//! `headwater catalog`: every table with columns, freshness, owner and where it comes from.

use headwater_catalog::{Action, Details, Entry, Explanation, Search};
use headwater_contract::Zone;

use crate::cli::Desk;
use crate::cli::args::CatalogCommand;
use crate::cli::failure::Ended;
use crate::cli::output::{number, size, table};
use crate::cli::runs::at;
use crate::run::{RunError, unknown};

pub(crate) async fn catalog(desk: &Desk, command: &CatalogCommand) -> Ended {
    let house = desk.open().await?;
    let (words, now) = (house.words()?, desk.clock().now());
    match command {
        CatalogCommand::List { zone, text } => {
            let known = Zone::ALL.map(Zone::as_str);
            let zone = match zone {
                Some(name) => Some(
                    *Zone::ALL
                        .iter()
                        .find(|zone| zone.as_str() == name.as_str())
                        .ok_or_else(|| unknown("zone", name, known))?,
                ),
                None => None,
            };
            let search = Search { zone, text: text.clone(), ..Search::default() };
            let entries = house.catalog().list(&search, &words, now).await?;
            desk.output.data(&entries, || list_text(&entries));
        }
        CatalogCommand::Show { table } => {
            let details = house.catalog().show(table, &words, now).await?;
            desk.output.data(&details, || details_text(&details));
        }
        CatalogCommand::ExplainAccess { table, user, role } => {
            let user = user.as_deref().unwrap_or(house.user());
            let caller = house.policy().caller(user, role.as_ref()).map_err(RunError::from)?;
            let explanation = house.policy().explain(&caller, Action::Read, table);
            desk.output.data(&explanation, || explanation_text(&explanation));
        }
    }
    Ok(0)
}

fn explanation_text(explanation: &Explanation) -> String {
    let Explanation { user, own_role, role, action, table: name, reason, .. } = explanation;
    let acting = if role == own_role { format!("role {role}") } else { format!("role {own_role}, acting as {role}") };
    let may = if explanation.is_allowed { "may" } else { "may not" };
    let mut out = format!("`{user}` ({acting}) {may} {} {name}: {reason}\n", action.as_str());
    if let Some(rule) = &explanation.rule {
        out.push_str(&format!("\n{rule}\n"));
    }
    let mut rows = vec![["role", "reads it", "users"].map(String::from).to_vec()];
    rows.extend(explanation.roles.iter().map(|access| {
        let reads = if access.is_allowed { "yes" } else { "no" };
        vec![access.role.to_string(), reads.to_owned(), access.users.join(", ")]
    }));
    out.push_str(&format!("\n{}\npolicy {}\n", table(&rows), explanation.policy));
    out
}

fn list_text(entries: &[Entry]) -> String {
    let mut rows = vec![["table", "kind", "rows", "size", "written", "a row is"].map(String::from).to_vec()];
    rows.extend(entries.iter().map(|entry| {
        let dataset = &entry.dataset;
        let written = dataset.freshness.written_at.map(at).unwrap_or_default();
        vec![
            dataset.table.to_string(),
            dataset.kind.to_string(),
            number(dataset.stats.rows),
            size(dataset.stats.size_bytes),
            if entry.is_late { format!("{written} (late)") } else { written },
            dataset.title.clone(),
        ]
    }));
    if rows.len() > 1 { table(&rows) } else { String::new() }
}

fn details_text(details: &Details) -> String {
    let dataset = &details.entry.dataset;
    let mut out = format!("{}  ({})\n{}\n", dataset.table, dataset.kind, dataset.title);
    let facts = [
        ("about", dataset.description.clone().unwrap_or_default()),
        ("owner", dataset.owner.clone().unwrap_or_default()),
        ("key", dataset.key.join(", ")),
        ("rows", number(dataset.stats.rows)),
        ("size", format!("{} in {} files", size(dataset.stats.size_bytes), number(dataset.stats.files))),
        ("written", dataset.freshness.written_at.map(at).unwrap_or_default()),
        ("complete until", dataset.freshness.complete_until.map(at).unwrap_or_default()),
        ("best effort", dataset.best_effort.clone().unwrap_or_default()),
        ("ends", dataset.ends_at.map(at).unwrap_or_default()),
        ("lies at", dataset.location.clone()),
        ("comes from", details.origins.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
        ("goes to", details.reach.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")),
    ];
    for (label, fact) in facts.into_iter().filter(|(_, fact)| !fact.is_empty()) {
        out.push_str(&format!("  {label:<15} {fact}\n"));
    }
    let mut rows = vec![["column", "type", "", "meaning"].map(String::from).to_vec()];
    rows.extend(dataset.columns.iter().map(|column| {
        let class = column.classification.map(headwater_catalog::classification_name).unwrap_or_default();
        let null = if column.is_nullable { "nullable" } else { "" };
        let notes: Vec<&str> = [null, class].into_iter().filter(|note| !note.is_empty()).collect();
        vec![
            column.name.clone(),
            column.column_type.clone(),
            notes.join(", "),
            column.description.clone().unwrap_or_default(),
        ]
    }));
    out.push_str(&format!("\n{}", table(&rows)));
    for warning in &details.warnings {
        out.push_str(&format!("warning: {warning}\n"));
    }
    out
}
