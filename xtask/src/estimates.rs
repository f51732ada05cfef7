//! What `cutover plan` estimates, and what it took: statements on a table of a million rows, on each database. Written to the
//! guide, so that nobody has to believe the estimates.

use crate::bench::migrations::{FOLDER, Project};
use crate::{release, root};
use serde_json::Value;
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, ExitCode};

/// What to do with the page.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Write docs/guide/src/estimates.md
    #[arg(long)]
    write: bool,
}

/// A million rows of an ordinary shape.
const POSTGRESQL: &str = "CREATE TABLE orders (id bigint PRIMARY KEY, customer int NOT NULL, total int NOT NULL, note varchar(80), at timestamp \
    NOT NULL); INSERT INTO orders SELECT i, i % 50000, i % 1000, md5(i::text), now() FROM generate_series(1, 1000000) i; CREATE INDEX \
    orders_customer ON orders (customer); CREATE TABLE customers (id int PRIMARY KEY); INSERT INTO customers SELECT \
    generate_series(0, 50000);";
const MARIADB: &str = "CREATE TABLE orders (id BIGINT PRIMARY KEY, customer INT NOT NULL, total INT NOT NULL, note VARCHAR(80), at DATETIME NOT \
    NULL); INSERT INTO orders SELECT seq, seq % 50000, seq % 1000, md5(seq), now() FROM seq_1_to_1000000; CREATE INDEX orders_customer ON \
    orders (customer);";
const SQLITE: &str = "CREATE TABLE orders (id INTEGER PRIMARY KEY, customer INT NOT NULL, total INT NOT NULL, note TEXT, at TEXT NOT NULL); WITH \
    RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < 1000000) INSERT INTO orders SELECT i, i % 50000, i % 1000, \
    hex(i), '2026-01-01' FROM s;";

/// One after the other on the same table.
const ON_POSTGRESQL: [&str; 10] = [
    "ALTER TABLE orders ADD COLUMN state text NOT NULL DEFAULT 'new';",
    "ALTER TABLE orders ALTER COLUMN note TYPE text;",
    "ALTER TABLE orders ALTER COLUMN total TYPE bigint;",
    "CREATE INDEX orders_at ON orders (at);",
    "CREATE INDEX CONCURRENTLY orders_note ON orders (note);",
    "ALTER TABLE orders ADD CONSTRAINT total_positive CHECK (total >= 0);",
    "ALTER TABLE orders ADD FOREIGN KEY (customer) REFERENCES customers (id);",
    "ALTER TABLE orders ALTER COLUMN note SET NOT NULL;",
    "UPDATE orders SET total = total + 1;",
    "ALTER TABLE orders DROP COLUMN note;",
];
const ON_MARIADB: [&str; 5] = [
    "ALTER TABLE orders ADD COLUMN state VARCHAR(20) NOT NULL DEFAULT 'new';",
    "ALTER TABLE orders MODIFY total BIGINT NOT NULL;",
    "CREATE INDEX orders_at ON orders (at);",
    "UPDATE orders SET total = total + 1;",
    "ALTER TABLE orders ADD COLUMN number BIGINT NOT NULL DEFAULT 0, ALGORITHM=COPY;",
];
const ON_SQLITE: [&str; 5] = [
    "ALTER TABLE orders ADD COLUMN state TEXT NOT NULL DEFAULT 'new';",
    "CREATE INDEX orders_at ON orders (at);",
    "CREATE UNIQUE INDEX orders_note ON orders (id, note);",
    "UPDATE orders SET total = total + 1;",
    "ALTER TABLE orders DROP COLUMN state;",
];

/// One statement: what was said, and what it took, in seconds.
struct Measured {
    statement: String,
    estimate: Option<f64>,
    took: f64,
}

/// Measures on all three databases.
pub(crate) fn run(arguments: &Arguments) -> crate::Result {
    let binary = release::build()?;
    let server = testkit::postgres::Server::private(&[], None);
    let database = server.create_database("estimates");
    let postgres =
        measured(&binary, &database.url(), POSTGRESQL, &ON_POSTGRESQL, || drop(database.psql("ANALYZE")))?;
    let server = testkit::mariadb::Server::start();
    let database = server.create_database("estimates");
    let maria = measured(&binary, &database.url(), MARIADB, &ON_MARIADB, || {
        drop(database.sql("ANALYZE TABLE orders"))
    })?;
    let directory = tempfile::tempdir().map_err(|error| format!("no temporary directory: {error}"))?;
    let url = format!("file:{}", directory.path().join("estimates.db").display());
    let sqlite = measured(&binary, &url, SQLITE, &ON_SQLITE, || {})?;
    let page = page(&[("PostgreSQL", postgres), ("MariaDB", maria), ("SQLite", sqlite)]);
    print!("{page}");
    if arguments.write {
        let path = root().join("docs/guide/src/estimates.md");
        std::fs::write(&path, page).map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn measured(
    binary: &Path,
    url: &str,
    base: &str,
    statements: &[&str],
    analyze: impl Fn(),
) -> Result<Vec<Measured>, String> {
    let first = ("2026000000_base".to_owned(), base.to_owned());
    let project = Project::with(std::iter::once(first))?;
    events(binary, &project, url, &["deploy"])?;
    let mut found = Vec::new();
    for (number, statement) in statements.iter().enumerate() {
        analyze();
        let file = project.file(&format!("2026{:06}_statement", number + 1));
        std::fs::create_dir_all(file.with_file_name(""))
            .and_then(|()| std::fs::write(&file, statement))
            .map_err(|error| format!("cannot write {}: {error}", file.display()))?;
        let plan = events(binary, &project, url, &["plan"])?;
        let told = &plan.last().ok_or("no plan")?["plan"]["migrations"][0]["brackets"][0]["statements"][0];
        let deployed = events(binary, &project, url, &["deploy"])?;
        let took =
            deployed.iter().find(|event| event["event"] == "statement_finished").ok_or("nothing ran")?;
        found.push(Measured {
            statement: statement.trim_end_matches(';').to_owned(),
            estimate: told["estimate"]["seconds"].as_f64(),
            took: took["elapsed"].as_f64().unwrap_or_default(),
        });
    }
    Ok(found)
}

/// The events of a command that must succeed.
fn events(binary: &Path, project: &Project, url: &str, arguments: &[&str]) -> Result<Vec<Value>, String> {
    let output = Command::new(binary)
        .args(arguments)
        .args(["--json", "--migrations", FOLDER, "--url", url])
        .env_clear()
        .current_dir(project.path())
        .output()
        .map_err(|error| format!("cannot start: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).map_err(|error| format!("{line}: {error}")))
        .collect()
}

fn page(all: &[(&str, Vec<Measured>)]) -> String {
    let mut page = String::from(
        "# Estimates and what it took\n\nWritten by `cargo xtask estimates --write`; not edited by hand.\n\nWhat [`plan`](plan.md) said of a \
         statement on a table of a million rows, and what the deploy behind it took. Data in memory, nobody else at work.\n",
    );
    for (database, measured) in all {
        let _ = write!(page, "\n## {database}\n\n| statement | estimated | took |\n|---|--:|--:|\n");
        for one in measured {
            let estimate = one.estimate.map_or("unknown".to_owned(), seconds);
            let _ = writeln!(page, "| `{}` | {estimate} | {} |", one.statement, seconds(one.took));
        }
    }
    page
}

fn seconds(value: f64) -> String {
    if value < 0.1 { format!("{:.0} ms", value * 1000.0) } else { format!("{value:.1} s") }
}
