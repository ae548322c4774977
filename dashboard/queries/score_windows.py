"""What the windows of a rollup say of the scores of a version, or of a part of its traffic, in any part of a time."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from dashboard.queries.lake import Snapshot, Span
from dashboard.queries.quality import Sums
from dashboard.queries.rollup_windows import Group, MetricWindows, Places, rollup_windows
from dashboard.queries.sample import ANSWERS, REQUESTS

Histogram = dict[int, float]
"""Bucket → weight."""


@dataclass(frozen=True)
class Rows:
    """Whose windows are wanted: a version's, of a class of status such as `4xx` (empty: of all)."""

    entity_name: str
    entity_version: str
    status: str
    span: Span

    def have(self, group: Group) -> bool:
        """Whether the windows of a group are among them."""
        version = (self.entity_name, self.entity_version)
        return (group.entity_name, group.entity_version) == version and self.status in ("", group.status)


@dataclass(frozen=True)
class Scored:
    """What the windows of some rows add up to, by metric and scorer."""

    sums: dict[tuple[str, str], Sums]
    histograms: dict[tuple[str, str], Histogram]


@dataclass(frozen=True)
class ScoreWindows:
    """The windows of an endpoint by metric."""

    by_metric: Mapping[str, MetricWindows]

    def of(self, wanted: Rows) -> Scored:
        """What the windows of some rows add up to."""
        found = Scored({}, {})
        for metric, windows in self.by_metric.items():
            part = windows.between(*wanted.span)
            scorers, key = _chosen(part, wanted)
            rows = np.flatnonzero(key >= 0)
            columns = [
                np.bincount(key[rows], np.nan_to_num(getattr(part, name)[rows]), len(scorers)).tolist()
                for name in Sums._fields
            ]
            there = np.bincount(key[rows], minlength=len(scorers))
            for place, histogram in enumerate(part.histograms(key, len(scorers))):
                if there[place]:
                    n, *sums = (column[place] for column in columns)
                    found.sums[metric, scorers[place]] = Sums(int(n), *sums)
                    found.histograms[metric, scorers[place]] = histogram
        return found

    def newest(self, wanted: Rows, most: int) -> datetime | None:
        """The start of the window from which on there are `most` requests; None where there are fewer."""
        part = self.by_metric[REQUESTS].between(*wanted.span)
        _, key = _chosen(part, wanted)
        rows = np.flatnonzero(key >= 0)
        newer = np.cumsum(part.n[rows][::-1])
        place = int(np.searchsorted(newer, most))
        if place >= len(newer):
            return None
        return datetime.fromtimestamp(int(part.starts[rows[len(rows) - 1 - place]]) / 1000, UTC)


def score_windows(
    snapshot: Snapshot, endpoint: str, span: Span, metrics: Sequence[str], requester: str = ""
) -> ScoreWindows:
    """The windows of an endpoint that have all of `span`, and maybe more: of the requests, the answers and `metrics`.

    requester: whose, in a rollup by requester. Raises: QueryFailed.
    """
    counted = (REQUESTS, ANSWERS)
    return ScoreWindows(rollup_windows(snapshot, endpoint, span, sums=counted, histograms=metrics, requester=requester))


def _chosen(windows: MetricWindows, wanted: Rows) -> tuple[list[str], Places]:
    """The scorers of the rows that are wanted, and which of them each window is of: -1 for other rows."""
    scorers = sorted({group.scorer for group in windows.groups if wanted.have(group)})
    places = [scorers.index(group.scorer) if wanted.have(group) else -1 for group in windows.groups]
    return scorers, windows.of_groups(places)
