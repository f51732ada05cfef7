//! Sockets inside the machine, how a silent peer is noticed, the machine's name.

use crate::OwnAddress;
use rustix::net::sockopt;
use std::io::Result;
use std::path::Path;
use std::time::Duration;
use tokio::net::TcpStream;

/// A stream to a server on this machine.
pub type LocalStream = tokio::net::UnixStream;

/// When a silent peer is probed, and given up.
#[derive(Clone, Copy, Debug)]
pub struct Probes {
    /// Whether it is probed at all.
    pub enabled: bool,
    /// Silence before the first probe.
    pub idle: Duration,
    /// Time between probes, and how many of them are not answered; the system's own unless given.
    pub repeated: Option<(Duration, u32)>,
}

/// Connects to the socket of a server.
pub async fn connect_local(path: &Path) -> Result<LocalStream> {
    LocalStream::connect(path).await
}

/// Fails where the system has no such sockets.
pub fn check_local(_: &Path) -> Result<()> {
    Ok(())
}

/// Has a silent peer probed.
pub fn keep_alive(stream: &TcpStream, probes: Probes) -> Result<()> {
    sockopt::set_socket_keepalive(stream, probes.enabled)?;
    sockopt::set_tcp_keepidle(stream, probes.idle)?;
    if let Some((interval, count)) = probes.repeated {
        sockopt::set_tcp_keepintvl(stream, interval)?;
        sockopt::set_tcp_keepcnt(stream, count)?;
    }
    Ok(())
}

/// How many bytes may wait in the system for being sent.
pub fn limit_unsent(stream: &TcpStream, bytes: usize) -> Result<()> {
    sockopt::set_socket_send_buffer_size(stream, bytes).map_err(Into::into)
}

/// The machine's name.
pub fn node_name() -> Option<String> {
    let name = rustix::system::uname().nodename().to_string_lossy().into_owned();
    (!name.is_empty()).then_some(name)
}

/// Whether what is sent to a socket of our own looks to a driver as if it left the machine.
pub const OWN_SOCKETS_ARE_PORTS: bool = false;

/// A socket that only this process is let in to.
#[derive(Debug)]
pub struct OwnSocket {
    listener: tokio::net::UnixListener,
    address: OwnAddress,
}

/// What comes in.
pub type OwnStream = tokio::net::UnixStream;

impl OwnSocket {
    /// Opens one, by a name that is not taken.
    pub fn open(name: &str) -> Result<Self> {
        let (listener, address) = listen(name)?;
        Ok(Self { listener, address: OwnAddress::Socket(address) })
    }

    /// Where it is found.
    pub fn address(&self) -> &OwnAddress {
        &self.address
    }

    /// The near end. Whoever else finds the name is turned away: the kernel tells who has connected.
    pub async fn accept(&self) -> Result<OwnStream> {
        loop {
            let (stream, _) = self.listener.accept().await?;
            let process = stream.peer_cred()?.pid();
            if process.and_then(|process| u32::try_from(process).ok()) == Some(std::process::id()) {
                return Ok(stream);
            }
        }
    }
}

/// A socket without a place in any file system: images without a writable directory are common.
#[cfg(target_os = "linux")]
fn listen(name: &str) -> Result<(tokio::net::UnixListener, String)> {
    use std::os::linux::net::SocketAddrExt;
    let address = std::os::unix::net::SocketAddr::from_abstract_name(name)?;
    let listener = std::os::unix::net::UnixListener::bind_addr(&address)?;
    listener.set_nonblocking(true)?;
    Ok((tokio::net::UnixListener::from_std(listener)?, format!("\0{name}")))
}

/// A socket in the directory for temporary files.
#[cfg(not(target_os = "linux"))]
fn listen(name: &str) -> Result<(tokio::net::UnixListener, String)> {
    let path = std::env::temp_dir().join(name);
    Ok((tokio::net::UnixListener::bind(&path)?, path.display().to_string()))
}

/// The driver is connected, or never will be: nobody else needs the name.
#[cfg(target_os = "linux")]
pub fn forget(_: &OwnAddress) {}

/// The driver is connected, or never will be: nobody else needs the name.
#[cfg(not(target_os = "linux"))]
pub fn forget(address: &OwnAddress) {
    if let OwnAddress::Socket(path) = address {
        // A name that stays in the directory for temporary files is no harm.
        let _ = std::fs::remove_file(path);
    }
}
