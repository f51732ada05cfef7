//! Temporary tables: while one is there, its name without a schema leads to it and to no table of the database.

use crate::action::{Action, Name};
use crate::pg;
use crate::pg::command::{Change, Command};
use crate::statement::Statement;
use std::collections::BTreeSet;

/// Those that a script has made and not dropped so far.
#[derive(Default)]
pub(super) struct Temporary {
    names: BTreeSet<String>,
    /// One has another name by now, or a name that is one of the database as well.
    renamed: bool,
}

/// Which tables a statement drops or alters.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Meant {
    /// Those of the database.
    Own,
    /// Temporary ones.
    Temporary,
    /// Some are temporary, or may be.
    Unknown,
}

impl Temporary {
    /// What a statement means, and what is there behind it.
    pub(super) fn read(&mut self, statement: &Statement, written: &str) -> Meant {
        for action in &statement.actions {
            match action {
                Action::CreateTable { name, temporary: true, .. } => {
                    self.names.insert(name.name.clone());
                }
                Action::DropTable { names, .. } => return self.dropped(names),
                _ => {}
            }
        }
        match pg::read(written) {
            Ok(Command::Alter(change)) if self.is_one(&change.target.name) => {
                self.renamed |= change.changes.iter().any(|one| matches!(one, Change::Rename(_)));
                Meant::Temporary
            }
            Ok(Command::Alter(change)) => self.may_be(&change.target.name),
            _ => Meant::Own,
        }
    }

    fn dropped(&mut self, names: &[Name]) -> Meant {
        let of_them = names.iter().filter(|name| self.is_one(name)).count();
        let meant = match of_them {
            0 => names.iter().map(|name| self.may_be(name)).find(|meant| *meant != Meant::Own),
            all if all == names.len() => Some(Meant::Temporary),
            _ => Some(Meant::Unknown),
        };
        for name in names {
            self.names.remove(&name.name);
        }
        meant.unwrap_or(Meant::Own)
    }

    fn is_one(&self, name: &Name) -> bool {
        match &name.schema {
            Some(schema) => schema.starts_with("pg_temp"),
            None => !self.renamed && self.names.contains(&name.name),
        }
    }

    fn may_be(&self, name: &Name) -> Meant {
        if self.renamed && name.schema.is_none() { Meant::Unknown } else { Meant::Own }
    }
}
