//! When a change of a column's type writes the table anew.
//!
//! The server compares what the old values are converted by: nothing at all (`ATColumnChangeRequiresRewrite`), or a
//! conversion that is known to leave values as they are (the support functions of varchar, numeric, varbit, time,
//! timestamp and interval).

use crate::action::Name;
use crate::catalog::{Catalog, Column};
use crate::effect::Fact;

/// A type taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DataType {
    /// Its name as the server prints it, in lower case where it is built in, without modifiers.
    pub(super) base: String,
    /// What stands in parentheses.
    modifiers: Vec<i32>,
    array: bool,
}

/// What a change of type does to rows.
pub(super) struct Conversion {
    /// They are written anew.
    pub(super) rewrite: Fact,
    /// An index over the column stays as it is.
    pub(super) keeps_indexes: bool,
    /// A value may lose digits or characters.
    pub(super) narrows: bool,
}

/// A type as the server prints it, of one as written: `varchar(3)` is `character varying(3)`.
pub(crate) fn canonical(written: &str, catalog: &Catalog) -> String {
    let parsed = parse(written, catalog);
    let mut text = parsed.base;
    if !parsed.modifiers.is_empty() {
        let modifiers: Vec<String> = parsed.modifiers.iter().map(ToString::to_string).collect();
        let modifiers = format!("({})", modifiers.join(","));
        // `timestamp(3) without time zone`.
        match text.split_once(' ') {
            Some((first, rest)) if first.starts_with("time") => text = format!("{first}{modifiers} {rest}"),
            _ => text.push_str(&modifiers),
        }
    }
    if parsed.array {
        text.push_str("[]");
    }
    text
}

/// Takes a type apart, as written or as the server prints it.
pub(super) fn parse(written: &str, catalog: &Catalog) -> DataType {
    let written = written.trim();
    let lower = written.to_ascii_lowercase();
    let array = lower.ends_with(']') || lower.ends_with(" array");
    let (mut name, mut modifiers) = (String::new(), Vec::new());
    let mut rest = lower.split(['[']).next().unwrap_or_default().trim_end_matches(" array");
    while let Some(open) = rest.find('(') {
        let (before, after) = rest.split_at(open);
        name.push_str(before);
        let (inside, behind) = after[1..].split_once(')').unwrap_or((&after[1..], ""));
        modifiers = inside.split(',').filter_map(|number| number.trim().parse().ok()).collect();
        rest = behind;
    }
    name.push_str(rest);
    let words: Vec<&str> = name.split_whitespace().collect();
    let name = words.join(" ");
    let bare = name.strip_prefix("pg_catalog.").unwrap_or(&name);
    let base = built_in(bare).map_or_else(|| own(written, catalog), str::to_owned);
    match base.as_str() {
        // Without a length they are one long.
        "character" | "bit" if modifiers.is_empty() && bare != "bpchar" => modifiers.push(1),
        // Without a scale it is 0.
        "numeric" if modifiers.len() == 1 => modifiers.push(0),
        _ => {}
    }
    DataType { base, modifiers, array }
}

/// A type of the database's own, qualified.
fn own(written: &str, catalog: &Catalog) -> String {
    let bare = written.split(['(', '[']).next().unwrap_or(written).trim();
    let part = |text: &str| {
        if text.starts_with('"') {
            text.trim_matches('"').replace("\"\"", "\"")
        } else {
            text.to_ascii_lowercase()
        }
    };
    let name = match bare.split_once('.') {
        Some((schema, name)) => Name { schema: Some(part(schema)), name: part(name) },
        None => Name::unqualified(part(bare)),
    };
    catalog.resolve_type(&name).to_string()
}

/// Whether this is the name of a type that is built in, as the server prints it.
pub(super) fn is_built_in(base: &str) -> bool {
    built_in(base).is_some()
}

