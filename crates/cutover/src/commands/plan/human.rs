//! A plan for a terminal.

use super::{grouped, seconds, size};
use ops::plan::estimate::Basis;
use ops::plan::forecast::{BracketForecast, Forecast, StatementForecast, TableForecast};
use ops::plan::{Bracket, Plan};
use sql::{Breakage, Fact, Reversible};

/// What is to be known of a bracket that is not tried again.
pub(super) const ONE_ATTEMPT: &str = "one attempt for its locks: a rollback may not undo all of it";

/// The lines.
pub(super) fn lines(plan: &Plan) -> Vec<String> {
    if plan.migrations.is_empty() {
        return vec!["No pending migrations to apply.".to_owned()];
    }
    let mut lines = vec![format!("Would apply to {}, in this order:", place(plan))];
    for forecast in &plan.migrations {
        lines.push(String::new());
        lines.push(format!("{} ({})", forecast.name, shape(forecast)));
        for bracket in &forecast.brackets {
            let alone = forecast.brackets.len() > 1;
            if alone {
                lines.push(format!("  {}:", sent(bracket)));
            }
            if !bracket.repeatable {
                lines.push(format!("  {ONE_ATTEMPT}"));
            }
            bracket.statements.iter().for_each(|statement| of_statement(statement, &mut lines));
        }
    }
    lines.push(String::new());
    lines.push(total(plan));
    lines
}

/// Which database.
pub(super) fn place(plan: &Plan) -> String {
    let target = &plan.target;
    let schema = target.schema.as_deref().map(|schema| format!(", schema {schema}")).unwrap_or_default();
    let role = match plan.base.role.as_str() {
        "" => String::new(),
        role => format!(" as {role}"),
    };
    let standby = if target.standby { " (a standby: deploys run on its primary)" } else { "" };
    format!("{} at {}{schema}, {}{role}{standby}", target.database, target.location, target.version)
}

/// How a migration is sent, in short, and where it goes on.
pub(super) fn shape(forecast: &Forecast) -> String {
    match forecast.done {
        0 => brackets(forecast),
        done => format!("{}, going on with statement {}", brackets(forecast), done + 1),
    }
}

fn brackets(forecast: &Forecast) -> String {
    let count = forecast.statements().count();
    let statements = if count == 1 { "1 statement".to_owned() } else { format!("{count} statements") };
    let alone = |bracket: &&BracketForecast| matches!(bracket.bracket, Bracket::Single | Bracket::Span);
    let single = forecast.brackets.iter().filter(alone).count();
    match (forecast.brackets.len(), single) {
        (0, _) => "no statements".to_owned(),
        (1, 0) => format!("{statements} in one transaction"),
        (brackets, 0) => format!("{statements} in {brackets} transactions"),
        (1, _) => format!("{statements} outside of a transaction"),
        (brackets, single) => {
            format!("{statements} in {brackets} steps, {single} of them outside of a transaction")
        }
    }
}

/// How one bracket is sent.
pub(super) fn sent(bracket: &BracketForecast) -> &'static str {
    match bracket.bracket {
        Bracket::Transaction => "in one transaction",
        Bracket::Single => "outside of a transaction",
        Bracket::OwnTransaction => "in the file's own transaction",
        Bracket::Rebuild => "in one transaction, with foreign keys checked before and after",
        Bracket::Span => "as one step, outside of a transaction",
    }
}

fn of_statement(statement: &StatementForecast, lines: &mut Vec<String>) {
    lines.push(format!("  {}  {}", statement.number, statement.sql));
    for table in &statement.tables {
        lines.push(format!("     {}", of_table(table)));
    }
    for remark in remarks(statement) {
        lines.push(format!("     {remark}"));
    }
    lines.push(format!("     {}", duration(statement)));
}

