//! Comparing the folder with the history. Pure.

use super::unfinished::{failed, held, unfinished_rollback};
use super::{PlannedMigration, State, segments};
use crate::execute::unproven::recover;
use crate::migrations::{Content, Folder, Migration};
use crate::progress::{self, Progress};
use db::history::{History, HistoryRow};
use diagnostics::{Diagnostic, Failure, Provider, Result, Source, Span, codes, shell_word};
use std::collections::HashSet;

/// What folder and history say about each other.
#[derive(Debug, Default)]
pub struct Findings<'a> {
    /// Migrations that deploy would run, in order: those without a live row.
    pub pending: Vec<&'a Migration>,
    /// Unfinished rows that are not ours: Prisma failed, was killed, or is at work right now.
    pub failed: Vec<&'a HistoryRow>,
    /// Unfinished rows of ours.
    pub interrupted: Vec<&'a HistoryRow>,
    /// Unfinished rows of rollbacks: nothing is deployed before they have come to their end.
    pub rolling_back: Vec<&'a HistoryRow>,
    /// Pending ones that a rollback has taken back, with the same file: they do not run again by themselves.
    pub held: Vec<&'a Migration>,
    /// Those of them whose migration has no directory here: an older image, or a renamed directory.
    pub without_directory: Vec<&'a HistoryRow>,
    /// Applied ones whose file has another checksum now.
    pub edited: Vec<&'a Migration>,
    /// Names of applied ones without a directory, in the order in which they were applied.
    pub missing: Vec<&'a str>,
    /// Pending ones that come before the last applied one.
    pub out_of_order: Vec<&'a Migration>,
    /// Pending ones that ran before and were marked as rolled back.
    pub run_before: Vec<&'a Migration>,
    /// Names of those that are applied.
    pub applied: HashSet<&'a str>,
    /// The local migration just before the first pending one.
    pub last_common: Option<&'a str>,
}

/// Compares.
pub fn decide<'a>(folder: &'a Folder, history: &'a History) -> Findings<'a> {
    let mut findings = Findings::default();
    let local: HashSet<&str> = folder.migrations.iter().map(|migration| migration.name.as_str()).collect();
    let live: HashSet<&str> = history
        .rows
        .iter()
        .filter(|row| row.rolled_back_at.is_none())
        .map(|row| row.migration_name.as_str())
        .collect();
    let known: HashSet<&str> = history.rows.iter().map(|row| row.migration_name.as_str()).collect();
    for row in &history.rows {
        if Progress::is_rollback(row) {
            findings.rolling_back.push(row);
            continue;
        }
        if row.is_unfinished() {
            if row.progress().is_some() { &mut findings.interrupted } else { &mut findings.failed }.push(row);
            if row.progress().is_some() && !local.contains(row.migration_name.as_str()) {
                findings.without_directory.push(row);
            }
            continue;
        }
        if row.is_applied() {
            findings.applied.insert(&row.migration_name);
        }
        if row.is_applied()
            && !local.contains(row.migration_name.as_str())
            && !findings.missing.contains(&row.migration_name.as_str())
        {
            findings.missing.push(&row.migration_name);
        }
    }
    let last_applied = folder.migrations.iter().rposition(|migration| live.contains(migration.name.as_str()));
    for (index, migration) in folder.migrations.iter().enumerate() {
        let name = migration.name.as_str();
        if live.contains(name) {
            let applied = history.rows_of(name).find(|row| row.is_applied());
            let edited = applied.is_some_and(|row| {
                !matches!(migration.content, Content::Missing { .. }) && !migration.matches(&row.checksum)
            });
            if edited {
                findings.edited.push(migration);
            }
            if findings.pending.is_empty() {
                findings.last_common = Some(name);
            }
        } else {
            findings.pending.push(migration);
            if last_applied.is_some_and(|last| index < last) {
                findings.out_of_order.push(migration);
            }
            let newest = history.rows_of(name).max_by_key(|row| row.started_at);
            if newest.is_some_and(|row| row.is_held() && migration.matches(&row.checksum)) {
                findings.held.push(migration);
            } else if known.contains(name) {
                findings.run_before.push(migration);
            }
        }
    }
    findings
}

