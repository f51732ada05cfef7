//! Column definitions of MySQL and MariaDB, as a text or the catalogue has them.

use crate::action::Name;
use crate::scanner::{self, Token, TokenKind};
use crate::statement::Options;
use crate::words::Words;
use diagnostics::{Provider, Span};

/// A type, with what belongs to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ColumnType {
    /// In lower case, one name for each type: `int`, never `integer`.
    pub(crate) base: String,
    /// Length, precision and scale, or the values of ENUM and SET with their quotes.
    pub(crate) arguments: Vec<String>,
    pub(crate) unsigned: bool,
    pub(crate) character_set: Option<String>,
    pub(crate) collation: Option<String>,
}

/// The default of a column.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum DefaultValue {
    #[default]
    None,
    /// A literal, CURRENT_TIMESTAMP, or an expression that gives every row the same.
    Constant,
    /// Anything else in parentheses or a function: each row may get another.
    Expression,
}

/// A column as CREATE TABLE and ALTER TABLE define it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ColumnDefinition {
    pub(crate) name: String,
    pub(crate) data_type: ColumnType,
    /// From the type to the end of the definition.
    pub(crate) type_text: String,
    pub(crate) not_null: bool,
    pub(crate) default: DefaultValue,
    pub(crate) default_text: Option<String>,
    /// STORED (true) or VIRTUAL (false).
    pub(crate) generated: Option<bool>,
    /// What it is computed from, with the parentheses.
    pub(crate) expression: Option<String>,
    pub(crate) counts: bool,
    pub(crate) unique: bool,
    pub(crate) primary: bool,
    pub(crate) references: Option<Name>,
    /// FIRST or AFTER.
    pub(crate) position: Option<Position>,
}

/// Where a column is put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Position {
    First,
    After(String),
}

/// Reads a type as the catalogue prints it.
pub(crate) fn parse_type(text: &str) -> Option<ColumnType> {
    let mode = Options::new(Provider::MySql).mode();
    let tokens = scanner::tokens(text, Span::new(0, text.len()), mode).ok()?;
    let mut words = Words::new(text, &tokens, Provider::MySql);
    let mut column = ColumnDefinition { data_type: read_type(&mut words)?, ..ColumnDefinition::default() };
    while words.look(0).is_some() {
        attribute(&mut words, &mut column);
    }
    Some(column.data_type)
}

/// Reads a definition; `words` stands at the type, and afterwards at the comma, parenthesis or end behind it.
pub(crate) fn definition(words: &mut Words<'_>, name: String) -> Option<ColumnDefinition> {
    let first = words.look(0)?;
    let mut column = ColumnDefinition { name, ..ColumnDefinition::default() };
    if words.take("SERIAL") {
        column.data_type = ColumnType { base: "bigint".to_owned(), unsigned: true, ..ColumnType::default() };
        (column.not_null, column.counts, column.unique) = (true, true, true);
    } else {
        column.data_type = read_type(words)?;
    }
    column.type_text = words.span_from(first).slice(words.text()).to_owned();
    while !words.is_done() && !at_symbol(words, b',') && !at_symbol(words, b')') {
        attribute(words, &mut column);
    }
    if column.primary {
        column.not_null = true;
    }
    Some(column)
}

fn at_symbol(words: &Words<'_>, byte: u8) -> bool {
    words.look(0).is_some_and(|token| token.is_symbol(byte))
}

