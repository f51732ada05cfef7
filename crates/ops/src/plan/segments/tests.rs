//! Files and how they are cut.

use super::*;

fn cut(provider: Provider, text: &str) -> Result<Vec<Segment>> {
    let script = sql::split(text, &sql::Options::new(provider)).unwrap();
    segments(&script, &Source::new("m.sql", text), provider)
}

/// Each segment as a letter (Transaction, Single, Own transaction, Rebuild) and its number of statements.
fn shape(provider: Provider, text: &str) -> String {
    let cut = cut(provider, text).unwrap();
    let letter = |bracket| match bracket {
        Bracket::Transaction => 'T',
        Bracket::Single => 'S',
        Bracket::OwnTransaction => 'O',
        Bracket::Rebuild => 'R',
        Bracket::Span => 'P',
    };
    let parts: Vec<String> = cut
        .iter()
        .map(|segment| format!("{}{}", letter(segment.bracket), segment.statements.len()))
        .collect();
    parts.join(" ")
}

#[test]
fn postgresql_files_are_cut_where_they_need_it() {
    for (text, expected) in [
        ("", "T0"),
        ("-- nothing", "T0"),
        ("CREATE TABLE a (id int); CREATE TABLE b (id int)", "T2"),
        ("CREATE INDEX CONCURRENTLY ON a (id)", "S1"),
        (
            "CREATE TABLE a (id int); CREATE INDEX CONCURRENTLY ON a (id); VACUUM a; INSERT INTO a VALUES (1)",
            "T1 S1 S1 T1",
        ),
        ("BEGIN; CREATE TABLE a (id int); COMMIT", "O3"),
        // Statements before a BEGIN belong to it: the reference sends the file as one message.
        ("CREATE TYPE e AS ENUM ('a'); BEGIN; DROP TYPE e; COMMIT; CREATE TABLE a (id int)", "O4 T1"),
        ("CREATE TABLE a (id int); COMMIT; CREATE TABLE b (id int)", "O2 T1"),
        // What can run in no transaction is not drawn into the one behind it.
        ("BEGIN; SELECT 1; COMMIT; SELECT 2; VACUUM; SELECT 3; BEGIN; SELECT 4; COMMIT", "O3 T1 S1 O4"),
        ("ALTER TYPE e ADD VALUE 'b'; INSERT INTO t VALUES ('b')", "T2"),
        ("-- cutover:transaction=off\nCREATE TABLE a (id int); CREATE TABLE b (id int)", "S1 S1"),
        ("-- cutover:transaction=file\nCREATE TABLE a (id int); VACUUM", "T2"),
    ] {
        assert_eq!(shape(Provider::PostgreSql, text), expected, "{text}");
    }
}

#[test]
fn sqlite_rebuilds_are_one_transaction_unless_something_beside_them_fires_foreign_keys() {
    let rebuild = "PRAGMA defer_foreign_keys=ON; PRAGMA foreign_keys=OFF; CREATE TABLE n (id); DROP TABLE t; \
                   ALTER TABLE n RENAME TO t; PRAGMA foreign_keys=ON; PRAGMA defer_foreign_keys=OFF";
    for (text, expected) in [
        ("CREATE TABLE a (id); INSERT INTO a VALUES (1)", "T2"),
        (rebuild, "R7"),
        (&format!("CREATE TABLE x (id); {rebuild}"), "R8"),
        (&format!("DELETE FROM x; {rebuild}; DELETE FROM x"), "T2 R5 T2"),
        (&format!("DROP TABLE x; {rebuild}"), "T2 R5 T1"),
        ("PRAGMA foreign_keys=OFF; CREATE TABLE a (id)", "R2"),
        ("PRAGMA journal_mode=WAL; CREATE TABLE a (id); VACUUM", "S1 T1 S1"),
        ("PRAGMA user_version = 3; PRAGMA foreign_keys", "T2"),
        // There every statement outside of BEGIN is a transaction of its own.
        ("INSERT INTO a VALUES (1); BEGIN; INSERT INTO a VALUES (2); COMMIT", "T1 O3"),
        ("PRAGMA foreign_keys=OFF; BEGIN; DROP TABLE a; COMMIT; PRAGMA foreign_keys=ON", "S1 O3 S1"),
    ] {
        assert_eq!(shape(Provider::Sqlite, text), expected, "{text}");
    }
}

