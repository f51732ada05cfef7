//! Cancelling a statement from another thread.
//!
//! `pg_cancel_backend` on a second connection, because its answer proves that the signal was sent. Where no
//! second connection can be had (all taken), the protocol's cancel request, read to end of file: a pooler that
//! sees its client close first loses the request or worse (PgBouncer 1.18 ends).

use super::conn::PostgresConn;
use super::link::{self, AlreadyNegotiated};
use super::observer::{Observed, Observer};
use crate::conn::{Cancel, Conn};
use crate::target::{Address, PostgresTarget};
use crate::{DbError, ErrorKind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio_postgres::CancelToken;

/// Bounds one protocol-level request.
const REQUEST_LIMIT: Duration = Duration::from_secs(5);

pub(super) struct Canceller {
    target: Arc<PostgresTarget>,
    address: Address,
    process: Option<i32>,
    token: Option<CancelToken>,
    side: Mutex<Option<PostgresConn>>,
}

impl Canceller {
    pub(super) fn new(
        target: Arc<PostgresTarget>,
        address: Address,
        process: Option<i32>,
        token: Option<CancelToken>,
    ) -> Self {
        Self { target, address, process, token, side: Mutex::new(None) }
    }

    fn request(&self) -> Result<(), DbError> {
        let Some(token) = self.token.clone() else {
            return Err(DbError::new(
                ErrorKind::ConnectionLost,
                "nothing to cancel: the connection is closed",
            ));
        };
        let encrypted = token_is_encrypted(&self.target, &self.address);
        super::runtime()?.block_on(async {
            let work = async {
                let link = link::open(&self.address, self.target.keepalives).await?;
                let link = if encrypted {
                    let negotiated = link::negotiate(&self.target, &self.address, link).await;
                    negotiated.map_err(|refused| refused.error)?
                } else {
                    link
                };
                let stream = Observed::new(link, Observer::default());
                token
                    .cancel_query_raw(stream, AlreadyNegotiated)
                    .await
                    .map_err(|error| DbError::new(ErrorKind::Unreachable, error.to_string()))
            };
            tokio::time::timeout(REQUEST_LIMIT, work)
                .await
                .unwrap_or_else(|_| Err(DbError::new(ErrorKind::Timeout, "the cancel request was not taken")))
        })
    }
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
            Some(conn) => conn.execute(&format!("SELECT pg_catalog.pg_cancel_backend({process})")),
            None => self.request(),
        }
    }
}
