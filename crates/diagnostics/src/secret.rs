//! Values that are never shown.

use std::fmt;
use zeroize::Zeroizing;

/// What stands in the place of a secret wherever it would be shown.
const MASK: &str = "***";

/// A text that neither `Debug` nor `Display` shows, wiped from memory when dropped.
#[derive(Clone, Default)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The text itself: for the driver, never for output.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(MASK)
    }
}

/// Replaces every occurrence of each secret in `text` by `***`, also in percent-encoded and
/// base64 form and as it stands in JSON.
/// Secrets shorter than three bytes are left alone: masking every `a` of a text hides nothing and
/// destroys the message.
pub fn redact(text: &str, secrets: &[Secret]) -> String {
    let mut out = text.to_owned();
    for secret in secrets {
        let raw = secret.expose();
        if raw.len() < 3 {
            continue;
        }
        let json = raw.replace('\\', "\\\\").replace('"', "\\\"");
        for form in [raw.to_owned(), percent_encode(raw), base64(raw.as_bytes()), json] {
            if out.contains(&form) {
                out = out.replace(&form, MASK);
            }
        }
    }
    out
}

fn percent_encode(raw: &str) -> String {
    use std::fmt::Write;
    let mut out = String::with_capacity(raw.len());
    for byte in raw.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

fn base64(raw: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(raw.len().div_ceil(3) * 4);
    for chunk in raw.chunks(3) {
        let group =
            chunk.iter().fold(0u32, |sum, &byte| (sum << 8) | u32::from(byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            if place <= chunk.len() {
                let index = (group >> (18 - 6 * place)) & 63;
                out.push(char::from(ALPHABET[index as usize]));
            } else {
                out.push('=');
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_never_shown() {
        let secret = Secret::new("hunter2");
        assert_eq!(format!("{secret} {secret:?}"), "*** ***");
    }

    #[test]
    fn redaction_finds_raw_percent_encoded_and_base64_forms() {
        let secret = Secret::new("p@ss/word");
        let text = "a p@ss/word b p%40ss%2Fword c cEBzcy93b3Jk d";
        assert_eq!(redact(text, &[secret]), "a *** b *** c *** d");
    }

    #[test]
    fn base64_pads_like_rfc_4648() {
        assert_eq!([base64(b"f"), base64(b"fo"), base64(b"foo")], ["Zg==", "Zm8=", "Zm9v"]);
    }
}
