//! Tests of whole projects in temporary directories.

use super::*;
use std::path::Path;
use tempfile::TempDir;

/// A directory with files in it, and what a command would find there.
struct Project {
    directory: TempDir,
    arguments: Arguments,
    variables: BTreeMap<String, String>,
    current_dir: PathBuf,
}

/// What a command found, or why it did not.
struct Found {
    settings: Result<Given>,
    told: Told,
    root: PathBuf,
}

impl Project {
    fn new(files: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = directory.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let current_dir = directory.path().to_owned();
        Self { directory, arguments: Arguments::default(), variables: BTreeMap::new(), current_dir }
    }

    fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    fn schema(mut self, path: &str) -> Self {
        self.arguments.schema = Some(PathBuf::from(path));
        self
    }

    fn url(mut self, url: &str) -> Self {
        self.arguments.url = Some(Secret::new(url));
        self
    }

    fn migrations(mut self, path: &str) -> Self {
        self.arguments.migrations = Some(PathBuf::from(path));
        self
    }

    fn inside(mut self, path: &str) -> Self {
        self.current_dir = self.directory.path().join(path);
        std::fs::create_dir_all(&self.current_dir).unwrap();
        self
    }

    fn read(self) -> Found {
        let surroundings = Surroundings { variables: self.variables, current_dir: self.current_dir };
        let mut told = Told::default();
        let settings = read(&surroundings, &self.arguments, &mut told)
            .and_then(|given| project::url_of(&given).map(|_| ()).map(|()| given));
        Found { settings, told, root: self.directory.path().to_owned() }
    }
}

impl Found {
    fn settings(&self) -> &Given {
        self.settings.as_ref().unwrap()
    }

    /// URL and origin.
    fn url(&self) -> (&str, String) {
        let url = self.settings().url.chosen().unwrap();
        (url.value.url.expose(), url.origin.to_string())
    }

    fn target(&self) -> Result<(db::target::Target, Vec<Diagnostic>)> {
        project::target_of(self.settings().url.chosen().unwrap())
    }

    /// The migrations directory, relative to the project.
    fn migrations(&self) -> &Path {
        self.settings().migrations.chosen().unwrap().value.strip_prefix(&self.root).unwrap()
    }

    fn warnings(&self) -> Vec<&str> {
        self.told.warnings.iter().map(|warning| warning.title.as_str()).collect()
    }

    /// Code and title.
    fn failure(&self) -> (&str, &str) {
        let diagnostic = self.settings.as_ref().unwrap_err().diagnostic();
        assert!(diagnostic.help.is_some(), "{diagnostic:?}");
        (diagnostic.code.unwrap().id, &diagnostic.title)
    }

    fn reference(&self) -> &str {
        self.settings.as_ref().unwrap_err().diagnostic().reference.as_deref().unwrap()
    }
}

const SCHEMA: &str = "datasource db {\n  provider = \"postgresql\"\n  url      = env(\"DATABASE_URL\")\n}\n";
const DIRECT: &str = "datasource db {\n  provider = \"postgresql\"\n  url      = env(\"DATABASE_URL\")\n  directUrl = env(\"DIRECT\")\n}\n";

fn at(host: &str) -> String {
    format!("DATABASE_URL=postgresql://u:p@{host}:5432/a\n")
}

#[test]
fn flags_win_over_variables_and_variables_over_the_schema() {
    let project = || {
        Project::new(&[("prisma/schema.prisma", SCHEMA)]).variable("DATABASE_URL", "postgresql://schema/a")
    };
    let found = project().read();
    assert_eq!(found.url(), ("postgresql://schema/a", "the environment variable `DATABASE_URL`".to_owned()));
    assert_eq!(found.migrations(), Path::new("prisma/migrations"));
    assert_eq!(found.told.schema.as_deref(), Some("Prisma schema loaded from prisma/schema.prisma"));

    let project =
        || project().variable("CUTOVER_URL", "postgresql://variable/a").variable("CUTOVER_MIGRATIONS", "sql");
    let found = project().read();
    assert_eq!(found.url(), ("postgresql://variable/a", "the environment variable `CUTOVER_URL`".to_owned()));
    assert_eq!(found.migrations(), Path::new("sql"));

    let found = project().url("postgresql://flag/a").migrations("db/sql").read();
    assert_eq!(found.url(), ("postgresql://flag/a", "the flag `--url`".to_owned()));
    assert_eq!(found.migrations(), Path::new("db/sql"));
}

