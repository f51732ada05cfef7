//! PostgreSQL.

use super::rebuild::rebuild;
use super::{assert_equal, migrations, read};
use db::ErrorKind;
use sql::{Name, ObjectKind, PartKind};
use testkit::postgres::Server;
use testkit::postgres::server;

#[test]
fn projects_deployed_twice_are_equal() {
    let (first, second) = (server().create_database("one"), server().create_database("two"));
    for script in migrations("fixtures/projects/shop-postgresql") {
        first.psql(&script);
        second.psql(&script);
    }
    let (first, second) = (read(&first.url()), read(&second.url()));
    assert!(first.objects.len() > 5);
    assert_equal(&first, &second);
}

/// Something of every kind.
const RICH: &str = include_str!("rich.sql");

#[test]
fn a_database_is_put_together_from_its_snapshot() {
    let (first, second) = (server().create_database("rich"), server().create_database("rebuilt"));
    first.psql(RICH);
    let snapshot = read(&first.url());
    rebuild(&snapshot, &second);
    assert_equal(&snapshot, &read(&second.url()));
}

#[test]
fn who_reads_and_with_which_settings_makes_no_difference() {
    let (first, second) = (server().create_database("first"), server().create_database("second"));
    first.psql(RICH);
    // A pooler, an application and a person make the same database.
    second.psql(&format!("SET DateStyle = 'German'; SET search_path = app, public; {RICH}"));
    let snapshot = read(&first.url());
    assert_equal(&snapshot, &read(&second.url()));
    let mut conn = crate::connect(&second.url());
    for setting in [
        "SET SESSION AUTHORIZATION snapshot_reader",
        "SET search_path = app, \"Odd schema\", public, pg_catalog",
        "SET quote_all_identifiers = on",
        "SET DateStyle = 'German'; SET IntervalStyle = 'iso_8601'; SET TimeZone = 'Asia/Tokyo'",
        "SET bytea_output = 'escape'; SET extra_float_digits = -3; SET standard_conforming_strings = off",
        "SET default_transaction_isolation = 'serializable'; SET default_transaction_read_only = on",
    ] {
        conn.execute(setting).unwrap();
        let other = db::snapshot::read(conn.as_mut()).unwrap_or_else(|error| panic!("{setting}: {error}"));
        assert_equal(&snapshot, &other);
    }
    let other = db::snapshot::read(conn.as_mut()).unwrap();
    // The role may not look into the other schema.
    assert_eq!(other.search_path, ["app", "public", "pg_catalog"]);
    let shown = conn.query("SELECT current_setting('search_path'), current_setting('DateStyle')").unwrap();
    let path = "app, \"Odd schema\", public, pg_catalog".to_owned();
    assert_eq!(shown, [[Some(path), Some("German, DMY".to_owned())]]);
}

