//! What a statement of SQLite changes of the catalogue.

use super::Catalog;
use crate::statement::Statement;

pub(super) fn apply(_catalog: &mut Catalog, _statement: &Statement, _text: &str) {}
