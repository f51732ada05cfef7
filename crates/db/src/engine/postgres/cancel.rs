//! Cancelling a statement from another thread.
//!
//! `pg_cancel_backend` on a second connection, because its answer proves that the signal was sent. Where no
//! second connection can be had (all taken), or sessions are shared, so that nobody knows the process, the protocol's
//! cancel request. It is sent here and not by the driver, which closes its side at once: a pooler that sees its client
//! close first loses the request or worse (PgBouncer 1.18 ends). So the answer, which is the end of the stream, is awaited.

use super::conn::PostgresConn;
use super::link;
use super::observer::Key;
use crate::conn::{Cancel, Conn, ask_to_cancel};
use crate::target::{Address, PostgresTarget};
use crate::{DbError, ErrorKind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Bounds one protocol-level request.
const REQUEST_LIMIT: Duration = Duration::from_secs(5);

pub(super) struct Canceller {
    target: Arc<PostgresTarget>,
    address: Address,
    process: Option<i32>,
    key: Option<Key>,
    side: Mutex<Option<PostgresConn>>,
}

impl Canceller {
    pub(super) fn new(
        target: Arc<PostgresTarget>,
        address: Address,
        process: Option<i32>,
        key: Option<Key>,
    ) -> Self {
        Self { target, address, process, key, side: Mutex::new(None) }
    }

    fn request(&self) -> Result<(), DbError> {
        let Some(Key(key)) = &self.key else {
            return Err(DbError::new(
                ErrorKind::ConnectionLost,
                "nothing to cancel: the connection is closed",
            ));
        };
        let encrypted = token_is_encrypted(&self.target, &self.address);
        super::runtime()?.block_on(async {
            let work = async {
                let link = link::open(&self.address, self.target.keepalives).await?;
                let mut link = if encrypted {
                    let negotiated = link::negotiate(&self.target, &self.address, link).await;
                    negotiated.map_err(|refused| refused.error)?
                } else {
                    link
                };
                let failed = |error: std::io::Error| DbError::new(ErrorKind::Unreachable, error.to_string());
                link.write_all(&message(key)).await.map_err(failed)?;
                link.flush().await.map_err(failed)?;
                // The request is done when the other side closes, in whatever way.
                let _ = link.read_to_end(&mut Vec::new()).await;
                Ok(())
            };
            tokio::time::timeout(REQUEST_LIMIT, work)
                .await
                .unwrap_or_else(|_| Err(DbError::new(ErrorKind::Timeout, "the cancel request was not taken")))
        })
    }
}

/// CancelRequest: its length, code 80877102, process and secret.
fn message(key: &[u8]) -> Vec<u8> {
    let length = u32::try_from(key.len() + 8).unwrap_or_default();
    [&length.to_be_bytes()[..], &80_877_102_u32.to_be_bytes(), key].concat()
}

/// Whether the request goes over TLS. With `prefer` the connection may be either; the server takes the request
/// in clear text from everybody, and it holds nothing but a key that is used up.
fn token_is_encrypted(target: &PostgresTarget, address: &Address) -> bool {
    use crate::target::SslMode;
    matches!(address, Address::Tcp { .. })
        && matches!(target.ssl_mode, SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull)
}

impl Cancel for Canceller {
    fn cancel(&self) -> Result<(), DbError> {
        let Some(process) = self.process else { return self.request() };
        let mut side = self.side.lock().unwrap_or_else(PoisonError::into_inner);
        if side.as_ref().is_none_or(Conn::poisoned) {
            let renewed = self.target.renewed().map(Arc::new);
            *side = match renewed.and_then(|target| super::connect_address(&target, &self.address)) {
                Ok(conn) => Some(conn),
                Err(_) => return self.request(),
            };
        }
        match side.as_mut() {
            Some(conn) => ask_to_cancel(conn, &format!("SELECT pg_catalog.pg_cancel_backend({process})")),
            None => self.request(),
        }
    }
}
