//! A plan that can be kept: what was found, what it rests on, what will run. `cutover plan --out` writes it as JSON, and a
//! deploy that is given it runs what stands in it or nothing ([`moved`]).

use super::forecast::Forecast;
use super::{PlannedMigration, decide::Limit};
use crate::migrations::{self, Folder};
use db::history::History;
use diagnostics::{Diagnostic, Failure, Provider, codes, render::json::Json};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use sql::PartKind;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

/// The newest version of the format that this program writes and reads.
pub const VERSION: u32 = 1;

/// What a deploy would do, and what that rests on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plan {
    /// The version of this format.
    pub version: u32,
    /// The version of the program that made it.
    pub cutover: String,
    /// When it was made: RFC 3339.
    pub at: String,
    /// The database.
    pub target: Identity,
    /// What it rests on.
    pub base: Base,
    /// What will run, in order.
    pub migrations: Vec<Forecast>,
    /// What a person should know beside it.
    #[serde(default, skip_deserializing)]
    pub findings: Vec<Json>,
}

/// Which database it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The product, as the server names and numbers itself.
    pub version: String,
    /// Where: `host:port`; SQLite: the file's name as the URL gives it.
    pub location: String,
    /// The database.
    pub database: String,
    /// The schema that holds the history (PostgreSQL).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// What tells the server from others: PostgreSQL's system identifier, MySQL's `server_uuid`. None where it is not shown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// What the server says of its own place: PostgreSQL's port and timeline, MySQL's host and port, the whole path of a SQLite
    /// file. A copy of the server has the same identifier, and another place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<String>,
    /// When the server was started (PostgreSQL): tells two addresses of one server from those of a server and its copy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started: Option<String>,
    /// The server is a standby: it shows what a deploy on its primary would do.
    #[serde(default)]
    pub standby: bool,
}

/// All that a plan rests on. What of it is another at the deploy is told by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Base {
    /// The migrations of the directory, in order, with the checksums of their files; empty for a file that is missing. Ways back
    /// stand among them as `name/down.sql`.
    pub files: Vec<(String, String)>,
    /// The rows of the history by name: what each says, in one hash.
    pub history: BTreeMap<String, String>,
    /// Every object of the database with the hash of its definition; none where the database does not exist.
    pub objects: Option<BTreeMap<String, String>>,
    /// The server's version as it numbers itself.
    pub server_version: u32,
    /// The role that looked.
    pub role: String,
    /// Settings of the session that decide what statements do.
    pub settings: BTreeMap<String, String>,
    /// `--to`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// `--count`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<usize>,
    /// `--reapply`.
    #[serde(default)]
    pub reapply: bool,
    /// `--keep-dropped`, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep_dropped: Option<u64>,
}

/// The refusal of a plan that does not hold any more, for these reasons.
pub(crate) fn refusal(moved: Vec<String>) -> Failure {
    let told = Diagnostic::error("the plan does not hold any more, and nothing was run").code(&codes::C2024);
    let told = moved.into_iter().fold(told, Diagnostic::note);
    Failure::new(told.help(codes::C2024.way_out))
}

