//! What of a run goes to systems that keep measurements: spans by OTLP, metrics to a push gateway. Sent once, when the run has ended.
//!
//! What does not live here: the text of the metrics (`report::prometheus`), telling people (`notify`).

mod otlp;

pub use otlp::{Traces, spans};

use crate::http::{self, Request};
use crate::report::{Format, Report};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use diagnostics::Secret;
use std::time::Duration;

/// How long sending may take.
const LIMIT: Duration = Duration::from_secs(5);

/// Sends the metrics of a run to a push gateway, in the place of those of the run before. Source: its documentation of the API.
///
/// # Errors
/// Why they were not taken, in words.
pub fn push(address: &Secret, report: &Report) -> Result<(), String> {
    let mut url = address.expose().trim_end_matches('/').to_owned();
    if !url.contains("/metrics/job/") {
        url.push_str("/metrics/job/cutover");
        if let Some(database) = &report.database {
            // Any text may stand in a path in this form.
            url.push_str(&format!("/database@base64/{}", URL_SAFE_NO_PAD.encode(&database.name)));
        }
    }
    let headers = vec![("Content-Type".to_owned(), "text/plain; version=0.0.4".to_owned())];
    // A gateway takes no comments of OpenMetrics, and would take the labels of the path twice.
    let text = Format::Prometheus.render(report);
    let lines = text.lines().filter(|line| !line.starts_with("# UNIT") && *line != "# EOF");
    let body = lines.map(|line| format!("{line}\n")).collect::<String>();
    let answer = http::ask(&url, &Request { headers, body: Some(body.into_bytes()) }, LIMIT);
    if answer.is_success() { Ok(()) } else { Err(answer.told()) }
}
