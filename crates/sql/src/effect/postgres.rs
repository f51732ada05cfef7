//! The effect of a statement on PostgreSql.

use super::Effect;
use crate::catalog::Catalog;
use crate::statement::Statement;
use diagnostics::Provider;

pub(super) fn effect(statement: &Statement, _text: &str, _catalog: &Catalog) -> Effect {
    Effect::strongest(statement, Provider::PostgreSql, "this statement is not read")
}
