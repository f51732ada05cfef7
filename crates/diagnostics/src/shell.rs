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
        line.extend(word.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::{one_line, shell_word};

    #[test]
    fn what_steers_a_terminal_is_shown() {
        assert_eq!(one_line(" SELECT\n  '\x1b[2J';\t"), "SELECT '\u{fffd}[2J';");
    }

    #[test]
    fn what_a_shell_would_read_is_quoted() {
        assert_eq!(shell_word("20240101_größe"), "20240101_größe");
        assert_eq!(shell_word("1_it's a; rm -rf x"), r"'1_it'\''s a; rm -rf x'");
        assert_eq!(shell_word(""), "''");
    }
}
