//! Bringing back what was kept, on MySQL and MariaDB: a table is made under another name, filled, and gets its own name last; a column
//! gets its name back. Each is one statement, or one that can be said again.

use super::super::keep::{
    KEPT_PREFIX, Kept, KeptKind, Piece, Pieces, Running, Substitution, Taken, is_filled_later, left, listed,
    shortened,
};
use super::super::state::State;
use super::super::text;
use super::keep::{fill, is_counted, read};
use super::leaving::{checks, names_column};
use super::render::{alter, quoted};
use super::session::{About, Session};
use super::{MYSQL, column};
use crate::kind::{DdlVerb, Kind};
use crate::scanner::Token;
use crate::snapshot::{ColumnDefinition, Object, ObjectKind, PartKind};
use crate::statement::Statement;
use crate::words::Words;
use diagnostics::Span;
use std::collections::BTreeSet;

/// What names begin with under which a table is filled that comes back. It never holds the only copy of anything.
pub const BACK_PREFIX: &str = "_cutover_kept_back_";

/// Values are taken as they are: a counted number 0 is no demand for the next one, and a date that is none stays what it is. What
/// does not fit is an error still.
pub const AS_THEY_ARE: [&str; 2] = [
    "SET @cutover_sql_mode = @@SESSION.sql_mode",
    "SET SESSION sql_mode = CONCAT_WS(',', NULLIF(TRIM(BOTH ',' FROM REPLACE(REPLACE(REPLACE(CONCAT(',', @@SESSION.sql_mode, ','), \
     ',TRADITIONAL,', ','), ',NO_ZERO_DATE,', ','), ',NO_ZERO_IN_DATE,', ',')), ''), 'NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES')",
];

/// Takes [`AS_THEY_ARE`] back.
const AS_IT_WAS: &str = "SET SESSION sql_mode = @cutover_sql_mode";

pub(in crate::inverse) fn bring_back(
    running: Running<'_>,
    state: &mut State,
    kept: &[Kept],
    taken: &mut Taken,
) -> Vec<Substitution> {
    let mut found = Vec::new();
    let mut session = Session::ran(&running.script.statements[..running.done], running.text, state);
    for (number, statement) in left(running) {
        taken.statement = number;
        let tokens = read(statement, running.text);
        // What is kept is in the database, and comes back there alone.
        if session.follow(statement, (running.text, &tokens), state) != About::Database {
            continue;
        }
        let sent = match &statement.kind {
            Kind::Ddl(DdlVerb::Create) => {
                let is_filled = |name: &str| {
                    is_filled_later(running, number, MYSQL, |into| text::same(&into.name, name, MYSQL))
                };
                let kept: Vec<Kept> =
                    kept.iter().filter(|kept| !is_filled(&kept.name.name)).cloned().collect();
                rows(statement, (running.text, &tokens), (state, &kept), taken)
            }
            Kind::Ddl(DdlVerb::Alter) => Pieces::read(running.text, &tokens, MYSQL)
                .and_then(|pieces| values(&pieces, (&tokens, running.text), (state, kept), taken)),
            _ => None,
        };
        let fills = sent.is_some() && matches!(statement.kind, Kind::Ddl(DdlVerb::Create));
        found.extend(sent.map(|sent| {
            let sent = [AS_THEY_ARE.map(str::to_owned).to_vec(), sent, vec![AS_IT_WAS.to_owned()]].concat();
            Substitution { statement: number, sent, own: None }
        }));
        super::one(statement, running.text, state);
        if fills {
            for one in kept.iter().filter(|one| !one.held.is_empty()) {
                let table = state.find(ObjectKind::Table, &one.name).filter(|table| state.is_created(table));
                let Some(table) = table else { continue };
                one.held.iter().for_each(|(column, _)| state.hold(&table, column));
            }
        }
    }
    found
}

