//! Asks a store, before anything is trusted to it, whether it honours create-if-absent.
//!
//! Some S3 clones accept `If-None-Match: *` and overwrite all the same; on such a store two runners lose each other's receipts
//! and commits without an error. The probe creates one object twice, as a receipt would be, and reads it back.

use bytes::Bytes;
use ulid::Ulid;

use crate::store::{Store, StoreError};

/// Folder of the probe's objects, which are deleted right away.
const FOLDER: &str = "_headwater/probe";

/// Refuses a store on which create-if-absent does not hold.
///
/// Writes one object of a few bytes, and deletes it.
///
/// # Errors
///
/// [`StoreError::Unsafe`] when a second create succeeded or changed the object; else what the store said.
pub async fn probe(store: &Store) -> Result<(), StoreError> {
    let path = format!("{FOLDER}/{}", Ulid::new());
    let finding = examine(store, &path).await;
    // A probe that could not be deleted is litter of 5 bytes; what matters is the finding.
    let deleted = store.delete(&path).await;
    match finding? {
        Some(finding) => Err(StoreError::Unsafe { url: store.url().to_string(), finding }),
        None => match deleted {
            Err(error) if !error.is_not_found() => Err(error),
            _ => Ok(()),
        },
    }
}

async fn examine(store: &Store, path: &str) -> Result<Option<String>, StoreError> {
    // A first create whose answer was lost and which was then sent again finds itself: that is what it must do.
    match store.put_new(path, Bytes::from_static(b"first")).await {
        Ok(()) | Err(StoreError::AlreadyExists { .. }) => {}
        Err(error) => return Err(error),
    }
    match store.put_new(path, Bytes::from_static(b"second")).await {
        Err(StoreError::AlreadyExists { .. }) => {}
        Ok(()) => return Ok(Some("it accepted a second create of the same object".to_owned())),
        Err(error) => return Err(error),
    }
    let kept = store.get(path).await?;
    Ok((kept != "first").then(|| "it refused a second create of the same object and yet overwrote it".to_owned()))
}
