//! `package.json`: `prisma.schema`, the place of the schema relative to it. Other keys are not looked at.

use super::offers::{Origin, Setting};
use super::{Context, Given, Surroundings, Told, paths};
use diagnostics::{Failure, Result, codes};
use std::path::PathBuf;

/// What the nearest `package.json` says of the schema: the file, its name for messages, the value.
struct Found {
    file: PathBuf,
    shown: String,
    value: serde_json::Value,
}

fn find(surroundings: &Surroundings) -> Option<Found> {
    let file = paths::package_json(&surroundings.current_dir)?;
    let shown = paths::shown(&surroundings.current_dir, &file);
    // A file that is no JSON is the business of the package manager; it says nothing about the schema.
    let package: serde_json::Value = serde_json::from_slice(&std::fs::read(&file).ok()?).ok()?;
    let value = package.pointer("/prisma/schema")?.clone();
    Some(Found { file, shown, value })
}

/// The schema, for whoever needs its place before settings are read.
pub(super) fn schema(surroundings: &Surroundings) -> Option<PathBuf> {
    let found = find(surroundings)?;
    found.value.as_str().map(|path| found.file.with_file_name(path))
}

pub(super) fn read(context: &Context<'_>, given: &mut Given, _: &mut Told) -> Result<()> {
    let Some(Found { file, shown, value }) = find(context.surroundings) else { return Ok(()) };
    match value {
        serde_json::Value::String(path) => {
            let value = paths::normal(&file.with_file_name(path));
            given
                .schema
                .offer(Setting { value, origin: Origin::File(format!("`prisma.schema` in {shown}")) });
            Ok(())
        }
        // What a stronger source has given must not stop anybody.
        _ if given.schema.is_given() => Ok(()),
        _ => Err(Failure::coded(&codes::C1004, format!("`prisma.schema` in {shown} is not a text")).or_help(
            "Write the path of the schema there, relative to the file, or give it with `--schema`.",
        )),
    }
}
