//! TLS: what a URL asks for, against every kind of certificate that a server may present and a client may give.
//!
//! Here are the certificates with what must become of them, and the running of cells; one file per database says what
//! its parameters mean. A cell is one run of the binary: it connects, or it says why not and what to do. No secret of a
//! URL may be seen in any of them.

mod clients;
mod mariadb;
mod postgres;

use crate::support::{Project, text};
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use tempfile::TempDir;
use testkit::certificates::{AUTHORITY, Order, Validity, Workshop};

/// The password of every role and of every PKCS#12 file; as URLs write it; in base64.
const PASSWORD: &str = "s3cr3t/pa:ss@1";
const WRITTEN: &str = "s3cr3t%2Fpa%3Ass%401";
const SECRETS: [&str; 3] = [PASSWORD, WRITTEN, "czNjcjN0L3BhOnNzQDE="];

/// A certificate that a server presents, and what must become of it. The words are those of the error and its help.
struct Presented {
    /// Its files in the workshop.
    name: &'static str,
    /// The file that trusts it.
    authority: &'static str,
    /// Where something is checked, and it is not trusted.
    untrusted: &'static [&'static str],
    /// Trusted, and the chain alone is checked (`verify-ca`).
    chain: &'static [&'static str],
    /// Trusted, and the name is checked too (`verify-full`, `strict`).
    full: &'static [&'static str],
}

/// It connects.
const CONNECTS: &[&str] = &[];
const UNKNOWN: &[&str] =
    &["issued by an authority that is not trusted: `CN=authority`", "Name the authority's certificate"];
const SELF_SIGNED: &[&str] = &["the server's certificate is self-signed", "ame "];
const OTHER_KEY: &[&str] = &[
    "names `CN=authority` as its authority, and was not signed with the key",
    "If the authority has a new certificate",
];
const EXPIRED: &[&str] = &["has expired (2020-01-31 00:00:00 UTC)", "Give the server a new certificate"];
const LATER: &[&str] = &["not valid yet (from 2090-01-01 00:00:00 UTC)", "Compare the clocks"];
const OTHER_USE: &[&str] = &["made for another use than a server", "serverAuth"];

#[rustfmt::skip]
const PRESENTED: [Presented; 19] = [
    Presented { name: "good", authority: "authority.crt", untrusted: UNKNOWN, chain: CONNECTS, full: CONNECTS },
    Presented { name: "intermediate", authority: "authority.crt",
                untrusted: &["issued by an authority that is not trusted: `CN=middle`", "Name the authority's certificate"],
                chain: CONNECTS, full: CONNECTS },
    Presented { name: "self_signed", authority: "self_signed.crt", untrusted: SELF_SIGNED, chain: CONNECTS, full: CONNECTS },
    Presented { name: "self_signed_authority", authority: "self_signed_authority.crt", untrusted: SELF_SIGNED,
                chain: CONNECTS, full: CONNECTS },
    Presented { name: "other_use", authority: "authority.crt", untrusted: OTHER_USE, chain: OTHER_USE, full: OTHER_USE },
    // Its key is for certificates and for nothing else.
    Presented { name: "signing_only", authority: "signing_only.crt", untrusted: OTHER_USE, chain: OTHER_USE, full: OTHER_USE },
    Presented { name: "other_name", authority: "authority.crt", untrusted: UNKNOWN, chain: CONNECTS,
                full: &["not valid for the name `localhost`, but for `db.example.org`, `*.example.net`, `192.0.2.1`",
                        "Use one of these names"] },
    // No alternative name is a host's: the common name counts.
    Presented { name: "mail_name", authority: "authority.crt", untrusted: UNKNOWN, chain: CONNECTS, full: CONNECTS },
    Presented { name: "address", authority: "authority.crt", untrusted: UNKNOWN, chain: CONNECTS, full: CONNECTS },
    Presented { name: "common_name", authority: "authority.crt", untrusted: UNKNOWN, chain: CONNECTS, full: CONNECTS },
    Presented { name: "other_common_name", authority: "authority.crt", untrusted: UNKNOWN, chain: CONNECTS,
                full: &["not valid for the name `localhost`, but for `elsewhere`", "Use one of these names"] },
    Presented { name: "version_1", authority: "authority.crt", untrusted: UNKNOWN, chain: CONNECTS, full: CONNECTS },
    Presented { name: "version_1_self_signed", authority: "version_1_self_signed.crt", untrusted: SELF_SIGNED,
                chain: CONNECTS, full: CONNECTS },
    Presented { name: "leaf_authority", authority: "authority.crt", untrusted: UNKNOWN, chain: CONNECTS, full: CONNECTS },
    // Issued by another key in the authority's name.
    Presented { name: "forged", authority: "authority.crt", untrusted: UNKNOWN, chain: OTHER_KEY, full: OTHER_KEY },
    Presented { name: "forged_version_1", authority: "authority.crt", untrusted: UNKNOWN, chain: OTHER_KEY, full: OTHER_KEY },
    Presented { name: "forged_authority", authority: "authority.crt", untrusted: UNKNOWN, chain: OTHER_KEY, full: OTHER_KEY },
    Presented { name: "expired", authority: "authority.crt", untrusted: EXPIRED, chain: EXPIRED, full: EXPIRED },
    Presented { name: "later", authority: "authority.crt", untrusted: LATER, chain: LATER, full: LATER },
];

