//! `cargo xtask gen`: the pages that are made from code, so that they cannot differ from it. (`gen` is a
//! keyword of the language, hence this file's name.)
//!
//! `docs/errors.md` comes from `diagnostics::codes::ALL`, `docs/cli.md` from what the built binary says with
//! `--help`, what belongs to `cutover.toml` from its hidden command `generate`, the guide's page of differences from the
//! list of them (`transcripts`). To add a page: a function that makes its text, and its line in [`pages`].

use crate::{root, transcripts};
use diagnostics::{Class, Code, codes};
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

/// What begins every page.
const NOTICE: &str = "<!-- Made by `cargo xtask gen`. Do not edit. -->\n\n";

/// The arguments of `cargo xtask gen`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Write nothing; fail and show the difference if a page is not up to date
    #[arg(long)]
    check: bool,
}

/// A page: its path in the repository, and its text.
type Page = (&'static str, String);

/// Writes the pages that differ from the code, or says which do.
pub(crate) fn run(arguments: &Arguments) -> crate::Result {
    let mut stale = Vec::new();
    for (path, text) in pages()? {
        let full = root().join(path);
        if fs::read_to_string(&full).is_ok_and(|current| current == text) {
            continue;
        }
        stale.push(path);
        if arguments.check {
            show_difference(&full, &text)?;
        } else {
            fs::write(&full, text).map_err(|error| format!("{path}: {error}"))?;
            println!("wrote {path}");
        }
    }
    if arguments.check && !stale.is_empty() {
        return Err(format!("not up to date: {}; run `cargo xtask gen`", stale.join(", ")));
    }
    if stale.is_empty() {
        println!("gen: all pages are up to date");
    }
    Ok(ExitCode::SUCCESS)
}

fn pages() -> Result<Vec<Page>, String> {
    Ok(vec![
        ("docs/errors.md", errors_page(codes::ALL)),
        ("docs/cli.md", cli_page(&helps()?)),
        ("docs/config.md", format!("{NOTICE}{}", said(&["generate".to_owned(), "config-page".to_owned()])?)),
        ("docs/cutover.schema.json", said(&["generate".to_owned(), "config-schema".to_owned()])?),
        ("docs/guide/src/differences.md", transcripts::page::page(NOTICE)?),
    ])
}

/// Shows what would change, as `git diff` does.
fn show_difference(path: &Path, text: &str) -> Result<(), String> {
    let old = if path.exists() { path } else { Path::new("/dev/null") };
    let mut git = Command::new("git")
        .current_dir(root())
        .args(["--no-pager", "diff", "--no-index", "--"])
        .arg(old)
        .arg("-")
        .stdin(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot run git: {error}"))?;
    if let Some(mut stdin) = git.stdin.take() {
        stdin.write_all(text.as_bytes()).map_err(|error| format!("cannot write to git diff: {error}"))?;
    }
    git.wait().map_err(|error| format!("git diff did not end: {error}"))?;
    Ok(())
}

/// A table of all codes, then a section for each.
fn errors_page(all: &[&Code]) -> String {
    let mut page = format!(
        "{NOTICE}# Error codes\n\n\
         `P` codes are those of Prisma Migrate and mean the same here. `C` codes are cutover's own: `C1xxx` the \
         target and the settings, `C2xxx` migrations, `C9xxx` cutover itself.\n\n\
         The exit code of `deploy`, `status` and `resolve` is 1 for every failure, as in Prisma Migrate. The column \
         shows the one that `--detailed-exitcode` gives; a failure can say otherwise where a code has several \
         causes.\n\n\
         | code | | `--detailed-exitcode` |\n|---|---|---|\n"
    );
    for code in all {
        let (id, class) = (code.id, code.default_class);
        // Writing to a String cannot fail.
        let _ = writeln!(
            page,
            "| [{id}](#{}) | {} | {} ({}) |",
            id.to_lowercase(),
            code.title.replace('|', "\\|"),
            class.detailed_exit_code(),
            in_words(class)
        );
    }
    for code in all {
        let _ = write!(page, "\n## {}\n\n**{}.** {}\n", code.id, code.title, code.what);
        let _ = write!(page, "\n{}\n\nWay out: {}\n", code.why, code.way_out);
    }
    page
}

/// A class as a reader of the table knows it.
fn in_words(class: Class) -> &'static str {
    match class {
        Class::Other => "other",
        Class::MigrationFailed => "migration failed",
        Class::Refused => "refused",
        Class::Unreachable => "unreachable",
        Class::LockOrRunning => "locked or still running",
        Class::Pending => "pending",
        Class::Drift => "drift",
        Class::Deadline => "deadline",
        Class::Cancelled => "cancelled",
    }
}

/// What a command says about itself.
struct Help {
    /// Its words after `cutover`.
    words: Vec<String>,
    text: String,
}

/// The help of every command, a command before those below it.
fn helps() -> Result<Vec<Help>, String> {
    let mut found = Vec::new();
    // A stack, last first, so that the order is that of the help itself.
    let mut next = vec![Vec::new()];
    while let Some(words) = next.pop() {
        let text = help(&words)?;
        for name in commands(&text).into_iter().rev() {
            let mut below = words.clone();
            below.push(name.to_owned());
            next.push(below);
        }
        found.push(Help { words, text });
    }
    Ok(found)
}

/// What a command says about itself.
fn help(words: &[String]) -> Result<String, String> {
    let mut words = words.to_vec();
    words.push("--help".to_owned());
    said(&words)
}

/// Asks the binary. It is built if it has to be.
fn said(words: &[String]) -> Result<String, String> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root()).args(["run", "--quiet", "--package", "cutover", "--"]).args(words);
    command.env("COLUMNS", "100").env("NO_COLOR", "1");
    // The values of these would show in the help.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("CUTOVER_") {
            command.env_remove(name);
        }
    }
    let output = command.output().map_err(|error| format!("cannot run cargo: {error}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(format!("`cutover {}` failed:\n{}", words.join(" "), said.trim()));
    }
    String::from_utf8(output.stdout).map_err(|error| format!("the help is not UTF-8: {error}"))
}