/// `locks public.orders ACCESS EXCLUSIVE, rewrites it (1,200,000 rows, 180 MB)`.
pub(super) fn of_table(table: &TableForecast) -> String {
    let mut line = format!("locks {} {}", table.table, table.lock.name());
    if table.lock_during_work < table.lock {
        line.push_str(&format!(" for a moment, {} while it works", table.lock_during_work.name()));
    }
    for (fact, does) in [(table.rewrite, "rewrites it"), (table.scan, "reads all of it")] {
        match fact {
            Fact::No => {}
            Fact::Yes => line.push_str(&format!(", {does}")),
            Fact::Unknown => line.push_str(&format!(", may {}", does.replacen('s', "", 1))),
        }
    }
    let rows = |rows: u64| if rows == 1 { "1 row".to_owned() } else { format!("{} rows", grouped(rows)) };
    let known = [table.rows.map(rows), table.bytes.map(size)];
    let known: Vec<String> = known.into_iter().flatten().collect();
    if table.unseen {
        line.push_str(" (not seen: another database's, hidden from the role, or missing)");
    } else if !table.exists {
        line.push_str(" (made by what runs before)");
    } else if !known.is_empty() {
        line.push_str(&format!(" ({})", known.join(", ")));
    }
    line
}

/// What else is to be known of a statement.
pub(super) fn remarks(statement: &StatementForecast) -> Vec<String> {
    let mut remarks = Vec::new();
    if let Some(why) = &statement.unknown {
        remarks.push(format!("may lock anything, with the strongest lock: {why}"));
    }
    remarks
        .extend(statement.breaks.iter().map(|breakage| format!("breaks running code: {}", broken(breakage))));
    if statement.commits_inside {
        remarks.push(
            "may commit inside of itself: then what stands before it is committed first, and it is sent outside of a transaction"
                .to_owned(),
        );
    } else if statement.may_commit {
        remarks.push("is committed before a statement that uses the value, if there is one".to_owned());
    }
    if !statement.not_made_again.is_empty() {
        let what = statement.not_made_again.join(", ");
        remarks.push(format!("is gone with the old table, and not made again: {what}"));
    }
    if !statement.keeps.is_empty() {
        remarks.push(format!("keeps {}", statement.keeps.join(", ")));
    }
    match statement.reversible {
        Reversible::DataLost => {
            remarks.push("cannot be undone: what it throws away only a backup has".to_owned())
        }
        Reversible::WithFormerDefinition | Reversible::Unknown | Reversible::Yes => {}
    }
    remarks
}

fn broken(breakage: &Breakage) -> String {
    let of = |object: &sql::Name, column: &Option<String>| match column {
        Some(column) => format!("{object}.{column}"),
        None => object.to_string(),
    };
    match breakage {
        Breakage::Gone { object, column } => format!("{} is gone", of(object, column)),
        Breakage::Renamed { object, column, to } => format!("{} is called {to}", of(object, column)),
        Breakage::ValueRenamed { object, from, to } => format!("value '{from}' of {object} is called '{to}'"),
        Breakage::WritesRefused { table, column } => {
            format!("writes to {} may be refused", of(table, column))
        }
        Breakage::TypeChanged { table, column } => format!("{table}.{column} has another type"),
        Breakage::Hidden { object } => format!("{object} may not be seen"),
    }
}

/// How long it may take.
pub(super) fn duration(statement: &StatementForecast) -> String {
    match statement.estimate {
        None => "takes: unknown".to_owned(),
        Some(found) => {
            let basis = match found.basis {
                Basis::Catalogue | Basis::Size => "",
                Basis::Past => ", by what such work took here before",
                Basis::AllRows => ", if it touches every row once",
            };
            format!("takes {}{basis}", seconds(found.seconds))
        }
    }
}

/// All of it together.
pub(super) fn total(plan: &Plan) -> String {
    let statements = || plan.migrations.iter().flat_map(Forecast::statements);
    let known: f64 = statements().filter_map(|statement| statement.estimate).map(|found| found.seconds).sum();
    let unknown = statements().filter(|statement| statement.estimate.is_none()).count();
    let count = plan.migrations.len();
    let migrations = if count == 1 { "1 migration".to_owned() } else { format!("{count} migrations") };
    if known == 0.0 && unknown > 0 {
        return format!("{migrations}: how long they take is unknown");
    }
    let rest = match unknown {
        0 => String::new(),
        1 => ", and 1 statement of which that is unknown".to_owned(),
        unknown => format!(", and {unknown} statements of which that is unknown"),
    };
    format!("{migrations}: {}{rest}", seconds(known))
}
