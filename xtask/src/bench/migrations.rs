//! What is deployed.

use std::path::{Path, PathBuf};

/// The migrations directory, from the project's.
pub(crate) const FOLDER: &str = "prisma/migrations";

/// A project's directory, with migrations in it and nothing else; gone with the value.
pub(crate) struct Project {
    directory: tempfile::TempDir,
    /// The migrations, in order.
    pub(super) names: Vec<String>,
}

impl Project {
    /// These files.
    pub(crate) fn with(files: impl Iterator<Item = (String, String)>) -> Result<Self, String> {
        let directory = tempfile::tempdir().map_err(|error| format!("no temporary directory: {error}"))?;
        let mut project = Self { directory, names: Vec::new() };
        for (name, sql) in files {
            let file = project.file(&name);
            std::fs::create_dir_all(file.with_file_name(""))
                .and_then(|()| std::fs::write(&file, sql))
                .map_err(|error| format!("cannot write {}: {error}", file.display()))?;
            project.names.push(name);
        }
        Ok(project)
    }

    /// Small migrations as Prisma generates them: 1 to 3 statements each.
    pub(super) fn small(count: usize) -> Result<Self, String> {
        Self::with((0..count).map(|number| (format!("2024{number:010}_m{number}"), small(number))))
    }

    /// Migrations that fill tables and index them: each works for a while.
    pub(super) fn large(count: usize, rows: usize) -> Result<Self, String> {
        Self::with((0..count).map(|number| {
            let sql = format!(
                "CREATE TABLE t{number} AS SELECT i, md5(i::text) AS m FROM generate_series(1, {rows}) AS i;\n\
                 CREATE INDEX ON t{number} (m);\n"
            );
            (format!("2024{number:010}_fill"), sql)
        }))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The file of a migration.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path().join(FOLDER).join(name).join("migration.sql")
    }
}

/// Four migrations after each other make two tables that refer to each other; PostgreSQL and SQLite understand them.
fn small(number: usize) -> String {
    let base = number - number % 4;
    match number % 4 {
        0 => format!(
            "-- CreateTable\nCREATE TABLE \"t{number}\" (\n    \"id\" INTEGER NOT NULL,\n    \"name\" TEXT NOT NULL,\n    \
             PRIMARY KEY (\"id\")\n);\n\n-- CreateIndex\nCREATE UNIQUE INDEX \"t{number}_name\" ON \"t{number}\"(\"name\");\n"
        ),
        1 => format!(
            "-- AlterTable\nALTER TABLE \"t{base}\" ADD COLUMN \"a\" TEXT;\nALTER TABLE \"t{base}\" ADD COLUMN \"b\" INTEGER;\n"
        ),
        2 => format!("-- CreateIndex\nCREATE INDEX \"t{base}_a\" ON \"t{base}\"(\"a\");\n"),
        _ => format!(
            "-- CreateTable\nCREATE TABLE \"u{number}\" (\n    \"id\" INTEGER NOT NULL PRIMARY KEY,\n    \"t\" INTEGER \
             NOT NULL REFERENCES \"t{base}\"(\"id\")\n);\n\n-- CreateIndex\nCREATE INDEX \"u{number}_t\" ON \
             \"u{number}\"(\"t\");\n\nINSERT INTO \"t{base}\" (\"id\", \"name\") VALUES ({number}, 'x');\n"
        ),
    }
}
