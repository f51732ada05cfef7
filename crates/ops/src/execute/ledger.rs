//! MySQL and MariaDB: what proves whether a definition took effect, where nothing can be rolled back.
//!
//! Before a statement runs, the definitions of the tables that it names are recorded as a hash. Afterwards an equal hash
//! says that it did nothing; another one says that it worked only if what it names is there too. Everything else is asked.

use crate::plan::{Bracket, Segment};
use crate::progress;
use crate::run::Run;
use db::{DbError, probe};
use diagnostics::Provider;
use sql::{Action, Change, Kind, Name, ObjectType, Part, Statement};
use std::collections::BTreeSet;

/// A table or view without an [`ObjectType`], or something else, by its name.
type Object = (Option<ObjectType>, Name);

/// What is said where nothing proves it.
pub(super) const UNPROVEN: &str = "the server does not tell whether this statement took effect";

/// The error number of a text that cannot be read.
const UNREADABLE: &str = "1064";

/// Whether a statement has not run because it cannot be read. What runs other texts may have failed at one of them.
pub(super) fn is_unread(statement: &Statement, text: &str, error: &DbError) -> bool {
    let text = text.to_ascii_lowercase();
    let runs_others = match statement.kind {
        // A trigger or function may fail with this number after others have written.
        Kind::Call | Kind::Execute | Kind::Data(_) => true,
        Kind::Do | Kind::Unknown => {
            ["execute", "call", "prepare", "signal"].iter().any(|word| text.contains(word))
        }
        _ => statement.session.calls_functions,
    };
    error.code == UNREADABLE && !runs_others
}

/// A query or setting that calls no function of which it is not known what it does.
fn writes_nothing(statement: &Statement) -> bool {
    (matches!(statement.kind, Kind::Query) || statement.kind.is_session_statement())
        && !statement.session.calls_functions
}

/// The objects whose definitions tell what became of a statement; none where they do not.
fn objects_of(statement: &Statement) -> Option<Vec<Object>> {
    let provable = matches!(statement.kind, Kind::Ddl(_))
        && match &statement.actions[..] {
            [Action::AlterTable { changes, .. }] => !may_restore(changes),
            // It may have run, and dropped itself.
            [Action::CreateObject { object, .. }] => *object != ObjectType::Event,
            [Action::CreateTable { temporary, .. }] => !temporary,
            [Action::CreateIndex(_) | Action::DropTable { .. } | Action::DropObject { .. }] => true,
            renames => take_new_names(renames),
        };
    provable.then(|| statement.actions.iter().flat_map(named).collect())
}

/// Whether the changes may leave the definition as it was and its values nowhere: a name goes, and comes by another change,
/// or perhaps by one that no name shows.
fn may_restore(changes: &[Change]) -> bool {
    let dropped = |name: &str| {
        changes
            .iter()
            .any(|change| matches!(change, Change::Drop(_, dropped) if dropped.eq_ignore_ascii_case(name)))
    };
    let drops = changes.iter().any(|change| matches!(change, Change::Drop(..)));
    changes.iter().any(|change| match change {
        Change::Add(_, name) => dropped(name),
        Change::Other => drops,
        Change::Unseen => true,
        Change::Drop(..) | Change::Modify => false,
    })
}

/// Whether the server can show what became of a statement.
pub(super) fn is_provable(statement: &Statement) -> bool {
    objects_of(statement).is_some()
}

/// Whether these rename tables, and none to a name that another one has: said twice, that is undone.
fn take_new_names(actions: &[Action]) -> bool {
    let renames = actions.iter().all(|action| matches!(action, Action::RenameTable { .. }));
    let names: Vec<Object> = actions.iter().flat_map(named).collect();
    let apart: BTreeSet<String> = names.iter().map(|(_, name)| name.name.to_lowercase()).collect();
    renames && !names.is_empty() && apart.len() == names.len()
}

