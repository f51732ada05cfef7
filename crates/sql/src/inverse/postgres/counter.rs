//! Counters: sequences, and those of identity columns.

use super::super::state::State;
use super::super::text::{self, string};
use super::super::{Obstacle, Undo};
use super::POSTGRES;
use super::alter::Altered;
use super::keep_column::fill;
use super::lost::Lost;
use super::render::{self, alter, alter_column};
use super::setting;
use crate::action::Name;
use crate::snapshot::{ColumnDefinition, Object, ObjectKind, PartKind};
use crate::words::Words;

/// How a counter counts, as far as its options say it.
#[derive(Default)]
struct Options {
    increment: Option<i64>,
    lowest: Option<i64>,
    highest: Option<i64>,
    start: Option<i64>,
    cache: Option<i64>,
    cycles: bool,
}

impl Options {
    /// `INCREMENT BY 1 MINVALUE 1 ...`, as a snapshot has them of a sequence and, in parentheses, of a column.
    fn read(written: &str) -> Self {
        let tokens = text::tokens(written, POSTGRES);
        let mut words = Words::new(written, &tokens, POSTGRES);
        let mut options = Self::default();
        while !words.is_done() {
            let into = match words.take_any(&["INCREMENT", "MINVALUE", "MAXVALUE", "START", "CACHE", "CYCLE"])
            {
                Some("INCREMENT") => &mut options.increment,
                Some("MINVALUE") => &mut options.lowest,
                Some("MAXVALUE") => &mut options.highest,
                Some("START") => &mut options.start,
                Some("CACHE") => &mut options.cache,
                Some(_) => {
                    options.cycles = true;
                    continue;
                }
                None => {
                    words.advance();
                    continue;
                }
            };
            words.take_any(&["BY", "WITH"]);
            let sign = if words.symbol(b'-') { "-" } else { "" };
            let digits = words.advance().map_or("", |token| token.span.slice(written));
            *into = format!("{sign}{digits}").parse().ok();
        }
        options
    }

    fn descends(&self) -> bool {
        self.increment.is_some_and(|step| step < 0)
    }

    /// The first number.
    fn first(&self) -> i64 {
        let bound = if self.descends() { self.highest.unwrap_or(-1) } else { self.lowest.unwrap_or(1) };
        self.start.unwrap_or(bound)
    }

    /// All of it, as ALTER COLUMN takes it: what is not said is what is usual.
    fn set(&self) -> String {
        let bound = |word: &str, value: Option<i64>| match value {
            Some(value) => format!("SET {word} {value}"),
            None => format!("SET NO {word}"),
        };
        format!(
            "SET INCREMENT BY {} {} {} SET START WITH {} SET CACHE {} SET {}",
            self.increment.unwrap_or(1),
            bound("MINVALUE", self.lowest),
            bound("MAXVALUE", self.highest),
            self.first(),
            self.cache.unwrap_or(1),
            if self.cycles { "CYCLE" } else { "NO CYCLE" }
        )
    }
}

/// Sets a counter with these options to the last of the `numbers` of a table, where that lies behind the counter's first one.
pub(super) fn counted(sequence: &str, options: &str, table: &Object, numbers: &str) -> String {
    let options = Options::read(options);
    let first = options.first();
    let (last, behind) = match options.descends() {
        true => (format!("min({numbers})"), format!("<= {first}")),
        false => (format!("max({numbers})"), format!(">= {first}")),
    };
    format!(
        "SELECT pg_catalog.setval({sequence}, {last}) FROM {} HAVING {last} {behind}",
        render::qualified(&table.name)
    )
}

/// Sets a sequence of the database's own to the last of the numbers of a column, where that lies behind where it stands: another table may
/// count with it, too. None where the column holds no numbers.
pub(super) fn counted_on(
    sequence: &Name,
    options: &str,
    table: &Object,
    (column, data_type): (&str, &str),
) -> Option<String> {
    ["smallint", "integer", "bigint", "int", "int2", "int4", "int8"]
        .iter()
        .any(|whole| data_type.trim_start_matches("pg_catalog.").eq_ignore_ascii_case(whole))
        .then_some(())?;
    let (name, of) = (render::qualified(sequence), if Options::read(options).descends() { '<' } else { '>' });
    let stands = format!("(SELECT last_value FROM {name})");
    let last = if of == '<' { format!("min({column})") } else { format!("max({column})") };
    Some(format!("{} AND {last} {of}= {stands}", counted(&string(&name), options, table, column)))
}

/// The sequences that are made again go on behind the numbers of the columns that they belong to, where these are there still.
pub(super) fn owned(lost: &Lost, state: &State) -> Vec<String> {
    let sequences = lost.objects.iter().filter(|(object, _)| object.kind == ObjectKind::Sequence);
    let one = |(sequence, definition): (&Object, &crate::snapshot::Definition)| {
        let (_, owner) = definition.parts.iter().find(|(part, _)| part.kind == PartKind::Owner)?;
        let mention = text::mentions(owner, POSTGRES).into_iter().next()?;
        let [schema, table, column] = mention.parts.as_slice() else { return None };
        let table = state.relation(&Name { schema: Some(schema.clone()), name: table.clone() })?;
        let column = state.column(&table, column)?;
        let name = render::quoted(&column.name);
        let whole = ["smallint", "integer", "bigint"].contains(&column.data_type.as_str());
        // The column has had another type since, and has its own again later.
        let numbers = if whole { name } else { format!("{name}::text::bigint") };
        Some(counted(&string(&render::qualified(&sequence.name)), &definition.text, &table, &numbers))
    };
    sequences.filter_map(one).collect()
}

