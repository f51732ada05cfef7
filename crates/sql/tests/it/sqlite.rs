//! SQLite: where statements end.

use super::{assert_split, pieces, refused_at};
use diagnostics::{Provider, Span};
use sql::ScanErrorKind;

#[test]
fn semicolons_inside_quotes_and_comments_end_nothing() {
    for marked in [
        "SELECT \"a;\"\"b\", `a;``b`, [a;b], 'a;''b'¦ SELECT 1",
        r"SELECT 'a\', [a[b]¦ SELECT 1",
        "SELECT /* /* ; */ 1¦ SELECT 1",
        "SELECT 5--;1\n + 1¦ SELECT 1",
        "SELECT x'41', $a, :b, @c, ?1, a->>'$.b;c'¦ SELECT 1",
        "SELECT größe FROM [größe;]¦ SELECT 1",
    ] {
        assert_split(Provider::Sqlite, marked);
    }
}

#[test]
fn triggers_are_one_statement() {
    for marked in [
        "CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT 1; SELECT 2; END¦ SELECT 1",
        "CREATE TEMP TRIGGER IF NOT EXISTS r AFTER UPDATE OF a ON t FOR EACH ROW WHEN NEW.a > 1 BEGIN UPDATE t SET a = CASE WHEN a THEN 1 ELSE 2 END; END¦ SELECT 1",
        "create temporary trigger \"end\" delete on t begin select end from t; select 1 as begin; end¦ SELECT 1",
        "CREATE TRIGGER begin INSERT ON t BEGIN DELETE FROM u; END¦ BEGIN¦ SELECT 1¦ END¦",
        "CREATE TABLE trigger_t (begin int, end int)¦ SELECT 1",
        "BEGIN IMMEDIATE¦ CREATE TABLE t (a)¦ END TRANSACTION¦",
    ] {
        assert_split(Provider::Sqlite, marked);
    }
}

#[test]
fn a_comment_may_end_with_the_text() {
    assert_eq!(pieces(Provider::Sqlite, "SELECT 1; /* the end"), ["SELECT 1"]);
    assert_eq!(pieces(Provider::Sqlite, "/* the end"), Vec::<&str>::new());
}

#[test]
fn what_is_not_closed_is_named_where_it_opens() {
    for (text, kind, start) in [
        ("SELECT 'a''", ScanErrorKind::String, 7),
        ("SELECT \"a", ScanErrorKind::Identifier, 7),
        ("SELECT [a", ScanErrorKind::Identifier, 7),
        ("SELECT `a", ScanErrorKind::Identifier, 7),
    ] {
        assert_eq!(refused_at(Provider::Sqlite, text), (kind, Span::new(start, start + 1)), "{text}");
    }
}
