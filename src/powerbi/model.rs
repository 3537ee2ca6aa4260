//! The semantic model: tables, columns, measures, relationships and queries in TMDL.
//!
//! Measures come from a small fixed set of DAX, since nothing outside Power BI can check more: sums, the last value of a period,
//! averages and row counts; and each sum again for every date that is not the fact's first.

use headwater_lake::star::{
    Additivity, ColumnDescription, ColumnRole, MeasureDescription, Relationship, StarDescription, TableDescription,
    TableRole,
};
use serde_json::json;

use crate::powerbi::ExportError;
use crate::powerbi::files::Project;
use crate::powerbi::ids::id_of;
use crate::powerbi::location::CuratedLocation;
use crate::powerbi::names::{ModelNames, title_of};
use crate::powerbi::power_query::{self, Shape};
use crate::powerbi::tmdl::{Tmdl, dax_column, dax_measure, dax_table, quote};

/// Marks tables that an export wrote, with the name of their source.
pub(super) const TABLE_ANNOTATION: &str = "annotation Headwater_Table";

/// A level that Power BI Desktop and the service have supported since TMDL.
/// <https://learn.microsoft.com/analysis-services/tabular-models/compatibility-level-for-tabular-models-in-analysis-services>
const COMPATIBILITY_LEVEL: u32 = 1601;

const SCHEMAS: &str = "https://developer.microsoft.com/json-schemas/fabric";

/// A star with the names that its model shows.
struct Model<'a> {
    star: &'a StarDescription,
    names: &'a ModelNames,
}

pub(super) fn add_files(
    project: &mut Project,
    star: &StarDescription,
    names: &ModelNames,
    location: &CuratedLocation,
) -> Result<(), ExportError> {
    let model = Model { star, names };
    let folder = project.model_folder();
    let platform = json!({
        "$schema": format!("{SCHEMAS}/gitIntegration/platformProperties/2.0.0/schema.json"),
        "metadata": { "type": "SemanticModel", "displayName": project.name(), "description": star.title },
        "config": { "version": "2.0", "logicalId": id_of(&format!("{}/model", star.name)) },
    });
    project.add_json(format!("{folder}/.platform"), &platform);
    let definition = json!({
        "$schema": format!("{SCHEMAS}/item/semanticModel/definitionProperties/1.0.0/schema.json"),
        "version": "4.2",
        "settings": {},
    });
    project.add_json(format!("{folder}/definition.pbism"), &definition);
    let database = format!(
        "database {}\n\tcompatibilityLevel: {COMPATIBILITY_LEVEL}\n\tcompatibilityMode: powerBI\n",
        quote(project.name())
    );
    project.add(format!("{folder}/definition/database.tmdl"), database);
    project.add(format!("{folder}/definition/model.tmdl"), model.model_text());
    project.add(format!("{folder}/definition/expressions.tmdl"), model.expressions_text(location));
    project.add(format!("{folder}/definition/relationships.tmdl"), model.relationships_text());
    for table in &star.tables {
        let text = model.table_text(table)?;
        project.add(format!("{folder}/definition/tables/{}.tmdl", names.table(&table.name.table)), text);
        for measure in table.measures.iter().filter(|measure| model.dax(table, measure).is_none()) {
            project.note(format!(
                "measure `{}` of {} has a last value only over a calendar, and the fact refers to none",
                measure.title, table.name
            ));
        }
    }
    Ok(())
}

