//! A project without a schema: the URL in `DATABASE_URL`, the migrations in a customary directory.

use super::offers::{DatabaseUrl, Origin, Setting};
use super::{Context, Given, Told};
use diagnostics::{Result, Secret};

const URL: &str = "DATABASE_URL";
/// Where migrations are looked for, in this order.
const DIRECTORIES: [&str; 2] = ["prisma/migrations", "migrations"];

pub(super) fn read(context: &Context<'_>, given: &mut Given, _: &mut Told) -> Result<()> {
    if given.has_schema {
        return Ok(());
    }
    let current_dir = &context.surroundings.current_dir;
    if let Some((value, origin)) = context.environment.get(URL).filter(|(value, _)| !value.is_empty()) {
        let value = DatabaseUrl::new(Secret::new(value), current_dir);
        given.url.offer(Setting { value, origin });
    }
    let found = DIRECTORIES.iter().map(|path| current_dir.join(path)).find(|path| path.is_dir());
    if let Some(value) = found {
        given.migrations.offer(Setting { value, origin: Origin::Default });
    }
    Ok(())
}
