"""What the registry knows of models and versions, and what was measured of them. Never waits long for the registry.

Each read is a watch in the background: a registry that answers in time is on the page at once, another one when it has.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import streamlit as st

from dashboard.queries.client import watching_client
from dashboard.queries.kept import kept
from dashboard.queries.lake import Snapshot, coarsest_rollup, select_records
from dashboard.queries.quality import MAIN_SCORES, Score, ScoreComparison, Sums, compared
from dashboard.queries.registry_ready import wait_until_ready
from dashboard.queries.sample import ANSWERS, REQUESTS
from dashboard.queries.watch import Seen, Watch
from registry import artifacts, models, versions
from registry import details as version_details
from registry.artifacts import ArtifactTree
from registry.details import VersionDetails
from registry.models import ModelList, ModelPair
from registry.versions import ModelVersion, VersionPage
from settings import get_settings

T = TypeVar("T")

PAGE = 50
"""Versions on a page of the table."""
MEASURED_DAYS = 30
# Averages as they stand in the rollups: the unit of a cost is that of the page, which multiplies it.
MEASURES = (
    *MAIN_SCORES,
    Score("execution_duration_ms", "Latency", "ms", "", 1),
    Score("completion_tokens", "Length of an answer", "tokens", "", 1),
    Score("cost_usd", "Cost", "US$ for 1,000 answers", "", 4),
)
_LOOK_EVERY_SECONDS, _KEEP_SECONDS = 10.0, 25.0
_NEVER_CHANGES_SECONDS = 600.0
_PATIENCE_SECONDS = 0.8
_MOST_ENDPOINTS = 20


@dataclass(frozen=True)
class ServingPlace:
    """An endpoint that serves a version. `traffic` is whole per cent, `ready` whether it answers there."""

    endpoint: str
    entity_name: str
    entity_version: str
    traffic: int
    ready: bool


def model_list() -> Seen[ModelList]:
    """Every registered model."""
    watch: Watch[ModelList] = _models_watch(*_registry())
    return _settled(watch)


def pairs(found: ModelList) -> list[ModelPair]:
    """The models in test and production side by side."""
    return models.pairs(get_settings(), found.models)


def version_page(name: str, page_token: str | None) -> Seen[VersionPage]:
    """A page of the versions of a registered model, newest first."""
    watch: Watch[VersionPage] = _page_watch(*_registry(), name, page_token)
    return _settled(watch)


def version(name: str, wanted: str) -> Seen[ModelVersion]:
    """A version by its number or alias. One that is not there is the error VersionMissing."""
    watch: Watch[ModelVersion] = _version_watch(*_registry(), name, wanted)
    return _settled(watch)


def details(of: ModelVersion) -> Seen[VersionDetails]:
    """All about a version."""
    watch: Watch[VersionDetails] = _details_watch(*_registry(), of.name, of.version, of.updated_at, of)
    return _settled(watch)


def text(of: ModelVersion, tree: ArtifactTree, path: str) -> Seen[str]:
    """The text of one of a version's files. What cannot be shown is a RegistryError."""
    watch: Watch[str] = _text_watch(*_registry(), of.name, of.version, path, of, tree)
    return _settled(watch)


def serving() -> Seen[list[ServingPlace]]:
    """Every version that an endpoint serves, and with how much of its traffic."""
    settings = get_settings()
    watch: Watch[list[ServingPlace]] = _serving_watch(settings.endpoint_host, str(settings.home))
    return _settled(watch, 0.3)


def measured(a: ModelVersion, b: ModelVersion) -> list[ScoreComparison]:
    """What was measured of two versions' answers on every endpoint in the last 30 days.

    Raises: QueryFailed, LakehouseError.
    """
    # Whole hours, so that a result can be kept.
    start = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(days=MEASURED_DAYS)
    keys = [f"{one.name}/{one.version}" for one in (a, b)]
    of_a, of_b = _sums(coarsest_rollup(live=True), tuple(keys), start)
    return [compared(of_a, of_b, score) for score in MEASURES]


def _settled(watch: Watch[T], patience_seconds: float = _PATIENCE_SECONDS) -> Seen[T]:
    """What a watch has seen; a first look is waited for a moment, which is enough for a registry on this machine."""
    deadline = time.monotonic() + patience_seconds
    seen = watch.seen()
    while seen.looking and seen.value is None and time.monotonic() < deadline:
        time.sleep(0.01)
        seen = watch.seen()
    return seen


