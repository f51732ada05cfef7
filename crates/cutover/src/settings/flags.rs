//! The flags `--schema`, `--migrations` and `--url`. Paths in them are relative to the working directory.

use super::{Context, DatabaseUrl, Given, Origin, Setting, Told};
use diagnostics::Result;

pub(super) fn read(context: &Context<'_>, given: &mut Given, _: &mut Told) -> Result<()> {
    let current_dir = &context.surroundings.current_dir;
    let arguments = context.arguments;
    given.schema = arguments
        .schema
        .as_ref()
        .map(|path| Setting { value: current_dir.join(path), origin: Origin::Flag("--schema") });
    given.migrations = arguments
        .migrations
        .as_ref()
        .map(|path| Setting { value: current_dir.join(path), origin: Origin::Flag("--migrations") });
    given.url = arguments.url.as_ref().map(|url| DatabaseUrl {
        url: Setting { value: url.clone(), origin: Origin::Flag("--url") },
        base_dir: current_dir.clone(),
        place: None,
    });
    Ok(())
}
