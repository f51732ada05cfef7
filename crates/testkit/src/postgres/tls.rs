//! Certificates for tests, made by the `openssl` program.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Files in PEM form: an authority of its own, what it signed for a server named `localhost` and
/// 127.0.0.1, and for a client named `postgres`. Valid for a day; gone with the server's folder.
#[derive(Debug)]
pub struct Certificates {
    /// The authority's certificate, for `sslrootcert`.
    pub root: PathBuf,
    /// The server's certificate.
    pub server: PathBuf,
    /// The server's key.
    pub server_key: PathBuf,
    /// The client's certificate, for `sslcert`.
    pub client: PathBuf,
    /// The client's key, for `sslkey`; readable by its owner alone, as libpq wants it.
    pub client_key: PathBuf,
}

impl Certificates {
    /// Makes all files in `folder`, which is made too.
    ///
    /// # Panics
    /// When the `openssl` program is missing or fails.
    pub fn make(folder: &Path) -> Self {
        fs::create_dir_all(folder)
            .unwrap_or_else(|error| panic!("cannot make the folder {}: {error}", folder.display()));
        openssl(folder, "req -x509 -days 1 -subj /CN=testkit-authority -keyout root.key -out root.crt", true);
        sign(folder, "server", "localhost", "subjectAltName = DNS:localhost, IP:127.0.0.1\n");
        sign(folder, "client", "postgres", "extendedKeyUsage = clientAuth\n");
        let path = |name: &str| folder.join(name);
        Self {
            root: path("root.crt"),
            server: path("server.crt"),
            server_key: path("server.key"),
            client: path("client.crt"),
            client_key: path("client.key"),
        }
    }
}

/// Makes `<name>.key` and `<name>.crt`, signed by the authority.
fn sign(folder: &Path, name: &str, common_name: &str, extensions: &str) {
    fs::write(folder.join("extensions"), extensions).expect("the folder is writable");
    openssl(folder, &format!("req -subj /CN={common_name} -keyout {name}.key -out {name}.csr"), true);
    let sign = format!(
        "x509 -req -days 1 -in {name}.csr -CA root.crt -CAkey root.key -CAcreateserial -extfile extensions -out {name}.crt"
    );
    openssl(folder, &sign, false);
    make_private(&folder.join(format!("{name}.key")));
}

/// Lets nobody but the owner read a key; servers and clients refuse others.
pub(super) fn make_private(path: &Path) {
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("own file");
}

fn openssl(folder: &Path, arguments: &str, with_new_key: bool) {
    let mut command = Command::new("openssl");
    command.current_dir(folder).args(arguments.split(' '));
    if with_new_key {
        command.args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]);
    }
    let output = command.output().unwrap_or_else(|error| {
        panic!("the openssl program cannot be run ({error}); scripts/install-test-servers.sh installs it")
    });
    assert!(
        output.status.success(),
        "openssl {arguments} failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}
