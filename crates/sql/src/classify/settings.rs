//! SET, RESET, `set_config` and PRAGMA.

use super::transaction::modes;
use crate::kind::{Kind, Scope};
use crate::scanner::TokenKind;
use crate::words::Words;
use diagnostics::Provider;

/// One assignment of a SET.
pub(crate) struct Assignment {
    /// In lower case; user variables with their `@`.
    pub(crate) name: String,
    pub(crate) scope: Scope,
    pub(crate) value: Value,
}

/// The right side of an assignment.
pub(crate) enum Value {
    /// As written; a single string without its quotes.
    Constant(String),
    Default,
    Computed,
}

/// The words that say how far an assignment reaches.
const SCOPES: &[&str] = &["SESSION", "LOCAL", "GLOBAL", "PERSIST", "PERSIST_ONLY"];

/// SET; `words` stands behind it.
pub(super) fn set(words: Words<'_>) -> Kind {
    // `SET local.x` and `SET transaction.x` are settings of a class with that name.
    let dotted = |ahead: usize| words.look(ahead).is_some_and(|token| token.is_symbol(b'.'));
    if !(dotted(1) || dotted(2))
        && let Some(kind) = special_form(words.clone())
    {
        return kind;
    }
    let mut all = assignments(words);
    if all.len() > 1 {
        let Assignment { name, scope, .. } = all.swap_remove(0);
        return Kind::Set { name, scope, constant: None };
    }
    match all.pop() {
        None => Kind::Unknown,
        Some(Assignment { name, value: Value::Default, .. }) => Kind::Reset { name: Some(name) },
        Some(Assignment { name, scope, value: Value::Constant(value) }) => {
            Kind::Set { name, scope, constant: Some(value) }
        }
        Some(Assignment { name, scope, value: Value::Computed }) => Kind::Set { name, scope, constant: None },
    }
}

/// The forms of SET that assign no setting by its name.
fn special_form(mut words: Words<'_>) -> Option<Kind> {
    if words.take("CONSTRAINTS") {
        return Some(Kind::SetConstraints);
    }
    if words.take_all(&["SESSION", "CHARACTERISTICS"])
        || words.take_all(&["SESSION", "TRANSACTION"])
        || words.take_all(&["GLOBAL", "TRANSACTION"])
    {
        let (read_only, isolation) = modes(words);
        return Some(Kind::SetSessionCharacteristics { read_only, isolation });
    }
    if words.take_all(&["LOCAL", "TRANSACTION"]) || words.take("TRANSACTION") {
        let (read_only, isolation) = modes(words);
        return Some(Kind::SetTransaction { read_only, isolation });
    }
    identity(words)
}

/// SET ROLE and SET SESSION AUTHORIZATION, each with SESSION or LOCAL before it or not.
fn identity(mut words: Words<'_>) -> Option<Kind> {
    if words.take("DEFAULT") {
        return words.take("ROLE").then_some(Kind::SetRole);
    }
    if !words.take_all(&["SESSION", "AUTHORIZATION"]) {
        words.take_any(&["SESSION", "LOCAL"]);
        if words.take("ROLE") {
            let assigns = words.symbol(b'=');
            return (!assigns).then(|| if words.at_word("NONE") { Kind::ResetRole } else { Kind::SetRole });
        }
        if !words.take_all(&["SESSION", "AUTHORIZATION"]) {
            return None;
        }
    }
    let default = words.at_word("DEFAULT");
    Some(if default { Kind::ResetSessionAuthorization } else { Kind::SetSessionAuthorization })
}

/// RESET; `words` stands behind it.
pub(super) fn reset(mut words: Words<'_>) -> Kind {
    if words.take("ROLE") {
        return Kind::ResetRole;
    }
    if words.take_all(&["SESSION", "AUTHORIZATION"]) {
        return Kind::ResetSessionAuthorization;
    }
    if words.take("ALL") {
        return Kind::Reset { name: None };
    }
    let name = match () {
        () if words.take_all(&["TIME", "ZONE"]) => Some("timezone".to_owned()),
        () if words.take_all(&["TRANSACTION", "ISOLATION", "LEVEL"]) => {
            Some("transaction_isolation".to_owned())
        }
        () => setting_name(&mut words),
    };
    name.map_or(Kind::Unknown, |name| Kind::Reset { name: Some(name) })
}

/// The assignments of a SET; `words` stands behind SET. Empty for forms that assign nothing.
pub(crate) fn assignments(mut words: Words<'_>) -> Vec<Assignment> {
    let mut all = Vec::new();
    let mut scope = Scope::Session;
    while !words.is_done() {
        let dotted = words.look(1).is_some_and(|token| token.is_symbol(b'.'));
        let keyword = if dotted { None } else { words.take_any(SCOPES) };
        match keyword {
            Some("GLOBAL" | "PERSIST" | "PERSIST_ONLY") => scope = Scope::Global,
            // MySQL's LOCAL means SESSION.
            Some("LOCAL") if words.provider() == Provider::PostgreSql => scope = Scope::Local,
            Some(_) => scope = Scope::Session,
            None => {}
        }
        let Some((name, scope)) = assigned_name(&mut words, scope) else { break };
        if !words.take("TO") {
            words.symbol(b':');
            words.symbol(b'=');
        }
        // SET TIME ZONE LOCAL is its spelling of DEFAULT; elsewhere `local` is a value.
        let local = name == "timezone" && words.take("LOCAL");
        let value = if local { Value::Default } else { value(&mut words) };
        all.push(Assignment { name, scope, value });
        if !words.symbol(b',') {
            break;
        }
    }
    all
}

