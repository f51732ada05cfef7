//! Checks of files: their length, what they must hold, what they must not.

use super::File;

/// Lines that a Rust file may have without a reason.
const LIMIT: usize = 600;

/// What line 1 of a longer file holds, in a comment.
const REASON: &str = "Long because";

/// Folders of a developer's machine. In two parts, so that this file does not break the rule.
const MACHINE_PATHS: [&str; 4] =
    [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/"), concat!("/Us", "ers/")];

/// The rooms that read neither the environment nor exit, by their `clippy.toml`.
const ROOMS: [&str; 6] = ["diagnostics", "system", "psl", "sql", "db", "ops"];

/// What every room's `clippy.toml` bans.
const BANS: [&str; 3] = ["std::env::var", "std::env::var_os", "std::process::exit"];

/// What only `ops` and `cutover` may do: look at the wall clock.
const CLOCK_BANS: [&str; 2] = ["std::time::SystemTime::now", "jiff::Timestamp::now"];

fn is_rust(file: &File) -> bool {
    file.path.ends_with(".rs")
}

fn is_long(file: &File) -> bool {
    is_rust(file) && file.text.lines().count() > LIMIT
}

/// The reason on line 1.
fn reason(file: &File) -> Option<&str> {
    let comment = file.text.lines().next()?.strip_prefix("//")?.trim();
    comment.contains(REASON).then_some(comment)
}

/// Long Rust files say why.
pub(crate) fn lengths(files: &[File]) -> Vec<String> {
    let wrong = files.iter().filter(|file| is_long(file) && reason(file).is_none());
    wrong
        .map(|file| {
            let lines = file.text.lines().count();
            format!(
                "{} has {lines} lines, more than {LIMIT}; split it, or say on line 1 \"// {REASON} ...\"",
                file.path
            )
        })
        .collect()
}

/// Long files that say why: path, lines, reason.
pub(crate) fn long_for_a_reason(files: &[File]) -> Vec<(&str, usize, &str)> {
    let long = files.iter().filter(|file| is_long(file));
    long.filter_map(|file| Some((file.path.as_str(), file.text.lines().count(), reason(file)?))).collect()
}

/// No file names a folder of the machine that it was written on.
pub(crate) fn machine_paths(files: &[File]) -> Vec<String> {
    let mut wrong = Vec::new();
    for file in files {
        for (index, line) in file.text.lines().enumerate() {
            if let Some(path) = MACHINE_PATHS.iter().find(|path| names(line, path)) {
                wrong.push(format!("{}:{} names a folder of one machine, {path}", file.path, index + 1));
            }
        }
    }
    wrong
}

/// Whether `line` holds `path` at the start of a path, not within one.
fn names(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(start, _)| {
        let before = line[..start].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || "._-/}".contains(c))
    })
}

/// Rust files are indented with spaces and write tabs as `\t`.
pub(crate) fn tabs(files: &[File]) -> Vec<String> {
    let mut wrong = Vec::new();
    for file in files.iter().filter(|file| is_rust(file)) {
        if let Some(index) = file.text.lines().position(|line| line.contains('\t')) {
            wrong.push(format!("{}:{} holds a tab; write spaces, or \\t in a string", file.path, index + 1));
        }
    }
    wrong
}

/// Every crate begins with what lives in it.
pub(crate) fn crate_docs(files: &[File]) -> Vec<String> {
    let roots = files.iter().filter(|file| {
        let is_root = file.path.ends_with("/src/lib.rs") || file.path.ends_with("/src/main.rs");
        is_root && (file.path.starts_with("crates/") || file.path.starts_with("xtask/"))
    });
    let silent = roots.filter(|file| {
        let mut lines = file.text.lines().skip(usize::from(reason(file).is_some()));
        !lines.next().is_some_and(|line| line.starts_with("//! "))
    });
    silent
        .map(|file| format!("{} does not begin with \"//! \" and what lives in the crate", file.path))
        .collect()
}

/// How code asks for which system it is built. In parts, so that this file does not break the rule.
const SYSTEMS: [&str; 5] = [
    concat!("cfg(", "unix"),
    concat!("cfg(", "windows"),
    concat!("cfg(not(", "unix"),
    concat!("cfg(not(", "windows"),
    concat!("target", "_os"),
];

/// Only the room `system` asks for which operating system it is built.
pub(crate) fn systems(files: &[File]) -> Vec<String> {
    let product = |file: &&File| {
        let free = ["crates/system/", "crates/testkit/", "crates/oracle/"];
        is_rust(file)
            && file.path.starts_with("crates/")
            && !free.iter().any(|room| file.path.starts_with(room))
    };
    let mut wrong = Vec::new();
    for file in files.iter().filter(product) {
        for (index, line) in file.text.lines().enumerate() {
            if let Some(found) = SYSTEMS.iter().find(|word| line.contains(**word)) {
                wrong.push(format!(
                    "{}:{} asks for the operating system ({found}); what differs between them lives in crates/system",
                    file.path,
                    index + 1
                ));
            }
        }
    }
    wrong
}

