//! The four zones, and where everything in them lies.
//!
//! A path is decided here and nowhere else. Names that come from a source are percent-encoded, so that no slice can leave its
//! folder. Paths of parts and typed files are written into receipts and read from there; only what is found by listing is parsed.

use headwater_contract::Zone;

use crate::store::Store;

/// The stores of a lake.
#[derive(Clone, Debug)]
pub struct Zones {
    /// Bodies as sent, receipts, quarantine, keys and history of dimensions.
    pub raw: Store,
    /// Typed tables.
    pub cleansed: Store,
    /// Facts and dimensions.
    pub curated: Store,
    /// Samples and features with an owner and an end date.
    pub exploration: Store,
}

impl Zones {
    /// The store of `zone`.
    pub fn get(&self, zone: Zone) -> &Store {
        match zone {
            Zone::Raw => &self.raw,
            Zone::Cleansed => &self.cleansed,
            Zone::Curated => &self.curated,
            Zone::Exploration => &self.exploration,
        }
    }
}

/// Builds and reads the paths of a lake, each relative to its zone.
pub mod layout {
    use chrono::{DateTime, Utc};
    use headwater_contract::{Bounds, Slice, StreamName, TableName, Window, decode_segment, encode_segment};
    use ulid::Ulid;

    /// The lake's id, in raw.
    pub const LAKE: &str = "_headwater/lake.json";
    /// Folder of ledger claims, in raw.
    pub const CLAIMS: &str = "_headwater";
    /// Folder of keys and history of dimensions, in raw.
    pub const STATE: &str = "_state";
    /// Folder of what is remembered of erasures, in raw.
    pub const ERASURES: &str = "_erasures";
    /// The secret that digests of erased values are keyed with, in raw.
    pub const ERASURE_KEY: &str = "_erasures/key.json";
    /// Folder of a whole stream's typed files, where a slice's folder stands for sliced ones.
    const WHOLE: &str = "_";

    /// The folder of a stream in raw.
    pub fn stream_folder(stream: &StreamName) -> String {
        format!("{}/{}", encode_segment(stream.source().as_str()), encode_segment(stream.stream()))
    }

    fn slice_folder(slice: &Slice) -> String {
        if slice.is_whole() { String::new() } else { format!("slice={}/", encode_segment(slice.as_str())) }
    }

    /// The day that a window's parts are filed under: its start, or for a link of a chain the day of the attempt.
    fn day(window: &Window, attempt: Ulid) -> String {
        let at = match &window.bounds {
            Bounds::Range(range) => range.from(),
            Bounds::Snapshot { read_at } => *read_at,
            Bounds::Link { .. } => {
                let millis = i64::try_from(attempt.timestamp_ms()).unwrap_or_default();
                DateTime::from_timestamp_millis(millis).unwrap_or(DateTime::<Utc>::UNIX_EPOCH)
            }
        };
        at.format("%Y-%m-%d").to_string()
    }

    /// The folder of one attempt's parts, in raw.
    pub fn attempt_folder(stream: &StreamName, window: &Window, generation: u64, attempt: Ulid) -> String {
        let (folder, slice, day) = (stream_folder(stream), slice_folder(&window.slice), day(window, attempt));
        format!("{folder}/{slice}date={day}/{}.g{generation}/{attempt}", window.name())
    }

    /// One part of an attempt, in raw.
    pub fn part_path(stream: &StreamName, window: &Window, generation: u64, attempt: Ulid, number: u32) -> String {
        format!("{}/part-{number:05}.parquet", attempt_folder(stream, window, generation, attempt))
    }

    /// The folder of a stream's receipts, in raw.
    pub fn receipts_prefix(stream: &StreamName) -> String {
        format!("{}/_receipts", stream_folder(stream))
    }

    /// The folder of one window's receipts, in raw.
    pub fn window_receipts_prefix(stream: &StreamName, window: &Window) -> String {
        format!("{}/{}{}", receipts_prefix(stream), slice_folder(&window.slice), window.name())
    }

    /// The receipt of a generation, in raw.
    pub fn receipt_path(stream: &StreamName, window: &Window, generation: u64) -> String {
        format!("{}/g{generation}.json", window_receipts_prefix(stream, window))
    }

    /// The window and generation that a receipt's path names; `None` when `path` is no receipt of `stream`.
    pub fn parse_receipt_path(stream: &StreamName, path: &str) -> Option<(Window, u64)> {
        let rest = path.strip_prefix(&receipts_prefix(stream))?.strip_prefix('/')?;
        let (folder, file) = rest.rsplit_once('/')?;
        let generation = file.strip_prefix('g')?.strip_suffix(".json")?.parse().ok()?;
        let (slice, name) = match folder.split_once('/') {
            Some((slice, name)) => (Slice::named(decode_segment(slice.strip_prefix("slice=")?)?), name),
            None => (Slice::whole(), folder),
        };
        Some((Window::parse(slice, name).ok()?, generation))
    }

