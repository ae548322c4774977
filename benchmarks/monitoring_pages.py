"""What every monitoring page takes on the server with a month of 10 million scored requests, and what memory.

The workspace is that of `_large_workspace`; LAKEHELM_BENCH_ROWS says how many rows (10,000,000), and
LAKEHELM_BENCH_WORKSPACE names a folder in which it is made once and kept. Each page runs as a whole through
Streamlit's AppTest, in this one process; what is timed is the run of the script, from its first line to its last with
all messages to the browser made: after a start, with nothing open (no table, no database: a visitor meets this only
in the seconds in which `tables_ready` opens the tables), then as the first load in a warm process, with open tables and
no result in a cache. Then what a dashboard reads in the background once a page has been drawn is read (`read_ahead`;
its line says how long that takes after each run of the metrics job), and the page runs 20 times with one control
changed each time (so often that most results are not in a cache; the open part of a page is a control like others),
then with nothing changed. What AppTest does for each run and the
real server does not is left out: compiling the page, and making up a browser's headers. Parts that refresh by
themselves run with the page. Memory is that of another process, which visits every page and empties no cache.

`peer` is what the issue allows: a first load 1,000 ms, the 95th percentile of the reruns 150 ms, memory 700 MB. For the
minutes of a month it is the same averages computed by the same DuckDB from the single rows.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple
from unittest.mock import patch

import numpy as np

ROWS = int(os.environ.get("LAKEHELM_BENCH_ROWS", "10000000"))
KEPT = os.environ.get("LAKEHELM_BENCH_WORKSPACE", "")
PAGES = (
    "overview",
    "alerts",
    "quality",
    "safety",
    "drift",
    "traffic",
    "cost",
    "requests",
    "ledger",
    "incident",
    "jobs",
)
PART = "part"
CHANGED, UNCHANGED, TURNS = 20, 10, 5
FIRST_MS, RERUN_MS, MEMORY_MB = 1_000.0, 150.0, 700.0
ROOT = Path(__file__).resolve().parent.parent
TABLES = (
    "request_metrics",
    "metrics_minute",
    "metrics_15min",
    "metrics_hour",
    "metrics_daily_requester",
    "notable_requests",
    "inference_table",
)


class Taken(NamedTuple):
    """Milliseconds by the clock, and of the processor in all threads: the same where nobody else uses the machine."""

    clock: float
    processor: float


def made(home: Path) -> dict[str, Any]:
    """What is known of the workspace at `home`, which another process makes where it is not there yet: its memory is
    not that of the dashboard."""
    marker = home / "bench.json"
    if not marker.exists():
        started = time.perf_counter()
        command = [sys.executable, "-m", "benchmarks._large_workspace", str(home), str(ROWS)]
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        seconds = round(time.perf_counter() - started)
        known = {"rows": ROWS, "seconds": seconds, "ended": datetime.now(UTC).isoformat()}
        marker.write_text(json.dumps(known), encoding="utf-8")
    found: dict[str, Any] = json.loads(marker.read_text(encoding="utf-8"))
    if found["rows"] != ROWS:
        raise SystemExit(f"The workspace at {home} has {found['rows']:,} rows, not {ROWS:,}: name another folder.")
    return found


@contextmanager
def timed_scripts() -> Iterator[list[Taken]]:
    """What every run of a script takes, from its start to its end, in the thread that runs it."""
    from streamlit.runtime import context
    from streamlit.runtime.scriptrunner.script_cache import ScriptCache
    from streamlit.runtime.scriptrunner.script_runner import ScriptRunner
    from streamlit.testing.v1 import local_script_runner

    taken: list[Taken] = []
    run, compiled = ScriptRunner._run_script, ScriptCache()

    def timed(self: ScriptRunner, *arguments: Any) -> None:
        started, before = time.perf_counter(), time.process_time()
        try:
            run(self, *arguments)
        finally:
            taken.append(Taken((time.perf_counter() - started) * 1000, (time.process_time() - before) * 1000))

    with (
        patch.object(ScriptRunner, "_run_script", timed),
        patch.object(local_script_runner, "ScriptCache", lambda: compiled),
        patch.object(context, "_get_client_context", lambda: None),
    ):
        yield taken


class Visit:
    """One visitor's session at one page."""

    def __init__(self, page: str, taken: list[Taken]) -> None:
        from streamlit.testing.v1 import AppTest

        self.taken, self.problems, self.turn = taken, set[str](), 0
        app = AppTest.from_file(str(ROOT / "dashboard" / "app.py"), default_timeout=300)
        self.app = app if page == "overview" else app.switch_page(str(ROOT / "pages" / f"{page}.py"))

    def run(self, states: Any = None) -> Taken:
        """Run the page, as it is or with the states of its controls; a page may run itself again, which counts."""
        before = len(self.taken)
        self.app._run(states)
        said = [str(found.value) for found in (*self.app.exception, *self.app.error)]
        # No gateway runs here, which the pages say where they would ask it.
        self.problems |= {sentence for sentence in said if not sentence.startswith("Nothing answers")}
        runs = self.taken[before:]
        return Taken(sum(run.clock for run in runs), sum(run.processor for run in runs))

    def change(self, random: np.random.Generator) -> str:
        """Choose something else in one of the controls, the time range every second time. Returns what."""
        controls = [found for found in (*self.app.selectbox, *self.app.button_group) if len(found.options) > 1]
        controls += parts_of(self.app)
        ranges = [control for control in controls if control.key == "range"]
        others = [control for control in controls if control.key != "range"]
        self.turn += 1
        choice = (ranges if self.turn % 2 else others) or controls
        if not choice:
            return ""
        control = choice[random.integers(len(choice))]
        options = [option for option in control.options if option not in self._chosen(control)]
        option = options[random.integers(len(options))]
        self.states = self.app._tree.get_widget_states()
        if isinstance(control, Parts):
            self.app.session_state[control.key] = option
            return f"{control.key}={option}"
        state = next((found for found in self.states.widgets if found.id == control.id), None)
        state = self.states.widgets.add(id=control.id) if state is None else state
        if control.type == "button_group":
            state.string_array_value.data[:] = [option]
        else:
            state.string_value = option
        return f"{control.key}={option}"

    def _chosen(self, control: Any) -> list[str]:
        if isinstance(control, Parts):
            return [self.app.session_state[control.key]]
        state = control._widget_state
        return list(state.string_array_value.data) or [state.string_value]


