//! SQLite keeps the text of CREATE TABLE as it was written. Taken apart here, so that tables are compared by columns and
//! constraints, and not by blanks, comments, letter case or the order of columns.

use super::ColumnDefinition;
use crate::scanner::{Scanner, Token, TokenKind};
use crate::statement::Options;
use diagnostics::{Provider, Span};

/// A CREATE TABLE, taken apart. All texts are written in one way: keywords and types in upper case, names in double quotes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TableText {
    /// The columns, in order.
    pub columns: Vec<ColumnDefinition>,
    /// The table's constraints: their name, where they have one, and what stands behind it.
    pub constraints: Vec<(Option<String>, String)>,
    /// What stands behind the closing parenthesis: `STRICT`, `WITHOUT ROWID`.
    pub options: String,
}

/// Takes the text of a CREATE TABLE apart. None for what has no list of columns (virtual tables) or is not read.
pub fn table_text(sql: &str) -> Option<TableText> {
    let tokens = tokens(sql)?;
    let is_table = tokens.iter().take(4).any(|token| token.is_word(sql, "TABLE"));
    let is_virtual = tokens.iter().take(3).any(|token| token.is_word(sql, "VIRTUAL"));
    let open = tokens.iter().position(|token| token.is_symbol(b'('))?;
    if !is_table || is_virtual {
        return None;
    }
    let mut table = TableText::default();
    let (mut depth, mut from, mut end) = (0, open + 1, None);
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token.kind {
            TokenKind::Symbol(b'(') => depth += 1,
            TokenKind::Symbol(b')') => depth -= 1,
            _ => {}
        }
        let closes = depth == 0;
        if closes || (depth == 1 && token.is_symbol(b',')) {
            table.item(sql, tokens.get(from..at)?);
            from = at + 1;
        }
        if closes {
            end = Some(at);
            break;
        }
    }
    let rest: Vec<Token> =
        tokens.get(end? + 1..)?.iter().copied().filter(|token| !token.is_symbol(b';')).collect();
    table.options = written(sql, &rest, false);
    Some(table)
}

/// A CREATE INDEX in one spelling: the same text for the same index. None for what is not read.
pub fn index_text(sql: &str) -> Option<String> {
    let tokens = tokens(sql)?;
    let is = |at: usize, word| tokens.get(at).is_some_and(|token| token.is_word(sql, word));
    let unique = is(1, "UNIQUE");
    // SQLite stores the words before the name in its own spelling, without IF NOT EXISTS and the schema.
    let at = if unique { 3 } else { 2 };
    if !is(0, "CREATE") || !is(at - 1, "INDEX") || !is(at + 1, "ON") {
        return None;
    }
    let keys = tokens.get(at + 3..)?;
    let mut written_keys = Vec::new();
    let (mut depth, mut from) = (0, 1);
    let end = keys.iter().enumerate().position(|(at, token)| {
        depth += i32::from(token.is_symbol(b'(')) - i32::from(token.is_symbol(b')'));
        if depth == 0 || (depth == 1 && token.is_symbol(b',')) {
            let key = keys.get(from..at).unwrap_or_default();
            // What an index is ordered by where it does not say.
            let shown = match key.split_last() {
                Some((last, before)) if last.is_word(sql, "ASC") => before,
                _ => key,
            };
            written_keys.push(written(sql, shown, false));
            from = at + 1;
        }
        depth == 0
    })?;
    let quoted = |token: Token| format!("\"{}\"", name(sql, token).replace('"', "\"\""));
    let mut text = format!(
        "CREATE {}INDEX {} ON {} ({})",
        if unique { "UNIQUE " } else { "" },
        quoted(*tokens.get(at)?),
        quoted(*tokens.get(at + 2)?),
        written_keys.join(", ")
    );
    if let Some((first, condition)) = keys.get(end + 1..)?.split_first()
        && first.is_word(sql, "WHERE")
    {
        text.push_str(&format!(" WHERE {}", written(sql, condition, false)));
    }
    Some(text)
}

/// A statement without comments and with one blank where there are any: the same text however it is laid out. What cannot be
/// read stays as it is.
pub fn one_line(sql: &str) -> String {
    let Some(tokens) = tokens(sql) else { return sql.to_owned() };
    let mut out = String::new();
    let mut end = None;
    for token in tokens.iter().filter(|token| tokens.last() != Some(token) || !token.is_symbol(b';')) {
        if end.is_some_and(|end| end < token.span.start) {
            out.push(' ');
        }
        out.push_str(token.span.slice(sql));
        end = Some(token.span.end);
    }
    out
}

