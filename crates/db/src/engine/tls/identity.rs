//! The client's own certificate and key.

#[cfg(feature = "pkcs12")]
use super::pkcs12;
use super::{Named, OwnCertificate, read, read_certificates, tls_error};
use crate::DbError;
use diagnostics::Secret;
use rustls::InconsistentKeys;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;

/// A certificate with those above it, and its key.
pub(crate) struct Identity {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) key: PrivateKeyDer<'static>,
    /// Where they come from, for messages.
    source: String,
}

impl Identity {
    /// Reads the files that the URL names.
    pub(super) fn read(own: &OwnCertificate<'_>) -> Result<Self, DbError> {
        match *own {
            OwnCertificate::Pair { certificate, key } => {
                let source = format!("{certificate} and {key}");
                Ok(Self {
                    chain: read_certificates(certificate)?,
                    key: private_key(key, &read(key)?)?,
                    source,
                })
            }
            OwnCertificate::Single { file, password } => {
                let bytes = read(file)?;
                if bytes.windows(PEM.len()).any(|window| window == PEM) {
                    let chain = read_certificates(file)?;
                    return Ok(Self { chain, key: private_key(file, &bytes)?, source: file.to_string() });
                }
                let (chain, key) = from_pkcs12(file, &bytes, password)?;
                Ok(Self { chain, key, source: file.to_string() })
            }
        }
    }

    /// The pair as rustls wants it. Nothing is said of the certificate's version: servers have their own opinion.
    pub(super) fn certified_key(self, provider: &CryptoProvider) -> Result<CertifiedKey, DbError> {
        let key = provider.key_provider.load_private_key(self.key).map_err(|error| {
            let mut failed = tls_error(format!("the private key of {} cannot be used: {error}", self.source));
            failed.advice =
                Some("Use an RSA key of 2048 bits or more, or one on the curve P-256 or P-384.".to_owned());
            failed
        })?;
        let pair = CertifiedKey::new(self.chain, key);
        if let Err(rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) = pair.keys_match() {
            return Err(tls_error(format!(
                "the private key does not belong to the certificate: {}",
                self.source
            )));
        }
        Ok(pair)
    }
}

/// How every PEM file goes on after its comments.
const PEM: &[u8] = b"-----BEGIN ";

fn private_key(file: Named<'_>, text: &[u8]) -> Result<PrivateKeyDer<'static>, DbError> {
    PrivateKeyDer::from_pem_slice(text).map_err(|error| {
        if matches!(error, PemError::NoItemsFound) && holds(text, b"ENCRYPTED PRIVATE KEY-----") {
            let mut failed = tls_error(format!("the private key in {file} is encrypted"));
            failed.advice = Some(
                "Give a key without a password, or certificate and key as PKCS#12 with `sslidentity` and `sslpassword`: \
                 `openssl pkcs12 -export -in client.crt -inkey client.key -out client.p12`."
                    .to_owned(),
            );
            return failed;
        }
        match error {
            PemError::NoItemsFound => tls_error(format!("{file} holds no PEM private key")),
            error => tls_error(format!("cannot read a private key from {file}: {error}")),
        }
    })
}

fn holds(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

type Pair = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

#[cfg(feature = "pkcs12")]
fn from_pkcs12(file: Named<'_>, bytes: &[u8], password: Option<&Secret>) -> Result<Pair, DbError> {
    pkcs12::read(file, bytes, password)
}

#[cfg(not(feature = "pkcs12"))]
fn from_pkcs12(file: Named<'_>, _: &[u8], _: Option<&Secret>) -> Result<Pair, DbError> {
    let mut failed = tls_error(format!("{file} is no PEM file, and this binary was built without PKCS#12"));
    failed.advice =
        Some("Build it with the feature `pkcs12`, or give a PEM file with certificate and key.".to_owned());
    Err(failed)
}

impl std::fmt::Debug for Identity {
    /// Shows nothing of the key.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").field("source", &self.source).finish_non_exhaustive()
    }
}
