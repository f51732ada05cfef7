//! The binary as it is released, static, for this machine's architecture; and where it is built.

use crate::root;
use std::path::{Path, PathBuf};
use std::process::Command;

/// It stays under this many bytes.
pub(crate) const SIZE_LIMIT: u64 = 16_000_000;

/// Builds it for this machine; its path.
pub(crate) fn build() -> Result<PathBuf, String> {
    build_for(&format!("{}-unknown-linux-gnu", std::env::consts::ARCH))
}

/// Builds it for a target; its path.
pub(crate) fn build_for(target: &str) -> Result<PathBuf, String> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .current_dir(root())
        .args(["build", "--release", "--locked", "--package", "cutover", "--target", target])
        .env("RUSTFLAGS", "-C target-feature=+crt-static");
    let status = cargo.status().map_err(|error| format!("cannot run {cargo:?}: {error}"))?;
    if !status.success() {
        return Err(format!("the release build failed: {status}"));
    }
    Ok(target_folder().join(target).join("release/cutover"))
}

/// Where cargo puts what it builds.
pub(crate) fn target_folder() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// How many bytes it has.
pub(crate) fn size(binary: &Path) -> Result<u64, String> {
    let metadata = std::fs::metadata(binary).map_err(|error| format!("{}: {error}", binary.display()))?;
    Ok(metadata.len())
}
