"""Search in people's words: day by day, newest first, over the requests that a filter describes.

A search is an iterator that rests after each batch: whoever draws it decides how long it works at a time, and leaving
it is stopping it. What is searched for is compared letter by letter and never becomes SQL, a pattern or a path.
"""

from collections.abc import Generator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal

from dashboard.queries.lake import select, shown
from dashboard.queries.request_filters import RequestFilter, matching_source
from lakehouse.text_search import LoggedBodies, logged_name
from metrics.bodies import parse_exchange
from metrics.masking import masked
from settings import get_settings

MOST_HITS = 200
"""A search ends when it has found so many."""
LONGEST_NEEDLE = 500
AROUND = 90
"""Characters that an excerpt has at most before and after what was found."""


@dataclass(frozen=True)
class TextHit:
    """A request in whose words something was found. `excerpt` is masked; `found_in` says where it stands first."""

    request_id: str
    day: date
    found_in: Literal["prompt", "answer"]
    excerpt: str


@dataclass(frozen=True)
class SearchProgress:
    """How far a search is: whole days that it is through, of how many; requests read; all hits so far."""

    days_done: int
    days: int
    rows_read: int
    hits: tuple[TextHit, ...]
    full: bool = False
    """Whether it ended because it had found enough."""


def search(wanted: RequestFilter, text: str, *, most: int = MOST_HITS) -> Generator[SearchProgress]:
    """Find `text`, in any case of its letters, in the prompts and answers of the requests that `wanted` describes.

    What masking takes out cannot be found either: a search would tell who wrote an address that nobody was shown.
    Raises: QueryFailed, LakehouseError, also between two steps.
    """
    needle = _on_one_line(text[:LONGEST_NEEDLE])
    days = _days(wanted)
    hits: list[TextHit] = []
    rows_read = 0
    yield SearchProgress(0, len(days), 0, ())
    bodies = LoggedBodies(get_settings())
    for done, day in enumerate(days):
        ids = _ids_of(wanted, day)
        for batch in bodies.of_day(day):
            for row in batch.to_pylist():
                # Deliveries are at least once: the first of several equal rows counts.
                request_id = ids.pop(row["databricks_request_id"], None)
                if request_id is None:
                    continue
                rows_read += 1
                hit = _hit(request_id, day, row, needle)
                if hit is not None:
                    hits.append(hit)
                if len(hits) >= most:
                    yield SearchProgress(done, len(days), rows_read, tuple(hits), full=True)
                    return
            yield SearchProgress(done, len(days), rows_read, tuple(hits))
            if not ids:
                break
        yield SearchProgress(done + 1, len(days), rows_read, tuple(hits))


def excerpt(text: str, needle: str) -> str:
    """The part of a text around what was found, masked and in one line; its beginning where masking took that out.

    Masked as a whole first: a cut could leave half of a phone number that no rule knows any more.
    """
    line = " ".join(masked(text).split())
    folded = line.casefold()
    place = folded.find(" ".join(needle.split()))
    # Folding can lengthen a letter (ß); then the place is a little off, which an excerpt may be.
    place = min(max(place, 0), len(line))
    first, last = max(place - AROUND, 0), place + len(needle) + AROUND
    return ("…" if first else "") + line[first:last] + ("…" if last < len(line) else "")


def _on_one_line(text: str) -> str:
    return " ".join(text.split()).casefold()


def _hit(request_id: str, day: date, row: dict[str, object], needle: str) -> TextHit | None:
    exchange = parse_exchange(row["request"], row["response"], row["logging_error_codes"])  # type: ignore[arg-type]
    places: tuple[tuple[Literal["prompt", "answer"], str | None], ...] = (
        ("prompt", exchange.prompt),
        ("answer", exchange.response),
    )
    for name, said in places:
        # Masking takes longer than the look before it.
        if not said or needle not in _on_one_line(said) or needle not in _on_one_line(masked(said)):
            continue
        return TextHit(request_id, day, name, excerpt(said, needle))
    return None


def _days(wanted: RequestFilter) -> list[date]:
    """The UTC dates that have requests of a filter, newest first."""
    matching = matching_source(wanted, shown("request_scores"))
    sql = f"""SELECT DISTINCT request_time::DATE AS day FROM {matching.source}
              WHERE {matching.condition} ORDER BY day DESC"""  # noqa: S608
    span = wanted.start, wanted.end
    found = select(shown("request_metrics"), sql, span=span, beside=matching.beside, **matching.parameters)
    return [day.date() for day in found["day"]]


def _ids_of(wanted: RequestFilter, day: date) -> dict[str, str]:
    """The requests of a filter and a day: as the inference table names them → their id."""
    midnight = datetime.combine(day, time(), UTC)
    span = max(wanted.start, midnight), min(wanted.end, midnight + timedelta(days=1))
    matching = matching_source(replace(wanted, start=span[0], end=span[1]), shown("request_scores"))
    sql = f"SELECT databricks_request_id AS id FROM {matching.source} WHERE {matching.condition}"  # noqa: S608
    found = select(shown("request_metrics"), sql, span=span, beside=matching.beside, **matching.parameters)
    return {logged_name(str(request_id)): str(request_id) for request_id in found["id"]}
