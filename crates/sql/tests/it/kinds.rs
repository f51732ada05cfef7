//! Kinds: one table per dialect, and the rules that follow from a kind.

use super::kind;
use diagnostics::Provider::{self, MySql, PostgreSql, Sqlite};
use sql::{DataVerb, DdlVerb, Kind, Scope, TransactionRule};

fn check(provider: Provider, table: &[(&str, Kind)]) {
    for (text, expected) in table {
        assert_eq!(&kind(provider, text), expected, "{text}");
    }
}

fn set(name: &str, scope: Scope, constant: Option<&str>) -> Kind {
    Kind::Set { name: name.into(), scope, constant: constant.map(Into::into) }
}

fn reset(name: &str) -> Kind {
    Kind::Reset { name: Some(name.into()) }
}

fn pragma(name: &str, argument: Option<&str>) -> Kind {
    Kind::Pragma { name: name.into(), argument: argument.map(Into::into) }
}

#[test]
fn transactions() {
    let begin = Kind::Begin { read_only: false, isolation: false };
    check(
        PostgreSql,
        &[
            ("BEGIN", begin.clone()),
            ("begin work read write", begin.clone()),
            (
                "BEGIN ISOLATION LEVEL READ COMMITTED, READ ONLY",
                Kind::Begin { read_only: true, isolation: true },
            ),
            (
                "START TRANSACTION ISOLATION LEVEL SERIALIZABLE",
                Kind::Begin { read_only: false, isolation: true },
            ),
            ("START TRANSACTION READ ONLY", Kind::Begin { read_only: true, isolation: false }),
            ("COMMIT", Kind::Commit { and_chain: false }),
            ("END TRANSACTION", Kind::Commit { and_chain: false }),
            ("COMMIT WORK AND CHAIN", Kind::Commit { and_chain: true }),
            ("COMMIT AND NO CHAIN", Kind::Commit { and_chain: false }),
            ("/* now */ ROLLBACK", Kind::Rollback { and_chain: false }),
            ("ABORT AND CHAIN", Kind::Rollback { and_chain: true }),
            ("SAVEPOINT a", Kind::Savepoint),
            ("ROLLBACK TO a", Kind::RollbackToSavepoint),
            ("ROLLBACK WORK TO SAVEPOINT a", Kind::RollbackToSavepoint),
            ("RELEASE a", Kind::ReleaseSavepoint),
            ("PREPARE TRANSACTION 'x'", Kind::PrepareTransaction),
            ("COMMIT PREPARED 'x'", Kind::CommitPrepared),
            ("ROLLBACK PREPARED 'x'", Kind::RollbackPrepared),
            ("SET TRANSACTION READ ONLY", Kind::SetTransaction { read_only: true, isolation: false }),
            (
                "SET LOCAL TRANSACTION ISOLATION LEVEL REPEATABLE READ",
                Kind::SetTransaction { read_only: false, isolation: true },
            ),
            (
                "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
                Kind::SetSessionCharacteristics { read_only: true, isolation: false },
            ),
            ("SET CONSTRAINTS ALL DEFERRED", Kind::SetConstraints),
        ],
    );
    check(
        MySql,
        &[
            ("START TRANSACTION WITH CONSISTENT SNAPSHOT", begin.clone()),
            ("BEGIN", begin.clone()),
            ("BEGIN NOT ATOMIC SELECT 1; END", Kind::Do),
            ("x: BEGIN NOT ATOMIC SELECT 1; END", Kind::Do),
            (
                "SET SESSION TRANSACTION READ ONLY",
                Kind::SetSessionCharacteristics { read_only: true, isolation: false },
            ),
            ("SET TRANSACTION READ ONLY", Kind::SetTransaction { read_only: true, isolation: false }),
            ("XA START 'x'", Kind::Xa),
        ],
    );
    check(
        Sqlite,
        &[
            ("BEGIN EXCLUSIVE TRANSACTION", begin),
            ("END", Kind::Commit { and_chain: false }),
            ("ROLLBACK TRANSACTION TO SAVEPOINT a", Kind::RollbackToSavepoint),
        ],
    );
    for text in ["BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT a", "ROLLBACK TO a", "RELEASE a"] {
        assert!(kind(PostgreSql, text).is_transaction_control(), "{text}");
    }
    assert!(!kind(PostgreSql, "SET TRANSACTION READ WRITE").is_transaction_control());
}

