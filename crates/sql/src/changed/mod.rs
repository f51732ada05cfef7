//! In which schemas (MySQL and MariaDB: databases) a text changes something, as far as it names them. Pure.
//!
//! What it only reads or refers to does not count. Code is read as `confine` reads it: wherever a word stands that begins a command,
//! that command is read. SQL that is made while it runs, other languages and functions of other schemas are told as unread.
//!
//! What does not live here: which of these schemas are allowed (`ops::schemas`).

mod along;
mod targets;
#[cfg(test)]
mod tests;

pub use along::{Dropped, Root, dropped, dropped_along};

use crate::confine::{bodies, is_harmless, routine_name};
use crate::scanner::{self, Token, TokenKind};
use crate::statement::Options;
use crate::words::{Words, unquote_string};
use diagnostics::{Provider, Span};
use std::collections::{BTreeMap, BTreeSet};

/// What a script changes in schemas that it names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changed {
    /// Those in which it changes something.
    pub schemas: BTreeSet<String>,
    /// What may change others, and no text tells whether it does.
    pub unread: BTreeSet<Unread>,
}

/// What may change schemas that no text names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unread {
    /// The schema whose code it is, where that is named.
    pub schema: Option<String>,
    /// `it calls audit.log`.
    pub what: String,
}

impl Changed {
    fn unread(&mut self, schema: Option<&str>, what: impl Into<String>) {
        self.unread.insert(Unread { schema: schema.map(str::to_owned), what: what.into() });
    }

    fn extend(&mut self, other: Self) {
        self.schemas.extend(other.schemas);
        self.unread.extend(other.unread);
    }
}

/// What the statements of a script change, in order; each is one text.
pub fn changed<'t>(statements: impl IntoIterator<Item = &'t str>, options: Options) -> Changed {
    let mut reader = Reader { options, found: Changed::default(), routines: BTreeMap::new() };
    statements.into_iter().for_each(|statement| reader.statement(statement));
    let Reader { mut found, routines, .. } = reader;
    for (name, routine) in routines {
        if routine.called {
            found.extend(routine.changed);
            continue;
        }
        let what = if options.provider == Provider::MySql { "database" } else { "schema" };
        for schema in routine.changed.schemas {
            found.unread(
                Some(&schema),
                format!("{name}, which it makes, changes {what} {schema} when it runs"),
            );
        }
    }
    let Changed { schemas, unread } = &mut found;
    unread.retain(|unread| unread.schema.as_ref().is_none_or(|schema| !schemas.contains(schema)));
    found
}

/// What a routine changes that the script makes.
#[derive(Default)]
struct Routine {
    changed: Changed,
    /// Something behind it in the script calls it.
    called: bool,
}

struct Reader {
    options: Options,
    found: Changed,
    /// By their names in lower case.
    routines: BTreeMap<String, Routine>,
}

/// Where a text stands in a script.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// A statement of it.
    Script,
    /// In code: the body of a block or routine.
    Code,
}

impl Reader {
    fn tokens(&self, text: &str) -> Option<Vec<Token>> {
        let mut tokens = scanner::tokens(text, Span::new(0, text.len()), self.options.mode()).ok()?;
        tokens.retain(|token| !matches!(token.kind, TokenKind::CodeOpen | TokenKind::CodeClose));
        Some(tokens)
    }

    fn statement(&mut self, text: &str) {
        let Some(tokens) = self.tokens(text) else { return };
        let words = Words::new(text, &tokens, self.options.provider);
        let made = routine_name(words.clone()).or_else(|| self.program(words.clone()));
        if let Some(name) = made {
            let before = std::mem::take(&mut self.found);
            self.bodies(text, &tokens);
            // MySQL writes the body as it is, PostgreSQL may.
            let mut words = words.clone();
            let target = targets::of_created(&mut words);
            self.commands(words, Place::Code);
            let changed = std::mem::replace(&mut self.found, before);
            self.found.schemas.extend(target);
            self.routines.entry(name).or_default().changed.extend(changed);
            return;
        }
        if self.options.provider == Provider::PostgreSql
            && words.look(1).is_some_and(|next| next.is_word(text, "OWNED"))
        {
            self.found.unread(None, "it is about all that a role owns, in any schema");
        }
        if let Some(schema) = targets::of_extension(words.clone()) {
            self.found.unread(Some(&schema), format!("it puts an extension into schema {schema}"));
        }
        if words.at_word("DO") && self.options.provider == Provider::PostgreSql {
            self.bodies(text, &tokens);
            return;
        }
        self.commands(words, Place::Script);
    }

    /// MySQL: a trigger or an event, with its code.
    fn program(&self, mut words: Words<'_>) -> Option<String> {
        if self.options.provider != Provider::MySql || !words.at_word("CREATE") {
            return None;
        }
        let kind = targets::created_kind(&mut words)?;
        if !["TRIGGER", "EVENT"].contains(&kind.as_str()) {
            return None;
        }
        words.if_not_exists();
        words.name().map(|name| name.name.to_lowercase())
    }

