//! The rows of a database, and how far its counters have come: what a way back leaves alone if it says of nothing that it is gone.

use crate::connect;
use db::Conn;
use diagnostics::Provider;
use sql::{Name, ObjectKind, Snapshot};
use std::collections::BTreeMap;

/// Rows of tables and counters, by name. The columns of a row are in the order of their names.
pub(super) type Content = BTreeMap<String, Vec<Vec<Option<String>>>>;

/// What the tables and counters of a snapshot hold.
pub(super) fn content(url: &str, snapshot: &Snapshot) -> Content {
    let mut conn = connect(url);
    let mut content = Content::new();
    for (object, definition) in &snapshot.objects {
        let name = qualified(&object.name, snapshot.provider);
        let asked = match object.kind {
            ObjectKind::Table => {
                let mut columns: Vec<String> =
                    definition.columns.iter().map(|own| quoted(&own.name, snapshot.provider)).collect();
                columns.sort();
                format!("SELECT {} FROM {name}", columns.join(", "))
            }
            ObjectKind::Sequence if snapshot.provider == Provider::MySql => {
                format!("SELECT next_not_cached_value FROM {name}")
            }
            _ => continue,
        };
        // A table without columns, or one on another server.
        let Ok(mut rows) = conn.query(&asked) else { continue };
        rows.sort();
        let counter = if object.kind == ObjectKind::Sequence { COUNTER } else { "" };
        content.insert(format!("{counter}{}", object.name), rows);
    }
    if snapshot.provider == Provider::PostgreSql {
        content.extend(identities(conn.as_mut()));
    }
    content
}

/// The counters of identity columns, which are no objects of a snapshot.
fn identities(conn: &mut dyn Conn) -> Content {
    let asked = "SELECT concat(schemaname, '.', sequencename), last_value::text FROM pg_sequences";
    let rows = conn.query(asked).unwrap_or_else(|error| panic!("{error}"));
    let counter = |row: Vec<Option<String>>| {
        let mut values = row.into_iter();
        Some((format!("{COUNTER}{}", values.next()??), vec![vec![values.next()?]]))
    };
    rows.into_iter().filter_map(counter).collect()
}

/// What the names of counters begin with.
const COUNTER: &str = "counter ";

/// How what came back differs from what was there. A counter may have given out numbers since.
pub(super) fn differing(before: &Content, after: &Content) -> Vec<String> {
    let other = |(name, rows): (&String, &Vec<Vec<Option<String>>>)| {
        let now = after.get(name);
        let number = |rows: &Vec<Vec<Option<String>>>| rows.first()?.first()?.as_deref()?.parse::<i64>().ok();
        let further = name.starts_with(COUNTER)
            && now
                .is_some_and(|now| number(rows).is_none_or(|then| number(now).is_some_and(|now| now > then)));
        (now != Some(rows) && !further).then(|| format!("the content of {name}: {rows:?}\nis now: {now:?}"))
    };
    before.iter().filter_map(other).collect()
}

fn quoted(name: &str, provider: Provider) -> String {
    match provider {
        Provider::MySql => format!("`{}`", name.replace('`', "``")),
        Provider::PostgreSql | Provider::Sqlite => format!("\"{}\"", name.replace('"', "\"\"")),
    }
}

fn qualified(name: &Name, provider: Provider) -> String {
    let schema = name.schema.as_ref().map(|schema| format!("{}.", quoted(schema, provider)));
    format!("{}{}", schema.unwrap_or_default(), quoted(&name.name, provider))
}
