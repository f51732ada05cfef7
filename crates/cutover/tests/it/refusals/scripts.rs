//! What stands in a migration.

use super::{APP, Case, case};

pub(super) fn cases() -> Vec<Case> {
    let pending =
        |name, sql: &str, code, phrase| case(name, APP).migration(sql).deployed().fails(code, &[phrase]);
    vec![
        pending("string not closed", "SELECT 1;\nSELECT 'a;", "C2002", "2_b/migration.sql:2:8"),
        pending("dollar quote not closed", "DO $x$ BEGIN;", "C2002", "2_b/migration.sql:1:4"),
        pending("comment not closed", "/* a /* b */", "C2002", "2_b/migration.sql:1:1"),
        pending("name not closed", "SELECT \"a", "C2002", "2_b/migration.sql:1:8"),
        pending("BEGIN without COMMIT", "BEGIN; SELECT 1;", "C2003", "2_b/migration.sql:1:1"),
        pending("ROLLBACK", "SELECT 1;\nROLLBACK;", "C2004", "2_b/migration.sql:2:1"),
        pending("PREPARE TRANSACTION", "BEGIN;\nPREPARE TRANSACTION 'x';", "C2004", "2_b/migration.sql:2:1"),
        pending("COPY FROM STDIN", "COPY a FROM STDIN;", "C2004", "COPY"),
        pending("COPY TO STDOUT", "COPY a TO STDOUT;", "C2004", "COPY"),
        pending("BEGIN READ ONLY", "BEGIN READ ONLY; COMMIT;", "C2004", "read-only"),
        pending("START TRANSACTION READ ONLY", "START TRANSACTION READ ONLY; COMMIT;", "C2004", "read-only"),
        pending("SET TRANSACTION READ ONLY", "SET TRANSACTION READ ONLY;", "C2004", "read-only"),
        pending("SET transaction_read_only", "SET transaction_read_only = on;", "C2004", "read-only"),
        pending("savepoint without BEGIN", "SAVEPOINT s;", "C2004", "savepoint"),
        pending("bad directive", "-- cutover:transaction=maybe\nSELECT 1;", "C2004", "off, file or segment"),
        pending("syntax error", "CREATE TABEL b (id int);", "P3018", "2_b/migration.sql:1:8"),
        pending(
            "violation",
            "CREATE TABLE b (id int PRIMARY KEY);\nINSERT INTO b VALUES (1), (1);",
            "P3018",
            "Key (id)=(1) already exists",
        ),
        pending(
            "deferred violation",
            "CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (id int REFERENCES p DEFERRABLE INITIALLY DEFERRED); INSERT INTO c VALUES (1);",
            "P3018",
            "at COMMIT",
        ),
    ]
}
