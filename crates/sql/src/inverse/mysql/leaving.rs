//! What a column that is kept leaves, and what holds it. Its keys, indexes and checks go with it, as the server takes them along with
//! a column that is dropped. What the server refuses to drop is not renamed either: what is made of it would lead to the copy, and
//! rows of new code would meet that.

use super::keep::has;
use super::render::{self, key_columns, quoted};
use super::{MYSQL, is_mariadb};
use crate::inverse::pieces::{Piece, Pieces};
use crate::inverse::state::State;
use crate::inverse::text;
use crate::scanner::TokenKind;
use crate::snapshot::{ColumnDefinition, Definition, Object, Part, PartKind};
use crate::words::{Words, unquote_name};

/// The columns that leave a table by one statement.
pub(super) struct Leaving<'s> {
    pieces: &'s Pieces<'s>,
    table: &'s Object,
    definition: &'s Definition,
    state: &'s State,
    left: Vec<Left>,
}

/// A part that a column leaves.
struct Left {
    part: Part,
    /// What it was, as ADD takes it.
    former: String,
    /// Its columns then.
    columns: Vec<String>,
    /// What is added in its place: it has other columns.
    rest: Option<String>,
    /// The statement drops it by its name.
    dropped: bool,
}

impl Left {
    fn drop(&self) -> String {
        match self.part.kind {
            PartKind::Index => format!("DROP INDEX {}", quoted(&self.part.name)),
            _ if self.part.name == "PRIMARY" => "DROP PRIMARY KEY".to_owned(),
            _ => format!("DROP CONSTRAINT {}", quoted(&self.part.name)),
        }
    }
}

impl<'s> Leaving<'s> {
    pub(super) fn of(pieces: &'s Pieces<'s>, table: &'s Object, state: &'s State) -> Option<Self> {
        Some(Self { pieces, table, definition: state.definition(table)?, state, left: Vec::new() })
    }

    /// The table as it is before the statement.
    pub(super) fn definition(&self) -> &Definition {
        self.definition
    }

    /// Takes a column off what it is in. One that is added `again` stays in its keys.
    ///
    /// # Errors
    /// What holds it.
    pub(super) fn take(&mut self, column: &ColumnDefinition, again: bool) -> Result<(), String> {
        self.refuse_last()?;
        self.refuse_unfilled(column)?;
        self.refuse_made_of(&column.name)?;
        self.refuse_partitions(&column.name)?;
        self.refuse_led_to(&column.name)?;
        for (part, held) in &self.definition.parts {
            let left = match part.kind {
                PartKind::Setting => self.refuse_period(held, &column.name).map(|()| None),
                PartKind::ForeignKey => self.refuse_key(part, held, &column.name).map(|()| None),
                PartKind::Constraint if part.name != "PRIMARY" => self.check(part, held, &column.name),
                PartKind::Constraint | PartKind::Index => self.key(part, held, (&column.name, again)),
                _ => Ok(None),
            };
            self.left.extend(left?);
        }
        Ok(())
    }

    /// The changes that take the columns off what they leave. What the statement drops by name it drops itself.
    pub(super) fn changes(&self) -> Vec<String> {
        let changes = |left: &Left| {
            [Some(left.drop()), left.rest.as_ref().map(|rest| format!("ADD {}", self.called(rest)))]
        };
        self.left.iter().filter(|left| !left.dropped).flat_map(changes).flatten().collect()
    }

    /// The changes that put a column back into what it left.
    pub(super) fn back(&self, column: &str) -> Vec<String> {
        let own = self.left.iter().filter(|left| names_column(&left.columns, column));
        own.flat_map(|left| {
            [left.rest.as_ref().map(|_| left.drop()), Some(format!("ADD {}", self.called(&left.former)))]
        })
        .flatten()
        .collect()
    }

    /// A key with the names that its columns have behind the statement.
    fn called(&self, key: &str) -> String {
        let rename =
            |text: String, (from, to): &(String, String)| text::column_renamed(&text, from, to, MYSQL);
        self.renamed().iter().fold(key.to_owned(), rename)
    }

