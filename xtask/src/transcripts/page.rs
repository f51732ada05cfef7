//! `docs/guide/src/differences.md`, made of the list of differences.

use super::differences::{Differences, Entry, Reason};
use std::fmt::Write as _;

/// What the page begins with.
const INTRODUCTION: &str = "\
The reference is Prisma 6.19 with its native engine. What is not on this page is the same: the lines on stdout, the codes, the exit
codes, the history table. Differences are made only where the reference harms its user.

`cargo xtask transcripts` replays what the reference was recorded to print and compares line by line; every line that differs is
listed under one of these reasons, and a line that is not listed fails. `<id>`, `<time>`, `<duration>`, `<port>` and `<path>` stand
for what is another in every run.";

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
    let shown = reason.entries.iter().find(|entry| entry.show).or_else(|| reason.entries.first());
    if !reason.example.is_empty() {
        let _ = write!(text, "\n**Example.** {}\n", reason.example.trim());
    } else if shown.is_some() {
        text += "\n**Example.**\n";
    }
    if let Some(entry) = shown {
        let _ = write!(text, "\n```text\n{}```\n", sides(entry));
    }
    text
}

fn sides(entry: &Entry) -> String {
    let side = |name: &str, lines: Vec<&str>| {
        let used = lines.iter().filter(|line| !line.trim().is_empty());
        // A dump of two hundred characters tells no more than its beginning.
        used.map(|line| format!("{name} {}\n", shortened(line))).collect::<String>()
    };
    let kind = if entry.stream == "exit" { " exit code" } else { "" };
    side(&format!("Prisma{kind}:"), entry.reference()) + &side(&format!("cutover{kind}:"), entry.ours())
}

fn shortened(line: &str) -> String {
    const LONGEST: usize = 160;
    // Terminal codes are shown as what they are.
    let line = line.replace('\u{1b}', "\\e");
    if line.chars().count() <= LONGEST {
        return line;
    }
    line.chars().take(LONGEST).chain(" ...".chars()).collect()
}
