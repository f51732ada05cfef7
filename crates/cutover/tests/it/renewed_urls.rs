//! URLs of cutover.toml that a command or a file gives: asked for again for every connection, with a password that is
//! another one each time.

use crate::support::{Deployer, Project, is, text};
use testkit::{mariadb, postgres, wait_until};

/// Every password begins with it.
const SECRET: &str = "s3cr3t-";

/// The database `shop` of a server that asks for passwords, with a role `app` that may do everything in it.
enum Server<'a> {
    Postgres(&'a postgres::Server, postgres::Database<'a>),
    MariaDb(&'a mariadb::Server, mariadb::Database<'a>),
}

/// A session that holds the table.
enum Holder {
    Postgres(postgres::Session),
    MariaDb(mariadb::Session),
}

/// PostgreSQL, which writes down who connects.
fn postgres_server() -> postgres::Server {
    let lines = "host all app 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust";
    postgres::Server::private(&[("log_connections", "on")], Some(lines))
}

impl<'a> Server<'a> {
    fn postgres(server: &'a postgres::Server) -> Self {
        let database = server.named_database("shop", true);
        server.psql("CREATE ROLE app LOGIN; ALTER DATABASE shop OWNER TO app");
        database.psql("GRANT ALL ON SCHEMA public TO app");
        Self::Postgres(server, database)
    }

    fn mariadb(server: &'a mariadb::Server) -> Self {
        let database = server.named_database("shop", true);
        server.sql(
            "CREATE USER app@'%' IDENTIFIED BY 'none'; GRANT ALL ON shop.* TO app@'%';
             SET GLOBAL log_output = 'TABLE'; SET GLOBAL general_log = ON",
        );
        Self::MariaDb(server, database)
    }

    fn sql(&self, sql: &str) -> String {
        match self {
            Self::Postgres(server, _) => server.psql(sql),
            Self::MariaDb(server, _) => server.sql(sql),
        }
    }

    /// What gives the role another password; the one before it is worth nothing then.
    fn rotation(&self, password: &str) -> String {
        match self {
            Self::Postgres(..) => format!("ALTER ROLE app PASSWORD '{password}'"),
            Self::MariaDb(..) => format!("ALTER USER app@'%' IDENTIFIED BY '{password}'"),
        }
    }

    fn url(&self, password: &str) -> String {
        match self {
            Self::Postgres(server, _) => {
                format!("postgresql://app:{password}@127.0.0.1:{}/shop", server.port())
            }
            Self::MariaDb(server, _) => format!("mysql://app:{password}@127.0.0.1:{}/shop", server.port()),
        }
    }

    /// The server's own client, told to run the SQL that follows as its administrator.
    fn client(&self) -> String {
        match self {
            Self::Postgres(server, _) => format!(
                "{} -q -h 127.0.0.1 -p {} -U {} -d postgres -c",
                postgres::psql_program().display(),
                server.port(),
                server.superuser()
            ),
            Self::MariaDb(server, _) => {
                format!("mariadb --no-defaults --protocol=tcp -h 127.0.0.1 -P {} -u root -e", server.port())
            }
        }
    }

    /// How often the role has connected.
    fn connections(&self) -> usize {
        match self {
            Self::Postgres(server, _) => server.log().matches("connection authorized: user=app ").count(),
            Self::MariaDb(server, _) => server
                .sql(
                    "SELECT COUNT(*) FROM general_log WHERE command_type = 'Connect' AND argument LIKE 'app@%' \
                     AND argument NOT LIKE '%denied%'",
                )
                .parse()
                .unwrap(),
        }
    }

    /// How many migrations are finished.
    fn applied(&self) -> String {
        let sql = "SELECT COUNT(*) FROM _prisma_migrations WHERE finished_at IS NOT NULL";
        match self {
            Self::Postgres(_, database) => database.psql(sql),
            Self::MariaDb(_, database) => database.sql(sql),
        }
    }

    /// The role's session that waits for a table.
    fn waiting(&self) -> String {
        self.sql(match self {
            Self::Postgres(..) => {
                "SELECT coalesce(max(pid)::text, '') FROM pg_stat_activity WHERE usename = 'app' AND wait_event_type = 'Lock'"
            }
            Self::MariaDb(..) => {
                "SELECT COALESCE(MAX(id), '') FROM information_schema.processlist WHERE user = 'app' AND state LIKE \
                 'Waiting for%lock%'"
            }
        })
    }