impl Findings<'_> {
    /// Whether the migration that `--to` names is there already: then there is nothing to do.
    pub fn has_applied(&self, to: Option<&str>) -> bool {
        to.is_some_and(|name| self.applied.contains(name))
    }

    /// Interrupted migrations that could go on, and do not because `--to` or `--count` excludes them.
    pub fn left_alone(&self) -> impl Iterator<Item = Diagnostic> {
        let here = self.interrupted.iter().filter(|row| {
            !self.without_directory.iter().any(|other| other.migration_name == row.migration_name)
        });
        here.map(|row| {
            let name = &row.migration_name;
            Diagnostic::warning(format!("migration `{name}` was interrupted and is left as it is"))
                .help("`cutover migrate deploy` completes it")
        })
    }

    /// What the reference does not tell, one warning each.
    pub fn warnings(&self) -> Vec<Diagnostic> {
        let mut warnings = Vec::new();
        for migration in &self.edited {
            warnings.push(Diagnostic::warning(format!(
                "migration `{}` was edited after it was applied; the database has what the old text did",
                migration.name
            )));
        }
        for name in &self.missing {
            warnings.push(Diagnostic::warning(format!(
                "migration `{name}` is applied in the database but has no directory here"
            )));
        }
        for row in &self.without_directory {
            warnings.push(Diagnostic::warning(format!(
                "migration `{}` was interrupted, or is running now, and has no directory here",
                row.migration_name
            )));
        }
        for migration in &self.out_of_order {
            warnings.push(Diagnostic::warning(format!(
                "migration `{}` is older than the last applied one and runs after it",
                migration.name
            )));
        }
        for migration in &self.run_before {
            warnings.push(Diagnostic::warning(format!(
                "migration `{}` was marked as rolled back and runs again",
                migration.name
            )));
        }
        warnings
    }

    /// P3009, if there are failed rows; C2027, if a rollback has not come to its end.
    pub fn failed_rows(&self) -> Option<Failure> {
        failed(&self.failed)
            .or_else(|| self.rolling_back.first().map(|row| unfinished_rollback(&row.migration_name)))
    }
}

/// Which pending migrations are wanted.
#[derive(Clone, Debug, Default)]
pub struct Limit {
    /// Up to and including this one.
    pub to: Option<String>,
    /// At most so many.
    pub count: Option<usize>,
    /// Those too that a rollback has taken back.
    pub reapply: bool,
}

/// Plans every wanted migration, the interrupted one first. Everything that can be refused is refused here,
/// before anything runs.
///
/// # Errors
/// P3015 for a missing file, C2001 for bytes that are no text, C2002 for a quote without end, C2003 and C2004 for
/// what cannot be sent, C2006 and C2009 for an interrupted migration that cannot go on.
pub fn plan(
    folder: &Folder,
    history: &History,
    findings: &Findings<'_>,
    provider: Provider,
    limit: &Limit,
    options: &sql::Options,
) -> Result<Vec<PlannedMigration>> {
    let mut planned = Vec::new();
    if limit.count == Some(0) || findings.has_applied(limit.to.as_deref()) {
        return Ok(planned);
    }
    let last = last_wanted(folder, findings, limit)?;
    for row in &findings.interrupted {
        if folder.migrations.iter().skip(last).any(|migration| migration.name == row.migration_name) {
            return Err(excluded(&row.migration_name, limit));
        }
        planned.extend(resume(folder, findings, row, options, provider)?);
    }
    let count = limit.count.unwrap_or(usize::MAX);
    planned.truncate(count);
    let pending: HashSet<&str> = findings.pending.iter().map(|migration| migration.name.as_str()).collect();
    let wanted =
        folder.migrations.iter().take(last).filter(|migration| pending.contains(migration.name.as_str()));
    for migration in wanted.take(count - planned.len()) {
        if !limit.reapply && findings.held.iter().any(|held| held.name == migration.name) {
            return Err(held(migration));
        }
        planned.push(one(migration, State::Pending, options, provider)?);
    }
    debug_assert!(history.exists || findings.interrupted.is_empty());
    Ok(planned)
}

/// How many migrations of the folder `--to` lets in.
fn last_wanted(folder: &Folder, findings: &Findings<'_>, limit: &Limit) -> Result<usize> {
    let Some(name) = &limit.to else { return Ok(folder.migrations.len()) };
    let known = findings.pending.iter().any(|migration| migration.name == *name)
        || findings.interrupted.iter().any(|row| row.migration_name == *name);
    let position = folder.migrations.iter().position(|migration| migration.name == *name);
    position.filter(|_| known).map(|position| position + 1).ok_or_else(|| {
        Failure::new(
            Diagnostic::error(format!("`--to {name}` names no migration that is pending or applied"))
                .code(&codes::C2017)
                .help(codes::C2017.way_out),
        )
    })
}

/// An interrupted migration comes before any other, and `--to` keeps it out.
fn excluded(name: &str, limit: &Limit) -> Failure {
    let to = limit.to.as_deref().unwrap_or_default();
    Failure::new(
        Diagnostic::error(format!(
            "migration `{name}` was interrupted and is completed before any other, and `--to {to}` excludes it"
        ))
        .code(&codes::C2017)
        .meta("migration", name)
        .help(format!("cutover migrate deploy --to {}", shell_word(name))),
    )
}

