//! What would keep a deploy from beginning: everything that it would refuse, and the gates, all of them. Nothing is changed, and no lock
//! taken.

use crate::deploy::Deploy;
use crate::dry_run::dry_run;
use crate::event::Observer;
use crate::gates::{self, Answer, Subject, patient};
use crate::interrupt::Interrupt;
use crate::run;
use db::ErrorKind;
use diagnostics::Result;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The answers.
#[derive(Clone, Debug, Serialize)]
pub struct Checklist {
    /// What a deploy would run.
    pub pending: Vec<String>,
    /// What each gate says that is asked for; none where nothing is pending.
    pub answers: Vec<Answer>,
}

/// Asks.
///
/// # Errors
/// Everything that a deploy would refuse before it runs anything, but for the gates.
pub fn preflight(deploy: &Deploy, observer: &dyn Observer, interrupt: &Arc<Interrupt>) -> Result<Checklist> {
    let plan = dry_run(deploy, observer, interrupt)?;
    let pending: Vec<(String, String)> =
        plan.migrations.iter().map(|one| (one.name.clone(), one.checksum.clone())).collect();
    let names = pending.iter().map(|(name, _)| name.clone()).collect();
    if pending.is_empty() {
        return Ok(Checklist { pending: names, answers: Vec::new() });
    }
    deploy.conditions.usable(gates::UNTOUCHED)?;
    deploy.conditions.gates.tell_needless(observer);
    let target = &deploy.target;
    let mut conn = match run::connect(target, &deploy.options, observer, interrupt)? {
        Ok(conn) => conn,
        // One that does not exist has nothing that could be in the way.
        Err(error) if error.kind == ErrorKind::NoSuchDatabase => {
            return Ok(Checklist { pending: names, answers: Vec::new() });
        }
        Err(error) => return Err(run::failure(target, error)),
    };
    let mut subject = Subject {
        conn: &mut patient(conn.as_mut(), interrupt),
        target,
        pending,
        interrupt,
        run: run::new_id(),
        looks: true,
        expected: BTreeMap::new(),
    };
    let answers = gates::check(&deploy.conditions.gates, &mut subject)?;
    Ok(Checklist { pending: names, answers })
}
