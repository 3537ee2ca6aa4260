//! Creates the container of a zone on Azure, when a person asks for it.
//!
//! `object_store` has no word for containers, so this goes through the official blob client. That client knows Entra tokens and
//! signed URLs but no account key, so with a key we sign the URL ourselves, for this one act and ten minutes
//! (<https://learn.microsoft.com/rest/api/storageservices/create-account-sas>, read 2026-11-21).

use std::sync::Arc;

use azure_core::credentials::{Secret, TokenCredential};
use azure_core::http::StatusCode;
use azure_identity::{
    ClientSecretCredential, DeveloperToolsCredential, ManagedIdentityCredential, WorkloadIdentityCredential,
    WorkloadIdentityCredentialOptions,
};
use azure_storage_blob::BlobContainerClient;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use chrono::{DateTime, TimeDelta, Utc};
use headwater_contract::Clock;
use url::Url;

use crate::store::url::Scheme;
use crate::store::{StoreError, StoreOptions, ZoneUrl};

/// The version of the signature: the last whose text has no encryption scope.
const SIGNED_VERSION: &str = "2019-12-12";
/// A signed URL is good for this long.
const SIGNED_MINUTES: i64 = 10;
/// Account and key that Azurite documents for everybody.
const EMULATOR_ACCOUNT: &str = "devstoreaccount1";
const EMULATOR_KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
const EMULATOR_ENDPOINT: &str = "http://127.0.0.1:10000";

/// Creates the container that `url` names, if it is one of Azure and does not exist. Says whether it did.
///
/// Folders of a local disk are made by the first write. A bucket of S3 is not made here: where it lies and who may read it is
/// the owner's decision, which a default would take silently.
///
/// # Errors
///
/// [`StoreError::Container`] when the service refuses, or nothing in `options` says who asks.
pub async fn ensure_container(url: &ZoneUrl, options: &StoreOptions, clock: &dyn Clock) -> Result<bool, StoreError> {
    if url.scheme() != Scheme::Azure {
        return Ok(false);
    }
    let place = Place::of(url, options);
    let failed =
        |reason: String| StoreError::Container { url: url.to_string(), container: place.container.clone(), reason };
    let (address, credential) = place.authorised(options, clock.now()).map_err(failed)?;
    let client = BlobContainerClient::new(address, credential, None).map_err(|error| failed(error.to_string()))?;
    match client.create(None).await {
        Ok(_) => Ok(true),
        Err(error) if error.http_status() == Some(StatusCode::Conflict) => Ok(false),
        // The error may repeat the address, and that may be signed.
        Err(error) => Err(failed(error.http_status().map_or_else(
            || "the service cannot be reached".to_owned(),
            |status| format!("the service answered {status}"),
        ))),
    }
}

/// Where a container is to be.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    account: String,
    container: String,
    endpoint: String,
    is_emulator: bool,
}

impl Place {
    fn of(url: &ZoneUrl, options: &StoreOptions) -> Self {
        let (host, user) = (url.url().host_str().unwrap_or_default(), url.url().username());
        let is_emulator = options.is_true("use_emulator") || options.is_true("azure_storage_use_emulator");
        let (container, account) = if user.is_empty() {
            let named = options.first(&["account_name", "azure_storage_account_name"]);
            (host, named.unwrap_or(if is_emulator { EMULATOR_ACCOUNT } else { "" }))
        } else {
            (user, host.split('.').next().unwrap_or_default())
        };
        let endpoint = match options.first(&["endpoint", "azure_storage_endpoint", "azure_endpoint"]) {
            _ if is_emulator => format!("{EMULATOR_ENDPOINT}/{account}"),
            Some(endpoint) => endpoint.trim_end_matches('/').to_owned(),
            None => format!("https://{account}.blob.core.windows.net"),
        };
        Self { account: account.to_owned(), container: container.to_owned(), endpoint, is_emulator }
    }

    /// The container's address, signed where a key or a signature is given, else with the credential that signs requests.
    fn authorised(
        &self,
        options: &StoreOptions,
        now: DateTime<Utc>,
    ) -> Result<(Url, Option<Arc<dyn TokenCredential>>), String> {
        let text = format!("{}/{}", self.endpoint, self.container);
        let mut address = Url::parse(&text).map_err(|error| format!("`{text}` is no address: {error}"))?;
        let key =
            options.first(&["access_key", "account_key", "azure_storage_account_key", "azure_storage_access_key"]);
        if let Some(key) = key.or(self.is_emulator.then_some(EMULATOR_KEY)) {
            address.set_query(Some(&self.signature(key, now)?));
            return Ok((address, None));
        }
        if let Some(signature) = options.first(&["sas_token", "sas_key", "azure_storage_sas_token"]) {
            address.set_query(Some(signature.trim_start_matches('?')));
            return Ok((address, None));
        }
        entra(options).map(|credential| (address, Some(credential))).map_err(|error| error.to_string())
    }

