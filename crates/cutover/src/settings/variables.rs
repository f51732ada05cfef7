//! The environment variables `CUTOVER_SCHEMA`, `CUTOVER_MIGRATIONS` and `CUTOVER_URL`: the flags of those who
//! cannot change the command. An empty one counts as unset. Paths are relative to the working directory.

use super::{Context, DatabaseUrl, Given, Origin, Setting, Told};
use diagnostics::{Result, Secret};
use std::path::PathBuf;

/// The variable for the schema; it is looked at early, because it says where a `.env` file may be.
pub(super) const SCHEMA: &str = "CUTOVER_SCHEMA";
const MIGRATIONS: &str = "CUTOVER_MIGRATIONS";
const URL: &str = "CUTOVER_URL";

pub(super) fn read(context: &Context<'_>, given: &mut Given, _: &mut Told) -> Result<()> {
    let surroundings = context.surroundings;
    let path = |name: &str| -> Option<Setting<PathBuf>> {
        let value = surroundings.current_dir.join(surroundings.variable(name)?);
        Some(Setting { value, origin: Origin::Variable(name.to_owned()) })
    };
    given.schema = given.schema.take().or_else(|| path(SCHEMA));
    given.migrations = given.migrations.take().or_else(|| path(MIGRATIONS));
    if given.url.is_none() {
        given.url = surroundings.variable(URL).map(|url| DatabaseUrl {
            url: Setting { value: Secret::new(url), origin: Origin::Variable(URL.to_owned()) },
            base_dir: surroundings.current_dir.clone(),
            place: None,
        });
    }
    Ok(())
}
