//! What a manifest does to records between splitting and typing: which are kept, what they hold, and what their fields are called.
//!
//! | step | what it does |
//! |---|---|
//! | `keep` | drops records for which an expression is false, and counts them |
//! | `explode` | makes a record of each element of a list in a record |
//! | `include` | joins objects that stand elsewhere in the same body |
//! | `add` | adds or replaces fields |
//! | `remove` | removes fields |
//! | `rename` | renames fields by rule |
//! | `flatten` | lifts nested fields up |
//! | `drop_nulls` | removes fields that are null |
//! | `fit` | makes fields into a type where they can be |
//!
//! Steps run in the order of the manifest. A record that a step cannot shape is refused by itself, with the reason and all its bytes, and
//! goes to quarantine. A stream without steps pays nothing: its records stay spans of the body.

mod add;
mod columns;
mod explode;
mod fit;
mod flatten;
mod include;
mod node;
mod prune;
mod rename;

pub use add::{AddManifest, EachItemManifest, ResultType};
pub use columns::Normal;
pub use explode::{ExplodeManifest, WhenEmpty, Winner};
pub use fit::Fit;
pub use flatten::{Clash, FlattenManifest};
pub use include::IncludeManifest;
pub use prune::RemoveManifest;
pub use rename::{Case, RenameManifest, ReplaceManifest};

use std::collections::BTreeMap;

use bytes::Bytes;
use minijinja::Value;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::decoding::{Pointer, refused};
use crate::expression::{ExpressionError, RecordExpression, Scalar, Scope};
use crate::manifest::{OneOrMany, Ordered};
pub(crate) use include::{Lookup, LookupKey};
pub(crate) use node::Node;

/// Largest sum of the records that one record becomes.
const SHAPED_BYTES_MAX: usize = 128 * 1024 * 1024;

/// One step, as written in a manifest.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum StepManifest {
    /// Keeps the records for which this is true; the others are counted and dropped.
    Keep(RecordExpression),
    /// Makes a record of each element of a list within a record.
    Explode(ExplodeManifest),
    /// Joins objects that stand elsewhere in the same body, such as the `included` of JSON:API.
    Include(IncludeManifest),
    /// Adds or replaces fields, by name or JSON pointer.
    Add(Ordered<AddManifest>),
    /// Removes fields.
    Remove(RemoveManifest),
    /// Renames fields by rule.
    Rename(RenameManifest),
    /// Lifts nested fields up.
    Flatten(FlattenManifest),
    /// Removes fields that are null within the values at these JSON pointers, `""` for the whole record.
    DropNulls(OneOrMany<Pointer>),
    /// Makes fields, by name or JSON pointer with stars, into a type where they can be; what cannot stays.
    Fit(Ordered<Fit>),
}

/// All that is done to the records of a stream.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shape {
    steps: Vec<StepManifest>,
    columns: Vec<(Pointer, Normal)>,
}

/// What a page says beside its records, for steps that need it.
#[derive(Clone, Debug, Default)]
pub(crate) struct PageSides {
    /// Tables to look up in, by the place of their step among the `include` steps.
    pub(crate) lookups: Vec<Lookup>,
    /// Fields of the body.
    pub(crate) body: Vec<(Pointer, Option<serde_json::Value>)>,
}

/// What the steps see beside the record.
#[derive(Clone, Debug)]
pub(crate) struct Surroundings<'a> {
    settings: Value,
    /// What the request was made with.
    given: Value,
    page: &'a PageSides,
}

/// Why a record cannot be shaped; its text goes into quarantine beside the record.
type Refusal = String;

impl Shape {
    /// The steps of a stream and what its columns ask for; nothing when neither asks for anything.
    pub(crate) fn new(steps: Vec<StepManifest>, columns: Vec<(Pointer, Normal)>) -> Option<Self> {
        (!steps.is_empty() || !columns.is_empty()).then_some(Self { steps, columns })
    }

    /// Puts the zones that settings give into the formats of its columns.
    pub(crate) fn fill_zones(&mut self, scope: &Scope) -> Result<(), ExpressionError> {
        self.columns.iter_mut().try_for_each(|(_, normal)| normal.fill_zones(scope))
    }

    /// The steps, in order.
    pub(crate) fn steps(&self) -> &[StepManifest] {
        &self.steps
    }

    /// Settings that its expressions name.
    pub(crate) fn settings(&self) -> impl Iterator<Item = &str> {
        self.expressions().into_iter().flat_map(RecordExpression::settings).map(String::as_str)
    }

