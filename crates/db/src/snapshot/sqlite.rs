//! The structure of a SQLite file: what `sqlite_schema` stores, in one spelling.

use super::{add_part, is_ours, object};
use crate::values::Values;
use crate::{Conn, DbError};
use diagnostics::Provider;
use sql::{Definition, ObjectKind, PartKind, Snapshot};

/// All of it in one statement, so that no other session's change falls between. Tables come before what belongs to them. What a
/// virtual table keeps its rows in is left out. `_` in LIKE is any character.
const OBJECTS: &str = "WITH shadows AS MATERIALIZED (SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'shadow') \
    SELECT type, name, tbl_name, sql FROM main.sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND name \
    NOT IN shadows AND tbl_name NOT IN shadows ORDER BY type NOT IN ('table', 'view')";

/// What the file says of itself, for those who write it. 0 is said of one of which nobody has said anything.
const SETTINGS: &str = "SELECT 'application_id', application_id FROM pragma_application_id WHERE application_id <> 0 UNION ALL SELECT \
    'user_version', user_version FROM pragma_user_version WHERE user_version <> 0";

/// Reads it. Views have no columns here: SQLite tells them only of a view whose tables are all there.
pub(super) fn read(conn: &mut dyn Conn) -> Result<Snapshot, DbError> {
    let mut snapshot = Snapshot::empty(Provider::Sqlite);
    for row in conn.query(OBJECTS)? {
        let mut values = Values::of(row);
        let (kind, name, table, text) = (values.text(), values.text(), values.text(), values.text());
        // A trigger of our own may be on a table of the project's.
        if is_ours(&table) || (kind == "trigger" && is_ours(&name)) {
            continue;
        }
        match kind.as_str() {
            "table" => drop(snapshot.objects.insert(object(ObjectKind::Table, name), definition(text))),
            "view" => {
                let view =
                    Definition { text: sql::one_line(&text), source: Some(text), ..Definition::default() };
                snapshot.objects.insert(object(ObjectKind::View, name), view);
            }
            kind => {
                // A trigger can belong to a view as well, and has the name as it was written, in any letter case.
                let owner = snapshot
                    .objects
                    .iter_mut()
                    .find(|(owner, _)| owner.name.name.eq_ignore_ascii_case(&table));
                let Some((_, owner)) = owner else { continue };
                if kind == "index" {
                    let one_spelling = sql::index_text(&text).unwrap_or_else(|| sql::one_line(&text));
                    add_part(owner, PartKind::Index, name, one_spelling);
                } else {
                    add_part(owner, PartKind::Trigger, name, sql::one_line(&text));
                }
            }
        }
    }
    for row in conn.query(SETTINGS)? {
        let mut values = Values::of(row);
        snapshot.settings.insert(values.text(), values.text());
    }
    Ok(snapshot)
}

/// A table by its stored text. What has no list of columns (a virtual table) is known by what it stands on.
fn definition(source: String) -> Definition {
    let Some(table) = sql::table_text(&source) else {
        return Definition { text: sql::one_line(&source), source: Some(source), ..Definition::default() };
    };
    let mut definition = Definition {
        text: table.options,
        columns: table.columns,
        source: Some(source),
        ..Definition::default()
    };
    for (name, text) in table.constraints {
        let kind = if text.starts_with("FOREIGN KEY") { PartKind::ForeignKey } else { PartKind::Constraint };
        add_part(&mut definition, kind, name.unwrap_or_else(|| text.clone()), text);
    }
    definition
}
