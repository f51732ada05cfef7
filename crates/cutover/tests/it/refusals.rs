//! Bad inputs: each is refused with its code, exit 1 and a message that names the thing, changes nothing, and shows no
//! password. The binary runs as somebody without rights wherever the test itself has all of them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use tempfile::TempDir;
use testkit::postgres::{Database, server};

/// Never to be seen: raw, as it stands in URLs, in base64.
const SECRETS: [&str; 3] = ["s3cr3t/pa:ss@1", "s3cr3t%2Fpa%3Ass%401", "czNjcjN0L3BhOnNzQDE="];
/// Whom the binary runs as when the test is root: nobody.
const NOBODY: u32 = 65534;

/// One bad input.
struct Case {
    name: &'static str,
    files: Vec<(String, Vec<u8>)>,
    sql: &'static str,
    url: &'static str,
    arguments: Vec<String>,
    modes: Vec<(&'static str, u32)>,
    code: &'static str,
    phrase: String,
}

const POSTGRES: &str = "postgresql://postgres:s3cr3t%2Fpa%3Ass%401@127.0.0.1:{port}/{database}";
const SQLITE: &str = "file:./dev.db";

fn case(name: &'static str, url: &'static str) -> Case {
    Case {
        name,
        files: vec![("prisma/migrations/1_a/migration.sql".to_owned(), b"CREATE TABLE a (id int);".to_vec())],
        sql: "",
        url,
        arguments: vec!["migrate".to_owned(), "deploy".to_owned()],
        modes: Vec::new(),
        code: "",
        phrase: String::new(),
    }
}

impl Case {
    fn migration(self, sql: impl AsRef<[u8]>) -> Self {
        self.file("prisma/migrations/2_b/migration.sql", sql)
    }

    fn file(mut self, path: &str, content: impl AsRef<[u8]>) -> Self {
        self.files.push((path.to_owned(), content.as_ref().to_vec()));
        self
    }

    fn database(mut self, sql: &'static str) -> Self {
        self.sql = sql;
        self
    }

    fn arguments(mut self, arguments: &[&str]) -> Self {
        self.arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        self
    }

    fn mode(mut self, path: &'static str, mode: u32) -> Self {
        self.modes.push((path, mode));
        self
    }

