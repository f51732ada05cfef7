//! Values that are never shown.

use std::fmt;
use zeroize::Zeroizing;

/// What stands in the place of a secret wherever it would be shown.
pub(crate) const MASK: &str = "***";

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
/// destroys the message. Passwords of any other URL in the text are replaced too: one may stand where nobody expects it,
/// as the name of a variable, behind a flag that takes no URL; and so are those of SQL statements.
pub fn redact(text: &str, secrets: &[Secret]) -> String {
    // One that holds another one first.
    let mut known: Vec<&str> =
        secrets.iter().map(Secret::expose).filter(|secret| secret.len() >= 3).collect();
    known.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    // Of the address of a web server all may be secret: it goes as it is, before anything else in it is masked. Of that of a
    // database only the password is, and the rest tells where it is.
    let (addresses, others): (Vec<&str>, Vec<&str>) =
        known.into_iter().partition(|secret| secret.starts_with("http://") || secret.starts_with("https://"));
    let out = addresses.iter().fold(text.to_owned(), |out, secret| without(&out, secret));
    let out = crate::password::mask(&mask_urls(&out));
    others.iter().fold(out, |out, secret| without(&out, secret))
}

fn without(text: &str, secret: &str) -> String {
    let json = secret.replace('\\', "\\\\").replace('"', "\\\"");
    let forms = [secret.to_owned(), percent_encode(secret), base64(secret.as_bytes()), json];
    let mask = |out: String, form: &String| if out.contains(form) { out.replace(form, MASK) } else { out };
    forms.iter().fold(text.to_owned(), mask)
}

/// Parameters of URLs whose values are secret.
const SECRET_PARAMETERS: [&str; 15] = [
    "password",
    "sslpassword",
    "pwd",
    "api_key",
    "apikey",
    "authtoken",
    "auth_token",
    "access_token",
    "token",
    "secret",
    "client_secret",
    "sig",
    "signature",
    "x-amz-signature",
    "x-amz-security-token",
];

/// Replaces what is secret in everything that looks like a URL.
fn mask_urls(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, url) = rest.split_at(at + 3);
        out.push_str(before);
        let end = url.find(|c: char| c.is_whitespace() || "\"'`<>".contains(c)).unwrap_or(url.len());
        mask_url(&url[..end], &mut out);
        rest = &url[end..];
    }
    out.push_str(rest);
    out
}

/// `url` begins behind the two slashes.
fn mask_url(url: &str, out: &mut String) {
    let authority = url.find(['/', '?', '#', ';']).unwrap_or(url.len());
    // A character that should have been escaped ends the authority too early.
    let at = url[..authority].rfind('@').or_else(|| url.rfind('@'));
    let mut rest = url;
    if let Some(at) = at {
        if let Some((user, _)) = url[..at].split_once(':') {
            out.push_str(user);
            out.push(':');
            out.push_str(MASK);
        } else {
            out.push_str(&url[..at]);
        }
        rest = &url[at..];
    }
    while let Some(next) = rest.find(['?', '&', ';']) {
        let (before, parameter) = rest.split_at(next + 1);
        out.push_str(before);
        let end = parameter.find(['&', ';', '\\']).unwrap_or(parameter.len());
        match parameter[..end].split_once('=') {
            Some((name, value))
                if !value.is_empty() && SECRET_PARAMETERS.contains(&name.to_ascii_lowercase().as_str()) =>
            {
                out.push_str(name);
                out.push('=');
                out.push_str(MASK);
                rest = &parameter[end..];
            }
            _ => rest = parameter,
        }
    }
    out.push_str(rest);
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
    fn passwords_of_urls_are_masked_wherever_they_stand() {
        for (text, shown) in [
            (
                "Environment variable not found: postgresql://u1:S3cr3t@h/db.",
                "Environment variable not found: postgresql://u1:***@h/db.",
            ),
            ("url = 'mysql://u:p:w@h'", "url = 'mysql://u:***@h'"),
            ("postgresql://u:s3/cr@3t@h:1/db?a=b@c", "postgresql://u:***@c"),
            ("postgresql://u:s3cr3t@h/db?a=b@c", "postgresql://u:***@h/db?a=b@c"),
            ("{\"x\":\"prisma://h/?api_key=s3cr3t\\\"y\"}", "{\"x\":\"prisma://h/?api_key=***\\\"y\"}"),
            ("sqlserver://h:1433;user=sa;Password=s3cr3t;x=y", "sqlserver://h:1433;user=sa;Password=***;x=y"),
            ("see https://pris.ly/d/migrate and a@b", "see https://pris.ly/d/migrate and a@b"),
            ("postgresql://u@h/db?schema=s", "postgresql://u@h/db?schema=s"),
        ] {
            assert_eq!(redact(text, &[]), shown);
        }
    }

    #[test]
    fn an_address_is_masked_as_a_whole_whatever_stands_in_it() {
        let secrets = [
            Secret::new("pa55"),
            Secret::new("https://user:pa55@hooks.example/T0/B1/token"),
            Secret::new("https://hooks.example/?token=abc&channel=x"),
        ];
        let text = "curl https://user:pa55@hooks.example/T0/B1/token https://hooks.example/?token=abc&channel=x pa55";
        assert_eq!(redact(text, &secrets), "curl *** *** ***");
        assert_eq!(
            redact("https://x.logic.azure.com/run?sp=1&sig=abc", &[]),
            "https://x.logic.azure.com/run?sp=1&sig=***"
        );
    }

    #[test]
    fn base64_pads_like_rfc_4648() {
        assert_eq!([base64(b"f"), base64(b"fo"), base64(b"foo")], ["Zg==", "Zm8=", "Zm9v"]);
    }
}
