//! SELECT and its relatives, and what hides behind WITH and EXPLAIN.

use super::settings;
use crate::kind::{DataVerb, DdlVerb, Kind};
use crate::words::Words;
use diagnostics::Provider;

/// The words that change rows.
const DATA_VERBS: &[&str] = &["INSERT", "UPDATE", "DELETE", "MERGE", "REPLACE"];

/// `words` stands at SELECT, WITH, VALUES, TABLE or EXPLAIN.
pub(super) fn kind(mut words: Words<'_>) -> Kind {
    if words.take("EXPLAIN") {
        return explain(words);
    }
    if words.at_word("WITH") {
        return with(words);
    }
    if words.take("SELECT") {
        return select(words);
    }
    Kind::Query
}

fn select(words: Words<'_>) -> Kind {
    if words.provider() == Provider::PostgreSql {
        if let Some(kind) = settings::set_config(words.clone()) {
            return kind;
        }
        if crate::ddl::select_into(words).is_some() {
            return Kind::Ddl(DdlVerb::Create);
        }
    }
    Kind::Query
}

/// EXPLAIN only reads, unless ANALYZE runs the statement.
fn explain(mut words: Words<'_>) -> Kind {
    let mut runs = false;
    if words.look(0).is_some_and(|token| token.is_symbol(b'(')) {
        let mut options = words.clone();
        options.advance();
        while !options.is_done() && !options.symbol(b')') {
            if options.take_any(&["ANALYZE", "ANALYSE"]).is_some() {
                runs = !(options.at_word("OFF") || options.at_word("FALSE"));
            } else {
                options.advance();
            }
        }
        words.skip_one();
    }
    while let Some(option) = words.take_any(&["ANALYZE", "ANALYSE", "VERBOSE"]) {
        runs |= option != "VERBOSE";
    }
    match super::kind(words) {
        kind @ (Kind::Data(_) | Kind::Ddl(_) | Kind::Execute) if runs => kind,
        _ => Kind::Query,
    }
}

/// The statement behind the CTEs, unless a CTE changes rows itself.
fn with(words: Words<'_>) -> Kind {
    if let Some(verb) = writing_cte(words.clone()) {
        return Kind::Data(verb);
    }
    let mut main = words;
    main.advance();
    while !main.is_done() {
        if let Some(verb) = main.take_any(DATA_VERBS).and_then(data_verb) {
            return Kind::Data(verb);
        }
        if main.at_word("SELECT") || main.at_word("VALUES") || main.at_word("TABLE") {
            return super::kind(main);
        }
        main.skip_one();
    }
    Kind::Query
}

/// The verb of the first common table expression that changes rows.
pub(crate) fn writing_cte(mut words: Words<'_>) -> Option<DataVerb> {
    while !words.is_done() {
        if !words.take("AS") {
            words.advance();
            continue;
        }
        words.take("NOT");
        words.take("MATERIALIZED");
        if words.symbol(b'(')
            && let Some(verb) = words.take_any(DATA_VERBS).and_then(data_verb)
        {
            return Some(verb);
        }
    }
    None
}

fn data_verb(word: &str) -> Option<DataVerb> {
    Some(match word {
        "INSERT" => DataVerb::Insert,
        "UPDATE" => DataVerb::Update,
        "DELETE" => DataVerb::Delete,
        "MERGE" => DataVerb::Merge,
        "REPLACE" => DataVerb::Replace,
        _ => return None,
    })
}
