//! MySQL and MariaDB: where statements end.

use super::{assert_split, kind, pieces, refused_at};
use diagnostics::{Provider, Span};
use sql::{Kind, Options, ScanErrorKind, split};

fn same(marked: &str) {
    assert_split(Provider::MySql, marked);
}

#[test]
fn semicolons_inside_quotes_and_comments_end_nothing() {
    for marked in [
        r"SELECT 'a\';b'¦ SELECT 1",
        r#"SELECT "a\";b", "c"";d"¦ SELECT 1"#,
        r"SELECT `a\`¦ SELECT `a``;b`",
        "SELECT 1 # ; comment\n + 2¦ SELECT 1",
        "SELECT 5--1¦ SELECT 1",
        "SELECT 5 --\t;\n + 1¦ SELECT 1",
        "SELECT /* ; /* ; */ 1¦ SELECT 1",
        "/*!40101 SET NAMES utf8 */¦ SELECT 1",
        "/*M!100100 SET x = 1 */¦ SELECT 1",
        "CREATE TABLE t (a int) /*!50100 PARTITION BY HASH (a) */¦ SELECT 1",
        "SELECT /*!50000 'it''s; */', */ 1¦ SELECT 1",
        "SELECT 'größe', größe, $a, a$b, 0x1F, x'41', _utf8'a'¦ SELECT 1",
        "SELECT $$ ¦ SELECT 1",
    ] {
        same(marked);
    }
    assert_eq!(pieces(Provider::MySql, "SELECT 1 --"), ["SELECT 1"]);
    // Nothing runs this, whatever it looks like.
    assert_eq!(pieces(Provider::MySql, "/*!999999\\- enable the sandbox's mode */\nSELECT 1;"), ["SELECT 1"]);
}

#[test]
fn stored_programs_are_one_statement() {
    for marked in [
        "CREATE PROCEDURE p() BEGIN SELECT 1; SELECT 2; END¦ SELECT 1",
        "CREATE PROCEDURE p() SELECT 1¦ SELECT 1",
        "CREATE PROCEDURE p(IN a int) UPDATE t SET b = IF(a, 1, 2)¦ SELECT 1",
        "CREATE PROCEDURE IF NOT EXISTS p() main: BEGIN LEAVE main; END main¦ SELECT 1",
        "CREATE OR REPLACE DEFINER = 'a'@'%' PROCEDURE p() COMMENT 'x' SQL SECURITY INVOKER BEGIN END¦ SELECT 1",
        "CREATE FUNCTION f(a int) RETURNS int DETERMINISTIC RETURN IF(a, 1, 2)¦ SELECT 1",
        "CREATE FUNCTION f(a int) RETURNS varchar(9) CHARACTER SET utf8 DETERMINISTIC BEGIN RETURN CASE a WHEN 1 THEN 'x' ELSE IF(a, 'y', 'z') END; END¦ SELECT 1",
        "CREATE FUNCTION f RETURNS STRING SONAME 'x.so'¦ SELECT 1",
        "CREATE TRIGGER r BEFORE UPDATE ON t FOR EACH ROW SET NEW.a = 1¦ SELECT 1",
        "CREATE TRIGGER r AFTER INSERT ON t FOR EACH ROW BEGIN IF NEW.a THEN SET @x = 1; ELSEIF NEW.b THEN SET @x = 2; ELSE BEGIN END; END IF; END¦ SELECT 1",
        "CREATE TRIGGER r AFTER INSERT ON t FOR EACH ROW FOLLOWS q IF NEW.a THEN CALL x(); END IF¦ SELECT 1",
        "CREATE EVENT e ON SCHEDULE EVERY 1 DAY STARTS NOW() DO BEGIN DELETE FROM t; END¦ SELECT 1",
        "CREATE EVENT e ON SCHEDULE EVERY 1 DAY ON COMPLETION PRESERVE DO DELETE FROM t¦ SELECT 1",
        "ALTER EVENT e ON SCHEDULE EVERY 2 DAY DO BEGIN SELECT 1; END¦ SELECT 1",
        "ALTER EVENT e DISABLE¦ SELECT 1",
    ] {
        same(marked);
    }
}