fn read_type(words: &mut Words<'_>) -> Option<ColumnType> {
    let token = words.look(0).filter(|token| token.kind == TokenKind::Word)?;
    words.advance();
    let mut written = token.span.slice(words.text()).to_ascii_lowercase();
    if written == "national" {
        written = words.look(0)?.span.slice(words.text()).to_ascii_lowercase();
        words.advance();
    }
    if written == "double" {
        words.take("PRECISION");
    }
    if matches!(written.as_str(), "char" | "character") && words.take("VARYING") {
        "varchar".clone_into(&mut written);
    }
    if written == "long" {
        let binary = words.take("VARBINARY");
        words.take_any(&["VARCHAR", "CHAR"]);
        (if binary { "mediumblob" } else { "mediumtext" }).clone_into(&mut written);
    }
    let mut data_type = ColumnType { base: base_name(&written).to_owned(), ..ColumnType::default() };
    if matches!(written.as_str(), "bool" | "boolean") {
        data_type.arguments = vec!["1".to_owned()];
    }
    if words.symbol(b'(') {
        while let Some(token) = words.advance() {
            if token.is_symbol(b')') {
                break;
            }
            if !token.is_symbol(b',') {
                data_type.arguments.push(token.span.slice(words.text()).to_owned());
            }
        }
    }
    Some(data_type)
}

/// One name for each type.
fn base_name(written: &str) -> &str {
    match written {
        "integer" | "int4" => "int",
        "int1" | "bool" | "boolean" => "tinyint",
        "int2" => "smallint",
        "int3" | "middleint" => "mediumint",
        "int8" => "bigint",
        "dec" | "numeric" | "fixed" => "decimal",
        "float4" => "float",
        "float8" | "real" => "double",
        "character" | "nchar" => "char",
        "varcharacter" | "nvarchar" => "varchar",
        other => other,
    }
}

/// Reads one attribute of a column, or passes over a token that is none.
fn attribute(words: &mut Words<'_>, column: &mut ColumnDefinition) {
    if words.take_all(&["NOT", "NULL"]) {
        column.not_null = true;
    } else if words.take("DEFAULT") {
        let first = words.look(0);
        column.default = default_value(words);
        column.default_text = first.map(|first| words.span_from(first).slice(words.text()).to_owned());
    } else if words.take_all(&["ON", "UPDATE"]) {
        words.advance();
        skip_parentheses(words);
    } else if words.take("AUTO_INCREMENT") {
        column.counts = true;
    } else if words.take("PRIMARY") || words.at_word("KEY") {
        words.take("KEY");
        column.primary = true;
    } else if words.take("UNIQUE") {
        words.take("KEY");
        column.unique = true;
    } else if words.take("REFERENCES") {
        column.references = words.name();
        skip_parentheses(words);
    } else if words.take("UNSIGNED") {
        column.data_type.unsigned = true;
    } else if words.take_any(&["CHARSET", "COLLATE"]).is_some() || words.take_all(&["CHARACTER", "SET"]) {
        character_set(words, column);
    } else if words.take("FIRST") {
        column.position = Some(Position::First);
    } else if words.take("AFTER") {
        column.position = words.part().map(Position::After);
    } else if words.take("COMMENT") {
        words.advance();
    } else if words.take("AS") {
        let first = words.look(0);
        skip_parentheses(words);
        column.expression = first.map(|first| words.span_from(first).slice(words.text()).to_owned());
        column.generated = Some(words.take_any(&["STORED", "PERSISTENT"]).is_some());
    } else {
        words.skip_one();
    }
}

/// The value of a character set or collation; the word for it was passed.
fn character_set(words: &mut Words<'_>, column: &mut ColumnDefinition) {
    let collates = words.previous().is_some_and(|token: Token| token.is_word(words.text(), "COLLATE"));
    let value = words.part().or_else(|| words.string()).map(|value| value.to_ascii_lowercase());
    let value = value.map(|value| if value == "utf8" { "utf8mb3".to_owned() } else { value });
    if collates {
        column.data_type.collation = value;
    } else {
        column.data_type.character_set = value;
    }
}

fn skip_parentheses(words: &mut Words<'_>) {
    if at_symbol(words, b'(') {
        words.skip_one();
    }
}

/// Functions that give all rows of one statement the same, so that MariaDB adds a column with them at once.
const SAME_FOR_ALL_ROWS: &[&str] = &[
    "CURDATE",
    "CURRENT_DATE",
    "CURRENT_TIME",
    "CURRENT_TIMESTAMP",
    "CURTIME",
    "LOCALTIME",
    "LOCALTIMESTAMP",
    "NOW",
    "NULL",
    "TRUE",
    "FALSE",
    "UNIX_TIMESTAMP",
    "UTC_DATE",
    "UTC_TIME",
    "UTC_TIMESTAMP",
];

