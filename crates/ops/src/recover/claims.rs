//! Whether the database contradicts what `resolve` was told.

use super::gather::{self, Findings, Room, Subject, counted};
use crate::event::Event;
use crate::event::SilentObserver;
use crate::interrupt::Interrupt;
use crate::migrations::{self, Folder};
use crate::resolve::{Resolution, Resolve};
use crate::run::Run;
use diagnostics::{Diagnostic, Result, shell_word};
use std::sync::Arc;
use std::time::Duration;

/// How long the looking may take.
const LONGEST: Duration = Duration::from_secs(30);

/// How many migrations may be replayed for it.
const MOST: usize = 100;

/// Warns where the database proves something else than what was recorded just now. Where nothing can be proven, or not at little
/// cost, nothing is said.
pub(crate) fn look(run: &mut Run<'_>, resolve: &Resolve, interrupt: &Arc<Interrupt>) {
    // All that was asked for is done: from here on there is nothing that a deadline could cut off.
    interrupt.end_within(LONGEST);
    let Ok(folder) = migrations::read(&resolve.migrations) else { return };
    let names = resolve.resolution.names();
    let earlier = |name: &String| folder.migrations.iter().take_while(|found| found.name != *name).count();
    if names.iter().map(earlier).sum::<usize>() > MOST {
        return;
    }
    for name in names {
        // What cannot be looked into contradicts nothing.
        let Ok(Some(warning)) = contradiction(run, &folder, name, resolve, interrupt) else { continue };
        run.observer.on(&Event::Warning { warning });
    }
}

fn contradiction(
    run: &mut Run<'_>,
    folder: &Folder,
    name: &str,
    resolve: &Resolve,
    interrupt: &Arc<Interrupt>,
) -> Result<Option<Diagnostic>> {
    let Some(subject) = Subject::find(run, folder, Some(name))? else { return Ok(None) };
    let findings = gather::look(
        run,
        folder,
        &subject,
        Room { observer: &SilentObserver, schemas: &[], scratch: None },
        interrupt,
    )?;
    Ok(contradicted(&subject, &findings, &resolve.resolution).map(|shown| {
        let claim = match resolve.resolution {
            Resolution::Applied(_) => "applied",
            Resolution::RolledBack(_) => "rolled back",
        };
        Diagnostic::warning(format!("migration `{name}` is marked as {claim}, but in the database {shown}"))
            .help(format!("cutover recover {}", shell_word(name)))
    }))
}

/// What the database shows, if that excludes what was claimed.
fn contradicted(subject: &Subject, findings: &Findings, claim: &Resolution) -> Option<String> {
    findings.before.as_ref().filter(|_| findings.behind.is_empty())?;
    let fitting = &findings.evidence.fitting;
    let (first, last) = (*fitting.first()?, *fitting.last()?);
    match claim {
        // Behind a statement that fails by itself a person has found another way.
        Resolution::Applied(_) if findings.fails.is_some() || last == subject.planned.statement_count() => {
            None
        }
        Resolution::Applied(_) => Some(match last {
            0 => "no statement is applied".to_owned(),
            last => format!("only {} applied", counted(last)),
        }),
        Resolution::RolledBack(_) if first == 0 => None,
        Resolution::RolledBack(_) => Some(format!("{} applied", counted(first))),
    }
}