#[test]
fn settings_of_postgresql() {
    check(
        PostgreSql,
        &[
            ("SET search_path = a, \"B\"", set("search_path", Scope::Session, Some("a, \"B\""))),
            ("SET search_path TO 'a', 'b'", set("search_path", Scope::Session, Some("'a', 'b'"))),
            ("SET LOCAL Lock_Timeout TO '2s'", set("lock_timeout", Scope::Local, Some("2s"))),
            ("SET SESSION work_mem = 64", set("work_mem", Scope::Session, Some("64"))),
            ("SET geqo_seed = -0.5", set("geqo_seed", Scope::Session, Some("-0.5"))),
            ("SET my.setting = 'it''s'", set("my.setting", Scope::Session, Some("it's"))),
            ("SET TIME ZONE 'UTC'", set("timezone", Scope::Session, Some("UTC"))),
            ("SET NAMES 'latin1'", set("client_encoding", Scope::Session, Some("latin1"))),
            ("SET SCHEMA 'x'", set("search_path", Scope::Session, Some("x"))),
            ("SET local.x = 1", set("local.x", Scope::Session, Some("1"))),
            ("SET LOCAL transaction.x = 1", set("transaction.x", Scope::Local, Some("1"))),
            ("SET synchronous_commit = local", set("synchronous_commit", Scope::Session, Some("local"))),
            ("SET TIME ZONE LOCAL", reset("timezone")),
            ("SET statement_timeout = DEFAULT", reset("statement_timeout")),
            ("RESET lock_timeout", reset("lock_timeout")),
            ("RESET TIME ZONE", reset("timezone")),
            ("SET ROLE = a", set("role", Scope::Session, Some("a"))),
            ("RESET ALL", Kind::Reset { name: None }),
            ("SET ROLE admin", Kind::SetRole),
            ("SET LOCAL ROLE 'admin'", Kind::SetRole),
            ("SET ROLE NONE", Kind::ResetRole),
            ("RESET ROLE", Kind::ResetRole),
            ("SET SESSION AUTHORIZATION 'a'", Kind::SetSessionAuthorization),
            ("SET SESSION SESSION AUTHORIZATION a", Kind::SetSessionAuthorization),
            ("SET LOCAL SESSION AUTHORIZATION DEFAULT", Kind::ResetSessionAuthorization),
            ("RESET SESSION AUTHORIZATION", Kind::ResetSessionAuthorization),
            ("DISCARD ALL", Kind::Discard { all: true }),
            ("DISCARD TEMP", Kind::Discard { all: false }),
            (
                "SELECT pg_catalog.set_config('search_path', '', false)",
                Kind::SetConfig {
                    name: "search_path".into(),
                    scope: Scope::Session,
                    constant: String::new(),
                },
            ),
            (
                "select SET_CONFIG('Role'::text, 'x', true) AS done",
                Kind::SetConfig { name: "role".into(), scope: Scope::Local, constant: "x".into() },
            ),
            ("SELECT set_config('a.b', current_user, false)", Kind::Query),
            ("SELECT set_config('a.b', 'x', false), f()", Kind::Query),
            ("SELECT set_config('a.b', 'x' || 'y', false)", Kind::Query),
        ],
    );
}

#[test]
fn settings_elsewhere() {
    check(
        MySql,
        &[
            ("SET sql_mode = 'ANSI'", set("sql_mode", Scope::Session, Some("ANSI"))),
            ("SET @@GLOBAL.max_connections = 5", set("max_connections", Scope::Global, Some("5"))),
            ("SET @@session.sql_mode := ''", set("sql_mode", Scope::Session, Some(""))),
            ("SET LOCAL foreign_key_checks = 0", set("foreign_key_checks", Scope::Session, Some("0"))),
            ("SET @a = 1", set("@a", Scope::Session, Some("1"))),
            ("SET @a = (SELECT 1)", set("@a", Scope::Session, None)),
            ("SET @a = 1, @b = 2", set("@a", Scope::Session, None)),
            ("SET NAMES utf8mb4", set("names", Scope::Session, Some("utf8mb4"))),
            ("/*!40101 SET NAMES utf8 */", set("names", Scope::Session, Some("utf8"))),
            ("SET autocommit = ON", set("autocommit", Scope::Session, Some("ON"))),
            ("USE shop", Kind::Use),
        ],
    );
    check(
        Sqlite,
        &[
            ("PRAGMA foreign_keys=OFF", pragma("foreign_keys", Some("OFF"))),
            ("PRAGMA main.Foreign_Keys", pragma("foreign_keys", None)),
            ("PRAGMA journal_mode('wal')", pragma("journal_mode", Some("wal"))),
            ("PRAGMA cache_size = -2000", pragma("cache_size", Some("-2000"))),
            ("PRAGMA foreign_key_check(t)", pragma("foreign_key_check", Some("t"))),
        ],
    );
}

