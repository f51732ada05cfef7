//! PostgreSQL's tokens.

use super::{ScanError, ScanErrorKind, Scanner, TokenKind, is_word_start};
use diagnostics::Span;

pub(super) fn token(scanner: &mut Scanner<'_>) -> Result<TokenKind, ScanError> {
    match (scanner.byte(0), scanner.byte(1)) {
        (b'\'', _) => string(scanner, 0, !scanner.mode.standard_conforming_strings),
        (b'"', _) => quoted_name(scanner, 0),
        (b'E' | b'e', b'\'') => string(scanner, 1, true),
        // Bit strings never have escapes.
        (b'B' | b'b' | b'X' | b'x', b'\'') => string(scanner, 1, false),
        (b'N' | b'n', b'\'') => string(scanner, 1, !scanner.mode.standard_conforming_strings),
        (b'U' | b'u', b'&') if scanner.byte(2) == b'\'' => string(scanner, 2, false),
        (b'U' | b'u', b'&') if scanner.byte(2) == b'"' => quoted_name(scanner, 2),
        (b'$', b'0'..=b'9') => {
            scanner.at += 1;
            Ok(scanner.number())
        }
        (b'$', _) => dollar(scanner),
        (b'0'..=b'9', _) | (b'.', b'0'..=b'9') => Ok(scanner.number()),
        (byte, _) if is_word_start(byte) => Ok(scanner.word()),
        _ => Ok(scanner.symbol()),
    }
}

fn quoted_name(scanner: &mut Scanner<'_>, prefix: usize) -> Result<TokenKind, ScanError> {
    scanner.at += prefix;
    scanner.quoted(b'"', false, ScanErrorKind::Identifier)?;
    Ok(TokenKind::QuotedName)
}

fn string(scanner: &mut Scanner<'_>, prefix: usize, backslash: bool) -> Result<TokenKind, ScanError> {
    scanner.at += prefix;
    scanner.quoted(b'\'', backslash, ScanErrorKind::String)?;
    while let Some(next) = continuation(scanner) {
        scanner.at = next;
        scanner.quoted(b'\'', backslash, ScanErrorKind::String)?;
    }
    Ok(TokenKind::String)
}

/// Where the literal goes on: SQL lets a string continue behind a line break, and the continuation keeps
/// the rules of the first part (`E'a'⏎'b\'c'`).
fn continuation(scanner: &Scanner<'_>) -> Option<usize> {
    let bytes = &scanner.bytes[..scanner.end];
    let mut at = scanner.at;
    let mut line_break = false;
    loop {
        match bytes.get(at)? {
            b'\n' | b'\r' => {
                line_break = true;
                at += 1;
            }
            b' ' | b'\t' | 0x0b | 0x0c => at += 1,
            b'-' if bytes.get(at + 1) == Some(&b'-') => {
                at += bytes[at..].iter().position(|byte| matches!(byte, b'\n' | b'\r'))?;
            }
            b'\'' if line_break => return Some(at),
            _ => return None,
        }
    }
}

/// `$tag$ ... $tag$`, or the symbol `$`.
fn dollar(scanner: &mut Scanner<'_>) -> Result<TokenKind, ScanError> {
    let start = scanner.at;
    let rest = &scanner.bytes[start + 1..scanner.end];
    let tag = rest
        .iter()
        .position(|&byte| !(byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80))
        .filter(|&length| rest[length] == b'$' && (length == 0 || is_word_start(rest[0])));
    let Some(length) = tag else { return Ok(scanner.symbol()) };
    let opening = Span::new(start, start + length + 2);
    let delimiter = opening.slice(scanner.text);
    match scanner.text[opening.end..scanner.end].find(delimiter) {
        Some(body) => {
            scanner.at = opening.end + body + delimiter.len();
            Ok(TokenKind::String)
        }
        None => Err(ScanError { kind: ScanErrorKind::DollarQuote, span: opening }),
    }
}