/// A table is made anew: it gets its name once its rows are there.
fn rows(
    statement: &Statement,
    (text, tokens): (&str, &[Token]),
    (state, kept): (&State, &[Kept]),
    taken: &mut Taken,
) -> Option<Vec<String>> {
    let mut words = Words::new(text, tokens, MYSQL);
    words.take_all(&["CREATE", "TABLE"]).then_some(())?;
    words.if_not_exists();
    let first = words.look(0)?;
    let name = words.name()?;
    let named = words.span_from(first);
    // What has the name stays as it is: IF NOT EXISTS leaves it alone, and without that the server refuses.
    if state.relation(&name).is_some() || state.is_elsewhere(&name) {
        return None;
    }
    let from = kept
        .iter()
        .find(|kept| kept.kind == KeptKind::Table && text::same(&kept.name.name, &name.name, MYSQL))?;
    let mut then = State::new(&state.now, BTreeSet::new());
    super::one(statement, text, &mut then);
    let made = then.find(ObjectKind::Table, &name)?;
    let made_columns = &then.definition(&made)?.columns;
    let columns = taken.take_into(from, made_columns, MYSQL)?;
    if from.versioned {
        taken.leave(&from.place, "the former versions of its rows");
    }
    let rest = from.place.name.trim_start_matches(KEPT_PREFIX);
    // The server adds `_ibfk_1` to it for the name of a key.
    let place = shortened(format!("{BACK_PREFIX}{rest}"), 50);
    let body = Body::read(&name.name, words, statement.span.end);
    let head = &text[statement.span.start..named.start];
    let create = format!("{head}{}{}", quoted(&place), body.without_keys(text, named.end));
    let list = listed(columns.into_iter().chain(from.held.iter().map(|(column, _)| column)), MYSQL);
    let mut sent = vec![format!("DROP TABLE IF EXISTS {}", quoted(&place)), create];
    sent.extend(from.held.iter().map(|(column, data_type)| {
        format!("ALTER TABLE {} ADD COLUMN {} {data_type} NULL", quoted(&place), quoted(column))
    }));
    sent.push(format!(
        "INSERT INTO {} ({list}) SELECT {list} FROM {}",
        quoted(&place),
        quoted(&from.place.name)
    ));
    let is_counted =
        |column: &ColumnDefinition| is_counted(column) && names_column(&from.columns, &column.name);
    if let Some(counter) = from.counter.filter(|_| made_columns.iter().any(is_counted)) {
        // It goes on where it was, and not behind the highest number that is left.
        sent.push(alter(&place, &[format!("AUTO_INCREMENT = {counter}")]));
    }
    sent.extend(body.keys(text, &place).into_iter().map(|key| alter(&place, &[key])));
    sent.push(format!("RENAME TABLE {} TO {}", quoted(&place), quoted(&name.name)));
    Some(sent)
}

/// A CREATE TABLE behind its name, with the keys by which the table leads to itself: those can be made only once it is there under
/// the name that they lead to, and its rows can stand in any order without them.
struct Body {
    keys: Vec<OwnKey>,
    end: usize,
}

/// A key to the table itself.
struct OwnKey {
    /// What is taken out for it.
    cut: Span,
    /// Its words, up to the name and behind it.
    before: Span,
    behind: Span,
    /// The column that it stands at.
    column: Option<String>,
}

impl Body {
    /// `words` stand behind the name.
    fn read(table: &str, mut words: Words<'_>, end: usize) -> Self {
        let mut keys = Vec::new();
        words.symbol(b'(');
        while let Some(first) = words.look(0).filter(|token| !token.is_symbol(b')')) {
            // A comma goes with it, the one before or the one behind.
            let comma = words.previous().filter(|token| token.is_symbol(b','));
            let mut key = own_key(table, &mut words, comma.unwrap_or(first));
            if let (Some(key), None, Some(next)) = (&mut key, comma, words.look(0)) {
                key.cut.end =
                    if key.column.is_none() && next.is_symbol(b',') { next.span.end } else { key.cut.end };
            }
            keys.extend(key);
            if !words.symbol(b',') {
                break;
            }
        }
        Self { keys, end }
    }

    /// The text behind the name without these keys.
    fn without_keys(&self, text: &str, from: usize) -> String {
        let mut at = from;
        let mut rest = String::new();
        for key in &self.keys {
            rest.push_str(&text[at..key.cut.start.max(at)]);
            at = key.cut.end;
        }
        rest + &text[at..self.end]
    }

    /// What adds the keys to the table under this name.
    fn keys(&self, text: &str, place: &str) -> Vec<String> {
        let add = |key: &OwnKey| {
            let (before, behind) = (key.before.slice(text), key.behind.slice(text));
            match &key.column {
                None => format!("ADD {before} {} {behind}", quoted(place)),
                // MySQL heeds no key at a column.
                Some(column) => {
                    format!(
                        "/*M! ADD FOREIGN KEY ({}) {before} {} {behind} */",
                        quoted(column),
                        quoted(place)
                    )
                }
            }
        };
        self.keys.iter().map(add).collect()
    }
}

/// Reads one line of CREATE TABLE, up to its comma.
fn own_key(table: &str, words: &mut Words<'_>, from: Token) -> Option<OwnKey> {
    let first = words.look(0)?;
    let is_key = words.at_word("CONSTRAINT") || words.at_word("FOREIGN");
    let column = if is_key { None } else { words.clone().part() };
    let mut found = None;
    while let Some(token) = words.look(0).filter(|token| !token.is_symbol(b',') && !token.is_symbol(b')')) {
        if found.is_some() || !words.take("REFERENCES") {
            words.skip_one();
            continue;
        }
        let before = words.span_from(if is_key { first } else { token });
        if words.name().is_some_and(|to| text::same(&to.name, table, MYSQL)) {
            let next = words.look(0)?;
            words.skip_one();
            while words.take_any(&["ON", "MATCH"]).is_some() {
                words.take_any(&["DELETE", "UPDATE"]);
                words.take_any(&["SET", "NO"]);
                words.advance();
            }
            let cut = words.span_from(if is_key { from } else { token });
            found = Some(OwnKey { cut, before, behind: words.span_from(next), column: column.clone() });
        }
    }
    found
}

