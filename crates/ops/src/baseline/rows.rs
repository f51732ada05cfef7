//! What a migration does to rows, as far as its statements tell: where it changes no definition, nothing in the database shows
//! whether it has run.

use crate::plan::PlannedMigration;
use sql::{DdlVerb, Kind};

/// What a migration does to rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rows {
    /// Nothing.
    Untouched,
    /// It changes rows, and nothing else.
    Alone,
    /// It may change rows; beside these, or instead, definitions.
    Perhaps,
}

impl Rows {
    pub(super) fn of(migration: &PlannedMigration) -> Self {
        let (mut rows, mut definitions) = (false, false);
        for statement in migration.statements() {
            let (some_rows, some_definitions) = touches(&statement.kind);
            rows |= some_rows;
            definitions |= some_definitions;
        }
        match (rows, definitions) {
            (false, _) => Rows::Untouched,
            (true, false) => Rows::Alone,
            (true, true) => Rows::Perhaps,
        }
    }
}

/// Whether a statement may change rows, and whether it may change definitions.
fn touches(kind: &Kind) -> (bool, bool) {
    match kind {
        Kind::Data(_) | Kind::LoadData | Kind::CopyFromStdin | Kind::CopyOther { .. } => (true, false),
        Kind::Ddl(DdlVerb::Truncate | DdlVerb::RefreshMaterializedView) => (true, false),
        Kind::Ddl(DdlVerb::Analyze | DdlVerb::Maintain) | Kind::Vacuum | Kind::LockTable => (false, false),
        kind if kind.is_transaction_control() || kind.is_session_statement() => (false, false),
        // Their code may do either.
        Kind::Do
        | Kind::Call
        | Kind::Query
        | Kind::Prepare
        | Kind::Execute
        | Kind::DeclareCursor
        | Kind::Fetch
        | Kind::Unknown => (true, true),
        _ => (false, true),
    }
}
