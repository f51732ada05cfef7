//! Whether a domain takes NULL, which rows have that come while a column of it is kept.

use super::super::state::State;
use super::super::text;
use super::POSTGRES;
use super::keep_column::{is_value, own_type};
use crate::action::Name;
use crate::scanner::{Token, TokenKind};
use crate::snapshot::{ColumnDefinition, ObjectKind};
use crate::words::Words;

/// Whether the type of a column is not known to take NULL.
pub(super) fn may_refuse(column: &ColumnDefinition, state: &State) -> bool {
    // What an array is of is not asked for an array that is not there.
    !column.data_type.ends_with("[]") && refuses(&own_type(column), state)
}

/// Whether the type of a column gives rows without a value one that has to be computed.
pub(super) fn computes_default(column: &ColumnDefinition, state: &State) -> bool {
    !column.data_type.ends_with("[]") && gives(&own_type(column), state)
}

/// The same of a domain, and of one that it is made of.
fn gives(data_type: &Name, state: &State) -> bool {
    let domain = state.find(ObjectKind::Domain, data_type);
    let Some(definition) = domain.and_then(|domain| state.definition(&domain)) else { return false };
    let written = definition.text.as_str();
    let default = written.split_once("DEFAULT ").map(|(_, default)| default);
    // It may be too long for what the domain is made of.
    default.is_some_and(|default| written.contains('(') || !is_value(default))
        || of(written).is_some_and(|of| of != *data_type && gives(&of, state))
}

/// What a domain is made of.
fn of(written: &str) -> Option<Name> {
    let tokens = text::tokens(written, POSTGRES);
    let mut words = Words::new(written, &tokens, POSTGRES);
    if words.skip_to("AS") { words.name() } else { None }
}

/// The same of a domain, and of one that it is made of.
fn refuses(data_type: &Name, state: &State) -> bool {
    let domain = state.find(ObjectKind::Domain, data_type);
    let Some(definition) = domain.and_then(|domain| state.definition(&domain)) else { return false };
    let written = definition.text.as_str();
    let tokens = text::tokens(written, POSTGRES);
    let array = written.contains("[]");
    // What the script itself has made stands there with its checks.
    let says = |word: &str| tokens.iter().any(|token| token.is_word(written, word));
    let not_null =
        tokens.windows(2).any(|pair| pair[0].is_word(written, "NOT") && pair[1].is_word(written, "NULL"));
    not_null
        || says("CHECK")
        || definition.parts.values().any(|held| held.starts_with("NOT NULL"))
        || definition.parts.values().any(|held| held.starts_with("CHECK") && !passes_null(held))
        || of(written).is_some_and(|of| !array && of != *data_type && refuses(&of, state))
}

/// Functions, types and words that give NULL for NULL.
const STRICT: [&str; 49] = [
    "value",
    "not",
    "char_length",
    "character_length",
    "length",
    "octet_length",
    "bit_length",
    "lower",
    "upper",
    "initcap",
    "btrim",
    "ltrim",
    "rtrim",
    "abs",
    "mod",
    "floor",
    "ceil",
    "round",
    "trunc",
    "date_part",
    "cardinality",
    "array_length",
    "jsonb_typeof",
    "json_typeof",
    "scale",
    "text",
    "character",
    "varying",
    "varchar",
    "bpchar",
    "integer",
    "bigint",
    "smallint",
    "numeric",
    "double",
    "precision",
    "real",
    "date",
    "time",
    "timestamp",
    "with",
    "without",
    "zone",
    "interval",
    "boolean",
    "uuid",
    "jsonb",
    "inet",
    "bytea",
];

/// Whether a check is made of comparisons of the value alone, each of which is unknown for NULL: then it passes.
fn passes_null(check: &str) -> bool {
    let check = check.strip_suffix(" NOT VALID").unwrap_or(check);
    let tokens = text::tokens(check, POSTGRES);
    let rest = tokens.get(1..).unwrap_or_default();
    let joined = |token: &Token| token.is_word(check, "AND") || token.is_word(check, "OR");
    rest.split(joined).all(|part| {
        let mut at = 0;
        let mut has_value = false;
        while let Some(token) = part.get(at) {
            let symbol =
                |ahead: usize, byte: u8| part.get(at + ahead).is_some_and(|next| next.is_symbol(byte));
            let known = match token.kind {
                TokenKind::String | TokenKind::Number => true,
                // An operator that takes an array takes it for NULL, too.
                TokenKind::Symbol(b'|') => !symbol(1, b'|'),
                TokenKind::Symbol(b'.') | TokenKind::QuotedName => false,
                TokenKind::Symbol(_) => true,
                TokenKind::Word if token.is_word(check, "ANY") || token.is_word(check, "ALL") => {
                    // Of none of these the answer is known.
                    let array = part[at..].iter().find(|next| {
                        next.kind == TokenKind::Word
                            && !next.is_word(check, "ANY")
                            && !next.is_word(check, "ALL")
                    });
                    array.is_some_and(|next| next.is_word(check, "ARRAY"))
                }
                TokenKind::Word if token.is_word(check, "ARRAY") => symbol(1, b'[') && !symbol(2, b']'),
                TokenKind::Word => {
                    STRICT.iter().any(|word| token.span.slice(check).eq_ignore_ascii_case(word))
                }
                _ => false,
            };
            if !known {
                return false;
            }
            has_value |= token.is_word(check, "VALUE");
            at += 1;
        }
        has_value
    })
}

#[cfg(test)]
mod tests {
    use super::passes_null;

    #[test]
    fn what_is_unknown_for_null_passes() {
        for (check, passes) in [
            ("CHECK (VALUE > 0)", true),
            ("CHECK (((VALUE >= 0) AND (VALUE <= 10)))", true),
            ("CHECK (((VALUE)::text ~ '^[a-z]+$'::text))", true),
            ("CHECK ((VALUE = ANY (ARRAY[1, 2])))", true),
            (
                "CHECK (((VALUE)::text = ANY ((ARRAY['a'::character varying, 'b'::character varying])::text[])))",
                true,
            ),
            ("CHECK ((char_length(VALUE) > 3)) NOT VALID", true),
            ("CHECK ((char_length(VALUE) > 3))", true),
            ("CHECK ((VALUE = ANY ('{}'::integer[])))", false),
            ("CHECK ((VALUE IS NOT NULL))", false),
            ("CHECK ((COALESCE(VALUE, ''::text) <> ''::text))", false),
            ("CHECK (((VALUE > 0) AND false))", false),
            ("CHECK (((VALUE > 0) AND (1 > 2)))", false),
            ("CHECK (public.fine(VALUE))", false),
            ("CHECK ((VALUE OPERATOR(public.=) 'a'::text))", false),
        ] {
            assert_eq!(passes_null(check), passes, "{check}");
        }
    }
}
