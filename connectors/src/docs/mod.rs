//! Pages that are generated from manifests and evidence, so that they cannot be out of date: a page a connector, and the index of all.

mod index;
mod page;
mod skeleton;
mod words;

pub use index::{Listed, index, listed};
pub use page::page;
pub use skeleton::{SkeletonError, skeleton};

#[cfg(test)]
mod tests;
