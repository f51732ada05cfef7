//! MariaDB: `sslaccept` and `sslcert` by certificate, and client certificates.

use super::clients::{self, SINGLE, named};
use super::{CONNECTS, Cell, PRESENTED, Presented, WRITTEN, file, make_presented, run, workshop};
use crate::support::{Project, text};
use std::time::Instant;
use tempfile::TempDir;
use testkit::certificates::Workshop;
use testkit::mariadb::Server;

fn server(workshop: &Workshop) -> Server {
    let path = |name| workshop.path(name);
    let server = Server::with_tls(&path("good.crt"), &path("good.key"), &path("authority.crt"));
    accounts(&server);
    server
}

/// Who may come in how: `clear` may come any way, and tells the way it took by what it finds.
fn accounts(server: &Server) {
    for (name, requirement) in
        [("clear", "NONE"), ("encrypted", "SSL"), ("certified", "SUBJECT '/CN=certified'")]
    {
        server.sql(&format!(
            "CREATE USER {name} IDENTIFIED BY '{}' REQUIRE {requirement}; GRANT ALL ON *.* TO {name}",
            super::PASSWORD
        ));
    }
    server.sql("CREATE DATABASE app");
}

fn present(server: &Server, workshop: &Workshop, name: &str) {
    let path = |extension| workshop.path(&format!("{name}.{extension}"));
    server.present(&path("crt"), &path("key"));
}

fn url(server: &Server, account: &str, parameters: &[&str]) -> String {
    let parameters: Vec<&str> = parameters.iter().copied().filter(|one| !one.is_empty()).collect();
    format!("mysql://{account}:{WRITTEN}@localhost:{}/app?{}", server.port(), parameters.join("&"))
}

/// What an account that must come by TLS is told where it comes without.
const DENIED: &[&str] = &["Access denied", "`encrypted`", "what asks for TLS or a client certificate"];

/// All cells of one certificate.
fn cells(server: &Server, workshop: &Workshop, presented: &Presented) -> Vec<Cell> {
    let right = file("sslcert", &workshop.path(presented.authority));
    let stranger = named(workshop, "sslcert", "stranger.crt");
    let (strict, lax) = ("sslaccept=strict", "sslaccept=accept_invalid_certs");
    let cell = |account: &str, parameters: &[&str], code, words: &[&str]| {
        Cell::new(url(server, account, parameters), code, words)
    };
    vec![
        cell("clear", &[], "", CONNECTS),
        cell("encrypted", &[], "P1000", DENIED),
        cell("encrypted", &[lax], "", CONNECTS),
        cell("encrypted", &[&right], "", CONNECTS),
        cell("encrypted", &[&stranger], "", CONNECTS),
        cell("encrypted", &[lax, &right], "", CONNECTS),
        cell("encrypted", &[lax, &stranger], "", CONNECTS),
        cell("encrypted", &["sslpassword=unused"], "", CONNECTS),
        cell("encrypted", &[strict], "P1011", presented.untrusted),
        cell("encrypted", &[strict, &stranger], "P1011", presented.untrusted),
        cell("encrypted", &[strict, &right], "P1011", presented.full),
    ]
}

#[test]
fn every_sslaccept_meets_every_certificate() {
    let (began, folder) = (Instant::now(), TempDir::new().unwrap());
    let workshop = workshop(&folder);
    make_presented(&workshop);
    let server = server(&workshop);
    let mut count = 0;
    for presented in &PRESENTED {
        present(&server, &workshop, presented.name);
        count += run(&cells(&server, &workshop, presented));
    }
    println!("MariaDB, server certificates: {count} cells in {} ms", began.elapsed().as_millis());
}