    /// The columns that the statement gives other names: what it says of keys is about these.
    fn renamed(&self) -> Vec<(String, String)> {
        let read = |piece: &Piece<'_>| {
            let tokens = text::tokens(piece.text, MYSQL);
            let mut words = Words::new(piece.text, &tokens, MYSQL);
            let changes = words.take("CHANGE");
            if !changes && !words.take_all(&["RENAME", "COLUMN"]) {
                return None;
            }
            words.take("COLUMN");
            words.if_exists();
            let from = words.part()?;
            words.take("TO");
            let to = words.part()?;
            (!text::same(&from, &to, MYSQL)).then_some((from, to))
        };
        self.pieces.pieces.iter().filter_map(read).collect()
    }

    /// The statement drops this column.
    fn drops(&self, column: &str) -> bool {
        let mut dropped = self.pieces.pieces.iter().filter_map(Piece::dropped_column);
        dropped.any(|name| text::same(&name, column, MYSQL))
    }

    /// The statement drops this key or constraint by its name.
    fn drops_part(&self, part: &Part) -> bool {
        self.pieces.pieces.iter().any(|piece| drops_part(piece.text, part))
    }

    /// The server leaves no table without a column that can be seen.
    fn refuse_last(&self) -> Result<(), String> {
        let stays =
            |column: &ColumnDefinition| !self.drops(&column.name) && !has(&column.text, &["INVISIBLE"]);
        let any = self.definition.columns.iter().any(stays)
            || self.pieces.pieces.iter().any(|piece| piece.added_column().is_some());
        match any {
            true => Ok(()),
            false => Err(format!("no other column of {} is left; drop the table", self.table.name)),
        }
    }

    /// MariaDB: what has become of rows that came without a value cannot be given one.
    fn refuse_unfilled(&self, column: &ColumnDefinition) -> Result<(), String> {
        let versioned = has(&self.definition.text, &["VERSIONING"])
            && !self.pieces.pieces.iter().any(|piece| has(piece.text, &["VERSIONING"]));
        match versioned && column.not_null {
            true => Err(format!(
                "{} has former versions of its rows, which could not be given a value for {} when that comes back; drop it without keeping, or let it be NULL before",
                self.table.name, column.name
            )),
            false => Ok(()),
        }
    }

    /// Other columns that are made of it, and are not changed by the same statement.
    fn refuse_made_of(&self, column: &str) -> Result<(), String> {
        let changed: Vec<String> =
            self.pieces.pieces.iter().filter_map(|piece| changed_column(piece.text)).collect();
        let others = self.definition.columns.iter().filter(|other| {
            !text::same(&other.name, column, MYSQL)
                && !self.drops(&other.name)
                && !names_column(&changed, &other.name)
        });
        for other in others {
            let name = &other.name;
            let uses = |expression: &String| uses(expression, column, self.definition);
            if other.generated.as_ref().is_some_and(uses) {
                return Err(format!("the column {name} is computed from it; drop that before"));
            }
            if other.default.as_ref().is_some_and(uses) {
                return Err(format!("the default of column {name} is made of it; change that before"));
            }
            if checks(&other.text).iter().any(uses) {
                return Err(format!("the check of column {name} names it; change that before"));
            }
        }
        Ok(())
    }

    fn refuse_partitions(&self, column: &str) -> Result<(), String> {
        let parted = partitioned_by(&self.definition.text);
        let is_again =
            |piece: &Piece<'_>| has(piece.text, &["PARTITIONING"]) || !partitioned_by(piece.text).is_empty();
        let holds = parted.iter().any(|expression| uses(expression, column, self.definition));
        match holds && !self.pieces.pieces.iter().any(is_again) {
            true => Err(format!("the partitions of {} are made of it; change those before", self.table.name)),
            false => Ok(()),
        }
    }

    /// Foreign keys of all tables, this one among them, that lead to it.
    fn refuse_led_to(&self, column: &str) -> Result<(), String> {
        for (other, definition) in &self.state.now.objects {
            for (part, held) in definition.parts.iter().filter(|(part, _)| part.kind == PartKind::ForeignKey)
            {
                let to = held.find("REFERENCES").map_or("", |at| &held[at..]);
                let leads = text::names(to, &self.table.name, MYSQL)
                    && names_column(&text::key_columns(to, MYSQL), column);
                if leads && !(other == self.table && self.drops_part(part)) {
                    return Err(format!(
                        "the foreign key {} of {} leads to it; drop that before",
                        part.name, other.name
                    ));
                }
            }
        }
        Ok(())
    }

    fn refuse_period(&self, held: &str, column: &str) -> Result<(), String> {
        let Some(period) = period(held) else { return Ok(()) };
        let drops = |piece: &Piece<'_>| {
            let tokens = text::tokens(piece.text, MYSQL);
            let mut words = Words::new(piece.text, &tokens, MYSQL);
            words.take_all(&["DROP", "PERIOD"]) && {
                words.if_exists();
                words.take("FOR");
                words.part().is_some_and(|name| text::same(&name, &period, MYSQL))
            }
        };
        let holds = names_column(&text::key_columns(held, MYSQL), column);
        match holds && !self.pieces.pieces.iter().any(drops) {
            true => Err(format!("the period {period} is made of it; drop that before")),
            false => Ok(()),
        }
    }

    fn refuse_key(&self, part: &Part, held: &str, column: &str) -> Result<(), String> {
        match names_column(&key_columns(held), column) && !self.drops_part(part) {
            true => Err(format!("the foreign key {} is made of it; drop that before", part.name)),
            false => Ok(()),
        }
    }

    /// A check that names this column alone goes with it.
    fn check(&self, part: &Part, held: &str, column: &str) -> Result<Option<Left>, String> {
        if !uses(held, column, self.definition) || self.drops_part(part) {
            return Ok(None);
        }
        let columns = used_by(held, self.definition);
        let others: Vec<&str> =
            columns.iter().map(String::as_str).filter(|own| !text::same(own, column, MYSQL)).collect();
        if !others.is_empty() {
            return Err(format!(
                "the check {} names it with others ({}); drop that before",
                part.name,
                others.join(", ")
            ));
        }
        let former = format!("CONSTRAINT {} {held}", quoted(&part.name));
        Ok(Some(Left { part: part.clone(), former, columns, rest: None, dropped: false }))
    }

    /// A key has its other columns then, and goes where it has none.
    fn key(&self, part: &Part, held: &str, (column, again): (&str, bool)) -> Result<Option<Left>, String> {
        let held = render::index(held);
        let (columns, dropped) = (key_columns(held), self.drops_part(part));
        let former = held.to_owned();
        if dropped {
            let left = Left { part: part.clone(), former, columns, rest: None, dropped };
            return Ok(Some(left).filter(|left| names_column(&left.columns, column)));
        }
        if !names_column(&columns, column) {
            let list = held.find('(').map_or("", |at| &held[at..]);
            return match uses(list, column, self.definition) {
                true => Err(format!("the index {} is made of it; drop that before", part.name)),
                false => Ok(None),
            };
        }
        let periods: Vec<String> = self.definition.parts.values().filter_map(|held| period(held)).collect();
        let rest: Vec<String> =
            columns.iter().filter(|own| again || !text::same(own, column, MYSQL)).cloned().collect();
        let goes = rest.iter().all(|own| names_column(&periods, own));
        let shrinks = !goes && rest.len() < columns.len();
        let is_unique = part.kind == PartKind::Constraint || held.starts_with("UNIQUE");
        // MySQL takes a column out of a unique key; MariaDB drops none that such a key has with others.
        let is_held = shrinks && is_unique && is_mariadb(&self.state.now) == Some(true);
        if is_held
            || (shrinks && !is_plain(held, &columns))
            || self.left.iter().any(|left| left.part == *part)
        {
            return Err(format!(
                "the index {} has it with others ({}); drop that before",
                part.name,
                rest.join(", ")
            ));
        }
        let rest = match (goes, shrinks) {
            (true, _) => None,
            (false, false) => Some(held.to_owned()),
            (false, true) => {
                let list = crate::inverse::keep::listed(&rest, MYSQL);
                let open = held.find('(').unwrap_or(held.len());
                let close = held.find(')').map_or("", |at| &held[at + 1..]);
                Some(format!("{}({list}){close}", &held[..open]))
            }
        };
        Ok(Some(Left { part: part.clone(), former, columns, rest, dropped }))
    }
}

