//! A cursor over tokens, for reading the few forms that matter without a grammar.

use crate::action::Name;
use crate::scanner::{Token, TokenKind};
use diagnostics::{Provider, Span};

/// Tokens of one statement and a position among them.
#[derive(Clone)]
pub(crate) struct Words<'t> {
    text: &'t str,
    tokens: &'t [Token],
    at: usize,
    provider: Provider,
}

impl<'t> Words<'t> {
    /// A cursor at the first of `tokens`, which are tokens of `text`.
    pub(crate) fn new(text: &'t str, tokens: &'t [Token], provider: Provider) -> Self {
        Self { text, tokens, at: 0, provider }
    }

    pub(crate) fn provider(&self) -> Provider {
        self.provider
    }

    pub(crate) fn text(&self) -> &'t str {
        self.text
    }

    /// The token `ahead` tokens further on.
    pub(crate) fn look(&self, ahead: usize) -> Option<Token> {
        self.tokens.get(self.at + ahead).copied()
    }

    /// The token before the next one.
    pub(crate) fn previous(&self) -> Option<Token> {
        self.at.checked_sub(1).and_then(|at| self.tokens.get(at)).copied()
    }

    /// True at the end, a closing `;` counts as one.
    pub(crate) fn is_done(&self) -> bool {
        self.look(0).is_none_or(|token| token.is_symbol(b';'))
    }

    /// Moves behind the next token and returns it.
    pub(crate) fn advance(&mut self) -> Option<Token> {
        let token = self.look(0)?;
        self.at += 1;
        Some(token)
    }

    /// True if the next token is the word `word` (upper case).
    pub(crate) fn at_word(&self, word: &str) -> bool {
        self.look(0).is_some_and(|token| token.is_word(self.text, word))
    }

    /// Moves behind `word` if it is next.
    pub(crate) fn take(&mut self, word: &str) -> bool {
        let found = self.at_word(word);
        self.at += usize::from(found);
        found
    }

    /// Moves behind all of `words` if they are next, in this order; else stays.
    pub(crate) fn take_all(&mut self, words: &[&str]) -> bool {
        let found = words
            .iter()
            .enumerate()
            .all(|(ahead, word)| self.look(ahead).is_some_and(|token| token.is_word(self.text, word)));
        self.at += if found { words.len() } else { 0 };
        found
    }

    /// Moves behind the next word if it is one of `words`, and returns that one.
    pub(crate) fn take_any(&mut self, words: &[&'static str]) -> Option<&'static str> {
        words.iter().find(|word| self.take(word)).copied()
    }

    /// Moves behind the symbol `byte` if it is next.
    pub(crate) fn symbol(&mut self, byte: u8) -> bool {
        let found = self.look(0).is_some_and(|token| token.is_symbol(byte));
        self.at += usize::from(found);
        found
    }

    /// Moves to behind the next `word` outside parentheses; false, and at the end, if there is none.
    pub(crate) fn skip_to(&mut self, word: &str) -> bool {
        while self.look(0).is_some() {
            if self.take(word) {
                return true;
            }
            self.skip_one();
        }
        false
    }

    /// Moves behind the next token, or behind the matching `)` if it is a `(`.
    pub(crate) fn skip_one(&mut self) {
        let mut depth = 0_usize;
        while let Some(token) = self.advance() {
            if token.is_symbol(b'(') {
                depth += 1;
            } else if token.is_symbol(b')') {
                depth = depth.saturating_sub(1);
            }
            if depth == 0 {
                return;
            }
        }
    }

    /// `IF EXISTS`.
    pub(crate) fn if_exists(&mut self) -> bool {
        self.take_all(&["IF", "EXISTS"])
    }

    /// `IF NOT EXISTS`.
    pub(crate) fn if_not_exists(&mut self) -> bool {
        self.take_all(&["IF", "NOT", "EXISTS"])
    }

    /// One part of a name, as the catalogue holds it.
    pub(crate) fn part(&mut self) -> Option<String> {
        let token = self.look(0)?;
        let raw = token.span.slice(self.text);
        let part = match token.kind {
            TokenKind::Word if self.provider == Provider::PostgreSql => raw.to_ascii_lowercase(),
            TokenKind::Word => raw.to_owned(),
            TokenKind::QuotedName => unquote_name(raw),
            // SQLite takes a string where only a name can stand.
            TokenKind::String if self.provider == Provider::Sqlite => unquote_name(raw),
            _ => return None,
        };
        self.at += 1;
        Some(part)
    }

    /// A name with an optional qualifier; of three parts the last two count.
    pub(crate) fn name(&mut self) -> Option<Name> {
        let mut name = Name { schema: None, name: self.part()? };
        while self.look(0).is_some_and(|token| token.is_symbol(b'.')) {
            self.at += 1;
            let part = self.part()?;
            name = Name { schema: Some(name.name), name: part };
        }
        Some(name)
    }

    /// Names separated by commas.
    pub(crate) fn names(&mut self) -> Vec<Name> {
        let mut names = Vec::new();
        while let Some(name) = self.name() {
            names.push(name);
            if !self.symbol(b',') {
                break;
            }
        }
        names
    }

    /// A string literal's value, where it is one without computation.
    pub(crate) fn string(&mut self) -> Option<String> {
        let token = self.look(0).filter(|token| token.kind == TokenKind::String)?;
        let value = unquote_string(token.span.slice(self.text))?;
        self.at += 1;
        Some(value)
    }

    /// The text from `first` to the last token that was read.
    pub(crate) fn span_from(&self, first: Token) -> Span {
        let end = self.previous().map_or(first.span.end, |token| token.span.end);
        Span::new(first.span.start, end.max(first.span.start))
    }
}

/// The content of a quoted name.
pub(crate) fn unquote_name(raw: &str) -> String {
    if let Some(body) = raw.get(..2).filter(|prefix| prefix.eq_ignore_ascii_case("u&")).map(|_| &raw[2..]) {
        return unicode_escapes(&unquote_name(body));
    }
    match raw.as_bytes().first() {
        Some(b'[') => raw[1..].trim_end_matches(']').to_owned(),
        Some(&quote) if raw.len() >= 2 => {
            let quote = char::from(quote);
            let doubled: String = [quote, quote].iter().collect();
            raw[1..raw.len() - 1].replace(&doubled, &quote.to_string())
        }
        _ => raw.to_owned(),
    }
}

/// Resolves `\XXXX` and `\+XXXXXX`, with the escape character that applies without UESCAPE.
fn unicode_escapes(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        result.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(behind) = rest.strip_prefix('\\') {
            result.push('\\');
            rest = behind;
            continue;
        }
        let (skip, digits) = if rest.starts_with('+') { (1, 6) } else { (0, 4) };
        let character = rest
            .get(skip..skip + digits)
            .and_then(|hex| u32::from_str_radix(hex, 16).ok())
            .and_then(char::from_u32);
        match character {
            Some(character) => {
                result.push(character);
                rest = &rest[skip + digits..];
            }
            None => result.push('\\'),
        }
    }
    result + rest
}

/// The value of a plain or dollar-quoted string; none for a form that needs more than un-doubling.
pub(crate) fn unquote_string(raw: &str) -> Option<String> {
    if let Some(rest) = raw.strip_prefix('$') {
        let tag = rest.find('$')? + 2;
        return raw.get(tag..raw.len() - tag).map(str::to_owned);
    }
    let body = raw.strip_prefix(['E', 'e']).unwrap_or(raw);
    let quote = body.chars().next().filter(|&quote| quote == '\'' || quote == '"')?;
    let inner = body[1..].strip_suffix(quote)?;
    let doubled: String = [quote, quote].iter().collect();
    let continued = raw.contains('\n') && inner.replace(&doubled, "").contains(quote);
    (!inner.contains('\\') && !continued).then(|| inner.replace(&doubled, &quote.to_string()))
}