impl Model<'_> {
    fn model_text(&self) -> String {
        let mut text = Tmdl::default();
        let about = self.star.description.as_deref().unwrap_or(&self.star.title);
        text.description(0, Some(about));
        text.line(0, "model Model");
        text.line(1, "culture: en-US");
        text.line(1, "defaultPowerBIDataSourceVersion: powerBI_V3");
        text.line(1, "discourageImplicitMeasures");
        text.line(1, "sourceQueryCulture: en-US");
        text.gap();
        // The star brings a calendar, so Power BI need not make one for each date column.
        text.line(1, "annotation __PBI_TimeIntelligenceEnabled = 0");
        text.gap();
        for table in &self.star.tables {
            text.line(0, &format!("ref table {}", quote(self.names.table(&table.name.table))));
        }
        text.into_text()
    }

    fn expressions_text(&self, location: &CuratedLocation) -> String {
        let mut text = Tmdl::default();
        for shared in power_query::shared(location) {
            text.gap();
            text.description(0, Some(shared.description));
            if shared.is_function {
                text.line(0, &format!("expression {} =", quote(shared.name)));
                text.block(2, &shared.text);
            } else {
                text.line(0, &format!("expression {} = {}", quote(shared.name), shared.text));
            }
            text.lineage_tag(1, &format!("{}/expression/{}", self.star.name, shared.name));
            text.gap();
            text.line(
                1,
                &format!("annotation PBI_ResultType = {}", if shared.is_function { "Function" } else { "Text" }),
            );
        }
        text.into_text()
    }

    fn relationships_text(&self) -> String {
        let mut text = Tmdl::default();
        for relationship in &self.star.relationships {
            let Relationship { from_table, from_column, to_table, to_column, is_active } = relationship;
            text.gap();
            let path = format!("{}/relationship/{from_table}.{from_column}/{to_table}.{to_column}", self.star.name);
            text.line(0, &format!("relationship {}", id_of(&path)));
            if !is_active {
                text.line(1, "isActive: false");
            }
            for (end, table, column) in [("fromColumn", from_table, from_column), ("toColumn", to_table, to_column)] {
                let shown = format!("{}.{}", quote(self.names.table(table)), quote(self.names.column(table, column)));
                text.line(1, &format!("{end}: {shown}"));
            }
        }
        text.into_text()
    }

    fn table_text(&self, table: &TableDescription) -> Result<String, ExportError> {
        let name = &table.name.table;
        let path = format!("{}/{name}", self.star.name);
        let shown = quote(self.names.table(name));
        let mut text = Tmdl::default();
        text.description(0, Some(&table.title));
        text.description(0, table.description.as_deref());
        text.line(0, &format!("table {shown}"));
        text.lineage_tag(1, &path);
        if matches!(table.role, TableRole::Date { .. }) {
            text.line(1, "dataCategory: Time");
        }
        self.measures_text(&mut text, table);
        for column in &table.columns {
            self.column_text(&mut text, table, column)?;
        }
        text.gap();
        text.line(1, &format!("partition {shown} = m"));
        text.line(2, "mode: import");
        text.line(2, "source =");
        text.block(4, &power_query::query(table)?);
        text.gap();
        text.line(1, &format!("{TABLE_ANNOTATION} = {}", table.name));
        Ok(text.into_text())
    }

    fn column_text(
        &self,
        text: &mut Tmdl,
        table: &TableDescription,
        column: &ColumnDescription,
    ) -> Result<(), ExportError> {
        let name = &table.name.table;
        let shape = Shape::of(&column.column_type);
        let shape = shape.ok_or_else(|| power_query::not_flat(table, &column.name, &column.column_type))?;
        // A table has one key column; of a date table it is the date, which marks it as one.
        let is_key = match &table.role {
            TableRole::Date { date_column } => *date_column == column.name,
            TableRole::Dimension { .. } | TableRole::Time => column.role == ColumnRole::SurrogateKey,
            TableRole::Fact { .. } => false,
        };
        text.gap();
        text.description(1, column.description.as_deref());
        text.line(1, &format!("column {}", quote(self.names.column(name, &column.name))));
        text.line(2, &format!("dataType: {}", shape.model));
        text.flag(2, "isHidden", column.is_hidden);
        text.flag(2, "isKey", is_key);
        if let Some(format) = column.format.as_deref().or(shape.format) {
            text.property(2, "formatString", format);
        }
        text.lineage_tag(2, &format!("{}/{name}/{}", self.star.name, column.name));
        text.line(2, "summarizeBy: none");
        text.property(2, "sourceColumn", &column.name);
        if let Some(sort_by) = &column.sort_by {
            text.line(2, &format!("sortByColumn: {}", quote(self.names.column(name, sort_by))));
        }
        Ok(())
    }

    fn measures_text(&self, text: &mut Tmdl, table: &TableDescription) {
        if !table.is_fact() {
            return;
        }
        let name = &table.name.table;
        let path = format!("{}/{name}/measure", self.star.name);
        for measure in &table.measures {
            let Some(dax) = self.dax(table, measure) else { continue };
            let shown = self.names.measure(name, &measure.column);
            text.gap();
            text.description(1, measure.description.as_deref());
            text.line(1, &format!("measure {} = {dax}", quote(shown)));
            text.property(2, "formatString", &measure.format);
            text.lineage_tag(2, &format!("{path}/{}", measure.column));
            if measure.additivity != Additivity::Additive {
                continue;
            }
            for (role, dax) in self.by_other_dates(table, shown) {
                text.gap();
                text.line(1, &format!("measure {} = {dax}", quote(&format!("{shown} by {}", role_title(role)))));
                text.property(2, "formatString", &measure.format);
                text.line(2, "displayFolder: By Other Dates");
                text.lineage_tag(2, &format!("{path}/{}/by/{role}", measure.column));
            }
        }
        text.gap();
        let rows = self.names.row_count(name);
        text.line(1, &format!("measure {} = COUNTROWS({})", quote(rows), dax_table(self.names.table(name))));
        text.line(2, "formatString: #,##0");
        text.lineage_tag(2, &format!("{path}s/rows"));
    }

    /// The expression of a measure; none when a last value has no calendar to be the last of.
    fn dax(&self, table: &TableDescription, measure: &MeasureDescription) -> Option<String> {
        let name = &table.name.table;
        let column = dax_column(self.names.table(name), self.names.column(name, &measure.column));
        match measure.additivity {
            Additivity::Additive => Some(format!("SUM({column})")),
            Additivity::NonAdditive => Some(format!("AVERAGE({column})")),
            Additivity::SemiAdditive => {
                let (calendar, date) = self.calendar_of(name)?;
                let date = dax_column(self.names.table(calendar), self.names.column(calendar, date));
                Some(format!("CALCULATE(SUM({column}), LASTNONBLANK({date}, CALCULATE(SUM({column}))))"))
            }
        }
    }

    /// The date table that the fact's active relationship leads to, and its date column.
    fn calendar_of(&self, fact: &str) -> Option<(&str, &str)> {
        let mut active = self.star.relationships.iter().filter(|known| known.from_table == fact && known.is_active);
        active.find_map(|known| match &self.star.table(&known.to_table)?.role {
            TableRole::Date { date_column } => Some((known.to_table.as_str(), date_column.as_str())),
            _ => None,
        })
    }

    /// A measure's value by each date whose relationship is not active: the role, and the expression.
    fn by_other_dates<'a>(&'a self, table: &'a TableDescription, measure: &str) -> Vec<(&'a str, String)> {
        let name = &table.name.table;
        let others = self.star.relationships.iter().filter(|known| {
            let target = self.star.table(&known.to_table);
            known.from_table == *name
                && !known.is_active
                && target.is_some_and(|target| matches!(target.role, TableRole::Date { .. }))
        });
        let with_dax = others.map(|known| {
            let from = dax_column(self.names.table(name), self.names.column(name, &known.from_column));
            let to =
                dax_column(self.names.table(&known.to_table), self.names.column(&known.to_table, &known.to_column));
            let dax = format!("CALCULATE({}, USERELATIONSHIP({from}, {to}))", dax_measure(measure));
            (known.from_column.as_str(), dax)
        });
        with_dax.collect()
    }
}

/// `ship_date_key` as `Ship Date`.
fn role_title(column: &str) -> String {
    title_of(column.strip_suffix("_key").unwrap_or(column))
}
