//! The schema: where the migrations are, and which URL its datasource names.

use super::offers::{DatabaseUrl, Origin, Setting};
use super::{Context, Given, Told, datasource, invalid_schema, schema_files};
use diagnostics::{Diagnostic, Result};
use schema_files::SchemaFiles;

pub(super) fn read(context: &Context<'_>, given: &mut Given, told: &mut Told) -> Result<()> {
    let Some(found) = schema_files::find(context, given)? else { return Ok(()) };
    told.schema = Some(format!("Prisma schema loaded from {}", found.shown));
    given.has_schema = true;
    if !given.schema.is_given() {
        given.schema.offer(Setting { value: found.path.clone(), origin: Origin::Default });
    }
    let parses: Vec<psl::Parse> = found.files.iter().map(|(_, source)| psl::parse(source)).collect();
    let (config, findings) = psl::config(&parses);
    let mut errors: Vec<Diagnostic> =
        parses.iter().flat_map(|parse| parse.diagnostics().iter().cloned()).collect();
    errors.extend(findings);
    if !errors.is_empty() {
        // A schema that nothing is needed from must not stop anybody.
        if !given.url.is_given() {
            return Err(invalid_schema::failure(errors));
        }
        told.warnings.extend(errors.into_iter().map(Diagnostic::into_warning));
    }
    let datasource = config.datasources.into_iter().next();
    // Beside the file with the datasource, as in Prisma 6, unless they are where Prisma 7 has them.
    let beside = found.directory_of_datasource(datasource.as_ref()).join("migrations");
    let root = found.directory.join("migrations");
    let value = if !beside.is_dir() && root.is_dir() { root } else { beside };
    given.migrations.offer(Setting { value, origin: Origin::File(found.shown.clone()) });
    if let Some(datasource) = &datasource {
        offer_url(context, &found, datasource, given, told)?;
    }
    given.datasource = datasource;
    Ok(())
}

fn offer_url(
    context: &Context<'_>,
    found: &SchemaFiles,
    datasource: &psl::Datasource,
    given: &mut Given,
    told: &mut Told,
) -> Result<()> {
    let needed = !given.url.is_given();
    let mut warnings = Vec::new();
    match datasource::url(datasource, &context.environment, &mut warnings) {
        Ok(Some((url, place))) => {
            let mut value = DatabaseUrl::new(url.value, found.directory_of_datasource(Some(datasource)));
            value.place = Some((place.source, place.span));
            if let Some(reason) = given.url_is_undefined.as_ref().filter(|_| needed) {
                warnings.push(
                    Diagnostic::warning(format!("{reason}; the URL of the schema is used"))
                        .help("Give the variable a value, or take one of the two URLs away."),
                );
            }
            given.url.offer(Setting { value, origin: url.origin });
        }
        Ok(None) => {}
        Err(failure) if needed => return Err(failure),
        // What a stronger source has given must not stop anybody.
        Err(_) => {}
    }
    if needed {
        told.warnings.extend(warnings);
    }
    Ok(())
}
