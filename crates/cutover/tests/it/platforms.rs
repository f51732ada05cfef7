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

/// PostgreSQL: an ErrorResponse to the start-up message; the URL.
fn postgres(code: &'static str, message: &'static str) -> String {
    let port = play(move |stream| {
        let mut length = [0; 4];
        stream.read_exact(&mut length)?;
        let mut rest = vec![0; (u32::from_be_bytes(length) as usize).saturating_sub(4)];
        stream.read_exact(&mut rest)?;
        let fields = format!("SFATAL\0VFATAL\0C{code}\0M{message}\0\0");
        let mut packet = vec![b'E'];
        packet.extend(u32::try_from(fields.len() + 4).unwrap().to_be_bytes());
        packet.extend(fields.as_bytes());
        stream.write_all(&packet)
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
