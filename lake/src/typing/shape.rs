//! Where a contract's values lie in a record, and the walk that finds them.
//!
//! One walk over a record's bytes fills a slot per column and lists every field that no column names. Sources write the fields of
//! their records in one order, so the field that came after the last one is tried first.

use super::error::TypingError;
use super::json::{Cursor, Malformed, Value, unescape};

/// A place in the record that some pointer passes or ends at.
#[derive(Clone, Debug, Default)]
struct Node {
    /// Columns whose pointer ends here.
    slots: Vec<usize>,
    /// Fields below it that pointers pass, as name and node.
    fields: Vec<(Box<[u8]>, usize)>,
    /// Its own path as JSON text without quotes: nothing at the root, then `customer`, then `/customer/address`.
    path: String,
    /// What a field's name is put after: nothing at the root, `/customer/` below.
    prefix: String,
}

/// A value that no column names.
#[derive(Clone, Copy, Debug)]
struct Unknown {
    /// The node that it stands in.
    node: usize,
    /// Its field's name as written, without quotes; `None` when the node itself has an unexpected kind.
    key: Option<(usize, usize)>,
    value: Value,
}

/// What one walk found. Kept between records to keep its memory.
#[derive(Clone, Debug, Default)]
pub(super) struct Found {
    slots: Vec<Option<Value>>,
    unknown: Vec<Unknown>,
}

impl Found {
    /// The value of a column, if the record has it.
    pub(super) fn slot(&self, slot: usize) -> Option<Value> {
        self.slots.get(slot).copied().flatten()
    }

    pub(super) fn has_unknown(&self) -> bool {
        !self.unknown.is_empty()
    }
}

/// The tree of a table's pointers.
#[derive(Clone, Debug)]
pub(super) struct Shape {
    nodes: Vec<Node>,
    slots: usize,
}

