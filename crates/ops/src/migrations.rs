//! The migrations directory: what is in it, in which order, and the checksums.
//!
//! What does not live here: what the database has of it (`plan`).

use diagnostics::{Diagnostic, Failure, Provider, Result, Source, codes};
use sha2::{Digest, Sha256};
use std::cmp::Ordering;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// The file of a migration.
pub const FILE: &str = "migration.sql";

/// A directory of migrations, in order.
#[derive(Clone, Debug, Default)]
pub struct Folder {
    /// Where it is.
    pub path: PathBuf,
    /// Its migrations, oldest first.
    pub migrations: Vec<Migration>,
    /// What a reader should know of it: names outside of ASCII, symbolic links that are ignored.
    pub warnings: Vec<Diagnostic>,
}

/// One migration.
#[derive(Clone, Debug)]
pub struct Migration {
    /// The directory's name.
    pub name: String,
    /// Its `migration.sql`, as a reader in the working directory would name it.
    pub path: PathBuf,
    /// What is in it.
    pub content: Content,
}

/// What `migration.sql` holds.
#[derive(Clone, Debug)]
pub enum Content {
    /// Text.
    Text {
        /// The text without a byte order mark, named by its path.
        source: Source,
        /// Of the text as it stands in the file, byte order mark included.
        checksum: String,
    },
    /// Bytes that are no UTF-8.
    NotText {
        /// The first byte that is none.
        offset: usize,
        /// Of the text with every bad sequence replaced by U+FFFD: what the reference stores.
        checksum: String,
    },
    /// No such file, or not readable.
    Missing {
        /// Why.
        cause: String,
    },
}

impl Migration {
    /// The checksum, where there is a file.
    pub fn checksum(&self) -> Option<&str> {
        match &self.content {
            Content::Text { checksum, .. } | Content::NotText { checksum, .. } => Some(checksum),
            Content::Missing { .. } => None,
        }
    }

    /// Whether a stored checksum is that of this file: equal, or equal but for line ends, or in the format of
    /// old engines, which wrote each byte without its leading zero.
    pub fn matches(&self, stored: &str) -> bool {
        let Content::Text { source, checksum } = &self.content else {
            return self.checksum() == Some(stored);
        };
        if stored == checksum {
            return true;
        }
        // A byte order mark counts in the hash.
        let marked = hex(&Sha256::digest(source.text().as_bytes())) != *checksum;
        let text = if marked { format!("\u{feff}{}", source.text()) } else { source.text().to_owned() };
        let unix = text.replace("\r\n", "\n");
        let variants = [unix.clone(), unix.replace('\n', "\r\n"), text];
        variants.iter().any(|variant| {
            let digest = Sha256::digest(variant.as_bytes());
            hex(&digest) == stored
                || (stored.len() != 64 && !stored.is_empty() && short_hex(&digest) == stored)
        })
    }
}

fn hex(digest: &[u8]) -> String {
    digest.iter().fold(String::with_capacity(64), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

fn short_hex(digest: &[u8]) -> String {
    digest.iter().fold(String::with_capacity(64), |mut out, byte| {
        let _ = write!(out, "{byte:x}");
        out
    })
}

/// The SHA-256 of a text in the form that the history stores.
pub fn checksum(text: &[u8]) -> String {
    hex(&Sha256::digest(text))
}

/// Reads a directory. One that does not exist has no migrations.
///
/// # Errors
/// A directory that exists and cannot be listed.
pub fn read(path: &Path) -> Result<Folder> {
    let mut folder = Folder { path: path.to_owned(), ..Folder::default() };
    let entries = match std::fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error)
            if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) =>
        {
            return Ok(folder);
        }
        Err(error) => return Err(unreadable(path, &error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| unreadable(path, &error))?;
        let kind = entry.file_type().map_err(|error| unreadable(path, &error))?;
        let Ok(name) = entry.file_name().into_string() else {
            folder.warnings.push(Diagnostic::warning(format!(
                "the directory {} has a name that is not UTF-8 and is ignored",
                entry.path().display()
            )));
            continue;
        };
        if kind.is_dir() {
            names.push(name);
        } else if kind.is_symlink() && entry.path().join(FILE).exists() {
            folder.warnings.push(Diagnostic::warning(format!(
                "{} is a symbolic link and is not a migration (Prisma ignores it too); copy the directory instead",
                entry.path().display()
            )));
        }
    }
    names.sort_by(|left, right| collate(left, right));
    for name in &names {
        if !name.is_ascii() {
            folder.warnings.push(Diagnostic::warning(format!(
                "migration `{name}` has a name outside of ASCII: Prisma's order of such names depends on the locale"
            )));
        }
    }
    folder.migrations = names.into_iter().map(|name| migration(path, name)).collect();
    Ok(folder)
}

fn unreadable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(
        Diagnostic::error(format!("the migrations directory {} cannot be read: {error}", path.display()))
            .code(&codes::C1004)
            .help("check its owner and mode, then `cutover migrate status`"),
    )
}

