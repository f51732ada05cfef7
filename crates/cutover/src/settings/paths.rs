//! Paths as people read them, and the nearest `package.json`.

use std::path::{Component, Path, PathBuf};

/// The path relative to the working directory, as the reference shows paths: with `..` where it lies outside,
/// and `/` between its parts.
pub(super) fn shown(current_dir: &Path, path: &Path) -> String {
    let (from, to) = (normal(current_dir), normal(&current_dir.join(path)));
    let (from, to): (Vec<_>, Vec<_>) = (from.components().collect(), to.components().collect());
    let common = from.iter().zip(&to).take_while(|(left, right)| left == right).count();
    let up = from[common..].iter().map(|_| "..".to_owned());
    let down = to[common..].iter().map(|part| part.as_os_str().to_string_lossy().into_owned());
    let parts: Vec<String> = up.chain(down).collect();
    if parts.is_empty() { ".".to_owned() } else { parts.join("/") }
}

/// The path without `.` and `..`, judged by its text alone.
pub(super) fn normal(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir
                if out.components().next_back().is_some_and(|last| matches!(last, Component::Normal(_))) =>
            {
                out.pop();
            }
            Component::ParentDir if out.has_root() => {}
            _ => out.push(part),
        }
    }
    out
}

/// The nearest `package.json` in the directory or above it.
pub(super) fn package_json(directory: &Path) -> Option<PathBuf> {
    directory.ancestors().map(|ancestor| ancestor.join("package.json")).find(|file| file.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_shown_relative_to_the_working_directory() {
        for (path, expected) in [
            ("prisma/schema.prisma", "prisma/schema.prisma"),
            ("./prisma/../schema.prisma", "schema.prisma"),
            ("/a/b/.env", ".env"),
            ("/a/.env", "../.env"),
            ("/x/y", "../../x/y"),
            ("/a/b", "."),
            ("../../../../z", "../../z"),
        ] {
            assert_eq!(shown(Path::new("/a/b"), Path::new(path)), expected, "{path}");
        }
    }
}