    /// The query of a URL that may create containers of the account, and nothing else.
    fn signature(&self, key: &str, now: DateTime<Utc>) -> Result<String, String> {
        let key = BASE64_STANDARD.decode(key).map_err(|_| "the account key is not base64".to_owned())?;
        let expires = (now + TimeDelta::minutes(SIGNED_MINUTES)).format("%Y-%m-%dT%H:%M:%SZ").to_string();
        // Permission `c`reate on the `b`lob service's `c`ontainers; no start, no address range, any protocol.
        let text = format!("{}\nc\nb\nc\n\n{expires}\n\n\n{SIGNED_VERSION}\n", self.account);
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &key);
        let signature = BASE64_STANDARD.encode(ring::hmac::sign(&key, text.as_bytes()));
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in
            [("sv", SIGNED_VERSION), ("ss", "b"), ("srt", "c"), ("sp", "c"), ("se", &expires), ("sig", &signature)]
        {
            query.append_pair(name, value);
        }
        Ok(query.finish())
    }
}

/// The Entra credential that the options describe; the machine's own identity when they describe none.
fn entra(options: &StoreOptions) -> azure_core::Result<Arc<dyn TokenCredential>> {
    let text = |names: &[&str]| options.first(names).map(str::to_owned);
    let tenant = text(&["tenant_id", "azure_tenant_id", "azure_storage_tenant_id", "authority_id"]);
    let client = text(&["client_id", "azure_client_id", "azure_storage_client_id"]);
    if let (Some(tenant), Some(client), Some(secret)) =
        (&tenant, &client, text(&["client_secret", "azure_client_secret", "azure_storage_client_secret"]))
    {
        return Ok(ClientSecretCredential::new(tenant, client.clone(), Secret::new(secret), None)?);
    }
    if let Some(file) = text(&["federated_token_file", "azure_federated_token_file"]) {
        let described = WorkloadIdentityCredentialOptions {
            client_id: client,
            tenant_id: tenant,
            token_file_path: Some(file.into()),
            ..WorkloadIdentityCredentialOptions::default()
        };
        return Ok(WorkloadIdentityCredential::new(Some(described))?);
    }
    if options.is_true("use_azure_cli") || options.is_true("azure_use_azure_cli") {
        return Ok(DeveloperToolsCredential::new(None)?);
    }
    Ok(ManagedIdentityCredential::new(None)?)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn place(url: &str, options: &[(&str, &str)]) -> Place {
        let options = options.iter().fold(StoreOptions::none(), |all, (name, value)| all.with(name, *value));
        Place::of(&ZoneUrl::parse(url, Path::new("/")).unwrap(), &options)
    }

    #[test]
    fn finds_account_container_and_endpoint() {
        let cloud = place("abfss://raw@acct.dfs.core.windows.net/x", &[]);
        assert_eq!((cloud.account.as_str(), cloud.container.as_str()), ("acct", "raw"));
        assert_eq!(cloud.endpoint, "https://acct.blob.core.windows.net");
        let emulator = place("az://raw/x", &[("use_emulator", "true")]);
        assert_eq!(emulator.endpoint, "http://127.0.0.1:10000/devstoreaccount1");
        let own = place("az://raw", &[("account_name", "a"), ("endpoint", "http://127.0.0.1:1/a/")]);
        assert_eq!((own.endpoint.as_str(), own.container.as_str()), ("http://127.0.0.1:1/a", "raw"));
    }

    #[test]
    fn a_signature_is_for_ten_minutes_and_needs_a_key_in_base64() {
        let now = DateTime::from_timestamp(1_709_251_200, 0).unwrap();
        let place = place("az://raw", &[("use_emulator", "true")]);
        assert!(place.signature("no base64!", now).is_err());
        let query = place.signature(EMULATOR_KEY, now).unwrap();
        assert!(query.starts_with("sv=2019-12-12&ss=b&srt=c&sp=c&se=2024-03-01T00%3A10%3A00Z&sig="), "{query}");
    }
}
