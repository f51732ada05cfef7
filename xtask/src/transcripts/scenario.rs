//! What sets a transcript's scenario up: `fixtures/transcripts/*.replay`.
//!
//! ```text
//! # What it is about
//! on: postgresql mysql sqlite
//! -- project app_a
//! -- file prisma/migrations/1_a/migration.sql
//! CREATE TABLE a (id INTEGER);
//! -- replay migrate deploy
//! ```
//!
//! The file `NAME.replay` belongs to the transcripts `native-<database>-NAME.txt` of the databases that `on:` names. Its
//! directives stand in the order of the transcript's commands; `@mysql` and the like limit one to that database. A body
//! line that would read as a directive is written with a backslash before it.
//!
//! | directive | meaning |
//! |---|---|
//! | `project NAME` | an empty folder with schema and lock file, an empty database NAME (SQLite: no file), variables as at first |
//! | `project NAME missing` | the same, and the database does not exist |
//! | `file PATH` + body, `bytes PATH` + hexadecimal body, `remove PATH` | as in script tests |
//! | `repeat N PATH` + body | adds the body N times to a file |
//! | `env NAME=value`, `env NAME` | sets or removes a variable |
//! | `sql` + body, `admin` + body | runs SQL in the database, or beside all databases |
//! | `hold` + body, `release` | a session that runs SQL and stays; all of them end |
//! | `prepare ARGUMENTS` | runs cutover, which must succeed; nothing is compared |
//! | `replay ARGUMENTS` | the transcript's next command must be this one; it is run and compared |
//! | `also ARGUMENTS` | as `replay`, and the command stays the next one: the same in another state |
//! | `at-once ARGUMENTS` | the transcript's next two runs: the second is started while the first applies a migration |
//! | `during MIGRATION ARGUMENTS` + body | as `replay`; once MIGRATION is being applied, `admin` runs the body |
//! | `signal NAME MIGRATION ARGUMENTS` + body | the transcript's next run: as `during`, and then it is sent a signal |
//! | `skip ARGUMENTS` + body | the transcript's next command is not replayed; the body says why, or `reasons` does |
//! | `skip run` + body | the same of a run of which the streams were recorded as one |
//! | `skip others` | all commands up to the next one that has to be replayed |
//!
//! `{q}` stands for the quote of an identifier, `{port}`, `{dir}` and `{database}` for what they name.

use super::target::On;

/// What a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Project,
    File,
    Bytes,
    Repeat,
    Remove,
    Env,
    Sql,
    Admin,
    Hold,
    Release,
    Prepare,
    Replay,
    Also,
    AtOnce,
    During,
    Signal,
    Skip,
}

const KINDS: [(&str, Kind); 17] = [
    ("project", Kind::Project),
    ("file", Kind::File),
    ("bytes", Kind::Bytes),
    ("repeat", Kind::Repeat),
    ("remove", Kind::Remove),
    ("env", Kind::Env),
    ("sql", Kind::Sql),
    ("admin", Kind::Admin),
    ("hold", Kind::Hold),
    ("release", Kind::Release),
    ("prepare", Kind::Prepare),
    ("replay", Kind::Replay),
    ("also", Kind::Also),
    ("at-once", Kind::AtOnce),
    ("during", Kind::During),
    ("signal", Kind::Signal),
    ("skip", Kind::Skip),
];

/// One directive with its body.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) kind: Kind,
    only: Option<On>,
    pub(super) argument: String,
    body: Vec<String>,
    pub(super) line: usize,
}

impl Step {
    pub(super) fn is_on(&self, on: On) -> bool {
        self.only.is_none_or(|only| only == on)
    }

    /// The body, with one newline at its end if there is any.
    pub(super) fn text(&self) -> String {
        let used = self.body.iter().rposition(|line| !line.trim().is_empty()).map_or(0, |last| last + 1);
        self.body[..used].iter().fold(String::new(), |text, line| text + line + "\n")
    }
}

/// One file.
#[derive(Debug)]
pub(super) struct Scenario {
    pub(super) on: Vec<On>,
    pub(super) steps: Vec<Step>,
}

impl Scenario {
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut on = Vec::new();
        let mut steps: Vec<Step> = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let number = index + 1;
            if let Some(step) = directive(line, number)? {
                steps.push(step);
            } else if let Some(step) = steps.last_mut() {
                step.body.push(unescaped(line).to_owned());
            } else if let Some(names) = line.strip_prefix("on:") {
                for name in names.split_whitespace() {
                    on.push(
                        On::from_name(name)
                            .ok_or_else(|| format!("{number}: no database is called {name}"))?,
                    );
                }
            } else if !line.starts_with('#') && !line.is_empty() {
                return Err(format!("{number}: before the first directive stand comments and \"on:\" alone"));
            }
        }
        if on.is_empty() || steps.is_empty() {
            return Err("1: no \"on:\" line, or no directive".to_owned());
        }
        Ok(Self { on, steps })
    }
}

/// A directive. Only known names count: SQL comments look the same otherwise.
fn directive(line: &str, number: usize) -> Result<Option<Step>, String> {
    let Some(rest) = line.strip_prefix("-- ") else { return Ok(None) };
    let (word, argument) = rest.split_once(' ').unwrap_or((rest, ""));
    let (name, only) = word.split_once('@').map_or((word, None), |(name, only)| (name, Some(only)));
    let Some(&(_, kind)) = KINDS.iter().find(|(known, _)| *known == name) else { return Ok(None) };
    let known = |only| On::from_name(only).ok_or_else(|| format!("{number}: no database is called {only}"));
    let only = only.map(known).transpose()?;
    Ok(Some(Step { kind, only, argument: argument.trim().to_owned(), body: Vec::new(), line: number }))
}

fn unescaped(line: &str) -> &str {
    if line.starts_with("\\-- ") { &line[1..] } else { line }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_bodies_and_their_databases() {
        let text = "# about\non: sqlite mysql\n-- file@mysql a/b.sql\n-- no directive\n\\-- skip this\n\n-- replay migrate deploy\n";
        let scenario = Scenario::parse(text).unwrap();
        assert_eq!(scenario.on, [On::Sqlite, On::Mysql]);
        let file = &scenario.steps[0];
        assert_eq!((file.kind, file.argument.as_str()), (Kind::File, "a/b.sql"));
        assert_eq!(file.text(), "-- no directive\n-- skip this\n");
        assert!(file.is_on(On::Mysql) && !file.is_on(On::Sqlite));
        assert_eq!(
            (scenario.steps[1].kind, scenario.steps[1].argument.as_str()),
            (Kind::Replay, "migrate deploy")
        );
    }

    #[test]
    fn every_scenario_of_the_project_can_be_read() {
        let folder = crate::root().join(super::super::SCENARIOS);
        let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let scenarios: Vec<_> =
            paths.filter(|path| path.extension().is_some_and(|ending| ending == "replay")).collect();
        assert!(scenarios.len() >= 12, "{scenarios:?}");
        for path in scenarios {
            let scenario = Scenario::parse(&std::fs::read_to_string(&path).unwrap());
            assert!(scenario.is_ok(), "{}: {scenario:?}", path.display());
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        assert!(Scenario::parse("on: oracle\n").unwrap_err().starts_with("1:"));
        assert!(Scenario::parse("on: sqlite\nwhat\n").unwrap_err().starts_with("2:"));
        assert!(Scenario::parse("on: sqlite\n-- sql@db2\n").unwrap_err().starts_with("2:"));
    }
}
