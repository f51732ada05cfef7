//! There is a backup that can be restored: one that is young enough, or one that is taken now.

use super::{Gate, Gates, Subject, Verdict};
use crate::backup::{self, CLOCKS_APART, Place};
use crate::process::{self, Program, Setting};
use diagnostics::Result;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

pub(super) static GATE: Gate = Gate {
    id: "backup",
    meaning: "There is a backup that can be restored.",
    check,
    asked_for: |gates| gates.backup.is_some(),
};

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Backup {
    /// Where backups of this tool lie.
    pub directory: Option<PathBuf>,
    /// A program that prints when the last backup was taken, RFC 3339 or seconds since 1970: for those of a platform.
    pub program: Option<Program>,
    /// How old one may be.
    pub freshness: Freshness,
    /// How long taking one may take.
    pub limit: Duration,
}

/// How old a backup may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Freshness {
    /// One is taken for every deploy.
    Now,
    /// One that is not older than this will do.
    Within(Duration),
}

const ASKING: Duration = Duration::from_secs(60);

fn check(gates: &Gates, subject: &mut Subject<'_>) -> Result<Verdict> {
    let Some(asked) = &gates.backup else { return Ok(Verdict::NotAsked) };
    if let Some(program) = &asked.program {
        return Ok(by_program(program, asked.freshness, subject));
    }
    let Some(directory) = &asked.directory else { return Ok(Verdict::NotAsked) };
    let answer = in_directory(directory, asked, subject);
    Ok(answer.map_or_else(|why| Verdict::Blocks(why, HELP.to_owned()), Verdict::Passes))
}

fn in_directory(
    directory: &Path,
    asked: &Backup,
    subject: &mut Subject<'_>,
) -> std::result::Result<String, String> {
    let place = Place::of(directory, subject)?;
    let mut removed = match subject.looks {
        true => String::new(),
        false => match place.tidy() {
            0 => String::new(),
            count => format!("; {count} file(s) that runs which were killed had left were removed"),
        },
    };
    if let Freshness::Within(limit) = asked.freshness
        && let Some((file, age)) = place.newest()?.filter(|(_, age)| *age <= limit)
    {
        // It was read back when it was taken; disks fill up, and copies break off.
        match backup::is_whole(&file, subject, asked.limit) {
            Ok(()) => {
                return Ok(format!("{} is {} old, and whole{removed}", file.display(), crate::duration(age)));
            }
            Err(why) => removed.push_str(&format!("; {} is not whole any more: {why}", file.display())),
        }
    }
    if subject.looks {
        let how = backup::ready(&place, subject, asked.limit)?;
        return Ok(format!("one would be taken: {how}{removed}"));
    }
    backup::take(&place, subject, asked.limit).map(|told| told + &removed)
}

const HELP: &str = "see to it that a backup can be taken, and deploy again";

/// A platform takes its backups itself.
fn by_program(program: &Program, freshness: Freshness, subject: &Subject<'_>) -> Verdict {
    let setting = Setting {
        variables: Vec::new(),
        input: String::new(),
        output: None,
        limit: ASKING,
        secrets: &subject.target.secrets(),
        stop: &|| subject.interrupt.reason().is_some(),
    };
    let help = "correct `gates.backup.command` in cutover.toml, or see to a backup".to_owned();
    let ended = process::run(program, &setting);
    let said = ended.said.lines().last().unwrap_or_default().trim().to_owned();
    if !ended.success {
        return Verdict::Blocks(format!("the last backup is not known: {}: {}", ended.how, ended.said), help);
    }
    let Some(taken) = moment(&said) else {
        return Verdict::Blocks(format!("`{said}` is no time of a backup"), help);
    };
    let now = SystemTime::now();
    if taken > now + CLOCKS_APART {
        return Verdict::Blocks(
            format!("`{said}` is a time that is still to come: seconds since 1970 are expected, or RFC 3339"),
            help,
        );
    }
    let age = now.duration_since(taken).unwrap_or_default();
    let limit = match freshness {
        Freshness::Within(limit) => limit,
        Freshness::Now => Duration::from_secs(3600),
    };
    let age_text = crate::duration(age);
    match age <= limit {
        true => Verdict::Passes(format!("the last backup is {age_text} old")),
        false => Verdict::Blocks(
            format!("the last backup is {age_text} old, more than {}", crate::duration(limit)),
            help,
        ),
    }
}

fn moment(text: &str) -> Option<SystemTime> {
    match text.parse::<u64>() {
        Ok(seconds) => SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds)),
        Err(_) => text.parse::<jiff::Timestamp>().ok().map(SystemTime::from),
    }
}
