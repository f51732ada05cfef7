//! What a statement leaves behind in its session, beyond the tables.
//!
//! Read by what restores a session after a migration, and by what decides whether an interrupted one can
//! be resumed or retried.

use crate::action::Action;
use crate::kind::{Kind, Scope};
use crate::scanner::{Token, TokenKind};
use diagnostics::Provider;
use serde::{Deserialize, Serialize};

/// What a statement may change in its session. What cannot be told counts as changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SessionEffect {
    /// Settings.
    pub settings: bool,
    /// Settings, by a value that is computed when it runs: replaying the statement may give another one.
    pub computed_settings: bool,
    /// The role or the session's user.
    pub role: bool,
    /// Temporary tables, views and sequences.
    pub temporary_objects: bool,
    /// Prepared statements.
    pub prepared: bool,
    /// Cursors.
    pub cursors: bool,
    /// Subscriptions to notifications.
    pub listens: bool,
    /// It calls code that is not known to be harmless: such code may change anything above.
    pub calls_functions: bool,
}

impl SessionEffect {
    /// True if nothing stays.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    const ALL: Self = Self {
        settings: true,
        computed_settings: true,
        role: true,
        temporary_objects: true,
        prepared: true,
        cursors: true,
        listens: true,
        calls_functions: true,
    };
}

/// The effect of a statement of this kind.
pub(crate) fn effect(kind: &Kind, actions: &[Action], calls: &Calls) -> SessionEffect {
    let mut effect = SessionEffect::default();
    match kind {
        Kind::Unknown => return SessionEffect::ALL,
        Kind::Set { name, scope, constant } => {
            effect.role = name == "role" || name == "session_authorization";
            effect.settings = *scope != Scope::Global;
            effect.computed_settings = effect.settings && constant.is_none();
        }
        Kind::SetConfig { name, .. } => {
            effect.role = name == "role" || name == "session_authorization";
            effect.settings = true;
        }
        Kind::Reset { .. } | Kind::SetSessionCharacteristics { .. } | Kind::Use => effect.settings = true,
        Kind::Pragma { argument, .. } => effect.settings = argument.is_some(),
        Kind::SetRole | Kind::ResetRole | Kind::SetSessionAuthorization | Kind::ResetSessionAuthorization => {
            effect.role = true;
        }
        Kind::Discard { all } => {
            effect = SessionEffect {
                settings: *all,
                role: *all,
                temporary_objects: true,
                prepared: true,
                cursors: *all,
                listens: *all,
                ..effect
            };
        }
        Kind::Prepare | Kind::Deallocate => effect.prepared = true,
        Kind::DeclareCursor | Kind::Fetch | Kind::Close => effect.cursors = true,
        Kind::Listen | Kind::Unlisten => effect.listens = true,
        Kind::Do | Kind::Call | Kind::Execute => effect.calls_functions = true,
        Kind::Query | Kind::Data(_) | Kind::Ddl(_) => {
            effect.calls_functions = calls.unknown && !matches!(kind, Kind::Ddl(_));
            effect.settings = calls.set_config;
            effect.computed_settings = calls.set_config;
        }
        _ => {}
    }
    effect.temporary_objects |= actions.iter().any(|action| {
        matches!(action, Action::CreateTable { temporary: true, .. } | Action::CreateTemporary { .. })
    });
    effect
}

/// Watches the tokens of one statement for calls of functions.
#[derive(Default)]
pub(crate) struct Calls {
    /// What stands before the (qualified) name that was read last.
    before: Option<Token>,
    /// The qualifier of that name.
    qualifier: Option<Token>,
    /// A function that is not known to be harmless is called.
    unknown: bool,
    /// `set_config` is called.
    set_config: bool,
}

impl Calls {
    /// Takes note of `token`; `previous` are the two before it, the nearest first.
    pub(crate) fn see(&mut self, token: Token, previous: [Option<Token>; 2], text: &str, provider: Provider) {
        let [last, second] = previous;
        if is_name(token) {
            if last.is_some_and(|token| token.is_symbol(b'.')) {
                self.qualifier = second;
            } else {
                self.before = last;
                self.qualifier = None;
            }
        } else if token.is_symbol(b'(')
            && let Some(name) = last.filter(|&last| is_name(last))
        {
            self.call(name, text, provider);
        }
    }

    fn call(&mut self, name: Token, text: &str, provider: Provider) {
        let unquoted = name.span.slice(text).trim_matches(['"', '`', '[', ']']).to_ascii_lowercase();
        let quoted = name.kind == TokenKind::QuotedName;
        // A table with columns, an alias with columns, a common table expression.
        let names_relation = self.before.is_some_and(|before| {
            ["INTO", "AS", "TABLE", "WITH", "RECURSIVE", "CONSTRAINT", "REFERENCES", "INDEX", "TO"]
                .iter()
                .any(|word| before.is_word(text, word))
        });
        let keyword = !quoted && self.qualifier.is_none() && contains(NO_FUNCTIONS, &unquoted);
        if names_relation || keyword {
            return;
        }
        let trusted_place = match self.qualifier {
            None => true,
            Some(qualifier) => qualifier.is_word(text, "PG_CATALOG"),
        };
        self.set_config |= provider == Provider::PostgreSql && unquoted == "set_config";
        self.unknown |= !(trusted_place && contains(HARMLESS, &unquoted));
    }
}

