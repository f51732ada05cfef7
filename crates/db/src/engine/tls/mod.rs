//! TLS: which certificates are trusted, how a certificate is checked, and why one was refused.
//!
//! `verifier` checks the server's certificate, `certificate` reads certificates, `identity` reads the client's own
//! (`pkcs12` where it is a PKCS#12 file), `refusal` puts into words why a handshake failed. What a URL asks for is
//! translated into [`Wanted`] by each database.

mod certificate;
mod identity;
#[cfg(feature = "pkcs12")]
mod pkcs12;
mod refusal;
mod verifier;

use identity::Identity;
use refusal::Refusal;
pub(super) use refusal::{alert, explain, silent_refusal};

use crate::target::Verification;
use crate::{DbError, ErrorKind};
use diagnostics::Secret;
use rustls::client::ResolvesClientCert;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, RootCertStore, SignatureScheme};
use std::path::Path;
use std::sync::Arc;

/// A file, and the parameter of the URL that names it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Named<'t> {
    pub(super) parameter: &'static str,
    pub(super) path: &'t Path,
}

impl std::fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}` (`{}`)", self.path.display(), self.parameter)
    }
}

/// What a URL says of the client's own certificate.
#[derive(Clone, Copy, Debug)]
pub(super) enum OwnCertificate<'t> {
    /// A PEM file with the certificate, and one with its key.
    Pair { certificate: Named<'t>, key: Named<'t> },
    /// One file with both: PKCS#12, or PEM.
    Single { file: Named<'t>, password: Option<&'t Secret> },
}

/// What a URL asks of TLS.
#[derive(Clone, Debug)]
pub(super) struct Wanted<'t> {
    pub(super) verification: Verification,
    /// The authority that is trusted instead of those of the operating system.
    pub(super) root: Option<Named<'t>>,
    pub(super) own: Option<OwnCertificate<'t>>,
    /// The parameter that names an authority, for advice where the URL names none.
    pub(super) root_parameter: &'static str,
}

/// The client side of TLS. Reads the certificate files that the URL names.
pub(super) fn client_config(wanted: &Wanted<'_>) -> Result<ClientConfig, DbError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let identity = wanted.own.as_ref().map(Identity::read).transpose()?;
    let verifier = verifier::Verifier::new(wanted, Arc::clone(&provider))?;
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| tls_error(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    Ok(match identity {
        Some(identity) => {
            let key = identity.certified_key(&provider)?;
            builder.with_client_cert_resolver(Arc::new(OneCertificate(Arc::new(key))))
        }
        None => builder.with_no_client_auth(),
    })
}

/// The authorities that are trusted: the named ones alone, or else those of the operating system. An image built from
/// scratch has none of its own and gets those of the web.
pub(super) fn roots(root: Option<Named<'_>>) -> Result<Roots, DbError> {
    let mut store = RootCertStore::empty();
    let Some(file) = root else {
        let native = rustls_native_certs::load_native_certs().certs;
        if native.is_empty() {
            store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
        store.add_parsable_certificates(native);
        return Ok(Roots { named: Vec::new(), store });
    };
    let named = read_certificates(file)?;
    store.add_parsable_certificates(named.iter().cloned());
    Ok(Roots { named, store })
}

/// Trusted authorities.
pub(super) struct Roots {
    /// The certificates that the user named, byte for byte; empty if none are named.
    pub(super) named: Vec<CertificateDer<'static>>,
    pub(super) store: RootCertStore,
}

fn read_certificates(file: Named<'_>) -> Result<Vec<CertificateDer<'static>>, DbError> {
    let text = read(file)?;
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&text)
        .collect::<Result<_, _>>()
        .map_err(|error| tls_error(format!("cannot read certificates from {file}: {error}")))?;
    if certificates.is_empty() {
        return Err(tls_error(format!("{file} holds no PEM certificate")));
    }
    Ok(certificates)
}

fn read(file: Named<'_>) -> Result<Vec<u8>, DbError> {
    std::fs::read(file.path).map_err(|error| {
        let mut failed = tls_error(format!("cannot read {file}: {error}"));
        failed.advice = Some(format!("Correct `{}` in the database URL.", file.parameter));
        failed
    })
}

fn tls_error(message: impl Into<String>) -> DbError {
    DbError::new(ErrorKind::Tls, message)
}

/// Hands over one certificate whatever its version: rustls' own way refuses X.509 version 1, which servers
/// that check against their own authority accept.
#[derive(Debug)]
struct OneCertificate(Arc<CertifiedKey>);

impl ResolvesClientCert for OneCertificate {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0))
    }

    fn has_certs(&self) -> bool {
        true
    }
}
