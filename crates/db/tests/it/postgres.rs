//! What only PostgreSQL has: notices, positions, keys, lost connections, cancelling, the catalogue.

use crate::connect;
use db::lock::{self, Key};
use db::probe::{self, Attachment};
use db::{Batch, ErrorKind, Flow, Outcome, Reply, Step, activity};
use sql::Name;
use testkit::postgres::server;

#[test]
fn notices_arrive_with_the_statement_that_caused_them() {
    let database = server().create_database("notices");
    let mut conn = connect(&database.url());
    let batch: Batch<'_> =
        ["SELECT 1", "DO $$ BEGIN RAISE WARNING 'boo' USING HINT = 'hint'; END $$", "SELECT 2"]
            .into_iter()
            .map(Step::new)
            .collect();
    let mut seen = Vec::new();
    let outcome = conn.send(&batch, &mut |reply| {
        match reply {
            Reply::Notice { index, notice } => {
                seen.push(format!("{index} {}: {}", notice.severity, notice.message))
            }
            Reply::Done { index, answer } => seen.push(format!("{index} {}", answer.tags.join(", "))),
            _ => {}
        }
        Flow::Continue
    });
    assert!(matches!(outcome, Outcome::Completed), "{outcome:?}");
    assert_eq!(seen, ["0 SELECT 1", "1 WARNING: boo", "1 DO", "2 SELECT 1"]);
}

#[test]
fn commit_of_a_failed_transaction_is_told_by_its_tag() {
    let database = server().create_database("tags");
    let mut conn = connect(&database.url());
    let batch: Batch<'_> = ["BEGIN", "SELECT nope", "COMMIT"].into_iter().map(Step::new).collect();
    let outcome = conn.send(&batch, &mut |_| Flow::Continue);
    assert!(matches!(outcome, Outcome::Failed { index: 1, .. }), "the first error counts: {outcome:?}");
    let mut tags = Vec::new();
    conn.send(&["BEGIN", "COMMIT"].into_iter().map(Step::new).collect(), &mut |reply| {
        if let Reply::Done { answer, .. } = reply {
            tags.push((answer.tags.join(", "), answer.in_transaction));
        }
        Flow::Continue
    });
    assert_eq!(tags, [("BEGIN".to_owned(), true), ("COMMIT".to_owned(), false)]);
}

#[test]
fn a_terminated_session_is_a_lost_connection() {
    let database = server().create_database("lost");
    let mut conn = connect(&database.url());
    let process = conn.info().process.unwrap();
    let mut asked = false;
    let outcome = conn.send(
        &["SELECT 1", "SELECT pg_sleep(60)", "SELECT 2"].into_iter().map(Step::new).collect(),
        &mut |reply| {
            if matches!(reply, Reply::Done { index: 0, .. }) && !asked {
                asked = true;
                database.psql(&format!("SELECT pg_terminate_backend({process})"));
            }
            Flow::Continue
        },
    );
    let Outcome::Lost { index: 1, cause } = outcome else { panic!("{outcome:?}") };
    assert_eq!((cause.kind, cause.code.as_str()), (ErrorKind::ConnectionLost, "57P01"));
    assert!(conn.poisoned());
    assert_eq!(conn.execute("SELECT 1").unwrap_err().kind, ErrorKind::ConnectionLost);
}

#[test]
fn a_statement_is_cancelled_from_another_thread() {
    let database = server().create_database("cancel");
    let mut conn = connect(&database.url());
    let cancel = conn.canceller();
    let process = conn.info().process.unwrap();
    let mut watcher = connect(&database.url());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            testkit::wait_until("the statement runs", || {
                activity::backend(watcher.as_mut(), process).unwrap().is_some_and(|backend| {
                    backend.query.as_deref() == Some("SELECT pg_sleep(60)") && !backend.is_idle()
                })
            });
            cancel.cancel().unwrap();
        });
        assert_eq!(conn.execute("SELECT pg_sleep(60)").unwrap_err().kind, ErrorKind::Cancelled);
    });
    assert_eq!(conn.query("SELECT 1").unwrap().len(), 1);
}

#[test]
fn a_key_excludes_a_second_session_and_names_its_holder() {
    let database = server().create_database("keys");
    let (mut first, mut second) = (connect(&database.url()), connect(&database.url()));
    assert!(lock::holder(second.as_mut(), Key::Cutover).unwrap().is_none());
    assert!(lock::try_session_key(first.as_mut(), Key::Cutover).unwrap());
    assert!(!lock::try_session_key(second.as_mut(), Key::Cutover).unwrap());
    assert!(!lock::key_is_free(second.as_mut(), Key::Cutover).unwrap());
    assert!(lock::holds_session_key(first.as_mut(), Key::Cutover).unwrap());
    assert!(!lock::holds_session_key(second.as_mut(), Key::Cutover).unwrap());
    let holder = lock::holder(second.as_mut(), Key::Cutover).unwrap().unwrap();
    assert_eq!(Some(holder.process), first.info().process);
    assert_eq!(holder.application.as_deref(), Some("cutover"));
    assert!(lock::release_session_key(first.as_mut(), Key::Cutover).unwrap());
    assert!(lock::key_is_free(second.as_mut(), Key::Cutover).unwrap());
}

