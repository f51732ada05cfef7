//! What observers make of events: lines for a person, or JSON.

mod human;
mod json_lines;

pub(crate) use human::{Human, Level, found};
pub(crate) use json_lines::JsonLines;
