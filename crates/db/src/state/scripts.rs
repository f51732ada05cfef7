//! The texts of what was deployed, and of the way back: what a rollback runs when the image that has the files is gone.

use super::name;
use crate::history::literal;
use crate::{Conn, DbError};
use diagnostics::Provider;

/// The columns.
pub(super) const COLUMNS: [&str; 8] =
    ["id", "history", "migration_name", "checksum", "up_sql", "down_sql", "run", "stored_at"];

/// The scripts of one applied migration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scripts {
    /// The id of its row in the history: another attempt of the same migration has another one.
    pub id: String,
    /// Whose history that is: [`crate::history::Table::owner`].
    pub history: String,
    /// The migration's name.
    pub migration: String,
    /// Of its file.
    pub checksum: String,
    /// The text of `migration.sql`.
    pub up: String,
    /// The text of `down.sql`; none where there was none.
    pub down: Option<String>,
    /// The run that stored it.
    pub run: String,
    /// When: RFC 3339.
    pub stored_at: String,
}

impl Scripts {
    /// The statement by which a person reads them.
    pub fn query(&self, provider: Provider) -> String {
        let columns = if self.down.is_some() { "up_sql, down_sql" } else { "up_sql" };
        format!(
            "SELECT {columns} FROM {} WHERE id = {} AND history = {}",
            name(provider, "scripts"),
            literal(provider, &self.id),
            literal(provider, &self.history)
        )
    }
}

/// The longest statement that stores scripts, in bytes: below what servers take in one packet.
const LONGEST: usize = 1 << 20;

/// Stores them; those of the same rows are replaced, by the same statement: whoever is killed, a way back that was stored stays.
///
/// # Errors
/// The role may have no right to.
pub fn store(conn: &mut dyn Conn, all: &[Scripts]) -> Result<(), DbError> {
    let provider = conn.provider();
    let table = name(provider, "scripts");
    let text = |value: &str| literal(provider, &value.replace('\0', ""));
    let (verb, replaced) = match provider {
        Provider::PostgreSql => {
            let (keys, rest) = COLUMNS.split_at(super::KEYS);
            let written: Vec<String> =
                rest.iter().map(|column| format!("{column} = excluded.{column}")).collect();
            let keys = keys.join(", ");
            ("INSERT", format!(" ON CONFLICT ({keys}) DO UPDATE SET {}", written.join(", ")))
        }
        Provider::MySql | Provider::Sqlite => ("REPLACE", String::new()),
    };
    let (mut rows, mut bytes) = (Vec::new(), 0);
    for (at, scripts) in all.iter().enumerate() {
        let down = scripts.down.as_deref().map_or_else(|| "NULL".to_owned(), text);
        rows.push(format!(
            "({}, {}, {}, {}, {}, {down}, {}, {})",
            text(&scripts.id),
            text(&scripts.history),
            text(&scripts.migration),
            text(&scripts.checksum),
            text(&scripts.up),
            text(&scripts.run),
            text(&scripts.stored_at)
        ));
        bytes += rows.last().map_or(0, String::len);
        if bytes >= LONGEST || at + 1 == all.len() {
            conn.execute(&format!(
                "{verb} INTO {table} ({}) VALUES {}{replaced}",
                COLUMNS.join(", "),
                rows.join(", ")
            ))?;
            (rows, bytes) = (Vec::new(), 0);
        }
    }
    Ok(())
}

/// All that is stored of a history, oldest first.
///
/// # Errors
/// The role may have no right to.
pub fn read(conn: &mut dyn Conn, owner: &str) -> Result<Vec<Scripts>, DbError> {
    let rows = conn.query(&format!(
        "SELECT {} FROM {} WHERE history = {} ORDER BY stored_at, migration_name",
        COLUMNS.join(", "),
        name(conn.provider(), "scripts"),
        literal(conn.provider(), owner)
    ))?;
    let scripts = rows.into_iter().map(|row| {
        let mut values = row.into_iter();
        let mut next = || values.next().flatten();
        Scripts {
            id: next().unwrap_or_default(),
            history: next().unwrap_or_default(),
            migration: next().unwrap_or_default(),
            checksum: next().unwrap_or_default(),
            up: next().unwrap_or_default(),
            down: next(),
            run: next().unwrap_or_default(),
            stored_at: next().unwrap_or_default(),
        }
    });
    Ok(scripts.collect())
}
