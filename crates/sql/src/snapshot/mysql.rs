//! What SHOW CREATE of MySQL and MariaDB prints, taken apart: a table into its columns and parts, and everything without what
//! differs from one database to the next.

use super::{ColumnDefinition, Definition, Part, PartKind};
use crate::scanner::{self, Token, TokenKind};
use crate::statement::Options;
use diagnostics::{Provider, Span};

/// A table as SHOW CREATE TABLE prints it. An index is the statement that adds it to the table. The primary key is the constraint
/// `PRIMARY`; what is no column, key or check (MariaDB's periods) is a setting. None for what is no such text.
pub fn shown_table(text: &str) -> Option<Definition> {
    let tokens = tokens(text)?;
    let open = tokens.iter().position(|token| token.is_symbol(b'('))?;
    let table = tokens.get(open.checked_sub(1)?)?.span.slice(text);
    let mut definition = Definition::default();
    let (mut depth, mut from) = (0, open + 1);
    for (at, token) in tokens.iter().enumerate().skip(open) {
        depth += change(token);
        let closes = depth == 0;
        if closes || (depth == 1 && token.is_symbol(b',')) {
            definition.item(text, table, tokens.get(from..at)?);
            from = at + 1;
        }
        if closes {
            definition.text = options(text, tokens.get(from..)?);
            return Some(definition);
        }
    }
    None
}

/// Anything that SHOW CREATE prints, or a trigger's body, without its DEFINER and without the database's name before other names.
/// Where something in the text has the same name (an alias, a variable), only names that `is_own` knows lose it.
pub fn shown_statement(text: &str, database: &str, is_own: &dyn Fn(&str) -> bool) -> String {
    let Some(tokens) = tokens(text) else { return text.to_owned() };
    let dot = |at: usize| tokens.get(at).is_some_and(|token| token.is_symbol(b'.'));
    let named: Vec<usize> = (0..tokens.len())
        .filter(|at| name(text, &tokens[*at]).is_some_and(|name| name == database))
        .filter(|at| !at.checked_sub(1).is_some_and(dot))
        .collect();
    let ambiguous = named.iter().any(|at| !dot(at + 1));
    let qualified = named.into_iter().filter(|at| dot(at + 1)).filter_map(|at| {
        let own = tokens.get(at + 2)?;
        let known = name(text, own)?;
        (!ambiguous || is_own(&known)).then(|| Span::new(tokens[at].span.start, own.span.start))
    });
    let cuts: Vec<Span> = definer(text, &tokens).into_iter().chain(qualified).collect();
    without(text, &cuts)
}

/// The statement of an event without `STARTS '...'` where that is `made`, when the event was made: what a statement gets that
/// names no start.
pub fn shown_event(text: &str, made: &str) -> String {
    text.replacen(&format!(" STARTS '{made}'"), "", 1)
}

impl Definition {
    /// A line of the list.
    fn item(&mut self, text: &str, table: &str, tokens: &[Token]) {
        let [first, rest @ ..] = tokens else { return };
        if first.kind == TokenKind::QuotedName {
            let name = name(text, first).unwrap_or_default();
            self.columns.push(column(text, name, rest));
            return;
        }
        let line = slice(text, tokens);
        let (kind, name, line) = if first.is_word(text, "PRIMARY") {
            (PartKind::Constraint, "PRIMARY".to_owned(), line.to_owned())
        } else if let ("CONSTRAINT", [named, behind @ ..]) = (first.span.slice(text), rest) {
            let foreign = behind.first().is_some_and(|word| word.is_word(text, "FOREIGN"));
            let kind = if foreign { PartKind::ForeignKey } else { PartKind::Constraint };
            (kind, name(text, named).unwrap_or_default(), slice(text, behind).to_owned())
        } else if let Some(at) = tokens.iter().take(2).position(|token| token.is_word(text, "KEY")) {
            let name = tokens.get(at + 1).and_then(|named| name(text, named)).unwrap_or_default();
            (PartKind::Index, name, format!("ALTER TABLE {table} ADD {line}"))
        } else {
            (PartKind::Setting, line.to_owned(), line.to_owned())
        };
        self.parts.insert(Part { kind, name }, line);
    }
}

/// The words that end a column's type, at which its other clauses begin.
const CLAUSES: [&str; 17] = [
    "AS",
    "AUTO_INCREMENT",
    "CHARACTER",
    "CHECK",
    "COLLATE",
    "COMMENT",
    "COMPRESSED",
    "DEFAULT",
    "GENERATED",
    "INVISIBLE",
    "NOT",
    "NULL",
    "ON",
    "REF_SYSTEM_ID",
    "SRID",
    "STORED",
    "WITHOUT",
];

