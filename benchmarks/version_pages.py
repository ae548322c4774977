"""Pages of a model with 10,000 versions in SQLite: ours against what MLflow's client offers for the same table.

The peer asks for the same 50 versions and, as MLflow's own pages do, for the registered model with its aliases. Both
show number, stage, aliases, tags and times; both are asked for the first page, one in the middle and the last.
"""

import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from registry.versions import client, versions
from settings import Settings
from tests.registry.many_versions import NAME, many_versions

COUNT, PAGE, ROUNDS = 10_000, 50, 15
PLACES = (0, COUNT // 2, COUNT - PAGE)


def ours(settings: Settings, token: str | None) -> int:
    return len(versions(settings, NAME, PAGE, token))


def peer(settings: Settings, token: str | None) -> int:
    registry = client(settings)
    model = registry.get_registered_model(NAME)
    found = registry.search_model_versions(f"name='{NAME}'", PAGE, ["version_number DESC"], token)
    return len([(row.version, row.tags, model.aliases) for row in found])


def measured(read: Callable[[Settings, str | None], int], settings: Settings, tokens: list[str | None]) -> list[float]:
    """Milliseconds of each read, sorted."""
    for token in tokens:
        assert read(settings, token) == PAGE
    taken = []
    for _ in range(ROUNDS):
        for token in tokens:
            started = time.perf_counter()
            read(settings, token)
            taken.append((time.perf_counter() - started) * 1000)
    return sorted(taken)


def main() -> None:
    from mlflow.utils.search_utils import SearchUtils

    with tempfile.TemporaryDirectory() as folder:
        settings = many_versions(Path(folder), COUNT)
        tokens = [SearchUtils.create_page_token(place).decode() if place else None for place in PLACES]
        mine, theirs = measured(ours, settings, tokens), measured(peer, settings, tokens)
    result = {
        "bench": "version pages: milliseconds for 50 of 10,000 versions with aliases, against MLflow's get and search",
        "ours": round(statistics.median(mine), 1),
        "peer": round(statistics.median(theirs), 1),
        "ratio": round(statistics.median(theirs) / statistics.median(mine), 2),
        "ours_p95": round(mine[int(len(mine) * 0.95)], 1),
        "peer_p95": round(theirs[int(len(theirs) * 0.95)], 1),
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
