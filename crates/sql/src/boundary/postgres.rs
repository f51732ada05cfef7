//! PostgreSQL: SQL-standard routine bodies and rules hold semicolons.
//!
//! END and CASE may be column names without AS, so counting them would go wrong; but every statement of a
//! body ends with a semicolon and none begins with END: a body ends at the END behind one.

use super::Step;

#[derive(Default)]
pub(crate) enum Boundary {
    /// CREATE or CREATE OR REPLACE so far, or nothing.
    #[default]
    Start,
    /// A statement whose next semicolon ends it.
    Plain,
    /// CREATE FUNCTION or PROCEDURE, before its body.
    Routine,
    /// Behind BEGIN ATOMIC; whether nothing of the body has been seen.
    Body { empty: bool },
    /// CREATE RULE; the number of parentheses that are open.
    Rule { depth: usize },
}

impl Boundary {
    pub(super) fn see(&mut self, step: &Step<'_, '_>) {
        match self {
            Boundary::Start => *self = start(step),
            Boundary::Plain => {}
            Boundary::Routine => {
                if step.is("ATOMIC") && step.follows("BEGIN") {
                    *self = Boundary::Body { empty: true };
                }
            }
            Boundary::Body { empty } => {
                if step.is("END") && (*empty || step.follows_symbol(b';')) {
                    *self = Boundary::Plain;
                } else {
                    *empty = false;
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
            Boundary::Start | Boundary::Plain | Boundary::Routine => true,
            Boundary::Body { .. } => false,
            Boundary::Rule { depth } => *depth == 0,
        }
    }
}

/// What the first tokens say.
fn start(step: &Step<'_, '_>) -> Boundary {
    let creates = if step.index == 0 { step.is("CREATE") } else { step.is_any(&["OR", "REPLACE"]) };
    match () {
        () if creates => Boundary::Start,
        () if step.index > 0 && step.is_any(&["FUNCTION", "PROCEDURE"]) => Boundary::Routine,
        () if step.index > 0 && step.is("RULE") => Boundary::Rule { depth: 0 },
        () => Boundary::Plain,
    }
}
