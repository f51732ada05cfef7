//! The database that `--scratch-url` names: it is taken only if it is empty, and given back as it was.
//!
//! A mark in it says which run has taken it. It never allows anything: a database that a killed run has left is taken again only
//! if nothing but the mark is in it. At the end it keeps a run from emptying what is not its own any more.

use db::snapshot::SCRATCH_MARK as MARK;
use db::target::{Kind, Target};
use db::{Conn, DbError, ErrorKind};
use diagnostics::{Class, Diagnostic, Failure, Provider, Result, codes};

/// What is put back at the end.
pub(super) struct Given {
    run: String,
    restoring: Vec<String>,
    /// It was there before.
    existed: bool,
    /// What keeps other runs out of it: a session, or the file.
    _lock: Lock,
}

/// Held as long as the run needs the database.
enum Lock {
    Session(#[expect(dead_code, reason = "its end gives the lock back")] Box<dyn Conn>),
    File(#[expect(dead_code, reason = "its end gives the lock back")] std::fs::File),
}

/// Makes sure that it is empty and nobody else's at the moment, and marks it. `existed`: somebody else has made it.
///
/// # Errors
/// C2025 for one that is not empty, or of which the role cannot see whether it is, or that another run replays in.
pub(super) fn take(conn: &mut dyn Conn, target: &Target, run: &str, existed: bool) -> Result<Given> {
    let failed = |error: DbError| crate::run::failure(target, error);
    let Some(lock) = lock(target).map_err(failed)? else {
        return Err(Failure::new(
            Diagnostic::error("another run replays migrations in the database of `--scratch-url`")
                .code(&codes::C2025)
                .note("nothing in it was changed")
                .help("give each run a database of its own, or wait for the other one"),
        )
        .class(Class::LockOrRunning));
    };
    if existed {
        if let Some(hidden) = hidden(conn, target).map_err(failed)? {
            return Err(refused("whether the database of `--scratch-url` is empty cannot be seen", &hidden));
        }
        if let Some(found) = contents(conn, target).map_err(failed)? {
            return Err(refused(
                "the database of `--scratch-url` is not empty",
                &format!("in it is {found}"),
            ));
        }
    }
    let restoring = restoring(conn, target).map_err(failed)?;
    let texts =
        [format!("DROP VIEW IF EXISTS {MARK}"), format!("CREATE VIEW {MARK} AS SELECT '{run}' AS run")];
    texts.iter().try_for_each(|text| conn.execute(text)).map_err(failed)?;
    Ok(Given { run: run.to_owned(), restoring, existed, _lock: lock })
}

/// None: another run has it.
fn lock(target: &Target) -> std::result::Result<Option<Lock>, DbError> {
    let query = match &target.kind {
        Kind::Sqlite(sqlite) => {
            let failed = |error: std::io::Error| DbError::new(ErrorKind::Other, error.to_string());
            let file = std::fs::File::open(&sqlite.path).map_err(failed)?;
            return match file.try_lock() {
                Ok(()) => Ok(Some(Lock::File(file))),
                Err(std::fs::TryLockError::WouldBlock) => Ok(None),
                // A file system without locks keeps nobody out.
                Err(std::fs::TryLockError::Error(_)) => Ok(Some(Lock::File(file))),
            };
        }
        // The letters of `scratch`, as far as they go: the database's own.
        Kind::Postgres(_) => {
            "SELECT pg_catalog.pg_try_advisory_lock(8314045527594168163::bigint)::int".to_owned()
        }
        Kind::MySql(mysql) => format!(
            "SELECT GET_LOCK(LEFT(CONCAT('cutover_scratch_', MD5('{}')), 64), 0)",
            mysql.database.replace('\\', "\\\\").replace('\'', "''")
        ),
    };
    let mut conn = db::connect(target)?;
    let taken = conn.query(&query)?.into_iter().flatten().flatten().next().as_deref() == Some("1");
    Ok(taken.then_some(Lock::Session(conn)))
}

fn refused(title: &str, note: &str) -> Failure {
    Failure::new(
        Diagnostic::error(title)
            .code(&codes::C2025)
            .note(note)
            .note("it would be emptied at the end; nothing in it was changed")
            .help("give the URL of an empty database"),
    )
}

/// What is in it, if anything is: an object, or rows in a table of the tool's own.
fn contents(conn: &mut dyn Conn, target: &Target) -> std::result::Result<Option<String>, DbError> {
    let found = db::snapshot::read(conn)?;
    if let Some(object) = found.objects.keys().next() {
        return Ok(Some(object.to_string()));
    }
    let ours = match target.provider {
        Provider::PostgreSql => POSTGRES_REST,
        Provider::MySql => {
            "SELECT CONCAT('table `', TABLE_NAME, '`') FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_TYPE = \
             'BASE TABLE' LIMIT 1"
        }
        Provider::Sqlite => {
            "SELECT 'table \"' || name || '\"' FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' LIMIT 1"
        }
    };
    Ok(conn.query(ours)?.into_iter().flatten().flatten().next())
}

/// What a snapshot of PostgreSQL leaves out: tables of our own and of Prisma's, and kinds of objects that migrations hardly have. What
/// comes with a database has a number below 16384.
const POSTGRES_REST: &str = "SELECT found FROM ( \
    SELECT pg_catalog.format('table %I.%I', n.nspname, c.relname) AS found FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON \
    n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p') AND (c.relname = '_prisma_migrations' OR n.nspname ~ '^cutover') \
    UNION ALL SELECT pg_catalog.format('schema %I', nspname) FROM pg_catalog.pg_namespace WHERE nspname ~ '^cutover' \
    UNION ALL SELECT pg_catalog.format('conversion %I', conname) FROM pg_catalog.pg_conversion WHERE oid >= 16384 \
    UNION ALL SELECT pg_catalog.format('foreign-data wrapper %I', fdwname) FROM pg_catalog.pg_foreign_data_wrapper WHERE oid >= 16384 \
    UNION ALL SELECT pg_catalog.format('server %I', srvname) FROM pg_catalog.pg_foreign_server WHERE oid >= 16384 \
    UNION ALL SELECT pg_catalog.format('language %I', lanname) FROM pg_catalog.pg_language WHERE oid >= 16384 \
    UNION ALL SELECT pg_catalog.format('access method %I', amname) FROM pg_catalog.pg_am WHERE oid >= 16384 \
    UNION ALL SELECT pg_catalog.format('operator family %I', opfname) FROM pg_catalog.pg_opfamily WHERE oid >= 16384 \
    UNION ALL SELECT pg_catalog.format('text search configuration %I', cfgname) FROM pg_catalog.pg_ts_config WHERE oid >= 16384 \
    UNION ALL SELECT pg_catalog.format('text search dictionary %I', dictname) FROM pg_catalog.pg_ts_dict WHERE oid >= 16384 \
    UNION ALL SELECT pg_catalog.format('text search parser %I', prsname) FROM pg_catalog.pg_ts_parser WHERE oid >= 16384 \
    UNION ALL SELECT pg_catalog.format('text search template %I', tmplname) FROM pg_catalog.pg_ts_template WHERE oid >= 16384 \
    UNION ALL SELECT 'a cast' FROM pg_catalog.pg_cast WHERE oid >= 16384 \
    UNION ALL SELECT 'a transform' FROM pg_catalog.pg_transform WHERE oid >= 16384 \
    UNION ALL SELECT 'default privileges' FROM pg_catalog.pg_default_acl \
    UNION ALL SELECT 'a large object' FROM pg_catalog.pg_largeobject_metadata) AS rest LIMIT 1";

/// MySQL shows a role only what it has a privilege for. Which of those that make all visible is missing.
fn hidden(conn: &mut dyn Conn, target: &Target) -> std::result::Result<Option<String>, DbError> {
    if target.provider != Provider::MySql {
        return Ok(None);
    }
    let mut held: Vec<String> = Vec::new();
    for line in conn.query("SHOW GRANTS")?.into_iter().flatten().flatten() {
        let Some((privileges, on)) = line.strip_prefix("GRANT ").and_then(|rest| rest.split_once(" ON "))
        else {
            continue;
        };
        let object = on.split(" TO ").next().unwrap_or_default();
        if object == "*.*" || is_of(object, target.database()) {
            held.extend(privileges.split(',').map(|privilege| privilege.trim().to_uppercase()));
        }
    }
    let has = |names: &[&str]| held.iter().any(|privilege| names.contains(&privilege.as_str()));
    let all = ["ALL PRIVILEGES", "ALL"];
    let needed: [(&str, &[&str]); 4] = [
        ("SELECT", &["SELECT"]),
        ("EXECUTE", &["EXECUTE", "ALTER ROUTINE"]),
        ("EVENT", &["EVENT"]),
        ("TRIGGER", &["TRIGGER"]),
    ];
    let missing: Vec<&str> =
        needed.iter().filter(|(_, enough)| !has(enough) && !has(&all)).map(|(name, _)| *name).collect();
    let all_seen = missing.is_empty();
    Ok((!all_seen).then(|| {
        format!(
            "the role needs {} on it to see its tables, routines, events and triggers",
            missing.join(", ")
        )
    }))
}

/// Whether `` `pattern`.* `` of a grant stands for the database. An underscore without a backslash stands for any character.
pub(super) fn is_of(object: &str, database: &str) -> bool {
    let Some(pattern) = object.strip_prefix('`').and_then(|rest| rest.strip_suffix("`.*")) else {
        return false;
    };
    let pattern = pattern.replace("``", "`");
    matches(&pattern.chars().collect::<Vec<_>>(), &database.chars().collect::<Vec<_>>())
}

fn matches(pattern: &[char], text: &[char]) -> bool {
    match (pattern, text) {
        ([], []) => true,
        (['%', rest @ ..], _) => matches(rest, text) || (!text.is_empty() && matches(pattern, &text[1..])),
        (['\\', escaped, rest @ ..], [first, text @ ..]) => escaped == first && matches(rest, text),
        (['_', rest @ ..], [_, text @ ..]) => matches(rest, text),
        ([wanted, rest @ ..], [first, text @ ..]) => wanted == first && matches(rest, text),
        _ => false,
    }
}

/// What makes it again as it is now, once everything is gone.
fn restoring(conn: &mut dyn Conn, target: &Target) -> std::result::Result<Vec<String>, DbError> {
    let texts: &[&str] = match target.provider {
        Provider::PostgreSql => &[
            "SELECT pg_catalog.format('CREATE SCHEMA public AUTHORIZATION %I', r.rolname) FROM pg_catalog.pg_namespace n JOIN \
             pg_catalog.pg_roles r ON r.oid = n.nspowner WHERE n.nspname = 'public'",
            "SELECT pg_catalog.format('REVOKE ALL ON SCHEMA public FROM %I', r.rolname) FROM pg_catalog.pg_namespace n JOIN \
             pg_catalog.pg_roles r ON r.oid = n.nspowner WHERE n.nspname = 'public' AND n.nspacl IS NOT NULL",
            "SELECT pg_catalog.format('GRANT %s ON SCHEMA public TO %s%s', a.privilege_type, COALESCE(pg_catalog.quote_ident(r.rolname), \
             'PUBLIC'), CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END) FROM pg_catalog.pg_namespace n CROSS JOIN \
             LATERAL pg_catalog.aclexplode(n.nspacl) a LEFT JOIN pg_catalog.pg_roles r ON r.oid = a.grantee WHERE n.nspname = 'public'",
            "SELECT pg_catalog.format('COMMENT ON SCHEMA public IS %L', d.description) FROM pg_catalog.pg_namespace n JOIN \
             pg_catalog.pg_description d ON d.objoid = n.oid AND d.classoid = 'pg_catalog.pg_namespace'::pg_catalog.regclass \
             WHERE n.nspname = 'public'",
        ],
        Provider::MySql => &[
            "SELECT CONCAT('ALTER DATABASE `', REPLACE(DATABASE(), '`', '``'), '` CHARACTER SET ', @@character_set_database, ' COLLATE \
             ', @@collation_database)",
        ],
        Provider::Sqlite => &[
            "SELECT 'PRAGMA user_version = ' || user_version FROM pragma_user_version",
            "SELECT 'PRAGMA application_id = ' || application_id FROM pragma_application_id",
        ],
    };
    let mut found = Vec::new();
    for text in texts {
        found.extend(conn.query(text)?.into_iter().flatten().flatten());
    }
    if target.provider == Provider::MySql {
        // MariaDB alone knows it.
        let text = "SELECT CONCAT('ALTER DATABASE `', REPLACE(DATABASE(), '`', '``'), '` COMMENT ', QUOTE(SCHEMA_COMMENT)) FROM \
                    information_schema.SCHEMATA WHERE SCHEMA_NAME = DATABASE() AND SCHEMA_COMMENT <> ''";
        found.extend(conn.query(text).unwrap_or_default().into_iter().flatten().flatten());
    }
    Ok(found)
}

impl Given {
    /// Empties it, the history too, if it is still this run's. What fails leaves it as it is: the next run refuses it.
    pub(super) fn give_back(&self, target: &Target) -> std::result::Result<(), DbError> {
        let mut conn = db::connect(target)?;
        let rows = conn.query(&format!("SELECT run FROM {MARK}"))?;
        if rows.into_iter().flatten().flatten().next().as_deref() != Some(self.run.as_str()) {
            return Ok(());
        }
        if !self.existed {
            drop(conn);
            return db::drop_database(target);
        }
        match &target.kind {
            Kind::Postgres(_) => empty_postgres(conn.as_mut())?,
            // The file stays the same one, with its owner, its mode and whatever leads to it.
            Kind::Sqlite(_) => empty_sqlite(conn.as_mut())?,
            Kind::MySql(_) => {
                drop(conn);
                db::drop_database(target)?;
                db::create_database(target)?;
                conn = db::connect(target)?;
            }
        }
        self.restoring.iter().try_for_each(|text| conn.execute(text))
    }
}

fn empty_postgres(conn: &mut dyn Conn) -> std::result::Result<(), DbError> {
    let texts = [
        "SELECT pg_catalog.format('DROP EXTENSION IF EXISTS %I CASCADE', extname) FROM pg_catalog.pg_extension WHERE extname <> 'plpgsql'",
        "SELECT pg_catalog.format('DROP PUBLICATION %I', pubname) FROM pg_catalog.pg_publication",
        "SELECT pg_catalog.format('DROP EVENT TRIGGER %I CASCADE', evtname) FROM pg_catalog.pg_event_trigger",
        "SELECT pg_catalog.format('DROP SCHEMA %I CASCADE', nspname) FROM pg_catalog.pg_namespace WHERE nspname !~ '^pg_' AND nspname <> \
         'information_schema'",
    ];
    for text in texts {
        for command in conn.query(text)?.into_iter().flatten().flatten() {
            conn.execute(&command)?;
        }
    }
    Ok(())
}

fn empty_sqlite(conn: &mut dyn Conn) -> std::result::Result<(), DbError> {
    conn.execute("PRAGMA foreign_keys=OFF")?;
    let names = "SELECT type, name FROM sqlite_schema WHERE type IN ('view', 'table') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name NOT \
                 IN (SELECT name FROM pragma_table_list WHERE type = 'shadow') ORDER BY type DESC";
    for row in conn.query(names)? {
        let mut values = row.into_iter().map(Option::unwrap_or_default);
        let (kind, name) = (values.next().unwrap_or_default(), values.next().unwrap_or_default());
        conn.execute(&format!("DROP {kind} {}", db::history::quote_identifier(&name)))?;
    }
    conn.execute("VACUUM")
}

#[cfg(test)]
mod tests {
    use super::is_of;

    #[test]
    fn a_grant_of_a_pattern_is_of_the_databases_that_it_matches() {
        assert!(is_of("`scratch`.*", "scratch") && is_of("`scr%`.*", "scratch") && is_of("`a\\_b`.*", "a_b"));
        assert!(is_of("`a_b`.*", "axb") && !is_of("`a\\_b`.*", "axb"));
        assert!(!is_of("`scratch`.`t`", "scratch") && !is_of("`other`.*", "scratch"));
    }
}
