//! PostgreSQL: the schema of the history itself in a text. A migration without it runs in whatever schema the URL names, and so
//! must its way back.

use super::text::{Mention, mentions, quoted, string, tokens};
use crate::scanner::TokenKind;
use diagnostics::Provider;
use std::collections::BTreeSet;

const PROVIDER: Provider = Provider::PostgreSql;

/// A statement without this schema before names; as it is where the word may mean something else in it (a table or a column
/// that is called like the schema), or where a function body names it. Names that the server has as well keep it.
pub(super) fn without_schema(text: &str, schema: &str, server_names: &BTreeSet<String>) -> String {
    let all = mentions(text, PROVIDER);
    if all.iter().any(|mention| is_something_else(mention, schema)) {
        return text.to_owned();
    }
    let mut out = text.to_owned();
    for mention in all.iter().rev().filter(|mention| is_in(mention, schema)) {
        if server_names.contains(&mention.parts[1]) {
            continue;
        }
        // A string that is no `regclass` is somebody's text.
        if mention.quoted && !text[mention.span.end..].trim_start().starts_with("::regclass") {
            continue;
        }
        let parts: Vec<String> = mention.parts[1..].iter().map(|part| quoted(part, PROVIDER)).collect();
        let bare = if mention.quoted { string(&parts.join(".")) } else { parts.join(".") };
        out.replace_range(mention.span.start..mention.span.end, &bare);
    }
    out
}

/// Whether a text names things of this schema (MySQL: database), or the schema.
pub fn names_schema(text: &str, schema: &str, provider: Provider) -> bool {
    let lower = text.to_ascii_lowercase();
    let says_schema = ["schema", "search_path", "database", "use"].iter().any(|word| lower.contains(word));
    mentions(text, provider).iter().any(|mention| {
        is_in(mention, schema) || (says_schema && !mention.keyword && mention.parts == [schema])
    })
}

/// Whether a text, or code that stands in it as a string, names this schema.
pub fn says_schema(text: &str, schema: &str, provider: Provider) -> bool {
    let strings = tokens(text, provider).into_iter().filter(|token| token.kind == TokenKind::String);
    names_schema(text, schema, provider)
        || strings.map(|token| token.span.slice(text)).any(|string| {
            let is_listed = |item: &str| {
                item.trim_matches(|c: char| c.is_whitespace() || c == '\'' || c == '"') == schema
            };
            qualifies_in(string, schema) || string.split(',').any(is_listed)
        })
}

/// Whether a schema stands before a dot anywhere in a text, be it in the body of a function.
pub fn qualifies_in(text: &str, schema: &str) -> bool {
    let is_part = |letter: char| letter.is_alphanumeric() || letter == '_';
    text.match_indices(schema).any(|(at, found)| {
        let behind = text[at + found.len()..].trim_start_matches(['"', '`']);
        behind.starts_with('.') && !text[..at].ends_with(is_part)
    })
}

fn is_in(mention: &Mention, schema: &str) -> bool {
    mention.parts.len() > 1 && mention.parts[0] == schema
}

/// A mention in which the word does not stand for the schema.
fn is_something_else(mention: &Mention, schema: &str) -> bool {
    let parts = if is_in(mention, schema) { &mention.parts[1..] } else { &mention.parts[..] };
    !mention.keyword && !mention.quoted && parts.iter().any(|part| part == schema)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lose_the_schema_where_it_is_one() {
        let servers = BTreeSet::from(["lower".to_owned()]);
        for (text, without) in [
            (r#"DROP TABLE "b"."x""#, r#"DROP TABLE "x""#),
            (r#"ALTER TABLE "b"."x" ADD COLUMN "n" b.mood"#, r#"ALTER TABLE "x" ADD COLUMN "n" "mood""#),
            (
                "ALTER TABLE x ADD n int DEFAULT nextval('b.s'::regclass)",
                "ALTER TABLE x ADD n int DEFAULT nextval('\"s\"'::regclass)",
            ),
            ("CREATE INDEX i ON b.x USING btree (c.b)", "CREATE INDEX i ON b.x USING btree (c.b)"),
            ("CREATE VIEW b.v AS SELECT b.id FROM b.b", "CREATE VIEW b.v AS SELECT b.id FROM b.b"),
            ("COMMENT ON TABLE b.x IS 'b.x'", "COMMENT ON TABLE \"x\" IS 'b.x'"),
            (
                "CREATE FUNCTION b.f() RETURNS int LANGUAGE sql AS $$SELECT b.g()$$",
                "CREATE FUNCTION \"f\"() RETURNS int LANGUAGE sql AS $$SELECT b.g()$$",
            ),
            ("DROP TABLE c.x", "DROP TABLE c.x"),
            ("CREATE INDEX i ON b.x (b.lower(n))", "CREATE INDEX i ON \"x\" (b.lower(n))"),
        ] {
            assert_eq!(without_schema(text, "b", &servers), without);
        }
        assert_eq!(
            without_schema(r#"GRANT SELECT ON TABLE "public"."x" TO PUBLIC"#, "public", &servers),
            r#"GRANT SELECT ON TABLE "x" TO PUBLIC"#
        );
    }
}
