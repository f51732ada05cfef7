//! Which tables a statement may keep others from, by its words.

use diagnostics::Provider;
use sql::{Options, Reach, split};

fn reach(provider: Provider, text: &str) -> String {
    let Ok(script) = split(text, &Options::new(provider)) else { panic!("unreadable: {text}") };
    let [statement] = &script.statements[..] else { panic!("one statement: {text}") };
    match &statement.reach {
        Reach::Rows => "rows".to_owned(),
        Reach::Anything => "anything".to_owned(),
        Reach::Code => "code".to_owned(),
        Reach::Tables(names) => names.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
    }
}

#[test]
fn postgres_statements_reach_what_their_words_name() {
    for (text, expected) in [
        ("SELECT f() FROM a", "code"),
        ("SELECT lower(x) FROM a", "rows"),
        ("INSERT INTO a SELECT own.f(x) FROM b", "code"),
        ("UPDATE a SET x = 1", "rows"),
        ("COPY a FROM '/tmp/x'", "rows"),
        ("SET lock_timeout = '1s'", "rows"),
        ("COMMENT ON TABLE a IS 'x'", "rows"),
        ("GRANT SELECT ON a TO b", "rows"),
        ("ALTER TYPE mood ADD VALUE 'x'", "rows"),
        ("CREATE TABLE a (i int)", "rows"),
        ("CREATE TABLE a (b_id int REFERENCES s.b (id) ON DELETE CASCADE)", "s.b"),
        ("CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1)", "p"),
        ("CREATE TABLE c () INHERITS (a, b)", "a b"),
        ("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", "rows"),
        ("DROP FUNCTION f() CASCADE", "anything"),
        ("CREATE VIEW v AS SELECT 1", "rows"),
        ("CREATE OR REPLACE VIEW v AS SELECT 1", "anything"),
        ("CREATE UNIQUE INDEX i ON a (x)", "a"),
        ("CREATE INDEX CONCURRENTLY ON a (x)", "a"),
        ("CREATE TRIGGER t AFTER INSERT ON s.a FOR EACH ROW EXECUTE FUNCTION f()", "s.a"),
        ("CREATE CONSTRAINT TRIGGER t AFTER INSERT ON a FROM b FOR EACH ROW EXECUTE FUNCTION f()", "a b"),
        ("CREATE POLICY p ON a USING (true)", "a"),
        ("ALTER TABLE a ADD COLUMN x int", "a"),
        ("ALTER TABLE ONLY \"A\" ADD CONSTRAINT f FOREIGN KEY (x) REFERENCES b ON UPDATE CASCADE", "A b"),
        ("ALTER TABLE a DROP CONSTRAINT f CASCADE", "anything"),
        ("ALTER TABLE a ATTACH PARTITION b DEFAULT", "a b"),
        ("ALTER TABLE a RENAME TO b", "a"),
        ("ALTER INDEX i RENAME TO j", "anything"),
        ("DROP TABLE a, b", "a b"),
        ("DROP TABLE a CASCADE", "anything"),
        ("TRUNCATE a, ONLY b", "a b"),
        ("TRUNCATE a CASCADE", "anything"),
        ("LOCK TABLE a, s.b IN SHARE MODE", "a s.b"),
        ("DO $$ BEGIN END $$", "code"),
        ("CALL p()", "code"),
        ("REFRESH MATERIALIZED VIEW m", "anything"),
        ("FROBNICATE a", "anything"),
    ] {
        assert_eq!(reach(Provider::PostgreSql, text), expected, "{text}");
    }
}

#[test]
fn mysql_statements_reach_what_their_words_name() {
    for (text, expected) in [
        ("INSERT INTO a VALUES (1)", "rows"),
        ("CREATE TABLE a (i INT)", "rows"),
        ("ALTER TABLE `a b` ADD COLUMN x INT", "a b"),
        ("CREATE INDEX i ON a (x)", "a"),
        ("DROP INDEX i ON a", "a"),
        ("RENAME TABLE a TO b, c TO d", "a c"),
        ("TRUNCATE a", "a"),
        ("OPTIMIZE TABLE a", "anything"),
        ("CALL p()", "code"),
    ] {
        assert_eq!(reach(Provider::MySql, text), expected, "{text}");
    }
}