    /// The folder of what is known of a table's log, in raw: it outlives the log.
    pub fn table_marks_prefix(stream: &StreamName, table: &str) -> String {
        format!("{}/_tables/{}", stream_folder(stream), encode_segment(table))
    }

    /// The n-th log that a table was begun with, in raw.
    pub fn table_mark_path(stream: &StreamName, table: &str, number: u64) -> String {
        format!("{}/{number}.json", table_marks_prefix(stream, table))
    }

    /// The number of the mark at `path`; `None` when it is none of `table`.
    pub fn parse_table_mark_path(stream: &StreamName, table: &str, path: &str) -> Option<u64> {
        let rest = path.strip_prefix(&table_marks_prefix(stream, table))?;
        rest.strip_prefix('/')?.strip_suffix(".json")?.parse().ok()
    }

    /// The quarantined records of an attempt that had too many for its receipt, in raw.
    pub fn quarantine_path(stream: &StreamName, window: &Window, generation: u64, attempt: Ulid) -> String {
        let (folder, slice) = (stream_folder(stream), slice_folder(&window.slice));
        format!("{folder}/_quarantine/{slice}{}.g{generation}.{attempt}.parquet", window.name())
    }

    /// What the path of an attempt's raw file tells: a part, or the list of its quarantined records.
    #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
    pub struct AttemptPath {
        /// The window that was read.
        pub window: Window,
        /// The generation that was read.
        pub generation: u64,
        /// The attempt that wrote it.
        pub attempt: Ulid,
    }

    /// The attempt that wrote the raw file at `path`; `None` when `path` is neither a part nor a quarantine list of `stream`.
    pub fn parse_attempt_path(stream: &StreamName, path: &str) -> Option<AttemptPath> {
        let rest = path.strip_prefix(&stream_folder(stream))?.strip_prefix('/')?;
        let (listed, rest) = match rest.strip_prefix("_quarantine/") {
            Some(rest) => (true, rest),
            None => (false, rest),
        };
        let (slice, rest) = match rest.strip_prefix("slice=") {
            Some(rest) => {
                let (slice, rest) = rest.split_once('/')?;
                (Slice::named(decode_segment(slice)?), rest)
            }
            None => (Slice::whole(), rest),
        };
        let (reading, attempt) = if listed {
            rest.strip_suffix(".parquet")?.rsplit_once('.')?
        } else {
            let (folder, file) = rest.rsplit_once('/')?;
            file.strip_prefix("part-")?.strip_suffix(".parquet")?.parse::<u32>().ok()?;
            folder.strip_prefix("date=")?.split_once('/')?.1.split_once('/')?
        };
        let (name, generation) = reading.rsplit_once(".g")?;
        Some(AttemptPath {
            window: Window::parse(slice, name).ok()?,
            generation: generation.parse().ok()?,
            attempt: Ulid::from_string(attempt).ok()?,
        })
    }

    /// The ULID in the name of a table's file: of the attempt, build or compaction that wrote it. `None` when another writer did.
    pub fn parse_writer(path: &str) -> Option<Ulid> {
        let (_, file) = path.rsplit_once('/').unwrap_or(("", path));
        let named = |word: &str| Ulid::from_string(word).ok().filter(|ulid| ulid.to_string() == word);
        file.strip_suffix(".parquet")?.split(['.', '-', '_']).find_map(named)
    }

    /// The folder of a table, in its zone: `<schema>/<table>`.
    pub fn table_path(table: &TableName) -> String {
        format!("{}/{}", encode_segment(&table.schema), encode_segment(&table.table))
    }

    /// The folder of keys and history of a dimension, in raw.
    pub fn state_path(star: &str, dimension: &str) -> String {
        format!("{STATE}/{}/{}", encode_segment(star), encode_segment(dimension))
    }

    /// What the path of a typed file tells.
    #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
    pub struct TypedPath {
        /// The window whose rows it holds.
        pub window: Window,
        /// The generation that was read.
        pub generation: u64,
        /// The attempt that wrote it.
        pub attempt: Ulid,
        /// Its number within the attempt, from 0.
        pub number: u32,
    }

    /// A typed file, relative to its table's folder: `<slice or _>/<window>.g<generation>.<attempt>-00000.parquet`.
    pub fn typed_path(typed: &TypedPath) -> String {
        let TypedPath { window, generation, attempt, number } = typed;
        let slice = typed_folder(&window.slice);
        format!("{slice}/{}.g{generation}.{attempt}-{number:05}.parquet", window.name())
    }

    fn typed_folder(slice: &Slice) -> String {
        match slice.as_str() {
            "" => WHOLE.to_owned(),
            // The one slice whose name would be taken for the whole stream.
            WHOLE => "%5F".to_owned(),
            other => encode_segment(other),
        }
    }

