//! What the reference was recorded to do: the text of one transcript as a list of blocks.
//!
//! Of a transcript's text these parts are read: `$ prisma ...` with the streams and the exit code after it, runs whose
//! streams were recorded as one (two deploys at once, a deploy that was sent a signal), and `$ export`, `$ unset`.
//! Everything else (headings, queries of the database) is for people.

use std::collections::VecDeque;

/// One part of a transcript that has to be replayed, or to be left out for a reason.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Block {
    /// A command whose streams are known apart.
    Command(Command),
    /// A run of which stdout and stderr were recorded together.
    Merged(Merged),
    /// `$ export NAME=value`, or `$ unset NAME`.
    Variable { name: String, value: Option<String> },
}

/// What a command printed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Command {
    /// The words after `prisma`.
    pub(super) arguments: String,
    pub(super) stdout: Vec<String>,
    pub(super) stderr: Vec<String>,
    pub(super) exit: String,
}

/// What a run printed on both streams.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Merged {
    pub(super) output: Vec<String>,
    pub(super) exit: String,
}

/// Reads a transcript.
pub(super) fn parse(text: &str) -> Result<VecDeque<Block>, String> {
    let lines: Vec<&str> = text.lines().collect();
    let mut blocks = VecDeque::new();
    let mut at = 0;
    while let Some(line) = lines.get(at) {
        let rest = &lines[at + 1..];
        let (block, used) = if let Some(arguments) = line.strip_prefix("$ prisma ") {
            command(arguments, rest).ok_or_else(|| format!("line {}: a command without its end", at + 1))?
        } else if matches!(*line, "[first]" | "[second]") {
            labelled(rest).ok_or_else(|| format!("line {}: a run without its exit code", at + 1))?
        } else if let Some(exit) = signalled(line, rest) {
            exit
        } else {
            at += 1;
            blocks.extend(variable(line));
            continue;
        };
        blocks.push_back(block);
        at += 1 + used;
    }
    Ok(blocks)
}

fn owned(lines: &[&str]) -> Vec<String> {
    lines.iter().map(|line| (*line).to_owned()).collect()
}

/// The streams below a command, and how many lines they take.
fn command(arguments: &str, rest: &[&str]) -> Option<(Block, usize)> {
    if rest.first() != Some(&"--- stdout") {
        return None;
    }
    let stderr = rest.iter().position(|line| *line == "--- stderr")?;
    let end = rest.iter().position(|line| line.starts_with("--- exit code: "))?;
    let command = Command {
        arguments: arguments.trim().to_owned(),
        stdout: owned(&rest[1..stderr]),
        stderr: owned(rest.get(stderr + 1..end)?),
        exit: rest[end].trim_start_matches("--- exit code: ").to_owned(),
    };
    Some((Block::Command(command), end + 1))
}

/// The output below `[first]` or `[second]`, which ends with `exit N`.
fn labelled(rest: &[&str]) -> Option<(Block, usize)> {
    let end = rest.iter().position(|line| line.starts_with("exit "))?;
    let exit = rest[end].trim_start_matches("exit ").to_owned();
    Some((Block::Merged(Merged { output: owned(&rest[..end]), exit }), end + 1))
}

/// `exit N`, with how long it took, and the output below it: a run that was sent a signal.
fn signalled(line: &str, rest: &[&str]) -> Option<(Block, usize)> {
    let exit = line.strip_prefix("exit ")?.split(' ').next()?;
    if !rest.first()?.starts_with("Prisma schema loaded") {
        return None;
    }
    let end =
        rest.iter().position(|line| line.starts_with("$ ") || line.starts_with("engine still alive"))?;
    // The blank line before what follows is the recorder's, where there is one.
    let output = owned(rest[..end].strip_suffix(&[""]).unwrap_or(&rest[..end]));
    Some((Block::Merged(Merged { output, exit: exit.to_owned() }), end))
}

fn variable(line: &str) -> Option<Block> {
    if let Some(name) = line.strip_prefix("$ unset ") {
        return Some(Block::Variable { name: name.to_owned(), value: None });
    }
    let (name, value) = line.strip_prefix("$ export ")?.split_once('=')?;
    Some(Block::Variable { name: name.to_owned(), value: Some(value.to_owned()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn commands_variables_and_merged_runs_are_found_and_the_rest_is_not() {
        let text = "head\n\n### title\n\n$ export A=b=c\n$ prisma migrate deploy\n--- stdout\none\n\n--- stderr\ntwo\n\n\
                    --- exit code: 1\n\n$ psql: select\n 1\n\n$ unset A\n[first]\nx\nexit 0\nexit 130 after 1 s\n\
                    Prisma schema loaded from y\n\nengine still alive: 1\n";
        let blocks: Vec<Block> = parse(text).unwrap().into();
        let variable =
            |value: Option<&str>| Block::Variable { name: "A".into(), value: value.map(str::to_owned) };
        let merged =
            |output, exit: &str| Block::Merged(Merged { output: lines(output), exit: exit.to_owned() });
        assert_eq!(
            blocks,
            [
                variable(Some("b=c")),
                Block::Command(Command {
                    arguments: "migrate deploy".to_owned(),
                    stdout: lines("one\n\n"),
                    stderr: lines("two\n\n"),
                    exit: "1".to_owned(),
                }),
                variable(None),
                merged("x", "0"),
                merged("Prisma schema loaded from y", "130"),
            ]
        );
    }

    #[test]
    fn a_command_that_is_cut_off_is_an_error() {
        assert!(parse("$ prisma migrate deploy\n--- stdout\n").unwrap_err().contains("line 1"));
    }
}
