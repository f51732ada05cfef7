//! `cargo xtask tidy`: the rules of the house that neither the compiler nor clippy can see.
//!
//! Each check is a function from what it looks at to the sentences that say what is wrong, and has a test
//! with something that breaks it. To add one: the function and its test in the file that it fits, and its
//! line in [`run`].

mod files;
mod licence;
mod metadata;
mod packages;

use crate::root;
use metadata::Metadata;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

/// A text file of the repository.
pub(crate) struct File {
    /// Relative to the workspace's folder, with `/`.
    pub(crate) path: String,
    pub(crate) text: String,
}

/// Runs all checks, prints what they found and the files that are long for a reason.
pub(crate) fn run() -> crate::Result {
    let metadata = Metadata::read(&root())?;
    let files = tracked(&root())?;
    let mut wrong = Vec::new();
    wrong.extend(packages::arrows(&metadata));
    wrong.extend(packages::drivers(&metadata));
    wrong.extend(packages::banned(&metadata));
    wrong.extend(packages::licences(&metadata));
    wrong.extend(packages::sources(&metadata));
    wrong.extend(files::lengths(&files));
    wrong.extend(files::machine_paths(&files));
    wrong.extend(files::tabs(&files));
    wrong.extend(files::crate_docs(&files));
    wrong.extend(files::systems(&files));
    wrong.extend(files::clippy_settings(&files));
    for sentence in &wrong {
        println!("{sentence}");
    }
    for (path, lines, reason) in files::long_for_a_reason(&files) {
        println!("long: {path} ({lines} lines): {reason}");
    }
    if wrong.is_empty() {
        println!("tidy: {} files and {} packages keep the rules", files.len(), metadata.packages.len());
        Ok(ExitCode::SUCCESS)
    } else {
        Err(format!("rules broken: {}", wrong.len()))
    }
}

/// The text files that are in the repository or would be added to it.
fn tracked(root: &Path) -> Result<Vec<File>, String> {
    let mut command = Command::new("git");
    command.current_dir(root).args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"]);
    let output = command.output().map_err(|error| format!("cannot run git: {error}"))?;
    if !output.status.success() {
        return Err(format!("git ls-files failed: {}", String::from_utf8_lossy(&output.stderr).trim()));
    }
    let names = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut files = Vec::new();
    for path in names.split('\0').filter(|path| !path.is_empty()) {
        let full = root.join(path);
        // Links and deleted files have no text of their own.
        if !full.symlink_metadata().is_ok_and(|data| data.is_file()) {
            continue;
        }
        let bytes = fs::read(&full).map_err(|error| format!("{path}: {error}"))?;
        // What is not UTF-8 is not text.
        if let Ok(text) = String::from_utf8(bytes) {
            files.push(File { path: path.to_owned(), text });
        }
    }
    Ok(files)
}
