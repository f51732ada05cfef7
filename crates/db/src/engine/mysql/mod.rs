//! MySQL and MariaDB: the I/O half.
//!
//! `conn` runs statements, `tunnel` makes TLS, `convert` translates the driver's errors. Nothing outside of this
//! directory names the driver.

pub(crate) mod activity;
mod conn;
mod convert;
mod tunnel;

pub(crate) use convert::wait_that_ended;

use super::Refusal;
use crate::conn::{Conn, ServerInfo};
use crate::history::TABLE;
use crate::target::MySqlTarget;
use crate::{DbError, ErrorKind};
use conn::MySqlConn;
use mysql_async::OptsBuilder;
use std::sync::Arc;
use system::{OwnAddress, network};
use tokio::runtime::Runtime;
use tunnel::Tunnel;

/// The oldest servers that the contract was written for.
const OLDEST_MARIADB: u32 = 100_600;
const OLDEST_MYSQL: u32 = 80_000;

fn runtime() -> Result<Runtime, DbError> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| {
        DbError::new(ErrorKind::Other, format!("cannot start the connection's runtime: {error}"))
    })
}

/// Connects to the database of the target.
pub(crate) fn connect(target: &MySqlTarget) -> Result<Box<dyn Conn>, DbError> {
    Ok(Box::new(open(&Arc::new(target.clone()), Some(&target.database))?))
}

/// Connects; without a database where none is named.
fn open(target: &Arc<MySqlTarget>, database: Option<&str>) -> Result<MySqlConn, DbError> {
    let runtime = runtime()?;
    let target = &Arc::new(target.renewed()?);
    if let Some(socket) = &target.socket {
        let refused = |error: std::io::Error| DbError::new(ErrorKind::Unreachable, error.to_string());
        network::check_local(socket).map_err(refused)?;
    }
    let work = async {
        // A socket is never encrypted: what goes through it does not leave the machine.
        let tunnel = match (&target.tls, &target.socket) {
            (Some(_), None) => Some(tunnel::open(target).await?),
            _ => None,
        };
        let options = options(target, database, tunnel.as_ref());
        let connected = mysql_async::Conn::new(options).await;
        connected.map_err(|error| match tunnel.as_ref().and_then(Tunnel::refusal) {
            Some(refusal) => refusal,
            None => convert::connect_error(&error),
        })
    };
    let driver = runtime.block_on(async {
        match target.connect_timeout {
            Some(limit) => tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
                let message = format!("no answer within {} s (connect_timeout)", limit.as_secs());
                Err(DbError::new(ErrorKind::Unreachable, message))
            }),
            None => work.await,
        }
    })?;
    let process = i32::try_from(driver.id()).ok();
    let mut conn = MySqlConn {
        runtime,
        driver: Some(driver),
        info: ServerInfo { process, ..ServerInfo::default() },
        target: Arc::clone(target),
        in_transaction: false,
    };
    conn.info.version = first(conn.query("SELECT VERSION()")?);
    conn.info.version_number = version_number(&conn.info.version);
    Ok(conn)
}

fn options(target: &MySqlTarget, database: Option<&str>, tunnel: Option<&Tunnel>) -> OptsBuilder {
    let options = OptsBuilder::default()
        .user(Some(&target.user))
        .pass(target.password.as_ref().map(|password| password.expose().to_owned()))
        .db_name(database)
        // What is found is what is counted: an UPDATE that changes nothing has found its row all the same.
        .client_found_rows(true)
        .stmt_cache_size(0)
        .prefer_socket(false)
        .tcp_keepalive(Some(std::time::Duration::from_secs(60)));
    match (&target.socket, tunnel) {
        (Some(socket), _) => options.socket(Some(socket.display().to_string())),
        (None, Some(tunnel)) => match &tunnel.address {
            OwnAddress::Socket(name) => options.socket(Some(name.clone())),
            OwnAddress::Port(port) => options.ip_or_hostname("127.0.0.1").tcp_port(*port),
        },
        (None, None) => options.ip_or_hostname(&target.host).tcp_port(target.port),
    }
}

/// 101119 for `10.11.19-MariaDB-0+deb12u1`, 80036 for `8.0.36`.
fn version_number(text: &str) -> u32 {
    // Old MariaDB servers say `5.5.5-` first, for old clients.
    let text = text.strip_prefix("5.5.5-").unwrap_or(text);
    let mut parts = text.split(|character: char| !character.is_ascii_digit());
    let mut next = || parts.next().and_then(|part| part.parse::<u32>().ok()).unwrap_or_default();
    next() * 10_000 + next() * 100 + next()
}

fn first(rows: crate::Rows) -> String {
    rows.into_iter().flatten().flatten().next().unwrap_or_default()
}

/// Creates the database of the target, connected to none.
pub(crate) fn create_database(target: &MySqlTarget) -> Result<(), DbError> {
    let mut conn = open(&Arc::new(target.clone()), None)?;
    let name = quote_identifier(&target.database);
    // Prisma's own words: the server's default may be latin1.
    match conn.execute(&format!("CREATE DATABASE {name} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci")) {
        Ok(()) => Ok(()),
        // Of many that create it at once all but one fail; what counts is that it is there.
        Err(error) => connect(target).map(drop).map_err(|_| error),
    }
}

/// Drops it.
pub(crate) fn drop_database(target: &MySqlTarget) -> Result<(), DbError> {
    let mut conn = open(&Arc::new(target.clone()), None)?;
    conn.execute(&format!("DROP DATABASE IF EXISTS {}", quote_identifier(&target.database)))
}

/// Whether the database has no table. The reference counts tables, not views.
pub(crate) fn is_empty(conn: &mut dyn Conn) -> Result<bool, DbError> {
    let sql = format!(
        "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE() AND table_type = 'BASE TABLE' \
         AND table_name <> '{TABLE}'"
    );
    Ok(first(conn.query(&sql)?) == "0")
}

/// Why this server cannot take migrations.
pub(crate) fn refusal(conn: &mut dyn Conn) -> Result<Option<Refusal>, DbError> {
    let (version, number) = (conn.info().version.clone(), conn.info().version_number);
    let maria = conn.info().is_maria();
    let (product, oldest) = if maria { ("MariaDB", OLDEST_MARIADB) } else { ("MySQL", OLDEST_MYSQL) };
    if let Some(refusal) = Refusal::of_version(&version) {
        return Ok(Some(refusal));
    }
    if number < oldest {
        return Ok(Some(Refusal::Unsupported(format!(
            "the server is {product} {version}; the oldest supported version is {}.{}",
            oldest / 10_000,
            oldest / 100 % 100
        ))));
    }
    let rows = conn.query(
        "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('read_only', 'super_read_only', 'innodb_read_only') AND Value IN \
         ('ON', '1')",
    )?;
    // `read_only` binds those without the privilege to write all the same; only a try would tell.
    let binding =
        rows.iter().filter_map(|row| row.first().cloned().flatten()).find(|name| name != "read_only");
    Ok(binding.map(|name| Refusal::ReadOnly(format!("{name} is on: the server takes no writes"))))
}

/// A quoted identifier.
fn quote_identifier(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

#[cfg(test)]
mod tests {
    use super::version_number;

    #[test]
    fn version_numbers_are_read_from_what_servers_print() {
        assert_eq!(version_number("10.11.19-MariaDB-0+deb12u1"), 101_119);
        assert_eq!(version_number("5.5.5-10.6.12-MariaDB"), 100_612);
        assert_eq!(version_number("8.0.36"), 80_036);
        assert_eq!(version_number("8.4.0-commercial"), 80_400);
        assert_eq!(version_number(""), 0);
    }
}
