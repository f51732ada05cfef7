//! stub
use super::Undo;
use crate::snapshot::Snapshot;
use crate::statement::Script;
pub(super) fn undo(_script: &Script, _text: &str, _before: &Snapshot) -> Vec<Undo> { Vec::new() }
