//! The syntax of `.env` files: text in, assignments out. Knows nothing of files and of the environment.
//!
//! Own code because each reader of these files has a syntax of its own, and a password must come out as it
//! does in the reference: the syntax is that of npm's dotenv 16, then `${NAME}` is replaced and nothing else
//! (`$NAME`, `$$` and `\$` stay as they are).

use std::collections::BTreeMap;

/// What a `.env` file says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Contents {
    /// Names and values in the order of the file; of a name that is there twice, the last one counts.
    pub(super) assignments: Vec<(String, String)>,
    /// The numbers of the lines, from 1, that are neither assignment nor comment.
    pub(super) not_understood: Vec<usize>,
}

/// Reads a `.env` file.
pub(super) fn parse(text: &str) -> Contents {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut contents = Contents::default();
    let mut at = 0;
    while at < text.len() {
        let after = match assignment(&text, at) {
            Some(found) => {
                contents.assignments.push((found.name.to_owned(), value(found.value)));
                found.end
            }
            None => {
                let line = text[at..line_end(&text, at)].trim();
                if !line.is_empty() && !line.starts_with('#') {
                    contents.not_understood.push(text[..at].matches('\n').count() + 1);
                }
                at
            }
        };
        at = line_end(&text, after) + 1;
    }
    contents
}

/// Replaces `${NAME}` in every value. A name is looked up with `outside` first, then in the file, and what is
/// found is expanded again; an unknown name is empty; `\${NAME}` gives `${NAME}`.
///
/// # Errors
/// The name of a variable that leads back to itself.
pub(super) fn expand(
    assignments: &[(String, String)],
    outside: &dyn Fn(&str) -> Option<String>,
) -> Result<BTreeMap<String, String>, String> {
    let written: BTreeMap<&str, &str> =
        assignments.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let lookup = |name: &str| outside(name).or_else(|| written.get(name).map(|value| (*value).to_owned()));
    written
        .iter()
        .map(|(name, value)| {
            Ok(((*name).to_owned(), interpolate(value, &lookup, &mut vec![(*name).to_owned()])?))
        })
        .collect()
}

fn interpolate(
    value: &str,
    lookup: &dyn Fn(&str) -> Option<String>,
    path: &mut Vec<String>,
) -> Result<String, String> {
    let mut out = String::with_capacity(value.len());
    let mut rest = value;
    while let Some(at) = rest.find("${") {
        let inner = &rest[at + 2..];
        let length = inner.bytes().take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'_').count();
        if !inner[length..].starts_with('}') {
            out.push_str(&rest[..at + 2]);
            rest = inner;
            continue;
        }
        let name = &inner[..length];
        match rest[..at].strip_suffix('\\') {
            Some(before) => {
                out.push_str(before);
                out.push_str(&rest[at..at + 3 + length]);
            }
            None => {
                out.push_str(&rest[..at]);
                if let Some(found) = lookup(name) {
                    if path.iter().any(|earlier| earlier == name) {
                        return Err(name.to_owned());
                    }
                    path.push(name.to_owned());
                    out.push_str(&interpolate(&found, lookup, path)?);
                    path.pop();
                }
            }
        }
        rest = &inner[length + 1..];
    }
    out.push_str(rest);
    Ok(out)
}

/// An assignment as it is written.
struct Assignment<'t> {
    name: &'t str,
    value: &'t str,
    /// Where its last line goes on; nothing but white space and a comment follows there.
    end: usize,
}

/// The assignment that begins at the line start `at`, perhaps after empty lines.
fn assignment(text: &str, at: usize) -> Option<Assignment<'_>> {
    let start = skip_blank(text, at);
    let exported = text[start..].strip_prefix("export").filter(|rest| rest.starts_with(is_blank));
    exported
        .and_then(|rest| named(text, skip_blank(text, text.len() - rest.len())))
        .or_else(|| named(text, start))
}

