//! A bad input, set up: a directory, a database where it has one, and the binary run in it as nobody.

use super::{APP, Case, PASSWORD};
use crate::support::text;
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;
use tempfile::TempDir;
use testkit::postgres::{Database, Server};

/// Whom the binary runs as when the test is root: nobody.
const NOBODY: u32 = 65534;

static SERVER: OnceLock<Server> = OnceLock::new();

/// A server that asks everybody who comes over TCP for the password.
fn server() -> &'static Server {
    SERVER.get_or_init(|| {
        let server = Server::private(&[], Some("host all all 127.0.0.1/32 scram-sha-256"));
        server.psql(&format!(
            "CREATE ROLE app LOGIN SUPERUSER PASSWORD '{PASSWORD}';
             CREATE ROLE poor LOGIN PASSWORD '{PASSWORD}';
             CREATE ROLE reader LOGIN PASSWORD '{PASSWORD}';
             ALTER ROLE reader SET default_transaction_read_only = on;"
        ));
        server
    })
}

/// Listens on a port of its own for as long as the process lives, and does `answer` with each connection.
fn peer(answer: fn(std::net::TcpStream)) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            std::thread::spawn(move || answer(connection));
        }
    });
    port
}

/// The ports of those who are no PostgreSQL server, by the name that URLs have for them.
fn peers() -> &'static [(&'static str, u16); 3] {
    static PEERS: OnceLock<[(&str, u16); 3]> = OnceLock::new();
    PEERS.get_or_init(|| {
        [
            (
                "{silent}",
                peer(|mut connection| {
                    // Reads to the end, which is when the other side gives up.
                    let _ = connection.read_to_end(&mut Vec::new());
                }),
            ),
            (
                "{closing}",
                peer(|mut connection| {
                    // The request is read first, so that the end is one and not a reset.
                    let _ = connection.read(&mut [0; 1024]);
                }),
            ),
            (
                "{garbage}",
                peer(|mut connection| {
                    let _ = connection.read(&mut [0; 1024]);
                    let _ = connection.write_all(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
                }),
            ),
        ]
    })
}

/// A case with its folder, and its database where it has one.
pub(super) struct Scene {
    folder: TempDir,
    database: Option<Database<'static>>,
}

impl Scene {
    pub(super) fn new(case: &Case) -> Self {
        let folder = TempDir::new().unwrap();
        let database = case.url.contains("{database}").then(|| server().create_database("bad"));
        let scene = Self { folder, database };
        let (first, others) = case.files.split_at(1);
        scene.write(first);
        if case.deployed {
            let output = scene.command(APP, &["migrate", "deploy"]).output().unwrap();
            assert!(output.status.success(), "{}: {}", case.name, text(&output));
        }
        scene.write(others);
        for (path, to) in &case.links {
            let path = scene.folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::os::unix::fs::symlink(to, path).unwrap();
        }
        for (path, mode) in &case.modes {
            std::fs::set_permissions(scene.folder.path().join(path), PermissionsExt::from_mode(*mode))
                .unwrap();
        }
        if let Some(database) = &scene.database {
            database.psql(case.sql);
        } else if !case.sql.is_empty() {
            testkit::sqlite::Database::at(&scene.folder.path().join("dev.db")).query(case.sql);
            scene.write(&[]);
        }
        scene
    }

    /// Writes files; everything in the folder belongs to whom the binary runs as.
    fn write(&self, more: &[(&str, Vec<u8>)]) {
        for (path, content) in more {
            let path = self.folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            match std::str::from_utf8(content) {
                Ok(text) => std::fs::write(path, self.filled(text)).unwrap(),
                Err(_) => std::fs::write(path, content).unwrap(),
            }
        }
        if is_root() {
            let all = files(self.folder.path()).into_keys();
            all.for_each(|path| chown(path, Some(NOBODY), Some(NOBODY)).unwrap());
        }
    }

    /// The text with its placeholders filled in.
    fn filled(&self, text: &str) -> String {
        let mut text = text.replace("{secret}", "s3cr3t%2Fpa%3Ass%401").replace("{password}", PASSWORD);
        for (name, port) in peers() {
            text = text.replace(name, &port.to_string());
        }
        if text.contains("{trusting}") {
            text = text.replace("{trusting}", &testkit::postgres::server().port().to_string());
        }
        if let Some(database) = &self.database {
            text = text.replace("{database}", database.name());
        }
        if text.contains("{port}") { text.replace("{port}", &server().port().to_string()) } else { text }
    }

    /// The binary in the folder. Where there is a schema, that says where database and migrations are.
    fn command(&self, url: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command.args(arguments).env_clear().current_dir(self.folder.path()).stdin(Stdio::null());
        if !self.folder.path().join("prisma/schema.prisma").exists() {
            command.args(["--url", &self.filled(url)]);
            if !arguments.contains(&"--migrations") {
                command.args(["--migrations", "prisma/migrations"]);
            }
        }
        if is_root() {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    }

    pub(super) fn run(&self, case: &Case, more: &[&str]) -> Output {
        let arguments = [&case.command, more].concat();
        self.command(case.url, &arguments).envs(case.environment.iter().copied()).output().unwrap()
    }

    /// Every file with mode and content, and the database with its history: what must stay as it is.
    pub(super) fn state(&self) -> String {
        let mut state = format!("{:#?}", files(self.folder.path()));
        if let Some(database) = &self.database {
            state += &format!("{}\n{}\n{}", database.snapshot(), database.checksums(), self.history());
        }
        state
    }

    /// The rows of the history, whatever columns it has.
    pub(super) fn history(&self) -> String {
        let database = self.database.as_ref();
        let rows = database
            .map(|database| database.try_psql("SELECT t::text FROM _prisma_migrations AS t ORDER BY 1"));
        format!("{rows:?}")
    }
}

/// Every file below a folder, and the folder, with mode and content. The lock file stays by design and does not count.
fn files(folder: &Path) -> BTreeMap<PathBuf, (u32, String)> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(path) = open.pop() {
        let metadata = std::fs::symlink_metadata(&path).unwrap();
        let content = if metadata.is_dir() {
            open.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            String::new()
        } else if metadata.is_symlink() {
            format!("{:?}", std::fs::read_link(&path).unwrap())
        } else {
            String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned()
        };
        if !path.to_string_lossy().ends_with("-cutover.lock") {
            found.insert(path, (metadata.permissions().mode(), content));
        }
    }
    found
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// The binary, where everybody can run it.
fn binary() -> &'static Path {
    static COPY: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    let (_, path) = COPY.get_or_init(|| {
        let folder = TempDir::new().unwrap();
        std::fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let path = folder.path().join("cutover");
        std::fs::copy(env!("CARGO_BIN_EXE_cutover"), &path).unwrap();
        (folder, path)
    });
    path
}
