//! Writing a file as a whole: what is killed, or finds the disk full, leaves what was there before.

use std::fs::{self, File};
use std::io::{Error, ErrorKind, Result, Write as _};
use std::path::{Path, PathBuf};

/// Writes a file as a whole or not at all: it is written beside its place and moved there. `replace`: over one that is there.
///
/// # Errors
/// [`ErrorKind::AlreadyExists`] for a file that is there and stays; what the file system says.
pub fn whole_file(path: &Path, text: &str, replace: bool) -> Result<()> {
    if !replace && path.symlink_metadata().is_ok() {
        return Err(Error::from(ErrorKind::AlreadyExists));
    }
    // Behind a link is the file; a pipe or a device is written to, and never replaced.
    let path = &fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let former = fs::metadata(path).ok();
    if former.as_ref().is_some_and(|found| !found.is_file()) {
        return fs::write(path, text);
    }
    let beside = beside(path);
    let mode = former.map(|found| found.permissions());
    let written = File::create(&beside).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        if let Some(mode) = mode {
            file.set_permissions(mode)?;
        }
        // A name that is there before what it names is, after a loss of power, that of an empty file.
        file.sync_all()
    });
    let moved = written.and_then(|()| if replace { fs::rename(&beside, path) } else { link(&beside, path) });
    if moved.is_err() {
        // Best effort: the reason is told.
        let _ = fs::remove_file(&beside);
    }
    moved
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.to_owned().into_os_string();
    name.push(format!(".{}.tmp", std::process::id()));
    name.into()
}

/// Moves to a name that nobody may have taken meanwhile.
fn link(beside: &Path, path: &Path) -> Result<()> {
    match fs::hard_link(beside, path) {
        Ok(()) => fs::remove_file(beside),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(error),
        // Not every file system has links; that the name is free was seen a moment ago.
        Err(_) => fs::rename(beside, path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_be_written_leaves_the_former_one() {
        let directory = std::env::temp_dir().join(format!("cutover-whole-{}", std::process::id()));
        fs::create_dir_all(directory.join("taken")).unwrap();
        let path = directory.join("plan.json");
        whole_file(&path, "former", false).unwrap();
        assert_eq!(whole_file(&path, "new", false).unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!(link(&path, &path).unwrap_err().kind(), ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&path).unwrap(), "former");
        whole_file(&path, "new", true).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert!(whole_file(&directory.join("nowhere/plan.json"), "x", true).is_err());
        assert!(whole_file(&directory.join("taken"), "x", true).is_err());
        let names = fs::read_dir(&directory).unwrap().count();
        fs::remove_dir_all(&directory).unwrap();
        assert_eq!(names, 2, "nothing is left beside them");
    }

    #[test]
    fn what_is_behind_a_link_is_written_with_its_mode() {
        use std::os::unix::fs::{PermissionsExt as _, symlink};
        let directory = std::env::temp_dir().join(format!("cutover-linked-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let (path, linked) = (directory.join("file"), directory.join("linked"));
        fs::write(&path, "former").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        symlink(&path, &linked).unwrap();
        whole_file(&linked, "new", true).unwrap();
        let (text, mode) =
            (fs::read_to_string(&path).unwrap(), path.metadata().unwrap().permissions().mode());
        let is_link = linked.symlink_metadata().unwrap().is_symlink();
        fs::remove_dir_all(&directory).unwrap();
        assert_eq!((text.as_str(), mode & 0o777, is_link), ("new", 0o640, true));
    }
}
