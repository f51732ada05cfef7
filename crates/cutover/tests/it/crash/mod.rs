//! The crash matrix: whatever is killed, cut or stopped at whatever moment, the database ends as if nothing had
//! happened, after at most one more deploy.

mod mariadb;
mod postgres;
mod sqlite;
