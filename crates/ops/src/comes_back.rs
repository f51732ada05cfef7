//! What a rollback brings back of what `deploy --keep-dropped` has kept: foreseen before anybody agrees to it, and decided again from
//! the database as it is when its turn comes.
//!
//! What does not live here: keeping (`keep`), and bringing back one thing by itself (`trash`).

use crate::deploy::script_options;
use crate::keep::{self, read, script_of, told};
use crate::losses;
use crate::plan::{PlannedMigration, State};
use crate::run::Run;
use db::state::{self, trash};
use diagnostics::{Class, Diagnostic, Failure, Provider, Result, codes, shell_word};
use sql::{Action, Guard, Kept, Kind, Lack, Name, ObjectKind, Running, Snapshot, Statement, Substitution};
use std::collections::BTreeSet;

/// What is kept of a migration, and what of it comes back with its way back.
#[derive(Debug, Default)]
pub(crate) struct Coming {
    /// All of it of which it is known whose it is.
    pub(crate) kept: Vec<Kept>,
    /// What comes back.
    pub(crate) brought: Vec<Kept>,
}

impl Coming {
    /// What stays where it is.
    pub(crate) fn stays(&self) -> impl Iterator<Item = &Kept> {
        self.kept.iter().filter(|kept| !self.brought.iter().any(|brought| is_same(kept, brought)))
    }
}

fn is_same(one: &Kept, other: &Kept) -> bool {
    (one.statement, one.kind, &one.name, &one.column)
        == (other.statement, other.kind, &other.name, &other.column)
}

/// What guards what is kept, with what tells the rows of its table.
pub(crate) fn guarding(run: &mut Run<'_>) -> Result<Vec<sql::Guard>> {
    if run.target.provider != Provider::Sqlite || !run.patiently(state::standing)?.can_be_read() {
        return Ok(Vec::new());
    }
    let kept: Vec<Kept> = run.patiently(trash::read)?.iter().flat_map(read).collect();
    let guards = run.patiently(trash::guards)?.into_iter().filter_map(|(name, table, text)| {
        let keys = kept.iter().find(|kept| kept.guards.contains(&name))?.keys.iter();
        let keys = keys.map(|(own, _)| own.clone()).collect();
        Some(sql::Guard { name, table, keys, text })
    });
    Ok(guards.collect())
}

/// Follows ways back, one after the other, from the database as it is.
pub(crate) struct Foresight {
    now: Option<Snapshot>,
    guards: Vec<Guard>,
    /// The guards that go with their tables, and the migration whose way back drops those.
    lost: Vec<(String, String)>,
    writes: Writes,
    /// What comes back with those before.
    brought: Vec<Kept>,
}

impl Foresight {
    /// # Errors
    /// What the server or the connection says.
    pub(crate) fn of(run: &mut Run<'_>) -> Result<Self> {
        Ok(Self {
            now: None,
            guards: guarding(run)?,
            lost: Vec::new(),
            writes: Writes::default(),
            brought: Vec::new(),
        })
    }

    /// Something is kept of which a way back may take what guards it.
    pub(crate) fn is_needed(&self) -> bool {
        !self.guards.is_empty()
    }

    /// What comes back with the next one.
    ///
    /// # Errors
    /// C2033 for what could come back if it were not for the ways back before it.
    pub(crate) fn next(
        &mut self,
        run: &mut Run<'_>,
        back: &PlannedMigration,
        coming: &mut Coming,
    ) -> Result<()> {
        let mut now = match self.now.take() {
            Some(now) => now,
            None => snapshot(run)?,
        };
        let already: Vec<Kept> =
            coming.kept.iter().filter(|kept| is_back(back, kept, &now)).cloned().collect();
        let mut sent = instead(run, back, (&coming.kept, &self.guards), &mut now)?;
        self.brought.extend(sent.brought.iter().cloned());
        if let Some(script) = script_of(back, &script_options(run)) {
            let running = Running { script: &script, text: back.source.text(), done: back.state.done() };
            sent.required.extend(sql::leading_nowhere(running, &now, &self.brought));
        }
        self.now = Some(now);
        self.refuse_rows_that_lack(run, back, sent.required)?;
        coming.brought = sent.brought;
        coming.brought.extend(already);
        let gone =
            |kept: &&Kept| kept.guards.iter().any(|guard| self.lost.iter().any(|(lost, _)| lost == guard));
        if let Some(kept) = coming.brought.iter().find(gone) {
            let by = self.lost.iter().find(|(lost, _)| kept.guards.contains(lost)).map(|(_, by)| by.as_str());
            return Err(unknown_by_then(&back.name, kept, by.unwrap_or_default()));
        }
        self.guards = sent.guards;
        self.lost.extend(sent.lost.into_iter().map(|guard| (guard, back.name.clone())));
        Ok(())
    }

