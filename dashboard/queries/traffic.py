"""What went over an endpoint: requests, errors, latency and flagged texts, summed from the rollups."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from dashboard.periods import Period
from dashboard.queries.lake import HASH_FUNCS, Snapshot, newest, select, shown
from dashboard.queries.sample import ANSWERS, REQUESTS, Sample, sample_of
from metrics.buckets import bucket_edges, bucket_lower, quantile
from settings import get_settings

if TYPE_CHECKING:
    import pandas as pd

LATENCY, ANSWER_TOXICITY, PROMPT_TOXICITY = "execution_duration_ms", "response_toxicity", "prompt_toxicity"


@dataclass(frozen=True)
class Indicator:
    """One figure of a period: its value, that of the period before, and one value for each bin (NaN: nothing there)."""

    value: float
    previous: float
    values: np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Traffic:
    """The indicators of an endpoint. `times` are the starts of the bins in milliseconds since 1970, UTC."""

    times: np.ndarray[Any, np.dtype[np.int64]]
    requests: Indicator
    error_share: Indicator
    latency_p95: Indicator
    flagged_answers: Indicator
    flagged_prompts: Indicator
    toxicity_scorer: str
    toxicity_sample: Sample | None = None
    """The answers whose toxicity is known, where they are a sample of all."""


@dataclass(frozen=True)
class VersionSeen:
    """A model version that has answered on an endpoint."""

    entity_name: str
    entity_version: str
    requests: int
    first: datetime
    last: datetime

    @property
    def key(self) -> str:
        """How links name it."""
        return f"{self.entity_name}/{self.entity_version}"


def endpoints() -> list[str]:
    """Every endpoint that has been used, and the one of the settings: first if it was used, else last."""
    own = get_settings().endpoint
    used = _endpoints(newest("metrics_15min"))
    others = [name for name in used if name != own]
    return [own, *others] if own in used else [*others, own]


def versions(endpoint: str) -> list[VersionSeen]:
    """The versions that have answered on an endpoint, the one that was seen last first."""
    found: list[VersionSeen] = _versions(shown("metrics_15min"), endpoint)
    return found


def traffic(endpoint: str, period: Period, *, live: bool = False) -> Traffic:
    """The indicators of an endpoint over a period, beside those of the period before.

    live: of now, also where the visitor looks back at an earlier moment.
    Raises: QueryFailed, LakehouseError.
    """
    found: Traffic = _traffic(
        (newest if live else shown)(period.table), endpoint, period, get_settings().toxicity_threshold
    )
    return found


@st.cache_data(max_entries=8, show_spinner=False, hash_funcs=HASH_FUNCS)
def _endpoints(snapshot: Snapshot) -> list[str]:
    sql = "SELECT DISTINCT endpoint_name FROM this WHERE endpoint_name <> '' ORDER BY 1"
    return [str(name) for name in select(snapshot, sql)["endpoint_name"]]


@st.cache_data(max_entries=32, show_spinner=False, hash_funcs=HASH_FUNCS)
def _versions(snapshot: Snapshot, endpoint: str) -> list[VersionSeen]:
    rows = select(
        snapshot,
        """SELECT coalesce(entity_name, '') AS entity_name, entity_version, sum(n)::BIGINT AS requests,
                  min(window_start) AS first, max(window_start) AS last
           FROM this
           WHERE endpoint_name = $endpoint AND metric = 'databricks_request_id' AND entity_version <> ''
           GROUP BY 1, 2
           ORDER BY last DESC, length(entity_version) DESC, entity_version DESC""",
        endpoint=endpoint,
    )
    return [
        VersionSeen(row["entity_name"], row["entity_version"], int(row["requests"]), row["first"], row["last"])
        for row in rows.to_dict("records")
    ]


@st.cache_data(max_entries=32, show_spinner=False, hash_funcs=HASH_FUNCS)
def _traffic(snapshot: Snapshot, endpoint: str, period: Period, threshold: float) -> Traffic:
    counts, histograms = _counts(snapshot, endpoint, period), _histograms(snapshot, endpoint, period, threshold)
    bins = int(period.length.total_seconds() // period.bin_seconds)
    requests = counts[counts["metric"] == REQUESTS]
    errors = requests[requests["status_class"].isin(["4xx", "5xx"])]
    total, failed = _by_bin(requests, "n", bins), _by_bin(errors, "n", bins)
    scorer = _main_scorer(counts)
    first_flagged = bucket_lower(ANSWER_TOXICITY, threshold)

    def flagged(metric: str) -> Indicator:
        scored = counts[(counts["metric"] == metric) & (counts["scorer"] == scorer)]
        above = histograms[(histograms["metric"] == metric) & (histograms["scorer"] == scorer)]
        above = above[above["bucket"] >= first_flagged]
        return _share(_by_bin(above, "weight", bins), _by_bin(scored, "weight", bins), bins)

    start = int(period.start.timestamp() * 1000)
    of_answers = counts[counts["bin"] >= bins]
    judged = of_answers[(of_answers["metric"] == ANSWER_TOXICITY) & (of_answers["scorer"] == scorer)]
    answers = of_answers[of_answers["metric"] == ANSWERS]["n"].sum()
    return Traffic(
        times=start + np.arange(bins, dtype=np.int64) * period.bin_seconds * 1000,
        requests=Indicator(float(total[bins:].sum()), float(total[:bins].sum()), total[bins:]),
        error_share=_share(failed, total, bins),
        latency_p95=_p95(histograms[histograms["metric"] == LATENCY], bins),
        flagged_answers=flagged(ANSWER_TOXICITY),
        flagged_prompts=flagged(PROMPT_TOXICITY),
        toxicity_scorer=scorer,
        toxicity_sample=sample_of(int(judged["n"].sum()), float(judged["weight"].sum()), int(answers)),
    )


def _counts(snapshot: Snapshot, endpoint: str, period: Period) -> "pd.DataFrame":
    return select(
        snapshot,
        """SELECT ((epoch_ms(window_start) - epoch_ms($start)) // (1000 * $bin))::INTEGER AS bin,
                  metric, scorer, status_class, sum(n)::BIGINT AS n, sum(sum_w) AS weight
           FROM this
           WHERE endpoint_name = $endpoint AND window_start >= $start AND window_start < $end
             AND metric IN ('databricks_request_id', 'response_chars', 'response_toxicity', 'prompt_toxicity')
           GROUP BY ALL""",
        span=(period.previous.start, period.end),
        **_window(endpoint, period),
    )


def _histograms(snapshot: Snapshot, endpoint: str, period: Period, threshold: float) -> "pd.DataFrame":
    first = bucket_lower(ANSWER_TOXICITY, threshold)
    return select(
        snapshot,
        """SELECT bin, metric, scorer, entry.key AS bucket, sum(entry.value) AS weight
           FROM (SELECT ((epoch_ms(window_start) - epoch_ms($start)) // (1000 * $bin))::INTEGER AS bin,
                        metric, scorer, unnest(map_entries(buckets)) AS entry
                 FROM this
                 WHERE endpoint_name = $endpoint AND window_start >= $start AND window_start < $end
                   AND metric = 'execution_duration_ms'
                 UNION ALL
                 SELECT ((epoch_ms(window_start) - epoch_ms($start)) // (1000 * $bin))::INTEGER AS bin, metric, scorer,
                        unnest(list_filter(map_entries(buckets), lambda entry: entry.key >= $flagged)) AS entry
                 FROM this
                 WHERE endpoint_name = $endpoint AND window_start >= $start AND window_start < $end
                   AND metric IN ('response_toxicity', 'prompt_toxicity') AND max >= $least)
           GROUP BY ALL""",
        span=(period.previous.start, period.end),
        flagged=first,
        # Most windows have nothing that is flagged; where not even their largest value is, no histogram is read.
        least=bucket_edges(ANSWER_TOXICITY, first)[0] * (1 - 1e-9),
        **_window(endpoint, period),
    )


def _window(endpoint: str, period: Period) -> dict[str, Any]:
    """Both periods at once: the bins of the one before come first."""
    return {"endpoint": endpoint, "start": period.previous.start, "end": period.end, "bin": period.bin_seconds}


def _by_bin(rows: "pd.DataFrame", column: str, bins: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    sums = np.zeros(2 * bins)
    np.add.at(sums, rows["bin"].to_numpy(int), rows[column].to_numpy(float))
    return sums


def _share(part: Any, whole: Any, bins: int) -> Indicator:
    with np.errstate(invalid="ignore", divide="ignore"):
        values = np.where(whole > 0, part / whole, np.nan)
        before, now = (np.divide(part[side].sum(), whole[side].sum()) for side in (slice(bins), slice(bins, None)))
    return Indicator(float(now), float(before), values[bins:])


def _p95(rows: "pd.DataFrame", bins: int) -> Indicator:
    """The 95th percentile of every bin and of both periods. Plain arrays: pandas would take most of the page's time."""
    order = np.argsort(rows["bin"].to_numpy(int), kind="stable")
    bin_of, buckets, weights = (rows[name].to_numpy()[order] for name in ("bin", "bucket", "weight"))
    edges = np.searchsorted(bin_of, np.arange(2 * bins + 1))

    def between(first: int, last: int) -> float:
        part = slice(edges[first], edges[last])
        names, position = np.unique(buckets[part], return_inverse=True)
        sums = np.bincount(position, weights[part], len(names))
        return quantile(LATENCY, dict(zip(names.tolist(), sums.tolist(), strict=True)), 0.95)

    values = np.array([between(number, number + 1) for number in range(2 * bins)])
    return Indicator(between(bins, 2 * bins), between(0, bins), values[bins:])


def _main_scorer(counts: "pd.DataFrame") -> str:
    """The scorer that most values come from: two are never mixed."""
    scored = counts[counts["metric"].isin([ANSWER_TOXICITY, PROMPT_TOXICITY])].groupby("scorer")["n"].sum()
    return str(scored.idxmax()) if len(scored) else ""
