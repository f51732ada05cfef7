//! PagerDuty's Events API v2. Source: its documentation of alert events. What has failed or waits opens an incident of the database; the
//! next run that succeeds closes it.

use super::chat::cut;
use super::{Message, Occasion};
use diagnostics::Secret;
use serde_json::{Value, json};

/// Where the API is.
pub const PAGERDUTY: &str = "https://events.pagerduty.com/v2/enqueue";

/// None: the beginning of a run is nothing that anybody is woken for.
pub(super) fn event(message: &Message, key: &Secret) -> Option<Value> {
    let (action, severity) = match message.event {
        Occasion::Started => return None,
        Occasion::Blocked | Occasion::Slow => ("trigger", "warning"),
        Occasion::Failed => ("trigger", "critical"),
        Occasion::Succeeded => ("resolve", "info"),
    };
    let place = message.place();
    let source = if place.is_empty() { "cutover".to_owned() } else { place.clone() };
    let details: serde_json::Map<String, Value> = message
        .facts()
        .into_iter()
        .map(|(name, value)| (name.to_lowercase(), value.into()))
        .chain([
            ("details".to_owned(), message.lines().into()),
            ("run".to_owned(), message.run.clone().into()),
        ])
        .collect();
    Some(json!({
        "routing_key": key.expose(),
        "event_action": action,
        // At most 255 characters.
        "dedup_key": cut(&format!("cutover/{place}"), 250),
        "client": "cutover",
        "client_url": message.origin.url,
        "payload": {
            "summary": cut(&message.title, 1000),
            "source": source,
            "severity": severity,
            "timestamp": message.at,
            "custom_details": details,
        },
    }))
}