#[test]
fn a_server_without_tls_and_a_socket() {
    let folder = TempDir::new().unwrap();
    let workshop = workshop(&folder);
    clients::make(&workshop);
    let (plain, secure) = (Server::start(), server(&workshop));
    accounts(&plain);
    let words: &[&str] =
        &["Client asked for SSL but server does not have this capability", "Turn TLS on in the server"];
    let cell = |server: &Server, account: &str, parameters: &[&str], code, words: &[&str]| {
        Cell::new(url(server, account, parameters), code, words)
    };
    let identity = format!("{}&sslpassword={WRITTEN}", named(&workshop, "sslidentity", "modern.p12"));
    let root = |name| named(&workshop, "sslcert", name);
    let strict = "sslaccept=strict";
    let socket = format!("socket={}", secure.socket().display());
    let cells = [
        cell(&plain, "clear", &[], "", CONNECTS),
        cell(&plain, "clear", &["sslaccept=accept_invalid_certs"], "P1011", words),
        cell(&plain, "clear", &[strict], "P1011", words),
        cell(&plain, "clear", &[&root("authority.crt")], "P1011", words),
        cell(&plain, "clear", &[&identity], "P1011", words),
        // What goes through a socket does not leave the machine.
        cell(&secure, "clear", &[&socket], "", CONNECTS),
        cell(&secure, "clear", &[&socket, strict], "", CONNECTS),
        cell(
            &secure,
            "encrypted",
            &[strict, &root("absent")],
            "P1011",
            &["absent` (`sslcert`): No such file", "Correct `sslcert`"],
        ),
        cell(
            &secure,
            "encrypted",
            &[strict, &root("garbage")],
            "P1011",
            &["garbage` (`sslcert`) holds no PEM certificate"],
        ),
        Cell::new(
            url(&secure, "encrypted", &[strict, &root("authority.crt")]).replace("localhost", "127.0.0.1"),
            "",
            CONNECTS,
        ),
    ];
    let count = run(&cells);
    secure.sql("SET GLOBAL require_secure_transport = ON");
    // MariaDB tells no more than that it does not let anybody in; MySQL says 3159.
    let insecure: &[&str] =
        &["Access denied", "`require_secure_transport`) needs `sslaccept` or `sslidentity`"];
    let cells = [
        cell(&secure, "clear", &[], "P1000", insecure),
        cell(&secure, "clear", &["sslaccept=accept_invalid_certs"], "", CONNECTS),
    ];
    println!("MariaDB, other ways: {} cells", count + run(&cells));
}

#[test]
fn a_deploy_goes_through_tls_whatever_its_size() {
    let folder = TempDir::new().unwrap();
    let workshop = workshop(&folder);
    let server = server(&workshop);
    let large = "x".repeat(3_000_000);
    let project = Project::new(&[
        (
            "1_a",
            &format!(
                "CREATE TABLE a (t LONGTEXT); INSERT INTO a VALUES ('{large}'); INSERT INTO a SELECT t FROM a;"
            ),
        ),
        (
            "2_b",
            "CREATE TABLE b AS SELECT variable_value AS v FROM information_schema.session_status WHERE variable_name = 'Ssl_version';",
        ),
        ("3_c", "CREATE TABLE c (id INT); INSERT INTO c VALUES (1); INSERT INTO nowhere VALUES (1);"),
    ]);
    let url = url(&server, "encrypted", &["sslaccept=strict", &named(&workshop, "sslcert", "authority.crt")]);
    let output = project.run(&url, &["migrate", "deploy"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("P3018") && stderr.contains("nowhere"), "{}", text(&output));
    assert_eq!(server.sql("SELECT COUNT(*), SUM(LENGTH(t)) FROM app.a"), "2|6000000");
    assert!(server.sql("SELECT v FROM app.b").starts_with("TLSv1."), "it was not encrypted");
}

#[test]
fn a_client_certificate_opens_the_door_that_asks_for_one() {
    let folder = TempDir::new().unwrap();
    let workshop = workshop(&folder);
    clients::make(&workshop);
    let server = server(&workshop);
    let strict = format!("sslaccept=strict&{}", named(&workshop, "sslcert", "authority.crt"));
    let mut cells = Vec::new();
    for asked in ["", "sslaccept=accept_invalid_certs", &strict] {
        let mut cell = |parameters: String, code, words: &[&str]| {
            cells.push(Cell::new(url(&server, "certified", &[asked, &parameters]), code, words));
        };
        for client in &SINGLE {
            cell(client.written(&workshop), client.code, client.words);
        }
        cell(String::new(), "P1000", &["`certified`", "what asks for TLS or a client certificate"]);
        let other = format!("{}&sslpassword={WRITTEN}", named(&workshop, "sslidentity", "uninvited.p12"));
        cell(other, "P1000", &["`certified`"]);
    }
    println!("MariaDB, client certificates: {} cells", run(&cells));
}
