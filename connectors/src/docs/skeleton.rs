//! The first lines of a new manifest: they parse, and `lint` names what is still to be found out.

use headwater_contract::{ErrorKind, Explain};
use thiserror::Error;

/// Why there is no skeleton.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SkeletonError {
    /// A connector cannot be called so.
    #[error("`{name}` is not a name for a connector")]
    BadName {
        /// What was asked for.
        name: String,
    },
}

impl Explain for SkeletonError {
    fn code(&self) -> &'static str {
        "connector-name"
    }

    fn kind(&self) -> ErrorKind {
        ErrorKind::Config
    }

    fn place(&self) -> String {
        String::new()
    }

    fn fix(&self) -> String {
        "use `a-z`, `0-9`, `_` and `-`, beginning with a letter".to_owned()
    }

    fn committed(&self) -> String {
        "nothing was written".to_owned()
    }
}

/// The manifest that `connectors new` writes.
///
/// # Errors
///
/// [`SkeletonError::BadName`].
pub fn skeleton(name: &str) -> Result<String, SkeletonError> {
    let is_good = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.len() <= 64
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-');
    if !is_good {
        return Err(SkeletonError::BadName { name: name.to_owned() });
    }
    let mut title = name.replace(['-', '_'], " ");
    if let Some(first) = title.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    Ok(SKELETON.replace("{name}", name).replace("{title}", &title))
}

const SKELETON: &str = r#"# {title}: what it is. One file says everything that is particular to this API; `schema.json` completes it in an editor.
manifest: 1
connector: {name}
title: {title}
docs: ""                          # the page that describes the API
# category: crm                   # what the product is for, in a word
# api: { version: v1 }            # the version that the streams are written for; `sunset: 2027-01-31` where its end is announced

settings:
  token:    { secret: true, help: "" }                                 # where a person finds it: menu > page > button
  start_on: { type: date, help: "First UTC day to load" }

http:
  base_url: https://api.example.com
  auth: { bearer: token }
  limits: not_published           # or [{ requests: 100, per: 1 minute, source: "https://…" }]

streams:
  items:
    title: One row for each item
    docs: ""                      # the page that describes this list
    path: /items
    records: /data                # JSON pointer to the list in the answer; `""` when the answer is the list
    key: [id]
    # pagination: { body_token: { param: cursor, token: /next_cursor } }
    # page_size: { param: limit, value: 100, source: "https://…" }
    start: start_on
    kind: restating               # events, restating (rows change for a while), mutable (rows change for ever), snapshot or chain
    window:
      field: created_at
      format: rfc3339             # how the request writes its bounds
      request: { from: created_from, until: created_until }
      length: 1 day
      # settle: 1 minute after its end a window is final: a value, `not_published`, or `assumed: { value: …, because: … }`
      # lookback: how long a window can change; `0` is an answer
    # deletes: none               # or a flag, or a list of the keys that exist
    columns:                      # any other field goes to `_rescued` and is reported
      id:         { type: string }
      created_at: { type: timestamp }
"#;