/// A column is added: it is the one that was kept.
fn values(
    pieces: &Pieces<'_>,
    (tokens, text): (&[Token], &str),
    (state, kept): (&State, &[Kept]),
    taken: &mut Taken,
) -> Option<Vec<String>> {
    let table = state.find(ObjectKind::Table, &pieces.table)?;
    let of = |column: &str| {
        kept.iter().find(|kept| {
            kept.kind == KeptKind::Column
                && kept.name == table.name
                && kept.column.as_deref().is_some_and(|own| text::same(own, column, MYSQL))
                && kept.place_column.as_deref().is_some_and(|place| state.column(&table, place).is_some())
        })
    };
    // IF NOT EXISTS leaves a column alone that is there.
    let is_left = |piece: &Piece<'_>, column: &str| {
        let dropped = pieces.pieces.iter().filter_map(|piece| piece.dropped_column());
        text::is_lenient(piece.text, MYSQL)
            && state.column(&table, column).is_some()
            && !dropped.into_iter().any(|dropped| text::same(&dropped, column, MYSQL))
    };
    let alter = crate::effect::mysql::alter::alter_table(Words::new(text, tokens, MYSQL))?;
    let added = |name: &str| {
        alter.specs.iter().find_map(|spec| match spec {
            crate::effect::mysql::spec::Spec::AddColumn { column, .. } if column.name == name => {
                Some(column::defined(column))
            }
            _ => None,
        })
    };
    let (mut sent, mut changes, mut any) = (Vec::new(), Vec::new(), false);
    for piece in &pieces.pieces {
        let added_here = piece.added_column().filter(|(name, _)| !is_left(piece, name));
        let found = added_here.and_then(|(name, rest)| {
            let own = of(&name)?;
            Some((own, own.place_column.as_deref()?, name, rest))
        });
        match found {
            Some((own, place, name, rest)) => {
                any = true;
                taken.take_column(own);
                let defined = added(&name);
                if defined.as_ref().is_some_and(must_have_a_value) {
                    taken.require(own, MYSQL);
                }
                let others = state.definition(&table).map_or(&[][..], |definition| &definition.columns);
                let filled = defined.map(|column| fill((&table.name.name, others), &column, place));
                let filled = filled.unwrap_or_default();
                if filled.is_empty() {
                    fulfil(pieces, own, taken);
                }
                if let Some(trigger) = fires(&table, state).filter(|_| !filled.is_empty()) {
                    taken.require_quietly(own, trigger, MYSQL);
                }
                sent.extend(filled);
                changes.push(format!("CHANGE COLUMN {} {} {rest}", quoted(place), quoted(&name)));
            }
            None => changes.push(piece.text.to_owned()),
        }
    }
    sent.push(format!("{} {}", pieces.head, changes.join(", ")));
    any.then_some(sent)
}

/// Rows that get no value have to fulfil the checks that come with the column. Its own check the server asks of rows to come alone.
fn fulfil(pieces: &Pieces<'_>, own: &Kept, taken: &mut Taken) {
    for piece in &pieces.pieces {
        let tokens = text::tokens(piece.text, MYSQL);
        let mut words = Words::new(piece.text, &tokens, MYSQL);
        if !words.take_all(&["ADD", "CONSTRAINT"]) {
            continue;
        }
        words.if_not_exists();
        let Some(check) = words.part() else { continue };
        let names = |condition: &&String| {
            own.column.as_ref().is_some_and(|name| text::names_column(condition, name, MYSQL))
        };
        for condition in checks(piece.text).iter().filter(names) {
            taken.require_fulfilled(own, (&check, condition), MYSQL);
        }
    }
}

/// The trigger that fires where rows of a table are given values.
fn fires(table: &Object, state: &State) -> Option<String> {
    let parts = &state.definition(table)?.parts;
    let mut triggers = parts.iter().filter(|(part, _)| part.kind == PartKind::Trigger);
    let found = triggers.find(|(_, held)| {
        let tokens = text::tokens(held, MYSQL);
        let mut words = Words::new(held, &tokens, MYSQL);
        while words.look(0).is_some() && !words.at_word("ON") {
            if words.take("UPDATE") {
                return true;
            }
            words.advance();
        }
        false
    });
    found.map(|(part, _)| part.name.clone())
}

/// It takes no NULL, and nothing gives it another value.
fn must_have_a_value(column: &ColumnDefinition) -> bool {
    column.not_null && column.default.is_none() && !is_counted(column)
}
