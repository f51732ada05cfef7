//! `cargo xtask extended`: the checks that take too long for every change. Each stage fails hard.

use crate::{bench, dist, release, root};
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Instant;

type Stage = fn() -> Result<(), String>;

/// The arguments of `cargo xtask extended`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Run only the stages whose names begin with one of these words: all unless given
    only: Vec<String>,
}

/// Runs every stage in order.
pub(crate) fn run(arguments: &Arguments) -> crate::Result {
    let stages: [(&str, Stage); 11] = [
        ("oracle: our scanner against PostgreSQL's own parser", oracle),
        ("static binary: built, small, runs in an empty directory tree", static_binary),
        (
            "first process of a container: passes signals on, reaps, ends with the application's code",
            first_process,
        ),
        ("reports: read by the programs of others", reports),
        ("packaging: against the schemas and tools of others", packaging),
        ("release: archives, checksums, npm packages that are installed and run", released),
        ("platforms: the code holds on Windows", platforms),
        ("crash matrix, with its counts", crash_matrix),
        ("book: the guide is one", book),
        ("licences, bans and sources of dependencies", deny),
        ("numbers", numbers),
    ];
    let asked = |name: &str| {
        arguments.only.is_empty() || arguments.only.iter().any(|word| name.starts_with(word.as_str()))
    };
    if !stages.iter().any(|(name, _)| asked(name)) {
        return Err(format!("no stage is called so; there are: {}", stages.map(|(name, _)| name).join("; ")));
    }
    for (name, stage) in stages.into_iter().filter(|(name, _)| asked(name)) {
        println!("== {name}");
        let began = Instant::now();
        stage().map_err(|error| format!("{name}: {error}"))?;
        println!("== {name}: {:.0} s", began.elapsed().as_secs_f64());
    }
    Ok(ExitCode::SUCCESS)
}

fn cargo() -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root());
    cargo
}

fn succeed(command: &mut Command) -> Result<(), String> {
    let status = command.status().map_err(|error| format!("cannot run {command:?}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{command:?}: {status}")) }
}

fn oracle() -> Result<(), String> {
    succeed(Command::new(root().join("scripts/install-oracle.sh")).current_dir(root()))?;
    succeed(cargo().args(["test", "--locked", "--package", "oracle"]))
}

fn static_binary() -> Result<(), String> {
    let binary = release::build()?;
    let bytes = release::size(&binary)?;
    println!("static binary: {bytes} bytes");
    if bytes >= release::SIZE_LIMIT {
        return Err(format!("{bytes} bytes are not under {}", release::SIZE_LIMIT));
    }
    alone(&binary)
}

/// Runs the binary where nothing else is, as in an image `FROM scratch`: no libraries, no /etc, no /tmp. It deploys all three databases.
fn alone(binary: &Path) -> Result<(), String> {
    let empty = tempfile::tempdir().map_err(|error| error.to_string())?;
    let failed = |error: std::io::Error| error.to_string();
    std::fs::copy(binary, empty.path().join("cutover")).map_err(failed)?;
    let migration = empty.path().join("migrations/1_a");
    std::fs::create_dir_all(&migration).map_err(failed)?;
    std::fs::write(migration.join("migration.sql"), "CREATE TABLE a (id INTEGER);\n").map_err(failed)?;
    let postgres = testkit::postgres::server().create_database("alone");
    let mariadb = testkit::mariadb::server().create_database("alone");
    for url in ["file:/a.db", &postgres.url(), &mariadb.url()] {
        let arguments = ["/cutover", "migrate", "deploy", "--url", url, "--migrations", "/migrations"];
        // As root by chroot alone, else in a user namespace of our own, where the system allows one.
        let mut command = if is_root() {
            Command::new("chroot")
        } else {
            let mut unshare = Command::new("unshare");
            unshare.args(["--user", "--map-root-user", "chroot"]);
            unshare
        };
        command.arg(empty.path()).args(arguments).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        succeed(&mut command)?;
    }
    Ok(())
}

/// `cutover run` as process 1 of a PID namespace, with this application behind it.
struct First {
    project: tempfile::TempDir,
    unshare: std::process::Child,
}

