//! What is switched on and off in tables, and storage parameters.

use super::super::state::State;
use super::super::{Undo, text};
use super::alter::Altered;
use super::counter;
use super::render::{self, alter, alter_column, quoted, taken_apart};
use crate::pg::command::Change;
use crate::snapshot::{Object, ObjectKind, Part, PartKind};
use crate::words::Words;

/// The words that switch row level security, with those that switch it off.
const SECURITY: [(&str, &str); 2] = [("ENABLE", "DISABLE"), ("FORCE", "NO FORCE")];

pub(super) fn undo(change: &Change, altered: &Altered<'_>, state: &mut State) -> Undo {
    let table = &altered.table;
    if state.is_created(table) && !matches!(change, Change::Other | Change::Sequence { .. }) {
        return Undo::default();
    }
    match change {
        Change::RowSecurity(on) => security(SECURITY[0], *on, table, state),
        Change::ForceRowSecurity(on) => security(SECURITY[1], *on, table, state),
        Change::SetLogged(on) => {
            let was =
                state.definition(table).is_some_and(|definition| !definition.text.starts_with("UNLOGGED"));
            let back = if was { "SET LOGGED" } else { "SET UNLOGGED" };
            Undo::with(if was == *on { Vec::new() } else { vec![alter(table, back)] })
        }
        Change::ReplicaIdentity => former(table, &["replica identity".to_owned()], state),
        Change::ClusterOn => former(table, &["cluster".to_owned()], state),
        Change::Options(names) => former(table, names, state),
        Change::SetTablespace(_) => place("TABLESPACE", "pg_default", table, state),
        Change::SetAccessMethod(_) => place("USING", "heap", table, state),
        Change::ColumnStatistics | Change::ColumnStorage => column(altered, state),
        Change::Trigger => switched("TRIGGER", PartKind::Trigger, altered, state),
        Change::Rule => switched("RULE", PartKind::Rule, altered, state),
        Change::Sequence { .. } => counter::sequence(altered, state),
        Change::SetWithoutOids => Undo::default(),
        Change::Owner => Undo::unknown(format!("who owned {} is not known", table.name)),
        Change::Other => Undo::unknown("a part of this change is not read"),
        _ => Undo::unknown(format!("the former settings of {} are not known", table.name)),
    }
}

/// Where a table is kept, and how: what is usual is not said of it.
fn place(word: &str, usual: &str, table: &Object, state: &State) -> Undo {
    let text = state.definition(table).map_or("", |definition| definition.text.as_str());
    let said = text.split_once(&format!("{word} ")).and_then(|(_, rest)| rest.split(' ').next());
    let set = if word == "USING" { "SET ACCESS METHOD" } else { "SET TABLESPACE" };
    Undo::with(vec![alter(table, &format!("{set} {}", said.unwrap_or(usual)))])
}

/// CLUSTER of one table notes the index that it goes by.
pub(super) fn cluster(name: &crate::action::Name, state: &State) -> Undo {
    match state.relation(name).filter(|table| !state.is_created(table)) {
        Some(table) => former(&table, &["cluster".to_owned()], state),
        None => Undo::default(),
    }
}

/// What a table is said to have of a setting.
fn held<'s>(table: &Object, name: &str, state: &'s State) -> Option<&'s str> {
    state.definition(table).and_then(|definition| definition.part(PartKind::Setting, name))
}

/// These settings as they are now.
fn former(table: &Object, names: &[String], state: &State) -> Undo {
    Undo::with(names.iter().flat_map(|name| set(table, name, held(table, name, state))).collect())
}

/// Row level security. What it is from now on is noted, as the same may be switched again.
fn security(words: (&str, &str), on: bool, table: &Object, state: &mut State) -> Undo {
    const NAME: &str = "row level security";
    let former = held(table, NAME, state).unwrap_or_default().to_owned();
    let has = |word: &str| former.split(", ").any(|own| own == word);
    let was = has(words.0);
    if was == on {
        return Undo::default();
    }
    let now: Vec<&str> = SECURITY
        .iter()
        .map(|(word, _)| *word)
        .filter(|word| if *word == words.0 { on } else { has(word) })
        .collect();
    let part = crate::snapshot::Part { kind: PartKind::Setting, name: NAME.to_owned() };
    let now = now.join(", ");
    state.change(table, |definition| {
        definition.parts.insert(part, now);
    });
    let back = if was { words.0 } else { words.1 };
    Undo::with(vec![alter(table, &format!("{back} ROW LEVEL SECURITY"))])
}

