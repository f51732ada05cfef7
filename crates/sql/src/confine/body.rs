//! Blocks and the bodies of routines, triggers and events: read statement by statement.

use super::{Confines, Escape, Tokens, calls};
use crate::kind::{DdlVerb, Kind};
use crate::scanner::{Token, TokenKind};
use crate::words::unquote_string;
use diagnostics::Provider;

/// What begins a command that may reach out, of PostgreSQL. Wherever one of these words stands in a body it is read as the
/// beginning of that command: where a statement can begin is not decided, so that nothing can hide from it.
const POSTGRES: [&str; 26] = [
    "ALTER",
    "CHECKPOINT",
    "CLUSTER",
    "COMMENT",
    "COPY",
    "CREATE",
    "DISCARD",
    "DO",
    "DROP",
    "EXECUTE",
    "GRANT",
    "IMPORT",
    "LISTEN",
    "LOAD",
    "LOCK",
    "NOTIFY",
    "PREPARE",
    "REASSIGN",
    "REINDEX",
    "RESET",
    "REVOKE",
    "SECURITY",
    "SHOW",
    "TRUNCATE",
    "UNLISTEN",
    "VACUUM",
];

/// The same of MySQL and MariaDB. SET is looked at wherever it stands, by `calls`.
const MYSQL: [&str; 33] = [
    "ALTER",
    "BACKUP",
    "BINLOG",
    "CACHE",
    "CHANGE",
    "CLONE",
    "CREATE",
    "DEALLOCATE",
    "DROP",
    "EXECUTE",
    "FLUSH",
    "GRANT",
    "HANDLER",
    "HELP",
    "IMPORT",
    "INSTALL",
    "KILL",
    "LOAD",
    "LOCK",
    "PREPARE",
    "PURGE",
    "RENAME",
    "RESET",
    "RESTART",
    "REVOKE",
    "SHUTDOWN",
    "START",
    "STOP",
    "TRUNCATE",
    "UNINSTALL",
    "UNLOCK",
    "USE",
    "XA",
];

/// Of the body of a statement that is no routine: a block, a trigger, an event.
pub(super) fn escape(confines: &Confines, tokens: Tokens<'_>, kind: &Kind) -> Option<Escape> {
    match (confines.provider(), kind) {
        (Provider::PostgreSql, Kind::Do) => of_strings(confines, tokens),
        (Provider::MySql, Kind::Do) => commands(confines, tokens, 1),
        (Provider::MySql, Kind::Ddl(DdlVerb::Create | DdlVerb::Alter)) => {
            let made = |at: &usize| tokens.any(*at, &["TRIGGER", "EVENT"]);
            let program = (0..tokens.all.len()).take(8).find(made)?;
            commands(confines, tokens, program + 1)
        }
        _ => None,
    }
}

/// Of the body of a routine.
pub(super) fn of_routine(confines: &Confines, tokens: Tokens<'_>) -> Option<Escape> {
    match confines.provider() {
        Provider::PostgreSql => calls::escape(confines, tokens, 0).or_else(|| of_strings(confines, tokens)),
        Provider::MySql => {
            let arguments = tokens.all.iter().position(|token| token.is_symbol(b'(')).unwrap_or_default();
            calls::escape(confines, tokens, arguments).or_else(|| commands(confines, tokens, arguments))
        }
        Provider::Sqlite => None,
    }
}

/// The language that a routine or block of PostgreSQL says it is in. Within parentheses it is the name of an argument.
pub(super) fn language(tokens: Tokens<'_>) -> Option<String> {
    let mut depth = 0_usize;
    let at = (0..tokens.all.len()).find(|at| {
        depth += usize::from(tokens.symbol(*at, b'('));
        depth = depth.saturating_sub(usize::from(tokens.symbol(*at, b')')));
        depth == 0 && tokens.word(*at, "LANGUAGE")
    })? + 1;
    let token = tokens.all.get(at)?;
    match token.kind {
        TokenKind::String => unquote_string(token.span.slice(tokens.text)).map(|name| name.to_lowercase()),
        _ => tokens.name(at),
    }
}

/// The bodies of PostgreSQL, each with its language: strings behind AS or DO. None: it is written so that it is not read.
pub(crate) fn bodies(text: &str, all: &[Token]) -> Vec<(String, Option<String>)> {
    let tokens = Tokens { text, all };
    let is_block = tokens.word(0, "DO");
    let language = language(tokens).unwrap_or_else(|| if is_block { "plpgsql" } else { "sql" }.to_owned());
    let is_body = |at: usize| {
        let before = at.wrapping_sub(1);
        tokens.word(before, "AS")
            || (is_block && !tokens.word(before, "LANGUAGE"))
            // A second string: the symbol in a library.
            || tokens.symbol(before, b',') && at >= 3 && tokens.word(at - 3, "AS")
    };
    let strings = all.iter().enumerate().filter(|(_, token)| token.kind == TokenKind::String);
    strings
        .filter(|(at, _)| is_body(*at))
        .map(|(_, token)| (language.clone(), unquote_string(token.span.slice(text))))
        .collect()
}

fn of_strings(confines: &Confines, tokens: Tokens<'_>) -> Option<Escape> {
    bodies(tokens.text, tokens.all).into_iter().find_map(|(language, body)| {
        let Some(body) = body else { return Some(Escape::unknown("its body is not read")) };
        match language.as_str() {
            "sql" => of_sql(confines, &body),
            "plpgsql" => of_plpgsql(confines, &body),
            other => Some(Escape::unknown(format!("it is code in the language {other}"))),
        }
    })
}

fn of_sql(confines: &Confines, body: &str) -> Option<Escape> {
    let Ok(script) = crate::statement::split(body, &confines.options) else {
        return Some(Escape::unknown("its body is not read"));
    };
    script.statements.iter().find_map(|statement| {
        let text = statement.span.slice(body);
        match confines.tokens(text) {
            Some(tokens) => confines.of_part(Tokens { text, all: &tokens }),
            None => Some(super::unread()),
        }
    })
}

fn of_plpgsql(confines: &Confines, body: &str) -> Option<Escape> {
    match confines.tokens(body) {
        Some(tokens) => {
            let tokens = Tokens { text: body, all: &tokens };
            calls::escape(confines, tokens, 0).or_else(|| commands(confines, tokens, 0))
        }
        None => Some(super::unread()),
    }
}

/// The commands that stand anywhere in a body, from the token `from` on.
fn commands(confines: &Confines, tokens: Tokens<'_>, from: usize) -> Option<Escape> {
    let words: &[&str] = match confines.provider() {
        Provider::MySql => &MYSQL,
        _ => &POSTGRES,
    };
    // No statement begins behind these, and none goes on with those: it is the name of a column or a variable.
    let is_name = |at: usize| {
        let before = [b'.', b',', b'(', b'=', b'+', b'-']
            .iter()
            .any(|symbol| tokens.symbol(at.wrapping_sub(1), *symbol));
        let behind = [b'.', b',', b')', b'='].iter().any(|symbol| tokens.symbol(at + 1, *symbol));
        before || behind
    };
    (from..tokens.all.len()).filter(|at| tokens.any(*at, words) && !is_name(*at)).find_map(|at| {
        // START TRANSACTION; DECLARE CONTINUE HANDLER.
        let harmless = (tokens.word(at, "START") && tokens.word(at + 1, "TRANSACTION"))
            || (tokens.word(at, "HANDLER") && tokens.any(at.wrapping_sub(1), &["CONTINUE", "EXIT", "UNDO"]));
        if harmless { None } else { confines.of_part(tokens.statement(at)) }
    })
}
