//! What must not be deleted, then what is; each on small streams whose rows are compared before and after.

mod compacting;
mod keeping;
mod parts;
mod vacuuming;
