//! Certificates of clients, and what must become of them.

use super::{CONNECTS, WRITTEN, file};
use testkit::certificates::{Encryption, Order, Validity, Workshop};

/// How a URL gives a client certificate, and what comes of it where the server asks for one.
pub(super) struct Client {
    /// `%name` stands for the path of a file in the workshop.
    pub(super) parameters: &'static str,
    /// The code of the error.
    pub(super) code: &'static str,
    pub(super) words: &'static [&'static str],
}

/// The server's alert, or, where that was lost on the way, the end of the connection.
const UNTRUSTED: &[&str] = &["the client certificate", "`cutover migrate status` tries it"];

/// Files as `sslidentity` names them; `PASSWORD` stands for the right one.
#[rustfmt::skip]
pub(super) const SINGLE: [Client; 15] = [
    Client { parameters: "sslidentity=%modern.p12&sslpassword=PASSWORD", code: "", words: CONNECTS },
    Client { parameters: "sslidentity=%legacy.p12&sslpassword=PASSWORD", code: "", words: CONNECTS },
    Client { parameters: "sslidentity=%chain.p12&sslpassword=PASSWORD", code: "", words: CONNECTS },
    Client { parameters: "sslidentity=%version_1.p12&sslpassword=PASSWORD", code: "", words: CONNECTS },
    Client { parameters: "sslidentity=%open.p12", code: "", words: CONNECTS },
    Client { parameters: "sslidentity=%open.p12&sslpassword=", code: "", words: CONNECTS },
    Client { parameters: "sslidentity=%both.pem", code: "", words: CONNECTS },
    Client { parameters: "sslidentity=%both.pem&sslpassword=PASSWORD", code: "", words: CONNECTS },
    Client { parameters: "sslidentity=%modern.p12&sslpassword=PASSWORDx", code: "P1011",
             words: &["`sslpassword` is not the password of", "modern.p12` (`sslidentity`)", "Correct `sslpassword`"] },
    Client { parameters: "sslidentity=%legacy.p12&sslpassword=PASSWORDx", code: "P1011",
             words: &["`sslpassword` is not the password of", "legacy.p12` (`sslidentity`)"] },
    Client { parameters: "sslidentity=%modern.p12", code: "P1011",
             words: &["modern.p12` (`sslidentity`) has a password", "Add `sslpassword`"] },
    Client { parameters: "sslidentity=%absent.p12&sslpassword=PASSWORD", code: "P1011",
             words: &["absent.p12` (`sslidentity`): No such file", "Correct `sslidentity`"] },
    Client { parameters: "sslidentity=%garbage&sslpassword=PASSWORD", code: "P1011",
             words: &["garbage` (`sslidentity`) is neither a PKCS#12 nor a PEM file", "openssl pkcs12 -export"] },
    Client { parameters: "sslidentity=%client.crt", code: "P1011",
             words: &["client.crt` (`sslidentity`) holds no PEM private key"] },
    Client { parameters: "sslidentity=%foreign.p12&sslpassword=PASSWORD", code: "P1011", words: UNTRUSTED },
];

/// Certificate and key of their own, as PostgreSQL takes them.
#[rustfmt::skip]
pub(super) const PAIR: [Client; 8] = [
    Client { parameters: "sslcert=%client.crt&sslkey=%client.key", code: "", words: CONNECTS },
    Client { parameters: "sslcert=%client_1.crt&sslkey=%client_1.key", code: "", words: CONNECTS },
    Client { parameters: "sslcert=%client.crt&sslkey=%foreign.key", code: "P1011",
             words: &["the private key does not belong to the certificate", "client.crt", "foreign.key` (`sslkey`)"] },
    Client { parameters: "sslcert=%client.crt&sslkey=%absent", code: "P1011",
             words: &["absent` (`sslkey`): No such file", "Correct `sslkey`"] },
    Client { parameters: "sslcert=%garbage&sslkey=%client.key", code: "P1011",
             words: &["garbage` (`sslcert`) holds no PEM certificate"] },
    Client { parameters: "sslcert=%client.crt&sslkey=%encrypted.key&sslpassword=PASSWORD", code: "P1011",
             words: &["the private key in", "encrypted.key` (`sslkey`) is encrypted", "openssl pkcs12 -export"] },
    Client { parameters: "sslcert=%foreign.crt&sslkey=%foreign.key", code: "P1011", words: UNTRUSTED },
    Client { parameters: "sslcert=%client.crt&sslkey=%client.key&sslidentity=%modern.p12", code: "P1013",
             words: &["both name a client certificate", "Remove `sslidentity`"] },
];

impl Client {
    /// The parameters with their paths and passwords.
    pub(super) fn written(&self, workshop: &Workshop) -> String {
        let folder = format!("{}/", workshop.path("").display()).replace("//", "/");
        self.parameters.replace('%', &folder).replace("PASSWORD", WRITTEN)
    }
}

/// Makes them all; the common name of the right ones is `certified`.
pub(super) fn make(workshop: &Workshop) {
    let make = |name, common_name, issuer, extensions| {
        workshop.make(&Order { name, common_name, issuer, extensions, validity: Validity::Now });
    };
    let client = "extendedKeyUsage = clientAuth\n";
    make("client", "certified", Some("authority"), client);
    make("client_1", "certified", Some("authority"), "");
    make("client_below", "certified", Some("middle"), client);
    make("uninvited", "uninvited", Some("authority"), client);
    make("foreign", "certified", Some("stranger"), client);
    workshop.pkcs12("modern.p12", "client", super::PASSWORD, Encryption::Modern);
    workshop.pkcs12("legacy.p12", "client", super::PASSWORD, Encryption::Legacy);
    workshop.pkcs12("version_1.p12", "client_1", super::PASSWORD, Encryption::Modern);
    workshop.pkcs12("uninvited.p12", "uninvited", super::PASSWORD, Encryption::Modern);
    workshop.pkcs12("foreign.p12", "foreign", super::PASSWORD, Encryption::Modern);
    workshop.pkcs12("open.p12", "client", "", Encryption::Modern);
    // The server knows the authority alone, so that the file must hold what is between.
    workshop.join("client_chain.crt", &["client_below.crt", "middle.crt"]);
    workshop.join("client_chain.key", &["client_below.key"]);
    workshop.pkcs12("chain.p12", "client_chain", super::PASSWORD, Encryption::Modern);
    workshop.join("both.pem", &["client.crt", "client.key"]);
    workshop.openssl(&format!(
        "pkcs8 -topk8 -in client.key -out encrypted.key -passout pass:{}",
        super::PASSWORD
    ));
}

/// `sslcert` or another parameter with a file of the workshop.
pub(super) fn named(workshop: &Workshop, parameter: &str, name: &str) -> String {
    file(parameter, &workshop.path(name))
}
