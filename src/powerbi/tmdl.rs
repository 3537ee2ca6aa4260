//! Text in the Tabular Model Definition Language: tabs for depth, names quoted where they must be.
//!
//! Follows <https://learn.microsoft.com/analysis-services/tmdl/tmdl-overview>.

use crate::powerbi::ids::id_of;

/// A text of TMDL that grows line by line.
#[derive(Debug, Default)]
pub(super) struct Tmdl(String);

impl Tmdl {
    pub(super) fn into_text(self) -> String {
        self.0
    }

    /// An empty line before the next object.
    pub(super) fn gap(&mut self) {
        if !self.0.is_empty() {
            self.0.push('\n');
        }
    }

    pub(super) fn line(&mut self, depth: usize, text: &str) {
        self.0.extend(std::iter::repeat_n('\t', depth));
        self.0.push_str(text);
        self.0.push('\n');
    }

    /// A boolean property that is true; false ones are left out.
    pub(super) fn flag(&mut self, depth: usize, name: &str, is_set: bool) {
        if is_set {
            self.line(depth, name);
        }
    }

    pub(super) fn property(&mut self, depth: usize, name: &str, value: &str) {
        self.line(depth, &format!("{name}: {}", quote_value(value)));
    }

    /// The id by which tools follow an object whose name changes.
    pub(super) fn lineage_tag(&mut self, depth: usize, path: &str) {
        self.line(depth, &format!("lineageTag: {}", id_of(path)));
    }

    /// The description of the object on the next line.
    pub(super) fn description(&mut self, depth: usize, text: Option<&str>) {
        for line in text.unwrap_or_default().lines().filter(|line| !line.trim().is_empty()) {
            self.line(depth, &format!("/// {}", line.trim()));
        }
    }

    /// Lines of an expression; their own indentation is kept below `depth`.
    pub(super) fn block(&mut self, depth: usize, text: &str) {
        for line in text.lines() {
            self.line(depth, line);
        }
    }
}

/// A name as TMDL writes it.
pub(super) fn quote(name: &str) -> String {
    let is_plain = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if is_plain { name.to_owned() } else { format!("'{}'", name.replace('\'', "''")) }
}

/// A property's text: quoted only where it begins or ends with a space or a quote; a line break becomes a space.
fn quote_value(value: &str) -> String {
    let value = value.replace(['\r', '\n'], " ");
    if value != value.trim() || value.starts_with('"') { format!("\"{}\"", value.replace('"', "\"\"")) } else { value }
}

/// A table as DAX writes it.
pub(super) fn dax_table(name: &str) -> String {
    format!("'{}'", name.replace('\'', "''"))
}

/// A column of a table as DAX writes it.
pub(super) fn dax_column(table: &str, column: &str) -> String {
    format!("{}{}", dax_table(table), dax_measure(column))
}

/// A measure as DAX writes it.
pub(super) fn dax_measure(name: &str) -> String {
    format!("[{}]", name.replace(']', "]]"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_where_they_must_be() {
        for (name, expected) in [
            ("Sales", "Sales"),
            ("Net Sales", "'Net Sales'"),
            ("Peter's", "'Peter''s'"),
            ("a.b", "'a.b'"),
            ("a=b", "'a=b'"),
            ("", "''"),
            ("Größe", "'Größe'"),
        ] {
            assert_eq!(quote(name), expected);
        }
        assert_eq!(dax_column("Peter's", "a]b"), "'Peter''s'[a]]b]");
    }

    #[test]
    fn no_text_breaks_out_of_its_line() {
        let mut text = Tmdl::default();
        text.description(1, Some("one\n\n\ttable X\n"));
        text.property(1, "formatString", "\"kg\" 0");
        text.property(1, "formatString", "0\nisHidden");
        assert_eq!(
            text.into_text(),
            "\t/// one\n\t/// table X\n\tformatString: \"\"\"kg\"\" 0\"\n\tformatString: 0 isHidden\n"
        );
    }
}
