//! Where a scratch database stands, seen from the target: told by what the servers say of themselves, since two URLs may lead to
//! one database.

use super::given::is_of;
use db::server::server_id;
use db::target::{Kind, Target};
use db::{Conn, DbError};
use diagnostics::Provider;
use std::path::{Path, PathBuf};
use system::files::identity;

/// Where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// It is the target.
    Target,
    /// On the same server, or nothing proves that it is another.
    SameServer,
    /// On another server.
    Elsewhere,
}

/// Where the database of `scratch` stands, to which `conn` is connected.
pub(super) fn of(target: &Target, scratch: &Target, conn: &mut dyn Conn) -> Result<Place, DbError> {
    if let (Kind::Sqlite(left), Kind::Sqlite(right)) = (&target.kind, &scratch.kind) {
        return Ok(if is_one_file(&left.path, &right.path) { Place::Target } else { Place::SameServer });
    }
    let there = facts(conn)?;
    // A target that cannot be asked proves nothing, and one that is not there is lost by nobody.
    let here = db::connect(target).and_then(|mut conn| facts(conn.as_mut())).unwrap_or_default();
    let known = here.iter().zip(&there).filter_map(|(left, right)| Some((left.as_ref()?, right.as_ref()?)));
    let (mut any, mut same) = (false, false);
    for (left, right) in known {
        (any, same) = (true, same || left == right);
    }
    let one_name = target.database().eq_ignore_ascii_case(scratch.database());
    Ok(match (any, same) {
        (true, true) if one_name => Place::Target,
        (true, false) => Place::Elsewhere,
        _ => Place::SameServer,
    })
}

/// Whether the two URLs say the same, before anybody is asked.
pub(super) fn is_spelled_alike(target: &Target, scratch: &Target) -> bool {
    match (&target.kind, &scratch.kind) {
        (Kind::Sqlite(left), Kind::Sqlite(right)) => is_one_file(&left.path, &right.path),
        _ => target.location() == scratch.location() && target.database() == scratch.database(),
    }
}

/// What is the same on one server and hardly on another: who it is, since when it runs or where it is kept, its cluster.
fn facts(conn: &mut dyn Conn) -> Result<[Option<String>; 3], DbError> {
    let provider = conn.provider();
    let mut one = |text: &str| conn.query(text).map(|rows| rows.into_iter().flatten().flatten().next());
    let [kept, cluster] = match provider {
        Provider::PostgreSql => [one("SELECT pg_catalog.pg_postmaster_start_time()")?, None],
        Provider::MySql => [
            one("SELECT CONCAT_WS(' ', @@hostname, @@port, @@datadir)")?,
            // Its databases are those of the whole cluster. A server that is in none has no such status, or an empty one.
            one("SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS WHERE VARIABLE_NAME = \
                 'WSREP_CLUSTER_STATE_UUID' AND VARIABLE_VALUE <> ''")
            .unwrap_or_default(),
        ],
        Provider::Sqlite => [None, None],
    };
    Ok([server_id(conn)?, kept, cluster])
}

/// Whether two paths lead to one file, whether it is there or not.
fn is_one_file(left: &Path, right: &Path) -> bool {
    match (identity(left).ok(), identity(right).ok()) {
        (Some(left), Some(right)) => left == right,
        (None, None) => full(left) == full(right),
        _ => false,
    }
}

fn full(path: &Path) -> PathBuf {
    let directory = path.parent().and_then(|directory| directory.canonicalize().ok());
    match (directory, path.file_name()) {
        (Some(directory), Some(name)) => directory.join(name),
        _ => path.to_owned(),
    }
}

/// The databases of the server but for the one of the session: names that lead out of it.
pub(super) fn others(conn: &mut dyn Conn) -> Result<Vec<String>, DbError> {
    if conn.provider() != Provider::MySql {
        return Ok(Vec::new());
    }
    let rows =
        conn.query("SELECT SCHEMA_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME <> DATABASE()")?;
    Ok(rows.into_iter().flatten().flatten().collect())
}

/// Whether the role reaches no file, no program and no other host, whatever SQL it runs.
pub(super) fn is_confined(conn: &mut dyn Conn, database: &str) -> Result<bool, DbError> {
    match conn.provider() {
        Provider::PostgreSql => {
            Ok(conn.query(CONFINED)?.into_iter().flatten().flatten().next().as_deref() == Some("1"))
        }
        Provider::MySql => is_confined_on_mysql(conn, database),
        Provider::Sqlite => Ok(false),
    }
}

const CONFINED: &str = "SELECT CASE WHEN r.rolsuper OR EXISTS (SELECT 1 FROM pg_catalog.pg_roles p WHERE p.rolname IN \
                        ('pg_read_server_files', 'pg_write_server_files', 'pg_execute_server_program', 'pg_create_subscription') AND \
                        pg_catalog.pg_has_role(r.oid, p.oid, 'MEMBER')) OR EXISTS (SELECT 1 FROM pg_catalog.pg_foreign_data_wrapper) \
                        THEN 0 ELSE 1 END FROM pg_catalog.pg_roles r WHERE r.rolname = current_user";

/// Engines that keep what is theirs in the server's own folder.
const ENGINES: &str = "SELECT ENGINE FROM information_schema.ENGINES WHERE SUPPORT IN ('YES', 'DEFAULT') AND ENGINE NOT IN \
                       ('InnoDB', 'MyISAM', 'MRG_MyISAM', 'MEMORY', 'CSV', 'Aria', 'SEQUENCE', 'PERFORMANCE_SCHEMA', 'ARCHIVE', \
                       'BLACKHOLE')";

/// Rights on this database, none on another or on the server, no role; and no engine that reaches out.
fn is_confined_on_mysql(conn: &mut dyn Conn, database: &str) -> Result<bool, DbError> {
    let grants = conn.query("SHOW GRANTS")?.into_iter().flatten().flatten().collect::<Vec<String>>();
    let is_narrow = |line: &String| {
        let on = line.strip_prefix("GRANT ").and_then(|rest| rest.split_once(" ON "));
        on.is_some_and(|(privileges, on)| match on.split(" TO ").next().unwrap_or_default() {
            "*.*" => privileges == "USAGE",
            // A pattern may stand for the server's own tables as well.
            object => is_of(object, database) && !is_of(object, "mysql"),
        })
    };
    Ok(grants.iter().all(is_narrow) && conn.query(ENGINES)?.is_empty())
}