class Parts(NamedTuple):
    """The parts of a page, one of which is open."""

    key: str
    options: list[str]


def parts_of(app: Any) -> list[Parts]:
    """The parts of the page that an app shows; an empty list where it has none."""
    inside = [app._tree]
    found = []
    while inside:
        block = inside.pop()
        within = list(getattr(block, "children", {}).values())
        inside += within
        if block.type == "tab_container" and block.proto.tab_container.query_param_key == PART:
            found.append(Parts(PART, [tab.label for tab in within]))
    return found


def page_lines(page: str, taken: list[Taken]) -> Iterator[dict[str, Any]]:
    """The lines of one page: first load, reruns with changed controls, reruns without."""
    import streamlit as st

    from dashboard.queries import read_ahead, tables_ready

    random = np.random.default_rng(7)
    Visit(page, taken).run()
    st.cache_data.clear()
    st.cache_resource.clear()
    yield {"what": "first load after a start", **compared([Visit(page, taken).run()], FIRST_MS)}
    st.cache_data.clear()
    st.cache_resource.clear()
    tables_ready.open_tables()
    visit = Visit(page, taken)
    yield {"what": "first load", **compared([visit.run()], FIRST_MS)}
    read_ahead.read()
    changed: list[Taken] = []
    slowest = (0.0, "")
    for _ in range(CHANGED):
        what = visit.change(random)
        changed.append(visit.run(visit.states if what else None))
        slowest = max(slowest, (changed[-1].clock, what))
    yield {"what": "reruns with a changed control", **compared(changed, RERUN_MS), "slowest": slowest[1]}
    yield {"what": "reruns", **compared([visit.run() for _ in range(UNCHANGED)], RERUN_MS)}
    for problem in sorted(visit.problems):
        yield {"what": "the page says", "problem": problem}


def compared(taken: list[Taken], allowed: float) -> dict[str, Any]:
    clock, processor = ([run[place] for run in taken] for place in (0, 1))
    ours = float(np.percentile(clock, 95))
    return {
        "ours": round(ours, 1),
        "peer": allowed,
        "ratio": round(allowed / ours, 2),
        "unit": "milliseconds of the script, 95th percentile" if len(taken) > 1 else "milliseconds of the script",
        "median": round(median(clock), 1),
        "longest": round(max(clock), 1),
        "of_the_processor": round(float(np.percentile(processor, 95)), 1),
        "of_the_processor_median": round(median(processor), 1),
    }