/// The statements that give a setting this value, or the one that it has of itself.
pub(super) fn set(object: &Object, name: &str, value: Option<&str>) -> Vec<String> {
    if object.kind == ObjectKind::EventTrigger {
        let value = value.unwrap_or("ENABLE");
        return vec![format!("ALTER EVENT TRIGGER {} {value}", render::qualified(&object.name))];
    }
    // They have no names by which they could be switched one by one.
    if name.starts_with(KEY_TRIGGERS) {
        return Vec::new();
    }
    if let Some((what, of)) = name.split_once(" of ") {
        return of_part(object, (what, of), value);
    }
    match (name, value) {
        // What an extension's version is cannot be chosen among those that the server has.
        ("version", _) => Vec::new(),
        ("row level security", value) => value
            .unwrap_or_default()
            .split(", ")
            .filter(|word| !word.is_empty())
            .map(|word| alter(object, &format!("{word} ROW LEVEL SECURITY")))
            .collect(),
        ("replica identity", value) => {
            vec![alter(object, &format!("REPLICA IDENTITY {}", value.unwrap_or("DEFAULT")))]
        }
        ("cluster", Some(index)) => vec![alter(object, &format!("CLUSTER ON {index}"))],
        ("cluster", None) => vec![alter(object, "SET WITHOUT CLUSTER")],
        ("statistics", value) => vec![alter(object, &format!("SET STATISTICS {}", value.unwrap_or("-1")))],
        (name, Some(value)) => vec![alter(object, &format!("SET ({name} = {})", text::string(value)))],
        (name, None) => vec![alter(object, &format!("RESET ({name})"))],
    }
}

/// A setting of a column or an index.
fn of_part(object: &Object, name: (&str, &str), value: Option<&str>) -> Vec<String> {
    let (what, of) = name;
    let change = match (what, value) {
        ("tablespace", Some(space)) => {
            return vec![format!("ALTER INDEX {} SET TABLESPACE {space}", render::index(object, of))];
        }
        ("storage", Some(value)) => format!("SET STORAGE {value}"),
        ("statistics", value) => format!("SET STATISTICS {}", value.unwrap_or("-1")),
        ("compression", value) => format!("SET COMPRESSION {}", value.unwrap_or("default")),
        ("options", Some(value)) => format!("SET ({value})"),
        ("options", None) => "RESET (n_distinct, n_distinct_inherited)".to_owned(),
        ("foreign options", Some(value)) => format!("OPTIONS ({value})"),
        _ => return Vec::new(),
    };
    vec![alter_column(object, of, &change)]
}

/// SET STORAGE, COMPRESSION, STATISTICS of a column.
fn column(altered: &Altered<'_>, state: &State) -> Undo {
    let table = &altered.table;
    let tokens = text::tokens(altered.statement, state.provider());
    let mut words = Words::new(altered.statement, &tokens, state.provider());
    let mut names = Vec::new();
    while words.skip_to("ALTER") {
        words.take("COLUMN");
        let Some(column) = words.part().filter(|column| state.column(table, column).is_some()) else {
            continue;
        };
        words.take_any(&["SET", "RESET"]);
        let what = match words.take_any(&["STORAGE", "COMPRESSION", "STATISTICS"]) {
            Some(word) => word.to_ascii_lowercase(),
            None => "options".to_owned(),
        };
        names.push(format!("{what} of {column}"));
    }
    let mut undo = former(table, &names, state);
    for name in names.iter().filter(|name| held(table, name, state).is_none()) {
        let Some(column) = name.strip_prefix("storage of ") else { continue };
        let kept = state.column(table, column).and_then(|column| storage(&column.data_type));
        match kept {
            Some(kept) => undo.sql.extend(of_part(table, ("storage", column), Some(kept))),
            None => return Undo::unknown("how the type of the column is kept is not known"),
        }
    }
    undo
}

/// How values of a type are kept of themselves.
fn storage(data_type: &str) -> Option<&'static str> {
    let base = data_type.split(['(', ' ']).next().unwrap_or_default();
    Some(match base {
        _ if data_type.ends_with("[]") => "EXTENDED",
        "text" | "character" | "bytea" | "json" | "jsonb" | "xml" | "tsvector" => "EXTENDED",
        "numeric" | "inet" | "cidr" => "MAIN",
        "smallint" | "integer" | "bigint" | "real" | "double" | "boolean" | "uuid" | "date" | "time"
        | "timestamp" | "interval" => "PLAIN",
        _ => return None,
    })
}

