//! A star as it is built: the model's file, and where each table's rows come from.
//!
//! A [`Star`] exists only when its model is sound, so nothing after this place asks again whether a name is known.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use headwater_contract::{Digest16, TableName};
use polars::prelude::{LazyFrame, PolarsResult};

use crate::read::tables_of;
use crate::star::check::problems_of;
use crate::star::error::StarError;
use crate::star::model::{DimensionFile, FactFile, StarFile};

/// A function that makes a table's rows out of its inputs, in the order in which they were named.
pub type RowsFunction = Arc<dyn Fn(&[LazyFrame]) -> PolarsResult<LazyFrame> + Send + Sync>;

/// Where a table's rows come from.
#[derive(Clone)]
pub enum Rows {
    /// A query over tables of the lake.
    Sql {
        /// The query, each table as one quoted name.
        text: String,
        /// The tables.
        inputs: Vec<TableName>,
    },
    /// A Rust function.
    Function {
        /// Changed by its author when the function changes, so that the table is built again.
        version: u32,
        /// The tables it is given.
        inputs: Vec<TableName>,
        /// The function.
        make: RowsFunction,
    },
}

impl std::fmt::Debug for Rows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sql { text, inputs } => f.debug_struct("Sql").field("text", text).field("inputs", inputs).finish(),
            Self::Function { version, inputs, .. } => {
                f.debug_struct("Function").field("version", version).field("inputs", inputs).finish_non_exhaustive()
            }
        }
    }
}

impl Rows {
    /// The tables that the rows are made from.
    pub fn inputs(&self) -> &[TableName] {
        match self {
            Self::Sql { inputs, .. } | Self::Function { inputs, .. } => inputs,
        }
    }

    fn digest(&self) -> Digest16 {
        match self {
            Self::Sql { text, .. } => Digest16::of(text.as_bytes()),
            Self::Function { version, .. } => Digest16::of(&version.to_le_bytes()),
        }
    }
}

/// A sound model with the rows of each of its tables.
#[derive(Clone, Debug)]
pub struct Star {
    file: StarFile,
    rows: BTreeMap<String, Rows>,
    digest: Digest16,
}

impl Star {
    /// Reads the star in `folder`: `star.yaml` and a `<table>.sql` for each table that has rows.
    ///
    /// # Errors
    ///
    /// [`StarError`] when a file cannot be read, has an unknown shape, or contradicts another.
    pub fn load(folder: &Path) -> Result<Self, StarError> {
        let unreadable = |path: &Path| {
            let origin = path.display().to_string();
            move |source| StarError::Unreadable { origin, source }
        };
        let path = folder.join("star.yaml");
        let yaml = read_text(&path).map_err(unreadable(&path))?;
        let mut queries = BTreeMap::new();
        for entry in fs_err::read_dir(folder).map_err(unreadable(folder))? {
            let path = entry.map_err(unreadable(folder))?.path();
            if path.extension().is_some_and(|extension| extension == "sql") {
                let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
                let text = read_text(&path).map_err(unreadable(&path))?;
                queries.insert(name, text);
            }
        }
        Self::from_texts(&yaml, &queries, &path.display().to_string())
    }

    /// Builds a star from the texts of its files; `origin` names them in messages.
    ///
    /// # Errors
    ///
    /// [`StarError`] when a text has an unknown shape or contradicts another.
    pub fn from_texts(yaml: &str, queries: &BTreeMap<String, String>, origin: &str) -> Result<Self, StarError> {
        Self::with_functions(yaml, queries, BTreeMap::new(), origin)
    }

    /// Builds a star some of whose tables have their rows from Rust functions.
    ///
    /// # Errors
    ///
    /// [`StarError`] when a text has an unknown shape or contradicts another.
    pub fn with_functions(
        yaml: &str,
        queries: &BTreeMap<String, String>,
        functions: BTreeMap<String, Rows>,
        origin: &str,
    ) -> Result<Self, StarError> {
        let file: StarFile = headwater_contract::yaml::from_str(yaml)
            .map_err(|source| StarError::Syntax { origin: origin.to_owned(), source })?;
        let mut rows = functions;
        for (name, sql) in queries {
            let table = format!("{}.{name}", file.name);
            let query = tables_of(sql).map_err(|source| StarError::Rows { table, source })?;
            rows.insert(name.clone(), Rows::Sql { text: query.text, inputs: query.tables });
        }
        let problems = problems_of(&file, &rows, yaml);
        if !problems.is_empty() {
            return Err(StarError::Unsound { star: file.name, problems });
        }
        let mut parts = vec![Digest16::of(yaml.as_bytes())];
        for (name, rows) in &rows {
            parts.extend([Digest16::of(name.as_bytes()), rows.digest()]);
        }
        let digest = Digest16::of_parts(parts.iter().map(|part| &part.0[..]));
        Ok(Self { file, rows, digest })
    }

    /// Its name, which is the schema of its tables.
    pub fn name(&self) -> &str {
        &self.file.name
    }

    /// What `star.yaml` says.
    pub fn file(&self) -> &StarFile {
        &self.file
    }

    /// Changes when the model does, so that every table is built again.
    pub fn digest(&self) -> Digest16 {
        self.digest
    }

    /// Every table of the lake that the star reads, in order, each once.
    pub fn inputs(&self) -> Vec<TableName> {
        let mut inputs: Vec<TableName> = self.rows.values().flat_map(Rows::inputs).cloned().collect();
        inputs.sort();
        inputs.dedup();
        inputs
    }

    /// Where the rows of `table` come from; `None` for a calendar or clock.
    pub fn rows(&self, table: &str) -> Option<&Rows> {
        self.rows.get(table)
    }

    pub(crate) fn dimensions(&self) -> impl Iterator<Item = (&str, &DimensionFile)> {
        self.file.dimensions.0.iter().map(|(name, dimension)| (name.as_str(), dimension))
    }

    pub(crate) fn dimension(&self, name: &str) -> Option<&DimensionFile> {
        self.dimensions().find(|(known, _)| *known == name).map(|(_, dimension)| dimension)
    }

    pub(crate) fn facts(&self) -> impl Iterator<Item = (&str, &FactFile)> {
        self.file.facts.0.iter().map(|(name, fact)| (name.as_str(), fact))
    }
}

fn read_text(path: &Path) -> std::io::Result<String> {
    fs_err::read_to_string(path)
}