fn tokens(sql: &str) -> Option<Vec<Token>> {
    let mut scanner = Scanner::new(sql, Span::new(0, sql.len()), Options::new(Provider::Sqlite).mode());
    let mut tokens: Vec<Token> = Vec::new();
    while let Some(token) = scanner.next_token().ok()? {
        match tokens.last_mut() {
            Some(last) if last.span.end == token.span.start && goes_on(sql, *last, token) => {
                // `x'00'` is a string, anything else a number.
                last.kind = if token.kind == TokenKind::String { token.kind } else { TokenKind::Number };
                last.span = Span::new(last.span.start, token.span.end);
            }
            _ => tokens.push(token),
        }
    }
    Some(tokens)
}

/// Whether a token that stands right behind another is of one literal with it: `x'00'`, `0x1f`, `1e-3`.
fn goes_on(sql: &str, before: Token, token: Token) -> bool {
    let text = before.span.slice(sql);
    let exponent = text.ends_with(['e', 'E']) && !text.starts_with("0x");
    match (before.kind, token.kind) {
        (TokenKind::Word, TokenKind::String) => text.eq_ignore_ascii_case("x"),
        (TokenKind::Number, TokenKind::Word) => true,
        (TokenKind::Number, TokenKind::Symbol(b'-' | b'+')) => exponent,
        (TokenKind::Number, TokenKind::Number) => text.ends_with(['-', '+']),
        _ => false,
    }
}

impl TableText {
    /// A column or a constraint.
    fn item(&mut self, sql: &str, tokens: &[Token]) {
        let Some(first) = tokens.first() else { return };
        let constrains = ["CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN"];
        if first.is_word(sql, "CONSTRAINT") {
            let name = tokens.get(1).map(|token| name(sql, *token));
            self.constraints.push((name, written(sql, tokens.get(2..).unwrap_or_default(), false)));
        } else if constrains.iter().any(|word| first.is_word(sql, word)) {
            self.constraints.push((None, written(sql, tokens, false)));
        } else {
            self.columns.push(column(sql, name(sql, *first), &tokens[1..]));
        }
    }
}

/// A column whose definition is these tokens.
fn column(sql: &str, name: String, tokens: &[Token]) -> ColumnDefinition {
    let starts = |token: &Token| CLAUSES.iter().any(|word| token.is_word(sql, word));
    let end = tokens.iter().position(starts).unwrap_or(tokens.len());
    let data_type = written(sql, &tokens[..end], true);
    let rest = written(sql, &tokens[end..], false);
    let text = [data_type.as_str(), rest.as_str()].join(" ").trim().to_owned();
    let at = |words: &[&str]| {
        let mut depth = 0;
        tokens.iter().enumerate().position(|(at, token)| {
            depth += i32::from(token.is_symbol(b'(')) - i32::from(token.is_symbol(b')'));
            depth == 0
                && words
                    .iter()
                    .enumerate()
                    .all(|(ahead, word)| tokens.get(at + ahead).is_some_and(|token| token.is_word(sql, word)))
        })
    };
    let default = at(&["DEFAULT"]).map(|at| written(sql, value(sql, &tokens[at + 1..]), false));
    let generated = at(&["AS"]).map(|at| written(sql, value(sql, &tokens[at + 1..]), false));
    ColumnDefinition {
        name,
        text,
        data_type,
        not_null: at(&["NOT", "NULL"]).is_some(),
        default,
        generated,
        identity: None,
    }
}

/// The words with which a clause of a column begins: its type ends there.
const CLAUSES: [&str; 11] = [
    "CONSTRAINT",
    "PRIMARY",
    "NOT",
    "NULL",
    "UNIQUE",
    "CHECK",
    "DEFAULT",
    "COLLATE",
    "REFERENCES",
    "GENERATED",
    "AS",
];

/// The tokens of one value: in parentheses, or up to the next clause.
fn value<'t>(sql: &str, tokens: &'t [Token]) -> &'t [Token] {
    if !tokens.first().is_some_and(|token| token.is_symbol(b'(')) {
        let starts = |token: &Token| CLAUSES.iter().any(|word| token.is_word(sql, word));
        // `DEFAULT NULL`.
        let end = tokens.iter().skip(1).position(starts).map_or(tokens.len(), |at| at + 1);
        return &tokens[..end];
    }
    let mut depth = 0;
    let end = tokens.iter().position(|token| {
        depth += i32::from(token.is_symbol(b'(')) - i32::from(token.is_symbol(b')'));
        depth == 0
    });
    &tokens[..end.map_or(tokens.len(), |end| end + 1)]
}

