//! Tests of URLs: what is read, what is refused, and that no message shows a secret.

use super::*;
use proptest::prelude::*;
use std::path::PathBuf;
use std::time::Duration;

const BASE: &str = "/project/prisma";

fn parse(url: &str) -> Result<(Target, Vec<Diagnostic>)> {
    Target::parse(&Secret::new(url), Path::new(BASE))
}

fn postgres(url: &str) -> PostgresTarget {
    match parse(url).unwrap().0.kind {
        Kind::Postgres(target) => target,
        other => panic!("not PostgreSQL: {other:?}"),
    }
}

fn sqlite(url: &str) -> SqliteTarget {
    match parse(url).unwrap().0.kind {
        Kind::Sqlite(target) => target,
        other => panic!("not SQLite: {other:?}"),
    }
}

fn refusal(url: &str) -> Diagnostic {
    parse(url).expect_err(url).diagnostic().clone()
}

fn titles(url: &str) -> Vec<String> {
    parse(url).unwrap().1.into_iter().map(|warning| warning.title).collect()
}

/// The reference's text of P1013.
fn p1013(details: &str) -> Option<String> {
    Some(format!(
        "The provided database string is invalid. {details} in database URL. Please refer to the documentation in https://www.prisma.io/docs/reference/database-reference/connection-urls for constructing a correct connection string. In some cases, certain characters must be escaped. Please check the string for any illegal characters."
    ))
}

fn tcp(host: &str, port: u16) -> Host {
    Host { address: Address::Tcp { host: host.to_owned(), port } }
}

fn unix(directory: &str, port: u16) -> Host {
    Host { address: Address::Unix { directory: PathBuf::from(directory), port } }
}

#[test]
fn a_plain_url_has_the_defaults_of_the_reference() {
    let target = postgres("postgresql://app@db.example");
    assert_eq!(target.hosts, [tcp("db.example", 5432)]);
    assert_eq!((target.user.as_str(), target.database.as_str()), ("app", "postgres"));
    assert!(target.password.is_none());
    assert_eq!((target.schema.as_str(), target.schema_given), ("public", false));
    assert_eq!(target.ssl_mode, SslMode::Prefer);
    assert_eq!(target.connect_timeout, Some(Duration::from_secs(5)));
    assert_eq!(target.socket_timeout, None);
    assert_eq!(target.channel_binding, ChannelBinding::Prefer);
    assert_eq!(target.target_session_attrs, TargetSessionAttrs::Any);
    assert_eq!(target.verification(), Verification::None);
}

#[test]
fn user_password_and_database_are_percent_decoded() {
    let target = postgres("postgres://a%40b:p%23s%2Fw%3Ar%64@h/my%20db?schema=S%201");
    assert_eq!(target.user, "a@b");
    assert_eq!(target.password.as_ref().map(Secret::expose), Some("p#s/w:rd"));
    assert_eq!(target.database, "my db");
    assert_eq!((target.schema.as_str(), target.schema_given), ("S 1", true));
}

#[test]
fn passwords_that_the_reference_takes_as_they_are_are_taken() {
    for (written, meant) in
        [("p@ss", "p@ss"), ("a:b:c", "a:b:c"), ("100%", "100%"), ("50%zz", "50%zz"), ("$a&b=c+d", "$a&b=c+d")]
    {
        let target = postgres(&format!("postgresql://u:{written}@h:1/d"));
        assert_eq!(target.password.as_ref().map(Secret::expose), Some(meant), "{written}");
        assert_eq!(target.hosts, [tcp("h", 1)], "{written}");
    }
}

