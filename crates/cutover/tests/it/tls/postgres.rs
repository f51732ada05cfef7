//! PostgreSQL: `sslmode` and `sslaccept` by certificate, and client certificates.

use super::clients::{self, PAIR, SINGLE, named};
use super::{
    CONNECTS, Cell, PRESENTED, Presented, SELF_SIGNED, UNKNOWN, WRITTEN, file, make_presented, run, workshop,
};
use std::path::Path;
use std::process::Command;
use std::time::Instant;
use tempfile::TempDir;
use testkit::certificates::Workshop;
use testkit::postgres::Server;

/// How a connection is made.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    /// In clear text.
    Clear,
    /// TLS, and nothing is checked.
    Unchecked,
    /// TLS with an authority that is trusted.
    Chain,
    /// And for this host.
    Full,
}

/// What is asked for: `sslmode` and `sslaccept`, and the way without and with a named authority.
type Asked = (&'static str, &'static str, Way, Way);

use Way::{Chain, Clear, Full, Unchecked};

#[rustfmt::skip]
const ASKED: [Asked; 21] = [
    ("", "", Unchecked, Unchecked),
    ("", "accept_invalid_certs", Unchecked, Unchecked),
    ("", "strict", Full, Full),
    ("disable", "", Clear, Clear),
    ("disable", "accept_invalid_certs", Clear, Clear),
    ("disable", "strict", Clear, Clear),
    ("allow", "", Clear, Clear),
    ("allow", "accept_invalid_certs", Clear, Clear),
    ("allow", "strict", Clear, Clear),
    ("prefer", "", Unchecked, Unchecked),
    ("prefer", "accept_invalid_certs", Unchecked, Unchecked),
    ("prefer", "strict", Full, Full),
    ("require", "", Unchecked, Chain),
    ("require", "accept_invalid_certs", Unchecked, Unchecked),
    ("require", "strict", Full, Full),
    ("verify-ca", "", Chain, Chain),
    ("verify-ca", "accept_invalid_certs", Chain, Chain),
    ("verify-ca", "strict", Full, Full),
    ("verify-full", "", Full, Full),
    ("verify-full", "accept_invalid_certs", Full, Full),
    ("verify-full", "strict", Full, Full),
];

/// Who may come in how: a cell that takes another way than it must is refused.
const DOORS: &str = "hostssl all encrypted 127.0.0.1/32 trust\nhostnossl all clear 127.0.0.1/32 trust\n\
                     hostssl all certified 127.0.0.1/32 cert\n";

fn server(workshop: &Workshop) -> Server {
    let server = Server::private(&[], Some(DOORS));
    server.psql("CREATE ROLE encrypted LOGIN; CREATE ROLE clear LOGIN; CREATE ROLE certified LOGIN");
    present(&server, workshop, "good");
    server
}

fn present(server: &Server, workshop: &Workshop, name: &str) {
    let path = |extension| workshop.path(&format!("{name}.{extension}"));
    server.present(&path("crt"), &path("key"), &workshop.path("authority.crt"));
}

/// A URL that holds the password, whether it is needed or not.
fn url(server: &Server, role: &str, parameters: &[String]) -> String {
    let absent = |one: &&str| !matches!(*one, "" | "sslmode=" | "sslaccept=");
    let parameters: Vec<&str> = parameters.iter().map(String::as_str).filter(absent).collect();
    format!("postgresql://{role}:{WRITTEN}@localhost:{}/postgres?{}", server.port(), parameters.join("&"))
}

/// All cells of one certificate.
fn cells(server: &Server, workshop: &Workshop, presented: &Presented) -> Vec<Cell> {
    let right = workshop.path(presented.authority);
    let stranger = workshop.path("stranger.crt");
    let roots = [
        (String::new(), false),
        (file("sslcert", &right), true),
        (file("sslrootcert", &right), true),
        (file("sslrootcert", &stranger), false),
    ];
    let mut cells = Vec::new();
    for (mode, accept, without, with) in ASKED {
        // Where nothing is looked at, one authority is as good as another.
        let different = match with {
            Clear => 1,
            Unchecked => 2,
            Chain | Full => roots.len(),
        };
        for (root, trusted) in &roots[..different] {
            let way = if root.is_empty() { without } else { with };
            let words = match way {
                Clear | Unchecked => CONNECTS,
                Chain if *trusted => presented.chain,
                Full if *trusted => presented.full,
                Chain | Full => presented.untrusted,
            };
            let role = if way == Clear { "clear" } else { "encrypted" };
            let parameters = [format!("sslmode={mode}"), format!("sslaccept={accept}"), root.clone()];
            cells.push(Cell::new(url(server, role, &parameters), "P1011", words));
        }
    }
    cells
}

