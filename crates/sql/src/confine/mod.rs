//! Whether a statement stays inside of its database. Pure.
//!
//! It is asked before migrations are replayed beside others' data. The answer is an allow list: what is not known to stay
//! inside counts as reaching beyond. `heads` knows the commands, `calls` the functions and names (`known` are those that are
//! harmless), `reading` the settings that decide what is a text, `body` the languages of blocks and routines.
//!
//! A routine of the project's may be called where every definition of its name stays inside; one that does not may be made
//! (making it runs nothing), and whatever names it afterwards is refused.

mod body;
mod calls;
mod heads;
mod known;
mod reading;

pub(crate) use body::bodies;
pub(crate) use heads::{definer, routine as routine_name};
pub(crate) use known::is_harmless;

use crate::classify;
use crate::kind::{DdlVerb, Kind};
use crate::scanner::{self, Token, TokenKind};
use crate::statement::{Options, Statement};
use crate::words::Words;
use diagnostics::{Provider, Span};
use std::collections::{BTreeMap, BTreeSet};

/// How far a statement reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beyond {
    /// Other databases of its server, its roles, its settings.
    Server,
    /// Files, programs, other hosts.
    World,
    /// That cannot be read in its text.
    Unknown,
}

/// What a statement does outside of its database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Escape {
    /// How far it reaches.
    pub beyond: Beyond,
    /// `it works on roles`.
    pub reason: String,
}

impl Escape {
    fn server(reason: impl Into<String>) -> Self {
        Self { beyond: Beyond::Server, reason: reason.into() }
    }

    fn world(reason: impl Into<String>) -> Self {
        Self { beyond: Beyond::World, reason: reason.into() }
    }

    fn unknown(reason: impl Into<String>) -> Self {
        Self { beyond: Beyond::Unknown, reason: reason.into() }
    }
}

/// The tokens of a statement, of a part of one or of a body.
#[derive(Clone, Copy)]
struct Tokens<'t> {
    text: &'t str,
    all: &'t [Token],
}

impl<'t> Tokens<'t> {
    fn word(self, at: usize, word: &str) -> bool {
        self.all.get(at).is_some_and(|token| token.is_word(self.text, word))
    }

    fn any(self, at: usize, words: &[&str]) -> bool {
        words.iter().any(|word| self.word(at, word))
    }

    fn symbol(self, at: usize, byte: u8) -> bool {
        self.all.get(at).is_some_and(|token| token.is_symbol(byte))
    }

    /// A name without its quotes, in lower case: a name that differs in case alone is taken for the same, out of caution.
    fn name(self, at: usize) -> Option<String> {
        let token = self.all.get(at)?;
        let raw = token.span.slice(self.text);
        match token.kind {
            TokenKind::Word => Some(raw.to_lowercase()),
            TokenKind::QuotedName => Some(crate::words::unquote_name(raw).to_lowercase()),
            _ => None,
        }
    }

    /// From `from` to the next semicolon.
    fn statement(self, from: usize) -> Self {
        let rest = self.all.get(from..).unwrap_or_default();
        let end = rest.iter().position(|token| token.is_symbol(b';')).unwrap_or(rest.len());
        Self { all: &rest[..end], ..self }
    }
}

/// What the statements of a project may call and must not name.
pub struct Confines {
    options: Options,
    /// The databases of the server, in lower case: a MySQL name with one of them before its dot reaches there.
    databases: BTreeSet<String>,
    /// The routines that the project defines, in lower case, and whether all definitions of that name stay inside.
    routines: BTreeMap<String, bool>,
}

impl Confines {
    /// Of a project of these statements, each with the text that it stands in; `databases` are those of the server.
    pub fn new(options: Options, databases: &[String], statements: &[(&Statement, &str)]) -> Self {
        let mut confines = Self {
            options,
            databases: databases.iter().map(|name| name.to_lowercase()).collect(),
            routines: BTreeMap::new(),
        };
        let routines: Vec<(String, &Statement, &str)> = statements
            .iter()
            .filter(|(statement, _)| statement.kind == Kind::Ddl(DdlVerb::Create))
            .filter_map(|(statement, text)| Some((confines.routine(statement, text)?, *statement, *text)))
            .collect();
        confines.routines.extend(routines.iter().map(|(name, ..)| (name.clone(), true)));
        // One that calls another which does not stay inside does not stay there either.
        loop {
            let found: Vec<String> = routines
                .iter()
                .filter(|(name, statement, text)| {
                    confines.routines.get(name) == Some(&true)
                        && confines.escape_of_body(statement, text).is_some()
                })
                .map(|(name, ..)| name.clone())
                .collect();
            if found.is_empty() {
                return confines;
            }
            confines.routines.extend(found.into_iter().map(|name| (name, false)));
        }
    }

