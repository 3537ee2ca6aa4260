//! Column lineage of a query: which column of which table each output column is made from.
//!
//! The query is parsed with the parser that Polars SQL uses, so what runs is what is traced. Names are resolved through joins,
//! subqueries, common table expressions and unions. A column that cannot be told apart gets no source; a wrong one is never
//! given.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use headwater_contract::TableName;
use sqlparser::ast::{
    Expr, ObjectName, Query, Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, Statement, TableFactor,
    TableWithJoins, visit_expressions,
};
use sqlparser::dialect::GenericDialect;
use sqlparser::parser::Parser;
use thiserror::Error;

use crate::lineage::How;

/// Functions that make one value of many rows.
const AGGREGATES: [&str; 19] = [
    "sum",
    "count",
    "avg",
    "mean",
    "min",
    "max",
    "first",
    "last",
    "median",
    "stddev",
    "stddev_samp",
    "var",
    "variance",
    "var_samp",
    "corr",
    "covar",
    "quantile_cont",
    "quantile_disc",
    "array_agg",
];

/// Why the lineage of a query cannot be told.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum QueryLineageError {
    /// It is no query.
    #[error("the query cannot be parsed: {reason}")]
    Syntax {
        /// What the parser says.
        reason: String,
    },
    /// It uses something that is not traced.
    #[error("{what} is not traced")]
    NotTraced {
        /// What.
        what: &'static str,
    },
}

/// A column that an output column is made from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ColumnSource {
    /// Its table.
    pub table: TableName,
    /// Its name.
    pub column: String,
    /// How it is used.
    pub how: How,
}

/// A column that a query returns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputColumn {
    /// Its name.
    pub name: String,
    /// What it is made from; empty for constants and for columns that cannot be told apart.
    pub sources: BTreeSet<ColumnSource>,
}

/// Traces every output column of `sql`, in order. `columns_of` gives the columns of a table where they are known; they are needed
/// for `*` and for names without a table in a join.
///
/// # Errors
///
/// [`QueryLineageError::Syntax`] when it does not parse, [`QueryLineageError::NotTraced`] for what is not a plain query.
pub fn query_lineage(
    sql: &str,
    columns_of: &dyn Fn(&TableName) -> Option<Vec<String>>,
) -> Result<Vec<OutputColumn>, QueryLineageError> {
    let statements = Parser::parse_sql(&GenericDialect {}, sql);
    let statements = statements.map_err(|error| QueryLineageError::Syntax { reason: error.to_string() })?;
    let [Statement::Query(query)] = statements.as_slice() else {
        return Err(QueryLineageError::NotTraced { what: "anything but one SELECT" });
    };
    Tracer { columns_of, named: BTreeMap::new() }.query(query)
}

/// What stands in FROM under one name.
#[derive(Clone)]
enum Relation {
    /// A table of the lake, with its columns where they are known.
    Table(TableName, Option<Vec<String>>),
    /// A subquery or common table expression.
    Derived(Vec<OutputColumn>),
}

impl Relation {
    /// The sources of one column; `None` when the relation has no such column or that is not known.
    fn column(&self, name: &str) -> Option<BTreeSet<ColumnSource>> {
        match self {
            Self::Table(table, Some(columns)) if !columns.iter().any(|known| known == name) => {
                // Tracking columns need not be listed.
                name.starts_with('_').then(|| source(table, name))
            }
            Self::Table(table, _) => Some(source(table, name)),
            Self::Derived(columns) => {
                columns.iter().find(|known| known.name == name).map(|known| known.sources.clone())
            }
        }
    }

    /// Whether it is known which columns it has.
    fn is_known(&self) -> bool {
        matches!(self, Self::Table(_, Some(_)) | Self::Derived(_))
    }

