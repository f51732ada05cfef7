//! What the settings of a MySQL or MariaDB server would refuse in the middle of a file, where what ran before it stays.
//! Told before anything runs.
//!
//! Refused is only what the server refuses for certain: where a setting can be overridden by what the file says, or by a
//! right that is not known, the server decides.

use super::PlannedMigration;
use db::session::Variables;
use diagnostics::{Diagnostic, Failure, Result, codes};
use sql::{Action, Kind, ObjectType, Statement, TableKeys};

/// Why a server refuses a statement, and the way out.
struct Demand {
    reason: &'static str,
    way_out: &'static str,
}

/// The settings that count.
pub(crate) struct Settings<'v> {
    /// The variables of the session.
    pub(crate) variables: &'v Variables,
    /// The role may create routines and triggers although binary logging is on.
    pub(crate) may_log: bool,
}

impl Settings<'_> {
    fn is_on(&self, name: &str) -> bool {
        self.variables.get(name).is_some_and(|value| value.eq_ignore_ascii_case("ON") || value == "1")
    }

    fn logs_routines(&self) -> bool {
        self.is_on("log_bin") && !self.is_on("log_bin_trust_function_creators")
    }

    /// The demand that a statement does not meet; `text` is its own in lower case.
    fn unmet(&self, statement: &Statement, text: &str) -> Option<Demand> {
        let ddl = matches!(statement.kind, Kind::Ddl(_));
        if ddl && self.is_on("wsrep_on") && self.variable_is("wsrep_osu_method", "RSU") {
            return Some(Demand {
                reason: "with `wsrep_OSU_method = RSU` this definition would reach one node of the cluster, its record in the \
                         history all of them",
                way_out: "SET GLOBAL wsrep_OSU_method = 'TOI'",
            });
        }
        let limit = self.variables.get("max_allowed_packet").and_then(|value| value.parse::<usize>().ok());
        // The text, and the byte that says what it is.
        if limit.is_some_and(|limit| text.len() + 1 > limit) {
            return Some(Demand {
                reason: "the statement is longer than this server takes at once (`max_allowed_packet`)",
                way_out: "cut the statement in several, or raise `max_allowed_packet` of the server",
            });
        }
        match &statement.actions[..] {
            [
                Action::CreateTable {
                    keys: TableKeys::None | TableKeys::Unique,
                    temporary: false,
                    if_not_exists: false,
                    ..
                },
            ] if self.is_on("sql_require_primary_key")
                && !self.is_on("sql_generate_invisible_primary_key") =>
            {
                Some(Demand {
                    reason: "this server takes no table without a primary key (`sql_require_primary_key`)",
                    way_out: "add a primary key to the statement, or set `sql_require_primary_key = OFF`",
                })
            }
            [Action::CreateTable { keys: TableKeys::None, temporary: false, if_not_exists: false, .. }]
                if self.is_on("innodb_force_primary_key")
                    && self.variable_is("default_storage_engine", "InnoDB")
                    && !text.contains("engine") =>
            {
                Some(Demand {
                    reason: "this server takes no InnoDB table without a primary or unique key (`innodb_force_primary_key`)",
                    way_out: "add a primary key to the statement, or `SET GLOBAL innodb_force_primary_key = OFF`",
                })
            }
            [Action::CreateObject { object: ObjectType::Function, says_what_it_reads: false, .. }]
                if self.logs_routines() =>
            {
                Some(Demand {
                    reason: "with binary logging on, this server takes no function that is not declared DETERMINISTIC, NO SQL or \
                             READS SQL DATA",
                    way_out: "declare what the function reads, or set the server parameter `log_bin_trust_function_creators = 1`",
                })
            }
            [Action::CreateObject { object: ObjectType::Function | ObjectType::Trigger, .. }]
                if self.logs_routines() && !self.may_log =>
            {
                Some(Demand {
                    reason: "with binary logging on, this server takes functions and triggers only of roles with SUPER",
                    way_out: "set the server parameter `log_bin_trust_function_creators = 1`",
                })
            }
            _ => None,
        }
    }

    fn variable_is(&self, name: &str, value: &str) -> bool {
        self.variables.get(name).is_some_and(|now| now.eq_ignore_ascii_case(value))
    }
}

/// The node of a Galera cluster, by the name and port that the server gives itself.
pub(crate) fn node(variables: &Variables) -> Option<String> {
    let value = |name: &str| variables.get(name).map(String::as_str);
    let on = value("wsrep_on").is_some_and(|value| value.eq_ignore_ascii_case("ON"));
    on.then(|| format!("{}:{}", value("hostname").unwrap_or("?"), value("port").unwrap_or("?")))
}

/// What is told of a cluster, where the deploy lock is one of the node.
pub(crate) fn cluster(node: &str) -> Diagnostic {
    Diagnostic::warning(format!(
        "the server is node {node} of a Galera cluster, where the deploy lock excludes only deployers on the same node"
    ))
    .note("of deployers on different nodes the rows of the history let only one get on with a migration")
    .help("give all deployers the address of the same node in the database URL, then `cutover migrate deploy`")
}

/// Whether the statements that are left hold a function or a trigger: only then `may_log` counts.
pub(crate) fn logs(planned: &[PlannedMigration]) -> bool {
    planned.iter().flat_map(left).any(|statement| {
        matches!(
            statement.actions[..],
            [Action::CreateObject { object: ObjectType::Function | ObjectType::Trigger, .. }]
        )
    })
}

/// C2021 for the first statement that the server would refuse.
pub(crate) fn check(planned: &[PlannedMigration], settings: &Settings<'_>) -> Result<()> {
    for migration in planned {
        for statement in left(migration) {
            let text = statement.span.slice(migration.source.text()).to_ascii_lowercase();
            if may_change_a_setting(statement, &text) {
                break;
            }
            if let Some(demand) = settings.unmet(statement, &text) {
                return Err(refusal(migration, statement, &demand));
            }
        }
    }
    Ok(())
}

/// Whether the settings are the file's own behind this statement.
fn may_change_a_setting(statement: &Statement, text: &str) -> bool {
    let counts =
        ["primary_key", "storage_engine", "log_bin", "osu_method"].iter().any(|name| text.contains(name));
    match statement.kind {
        Kind::Call | Kind::Do | Kind::Unknown => true,
        _ => counts && statement.kind.is_session_statement(),
    }
}

/// The statements that will run.
fn left(migration: &PlannedMigration) -> impl Iterator<Item = &Statement> {
    migration.statements().skip(migration.state.done())
}

fn refusal(migration: &PlannedMigration, statement: &Statement, demand: &Demand) -> Failure {
    Failure::new(
        Diagnostic::error(demand.reason)
            .code(&codes::C2021)
            .label(&migration.source, statement.span, "this statement")
            .meta("migration", migration.name.clone())
            .note("nothing was sent to the database")
            .help(format!("{}, then `cutover migrate deploy`", demand.way_out)),
    )
}
