//! Records out of columns: rows of cells under a header, and lists side by side.

use std::collections::VecDeque;

use bytes::Bytes;
use serde_json::value::RawValue;

use super::DecodeError;
use super::derived::{Member, members, refused, write_text};
use super::json::Target;
use super::records::{CellsManifest, RecordsManifest, TableManifest};
use crate::decoding::Pointer;
use crate::manifest::Ordered;

/// Largest sum of what must be held of one body until its records are complete.
pub const HELD_BYTES_MAX: usize = 64 * 1024 * 1024;
/// What an element costs beside its bytes.
const ELEMENT_BYTES: usize = 32;

/// Puts records together from what the splitter finds.
#[derive(Debug)]
pub(super) enum Columnar {
    Table(Table),
    Zip(Zip),
}

#[derive(Debug)]
pub(super) struct Table {
    groups: Vec<Group>,
    /// Rows that came before their header.
    early: VecDeque<Bytes>,
    held: usize,
}

/// One list of cells, and its names once they are known.
#[derive(Debug)]
struct Group {
    cells: CellsManifest,
    names: Option<Vec<String>>,
}

#[derive(Debug)]
pub(super) struct Zip {
    names: Vec<String>,
    lists: Vec<Vec<Bytes>>,
    held: usize,
}

impl Columnar {
    /// What puts these records together; nothing where records stand in the body as they are.
    pub(super) fn new(records: &RecordsManifest) -> Option<Self> {
        match records {
            RecordsManifest::Table(table) => Some(Self::Table(Table::new(table))),
            RecordsManifest::Zip(lists) => Some(Self::Zip(Zip::new(lists))),
            RecordsManifest::List(_) | RecordsManifest::Each(_) | RecordsManifest::Found(_) => None,
        }
    }

    /// What the splitter must find, in the order in which [`Columnar::take`] knows it.
    pub(super) fn targets(records: &RecordsManifest) -> Vec<Target> {
        match records {
            RecordsManifest::Table(table) => {
                let headers = table.all().into_iter().filter_map(|cells| cells.header);
                std::iter::once(Target::elements(&table.rows))
                    .chain(headers.map(|header| Target::whole(&header)))
                    .collect()
            }
            RecordsManifest::Zip(lists) => lists.iter().map(|(_, list)| Target::elements(list)).collect(),
            RecordsManifest::List(_) | RecordsManifest::Each(_) | RecordsManifest::Found(_) => Vec::new(),
        }
    }

    /// Takes what was found for a target, and appends the records that are complete.
    pub(super) fn take(&mut self, target: usize, text: &Bytes, out: &mut Vec<Bytes>) -> Result<(), DecodeError> {
        match self {
            Self::Table(table) => table.take(target, text, out),
            Self::Zip(zip) => zip.take(target, text),
        }
    }

    /// Ends the body.
    pub(super) fn finish(&mut self, out: &mut Vec<Bytes>) -> Result<(), DecodeError> {
        match self {
            Self::Table(table) if !table.early.is_empty() => {
                Err(DecodeError::Columnar { reason: "its header did not come".to_owned() })
            }
            Self::Table(_) => Ok(()),
            Self::Zip(zip) => zip.finish(out),
        }
    }

    /// Whether records wait for what follows.
    pub(super) fn holds(&self) -> bool {
        match self {
            Self::Table(table) => !table.early.is_empty(),
            Self::Zip(zip) => zip.held > 0,
        }
    }
}

/// Counts what must be held.
pub(super) fn hold(held: &mut usize, text: &[u8]) -> Result<(), DecodeError> {
    *held += text.len() + ELEMENT_BYTES;
    if *held > HELD_BYTES_MAX {
        return Err(DecodeError::HeldTooLarge { what: "records that wait for the rest", limit: HELD_BYTES_MAX });
    }
    Ok(())
}

impl Table {
    fn new(manifest: &TableManifest) -> Self {
        let group = |cells: CellsManifest| {
            let names = Some(cells.names.clone()).filter(|names| !names.is_empty());
            Group { cells, names }
        };
        Self { groups: manifest.all().into_iter().map(group).collect(), early: VecDeque::new(), held: 0 }
    }

    fn take(&mut self, target: usize, text: &Bytes, out: &mut Vec<Bytes>) -> Result<(), DecodeError> {
        if let Some(header) = target.checked_sub(1) {
            let group = self.groups.iter_mut().filter(|group| group.cells.header.is_some()).nth(header);
            if let Some(group) = group {
                group.names = Some(names(text, group.cells.name.as_ref())?);
            }
        } else if self.is_known() {
            out.push(self.record(text));
            return Ok(());
        } else if let [Group { cells: CellsManifest { header: None, cells, name, .. }, names: first @ None }] =
            self.groups.as_mut_slice()
        {
            let list = cell_list(text, cells.as_ref());
            let list =
                list.ok_or_else(|| DecodeError::Columnar { reason: "its first row is no list of names".to_owned() })?;
            *first = Some(names(list.get().as_bytes(), name.as_ref())?);
            return Ok(());
        } else {
            hold(&mut self.held, text)?;
            // A span would keep its whole chunk in memory.
            self.early.push_back(Bytes::copy_from_slice(text));
        }
        if self.is_known() {
            while let Some(early) = self.early.pop_front() {
                out.push(self.record(&early));
            }
        }
        Ok(())
    }