#[test]
fn hosts() {
    let cases: &[(&str, Vec<Host>)] = &[
        ("postgresql://u@h1:5433,h2,h3:6000/d", vec![tcp("h1", 5433), tcp("h2", 5432), tcp("h3", 6000)]),
        ("postgresql://u@[::1]:5433/d", vec![tcp("::1", 5433)]),
        ("postgresql://u@[fe80::1],b/d", vec![tcp("fe80::1", 5432), tcp("b", 5432)]),
        ("postgresql:///d", vec![tcp("localhost", 5432)]),
        ("postgresql://u@:6000/d", vec![tcp("localhost", 6000)]),
        (
            "postgresql://u@localhost:55432/d?host=/var/run/postgresql",
            vec![unix("/var/run/postgresql", 55432)],
        ),
        ("postgresql://u@%2Ftmp%2Fpg:55432/d", vec![unix("/tmp/pg", 55432)]),
        ("postgresql://u@%2Ftmp%2Fpg/d", vec![unix("/tmp/pg", 5432)]),
        ("postgresql:///d?host=a,b&port=1,2", vec![tcp("a", 1), tcp("b", 2)]),
        ("postgresql:///d?host=a,b&port=7", vec![tcp("a", 7), tcp("b", 7)]),
        ("postgresql:///d?host=%2Frun,b", vec![unix("/run", 5432), tcp("b", 5432)]),
        ("postgresql:///d?hostaddr=10.0.0.1", vec![tcp("10.0.0.1", 5432)]),
    ];
    for (url, expected) in cases {
        assert_eq!(&postgres(url).hosts, expected, "{url}");
    }
}

#[test]
fn parameters_are_read() {
    let target = postgres(
        "postgresql://u@h/d?connect_timeout=0&socket_timeout=30&pgbouncer=true&application_name=me%40here\
         &options=-c%20lock_timeout%3D1s&channel_binding=require&target_session_attrs=read-write\
         &keepalives=0&keepalives_idle=7&keepalives_interval=8&keepalives_count=9&connection_limit=1\
         &pool_timeout=0&statement_cache_size=0&max_idle_connection_lifetime=300",
    );
    assert_eq!(target.connect_timeout, None);
    assert_eq!(target.socket_timeout, Some(Duration::from_secs(30)));
    assert!(target.pgbouncer);
    assert_eq!(target.application_name.as_deref(), Some("me@here"));
    assert_eq!(target.options.as_deref(), Some("-c lock_timeout=1s"));
    assert_eq!(target.channel_binding, ChannelBinding::Require);
    assert_eq!(target.target_session_attrs, TargetSessionAttrs::ReadWrite);
    let expected = Keepalives {
        enabled: false,
        idle: Duration::from_secs(7),
        interval: Duration::from_secs(8),
        count: 9,
    };
    assert_eq!(target.keepalives, expected);
    assert_eq!(postgres("postgresql://u@h/d?options=-c+a%3Db").options.as_deref(), Some("-c a=b"));
}

#[test]
fn a_wrong_value_of_a_known_parameter_is_an_error_that_names_it() {
    for (parameter, value, accepted) in [
        ("sslmode", "verify_full", "`verify-full`"),
        ("sslaccept", "yes", "`strict`, `accept_invalid_certs`"),
        ("connect_timeout", "abc", "a whole number"),
        ("connection_limit", "-1", "a whole number"),
        ("pgbouncer", "1", "`true`, `false`"),
        ("channel_binding", "on", "`require`"),
        ("target_session_attrs", "rw", "`read-write`"),
        ("port", "5432,x", "1 to 65535"),
    ] {
        let diagnostic = refusal(&format!("postgresql://u@h/d?{parameter}={value}"));
        assert_eq!(diagnostic.reference, p1013("The provided arguments are not supported"));
        assert_eq!(
            diagnostic.title,
            format!(
                "The parameter `{parameter}` of the database URL has a value that is not accepted: `{value}`"
            )
        );
        assert!(diagnostic.notes[0].contains(accepted), "{:?}", diagnostic.notes);
        assert!(diagnostic.help.is_some());
    }
}

#[test]
fn unknown_and_repeated_parameters_are_warnings() {
    assert_eq!(
        titles("postgresql://u@h/d?foo=1&sslMode=require"),
        [
            "The parameter `foo` in the database URL is not known and has no effect",
            "The parameter `sslMode` in the database URL is not known and has no effect",
        ]
    );
    let (_, warnings) = parse("postgresql://u@h/d?conection_limit=1").unwrap();
    assert_eq!(warnings[0].help.as_deref(), Some("Did you mean `connection_limit`?"));
    assert_eq!(
        titles("postgresql://u@h/d?schema=a&schema=b"),
        ["The parameter `schema` is given more than once in the database URL; the last one counts"]
    );
    assert_eq!(postgres("postgresql://u@h/d?schema=a&schema=b").schema, "b");
    assert_eq!(titles("postgresql://u@h/d?hostaddr=10.0.0.1").len(), 1, "a host is given beside it");
}

