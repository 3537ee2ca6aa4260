//! The columns of each table, as the model decides them: one place for the build, the Delta schema and the description.

use headwater_contract::{ColumnType, TableName, Zone};

use crate::star::definition::{Rows, Star};
use crate::star::describe::{
    Additivity, ColumnDescription, ColumnRole, FactKind, MeasureDescription, Relationship, StarDescription,
    TableDescription, TableRole,
};
use crate::star::model::{
    ColumnFile, DeletePolicy, DimensionFile, FactFile, FactKindFile, MeasureFile, OnMissing, ScdType,
};

/// The partition column of facts that are partitioned by month.
pub(crate) const MONTH: &str = "month";

/// The surrogate key's name.
pub(crate) fn surrogate_key(name: &str, dimension: &DimensionFile) -> String {
    dimension.key.clone().unwrap_or_else(|| format!("{}_key", name.strip_prefix("dim_").unwrap_or(name)))
}

/// Whether the dimension keeps a row for each version of a member.
pub(crate) fn has_history(dimension: &DimensionFile) -> bool {
    dimension.columns.0.iter().any(|(_, column)| column.scd.unwrap_or_default().is_versioned())
}

/// Whether a fact of the star may bring members that the dimension's own rows do not have.
pub(crate) fn is_inferred_by_a_fact(star: &Star, dimension: &str) -> bool {
    star.facts().any(|(_, fact)| {
        fact.lookups.0.iter().any(|(_, lookup)| lookup.dimension == dimension && lookup.on_missing == OnMissing::Infer)
    })
}

/// Describes a star from its model alone.
pub fn describe(star: &Star) -> StarDescription {
    let dimensions = star.dimensions().map(|(name, dimension)| describe_dimension(star, name, dimension));
    let tables: Vec<_> = dimensions.chain(star.facts().map(|(name, fact)| describe_fact(star, name, fact))).collect();
    let mut relationships: Vec<Relationship> = Vec::new();
    for (name, fact) in star.facts() {
        for (role, lookup) in &fact.lookups.0 {
            let is_first =
                !relationships.iter().any(|known| known.from_table == name && known.to_table == lookup.dimension);
            let key = star.dimension(&lookup.dimension).map(|dimension| surrogate_key(&lookup.dimension, dimension));
            relationships.push(Relationship {
                from_table: name.to_owned(),
                from_column: role.clone(),
                to_table: lookup.dimension.clone(),
                to_column: key.unwrap_or_default(),
                is_active: is_first,
            });
        }
    }
    let file = star.file();
    StarDescription {
        name: file.name.clone(),
        title: file.title.clone(),
        description: file.description.clone(),
        owner: file.owner.clone(),
        tags: file.tags.clone(),
        tables,
        relationships,
    }
}

/// A column with nothing but what the build needs.
pub(crate) fn plain(name: &str, column_type: ColumnType, role: ColumnRole) -> ColumnDescription {
    ColumnDescription {
        name: name.to_owned(),
        title: title_of(name),
        column_type,
        is_nullable: true,
        role,
        is_hidden: false,
        format: None,
        sort_by: None,
        description: None,
        classification: None,
    }
}

fn key_column(name: &str, role: ColumnRole, description: &str) -> ColumnDescription {
    ColumnDescription {
        is_nullable: false,
        is_hidden: true,
        description: Some(description.to_owned()),
        ..plain(name, ColumnType::Int64, role)
    }
}

fn declared(name: &str, file: &ColumnFile, role: ColumnRole) -> ColumnDescription {
    ColumnDescription {
        title: file.title.clone().unwrap_or_else(|| title_of(name)),
        format: file.format.clone(),
        sort_by: file.sort_by.clone(),
        description: file.description.clone(),
        classification: file.classification,
        ..plain(name, file.column_type.0.clone(), role)
    }
}

fn describe_dimension(star: &Star, name: &str, dimension: &DimensionFile) -> TableDescription {
    let (role, columns) = if dimension.date.is_some() {
        (
            TableRole::Date { date_column: "date".into() },
            crate::star::calendar::date_columns(&surrogate_key(name, dimension)),
        )
    } else if dimension.time.is_some() {
        (TableRole::Time, crate::star::calendar::time_columns(&surrogate_key(name, dimension)))
    } else {
        (TableRole::Dimension { has_history: has_history(dimension) }, member_columns(star, name, dimension))
    };
    let file = star.file();
    TableDescription {
        name: TableName::new(Zone::Curated, star.name(), name),
        title: dimension.title.clone(),
        description: dimension.description.clone(),
        owner: dimension.owner.clone().or_else(|| file.owner.clone()),
        tags: dimension.tags.clone(),
        role,
        columns,
        measures: Vec::new(),
        partition: None,
        inputs: star.rows(name).map(Rows::inputs).unwrap_or_default().to_vec(),
    }
}

