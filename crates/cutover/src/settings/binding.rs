//! Where an environment may be reached from (`only_when`), and that no other name and no URL leads to its database from elsewhere.
//!
//! Only the variables of the process count: a `.env` file comes with the checkout, and anybody can write one.

use super::tables::Tables;
use super::{Arguments, Given, Surroundings};
use db::target::Target;
use diagnostics::{Failure, Result, codes};

/// Another environment of `cutover.toml` that is bound to something.
#[derive(Debug)]
pub(super) struct Bound {
    pub(super) name: String,
    pub(super) tables: Tables,
    /// Its URL is asked of a program, which is not run to compare it.
    pub(super) by_program: bool,
}

impl Surroundings {
    /// Whether this database may be reached from here.
    ///
    /// # Errors
    /// C2038.
    pub(super) fn check_binding(&self, given: &Given, target: &Target, arguments: &Arguments) -> Result<()> {
        let environment = given.environment.as_ref().map(|setting| setting.value.as_str());
        if let Some(why) = given.tables.unbound(&self.variables) {
            let what =
                environment.map_or("this database".to_owned(), |name| format!("the environment {name}"));
            return Err(refused(&format!("{what} is {why}")));
        }
        for bound in given.bound.iter().filter(|bound| Some(bound.name.as_str()) != environment) {
            let Some(why) = bound.tables.unbound(&self.variables).filter(|_| !bound.by_program) else {
                continue;
            };
            // One whose URL is not to be had here cannot be meant either.
            let Ok(other) = self.database_of(&bound.name, arguments) else { continue };
            if (other.location(), other.database()) == (target.location(), target.database()) {
                return Err(refused(&format!(
                    "this is the database of the environment {}, which is {why}",
                    bound.name
                )));
            }
        }
        Ok(())
    }
}

fn refused(title: &str) -> Failure {
    Failure::coded(&codes::C2038, title).or_help(codes::C2038.way_out)
}
