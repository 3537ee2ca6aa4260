//! Pages of a list: where one begins, read from the request, and what the answer says so that the next one is asked for.
//!
//! It follows what each kind of pagination means to the vendor and shares no code with the engine's side of it, except where the manifest
//! itself computes something: then the vendor says what makes that come out right.

use serde_json::{Value, json};

use super::place::plain;
use super::samples::holding;
use super::world::Table;
use crate::decoding::{BodyFacts, Pointer};
use crate::pagination::Slot;
use crate::pagination::{Page, Pagination, Seen};

/// Tries of values for what is computed.
const TRIES_MAX: usize = 20_000;

/// One page of a list.
#[derive(Clone, Debug, Default)]
pub(super) struct Leaf {
    /// Records that match in all.
    pub(super) total: usize,
    /// Records before this page.
    pub(super) at: usize,
    pub(super) size: usize,
    /// The records of the page, by place in the table.
    pub(super) rows: Vec<usize>,
    /// Where the next page begins.
    pub(super) next: Option<usize>,
}

/// What an answer says beside its records.
#[derive(Clone, Debug, Default)]
pub(super) struct Says {
    pub(super) fields: Vec<(Vec<String>, Value)>,
    pub(super) headers: Vec<(String, String)>,
    /// Texts that ask for what a token was issued for although the vendor never said them, with that token.
    pub(super) aliases: Vec<(String, String)>,
    /// What could not be said.
    pub(super) problems: Vec<String>,
}

/// What is to be said of a page.
#[derive(Clone, Debug)]
pub(super) enum Want {
    Flag(bool),
    Count(usize),
    Token(Option<String>),
}

/// The size of pages that a request asks for.
pub(super) fn size_of(asked: Option<String>, usual: usize) -> usize {
    asked.and_then(|text| text.parse().ok()).filter(|size| (1..=usual).contains(size)).unwrap_or(usual)
}

/// Where the page begins that a request asks for, in a list of these records. `known` finds what was issued.
pub(super) fn position(
    pagination: &Pagination,
    table: &Table,
    list: &[usize],
    size: usize,
    value: &dyn Fn(&Slot) -> Option<String>,
    known: &dyn Fn(&str) -> Option<usize>,
) -> Result<usize, String> {
    let text = |slot: &Slot| value(slot).filter(|text| !text.is_empty());
    let number = |slot: &Slot| match text(slot) {
        None => Ok(None),
        Some(text) => text.parse::<usize>().map(Some).map_err(|_| format!("`{slot}` is `{text}`, which is no number")),
    };
    match pagination {
        Pagination::None | Pagination::NextLink(_) | Pagination::NextUrl(_) => Ok(0),
        Pagination::PageNumber(pages) => {
            let first = usize::try_from(pages.first).unwrap_or(0);
            let step = usize::try_from(pages.step.unwrap_or(1).max(1)).unwrap_or(1);
            let number = number(&pages.param)?.unwrap_or(first);
            let before = number.checked_sub(first).filter(|before| before % step == 0);
            Ok(before.ok_or_else(|| format!("page {number} is before the first or between two"))? / step * size)
        }
        Pagination::Offset(offset) => {
            let start = usize::try_from(offset.start).unwrap_or(0);
            let number = number(&offset.param)?.unwrap_or(start);
            number.checked_sub(start).ok_or_else(|| format!("offset {number} is before the first"))
        }
        Pagination::LastRecordCursor(cursor) => match text(&cursor.param) {
            None => Ok(0),
            Some(text) => after(table, list, &cursor.field, &text),
        },
        Pagination::BodyToken(token) => {
            let first = token.first.as_ref().map(ToString::to_string);
            match text(&token.param) {
                None => Ok(0),
                Some(text) if Some(&text) == first.as_ref() => Ok(0),
                Some(text) => known(&text).ok_or_else(|| format!("`{text}` asks for a page and was never issued")),
            }
        }
        Pagination::Scroll(scroll) => match text(&scroll.param) {
            None => Ok(0),
            Some(text) => known(&text).ok_or_else(|| format!("session `{text}` was never opened")),
        },
        Pagination::Cursor(cursor) => {
            // What is computed can be the same on each page; a token of the vendor's own is not.
            let (mut places, mut computed) = (Vec::new(), Vec::new());
            for send in &cursor.send {
                let first = send.first.as_ref().map(ToString::to_string);
                let Some(text) = text(&send.param).filter(|text| Some(text) != first.as_ref()) else { continue };
                let into = if send.value.expression().is_some() { &mut computed } else { &mut places };
                into.push(match &send.value {
                    Seen::LastRecord(field) => after(table, list, field, &text)?,
                    Seen::FirstRecord(field) => after(table, list, field, &text)? + size - 1,
                    _ => known(&text).ok_or_else(|| format!("`{text}` asks for a page and was never issued"))?,
                });
            }
            Ok(places.into_iter().max().or(computed.into_iter().max()).unwrap_or(0))
        }
        Pagination::AdvancingFrom(advancing) => position(&advancing.pages, table, list, size, value, known),
    }
}

