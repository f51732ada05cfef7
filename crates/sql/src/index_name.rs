//! The name that PostgreSQL gives an index that a statement leaves unnamed.
//!
//! Known beforehand, an interrupted CREATE INDEX CONCURRENTLY can be looked up: running it again would
//! build a second index beside the invalid first one.

use crate::action::{CreateIndex, IndexKey};

/// PostgreSQL's longest name in bytes (NAMEDATALEN - 1).
const NAME_BYTES: usize = 63;

/// The name for the `attempt`th try, from 0; the server takes the first that no relation of the schema
/// has: `shop_user_id_idx`, then `shop_user_id_idx1`, `shop_user_id_idx2` ...
pub fn default_index_name(index: &CreateIndex, attempt: usize) -> String {
    let label = if attempt == 0 { "idx".to_owned() } else { format!("idx{attempt}") };
    let columns = joined(&distinct(key_names(index)));
    let available = NAME_BYTES - label.len() - 1 - usize::from(!columns.is_empty());
    let (mut table, mut middle) = (index.table.name.len(), columns.len());
    while table + middle > available {
        if table > middle {
            table -= 1;
        } else {
            middle -= 1;
        }
    }
    let (table, middle) = (cut(&index.table.name, table), cut(&columns, middle));
    if columns.is_empty() { format!("{table}_{label}") } else { format!("{table}_{middle}_{label}") }
}

/// Keys, then INCLUDE columns.
fn key_names(index: &CreateIndex) -> Vec<String> {
    let keys = index.keys.iter().map(|key| match key {
        IndexKey::Column(name) | IndexKey::Expression { label: name } => name.clone(),
    });
    keys.chain(index.include.iter().cloned()).collect()
}

/// A name that stands twice gets a number, as the columns of the index do.
fn distinct(names: Vec<String>) -> Vec<String> {
    let mut all: Vec<String> = Vec::with_capacity(names.len());
    for name in names {
        let mut candidate = name.clone();
        let mut number = 0_usize;
        while all.contains(&candidate) {
            number += 1;
            let suffix = number.to_string();
            candidate = format!("{}{suffix}", cut(&name, NAME_BYTES - suffix.len()));
        }
        all.push(candidate);
    }
    all
}

/// Joined by underscores, up to the name that makes it longer than any name can be.
fn joined(names: &[String]) -> String {
    let mut result = String::new();
    for name in names {
        if !result.is_empty() {
            result.push('_');
        }
        result.push_str(cut(name, NAME_BYTES));
        if result.len() > NAME_BYTES {
            break;
        }
    }
    result
}

/// The first `bytes` bytes, less where a character would be cut.
fn cut(text: &str, bytes: usize) -> &str {
    let mut end = bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
