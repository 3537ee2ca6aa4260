//! Where records stand in a body, and how it is read.

use serde_json::{Map, Value, json};

use super::convert::{Convert, Made};
use super::shape;
use super::tree::{component, kind, text};

impl Convert<'_> {
    pub(super) fn records_path(&mut self, selector: &Value) -> Vec<String> {
        let extractor = component(selector, "extractor");
        extractor.and_then(|extractor| shape::texts(self, extractor, extractor.get("field_path"))).unwrap_or_default()
    }

    /// Where records stand, and how bodies are read.
    pub(super) fn write_records(&mut self, retriever: &Value, selector: &Value, made: &mut Made) -> Result<(), String> {
        let extractor = component(selector, "extractor");
        if let Some(extractor) = extractor
            && (!matches!(kind(extractor), "DpathExtractor" | "") || extractor.get("class_name").is_some())
        {
            self.custom(extractor, kind(extractor), "a way to find records");
            return Err(String::new());
        }
        let path = match extractor.map(|extractor| (extractor, extractor.get("field_path"))) {
            Some((extractor, Some(path))) => {
                shape::texts(self, extractor, Some(path)).ok_or("the place of records is worked out")?
            }
            _ => Vec::new(),
        };
        let decoder =
            component(retriever, "decoder").or_else(|| extractor.and_then(|extractor| component(extractor, "decoder")));
        let decoding = decoder.map(|decoder| self.decoding(decoder)).transpose()?.flatten();
        let has_path =
            decoding.as_ref().is_none_or(|steps| steps.last().is_some_and(|last| *last == "json" || *last == "xml"));
        let path = match decoder.and_then(|decoder| items_path(self, decoder)) {
            // Each element is what the path then leads to.
            Some(items) if path.is_empty() => items,
            Some(_) => return Err("records within the elements of a list".to_owned()),
            None => path,
        };
        if has_path {
            made.fields.insert("records".to_owned(), json!({ "found": shape::pointer(&path) }));
        } else if !path.is_empty() {
            return Err("records within lines or rows".to_owned());
        }
        if let Some(mut steps) = decoding.filter(|steps| *steps != ["json"]) {
            let written = if steps.len() == 1 { steps.remove(0) } else { Value::Array(steps) };
            made.fields.insert("decoding".to_owned(), written);
        }
        Ok(())
    }

    /// What is undone first, and the format.
    fn decoding(&mut self, decoder: &Value) -> Result<Option<Vec<Value>>, String> {
        let inner = |convert: &mut Self, wrapping: Value| -> Result<Option<Vec<Value>>, String> {
            let below = component(decoder, "decoder").or_else(|| component(decoder, "parser"));
            let mut steps = vec![wrapping];
            let below = below.map(|below| convert.decoding(below)).transpose()?.flatten();
            steps.extend(below.unwrap_or_else(|| vec!["json".into()]));
            Ok(Some(steps))
        };
        Ok(Some(match kind(decoder) {
            "JsonDecoder" | "JsonParser" | "" | "JsonItemsDecoder" | "JsonItemsParser" => vec!["json".into()],
            "JsonlDecoder" | "JsonLineParser" => vec!["json_lines".into()],
            "IterableDecoder" => vec![json!({ "lines": { "wrap_as": "record" } })],
            "XmlDecoder" => vec!["xml".into()],
            "CsvDecoder" | "CsvParser" => {
                let delimiter = self.constant_text(decoder, "delimiter").unwrap_or_else(|| ",".to_owned());
                let delimiter = if delimiter == "\\t" { "\t".to_owned() } else { delimiter };
                let mut dialect = Map::new();
                if delimiter != "," {
                    dialect.insert("delimiter".to_owned(), delimiter.into());
                }
                // An empty cell is an empty text there, unless it is named among those that are nothing.
                let nulls = match decoder.get("set_values_to_none") {
                    Some(Value::Array(nulls)) => nulls.clone(),
                    _ => Vec::new(),
                };
                if !nulls.contains(&Value::from("")) {
                    dialect.insert("empty_is_text".to_owned(), true.into());
                }
                if !nulls.is_empty() {
                    dialect.insert("nulls".to_owned(), nulls.into());
                }
                dialect.insert("ragged".to_owned(), "fill".into());
                dialect.insert("may_be_empty".to_owned(), true.into());
                let csv = json!({ "csv": dialect });
                let charset = text(decoder.get("encoding")).to_ascii_lowercase();
                if charset.is_empty() || charset.starts_with("utf-8") || charset == "utf8" {
                    vec![csv]
                } else {
                    vec![json!({ "charset": charset }), csv]
                }
            }
            "GzipDecoder" | "GzipParser" => return inner(self, "gzip".into()),
            "ZipfileDecoder" => return inner(self, "zip".into()),
            "CompositeRawDecoder" => {
                let parser = component(decoder, "parser").ok_or("a decoder without a parser")?;
                return self.decoding(parser);
            }
            other => {
                self.custom(decoder, other, "a decoder");
                return Err(String::new());
            }
        }))
    }
}

/// Where a decoder finds the list whose elements it gives.
fn items_path(convert: &mut Convert<'_>, decoder: &Value) -> Option<Vec<String>> {
    if matches!(kind(decoder), "JsonItemsDecoder" | "JsonItemsParser") {
        let path = convert.constant_text(decoder, "items_path")?;
        return Some(path.split('.').map(str::to_owned).collect());
    }
    let below = component(decoder, "decoder").or_else(|| component(decoder, "parser"))?;
    items_path(convert, below)
}
