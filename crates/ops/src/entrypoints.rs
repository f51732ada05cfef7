//! Scripts around a deploy that hide its failure: `cutover migrate deploy || true` starts the application on an old
//! schema, and nobody hears of it.
//!
//! What does not live here: judging scripts in general. One pattern is looked for, in the files that start containers
//! and pipelines.

use diagnostics::Diagnostic;
use std::path::{Path, PathBuf};

/// Larger files are no start scripts.
const LARGEST: u64 = 256 * 1024;

/// Directories that are looked into, beside the project's own.
const DIRECTORIES: [&str; 8] =
    ["", "docker", "scripts", "bin", "deploy", "ci", ".github/workflows", ".circleci"];

/// What must not come before the command on its line: then it is a note, and runs nothing.
const COMMENT: [&str; 2] = ["#", "//"];

/// What swallows an exit code when it stands behind a command.
const SWALLOWS: [&str; 9] =
    ["|| true", "||true", "|| :", "|| echo", "||echo", "|| printf", "|| exit 0", "; exit 0", "; true"];

/// The files of a project whose deploy may fail unheard, one warning each.
pub fn swallowed_exit_codes(project: &Path) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for file in DIRECTORIES.iter().flat_map(|directory| start_files(&project.join(directory))) {
        let Ok(text) = std::fs::read_to_string(&file) else { continue };
        let shown = file.strip_prefix(project).unwrap_or(&file).display().to_string();
        found.extend(in_text(&shown, &text));
    }
    found
}

/// The files of a directory that start something, in order.
fn start_files(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries
        .filter(|entry| entry.metadata().is_ok_and(|meta| meta.is_file() && meta.len() <= LARGEST))
        .map(|entry| entry.path())
        .filter(|path| starts_something(path))
        .collect();
    files.sort();
    files
}

fn starts_something(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    let by_name =
        ["dockerfile", "containerfile", "procfile", "makefile", "justfile", "package.json", "fly.toml"];
    let by_ending = [".sh", ".bash", ".yml", ".yaml"];
    by_name.iter().any(|known| name.starts_with(known))
        || by_ending.iter().any(|ending| name.ends_with(ending))
        || name.contains("entrypoint")
}

fn in_text(name: &str, text: &str) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (number, line) in logical_lines(text) {
        let command = ["migrate deploy", "cutover deploy"].iter().find_map(|command| line.find(command));
        let Some(at) = command else { continue };
        let (before, behind) = line.split_at(at);
        if COMMENT.iter().any(|mark| before.trim_start().starts_with(mark)) {
            continue;
        }
        let mark = SWALLOWS.iter().find(|mark| behind.contains(*mark)).map(|mark| mark.trim().to_owned());
        let background = behind.trim_end().ends_with('&') && !behind.trim_end().ends_with("&&");
        // Pipelines run their scripts so that the first failure ends them.
        let stops = text.contains("set -e")
            || text.contains("errexit")
            || name.ends_with(".yml")
            || name.ends_with(".yaml");
        let mark = mark
            .or_else(|| background.then(|| "&".to_owned()))
            .or_else(|| goes_on_behind(behind).filter(|_| !stops))
            .or_else(|| (behind.contains(" | ") && !text.contains("pipefail")).then(|| "|".to_owned()));
        let Some(what) = mark else { continue };
        found.push(
            Diagnostic::warning(format!("{name}:{number} goes on when the deploy fails (`{what}`)")).help(
                "Let the script stop there: the application would start on a schema that it does not know.",
            ),
        );
    }
    found
}

/// The `;` behind which another command follows whatever came of the one before it.
fn goes_on_behind(behind: &str) -> Option<String> {
    let (_, next) = behind.split_once(';')?;
    let word = next.trim_start().split(|letter: char| !letter.is_alphanumeric()).next().unwrap_or_default();
    let runs = !word.is_empty() && !["then", "do", "exit", "return", "fi", "done"].contains(&word);
    runs.then(|| ";".to_owned())
}

/// Lines, with those that end in a backslash joined with the next; the number is that of the first.
fn logical_lines(text: &str) -> Vec<(usize, String)> {
    let mut lines: Vec<(usize, String)> = Vec::new();
    let mut open = false;
    for (number, line) in (1..).zip(text.lines()) {
        let (piece, goes_on) = match line.trim_end().strip_suffix('\\') {
            Some(piece) => (piece, true),
            None => (line, false),
        };
        match lines.last_mut().filter(|_| open) {
            Some((_, whole)) => {
                whole.push(' ');
                whole.push_str(piece.trim_start());
            }
            None => lines.push((number, piece.to_owned())),
        }
        open = goes_on;
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Vec<String> {
        in_text("start.sh", text).into_iter().map(|finding| finding.title).collect()
    }

    #[test]
    fn what_swallows_an_exit_code_is_told() {
        for (line, mark) in [
            ("npx prisma migrate deploy || echo 'continuing startup'", "|| echo"),
            ("cutover migrate deploy || true", "|| true"),
            ("cutover deploy; exit 0", "; exit 0"),
            ("RUN cutover migrate deploy \\\n  --quiet || :", "|| :"),
            ("cutover migrate deploy &", "&"),
            ("cutover migrate deploy; node server.js", ";"),
            ("\"start\": \"prisma migrate deploy; next start\",", ";"),
            ("cutover migrate deploy | tee deploy.log", "|"),
        ] {
            let expected = format!("start.sh:2 goes on when the deploy fails (`{mark}`)");
            assert_eq!(told(&format!("#!/bin/sh\n{line}\nexec node .\n")), [expected], "{line}");
        }
    }

    #[test]
    fn what_stops_is_not_told() {
        for line in [
            "cutover migrate deploy && node .",
            "cutover migrate deploy || exit 1",
            "# cutover migrate deploy || true",
            "cutover migrate status || true",
            "\"start\": \"prisma migrate deploy && next start\"",
            "set -e; cutover migrate deploy; node server.js",
            "if ! cutover migrate deploy; then",
            "set -o pipefail\ncutover migrate deploy | tee deploy.log || exit 1",
            "cutover migrate deploy; exit $?",
        ] {
            assert_eq!(told(line), [""; 0], "{line}");
        }
    }
}
