//! Text to tokens. Every byte ends up in exactly one token; nothing is an error yet.

use crate::syntax::SyntaxKind::{self, *};

/// A token: what it is, and its length in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) kind: SyntaxKind,
    pub(crate) length: usize,
}

/// Cuts a text into tokens.
pub(crate) fn tokens(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let token = next(rest);
        rest = &rest[token.length..];
        tokens.push(token);
    }
    tokens
}

/// The text for people: what stands behind `://` in a string may hold a password and becomes asterisks, one
/// for each byte, so that every place stays where it is.
pub(crate) fn masked(text: &str, tokens: &[Token]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    for token in tokens {
        let (piece, after) = rest.split_at(token.length);
        rest = after;
        match piece.find("://") {
            Some(at) if matches!(token.kind, STRING | UNTERMINATED_STRING) => {
                let (scheme, secret) = piece.split_at(at + 3);
                let quote = if token.kind == STRING { "\"" } else { "" };
                out.push_str(scheme);
                out.push_str(&"*".repeat(secret.len() - quote.len()));
                out.push_str(quote);
            }
            _ => out.push_str(piece),
        }
    }
    out
}

/// The first token of a text that is not empty.
fn next(text: &str) -> Token {
    let token = |kind, length| Token { kind, length };
    let run = |belongs: &dyn Fn(char) -> bool| text.find(|next| !belongs(next)).unwrap_or(text.len());
    let Some(first) = text.chars().next() else { return token(END, 0) };
    match first {
        '\n' => token(NEWLINE, 1),
        '\r' if text.starts_with("\r\n") => token(NEWLINE, 2),
        '"' => string(text),
        '/' => comment(text),
        '@' if text.starts_with("@@") => token(AT_AT, 2),
        '-' | '0'..='9' => number(text),
        _ if is_name_start(first) => token(IDENTIFIER, run(&is_name)),
        _ if is_blank(first) => token(WHITESPACE, run(&is_blank)),
        _ => token(punctuation(first), first.len_utf8()),
    }
}

fn is_blank(character: char) -> bool {
    // A byte order mark is invisible in editors; one at the start must not spoil the first line.
    character != '\n' && character != '\r' && (character.is_whitespace() || character == '\u{feff}')
}

fn is_name_start(character: char) -> bool {
    character.is_alphabetic() || character == '_'
}

fn is_name(character: char) -> bool {
    character.is_alphanumeric() || character == '_' || character == '-'
}

fn punctuation(character: char) -> SyntaxKind {
    match character {
        '{' => LEFT_BRACE,
        '}' => RIGHT_BRACE,
        '(' => LEFT_PARENTHESIS,
        ')' => RIGHT_PARENTHESIS,
        '[' => LEFT_BRACKET,
        ']' => RIGHT_BRACKET,
        '@' => AT,
        '=' => EQUALS,
        ':' => COLON,
        ',' => COMMA,
        '.' => DOT,
        '?' => QUESTION_MARK,
        '!' => EXCLAMATION_MARK,
        _ => UNKNOWN,
    }
}

/// The length of the line that a text begins with, without its end.
fn line(text: &str) -> usize {
    let end = text.find('\n').unwrap_or(text.len());
    if text[..end].ends_with('\r') { end - 1 } else { end }
}

fn comment(text: &str) -> Token {
    if text.starts_with("///") {
        Token { kind: DOC_COMMENT, length: line(text) }
    } else if text.starts_with("//") {
        Token { kind: COMMENT, length: line(text) }
    } else if let Some(inner) = text.strip_prefix("/*") {
        match inner.find("*/") {
            Some(end) => Token { kind: BLOCK_COMMENT, length: end + 4 },
            None => Token { kind: UNTERMINATED_COMMENT, length: text.len() },
        }
    } else {
        Token { kind: UNKNOWN, length: 1 }
    }
}

fn string(text: &str) -> Token {
    let limit = line(text);
    let mut escaped = false;
    for (at, character) in text[..limit].char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Token { kind: STRING, length: at + 1 },
            _ => {}
        }
    }
    Token { kind: UNTERMINATED_STRING, length: limit }
}

fn number(text: &str) -> Token {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let sign = usize::from(text.starts_with('-'));
    let whole = digits(&text[sign..]);
    if whole == 0 {
        return Token { kind: UNKNOWN, length: 1 };
    }
    let length = sign + whole;
    let fraction = text[length..].strip_prefix('.').map_or(0, digits);
    Token { kind: NUMBER, length: if fraction == 0 { length } else { length + 1 + fraction } }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<(SyntaxKind, &str)> {
        let mut at = 0;
        tokens(text)
            .into_iter()
            .map(|token| {
                at += token.length;
                (token.kind, &text[at - token.length..at])
            })
            .collect()
    }

    #[test]
    fn a_field_line() {
        assert_eq!(
            kinds("id\tInt? @id//x\r\n"),
            [
                (IDENTIFIER, "id"),
                (WHITESPACE, "\t"),
                (IDENTIFIER, "Int"),
                (QUESTION_MARK, "?"),
                (WHITESPACE, " "),
                (AT, "@"),
                (IDENTIFIER, "id"),
                (COMMENT, "//x"),
                (NEWLINE, "\r\n"),
            ]
        );
    }

    #[test]
    fn strings_end_at_their_quote_or_at_the_line() {
        assert_eq!(kinds(r#""a\"b//c""#), [(STRING, r#""a\"b//c""#)]);
        assert_eq!(kinds("\"a\\\\\"b"), [(STRING, "\"a\\\\\""), (IDENTIFIER, "b")]);
        assert_eq!(kinds("\"a\r\nb"), [(UNTERMINATED_STRING, "\"a"), (NEWLINE, "\r\n"), (IDENTIFIER, "b")]);
        assert_eq!(kinds("\"a\\"), [(UNTERMINATED_STRING, "\"a\\")]);
    }

    #[test]
    fn comments() {
        assert_eq!(
            kinds("/// doc\n/* a\n */ / /*"),
            [
                (DOC_COMMENT, "/// doc"),
                (NEWLINE, "\n"),
                (BLOCK_COMMENT, "/* a\n */"),
                (WHITESPACE, " "),
                (UNKNOWN, "/"),
                (WHITESPACE, " "),
                (UNTERMINATED_COMMENT, "/*"),
            ]
        );
        // The asterisk of the opening does not close it.
        assert_eq!(kinds("/*/"), [(UNTERMINATED_COMMENT, "/*/")]);
    }

    #[test]
    fn numbers() {
        assert_eq!(kinds("-1.5"), [(NUMBER, "-1.5")]);
        assert_eq!(kinds("1.x"), [(NUMBER, "1"), (DOT, "."), (IDENTIFIER, "x")]);
        assert_eq!(kinds("-x"), [(UNKNOWN, "-"), (IDENTIFIER, "x")]);
    }
}
