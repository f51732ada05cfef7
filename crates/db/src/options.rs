//! The start-up options of a PostgreSQL URL (`options=-c lock_timeout=5s`), read as the server reads them: for poolers that
//! refuse them, behind which they are said by statements.

use crate::history::quote_identifier;

/// Reads `-c name=value`, `-cname=value` and `--name=value`.
///
/// # Errors
/// The first word that is none of these: it has no form as a statement.
pub fn settings(options: &str) -> Result<Vec<(String, String)>, String> {
    let mut words = words(options).into_iter();
    let mut found = Vec::new();
    while let Some(word) = words.next() {
        let setting = match (word.as_str(), word.strip_prefix("--"), word.strip_prefix("-c")) {
            ("-c", ..) => words.next(),
            (_, Some(long), _) => Some(long.to_owned()),
            (_, None, short) => short.map(str::to_owned),
        };
        let pair = setting.as_deref().and_then(|setting| setting.split_once('='));
        let Some((name, value)) = pair.filter(|(name, _)| !name.is_empty()) else { return Err(word) };
        found.push((name.replace('-', "_"), value.to_owned()));
    }
    Ok(found)
}

/// The same as a statement each.
pub fn statement(local: bool, name: &str, value: &str) -> String {
    let scope = if local { "SET LOCAL" } else { "SET" };
    // `app.tenant` is two names.
    let name = name.split('.').map(quote_identifier).collect::<Vec<_>>().join(".");
    format!("{scope} {name} = {}", literal(value))
}

/// SET takes no expression. An escape string means the same whatever the session's settings are.
pub(crate) fn literal(text: &str) -> String {
    format!("E'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

/// White space separates words, and a backslash takes the next character as it is.
fn words(options: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut characters = options.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => word.get_or_insert_default().extend(characters.next()),
            space if space.is_ascii_whitespace() => words.extend(word.take()),
            other => word.get_or_insert_default().push(other),
        }
    }
    words.extend(word);
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_as_the_server_reads_them() {
        let read = |text: &str| settings(text).unwrap();
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(read("-c lock_timeout=5s"), [pair("lock_timeout", "5s")]);
        assert_eq!(
            read("-cwork_mem=1MB  --statement-timeout=10s"),
            [pair("work_mem", "1MB"), pair("statement_timeout", "10s")]
        );
        assert_eq!(read(r"-c app.name=a\ b\\c"), [pair("app.name", r"a b\c")]);
        assert_eq!(read(""), []);
        assert_eq!(settings("-c a=1 -S 5"), Err("-S".to_owned()));
        assert_eq!(settings("-c lock_timeout"), Err("-c".to_owned()));
    }

    #[test]
    fn a_setting_becomes_a_statement() {
        assert_eq!(statement(true, "lock_timeout", "5s"), r#"SET LOCAL "lock_timeout" = E'5s'"#);
        assert_eq!(statement(false, "app.name", "o'k"), r#"SET "app"."name" = E'o''k'"#);
    }
}
