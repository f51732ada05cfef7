//! The check of the server's certificate.
//!
//! rustls checks more strictly than libpq does, and refuses certificates that are common on self-hosted
//! servers although the user has named who issued them: a self-signed certificate that is its own root, or that is an
//! authority by its own word, X.509 version 1, and a name that stands in the common name alone. [`Verifier`] accepts
//! these where libpq does, and nothing else.

use super::certificate::{Certificate, Issuance};
use super::{Refusal, Wanted, roots, tls_error};
use crate::DbError;
use crate::target::Verification;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{
    CryptoProvider, verify_tls12_signature, verify_tls13_signature, verify_tls13_signature_with_raw_key,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, DigitallySignedStruct, SignatureScheme};
use std::sync::Arc;

#[derive(Debug)]
pub(super) struct Verifier {
    verification: Verification,
    /// The certificates that the user named, byte for byte.
    named: Vec<CertificateDer<'static>>,
    inner: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl Verifier {
    pub(super) fn new(wanted: &Wanted<'_>, provider: Arc<CryptoProvider>) -> Result<Self, DbError> {
        let verification = wanted.verification;
        if verification == Verification::None {
            return Ok(Self { verification, named: Vec::new(), inner: None, provider });
        }
        let trusted = roots(wanted.root)?;
        let inner = if trusted.store.is_empty() {
            // Every named certificate is of a kind that rustls cannot read: only our own checks are left.
            None
        } else {
            let built =
                WebPkiServerVerifier::builder_with_provider(Arc::new(trusted.store), Arc::clone(&provider))
                    .build();
            Some(built.map_err(|error| tls_error(error.to_string()))?)
        };
        Ok(Self { verification, named: trusted.named, inner, provider })
    }

    /// The chain of trust alone, with the name check's result where rustls made one.
    fn check_chain(
        &self,
        presented: &Presented<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<NameCheck, Refusal> {
        let unknown = || rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let result = match &self.inner {
            Some(inner) => {
                inner.verify_server_cert(presented.der, intermediates, presented.host, &[], now).map(drop)
            }
            None => Err(unknown()),
        };
        match result {
            Ok(()) => Ok(NameCheck::Passed),
            // rustls checks the name last: the chain is good.
            Err(rustls::Error::InvalidCertificate(
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
            )) => Ok(NameCheck::Failed),
            Err(error) => self.check_ourselves(presented, now, &error).map(|()| NameCheck::NotMade),
        }
    }

    /// What rustls has no answer for: a certificate that the user named itself, and one that a named authority issued
    /// directly. Dates and purpose count all the same.
    fn check_ourselves(
        &self,
        presented: &Presented<'_>,
        now: UnixTime,
        error: &rustls::Error,
    ) -> Result<(), Refusal> {
        let Some(certificate) = &presented.certificate else {
            return Err(Refusal::Other(error.to_string()));
        };
        certificate.check_dates(now)?;
        if !certificate.may_be_a_server() {
            return Err(Refusal::OtherUse);
        }
        if self.named.iter().any(|named| named.as_ref() == presented.der.as_ref()) {
            return Ok(());
        }
        let algorithms = &self.provider.signature_verification_algorithms;
        // A chain that rustls can read, it has judged.
        let unreadable = certificate.is_version_1() || certificate.is_authority();
        let authorities = self.named.iter().filter_map(Certificate::read);
        let valid = authorities.filter(|authority| authority.check_dates(now).is_ok());
        let found: Vec<Issuance> =
            valid.map(|authority| certificate.issuance(&authority, algorithms)).collect();
        if unreadable && found.contains(&Issuance::Here) {
            return Ok(());
        }
        let rustls::Error::InvalidCertificate(reason) = error else {
            return Err(Refusal::Other(error.to_string()));
        };
        let issuer = certificate.issuer();
        Err(match reason {
            _ if certificate.names_itself_as_issuer() => Refusal::SelfSigned,
            CertificateError::BadSignature => Refusal::OtherKey { issuer },
            _ if unreadable && found.contains(&Issuance::OtherKey) => Refusal::OtherKey { issuer },
            CertificateError::UnknownIssuer => Refusal::UnknownIssuer { issuer },
            _ if unreadable => Refusal::UnknownIssuer { issuer },
            other => Refusal::Other(other.to_string()),
        })
    }

    /// Where nothing is verified, a certificate of a version that rustls cannot read does not matter either;
    /// where something is, the peer must prove that it holds the key.
    fn forgive(
        &self,
        result: Result<HandshakeSignatureValid, rustls::Error>,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        match result {
            Err(_) if self.verification == Verification::None => Ok(HandshakeSignatureValid::assertion()),
            other => other,
        }
    }
}

/// What the server showed, and where we wanted to go.
struct Presented<'c> {
    der: &'c CertificateDer<'c>,
    certificate: Option<Certificate>,
    host: &'c ServerName<'c>,
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
        host: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if self.verification == Verification::None {
            return Ok(ServerCertVerified::assertion());
        }
        let presented = Presented { der: certificate, certificate: Certificate::read(certificate), host };
        let checked = self.check_chain(&presented, intermediates, now)?;
        if self.verification == Verification::Full && !matches!(checked, NameCheck::Passed) {
            let read = presented.certificate.as_ref();
            if !read.is_some_and(|certificate| certificate.is_for(host)) {
                let names = read.map(|certificate| certificate.names(host)).unwrap_or_default();
                return Err(Refusal::Name { wanted: host.to_str().into_owned(), names }.into());
            }
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        let result = verify_tls12_signature(message, certificate, signature, algorithms).or_else(|error| {
            let read = Certificate::read(certificate).filter(Certificate::is_version_1);
            if read.is_some_and(|read| read.signed_handshake(message, signature, algorithms)) {
                return Ok(HandshakeSignatureValid::assertion());
            }
            Err(error)
        });
        self.forgive(result)
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
            let key = Certificate::read(certificate).and_then(|read| read.public_key()).ok_or(error)?;
            verify_tls13_signature_with_raw_key(message, &key.as_slice().into(), signature, algorithms)
        });
        self.forgive(result)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
