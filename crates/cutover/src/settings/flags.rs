//! The flags. Paths in them are relative to the working directory.

use super::offers::{DatabaseUrl, Origin, Setting};
use super::{Context, Given, Told};
use diagnostics::Result;

pub(super) fn read(context: &Context<'_>, given: &mut Given, _: &mut Told) -> Result<()> {
    let current_dir = &context.surroundings.current_dir;
    let arguments = context.arguments;
    for (name, flag, path) in
        [("schema", "--schema", &arguments.schema), ("migrations", "--migrations", &arguments.migrations)]
    {
        if let Some(path) = path {
            given.path(name).offer(Setting { value: current_dir.join(path), origin: Origin::Flag(flag) });
        }
    }
    arguments.waits.offer(&mut given.waits);
    if arguments.strict {
        given.strict.offer(Setting { value: true, origin: Origin::Flag("--strict") });
    }
    if arguments.no_query_text {
        given.query_text.offer(Setting { value: false, origin: Origin::Flag("--no-query-text") });
    }
    if let Some(url) = &arguments.url {
        let value = DatabaseUrl::new(url.clone(), current_dir);
        given.url.offer(Setting { value, origin: Origin::Flag("--url") });
    }
    Ok(())
}
