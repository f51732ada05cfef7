//! What the datasource and generator blocks say.
//!
//! `env("X")` stays a name: the environment is not known here. A property that is wrong is told and left out.

use crate::ast::{Argument, Block, BlockKind, Expression, Property, Value};
use crate::{Parse, span_of};
use diagnostics::{Diagnostic, Secret, Source, Span, codes};
use rowan::ast::AstNode;

/// The datasources and generators of a schema, in the order of the files and of their texts.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// The datasources; more than one is an error that [`config`] tells.
    pub datasources: Vec<Datasource>,
    /// The generators.
    pub generators: Vec<Generator>,
}

/// A value, and where it stands.
#[derive(Clone, Debug)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// The file, with URLs masked.
    pub source: Source,
    /// The bytes of the file.
    pub span: Span,
}

impl<T> Spanned<T> {
    /// `file:line:column`.
    pub fn location(&self) -> String {
        self.source.locate(self.span.start)
    }

    fn map<U>(&self, value: U) -> Spanned<U> {
        Spanned { value, source: self.source.clone(), span: self.span }
    }
}

/// A URL as a schema gives it.
#[derive(Clone, Debug)]
pub enum UrlValue {
    /// The URL itself.
    Literal(Secret),
    /// The name of the environment variable that holds it: `env("X")`.
    Env(String),
}

/// `datasource name { ... }`
#[derive(Clone, Debug)]
pub struct Datasource {
    /// Its name; its place is the head of the block.
    pub name: Spanned<String>,
    /// `provider`, as it is written. Whether it is a known one is not judged here.
    pub provider: Spanned<String>,
    /// `url`.
    pub url: Option<Spanned<UrlValue>>,
    /// `directUrl`.
    pub direct_url: Option<Spanned<UrlValue>>,
    /// `shadowDatabaseUrl`.
    pub shadow_database_url: Option<Spanned<UrlValue>>,
    /// `schemas`.
    pub schemas: Vec<Spanned<String>>,
    /// `relationMode`.
    pub relation_mode: Option<Spanned<String>>,
    /// The whole block.
    pub span: Span,
}

/// `generator name { ... }`
#[derive(Clone, Debug)]
pub struct Generator {
    /// Its name.
    pub name: Spanned<String>,
    /// `provider`; every one is accepted.
    pub provider: Option<Spanned<String>>,
    /// The whole block.
    pub span: Span,
}

/// The properties that a datasource may have.
const DATASOURCE_PROPERTIES: [&str; 8] = [
    "provider",
    "url",
    "directUrl",
    "shadowDatabaseUrl",
    "schemas",
    "relationMode",
    "referentialIntegrity",
    "extensions",
];

/// Reads the datasource and generator blocks of all files of a schema. The findings are all errors (P1012);
/// those of the syntax are in each [`Parse`].
pub fn config(files: &[Parse]) -> (Config, Vec<Diagnostic>) {
    let mut config = Config::default();
    let mut findings = Vec::new();
    for file in files {
        for block in file.blocks() {
            let reader = Reader { source: file.shown(), block: &block };
            match block.kind() {
                Some(BlockKind::Datasource) => {
                    config.datasources.extend(reader.datasource(&mut findings));
                }
                Some(BlockKind::Generator) => config.generators.extend(reader.generator()),
                _ => {}
            }
        }
    }
    if config.datasources.len() > 1 {
        findings.extend(config.datasources.iter().map(|datasource| {
            let title = format!(
                "Error validating datasource `{}`: You defined more than one datasource. This is not allowed yet because support for multiple databases has not been implemented yet.",
                datasource.name.value
            );
            error_at(&datasource.name, title, "Keep one datasource.")
        }));
    }
    (config, findings)
}

fn error_at<T>(place: &Spanned<T>, title: impl Into<String>, help: &str) -> Diagnostic {
    Diagnostic::error(title).code(&codes::P1012).label(&place.source, place.span, "").help(help)
}

/// A block that is read.
struct Reader<'a> {
    source: &'a Source,
    block: &'a Block,
}

