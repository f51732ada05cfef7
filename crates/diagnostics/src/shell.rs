//! Foreign text in what a person reads on a terminal, and may copy into a shell.

use std::borrow::Cow;

/// The text as one word of a shell: as it is, or in quotes.
pub fn shell_word(text: &str) -> Cow<'_, str> {
    let plain = |character: char| character.is_alphanumeric() || "_-./:@%+=,".contains(character);
    if !text.is_empty() && text.chars().all(plain) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("'{}'", text.replace('\'', r"'\''")))
}

/// Text of a script as one line: what steers a terminal is shown, not carried out.
pub fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if !line.is_empty() {
            line.push(' ');
        }
        line.extend(word.chars().map(|character| if steers(character) { SHOWN } else { character }));
    }
    line
}

/// Text with its line breaks and tabs: what else steers a terminal is shown, not carried out.
pub fn harmless(text: &str) -> Cow<'_, str> {
    let foreign = |character: char| steers(character) && character != '\n' && character != '\t';
    if !text.contains(foreign) {
        return Cow::Borrowed(text);
    }
    // Windows ends its lines so.
    let text = text.replace("\r\n", "\n");
    Cow::Owned(text.chars().map(|character| if foreign(character) { SHOWN } else { character }).collect())
}

/// What stands for a character that is not written.
const SHOWN: char = char::REPLACEMENT_CHARACTER;

/// Whether a character moves the cursor, changes colours, or turns the order of those beside it around.
fn steers(character: char) -> bool {
    let turns = matches!(character, '\u{200e}' | '\u{200f}' | '\u{61c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    // Lines that a terminal may break where a parser of lines does not.
    let breaks = matches!(character, '\u{2028}' | '\u{2029}');
    character.is_control() || turns || breaks
}

#[cfg(test)]
mod tests {
    use super::{harmless, one_line, shell_word};

    #[test]
    fn what_steers_a_terminal_is_shown() {
        assert_eq!(one_line(" SELECT\n  '\x1b[2J';\t"), "SELECT '\u{fffd}[2J';");
        for turns in ["\u{202a}", "\u{202e}", "\u{2066}", "\u{2069}", "\u{200e}", "\u{200f}"] {
            assert_eq!(one_line(&format!("a{turns}b")), "a\u{fffd}b");
            assert_eq!(harmless(&format!("a{turns}b")), "a\u{fffd}b");
        }
        assert_eq!(harmless("a\x1b[1A\r\n\tb\rc\u{9b}2K"), "a\u{fffd}[1A\n\tb\u{fffd}c\u{fffd}2K");
        assert_eq!(harmless("größe\n\t😀"), "größe\n\t😀");
    }

    #[test]
    fn what_a_shell_would_read_is_quoted() {
        assert_eq!(shell_word("20240101_größe"), "20240101_größe");
        assert_eq!(shell_word("1_it's a; rm -rf x"), r"'1_it'\''s a; rm -rf x'");
        assert_eq!(shell_word(""), "''");
    }
}
