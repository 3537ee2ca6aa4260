//! Parts come back as they were sent; a receipt is won by one; which generation counts.

use bytes::Bytes;
use chrono::{DateTime, Utc};
use headwater_contract::{Chunk, Digest16, DigestSum, Exchange, Slice, StreamName, TimeRange, Window};
use proptest::prelude::*;
use ulid::Ulid;

use super::*;
use crate::store::Store;
use crate::store::tests::{loses_first_answer, takes_nothing};
use crate::zones::layout;

fn stream() -> StreamName {
    "shop.orders".parse().unwrap()
}

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_709_251_200 + seconds, 0).unwrap()
}

fn window(slice: &str) -> Window {
    Window::range(Slice::named(slice), TimeRange::new(at(0), at(86_400)).unwrap())
}

fn exchange(request: u32) -> Exchange {
    Exchange {
        request,
        method: "GET".to_owned(),
        url: format!("https://shop.example/orders?page={request}"),
        status: 200,
        headers: vec![("etag".to_owned(), "\"1\"".to_owned()), ("etag".to_owned(), "ä".to_owned())],
        fetched_at: at(i64::from(request)),
        source_date: request.is_multiple_of(2).then(|| at(i64::from(request) - 1)),
    }
}

fn chunk(request: u32, ordinal: u32, size: usize) -> Chunk {
    let seed = usize::try_from(request + ordinal).unwrap();
    let body: Vec<u8> = (0..size).map(|place| u8::try_from((place * 7 + seed) % 256).unwrap()).collect();
    Chunk { request, ordinal, body: Bytes::from(body) }
}

fn writer(raw: &Store, part_bytes: usize) -> PartWriter {
    PartWriter::new(raw, &stream(), &window("eu"), 1, Ulid::from_parts(1, 1), part_bytes)
}

async fn read_back(raw: &Store, parts: &[PartFile]) -> Vec<RawChunk> {
    let mut reader = read_parts(raw, parts).await.unwrap();
    let mut chunks = Vec::new();
    while let Some(chunk) = reader.next().await.unwrap() {
        chunks.push(chunk);
    }
    chunks
}

#[tokio::test]
async fn a_chunk_without_its_head_or_out_of_order_is_refused() {
    let raw = Store::memory().unwrap();
    let mut parts = writer(&raw, 1 << 20);
    assert!(matches!(parts.chunk(chunk(0, 0, 4)).await, Err(RawError::OutOfOrder { request: 0, ordinal: 0 })));
    parts.exchange(&exchange(0)).await.unwrap();
    assert!(matches!(parts.chunk(chunk(0, 1, 4)).await, Err(RawError::OutOfOrder { request: 0, ordinal: 1 })));
    parts.chunk(chunk(0, 0, 4)).await.unwrap();
}

#[tokio::test]
async fn a_store_that_takes_nothing_is_an_error_of_the_reading() {
    let mut parts = writer(&takes_nothing(), 1 << 20);
    parts.exchange(&exchange(0)).await.unwrap();
    parts.chunk(chunk(0, 0, 4)).await.unwrap();
    assert!(matches!(parts.finish().await, Err(RawError::Store(_))));
}

#[tokio::test]
async fn a_damaged_part_is_refused() {
    let raw = Store::memory().unwrap();
    let mut parts = writer(&raw, 1 << 20);
    parts.exchange(&exchange(0)).await.unwrap();
    parts.chunk(chunk(0, 0, 4)).await.unwrap();
    let files = parts.finish().await.unwrap();
    let mut more_rows = files.clone();
    more_rows[0].rows += 1;
    assert!(matches!(read_parts(&raw, &more_rows).await, Err(RawError::Damaged { .. })));
    raw.put(&files[0].path, Bytes::from_static(b"PAR1")).await.unwrap();
    assert!(matches!(read_parts(&raw, &files).await, Err(RawError::Damaged { .. })));
}

#[tokio::test]
async fn a_reading_without_an_answer_has_no_parts_and_one_without_a_body_has_a_row() {
    let raw = Store::memory().unwrap();
    assert_eq!(writer(&raw, 1 << 20).finish().await.unwrap(), []);
    let mut parts = writer(&raw, 1 << 20);
    parts.exchange(&exchange(0)).await.unwrap();
    let files = parts.finish().await.unwrap();
    let chunks = read_back(&raw, &files).await;
    assert_eq!(chunks.len(), 1);
    assert_eq!((chunks[0].exchange.clone(), chunks[0].chunk.body.len()), (exchange(0), 0));
}

