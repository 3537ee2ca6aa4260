//! A star with what is hard: a date in two roles, measures of each additivity, names that collide or need quotes.

use std::path::Path;

use headwater_contract::{ColumnType, TableName, Zone};
use headwater_lake::star::{
    Additivity, ColumnDescription, ColumnRole, FactKind, MeasureDescription, Relationship, TableDescription, TableRole,
};

use super::*;

fn column(name: &str, column_type: &str, role: ColumnRole) -> ColumnDescription {
    ColumnDescription {
        name: name.to_owned(),
        title: names::title_of(name),
        column_type: column_type.parse().unwrap(),
        is_nullable: false,
        role,
        is_hidden: matches!(role, ColumnRole::SurrogateKey | ColumnRole::ForeignKey | ColumnRole::Measure),
        format: None,
        sort_by: None,
        description: None,
        classification: None,
    }
}

fn table(name: &str, role: TableRole, columns: Vec<ColumnDescription>) -> TableDescription {
    TableDescription {
        name: TableName::new(Zone::Curated, "shop", name),
        title: format!("Rows of {name}"),
        description: None,
        owner: None,
        tags: Vec::new(),
        role,
        columns,
        measures: Vec::new(),
        partition: None,
        inputs: Vec::new(),
    }
}

fn measure(column: &str, title: &str, additivity: Additivity) -> MeasureDescription {
    MeasureDescription {
        title: title.to_owned(),
        column: column.to_owned(),
        additivity,
        format: "#,##0.00".to_owned(),
        description: Some(format!("{title}, in euros.")),
    }
}

fn reference(from_column: &str, to_table: &str, to_column: &str, is_active: bool) -> Relationship {
    Relationship {
        from_table: "fact_sales".to_owned(),
        from_column: from_column.to_owned(),
        to_table: to_table.to_owned(),
        to_column: to_column.to_owned(),
        is_active,
    }
}

fn star() -> StarDescription {
    let mut month_name = column("month_name", "string", ColumnRole::Attribute);
    month_name.sort_by = Some("month_number".to_owned());
    month_name.description = Some("Name of the month,\nin English.".to_owned());
    let date = vec![
        column("date_key", "int64", ColumnRole::SurrogateKey),
        column("date", "date", ColumnRole::BusinessKey),
        month_name,
        column("month_number", "int64", ColumnRole::Attribute),
    ];
    let mut customer_name = column("name", "string", ColumnRole::Attribute);
    customer_name.title = "Customer's Name".to_owned();
    let customer = vec![
        column("customer_key", "int64", ColumnRole::SurrogateKey),
        customer_name,
        column("valid_from", "timestamp", ColumnRole::Validity),
    ];
    let sales = vec![
        column("order_date_key", "int64", ColumnRole::ForeignKey),
        column("ship_date_key", "int64", ColumnRole::ForeignKey),
        column("customer_key", "int64", ColumnRole::ForeignKey),
        column("order_number", "string", ColumnRole::Degenerate),
        column("quantity", "int64", ColumnRole::Measure),
        column("net_amount", "decimal(12,2)", ColumnRole::Measure),
        column("stock", "decimal(20,6)", ColumnRole::Measure),
        column("price", "float64", ColumnRole::Measure),
    ];
    let grain = vec!["order_number".to_owned()];
    let mut sales = table("fact_sales", TableRole::Fact { kind: FactKind::Transaction, grain }, sales);
    sales.measures = vec![
        measure("quantity", "Quantity", Additivity::Additive),
        measure("net_amount", "Net Amount", Additivity::Additive),
        measure("stock", "Stock", Additivity::SemiAdditive),
        measure("price", "Price", Additivity::NonAdditive),
    ];
    StarDescription {
        name: "shop".to_owned(),
        title: "Sales of the shop".to_owned(),
        description: None,
        owner: None,
        tags: Vec::new(),
        tables: vec![
            table("dim_date", TableRole::Date { date_column: "date".to_owned() }, date),
            table("dim_customer", TableRole::Dimension { has_history: true }, customer),
            sales,
        ],
        relationships: vec![
            reference("order_date_key", "dim_date", "date_key", true),
            reference("ship_date_key", "dim_date", "date_key", false),
            reference("customer_key", "dim_customer", "customer_key", true),
        ],
    }
}

