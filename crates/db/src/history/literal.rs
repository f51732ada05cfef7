//! Texts as SQL that means the same under every setting that a script could have left behind.

use diagnostics::Provider;
use std::fmt::Write as _;

/// A literal that says the same under every setting that a script could have left behind.
pub(crate) fn literal(provider: Provider, text: &str) -> String {
    match provider {
        Provider::PostgreSql => postgres_literal(text),
        Provider::MySql => {
            let mut hex = String::with_capacity(text.len() * 2 + 20);
            hex.push_str("_utf8mb4 0x");
            for byte in text.bytes() {
                let _ = write!(hex, "{byte:02x}");
            }
            if text.is_empty() { "''".to_owned() } else { hex }
        }
        Provider::Sqlite => format!("'{}'", text.replace('\'', "''")),
    }
}

/// A text as an expression of ASCII characters alone: means the same whatever `standard_conforming_strings` and
/// `client_encoding` are, and whatever the encoding of the database is (SQL_ASCII has no Unicode escapes).
pub(crate) fn postgres_literal(text: &str) -> String {
    if text.is_ascii() {
        let plain = text.bytes().all(|byte| byte != b'\\' && byte != b'\'');
        return if plain {
            format!("'{text}'")
        } else {
            format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
        };
    }
    let mut out = String::with_capacity(text.len() * 2 + 64);
    out.push_str("pg_catalog.convert_from(E'\\\\x");
    for byte in text.bytes() {
        let _ = write!(out, "{byte:02x}");
    }
    out.push_str("'::pg_catalog.bytea, 'UTF8')");
    out
}

/// A quoted identifier of PostgreSQL or SQLite.
pub fn quote_identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn postgres_literals_are_ascii() {
        assert_eq!(postgres_literal("plain"), "'plain'");
        assert_eq!(postgres_literal("a\\'"), r"E'a\\'''");
        let hex = r"pg_catalog.convert_from(E'\\x61c3a9'::pg_catalog.bytea, 'UTF8')";
        assert_eq!(postgres_literal("aé"), hex);
    }
}
