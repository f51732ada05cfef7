//! `cargo xtask terminals`: what a person sees of a deploy, as pictures for the README: real output of the binary on real servers, in the
//! colours of a terminal. Made by hand, and not compared in CI: it holds times.

use crate::root;
use anstyle_svg::Term;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

/// How wide the terminal is.
const COLUMNS: usize = 110;

/// Makes them all.
pub(crate) fn run() -> crate::Result {
    let binary = build()?;
    let folder = root().join("docs/pictures");
    fs::create_dir_all(&folder).map_err(told)?;
    for (name, picture) in
        [("deploy", deploy(&binary)?), ("failure", failure(&binary)?), ("blocked", blocked(&binary)?)]
    {
        let text = Term::new().render_svg(&picture);
        fs::write(folder.join(format!("{name}.svg")), text).map_err(told)?;
        println!("docs/pictures/{name}.svg");
    }
    Ok(ExitCode::SUCCESS)
}

fn told(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn build() -> Result<std::path::PathBuf, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status =
        Command::new(cargo).current_dir(root()).args(["build", "--locked", "--package", "cutover"]).status();
    match status.map_err(told)?.success() {
        true => Ok(crate::release::target_folder().join("debug/cutover")),
        false => Err("the binary cannot be built".to_owned()),
    }
}

/// A project with its migrations, and a schema that names the URL by a variable.
fn project(migrations: &[(&str, &str)], provider: &str, url: &str) -> Result<tempfile::TempDir, String> {
    let project = tempfile::tempdir().map_err(told)?;
    for (name, sql) in migrations {
        let folder = project.path().join("prisma/migrations").join(name);
        fs::create_dir_all(&folder).map_err(told)?;
        fs::write(folder.join("migration.sql"), sql).map_err(told)?;
    }
    let schema =
        format!("datasource db {{\n  provider = \"{provider}\"\n  url      = env(\"DATABASE_URL\")\n}}\n");
    fs::write(project.path().join("prisma/schema.prisma"), schema).map_err(told)?;
    fs::write(project.path().join(".env"), format!("DATABASE_URL={url}\n")).map_err(told)?;
    Ok(project)
}

/// A command on a terminal of its own, as text with colours.
fn seen(binary: &Path, project: &Path, arguments: &str) -> Result<std::process::Child, String> {
    // `script` gives it a terminal.
    Command::new("script")
        .args(["--quiet", "--return", "--command"])
        .arg(format!("stty cols {COLUMNS}; {} {arguments}", binary.display()))
        .arg("/dev/null")
        .current_dir(project)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot run script (of util-linux): {error}"))
}

fn text(command: &str, child: std::process::Child) -> Result<String, String> {
    let output = child.wait_with_output().map_err(told)?;
    let said = String::from_utf8_lossy(&output.stdout).replace('\r', "");
    let lines = said.lines().filter(|line| !line.contains(" loaded from .env"));
    let lines: Vec<String> = lines.map(wrapped).collect();
    Ok(format!("\u{1b}[32m$\u{1b}[0m {command}\n{}", lines.join("\n").trim_start_matches('\n')))
}

/// As a terminal breaks a line. Those with colours are short.
fn wrapped(line: &str) -> String {
    let letters: Vec<char> = line.chars().collect();
    if line.contains('\u{1b}') || letters.len() <= COLUMNS {
        return line.to_owned();
    }
    letters.chunks(COLUMNS).map(|part| part.iter().collect::<String>()).collect::<Vec<_>>().join("\n")
}

fn deploy(binary: &Path) -> Result<String, String> {
    let migrations = [
        (
            "20260301090000_totals",
            "ALTER TABLE \"Order\" ADD COLUMN \"total\" INTEGER NOT NULL DEFAULT 0;\nUPDATE \"Order\" SET \"total\" = 1;\n",
        ),
        (
            "20260302090000_order_by_customer",
            "CREATE INDEX CONCURRENTLY \"Order_customer_idx\" ON \"Order\"(\"customer\");\n",
        ),
    ];
    let server = testkit::postgres::Server::private(&[], None);
    server.psql("CREATE DATABASE shop");
    let project = project(
        &[(
            "20260201090000_init",
            "CREATE TABLE \"Order\" (id SERIAL PRIMARY KEY, customer INTEGER NOT NULL);\n",
        )],
        "postgresql",
        &server.url_of("shop"),
    )?;
    text("", seen(binary, project.path(), "deploy")?)?;
    for (name, sql) in migrations {
        let folder = project.path().join("prisma/migrations").join(name);
        fs::create_dir_all(&folder).map_err(told)?;
        fs::write(folder.join("migration.sql"), sql).map_err(told)?;
    }
    text("cutover deploy", seen(binary, project.path(), "deploy")?)
}

fn failure(binary: &Path) -> Result<String, String> {
    let migrations = [
        ("20260201090000_init", "CREATE TABLE \"Order\" (id INTEGER PRIMARY KEY);\n"),
        (
            "20260301090000_order_note",
            "ALTER TABLE \"Order\" ADD COLUMN note TEXT;\nUPDATE \"Order\" SET noet = '';\n",
        ),
    ];
    let project = project(&migrations, "sqlite", "file:./shop.db")?;
    text("cutover deploy", seen(binary, project.path(), "deploy")?)
}

fn blocked(binary: &Path) -> Result<String, String> {
    let server = testkit::postgres::Server::private(&[], None);
    server.psql("CREATE DATABASE shop");
    let project = project(
        &[("20260201090000_init", "CREATE TABLE \"Order\" (id SERIAL PRIMARY KEY);\n")],
        "postgresql",
        &server.url_of("shop"),
    )?;
    text("", seen(binary, project.path(), "deploy")?)?;
    let folder = project.path().join("prisma/migrations/20260301090000_totals");
    fs::create_dir_all(&folder).map_err(told)?;
    fs::write(
        folder.join("migration.sql"),
        "ALTER TABLE \"Order\" ADD COLUMN \"total\" INTEGER NOT NULL DEFAULT 0;\n",
    )
    .map_err(told)?;
    let report = "BEGIN; SELECT count(*) FROM \"Order\"; SELECT pg_sleep(4)";
    let mut holder = Command::new("psql")
        .arg(format!("{}?application_name=nightly-report", server.url_of("shop")))
        .args(["--quiet", "--command", report])
        .stdout(Stdio::null())
        .spawn()
        .map_err(told)?;
    while server.psql("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'nightly-report' AND wait_event = 'PgSleep'") != "1" {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let picture = text("cutover deploy", seen(binary, project.path(), "deploy")?)?;
    holder.wait().map_err(told)?;
    Ok(picture)
}
