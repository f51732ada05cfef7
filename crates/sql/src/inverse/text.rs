//! Names inside of definitions: where they stand, and putting others in their place.

use crate::action::Name;
use crate::scanner::{Scanner, Token, TokenKind};
use crate::statement::Options;
use crate::words::{Words, unquote_string};
use diagnostics::{Provider, Span};

/// A name that stands in a text.
pub(super) struct Mention {
    /// Its parts, without quotes, in the case of the catalogue.
    pub(super) parts: Vec<String>,
    /// Where it stands.
    pub(super) span: Span,
    /// It is the content of a string: what `nextval` is given.
    pub(super) quoted: bool,
    /// A parenthesis follows at once: a function, a type or a table with its columns.
    calls: bool,
    /// It stands without quotes and with capitals: PostgreSQL prints keywords so, and names never.
    pub(super) keyword: bool,
}

/// The tokens of a text; as far as they can be read.
pub(super) fn tokens(text: &str, provider: Provider) -> Vec<Token> {
    let mut scanner = Scanner::new(text, Span::new(0, text.len()), Options::new(provider).mode());
    let tokens = std::iter::from_fn(|| scanner.next_token().ok().flatten());
    tokens.filter(|token| !matches!(token.kind, TokenKind::CodeOpen | TokenKind::CodeClose)).collect()
}

/// The names in a text. Keywords are among them.
pub(super) fn mentions(text: &str, provider: Provider) -> Vec<Mention> {
    let tokens = tokens(text, provider);
    let mut words = Words::new(text, &tokens, provider);
    let mut found = Vec::new();
    while let Some(first) = words.look(0) {
        let mut parts = Vec::new();
        while let Some(part) = words.part() {
            parts.push(part);
            if !words.symbol(b'.') {
                break;
            }
        }
        if parts.is_empty() {
            words.advance();
            if let Some(inner) = string_of_name(text, first, provider) {
                found.push(Mention {
                    parts: inner,
                    span: first.span,
                    quoted: true,
                    calls: false,
                    keyword: false,
                });
            }
            continue;
        }
        let calls = words.look(0).is_some_and(|token| token.is_symbol(b'('));
        let keyword = first.kind == TokenKind::Word
            && provider == Provider::PostgreSql
            && first.span.slice(text).contains(|letter: char| letter.is_ascii_uppercase());
        found.push(Mention { parts, span: words.span_from(first), quoted: false, calls, keyword });
    }
    found
}

/// The parts of a name that is written as a string, as PostgreSQL takes it for `regclass`.
fn string_of_name(text: &str, token: Token, provider: Provider) -> Option<Vec<String>> {
    let is_string = token.kind == TokenKind::String && provider == Provider::PostgreSql;
    let inner = unquote_string(token.span.slice(text)).filter(|_| is_string)?;
    let tokens = tokens(&inner, provider);
    let mut words = Words::new(&inner, &tokens, provider);
    let name = words.name().filter(|_| words.look(0).is_none())?;
    Some(name.schema.into_iter().chain([name.name]).collect())
}

impl Mention {
    /// It is this name, or a part of what has this name.
    fn leads_to(&self, name: &Name, same: impl Fn(&str, &str) -> bool) -> bool {
        let wanted = [name.schema.as_deref(), Some(name.name.as_str())];
        let wanted: Vec<&str> = wanted.into_iter().flatten().collect();
        let head = self.parts.get(..wanted.len());
        head.is_some_and(|head| head.iter().zip(&wanted).all(|(own, wanted)| same(own, wanted)))
    }
}

/// Whether two names are one: case does not count on MySQL and SQLite.
pub(super) fn same(first: &str, second: &str, provider: Provider) -> bool {
    match provider {
        Provider::PostgreSql => first == second,
        Provider::MySql | Provider::Sqlite => first.eq_ignore_ascii_case(second),
    }
}

/// Whether the text names this object.
pub(super) fn names(text: &str, name: &Name, provider: Provider) -> bool {
    // Most texts do not, and are not taken apart.
    let plain =
        text.to_ascii_lowercase().contains(&name.name.to_ascii_lowercase()) || name.name.contains('"');
    plain
        && mentions(text, provider)
            .iter()
            .any(|mention| mention.leads_to(name, |own, wanted| same(own, wanted, provider)))
}