/// Plans a migration as one that begins, whatever the history says of it.
///
/// # Errors
/// P3015, C2001, C2002, C2003, C2004 as in [`plan`].
pub(crate) fn pending(
    migration: &Migration,
    options: &sql::Options,
    provider: Provider,
) -> Result<PlannedMigration> {
    one(migration, State::Pending, options, provider)
}

/// Plans the way back of a migration.
///
/// # Errors
/// C2002, C2003, C2004 as in [`plan`].
pub(crate) fn way_back(
    name: &str,
    source: &Source,
    state: State,
    options: &sql::Options,
    provider: Provider,
) -> Result<PlannedMigration> {
    let planned = cut(name, (source, ""), state, options, provider)?;
    Ok(PlannedMigration { back: true, ..planned })
}

fn one(
    migration: &Migration,
    state: State,
    options: &sql::Options,
    provider: Provider,
) -> Result<PlannedMigration> {
    cut(&migration.name, text(migration)?, state, options, provider)
}

fn cut(
    name: &str,
    (source, checksum): (&Source, &str),
    state: State,
    options: &sql::Options,
    provider: Provider,
) -> Result<PlannedMigration> {
    let script = sql::split(source.text(), options).map_err(|error| unterminated(source, &error))?;
    let segments = segments::segments(&script, source, provider)?;
    Ok(PlannedMigration {
        name: name.to_owned(),
        checksum: checksum.to_owned(),
        state,
        segments,
        ledger: provider == Provider::MySql,
        source: source.clone(),
        directives: script.directives,
        back: false,
        kept: Vec::new(),
    })
}

fn text(migration: &Migration) -> Result<(&Source, &str)> {
    match &migration.content {
        Content::Text { source, checksum } => Ok((source, checksum)),
        Content::Missing { cause } => Err(missing_file(migration, cause)),
        Content::NotText { offset, .. } => Err(Failure::new(
            Diagnostic::error(format!(
                "{}: the byte at offset {offset} is no UTF-8 text",
                migration.path.display()
            ))
            .code(&codes::C2001)
            .note("Prisma Migrate would replace it without a word and send another text than the file has")
            .help(codes::C2001.way_out),
        )),
    }
}

/// P3015 for a migration without its file.
pub fn missing_file(migration: &Migration, cause: &str) -> Failure {
    Failure::new(
        Diagnostic::error(format!("{} cannot be read: {cause}", migration.path.display()))
            .code(&codes::P3015)
            .reference(
                "Could not find the migration file at migration.sql. Please delete the directory or restore the \
                 migration file.",
            )
            .meta("migration", migration.name.clone())
            .help("restore the file or delete the directory, then `cutover migrate deploy`"),
    )
}

fn unterminated(source: &Source, error: &sql::ScanError) -> Failure {
    Failure::new(
        Diagnostic::error(error.to_string())
            .code(&codes::C2002)
            .label(source, Span::new(error.span.start, error.span.end), "opened here")
            .note("nothing was sent to the database")
            .help(codes::C2002.way_out),
    )
}

/// Plans the rest of an interrupted migration. `None` if there is nothing to do here: its directory is missing,
/// and nothing else is pending (an older image's container).
fn resume(
    folder: &Folder,
    findings: &Findings<'_>,
    row: &HistoryRow,
    options: &sql::Options,
    provider: Provider,
) -> Result<Option<PlannedMigration>> {
    let name = &row.migration_name;
    let unreadable = |reason: &str| {
        Failure::new(
            Diagnostic::error(format!(
                "migration `{name}` was interrupted and cannot be continued: {reason}"
            ))
            .code(&codes::C2005)
            .meta("migration", name.clone())
            .help(recover(name)),
        )
    };
    let progress = match Progress::of(row) {
        Some(Ok(progress)) => progress,
        Some(Err(reason)) => return Err(unreadable(&reason)),
        None => return Err(unreadable("its progress is missing")),
    };
    let Some(migration) = folder.migrations.iter().find(|migration| migration.name == *name) else {
        let nothing_else = findings.interrupted.len() == findings.without_directory.len();
        return if findings.pending.is_empty() && nothing_else {
            Ok(None)
        } else {
            Err(no_directory(findings, row, &progress, options))
        };
    };
    let state = State::Resume { id: row.id.clone(), progress: Box::new(progress.clone()) };
    let planned = one(migration, state, options, provider)?;
    let prefix = planned.prefix(progress.statement);
    if prefix.len() < progress.statement || progress::hash(prefix) != progress.prefix {
        return Err(Failure::new(
            Diagnostic::error(format!(
                "migration `{name}` was interrupted after {} statement(s), and these have been edited since",
                progress.statement
            ))
            .code(&codes::C2006)
            .meta("migration", name.clone())
            .help(format!("{} {}", codes::C2006.way_out, recover(name))),
        ));
    }
    Ok(Some(planned))
}

