//! The byte scanner: one walk over a text that yields tokens, for three dialects.
//!
//! What lives here: where a token starts and ends, so that quotes, dollar quotes and comments are never
//! mistaken for SQL. What does not: where a *statement* ends (`split.rs`) and what it is (`classify.rs`).
//!
//! The rules that all dialects share are in this file; what differs is one file per dialect. To add a
//! dialect: a file with `fn token`, and its arm in [`Scanner::next_token`].
//!
//! The scanner accepts whatever the server would accept. Text that no rule knows becomes
//! [`TokenKind::Symbol`], never an error.

mod mysql;
mod postgres;
mod sqlite;

use diagnostics::{Provider, Span};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What stays open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScanErrorKind {
    /// A string literal without its closing quote.
    String,
    /// A dollar-quoted string without its closing tag.
    DollarQuote,
    /// A quoted identifier without its closing quote.
    Identifier,
    /// A block comment without `*/`.
    Comment,
}

/// A quote or comment that the text opens and never closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScanError {
    /// What stays open.
    pub kind: ScanErrorKind,
    /// Its opening mark (`'`, `$tag$`, `/*` ...), in bytes of the text.
    pub span: Span,
}

impl fmt::Display for ScanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            ScanErrorKind::String => "the string that opens here is not closed",
            ScanErrorKind::DollarQuote => "the dollar-quoted string that opens here is not closed",
            ScanErrorKind::Identifier => "the quoted name that opens here is not closed",
            ScanErrorKind::Comment => "the comment that opens here is not closed",
        })
    }
}

impl std::error::Error for ScanError {}

/// The session settings that decide how quotes are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mode {
    /// The dialect.
    pub(crate) provider: Provider,
    /// PostgreSQL's `standard_conforming_strings`: a backslash in `'...'` is a character like any other.
    pub(crate) standard_conforming_strings: bool,
    /// MySQL's `ANSI_QUOTES`: `"..."` is a name, not a string.
    pub(crate) ansi_quotes: bool,
    /// MySQL's `NO_BACKSLASH_ESCAPES`.
    pub(crate) no_backslash_escapes: bool,
}

/// What a token is, as far as that can be told without grammar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenKind {
    /// A keyword or an unquoted name.
    Word,
    /// A quoted name, with its quotes.
    QuotedName,
    /// A string literal of any form, with prefix and quotes.
    String,
    /// The digits of a number, or a numbered parameter.
    Number,
    /// Any other single byte.
    Symbol(u8),
    /// MySQL's `/*!50001` or `/*M!`: what follows is SQL.
    CodeOpen,
    /// The `*/` that ends such code.
    CodeClose,
}

/// One token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: TokenKind,
    pub(crate) span: Span,
}

impl Token {
    /// True for the word `word` (upper case), in any letter case.
    pub(crate) fn is_word(self, text: &str, word: &str) -> bool {
        self.kind == TokenKind::Word && self.span.slice(text).eq_ignore_ascii_case(word)
    }

    /// True for the symbol `byte`.
    pub(crate) fn is_symbol(self, byte: u8) -> bool {
        self.kind == TokenKind::Symbol(byte)
    }
}

/// A position in a text, moving forward token by token.
#[derive(Clone)]
pub(crate) struct Scanner<'t> {
    text: &'t str,
    bytes: &'t [u8],
    /// The next byte to look at.
    at: usize,
    /// One past the last byte that belongs to the scanner's part of the text.
    end: usize,
    pub(crate) mode: Mode,
    /// Where MySQL's `/*! ... */` opened, inside of one.
    code_start: Option<usize>,
    /// Line comments that could be directives, in order; see `directive.rs`.
    pub(crate) directives: Vec<Span>,
}

/// All tokens of the bytes `span` of a text.
///
/// # Errors
/// A quote or comment that is not closed.
pub(crate) fn tokens(text: &str, span: Span, mode: Mode) -> Result<Vec<Token>, ScanError> {
    let mut scanner = Scanner::new(text, span, mode);
    std::iter::from_fn(|| scanner.next_token().transpose()).collect()
}

impl<'t> Scanner<'t> {
    /// A scanner over the bytes `span` of `text`.
    pub(crate) fn new(text: &'t str, span: Span, mode: Mode) -> Self {
        Self {
            text,
            bytes: text.as_bytes(),
            at: span.start,
            end: span.end,
            mode,
            code_start: None,
            directives: Vec::new(),
        }
    }