/// Whether a column of this name stands in the text.
pub(super) fn names_column(text: &str, column: &str, provider: Provider) -> bool {
    mentions(text, provider).iter().any(|mention| {
        !mention.quoted
            && !mention.keyword
            && mention.parts.last().is_some_and(|last| same(last, column, provider))
            && (!mention.calls || mention.parts.len() > 1 || provider != Provider::PostgreSql)
    })
}

/// The text with another name for an object.
pub(super) fn renamed(text: &str, from: &Name, to: &Name, provider: Provider) -> String {
    replaced(text, provider, |mention| {
        let leads = mention.leads_to(from, |own, wanted| same(own, wanted, provider));
        leads.then(|| {
            let behind = mention.parts.len() - (1 + usize::from(from.schema.is_some()));
            let rest = &mention.parts[mention.parts.len() - behind..];
            let head = to.schema.iter().chain([&to.name]);
            head.chain(rest).map(|part| quoted(part, provider)).collect::<Vec<_>>().join(".")
        })
    })
}

/// PostgreSQL: the text with another name for a schema, before names and by itself.
pub(super) fn in_schema(text: &str, from: &str, to: &str) -> String {
    let provider = Provider::PostgreSql;
    // A block is a string, and the statements in it are written as any others.
    if let Some((tag, body)) = text.strip_prefix("DO $").and_then(|rest| rest.split_once('$'))
        && let Some(body) = body.strip_suffix(&format!("${tag}$"))
    {
        return format!("DO ${tag}${}${tag}$", in_schema(body, from, to));
    }
    replaced(text, provider, |mention| {
        let before = text[..mention.span.start].trim_end().to_ascii_uppercase();
        let schema_is_next = before.ends_with(" SCHEMA");
        let [first, rest @ ..] = mention.parts.as_slice() else { return None };
        if first != from || mention.keyword || (rest.is_empty() && !schema_is_next) {
            return None;
        }
        let parts = std::iter::once(to).chain(rest.iter().map(String::as_str));
        Some(parts.map(|part| quoted(part, provider)).collect::<Vec<_>>().join("."))
    })
}

/// The text with another name for a column: of what is not qualified.
pub(super) fn column_renamed(text: &str, from: &str, to: &str, provider: Provider) -> String {
    replaced(text, provider, |mention| {
        let [own] = mention.parts.as_slice() else { return None };
        let is_column = !mention.quoted && !mention.keyword && !mention.calls && same(own, from, provider);
        is_column.then(|| quoted(to, provider))
    })
}

fn replaced(text: &str, provider: Provider, other: impl Fn(&Mention) -> Option<String>) -> String {
    let mut result = text.to_owned();
    for mention in mentions(text, provider).iter().rev() {
        if let Some(name) = other(mention) {
            let name = if mention.quoted { string(&name) } else { name };
            result.replace_range(mention.span.start..mention.span.end, &name);
        }
    }
    result
}

/// CREATE OR REPLACE.
pub(super) fn replaces(written: &str, provider: Provider) -> bool {
    let tokens = tokens(written, provider);
    Words::new(written, &tokens, provider).take_all(&["CREATE", "OR", "REPLACE"])
}

/// IF NOT EXISTS.
pub(super) fn is_lenient(written: &str, provider: Provider) -> bool {
    let tokens = tokens(written, provider);
    let mut words = Words::new(written, &tokens, provider);
    while words.skip_to("IF") {
        if words.take_all(&["NOT", "EXISTS"]) {
            return true;
        }
    }
    false
}

/// CREATE without IF NOT EXISTS, with every letter where it was.
pub(super) fn strict(written: &str, provider: Provider) -> String {
    let tokens = tokens(written, provider);
    let mut words = Words::new(written, &tokens, provider);
    let mut text = written.to_owned();
    while words.skip_to("IF") {
        let Some(first) = words.previous() else { break };
        if words.take_all(&["NOT", "EXISTS"]) {
            let span = words.span_from(first);
            text.replace_range(span.start..span.end, &" ".repeat(span.end - span.start));
            break;
        }
    }
    text
}

