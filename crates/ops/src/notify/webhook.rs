//! Messages for any web server: as JSON, or as a template makes them; signed where there is a key.

use super::Message;
use diagnostics::Secret;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;

/// What is sent: the template with its `{{names}}` filled in, else the message as JSON.
pub(super) fn body(message: &Message, template: Option<&str>) -> String {
    // Texts and numbers always serialise.
    let fields = serde_json::to_value(message).unwrap_or_default();
    match template {
        Some(template) => filled(template, message, &fields),
        None => fields.to_string(),
    }
}

/// `{{title}}`, `{{database.name}}`, `{{text}}` (all lines), as they stand inside of a JSON string. An unknown name stays as it is.
fn filled(template: &str, message: &Message, fields: &Value) -> String {
    let (mut out, mut rest) = (String::new(), template);
    while let Some(begin) = rest.find("{{") {
        let (before, behind) = rest.split_at(begin);
        out.push_str(before);
        let Some(end) = behind.find("}}") else { break };
        let name = behind[2..end].trim();
        let value = match name {
            "text" => Some(message.lines().join("\n")),
            name => {
                let found = name.split('.').try_fold(fields, |value, part| value.get(part));
                found.map(text)
            }
        };
        match value {
            Some(value) => {
                let quoted = Value::String(value).to_string();
                out.push_str(&quoted[1..quoted.len() - 1]);
            }
            None => out.push_str(&behind[..end + 2]),
        }
        rest = &behind[end + 2..];
    }
    out + rest
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        Value::Array(all) => all.iter().map(text).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

/// The headers: what it is, which, and who sent it. Signed is `<timestamp>.<body>`, so that an old message is none of now.
pub(super) fn headers(message: &Message, body: &str, key: Option<&Secret>) -> Vec<(String, String)> {
    let mut headers = vec![
        ("Content-Type".to_owned(), "application/json".to_owned()),
        ("X-Cutover-Event".to_owned(), message.event.name().to_owned()),
        ("X-Cutover-Delivery".to_owned(), message.id.clone()),
    ];
    if let Some(key) = key {
        let time = jiff::Timestamp::now().as_second();
        headers.push(("X-Cutover-Timestamp".to_owned(), time.to_string()));
        headers.push(("X-Cutover-Signature".to_owned(), format!("sha256={}", signature(key, time, body))));
    }
    headers
}

fn signature(key: &Secret, time: i64, body: &str) -> String {
    // Keys of any length are taken.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key.expose().as_bytes()) else { return String::new() };
    mac.update(format!("{time}.{body}").as_bytes());
    mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_that_of_the_standard() {
        // By `printf '1700000000.{}' | openssl dgst -sha256 -hmac key`.
        assert_eq!(
            signature(&Secret::new("key"), 1_700_000_000, "{}"),
            "9d713ed406bb7076d4123f0dc2c39d2df5c654ed4b0cd56b52c8b4c940bd63ae"
        );
    }
}