    /// Values of the request that its expressions name.
    pub(crate) fn given(&self) -> Vec<&str> {
        let mut names: Vec<&str> =
            self.expressions().into_iter().flat_map(RecordExpression::given).map(String::as_str).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// What is computed of records.
    pub(crate) fn expressions(&self) -> Vec<&RecordExpression> {
        let mut all = Vec::new();
        for step in &self.steps {
            match step {
                StepManifest::Keep(expression) => all.push(expression),
                StepManifest::Add(fields) => all.extend(fields.iter().flat_map(|(_, field)| field.expressions())),
                StepManifest::Remove(remove) => all.extend(remove.when()),
                _ => {}
            }
        }
        all
    }

    /// Fields of the body that its steps put into records.
    pub(crate) fn body_fields(&self) -> impl Iterator<Item = &Pointer> {
        let adds =
            self.steps.iter().filter_map(|step| if let StepManifest::Add(fields) = step { Some(fields) } else { None });
        adds.flat_map(|fields| fields.iter().filter_map(|(_, field)| field.body.as_ref()))
    }

    /// What its `include` steps look up in, in order.
    pub(crate) fn includes(&self) -> impl Iterator<Item = &IncludeManifest> {
        self.steps
            .iter()
            .filter_map(|step| if let StepManifest::Include(include) = step { Some(include) } else { None })
    }

    /// Whether records must wait for the end of their body.
    pub(crate) fn needs_whole_page(&self) -> bool {
        self.includes().next().is_some() || self.body_fields().next().is_some()
    }

    /// What is wrong with it, where its parts do not fit together.
    pub(crate) fn check(&self) -> Result<(), String> {
        self.steps.iter().try_for_each(|step| match step {
            StepManifest::Add(fields) => fields.iter().try_for_each(|(name, field)| field.check(name)),
            StepManifest::Explode(explode) => explode.check(),
            StepManifest::Include(include) => include.check(),
            StepManifest::Rename(rename) => rename.check(),
            _ => Ok(()),
        })
    }

    /// Shapes one record: appends the records that become of it, and returns how many were dropped.
    ///
    /// What is no JSON object passes as it is, for whoever types it to refuse.
    pub(crate) fn apply(
        &self,
        text: &Bytes,
        settings: &Value,
        given: &Value,
        page: &PageSides,
        out: &mut Vec<Bytes>,
    ) -> u64 {
        let record = std::str::from_utf8(text).ok().and_then(Node::record);
        let Some(record) = record else {
            out.push(text.clone());
            return 0;
        };
        let before = out.len();
        let around = Surroundings { settings: settings.clone(), given: given.clone(), page };
        let mut run = Run { around: &around, columns: &self.columns, out, bytes: 0, dropped: 0 };
        match run.steps(&self.steps, 0, record) {
            Ok(()) => run.dropped,
            Err(reason) => {
                out.truncate(before);
                out.push(refused(&reason, text));
                0
            }
        }
    }
}

/// The values of settings, as expressions see them.
pub(crate) fn settings_value(scope: &Scope) -> Value {
    let value = |scalar: &Scalar| match scalar {
        Scalar::Text(text) => Value::from(text.as_str()),
        Scalar::Integer(number) => Value::from(*number),
        Scalar::Float(number) => Value::from(*number),
        Scalar::Bool(flag) => Value::from(*flag),
        Scalar::List(texts) => Value::from(texts.clone()),
    };
    Value::from(scope.iter().map(|(name, scalar)| (name.clone(), value(scalar))).collect::<BTreeMap<_, _>>())
}

impl Surroundings<'_> {
    /// The names of an expression over a record, and over an item of a list in it.
    fn names(&self, record: &Value, item: Option<(&Value, usize)>) -> Value {
        let mut names = BTreeMap::from([
            ("record", record.clone()),
            ("settings", self.settings.clone()),
            ("given", self.given.clone()),
        ]);
        if let Some((item, index)) = item {
            names.insert("item", item.clone());
            names.insert("index", Value::from(index));
        }
        Value::from(names)
    }
}

/// A value as expressions see it.
fn value_of(node: &Node<'_>) -> Result<Value, Refusal> {
    serde_json::from_str(&node.text()).map_err(|error| error.to_string())
}

/// One record on its way through the steps.
struct Run<'a, 'b> {
    around: &'a Surroundings<'b>,
    columns: &'a [(Pointer, Normal)],
    out: &'a mut Vec<Bytes>,
    bytes: usize,
    dropped: u64,
}

impl Run<'_, '_> {
    fn steps(&mut self, steps: &[StepManifest], includes: usize, mut record: Node<'_>) -> Result<(), Refusal> {
        let mut includes = includes;
        for (at, step) in steps.iter().enumerate() {
            match step {
                StepManifest::Keep(expression) => {
                    let names = self.around.names(&value_of(&record)?, None);
                    if !expression.evaluate(names).map_err(|error| error.to_string())?.is_true() {
                        self.dropped += 1;
                        return Ok(());
                    }
                }
                StepManifest::Explode(explode) => {
                    let rows = explode.rows(record)?;
                    if rows.is_empty() {
                        self.dropped += 1;
                    }
                    let rest = steps.get(at + 1..).unwrap_or_default();
                    return rows.into_iter().try_for_each(|row| self.steps(rest, includes, row));
                }
                StepManifest::Include(include) => {
                    let lookup = self.around.page.lookups.get(includes);
                    includes += 1;
                    include.join(&mut record, lookup)?;
                }
                StepManifest::Add(fields) => {
                    fields.iter().try_for_each(|(name, field)| field.apply(name, &mut record, self.around))?;
                }
                StepManifest::Remove(remove) => remove.apply(&mut record, self.around)?,
                StepManifest::Rename(rename) => rename.apply(&mut record)?,
                StepManifest::Flatten(flatten) => flatten.apply(&mut record)?,
                StepManifest::DropNulls(places) => places
                    .as_slice()
                    .iter()
                    .filter_map(|place| record.get(place.segments()).map(prune::drop_nulls))
                    .for_each(drop),
                StepManifest::Fit(fields) => fields
                    .iter()
                    .try_for_each(|(place, fit)| fit.apply(Pointer::parse(place).segments(), &mut record))?,
            }
        }
        columns::normalise(self.columns, &mut record);
        let mut text = Vec::new();
        record.write(&mut text);
        self.bytes += text.len();
        if self.bytes > SHAPED_BYTES_MAX {
            return Err(format!("what becomes of it is larger than {SHAPED_BYTES_MAX} bytes"));
        }
        self.out.push(text.into());
        Ok(())
    }
}

#[cfg(test)]
mod tests;
