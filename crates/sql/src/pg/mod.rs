//! PostgreSQL statements understood through `squawk-syntax`: names and keywords do not say enough of them.
//!
//! Nothing else in the project names that crate, so that it can be replaced here. [`refine`] completes the keys of an
//! unnamed index; [`read`] turns a whole statement into a [`Command`], plain data for `effect` and `catalog`. One file
//! per family: `index` (keys), `alter`, `table` (columns and constraints), `data` (queries and writes), `harmless` (what
//! locks nothing), `object` (the rest); `tree` is how all of them look at nodes.

mod alter;
pub(crate) mod command;
mod data;
mod harmless;
mod index;
mod object;
mod table;
mod tree;

use crate::action::Action;
use crate::scanner::Scanner;
use crate::statement::Options;
use command::Command;
use diagnostics::{Provider, Span};
use squawk_syntax::ast::AstNode;
use squawk_syntax::{SourceFile, SyntaxKind};

/// The longest statement that is parsed, where its tokens may stand in one another. The parser recurses, and a text of
/// nothing but parentheses would exhaust the stack.
const MOST_TOKENS: usize = 512;

/// The longest statement that is parsed whatever its tokens are: rows by the thousand take longer to parse than what is
/// learned from them is worth.
const MOST_LISTED_TOKENS: usize = 20_000;

/// Completes what `ddl` could read of an unnamed index in the statement at `span` of `text`. One whose keys
/// cannot be parsed becomes [`Action::Unknown`]. The statement has this many `tokens`.
pub(crate) fn refine(actions: &mut [Action], text: &str, span: Span, tokens: usize) {
    for action in actions {
        let Action::CreateIndex(index) = action else { continue };
        if index.index.is_some() {
            // Its keys decide nothing that their tokens do not say, and parsing takes longer than all the rest.
            continue;
        }
        let read = (tokens <= MOST_TOKENS).then(|| index::keys(&SourceFile::parse(span.slice(text))));
        match read.flatten() {
            Some((keys, include)) => (index.keys, index.include) = (keys, include),
            None => *action = Action::Unknown,
        }
    }
}

/// What a statement says.
///
/// # Errors
/// Why it is not known: it is too long, or no statement that this parser knows.
pub(crate) fn read(statement: &str) -> Result<Command, &'static str> {
    if !is_shallow(statement) {
        return Err("this statement is too long to be read");
    }
    let parse = SourceFile::parse(statement);
    let root = parse.tree();
    let mut nodes = root.syntax().children().filter(|node| node.kind() != SyntaxKind::EMPTY_STMT);
    match (nodes.next(), nodes.next()) {
        (Some(node), None) if parse.errors().is_empty() => Ok(object::command(&node)),
        _ => Err("this statement is not read"),
    }
}

/// Whether a parser that recurses can read it: between two commas that stand in no more than one pair of parentheses there
/// are not too many tokens, so that nothing stands deeper than that.
fn is_shallow(statement: &str) -> bool {
    // As the parser takes it, whatever the session's setting is.
    let mode = Options::new(Provider::PostgreSql).mode();
    let mut scanner = Scanner::new(statement, Span::new(0, statement.len()), mode);
    let (mut all, mut run, mut depth) = (0_usize, 0_usize, 0_usize);
    loop {
        let token = match scanner.next_token() {
            Ok(Some(token)) => token,
            Ok(None) => return true,
            Err(_) => return false,
        };
        (all, run) = (all + 1, run + 1);
        if token.is_symbol(b'(') {
            depth += 1;
        } else if token.is_symbol(b')') {
            depth = depth.saturating_sub(1);
        } else if token.is_symbol(b',') && depth <= 1 {
            run = 0;
        }
        if run > MOST_TOKENS || all > MOST_LISTED_TOKENS {
            return false;
        }
    }
}