def month_line() -> dict[str, Any]:
    """The averages of one score in each minute of a month: from the rollup, and from single rows."""
    from dashboard.periods import period
    from dashboard.queries.lake import select, shown

    span = period("30d")
    wanted: dict[str, Any] = {"endpoint": "chatbot", "start": span.start, "end": span.end}
    rollup = """SELECT epoch_ms(window_start) AS time, entity_version, scorer,
                       sum(n) AS n, sum(sum_wx) / sum(sum_w) AS mean
                FROM this WHERE endpoint_name = $endpoint AND window_start >= $start AND window_start < $end
                  AND metric = 'response_fk_grade' GROUP BY ALL ORDER BY time"""
    single = """SELECT date_trunc('minute', request_time) AS time, entity_version, readability_scorer,
                       count(*) AS n, avg(response_fk_grade) AS mean
                FROM this WHERE endpoint_name = $endpoint AND request_time >= $start AND request_time < $end
                  AND response_fk_grade IS NOT NULL GROUP BY ALL ORDER BY time"""

    def points(table: str, sql: str) -> int:
        return len(select(shown(table), sql, span=(span.start, span.end), **wanted))

    mine = seconds(lambda: points("metrics_minute", rollup))
    theirs = seconds(lambda: points("request_metrics", single))
    return {
        "what": "minutes of a month, one score",
        "ours": round(median(mine) * 1000, 1),
        "peer": round(median(theirs) * 1000, 1),
        "ratio": round(median(theirs) / median(mine), 1),
        "unit": "milliseconds, no cached result",
        "points": points("metrics_minute", rollup),
    }


def ahead_line() -> dict[str, Any]:
    """What is read in the background after a run of the metrics job, while somebody looks at pages."""
    import streamlit as st

    from dashboard.queries import read_ahead, tables_ready

    taken = []
    for _ in range(TURNS):
        st.cache_data.clear()
        st.cache_resource.clear()
        tables_ready.open_tables()
        taken += seconds(read_ahead.read, turns=1)
    return {
        "what": "read ahead after a run",
        "ours": round(median(taken) * 1000, 1),
        "unit": "milliseconds, in a thread",
    }


def seconds(work: Callable[[], Any], turns: int = TURNS) -> list[float]:
    taken = []
    for _ in range(turns):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return taken


def table_line(name: str) -> dict[str, Any]:
    """What a table takes: rows, files and bytes of the newest snapshot; `ratio` is requests for each of its rows."""
    import pyarrow as pa

    from lakehouse.store import open_table
    from settings import get_settings

    files = pa.table(open_table(get_settings(), name).get_add_actions(flatten=True)).to_pydict()
    rows, size = sum(files["num_records"]), sum(files["size_bytes"])
    return {
        "what": f"table {name}",
        "ours": rows,
        "peer": ROWS,
        "ratio": round(ROWS / max(rows, 1), 2),
        "unit": "rows",
        "files": len(files["path"]),
        "megabytes": round(size / 1e6, 1),
    }


def memory_line() -> dict[str, Any]:
    """What a dashboard holds after all pages, and held at most: another process, in which no cache was emptied, with
    the environment that `make run` gives the dashboard."""
    from jobs.up import DASHBOARD_ENVIRONMENT

    said = subprocess.run(
        [sys.executable, "-m", "benchmarks._page_memory"],
        cwd=ROOT,
        env={**os.environ, **DASHBOARD_ENVIRONMENT},
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    held = json.loads(said.stdout)
    return {
        "what": "memory after all pages",
        "peer": MEMORY_MB,
        "ratio": round(MEMORY_MB / held["ours"], 2),
        "unit": "megabytes",
        **held,
    }


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        home = Path(KEPT or name)
        known = made(home)
        # Port 9 is nobody's: what asks the gateway is refused at once.
        os.environ |= {"LAKEHELM_HOME": str(home), "LAKEHELM_GATEWAY_PORT": "9"}
        age = datetime.now(UTC) - datetime.fromisoformat(known["ended"])
        about = {"bench": "monitoring_pages", "rows": ROWS, "made_in_seconds": known["seconds"]}
        if age > timedelta(hours=1):
            about["hours_old"] = round(age / timedelta(hours=1), 1)

        def say(line: dict[str, Any]) -> None:
            print(json.dumps({**about, **line}), flush=True)

        # The dashboard imports the clients of registry and endpoint in the background: they count as memory, and the
        # seconds that this takes beside everything else do not.
        import databricks.sdk  # noqa: F401
        import mlflow.models  # noqa: F401

        import registry.versions  # noqa: F401
        import serving.client  # noqa: F401

        with timed_scripts() as taken:
            for page in sys.argv[1:] or PAGES:
                for line in page_lines(page, taken):
                    say({"page": page, **line})
            say(memory_line())
        say(ahead_line())
        say(month_line())
        for table in TABLES:
            say(table_line(table))


if __name__ == "__main__":
    main()
