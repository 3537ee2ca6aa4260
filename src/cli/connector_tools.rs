//! `headwater connectors test|verify|draft|import|docs|new|schema`: the tools that hold manifests against what vendors publish, and make them.

use std::path::Path;
use std::sync::Arc;

use headwater_connectors::conformance::{ConformanceOptions, ConformanceReport, conformance_of_all};
use headwater_connectors::description::Description;
use headwater_connectors::docs::{index, page, skeleton};
use headwater_connectors::draft::{DraftOptions, draft};
use headwater_connectors::import::import_airbyte;
use headwater_connectors::manifest::json_schema;
use headwater_connectors::verify::{Evidence, VerifiedAll, drift, verify, verify_all};
use headwater_connectors::{Connector, Library};
use headwater_contract::ErrorKind;
use serde_json::json;

use crate::cli::Desk;
use crate::cli::args::{DraftArgs, ImportArgs, TestArgs, VerifyArgs};
use crate::cli::failure::{Ended, Failure};
use crate::project::ProjectError;

/// A connector by its name, or by the path of its manifest.
pub(crate) fn find(desk: &Desk, library: &Library, name: &str) -> Result<Arc<Connector>, Failure> {
    let path = Path::new(name);
    if path.extension().is_none() {
        return Ok(library.get(name)?);
    }
    let text = fs_err::read_to_string(desk.environment.folder.join(path)).map_err(ProjectError::from)?;
    Ok(Arc::new(Connector::parse(&text, name)?))
}

