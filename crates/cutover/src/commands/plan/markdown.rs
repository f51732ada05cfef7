//! A plan as Markdown: for a comment on a pull request.

use super::human::{duration, of_table, place, remarks, sent, shape, total};
use ops::plan::Plan;
use ops::plan::forecast::StatementForecast;

/// The longest table of statements, in bytes.
const LONGEST: usize = 50_000;

/// The lines.
pub(super) fn lines(plan: &Plan) -> Vec<String> {
    let mut lines = vec![format!("### Migration plan for {}", escaped(&place(plan))), String::new()];
    if plan.migrations.is_empty() {
        lines.push("No pending migrations to apply.".to_owned());
        return lines;
    }
    lines.push(format!("**{}**", escaped(&total(plan))));
    let (mut length, mut left_out) = (0, 0);
    for forecast in &plan.migrations {
        lines.extend([
            String::new(),
            format!("#### {}", escaped(&forecast.name)),
            String::new(),
            shape(forecast),
            String::new(),
            "| | statement | what it does | takes |".to_owned(),
            "|--:|---|---|---|".to_owned(),
        ]);
        for bracket in &forecast.brackets {
            if forecast.brackets.len() > 1 {
                lines.push(format!("| | *{}* | | |", sent(bracket)));
            }
            for statement in &bracket.statements {
                let row = row(statement);
                // A comment on a pull request holds 65,536 characters.
                length += row.len();
                if length > LONGEST {
                    left_out += 1;
                } else {
                    lines.push(row);
                }
            }
        }
    }
    if !plan.findings.is_empty() {
        lines.extend([String::new(), "**Worth knowing**".to_owned(), String::new()]);
        lines.extend(plan.findings.iter().map(|finding| format!("- {}", escaped(&finding.message))));
    }
    if left_out > 0 {
        lines.extend([String::new(), format!("*{left_out} more statements: `cutover plan` shows all.*")]);
    }
    lines.extend([String::new(), format!("Made {} by cutover {}.", plan.at, plan.cutover)]);
    lines
}

fn row(statement: &StatementForecast) -> String {
    let does: Vec<String> =
        statement.tables.iter().map(of_table).chain(remarks(statement)).map(|line| escaped(&line)).collect();
    let takes = duration(statement).trim_start_matches("takes").trim_start_matches(':').trim().to_owned();
    // A pipe would end the cell also inside of code.
    let sql = statement.sql.replace('|', "\\|").replace('`', "'");
    format!("| {} | `{sql}` | {} | {} |", statement.number, does.join("<br>"), escaped(&takes))
}

/// Text in which nothing is Markdown.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '|' | '*' | '_' | '`' | '<' | '>' | '[' | ']' | '\\' | '#' => out.extend(['\\', character]),
            // Nobody is called by the name of a table.
            '@' => out.push_str("&#64;"),
            character if character.is_control() => out.push(' '),
            character => out.push(character),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn what_stands_in_names_is_no_markup() {
        assert_eq!(escaped("a|b_c<d>"), "a\\|b\\_c\\<d\\>");
    }
}
