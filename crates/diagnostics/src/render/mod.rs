//! Renders lists of diagnostics, one file per output format.

pub mod human;
pub mod json;
pub mod markdown;