def _registry() -> tuple[str, str]:
    """What a watch belongs to."""
    settings = get_settings()
    return settings.registry_uri, str(settings.home)


@st.cache_resource(max_entries=4, show_spinner=False)
def _models_watch(uri: str, home: str) -> Watch[ModelList]:
    def look() -> ModelList:
        wait_until_ready()
        return models.registered_models(get_settings())

    return Watch("models", look, _LOOK_EVERY_SECONDS, keep_seconds=_KEEP_SECONDS)


@st.cache_resource(max_entries=16, show_spinner=False)
def _page_watch(uri: str, home: str, name: str, page_token: str | None) -> Watch[VersionPage]:
    def look() -> VersionPage:
        wait_until_ready()
        return versions.versions(get_settings(), name, PAGE, page_token)

    return Watch(f"versions-{name}", look, _LOOK_EVERY_SECONDS, keep_seconds=_KEEP_SECONDS)


@st.cache_resource(max_entries=16, show_spinner=False)
def _version_watch(uri: str, home: str, name: str, wanted: str) -> Watch[ModelVersion]:
    def look() -> ModelVersion:
        wait_until_ready()
        return versions.get(get_settings(), name, wanted)

    return Watch(f"version-{name}", look, _LOOK_EVERY_SECONDS, keep_seconds=_KEEP_SECONDS)


@st.cache_resource(max_entries=16, show_spinner=False)
def _details_watch(
    uri: str, home: str, name: str, number: str, updated_at: datetime, _of: ModelVersion
) -> Watch[VersionDetails]:
    def look() -> VersionDetails:
        wait_until_ready()
        return version_details.details(get_settings(), _of)

    return Watch(f"details-{name}", look, _NEVER_CHANGES_SECONDS, keep_seconds=_KEEP_SECONDS)


@st.cache_resource(max_entries=16, show_spinner=False)
def _text_watch(
    uri: str, home: str, name: str, number: str, path: str, _of: ModelVersion, _tree: ArtifactTree
) -> Watch[str]:
    def look() -> str:
        wait_until_ready()
        return artifacts.artifact_text(get_settings(), _of, _tree, path)

    return Watch(f"file-{name}", look, _NEVER_CHANGES_SECONDS, keep_seconds=_KEEP_SECONDS)


@st.cache_resource(max_entries=4, show_spinner=False)
def _serving_watch(host: str, home: str) -> Watch[list[ServingPlace]]:
    client = watching_client()

    def look() -> list[ServingPlace]:
        found = []
        for listed in client.list()[:_MOST_ENDPOINTS]:
            # A list tells no traffic on Databricks.
            endpoint = client.get(listed.name)
            for served in endpoint.served if endpoint else []:
                place = (listed.name, served.entity_name, served.entity_version, served.traffic, served.ready)
                found.append(ServingPlace(*place))
        return found

    return Watch("serving", look, _LOOK_EVERY_SECONDS, keep_seconds=_KEEP_SECONDS)


@kept(max_entries=16)
def _sums(snapshot: Snapshot, keys: Sequence[str], start: datetime) -> list[dict[tuple[str, str], Sums]]:
    """The sums of each version, by metric and scorer."""
    rows = select_records(
        snapshot,
        """SELECT coalesce(entity_name, '') || '/' || entity_version AS version, metric, coalesce(scorer, '') AS scorer,
                  sum(n)::BIGINT AS n, sum(sum_w) AS sum_w, sum(sum_wx) AS sum_wx, sum(sum_wx2) AS sum_wx2,
                  sum(coalesce(sum_w2, sum_w)) AS sum_w2
           FROM this
           WHERE window_start >= $start AND metric = ANY($metrics)
             AND coalesce(entity_name, '') || '/' || entity_version = ANY($keys)
           GROUP BY ALL""",
        start=start,
        keys=list(keys),
        metrics=[REQUESTS, ANSWERS, *(score.metric for score in MEASURES)],
    )
    found: dict[str, dict[tuple[str, str], Sums]] = {key: {} for key in keys}
    for row in rows:
        version, metric, scorer = (row.pop(name) for name in ("version", "metric", "scorer"))
        found[version][metric, scorer] = Sums(**row)
    return [found[key] for key in keys]
