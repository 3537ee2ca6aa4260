//! Bodies in every wrapping, cut everywhere, and the bombs among them.

use std::io::{Cursor, Write};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use zip::write::SimpleFileOptions;

use crate::decoding::{BodyDecoding, DecodeError, Decoder, PageFacts, Pointer, RecordsManifest};

const ROWS: &str = "id,name\n1,Zoë\n2,b\n";

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (at, (name, bytes)) in files.iter().enumerate() {
        let method = if at % 2 == 0 { zip::CompressionMethod::Deflated } else { zip::CompressionMethod::Stored };
        writer.start_file(*name, SimpleFileOptions::default().compression_method(method)).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn decode(body: &[u8], decoding: &str, content_type: Option<&str>, step: usize) -> Result<Vec<String>, DecodeError> {
    let decoding: BodyDecoding = crate::manifest::yaml::from_str(decoding).unwrap();
    let mut decoder = Decoder::of(&decoding, &RecordsManifest::List(Pointer::parse("/rows")), &PageFacts::new())
        .with_content_type(content_type);
    let mut texts = Vec::new();
    for piece in body.chunks(step) {
        texts.extend(decoder.push(&Bytes::copy_from_slice(piece))?);
    }
    let ended = decoder.finish()?;
    ended.found?;
    texts.extend(ended.records);
    assert_eq!(ended.facts.count, texts.len() as u64);
    Ok(texts.iter().map(|text| String::from_utf8(text.to_vec()).unwrap()).collect())
}

/// The same wherever the body is cut.
fn read(body: &[u8], decoding: &str, content_type: Option<&str>) -> Result<Vec<String>, DecodeError> {
    let whole = decode(body, decoding, content_type, usize::MAX);
    for step in [1, 2, 3, 7, 64] {
        assert_eq!(decode(body, decoding, content_type, step), whole, "{decoding} in steps of {step}");
    }
    whole
}

fn rows() -> Vec<String> {
    vec![r#"{"id":"1","name":"Zoë"}"#.to_owned(), r#"{"id":"2","name":"b"}"#.to_owned()]
}

#[test]
fn a_bomb_is_an_error_by_name_in_every_wrapping() {
    let zeros = vec![b'0'; 32 * 1024 * 1024];
    let bombs = [
        (gzip(&zeros), "csv"),
        (gzip(&gzip(&zeros)), "csv"),
        (archive(&[("a.csv", &zeros)]), "[zip, csv]"),
        (
            {
                let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
                encoder.write_all(&zeros).unwrap();
                encoder.finish().unwrap()
            },
            "[deflate, csv]",
        ),
    ];
    for (bomb, decoding) in &bombs {
        let error = decode(bomb, decoding, None, 1024).unwrap_err();
        assert!(matches!(error, DecodeError::Inflates { .. }), "{decoding}: {error}");
        assert_eq!(error.code(), "body-inflates");
    }
    let mut nested = ROWS.as_bytes().to_vec();
    for _ in 0..5 {
        nested = gzip(&nested);
    }
    assert!(matches!(read(&nested, "csv", None), Err(DecodeError::TooManyWrappings { .. })));
}

#[test]
fn a_cut_body_is_truncated_and_a_broken_one_is_named() {
    let whole = gzip(ROWS.as_bytes());
    for end in [5, whole.len() / 2, whole.len() - 1] {
        assert!(matches!(read(&whole[..end], "[gzip, csv]", None), Err(DecodeError::Truncated { .. })), "{end}");
    }
    let mut broken = whole.clone();
    broken[12] ^= 0xFF;
    assert!(matches!(
        read(&broken, "csv", None),
        Err(DecodeError::NotInflatable { .. } | DecodeError::Truncated { .. })
    ));
    let mut bare = DeflateEncoder::new(Vec::new(), Compression::best());
    bare.write_all(ROWS.as_bytes()).unwrap();
    let bare = bare.finish().unwrap();
    assert!(matches!(read(&bare[..bare.len() - 2], "[deflate, csv]", None), Err(DecodeError::Truncated { .. })));
    let files = archive(&[("a.csv", ROWS.as_bytes())]);
    assert!(matches!(read(&files[..files.len() - 30], "[zip, csv]", None), Err(DecodeError::Truncated { .. })));
    let mut broken = files.clone();
    broken[40] ^= 0x01;
    let error = read(&broken, "[zip, csv]", None).unwrap_err();
    assert_eq!(error.kind(), headwater_contract::ErrorKind::Source, "{error}");
}

#[test]
fn an_archive_within_an_archive_gives_its_own_files() {
    let mut body = archive(&[("a.csv", ROWS.as_bytes())]);
    for name in ["x.zip", "y.zip"] {
        body = archive(&[(name, &body)]);
        assert_eq!(read(&body, "[zip, csv]", None), Ok(rows()), "{name}");
    }
}

#[test]
fn files_of_an_archive_are_chosen_by_name_and_never_guessed() {
    let files = archive(&[("a.csv", ROWS.as_bytes()), ("b/c.csv", b"id\n3\n"), ("readme.txt", b"hello")]);
    let error = read(&files, "[zip, csv]", None).unwrap_err();
    assert!(error.to_string().contains("3 files that match `*`; it holds `a.csv`, `b/c.csv`, `readme.txt`"), "{error}");
    let none = read(&files, "[{ zip: { members: \"*.xml\" } }, csv]", None).unwrap_err();
    assert!(matches!(none, DecodeError::Members { count: 0, .. }));
    let named = read(&files, "[{ zip: { members: \"*.csv\", member_as: file } }, csv]", None).unwrap();
    assert_eq!(
        named,
        [
            r#"{"file":"a.csv","id":"1","name":"Zoë"}"#,
            r#"{"file":"a.csv","id":"2","name":"b"}"#,
            r#"{"file":"b/c.csv","id":"3"}"#
        ]
    );
    assert!(matches!(read(&archive(&[]), "[zip, csv]", None), Err(DecodeError::Members { count: 0, .. })));
}

#[test]
fn too_many_files_are_refused_before_they_are_listed() {
    let names: Vec<String> = (0..10_001).map(|n| n.to_string()).collect();
    let files: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b""[..])).collect();
    let error = decode(&archive(&files), "[{ zip: { members: \"1\" } }, csv]", None, 1 << 20).unwrap_err();
    assert!(error.to_string().contains("10001 files"), "{error}");
}

