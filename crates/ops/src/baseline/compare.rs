//! What is a difference between a database that was made without a history and what migrations make, and what is only remarked.
//!
//! A database has more in it than one project's migrations have made: rights that a person or a platform has given, schemas of
//! other applications. These say nothing about which migrations it has.

use sql::{Difference, Object, ObjectKind, PartDifference, Snapshot};
use std::collections::BTreeSet;

/// What `ALTER DEFAULT PRIVILEGES` has left is named so.
const DEFAULT_RIGHTS: &str = "default rights ";

/// A replayed state beside the live database.
#[derive(Clone, Debug, Default)]
pub(super) struct Comparison {
    /// What speaks against the two being equal, a line each.
    pub(super) differences: Vec<String>,
    /// What does not.
    pub(super) remarks: Vec<String>,
    /// How much differs: every part counts, of an object that one of the two does not have all of its parts.
    pub(super) weight: usize,
}

/// Compares what migrations make with the live database. `schemas` are those of the project.
pub(super) fn compare(made: &Snapshot, live: &Snapshot, schemas: &BTreeSet<String>) -> Comparison {
    let (words, mut found) = (("the migrations", "the database"), Comparison::default());
    for difference in made.differences(live) {
        let (others, difference) = taken_apart(difference, live, schemas);
        found.remarks.extend(others.iter().flat_map(|other| other.lines(words.0, words.1)));
        if let Some(difference) = difference {
            found.weight += weight(&difference, made, live);
            found.differences.extend(difference.lines(words.0, words.1));
        }
    }
    found
}

/// What two moments of one database do not have in common, in the project's schemas. Rights count: those that the migrations give may
/// have been taken away.
pub(super) fn changed(before: &Snapshot, now: &Snapshot, schemas: &BTreeSet<String>) -> Vec<String> {
    let differences = before.differences(now).into_iter();
    let own = differences.filter(|difference| {
        ![before, now].iter().any(|moment| is_foreign(&difference.object, schemas, moment))
    });
    own.flat_map(|difference| difference.lines("the database before", "the database now")).collect()
}

/// What of a difference is only remarked, and the rest.
fn taken_apart(
    mut difference: Difference,
    live: &Snapshot,
    schemas: &BTreeSet<String>,
) -> (Option<Difference>, Option<Difference>) {
    let extra_object = !difference.in_first;
    let is_rights = difference.object.kind == ObjectKind::Other
        && difference.object.name.name.starts_with(DEFAULT_RIGHTS);
    if extra_object && (is_rights || is_foreign(&difference.object, schemas, live)) {
        return (Some(difference), None);
    }
    // What no migration says of the database, whoever uses it has said.
    let is_database = difference.object == Object::database();
    let is_more = |part: &PartDifference| gives_more(part) || (is_database && part.first.is_none());
    let (more, parts): (Vec<_>, Vec<_>) =
        std::mem::take(&mut difference.parts).into_iter().partition(is_more);
    if more.is_empty() {
        return (None, Some(Difference { parts, ..difference }));
    }
    let remark = Difference { parts: more, ..difference.clone() };
    (Some(remark), (!parts.is_empty()).then_some(Difference { parts, ..difference }))
}

/// In a schema that is none of the project's.
fn is_foreign(object: &Object, schemas: &BTreeSet<String>, live: &Snapshot) -> bool {
    let of_extension = || {
        // An extension stands in the database; what it brings stands in a schema.
        let text = &live.objects.get(object)?.text;
        let (_, schema) = text.rsplit_once(" WITH SCHEMA ")?;
        Some(
            schema
                .strip_prefix('"')
                .and_then(|name| name.strip_suffix('"'))
                .unwrap_or(schema)
                .replace("\"\"", "\""),
        )
    };
    let schema = match object.kind {
        ObjectKind::Schema => Some(object.name.name.clone()),
        ObjectKind::Extension => of_extension(),
        _ => object.name.schema.clone(),
    };
    schema.is_some_and(|schema| !schemas.contains(&schema))
}

/// A role's rights, of which the live database has all that the migrations give, and more.
fn gives_more(part: &PartDifference) -> bool {
    let Some(second) = part.second.as_deref().filter(|_| part.part.starts_with("rights of ")) else {
        return false;
    };
    let (made, live) = (rights(part.first.as_deref().unwrap_or_default()), rights(second));
    !live.is_empty() && made.is_subset(&live)
}

/// `SELECT; UPDATE WITH GRANT OPTION` one by one. What may be handed on is held too.
fn rights(text: &str) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for group in text.split("; ") {
        let (words, handed) = match group.strip_suffix(" WITH GRANT OPTION") {
            Some(words) => (words, true),
            None => (group, false),
        };
        for word in words.split(", ").filter(|word| !word.is_empty() && *word != "none") {
            all.insert(word.to_owned());
            if handed {
                all.insert(format!("{word} WITH GRANT OPTION"));
            }
        }
    }
    all
}

fn weight(difference: &Difference, made: &Snapshot, live: &Snapshot) -> usize {
    let whole = |snapshot: &Snapshot| {
        let definition = snapshot.objects.get(&difference.object);
        definition.map_or(0, |definition| 1 + definition.columns.len() + definition.parts.len())
    };
    match (difference.in_first, difference.in_second) {
        (true, true) => difference.parts.len(),
        _ => whole(made) + whole(live),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(first: Option<&str>, second: Option<&str>) -> PartDifference {
        let owned = |text: Option<&str>| text.map(str::to_owned);
        PartDifference { part: "rights of app".to_owned(), first: owned(first), second: owned(second) }
    }

    #[test]
    fn more_rights_are_no_difference_and_fewer_are() {
        for (first, second, more) in [
            (None, Some("SELECT"), true),
            (Some("SELECT"), Some("INSERT, SELECT"), true),
            (Some("SELECT"), Some("SELECT WITH GRANT OPTION"), true),
            (Some("SELECT"), Some("INSERT"), false),
            (Some("SELECT"), None, false),
            (Some("SELECT WITH GRANT OPTION"), Some("SELECT"), false),
            // Rights that the role has of itself were taken away.
            (None, Some("none"), false),
        ] {
            assert_eq!(gives_more(&part(first, second)), more, "{first:?} {second:?}");
        }
    }
}