/// A room's `clippy.toml` replaces that of the workspace, so it repeats those settings; and it holds the
/// room's bans, each with a reason.
pub(crate) fn clippy_settings(files: &[File]) -> Vec<String> {
    let find = |path: &str| files.iter().find(|file| file.path == path);
    let common: Vec<&str> = find("clippy.toml").map(|file| file.text.lines().collect()).unwrap_or_default();
    let mut wrong = Vec::new();
    for room in ROOMS {
        let path = format!("crates/{room}/clippy.toml");
        let Some(file) = find(&path) else {
            wrong.push(format!("{path} is missing: it bans what the room must not do"));
            continue;
        };
        for line in
            common.iter().filter(|line| !line.is_empty() && !file.text.lines().any(|own| own == **line))
        {
            wrong.push(format!("{path} does not repeat \"{line}\" of the workspace's clippy.toml"));
        }
        let clock = if room == "ops" { &[][..] } else { &CLOCK_BANS[..] };
        for ban in BANS.iter().chain(clock) {
            let entry = format!("{{ path = \"{ban}\", reason = \"");
            if !file.text.contains(&entry) {
                wrong.push(format!("{path} does not ban {ban} with a reason"));
            }
        }
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: impl Into<String>) -> File {
        File { path: path.to_owned(), text: text.into() }
    }

    #[test]
    fn a_long_file_without_a_reason_is_refused_and_one_with_a_reason_is_listed() {
        let long = "x\n".repeat(LIMIT + 1);
        let files = [
            file("a.rs", long.clone()),
            file("b.rs", format!("// A table. {REASON} it is one.\n{long}")),
            file("c.rs", "x\n".repeat(LIMIT)),
            file("d.md", long),
        ];
        let wrong = lengths(&files);
        assert!(wrong.len() == 1 && wrong[0].starts_with("a.rs has 601 lines"), "{wrong:?}");
        assert_eq!(long_for_a_reason(&files), [("b.rs", 602, "A table. Long because it is one.")]);
    }

    #[test]
    fn a_path_of_one_machine_is_refused() {
        let folder = MACHINE_PATHS[0];
        let files = [
            file("a.md", format!("fine\nsee {folder}x")),
            file("b.md", format!("net{folder}x and .{folder}x")),
        ];
        assert_eq!(machine_paths(&files), [format!("a.md:2 names a folder of one machine, {folder}")]);
    }

    #[test]
    fn a_tab_is_refused_in_rust_only() {
        let files = [file("a.rs", "x\n\ty"), file("Makefile", "\tx")];
        assert_eq!(tabs(&files), ["a.rs:2 holds a tab; write spaces, or \\t in a string"]);
    }

    #[test]
    fn code_that_asks_for_the_operating_system_is_refused_outside_of_its_room() {
        let asks = format!("fn a() {{}}\n#[{}]\n", SYSTEMS[2].to_owned() + "))");
        let files = [
            file("crates/ops/src/a.rs", asks.clone()),
            file("crates/system/src/lib.rs", asks.clone()),
            file("xtask/src/main.rs", asks),
        ];
        let wrong = systems(&files);
        assert!(wrong.len() == 1 && wrong[0].starts_with("crates/ops/src/a.rs:2 asks"), "{wrong:?}");
    }

    #[test]
    fn a_crate_without_docs_is_refused() {
        let files = [
            file("crates/a/src/lib.rs", "//! A room.\n"),
            file("crates/b/src/main.rs", "fn main() {}\n"),
            file("crates/c/src/lib.rs", format!("// {REASON} so.\n//! A room.\n")),
            file("crates/b/src/other.rs", "mod x;\n"),
        ];
        let wrong = crate_docs(&files);
        assert!(wrong.len() == 1 && wrong[0].starts_with("crates/b/src/main.rs"), "{wrong:?}");
    }

    #[test]
    fn a_room_that_forgets_a_setting_or_a_ban_is_refused() {
        let entry = |ban: &str| format!("    {{ path = \"{ban}\", reason = \"why\" }},\n");
        let room =
            |bans: &[&str]| format!("limit = 1\n{}", bans.iter().map(|ban| entry(ban)).collect::<String>());
        let all: Vec<&str> = BANS.into_iter().chain(CLOCK_BANS).collect();
        let mut files = vec![file("clippy.toml", "limit = 1\n"), file("crates/ops/clippy.toml", room(&BANS))];
        for name in ["diagnostics", "system", "psl", "sql", "db"] {
            files.push(file(&format!("crates/{name}/clippy.toml"), room(&all)));
        }
        assert_eq!(clippy_settings(&files), Vec::<String>::new());
        files[2].text = files[2].text.replace("limit = 1", "limit = 2");
        files[4].text = room(&BANS);
        files.remove(1);
        assert_eq!(
            clippy_settings(&files),
            [
                "crates/diagnostics/clippy.toml does not repeat \"limit = 1\" of the workspace's clippy.toml",
                "crates/psl/clippy.toml does not ban std::time::SystemTime::now with a reason",
                "crates/psl/clippy.toml does not ban jiff::Timestamp::now with a reason",
                "crates/ops/clippy.toml is missing: it bans what the room must not do",
            ]
        );
    }
}
