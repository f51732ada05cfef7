//! SQLite: a trigger ends at `; END ;` and nowhere else.
//!
//! BEGIN and END are names as well in SQLite, so counting them would go wrong; every statement of a body
//! ends with a semicolon, and none begins with END.

use super::Step;

#[derive(Default)]
pub(crate) enum Boundary {
    /// Parts of EXPLAIN QUERY PLAN CREATE TEMP so far.
    #[default]
    Start,
    /// A statement whose first semicolon ends it.
    Plain,
    /// CREATE TRIGGER; whether the last two tokens were `;` and END.
    Trigger { closed: bool },
}

impl Boundary {
    pub(super) fn see(&mut self, step: &Step<'_, '_>) {
        match self {
            Boundary::Start => {
                if step.is("TRIGGER") && step.follows_any(&["CREATE", "TEMP", "TEMPORARY"]) {
                    *self = Boundary::Trigger { closed: false };
                } else if !step.is_any(&["CREATE", "TEMP", "TEMPORARY", "EXPLAIN", "QUERY", "PLAN"]) {
                    *self = Boundary::Plain;
                }
            }
            Boundary::Plain => {}
            Boundary::Trigger { closed } => *closed = step.is("END") && step.follows_symbol(b';'),
        }
    }

    pub(super) fn ends_here(&self) -> bool {
        !matches!(self, Boundary::Trigger { closed: false })
    }
}
