//! PostgreSQL: the schema of the history itself in a text. A migration without it runs in whatever schema the URL names, and so
//! must its way back.

use super::text::{Mention, mentions, quoted, string};
use diagnostics::Provider;

const PROVIDER: Provider = Provider::PostgreSql;

/// A statement without this schema before names; as it is where the word may mean something else in it (a table or a column
/// that is called like the schema), or where a function body names it.
pub(super) fn without_schema(text: &str, schema: &str) -> String {
    let all = mentions(text, PROVIDER);
    if all.iter().any(|mention| is_something_else(mention, schema)) {
        return text.to_owned();
    }
    let mut out = text.to_owned();
    for mention in all.iter().rev().filter(|mention| is_in(mention, schema)) {
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

/// Whether a text names things of this schema, or the schema.
pub fn names_schema(text: &str, schema: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let says_schema = lower.contains("schema") || lower.contains("search_path");
    mentions(text, PROVIDER).iter().any(|mention| {
        is_in(mention, schema) || (says_schema && !mention.keyword && mention.parts == [schema])
    })
}

/// The schemas of what a statement drops, changes or writes to, as far as it names them: not those of what it refers to.
pub fn changed_schemas(text: &str) -> Vec<String> {
    const WORDS: [&str; 25] = [
        "alter",
        "table",
        "if",
        "exists",
        "only",
        "view",
        "materialized",
        "foreign",
        "index",
        "sequence",
        "type",
        "domain",
        "function",
        "procedure",
        "routine",
        "aggregate",
        "update",
        "delete",
        "from",
        "insert",
        "into",
        "statistics",
        "merge",
        "collation",
        "truncate",
    ];
    let head = text.split('(').next().unwrap_or_default();
    let all = mentions(head, PROVIDER);
    let Some(verb) = all.first().and_then(|mention| mention.parts.first()) else { return Vec::new() };
    let verb = verb.to_ascii_lowercase();
    let schema = |mention: &Mention| (mention.parts.len() > 1).then(|| mention.parts[0].clone());
    match verb.as_str() {
        "drop" if all.get(1).is_some_and(|what| what.parts[0].eq_ignore_ascii_case("schema")) => {
            let behind = all.iter().skip(2).filter(|mention| !mention.keyword);
            behind
                .map(|mention| mention.parts[0].clone())
                .filter(|name| !["if", "exists", "cascade", "restrict"].contains(&name.as_str()))
                .collect()
        }
        "drop" | "truncate" => all.iter().filter_map(schema).collect(),
        "alter" | "update" | "delete" | "insert" | "merge" => {
            let is_word = |mention: &&Mention| {
                mention.parts.len() == 1 && WORDS.contains(&mention.parts[0].to_ascii_lowercase().as_str())
            };
            all.iter().find(|mention| !is_word(mention)).and_then(schema).into_iter().collect()
        }
        _ => Vec::new(),
    }
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
        ] {
            assert_eq!(without_schema(text, "b"), without);
        }
        assert_eq!(
            without_schema(r#"GRANT SELECT ON TABLE "public"."x" TO PUBLIC"#, "public"),
            r#"GRANT SELECT ON TABLE "x" TO PUBLIC"#
        );
    }

    #[test]
    fn what_is_changed_is_told_from_what_is_referred_to() {
        for (text, schemas) in [
            ("DROP TABLE a.x, \"b\".y CASCADE", vec!["a", "b"]),
            ("drop schema audit cascade", vec!["audit"]),
            ("DROP FUNCTION f(extensions.citext)", vec![]),
            ("ALTER TABLE x ADD COLUMN id uuid DEFAULT extensions.f()", vec![]),
            (
                "alter table if exists only b.x add constraint k foreign key (id) references auth.users (id)",
                vec!["b"],
            ),
            ("DELETE FROM b.x WHERE c.y = 1", vec!["b"]),
            ("CREATE TABLE b.x (id int)", vec![]),
        ] {
            assert_eq!(changed_schemas(text), schemas, "{text}");
        }
    }
}
