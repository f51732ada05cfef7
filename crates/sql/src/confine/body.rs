//! Blocks and the bodies of routines, triggers and events: read statement by statement.

use super::{Confines, Escape, Tokens, calls};
use crate::kind::{DdlVerb, Kind};
use crate::scanner::TokenKind;
use crate::words::unquote_string;
use diagnostics::Provider;

/// Words of a body that begin a statement of the language itself, behind which an expression or nothing stands.
const STATEMENTS: [&str; 24] = [
    "RETURN",
    "RAISE",
    "NULL",
    "PERFORM",
    "EXIT",
    "CONTINUE",
    "GET",
    "ASSERT",
    "OPEN",
    "FETCH",
    "MOVE",
    "CLOSE",
    "SELECT",
    "WITH",
    "VALUES",
    "LEAVE",
    "ITERATE",
    "SIGNAL",
    "RESIGNAL",
    "UNTIL",
    "END",
    "COMMIT",
    "ROLLBACK",
    "SAVEPOINT",
];

/// Words of a body behind which a condition stands, up to THEN, LOOP or DO.
const CONDITIONS: [&str; 9] =
    ["IF", "ELSIF", "ELSEIF", "WHEN", "CASE", "WHILE", "FOR", "FOREACH", "EXCEPTION"];

/// Of the body of a statement that is no routine: a block, a trigger, an event.
pub(super) fn escape(confines: &Confines, tokens: Tokens<'_>, kind: &Kind) -> Option<Escape> {
    match (confines.provider(), kind) {
        (Provider::PostgreSql, Kind::Do) => of_strings(confines, tokens),
        (Provider::MySql, Kind::Do) => procedural(confines, tokens),
        (Provider::MySql, Kind::Ddl(DdlVerb::Create | DdlVerb::Alter)) => {
            let start = (0..tokens.all.len()).find(|at| {
                (tokens.word(*at, "ROW") && tokens.word(at.wrapping_sub(1), "EACH")) || tokens.word(*at, "DO")
            })?;
            let made = ["TRIGGER", "EVENT"];
            let is_program = (0..start).any(|at| tokens.any(at, &made));
            let rest = Tokens { all: &tokens.all[start + 1..], ..tokens };
            is_program.then(|| procedural(confines, rest)).flatten()
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
            let start = (arguments..tokens.all.len())
                .find(|at| tokens.any(*at, &STATEMENTS) || tokens.any(*at, &MYSQL_STARTS))?;
            calls::escape(confines, tokens, arguments)
                .or_else(|| procedural(confines, Tokens { all: &tokens.all[start..], ..tokens }))
        }
        Provider::Sqlite => None,
    }
}

/// What begins the body of a routine of MySQL, behind its characteristics.
const MYSQL_STARTS: [&str; 14] = [
    "BEGIN", "INSERT", "UPDATE", "DELETE", "REPLACE", "SET", "CALL", "IF", "CASE", "TRUNCATE", "CREATE",
    "DROP", "ALTER", "EXECUTE",
];

/// The language that a routine or block of PostgreSQL says it is in.
pub(super) fn language(tokens: Tokens<'_>) -> Option<String> {
    let at = (0..tokens.all.len()).find(|at| tokens.word(*at, "LANGUAGE"))? + 1;
    let token = tokens.all.get(at)?;
    match token.kind {
        TokenKind::String => unquote_string(token.span.slice(tokens.text)).map(|name| name.to_lowercase()),
        _ => tokens.name(at),
    }
}

