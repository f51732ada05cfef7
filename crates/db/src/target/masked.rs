//! A URL as it may be shown: without password, and without what a parameter holds that is secret.

use super::strip_quotes;
use diagnostics::Secret;

const MASK: &str = "***";

/// Parameters of any database whose values are secret. What is not known is taken for secret if its name says so.
const SECRET: [&str; 10] =
    ["password", "secret", "token", "key", "credential", "pass", "jwt", "auth", "bearer", "signature"];

/// The URL with everything secret replaced. Where it cannot be split into its pieces nothing but the scheme is shown:
/// any piece might be a part of the password.
pub fn masked(url: &Secret) -> String {
    let text = strip_quotes(url.expose(), &mut Vec::new());
    let Some((scheme, rest)) = text.split_once(':') else { return MASK.to_owned() };
    let Some(rest) = rest.strip_prefix("//") else {
        // A file.
        return if scheme == "file" { text.to_owned() } else { format!("{scheme}:{MASK}") };
    };
    let Ok(pieces) = super::url::split(rest) else { return format!("{scheme}://{MASK}") };
    let mut shown = format!("{scheme}://");
    if let Some(user) = pieces.user {
        shown.push_str(user);
        if pieces.password.is_some() {
            shown.push(':');
            shown.push_str(MASK);
        }
        shown.push('@');
    }
    shown.push_str(pieces.hosts);
    if !pieces.path.is_empty() {
        shown.push('/');
        shown.push_str(pieces.path);
    }
    for (at, parameter) in pieces.query.split('&').filter(|parameter| !parameter.is_empty()).enumerate() {
        shown.push(if at == 0 { '?' } else { '&' });
        match parameter.split_once('=') {
            Some((name, value))
                if !value.is_empty()
                    && ((is_secret(name) && !is_file(name)) || sets_own_settings(name, value)) =>
            {
                shown.push_str(&format!("{name}={MASK}"));
            }
            _ => shown.push_str(parameter),
        }
    }
    shown
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    SECRET.iter().any(|word| name.contains(word))
}

/// `options` of PostgreSQL that set what is no setting of the server's own (`-c app.token=...`): tokens for policies are
/// given so.
fn sets_own_settings(name: &str, value: &str) -> bool {
    let value = value.to_ascii_lowercase().replace("%2e", ".");
    name == "options" && (value.contains('.') || is_secret(&value))
}

/// `sslkey` is the path of a file.
fn is_file(name: &str) -> bool {
    name == "sslkey"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shown_url_has_no_secret() {
        for (url, shown) in [
            (
                "postgresql://u:s3cr3t@h:1/d?schema=s&sslpassword=x",
                "postgresql://u:***@h:1/d?schema=s&sslpassword=***",
            ),
            ("postgresql://u@h/d", "postgresql://u@h/d"),
            ("postgresql://u:a#b@h/d", "postgresql://***"),
            ("'mysql://r:pw@h/d'", "mysql://r:***@h/d"),
            ("file:./dev.db", "file:./dev.db"),
            ("prisma://x/?api_key=s3cr3t", "prisma://x?api_key=***"),
            ("postgresql://h/?sslkey=k.pem&password=", "postgresql://h?sslkey=k.pem&password="),
            ("postgresql://h/d?options=-c%20app.token%3Ds3cr3t", "postgresql://h/d?options=***"),
            (
                "postgresql://h/d?options=-c+lock_timeout%3D5s",
                "postgresql://h/d?options=-c+lock_timeout%3D5s",
            ),
            ("postgresql://h/d?options=-capp%2Ejwt=s3cr3t", "postgresql://h/d?options=***"),
            ("postgresql://h/d?options=--app.id%3Ds3cr3t&jwt=s3cr3t", "postgresql://h/d?options=***&jwt=***"),
            ("postgresql://h/d?options=-c%09app.id%3Ds3cr3t", "postgresql://h/d?options=***"),
            ("s3cr3t", "***"),
            ("x:s3cr3t", "x:***"),
        ] {
            assert_eq!(masked(&Secret::new(url)), shown);
        }
    }
}