fn column(text: &str, name: String, tokens: &[Token]) -> ColumnDefinition {
    let starts = |token: &Token| {
        token.kind == TokenKind::CodeOpen || CLAUSES.iter().any(|word| token.is_word(text, word))
    };
    let end = tokens.iter().position(starts).unwrap_or(tokens.len());
    let mut depth = 0;
    let top: Vec<usize> = tokens
        .iter()
        .enumerate()
        .filter(|(_, token)| {
            depth += change(token);
            depth == 0
        })
        .map(|(at, _)| at)
        .collect();
    let behind = |word: &str| {
        let at = top.iter().find(|at| tokens[**at].is_word(text, word))?;
        tokens.get(at + 1..)
    };
    ColumnDefinition {
        name,
        text: slice(text, tokens).to_owned(),
        data_type: slice(text, &tokens[..end]).to_owned(),
        not_null: behind("NOT")
            .is_some_and(|rest| rest.first().is_some_and(|next| next.is_word(text, "NULL"))),
        default: behind("DEFAULT").map(|rest| slice(text, value(text, rest)).to_owned()),
        identity: None,
        generated: behind("AS").map(|rest| slice(text, value(text, rest)).to_owned()),
    }
}

/// The tokens of one value: up to the next clause outside of parentheses.
fn value<'t>(text: &str, tokens: &'t [Token]) -> &'t [Token] {
    let ends = |token: &Token| {
        token.kind == TokenKind::CodeOpen
            || token.is_word(text, "VIRTUAL")
            || CLAUSES.iter().any(|word| token.is_word(text, word))
    };
    let mut depth = 0;
    let end = tokens.iter().enumerate().position(|(at, token)| {
        depth += change(token);
        // `DEFAULT NULL`.
        at > 0 && depth == 0 && ends(token)
    });
    &tokens[..end.unwrap_or(tokens.len())]
}

/// What stands behind the closing parenthesis, without the counter.
fn options(text: &str, tokens: &[Token]) -> String {
    let Some(first) = tokens.first() else { return String::new() };
    let rest = &text[first.span.start..];
    let counter = tokens.windows(3).find(|window| {
        window[0].is_word(text, "AUTO_INCREMENT")
            && window[1].is_symbol(b'=')
            && window[2].kind == TokenKind::Number
    });
    let cut = counter.map(|window| {
        let start = window[0].span.start - first.span.start;
        Span::new(start.saturating_sub(1), window[2].span.end - first.span.start)
    });
    without(rest, cut.as_slice()).trim().to_owned()
}

/// `DEFINER=user@host ` in front of what is defined.
fn definer(text: &str, tokens: &[Token]) -> Option<Span> {
    if !tokens.first()?.is_word(text, "CREATE") {
        return None;
    }
    let near = tokens.iter().take_while(|token| !token.is_symbol(b'(') && !token.is_symbol(b'.'));
    let at = near.clone().position(|token| token.is_word(text, "DEFINER"))?;
    // The account is `name`@`host`, or a role's `name`.
    let has_host = tokens.get(at + 3).is_some_and(|token| token.is_symbol(b'@'));
    let end = tokens.get(at + if has_host { 5 } else { 3 })?;
    tokens.get(at + 1)?.is_symbol(b'=').then(|| Span::new(tokens[at].span.start, end.span.start))
}

/// The text without these spans, which are in order.
fn without(text: &str, cuts: &[Span]) -> String {
    let mut out = String::new();
    let mut from = 0;
    for cut in cuts {
        out.push_str(text.get(from..cut.start).unwrap_or_default());
        from = cut.end.max(from);
    }
    out.push_str(text.get(from..).unwrap_or_default());
    out
}

fn tokens(text: &str) -> Option<Vec<Token>> {
    scanner::tokens(text, Span::new(0, text.len()), Options::new(Provider::MySql).mode()).ok()
}

fn change(token: &Token) -> i32 {
    i32::from(token.is_symbol(b'(')) - i32::from(token.is_symbol(b')'))
}

/// From the first to the last of these tokens.
fn slice<'t>(text: &'t str, tokens: &[Token]) -> &'t str {
    match (tokens.first(), tokens.last()) {
        (Some(first), Some(last)) => text.get(first.span.start..last.span.end).unwrap_or_default(),
        _ => "",
    }
}

