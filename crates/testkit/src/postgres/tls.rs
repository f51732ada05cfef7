//! Certificates that a server of a test gets.

use crate::certificates::{AUTHORITY, Order, Validity, Workshop};
use std::path::{Path, PathBuf};

/// Files in PEM form: an authority of its own, what it signed for a server named `localhost` and
/// 127.0.0.1, and for a client named `postgres`. Valid for a day; gone with the server's folder.
#[derive(Debug)]
pub struct Certificates {
    /// The authority's certificate, for `sslrootcert`.
    pub root: PathBuf,
    /// The server's certificate.
    pub server: PathBuf,
    /// The server's key.
    pub server_key: PathBuf,
    /// The client's certificate, for `sslcert`.
    pub client: PathBuf,
    /// The client's key, for `sslkey`; readable by its owner alone, as libpq wants it.
    pub client_key: PathBuf,
}

impl Certificates {
    /// Makes all files in `folder`, which is made too.
    ///
    /// # Panics
    /// When the `openssl` program is missing or fails.
    pub fn make(folder: &Path) -> Self {
        let workshop = Workshop::new(folder);
        let order = |name, common_name, issuer, extensions| {
            workshop.make(&Order { name, common_name, issuer, extensions, validity: Validity::Now });
        };
        order("root", "testkit-authority", None, AUTHORITY);
        order("server", "localhost", Some("root"), "subjectAltName = DNS:localhost, IP:127.0.0.1\n");
        order("client", "postgres", Some("root"), "extendedKeyUsage = clientAuth\n");
        Self {
            root: workshop.path("root.crt"),
            server: workshop.path("server.crt"),
            server_key: workshop.path("server.key"),
            client: workshop.path("client.crt"),
            client_key: workshop.path("client.key"),
        }
    }
}
