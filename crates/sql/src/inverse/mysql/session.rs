//! Where the names of a script lead that names another database (`USE`), or makes tables that are the session's own.

use super::super::state::State;
use super::MYSQL;
use crate::action::Name;
use crate::inverse::text;
use crate::kind::Kind;
use crate::scanner::Token;
use crate::statement::Statement;
use crate::words::Words;

/// What a statement is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum About {
    /// What is in the database, or in the one that it names.
    Database,
    /// What is in the database that `USE` has named.
    Used(String),
    /// Temporary tables alone: those of the database that have their names stay as they are.
    Temporary,
    /// A temporary table among others, or one that gets another name: what names lead to afterwards is not known.
    Unclear(String),
}

/// What the session has come to.
#[derive(Default)]
pub(super) struct Session {
    used: Option<String>,
    temporary: Vec<String>,
    unclear: Option<String>,
}

impl Session {
    /// Follows statements that have run: another session does what is left, and has no table of the former one.
    pub(super) fn ran(statements: &[Statement], text: &str, state: &State) -> Self {
        let mut session = Self::default();
        for statement in statements {
            session.follow(statement, (text, &super::keep::read(statement, text)), state);
        }
        Self { used: session.used, ..Self::default() }
    }

    /// Follows a statement, and says what it is about.
    pub(super) fn follow(
        &mut self,
        statement: &Statement,
        (text, tokens): (&str, &[Token]),
        state: &State,
    ) -> About {
        let mut words = Words::new(text, tokens, MYSQL);
        if statement.kind == Kind::Use {
            words.take("USE");
            let database = words.part().unwrap_or_default();
            let name = Name { schema: Some(database.clone()), name: String::new() };
            self.used = state.is_elsewhere(&name).then_some(database);
            return About::Database;
        }
        if let Some(used) = &self.used {
            return About::Used(used.clone());
        }
        match &self.unclear {
            Some(name) => About::Unclear(name.clone()),
            None => self.tables(words, state),
        }
    }

    fn tables(&mut self, mut words: Words<'_>, state: &State) -> About {
        let Some(verb) = words.take_any(&["CREATE", "DROP", "ALTER", "RENAME"]) else {
            return About::Database;
        };
        words.take_all(&["OR", "REPLACE"]);
        while words.take_any(&["ONLINE", "OFFLINE", "IGNORE"]).is_some() {}
        let own = words.take("TEMPORARY");
        if words.take_any(&["TABLE", "TABLES"]).is_none() {
            return About::Database;
        }
        words.if_not_exists();
        words.if_exists();
        let mut names = words.names();
        while verb == "RENAME" && words.take("TO") {
            words.name();
            words.symbol(b',');
            names.extend(words.names());
        }
        let names: Vec<String> =
            names.into_iter().filter(|name| !state.is_elsewhere(name)).map(|name| name.name).collect();
        let is_temporary = |name: &String| self.temporary.iter().any(|other| text::same(other, name, MYSQL));
        let named: Vec<String> = names.iter().filter(|name| is_temporary(name)).cloned().collect();
        match verb {
            "CREATE" if own => {
                self.temporary.extend(names);
                About::Temporary
            }
            "DROP" if own || (!named.is_empty() && named.len() == names.len()) => {
                self.temporary.retain(|other| !named.contains(other));
                About::Temporary
            }
            "CREATE" => About::Database,
            _ => match named.first() {
                None => About::Database,
                Some(_) if verb == "ALTER" && !words.skip_to("RENAME") => About::Temporary,
                Some(name) => {
                    self.unclear = Some(name.clone());
                    About::Unclear(name.clone())
                }
            },
        }
    }
}
