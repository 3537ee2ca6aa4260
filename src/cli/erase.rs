//! `headwater erase`: a person's rows go, everywhere and at once.

use headwater_lake::erasure::ErasureError;
use headwater_lake::maintenance::Swept;

use crate::cli::Desk;
use crate::cli::args::EraseArgs;
use crate::cli::failure::{Ended, Failure};
use crate::cli::output::{number, size, table};
use crate::run::{EraseOptions, EraseReport, Whom};

pub(crate) async fn erase(desk: &Desk, args: &EraseArgs) -> Ended {
    let options = EraseOptions { whom: whom(&args.whom)?, is_dry: args.dry_run };
    let house = desk.open_with(args.pause_at, args.dry_run).await?;
    let report = Box::pin(house.erase(&options)).await?;
    desk.output.data(&report, || text(&report));
    tell(desk, &report);
    Ok(report.exit_code())
}

/// `SOURCE.STREAM COLUMN=VALUE …`: each stream is followed by one value or more.
fn whom(words: &[String]) -> Result<Vec<Whom>, Failure> {
    let malformed = |what: &str| ErasureError::Malformed { what: what.to_owned() };
    let (mut all, mut stream, mut is_used) = (Vec::new(), None::<&String>, true);
    for word in words {
        match (word.split_once('='), stream) {
            (Some((column, value)), Some(stream)) => {
                let (stream, column, value) = (stream.clone(), column.to_owned(), value.to_owned());
                all.push(Whom { stream, column, value });
                is_used = true;
            }
            (Some(_), None) => return Err(malformed("a COLUMN=VALUE comes before any SOURCE.STREAM").into()),
            (None, _) if !is_used => return Err(malformed("a SOURCE.STREAM has no COLUMN=VALUE").into()),
            (None, _) => (stream, is_used) = (Some(word), false),
        }
    }
    if is_used { Ok(all) } else { Err(malformed("the last SOURCE.STREAM has no COLUMN=VALUE").into()) }
}

fn tell(desk: &Desk, report: &EraseReport) {
    if let Some(at) = report.erased_before {
        desk.output.note(format!("nothing of this person is left: erased on {}", at.format("%Y-%m-%d")));
        return;
    }
    for stream in report.streams.iter().filter(|stream| stream.quarantined > 0) {
        desk.output.note(format!(
            "{}: {} records of others are in quarantine now, the present contract refuses them",
            stream.stream,
            number(stream.quarantined)
        ));
    }
    for left in &report.left {
        desk.output.note(format!("still to do: {left}"));
    }
    let windows: u64 = report.streams.iter().map(|stream| stream.windows).sum();
    let records: u64 = report.streams.iter().map(|stream| stream.records).sum();
    let (windows, records, swept) = (number(windows), number(records), report.swept());
    desk.output.note(if report.is_dry {
        format!(
            "a dry run: {records} records in {windows} windows would be erased; no version of these tables from before stays readable"
        )
    } else {
        format!(
            "erased {records} records in {windows} windows, deleted {} files ({}); time travel to before is over",
            number(swept.files),
            size(swept.bytes)
        )
    });
    match &report.proof.certificate {
        Some(certificate) => desk.output.note(format!(
            "proof: {} windows read again, {} records of the person; certificate raw/{certificate}",
            number(report.proof.windows),
            number(report.proof.records)
        )),
        None if report.is_dry => {}
        None => desk.output.note(
            "not proven yet: do what is still to do, then run the same command again for the certificate".to_owned(),
        ),
    }
}

fn text(report: &EraseReport) -> String {
    let mut rows = vec![["what", "where", "windows", "records", "files", "size"].map(String::from).to_vec()];
    for stream in &report.streams {
        let Swept { files, bytes } = stream.raw;
        rows.push(vec![
            "records".to_owned(),
            format!("raw.{}", stream.stream),
            number(stream.windows),
            number(stream.records),
            number(files),
            size(bytes),
        ]);
    }
    for purged in report.tables.iter().filter(|purged| !purged.swept.is_nothing()) {
        let (files, bytes) = (number(purged.swept.files), size(purged.swept.bytes));
        rows.push(vec!["old versions".to_owned(), purged.table.clone(), String::new(), String::new(), files, bytes]);
    }
    if report.members > 0 {
        let members = number(report.members);
        rows.push(vec![
            "members".to_owned(),
            report.stars.join(", "),
            String::new(),
            members,
            String::new(),
            String::new(),
        ]);
    }
    if rows.len() > 1 { table(&rows) } else { String::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &[&str]) -> Result<Vec<(String, String, String)>, &'static str> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let parts = |whom: Whom| (whom.stream, whom.column, whom.value);
        whom(&words)
            .map(|all| all.into_iter().map(parts).collect())
            .map_err(|failure| headwater_contract::Explain::code(failure.explain()))
    }

    #[test]
    fn each_stream_is_followed_by_what_names_the_person_in_it() {
        let own = |text: [&str; 3]| (text[0].to_owned(), text[1].to_owned(), text[2].to_owned());
        assert_eq!(
            parsed(&["shop.people", "id=42", "mail=a=b", "shop.orders", "person="]),
            Ok(vec![
                own(["shop.people", "id", "42"]),
                own(["shop.people", "mail", "a=b"]),
                own(["shop.orders", "person", ""])
            ])
        );
        for words in [&["id=42"][..], &["shop.people"], &["shop.people", "shop.orders", "id=1"]] {
            assert_eq!(parsed(words), Err("erase-arguments"), "{words:?}");
        }
    }
}
