//! Why a handshake failed, in words for whoever has to mend it, and what to do.

use super::{OwnCertificate, Wanted, tls_error};
use crate::DbError;
use rustls::{AlertDescription, CertificateError, OtherError};
use std::error::Error;
use std::fmt;

/// Why the server's certificate is not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Seconds since 1970.
    Expired { at: u64 },
    /// Seconds since 1970.
    NotValidYet { from: u64 },
    /// It is for other names.
    Name { wanted: String, names: Vec<String> },
    /// It is its own issuer, and not named as trusted.
    SelfSigned,
    /// Its issuer is not trusted.
    UnknownIssuer { issuer: String },
    /// It names an authority that is trusted, and was signed by somebody else.
    OtherKey { issuer: String },
    /// It says that it is for another use.
    OtherUse,
    /// In rustls' words.
    Other(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Expired { at } => {
                write!(f, "the server's certificate has expired ({})", moment(*at))
            }
            Refusal::NotValidYet { from } => {
                write!(f, "the server's certificate is not valid yet (from {})", moment(*from))
            }
            Refusal::Name { wanted, names } if names.is_empty() => {
                write!(f, "the server's certificate is not valid for the name `{wanted}`: it holds no name")
            }
            Refusal::Name { wanted, names } => {
                let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
                write!(
                    f,
                    "the server's certificate is not valid for the name `{wanted}`, but for {}",
                    names.join(", ")
                )
            }
            Refusal::SelfSigned => f.write_str("the server's certificate is self-signed"),
            Refusal::UnknownIssuer { issuer } => {
                write!(
                    f,
                    "the server's certificate was issued by an authority that is not trusted: `{issuer}`"
                )
            }
            Refusal::OtherKey { issuer } => write!(
                f,
                "the server's certificate names `{issuer}` as its authority, and was not signed with the key of the \
                 one that is trusted"
            ),
            Refusal::OtherUse => {
                f.write_str("the server's certificate is made for another use than a server")
            }
            Refusal::Other(text) => write!(f, "the server's certificate was refused: {text}"),
        }
    }
}

impl Error for Refusal {}

impl From<Refusal> for rustls::Error {
    fn from(refusal: Refusal) -> Self {
        // The alert that the server gets says less than the reader needs to know.
        rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(std::sync::Arc::new(refusal))))
    }
}

impl Refusal {
    fn advice(&self, wanted: &Wanted<'_>) -> String {
        let parameter = wanted.root_parameter;
        match self {
            Refusal::Expired { .. } => "Give the server a new certificate.".to_owned(),
            Refusal::NotValidYet { .. } => {
                "Compare the clocks of both machines, or give the server another certificate.".to_owned()
            }
            Refusal::Name { names, .. } if names.is_empty() => {
                "Give the server a certificate with the name that the URL uses as a subject alternative name."
                    .to_owned()
            }
            Refusal::Name { .. } => {
                "Use one of these names in the URL, or give the server a certificate for the URL's name.".to_owned()
            }
            Refusal::SelfSigned => match wanted.root {
                Some(root) => format!(
                    "It is not the one in `{}` (`{}`): name this very certificate there, if it is the right server's.",
                    root.path.display(),
                    root.parameter
                ),
                None => {
                    format!("Name it with `{parameter}=FILE.pem` in the URL, if it is the right server's.")
                }
            },
            Refusal::UnknownIssuer { .. } => match wanted.root {
                Some(root) => format!(
                    "Name the authority's certificate with `{}`; `{}` holds another.",
                    root.parameter,
                    root.path.display()
                ),
                None => format!(
                    "Name the authority's certificate with `{parameter}=FILE.pem` in the URL; without it those of the \
                     operating system are trusted."
                ),
            },
            Refusal::OtherKey { .. } => {
                let parameter = wanted.root.map_or(parameter, |root| root.parameter);
                format!("If the authority has a new certificate, name that one with `{parameter}`.")
            }
            Refusal::OtherUse => {
                "Give the server a certificate for servers (`keyUsage = digitalSignature`, `extendedKeyUsage = serverAuth`).".to_owned()
            }
            Refusal::Other(_) => "Give the server another certificate.".to_owned(),
        }
    }
}