    fn is(mut self, code: &'static str, phrase: &str) -> Self {
        self.code = code;
        phrase.clone_into(&mut self.phrase);
        self
    }
}

const HISTORY: &str = "CREATE TABLE _prisma_migrations (id VARCHAR(36) PRIMARY KEY NOT NULL, checksum VARCHAR(64) NOT \
    NULL, finished_at TIMESTAMPTZ, migration_name VARCHAR(255) NOT NULL, logs TEXT, rolled_back_at TIMESTAMPTZ, \
    started_at TIMESTAMPTZ NOT NULL DEFAULT now(), applied_steps_count INTEGER NOT NULL DEFAULT 0);";

/// URLs and what stands behind them.
#[expect(clippy::too_many_lines, reason = "a table")]
fn targets() -> Vec<Case> {
    let deploy_to = |name, url, code, phrase| case(name, url).is(code, phrase);
    let mut cases = vec![
        deploy_to("empty URL", "", "P1012", "nonempty URL"),
        deploy_to("unknown scheme", "oracle://u:s3cr3t%2Fpa%3Ass%401@h/d", "P1013", "postgresql://"),
        deploy_to("SQL Server", "sqlserver://h:1433;password=s3cr3t%2Fpa%3Ass%401", "C1002", "SQL Server"),
        deploy_to("MongoDB", "mongodb://u:s3cr3t%2Fpa%3Ass%401@h/d", "C1002", "MongoDB"),
        deploy_to("Accelerate", "prisma://h/?api_key=s3cr3t%2Fpa%3Ass%401", "C1002", "prisma://"),
        deploy_to("MySQL", "mysql://u:s3cr3t%2Fpa%3Ass%401@h/d", "", "not supported by this version yet"),
        deploy_to(
            "unescaped # in the password",
            "postgresql://u:s3cr3t/pa:ss@1#x@127.0.0.1:1/d",
            "P1013",
            "%23",
        ),
        deploy_to("bad port", "postgresql://u:s3cr3t%2Fpa%3Ass%401@127.0.0.1:abc/d", "P1013", "port"),
        deploy_to(
            "bad sslmode",
            "postgresql://u:s3cr3t%2Fpa%3Ass%401@127.0.0.1:1/d?sslmode=full",
            "P1013",
            "verify-full",
        ),
        deploy_to(
            "bad number",
            "postgresql://u:s3cr3t%2Fpa%3Ass%401@127.0.0.1:1/d?connect_timeout=soon",
            "P1013",
            "connect_timeout",
        ),
        deploy_to(
            "bad attributes",
            "postgresql://u@127.0.0.1:1/d?target_session_attrs=any-host",
            "P1013",
            "read-write",
        ),
        deploy_to(
            "bad channel binding",
            "postgresql://u@127.0.0.1:1/d?channel_binding=yes",
            "P1013",
            "channel_binding",
        ),
        deploy_to("SQLite in memory", "file::memory:", "C1005", "memory"),
        deploy_to("sqlite: prefix", "sqlite:./dev.db", "P1012", "file:"),
        deploy_to("directory as database", "file:./prisma", "P1013", "directory"),
        deploy_to(
            "nobody listens",
            "postgresql://u:s3cr3t%2Fpa%3Ass%401@127.0.0.1:1/d",
            "P1001",
            "127.0.0.1:1",
        ),
        deploy_to(
            "host unknown",
            "postgresql://u:s3cr3t%2Fpa%3Ass%401@no-such-host.invalid/d",
            "P1001",
            "no-such-host.invalid:5432",
        ),
        deploy_to("no such socket", "postgresql://u@localhost/d?host=/nowhere", "P1001", "/nowhere"),
        deploy_to(
            "TLS where there is none",
            "postgresql://postgres:s3cr3t%2Fpa%3Ass%401@127.0.0.1:{port}/{database}?sslmode=require",
            "P1011",
            "server does not support TLS",
        ),
        deploy_to(
            "unknown role",
            "postgresql://nobody_here:s3cr3t%2Fpa%3Ass%401@127.0.0.1:{port}/{database}",
            "P1010",
            "denied",
        ),
        deploy_to(
            "bad start-up option",
            "postgresql://postgres@127.0.0.1:{port}/{database}?options=-c%20nonsense=1",
            "",
            "nonsense",
        ),
    ];
    for command in ["status", "resolve"] {
        let mut arguments = vec!["migrate", command];
        if command == "resolve" {
            arguments.extend(["--applied", "1_a"]);
        }
        let no_database = "postgresql://postgres:s3cr3t%2Fpa%3Ass%401@127.0.0.1:{port}/{database}_absent";
        cases.push(case("no database", no_database).arguments(&arguments).is("P1003", "_absent"));
        cases.push(case("no file", SQLITE).arguments(&arguments).is("P1003", "dev.db"));
    }
    cases
}

/// What stands in the project.
fn projects() -> Vec<Case> {
    let schema = |provider: &str| {
        format!("datasource db {{\n  provider = \"{provider}\"\n  url      = env(\"NOWHERE\")\n}}\n")
    };
    vec![
        case("schema missing", SQLITE)
            .arguments(&["migrate", "deploy", "--schema", "nope.prisma"])
            .is("", "nope.prisma"),
        case("variable unset", "").file("prisma/schema.prisma", schema("sqlite")).is("P1012", "NOWHERE"),
        case("schema without datasource", "")
            .file("prisma/schema.prisma", "model A { id Int @id }\n")
            .is("", "datasource"),
        case("schema broken", "")
            .file("prisma/schema.prisma", "datasource db {\n  provider = \n}\n")
            .is("P1012", "schema.prisma:2"),
        case("lock file of another provider", SQLITE)
            .file("prisma/migrations/migration_lock.toml", "provider = \"postgresql\"\n")
            .is("P3019", "postgresql"),
        case("lock file broken", SQLITE)
            .file("prisma/migrations/migration_lock.toml", "provider = \n")
            .is("C1004", "migration_lock.toml:1"),
        case("migrations unreadable", SQLITE)
            .mode("prisma/migrations", 0o000)
            .is("C1004", "prisma/migrations"),
        case("file unreadable", SQLITE)
            .mode("prisma/migrations/1_a/migration.sql", 0o000)
            .is("P3015", "1_a/migration.sql"),
        case("no migration.sql", SQLITE)
            .file("prisma/migrations/2_b/other.sql", "")
            .is("P3015", "2_b/migration.sql"),
        case("not UTF-8", SQLITE).migration(b"SELECT '\xff';").is("C2001", "offset 8"),
        case("NUL byte", POSTGRES).migration(b"SELECT 1;\nSELECT '\0';").is("P3018", "NUL byte"),
        case("no such migration", SQLITE)
            .arguments(&["migrate", "deploy", "--to", "9_nope"])
            .is("C2017", "9_nope"),
        case("count is no number", SQLITE).arguments(&["migrate", "deploy", "--count", "abc"]).is("", "abc"),
        case("unknown flag", SQLITE)
            .arguments(&["migrate", "deploy", "--force"])
            .is("", "! unknown or unexpected option: --force"),
        case("flag without value", SQLITE)
            .arguments(&["migrate", "resolve", "--applied"])
            .is("", "--applied"),
        case("both flags", SQLITE)
            .arguments(&["migrate", "resolve", "--applied", "a", "--rolled-back", "b"])
            .is("", "not both"),
        case("neither flag", SQLITE).arguments(&["migrate", "resolve"]).is("", "must be part of the command"),
        case("bad time", SQLITE).arguments(&["migrate", "deploy", "--deadline", "soon"]).is("", "60s"),
    ]
}

/// What stands in a migration.
fn scripts() -> Vec<Case> {
    let pending = |name, sql: &str, code, phrase| case(name, POSTGRES).migration(sql).is(code, phrase);
    vec![
        pending("string not closed", "SELECT 1;\nSELECT 'a;", "C2002", "2_b/migration.sql:2:8"),
        pending("dollar quote not closed", "DO $x$ BEGIN;", "C2002", "2_b/migration.sql:1:4"),
        pending("comment not closed", "/* a /* b */", "C2002", "2_b/migration.sql:1:1"),
        pending("name not closed", "SELECT \"a", "C2002", "2_b/migration.sql:1:8"),
        pending("BEGIN without COMMIT", "BEGIN; SELECT 1;", "C2003", "2_b/migration.sql:1:1"),
        pending("ROLLBACK", "SELECT 1;\nROLLBACK;", "C2004", "2_b/migration.sql:2:1"),
        pending("PREPARE TRANSACTION", "BEGIN;\nPREPARE TRANSACTION 'x';", "C2004", "2_b/migration.sql:2:1"),
        pending("COPY FROM STDIN", "COPY a FROM STDIN;", "C2004", "COPY"),
        pending("COPY TO STDOUT", "COPY a TO STDOUT;", "C2004", "COPY"),
        pending("BEGIN READ ONLY", "BEGIN READ ONLY; COMMIT;", "C2004", "read-only"),
        pending("START TRANSACTION READ ONLY", "START TRANSACTION READ ONLY; COMMIT;", "C2004", "read-only"),
        pending("SET TRANSACTION READ ONLY", "SET TRANSACTION READ ONLY;", "C2004", "read-only"),
        pending("SET transaction_read_only", "SET transaction_read_only = on;", "C2004", "read-only"),
        pending("savepoint without BEGIN", "SAVEPOINT s;", "C2004", "savepoint"),
        pending("bad directive", "-- cutover:transaction=maybe\nSELECT 1;", "C2004", "off, file or segment"),
        pending("syntax error", "CREATE TABEL b (id int);", "P3018", "2_b/migration.sql:1:8"),
        pending(
            "violation",
            "CREATE TABLE b (id int PRIMARY KEY);\nINSERT INTO b VALUES (1), (1);",
            "P3018",
            "Key (id)=(1) already exists",
        ),
        pending(
            "deferred violation",
            "CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (id int REFERENCES p DEFERRABLE INITIALLY DEFERRED); INSERT INTO c VALUES (1);",
            "P3018",
            "at COMMIT",
        ),
    ]
}

/// What stands in the database.
fn databases() -> Vec<Case> {
    let no_steps = "CREATE TABLE _prisma_migrations (id text, checksum text, finished_at timestamptz, migration_name text, \
        logs text, rolled_back_at timestamptz, started_at timestamptz);";
    let failed = "CREATE TABLE _prisma_migrations (id VARCHAR(36) PRIMARY KEY NOT NULL, checksum VARCHAR(64) NOT NULL, \
        finished_at TIMESTAMPTZ, migration_name VARCHAR(255) NOT NULL, logs TEXT, rolled_back_at TIMESTAMPTZ, started_at \
        TIMESTAMPTZ NOT NULL DEFAULT now(), applied_steps_count INTEGER NOT NULL DEFAULT 0); INSERT INTO _prisma_migrations \
        (id, checksum, migration_name, logs) VALUES ('1', 'x', '1_a', 'boom');";
    let applied = "CREATE TABLE _prisma_migrations (id VARCHAR(36) PRIMARY KEY NOT NULL, checksum VARCHAR(64) NOT NULL, \
        finished_at TIMESTAMPTZ, migration_name VARCHAR(255) NOT NULL, logs TEXT, rolled_back_at TIMESTAMPTZ, started_at \
        TIMESTAMPTZ NOT NULL DEFAULT now(), applied_steps_count INTEGER NOT NULL DEFAULT 0); INSERT INTO _prisma_migrations \
        (id, checksum, migration_name, finished_at, applied_steps_count) VALUES ('1', 'x', '1_a', now(), 1);";
    let resolve = |flag: &'static str, name: &'static str| ["migrate", "resolve", flag, name];
    vec![
        case("not empty", POSTGRES).database("CREATE TABLE there (id int)").is("P3005", "resolve --applied"),
        case("column missing", POSTGRES).database(no_steps).is("C2018", "applied_steps_count"),
        case("failed by Prisma", POSTGRES).database(failed).is("P3009", "boom"),
        case("already applied", POSTGRES).database(applied).arguments(&resolve("--applied", "1_a")).is("P3008", "1_a"),
        case("not failed", POSTGRES).database(applied).arguments(&resolve("--rolled-back", "1_a")).is("P3012", "1_a"),
        case("never applied", POSTGRES).database(HISTORY).arguments(&resolve("--rolled-back", "9_x")).is("P3011", "9_x"),
        case("no directory", POSTGRES).database(HISTORY).arguments(&resolve("--applied", "9_x")).is("P3017", "9_x"),
        case("edited, strict", POSTGRES).database(applied).arguments(&["migrate", "deploy", "--strict"]).is("C2016", "edited"),
        case("read-only database", POSTGRES).database("DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on', current_database()); END $$").is("C1001", "default_transaction_read_only"),
        case("not a database", SQLITE).file("dev.db", "this is a text file, and a long one so that it is more than a header").is("C1005", "not a database"),
        case("file read-only", SQLITE).file("dev.db", "").mode("dev.db", 0o444).is("C1005", "dev.db"),
        case("file without permission", SQLITE).file("dev.db", "").mode("dev.db", 0o000).is("C1005", "dev.db"),
        case("directory read-only", "file:./closed/dev.db").file("closed/x", "").mode("closed", 0o555).is("C1005", "closed"),
        case("parent cannot be made", "file:./closed/deeper/dev.db").file("closed/x", "").mode("closed", 0o555).is("C1005", "closed"),
    ]
}

/// A case with its folder, and its database where it has one.
struct Scene {
    folder: TempDir,
    database: Option<Database<'static>>,
}

impl Scene {
    fn new(case: &Case) -> Self {
        let folder = TempDir::new().unwrap();
        for (path, content) in &case.files {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        own(folder.path());
        for (path, mode) in &case.modes {
            std::fs::set_permissions(folder.path().join(path), PermissionsExt::from_mode(*mode)).unwrap();
        }
        let database = case.url.contains("{database}").then(|| server().create_database("refused"));
        if let Some(database) = &database {
            database.psql(case.sql);
        }
        Self { folder, database }
    }

    fn url(&self, case: &Case) -> String {
        let name = self.database.as_ref().map_or("", |database| database.name());
        case.url.replace("{port}", &server().port().to_string()).replace("{database}", name)
    }

    fn run(&self, case: &Case, more: &[&str]) -> Output {
        let mut command = Command::new(binary());
        command.args(&case.arguments).args(more);
        let schema_speaks = case.files.iter().any(|(path, _)| path.ends_with(".prisma"));
        if !schema_speaks {
            command.args(["--url", &self.url(case), "--migrations", "prisma/migrations"]);
        }
        command.env_clear().current_dir(self.folder.path()).stdin(Stdio::null());
        if is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        command.output().unwrap()
    }

    /// Everything that must stay as it is.
    fn state(&self) -> String {
        let mut state = String::new();
        for (path, (mode, content)) in files(self.folder.path()) {
            let _ = writeln!(state, "{} {mode:o} {content:?}", path.display());
        }
        if let Some(database) = &self.database {
            let rows = database.try_psql("SELECT * FROM _prisma_migrations ORDER BY 1");
            let _ = writeln!(state, "{}\n{}\n{rows:?}", database.snapshot(), database.checksums());
        }
        state
    }
}

/// Every file below a folder with its mode and content; the lock file, which stays by design, does not count.
fn files(folder: &Path) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let entry = entry.unwrap();
            let metadata = entry.metadata().unwrap();
            let content = if metadata.is_dir() {
                open.push(entry.path());
                Vec::new()
            } else {
                std::fs::read(entry.path()).unwrap_or_default()
            };
            if !entry.path().to_string_lossy().ends_with("-cutover.lock") {
                found.insert(entry.path(), (metadata.permissions().mode(), content));
            }
        }
    }
    found
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Gives a folder and all below it to whom the binary runs as.
fn own(folder: &Path) {
    if is_root() {
        chown(folder, Some(NOBODY), Some(NOBODY)).unwrap();
        for path in files(folder).into_keys() {
            chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
        }
    }
}