/// Reads what stands behind DEFAULT.
pub(crate) fn default_value(words: &mut Words<'_>) -> DefaultValue {
    if at_symbol(words, b'(') {
        let mut depth = 0_usize;
        let mut same = true;
        while let Some(token) = words.advance() {
            match token.kind {
                TokenKind::Symbol(b'(') => depth += 1,
                TokenKind::Symbol(b')') => depth = depth.saturating_sub(1),
                TokenKind::Word | TokenKind::QuotedName => {
                    same &= SAME_FOR_ALL_ROWS.iter().any(|word| token.is_word(words.text(), word));
                }
                _ => {}
            }
            if depth == 0 {
                break;
            }
        }
        return if same { DefaultValue::Constant } else { DefaultValue::Expression };
    }
    words.symbol(b'-');
    words.symbol(b'+');
    if words.take_all(&["NEXT", "VALUE", "FOR"]) {
        words.name();
        return DefaultValue::Expression;
    }
    let Some(first) = words.advance() else { return DefaultValue::Expression };
    let calls = at_symbol(words, b'(');
    skip_parentheses(words);
    let same = first.kind != TokenKind::Word
        || SAME_FOR_ALL_ROWS.iter().any(|word| first.is_word(words.text(), word));
    // `b'0'`, `_utf8'x'`, `x'00'`: a word and a string.
    if first.kind == TokenKind::Word && !same && !calls && words.string().is_some() {
        return DefaultValue::Constant;
    }
    if same { DefaultValue::Constant } else { DefaultValue::Expression }
}

impl ColumnType {
    /// MariaDB keeps JSON as a text.
    pub(crate) fn json_as_text(&mut self) {
        if self.base == "json" {
            "longtext".clone_into(&mut self.base);
            self.character_set = Some("utf8mb4".to_owned());
            self.collation = Some("utf8mb4_bin".to_owned());
        }
    }

    /// A character type, which has a character set.
    pub(crate) fn is_text(&self) -> bool {
        matches!(
            self.base.as_str(),
            "char" | "varchar" | "text" | "tinytext" | "mediumtext" | "longtext" | "enum" | "set"
        )
    }

    /// How many bytes a value of a VARCHAR or VARBINARY can have, where that is known.
    pub(crate) fn most_bytes(&self) -> Option<u64> {
        let length = self.arguments.first()?.parse::<u64>().ok()?;
        match self.base.as_str() {
            "varbinary" => Some(length),
            "varchar" => Some(length.saturating_mul(bytes_of(self.character_set.as_deref()?)?)),
            _ => None,
        }
    }
}

/// The most bytes of one character of a character set.
fn bytes_of(character_set: &str) -> Option<u64> {
    Some(match character_set {
        "ascii" | "binary" | "latin1" | "latin2" | "latin5" | "latin7" | "cp1250" | "cp1251" | "cp1256"
        | "cp1257" | "cp850" | "cp852" | "cp866" | "koi8r" | "koi8u" | "greek" | "hebrew" | "armscii8"
        | "swe7" | "tis620" | "dec8" | "hp8" | "geostd8" | "keybcs2" | "macce" | "macroman" => 1,
        "big5" | "cp932" | "euckr" | "gb2312" | "gbk" | "sjis" | "ucs2" => 2,
        "eucjpms" | "ujis" | "utf8" | "utf8mb3" => 3,
        "gb18030" | "utf16" | "utf16le" | "utf32" | "utf8mb4" => 4,
        _ => return None,
    })
}

/// The character set that a collation belongs to: the part before its first underline.
pub(crate) fn character_set_of(collation: &str) -> String {
    let set = collation.split('_').next().unwrap_or(collation);
    if set == "utf8" { "utf8mb3".to_owned() } else { set.to_owned() }
}
