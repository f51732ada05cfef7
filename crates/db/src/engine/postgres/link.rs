//! The way to a server: TCP or a Unix socket, TLS or not, and the driver's connection on top of it.
//!
//! TLS is negotiated here and not by the driver, for two reasons: `sslmode=prefer` and `allow` need a second
//! try on a new connection, as libpq makes it; and the [`Observer`] must sit above TLS.

use super::observer::{Observed, Observer};
use crate::engine::tls::{self, Named, OwnCertificate, Wanted};
use crate::error::NO_TLS;
use crate::target::{Address, Keepalives, PostgresTarget, SslMode};
use crate::{DbError, ErrorKind};
use std::future::{Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll};
use system::network::{self, LocalStream, Probes};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio_postgres::{Client, Config, Connection};
use tokio_postgres_rustls::MakeRustlsConnect;

type Encrypted = <MakeRustlsConnect as MakeTlsConnect<TcpStream>>::Stream;

/// A stream to a server.
pub(super) enum Link {
    Tcp(TcpStream),
    Unix(LocalStream),
    Tls(Box<Encrypted>),
}

macro_rules! delegate {
    ($self:ident, $stream:ident => $call:expr) => {
        match $self.get_mut() {
            Link::Tcp($stream) => $call,
            Link::Unix($stream) => $call,
            Link::Tls(boxed) => {
                let $stream = boxed.as_mut();
                $call
            }
        }
    };
}

impl AsyncRead for Link {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        delegate!(self, stream => Pin::new(stream).poll_read(context, buffer))
    }
}

impl AsyncWrite for Link {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        delegate!(self, stream => Pin::new(stream).poll_write(context, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        delegate!(self, stream => Pin::new(stream).poll_flush(context))
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        delegate!(self, stream => Pin::new(stream).poll_shutdown(context))
    }
}

/// A stream that is encrypted already, as the driver wants to see it.
pub(super) struct Negotiated {
    stream: Observed<Link>,
}

impl AsyncRead for Negotiated {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Negotiated {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl TlsStream for Negotiated {
    fn channel_binding(&self) -> ChannelBinding {
        match self.stream.inner() {
            Link::Tls(encrypted) => encrypted.channel_binding(),
            Link::Tcp(_) | Link::Unix(_) => ChannelBinding::none(),
        }
    }
}

/// Tells the driver that TLS is there already.
pub(super) struct AlreadyNegotiated;

impl TlsConnect<Observed<Link>> for AlreadyNegotiated {
    type Stream = Negotiated;
    type Error = std::io::Error;
    type Future = Ready<Result<Negotiated, std::io::Error>>;

