//! What holds on every operating system: these tests are run on each of them.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use system::OwnAddress;
use system::application::Front;
use system::files;
use system::network::{self, OwnSocket, Probes};
use system::processes::Running;

#[test]
fn two_names_of_one_file_are_known_as_one() {
    let folder = tempfile::tempdir().unwrap();
    let (one, other, copy) = (folder.path().join("a"), folder.path().join("b"), folder.path().join("c"));
    std::fs::write(&one, "x").unwrap();
    std::fs::hard_link(&one, &other).unwrap();
    std::fs::copy(&one, &copy).unwrap();
    assert_eq!(files::identity(&one).unwrap(), files::identity(&other).unwrap());
    assert_ne!(files::identity(&one).unwrap(), files::identity(&copy).unwrap());
    assert_eq!(files::identity(folder.path()).unwrap(), files::identity(folder.path()).unwrap());
    assert!(files::identity(&folder.path().join("nothing")).is_err());
}

#[test]
fn a_lock_file_excludes_and_keeps_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.lock");
    let (first, second) = (files::open_lock_file(&path).unwrap(), files::open_lock_file(&path).unwrap());
    first.try_lock().unwrap();
    assert!(files::is_named(&first, &path).unwrap());
    assert!(matches!(second.try_lock(), Err(std::fs::TryLockError::WouldBlock)));
    drop(first);
    second.try_lock().unwrap();
    // Either nobody can take the name away, or it is seen.
    let taken = std::fs::remove_file(&path).is_ok();
    assert!(!taken || !files::is_named(&second, &path).is_ok_and(|named| named));
}

#[test]
fn what_may_be_written_is_told_without_writing() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("a/b");
    files::private_directory(&directory).unwrap();
    let path = directory.join("c");
    drop(files::private_file(&path).unwrap());
    assert!(files::may_write(&directory) && files::may_write(&path));
    assert!(!files::may_write(&directory.join("nothing")));
    assert_eq!(std::fs::metadata(&path).unwrap().len(), 0);
    assert_eq!(std::fs::read_dir(&directory).unwrap().count(), 1);
    assert!(files::free_space(&directory).unwrap() > 0);
}

#[test]
fn this_machine_has_a_name() {
    assert!(network::node_name().is_some_and(|name| !name.is_empty()));
}

#[expect(clippy::unwrap_used, reason = "a helper of tests")]
fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
fn this_process_is_let_in_to_its_own_socket() {
    runtime().block_on(async {
        let socket = OwnSocket::open(&format!("cutover-system-{}", std::process::id())).unwrap();
        let address = socket.address().clone();
        // That a stranger's process is turned away, and a driver is not, is seen where there is a driver: a path has none here.
        if let OwnAddress::Port(port) = address {
            let far = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            far.set_nodelay(true).unwrap();
            let near = socket.accept().await.unwrap();
            drop((near, far));
        }
        network::forget(socket.address());
    });
}

#[test]
fn a_silent_peer_is_probed() {
    runtime().block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = tokio::net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let second = std::time::Duration::from_secs(1);
        for (enabled, repeated) in [(true, Some((second, 3))), (true, None), (false, None)] {
            network::keep_alive(&stream, Probes { enabled, idle: second, repeated }).unwrap();
        }
        network::limit_unsent(&stream, 65536).unwrap();
    });
}

#[test]
fn a_socket_of_a_server_is_connected_to_or_refused_with_the_way_out() {
    let path = Path::new("/no/such/directory/socket");
    let error = runtime().block_on(network::connect_local(path)).unwrap_err();
    let refused = network::check_local(path);
    assert_eq!(refused.is_err(), network::OWN_SOCKETS_ARE_PORTS);
    assert!(refused.is_ok() || error.to_string().contains("give a host and a port"), "{error}");
}

/// This test binary again, as a program of which tests know what it does.
#[expect(clippy::unwrap_used, reason = "a helper of tests")]
fn again(test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--ignored", "--nocapture"]);
    command
}

#[test]
#[ignore = "a program that others start"]
fn starts_another_and_never_ends() {
    let mut other = again("never_ends").spawn().unwrap();
    println!("started");
    other.wait().unwrap();
}

#[test]
#[ignore = "a program that others start"]
fn never_ends() {
    loop {
        std::thread::park();
    }
}

#[test]
#[ignore = "a program that others start"]
fn ends_with_seven() {
    #[expect(clippy::disallowed_methods, reason = "the exit code of the program")]
    std::process::exit(7);
}

#[test]
fn what_is_ended_ends_with_all_that_it_has_started() {
    let mut command = again("starts_another_and_never_ends");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut running = Running::start(command).unwrap();
    let (_, stdout, _) = running.pipes();
    let mut stdout = stdout.unwrap();
    let (mut said, mut one) = (Vec::new(), [0]);
    while !String::from_utf8_lossy(&said).contains("started") {
        stdout.read_exact(&mut one).unwrap();
        said.push(one[0]);
    }
    assert!(running.try_wait().unwrap().is_none());
    running.end();
    // The pipe ends when everybody who has it does: the other one has it too.
    stdout.read_to_end(&mut said).unwrap();
    assert!(running.try_wait().unwrap().is_some_and(|status| !status.success()));
}

/// A process of its own: who stands in front reaps every child that there is.
#[test]
#[ignore = "a program that others start"]
fn stands_in_front() {
    let application = Front::prepare().unwrap().start(&mut again("ends_with_seven")).unwrap();
    let code = application.wait(&|_| ()).unwrap();
    #[expect(clippy::disallowed_methods, reason = "the exit code of the program")]
    std::process::exit(code.into());
}

#[test]
fn the_exit_code_of_an_application_is_that_of_who_stands_in_front() {
    assert_eq!(again("stands_in_front").status().unwrap().code(), Some(7));
}
