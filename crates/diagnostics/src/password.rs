//! Passwords in SQL: what stands behind PASSWORD and IDENTIFIED BY is shown nowhere.

use super::secret::MASK;

/// So many characters may stand between the word and the literal: `FOR 'app'@'%' =`, `WITH mysql_native_password BY`.
const BETWEEN: usize = 120;

/// The text without the passwords of its SQL statements and connection strings.
pub(crate) fn mask(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let mut out = String::with_capacity(text.len());
    let mut from = 0;
    while let Some((word, behind)) = next_word(&lower, from) {
        // In quotes it is the name of a column.
        let quoted = lower[..behind - word.len()].ends_with(['"', '`', '\'']);
        let found = match word {
            _ if quoted => None,
            "password" => behind_password(&lower, behind),
            _ => behind_identified(&lower, behind),
        };
        match found {
            Some((start, end)) => {
                out.push_str(&text[from..start]);
                out.push_str(MASK);
                from = end;
            }
            None => {
                out.push_str(&text[from..behind]);
                from = behind;
            }
        }
    }
    out.push_str(&text[from..]);
    out
}

/// The next of the words, and where it ends.
fn next_word(lower: &str, from: usize) -> Option<(&'static str, usize)> {
    ["password", "identified"]
        .into_iter()
        .filter_map(|word| lower[from..].find(word).map(|at| (word, from + at + word.len())))
        .min_by_key(|(_, behind)| *behind)
}

/// The literal behind PASSWORD, with `=`, `(`, a name or nothing between; or the value of a connection string.
fn behind_password(lower: &str, behind: usize) -> Option<(usize, usize)> {
    // `'reset_password'`: the quote ends the text in which the word stands.
    if lower[behind..].starts_with('\'') && is_within_text(&lower[..behind]) {
        return None;
    }
    let mut at = skip(lower, behind, |c| c.is_whitespace() || c == ':');
    if lower[at..].starts_with("for ") {
        // SET PASSWORD FOR 'app'@'%' = '...'
        at += lower[at..].find('=').filter(|equals| *equals < BETWEEN)?;
    }
    let equals = lower[at..].starts_with('=');
    at = skip(lower, at, |c| c.is_whitespace() || c == '=' || c == '(');
    if let Some(rest) = lower[at..].strip_prefix("password") {
        // SET PASSWORD = PASSWORD('...')
        return behind_password(lower, lower.len() - rest.len());
    }
    literal(lower, at).or_else(|| {
        let end = skip(lower, at, |c| !c.is_whitespace() && !"'\"&;,)\\".contains(c));
        (equals && end > at && !lower[at..end].starts_with("null")).then_some((at, end))
    })
}

/// Whether a text in quotes has begun and not ended. Those of names do not count.
fn is_within_text(before: &str) -> bool {
    before.bytes().filter(|byte| *byte == b'\'').count() % 2 == 1
}

/// The literal behind IDENTIFIED, with BY, AS, USING, PASSWORD and a plugin between.
fn behind_identified(lower: &str, behind: usize) -> Option<(usize, usize)> {
    let mut at = behind;
    loop {
        at = skip(lower, at, char::is_whitespace);
        if let Some(found) = literal(lower, at) {
            return Some(found);
        }
        let end = skip(lower, at, |c| c.is_alphanumeric() || c == '_');
        if end == at || end - behind > BETWEEN {
            return None;
        }
        at = end;
    }
}

fn skip(text: &str, from: usize, wanted: impl Fn(char) -> bool) -> usize {
    text[from..].find(|c| !wanted(c)).map_or(text.len(), |at| from + at)
}

/// The content of the string literal that begins here, of whatever kind.
fn literal(lower: &str, at: usize) -> Option<(usize, usize)> {
    let rest = &lower[at..];
    let prefixed = ["e", "n", "u&"].iter().find_map(|prefix| rest.strip_prefix(prefix));
    let prefixed = prefixed.filter(|rest| rest.starts_with('\''));
    let begin = lower.len() - prefixed.unwrap_or(rest).len();
    let rest = &lower[begin..];
    if let Some((name, _)) = rest.strip_prefix('$').and_then(|rest| rest.split_once('$')) {
        let tag = &rest[..name.len() + 2];
        let is_tag = name.chars().all(|c| c.is_alphanumeric() || c == '_')
            && !name.starts_with(|c: char| c.is_ascii_digit());
        let start = begin + tag.len();
        return is_tag.then(|| (start, lower[start..].find(tag).map_or(lower.len(), |end| start + end)));
    }
    // Within a text its quotes are doubled, in JSON double quotes are escaped.
    let within = |c: char| !c.is_whitespace() && !"'\";,)".contains(c);
    let quote = match rest.chars().next()? {
        '\'' if rest[1..].starts_with('\'') => rest[2..].starts_with(within).then_some("\'\'")?,
        '\'' => "'",
        '"' => "\"",
        '\\' if rest.starts_with("\\\"") => "\\\"",
        _ => return None,
    };
    let start = begin + quote.len();
    let end = end_of(lower, start, quote);
    (end > start).then_some((start, end))
}

