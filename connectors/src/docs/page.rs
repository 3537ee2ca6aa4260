//! The page of one connector: what to give, what comes back, what limits it, and how well each stream is known.

use std::collections::BTreeMap;

use super::words::{cell, fact, format, link, variant};
use crate::connector::Connector;
use crate::manifest::{DeletesManifest, Fact, ManifestError, StreamManifest};
use crate::stream::Stream;
use crate::verify::{Evidence, LiveEvidence, StreamEvidence, Verdict};

/// Writes the Markdown page of a connector.
///
/// # Errors
///
/// [`ManifestError`] when a stream is not complete, which a parsed connector's are.
pub fn page(connector: &Connector) -> Result<String, ManifestError> {
    let manifest = connector.manifest();
    let info = connector.info();
    let mut text = format!("# {}\n\n", cell(&manifest.title));
    text.push_str(&format!(
        "Connector `{}`, {}.",
        manifest.connector,
        link("the vendor's documentation", &manifest.docs)
    ));
    if let Some(category) = &manifest.category {
        text.push_str(&format!(" Category: {category}."));
    }
    if let Some(api) = &manifest.api {
        text.push_str(&format!(" Written for version {} of the API", api.version));
        if let Some(sunset) = api.sunset {
            text.push_str(&format!(", which ends on {sunset}"));
        }
        text.push('.');
    }
    text.push_str(&format!(
        "\n\nBase address `{}`, authentication `{}`.\n",
        manifest.http.base_url.as_str(),
        info.auth
    ));
    settings(connector, &mut text);
    limits(connector, &mut text);
    text.push_str("\n## Streams\n");
    let complete = connector.complete(&BTreeMap::new())?;
    let evidence = Evidence::embedded().of(connector.name(), connector.digest());
    for stream in &info.streams {
        let Some(plan) = complete.iter().find(|plan| plan.name == stream.name) else { continue };
        let Some(own) = manifest.streams.get(&stream.name) else { continue };
        let own = connector.with_defaults(own.clone());
        let known = evidence.and_then(|evidence| evidence.streams.get(&stream.name));
        text.push_str(&format!(
            "\n### {}\n\n{}. {}.\n\n",
            stream.name,
            cell(&stream.title),
            link("Documentation", &stream.docs)
        ));
        request(plan, &own, &mut text);
        columns(plan, &mut text);
        text.push_str(&format!("\nEvidence: **{}**", stream.standing));
        proof(known, &mut text);
        live(connector, &stream.name, &mut text);
    }
    templates(connector, &mut text);
    known_limits(connector, &mut text);
    Ok(text)
}

fn settings(connector: &Connector, text: &mut String) {
    let settings = connector.settings();
    if settings.is_empty() {
        return;
    }
    text.push_str("\n## Settings\n\n| setting | | what it is and where to find it |\n|---|---|---|\n");
    for setting in settings {
        let need = match (&setting.default, setting.is_required, setting.secret) {
            (_, true, true) => "required, secret".to_owned(),
            (_, true, false) => "required".to_owned(),
            (Some(default), ..) => format!("default `{default}`"),
            (None, ..) => "optional".to_owned(),
        };
        text.push_str(&format!("| `{}` | {need} | {} |\n", setting.name, cell(&setting.help)));
    }
    text.push_str("\nA secret is given by reference (`env:NAME` or `file:path`), never in the open.\n");
}

fn limits(connector: &Connector, text: &mut String) {
    text.push_str("\n## Limits\n\n");
    match &connector.manifest().http.limits {
        None | Some(Fact::NotPublished) => {
            text.push_str("The vendor publishes none; the engine keeps to its cautious default.\n");
        }
        Some(Fact::Assumed { value, because }) => {
            text.push_str(&format!("{} limits, assumed: {because}.\n", value.len()));
        }
        Some(Fact::Stated(value) | Fact::Published { value, .. }) => {
            for limit in value {
                text.push_str(&format!("- {} ({})\n", limit.words(), link("source", &limit.source)));
            }
        }
    }
}

fn request(plan: &Stream, own: &StreamManifest, text: &mut String) {
    let key = if plan.key().is_empty() {
        "none: rows are appended".to_owned()
    } else {
        format!("`{}`", plan.key().join("`, `"))
    };
    let paging = variant(&plan.pagination);
    text.push_str(&format!(
        "- request: `{} {}`\n",
        variant(&plan.request.method).to_uppercase(),
        plan.request.path.as_str()
    ));
    text.push_str(&format!("- kind: {}; key: {key}; pagination: {paging}", plan.kind));
    if let Some(size) = &own.page_size {
        text.push_str(&format!(", {} a page ({})", size.value, link("source", &size.source)));
    }
    text.push('\n');
    if let Some(window) = &plan.window {
        let said = own.window.clone().unwrap_or_default();
        text.push_str(&format!(
            "- windows by `{}` of at most {}, bounds sent as {}\n",
            window.policy.field,
            window.policy.length,
            window.sent_format.to_contract().map_or_else(|| variant(&window.sent_format), |contract| format(&contract))
        ));
        let settle = fact(said.settle.as_ref(), &format!("read {} after its end", window.policy.settle));
        let lookback = fact(said.lookback.as_ref(), &format!("read again for {}", window.policy.lookback));
        text.push_str(&format!("- a window is final after: {settle}; it can change for: {lookback}\n"));
    } else {
        text.push_str(&format!(
            "- read every {}\n",
            own.every.map_or_else(|| "day".to_owned(), |every| every.to_string())
        ));
    }
    let deletes = match &own.deletes {
        None => "not said".to_owned(),
        Some(DeletesManifest::None) => "rows are never deleted, or a re-read shows it".to_owned(),
        Some(DeletesManifest::Flag(flag)) => format!("column `{}` says so", flag.column),
        Some(DeletesManifest::KeyList(list)) => format!("found by the list of keys at `{}`", list.path.as_str()),
    };
    text.push_str(&format!("- deletes: {deletes}\n"));
}

