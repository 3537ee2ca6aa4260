//! Looks for a person in the raw readings of a stream: in their records, and in whatever else their bodies hold.
//!
//! Every reading is looked at, not only those that tables show: what a later reading replaced, what the gate refused and what lay
//! outside a window's bounds is in raw all the same.

use std::collections::{BTreeMap, BTreeSet};

use headwater_contract::{Exchange, StreamContract, Window};

use super::error::ErasureError;
use super::record::Digester;
use super::subject::{Matcher, Subject, TELLING_MIN, holds, personal_texts, telling_texts};
use crate::Lake;
use crate::attempt::{Decoders, Seen, StoredReading};
use crate::raw::{Receipt, Receipts};

/// What a window holds of a person.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FoundWindow {
    /// Records that are the person's, in all of the window's readings.
    pub records: u64,
    /// Whether a body or an address names the person outside of a record.
    pub is_named: bool,
    /// Texts of the person's records: what must not stand in the path of a request that is kept.
    pub(crate) telling: BTreeSet<String>,
}

/// What a stream's raw readings hold of a person.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The windows that hold anything of the person.
    pub windows: BTreeMap<Window, FoundWindow>,
    /// Windows that were looked at.
    pub looked_at: u64,
    /// Records that cannot be read and hold a value too short to tell whose they are: they are in quarantine.
    pub unreadable: u64,
    /// What the person's records say in columns that are classified as personal, where it is long enough to tell by.
    pub(crate) personal: BTreeSet<String>,
    /// A slice, or a token that a chain goes on from, is one of the values itself. Names of windows and paths keep it.
    pub is_in_names: bool,
}

impl Found {
    /// Texts by which the person can be known outside of tables, in a question that somebody asked, say.
    pub fn personal(&self) -> impl Iterator<Item = &str> {
        self.personal.iter().map(String::as_str)
    }

    /// Records that are the person's, in all windows.
    pub fn records(&self) -> u64 {
        self.windows.values().map(|window| window.records).sum()
    }
}

/// Looks through every reading of the stream; with `windows` only through theirs.
///
/// # Errors
///
/// [`ErasureError`] when a receipt, a part or a body cannot be read.
pub async fn search(
    lake: &Lake,
    contract: &StreamContract,
    digester: &Digester,
    subjects: &[Subject],
    windows: Option<&BTreeSet<Window>>,
    decoders: &dyn Decoders,
) -> Result<Found, ErasureError> {
    let mut found = Found::default();
    let own: Vec<&Subject> = subjects.iter().filter(|subject| subject.stream == contract.name).collect();
    let Some(mut matcher) = matcher(contract, digester, subjects)? else { return Ok(found) };
    let all = Receipts::new(&lake.zones.raw).of_stream(&contract.name).await?;
    let values: Vec<&str> =
        own.iter().map(|subject| subject.value()).filter(|text| text.len() >= TELLING_MIN).collect();
    for (window, receipts) in all.into_iter().filter(|(one, _)| windows.is_none_or(|wanted| wanted.contains(one))) {
        found.looked_at += 1;
        let mut here = FoundWindow::default();
        let tokens = receipts.iter().flat_map(|receipt| [&receipt.token_in, &receipt.token_out]).flatten();
        let mut names = tokens.map(String::as_str).chain([window.slice.as_str()]);
        let is_in_names = names.any(|name| own.iter().any(|subject| subject.value() == name));
        found.is_in_names |= is_in_names;
        let mut seen: BTreeSet<Vec<&str>> = BTreeSet::new();
        for receipt in &receipts {
            // An accepted or replayed reading has the parts of another.
            if seen.insert(receipt.parts.iter().map(|part| part.path.as_str()).collect()) {
                let whom = (&mut matcher, values.as_slice());
                look(lake, contract, &window, receipt, whom, decoders, (&mut here, &mut found.personal)).await?;
            }
        }
        if here.records > 0 || here.is_named {
            found.windows.insert(window.clone(), here);
        }
    }
    found.unreadable = matcher.unreadable;
    Ok(found)
}

/// Tells which records of the stream are the person's; `None` when nothing of the stream is asked for.
pub(crate) fn matcher(
    contract: &StreamContract,
    digester: &Digester,
    subjects: &[Subject],
) -> Result<Option<Matcher>, ErasureError> {
    let own: Vec<&Subject> = subjects.iter().filter(|subject| subject.stream == contract.name).collect();
    let wanted: Vec<_> = own.iter().map(|one| (one.column.clone(), one.digest(digester.key()))).collect();
    let values = own.iter().map(|subject| subject.value().to_owned()).collect();
    Ok(Matcher::new(contract, digester.key(), &wanted)?.map(|matcher| matcher.with_values(values)))
}

async fn look(
    lake: &Lake,
    contract: &StreamContract,
    window: &Window,
    receipt: &Receipt,
    (matcher, values): (&mut Matcher, &[&str]),
    decoders: &dyn Decoders,
    (here, personal): (&mut FoundWindow, &mut BTreeSet<String>),
) -> Result<(), ErasureError> {
    let label = format!("{} {window} g{}", contract.name, receipt.generation);
    let mut reading = StoredReading::open(lake, contract, &label, &receipt.parts, decoders).await?;
    let is_of_records = reading.is_of_records();
    // The end of the chunk before: a value may lie across two.
    let mut tail: Vec<u8> = Vec::new();
    while let Some(seen) = reading.next().await? {
        match seen {
            Seen::Records(records, _) => {
                for text in matcher.sift(records)?.1 {
                    here.records += 1;
                    telling_texts(&text, &mut here.telling);
                    personal_texts(contract, &text, personal);
                }
            }
            Seen::Head(exchange) => {
                tail.clear();
                here.is_named |= !is_of_records && head_names(&exchange, values);
            }
            Seen::Body(chunk) if !is_of_records && !here.is_named && !values.is_empty() => {
                let longest = values.iter().map(|value| value.len()).max().unwrap_or(0) + 1;
                let border = [tail.as_slice(), chunk.body.get(..longest.min(chunk.body.len())).unwrap_or_default()];
                here.is_named = values
                    .iter()
                    .any(|value| holds(&chunk.body, value.as_bytes()) || holds(&border.concat(), value.as_bytes()));
                let from = chunk.body.len().saturating_sub(longest);
                tail = chunk.body.get(from..).unwrap_or_default().to_vec();
            }
            Seen::Body(_) => {}
        }
    }
    Ok(())
}

fn head_names(exchange: &Exchange, values: &[&str]) -> bool {
    let url = percent_encoding::percent_decode_str(&exchange.url).collect::<Vec<u8>>();
    let headers = exchange.headers.iter().map(|(_, value)| value.as_bytes());
    let mut texts = headers.chain([url.as_slice()]);
    texts.any(|text| values.iter().any(|value| holds(text, value.as_bytes())))
}
