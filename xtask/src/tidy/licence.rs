//! Reading licence expressions (SPDX): whether a package may be used under licences that we accept.

/// Licences that ask for nothing but their text to be passed on.
const ACCEPTED: [&str; 13] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Zlib",
];

/// Whether `expression` can be satisfied with accepted licences alone. Text that is not an expression
/// cannot.
pub(crate) fn is_accepted(expression: &str) -> bool {
    // The older spelling of OR.
    let text = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = text.split_whitespace().collect();
    let mut rest = words.as_slice();
    let accepted = either(&mut rest);
    accepted == Some(true) && rest.is_empty()
}

/// `a OR b`; binds weaker than AND.
fn either(words: &mut &[&str]) -> Option<bool> {
    let mut accepted = both(words)?;
    while take(words, "OR") {
        let other = both(words)?;
        accepted |= other;
    }
    Some(accepted)
}

/// `a AND b`.
fn both(words: &mut &[&str]) -> Option<bool> {
    let mut accepted = one(words)?;
    while take(words, "AND") {
        let other = one(words)?;
        accepted &= other;
    }
    Some(accepted)
}

/// A licence, perhaps with an exception, or an expression in brackets.
fn one(words: &mut &[&str]) -> Option<bool> {
    if take(words, "(") {
        let inner = either(words)?;
        return take(words, ")").then_some(inner);
    }
    let (name, rest) = words.split_first()?;
    *words = rest;
    let mut name = (*name).to_owned();
    if take(words, "WITH") {
        let (exception, rest) = words.split_first()?;
        *words = rest;
        name = format!("{name} WITH {exception}");
    }
    Some(ACCEPTED.contains(&name.as_str()))
}

fn take(words: &mut &[&str], word: &str) -> bool {
    match words.split_first() {
        Some((first, rest)) if *first == word => {
            *words = rest;
            true
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_accepted_alternative_is_enough_and_every_part_of_and_is_needed() {
        for accepted in [
            "MIT",
            "MIT OR GPL-3.0-only",
            "MIT/Apache-2.0",
            "Apache-2.0 AND ISC",
            "(MIT OR Apache-2.0) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT",
        ] {
            assert!(is_accepted(accepted), "{accepted}");
        }
        for refused in [
            "GPL-3.0-only",
            "MIT AND GPL-3.0-only",
            "",
            "MIT OR",
            "(MIT",
            "MIT MIT",
            "GPL-2.0 WITH LLVM-exception",
        ] {
            assert!(!is_accepted(refused), "{refused}");
        }
    }
}
