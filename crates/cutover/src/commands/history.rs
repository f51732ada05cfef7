//! `history`.

use super::call::Call;
use super::{Context, ExitCode};
use crate::args::HistoryArguments;
use crate::observe::Level;
use crate::settings::Arguments;
use diagnostics::Result;
use ops::adopt::adopt;
use ops::history::{Answer, Ask, Entry, MigrationEntry, RunEntry, history};
use ops::record::MigrationRecord;
use ops::report;
use std::time::Duration;

pub(super) fn run(arguments: &HistoryArguments, context: &Context<'_>) -> ExitCode {
    Call::of(context, arguments.json, true, |call| {
        if let Some(schema) = &arguments.adopt {
            return adopted(schema, arguments, call);
        }
        let answer = read(arguments, call)?;
        match &call.json {
            Some(json) => json.write(&answer),
            None => lines(&answer, arguments.logs).iter().for_each(|line| context.terminal.out(line)),
        }
        Ok(0)
    })
}

fn adopted(schema: &str, arguments: &HistoryArguments, call: &Call<'_>) -> Result<ExitCode> {
    let ask = ask(arguments, call)?;
    let human = call.human(Level::Normal, ask.target.provider);
    let adopted = adopt(&ask, schema, call.observer(&human), &call.interrupt)?;
    call.answer("adopted", &adopted, || {
        vec![format!(
            "Adopted from schema {schema}: {} run(s), the scripts of {} migration(s), {} kept thing(s).",
            adopted.runs, adopted.scripts, adopted.kept
        )]
    });
    Ok(0)
}

fn ask(arguments: &HistoryArguments, call: &Call<'_>) -> Result<Ask> {
    let asked = Arguments::new(&arguments.project, &arguments.wait).without_migrations();
    let project = call.project(&asked)?;
    Ok(Ask {
        target: project.target,
        options: project.options,
        limit: arguments.limit as usize,
        run: arguments.run.clone(),
    })
}

fn read(arguments: &HistoryArguments, call: &Call<'_>) -> Result<Answer> {
    let mut ask = ask(arguments, call)?;
    let human = call.human(Level::Quiet, ask.target.provider);
    if arguments.logs && ask.run.is_none() {
        // Of every run there is one that is the newest.
        ask.run = Some(String::new());
    }
    history(&ask, call.observer(&human), &call.interrupt)
}

fn lines(answer: &Answer, logs: bool) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(place) = &answer.copy_of {
        lines.push(format!(
            "This database ({}) is a copy of {place}: what is marked was run there.",
            answer.place
        ));
        lines.push(String::new());
    }
    for note in &answer.notes {
        lines.push(format!("Note: {note}."));
        lines.push(String::new());
    }
    if answer.entries.is_empty() {
        lines.push("Nothing has been deployed here.".to_owned());
    }
    for entry in &answer.entries {
        match entry {
            Entry::Run(run) => of_run(run, logs, &mut lines),
            Entry::Migration(migration) => lines.push(of_migration(migration)),
        }
    }
    if !answer.recorded {
        lines.push(String::new());
        lines.push(
            "Runs are not recorded here: what stands above is what the history table says (`tables = \"on\"` in cutover.toml records them)."
                .to_owned(),
        );
    }
    lines
}

/// `2026-11-26 08:00:01  deploy failed after 1.2 s  [9053b19d]`, then from where, then its migrations.
fn of_run(run: &RunEntry, logs: bool, lines: &mut Vec<String>) {
    let result = match run.result.as_deref() {
        Some(result) => result.to_owned(),
        None => "goes on, or was killed".to_owned(),
    };
    let took = run.ended_at.as_deref().and_then(|ended| between(&run.started_at, ended));
    let took = took.map(|took| format!(" in {}", ops::duration(took))).unwrap_or_default();
    let short: String = run.run.chars().take(8).collect();
    lines.push(format!("{}  {} {result}{took}  [{short}]", report::moment(&run.started_at), run.command));
    if let Some(place) = &run.elsewhere {
        lines.push(format!("    in another database: {place}"));
    }
    if let Some(from) = origin(run) {
        lines.push(format!("    from {from}"));
    }
    lines.extend(run.origin.skipped_gates.iter().map(|gate| format!("    skipped the gate {gate}")));
    for migration in &run.migrations {
        of_record(migration, lines);
    }
    if let Some(error) = &run.error {
        lines.extend(error.lines().map(|line| format!("    | {line}")));
    }
    if let Some(log) = run.log.as_deref().filter(|_| logs) {
        lines.push(String::new());
        lines.extend(log.lines().map(str::to_owned));
    }
}

fn of_record(migration: &MigrationRecord, lines: &mut Vec<String>) {
    let state = migration.outcome.as_deref().unwrap_or("begun");
    let took =
        migration.seconds.map(|seconds| format!(" in {}", report::seconds(seconds))).unwrap_or_default();
    let retries = match migration.retries {
        0 => String::new(),
        1 => ", 1 attempt without its locks".to_owned(),
        count => format!(", {count} attempts without their locks"),
    };
    lines.push(format!("    {}: {state}{took}{retries}", migration.name));
    // Where one statement took most of it, which.
    let slow = migration.statements.iter().filter(|statement| {
        migration.statements.len() > 1
            && statement.seconds >= 1.0
            && migration.seconds.is_some_and(|all| statement.seconds >= all / 10.0)
    });
    lines.extend(slow.map(|statement| {
        format!("      statement {} took {}", statement.number, report::seconds(statement.seconds))
    }));
}

fn of_migration(migration: &MigrationEntry) -> String {
    let took = match (migration.marked, migration.seconds) {
        (true, _) => ", marked without being run".to_owned(),
        (false, Some(seconds)) => format!(" in {}", report::seconds(seconds)),
        (false, None) => String::new(),
    };
    let state = migration.state.replace('_', " ");
    format!("{}  {}: {state}{took}", report::moment(&migration.started_at), migration.name)
}

fn origin(run: &RunEntry) -> Option<String> {
    let origin = &run.origin;
    let who = match (&origin.actor, &origin.user, &origin.host) {
        (Some(actor), _, _) => Some(actor.clone()),
        (None, Some(user), Some(host)) => Some(format!("{user}@{host}")),
        (None, None, Some(host)) => Some(host.clone()),
        (None, user, None) => user.clone(),
    };
    let commit = origin.commit.as_ref().map(|commit| {
        let short: String = commit.chars().take(12).collect();
        match &origin.branch {
            Some(branch) => format!("commit {short} of {branch}"),
            None => format!("commit {short}"),
        }
    });
    let role = run.role.as_ref().map(|role| format!("as {role}"));
    let version = run.version.as_ref().map(|version| format!("cutover {version}"));
    let parts: Vec<String> =
        [who, origin.ci.clone(), origin.url.clone(), commit, role, version].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn between(from: &str, to: &str) -> Option<Duration> {
    let (from, to): (jiff::Timestamp, jiff::Timestamp) = (from.parse().ok()?, to.parse().ok()?);
    Duration::try_from(to.duration_since(from)).ok()
}
