//! What rows must have, or a way back fails that brings something back: counted before anybody agrees to it. Among that is what
//! foreign keys lead to, which the way back makes over rows that it brings back.

use super::keep::{Kept, KeptKind, Running, left};
use super::pieces::Pieces;
use super::text;
use crate::action::Name;
use crate::kind::{DdlVerb, Kind, Scope};
use crate::snapshot::Snapshot;
use crate::statement::Statement;
use crate::words::Words;
use diagnostics::Provider;

/// What rows must have, or a statement of a way back fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Required {
    /// The statement, from 0.
    pub statement: usize,
    /// The table of the rows.
    pub table: Name,
    /// Counts the rows that do not have it, before the way back.
    pub count: String,
    /// What they lack.
    pub lack: Lack,
}

/// What rows lack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lack {
    /// A value for a column that comes back, must have one, and has none of itself.
    Value {
        /// The column.
        column: String,
    },
    /// MySQL: such a column could have one, but a trigger would fire when rows are given it.
    Quiet {
        /// The column.
        column: String,
        /// The trigger.
        trigger: String,
    },
    /// MySQL: a value of such a column with which a check is fulfilled.
    Check {
        /// The column.
        column: String,
        /// The check.
        check: String,
    },
    /// The row that a foreign key leads to.
    Leads {
        /// The columns of the key.
        columns: Vec<String>,
        /// The table that it leads to.
        to: Name,
        /// Where the rows are before the way back.
        place: Name,
    },
}

/// A foreign key as a statement makes it.
struct Reference {
    columns: Vec<String>,
    to: Name,
    to_columns: Vec<String>,
}

/// Where the rows of a table are before the way back.
struct Rows {
    place: Name,
    columns: Vec<String>,
    /// They come back.
    kept: bool,
}

/// What counts rows that would lead nowhere once the ways back have brought this (`brought`) back, for the foreign keys that one of
/// them makes.
pub fn leading_nowhere(running: Running<'_>, now: &Snapshot, brought: &[Kept]) -> Vec<Required> {
    let provider = now.provider;
    let is_unchecked = |statement: &Statement| {
        matches!(&statement.kind, Kind::Set { name, scope, .. }
            if ["foreign_key_checks", "session_replication_role"].contains(&name.as_str()) && *scope != Scope::Global)
    };
    if provider == Provider::Sqlite || running.script.statements.iter().any(is_unchecked) {
        return Vec::new();
    }
    // MySQL heeds no key at a column.
    let at_columns = provider != Provider::MySql || super::mysql::is_mariadb(now) == Some(true);
    let mut found = Vec::new();
    for (number, statement) in left(running) {
        let Some((table, references)) = made(statement, running.text, (provider, at_columns)) else {
            continue;
        };
        for reference in references {
            let own = rows(&table, &reference.columns, brought, provider);
            let other = rows(&reference.to, &reference.to_columns, brought, provider);
            if let Some((own, other)) = own.zip(other).filter(|(own, other)| own.kept || other.kept) {
                found.push(Required {
                    statement: number,
                    table: table.clone(),
                    count: count(&own, &other, provider),
                    lack: Lack::Leads { columns: reference.columns, to: reference.to, place: own.place },
                });
            }
        }
    }
    found
}

/// The foreign keys that a statement makes, and their table.
fn made(
    statement: &Statement,
    text: &str,
    (provider, at_columns): (Provider, bool),
) -> Option<(Name, Vec<Reference>)> {
    let text = statement.span.slice(text);
    let tokens = text::tokens(text, provider);
    let (table, elements): (Name, Vec<&str>) = match statement.kind {
        Kind::Ddl(DdlVerb::Create) => elements(text, Words::new(text, &tokens, provider))?,
        Kind::Ddl(DdlVerb::Alter) => {
            let pieces = Pieces::read(text, &tokens, provider)?;
            (pieces.table, pieces.pieces.iter().map(|piece| piece.text).collect())
        }
        _ => return None,
    };
    let references = elements.into_iter().filter_map(|element| reference(element, provider, at_columns));
    Some((table, references.collect()))
}

