//! The Prisma schema language as a language: text in, tree and findings out.
//!
//! What lives here: the lexer, the parser for the whole grammar ([`parse`]), a lossless tree ([`syntax`]) with
//! typed accessors ([`ast`]), and the meaning of the datasource and generator blocks ([`config`]).
//!
//! What does not live here: files, the environment (`env("X")` is returned as a name), and what a URL means.
//! Models, enums and attributes are syntax so far; nothing here checks that a type or attribute exists.
//!
//! To add a kind of block: its keyword in [`ast::BlockKind`], its node in `syntax`, its members in
//! `grammar::member`. Attributes and functions need nothing: every `@name(...)` is parsed. To give a
//! datasource property a meaning: one line in `config::DATASOURCE_PROPERTIES` and one field.

pub mod ast;
pub mod config;
mod grammar;
mod lexer;
mod parser;
pub mod syntax;
#[cfg(test)]
mod tests;

pub use config::{Config, Datasource, Generator, Spanned, UrlValue, config};

use diagnostics::{Diagnostic, Source, Span};
use rowan::GreenNode;
use rowan::ast::AstNode;
use syntax::SyntaxNode;

/// A schema file that was read: its tree, which holds every byte of the text, and what is wrong with it.
#[derive(Clone)]
pub struct Parse {
    source: Source,
    shown: Source,
    green: GreenNode,
    diagnostics: Vec<Diagnostic>,
}

impl Parse {
    /// The text that was read.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// The same text for people: as long as [`Parse::source`], but URLs are masked. Every finding and every
    /// [`Spanned`] points into this one.
    pub fn shown(&self) -> &Source {
        &self.shown
    }

    /// The tree. Its text is the text of the source, byte for byte.
    pub fn syntax(&self) -> SyntaxNode {
        SyntaxNode::new_root(self.green.clone())
    }

    /// The blocks of the file.
    pub fn blocks(&self) -> impl Iterator<Item = ast::Block> {
        self.syntax().children().filter_map(ast::Block::cast)
    }

    /// What is wrong, in the order of the text. Lines that are not told of were understood.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }
}

/// Reads a schema file. Never fails: a line that is not understood becomes one finding (P1012), and reading
/// goes on with the next line.
pub fn parse(source: &Source) -> Parse {
    let tokens = lexer::tokens(source.text());
    let shown = Source::new(source.name(), lexer::masked(source.text(), &tokens));
    let mut parser = parser::Parser::new(source.text(), &tokens);
    grammar::schema(&mut parser);
    let (green, findings) = parser.finish();
    let diagnostics = findings.into_iter().map(|finding| finding.diagnostic(&shown)).collect();
    Parse { source: source.clone(), shown, green, diagnostics }
}

/// The bytes of the source that a node or token covers.
pub(crate) fn span_of(range: rowan::TextRange) -> Span {
    Span::new(range.start().into(), range.end().into())
}
