//! Secrets in nothing that a process prints or leaves on the disk, in whatever way they are written.
//!
//! Every command of every test is looked at when it ends, and every file when its project goes. Bodies in raw stand as the source sent
//! them, so they are no output of ours; the store of tokens is where tokens are kept.

use std::fs::File;
use std::path::Path;

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::Field;
use parquet::schema::types::Type;

/// The shop's token. It begins with what URLs, JSON and logs write in other ways.
pub(crate) const TOKEN: &str = "c4nary/k3\"y+shop~9f27d0";
/// So much of the beginning of a secret gives it away.
const BEGINNING: usize = 12;
/// Of a file that is larger, only so much is looked at.
const LOOKED_AT_BYTES: usize = 8 * 1024 * 1024;

/// What must not be shown.
#[derive(Debug)]
pub(crate) struct Secrets {
    needles: Vec<String>,
}

impl Secrets {
    /// The shop's token alone.
    pub(crate) fn shop() -> Self {
        let mut secrets = Self { needles: Vec::new() };
        secrets.add(TOKEN);
        secrets
    }

    /// Adds a secret, in every form that it may be written in.
    pub(crate) fn add(&mut self, secret: &str) {
        assert!(secret.len() >= BEGINNING, "`{secret}` is too short to be told from other texts");
        let beginning: String = secret.chars().take(BEGINNING).collect();
        let escaped = |text: &str| format!("{text:?}").trim_matches('"').to_owned();
        let percent = |byte: u8, text: String| {
            if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { text }
        };
        self.needles.push(beginning.clone());
        self.needles.push(escaped(&beginning));
        self.needles.push(escaped(&escaped(&beginning)));
        self.needles.push(escaped(&beginning).replace('/', "\\/"));
        self.needles.push(beginning.bytes().map(|byte| percent(byte, format!("%{byte:02x}"))).collect());
        self.needles.push(beginning.bytes().map(|byte| percent(byte, format!("%{byte:02X}"))).collect());
        self.needles.push(beginning.bytes().flat_map(|byte| hex(byte >> 4).chain(hex(byte & 15))).collect());
        // In Base64 the same bytes look different by their place in a group of three.
        for place in 0..3 {
            let text = base64(&[vec![0; place], beginning.as_bytes().to_vec()].concat());
            self.needles.push(text[(place * 8).div_ceil(6)..].to_owned());
        }
        self.needles.sort_unstable();
        self.needles.dedup();
    }

    /// Fails where a text shows one.
    #[track_caller]
    pub(crate) fn are_not_in(&self, text: &str, place: &str) {
        for needle in &self.needles {
            if let Some(at) = text.find(needle.as_str()) {
                let from = text.floor_char_boundary(at.saturating_sub(200));
                let until = text.ceil_char_boundary((at + 200).min(text.len()));
                panic!("a secret shows in {place} as {needle}: …{}…", &text[from..until]);
            }
        }
    }

    /// Fails where a file's name or content shows one.
    #[track_caller]
    pub(crate) fn are_not_in_file(&self, path: &Path) {
        let place = path.display().to_string();
        self.are_not_in(&place, "the name of a file");
        if path.extension().is_some_and(|extension| extension == "parquet") {
            // What a process that was killed left half-written is no Parquet file yet.
            if let Some(text) = beside_bodies(path) {
                self.are_not_in(&text, &place);
            }
            return;
        }
        let Ok(mut bytes) = std::fs::read(path) else { return };
        bytes.truncate(LOOKED_AT_BYTES);
        self.are_not_in(&String::from_utf8_lossy(&bytes), &place);
    }
}

/// The letters of Base64 that these bytes fill.
fn base64(bytes: &[u8]) -> String {
    let letters: Vec<char> = ('A'..='Z').chain('a'..='z').chain('0'..='9').chain(['+', '/']).collect();
    let bits: String =
        bytes.iter().flat_map(|byte| (0..8).rev().map(move |at| if byte >> at & 1 == 1 { '1' } else { '0' })).collect();
    let whole = bits.as_bytes().chunks_exact(6).map(|six| std::str::from_utf8(six).unwrap());
    whole.map(|six| letters[usize::from_str_radix(six, 2).unwrap()]).collect()
}

/// The columns of a raw part, compression undone, but for the bodies; nothing of other tables, whose rows are the source's.
fn beside_bodies(path: &Path) -> Option<String> {
    let reader = SerializedFileReader::new(File::open(path).ok()?).ok()?;
    let schema = reader.metadata().file_metadata().schema();
    let is_part = schema.get_fields().iter().any(|field| field.name() == "body");
    let kept = schema.get_fields().iter().filter(|field| is_part && field.name() != "body").cloned().collect();
    let projection = Type::group_type_builder(schema.name()).with_fields(kept).build().ok()?;
    if !is_part {
        return None;
    }
    let mut text = String::new();
    for row in reader.get_row_iter(Some(projection)).ok()? {
        for (_, field) in row.ok()?.get_column_iter() {
            text += &written(field);
            text.push(' ');
        }
    }
    Some(text)
}

/// A value of a file as text.
pub(crate) fn written(field: &Field) -> String {
    match field {
        Field::Bytes(bytes) => String::from_utf8_lossy(bytes.data()).into_owned(),
        other => other.to_string(),
    }
}

/// Half a byte as a hexadecimal digit.
fn hex(half: u8) -> std::option::IntoIter<char> {
    char::from_digit(u32::from(half), 16).into_iter()
}