#[test]
fn an_index_is_known_by_its_definition() {
    let database = server().create_database("probe");
    database.psql(
        "CREATE TABLE \"T t\" (id int, n text); CREATE UNIQUE INDEX \"I\" ON \"T t\" (lower(n), id DESC) WHERE id > 0;
         CREATE TABLE p (id int) PARTITION BY RANGE (id); CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (9)",
    );
    let mut conn = connect(&database.url());
    let table = Name::unqualified("T t");
    let found = probe::index(conn.as_mut(), &table, "I").unwrap().unwrap();
    assert_eq!((found.qualified.as_str(), found.valid, found.building), ("public.\"I\"", true, false));
    let text = "(LOWER(n), id desc) WHERE (id>0)";
    let expected = probe::expected_definition(conn.as_mut(), &table, true, text).unwrap();
    assert_eq!(expected.as_deref(), Some(found.definition.as_str()));
    let other = probe::expected_definition(conn.as_mut(), &table, false, text).unwrap();
    assert_ne!(other.as_deref(), Some(found.definition.as_str()), "unique is part of it");
    assert!(probe::index(conn.as_mut(), &table, "other").unwrap().is_none());
    assert!(probe::relation_exists_beside(conn.as_mut(), &table, "I").unwrap());
    let (parent, partition) = (Name::unqualified("p"), Name::unqualified("p1"));
    assert_eq!(probe::attachment(conn.as_mut(), &parent, &partition).unwrap(), Attachment::Attached);
    database.psql("ALTER TABLE p DETACH PARTITION p1");
    assert_eq!(probe::attachment(conn.as_mut(), &parent, &partition).unwrap(), Attachment::Detached);
}

#[test]
fn who_feeds_a_standby_is_never_ended() {
    use db::activity::{Blocker, Ended, Which, end};
    let server =
        testkit::postgres::Server::private(&[("wal_level", "replica"), ("max_wal_senders", "4")], None);
    let _standby = server.standby();
    let feeding = "SELECT pid, backend_start FROM pg_stat_replication WHERE state = 'streaming'";
    testkit::wait_until("the standby follows", || !server.psql(feeding).is_empty());
    let found = server.psql(feeding);
    let (process, started) = found.split_once('|').unwrap();
    let sender = Blocker {
        process: process.parse().unwrap(),
        started: Some(started.to_owned()),
        ..Blocker::default()
    };
    let mut conn = crate::connect(&server.url_of("postgres"));
    let spared = end(conn.as_mut(), &sender, Which::Open(std::time::Duration::ZERO)).unwrap();
    // It has no transaction, so that none of its is old enough either.
    assert_eq!(spared, Ended::NotDue);
    assert_eq!(server.psql(feeding), found);
}

/// What the server calls volatile and a migration may call all the same: it reads, or what it changes is the session's or the
/// database's own; `bernoulli` and `system` are methods of sampling, and cannot be called.
const VOLATILE: &str = "bernoulli clock_timestamp currval gen_random_uuid lastval nextval pg_advisory_lock \
    pg_advisory_unlock pg_advisory_xact_lock pg_indexes_size pg_is_in_recovery pg_notify \
    pg_relation_size pg_sleep pg_table_size pg_total_relation_size pg_try_advisory_lock \
    pg_try_advisory_xact_lock random set_config setseed setval suppress_redundant_updates_trigger system \
    timeofday tsvector_update_trigger";

#[test]
fn no_function_that_changes_something_counts_as_staying_inside() {
    let database = server().create_database("volatile");
    let names = database.psql(
        "SELECT string_agg(DISTINCT proname, ' ') FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace AND provolatile = 'v' AND \
         prorettype NOT IN (SELECT oid FROM pg_type WHERE typname IN ('internal', 'cstring'))",
    );
    let options = sql::Options::new(diagnostics::Provider::PostgreSql);
    let confines = sql::Confines::new(options, &[], &[]);
    let stays = |name: &&str| {
        // `set_config` stays where it names what it sets.
        let text = format!("SELECT {name}('application_name', '')");
        let script = sql::split(&text, &options).unwrap();
        confines.escape(&script.statements[0], &text).is_none()
    };
    assert!(names.split(' ').count() > 100, "{names}");
    assert_eq!(names.split(' ').filter(stays).collect::<Vec<_>>().join(" "), VOLATILE);
}
