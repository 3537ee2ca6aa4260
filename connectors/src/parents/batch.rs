//! Many parents in one request: ids that go along as a list, by count or by length.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::Fields;

/// How parents are put together into one request.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BatchManifest {
    /// The field of each parent that goes along.
    pub field: String,
    /// The name by which the request calls the list.
    #[serde(rename = "as")]
    pub name: String,
    /// Most parents of one request.
    pub parents: u32,
    /// Most bytes of all values put together, for an API that takes them in its URL.
    #[serde(default)]
    pub bytes: Option<u32>,
    /// What stands between the values, for an API that takes them as one text; a list when absent.
    #[serde(default)]
    pub separator: Option<String>,
}

/// Parents that are put together.
#[derive(Clone, Debug, Default)]
pub(crate) struct Batch {
    parents: Vec<Fields>,
    bytes: usize,
}

impl BatchManifest {
    /// Puts one more parent into `batch`; gives back the batch before it when it does not fit. One whose value is there already adds nothing.
    pub(crate) fn add(&self, batch: &mut Batch, fields: Fields) -> Option<Batch> {
        let value = fields.get(&self.field).cloned().unwrap_or_default();
        if batch.parents.iter().any(|known| known == &fields) {
            return None;
        }
        let length = text_of(&value).len() + self.separator.as_ref().map_or(1, String::len);
        let is_full = batch.parents.len() >= usize::try_from(self.parents).unwrap_or(usize::MAX)
            || self.bytes.is_some_and(|most| batch.bytes + length > usize::try_from(most).unwrap_or(usize::MAX));
        let is_other = batch.parents.first().is_some_and(|first| self.above(first) != self.above(&fields));
        let before = (!batch.parents.is_empty() && (is_full || is_other)).then(|| std::mem::take(batch));
        batch.parents.push(fields);
        batch.bytes += length;
        before
    }

    /// What the request of a batch sees: what all its parents share, and the list.
    pub(crate) fn fields(&self, batch: &[Fields]) -> Fields {
        let mut fields = batch.first().map(|first| self.above(first)).unwrap_or_default();
        let values: Vec<Value> = batch.iter().filter_map(|parent| parent.get(&self.field).cloned()).collect();
        let list = match &self.separator {
            Some(separator) => Value::String(values.iter().map(text_of).collect::<Vec<_>>().join(separator)),
            None => Value::Array(values),
        };
        fields.insert(self.name.clone(), list);
        fields
    }

    /// What a parent shares with others of its batch: all but the field that goes along.
    fn above(&self, fields: &Fields) -> Fields {
        fields
            .iter()
            .filter(|(name, _)| **name != self.field)
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect()
    }
}

impl Batch {
    /// Its parents, when there are any.
    pub(crate) fn into_parents(self) -> Option<Vec<Fields>> {
        (!self.parents.is_empty()).then_some(self.parents)
    }
}

fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ids that go in, batches that come out.
    fn batches(yaml: &str, parents: &[(i64, &str)]) -> Vec<String> {
        let manifest: BatchManifest = crate::manifest::yaml::from_str(yaml).unwrap();
        let (mut batch, mut all) = (Batch::default(), Vec::new());
        for (id, team) in parents {
            let fields = Fields::from([("id".to_owned(), Value::from(*id)), ("team".to_owned(), Value::from(*team))]);
            all.extend(manifest.add(&mut batch, fields).and_then(Batch::into_parents));
        }
        all.extend(batch.into_parents());
        all.iter().map(|batch| serde_json::to_string(&manifest.fields(batch)).unwrap()).collect()
    }

    #[test]
    fn a_batch_ends_at_its_count_its_length_or_with_what_its_parents_share() {
        let parents = [(1, "a"), (2, "a"), (2, "a"), (3, "a"), (400, "a"), (5, "b")];
        let by_count = [r#"{"ids":[1,2],"team":"a"}"#, r#"{"ids":[3,400],"team":"a"}"#, r#"{"ids":[5],"team":"b"}"#];
        assert_eq!(batches("{ field: id, as: ids, parents: 2 }", &parents), by_count);
        let by_length = [r#"{"ids":"1;2;3","team":"a"}"#, r#"{"ids":"400","team":"a"}"#, r#"{"ids":"5","team":"b"}"#];
        assert_eq!(batches("{ field: id, as: ids, parents: 9, bytes: 7, separator: ';' }", &parents), by_length);
        assert!(batches("{ field: id, as: ids, parents: 9 }", &[]).is_empty());
    }
}