    /// Reads the path of a typed file back; `None` when another writer made it.
    pub fn parse_typed_path(path: &str) -> Option<TypedPath> {
        let (slice, file) = path.split_once('/')?;
        let slice = if slice == WHOLE { Slice::whole() } else { Slice::named(decode_segment(slice)?) };
        let (rest, number) = file.strip_suffix(".parquet")?.rsplit_once('-')?;
        let (rest, attempt) = rest.rsplit_once('.')?;
        let (name, generation) = rest.rsplit_once(".g")?;
        Some(TypedPath {
            window: Window::parse(slice, name).ok()?,
            generation: generation.parse().ok()?,
            attempt: Ulid::from_string(attempt).ok()?,
            number: number.parse().ok()?,
        })
    }

    /// What the path of a compacted file tells: several windows of one slice have rows in it.
    #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
    pub struct CompactedPath {
        /// The first window that may have rows in it.
        pub first: Window,
        /// The last one.
        pub last: Window,
        /// The compaction that wrote it.
        pub attempt: Ulid,
        /// Its number within the compaction, from 0.
        pub number: u32,
    }

    /// A compacted file, relative to its table's folder: `<slice or _>/<first>.to.<last>.<compaction>-00000.parquet`.
    pub fn compacted_path(compacted: &CompactedPath) -> String {
        let CompactedPath { first, last, attempt, number } = compacted;
        format!("{}/{}.to.{}.{attempt}-{number:05}.parquet", typed_folder(&first.slice), first.name(), last.name())
    }

    /// Reads the path of a compacted file back; `None` when it is none.
    pub fn parse_compacted_path(path: &str) -> Option<CompactedPath> {
        let (slice, file) = path.split_once('/')?;
        let slice = if slice == WHOLE { Slice::whole() } else { Slice::named(decode_segment(slice)?) };
        let (rest, number) = file.strip_suffix(".parquet")?.rsplit_once('-')?;
        let (rest, attempt) = rest.rsplit_once('.')?;
        let (first, last) = rest.split_once(".to.")?;
        Some(CompactedPath {
            first: Window::parse(slice.clone(), first).ok()?,
            last: Window::parse(slice, last).ok()?,
            attempt: Ulid::from_string(attempt).ok()?,
            number: number.parse().ok()?,
        })
    }

    /// The record of an erasure, in raw.
    pub fn erasure_path(id: Ulid) -> String {
        format!("{ERASURES}/{id}.json")
    }

    /// What proves that an erasure is finished, in raw.
    pub fn certificate_path(id: Ulid) -> String {
        format!("{ERASURES}/{id}.done.json")
    }

    /// The erasure whose record lies at `path`; `None` when it is none.
    pub fn parse_erasure_path(path: &str) -> Option<Ulid> {
        let id = path.strip_prefix(ERASURES)?.strip_prefix('/')?.strip_suffix(".json")?;
        Ulid::from_string(id).ok().filter(|ulid| ulid.to_string() == id)
    }

    /// The n-th claim of a ledger on the lake, in raw.
    pub fn claim_path(number: u64) -> String {
        format!("{CLAIMS}/ledger-{number}.json")
    }

    /// The number of the claim at `path`; `None` when it is none.
    pub fn parse_claim_path(path: &str) -> Option<u64> {
        path.strip_prefix(CLAIMS)?.strip_prefix("/ledger-")?.strip_suffix(".json")?.parse().ok()
    }

    #[cfg(test)]
    mod tests {
        use headwater_contract::{TimeRange, Zone};

        use super::*;

        fn windows() -> Vec<Window> {
            let at = |millis: i64| DateTime::from_timestamp_millis(1_709_251_200_000 + millis).unwrap();
            let range = TimeRange::new(at(0), at(86_400_000)).unwrap();
            let fraction = TimeRange::new(at(5), at(86_400_000)).unwrap();
            let slices = ["", "_", "..", "a/b", "owner/repo.g1", "slice=x", "%5F", "ä b-1"].map(Slice::named);
            slices
                .into_iter()
                .flat_map(|slice| {
                    [
                        Window::range(slice.clone(), range),
                        Window::range(slice.clone(), fraction),
                        Window::link(slice.clone(), 3, "token"),
                        Window::snapshot(slice, at(7)),
                    ]
                })
                .collect()
        }

