//! `cargo xtask dist`: what is released. For one target: the binary (static on Linux) with its manual and completions in an archive; those
//! are made by this machine's own build where the target is another. With
//! `--finish`, once the archives of all targets lie in `target/dist`: checksums, what the binary is made of, the packages for npm, the
//! formula for Homebrew.

use crate::release::{self, TARGETS, Target};
use crate::root;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// The arguments of `cargo xtask dist`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The target; this machine's unless given
    #[arg(long)]
    target: Option<String>,
    /// Make what belongs to all targets, from the archives that are there
    #[arg(long)]
    finish: bool,
}

type Done<T> = Result<T, String>;

/// Everything for this machine's target.
pub(crate) fn make() -> Done<()> {
    for arguments in [Arguments { target: None, finish: false }, Arguments { target: None, finish: true }] {
        run(&arguments)?;
    }
    Ok(())
}

/// Makes it.
pub(crate) fn run(arguments: &Arguments) -> crate::Result {
    let dist = dist();
    fs::create_dir_all(&dist).map_err(told)?;
    if arguments.finish {
        finish(&dist)?;
    } else {
        let own = release::host();
        archive(&dist, release::target(arguments.target.as_deref().unwrap_or(&own))?)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Where it lies.
pub(crate) fn dist() -> PathBuf {
    root().join("target/dist")
}

fn told(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn succeed(command: &mut Command) -> Done<()> {
    let status = command.status().map_err(|error| format!("cannot run {command:?}: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{command:?}: {status}")) }
}

/// The name of a target's archive.
fn archive_of(target: Target) -> String {
    format!("cutover-{}.tar.gz", target.triple)
}

/// GNU's tar, which can make the same archive of the same input; on macOS it has a name of its own.
fn tar() -> Command {
    Command::new(if std::env::consts::OS == "macos" { "gtar" } else { "tar" })
}

/// A binary that runs here.
fn that_runs(binary: &Path, target: Target) -> Done<PathBuf> {
    if target.triple == release::host() {
        return Ok(binary.to_owned());
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    succeed(Command::new(cargo).current_dir(root()).args(["build", "--locked", "--package", "cutover"]))?;
    Ok(release::target_folder().join("debug").join(release::target(&release::host())?.binary()))
}

fn archive(dist: &Path, target: Target) -> Done<()> {
    let binary = release::build_for(target)?;
    let runs = that_runs(&binary, target)?;
    let work = dist.join(format!("work-{}", target.triple));
    fs::create_dir_all(work.join("completions")).map_err(told)?;
    fs::copy(&binary, work.join(target.binary())).map_err(told)?;
    for file in ["LICENSE-APACHE", "LICENSE-MIT", "README.md", "CHANGELOG.md"] {
        fs::copy(root().join(file), work.join(file)).map_err(told)?;
    }
    succeed(Command::new(&runs).arg("man").arg(work.join("man")))?;
    let shells = [
        ("bash", "cutover.bash"),
        ("zsh", "_cutover"),
        ("fish", "cutover.fish"),
        ("powershell", "cutover.ps1"),
    ];
    for (shell, file) in shells {
        let output = Command::new(&runs).args(["completions", shell]).output().map_err(told)?;
        fs::write(work.join("completions").join(file), output.stdout).map_err(told)?;
    }
    let name = archive_of(target);
    // The same input makes the same archive.
    succeed(
        tar()
            .args(["--sort=name", "--owner=0", "--group=0", "--numeric-owner", "--mtime=@0", "-czf"])
            .arg(dist.join(&name))
            .arg("-C")
            .arg(&work)
            .args([
                target.binary(),
                "LICENSE-APACHE",
                "LICENSE-MIT",
                "README.md",
                "CHANGELOG.md",
                "man",
                "completions",
            ]),
    )?;
    fs::remove_dir_all(&work).map_err(told)?;
    println!("{name}: {} bytes, the binary {}", size(&dist.join(&name))?, size(&binary)?);
    Ok(())
}

fn size(path: &Path) -> Done<u64> {
    release::size(path)
}

fn finish(dist: &Path) -> Done<()> {
    let version = env!("CARGO_PKG_VERSION");
    let there: Vec<_> =
        TARGETS.into_iter().filter(|target| dist.join(archive_of(*target)).exists()).collect();
    if there.is_empty() {
        return Err("no archive is there: `cargo xtask dist` makes one".to_owned());
    }
    fs::copy(root().join("packaging/install.sh"), dist.join("install.sh")).map_err(told)?;
    let materials = serde_json::to_string_pretty(&bill_of_materials(version)?).map_err(told)?;
    fs::write(dist.join(format!("cutover-{version}.cdx.json")), materials + "\n").map_err(told)?;
    let mut formula = fs::read_to_string(root().join("packaging/homebrew.rb.in")).map_err(told)?;
    formula = formula.replace("@VERSION@", version);
    let mut sums = String::new();
    for target in &there {
        let name = archive_of(*target);
        let sum = checksum(&dist.join(&name))?;
        formula = formula.replace(&format!("@SHA256_{}@", target.triple), &sum);
        sums.push_str(&format!("{sum}  {name}\n"));
    }
    for name in [format!("cutover-{version}.cdx.json"), "install.sh".to_owned()] {
        sums.push_str(&format!("{}  {name}\n", checksum(&dist.join(&name))?));
    }
    fs::write(dist.join("SHA256SUMS"), sums).map_err(told)?;
    fs::write(dist.join("cutover.rb"), formula).map_err(told)?;
    npm(dist, &there, version)
}

fn checksum(path: &Path) -> Done<String> {
    let bytes = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect())
}

/// CycloneDX: every package that is linked on one of the targets, with its licence.
fn bill_of_materials(version: &str) -> Done<Value> {
    let mut components = BTreeMap::new();
    for target in TARGETS {
        for package in linked(target)? {
            let (name, version) = (&package["name"], &package["version"]);
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let purl = format!("pkg:cargo/{}@{}", text(name), text(version));
            let licences = json!([{ "expression": package["license"] }]);
            let component = json!({ "type": "library", "name": name, "version": version, "purl": purl, "licenses": licences });
            components.insert(purl, component);
        }
    }
    println!("bill of materials: {} packages", components.len());
    let components: Vec<Value> = components.into_values().collect();
    Ok(json!({
        "bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
        "metadata": { "component": { "type": "application", "name": "cutover", "version": version } },
        "components": components,
    }))
}

/// The packages that are linked on a target.
fn linked(target: Target) -> Done<Vec<Value>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    // One at a time: several at once make cargo fail.
    let output = Command::new(cargo)
        .current_dir(root())
        .args(["metadata", "--format-version", "1", "--locked", "--filter-platform", target.triple])
        .output()
        .map_err(told)?;
    if !output.status.success() {
        return Err(format!("cargo metadata: {}", String::from_utf8_lossy(&output.stderr)));
    }
    let metadata: Value = serde_json::from_slice(&output.stdout).map_err(told)?;
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let nodes = list(&metadata["resolve"]["nodes"]);
    let packages = list(&metadata["packages"]);
    let own = packages.iter().find(|package| package["name"] == "cutover").and_then(|own| own["id"].as_str());
    // What tests and build scripts need is not in the binary.
    let mut linked: Vec<String> = own.map(str::to_owned).into_iter().collect();
    let mut next = 0;
    while let Some(id) = linked.get(next).cloned() {
        next += 1;
        let node = nodes.iter().find(|node| node["id"] == id.as_str());
        for dependency in node.map(|node| list(&node["deps"])).unwrap_or_default() {
            let normal = list(&dependency["dep_kinds"]).iter().any(|kind| kind["kind"].is_null());
            let id = dependency["pkg"].as_str().unwrap_or_default().to_owned();
            if normal && !linked.contains(&id) {
                linked.push(id);
            }
        }
    }
    let by_id = |id: &String| packages.iter().find(|package| package["id"] == id.as_str()).cloned();
    Ok(linked.iter().skip(1).filter_map(by_id).collect())
}

/// A package for each platform, and the one that names them all.
fn npm(dist: &Path, there: &[Target], version: &str) -> Done<()> {
    let packed = dist.join("npm");
    fs::create_dir_all(&packed).map_err(told)?;
    let source = root().join("packaging/npm");
    let main: Value = serde_json::from_str(&fs::read_to_string(source.join("package.json")).map_err(told)?)
        .map_err(told)?;
    let mut optional = serde_json::Map::new();
    for target in there {
        let (system, machine) = (target.system, target.machine);
        let name = format!("@cutover-dev/cutover-{system}-{machine}");
        let work = packed.join(format!("work-{system}-{machine}"));
        fs::create_dir_all(work.join("bin")).map_err(told)?;
        let archive = dist.join(archive_of(*target));
        succeed(tar().arg("-xzf").arg(archive).arg("-C").arg(work.join("bin")).arg(target.binary()))?;
        let package = json!({
            "name": name, "version": version, "description": format!("cutover for {system} {machine}"),
            "license": main["license"], "repository": main["repository"],
            "os": [system], "cpu": [machine], "files": ["bin"],
        });
        pack(&work, &package, &packed.join(format!("cutover-{system}-{machine}.tgz")))?;
        optional.insert(name, version.into());
    }
    let work = packed.join("work");
    fs::create_dir_all(work.join("bin")).map_err(told)?;
    fs::copy(source.join("bin/cutover.js"), work.join("bin/cutover.js")).map_err(told)?;
    fs::copy(root().join("README.md"), work.join("README.md")).map_err(told)?;
    let mut package = main;
    package["version"] = version.into();
    package["optionalDependencies"] = Value::Object(optional);
    pack(&work, &package, &packed.join("cutover.tgz"))
}

fn pack(work: &Path, package: &Value, to: &Path) -> Done<()> {
    fs::write(work.join("package.json"), serde_json::to_string_pretty(package).map_err(told)? + "\n")
        .map_err(told)?;
    let output = Command::new("npm").args(["pack", "--silent"]).current_dir(work).output();
    let output = output.map_err(|error| format!("npm makes these packages, and cannot be run: {error}"))?;
    if !output.status.success() {
        return Err(format!("npm pack: {}", String::from_utf8_lossy(&output.stderr)));
    }
    let name = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    fs::rename(work.join(&name), to).map_err(|error| format!("{name}: {error}"))?;
    fs::remove_dir_all(work).map_err(told)?;
    println!("{}: {} bytes", to.display(), size(to)?);
    Ok(())
}
