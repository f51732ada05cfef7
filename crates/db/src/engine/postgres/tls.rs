//! TLS: which certificates are trusted, and how a certificate is checked.
//!
//! rustls checks more strictly than libpq does, and refuses certificates that are common on self-hosted
//! servers although the user has named them as trusted: a self-signed certificate that is its own root,
//! X.509 version 1, and a name that stands in the common name alone. [`Verifier`] accepts these three where
//! libpq does, and nothing else.

use crate::target::{PostgresTarget, Verification};
use crate::{DbError, ErrorKind};
use rustls::client::ResolvesClientCert;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    CryptoProvider, verify_tls12_signature, verify_tls13_signature, verify_tls13_signature_with_raw_key,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use std::path::Path;
use std::sync::Arc;
use x509_cert::Certificate;
use x509_cert::der::{Decode, Encode};

/// The client side of TLS for this target. Reads the certificate files that it names.
pub(super) fn client_config(target: &PostgresTarget) -> Result<ClientConfig, DbError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = Verifier::new(target, Arc::clone(&provider))?;
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| tls_error(error.to_string()))?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
    let mut config = match client_certificate(target, &provider)? {
        Some(key) => builder.with_client_cert_resolver(Arc::new(OneCertificate(Arc::new(key)))),
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"postgresql".to_vec()];
    Ok(config)
}

/// Why a handshake with `host` failed, in words for whoever has to mend it.
pub(super) fn explain(error: &std::io::Error, host: &str) -> String {
    let refused = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let Some(rustls::Error::InvalidCertificate(reason)) = refused else { return error.to_string() };
    match reason {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "the server's certificate has expired".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "the server's certificate is not valid yet".to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!("the server's certificate is not valid for the name `{host}`")
        }
        CertificateError::UnknownIssuer => {
            "the server's certificate was not issued by an authority that is trusted here; name its certificate with \
             `sslrootcert`"
                .to_owned()
        }
        _ => error.to_string(),
    }
}

fn tls_error(message: impl Into<String>) -> DbError {
    DbError::new(ErrorKind::Tls, message)
}

fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, DbError> {
    let certificates: Vec<_> = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect)
        .map_err(|error| tls_error(format!("cannot read certificate {}: {error}", path.display())))?;
    if certificates.is_empty() {
        return Err(tls_error(format!("{} holds no PEM certificate", path.display())));
    }
    Ok(certificates)
}