    fn connect(self, stream: Observed<Link>) -> Self::Future {
        ready(Ok(Negotiated { stream }))
    }
}

/// The driver's connection over our stream.
pub(super) type Driver = Connection<Observed<Link>, Negotiated>;

/// How far a try came, so that `prefer` and `allow` know whether another one may help.
pub(super) struct Refused {
    pub(super) error: DbError,
    /// The server was spoken to: the refusal is the server's, not the network's.
    pub(super) by_server: bool,
}

/// Connects to one address, in the order of encryption that the `sslmode` asks for.
pub(super) async fn connect(
    target: &PostgresTarget,
    address: &Address,
    config: &Config,
    observer: &Observer,
) -> Result<(Client, Driver), DbError> {
    // A socket is never encrypted; libpq ignores sslmode there.
    let order: &[bool] = match (address, target.ssl_mode) {
        (Address::Unix { .. }, _) | (_, SslMode::Disable) => &[false],
        (_, SslMode::Allow) => &[false, true],
        (_, SslMode::Prefer) => &[true, false],
        (_, SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull) => &[true],
    };
    let mut first: Option<DbError> = None;
    for &encrypt in order {
        let refused = match connect_once(target, address, config, observer, encrypt).await {
            Ok(connected) => return Ok(connected),
            Err(refused) => refused,
        };
        let try_other = refused.by_server && retry_other_way(&refused.error, encrypt, target);
        // "No TLS here" only sent us the other way; what is said there is the answer.
        first = match first {
            Some(earlier) if earlier.code != NO_TLS => Some(earlier),
            _ => Some(refused.error),
        };
        if !try_other {
            break;
        }
    }
    Err(first.unwrap_or_else(|| DbError::new(ErrorKind::Unreachable, "no way to connect")))
}

/// libpq tries the other way after the server has no TLS, and after any refusal during authentication
/// (`hostssl`/`hostnossl` lines). With a check of certificates there is no other way: falling back to clear
/// text because a certificate is wrong is what the check is there to prevent.
fn retry_other_way(error: &DbError, encrypted: bool, target: &PostgresTarget) -> bool {
    if encrypted && target.verification() != crate::target::Verification::None {
        return error.kind == ErrorKind::Tls && error.code == NO_TLS && target.ssl_mode == SslMode::Prefer;
    }
    matches!(error.kind, ErrorKind::Tls | ErrorKind::Authentication | ErrorKind::AccessDenied)
}

async fn connect_once(
    target: &PostgresTarget,
    address: &Address,
    config: &Config,
    observer: &Observer,
    encrypt: bool,
) -> Result<(Client, Driver), Refused> {
    let work = async {
        let network = |error| Refused { error, by_server: false };
        let link = open(address, target.keepalives).await.map_err(network)?;
        let link = if encrypt { negotiate(target, address, link).await? } else { link };
        // Told "no TLS here", this was the clear-text try already.
        let other_way = encrypt == matches!(link, Link::Tls(_));
        let encrypted = matches!(link, Link::Tls(_));
        let mut config = config.clone();
        if encrypted {
            config.ssl_mode(tokio_postgres::config::SslMode::Require);
            config.ssl_negotiation(tokio_postgres::config::SslNegotiation::Direct);
        } else {
            config.ssl_mode(tokio_postgres::config::SslMode::Disable);
        }
        let stream = Observed::new(link, observer.clone());
        config
            .connect_raw(stream, AlreadyNegotiated)
            .await
            .map_err(|error| Refused { error: refusal(&error, encrypted, target), by_server: other_way })
    };
    match target.connect_timeout {
        Some(limit) => tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
            let message = format!("no answer within {} s (connect_timeout)", limit.as_secs());
            Err(Refused { error: DbError::new(ErrorKind::Unreachable, message), by_server: false })
        }),
        None => work.await,
    }
}

/// Bytes that may wait in the system for being sent: seconds on the slowest line.
const SEND_BUFFER: usize = 128 * 1024;

/// Opens the socket with keepalive: a NAT gateway forgets a connection that is idle for some minutes.
pub(super) async fn open(address: &Address, keepalives: Keepalives) -> Result<Link, DbError> {
    let unreachable = |error: std::io::Error| DbError::new(ErrorKind::Unreachable, error.to_string());
    match address {
        Address::Tcp { host, port } => {
            let stream = TcpStream::connect((host.as_str(), *port)).await.map_err(unreachable)?;
            stream.set_nodelay(true).map_err(unreachable)?;
            network::keep_alive(&stream, probes(keepalives)).map_err(unreachable)?;
            // What the system has taken says nothing of a slow line; what it takes next does.
            network::limit_unsent(&stream, SEND_BUFFER).map_err(unreachable)?;
            Ok(Link::Tcp(stream))
        }
        Address::Unix { directory, port } => {
            let path = directory.join(format!(".s.PGSQL.{port}"));
            let stream = network::connect_local(&path).await.map_err(unreachable)?;
            Ok(Link::Unix(stream))
        }
    }
}

fn probes(wanted: Keepalives) -> Probes {
    let repeated = Some((wanted.interval, wanted.count));
    Probes { enabled: wanted.enabled, idle: wanted.idle, repeated }
}

/// Asks the server for TLS and makes the handshake. A server without TLS is spoken to in clear text where that will
/// do (`prefer`).
pub(super) async fn negotiate(
    target: &PostgresTarget,
    address: &Address,
    link: Link,
) -> Result<Link, Refused> {
    let server = |error| Refused { error, by_server: true };
    let tls_error = |message: String| server(DbError::new(ErrorKind::Tls, message));
    // A server that is going down resets: it may come back, and says nothing of TLS.
    let broken = |error: std::io::Error| {
        if error.kind() == std::io::ErrorKind::ConnectionReset {
            return Refused {
                error: DbError::new(ErrorKind::Unreachable, error.to_string()),
                by_server: false,
            };
        }
        tls_error(error.to_string())
    };
    let (Link::Tcp(mut stream), Address::Tcp { host, .. }) = (link, address) else {
        return Err(tls_error("TLS over this kind of socket".to_owned()));
    };
    // SSLRequest: length 8, code 80877103.
    stream.write_all(&[0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]).await.map_err(broken)?;
    let mut answer = [0];
    stream.read_exact(&mut answer).await.map_err(broken)?;
    if answer[0] == b'N' && target.ssl_mode == SslMode::Prefer {
        // The server waits for the start-up packet on this very connection.
        return Ok(Link::Tcp(stream));
    }
    if !matches!(answer[0], b'S' | b'N' | b'E') {
        return Err(server(DbError::new(ErrorKind::Unreachable, super::convert::NOT_POSTGRES)));
    }
    if answer[0] != b'S' {
        let mut error =
            DbError::new(ErrorKind::Tls, "error performing TLS handshake: server does not support TLS");
        error.code = NO_TLS.to_owned();
        return Err(server(error));
    }
    // Only now: reading the system's certificates costs more than everything else here. A file of ours that cannot be
    // read is no reason to go on in clear text.
    let wanted = wanted(target);
    let mut config = tls::client_config(&wanted).map_err(|error| Refused { error, by_server: false })?;
    config.alpn_protocols = vec![b"postgresql".to_vec()];
    let mut connector = MakeRustlsConnect::new(config);
    let connect = MakeTlsConnect::<TcpStream>::make_tls_connect(&mut connector, host)
        .unwrap_or_else(|never| match never {});
    let encrypted = connect.connect(stream).await.map_err(|error| server(tls::explain(&error, &wanted)))?;
    Ok(Link::Tls(Box::new(encrypted)))
}

/// What the URL says of TLS.
fn wanted(target: &PostgresTarget) -> Wanted<'_> {
    let named = |parameter, path| Named { parameter, path };
    let single = target.ssl_identity.as_deref().map(|path| OwnCertificate::Single {
        file: named("sslidentity", path),
        password: target.ssl_password.as_ref(),
    });
    let pair = target.client_certificate.as_deref().zip(target.client_key.as_deref());
    Wanted {
        verification: target.verification(),
        root: target.root_certificate.as_deref().map(|path| named(target.root_parameter, path)),
        own: single.or(pair.map(|(certificate, key)| OwnCertificate::Pair {
            certificate: named("sslcert", certificate),
            key: named("sslkey", key),
        })),
        root_parameter: target.root_parameter,
    }
}

/// Why the server did not let us in. In TLS 1.3 it looks at the client's certificate only after the handshake, and
/// where its alert crosses our first message, the alert is lost and the end of the connection is all that is seen.
fn refusal(error: &tokio_postgres::Error, encrypted: bool, target: &PostgresTarget) -> DbError {
    if !encrypted {
        return super::convert::connect_error(error);
    }
    let wanted = wanted(target);
    if let Some(alert) = tls::alert(error, &wanted) {
        return alert;
    }
    let converted = super::convert::connect_error(error);
    match wanted.own {
        Some(own) if converted.kind == ErrorKind::Unreachable => tls::silent_refusal(&own),
        _ => converted,
    }
}
