//! `headwater connectors schema diff|accept`: the columns of a manifest beside those that the source really has.

use std::path::Path;

use headwater_connectors::columns::{Change, accept as accepted};
use headwater_connectors::{Observed, ReadRequest};
use headwater_contract::Slice;

use crate::cli::Desk;
use crate::cli::args::{SchemaAcceptArgs, SchemaCommand, SchemaDiffArgs};
use crate::cli::failure::{Ended, Failure};
use crate::cli::read::bounds;
use crate::project::ProjectError;

pub(crate) async fn schema(desk: &Desk, command: &SchemaCommand) -> Ended {
    match command {
        SchemaCommand::Diff(args) => diff(desk, args).await,
        SchemaCommand::Accept(args) => accept(desk, args).await,
    }
}

/// What was seen of one stream, with its connector's name and its own.
struct Seen {
    connector: String,
    stream: String,
    observed: Observed,
}

async fn observe(desk: &Desk, args: &SchemaDiffArgs) -> Result<Seen, Failure> {
    let house = desk.open_with(None, true).await?;
    let missing = || ProjectError::Contradiction {
        at: args.stream.clone(),
        problem: "name one stream, as SOURCE.STREAM".to_owned(),
    };
    let (_, wanted) = args.stream.split_once('.').ok_or_else(missing)?;
    let open = house.sources(std::slice::from_ref(&args.stream))?.into_iter().next().ok_or_else(missing)?;
    let stream = open.streams.iter().find(|stream| stream.contract.name.stream() == wanted).ok_or_else(missing)?;
    let slices = open.source.slices(wanted).await?;
    let named = |slice: &&Slice| args.slice.as_ref().is_none_or(|named| slice.as_str() == named);
    let slice = slices.iter().find(named).cloned().ok_or_else(missing)?;
    let bounds = bounds(&stream.contract, (args.from, args.until), desk.clock().now())?;
    let request = ReadRequest { slice, bounds, token: None };
    let observed = open.source.observe(wanted, request, args.records).await?;
    Ok(Seen { connector: open.source.connector().name().to_owned(), stream: wanted.to_owned(), observed })
}

async fn diff(desk: &Desk, args: &SchemaDiffArgs) -> Ended {
    let seen = observe(desk, args).await?;
    let changes = &seen.observed.changes;
    desk.output.data(changes, || changes.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
    desk.output.note(format!(
        "{} differences in {} records{}",
        changes.len(),
        seen.observed.sample.records(),
        seen.observed.listed.as_ref().map_or_else(String::new, |listed| format!(" and {} listed fields", listed.len()))
    ));
    Ok(0)
}

async fn accept(desk: &Desk, args: &SchemaAcceptArgs) -> Ended {
    let seen = observe(desk, &args.seen).await?;
    // What a column's rows have been typed as changes only where somebody names the column.
    let is_wanted = |change: &&Change| match change {
        Change::Gone { .. } => false,
        Change::New(_) | Change::Null { .. } => {
            args.column.is_empty() || args.column.iter().any(|name| name == change.column())
        }
        Change::Type { .. } => args.column.iter().any(|name| name == change.column()),
    };
    let changes: Vec<Change> = seen.observed.changes.iter().filter(is_wanted).cloned().collect();
    if changes.is_empty() {
        desk.output.note("nothing to accept");
        return Ok(0);
    }
    let folder = desk.environment.folder.join(&desk.global.project).join("connectors");
    let library = headwater_connectors::Library::embedded().with_folder(&folder)?;
    let (origin, text) = library.text(&seen.connector)?;
    // One of ours becomes the project's, which then stands in its place.
    let own = Path::new(origin);
    let path = if own.starts_with(&folder) { own.to_owned() } else { folder.join(format!("{}.yaml", seen.connector)) };
    let text = accepted(text, origin, &seen.stream, &changes)?;
    fs_err::create_dir_all(&folder).map_err(ProjectError::from)?;
    fs_err::write(&path, text).map_err(ProjectError::from)?;
    desk.output.data(&changes, || changes.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
    desk.output.note(format!("{} differences written into {}", changes.len(), path.display()));
    Ok(0)
}
