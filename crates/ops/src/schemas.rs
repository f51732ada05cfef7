//! PostgreSQL: which schemas a way back changes. A migration runs in the schema that the URL names; a way back that was drafted on
//! another one, and names that, would change what is there, and leave what it was to undo.
//!
//! What does not live here: reading the names (`sql`), and whose the rows of the history are (`db::history::Table::owner`).

use crate::plan::{PlannedMigration, State};
use crate::run::Run;
use db::target::{Kind, Target};
use diagnostics::{Diagnostic, Failure, Result, codes};

/// The line of a draft that names things of the schema that it was drafted in.
pub(crate) const DRAFTED_IN: &str = "-- cutover:drafted-in ";

/// The line that allows a way back to change another schema than the history's.
const OTHER_SCHEMA: &str = "-- cutover:other-schema ";

/// The schema of the history; none where names have no schemas.
pub(crate) fn of_target(target: &Target) -> Option<&str> {
    match &target.kind {
        Kind::Postgres(postgres) => Some(&postgres.schema),
        Kind::MySql(_) | Kind::Sqlite(_) => None,
    }
}

/// Whether a draft holds in this schema alone: it names it still, be it in the body of a function.
pub(crate) fn is_bound_to(draft: &sql::Draft, schema: &str) -> bool {
    let is_part = |letter: char| letter.is_alphanumeric() || letter == '_';
    let in_body = |statement: &str| {
        let mut places = statement.match_indices(schema);
        places.any(|(at, found)| {
            let behind = statement[at + found.len()..].trim_start_matches('"');
            behind.starts_with('.') && !statement[..at].ends_with(is_part)
        })
    };
    draft.statements().any(|statement| sql::names_schema(statement, schema) || in_body(statement))
}

/// What follows a mark in the lines of a text.
fn marked<'t>(text: &'t str, mark: &'t str) -> impl Iterator<Item = &'t str> {
    text.lines().filter_map(move |line| line.trim().strip_prefix(mark)).map(str::trim)
}

/// Refuses a way back that changes another schema than the history's, which the migration (`up`) does not name.
///
/// # Errors
/// C2029.
pub(crate) fn refuse_others(run: &mut Run<'_>, way: &PlannedMigration, up: Option<&str>) -> Result<()> {
    let Some(own) = of_target(run.target) else { return Ok(()) };
    // One that was begun has passed this.
    if matches!(way.state, State::Resume { .. }) {
        return Ok(());
    }
    let text = way.source.text();
    if let Some(other) = marked(text, DRAFTED_IN).find(|schema| *schema != own) {
        return Err(refused(way, own, other).map(|told| {
            told.help(format!(
                "draft it where the URL names schema {own} (`cutover rollback --draft --overwrite`), or make its names right and take the line `{DRAFTED_IN}{other}` out of down.sql; then `cutover rollback`"
            ))
        }));
    }
    let up = up.unwrap_or_default().to_lowercase();
    let changed = way.statements().flat_map(|statement| sql::changed_schemas(statement.span.slice(text)));
    let other = changed.into_iter().find(|schema| {
        schema != own
            && !says(&up, &schema.to_lowercase())
            && !marked(text, OTHER_SCHEMA).any(|allowed| allowed == schema)
    });
    let Some(other) = other else { return Ok(()) };
    Err(refused(way, own, &other).map(|told| {
        told.note(format!("the migration itself does not name schema {other}")).help(format!(
            "take the schema out of the names in down.sql, or say there that it is meant with the line `{OTHER_SCHEMA}{other}`; then `cutover rollback`"
        ))
    }))
}

/// What a draft says is gone (`the rows of public.orders, the values of public.users.nick`), for the history's `own` schema: what the
/// migration (`up`) names without a schema is in that one, wherever the draft was made.
pub(crate) fn here(gone: &str, own: &str, up: &str) -> String {
    let up = up.to_lowercase();
    let moved = |thing: &str| match thing.split_once(" of ") {
        Some((what, name)) => match name.split_once('.') {
            Some((schema, rest)) if !rest.is_empty() && !says(&up, &schema.to_lowercase()) => {
                format!("{what} of {own}.{rest}")
            }
            _ => thing.to_owned(),
        },
        None => thing.to_owned(),
    };
    gone.split(", the ").map(moved).collect::<Vec<_>>().join(", the ")
}

/// Whether a word stands anywhere in a text, be it in a string or in a body.
fn says(text: &str, word: &str) -> bool {
    let is_part = |letter: char| letter.is_alphanumeric() || letter == '_';
    text.match_indices(word)
        .any(|(at, found)| !text[..at].ends_with(is_part) && !text[at + found.len()..].starts_with(is_part))
}

fn refused(way: &PlannedMigration, own: &str, other: &str) -> Failure {
    Failure::new(
        Diagnostic::error(format!(
            "the way back of migration `{}` changes schema {other}, and this is the history of schema {own}",
            way.name
        ))
        .code(&codes::C2029)
        .meta("migration", way.name.clone())
        .note("nothing was undone"),
    )
}
