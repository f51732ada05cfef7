//! TLS for a driver whose own cannot be told how to check a certificate.
//!
//! The driver takes no verifier of ours, so it refuses certificates that the user has named (self-signed, X.509
//! version 1, a common name alone), and says of none why. Therefore it speaks in clear text to a socket inside this
//! process, and [`serve`] carries that to the server inside TLS. A server takes TLS between its greeting and the
//! client's answer, for which the client inserts one packet; until the client is let in, all numbers of packets are
//! therefore one higher on the server's side. From the first command on, which begins at 0 again, bytes are carried
//! unread.
//!
//! What is sent in clear text stays in the kernel: nobody but this process is let in to the socket. The driver counts
//! sockets as safe, so that it sends a password where it would send it inside TLS. Where the socket is a port of the
//! loopback interface (Windows), it does not, and the password is sent here, in its place.

use crate::engine::tls::{self, Named, OwnCertificate, Wanted};
use crate::error::NO_TLS;
use crate::target::{Keepalives, MySqlTarget, SslAccept, Verification};
use crate::{DbError, ErrorKind};
use diagnostics::Secret;
use rustls::pki_types::ServerName;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicI8, Ordering};
use std::sync::{Arc, OnceLock};
use system::OwnAddress;
use system::network::{self, OwnSocket, OwnStream, Probes};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Mutex;
use tokio_rustls::TlsConnector;

/// The bit of a client's or server's abilities that says TLS (`CLIENT_SSL`).
const CLIENT_SSL: u16 = 0x0800;
/// The part of the client's answer that is sent before TLS: abilities, packet size, character set, filler.
const REQUEST: usize = 32;
/// More than any packet before the first command.
const LARGEST: usize = 1 << 20;

/// The near end.
pub(super) struct Tunnel {
    /// Where the driver connects to.
    pub(super) address: OwnAddress,
    /// Why the far end is closed.
    refusal: Arc<OnceLock<DbError>>,
}

impl Drop for Tunnel {
    /// The driver is connected, or never will be: nobody else needs the name.
    fn drop(&mut self) {
        network::forget(&self.address);
    }
}

impl Tunnel {
    /// Why the server, or its certificate, was refused, or refused us.
    pub(super) fn refusal(&self) -> Option<DbError> {
        self.refusal.get().cloned()
    }
}

/// Connects to the server, and opens the socket for the driver. Runs inside the connection's runtime, which drives the
/// tunnel from then on.
pub(super) async fn open(target: &Arc<MySqlTarget>) -> Result<Tunnel, DbError> {
    let unreachable = |error: io::Error| DbError::new(ErrorKind::Unreachable, error.to_string());
    let own = |error: io::Error| {
        DbError::new(ErrorKind::Other, format!("cannot open a socket of our own: {error}"))
    };
    let config = tls::client_config(&wanted(target))?;
    let connector = TlsConnector::from(Arc::new(config));
    let server = TcpStream::connect((target.host.as_str(), target.port)).await.map_err(unreachable)?;
    prepare(&server).map_err(unreachable)?;
    let socket = random_name().and_then(|name| OwnSocket::open(&name)).map_err(own)?;
    let address = socket.address().clone();
    let refusal = Arc::new(OnceLock::new());
    let (target, told) = (Arc::clone(target), Arc::clone(&refusal));
    tokio::spawn(async move {
        let served = match socket.accept().await {
            Ok(driver) => serve(driver, server, &target, connector, &told).await,
            Err(error) => Err(own(error)),
        };
        if let Err(error) = served {
            // Nothing runs between the end of the sockets and this: the driver cannot be earlier.
            let _ = told.set(error);
        }
    });
    Ok(Tunnel { address, refusal })
}

/// What the URL says of TLS.
fn wanted(target: &MySqlTarget) -> Wanted<'_> {
    let named = |parameter, path| Named { parameter, path };
    let tls = target.tls.as_ref();
    let strict = tls.is_some_and(|tls| tls.accept == SslAccept::Strict);
    let identity = tls.and_then(|tls| Some((tls.identity.as_deref()?, tls.password.as_ref())));
    Wanted {
        verification: if strict { Verification::Full } else { Verification::None },
        root: tls.and_then(|tls| tls.root_certificate.as_deref()).map(|path| named("sslcert", path)),
        own: identity
            .map(|(path, password)| OwnCertificate::Single { file: named("sslidentity", path), password }),
        root_parameter: "sslcert",
    }
}

fn prepare(server: &TcpStream) -> io::Result<()> {
    server.set_nodelay(true)?;
    let idle = Keepalives::default().idle;
    network::keep_alive(server, Probes { enabled: true, idle, repeated: None })
}

/// A name that is not taken.
fn random_name() -> io::Result<String> {
    let mut bytes = [0; 16];
    let random = rustls::crypto::ring::default_provider().secure_random;
    random.fill(&mut bytes).map_err(|_| io::Error::other("no random numbers"))?;
    Ok(format!("cutover-{:032x}", u128::from_be_bytes(bytes)))
}

