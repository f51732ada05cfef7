//! What names a run.

use sha2::{Digest, Sha256};

/// A name for a run, made of the moment and the process: it need not be secret, and an empty container may have no
/// source of random numbers.
pub fn new_id() -> String {
    let moment = jiff::Timestamp::now().as_nanosecond();
    let digest = Sha256::digest(format!("cutover run {moment} {}", std::process::id()));
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    uuid::Uuid::new_v8(bytes).to_string()
}