/// The name of a table that is made, and its columns and keys.
fn elements<'t>(text: &'t str, mut words: Words<'_>) -> Option<(Name, Vec<&'t str>)> {
    words.take("CREATE").then_some(())?;
    words.take_all(&["OR", "REPLACE"]);
    words.take("TABLE").then_some(())?;
    words.if_not_exists();
    let table = words.name()?;
    words.symbol(b'(').then_some(())?;
    let mut found = Vec::new();
    while let Some(first) = words.look(0).filter(|token| !token.is_symbol(b')')) {
        while words.look(0).is_some_and(|token| !token.is_symbol(b',') && !token.is_symbol(b')')) {
            words.skip_one();
        }
        found.push(words.span_from(first).slice(text));
        if !words.symbol(b',') {
            break;
        }
    }
    Some((table, found))
}

/// Reads the foreign key that a column, a constraint or a change makes, if it makes one that is looked at at once.
fn reference(element: &str, provider: Provider, at_columns: bool) -> Option<Reference> {
    let tokens = text::tokens(element, provider);
    let mut words = Words::new(element, &tokens, provider);
    let mut ahead = words.clone();
    while ahead.skip_to("NOT") {
        if ahead.take("VALID") {
            return None;
        }
    }
    if ["DROP", "ALTER", "VALIDATE", "RENAME", "COMMENT"].iter().any(|word| words.at_word(word)) {
        return None;
    }
    words.take_any(&["ADD", "MODIFY", "CHANGE"]);
    if words.take("CONSTRAINT") && !words.at_word("FOREIGN") {
        words.if_not_exists();
        words.part()?;
    }
    let is_key = words.take_all(&["FOREIGN", "KEY"]);
    let columns = if is_key {
        while words.look(0).is_some_and(|token| !token.is_symbol(b'(')) {
            words.advance();
        }
        list(&mut words)
    } else {
        words.take("COLUMN");
        words.if_not_exists();
        vec![words.part().filter(|_| at_columns)?]
    };
    words.skip_to("REFERENCES").then_some(())?;
    let to = words.name()?;
    let to_columns = list(&mut words);
    (!columns.is_empty() && columns.len() == to_columns.len()).then_some(Reference {
        columns,
        to,
        to_columns,
    })
}

/// The names in the parentheses that are next.
fn list(words: &mut Words<'_>) -> Vec<String> {
    let mut found = Vec::new();
    if words.symbol(b'(') {
        while let Some(name) = words.part() {
            found.push(name);
            words.symbol(b',');
        }
        words.symbol(b')');
    }
    found
}

/// Where rows of a table are that have these columns. None: they have others, and what those will be is not known.
fn rows(table: &Name, columns: &[String], brought: &[Kept], provider: Provider) -> Option<Rows> {
    let of = |kept: &&Kept| {
        text::same(&kept.name.name, &table.name, provider)
            && (table.schema.is_none() || table.schema == kept.name.schema)
    };
    let own: Vec<&Kept> = brought.iter().filter(of).collect();
    let whole = own.iter().find(|kept| kept.kind == KeptKind::Table);
    if let Some(whole) = whole {
        let had = |column: &String| whole.columns.iter().any(|own| text::same(own, column, provider));
        let known = whole.partitions.is_empty() && columns.iter().all(had);
        return known.then(|| Rows { place: whole.place.clone(), columns: columns.to_vec(), kept: true });
    }
    let of_column = |column: &String| {
        let is_it = |kept: &&&Kept| kept.column.as_ref().is_some_and(|own| text::same(own, column, provider));
        own.iter().find(is_it)
    };
    let held = columns.iter().find_map(of_column);
    let place_of = |column: &String| of_column(column).and_then(|kept| kept.place_column.clone());
    Some(Rows {
        place: held.map_or_else(|| table.clone(), |kept| kept.place.clone()),
        columns: columns.iter().map(|column| place_of(column).unwrap_or_else(|| column.clone())).collect(),
        kept: held.is_some(),
    })
}

/// A key with a NULL in it leads nowhere, and need not.
fn count(own: &Rows, other: &Rows, provider: Provider) -> String {
    let quoted = |name: &String| text::quoted(name, provider);
    let given = own.columns.iter().map(|column| format!("one.{} IS NOT NULL", quoted(column)));
    let same = own.columns.iter().zip(&other.columns);
    let same = same.map(|(column, to)| format!("other.{} = one.{}", quoted(to), quoted(column)));
    format!(
        "SELECT count(*) FROM {} AS one WHERE {} AND NOT EXISTS (SELECT 1 FROM {} AS other WHERE {})",
        text::qualified(&own.place, provider),
        given.collect::<Vec<_>>().join(" AND "),
        text::qualified(&other.place, provider),
        same.collect::<Vec<_>>().join(" AND ")
    )
}