#[test]
fn what_would_break_the_promise_is_refused_at_its_place() {
    for (text, code, place) in [
        ("BEGIN;\nCREATE TABLE a (id int);", "C2003", "m.sql:1:1"),
        ("CREATE TABLE a (id int);\nROLLBACK;", "C2004", "m.sql:2:1"),
        ("BEGIN; COMMIT AND CHAIN; COMMIT", "C2004", "m.sql:1:8"),
        ("BEGIN; PREPARE TRANSACTION 'x'", "C2004", "m.sql:1:8"),
        ("COPY a FROM STDIN;", "C2004", "m.sql:1:1"),
        ("COPY a TO STDOUT;", "C2004", "m.sql:1:1"),
        ("BEGIN READ ONLY; COMMIT", "C2004", "m.sql:1:1"),
        ("START TRANSACTION READ ONLY; COMMIT", "C2004", "m.sql:1:1"),
        ("SET TRANSACTION READ ONLY; SELECT 1", "C2004", "m.sql:1:1"),
        ("SET transaction_read_only = on", "C2004", "m.sql:1:1"),
        ("SAVEPOINT s; RELEASE s", "C2004", "m.sql:1:1"),
        ("SET default_transaction_read_only = on; VACUUM", "C2004", "m.sql:1:1"),
        ("-- cutover:transaction=maybe\nSELECT 1", "C2004", "m.sql:1:1"),
    ] {
        let failure = cut(Provider::PostgreSql, text).expect_err(text);
        let diagnostic = failure.diagnostic();
        assert_eq!(diagnostic.code.map(|code| code.id), Some(code), "{text}");
        assert_eq!(diagnostic.location().as_deref(), Some(place), "{text}");
    }
    // Alone in its file it makes no later transaction read-only.
    assert_eq!(shape(Provider::PostgreSql, "SET default_transaction_read_only = on"), "T1");
}

#[test]
fn what_a_segment_leaves_behind_counts_for_those_after_it() {
    let cut = cut(
        Provider::PostgreSql,
        "CREATE TABLE a (id int); VACUUM; SET ROLE x; VACUUM; CREATE TABLE b (id int)",
    )
    .unwrap();
    let flags: Vec<_> = cut.iter().map(|segment| (segment.changes_session, segment.changes_role)).collect();
    assert_eq!(flags, [(false, false), (false, false), (true, true), (true, true), (true, true)]);
}

#[test]
fn files_that_steer_transactions_are_never_sent_ahead() {
    let pipelined = |text| cut(Provider::PostgreSql, text).unwrap()[0].pipelined;
    assert!(pipelined("CREATE TABLE a (id int)"));
    assert!(!pipelined("BEGIN; CREATE TABLE a (id int); COMMIT"));
    assert!(!pipelined("BEGIN; SAVEPOINT s; ROLLBACK TO s; COMMIT"));
}

#[test]
fn a_value_of_an_enum_is_committed_before_its_use() {
    let text = "CREATE TABLE a (id int); ALTER TYPE e ADD VALUE 'b'; INSERT INTO t VALUES ('b'); SELECT 1";
    let cut = cut(Provider::PostgreSql, text).unwrap();
    let pieces = commit_after_enum_values(&cut[0]).unwrap();
    let sizes: Vec<_> = pieces.iter().map(|piece| (piece.first, piece.statements.len())).collect();
    assert_eq!(sizes, [(0, 2), (2, 2)]);
}

#[test]
fn no_commit_is_put_behind_what_ends_with_it() {
    for before in [
        "SET LOCAL search_path = b",
        "SET LOCAL ROLE r",
        "SELECT set_config('search_path', current_user, true)",
        "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
        "CREATE TEMP TABLE stage ON COMMIT DROP AS SELECT 1",
    ] {
        let text = format!("{before}; ALTER TYPE e ADD VALUE 'b'; INSERT INTO t VALUES ('b')");
        let whole = cut(Provider::PostgreSql, &text).unwrap();
        assert!(commit_after_enum_values(&whole[0]).is_none(), "{text}");
        let text = format!("{before}; CREATE INDEX CONCURRENTLY i ON t (x)");
        let failure = cut(Provider::PostgreSql, &text).unwrap_err();
        assert_eq!(failure.diagnostic().code, Some(&codes::C2004), "{text}");
    }
    assert_eq!(
        shape(Provider::PostgreSql, "SET search_path = b; CREATE INDEX CONCURRENTLY i ON t (x)"),
        "T1 S1"
    );
    assert_eq!(
        shape(Provider::PostgreSql, "CREATE INDEX CONCURRENTLY i ON t (x); SET LOCAL x.y = 1; SELECT 1"),
        "S1 T2"
    );
}

#[test]
fn a_transaction_of_the_files_own_is_not_run_piece_by_piece() {
    let failure =
        cut(Provider::Sqlite, "-- cutover:transaction=off\nBEGIN; CREATE TABLE a (x); COMMIT").unwrap_err();
    assert_eq!(failure.diagnostic().code, Some(&codes::C2004));
}

#[test]
fn a_rebuild_is_one_also_without_its_switch() {
    let rebuild = "CREATE TABLE new_t (id INTEGER); INSERT INTO new_t SELECT id FROM t; DROP TABLE t; ALTER TABLE new_t RENAME TO t";
    assert_eq!(shape(Provider::Sqlite, rebuild), "R4");
    assert_eq!(shape(Provider::Sqlite, &format!("DELETE FROM t; {rebuild}")), "T5");
    assert_eq!(shape(Provider::Sqlite, "DROP TABLE t; ALTER TABLE a RENAME TO b"), "T2");
}
