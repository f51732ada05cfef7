//! The proxy between psql and a real server: what each fault leaves behind, on both sides.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::Duration;
use testkit::postgres::{self, Database, Server};
use testkit::proxy::{Act, Kind, Moment, Proxy, When};
use testkit::wait_until;

fn proxy_for(database: &Database<'_>) -> Proxy {
    Proxy::start(SocketAddr::from((Ipv4Addr::LOCALHOST, database.server().port())))
}

/// psql through the proxy; each statement is a query message of its own.
fn psql(proxy: &Proxy, database: &Database<'_>, statements: &[&str]) -> Command {
    let mut command = Command::new(postgres::psql_program());
    command.args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-d", &proxy.url(&database.url())]);
    for statement in statements {
        command.args(["-c", statement]);
    }
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

const TRANSACTION: [&str; 3] = ["BEGIN", "INSERT INTO t VALUES (1)", "COMMIT"];

fn database_with_table(prefix: &str) -> Database<'static> {
    let database = postgres::server().create_database(prefix);
    database.psql("CREATE TABLE t (a int)");
    database
}

#[test]
fn passes_messages_and_counts_them() {
    let database = database_with_table("proxy_counts");
    let proxy = proxy_for(&database);
    let output = psql(&proxy, &database, &["SELECT 1", "SELECT 2"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "1\n2\n", "{}", stderr(&output));
    proxy.wait_until("psql has said goodbye", |_, messages| {
        messages.last().is_some_and(|message| message.kind == Kind::Other(b'X'))
    });
    let messages = proxy.messages();
    let seen: Vec<_> =
        messages.iter().map(|message| (message.kind, message.text.as_str(), message.query)).collect();
    let expected = [
        (Kind::Startup, "", 0),
        (Kind::Query, "SELECT 1", 1),
        (Kind::Query, "SELECT 2", 2),
        (Kind::Other(b'X'), "", 0),
    ];
    assert_eq!(seen, expected);
    assert_eq!((proxy.counts().connections, proxy.counts().queries), (1, 2));
}

#[test]
fn cut_before_commit_is_forwarded_leaves_no_row() {
    let database = database_with_table("proxy_before");
    let proxy = proxy_for(&database);
    proxy.rule(When::contains("COMMIT"), Moment::BeforeForward, Act::Close);
    let output = psql(&proxy, &database, &TRANSACTION).output().unwrap();
    assert!(stderr(&output).contains("server closed the connection unexpectedly"), "{}", stderr(&output));
    assert_eq!(proxy.counts().acted, 1);
    assert_eq!(database.psql("SELECT count(*) FROM t"), "0");
}

#[test]
fn cut_before_the_answer_to_commit_leaves_the_row() {
    let database = database_with_table("proxy_lost_answer");
    let proxy = proxy_for(&database);
    proxy.rule(When::nth_query(3), Moment::BeforeAnswer, Act::Reset);
    let output = psql(&proxy, &database, &TRANSACTION).output().unwrap();
    // libpq has the same words for FIN and RST; the test of chunks tells them apart.
    assert!(stderr(&output).contains("server closed the connection unexpectedly"), "{}", stderr(&output));
    assert_eq!(database.psql("SELECT count(*) FROM t"), "1");
}

#[test]
fn cut_within_an_answer() {
    let database = database_with_table("proxy_within");
    let proxy = proxy_for(&database);
    proxy.rule(When::contains("generate_series"), Moment::AfterAnswerBytes(100), Act::Close);
    let output = psql(&proxy, &database, &["SELECT generate_series(1, 1000)"]).output().unwrap();
    assert!(stderr(&output).contains("server closed the connection unexpectedly"), "{}", stderr(&output));
}

#[test]
fn a_held_commit_is_executed_after_resume() {
    let database = database_with_table("proxy_stall");
    let proxy = proxy_for(&database);
    proxy.rule(When::contains("COMMIT"), Moment::BeforeForward, Act::Stall);
    let client = psql(&proxy, &database, &TRANSACTION).spawn().unwrap();
    proxy.wait_until("the COMMIT is held", |counts, _| counts.held == 1);
    assert_eq!(database.psql("SELECT count(*) FROM t"), "0");
    proxy.resume();
    let output = client.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(database.psql("SELECT count(*) FROM t"), "1");
    assert_eq!(proxy.counts().held, 0);
}

#[test]
fn a_stalled_proxy_holds_everything_until_resumed() {
    let database = database_with_table("proxy_silent");
    let proxy = proxy_for(&database);
    proxy.stall();
    let client = psql(&proxy, &database, &["INSERT INTO t VALUES (1)"]).spawn().unwrap();
    proxy.wait_until("the client has sent its first packet", |counts, _| counts.messages == 1);
    proxy.resume();
    assert!(client.wait_with_output().unwrap().status.success());
    assert_eq!(database.psql("SELECT count(*) FROM t"), "1");
}

#[test]
fn a_delayed_proxy_still_delivers() {
    let database = database_with_table("proxy_delay");
    let proxy = proxy_for(&database);
    proxy.delay(Duration::from_millis(2));
    let output = psql(&proxy, &database, &["SELECT 1"]).output().unwrap();
    assert_eq!(output.stdout, b"1\n", "{}", stderr(&output));
}

#[test]
fn cutting_ends_open_connections_and_lets_new_ones_in() {
    let database = database_with_table("proxy_cut");
    let proxy = proxy_for(&database);
    let client = psql(&proxy, &database, &["BEGIN", "INSERT INTO t VALUES (1)", "SELECT pg_sleep(1000)"])
        .spawn()
        .unwrap();
    proxy.wait_until("the client sleeps", |counts, _| counts.queries == 3);
    wait_until("the server sleeps too", || {
        database.psql("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep' AND datname = current_database()") == "1"
    });
    proxy.cut(false);
    assert!(!client.wait_with_output().unwrap().status.success());
    assert!(psql(&proxy, &database, &["SELECT 1"]).output().unwrap().status.success());
}

#[test]
fn tls_passes_through_unread() {
    let server = Server::private(&[], None);
    server.enable_tls();
    let proxy = Proxy::start(SocketAddr::from((Ipv4Addr::LOCALHOST, server.port())));
    let url = proxy.url(&server.url_of("postgres")) + "?sslmode=require";
    let query = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    let output = Command::new(postgres::psql_program()).args(["-XAtc", query, &url]).output().unwrap();
    assert_eq!(output.stdout, b"t\n", "{}", stderr(&output));
    assert_eq!(proxy.counts().queries, 0, "what is encrypted is not read");
}

#[test]
fn a_request_to_cancel_is_seen() {
    let database = database_with_table("proxy_cancel");
    let proxy = proxy_for(&database);
    let mut client = TcpStream::connect(proxy.address()).unwrap();
    // Length 16, the code of a cancel request, a process id and a key that nobody has.
    let code = [4, 210, 22, 46];
    client.write_all(&[&[0, 0, 0, 16][..], &code, &[0; 8]].concat()).unwrap();
    proxy.wait_until("the request is seen", |_, messages| {
        messages.iter().any(|message| message.kind == Kind::Cancel)
    });
    assert_eq!(client.read(&mut [0]).unwrap(), 0, "the server answers with the end of the connection");
}

/// A server that sends back what it gets.
fn echo() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            // The proxy may cut while it copies: that is what the tests are about.
            let _ = std::io::copy(&mut &stream, &mut &stream);
        }
    });
    address
}