#[test]
fn what_stands_outside_a_transaction_on_postgresql() {
    let table = [
        ("CREATE INDEX CONCURRENTLY ON t (a)", Kind::CreateIndexConcurrently),
        ("CREATE UNIQUE INDEX /* x */ CONCURRENTLY i ON t (a)", Kind::CreateIndexConcurrently),
        ("DROP INDEX CONCURRENTLY IF EXISTS i", Kind::DropIndexConcurrently),
        ("REINDEX TABLE CONCURRENTLY t", Kind::ReindexConcurrently),
        ("REINDEX (VERBOSE, CONCURRENTLY) INDEX i", Kind::ReindexConcurrently),
        ("REINDEX SCHEMA s", Kind::Reindex { many_tables: true }),
        ("REINDEX DATABASE", Kind::Reindex { many_tables: true }),
        ("REINDEX SYSTEM d", Kind::Reindex { many_tables: true }),
        ("ALTER TABLE a DETACH PARTITION b CONCURRENTLY", Kind::DetachConcurrently),
        ("CREATE DATABASE d", Kind::CreateDatabase),
        ("DROP DATABASE IF EXISTS d", Kind::DropDatabase),
        ("ALTER DATABASE d SET TABLESPACE t", Kind::AlterDatabaseTablespace),
        ("CREATE TABLESPACE t LOCATION '/x'", Kind::CreateTablespace),
        ("DROP TABLESPACE t", Kind::DropTablespace),
        ("CREATE SUBSCRIPTION s CONNECTION 'c' PUBLICATION p", Kind::CreateSubscription { slot: true }),
        ("DROP SUBSCRIPTION s", Kind::DropSubscription),
        ("ALTER SUBSCRIPTION s REFRESH PUBLICATION", Kind::AlterSubscriptionRefresh),
        ("ALTER SUBSCRIPTION s SET PUBLICATION p", Kind::AlterSubscriptionRefresh),
        ("VACUUM (ANALYZE) t", Kind::Vacuum),
        ("ALTER SYSTEM SET a = 1", Kind::AlterSystem),
        ("CLUSTER", Kind::ClusterAll),
        ("CLUSTER (VERBOSE)", Kind::ClusterAll),
        ("DISCARD ALL", Kind::Discard { all: true }),
    ];
    check(PostgreSql, &table);
    for (text, kind) in table {
        assert_eq!(kind.transaction_rule(PostgreSql), TransactionRule::Outside, "{text}");
    }
    let table = [
        (
            "CREATE SUBSCRIPTION s CONNECTION 'c' PUBLICATION p WITH (connect = false)",
            Kind::CreateSubscription { slot: false },
        ),
        (
            "CREATE SUBSCRIPTION s CONNECTION 'c' PUBLICATION p WITH (slot_name = NONE, create_slot = 'off')",
            Kind::CreateSubscription { slot: false },
        ),
        ("ALTER SUBSCRIPTION s SET PUBLICATION p WITH (refresh = false)", Kind::Ddl(DdlVerb::Alter)),
        ("ALTER SUBSCRIPTION s DISABLE", Kind::Ddl(DdlVerb::Alter)),
        ("ALTER TABLE ONLY a.b DETACH PARTITION c FINALIZE", Kind::DetachFinalize),
        ("ALTER TABLE a DETACH PARTITION b", Kind::Ddl(DdlVerb::Alter)),
        ("REINDEX INDEX i", Kind::Reindex { many_tables: false }),
        ("REINDEX (CONCURRENTLY false) INDEX i", Kind::Reindex { many_tables: false }),
        ("CREATE INDEX concurrently_built ON t (a)", Kind::Ddl(DdlVerb::Create)),
        ("CLUSTER t USING i", Kind::Ddl(DdlVerb::Cluster)),
        ("ANALYZE t", Kind::Ddl(DdlVerb::Analyze)),
        ("ALTER DATABASE d SET work_mem = 1", Kind::Ddl(DdlVerb::Alter)),
        ("DO $$ BEGIN END $$", Kind::Do),
        ("CALL p()", Kind::Call),
    ];
    check(PostgreSql, &table);
    for (text, kind) in table {
        assert_eq!(kind.transaction_rule(PostgreSql), TransactionRule::Any, "{text}");
    }
    let added = kind(PostgreSql, "ALTER TYPE s.\"Mood\" ADD VALUE IF NOT EXISTS 'sad'");
    assert_eq!(added, Kind::AddEnumValue);
    assert_eq!(added.transaction_rule(PostgreSql), TransactionRule::CommitBeforeUse);
    assert_eq!(kind(PostgreSql, "ALTER TYPE m RENAME VALUE 'a' TO 'b'"), Kind::Ddl(DdlVerb::Alter));
}

