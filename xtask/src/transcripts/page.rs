//! `docs/guide/src/differences.md`, made of the list of differences.

use super::differences::{Differences, Entry, Reason};
use std::fmt::Write as _;

/// What the page begins with.
const INTRODUCTION: &str = "\
The reference is Prisma 6.19 with its native engine. What is not on this page is the same: the lines on stdout, the codes, the exit
codes, the history table. Differences are made only where the reference harms its user.

`cargo xtask transcripts` replays what the reference was recorded to print and compares line by line; every line that differs is
listed under one of these reasons, and a line that is not listed fails. In the examples Prisma's lines begin with `-`, ours with `+`;
`<id>`, `<time>`, `<duration>`, `<port>` and `<path>` stand for what is another in every run.";

/// The page. It needs the list alone, not the transcripts.
pub(crate) fn page(notice: &str) -> Result<String, String> {
    Ok(text(&Differences::read()?, notice))
}

fn text(list: &Differences, notice: &str) -> String {
    let mut page = format!("{notice}# Differences from Prisma\n\n{INTRODUCTION}\n");
    for (number, reason) in list.reasons.iter().enumerate() {
        // Writing to a String cannot fail.
        let _ = write!(page, "\n## {}. {}\n\n", number + 1, reason.title);
        let _ = write!(page, "**What.** {}\n\n**Why.** {}\n", reason.what.trim(), reason.why.trim());
        page += &example(reason);
        if !reason.more.is_empty() {
            let _ = write!(page, "\n{}\n", reason.more.trim());
        }
        if !reason.tests.is_empty() {
            let tests: Vec<String> = reason.tests.iter().map(|test| format!("`{test}`")).collect();
            let _ = write!(page, "\nShown by {}.\n", tests.join(", "));
        }
    }
    page
}

/// The example in words, and the lines of both sides.
fn example(reason: &Reason) -> String {
    let mut text = String::new();
    let mut shown: Vec<&Entry> = reason.entries.iter().filter(|entry| entry.show).collect();
    if shown.is_empty() {
        shown.extend(reason.entries.first());
    }
    if !reason.example.is_empty() {
        let _ = write!(text, "\n**Example.** {}\n", reason.example.trim());
    } else if !shown.is_empty() {
        text += "\n**Example.**\n";
    }
    if !shown.is_empty() {
        let lines: String = shown.into_iter().map(sides).collect();
        let _ = write!(text, "\n```diff\n{lines}```\n");
    }
    text
}

/// The lines of both sides, marked as a comparison marks them.
fn sides(entry: &Entry) -> String {
    let kind = if entry.stream == "exit" { "exit code " } else { "" };
    side(&format!("- {kind}"), &entry.reference()) + &side(&format!("+ {kind}"), &entry.ours())
}

/// At most so many lines are shown of one side: more show no more.
const MOST: usize = 14;

fn side(mark: &str, lines: &[&str]) -> String {
    let used: Vec<&&str> = lines.iter().filter(|line| !line.trim().is_empty()).collect();
    let mut text: String =
        used.iter().take(MOST).map(|line| format!("{mark}{}\n", shortened(line))).collect();
    if used.len() > MOST {
        let _ = writeln!(text, "{mark}... ({} more lines)", used.len() - MOST);
    }
    text
}

/// A dump of two hundred characters tells no more than its beginning.
fn shortened(line: &str) -> String {
    const LONGEST: usize = 160;
    // Terminal codes are shown as what they are.
    let line = line.replace('\u{1b}', "\\e").replace('\u{feff}', "(byte order mark)");
    if line.chars().count() <= LONGEST {
        return line;
    }
    line.chars().take(LONGEST).chain(" ...".chars()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const REASON: &str = r#"
title = "No dumps"
what = "No dump is printed."
why = "It tells nothing."
more = "See there."
tests = ["fixtures/cli/x.test"]

[[line]]
in = ["sqlite-01"]
stream = "exit"
count = 1
reference = "1\n"
ours = "0\n"

[[line]]
in = ["sqlite-01"]
stream = "stderr"
count = 1
show = true
reference = "\nDb { \u001b[1m }\n"
ours = "Error\n"
"#;

    #[test]
    fn a_reason_has_its_section_with_the_lines_that_are_to_be_shown() {
        let reason = Reason::parse("01-dumps.toml", REASON).unwrap();
        let page = text(&Differences { reasons: vec![reason] }, "");
        let section = page.split_once("\n## 1. No dumps\n").unwrap().1;
        assert_eq!(
            section,
            "\n**What.** No dump is printed.\n\n**Why.** It tells nothing.\n\n**Example.**\n\n```diff\n- Db { \\e[1m }\n\
             + Error\n```\n\nSee there.\n\nShown by `fixtures/cli/x.test`.\n"
        );
    }

    #[test]
    fn without_a_choice_the_first_lines_are_shown_and_many_are_cut() {
        let reason = Reason::parse("01-dumps.toml", &REASON.replace("show = true\n", "")).unwrap();
        assert!(
            example(&reason).contains("```diff\n- exit code 1\n+ exit code 0\n```"),
            "{}",
            example(&reason)
        );
        assert!(side("+ ", &["x"; 20]).ends_with("+ x\n+ ... (6 more lines)\n"));
    }
}