impl Shape {
    /// Makes a tree of pointers, each with the name of its column.
    pub(super) fn new<'a>(pointers: impl Iterator<Item = (&'a str, &'a str)>) -> Result<Self, TypingError> {
        let mut shape = Self { nodes: vec![Node::default()], slots: 0 };
        for (column, pointer) in pointers {
            let slot = shape.slots;
            shape.slots += 1;
            let mut at = 0;
            let mut rest = pointer;
            while !rest.is_empty() {
                let wrong = || TypingError::Pointer { column: column.to_owned(), pointer: pointer.to_owned() };
                rest = rest.strip_prefix('/').ok_or_else(wrong)?;
                let end = rest.find('/').unwrap_or(rest.len());
                let (token, tail) = rest.split_at(end);
                at = shape.step(at, &token.replace("~1", "/").replace("~0", "~"));
                rest = tail;
            }
            if let Some(node) = shape.nodes.get_mut(at) {
                node.slots.push(slot);
            }
        }
        Ok(shape)
    }

    fn step(&mut self, from: usize, name: &str) -> usize {
        let known =
            self.nodes.get(from).and_then(|node| node.fields.iter().find(|(field, _)| **field == *name.as_bytes()));
        if let Some((_, to)) = known {
            return *to;
        }
        let to = self.nodes.len();
        let quoted = serde_json::Value::from(name).to_string();
        let escaped = quoted.trim_start_matches('"').strip_suffix('"').unwrap_or_default().to_owned();
        let Some(node) = self.nodes.get_mut(from) else { return from };
        node.fields.push((name.as_bytes().into(), to));
        let path = if from == 0 { escaped.clone() } else { format!("{}{escaped}", node.prefix) };
        let prefix = if from == 0 { format!("/{escaped}/") } else { format!("{path}/") };
        self.nodes.push(Node { path, prefix, ..Node::default() });
        to
    }

    /// Walks over the value at `at` and returns where it ends.
    pub(super) fn walk(&self, bytes: &[u8], at: usize, found: &mut Found) -> Result<usize, Malformed> {
        found.slots.clear();
        found.slots.resize(self.slots, None);
        found.unknown.clear();
        let mut cursor = Cursor::new(bytes, at);
        cursor.space();
        self.visit(&mut cursor, bytes, (0, 0), found)?;
        Ok(cursor.at())
    }

    fn visit<'a>(
        &self,
        cursor: &mut Cursor<'a>,
        bytes: &'a [u8],
        at: (usize, u32),
        found: &mut Found,
    ) -> Result<(), Malformed> {
        let (id, depth) = at;
        let Some(node) = self.nodes.get(id) else { return Ok(()) };
        if node.fields.is_empty() || !node.slots.is_empty() {
            let start = cursor.at();
            let value = cursor.value(depth)?;
            for slot in &node.slots {
                if let Some(slot) = found.slots.get_mut(*slot) {
                    *slot = Some(value);
                }
            }
            if node.fields.is_empty() {
                // A table without columns at its root knows nothing of the record.
                if node.slots.is_empty() {
                    found.unknown.push(Unknown { node: id, key: None, value });
                }
                return Ok(());
            }
            // Some columns lie inside of what another takes whole: once more over the same bytes.
            *cursor = Cursor::new(bytes, start);
        }
        match cursor.peek() {
            Some(b'{') => self.object(cursor, bytes, at, found),
            Some(b'[') => self.array(cursor, bytes, at, found),
            _ => {
                let value = cursor.value(depth)?;
                if value.kind != super::json::Kind::Null && node.slots.is_empty() {
                    found.unknown.push(Unknown { node: id, key: None, value });
                }
                Ok(())
            }
        }
    }

    fn object<'a>(
        &self,
        cursor: &mut Cursor<'a>,
        bytes: &'a [u8],
        at: (usize, u32),
        found: &mut Found,
    ) -> Result<(), Malformed> {
        let (id, depth) = at;
        let Some(node) = self.nodes.get(id) else { return Ok(()) };
        cursor.pass(b'{', "`{`")?;
        cursor.space();
        if cursor.passes(b'}') {
            return Ok(());
        }
        let mut next = 0;
        loop {
            let key_start = cursor.at() + 1;
            let is_escaped = cursor.text()?;
            let key = (key_start, cursor.at() - 1);
            cursor.space();
            cursor.pass(b':', "`:`")?;
            cursor.space();
            let raw = bytes.get(key.0..key.1).unwrap_or_default();
            let field = if is_escaped {
                let mut plain = Vec::new();
                unescape(raw, &mut plain);
                node.find(&plain, next)
            } else {
                node.find(raw, next)
            };
            if let Some((place, child)) = field {
                next = place + 1;
                self.visit(cursor, bytes, (child, depth + 1), found)?;
            } else {
                let value = cursor.value(depth + 1)?;
                if node.slots.is_empty() {
                    found.unknown.push(Unknown { node: id, key: Some(key), value });
                }
            }
            cursor.space();
            if cursor.passes(b'}') {
                return Ok(());
            }
            cursor.pass(b',', "`,` or `}`")?;
            cursor.space();
        }
    }

    /// An array on the way of a pointer, whose token is an index.
    fn array<'a>(
        &self,
        cursor: &mut Cursor<'a>,
        bytes: &'a [u8],
        at: (usize, u32),
        found: &mut Found,
    ) -> Result<(), Malformed> {
        let (id, depth) = at;
        let Some(node) = self.nodes.get(id) else { return Ok(()) };
        let start = cursor.at();
        let whole = cursor.value(depth)?;
        let end = cursor.clone();
        *cursor = Cursor::new(bytes, start + 1);
        cursor.space();
        let (mut index, mut is_covered) = (0_usize, true);
        while cursor.peek() != Some(b']') {
            if let Some((_, child)) = node.find(index.to_string().as_bytes(), index) {
                self.visit(cursor, bytes, (child, depth + 1), found)?;
            } else {
                cursor.value(depth + 1)?;
                is_covered = false;
            }
            cursor.space();
            cursor.passes(b',');
            cursor.space();
            index += 1;
        }
        if !is_covered && node.slots.is_empty() {
            found.unknown.push(Unknown { node: id, key: None, value: whole });
        }
        *cursor = end;
        Ok(())
    }

    /// Appends `"name":value,` for everything that no column names.
    pub(super) fn rescue(&self, text: &str, found: &Found, out: &mut String) {
        for unknown in &found.unknown {
            let Some(node) = self.nodes.get(unknown.node) else { continue };
            out.push('"');
            match unknown.key {
                Some((start, end)) => {
                    out.push_str(&node.prefix);
                    out.push_str(text.get(start..end).unwrap_or_default());
                }
                None => out.push_str(&node.path),
            }
            out.push_str("\":");
            out.push_str(text.get(unknown.value.start..unknown.value.end).unwrap_or_default());
            out.push(',');
        }
    }
}

impl Node {
    fn find(&self, name: &[u8], next: usize) -> Option<(usize, usize)> {
        if let Some((field, node)) = self.fields.get(next)
            && **field == *name
        {
            return Some((next, *node));
        }
        let place = self.fields.iter().position(|(field, _)| **field == *name)?;
        Some((place, self.fields.get(place)?.1))
    }
}
