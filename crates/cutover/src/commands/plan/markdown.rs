//! A plan as Markdown: for a comment on a pull request.

use super::human::{ONE_ATTEMPT, duration, of_table, place, remarks, sent, shape, total};
use diagnostics::render::markdown::{code, escaped};
use ops::plan::Plan;
use ops::plan::forecast::{Forecast, StatementForecast};

/// The most bytes of what is said of migrations. A comment on a pull request holds 65,536 characters.
const LONGEST: usize = 50_000;

/// The lines.
pub(super) fn lines(plan: &Plan) -> Vec<String> {
    let mut lines = vec![format!("### Migration plan for {}", escaped(&place(plan))), String::new()];
    if plan.migrations.is_empty() {
        lines.push("No pending migrations to apply.".to_owned());
        return lines;
    }
    lines.push(format!("**{}**", escaped(&total(plan))));
    let mut told = Told::default();
    plan.migrations.iter().for_each(|forecast| of_migration(forecast, &mut told));
    lines.append(&mut told.lines);
    if !plan.findings.is_empty() {
        lines.extend([String::new(), "**Worth knowing**".to_owned(), String::new()]);
        lines.extend(plan.findings.iter().map(|finding| format!("- {}", escaped(&finding.message))));
    }
    if told.left_out > 0 {
        let (statements, migrations) = (told.left_out, told.left_out_of);
        let of = if migrations == 1 { "1 migration".to_owned() } else { format!("{migrations} migrations") };
        lines.extend([
            String::new(),
            format!("*{statements} more statements of {of}: `cutover plan` shows all.*"),
        ]);
    }
    lines.extend([String::new(), format!("Made {} by cutover {}.", plan.at, plan.cutover)]);
    lines
}

/// What is said of migrations, as far as there is room.
#[derive(Default)]
struct Told {
    lines: Vec<String>,
    length: usize,
    /// There was no room for something, and nothing more is said.
    full: bool,
    /// Statements that there was no room for, and of how many migrations they are.
    left_out: usize,
    left_out_of: usize,
}

impl Told {
    /// Says these lines, if there is room for all of them.
    fn say(&mut self, lines: Vec<String>) -> bool {
        let length: usize = lines.iter().map(|line| line.len() + 1).sum();
        self.full |= self.length + length > LONGEST;
        if !self.full {
            self.length += length;
            self.lines.extend(lines);
        }
        !self.full
    }
}

fn of_migration(forecast: &Forecast, told: &mut Told) {
    let head = [
        String::new(),
        format!("#### {}", escaped(&forecast.name)),
        String::new(),
        shape(forecast),
        String::new(),
        "| | statement | what it does | takes |".to_owned(),
        "|--:|---|---|---|".to_owned(),
    ];
    // What stands before a row is said together with it.
    let mut before = head.to_vec();
    let mut left_out = 0;
    for bracket in &forecast.brackets {
        if forecast.brackets.len() > 1 {
            before.push(format!("| | *{}* | | |", sent(bracket)));
        }
        if !bracket.repeatable {
            before.push(format!("| | *{ONE_ATTEMPT}* | | |"));
        }
        for statement in &bracket.statements {
            before.push(row(statement));
            left_out += usize::from(!told.say(std::mem::take(&mut before)));
        }
    }
    // A file without statements has a head alone.
    if !before.is_empty() {
        told.say(before);
    }
    told.left_out += left_out;
    told.left_out_of += usize::from(left_out > 0);
}

fn row(statement: &StatementForecast) -> String {
    let does: Vec<String> =
        statement.tables.iter().map(of_table).chain(remarks(statement)).map(|line| escaped(&line)).collect();
    let takes = duration(statement).trim_start_matches("takes").trim_start_matches(':').trim().to_owned();
    format!(
        "| {} | {} | {} | {} |",
        statement.number,
        code(&statement.sql),
        does.join("<br>"),
        escaped(&takes)
    )
}
