//! Certificates for tests, good ones and all kinds of wrong ones, made by the `openssl` program.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A folder in which certificates are made: `<name>.crt` with its `<name>.key`, in PEM form.
#[derive(Debug)]
pub struct Workshop {
    folder: PathBuf,
}

/// A certificate to make.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    /// Name of the files.
    pub name: &'a str,
    /// The subject's common name, its only part.
    pub common_name: &'a str,
    /// Name of the authority, made before; none: self-signed.
    pub issuer: Option<&'a str>,
    /// Lines of an extension file; with none at all it becomes X.509 version 1.
    pub extensions: &'a str,
    /// When it is valid.
    pub validity: Validity,
}

/// When a certificate is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validity {
    /// For a day from now.
    Now,
    /// In January 2020.
    Over,
    /// In the year 2090.
    Later,
}

/// How a PKCS#12 file is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encryption {
    /// AES, as OpenSSL 3 does it.
    Modern,
    /// RC2 and 3DES, as OpenSSL 1 did it.
    Legacy,
}

/// What an authority says of itself.
pub const AUTHORITY: &str = "basicConstraints = critical, CA:TRUE\nkeyUsage = keyCertSign, cRLSign\n";

/// `openssl ca` is the one command that takes dates in all versions; it wants a configuration.
const CONFIGURATION: &str = "[ca]\ndefault_ca = d\n[d]\ndatabase = index.txt\nrand_serial = yes\nnew_certs_dir = .\n\
                             default_md = sha256\nunique_subject = no\npolicy = p\n[p]\ncommonName = supplied\n";

impl Workshop {
    /// Opens a workshop in `folder`, which is made.
    ///
    /// # Panics
    /// When the folder cannot be made.
    pub fn new(folder: &Path) -> Self {
        let workshop = Self { folder: folder.to_owned() };
        fs::create_dir_all(folder)
            .unwrap_or_else(|error| panic!("cannot make the folder {}: {error}", folder.display()));
        workshop.write("ca.cnf", CONFIGURATION);
        workshop.write("index.txt", "");
        workshop
    }

    /// The path of a file in the workshop.
    pub fn path(&self, file: &str) -> PathBuf {
        self.folder.join(file)
    }

    /// Writes a file into the workshop.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn write(&self, file: &str, text: &str) {
        fs::write(self.path(file), text).expect("the workshop is ours");
    }

    /// Makes a certificate with a key of its own.
    ///
    /// # Panics
    /// When the `openssl` program is missing or fails.
    pub fn make(&self, order: &Order<'_>) {
        let Order { name, common_name, issuer, extensions, validity } = *order;
        self.openssl(&format!(
            "req -subj /CN={common_name} -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout {name}.key -out {name}.csr"
        ));
        let mut sign = format!("ca -batch -notext -config ca.cnf -in {name}.csr -out {name}.crt");
        match issuer {
            Some(issuer) => sign.push_str(&format!(" -cert {issuer}.crt -keyfile {issuer}.key")),
            None => sign.push_str(&format!(" -selfsign -keyfile {name}.key")),
        }
        sign.push_str(match validity {
            Validity::Now => " -days 1",
            Validity::Over => " -startdate 20200101000000Z -enddate 20200131000000Z",
            Validity::Later => " -startdate 20900101000000Z -enddate 20901231000000Z",
        });
        if !extensions.is_empty() {
            self.write("extensions", extensions);
            sign.push_str(" -extfile extensions");
        }
        self.openssl(&sign);
        make_private(&self.path(&format!("{name}.key")));
    }

    /// Joins files of the workshop into a new one.
    ///
    /// # Panics
    /// When one cannot be read.
    pub fn join(&self, file: &str, parts: &[&str]) {
        let parts = parts.iter().map(|part| fs::read_to_string(self.path(part)).expect("made before"));
        self.write(file, &parts.collect::<Vec<_>>().join("\n"));
    }

    /// Puts certificate and key of `name`, and the authority's certificate, into the PKCS#12 file `file`.
    ///
    /// # Panics
    /// When the `openssl` program is missing or fails.
    pub fn pkcs12(&self, file: &str, name: &str, password: &str, encryption: Encryption) {
        let legacy = if encryption == Encryption::Legacy { " -legacy" } else { "" };
        self.openssl(&format!(
            "pkcs12 -export{legacy} -in {name}.crt -inkey {name}.key -out {file} -passout pass:{password}"
        ));
    }

    /// Runs the program in the workshop; arguments are separated by spaces.
    ///
    /// # Panics
    /// When the `openssl` program is missing or fails.
    pub fn openssl(&self, arguments: &str) {
        let mut command = Command::new("openssl");
        command.current_dir(&self.folder).args(arguments.split(' '));
        let output = command.output().unwrap_or_else(|error| {
            panic!("the openssl program cannot be run ({error}); scripts/install-test-servers.sh installs it")
        });
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "openssl {arguments} failed: {errors}");
    }
}

/// Lets nobody but the owner read a key; servers and clients refuse others.
pub(crate) fn make_private(path: &Path) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("own file");
}
