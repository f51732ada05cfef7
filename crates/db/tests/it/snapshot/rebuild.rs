//! Puts a database together again from nothing but its snapshot (PostgreSQL).

use sql::{Definition, Name, Object, ObjectKind, PartKind, Snapshot, SnapshotPart};
use testkit::postgres::Database;

/// Runs every piece, one after the other. A piece that refers to one that is not there yet waits for the next round.
///
/// # Panics
/// When a round brings nothing further, with what the server says of each piece that is left.
pub(super) fn rebuild(snapshot: &Snapshot, database: &Database<'_>) {
    let mut session = database.session();
    session.run("SET check_function_bodies = off");
    let mut pieces = pieces(snapshot);
    loop {
        let before = pieces.len();
        let mut refused = Vec::new();
        pieces.retain(|piece| match session.try_run(piece) {
            Ok(_) => false,
            Err(error) => {
                refused.push(format!("{error}\nin: {piece}"));
                true
            }
        });
        if pieces.is_empty() {
            return;
        }
        assert!(pieces.len() < before, "{}", refused.join("\n\n"));
    }
}

/// Objects by kind, then their parts by kind.
fn pieces(snapshot: &Snapshot) -> Vec<String> {
    let mut objects = Vec::new();
    let mut parts: Vec<(PartKind, String)> = Vec::new();
    for (object, definition) in &snapshot.objects {
        let of_object = definition.parts.iter().flat_map(|(part, text)| {
            let texts = piece(object, part, text);
            texts.into_iter().map(|text| (part.kind, text))
        });
        objects.extend(create(object, definition));
        if object.kind == ObjectKind::View {
            let defaults = definition.columns.iter().filter_map(|column| {
                let (name, default) = (qualified(&object.name), column.default.as_deref()?);
                Some(format!("ALTER VIEW {name} ALTER COLUMN {} SET DEFAULT {default}", quoted(&column.name)))
            });
            objects.extend(defaults);
        }
        // A domain that a composite type uses cannot be altered once a table has a column of that.
        if object.kind == ObjectKind::Domain {
            objects.extend(of_object.map(|(_, text)| text));
        } else {
            parts.extend(of_object);
        }
    }
    parts.sort_by_key(|(kind, _)| *kind);
    objects.extend(parts.into_iter().map(|(_, text)| text));
    objects
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn qualified(name: &Name) -> String {
    let schema = name.schema.as_deref().map(|schema| format!("{}.", quoted(schema)));
    // Of a function with the types of its arguments, which need no quotes.
    let (name, arguments) = name.name.split_at(name.name.find('(').unwrap_or(name.name.len()));
    format!("{}{}{arguments}", schema.unwrap_or_default(), quoted(name))
}

fn create(object: &Object, definition: &Definition) -> Option<String> {
    let foreign = object.kind == ObjectKind::ForeignTable;
    if object.kind != ObjectKind::Table && !foreign {
        // Rights that objects begin with have no statement that makes them.
        return (!object.name.name.starts_with("default rights")).then(|| definition.text.clone());
    }
    let columns: Vec<String> =
        definition.columns.iter().map(|column| format!("{} {}", quoted(&column.name), column.text)).collect();
    let (unlogged, rest) = match definition.text.strip_prefix("UNLOGGED") {
        Some(rest) => ("UNLOGGED ", rest),
        None => ("", definition.text.as_str()),
    };
    let word = if foreign { "FOREIGN TABLE" } else { "TABLE" };
    let name = qualified(&object.name);
    if rest.trim_start().starts_with("OF ") {
        return Some(format!("CREATE {unlogged}TABLE {name} {rest}"));
    }
    Some(format!("CREATE {unlogged}{word} {name} ({}) {rest}", columns.join(", ")))
}

/// The word for an object in ALTER, COMMENT and GRANT.
fn word(object: &Object) -> String {
    let words = object.name.name.split_once(' ');
    match (object.kind, words) {
        (ObjectKind::Enum, _) => "TYPE".to_owned(),
        (ObjectKind::Other, Some((word, _))) => word.to_uppercase(),
        (kind, _) => kind.word().to_uppercase(),
    }
}

fn piece(object: &Object, part: &SnapshotPart, text: &str) -> Vec<String> {
    let (word, name, part_name) = (word(object), qualified(&object.name), quoted(&part.name));
    let literal = text.replace('\'', "''");
    let one = match part.kind {
        PartKind::Constraint | PartKind::ForeignKey => {
            format!("ALTER {word} {name} ADD CONSTRAINT {part_name} {text}")
        }
        PartKind::Index | PartKind::Policy => text.to_owned(),
        PartKind::Trigger | PartKind::Rule => {
            let kind = part.kind.word().to_uppercase();
            return match text.strip_suffix(" DISABLED") {
                Some(text) => {
                    vec![text.to_owned(), format!("ALTER TABLE {name} DISABLE {kind} {part_name}")]
                }
                None => vec![text.to_owned()],
            };
        }
        PartKind::Owner => format!("ALTER SEQUENCE {name} OWNED BY {text}"),
        PartKind::Parent if text.is_empty() => format!("ALTER TABLE {name} INHERIT {}", part.name),
        PartKind::Parent => format!("ALTER TABLE {} ATTACH PARTITION {name} {text}", part.name),
        PartKind::Setting => return setting(object, &part.name, text),
        PartKind::Grant => return grant(&part.name, &word, &name, text),
        PartKind::Comment => {
            let on = match part.name.split_once(' ') {
                None if part.name.is_empty() => format!("{word} {name}"),
                Some(("index", index)) => {
                    format!("INDEX {}.{}", quoted(object.name.schema.as_deref().unwrap()), quoted(index))
                }
                Some((kind, of_part)) if ["constraint", "trigger", "policy", "rule"].contains(&kind) => {
                    let domain = if object.kind == ObjectKind::Domain { "DOMAIN " } else { "" };
                    format!("{kind} {} ON {domain}{name}", quoted(of_part))
                }
                _ => format!("COLUMN {name}.{part_name}"),
            };
            format!("COMMENT ON {on} IS '{literal}'")
        }
        PartKind::Session => unreachable!("PostgreSQL has none"),
    };
    vec![one]
}

fn setting(object: &Object, setting: &str, text: &str) -> Vec<String> {
    let (word, name) = (word(object), qualified(&object.name));
    if let Some(token) = setting.strip_prefix("mapping of ") {
        let name = object.name.name.rsplit(' ').next().unwrap();
        return vec![format!("ALTER TEXT SEARCH CONFIGURATION {name} ADD MAPPING FOR {token} WITH {text}")];
    }
    if let Some((what, column)) = setting.split_once(" of ") {
        let action = match what {
            "options" => format!("SET ({text})"),
            "foreign options" => format!("OPTIONS ({text})"),
            what => format!("SET {} {text}", what.to_uppercase()),
        };
        return vec![format!("ALTER {word} {name} ALTER COLUMN {} {action}", quoted(column))];
    }
    let one = match setting {
        "row level security" => {
            let words = text.split(", ");
            return words.map(|word| format!("ALTER TABLE {name} {word} ROW LEVEL SECURITY")).collect();
        }
        "replica identity" => format!("ALTER TABLE {name} REPLICA IDENTITY {text}"),
        "cluster" => format!("ALTER TABLE {name} CLUSTER ON {text}"),
        "statistics" => format!("ALTER STATISTICS {name} SET STATISTICS {text}"),
        "state" => format!("ALTER EVENT TRIGGER {name} {text}"),
        // An extension comes in the version that the server has.
        "version" => return Vec::new(),
        parameter => format!("ALTER {word} {name} SET ({parameter} = '{text}')"),
    };
    vec![one]
}

fn grant(role: &str, word: &str, name: &str, text: &str) -> Vec<String> {
    let word = if word.ends_with("VIEW") { "TABLE" } else { word };
    let role = if role == "PUBLIC" { role.to_owned() } else { quoted(role) };
    if text == "none" {
        return vec![format!("REVOKE ALL ON {word} {name} FROM {role}")];
    }
    let rights = text.split("; ").map(|rights| match rights.strip_suffix(" WITH GRANT OPTION") {
        Some(rights) => format!("GRANT {rights} ON {word} {name} TO {role} WITH GRANT OPTION"),
        None => format!("GRANT {rights} ON {word} {name} TO {role}"),
    });
    rights.collect()
}
