//! `headwater query`: a question to the lake, in SQL, through policy.

use crate::cli::Desk;
use crate::cli::args::QueryArgs;
use crate::cli::failure::Ended;
use crate::cli::output::number;

pub(crate) async fn query(desk: &Desk, args: &QueryArgs) -> Ended {
    let house = desk.open().await?;
    let answer = house.query(&args.sql, args.role.as_ref(), args.limit).await?;
    desk.output.data(answer.as_json(), || answer.as_text().to_owned());
    if answer.rows() > args.limit {
        let (shown, rows) = (number(args.limit as u64), number(answer.rows() as u64));
        desk.output.note(format!("{shown} of {rows} rows are shown; `--limit` shows more"));
    }
    Ok(0)
}
