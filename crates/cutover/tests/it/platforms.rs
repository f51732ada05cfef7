//! Platforms that do not run here: a listener plays what their servers answer, and the binary says the way out.

use crate::support::{Project, text};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::Output;

/// Answers every connection by `answer`, as long as the test's process lives; the port.
fn play(answer: impl Fn(&mut TcpStream) -> std::io::Result<()> + Send + 'static) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            // A client that has gone needs no answer.
            let _ = answer(&mut stream);
        }
    });
    port
}

/// PostgreSQL: reads the start-up message, which says nothing that is needed.
fn pass_over_start(stream: &mut TcpStream) -> std::io::Result<()> {
    let mut length = [0; 4];
    stream.read_exact(&mut length)?;
    let mut rest = vec![0; (u32::from_be_bytes(length) as usize).saturating_sub(4)];
    stream.read_exact(&mut rest)
}

/// PostgreSQL: an ErrorResponse to the start-up message; the URL.
fn postgres(code: &'static str, text: &'static str) -> String {
    let port = play(move |stream| {
        pass_over_start(stream)?;
        let fields = format!("SFATAL\0VFATAL\0C{code}\0M{text}\0\0");
        stream.write_all(&message(b'E', fields.as_bytes()))
    });
    format!("postgresql://app:s3cr3t@127.0.0.1:{port}/shop?sslmode=disable")
}

/// MySQL: an ERR packet instead of a greeting; the URL.
fn mysql(code: u16, message: &'static str) -> String {
    let port = play(move |stream| {
        let mut body = vec![0xff];
        body.extend(code.to_le_bytes());
        body.extend(message.as_bytes());
        let mut packet = u32::try_from(body.len()).unwrap().to_le_bytes().to_vec();
        packet[3] = 0;
        packet.extend(body);
        stream.write_all(&packet)
    });
    format!("mysql://app:s3cr3t@127.0.0.1:{port}/shop")
}

fn run(url: &str, arguments: &[&str]) -> Output {
    let output = Project::new(&[("1_a", "CREATE TABLE a (id int);")]).run(url, arguments);
    assert!(!text(&output).contains("s3cr3t"), "{}", text(&output));
    output
}

/// What `status` and `doctor` say of a connection that is refused.
fn tells(url: &str, platform: &str, way_out: &str) {
    let status = run(url, &["migrate", "status"]);
    let stderr = String::from_utf8_lossy(&status.stderr);
    assert_eq!(status.status.code(), Some(1), "{}", text(&status));
    assert!(stderr.contains(&format!("recognised: {platform}")), "{}", text(&status));
    assert!(stderr.contains(way_out), "{}", text(&status));
    assert!(!String::from_utf8_lossy(&status.stdout).contains(way_out), "{}", text(&status));

    let doctor = run(url, &["doctor", "--json"]);
    let document: serde_json::Value = serde_json::from_slice(&doctor.stdout).unwrap();
    let findings = document["findings"].as_array().unwrap();
    let told =
        |finding: &serde_json::Value| finding["help"].as_str().is_some_and(|help| help.contains(way_out));
    assert!(findings.iter().any(told), "{document:#}");
    assert_eq!(document["ok"], false);
}

#[test]
fn what_postgresql_platforms_answer_at_connect_gets_their_way_out() {
    for (code, message, platform, way_out) in [
        ("08P01", "unsupported startup parameter: search_path", "PgBouncer", "--url"),
        (
            "0A000",
            "Feature not supported: RDS Proxy currently doesn't support command-line options.",
            "Amazon RDS Proxy",
            "`.proxy-`",
        ),
        ("28000", "PAM authentication failed for user \"app\"", "Amazon RDS", "url = { command"),
        ("28P01", "The access token has expired", "Azure Database for PostgreSQL", "url = { command"),
        (
            "28000",
            "no pg_hba.conf entry for host \"10.0.0.1\", user \"app\", database \"shop\", no encryption",
            "Azure Database for PostgreSQL",
            "`sslmode=require`",
        ),
        ("XX000", "Tenant or user not found", "Supabase", "`postgres.PROJECT-REF`"),
        ("53300", "sorry, too many clients already", "PostgreSQL", "--wait-db 60s"),
    ] {
        tells(&postgres(code, message), platform, way_out);
    }
}

#[test]
fn what_mysql_platforms_answer_gets_their_way_out() {
    tells(
        &mysql(1105, "Percona-XtraDB-Cluster prohibits use of GET_LOCK with pxc_strict_mode = ENFORCING"),
        "Percona XtraDB Cluster",
        "pxc_strict_mode = PERMISSIVE",
    );
    tells(
        &mysql(1235, "This version of MariaDB doesn't yet support 'GET_LOCK in cluster (WSREP_ON=ON)'"),
        "Galera",
        "10.6.14",
    );
}

