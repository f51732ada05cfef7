//! Files: rights, identity, locks, room.

use std::fs::{File, OpenOptions};
use std::io::{Error, Result};
use std::os::windows::fs::OpenOptionsExt;
use std::path::Path;
use winapi_util::{Handle, file};

/// What a file is known by, whatever its names are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The volume that it is on.
    pub device: u64,
    /// Its number there.
    pub number: u64,
}

/// What the file is known by that this name leads to.
pub fn identity(path: &Path) -> Result<Identity> {
    let found = file::information(Handle::from_path_any(path)?)?;
    Ok(Identity { device: found.volume_serial_number(), number: found.file_index() })
}

/// `FILE_WRITE_DATA` of a file, `FILE_ADD_FILE` of a directory.
const WRITE: u32 = 2;
/// `FILE_FLAG_BACKUP_SEMANTICS`: without it no directory is opened.
const DIRECTORIES_TOO: u32 = 0x0200_0000;

/// Whether a file, or the names in a directory, may be changed: the system is asked for the right, and nothing is written.
pub fn may_write(path: &Path) -> bool {
    OpenOptions::new().access_mode(WRITE).custom_flags(DIRECTORIES_TOO).open(path).is_ok()
}

/// `FILE_SHARE_READ | FILE_SHARE_WRITE`.
const NOT_DELETED: u32 = 1 | 2;

/// Opens a file that is there to be locked, and makes it. Nobody can delete or move it while it is open.
pub fn open_lock_file(path: &Path) -> Result<File> {
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false).share_mode(NOT_DELETED).open(path)
}

/// Whether the name still leads to this file, opened by [`open_lock_file`]: it cannot lead elsewhere.
pub fn is_named(_: &File, _: &Path) -> Result<bool> {
    Ok(true)
}

/// `ERROR_INVALID_FUNCTION`, `ERROR_NOT_SUPPORTED`.
const NO_LOCKS: [i32; 2] = [1, 50];

/// Whether a lock was refused because the file system has none.
pub fn has_no_locks(error: &Error) -> bool {
    error.raw_os_error().is_some_and(|code| NO_LOCKS.contains(&code))
}

/// What the kernel's list of locks calls a file. None where there is no such list.
pub fn name_in_locks(_: &Path) -> Option<String> {
    None
}

/// Opens a directory, to be locked: which no directory can be here.
pub fn open_directory(path: &Path) -> Result<File> {
    OpenOptions::new().read(true).custom_flags(DIRECTORIES_TOO).open(path)
}

/// Makes a directory, and those above it. Who may read it is inherited from the one above.
pub fn private_directory(path: &Path) -> Result<()> {
    std::fs::create_dir_all(path)
}

/// Makes a file; one that is there is an error. Who may read it is inherited from its directory.
pub fn private_file(path: &Path) -> Result<File> {
    File::create_new(path)
}

/// How many bytes this user may still write there.
pub fn free_space(directory: &Path) -> Result<u64> {
    fs4::available_space(directory)
}
