"""Whether a workspace is a demo, how far its building is, and the plan that a second try continues."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any

from jobs.errors import JobError
from lakehouse.status import read_status, write_status
from settings import Settings


@dataclass(frozen=True)
class DemoPlan:
    """What a demo workspace is built from; kept in `demo.json`, so that a stopped building goes on unchanged."""

    small: bool
    end_of_history: str
    """ISO 8601, UTC: the simulated traffic ends here, the real traffic begins."""
    finished_at: str | None = None

    @property
    def end(self) -> datetime:
        """The end of the simulated traffic."""
        return datetime.fromisoformat(self.end_of_history)


def _file(settings: Settings) -> Path:
    return settings.home / "demo.json"


def read_plan(settings: Settings) -> DemoPlan | None:
    """The plan of this workspace, or None if it is no demo."""
    if not _file(settings).exists():
        return None
    return DemoPlan(**json.loads(_file(settings).read_text(encoding="utf-8")))


def write_plan(settings: Settings, plan: DemoPlan) -> None:
    """Keep the plan (atomically)."""
    settings.home.mkdir(parents=True, exist_ok=True)
    temporary = _file(settings).with_suffix(".tmp")
    temporary.write_text(json.dumps(asdict(plan)), encoding="utf-8")
    temporary.replace(_file(settings))


def is_demo(settings: Settings) -> bool:
    """Whether this workspace was filled by `python -m jobs demo`."""
    return _file(settings).exists()


def refuse_where_others_work(settings: Settings) -> None:
    """Nothing of the demo may reach a real endpoint, registry or inference table. Raises: JobError, where it would."""
    if touches_others(settings):
        raise JobError(
            "The demo is for a workspace of its own, and LAKEHELM_HOST, LAKEHELM_INFERENCE_TABLE_URI or "
            "LAKEHELM_SERVED_ENTITIES_URI points to another system; unset them for the demo."
        )


def touches_others(settings: Settings) -> bool:
    """Whether endpoints, registry or inference table of the settings are another system's."""
    return settings.on_databricks or bool(settings.inference_table_uri or settings.served_entities_uri)


def needs_demo(settings: Settings) -> bool:
    """Whether `make run` should build a demo: an unfinished one goes on, a workspace with data is left alone."""
    if touches_others(settings) or settings.lake_uri:
        return False
    plan = read_plan(settings)
    if plan is not None:
        return plan.finished_at is None
    return not _has_requests(settings)


def _has_requests(settings: Settings) -> bool:
    if not (Path(settings.lake) / "inference_table" / "_delta_log").is_dir():
        return False
    from lakehouse.store import open_table

    return bool(open_table(settings, "inference_table").file_uris())


def demo_state(settings: Settings) -> dict[str, Any]:
    """The status that the first screen shows; empty if nothing was ever built."""
    return read_status(settings, "demo") or {}


class DemoSteps:
    """The steps of a building, as the first screen shows them."""

    def __init__(self, settings: Settings, names: list[str]) -> None:
        self._settings = settings
        self._steps: list[dict[str, Any]] = [
            {"name": name, "state": "waiting", "seconds": None, "detail": ""} for name in names
        ]
        self._started = datetime.now(UTC).isoformat()
        self._write("building")

    def _write(self, state: str, **more: Any) -> None:
        write_status(
            self._settings, "demo", {"state": state, "started_at": self._started, "steps": self._steps, **more}
        )

    def detail(self, name: str, detail: str) -> None:
        """Say how far the step `name` is."""
        self._step(name)["detail"] = detail
        self._write("building")

    def _step(self, name: str) -> dict[str, Any]:
        return next(step for step in self._steps if step["name"] == name)

    @contextmanager
    def running(self, name: str) -> Iterator[None]:
        """Mark a step as running, then as done with its seconds, or as failed with the building."""
        step, started = self._step(name), monotonic()
        step["state"] = "running"
        self._write("building")
        print(f"{name} …", flush=True)
        try:
            yield
        except BaseException as error:
            step["state"] = "failed"
            self._write("failed", error=f"{name}: {str(error) or type(error).__name__}")
            raise
        step["state"], step["seconds"] = "done", round(monotonic() - started, 1)
        self._write("building")

    def ready(self) -> None:
        """The workspace is complete."""
        self._write("ready")
