//! A stream that is complete: what a manifest and a project say of it, laid over one another, with every default filled in.

mod blame;
mod columns;
mod complete;
mod paging;
mod plan;
mod request;
mod window;

pub(crate) use blame::Blame;
pub(crate) use columns::given_name;
pub(crate) use plan::{FieldsPlan, Purpose, RequestPlan, Stream, WindowPlan};