#[test]
fn a_socket_of_cloud_sql_that_is_not_there_is_not_attached() {
    let url = "postgresql://app:s3cr3t@localhost/shop?host=/cloudsql/project:region:none";
    tells(url, "Cloud SQL", "--set-cloudsql-instances");
}

#[test]
fn direct_definitions_that_are_disabled_are_the_references_own_code() {
    let output = run(&mysql(1105, "direct DDL is disabled"), &["migrate", "status"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        stderr.contains("P3022") && stderr.contains("https://pris.ly/d/migrate-no-direct-ddl"),
        "{stderr}"
    );
    assert!(stderr.contains("pscale deploy-request create"), "{stderr}");
}

#[test]
fn an_answer_that_is_of_no_platform_gets_no_advice() {
    let output =
        run(&postgres("28P01", "password authentication failed for user \"app\""), &["migrate", "status"]);
    assert!(text(&output).contains("P1000") && !text(&output).contains("recognised"), "{}", text(&output));
}

#[test]
fn a_statement_that_fails_as_on_a_platform_keeps_its_error_and_gets_a_note() {
    let database = testkit::postgres::server().create_database("platforms");
    for (message, note) in [
        (
            "cannot execute DDL on table \"a\" because there was a parallel DDL access to distributed table \"b\"",
            "SET LOCAL citus.multi_shard_modify_mode TO 'sequential'",
        ),
        ("Extension \"hstore\" is not allow-listed for \"azure_pg_admin\" users", "`azure.extensions`"),
    ] {
        let sql = format!("DO $$ BEGIN RAISE EXCEPTION '%', '{message}'; END $$;");
        let output = Project::new(&[("1_a", &sql)]).run(&database.url(), &["migrate", "deploy"]);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(stderr.contains("P3018") && stderr.contains(message) && stderr.contains(note), "{stderr}");
        assert!(!String::from_utf8_lossy(&output.stdout).contains(note), "{}", text(&output));
    }
}

/// The server lists what is its own among a session's variables: the position of its binary log, which every write moves, and limits that
/// a script or anybody else sets for the whole server.
#[test]
fn what_changes_on_the_server_is_not_put_back_into_the_session() {
    let server = testkit::mariadb::Server::with(&["--log-bin", "--server-id=1"]);
    let database = server.create_database("binlog");
    let project = Project::new(&[
        (
            "1_a",
            "CREATE TABLE a (id INT PRIMARY KEY); SET GLOBAL max_connections = 177; SET sql_mode = 'ANSI_QUOTES';",
        ),
        ("2_b", "INSERT INTO a VALUES (LENGTH(\"two\"));"),
        ("3_c", "INSERT INTO a VALUES (4);"),
    ]);
    let output = project.run(&database.url(), &["migrate", "deploy"]);
    assert!(output.status.success(), "{}", text(&output));
    // The session's own were: a text in double quotes was one again.
    assert_eq!(database.sql("SELECT GROUP_CONCAT(id ORDER BY id) FROM a"), "3,4");
    server.sql("SET GLOBAL max_connections = DEFAULT");
}

/// What a server with binary logging, and with a demand for keys, would refuse in the middle of a file.
#[test]
fn what_the_servers_settings_refuse_is_told_before_anything_runs() {
    let server = testkit::mariadb::Server::with(&[
        "--log-bin",
        "--server-id=1",
        "--innodb-force-primary-key=ON",
        "--max-allowed-packet=1M",
    ]);
    let function = "CREATE FUNCTION one() RETURNS INT RETURN 1;";
    let said = "CREATE FUNCTION one() RETURNS INT NO SQL RETURN 1;";
    let trigger = "CREATE TRIGGER t BEFORE INSERT ON k FOR EACH ROW SET NEW.id = 1;";
    for (sql, strong, refused) in [
        ("CREATE TABLE a (id INT);", true, Some("innodb_force_primary_key")),
        ("CREATE TABLE a (id INT UNIQUE NOT NULL);", true, None),
        ("CREATE TABLE a (id SERIAL);", true, None),
        ("CREATE TABLE IF NOT EXISTS k (id INT);", true, None),
        (
            &format!("INSERT INTO k VALUES (LENGTH('{}'));", "x".repeat(1_100_000)),
            true,
            Some("max_allowed_packet"),
        ),
        ("CREATE TABLE a (id INT) ENGINE = MyISAM;", true, None),
        (function, true, Some("DETERMINISTIC")),
        (said, true, None),
        (trigger, true, None),
        (said, false, Some("log_bin_trust_function_creators")),
        (trigger, false, Some("log_bin_trust_function_creators")),
    ] {
        let database = server.create_database("settings");
        let name = database.name();
        server.sql(&format!(
            "CREATE OR REPLACE USER weak@'127.0.0.1' IDENTIFIED BY 's3cr3t'; GRANT ALL ON {name}.* TO weak@'127.0.0.1'"
        ));
        let url = if strong { database.url() } else { database.url().replace("root@", "weak:s3cr3t@") };
        let project = Project::new(&[("1_a", &format!("CREATE TABLE k (id INT PRIMARY KEY);\n{sql}"))]);
        let output = project.run(&url, &["migrate", "deploy"]);
        let all = text(&output);
        assert!(!all.contains("s3cr3t"), "{all}");
        match refused {
            None => assert!(output.status.success(), "{sql}\n{all}"),
            Some(reason) => {
                assert_eq!(output.status.code(), Some(1), "{sql}\n{all}");
                assert!(
                    all.contains("C2021") && all.contains(reason) && all.contains("migration.sql:2:1"),
                    "{all}"
                );
                assert_eq!(database.sql("SHOW TABLES"), "", "nothing has run, and no history was made");
                // The server itself agrees.
                if strong {
                    let error =
                        database.try_sql(&format!("CREATE TABLE k (id INT PRIMARY KEY); {sql}")).unwrap_err();
                    assert!(
                        ["ERROR 1418", "ERROR 1173", "ERROR 2006", "ERROR 2013", "ERROR 2020", "ERROR 1153"]
                            .iter()
                            .any(|code| error.contains(code)),
                        "{error}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_definition_that_is_refused_as_on_planetscale_is_p3022() {
    let database = testkit::mariadb::server().create_database("platforms");
    let sql = "SIGNAL SQLSTATE '45000' SET MYSQL_ERRNO = 1105, MESSAGE_TEXT = 'direct DDL is disabled';";
    let output = Project::new(&[("1_a", sql)]).run(&database.url(), &["migrate", "deploy"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("P3022") && stderr.contains("pscale deploy-request create"), "{stderr}");
}

/// A message of PostgreSQL's protocol.
fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![kind];
    packet.extend(u32::try_from(body.len() + 4).unwrap().to_be_bytes());
    packet.extend(body);
    packet
}

/// A PostgreSQL server that lets everybody in and answers a question for its version with that, `f` and `off`; the URL.
fn with_version(version: &'static str) -> String {
    let port = play(move |stream| {
        pass_over_start(stream)?;
        let ready = message(b'Z', b"I");
        let greeting = [
            message(b'R', &[0; 4]),
            message(b'S', b"server_version\x0015.0\0"),
            message(b'K', &[0, 0, 0, 1, 0, 0, 0, 2]),
            ready.clone(),
        ];
        stream.write_all(&greeting.concat())?;
        let (mut columns, mut row) = (vec![0, 3], vec![0, 3]);
        for (name, value) in [("a", version), ("b", "f"), ("c", "off")] {
            columns.extend(name.as_bytes());
            columns.extend([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 25, 255, 255, 255, 255, 255, 255, 0, 0]);
            row.extend(u32::try_from(value.len()).unwrap().to_be_bytes());
            row.extend(value.as_bytes());
        }
        // Tables have no rows here.
        let rows =
            |row: &[u8]| [&message(b'T', &columns)[..], row, &message(b'C', b"SELECT 1\0"), &ready].concat();
        let (answer, nothing) = (rows(&message(b'D', &row)), rows(&[]));
        loop {
            let mut head = [0; 5];
            stream.read_exact(&mut head)?;
            let mut body = vec![0; (u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize) - 4];
            stream.read_exact(&mut body)?;
            if head[0] == b'Q' {
                let asked = String::from_utf8_lossy(&body).contains("version()");
                stream.write_all(if asked { &answer } else { &nothing })?;
            }
        }
    });
    format!("postgresql://app:s3cr3t@127.0.0.1:{port}/shop?sslmode=disable")
}

#[test]
fn products_that_keep_other_promises_are_refused_by_their_version() {
    for (version, name) in [
        ("CockroachDB CCL v23.1.11 (x86_64-pc-linux-gnu)", "CockroachDB"),
        ("PostgreSQL 15.2-YB-2.25.0.0-b0 on x86_64-pc-linux-gnu", "YugabyteDB"),
        ("PostgreSQL 16 (Aurora DSQL)", "Amazon Aurora DSQL"),
    ] {
        let output = run(&with_version(version), &["migrate", "deploy"]);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert!(stderr.contains("C1002") && stderr.contains(&format!("the server is {name}")), "{stderr}");
    }
}