/// The binary, where everybody can run it.
fn binary() -> &'static Path {
    static COPY: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    let (_, path) = COPY.get_or_init(|| {
        let folder = TempDir::new().unwrap();
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let path = folder.path().join("cutover");
        std::fs::copy(env!("CARGO_BIN_EXE_cutover"), &path).unwrap();
        (folder, path)
    });
    path
}

/// What is wrong with how a case was refused.
fn faults(case: &Case) -> Vec<String> {
    let mut faults = Vec::new();
    for more in [&[][..], &["--json"]] {
        let scene = Scene::new(case);
        let before = scene.state();
        let output = scene.run(case, more);
        let (stdout, stderr) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        let mut fault = |what: &str| {
            faults
                .push(format!("{} {more:?}: {what}\n--- stdout\n{stdout}\n--- stderr\n{stderr}", case.name));
        };
        if output.status.code() != Some(1) {
            fault(&format!("exit {:?}", output.status));
        }
        if !case.code.is_empty() && !stderr.contains(case.code) {
            fault(&format!("no {}", case.code));
        }
        if !stderr.contains(&case.phrase) {
            fault(&format!("does not say {:?}", case.phrase));
        }
        if stderr.contains("C9001") || stderr.contains("panicked") {
            fault("an internal error");
        }
        if SECRETS.iter().any(|secret| stdout.contains(secret) || stderr.contains(secret)) {
            fault("shows the password");
        }
        if !more.is_empty() && stdout.lines().any(|line| !line.starts_with('{') || !line.ends_with('}')) {
            fault("a line of stdout is not JSON");
        }
        // A first good migration before a bad one is applied and kept; there the bad one alone must leave nothing.
        let after = scene.state();
        let failed_while_running = case.code == "P3018";
        if after != before && !failed_while_running {
            fault(&format!("something changed\nbefore:\n{before}\nafter:\n{after}"));
        }
        if failed_while_running && let Some(database) = &scene.database {
            let rows = database.psql("SELECT migration_name FROM _prisma_migrations");
            if rows != "1_a" || SECRETS.iter().any(|secret| rows.contains(secret)) {
                fault(&format!("the history has {rows:?}"));
            }
        }
    }
    faults
}

#[test]
fn bad_inputs_are_refused_by_name_and_change_nothing() {
    let cases: Vec<Case> = [targets(), projects(), scripts(), databases()].into_iter().flatten().collect();
    let faults: Vec<String> = cases.iter().flat_map(faults).collect();
    println!("{} bad inputs, each with and without --json, {} faults", cases.len(), faults.len());
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
    assert!(cases.len() >= 70, "{}", cases.len());
}