#[test]
fn what_stands_outside_a_transaction_on_sqlite() {
    for text in [
        "VACUUM",
        "ATTACH 'x.db' AS x",
        "DETACH x",
        "PRAGMA foreign_keys=ON",
        "PRAGMA page_size(4096)",
        "PRAGMA auto_vacuum = 1",
        "PRAGMA encoding = 'UTF-16'",
        "PRAGMA journal_mode = WAL",
        "PRAGMA synchronous = OFF",
        "PRAGMA query_only = 1",
        "PRAGMA wal_checkpoint",
        "PRAGMA wal_checkpoint(TRUNCATE)",
    ] {
        assert_eq!(kind(Sqlite, text).transaction_rule(Sqlite), TransactionRule::Outside, "{text}");
    }
    for text in [
        "PRAGMA foreign_keys",
        "PRAGMA journal_mode",
        "PRAGMA defer_foreign_keys=ON",
        "PRAGMA foreign_key_check",
        "PRAGMA user_version = 3",
        "REINDEX",
        "CREATE TABLE t (a)",
    ] {
        assert_eq!(kind(Sqlite, text).transaction_rule(Sqlite), TransactionRule::Any, "{text}");
    }
}

#[test]
fn queries_and_data() {
    let data = Kind::Data;
    check(
        PostgreSql,
        &[
            ("(SELECT 1) UNION (SELECT 2)", Kind::Query),
            ("VALUES (1)", Kind::Query),
            ("TABLE t", Kind::Query),
            ("SHOW work_mem", Kind::Query),
            ("EXPLAIN DELETE FROM t", Kind::Query),
            ("EXPLAIN ANALYZE DELETE FROM t", data(DataVerb::Delete)),
            ("EXPLAIN (ANALYZE, BUFFERS) UPDATE t SET a = 1", data(DataVerb::Update)),
            ("EXPLAIN (ANALYZE off) UPDATE t SET a = 1", Kind::Query),
            ("INSERT INTO t VALUES (1)", data(DataVerb::Insert)),
            ("UPDATE ONLY t SET a = 1", data(DataVerb::Update)),
            ("MERGE INTO t USING s ON true WHEN MATCHED THEN DELETE", data(DataVerb::Merge)),
            ("WITH a AS (SELECT 1) SELECT * FROM a", Kind::Query),
            (
                "WITH RECURSIVE a (n) AS (SELECT 1), b AS (TABLE a) INSERT INTO t SELECT * FROM a",
                data(DataVerb::Insert),
            ),
            ("WITH a AS (DELETE FROM t RETURNING *) SELECT * FROM a", data(DataVerb::Delete)),
            ("WITH a AS MATERIALIZED (SELECT 'DELETE') UPDATE t SET b = 1", data(DataVerb::Update)),
            ("SELECT * FROM t FOR UPDATE", Kind::Query),
            ("SELECT a AS into, b FROM t", Kind::Query),
            ("SELECT a INTO TEMP u FROM t", Kind::Ddl(DdlVerb::Create)),
            ("COPY t FROM STDIN WITH (FORMAT csv)", Kind::CopyFromStdin),
            ("copy t (a, b) from stdin", Kind::CopyFromStdin),
            ("COPY t FROM '/x'", Kind::CopyOther { to_program_or_file: false }),
            ("COPY t TO STDOUT", Kind::CopyToStdout),
            ("COPY (SELECT 1 FROM stdin) TO '/x'", Kind::CopyOther { to_program_or_file: true }),
            ("COPY t TO PROGRAM 'x'", Kind::CopyOther { to_program_or_file: true }),
            ("COPY t FROM PROGRAM 'x'", Kind::CopyOther { to_program_or_file: true }),
            ("PREPARE p AS SELECT 1", Kind::Prepare),
            ("EXECUTE p", Kind::Execute),
            ("DEALLOCATE ALL", Kind::Deallocate),
            ("DECLARE c CURSOR WITH HOLD FOR SELECT 1", Kind::DeclareCursor),
            ("MOVE c", Kind::Fetch),
            ("CLOSE c", Kind::Close),
            ("LISTEN x", Kind::Listen),
            ("NOTIFY x, 'y'", Kind::Notify),
            ("UNLISTEN *", Kind::Unlisten),
            ("LOCK TABLE t IN SHARE MODE", Kind::LockTable),
            ("CHECKPOINT", Kind::Unknown),
            ("\\connect x", Kind::Unknown),
            ("'text'", Kind::Unknown),
        ],
    );
}

