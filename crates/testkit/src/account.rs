//! The user that servers run as: PostgreSQL refuses to run as root.

use std::fs;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// A user of this machine without privileges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Account {
    uid: u32,
    gid: u32,
}

impl Account {
    /// The first of `names` that `/etc/passwd` knows when this process is root; `None` when it is not
    /// root, and servers may run as the user who runs the tests.
    pub(crate) fn for_servers(names: &[&str]) -> Option<Self> {
        if !rustix::process::geteuid().is_root() {
            return None;
        }
        let passwd = fs::read_to_string("/etc/passwd").expect("/etc/passwd is readable");
        let found = names.iter().find_map(|name| Self::parse(&passwd, name));
        Some(found.unwrap_or_else(|| {
            panic!("the tests run as root and none of the users {names:?} exists to run a server as; create one or run the tests as another user")
        }))
    }

    fn parse(passwd: &str, name: &str) -> Option<Self> {
        passwd.lines().find_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            let [found, _, uid, gid, ..] = fields[..] else { return None };
            if found != name {
                return None;
            }
            Some(Self { uid: uid.parse().ok()?, gid: gid.parse().ok()? })
        })
    }

    /// The user id that files of a server have.
    pub(crate) fn uid_of(account: Option<Self>) -> u32 {
        account.map_or_else(|| rustix::process::geteuid().as_raw(), |account| account.uid)
    }

    /// Makes `command` run as this account.
    pub(crate) fn apply(account: Option<Self>, command: &mut Command) {
        if let Some(account) = account {
            command.uid(account.uid).gid(account.gid);
        }
    }

    /// Gives `path` to this account.
    pub(crate) fn give(account: Option<Self>, path: &Path) {
        if let Some(account) = account {
            chown(path, Some(account.uid), Some(account.gid))
                .unwrap_or_else(|error| panic!("cannot give {} to a server: {error}", path.display()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_ids_from_passwd_lines() {
        let passwd = "root:x:0:0:root:/root:/bin/bash\npostgres:x:101:104:a,b:/var/lib:/bin/sh\n";
        assert_eq!(Account::parse(passwd, "postgres"), Some(Account { uid: 101, gid: 104 }));
        assert_eq!(Account::parse(passwd, "post"), None);
    }
}
