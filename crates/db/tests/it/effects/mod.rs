//! What a statement costs, as `sql::effect` says it, against what a real server shows.

mod cases;
mod mariadb;
mod sqlite;
