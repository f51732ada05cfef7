//! The table of what `cutover.toml` may hold, at the top and in each environment.

/// What a value must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A path, relative to the file.
    Path,
    /// A URL or where it is to be had.
    Url,
    /// `"10m"`.
    Time,
    /// `true` or `false`.
    Boolean,
    /// A number from 1 on.
    Count,
    /// One of these words.
    Word(&'static str),
}

impl Kind {
    /// For the sentence "it is not ...".
    pub(super) fn expected(self) -> &'static str {
        match self {
            Kind::Path => "a path",
            Kind::Url => {
                "a URL, or one of `{ env = \"NAME\" }`, `{ file = \"PATH\" }`, `{ command = [\"PROGRAM\", \"ARGUMENT\"] }`"
            }
            Kind::Time => "a time such as \"60s\", \"10m\" or \"1h 30m\"",
            Kind::Boolean => "true or false",
            Kind::Count => "a number from 1 on",
            Kind::Word(expected) => expected,
        }
    }
}

/// A setting.
#[derive(Debug)]
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// One sentence.
    pub(super) meaning: &'static str,
    /// The value as the file would write it.
    pub(super) example: &'static str,
    /// The flag and the variable that are stronger.
    pub(super) stronger: &'static str,
}

/// The settings, in the order of the reference page.
pub(super) const KEYS: &[Key] = &[
    Key {
        name: "schema",
        kind: Kind::Path,
        meaning: "The Prisma schema: a file, or a directory of files.",
        example: "\"prisma/schema.prisma\"",
        stronger: "`--schema`, `CUTOVER_SCHEMA`",
    },
    Key {
        name: "migrations",
        kind: Kind::Path,
        meaning: "The migrations directory.",
        example: "\"prisma/migrations\"",
        stronger: "`--migrations`, `CUTOVER_MIGRATIONS`",
    },
    Key {
        name: "url",
        kind: Kind::Url,
        meaning: "The database URL. A file is read and a command is run again for every connection, so that a token may expire.",
        example: "{ env = \"DATABASE_URL\" }",
        stronger: "`--url`, `CUTOVER_URL`",
    },
    Key {
        name: "wait_db",
        kind: Kind::Time,
        meaning: "How long to wait for a database that cannot be reached yet.",
        example: "\"60s\"",
        stronger: "`--wait-db`, `CUTOVER_WAIT_DB`",
    },
    Key {
        name: "wait_lock",
        kind: Kind::Time,
        meaning: "How long to wait for the deploy lock, counted from the last progress of its holder.",
        example: "\"10m\"",
        stronger: "`--wait-lock`, `CUTOVER_WAIT_LOCK`",
    },
    Key {
        name: "deadline",
        kind: Kind::Time,
        meaning: "After this time what runs is cancelled and rolled back.",
        example: "\"30m\"",
        stronger: "`--deadline`, `CUTOVER_DEADLINE`",
    },
    Key {
        name: "lock_budget",
        kind: Kind::Time,
        meaning: "How long a migration may take to get its locks, all attempts and pauses together.",
        example: "\"10m\"",
        stronger: "`--lock-budget`, `CUTOVER_LOCK_BUDGET`",
    },
    Key {
        name: "keep_dropped",
        kind: Kind::Time,
        meaning: "For how long a deploy keeps the tables and columns that migrations drop; 0 drops them.",
        example: "\"30d\"",
        stronger: "`--keep-dropped`, `CUTOVER_KEEP_DROPPED`",
    },
    Key {
        name: "on_blocked",
        kind: Kind::Word("one of \"wait\", \"fail\", \"cancel-idle\", \"terminate\""),
        meaning: "What is done about sessions that are in the way.",
        example: "\"wait\"",
        stronger: "`--on-blocked`, `CUTOVER_ON_BLOCKED`",
    },
    Key {
        name: "on_orphan",
        kind: Kind::Word("one of \"wait\", \"kill\""),
        meaning: "What is done about the session of a deployer that is gone and still holds the deploy lock.",
        example: "\"wait\"",
        stronger: "`--on-orphan`, `CUTOVER_ON_ORPHAN`",
    },
    Key {
        name: "tables",
        kind: Kind::Word("one of \"auto\", \"on\", \"off\""),
        meaning: "Whether runs, scripts and ways back are kept in tables of cutover: `auto` uses them where they are, and makes them once something needs them (a `down.sql` that is deployed).",
        example: "\"auto\"",
        stronger: "`CUTOVER_TABLES`",
    },
    Key {
        name: "idle_age",
        kind: Kind::Time,
        meaning: "How long a session must be idle in its transaction to be ended by `cancel-idle`.",
        example: "\"60s\"",
        stronger: "`--idle-age`, `CUTOVER_IDLE_AGE`",
    },
    Key {
        name: "max_queued",
        kind: Kind::Count,
        meaning: "Give way when so many sessions wait behind ours.",
        example: "5",
        stronger: "`--max-queued`, `CUTOVER_MAX_QUEUED`",
    },
    Key {
        name: "max_queue_wait",
        kind: Kind::Time,
        meaning: "Give way when a session has waited behind ours for so long.",
        example: "\"500ms\"",
        stronger: "`--max-queue-wait`, `CUTOVER_MAX_QUEUE_WAIT`",
    },
    Key {
        name: "concurrent_budget",
        kind: Kind::Time,
        meaning: "How long a statement that locks nobody out may take, such as CREATE INDEX CONCURRENTLY.",
        example: "\"60m\"",
        stronger: "`--concurrent-budget`, `CUTOVER_CONCURRENT_BUDGET`",
    },
    Key {
        name: "metadata_lock_wait",
        kind: Kind::Time,
        meaning: "MySQL and MariaDB: how long a change that builds or copies may wait for the metadata lock at its end.",
        example: "\"60s\"",
        stronger: "`--metadata-lock-wait`, `CUTOVER_METADATA_LOCK_WAIT`",
    },
    Key {
        name: "strict",
        kind: Kind::Boolean,
        meaning: "Stop before anything runs if migrations were edited, are missing, out of order or run again.",
        example: "true",
        stronger: "`--strict`",
    },
    Key {
        name: "query_text",
        kind: Kind::Boolean,
        meaning: "Whether to show what the sessions run that are waited for.",
        example: "false",
        stronger: "`--no-query-text`",
    },
];