    /// Rows without what a statement needs of them, where the ways back leave them as they are.
    fn refuse_rows_that_lack(
        &mut self,
        run: &mut Run<'_>,
        back: &PlannedMigration,
        mut required: Vec<sql::Required>,
    ) -> Result<()> {
        required.sort_by_key(|one| one.statement);
        let mut looked = back.state.done();
        for one in &required {
            self.writes.add(back.statements().take(one.statement).skip(looked));
            looked = looked.max(one.statement);
            let others = match &one.lack {
                Lack::Leads { to, .. } => self.writes.may_have_more() || self.writes.may_have_changed(to),
                Lack::Value { .. } | Lack::Quiet { .. } | Lack::Check { .. } => false,
            };
            if others || self.writes.may_have_changed(&one.table) {
                continue;
            }
            if let Some(count) = losses::count(run, &one.count).filter(|count| *count > 0) {
                return Err(lacking(&back.name, one, count));
            }
        }
        self.writes.add(back.statements().skip(looked));
        Ok(())
    }
}

/// What statements may have done to the rows of tables.
#[derive(Default)]
pub(crate) struct Writes {
    /// A statement may write rows of any.
    any: bool,
    /// A statement adds rows.
    adds: bool,
    dropped: Vec<Name>,
}

impl Writes {
    pub(crate) fn add<'s>(&mut self, statements: impl Iterator<Item = &'s Statement>) {
        for statement in statements {
            let harmless = matches!(
                statement.kind,
                Kind::Ddl(_) | Kind::Pragma { .. } | Kind::Query | Kind::Data(sql::DataVerb::Insert)
            );
            self.any |=
                statement.session.calls_functions || !(harmless || statement.kind.is_transaction_control());
            self.adds |= matches!(statement.kind, Kind::Data(sql::DataVerb::Insert));
            for action in &statement.actions {
                if let Action::DropTable { names, .. } = action {
                    self.dropped.extend(names.iter().cloned());
                }
            }
        }
    }

    /// A table may have more rows than it had.
    fn may_have_more(&self) -> bool {
        self.any || self.adds
    }

    /// The rows of this table may be others than they were.
    pub(crate) fn may_have_changed(&self, table: &Name) -> bool {
        self.any || self.dropped.iter().any(|dropped| dropped.name.eq_ignore_ascii_case(&table.name))
    }
}

/// A way back that was begun has brought it back already.
fn is_back(back: &PlannedMigration, kept: &Kept, now: &Snapshot) -> bool {
    let begun = kept.comes_back && matches!(back.state, State::Resume { .. });
    let kinds = [ObjectKind::Table, ObjectKind::Enum, ObjectKind::Domain, ObjectKind::Type];
    begun
        && kinds.iter().filter_map(|kind| now.find(*kind, &kept.name)).any(|(_, there)| match &kept.column {
            Some(column) => there.columns.iter().any(|own| own.name == *column),
            None => true,
        })
}

/// The database, with the columns that are kept in its tables.
fn snapshot(run: &mut Run<'_>) -> Result<Snapshot> {
    let mut now = run.patiently(db::snapshot::read)?;
    if run.target.provider == Provider::Sqlite || !run.patiently(state::standing)?.can_be_read() {
        return Ok(now);
    }
    let owner = run.table.owner().to_owned();
    let mut columns = Vec::new();
    for kept in run.patiently(|conn| trash::of(conn, &owner))?.iter().flat_map(read) {
        if kept.kind == sql::KeptKind::Column {
            columns.extend(run.patiently(|conn| trash::find(conn, &kept))?);
        }
    }
    sql::hold_columns(&mut now, &columns);
    Ok(now)
}

