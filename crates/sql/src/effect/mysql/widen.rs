//! Which types hold every value of another, as it is.

use super::column::ColumnType;

/// Whether every value of the one type is the same as a value of the other.
pub(crate) fn keeps(from: &ColumnType, to: &ColumnType) -> bool {
    if from == to {
        return true;
    }
    match (family(from), family(to)) {
        (Family::Whole(own), Family::Whole(other)) => own.low >= other.low && own.high <= other.high,
        (Family::Whole(own), Family::Fixed { digits, scale, unsigned }) => {
            let (low, high) = (own.low.unsigned_abs(), own.high.unsigned_abs());
            digits_of(low.max(high)) <= digits.saturating_sub(scale) && (!unsigned || own.low >= 0)
        }
        (
            Family::Fixed { digits, scale, unsigned },
            Family::Fixed { digits: more, scale: finer, unsigned: positive },
        ) => {
            scale <= finer
                && digits.saturating_sub(scale) <= more.saturating_sub(finer)
                && (unsigned || !positive)
        }
        (Family::Whole(own), Family::Real(size)) => {
            // What its mantissa holds to the last digit.
            let most = 1_u128 << if size == 1 { 24 } else { 53 };
            own.low.unsigned_abs().max(own.high.unsigned_abs()) <= most && (!to.unsigned || own.low >= 0)
        }
        (Family::Whole(own), Family::Text { sure, .. }) => {
            let sign = u64::from(own.low < 0);
            digits_of(own.low.unsigned_abs().max(own.high.unsigned_abs())) + sign <= sure
        }
        // A sign and a point.
        (Family::Fixed { digits, .. }, Family::Text { sure, .. }) => digits + 2 <= sure,
        (Family::Bits(own), Family::Bits(other)) => own <= other,
        (Family::Other, Family::Time(_)) => from.base == "date" && to.base == "datetime",
        (Family::Real(own), Family::Real(other)) => own <= other && (from.unsigned || !to.unsigned),
        (Family::Time(own), Family::Time(other)) => from.base == to.base && own <= other,
        (Family::Text { most, .. }, Family::Text { sure, .. }) => {
            // A CHAR has no blanks at its end.
            if to.base == "char" && from.base != "char" {
                return false;
            }
            let same = from.base == to.base && from.arguments == to.arguments;
            (same || most <= sure) && characters_fit(from, to)
        }
        (Family::Bytes(own), Family::Bytes(other)) => own <= other,
        (Family::Listed, Family::Listed) => {
            from.base == to.base && from.arguments.iter().all(|value| to.arguments.contains(value))
        }
        (Family::Listed, Family::Text { sure, .. }) if from.base == "enum" => {
            let longest = from.arguments.iter().map(|value| value.chars().count() as u64).max();
            longest.unwrap_or_default() <= sure.saturating_add(2) && characters_fit(from, to)
        }
        _ => false,
    }
}

struct Range {
    low: i128,
    high: i128,
}

/// What values are compared by.
enum Family {
    Whole(Range),
    Fixed {
        digits: u64,
        scale: u64,
        unsigned: bool,
    },
    /// By the size of their mantissa.
    Real(u8),
    /// By the digits of their seconds.
    Time(u64),
    /// By the number of their characters: at most, and in any case.
    Text {
        most: u64,
        sure: u64,
    },
    /// By the number of their bytes.
    Bytes(u64),
    /// BIT, by the number of its bits.
    Bits(u64),
    /// ENUM and SET.
    Listed,
    Other,
}

