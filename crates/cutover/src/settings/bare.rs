//! A project without a schema: the URL in `DATABASE_URL`, the migrations in a customary directory.

use super::{Context, DatabaseUrl, Given, Origin, Setting, Told};
use diagnostics::{Result, Secret};

const URL: &str = "DATABASE_URL";
/// Where migrations are looked for, in this order.
const DIRECTORIES: [&str; 2] = ["prisma/migrations", "migrations"];

pub(super) fn read(context: &Context<'_>, given: &mut Given, _: &mut Told) -> Result<()> {
    if given.has_schema {
        return Ok(());
    }
    let current_dir = &context.surroundings.current_dir;
    if given.url.is_none() {
        let found = context.environment.get(URL).filter(|(value, _)| !value.is_empty());
        given.url = found.map(|(value, origin)| DatabaseUrl {
            url: Setting { value: Secret::new(value), origin },
            base_dir: current_dir.clone(),
            place: None,
        });
    }
    if given.migrations.is_none() {
        let found = DIRECTORIES.iter().map(|path| current_dir.join(path)).find(|path| path.is_dir());
        given.migrations = found.map(|value| Setting { value, origin: Origin::Default });
    }
    Ok(())
}
