// One table: every code with its page in docs/errors.md. Long because it is a table.
//! Every error code that cutover can give, with the text of its page in `docs/errors.md`.
//!
//! `P` codes are those of Prisma Migrate and mean the same here; `C` codes are cutover's own:
//! `C1xxx` the target and the settings, `C2xxx` migrations, `C9xxx` cutover itself.
//!
//! To add one: a static, in order of its id, and its name in [`ALL`].

/// What kind of failure it is: decides the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Anything without a class of its own.
    Other,
    /// A migration failed.
    MigrationFailed,
    /// Refused by policy, or by what the history or a file says.
    Refused,
    /// The database was not reached.
    Unreachable,
    /// A lock was not obtained, or something is still running.
    LockOrRunning,
    /// Migrations are pending.
    Pending,
    /// The database differs from its history.
    Drift,
    /// A deadline was reached; running again is safe.
    Deadline,
    /// A signal, whose number decides.
    Cancelled,
}

impl Class {
    /// The exit code with `--detailed-exitcode`, and of commands that the reference does not have.
    pub const fn detailed_exit_code(self) -> u8 {
        match self {
            Class::Other => 1,
            Class::MigrationFailed => 2,
            Class::Refused => 3,
            Class::Unreachable => 4,
            Class::LockOrRunning => 5,
            Class::Pending => 6,
            Class::Drift => 7,
            Class::Deadline => 8,
            Class::Cancelled => 130,
        }
    }
}

/// An error code.
#[derive(Debug)]
pub struct Code {
    /// `P3018`, `C2001` ...
    pub id: &'static str,
    /// The class of a failure with this code, unless the failure says otherwise.
    pub default_class: Class,
    /// A short name, the heading of its page.
    pub title: &'static str,
    /// What happened.
    pub what: &'static str,
    /// Why it happens, or why it is an error.
    pub why: &'static str,
    /// How to get out, ending in a command.
    pub way_out: &'static str,
}