#[test]
fn queries_and_data_elsewhere() {
    let data = Kind::Data;
    check(
        MySql,
        &[
            ("REPLACE INTO t VALUES (1)", data(DataVerb::Replace)),
            ("LOAD DATA INFILE 'x' INTO TABLE t", Kind::LoadData),
            ("LOCK TABLES t WRITE", Kind::LockTables),
            ("UNLOCK TABLES", Kind::UnlockTables),
            ("DESCRIBE t", Kind::Query),
            ("RENAME TABLE a TO b", Kind::Ddl(DdlVerb::Rename)),
            ("DROP PREPARE p", Kind::Deallocate),
            ("EXECUTE IMMEDIATE 'SELECT 1'", Kind::Execute),
            ("OPTIMIZE TABLE t", Kind::Ddl(DdlVerb::Maintain)),
            ("SELECT 1 INTO @a", Kind::Query),
        ],
    );
    check(
        Sqlite,
        &[
            ("INSERT OR REPLACE INTO t VALUES (1)", data(DataVerb::Insert)),
            ("WITH a AS (SELECT 1) DELETE FROM t", data(DataVerb::Delete)),
            ("EXPLAIN QUERY PLAN DELETE FROM t", Kind::Query),
            ("ALTER TABLE t RENAME TO u", Kind::Ddl(DdlVerb::Alter)),
        ],
    );
}

#[test]
fn read_only_is_seen_in_every_spelling() {
    for text in [
        "BEGIN READ ONLY",
        "START TRANSACTION ISOLATION LEVEL SERIALIZABLE READ ONLY",
        "SET TRANSACTION READ ONLY",
        "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY",
        "SET transaction_read_only = on",
        "SET LOCAL transaction_read_only TO 'true'",
        "SET default_transaction_read_only = 1",
        "SELECT set_config('transaction_read_only', 'on', true)",
        "SELECT pg_catalog.set_config('default_transaction_read_only', 'yes', false)",
    ] {
        assert!(kind(PostgreSql, text).makes_read_only(), "{text}");
    }
    for text in [
        "BEGIN READ WRITE",
        "BEGIN READ ONLY, READ WRITE",
        "SET transaction_read_only = off",
        "SET default_transaction_read_only TO 'false'",
        "SET default_transaction_read_only TO DEFAULT",
        "SELECT set_config('transaction_read_only', 'off', true)",
        "SET search_path = 'transaction_read_only'",
    ] {
        assert!(!kind(PostgreSql, text).makes_read_only(), "{text}");
    }
    for text in [
        "BEGIN ISOLATION LEVEL SERIALIZABLE",
        "SET transaction_isolation = 'serializable'",
        "SET default_transaction_isolation = 'serializable'",
        "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE",
    ] {
        assert!(kind(PostgreSql, text).sets_isolation(), "{text}");
    }
}

#[test]
fn session_statements_are_those_that_can_be_replayed() {
    for text in [
        "SET search_path = a",
        "SELECT pg_catalog.set_config('search_path', '', false)",
        "RESET ALL",
        "SET ROLE a",
        "RESET SESSION AUTHORIZATION",
    ] {
        assert!(kind(PostgreSql, text).is_session_statement(), "{text}");
    }
    for text in ["SELECT set_config('a.b', f(), false)", "SELECT 1", "SET CONSTRAINTS ALL IMMEDIATE"] {
        assert!(!kind(PostgreSql, text).is_session_statement(), "{text}");
    }
    assert!(!kind(MySql, "SET @a = (SELECT 1)").is_session_statement());
}