/// The bodies of PostgreSQL: strings behind AS or DO.
fn of_strings(confines: &Confines, tokens: Tokens<'_>) -> Option<Escape> {
    let is_block = tokens.word(0, "DO");
    let language = language(tokens).unwrap_or_else(|| if is_block { "plpgsql" } else { "sql" }.to_owned());
    for (at, token) in tokens.all.iter().enumerate() {
        if token.kind != TokenKind::String {
            continue;
        }
        let before = at.wrapping_sub(1);
        let is_body = tokens.word(before, "AS")
            || (is_block && !tokens.word(before, "LANGUAGE"))
            // A second string: the symbol in a library.
            || tokens.symbol(before, b',') && at >= 3 && tokens.word(at - 3, "AS");
        if !is_body {
            continue;
        }
        let Some(body) = unquote_string(token.span.slice(tokens.text)) else {
            return Some(Escape::unknown("its body is not read"));
        };
        let found = match language.as_str() {
            "sql" => of_sql(confines, &body),
            "plpgsql" => of_plpgsql(confines, &body),
            other => Some(Escape::unknown(format!("it is code in the language {other}"))),
        };
        if found.is_some() {
            return found;
        }
    }
    None
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
            calls::escape(confines, tokens, 0).or_else(|| procedural(confines, tokens))
        }
        None => Some(super::unread()),
    }
}

/// Statement by statement.
fn procedural(confines: &Confines, tokens: Tokens<'_>) -> Option<Escape> {
    let mysql = confines.provider() == Provider::MySql;
    let (mut start, mut declares, mut cases, mut at) = (true, false, 0_usize, 0);
    while at < tokens.all.len() {
        if tokens.symbol(at, b';') {
            (start, cases) = (true, 0);
        } else if start && tokens.symbol(at, b'<') {
            // <<label>>
            at = (at..tokens.all.len())
                .rev()
                .find(|to| tokens.symbol(*to, b'>') && *to <= at + 4)
                .unwrap_or(at);
        } else if start && tokens.symbol(at + 1, b':') && !tokens.symbol(at + 2, b'=') {
            // label:
            at += 1;
        } else if start && tokens.word(at, "BEGIN") && tokens.word(at + 1, "NOT") {
            // BEGIN NOT ATOMIC
            at += 2;
        } else if start && mysql && tokens.word(at, "DECLARE") {
            // Behind the conditions of a handler stands its statement.
            let handler = handled(tokens, at);
            start = handler.is_some();
            at = handler.unwrap_or(at + 1) - 1;
        } else if start {
            (start, declares) =
                (goes_on(tokens, at), (declares || tokens.word(at, "DECLARE")) && !tokens.word(at, "BEGIN"));
            let known = start
                || declares
                || tokens.any(at, &STATEMENTS)
                || tokens.any(at, &CONDITIONS)
                || [b':', b'=', b'.', b'['].iter().any(|symbol| tokens.symbol(at + 1, *symbol));
            if !known && let Some(found) = confines.of_part(tokens.statement(at)) {
                return Some(found);
            }
        } else if tokens.word(at, "CASE") {
            cases += 1;
        } else if cases > 0 && tokens.word(at, "END") {
            cases -= 1;
        } else if cases == 0 {
            start = tokens.any(at, &["THEN", "LOOP"]) || (mysql && tokens.word(at, "DO"));
        }
        at += 1;
    }
    None
}

/// Whether a statement begins right behind this word.
fn goes_on(tokens: Tokens<'_>, at: usize) -> bool {
    tokens.any(at, &["DECLARE", "BEGIN", "ELSE", "LOOP", "REPEAT"])
}

/// Where the statement of `DECLARE EXIT HANDLER FOR NOT FOUND, SQLSTATE '23000'` begins.
fn handled(tokens: Tokens<'_>, declare: usize) -> Option<usize> {
    if !tokens.word(declare + 2, "HANDLER") || !tokens.word(declare + 3, "FOR") {
        return None;
    }
    let mut at = declare + 4;
    loop {
        if tokens.word(at, "NOT") {
            at += 1;
        } else if tokens.word(at, "SQLSTATE") {
            at += 1 + usize::from(tokens.word(at + 1, "VALUE"));
        }
        at += 1;
        if !tokens.symbol(at, b',') {
            return Some(at);
        }
        at += 1;
    }
}