    /// The text that is scanned.
    pub(crate) fn text(&self) -> &'t str {
        self.text
    }

    /// The next byte to look at.
    pub(crate) fn position(&self) -> usize {
        self.at
    }

    /// Continues at `position`, which must be a character boundary.
    pub(crate) fn jump(&mut self, position: usize) {
        self.at = position.min(self.end);
    }

    /// True inside MySQL's `/*! ... */`.
    pub(crate) fn in_code(&self) -> bool {
        self.code_start.is_some()
    }

    /// The next token; none at the end of the text.
    ///
    /// # Errors
    /// A quote or comment that is not closed.
    pub(crate) fn next_token(&mut self) -> Result<Option<Token>, ScanError> {
        self.skip_blank()?;
        if self.at >= self.end {
            return match self.code_start {
                Some(start) => {
                    Err(ScanError { kind: ScanErrorKind::Comment, span: Span::new(start, start + 2) })
                }
                None => Ok(None),
            };
        }
        let start = self.at;
        let kind = match self.mode.provider {
            Provider::PostgreSql => postgres::token(self)?,
            Provider::MySql => mysql::token(self)?,
            Provider::Sqlite => sqlite::token(self)?,
        };
        Ok(Some(Token { kind, span: Span::new(start, self.at) }))
    }

    /// The token after the last one, without moving; none at the end and where it does not end.
    pub(crate) fn peek(&self) -> Option<Token> {
        let mut ahead = Scanner { directives: Vec::new(), ..*self };
        ahead.next_token().ok().flatten()
    }

    /// The byte `ahead` bytes further on, 0 behind the end.
    fn byte(&self, ahead: usize) -> u8 {
        let at = self.at + ahead;
        if at < self.end { self.bytes[at] } else { 0 }
    }

    fn rest_starts_with(&self, prefix: &[u8]) -> bool {
        self.bytes[self.at..self.end].starts_with(prefix)
    }

    fn skip_blank(&mut self) -> Result<(), ScanError> {
        while self.at < self.end {
            match self.bytes[self.at] {
                b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c => self.at += 1,
                b'-' if self.byte(1) == b'-' && self.dash_comment() => self.line_comment(),
                b'#' if self.mode.provider == Provider::MySql => self.line_comment(),
                b'/' if self.byte(1) == b'*' => {
                    if self.mode.provider == Provider::MySql && mysql::opens_code(self) {
                        return Ok(());
                    }
                    self.block_comment()?;
                }
                _ => return Ok(()),
            }
        }
        Ok(())
    }

    /// MySQL asks for a blank or control character behind `--`: `5--1` is a subtraction there.
    fn dash_comment(&self) -> bool {
        self.mode.provider != Provider::MySql || self.byte(2) <= b' ' || self.byte(2) == 0x7f
    }

    fn line_comment(&mut self) {
        let start = self.at;
        let rest = &self.bytes[start..self.end];
        // PostgreSQL ends a line at a lone CR too.
        let postgres = self.mode.provider == Provider::PostgreSql;
        let length = rest.iter().position(|&byte| byte == b'\n' || (postgres && byte == b'\r'));
        self.at = start + length.unwrap_or(rest.len());
        if crate::directive::looks_like_directive(&self.text[start..self.at]) {
            self.directives.push(Span::new(start, self.at));
        }
    }

    fn block_comment(&mut self) -> Result<(), ScanError> {
        let start = self.at;
        let nests = self.mode.provider == Provider::PostgreSql;
        let mut depth = 1_usize;
        self.at += 2;
        while self.at < self.end {
            match (self.bytes[self.at], self.byte(1)) {
                (b'*', b'/') => {
                    self.at += 2;
                    depth -= 1;
                    if depth == 0 {
                        return Ok(());
                    }
                }
                (b'/', b'*') if nests => {
                    self.at += 2;
                    depth += 1;
                }
                _ => self.at += 1,
            }
        }
        if self.mode.provider == Provider::Sqlite {
            // SQLite takes the end of the text as the end of the comment.
            return Ok(());
        }
        Err(ScanError { kind: ScanErrorKind::Comment, span: Span::new(start, start + 2) })
    }

    /// Reads to behind the closing `quote`, written twice inside; the scanner stands at the opening one.
    fn quoted(&mut self, quote: u8, backslash: bool, error: ScanErrorKind) -> Result<(), ScanError> {
        let start = self.at;
        self.at += 1;
        loop {
            let rest = &self.bytes[self.at.min(self.end)..self.end];
            let Some(length) = rest.iter().position(|&byte| byte == quote || (backslash && byte == b'\\'))
            else {
                return Err(ScanError { kind: error, span: Span::new(start, start + 1) });
            };
            self.at += length;
            if self.bytes[self.at] == b'\\' || self.byte(1) == quote {
                self.at += 2;
            } else {
                self.at += 1;
                return Ok(());
            }
        }
    }

    /// Reads a keyword or name; the scanner stands at its first byte.
    fn word(&mut self) -> TokenKind {
        let rest = &self.bytes[self.at..self.end];
        let length = rest.iter().position(|&byte| !is_word_byte(byte)).unwrap_or(rest.len());
        self.at += length;
        TokenKind::Word
    }

    /// Reads the digits and points of a number. Exponents and hexadecimal digits follow as a word, as
    /// PostgreSQL reads `1E'x'`: a number and an escape string.
    fn number(&mut self) -> TokenKind {
        let rest = &self.bytes[self.at..self.end];
        let length = rest.iter().position(|byte| !matches!(byte, b'0'..=b'9' | b'.')).unwrap_or(rest.len());
        self.at += length.max(1);
        TokenKind::Number
    }

    fn symbol(&mut self) -> TokenKind {
        let byte = self.bytes[self.at];
        self.at += 1;
        TokenKind::Symbol(byte)
    }
}

/// True for the bytes that may start an unquoted name in all dialects.
fn is_word_start(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$') || byte >= 0x80
}
