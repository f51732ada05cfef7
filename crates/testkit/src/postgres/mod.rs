//! PostgreSQL: throwaway servers, databases in them, sessions that hold locks.
//!
//! Needs the server's own programs (`initdb`, `postgres`, `psql`); `scripts/install-test-servers.sh`
//! installs them. Two variables steer it: `CUTOVER_TEST_POSTGRES`, the URL of a server to use instead of
//! starting one (set by `cargo xtask test`; a parameter `host` names the socket folder), and
//! `CUTOVER_TEST_POSTGRES_BIN`, the folder of the programs to use.

mod cluster;
mod database;
mod programs;
mod server;
mod session;
mod snapshot;
mod tls;

pub use database::{APPLICATION_ROLE, Database};
pub use programs::psql_program;
pub use server::{Server, server};
pub use session::Session;
pub use tls::Certificates;