/// Words that are no names where no name is expected: keywords of definitions and expressions.
const KEYWORDS: [&str; 60] = [
    "ABORT",
    "ACTION",
    "ALL",
    "ALWAYS",
    "AND",
    "AS",
    "ASC",
    "AUTOINCREMENT",
    "BETWEEN",
    "BY",
    "CASCADE",
    "CASE",
    "CAST",
    "CHECK",
    "COLLATE",
    "CONFLICT",
    "CONSTRAINT",
    "CURRENT_DATE",
    "CURRENT_TIME",
    "CURRENT_TIMESTAMP",
    "DEFAULT",
    "DEFERRABLE",
    "DEFERRED",
    "DELETE",
    "DESC",
    "ELSE",
    "END",
    "ESCAPE",
    "EXISTS",
    "FAIL",
    "FALSE",
    "FOREIGN",
    "FROM",
    "GENERATED",
    "GLOB",
    "IGNORE",
    "IMMEDIATE",
    "IN",
    "INITIALLY",
    "IS",
    "KEY",
    "LIKE",
    "NO",
    "NOT",
    "NULL",
    "ON",
    "OR",
    "PRIMARY",
    "REFERENCES",
    "REPLACE",
    "RESTRICT",
    "ROLLBACK",
    "SET",
    "STORED",
    "STRICT",
    "THEN",
    "TRUE",
    "UNIQUE",
    "UPDATE",
    "VIRTUAL",
];
/// The same, of fewer texts.
const MORE_KEYWORDS: [&str; 7] = ["WHEN", "WITHOUT", "ROWID", "MATCH", "ISNULL", "NOTNULL", "REGEXP"];

/// A name without its quotes.
fn name(sql: &str, token: Token) -> String {
    let text = token.span.slice(sql);
    match (token.kind, text.as_bytes().first()) {
        (TokenKind::QuotedName | TokenKind::String, Some(b'[')) => text[1..text.len() - 1].to_owned(),
        (TokenKind::QuotedName | TokenKind::String, Some(&quote)) => {
            let quote = char::from(quote).to_string();
            text[1..text.len() - 1].replace(&quote.repeat(2), &quote)
        }
        _ => text.to_owned(),
    }
}

