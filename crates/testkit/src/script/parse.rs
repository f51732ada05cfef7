//! From the text of a scenario to its steps.

use std::fmt;

/// A database that scenarios run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum On {
    /// SQLite, a file in the scenario's folder.
    Sqlite,
    /// A database of the throwaway PostgreSQL server.
    Postgresql,
    /// A database of the throwaway MariaDB server.
    Mysql,
}

impl On {
    /// The name in `on:`, after `@`, and of the provider in `schema.prisma`.
    pub fn name(self) -> &'static str {
        match self {
            On::Sqlite => "sqlite",
            On::Postgresql => "postgresql",
            On::Mysql => "mysql",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        [On::Sqlite, On::Postgresql, On::Mysql].into_iter().find(|on| on.name() == name)
    }
}

impl fmt::Display for On {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a step is. The order of the last three is the order in which missing ones are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Project,
    File,
    WriteBytes,
    Remove,
    Symlink,
    Chmod,
    Execute,
    Env,
    Stdin,
    Run,
    Sql,
    Read,
    Absent,
    Remember,
    Unchanged,
    Json,
    Exit,
    Stdout,
    Stderr,
}

impl Kind {
    const ALL: [Kind; 19] = [
        Kind::Project,
        Kind::File,
        Kind::WriteBytes,
        Kind::Remove,
        Kind::Symlink,
        Kind::Chmod,
        Kind::Execute,
        Kind::Env,
        Kind::Stdin,
        Kind::Run,
        Kind::Sql,
        Kind::Read,
        Kind::Absent,
        Kind::Remember,
        Kind::Unchanged,
        Kind::Json,
        Kind::Exit,
        Kind::Stdout,
        Kind::Stderr,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::Project => "project",
            Kind::File => "file",
            Kind::WriteBytes => "write-bytes",
            Kind::Remove => "remove",
            Kind::Symlink => "symlink",
            Kind::Chmod => "chmod",
            Kind::Execute => "execute",
            Kind::Env => "env",
            Kind::Stdin => "stdin",
            Kind::Run => "run",
            Kind::Sql => "sql",
            Kind::Read => "read",
            Kind::Absent => "absent",
            Kind::Remember => "remember",
            Kind::Unchanged => "unchanged",
            Kind::Json => "json",
            Kind::Exit => "exit",
            Kind::Stdout => "stdout",
            Kind::Stderr => "stderr",
        }
    }

    fn has_body(self) -> bool {
        use Kind::{Execute, File, Json, Read, Sql, Stderr, Stdin, Stdout, WriteBytes};
        matches!(self, File | WriteBytes | Execute | Stdin | Sql | Read | Json | Stdout | Stderr)
    }

    fn needs_argument(self) -> bool {
        use Kind::{Absent, Chmod, Env, Exit, File, Read, Remove, Sql, Symlink, WriteBytes};
        matches!(self, File | WriteBytes | Remove | Symlink | Chmod | Env | Sql | Read | Absent | Exit)
    }

    /// Whether it says what the run before it gave.
    pub(super) fn is_about_run(self) -> bool {
        matches!(self, Kind::Json | Kind::Exit | Kind::Stdout | Kind::Stderr)
    }
}

/// One directive.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) kind: Kind,
    pub(super) only: Option<On>,
    pub(super) argument: String,
    /// Unescaped, without blank lines at the end.
    pub(super) body: Vec<String>,
    /// The number of its line, from 1.
    pub(super) line: usize,
    /// How many lines of the file belong to it: its own, the body, blank lines after it.
    pub(super) height: usize,
}

impl Step {
    pub(super) fn is_on(&self, on: On) -> bool {
        self.only.is_none_or(|only| only == on)
    }
}

/// One file.
#[derive(Debug)]
pub(super) struct Scenario {
    pub(super) title: String,
    pub(super) on: Vec<On>,
    pub(super) steps: Vec<Step>,
}

/// A line and what is wrong there.
type Wrong = (usize, String);

impl Scenario {
    pub(super) fn parse(text: &str) -> Result<Self, Wrong> {
        let lines: Vec<&str> = text.lines().collect();
        let first = lines.iter().position(|line| directive(line).is_some()).unwrap_or(lines.len());
        let (title, on) = head(&lines[..first])?;
        let mut steps: Vec<Step> = Vec::new();
        for (index, line) in lines.iter().enumerate().skip(first) {
            let number = index + 1;
            if let Some((kind, only, argument)) = directive(line) {
                let step = step(number, kind, only, argument, &on)?;
                check_order(&step, &steps)?;
                steps.push(step);
                continue;
            }
            if let Some(step) = steps.last_mut() {
                if !step.kind.has_body() && !line.trim().is_empty() {
                    return Err((
                        number,
                        format!("\"{}\" has no body; is this a misspelt directive?", step.kind.name()),
                    ));
                }
                step.body.push(unescape(line).to_owned());
                step.height += 1;
            }
        }
        for step in &mut steps {
            while step.body.last().is_some_and(|line| line.trim().is_empty()) {
                step.body.pop();
            }
        }
        if !steps.iter().any(|step| step.kind == Kind::Run) {
            return Err((1, "nothing is run".to_owned()));
        }
        Ok(Self { title, on, steps })
    }
}