#[test]
fn every_sslmode_meets_every_certificate() {
    let (began, folder) = (Instant::now(), TempDir::new().unwrap());
    let workshop = workshop(&folder);
    make_presented(&workshop);
    let server = server(&workshop);
    let mut count = 0;
    for presented in &PRESENTED {
        present(&server, &workshop, presented.name);
        count += run(&cells(&server, &workshop, presented));
        assert_libpq_agrees(&server, &workshop, presented);
    }
    // What rustls cannot read is checked by other code in TLS 1.2.
    server.set(&[("ssl_max_protocol_version", "TLSv1.2")]);
    for presented in PRESENTED.iter().filter(|one| one.name.starts_with("version_1") || one.name == "good") {
        present(&server, &workshop, presented.name);
        count += run(&cells(&server, &workshop, presented));
    }
    println!("PostgreSQL, server certificates: {count} cells in {} ms", began.elapsed().as_millis());
}

/// Whether `psql` connects, in the place of libpq, whose word counts.
fn psql_connects(server: &Server, mode: &str, authority: &Path) -> bool {
    let url = url(server, "encrypted", &[format!("sslmode={mode}"), file("sslrootcert", authority)]);
    let output =
        Command::new(testkit::postgres::psql_program()).args(["-Xc", "SELECT 1", &url]).output().unwrap();
    output.status.success()
}

/// The table says what libpq does.
fn assert_libpq_agrees(server: &Server, workshop: &Workshop, presented: &Presented) {
    let (right, stranger) = (workshop.path(presented.authority), workshop.path("stranger.crt"));
    for (mode, authority, words) in [
        ("verify-ca", &right, presented.chain),
        ("verify-full", &right, presented.full),
        ("require", &right, presented.chain),
        ("verify-ca", &stranger, presented.untrusted),
        ("verify-full", &stranger, presented.untrusted),
    ] {
        let connects = psql_connects(server, mode, authority);
        assert_eq!(connects, words.is_empty(), "{} with {mode}: psql differs", presented.name);
    }
}

#[test]
fn a_server_without_tls_is_spoken_to_where_the_url_allows_it() {
    let server = Server::private(&[], Some(DOORS));
    server.psql("CREATE ROLE clear LOGIN");
    let words: &[&str] = &["server does not support TLS", "Turn TLS on in the server (`ssl = on`)"];
    let cells: Vec<Cell> = ASKED
        .iter()
        .map(|(mode, accept, ..)| {
            let parameters = [format!("sslmode={mode}"), format!("sslaccept={accept}")];
            let asked_for = !matches!(*mode, "" | "disable" | "allow" | "prefer");
            Cell::new(url(&server, "clear", &parameters), "P1011", if asked_for { words } else { CONNECTS })
        })
        .collect();
    println!("PostgreSQL, server without TLS: {} cells", run(&cells));
}