/// A short hash, enough to see that something is another.
pub(crate) fn short_hash(text: &str) -> String {
    Sha256::digest(text).iter().take(8).fold(String::with_capacity(16), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

impl Base {
    /// The directory.
    pub fn with_files(mut self, folder: &Folder) -> Self {
        let up = folder
            .migrations
            .iter()
            .map(|migration| (migration.name.clone(), migration.checksum().unwrap_or_default().to_owned()));
        let down = folder.migrations.iter().filter_map(|migration| {
            let held = match migrations::down(folder, &migration.name) {
                Ok(source) => short_hash(source?.text()),
                // Whoever needs it is told why; here it is another file than one that is not there.
                Err(_) => "cannot be read".to_owned(),
            };
            Some((format!("{}/{}", migration.name, migrations::DOWN_FILE), held))
        });
        self.files = up.chain(down).collect();
        self
    }

    /// The history.
    pub fn with_history(mut self, history: &History) -> Self {
        let mut said: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for row in &history.rows {
            let state = match (row.is_applied(), row.rolled_back_at) {
                (true, _) => format!("applied {}", row.checksum),
                (false, Some(_)) => format!("taken back {}", row.id),
                // Its id too: begun again is something else.
                (false, None) => format!("{} {}", row.id, row.logs.as_deref().unwrap_or_default()),
            };
            said.entry(row.migration_name.clone()).or_default().push(state);
        }
        let hashed = |(name, mut rows): (String, Vec<String>)| {
            rows.sort();
            (name, short_hash(&rows.join("\n")))
        };
        self.history = said.into_iter().map(hashed).collect();
        self
    }

    /// The database's objects.
    pub fn with_objects(mut self, snapshot: &sql::Snapshot) -> Self {
        let mut snapshot = snapshot.clone();
        for definition in snapshot.objects.values_mut() {
            // By which index a table was clustered last says in which order its rows lie, and no statement does another thing for it.
            definition.parts.retain(|part, _| part.kind != PartKind::Setting || part.name != "cluster");
        }
        let mut texts = snapshot.canonical_objects();
        // The order of columns decides what an INSERT without a list does.
        for (object, definition) in &snapshot.objects {
            if let Some(text) = texts.get_mut(&object.to_string()) {
                text.extend(definition.columns.iter().flat_map(|column| [column.name.as_str(), "\n"]));
            }
        }
        self.objects = Some(texts.into_iter().map(|(object, text)| (object, short_hash(&text))).collect());
        self
    }

    /// Which of the pending migrations.
    pub fn with_limit(mut self, limit: &Limit) -> Self {
        (self.to, self.count, self.reapply) = (limit.to.clone(), limit.count, limit.reapply);
        self
    }

    /// For how long what is dropped is kept.
    pub fn with_kept(mut self, keep_dropped: Option<Duration>) -> Self {
        self.keep_dropped = keep_dropped.map(|time| time.as_secs());
        self
    }

    /// The migrations that were asked for.
    pub fn limit(&self) -> Limit {
        Limit { to: self.to.clone(), count: self.count, reapply: self.reapply }
    }
}

/// What of the directory is another than when the plan was made.
pub fn moved_files(plan: &Plan, base: &Base) -> Vec<String> {
    let mut found = Vec::new();
    let pairs = |files: &[(String, String)]| files.iter().cloned().collect::<BTreeMap<_, _>>();
    compared("migration", "in the directory", (&pairs(&plan.base.files), &pairs(&base.files)), &mut found);
    found
}

/// A database that was made for the plan, as one that does not exist.
pub(crate) fn as_absent(plan: &Plan, target: Identity, base: Base) -> (Identity, Base) {
    let then = plan.base.clone();
    let target = Identity { server: None, place: None, started: None, ..target };
    let base = Base {
        objects: None,
        server_version: then.server_version,
        role: then.role,
        settings: then.settings,
        ..base
    };
    (target, base)
}

/// What the plan rests on and is another now, one line each; empty: it holds. `planned` is what would run now. Where the plan was
/// made for a database that did not exist, `base` has none of what comes with one.
pub fn moved(plan: &Plan, target: &Identity, base: &Base, planned: &[PlannedMigration]) -> Vec<String> {
    let mut found = Vec::new();
    another_database(&plan.target, target, &mut found);
    let then = &plan.base;
    found.extend(moved_files(plan, base));
    compared("migration", "in the history", (&then.history, &base.history), &mut found);
    if let (Some(then), Some(now)) = (&then.objects, &base.objects) {
        compared("", "in the database", (then, now), &mut found);
    } else if then.objects.is_some() != base.objects.is_some() {
        found.push("the database exists now, and did not when the plan was made".to_owned());
    }
    if then.server_version != base.server_version {
        found.push(format!(
            "the server's version was {}, and is {}",
            then.server_version, base.server_version
        ));
    }
    if then.role != base.role {
        found.push(format!("the role was `{}`, and is `{}`", then.role, base.role));
    }
    compared("setting", "of the session", (&then.settings, &base.settings), &mut found);
    if found.is_empty() {
        let names = |all: Vec<&str>| all.join(", ");
        let (then, now) = (
            names(plan.migrations.iter().map(|forecast| forecast.name.as_str()).collect()),
            names(planned.iter().map(|migration| migration.name.as_str()).collect()),
        );
        if then != now {
            found.push(format!("the plan runs {then}, and this deploy would run {now}"));
        }
        let other = plan.migrations.iter().zip(planned).find(|(then, now)| !then.says(now));
        if let Some((then, _)) = other {
            found.push(format!(
                "the plan shows other statements of migration `{}` than its file has",
                then.name
            ));
        }
        let other = plan.migrations.iter().zip(planned).find(|(then, now)| !then.is_cut_like(now));
        if let Some((then, _)) = other {
            found.push(format!(
                "migration `{}` is cut into other transactions: the plan was made by cutover {}",
                then.name, plan.cutover
            ));
        }
    }
    found
}

/// Where some of what the plan has is applied, just as it has it: that the plan was begun before, and not finished. What has moved
/// then may be its own doing, which nobody can tell from that of others.
pub(crate) fn begun(plan: &Plan, history: &History) -> Option<String> {
    let applied = |forecast: &&Forecast| {
        history.rows_of(&forecast.name).any(|row| row.is_applied() && row.checksum == forecast.checksum)
    };
    let names: Vec<String> =
        plan.migrations.iter().filter(applied).map(|forecast| format!("`{}`", forecast.name)).collect();
    let verb = if names.len() == 1 { "is" } else { "are" };
    (!names.is_empty()).then(|| {
        format!(
            "the plan was begun before, and not finished: {} {verb} applied; make a plan of the rest",
            names.join(", ")
        )
    })
}

/// Why nothing left to run does not mean that the plan was carried out, one line each: here it was not.
pub(crate) fn unfulfilled(plan: &Plan, target: &Identity, history: &History) -> Vec<String> {
    let mut found = Vec::new();
    another_database(&plan.target, target, &mut found);
    for forecast in &plan.migrations {
        let applied = history.rows_of(&forecast.name).find(|row| row.is_applied());
        let what = match applied {
            None => "is not applied, and this deploy would not run it",
            Some(row) if row.checksum != forecast.checksum => {
                "was applied by another file than the plan shows"
            }
            Some(_) => continue,
        };
        found.push(format!("migration `{}` {what}", forecast.name));
    }
    found
}

fn another_database(then: &Identity, now: &Identity, found: &mut Vec<String>) {
    let elsewhere = matches!((&then.place, &now.place), (Some(then), Some(now)) if then != now)
        || is_another_process(then, now);
    let differs = match (&then.server, &now.server) {
        (Some(then), Some(now)) => then != now || elsewhere,
        _ if then.place.is_some() && now.place.is_some() => elsewhere,
        // A pooler or an address of another kind leads to the same server: only a name tells then.
        _ => then.location != now.location,
    };
    if differs || then.database != now.database || then.schema != now.schema {
        let name = |identity: &Identity| {
            let schema = identity.schema.as_deref().map(|name| format!(", schema {name}"));
            format!("{} at {}{}", identity.database, identity.location, schema.unwrap_or_default())
        };
        found.push(format!("it is another database: the plan is for {}, this is {}", name(then), name(now)));
    }
}

/// Whether another address leads to another server. A copy of a server may have its port, and its timeline too; that it was
/// started at the same moment it may not. By the same address it is the same server, which may have been started again.
fn is_another_process(then: &Identity, now: &Identity) -> bool {
    // What a standby shows is for its primary, which has another address.
    let asked = then.location != now.location && !then.standby;
    asked && matches!((&then.started, &now.started), (Some(then), Some(now)) if then != now)
}

/// Adds a line for each name that came, went or changed.
fn compared(
    what: &str,
    place: &str,
    (then, now): (&BTreeMap<String, String>, &BTreeMap<String, String>),
    found: &mut Vec<String>,
) {
    let names: BTreeSet<&String> = then.keys().chain(now.keys()).collect();
    for name in names {
        let subject = if what.is_empty() { name.clone() } else { format!("{what} `{name}`") };
        match (then.get(name), now.get(name)) {
            (None, Some(_)) => found.push(format!("{subject} is new {place}")),
            (Some(_), None) => found.push(format!("{subject} is gone {place}")),
            (Some(then), Some(now)) if then != now && what == "setting" => {
                // The value of one that an application has made up is kept as a hash, which says nothing.
                let values = format!("was `{then}`, and is `{now}`");
                let moved = if name.contains('.') { "has changed" } else { values.as_str() };
                found.push(format!("{subject} {place} {moved}"));
            }
            (Some(then), Some(now)) if then != now => found.push(format!("{subject} has changed {place}")),
            _ => {}
        }
    }
}

impl Plan {
    /// Reads a plan.
    ///
    /// # Errors
    /// Why the text is no plan that this program reads.
    pub fn read(text: &str) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Head {
            version: u32,
        }
        let head: Head = serde_json::from_str(text).map_err(|error| format!("it is no plan: {error}"))?;
        if head.version != VERSION {
            let age = if head.version > VERSION { "a newer" } else { "another" };
            return Err(format!(
                "it is of {age} cutover (format {}, this one reads {VERSION})",
                head.version
            ));
        }
        serde_json::from_str(text).map_err(|error| format!("it is no plan: {error}"))
    }

    /// The names of the migrations that will run.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.migrations.iter().map(|forecast| forecast.name.as_str())
    }
}

