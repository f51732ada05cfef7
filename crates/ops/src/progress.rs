//! The progress of a migration that needs more than one transaction, as it stands in its unfinished row.

use db::history::{HistoryRow, PROGRESS_MARK, Time};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;

/// The newest version of the format that this program writes and reads.
const VERSION: u32 = 1;

/// How far a migration has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The version of this format.
    pub version: u32,
    /// The run that wrote it.
    pub run: String,
    /// The node of a Galera cluster whose deploy lock was held; none elsewhere, where the lock is the whole server's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// It is the way back that is under way: the statements are those of `down.sql`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rollback: bool,
    /// Of a rollback: when the migration was finished, which the row says again if nothing of it is undone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Time>,
    /// Somebody has said that what the finished statements have made of their session is not needed by the others.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub vouched: bool,
    /// What it drops is kept for so many seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_dropped: Option<u64>,
    /// How many segments are finished.
    pub segments: usize,
    /// How many statements are finished: the number of the first one that is not, counted from 0.
    pub statement: usize,
    /// The SHA-256 of the finished statements.
    pub prefix: String,
    /// The statement outside of a transaction that was about to run when this was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent: Option<Intent>,
    /// The error that stands behind the line in `logs`, if there is one.
    #[serde(skip)]
    pub error: Option<String>,
}

/// A statement outside of a transaction, recorded before it runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// The SHA-256 of its text.
    pub statement: String,
    /// The name of the index that it builds, which the server makes up where the statement gives none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<String>,
    /// MySQL: the hash of the definitions of the tables that it names, as they were before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub objects: Option<String>,
}

impl Progress {
    /// Nothing is finished yet.
    pub fn start(run: &str, node: Option<&str>) -> Self {
        Self {
            version: VERSION,
            run: run.to_owned(),
            node: node.map(str::to_owned),
            rollback: false,
            finished_at: None,
            vouched: false,
            keep_dropped: None,
            segments: 0,
            statement: 0,
            prefix: hash([]),
            intent: None,
            error: None,
        }
    }

    /// The text for `logs`: the progress line, then an error text if there is one.
    pub fn logs(&self, error: Option<&str>) -> String {
        // A struct of strings and numbers always serialises.
        let json = serde_json::to_string(self).unwrap_or_default();
        match error {
            Some(error) => format!("{PROGRESS_MARK}{}\n{error}", ascii(&json)),
            None => format!("{PROGRESS_MARK}{}", ascii(&json)),
        }
    }

    /// Whether a row stands for a rollback that has not come to its end.
    pub fn is_rollback(row: &HistoryRow) -> bool {
        row.is_unfinished() && matches!(Self::of(row), Some(Ok(progress)) if progress.rollback)
    }

    /// Reads it back; `None` if the row is not ours, an error text if it is of a newer version.
    pub fn of(row: &HistoryRow) -> Option<Result<Self, String>> {
        let line = row.progress()?;
        Some(match serde_json::from_str::<Self>(line) {
            Ok(progress) if progress.version <= VERSION => {
                let error =
                    row.logs.as_deref().and_then(|logs| logs.split_once('\n')).map(|(_, error)| error);
                Ok(Self { error: error.map(str::to_owned).filter(|error| !error.is_empty()), ..progress })
            }
            Ok(progress) => Err(format!(
                "it was written by a newer cutover (format {}, this one reads {VERSION})",
                progress.version
            )),
            Err(error) => Err(format!("its progress cannot be read: {error}")),
        })
    }
}

/// The hash of a list of statements; line ends do not count.
pub fn hash<'a>(statements: impl IntoIterator<Item = &'a str>) -> String {
    let mut hasher = Sha256::new();
    for statement in statements {
        hasher.update(statement.replace("\r\n", "\n").as_bytes());
        // No statement holds a NUL, so that no two lists give the same bytes.
        hasher.update([0]);
    }
    hasher.finalize().iter().fold(String::with_capacity(64), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// JSON in ASCII alone, so that no setting of the session changes what is stored.
fn ascii(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for character in json.chars() {
        if character.is_ascii() {
            out.push(character);
        } else {
            let mut units = [0; 2];
            for unit in character.encode_utf16(&mut units) {
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(logs: &str) -> HistoryRow {
        HistoryRow {
            id: "id".to_owned(),
            checksum: String::new(),
            finished_at: None,
            migration_name: "m".to_owned(),
            logs: Some(logs.to_owned()),
            rolled_back_at: None,
            started_at: Time(0),
            applied_steps_count: 0,
        }
    }

    #[test]
    fn progress_survives_the_row_whatever_is_in_it() {
        let intent =
            Intent {
                statement: "x".to_owned(), index: Some("übersicht_𝕏_idx".to_owned()), objects: None
            };
        let progress = Progress { intent: Some(intent), ..Progress::start("run", None) };
        let logs = progress.logs(Some("ERROR: é"));
        assert!(logs.lines().next().unwrap().is_ascii());
        let error = Some("ERROR: é".to_owned());
        assert_eq!(Progress::of(&row(&logs)), Some(Ok(Progress { error, ..progress })));
    }

    #[test]
    fn rows_of_others_and_of_newer_versions_are_told_apart() {
        assert_eq!(Progress::of(&row("A migration failed to apply.")), None);
        let newer = Progress { version: 99, ..Progress::start("run", None) }.logs(None);
        assert!(Progress::of(&row(&newer)).unwrap().unwrap_err().contains("newer cutover"));
        assert!(Progress::of(&row("cutover:{")).unwrap().is_err());
    }

    #[test]
    fn line_ends_do_not_change_a_hash_but_borders_do() {
        assert_eq!(hash(["a\r\nb"]), hash(["a\nb"]));
        assert_ne!(hash(["ab"]), hash(["a", "b"]));
    }
}