#[test]
fn blocks_nest_and_names_open_none() {
    for marked in [
        "CREATE PROCEDURE p() BEGIN WHILE a < 1 DO SET a = a + 1; END WHILE; SELECT 1; END¦ SELECT 1",
        "CREATE PROCEDURE p() BEGIN REPEAT SET a = REPEAT('x', 2); UNTIL a = 1 END REPEAT; END¦ SELECT 1",
        "CREATE PROCEDURE p() BEGIN x: LOOP IF a THEN LEAVE x; END IF; END LOOP x; END¦ SELECT 1",
        "CREATE PROCEDURE p() BEGIN CASE a WHEN 1 THEN SELECT 1; ELSE CASE b WHEN 2 THEN SELECT 2; END CASE; END CASE; END¦ SELECT 1",
        "CREATE PROCEDURE p() BEGIN DECLARE EXIT HANDLER FOR SQLEXCEPTION BEGIN ROLLBACK; END; DECLARE CONTINUE HANDLER FOR NOT FOUND SET d = 1; START TRANSACTION; COMMIT; END¦ SELECT 1",
        "CREATE PROCEDURE p() BEGIN DECLARE c CURSOR FOR SELECT id FROM t FOR UPDATE; OPEN c; CLOSE c; END¦ SELECT 1",
        "CREATE PROCEDURE p() BEGIN SELECT begin, end FROM t; SELECT t.end FROM t; END¦ SELECT 1",
        "CREATE PROCEDURE p() BEGIN DROP TABLE IF EXISTS x; CREATE TABLE IF NOT EXISTS y (a int); IF EXISTS (SELECT 1) THEN SELECT 1; END IF; END¦ SELECT 1",
        "CREATE PROCEDURE p() BEGIN FOR i IN 1..3 DO SELECT i; END FOR; END¦ SELECT 1",
        "BEGIN NOT ATOMIC SELECT 1; SELECT 2; END¦ SELECT 1",
        "IF 1 THEN SELECT 1; END IF¦ SELECT 1",
        "BEGIN¦ SELECT 1¦ COMMIT",
        "CREATE TABLE event (begin int, end int, `trigger` int)¦ SELECT 1",
        "CREATE VIEW v AS SELECT CASE WHEN a THEN 1 END FROM procedures¦ SELECT 1",
        "CREATE SQL SECURITY DEFINER VIEW v AS SELECT 1¦ SELECT 1",
        "CREATE PROCEDURE begin() SELECT 1¦ SELECT 1",
    ] {
        same(marked);
    }
}

#[test]
fn sql_mode_is_followed() {
    for marked in [
        r#"SET sql_mode = 'ANSI_QUOTES'¦ SELECT "a\"¦ SET sql_mode = DEFAULT¦ SELECT "a\";b"¦ SELECT 1"#,
        r"SET SESSION sql_mode = 'STRICT_ALL_TABLES,no_backslash_escapes'¦ SELECT 'a\'¦ SET @@sql_mode = ''¦ SELECT 'a\';b'¦ SELECT 1",
        r#"/*!40101 SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='ANSI' */¦ SELECT "a\"¦ /*!40101 SET SQL_MODE=@OLD_SQL_MODE */¦ SELECT "a\";b"¦ SELECT 1"#,
        r"SET GLOBAL sql_mode = 'NO_BACKSLASH_ESCAPES'¦ SELECT 'a\';b'¦ SELECT 1",
    ] {
        same(marked);
    }
    let options = Options { no_backslash_escapes: true, ansi_quotes: true, ..Options::new(Provider::MySql) };
    let script = split(r#"SELECT 'a\'; SELECT "a\"; SELECT 1"#, &options).unwrap();
    assert_eq!(script.statements.len(), 3);
}

#[test]
fn delimiter_is_found_and_takes_its_line() {
    let text = "SELECT 1;\r\nDELIMITER $$ \r\nSELECT 2$$";
    assert_eq!(pieces(Provider::MySql, text), ["SELECT 1", "DELIMITER $$", "SELECT 2$$"]);
    assert_eq!(kind(Provider::MySql, "delimiter //"), Kind::Delimiter);
    assert_eq!(pieces(Provider::MySql, "DELIMITER ;;\nSELECT 1;;"), ["DELIMITER ;;", "SELECT 1"]);
}

#[test]
fn what_is_not_closed_is_named_where_it_opens() {
    for (text, kind, start, end) in [
        (r"SELECT 'a\'", ScanErrorKind::String, 7, 8),
        ("SELECT \"a", ScanErrorKind::String, 7, 8),
        ("SELECT `a", ScanErrorKind::Identifier, 7, 8),
        ("SELECT 1 /* a", ScanErrorKind::Comment, 9, 11),
        ("SELECT 1 /*!50000 + 1", ScanErrorKind::Comment, 9, 11),
    ] {
        assert_eq!(refused_at(Provider::MySql, text), (kind, Span::new(start, end)), "{text}");
    }
}
