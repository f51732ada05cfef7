//! The databases that cutover knows.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A database product, by the name that `schema.prisma` and `migration_lock.toml` give it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// PostgreSQL 12 and newer.
    PostgreSql,
    /// MySQL 8.0 and newer, MariaDB 10.6 and newer.
    MySql,
    /// SQLite, embedded.
    Sqlite,
}

impl Provider {
    /// All providers, in the order in which lists show them.
    pub const ALL: [Provider; 3] = [Provider::PostgreSql, Provider::MySql, Provider::Sqlite];

    /// The name in `schema.prisma` and `migration_lock.toml`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Provider::PostgreSql => "postgresql",
            Provider::MySql => "mysql",
            Provider::Sqlite => "sqlite",
        }
    }

    /// The product's own spelling, for sentences.
    pub const fn display_name(self) -> &'static str {
        match self {
            Provider::PostgreSql => "PostgreSQL",
            Provider::MySql => "MySQL",
            Provider::Sqlite => "SQLite",
        }
    }

    /// Reads a provider name; `postgres` equals `postgresql`.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "postgresql" | "postgres" => Some(Provider::PostgreSql),
            "mysql" => Some(Provider::MySql),
            "sqlite" => Some(Provider::Sqlite),
            _ => None,
        }
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
