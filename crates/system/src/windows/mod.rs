//! Windows.

pub mod application;
pub mod files;
pub mod network;
pub mod processes;
pub mod signals;
