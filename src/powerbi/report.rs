//! A first report: a page for each fact, with its measures as cards and its first measure over time.
//!
//! Power BI Desktop opens a project by its report, so there must be one; pages are in the format PBIR
//! (<https://learn.microsoft.com/power-bi/developer/projects/projects-report>). No base theme is named: a theme is a file of
//! Power BI's own, and without one it takes its default.

use headwater_lake::star::{Additivity, StarDescription, TableDescription, TableRole};
use serde_json::{Value, json};

use crate::powerbi::files::Project;
use crate::powerbi::ids::{id_of, short_id_of};
use crate::powerbi::names::ModelNames;

const SCHEMAS: &str = "https://developer.microsoft.com/json-schemas/fabric";

/// Size of a page in pixels, as Power BI Desktop makes new ones.
const PAGE: (u32, u32) = (1280, 720);

/// Space around visuals, and the height of the cards, in pixels.
const MARGIN: u32 = 20;
const CARDS_HEIGHT: u32 = 140;

/// Measures that the cards have room for.
const CARDS_MAX: usize = 6;

pub(super) fn add_files(project: &mut Project, star: &StarDescription, names: &ModelNames) {
    let folder = project.report_folder();
    let shortcut = json!({
        "$schema": format!("{SCHEMAS}/pbip/pbipProperties/1.0.0/schema.json"),
        "version": "1.0",
        "artifacts": [{ "report": { "path": folder } }],
        "settings": { "enableAutoRecovery": true },
    });
    project.add_json(format!("{}.pbip", project.name()), &shortcut);
    let platform = json!({
        "$schema": format!("{SCHEMAS}/gitIntegration/platformProperties/2.0.0/schema.json"),
        "metadata": { "type": "Report", "displayName": project.name(), "description": star.title },
        "config": { "version": "2.0", "logicalId": id_of(&format!("{}/report", star.name)) },
    });
    project.add_json(format!("{folder}/.platform"), &platform);
    let definition = json!({
        "$schema": format!("{SCHEMAS}/item/report/definitionProperties/2.0.0/schema.json"),
        "version": "4.0",
        "datasetReference": { "byPath": { "path": format!("../{}", project.model_folder()) } },
    });
    project.add_json(format!("{folder}/definition.pbir"), &definition);
    let definition = format!("{folder}/definition");
    let version = json!({ "$schema": schema("versionMetadata/1.0.0"), "version": "2.0.0" });
    project.add_json(format!("{definition}/version.json"), &version);
    let report = json!({ "$schema": schema("report/3.0.0"), "themeCollection": {} });
    project.add_json(format!("{definition}/report.json"), &report);

    let mut order = Vec::new();
    for fact in star.tables.iter().filter(|table| table.is_fact()) {
        let page = short_id_of(&format!("{}/page/{}", star.name, fact.name.table));
        add_page(project, &format!("{definition}/pages/{page}"), &page, star, fact, names);
        order.push(page);
    }
    if order.is_empty() {
        // A report has at least one page.
        let page = short_id_of(&format!("{}/page", star.name));
        project.add_json(format!("{definition}/pages/{page}/page.json"), &page_of(&page, project.name()));
        order.push(page);
    }
    let pages = json!({
        "$schema": schema("pagesMetadata/1.0.0"),
        "pageOrder": order,
        "activePageName": order.first(),
    });
    project.add_json(format!("{definition}/pages/pages.json"), &pages);
}

fn schema(part: &str) -> String {
    format!("{SCHEMAS}/item/report/definition/{part}/schema.json")
}

fn page_of(name: &str, title: &str) -> Value {
    json!({
        "$schema": schema("page/2.0.0"),
        "name": name,
        "displayName": title,
        "displayOption": "FitToPage",
        "width": PAGE.0,
        "height": PAGE.1,
    })
}

/// A page with the fact's measures; over time where it refers to a calendar.
fn add_page(
    project: &mut Project,
    folder: &str,
    page: &str,
    star: &StarDescription,
    fact: &TableDescription,
    names: &ModelNames,
) {
    let name = &fact.name.table;
    let shown = names.table(name);
    project.add_json(format!("{folder}/page.json"), &page_of(page, shown));

    let calendar =
        star.relationships.iter().filter(|known| known.from_table == *name && known.is_active).find_map(|known| {
            match &star.table(&known.to_table)?.role {
                TableRole::Date { date_column } => Some((known.to_table.as_str(), date_column.as_str())),
                _ => None,
            }
        });
    let has_dax = |additivity| additivity != Additivity::SemiAdditive || calendar.is_some();
    let measures = fact.measures.iter().filter(|measure| has_dax(measure.additivity));
    let mut shown_measures: Vec<&str> = measures.map(|measure| names.measure(name, &measure.column)).collect();
    shown_measures.push(names.row_count(name));
    let fields: Vec<Value> =
        shown_measures.iter().take(CARDS_MAX).map(|measure| field("Measure", shown, measure)).collect();
    let cards = json!({ "Values": { "projections": fields } });
    let top = (MARGIN, CARDS_HEIGHT);
    add_visual(project, folder, &format!("{page}/cards"), "multiRowCard", top, &cards);

    if let (Some((calendar, date)), Some(first)) = (calendar, shown_measures.first()) {
        let axis = field("Column", names.table(calendar), names.column(calendar, date));
        let line = json!({
            "Category": { "projections": [axis] },
            "Y": { "projections": [field("Measure", shown, first)] },
        });
        let below = (MARGIN + CARDS_HEIGHT + MARGIN, PAGE.1 - CARDS_HEIGHT - 3 * MARGIN);
        add_visual(project, folder, &format!("{page}/line"), "lineChart", below, &line);
    }
}

/// A field of the model that a visual shows.
fn field(kind: &str, table: &str, name: &str) -> Value {
    json!({
        "field": { (kind): { "Expression": { "SourceRef": { "Entity": table } }, "Property": name } },
        "queryRef": format!("{table}.{name}"),
        "nativeQueryRef": name,
    })
}

/// A visual as wide as the page, at `(y, height)`.
fn add_visual(project: &mut Project, folder: &str, path: &str, kind: &str, place: (u32, u32), state: &Value) {
    let name = short_id_of(path);
    let (y, height) = place;
    let visual = json!({
        "$schema": schema("visualContainer/2.0.0"),
        "name": name,
        "position": { "x": MARGIN, "y": y, "z": 0, "width": PAGE.0 - 2 * MARGIN, "height": height, "tabOrder": y },
        "visual": { "visualType": kind, "query": { "queryState": state }, "drillFilterOtherVisuals": true },
    });
    project.add_json(format!("{folder}/visuals/{name}/visual.json"), &visual);
}
