//! Poolers that share sessions are told apart from those that do not, however busy they are.

use crate::connect;
use db::{session, sharing};
use testkit::pgbouncer::PgBouncer;
use testkit::postgres::{Database, server};

/// How often each pool is asked.
const TIMES: usize = 20;

/// How often a pool is said to share sessions.
fn found_shared(pooler: &PgBouncer, database: &Database<'_>) -> usize {
    let url = format!("{}?pgbouncer=true", pooler.url(&database.url()));
    let ask = |_: &usize| {
        let (mut conn, mut side) = (connect(&url), connect(&url));
        let answering = session::defaults(conn.as_mut()).unwrap().process;
        assert!(sharing::is_proxied(conn.as_ref(), answering), "a pooler makes up the process that it tells");
        sharing::shares_sessions(conn.as_mut(), side.as_mut()).unwrap()
    };
    (0..TIMES).filter(ask).count()
}

#[test]
fn a_pool_in_transaction_mode_is_always_found() {
    for size in ["1", "2", "3", "8"] {
        for in_turn in ["0", "1"] {
            let database = server().create_database("shared");
            let settings =
                [("pool_mode", "transaction"), ("default_pool_size", size), ("server_round_robin", in_turn)];
            let pooler = PgBouncer::start(server(), &settings);
            assert_eq!(found_shared(&pooler, &database), TIMES, "idle, {size} sessions, in turn: {in_turn}");
            // Eight sessions contend for themselves only with more clients than that.
            let _busy = pooler.keep_busy(&database, 10);
            assert_eq!(found_shared(&pooler, &database), TIMES, "busy, {size} sessions, in turn: {in_turn}");
        }
    }
}

#[test]
fn a_pool_in_session_mode_is_never_taken_for_shared() {
    let database = server().create_database("kept");
    let pooler = PgBouncer::start(server(), &[("pool_mode", "session"), ("default_pool_size", "20")]);
    assert_eq!(found_shared(&pooler, &database), 0);
}

#[test]
fn a_pool_in_which_a_second_connection_gets_no_session_counts_as_shared() {
    let database = server().create_database("full");
    let pooler = PgBouncer::start(server(), &[("pool_mode", "session"), ("default_pool_size", "1")]);
    let url = format!("{}?pgbouncer=true", pooler.url(&database.url()));
    let (mut conn, mut side) = (connect(&url), connect(&url));
    assert!(sharing::shares_sessions(conn.as_mut(), side.as_mut()).unwrap());
}

#[test]
fn without_a_pooler_the_process_is_the_one_that_was_told() {
    let database = server().create_database("direct");
    let mut conn = connect(&database.url());
    let answering = session::defaults(conn.as_mut()).unwrap().process;
    assert!(!sharing::is_proxied(conn.as_ref(), answering));
}
