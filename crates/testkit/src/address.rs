//! The addresses of servers that run already, as `cargo xtask test` passes them on.

use std::path::PathBuf;

/// The parts of a server's URL.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) user: String,
    pub(crate) password: Option<String>,
    pub(crate) socket_dir: Option<PathBuf>,
}

impl Address {
    /// Reads the address in the environment variable `name`, when it is set. Its form is
    /// `scheme://user[:password]@host:port/database[?host=socket-folder]`, nothing percent-encoded.
    pub(crate) fn from_env(name: &str) -> Option<Self> {
        let url = std::env::var(name).ok()?;
        let address = Self::parse(&url);
        Some(address.unwrap_or_else(|| {
            panic!(
                "{name} is not of the form scheme://user[:password]@host:port/database[?host=socket-folder]"
            )
        }))
    }

    fn parse(url: &str) -> Option<Self> {
        let (_, rest) = url.split_once("://")?;
        let (rest, parameters) = rest.split_once('?').unwrap_or((rest, ""));
        let (credentials, rest) = rest.rsplit_once('@')?;
        let (address, _) = rest.split_once('/')?;
        let (host, port) = address.rsplit_once(':')?;
        let (user, password) = match credentials.split_once(':') {
            Some((user, password)) => (user, Some(password.to_owned())),
            None => (credentials, None),
        };
        let socket_dir = parameters.split('&').find_map(|pair| pair.strip_prefix("host=")).map(PathBuf::from);
        Some(Self { host: host.into(), port: port.parse().ok()?, user: user.into(), password, socket_dir })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_part() {
        let address = Address::parse("postgresql://me:se:cret@127.0.0.1:5433/postgres?host=/tmp/s").unwrap();
        let expected = Address {
            host: "127.0.0.1".into(),
            port: 5433,
            user: "me".into(),
            password: Some("se:cret".into()),
            socket_dir: Some("/tmp/s".into()),
        };
        assert_eq!(address, expected);
        assert_eq!(Address::parse("postgresql://localhost/x"), None);
    }
}