/// The name of a provider's product, for the identity of a database that does not exist yet.
pub(crate) fn product(provider: Provider) -> &'static str {
    match provider {
        Provider::PostgreSql => "PostgreSQL",
        Provider::MySql => "MySQL",
        Provider::Sqlite => "SQLite",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn base() -> Base {
        let map = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        Base {
            files: vec![("1_a".to_owned(), "x".to_owned()), ("2_b".to_owned(), "y".to_owned())],
            history: map(&[("1_a", "applied")]),
            objects: Some(map(&[("table public.a", "1")])),
            server_version: 150_018,
            role: "app".to_owned(),
            settings: map(&[("TimeZone", "UTC"), ("app.tenant", "01ab")]),
            to: None,
            count: None,
            reapply: false,
            keep_dropped: None,
        }
    }

    fn identity() -> Identity {
        Identity {
            version: "PostgreSQL 15".to_owned(),
            location: "db:5432".to_owned(),
            database: "shop".to_owned(),
            schema: Some("public".to_owned()),
            server: Some("7".to_owned()),
            place: Some("5432, timeline 1".to_owned()),
            started: Some("noon".to_owned()),
            standby: false,
        }
    }

    #[test]
    fn every_kind_of_movement_is_told_by_name() {
        let plan = Plan {
            version: VERSION,
            cutover: "0".to_owned(),
            at: String::new(),
            target: identity(),
            base: base(),
            migrations: Vec::new(),
            findings: Vec::new(),
        };
        let of = |change: &dyn Fn(&mut Identity, &mut Base)| {
            let (mut identity, mut base) = (identity(), base());
            change(&mut identity, &mut base);
            moved(&plan, &identity, &base, &[])
        };
        assert!(of(&|_, _| {}).is_empty());
        // The same server by another address is the same.
        assert!(of(&|identity, _| identity.location = "10.0.0.1:6432".to_owned()).is_empty());
        // So is one that was started again.
        assert!(of(&|identity, _| identity.started = Some("one".to_owned())).is_empty());
        type Movement<'m> = &'m dyn Fn(&mut Identity, &mut Base);
        let cases: [(Movement<'_>, &str); 13] = [
            (&|_, base| base.files[1].1 = "z".to_owned(), "migration `2_b` has changed in the directory"),
            (&|_, base| drop(base.files.pop()), "migration `2_b` is gone in the directory"),
            (
                &|_, base| base.files.push(("3_c".to_owned(), "c".to_owned())),
                "migration `3_c` is new in the directory",
            ),
            (
                &|_, base| drop(base.history.insert("2_b".to_owned(), "applied".to_owned())),
                "migration `2_b` is new in the history",
            ),
            (&|_, base| base.history.clear(), "migration `1_a` is gone in the history"),
            (
                &|_, base| {
                    drop(base.objects.as_mut().unwrap().insert("table public.a".to_owned(), "2".to_owned()))
                },
                "table public.a has changed in the database",
            ),
            (&|_, base| base.server_version = 160_000, "the server's version was 150018, and is 160000"),
            (&|_, base| base.role = "root".to_owned(), "the role was `app`, and is `root`"),
            (
                &|_, base| drop(base.settings.insert("TimeZone".to_owned(), "PST".to_owned())),
                "setting `TimeZone` of the session was `UTC`, and is `PST`",
            ),
            (
                &|_, base| drop(base.settings.insert("app.tenant".to_owned(), "fe9b".to_owned())),
                "setting `app.tenant` of the session has changed",
            ),
            (
                // A copy with the same port.
                &|identity, _| {
                    identity.location = "other:5432".to_owned();
                    identity.started = Some("one".to_owned());
                },
                "it is another database: the plan is for shop at db:5432, schema public, this is shop at other:5432, schema public",
            ),
            (
                &|identity, _| identity.place = Some("5432, timeline 2".to_owned()),
                "it is another database: the plan is for shop at db:5432, schema public, this is shop at db:5432, schema public",
            ),
            (
                &|identity, _| identity.server = Some("8".to_owned()),
                "it is another database: the plan is for shop at db:5432, schema public, this is shop at db:5432, schema public",
            ),
        ];
        for (change, line) in cases {
            assert_eq!(of(change), [line]);
        }
    }

    #[test]
    fn what_is_no_plan_is_told() {
        assert!(Plan::read("{").unwrap_err().contains("no plan"));
        assert!(Plan::read("{\"version\": 99}").unwrap_err().contains("newer cutover"));
    }
}