/// The place after the last record with this value.
pub(super) fn after(table: &Table, list: &[usize], field: &Pointer, text: &str) -> Result<usize, String> {
    let is_it = |row: &usize| {
        table.rows.get(*row).and_then(|row| field.find(&row.value)).and_then(plain).as_deref() == Some(text)
    };
    list.iter()
        .rposition(is_it)
        .map(|at| at + 1)
        .ok_or_else(|| format!("no record was sent whose `{field}` is `{text}`"))
}

/// What an answer must say of a page; `token` is what asks for the next one, `url` where it is.
pub(super) fn wants(pagination: &Pagination, leaf: &Leaf, token: Option<&str>, url: Option<&str>) -> Vec<(Seen, Want)> {
    let more = Want::Flag(leaf.next.is_some());
    let owned = |text: Option<&str>| Want::Token(text.map(str::to_owned));
    let mut wants = Vec::new();
    let mut say = |seen: &Option<Seen>, want: Want| wants.extend(seen.clone().map(|seen| (seen, want)));
    match pagination {
        Pagination::None | Pagination::NextLink(_) => {}
        Pagination::LastRecordCursor(cursor) => say(&cursor.more, more),
        Pagination::PageNumber(pages) => {
            say(&pages.pages, Want::Count(leaf.total.div_ceil(leaf.size.max(1))));
            say(&pages.total, Want::Count(leaf.total));
            say(&pages.more, more);
        }
        Pagination::Offset(offset) => {
            say(&offset.count, Want::Count(leaf.rows.len()));
            say(&offset.total, Want::Count(leaf.total));
            say(&offset.more, more);
        }
        Pagination::NextUrl(next) => {
            say(&Some(next.url.clone()), owned(url));
            say(&next.more, more);
        }
        Pagination::BodyToken(body) => {
            say(&Some(body.token.clone()), owned(token));
            say(&body.more, more);
        }
        Pagination::Scroll(scroll) => {
            say(&Some(scroll.session.clone()), owned(token));
            say(&scroll.more, more);
        }
        Pagination::Cursor(cursor) => {
            // A record that is there says itself what it says; only what is computed of it must be known.
            let is_said = |seen: &Seen| !seen.is_of_record() || (seen.expression().is_some() && leaf.next.is_some());
            for send in cursor.send.iter().filter(|send| is_said(&send.value)) {
                say(&Some(send.value.clone()), owned(token));
            }
            say(&cursor.more, more);
        }
        Pagination::AdvancingFrom(advancing) => return self::wants(&advancing.pages, leaf, token, url),
    }
    // Where a flag says that nothing follows, nobody asks what else is computed.
    if wants.iter().any(|(_, want)| matches!(want, Want::Flag(false))) {
        wants.retain(|(seen, want)| seen.expression().is_none() || !matches!(want, Want::Token(None)));
    }
    wants
}

/// Whether the next page's URL stands in the `Link` header, and under which relation.
pub(super) fn link(pagination: &Pagination) -> Option<&str> {
    match pagination {
        Pagination::NextLink(link) => Some(&link.rel),
        Pagination::AdvancingFrom(advancing) => link(&advancing.pages),
        _ => None,
    }
}

impl Says {
    /// Says all of it; `page` is the page as the engine will know it.
    pub(super) fn all(wants: Vec<(Seen, Want)>, leaf: &Leaf, page: &Page) -> Self {
        let mut says = Self::default();
        for (seen, want) in wants {
            says.one(&seen, &want, leaf, page);
        }
        says
    }