/// A name without its backticks; none for what is no name.
fn name(text: &str, token: &Token) -> Option<String> {
    let written = token.span.slice(text);
    match token.kind {
        TokenKind::QuotedName => Some(written.get(1..written.len() - 1)?.replace("``", "`")),
        TokenKind::Word => Some(written.to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "CREATE TABLE `t` (
  `id` int(10) unsigned NOT NULL AUTO_INCREMENT,
  `a b` enum('x, (y','NOT NULL') CHARACTER SET latin1 COLLATE latin1_bin DEFAULT 'x, (y' COMMENT 'AUTO_INCREMENT=3 DEFAULT 5',
  `c``d` decimal(10,2) GENERATED ALWAYS AS (`id` + (1)) STORED,
  `at` datetime NOT NULL DEFAULT current_timestamp() ON UPDATE current_timestamp(),
  PRIMARY KEY (`id`),
  UNIQUE KEY `u` (`a b`(3)),
  KEY `k` (`at`),
  CONSTRAINT `f` FOREIGN KEY (`id`) REFERENCES `o` (`id`) ON DELETE CASCADE,
  CONSTRAINT `h` CHECK (`id` > 0 and `id` < 9),
  PERIOD FOR SYSTEM_TIME (`x`, `y`)
) ENGINE=InnoDB AUTO_INCREMENT=77 DEFAULT CHARSET=utf8mb4 COMMENT='AUTO_INCREMENT=3'
 PARTITION BY RANGE (`id`)
(PARTITION `p0` VALUES LESS THAN (10) ENGINE = InnoDB)";

    #[test]
    fn a_table_is_taken_apart() {
        let table = shown_table(TABLE).unwrap();
        let columns: Vec<_> = table
            .columns
            .iter()
            .map(|c| (c.name.as_str(), c.data_type.as_str(), c.not_null, c.default.as_deref()))
            .collect();
        assert_eq!(
            columns,
            [
                ("id", "int(10) unsigned", true, None),
                ("a b", "enum('x, (y','NOT NULL')", false, Some("'x, (y'")),
                ("c`d", "decimal(10,2)", false, None),
                ("at", "datetime", true, Some("current_timestamp()")),
            ]
        );
        assert_eq!(table.columns[2].generated.as_deref(), Some("(`id` + (1))"));
        assert_eq!(table.columns[0].text, "int(10) unsigned NOT NULL AUTO_INCREMENT");
        let parts: Vec<_> =
            table.parts.iter().map(|(part, text)| (part.to_string(), text.as_str())).collect();
        let parts: Vec<_> = parts.iter().map(|(part, text)| (part.as_str(), *text)).collect();
        assert_eq!(
            parts,
            [
                ("constraint PRIMARY", "PRIMARY KEY (`id`)"),
                ("constraint h", "CHECK (`id` > 0 and `id` < 9)"),
                ("index k", "ALTER TABLE `t` ADD KEY `k` (`at`)"),
                ("index u", "ALTER TABLE `t` ADD UNIQUE KEY `u` (`a b`(3))"),
                ("foreign key f", "FOREIGN KEY (`id`) REFERENCES `o` (`id`) ON DELETE CASCADE"),
                ("setting PERIOD FOR SYSTEM_TIME (`x`, `y`)", "PERIOD FOR SYSTEM_TIME (`x`, `y`)"),
            ]
        );
        assert!(
            table.text.starts_with(
                "ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COMMENT='AUTO_INCREMENT=3'\n PARTITION BY"
            )
        );
    }

    #[test]
    fn what_belongs_to_a_database_is_left_out() {
        let is_own = |name: &str| ["t", "f"].contains(&name);
        for (shown, text) in [
            (
                "CREATE ALGORITHM=UNDEFINED DEFINER=`root`@`localhost` SQL SECURITY DEFINER VIEW `v` AS select `db`.`t`.`a` AS `a`,'db.t' AS `b` from (`db`.`t` join `other`.`t`)",
                "CREATE ALGORITHM=UNDEFINED SQL SECURITY DEFINER VIEW `v` AS select `t`.`a` AS `a`,'db.t' AS `b` from (`t` join `other`.`t`)",
            ),
            (
                "CREATE DEFINER=`owner` FUNCTION `f`() RETURNS int(11)\nRETURN 1",
                "CREATE FUNCTION `f`() RETURNS int(11)\nRETURN 1",
            ),
            (
                "BEGIN DECLARE db ROW TYPE OF t; INSERT INTO db.t VALUES (db.f(), db.x, t.db); END",
                "BEGIN DECLARE db ROW TYPE OF t; INSERT INTO t VALUES (f(), db.x, t.db); END",
            ),
            ("select `db`.`gone`.`id` AS `id` from `db`.`gone`", "select `gone`.`id` AS `id` from `gone`"),
        ] {
            assert_eq!(shown_statement(shown, "db", &is_own), text);
        }
        let event = "CREATE EVENT `e` ON SCHEDULE EVERY 1 DAY STARTS '2025-01-01 00:00:00' DO DELETE FROM t";
        assert_eq!(
            shown_event(event, "2025-01-01 00:00:00"),
            "CREATE EVENT `e` ON SCHEDULE EVERY 1 DAY DO DELETE FROM t"
        );
        assert_eq!(shown_event(event, "2025-01-02 00:00:00"), event);
    }
}
