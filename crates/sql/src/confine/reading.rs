//! Settings that decide how the server reads texts: with another value than the one that we read by, statements hide in what looks
//! like a string. Only values that change nothing of that are let through.

use super::{Escape, Tokens};
use crate::scanner::TokenKind;
use crate::words::unquote_string;

/// PostgreSQL's, each with its harmless values, in lower case. Of an encoding they are those in which no other character's byte is that of
/// a quote or a backslash, and which all that we read is valid in.
const POSTGRES: [(&str, &[&str]); 3] = [
    ("standard_conforming_strings", &["on", "true", "yes", "1"]),
    ("client_encoding", &["utf8", "utf-8", "unicode"]),
    ("backslash_quote", &["safe_encoding", "on", "off"]),
];

/// The character sets of MySQL and MariaDB in which a byte of ASCII is nothing else.
const CHARACTER_SETS: [&str; 7] = ["utf8", "utf8mb3", "utf8mb4", "latin1", "ascii", "binary", "default"];

/// Of PostgreSQL, at a name.
pub(super) fn of_postgres(tokens: Tokens<'_>, at: usize, name: &str) -> Option<Escape> {
    if name == "set_config" {
        return of_set_config(tokens, at);
    }
    let name =
        if name == "names" && tokens.word(at.wrapping_sub(1), "SET") { "client_encoding" } else { name };
    let (setting, values) = POSTGRES.iter().find(|(setting, _)| *setting == name)?;
    // It is asked for.
    if tokens.any(at.wrapping_sub(1), &["SHOW", "RESET"]) {
        return None;
    }
    let equals = usize::from(tokens.symbol(at + 1, b'=') || tokens.word(at + 1, "TO"));
    let harmless = value(tokens, at + 1 + equals).is_some_and(|value| values.contains(&&*value));
    (!harmless || !ends(tokens, at + 2 + equals)).then(|| undecided(setting))
}

/// `set_config('name', ...)`: of a setting that is written down, and is none of these.
fn of_set_config(tokens: Tokens<'_>, at: usize) -> Option<Escape> {
    let name = tokens.all.get(at + 2).filter(|token| token.kind == TokenKind::String);
    let name = name.and_then(|token| unquote_string(token.span.slice(tokens.text)));
    let named = name.filter(|_| tokens.symbol(at + 1, b'(') && tokens.symbol(at + 3, b','));
    let harmless = named.is_some_and(|name| {
        let name = name.trim().to_lowercase();
        name != "role" && POSTGRES.iter().all(|(setting, _)| *setting != name)
    });
    (!harmless).then(|| undecided("set_config"))
}

/// Of MySQL and MariaDB, at a name.
pub(super) fn of_mysql(tokens: Tokens<'_>, at: usize, name: &str) -> Option<Escape> {
    let before = at.wrapping_sub(1);
    match name {
        "sql_mode" => (!reads_mode(tokens, at)).then(|| undecided("sql_mode")),
        "names" | "charset" if tokens.word(before, "SET") => of_character_set(tokens, at + 1),
        "character" if tokens.word(before, "SET") && tokens.word(at + 1, "SET") => {
            of_character_set(tokens, at + 2)
        }
        "character_set_client" => {
            let equals = at + 1 + usize::from(tokens.symbol(at + 1, b':'));
            if tokens.symbol(equals, b'=') { of_character_set(tokens, equals + 1) } else { None }
        }
        _ => None,
    }
}

fn of_character_set(tokens: Tokens<'_>, at: usize) -> Option<Escape> {
    let harmless = value(tokens, at).is_some_and(|value| CHARACTER_SETS.contains(&&*value));
    let ends = ends(tokens, at + 1) || tokens.word(at + 1, "COLLATE");
    (!harmless || !ends).then(|| undecided("character set"))
}

/// `sql_mode` that is asked for, or set to a text that changes nothing of how statements are read.
fn reads_mode(tokens: Tokens<'_>, at: usize) -> bool {
    let equals = at + 1 + usize::from(tokens.symbol(at + 1, b':'));
    if !tokens.symbol(equals, b'=') {
        return true;
    }
    let Some(value) = tokens.all.get(equals + 1).filter(|token| token.kind == TokenKind::String) else {
        return false;
    };
    let text = value.span.slice(tokens.text).to_uppercase();
    let changing = ["ANSI", "NO_BACKSLASH", "ORACLE", "MSSQL", "DB2", "MAXDB", "POSTGRESQL", "MYSQL"];
    ends(tokens, equals + 2) && !changing.iter().any(|mode| text.contains(mode))
}

/// A value that is written down, in lower case.
fn value(tokens: Tokens<'_>, at: usize) -> Option<String> {
    let token = tokens.all.get(at)?;
    let raw = token.span.slice(tokens.text);
    match token.kind {
        TokenKind::String => unquote_string(raw).map(|value| value.to_lowercase()),
        TokenKind::Number => Some(raw.to_owned()),
        _ => tokens.name(at),
    }
}

/// Nothing more belongs to the value.
fn ends(tokens: Tokens<'_>, at: usize) -> bool {
    tokens.all.get(at).is_none_or(|token| token.is_symbol(b',') || token.is_symbol(b';'))
}

fn undecided(setting: &str) -> Escape {
    Escape::unknown(format!("how texts are read is decided while it runs ({setting})"))
}
