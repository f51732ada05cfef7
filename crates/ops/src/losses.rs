//! What a way back throws away: the rows of tables and the values of columns that it drops, counted before it runs.

use crate::run::Run;
use diagnostics::Provider;
use sql::{Breakage, Catalog, Draft, Kind, Loss, Reversible};

/// More rows than these are not counted.
const MOST: u64 = 1_000_000;

/// A name as it stands in a statement.
pub(crate) fn quoted(provider: Provider, name: &str) -> String {
    match provider {
        Provider::MySql => format!("`{}`", name.replace('`', "``")),
        _ => db::history::quote_identifier(name),
    }
}

/// The same for a table.
pub(crate) fn qualified(provider: Provider, table: &sql::Name) -> String {
    match &table.schema {
        Some(schema) => format!("{}.{}", quoted(provider, schema), quoted(provider, &table.name)),
        None => quoted(provider, &table.name),
    }
}

/// How many rows a table has; none where that cannot be counted.
pub(crate) fn rows(run: &mut Run<'_>, table: &sql::Name) -> Option<u64> {
    count(run, &format!("SELECT count(*) FROM {}", qualified(run.target.provider, table)))
}

/// The number that a query counts, over all rows; none where that cannot be said.
pub(crate) fn count(run: &mut Run<'_>, ask: &str) -> Option<u64> {
    asked(run, ask).ok()?.into_iter().flatten().flatten().next()?.parse().ok()
}

/// Asks of all rows: those that a policy hides are lost as well.
fn asked(run: &mut Run<'_>, ask: &str) -> std::result::Result<db::Rows, db::DbError> {
    if run.target.provider != Provider::PostgreSql {
        return run.conn.query(ask);
    }
    let rows = run.conn.query(&format!("BEGIN READ ONLY; SET LOCAL row_security = off; {ask}; COMMIT"));
    if rows.is_err() {
        let _ = run.conn.execute("ROLLBACK");
    }
    rows
}

/// What a drafted way back throws away, counted where that is possible.
pub(crate) fn of_draft(run: &mut Run<'_>, draft: &Draft) -> Vec<String> {
    let losses = draft.steps.iter().flat_map(|undo| &undo.losses);
    losses
        .filter_map(|loss| match loss {
            Loss::Rows { table } => counted(run, table, None),
            Loss::Values { table, column } => counted(run, table, Some(column)),
        })
        .collect()
}

/// What a statement throws away, counted where that is possible.
pub(crate) fn of_statement(
    run: &mut Run<'_>,
    statement: &sql::Statement,
    text: &str,
    catalog: &Catalog,
) -> Vec<String> {
    let effect = sql::effect(statement, text, catalog);
    let gone: Vec<(sql::Name, Option<String>)> = effect
        .breaks
        .iter()
        .filter_map(|breakage| match breakage {
            Breakage::Gone { object, column } => {
                // What is not there as a table holds no rows: a view, a function, a type.
                let table = catalog.tables.get(object)?;
                (table.kind == sql::TableKind::Table || table.kind == sql::TableKind::Partitioned)
                    .then(|| (object.clone(), column.clone()))
            }
            _ => None,
        })
        .collect();
    let mut losses: Vec<String> =
        gone.iter().filter_map(|(table, column)| counted(run, table, column.as_deref())).collect();
    let rows = |table: &sql::Name| format!("rows of {table}");
    match &statement.kind {
        Kind::Data(sql::DataVerb::Insert) => {}
        Kind::Data(_) | Kind::Ddl(sql::DdlVerb::Truncate) => {
            let tables: Vec<String> = effect.tables.iter().map(|found| rows(&found.table)).collect();
            let what = if tables.is_empty() { "rows".to_owned() } else { tables.join(", ") };
            losses.push(format!("{what} that the way back changes or deletes"));
        }
        Kind::Do | Kind::Call | Kind::Execute | Kind::Unknown => {
            losses.push("whatever its code changes, which nobody can tell before".to_owned());
        }
        Kind::Query if statement.session.calls_functions => {
            losses.push("whatever the functions change that it calls".to_owned());
        }
        // A table that is dropped is counted, and one that is not there loses nothing.
        Kind::Ddl(sql::DdlVerb::Drop) => {}
        _ if effect.reversible == Reversible::DataLost && gone.is_empty() => {
            let tables: Vec<String> = effect.tables.iter().map(|found| found.table.to_string()).collect();
            let of = if tables.is_empty() { String::new() } else { format!(" of {}", tables.join(", ")) };
            losses.push(format!("values{of} that the way back changes"));
        }
        _ => {}
    }
    losses
}

