"""Reads reports with the libraries of others: read_reports.py NAME (of NAME.xml, NAME.sarif, NAME.prom, NAME-gitlab.json)."""

import json
import sys

from junitparser import JUnitXml
from prometheus_client.parser import text_string_to_metric_families
from sarif import loader

name = sys.argv[1]
failed = name == "failed"

xml = JUnitXml.fromfile(f"{name}.xml")
suites = list(xml)
assert len(suites) == 1, suites
cases = list(suites[0])
assert suites[0].tests == len(cases) == (3 if failed else 2), (suites[0].tests, len(cases))
assert (suites[0].failures, suites[0].errors, suites[0].skipped) == ((1, 0, 1) if failed else (0, 0, 0))
if failed:
    broken = next(case for case in cases if case.name == "2_bad")
    assert "no such table: nope" in broken.result[0].message, broken.result

sarif = loader.load_sarif_file(f"{name}.sarif")
assert sarif.get_result_count() == (1 if failed else 0), sarif.get_result_count()
if failed:
    record = sarif.get_records()[0]
    assert record["Location"] == "migrations/2_bad/migration.sql" and record["Line"] == 3, record

with open(f"{name}.prom", encoding="utf-8") as file:
    families = {family.name: family for family in text_string_to_metric_families(file.read())}
success = families["cutover_last_run_success"].samples[0]
assert success.value == (0 if failed else 1) and success.labels["command"] == "deploy", success
assert families["cutover_migration_duration_seconds"].samples, families

with open(f"{name}-gitlab.json", encoding="utf-8") as file:
    entries = json.load(file)
for entry in entries:
    assert set(entry) == {"description", "check_name", "fingerprint", "severity", "location"}, entry
assert len(entries) == (1 if failed else 0)
