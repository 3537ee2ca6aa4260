//! Opens the object store that a zone's URL names.
//!
//! Retries are bounded here: `object_store`'s own default gives up after three minutes, which would hide a dead store behind a
//! silent run. Credentials are checked by the first request, not here.

use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::{BackoffConfig, ObjectStore, RetryConfig};

use crate::store::door::Door;
use crate::store::durable::DurableDisk;
use crate::store::error::StoreError;
use crate::store::options::StoreOptions;
use crate::store::url::{Scheme, ZoneUrl};

/// Requests are sent again this often before the store counts as unavailable.
const RETRIES_MAX: usize = 5;
/// After this long since the first try no retry is begun.
const RETRY_SECONDS_MAX: u64 = 60;
/// The first pause between two tries.
const PAUSE_MILLISECONDS_MIN: u64 = 200;
/// The longest pause between two tries.
const PAUSE_SECONDS_MAX: u64 = 10;

fn retries() -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(PAUSE_MILLISECONDS_MIN),
            max_backoff: Duration::from_secs(PAUSE_SECONDS_MAX),
            base: 2.0,
        },
        max_retries: RETRIES_MAX,
        retry_timeout: Duration::from_secs(RETRY_SECONDS_MAX),
    }
}

/// The opened store, rooted at the zone, and the zone's folder where it lies on the local disk.
pub(crate) fn open(
    url: &ZoneUrl,
    options: &StoreOptions,
) -> Result<(Arc<dyn ObjectStore>, Option<PathBuf>), StoreError> {
    let store: Arc<dyn ObjectStore> = match url.scheme() {
        Scheme::File => return open_folder(url, options),
        Scheme::Memory => Arc::new(InMemory::new()),
        Scheme::Azure => open_azure(url, options)?,
        Scheme::S3 => open_s3(url, options)?,
    };
    Ok((Arc::new(Door::new(store, &url.folder_in_container())), None))
}

fn open_folder(url: &ZoneUrl, options: &StoreOptions) -> Result<(Arc<dyn ObjectStore>, Option<PathBuf>), StoreError> {
    let synced = match options.get("fsync") {
        None | Some("true") => true,
        Some("false") => false,
        Some(_) => return Err(bad_option(url, "fsync", "write true or false")),
    };
    if let Some((name, _)) = options.iter().find(|(name, _)| *name != "fsync") {
        return Err(bad_option(url, name, "a local disk knows only `fsync`"));
    }
    let folder = url.url().to_file_path().map_err(|()| StoreError::BadUrl {
        url: url.to_string(),
        reason: "it is not a path of this system".to_owned(),
    })?;
    // The folder itself is made by the first write, so that a dry run leaves no trace.
    let base = LocalFileSystem::new();
    let store: Arc<dyn ObjectStore> = if synced { Arc::new(DurableDisk::new(base)) } else { Arc::new(base) };
    let inside = object_store::path::Path::from_absolute_path(&folder)
        .map_err(|_| StoreError::BadPath { path: folder.display().to_string() })?;
    Ok((Arc::new(Door::new(store, inside.as_ref())), Some(folder)))
}

fn bad_option(url: &ZoneUrl, option: &str, reason: &str) -> StoreError {
    StoreError::BadOption { url: url.to_string(), option: option.to_owned(), reason: reason.to_owned() }
}

fn open_azure(url: &ZoneUrl, options: &StoreOptions) -> Result<Arc<dyn ObjectStore>, StoreError> {
    let mut builder = MicrosoftAzureBuilder::new().with_retry(retries());
    for (name, value) in options.iter() {
        let key = AzureConfigKey::from_str(name)
            .map_err(|_| bad_option(url, name, "it is no option of Azure Blob Storage"))?;
        builder = builder.with_config(key, value);
    }
    if url.url().scheme() == "azure" || url.url().username().is_empty() {
        // `with_url` would take the rest of such a URL for the account.
        builder = builder.with_container_name(url.url().host_str().unwrap_or_default());
    } else {
        builder = builder.with_url(url.url().as_str());
    }
    let built = builder.build().map_err(|error| bad_option(url, "account_name, access_key", &error.to_string()))?;
    Ok(Arc::new(built))
}

fn open_s3(url: &ZoneUrl, options: &StoreOptions) -> Result<Arc<dyn ObjectStore>, StoreError> {
    let mut builder = AmazonS3Builder::new()
        .with_retry(retries())
        .with_bucket_name(url.url().host_str().unwrap_or_default())
        // The default, said here because every receipt and every commit rests on it.
        .with_config(AmazonS3ConfigKey::ConditionalPut, "etag");
    for (name, value) in options.iter() {
        let key = AmazonS3ConfigKey::from_str(name).map_err(|_| bad_option(url, name, "it is no option of S3"))?;
        if key == AmazonS3ConfigKey::ConditionalPut && value != "etag" {
            return Err(bad_option(url, name, "only `etag` is safe: receipts and commits are created if absent"));
        }
        builder = builder.with_config(key, value);
    }
    let built = builder.build().map_err(|error| bad_option(url, "region, endpoint", &error.to_string()))?;
    Ok(Arc::new(built))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn open_with(url: &str, options: &[(&str, &str)]) -> Result<(), StoreError> {
        let url = ZoneUrl::parse(url, Path::new("/srv")).unwrap();
        let options = options.iter().fold(StoreOptions::none(), |all, (name, value)| all.with(name, *value));
        open(&url, &options).map(|_| ())
    }

    #[test]
    fn refuses_options_that_the_store_does_not_know_and_never_repeats_their_values() {
        for (url, option) in
            [("lake", "region"), ("s3://b/x", "acess_key"), ("az://c/x", "acount_name"), ("lake", "fsync")]
        {
            let error = open_with(url, &[(option, "hunter2")]).unwrap_err();
            assert!(matches!(&error, StoreError::BadOption { option: named, .. } if named == option), "{error}");
            assert!(!error.to_string().contains("hunter2"));
        }
    }

    #[test]
    fn refuses_to_switch_conditional_puts_off() {
        assert!(open_with("s3://b/x", &[("conditional_put", "disabled")]).is_err());
    }

    #[test]
    fn opens_each_kind_of_store() {
        let azure = [
            ("account_name", "acct"),
            ("access_key", "aGVsbG8="),
            ("endpoint", "http://127.0.0.1:1/acct"),
            ("allow_http", "true"),
        ];
        open_with("lake/raw", &[]).unwrap();
        open_with("memory:///raw", &[]).unwrap();
        open_with("az://raw/x", &azure).unwrap();
        open_with("az://raw", &[("use_emulator", "true")]).unwrap();
        open_with(
            "abfss://raw@acct.dfs.core.windows.net/x",
            &[("tenant_id", "t"), ("client_id", "c"), ("client_secret", "s")],
        )
        .unwrap();
        open_with("s3://bucket/x", &[("region", "eu-central-1"), ("access_key_id", "a"), ("secret_access_key", "b")])
            .unwrap();
    }
}
