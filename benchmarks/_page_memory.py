"""What memory a dashboard holds in which every page was visited: `python -m benchmarks._page_memory`, one JSON line.

For `monitoring_pages`, which empties every cache before each page to see it cold: a process that does so holds what is
left of a dozen emptied caches, and no dashboard does.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.monitoring_pages import PAGES, Visit, timed_scripts

CHANGES = 10
"""Of controls, on every page."""


def held() -> dict[str, Any]:
    """Megabytes that this process holds now (`ours`), and held at most (`most`)."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    said = {line.split(":")[0]: int(line.split()[1]) / 1024 for line in status.splitlines() if line.startswith("Vm")}
    return {"ours": round(said["VmRSS"]), "most": round(said["VmHWM"])}


def main() -> None:
    # As in the dashboard, where these are imported in the background.
    import databricks.sdk  # noqa: F401
    import mlflow.models  # noqa: F401

    import registry.versions  # noqa: F401
    import serving.client  # noqa: F401
    from dashboard.queries import read_ahead, tables_ready

    random = np.random.default_rng(7)
    with timed_scripts() as taken:
        for page in PAGES:
            visit = Visit(page, taken)
            visit.run()
            tables_ready.open_tables()
            read_ahead.read()
            for _ in range(CHANGES):
                what = visit.change(random)
                visit.run(visit.states if what else None)
    print(json.dumps(held()))


if __name__ == "__main__":
    main()