/// `name = value` or `name: value`. The white space around `=` may be line ends too: that is how the pattern
/// of the original reads.
fn named(text: &str, at: usize) -> Option<Assignment<'_>> {
    let is_name = |character: char| character.is_ascii_alphanumeric() || "_.-".contains(character);
    let rest = &text[at..];
    let after = at + rest.find(|character| !is_name(character)).unwrap_or(rest.len());
    let name = &text[at..after];
    if name.is_empty() {
        return None;
    }
    let equals = skip_blank(text, after);
    let value_start = if text[equals..].starts_with('=') {
        equals + 1
    } else {
        let blank = text[after..].strip_prefix(':')?.chars().next().filter(|next| is_blank(*next))?;
        after + 1 + blank.len_utf8()
    };
    let (value, end) = quoted(text, value_start).unwrap_or_else(|| plain(text, value_start));
    Some(Assignment { name, value, end })
}

/// A value in quotes, over several lines too; none if what follows the closing quote is no comment.
fn quoted(text: &str, at: usize) -> Option<(&str, usize)> {
    let start = skip_blank(text, at);
    let quote = text[start..].chars().next().filter(|first| "'\"`".contains(*first))?;
    // A quote behind a backslash may belong to the value, or, if there is no other one, close it.
    let mut closings = Vec::new();
    for (index, _) in text[start + 1..].match_indices(quote) {
        let index = start + 1 + index;
        closings.push(index);
        if !text[start + 1..index].ends_with('\\') {
            break;
        }
    }
    let closing = closings.into_iter().rev().find(|closing| {
        let tail = text[closing + 1..line_end(text, closing + 1)].trim_start_matches(is_blank);
        tail.is_empty() || tail.starts_with('#')
    })?;
    Some((&text[start..=closing], closing + 1))
}

/// A value without quotes: up to a `#` or the end of the line.
fn plain(text: &str, at: usize) -> (&str, usize) {
    let end = text[at..].find(['#', '\n']).map_or(text.len(), |length| at + length);
    (&text[at..end], end)
}

/// The value that is meant: without white space and quotes around it. Only in double quotes `\n` and `\r`
/// stand for line ends; other escapes stay as they are written.
fn value(written: &str) -> String {
    let trimmed = written.trim_matches(is_blank);
    let first = trimmed.chars().next();
    let inner = first
        .filter(|first| "'\"`".contains(*first))
        .and_then(|quote| trimmed.strip_prefix(quote)?.strip_suffix(quote))
        .unwrap_or(trimmed);
    if first == Some('"') { inner.replace("\\n", "\n").replace("\\r", "\r") } else { inner.to_owned() }
}

/// What JavaScript takes for white space: a byte order mark is, NEL is not.
fn is_blank(character: char) -> bool {
    (character.is_whitespace() && character != '\u{85}') || character == '\u{feff}'
}

fn skip_blank(text: &str, at: usize) -> usize {
    text[at..].find(|character| !is_blank(character)).map_or(text.len(), |length| at + length)
}

