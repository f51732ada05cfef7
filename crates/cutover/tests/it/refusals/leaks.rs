//! Migrations that make the database say the password: in the statement that is shown, in its error, in three forms.

use super::{APP, Case, case};

pub(super) fn cases() -> Vec<Case> {
    let running =
        |name, sql| case(name, APP).migration(sql).deployed().fails("P3018", &["2_b/migration.sql:1:"]);
    vec![
        running("password in the statement", "CREATE ROLE leak PASSWORD '{password}' NONSENSE;"),
        running("password in the error", "DO $$ BEGIN RAISE EXCEPTION 'it is {password}'; END $$;"),
        running("percent-encoded", "DO $$ BEGIN RAISE EXCEPTION '%', 'it is {secret}'; END $$;"),
        running("base64", "DO $$ BEGIN RAISE EXCEPTION 'it is %', encode('{password}', 'base64'); END $$;"),
        running(
            "in detail and hint",
            "DO $$ BEGIN RAISE EXCEPTION 'no' USING DETAIL = '{password}', HINT = '{secret}'; END $$;",
        ),
        running("in a notice", "DO $$ BEGIN RAISE WARNING '{password}'; RAISE EXCEPTION 'no'; END $$;"),
        running(
            "as a value",
            "CREATE TABLE k (s text UNIQUE); INSERT INTO k VALUES ('{password}'), ('{password}');",
        ),
    ]
}
