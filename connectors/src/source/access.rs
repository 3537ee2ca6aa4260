//! How a source is reached: its transport, and the credentials of its streams.

use std::sync::Arc;

use headwater_contract::{Digest16, Secret, SourceName};
use url::Url;

use super::SourceOptions;
use crate::auth::{Authenticators, Keyring, Surroundings, ways};
use crate::error::{Fault, SourceError};
use crate::manifest::{Manifest, OneOrMany, Settings, Share};
use crate::stream::Stream;
use crate::transport::{Transport, TransportOptions};

/// Builds both; `blame` names the manifest's key that a fault is about.
#[expect(clippy::too_many_arguments, reason = "everything that a source knows of itself, used once")]
pub(super) fn access(
    manifest: &Manifest,
    name: &SourceName,
    settings: &Settings,
    streams: &[Stream],
    base: &Url,
    own_bases: &[Url],
    options: &SourceOptions,
    blame: &dyn Fn(&str, Fault) -> SourceError,
) -> Result<(Arc<Transport>, Authenticators), SourceError> {
    let others = manifest.http.other_origins.iter().map(|origin| {
        Url::parse(origin).map_err(|error| Fault::Internal { facts: format!("`{origin}` in `other_origins`: {error}") })
    });
    let others = others.collect::<Result<Vec<_>, _>>().map_err(|fault| blame("http.other_origins", fault))?;
    let ways = ways(manifest, streams);
    let keyring = Keyring::of(settings);
    let login_urls: Vec<Url> = ways.iter().flat_map(|auth| auth.login_urls(&keyring, base)).collect();
    let secrets: Vec<Secret> = settings.secrets.values().cloned().collect();
    let transport = Transport::new(TransportOptions {
        base,
        own_bases,
        other_origins: &others,
        allow_private: &options.allow_private,
        proxy: options.proxy.as_ref(),
        login_urls: &login_urls,
        secret_params: ways.iter().flat_map(|auth| auth.secret_params()).collect(),
        secrets: &secrets,
        limits: manifest.http.known_limits(),
        quotas: manifest.http.quota.clone().map(OneOrMany::into_vec).unwrap_or_default(),
        actual_cost: manifest.http.cost.as_ref().and_then(|cost| cost.actual.clone()),
        quota_share: settings.quota_share.unwrap_or(Share::WHOLE),
        store: Arc::clone(&options.quotas),
        identity: (&manifest.connector, identity(settings)),
        patience: options.patience.clone(),
        clock: Arc::clone(&options.clock),
        waiting: Arc::clone(&options.waiting),
    });
    let transport = Arc::new(transport.map_err(|fault| blame("http", fault))?);
    let around = Surroundings {
        manifest,
        settings,
        source: name,
        base,
        store: &options.tokens,
        transport: &transport,
        yielded: Vec::new(),
        client: None,
    };
    let authenticators = Authenticators::build(&ways, &around).map_err(|fault| blame("http.auth", fault))?;
    Ok((transport, authenticators))
}

/// Tells the credential of a source from others.
fn identity(settings: &Settings) -> Digest16 {
    let parts = settings.secrets.iter().flat_map(|(name, secret)| [name.as_bytes(), secret.expose().as_bytes()]);
    Digest16::of_parts(parts)
}