#[test]
fn other_ways_and_files_that_are_not_there() {
    let folder = TempDir::new().unwrap();
    let workshop = workshop(&folder);
    make_presented(&workshop);
    let server = server(&workshop);
    let refused: &[&str] = &["no pg_hba.conf entry"];
    let root = |name| named(&workshop, "sslrootcert", name);
    let cell = |role: &str, parameters: &[&str], code, words: &[&str]| {
        let parameters: Vec<String> = parameters.iter().map(|one| (*one).to_owned()).collect();
        Cell::new(url(&server, role, &parameters), code, words)
    };
    let mut cells = vec![
        // The second way of `allow` and `prefer`.
        cell("encrypted", &["sslmode=allow"], "", CONNECTS),
        cell("clear", &["sslmode=prefer"], "", CONNECTS),
        cell("clear", &[], "", CONNECTS),
        cell("encrypted", &["sslmode=allow", "sslaccept=strict"], "P1010", refused),
        cell("encrypted", &["sslmode=disable"], "P1010", refused),
        cell("clear", &["sslmode=require"], "P1010", refused),
        // A check that was asked for is not got round by clear text.
        cell("clear", &["sslmode=prefer", "sslaccept=strict", &root("stranger.crt")], "P1011", UNKNOWN),
        cell("clear", &["sslmode=prefer", "sslaccept=strict", &root("authority.crt")], "P1010", refused),
        cell(
            "encrypted",
            &["sslmode=verify-full", &root("absent")],
            "P1011",
            &["absent` (`sslrootcert`): No such file", "Correct `sslrootcert`"],
        ),
        cell(
            "encrypted",
            &["sslmode=verify-ca", &root("garbage")],
            "P1011",
            &["garbage` (`sslrootcert`) holds no PEM certificate"],
        ),
        cell(
            "encrypted",
            &["sslmode=require", &named(&workshop, "sslcert", "absent")],
            "P1011",
            &["absent` (`sslcert`)"],
        ),
        // A file of our own that is not there is no reason to go on in clear text.
        cell(
            "clear",
            &[&named(&workshop, "sslidentity", "absent.p12")],
            "P1011",
            &["absent.p12` (`sslidentity`)"],
        ),
        cell("encrypted", &["sslrootcert=system"], "P1011", UNKNOWN),
        cell(
            "encrypted",
            &["sslrootcert=system", "sslmode=require"],
            "P1013",
            &["needs `sslmode=verify-full`"],
        ),
    ];
    let by_address = url(&server, "encrypted", &["sslmode=verify-full".into(), root("authority.crt")]);
    cells.push(Cell::new(by_address.replace("localhost", "127.0.0.1"), "", CONNECTS));
    let count = run(&cells);
    present(&server, &workshop, "common_name");
    let words = &["not valid for the name `127.0.0.1`, but for `localhost`", "Use one of these names"];
    let count = count + run(&[Cell::new(by_address.replace("localhost", "127.0.0.1"), "P1011", words)]);
    present(&server, &workshop, "self_signed");
    let count = count
        + run(&[cell("encrypted", &["sslmode=verify-ca", &root("stranger.crt")], "P1011", SELF_SIGNED)]);
    server.set(&[("ssl_min_protocol_version", "TLSv1"), ("ssl_max_protocol_version", "TLSv1.1")]);
    let words =
        &["the server speaks no TLS that is spoken here, which is 1.2 and 1.3", "Let the server speak"];
    let count = count + run(&[cell("encrypted", &["sslmode=require"], "P1011", words)]);
    println!("PostgreSQL, other ways: {count} cells");
}

#[test]
fn a_client_certificate_opens_the_door_that_asks_for_one() {
    let folder = TempDir::new().unwrap();
    let workshop = workshop(&folder);
    clients::make(&workshop);
    let server = server(&workshop);
    let root = named(&workshop, "sslrootcert", "authority.crt");
    let mut cells = Vec::new();
    for mode in ["", "prefer", "require", "verify-ca", "verify-full"] {
        let mut cell = |parameters: String, code, words: &[&str]| {
            let all = [format!("sslmode={mode}"), root.clone(), parameters];
            cells.push(Cell::new(url(&server, "certified", &all), code, words));
        };
        for client in PAIR.iter().chain(&SINGLE) {
            cell(client.written(&workshop), client.code, client.words);
        }
        let none =
            &["requires a valid client certificate", "Give a client certificate: `sslcert` and `sslkey`"];
        cell(String::new(), "P1010", none);
        let other = "sslidentity=%uninvited.p12&sslpassword=PASSWORD";
        let other = clients::Client {
            parameters: other,
            code: "P1010",
            words: &["certificate authentication failed"],
        };
        cell(other.written(&workshop), other.code, other.words);
    }
    // `allow` asks for TLS as its second way; where that fails too, the first refusal is told.
    let refused: &[&str] = &["no pg_hba.conf entry"];
    for client in PAIR.iter().chain(&SINGLE) {
        let all = ["sslmode=allow".to_owned(), root.clone(), client.written(&workshop)];
        let (code, words) = match client.code {
            "P1011" => ("P1010", refused),
            other => (other, client.words),
        };
        cells.push(Cell::new(url(&server, "certified", &all), code, words));
    }
    cells.push(Cell::new(url(&server, "certified", &["sslmode=allow".to_owned(), root]), "P1010", refused));
    // Without TLS there is no certificate to show: the door that asks for one has no line for it.
    for client in [PAIR[0].written(&workshop), SINGLE[0].written(&workshop), String::new()] {
        let all = ["sslmode=disable".to_owned(), client];
        cells.push(Cell::new(url(&server, "certified", &all), "P1010", refused));
    }
    println!("PostgreSQL, client certificates: {} cells", run(&cells));
}
