//! MySQL's and MariaDB's tokens.

use super::{ScanError, ScanErrorKind, Scanner, TokenKind, is_word_byte};

/// From this version on, `/*!` holds text that no server runs (MariaDB's dump writes `/*!999999\- ...`).
const NO_SERVER: u32 = 99_000;

pub(super) fn token(scanner: &mut Scanner<'_>) -> Result<TokenKind, ScanError> {
    let backslash = !scanner.mode.no_backslash_escapes;
    match (scanner.byte(0), scanner.byte(1)) {
        (b'\'', _) => {
            scanner.quoted(b'\'', backslash, ScanErrorKind::String)?;
            Ok(TokenKind::String)
        }
        (b'"', _) if scanner.mode.ansi_quotes => quoted_name(scanner, b'"'),
        (b'"', _) => {
            scanner.quoted(b'"', backslash, ScanErrorKind::String)?;
            Ok(TokenKind::String)
        }
        (b'`', _) => quoted_name(scanner, b'`'),
        (b'/', b'*') => Ok(open_code(scanner)),
        (b'*', b'/') if scanner.in_code() => {
            scanner.at += 2;
            scanner.code_start = None;
            Ok(TokenKind::CodeClose)
        }
        (b'0'..=b'9', _) | (b'.', b'0'..=b'9') => Ok(scanner.number()),
        (byte, _) if is_word_byte(byte) => Ok(scanner.word()),
        _ => Ok(scanner.symbol()),
    }
}

fn quoted_name(scanner: &mut Scanner<'_>, quote: u8) -> Result<TokenKind, ScanError> {
    scanner.quoted(quote, false, ScanErrorKind::Identifier)?;
    Ok(TokenKind::QuotedName)
}

/// True where the scanner stands at a comment whose content the server runs.
pub(super) fn opens_code(scanner: &Scanner<'_>) -> bool {
    let Some(digits) = code_mark(scanner) else { return false };
    let version = scanner.bytes[scanner.at + digits..scanner.end]
        .iter()
        .take(6)
        .take_while(|byte| byte.is_ascii_digit())
        .fold(0_u32, |version, &digit| version * 10 + u32::from(digit - b'0'));
    // Five digits are MySQL's form, six MariaDB's and MySQL 8's: 100100 is a real version.
    let imaginary = (NO_SERVER..100_000).contains(&version) || version >= 990_000;
    !imaginary && !scanner.in_code()
}

/// The length of `/*!` or `/*M!` where the scanner stands at one.
fn code_mark(scanner: &Scanner<'_>) -> Option<usize> {
    if scanner.rest_starts_with(b"/*!") {
        Some(3)
    } else if scanner.rest_starts_with(b"/*M!") {
        Some(4)
    } else {
        None
    }
}

fn open_code(scanner: &mut Scanner<'_>) -> TokenKind {
    let mark = code_mark(scanner).unwrap_or(2);
    scanner.code_start = Some(scanner.at);
    scanner.at += mark;
    let digits =
        scanner.bytes[scanner.at..scanner.end].iter().take(6).take_while(|byte| byte.is_ascii_digit());
    scanner.at += digits.count();
    TokenKind::CodeOpen
}
