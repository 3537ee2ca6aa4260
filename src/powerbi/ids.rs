//! Ids that depend on names alone, so that an export of the same star is the same text.

use uuid::Uuid;

/// The id of an object of the model, by the path of the table or column that it comes from.
pub(super) fn id_of(path: &str) -> String {
    uuid_of(path).to_string()
}

/// A name for pages and visuals, as Power BI Desktop writes them: 20 hexadecimal digits.
pub(super) fn short_id_of(path: &str) -> String {
    let mut id = uuid_of(path).simple().to_string();
    id.truncate(20);
    id
}

fn uuid_of(path: &str) -> Uuid {
    Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("urn:headwater:powerbi:{path}").as_bytes())
}