/// Where the text that began at `start` ends with this quote.
fn end_of(lower: &str, start: usize, quote: &str) -> usize {
    let mut at = start;
    while let Some(next) = lower[at..].chars().next() {
        let rest = &lower[at..];
        if let Some(behind) = rest.strip_prefix(quote) {
            // Doubled, it is a part of the text.
            if quote.len() > 1 || !behind.starts_with(quote) {
                return at;
            }
            at += 2 * quote.len();
        } else if next == '\\' && quote == "'" {
            // MySQL, and E'...' of PostgreSQL: it is a part of the text, whatever it is.
            at += 1 + rest[1..].chars().next().map_or(0, char::len_utf8);
        } else {
            at += next.len_utf8();
        }
    }
    lower.len()
}

#[cfg(test)]
mod tests {
    use super::mask;

    #[test]
    fn passwords_in_statements_are_masked() {
        for (text, shown) in [
            ("ALTER ROLE app1 PASSWORD 'hunter2';", "ALTER ROLE app1 PASSWORD '***';"),
            (
                "create role a encrypted password e'it''s' login",
                "create role a encrypted password e'***' login",
            ),
            ("ALTER ROLE a PASSWORD $x$s3cret$x$", "ALTER ROLE a PASSWORD $x$***$x$"),
            ("ALTER ROLE a PASSWORD NULL", "ALTER ROLE a PASSWORD NULL"),
            ("CREATE USER u IDENTIFIED BY 'p' REQUIRE SSL", "CREATE USER u IDENTIFIED BY '***' REQUIRE SSL"),
            (
                "ALTER USER u IDENTIFIED WITH caching_sha2_password BY \"p\"",
                "ALTER USER u IDENTIFIED WITH caching_sha2_password BY \"***\"",
            ),
            ("SET PASSWORD FOR 'u'@'%' = PASSWORD('p')", "SET PASSWORD FOR 'u'@'%' = PASSWORD('***')"),
            ("CHANGE MASTER TO MASTER_PASSWORD='p', x=1", "CHANGE MASTER TO MASTER_PASSWORD='***', x=1"),
            ("OPTIONS (user 'u', password 'p')", "OPTIONS (user 'u', password '***')"),
            ("CONNECTION 'host=h password=p dbname=d'", "CONNECTION 'host=h password=*** dbname=d'"),
            ("password authentication failed for user 'u'", "password authentication failed for user 'u'"),
            ("INSERT INTO u (password) VALUES ('x')", "INSERT INTO u (password) VALUES ('x')"),
            ("\"password\" TEXT NOT NULL DEFAULT 'x'", "\"password\" TEXT NOT NULL DEFAULT 'x'"),
            ("{\"sql\":\"CREATE ROLE a PASSWORD 'p\\\\q'\"}", "{\"sql\":\"CREATE ROLE a PASSWORD '***'\"}"),
            ("CREATE ROLE c PASSWORD E'abc\\'hunter4'", "CREATE ROLE c PASSWORD E'***'"),
            ("CREATE ROLE d PASSWORD U&'hunter21' LOGIN", "CREATE ROLE d PASSWORD U&'***' LOGIN"),
            ("CREATE ROLE d PASSWORD'x' LOGIN", "CREATE ROLE d PASSWORD'***' LOGIN"),
            ("f('host=h password=''hunter12'' user=x')", "f('host=h password=''***'' user=x')"),
            ("PASSWORD '', x", "PASSWORD '', x"),
            ("PASSWORD 'a''b' x", "PASSWORD '***' x"),
            // No passwords.
            (
                "ENUM ('verify_email', 'reset_password'); COMMENT IS 'x'",
                "ENUM ('verify_email', 'reset_password'); COMMENT IS 'x'",
            ),
            ("COMMENT ON TABLE t IS 'hashed password';", "COMMENT ON TABLE t IS 'hashed password';"),
            ("'a' = $1 AND password = $2 AND 1 < 3 $$", "'a' = $1 AND password = *** AND 1 < 3 $$"),
        ] {
            assert_eq!(mask(text), shown);
        }
    }
}
