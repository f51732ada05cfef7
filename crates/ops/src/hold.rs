//! A deploy that is given a plan runs what stands in it, on what it was made for, or nothing.
//!
//! What does not live here: what has moved, and how it is told (`plan::file`).

use crate::deploy::Deploy;
use crate::dry_run;
use crate::migrations::Folder;
use crate::plan::{self, Plan, PlannedMigration};
use crate::run::Run;
use diagnostics::Result;

/// Nothing is pending here. Of a plan that means success only where it was carried out.
pub(crate) fn nothing_to_run(deploy: &Deploy, run: &mut Run<'_>) -> Result<Option<Vec<PlannedMigration>>> {
    if let Some(plan) = &deploy.plan {
        nothing_to_run_of(plan, run)?;
    }
    Ok(None)
}

/// The same, given the plan.
fn nothing_to_run_of(plan: &Plan, run: &mut Run<'_>) -> Result<()> {
    let (identity, _) = dry_run::identity(run)?;
    let unfulfilled = plan::file::unfulfilled(plan, &identity, &run.history);
    if unfulfilled.is_empty() { Ok(()) } else { Err(plan::file::refusal(unfulfilled)) }
}

/// Refuses to run anything else than what was planned, on anything else than what that rests on.
pub(crate) fn hold_to(
    plan: &Plan,
    folder: &Folder,
    planned: &[PlannedMigration],
    run: &mut Run<'_>,
) -> Result<()> {
    if planned.is_empty() {
        return nothing_to_run_of(plan, run);
    }
    let (identity, base) = dry_run::base(run, folder)?;
    let (identity, base) = match (&plan.base.objects, &base.objects) {
        // It did not exist, and was made for this: it has nothing but what comes with a database.
        (None, Some(objects)) if objects.is_empty() => plan::file::as_absent(plan, identity, base),
        _ => (identity, base),
    };
    let mut moved = plan::file::moved(plan, &identity, &base, planned);
    if moved.is_empty() {
        return Ok(());
    }
    if let Some(begun) = plan::file::begun(plan, &run.history) {
        moved.insert(0, begun);
    }
    Err(plan::file::refusal(moved))
}