impl PartialEq for Code {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for Code {}

/// The target is read-only or a standby.
pub static C1001: Code = Code {
    id: "C1001",
    default_class: Class::Unreachable,
    title: "The target is read-only or a standby",
    what: "The server answers, but it accepts no writes: a hot standby, or a database or session that is set read-only.",
    why: "Migrations write. A connection that was made during a failover may have landed on the old primary, so cutover connects again with fresh name resolution before it says this.",
    way_out: "Give the address of the primary in the URL (or several hosts with `target_session_attrs=read-write`), then `cutover migrate deploy`.",
};

/// The server is not supported.
pub static C1002: Code = Code {
    id: "C1002",
    default_class: Class::Other,
    title: "The server is not supported",
    what: "The server is older than the oldest supported version, or a product that speaks the protocol but keeps other promises: CockroachDB, YugabyteDB, Aurora DSQL, Redshift, TiDB, D1, libSQL; or the provider is another one (`sqlserver`, `mongodb`).",
    why: "The guarantees rest on behaviour (transactional definitions, locks of a session) that this server does not have.",
    way_out: "Deploy to PostgreSQL 12, MySQL 8.0, MariaDB 10.6 or newer, or to SQLite. `cutover version` shows what this build supports, `cutover doctor` what the server is.",
};

/// A pooler stands between cutover and the database.
pub static C1003: Code = Code {
    id: "C1003",
    default_class: Class::Other,
    title: "A pooler stands between cutover and the database",
    what: "The connection goes through a pooler or proxy that does not keep one server session per connection.",
    why: "Session locks would stay on the pooled server session after cutover has gone, and would not exclude another deployer.",
    way_out: "Give the direct address as `directUrl` in the datasource, or with `--url`, then `cutover migrate deploy`.",
};

/// A setting cannot be used.
pub static C1004: Code = Code {
    id: "C1004",
    default_class: Class::Other,
    title: "A setting cannot be used",
    what: "A flag, an environment variable or a file that holds settings is missing, unreadable or has a value that is not accepted.",
    why: "Guessing a setting of a production deploy is worse than stopping.",
    way_out: "Correct the setting that the message names; `cutover doctor` shows every setting and where it comes from.",
};

/// The database file cannot be used.
pub static C1005: Code = Code {
    id: "C1005",
    default_class: Class::Other,
    title: "The database file cannot be used",
    what: "The SQLite file or its directory cannot be read, written or locked, or is not a SQLite database.",
    why: "The migration and its history row must be written by one transaction into this file.",
    way_out: "Check path, owner and free space of the file that the message names, then `cutover migrate deploy`.",
};

/// The role lacks a privilege.
pub static C1006: Code = Code {
    id: "C1006",
    default_class: Class::Other,
    title: "The role lacks a privilege",
    what: "The server refused a statement of cutover itself because the role may not do it.",
    why: "Creating the history table, or a row in it, needs rights that the role of the URL does not have.",
    way_out: "Grant what the message names (for a new database usually `GRANT CREATE, USAGE ON SCHEMA public TO role` on PostgreSQL, `GRANT ALL ON shop.* TO role` on MySQL and MariaDB), then `cutover migrate deploy`.",
};

/// The project was not found.
pub static C1007: Code = Code {
    id: "C1007",
    default_class: Class::Other,
    title: "The project was not found",
    what: "There is no schema file, no migrations directory and no URL where cutover looked.",
    why: "deploy, status and resolve need a database URL and a migrations directory.",
    way_out: "Run in the project's directory, or `cutover migrate deploy --url URL --migrations DIR`.",
};

/// Health checks cannot be answered.
pub static C1008: Code = Code {
    id: "C1008",
    default_class: Class::Other,
    title: "Health checks cannot be answered",
    what: "The address of `--health` or `--serve` cannot be listened on.",
    why: "Another process may have the port, the address may be of another machine, or the port below 1024 needs a right.",
    way_out: "Name another port: `--health :9090`.",
};

/// The application cannot be started.
pub static C1009: Code = Code {
    id: "C1009",
    default_class: Class::Other,
    title: "The application cannot be started",
    what: "`cutover run` has applied the migrations, and the command behind `--` could not be started.",
    why: "The program may be missing in the image, or not be executable.",
    way_out: "Correct the command behind `--`; starting again applies nothing twice.",
};

/// A report cannot be written.
pub static C1010: Code = Code {
    id: "C1010",
    default_class: Class::Other,
    title: "A report cannot be written",
    what: "The file of a `--report` cannot be made where it was asked for.",
    why: "A directory on the way may be a file, read-only, or another user's. It is tried before anything runs, so that no run goes without the report that a pipeline waits for.",
    way_out: "Name another file, or leave `--report` out.",
};

/// A migration file is not UTF-8.
pub static C2001: Code = Code {
    id: "C2001",
    default_class: Class::Refused,
    title: "A migration file is not UTF-8",
    what: "A pending `migration.sql` has bytes that are no UTF-8 text.",
    why: "The reference replaces such bytes without a word, so that another text than the one in the file reaches the database.",
    way_out: "Save the file as UTF-8 (`iconv -f LATIN1 -t UTF-8`), then `cutover migrate deploy`.",
};

/// A quote or comment is not closed.
pub static C2002: Code = Code {
    id: "C2002",
    default_class: Class::Refused,
    title: "A quote or comment is not closed",
    what: "A quote, a dollar quote or a comment in a pending `migration.sql` has no end.",
    why: "Everything after it would be part of one literal. Nothing was sent.",
    way_out: "Close it at the place that the message shows, then `cutover migrate deploy`.",
};

/// A transaction is not closed.
pub static C2003: Code = Code {
    id: "C2003",
    default_class: Class::Refused,
    title: "A transaction is not closed",
    what: "A pending `migration.sql` has a BEGIN without COMMIT.",
    why: "The reference reports success for such a file and the server throws its work away when the connection ends.",
    way_out: "Add the COMMIT, or delete the BEGIN (cutover brings its own transaction), then `cutover migrate deploy`.",
};

/// A statement cannot be part of a migration.
pub static C2004: Code = Code {
    id: "C2004",
    default_class: Class::Refused,
    title: "A statement cannot be part of a migration",
    what: "A pending `migration.sql` holds a statement that would break the promise that a migration is applied and recorded, or not at all: a bare ROLLBACK, PREPARE TRANSACTION, COPY FROM STDIN, a read-only transaction, a savepoint outside a transaction.",
    why: "It would undo the history row, leave it behind, or wait for data that never comes. Nothing was sent.",
    way_out: "Delete or rewrite the statement that the message shows, then `cutover migrate deploy`.",
};

/// An interrupted migration cannot be continued by itself.
pub static C2005: Code = Code {
    id: "C2005",
    default_class: Class::Other,
    title: "An interrupted migration cannot be continued by itself",
    what: "A migration was interrupted, and nothing that the server shows proves whether the statement that was under way took effect; or a part that is applied made something of the session (a temporary table, a variable) that is gone with it and that the rest may need.",
    why: "Running a statement twice, or never, could both be wrong; cutover does not guess.",
    way_out: "Look at the statement that the message shows, and do what the message says for it: complete the file by hand and `cutover migrate resolve --applied NAME`, or undo what is applied and `cutover migrate resolve --rolled-back NAME`. `cutover recover NAME` compares the database with the file, and gives the command that fits.",
};

/// An interrupted migration was edited.
pub static C2006: Code = Code {
    id: "C2006",
    default_class: Class::Other,
    title: "An interrupted migration was edited",
    what: "The part of the file that has run already is not the part that the file has now.",
    why: "Continuing would record a text that never ran.",
    way_out: "Restore the file as it was when it was interrupted, then `cutover migrate deploy`; new changes belong in a new migration.",
};

/// A statement may still be running on the server.
pub static C2007: Code = Code {
    id: "C2007",
    default_class: Class::LockOrRunning,
    title: "A statement may still be running on the server",
    what: "The connection was lost and the session that ran the migration has not ended yet.",
    why: "As long as it lives, neither `applied` nor `failed` is known.",
    way_out: "Wait, or end the session that the message names (`SELECT pg_terminate_backend(PID)`, on MySQL `KILL ID`), then `cutover migrate deploy`.",
};

/// Another deployer is at work.
pub static C2008: Code = Code {
    id: "C2008",
    default_class: Class::LockOrRunning,
    title: "Another deployer is at work",
    what: "Another session holds the deploy lock that this run had taken, has begun the same migration, or has changed its row in the history.",
    why: "The connection was cut, an administrator released the lock, a script released all locks, or the lock does not reach the other deployer.",
    way_out: "`cutover migrate status`, then `cutover migrate deploy`.",
};

/// An interrupted migration has no directory.
pub static C2009: Code = Code {
    id: "C2009",
    default_class: Class::Refused,
    title: "An interrupted migration has no directory",
    what: "The history has an unfinished row of cutover whose migration directory does not exist here, and other migrations are pending.",
    why: "Nothing may run before an interrupted migration has been completed.",
    way_out: "Restore the directory and `cutover migrate deploy`, or `cutover migrate resolve --rolled-back NAME` after undoing it. With its directory `cutover recover NAME` finds out what of it is there.",
};

/// Another index of this name exists.
pub static C2010: Code = Code {
    id: "C2010",
    default_class: Class::Other,
    title: "Another index of this name exists",
    what: "The index that CREATE INDEX CONCURRENTLY is to make has a name that another index has: of another definition, or left INVALID by something else.",
    why: "It is not the index that the migration asks for; skipping it would leave the wrong index in place.",
    way_out: "Rename or drop the index that the message shows, then `cutover migrate deploy`.",
};

/// A table rebuild would lose rows or break foreign keys.
pub static C2011: Code = Code {
    id: "C2011",
    default_class: Class::MigrationFailed,
    title: "A table rebuild would lose rows or break foreign keys",
    what: "After a SQLite table rebuild, rows point to rows that do not exist, or a rebuilt table has fewer rows than before.",
    why: "The rebuild ran with foreign keys off, so that nothing else would have told. It was rolled back.",
    way_out: "Correct the migration, then `cutover migrate deploy`.",
};

/// The database file is locked.
pub static C2012: Code = Code {
    id: "C2012",
    default_class: Class::LockOrRunning,
    title: "The database file is locked",
    what: "Another process holds the SQLite file locked for longer than the wait.",
    why: "A writer, a backup or another deployer is at work.",
    way_out: "End the process that holds it (`fuser FILE`), or wait longer with `--wait-lock 30m`, then `cutover migrate deploy`.",
};

/// The deadline was reached.
pub static C2013: Code = Code {
    id: "C2013",
    default_class: Class::Deadline,
    title: "The deadline was reached",
    what: "`--deadline` ran out. What was under way was cancelled on the server and rolled back; on MySQL and MariaDB the message says what stays.",
    why: "A bound over all waits was asked for.",
    way_out: "Running the command again is safe: `cutover migrate deploy`.",
};

/// Cancelled.
pub static C2014: Code = Code {
    id: "C2014",
    default_class: Class::Cancelled,
    title: "Cancelled",
    what: "A signal asked cutover to stop. What was under way was cancelled on the server and rolled back; on MySQL and MariaDB the message says what stays.",
    why: "SIGINT or SIGTERM was received.",
    way_out: "Running the command again is safe: `cutover migrate deploy`.",
};

/// The migration disturbed its own transaction.
pub static C2015: Code = Code {
    id: "C2015",
    default_class: Class::MigrationFailed,
    title: "The migration disturbed its own transaction",
    what: "A migration ended the transaction that it runs in, or released the locks that protect it.",
    why: "Its statements and its history row can no longer be one unit; it was rolled back where that was possible.",
    way_out: "Delete what the message names from the migration, then `cutover migrate deploy`.",
};

/// The migration history needs attention (--strict).
pub static C2016: Code = Code {
    id: "C2016",
    default_class: Class::Refused,
    title: "The migration history needs attention (--strict)",
    what: "With `--strict`, edited, missing, out-of-order or re-run migrations stop the deploy before anything runs.",
    why: "`--strict` was given.",
    way_out: "Settle what the message lists, or run without `--strict`: `cutover migrate deploy`.",
};

/// No such migration.
pub static C2017: Code = Code {
    id: "C2017",
    default_class: Class::Other,
    title: "No such migration",
    what: "A name given with `--to` is neither a pending nor an applied migration.",
    why: "The name is mistyped, or the migration is not in this directory.",
    way_out: "`cutover migrate status` lists the pending ones.",
};

/// The history table cannot be used.
pub static C2018: Code = Code {
    id: "C2018",
    default_class: Class::Other,
    title: "The history table cannot be used",
    what: "`_prisma_migrations` lacks a column, has another type, holds a value that cannot be read, or does not keep the rows that are written.",
    why: "It was changed by hand (a trigger, a rule), or belongs to something else.",
    way_out: "Compare it with the table in the guide, correct it, then `cutover migrate status`.",
};

/// A lock was not obtained in time.
pub static C2019: Code = Code {
    id: "C2019",
    default_class: Class::LockOrRunning,
    title: "A lock was not obtained in time",
    what: "The database refused a lock within the time that statements may wait for one.",
    why: "Another session works on the same tables.",
    way_out: "End the session that the message names, or deploy at a quieter time: `cutover migrate deploy`.",
};

/// A migration that only cutover can complete is unfinished.
pub static C2020: Code = Code {
    id: "C2020",
    default_class: Class::Refused,
    title: "A migration that only cutover can complete is unfinished",
    what: "The history has a row that carries cutover's progress: the migration was interrupted, or is running now.",
    why: "Prisma does not read the progress and would take the migration for failed (P3009).",
    way_out: "Complete it with `cutover migrate deploy`, or settle it with `cutover migrate resolve`; then `cutover handback`.",
};

/// The server's settings refuse a statement.
pub static C2021: Code = Code {
    id: "C2021",
    default_class: Class::Refused,
    title: "The server's settings refuse a statement",
    what: "A pending migration holds a statement that this MySQL or MariaDB server refuses by one of its settings; nothing was run.",
    why: "Definitions cannot be rolled back there: found in the middle of a file, the refusal would leave what ran before it.",
    way_out: "Change the statement or the setting that the message names, then `cutover migrate deploy`.",
};

/// The locks of a migration were not obtained.
pub static C2022: Code = Code {
    id: "C2022",
    default_class: Class::LockOrRunning,
    title: "The locks of a migration were not obtained",
    what: "A statement needs a table for itself, and other sessions did not let go of it within `--lock-budget`; every attempt was rolled back.",
    why: "Whoever waits for such a lock keeps everybody waiting who comes later, so each attempt waits for two seconds at most and then lets the others go on.",
    way_out: "Wait for the sessions that the message names, or end them (`--on-blocked cancel-idle` ends those that are idle in a transaction), then `cutover migrate deploy`.",
};

/// A holder may be alive.
pub static C2023: Code = Code {
    id: "C2023",
    default_class: Class::Refused,
    title: "The holder of the deploy lock may be alive",
    what: "`lock release` found a holder of which nothing proves that it is gone.",
    why: "Ending it ends what it runs, in the middle.",
    way_out: "Wait for it, or confirm with the name of the database: `cutover lock release --yes-database NAME`.",
};

/// A plan does not hold any more.
pub static C2024: Code = Code {
    id: "C2024",
    default_class: Class::Refused,
    title: "The plan does not hold any more",
    what: "`deploy --plan` runs what stands in the plan, or nothing; something that the plan rests on is another now.",
    why: "What was approved was approved for these files, this history, this database and this server.",
    way_out: "Look at what the message names, make a new plan with `cutover plan --out FILE`, have it approved, then `cutover deploy --plan FILE`.",
};

/// No scratch database.
pub static C2025: Code = Code {
    id: "C2025",
    default_class: Class::Other,
    title: "A scratch database is needed, and there is none",
    what: "Migrations are replayed in a scratch database to see what they make; none can be made beside the target, the given one is not empty, or a migration would reach beyond it.",
    why: "What a migration makes is known for certain only where it has run.",
    way_out: "Give the URL of an empty database with `--scratch-url`, or the role the right to create databases.",
};

/// What happened to a migration is a question for a person.
pub static C2026: Code = Code {
    id: "C2026",
    default_class: Class::Refused,
    title: "What has become of a migration cannot be proven",
    what: "`cutover recover` has looked at the database, and more than one answer fits, or none does.",
    why: "Rows that a statement changes leave no trace in the catalogue, and a database that was changed by hand can look like nothing that the migration makes.",
    way_out: "Find out what the message asks, then run the command that it gives for the answer.",
};

/// A rollback has not come to its end.
pub static C2027: Code = Code {
    id: "C2027",
    default_class: Class::Refused,
    title: "A rollback has not come to its end",
    what: "A migration is partly undone: its way back needs more than one transaction, and was killed or failed in between.",
    why: "Neither the migration nor its absence is what the database has now, so nothing else is run.",
    way_out: "`cutover rollback --continue` undoes the rest.",
};

/// A migration was rolled back.
pub static C2028: Code = Code {
    id: "C2028",
    default_class: Class::Refused,
    title: "A migration was rolled back and is not run again by itself",
    what: "`cutover rollback` has undone a migration whose file is still pending, and the same as then.",
    why: "The image that brought it would bring it again with its next start, and undo the rollback.",
    way_out: "Deploy an image without it or with a corrected file; or run the same file again with `cutover deploy --reapply`.",
};

/// There is no way back.
pub static C2029: Code = Code {
    id: "C2029",
    default_class: Class::Refused,
    title: "There is no way back",
    what: "A migration that is to be rolled back has no `down.sql`, neither stored at its deploy nor in the directory, or one that says it cannot be undone.",
    why: "What undoes a migration is decided before it runs, or by a person.",
    way_out: "Write `down.sql` beside `migration.sql`, or draft it with `cutover rollback --draft NAME`, then `cutover rollback`.",
};

/// There is a history already.
pub static C2030: Code = Code {
    id: "C2030",
    default_class: Class::Refused,
    title: "The database has a migration history already",
    what: "`cutover baseline` marks migrations in a database that was made without any.",
    why: "What is recorded already is not guessed at.",
    way_out: "`cutover migrate status` shows what is recorded; `cutover migrate resolve --applied NAME` marks single migrations.",
};

/// What is dropped cannot be kept.
pub static C2031: Code = Code {
    id: "C2031",
    default_class: Class::Refused,
    title: "A migration drops what cannot be kept",
    what: "With `--keep-dropped` a migration would drop a table or a column in a way in which it cannot be renamed or copied aside.",
    why: "Keeping was asked for. What goes with something else (CASCADE, DROP SCHEMA, DROP OWNED) is named nowhere, and what a foreign key leads to would take that along. What is made of a column (a computed column, a default, a check with others, partitions) would go on with the copy, where the server refuses to drop it.",
    way_out: "Drop it in a statement of its own, what leads to it before; or deploy without `--keep-dropped`.",
};

/// Nothing is kept under a name, or it cannot be brought back.
pub static C2032: Code = Code {
    id: "C2032",
    default_class: Class::Refused,
    title: "What was kept cannot be restored or purged",
    what: "`cutover trash` was asked for something that is not kept, or the database refused to bring it back or to drop it.",
    why: "Something else may stand in its place by now, or rows that came since have no value for a column that needs one.",
    way_out: "`cutover trash list` shows what is kept, and under which names.",
};

/// A way back failed.
pub static C2033: Code = Code {
    id: "C2033",
    default_class: Class::MigrationFailed,
    title: "A way back failed",
    what: "A statement of the way back of a migration (its down.sql) was refused by the database, or would be: where that can be told, nothing is undone.",
    why: "Rows may have come since that stand in the way, rows that others lead to may be gone, or what it works on is another by now.",
    way_out: "Correct down.sql, or what stands in its way, then `cutover rollback`; `cutover rollback --continue` where a part of it is done.",
};

/// The migrations of this image are not applied.
pub static C2034: Code = Code {
    id: "C2034",
    default_class: Class::Pending,
    title: "The migrations of this image are not applied",
    what: "`cutover wait` looked until its time was over, and something was in the way each time: the last reason is told, and decides the exit code. Or `cutover run` or `cutover wait` found a directory without migrations.",
    why: "An application that starts before its migrations are applied fails later, in ways that are harder to read.",
    way_out: "`cutover status` shows what is missing; `cutover deploy` applies it; `--timeout` waits longer. An image without migrations needs them copied into it, or is started without cutover.",
};

/// A gate does not pass.
pub static C2035: Code = Code {
    id: "C2035",
    default_class: Class::Refused,
    title: "A gate does not pass",
    what: "Something that `[gates]` in cutover.toml asks for before a deploy does not hold, and nothing was changed.",
    why: "The message says which and why: the migrations are not applied in staging, it is no time for deploys, a transaction has been open for long, a replica lags behind, there is no backup.",
    way_out: "Do what the message says, then `cutover deploy`; `cutover preflight` asks all gates and changes nothing. `--skip-gate ID --reason TEXT` goes past one, and the history keeps the reason.",
};

/// A hook before the migrations failed.
pub static C2036: Code = Code {
    id: "C2036",
    default_class: Class::Refused,
    title: "A hook before the migrations failed",
    what: "A hook with `when = \"before\"` failed, and nothing was changed. Hooks with `failed` and `always` have run.",
    why: "The message quotes its last words, or the answer of the server that it asked.",
    way_out: "Correct the hook in cutover.toml, or what it looks at; then `cutover deploy`.",
};

/// A hook behind the migrations failed.
pub static C2037: Code = Code {
    id: "C2037",
    default_class: Class::Other,
    title: "A hook behind the migrations failed",
    what: "The migrations are applied and recorded; a hook with `when = \"after\"` or `\"always\"` failed, such as a smoke test.",
    why: "The message quotes its last words, or the answer of the server that it asked.",
    way_out: "Find out whether the application works: deploying again runs the hooks behind it again until they hold (where runs are recorded). `cutover rollback` undoes the last deploy.",
};

/// An environment is bound to something else.
pub static C2038: Code = Code {
    id: "C2038",
    default_class: Class::Refused,
    title: "The environment may not be reached from here",
    what: "`only_when` of the environment in cutover.toml names variables with values that they do not have here; nothing was connected to.",
    why: "It keeps a build of a branch, a preview or a laptop away from production, whatever URL it was given.",
    way_out: "Run it where the variables have these values, or choose another environment with `--env`.",
};

/// Internal error.
pub static C9001: Code = Code {
    id: "C9001",
    default_class: Class::Other,
    title: "Internal error",
    what: "cutover found itself in a state that it was not made for.",
    why: "This is a mistake of cutover.",
    way_out: "Report it with the output of the command; then `cutover migrate status` shows where the database stands.",
};

/// Authentication failed.
pub static P1000: Code = Code {
    id: "P1000",
    default_class: Class::Unreachable,
    title: "Authentication failed",
    what: "The server did not accept user and password.",
    why: "The password has changed, a token has expired, or special characters of the password are not percent-encoded.",
    way_out: "Correct user and password in the URL; `cutover doctor` shows which URL is used and tries it.",
};

/// The server cannot be reached.
pub static P1001: Code = Code {
    id: "P1001",
    default_class: Class::Unreachable,
    title: "The server cannot be reached",
    what: "No connection to host and port could be made.",
    why: "The server is down, the address is wrong, or a firewall is in between.",
    way_out: "Check the address; `--wait-db 60s` waits for a server that is starting.",
};

/// Timed out.
pub static P1002: Code = Code {
    id: "P1002",
    default_class: Class::LockOrRunning,
    title: "Timed out",
    what: "The server was reached, but did not answer in time, or the deploy lock was not obtained.",
    why: "The network drops packets, the server is overloaded, or another deploy runs.",
    way_out: "For the lock: the message names the holder; wait for it or end it, then `cutover migrate deploy`.",
};

/// The database does not exist.
pub static P1003: Code = Code {
    id: "P1003",
    default_class: Class::Unreachable,
    title: "The database does not exist",
    what: "The server has no database of this name.",
    why: "The name is mistyped, or nothing was deployed there yet.",
    way_out: "`cutover migrate deploy` creates it; `status` and `resolve` never do.",
};

/// Socket timeout.
pub static P1008: Code = Code {
    id: "P1008",
    default_class: Class::Unreachable,
    title: "Socket timeout",
    what: "The database did not answer within `socket_timeout`.",
    why: "The statement took longer than `socket_timeout`, or the network lost its answer.",
    way_out: "Raise or remove `socket_timeout` in the URL; `cutover migrate status` shows where the database stands.",
};

/// Access denied.
pub static P1010: Code = Code {
    id: "P1010",
    default_class: Class::Unreachable,
    title: "Access denied",
    what: "The role may not connect to the database.",
    why: "It lacks CONNECT, or `pg_hba.conf` has no line that lets it in from this address, or without TLS.",
    way_out: "Grant CONNECT, or correct the role in the URL; `cutover doctor` tries it.",
};

/// TLS failed.
pub static P1011: Code = Code {
    id: "P1011",
    default_class: Class::Unreachable,
    title: "TLS failed",
    what: "A TLS connection could not be opened.",
    why: "The server has no TLS, its certificate does not pass the check that `sslmode` or `sslaccept` asks for, it does not take the client's, or a certificate file that the URL names cannot be used.",
    way_out: "The message names the certificate and the reason; correct `sslmode`, `sslcert`, `sslidentity` or the certificate.",
};

/// The schema is not valid.
pub static P1012: Code = Code {
    id: "P1012",
    default_class: Class::Other,
    title: "The schema is not valid",
    what: "`schema.prisma` has an error, or the URL in it cannot be used.",
    why: "A setting is missing there, has a value that is not accepted, or names a variable that is not set.",
    way_out: "Correct the place that the message shows; `cutover doctor` shows whether it is right then.",
};

/// The database URL is not valid.
pub static P1013: Code = Code {
    id: "P1013",
    default_class: Class::Other,
    title: "The database URL is not valid",
    what: "The URL cannot be read, or a parameter has a value that is not accepted.",
    why: "Special characters in passwords must be percent-encoded.",
    way_out: "Correct the URL; `cutover doctor` shows where it comes from.",
};

/// A table does not exist.
pub static P1014: Code = Code {
    id: "P1014",
    default_class: Class::Other,
    title: "A table does not exist",
    what: "The table that the message names does not exist.",
    why: "The script, or somebody, has dropped it; or the URL names another database or schema than it did before.",
    way_out: "Restore the table, or correct the migration; then `cutover migrate status`.",
};

/// The server closed the connection.
pub static P1017: Code = Code {
    id: "P1017",
    default_class: Class::Unreachable,
    title: "The server closed the connection",
    what: "The connection was lost while the server was at work.",
    why: "The server stopped or restarted, or the network cut the connection.",
    way_out: "`cutover migrate deploy` finds out what was applied and goes on.",
};

/// The database could not be created.
pub static P3000: Code = Code {
    id: "P3000",
    default_class: Class::Unreachable,
    title: "The database could not be created",
    what: "CREATE DATABASE failed.",
    why: "The role may not create databases, or the name is not one that the server takes.",
    way_out: "Create the database by hand or grant CREATEDB, then `cutover migrate deploy`.",
};

/// A system database.
pub static P3004: Code = Code {
    id: "P3004",
    default_class: Class::Refused,
    title: "A system database",
    what: "The URL names a database of the MySQL server itself, or none at all.",
    why: "Migrations would change the server itself.",
    way_out: "Name another database in the URL (`mysql://user@host:3306/NAME`), then `cutover migrate status`.",
};

/// The database is not empty.
pub static P3005: Code = Code {
    id: "P3005",
    default_class: Class::Refused,
    title: "The database is not empty",
    what: "The database has tables but no migration history.",
    why: "The first deploy onto an existing database would collide with what is there.",
    way_out: "`cutover baseline` finds out what the database already has, and marks it; or mark single migrations: `cutover migrate resolve --applied NAME`.",
};

/// Already applied.
pub static P3008: Code = Code {
    id: "P3008",
    default_class: Class::Other,
    title: "Already applied",
    what: "The migration is recorded as applied.",
    why: "`resolve --applied` records what is not recorded yet; it was given the name of a migration that is.",
    way_out: "Nothing needs to be done; `cutover migrate status` shows the history.",
};

/// There are failed migrations.
pub static P3009: Code = Code {
    id: "P3009",
    default_class: Class::Refused,
    title: "There are failed migrations",
    what: "The history has a migration that started and never finished.",
    why: "Prisma Migrate recorded a failure, or was killed.",
    way_out: "`cutover recover NAME` finds out what took effect, and gives the command that fits; or find out yourself, then `cutover migrate resolve --applied NAME` or `--rolled-back NAME`.",
};

/// Never applied.
pub static P3011: Code = Code {
    id: "P3011",
    default_class: Class::Other,
    title: "Never applied",
    what: "The migration cannot be rolled back because the history has no row of that name.",
    why: "Nothing of that name ever began, so there is nothing to take back.",
    way_out: "Check the name: `cutover migrate status`.",
};

/// Not failed.
pub static P3012: Code = Code {
    id: "P3012",
    default_class: Class::Other,
    title: "Not failed",
    what: "The migration cannot be marked as rolled back because it is not in a failed state.",
    why: "`resolve --rolled-back` settles a failure; the migration is applied, or settled already.",
    way_out: "`cutover migrate status` shows the history.",
};

/// The migration file is missing.
pub static P3015: Code = Code {
    id: "P3015",
    default_class: Class::Refused,
    title: "The migration file is missing",
    what: "A migration directory has no `migration.sql`.",
    why: "It was deleted, never committed, or lies in another directory; whether it would be needed nobody can tell.",
    way_out: "Delete the directory or restore the file, then `cutover migrate status`.",
};

/// The migration was not found.
pub static P3017: Code = Code {
    id: "P3017",
    default_class: Class::Other,
    title: "The migration was not found",
    what: "There is no directory of that name.",
    why: "The name is mistyped, or the migration is not in this directory.",
    way_out: "`cutover migrate status` lists the names.",
};

/// A migration failed.
pub static P3018: Code = Code {
    id: "P3018",
    default_class: Class::MigrationFailed,
    title: "A migration failed",
    what: "A statement of a migration failed on the database.",
    why: "The database refused it for the reason that the message quotes.",
    way_out: "On PostgreSQL and SQLite nothing of a transactional migration stays: correct the file and `cutover migrate deploy`. On MySQL and MariaDB the message says what stays: correct the file and deploy, or `cutover migrate resolve --rolled-back NAME` after undoing it. With its directory `cutover recover NAME` finds out what of it is there.",
};

/// The provider does not match.
pub static P3019: Code = Code {
    id: "P3019",
    default_class: Class::Refused,
    title: "The provider does not match",
    what: "`migration_lock.toml` names another provider than the schema or the URL.",
    why: "The migrations were written for another database; their SQL would fail half-way, or mean something else.",
    way_out: "Use the URL of the right database, or correct `migration_lock.toml`; then `cutover migrate deploy`.",
};

/// Definitions are disabled.
pub static P3022: Code = Code {
    id: "P3022",
    default_class: Class::Refused,
    title: "Definitions are disabled",
    what: "The server takes no CREATE, ALTER or DROP directly (PlanetScale with safe migrations).",
    why: "The platform lets schema changes in by deploy requests only.",
    way_out: "Deploy to a development branch and open a deploy request: `pscale deploy-request create DATABASE BRANCH`.",
};

/// All codes, in the order of their ids.
pub static ALL: &[&Code] = &[
    &C1001, &C1002, &C1003, &C1004, &C1005, &C1006, &C1007, &C1008, &C1009, &C1010, &C2001, &C2002, &C2003,
    &C2004, &C2005, &C2006, &C2007, &C2008, &C2009, &C2010, &C2011, &C2012, &C2013, &C2014, &C2015, &C2016,
    &C2017, &C2018, &C2019, &C2020, &C2021, &C2022, &C2023, &C2024, &C2025, &C2026, &C2027, &C2028, &C2029,
    &C2030, &C2031, &C2032, &C2033, &C2034, &C2035, &C2036, &C2037, &C2038, &C9001, &P1000, &P1001, &P1002,
    &P1003, &P1008, &P1010, &P1011, &P1012, &P1013, &P1014, &P1017, &P3000, &P3004, &P3005, &P3008, &P3009,
    &P3011, &P3012, &P3015, &P3017, &P3018, &P3019, &P3022,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_sorted_unique_and_explained() {
        for pair in ALL.windows(2) {
            assert!(pair[0].id < pair[1].id, "{} before {}", pair[0].id, pair[1].id);
        }
        for code in ALL {
            assert!(!code.title.is_empty() && code.what.ends_with('.'), "{}", code.id);
            assert!(code.why.ends_with('.') && !code.way_out.is_empty(), "{}", code.id);
        }
    }
}
