"""The scores of texts of earlier runs, from the table `score_cache`: read before a group of rows, appended after it.

Nothing rests on the table: a row that is lost costs the time of scoring its text again, and one that is there twice
says the same twice. A scorer of another name, and so of another version, finds nothing. What is appended is appended
after the rows that it was computed for: a row whose texts are known is scored for sure, and were a text known that was
scored for a row which then got lost, that row's place in a random sample would no longer be a matter of chance.
"""

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from jobs.score_cache_rows import rows_of_texts
from lakehouse.appends import append
from lakehouse.errors import LakehouseError
from lakehouse.score_cache_table import SCORE_CACHE
from lakehouse.store import open_table
from lakehouse.table_spec import TIMESTAMP
from metrics.readability import SCORER as READABILITY_SCORER
from metrics.readability import Readability
from metrics.text_cache import TextCache
from metrics.text_keys import TextKeys
from metrics.text_scores import Perplexity, Scorers, Toxicity, counts_name, is_lasting, language_name
from settings import Settings

_log = logging.getLogger(__name__)

USE_NOTED_EVERY = timedelta(days=1)
"""A text that is seen again is noted at most so often: that is exact enough to tell which was unused for longest."""
_ROWS_AT_ONCE = 10_000
"""Rows of the table that are Python's objects at once."""


@dataclass(frozen=True)
class _Kind:
    """One kind of score: its column, who gives it, and how it is written down and read again."""

    column: str
    scorer: str
    """The scorer's name, which stands in the table."""
    cached_as: str
    """The name under which a `TextCache` has it."""
    write: Callable[[Any], dict[str, Any] | None]
    """None for what must be computed again the next time."""
    read: Callable[[dict[str, Any]], object]


class ScoreCache:
    """The table as a run sees it: look texts up, then remember what was computed. It never makes a run fail."""

    def __init__(self, settings: Settings, scorers: Scorers) -> None:
        self._settings = settings
        self._kinds = _kinds(scorers)
        self._english_only = _english_only(scorers)
        self._seen_again: set[bytes] = set()
        self._usable = settings.score_cache_texts > 0

    def look_up(self, keys: TextKeys, texts: TextCache) -> set[str]:
        """Bring what is known of the texts into `texts`. Returns the names of the scorers that a text is unknown to."""
        wanted = keys.scored | keys.counted
        if self._usable and wanted:
            with _without_harm(self):
                self._fill(wanted, texts)
        return set(self._unknown(keys, texts))

    def remember(self, texts: TextCache) -> None:
        """Append what was computed since the last call, and which texts were seen again."""
        rows: dict[bytes, dict[str, Any]] = {key: {} for key in self._seen_again}
        self._seen_again = set()
        computed = texts.drain()
        for kind in self._kinds:
            for key, score in computed.get(kind.cached_as, {}).items():
                written = kind.write(score)
                if written is not None:
                    rows.setdefault(key, {})[kind.column] = {"scorer": kind.scorer, **written}
        if self._usable and rows:
            now = datetime.now(UTC)
            with _without_harm(self):
                append(
                    self._settings,
                    SCORE_CACHE.name,
                    [{"text_key": key, "used_at": now, **columns} for key, columns in rows.items()],
                )

    def give_up(self, error: LakehouseError) -> None:
        """Do without the table for the rest of the run."""
        _log.warning("The table %s is not used by this run, which scores every text: %s", SCORE_CACHE.name, error)
        self._usable = False

    def _fill(self, keys: Iterable[bytes], texts: TextCache) -> None:
        columns = ["text_key", "used_at", *(kind.column for kind in self._kinds)]
        table = open_table(self._settings, SCORE_CACHE.name)
        # An older row first, so that a newer one takes its place.
        found = rows_of_texts(self._settings, table, keys, columns).sort_by("used_at")
        for start in range(0, found.num_rows, _ROWS_AT_ONCE):
            rows = found.slice(start, _ROWS_AT_ONCE).to_pylist()
            for kind in self._kinds:
                entries = ((row["text_key"], row[kind.column]) for row in rows)
                known = {key: entry for key, entry in entries if entry and entry["scorer"] == kind.scorer}
                texts.fill(kind.cached_as, {key: kind.read(entry) for key, entry in known.items()})
        long_ago = pa.scalar(datetime.now(UTC) - USE_NOTED_EVERY, TIMESTAMP)
        last_used = found.group_by("text_key").aggregate([("used_at", "max")])
        unnoted = last_used.filter(pc.less(last_used["used_at_max"], long_ago))
        self._seen_again.update(unnoted["text_key"].to_pylist())

    def _unknown(self, keys: TextKeys, texts: TextCache) -> Iterator[str]:
        foreign: set[bytes] = set()
        for kind in self._kinds:
            if kind.column == "language":
                answers = texts.held(kind.cached_as, keys.scored)
                foreign = {key for key, reason in answers.items() if reason is not None}
            wanted = keys.counted if kind.column == "token_count" else keys.scored
            judged = wanted - foreign if kind.column in self._english_only else wanted
            if len(texts.known(kind.cached_as, judged)) < len(judged):
                yield kind.scorer


@contextmanager
def _without_harm(cache: ScoreCache) -> Iterator[None]:
    try:
        yield
    except LakehouseError as error:
        cache.give_up(error)


def _kinds(scorers: Scorers) -> tuple[_Kind, ...]:
    """The kinds of scores that these scorers give, the language first: other scorers are not asked about some texts."""
    kinds = []
    if scorers.language is not None:
        name = language_name(scorers.language)
        kinds.append(_Kind("language", scorers.language.name, name, _reason, lambda entry: entry["reason"]))
    kinds.append(_Kind("readability", READABILITY_SCORER, READABILITY_SCORER, _readability, _read_readability))
    if scorers.toxicity is not None:
        kinds.append(_Kind("toxicity", scorers.toxicity.name, scorers.toxicity.name, _with_reason, _read_toxicity))
    if scorers.perplexity is not None:
        name = scorers.perplexity.name
        kinds.append(_Kind("perplexity", name, name, _with_reason, _read_perplexity))
        kinds.append(_Kind("token_count", name, counts_name(scorers.perplexity), _count, lambda entry: entry["tokens"]))
    return tuple(kinds)


def _english_only(scorers: Scorers) -> frozenset[str]:
    """The columns that a text in another language has no entry in."""
    toxicity = scorers.toxicity is not None and scorers.toxicity.english_only
    return frozenset({"readability", "toxicity"} if toxicity else {"readability"})


def _reason(reason: str | None) -> dict[str, Any] | None:
    return {"reason": reason} if is_lasting(reason) else None


def _with_reason(score: Perplexity | Toxicity) -> dict[str, Any] | None:
    return asdict(score) if is_lasting(score.reason) else None


def _readability(score: Readability | str) -> dict[str, Any]:
    return {"reason": score} if isinstance(score, str) else asdict(score)


def _count(tokens: int) -> dict[str, Any]:
    return {"tokens": tokens}


def _read_perplexity(entry: dict[str, Any]) -> Perplexity:
    return Perplexity(entry["value"], entry["tokens"], entry["reason"])


def _read_toxicity(entry: dict[str, Any]) -> Toxicity:
    return Toxicity(entry["value"], dict(entry["labels"] or []), entry["reason"])


def _read_readability(entry: dict[str, Any]) -> Readability | str:
    if entry["reason"] is not None:
        return str(entry["reason"])
    return Readability(**{number.name: entry[number.name] for number in fields(Readability)})