/// The names below `Commands:`. Lines that go on with a description are indented further.
fn commands(help: &str) -> Vec<&str> {
    help.lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .collect()
}

/// A section for each command with its help as it is printed.
fn cli_page(helps: &[Help]) -> String {
    let mut page = format!("{NOTICE}# Commands\n\nWhat `cutover` and its commands say with `--help`.\n");
    for help in helps {
        let name = help.words.iter().fold("cutover".to_owned(), |name, word| format!("{name} {word}"));
        // No help has blanks at the end of a line for a reason.
        let lines: Vec<&str> = help.text.trim_end().lines().map(str::trim_end).collect();
        let _ = write!(page, "\n## `{name}`\n\n```text\n{}\n```\n", lines.join("\n"));
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    static FIRST: Code = Code {
        id: "C0001",
        default_class: Class::Refused,
        title: "Either a | b",
        what: "Something happened.",
        why: "It does.",
        way_out: "`cutover migrate status`.",
    };
    static SECOND: Code = Code {
        id: "C0002",
        default_class: Class::Deadline,
        title: "Late",
        what: "It was late.",
        why: "There is a reason.",
        way_out: "Again.",
    };

    #[test]
    fn the_page_of_errors_has_a_row_and_a_section_for_each_code() {
        let page = errors_page(&[&FIRST, &SECOND]);
        assert!(page.starts_with(NOTICE));
        assert!(page.contains("\n| [C0001](#c0001) | Either a \\| b | 3 (refused) |\n"), "{page}");
        assert!(page.contains("\n| [C0002](#c0002) | Late | 8 (deadline) |\n"), "{page}");
        let sections = page.split_once("\n## C0001\n").unwrap().1;
        assert_eq!(
            sections,
            "\n**Either a | b.** Something happened.\n\nIt does.\n\nWay out: `cutover migrate status`.\n\
             \n## C0002\n\n**Late.** It was late.\n\nThere is a reason.\n\nWay out: Again.\n"
        );
    }

    #[test]
    fn every_code_has_a_section_that_its_row_links_to() {
        let page = errors_page(codes::ALL);
        for code in codes::ALL {
            assert!(page.contains(&format!("](#{})", code.id.to_lowercase())), "{}", code.id);
            assert!(page.contains(&format!("\n## {}\n", code.id)), "{}", code.id);
        }
    }

    #[test]
    fn commands_are_found_and_what_goes_on_or_follows_is_not() {
        let help = "About\n\nUsage: x <COMMAND>\n\nCommands:\n  one  Does one\n         and goes on\n  two  Does two\n  help  Print help\n\nOptions:\n  -h, --help  Print help\n";
        assert_eq!(commands(help), ["one", "two"]);
        assert_eq!(commands("Usage: x\n\nOptions:\n  -h  Print help\n"), Vec::<&str>::new());
    }

    #[test]
    fn the_page_of_commands_shows_the_help_as_it_is() {
        let helps = [
            Help { words: vec![], text: "About \n\nUsage: cutover\n".to_owned() },
            Help { words: vec!["migrate".into(), "deploy".into()], text: "Deploys\n".to_owned() },
        ];
        let page = cli_page(&helps);
        assert!(page.contains("\n## `cutover`\n\n```text\nAbout\n\nUsage: cutover\n```\n"), "{page}");
        assert!(page.ends_with("\n## `cutover migrate deploy`\n\n```text\nDeploys\n```\n"), "{page}");
    }
}