fn folder() -> CuratedLocation {
    CuratedLocation::Folder("/lake/curated".to_owned())
}

fn text(project: &Project, path: &str) -> String {
    project.files()[&format!("Shop.SemanticModel/definition/{path}")].clone()
}

#[test]
fn refuses_a_column_that_is_not_flat() {
    let mut star = star();
    star.tables[1].columns[1].column_type = ColumnType::Struct(Vec::new());
    assert!(matches!(export(&star, &folder()), Err(ExportError::NotFlat { .. })));
}

#[test]
fn leaves_out_a_last_value_without_a_calendar_and_says_so() {
    let mut star = star();
    star.relationships.remove(0);
    let project = export(&star, &folder()).unwrap();
    assert_eq!(
        project.notes(),
        [
            "measure `Stock` of curated.shop.fact_sales has a last value only over a calendar, and the fact refers to none"
        ]
    );
    assert!(!text(&project, "tables/Sales.tmdl").contains("LASTNONBLANK"));
    assert!(!project.files().values().any(|text| text.contains("\"Stock\"")), "no visual shows it");
}

#[test]
fn a_fact_has_its_measures_by_additivity_and_by_each_date() {
    insta::assert_snapshot!("fact", text(&export(&star(), &folder()).unwrap(), "tables/Sales.tmdl"));
}

#[test]
fn a_calendar_is_marked_and_a_key_is_hidden() {
    insta::assert_snapshot!("calendar", text(&export(&star(), &folder()).unwrap(), "tables/Date.tmdl"));
}

#[test]
fn an_instant_is_shown_in_utc() {
    insta::assert_snapshot!("dimension", text(&export(&star(), &folder()).unwrap(), "tables/Customer.tmdl"));
}

#[test]
fn of_two_references_to_one_dimension_one_is_active() {
    insta::assert_snapshot!("relationships", text(&export(&star(), &folder()).unwrap(), "relationships.tmdl"));
}

#[test]
fn a_folder_and_a_container_are_read_by_their_own_connector() {
    let container = CuratedLocation::parse("abfss://lake@acct.dfs.core.windows.net/prod").unwrap();
    let texts = [folder(), container].map(|location| text(&export(&star(), &location).unwrap(), "expressions.tmdl"));
    assert!(texts[0].contains("Folder.Contents") && !texts[0].contains("AzureStorage"));
    assert!(texts[1].contains("AzureStorage.DataLake") && !texts[1].contains("Folder.Contents"));
    insta::assert_snapshot!("expressions", texts.join("\n----\n"));
}

#[test]
fn an_unchanged_star_exports_the_same_text() {
    assert_eq!(export(&star(), &folder()).unwrap(), export(&star(), &folder()).unwrap());
}

#[test]
fn a_second_export_drops_stale_tables_and_keeps_what_people_made() {
    let out = tempfile::tempdir().unwrap();
    let first = export(&star(), &folder()).unwrap().write(out.path()).unwrap();
    assert!(!first.kept_report && first.pbip.ends_with("Shop.pbip") && first.pbip.exists());
    let tables = out.path().join("Shop.SemanticModel/definition/tables");
    let report = out.path().join("Shop.Report/definition/report.json");
    fs_err::write(tables.join("Targets.tmdl"), "table Targets\n").unwrap();
    fs_err::write(&report, "{}").unwrap();
    let mut smaller = star();
    smaller.tables.remove(1);
    smaller.relationships.pop();
    let second = export(&smaller, &folder()).unwrap().write(out.path()).unwrap();
    assert!(second.kept_report && second.files < first.files);
    assert!(!tables.join("Customer.tmdl").exists() && tables.join("Targets.tmdl").exists());
    assert_eq!(fs_err::read_to_string(report).unwrap(), "{}");
}

#[test]
fn every_file_of_the_project_is_text_or_json() {
    let project = export(&star(), &folder()).unwrap();
    for (path, text) in project.files() {
        let is_json = Path::new(path).extension().is_none_or(|extension| extension != "tmdl");
        assert_eq!(serde_json::from_str::<serde_json::Value>(text).is_ok(), is_json, "{path}");
    }
}
