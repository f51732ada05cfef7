//! Reading certificates that rustls does not read (X.509 version 1), or of which it tells too little.

use super::Refusal;
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{CertificateDer, ServerName, SignatureVerificationAlgorithm, UnixTime};
use rustls::{DigitallySignedStruct, SignatureScheme};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use x509_cert::Certificate as Parsed;
use x509_cert::Version;
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::der::oid::AssociatedOid;
use x509_cert::der::{Decode, Encode};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAltName};
use x509_cert::spki::AlgorithmIdentifierOwned;

const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
const SERVER_AUTHENTICATION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.1");
const ANY_USE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.37.0");

/// A certificate of any version.
pub(super) struct Certificate(Parsed);

/// Whether an authority issued a certificate.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Issuance {
    /// By this authority.
    Here,
    /// In its name, with another key.
    OtherKey,
    /// By another one.
    Elsewhere,
}

impl Certificate {
    /// None if it cannot be read at all.
    pub(super) fn read(certificate: &CertificateDer<'_>) -> Option<Self> {
        Parsed::from_der(certificate.as_ref()).ok().map(Self)
    }

    pub(super) fn issuer(&self) -> String {
        self.0.tbs_certificate.issuer.to_string()
    }

    /// Issued by the name that it carries itself: self-signed, or meant to look so.
    pub(super) fn names_itself_as_issuer(&self) -> bool {
        self.0.tbs_certificate.issuer == self.0.tbs_certificate.subject
    }

    pub(super) fn is_version_1(&self) -> bool {
        self.0.tbs_certificate.version == Version::V1
    }

    /// Whether it is an authority by its own word.
    pub(super) fn is_authority(&self) -> bool {
        let constraints = self.0.tbs_certificate.get::<BasicConstraints>();
        constraints.is_ok_and(|found| found.is_some_and(|(_, constraints)| constraints.ca))
    }

    /// Valid now, as far as its dates say.
    pub(super) fn check_dates(&self, now: UnixTime) -> Result<(), Refusal> {
        let validity = self.0.tbs_certificate.validity;
        let (from, to) = (validity.not_before.to_unix_duration(), validity.not_after.to_unix_duration());
        if now.as_secs() > to.as_secs() {
            return Err(Refusal::Expired { at: to.as_secs() });
        }
        if now.as_secs() < from.as_secs() {
            return Err(Refusal::NotValidYet { from: from.as_secs() });
        }
        Ok(())
    }

    /// Not made for another use than servers. One that says nothing is made for every use.
    pub(super) fn may_be_a_server(&self) -> bool {
        let key_may = match self.0.tbs_certificate.get::<KeyUsage>() {
            Ok(Some((_, usage))) => {
                usage.digital_signature() || usage.key_encipherment() || usage.key_agreement()
            }
            Ok(None) => true,
            Err(_) => false,
        };
        key_may && self.names_servers()
    }

    fn names_servers(&self) -> bool {
        match self.0.tbs_certificate.get::<ExtendedKeyUsage>() {
            Ok(Some((_, uses))) => {
                uses.0.iter().any(|usage| *usage == SERVER_AUTHENTICATION || *usage == ANY_USE)
            }
            Ok(None) => true,
            Err(_) => false,
        }
    }

    /// Whether `authority` may issue certificates, and issued this one: name and signature.
    pub(super) fn issuance(&self, authority: &Self, algorithms: &WebPkiSupportedAlgorithms) -> Issuance {
        let issuer = &authority.0.tbs_certificate;
        let may_sign = match issuer.get::<KeyUsage>() {
            Ok(Some((_, usage))) => usage.key_cert_sign(),
            Ok(None) => true,
            Err(_) => false,
        };
        // Version 1 has no word for it; the user named it as an authority.
        let may_issue = authority.is_version_1() || authority.is_authority();
        // An authority that limits what it may issue asks for more than is looked at here.
        let limited = issuer.extensions.iter().flatten().any(|extension| {
            extension.critical
                && extension.extn_id != BasicConstraints::OID
                && extension.extn_id != KeyUsage::OID
        });
        if limited || !may_sign || !may_issue || issuer.subject != self.0.tbs_certificate.issuer {
            return Issuance::Elsewhere;
        }
        if self.is_signed_by(authority, algorithms) == Some(true) {
            Issuance::Here
        } else {
            Issuance::OtherKey
        }
    }

