//! Names in commands that a person may copy into a shell.

use std::borrow::Cow;

/// The text as one word of a shell: as it is, or in quotes.
pub fn shell_word(text: &str) -> Cow<'_, str> {
    let plain = |character: char| character.is_alphanumeric() || "_-./:@%+=,".contains(character);
    if !text.is_empty() && text.chars().all(plain) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(format!("'{}'", text.replace('\'', r"'\''")))
}

#[cfg(test)]
mod tests {
    use super::shell_word;

    #[test]
    fn what_a_shell_would_read_is_quoted() {
        assert_eq!(shell_word("20240101_größe"), "20240101_größe");
        assert_eq!(shell_word("1_it's a; rm -rf x"), r"'1_it'\''s a; rm -rf x'");
        assert_eq!(shell_word(""), "''");
    }
}