/// A part is a check: the server drops it with the last column that it names.
pub(super) fn is_check(part: &Part) -> bool {
    part.kind == PartKind::Constraint && part.name != "PRIMARY"
}

/// The default of a column is made of something that can be dropped: another column, or a sequence.
pub(super) fn default_holds(column: &ColumnDefinition, definition: &Definition) -> bool {
    column.default.as_ref().is_some_and(|default| {
        let tokens = text::tokens(default, MYSQL);
        tokens.iter().any(|token| token.kind == TokenKind::QuotedName)
            || has(default, &["NEXT"])
            || has(default, &["NEXTVAL"])
            || !used_by(default, definition).is_empty()
    })
}

/// The columns that an expression names.
fn used_by(expression: &str, definition: &Definition) -> Vec<String> {
    let names = definition.columns.iter().map(|column| &column.name);
    names.filter(|name| uses(expression, name, definition)).cloned().collect()
}

/// An expression names this column. What the server prints has its names in quotes; words without them are the server's own there.
pub(super) fn uses(expression: &str, column: &str, definition: &Definition) -> bool {
    let is_printed = definition.source.as_ref().is_some_and(|source| source.contains(expression));
    let tokens = text::tokens(expression, MYSQL);
    tokens.iter().enumerate().any(|(at, token)| {
        let raw = token.span.slice(expression);
        match token.kind {
            TokenKind::QuotedName => text::same(&unquote_name(raw), column, MYSQL),
            TokenKind::Word if !is_printed => {
                let calls = tokens.get(at + 1).is_some_and(|next| next.is_symbol(b'('));
                !calls && text::same(raw, column, MYSQL)
            }
            _ => false,
        }
    })
}