/// `12 rows of public.notes`; none where there are none.
pub(crate) fn counted(run: &mut Run<'_>, table: &sql::Name, column: Option<&str>) -> Option<String> {
    let provider = run.target.provider;
    let qualified = qualified(provider, table);
    let condition =
        column.map(|column| format!(" WHERE {} IS NOT NULL", quoted(provider, column))).unwrap_or_default();
    let ask =
        format!("SELECT count(*) FROM (SELECT 1 FROM {qualified}{condition} LIMIT {}) AS counted", MOST + 1);
    let what = |number: &str, thing: &str| match column {
        Some(column) => format!("{number} {thing} of {table}.{column}"),
        None => format!("{number} {thing} of {table}"),
    };
    let thing = if column.is_some() { "values" } else { "rows" };
    // What cannot be counted now is lost all the same.
    let rows = asked(run, &ask);
    let number = rows.ok().and_then(|rows| rows.into_iter().flatten().flatten().next()?.parse::<u64>().ok());
    match number {
        Some(0) => None,
        Some(1) => Some(what("1", thing.trim_end_matches('s'))),
        Some(number) if number > MOST => Some(what("more than a million", thing)),
        Some(number) => Some(what(&number.to_string(), thing)),
        None => Some(what("an unknown number of", thing)),
    }
}

/// SQLite: the keys of tables that lead to others and let their own rows go with those. There DROP TABLE deletes the rows first.
#[derive(Default)]
pub(crate) struct Leading {
    /// The table, and the text of its key.
    keys: Vec<(String, String)>,
    /// Keys are off in the whole script.
    off: std::cell::Cell<bool>,
}

impl Leading {
    /// Reads them.
    ///
    /// # Errors
    /// What the database says.
    pub(crate) fn read(run: &mut Run<'_>) -> diagnostics::Result<Self> {
        if run.target.provider != Provider::Sqlite {
            return Ok(Self::default());
        }
        let snapshot = run.patiently(db::snapshot::read)?;
        let mut keys = Vec::new();
        for (object, definition) in &snapshot.objects {
            let texts = definition.columns.iter().map(|column| &column.text).chain(definition.parts.values());
            let leads = texts.filter(|text| {
                let upper = text.to_ascii_uppercase();
                upper.contains("REFERENCES")
                    && upper.contains("ON DELETE")
                    && !upper.contains("ON DELETE NO ACTION")
            });
            keys.extend(leads.map(|text| (object.name.name.clone(), text.clone())));
        }
        Ok(Self { keys, off: std::cell::Cell::new(false) })
    }

    /// What goes with what a statement drops.
    pub(crate) fn taken_by(&self, statement: &sql::Statement) -> Vec<String> {
        if let Kind::Pragma { name, argument: Some(value) } = &statement.kind
            && name == "foreign_keys"
        {
            self.off.set(["off", "0", "false", "no"].contains(&value.to_ascii_lowercase().as_str()));
        }
        if self.off.get() {
            return Vec::new();
        }
        let dropped = statement.actions.iter().filter_map(|action| match action {
            sql::Action::DropTable { names, .. } => Some(names),
            _ => None,
        });
        let mut taken = Vec::new();
        for name in dropped.flatten() {
            let leads = self.keys.iter().filter(|(table, text)| {
                !table.eq_ignore_ascii_case(&name.name) && leads_to(text, &name.name)
            });
            taken.extend(leads.map(|(table, _)| {
                format!("or changes rows of {table} that lead to {} (ON DELETE)", name.name)
            }));
        }
        taken
    }
}

/// Whether `REFERENCES name` stands in the text of a key.
fn leads_to(text: &str, table: &str) -> bool {
    let upper = text.to_ascii_uppercase();
    let Some((_, rest)) = upper.split_once("REFERENCES") else { return false };
    let named = rest.trim_start().trim_start_matches(['"', '`', '[']);
    let wanted = table.to_ascii_uppercase();
    named
        .strip_prefix(&wanted)
        .is_some_and(|behind| !behind.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
}