fn member_columns(star: &Star, name: &str, dimension: &DimensionFile) -> Vec<ColumnDescription> {
    let key = surrogate_key(name, dimension);
    let mut columns = vec![key_column(&key, ColumnRole::SurrogateKey, "Key of the row; -1 is the unknown member.")];
    for (column, file) in &dimension.columns.0 {
        let is_key = dimension.business_key.contains(column);
        columns.push(declared(column, file, if is_key { ColumnRole::BusinessKey } else { ColumnRole::Attribute }));
        let made = match file.scd.unwrap_or_default() {
            ScdType::WithPrevious => Some(("previous", "before its last change")),
            ScdType::VersionedWithCurrent => Some(("current", "now, in every version")),
            _ => None,
        };
        if let Some((prefix, meaning)) = made {
            let title = file.title.clone().unwrap_or_else(|| title_of(column));
            columns.push(ColumnDescription {
                title: format!("{} {title}", title_of(prefix)),
                description: Some(format!("{title} {meaning}.")),
                sort_by: None,
                ..declared(&format!("{prefix}_{column}"), file, ColumnRole::Attribute)
            });
        }
    }
    let mut validity = |name: &str, column_type: ColumnType, description: &str| {
        columns.push(ColumnDescription {
            is_nullable: false,
            is_hidden: matches!(column_type, ColumnType::Timestamp),
            description: Some(description.to_owned()),
            ..plain(name, column_type, ColumnRole::Validity)
        });
    };
    if has_history(dimension) {
        validity(
            "valid_from",
            ColumnType::Timestamp,
            "Since when the version holds; the first one from the beginning of time.",
        );
        validity("valid_to", ColumnType::Timestamp, "Until when the version holds, exclusive; the last one for ever.");
        validity("is_current", ColumnType::Boolean, "Whether the version is the member's last.");
    }
    if is_inferred_by_a_fact(star, name) {
        validity(
            "is_inferred",
            ColumnType::Boolean,
            "Whether only a fact named the member and its source did not show it yet.",
        );
    }
    if dimension.deletes != DeletePolicy::Keep {
        validity("is_deleted", ColumnType::Boolean, "Whether the source has deleted the member.");
    }
    columns
}

fn describe_fact(star: &Star, name: &str, fact: &FactFile) -> TableDescription {
    let mut columns = Vec::new();
    for (role, lookup) in &fact.lookups.0 {
        columns.push(ColumnDescription {
            title: lookup.title.clone().unwrap_or_else(|| title_of(role)),
            ..key_column(
                role,
                ColumnRole::ForeignKey,
                lookup.description.as_deref().unwrap_or(&format!("Key of {}.", lookup.dimension)),
            )
        });
    }
    for (column, file) in &fact.degenerate.0 {
        columns.push(declared(column, file, ColumnRole::Degenerate));
    }
    let mut measures = Vec::new();
    for (column, file) in measures_of(fact) {
        let format = file.format.clone().unwrap_or_else(|| default_format(&file.column_type.0));
        let title = file.title.clone().unwrap_or_else(|| title_of(&column));
        columns.push(ColumnDescription {
            title: title.clone(),
            is_hidden: file.additivity == Additivity::Additive,
            format: Some(format.clone()),
            description: file.description.clone(),
            ..plain(&column, file.column_type.0.clone(), ColumnRole::Measure)
        });
        let description = file.description.clone();
        measures.push(MeasureDescription { title, column, additivity: file.additivity, format, description });
    }
    if fact.partition.is_some() {
        columns.push(ColumnDescription {
            is_hidden: true,
            description: Some("The month, in UTC, by which the files are partitioned.".into()),
            ..plain(MONTH, ColumnType::String, ColumnRole::Partition)
        });
    }
    let kind = match fact.kind {
        FactKindFile::Transaction => FactKind::Transaction,
        FactKindFile::PeriodicSnapshot(_) => FactKind::PeriodicSnapshot,
        FactKindFile::AccumulatingSnapshot(_) => FactKind::AccumulatingSnapshot,
    };
    TableDescription {
        name: TableName::new(Zone::Curated, star.name(), name),
        title: fact.title.clone(),
        description: fact.description.clone(),
        owner: fact.owner.clone().or_else(|| star.file().owner.clone()),
        tags: fact.tags.clone(),
        role: TableRole::Fact { kind, grain: fact.grain.clone() },
        columns,
        measures,
        partition: fact.partition.as_ref().map(|_| MONTH.to_owned()),
        inputs: star.rows(name).map(Rows::inputs).unwrap_or_default().to_vec(),
    }
}

/// The fact's numbers, those that the build computes included.
pub(crate) fn measures_of(fact: &FactFile) -> Vec<(String, MeasureFile)> {
    let mut measures = fact.measures.0.clone();
    if let FactKindFile::AccumulatingSnapshot(kind) = &fact.kind {
        measures.extend(kind.lags.0.iter().map(|(name, lag)| {
            let file = MeasureFile {
                column_type: crate::star::model::FlatType(ColumnType::Int64),
                additivity: Additivity::NonAdditive,
                format: None,
                title: lag.title.clone(),
                description: lag.description.clone(),
            };
            (name.clone(), file)
        }));
    }
    measures
}

fn default_format(column_type: &ColumnType) -> String {
    match column_type {
        ColumnType::Decimal { scale, .. } if *scale > 0 => {
            format!("#,##0.{}", "0".repeat(usize::from(scale.unsigned_abs())))
        }
        ColumnType::Float64 => "#,##0.00".to_owned(),
        _ => "#,##0".to_owned(),
    }
}

/// A name as people write it: `sales_value` becomes `Sales Value`.
pub(crate) fn title_of(name: &str) -> String {
    let words = name.split('_').filter(|word| !word.is_empty()).map(|word| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_uppercase().chain(letters).collect::<String>()).unwrap_or_default()
    });
    words.collect::<Vec<_>>().join(" ")
}