    fn one(&mut self, seen: &Seen, want: &Want, leaf: &Leaf, page: &Page) {
        let value = match want {
            Want::Flag(flag) => json!(flag),
            Want::Count(count) => json!(count),
            Want::Token(Some(text)) => json!(text),
            Want::Token(None) => Value::Null,
        };
        match seen {
            Seen::Body(pointer) => self.fields.push((pointer.segments().to_vec(), value)),
            Seen::Header(name) => {
                if let Some(text) = plain(&value) {
                    self.headers.push((name.clone(), text));
                }
            }
            Seen::FirstRecord(_) | Seen::LastRecord(_) => {}
            Seen::Computed(_) => self.computed(seen, want, leaf, page),
        }
    }

    /// Finds values for the fields of a computed fact, so that it comes out as wanted.
    fn computed(&mut self, seen: &Seen, want: &Want, leaf: &Leaf, page: &Page) {
        let token = if let Want::Token(token) = want { token.clone() } else { None };
        let mut values = vec![Value::Null, json!(true), json!(false), json!("")];
        if let Some(token) = &token {
            values.push(json!(token));
            values.extend(holding(seen.expression().unwrap_or_default(), token));
        }
        let pages = leaf.total.div_ceil(leaf.size.max(1));
        let number = leaf.at / leaf.size.max(1);
        let (count, end) = (leaf.rows.len(), leaf.at + leaf.rows.len());
        for known in [0, 1, number, number + 1, pages, leaf.total, leaf.at, end, count, leaf.size] {
            if !values.contains(&json!(known)) {
                values.push(json!(known));
            }
        }
        let fields: Vec<Pointer> = seen.body_fields().into_iter().cloned().collect();
        // What another fact has said already stays.
        let free: Vec<&Pointer> =
            fields.iter().filter(|field| !self.fields.iter().any(|(path, _)| path == field.segments())).collect();
        let is_free = |name: &&str| !self.headers.iter().any(|(known, _)| known == name);
        let free_headers: Vec<&str> = seen.headers().into_iter().filter(is_free).collect();
        let places = free.len() + free_headers.len();
        let tries = values.len().saturating_pow(u32::try_from(places).unwrap_or(u32::MAX)).min(TRIES_MAX);
        for mut at in 0..tries {
            let mut value = || {
                let value = values.get(at % values.len()).cloned().unwrap_or_default();
                at /= values.len();
                value
            };
            let chosen: Vec<(Pointer, Value)> = free.iter().map(|field| ((*field).clone(), value())).collect();
            let named = free_headers.iter().map(|name| (*name, value()));
            let named = named.filter_map(|(name, value)| Some((name.to_owned(), plain(&value)?)));
            let headers: Vec<(String, String)> = self.headers.iter().cloned().chain(named).collect();
            let said = self.fields.iter().map(|(path, value)| (pointer_of(path), Some(value.clone())));
            let body = said.chain(chosen.iter().map(|(field, value)| (field.clone(), Some(value.clone())))).collect();
            let facts = BodyFacts { body, ..page.facts.clone() };
            let page = Page { facts, headers: headers.clone(), ..page.clone() };
            if let (true, alias) = fits(seen, want, &page) {
                self.aliases.extend(alias.zip(token));
                self.fields.extend(chosen.into_iter().map(|(field, value)| (field.segments().to_vec(), value)));
                self.headers = headers;
                return;
            }
        }
        self.problems.push(format!("nothing that an answer could say makes `{seen}` come out as {want:?}"));
    }
}

fn pointer_of(path: &[String]) -> Pointer {
    let escaped = path.iter().map(|part| format!("/{}", part.replace('~', "~0").replace('/', "~1")));
    Pointer::parse(&escaped.collect::<String>())
}

/// Whether a fact comes out as wanted, and the text that then asks for what follows.
fn fits(seen: &Seen, want: &Want, page: &Page) -> (bool, Option<String>) {
    match want {
        Want::Flag(flag) => (page.flag(seen) == Ok(*flag), None),
        Want::Count(count) => (page.tell(seen) == Ok(*count as u64), None),
        Want::Token(None) => (page.token(seen) == Ok(None), None),
        Want::Token(Some(_)) => {
            let text = page.token(seen).ok().flatten();
            (text.is_some(), text)
        }
    }
}
