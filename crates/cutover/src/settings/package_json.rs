//! `package.json`: `prisma.schema`, the place of the schema relative to it. Other keys are not looked at.

use super::{Context, Given, Origin, Setting, Told, paths};
use diagnostics::{Failure, Result, codes};

pub(super) fn read(context: &Context<'_>, given: &mut Given, _: &mut Told) -> Result<()> {
    let current_dir = &context.surroundings.current_dir;
    let Some(file) = paths::package_json(current_dir).filter(|_| given.schema.is_none()) else {
        return Ok(());
    };
    let shown = paths::shown(current_dir, &file);
    // A file that is no JSON is the business of the package manager; it says nothing about the schema.
    let package: Option<serde_json::Value> =
        std::fs::read(&file).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    match package.as_ref().and_then(|package| package.pointer("/prisma/schema")) {
        None => Ok(()),
        Some(serde_json::Value::String(path)) => {
            let value = file.with_file_name(path);
            given.schema = Some(Setting { value, origin: Origin::File(shown) });
            Ok(())
        }
        Some(_) => Err(Failure::coded(&codes::C1004, format!("`prisma.schema` in {shown} is not a text"))
            .or_help(
                "Write the path of the schema there, relative to the file, or give it with `--schema`.",
            )),
    }
}