/// The refusal in an error of the handshake, if a refused certificate is what it is about.
fn refused(error: &(dyn Error + 'static)) -> Option<Refusal> {
    match find(error)? {
        rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(inner))) => {
            let own = inner.downcast_ref::<Refusal>().cloned();
            Some(own.unwrap_or_else(|| Refusal::Other(inner.to_string())))
        }
        rustls::Error::InvalidCertificate(other) => Some(Refusal::Other(other.to_string())),
        _ => None,
    }
}

/// The failure for a handshake that did not come about.
pub(in crate::engine) fn explain(error: &(dyn Error + 'static), wanted: &Wanted<'_>) -> DbError {
    if let Some(refusal) = refused(error) {
        let mut failed = tls_error(format!("error performing TLS handshake: {refusal}"));
        failed.advice = Some(format!("{} {TRY}", refusal.advice(wanted)));
        return failed;
    }
    alert(error, wanted).unwrap_or_else(|| tls_error(format!("error performing TLS handshake: {error}")))
}

const TRY: &str = "`cutover migrate status` tries it.";

/// The failure for an alert that the server sent. It may arrive after the handshake: from TLS 1.3 on the client has
/// finished before the server has looked at the client's certificate.
pub(in crate::engine) fn alert(error: &(dyn Error + 'static), wanted: &Wanted<'_>) -> Option<DbError> {
    use AlertDescription as Alert;
    let rustls::Error::AlertReceived(alert) = find(error)? else { return None };
    let given = wanted.own.is_some();
    let (message, advice) = match alert {
        Alert::ProtocolVersion => (
            "the server speaks no TLS that is spoken here, which is 1.2 and 1.3".to_owned(),
            "Let the server speak one of them (`ssl_max_protocol_version`, `tls_version`).".to_owned(),
        ),
        Alert::CertificateRequired if !given => (
            "the server requires a client certificate, and the URL names none".to_owned(),
            GIVE_ONE.to_owned(),
        ),
        Alert::UnknownCA => (
            "the server refused the client certificate: it does not trust the authority that issued it"
                .to_owned(),
            "Give one of an authority that the server trusts (`ssl_ca_file`, `ssl_ca`).".to_owned(),
        ),
        Alert::CertificateExpired => (
            "the server refused the client certificate: it has expired, or is not valid yet".to_owned(),
            "Give a new one.".to_owned(),
        ),
        Alert::CertificateRevoked => (
            "the server refused the client certificate: it is revoked".to_owned(),
            "Give another one.".to_owned(),
        ),
        Alert::BadCertificate
        | Alert::UnsupportedCertificate
        | Alert::CertificateUnknown
        | Alert::DecryptError
            if given =>
        {
            (
                format!("the server refused the client certificate ({alert:?})"),
                "The server's log says why.".to_owned(),
            )
        }
        other => (
            format!("the server broke the handshake off ({other:?})"),
            "The server's log says why.".to_owned(),
        ),
    };
    let mut failed = tls_error(format!("error performing TLS handshake: {message}"));
    failed.advice = Some(format!("{advice} {TRY}"));
    Some(failed)
}

/// How to give a client certificate, whatever the database.
const GIVE_ONE: &str = "Give one with `sslidentity` and `sslpassword` (PKCS#12).";

/// The failure for a server that ended the connection right after it was given the client's certificate.
pub(in crate::engine) fn silent_refusal(own: &OwnCertificate<'_>) -> DbError {
    let file = match own {
        OwnCertificate::Pair { certificate, .. } => certificate,
        OwnCertificate::Single { file, .. } => file,
    };
    let mut failed = tls_error(format!(
        "error performing TLS handshake: the server ended the connection when it was given the client certificate \
         {file}; it probably does not trust it"
    ));
    failed.advice = Some(format!("The server's log says why. {TRY}"));
    failed
}

/// The TLS error behind an error: it may stand at any depth, and inside an I/O error, which does not show it as its
/// cause.
fn find<'e>(error: &'e (dyn Error + 'static)) -> Option<&'e rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<rustls::Error>() {
            return Some(found);
        }
        let inner = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        next = match inner {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

/// A time as the server would show it.
fn moment(seconds: u64) -> String {
    let time = i64::try_from(seconds).ok().and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    time.map_or_else(|| "at no time".to_owned(), |time| time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string())
}
