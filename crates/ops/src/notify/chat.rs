//! Messages in the forms of chats. Sources: Slack's documentation of incoming webhooks, of mrkdwn and of blocks; Discord's of webhooks
//! and of embeds; Microsoft's of workflows that take Adaptive Cards. Names from databases call nobody and are no markup.

use super::{Message, Occasion};
use serde_json::{Value, json};

/// The first `most` characters.
pub(super) fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most - 1).chain(['…']).collect()
}

fn sign(occasion: Occasion) -> &'static str {
    match occasion {
        Occasion::Started => "🚚",
        Occasion::Blocked => "⏳",
        Occasion::Slow => "🐢",
        Occasion::Succeeded => "✅",
        Occasion::Failed => "❌",
    }
}

/// A block holds 3000 characters, a field 2000.
pub(super) fn slack(message: &Message) -> Value {
    let escaped = |text: &str| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    let title = format!("{} {}", sign(message.event), message.title);
    let mut blocks = vec![json!({
        "type": "section", "text": { "type": "plain_text", "text": cut(&title, 2900), "emoji": true },
    })];
    let lines = message.lines();
    if !lines.is_empty() {
        // As code nothing is markup but what would end it.
        let text = escaped(&cut(&lines.join("\n"), 2500)).replace('`', "'");
        blocks.push(json!({ "type": "section", "text": { "type": "mrkdwn", "text": format!("```{}```", cut(&text, 2900)) } }));
    }
    let facts = message.facts();
    if !facts.is_empty() {
        let field = |(name, value): &(&str, String)| json!({ "type": "plain_text", "text": cut(&format!("{name}: {value}"), 1900) });
        blocks.push(json!({ "type": "section", "fields": facts.iter().map(field).collect::<Vec<_>>() }));
    }
    json!({ "text": escaped(&cut(&title, 2900)), "blocks": blocks })
}

/// A title holds 256 characters, a description 4096, a field 1024.
pub(super) fn discord(message: &Message) -> Value {
    let colour = match message.event {
        Occasion::Started => 0x2f_6f_de,
        Occasion::Blocked | Occasion::Slow => 0xb7_79_1f,
        Occasion::Succeeded => 0x1a_7f_4b,
        Occasion::Failed => 0xc2_2f_2f,
    };
    let field =
        |(name, value): (&str, String)| json!({ "name": name, "value": cut(&value, 1000), "inline": true });
    let text = message.lines().join("\n").replace("```", "'''");
    let description = if text.is_empty() { String::new() } else { format!("```\n{}\n```", cut(&text, 4000)) };
    json!({
        "username": "cutover",
        "allowed_mentions": { "parse": [] },
        "embeds": [{
            "title": cut(&format!("{} {}", sign(message.event), message.title), 250),
            "description": description,
            "color": colour,
            "timestamp": message.at,
            "fields": message.facts().into_iter().map(field).collect::<Vec<_>>(),
        }],
    })
}

pub(super) fn teams(message: &Message) -> Value {
    let colour = match message.event {
        Occasion::Started => "Accent",
        Occasion::Blocked | Occasion::Slow => "Warning",
        Occasion::Succeeded => "Good",
        Occasion::Failed => "Attention",
    };
    // A run of text, unlike a block of it, knows no markup.
    let plain = |text: &str| json!({ "type": "TextRun", "text": text });
    let mut body = vec![json!({
        "type": "RichTextBlock",
        "inlines": [{
            "type": "TextRun", "weight": "Bolder", "size": "Medium", "color": colour,
            "text": cut(&format!("{} {}", sign(message.event), message.title), 1000),
        }],
    })];
    body.extend(
        message
            .lines()
            .iter()
            .take(20)
            .map(|line| json!({ "type": "RichTextBlock", "inlines": [plain(&cut(line, 1000))] })),
    );
    let facts = message.facts();
    body.extend(facts.iter().map(|(name, value)| {
        json!({ "type": "RichTextBlock", "inlines": [plain(&cut(&format!("{name}: {value}"), 1000))] })
    }));
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard",
                "version": "1.4",
                "body": body,
            },
        }],
    })
}
