//! What a migration touches, as far as its statements tell: where no definition is another behind it, nothing in the database shows
//! whether it has run.

use crate::plan::PlannedMigration;
use sql::{Action, DdlVerb, Kind, Scope, Statement};

/// What a migration touches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Touches {
    /// It may change rows.
    pub(super) rows: bool,
    /// It may change definitions.
    pub(super) definitions: Definitions,
}

/// Whether definitions are changed, in order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Definitions {
    /// None.
    #[default]
    Untouched,
    /// Only where they are not as wanted yet: `IF NOT EXISTS`, code.
    Perhaps,
    /// Whenever it runs. Where none is another behind it, it has changed what is not compared: a counter, an owner, a setting of the
    /// database or of the server, a role.
    Surely,
}

/// What runs at no time but the one in which it is said, or leaves everything but its place on the disk as it was.
const NOTHING: Touches = Touches { rows: false, definitions: Definitions::Untouched };
const ROWS: Touches = Touches { rows: true, definitions: Definitions::Untouched };
/// Code, which may do either.
const CODE: Touches = Touches { rows: true, definitions: Definitions::Perhaps };
const PERHAPS: Touches = Touches { rows: false, definitions: Definitions::Perhaps };
const SURELY: Touches = Touches { rows: false, definitions: Definitions::Surely };

impl Touches {
    pub(super) fn of(migration: &PlannedMigration) -> Self {
        let text = migration.source.text();
        migration.statements().fold(Self::default(), |all, statement| {
            let found = touches(statement, statement.span.slice(text));
            Self { rows: all.rows || found.rows, definitions: all.definitions.max(found.definitions) }
        })
    }

    /// Rows at most: every definition is as it was.
    pub(super) fn no_definitions(self) -> bool {
        self.definitions == Definitions::Untouched
    }
}

fn touches(statement: &Statement, text: &str) -> Touches {
    match &statement.kind {
        Kind::Data(_) | Kind::LoadData | Kind::CopyFromStdin | Kind::CopyOther { .. } => ROWS,
        Kind::Ddl(DdlVerb::Truncate | DdlVerb::RefreshMaterializedView) => ROWS,
        Kind::Ddl(DdlVerb::Analyze | DdlVerb::Maintain)
        | Kind::Vacuum
        | Kind::Reindex { .. }
        | Kind::ReindexConcurrently
        | Kind::LockTable
        | Kind::LockTables
        | Kind::UnlockTables
        | Kind::Listen
        | Kind::Notify
        | Kind::Unlisten
        | Kind::Deallocate
        | Kind::Close
        | Kind::Discard { .. }
        | Kind::SetConstraints
        | Kind::CopyToStdout => NOTHING,
        // By which index it is, a table keeps.
        Kind::Ddl(DdlVerb::Cluster) | Kind::ClusterAll => PERHAPS,
        // What is written to the file outlives the session.
        Kind::Pragma { name, argument: Some(_) } if OF_THE_FILE.contains(&name.as_str()) => SURELY,
        Kind::Set { scope: Scope::Global, .. } => SURELY,
        kind if kind.is_transaction_control() || kind.is_session_statement() => NOTHING,
        Kind::Pragma { .. } => NOTHING,
        Kind::Do
        | Kind::Call
        | Kind::Query
        | Kind::Prepare
        | Kind::Execute
        | Kind::DeclareCursor
        | Kind::Fetch
        // Its value is computed.
        | Kind::Set { .. }
        | Kind::Unknown => CODE,
        _ if is_temporary(statement) => NOTHING,
        _ if is_conditional(text) => PERHAPS,
        _ => SURELY,
    }
}

/// PRAGMAs that SQLite writes to the file.
const OF_THE_FILE: [&str; 7] = [
    "application_id",
    "auto_vacuum",
    "encoding",
    "journal_mode",
    "page_size",
    "schema_version",
    "user_version",
];

/// It ends with its session.
fn is_temporary(statement: &Statement) -> bool {
    let temporary = |action: &Action| {
        matches!(action, Action::CreateTable { temporary: true, .. } | Action::CreateTemporary { .. })
    };
    !statement.actions.is_empty() && statement.actions.iter().all(temporary)
}

/// What is no part of a database, and so not compared.
const OF_THE_SERVER: [&str; 8] =
    ["DATABASE", "GROUP", "ROLE", "SERVER", "SUBSCRIPTION", "TABLESPACE", "UNDO", "USER"];

/// Whether the head of a statement says that it changes nothing where things are as wanted.
fn is_conditional(text: &str) -> bool {
    let words: Vec<String> = text.split_whitespace().take(16).map(str::to_ascii_uppercase).collect();
    let says = |pair: &[String]| {
        matches!((pair[0].as_str(), pair[1].as_str()), ("IF", "EXISTS" | "NOT") | ("OR", "REPLACE"))
    };
    words.windows(2).any(says) && !words.iter().take(4).any(|word| OF_THE_SERVER.contains(&word.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use diagnostics::Provider;

    #[test]
    fn what_a_statement_touches_is_read_in_it() {
        for (provider, text, expected) in [
            (Provider::PostgreSql, "INSERT INTO a VALUES (1)", ROWS),
            (Provider::PostgreSql, "CREATE TABLE a (id int)", SURELY),
            (Provider::PostgreSql, "CREATE TABLE IF NOT EXISTS a (id int)", PERHAPS),
            (Provider::PostgreSql, "ALTER TABLE IF EXISTS ONLY a ADD COLUMN IF NOT EXISTS n int", PERHAPS),
            (Provider::PostgreSql, "CREATE OR REPLACE VIEW v AS SELECT 1", PERHAPS),
            (Provider::PostgreSql, "CREATE TEMP TABLE a (id int)", NOTHING),
            (Provider::PostgreSql, "ALTER DATABASE shop SET work_mem = '8MB'", SURELY),
            (Provider::PostgreSql, "COMMENT ON SCHEMA public IS 'x'", SURELY),
            (Provider::PostgreSql, "DROP ROLE IF EXISTS app", SURELY),
            (Provider::PostgreSql, "SET search_path = app", NOTHING),
            (Provider::PostgreSql, "DO $$ BEGIN END $$", CODE),
            (Provider::PostgreSql, "CLUSTER a USING i", PERHAPS),
            (Provider::MySql, "ALTER DATABASE CHARACTER SET latin1", SURELY),
            (Provider::MySql, "SET GLOBAL sql_mode = ''", SURELY),
            (Provider::MySql, "CREATE USER IF NOT EXISTS app", SURELY),
            (Provider::Sqlite, "PRAGMA user_version = 3", SURELY),
            (Provider::Sqlite, "PRAGMA user_version", NOTHING),
            (Provider::Sqlite, "PRAGMA foreign_keys = off", NOTHING),
        ] {
            let script = sql::split(text, &sql::Options::new(provider)).unwrap();
            assert_eq!(touches(&script.statements[0], text), expected, "{text}");
        }
    }
}
