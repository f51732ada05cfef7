//! MySQL and MariaDB: `mysql://user:password@host:port/database?parameters`.
//!
//! Read for messages only; parameters are not looked at before this database can be connected to.

use super::url;
use diagnostics::{Result, Secret};

const PORT: u16 = 3306;

/// A MySQL or MariaDB server and database.
#[derive(Clone, Debug)]
pub struct MySqlTarget {
    /// Name or address, without brackets.
    pub host: String,
    /// TCP port, 3306 unless given.
    pub port: u16,
    /// The user; `root` unless given.
    pub user: String,
    /// The password, decoded.
    pub password: Option<Secret>,
    /// The database; `mysql` unless given.
    pub database: String,
    /// Host and port as the URL writes them.
    pub(super) written_location: String,
    pub(super) secrets: Vec<Secret>,
}

impl MySqlTarget {
    /// Reads what follows `mysql://`.
    pub(super) fn parse(rest: &str) -> Result<Self> {
        let pieces = url::split(rest)?;
        let place = url::host_port(pieces.hosts)?;
        let or = |text: String, default: &str| if text.is_empty() { default.to_owned() } else { text };
        let password = pieces.password.map(url::decode).transpose()?.filter(|password| !password.is_empty());
        let secrets = match (&password, pieces.password) {
            (Some(decoded), Some(written)) => url::secret_forms(decoded, written),
            _ => Vec::new(),
        };
        Ok(Self {
            host: or(url::decode(place.host)?, "localhost"),
            port: place.port.unwrap_or(PORT),
            user: or(url::decode(pieces.user.unwrap_or_default())?, "root"),
            password: password.map(Secret::new),
            database: or(url::decode(pieces.path)?, "mysql"),
            written_location: or(pieces.hosts.to_owned(), "localhost"),
            secrets,
        })
    }

    /// Another database on the same server.
    #[must_use]
    pub fn with_database(&self, name: &str) -> Self {
        Self { database: name.to_owned(), ..self.clone() }
    }
}
