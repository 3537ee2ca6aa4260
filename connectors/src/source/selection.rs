//! The columns of a stream as query languages name them, so that a query asks for what is kept and nothing else.

use std::collections::BTreeMap;

use crate::decoding::Pointer;

/// `id,owner.name`, as SOQL, GAQL and `OData` name fields and fields of related records.
pub(super) fn list(columns: &[Pointer]) -> String {
    columns.iter().map(dotted).collect::<Vec<_>>().join(",")
}

/// One column as it is named in a list of fields.
pub(super) fn dotted(column: &Pointer) -> String {
    column.segments().join(".")
}

/// `id owner { name }`, as GraphQL selects fields.
pub(super) fn graphql(columns: &[Pointer]) -> String {
    #[derive(Default)]
    struct Node<'a>(Vec<&'a str>, BTreeMap<&'a str, Self>);
    fn add<'a>(node: &mut Node<'a>, path: &[&'a str]) {
        let Some((first, rest)) = path.split_first() else { return };
        if !node.1.contains_key(first) {
            node.0.push(first);
        }
        add(node.1.entry(first).or_default(), rest);
    }
    fn write(node: &Node<'_>, out: &mut String) {
        for (place, name) in node.0.iter().enumerate() {
            if place > 0 {
                out.push(' ');
            }
            out.push_str(name);
            if let Some(inner) = node.1.get(name).filter(|inner| !inner.0.is_empty()) {
                out.push_str(" { ");
                write(inner, out);
                out.push_str(" }");
            }
        }
    }
    let mut root = Node::default();
    for column in columns {
        let path: Vec<&str> = column.segments().iter().map(String::as_str).collect();
        add(&mut root, &path);
    }
    let mut out = String::new();
    write(&root, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_named_as_each_language_does() {
        let columns = ["id", "/owner/name", "/owner/team/id", "total"].map(Pointer::parse);
        assert_eq!(list(&columns), "id,owner.name,owner.team.id,total");
        assert_eq!(graphql(&columns), "id owner { name team { id } } total");
        assert_eq!((list(&[]), graphql(&[])), (String::new(), String::new()));
    }
}
