//! Bringing back what was kept, on PostgreSQL: a table is made anew and filled, a column gets its name back.

use super::super::keep::{
    Kept, KeptKind, Piece, Pieces, Running, Substitution, Taken, is_filled_later, left, listed,
};
use super::super::state::State;
use super::super::text;
use super::POSTGRES;
use super::counter::{self, counted};
use super::keep::{TYPES, fill, own_type};
use super::render::{self, alter, alter_column, quoted};
use super::{setting, types};
use crate::action::Name;
use crate::pg;
use crate::pg::command::{self, Alter, Change, Command, Object as Relation};
use crate::snapshot::{ColumnDefinition, Object, ObjectKind, PartKind};
use crate::statement::Statement;
use std::collections::BTreeSet;

pub(in crate::inverse) fn bring_back(
    running: Running<'_>,
    state: &mut State,
    kept: &[Kept],
    taken: &mut Taken,
) -> Vec<Substitution> {
    let mut found: Vec<Substitution> = Vec::new();
    // Counters go on behind the numbers that are there, once everything is.
    let mut counters: Vec<Counter> = Vec::new();
    let mut last = None;
    for (number, statement) in left(running) {
        taken.statement = number;
        if !statement.kind.is_transaction_control() {
            last = Some(number);
        }
        let written = statement.span.slice(running.text);
        let sent = match pg::read(written) {
            Ok(Command::CreateTable(create))
                if !is_in_the_way(&create, state) && !is_filled(&create, (running, number), state) =>
            {
                rows(&create, written, (state, kept, &mut counters), taken)
            }
            Ok(Command::Alter(change)) if change.object == Relation::Table => {
                values(&change, written, (state, kept), taken)
            }
            _ => None,
        };
        counters.iter_mut().for_each(|counter| counter.follow(written, state));
        follow((statement, running.text), state, if sent.is_some() { kept } else { &[] });
        found.extend(sent.map(|(sent, own)| Substitution { statement: number, sent, own }));
    }
    for own in kept.iter().filter(|kept| kept.kind == KeptKind::Type) {
        if state.find_any(&TYPES, &own.name).is_some_and(|made| state.is_created(&made)) {
            taken.take(&own.place);
        }
    }
    let counters: Vec<String> = counters.iter().flat_map(Counter::sent).collect();
    let Some(last) = last.filter(|_| !counters.is_empty()) else { return found };
    match found.iter_mut().find(|one| one.statement == last) {
        Some(one) => one.sent.extend(counters),
        None => {
            let text = running.script.statements[last].span.slice(running.text).to_owned();
            let sent = std::iter::once(text).chain(counters).collect();
            found.push(Substitution { statement: last, sent, own: Some(0) });
        }
    }
    found
}

/// What is there behind a statement. A table that it makes has the columns of those that it is made after, and, where its rows came back,
/// those that are kept in it.
fn follow((statement, text): (&Statement, &str), state: &mut State, kept: &[Kept]) {
    let create = match pg::read(statement.span.slice(text)) {
        Ok(Command::CreateTable(create)) if !is_in_the_way(&create, state) => Some(create),
        _ => None,
    };
    let made =
        create.and_then(|create| Some((state.made(create.name.as_ref()?), columns_of(&create, state))));
    super::one(statement, text, state);
    let Some((name, columns)) = made else { return };
    let table = Object { kind: ObjectKind::Table, name };
    if let Some(columns) = columns {
        state.change(&table, |definition| definition.columns = columns);
    }
    for one in kept.iter().filter(|one| one.name == table.name) {
        one.held.iter().for_each(|(column, _)| state.hold(&table, column));
    }
}

