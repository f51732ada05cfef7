//! Lines with places for what no test can know: ids, times, durations.

/// A name as it stands in an expected line, and what may stand in its place.
pub type Wildcard = (&'static str, fn(&str) -> bool);

/// Whether `pattern`, with its wildcards, matches `line`.
pub fn matches(wildcards: &[Wildcard], pattern: &str, line: &str) -> bool {
    let first = wildcards
        .iter()
        .filter_map(|(name, is)| Some((pattern.find(name)?, name.len(), *is)))
        .min_by_key(|w| w.0);
    let Some((start, length, is)) = first else { return pattern == line };
    let Some(rest) = line.strip_prefix(&pattern[..start]) else { return false };
    let after = &pattern[start + length..];
    let ends = rest.char_indices().map(|(index, _)| index).chain([rest.len()]);
    ends.into_iter().any(|end| is(&rest[..end]) && matches(wildcards, after, &rest[end..]))
}

/// Digits alone.
pub fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// `x` is a hexadecimal digit, `9` a decimal one, anything else itself.
fn has_shape(text: &str, shape: &str) -> bool {
    text.len() == shape.len()
        && text.bytes().zip(shape.bytes()).all(|(byte, shape)| match shape {
            b'x' => byte.is_ascii_hexdigit(),
            b'9' => byte.is_ascii_digit(),
            _ => byte == shape,
        })
}

/// A UUID.
pub fn is_uuid(text: &str) -> bool {
    has_shape(text, "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx")
}

/// `2026-01-02T03:04:05Z`, with a blank for the `T`, fractions, ` UTC`, `+00`, `+00:00` or nothing at
/// the end.
pub fn is_time(text: &str) -> bool {
    let Some((start, rest)) = text.split_at_checked(19) else { return false };
    if !has_shape(start, "9999-99-99T99:99:99") && !has_shape(start, "9999-99-99 99:99:99") {
        return false;
    }
    let zone = match rest.strip_prefix('.') {
        Some(fraction) => {
            let zone = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
            if zone.len() == fraction.len() {
                return false;
            }
            zone
        }
        None => rest,
    };
    let offset = zone.strip_prefix(['+', '-']).is_some_and(|o| has_shape(o, "99") || has_shape(o, "99:99"));
    matches!(zone, "" | "Z" | " UTC") || offset
}

/// `12ms`, `1.5 s`, `2m 3s`.
pub fn is_duration(text: &str) -> bool {
    let mut rest = text;
    if rest.is_empty() {
        return false;
    }
    while !rest.is_empty() {
        let number = rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
        if number.len() == rest.len() || rest.starts_with('.') {
            return false;
        }
        let number = number.strip_prefix(' ').unwrap_or(number);
        let units = ["ns", "µs", "us", "ms", "s", "min", "m", "h", "d"];
        let Some(after) = units.iter().find_map(|unit| number.strip_prefix(unit)) else { return false };
        rest = match after.strip_prefix(' ') {
            Some("") => return false,
            Some(more) => more,
            None => after,
        };
    }
    true
}
