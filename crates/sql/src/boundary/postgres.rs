//! PostgreSQL: SQL-standard routine bodies and rules hold semicolons.

use super::Step;

#[derive(Default)]
pub(crate) enum Boundary {
    /// CREATE [OR REPLACE] so far, or nothing.
    #[default]
    Start,
    /// A statement whose first semicolon ends it.
    Plain,
    /// CREATE FUNCTION or PROCEDURE; the number of BEGIN ATOMIC and CASE that are open.
    Routine { depth: usize },
    /// CREATE RULE; the number of parentheses that are open.
    Rule { depth: usize },
}

impl Boundary {
    pub(super) fn see(&mut self, step: &Step<'_, '_>) {
        match self {
            Boundary::Start if step.index == 0 && step.is("CREATE") => {}
            Boundary::Start if step.index > 0 && step.is_any(&["OR", "REPLACE"]) => {}
            Boundary::Start if step.index > 0 && step.is_any(&["FUNCTION", "PROCEDURE"]) => {
                *self = Boundary::Routine { depth: 0 };
            }
            Boundary::Start if step.index > 0 && step.is("RULE") => *self = Boundary::Rule { depth: 0 },
            Boundary::Start => *self = Boundary::Plain,
            Boundary::Plain => {}
            Boundary::Routine { depth: depth @ 0 } => {
                if step.is("ATOMIC") && step.follows("BEGIN") {
                    *depth = 1;
                }
            }
            Boundary::Routine { depth } => {
                // Behind AS and behind a dot the keywords are names.
                if step.follows("AS") || step.follows_symbol(b'.') {
                } else if step.is("CASE") {
                    *depth += 1;
                } else if step.is("END") {
                    *depth -= 1;
                }
            }
            Boundary::Rule { depth } => {
                if step.token.is_symbol(b'(') {
                    *depth += 1;
                } else if step.token.is_symbol(b')') {
                    *depth = depth.saturating_sub(1);
                }
            }
        }
    }

    pub(super) fn ends_here(&self) -> bool {
        match self {
            Boundary::Start | Boundary::Plain => true,
            Boundary::Routine { depth } | Boundary::Rule { depth } => *depth == 0,
        }
    }
}