/// ENABLE and DISABLE of triggers and rules: their state is a part of what is known of them.
fn switched(word: &str, kind: PartKind, altered: &Altered<'_>, state: &State) -> Undo {
    let table = &altered.table;
    let parts = state.definition(table).into_iter().flat_map(|definition| &definition.parts);
    let ends =
        |all: &str| altered.statement.to_ascii_uppercase().trim_end().ends_with(&format!("{word} {all}"));
    let every = kind == PartKind::Trigger && ends("ALL");
    let all = every || ends("USER");
    let differ = |(part, _): (&Part, &String)| part.name.starts_with(KEY_TRIGGERS);
    if every && parts.clone().any(differ) {
        return Undo::unknown("which triggers of foreign keys were switched off before is not said");
    }
    let mentioned = parts.filter(|(part, _)| {
        part.kind == kind && (all || text::names_column(altered.statement, &part.name, state.provider()))
    });
    let sql = mentioned.map(|(part, held)| {
        let state = taken_apart(held).1.unwrap_or("ENABLE");
        alter(table, &format!("{state} {word} {}", quoted(&part.name)))
    });
    // Those of foreign keys are switched together with the others alone.
    let whole = every.then(|| alter(table, "ENABLE TRIGGER ALL"));
    Undo::with(whole.into_iter().chain(sql).collect())
}

/// Runs statements that read and write all rows of a table: no policy hides any, though the owner may be under it as well, and no
/// trigger of the application fires. What is switched off is what the table has then, and is switched on again as it was.
pub(super) fn unhindered(table: &Object, statements: &[String]) -> String {
    let name = render::qualified(&table.name);
    let run: String = statements
        .iter()
        .map(|statement| match statement.strip_prefix("SELECT ") {
            Some(rest) => format!(" PERFORM {rest};"),
            None => format!(" {statement};"),
        })
        .collect();
    // Nothing of the project is called so: a schema is sought in this text by its name, and so are columns in statements.
    let switch =
        "pg_catalog.format('ALTER TABLE ONLY %s %s TRIGGER %I', cutover_t.tgrelid::pg_catalog.regclass, ";
    let on = "CASE cutover_t.tgenabled WHEN 'R' THEN 'ENABLE REPLICA' WHEN 'A' THEN 'ENABLE ALWAYS' ELSE 'ENABLE' END";
    let body = format!(
        "\n#variable_conflict use_column\nDECLARE cutover_whole pg_catalog.regclass := {}; cutover_forced boolean; cutover_off text[]; \
         cutover_on text[]; cutover_step text; BEGIN SELECT cutover_c.relforcerowsecurity INTO cutover_forced FROM pg_catalog.pg_class cutover_c \
         WHERE cutover_c.oid = cutover_whole; WITH RECURSIVE cutover_tree AS (SELECT cutover_whole::pg_catalog.oid AS own UNION SELECT \
         cutover_i.inhrelid FROM pg_catalog.pg_inherits cutover_i JOIN cutover_tree ON cutover_i.inhparent = cutover_tree.own) SELECT \
         pg_catalog.array_agg({switch}'DISABLE', cutover_t.tgname)), pg_catalog.array_agg({switch}{on}, cutover_t.tgname)) INTO cutover_off, \
         cutover_on FROM pg_catalog.pg_trigger cutover_t JOIN cutover_tree ON cutover_t.tgrelid = cutover_tree.own WHERE NOT \
         cutover_t.tgisinternal AND cutover_t.tgenabled <> 'D'; \
         IF cutover_forced THEN ALTER TABLE {name} NO FORCE ROW LEVEL SECURITY; END IF; \
         FOREACH cutover_step IN ARRAY coalesce(cutover_off, '{{}}') LOOP EXECUTE cutover_step; END LOOP;{run} \
         FOREACH cutover_step IN ARRAY coalesce(cutover_on, '{{}}') LOOP EXECUTE cutover_step; END LOOP; \
         IF cutover_forced THEN ALTER TABLE {name} FORCE ROW LEVEL SECURITY; END IF; END",
        text::string(&name)
    );
    let mut tag = "cutover".to_owned();
    while body.contains(&format!("${tag}$")) {
        tag.push('_');
    }
    format!("DO ${tag}${body}${tag}$")
}

/// What a snapshot calls the triggers that check foreign keys, where they are switched.
const KEY_TRIGGERS: &str = "triggers of foreign key ";