    fn all(&self) -> Result<Vec<OutputColumn>, QueryLineageError> {
        match self {
            Self::Derived(columns) => Ok(columns.clone()),
            Self::Table(table, Some(columns)) => Ok(columns
                .iter()
                .map(|name| OutputColumn { name: name.clone(), sources: source(table, name) })
                .collect()),
            Self::Table(_, None) => {
                Err(QueryLineageError::NotTraced { what: "`*` of a table whose columns are not known" })
            }
        }
    }
}

fn source(table: &TableName, column: &str) -> BTreeSet<ColumnSource> {
    BTreeSet::from([ColumnSource { table: table.clone(), column: column.to_owned(), how: How::Identity }])
}

/// The relations of one SELECT, by alias, in order.
type Scope = Vec<(String, Relation)>;

struct Tracer<'a> {
    columns_of: &'a dyn Fn(&TableName) -> Option<Vec<String>>,
    /// Common table expressions that are in sight.
    named: BTreeMap<String, Vec<OutputColumn>>,
}

impl Tracer<'_> {
    fn query(&mut self, query: &Query) -> Result<Vec<OutputColumn>, QueryLineageError> {
        let outer = self.named.clone();
        for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
            if query.with.as_ref().is_some_and(|with| with.recursive) {
                return Err(QueryLineageError::NotTraced { what: "WITH RECURSIVE" });
            }
            let columns =
                renamed(self.query(&cte.query)?, cte.alias.columns.iter().map(|column| column.name.value.clone()));
            self.named.insert(cte.alias.name.value.clone(), columns);
        }
        let columns = self.body(&query.body);
        self.named = outer;
        columns
    }

    fn body(&mut self, body: &SetExpr) -> Result<Vec<OutputColumn>, QueryLineageError> {
        match body {
            SetExpr::Select(select) => self.select(select),
            SetExpr::Query(query) => self.query(query),
            SetExpr::SetOperation { left, right, .. } => {
                // Columns of both sides meet by their place.
                let (mut left, right) = (self.body(left)?, self.body(right)?);
                for (column, other) in left.iter_mut().zip(right) {
                    column.sources.extend(other.sources);
                }
                Ok(left)
            }
            SetExpr::Values(_) => Ok(Vec::new()),
            _ => Err(QueryLineageError::NotTraced { what: "anything but SELECT, UNION and VALUES" }),
        }
    }

    fn select(&mut self, select: &Select) -> Result<Vec<OutputColumn>, QueryLineageError> {
        let mut scope = Scope::new();
        for table in &select.from {
            self.from(table, &mut scope)?;
        }
        let mut columns = Vec::new();
        for item in &select.projection {
            match item {
                SelectItem::UnnamedExpr(expr) => {
                    columns.push(OutputColumn { name: name_of(expr), sources: trace(expr, &scope) });
                }
                SelectItem::ExprWithAlias { expr, alias } => {
                    columns.push(OutputColumn { name: alias.value.clone(), sources: trace(expr, &scope) });
                }
                SelectItem::Wildcard(options) => {
                    if !options.to_string().is_empty() {
                        return Err(QueryLineageError::NotTraced { what: "`*` with EXCEPT, RENAME or REPLACE" });
                    }
                    for (_, relation) in &scope {
                        columns.extend(relation.all()?);
                    }
                }
                SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) => {
                    let wanted = last_part(name);
                    let relation = scope.iter().find(|(alias, _)| *alias == wanted);
                    columns.extend(relation.map(|(_, relation)| relation.all()).transpose()?.unwrap_or_default());
                }
                _ => return Err(QueryLineageError::NotTraced { what: "an output with several names" }),
            }
        }
        Ok(columns)
    }

    fn from(&mut self, table: &TableWithJoins, scope: &mut Scope) -> Result<(), QueryLineageError> {
        self.factor(&table.relation, scope)?;
        table.joins.iter().try_for_each(|join| self.factor(&join.relation, scope))
    }

    fn factor(&mut self, factor: &TableFactor, scope: &mut Scope) -> Result<(), QueryLineageError> {
        match factor {
            TableFactor::Table { name, alias, args: None, .. } => {
                let text = full_name(name);
                let relation = if let Some(columns) = self.named.get(&text) {
                    Relation::Derived(columns.clone())
                } else {
                    let not_ours = |_| QueryLineageError::NotTraced { what: "a name that is no table of the lake" };
                    let table: TableName = text.parse().map_err(not_ours)?;
                    let columns = (self.columns_of)(&table);
                    Relation::Table(table, columns)
                };
                let alias = alias.as_ref().map_or_else(|| last_part(name), |alias| alias.name.value.clone());
                scope.push((alias, relation));
                Ok(())
            }
            TableFactor::Derived { subquery, alias, .. } => {
                let mut columns = self.query(subquery)?;
                if let Some(alias) = alias {
                    columns = renamed(columns, alias.columns.iter().map(|column| column.name.value.clone()));
                }
                let alias = alias.as_ref().map(|alias| alias.name.value.clone()).unwrap_or_default();
                scope.push((alias, Relation::Derived(columns)));
                Ok(())
            }
            TableFactor::NestedJoin { table_with_joins, .. } => self.from(table_with_joins, scope),
            _ => Err(QueryLineageError::NotTraced { what: "a table function" }),
        }
    }
}

