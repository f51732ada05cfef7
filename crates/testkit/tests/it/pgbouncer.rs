//! Throwaway poolers.

use testkit::pgbouncer::PgBouncer;
use testkit::postgres::server;

#[test]
fn a_pooler_answers_in_the_mode_that_was_asked_for_and_can_be_kept_busy() {
    let database = server().create_database("pooled");
    let pooler = PgBouncer::start(server(), &[("pool_mode", "transaction"), ("default_pool_size", "1")]);
    assert_eq!(
        pooler.url(&database.url()),
        database.url().replace(&server().port().to_string(), &pooler.port().to_string())
    );
    let mode = |settings: &str| settings.lines().any(|line| line.starts_with("pool_mode|transaction"));
    assert!(mode(&pooler.console("SHOW CONFIG")), "{}", pooler.console("SHOW CONFIG"));
    let busy = pooler.keep_busy(&database, 4);
    // Every other session of this database is the pooler's. What it runs just now may be a BEGIN, a SELECT or a COMMIT.
    let sessions = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND backend_type = 'client backend' \
                    AND pid <> pg_backend_pid()";
    assert_eq!(database.psql(sessions), "1", "one session for all of them");
    drop(busy);
    assert!(pooler.log().contains(database.name()));
}
