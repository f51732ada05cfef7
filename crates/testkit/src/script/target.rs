//! The database that a scenario runs on.

use super::compare::{Value, Values};
use super::parse::On;
use crate::{mariadb, postgres, sqlite};
use std::fs;
use std::path::Path;

/// An empty database, dropped with this value.
pub(super) enum Target {
    Sqlite(sqlite::Database),
    Postgresql(postgres::Database<'static>),
    Mysql(mariadb::Database<'static>),
}

impl Target {
    /// Makes the database; SQLite's file appears when the binary under test makes it.
    pub(super) fn create(on: On, folder: &Path) -> Self {
        match on {
            On::Sqlite => Target::Sqlite(sqlite::Database::at(&folder.join("prisma/dev.db"))),
            On::Postgresql => Target::Postgresql(postgres::server().create_database("script")),
            On::Mysql => Target::Mysql(mariadb::server().create_database("script")),
        }
    }

    /// The value of `DATABASE_URL`.
    pub(super) fn url(&self) -> String {
        match self {
            // Relative to the folder of schema.prisma.
            Target::Sqlite(_) => "file:./dev.db".to_owned(),
            Target::Postgresql(database) => database.url(),
            Target::Mysql(database) => database.url(),
        }
    }

    /// What the placeholders stand for.
    pub(super) fn values(&self, folder: &Path) -> Values {
        let value = |name, text: &str, put_back| Value { name, text: text.to_owned(), put_back };
        let of_server = |port: u16, database: &str| {
            let port = port.to_string();
            vec![
                value("{url}", &self.url(), true),
                value("{host}:{port}", &format!("127.0.0.1:{port}"), true),
                value("{host}", "127.0.0.1", false),
                value("{port}", &port, true),
                value("{database}", database, true),
            ]
        };
        let mut values = match self {
            Target::Sqlite(_) => {
                vec![value("{url}", &self.url(), true), value("{database}", "dev.db", false)]
            }
            Target::Postgresql(database) => of_server(database.server().port(), database.name()),
            Target::Mysql(database) => of_server(database.port(), database.name()),
        };
        values.push(value("{dir}", &folder.to_string_lossy(), true));
        Values(values)
    }

    /// Runs SQL that prepares the database; makes SQLite's file and its folder.
    pub(super) fn execute(&self, sql: &str) -> Result<(), String> {
        if let Target::Sqlite(database) = self
            && let Some(folder) = database.path().parent()
        {
            fs::create_dir_all(folder).map_err(|error| error.to_string())?;
            return database.try_query(sql).map(drop);
        }
        self.query(sql).map(drop)
    }

    /// Runs a query; rows as `a|b|c` lines. Looking does not make SQLite's file.
    pub(super) fn query(&self, sql: &str) -> Result<String, String> {
        match self {
            Target::Sqlite(database) if !database.path().exists() => {
                Err("the file prisma/dev.db does not exist".into())
            }
            Target::Sqlite(database) => database.try_query(sql),
            Target::Postgresql(database) => database.try_psql(sql),
            Target::Mysql(database) => database.try_sql(sql),
        }
    }

    /// The catalogue and the digests of all rows.
    pub(super) fn everything(&self) -> String {
        let (structure, data) = match self {
            Target::Sqlite(database) => (database.snapshot(), database.checksums()),
            Target::Postgresql(database) => (database.snapshot(), database.checksums()),
            Target::Mysql(database) => (database.snapshot(), database.checksums()),
        };
        format!("{structure}\n{data}")
    }
}