/// Gives columns the names of an alias such as `t (a, b)`.
fn renamed(mut columns: Vec<OutputColumn>, names: impl Iterator<Item = String>) -> Vec<OutputColumn> {
    for (column, name) in columns.iter_mut().zip(names) {
        column.name = name;
    }
    columns
}

/// All columns that an expression reads.
fn trace(expr: &Expr, scope: &Scope) -> BTreeSet<ColumnSource> {
    let (mut read, mut aggregates, mut is_plain) = (BTreeSet::new(), false, true);
    let walk = visit_expressions(expr, |part| {
        match part {
            Expr::Identifier(name) => read.extend(resolve(None, &name.value, scope)),
            Expr::CompoundIdentifier(parts) => {
                if let [.., table, name] = parts.as_slice() {
                    read.extend(resolve(Some(&table.value), &name.value, scope));
                }
            }
            Expr::Nested(_) => {}
            Expr::Function(function) => {
                is_plain = false;
                aggregates |= AGGREGATES.contains(&last_part(&function.name).to_lowercase().as_str());
            }
            _ => is_plain = false,
        }
        ControlFlow::<()>::Continue(())
    });
    debug_assert!(walk.is_continue());
    let how = match (aggregates, is_plain) {
        (true, _) => How::Aggregation,
        (false, true) => How::Identity,
        (false, false) => How::Transformation,
    };
    read.into_iter().map(|source| ColumnSource { how: source.how.max(how), ..source }).collect()
}

/// The sources of a name. Without a table it is looked for in each relation, and must be in one only.
fn resolve(table: Option<&str>, name: &str, scope: &Scope) -> BTreeSet<ColumnSource> {
    if let Some(table) = table {
        let relation = scope.iter().find(|(alias, _)| alias == table);
        return relation.and_then(|(_, relation)| relation.column(name)).unwrap_or_default();
    }
    let known: Vec<_> = scope.iter().filter(|(_, relation)| relation.is_known()).collect();
    let mut found = known.iter().filter_map(|(_, relation)| relation.column(name));
    if let Some(sources) = found.next() {
        return if found.next().is_none() { sources } else { BTreeSet::new() };
    }
    // It must be in a table whose columns are not known, if there is just one.
    let mut unknown = scope.iter().filter(|(_, relation)| !relation.is_known());
    match (unknown.next(), unknown.next()) {
        (Some((_, relation)), None) => relation.column(name).unwrap_or_default(),
        _ => BTreeSet::new(),
    }
}

/// The name that an output without an alias has.
fn name_of(expr: &Expr) -> String {
    match expr {
        Expr::Identifier(name) => name.value.clone(),
        Expr::CompoundIdentifier(parts) => parts.last().map(|name| name.value.clone()).unwrap_or_default(),
        other => other.to_string(),
    }
}

