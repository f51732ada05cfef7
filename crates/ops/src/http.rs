//! Requests to HTTP servers: what is asked, what they answer, and whether asking again may help. Certificates of the machine count, and
//! those that come with the program where it has none; a proxy is taken from the environment.

use crate::side::Errand;
use std::sync::OnceLock;
use std::time::Duration;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The server answered with this status: 200 to 599.
    Status {
        /// The status.
        code: u16,
        /// How long it asks to be left alone.
        retry_after: Option<Duration>,
    },
    /// There was no answer, for this reason.
    None(String),
    /// It was refused for good, for this reason.
    Refused(String),
}

impl Answer {
    /// Taken.
    pub(crate) fn is_success(&self) -> bool {
        matches!(self, Self::Status { code: 200..=299, .. })
    }

    /// Asking again may help: the server was not reached, was busy, or failed.
    pub(crate) fn may_help_to_repeat(&self) -> bool {
        match self {
            Self::Status { code, .. } => matches!(code, 408 | 425 | 429 | 500..=599),
            Self::None(_) => true,
            Self::Refused(_) => false,
        }
    }

    /// In words. No address: it may be the secret.
    pub(crate) fn told(&self) -> String {
        match self {
            Self::Status { code: code @ 300..=399, .. } => {
                format!("the server answered {code}, which leads elsewhere and is not followed")
            }
            Self::Status { code, .. } => format!("the server answered {code}"),
            Self::None(reason) | Self::Refused(reason) => reason.clone(),
        }
    }
}

/// What is sent.
#[derive(Clone, Debug, Default)]
pub(crate) struct Request {
    /// Names and values beside the usual ones.
    pub(crate) headers: Vec<(String, String)>,
    /// Sent as POST; none: GET.
    pub(crate) body: Option<Vec<u8>>,
}

/// Asks once; all of it, names and TLS included, takes at most `limit`.
pub(crate) fn ask(url: &str, request: &Request, limit: Duration) -> Answer {
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .timeout_global(Some(limit))
        .http_status_as_error(false)
        // What leads elsewhere is not followed: the question and its headers are meant for this server, and a page to log in at is no answer.
        .max_redirects(0)
        .max_redirects_will_error(false)
        .user_agent(concat!("cutover/", env!("CARGO_PKG_VERSION")))
        .tls_config(TlsConfig::builder().root_certs(roots()).build())
        .build()
        .into();
    let sent = match &request.body {
        Some(body) => {
            let post = agent.post(url);
            request.headers.iter().fold(post, |post, (name, value)| post.header(name, value)).send(body)
        }
        None => {
            let get = agent.get(url);
            request.headers.iter().fold(get, |get, (name, value)| get.header(name, value)).call()
        }
    };
    match sent {
        Ok(answer) => Answer::Status { code: answer.status().as_u16(), retry_after: retry_after(&answer) },
        Err(error @ (ureq::Error::BadUri(_) | ureq::Error::Http(_))) => {
            Answer::Refused(reason(&error, limit))
        }
        Err(error) => Answer::None(reason(&error, limit)),
    }
}

/// The same; given up as soon as `stop` says so: the thread that asks is left to its limit.
pub(crate) fn ask_unless(
    url: &str,
    request: Request,
    limit: Duration,
    stop: &dyn Fn() -> bool,
) -> Option<Answer> {
    let url = url.to_owned();
    Errand::begin(move || ask(&url, &request, limit)).unless(stop).ok()
}

fn retry_after(answer: &ureq::http::Response<ureq::Body>) -> Option<Duration> {
    let text = answer.headers().get("retry-after")?.to_str().ok()?;
    text.trim().parse().ok().map(Duration::from_secs)
}

/// Why there is no answer, without the address.
fn reason(error: &ureq::Error, limit: Duration) -> String {
    match error {
        ureq::Error::Timeout(_) => format!("no answer within {}", crate::duration(limit)),
        ureq::Error::HostNotFound => "the host is not known".to_owned(),
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => "it is no address of a web server".to_owned(),
        ureq::Error::Io(error) => format!("the server was not reached: {error}"),
        ureq::Error::Protocol(error) => format!("what answered speaks no HTTP: {error}"),
        ureq::Error::Tls(error) => format!("TLS: {error}"),
        other => other.to_string(),
    }
}

/// The machine's certificates; where it has none, as in an image without any files, those of the program. They are read once.
fn roots() -> RootCerts {
    static ROOTS: OnceLock<RootCerts> = OnceLock::new();
    ROOTS.get_or_init(read_roots).clone()
}

fn read_roots() -> RootCerts {
    let found = rustls_native_certs::load_native_certs().certs;
    if found.is_empty() {
        return RootCerts::WebPki;
    }
    RootCerts::new_with_certs(
        &found.iter().map(|one| Certificate::from_der(one).to_owned()).collect::<Vec<_>>(),
    )
}