impl Reader<'_> {
    fn spanned<T>(&self, value: T, span: Span) -> Spanned<T> {
        Spanned { value, source: self.source.clone(), span }
    }

    fn name(&self) -> Option<Spanned<String>> {
        let name = self.block.name()?;
        Some(self.spanned(name.text().to_owned(), span_of(self.block.head())))
    }

    fn generator(&self) -> Option<Generator> {
        let provider = self.block.properties().find(|property| is_named(property, "provider"));
        let provider = provider.and_then(|property| property.value()).and_then(|value| {
            let span = span_of(value.syntax().text_range());
            match value.value() {
                Value::String(text) => Some(self.spanned(text, span)),
                _ => None,
            }
        });
        Some(Generator { name: self.name()?, provider, span: span_of(self.block.syntax().text_range()) })
    }

    fn datasource(&self, findings: &mut Vec<Diagnostic>) -> Option<Datasource> {
        let name = self.name()?;
        self.check_names(&name, findings);
        let provider = match self.value("provider") {
            Some(value) => self.provider(&name.value, &value, findings),
            // A line that was not understood is told already.
            None if self.block.properties().any(|property| is_named(&property, "provider")) => None,
            None => {
                findings.push(error_at(
                    &name,
                    format!("Argument \"provider\" is missing in data source block \"{}\".", name.value),
                    "Add `provider = \"postgresql\"` or `provider = \"sqlite\"`.",
                ));
                None
            }
        };
        let mut url = |property: &str| self.value(property).and_then(|value| self.url(&value, findings));
        let (main, direct, shadow) = (url("url"), url("directUrl"), url("shadowDatabaseUrl"));
        self.check_shadow(&name, [&direct, &main], &shadow, findings);
        Some(Datasource {
            provider: provider?,
            url: main,
            direct_url: direct,
            shadow_database_url: shadow,
            schemas: self.schemas(findings),
            relation_mode: self
                .value("relationMode")
                .or_else(|| self.value("referentialIntegrity"))
                .and_then(|value| self.string(&value, findings)),
            span: span_of(self.block.syntax().text_range()),
            name,
        })
    }

    /// Tells of properties that a datasource does not have, or has twice.
    fn check_names(&self, datasource: &Spanned<String>, findings: &mut Vec<Diagnostic>) {
        let mut seen: Vec<String> = Vec::new();
        for name in self.block.properties().filter_map(|property| property.name()) {
            let place = self.spanned((), span_of(name.text_range()));
            let name = name.text();
            if name == "previewFeatures" {
                findings.push(error_at(
                    &place,
                    "Preview features are only supported in the generator block. Please move this field to the generator block.",
                    "Move the line.",
                ));
            } else if !DATASOURCE_PROPERTIES.contains(&name) {
                let accepted = DATASOURCE_PROPERTIES.join(", ");
                findings.push(error_at(
                    &place,
                    format!("Property not known: \"{name}\"."),
                    &format!("Delete the line, or correct the name; a datasource may have {accepted}."),
                ));
            } else if seen.iter().any(|earlier| earlier == name) {
                findings.push(error_at(
                    &place,
                    format!("Key \"{name}\" is already defined in data source \"{}\".", datasource.value),
                    "Delete one of the two lines.",
                ));
            }
            seen.push(name.to_owned());
        }
    }

    /// The value of a property; a property that is there twice is told elsewhere.
    fn value(&self, name: &str) -> Option<Expression> {
        self.block.properties().find(|property| is_named(property, name))?.value()
    }

    fn place(&self, value: &Expression) -> Spanned<()> {
        self.spanned((), span_of(value.syntax().text_range()))
    }

    fn provider(
        &self,
        datasource: &str,
        value: &Expression,
        findings: &mut Vec<Diagnostic>,
    ) -> Option<Spanned<String>> {
        let title = match value.value() {
            Value::String(text) => return Some(self.place(value).map(text)),
            Value::Call { name, .. } if name == "env" => {
                "A datasource must not use the env() function in the provider argument.".to_owned()
            }
            _ => format!(
                "Error validating datasource `{datasource}`: The provider argument in a datasource must be a string literal"
            ),
        };
        findings.push(error_at(
            &self.place(value),
            title,
            "Write one provider: `provider = \"postgresql\"`.",
        ));
        None
    }

    fn string(&self, value: &Expression, findings: &mut Vec<Diagnostic>) -> Option<Spanned<String>> {
        let place = self.place(value);
        match value.value() {
            Value::String(text) => Some(place.map(text)),
            other => {
                findings.push(error_at(
                    &place,
                    format!("Expected a String value, but received {}.", describe(&other)),
                    "Write the value in double quotes.",
                ));
                None
            }
        }
    }

    fn url(&self, value: &Expression, findings: &mut Vec<Diagnostic>) -> Option<Spanned<UrlValue>> {
        let place = self.place(value);
        let found = match value.value() {
            Value::String(text) => return Some(place.map(UrlValue::Literal(Secret::new(text)))),
            Value::Call { name, arguments } if name == "env" => match one_string(&arguments) {
                Some(variable) => return Some(place.map(UrlValue::Env(variable))),
                None => "env() without the name of one variable".to_owned(),
            },
            other => describe(&other),
        };
        findings.push(error_at(
            &place,
            format!("Expected a String value, but received {found}."),
            "Write the URL in double quotes, or `env(\"DATABASE_URL\")`.",
        ));
        None
    }

    fn schemas(&self, findings: &mut Vec<Diagnostic>) -> Vec<Spanned<String>> {
        let Some(value) = self.value("schemas") else { return Vec::new() };
        match value.value() {
            Value::Array(items) if items.is_empty() => {
                findings.push(error_at(
                    &self.place(&value),
                    "If provided, the schemas array can not be empty.",
                    "Name a schema, or delete the line.",
                ));
                Vec::new()
            }
            Value::Array(items) => items.iter().filter_map(|item| self.string(item, findings)).collect(),
            Value::String(text) => vec![self.place(&value).map(text)],
            other => {
                findings.push(error_at(
                    &self.place(&value),
                    format!("Expected a String array value, but received {}.", describe(&other)),
                    "Write `schemas = [\"public\"]`.",
                ));
                Vec::new()
            }
        }
    }

    /// A shadow database is emptied: it must not be the database itself.
    fn check_shadow(
        &self,
        name: &Spanned<String>,
        others: [&Option<Spanned<UrlValue>>; 2],
        shadow: &Option<Spanned<UrlValue>>,
        findings: &mut Vec<Diagnostic>,
    ) {
        let Some(shadow) = shadow else { return };
        for (property, other) in ["directUrl", "url"].into_iter().zip(others) {
            let Some(other) = other else { continue };
            let same = match (&other.value, &shadow.value) {
                (UrlValue::Literal(left), UrlValue::Literal(right)) => left.expose() == right.expose(),
                (UrlValue::Env(left), UrlValue::Env(right)) => left == right,
                _ => false,
            };
            if same {
                findings.push(error_at(
                    other,
                    format!(
                        "shadowDatabaseUrl is the same as {property} for datasource \"{}\". Please specify a different database as shadow database to avoid data loss.",
                        name.value
                    ),
                    "Give the shadow database a URL of its own, or delete the line `shadowDatabaseUrl`.",
                ));
                return;
            }
        }
    }
}

fn is_named(property: &Property, name: &str) -> bool {
    property.name().is_some_and(|token| token.text() == name)
}

fn one_string(arguments: &[Argument]) -> Option<String> {
    match arguments {
        [only] => match only.value()?.value() {
            Value::String(text) if !text.is_empty() => Some(text),
            _ => None,
        },
        _ => None,
    }
}

/// A value for a sentence. Never its text: it may hold a password.
fn describe(value: &Value) -> String {
    match value {
        Value::String(_) => "a string value".to_owned(),
        Value::Number(_) => "a numeric value".to_owned(),
        Value::Constant(_) => "a literal value".to_owned(),
        Value::Call { name, .. } => format!("the function `{name}`"),
        Value::Array(_) => "an array value".to_owned(),
    }
}