/// Columns of two tables: the name in the one, the name in the other.
pub(super) type Pairs = Vec<(String, String)>;

/// The columns in the first parentheses of a key, without lengths and directions.
pub(super) fn key_columns(held: &str, provider: Provider) -> Vec<String> {
    let tokens = tokens(held, provider);
    let mut words = Words::new(held, &tokens, provider);
    while words.look(0).is_some() && !words.symbol(b'(') {
        words.advance();
    }
    let mut columns = Vec::new();
    while let Some(column) = words.part() {
        columns.push(column);
        while words.look(0).is_some_and(|token| !token.is_symbol(b',') && !token.is_symbol(b')')) {
            words.skip_one();
        }
        if !words.symbol(b',') {
            break;
        }
    }
    columns
}

/// A name in quotes.
pub(super) fn quoted(name: &str, provider: Provider) -> String {
    match provider {
        Provider::MySql => format!("`{}`", name.replace('`', "``")),
        Provider::PostgreSql | Provider::Sqlite => format!("\"{}\"", name.replace('"', "\"\"")),
    }
}

/// A name with its qualifier, in quotes.
pub(super) fn qualified(name: &Name, provider: Provider) -> String {
    let schema = name.schema.as_ref().map(|schema| format!("{}.", quoted(schema, provider)));
    format!("{}{}", schema.unwrap_or_default(), quoted(&name.name, provider))
}

/// A string literal of PostgreSQL, whatever `standard_conforming_strings` is.
pub(super) fn string(value: &str) -> String {
    let quoted = value.replace('\'', "''");
    if quoted.contains('\\') { format!("E'{}'", quoted.replace('\\', "\\\\")) } else { format!("'{quoted}'") }
}

/// A block of code of PostgreSQL, in quotes that it does not hold.
pub(super) fn block(body: &str) -> String {
    let tags =
        std::iter::once("$cutover$".to_owned()).chain((0_u32..).map(|number| format!("$cutover{number}$")));
    let tag = tags.into_iter().find(|tag| !body.contains(tag)).unwrap_or_default();
    format!("DO {tag}{body}{tag}")
}

#[cfg(test)]
mod tests {
    use super::*;

    const POSTGRES: Provider = Provider::PostgreSql;

    fn name(schema: &str, name: &str) -> Name {
        Name { schema: Some(schema.to_owned()), name: name.to_owned() }
    }

    #[test]
    fn names_are_found_whatever_quotes_they_have() {
        let text = r#"CREATE INDEX i ON public."Order" USING btree (lower("userId")) WHERE (status = 'x'::public.state)"#;
        assert!(names(text, &name("public", "Order"), POSTGRES));
        assert!(names(text, &name("public", "state"), POSTGRES));
        assert!(!names(text, &name("public", "order"), POSTGRES));
        assert!(names_column(text, "userId", POSTGRES) && names_column(text, "status", POSTGRES));
        assert!(!names_column(text, "lower", POSTGRES), "a function");
        assert!(names(
            "nextval('public.\"Order_id_seq\"'::regclass)",
            &name("public", "Order_id_seq"),
            POSTGRES
        ));
        assert!(names(
            "FOREIGN KEY (`a`) REFERENCES `user` (`id`)",
            &Name::unqualified("User"),
            Provider::MySql
        ));
    }

    #[test]
    fn other_names_are_put_in() {
        let text =
            "FOREIGN KEY (a) REFERENCES public.users(id), nextval('public.users'::regclass), public.users.id";
        assert_eq!(
            renamed(text, &name("public", "users"), &name("app", "Users"), POSTGRES),
            r#"FOREIGN KEY (a) REFERENCES "app"."Users"(id), nextval('"app"."Users"'::regclass), "app"."Users"."id""#
        );
        assert_eq!(
            column_renamed("CHECK ((a > 0) AND a(1) > b.a)", "a", "c", POSTGRES),
            r#"CHECK (("c" > 0) AND a(1) > b.a)"#
        );
    }
}