#[test]
fn the_schema_is_found_in_the_order_of_the_reference() {
    let files = [
        ("schema.prisma", SCHEMA),
        ("prisma/schema.prisma", SCHEMA),
        ("other/s.prisma", SCHEMA),
        ("pkg/p.prisma", SCHEMA),
    ];
    let project = || Project::new(&files).variable("DATABASE_URL", "postgresql://h/a");
    assert_eq!(project().read().told.schema.as_deref(), Some("Prisma schema loaded from schema.prisma"));
    let found = project().schema("./other/s.prisma").read();
    assert_eq!(found.told.schema.as_deref(), Some("Prisma schema loaded from other/s.prisma"));
    assert_eq!(found.migrations(), Path::new("other/migrations"));
    let found = project().variable("CUTOVER_SCHEMA", "other/s.prisma").read();
    assert_eq!(found.told.schema.as_deref(), Some("Prisma schema loaded from other/s.prisma"));

    let mut files = files.to_vec();
    files.push(("package.json", "{\"prisma\": {\"schema\": \"pkg/p.prisma\"}}"));
    let found = Project::new(&files).variable("DATABASE_URL", "postgresql://h/a").inside("other").read();
    assert_eq!(found.told.schema.as_deref(), Some("Prisma schema loaded from ../pkg/p.prisma"));
}

#[test]
fn a_directory_of_files_is_one_schema() {
    let found = Project::new(&[
        ("prisma/schema/models/user.prisma", "model User {\n  id Int @id\n}\n"),
        (
            "prisma/schema/main.prisma",
            "datasource db {\n  provider = \"sqlite\"\n  url = \"file:./dev.db\"\n}\n",
        ),
        ("prisma/schema/notes.txt", "not a schema"),
    ])
    .schema("prisma/schema")
    .read();
    assert_eq!(found.told.schema.as_deref(), Some("Prisma schema loaded from prisma/schema"));
    assert_eq!(found.migrations(), Path::new("prisma/schema/migrations"));
    let (target, _) = found.target().unwrap();
    match target.kind {
        db::target::Kind::Sqlite(sqlite) => assert_eq!(sqlite.path, found.root.join("prisma/schema/dev.db")),
        other => panic!("{other:?}"),
    }
    assert_eq!(found.url().1, "prisma/schema/main.prisma:3:9");
}

#[test]
fn links_in_a_schema_directory_are_followed_and_may_go_in_circles() {
    let project = Project::new(&[("shared/db.prisma", SCHEMA), ("prisma/a.prisma", "")])
        .variable("DATABASE_URL", "postgresql://h/a");
    let root = project.directory.path();
    std::os::unix::fs::symlink(root.join("shared"), root.join("prisma/shared")).unwrap();
    std::os::unix::fs::symlink(root.join("prisma"), root.join("prisma/again")).unwrap();
    let found = project.schema("prisma").read();
    assert_eq!(found.settings().datasource.as_ref().unwrap().name.value, "db");
}

#[test]
fn a_schema_that_is_not_there() {
    let found = Project::new(&[]).schema("nope.prisma").read();
    let text = "Could not load `--schema` from provided path `nope.prisma`: file or directory not found";
    assert_eq!(found.failure(), ("C1004", text));
    let found = Project::new(&[("empty/readme.md", "")]).schema("empty").read();
    assert_eq!(found.failure(), ("C1004", "The schema directory `empty` has no `.prisma` file"));
}

#[test]
fn without_a_schema_url_and_migrations_are_enough() {
    let found = Project::new(&[]).url("postgresql://h/a").migrations("m").read();
    assert_eq!(found.migrations(), Path::new("m"));
    assert_eq!(found.told.schema, None);
    let found = Project::new(&[("migrations/1/migration.sql", "")]).url("postgresql://h/a").read();
    assert_eq!(found.migrations(), Path::new("migrations"));
    let found =
        Project::new(&[("migrations/1/migration.sql", ""), ("prisma/migrations/1/migration.sql", "")])
            .variable("DATABASE_URL", "postgresql://h/a")
            .read();
    assert_eq!(found.migrations(), Path::new("prisma/migrations"));
    assert_eq!(found.url().1, "the environment variable `DATABASE_URL`");
}

#[test]
fn a_directory_that_is_no_project_is_told_in_the_words_of_the_reference() {
    for project in
        [Project::new(&[]), Project::new(&[]).url("postgresql://h/a"), Project::new(&[]).migrations("m")]
    {
        let found = project.read();
        assert_eq!(found.failure().0, "C1007");
        assert!(
            found
                .reference()
                .starts_with("Could not find Prisma Schema that is required for this command.\nYou can")
        );
        assert!(
            found
                .reference()
                .ends_with("file not found\n\nSee also https://pris.ly/d/prisma-schema-location")
        );
    }
}