    /// None if it is signed in a way that is not known.
    fn is_signed_by(&self, authority: &Self, algorithms: &WebPkiSupportedAlgorithms) -> Option<bool> {
        let message = self.0.tbs_certificate.to_der().ok()?;
        let (signature, algorithm) = (self.0.signature.as_bytes()?, identifier(&self.0.signature_algorithm)?);
        let usable =
            algorithms.all.iter().filter(|known| known.signature_alg_id().as_ref() == algorithm.as_slice());
        Some(authority.any_verifies(usable.copied(), &message, signature))
    }

    /// Whether the holder of this certificate's key signed the message of a TLS 1.2 handshake.
    pub(super) fn signed_handshake(
        &self,
        message: &[u8],
        signed: &DigitallySignedStruct,
        algorithms: &WebPkiSupportedAlgorithms,
    ) -> bool {
        let of_scheme = |scheme: SignatureScheme| {
            algorithms
                .mapping
                .iter()
                .filter(move |(known, _)| *known == scheme)
                .flat_map(|(_, list)| list.iter())
        };
        self.any_verifies(of_scheme(signed.scheme).copied(), message, signed.signature())
    }

    fn any_verifies(
        &self,
        algorithms: impl Iterator<Item = &'static dyn SignatureVerificationAlgorithm>,
        message: &[u8],
        signature: &[u8],
    ) -> bool {
        let key = &self.0.tbs_certificate.subject_public_key_info;
        let Some(kind) = identifier(&key.algorithm) else { return false };
        let Some(bytes) = key.subject_public_key.as_bytes() else { return false };
        algorithms
            .filter(|known| known.public_key_alg_id().as_ref() == kind.as_slice())
            .any(|known| known.verify_signature(bytes, message, signature).is_ok())
    }

    /// The public key, for TLS 1.3.
    pub(super) fn public_key(&self) -> Option<Vec<u8>> {
        self.0.tbs_certificate.subject_public_key_info.to_der().ok()
    }

    /// The names that a host of this kind (name or address) is looked for among, as libpq does it: all alternative names,
    /// and the common names unless there is an alternative name of the host's own kind.
    pub(super) fn names(&self, wanted: &ServerName<'_>) -> Vec<String> {
        let alternative = match self.0.tbs_certificate.get::<SubjectAltName>() {
            Ok(Some((_, names))) => names.0,
            Ok(None) => Vec::new(),
            // What cannot be read may hold what forbids the common name.
            Err(_) => return Vec::new(),
        };
        let by_name = matches!(wanted, ServerName::DnsName(_));
        let of_kind = |name: &GeneralName| match name {
            GeneralName::DnsName(_) => by_name,
            GeneralName::IpAddress(_) => !by_name,
            _ => false,
        };
        let mut names: Vec<String> = alternative.iter().filter_map(alternative_name).collect();
        if !alternative.iter().any(of_kind) {
            names.extend(self.common_names());
        }
        names
    }

    fn common_names(&self) -> impl Iterator<Item = String> {
        let subject = self.0.tbs_certificate.subject.0.iter().flat_map(|set| set.0.iter());
        let common = subject.filter(|attribute| attribute.oid == COMMON_NAME);
        common.filter_map(|attribute| std::str::from_utf8(attribute.value.value()).ok().map(str::to_owned))
    }

    /// Whether it is for this host.
    pub(super) fn is_for(&self, wanted: &ServerName<'_>) -> bool {
        let host = wanted.to_str().to_ascii_lowercase();
        self.names(wanted).iter().any(|name| pattern_matches(name, &host))
    }
}

fn alternative_name(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::DnsName(pattern) => Some(pattern.to_string()),
        GeneralName::IpAddress(octets) => {
            let bytes = octets.as_bytes();
            let four = <[u8; 4]>::try_from(bytes).map(|bytes| IpAddr::from(Ipv4Addr::from(bytes)));
            let address = four
                .or_else(|_| <[u8; 16]>::try_from(bytes).map(|bytes| IpAddr::from(Ipv6Addr::from(bytes))));
            address.ok().map(|address| address.to_string())
        }
        _ => None,
    }
}

/// What stands inside the sequence, which is how webpki names algorithms. All that are known are shorter than the
/// length at which a longer form begins.
fn identifier(algorithm: &AlgorithmIdentifierOwned) -> Option<Vec<u8>> {
    let der = algorithm.to_der().ok()?;
    match der.as_slice() {
        [0x30, length, inside @ ..] if *length < 0x80 => Some(inside.to_vec()),
        _ => None,
    }
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