/// The script itself puts rows into the table that it makes here.
fn is_filled(create: &command::CreateTable, (running, number): (Running<'_>, usize), state: &State) -> bool {
    let made = create.name.as_ref().map(|name| state.made(name));
    made.is_some_and(|made| is_filled_later(running, number, POSTGRES, |into| state.made(into) == made))
}

/// Something has the name: IF NOT EXISTS leaves that alone, and rows that are kept are none of its.
fn is_in_the_way(create: &command::CreateTable, state: &State) -> bool {
    let named = create.name.as_ref().map(|name| state.made(name));
    create.temporary
        || named.is_some_and(|name| {
            state.relation(&name).is_some() || state.owner(PartKind::Index, &name).is_some()
        })
}

/// A table is made anew: its rows are there.
fn rows(
    create: &command::CreateTable,
    written: &str,
    (state, kept, counters): (&State, &[Kept], &mut Vec<Counter>),
    seen: &mut Taken,
) -> Option<(Vec<String>, Option<usize>)> {
    let name = state.made(create.name.as_ref()?);
    let more = |kept: &Kept| -> Vec<String> {
        let add = |(column, data_type): &(String, String)| {
            format!("ALTER TABLE {} ADD COLUMN {} {data_type}", render::qualified(&name), quoted(column))
        };
        kept.held.iter().map(add).collect()
    };
    let mut tables = kept.iter().filter(|kept| kept.kind == KeptKind::Table);
    if let Some(above) = kept.iter().find(|kept| kept.name == name && !kept.partitions.is_empty()) {
        // Its rows are those of its partitions, its counters its own.
        let columns: Vec<&command::ColumnDefinition> = create.columns.iter().collect();
        count_on(&name, (&columns, &above.place), counters);
        let sent = std::iter::once(written.to_owned()).chain(more(above)).collect();
        return (!above.held.is_empty()).then_some((sent, Some(0)));
    }
    let (whole, place, held) = tables.find_map(|kept| {
        let partition =
            || kept.partitions.iter().find(|partition| partition.name == name && !partition.parted);
        match kept.name == name && kept.partitions.is_empty() {
            true => Some((kept, &kept.place, &kept.columns)),
            false => partition().map(|partition| (kept, &partition.place, &partition.columns)),
        }
    })?;
    let columns: Vec<ColumnDefinition> =
        columns_of(create, state)?.into_iter().filter(|column| held.contains(&column.name)).collect();
    let stored: Vec<&ColumnDefinition> = columns.iter().filter(|column| column.generated.is_none()).collect();
    if stored.is_empty() {
        return None;
    }
    let own: Vec<&command::ColumnDefinition> =
        create.columns.iter().filter(|own| stored.iter().any(|column| column.name == own.name)).collect();
    count_on(&name, (&own, place), counters);
    seen.take_rows(place, held, |column| stored.iter().any(|own| own.name == *column));
    let into = listed(stored.iter().map(|column| &column.name), POSTGRES);
    let value = |column: &&ColumnDefinition| quoted(&column.name) + &cast(column, state);
    let taken = stored.iter().map(value).collect::<Vec<_>>().join(", ");
    let carried =
        whole.held.iter().fold(String::new(), |list, (column, _)| format!("{list}, {}", quoted(column)));
    let fill = format!(
        "INSERT INTO {} ({into}{carried}) OVERRIDING SYSTEM VALUE SELECT {taken}{carried} FROM {}",
        render::qualified(&name),
        render::qualified(place)
    );
    // A policy that its owner is under as well would leave rows behind.
    let aside = Object { kind: ObjectKind::Table, name: place.clone() };
    let all_rows = alter(&aside, "NO FORCE ROW LEVEL SECURITY");
    // What nobody has seen there is not filled either.
    let mut sent = vec![text::strict(written, POSTGRES)];
    if whole.partitions.is_empty() {
        sent.extend(more(whole));
    }
    sent.extend([all_rows, fill]);
    Some((sent, Some(0)))
}

/// The columns that a table has once it is made: those that are written, and those of the tables that it is made after. None where they are
/// not known.
fn columns_of(create: &command::CreateTable, state: &State) -> Option<Vec<ColumnDefinition>> {
    let mut columns: Vec<ColumnDefinition> = Vec::new();
    let likes = create.like.iter().map(|like| &like.table);
    for other in create.inherits.iter().chain(&create.partition_of).chain(likes) {
        let definition = state.definition(&state.relation(other)?)?;
        if definition.columns.is_empty() {
            return None;
        }
        columns.extend(definition.columns.iter().cloned());
    }
    columns.extend(create.columns.iter().map(|column| types::defined(column, state)));
    // Columns of one name are merged, and of a partition more may be said.
    let mut seen = BTreeSet::new();
    columns.reverse();
    columns.retain(|column| seen.insert(column.name.clone()));
    columns.reverse();
    Some(columns)
}

/// A column that counts, and the numbers that are kept of it. The script may call both otherwise before its end.
struct Counter {
    table: Name,
    column: String,
    /// The table that holds the numbers, and their column there.
    kept: Object,
    numbers: String,
}

impl Counter {
    fn follow(&mut self, written: &str, state: &State) {
        let Ok(Command::Alter(change)) = pg::read(written) else { return };
        let own = Object { kind: ObjectKind::Table, name: self.table.clone() };
        if change.object != Relation::Table || state.find(ObjectKind::Table, &change.target.name) != Some(own)
        {
            return;
        }
        for one in &change.changes {
            match one {
                Change::Rename(to) => self.table.name.clone_from(to),
                Change::SetSchema(to) => self.table.schema = Some(to.clone()),
                Change::RenameColumn { from, to } if *from == self.column => self.column.clone_from(to),
                _ => {}
            }
        }
    }

    /// What sets it behind the numbers: what is read there no policy hides.
    fn sent(&self) -> [String; 2] {
        let (whole, own) = (text::string(&render::qualified(&self.table)), text::string(&self.column));
        let sequence = format!("pg_catalog.pg_get_serial_sequence({whole}, {own})");
        [
            alter(&self.kept, "NO FORCE ROW LEVEL SECURITY"),
            counted(&sequence, "", &self.kept, &quoted(&self.numbers)),
        ]
    }
}

/// The counters of columns whose numbers are in `place`.
fn count_on(
    table: &Name,
    (columns, place): (&[&command::ColumnDefinition], &Name),
    counters: &mut Vec<Counter>,
) {
    let counts = |column: &command::ColumnDefinition| {
        column.identity || column.default.as_ref().is_some_and(|default| !default.sequences.is_empty())
    };
    counters.extend(columns.iter().filter(|column| counts(column)).map(|column| Counter {
        table: table.clone(),
        column: column.name.clone(),
        kept: Object { kind: ObjectKind::Table, name: place.clone() },
        numbers: column.name.clone(),
    }));
}

/// Values of a type of the database's own may be of another one than those that are kept: a way back has made it again.
fn cast(column: &ColumnDefinition, state: &State) -> String {
    let own = state.find_any(&TYPES, &own_type(column)).is_some();
    if own { format!("::text::{}", column.data_type) } else { String::new() }
}

/// Gives a column its type. Where that is one of the database's own, the column may have just that: rows are written anew only where it
/// has another.
fn typed(table: &Object, column: &ColumnDefinition, state: &State) -> String {
    let (name, cast) = (quoted(&column.name), cast(column, state));
    if cast.is_empty() {
        return alter_column(table, &column.name, &format!("TYPE {}", column.data_type));
    }
    let change = format!("TYPE {} USING {name}{cast}", column.data_type);
    text::block(&format!(
        "BEGIN IF (SELECT a.atttypid FROM pg_catalog.pg_attribute a WHERE a.attrelid = pg_catalog.to_regclass({}) AND a.attname = {} AND NOT \
         a.attisdropped) <> pg_catalog.to_regtype({}) THEN {}; END IF; END",
        text::string(&render::qualified(&table.name)),
        text::string(&column.name),
        text::string(&column.data_type),
        alter_column(table, &column.name, &change)
    ))
}

/// A column is added: it is the one that was kept.
fn values(
    change: &Alter,
    written: &str,
    (state, kept): (&State, &[Kept]),
    seen: &mut Taken,
) -> Option<(Vec<String>, Option<usize>)> {
    let table = state.find(ObjectKind::Table, &change.target.name)?;
    let tokens = text::tokens(written, POSTGRES);
    let pieces =
        Pieces::read(written, &tokens, POSTGRES).filter(|read| read.pieces.len() == change.changes.len())?;
    let (mut first, mut sent, mut rest) = (Vec::new(), Vec::new(), Vec::new());
    for (piece, one) in pieces.pieces.iter().zip(&change.changes) {
        match one {
            // What is dropped is dropped first, whatever stands before it: the name may be needed.
            Change::DropColumn { .. } | Change::DropConstraint { .. } => first.push(piece.text),
            // IF NOT EXISTS leaves a column alone that is there.
            Change::AddColumn { column, if_not_exists }
                if column.generated.is_none()
                    && !(*if_not_exists && state.column(&table, &column.name).is_some()) =>
            {
                match of_column(&table, &column.name, (state, kept)) {
                    Some((own, from)) => {
                        seen.take_column(own);
                        let counts = column.identity || piece.text.to_ascii_uppercase().contains("SERIAL");
                        if column.not_null && column.default.is_none() && !counts {
                            seen.require(own, POSTGRES);
                        }
                        sent.extend(named_back((&table, column), (own, from), (piece, state)));
                    }
                    None => rest.push(piece.text),
                }
            }
            _ => rest.push(piece.text),
        }
    }
    if sent.is_empty() {
        return None;
    }
    for (at, changes) in [(0, first), (usize::MAX, rest)] {
        if !changes.is_empty() {
            sent.insert(at.min(sent.len()), format!("{} {}", pieces.head, changes.join(", ")));
        }
    }
    Some((sent, None))
}

/// The kept column, where it stands in the table that has its name.
fn of_column<'k>(
    table: &Object,
    column: &str,
    (state, kept): (&State, &'k [Kept]),
) -> Option<(&'k Kept, &'k str)> {
    kept.iter()
        .filter(|kept| {
            kept.kind == KeptKind::Column && kept.name == table.name && kept.column.as_deref() == Some(column)
        })
        .filter_map(|kept| Some((kept, kept.place_column.as_deref()?)))
        .find(|(_, place)| state.column(table, place).is_some())
}

/// The kept column gets its name back, and becomes what the way back says of it.
fn named_back(
    (table, column): (&Object, &command::ColumnDefinition),
    (own, from): (&Kept, &str),
    (piece, state): (&Piece<'_>, &State),
) -> Vec<String> {
    let name = column.name.as_str();
    let inline =
        column.constraints.iter().any(|constraint| !matches!(constraint.form, command::Form::NotNull { .. }));
    // A counter of its own comes with a column that is made.
    let counts = (column.identity && !own.counts) || Clauses::read(piece.text).is_serial;
    if inline || counts {
        return filled_anew((table, column), from, (piece, state));
    }
    let defined = types::defined(column, state);
    let mut sent = vec![alter(table, &format!("RENAME COLUMN {} TO {}", quoted(from), quoted(name)))];
    let identity = column.identity;
    if !identity {
        sent.push(alter_column(table, name, "DROP DEFAULT"));
        sent.push(typed(table, &ColumnDefinition { name: name.to_owned(), ..defined.clone() }, state));
    }
    if let Some(default) = defined.default.as_ref().filter(|_| !identity) {
        // Rows that came since get numbers behind those that are kept.
        let numbers = counts_on((table, column), (name, &defined.data_type), state);
        sent.extend((!numbers.is_empty()).then(|| setting::unhindered(table, &numbers)));
        sent.push(alter_column(table, name, &format!("SET DEFAULT {default}")));
        if column.not_null {
            sent.push(fill(table, name, default));
        }
    }
    if column.not_null && !identity {
        sent.push(alter_column(table, name, "SET NOT NULL"));
    }
    sent
}

/// What sets the sequences that a column counts with behind the numbers that stand in `numbers`, a column of its table.
fn counts_on(
    (table, column): (&Object, &command::ColumnDefinition),
    (numbers, data_type): (&str, &str),
    state: &State,
) -> Vec<String> {
    let used = column.default.iter().flat_map(|default| &default.sequences);
    let sequences = used.filter_map(|name| state.find(ObjectKind::Sequence, name));
    let one = |sequence: Object| {
        let options = state.definition(&sequence).map_or("", |definition| definition.text.as_str());
        counter::counted_on(&sequence.name, options, table, (&quoted(numbers), data_type))
    };
    sequences.filter_map(one).collect()
}

/// A column of which more is said in the same breath is made by the statement itself, without that; it is filled, and the rest is said
/// then. Rows that came later get what the column has of itself.
fn filled_anew(
    (table, column): (&Object, &command::ColumnDefinition),
    from: &str,
    (piece, state): (&Piece<'_>, &State),
) -> Vec<String> {
    let (name, own) = (quoted(&column.name), column.name.as_str());
    let whole = render::qualified(&table.name);
    let clauses = Clauses::read(piece.text);
    let defined = types::defined(column, state);
    let mut sent = Vec::new();
    // All rows get numbers of the counter as soon as the column is there.
    let numbers = counts_on((table, column), (from, &defined.data_type), state);
    if !numbers.is_empty() {
        sent.push(setting::unhindered(table, &numbers));
    }
    sent.push(format!("ALTER TABLE {whole} {}", clauses.plain));
    let kept = format!("{}{}", quoted(from), cast(&defined, state));
    let counts = column.identity || clauses.is_serial;
    let sequence =
        format!("pg_catalog.pg_get_serial_sequence({}, {})", text::string(&whole), text::string(own));
    let mut fill = Vec::new();
    let value = if counts {
        fill.push(counter::counted(&sequence, "", table, &quoted(from)));
        format!("coalesce({kept}, pg_catalog.nextval({sequence}))")
    } else if column.default.is_some() {
        format!("coalesce({kept}, {name})")
    } else {
        kept
    };
    let always = column.identity && clauses.plain.to_ascii_uppercase().contains(" ALWAYS ");
    if always {
        sent.push(alter_column(table, own, "SET GENERATED BY DEFAULT"));
    }
    fill.push(format!("UPDATE {whole} SET {name} = {value}"));
    sent.push(setting::unhindered(table, &fill));
    if always {
        sent.push(alter_column(table, own, "SET GENERATED ALWAYS"));
    }
    if column.not_null {
        sent.push(alter_column(table, own, "SET NOT NULL"));
    }
    sent.extend(clauses.constraints.iter().map(|one| alter(table, &format!("ADD {}", one.of_table(&name)))));
    sent.push(alter(table, &format!("DROP COLUMN {}", quoted(from))));
    sent
}

/// `ADD COLUMN a type ...`, taken apart.
struct Clauses {
    /// Without constraints.
    plain: String,
    is_serial: bool,
    constraints: Vec<Clause>,
}

/// A constraint of a column.
struct Clause {
    /// `CONSTRAINT name `, or nothing.
    named: String,
    /// Its words.
    text: String,
}

impl Clause {
    /// As one of the table.
    fn of_table(&self, column: &str) -> String {
        let upper = self.text.to_ascii_uppercase();
        let (head, rest) = match () {
            () if upper.starts_with("REFERENCES") => {
                return format!("{}FOREIGN KEY ({column}) {}", self.named, self.text);
            }
            () if upper.starts_with("PRIMARY") => ("PRIMARY KEY", behind(&self.text, &["PRIMARY", "KEY"])),
            () if upper.starts_with("UNIQUE") => {
                let nulls = "NULLS NOT DISTINCT";
                let rest = behind(&self.text, &["UNIQUE"]);
                match rest.to_ascii_uppercase().starts_with(nulls) {
                    true => ("UNIQUE NULLS NOT DISTINCT", rest[nulls.len()..].trim().to_owned()),
                    false => ("UNIQUE", rest),
                }
            }
            () => return format!("{}{}", self.named, self.text),
        };
        format!("{}{head} ({column}) {rest}", self.named).trim_end().to_owned()
    }
}

/// What stands behind these words.
fn behind(written: &str, words: &[&str]) -> String {
    let tokens = text::tokens(written, POSTGRES);
    let mut read = crate::words::Words::new(written, &tokens, POSTGRES);
    read.take_all(words);
    read.look(0).map_or_else(String::new, |next| written[next.span.start..].to_owned())
}

impl Clauses {
    fn read(written: &str) -> Self {
        let tokens = text::tokens(written, POSTGRES);
        let word = |at: usize, words: &[&str]| {
            tokens.get(at).is_some_and(|token| words.iter().any(|word| token.is_word(written, word)))
        };
        let mut depth = 0_usize;
        let mut starts = Vec::new();
        for (at, token) in tokens.iter().enumerate() {
            depth += usize::from(token.is_symbol(b'('));
            depth = depth.saturating_sub(usize::from(token.is_symbol(b')')));
            let behind = |words: &[&str]| at > 0 && word(at - 1, words);
            let begins = match () {
                () if depth > 0 || at < 3 => false,
                () if word(at, &["NOT"]) => word(at + 1, &["NULL"]),
                () if word(at, &["NULL"]) => !behind(&["NOT", "SET", "DEFAULT"]),
                () if word(at, &["DEFAULT"]) => !behind(&["BY", "SET"]),
                () => word(
                    at,
                    &["CONSTRAINT", "GENERATED", "UNIQUE", "PRIMARY", "CHECK", "REFERENCES", "COLLATE"],
                ),
            };
            // CONSTRAINT name is a part of what it names.
            let named = at > 1 && word(at - 2, &["CONSTRAINT"]);
            if begins && !named {
                starts.push(at);
            }
        }
        let slice = |from: usize, to: usize| -> &str {
            let end = to.checked_sub(1).and_then(|last| tokens.get(last)).map_or(0, |last| last.span.end);
            tokens.get(from).filter(|_| from < to).map_or("", |first| &written[first.span.start..end])
        };
        let first = starts.first().copied().unwrap_or(tokens.len());
        let mut plain = slice(0, first).to_owned();
        let is_serial = (0..first)
            .any(|at| word(at, &["SERIAL", "BIGSERIAL", "SMALLSERIAL", "SERIAL4", "SERIAL8", "SERIAL2"]));
        let mut constraints = Vec::new();
        for (number, start) in starts.iter().enumerate() {
            let end = starts.get(number + 1).copied().unwrap_or(tokens.len());
            let named = if word(*start, &["CONSTRAINT"]) { 2 } else { 0 };
            let kind = start + named;
            if word(kind, &["UNIQUE", "PRIMARY", "CHECK", "REFERENCES"]) {
                let name = slice(*start, kind);
                let space = if name.is_empty() { "" } else { " " };
                constraints
                    .push(Clause { named: format!("{name}{space}"), text: slice(kind, end).to_owned() });
            } else if !word(kind, &["NOT"]) {
                plain = format!("{plain} {}", slice(*start, end));
            }
        }
        Self { plain, is_serial, constraints }
    }
}

#[cfg(test)]
mod tests {
    use super::Clauses;

    #[test]
    fn a_column_is_taken_apart() {
        for (written, plain, constraints) in [
            ("add column email text not null unique", "add column email text", vec!["unique (x)"]),
            (
                "ADD COLUMN id int generated always as identity primary key",
                "ADD COLUMN id int generated always as identity",
                vec!["PRIMARY KEY (x)"],
            ),
            ("ADD COLUMN id serial primary key", "ADD COLUMN id serial", vec!["PRIMARY KEY (x)"]),
            (
                "ADD COLUMN a numeric(4, 2) DEFAULT 'x'::text NOT NULL CONSTRAINT c CHECK (a > 0) REFERENCES t (id) ON DELETE SET NULL",
                "ADD COLUMN a numeric(4, 2) DEFAULT 'x'::text",
                vec!["CONSTRAINT c CHECK (a > 0)", "FOREIGN KEY (x) REFERENCES t (id) ON DELETE SET NULL"],
            ),
            (
                "ADD COLUMN a int CONSTRAINT u UNIQUE NULLS NOT DISTINCT DEFERRABLE",
                "ADD COLUMN a int",
                vec!["CONSTRAINT u UNIQUE NULLS NOT DISTINCT (x) DEFERRABLE"],
            ),
            ("ADD a text COLLATE \"C\" NULL UNIQUE", "ADD a text COLLATE \"C\" NULL", vec!["UNIQUE (x)"]),
        ] {
            let read = Clauses::read(written);
            assert_eq!(read.plain, plain, "{written}");
            let told: Vec<String> = read.constraints.iter().map(|one| one.of_table("x")).collect();
            let same = |(one, other): (&String, &&str)| one.eq_ignore_ascii_case(other);
            assert!(told.len() == constraints.len() && told.iter().zip(&constraints).all(same), "{told:?}");
        }
    }
}
