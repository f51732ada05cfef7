//! What stands in the project.

use super::{APP, Case, SQLITE, case};

pub(super) fn cases() -> Vec<Case> {
    [files(), schemas()].into_iter().flatten().collect()
}

/// Files, and the command line.
fn files() -> Vec<Case> {
    let schema = |provider: &str| {
        format!("datasource db {{\n  provider = \"{provider}\"\n  url      = env(\"NOWHERE\")\n}}\n")
    };
    vec![
        case("schema missing", SQLITE)
            .command(&["migrate", "deploy", "--schema", "nope.prisma"])
            .fails("C1004", &["nope.prisma"]),
        case("variable unset", "")
            .file("prisma/schema.prisma", schema("sqlite"))
            .fails("P1012", &["NOWHERE"]),
        case("schema without datasource", "")
            .file("prisma/schema.prisma", "model A { id Int @id }\n")
            .fails("C1004", &["datasource"]),
        case("schema broken", "")
            .file("prisma/schema.prisma", "datasource db {\n  provider = \n}\n")
            .fails("P1012", &["schema.prisma:2"]),
        case("lock file of another provider", SQLITE)
            .file("prisma/migrations/migration_lock.toml", "provider = \"postgresql\"\n")
            .fails("P3019", &["postgresql"]),
        case("lock file broken", SQLITE)
            .file("prisma/migrations/migration_lock.toml", "provider = \n")
            .fails("C1004", &["migration_lock.toml:1"]),
        case("migrations unreadable", SQLITE)
            .mode("prisma/migrations", 0o000)
            .fails("C1004", &["prisma/migrations"]),
        case("file unreadable", SQLITE)
            .mode("prisma/migrations/1_a/migration.sql", 0o000)
            .fails("P3015", &["1_a/migration.sql"]),
        case("no migration.sql", SQLITE)
            .file("prisma/migrations/2_b/other.sql", "")
            .fails("P3015", &["2_b/migration.sql"]),
        case("not UTF-8", SQLITE).migration(b"SELECT '\xff';").fails("C2001", &["offset 8"]),
        case("NUL byte", APP).migration(b"SELECT 1;\nSELECT '\0';").deployed().fails("P3018", &["NUL byte"]),
        case("no such migration", SQLITE)
            .command(&["migrate", "deploy", "--to", "9_nope"])
            .fails("C2017", &["9_nope"]),
        case("count is no number", SQLITE)
            .command(&["migrate", "deploy", "--count", "abc"])
            .misused(&["abc"]),
        case("unknown flag", SQLITE)
            .command(&["migrate", "deploy", "--force"])
            .misused(&["! unknown or unexpected option: --force"]),
        case("flag without value", SQLITE)
            .command(&["migrate", "resolve", "--applied"])
            .misused(&["--applied"]),
        case("both flags", SQLITE)
            .command(&["migrate", "resolve", "--applied", "a", "--rolled-back", "b"])
            .fails_uncoded(&["not both"]),
        case("neither flag", SQLITE)
            .command(&["migrate", "resolve"])
            .fails_uncoded(&["must be part of the command"]),
        case("bad time", SQLITE).command(&["migrate", "deploy", "--deadline", "soon"]).misused(&["60s"]),
    ]
}

/// What stands in the schema, and where its paths lead.
fn schemas() -> Vec<Case> {
    let datasource =
        |url: &str| format!("datasource db {{\n  provider = \"postgresql\"\n  url      = {url}\n}}\n");
    let literal =
        |parameters: &str| datasource(&format!("\"postgresql://app:{{secret}}@127.0.0.1:1/d{parameters}\""));
    vec![
        case("no datasource", "")
            .schema("generator client {\n  provider = \"x\"\n}\n")
            .fails("C1004", &["datasource"]),
        case("two datasources", "")
            .schema(&(literal("") + &literal("").replace("db", "other")))
            .fails("P1012", &["schema.prisma:5", "datasource"]),
        case("variable empty", "")
            .schema(&datasource("env(\"DATABASE_URL\")"))
            .variable("DATABASE_URL", "")
            .fails("P1012", &["DATABASE_URL", "schema.prisma:3"]),
        case("variable with a bad URL", "")
            .schema(&datasource("env(\"DATABASE_URL\")"))
            .variable("DATABASE_URL", "postgresql://app:s3cr3t/x@h:1/d")
            .fails("P1013", &["DATABASE_URL", "%2F"]),
        case("bad parameter of a URL in the schema", "")
            .schema(&literal("?sslmode=full"))
            .fails("P1013", &["schema.prisma:3", "sslmode", "verify-full"]),
        case("URL in the schema without its last quote", "")
            .schema(&literal("").replace("/d\"", "/d"))
            .fails("P1012", &["schema.prisma:3"]),
        case("URL in the schema with a line that is no setting", "")
            .schema(&literal("").replace("}\n", "  nonsense\n}\n"))
            .fails("P1012", &["schema.prisma:4"]),
        case("another provider than the URL", "")
            .schema(&literal("").replace("provider = \"postgresql\"", "provider = \"sqlite\""))
            .fails("P1012", &["file:"]),
        case("schema unreadable", "")
            .schema(&literal(""))
            .mode("prisma/schema.prisma", 0)
            .fails("C1004", &["schema.prisma"]),
        case("migrations are a file", SQLITE)
            .command(&["migrate", "status", "--migrations", "prisma/migrations/1_a/migration.sql"])
            .fails("C1004", &["1_a/migration.sql is not a directory", "`--migrations`"]),
        case("migrations are nowhere", SQLITE)
            .command(&["migrate", "status", "--migrations", "prisma/migration"])
            .fails("C1004", &["prisma/migration does not exist", "`--migrations`"]),
        case("link to nowhere", "file:./closed/dev.db")
            .link("closed/dev.db", "absent/dev.db")
            .fails("C1005", &["closed/dev.db is a link that leads nowhere"]),
        case("link in a circle", "file:./closed/dev.db")
            .link("closed/dev.db", "dev.db")
            .fails("C1005", &["closed/dev.db"]),
        case("directory that cannot be looked into", "file:./closed/dev.db")
            .file("closed/dev.db", "")
            .mode("closed", 0)
            .fails("C1005", &["closed/dev.db", "Permission denied"]),
        case("file is a directory", SQLITE)
            .file("prisma/migrations/2_b/migration.sql/x", "")
            .fails("P3015", &["2_b/migration.sql"]),
        case("lock file unreadable", SQLITE)
            .file("prisma/migrations/migration_lock.toml", "provider = \"sqlite\"\n")
            .mode("prisma/migrations/migration_lock.toml", 0)
            .fails("C1004", &["migration_lock.toml"]),
        case("a device as database", "file:/dev/full").fails("C1005", &["/dev/full"]),
    ]
}
