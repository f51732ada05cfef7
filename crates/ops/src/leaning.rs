//! `deploy --keep-dropped` on PostgreSQL: what is kept needs its types, collations and functions for as long as it is kept, and CASCADE
//! names nothing of what it takes. Both are seen in the catalogue before anything runs.
//!
//! What a script itself makes before is seen by nobody then: the server watches those statements while they run (`sql::keep`).

use crate::along::{self, Going};
use crate::plan::PlannedMigration;
use crate::run::Run;
use diagnostics::Provider;
use sql::{Action, Dropped, Kept, KeptKind, Name, Root, Unkept};

/// What a deploy has dropped and changed so far, by its statements in their order.
#[derive(Default)]
pub(crate) struct Leaning {
    kept: Vec<Kept>,
    /// Tables that were altered: what they depended on, they may not depend on any more.
    altered: Vec<Name>,
}

impl Leaning {
    /// A statement of the next migration that drops something which others need: what is kept by then, or values that nobody keeps.
    pub(crate) fn refuse(
        &mut self,
        run: &mut Run<'_>,
        migration: &PlannedMigration,
        kept: &[Kept],
    ) -> Result<(), Unkept> {
        if run.target.provider != Provider::PostgreSql {
            return Ok(());
        }
        let text = migration.source.text();
        for (number, statement) in migration.statements().enumerate().skip(migration.state.done()) {
            let own: Vec<&Kept> = kept.iter().filter(|kept| kept.statement == number).collect();
            // A kept type goes aside with what has it.
            if own.iter().all(|kept| kept.kind != KeptKind::Type) {
                self.one(run, &sql::dropped(statement.span.slice(text)), &own)
                    .map_err(|reason| Unkept { statement: number, reason })?;
            }
            self.kept.extend(own.into_iter().cloned());
            for action in &statement.actions {
                match action {
                    Action::AlterTable { name, .. } => self.altered.push(name.clone()),
                    Action::RenameTable { from, to } => self.altered.extend([from.clone(), to.clone()]),
                    Action::DropTable { names, .. } => self.altered.extend(names.iter().cloned()),
                    _ => {}
                }
            }
        }
        Ok(())
    }

    fn one(&self, run: &mut Run<'_>, dropped: &Dropped, own: &[&Kept]) -> Result<(), String> {
        for root in &dropped.roots {
            // Of a table that stays its statement is taken apart already.
            if matches!(root, Root::Column(..) | Root::Constraint(..)) {
                continue;
            }
            for going in along::with(run, root).unwrap_or_default() {
                if own.iter().any(|kept| is_of(kept, &going)) {
                    continue;
                }
                if let Some(needs) = self.needed(root, &going) {
                    return Err(format!(
                        "{needs}, which is kept, needs it; drop it in a later migration, once `cutover trash purge` has taken that"
                    ));
                }
                if dropped.cascades && going.holds_values() && !self.is_altered(&going) {
                    let (kind, name) = (going.kind.trim_start_matches("table "), &going.identity);
                    return Err(format!(
                        "it takes {kind} {name} with it; drop that in a statement of its own"
                    ));
                }
            }
        }
        Ok(())
    }

    /// What of the kept things this is, or is a part of, where it is not taken off while it is kept.
    fn needed(&self, root: &Root, going: &Going) -> Option<String> {
        let code = matches!(root, Root::Routine(_) | Root::Relation(_));
        let Some(kept) = self.kept.iter().find(|kept| is_of(kept, going)) else {
            return aside(going);
        };
        match (going.kind.as_str(), &kept.column) {
            // Taken off, and made again with it.
            ("trigger", _) => None,
            _ if going.is_foreign_key => None,
            ("default value", _) if code => None,
            // It is in another schema by then.
            ("table", _) if matches!(root, Root::Schema(_)) => None,
            ("table", _) => Some(format!("table {}", kept.name)),
            ("table column", None) => Some(format!("a column of table {} ({})", kept.name, going.identity)),
            ("table column", Some(column)) => Some(format!("column {}.{column}", kept.name)),
            // So is all that is made of a kept column.
            (_, Some(_)) => None,
            (kind, None) => Some(format!("{} {} of table {}", kind, going.identity, kept.name)),
        }
    }

    fn is_altered(&self, going: &Going) -> bool {
        let is_its = |table: &Name| self.altered.iter().any(|altered| altered.name == table.name);
        going.table.as_ref().is_some_and(is_its)
    }
}

/// What an earlier deploy keeps. What keeps an object of it from being dropped is seen by the server.
fn aside(going: &Going) -> Option<String> {
    let in_schema = |table: &Name| {
        table.schema.as_ref().is_some_and(|schema| schema.starts_with(sql::KEPT_SCHEMA_PREFIX))
    };
    let named = going.column.as_ref().is_some_and(|column| column.starts_with(sql::KEPT_PREFIX));
    let is_aside = going.kind == "table column" && (named || going.table.as_ref().is_some_and(in_schema));
    is_aside.then(|| format!("column {}", going.identity))
}

/// Whether it is a kept table or column, or a part of one.
fn is_of(kept: &Kept, going: &Going) -> bool {
    let Some(table) = &going.table else { return false };
    match (kept.kind, &kept.column) {
        (KeptKind::Table, _) => {
            kept.name == *table || kept.partitions.iter().any(|partition| partition.name == *table)
        }
        (KeptKind::Column, Some(column)) => {
            kept.name == *table && going.column.as_ref().is_none_or(|own| own == column)
        }
        _ => false,
    }
}
