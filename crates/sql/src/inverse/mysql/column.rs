//! Columns.

use super::alter::Step;
use super::render::{self, key_columns, quoted};
use super::{MYSQL, key, leaving};
use crate::effect::mysql::column::{ColumnDefinition as Written, parse_type};
use crate::effect::mysql::widen;
use crate::inverse::state::State;
use crate::inverse::{Loss, text};
use crate::snapshot::{ColumnDefinition, Object, Part, PartKind};
use crate::words::Words;

/// A column as a snapshot has it, of one as a statement defines it.
pub(super) fn defined(column: &Written) -> ColumnDefinition {
    let mut written = column.type_text.clone();
    for (word, name) in
        [("CHARACTER SET", &column.data_type.character_set), ("COLLATE", &column.data_type.collation)]
    {
        if let Some(name) = name.as_ref().filter(|_| column.data_type.is_text()) {
            written.push_str(&format!(" {word} {name}"));
        }
    }
    if column.not_null {
        written.push_str(" NOT NULL");
    }
    if let Some(default) = &column.default_text {
        written.push_str(&format!(" DEFAULT {default}"));
    }
    if column.counts {
        written.push_str(" AUTO_INCREMENT");
    }
    ColumnDefinition {
        name: column.name.clone(),
        text: written,
        data_type: column.type_text.clone(),
        not_null: column.not_null,
        default: column.default_text.clone(),
        identity: None,
        generated: column.generated.map(|_| column.expression.clone().unwrap_or_default()),
    }
}

/// Whether values of the one type may be others as values of the other: cut, rounded or without some of their characters.
pub(super) fn changes(from: &ColumnDefinition, to: &ColumnDefinition) -> bool {
    match (parse_type(&from.text), parse_type(&to.text)) {
        (Some(from), Some(to)) => !widen::keeps(&from, &to),
        _ => from.data_type != to.data_type,
    }
}

/// A type that has a character set.
pub(super) fn is_text(data_type: &str) -> bool {
    parse_type(data_type).is_some_and(|parsed| parsed.is_text())
}

pub(super) fn add(column: &Written, if_not_exists: bool, table: &Object, state: &mut State) -> Step {
    if if_not_exists && state.column(table, &column.name).is_some() {
        return Step::default();
    }
    state.change(table, |definition| definition.columns.push(defined(column)));
    state.added.push((table.clone(), column.name.clone()));
    let mut step = Step::changes(vec![format!("DROP COLUMN {}", quoted(&column.name))]);
    step.told.losses.push(Loss::Values { table: table.name.clone(), column: column.name.clone() });
    if column.references.is_some() {
        key::inline_foreign(column, table, state, &mut step);
    }
    step.made_unless_there(if_not_exists, &column.name, table);
    step
}

/// FIRST, or AFTER the column before.
fn position(table: &Object, name: &str, state: &State) -> String {
    let columns = state.definition(table).map(|definition| definition.columns.as_slice()).unwrap_or_default();
    let at = columns.iter().position(|column| text::same(&column.name, name, MYSQL)).unwrap_or_default();
    match at.checked_sub(1).and_then(|before| columns.get(before)) {
        Some(before) => format!("AFTER {}", quoted(&before.name)),
        None => "FIRST".to_owned(),
    }
}

pub(super) fn drop(name: &str, table: &Object, state: &mut State) -> Step {
    let Some(column) = state.column(table, name).cloned() else { return Step::default() };
    let position = position(table, name, state);
    let mut step = Step::changes(vec![format!("ADD COLUMN {} {position}", render::column(&column))]);
    state.change(table, |definition| definition.columns.retain(|own| own.name != column.name));
    let parts = state.definition(table).map(|definition| definition.parts.clone()).unwrap_or_default();
    for (part, held) in parts {
        let columns = key_columns(&held);
        let keyed = matches!(part.kind, PartKind::Index | PartKind::Constraint);
        let is_check = leaving::is_check(&part);
        let goes = match is_check {
            true => state.definition(table).is_some_and(|definition| leaving::uses(&held, name, definition)),
            false => keyed && columns.iter().any(|own| text::same(own, name, MYSQL)),
        };
        if !goes {
            continue;
        }
        step.changes.extend(index_back(&part, &held, is_check || columns.len() == 1));
        state.change(table, |definition| {
            definition.parts.remove(&part);
        });
    }
    let was_added = state.added.iter().any(|(own, added)| own == table && text::same(added, name, MYSQL));
    if !was_added && column.generated.is_none() {
        step.told.gone(format!("the values of {}.{}", table.name, column.name));
    }
    step
}

