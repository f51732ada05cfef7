//! JSON that is written already.

/// JSON with every string that is a value, not a name, replaced.
pub fn each_value(json: &str, replace: &dyn Fn(&str) -> String) -> String {
    let (mut out, mut rest) = (String::with_capacity(json.len()), json);
    while let Some(begin) = rest.find('"') {
        let (before, string) = rest.split_at(begin);
        out.push_str(before);
        let mut escaped = false;
        let end = string.char_indices().skip(1).find(|(_, letter)| {
            let closes = *letter == '"' && !escaped;
            escaped = *letter == '\\' && !escaped;
            closes
        });
        let (literal, after) = string.split_at(end.map_or(string.len(), |(at, _)| at + 1));
        match serde_json::from_str::<String>(literal) {
            Ok(text) if !after.starts_with(':') => {
                out.push_str(&serde_json::Value::String(replace(&text)).to_string());
            }
            _ => out.push_str(literal),
        }
        rest = after;
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::each_value;

    #[test]
    fn only_values_are_replaced_and_it_stays_json() {
        let line = r#"{"a":"a \"quoted\" \\","n":1,"list":["a","b"],"event":"a"}"#;
        let replaced = each_value(line, &|text| text.replace('a', "\"***\""));
        assert_eq!(
            replaced,
            r#"{"a":"\"***\" \"quoted\" \\","n":1,"list":["\"***\"","b"],"event":"\"***\""}"#
        );
        assert!(serde_json::from_str::<serde_json::Value>(&replaced).is_ok());
    }
}
