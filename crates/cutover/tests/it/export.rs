//! What of a run goes to systems that keep measurements: spans, read by OpenTelemetry's own protobuf, and metrics.

use crate::support::{Project, is, text};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message;
use testkit::postgres::server;
use testkit::sqlite;
use testkit::web::{Answer, Server};

fn spans(web: &Server) -> (Vec<Span>, ExportTraceServiceRequest) {
    let requests = web.requests();
    assert_eq!(requests.len(), 1, "all at once");
    assert_eq!(requests[0].line, "POST /v1/traces");
    assert_eq!(requests[0].header("content-type"), Some("application/x-protobuf"));
    let request = ExportTraceServiceRequest::decode(requests[0].bytes.as_slice()).unwrap();
    let scopes = request.resource_spans.iter().flat_map(|resource| &resource.scope_spans);
    (scopes.flat_map(|scope| scope.spans.clone()).collect(), request)
}

fn attribute(span: &Span, name: &str) -> Option<String> {
    let found = span.attributes.iter().find(|one| one.key == name)?;
    match found.value.as_ref()?.value.as_ref()? {
        Value::StringValue(text) => Some(text.clone()),
        Value::IntValue(number) => Some(number.to_string()),
        other => Some(format!("{other:?}")),
    }
}

#[test]
fn a_run_is_a_trace_of_migrations_statements_and_waits() {
    let web = Server::start(&[Answer::Status(200)]);
    let database = server().create_database("traces");
    let project = Project::new(&[("1_base", "CREATE TABLE a (id int);\nINSERT INTO a VALUES (1), (2);")]);
    project.deploy(&database.url());
    project.write("2_wait", "ALTER TABLE a ADD COLUMN n int;");
    project.write("3_bad", "SELECT 'x'::int;");
    let mut holder = database.session();
    holder.run("BEGIN; SELECT 'confidential' FROM a");
    let mut deployer = project.spawn_with(
        &database.url(),
        &["deploy", "--trace"],
        &[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &web.url("/")),
            ("OTEL_EXPORTER_OTLP_HEADERS", "api-key=abc,other=1"),
            ("OTEL_SERVICE_NAME", "shop-migrations"),
            ("TRACEPARENT", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ],
    );
    deployer.wait_for("an attempt to end", |event| is(event, "attempt_ended"));
    drop(holder);
    let (status, stderr, _) = deployer.finish();
    assert_eq!(status.code(), Some(1), "{stderr}");
    let (spans, request) = spans(&web);
    let named = |name: &str| {
        spans.iter().find(|span| span.name == name).unwrap_or_else(|| panic!("{name}: {spans:#?}"))
    };
    let (run, wait, bad) = (named("cutover deploy"), named("2_wait"), named("3_bad"));
    assert_eq!(run.trace_id, (0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c_u128).to_be_bytes());
    assert_eq!(run.parent_span_id, 0xb7ad_6b71_6920_3331_u64.to_be_bytes());
    assert_eq!((&wait.parent_span_id, &bad.parent_span_id), (&run.span_id, &run.span_id));
    assert_eq!(attribute(run, "cutover.result").as_deref(), Some("failed"));
    assert_eq!(attribute(run, "db.system.name").as_deref(), Some("postgresql"));
    assert_eq!(attribute(run, "process.exit.code").as_deref(), Some("1"));
    assert_eq!(run.status.as_ref().unwrap().code, 2);
    assert_eq!(
        (wait.status.as_ref().map_or(0, |status| status.code), bad.status.as_ref().unwrap().code),
        (0, 2)
    );
    let waited = spans.iter().find(|span| span.name.starts_with("wait for ")).unwrap();
    assert_eq!(waited.parent_span_id, wait.span_id);
    assert!(attribute(waited, "cutover.blockers").unwrap().starts_with("pid "));
    assert!(spans.iter().any(|span| span.name == "statement 1" && span.parent_span_id == wait.span_id));
    for span in &spans {
        assert!(span.start_time_unix_nano <= span.end_time_unix_nano, "{span:?}");
        assert!(run.start_time_unix_nano <= span.start_time_unix_nano, "{span:?}");
    }
    let resource = request.resource_spans[0].resource.as_ref().unwrap();
    assert!(format!("{resource:?}").contains("shop-migrations"));
    assert_eq!(web.requests()[0].header("api-key"), Some("abc"));
    assert!(!format!("{request:?}").contains("confidential"));
}

#[test]
fn a_collector_that_is_not_there_or_refuses_is_told_and_fails_nothing() {
    let port = testkit::port::free();
    let refuses = Server::start(&[Answer::Status(401)]);
    for (address, why) in [
        (format!("--trace=http://127.0.0.1:{port}/v1/traces"), "the trace was not sent: "),
        (format!("--trace={}", refuses.url("/v1/traces")), "the trace was not sent: "),
        ("--trace".to_owned(), "OTEL_EXPORTER_OTLP_ENDPOINT is not set"),
    ] {
        let database = sqlite::Database::create("traces");
        let project = Project::new(&[("1_base", "CREATE TABLE a (id int);")]);
        let output = project.run(&database.url(), &["deploy", &address]);
        assert!(output.status.success(), "{}", text(&output));
        assert!(text(&output).contains(why), "{}", text(&output));
    }
}

#[test]
fn metrics_are_pushed_in_the_place_of_those_of_the_run_before() {
    let web = Server::start(&[Answer::Status(200), Answer::Status(400)]);
    let database = server().create_database("metrics");
    let project = Project::new(&[("1_base", "CREATE TABLE a (id int);")]);
    let output = project.run(&database.url(), &["deploy", "--push-metrics", &web.url("/")]);
    assert!(output.status.success(), "{}", text(&output));
    let request = &web.requests()[0];
    assert!(request.line.starts_with("POST /metrics/job/cutover/database@base64/"), "{}", request.line);
    let name = database.name();
    assert!(
        request.body.contains(&format!(
            "cutover_last_run_success{{command=\"deploy\",database=\"{name}\",environment=\"\"}} 1.0\n"
        )),
        "{}",
        request.body
    );
    assert!(!request.body.contains("# EOF") && request.body.ends_with('\n'));
    let output = project.run(&database.url(), &["deploy", "--push-metrics", &web.url("/metrics/job/shop")]);
    assert!(output.status.success(), "{}", text(&output));
    assert!(
        text(&output).contains("the metrics were not pushed: the server answered 400"),
        "{}",
        text(&output)
    );
    assert_eq!(web.requests()[1].line, "POST /metrics/job/shop");
}
