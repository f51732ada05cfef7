//! A run as a trace: a span for it, one for each migration, one for each statement and each wait, sent by OTLP over HTTP.

use super::LIMIT;
use crate::http::{self, Request as Asked};
use crate::record::MigrationRecord;
use crate::report::Report;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry::trace::{Span, SpanKind, Status, TraceContextExt, Tracer, TracerProvider};
use opentelemetry::{Context, KeyValue};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanData, SpanExporter as _, SpanProcessor};
use std::collections::HashMap;
use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};
use std::time::{Duration, SystemTime};

/// So many statements become spans; of a file of inserts the first ones say enough.
const MOST_STATEMENTS: usize = 1000;

/// Where traces go.
#[derive(Clone, Debug, Default)]
pub struct Traces {
    /// The address of the collector, with its path: `http://localhost:4318/v1/traces`.
    pub endpoint: String,
    /// What is sent along, such as a key.
    pub headers: HashMap<String, String>,
    /// The name of the service.
    pub service: String,
    /// The span that this run is a part of, as `TRACEPARENT` has it.
    pub parent: Option<String>,
}

/// Sends the spans of a run.
///
/// # Errors
/// Why they were not taken, in words.
pub fn spans(traces: &Traces, report: &Report) -> Result<(), String> {
    // What is no address may be anything, and is not repeated.
    if !["http://", "https://"].iter().any(|scheme| traces.endpoint.starts_with(scheme)) {
        return Err("its address is none of a web server".to_owned());
    }
    let collected = Collected::default();
    let resource = Resource::builder_empty()
        .with_attributes([
            KeyValue::new("service.name", traces.service.clone()),
            KeyValue::new("service.version", report.cutover),
        ])
        .build();
    let provider = SdkTracerProvider::builder()
        .with_resource(resource.clone())
        .with_span_processor(collected.clone())
        .build();
    make(&provider, traces, report);
    let spans = std::mem::take(&mut *collected.0.lock().unwrap_or_else(PoisonError::into_inner));
    let mut exporter = SpanExporter::builder()
        .with_http()
        .with_http_client(Client)
        .with_protocol(Protocol::HttpBinary)
        .with_endpoint(traces.endpoint.clone())
        .with_headers(traces.headers.clone())
        .with_timeout(LIMIT)
        .build()
        .map_err(|error| error.to_string())?;
    exporter.set_resource(&resource);
    now(exporter.export(spans)).map_err(|error| error.to_string())
}

/// What our client does it does at once: its future is ready when it is first asked.
fn now<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let mut context = std::task::Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut context) {
            return value;
        }
        std::thread::yield_now();
    }
}

fn make(provider: &SdkTracerProvider, traces: &Traces, report: &Report) {
    let tracer = provider.tracer("cutover");
    let began = moment(&report.started_at);
    let carrier: HashMap<String, String> =
        traces.parent.iter().map(|parent| ("traceparent".to_owned(), parent.clone())).collect();
    let parent = TraceContextPropagator::new().extract(&carrier);
    let run = tracer
        .span_builder(format!("cutover {}", report.command))
        .with_kind(SpanKind::Internal)
        .with_start_time(began)
        .with_attributes(of_run(report))
        .start_with_context(&tracer, &parent);
    let inside = parent.with_span(run);
    let mut left = MOST_STATEMENTS;
    for migration in report.migrations.iter().filter(|migration| migration.offset.is_some()) {
        of_migration(&tracer, migration, (&inside, began, report.seconds), &mut left);
    }
    let span = inside.span();
    if let Some(failure) = &report.failure {
        span.set_status(Status::error(failure.message.clone()));
        span.set_attribute(KeyValue::new("error.type", failure.code.unwrap_or("cutover")));
    }
    span.end_with_timestamp(moment(&report.ended_at));
}

fn of_run(report: &Report) -> Vec<KeyValue> {
    let database = report.database.as_ref();
    let texts = [
        ("cutover.run", Some(report.run.clone())),
        ("cutover.result", Some(report.result.to_owned())),
        ("deployment.environment.name", report.environment.clone()),
        ("db.system.name", database.map(|database| database.provider.to_string())),
        ("db.namespace", database.map(|database| database.name.clone())),
        ("server.address", database.map(|database| database.location.clone())),
        ("vcs.ref.head.revision", report.origin.commit.clone()),
        ("cicd.pipeline.run.url.full", report.origin.url.clone()),
    ];
    let texts = texts.into_iter().filter_map(|(name, value)| Some(KeyValue::new(name, value?)));
    let numbers = [
        KeyValue::new("process.exit.code", i64::from(report.exit_code)),
        KeyValue::new("cutover.lock_wait", report.lock_wait_seconds),
    ];
    texts.chain(numbers).collect()
}

fn of_migration(
    tracer: &impl Tracer<Span: Send + Sync + 'static>,
    migration: &MigrationRecord,
    (run, began, whole): (&Context, SystemTime, f64),
    left: &mut usize,
) {
    let at = |offset: f64| began + seconds(offset);
    let offset = migration.offset.unwrap_or_default();
    let span = tracer
        .span_builder(migration.name.clone())
        .with_start_time(at(offset))
        .with_attributes([KeyValue::new("cutover.migration", migration.name.clone())])
        .start_with_context(tracer, run);
    let inside = run.with_span(span);
    for statement in migration.statements.iter().take(*left) {
        let Some(offset) = statement.offset else { continue };
        let mut span = tracer
            .span_builder(format!("statement {}", statement.number))
            .with_start_time(at(offset))
            .with_attributes([KeyValue::new(
                "db.response.returned_rows",
                i64::try_from(statement.rows).unwrap_or(i64::MAX),
            )])
            .start_with_context(tracer, &inside);
        span.end_with_timestamp(at(offset + statement.seconds));
    }
    *left = left.saturating_sub(migration.statements.len());
    for wait in &migration.waits {
        let mut span = tracer
            .span_builder(format!("wait for {}", wait.lock))
            .with_start_time(at(wait.offset))
            .with_attributes([KeyValue::new("cutover.blockers", wait.blockers.join("; "))])
            .start_with_context(tracer, &inside);
        span.end_with_timestamp(at(wait.offset + wait.seconds));
    }
    let span = inside.span();
    if let Some(outcome) = &migration.outcome {
        span.set_attribute(KeyValue::new("cutover.outcome", outcome.clone()));
        if !matches!(outcome.as_str(), "applied" | "rolled_back") {
            span.set_status(Status::error(outcome.clone()));
        }
    }
    span.end_with_timestamp(at(migration.seconds.map_or(whole, |took| offset + took)));
}

fn moment(text: &str) -> SystemTime {
    text.parse::<jiff::Timestamp>().map_or(SystemTime::UNIX_EPOCH, SystemTime::from)
}

fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

/// Keeps the spans that have ended, to be sent at once.
#[derive(Clone, Debug, Default)]
struct Collected(Arc<Mutex<Vec<SpanData>>>);

impl SpanProcessor for Collected {
    fn on_start(&self, _: &mut opentelemetry_sdk::trace::Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(span);
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}

/// Sends as everything else here is sent.
#[derive(Debug)]
struct Client;

#[async_trait::async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let headers = request.headers().iter();
        let headers = headers
            .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())))
            .collect();
        let asked = Asked { headers, body: Some(request.body().to_vec()) };
        match http::ask(&request.uri().to_string(), &asked, LIMIT) {
            http::Answer::Status { code, .. } => Ok(Response::builder().status(code).body(Bytes::new())?),
            other => Err(other.told().into()),
        }
    }
}
