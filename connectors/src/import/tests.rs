//! Conversions of whole manifests.
