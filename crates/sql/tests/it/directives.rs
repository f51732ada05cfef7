//! Directives: found in line comments, with their place.

use super::script;
use diagnostics::Provider;

#[test]
fn a_directive_has_its_key_value_and_place() {
    let text = "-- a comment\n-- cutover:transaction=off\n--cutover:lock-timeout = 5s\r\nSELECT 1;\n\
                -- cutover:retry\nSELECT 2 -- cutover:inside\n + 3;\n-- cutover:last=\n";
    let directives = script(Provider::PostgreSql, text).directives;
    let read: Vec<_> = directives
        .iter()
        .map(|found| (found.key.as_str(), found.value.as_deref(), found.statement, found.leads_file))
        .collect();
    assert_eq!(
        read,
        [
            ("transaction", Some("off"), 0, true),
            ("lock-timeout", Some("5s"), 0, true),
            ("retry", None, 1, false),
            ("inside", None, 1, false),
            ("last", Some(""), 2, false),
        ]
    );
    assert_eq!(directives[0].span.slice(text), "-- cutover:transaction=off");
}

#[test]
fn what_looks_like_one_elsewhere_is_none() {
    for text in [
        "SELECT '-- cutover:retry'",
        "/* -- cutover:retry */ SELECT 1",
        "-- see cutover:retry\nSELECT 1",
        "SELECT $$\n-- cutover:retry\n$$",
    ] {
        assert_eq!(script(Provider::PostgreSql, text).directives, [], "{text}");
    }
    assert_eq!(script(Provider::MySql, "SELECT 5--cutover:retry").directives, []);
    let leading_only = script(Provider::Sqlite, "-- cutover:retry").directives;
    assert_eq!((leading_only.len(), leading_only[0].statement, leading_only[0].leads_file), (1, 0, true));
}

/// A comment of a body is a part of what is stored, wherever the server keeps it.
#[test]
fn a_directive_in_a_body_is_none() {
    for (provider, text) in [
        (
            Provider::PostgreSql,
            "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC\n-- cutover:retry\nSELECT 1; END",
        ),
        (
            Provider::PostgreSql,
            "CREATE RULE r AS ON INSERT TO t DO ALSO (\n-- cutover:retry\nSELECT 1; SELECT 2)",
        ),
        (Provider::MySql, "CREATE PROCEDURE p() BEGIN\n-- cutover:retry\nSELECT 1;\n-- cutover:retry\nEND"),
        (
            Provider::MySql,
            "CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW\n-- cutover:retry\nSET NEW.n = 1",
        ),
        (Provider::MySql, "BEGIN NOT ATOMIC\n-- cutover:retry\nSELECT 1; END"),
        (Provider::Sqlite, "CREATE TRIGGER g AFTER INSERT ON t BEGIN\n-- cutover:retry\nSELECT 1; END"),
    ] {
        assert_eq!(script(provider, text).directives, [], "{text}");
        let around = format!("-- cutover:before\n{text}; -- cutover:after\nSELECT 1");
        let keys: Vec<_> = script(provider, &around).directives.into_iter().map(|found| found.key).collect();
        assert_eq!(keys, ["before", "after"], "{around}");
    }
}

#[test]
fn a_directive_says_what_stands_behind_its_key() {
    for (comment, said) in [
        ("-- cutover:irreversible", Some("")),
        ("--cutover: irreversible a = b ", Some("a = b")),
        ("-- cutover:irreversible=a", Some("a")),
        ("-- cutover:irreversible: a\r", Some("a")),
        ("-- cutover:irreversibly a", None),
        ("-- cutover:irreversible-not a", None),
        ("-- cutover:not irreversible", None),
    ] {
        let text = format!("{comment}\nSELECT 1");
        let found = script(Provider::PostgreSql, &text).directives;
        assert_eq!(found[0].says(&text, "irreversible"), said, "{comment:?}");
    }
}