/// What is sent in place of the statements of a way back, and what comes of it.
#[derive(Default)]
struct Instead {
    substitutions: Vec<Substitution>,
    /// The guards that go with their tables.
    lost: BTreeSet<String>,
    /// The others, with the tables that they are on then.
    guards: Vec<Guard>,
    /// What comes back.
    brought: Vec<Kept>,
    required: Vec<sql::Required>,
}

fn instead(
    run: &mut Run<'_>,
    back: &PlannedMigration,
    (kept, guards): (&[Kept], &[Guard]),
    now: &mut Snapshot,
) -> Result<Instead> {
    let Some(script) = script_of(back, &script_options(run)) else {
        return Ok(Instead { guards: guards.to_vec(), ..Instead::default() });
    };
    let running = Running { script: &script, text: back.source.text(), done: back.state.done() };
    let sql::GuardedOn { mut substitutions, lost, guards: then } = sql::guard_on(running, now, guards);
    // A table may have been kept with columns in it that were kept before.
    let mut whole = kept.to_vec();
    for table in whole.iter_mut().filter(|one| one.kind == sql::KeptKind::Table) {
        let leaf = table.partitions.iter().find(|partition| !partition.parted);
        let place = leaf.map_or(&table.place, |partition| &partition.place).clone();
        table.held = run.patiently(|conn| trash::columns(conn, &place))?;
        table.versioned = run.patiently(|conn| trash::is_versioned(conn, &place))?;
        table.counter = run.patiently(|conn| trash::counter(conn, &place))?;
    }
    for one in whole.iter_mut().filter(|one| !one.guards.is_empty()) {
        let guard = guards.iter().find(|guard| one.guards.contains(&guard.name));
        one.on = guard.map(|guard| Name { schema: None, name: guard.table.clone() });
    }
    let found = sql::bring_back(running, now, &whole);
    let left = |at: &usize| found.left.get(at).cloned().unwrap_or_default();
    let brought =
        found.brought.iter().filter_map(|at| Some(Kept { left: left(at), ..kept.get(*at)?.clone() }));
    let brought = brought.collect();
    substitutions.extend(found.substitutions);
    substitutions.sort_by_key(|one| one.statement);
    Ok(Instead { substitutions, lost, guards: then, brought, required: found.required })
}

/// Puts what was kept in place of the statements of a way back, and says in the list what it brings back. `coming` was agreed to.
///
/// # Errors
/// C2033 for what was agreed to come back and would not; what the server or the connection says.
pub(crate) fn bring_back(
    run: &mut Run<'_>,
    back: &mut PlannedMigration,
    row: &str,
    coming: &Coming,
) -> Result<()> {
    // What was undone before it may have brought back what holds it.
    let keep::OfRow { known, unknown } = keep::of_row(run, row)?;
    let guards = guarding(run)?;
    if known.is_empty() && guards.is_empty() && coming.brought.is_empty() {
        return Ok(());
    }
    run.patiently(trash::tidy)?;
    let mut now = snapshot(run)?;
    let already: Vec<&Kept> = coming.brought.iter().filter(|kept| is_back(back, kept, &now)).collect();
    let Instead { substitutions, brought, .. } = instead(run, back, (&known, &guards), &mut now)?;
    let comes = |one: &Kept| {
        let as_agreed = |other: &Kept| other.left.iter().all(|left| one.left.contains(left));
        brought.iter().chain(already.iter().copied()).any(|other| is_same(one, other) && as_agreed(other))
    };
    let lost = coming.brought.iter().find(|one| !comes(one));
    if let Some(lost) = lost {
        return Err(comes_not(&back.name, lost, unknown.iter().any(|one| is_same(one, lost))));
    }
    for segment in &mut back.segments {
        segment.substitutions.clone_from(&substitutions);
    }
    note(run, row, &brought)
}

