//! Where traces go, by the variables that OpenTelemetry has for it. Source: its specification of the OTLP exporter's environment variables.

use super::Surroundings;
use ops::export::Traces;

impl Surroundings {
    /// The collector at `address`, or the one that the environment names.
    ///
    /// # Errors
    /// Nobody names one.
    pub(crate) fn traces(&self, address: &str) -> Result<Traces, String> {
        let of_signal = self.variable("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT").map(str::to_owned);
        let of_all = self.variable("OTEL_EXPORTER_OTLP_ENDPOINT");
        let of_all = of_all.map(|address| format!("{}/v1/traces", address.trim_end_matches('/')));
        let given = Some(address.to_owned()).filter(|address| !address.is_empty());
        let Some(endpoint) = given.or(of_signal).or(of_all) else {
            return Err("no address is given, and OTEL_EXPORTER_OTLP_ENDPOINT is not set".to_owned());
        };
        let headers = ["OTEL_EXPORTER_OTLP_HEADERS", "OTEL_EXPORTER_OTLP_TRACES_HEADERS"];
        let headers = headers.into_iter().filter_map(|name| self.variable(name));
        let pairs = headers.flat_map(|text| text.split(',')).filter_map(|pair| pair.split_once('='));
        Ok(Traces {
            endpoint,
            headers: pairs.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())).collect(),
            service: self.variable("OTEL_SERVICE_NAME").unwrap_or("cutover").to_owned(),
            parent: self.variable("TRACEPARENT").map(str::to_owned),
        })
    }
}
