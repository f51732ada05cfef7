//! The URL that a datasource names: `directUrl` before `url`, `env("X")` from the environment.

use super::environment::Environment;
use super::invalid_schema;
use super::offers::{Origin, Setting};
use db::target::expected_protocol;
use diagnostics::{Diagnostic, Failure, Provider, Result, Secret, codes};
use psl::{Datasource, Spanned, UrlValue};

/// The URL for migrations and the place that names it; none if the datasource has neither.
///
/// # Errors
/// P1012 in the reference's words: an unset variable, an empty URL, another protocol than the provider's.
/// C1002 for a provider that is not supported. A `directUrl` whose variable is unset is only a warning if
/// there is a `url`: pooled connections are refused later, by proof.
pub(super) fn url(
    datasource: &Datasource,
    environment: &Environment,
    warnings: &mut Vec<Diagnostic>,
) -> Result<Option<(Setting<Secret>, Spanned<UrlValue>)>> {
    let provider = provider(datasource)?;
    let candidates = [(&datasource.direct_url, "direct URL"), (&datasource.url, "URL")];
    let mut candidates = candidates.into_iter().filter_map(|(value, kind)| Some((value.as_ref()?, kind)));
    let Some((mut value, mut kind)) = candidates.next() else { return Ok(None) };
    if let (UrlValue::Env(name), None) = (&value.value, lookup(&value.value, value, environment)) {
        let Some((other, other_kind)) = candidates.next() else { return Err(unset(value, name)) };
        warnings.push(
            Diagnostic::warning(format!(
                "The environment variable `{name}` of `directUrl` is not set; `url` is used instead"
            ))
            .label(&value.source, value.span, "")
            .help(format!("Set {name} to the URL that reaches the database without a pooler.")),
        );
        (value, kind) = (other, other_kind);
    }
    let url = match (lookup(&value.value, value, environment), &value.value) {
        (Some(url), _) => url,
        (None, UrlValue::Env(name)) => return Err(unset(value, name)),
        (None, UrlValue::Literal(_)) => return Ok(None),
    };
    if url.value.expose().trim().is_empty() {
        return Err(empty(datasource, value, kind));
    }
    check_protocol(datasource, provider, &url.value, value)?;
    Ok(Some((url, value.clone())))
}

fn lookup(url: &UrlValue, place: &Spanned<UrlValue>, environment: &Environment) -> Option<Setting<Secret>> {
    match url {
        UrlValue::Literal(url) => {
            Some(Setting { value: url.clone(), origin: Origin::File(place.location()) })
        }
        UrlValue::Env(name) => {
            environment.get(name).map(|(value, origin)| Setting { value: Secret::new(value), origin })
        }
    }
}

fn error_at<T>(place: &Spanned<T>, title: String, help: impl Into<String>) -> Failure {
    let diagnostic = Diagnostic::error(title).code(&codes::P1012).label(&place.source, place.span, "");
    invalid_schema::failure(vec![diagnostic.help(help)])
}

fn unset(place: &Spanned<UrlValue>, name: &str) -> Failure {
    error_at(
        place,
        format!("Environment variable not found: {name}."),
        format!("Set {name} in the environment or in a `.env` file, or give the URL with `--url`."),
    )
}

fn empty(datasource: &Datasource, place: &Spanned<UrlValue>, kind: &str) -> Failure {
    let name = &datasource.name.value;
    let mut title = format!("Error validating datasource `{name}`: You must provide a nonempty {kind}.");
    let mut help = "Write the URL of the database there.".to_owned();
    if let UrlValue::Env(variable) = &place.value {
        title.push_str(&format!(" The environment variable `{variable}` resolved to an empty string."));
        help = format!("Set {variable} to the URL of the database.");
    }
    error_at(place, title, help)
}

fn provider(datasource: &Datasource) -> Result<Provider> {
    let provider = &datasource.provider;
    if let Some(known) = Provider::from_name(&provider.value) {
        return Ok(known);
    }
    if ["sqlserver", "mongodb", "cockroachdb"].contains(&provider.value.as_str()) {
        let title = format!("The datasource provider `{}` is not supported", provider.value);
        let diagnostic =
            Diagnostic::error(title).code(&codes::C1002).label(&provider.source, provider.span, "");
        return Err(Failure::new(diagnostic.help("Deploy to PostgreSQL, MySQL, MariaDB or SQLite.")));
    }
    Err(error_at(
        provider,
        format!("Datasource provider not known: \"{}\".", provider.value),
        "Write `provider = \"postgresql\"` or `provider = \"sqlite\"`.",
    ))
}

fn check_protocol(
    datasource: &Datasource,
    provider: Provider,
    url: &Secret,
    place: &Spanned<UrlValue>,
) -> Result<()> {
    let Some(expected) = expected_protocol(provider, url) else { return Ok(()) };
    // A hosted proxy has a better answer than "another protocol", and the target gives it.
    if ["prisma://", "prisma+postgres://"].iter().any(|hosted| url.expose().trim_start().starts_with(hosted))
    {
        return Ok(());
    }
    Err(error_at(
        place,
        format!(
            "Error validating datasource `{}`: the URL must start with the protocol {expected}.",
            datasource.name.value
        ),
        format!("Give a URL for the provider `{provider}`, or correct the provider."),
    ))
}
