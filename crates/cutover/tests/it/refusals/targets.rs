//! URLs, and what they lead to.

use super::{Case, SQLITE, case};

pub(super) fn cases() -> Vec<Case> {
    [urls(), connections()].into_iter().flatten().collect()
}

/// URLs and what stands behind them.
#[expect(clippy::too_many_lines, reason = "a table")]
fn urls() -> Vec<Case> {
    let deploy_to = |name, url, code, phrase| case(name, url).fails(code, &[phrase]);
    let mut cases = vec![
        deploy_to("empty URL", "", "P1012", "nonempty URL"),
        deploy_to("unknown scheme", "oracle://u:{secret}@h/d", "P1013", "postgresql://"),
        deploy_to("SQL Server", "sqlserver://h:1433;password={secret}", "C1002", "SQL Server"),
        deploy_to("MongoDB", "mongodb://u:{secret}@h/d", "C1002", "MongoDB"),
        deploy_to("Accelerate", "prisma://h/?api_key={secret}", "C1002", "prisma://"),
        deploy_to(
            "MySQL, host unknown",
            "mysql://u:{secret}@no-such-host.invalid/d",
            "P1001",
            "no-such-host.invalid:3306",
        ),
        deploy_to(
            "unescaped # in the password",
            "postgresql://u:s3cr3t/pa:ss@1#x@127.0.0.1:1/d",
            "P1013",
            "%23",
        ),
        deploy_to("bad port", "postgresql://u:{secret}@127.0.0.1:abc/d", "P1013", "port"),
        deploy_to(
            "bad sslmode",
            "postgresql://u:{secret}@127.0.0.1:1/d?sslmode=full",
            "P1013",
            "verify-full",
        ),
        deploy_to(
            "bad number",
            "postgresql://u:{secret}@127.0.0.1:1/d?connect_timeout=soon",
            "P1013",
            "connect_timeout",
        ),
        deploy_to(
            "bad attributes",
            "postgresql://u@127.0.0.1:1/d?target_session_attrs=any-host",
            "P1013",
            "read-write",
        ),
        deploy_to(
            "bad channel binding",
            "postgresql://u@127.0.0.1:1/d?channel_binding=yes",
            "P1013",
            "channel_binding",
        ),
        deploy_to("SQLite in memory", "file::memory:", "C1005", "memory"),
        deploy_to("sqlite: prefix", "sqlite:./dev.db", "P1012", "file:"),
        deploy_to("directory as database", "file:./prisma", "P1013", "directory"),
        deploy_to("nobody listens", "postgresql://u:{secret}@127.0.0.1:1/d", "P1001", "127.0.0.1:1"),
        deploy_to(
            "host unknown",
            "postgresql://u:{secret}@no-such-host.invalid/d",
            "P1001",
            "no-such-host.invalid:5432",
        ),
        deploy_to("no such socket", "postgresql://u@localhost/d?host=/nowhere", "P1001", "/nowhere"),
        deploy_to(
            "TLS where there is none",
            "postgresql://app:{secret}@127.0.0.1:{port}/{database}?sslmode=require",
            "P1011",
            "server does not support TLS",
        ),
        deploy_to(
            "unknown role",
            "postgresql://nobody_here:{secret}@127.0.0.1:{trusting}/postgres",
            "P1010",
            "denied",
        ),
        case(
            "bad start-up option",
            "postgresql://app:{secret}@127.0.0.1:{port}/{database}?options=-c%20nonsense=1",
        )
        .fails_uncoded(&["nonsense"]),
    ];
    for command in ["status", "resolve"] {
        let mut arguments = vec!["migrate", command];
        if command == "resolve" {
            arguments.extend(["--applied", "1_a"]);
        }
        let no_database = "postgresql://app:{secret}@127.0.0.1:{port}/{database}_absent";
        cases.push(case("no database", no_database).command(&arguments).fails("P1003", &["_absent"]));
        cases.push(case("no file", SQLITE).command(&arguments).fails("P1003", &["dev.db"]));
    }
    cases
}

/// URLs with a password, and what they lead to.
fn connections() -> Vec<Case> {
    vec![
        case("wrong password", "postgresql://app:s3cr3t-of-another@127.0.0.1:{port}/{database}")
            .fails("P1000", &["`app`"]),
        case("no password", "postgresql://app@127.0.0.1:{port}/{database}").fails("P1000", &["`app`"]),
        case("no such role", "postgresql://ghost:{secret}@127.0.0.1:{port}/{database}")
            .fails("P1000", &["`ghost`"]),
        case("no such database", "postgresql://poor:{secret}@127.0.0.1:{port}/absent")
            .fails("P3000", &["permission denied to create database"]),
        case("not TLS", "postgresql://app:{secret}@127.0.0.1:{port}/{database}?sslmode=verify-full")
            .fails("P1011", &["TLS"]),
        case(
            "channel binding without TLS",
            "postgresql://app:{secret}@127.0.0.1:{port}/{database}?channel_binding=require",
        )
        .fails("P1011", &["channel_binding=require", "SCRAM"]),
        case(
            "peer never answers",
            "postgresql://app:{secret}@127.0.0.1:{silent}/d?connect_timeout=1&sslmode=disable",
        )
        .fails("P1001", &["127.0.0.1:", "1 s"]),
        case("peer hangs up", "postgresql://app:{secret}@127.0.0.1:{closing}/d?sslmode=disable")
            .fails("P1001", &["127.0.0.1:", "closed the connection"]),
        case("peer is no server", "postgresql://app:{secret}@127.0.0.1:{garbage}/d?sslmode=disable")
            .fails("P1001", &["127.0.0.1:", "does not answer as PostgreSQL does"]),
        case(
            "peer is no server, asked for TLS",
            "postgresql://app:{secret}@127.0.0.1:{garbage}/d?sslmode=require",
        )
        .fails("P1001", &["127.0.0.1:", "does not answer as PostgreSQL does"]),
        case("all hosts down", "postgresql://app:{secret}@127.0.0.1:1,127.0.0.1:2/d")
            .fails("P1001", &["127.0.0.1:1", "127.0.0.1:2"]),
        case(
            "no standby",
            "postgresql://app:{secret}@127.0.0.1:{port}/{database}?target_session_attrs=standby",
        )
        .fails("P1001", &["standby"]),
    ]
}