#[test]
fn first_bytes_tell_the_wrapping_whatever_was_declared() {
    let plain = ROWS.as_bytes();
    let zlib = {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    };
    let two_members = [gzip(b"id,name\n1,Zo"), gzip("ë\n2,b\n".as_bytes())].concat();
    let zipped = archive(&[("x", &gzip(plain))]);
    for (body, decoding) in [
        (plain, "[gzip, csv]"),
        (plain, "[gzip, zip, csv]"),
        (&gzip(plain), "csv"),
        (&gzip(plain), "[zip, csv]"),
        (&gzip(&gzip(plain)), "[gzip, csv]"),
        (&two_members, "[gzip, csv]"),
        (&zlib, "[deflate, csv]"),
        (&archive(&[("x", plain)]), "csv"),
        (&zipped, "[zip, gzip, csv]"),
        (&zipped, "[zip, csv]"),
        (&zipped, "csv"),
    ] {
        assert_eq!(read(body, decoding, None).unwrap(), rows(), "{decoding}");
    }
    let json = gzip(br#"{"rows":[{"id":1},{"id":2}]}"#);
    assert_eq!(read(&json, "json", None).unwrap(), ["{\"id\":1}", "{\"id\":2}"]);
    assert_eq!(read(b"Plain text\n", "{ lines: { wrap_as: word } }", None).unwrap(), [r#"{"word":"Plain text"}"#]);
}

#[test]
fn charsets_come_from_the_mark_the_manifest_or_the_header_in_that_order() {
    let utf16 = |text: &str, mark: bool| {
        let mut bytes = if mark { vec![0xFF, 0xFE] } else { Vec::new() };
        bytes.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
        bytes
    };
    let latin: Vec<u8> = ROWS.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    for (body, decoding, content_type) in [
        (utf16(ROWS, true), "csv", Some("text/csv; charset=latin1")),
        (utf16(ROWS, true), "[{ charset: latin1 }, csv]", None),
        (utf16(ROWS, false), "[{ charset: utf-16le }, csv]", None),
        (latin.clone(), "[{ charset: latin1 }, csv]", Some("text/csv; charset=utf-8")),
        (latin.clone(), "csv", Some("text/csv; header=present; Charset=\"ISO-8859-1\"")),
        (gzip(&latin), "[gzip, { charset: latin1 }, csv]", None),
        ([b"\xEF\xBB\xBF", ROWS.as_bytes()].concat(), "csv", Some("text/csv; charset=latin1")),
        ([b"\xEF\xBB\xBF", ROWS.as_bytes()].concat(), "[gzip, csv]", None),
    ] {
        assert_eq!(read(&body, decoding, content_type).unwrap(), rows(), "{decoding} {content_type:?}");
    }
    let json = "{\"rows\":[\"é\"]}";
    assert_eq!(read(json.as_bytes(), "json", Some("application/json; charset=ISO-8859-1")).unwrap(), ["\"é\""]);
    assert_eq!(read(&utf16(json, false), "json", Some("application/json; charset=utf-16le")).unwrap(), ["\"é\""]);
    let bad = read(b"id\n\x81\x20\n", "[{ charset: shift_jis }, csv]", None);
    assert!(matches!(bad, Err(DecodeError::NotInCharset { .. })), "{bad:?}");
    let unknown = read(b"id\n1\n", "csv", Some("text/csv; charset=klingon"));
    assert_eq!(unknown, Err(DecodeError::UnknownCharset { label: "klingon".into() }));
}

/// What a chunk inflates to is passed on in batches, never all at once.
#[test]
fn a_small_chunk_that_inflates_to_much_comes_in_batches() {
    let body: String = std::iter::once("id,name\n".to_owned())
        .chain((0..50_000).map(|id| format!("{id},{}\n", "x".repeat(800))))
        .collect();
    let packed = gzip(body.as_bytes());
    assert!(packed.len() < 8 * 1024 * 1024);
    let decoding: BodyDecoding = crate::manifest::yaml::from_str("csv").unwrap();
    let mut decoder = Decoder::of(&decoding, &RecordsManifest::List(Pointer::parse("")), &PageFacts::new());
    decoder.feed(packed.into());
    decoder.end();
    let mut count = 0;
    while let Some(texts) = decoder.next().unwrap() {
        let bytes: usize = texts.iter().map(Bytes::len).sum();
        assert!(bytes < 9 * 1024 * 1024, "{bytes}");
        count += texts.len();
    }
    assert_eq!(count, 50_000);
}
