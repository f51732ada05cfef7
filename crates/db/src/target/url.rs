//! Splitting a URL into its pieces, and percent-decoding. Knows nothing of any database.
//!
//! Own code instead of a URL library because connection strings are not URLs of the web: they name several
//! hosts and directories, and an unescaped `#` or `/` in a password must be told, not cut off in silence.

use super::invalid;
use diagnostics::{Failure, Result, Secret};

/// The pieces of what follows `scheme://`, as they are written.
pub(super) struct Pieces<'u> {
    pub(super) user: Option<&'u str>,
    pub(super) password: Option<&'u str>,
    /// Hosts with their ports, separated by commas.
    pub(super) hosts: &'u str,
    /// What follows the first slash, without it.
    pub(super) path: &'u str,
    /// What follows the question mark; empty if there is none.
    pub(super) query: &'u str,
}

/// Splits `user:password@hosts/path?query`.
///
/// # Errors
/// If a character that ends the authority stands unescaped in the password: with an `@` behind it the text
/// says so itself, and without this check pieces of the password would become host, port and parameters
/// that messages show.
pub(super) fn split(rest: &str) -> Result<Pieces<'_>> {
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, tail) = rest.split_at(end);
    if tail.contains('#') {
        return Err(if authority_ends_in_bad_port(authority) {
            unescaped("invalid port number")
        } else {
            unescaped("invalid character `#`")
        });
    }
    let (path, query) = tail.split_once('?').unwrap_or((tail, ""));
    if path.contains('@') {
        return Err(unescaped("invalid port number"));
    }
    let (info, hosts) = match authority.rsplit_once('@') {
        Some((info, hosts)) => (Some(info), hosts),
        None => (None, authority),
    };
    let (user, password) =
        match info.map(|info| info.split_once(':').map_or((info, None), |(u, p)| (u, Some(p)))) {
            Some((user, password)) => (Some(user), password),
            None => (None, None),
        };
    Ok(Pieces { user, password, hosts, path: path.strip_prefix('/').unwrap_or(path), query })
}

fn authority_ends_in_bad_port(authority: &str) -> bool {
    let hosts = authority.rsplit_once('@').map_or(authority, |(_, hosts)| hosts);
    hosts.rsplit_once(':').is_some_and(|(_, port)| !port.is_empty() && port.parse::<u16>().is_err())
}

/// The failure for a character that must be escaped; says how, and shows nothing of the URL.
pub(super) fn unescaped(details: &str) -> Failure {
    invalid(details).or_help(
        "Percent-encode special characters in user, password and database name: `#` is %23, `/` is %2F, `?` is %3F, `@` is %40, `:` is %3A, `%` is %25.",
    )
}

/// One host of the authority: the name as it is written (without brackets) and the port.
pub(super) struct HostPort<'u> {
    pub(super) host: &'u str,
    pub(super) port: Option<u16>,
}

/// Reads `host`, `host:port`, `[address]` or `[address]:port`.
pub(super) fn host_port(text: &str) -> Result<HostPort<'_>> {
    let (host, port) = if let Some(inner) = text.strip_prefix('[') {
        let Some((address, after)) = inner.split_once(']') else {
            return Err(unescaped("invalid IPv6 address"));
        };
        if address.parse::<std::net::Ipv6Addr>().is_err() {
            return Err(unescaped("invalid IPv6 address"));
        }
        match after.strip_prefix(':') {
            Some(port) => (address, port),
            None if after.is_empty() => (address, ""),
            None => return Err(unescaped("invalid port number")),
        }
    } else {
        match text.rsplit_once(':') {
            Some((host, _)) if host.contains(':') => {
                return Err(invalid("invalid port number").or_help(
                    "Put an IPv6 address in brackets: `postgresql://user@[::1]:5432/db`. A `:` in a password is written %3A.",
                ));
            }
            Some((host, port)) => (host, port),
            None => (text, ""),
        }
    };
    let port = if port.is_empty() { None } else { Some(self::port(port)?) };
    Ok(HostPort { host, port })
}

/// Reads a port: 1 to 65535.
pub(super) fn port(text: &str) -> Result<u16> {
    match text.parse::<u16>() {
        Ok(port) if port > 0 && text.bytes().all(|byte| byte.is_ascii_digit()) => Ok(port),
        _ => Err(unescaped("invalid port number")),
    }
}

/// `host:port`, with brackets around an IPv6 address.
pub(super) fn host_and_port(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// Replaces `%XX` by the byte it stands for. A percent sign without two digits stands for itself, as in the
/// reference: passwords that hold one work there.
///
/// # Errors
/// If the bytes are no UTF-8 text.
pub(super) fn decode(text: &str) -> Result<String> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let digits = bytes.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        match digits.and_then(|digits| Some((hex(digits[0])?, hex(digits[1])?))) {
            Some((high, low)) => {
                out.push(high << 4 | low);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8(out).map_err(|_| unescaped("a percent-encoded part is not UTF-8 text"))
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

/// The two forms of a secret that may turn up in messages: decoded, and as the URL writes it.
pub(super) fn secret_forms(decoded: &str, written: &str) -> Vec<Secret> {
    let mut forms = vec![Secret::new(decoded)];
    if written != decoded {
        forms.push(Secret::new(written));
    }
    forms
}

/// A path as the reference shows it: the characters that a web URL does not hold are percent-encoded.
pub(super) fn shown_path(written: &str) -> String {
    let mut out = String::with_capacity(written.len());
    for character in written.chars() {
        if character.is_ascii() && !character.is_ascii_control() && !" \"<>`{}^".contains(character) {
            out.push(character);
            continue;
        }
        for byte in character.encode_utf8(&mut [0; 4]).bytes() {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
