//! `new`: an empty migration, for teams that write their SQL themselves.
//!
//! 1. Make the directory's name from the moment and the name, as the reference does.
//! 2. Look that nothing is there, and that the lock file names this database.
//! 3. Write the files, the lock file too if there is none.

use crate::migrations;
use diagnostics::{Diagnostic, Failure, Provider, Result, codes};
use std::path::{Path, PathBuf};

/// The file with the way back of a migration, beside its own.
pub const DOWN: &str = "down.sql";

/// The longest name that is kept, in characters: the column of the history takes 255 with the moment before it.
const LONGEST: usize = 200;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct New {
    /// The migrations directory; made if it is not there.
    pub migrations: PathBuf,
    /// For the lock file; without it none is written.
    pub provider: Option<Provider>,
    /// What the migration is called by whoever makes it.
    pub name: String,
    /// Write an empty [`DOWN`] too.
    pub down: bool,
}

/// Writes the migration; the paths of the files, in order.
///
/// # Errors
/// C1004 for a name of which nothing is left, for a directory that exists, and for files that cannot be written; P3019 if
/// the lock file names another database.
pub fn new(new: &New) -> Result<Vec<PathBuf>> {
    let slug = slug(&new.name);
    if slug.is_empty() {
        let name = &new.name;
        return Err(refuse(format!("`{name}` has neither letters nor digits"), "cutover new add_users"));
    }
    if let Some(provider) = new.provider {
        migrations::check_lock_file(&new.migrations, provider)?;
    }
    let directory = new.migrations.join(format!("{}_{slug}", moment()));
    let lock_file = new.migrations.join(migrations::LOCK_FILE);
    std::fs::create_dir_all(&new.migrations).map_err(|error| unwritable(&new.migrations, &error))?;
    // Made, and not found: two that are made in one second must not share a directory.
    std::fs::create_dir(&directory).map_err(|error| unwritable(&directory, &error))?;
    let mut written = Vec::new();
    let mut write = |path: PathBuf, text: &str| {
        std::fs::write(&path, text).map_err(|error| unwritable(&path, &error))?;
        written.push(path);
        Ok::<(), Failure>(())
    };
    write(directory.join(migrations::FILE), "-- This is an empty migration.\n")?;
    if new.down {
        write(directory.join(DOWN), "-- What takes the migration beside this file back.\n")?;
    }
    if let Some(provider) = new.provider.filter(|_| !lock_file.exists()) {
        write(lock_file, &migrations::lock_file_text(provider))?;
    }
    Ok(written)
}

/// `20260131235959`, UTC.
fn moment() -> String {
    jiff::Timestamp::now().strftime("%Y%m%d%H%M%S").to_string()
}

/// Lower case, with everything but letters and digits as one `_`.
fn slug(name: &str) -> String {
    let mut slug = String::new();
    for character in name.trim().chars().take(LONGEST) {
        if character.is_alphanumeric() {
            slug.extend(character.to_lowercase());
        } else if !slug.is_empty() && !slug.ends_with('_') {
            slug.push('_');
        }
    }
    slug.trim_end_matches('_').to_owned()
}

fn refuse(title: String, help: &str) -> Failure {
    Failure::new(Diagnostic::error(title).code(&codes::C1004).help(help))
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    refuse(
        format!("{} cannot be written: {error}", path.display()),
        "Give another directory: `cutover new NAME --migrations DIR`",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_directories() {
        for (name, expected) in [
            ("Add users", "add_users"),
            ("  --add/users!  ", "add_users"),
            ("add_users", "add_users"),
            ("Größe 2", "größe_2"),
            ("!?", ""),
        ] {
            assert_eq!(slug(name), expected, "{name}");
        }
        assert_eq!(slug(&"x".repeat(300)).len(), LONGEST);
        assert_eq!(moment().len(), 14);
    }
}
