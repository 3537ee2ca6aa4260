//! Power Query (M) that reads a curated table: one function that finds the folder, one query a table.
//!
//! The root stands in a parameter, which Power BI's service can change without opening the model. `DeltaLake.Table` reads the
//! log, so files that a later commit removed are not shown
//! (<https://learn.microsoft.com/powerquery-m/deltalake-table>).

use headwater_contract::ColumnType;
use headwater_lake::star::{TableDescription, TableRole};

use crate::powerbi::ExportError;
use crate::powerbi::location::CuratedLocation;

/// The name of the function that reads a curated table.
const FUNCTION: &str = "CuratedTable";

/// A parameter or function that queries share.
pub(super) struct Shared {
    pub(super) name: &'static str,
    pub(super) description: &'static str,
    pub(super) text: String,
    pub(super) is_function: bool,
}

/// The parameters and the function, for where the tables lie.
pub(super) fn shared(location: &CuratedLocation) -> Vec<Shared> {
    let parameter = |name, description, value: &str| Shared {
        name,
        description,
        text: format!("{} meta [IsParameterQuery=true, Type=\"Text\", IsParameterQueryRequired=true]", text_of(value)),
        is_function: false,
    };
    let (mut shared, root) = match location {
        CuratedLocation::Folder(folder) => (
            vec![parameter("CuratedLocation", "Folder that holds the curated zone.", folder)],
            "Root = Folder.Contents(CuratedLocation),\n    Path = {schema, table},",
        ),
        CuratedLocation::DataLake { container, path } => (
            vec![
                parameter("CuratedLocation", "Container of ADLS Gen2 that holds the curated zone.", container),
                parameter("CuratedPath", "Folders from the container's root to the curated zone, joined by /.", path),
            ],
            "Root = AzureStorage.DataLake(CuratedLocation, [HierarchicalNavigation = true]),\n    \
             Path = List.Select(Text.Split(CuratedPath, \"/\"), each _ <> \"\") & {schema, table},",
        ),
    };
    let text = format!(
        "(schema as text, table as text) as table =>\nlet\n    {root}\n    \
         Folder = List.Accumulate(Path, Root, (level, name) => Table.SelectRows(level, each [Name] = name){{0}}[Content])\n\
         in\n    DeltaLake.Table(Folder)"
    );
    shared.push(Shared { name: FUNCTION, description: "Reads one curated Delta table.", text, is_function: true });
    shared
}

/// The query of one table.
pub(super) fn query(table: &TableDescription) -> Result<String, ExportError> {
    let mut steps =
        vec![format!("Source = {FUNCTION}({}, {})", text_of(&table.name.schema), text_of(&table.name.table))];
    let names: Vec<String> = table.columns.iter().map(|column| text_of(&column.name)).collect();
    steps.push(format!("Selected = Table.SelectColumns(Source, {{{}}})", names.join(", ")));
    let mut last = "Selected";

    let instants = table.columns.iter().filter(|column| column.column_type == ColumnType::Timestamp);
    let instants: Vec<String> =
        instants.map(|column| format!("{{{}, AsUtc, type datetime}}", text_of(&column.name))).collect();
    if !instants.is_empty() {
        // A model has no zones: an instant is shown in UTC wherever it is refreshed.
        steps.push(
            "AsUtc = (value) => if value is datetimezone then DateTimeZone.RemoveZone(DateTimeZone.ToUtc(value)) else value"
                .to_owned(),
        );
        steps.push(format!("InUtc = Table.TransformColumns({last}, {{{}}})", instants.join(", ")));
        last = "InUtc";
    }
    let mut types = Vec::new();
    for column in table.columns.iter().filter(|column| column.column_type != ColumnType::Timestamp) {
        let column_type =
            Shape::of(&column.column_type).ok_or_else(|| not_flat(table, &column.name, &column.column_type))?;
        types.push(format!("{{{}, {}}}", text_of(&column.name), column_type.power_query));
    }
    if !types.is_empty() {
        steps.push(format!("Typed = Table.TransformColumnTypes({last}, {{{}}}, \"en-US\")", types.join(", ")));
        last = "Typed";
    }
    if let TableRole::Date { date_column } = &table.role {
        // The unknown member has no date, and a date table must not have blanks. Its facts show under blank.
        steps.push(format!("Dated = Table.SelectRows({last}, each [{}] <> null)", field_of(date_column)));
        last = "Dated";
    }
    Ok(format!("let\n    {}\nin\n    {last}", steps.join(",\n    ")))
}

pub(super) fn not_flat(table: &TableDescription, column: &str, column_type: &ColumnType) -> ExportError {
    ExportError::NotFlat {
        table: table.name.to_string(),
        column: column.to_owned(),
        column_type: column_type.to_string(),
    }
}

/// A type in the words of the model and of Power Query, with a format where the model needs one.
pub(super) struct Shape {
    pub(super) model: &'static str,
    pub(super) power_query: &'static str,
    pub(super) format: Option<&'static str>,
}

impl Shape {
    /// Fixed decimals have 4 digits after the point and 15 before; others are shown as floating numbers.
    /// <https://learn.microsoft.com/power-bi/connect-data/desktop-data-types>
    pub(super) fn of(column_type: &ColumnType) -> Option<Self> {
        let shape = |model, power_query, format| Some(Self { model, power_query, format });
        match column_type {
            ColumnType::String | ColumnType::Json => shape("string", "type text", None),
            ColumnType::Int64 => shape("int64", "Int64.Type", None),
            ColumnType::Boolean => shape("boolean", "type logical", None),
            ColumnType::Decimal { precision, scale }
                if *scale <= 4 && i16::from(*precision) - i16::from(*scale) <= 15 =>
            {
                shape("decimal", "Currency.Type", None)
            }
            ColumnType::Float64 | ColumnType::Decimal { .. } => shape("double", "type number", None),
            ColumnType::Date => shape("dateTime", "type date", Some("yyyy-mm-dd")),
            ColumnType::Timestamp => shape("dateTime", "type datetime", Some("yyyy-mm-dd hh:nn:ss")),
            ColumnType::Struct(_) | ColumnType::List(_) => None,
        }
    }
}

/// A text literal of M. <https://learn.microsoft.com/powerquery-m/m-spec-lexical-structure#text-literals>
fn text_of(text: &str) -> String {
    let escaped = text.replace("#(", "#(#)(").replace('"', "\"\"");
    let escaped = escaped.replace('\n', "#(lf)").replace('\r', "#(cr)").replace('\t', "#(tab)");
    format!("\"{escaped}\"")
}

/// A field name between brackets, quoted so that any character may stand in it.
fn field_of(name: &str) -> String {
    let is_plain = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if is_plain { name.to_owned() } else { format!("#{}", text_of(name)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_keeps_to_its_quotes() {
        assert_eq!(text_of("a\"b#(lf)\n"), "\"a\"\"b#(#)(lf)#(lf)\"");
    }

    #[test]
    fn a_decimal_that_does_not_fit_is_a_floating_number() {
        for (precision, scale, expected) in
            [(12, 2, "decimal"), (19, 4, "decimal"), (20, 4, "double"), (12, 6, "double")]
        {
            let shape = Shape::of(&ColumnType::Decimal { precision, scale }).unwrap();
            assert_eq!(shape.model, expected, "decimal({precision},{scale})");
        }
        assert!(Shape::of(&ColumnType::Struct(Vec::new())).is_none());
    }
}