fn family(data_type: &ColumnType) -> Family {
    let argument = |at: usize| data_type.arguments.get(at).and_then(|value| value.parse::<u64>().ok());
    let whole = |bits: u32| {
        let (low, high) = match data_type.unsigned {
            true => (0, (1_i128 << bits) - 1),
            false => (-(1_i128 << (bits - 1)), (1_i128 << (bits - 1)) - 1),
        };
        Family::Whole(Range { low, high })
    };
    match data_type.base.as_str() {
        "tinyint" => whole(8),
        "smallint" => whole(16),
        "mediumint" => whole(24),
        "int" => whole(32),
        "bigint" => whole(64),
        "decimal" => Family::Fixed {
            digits: argument(0).unwrap_or(10),
            scale: argument(1).unwrap_or_default(),
            unsigned: data_type.unsigned,
        },
        "float" if data_type.arguments.is_empty() => Family::Real(1),
        "double" if data_type.arguments.is_empty() => Family::Real(2),
        "datetime" | "timestamp" | "time" => Family::Time(argument(0).unwrap_or_default()),
        "char" | "varchar" => characters(argument(0).unwrap_or(1), 1),
        "tinytext" => characters(255, 4),
        "text" => characters(65_535, 4),
        "mediumtext" => characters(16_777_215, 4),
        "longtext" => characters(u64::from(u32::MAX), 1),
        "bit" => Family::Bits(argument(0).unwrap_or(1)),
        "varbinary" => Family::Bytes(argument(0).unwrap_or_default()),
        "tinyblob" => Family::Bytes(255),
        "blob" => Family::Bytes(65_535),
        "mediumblob" => Family::Bytes(16_777_215),
        "longblob" => Family::Bytes(u64::MAX),
        "enum" | "set" => Family::Listed,
        _ => Family::Other,
    }
}

/// So many characters, or so many bytes of which a character may have several.
fn characters(most: u64, bytes: u64) -> Family {
    Family::Text { most, sure: most / bytes }
}

fn digits_of(number: u128) -> u64 {
    number.checked_ilog10().map_or(1, |digits| u64::from(digits) + 1)
}

/// Whether a character set has all characters of another. What is not said is the table's, which is the same for both.
fn characters_fit(from: &ColumnType, to: &ColumnType) -> bool {
    let set = |data_type: &ColumnType| data_type.character_set.clone().unwrap_or_default();
    let (from, to) = (set(from), set(to));
    let narrow = ["ascii", "latin1", "utf8", "utf8mb3"];
    from == to
        || to == "utf8mb4"
        || from == "ascii"
        || (["utf8", "utf8mb3"].contains(&to.as_str()) && narrow.contains(&from.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::effect::mysql::column::parse_type;

    #[test]
    fn types_that_keep_all_values() {
        let keeps = |from: &str, to: &str| keeps(&parse_type(from).unwrap(), &parse_type(to).unwrap());
        for (narrow, wide) in [
            ("int(11)", "bigint(20)"),
            ("int(10) unsigned", "bigint(20)"),
            ("int", "decimal(12,2)"),
            ("decimal(10,2)", "decimal(12,4)"),
            ("datetime", "datetime(6)"),
            ("varchar(10)", "varchar(20)"),
            ("varchar(191)", "text"),
            ("text", "longtext"),
            ("float", "double"),
            ("enum('a')", "enum('a','b')"),
            ("enum('a','bc')", "varchar(2)"),
            ("varchar(5) character set latin1", "varchar(5) character set utf8mb4"),
            ("varbinary(4)", "blob"),
            ("int", "varchar(11)"),
            ("decimal(10,2)", "varchar(12)"),
            ("int", "double"),
            ("smallint", "float"),
            ("date", "datetime"),
            ("bit(8)", "bit(16)"),
        ] {
            assert!(keeps(narrow, wide), "{narrow} to {wide}");
            assert!(!keeps(wide, narrow), "{wide} to {narrow}");
        }
        for (from, to) in [
            ("decimal(10,4)", "decimal(10,1)"),
            ("int", "int unsigned"),
            ("int unsigned", "int"),
            ("varchar(10)", "int"),
            ("datetime(3)", "date"),
            ("timestamp(6)", "date"),
            ("int", "float"),
            ("int", "varchar(10)"),
            ("decimal(10,2)", "decimal(10,0)"),
            ("decimal(10,2)", "int"),
            ("float", "int"),
            ("varchar(3)", "char(5)"),
            ("double", "decimal(20,10)"),
            ("varchar(5) character set utf8mb4", "varchar(5) character set latin1"),
        ] {
            assert!(!keeps(from, to), "{from} to {to}");
        }
    }
}