fn no_directory(
    findings: &Findings<'_>,
    row: &HistoryRow,
    progress: &Progress,
    options: &sql::Options,
) -> Failure {
    let name = &row.migration_name;
    let mut diagnostic =
        Diagnostic::error(format!("migration `{name}` was interrupted, and its directory is not here"))
            .code(&codes::C2009)
            .meta("migration", name.clone());
    // A directory that was renamed has the same beginning.
    let renamed = findings.pending.iter().find(|migration| {
        let Content::Text { source, .. } = &migration.content else { return false };
        let Ok(script) = sql::split(source.text(), options) else { return false };
        let prefix: Vec<&str> = script
            .statements
            .iter()
            .take(progress.statement)
            .map(|statement| statement.span.slice(source.text()))
            .collect();
        !prefix.is_empty() && prefix.len() == progress.statement && progress::hash(prefix) == progress.prefix
    });
    if let Some(renamed) = renamed {
        diagnostic =
            diagnostic.note(format!("`{}` begins with the same statements: was it renamed?", renamed.name));
    }
    Failure::new(diagnostic.help(format!(
        "Restore the directory and `cutover migrate deploy`, or deploy it by the image that has it. With its directory `cutover \
         recover {}` shows what of it is there",
        shell_word(name)
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use db::history::Time;
    use std::path::PathBuf;

    fn folder(names: &[&str]) -> Folder {
        let migrations = names
            .iter()
            .map(|name| Migration {
                name: (*name).to_owned(),
                path: PathBuf::from(name),
                content: Content::Text {
                    source: Source::new(*name, "SELECT 1;"),
                    checksum: crate::migrations::checksum(b"SELECT 1;"),
                },
            })
            .collect();
        Folder { migrations, ..Folder::default() }
    }

    fn row(name: &str, finished: bool, rolled_back: bool, logs: Option<&str>) -> HistoryRow {
        HistoryRow {
            id: name.to_owned(),
            checksum: crate::migrations::checksum(b"SELECT 1;"),
            finished_at: finished.then_some(Time(1)),
            migration_name: name.to_owned(),
            logs: logs.map(str::to_owned),
            rolled_back_at: rolled_back.then_some(Time(2)),
            started_at: Time(0),
            applied_steps_count: i64::from(finished),
        }
    }

    fn names<'a>(migrations: &[&'a Migration]) -> Vec<&'a str> {
        migrations.iter().map(|migration| migration.name.as_str()).collect()
    }

    #[test]
    fn every_relation_of_folder_and_history_is_told() {
        let folder = folder(&["1_a", "2_between", "3_c", "4_again", "5_e"]);
        let mut edited = row("3_c", true, false, None);
        edited.checksum = "0".repeat(64);
        let history = History {
            exists: true,
            rows: vec![
                row("1_a", true, false, None),
                row("0_gone", true, false, None),
                edited,
                row("4_again", true, true, None),
            ],
            text_times: false,
        };
        let findings = decide(&folder, &history);
        assert_eq!(names(&findings.pending), ["2_between", "4_again", "5_e"]);
        assert_eq!(names(&findings.out_of_order), ["2_between"]);
        assert_eq!(names(&findings.run_before), ["4_again"]);
        assert_eq!(names(&findings.edited), ["3_c"]);
        assert_eq!(findings.missing, ["0_gone"]);
        assert_eq!(findings.last_common, Some("1_a"));
        assert!(findings.failed_rows().is_none());
        assert_eq!(findings.warnings().len(), 4);
    }

    #[test]
    fn unfinished_rows_of_prisma_and_of_ours_are_told_apart() {
        let folder = folder(&["1_a", "2_b"]);
        let ours = Progress::start("run", None).logs(None);
        let history = History {
            exists: true,
            rows: vec![row("1_a", false, false, Some("boom")), row("2_b", false, false, Some(&ours))],
            text_times: false,
        };
        let findings = decide(&folder, &history);
        assert_eq!(findings.failed.len(), 1);
        assert_eq!(findings.interrupted.len(), 1);
        assert!(findings.pending.is_empty());
        let failure = findings.failed_rows().unwrap();
        assert!(
            failure
                .diagnostic()
                .reference
                .as_deref()
                .unwrap()
                .ends_with("The `1_a` migration started at 1970-01-01 00:00:00 UTC failed\n")
        );
    }
}
