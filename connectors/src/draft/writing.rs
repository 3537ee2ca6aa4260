//! YAML as a person writes it: plain where a plain scalar means the text, in double quotes where it would not.

/// A text as a YAML scalar.
pub(crate) fn quoted(text: &str) -> String {
    const WORDS: [&str; 10] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan"];
    let begins_well = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == '/');
    let is_plain = begins_well
        && !text.ends_with(' ')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "_./- ".contains(c))
        && !WORDS.contains(&text.to_ascii_lowercase().as_str());
    if is_plain { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scalar_reads_back_as_its_text() {
        for text in
            ["plain", "no", "", "a: b", "x # y", "1.5", "{id}", "a\"b\\c", "/data", "ü", "created[gte]", "- a", "Null"]
        {
            let line = format!("{{ a: {} }}", quoted(text));
            let read: std::collections::BTreeMap<String, String> = crate::manifest::yaml::from_str(&line).unwrap();
            assert_eq!(read["a"], text, "{line}");
        }
    }
}
