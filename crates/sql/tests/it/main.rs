//! Everything that the crate promises, by its public interface: one file per promise.

mod actions;
mod code;
mod directives;
mod effects;
mod index_names;
mod kinds;
mod mysql;
mod postgres;
mod properties;
mod reach;
mod sessions;
mod sqlite;

use diagnostics::{Provider, Span};
use sql::{Kind, Options, Script, split};

/// The statements of `text`, as text.
fn pieces(provider: Provider, text: &str) -> Vec<&str> {
    script(provider, text).statements.iter().map(|statement| statement.span.slice(text)).collect()
}

fn script(provider: Provider, text: &str) -> Script {
    split(text, &Options::new(provider)).unwrap_or_else(|error| panic!("{error} at {:?}: {text}", error.span))
}

/// The kind of the only statement of `text`.
fn kind(provider: Provider, text: &str) -> Kind {
    let mut script = script(provider, text);
    assert_eq!(script.statements.len(), 1, "{text}");
    script.statements.remove(0).kind
}

/// Asserts that the text ends its statements at each `¦`, which stands for a semicolon, and nowhere else.
fn assert_split(provider: Provider, marked: &str) {
    let text = marked.replace('¦', ";");
    let expected: Vec<&str> = marked.split('¦').map(str::trim).filter(|piece| !piece.is_empty()).collect();
    assert_eq!(pieces(provider, &text), expected, "{text}");
}

/// Where `text` is refused.
fn refused_at(provider: Provider, text: &str) -> (sql::ScanErrorKind, Span) {
    match split(text, &Options::new(provider)) {
        Ok(script) => panic!("{text}: {script:?}"),
        Err(error) => (error.kind, error.span),
    }
}