fn columns(plan: &Stream, text: &mut String) {
    text.push_str("\n| column | type | | meaning |\n|---|---|---|---|\n");
    for column in plan.columns() {
        let mut notes: Vec<String> = Vec::new();
        if column.nullable {
            notes.push("nullable".to_owned());
        }
        notes.extend(column.unit.clone());
        notes.extend(column.classification.map(|class| variant(&class)));
        notes.extend(column.refers_to.as_ref().map(|other| format!("refers to `{other}`")));
        let meaning = column.description.clone().unwrap_or_default();
        text.push_str(&format!(
            "| `{}` | {} | {} | {} |\n",
            column.name,
            cell(&column.column_type.to_string()),
            notes.join(", "),
            cell(&meaning)
        ));
    }
    for child in plan.children() {
        text.push_str(&format!(
            "\nTable `{}`: a row for each element of `{}`, with `{}`.\n",
            child.name,
            child.pointer,
            child
                .parent_columns
                .iter()
                .map(|(name, _)| name.as_str())
                .chain(child.columns.iter().map(|column| column.name.as_str()))
                .collect::<Vec<_>>()
                .join("`, `")
        ));
    }
}

/// What was loaded from the real software, where that was done.
fn live(connector: &Connector, stream: &str, text: &mut String) {
    let Some(proved) = LiveEvidence::embedded().of(connector) else { return };
    let Some(rows) = proved.streams.get(stream) else { return };
    text.push_str(&format!(
        "\nLive: on {} ({}), {} rows at first and {} after changes were the same in the lake and in its own store, by {} columns.\n",
        cell(&proved.software),
        proved.proved_on,
        rows.rows_first,
        rows.rows_after,
        rows.columns
    ));
}

fn proof(known: Option<&StreamEvidence>, text: &mut String) {
    let Some(known) = known else {
        text.push_str(".\n");
        return;
    };
    let counts = known.counts();
    text.push_str(&format!(
        ", {} facts found, {} contradicted, {} not covered",
        counts.found, counts.contradicted, counts.not_covered
    ));
    if let Some(document) = &known.document {
        text.push_str(&format!(", in {} {} ({})", cell(&document.title), document.version, document.date));
    }
    text.push_str(".\n");
    for fact in known.facts.iter().filter(|fact| fact.verdict == Verdict::Contradicted) {
        text.push_str(&format!("- contradicted: {} `{}`: {}\n", fact.kind, fact.fact, cell(&fact.reason)));
    }
    if known.is_deprecated {
        text.push_str("- the vendor says that it will take this operation away\n");
    }
}

fn templates(connector: &Connector, text: &mut String) {
    let templates = &connector.manifest().templates;
    if templates.is_empty() {
        return;
    }
    text.push_str("\n## Templates\n\nA project says which streams it reads by them: `streams: { name: { template: …, with: { … } } }`.\n");
    for (name, template) in templates.iter() {
        text.push_str(&format!("\n### {name}\n\n{}.\n\n", cell(template.title.as_deref().unwrap_or_default())));
        for (parameter, what) in template.parameters.iter().flat_map(crate::manifest::Ordered::iter) {
            text.push_str(&format!("- `{parameter}`: {}\n", what.help));
        }
    }
}

fn known_limits(connector: &Connector, text: &mut String) {
    let mut lines: Vec<String> = Vec::new();
    for (name, own) in connector.manifest().streams.iter() {
        let stream = connector.with_defaults(own.clone());
        lines.extend(stream.best_effort.map(|why| format!("`{name}` is best effort: {why}")));
        let Some(window) = stream.window else { continue };
        match window.retention {
            None | Some(Fact::NotPublished) => {}
            Some(retention) => lines.push(format!("`{name}` goes back: {}", fact(Some(&retention), ""))),
        }
        lines.extend(window.cap.map(|cap| {
            let most =
                cap.records.map_or_else(|| "a limited number of".to_owned(), |records| format!("at most {records}"));
            format!("`{name}`: a query gives {most} records; larger windows are read in halves")
        }));
    }
    if lines.is_empty() {
        return;
    }
    text.push_str("\n## Known limits\n\n");
    for line in lines {
        text.push_str(&format!("- {line}\n"));
    }
}