/// The conditions behind CHECK in the definition of a column.
pub(super) fn checks(definition: &str) -> Vec<String> {
    let tokens = text::tokens(definition, MYSQL);
    let mut words = Words::new(definition, &tokens, MYSQL);
    let mut found = Vec::new();
    while words.skip_to("CHECK") {
        let Some(first) = words.look(0) else { break };
        words.skip_one();
        found.push(words.span_from(first).slice(definition).to_owned());
    }
    found
}

/// What a table's rows are parted by.
fn partitioned_by(options: &str) -> Vec<String> {
    let tokens = text::tokens(options, MYSQL);
    let mut words = Words::new(options, &tokens, MYSQL);
    let mut found = Vec::new();
    while words.look(0).is_some() {
        let is_next = words.take_all(&["PARTITION", "BY"]) || words.take_all(&["SUBPARTITION", "BY"]);
        if !is_next {
            words.skip_one();
            continue;
        }
        while words.look(0).is_some_and(|token| !token.is_symbol(b'(')) {
            words.advance();
        }
        let Some(first) = words.look(0) else { break };
        words.skip_one();
        found.push(words.span_from(first).slice(options).to_owned());
    }
    found
}

/// The name of a period for the application's own times: ``PERIOD FOR `p` (`a`, `b`)``.
fn period(held: &str) -> Option<String> {
    let tokens = text::tokens(held, MYSQL);
    let mut words = Words::new(held, &tokens, MYSQL);
    words.take_all(&["PERIOD", "FOR"]).then_some(())?;
    words.part()
}

/// The column that a change defines anew, or gives another default.
fn changed_column(change: &str) -> Option<String> {
    let tokens = text::tokens(change, MYSQL);
    let mut words = Words::new(change, &tokens, MYSQL);
    let verb = words.take_any(&["ALTER", "MODIFY", "CHANGE"])?;
    let is_column = words.take("COLUMN");
    let others = ["INDEX", "KEY", "CHECK", "CONSTRAINT"];
    if verb == "ALTER" && !is_column && others.iter().any(|word| words.at_word(word)) {
        return None;
    }
    words.if_exists();
    words.part()
}

/// A change drops this key or constraint by its name, however it is written.
fn drops_part(change: &str, part: &Part) -> bool {
    let tokens = text::tokens(change, MYSQL);
    let mut words = Words::new(change, &tokens, MYSQL);
    if !words.take("DROP") {
        return false;
    }
    let is_index = part.kind == PartKind::Index || part.name == "PRIMARY";
    let fits = if words.take_all(&["PRIMARY", "KEY"]) {
        return part.name == "PRIMARY";
    } else if words.take_all(&["FOREIGN", "KEY"]) {
        part.kind == PartKind::ForeignKey
    } else if words.take_any(&["INDEX", "KEY"]).is_some() {
        is_index
    } else {
        // The server drops a key by that, too.
        words.take("CONSTRAINT") || (words.take("CHECK") && is_check(part))
    };
    words.if_exists();
    fits && words.part().is_some_and(|name| text::same(&name, &part.name, MYSQL))
}

pub(super) fn names_column(columns: &[String], column: &str) -> bool {
    columns.iter().any(|own| text::same(own, column, MYSQL))
}

/// The key lists its columns alone, without lengths and directions.
fn is_plain(held: &str, columns: &[String]) -> bool {
    held.contains(&format!("({})", columns.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(",")))
}
