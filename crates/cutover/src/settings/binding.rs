//! Where an environment may be reached from (`only_when`), and that no other name and no URL leads to its database from elsewhere.
//!
//! Only the variables of the process count: a `.env` file comes with the checkout, and anybody can write one.

use super::tables::Tables;
use super::{Arguments, Given, Surroundings};
use db::target::{Address, Kind, Target};
use diagnostics::{Failure, Result, codes};
use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, ToSocketAddrs};
use std::path::Path;

/// Another environment of `cutover.toml` that is bound to something.
#[derive(Debug)]
pub(super) struct Bound {
    pub(super) name: String,
    pub(super) tables: Tables,
    /// Its URL is asked of a program, which is not run to compare it.
    pub(super) by_program: bool,
}

impl Surroundings {
    /// Whether this database may be reached from here.
    ///
    /// # Errors
    /// C2038.
    pub(super) fn check_binding(&self, given: &Given, target: &Target, arguments: &Arguments) -> Result<()> {
        let environment = given.environment.as_ref().map(|setting| setting.value.as_str());
        if let Some(why) = given.tables.unbound(&self.variables) {
            let what =
                environment.map_or("this database".to_owned(), |name| format!("the environment {name}"));
            return Err(refused(&format!("{what} is {why}")));
        }
        for bound in given.bound.iter().filter(|bound| Some(bound.name.as_str()) != environment) {
            let Some(why) = bound.tables.unbound(&self.variables).filter(|_| !bound.by_program) else {
                continue;
            };
            // One whose URL is not to be had here cannot be meant either.
            let Ok(other) = self.database_of(&bound.name, arguments) else { continue };
            if is_same(&other, target) {
                return Err(refused(&format!(
                    "this is the database of the environment {}, which is {why}",
                    bound.name
                )));
            }
        }
        Ok(())
    }
}

/// Whether both are one database, as far as names tell: hosts by what they resolve to, files by what they are.
fn is_same(one: &Target, other: &Target) -> bool {
    if let (Kind::Sqlite(one), Kind::Sqlite(other)) = (&one.kind, &other.kind) {
        let real = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        return real(&one.path) == real(&other.path);
    }
    one.provider == other.provider
        && one.database() == other.database()
        && (one.location() == other.location() || !addresses(one).is_disjoint(&addresses(other)))
}

/// Where a server is reached. All of this machine's own addresses are one.
fn addresses(target: &Target) -> BTreeSet<(IpAddr, u16)> {
    let resolved = |host: &str, port: u16| -> Vec<(IpAddr, u16)> {
        let found = (host, port).to_socket_addrs().into_iter().flatten();
        found.map(|address| (if address.ip().is_loopback() { HERE } else { address.ip() }, port)).collect()
    };
    match &target.kind {
        Kind::Postgres(postgres) => {
            let hosts = postgres.hosts.iter().flat_map(|host| match &host.address {
                Address::Tcp { host, port } => resolved(host, *port),
                Address::Unix { port, .. } => vec![(HERE, *port)],
            });
            hosts.collect()
        }
        Kind::MySql(mysql) if mysql.socket.is_some() => BTreeSet::from([(HERE, mysql.port)]),
        Kind::MySql(mysql) => resolved(&mysql.host, mysql.port).into_iter().collect(),
        Kind::Sqlite(_) => BTreeSet::new(),
    }
}

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn refused(title: &str) -> Failure {
    Failure::coded(&codes::C2038, title).or_help(codes::C2038.way_out)
}