fn client_certificate(
    target: &PostgresTarget,
    provider: &CryptoProvider,
) -> Result<Option<CertifiedKey>, DbError> {
    if let Some(identity) = &target.ssl_identity {
        return Err(tls_error(format!(
            "{}: PKCS#12 identities are not supported yet; give the PEM pair `sslcert` and `sslkey` instead",
            identity.display()
        )));
    }
    let (Some(certificate), Some(key)) = (&target.client_certificate, &target.client_key) else {
        return Ok(None);
    };
    let chain = read_certificates(certificate)?;
    let key = PrivateKeyDer::from_pem_file(key)
        .map_err(|error| tls_error(format!("cannot read private key {}: {error}", key.display())))?;
    let key = provider
        .key_provider
        .load_private_key(key)
        .map_err(|error| tls_error(format!("the private key cannot be used: {error}")))?;
    Ok(Some(CertifiedKey::new(chain, key)))
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

#[derive(Debug)]
struct Verifier {
    verification: Verification,
    /// The certificates that the user named, byte for byte.
    named: Vec<CertificateDer<'static>>,
    inner: Option<Arc<dyn ServerCertVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl Verifier {
    fn new(target: &PostgresTarget, provider: Arc<CryptoProvider>) -> Result<Self, DbError> {
        let verification = target.verification();
        if verification == Verification::None {
            return Ok(Self { verification, named: Vec::new(), inner: None, provider });
        }
        let mut roots = RootCertStore::empty();
        let named = match &target.root_certificate {
            Some(path) => read_certificates(path)?,
            None => Vec::new(),
        };
        if named.is_empty() {
            // An image built from scratch has no certificates of its own.
            let native = rustls_native_certs::load_native_certs().certs;
            if native.is_empty() {
                roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
            }
            roots.add_parsable_certificates(native);
        } else {
            roots.add_parsable_certificates(named.iter().cloned());
        }
        let inner: Option<Arc<dyn ServerCertVerifier>> = if roots.is_empty() {
            // Every named certificate is of a kind that rustls cannot read: only an exact match is left.
            None
        } else {
            let built = rustls::client::WebPkiServerVerifier::builder_with_provider(
                Arc::new(roots),
                Arc::clone(&provider),
            )
            .build()
            .map_err(|error| tls_error(error.to_string()))?;
            Some(built)
        };
        Ok(Self { verification, named, inner, provider })
    }

    /// The chain of trust alone, with the name check's result where rustls made one.
    fn check_chain(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<NameCheck, rustls::Error> {
        let result = match &self.inner {
            Some(inner) => inner.verify_server_cert(certificate, intermediates, name, &[], now).map(drop),
            None => Err(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)),
        };
        match result {
            Ok(()) => Ok(NameCheck::Passed),
            // rustls checks the name last: the chain is good.
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(NameCheck::Failed),
            Err(error) if self.named.iter().any(|named| named.as_ref() == certificate.as_ref()) => {
                // The user named this very certificate. Its dates still count.
                check_dates(certificate, now, error).map(|()| NameCheck::NotMade)
            }
            Err(error) => Err(error),
        }
    }
}

enum NameCheck {
    Passed,
    Failed,
    NotMade,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if self.verification == Verification::None {
            return Ok(ServerCertVerified::assertion());
        }
        let checked = self.check_chain(certificate, intermediates, name, now)?;
        let named_right = match (self.verification, checked) {
            (Verification::Full, NameCheck::Failed | NameCheck::NotMade) => names_match(certificate, name),
            _ => true,
        };
        if named_right {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(rustls::Error::InvalidCertificate(CertificateError::NotValidForName))
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        self.forgive_version(verify_tls12_signature(message, certificate, signature, algorithms))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        let result = verify_tls13_signature(message, certificate, signature, algorithms).or_else(|error| {
            // A certificate that rustls cannot read (version 1) still has a key to check against.
            let parsed = Certificate::from_der(certificate.as_ref()).map_err(|_| error.clone())?;
            let key = parsed.tbs_certificate.subject_public_key_info.to_der().map_err(|_| error)?;
            verify_tls13_signature_with_raw_key(message, &key.into(), signature, algorithms)
        });
        self.forgive_version(result)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

impl Verifier {
    /// Where nothing is verified, a certificate of a version that rustls cannot read does not matter either;
    /// where something is, the peer must prove that it holds the key.
    fn forgive_version(
        &self,
        result: Result<HandshakeSignatureValid, rustls::Error>,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        match result {
            Err(_) if self.verification == Verification::None => Ok(HandshakeSignatureValid::assertion()),
            other => other,
        }
    }
}

/// Refuses a certificate outside of its dates; `error` is what to say if it cannot be read.
fn check_dates(
    certificate: &CertificateDer<'_>,
    now: UnixTime,
    error: rustls::Error,
) -> Result<(), rustls::Error> {
    let Ok(parsed) = Certificate::from_der(certificate.as_ref()) else { return Err(error) };
    let validity = parsed.tbs_certificate.validity;
    if now.as_secs() > validity.not_after.to_unix_duration().as_secs() {
        return Err(rustls::Error::InvalidCertificate(CertificateError::Expired));
    }
    if now.as_secs() < validity.not_before.to_unix_duration().as_secs() {
        return Err(rustls::Error::InvalidCertificate(CertificateError::NotValidYet));
    }
    Ok(())
}

/// The name check as libpq makes it for certificates that rustls has no answer for: the alternative names,
/// and the common name where there are none.
fn names_match(certificate: &CertificateDer<'_>, wanted: &ServerName<'_>) -> bool {
    let Ok(parsed) = Certificate::from_der(certificate.as_ref()) else { return false };
    let wanted = wanted.to_str().to_ascii_lowercase();
    let alternative = parsed.tbs_certificate.get::<x509_cert::ext::pkix::SubjectAltName>();
    if let Ok(Some((_, names))) = alternative {
        use x509_cert::ext::pkix::name::GeneralName;
        return names.0.iter().any(|name| match name {
            GeneralName::DnsName(pattern) => pattern_matches(pattern.as_str(), &wanted),
            GeneralName::IpAddress(octets) => match octets.as_bytes() {
                &[a, b, c, d] => wanted == std::net::Ipv4Addr::new(a, b, c, d).to_string(),
                bytes => <[u8; 16]>::try_from(bytes)
                    .is_ok_and(|bytes| wanted == std::net::Ipv6Addr::from(bytes).to_string()),
            },
            _ => false,
        });
    }
    const COMMON_NAME: x509_cert::der::oid::ObjectIdentifier =
        x509_cert::der::oid::ObjectIdentifier::new_unwrap("2.5.4.3");
    parsed
        .tbs_certificate
        .subject
        .0
        .iter()
        .flat_map(|set| set.0.iter())
        .filter(|attribute| attribute.oid == COMMON_NAME)
        .any(|attribute| {
            std::str::from_utf8(attribute.value.value()).is_ok_and(|name| pattern_matches(name, &wanted))
        })
}

/// Equal, or a wildcard for exactly the first label (`*.example.org`).
fn pattern_matches(pattern: &str, wanted: &str) -> bool {
    let pattern = pattern.to_ascii_lowercase();
    match pattern.strip_prefix("*.") {
        Some(rest) => wanted.split_once('.').is_some_and(|(label, tail)| !label.is_empty() && tail == rest),
        None => pattern == wanted,
    }
}

#[cfg(test)]
mod tests {
    use super::pattern_matches;

    #[test]
    fn a_wildcard_stands_for_one_label() {
        assert!(pattern_matches("*.Example.org", "db.example.org"));
        assert!(!pattern_matches("*.example.org", "a.db.example.org"));
        assert!(!pattern_matches("*.example.org", "example.org"));
        assert!(pattern_matches("DB.example.org", "db.example.org"));
    }
}
