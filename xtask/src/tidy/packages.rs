//! Checks of packages: which room knows which, who names drivers, what must not be in the tree.

use super::licence;
use super::metadata::Metadata;

/// The rooms, and what each may depend on. Nothing depends to the right.
const ARROWS: [(&str, &[&str]); 7] = [
    ("diagnostics", &[]),
    ("system", &[]),
    ("psl", &["diagnostics"]),
    ("sql", &["diagnostics"]),
    ("db", &["diagnostics", "system", "sql"]),
    ("ops", &["diagnostics", "system", "sql", "db"]),
    ("cutover", &["diagnostics", "system", "psl", "sql", "db", "ops"]),
];

/// Packages that are no part of the product and may depend on what they like.
const FREE: [&str; 3] = ["testkit", "xtask", "oracle"];

/// Crates that open connections: only `db` names them.
const DRIVERS: [&str; 7] = [
    "libsqlite3-sys",
    "mysql_async",
    "postgres",
    "postgres-protocol",
    "rusqlite",
    "tokio-postgres",
    "tokio-postgres-rustls",
];

/// Crates that must not be in the tree at all, and why.
const BANNED: [(&str, &str); 5] = [
    ("aws-lc-rs", "the one rustls provider is ring"),
    ("aws-lc-sys", "the one rustls provider is ring"),
    ("native-tls", "TLS is rustls alone"),
    ("openssl", "the binary links no OpenSSL"),
    ("openssl-sys", "the binary links no OpenSSL"),
];

const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Rooms depend only on rooms to their left; tests may use `testkit` as well.
pub(crate) fn arrows(metadata: &Metadata) -> Vec<String> {
    let mut wrong = Vec::new();
    let members: Vec<&str> = metadata.members().map(|package| package.name.as_str()).collect();
    for package in metadata.members().filter(|package| !FREE.contains(&package.name.as_str())) {
        let name = &package.name;
        let Some((_, allowed)) = ARROWS.iter().find(|(room, _)| room == name) else {
            wrong.push(format!("package {name} is not in the table of rooms (ARROWS in xtask/src/tidy/packages.rs); add it with what it may depend on"));
            continue;
        };
        for dependency in &package.dependencies {
            let other = dependency.name.as_str();
            let for_tests = dependency.kind.as_deref() == Some("dev") && other == "testkit";
            if members.contains(&other) && !allowed.contains(&other) && !for_tests {
                wrong.push(format!(
                    "package {name} depends on {other}, which it must not know; allowed are {allowed:?}"
                ));
            }
        }
    }
    wrong
}

/// Only `db` opens connections.
pub(crate) fn drivers(metadata: &Metadata) -> Vec<String> {
    let others =
        metadata.members().filter(|package| package.name != "db" && !FREE.contains(&package.name.as_str()));
    others
        .flat_map(|package| {
            package.dependencies.iter().map(move |dependency| (&package.name, &dependency.name))
        })
        .filter(|(_, dependency)| DRIVERS.contains(&dependency.as_str()))
        .map(|(name, driver)| format!("package {name} names the driver {driver}; only db opens connections"))
        .collect()
}

/// Crates that must not be there, not even indirectly.
pub(crate) fn banned(metadata: &Metadata) -> Vec<String> {
    let found =
        metadata.packages.iter().filter_map(|package| BANNED.iter().find(|(name, _)| *name == package.name));
    found
        .map(|(name, reason)| {
            format!("{name} is among the dependencies: {reason}; `cargo tree -i {name}` shows who brings it")
        })
        .collect()
}

/// Dependencies come under licences that ask for nothing but their text.
pub(crate) fn licences(metadata: &Metadata) -> Vec<String> {
    let refused = metadata.packages.iter().filter(|package| {
        !metadata.is_member(package) && !package.license.as_deref().is_some_and(licence::is_accepted)
    });
    refused
        .map(|package| {
            let licence = package.license.as_deref().unwrap_or("none given");
            format!("{} {} has a licence that is not accepted: {licence}", package.name, package.version)
        })
        .collect()
}