#[test]
fn names_of_the_server_in_the_search_path_mislead_nobody() {
    let database = server().create_database("hostile");
    database.psql(RICH);
    database.psql(
        "CREATE SCHEMA evil; CREATE TABLE evil.pg_class (oid oid, relname name); CREATE TABLE evil.pg_depend (x integer);
         CREATE TYPE evil.regclass AS ENUM ('x'); CREATE DOMAIN evil.text AS integer;
         CREATE FUNCTION evil.concat(VARIADIC \"any\") RETURNS pg_catalog.text LANGUAGE internal AS 'text_concat';
         CREATE FUNCTION evil.format_type(oid, integer) RETURNS pg_catalog.text LANGUAGE sql AS 'SELECT (1 / 0)::pg_catalog.text';
         CREATE FUNCTION evil.refuse(oid, oid) RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''called''; END';
         CREATE OPERATOR evil.= (FUNCTION = evil.refuse, LEFTARG = oid, RIGHTARG = oid)",
    );
    let plain = read(&database.url());
    let mut conn = crate::connect(&database.url());
    conn.execute(
        "SET search_path = evil, pg_catalog, app, public; CREATE TEMP TABLE pg_attribute (x integer)",
    )
    .unwrap();
    let hostile = db::snapshot::read(conn.as_mut()).unwrap();
    assert_equal(&plain, &hostile);
    assert_eq!(hostile.search_path, ["evil", "pg_catalog", "app", "public"]);
    assert!(plain.objects.keys().any(|object| object.to_string() == "table evil.pg_class"));
}

#[test]
fn a_transaction_goes_on_as_it_was() {
    let database = server().create_database("inside");
    database.psql(RICH);
    let plain = read(&database.url());
    let mut conn = crate::connect(&database.url());
    let settings = "SELECT current_setting('search_path'), current_setting('TimeZone'), current_setting('transaction_isolation')";
    conn.execute("BEGIN READ ONLY; SET LOCAL search_path = app; SET TimeZone = 'Asia/Tokyo'; SAVEPOINT cutover_snapshot").unwrap();
    let before = conn.query(settings).unwrap();
    assert_equal(&plain, &db::snapshot::read(conn.as_mut()).unwrap());
    assert_eq!(conn.query(settings).unwrap(), before);
    conn.execute("ROLLBACK TO SAVEPOINT cutover_snapshot; COMMIT").unwrap();
    let after = conn.query("SELECT current_setting('TimeZone')").unwrap();
    assert_eq!(after, [[Some("Asia/Tokyo".to_owned())]]);
}

#[test]
fn an_error_leaves_the_session_as_it_was() {
    let database = server().create_database("locked");
    database.psql("CREATE TABLE a (id integer CHECK (id > 0))");
    let plain = read(&database.url());
    let mut holder = database.session();
    holder.run("BEGIN; LOCK TABLE a IN ACCESS EXCLUSIVE MODE");
    let mut conn = crate::connect(&database.url());
    conn.execute("SET lock_timeout = '20ms'; SET search_path = public").unwrap();
    let inside = "SELECT now() <> statement_timestamp(), current_setting('search_path')";
    for (begin, open) in [("SELECT 1", "f"), ("BEGIN", "t")] {
        conn.execute(begin).unwrap();
        let error = db::snapshot::read(conn.as_mut()).unwrap_err();
        assert_eq!(error.kind, ErrorKind::LockTimeout, "{error}");
        let expected = [open, "public"].map(|text| Some(text.to_owned()));
        assert_eq!(conn.query(inside).unwrap(), [expected]);
    }
    holder.run("ROLLBACK");
    assert_equal(&plain, &db::snapshot::read(conn.as_mut()).unwrap());
}

#[test]
fn a_standby_is_read_as_its_primary() {
    let primary = Server::private(&[("wal_level", "replica"), ("max_wal_senders", "4")], None);
    let standby = primary.standby();
    let database = primary.create_database("primary");
    database.psql(RICH);
    let position = database.psql("SELECT pg_current_wal_lsn()");
    let replayed = format!("SELECT pg_last_wal_replay_lsn() >= '{position}'");
    testkit::wait_until("the standby has replayed it", || standby.psql(&replayed) == "t");
    assert_equal(&read(&database.url()), &read(&standby.url_of(database.name())));
}

#[test]
fn rows_order_and_counters_make_no_difference() {
    let (first, second) = (server().create_database("first"), server().create_database("second"));
    first.psql(
        "CREATE TABLE a (id serial PRIMARY KEY, n text, m integer); CREATE VIEW v AS SELECT id, n FROM a",
    );
    second.psql(
        "CREATE TABLE _prisma_migrations (id text PRIMARY KEY); CREATE TABLE a (m integer, gone text, id serial PRIMARY KEY);
         ALTER TABLE a DROP COLUMN gone; ALTER TABLE a ADD COLUMN n text; CREATE VIEW v AS SELECT id, n FROM a;
         INSERT INTO a (n) SELECT 'x' FROM generate_series(1, 100); ANALYZE; VACUUM a",
    );
    assert_equal(&read(&first.url()), &read(&second.url()));
}

#[test]
fn what_is_not_as_usual_stands_behind_the_statement() {
    let database = server().create_database("states");
    database.psql(
        "CREATE TABLE a (id integer); CREATE INDEX i ON a (id); UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'i'::regclass;
         CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
         CREATE TRIGGER t AFTER INSERT ON a EXECUTE FUNCTION f(); ALTER TABLE a ENABLE REPLICA TRIGGER t;
         ALTER TABLE a ADD CONSTRAINT k CHECK (id > 0) NOT VALID",
    );
    let snapshot = read(&database.url());
    let name = Name { schema: Some("public".to_owned()), name: "a".to_owned() };
    let (_, table) = snapshot.find(ObjectKind::Table, &name).unwrap();
    for (kind, name, text) in [
        (PartKind::Index, "i", "CREATE INDEX i ON public.a USING btree (id) INVALID"),
        (
            PartKind::Trigger,
            "t",
            "CREATE TRIGGER t AFTER INSERT ON public.a FOR EACH STATEMENT EXECUTE FUNCTION public.f() REPLICA",
        ),
        (PartKind::Constraint, "k", "CHECK ((id > 0)) NOT VALID"),
    ] {
        assert_eq!(table.part(kind, name), Some(text));
    }
}
