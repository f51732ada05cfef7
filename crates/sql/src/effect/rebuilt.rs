//! What code that runs meets after a table of SQLite was built anew, by the two definitions.

use super::Breakage;
use crate::action::Name;
use crate::catalog::Index;
use crate::snapshot::{ColumnDefinition, TableText};
use std::collections::BTreeMap;

/// What breaks where `old`, a table with these indexes, is replaced by `new`.
pub fn rebuilt(table: &Name, old: &TableText, indexes: &[Index], new: &TableText) -> Vec<Breakage> {
    let mut breaks = Vec::new();
    let refused =
        |column: Option<&String>| Breakage::WritesRefused { table: table.clone(), column: column.cloned() };
    for column in &old.columns {
        if find(new, &column.name).is_none() {
            breaks.push(Breakage::Gone { object: table.clone(), column: Some(column.name.clone()) });
        }
    }
    for column in &new.columns {
        let former = find(old, &column.name);
        if former.is_some_and(|former| former.data_type != column.data_type) {
            breaks.push(Breakage::TypeChanged { table: table.clone(), column: column.name.clone() });
        }
        if refuses(former, column, new) {
            breaks.push(refused(Some(&column.name)));
        }
    }
    let known = rules(old);
    for (rule, columns) in rules(new) {
        let held = known.contains_key(&rule) || (rule.starts_with("unique") && is_unique(indexes, &columns));
        let told = refused(columns.first().filter(|_| columns.len() == 1));
        if !held && !breaks.contains(&told) {
            breaks.push(told);
        }
    }
    breaks
}

fn find<'t>(table: &'t TableText, name: &str) -> Option<&'t ColumnDefinition> {
    table.columns.iter().find(|column| column.name.eq_ignore_ascii_case(name))
}

/// Whether values, or rows without the column, are refused that were taken.
fn refuses(former: Option<&ColumnDefinition>, column: &ColumnDefinition, table: &TableText) -> bool {
    let Some(former) = former else { return is_required(column, table) };
    let computed = former.generated.is_none() && column.generated.is_some();
    // With a default NULL can be left out, and not written.
    let tightened = column.not_null && !former.not_null && !counts(column, table);
    computed || tightened || (is_required(column, table) && former.default.is_some())
}

/// A row must have a value of it.
fn is_required(column: &ColumnDefinition, table: &TableText) -> bool {
    column.not_null && column.default.is_none() && column.generated.is_none() && !counts(column, table)
}

/// INTEGER PRIMARY KEY gets a number of its own.
fn counts(column: &ColumnDefinition, table: &TableText) -> bool {
    let key = format!("PRIMARY KEY (\"{}\"", column.name.replace('"', "\"\""));
    let alone = |text: &str| text.strip_prefix(&key).is_some_and(|rest| !rest.starts_with(','));
    column.data_type == "INTEGER"
        && (column.text.contains("PRIMARY KEY") || table.constraints.iter().any(|(_, text)| alone(text)))
}

/// What a table asks of its rows, in one spelling, with the columns that it is about where that is told by its form.
fn rules(table: &TableText) -> BTreeMap<String, Vec<String>> {
    let mut found = BTreeMap::new();
    for column in &table.columns {
        let quoted = format!("\"{}\"", column.name.replace('"', "\"\""));
        let plain = without_parentheses(&column.text);
        if plain.contains("UNIQUE") || plain.contains("PRIMARY KEY") {
            found.insert(format!("unique ({quoted})").to_lowercase(), vec![column.name.clone()]);
        }
        if let Some(check) = check(&column.text) {
            found.insert(check.to_owned(), vec![column.name.clone()]);
        }
        if let Some((_, other)) = column.text.split_once("REFERENCES ") {
            let other = without_actions(other).split(" (").next().unwrap_or_default();
            found.insert(format!("foreign key ({quoted}) {other}").to_lowercase(), vec![column.name.clone()]);
        }
    }
    for (_, text) in &table.constraints {
        let text = text.replacen("PRIMARY KEY", "UNIQUE", 1);
        let columns = columns(&text);
        let rule = match text.split_once(" REFERENCES ") {
            Some((key, other)) => {
                let other = without_actions(other).split(" (").next().unwrap_or_default();
                format!("{key} {other}")
            }
            None => without_actions(&text).to_owned(),
        };
        // In names capitals are no difference, in a condition they may be one.
        match text.starts_with("CHECK") {
            true => found.insert(rule, Vec::new()),
            false => found.insert(rule.to_lowercase(), columns),
        };
    }
    found
}

/// `ON DELETE CASCADE`, `ON CONFLICT IGNORE` and what stands behind it.
fn without_actions(text: &str) -> &str {
    text.split(" ON ").next().unwrap_or(text)
}

