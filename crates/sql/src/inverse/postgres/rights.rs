//! Rights: GRANT and REVOKE.

use super::super::Undo;
use super::super::state::State;
use super::render;
use super::words::{KINDS, kinds, named_object};
use crate::snapshot::{Object, ObjectKind, PartKind};
use crate::words::Words;

/// GRANT and REVOKE.
pub(super) fn undo(grants: bool, mut words: Words<'_>, state: &State) -> Undo {
    words.take_all(&["GRANT", "OPTION", "FOR"]);
    let Some(first) = words.look(0) else { return Undo::unknown("the rights are not read") };
    let whole = words.clone();
    if !words.skip_to("ON") {
        return Undo::unknown("the members of a role are no part of the database");
    }
    let listed = first.span.start..words.previous().map_or(first.span.end, |token| token.span.start);
    let listed = whole.text()[listed].trim().to_owned();
    let objects = objects(&mut words, state);
    if !words.skip_to(if grants { "TO" } else { "FROM" }) {
        return Undo::unknown("the rights are not read");
    }
    words.take("GROUP");
    let roles = words.names();
    if roles.iter().any(|role| ["current_user", "current_role", "session_user"].contains(&role.name.as_str()))
    {
        return Undo::unknown("whose rights they are depends on who runs it");
    }
    let Some(objects) = objects.filter(|_| !roles.is_empty()) else {
        return Undo::unknown("the former rights are not known");
    };
    let mut sql = Vec::new();
    for object in objects.iter().filter(|object| !state.is_created(object)) {
        for role in &roles {
            sql.extend(former_rights(object, &role.name, &listed, state));
        }
    }
    Undo::with(sql)
}

/// The objects that are named; none if one of them is not known.
fn objects(words: &mut Words<'_>, state: &State) -> Option<Vec<Object>> {
    if words.take("ALL") {
        let wanted: &[ObjectKind] =
            match words.take_any(&["TABLES", "SEQUENCES", "FUNCTIONS", "ROUTINES", "PROCEDURES"])? {
                "TABLES" => KINDS[3].1,
                "SEQUENCES" => &[ObjectKind::Sequence],
                _ => &[ObjectKind::Function, ObjectKind::Procedure],
            };
        words.take_all(&["IN", "SCHEMA"]).then_some(())?;
        let schemas: Vec<String> = words.names().into_iter().map(|name| name.name).collect();
        let inside = state.now.objects.keys().filter(|object| {
            wanted.contains(&object.kind)
                && object.name.schema.as_ref().is_some_and(|own| schemas.contains(own))
        });
        return Some(inside.cloned().collect());
    }
    let kinds = kinds(words).unwrap_or(KINDS[3].1);
    let mut found = Vec::new();
    loop {
        found.push(named_object(kinds, words, state)?);
        if !words.symbol(b',') {
            return Some(found);
        }
    }
}

/// All rights of a role are taken away, and those that it had are given back.
fn former_rights(object: &Object, role: &str, listed: &str, state: &State) -> Vec<String> {
    let Some(definition) = state.definition(object) else { return Vec::new() };
    let granted = definition.parts.iter().filter(|(part, _)| part.kind == PartKind::Grant);
    let mut own = granted.filter(|(part, _)| part.name.eq_ignore_ascii_case(role));
    let (on, to) = (render::granted(object), grantee(role));
    let mut sql = vec![format!("REVOKE ALL ON {on} FROM {to}")];
    if listed.contains('(') {
        sql.push(format!("REVOKE {listed} ON {on} FROM {to}"));
    }
    match own.next() {
        Some((part, held)) => sql.extend(given(object, &part.name, held)),
        // What everybody has unless it is taken away.
        None if role.eq_ignore_ascii_case("public") => {
            let usual = match object.kind {
                ObjectKind::Function | ObjectKind::Procedure => Some("EXECUTE"),
                ObjectKind::Enum | ObjectKind::Domain | ObjectKind::Type => Some("USAGE"),
                _ => None,
            };
            sql.extend(usual.map(|rights| format!("GRANT {rights} ON {on} TO PUBLIC")));
        }
        None => {}
    }
    sql
}

/// The statements that give a role what it has: `SELECT, UPDATE; INSERT WITH GRANT OPTION`, or `none` of what is usual.
pub(super) fn given(object: &Object, role: &str, held: &str) -> Vec<String> {
    let (on, to) = (render::granted(object), grantee(role));
    if held == "none" {
        return vec![format!("REVOKE ALL ON {on} FROM {to}")];
    }
    let grant = |rights: &str| match rights.strip_suffix(" WITH GRANT OPTION") {
        Some(rights) => format!("GRANT {rights} ON {on} TO {to} WITH GRANT OPTION"),
        None => format!("GRANT {rights} ON {on} TO {to}"),
    };
    let lists: Vec<String> = held.split("; ").map(grant).collect();
    match role {
        "the owner" => std::iter::once(format!("REVOKE ALL ON {on} FROM {to}")).chain(lists).collect(),
        _ => lists,
    }
}

/// A role as GRANT and REVOKE name it.
fn grantee(role: &str) -> String {
    match role {
        "the owner" => "CURRENT_USER".to_owned(),
        role if role.eq_ignore_ascii_case("public") => "PUBLIC".to_owned(),
        role => render::quoted(role),
    }
}
