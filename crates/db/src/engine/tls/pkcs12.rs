//! Client certificates in PKCS#12 files, old (RC2 and 3DES) and new (AES).

use super::{Named, tls_error};
use crate::DbError;
use diagnostics::Secret;
use p12_keystore::error::Error;
use p12_keystore::{CertificateBag, Pkcs12Archive, PrivateKeyBag};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// The first key of the file, and its certificate with those above it.
pub(super) fn read(
    file: Named<'_>,
    bytes: &[u8],
    password: Option<&Secret>,
) -> Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>), DbError> {
    let archive = Pkcs12Archive::from_pkcs12(bytes, password.map_or("", Secret::expose))
        .map_err(|error| refusal(file, &error, password.is_some()))?;
    let Some(key) = archive.keys.first() else {
        return Err(tls_error(format!("{file} holds no private key")));
    };
    let Some(own) = own_certificate(key, &archive.certs) else {
        return Err(tls_error(format!("{file} holds no certificate for its private key")));
    };
    let chain = chain(own, &archive.certs);
    let key = PrivatePkcs8KeyDer::from(key.key.as_der().to_vec());
    Ok((chain, PrivateKeyDer::Pkcs8(key)))
}

/// The certificate that carries the key's mark; where nothing is marked, the only one.
fn own_certificate<'a>(
    key: &PrivateKeyBag,
    certificates: &'a [CertificateBag],
) -> Option<&'a CertificateBag> {
    let marked = key
        .local_key_id
        .as_ref()
        .and_then(|mark| certificates.iter().find(|bag| bag.local_key_id.as_deref() == Some(mark.as_ref())));
    marked.or(match certificates {
        [only] => Some(only),
        _ => None,
    })
}

/// From the own certificate upwards, each issued by the next.
fn chain(own: &CertificateBag, all: &[CertificateBag]) -> Vec<CertificateDer<'static>> {
    let mut chain = vec![&own.cert];
    while let Some(last) = chain.last() {
        let above = all.iter().map(|bag| &bag.cert).find(|other| other.subject() == last.issuer());
        match above {
            // A certificate that is in the chain is its own issuer, or one of a circle.
            Some(above) if !chain.contains(&above) => chain.push(above),
            _ => break,
        }
    }
    chain.into_iter().map(|certificate| CertificateDer::from(certificate.as_der().to_vec())).collect()
}

fn refusal(file: Named<'_>, error: &Error, password_given: bool) -> DbError {
    match error {
        Error::MacError(_) | Error::Pkcs5Error(_) | Error::UnpadError => {
            let (message, advice) = if password_given {
                (
                    format!("`sslpassword` is not the password of {file}"),
                    "Correct `sslpassword` in the database URL; special characters are percent-encoded.",
                )
            } else {
                (
                    format!("{file} has a password, and the URL has no `sslpassword`"),
                    "Add `sslpassword` to the database URL.",
                )
            };
            let mut failed = tls_error(message);
            failed.advice = Some(advice.to_owned());
            failed
        }
        Error::DerError(_) | Error::InvalidVersion | Error::X509Error(_) | Error::InvalidData => {
            let mut failed =
                tls_error(format!("{file} is neither a PKCS#12 nor a PEM file, or it is damaged"));
            failed.advice = Some(
                "Make one with `openssl pkcs12 -export -in client.crt -inkey client.key -out client.p12`."
                    .to_owned(),
            );
            failed
        }
        other => {
            let mut failed = tls_error(format!("{file} cannot be read: {other}"));
            failed.advice = Some(
                "Make it anew with `openssl pkcs12 -export -in client.crt -inkey client.key -out client.p12`."
                    .to_owned(),
            );
            failed
        }
    }
}
