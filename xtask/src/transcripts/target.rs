//! The databases that scenarios are replayed on: throwaway servers of this task's own, so that databases can have the
//! names that were recorded, and SQLite files in the scenario's folder.

use std::fmt;
use std::path::{Path, PathBuf};
use testkit::{mariadb, postgres, sqlite};

/// A database that transcripts were recorded on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum On {
    Postgresql,
    Mysql,
    Sqlite,
}

impl On {
    pub(super) const ALL: [On; 3] = [On::Postgresql, On::Mysql, On::Sqlite];

    /// As in the names of transcripts, and of the provider in `schema.prisma`.
    pub(super) fn name(self) -> &'static str {
        match self {
            On::Postgresql => "postgresql",
            On::Mysql => "mysql",
            On::Sqlite => "sqlite",
        }
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|on| on.name() == name)
    }

    /// What an identifier is quoted with.
    pub(super) fn quote(self) -> &'static str {
        if self == On::Mysql { "`" } else { "\"" }
    }

    /// The port of the server that was recorded.
    pub(super) fn recorded_port(self) -> &'static str {
        match self {
            On::Postgresql => "55432",
            On::Mysql => "53306",
            On::Sqlite => "no port",
        }
    }
}

impl fmt::Display for On {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The servers, started when they are first needed and ended with the process.
#[derive(Default)]
pub(super) struct Servers {
    postgres: Option<&'static postgres::Server>,
    mariadb: Option<&'static mariadb::Server>,
}

impl Servers {
    /// Starts what `on` needs.
    pub(super) fn start(&mut self, on: On) {
        // Leaked: they live as long as the process, whose end ends them.
        match on {
            On::Postgresql if self.postgres.is_none() => {
                self.postgres = Some(Box::leak(Box::new(postgres::Server::private(&[], None))));
            }
            On::Mysql if self.mariadb.is_none() => {
                self.mariadb = Some(Box::leak(Box::new(mariadb::Server::start())));
            }
            _ => {}
        }
    }

    /// The port and the folder of the socket.
    pub(super) fn place(&self, on: On) -> (String, Option<PathBuf>) {
        match (on, self.postgres, self.mariadb) {
            (On::Postgresql, Some(server), _) => {
                (server.port().to_string(), server.socket_dir().map(Path::to_owned))
            }
            (On::Mysql, _, Some(server)) => (server.port().to_string(), None),
            _ => ("no port".to_owned(), None),
        }
    }

    /// The database of a scenario.
    pub(super) fn database(&self, on: On, name: &str, folder: &Path, exists: bool) -> Target {
        match (on, self.postgres, self.mariadb) {
            (On::Postgresql, Some(server), _) => Target::Postgresql(server.named_database(name, exists)),
            (On::Mysql, _, Some(server)) => Target::Mysql(server.named_database(name, exists)),
            _ => Target::Sqlite(sqlite::Database::at(&folder.join("prisma/dev.db"))),
        }
    }

    /// Runs SQL in the server's own database.
    pub(super) fn admin(&self, on: On, sql: &str) {
        match (on, self.postgres, self.mariadb) {
            (On::Postgresql, Some(server), _) => drop(server.psql(sql)),
            (On::Mysql, _, Some(server)) => drop(server.sql(sql)),
            _ => {}
        }
    }
}

/// One database.
pub(super) enum Target {
    Postgresql(postgres::Database<'static>),
    Mysql(mariadb::Database<'static>),
    Sqlite(sqlite::Database),
}

/// A session that stays open. It is kept for what its end does.
#[expect(dead_code, reason = "held for their drop")]
pub(super) enum Held {
    Postgresql(postgres::Session),
    Mysql(mariadb::Session),
    Sqlite(rusqlite::Connection),
}

impl Target {
    /// The value of `DATABASE_URL`.
    pub(super) fn url(&self) -> String {
        match self {
            Target::Postgresql(database) => database.url(),
            Target::Mysql(database) => database.url(),
            Target::Sqlite(_) => "file:./dev.db".to_owned(),
        }
    }

    pub(super) fn sql(&self, sql: &str) -> Result<(), String> {
        match self {
            Target::Postgresql(database) => database.try_psql(sql).map(drop),
            Target::Mysql(database) => database.try_sql(sql).map(drop),
            Target::Sqlite(database) => database.try_query(sql).map(drop),
        }
    }

    pub(super) fn hold(&self, sql: &str) -> Result<Held, String> {
        Ok(match self {
            Target::Postgresql(database) => {
                let mut session = database.session();
                session.try_run(sql)?;
                Held::Postgresql(session)
            }
            Target::Mysql(database) => {
                let mut session = database.session();
                session.run(sql);
                Held::Mysql(session)
            }
            Target::Sqlite(database) => {
                let connection = database.connect();
                connection.execute_batch(sql).map_err(|error| error.to_string())?;
                Held::Sqlite(connection)
            }
        })
    }
}
