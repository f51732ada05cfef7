//! What is asked about single rows of the history before something is written, inside of the transaction that writes it.

use super::literal::literal;
use super::{EQUALS, Table, postgres_literal};
use crate::session::CLAIM_MARK;
use diagnostics::Provider;

impl Table {
    /// 1 if there is a row with this id, 0 if there is none. No function, which a script could have put its own before.
    pub fn has_row(&self, id: &str) -> String {
        let equals = if self.provider == Provider::PostgreSql { EQUALS } else { "=" };
        format!(
            "SELECT CASE WHEN EXISTS (SELECT 1 FROM {} AS m WHERE m.id {equals} {}) THEN 1 ELSE 0 END",
            self.qualified(),
            literal(self.provider, id)
        )
    }

    /// PostgreSQL: raises [`CLAIM_MARK`] if a migration of this name is there by another row than `except`: somebody
    /// has begun it since the history was read.
    pub fn is_free(&self, name: &str, except: Option<&str>) -> String {
        let except = except.map_or(String::new(), |id| {
            format!(" AND m.id OPERATOR(pg_catalog.<>) {}", postgres_literal(id))
        });
        format!(
            "SELECT CASE WHEN EXISTS (SELECT 1 FROM {} AS m WHERE m.migration_name {EQUALS} {} AND m.rolled_back_at IS NULL{except}) \
             THEN pg_catalog.concat('{CLAIM_MARK}row:', pg_catalog.pg_backend_pid())::pg_catalog.int4 ELSE 1 END",
            self.qualified(),
            postgres_literal(name)
        )
    }

    /// 0 if there is an unfinished row of the name, 1 if there is none.
    pub fn has_none_unfinished(&self, name: &str) -> String {
        let equals = if self.provider == Provider::PostgreSql { EQUALS } else { "=" };
        format!(
            "SELECT CASE WHEN EXISTS (SELECT 1 FROM {} AS m WHERE m.migration_name {equals} {} AND m.finished_at IS NULL AND \
             m.rolled_back_at IS NULL) THEN 0 ELSE 1 END",
            self.qualified(),
            literal(self.provider, name)
        )
    }

    /// 0 if a row of the name keeps it from running, 1 if none does.
    pub fn has_no_live(&self, name: &str) -> String {
        let equals = if self.provider == Provider::PostgreSql { EQUALS } else { "=" };
        format!(
            "SELECT CASE WHEN EXISTS (SELECT 1 FROM {} AS m WHERE m.migration_name {equals} {} AND m.rolled_back_at IS NULL) THEN 0 \
             ELSE 1 END",
            self.qualified(),
            literal(self.provider, name)
        )
    }

    /// Counts the rows of a name that keep it from running, but for the one with the id `except`.
    pub fn count_live(&self, name: &str, except: Option<&str>) -> String {
        let except = except.map_or(String::new(), |id| format!(" AND id <> {}", literal(self.provider, id)));
        // Asked on SQLite alone, which has no operators of somebody's.
        format!(
            "SELECT count(*) FROM {} WHERE migration_name = {} AND rolled_back_at IS NULL{except}",
            self.qualified(),
            literal(self.provider, name)
        )
    }
}