pub(crate) fn verify_one_or_all(desk: &Desk, library: &Library, args: &VerifyArgs) -> Ended {
    let file = |path: &Path| desk.environment.folder.join(path);
    if let Some(specs) = &args.all {
        return all(desk, library, &file(specs), args.out.as_deref());
    }
    // clap asks for both unless `--all` is given.
    let (Some(name), Some(spec)) = (&args.name, &args.spec) else { return Ok(ErrorKind::Config.exit_code()) };
    let connector = find(desk, library, name)?;
    let description = Description::open(&file(spec))?;
    if let Some(before) = &args.before {
        let changes = drift(&connector, &Description::open(&file(before))?, &description)?;
        desk.output.data(&changes, || changes.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
        if changes.is_empty() {
            desk.output.note("nothing changed for these streams");
        }
        return Ok(0);
    }
    let report = verify(&connector, &description)?;
    desk.output.data(&report, || report.table(args.columns));
    Ok(if report.counts().contradicted > 0 { ErrorKind::Config.exit_code() } else { 0 })
}

fn all(desk: &Desk, library: &Library, specs: &Path, out: Option<&Path>) -> Ended {
    let verified = verify_all(library, specs)?;
    let summary = verified.summary();
    let VerifiedAll::Done { evidence, reports, without } = verified else {
        desk.output.line(summary.trim_end());
        return Ok(0);
    };
    if let Some(out) = out {
        fs_err::write(desk.environment.folder.join(out), evidence.to_text()?).map_err(ProjectError::from)?;
    }
    desk.output.data(&json!({ "reports": reports, "without": without }), || summary);
    let is_contradicted = reports.iter().any(|report| report.counts().contradicted > 0);
    Ok(if is_contradicted { ErrorKind::Config.exit_code() } else { 0 })
}

/// Tries connectors, as many at a time as there are processors; exit 78 when a promise does not hold, because it is the manifest that is to
/// be mended.
pub(crate) async fn test(desk: &Desk, library: &Library, args: &TestArgs) -> Ended {
    let names: Vec<&str> =
        if args.all { library.names().collect() } else { args.names.iter().map(String::as_str).collect() };
    let connectors = names.into_iter().map(|name| find(desk, library, name)).collect::<Result<Vec<_>, _>>()?;
    let spec = args.spec.as_ref().map(|spec| Description::open(&desk.environment.folder.join(spec)));
    let options = ConformanceOptions { description: spec.transpose()?, streams: args.streams.clone() };
    let (total, mut ended) = (connectors.len(), 0);
    let at_once = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let reports = conformance_of_all(connectors, options, at_once, |report, took| {
        ended += 1;
        if total > 1 {
            desk.output.note(format!("{ended}/{total}  {}, {:.1} s", report.line(), took.as_secs_f64()));
        }
    })
    .await;
    let is_good = reports.iter().all(ConformanceReport::is_good);
    let texts = || reports.iter().map(|report| report.text(args.why)).collect::<String>();
    desk.output.data(&reports, || texts().trim_end().to_owned());
    Ok(if is_good { 0 } else { ErrorKind::Config.exit_code() })
}

pub(crate) fn draft_one(desk: &Desk, args: &DraftArgs) -> Ended {
    let description = Description::open(&desk.environment.folder.join(&args.openapi))?;
    let options =
        DraftOptions { name: args.name.clone(), streams: args.streams.clone(), document: args.document.clone() };
    let made = draft(&description, &options)?;
    match &args.out {
        Some(out) => write_new(desk, out, &made.text)?,
        None => desk.output.line(made.text.trim_end()),
    }
    let left_out = made.left_out.len();
    desk.output.note(format!(
        "{} streams; {} places to confirm, each marked; {left_out} more lists can be named with --streams",
        made.streams.len(),
        made.to_confirm
    ));
    Ok(0)
}

/// The exit code says that something has no counterpart, as does the report; what came out of the rest is written all the same.
pub(crate) fn import_one(desk: &Desk, args: &ImportArgs) -> Ended {
    let text = fs_err::read_to_string(desk.environment.folder.join(&args.file)).map_err(ProjectError::from)?;
    let made = import_airbyte(&text, &args.file.display().to_string(), args.name.as_deref())?;
    if let Some(out) = &args.out {
        write_new(desk, out, &made.text)?;
    }
    if desk.output.is_json() {
        let value = json!({ "name": made.name, "streams": made.streams, "manifest": made.text, "report": made.report });
        desk.output.data(&value, String::new);
    } else {
        if args.out.is_none() {
            desk.output.line(made.text.trim_end());
        }
        desk.output.note(&made.report);
    }
    Ok(if made.is_partial() { ErrorKind::Config.exit_code() } else { 0 })
}

pub(crate) fn docs(desk: &Desk, library: &Library, name: Option<&str>, out: Option<&Path>) -> Ended {
    let Some(out) = out else {
        let text = match name {
            Some(name) => page(&*find(desk, library, name)?)?,
            None => index(library, Evidence::embedded())?,
        };
        desk.output.line(text.trim_end());
        return Ok(0);
    };
    let folder = desk.environment.folder.join(out);
    fs_err::create_dir_all(&folder).map_err(ProjectError::from)?;
    let names: Vec<&str> = library.names().filter(|known| name.is_none_or(|name| name == *known)).collect();
    for name in &names {
        let text = page(&*library.get(name)?)?;
        fs_err::write(folder.join(format!("{name}.md")), text).map_err(ProjectError::from)?;
    }
    if name.is_none() {
        let text = index(library, Evidence::embedded())?;
        fs_err::write(folder.join("INDEX.md"), text).map_err(ProjectError::from)?;
    }
    desk.output.note(format!("{} pages in {}", names.len(), folder.display()));
    Ok(0)
}

pub(crate) fn new(desk: &Desk, name: &str) -> Ended {
    let text = skeleton(name)?;
    let path = desk.global.project.join("connectors").join(format!("{name}.yaml"));
    write_new(desk, &path, &text)?;
    desk.output.note(format!("next: fill it in; `headwater connectors lint {name}` says what is missing"));
    Ok(0)
}

#[expect(clippy::unnecessary_wraps, reason = "every command ends alike")]
pub(crate) fn schema(desk: &Desk) -> Ended {
    let text = serde_json::to_string_pretty(&json_schema()).unwrap_or_default();
    desk.output.line(&text);
    Ok(0)
}

/// Writes a file that is not there yet: what somebody wrote by hand is never replaced.
fn write_new(desk: &Desk, path: &Path, text: &str) -> Result<(), Failure> {
    let path = desk.environment.folder.join(path);
    if let Some(folder) = path.parent() {
        fs_err::create_dir_all(folder).map_err(ProjectError::from)?;
    }
    let mut options = fs_err::OpenOptions::new();
    let opened = options.write(true).create_new(true).open(&path);
    let mut file = opened.map_err(|error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => ProjectError::Exists { path: path.display().to_string() },
        _ => ProjectError::from(error),
    })?;
    std::io::Write::write_all(&mut file, text.as_bytes()).map_err(ProjectError::from)?;
    desk.output.line(&path.display().to_string());
    Ok(())
}