#[test]
fn certificates_are_checked_as_sslmode_and_sslaccept_say() {
    for (parameters, expected) in [
        ("sslmode=disable&sslaccept=strict", Verification::None),
        ("sslmode=prefer", Verification::None),
        ("sslmode=prefer&sslcert=ca.pem", Verification::None),
        ("sslmode=require", Verification::None),
        ("sslmode=require&sslcert=ca.pem", Verification::CertificateAuthority),
        ("sslmode=require&sslrootcert=ca.pem", Verification::CertificateAuthority),
        ("sslmode=require&sslcert=ca.pem&sslaccept=accept_invalid_certs", Verification::None),
        ("sslmode=require&sslaccept=strict", Verification::Full),
        ("sslaccept=strict", Verification::Full),
        ("sslmode=verify-ca", Verification::CertificateAuthority),
        ("sslmode=verify-ca&sslaccept=strict", Verification::Full),
        ("sslmode=verify-full", Verification::Full),
        ("sslmode=verify-full&sslaccept=accept_invalid_certs", Verification::Full),
        ("sslrootcert=system", Verification::Full),
    ] {
        let target = postgres(&format!("postgresql://u@h/d?{parameters}"));
        assert_eq!(target.verification(), expected, "{parameters}");
    }
}

#[test]
fn sslcert_is_the_authority_unless_a_key_goes_with_it() {
    let target =
        postgres("postgresql://u@h/d?sslcert=../certs/ca.pem&sslidentity=/id.p12&sslpassword=se%20cret");
    assert_eq!(target.root_certificate, Some(PathBuf::from("/project/prisma/../certs/ca.pem")));
    assert_eq!(target.client_certificate, None);
    assert_eq!(target.ssl_identity, Some(PathBuf::from("/id.p12")));
    assert_eq!(target.ssl_password.as_ref().map(Secret::expose), Some("se cret"));

    let target = postgres("postgresql://u@h/d?sslcert=c.pem&sslkey=k.pem&sslrootcert=ca.pem");
    assert_eq!(target.root_certificate, Some(PathBuf::from("/project/prisma/ca.pem")));
    assert_eq!(target.client_certificate, Some(PathBuf::from("/project/prisma/c.pem")));
    assert_eq!(target.client_key, Some(PathBuf::from("/project/prisma/k.pem")));
    assert_eq!(target.root_parameter, "sslrootcert");
    let target = postgres("postgresql://u@h/d?sslcert=c.pem&sslkey=k.pem&sslrootcert=system");
    assert_eq!((target.root_certificate, target.ssl_mode), (None, SslMode::VerifyFull));

    for parameters in [
        "sslkey=k.pem",
        "sslcert=a.pem&sslrootcert=b.pem",
        "sslcert=a.pem&sslrootcert=system",
        "sslcert=c.pem&sslkey=k.pem&sslidentity=i.p12",
        "sslrootcert=system&sslmode=require",
    ] {
        refusal(&format!("postgresql://u@h/d?{parameters}"));
    }
}

#[test]
fn unescaped_characters_are_told_with_their_escapes() {
    for url in [
        "postgresql://user:pa#ss@h:5432/db",
        "postgresql://user:pa/ss@h:5432/db",
        "postgresql://user:pa?ss@h:5432/db",
        "postgresql://user:12/34@h:5432/db",
        "postgresql://user:12?34@h:5432/db",
        "postgresql://user:12?a=b@h:5432/db",
        "postgresql://user:p@pa/ss@h:5432/db",
    ] {
        let diagnostic = refusal(url);
        assert_eq!(diagnostic.reference, p1013("invalid port number"), "{url}");
        assert!(diagnostic.help.unwrap().contains("`#` is %23"), "{url}");
    }
    assert_eq!(refusal("postgresql://user:12#34@h/db").reference, p1013("invalid character `#`"));
    assert_eq!(refusal("postgresql://u@h/db#x").reference, p1013("invalid character `#`"));
}