#[test]
fn env_files_are_those_of_the_reference() {
    let package = ("package.json", "{}");
    let schema = ("prisma/schema.prisma", SCHEMA);
    let (root, inner) = (at("rootenv"), at("prismaenv"));
    for (files, inside, host, notices) in [
        (vec![schema, (".env", root.as_str())], "", "rootenv", vec![".env"]),
        (vec![schema, package, (".env", &root)], "", "rootenv", vec![".env"]),
        (vec![schema, package, ("prisma/.env", &inner)], "", "prismaenv", vec!["prisma/.env"]),
        (
            vec![schema, package, (".env", "X=1"), ("prisma/.env", &inner)],
            "",
            "prismaenv",
            vec![".env", "prisma/.env"],
        ),
        (
            vec![("sub/prisma/schema.prisma", SCHEMA), package, (".env", &root)],
            "sub",
            "rootenv",
            vec!["../.env"],
        ),
    ] {
        let found = Project::new(&files).inside(inside).read();
        assert_eq!(found.url().0, format!("postgresql://u:p@{host}:5432/a"), "{files:?}");
        let expected: Vec<String> =
            notices.iter().map(|file| format!("Environment variables loaded from {file}")).collect();
        assert_eq!(found.told.environment, expected);
        assert_eq!(found.warnings(), [""; 0]);
    }
}

#[test]
fn the_env_file_beside_a_given_schema_is_read_instead_of_the_others() {
    let (beside, inner) = (at("besideschema"), at("prismaenv"));
    let files = [("other/s.prisma", SCHEMA), ("other/.env", beside.as_str()), ("prisma/.env", &inner)];
    let found = Project::new(&files).schema("other/s.prisma").read();
    assert_eq!(
        found.url(),
        ("postgresql://u:p@besideschema:5432/a", "`DATABASE_URL` in other/.env".to_owned())
    );
    assert_eq!(found.told.environment, ["Environment variables loaded from other/.env"]);
    let files = [("schemas/s.prisma", SCHEMA), ("schemas/.env", beside.as_str())];
    assert_eq!(Project::new(&files).schema("schemas").read().url().0, "postgresql://u:p@besideschema:5432/a");
}

#[test]
fn the_process_wins_over_env_files_and_the_root_over_the_schema() {
    let (root, inner) = (at("rootenv"), at("prismaenv"));
    let project = |root: &str, inner: &str| {
        Project::new(&[
            ("package.json", "{}"),
            ("prisma/schema.prisma", SCHEMA),
            (".env", root),
            ("prisma/.env", inner),
        ])
    };
    let found = project(&root, &inner).read();
    assert_eq!(found.url().0, "postgresql://u:p@rootenv:5432/a");
    assert_eq!(
        found.warnings(),
        [".env and prisma/.env give different values to `DATABASE_URL`; .env counts"]
    );
    let found = project(&root, &inner).variable("DATABASE_URL", "postgresql://procenv/a").read();
    assert_eq!(found.url().0, "postgresql://procenv/a");
    assert_eq!(found.warnings(), [""; 0]);
    let found = project(&root, &root).read();
    assert_eq!(found.warnings(), [""; 0], "the same value twice is no conflict");
}

#[test]
fn env_files_that_are_wrong_are_told() {
    let found =
        Project::new(&[("schema.prisma", SCHEMA), (".env", "nonsense\nDATABASE_URL=postgresql://h/a\n")])
            .read();
    assert_eq!(found.warnings(), ["Line 1 of .env is not understood and has no effect"]);
    let found = Project::new(&[("schema.prisma", SCHEMA), (".env", "A=${B}\nB=${A}\n")]).read();
    assert_eq!(found.failure(), ("C1004", "The variable `A` in .env refers to itself"));
    let found = Project::new(&[("schema.prisma", SCHEMA), (".env/x", "")])
        .variable("DATABASE_URL", "postgresql://h/a")
        .read();
    assert!(found.warnings()[0].starts_with(".env cannot be read ("), "{:?}", found.warnings());
}

#[test]
fn variables_in_env_files_are_expanded() {
    let env = "H=hh\nDATABASE_URL=\"postgresql://u:p@${H}:5432/$H-x-\\${H}\"\n";
    let found = Project::new(&[("schema.prisma", SCHEMA), (".env", env)]).read();
    assert_eq!(found.url().0, "postgresql://u:p@hh:5432/$H-x-${H}");
    let (target, _) = found.target().unwrap();
    assert_eq!(
        target.datasource_line("db", None),
        "Datasource \"db\": PostgreSQL database \"$H-x-$%7BH%7D\", schema \"public\" at \"hh:5432\""
    );
}