    /// How a statement reaches beyond its database; none: it is known not to.
    pub fn escape(&self, statement: &Statement, text: &str) -> Option<Escape> {
        let text = statement.span.slice(text);
        self.readings(text, |confines, tokens, is_whole| match heads::routine(confines.words(tokens)) {
            Some(_) => heads::of_routine(confines, tokens),
            None if is_whole => confines.within(tokens, &statement.kind),
            None if tokens.all.is_empty() => None,
            None => confines.within(tokens, &classify::kind(confines.words(tokens))),
        })
    }

    fn escape_of_body(&self, statement: &Statement, text: &str) -> Option<Escape> {
        let text = statement.span.slice(text);
        self.readings(text, |confines, tokens, _| body::of_routine(confines, tokens))
    }

    /// What is found in a text as it is read. MySQL carries out what stands in a comment of a version if it has that version: a
    /// text with one is read with it and without it, one with several by nobody.
    fn readings(
        &self,
        text: &str,
        find: impl Fn(&Self, Tokens<'_>, bool) -> Option<Escape>,
    ) -> Option<Escape> {
        let Some(all) = self.tokens(text) else { return Some(unread()) };
        let opened = all.iter().filter(|token| token.kind == TokenKind::CodeOpen).count();
        let marks = |token: &Token| matches!(token.kind, TokenKind::CodeOpen | TokenKind::CodeClose);
        let with: Vec<Token> = all.iter().filter(|token| !marks(token)).copied().collect();
        if opened == 0 {
            return find(self, Tokens { text, all: &with }, true);
        }
        if opened > 1 {
            return Some(Escape::unknown("it has comments of several versions"));
        }
        let mut inside = false;
        let mut without = all;
        without.retain(|token| {
            inside = (inside || token.kind == TokenKind::CodeOpen) && token.kind != TokenKind::CodeClose;
            !inside && !marks(token)
        });
        find(self, Tokens { text, all: &with }, true)
            .or_else(|| find(self, Tokens { text, all: &without }, false))
    }

    fn routine(&self, statement: &Statement, text: &str) -> Option<String> {
        let text = statement.span.slice(text);
        let mut tokens = self.tokens(text)?;
        tokens.retain(|token| !matches!(token.kind, TokenKind::CodeOpen | TokenKind::CodeClose));
        heads::routine(self.words(Tokens { text, all: &tokens }))
    }

    /// Of one statement that defines no routine.
    fn within(&self, tokens: Tokens<'_>, kind: &Kind) -> Option<Escape> {
        heads::escape(self, kind, self.words(tokens))
            .or_else(|| calls::escape(self, tokens, 0))
            .or_else(|| body::escape(self, tokens, kind))
    }

    /// Of one statement in a body.
    fn of_part(&self, tokens: Tokens<'_>) -> Option<Escape> {
        let kind = classify::kind(self.words(tokens));
        match heads::routine(self.words(tokens)) {
            // A body in a body is read by nobody.
            Some(name) => Some(Escape::unknown(format!("a body defines the routine `{name}`"))),
            None => self.within(tokens, &kind),
        }
    }

    fn words<'t>(&self, tokens: Tokens<'t>) -> Words<'t> {
        Words::new(tokens.text, tokens.all, self.options.provider)
    }

    fn provider(&self) -> Provider {
        self.options.provider
    }

    fn tokens(&self, text: &str) -> Option<Vec<Token>> {
        scanner::tokens(text, Span::new(0, text.len()), self.options.mode()).ok()
    }
}

fn unread() -> Escape {
    Escape::unknown("it is not read")
}

#[cfg(test)]
mod tests;