/// Dependencies come from the default registry, and our own packages are members of the workspace.
pub(crate) fn sources(metadata: &Metadata) -> Vec<String> {
    let strangers = metadata
        .packages
        .iter()
        .filter(|package| !metadata.is_member(package) && package.source.as_deref() != Some(REGISTRY));
    strangers
        .map(|package| {
            let source = package.source.as_deref().unwrap_or("a folder outside of the workspace");
            format!("{} {} comes from {source}, not from the default registry", package.name, package.version)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// A member of the workspace with dependencies given as `(name, kind)`.
    fn member(name: &str, dependencies: &[(&str, Option<&str>)]) -> Value {
        let dependencies: Vec<Value> =
            dependencies.iter().map(|(name, kind)| json!({ "name": name, "kind": kind })).collect();
        json!({ "id": name, "name": name, "version": "0.1.0", "license": "MIT", "source": null, "dependencies": dependencies })
    }

    fn stranger(name: &str, license: Option<&str>, source: Option<&str>) -> Value {
        json!({ "id": format!("{name} id"), "name": name, "version": "1.0.0", "license": license, "source": source, "dependencies": [] })
    }

    fn metadata(members: &[Value], strangers: &[Value]) -> Metadata {
        let ids: Vec<&Value> = members.iter().map(|package| &package["id"]).collect();
        let packages: Vec<&Value> = members.iter().chain(strangers).collect();
        let text = json!({ "packages": packages, "workspace_members": ids }).to_string();
        Metadata::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn an_arrow_to_the_right_is_refused() {
        let good = [
            member("diagnostics", &[("serde", None)]),
            member("db", &[("diagnostics", None), ("sql", None), ("testkit", Some("dev"))]),
            member("sql", &[]),
            member("testkit", &[("db", None)]),
        ];
        assert_eq!(arrows(&metadata(&good, &[])), Vec::<String>::new());
        let bad = [
            member("diagnostics", &[("sql", None)]),
            member("sql", &[("db", Some("dev"))]),
            member("db", &[("testkit", None)]),
            member("testkit", &[]),
            member("newcomer", &[]),
        ];
        let wrong = arrows(&metadata(&bad, &[]));
        assert_eq!(wrong.len(), 4, "{wrong:?}");
        for (sentence, start) in wrong.iter().zip([
            "package diagnostics depends on sql",
            "package sql depends on db",
            "package db depends on testkit",
            "package newcomer is not in the table",
        ]) {
            assert!(sentence.starts_with(start), "{sentence}");
        }
    }

    #[test]
    fn a_driver_outside_of_db_is_refused() {
        let members = [
            member("db", &[("rusqlite", None)]),
            member("testkit", &[("rusqlite", None)]),
            member("ops", &[("tokio-postgres", Some("dev"))]),
        ];
        let wrong = drivers(&metadata(&members, &[]));
        assert_eq!(wrong, ["package ops names the driver tokio-postgres; only db opens connections"]);
    }

    #[test]
    fn a_second_crypto_library_is_refused() {
        let strangers = [
            stranger("ring", Some("MIT"), Some(REGISTRY)),
            stranger("aws-lc-sys", Some("MIT"), Some(REGISTRY)),
        ];
        let wrong = banned(&metadata(&[], &strangers));
        assert!(wrong.len() == 1 && wrong[0].starts_with("aws-lc-sys is among"), "{wrong:?}");
    }

    #[test]
    fn licences_and_sources_are_looked_at() {
        let strangers = [
            stranger("fine", Some("MIT OR Apache-2.0"), Some(REGISTRY)),
            stranger("viral", Some("GPL-3.0-only"), Some(REGISTRY)),
            stranger("silent", None, Some(REGISTRY)),
            stranger("forked", Some("MIT"), Some("git+https://example.com/forked")),
            stranger("beside", Some("MIT"), None),
        ];
        let metadata = metadata(&[member("sql", &[])], &strangers);
        assert_eq!(
            licences(&metadata),
            [
                "viral 1.0.0 has a licence that is not accepted: GPL-3.0-only",
                "silent 1.0.0 has a licence that is not accepted: none given"
            ]
        );
        assert_eq!(
            sources(&metadata),
            [
                "forked 1.0.0 comes from git+https://example.com/forked, not from the default registry",
                "beside 1.0.0 comes from a folder outside of the workspace, not from the default registry"
            ]
        );
    }
}
