//! PostgreSQL: the I/O half.
//!
//! `conn` runs statements, `link` makes the connection, `observer` reads along, `cancel` cancels, `convert`
//! translates the driver's errors. Nothing outside of this directory names the
//! driver.

pub(crate) mod activity;
mod cancel;
mod conn;
mod convert;
mod link;
mod observer;

use super::Refusal;
use crate::conn::{Conn, ServerInfo};
use crate::history::{TABLE, postgres_literal, quote_identifier};
use crate::target::{Address, PostgresTarget, TargetSessionAttrs};
use crate::{DbError, ErrorKind};
use conn::PostgresConn;
use observer::Observer;
use std::sync::Arc;
use tokio::runtime::Runtime;

/// The oldest server that the contract was written for.
const OLDEST: u32 = 120_000;

fn runtime() -> Result<Runtime, DbError> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| {
        DbError::new(ErrorKind::Other, format!("cannot start the connection's runtime: {error}"))
    })
}

/// Connects to the first host of the target that is there and is what `target_session_attrs` asks for.
pub(crate) fn connect(target: &PostgresTarget) -> Result<Box<dyn Conn>, DbError> {
    let target = Arc::new(target.renewed()?);
    let mut last = DbError::new(ErrorKind::Unreachable, "the URL names no host");
    // `prefer-standby` is a second round in which anything will do.
    let rounds: &[TargetSessionAttrs] = match target.target_session_attrs {
        TargetSessionAttrs::PreferStandby => &[TargetSessionAttrs::Standby, TargetSessionAttrs::Any],
        _ => std::slice::from_ref(&target.target_session_attrs),
    };
    for wanted in rounds {
        for host in &target.hosts {
            match connect_address(&target, &host.address) {
                Ok(mut conn) => match unwanted(&mut conn, *wanted)? {
                    None => return Ok(Box::new(conn)),
                    Some(reason) => last = DbError::new(ErrorKind::Unreachable, reason),
                },
                // A host that is not there, or not ready, may have a sibling that is. A refusal by a server
                // is an answer.
                Err(error) if matches!(error.kind, ErrorKind::Unreachable | ErrorKind::NotReady) => {
                    last = error;
                }
                Err(error) => return Err(error),
            }
        }
    }
    Err(last)
}

fn connect_address(target: &Arc<PostgresTarget>, address: &Address) -> Result<PostgresConn, DbError> {
    let runtime = runtime()?;
    let observer = Observer::default();
    let config = driver_config(target, true);
    let mut connected = runtime.block_on(link::connect(target, address, &config, &observer));
    let refused_options =
        connected.as_ref().err().is_some_and(|error| matches!(error.code.as_str(), "08P01" | "0A000"));
    if refused_options {
        // A pooler that does not know start-up options; what they would say is then said by statements, once it is known
        // whether the session is ours.
        let config = driver_config(target, false);
        connected = runtime.block_on(link::connect(target, address, &config, &observer));
    }
    let (client, driver) = connected?;
    let version = driver.parameter("server_version").unwrap_or_default().to_owned();
    let on = |name: &str| driver.parameter(name) == Some("on");
    let process = observer.seen().process;
    let info = ServerInfo {
        version_number: version_number(&version),
        version,
        process,
        read_only: on("in_hot_standby") || on("default_transaction_read_only"),
        options_refused: refused_options || target.pgbouncer,
    };
    Ok(PostgresConn {
        runtime,
        driver: Some((client, Box::new(driver))),
        observer,
        info,
        target: Arc::clone(target),
        address: address.clone(),
        processors: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
    })
}

fn driver_config(target: &PostgresTarget, options: bool) -> tokio_postgres::Config {
    let mut config = tokio_postgres::Config::new();
    config.user(&target.user).dbname(&target.database);
    if let Some(password) = &target.password {
        config.password(password.expose());
    }
    config.application_name(target.application());
    config.channel_binding(match target.channel_binding {
        crate::target::ChannelBinding::Disable => tokio_postgres::config::ChannelBinding::Disable,
        crate::target::ChannelBinding::Prefer => tokio_postgres::config::ChannelBinding::Prefer,
        crate::target::ChannelBinding::Require => tokio_postgres::config::ChannelBinding::Require,
    });
    if options && !target.pgbouncer {
        // The last option wins: the schema of the URL is the search path, as in the reference. The cap of lock waits stands
        // here because no RESET of a script can take it away.
        let path = quote_identifier(&target.schema).replace('\\', "\\\\").replace(' ', "\\ ");
        let own = format!("-c search_path={path} -c lock_timeout={}", crate::session::LONGEST_LOCK_WAIT);
        config.options(match &target.options {
            Some(options) => format!("{options} {own}"),
            None => own,
        });
    }
    config
}

/// 150018 for `15.18 (Debian 15.18-0+deb12u1)`, 160000 for `16beta1`.
fn version_number(text: &str) -> u32 {
    let digits = |part: &str| -> u32 {
        let end = part.find(|character: char| !character.is_ascii_digit()).unwrap_or(part.len());
        part[..end].parse().unwrap_or_default()
    };
    let mut parts = text.split('.');
    let major = parts.next().map(digits).unwrap_or_default();
    let minor = parts.next().map(digits).unwrap_or_default();
    major * 10_000 + minor
}

