//! A record that is opened only as far as it is shaped: what nobody touches stays the text that the source wrote, digits included.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::decoding::write_text;

/// A JSON value, opened or not.
#[derive(Clone, Debug)]
pub(crate) enum Node<'a> {
    /// Its text.
    Text(Cow<'a, str>),
    /// Members in order.
    Object(Vec<(String, Node<'a>)>),
    /// Elements in order.
    List(Vec<Node<'a>>),
}

/// The members of an object, each with the text of its value.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder;
        impl<'de> Visitor<'de> for InOrder {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry::<String, &'de RawValue>()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(InOrder)
    }
}

impl<'a> Node<'a> {
    /// A record; nothing when its text is no JSON object.
    pub(crate) fn record(text: &'a str) -> Option<Self> {
        let mut node = Self::Text(Cow::Borrowed(text));
        node.members().is_some().then_some(node)
    }

    /// Null.
    pub(crate) const fn null() -> Self {
        Self::Text(Cow::Borrowed("null"))
    }

    /// A value from its JSON text.
    pub(crate) const fn json(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }

    /// A text.
    pub(crate) fn string(text: &str) -> Self {
        let mut out = Vec::with_capacity(text.len() + 2);
        write_text(&mut out, text);
        Self::json(String::from_utf8(out).unwrap_or_default())
    }

    /// Opens one level of it, if it has one.
    fn open(&mut self) {
        let Self::Text(text) = self else { return };
        let opened = match text {
            Cow::Borrowed(text) => opened(text),
            Cow::Owned(text) => opened(text).map(Node::into_owned),
        };
        if let Some(opened) = opened {
            *self = opened;
        }
    }

    fn into_owned<'b>(self) -> Node<'b> {
        match self {
            Self::Text(text) => Node::Text(Cow::Owned(text.into_owned())),
            Self::Object(members) => {
                Node::Object(members.into_iter().map(|(name, value)| (name, value.into_owned())).collect())
            }
            Self::List(items) => Node::List(items.into_iter().map(Node::into_owned).collect()),
        }
    }

    /// Its members, if it is an object.
    pub(crate) fn members(&mut self) -> Option<&mut Vec<(String, Self)>> {
        self.open();
        if let Self::Object(members) = self { Some(members) } else { None }
    }

    /// Its elements, if it is a list.
    pub(crate) fn items(&mut self) -> Option<&mut Vec<Self>> {
        self.open();
        if let Self::List(items) = self { Some(items) } else { None }
    }

    /// The value at a path.
    pub(crate) fn get(&mut self, path: &[String]) -> Option<&mut Self> {
        let Some((first, rest)) = path.split_first() else { return Some(self) };
        self.child(first)?.get(rest)
    }

    fn child(&mut self, name: &str) -> Option<&mut Self> {
        self.open();
        match self {
            Self::Object(members) => members.iter_mut().find(|(known, _)| known == name).map(|(_, value)| value),
            Self::List(items) => items.get_mut(name.parse::<usize>().ok()?),
            Self::Text(_) => None,
        }
    }

    /// Takes the member at a path out of its object.
    pub(crate) fn take(&mut self, path: &[String]) -> Option<Self> {
        let (last, above) = path.split_last()?;
        let members = self.get(above)?.members()?;
        let place = members.iter().position(|(name, _)| name == last)?;
        Some(members.remove(place).1)
    }

    /// Puts a value at a path, in objects that are made on the way; an old value there is replaced.
    pub(crate) fn put(&mut self, path: &[String], value: Self) -> Result<(), String> {
        let Some((first, rest)) = path.split_first() else {
            *self = value;
            return Ok(());
        };
        let no_object = || format!("`{first}` cannot stand in what is no object");
        let members = self.members().ok_or_else(no_object)?;
        if let Some((_, old)) = members.iter_mut().find(|(name, _)| name == first) {
            return old.put(rest, value);
        }
        let mut fresh = if rest.is_empty() { value.clone() } else { Self::Object(Vec::new()) };
        if !rest.is_empty() {
            fresh.put(rest, value)?;
        }
        members.push((first.clone(), fresh));
        Ok(())
    }

    /// Whether it is null.
    pub(crate) fn is_null(&self) -> bool {
        matches!(self, Self::Text(text) if text == "null")
    }

    /// Appends its JSON text.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Text(text) => out.extend_from_slice(text.as_bytes()),
            Self::Object(members) => {
                out.push(b'{');
                for (at, (name, value)) in members.iter().enumerate() {
                    if at > 0 {
                        out.push(b',');
                    }
                    write_text(out, name);
                    out.push(b':');
                    value.write(out);
                }
                out.push(b'}');
            }
            Self::List(items) => {
                out.push(b'[');
                for (at, item) in items.iter().enumerate() {
                    if at > 0 {
                        out.push(b',');
                    }
                    item.write(out);
                }
                out.push(b']');
            }
        }
    }

    /// Its JSON text.
    pub(crate) fn text(&self) -> Cow<'_, str> {
        if let Self::Text(text) = self {
            return Cow::Borrowed(text);
        }
        let mut out = Vec::new();
        self.write(&mut out);
        // Everything in it was text before.
        Cow::Owned(String::from_utf8(out).unwrap_or_default())
    }

    /// What a text says, or a number or boolean as text; nothing for null and containers.
    pub(crate) fn plain(&self) -> Option<String> {
        let Self::Text(text) = self else { return None };
        match text.as_bytes().first() {
            Some(b'"') => serde_json::from_str(text).ok(),
            Some(b'{' | b'[' | b'n') | None => None,
            Some(_) => Some(text.to_string()),
        }
    }
}

fn opened(text: &str) -> Option<Node<'_>> {
    match text.trim_start().as_bytes().first()? {
        b'{' => {
            let Members(members) = serde_json::from_str(text).ok()?;
            let members = members.into_iter().map(|(name, value)| (name, Node::Text(Cow::Borrowed(value.get()))));
            Some(Node::Object(members.collect()))
        }
        b'[' => {
            let items: Vec<&RawValue> = serde_json::from_str(text).ok()?;
            Some(Node::List(items.into_iter().map(|value| Node::Text(Cow::Borrowed(value.get()))).collect()))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Vec<String> {
        crate::decoding::Pointer::parse(text).segments().to_vec()
    }

    #[test]
    fn what_is_no_object_is_no_record() {
        for text in ["", "1", "[{}]", "{\"a\":}", "{\"a\":1} x", "{"] {
            assert!(Node::record(text).is_none(), "{text}");
        }
    }

    #[test]
    fn what_is_not_touched_keeps_its_text() {
        let text = r#"{"n": 0.12345678901234567890,"deep":{"a":[1, {"b":1e400}]},"s":"\u00e9"}"#;
        let mut node = Node::record(text).unwrap();
        assert_eq!(node.get(&path("/deep/a/1/b")).unwrap().text(), "1e400");
        node.put(&path("/deep/c/d"), Node::string("x\"")).unwrap();
        assert_eq!(node.take(&path("/s")).unwrap().plain().as_deref(), Some("é"));
        assert_eq!(node.take(&path("/none/x")).map(|node| node.is_null()), None);
        assert!(node.put(&path("/n/x"), Node::null()).is_err());
        assert_eq!(node.text(), r#"{"n":0.12345678901234567890,"deep":{"a":[1,{"b":1e400}],"c":{"d":"x\""}}}"#);
    }
}
