//! The environment variables `CUTOVER_...`: the flags of those who cannot change the command. An empty one counts as
//! unset. Paths are relative to the working directory.

use super::offers::{DatabaseUrl, Origin, Setting};
use super::{Context, Given, Told};
use diagnostics::{Result, Secret};

/// The variable for the schema; it is looked at early, because it says where a `.env` file may be.
pub(super) const SCHEMA: &str = "CUTOVER_SCHEMA";
/// The variable for the environment of `cutover.toml`.
pub(super) const ENVIRONMENT: &str = "CUTOVER_ENV";
/// The variable for the configuration file.
pub(super) const CONFIG: &str = "CUTOVER_CONFIG";
const MIGRATIONS: &str = "CUTOVER_MIGRATIONS";
pub(super) const URL: &str = "CUTOVER_URL";

pub(super) fn read(context: &Context<'_>, given: &mut Given, _: &mut Told) -> Result<()> {
    let surroundings = context.surroundings;
    let origin = |name: &str| Origin::Variable(name.to_owned());
    for (name, variable) in [("schema", SCHEMA), ("migrations", MIGRATIONS)] {
        if let Some(path) = surroundings.variable(variable) {
            let value = surroundings.current_dir.join(path);
            given.path(name).offer(Setting { value, origin: origin(variable) });
        }
    }
    super::waits::read_variables(context, given)?;
    if let Some(url) = surroundings.variable(URL) {
        let value = DatabaseUrl::new(Secret::new(url), &surroundings.current_dir);
        given.url.offer(Setting { value, origin: origin(URL) });
    }
    Ok(())
}