/// The hash of what stands now under the names of a statement.
pub(super) fn objects(run: &mut Run<'_>, statement: &Statement) -> Result<Option<String>, DbError> {
    if run.target.provider != Provider::MySql {
        return Ok(None);
    }
    let Some(objects) = objects_of(statement) else { return Ok(None) };
    Ok(Some(hash(&probe::definitions(run.conn.as_mut(), &objects)?)))
}

fn hash(definitions: &[Option<String>]) -> String {
    progress::hash(definitions.iter().map(|definition| definition.as_deref().unwrap_or("absent")))
}

/// Whether all that a transaction writes can be rolled back: tables of another engine than InnoDB keep what was written.
pub(super) fn rolls_back(run: &mut Run<'_>, segment: &Segment, text: &str) -> Result<bool, DbError> {
    if run.target.provider != Provider::MySql {
        return Ok(true);
    }
    for action in segment.statements.iter().flat_map(|statement| &statement.actions) {
        let rolls_back = match action {
            Action::Write { table, .. } => probe::is_transactional(run.conn.as_mut(), table)?,
            // Several tables at once, for instance.
            Action::Unknown => false,
            _ => true,
        };
        if !rolls_back {
            return Ok(false);
        }
    }
    // A trigger that is not shown may write anything.
    let writes = segment.statements.iter().any(|statement| matches!(statement.kind, Kind::Data(_)));
    if writes
        && !db::server::sees_triggers(run.conn.as_mut())?
        && probe::has_other_engines(run.conn.as_mut())?
    {
        return Ok(false);
    }
    // A function may stand in the text, or in a view that is read.
    let may_call = |statement: &Statement| {
        statement.session.calls_functions
            || ["SELECT", "JOIN", "FROM", "WITH"].iter().any(|word| {
                statement
                    .span
                    .slice(text)
                    .split_whitespace()
                    .any(|written| written.trim_start_matches('(').eq_ignore_ascii_case(word))
            })
    };
    Ok(!(segment.statements.iter().any(may_call) && probe::functions_may_escape(run.conn.as_mut())?))
}

/// Whether a statement that failed has left everything as it was, as far as the server tells.
pub(super) fn is_untouched(run: &mut Run<'_>, statement: &Statement, before: Option<&str>) -> bool {
    if writes_nothing(statement) {
        return true;
    }
    let Some(before) = before else { return false };
    // What cannot be looked at may have happened.
    objects(run, statement).is_ok_and(|now| now.as_deref() == Some(before))
}

/// What became of an interrupted step: it took effect, it did not, or nothing proves it.
pub(super) fn settle(
    run: &mut Run<'_>,
    segment: &Segment,
    before: Option<&str>,
) -> Result<Option<bool>, DbError> {
    let [statement] = &segment.statements[..] else { return Ok(None) };
    if segment.bracket == Bracket::Span {
        return Ok(None);
    }
    if writes_nothing(statement) {
        return Ok(Some(false));
    }
    let (Some(objects), Some(before)) = (objects_of(statement), before) else { return Ok(None) };
    let now = probe::definitions(run.conn.as_mut(), &objects)?;
    if hash(&now) == before {
        return Ok(Some(false));
    }
    let there = match &statement.actions[0] {
        // It is there before the query has filled it.
        Action::CreateTable { from_query: true, .. } => false,
        Action::CreateTable { .. } | Action::CreateObject { .. } => now.iter().all(Option::is_some),
        Action::DropTable { .. } | Action::DropObject { .. } => now.iter().all(Option::is_none),
        Action::RenameTable { .. } => {
            // The old name and the new one, by turns.
            now.chunks(2).all(|pair| matches!(pair, [None, Some(_)]))
        }
        Action::CreateIndex(index) => index.index.as_ref().is_some_and(|name| {
            now.iter().flatten().any(|definition| has(definition, Part::Index, &name.name))
        }),
        // One ALTER TABLE is all or nothing.
        Action::AlterTable { changes, .. } => now.iter().flatten().any(|definition| {
            changes.iter().all(|change| match change {
                Change::Add(part, name) => has(definition, *part, name),
                Change::Drop(part, name) => !has(definition, *part, name),
                Change::Modify | Change::Unseen | Change::Other => false,
            })
        }),
        _ => false,
    };
    Ok(there.then_some(true))
}

