//! Text from databases and files as Markdown has it, so that nothing in it is markup.

/// Text as code, just as it is: between more backticks than it has side by side.
pub fn code(text: &str) -> String {
    let longest = text.split(|character| character != '`').map(str::len).max().unwrap_or_default();
    let fence = "`".repeat(longest + 1);
    let blank = if longest > 0 { " " } else { "" };
    // A pipe would end the cell also inside of code.
    format!("{fence}{blank}{}{blank}{fence}", text.replace('|', "\\|"))
}

/// Text in which nothing is Markdown.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (at, character) in text.char_indices() {
        match character {
            '|' | '*' | '_' | '`' | '<' | '>' | '[' | ']' | '\\' | '#' | '~' | '$' => {
                out.extend(['\\', character]);
            }
            '&' => out.push_str("&amp;"),
            // No address becomes a link.
            ':' if text[at..].starts_with("://") => out.push_str("&#58;"),
            '.' if out.to_ascii_lowercase().ends_with("www") => out.push_str("&#46;"),
            // Nobody is called by the name of a table.
            '@' => out.push_str("&#64;"),
            character if character.is_control() => out.push(' '),
            character => out.push(character),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{code, escaped};

    #[test]
    fn what_stands_in_names_is_no_markup() {
        assert_eq!(escaped("a|b_c<d>"), "a\\|b\\_c\\<d\\>");
        assert_eq!(escaped("~~a~~ & b"), "\\~\\~a\\~\\~ &amp; b");
        assert_eq!(escaped("http://a www.b c:d a.b"), "http&#58;//a www&#46;b c:d a.b");
    }

    #[test]
    fn statements_stand_there_as_they_are() {
        assert_eq!(code("SELECT 1 | 2"), "`SELECT 1 \\| 2`");
        assert_eq!(code("ALTER TABLE `orders`"), "`` ALTER TABLE `orders` ``");
        assert_eq!(code("SELECT '``'"), "``` SELECT '``' ```");
    }
}
