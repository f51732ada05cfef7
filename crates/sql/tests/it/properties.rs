//! Promises about every text.

use diagnostics::{Provider, Span};
use proptest::prelude::*;
use sql::{Catalog, Kind, Options, Script, effect, split};

/// Pieces from which texts with quotes, comments and bodies come about.
const PIECES: &[&str] = &[
    ";",
    " ",
    "\n",
    "\r\n",
    "'",
    "''",
    "\"",
    "`",
    "[",
    "]",
    "\\",
    "\\'",
    "$",
    "$$",
    "$a$",
    "--",
    "-- ",
    "#",
    "/*",
    "*/",
    "/*!",
    "/*!50001 ",
    "/*M!",
    "(",
    ")",
    ",",
    ".",
    ":",
    "::",
    "=",
    "@",
    "@@",
    "E'",
    "U&'",
    "B'",
    "1",
    "1e",
    "ü",
    "漢",
    "\u{feff}",
    "CREATE ",
    "OR REPLACE ",
    "TEMP ",
    "TRIGGER ",
    "FUNCTION ",
    "PROCEDURE ",
    "RULE ",
    "INDEX ",
    "CONCURRENTLY ",
    "ON ",
    "TABLE ",
    "BEGIN ",
    "ATOMIC ",
    "NOT ",
    "END ",
    "CASE ",
    "IF ",
    "THEN ",
    "ELSE ",
    "LOOP ",
    "WHILE ",
    "DO ",
    "REPEAT ",
    "FOR ",
    "DECLARE ",
    "HANDLER ",
    "DELIMITER ",
    "SELECT ",
    "INTO ",
    "FROM ",
    "INSERT ",
    "WITH ",
    "AS ",
    "SET ",
    "standard_conforming_strings ",
    "sql_mode ",
    "TO ",
    "off ",
    "'ANSI' ",
    "RESET ",
    "ALTER ",
    "COPY ",
    "stdin",
    "\\.\n",
    "EXPLAIN ",
    "ANALYZE ",
    "COMMIT ",
    "PRAGMA ",
    "x",
    "-- cutover:a=b\n",
];

fn texts() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => prop::collection::vec(prop::sample::select(PIECES), 0..40).prop_map(|pieces| pieces.concat()),
        1 => any::<String>(),
    ]
}

fn providers() -> impl Strategy<Value = Provider> {
    prop::sample::select(Provider::ALL.as_slice())
}

fn options() -> impl Strategy<Value = Options> {
    (providers(), any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
        |(provider, standard_conforming_strings, ansi_quotes, no_backslash_escapes)| Options {
            provider,
            standard_conforming_strings,
            ansi_quotes,
            no_backslash_escapes,
        },
    )
}

/// What stands around the statements, in order.
fn gaps<'t>(text: &'t str, script: &Script) -> Vec<&'t str> {
    let mut gaps = Vec::new();
    let mut at = 0;
    for statement in &script.statements {
        gaps.push(Span::new(at, statement.span.start).slice(text));
        at = statement.span.end;
    }
    gaps.push(&text[at..]);
    gaps
}

/// True if a setting in the text decides how later text is read.
fn changes_mode(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    ["set ", "reset "].iter().any(|word| text.contains(word))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn spans_are_ordered_in_bounds_and_on_character_boundaries(text in texts(), options in options()) {
        match split(&text, &options) {
            Ok(script) => {
                let mut at = 0;
                for statement in &script.statements {
                    prop_assert!(at <= statement.span.start && statement.span.start < statement.span.end);
                    prop_assert!(text.get(statement.span.start..statement.span.end).is_some());
                    at = statement.span.end;
                }
                for directive in &script.directives {
                    prop_assert!(text.get(directive.span.start..directive.span.end).is_some());
                    prop_assert!(directive.statement <= script.statements.len());
                }
            }
            Err(error) => {
                prop_assert!(text.get(error.span.start..error.span.end).is_some_and(|open| !open.is_empty()));
            }
        }
    }

    #[test]
    fn every_statement_has_an_effect(text in texts(), provider in providers()) {
        let Ok(script) = split(&text, &Options::new(provider)) else { return Ok(()) };
        let mut catalog = Catalog::unknown(provider);
        for statement in &script.statements {
            let found = effect(statement, &text, &catalog);
            for (place, table) in found.tables.iter().enumerate() {
                prop_assert!(table.lock_during_work <= table.lock);
                prop_assert!(found.tables[..place].iter().all(|other| other.table != table.table));
            }
            catalog.apply(statement, &text);
        }
    }

    #[test]
    fn nothing_but_blanks_comments_and_semicolons_stands_between_statements(
        text in texts(),
        options in options(),
    ) {
        prop_assume!(!changes_mode(&text));
        let Ok(script) = split(&text, &options) else { return Ok(()) };
        prop_assume!(script.statements.iter().all(|statement| statement.kind != Kind::CopyFromStdin));
        for gap in gaps(&text, &script) {
            let rest = split(gap, &options);
            prop_assert!(rest.is_ok_and(|rest| rest.statements.is_empty()), "{gap:?} of {text:?}");
        }
    }

    #[test]
    fn a_statement_by_itself_is_one_statement(text in texts(), options in options()) {
        prop_assume!(!changes_mode(&text));
        let Ok(script) = split(&text, &options) else { return Ok(()) };
        for statement in &script.statements {
            let own = statement.span.slice(&text);
            // A byte order mark is passed over only at the start of a text.
            prop_assume!(!own.starts_with('\u{feff}'));
            // MySQL reads `--` as two signs unless a blank or the end follows: cut off, it is a comment.
            prop_assume!(options.provider != Provider::MySql || !own.ends_with("--"));
            let again = split(own, &options);
            prop_assert!(again.is_ok(), "{own:?} of {text:?}");
            let again = again.unwrap();
            prop_assert_eq!(again.statements.len(), 1, "{:?} of {:?}", own, text);
            prop_assert_eq!(&again.statements[0].kind, &statement.kind);
            prop_assert_eq!(again.statements[0].span, Span::new(0, own.len()));
        }
    }
}

#[test]
fn depth_does_not_exhaust_the_stack() {
    let marks = [("(", ")"), ("/*", "*/"), ("CASE ", "END "), ("((1)+", ")"), ("- ", " "), ("a(", ")")];
    for ((open, close), deep) in marks.into_iter().flat_map(|mark| [(mark, 240), (mark, 20_000)]) {
        for head in ["SELECT ", "CREATE INDEX CONCURRENTLY ON t ", "CREATE PROCEDURE p() BEGIN "] {
            let text = format!("{head}{}1{}", open.repeat(deep), close.repeat(deep));
            for provider in Provider::ALL {
                let script = split(&text, &Options::new(provider)).unwrap();
                assert!(script.statements.len() <= 1);
                for statement in &script.statements {
                    effect(statement, &text, &Catalog::unknown(provider));
                }
            }
        }
    }
}
