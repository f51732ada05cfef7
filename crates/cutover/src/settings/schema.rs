//! The schema: where the migrations are, and which URL its datasource names.

use super::{Context, DatabaseUrl, Given, Origin, Setting, Told, datasource, invalid_schema, schema_files};
use diagnostics::{Diagnostic, Result};

pub(super) fn read(context: &Context<'_>, given: &mut Given, told: &mut Told) -> Result<()> {
    let Some(found) = schema_files::find(context, given)? else { return Ok(()) };
    told.schema = Some(format!("Prisma schema loaded from {}", found.shown));
    given.has_schema = true;
    let parses: Vec<psl::Parse> = found.files.iter().map(|(_, source)| psl::parse(source)).collect();
    let (config, findings) = psl::config(&parses);
    let mut errors: Vec<Diagnostic> =
        parses.iter().flat_map(|parse| parse.diagnostics().iter().cloned()).collect();
    errors.extend(findings);
    if !errors.is_empty() {
        // A schema that nothing is needed from must not stop anybody.
        if given.url.is_none() {
            return Err(invalid_schema::failure(errors));
        }
        told.warnings.extend(errors.into_iter().map(|mut error| {
            error.severity = diagnostics::Severity::Warning;
            error
        }));
    }
    let datasource = config.datasources.into_iter().next();
    if given.migrations.is_none() {
        let value = found.directory.join("migrations");
        given.migrations = Some(Setting { value, origin: Origin::File(found.shown) });
    }
    if given.url.is_none()
        && let Some(datasource) = &datasource
    {
        let file = found.files.iter().find(|(_, source)| source.name() == datasource.name.source.name());
        let base_dir = file.and_then(|(path, _)| path.parent()).unwrap_or(&found.directory);
        let resolved = datasource::url(datasource, &context.environment, told)?;
        given.url = resolved.map(|(url, place)| DatabaseUrl {
            url,
            base_dir: base_dir.to_owned(),
            place: Some((place.source, place.span)),
        });
    }
    given.datasource = datasource;
    Ok(())
}
