//! Where a run was at work: the database, by which address, and what the server says of itself. Stored with the run, so that
//! another database, which a copy brings it to, tells that it was elsewhere.

use db::Conn;
use db::target::Target;
use serde::{Deserialize, Serialize};
use std::fmt;

/// A database at a place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    /// The database's name.
    database: String,
    /// The URL's address of the server.
    address: String,
    /// Where the server says that it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    itself: Option<String>,
    /// What tells the server from others. Stored in a column of its own.
    #[serde(skip)]
    server: Option<String>,
}

/// What two places say about each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Likeness {
    /// The same database of the same server.
    Same,
    /// The same server by another address, or a copy of it: what tells servers apart is copied with the files.
    Perhaps,
    /// Another database, or another server.
    Other,
}

impl Place {
    /// Where a connection leads, and as which role.
    ///
    /// # Errors
    /// What the server or the connection says.
    pub(crate) fn of(conn: &mut dyn Conn, target: &Target) -> Result<(Self, Option<String>), db::DbError> {
        let found = db::server::identify(conn, target)?;
        let server = db::server::server_id(conn)?;
        let place =
            Self { database: found.database, address: target.location(), itself: found.address, server };
        Ok((place, found.user))
    }

    /// As it was stored. Older rows have a text.
    pub(crate) fn read(stored: &str, server: Option<&str>) -> Self {
        let place = serde_json::from_str(stored).unwrap_or_else(|_| {
            let (database, address) = stored.rsplit_once(" at ").unwrap_or((stored, ""));
            Self { database: database.to_owned(), address: address.to_owned(), ..Self::default() }
        });
        Self { server: server.map(str::to_owned), ..place }
    }

    /// As it is stored.
    pub(crate) fn stored(&self) -> Option<String> {
        // Texts always serialise.
        serde_json::to_string(self).ok()
    }

    pub(crate) fn server(&self) -> Option<&str> {
        self.server.as_deref()
    }

    /// Compares with where somebody is now.
    pub(crate) fn likeness(&self, now: &Self) -> Likeness {
        let one_address = self.address == now.address || (self.itself.is_some() && self.itself == now.itself);
        match (&self.server, &now.server) {
            _ if self.database != now.database => Likeness::Other,
            (Some(then), Some(now)) if then != now => Likeness::Other,
            _ if one_address => Likeness::Same,
            (Some(_), Some(_)) => Likeness::Perhaps,
            _ => Likeness::Other,
        }
    }
}

impl fmt::Display for Place {
    /// `shop at db:5432`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.address.as_str() {
            "" => f.write_str(&self.database),
            address => write!(f, "{} at {address}", self.database),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(database: &str, address: &str, itself: Option<&str>, server: Option<&str>) -> Place {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        Place {
            database: database.to_owned(),
            address: address.to_owned(),
            itself: owned(itself),
            server: owned(server),
        }
    }

    #[test]
    fn a_copy_is_told_from_another_address() {
        let here = place("x at y", "localhost:3306", Some("db1:3306"), None);
        for (then, likeness) in [
            (place("x at y", "127.0.0.1:3306", Some("db1:3306"), None), Likeness::Same),
            (place("x at y", "localhost:3306", None, None), Likeness::Same),
            (place("x at y", "other:3306", Some("db2:3306"), None), Likeness::Other),
            (place("x", "localhost:3306", Some("db1:3306"), None), Likeness::Other),
        ] {
            assert_eq!(then.likeness(&here), likeness, "{then:?}");
        }
        let here = place("shop", "new:5432", Some("10.0.0.2:5432"), Some("7"));
        for (then, likeness) in [
            (place("shop", "old:5432", Some("10.0.0.1:5432"), Some("7")), Likeness::Perhaps),
            (place("shop", "tunnel:9999", Some("10.0.0.2:5432"), Some("7")), Likeness::Same),
            (place("shop", "new:5432", Some("10.0.0.2:5432"), Some("8")), Likeness::Other),
        ] {
            assert_eq!(then.likeness(&here), likeness, "{then:?}");
        }
    }

    #[test]
    fn what_was_stored_is_read() {
        let here = place("x at y", "localhost:5432", Some("::1:5432"), Some("7"));
        assert_eq!(Place::read(&here.stored().unwrap(), Some("7")), here);
        assert_eq!(
            Place::read("x at y at localhost:5432", None),
            place("x at y", "localhost:5432", None, None)
        );
    }
}