/// Makes the authorities, and the one certificate that all tests need.
fn workshop(folder: &TempDir) -> Workshop {
    let workshop = Workshop::new(&folder.path().join("certificates"));
    let make = |name, issuer, extensions| {
        let order = Order { name, common_name: name, issuer, extensions, validity: Validity::Now };
        workshop.make(&order);
    };
    make("authority", None, AUTHORITY);
    make("stranger", None, AUTHORITY);
    make("middle", Some("authority"), AUTHORITY);
    make("good", Some("authority"), NAMED);
    workshop.write("garbage", "no certificate");
    workshop
}

/// The names that the URLs of cells use.
const NAMED: &str = "subjectAltName = DNS:localhost, IP:127.0.0.1\n";

/// Makes the certificates of the table.
fn make_presented(workshop: &Workshop) {
    let make = |name, common_name, issuer, extensions, validity| {
        workshop.make(&Order { name, common_name, issuer, extensions, validity });
    };
    let (named, ours) = (NAMED, Some("authority"));
    let both = format!("basicConstraints = critical, CA:TRUE\n{named}");
    make("leaf", "any", Some("middle"), named, Validity::Now);
    workshop.join("intermediate.crt", &["leaf.crt", "middle.crt"]);
    workshop.join("intermediate.key", &["leaf.key"]);
    make("self_signed", "any", None, named, Validity::Now);
    make("self_signed_authority", "any", None, &both, Validity::Now);
    let elsewhere = "subjectAltName = DNS:db.example.org, DNS:*.example.net, IP:192.0.2.1\n";
    let signing = format!("{AUTHORITY}{named}");
    make("signing_only", "any", None, &signing, Validity::Now);
    make("other_name", "localhost", ours, elsewhere, Validity::Now);
    make("address", "localhost", ours, "subjectAltName = IP:192.0.2.1\n", Validity::Now);
    make("mail_name", "localhost", ours, "subjectAltName = email:a@example.org\n", Validity::Now);
    make("common_name", "localhost", ours, "basicConstraints = CA:FALSE\n", Validity::Now);
    make("other_common_name", "elsewhere", ours, "basicConstraints = CA:FALSE\n", Validity::Now);
    make("version_1", "localhost", ours, "", Validity::Now);
    make("version_1_self_signed", "localhost", None, "", Validity::Now);
    make("impostor", "authority", None, AUTHORITY, Validity::Now);
    make("forged", "any", Some("impostor"), named, Validity::Now);
    make("forged_version_1", "localhost", Some("impostor"), "", Validity::Now);
    make("forged_authority", "any", Some("impostor"), &both, Validity::Now);
    make("leaf_authority", "any", ours, &both, Validity::Now);
    make("expired", "any", ours, named, Validity::Over);
    make("later", "any", ours, named, Validity::Later);
    make("other_use", "any", ours, &format!("{named}extendedKeyUsage = clientAuth\n"), Validity::Now);
}

/// One run of the binary.
struct Cell {
    url: String,
    /// The code of the error and words of it and of its help; none: it connects.
    refused: Option<(&'static str, Vec<String>)>,
}

impl Cell {
    /// A cell that connects where there are no words.
    fn new(url: String, code: &'static str, words: &[&str]) -> Self {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        Self { url, refused: (!words.is_empty()).then_some((code, words)) }
    }

    /// What differs from what must be.
    fn wrong(&self, project: &Project) -> Option<String> {
        let output = project.run(&self.url, &["migrate", "status"]);
        let (all, stderr) = (text(&output), String::from_utf8_lossy(&output.stderr));
        // The pending migration: the history was read.
        let connected = String::from_utf8_lossy(&output.stdout).contains("have not yet been applied");
        let missing = match &self.refused {
            None if connected => None,
            None => Some("it does not connect".to_owned()),
            Some(_) if connected => Some("it connects".to_owned()),
            Some((code, words)) => {
                let code = [format!("Error: {code}"), "help: ".to_owned()];
                let absent = code.iter().chain(words).find(|word| !stderr.contains(word.as_str()));
                absent.map(|word| format!("it does not say `{word}`"))
            }
        };
        let shown = SECRETS.iter().find(|secret| all.contains(**secret));
        let wrong = shown.map(|secret| format!("it shows `{secret}`")).or(missing)?;
        Some(format!("{}: {wrong}\n{all}\n", self.url))
    }
}

/// Runs all cells, a few at a time, and returns how many there were.
fn run(cells: &[Cell]) -> usize {
    let project = Project::new(&[("1_a", "CREATE TABLE a (id int);")]);
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let worker = || {
        while let Some(cell) = cells.get(next.fetch_add(1, Ordering::Relaxed)) {
            if let Some(text) = cell.wrong(&project) {
                wrong.lock().unwrap().push(text);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(worker);
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{} of {} cells:\n{}", wrong.len(), cells.len(), wrong.join("\n"));
    cells.len()
}

/// A parameter that names a file.
fn file(parameter: &str, path: &Path) -> String {
    format!("{parameter}={}", path.display())
}
