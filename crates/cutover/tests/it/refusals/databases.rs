//! What stands in the database, and what the role may do in it.

use super::{APP, Case, SQLITE, case};

const HISTORY: &str = "CREATE TABLE _prisma_migrations (id VARCHAR(36) PRIMARY KEY NOT NULL, checksum VARCHAR(64) NOT \
    NULL, finished_at TIMESTAMPTZ, migration_name VARCHAR(255) NOT NULL, logs TEXT, rolled_back_at TIMESTAMPTZ, \
    started_at TIMESTAMPTZ NOT NULL DEFAULT now(), applied_steps_count INTEGER NOT NULL DEFAULT 0);";

pub(super) fn cases() -> Vec<Case> {
    [histories(), rights()].into_iter().flatten().collect()
}

/// What stands in the history, and in the file of SQLite.
fn histories() -> Vec<Case> {
    let no_steps = "CREATE TABLE _prisma_migrations (id text, checksum text, finished_at timestamptz, migration_name text, \
        logs text, rolled_back_at timestamptz, started_at timestamptz);";
    let failed = "CREATE TABLE _prisma_migrations (id VARCHAR(36) PRIMARY KEY NOT NULL, checksum VARCHAR(64) NOT NULL, \
        finished_at TIMESTAMPTZ, migration_name VARCHAR(255) NOT NULL, logs TEXT, rolled_back_at TIMESTAMPTZ, started_at \
        TIMESTAMPTZ NOT NULL DEFAULT now(), applied_steps_count INTEGER NOT NULL DEFAULT 0); INSERT INTO _prisma_migrations \
        (id, checksum, migration_name, logs) VALUES ('1', 'x', '1_a', 'boom');";
    let applied = "CREATE TABLE _prisma_migrations (id VARCHAR(36) PRIMARY KEY NOT NULL, checksum VARCHAR(64) NOT NULL, \
        finished_at TIMESTAMPTZ, migration_name VARCHAR(255) NOT NULL, logs TEXT, rolled_back_at TIMESTAMPTZ, started_at \
        TIMESTAMPTZ NOT NULL DEFAULT now(), applied_steps_count INTEGER NOT NULL DEFAULT 0); INSERT INTO _prisma_migrations \
        (id, checksum, migration_name, finished_at, applied_steps_count) VALUES ('1', 'x', '1_a', now(), 1);";
    let resolve = |flag: &'static str, name: &'static str| ["migrate", "resolve", flag, name];
    vec![
        case("not empty", APP).database("CREATE TABLE there (id int)").fails("P3005", &["resolve --applied"]),
        case("column missing", APP).database(no_steps).fails("C2018", &["applied_steps_count"]),
        case("failed by Prisma", APP).database(failed).fails("P3009", &["boom"]),
        case("already applied", APP).database(applied).command(&resolve("--applied", "1_a")).fails("P3008", &["1_a"]),
        case("not failed", APP).database(applied).command(&resolve("--rolled-back", "1_a")).fails("P3012", &["1_a"]),
        case("never applied", APP).database(HISTORY).command(&resolve("--rolled-back", "9_x")).fails("P3011", &["9_x"]),
        case("no directory", APP).database(HISTORY).command(&resolve("--applied", "9_x")).fails("P3017", &["9_x"]),
        case("edited, strict", APP).database(applied).command(&["migrate", "deploy", "--strict"]).fails("C2016", &["edited"]),
        case("read-only database", APP).database("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on', current_database()); END $$").fails("C1001", &["default_transaction_read_only"]),
        case("not a database", SQLITE).file("dev.db", "this is a text file, and a long one so that it is more than a header").fails("C1005", &["not a database"]),
        case("file read-only", SQLITE).file("dev.db", "").mode("dev.db", 0o444).fails("C1005", &["dev.db"]),
        case("file without permission", SQLITE).file("dev.db", "").mode("dev.db", 0o000).fails("C1005", &["dev.db"]),
        case("directory read-only", "file:./closed/dev.db").file("closed/x", "").mode("closed", 0o555).fails("C1005", &["closed"]),
        case("parent cannot be made", "file:./closed/deeper/dev.db").file("closed/x", "").mode("closed", 0o555).fails("C1005", &["closed"]),
    ]
}

/// What stands in the database, and what the role may do in it.
fn rights() -> Vec<Case> {
    const POOR: &str = "postgresql://poor:{secret}@127.0.0.1:{port}/{database}";
    const READER: &str = "postgresql://reader:{secret}@127.0.0.1:{port}/{database}";
    const UNREADABLE: &str = "CREATE TABLE _prisma_migrations (id text, checksum text, finished_at text, migration_name text, \
        logs text, rolled_back_at text, started_at text, applied_steps_count int); \
        INSERT INTO _prisma_migrations VALUES ('1', 'x', NULL, '1_a', NULL, NULL, 'yesterday', 0);";
    vec![
        case("no CREATE on the schema", POOR).fails("C1006", &["permission denied for schema public"]),
        case("no INSERT into the history", POOR)
            .migration("SELECT 1;")
            .deployed()
            .database("GRANT SELECT ON _prisma_migrations TO poor")
            .fails("C1006", &["permission denied for table _prisma_migrations", "about to be recorded"]),
        case("no SELECT from the history", POOR)
            .migration("SELECT 1;")
            .deployed()
            .command(&["migrate", "status"])
            .fails("C1006", &["permission denied for table _prisma_migrations"]),
        case("no CREATE for the migration", POOR)
            .migration("SELECT 1;\n  CREATE TABLE b (id int);")
            .deployed()
            .database("GRANT ALL ON _prisma_migrations TO poor")
            .fails("P3018", &["permission denied for schema public", "2_b/migration.sql:2:16"]),
        case("read-only role", READER).fails("C1001", &["default_transaction_read_only"]),
        case("read-only role, resolve", READER)
            .deployed()
            .command(&["migrate", "resolve", "--rolled-back", "1_a"])
            .fails("C1001", &["default_transaction_read_only"]),
        case("unreadable time, SQLite", SQLITE)
            .database(UNREADABLE)
            .fails("C2018", &["started_at", "yesterday"]),
        case("unreadable time, status", SQLITE)
            .database(UNREADABLE)
            .command(&["migrate", "status"])
            .fails("C2018", &["started_at", "yesterday"]),
        case("history of another kind", APP)
            .database("CREATE VIEW _prisma_migrations AS SELECT 1 AS id")
            .fails("C2018", &["_prisma_migrations"]),
    ]
}
