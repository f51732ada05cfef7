//! What a statement leaves behind in its session, beyond the tables.
//!
//! Read by what restores a session after a migration, and by what decides whether an interrupted one can
//! be resumed or retried.

use crate::action::Action;
use crate::functions;
use crate::kind::{Kind, Scope};
use crate::scanner::{Token, TokenKind};
use diagnostics::Provider;
use serde::{Deserialize, Serialize};

/// What a statement may change in its session. What cannot be told counts as changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SessionEffect {
    /// Settings.
    pub settings: bool,
    /// Settings, by a value that is computed when it runs: replaying the statement may give another one.
    pub computed_settings: bool,
    /// The role or the session's user.
    pub role: bool,
    /// Temporary tables, views and sequences.
    pub temporary_objects: bool,
    /// Prepared statements.
    pub prepared: bool,
    /// Cursors.
    pub cursors: bool,
    /// Subscriptions to notifications.
    pub listens: bool,
    /// It calls code that is not known to be harmless: such code may change anything above.
    pub calls_functions: bool,
    /// What it does ends with its transaction, and without it a later statement would mean something else: SET LOCAL, SET
    /// TRANSACTION, a temporary table that is dropped or emptied at COMMIT. (Locks and cursors change no meaning.)
    pub transaction_local: bool,
}

impl SessionEffect {
    /// True if nothing stays behind its transaction.
    pub fn is_empty(&self) -> bool {
        Self { transaction_local: false, ..*self } == Self::default()
    }

    const ALL: Self = Self {
        settings: true,
        computed_settings: true,
        role: true,
        temporary_objects: true,
        prepared: true,
        cursors: true,
        listens: true,
        calls_functions: true,
        transaction_local: false,
    };
}

/// The effect of a statement of this kind.
pub(crate) fn effect(kind: &Kind, actions: &[Action], calls: &Calls) -> SessionEffect {
    let mut effect = SessionEffect::default();
    match kind {
        Kind::Unknown => return SessionEffect::ALL,
        Kind::Set { name, scope, constant } => {
            effect.role = name == "role" || name == "session_authorization";
            effect.settings = *scope != Scope::Global;
            effect.computed_settings = effect.settings && constant.is_none();
            effect.calls_functions = constant.is_none() && calls.unknown;
        }
        Kind::SetConfig { name, .. } => {
            effect.role = name == "role" || name == "session_authorization";
            effect.settings = true;
        }
        Kind::Reset { .. } | Kind::SetSessionCharacteristics { .. } | Kind::Use => effect.settings = true,
        Kind::Pragma { argument, .. } => effect.settings = argument.is_some(),
        Kind::SetRole | Kind::ResetRole | Kind::SetSessionAuthorization | Kind::ResetSessionAuthorization => {
            effect.role = true;
        }
        Kind::Discard { all } => {
            effect = SessionEffect {
                settings: *all,
                role: *all,
                temporary_objects: true,
                prepared: true,
                cursors: *all,
                listens: *all,
                ..effect
            };
        }
        Kind::Prepare | Kind::Deallocate => effect.prepared = true,
        Kind::DeclareCursor | Kind::Fetch | Kind::Close => effect.cursors = true,
        Kind::Listen | Kind::Unlisten => effect.listens = true,
        // An unqualified name may lead to the other file.
        Kind::Attach | Kind::DetachDatabase => effect.settings = true,
        Kind::Do | Kind::Call | Kind::Execute => effect.calls_functions = true,
        Kind::Query | Kind::Data(_) | Kind::Ddl(_) => {
            effect.calls_functions = calls.unknown && !matches!(kind, Kind::Ddl(_));
            effect.settings = calls.set_config || calls.assigns_variables;
            effect.computed_settings = effect.settings;
        }
        _ => {}
    }
    // A view of the server's with a rule that sets what is updated.
    if calls.names_settings && matches!(kind, Kind::Data(_)) {
        effect.settings = true;
        effect.computed_settings = true;
    }
    effect.transaction_local = ends_with_transaction(kind, calls);
    effect.temporary_objects |= calls.names_temporary && matches!(kind, Kind::Ddl(_));
    effect.temporary_objects |= actions.iter().any(|action| {
        matches!(action, Action::CreateTable { temporary: true, .. } | Action::CreateTemporary { .. })
    });
    effect
}