#[test]
fn any_protocol_passes_through_as_chunks_and_is_cut() {
    let proxy = Proxy::start_raw(echo());
    proxy.rule(When::contains("stop"), Moment::BeforeForward, Act::Close);
    proxy.rule(When::contains("crash"), Moment::BeforeAnswer, Act::Reset);
    let exchange = |last: &str| {
        let mut client = TcpStream::connect(proxy.address()).unwrap();
        client.write_all(b"hello").unwrap();
        let mut answer = [0; 5];
        client.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"hello");
        client.write_all(last.as_bytes()).unwrap();
        client.read(&mut answer).map_err(|error| error.kind())
    };
    assert_eq!(exchange("stop"), Ok(0), "the ordinary end of the connection");
    assert_eq!(exchange("crash"), Err(ErrorKind::ConnectionReset));
}

#[test]
fn a_limited_line_passes_on_a_message_in_pieces() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let proxy = Proxy::start_raw(listener.local_addr().unwrap());
    proxy.rate(1);
    let mut client = TcpStream::connect(proxy.address()).unwrap();
    let message = [7; 1000];
    client.write_all(&message).unwrap();
    let (mut upstream, _) = listener.accept().unwrap();
    let mut arrived = [0; 1000];
    // Without a limit the proxy writes it at once, and all of it is there.
    let first = upstream.read(&mut arrived).unwrap();
    assert!((1..message.len()).contains(&first), "{first} bytes came at once");
    // At the rate of before this would take a quarter of an hour.
    proxy.rate(0);
    upstream.read_exact(&mut arrived[first..]).unwrap();
    assert_eq!(arrived, message);
}