/// The title and the databases.
fn head(lines: &[&str]) -> Result<(String, Vec<On>), Wrong> {
    let title = lines.first().and_then(|line| line.strip_prefix("# ")).unwrap_or_default().trim();
    if title.is_empty() {
        return Err((1, "the first line is not a title (\"# ...\")".to_owned()));
    }
    let mut on = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        if line.starts_with('#') || line.trim().is_empty() {
            continue;
        }
        let Some(names) = line.strip_prefix("on:") else {
            return Err((
                index + 1,
                "before the first directive only comments and \"on:\" may stand".to_owned(),
            ));
        };
        for name in names.split_whitespace() {
            let unknown =
                || (index + 1, format!("\"{name}\" is no database; these are: sqlite postgresql mysql"));
            on.push(On::from_name(name).ok_or_else(unknown)?);
        }
    }
    if on.is_empty() {
        return Err((1, "no line \"on:\" says which databases it runs on".to_owned()));
    }
    Ok((title.to_owned(), on))
}

/// A directive's name, its `@` suffix and its argument. Only known names count: SQL comments look the
/// same otherwise.
fn directive(line: &str) -> Option<(Kind, Option<&str>, &str)> {
    let rest = line.strip_prefix("-- ")?;
    let (word, argument) = rest.split_once(' ').unwrap_or((rest, ""));
    let (name, only) = match word.split_once('@') {
        Some((name, only)) => (name, Some(only)),
        None => (word, None),
    };
    let kind = Kind::ALL.into_iter().find(|kind| kind.name() == name)?;
    Some((kind, only, argument.trim()))
}

fn step(number: usize, kind: Kind, only: Option<&str>, argument: &str, on: &[On]) -> Result<Step, Wrong> {
    let only = match only.map(|name| (name, On::from_name(name))) {
        None => None,
        Some((_, Some(only))) if on.contains(&only) => Some(only),
        Some((name, _)) => {
            return Err((number, format!("\"@{name}\" is not among the databases of \"on:\"")));
        }
    };
    let name = kind.name();
    if kind.needs_argument() && argument.is_empty() {
        return Err((number, format!("\"{name}\" needs an argument")));
    }
    if matches!(kind, Kind::Stdout | Kind::Stderr) && !matches!(argument, "" | "any") {
        return Err((number, format!("\"{name}\" takes no argument but \"any\"")));
    }
    if kind == Kind::Exit && argument.parse::<i32>().is_err() {
        return Err((number, format!("\"{argument}\" is no exit code")));
    }
    Ok(Step { kind, only, argument: argument.to_owned(), body: Vec::new(), line: number, height: 1 })
}

/// What is said about a run follows it, and is said once per database.
fn check_order(step: &Step, before: &[Step]) -> Result<(), Wrong> {
    if !step.kind.is_about_run() {
        return Ok(());
    }
    let since_run = before.iter().rev().take_while(|earlier| earlier.kind.is_about_run());
    let mut count = 0;
    for earlier in since_run {
        count += 1;
        let overlap = earlier.only.is_none() || step.only.is_none() || earlier.only == step.only;
        if earlier.kind == step.kind && overlap {
            return Err((step.line, format!("\"{}\" is given twice", step.kind.name())));
        }
    }
    let run = before.len().checked_sub(count + 1).and_then(|index| before.get(index));
    if run.is_none_or(|run| run.kind != Kind::Run) {
        return Err((step.line, format!("\"{}\" does not follow a \"run\"", step.kind.name())));
    }
    Ok(())
}

fn unescape(line: &str) -> &str {
    if line.starts_with('\\') && line.trim_start_matches('\\').starts_with("-- ") { &line[1..] } else { line }
}

/// A line as it is written in a body.
pub(super) fn escape(line: &str) -> String {
    let bare = line.trim_start_matches('\\');
    let looks_escaped = line.starts_with('\\') && bare.starts_with("-- ");
    if directive(line).is_some() || looks_escaped { format!("\\{line}") } else { line.to_owned() }
}

/// Splits arguments as a shell does: blanks separate, quotes group, nothing else is special.
pub(super) fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for character in text.chars() {
        match (quote, character) {
            (Some(open), _) if character == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (None, ' ') => words.extend(word.take()),
            _ => word.get_or_insert_default().push(character),
        }
    }
    words.extend(word);
    words
}