fn ends_with_transaction(kind: &Kind, calls: &Calls) -> bool {
    match kind {
        Kind::Set { scope, .. } | Kind::SetConfig { scope, .. } => *scope == Scope::Local,
        Kind::SetRole
        | Kind::ResetRole
        | Kind::SetSessionAuthorization
        | Kind::ResetSessionAuthorization
        | Kind::Reset { .. } => calls.set_local,
        Kind::SetTransaction { .. } => true,
        Kind::Query | Kind::Data(_) | Kind::Ddl(_) => calls.set_config || calls.until_commit,
        _ => false,
    }
}

/// Watches the tokens of one statement for calls of functions.
#[derive(Default)]
pub(crate) struct Calls {
    /// What stands before the (qualified) name that was read last.
    before: Option<Token>,
    /// The qualifier of that name.
    qualifier: Option<Token>,
    /// A function that is not known to be harmless is called.
    pub(crate) unknown: bool,
    /// `set_config` is called.
    set_config: bool,
    /// The schema of temporary objects is named.
    names_temporary: bool,
    /// The view through which settings can be updated is named.
    names_settings: bool,
    /// `SET LOCAL`.
    set_local: bool,
    /// `ON COMMIT DROP`, `ON COMMIT DELETE ROWS`.
    until_commit: bool,
    /// MySQL: `@a := 1`, `INTO @a`.
    assigns_variables: bool,
}

impl Calls {
    /// Takes note of `token`; `previous` are the two before it, the nearest first.
    pub(crate) fn see(&mut self, token: Token, previous: [Option<Token>; 2], text: &str, provider: Provider) {
        let [last, second] = previous;
        if provider == Provider::MySql {
            self.assigns_variables |= token.is_symbol(b'=') && last.is_some_and(|last| last.is_symbol(b':'));
            self.assigns_variables |=
                token.is_symbol(b'@') && last.is_some_and(|last| last.is_word(text, "INTO"));
        }
        if is_name(token) {
            let after = |word: &str| last.is_some_and(|last| last.is_word(text, word));
            self.set_local |= token.is_word(text, "LOCAL") && after("SET");
            self.until_commit |= (token.is_word(text, "DROP") || token.is_word(text, "DELETE"))
                && after("COMMIT")
                && second.is_some_and(|second| second.is_word(text, "ON"));
            self.names_settings |= named(token, text) == "pg_settings";
            self.names_temporary |= match provider {
                Provider::PostgreSql => named(token, text).starts_with("pg_temp"),
                Provider::Sqlite => token.is_word(text, "TEMP") || token.is_word(text, "\"TEMP\""),
                Provider::MySql => false,
            };
            if last.is_some_and(|token| token.is_symbol(b'.')) {
                self.qualifier = second;
            } else {
                self.before = last;
                self.qualifier = None;
            }
        } else if token.is_symbol(b'(')
            && let Some(name) = last.filter(|&last| is_name(last))
        {
            self.call(name, text, provider);
        }
    }

    fn call(&mut self, name: Token, text: &str, provider: Provider) {
        let unquoted = name.span.slice(text).trim_matches(['"', '`', '[', ']']).to_ascii_lowercase();
        let quoted = name.kind == TokenKind::QuotedName;
        // A table with columns, an alias with columns, a common table expression.
        let names_relation = self.before.is_some_and(|before| {
            ["INTO", "AS", "TABLE", "WITH", "RECURSIVE", "CONSTRAINT", "REFERENCES", "INDEX", "TO"]
                .iter()
                .any(|word| before.is_word(text, word))
        });
        let keyword = !quoted && self.qualifier.is_none() && functions::is_keyword(&unquoted);
        if names_relation || keyword {
            return;
        }
        let trusted_place = match self.qualifier {
            None => true,
            Some(qualifier) => qualifier.is_word(text, "PG_CATALOG"),
        };
        self.set_config |= provider == Provider::PostgreSql && unquoted == "set_config";
        self.unknown |= !(trusted_place && functions::is_harmless(&unquoted, provider));
    }
}

/// A name without its quotes; a bare one in lower case, as PostgreSQL reads it.
fn named(token: Token, text: &str) -> String {
    let written = token.span.slice(text);
    if token.kind == TokenKind::QuotedName {
        written.trim_matches('"').to_owned()
    } else {
        written.to_ascii_lowercase()
    }
}

fn is_name(token: Token) -> bool {
    matches!(token.kind, TokenKind::Word | TokenKind::QuotedName)
}
