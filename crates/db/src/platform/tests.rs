//! The table against what servers were seen to answer.

use super::*;
use crate::ErrorKind;
use diagnostics::Secret;
use std::collections::BTreeSet;
use std::path::Path;

const PLAIN: &str = "postgresql://u@h/d";

/// What is seen, and the platform that it is: moment, URL, code, text.
const SEEN: &[(Moment, &str, &str, &str, &str)] = &[
    (Connect, PLAIN, "28000", "PAM authentication failed for user \"app\"", "Amazon RDS"),
    (
        Connect,
        "mysql://u@shop.abc.eu-west-1.rds.amazonaws.com/d",
        "1045",
        "Access denied for user 'u'@'10.0.0.1' (using password: YES)",
        "Amazon RDS",
    ),
    (
        Connect,
        PLAIN,
        "0A000",
        "Feature not supported: RDS Proxy currently doesn't support command-line options.",
        "Amazon RDS Proxy",
    ),
    (Url, "postgresql://u@shop.proxy-abc.eu-west-1.rds.amazonaws.com/d", "", "", "Amazon RDS Proxy"),
    (Connect, PLAIN, "28000", "The access token has expired", "Azure Database for PostgreSQL"),
    (
        Connect,
        PLAIN,
        "28P01",
        "The access token has expired. Acquire a new token",
        "Azure Database for PostgreSQL",
    ),
    (
        Statement,
        PLAIN,
        "0A000",
        "Extension \"hstore\" is not allow-listed for \"azure_pg_admin\" users in Azure Database for PostgreSQL",
        "Azure Database for PostgreSQL",
    ),
    (
        Connect,
        PLAIN,
        "28000",
        "no pg_hba.conf entry for host \"10.0.0.1\", user \"u\", database \"d\", no encryption",
        "Azure Database for PostgreSQL, or another server that demands TLS",
    ),
    (
        Statement,
        PLAIN,
        "XX000",
        "cannot execute DDL on table \"a\" because there was a parallel DDL access to distributed table \"b\" in the same transaction",
        "Citus",
    ),
    (
        Connect,
        "postgresql://u@localhost/d?host=/cloudsql/p:r:i",
        "",
        "No such file or directory (os error 2)",
        "Cloud SQL",
    ),
    (
        Connect,
        "mysql://u@localhost/d?socket=/cloudsql/p:r:i",
        "",
        "Input/output error: No such file or directory (os error 2)",
        "Cloud SQL",
    ),
    (
        Connect,
        "mysql://u@h/d",
        "1235",
        "This version of MariaDB doesn't yet support 'GET_LOCK in cluster (WSREP_ON=ON)'",
        "Galera",
    ),
    (
        Statement,
        "mysql://u@h/d",
        "1419",
        "You do not have the SUPER privilege and binary logging is enabled",
        "MySQL",
    ),
    (
        Statement,
        "mysql://u@h/d",
        "3750",
        "Unable to create or change a table without a primary key, when the system variable 'sql_require_primary_key' is set.",
        "MySQL",
    ),
    (Shared, "postgresql://u@ep-cool-1-pooler.eu-central-1.aws.neon.tech/d", "", "", "Neon"),
    (
        Connect,
        "mysql://u@h/d",
        "1105",
        "Percona-XtraDB-Cluster prohibits use of GET_LOCK with pxc_strict_mode = ENFORCING",
        "Percona XtraDB Cluster",
    ),
    (Connect, PLAIN, "08P01", "unsupported startup parameter: search_path", "PgBouncer"),
    (Statement, "mysql://u@h/d", "1105", "direct DDL is disabled", "PlanetScale"),
    (Url, "postgresql://u@eu-west-1.horizon.psdb.cloud:6432/d", "", "", "PlanetScale for PostgreSQL"),
    (Connect, PLAIN, "53300", "sorry, too many clients already", "PostgreSQL"),
    (Url, "postgresql://u@pooled.db.prisma.io/d", "", "", "Prisma Postgres"),
    (
        Connect,
        "postgresql://u@db.abcdef.supabase.co/d",
        "",
        "Network is unreachable (os error 101)",
        "Supabase",
    ),
    (Url, "postgresql://u@aws-0-eu-central-1.pooler.supabase.com:6543/d", "", "", "Supabase"),
    (Connect, PLAIN, "XX000", "Tenant or user not found", "Supabase"),
    (Url, "postgresql://u@abc.dsql.us-east-1.on.aws/d", "", "", "Amazon Aurora DSQL"),
];