/// Carries everything to the server and back. Tells why it could not.
async fn serve(
    mut driver: OwnStream,
    mut server: TcpStream,
    target: &MySqlTarget,
    connector: TlsConnector,
    told: &OnceLock<DbError>,
) -> Result<(), DbError> {
    let lost = |error: io::Error| DbError::new(ErrorKind::Unreachable, error.to_string());
    let Some(greeting) = Packet::read(&mut server).await.map_err(lost)? else {
        return Err(lost(io::Error::other("the server closed the connection without a word")));
    };
    // What is no greeting (an error, another protocol) the driver has words for.
    let tls = greeting.offers_tls();
    greeting.write(&mut driver).await.map_err(lost)?;
    match tls {
        None => return Ok(()),
        Some(false) => return Err(no_tls()),
        Some(true) => {}
    }
    let Some(mut response) = Packet::read(&mut driver).await.map_err(lost)? else { return Ok(()) };
    response.ask_for_tls()?;
    response.start().write(&mut server).await.map_err(lost)?;
    let name = ServerName::try_from(target.host.clone())
        .map_err(|error| DbError::new(ErrorKind::Tls, format!("`{}`: {error}", target.host)))?;
    let wanted = wanted(target);
    let mut server = connector.connect(name, server).await.map_err(|error| tls::explain(&error, &wanted))?;
    response.number(1);
    response.write(&mut server).await.map_err(lost)?;
    let password = target.password.as_ref().filter(|_| network::OWN_SOCKETS_ARE_PORTS);
    carry(driver, server, &Told { wanted: &wanted, told, password }).await;
    Ok(())
}

/// What is told of a connection, and to the server in the driver's place.
struct Told<'t> {
    wanted: &'t Wanted<'t>,
    told: &'t OnceLock<DbError>,
    /// Where the driver cannot know that what it sends is encrypted, and would not send it.
    password: Option<&'t Secret>,
}

fn no_tls() -> DbError {
    let message = "Client asked for SSL but server does not have this capability";
    let mut failed = DbError::new(ErrorKind::Tls, message);
    NO_TLS.clone_into(&mut failed.code);
    failed.advice = Some(
        "Turn TLS on in the server (`ssl_cert`, `ssl_key`), or, on a network that you trust, remove the parameters \
         that begin with `ssl` from the URL; `cutover migrate status` tries it."
            .to_owned(),
    );
    failed
}

/// Both ways at once, until both have ended.
async fn carry(driver: OwnStream, server: tokio_rustls::client::TlsStream<TcpStream>, told: &Told<'_>) {
    let (mut from_server, to_server) = tokio::io::split(server);
    let (mut from_driver, mut to_driver) = driver.into_split();
    let to_server = Mutex::new(to_server);
    let outside = AtomicBool::new(true);
    // How much higher the numbers of packets are on the server's side.
    let ahead = AtomicI8::new(1);
    let up = async {
        while let Some(mut packet) = Packet::read(&mut from_driver).await? {
            // A command: the client was let in.
            let command = packet.bytes[3] == 0;
            if command {
                outside.store(false, Ordering::Relaxed);
            } else {
                packet.number(ahead.load(Ordering::Relaxed));
            }
            packet.write(&mut *to_server.lock().await).await?;
            if command {
                break;
            }
        }
        let mut to_server = to_server.lock().await;
        tokio::io::copy(&mut from_driver, &mut *to_server).await?;
        to_server.shutdown().await
    };
    let down = async {
        let mut answered = false;
        let ended = async {
            while let Some(mut packet) = Packet::read(&mut from_server).await? {
                let inside = !outside.load(Ordering::Relaxed);
                let asked = told.password.filter(|_| !inside && packet.asks_for_password());
                if let Some(password) = asked {
                    packet.answered_with(password).write(&mut *to_server.lock().await).await?;
                    ahead.fetch_add(2, Ordering::Relaxed);
                    continue;
                }
                if !inside {
                    packet.number(-ahead.load(Ordering::Relaxed));
                }
                packet.write(&mut to_driver).await?;
                answered = true;
                if inside {
                    break;
                }
            }
            tokio::io::copy(&mut from_server, &mut to_driver).await.map(drop)
        }
        .await;
        if !answered {
            // Told before the driver sees the end.
            let _ = refusal_of(&ended, told.wanted).map(|refusal| told.told.set(refusal));
        }
        to_driver.shutdown().await
    };
    // Each end sees how the other one has ended.
    let _ = futures_util::future::join(up, down).await;
}

/// What an end before the server's first word under TLS means. Later ones are the driver's to explain.
fn refusal_of(ended: &io::Result<()>, wanted: &Wanted<'_>) -> Option<DbError> {
    let alert = ended.as_ref().err().and_then(|error| tls::alert(error, wanted));
    alert.or_else(|| wanted.own.as_ref().map(tls::silent_refusal))
}

/// One packet with its header: three bytes of length, one with its number.
struct Packet {
    bytes: Vec<u8>,
}