/// The options of a column's counter, as far as they are not the usual ones.
fn options_of(column: &ColumnDefinition) -> &str {
    let options = column.text.split_once("AS IDENTITY").map_or("", |(_, rest)| rest).trim_start();
    options.strip_prefix('(').and_then(|options| options.split(')').next()).unwrap_or_default()
}

/// What names the sequence of a column.
fn of_column(table: &Object, column: &str) -> String {
    let relation = string(&render::qualified(&table.name));
    format!("pg_catalog.pg_get_serial_sequence({relation}, {})", string(column))
}

/// The statement that makes a column count by itself, if it did.
pub(super) fn added(table: &Object, column: &ColumnDefinition) -> Option<String> {
    let (identity, options) = (column.identity.as_ref()?, options_of(column));
    let listed = if options.is_empty() { String::new() } else { format!(" ({options})") };
    Some(alter_column(table, &column.name, &format!("ADD GENERATED {identity} AS IDENTITY{listed}")))
}

/// The sequence that gives numbers to rows before their column counts again: that asks for a number in each of them.
const NUMBERS: &str = "_cutover_kept_numbers";

/// Makes a column count by itself again: rows without a number get those behind the last one, and so do later rows.
pub(super) fn again(table: &Object, column: &ColumnDefinition) -> Vec<String> {
    let Some(added) = added(table, column) else { return Vec::new() };
    let (options, name) = (options_of(column), render::quoted(&column.name));
    let numbers = Name { schema: table.name.schema.clone(), name: NUMBERS.to_owned() };
    let sequence = render::qualified(&numbers);
    let behind = counted_on(&numbers, options, table, (&name, &column.data_type));
    let next = format!("pg_catalog.nextval({})", string(&sequence));
    let mut sql =
        vec![format!("CREATE SEQUENCE {sequence} AS {} {options}", column.data_type).trim_end().to_owned()];
    sql.extend(behind.map(|behind| setting::unhindered(table, &[behind])));
    sql.extend([
        fill(table, &column.name, &next),
        format!("DROP SEQUENCE {sequence}"),
        alter_column(table, &column.name, "SET NOT NULL"),
        added,
        setting::unhindered(table, &[counted(&of_column(table, &column.name), options, table, &name)]),
    ]);
    sql
}

/// What of these statements is of [`again`].
pub(super) fn again_of(statements: &[String]) -> &[String] {
    let (begin, end) = (format!(".{} AS ", render::quoted(NUMBERS)), "pg_catalog.pg_get_serial_sequence(");
    let first = statements.iter().position(|sql| sql.starts_with("CREATE SEQUENCE ") && sql.contains(&begin));
    let last = statements.iter().position(|sql| sql.contains(end));
    first.zip(last).and_then(|(first, last)| statements.get(first..=last)).unwrap_or_default()
}

/// DROP IDENTITY, SET GENERATED, the options of a column's counter, RESTART.
pub(super) fn identity(column: &str, drop: bool, altered: &Altered<'_>, state: &mut State) -> Undo {
    let table = &altered.table;
    let Some(known) = state.column(table, column).cloned() else {
        return Undo::unknown(format!("{} had no column {column}", table.name));
    };
    let Some(former) = &known.identity else { return Undo::default() };
    let options = options_of(&known);
    let read = Options::read(options);
    let mut undo = Undo::default();
    if !drop {
        let set = format!("SET GENERATED {former} {}", read.set());
        undo.sql.push(alter_column(table, column, &set));
        if restarts(altered.statement) {
            undo.gone(position_of_column(table, column));
        }
        return undo;
    }
    state.change_column(table, column, |column| column.identity = None);
    undo.sql.extend(added(table, &known));
    undo.sql.push(counted(&of_column(table, column), options, table, &render::quoted(column)));
    undo.gone(position_of_column(table, column));
    undo
}

fn position_of_column(table: &Object, column: &str) -> String {
    format!("the position of the counter of {}.{column}", table.name)
}

/// Whether a statement sets a counter back: RESTART.
fn restarts(statement: &str) -> bool {
    let tokens = text::tokens(statement, POSTGRES);
    Words::new(statement, &tokens, POSTGRES).skip_to("RESTART")
}

/// ALTER SEQUENCE: how it counts, and whose it is.
pub(super) fn sequence(altered: &Altered<'_>, state: &State) -> Undo {
    let object = &altered.table;
    let (ObjectKind::Sequence, Some(definition)) = (object.kind, state.definition(object)) else {
        return Undo::unknown("a part of this change is not read");
    };
    let owned = altered.statement.to_ascii_uppercase().contains("OWNED BY");
    let mut undo = Undo::default();
    if owned && !state.is_fleeting(object) {
        // The sequence of a column goes with it, and could not be dropped once more.
        let owner = definition.parts.iter().find(|(part, _)| part.kind == PartKind::Owner);
        undo.sql.extend(match owner {
            Some((part, held)) => render::part(object, part, held),
            None => vec![alter(object, "OWNED BY NONE")],
        });
    }
    if state.is_created(object) {
        return undo;
    }
    let tokens = text::tokens(&definition.text, POSTGRES);
    let mut words = Words::new(&definition.text, &tokens, POSTGRES);
    words.take("CREATE");
    words.take("UNLOGGED");
    let known = words.take("SEQUENCE") && words.name().is_some();
    let options = words.look(0).filter(|_| known).map(|token| &definition.text[token.span.start..]);
    undo.sql.extend(options.map(|options| {
        let cycles = if Options::read(options).cycles { "" } else { " NO CYCLE" };
        alter(object, &format!("{options}{cycles}"))
    }));
    if restarts(altered.statement) {
        undo.note(Obstacle::DataGone { what: format!("the position of {}", object.name) });
    }
    undo
}
