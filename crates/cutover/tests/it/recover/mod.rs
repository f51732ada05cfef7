//! `cutover recover`: failures that were made for real. The command is taken out of what it says and run as it stands there;
//! then structure and rows are those of another database in which the same project was deployed undisturbed.
//!
//! Where the database cannot answer, nothing may be done: [`ambiguous`].

mod ambiguous;
mod mariadb;
mod postgres;
mod resolving;
mod scratch;
mod sqlite;
mod undo;

use crate::support::{Project, text};
use std::process::{Command, Output};
use testkit::wait_until;

/// The migration that fails.
const NAME: &str = "2_m";

/// A database of any product.
trait Place {
    fn url(&self) -> String;

    /// Runs statements; the rows as lines.
    fn sql(&self, sql: &str) -> String;

    /// Structure and rows.
    fn state(&self) -> String;

    /// The server's clock in an INSERT into the history.
    const NOW: &'static str;
}

impl Place for testkit::postgres::Database<'_> {
    fn url(&self) -> String {
        testkit::postgres::Database::url(self)
    }

    fn sql(&self, sql: &str) -> String {
        self.psql(sql)
    }

    fn state(&self) -> String {
        // Tables of cutover's own hold what is not the same in two runs.
        let rows = self.checksums();
        let rows: Vec<&str> = rows.lines().filter(|line| !line.starts_with("cutover.")).collect();
        format!("{}\n{}", self.snapshot(), rows.join("\n"))
    }

    const NOW: &'static str = "now()";
}

impl Place for testkit::mariadb::Database<'_> {
    fn url(&self) -> String {
        testkit::mariadb::Database::url(self)
    }

    fn sql(&self, sql: &str) -> String {
        testkit::mariadb::Database::sql(self, sql)
    }

    fn state(&self) -> String {
        format!("{}\n{}", self.snapshot(), self.checksums())
    }

    const NOW: &'static str = "UTC_TIMESTAMP(3)";
}

impl Place for testkit::sqlite::Database {
    fn url(&self) -> String {
        testkit::sqlite::Database::url(self)
    }

    fn sql(&self, sql: &str) -> String {
        self.query(sql)
    }

    fn state(&self) -> String {
        format!("{}\n{}", self.snapshot(), self.checksums())
    }

    const NOW: &'static str = "CAST(strftime('%s', 'now') AS INTEGER) * 1000";
}

/// A project of which the second migration is in trouble, and the same project undisturbed.
struct Scene<P> {
    database: P,
    undisturbed: P,
    project: Project,
}

/// What `cutover recover` answers.
struct Answer {
    code: Option<i32>,
    said: String,
    commands: Vec<String>,
}

impl<P: Place> Scene<P> {
    /// Both databases have the base; the second migration is pending in both.
    fn of([database, undisturbed]: [P; 2], base: &str, file: &str) -> Self {
        let project = Project::new(&[("1_base", base)]);
        project.deploy(&database.url());
        project.deploy(&undisturbed.url());
        project.write(NAME, file);
        Self { database, undisturbed, project }
    }

    /// Deploys where nothing is in trouble.
    fn deploy_undisturbed(&self) {
        self.project.deploy(&self.undisturbed.url());
    }

    /// What Prisma Migrate leaves when it fails or is killed: a row without an end, and the statements that it had come to.
    fn left_by_prisma(&self, logs: Option<&str>, statements: &[&str]) {
        self.deploy_undisturbed();
        let checksum = self
            .undisturbed
            .sql(&format!("SELECT checksum FROM _prisma_migrations WHERE migration_name = '{NAME}'"));
        self.row(&checksum, logs);
        statements.iter().for_each(|statement| drop(self.database.sql(statement)));
    }

    /// A row of Prisma's of a file with this checksum.
    fn row(&self, checksum: &str, logs: Option<&str>) {
        let logs = logs.map_or_else(|| "NULL".to_owned(), |logs| format!("'{logs}'"));
        self.database.sql(&format!(
            "INSERT INTO _prisma_migrations (id, checksum, migration_name, started_at, logs, applied_steps_count) VALUES \
             ('prismas', '{checksum}', '{NAME}', {}, {logs}, 0)",
            P::NOW
        ));
    }

    /// `migrate resolve`, true or not.
    fn resolve(&self, flag: &str) -> Output {
        let output = self.project.run(&self.database.url(), &["migrate", "resolve", flag, NAME]);
        assert!(output.status.success(), "{}", text(&output));
        output
    }

    /// A deploy that must fail with this code.
    fn fails(&self, code: &str) -> String {
        let output = self.project.run(&self.database.url(), &["migrate", "deploy"]);
        let said = text(&output);
        assert!(!output.status.success() && said.contains(code), "{code}\n{said}");
        said
    }

