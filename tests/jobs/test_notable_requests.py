"""Which requests stand in `notable_requests`: those that failed, those that may be toxic, and one in 32."""

import pyarrow as pa

from jobs.notable_requests import notable
from jobs.rollups import roll_up
from lakehouse.appends import append_once
from lakehouse.notable_requests import LEAST_TOXICITY, NOTABLE_REQUESTS, ONE_IN
from lakehouse.store import open_table, read_rows
from settings import Settings
from tests.jobs.request_rows import request_metrics_rows


def test_what_failed_or_may_be_toxic_is_there_and_a_sample_of_the_rest() -> None:
    rows = request_metrics_rows(6_000)
    found = notable(rows).to_pylist()
    everything = {row["databricks_request_id"]: row for row in rows.to_pylist()}
    for_sure = {
        name
        for name, row in everything.items()
        if (row["status_code"] or 0) >= 400
        or max(row["response_toxicity"] or 0, row["prompt_toxicity"] or 0) >= LEAST_TOXICITY
    }
    kept = {row["databricks_request_id"] for row in found}
    assert len(kept) == len(found)
    assert for_sure
    assert kept == for_sure | {row["databricks_request_id"] for row in found if row["sampled"]}
    sampled = sum(row["sampled"] for row in found)
    # Six standard deviations of a binomial: chance alone leaves this once in half a billion tests.
    expected = len(everything) / ONE_IN
    assert abs(sampled - expected) < 6 * expected**0.5
    columns = [name for name in NOTABLE_REQUESTS.schema.names if name != "sampled"]
    assert all({name: row[name] for name in columns} == _only(everything, row, columns) for row in found)


def _only(everything: dict[str, dict[str, object]], row: dict[str, object], columns: list[str]) -> dict[str, object]:
    return {name: everything[str(row["databricks_request_id"])][name] for name in columns}


def test_the_sample_is_the_same_whoever_writes_it() -> None:
    rows = request_metrics_rows(500)
    halves = pa.concat_tables([notable(rows.slice(0, 200)), notable(rows.slice(200))])
    assert halves.sort_by("request_time").equals(notable(rows))


def test_null_numbers_and_empty_tables_are_no_reason_to_stop() -> None:
    rows = request_metrics_rows(3)
    for name in ("status_code", "response_toxicity", "prompt_toxicity", "databricks_request_id"):
        place = rows.schema.get_field_index(name)
        rows = rows.set_column(place, rows.schema.field(name), pa.nulls(3, rows.schema.field(name).type))
    # A row without an id counts as one with the hash 0.
    assert notable(rows)["sampled"].to_pylist() == [True] * 3
    assert notable(rows.slice(0, 0)).schema == NOTABLE_REQUESTS.schema


def test_the_metrics_job_keeps_the_table_exactly_once(settings: Settings) -> None:
    for version in range(3):
        rows = request_metrics_rows(400, seed=version, first=400 * version)
        append_once(open_table(settings, "request_metrics"), rows, app_id="score:test", source_version=version)
        roll_up(settings)
        roll_up(settings)
    expected = notable(read_rows(open_table(settings, "request_metrics")))
    found = read_rows(open_table(settings, NOTABLE_REQUESTS.name))
    key = [("databricks_request_id", "ascending")]
    assert found.sort_by(key).to_pylist() == expected.sort_by(key).to_pylist()