fn line_end(text: &str, at: usize) -> usize {
    text[at..].find('\n').map_or(text.len(), |length| at + length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Option<(String, String)> {
        let mut found = parse(text).assignments;
        assert!(found.len() < 2, "{found:?}");
        found.pop()
    }

    /// Each line was read by dotenv 16.6.1 too.
    #[test]
    fn values_are_those_of_dotenv_16() {
        for (text, expected) in [
            ("A=b", "b"),
            ("A = b ", "b"),
            ("  A=b", "b"),
            ("\u{feff}A=b", "b"),
            ("A=", ""),
            ("A= ", ""),
            ("A=b c", "b c"),
            ("export A=b", "b"),
            ("export   A=b", "b"),
            ("export\nA=b", "b"),
            ("A: b", "b"),
            ("A:\tb", "b"),
            ("A:\nb", "b"),
            ("A\n=b", "b"),
            ("A=b#c", "b"),
            ("A=b # c", "b"),
            ("A=#c", ""),
            ("A= # c", ""),
            ("A=b=c", "b=c"),
            ("A==b", "=b"),
            ("A='b'", "b"),
            ("A=\"b\"", "b"),
            ("A=`b`", "b"),
            ("A= 'b' # c", "b"),
            ("A='b#c'", "b#c"),
            ("A=\"b#c\" # d", "b#c"),
            ("A=' b '", " b "),
            ("A=''", ""),
            ("A='b\nc'", "b\nc"),
            ("A=\"b\r\nc\"", "b\nc"),
            ("A=\"b\\nc\\rd\"", "b\nc\rd"),
            ("A='b\\nc'", "b\\nc"),
            ("A=b\\nc", "b\\nc"),
            ("A=\"b\\tc\"", "b\\tc"),
            ("A=\"b\\\"c\"", "b\\\"c"),
            ("A='it\\'s'", "it\\'s"),
            ("A='b\\'", "b\\"),
            ("A='b' c", "'b' c"),
            ("A='b' 'c'", "b' 'c"),
            ("A=\"b", "\"b"),
            ("A=\"b\\nc", "\"b\nc"),
            ("A='b\"", "'b\""),
            ("A=\"'b'\"", "'b'"),
            ("A=b'c'", "b'c'"),
            ("A=\n'b'", "b"),
            ("A=$B", "$B"),
            ("A=pa$$word", "pa$$word"),
            (
                "A=postgresql://u:p%23@h:5432/d?schema=public&x=1",
                "postgresql://u:p%23@h:5432/d?schema=public&x=1",
            ),
        ] {
            assert_eq!(one(text), Some(("A".to_owned(), expected.to_owned())), "{text:?}");
        }
    }

    #[test]
    fn names_may_have_dots_and_dashes() {
        for name in ["a.b", "a-b", "9", "_", "export"] {
            assert_eq!(one(&format!("{name}=v")), Some((name.to_owned(), "v".to_owned())));
        }
    }

    #[test]
    fn what_is_no_assignment_is_nothing_and_told() {
        for text in ["A", "A:b", "A : b", "=b", "A b=c", "é=b", "export A", "{\"A\": \"b\"}"] {
            let contents = parse(text);
            assert_eq!(contents.assignments, [], "{text:?}");
            assert_eq!(contents.not_understood, [1], "{text:?}");
        }
        let contents = parse("# A=1\n\n  # b\nnonsense\nA=1\n");
        assert_eq!(contents.assignments, [("A".to_owned(), "1".to_owned())]);
        assert_eq!(contents.not_understood, [4]);
    }

    #[test]
    fn assignments_follow_each_other() {
        let contents = parse("A='1\n2'\r\nB=\r\nC=\"x\" # c\rA=3\n");
        let expected = [("A", "1\n2"), ("B", ""), ("C", "x"), ("A", "3")];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(contents.assignments, expected);
        assert_eq!(contents.not_understood, [0; 0]);
    }

    #[test]
    fn an_open_quote_reaches_to_the_next_one_only_if_a_line_ends_there() {
        let expected = [("A".to_owned(), "1\nB=".to_owned())];
        assert_eq!(parse("A=\"1\nB=\"").assignments, expected);
        let expected = [("A".to_owned(), "\"1".to_owned()), ("B".to_owned(), "2".to_owned())];
        assert_eq!(parse("A=\"1\nB=\"2\"").assignments, expected);
    }

    fn expanded(text: &str, outside: &[(&str, &str)]) -> Result<BTreeMap<String, String>, String> {
        expand(&parse(text).assignments, &|name| {
            outside.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn only_braces_are_expanded() {
        for (value, expected) in [
            ("${Y}", "yy"),
            ("a${Y}b${Y}", "ayybyy"),
            ("h7a$$b-$Y-${Y}-\\$Y-end", "h7a$$b-$Y-yy-\\$Y-end"),
            ("\\${Y}", "${Y}"),
            ("\\\\${Y}", "\\${Y}"),
            ("$${Y}", "$yy"),
            ("${NONE}", ""),
            ("${}", ""),
            ("${Y:-x}", "${Y:-x}"),
            ("${Y", "${Y"),
            ("${${Y}}", "${yy}"),
            ("${TWICE}", "<yy>"),
            ("'${Y}'", "yy"),
        ] {
            let values = expanded(&format!("Y=yy\nTWICE=<${{Y}}>\nA={value}"), &[]).unwrap();
            assert_eq!(values["A"], expected, "{value}");
        }
    }

    #[test]
    fn the_process_environment_wins_in_expansion() {
        let values = expanded("Y=file\nA=${Y}${Z}", &[("Y", "process"), ("Z", "z")]).unwrap();
        assert_eq!(values["A"], "processz");
    }

    #[test]
    fn a_circle_is_an_error_and_no_endless_loop() {
        assert_eq!(expanded("A=${B}\nB=${A}", &[]), Err("A".to_owned()));
        assert_eq!(expanded("A=x${A}", &[]), Err("A".to_owned()));
    }
}