/// MySQL: a table that was being filled when the way back failed is not left behind. What is kept is where it was.
pub(crate) fn tidy(run: &mut Run<'_>) {
    let _ = run.patiently(trash::tidy);
}

/// The list says that this comes back; that it has, says the row in the history.
fn note(run: &mut Run<'_>, row: &str, brought: &[Kept]) -> Result<()> {
    if brought.is_empty() {
        return Ok(());
    }
    let owner = run.table.owner().to_owned();
    for listed in run.patiently(|conn| trash::of(conn, &owner))?.iter().filter(|listed| listed.row == row) {
        let former = read(listed);
        let noted = |kept: &Kept| match brought.iter().find(|one| is_same(one, kept)) {
            Some(one) => Kept { comes_back: true, left: one.left.clone(), ..kept.clone() },
            None => kept.clone(),
        };
        let noted: Vec<Kept> = former.iter().map(noted).collect();
        if noted != former {
            // Names and texts always serialise.
            let text = serde_json::to_string(&noted).unwrap_or_default();
            run.patiently(|conn| trash::rewrite(conn, &listed.id, &text))?;
        }
    }
    Ok(())
}

fn lacking(name: &str, one: &sql::Required, count: u64) -> Failure {
    let rows = format!("migration `{name}` cannot be undone: {count} row(s) of {}", one.table);
    let without = |column: &str| format!("{rows} that came since have no value for column {column}");
    let (told, help) = match &one.lack {
        Lack::Value { column } => (
            format!("{}, which its way back makes NOT NULL without a default", without(column)),
            "delete the rows, or give the column a DEFAULT in down.sql; then `cutover rollback`".to_owned(),
        ),
        Lack::Quiet { column, trigger } => (
            format!("{}, and trigger `{trigger}` would fire when they are given one", without(column)),
            format!(
                "have down.sql drop trigger `{trigger}` before the column comes back, and make it again behind; or delete the rows; then \
                 `cutover rollback`"
            ),
        ),
        Lack::Check { column, check } => {
            let told = format!("{}, and check {check} does not take them so", without(column));
            let help = "delete the rows, or have down.sql leave the check out; then `cutover rollback`";
            (told, help.to_owned())
        }
        Lack::Leads { columns, to, place } => (
            format!("{rows} would lead to rows of {to} that are not there any more ({})", columns.join(", ")),
            format!(
                "put those rows of {to} back, or delete the ones that lead to them (they are in {place} now); or have down.sql leave the \
                 foreign key out; then `cutover rollback`"
            ),
        ),
    };
    Failure::new(
        Diagnostic::error(told)
            .code(&codes::C2033)
            .meta("migration", name)
            .note("nothing was undone")
            .help(help),
    )
    .class(Class::Refused)
}

fn unknown_by_then(name: &str, kept: &Kept, by: &str) -> Failure {
    Failure::new(
        Diagnostic::error(format!(
            "migration `{name}` cannot be undone with what is kept of it: the way back of `{by}` before it builds the table of {} anew, and \
             whose its values are would not be known any more",
            told(kept)
        ))
        .code(&codes::C2033)
        .meta("migration", name)
        .note(format!("the values are in {}, beside the keys of their rows", kept.place))
        .note("nothing was undone")
        .help(format!(
            "have the way back of `{by}` copy all rows with their keys; or `cutover rollback --to {}`, after which `cutover rollback` goes \
             on without the values, and says what that loses",
            shell_word(name)
        )),
    )
    .class(Class::Refused)
}

fn comes_not(name: &str, lost: &Kept, unknown: bool) -> Failure {
    let why = match unknown {
        true => "whose its values are is not known any more since its table was built anew",
        false => "something of its name is there, or what it is brought back by is another by now",
    };
    Failure::new(
        Diagnostic::error(format!("migration `{name}` was not undone: {} would not come back", told(lost)))
            .code(&codes::C2033)
            .meta("migration", name)
            .note(why)
            .note(format!("it stays in {}", lost.place))
            .help("`cutover rollback` says what comes back now, and goes on without the rest; copy that by hand"),
    )
}
