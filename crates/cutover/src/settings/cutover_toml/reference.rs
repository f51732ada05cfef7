//! What is made of the table of settings: the JSON Schema for editors, the page for readers.

use super::ENVIRONMENTS;
use super::keys::{KEYS, Key, Kind};
use crate::settings::tables;
use serde_json::{Map, Value, json};
use std::fmt::Write as _;

/// A JSON Schema (draft 2020-12) of `cutover.toml`.
pub(crate) fn json_schema() -> String {
    let of_keys = KEYS.iter().map(|key| (key.name.to_owned(), of(key)));
    let settings: Map<String, Value> = of_keys.chain(tables::schema()).collect();
    let mut general = settings.clone();
    general.insert(
        ENVIRONMENTS.to_owned(),
        json!({
            "description": "One table for each environment, chosen with `--env NAME`; what it says is stronger than the rest.",
            "type": "object",
            "additionalProperties": { "type": "object", "additionalProperties": false, "properties": settings },
        }),
    );
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "cutover.toml",
        "type": "object",
        "additionalProperties": false,
        "properties": general,
    });
    // Plain data: writing it cannot fail.
    serde_json::to_string_pretty(&schema).unwrap_or_default()
}

fn of(key: &Key) -> Value {
    let mut value = match key.kind {
        Kind::Path => json!({ "type": "string", "minLength": 1 }),
        Kind::Boolean => json!({ "type": "boolean" }),
        Kind::Count => json!({ "type": "integer", "minimum": 1 }),
        Kind::Word(_) => {
            let choice = crate::settings::waits::CHOICES.iter().find(|choice| choice.name == key.name);
            json!({ "enum": choice.map_or(&[][..], |choice| choice.words) })
        }
        Kind::Time => json!({ "type": "string", "examples": ["60s", "10m", "1h 30m"] }),
        Kind::Url => {
            let one = |name: &str, inner: Value| {
                json!({
                    "type": "object", "additionalProperties": false, "required": [name], "properties": { name: inner }
                })
            };
            let text = json!({ "type": "string", "minLength": 1 });
            let words = json!({ "type": "array", "minItems": 1, "items": { "type": "string" } });
            json!({ "oneOf": [text.clone(), one("env", text.clone()), one("file", text), one("command", words)] })
        }
    };
    if let Value::Object(map) = &mut value {
        map.insert("description".to_owned(), key.meaning.into());
    }
    value
}

/// The reference page, in Markdown.
pub(crate) fn page() -> String {
    let mut page = "# cutover.toml\n\nIn the working directory, or where `--config` says. Every setting may stand at the \
                    top, for all, and in `[environments.NAME]`, chosen with `--env NAME` or `CUTOVER_ENV`. A key that is \
                    not listed here is an error. Paths are relative to the file.\n\n```toml\n"
        .to_owned();
    for key in KEYS {
        // Writing to a String cannot fail.
        let _ = writeln!(page, "{} = {}", key.name, key.example);
    }
    page.push_str(
        "\n[environments.production]\nurl = { command = [\"./database-url\", \"production\"] }\nstrict = true\n```\n\n\
         | setting | value | meaning | stronger |\n|---|---|---|---|\n",
    );
    for key in KEYS {
        let expected = key.kind.expected();
        let _ = writeln!(page, "| `{}` | {expected} | {} | {} |", key.name, key.meaning, key.stronger);
    }
    page.push_str(&tables::page());
    page.push_str(
        "\nEditors that know JSON Schema complete and check the file with `docs/cutover.schema.json`: write \
         `#:schema PATH-OR-URL` into its first line.\n",
    );
    page
}
