//! Which schemas a way back changes, on MySQL which databases. A migration runs in the one that the URL names; a way back that was
//! drafted on another one, and names that, would change what is there, and leave what it was to undo.
//!
//! What does not live here: reading the names (`sql`), and whose the rows of the history are (`db::history::Table::owner`).

use crate::plan::PlannedMigration;
use db::target::{Kind, Target};
use diagnostics::{Diagnostic, Failure, Provider, Result, codes, one_line};

/// The directive of a draft that names things of the schema that it was drafted in.
pub(crate) const DRAFTED_IN: &str = "drafted-in";

/// The directive that allows a way back to change another schema than the history's.
const OTHER_SCHEMA: &str = "other-schema";

/// The schema of the history; none where names have no schemas.
pub(crate) fn of_target(target: &Target) -> Option<&str> {
    match &target.kind {
        Kind::Postgres(postgres) => Some(&postgres.schema),
        Kind::MySql(_) | Kind::Sqlite(_) => None,
    }
}

/// The schema of the history, or on MySQL its database: what ways back change stands there.
fn own(target: &Target) -> Option<&str> {
    match &target.kind {
        Kind::MySql(mysql) => Some(&mysql.database),
        Kind::Postgres(_) | Kind::Sqlite(_) => of_target(target),
    }
}

/// What a schema is called where it is this database's.
fn kind(target: &Target) -> &'static str {
    if target.provider == Provider::MySql { "database" } else { "schema" }
}

/// Whether a draft holds in this schema alone: it names it still, be it in the body of a function.
pub(crate) fn is_bound_to(draft: &sql::Draft, schema: &str) -> bool {
    draft.statements().any(|statement| {
        sql::names_schema(statement, schema, Provider::PostgreSql) || sql::qualifies_in(statement, schema)
    })
}

/// What a way back changes beyond the history's own schema, without what the migration (`up`) names and what the way back says is
/// meant.
fn beyond(target: &Target, way: &PlannedMigration, up: Option<&str>, options: &sql::Options) -> sql::Changed {
    let (Some(own), up, text) = (own(target), up.unwrap_or_default(), way.source.text()) else {
        return sql::Changed::default();
    };
    // What is left of one that was begun may have been corrected since.
    let left = way.statements().skip(way.state.done());
    let statements = left.map(|statement| statement.span.slice(text));
    let mut changed = sql::changed(statements, *options);
    let is_meant = |schema: &str| {
        schema == own
            || sql::says_schema(up, schema, target.provider)
            || way.says(OTHER_SCHEMA).any(|allowed| allowed == schema)
    };
    changed.schemas.retain(|schema| !is_meant(schema));
    changed.unread.retain(|unread| !unread.schema.as_deref().is_some_and(is_meant));
    changed
}

/// What a way back may change in other schemas, as far as no text tells: `it calls audit.log`.
pub(crate) fn unread(
    target: &Target,
    way: &PlannedMigration,
    up: Option<&str>,
    options: &sql::Options,
) -> Vec<String> {
    let what = beyond(target, way, up, options).unread.into_iter().map(|unread| unread.what);
    what.map(|what| format!("may change other {}s: {what}", kind(target))).collect()
}

/// Refuses a way back that changes another schema than the history's, which the migration (`up`) does not name.
///
/// # Errors
/// C2029.
pub(crate) fn refuse_others(
    target: &Target,
    way: &PlannedMigration,
    up: Option<&str>,
    options: &sql::Options,
) -> Result<()> {
    let Some(own) = own(target) else { return Ok(()) };
    let kind = kind(target);
    let drafted_in = way.says(DRAFTED_IN).find(|schema| *schema != one_line(own));
    if let Some(other) = drafted_in.filter(|_| target.provider == Provider::PostgreSql) {
        return Err(refused(way, [kind, own, other]).map(|told| {
            told.help(format!(
                "draft it where the URL names schema {own} (`cutover rollback --draft --overwrite`), or make its names right and take the line `-- cutover:{DRAFTED_IN} {other}` out of down.sql; then `cutover rollback`"
            ))
        }));
    }
    let Some(other) = beyond(target, way, up, options).schemas.into_iter().next() else { return Ok(()) };
    Err(refused(way, [kind, own, &other]).map(|told| {
        told.note(format!("the migration itself does not name {kind} {other}")).help(format!(
            "take the {kind} out of the names in down.sql, or say there that it is meant with the line `-- cutover:{OTHER_SCHEMA} {other}`; then `cutover rollback`"
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

fn refused(way: &PlannedMigration, [kind, own, other]: [&str; 3]) -> Failure {
    Failure::new(
        Diagnostic::error(format!(
            "the way back of migration `{}` changes {kind} {other}, and this is the history of {kind} {own}",
            way.name
        ))
        .code(&codes::C2029)
        .meta("migration", way.name.clone())
        .note("nothing was undone"),
    )
}
