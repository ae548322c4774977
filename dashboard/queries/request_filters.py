"""Which requests a filter describes, as SQL over `request_metrics`.

A score that was given later (`request_scores`) stands where the first scoring gave none.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from dashboard.measures import MEASURES
from dashboard.queries.lake import Snapshot

LATER = ("response_perplexity", "prompt_perplexity", "response_toxicity", "prompt_toxicity")
"""The scores that can be given later."""


@dataclass(frozen=True)
class RequestFilter:
    """Which requests, from `start` (included) to `end` (not included), UTC. What is empty leaves everything in.

    versions: keys as links have them (`prod.chatbot/2`). statuses: classes (`4xx`) or single codes (`429`).
    requesters: "" is a requester who is not known. request_ids: of either kind, the endpoint's or, with
    `by_client_ids`, the client's.
    score: a column of `MEASURES`, whose value has to be from `at_least` to below `below`, as far as these are given;
    a request without the score is then not among them.
    """

    start: datetime
    end: datetime
    endpoint: str = ""
    versions: tuple[str, ...] = ()
    requesters: tuple[str, ...] = ()
    statuses: tuple[str, ...] = ()
    request_ids: tuple[str, ...] = ()
    by_client_ids: bool = True
    score: str = ""
    at_least: float | None = None
    below: float | None = None


@dataclass(frozen=True)
class Matching:
    """The SQL of a filter over `request_metrics`: what stands after FROM and WHERE, and what `select` takes beside."""

    source: str
    condition: str
    beside: dict[str, Snapshot]
    parameters: dict[str, Any]


def matching_source(wanted: RequestFilter, later: Snapshot, filled_in: bool = False, first: str = "this") -> Matching:
    """For other reads of the requests that `wanted` describes.

    later: a snapshot of `request_scores`. filled_in: with its scores in the gaps, also where the filter asks for none.
    """
    source, beside = source_of(later, wanted, filled_in or wanted.score in LATER)
    return Matching(source, _matching(wanted), beside, _parameters(wanted))


def source_of(later: Snapshot, wanted: RequestFilter, filled_in: bool) -> tuple[str, dict[str, Snapshot]]:
    """What the SELECT reads: the first scores, and where there are later ones these in the gaps, if `filled_in`.

    The partition column is not in the files; the date of the time stands in for it.
    """
    date = "* REPLACE (coalesce(request_date, request_time::DATE) AS request_date)"
    # By date, because a later score has no other time of its request.
    later = later.on_dates(wanted.start, wanted.end)
    if not later.files or not filled_in:
        return f"(SELECT {date} FROM this)", {}  # noqa: S608
    given = ", ".join(f"max(value) FILTER (metric = '{name}') AS later_{name}" for name in LATER)
    given += ", " + ", ".join(f"max(scorer) FILTER (metric = '{name}') AS by_{name}" for name in LATER)
    filled = ", ".join(f"coalesce({name}, later_{name}) AS {name}" for name in LATER)
    # Who gave the score of the answer, or that of the prompt where only that was given later.
    filled += "".join(
        f""", CASE WHEN response_{kind} IS NULL AND by_response_{kind} IS NOT NULL THEN by_response_{kind}
                 ELSE coalesce({kind}_scorer, by_prompt_{kind}) END AS {kind}_scorer"""
        for kind in ("perplexity", "toxicity")
    )
    newest = """SELECT databricks_request_id, metric, arg_max(value, scored_at) AS value,
                       arg_max(scorer, scored_at) AS scorer FROM later
                WHERE value IS NOT NULL GROUP BY ALL"""
    pivot = f"SELECT databricks_request_id, {given} FROM ({newest}) GROUP BY ALL"  # noqa: S608
    dated = f"SELECT {date} FROM this"  # noqa: S608
    joined = f"(SELECT * REPLACE ({filled}) FROM ({dated}) LEFT JOIN ({pivot}) USING (databricks_request_id))"  # noqa: S608
    return joined, {"later": later}


def _matching(wanted: RequestFilter) -> str:
    matching = """request_time >= $start AND request_time < $end
        AND ($endpoint = '' OR endpoint_name = $endpoint)
        AND (len($versions::VARCHAR[]) = 0
             OR coalesce(entity_name, '') || '/' || coalesce(entity_version, '') = ANY($versions::VARCHAR[]))
        AND (len($requesters::VARCHAR[]) = 0 OR coalesce(requester, '') = ANY($requesters::VARCHAR[]))
        AND (len($statuses::VARCHAR[]) = 0 OR (status_code // 100)::VARCHAR || 'xx' = ANY($statuses::VARCHAR[])
             OR status_code::VARCHAR = ANY($statuses::VARCHAR[]))
        AND (len($request_ids::VARCHAR[]) = 0 OR databricks_request_id IN (SELECT unnest($request_ids::VARCHAR[]))
             OR ($by_client_ids AND client_request_id IN (SELECT unnest($request_ids::VARCHAR[]))))"""
    if not wanted.score:
        return matching
    if wanted.score not in MEASURES:
        raise ValueError(f"There is no score called {wanted.score!r}.")
    return f"""{matching} AND {wanted.score} IS NOT NULL
        AND ($at_least::DOUBLE IS NULL OR {wanted.score} >= $at_least::DOUBLE)
        AND ($below::DOUBLE IS NULL OR {wanted.score} < $below::DOUBLE)"""


def _parameters(wanted: RequestFilter) -> dict[str, Any]:
    parameters: dict[str, Any] = {
        "start": wanted.start,
        "end": wanted.end,
        "endpoint": wanted.endpoint,
        "versions": list(wanted.versions),
        "requesters": list(wanted.requesters),
        "statuses": list(wanted.statuses),
        "request_ids": list(wanted.request_ids),
        "by_client_ids": wanted.by_client_ids,
    }
    if wanted.score:
        parameters |= {"at_least": wanted.at_least, "below": wanted.below}
    return parameters