/// What the catalogue says of the objects that an interrupted step names, for a person to decide.
pub(super) fn catalogue(run: &mut Run<'_>, segment: &Segment, before: Option<&str>) -> Vec<String> {
    let mut objects: Vec<Object> = Vec::new();
    for object in segment.statements.iter().flat_map(|statement| &statement.actions).flat_map(named) {
        if !objects.contains(&object) {
            objects.push(object);
        }
    }
    objects.truncate(SHOWN);
    // What cannot be looked at is not shown; the question stands without it.
    let Ok(now) = probe::definitions(run.conn.as_mut(), &objects) else { return Vec::new() };
    let changed = match (&segment.statements[..], before) {
        ([statement], Some(before)) => {
            objects_of(statement).filter(|of| *of == objects).map(|_| hash(&now) != before)
        }
        _ => None,
    };
    let changed = match changed {
        Some(true) => ", not as before the statement",
        Some(false) => ", as before the statement",
        None => "",
    };
    let told = |((_, name), definition): (&Object, &Option<String>)| match definition {
        Some(definition) => format!("the catalogue has `{name}`{changed}:\n{definition}"),
        None => format!("the catalogue has no `{name}`{changed}"),
    };
    objects.iter().zip(&now).map(told).collect()
}

/// How many objects are shown.
const SHOWN: usize = 4;

/// The objects that an action names.
fn named(action: &Action) -> Vec<Object> {
    match action {
        Action::CreateTable { name, .. }
        | Action::AlterTable { name, .. }
        | Action::Write { table: name, .. } => vec![(None, name.clone())],
        Action::CreateIndex(index) => vec![(None, index.table.clone())],
        Action::DropTable { names, .. } => names.iter().map(|name| (None, name.clone())).collect(),
        Action::RenameTable { from, to } => vec![(None, from.clone()), (None, to.clone())],
        Action::CreateObject { object, name, .. } => vec![(Some(*object), name.clone())],
        Action::DropObject { object, names } => {
            names.iter().map(|name| (Some(*object), name.clone())).collect()
        }
        _ => Vec::new(),
    }
}

/// Whether a definition, as the server writes it, has a part of this name. Names differ in no more than case.
fn has(definition: &str, part: Part, name: &str) -> bool {
    let quoted = format!("`{}`", name.replace('`', "``")).to_lowercase();
    definition.lines().map(|line| line.trim_start().to_lowercase()).any(|line| match part {
        Part::Column => line.starts_with(&quoted),
        Part::Index => line.split_once("key ").is_some_and(|(_, rest)| rest.starts_with(&quoted)),
        Part::Constraint => {
            line.strip_prefix("constraint ").is_some_and(|rest| rest.starts_with(&quoted))
                || line
                    .split_once("key ")
                    .is_some_and(|(kind, rest)| kind == "unique " && rest.starts_with(&quoted))
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_found_in_a_definition_as_the_server_writes_it() {
        let definition = "CREATE TABLE `a` (\n  `id` int(11) NOT NULL,\n  `Key one` int(11) DEFAULT NULL,\n  PRIMARY KEY (`id`),\n  \
                          UNIQUE KEY `u` (`id`),\n  KEY `i` (`id`),\n  CONSTRAINT `f` FOREIGN KEY (`id`) REFERENCES `b` (`id`)\n) \
                          ENGINE=InnoDB DEFAULT CHARSET=utf8mb4";
        for (part, name, there) in [
            (Part::Column, "ID", true),
            (Part::Column, "key one", true),
            (Part::Column, "u", false),
            (Part::Index, "u", true),
            (Part::Index, "i", true),
            (Part::Index, "f", false),
            (Part::Constraint, "f", true),
            (Part::Constraint, "u", true),
            (Part::Constraint, "i", false),
        ] {
            assert_eq!(has(definition, part, name), there, "{part:?} {name}");
        }
    }
}