    /// The bodies of PostgreSQL, which are strings.
    fn bodies(&mut self, text: &str, tokens: &[Token]) {
        if self.options.provider != Provider::PostgreSql {
            return;
        }
        for (language, body) in bodies(text, tokens) {
            match body.filter(|_| ["sql", "plpgsql"].contains(&language.as_str())) {
                Some(body) => self.code(&body),
                None => self
                    .found
                    .unread(None, format!("it is code in the language {language}, which is not read")),
            }
        }
    }

    fn code(&mut self, text: &str) {
        match self.tokens(text) {
            Some(tokens) => self.commands(Words::new(text, &tokens, self.options.provider), Place::Code),
            None => self.found.unread(None, "its code is not read"),
        }
    }

    /// Every command that begins anywhere.
    fn commands(&mut self, mut words: Words<'_>, place: Place) {
        while let Some(token) = words.look(0) {
            let is_part = words.previous().is_some_and(|before| before.is_symbol(b'.'));
            if token.kind != TokenKind::Word || is_part {
                self.call(&mut words);
                continue;
            }
            let command = token.span.slice(words.text()).to_ascii_uppercase();
            if self.is_made_while_it_runs(&command, &words, place) {
                self.made_while_it_runs(words.clone());
                words.advance();
                continue;
            }
            let mut behind = words.clone();
            match targets::of_command(&command, &mut behind, place == Place::Script) {
                Some(schemas) => {
                    self.found.schemas.extend(schemas);
                    words = behind;
                }
                None => self.call(&mut words),
            }
        }
    }

    /// Looks whether a name is called, and moves behind it.
    fn call(&mut self, words: &mut Words<'_>) {
        let parts = targets::parts(words);
        let is_called = words.look(0).is_some_and(|token| token.is_symbol(b'('));
        let Some(name) = parts.last().filter(|_| is_called) else {
            if parts.is_empty() {
                words.advance();
            }
            return;
        };
        if let Some(routine) = self.routines.get_mut(&name.to_lowercase()) {
            routine.called = true;
            return;
        }
        if name == "set_config" && self.options.provider == Provider::PostgreSql {
            self.found.schemas.extend(targets::of_set_config(words.clone()));
            return;
        }
        if ["setval", "nextval"].contains(&name.as_str()) && self.options.provider == Provider::PostgreSql {
            self.found.schemas.extend(targets::of_counted(words.clone()));
            return;
        }
        let Some(schema) = parts.iter().rev().nth(1) else { return };
        let is_server = ["pg_catalog", "information_schema"].contains(&schema.as_str());
        if !is_server && !is_harmless(&name.to_lowercase(), self.options.provider) {
            self.found.unread(Some(schema), format!("it calls {schema}.{name}"));
        }
    }

    /// Whether what follows is SQL that is given as a text.
    fn is_made_while_it_runs(&self, command: &str, words: &Words<'_>, place: Place) -> bool {
        let next = |word: &str| words.look(1).is_some_and(|token| token.is_word(words.text(), word));
        match (self.options.provider, command) {
            // Of a trigger; of what was prepared before.
            (Provider::PostgreSql, "EXECUTE") => {
                place == Place::Code && !next("FUNCTION") && !next("PROCEDURE")
            }
            (Provider::MySql, "EXECUTE") => next("IMMEDIATE"),
            // A variable may hold what is prepared later.
            (Provider::MySql, "PREPARE" | "SET") => true,
            _ => false,
        }
    }

    /// What stands in strings is read; of anything else it is told that it is not.
    fn made_while_it_runs(&mut self, mut words: Words<'_>) {
        let sets = words.at_word("SET");
        let prepares = words.at_word("PREPARE");
        words.advance();
        words.take("IMMEDIATE");
        if prepares {
            words.part();
            words.take("FROM");
        }
        let mut only = words.clone();
        let is_literal = only.string().is_some()
            && (only.is_done() || only.at_word("INTO") || only.at_word("USING") || only.at_word("LOOP"));
        if !is_literal && !sets {
            self.found.unread(None, "it runs SQL that is made while it runs");
        }
        let mut texts = Vec::new();
        while !words.is_done() {
            let token = words.advance().filter(|token| token.kind == TokenKind::String);
            texts.extend(token.and_then(|token| unquote_string(token.span.slice(words.text()))));
        }
        // Put together, and each by itself where several variables are set. What `format` puts in is not known.
        let whole = texts.concat();
        let each = texts.into_iter().filter(|_| sets).chain([whole]);
        for text in each.map(|text| text.replace("%I", "?").replace("%s", "?")) {
            // What is no SQL is somebody's text.
            if let Some(tokens) = self.tokens(&text) {
                self.commands(Words::new(&text, &tokens, self.options.provider), Place::Code);
            }
        }
    }
}
