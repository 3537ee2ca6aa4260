//! `headwater auth`: tokens that a person's consent brings. They lie in the project's state folder and are never printed.

use headwater_connectors::auth::login::{LoginPrompt, LoginWay};
use headwater_connectors::auth::{FileTokenStore, TokenStore};
use headwater_contract::{ErrorKind, SourceName};
use serde_json::json;

use crate::cli::Desk;
use crate::cli::args::AuthCommand;
use crate::cli::failure::Ended;
use crate::cli::output::table;
use crate::cli::runs::at;
use crate::project::{ProjectError, STATE_FOLDER};

pub(crate) async fn auth(desk: &Desk, command: &AuthCommand) -> Ended {
    match command {
        AuthCommand::Login { source, device } => login(desk, source, *device).await,
        AuthCommand::List => list(desk).await,
        AuthCommand::Revoke { source } => revoke(desk, source).await,
    }
}

async fn login(desk: &Desk, source: &str, device: bool) -> Ended {
    let house = desk.open().await?;
    for open in house.sources(&[source.to_owned()])? {
        let ways = open.source.login_ways();
        let wanted = if device { LoginWay::Device } else { LoginWay::Browser };
        let Some(way) = ways.iter().copied().find(|way| *way == wanted).or_else(|| ways.first().copied()) else {
            return Ok(asks_nobody(desk, &open.name));
        };
        let output = desk.output;
        let tell = move |prompt: LoginPrompt<'_>| match prompt {
            LoginPrompt::OpenUrl { url } => output.always(format!("open this page and agree:\n\n  {url}\n")),
            LoginPrompt::EnterCode { url, code, .. } => {
                output.always(format!("open {url} on any device and enter the code\n\n  {code}\n"));
            }
        };
        let done = open.source.login(way, &tell).await?;
        let until = done.expires_at.map_or_else(String::new, |until| format!(", renewed before {}", at(until)));
        desk.output.note(format!("logged in: {}{until}", done.title));
    }
    Ok(0)
}

async fn list(desk: &Desk) -> Ended {
    let folder = desk.environment.folder.join(&desk.global.project).join(STATE_FOLDER).join("tokens");
    let (mut rows, mut values) = (vec![["source", "opens", "obtained", "ends"].map(String::from).to_vec()], Vec::new());
    let kept = FileTokenStore::new(folder).list().await;
    for (key, stored) in kept.map_err(|error| ProjectError::from(std::io::Error::other(error)))? {
        let tokens = stored.tokens;
        let ends = tokens.expires_at.map(at).unwrap_or_default();
        rows.push(vec![key.source.to_string(), tokens.title.clone(), at(tokens.obtained_at), ends]);
        values.push(json!({
            "source": key.source, "opens": tokens.title, "obtained_at": tokens.obtained_at, "expires_at": tokens.expires_at,
        }));
    }
    desk.output.data(&values, || if rows.len() > 1 { table(&rows) } else { String::new() });
    Ok(0)
}

async fn revoke(desk: &Desk, source: &str) -> Ended {
    let house = desk.open().await?;
    for open in house.sources(&[source.to_owned()])? {
        if open.source.login_ways().is_empty() {
            return Ok(asks_nobody(desk, &open.name));
        }
        let text =
            if open.source.logout().await? { "given back and forgotten" } else { "there was nothing to give back" };
        desk.output.note(format!("{}: {text}", open.name));
    }
    Ok(0)
}

/// Says that a source has no login to speak of.
fn asks_nobody(desk: &Desk, source: &SourceName) -> u8 {
    desk.output.always(format!("`{source}` asks nobody's consent: its credentials stand in its settings"));
    ErrorKind::Config.exit_code()
}