#[tokio::test]
async fn interleaved_bodies_come_back_in_order_with_their_places() {
    let raw = Store::memory().unwrap();
    let mut parts = writer(&raw, 40);
    for request in [0, 1, 2] {
        parts.exchange(&exchange(request)).await.unwrap();
    }
    let mut places = Vec::new();
    for (request, ordinal) in [(2, 0), (0, 0), (1, 0), (2, 1), (0, 1), (2, 2), (0, 2)] {
        let place = parts.chunk(chunk(request, ordinal, 15)).await.unwrap();
        places.push(((request, ordinal), place));
    }
    let files = parts.finish().await.unwrap();
    assert_eq!(files.iter().map(|file| file.rows).collect::<Vec<_>>(), [3, 3, 1]);
    places.sort_unstable();
    let chunks = read_back(&raw, &files).await;
    let found: Vec<_> = chunks.iter().map(|row| ((row.chunk.request, row.chunk.ordinal), row.position)).collect();
    assert_eq!(found, places);
    for row in chunks {
        assert_eq!(row.chunk, chunk(row.chunk.request, row.chunk.ordinal, 15));
        assert_eq!(row.exchange, exchange(row.chunk.request));
    }
}

#[tokio::test]
async fn large_bodies_make_row_groups_and_parts_of_bounded_size() {
    let raw = Store::memory().unwrap();
    let mut parts = writer(&raw, 24 << 20);
    for request in 0..8 {
        parts.exchange(&exchange(request)).await.unwrap();
        parts.chunk(chunk(request, 0, 8 << 20)).await.unwrap();
    }
    let files = parts.finish().await.unwrap();
    assert_eq!(files.iter().map(|file| file.rows).collect::<Vec<_>>(), [3, 3, 2]);
    let bytes = raw.get(&files[0].path).await.unwrap();
    assert_eq!(bytes.len() as u64, files[0].size);
    let metadata = parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap();
    assert_eq!(metadata.metadata().num_row_groups(), 3);
    assert_eq!(read_back(&raw, &files).await.len(), 8);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn bodies_come_back_as_they_were_sent(
        sizes in proptest::collection::vec(proptest::collection::vec(0_usize..200, 0..5), 0..12),
        part_bytes in 1_usize..600,
    ) {
        tokio::runtime::Runtime::new().unwrap().block_on(async {
            let raw = Store::memory().unwrap();
            let mut parts = writer(&raw, part_bytes);
            let mut sent = Vec::new();
            for (request, chunks) in (0_u32..).zip(&sizes) {
                parts.exchange(&exchange(request)).await.unwrap();
                for (ordinal, size) in (0_u32..).zip(chunks) {
                    parts.chunk(chunk(request, ordinal, *size)).await.unwrap();
                    sent.push((exchange(request), chunk(request, ordinal, *size)));
                }
                if chunks.is_empty() {
                    sent.push((exchange(request), chunk(request, 0, 0)));
                }
            }
            let files = parts.finish().await.unwrap();
            let found: Vec<_> = read_back(&raw, &files).await.into_iter().map(|row| (row.exchange, row.chunk)).collect();
            assert_eq!(found, sent);
        });
    }
}

/// A receipt of the window `eu`.
fn receipt(generation: u64, attempt: u128, verdict: Verdict, same_as: Option<u64>) -> Receipt {
    let mut digest = DigestSum::default();
    digest.add(Digest16::of(b"key"), Digest16::of(b"hash"));
    Receipt {
        version: RECEIPT_VERSION,
        lake: Ulid::from_parts(1, 0),
        stream: stream(),
        slice: Slice::named("eu"),
        window: window("eu").name(),
        generation,
        attempt: Ulid::from_parts(2, attempt),
        reason: if generation == 1 { Reason::First } else { Reason::Reread },
        parts_of: None,
        same_as,
        read_at: at(100),
        finished_at: at(101),
        verdict,
        counts: Counts { received: 3, outside: 1, duplicate: 1, loaded: 1, ..Counts::default() },
        left_out: LeftOut::default(),
        digest,
        manifest: Digest16::of(b"manifest"),
        contract: Digest16::of(b"contract"),
        token_in: None,
        token_out: None,
        parts: Vec::new(),
        typed: Vec::new(),
        quarantine: QuarantineList::default(),
        erasure: None,
    }
}

