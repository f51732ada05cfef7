//! Custom settings (`app.tenant`) that a text speaks of, wherever it does: in SET, in `set_config`, in the body of a block or
//! function. A server lists none of them, so that only their names lead to them.

/// The names, in lower case, each as often as it stands in the text. A name that is no setting does no harm to whoever looks for
/// one.
pub fn custom_settings(text: &str) -> Vec<String> {
    let lower = text.to_ascii_lowercase();
    let mut names = Vec::new();
    for (at, _) in lower.match_indices("set") {
        let before = lower[..at].chars().next_back();
        if before.is_some_and(|character| character.is_alphanumeric() || character == '_') {
            continue;
        }
        let rest = &lower[at + 3..];
        let name = match rest.strip_prefix("_config") {
            Some(rest) => rest
                .trim_start()
                .strip_prefix('(')
                .map(|rest| rest.trim_start_matches([' ', '\t', '\n', '\r', '\'', 'e'])),
            None => rest.strip_prefix([' ', '\t', '\n', '\r']).map(|rest| {
                let rest = rest.trim_start();
                ["session ", "local "]
                    .iter()
                    .find_map(|word| rest.strip_prefix(word))
                    .unwrap_or(rest)
                    .trim_start()
            }),
        };
        let Some(name) = name else { continue };
        let end = name
            .find(|character: char| !(character.is_alphanumeric() || matches!(character, '_' | '.' | '$')))
            .unwrap_or(name.len());
        let name = name[..end].trim_end_matches('.');
        if name.contains('.') && !name.starts_with('.') {
            names.push(name.to_owned());
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::custom_settings;

    #[test]
    fn names_are_found_wherever_they_are_spoken_of() {
        for (text, names) in [
            ("SET app.tenant = 'x'", &["app.tenant"][..]),
            ("SET SESSION App.Tenant TO 'x'; set local b.c.d = 1", &["app.tenant", "b.c.d"]),
            ("SELECT pg_catalog.set_config('app.user', 'x', false)", &["app.user"]),
            (
                "DO $$ BEGIN PERFORM set_config ( ''app.user'', 'x', false); SET my.x = 1; END $$",
                &["app.user", "my.x"],
            ),
            ("SET search_path = app; RESET x.y; UPDATE reset SET a = 1", &[]),
        ] {
            assert_eq!(custom_settings(text), names, "{text}");
        }
    }
}
