//! `headwater connectors`: what can be read, and how well it is described.

use std::path::Path;

use headwater_connectors::description::Description;
use headwater_connectors::docs::listed;
use headwater_connectors::verify::Evidence;
use headwater_connectors::{Connector, Library, lint};
use headwater_contract::ErrorKind;
use serde_json::json;

use crate::cli::Desk;
use crate::cli::args::{ConnectorsCommand, ImportCommand};
use crate::cli::connector_tools;
use crate::cli::failure::Ended;
use crate::cli::output::table;

pub(crate) async fn connectors(desk: &Desk, command: &ConnectorsCommand) -> Ended {
    // A project is not needed: without one there are the built-in connectors.
    let folder = desk.environment.folder.join(&desk.global.project).join("connectors");
    let library = Library::embedded().with_folder(&folder)?;
    match command {
        ConnectorsCommand::List => list(desk, &library),
        ConnectorsCommand::Show { name } => show(desk, &*library.get(name)?),
        ConnectorsCommand::Lint { name, spec } => lint_one_or_all(desk, &library, name.as_deref(), spec.as_deref()),
        ConnectorsCommand::Test(args) => connector_tools::test(desk, &library, args).await,
        ConnectorsCommand::Verify(args) => connector_tools::verify_one_or_all(desk, &library, args),
        ConnectorsCommand::Draft(args) => connector_tools::draft_one(desk, args),
        ConnectorsCommand::Import { format: ImportCommand::Airbyte(args) } => connector_tools::import_one(desk, args),
        ConnectorsCommand::Docs { name, out } => connector_tools::docs(desk, &library, name.as_deref(), out.as_deref()),
        ConnectorsCommand::New { name } => connector_tools::new(desk, name),
        // What looks at a source needs a project, and is done before.
        ConnectorsCommand::Schema { .. } => connector_tools::schema(desk),
    }
}

#[expect(clippy::unnecessary_wraps, reason = "every command ends alike")]
fn list(desk: &Desk, library: &Library) -> Ended {
    let built_in: Vec<&str> = Library::embedded_texts().map(|(file, _)| file).collect();
    let head = ["connector", "title", "category", "streams", "auth", "api", "evidence", "described", "from"];
    let mut rows = vec![head.map(String::from).to_vec()];
    let mut values = Vec::new();
    for connector in library.names().filter_map(|name| library.get(name).ok()) {
        let (info, known) = (connector.info(), listed(&connector, Evidence::embedded()));
        let is_built_in = built_in.contains(&info.origin.as_str());
        let hides = built_in.contains(&format!("{}.yaml", info.name).as_str());
        let from = match (is_built_in, hides) {
            (true, _) => "headwater".to_owned(),
            (false, true) => "this project (instead of ours)".to_owned(),
            (false, false) => "this project".to_owned(),
        };
        values.push(json!({
            "name": info.name, "title": info.title, "docs": info.docs, "category": info.category, "auth": info.auth,
            "api_version": info.api_version, "evidence": known.standings, "described_on": known.described_on,
            "live": known.live, "live_software": known.live_software,
            "not_published": known.not_published, "assumed": known.assumed, "from": from, "origin": info.origin,
            "streams": info.streams.iter().map(|stream| &stream.name).collect::<Vec<_>>(), "templates": info.templates,
        }));
        rows.push(vec![
            info.name,
            info.title,
            info.category.unwrap_or_default(),
            known.streams,
            info.auth,
            info.api_version.unwrap_or_default(),
            known.evidence,
            known.described_on.unwrap_or_default(),
            from,
        ]);
    }
    let streams: usize = values.iter().filter_map(|value| value["streams"].as_array()).map(Vec::len).sum();
    let text = || format!("{}\n{} connectors, {streams} streams", table(&rows).trim_end(), rows.len() - 1);
    desk.output.data(&values, text);
    let broken = library.broken();
    for error in &broken {
        desk.output.note(headwater_contract::Report(error));
    }
    Ok(if broken.is_empty() { 0 } else { ErrorKind::Config.exit_code() })
}

#[expect(clippy::unnecessary_wraps, reason = "every command ends alike")]
fn show(desk: &Desk, connector: &Connector) -> Ended {
    let (info, settings) = (connector.info(), connector.settings());
    let value = json!({
        "name": info.name, "title": info.title, "docs": info.docs, "origin": info.origin, "auth": info.auth,
        "settings": settings, "templates": info.templates,
        "streams": info.streams.iter().map(|stream| json!({
            "name": stream.name, "title": stream.title, "kind": stream.kind, "key": stream.key, "docs": stream.docs,
            "children": stream.children, "best_effort": stream.best_effort, "feed": stream.feed,
        })).collect::<Vec<_>>(),
    });
    desk.output.data(&value, || {
        let mut text = format!(
            "{} ({})\n{}\nmanifest  {}\nauth      {}\n",
            info.title, info.name, info.docs, info.origin, info.auth
        );
        let mut rows = vec![["setting", "", "what it is"].map(String::from).to_vec()];
        for setting in &settings {
            let need = match (&setting.default, setting.is_required, setting.secret) {
                (_, true, true) => "required, secret".to_owned(),
                (_, true, false) => "required".to_owned(),
                (Some(default), ..) => format!("default {default}"),
                (None, ..) => "optional".to_owned(),
            };
            rows.push(vec![setting.name.clone(), need, setting.help.clone()]);
        }
        text.push_str(&format!("\n{}", table(&rows)));
        let mut rows = vec![["stream", "kind", "key", "a row is"].map(String::from).to_vec()];
        for stream in &info.streams {
            let kind = stream.feed.map_or_else(|| stream.kind.to_string(), |feed| format!("{}, {feed}", stream.kind));
            rows.push(vec![stream.name.clone(), kind, stream.key.join(", "), stream.title.clone()]);
            rows.extend(
                stream
                    .children
                    .iter()
                    .map(|child| vec![format!("  {child}"), String::new(), String::new(), String::new()]),
            );
        }
        rows.extend(
            info.templates
                .iter()
                .map(|name| vec![name.clone(), "template".into(), String::new(), "said by the project".into()]),
        );
        text.push_str(&format!("\n{}", table(&rows)));
        text
    });
    Ok(0)
}

fn lint_one_or_all(desk: &Desk, library: &Library, name: Option<&str>, spec: Option<&Path>) -> Ended {
    let connectors = match name {
        Some(name) => vec![connector_tools::find(desk, library, name)?],
        None => library.names().map(|name| library.get(name)).collect::<Result<Vec<_>, _>>()?,
    };
    let description = spec.map(|path| Description::open(&desk.environment.folder.join(path))).transpose()?;
    let (mut findings, mut totals) = (Vec::new(), lint::Totals::default());
    for connector in &connectors {
        let found = match &description {
            Some(description) => lint::lint_against(connector, description)?,
            None => lint::lint(connector),
        };
        totals = totals.and(lint::Totals::of(connector, &found));
        findings.extend(found);
    }
    desk.output.data(&json!({ "findings": findings, "totals": totals }), || {
        findings.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n\n")
    });
    desk.output.note(format!("{} connectors: {totals}", connectors.len()));
    Ok(if totals.is_clean() { 0 } else { ErrorKind::Config.exit_code() })
}
