//! SQLite's tokens.

use super::{ScanError, ScanErrorKind, Scanner, TokenKind, is_word_start};

pub(super) fn token(scanner: &mut Scanner<'_>) -> Result<TokenKind, ScanError> {
    match (scanner.byte(0), scanner.byte(1)) {
        (b'\'', _) => {
            scanner.quoted(b'\'', false, ScanErrorKind::String)?;
            Ok(TokenKind::String)
        }
        (quote @ (b'"' | b'`'), _) => {
            scanner.quoted(quote, false, ScanErrorKind::Identifier)?;
            Ok(TokenKind::QuotedName)
        }
        (b'[', _) => bracketed(scanner),
        (b'0'..=b'9', _) | (b'.', b'0'..=b'9') => Ok(scanner.number()),
        (byte, _) if is_word_start(byte) => Ok(scanner.word()),
        _ => Ok(scanner.symbol()),
    }
}

/// `[name]`: ends at the first `]`, there is no way to write one inside.
fn bracketed(scanner: &mut Scanner<'_>) -> Result<TokenKind, ScanError> {
    let start = scanner.at;
    match scanner.text[start..scanner.end].find(']') {
        Some(length) => {
            scanner.at = start + length + 1;
            Ok(TokenKind::QuotedName)
        }
        None => {
            Err(ScanError { kind: ScanErrorKind::Identifier, span: diagnostics::Span::new(start, start + 1) })
        }
    }
}