impl Packet {
    /// None at the end of the stream.
    async fn read(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Self>> {
        let mut bytes = vec![0; 4];
        if from.read(&mut bytes[..1]).await? == 0 {
            return Ok(None);
        }
        from.read_exact(&mut bytes[1..]).await?;
        let length = usize::from(bytes[0]) | usize::from(bytes[1]) << 8 | usize::from(bytes[2]) << 16;
        if length > LARGEST {
            return Err(io::Error::new(io::ErrorKind::InvalidData, NOT_MYSQL));
        }
        bytes.resize(4 + length, 0);
        from.read_exact(&mut bytes[4..]).await?;
        Ok(Some(Self { bytes }))
    }

    async fn write(&self, to: &mut (impl AsyncWrite + Unpin)) -> io::Result<()> {
        to.write_all(&self.bytes).await?;
        to.flush().await
    }

    /// Adds to the packet's number, which goes round.
    fn number(&mut self, difference: i8) {
        self.bytes[3] = self.bytes[3].wrapping_add_signed(difference);
    }

    /// Whether a greeting's sender can do TLS; none if it is no greeting.
    fn offers_tls(&self) -> Option<bool> {
        let (version, rest) = self.bytes.get(4..)?.split_first()?;
        let end = rest.iter().position(|byte| *byte == 0)?;
        // The thread, half of the salt and a filler stand between version and abilities.
        let abilities = rest.get(end + 1 + 4 + 8 + 1..)?.first_chunk::<2>()?;
        (*version == 10).then(|| u16::from_le_bytes(*abilities) & CLIENT_SSL != 0)
    }

    /// Says in the client's answer that TLS is spoken.
    fn ask_for_tls(&mut self) -> Result<(), DbError> {
        if self.bytes.len() < 4 + REQUEST {
            return Err(DbError::new(ErrorKind::Other, "the driver speaks a protocol that is not known"));
        }
        let abilities = u16::from_le_bytes([self.bytes[4], self.bytes[5]]) | CLIENT_SSL;
        self.bytes[4..6].copy_from_slice(&abilities.to_le_bytes());
        Ok(())
    }

    /// Whether the server wants the password itself, since it has none of this user's in mind (`caching_sha2_password`).
    fn asks_for_password(&self) -> bool {
        self.bytes.get(4..) == Some(&[1, 4])
    }

    /// The password in clear text, as it is sent inside TLS.
    fn answered_with(&self, password: &Secret) -> Self {
        let password = password.expose().as_bytes();
        let length = (password.len() + 1).to_le_bytes();
        let mut bytes = vec![length[0], length[1], length[2], self.bytes[3].wrapping_add(1)];
        bytes.extend_from_slice(password);
        bytes.push(0);
        Self { bytes }
    }

    /// The packet that asks for TLS: the beginning of the client's answer.
    fn start(&self) -> Self {
        let mut bytes = vec![REQUEST as u8, 0, 0, self.bytes[3]];
        bytes.extend_from_slice(&self.bytes[4..4 + REQUEST]);
        Self { bytes }
    }
}

const NOT_MYSQL: &str = "what listens there does not answer as MySQL does";

#[cfg(test)]
mod tests {
    use super::{Packet, Secret};

    fn packet(payload: &[u8]) -> Packet {
        let mut bytes = vec![u8::try_from(payload.len()).unwrap(), 0, 0, 0];
        bytes.extend_from_slice(payload);
        Packet { bytes }
    }

    #[test]
    fn a_greeting_tells_whether_the_server_can_do_tls() {
        let greeting = |abilities: &[u8]| {
            packet(&[b"\x0a8.0.36\0", &[1, 0, 0, 0][..], b"saltsalt", &[0], abilities, &[33, 2, 0]].concat())
        };
        assert_eq!(greeting(&[0xff, 0xff]).offers_tls(), Some(true));
        assert_eq!(greeting(&[0xff, 0xf7]).offers_tls(), Some(false));
        assert_eq!(packet(b"\xff\x10\x04Too many connections").offers_tls(), None);
        assert_eq!(packet(b"").offers_tls(), None);
    }

    #[test]
    fn a_server_that_wants_the_password_itself_gets_it() {
        let mut asked = packet(&[1, 4]);
        asked.number(4);
        assert!(asked.asks_for_password());
        assert_eq!(asked.answered_with(&Secret::new("abc")).bytes, b"\x04\0\0\x05abc\0");
        assert!(!packet(&[1, 3]).asks_for_password() && !packet(&[1, 4, 0]).asks_for_password());
    }

    #[test]
    fn tls_is_asked_for_by_the_beginning_of_the_answer() {
        let mut answer = packet(&[&[0x85, 0xa6, 0xff, 0x01][..], &[0; 28], b"root\0"].concat());
        answer.number(1);
        answer.ask_for_tls().unwrap();
        let start = answer.start();
        assert_eq!(start.bytes[..8], [32, 0, 0, 1, 0x85, 0xae, 0xff, 0x01]);
        assert_eq!(start.bytes.len(), 36);
        answer.number(1);
        assert_eq!(answer.bytes[3], 2);
        assert!(packet(b"short").ask_for_tls().is_err());
    }
}
