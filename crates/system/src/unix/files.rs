//! Files: rights, identity, locks, room.

use rustix::fs::Access;
use rustix::io::Errno;
use std::fs::{DirBuilder, File, Metadata, OpenOptions};
use std::io::{Error, Result};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

/// What a file is known by, whatever its names are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The file system that it is on.
    pub device: u64,
    /// Its number there.
    pub number: u64,
}

impl From<&Metadata> for Identity {
    fn from(metadata: &Metadata) -> Self {
        Self { device: metadata.dev(), number: metadata.ino() }
    }
}

/// What the file is known by that this name leads to.
pub fn identity(path: &Path) -> Result<Identity> {
    std::fs::metadata(path).map(|found| Identity::from(&found))
}

/// Whether a file, or the names in a directory, may be changed.
pub fn may_write(path: &Path) -> bool {
    rustix::fs::access(path, Access::WRITE_OK).is_ok()
}

/// Opens a file that is there to be locked, and makes it.
pub fn open_lock_file(path: &Path) -> Result<File> {
    File::options().read(true).write(true).create(true).truncate(false).open(path)
}

/// Whether the name still leads to this file.
pub fn is_named(file: &File, path: &Path) -> Result<bool> {
    let (here, there) = (rustix::fs::fstat(file)?, rustix::fs::stat(path)?);
    Ok((here.st_dev, here.st_ino) == (there.st_dev, there.st_ino))
}

/// Whether a lock was refused because the file system has none.
pub fn has_no_locks(error: &Error) -> bool {
    let code = error.raw_os_error();
    [Errno::NOLCK, Errno::OPNOTSUPP, Errno::NOSYS].iter().any(|errno| code == Some(errno.raw_os_error()))
}

/// What the kernel's list of locks calls a file. None where there is no such list.
#[cfg(target_os = "linux")]
pub fn name_in_locks(path: &Path) -> Option<String> {
    let file = rustix::fs::stat(path).ok()?;
    let (major, minor) = (rustix::fs::major(file.st_dev), rustix::fs::minor(file.st_dev));
    Some(format!("{major:02x}:{minor:02x}:{}", file.st_ino))
}

/// What the kernel's list of locks calls a file. None where there is no such list.
#[cfg(not(target_os = "linux"))]
pub fn name_in_locks(_: &Path) -> Option<String> {
    None
}

/// Opens a directory, to be locked.
pub fn open_directory(path: &Path) -> Result<File> {
    File::open(path)
}

/// Makes a directory, and those above it, for nobody but this user.
pub fn private_directory(path: &Path) -> Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Makes a file for nobody but this user; one that is there is an error.
pub fn private_file(path: &Path) -> Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)
}

/// How many bytes this user may still write there.
pub fn free_space(directory: &Path) -> Result<u64> {
    let found = rustix::fs::statvfs(directory)?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}