fn built_in(name: &str) -> Option<&'static str> {
    Some(match name {
        "int" | "int4" | "integer" | "serial" | "serial4" => "integer",
        "bigint" | "int8" | "bigserial" | "serial8" => "bigint",
        "smallint" | "int2" | "smallserial" | "serial2" => "smallint",
        "bool" | "boolean" => "boolean",
        "real" | "float4" => "real",
        "double precision" | "float8" | "float" => "double precision",
        "decimal" | "numeric" | "dec" => "numeric",
        "char" | "character" | "bpchar" | "nchar" | "national character" | "national char" => "character",
        "varchar" | "character varying" | "char varying" | "national character varying" => {
            "character varying"
        }
        "text" => "text",
        "name" => "name",
        "bytea" => "bytea",
        "bit" => "bit",
        "varbit" | "bit varying" => "bit varying",
        "timestamp" | "timestamp without time zone" => "timestamp without time zone",
        "timestamptz" | "timestamp with time zone" => "timestamp with time zone",
        "time" | "time without time zone" => "time without time zone",
        "timetz" | "time with time zone" => "time with time zone",
        "date" => "date",
        "interval" => "interval",
        "uuid" => "uuid",
        "json" => "json",
        "jsonb" => "jsonb",
        "xml" => "xml",
        "inet" => "inet",
        "cidr" => "cidr",
        "macaddr" => "macaddr",
        "money" => "money",
        "oid" => "oid",
        "regclass" => "regclass",
        "tsvector" => "tsvector",
        "tsquery" => "tsquery",
        "point" => "point",
        "jsonpath" => "jsonpath",
        _ => return None,
    })
}

/// What a change from the column's type to `written` does; a USING that says anything of its own is not asked about here.
pub(super) fn conversion(column: &Column, written: &str, catalog: &Catalog) -> Conversion {
    let (old, new) = (parse(&column.data_type, catalog), parse(written, catalog));
    let (old, new_base) = (domain_base(old, catalog), domain_base(new.clone(), catalog));
    let refuses = catalog.types.iter().any(|(name, known)| known.constrained && name.to_string() == new.base);
    let mut found = between(&old, &new_base, catalog);
    if refuses {
        found.rewrite = Fact::Yes;
    }
    found
}

/// Of a domain the type that it is made of.
fn domain_base(mut of: DataType, catalog: &Catalog) -> DataType {
    // Domains are made of domains; a chain of them ends.
    for _ in 0..32 {
        let known = catalog.types.iter().find(|(name, _)| name.to_string() == of.base);
        match known.and_then(|(_, known)| known.base.clone()) {
            Some(base) if !of.array => of = parse(&base, catalog),
            _ => break,
        }
    }
    of
}

fn between(old: &DataType, new: &DataType, catalog: &Catalog) -> Conversion {
    let keeps = |rewrite: Fact| Conversion { rewrite, keeps_indexes: true, narrows: false };
    if old == new {
        return keeps(Fact::No);
    }
    if old.array || new.array {
        // Elements are converted one by one, even where each stays as it is. A limit that goes asks for nothing.
        let element = between(
            &DataType { array: false, ..old.clone() },
            &DataType { array: false, ..new.clone() },
            catalog,
        );
        let goes = old.array == new.array && old.base == new.base && new.modifiers.is_empty();
        return Conversion { rewrite: if goes { Fact::No } else { Fact::Yes }, ..element };
    }
    let grows = grows(old, new);
    let rewrite = |stays: bool| Fact::from(!stays);
    match (old.base.as_str(), new.base.as_str()) {
        (one, other) if one == other => {
            let stays = match one {
                "numeric" => {
                    new.modifiers.is_empty() || (grows && old.modifiers.get(1) == new.modifiers.get(1))
                }
                // Blanks are added up to the length.
                "character" | "bit" => false,
                _ => grows,
            };
            Conversion { rewrite: rewrite(stays), keeps_indexes: true, narrows: !holds(old, new) }
        }
        ("character varying", "text") => keeps(Fact::No),
        ("text", "character varying") | ("bit", "bit varying") => Conversion {
            rewrite: rewrite(new.modifiers.is_empty()),
            keeps_indexes: true,
            narrows: !holds(old, new),
        },
        ("cidr", "inet") => keeps(Fact::No),
        ("xml", "text" | "character varying") => {
            Conversion { rewrite: rewrite(new.modifiers.is_empty()), keeps_indexes: false, narrows: false }
        }
        ("integer", "oid" | "regclass")
        | ("oid" | "regclass", "integer")
        | ("oid", "regclass")
        | ("regclass", "oid") => Conversion { rewrite: Fact::No, keeps_indexes: false, narrows: false },
        ("timestamp without time zone", "timestamp with time zone")
        | ("timestamp with time zone", "timestamp without time zone") => {
            // The digits are cut behind the conversion, which has all of them whatever the old type had: only all six ask for
            // nothing.
            let cut = new.modifiers.first().is_some_and(|digits| *digits < 6);
            let stays = match catalog.time_zone.as_deref() {
                _ if !grows || cut => Fact::Yes,
                None => Fact::Unknown,
                Some(zone) => Fact::from(!is_utc(zone)),
            };
            Conversion { rewrite: stays, keeps_indexes: false, narrows: !grows }
        }
        (one, other) if is_citext(one) && is_text(other) || is_text(one) && is_citext(other) => {
            Conversion { rewrite: rewrite(new.modifiers.is_empty()), keeps_indexes: false, narrows: false }
        }
        _ => Conversion { rewrite: Fact::Yes, keeps_indexes: false, narrows: !holds(old, new) },
    }
}