/// The quoted names in the first parentheses.
fn columns(text: &str) -> Vec<String> {
    let inside =
        text.split_once('(').and_then(|(_, rest)| rest.split_once(')')).map_or("", |(inside, _)| inside);
    inside.split(", ").map(|name| name.trim_matches('"').replace("\"\"", "\"")).collect()
}

/// CHECK with its condition.
fn check(text: &str) -> Option<&str> {
    let rest = &text[text.find("CHECK (")?..];
    let mut depth = 0_usize;
    let end = rest.char_indices().find(|(_, character)| {
        match character {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => return false,
        }
        depth == 0
    });
    end.map(|(at, _)| &rest[..=at])
}

/// What stands outside of parentheses and quotes.
fn without_parentheses(text: &str) -> String {
    let (mut depth, mut quote) = (0_usize, None);
    let outside = |character: &char| match (quote, *character) {
        (Some(open), character) => {
            quote = (open != character).then_some(open);
            false
        }
        (None, '\'' | '"') => {
            quote = Some(*character);
            false
        }
        (None, '(') => {
            depth += 1;
            false
        }
        (None, ')') => {
            depth = depth.saturating_sub(1);
            false
        }
        (None, _) => depth == 0,
    };
    text.chars().filter(outside).collect()
}

/// A unique index over just these columns was there.
fn is_unique(indexes: &[Index], columns: &[String]) -> bool {
    let same = |(own, wanted): (&Option<String>, &String)| {
        own.as_deref().is_some_and(|own| own.eq_ignore_ascii_case(wanted))
    };
    indexes.iter().any(|index| {
        index.unique
            && !index.definition.contains(" WHERE ")
            && index.columns.len() == columns.len()
            && index.columns.iter().zip(columns).all(same)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::table_text;

    fn told(old: &str, new: &str) -> Vec<String> {
        let text = |columns: &str| table_text(&format!("CREATE TABLE t ({columns})")).unwrap();
        let breaks = rebuilt(&Name::unqualified("t"), &text(old), &[], &text(new));
        let column = |column: Option<String>| column.unwrap_or_else(|| "-".to_owned());
        breaks
            .into_iter()
            .map(|one| match one {
                Breakage::Gone { column: name, .. } => format!("gone {}", column(name)),
                Breakage::TypeChanged { column, .. } => format!("type {column}"),
                Breakage::WritesRefused { column: name, .. } => format!("refused {}", column(name)),
                other => format!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn what_a_new_definition_breaks_is_told() {
        let old = "id INTEGER NOT NULL PRIMARY KEY, v TEXT, n INT DEFAULT 1, u TEXT UNIQUE, p INT REFERENCES o (id)";
        assert!(told(old, old).is_empty());
        for (new, expected) in [
            ("id INTEGER PRIMARY KEY, v TEXT NOT NULL", "v"),
            ("id INTEGER PRIMARY KEY, v TEXT CHECK (v > 'a')", "v"),
            ("id INTEGER PRIMARY KEY, v TEXT UNIQUE", "v"),
            ("id INTEGER PRIMARY KEY, v TEXT, req TEXT NOT NULL", "req"),
            ("id INTEGER PRIMARY KEY, v TEXT, UNIQUE (v)", "v"),
            ("id INTEGER PRIMARY KEY, v TEXT, FOREIGN KEY (v) REFERENCES o (id)", "v"),
            ("id INTEGER PRIMARY KEY, v TEXT, UNIQUE (v, id)", "-"),
            ("id INTEGER PRIMARY KEY, v TEXT, CHECK (v > 'a' OR id > 1)", "-"),
        ] {
            let found = told("id INTEGER NOT NULL PRIMARY KEY, v TEXT", new);
            assert_eq!(found, [format!("refused {expected}")], "{new}");
        }
        for new in [
            "id INTEGER NOT NULL, v TEXT, PRIMARY KEY (\"id\")",
            "ID INTEGER PRIMARY KEY AUTOINCREMENT, v text, other TEXT NOT NULL DEFAULT 'x'",
            "id INTEGER PRIMARY KEY, v TEXT DEFAULT 'unique (check)'",
        ] {
            assert!(told("id INTEGER NOT NULL PRIMARY KEY, v TEXT", new).is_empty(), "{new}");
        }
        assert_eq!(told(old, "id INTEGER PRIMARY KEY, v INT, n INT, u TEXT, p INT"), ["type v"]);
        assert_eq!(told("n INT NOT NULL DEFAULT 1", "n INT NOT NULL"), ["refused n"]);
        assert_eq!(told("a INT, b INT", "a INT"), ["gone b"]);
    }
}
