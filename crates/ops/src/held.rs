//! `deploy --plan`: what stands in the plan is run, on what it was made for, or nothing.
//!
//! What does not live here: what has moved, and how it is told (`plan::file`).

use crate::dry_run;
use crate::migrations::Folder;
use crate::plan::{self, Plan, PlannedMigration};
use crate::run::Run;
use diagnostics::Result;

/// Refuses a plan of which nothing is left to run, unless it was carried out.
///
/// # Errors
/// C2024, with what was not.
pub(crate) fn carried_out(plan: &Plan, run: &mut Run<'_>) -> Result<()> {
    let (identity, _) = dry_run::identity(run)?;
    let unfulfilled = plan::file::unfulfilled(plan, &identity, &run.history);
    if unfulfilled.is_empty() { Ok(()) } else { Err(plan::file::refusal(unfulfilled)) }
}

/// Refuses to run anything else than what was planned, on anything else than what that rests on.
///
/// # Errors
/// C2024, with what has moved.
pub(crate) fn hold_to(
    plan: &Plan,
    folder: &Folder,
    planned: &[PlannedMigration],
    run: &mut Run<'_>,
) -> Result<()> {
    if planned.is_empty() {
        return carried_out(plan, run);
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
