"""What it costs to look at alerts, and to try a rule on a past month: `python -m benchmarks.alerts [ROWS]`.

On a made-up workspace of 300,000 requests a month. `ours` is the dry run of the rule `errors` at each five minutes of
30 days, `peer` the same shares of failures by one DuckDB query over the rollup for each moment (timed for some hundred
of them, and multiplied). Both must give the same shares. The line also has what a look costs: the first one, one behind
a run of the metrics job, and one when no table has changed, in seconds of processor time.
"""

import json
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb

from benchmarks._large_workspace import large_workspace
from jobs.alert_dry_run import STEP, dry_run
from jobs.alert_facts import FactReader
from jobs.alert_figures import ALL, REQUESTS, Counted, minute_of
from jobs.alert_look import AlertLooker
from lakehouse.appends import append
from lakehouse.store import open_to_read, read_rows
from registry.alert_rules import load_alert_rules
from settings import Settings

DAYS = 30
ROWS = 300_000
MOMENTS = 200
OVER = timedelta(minutes=15)
ENDPOINT = "chatbot"


def main(arguments: list[str]) -> int:
    rows = int(arguments[0]) if arguments else ROWS
    with tempfile.TemporaryDirectory() as folder:
        now = datetime.now(UTC).replace(second=0, microsecond=0)
        settings = large_workspace(Path(folder), rows, now)
        looks = looked(settings, now)
        rules = load_alert_rules(settings)
        started = time.process_time()
        (tried,) = dry_run(settings, rules, ["errors"], now, DAYS)
        ours = time.process_time() - started
        moments = [now - timedelta(days=DAYS) * number / MOMENTS for number in range(MOMENTS)]
        started = time.process_time()
        by_duckdb = shares(settings, moments)
        peer = (time.process_time() - started) / MOMENTS * (timedelta(days=DAYS) / STEP)
        same = by_duckdb == own_shares(settings, moments, now)
    line = {
        "bench": f"alerts: dry run of a rule over {DAYS} days, {rows:,} requests, processor seconds",
        "ours": round(ours, 2),
        "peer": round(peer, 2),
        "ratio": round(peer / ours, 1),
        "same_shares": same,
        "would_have_fired": len(tried.fired),
        "look_seconds": looks,
    }
    print(json.dumps(line), flush=True)
    return 0 if same else 1


def looked(settings: Settings, now: datetime) -> dict[str, float]:
    """Seconds of processor time of looks, without asking the endpoint."""
    looker = AlertLooker(settings, None)
    found = {}
    for name in ("first", "unchanged", "behind a run"):
        if name == "behind a run":
            for table in ("metrics_minute", "metrics_15min"):
                append(settings, table, read_rows(open_to_read(settings, table)).slice(0, 50))
        started = time.process_time()
        looker.look(now)
        found[name] = round(time.process_time() - started, 3)
    return found


def shares(settings: Settings, moments: list[datetime]) -> list[tuple[int, int]]:
    """(requests, failures) in the 15 minutes before each moment, by DuckDB."""
    files = open_to_read(settings, "metrics_minute").file_uris()
    sql = """SELECT coalesce(sum(n), 0)::BIGINT, coalesce(sum(n) FILTER (status_class = '5xx'), 0)::BIGINT
             FROM read_parquet($files) WHERE endpoint_name = $endpoint AND metric = $metric
             AND window_start >= $start AND window_start < $end"""
    found = []
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for moment in moments:
            known: dict[str, Any] = {"files": files, "endpoint": ENDPOINT, "metric": REQUESTS}
            row = connection.execute(sql, {**known, "start": moment - OVER, "end": moment}).fetchone()
            found.append((int(row[0]), int(row[1])) if row else (0, 0))
    return found


def own_shares(settings: Settings, moments: list[datetime], now: datetime) -> list[tuple[int, int]]:
    """The same from the running sums that the rules read."""
    facts = FactReader(settings).read(load_alert_rules(settings), now, back_to=now - timedelta(days=DAYS + 1))
    minutes = round(OVER.total_seconds() / 60)
    found = []
    for moment in moments:
        # The first whole minute at or after a time, as `window_start >= time` has it.
        end = minute_of(moment + timedelta(minutes=1) - timedelta(microseconds=1))
        sums = facts.minute[ENDPOINT].sums(Counted(REQUESTS), ALL, end - minutes, end)
        found.append((sums.n, round(sums.hits)))
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
