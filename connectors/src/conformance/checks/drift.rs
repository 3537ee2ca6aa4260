//! Records that change their shape: none is lost, and none is changed on the way.

use serde_json::{Value, json};

use super::{ROWS, Trial, Tried, miss, skipped};
use crate::conformance::report::{Case, Check};
use crate::conformance::vendor::{PAGE, Table, is_upwards, remove};
use crate::decoding::{Decoding, Pointer, RecordsManifest};
use crate::parents::GIVEN;

/// A record that is no JSON: half of a character.
const BROKEN: &str = r#"{"hw_broken":"\ud800"}"#;

impl Trial<'_> {
    /// A field comes, goes and changes its type; a record is broken.
    pub(super) async fn drift(&self) -> Vec<Case> {
        let check = Check::Drift;
        let names =
            ["a new field comes along", "a field that is gone costs no record", "a field of another type comes along"];
        let has_fields = match (&self.stream.decoding.format, &self.stream.records) {
            (Decoding::Lines(_), _) => Err("a line has no fields"),
            (Decoding::File(_), _) => Err("a file has no fields"),
            (Decoding::Csv(dialect), _) if !dialect.names.is_empty() => {
                Err("the manifest says the columns of the file")
            }
            (_, RecordsManifest::Zip(_)) => Err("the manifest says which lists are put together"),
            (_, RecordsManifest::Table(table)) if table.all().iter().any(|cells| !cells.names.is_empty()) => {
                Err("the manifest says the columns of the table")
            }
            _ => Ok(()),
        };
        let mut cases = Vec::new();
        let field = self.plain_field();
        for (at, name) in names.into_iter().enumerate() {
            if let Err(because) = has_fields {
                cases.push(skipped(name, because));
                continue;
            }
            let Some(field) = field.clone().or((at == 0).then(|| Pointer::parse("hw_new"))) else {
                cases.push(skipped(name, "every field is a key, a time or asked for by other requests"));
                continue;
            };
            let change = move |value: &mut Value| match at {
                0 => {
                    if let Some(fields) = value.as_object_mut() {
                        fields.insert("hw_new".to_owned(), json!("new"));
                    }
                }
                1 => drop(remove(value, field.segments())),
                _ => {
                    if let Some(found) = value.pointer_mut(field.as_str()) {
                        *found = json!("another type");
                    }
                }
            };
            cases.push(self.case(check, name, self.changed(&change).await));
        }
        cases.push(self.broken().await);
        cases
    }

    /// A field that nothing but its column speaks of.
    fn plain_field(&self) -> Option<Pointer> {
        let window = self.stream.window.as_ref().map(|window| window.pointer.clone());
        let facts = self.stream.facts();
        let is_plain = |pointer: &Pointer| {
            // A column may hold the whole record.
            let is_whole = pointer.segments().is_empty();
            !is_whole && Some(pointer) != window.as_ref() && !facts.record_fields().any(|field| field == pointer)
        };
        let columns = self.stream.columns().iter();
        let others = columns.filter(|column| {
            !self.stream.key().contains(&column.name) && !column.pointer.starts_with(&format!("/{GIVEN}/"))
        });
        others.map(|column| Pointer::parse(&column.pointer)).find(is_plain)
    }

    async fn changed(&self, change: &(dyn Fn(&mut Value) + Sync)) -> Tried {
        let mut world = self.world(ROWS)?;
        world.change(0, |table| table.rows.iter_mut().for_each(|row| change(&mut row.value)));
        self.begin(world);
        let Some((slice, _)) = self.slices.first() else { return Ok(()) };
        self.read_whole(slice, self.middle()).await.map(drop)
    }

    async fn broken(&self) -> Case {
        let name = "a broken record costs no other one";
        let is_framed = matches!(self.stream.decoding.format, Decoding::Json | Decoding::JsonLines)
            && matches!(self.stream.records, RecordsManifest::List(_));
        if !is_framed || self.stream.shape.as_ref().is_some_and(|shape| shape.needs_whole_page()) {
            return skipped(name, "what is broken in this form is the body");
        }
        if !self.stream.connections.is_empty() {
            return skipped(name, "a record must be read before the rest of its list is asked for");
        }
        let tried = async {
            let mut world = self.world(ROWS)?;
            let Some(at) = world.target().and_then(|table| self.breakable(table)) else {
                return Err(miss("a record that may be broken", "none"));
            };
            world.change(0, |table| {
                if let Some(row) = table.rows.get_mut(at) {
                    row.text = Some(BROKEN.to_owned());
                }
            });
            self.begin(world);
            let Some((slice, _)) = self.slices.first() else { return Ok(()) };
            let got = self.read_whole(slice, self.middle()).await?;
            // A step that drops records counts those that it drops.
            let is_there = got.summary.dropped > 0 || got.records.keys().any(|text| text.contains("hw_broken"));
            if is_there { Ok(()) } else { Err(miss("the broken record with its bytes", "no trace of it")) }
        };
        self.case(Check::Drift, name, tried.await)
    }

    /// A record in the middle of a page, as first and last records may ask for the next one; any where they do not.
    fn breakable(&self, table: &Table) -> Option<usize> {
        let is_asked = self.stream.facts().record_fields().next().is_some();
        middle_row(table, self.middle()).or_else(|| any_row(table, self.middle()).filter(|_| !is_asked))
    }
}

/// A record of the first slice.
fn any_row(table: &Table, window: Option<headwater_contract::TimeRange>) -> Option<usize> {
    let slice = &table.owners.first()?.slice;
    let rows = table.owners.iter().filter(|owner| owner.slice == *slice).flat_map(|owner| &owner.rows);
    rows.copied().find(|row| is_within(table, *row, window))
}

fn is_within(table: &Table, row: usize, window: Option<headwater_contract::TimeRange>) -> bool {
    window.is_none_or(|window| table.rows.get(row).and_then(|row| row.at).is_some_and(|at| window.contains(at)))
}

/// A record that stands neither first nor last on its page.
fn middle_row(table: &Table, window: Option<headwater_contract::TimeRange>) -> Option<usize> {
    let is_in = |row: &usize| is_within(table, *row, window);
    let slice = &table.owners.first()?.slice;
    let owners = table.owners.iter().filter(|owner| owner.slice == *slice);
    owners.into_iter().find_map(|owner| {
        let mut ordered = table.ordered(owner.rows.iter().copied().filter(is_in).collect());
        if is_upwards(&table.stream) {
            ordered.reverse();
        }
        ordered.get(PAGE / 2).copied().filter(|_| ordered.len() >= PAGE)
    })
}