/// The tokens written in the one way. In a type every word is in upper case.
fn written(sql: &str, tokens: &[Token], in_type: bool) -> String {
    let mut out = String::new();
    for (at, token) in tokens.iter().enumerate() {
        let text = token.span.slice(sql);
        let upper = text.to_ascii_uppercase();
        let calls = tokens.get(at + 1).is_some_and(|next| next.is_symbol(b'('));
        let after_references =
            at > 0 && tokens.get(at - 1).is_some_and(|before| before.is_word(sql, "REFERENCES"));
        let keyword = KEYWORDS.contains(&upper.as_str()) || MORE_KEYWORDS.contains(&upper.as_str());
        let word = match token.kind {
            TokenKind::Word if in_type || (keyword && !after_references) => upper,
            TokenKind::Word if calls && !after_references => text.to_ascii_lowercase(),
            TokenKind::Word | TokenKind::QuotedName => {
                format!("\"{}\"", name(sql, *token).replace('"', "\"\""))
            }
            _ => text.to_owned(),
        };
        let tight = out.is_empty()
            || out.ends_with(['(', '.'])
            || matches!(token.kind, TokenKind::Symbol(b')' | b',' | b'.'));
        // A call and a type's length have no blank before the parenthesis.
        let hugs = token.is_symbol(b'(')
            && tokens.get(at.wrapping_sub(1)).is_some_and(|before| {
                let text = before.span.slice(sql).to_ascii_uppercase();
                let keyword = before.kind == TokenKind::Word && !in_type && KEYWORDS.contains(&text.as_str());
                !keyword && matches!(before.kind, TokenKind::Word | TokenKind::QuotedName)
            });
        // Operators of two characters are two symbols side by side.
        let glued = at > 0
            && tokens[at - 1].span.end == token.span.start
            && matches!(token.kind, TokenKind::Symbol(b'=' | b'>' | b'|' | b'<'))
            && matches!(tokens[at - 1].kind, TokenKind::Symbol(b'<' | b'>' | b'=' | b'!' | b'|' | b'-'));
        if !tight && !hugs && !glued {
            out.push(' ');
        }
        out.push_str(&word);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same(first: &str, second: &str) {
        let sorted = |sql| {
            let mut table = table_text(sql).unwrap();
            table.columns.sort_by(|a, b| a.name.cmp(&b.name));
            table
        };
        assert_eq!(sorted(first), sorted(second));
    }

    #[test]
    fn one_table_in_two_spellings_is_one() {
        same(
            "CREATE TABLE \"a\" (\n  \"id\" INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, -- the key\n  \"n\" TEXT DEFAULT 'x, (y)'\n)",
            "create table a(n text default 'x, (y)', id integer not null primary key autoincrement)",
        );
        same(
            "CREATE TABLE a (i int REFERENCES b(id) ON DELETE SET NULL, CHECK (i>=0 AND length(i) <> 3)) STRICT",
            "CREATE TABLE [a] (`i` INT references \"b\" (\"id\") on delete set null, check(\"i\" >= 0 and LENGTH(i)<>3)) strict;",
        );
    }

    #[test]
    fn one_index_in_two_spellings_is_one() {
        let first = index_text(
            "CREATE UNIQUE INDEX i on t(a collate nocase asc, LOWER(\"b\") DESC) where a>0 AND b is not null",
        );
        let second = "CREATE UNIQUE INDEX \"i\" ON \"t\" (\"a\" COLLATE \"nocase\", lower(\"b\") DESC) WHERE \"a\" > 0 AND \"b\" IS NOT NULL";
        assert_eq!(first.as_deref(), Some(second));
        assert_eq!(index_text(second).as_deref(), Some(second));
        assert_ne!(index_text("CREATE INDEX i ON t (a)"), index_text("CREATE INDEX i ON t (a DESC)"));
        assert_eq!(index_text("CREATE TABLE i (a)"), None);
    }

    #[test]
    fn a_statement_is_one_however_it_is_laid_out() {
        let text = "CREATE TRIGGER t AFTER INSERT ON a -- why\nBEGIN\n  DELETE FROM b WHERE c = 'x  y';\nEND";
        assert_eq!(
            one_line(text),
            "CREATE TRIGGER t AFTER INSERT ON a BEGIN DELETE FROM b WHERE c = 'x  y'; END"
        );
    }

    #[test]
    fn what_differs_is_told_apart() {
        let of = |sql| table_text(sql).unwrap();
        let base = of("CREATE TABLE a (i INTEGER NOT NULL DEFAULT 1)");
        for other in [
            "CREATE TABLE a (i INTEGER DEFAULT 1)",
            "CREATE TABLE a (i INTEGER NOT NULL DEFAULT 2)",
            "CREATE TABLE a (i INTEGER NOT NULL DEFAULT 1) STRICT",
            "CREATE TABLE a (i INTEGER NOT NULL DEFAULT 1, UNIQUE (i))",
            "CREATE TABLE a (i BIGINT NOT NULL DEFAULT 1)",
        ] {
            assert_ne!(base, of(other), "{other}");
        }
    }

    #[test]
    fn a_column_is_taken_apart() {
        let table = table_text(
            "CREATE TABLE t (\"a b\" DECIMAL(10, 2) NOT NULL DEFAULT (1 + 2) CHECK (\"a b\" > 0), g INT GENERATED ALWAYS AS (1+1) STORED, \
             n TEXT DEFAULT NULL, CONSTRAINT u UNIQUE (n, g)) WITHOUT ROWID",
        )
        .unwrap();
        let column = &table.columns[0];
        assert_eq!((column.name.as_str(), column.data_type.as_str()), ("a b", "DECIMAL(10, 2)"));
        assert_eq!(column.default.as_deref(), Some("(1 + 2)"));
        assert_eq!(column.text, "DECIMAL(10, 2) NOT NULL DEFAULT (1 + 2) CHECK (\"a b\" > 0)");
        assert!(column.not_null && !table.columns[1].not_null);
        assert_eq!(table.columns[1].generated.as_deref(), Some("(1 + 1)"));
        assert_eq!(table.columns[2].default.as_deref(), Some("NULL"));
        assert_eq!(table.constraints, [(Some("u".to_owned()), "UNIQUE (\"n\", \"g\")".to_owned())]);
        assert_eq!(table.options, "WITHOUT ROWID");
        let literals = table_text(
            "CREATE TABLE t (a DEFAULT x'0A', b DEFAULT 1.5e-3, c DEFAULT 0x1f, d CHECK (d ->> '$' <> 2-1))",
        );
        let texts: Vec<String> = literals.unwrap().columns.into_iter().map(|column| column.text).collect();
        assert_eq!(
            texts,
            ["DEFAULT x'0A'", "DEFAULT 1.5e-3", "DEFAULT 0x1f", "CHECK (\"d\" ->> '$' <> 2 - 1)"]
        );
        assert_eq!(table_text("CREATE VIRTUAL TABLE f USING fts5(a, b)"), None);
    }
}
