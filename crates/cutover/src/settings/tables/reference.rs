//! What editors and readers are told of the tables: their part of the JSON Schema, their part of the page.

use serde_json::{Map, Value, json};

/// All tables as a project would write them. A test reads it.
const EXAMPLE: &str = r#"[environments.production.only_when]
GITHUB_REF_NAME = ["main", "release/*"]

[environments.production.gates]
applied_in = "staging"
window = ["Mon-Thu 09:00-16:00", "Fri 09:00-12:00"]
time_zone = "Europe/Berlin"
long_transactions = "5m"
logical_replication = true
replica_lag = "10s"
replicas = [{ env = "REPLICA_URL" }]
backup = { directory = "backups", max_age = "24h", limit = "30m" }

[[environments.production.hooks]]
name = "maintenance on"
when = "before"
command = ["./maintenance", "on"]
limit = "1m"

[[environments.production.hooks]]
name = "maintenance off"
when = "always"
command = ["./maintenance", "off"]

[[environments.production.hooks]]
name = "health"
when = "after"
http = "https://shop.example/health"

[[environments.production.hooks]]
name = "smoke"
when = "after"
sql = "smoke.sql"

[environments.production.notify.team]
slack = { env = "SLACK_WEBHOOK" }
on = ["started", "blocked", "slow", "succeeded", "failed"]
blocked_after = "30s"

[environments.production.notify.pager]
pagerduty = { file = "/run/secrets/pagerduty" }
on = ["failed"]

[environments.production.notify.audit]
webhook = "https://audit.example/deploys"
key = { env = "AUDIT_KEY" }
template = "audit.json"
limit = "10s"

[environments.production.notify.own]
command = ["./tell", "deploys"]
"#;

/// The tables' part of the reference page.
pub(in crate::settings) fn page() -> String {
    format!(
        "\n## Gates, hooks, notifications\n\nThese tables may stand at the top, for all environments, and in each of them. Notifications and \
         variables of an environment take the place of those of the same name at the top; its gates one by one; its hooks come behind those at \
         the top.\n\n```toml\n{EXAMPLE}```\n\n\
         | table | what it says |\n|---|---|\n\
         | `only_when` | What variables must be for the environment to be reached at all (`C2038`); `*` stands for anything. |\n\
         | `gates` | What has to hold before a deploy: see [Gates and hooks](gates.md). |\n\
         | `hooks` | What is done around a deploy: `before`, `after`, `failed`, `always`; one of `command`, `http`, `sql`. |\n\
         | `notify.NAME` | Who is told: one of `slack`, `discord`, `teams`, `pagerduty`, `webhook`, `command`; see [Notifications](notify.md). |\n"
    )
}

/// The tables' part of the JSON Schema.
pub(in crate::settings) fn schema() -> Map<String, Value> {
    let text = json!({ "type": "string", "minLength": 1 });
    let time = json!({ "type": "string", "examples": ["10s", "5m", "24h"] });
    let words = json!({ "type": "array", "minItems": 1, "items": { "type": "string" } });
    let one = |name: &str, inner: &Value| json!({ "type": "object", "additionalProperties": false, "required": [name], "properties": { name: inner } });
    let secret = json!({ "oneOf": [text, one("env", &text), one("file", &text), one("command", &words)] });
    let object = |properties: Value| json!({ "type": "object", "additionalProperties": false, "properties": properties });
    let occasions = json!({ "enum": ["started", "blocked", "slow", "succeeded", "failed"] });
    let values = json!({ "oneOf": [text, { "type": "array", "items": text }] });
    let hook = json!({
        "type": "object", "additionalProperties": false, "required": ["name", "when"],
        "properties": {
            "name": text, "when": { "enum": ["before", "after", "failed", "always"] },
            "command": words, "http": secret, "sql": text, "limit": time,
        },
    });
    let tables = [
        (
            "only_when",
            json!({ "type": "object", "additionalProperties": values, "description": "What variables must be for the environment to be reached." }),
        ),
        (
            "gates",
            object(json!({
                "applied_in": text, "window": { "type": "array", "items": text }, "time_zone": text, "long_transactions": time,
                "logical_replication": { "type": "boolean" }, "replica_lag": time,
                "replicas": { "type": "array", "items": secret },
                "backup": object(json!({ "directory": text, "command": words, "max_age": time, "limit": time })),
            })),
        ),
        ("hooks", json!({ "type": "array", "items": hook })),
        (
            "notify",
            json!({ "type": "object", "additionalProperties": object(json!({
                "slack": secret, "discord": secret, "teams": secret, "pagerduty": secret, "webhook": secret, "command": words,
                "key": secret, "template": text, "address": text, "on": { "type": "array", "items": occasions },
                "limit": time, "blocked_after": time,
            })) }),
        ),
    ];
    tables.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect()
}

#[cfg(test)]
mod tests {
    use super::EXAMPLE;
    use crate::settings::tables::{Environments, NAMES};

    #[test]
    fn the_example_is_read_and_the_schema_knows_it() {
        let read: Environments = toml::from_str(EXAMPLE).unwrap();
        assert_eq!(read.environments.len(), 1);
        let schema: serde_json::Value =
            serde_json::from_str(&crate::settings::cutover_toml::json_schema()).unwrap();
        let file: toml::Table = EXAMPLE.parse().unwrap();
        let file = serde_json::to_value(file).unwrap();
        let mut schemas = boon::Schemas::new();
        let mut compiler = boon::Compiler::new();
        compiler.add_resource("cutover.json", schema.clone()).unwrap();
        let compiled = compiler.compile("cutover.json", &mut schemas).unwrap();
        if let Err(error) = schemas.validate(&file, compiled) {
            panic!("{error:#}");
        }
        for name in NAMES {
            assert!(schema["properties"][name].is_object(), "{name}");
        }
    }
}
