//! The binary as it is released, and for which targets; where it is built.

use crate::root;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Static.
const FLAGS: &str = "-C target-feature=+crt-static";

/// What the loader moves is listed in short, which is half a megabyte less.
const LINUX_FLAGS: &str = " -C link-arg=-Wl,-z,pack-relative-relocs";

/// It stays under this many bytes.
pub(crate) const SIZE_LIMIT: u64 = 16_000_000;

/// A target that is released: the triple, and what npm calls system and machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    pub(crate) triple: &'static str,
    pub(crate) system: &'static str,
    pub(crate) machine: &'static str,
}

impl Target {
    const fn new(triple: &'static str, system: &'static str, machine: &'static str) -> Self {
        Self { triple, system, machine }
    }

    /// The binary's name there.
    pub(crate) fn binary(self) -> &'static str {
        if self.system == "win32" { "cutover.exe" } else { "cutover" }
    }
}

/// All that are released.
pub(crate) const TARGETS: [Target; 5] = [
    Target::new("x86_64-unknown-linux-gnu", "linux", "x64"),
    Target::new("aarch64-unknown-linux-gnu", "linux", "arm64"),
    Target::new("aarch64-apple-darwin", "darwin", "arm64"),
    Target::new("x86_64-apple-darwin", "darwin", "x64"),
    Target::new(WINDOWS, "win32", "x64"),
];

/// Windows, by the compiler that other systems have for it.
pub(crate) const WINDOWS: &str = "x86_64-pc-windows-gnu";

/// The target that this machine runs.
pub(crate) fn host() -> String {
    let system = match std::env::consts::OS {
        "macos" => "apple-darwin",
        "windows" => "pc-windows-gnu",
        _ => "unknown-linux-gnu",
    };
    format!("{}-{system}", std::env::consts::ARCH)
}

/// The target of this name.
pub(crate) fn target(triple: &str) -> Result<Target, String> {
    let named = TARGETS.into_iter().find(|target| target.triple == triple);
    named.ok_or_else(|| {
        format!("{triple} is not released; there are {}", TARGETS.map(|target| target.triple).join(", "))
    })
}

/// Builds it for this machine; its path.
pub(crate) fn build() -> Result<PathBuf, String> {
    build_for(target(&host())?)
}

/// Builds it for a target; its path. On Linux and Windows nothing beside it is needed: the C library is in it.
pub(crate) fn build_for(target: Target) -> Result<PathBuf, String> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo
        .current_dir(root())
        .args(["build", "--release", "--locked", "--package", "cutover", "--target", target.triple])
        .env("RUSTFLAGS", FLAGS.to_owned() + if target.triple.contains("linux") { LINUX_FLAGS } else { "" });
    let status = cargo.status().map_err(|error| format!("cannot run {cargo:?}: {error}"))?;
    if !status.success() {
        return Err(format!("the release build failed: {status}"));
    }
    Ok(target_folder().join(target.triple).join("release").join(target.binary()))
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