impl First {
    fn start(migration: &str, flags: &[&str], application: &str) -> Result<Self, String> {
        let binary = release::build()?;
        let project = tempfile::tempdir().map_err(|error| error.to_string())?;
        let failed = |error: std::io::Error| error.to_string();
        let folder = project.path().join("migrations/1_a");
        std::fs::create_dir_all(&folder).map_err(failed)?;
        std::fs::write(folder.join("migration.sql"), migration).map_err(failed)?;
        let unshare = Self::command(&binary, project.path(), flags, application).spawn().map_err(failed)?;
        Ok(Self { project, unshare })
    }

    fn command(binary: &Path, project: &Path, flags: &[&str], application: &str) -> Command {
        let mut unshare = Command::new("unshare");
        if !is_root() {
            unshare.args(["--user", "--map-root-user"]);
        }
        unshare.args(["--pid", "--fork", "--mount-proc", "--kill-child"]).arg(binary);
        unshare.args(["run", "--url", "file:./a.db", "--migrations", "migrations"]).args(flags);
        unshare.args(["--", "/bin/sh", "-c", application]).env("CUTOVER_TABLES", "on").current_dir(project);
        unshare
    }

    fn wait_for(&self, file: &str) -> Result<(), String> {
        let began = Instant::now();
        while !self.project.path().join(file).exists() {
            if began.elapsed().as_secs() > 60 {
                return Err(format!("{file} was never there"));
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        Ok(())
    }

    fn terminate(&self) -> Result<(), String> {
        // The one child of `unshare` is process 1 of the namespace.
        let children = format!("/proc/{0}/task/{0}/children", self.unshare.id());
        let first = std::fs::read_to_string(children).map_err(|error| error.to_string())?;
        succeed(Command::new("kill").args(["-TERM", first.trim()]))
    }

    fn ends_with(&mut self, code: i32) -> Result<(), String> {
        match self.unshare.wait().map_err(|error| error.to_string())?.code() {
            Some(found) if found == code => Ok(()),
            other => Err(format!("the exit code is {code}, and {other:?} came")),
        }
    }

    fn history(&self) -> Result<String, String> {
        let arguments = ["history", "--url", "file:./a.db"];
        let output =
            Command::new(release::build()?).args(arguments).current_dir(self.project.path()).output();
        Ok(String::from_utf8_lossy(&output.map_err(|error| error.to_string())?.stdout).into_owned())
    }
}

const ENDLESS: &str = "CREATE TABLE a (id INTEGER);\nWITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n;\n";

/// A process that the application has left behind is reaped, a signal reaches the application, and its exit code is the container's. A
/// signal during a migration ends it within 5 s, recorded, and the application is not started; so does the deadline, with its own code, and
/// the next run goes on.
fn first_process() -> Result<(), String> {
    // A grandchild whose parent ends at once becomes a child of process 1, and a zombie where that reaps nothing.
    let application = "(sleep 0.2 & echo $! > orphan); trap 'exit 9' TERM; sleep 1; test -e /proc/$(cat orphan) && echo zombie > left; \
                       echo ready > ready; while :; do sleep 0.05; done";
    let mut first = First::start("CREATE TABLE a (id INTEGER);\n", &[], application)?;
    first.wait_for("ready")?;
    if first.project.path().join("left").exists() {
        return Err("what the application had left was not reaped".to_owned());
    }
    first.terminate()?;
    first.ends_with(9)?;

    let mut first = First::start(ENDLESS, &[], "touch started")?;
    first.wait_for("a.db-wal").or_else(|_| first.wait_for("a.db-journal"))?;
    let asked = Instant::now();
    first.terminate()?;
    first.ends_with(143)?;
    let took = asked.elapsed();
    if took.as_secs() >= 5 {
        return Err(format!("it ended {} ms after SIGTERM", took.as_millis()));
    }
    println!("SIGTERM during a migration: ended after {} ms", took.as_millis());
    stopped(&first)?;

    let mut first = First::start(ENDLESS, &["--deadline", "2s"], "touch started")?;
    first.ends_with(8)?;
    stopped(&first)?;
    std::fs::write(
        first.project.path().join("migrations/1_a/migration.sql"),
        "CREATE TABLE a (id INTEGER);\n",
    )
    .map_err(|error| error.to_string())?;
    succeed(&mut First::command(&release::build()?, first.project.path(), &[], "touch started"))?;
    if first.project.path().join("started").exists() {
        Ok(())
    } else {
        Err("the next run did not go on to the application".to_owned())
    }
}

/// What was stopped is recorded, and nothing was started behind it.
fn stopped(first: &First) -> Result<(), String> {
    let history = first.history()?;
    if !history.contains("deploy stopped") {
        return Err(format!("the history does not say that it was stopped:\n{history}"));
    }
    if first.project.path().join("started").exists() {
        return Err("the application was started".to_owned());
    }
    Ok(())
}

/// A script of the project, given the release binary.
fn script(name: &str) -> Result<(), String> {
    let binary = release::build()?;
    succeed(Command::new(root().join("scripts").join(name)).arg(binary))
}

fn reports() -> Result<(), String> {
    script("check-reports.sh")
}

fn packaging() -> Result<(), String> {
    script("check-packaging.sh")
}

fn released() -> Result<(), String> {
    dist::make()?;
    succeed(Command::new(root().join("scripts/check-npm.sh")).arg(dist::dist()))?;
    // The script that people run, against these very files.
    let place = tempfile::tempdir().map_err(|error| error.to_string())?;
    let mirror = place.path().join("mirror/download/v0");
    std::fs::create_dir_all(&mirror).map_err(|error| error.to_string())?;
    for entry in std::fs::read_dir(dist::dist()).map_err(|error| error.to_string())?.flatten() {
        if entry.path().is_file() {
            std::fs::copy(entry.path(), mirror.join(entry.file_name())).map_err(|error| error.to_string())?;
        }
    }
    let install = |directory: &str| {
        let mut install = Command::new(root().join("packaging/install.sh"));
        install.args(["--version", "0", "--directory"]).arg(place.path().join(directory));
        install.env("CUTOVER_MIRROR", format!("file://{}", place.path().join("mirror").display()));
        install
    };
    succeed(&mut install("bin"))?;
    succeed(Command::new(root().join("scripts/smoke.sh")).arg(place.path().join("bin/cutover")))?;
    let name = format!("cutover-{}.tar.gz", release::host());
    std::fs::write(mirror.join(name), "changed on the way").map_err(|error| error.to_string())?;
    match succeed(&mut install("other")) {
        Ok(()) => Err("an archive that was changed was installed".to_owned()),
        Err(_) if place.path().join("other").exists() => Err("something of it was installed".to_owned()),
        Err(_) => Ok(()),
    }
}

/// What is built for Windows is looked at here, with the compiler for its C code; macOS needs its own (CI has one).
fn platforms() -> Result<(), String> {
    let said = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    };
    if said("x86_64-w64-mingw32-gcc", &["--version"]).is_none() {
        return Err("the compiler for Windows is missing: `apt-get install gcc-mingw-w64-x86-64`".to_owned());
    }
    let target = release::WINDOWS;
    let installed = said("rustc", &["--print", "target-libdir", "--target", target]);
    if !installed.is_some_and(|folder| Path::new(folder.trim()).exists()) {
        return Err(format!("Rust's library for Windows is missing: `rustup target add {target}`"));
    }
    let packages = ["--package", "system", "--package", "cutover"];
    succeed(
        cargo()
            .args(["clippy", "--locked", "--target", target])
            .args(packages)
            .args(["--", "-D", "warnings"]),
    )
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output();
    output.is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}

fn crash_matrix() -> Result<(), String> {
    succeed(cargo().args([
        "test",
        "--locked",
        "--package",
        "cutover",
        "--test",
        "it",
        "crash",
        "--",
        "--nocapture",
    ]))
}

/// Its pages are made; where their links lead `tidy` looks.
fn book() -> Result<(), String> {
    let to = release::target_folder().join("book");
    let built = Command::new("mdbook")
        .current_dir(root())
        .args(["build", "docs/guide", "--dest-dir"])
        .arg(&to)
        .status();
    match built {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("mdbook: {status}")),
        Err(error) => Err(format!("mdbook: {error}\n(it is installed by `cargo install mdbook --locked`)")),
    }
}

fn deny() -> Result<(), String> {
    succeed(cargo().args(["deny", "check", "licenses", "bans", "sources"]))
        .map_err(|error| format!("{error}\n(cargo-deny is installed by `cargo install cargo-deny --locked`)"))
}

/// Last, when nothing else of this runs any more.
fn numbers() -> Result<(), String> {
    let code = bench::run(&bench::Arguments::default())?;
    if code == ExitCode::SUCCESS { Ok(()) } else { Err("a bound is missed".to_owned()) }
}
