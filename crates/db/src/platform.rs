// One table: every platform that is recognised, with its way out. Long because it is a table.
//! Which platform is at the other end, as far as its address or its answer says, and what to do about it there.
//!
//! What lives here: one static table and pure functions over it. A line is advice: it never decides whether a
//! migration runs, except those of [`Moment::Server`] and the hosts of [`refused_host`], which name products that
//! keep other promises.
//!
//! What does not live here: proofs. That a pooler shares sessions is proven by `session::shares_sessions`, not
//! believed because of a host's name.
//!
//! To add a platform: a line in [`TABLE`], in order of its name, and the answer of its server in `tests.rs`.

#[cfg(test)]
mod tests;

use crate::DbError;
use crate::target::{Address, Kind, Target};

/// When a line counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// Connecting failed, or a statement of our own.
    Connect,
    /// A pooler that shares server sessions was proven.
    Shared,
    /// A statement of a migration failed.
    Statement,
    /// Nothing is known but the URL.
    Url,
    /// The server has said its version: it is refused.
    Server,
}

/// A mark by which a platform is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// The host's name begins with this.
    HostPrefix(&'static str),
    /// The host's name ends with this.
    HostSuffix(&'static str),
    /// The host's name holds this.
    HostInfix(&'static str),
    /// The port.
    Port(u16),
    /// The URL names a socket below this directory.
    SocketBelow(&'static str),
    /// SQLSTATE, or the server's error number.
    Code(&'static str),
    /// A piece of the error's text, in any case.
    Text(&'static str),
    /// A piece of what the server prints as its version, in any case.
    Version(&'static str),
}

/// A platform in one situation.
#[derive(Debug)]
pub struct Line {
    /// The platform's name.
    pub platform: &'static str,
    /// All of these must be seen.
    pub signs: &'static [Sign],
    /// When it counts.
    pub moments: &'static [Moment],
    /// One sentence that ends with what to type or to set.
    pub way_out: &'static str,
}

use Moment::{Connect, Server, Shared, Statement, Url};
use Sign::{Code, HostInfix, HostPrefix, HostSuffix, Port, SocketBelow, Text, Version};

const fn line(
    platform: &'static str,
    signs: &'static [Sign],
    moments: &'static [Moment],
    way_out: &'static str,
) -> Line {
    Line { platform, signs, moments, way_out }
}

const ELSEWHERE: &str = "Its migrations stay with the vendor's tool; to deploy with cutover, give the URL of a PostgreSQL, MySQL, MariaDB or \
     SQLite database with `--url`.";
const TOKEN: &str = "If the password is a token, which expires within minutes, have it made anew for every connection: `url = { command = \
     [...] }` in cutover.toml.";

/// Every line, sorted by platform.
pub static TABLE: &[Line] = &[
    line("Amazon Aurora DSQL", &[HostInfix(".dsql."), HostSuffix(".on.aws")], &[Url], ELSEWHERE),
    line("Amazon Aurora DSQL", &[Version("aurora dsql")], &[Server], ELSEWHERE),
    line("Amazon RDS", &[Text("PAM authentication failed")], &[Connect], TOKEN),
    line("Amazon RDS", &[HostSuffix(".rds.amazonaws.com"), Code("1045")], &[Connect], TOKEN),
    line(
        "Amazon RDS Proxy",
        &[Code("0A000"), Text("RDS Proxy")],
        &[Connect],
        "The proxy takes no start-up options; give the address of the cluster or instance itself (its name has no `.proxy-`) as \
         `directUrl` or with `--url`.",
    ),
    line(
        "Amazon RDS Proxy",
        &[HostInfix(".proxy-"), HostSuffix(".rds.amazonaws.com")],
        &[Shared, Url],
        "Give the address of the cluster or instance itself (its name has no `.proxy-`) as `directUrl` or with `--url`.",
    ),
    line("Amazon Redshift", &[Version("redshift")], &[Server], ELSEWHERE),
    line(
        "Azure Database for PostgreSQL",
        &[Code("28000"), Text("token"), Text("expired")],
        &[Connect],
        TOKEN,
    ),
    line(
        "Azure Database for PostgreSQL",
        &[Code("28P01"), Text("token"), Text("expired")],
        &[Connect],
        TOKEN,
    ),
    line(
        "Azure Database for PostgreSQL",
        &[Text("is not allow-listed")],
        &[Statement],
        "Add the extension's name to the server parameter `azure.extensions`, then `cutover migrate deploy`.",
    ),
    line(
        "Azure Database for PostgreSQL, or another server that demands TLS",
        &[Text("no pg_hba.conf entry"), Text("no encryption")],
        &[Connect],
        "The connection was not encrypted; if the server demands TLS, set `sslmode=require` in the URL.",
    ),
    line(
        "Citus",
        &[Text("parallel DDL access")],
        &[Statement],
        "Begin the migration with `SET LOCAL citus.multi_shard_modify_mode TO 'sequential';`, then `cutover migrate deploy`.",
    ),
    line(
        "Cloud SQL",
        &[SocketBelow("/cloudsql/"), Text("No such file or directory")],
        &[Connect],
        "Is the instance attached to this job? The platform makes the socket only then: `gcloud run jobs update JOB \
         --set-cloudsql-instances INSTANCE`.",
    ),
    line("CockroachDB", &[Version("cockroachdb")], &[Server], ELSEWHERE),
    line(
        "Galera",
        &[Code("1235"), Text("GET_LOCK in cluster")],
        &[Connect],
        "This release refuses locks in a cluster; upgrade MariaDB to 10.6.14, 10.11.4 or newer, then `cutover migrate deploy`.",
    ),
    line(
        "MySQL",
        &[Code("1419")],
        &[Statement],
        "With binary logging on, routines and triggers need a privilege that managed servers withhold; set the server parameter \
         `log_bin_trust_function_creators = 1`.",
    ),
    line(
        "MySQL",
        &[Code("3750")],
        &[Connect, Statement],
        "The server takes no table without a primary key; add one to the `CREATE TABLE`, or set `sql_require_primary_key = OFF`.",
    ),
    line(
        "Neon",
        &[HostInfix("-pooler."), HostSuffix(".neon.tech")],
        &[Shared, Url],
        "The direct address is the same host without `-pooler`; give it as `directUrl` or with `--url`.",
    ),
    line(
        "Percona XtraDB Cluster",
        &[Text("prohibits use of GET_LOCK"), Text("pxc_strict_mode")],
        &[Connect],
        "For the time of the deploy, allow locks on the node that it runs on: `SET GLOBAL pxc_strict_mode = PERMISSIVE`.",
    ),
    line(
        "PgBouncer",
        &[Text("unsupported startup parameter")],
        &[Connect],
        "The pooler takes no start-up options; give the direct address of the server as `directUrl` or with `--url`.",
    ),
    line(
        "PlanetScale",
        &[Code("1105"), Text("direct DDL is disabled")],
        &[Connect, Statement],
        "Safe migrations are on for this branch; deploy to a development branch and open a deploy request: `pscale deploy-request \
         create DATABASE BRANCH`.",
    ),
    line(
        "PlanetScale for PostgreSQL",
        &[HostSuffix(".psdb.cloud"), Port(6432)],
        &[Shared, Url],
        "Port 6432 is the pooler; give the same URL with port `5432` as `directUrl` or with `--url`.",
    ),
    line(
        "PostgreSQL",
        &[Code("53300")],
        &[Connect],
        "All connections are taken; end some (a deploy needs two), or wait for a free one with `cutover migrate deploy --wait-db 60s`.",
    ),
    line(
        "Prisma Postgres",
        &[HostPrefix("pooled."), HostSuffix(".prisma.io")],
        &[Shared, Url],
        "The direct host is `db.prisma.io`, with the same user and password; give it as `directUrl` or with `--url`.",
    ),
    line(
        "Supabase",
        &[HostPrefix("db."), HostSuffix(".supabase.co"), Text("network is unreachable")],
        &[Connect],
        "This host has an IPv6 address only; from a network without IPv6 use the session pooler, the host `*.pooler.supabase.com` \
         with port `5432`.",
    ),
    line(
        "Supabase",
        &[HostSuffix(".pooler.supabase.com"), Port(6543)],
        &[Shared, Url],
        "Port 6543 shares sessions and 5432 of the same host does not; give the same URL with port `5432` as `directUrl` or with \
         `--url`.",
    ),
    line(
        "Supabase",
        &[Text("Tenant or user not found")],
        &[Connect],
        "The pooler finds the project by the user's name; write the user in the URL as `postgres.PROJECT-REF`.",
    ),
    line("TiDB", &[Version("tidb")], &[Server], ELSEWHERE),
    line("YugabyteDB", &[Version("-yb-")], &[Server], ELSEWHERE),
];

/// The lines that an error matches.
pub fn of_error(moment: Moment, target: &Target, error: &DbError) -> Vec<&'static Line> {
    matching(moment, &|sign| has_place(target, sign) || has_error(error, sign))
}

/// The lines that the URL alone matches.
pub fn of_url(moment: Moment, target: &Target) -> Vec<&'static Line> {
    matching(moment, &|sign| has_place(target, sign))
}

/// The product that a version names, if it is one that is refused.
pub fn refused_version(version: &str) -> Option<&'static Line> {
    let version = version.to_ascii_lowercase();
    matching(Server, &|sign| matches!(sign, Version(mark) if version.contains(mark))).into_iter().next()
}

/// The product that the host's name gives away, if it is one that is refused.
pub fn refused_host(target: &Target) -> Option<&'static Line> {
    of_url(Url, target).into_iter().find(|line| line.platform == "Amazon Aurora DSQL")
}

fn matching(moment: Moment, seen: &dyn Fn(Sign) -> bool) -> Vec<&'static Line> {
    TABLE
        .iter()
        .filter(|line| line.moments.contains(&moment) && line.signs.iter().all(|&sign| seen(sign)))
        .collect()
}

fn has_error(error: &DbError, sign: Sign) -> bool {
    let holds = |text: &str, piece: &str| text.to_ascii_lowercase().contains(&piece.to_ascii_lowercase());
    match sign {
        Code(code) => error.code == code,
        Text(piece) => holds(&error.text(), piece),
        _ => false,
    }
}

fn has_place(target: &Target, sign: Sign) -> bool {
    match &target.kind {
        Kind::Postgres(postgres) => postgres.hosts.iter().any(|host| match &host.address {
            Address::Tcp { host, port } => is_host(host, *port, sign),
            Address::Unix { directory, .. } => is_socket(directory, sign),
        }),
        Kind::MySql(mysql) => match &mysql.socket {
            Some(socket) => is_socket(socket, sign),
            None => is_host(&mysql.host, mysql.port, sign),
        },
        Kind::Sqlite(_) => false,
    }
}

fn is_host(host: &str, number: u16, sign: Sign) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    match sign {
        HostPrefix(prefix) => host.starts_with(prefix),
        HostSuffix(suffix) => host.ends_with(suffix),
        HostInfix(infix) => host.contains(infix),
        Port(port) => number == port,
        _ => false,
    }
}

fn is_socket(path: &std::path::Path, sign: Sign) -> bool {
    matches!(sign, SocketBelow(directory) if path.starts_with(directory))
}
