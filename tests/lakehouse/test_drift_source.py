from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import write_deltalake

from lakehouse.drift_source import MODEL_ID, Kind, has_monitor, open_monitor
from lakehouse.drift_tables import DRIFT_METRICS, PROFILE_METRICS
from lakehouse.errors import SchemaMismatch, TableMissing
from settings import Settings

NOON = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", drift_tables=str(tmp_path / "monitor"))


def write(settings: Settings, kind: Kind, columns: dict[str, Any], types: dict[str, pa.DataType]) -> None:
    schema = PROFILE_METRICS.schema if kind == "profile_metrics" else DRIFT_METRICS.schema
    kinds = {name: types.get(name) or schema.field(name).type for name in columns}
    table = pa.table({name: pa.array(values, kinds[name]) for name, values in columns.items()})
    write_deltalake(
        f"{settings.drift_tables}_{kind}", table, mode="append", configuration={"delta.enableChangeDataFeed": "true"}
    )


def windows(count: int) -> list[dict[str, datetime]]:
    return [{"start": NOON + number * HOUR, "end": NOON + (number + 1) * HOUR} for number in range(count)]


def test_without_the_setting_there_is_no_monitor(tmp_path: Path) -> None:
    assert not has_monitor(Settings(home=tmp_path))


def test_a_monitor_with_other_columns_reads_as_our_table(settings: Settings) -> None:
    assert has_monitor(settings)
    columns = {
        "window": windows(4),
        "granularity": ["1 hour"] * 4,
        "column_name": ["toxicity", "toxicity", ":table", "toxicity"],
        "count": [1, 2, 3, 4],
        "avg": [0.5, None, None, 1.5],
        "quantiles": [[0.0, 1.0], None, None, [1.0]],
        "frequent_items": [[{"item": "a", "count": 2}], None, None, []],
        "prediction_note": ["x"] * 4,
        "model_version": ["*", "3", "3", "*"],
    }
    own: dict[str, pa.DataType] = {"prediction_note": pa.string(), "model_version": pa.string(), "count": pa.int32()}
    write(settings, "profile_metrics", columns, own)
    monitor = open_monitor(settings, "profile_metrics")
    assert monitor.model_id_column == "model_version"
    assert {"stddev", "monitor_version"} <= set(monitor.missing)
    assert not {MODEL_ID, "avg"} & set(monitor.missing)
    rows = monitor.rows(NOON + HOUR, NOON + 4 * HOUR)
    assert rows.schema == PROFILE_METRICS.schema
    found = sorted(rows.to_pylist(), key=lambda row: row["count"])
    assert [(row["count"], row["entity_version"], row["avg"], row["stddev"]) for row in found] == [
        (2, "3", None, None),
        (3, "3", None, None),
        (4, "*", 1.5, None),
    ]
    assert found[-1]["window"] == {"start": NOON + 3 * HOUR, "end": NOON + 4 * HOUR}
    (first,) = monitor.rows(NOON, NOON + HOUR, ["frequent_items", "quantiles", "stddev"]).to_pylist()
    assert first == {"frequent_items": [{"item": "a", "count": 2}], "quantiles": [0.0, 1.0], "stddev": None}
    assert monitor.rows(NOON, NOON + HOUR, ["stddev"]).num_rows == 1


def test_a_monitor_without_models_is_of_all_models(settings: Settings) -> None:
    columns = {
        "window": windows(1),
        "window_cmp": windows(1),
        "granularity": ["1 hour"],
        "column_name": ["toxicity"],
        "drift_type": ["BASELINE"],
        "ks_test": [{"statistic": 0.5, "pvalue": 0.01}],
        "avg_delta": ["no number"],
    }
    write(settings, "drift_metrics", columns, {"avg_delta": pa.string()})
    monitor = open_monitor(settings, "drift_metrics")
    assert (monitor.model_id_column, MODEL_ID in monitor.missing) == ("", True)
    (row,) = monitor.rows(NOON, NOON + HOUR).to_pylist()
    assert (row["entity_version"], row["drift_type"]) == ("*", "BASELINE")
    assert (row["ks_test"], row["avg_delta"]) == ({"statistic": 0.5, "pvalue": 0.01}, None)


def test_the_key_changes_with_the_rows(settings: Settings) -> None:
    columns = {"window": windows(1), "granularity": ["1 hour"], "column_name": ["a"], "count": [1]}
    write(settings, "profile_metrics", columns, {})
    before = open_monitor(settings, "profile_metrics").key
    assert before == open_monitor(settings, "profile_metrics").key
    write(settings, "profile_metrics", columns, {})
    assert before != open_monitor(settings, "profile_metrics").key


def test_a_wrong_address_and_a_wrong_table_are_said(settings: Settings) -> None:
    with pytest.raises(TableMissing, match="monitor_profile_metrics"):
        open_monitor(settings, "profile_metrics")
    write_deltalake(f"{settings.drift_tables}_profile_metrics", pa.table({"window": [1], "drift_score": [0.5]}))
    with pytest.raises(SchemaMismatch, match=r"no column granularity, column_name.*LAKEHELM_DRIFT_TABLES"):
        open_monitor(settings, "profile_metrics")


def test_a_column_that_is_none_of_ours_is_refused(settings: Settings) -> None:
    write(settings, "profile_metrics", {"window": windows(1), "granularity": ["1 hour"], "column_name": ["a"]}, {})
    with pytest.raises(SchemaMismatch, match="no columns called drift_score"):
        open_monitor(settings, "profile_metrics").rows(NOON, NOON + HOUR, ["drift_score"])