const VERSIONS: &[(&str, &str)] = &[
    ("PostgreSQL 16.1 (Aurora DSQL)", "Amazon Aurora DSQL"),
    ("PostgreSQL 8.0.2 on i686-pc-linux-gnu, Redshift 1.0.12103", "Amazon Redshift"),
    ("CockroachDB CCL v23.1.11 (x86_64-pc-linux-gnu)", "CockroachDB"),
    ("5.7.25-TiDB-v7.1.0", "TiDB"),
    ("PostgreSQL 11.2-YB-2.18.0.0-b0 on x86_64-pc-linux-gnu", "YugabyteDB"),
];

fn target(url: &str) -> Target {
    Target::parse(&Secret::new(url), Path::new("/")).unwrap().0
}

/// A target whose host would be refused when the URL is read.
fn postgres_at(url: &str) -> Target {
    let (host, port) =
        url.trim_start_matches("postgresql://u@").trim_end_matches("/d").split_once(':').map_or_else(
            || (url.trim_start_matches("postgresql://u@").trim_end_matches("/d"), 5432),
            |(host, port)| (host, port.parse().unwrap()),
        );
    let mut target = target(PLAIN);
    if let Kind::Postgres(postgres) = &mut target.kind {
        postgres.hosts[0].address = Address::Tcp { host: host.to_owned(), port };
    }
    target
}

fn seen(moment: Moment, url: &str, code: &str, text: &str) -> Vec<&'static Line> {
    let target = if url.contains(".dsql.") { postgres_at(url) } else { target(url) };
    let mut error = DbError::new(ErrorKind::Other, text);
    error.code = code.to_owned();
    if text.is_empty() { of_url(moment, &target) } else { of_error(moment, &target, &error) }
}

#[test]
fn the_table_is_sorted_and_every_way_out_is_a_sentence() {
    assert!(TABLE.is_sorted_by_key(|line| line.platform.to_lowercase()));
    for line in TABLE {
        let text = line.way_out;
        assert!(text.starts_with(char::is_uppercase) && text.ends_with('.'), "{}: {text}", line.platform);
        assert!(
            text.contains('`') || text.contains("cutover.toml"),
            "{}: nothing to type or set",
            line.platform
        );
        assert!(!line.signs.is_empty() && !line.moments.is_empty(), "{}", line.platform);
    }
}

#[test]
fn every_line_is_known_by_an_answer_of_its_server_and_by_no_other() {
    let place = |line: &Line| std::ptr::from_ref(line) as usize;
    let mut hit = BTreeSet::new();
    for &(moment, url, code, text, platform) in SEEN {
        let lines = seen(moment, url, code, text);
        let names: Vec<&str> = lines.iter().map(|line| line.platform).collect();
        assert_eq!(names, [platform], "{url} {code} {text}");
        hit.extend(lines.into_iter().map(place));
    }
    for &(version, platform) in VERSIONS {
        let line = refused_version(version).unwrap();
        assert_eq!(line.platform, platform);
        hit.insert(place(line));
    }
    for line in TABLE {
        assert!(
            hit.contains(&place(line)),
            "nothing here is answered as {} does: {:?}",
            line.platform,
            line.signs
        );
    }
}

#[test]
fn what_is_unrelated_matches_nothing() {
    for (url, code, text) in [
        (PLAIN, "42P01", "relation \"a\" does not exist"),
        (PLAIN, "28P01", "password authentication failed for user \"u\""),
        (PLAIN, "", "No such file or directory (os error 2)"),
        (PLAIN, "", "Network is unreachable (os error 101)"),
        (PLAIN, "0A000", "cannot alter type of a column used by a view"),
        ("mysql://u@h/d", "1045", "Access denied for user 'u'@'h' (using password: YES)"),
        ("mysql://u@h/d", "1105", "Unknown error"),
        (
            "mysql://u@h/d",
            "1235",
            "This version of MySQL doesn't yet support 'LIMIT & IN/ALL/ANY/SOME subquery'",
        ),
    ] {
        for moment in [Connect, Shared, Statement, Url] {
            assert!(seen(moment, url, code, text).is_empty(), "{moment:?} {url} {code} {text}");
        }
    }
    for url in [
        "postgresql://u@aws-0-eu-central-1.pooler.supabase.com:5432/d",
        "postgresql://u@ep-cool-1.eu-central-1.aws.neon.tech/d",
        "postgresql://u@db.prisma.io/d",
        "postgresql://u@eu-west-1.horizon.psdb.cloud:5432/d",
        "postgresql://u@h:6432/d",
        "mysql://u@h/d",
        "file:dev.db",
    ] {
        assert!(of_url(Shared, &target(url)).is_empty() && of_url(Url, &target(url)).is_empty(), "{url}");
    }
    for version in ["PostgreSQL 15.18 (Debian 15.18-0+deb12u1)", "10.11.19-MariaDB-0+deb12u1", "8.0.36"] {
        assert!(refused_version(version).is_none(), "{version}");
    }
}