#[tokio::test]
async fn a_receipt_that_is_not_where_it_belongs_or_too_new_is_refused() {
    let raw = Store::memory().unwrap();
    let receipts = Receipts::new(&raw);
    let path = layout::receipt_path(&stream(), &window("eu"), 1);
    for (text, wanted) in [
        (serde_json::to_string(&receipt(2, 1, Verdict::Passed, None)).unwrap(), "receipt-misplaced"),
        (r#"{ "version": 2, "shape": "unknown" }"#.to_owned(), "receipt-newer"),
        ("{".to_owned(), "receipt-unreadable"),
    ] {
        raw.put(&path, Bytes::from(text)).await.unwrap();
        let refused = receipts.of_window(&stream(), &window("eu")).await.unwrap_err();
        assert_eq!(headwater_contract::Explain::code(&refused), wanted);
    }
}

#[tokio::test]
async fn of_many_attempts_one_is_the_truth_and_all_others_learn_which() {
    let receipts = Receipts::new(&Store::memory().unwrap());
    let attempts = (0..16_u128).map(|attempt| {
        let receipts = receipts.clone();
        tokio::spawn(async move { receipts.create(&receipt(1, attempt, Verdict::Passed, None)).await.unwrap() })
    });
    let landings: Vec<_> = futures::future::join_all(attempts).await.into_iter().map(Result::unwrap).collect();
    assert_eq!(landings.iter().filter(|landing| **landing == Landing::Created).count(), 1);
    let truth = receipts.latest(&stream(), &window("eu")).await.unwrap().unwrap();
    for landing in landings {
        if let Landing::Lost(winner) = landing {
            assert_eq!(*winner, truth);
        }
    }
}

#[tokio::test]
async fn a_lost_answer_is_no_lost_receipt_and_a_failed_put_is_no_receipt() {
    let receipts = Receipts::new(&loses_first_answer());
    assert_eq!(receipts.create(&receipt(1, 1, Verdict::Passed, None)).await.unwrap(), Landing::Created);
    assert!(matches!(receipts.create(&receipt(1, 2, Verdict::Passed, None)).await.unwrap(), Landing::Lost(_)));
    assert!(Receipts::new(&takes_nothing()).create(&receipt(1, 1, Verdict::Passed, None)).await.is_err());
}

#[tokio::test]
async fn receipts_are_found_by_stream_window_and_generation() {
    let raw = Store::memory().unwrap();
    let receipts = Receipts::new(&raw);
    assert_eq!(receipts.latest(&stream(), &window("eu")).await.unwrap(), None);
    for generation in [1, 2, 10] {
        receipts.create(&receipt(generation, 1, Verdict::Passed, None)).await.unwrap();
    }
    let other = Receipt { slice: Slice::named("a/b"), ..receipt(1, 9, Verdict::Passed, None) };
    receipts.create(&other).await.unwrap();
    raw.put("_headwater/lake.json", Bytes::from_static(b"{}")).await.unwrap();
    assert_eq!(receipts.streams().await.unwrap(), [stream()]);
    assert_eq!(receipts.latest(&stream(), &window("eu")).await.unwrap().unwrap().generation, 10);
    let windows = receipts.windows(&stream()).await.unwrap();
    assert_eq!(windows.into_iter().collect::<Vec<_>>(), [(window("a/b"), vec![1]), (window("eu"), vec![1, 2, 10])]);
    let all = receipts.of_stream(&stream()).await.unwrap();
    assert_eq!(all[&window("eu")].iter().map(|receipt| receipt.generation).collect::<Vec<_>>(), [1, 2, 10]);
    assert_eq!(all[&window("a/b")], [other]);
}

#[test]
fn the_text_of_a_receipt_is_fixed() {
    let text =
        serde_json::to_string_pretty(&receipt(2, 1, Verdict::Held { reason: "empty".to_owned() }, Some(1))).unwrap();
    insta::assert_snapshot!(text);
    assert_eq!(
        serde_json::from_str::<Receipt>(&text).unwrap(),
        receipt(2, 1, Verdict::Held { reason: "empty".to_owned() }, Some(1))
    );
}

/// `data(g)` as ARCHITECTURE.md writes it, by recursion.
fn data(receipts: &[Receipt], generation: u64) -> Option<u64> {
    let receipt = receipts.iter().find(|receipt| receipt.generation == generation)?;
    match (&receipt.verdict, receipt.same_as) {
        (Verdict::Passed, None) => Some(generation),
        (Verdict::Passed, Some(named)) => Some(named),
        _ => data(receipts, generation.checked_sub(1)?),
    }
}

proptest! {
    #[test]
    fn the_generation_that_counts_is_the_rule_books(kinds in proptest::collection::vec(0_u8..4, 0..12)) {
        let mut receipts: Vec<Receipt> = Vec::new();
        for (generation, kind) in (1_u64..).zip(kinds) {
            let before = data(&receipts, generation - 1);
            let (verdict, same_as) = match (kind, before) {
                (0, _) => (Verdict::Held { reason: "empty".to_owned() }, None),
                (1, _) => (Verdict::Void, None),
                (2, Some(before)) => (Verdict::Passed, Some(before)),
                _ => (Verdict::Passed, None),
            };
            receipts.push(receipt(generation, u128::from(generation), verdict, same_as));
            let expected = data(&receipts, generation);
            prop_assert_eq!(data_generation(&receipts).map(|receipt| receipt.generation), expected);
            // It always has parts of its own, and an earlier answer never changes when a generation is added.
            for earlier in 1..=generation {
                let found = data_of(&receipts, earlier);
                prop_assert_eq!(found.map(|receipt| receipt.generation), data(&receipts, earlier));
                prop_assert!(found.is_none_or(|receipt| receipt.same_as.is_none() && receipt.verdict.is_passed()));
            }
        }
    }
}
