//! The effect of a statement on Sqlite.

use super::Effect;
use crate::catalog::Catalog;
use crate::statement::Statement;
use diagnostics::Provider;

pub(super) fn effect(statement: &Statement, _text: &str, _catalog: &Catalog) -> Effect {
    Effect::strongest(statement, Provider::Sqlite, "this statement is not read")
}