#[test]
fn malformed_urls() {
    for (url, details) in [
        ("postgresql://u@127.0.0.1:abc/x", "invalid port number"),
        ("postgresql://u@h:0/x", "invalid port number"),
        ("postgresql://u@h:65536/x", "invalid port number"),
        ("postgresql://u@h:+1/x", "invalid port number"),
        ("postgresql://u@::1/x", "invalid port number"),
        ("postgresql://u@[::1/x", "invalid IPv6 address"),
        ("postgresql://u@[nope]/x", "invalid IPv6 address"),
        ("postgresql://u@a b/x", "invalid domain character"),
        ("postgresql://u@h1:1,h2:2/x?host=a", "the numbers of hosts and ports differ"),
        ("postgresql://u:%ff@h/x", "a percent-encoded part is not UTF-8 text"),
        ("postgres:/x", "The scheme is not recognized"),
        ("dev.db", "The scheme is not recognized"),
        ("http://h", "The scheme is not recognized"),
    ] {
        let diagnostic = refusal(url);
        assert_eq!(diagnostic.reference, p1013(details), "{url}");
        assert_eq!(diagnostic.code.unwrap().id, "P1013", "{url}");
        assert!(diagnostic.help.is_some(), "{url}");
    }
}

#[test]
fn other_products_are_refused_by_name() {
    for (url, code, word) in [
        ("prisma://accelerate.prisma-data.net/?api_key=k", "C1002", "`prisma://`"),
        ("prisma+postgres://localhost:51213/?api_key=k", "C1002", "`prisma+postgres://`"),
        ("sqlserver://h:1433;database=a;user=u;password=p", "C1002", "SQL Server"),
        ("mongodb+srv://u:p@h/d", "C1002", "MongoDB"),
        ("cockroachdb://u:p@h/d", "C1002", "CockroachDB"),
        ("libsql://h?authToken=t", "C1002", "libSQL"),
        ("https://shop-me.turso.io?authToken=t", "C1002", "libSQL"),
        ("wss://shop-me.turso.io", "C1002", "libSQL"),
        ("d1://binding", "C1002", "Cloudflare D1"),
        ("d1:binding", "C1002", "Cloudflare D1"),
        ("https://api.cloudflare.com/client/v4/accounts/a/d1/database/b", "C1002", "Cloudflare D1"),
        ("postgresql://u:p@abc.dsql.us-east-1.on.aws/postgres", "C1002", "Aurora DSQL"),
        ("sqlite:dev.db", "P1012", "`file:`"),
        (":memory:", "C1005", "memory"),
        ("", "P1012", "You must provide a nonempty URL."),
        ("\"\"", "P1012", "You must provide a nonempty URL."),
    ] {
        let diagnostic = refusal(url);
        assert_eq!(diagnostic.code.unwrap().id, code, "{url}");
        assert!(diagnostic.title.contains(word), "{}", diagnostic.title);
        assert!(diagnostic.help.is_some(), "{url}");
    }
}

#[test]
fn quotes_around_the_url_are_removed_and_told() {
    for url in ["\"postgresql://u@h/d\"", "'postgresql://u@h/d'", " \"postgresql://u@h/d\"\n"] {
        assert_eq!(titles(url), ["The database URL has quotes around it; they were removed"]);
        assert_eq!(postgres(url).database, "d");
    }
    assert_eq!(titles("postgresql://u@h/d\n"), [""; 0]);
}

#[test]
fn sqlite_paths_are_relative_to_the_schema() {
    for (url, path, name) in [
        ("file:./dev.db", "/project/prisma/dev.db", "dev.db"),
        ("file:dev.db", "/project/prisma/dev.db", "dev.db"),
        ("file:../data//x.db", "/project/prisma/../data/x.db", "x.db"),
        ("file:/abs/a.db", "/abs/a.db", "a.db"),
        ("file:///abs/a.db", "/abs/a.db", "a.db"),
        ("file:my%20data.db", "/project/prisma/my data.db", "my data.db"),
        ("file:a#b.db", "/project/prisma/a#b.db", "a#b.db"),
        ("file:./dev.db?connection_limit=1&socket_timeout=3", "/project/prisma/dev.db", "dev.db"),
    ] {
        let target = sqlite(url);
        assert_eq!(target.path, PathBuf::from(path), "{url}");
        assert_eq!(target.display_name, name, "{url}");
        assert_eq!(target.display_url, url);
    }
    assert_eq!(sqlite("file:a").busy_timeout, Duration::from_secs(5));
    assert_eq!(sqlite("file:a?socket_timeout=3").busy_timeout, Duration::from_secs(3));
    assert_eq!(
        titles("file:a?mode=ro"),
        ["The parameter `mode` of a SQLite URL has no effect: migrations write"]
    );
}

