//! Whether an expression gives each row a value of its own: then a new column with it rewrites the table.

use crate::action::Name;
use crate::catalog::{Catalog, Volatility};
use crate::effect::Fact;
use diagnostics::Provider;

/// Whether one of these functions is volatile.
pub(super) fn any_volatile(calls: &[Name], catalog: &Catalog) -> Fact {
    calls.iter().fold(Fact::No, |so_far, name| super::costs::either(so_far, is_volatile(name, catalog)))
}

fn is_volatile(name: &Name, catalog: &Catalog) -> Fact {
    let built_in = name.schema.as_deref().is_none_or(|schema| schema == "pg_catalog");
    if built_in && VOLATILE.binary_search(&name.name.as_str()).is_ok() {
        return Fact::Yes;
    }
    if built_in && CONSTANT.binary_search(&name.name.as_str()).is_ok() {
        return Fact::No;
    }
    let named =
        |known: &&Name| known.name == name.name && (name.schema.is_none() || known.schema == name.schema);
    let found =
        catalog.functions.iter().filter(|(known, _)| named(known)).map(|(_, volatility)| *volatility).max();
    match found {
        Some(Volatility::Volatile) => Fact::Yes,
        Some(_) => Fact::No,
        None => Fact::Unknown,
    }
}

/// Whether a function may read or change tables: one that is not built in, or that runs a text.
pub(super) fn may_touch_tables(name: &Name, catalog: &Catalog) -> bool {
    let built_in = name.schema.as_deref().is_none_or(|schema| schema == "pg_catalog");
    let runs_texts = name.name.contains("_to_xml") || matches!(name.name.as_str(), "ts_stat" | "ts_rewrite");
    if !built_in || runs_texts {
        return true;
    }
    let own = catalog.functions.keys().any(|own| own.name == name.name);
    let known = VOLATILE.binary_search(&name.name.as_str()).is_ok()
        || CONSTANT.binary_search(&name.name.as_str()).is_ok()
        || crate::functions::is_harmless(&name.name, Provider::PostgreSql)
        || name.name == "set_config";
    own || !(known || catalog.complete)
}

/// Built-in functions with a value of their own each time that are of use as a default. Sorted.
const VOLATILE: &[&str] = &[
    "clock_timestamp",
    "currval",
    "gen_random_uuid",
    "lastval",
    "nextval",
    "random",
    "random_normal",
    "setval",
    "timeofday",
    "uuidv4",
    "uuidv7",
];

/// Built-in functions that give all rows of a statement the same value. Sorted.
const CONSTANT: &[&str] = &[
    "abs",
    "age",
    "array_append",
    "array_fill",
    "array_to_json",
    "array_to_string",
    "btrim",
    "ceil",
    "chr",
    "coalesce",
    "concat",
    "concat_ws",
    "current_database",
    "current_schema",
    "current_setting",
    "date_part",
    "date_trunc",
    "decode",
    "encode",
    "floor",
    "format",
    "greatest",
    "initcap",
    "int4range",
    "int8range",
    "json_build_array",
    "json_build_object",
    "jsonb_build_array",
    "jsonb_build_object",
    "least",
    "left",
    "length",
    "lower",
    "lpad",
    "ltrim",
    "make_date",
    "make_interval",
    "make_time",
    "make_timestamp",
    "make_timestamptz",
    "md5",
    "now",
    "nullif",
    "numrange",
    "point",
    "repeat",
    "replace",
    "reverse",
    "right",
    "round",
    "rpad",
    "rtrim",
    "sha256",
    "sha512",
    "split_part",
    "statement_timestamp",
    "string_to_array",
    "substr",
    "substring",
    "timezone",
    "to_char",
    "to_date",
    "to_json",
    "to_jsonb",
    "to_number",
    "to_timestamp",
    "to_tsvector",
    "transaction_timestamp",
    "translate",
    "trim",
    "trunc",
    "tsrange",
    "tstzrange",
    "upper",
];

#[cfg(test)]
mod tests {
    use super::{CONSTANT, VOLATILE};

    #[test]
    fn both_lists_are_sorted() {
        assert!(VOLATILE.is_sorted());
        assert!(CONSTANT.is_sorted());
    }
}
