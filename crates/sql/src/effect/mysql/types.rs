//! Whether rows have to be written anew when a column gets another type.

use super::column::{ColumnType, character_set_of};

/// What a change of a type means for the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TypeChange {
    /// It is the same type.
    None,
    /// The rows stay as they are.
    Metadata,
    /// The rows stay as they are; indexes over the column are ordered otherwise.
    Collation,
    /// The rows are written anew.
    Rows,
}

/// Which server: the two differ in what they can leave as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Server {
    pub(super) maria: bool,
    pub(super) version: u32,
}

/// The change from one type to another.
pub(super) fn change(old: &ColumnType, new: &ColumnType, server: Server) -> TypeChange {
    if old.base != new.base || old.unsigned != new.unsigned {
        return TypeChange::Rows;
    }
    let size = match old.base.as_str() {
        // The length is a width of display.
        "tinyint" | "smallint" | "mediumint" | "int" | "bigint" | "year" | "float" | "double" => {
            same_or(old, new, TypeChange::Metadata)
        }
        "varchar" | "varbinary" => length(old, new, server),
        "enum" => values(old, new, usize::MAX),
        // A SET takes a byte for each eight values.
        "set" => values(old, new, old.arguments.len().div_ceil(8) * 8),
        _ => arguments(old, new),
    };
    size.worse(characters(old, new, server))
}

impl TypeChange {
    fn worse(self, other: Self) -> Self {
        let rank = |change: Self| match change {
            TypeChange::None => 0,
            TypeChange::Metadata => 1,
            TypeChange::Collation => 2,
            TypeChange::Rows => 3,
        };
        if rank(self) >= rank(other) { self } else { other }
    }
}

fn same_or(old: &ColumnType, new: &ColumnType, otherwise: TypeChange) -> TypeChange {
    if old.arguments == new.arguments { TypeChange::None } else { otherwise }
}

/// Precision and scale where they are written differently: `decimal` is `decimal(10,0)`.
fn arguments(old: &ColumnType, new: &ColumnType) -> TypeChange {
    let complete = |data_type: &ColumnType| {
        let mut arguments = data_type.arguments.clone();
        if data_type.base == "decimal" {
            if arguments.is_empty() {
                arguments.push("10".to_owned());
            }
            if arguments.len() == 1 {
                arguments.push("0".to_owned());
            }
        }
        let counts_moments = matches!(data_type.base.as_str(), "datetime" | "timestamp" | "time");
        if counts_moments && arguments.is_empty() {
            arguments.push("0".to_owned());
        }
        if matches!(data_type.base.as_str(), "char" | "binary" | "bit") && arguments.is_empty() {
            arguments.push("1".to_owned());
        }
        arguments
    };
    if complete(old) == complete(new) { TypeChange::None } else { TypeChange::Rows }
}

/// The length of a value takes one byte where the column has at most 255 bytes, two beyond. MariaDB's rows tell the two
/// apart where a value has at most 127.
fn length(old: &ColumnType, new: &ColumnType, server: Server) -> TypeChange {
    let number =
        |data_type: &ColumnType| data_type.arguments.first().and_then(|text| text.parse::<u64>().ok());
    let (Some(old_length), Some(new_length)) = (number(old), number(new)) else { return TypeChange::Rows };
    if new_length < old_length {
        return TypeChange::Rows;
    }
    match (old.most_bytes(), new.most_bytes()) {
        (Some(before), Some(after)) if before == after => TypeChange::None,
        (Some(before), Some(after)) if before > 255 || after <= 255 || (server.maria && before <= 127) => {
            TypeChange::Metadata
        }
        (None, _) | (_, None) if old_length == new_length => TypeChange::None,
        _ => TypeChange::Rows,
    }
}

/// ENUM and SET: values that are put behind the others keep the rows, as long as a number of them takes no more bytes.
fn values(old: &ColumnType, new: &ColumnType, most: usize) -> TypeChange {
    let bytes = |count: usize| if count > 255 { 2 } else { 1 };
    let appended = new.arguments.starts_with(&old.arguments)
        && bytes(old.arguments.len()) == bytes(new.arguments.len())
        && new.arguments.len() <= most;
    if old.arguments == new.arguments {
        TypeChange::None
    } else if appended {
        TypeChange::Metadata
    } else {
        TypeChange::Rows
    }
}

fn characters(old: &ColumnType, new: &ColumnType, server: Server) -> TypeChange {
    if !old.is_text() || new.character_set.is_none() {
        return TypeChange::None;
    }
    if old.character_set != new.character_set {
        return other_set(old, new, server);
    }
    // A character set without a collation means its default one, which may be another than the column has.
    let same = new.collation.is_some() && old.collation == new.collation;
    if same {
        TypeChange::None
    } else if matches!(old.base.as_str(), "enum" | "set") {
        TypeChange::Rows
    } else {
        TypeChange::Collation
    }
}

/// On MariaDB, utf8mb3 is part of utf8mb4, byte by byte.
fn other_set(old: &ColumnType, new: &ColumnType, server: Server) -> TypeChange {
    let part =
        old.character_set.as_deref() == Some("utf8mb3") && new.character_set.as_deref() == Some("utf8mb4");
    let padded = matches!(old.base.as_str(), "enum" | "set" | "char");
    if server.maria && part && !padded { TypeChange::Collation } else { TypeChange::Rows }
}

/// CONVERT TO CHARACTER SET of one column.
pub(super) fn convert(
    data_type: &mut ColumnType,
    character_set: Option<&str>,
    collation: Option<&str>,
    server: Server,
) {
    let new_set = character_set.map(str::to_owned).or_else(|| collation.map(character_set_of));
    let default = new_set.as_deref().and_then(|set| default_collation(set, server));
    data_type.collation = collation.or(default).map(str::to_owned);
    data_type.character_set = new_set;
}

/// The default collation of a character set, where it is known. MariaDB 11.6 has other ones, MySQL 8 its own.
pub(super) fn default_collation(character_set: &str, server: Server) -> Option<&'static str> {
    let old = server.maria && server.version < 110_600;
    match character_set {
        "ascii" if old || !server.maria => Some("ascii_general_ci"),
        "latin1" => Some("latin1_swedish_ci"),
        "utf8mb3" if old => Some("utf8mb3_general_ci"),
        "utf8mb4" if old => Some("utf8mb4_general_ci"),
        "utf8mb4" if !server.maria => Some("utf8mb4_0900_ai_ci"),
        _ => None,
    }
}