    /// Deploys one migration, then two more while table `held` is locked; once the second waits, acts, and ends its session.
    /// Then the table is free.
    fn terminated(
        &self,
        project: &Project,
        last: &str,
        act: impl FnOnce(),
    ) -> (std::process::ExitStatus, String) {
        let command = || {
            let mut command =
                project.plain_command(&["migrate", "deploy", "--migrations", "prisma/migrations"]);
            command.env("PATH", std::env::var_os("PATH").unwrap());
            command
        };
        let first = command().output().unwrap();
        assert!(first.status.success() && !text(&first).contains(SECRET), "{}", text(&first));
        project.write("2_wait", "UPDATE held SET id = id;");
        project.write("3_last", last);
        let holder = match self {
            Self::Postgres(_, database) => {
                let mut session = database.session();
                session.run("BEGIN; LOCK TABLE held");
                Holder::Postgres(session)
            }
            Self::MariaDb(_, database) => {
                let mut session = database.session();
                session.run("LOCK TABLES held WRITE");
                Holder::MariaDb(session)
            }
        };
        let mut deployer = Deployer::start(command());
        wait_until("the migration waits for the table", || !self.waiting().is_empty());
        act();
        let session = self.waiting();
        self.sql(&match self {
            Self::Postgres(..) => format!("SELECT pg_terminate_backend({session})"),
            Self::MariaDb(..) => format!("KILL {session}"),
        });
        deployer.wait_for("connection_lost", |event| is(event, "connection_lost"));
        match holder {
            Holder::Postgres(session) => drop(session),
            Holder::MariaDb(session) => drop(session),
        }
        let (status, stderr, events) = deployer.finish();
        let all = format!("{events:#?}\n{stderr}");
        assert!(!all.contains(SECRET), "{all}");
        (status, all)
    }
}

fn project(toml: &str) -> Project {
    let project = Project::new(&[("1_held", "CREATE TABLE held (id int);")]);
    std::fs::write(project.path().join("cutover.toml"), toml).unwrap();
    project
}

/// The command changes the password and tells the new one; no connection is made with what it told before.
fn a_command_is_asked(server: &Server<'_>) {
    let project = project(r#"url = { command = ["/bin/sh", "url.sh"] }"#);
    let password = format!("{SECRET}$calls");
    let script = format!(
        "set -e\necho >> calls\ncalls=$(wc -l < calls)\n{} \"{}\" > /dev/null\necho \"{}\"\n",
        server.client(),
        server.rotation(&password),
        server.url(&password),
    );
    std::fs::write(project.path().join("url.sh"), script).unwrap();
    let calls = || std::fs::read_to_string(project.path().join("calls")).unwrap().lines().count();
    let mut before = 0;
    let (status, all) = server.terminated(&project, "CREATE TABLE b (id int);", || before = calls());
    assert!(status.success(), "{all}");
    assert!(before > 0 && calls() > before, "{before} calls before, {} in all", calls());
    assert_eq!(server.applied(), "3");
    assert_eq!(calls(), server.connections(), "one call for each connection");
}

/// The file is replaced while the migration runs; what is new in it is hidden as well.
fn a_file_is_read_again(server: &Server<'_>, says: impl Fn(&str) -> String) {
    let project = project(r#"url = { file = "url" }"#);
    let (old, new) = (format!("{SECRET}old"), format!("{SECRET}new"));
    let renew = |password: &str| {
        server.sql(&server.rotation(password));
        std::fs::write(project.path().join("url"), server.url(password)).unwrap();
    };
    renew(&old);
    let (status, all) = server.terminated(&project, &says(&new), || renew(&new));
    assert_eq!(status.code(), Some(1), "{all}");
    assert!(all.contains("P3018") && all.contains("3_last"), "{all}");
    assert_eq!(server.applied(), "2");
}

#[test]
fn postgresql_is_reached_again_with_what_a_command_says_then() {
    a_command_is_asked(&Server::postgres(&postgres_server()));
}

#[test]
fn postgresql_is_reached_again_with_what_a_file_says_then() {
    a_file_is_read_again(&Server::postgres(&postgres_server()), |password| {
        format!("DO $$ BEGIN RAISE EXCEPTION 'it is {password}'; END $$;")
    });
}

#[test]
fn mariadb_is_reached_again_with_what_a_command_says_then() {
    a_command_is_asked(&Server::mariadb(&mariadb::Server::start()));
}

#[test]
fn mariadb_is_reached_again_with_what_a_file_says_then() {
    a_file_is_read_again(&Server::mariadb(&mariadb::Server::start()), |password| {
        format!("SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'it is {password}';")
    });
}
