//! `headwater init`: a project that runs as it is.

use headwater_connectors::{Library, SettingType};
use serde_json::json;

use crate::cli::Desk;
use crate::cli::args::InitArgs;
use crate::cli::failure::Ended;
use crate::project::new_project;

pub(crate) fn init(desk: &Desk, args: &InitArgs) -> Ended {
    let folder = args.folder.clone().unwrap_or_else(|| desk.global.project.clone());
    let folder = desk.environment.folder.join(folder);
    let connector = Library::embedded().with_folder(&folder.join("connectors"))?.get(&args.connector)?;
    let name = if args.connector == "sandbox" { "shop" } else { &args.connector };
    let mut lines = vec![format!("  {}:", name.replace('-', "_")), format!("    connector: {}", args.connector)];
    let wanted: Vec<_> = connector.settings().into_iter().filter(|setting| setting.is_required).collect();
    if !wanted.is_empty() {
        lines.push("    settings:".to_owned());
    }
    for setting in &wanted {
        let value = match (args.connector.as_str(), setting.secret, setting.setting_type) {
            ("sandbox", true, _) => "file:sandbox-token.txt".to_owned(),
            ("sandbox", false, SettingType::Date) => "2025-03-01".to_owned(),
            (_, true, _) => format!("env:{}", variable(&args.connector, &setting.name)),
            (_, false, SettingType::Date) => "2024-01-01".to_owned(),
            _ => "\"\"".to_owned(),
        };
        lines.push(format!("      {}: {value}   # {}", setting.name, setting.help));
    }
    lines.push(String::new());
    let is_sandbox = args.connector == "sandbox";
    let mut written = new_project(&folder, &desk.environment.user, &lines.join("\n"), is_sandbox)?;
    if is_sandbox {
        let token = folder.join("sandbox-token.txt");
        fs_err::write(&token, format!("{}\n", crate::sandbox::TOKEN)).map_err(crate::project::ProjectError::from)?;
        written.push(token);
    }
    let paths: Vec<String> = written.iter().map(|path| path.display().to_string()).collect();
    desk.output.data(&json!({ "written": paths }), || paths.join("\n"));
    desk.output.note(if is_sandbox {
        "next: `headwater sandbox` in another terminal, then `headwater run`"
    } else {
        "next: fill in the settings of headwater.yaml, then `headwater check`, then `headwater run`"
    });
    Ok(0)
}

/// The variable that a secret is looked for in, e.g. `STRIPE_API_KEY`.
fn variable(connector: &str, setting: &str) -> String {
    format!("{connector}_{setting}").replace('-', "_").to_ascii_uppercase()
}
