"""Judging the windows that have closed: what drifted is written to `drift_findings`, with what shows it.

The rules are those of `metrics.drift_judgement`. All columns and slices of an endpoint are one family of tests. Five
minutes are judged where they hold enough requests, and hours only where five minutes do not: nothing is told twice.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from jobs.drift_evidence import evidence_of
from jobs.drift_findings import GRANULARITIES, Finding, earlier_findings, key_of, write_findings
from jobs.drift_topics import topic_findings
from jobs.errors import JobError
from jobs.judged_rows import JudgedRows, read_rows_of, window_start
from lakehouse.errors import LakehouseError
from lakehouse.store import open_to_read
from lakehouse.tables import REQUEST_METRICS
from metrics.drift_judgement import LEAST_VALUES, WINDOWS, Difference, Judgement, Question, judge, stacked
from metrics.drift_questions import PROMPT_TOPICS, QUESTIONS
from metrics.drift_reference import HOUR, REFERENCES, Reference, differences
from metrics.drift_words import told
from settings import Settings

if TYPE_CHECKING:
    from deltalake import DeltaTable

Window = tuple[str, datetime, datetime]
Integers = NDArray[np.int64]

WINDOWS_AT_ONCE = 36
"""Windows beside each other that are judged together, so that memory holds three hours and what they compare with."""
_FIVE_MINUTES_IN_HOUR = 12


class PromptsNotRead(JobError):
    """The texts of prompts cannot be read, so nobody knows of new topics; all else was judged."""


def judge_closed_windows(settings: Settings, windows: Sequence[Window]) -> int:
    """Judge windows (granularity, start, end in UTC) that are complete. Granularities that are not judged are skipped.

    Returns: findings written. A window that was judged before is judged again at no harm: each finding stands once.
    Raises: UnreadableTable, CommitConflict. PromptsNotRead where the texts of prompts cannot be read: all other
    findings are written then, and the windows count as judged.
    """
    written = 0
    problems: list[LakehouseError] = []
    for findings, families, group in _judged(settings, windows):
        written += write_findings(settings, findings)
        for family in families:
            try:
                topics = list(family.topics(settings, group))
            except LakehouseError as problem:
                problems.append(problem)
                continue
            written += write_findings(settings, topics)
    if problems:
        raise PromptsNotRead(f"Drift was judged, but not of what prompts are about: {problems[0]}") from problems[0]
    return written


def judge_past(settings: Settings, start: datetime, end: datetime) -> list[Finding]:
    """The findings that windows between `start` and `end` would have, without writing any: for a dry run.

    Topics of prompts are left out: they need the texts. Each has the columns of `drift_findings` but for its id.
    Raises: UnreadableTable.
    """
    windows = [
        (name, window_start(number, seconds), window_start(number + 1, seconds))
        for name, seconds in GRANULARITIES.items()
        for number in range(-int(-start.timestamp() // seconds), int(end.timestamp() // seconds))
    ]
    return [finding for findings, _, _ in _judged(settings, windows) for finding in findings]


def _judged(
    settings: Settings, windows: Sequence[Window]
) -> Iterator[tuple[list[Finding], list["_Family"], list[int]]]:
    """Some windows at a time: the findings about numbers, the endpoints, and the numbers of the windows."""
    table = open_to_read(settings, REQUEST_METRICS.name)
    before: list[Finding] = []
    for granularity, seconds in GRANULARITIES.items():
        closed = {int(start.timestamp()) // seconds for name, start, _ in windows if name == granularity}
        for group in _groups(sorted(closed)):
            judged = np.arange(group[0] - WINDOWS + 1, group[-1] + 1)
            rows_by_endpoint = read_rows_of(table, needed(judged, seconds), seconds, settings.toxicity_threshold)
            start, end = window_start(int(judged[0]) - 1, seconds), window_start(int(judged[-1]) + 1, seconds)
            known = earlier_findings(settings, start, end) | {key_of(one): one for one in before}
            families = [
                _Family(table, granularity, endpoint, rows, judged, known)
                for endpoint, rows in rows_by_endpoint.items()
            ]
            findings = [finding for family in families for finding in family.findings(set(group))]
            yield findings, families, group
            before += findings


def needed(judged: Integers, seconds: int) -> Integers:
    """The windows that have to be read to judge some: they, the two before, and all that they are compared with."""
    distances = [np.arange(1 - WINDOWS, 1), *(one.distances.ravel() for one in REFERENCES[seconds])]
    return np.unique(judged[:, None] + np.concatenate(distances))


def _groups(numbers: list[int]) -> Iterator[list[int]]:
    """Windows that are close to each other, some at a time."""
    group: list[int] = []
    for number in numbers:
        if group and (number - group[-1] > WINDOWS or number - group[0] >= WINDOWS_AT_ONCE):
            yield group
            group = []
        group.append(number)
    if group:
        yield group


@dataclass(frozen=True)
class _Test:
    """A question asked of a slice."""

    question: Question
    key: str | None
    value: str | None
    rows: JudgedRows
    reference: Integers
    """Which of the references each window is compared with. [window]"""


@dataclass(frozen=True)
class _Family:
    """All tests of an endpoint in some consecutive windows."""

    table: "DeltaTable"
    granularity: str
    endpoint: str
    rows: JudgedRows
    judged: Integers
    known: dict[tuple[Any, ...], Finding]
    """The findings of these and the windows before, as far as there are, by `key_of`."""

    def findings(self, wanted: set[int]) -> Iterator[Finding]:
        """The findings of the windows `wanted`."""
        tests, single, verdict = self._verdict()
        if not tests:
            return
        in_a_row = np.zeros(len(tests), dtype=np.int64)
        for place, number in enumerate(self.judged.tolist()):
            seen = verdict.seen[:, place]
            whole = self._told_by_five_minutes(number)
            for at in np.flatnonzero(seen):
                if place == 0:
                    in_a_row[at] = self._before(tests[at], number)
                goes_on = place == 0 or self._goes_on(int(at), place, single, verdict)
                in_a_row[at] = in_a_row[at] + 1 if goes_on else 1
                if number not in wanted:
                    continue
                yield self._finding(tests[at], int(at), place, single, verdict, int(in_a_row[at]), whole)

    def topics(self, settings: Settings, group: list[int]) -> Iterator[Finding]:
        """The findings about what the prompts of the windows `group` are about."""
        in_a_row = {
            int(one["window_start"].timestamp()) // self.rows.seconds: int(one["windows_in_a_row"])
            for one in self.known.values()
            if one["column_name"] == PROMPT_TOPICS and one["endpoint_name"] == self.endpoint
            if one["granularity"] == self.granularity
        }
        return topic_findings(settings, self.table, self.granularity, self.endpoint, self.rows, group, in_a_row)

    def _told_by_five_minutes(self, number: int) -> set[tuple[str, float]]:
        """Columns that all requests of an hour were found to have drifted in by its minutes, and which way."""
        start, end = window_start(number, self.rows.seconds), window_start(number + 1, self.rows.seconds)
        return {
            (one["column_name"], float(np.sign(one["value"] - one["value_compared"])))
            for one in self.known.values()
            if one["confirmed"] and one["slice_key"] is None and one["value"] is not None
            if one["endpoint_name"] == self.endpoint and start <= one["window_start"] < end
            if one["granularity"] != self.granularity
        }

    def _goes_on(self, at: int, place: int, single: Difference, verdict: Judgement) -> bool:
        same_way = single.direction[at, place - 1] == single.direction[at, place]
        return bool(verdict.seen[at, place - 1] and same_way)

    def _verdict(self) -> tuple[list[_Test], Difference, Judgement]:
        tests, singles, together = [], [], []
        shares = self.rows.usual_shares(int(self.judged[0]))
        for key, value, rows in self.rows.slices(self.judged):
            for question in QUESTIONS:
                numbers, summary = rows.summary(question, shares)
                one, three, which = differences(question, summary, numbers, self.judged, self.rows.seconds)
                if self.rows.seconds == HOUR:
                    thin = one.n < LEAST_VALUES * _FIVE_MINUTES_IN_HOUR
                    one, three = _only(thin, one), _only(thin, three)
                if np.isfinite(one.p_value).any():
                    tests.append(_Test(question, key, value, rows, which))
                    singles.append(one)
                    together.append(three)
        if not tests:
            nothing = stacked([one])
            return [], nothing, judge(nothing, nothing)
        single = stacked(singles)
        return tests, single, judge(single, stacked(together))

    def _before(self, test: _Test, number: int) -> int:
        start = window_start(number - 1, self.rows.seconds)
        earlier = self.known.get((self.granularity, start, self.endpoint, test.key, test.value, test.question.column))
        return int(earlier["windows_in_a_row"]) if earlier else 0

    def _finding(
        self,
        test: _Test,
        at: int,
        place: int,
        single: Difference,
        verdict: Judgement,
        in_a_row: int,
        whole: set[tuple[str, float]],
    ) -> Finding:
        column, number, seconds = test.question.column, int(self.judged[place]), self.rows.seconds
        direction = float(single.direction[at, place])
        confirmed = bool(verdict.confirmed[at, place])
        if confirmed and test.key is None:
            whole.add((column, direction))
        reference = REFERENCES[seconds][test.reference[place]]
        figures = {name: float(getattr(single, name)[at, place]) for name in ("value", "compared", "effect", "p_value")}
        windows = np.arange(number - (WINDOWS - 1 if confirmed else 0), number + 1)
        return {
            "window_start": window_start(number, seconds),
            "window_end": window_start(number + 1, seconds),
            "granularity": self.granularity,
            "endpoint_name": self.endpoint,
            "slice_key": test.key,
            "slice_value": test.value,
            "column_name": column,
            "drift_type": reference.drift_type,
            "n": round(float(single.n[at, place])),
            "n_compared": round(float(single.n_compared[at, place])),
            "value": figures["value"],
            "value_compared": figures["compared"],
            "effect": figures["effect"],
            "effect_name": _EFFECTS[test.question.kind],
            "p_value": figures["p_value"],
            "q_value": float((verdict.q_together if confirmed else verdict.q_value)[at, place]),
            "windows_in_a_row": in_a_row,
            # Whoever is told of all requests need not be told of each part of them.
            "confirmed": confirmed and (test.key is None or (column, direction) not in whole),
            "sentence": self._sentence(test, figures, reference, seconds // 60 * len(windows)),
            "evidence": evidence_of(self.table, test.rows, test.question, windows, reference, figures, direction),
        }

    def _sentence(self, test: _Test, figures: dict[str, float], reference: Reference, minutes: int) -> str:
        column = test.question.column
        return told(
            column,
            test.question.kind,
            value=figures["value"],
            compared=figures["compared"],
            effect=figures["effect"],
            reference=reference.words,
            minutes=minutes,
            slice_key=test.key,
            slice_value=test.value,
            unit="characters" if test.rows.measured_by(column) == "response_chars" else None,
        )


_EFFECTS = {"ratio": "ratio", "mean": "standard deviations", "share": "difference of shares"}


def _only(chosen: NDArray[np.bool_], of: Difference) -> Difference:
    """The tests of some windows; the others were not made."""
    return replace(of, p_value=np.where(chosen, of.p_value, np.nan), matters=of.matters & chosen)