fn is_name(token: Token) -> bool {
    matches!(token.kind, TokenKind::Word | TokenKind::QuotedName)
}

fn contains(sorted: &[&str], word: &str) -> bool {
    sorted.binary_search(&word).is_ok()
}

/// Words that a parenthesis may follow without making them a call. Sorted.
const NO_FUNCTIONS: &[&str] = &[
    "all", "and", "any", "array", "as", "between", "bit", "by", "case", "char", "character", "conflict",
    "cross", "decimal", "distinct", "else", "end", "escape", "except", "exists", "filter", "float", "from",
    "group", "having", "ilike", "in", "inner", "insert", "intersect", "interval", "is", "join", "key",
    "lateral", "left", "like", "limit", "materialized", "natural", "not", "numeric", "offset", "on", "only",
    "or", "order", "over", "overlay", "partition", "returning", "right", "row", "rows", "select", "set",
    "sets", "similar", "some", "table", "then", "time", "timestamp", "union", "unique", "update", "using",
    "values", "varchar", "varying", "when", "where", "window", "with", "within",
];

/// Built-in functions that read their arguments, the clock, a sequence or chance, and change nothing in
/// the session that a later statement could miss. Sorted.
const HARMLESS: &[&str] = &[
    "abs", "age", "array_agg", "array_append", "array_cat", "array_length", "array_position",
    "array_remove", "array_to_string", "avg", "bool_and", "bool_or", "btrim", "cardinality", "cast", "ceil",
    "ceiling", "char_length", "clock_timestamp", "coalesce", "concat", "concat_ws", "convert", "count",
    "cume_dist", "current_database", "current_schema", "current_setting", "current_user", "currval", "date",
    "date_add", "date_format", "date_part", "date_sub", "date_trunc", "datetime", "decode", "dense_rank",
    "digest", "div", "encode", "exp", "extract", "first_value", "floor", "format", "from_unixtime",
    "gen_random_bytes", "gen_random_uuid", "generate_series", "greatest", "group_concat", "hex", "if",
    "ifnull", "iif", "initcap", "instr", "json", "json_agg", "json_array", "json_array_elements",
    "json_build_array", "json_build_object", "json_each", "json_extract", "json_group_array",
    "json_group_object", "json_object", "json_set", "json_type", "json_valid", "jsonb_agg",
    "jsonb_array_elements", "jsonb_array_elements_text", "jsonb_array_length", "jsonb_build_array",
    "jsonb_build_object", "jsonb_each", "jsonb_each_text", "jsonb_object_agg", "jsonb_object_keys",
    "jsonb_set", "jsonb_strip_nulls", "jsonb_typeof", "julianday", "lag", "last_insert_rowid", "last_value",
    "lcase", "lead", "least", "left", "length", "ln", "localtime", "localtimestamp", "lower", "lpad",
    "ltrim", "make_date", "make_interval", "make_timestamp", "max", "md5", "min", "mod", "nextval", "now",
    "nth_value", "ntile", "nullif", "obj_description", "octet_length", "percent_rank", "pg_get_serial_sequence",
    "pg_typeof", "position", "power", "printf", "quote_ident", "quote_literal", "quote_nullable", "random",
    "randomblob", "rank", "regexp_match", "regexp_matches", "regexp_replace", "regexp_split_to_array",
    "regexp_split_to_table", "repeat", "replace", "reverse", "right", "round", "row_number", "row_to_json",
    "rpad", "rtrim", "sha256", "sign", "split_part", "sqlite_version", "sqrt", "statement_timestamp",
    "strftime", "string_agg", "string_to_array", "strpos", "substr", "substring", "sum", "time",
    "timezone", "to_char", "to_date", "to_json", "to_jsonb", "to_number", "to_regclass", "to_regtype",
    "to_timestamp", "to_tsquery", "to_tsvector", "total", "transaction_timestamp", "translate", "trim",
    "trunc", "typeof", "ucase", "unhex", "unistr", "unixepoch", "unnest", "upper", "utc_timestamp", "uuid",
    "uuidv4", "uuidv7", "version", "width_bucket", "xmlagg",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_sorted_without_duplicates() {
        for table in [NO_FUNCTIONS, HARMLESS] {
            for pair in table.windows(2) {
                assert!(pair[0] < pair[1], "{} before {}", pair[0], pair[1]);
            }
        }
    }
}
