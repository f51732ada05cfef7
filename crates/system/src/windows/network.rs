//! Sockets inside the machine, how a silent peer is noticed, the machine's name.

use crate::OwnAddress;
use netstat2::{AddressFamilyFlags, ProtocolFlags, ProtocolSocketInfo, get_sockets_info};
use socket2::{SockRef, TcpKeepalive};
use std::io::{Error, ErrorKind, Result};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;
use tokio::net::TcpStream;
use winapi_util::sysinfo::{ComputerNameKind, get_computer_name};

/// A stream to a server on this machine: there is none but by TCP.
pub type LocalStream = TcpStream;

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
///
/// # Errors
/// Always: servers on Windows have none.
pub async fn connect_local(path: &Path) -> Result<LocalStream> {
    Err(check_local(path).err().unwrap_or_else(|| ErrorKind::Unsupported.into()))
}

/// Fails where the system has no such sockets.
///
/// # Errors
/// Always: servers on Windows have none.
pub fn check_local(path: &Path) -> Result<()> {
    let told = format!(
        "the socket {} cannot be connected to: on Windows cutover has no Unix sockets; give a host and a port in the URL (`localhost`)",
        path.display()
    );
    Err(Error::new(ErrorKind::Unsupported, told))
}

/// `WSAENOPROTOOPT`.
const UNKNOWN_OPTION: i32 = 10042;

/// Has a silent peer probed.
pub fn keep_alive(stream: &TcpStream, probes: Probes) -> Result<()> {
    let socket = SockRef::from(stream);
    if !probes.enabled {
        return socket.set_keepalive(false);
    }
    let wanted = TcpKeepalive::new().with_time(probes.idle);
    let Some((interval, count)) = probes.repeated else { return socket.set_tcp_keepalive(&wanted) };
    let wanted = wanted.with_interval(interval);
    match socket.set_tcp_keepalive(&wanted.clone().with_retries(count)) {
        // Before Windows 10 of 2017 the count was the system's alone: ten.
        Err(error) if error.raw_os_error() == Some(UNKNOWN_OPTION) => socket.set_tcp_keepalive(&wanted),
        other => other,
    }
}

/// How many bytes may wait in the system for being sent.
pub fn limit_unsent(stream: &TcpStream, bytes: usize) -> Result<()> {
    SockRef::from(stream).set_send_buffer_size(bytes)
}

/// The machine's name.
pub fn node_name() -> Option<String> {
    let name = get_computer_name(ComputerNameKind::PhysicalDnsHostname).ok()?.into_string().ok()?;
    (!name.is_empty()).then_some(name)
}

/// Whether what is sent to a socket of our own looks to a driver as if it left the machine.
pub const OWN_SOCKETS_ARE_PORTS: bool = true;

/// A socket that only this process is let in to.
#[derive(Debug)]
pub struct OwnSocket {
    listener: tokio::net::TcpListener,
    port: u16,
    address: OwnAddress,
}

/// What comes in.
pub type OwnStream = TcpStream;

impl OwnSocket {
    /// Opens one. A port has no name.
    pub fn open(_: &str) -> Result<Self> {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let listener = tokio::net::TcpListener::from_std(listener)?;
        Ok(Self { listener, port, address: OwnAddress::Port(port) })
    }

    /// Where it is found.
    pub fn address(&self) -> &OwnAddress {
        &self.address
    }

    /// The near end. Whoever else finds the port is turned away: the system tells who has connected.
    pub async fn accept(&self) -> Result<OwnStream> {
        loop {
            let (stream, peer) = self.listener.accept().await?;
            if is_own(peer, self.port)? {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
        }
    }
}

/// Whether this process has the socket that is connected from there.
fn is_own(peer: SocketAddr, port: u16) -> Result<bool> {
    let sockets =
        get_sockets_info(AddressFamilyFlags::IPV4, ProtocolFlags::TCP).map_err(std::io::Error::other)?;
    Ok(sockets.iter().any(|socket| match &socket.protocol_socket_info {
        ProtocolSocketInfo::Tcp(found) => {
            let ends = (found.local_addr, found.local_port, found.remote_port);
            ends == (peer.ip(), peer.port(), port) && socket.associated_pids.contains(&std::process::id())
        }
        ProtocolSocketInfo::Udp(_) => false,
    }))
}

/// The driver is connected, or never will be: nobody else needs the name.
pub fn forget(_: &OwnAddress) {}
