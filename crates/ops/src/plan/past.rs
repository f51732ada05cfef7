//! What statements have taken in this database before, by the records of earlier runs.
//!
//! A statement of the same file that has run here before (and was rolled back since) will take about as long again. Of the
//! others the records tell how many rows a second data statements change here; sizes of tables at that time are not recorded, so
//! that nothing is learnt of definitions.

use crate::record::MigrationRecord;
use db::Conn;
use db::state;
use db::state::runs::{self, RunRow};
use std::collections::BTreeMap;

/// So many of the newest runs are looked at.
const RUNS: usize = 50;
/// Statements that change fewer rows tell nothing of a speed.
const ROWS: u64 = 10_000;

/// What was recorded.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Past {
    /// How long a statement took the last time, in seconds: by the checksum of its file and its number (from 1).
    pub statements: BTreeMap<(String, usize), f64>,
    /// How many rows data statements change in a second; none: no large one was recorded.
    pub rows_per_second: Option<f64>,
}

impl Past {
    /// Reads it; nothing is known where the records cannot be read.
    pub(crate) fn read(conn: &mut dyn Conn, owner: &str) -> Self {
        match state::standing(conn) {
            Ok(standing) if standing.can_be_read() => {
                runs::newest(conn, owner, RUNS).map(|runs| Self::of(&runs)).unwrap_or_default()
            }
            _ => Self::default(),
        }
    }

    /// Of these runs, the newest first.
    fn of(runs: &[RunRow]) -> Self {
        let mut past = Self::default();
        let mut speeds = Vec::new();
        for run in runs.iter().filter(|run| run.command == "deploy") {
            let migrations: Vec<MigrationRecord> = run
                .migrations
                .as_deref()
                .and_then(|text| serde_json::from_str(text).ok())
                .unwrap_or_default();
            for migration in migrations.iter().filter(|found| found.outcome.as_deref() == Some("applied")) {
                let Some(checksum) = &migration.checksum else { continue };
                for statement in migration.statements.iter().filter(|found| found.seconds > 0.0) {
                    let key = (checksum.clone(), statement.number);
                    past.statements.entry(key).or_insert(statement.seconds);
                    if statement.rows >= ROWS {
                        speeds.push(statement.rows as f64 / statement.seconds);
                    }
                }
            }
        }
        speeds.sort_by(f64::total_cmp);
        past.rows_per_second = speeds.get(speeds.len() / 2).copied();
        past
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_time_counts_and_speeds_are_of_large_statements() {
        let run = |migrations: &str| RunRow {
            command: "deploy".to_owned(),
            migrations: Some(migrations.to_owned()),
            ..RunRow::default()
        };
        let statement = |number: usize, seconds: f64, rows: u64| {
            format!("{{\"number\":{number},\"seconds\":{seconds},\"rows\":{rows}}}")
        };
        let migration = |outcome: &str, statements: &[String]| {
            format!(
                "[{{\"name\":\"1_a\",\"checksum\":\"c1\",\"started_at\":\"\",\"outcome\":\"{outcome}\",\"statements\":[{}]}}]",
                statements.join(",")
            )
        };
        let runs = [
            run(&migration("failed", &[statement(1, 9.0, 1_000_000)])),
            run(&migration("applied", &[statement(1, 2.0, 100_000), statement(2, 0.1, 5)])),
            run(&migration("applied", &[statement(1, 4.0, 100_000)])),
        ];
        let past = Past::of(&runs);
        assert_eq!(past.statements.get(&("c1".to_owned(), 1)), Some(&2.0));
        // Under the same name another file tells nothing.
        assert_eq!(past.statements.get(&("1_a".to_owned(), 1)), None);
        assert_eq!(past.rows_per_second, Some(50_000.0));
    }
}