/// An index loses the column, and goes if it has no other.
fn index_back(part: &Part, held: &str, whole: bool) -> Vec<String> {
    let primary = part.name == "PRIMARY" && part.kind == PartKind::Constraint;
    if part.kind == PartKind::Constraint && !primary {
        let drop = (!whole).then(|| format!("DROP CONSTRAINT {}", quoted(&part.name)));
        return drop.into_iter().chain([format!("ADD CONSTRAINT {} {held}", quoted(&part.name))]).collect();
    }
    let drop = match (whole, primary) {
        (true, _) => None,
        (false, true) => Some("DROP PRIMARY KEY".to_owned()),
        (false, false) => Some(format!("DROP INDEX {}", quoted(&part.name))),
    };
    let add = format!("ADD {}", render::index(held));
    drop.into_iter().chain([add]).collect()
}

pub(super) fn change(from: &str, column: &Written, ignores: bool, table: &Object, state: &mut State) -> Step {
    let Some(former) = state.column(table, from).cloned() else {
        return Step::unknown(format!("{} had no column {from}", table.name));
    };
    let place = column.position.as_ref().map(|_| position(table, from, state));
    let place = place.map(|place| format!(" {place}")).unwrap_or_default();
    let back = match former.name == column.name {
        true => format!("MODIFY COLUMN {}{place}", render::column(&former)),
        false => format!("CHANGE COLUMN {} {}{place}", quoted(&column.name), render::column(&former)),
    };
    let mut step = Step { column: Some(column.name.clone()), ..Step::changes(vec![back]) };
    let stored = former.generated.is_none();
    let now = defined(column);
    if stored && changes(&now, &former) {
        step.told.losses.push(Loss::Values { table: table.name.clone(), column: column.name.clone() });
    }
    if stored && (changes(&former, &now) || column.generated.is_some()) {
        step.told.gone(format!("the values that {}.{} had before", table.name, former.name));
    }
    // Without IGNORE, and in a session that is strict, the server refuses NULL.
    if stored && ignores && !former.not_null && column.not_null {
        step.told.gone(format!("which values of {}.{} were NULL", table.name, former.name));
    }
    step.changes.extend(prefixes(&former.name, column, table, state));
    if former.not_null && !column.not_null {
        step.told.conditions.push(format!("no row of {} has NULL in {}", table.name, column.name));
    }
    if former.name != column.name {
        state.rename_column(table, &former.name, &column.name);
    }
    state.change_column(table, &column.name, |known| *known = now);
    step
}

/// The indexes over a beginning of the column that is as long as the column now or longer: the server takes all of it then.
fn prefixes(former: &str, now: &Written, table: &Object, state: &State) -> Vec<String> {
    let length = now.data_type.arguments.first().and_then(|length| length.parse::<u64>().ok());
    let whole = !now.data_type.is_text() && !now.data_type.base.ends_with("blob");
    let parts = state.definition(table).into_iter().flat_map(|definition| &definition.parts);
    let keys = parts.filter(|(part, _)| matches!(part.kind, PartKind::Index | PartKind::Constraint));
    let lost = keys.filter(|(_, held)| {
        prefix(held, former).is_some_and(|prefix| whole || length.is_some_and(|length| length <= prefix))
    });
    lost.flat_map(|(part, held)| index_back(part, held, false)).collect()
}

/// How much of a column an index has: ``KEY `k` (`note`(10))``.
fn prefix(held: &str, column: &str) -> Option<u64> {
    let held = render::index(held);
    let tokens = text::tokens(held, MYSQL);
    let mut words = Words::new(held, &tokens, MYSQL);
    while !words.is_done() {
        let Some(name) = words.part() else {
            words.advance();
            continue;
        };
        if text::same(&name, column, MYSQL) && words.symbol(b'(') {
            return words.advance()?.span.slice(held).parse().ok();
        }
    }
    None
}

pub(super) fn set_default(column: &str, default: Option<String>, table: &Object, state: &mut State) -> Step {
    let Some(former) = state.column(table, column).cloned() else {
        return Step::unknown(format!("{} had no column {column}", table.name));
    };
    state.change_column(table, column, |column| column.default = default);
    let back = format!("MODIFY COLUMN {}", render::column(&former));
    Step { column: Some(former.name), ..Step::changes(vec![back]) }
}