#[test]
fn sqlite_needs_a_file() {
    for url in ["file:", "file::memory:", "file:?mode=memory", "file:x?mode=memory", "file://"] {
        assert_eq!(refusal(url).code.unwrap().id, "C1005", "{url}");
    }
    assert_eq!(refusal("file:/").code.unwrap().id, "C1005");
    assert_eq!(refusal("file:/proc").reference, p1013("Error parsing connection string: /proc"));
}

#[test]
fn datasource_lines_are_those_of_the_reference() {
    let two = ["one".to_owned(), "two".to_owned()];
    let cases: [(&str, Option<&[String]>, &str); 11] = [
        (
            "postgresql://postgres@127.0.0.1:1/app",
            None,
            r#"PostgreSQL database "app", schema "public" at "127.0.0.1:1""#,
        ),
        (
            "postgresql://u:p@h:5432/a?schema=s",
            Some(&[]),
            r#"PostgreSQL database "a", schema "s" at "h:5432""#,
        ),
        ("postgresql://u@h/a", Some(&two), r#"PostgreSQL database "a", schemas "one, two" at "h""#),
        (
            "postgresql://postgres@localhost/a?host=/var/run/postgresql&port=55432",
            None,
            r#"PostgreSQL database "a", schema "public" at "localhost""#,
        ),
        (
            "postgresql://u@%2Ftmp%2Fpg:55432/a",
            None,
            r#"PostgreSQL database "a", schema "public" at "%2Ftmp%2Fpg:55432""#,
        ),
        (
            "postgresql://u@hh:5432/$H-x-${H}",
            None,
            r#"PostgreSQL database "$H-x-$%7BH%7D", schema "public" at "hh:5432""#,
        ),
        ("postgresql://a:1,b:2/d", None, r#"PostgreSQL database "d", schema "public" at "a:1,b:2""#),
        ("mysql://u:p@h:3306/a", None, r#"MySQL database "a" at "h:3306""#),
        ("file:./dev.db", None, r#"SQLite database "dev.db" at "file:./dev.db""#),
        ("file:./data/new/x.db", None, r#"SQLite database "x.db" at "file:./data/new/x.db""#),
        (
            "file:./dev.db?connection_limit=1&socket_timeout=3",
            None,
            r#"SQLite database "dev.db" at "file:./dev.db?connection_limit=1&socket_timeout=3""#,
        ),
    ];
    for (url, schemas, expected) in cases {
        let target = parse(url).unwrap().0;
        assert_eq!(target.datasource_line("db", schemas), format!("Datasource \"db\": {expected}"));
    }
}

#[test]
fn the_location_is_host_and_port() {
    for (url, expected) in [
        ("postgresql://u@127.0.0.1/d", "127.0.0.1:5432"),
        ("postgresql://u@[::1]/d", "[::1]:5432"),
        ("postgresql://u@a:1,b:2/d", "a:1,b:2"),
        ("postgresql://u@localhost:55432/d?host=/var/run/postgresql", "/var/run/postgresql:55432"),
        ("mysql://u@h/d", "h:3306"),
        ("file:./data/dev.db", "dev.db"),
    ] {
        assert_eq!(parse(url).unwrap().0.location(), expected);
    }
}

#[test]
fn secrets_have_the_decoded_and_the_written_form() {
    let target = parse("postgresql://u:p%61ss@h/d?sslpassword=k%2Be%79").unwrap().0;
    let secrets: Vec<String> = target.secrets().iter().map(|secret| secret.expose().to_owned()).collect();
    assert_eq!(secrets, ["pass", "p%61ss", "k+ey", "k%2Be%79"]);
    let target = parse("mysql://u:secret@h/d").unwrap().0;
    assert_eq!(target.secrets().len(), 1);
}

#[test]
fn another_database_changes_the_database_alone() {
    let target = parse("postgresql://u:p@h:1/a?schema=s").unwrap().0.with_database("postgres");
    assert_eq!(
        target.datasource_line("db", None),
        r#"Datasource "db": PostgreSQL database "postgres", schema "s" at "h:1""#
    );
    match target.kind {
        Kind::Postgres(target) => {
            assert_eq!((target.database.as_str(), target.schema.as_str()), ("postgres", "s"))
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_expected_protocol_is_named_only_where_it_is_missing() {
    let expected = |provider, url: &str| expected_protocol(provider, &Secret::new(url));
    assert_eq!(expected(Provider::PostgreSql, "postgres://x"), None);
    assert_eq!(expected(Provider::PostgreSql, "'postgresql://x'"), None);
    assert_eq!(expected(Provider::PostgreSql, "postgres:/x"), Some("`postgresql://` or `postgres://`"));
    assert_eq!(expected(Provider::Sqlite, "sqlite:dev.db"), Some("`file:`"));
    assert_eq!(expected(Provider::MySql, "file:dev.db"), Some("`mysql://`"));
}

#[test]
fn mysql_urls_say_where_and_whether_tls_is_spoken() {
    let mysql = |url: &str| match parse(url).unwrap().0.kind {
        Kind::MySql(mysql) => mysql,
        other => panic!("{other:?}"),
    };
    let plain = mysql("mysql://u:p%40ss@db.example:3307/shop?connection_limit=5&connect_timeout=0");
    assert_eq!((plain.host.as_str(), plain.port, plain.database.as_str()), ("db.example", 3307, "shop"));
    assert_eq!(plain.password.as_ref().map(|password| password.expose().to_owned()), Some("p@ss".to_owned()));
    assert!(plain.tls.is_none() && plain.connect_timeout.is_none());
    let defaults = mysql("mysql://localhost");
    assert_eq!((defaults.user.as_str(), defaults.port, defaults.database.as_str()), ("root", 3306, "mysql"));
    let socket = mysql("mysql://u@localhost/d?socket=/run/mysqld/mysqld.sock");
    assert_eq!(socket.socket.as_deref(), Some(std::path::Path::new("/run/mysqld/mysqld.sock")));
    // Any word about TLS turns it on; only one of them makes it check anything.
    for (parameters, accept) in [
        ("sslaccept=strict", SslAccept::Strict),
        ("sslaccept=accept_invalid_certs", SslAccept::AcceptInvalidCerts),
        ("sslcert=ca.pem", SslAccept::AcceptInvalidCerts),
    ] {
        let tls = mysql(&format!("mysql://u@h/d?{parameters}")).tls;
        assert_eq!(tls.map(|tls| tls.accept), Some(accept), "{parameters}");
    }
    for wrong in ["sslaccept=maybe", "connection_limit=many", "socket_timeout=x", "prefer_socket=1"] {
        assert!(parse(&format!("mysql://u@h/d?{wrong}")).is_err(), "{wrong}");
    }
}

/// Everything that somebody may get to read.
fn shown(result: &Result<(Target, Vec<Diagnostic>)>) -> String {
    match result {
        Ok((target, warnings)) => {
            format!("{target:?} {} {} {warnings:?}", target.location(), target.datasource_line("db", None))
        }
        Err(failure) => format!("{failure:?} {failure}"),
    }
}

fn encode(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in any::<String>(), scheme in "(postgresql://|mysql://|file:|)") {
        let _ = parse(&format!("{scheme}{text}"));
    }

    #[test]
    fn an_escaped_password_is_never_shown_and_arrives_whole(
        password in "[ -~äß]{8,20}",
        query in "(\\?sslmode=nope|\\?foo=1|\\?pgbouncer=x|)",
        port in "(|:abc|:5432)",
    ) {
        let result = parse(&format!("postgresql://user:{}@h{port}/d{query}", encode(&password)));
        let shown = shown(&result);
        prop_assert!(!shown.contains(&password));
        prop_assert!(!shown.contains(&encode(&password)));
        if let Ok((Target { kind: Kind::Postgres(target), .. }, _)) = result {
            prop_assert_eq!(target.password.as_ref().map(Secret::expose), Some(password.as_str()));
        }
    }

    /// No piece of a password that somebody forgot to escape is shown, wherever it would have ended up.
    #[test]
    fn an_unescaped_password_is_never_shown_in_pieces(
        pieces in proptest::collection::vec("QZ[0-9]{3}XJ", 1..4),
        separators in proptest::collection::vec("[#/?@:%&=]", 4),
    ) {
        let password: String =
            pieces.iter().zip(&separators).map(|(piece, separator)| format!("{piece}{separator}")).collect();
        let shown = shown(&parse(&format!("postgresql://user:{password}@h:5432/d?sslmode=require")));
        for piece in &pieces {
            prop_assert!(!shown.contains(piece.as_str()), "{}", shown);
        }
    }
}
