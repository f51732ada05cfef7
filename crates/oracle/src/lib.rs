//! Compares how the room `sql` reads PostgreSQL text with PostgreSQL's own parser, in the form of
//! `pg_query`.
//!
//! Two things are compared: where statements start and end, and the family that a statement belongs to.
//! Nothing here is part of the product; building it needs libclang. To add a case: a file in `fixtures/`
//! that PostgreSQL can parse as a whole.

mod family;

use diagnostics::{Provider, Span};
use family::{family_of_kind, family_of_node};
use sql::{Options, Script};

/// What the two readings of `text` disagree about, one line each; empty if nothing.
///
/// # Errors
/// The parser's message where PostgreSQL cannot parse the text: then there is nothing to compare.
pub fn disagreements(text: &str) -> Result<Vec<String>, String> {
    let pieces = pg_query::split_with_parser(text).map_err(|error| error.to_string())?;
    let script = match sql::split(text, &Options::new(Provider::PostgreSql)) {
        Ok(script) => script,
        Err(error) => return Ok(vec![format!("{error}, at byte {}", error.span.start)]),
    };
    let mut found = Vec::new();
    if pieces.len() != script.statements.len() {
        found.push(format!("{} statements, the server reads {}", script.statements.len(), pieces.len()));
    }
    compare(text, &pieces, &script, &mut found);
    Ok(found)
}

fn compare(text: &str, pieces: &[&str], script: &Script, found: &mut Vec<String>) {
    for (piece, statement) in pieces.iter().zip(&script.statements) {
        let start = piece.as_ptr().addr() - text.as_ptr().addr();
        let theirs = Span::new(start, start + piece.len());
        let own = statement.span;
        let inside = theirs.start <= own.start && own.end <= theirs.end;
        if !inside || !is_blank(&text[theirs.start..own.start]) || !is_blank(&text[own.end..theirs.end]) {
            found.push(format!("{:?} is {piece:?} for the server", own.slice(text)));
            continue;
        }
        let Some(node) = node_of(own.slice(text)) else { continue };
        let (theirs, ours) = (family_of_node(&node), family_of_kind(&statement.kind));
        if theirs.is_some_and(|theirs| theirs != ours) {
            found.push(format!("{:?} is {ours}, for the server {theirs:?}", own.slice(text)));
        }
    }
}

/// True if nothing but blanks and comments is in `gap`.
fn is_blank(gap: &str) -> bool {
    sql::split(gap, &Options::new(Provider::PostgreSql)).is_ok_and(|script| script.statements.is_empty())
}

fn node_of(statement: &str) -> Option<pg_query::NodeEnum> {
    let tree = pg_query::parse(statement, 0).ok()?.protobuf;
    tree.stmts.into_iter().next()?.stmt?.node
}
