//! PostgreSQL: where statements end.

use super::{assert_split, pieces, refused_at};
use diagnostics::{Provider, Span};
use sql::{Options, ScanErrorKind, split};

fn same(marked: &str) {
    assert_split(Provider::PostgreSql, marked);
}

#[test]
fn semicolons_inside_quotes_and_bodies_end_nothing() {
    for marked in [
        "SELECT 1¦ SELECT 2¦",
        "SELECT 1¦¦¦ SELECT 2",
        "SELECT ';', ''¦ SELECT 1",
        "SELECT 'it''s; fine'¦ SELECT 1",
        r"SELECT 'back\'¦ SELECT 1",
        r"SELECT E'back\';still'¦ SELECT 1",
        r"SELECT e'\\'¦ SELECT 1",
        "SELECT E'a'\n  'b\\';c'¦ SELECT 1",
        "SELECT E'a' -- continues\n  'b\\';c'¦ SELECT 1",
        r"SELECT U&'d\0061;t' UESCAPE '\'¦ SELECT 1",
        r#"SELECT U&"d;\0061", "a;""b"¦ SELECT 1"#,
        r"SELECT B'01', X'1F', N'a;b'¦ SELECT 1",
        r"SELECT 1E'a\';b'¦ SELECT 1",
        "SELECT $$a;b$$, $x$ $$; $y$; $x$¦ SELECT 1",
        "SELECT a$b$c, d$b$ FROM t¦ SELECT 1",
        "SELECT $1, $2¦ SELECT 1",
        "SELECT 1$$a;b$$¦ SELECT 1",
        "SELECT /* ; /* ; */ ; */ 1¦ SELECT 1",
        "SELECT 1 -- ; comment\n + 2¦ SELECT 1",
        "SELECT 1 +-- ;\n 2¦ SELECT 1",
        "SELECT \"größe;\", größe FROM t¦ SELECT 'ü;'",
        "SELECT 1\r\n¦\r\nSELECT 2 -- x;\r\n + 1¦",
        "SELECT $größe$;$größe$¦ SELECT 1",
        "SELECT a[1:2], b::text, c <> d¦ SELECT 1",
    ] {
        same(marked);
    }
}

#[test]
fn bodies_of_the_standard_form_are_one_statement() {
    for marked in [
        "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT CASE WHEN true THEN 1 ELSE 2 END; END¦ SELECT 1",
        "create or replace procedure p() begin atomic insert into t values (1); end¦ SELECT 1",
        "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC END¦ SELECT 1",
        "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1 END; SELECT a CASE FROM t; SELECT 1 atomic; END¦ SELECT 1",
        "CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1 AS end; SELECT t.end FROM t; SELECT \"end\" FROM t; END¦ SELECT 1",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$ BEGIN; $$¦ BEGIN¦ SELECT 1¦ END¦",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql RETURN 1¦ SELECT 1",
        "CREATE RULE r AS ON INSERT TO t DO ALSO (INSERT INTO a VALUES (1); DELETE FROM b;)¦ SELECT 1",
        "CREATE OR REPLACE RULE r AS ON INSERT TO t DO NOTHING¦ SELECT 1",
        "CREATE TABLE atomic (begin int, \"end\" int)¦ SELECT 1",
        "BEGIN¦ CREATE TABLE t ()¦ COMMIT",
    ] {
        same(marked);
    }
}

#[test]
fn standard_conforming_strings_is_followed() {
    for marked in [
        r"SET standard_conforming_strings = off¦ SELECT 'a\';b'¦ SET standard_conforming_strings TO ON¦ SELECT 'a\'¦ SELECT 1",
        r"SELECT set_config('standard_conforming_strings', 'off', false)¦ SELECT 'a\';b'¦ RESET ALL¦ SELECT 'a\'¦ SELECT 1",
        r"SET SESSION standard_conforming_strings TO 'false'¦ SELECT 'a\';b'¦ SET standard_conforming_strings TO DEFAULT¦ SELECT 'a\'¦ SELECT 1",
        r"BEGIN¦ SET LOCAL standard_conforming_strings = off¦ SELECT 'a\';b'¦ COMMIT¦ SELECT 'a\'¦ SELECT 1",
        r"SET client_min_messages = 'off'¦ SELECT 'a\'¦ SELECT 1",
    ] {
        same(marked);
    }
    let text = r"SELECT 'a\';b'; SELECT 1";
    let off = Options { standard_conforming_strings: false, ..Options::new(Provider::PostgreSql) };
    assert_eq!(split(text, &off).unwrap().statements.len(), 2);
}

#[test]
fn what_is_not_closed_is_named_where_it_opens() {
    for (text, kind, start, end) in [
        ("SELECT 1; SELECT 'abc;", ScanErrorKind::String, 17, 18),
        (r"SELECT E'abc\'", ScanErrorKind::String, 8, 9),
        ("SELECT \"abc", ScanErrorKind::Identifier, 7, 8),
        ("SELECT $tag$ ; $$", ScanErrorKind::DollarQuote, 7, 12),
        ("SELECT 1; /* /* */ ", ScanErrorKind::Comment, 10, 12),
        ("SELECT 'é'; SELECT '", ScanErrorKind::String, 20, 21),
    ] {
        assert_eq!(refused_at(Provider::PostgreSql, text), (kind, Span::new(start, end)), "{text}");
    }
}

#[test]
fn text_without_a_statement_has_none() {
    for text in ["", "\u{feff}", ";;", "-- only\n/* a /* b */ comment */ ;", "\u{feff}-- x", " \r\n\t"] {
        assert_eq!(pieces(Provider::PostgreSql, text), Vec::<&str>::new(), "{text:?}");
    }
    assert_eq!(pieces(Provider::PostgreSql, "\u{feff}SELECT 1"), ["SELECT 1"]);
    assert_eq!(pieces(Provider::PostgreSql, "-- a\nSELECT 1 -- b\n; -- c"), ["SELECT 1"]);
}

#[test]
fn rows_behind_copy_from_stdin_are_no_sql() {
    let text = "COPY t (a) FROM stdin;\n1\tit's\n2\t$$\n\\.\n\nSELECT 1;\n";
    assert_eq!(pieces(Provider::PostgreSql, text), ["COPY t (a) FROM stdin", "SELECT 1"]);
    // Without rows, what follows is SQL.
    assert_eq!(
        pieces(Provider::PostgreSql, "COPY t FROM stdin; SELECT 1"),
        ["COPY t FROM stdin", "SELECT 1"]
    );
}

#[test]
fn client_commands_are_passed_on_as_they_are() {
    assert_eq!(pieces(Provider::PostgreSql, "\\connect x\nSELECT 1;"), ["\\connect x\nSELECT 1"]);
}