#[test]
fn an_unset_variable_is_told_with_the_block_of_the_reference() {
    let found = Project::new(&[("prisma/schema.prisma", SCHEMA)]).read();
    assert_eq!(found.failure(), ("P1012", "Environment variable not found: DATABASE_URL."));
    assert_eq!(
        found.reference(),
        "Prisma schema validation - (get-config wasm)
Error code: P1012
error: Environment variable not found: DATABASE_URL.
  -->  prisma/schema.prisma:3
   | 
 2 |   provider = \"postgresql\"
 3 |   url      = env(\"DATABASE_URL\")
   | 

Validation Error Count: 1
[Context: getConfig]"
    );
    assert_eq!(found.told.schema.as_deref(), Some("Prisma schema loaded from prisma/schema.prisma"));
}

#[test]
fn urls_of_the_schema_are_checked_in_the_words_of_the_reference() {
    for (provider, url, expected) in [
        (
            "postgresql",
            "",
            "Error validating datasource `db`: You must provide a nonempty URL. The environment variable `DATABASE_URL` resolved to an empty string.",
        ),
        (
            "postgresql",
            "postgres:/x",
            "Error validating datasource `db`: the URL must start with the protocol `postgresql://` or `postgres://`.",
        ),
        (
            "postgres",
            "mysql://u@h/a",
            "Error validating datasource `db`: the URL must start with the protocol `postgresql://` or `postgres://`.",
        ),
        (
            "mysql",
            "file:./dev.db",
            "Error validating datasource `db`: the URL must start with the protocol `mysql://`.",
        ),
        (
            "sqlite",
            "sqlite:dev.db",
            "Error validating datasource `db`: the URL must start with the protocol `file:`.",
        ),
        (
            "sqlite",
            "dev.db",
            "Error validating datasource `db`: the URL must start with the protocol `file:`.",
        ),
        ("bogus", "file:./dev.db", "Datasource provider not known: \"bogus\"."),
    ] {
        let schema = SCHEMA.replace("postgresql", provider);
        let found = Project::new(&[("schema.prisma", &schema)]).variable("DATABASE_URL", url).read();
        assert_eq!(found.failure(), ("P1012", expected), "{provider} {url}");
    }
    let schema = SCHEMA.replace("postgresql", "sqlserver");
    let found = Project::new(&[("schema.prisma", &schema)]).variable("DATABASE_URL", "sqlserver://h").read();
    assert_eq!(found.failure().0, "C1002");
}

#[test]
fn the_direct_url_is_the_one_for_migrations() {
    let project =
        || Project::new(&[("schema.prisma", DIRECT)]).variable("DATABASE_URL", "postgresql://pooled/a");
    let found = project().variable("DIRECT", "postgresql://direct/a").read();
    assert_eq!(found.url(), ("postgresql://direct/a", "the environment variable `DIRECT`".to_owned()));

    let found = project().read();
    assert_eq!(found.url().0, "postgresql://pooled/a");
    assert_eq!(
        found.warnings(),
        ["The environment variable `DIRECT` of `directUrl` is not set; `url` is used instead"]
    );
    assert_eq!(found.told.warnings[0].location().as_deref(), Some("schema.prisma:4:15"));

    let found = project().variable("DIRECT", "").read();
    assert_eq!(
        found.failure(),
        (
            "P1012",
            "Error validating datasource `db`: You must provide a nonempty direct URL. The environment variable `DIRECT` resolved to an empty string."
        )
    );
    let found = Project::new(&[("schema.prisma", DIRECT)]).read();
    assert_eq!(found.failure(), ("P1012", "Environment variable not found: DATABASE_URL."));
}

#[test]
fn a_datasource_without_a_url_needs_one_from_elsewhere() {
    let schema = "datasource db {\n  provider = \"postgresql\"\n}\n";
    let found =
        Project::new(&[("schema.prisma", schema)]).variable("DATABASE_URL", "postgresql://h/a").read();
    assert_eq!(found.failure(), ("C1004", "The datasource `db` has no URL, and no other was given"));
    let found = Project::new(&[("schema.prisma", "model A {\n  id Int @id\n}\n")]).read();
    assert_eq!(found.failure(), ("C1004", "The schema has no datasource, and no database URL was given"));
    let found = Project::new(&[("schema.prisma", schema)]).url("postgresql://h/a").read();
    assert_eq!(found.settings().datasource.as_ref().unwrap().name.value, "db");
}

#[test]
fn a_broken_schema_stops_only_those_who_need_it() {
    let schema = format!("{SCHEMA}\nmodel A {{\n  id Int Int\n}}\nmodel B {{\n  x y z\n}}\n");
    let project = || Project::new(&[("schema.prisma", &schema)]).variable("DATABASE_URL", "postgresql://h/a");
    let found = project().read();
    let text = "Error validating: This line is not a valid field or attribute definition.";
    assert_eq!(found.failure(), ("P1012", text));
    assert!(found.reference().ends_with("\nValidation Error Count: 2\n[Context: getConfig]"));
    assert_eq!(found.settings.as_ref().unwrap_err().diagnostic().labels.len(), 2);
    let found = project().url("postgresql://h/a").read();
    assert_eq!(found.warnings(), [text, text]);
    assert_eq!(found.migrations(), Path::new("migrations"));
}

#[test]
fn a_url_that_cannot_be_read_is_told_with_its_origin_and_without_itself() {
    let url = "postgresql://u:hunter2#x@h/a";
    let schema = format!("datasource db {{\n  provider = \"postgresql\"\n  url = \"{url}\"\n}}\n");
    for (project, origin) in [
        (Project::new(&[("schema.prisma", &schema)]), "The URL comes from schema.prisma:3:9."),
        (Project::new(&[("schema.prisma", &schema)]).url(url), "The URL comes from the flag `--url`."),
        (
            Project::new(&[("schema.prisma", SCHEMA), (".env", &format!("DATABASE_URL='{url}'"))]),
            "The URL comes from `DATABASE_URL` in .env.",
        ),
    ] {
        let failure = project.read().target().unwrap_err();
        assert_eq!(failure.diagnostic().code.unwrap().id, "P1013");
        assert_eq!(failure.diagnostic().notes.last().map(String::as_str), Some(origin));
        assert!(!format!("{failure:?}").contains("hunter2"), "{failure:?}");
    }
}

#[test]
fn nothing_that_was_found_shows_a_password() {
    let schema = "datasource db {\n  provider = \"postgresql\"\n  url = \"postgresql://u:hunter2@h/a\"\n}\n";
    let found = Project::new(&[("schema.prisma", schema)]).read();
    assert_eq!(found.url().0, "postgresql://u:hunter2@h/a");
    assert!(!format!("{:?} {:?}", found.settings, found.told).contains("hunter2"));
    let wrong = schema.replace("\"postgresql\"", "\"mysql\"");
    let found = Project::new(&[("schema.prisma", &wrong)]).read();
    assert!(!format!("{:?}", found.settings).contains("hunter2"));
    assert!(found.reference().contains(" 3 |   url = \"postgresql://****"), "{}", found.reference());
}

#[test]
fn paths_in_a_url_are_relative_to_where_the_url_stands() {
    let schema = "datasource db {\n  provider = \"sqlite\"\n  url = env(\"DATABASE_URL\")\n}\n";
    let path = |project: Project| {
        let found = project.read();
        match found.target().unwrap().0.kind {
            db::target::Kind::Sqlite(sqlite) => sqlite.path.strip_prefix(&found.root).unwrap().to_owned(),
            other => panic!("{other:?}"),
        }
    };
    let project =
        || Project::new(&[("prisma/schema.prisma", schema)]).variable("DATABASE_URL", "file:./dev.db");
    assert_eq!(path(project()), Path::new("prisma/dev.db"));
    assert_eq!(path(project().url("file:./dev.db")), Path::new("dev.db"));
}

#[test]
fn switches_in_the_environment() {
    let surroundings = |name: &str, value: &str| Surroundings {
        variables: [(name.to_owned(), value.to_owned())].into(),
        current_dir: PathBuf::new(),
    };
    for (value, locking) in [("", true), ("0", true), ("1", false), ("true", false)] {
        assert_eq!(
            surroundings("PRISMA_SCHEMA_DISABLE_ADVISORY_LOCK", value).locking(),
            locking,
            "{value:?}"
        );
    }
    assert!(surroundings("NO_COLOR", "1").no_colour());
    assert!(!surroundings("NO_COLOR", "").no_colour());
    assert!(surroundings("CI", "true").in_ci());
    assert!(!surroundings("CI", "false").in_ci());
    assert!(!surroundings("CI", "").in_ci());
}
