//! Prometheus' text format: how the last run has ended, and what it took. For the textfile collector, and for a push gateway.

use super::Report;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};
use std::sync::atomic::AtomicU64;

type Number = Gauge<f64, AtomicU64>;

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Run {
    command: String,
    database: String,
    environment: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Migration {
    database: String,
    environment: String,
    migration: String,
}

pub(super) fn render(report: &Report) -> String {
    let mut registry = Registry::with_prefix("cutover");
    let of_run = run(report);
    let mut add = |name: &str, help: &str, unit: Option<Unit>, value: f64| {
        let family = Family::<Run, Number>::default();
        family.get_or_create(&of_run).set(value);
        match unit {
            Some(unit) => registry.register_with_unit(name, help, unit, family),
            None => registry.register(name, help, family),
        }
    };
    let ended = report.ended_at.parse::<jiff::Timestamp>().unwrap_or_default();
    add(
        "last_run_success",
        "1 if the last run ended without error",
        None,
        f64::from(u8::from(report.failure.is_none())),
    );
    add("last_run_exit_code", "What the last run ended with", None, f64::from(report.exit_code));
    add(
        "last_run_timestamp",
        "When the last run ended",
        Some(Unit::Seconds),
        ended.as_duration().as_secs_f64(),
    );
    add("last_run_duration", "How long the last run took", Some(Unit::Seconds), report.seconds);
    add(
        "last_run_lock_wait",
        "How long the last run waited for the deploy lock",
        Some(Unit::Seconds),
        report.lock_wait_seconds,
    );
    add(
        "last_run_applied",
        "How many migrations the last run has applied",
        None,
        count(report.applied().count()),
    );
    let not_run =
        report.migrations.iter().filter(|migration| migration.outcome.as_deref() == Some("not_run"));
    add(
        "last_run_not_run",
        "How many migrations were to follow the one that ended the run",
        None,
        count(not_run.count()),
    );
    of_migrations(report, &mut registry);
    let mut text = String::new();
    // Written to memory, which takes everything.
    let _ = encode(&mut text, &registry);
    text
}

fn of_migrations(report: &Report, registry: &mut Registry) {
    let Run { database, environment, .. } = run(report);
    let families = [
        ("migration_duration", "How long the migration took"),
        ("migration_lock_wait", "How long the migration waited for locks that others held"),
    ];
    let families = families.map(|(name, help)| {
        let family = Family::<Migration, Number>::default();
        registry.register_with_unit(name, help, Unit::Seconds, family.clone());
        family
    });
    for migration in &report.migrations {
        let labels = Migration {
            database: database.clone(),
            environment: environment.clone(),
            migration: migration.name.clone(),
        };
        if let Some(took) = migration.seconds {
            families[0].get_or_create(&labels).set(took);
            families[1].get_or_create(&labels).set(migration.waited());
        }
    }
}

fn run(report: &Report) -> Run {
    Run {
        command: report.command.clone(),
        database: report.database.as_ref().map(|database| database.name.clone()).unwrap_or_default(),
        environment: report.environment.clone().unwrap_or_default(),
    }
}

#[expect(clippy::cast_precision_loss, reason = "nobody has 2^52 migrations")]
fn count(count: usize) -> f64 {
    count as f64
}