/// Whether every value of the type `from` is one of the type `to`, unchanged, or can be had back from it.
pub(crate) fn widens(from: &str, to: &str, catalog: &Catalog) -> bool {
    holds(&parse(from, catalog), &parse(to, catalog))
}

/// Whether every value of the one type is kept by the other.
fn holds(old: &DataType, new: &DataType) -> bool {
    if old == new {
        return true;
    }
    if old.array != new.array {
        return !new.array && new.base == "text";
    }
    if is_text(&new.base) {
        return new.modifiers.is_empty() || longest(old).is_some_and(|length| length <= new.modifiers[0]);
    }
    match (old.base.as_str(), new.base.as_str()) {
        ("numeric", "numeric") => holds_numeric(old, new),
        (one, other) if one == other => grows(old, new),
        ("smallint" | "integer" | "bigint", "numeric") => match (new.modifiers.as_slice(), longest(old)) {
            ([precision, scale], Some(length)) => *scale >= 0 && length <= precision - scale + 1,
            _ => true,
        },
        ("smallint", "integer" | "bigint" | "real" | "double precision")
        | ("integer", "bigint" | "double precision" | "oid" | "regclass")
        | ("oid" | "regclass", "integer" | "oid" | "regclass")
        | ("real", "double precision")
        | ("cidr", "inet")
        | ("date", "timestamp without time zone") => true,
        ("bit", "bit varying") => grows(old, new),
        _ => false,
    }
}

/// Neither a digit before the point nor one behind it is lost.
fn holds_numeric(old: &DataType, new: &DataType) -> bool {
    match (old.modifiers.as_slice(), new.modifiers.as_slice()) {
        (_, []) => true,
        ([digits, scale], [more, finer]) => finer >= scale && more - finer >= digits - scale,
        _ => false,
    }
}

/// The most characters of a value as a text, where that is known. Of whole numbers with their sign.
fn longest(of: &DataType) -> Option<i32> {
    match of.base.as_str() {
        "character" | "character varying" | "bit" | "bit varying" => of.modifiers.first().copied(),
        "boolean" => Some(5),
        "smallint" => Some(6),
        "integer" => Some(11),
        "bigint" => Some(20),
        "uuid" => Some(36),
        "numeric" => of.modifiers.first().map(|digits| digits + 2),
        _ => None,
    }
}

/// No limit is there, or one that is at least as large as before.
fn grows(old: &DataType, new: &DataType) -> bool {
    // Times have six digits where nothing is said.
    let timed = old.base.starts_with("time") || old.base == "interval";
    let limit = |of: &DataType| of.modifiers.first().copied().or(timed.then_some(6));
    match (limit(old), limit(new)) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(old), Some(new)) => new >= old,
    }
}

fn is_text(name: &str) -> bool {
    matches!(name, "text" | "character varying")
}

fn is_citext(name: &str) -> bool {
    name == "citext" || name.ends_with(".citext")
}

/// Names under which a zone keeps the time of UTC, now and ever.
fn is_utc(zone: &str) -> bool {
    let zone = zone.trim_matches('\'').to_ascii_lowercase();
    let zone = zone.strip_prefix("etc/").unwrap_or(&zone);
    matches!(
        zone,
        "utc" | "uct" | "gmt" | "zulu" | "universal" | "greenwich" | "gmt0" | "gmt+0" | "gmt-0" | "0"
    )
}