fn migration(folder: &Path, name: String) -> Migration {
    let path = folder.join(&name).join(FILE);
    let content = match std::fs::read(&path) {
        Err(error) => Content::Missing { cause: error.to_string() },
        Ok(bytes) => match String::from_utf8(bytes) {
            Ok(text) => {
                let checksum = checksum(text.as_bytes());
                let sent = text.strip_prefix('\u{feff}').unwrap_or(&text);
                Content::Text { source: Source::new(path.display().to_string(), sent), checksum }
            }
            Err(error) => Content::NotText {
                offset: error.utf8_error().valid_up_to(),
                checksum: checksum(String::from_utf8_lossy(error.as_bytes()).as_bytes()),
            },
        },
    };
    Migration { name, path, content }
}

/// The order of migrations: that of the reference for ASCII names (ICU's root collation), whatever the locale
/// of this process. Punctuation before digits before letters, case only where nothing else differs.
fn collate(left: &str, right: &str) -> Ordering {
    let primary = left.chars().filter_map(weight).cmp(right.chars().filter_map(weight));
    // Lower case first, at the first place that differs in case.
    let case = || left.chars().map(char::is_uppercase).cmp(right.chars().map(char::is_uppercase));
    primary.then_with(case).then_with(|| left.cmp(right))
}

/// The rank of a character; control characters have none. Source: CLDR root collation chart.
fn weight(character: char) -> Option<u32> {
    const ORDER: &str =
        "\t\n\u{b}\u{c}\r _-,;:!?.'\"()[]{}@*/\\&#%`^+<=>|~$0123456789abcdefghijklmnopqrstuvwxyz";
    let lower = character.to_ascii_lowercase();
    match ORDER.find(lower) {
        Some(rank) => u32::try_from(rank).ok(),
        None if character.is_control() => None,
        None => Some(1000 + u32::from(character)),
    }
}

/// Checks `migration_lock.toml` against the provider of the target.
///
/// # Errors
/// P3019 if it names another provider, C1004 if it is no TOML. A missing file is accepted.
pub fn check_lock_file(folder: &Path, provider: Provider) -> Result<()> {
    let path = folder.join("migration_lock.toml");
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error)
            if matches!(error.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) =>
        {
            return Ok(());
        }
        Err(error) => return Err(unreadable(&path, &error)),
    };
    let parsed: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        let source = Source::new(path.display().to_string(), text.as_str());
        let span = error
            .span()
            .map_or(diagnostics::Span::new(0, 0), |span| diagnostics::Span::new(span.start, span.end));
        Failure::new(
            Diagnostic::error(format!("{} is not valid TOML: {}", path.display(), error.message()))
                .code(&codes::C1004)
                .label(&source, span, "")
                .help(format!("it should say `provider = \"{provider}\"`; then `cutover migrate status`")),
        )
    })?;
    let named = parsed.get("provider").and_then(toml::Value::as_str);
    if named.and_then(Provider::from_name) == Some(provider) {
        return Ok(());
    }
    let named = named.unwrap_or("<PROVIDER NOT FOUND>");
    Err(Failure::new(
        Diagnostic::error(format!(
            "The datasource provider `{provider}` specified in your schema does not match the one specified in \
             the migration_lock.toml, `{named}`. Please remove your current migration directory and start a new \
             migration history with cutover migrate dev. Read more: https://pris.ly/d/migrate-provider-switch"
        ))
        .code(&codes::P3019)
        .note(format!("the file is {}", path.display()))
        .help(codes::P3019.way_out),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_ordered_as_the_reference_orders_them() {
        let expected = [
            "_x",
            "-x",
            ".x",
            "0",
            "1_a",
            "10",
            "2",
            "20240101_a",
            "20240101000000",
            "20240101000000_a",
            "20240101000000-a",
            "9",
            "a",
            "A",
            "a_b",
            "ab",
            "B",
        ];
        let mut names = expected;
        names.reverse();
        names.sort_by(|left, right| collate(left, right));
        assert_eq!(names, expected);
    }

    fn text(raw: &str) -> Migration {
        let sent = raw.strip_prefix('\u{feff}').unwrap_or(raw);
        Migration {
            name: "m".to_owned(),
            path: PathBuf::from("m/migration.sql"),
            content: Content::Text {
                source: Source::new("m/migration.sql", sent),
                checksum: checksum(raw.as_bytes()),
            },
        }
    }

    #[test]
    fn line_ends_do_not_make_a_file_edited() {
        let (unix, dos) = ("SELECT 1;\nSELECT 2;\n", "SELECT 1;\r\nSELECT 2;\r\n");
        assert!(text(unix).matches(&checksum(dos.as_bytes())));
        assert!(text(dos).matches(&checksum(unix.as_bytes())));
        assert!(!text(unix).matches(&checksum(b"SELECT 1;\n")));
    }

    #[test]
    fn a_byte_order_mark_counts_in_the_checksum() {
        let marked = "\u{feff}SELECT 1;\n";
        assert!(text(marked).matches(&checksum(marked.as_bytes())));
        assert!(text(marked).matches(&checksum("\u{feff}SELECT 1;\r\n".as_bytes())));
        assert!(!text(marked).matches(&checksum(b"SELECT 1;\n")));
    }

    #[test]
    fn checksums_of_old_engines_lack_leading_zeros() {
        let migration = text("SELECT 2;");
        let digest = Sha256::digest("SELECT 2;".as_bytes());
        let old: String = digest.iter().map(|byte| format!("{byte:x}")).collect();
        assert_ne!(old.len(), 64, "the example must have a byte below 16");
        assert!(migration.matches(&old));
    }
}