    fn is_known(&self) -> bool {
        self.groups.iter().all(|group| group.names.is_some())
    }

    /// The record of a row; a row whose cells do not fit its header is refused by itself.
    fn record(&self, row: &Bytes) -> Bytes {
        let mut out = Vec::with_capacity(row.len() * 2 + 2);
        out.push(b'{');
        for group in &self.groups {
            let names = group.names.as_deref().unwrap_or_default();
            let Some(list) = cell_list(row, group.cells.cells.as_ref()) else {
                return refused("the row has no list of cells where `table` says", row);
            };
            let Ok(cells) = serde_json::from_str::<Vec<&RawValue>>(list.get()) else {
                return refused("the row's cells are no list", row);
            };
            if cells.len() != names.len() {
                return refused(&format!("the row has {} cells, its header {}", cells.len(), names.len()), row);
            }
            for (name, cell) in names.iter().zip(cells) {
                if out.len() > 1 {
                    out.push(b',');
                }
                write_text(&mut out, name);
                out.push(b':');
                let value = match &group.cells.value {
                    Some(pointer) => raw_at(cell, pointer).map_or("null", RawValue::get),
                    None => cell.get(),
                };
                out.extend_from_slice(value.as_bytes());
            }
        }
        let taken = |name: &str| {
            self.groups.iter().any(|group| {
                let first = group.cells.cells.as_ref().and_then(|pointer| pointer.segments().first());
                first.is_some_and(|first| first == name) || group.names.iter().flatten().any(|known| known == name)
            })
        };
        for Member { name, whole } in members(row).unwrap_or_default() {
            if !serde_json::from_slice::<String>(name).is_ok_and(|name| taken(&name)) {
                if out.len() > 1 {
                    out.push(b',');
                }
                out.extend_from_slice(whole);
            }
        }
        out.push(b'}');
        out.into()
    }
}

/// The names of a header.
fn names(header: &[u8], name: Option<&Pointer>) -> Result<Vec<String>, DecodeError> {
    let broken = |reason: &str| DecodeError::Columnar { reason: reason.to_owned() };
    let elements: Vec<serde_json::Value> =
        serde_json::from_slice(header).map_err(|_| broken("its header is no list of names"))?;
    let mut names: Vec<String> = Vec::with_capacity(elements.len());
    for element in &elements {
        let found = name.map_or(Some(element), |pointer| pointer.find(element));
        let text = match found {
            Some(serde_json::Value::String(text)) => text.clone(),
            Some(serde_json::Value::Number(number)) => number.to_string(),
            _ => return Err(broken("a name in its header is no text")),
        };
        if names.contains(&text) {
            return Err(DecodeError::HeaderTwice { name: text });
        }
        names.push(text);
    }
    Ok(names)
}

/// The list of cells of a row.
fn cell_list<'a>(row: &'a [u8], cells: Option<&Pointer>) -> Option<&'a RawValue> {
    let row: &RawValue = serde_json::from_slice(row).ok()?;
    match cells {
        Some(pointer) => raw_at(row, pointer),
        None => Some(row),
    }
}

/// The text of the value at a pointer.
pub(crate) fn raw_at<'a>(value: &'a RawValue, pointer: &Pointer) -> Option<&'a RawValue> {
    let mut value = value;
    for segment in pointer.segments() {
        value = if value.get().starts_with('{') {
            let all: std::collections::HashMap<std::borrow::Cow<'a, str>, &'a RawValue> =
                serde_json::from_str(value.get()).ok()?;
            all.get(segment.as_str()).copied()?
        } else {
            let all: Vec<&'a RawValue> = serde_json::from_str(value.get()).ok()?;
            all.get(segment.parse::<usize>().ok()?).copied()?
        };
    }
    Some(value)
}

impl Zip {
    fn new(lists: &Ordered<Pointer>) -> Self {
        let names: Vec<String> = lists.names().map(str::to_owned).collect();
        Self { lists: vec![Vec::new(); names.len()], names, held: 0 }
    }

    fn take(&mut self, target: usize, text: &Bytes) -> Result<(), DecodeError> {
        hold(&mut self.held, text)?;
        if let Some(list) = self.lists.get_mut(target) {
            list.push(Bytes::copy_from_slice(text));
        }
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<Bytes>) -> Result<(), DecodeError> {
        let lengths: Vec<usize> = self.lists.iter().map(Vec::len).collect();
        if lengths.windows(2).any(|pair| pair.first() != pair.last()) {
            let shown: Vec<String> =
                self.names.iter().zip(&lengths).map(|(name, length)| format!("`{name}` {length}")).collect();
            return Err(DecodeError::Columnar { reason: format!("its lists differ in length: {}", shown.join(", ")) });
        }
        for at in 0..lengths.first().copied().unwrap_or_default() {
            let mut record = vec![b'{'];
            for (name, list) in self.names.iter().zip(&self.lists) {
                if record.len() > 1 {
                    record.push(b',');
                }
                write_text(&mut record, name);
                record.push(b':');
                record.extend_from_slice(list.get(at).map_or(b"null", |value| value));
            }
            record.push(b'}');
            out.push(record.into());
        }
        self.lists.iter_mut().for_each(Vec::clear);
        self.held = 0;
        Ok(())
    }
}
