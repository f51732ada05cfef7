//! Answers to health checks over HTTP.
//!
//! `/livez` says that the process is there, `/readyz` whether what comes behind it may rely on the migrations. Both have the names that
//! Kubernetes gives them; nothing else is told there, least of all a secret.

use diagnostics::{Diagnostic, Failure, Result, codes};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener, ToSocketAddrs};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Whoever has not asked anything by then is let go.
const PATIENCE: Duration = Duration::from_secs(10);

/// The answers, which change while the process runs.
#[derive(Clone, Debug)]
pub(crate) struct Health(Arc<Mutex<std::result::Result<String, String>>>);

impl Health {
    /// Answers on `address` (`[HOST:]PORT`) from now on: alive, and not ready for this reason.
    ///
    /// # Errors
    /// C1008 for an address that cannot be listened on.
    pub(crate) fn serve(address: &str, not_ready: &str) -> Result<Self> {
        let refused = |cause: String| {
            Failure::new(
                Diagnostic::error(format!("health checks cannot be answered on `{address}`"))
                    .code(&codes::C1008)
                    .note(cause)
                    .help(codes::C1008.way_out),
            )
        };
        let listener = listen(address).map_err(refused)?;
        let health = Self(Arc::new(Mutex::new(Err(not_ready.to_owned()))));
        let shared = health.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| refused(error.to_string()))?;
        std::thread::Builder::new()
            .name("health".to_owned())
            .spawn(move || runtime.block_on(answer(listener, shared)))
            .map_err(|error| refused(error.to_string()))?;
        Ok(health)
    }

    /// From now on ready.
    pub(crate) fn ready(&self, text: &str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Ok(text.to_owned());
    }

    /// From now on not ready, for this reason.
    pub(crate) fn not_ready(&self, cause: &str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Err(cause.to_owned());
    }

    fn respond(&self, method: &Method, path: &str) -> (StatusCode, String) {
        if !matches!(*method, Method::GET | Method::HEAD) {
            return (StatusCode::METHOD_NOT_ALLOWED, "GET and HEAD are answered\n".to_owned());
        }
        match path {
            "/livez" | "/healthz" => (StatusCode::OK, "alive\n".to_owned()),
            "/readyz" | "/" => match &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
                Ok(text) => (StatusCode::OK, format!("ready: {text}\n")),
                Err(cause) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {cause}\n")),
            },
            _ => (StatusCode::NOT_FOUND, "/livez and /readyz are answered\n".to_owned()),
        }
    }
}

/// A port alone is one of every address of this machine.
fn listen(address: &str) -> std::result::Result<TcpListener, String> {
    let port = address.strip_prefix(':').unwrap_or(address).parse::<u16>();
    let bound = match port {
        // Where there is no IPv6, the other one does.
        Ok(port) => TcpListener::bind((Ipv6Addr::UNSPECIFIED, port))
            .or_else(|_| TcpListener::bind((Ipv4Addr::UNSPECIFIED, port))),
        Err(_) => {
            address.to_socket_addrs().and_then(|found| TcpListener::bind(&found.collect::<Vec<_>>()[..]))
        }
    };
    let listener = bound.map_err(|error| error.to_string())?;
    listener.set_nonblocking(true).map_err(|error| error.to_string())?;
    Ok(listener)
}

async fn answer(listener: TcpListener, health: Health) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // Too many open files, for instance: not for ever.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let health = health.clone();
        tokio::spawn(async move {
            let service = service_fn(move |request: Request<Incoming>| {
                let (status, text) = health.respond(request.method(), request.uri().path());
                let mut response = Response::new(Full::new(Bytes::from(text)));
                *response.status_mut() = status;
                let kind = HeaderValue::from_static("text/plain; charset=utf-8");
                response.headers_mut().insert(CONTENT_TYPE, kind);
                async move { Ok::<_, Infallible>(response) }
            });
            let mut server = http1::Builder::new();
            server.timer(TokioTimer::new()).header_read_timeout(PATIENCE);
            // A client that breaks off is no matter of ours.
            let _ = server.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_follow_what_is_known() {
        let health = Health(Arc::new(Mutex::new(Err("it begins".to_owned()))));
        let ask = |path: &str| health.respond(&Method::GET, path);
        assert_eq!(ask("/livez"), (StatusCode::OK, "alive\n".to_owned()));
        assert_eq!(ask("/readyz"), (StatusCode::SERVICE_UNAVAILABLE, "not ready: it begins\n".to_owned()));
        health.ready("3 migrations");
        assert_eq!(ask("/readyz").0, StatusCode::OK);
        health.not_ready("gone");
        assert_eq!(ask("/").0, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(ask("/metrics").0, StatusCode::NOT_FOUND);
        assert_eq!(health.respond(&Method::POST, "/livez").0, StatusCode::METHOD_NOT_ALLOWED);
    }
}
