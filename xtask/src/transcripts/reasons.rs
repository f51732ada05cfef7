//! Commands of the reference that are not replayed, and why.

/// The beginning of a command's arguments, and the reason.
const NOT_REPLAYED: [(&str, &str); 8] = [
    ("migrate dev", "cutover does not have `migrate dev` yet"),
    ("migrate reset", "cutover does not have `migrate reset` yet"),
    ("migrate diff", "cutover does not have `migrate diff` yet"),
    ("db push", "cutover does not have `db push` yet"),
    ("db pull", "cutover does not have `db pull` yet"),
    ("db execute", "cutover does not have `db execute` yet"),
    ("db seed", "cutover does not have `db seed` yet"),
    ("--version", "the version is cutover's own"),
];

/// Why a command is not replayed; `None` for those that have to be.
pub(super) fn not_replayed(arguments: &str) -> Option<&'static str> {
    let known = NOT_REPLAYED.iter().find(|(start, _)| {
        arguments.strip_prefix(start).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
    });
    known.map(|(_, reason)| *reason)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cutover_has_must_be_replayed() {
        assert_eq!(not_replayed("migrate deploy"), None);
        assert_eq!(not_replayed("migrate development"), None);
        assert!(not_replayed("migrate dev --name x").is_some());
    }
}