        #[test]
        fn foreign_paths_are_nobodys() {
            let stream: StreamName = "shop.orders".parse().unwrap();
            for path in [
                "shop/orders/_receipts/x/g1.json",
                "shop/other/_receipts/c_1_a/g1.json",
                "shop/orders/_receipts/c_1_a/1.json",
            ] {
                assert_eq!(parse_receipt_path(&stream, path), None, "{path}");
            }
            for path in ["part-00000-uuid.snappy.parquet", "_/x.parquet", "_/c_1_a.g1.01-00000.parquet"] {
                assert_eq!(parse_typed_path(path), None, "{path}");
            }
            assert_eq!(parse_claim_path("_headwater/ledger-x.json"), None);
            for path in ["shop/orders/_tables/orders2/1.json", "shop/orders/_tables/orders/x.json"] {
                assert_eq!(parse_table_mark_path(&stream, "orders", path), None, "{path}");
            }
            for path in [
                "shop/orders/_receipts/t_20240301T000000Z_20240302T000000Z/g1.json",
                "shop/orders2/date=2024-03-01/c_1_a.g1/00000000000000000000000000/part-00000.parquet",
                "shop/orders/date=2024-03-01/c_1_a.g1/00000000000000000000000000/notes.txt",
                "shop/orders/date=2024-03-01/c_1_a/00000000000000000000000000/part-00000.parquet",
                "shop/orders/_quarantine/c_1_a.g1.parquet",
            ] {
                assert_eq!(parse_attempt_path(&stream, path), None, "{path}");
            }
            for path in [
                "_/part-00000-0b7c6b5a-9c1e-4f5e-8f64-3f0c7d2a9f11.c000.snappy.parquet",
                "_/c_1_a.g1.00000000000000000000000000-00000.json",
                "_delta_log/00000000000000000020.checkpoint.parquet",
            ] {
                assert_eq!(parse_writer(path), None, "{path}");
            }
        }

        #[test]
        fn paths_read_back_and_differ_for_every_window() {
            let stream: StreamName = "shop.orders".parse().unwrap();
            let attempt = Ulid::from_parts(1_709_251_200_000, 7);
            let mut seen = std::collections::BTreeSet::new();
            for window in windows() {
                let path = receipt_path(&stream, &window, 2);
                assert_eq!(parse_receipt_path(&stream, &path), Some((window.clone(), 2)), "{path}");
                let typed = TypedPath { window: window.clone(), generation: 2, attempt, number: 1 };
                let typed_path = typed_path(&typed);
                assert_eq!(parse_typed_path(&typed_path), Some(typed), "{typed_path}");
                assert_eq!((parse_compacted_path(&typed_path), parse_writer(&typed_path)), (None, Some(attempt)));
                let wrote = Some(AttemptPath { window: window.clone(), generation: 2, attempt });
                assert_eq!(parse_attempt_path(&stream, &part_path(&stream, &window, 2, attempt, 3)), wrote);
                assert_eq!(parse_attempt_path(&stream, &quarantine_path(&stream, &window, 2, attempt)), wrote);
                let compacted = CompactedPath { first: window.clone(), last: window.clone(), attempt, number: 4 };
                let compacted_path = compacted_path(&compacted);
                assert_eq!(parse_compacted_path(&compacted_path), Some(compacted), "{compacted_path}");
                assert_eq!((parse_typed_path(&compacted_path), parse_writer(&compacted_path)), (None, Some(attempt)));
                assert!(!typed_path.contains("..") && !path.contains("/../"), "{typed_path} {path}");
                assert!(
                    seen.insert(path)
                        && seen.insert(typed_path)
                        && seen.insert(part_path(&stream, &window, 2, attempt, 0))
                );
            }
            assert_eq!(parse_claim_path(&claim_path(12)), Some(12));
            assert_eq!(parse_erasure_path(&erasure_path(attempt)), Some(attempt));
            assert_eq!((parse_erasure_path(&certificate_path(attempt)), parse_erasure_path(ERASURE_KEY)), (None, None));
            let mark = table_mark_path(&stream, "orders", 3);
            assert_eq!(parse_table_mark_path(&stream, "orders", &mark), Some(3));
        }

        #[test]
        fn folders_are_those_that_the_documentation_names() {
            let stream: StreamName = "shop.orders".parse().unwrap();
            let at = |day: i64| DateTime::from_timestamp(1_709_251_200 + day * 86_400, 0).unwrap();
            let window = Window::range(Slice::named("eu"), TimeRange::new(at(0), at(1)).unwrap());
            let attempt = Ulid::from_parts(0, 0);
            assert_eq!(
                part_path(&stream, &window, 1, attempt, 0),
                "shop/orders/slice=eu/date=2024-03-01/t_20240301T000000Z_20240302T000000Z.g1/00000000000000000000000000/part-00000.parquet"
            );
            assert_eq!(
                receipt_path(&stream, &window, 1),
                "shop/orders/_receipts/slice=eu/t_20240301T000000Z_20240302T000000Z/g1.json"
            );
            assert_eq!(
                table_path(&TableName::new(Zone::Cleansed, "shop", "orders__versions")),
                "shop/orders__versions"
            );
        }
    }
}
