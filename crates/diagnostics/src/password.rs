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
    let prefixed = rest.strip_prefix(['e', 'n']).filter(|rest| rest.starts_with('\''));
    let begin = lower.len() - prefixed.unwrap_or(rest).len();
    let quote = lower[begin..].chars().next()?;
    if quote == '$' {
        let tag = lower[begin + 1..].find('$')? + 2;
        let (start, mark) = (begin + tag, &lower[begin..begin + tag]);
        let end = lower[start..].find(mark).map_or(lower.len(), |end| start + end);
        return Some((start, end));
    }
    // In JSON a double quote is escaped.
    let escaped = lower[begin..].starts_with("\\\"");
    let (open, close) = match quote {
        '\'' => (1, "'"),
        '"' => (1, "\""),
        '\\' if escaped => (2, "\\\""),
        _ => return None,
    };
    let start = begin + open;
    let mut end = start;
    loop {
        match lower[end..].find(close) {
            None => return Some((start, lower.len())),
            Some(found) => {
                end += found;
                // Doubled, it is a part of the text.
                if !lower[end + close.len()..].starts_with(close) {
                    return (end > start).then_some((start, end));
                }
                end += 2 * close.len();
            }
        }
    }
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
        ] {
            assert_eq!(mask(text), shown);
        }
    }
}
