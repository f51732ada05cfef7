//! Whose code a statement may run besides its own text: functions behind triggers, defaults, rules and events.
//!
//! Read by what decides how much of a session must be put back after a migration. What is not listed here may run
//! anything, which costs time and never correctness.

use crate::action::{Action, Change, IndexKey};
use crate::kind::{DdlVerb, Kind};
use crate::session::SessionEffect;
use diagnostics::Span;
use serde::{Deserialize, Serialize};

/// Whose code a statement may run. In order: each may run what the ones before it may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// Nobody's, where there is no event trigger: a definition that names no function.
    None,
    /// That of triggers, rules, policies and defaults of the tables that it reads or writes.
    Tables,
    /// Anybody's.
    #[default]
    Any,
}

/// What a statement of this kind may run. `unknown_calls`: its text calls a function that is not known to be harmless.
pub(crate) fn code(
    kind: &Kind,
    actions: &[Action],
    session: SessionEffect,
    unknown_calls: bool,
    text: &str,
) -> Code {
    if session.calls_functions {
        return Code::Any;
    }
    match (kind, actions) {
        (Kind::Query | Kind::Data(_), _) => Code::Tables,
        (
            Kind::Ddl(DdlVerb::Drop | DdlVerb::Comment | DdlVerb::Grant | DdlVerb::Revoke)
            | Kind::AddEnumValue,
            _,
        ) => Code::None,
        // The keys stand in parentheses behind a name, as the arguments of a call do.
        (Kind::Ddl(DdlVerb::Create), [Action::CreateIndex(index)]) => {
            let columns = index.keys.iter().all(|key| matches!(key, IndexKey::Column(_)));
            if columns && !has_predicate(index.definition, text) { Code::None } else { Code::Any }
        }
        (
            Kind::Ddl(DdlVerb::Create | DdlVerb::Alter),
            [Action::CreateTable { from_query: false, .. } | Action::Define | Action::RenameTable { .. }],
        ) if !unknown_calls => Code::None,
        // What is neither added nor dropped may look at rows, and with them at constraints and defaults that are there.
        (Kind::Ddl(DdlVerb::Alter), [Action::AlterTable { changes, .. }]) if !unknown_calls => {
            if changes.contains(&Change::Other) { Code::Tables } else { Code::None }
        }
        _ => Code::Any,
    }
}

/// Whether the definition of an index has a WHERE, perhaps only in a name or a string.
fn has_predicate(definition: Span, text: &str) -> bool {
    definition.slice(text).to_ascii_uppercase().contains("WHERE")
}
