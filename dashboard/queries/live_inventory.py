"""What runs here, by name: the registered models, endpoints, tables and jobs that a diagram is held against."""

from collections.abc import Callable
from dataclasses import dataclass

from dashboard.queries import models, operations, traffic
from dashboard.queries.kept import kept
from dashboard.queries.lake import Snapshot, newest, select_records
from dashboard.queries.watch import EXPECTED, LookFailed
from dashboard.wording import sentence
from lakehouse.tables import TABLES


@dataclass(frozen=True)
class Inventory:
    """Names by kind, which is said in the plural. `unknown`: kind → why what is there of it cannot be told."""

    names: dict[str, tuple[str, ...]]
    unknown: dict[str, str]


def inventory() -> Inventory:
    """Everything of this workspace that has a name on the other pages."""
    names: dict[str, tuple[str, ...]] = {}
    unknown: dict[str, str] = {}
    sources: dict[str, Callable[[], tuple[str, ...]]] = {
        "registered models": _models,
        "endpoints": lambda: tuple(traffic.endpoints()),
        "tables": _tables,
        "jobs": lambda: _jobs(newest("job_runs")),
        "processes": lambda: tuple(process.name for process in operations.processes() or ()),
    }
    for kind, source in sources.items():
        try:
            names[kind] = source()
        except EXPECTED as error:
            unknown[kind] = sentence(error)
    return Inventory(names, unknown)


def _models() -> tuple[str, ...]:
    seen = models.model_list()
    if seen.value is None:
        raise seen.error or LookFailed("The registry has not answered yet.")
    return tuple(model.name for model in seen.value.models)


def _tables() -> tuple[str, ...]:
    """Those that are there: a table is created when it is first written."""
    return tuple(name for name in TABLES if newest(name).version >= 0)


@kept(max_entries=4)
def _jobs(runs: Snapshot) -> tuple[str, ...]:
    if not runs.files:
        return ()
    rows = select_records(runs, "SELECT DISTINCT job FROM this WHERE job IS NOT NULL ORDER BY job")
    return tuple(row["job"] for row in rows)