fn full_name(name: &ObjectName) -> String {
    let parts = name.0.iter().filter_map(|part| part.as_ident()).map(|ident| ident.value.as_str());
    parts.collect::<Vec<_>>().join(".")
}

fn last_part(name: &ObjectName) -> String {
    let full = full_name(name);
    full.rsplit('.').next().unwrap_or(&full).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn columns_of(table: &TableName) -> Option<Vec<String>> {
        let columns: &[&str] = match table.table.as_str() {
            "orders" => &["id", "customer_id", "placed_at", "total"],
            "customers" => &["id", "name", "email"],
            _ => return None,
        };
        Some(columns.iter().map(|&name| name.to_owned()).collect())
    }

    /// `output <- how table.column, …` for each column.
    fn trace_all(sql: &str) -> Vec<String> {
        let columns = query_lineage(sql, &columns_of).unwrap();
        let line = |column: OutputColumn| {
            let sources =
                column.sources.iter().map(|from| format!("{} {}.{}", from.how.as_str(), from.table.table, from.column));
            format!("{} <- {}", column.name, sources.collect::<Vec<_>>().join(", "))
        };
        columns.into_iter().map(line).collect()
    }

    #[test]
    fn refuses_what_it_cannot_trace() {
        for sql in [
            "selec 1",
            "delete from cleansed.shop.orders",
            "select * from cleansed.shop.unknown",
            "select * from somewhere",
            "with recursive a as (select 1 as x) select x from a",
            "select x from generate_series(1, 2) as t (x)",
        ] {
            assert!(query_lineage(sql, &columns_of).is_err(), "{sql}");
        }
    }

    #[test]
    fn gives_no_source_rather_than_a_wrong_one() {
        let sql = "select id, name, missing from cleansed.shop.orders o join cleansed.shop.customers c on o.customer_id = c.id";
        assert_eq!(trace_all(sql), ["id <- ", "name <- identity customers.name", "missing <- "]);
        let two_unknown = "select x from cleansed.shop.a join cleansed.shop.b on a.k = b.k";
        assert_eq!(trace_all(two_unknown), ["x <- "]);
    }

    #[test]
    fn follows_joins_computation_and_aggregation() {
        let sql = "select o.id, (o.total) as amount, o.total * 2 as twice, upper(c.name) || o.id as label, 1 as one \
                   from cleansed.shop.orders as o left join \"cleansed.shop.customers\" as c on o.customer_id = c.id";
        assert_eq!(
            trace_all(sql),
            [
                "id <- identity orders.id",
                "amount <- identity orders.total",
                "twice <- transformation orders.total",
                "label <- transformation customers.name, transformation orders.id",
                "one <- ",
            ]
        );
        let grouped = "select customer_id, sum(total) as total, count(*) as orders from cleansed.shop.orders group by customer_id";
        assert_eq!(
            trace_all(grouped),
            ["customer_id <- identity orders.customer_id", "total <- aggregation orders.total", "orders <- "]
        );
    }

    #[test]
    fn follows_common_tables_subqueries_stars_and_unions() {
        let sql = "with paid as (select id, total * 0.9 as net from cleansed.shop.orders), \
                   named (who) as (select name from cleansed.shop.customers) \
                   select p.*, n.who, s.most from paid p join named n on true \
                   join (select max(net) as most from paid) s on true";
        assert_eq!(
            trace_all(sql),
            [
                "id <- identity orders.id",
                "net <- transformation orders.total",
                "who <- identity customers.name",
                "most <- aggregation orders.total",
            ]
        );
        let union = "select id from cleansed.shop.orders union all select id from cleansed.shop.customers";
        assert_eq!(trace_all(union), ["id <- identity customers.id, identity orders.id"]);
        let star = "select * from cleansed.shop.customers";
        assert_eq!(trace_all(star).len(), 3);
        assert_eq!(trace_all("select _window from cleansed.shop.orders"), ["_window <- identity orders._window"]);
    }
}