/// Why a session is not what `target_session_attrs` asks for.
fn unwanted(conn: &mut PostgresConn, wanted: TargetSessionAttrs) -> Result<Option<&'static str>, DbError> {
    if matches!(wanted, TargetSessionAttrs::Any | TargetSessionAttrs::PreferStandby) {
        return Ok(None);
    }
    let rows = conn.query(
        "SELECT pg_catalog.pg_is_in_recovery(), pg_catalog.current_setting('transaction_read_only') = 'on'",
    )?;
    let mut values = rows.into_iter().flatten();
    let mut next = || values.next().flatten().as_deref() == Some("t");
    let (standby, read_only) = (next(), next());
    Ok(match wanted {
        TargetSessionAttrs::ReadWrite if read_only => Some("the session is read-only"),
        TargetSessionAttrs::ReadOnly if !read_only => Some("the session is not read-only"),
        TargetSessionAttrs::Primary if standby => Some("the server is a standby"),
        TargetSessionAttrs::Standby if !standby => Some("the server is not a standby"),
        _ => None,
    })
}

/// Creates the database of the target.
pub(crate) fn create_database(target: &PostgresTarget) -> Result<(), DbError> {
    let create = format!("CREATE DATABASE {}", quote_identifier(&target.database));
    match beside(target, &create) {
        Ok(()) => Ok(()),
        // Of twenty that create it at once nineteen fail; what counts is that it is there.
        Err(error) => match connect(target) {
            Ok(_) => Ok(()),
            Err(_) => Err(error),
        },
    }
}

/// Drops it, with the sessions that are in it.
pub(crate) fn drop_database(target: &PostgresTarget) -> Result<(), DbError> {
    let name = quote_identifier(&target.database);
    match beside(target, &format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")) {
        // Before version 13.
        Err(error) if error.code == "42601" => beside(target, &format!("DROP DATABASE IF EXISTS {name}")),
        other => other,
    }
}

/// Runs a statement connected to a database that every server has.
fn beside(target: &PostgresTarget, sql: &str) -> Result<(), DbError> {
    let mut last = None;
    for maintenance in ["postgres", "template1", "defaultdb"] {
        let mut conn = match connect(&target.with_database(maintenance)) {
            Ok(conn) => conn,
            Err(error) if matches!(error.kind, ErrorKind::NoSuchDatabase | ErrorKind::AccessDenied) => {
                last = Some(error);
                continue;
            }
            Err(error) => return Err(error),
        };
        return conn.execute(sql);
    }
    Err(last.unwrap_or_else(|| DbError::new(ErrorKind::Other, "no database to connect to")))
}

/// Creates a schema unless it is there.
pub(crate) fn create_schema(conn: &mut dyn Conn, schema: &str) -> Result<(), DbError> {
    let exists =
        format!("SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = {}", postgres_literal(schema));
    if !conn.query(&exists)?.is_empty() {
        return Ok(());
    }
    match conn.execute(&format!("CREATE SCHEMA IF NOT EXISTS {}", quote_identifier(schema))) {
        Ok(()) => Ok(()),
        Err(error) if conn.query(&exists)?.is_empty() => Err(error),
        Err(_) => Ok(()),
    }
}

/// Whether the schema, and the other ones that the datasource declares, have no table. Views, partitioned
/// parents, sequences and the tables of PostGIS do not count (facts of the reference).
pub(crate) fn is_empty(conn: &mut dyn Conn, schema: &str, declared: &[String]) -> Result<bool, DbError> {
    let mut names: Vec<String> = declared.iter().map(|name| postgres_literal(name)).collect();
    names.push(postgres_literal(schema));
    let sql = format!(
        "SELECT count(*) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.relkind = 'r' AND n.nspname IN ({}) AND c.relname <> '{TABLE}' AND lower(c.relname) NOT IN \
         ('spatial_ref_sys', 'geometry_columns', 'geography_columns', 'raster_columns', 'raster_overviews')",
        names.join(", ")
    );
    let rows = conn.query(&sql)?;
    Ok(rows.into_iter().flatten().flatten().next().as_deref() == Some("0"))
}

/// Why this server or session cannot take migrations.
pub(crate) fn refusal(conn: &mut dyn Conn) -> Result<Option<Refusal>, DbError> {
    let rows = conn.query(
        "SELECT pg_catalog.version(), pg_catalog.pg_is_in_recovery(), \
         pg_catalog.current_setting('default_transaction_read_only')",
    )?;
    let mut values = rows.into_iter().flatten();
    let mut next = || values.next().flatten().unwrap_or_default();
    let (version, standby, read_only) = (next(), next() == "t", next() == "on");
    if let Some(refusal) = Refusal::of_version(&version) {
        return Ok(Some(refusal));
    }
    if conn.info().version_number < OLDEST {
        return Ok(Some(Refusal::Unsupported(format!(
            "the server is PostgreSQL {}; the oldest supported version is {}",
            conn.info().version,
            OLDEST / 10_000
        ))));
    }
    Ok(if standby {
        Some(Refusal::ReadOnly("the server is a standby (in recovery)".to_owned()))
    } else if read_only {
        Some(Refusal::ReadOnly("default_transaction_read_only is on for this role or database".to_owned()))
    } else {
        None
    })
}

#[cfg(test)]
mod tests {
    use super::version_number;

    #[test]
    fn version_numbers_are_read_from_what_servers_print() {
        assert_eq!(version_number("15.18 (Debian 15.18-0+deb12u1)"), 150_018);
        assert_eq!(version_number("16beta1"), 160_000);
        assert_eq!(version_number("9.6.24"), 90_006);
        assert_eq!(version_number(""), 0);
    }
}