    /// `cutover recover` with these arguments, which come from the project's settings but for the name.
    fn look(&self, arguments: &[&str]) -> Answer {
        let mut command = self.project.plain_command(&["recover"]);
        self.settings(&mut command);
        let output = command.args(arguments).output().unwrap();
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        let commands = stdout.lines().filter_map(|line| line.strip_prefix("  cutover "));
        Answer {
            code: output.status.code(),
            commands: commands.map(str::to_owned).collect(),
            said: text(&output),
        }
    }

    fn settings(&self, command: &mut Command) {
        command.envs([
            ("CUTOVER_URL", self.database.url()),
            ("CUTOVER_MIGRATIONS", "prisma/migrations".to_owned()),
        ]);
    }

    /// Runs a command as it was printed.
    fn run_as_printed(&self, printed: &str) -> Output {
        let line = format!("'{}' {printed}", env!("CARGO_BIN_EXE_cutover"));
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", &line]).env_clear().current_dir(self.project.path());
        self.settings(&mut shell);
        shell.output().unwrap()
    }

    /// Looks, runs the one command that is given, which must have this flag, and compares.
    fn recovers_by(&self, flag: &str) {
        self.recovers_named_by(&[], flag);
    }

    /// The same where nothing is unfinished, so that the migration has to be named.
    fn recovers_named_by(&self, arguments: &[&str], flag: &str) {
        let answer = self.look(arguments);
        assert_eq!(answer.code, Some(2), "{}", answer.said);
        let [command] = &answer.commands[..] else { panic!("not one command\n{}", answer.said) };
        assert!(command.ends_with(flag), "{flag}\n{}", answer.said);
        self.becomes_whole_by(command, &answer.said);
    }

    /// Runs a command as it was printed, and compares structure, rows and history.
    fn becomes_whole_by(&self, printed: &str, said: &str) {
        let output = self.run_as_printed(printed);
        assert!(output.status.success(), "{printed}\n{}\n{said}", text(&output));
        self.deploy_undisturbed();
        assert_eq!(self.database.state(), self.undisturbed.state(), "{printed}\n{}\n{said}", text(&output));
        let unfinished =
            "SELECT count(*) FROM _prisma_migrations WHERE finished_at IS NULL AND rolled_back_at IS NULL";
        assert_eq!(self.database.sql(unfinished), "0", "{said}");
        let applied = format!(
            "SELECT count(*) FROM _prisma_migrations WHERE migration_name = '{NAME}' AND finished_at IS NOT NULL AND \
             rolled_back_at IS NULL"
        );
        assert_eq!(self.database.sql(&applied), "1", "{said}");
        // Nothing is left to do.
        let output = self.project.run(&self.database.url(), &["migrate", "deploy"]);
        assert!(output.status.success(), "{}", text(&output));
        assert!(
            String::from_utf8_lossy(&output.stdout).contains("No pending migrations"),
            "{}",
            text(&output)
        );
    }

    /// The history and all else.
    fn everything(&self) -> String {
        let rows = self.database.sql(
            "SELECT id, checksum, migration_name, logs, applied_steps_count, finished_at IS NULL, rolled_back_at IS NULL FROM \
             _prisma_migrations ORDER BY id",
        );
        format!("{}\n{rows}", self.database.state())
    }

    /// Looks and gets a question; asks again without `--force`, which changes nothing; then gives the answer that has this
    /// flag, which is the right one.
    fn asks_and_takes(&self, arguments: &[&str], right: &str) {
        let before = self.everything();
        let answer = self.look(arguments);
        assert_eq!(answer.code, Some(3), "{}", answer.said);
        assert!(answer.commands.len() >= 2, "{}", answer.said);
        for command in &answer.commands {
            let (unforced, _) = command.split_once(" --force").unwrap();
            let output = self.run_as_printed(unforced);
            assert_eq!(output.status.code(), Some(3), "{unforced}\n{}", text(&output));
            assert!(text(&output).contains("C2026"), "{unforced}\n{}", text(&output));
        }
        assert_eq!(self.everything(), before, "nothing may change\n{}", answer.said);
        let flag = format!("{right} --force {NAME}");
        let command = answer.commands.iter().find(|command| command.ends_with(&flag));
        let Some(command) = command else { panic!("{right} is not offered\n{}", answer.said) };
        self.becomes_whole_by(command, &answer.said);
    }
}

/// Waits until the unfinished row says that so many statements are done.
fn wait_for_statement<P: Place>(scene: &Scene<P>, done: usize) {
    wait_until("the row says how far it is", || {
        let logs = scene.database.sql(&format!(
            "SELECT logs FROM _prisma_migrations WHERE migration_name = '{NAME}' AND finished_at IS NULL"
        ));
        logs.contains(&format!("\"statement\":{done},"))
    });
}