/// The name, with the scope that `@@global.` or the like gives it.
fn assigned_name(words: &mut Words<'_>, scope: Scope) -> Option<(String, Scope)> {
    if words.symbol(b'@') {
        if !words.symbol(b'@') {
            let name = words.part().or_else(|| words.string())?;
            return Some((format!("@{}", name.to_ascii_lowercase()), scope));
        }
        let prefix = words.take_any(SCOPES);
        words.symbol(b'.');
        let scope = match prefix {
            None | Some("SESSION" | "LOCAL") => Scope::Session,
            Some(_) => Scope::Global,
        };
        return Some((setting_name(words)?, scope));
    }
    // Settings with a syntax of their own, and the names under which SHOW knows them.
    if words.take_all(&["TIME", "ZONE"]) {
        return Some(("timezone".to_owned(), scope));
    }
    if words.take_all(&["XML", "OPTION"]) {
        return Some(("xmloption".to_owned(), scope));
    }
    let special = match words.take_any(&["NAMES", "SCHEMA", "SEED", "CHARSET"]) {
        Some("NAMES") if words.provider() == Provider::PostgreSql => "client_encoding",
        Some("NAMES" | "CHARSET") => "names",
        Some("SCHEMA") => "search_path",
        Some(_) => "seed",
        None if words.take_all(&["CHARACTER", "SET"]) => "names",
        None => return Some((setting_name(words)?, scope)),
    };
    Some((special.to_owned(), scope))
}

/// A name of one or two parts, in lower case.
fn setting_name(words: &mut Words<'_>) -> Option<String> {
    words.name().map(|name| name.to_string().to_ascii_lowercase())
}

/// Reads up to the `,` that separates assignments in MySQL, or to the end.
fn value(words: &mut Words<'_>) -> Value {
    let Some(first) = words.look(0) else { return Value::Computed };
    if words.take("DEFAULT") {
        return Value::Default;
    }
    let alone = words.look(1).is_none_or(|token| token.is_symbol(b';') || token.is_symbol(b','));
    let lists = words.provider() == Provider::PostgreSql;
    let single = words.look(1).is_none_or(|token| token.is_symbol(b';')) || (alone && !lists);
    if single && let Some(text) = words.string() {
        return Value::Constant(text);
    }
    let mut constant = true;
    while !words.is_done() {
        if !lists && words.look(0).is_some_and(|token| token.is_symbol(b',')) {
            break;
        }
        constant &= words.look(0).is_some_and(|token| match token.kind {
            // On PostgreSQL a word is a value; elsewhere it may be a column or a variable.
            TokenKind::Word => lists || alone,
            TokenKind::QuotedName | TokenKind::String | TokenKind::Number => true,
            TokenKind::Symbol(byte) => matches!(byte, b',' | b'-' | b'+'),
            TokenKind::CodeOpen | TokenKind::CodeClose => false,
        });
        words.skip_one();
    }
    if constant {
        Value::Constant(words.span_from(first).slice(words.text()).to_owned())
    } else {
        Value::Computed
    }
}

/// `set_config('name', 'value', is_local)` and nothing else; `words` stands behind SELECT.
pub(super) fn set_config(mut words: Words<'_>) -> Option<Kind> {
    words.take("PG_CATALOG").then(|| words.symbol(b'.'));
    if !(words.take("SET_CONFIG") && words.symbol(b'(')) {
        return None;
    }
    let name = words.string()?.to_ascii_lowercase();
    cast(&mut words);
    words.symbol(b',').then_some(())?;
    let constant = if words.take("NULL") { String::new() } else { words.string()? };
    cast(&mut words);
    words.symbol(b',').then_some(())?;
    let scope = match words.take_any(&["TRUE", "FALSE"]) {
        Some("TRUE") => Scope::Local,
        Some(_) => Scope::Session,
        None if crate::kind::is_off(&words.string()?) => Scope::Session,
        None => Scope::Local,
    };
    cast(&mut words);
    let closed = words.symbol(b')');
    if words.take("AS") {
        words.part();
    }
    (closed && words.is_done()).then_some(Kind::SetConfig { name, scope, constant })
}

/// `::text`, which changes nothing here.
fn cast(words: &mut Words<'_>) {
    if words.symbol(b':') && words.symbol(b':') {
        words.name();
    }
}

/// PRAGMA; `words` stands behind it.
pub(super) fn pragma(mut words: Words<'_>) -> Kind {
    let Some(name) = words.name() else { return Kind::Unknown };
    let parenthesis = words.symbol(b'(');
    let argument = (parenthesis || words.symbol(b'=')).then(|| {
        let Some(first) = words.look(0) else { return String::new() };
        if let Some(text) = words.string() {
            return text;
        }
        while !words.is_done() && !words.look(0).is_some_and(|token| token.is_symbol(b')')) {
            words.advance();
        }
        words.span_from(first).slice(words.text()).to_owned()
    });
    Kind::Pragma { name: name.name.to_ascii_lowercase(), argument }
}
