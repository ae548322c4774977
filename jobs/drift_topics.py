"""Do people ask about new things: the prompts of a window and of the two before, against those of earlier days.

Words are read for as few requests as tell it: at most 300 of a window, and 1,250 of the reference.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from jobs.drift_findings import Finding
from jobs.judged_prompts import PROMPTS_OF_REFERENCE, PROMPTS_OF_WINDOW, WindowPrompts, nearest_windows, read_prompts
from jobs.judged_rows import JudgedRows, as_spans, window_start
from metrics.drift_judgement import LARGEST_Q, LARGEST_Q_TOGETHER, LEAST_VALUES, LEAST_WINDOWS, WINDOWS
from metrics.drift_questions import PROMPT_TOPICS
from metrics.drift_reference import HOUR, LEAST_DAYS, REFERENCES, Reference
from metrics.drift_words import told_of_topics
from metrics.text_drift import LEAST_REFERENCE_PROMPTS, Prompts, TopicDrift, TopicJudge, new_terms, share_with
from settings import Settings

if TYPE_CHECKING:
    from deltalake import DeltaTable

Integers = NDArray[np.int64]

WINDOWS_OF_REFERENCE = 6
"""So many windows that follow each other are compared with one reference."""
_PARTS = 4
"""The hours before are taken as so many days, for what is usual between them."""
_EXAMPLES = 5
_TEST = "distance of the mean TF-IDF vectors of prompts (maximum mean discrepancy), requesters' own pairs left out"


def topic_findings(
    settings: Settings,
    table: "DeltaTable",
    granularity: str,
    endpoint: str,
    rows: JudgedRows,
    numbers: Sequence[int],
    in_a_row: Mapping[int, int],
) -> Iterator[Finding]:
    """The findings about prompts in some windows (numbers, rising). rows: of the endpoint, with all they need.

    in_a_row: `windows_in_a_row` of earlier windows, by their number, where a topic was found.
    Raises: UnreadableTable, HistoryGone, SchemaMismatch (of the inference table).
    """
    counts = dict(zip(*np.unique(rows.window, return_counts=True), strict=True))
    most = LEAST_VALUES * 12 if rows.seconds == HOUR else np.inf
    judged = [number for number in numbers if LEAST_VALUES <= counts.get(number, 0) < most]
    known = dict(in_a_row)
    group: list[int] = []
    for number in [*judged, None]:
        if group and (number is None or number - group[0] >= WINDOWS_OF_REFERENCE):
            chosen = _reference(rows, group[0])
            if chosen is not None:
                yield from _Topics(settings, table, granularity, endpoint, rows.seconds, *chosen, known).findings(group)
            group = []
        if number is not None:
            group.append(number)


def _reference(rows: JudgedRows, number: int) -> tuple[Reference, list[Integers]] | None:
    """What a window is compared with, and the windows of each of its days that are read; None for too little."""
    for reference in REFERENCES[rows.seconds]:
        windows = number + reference.distances
        days = list(windows) if reference.days > 1 else np.array_split(windows[0], _PARTS)
        held = [int(np.isin(rows.window, day).sum()) for day in days]
        days = [day for day, count in zip(days, held, strict=True) if count >= LEAST_VALUES]
        if len(days) < LEAST_DAYS or sum(held) < LEAST_REFERENCE_PROMPTS:
            continue
        return reference, [nearest_windows(rows, day, PROMPTS_OF_REFERENCE // len(days)) for day in days]
    return None


@dataclass(frozen=True)
class _Topics:
    """Some windows of an endpoint that have one reference."""

    settings: Settings
    table: "DeltaTable"
    granularity: str
    endpoint: str
    seconds: int
    reference: Reference
    days: list[Integers]
    in_a_row: dict[int, int]
    """In how many windows in a row a topic was seen, up to each that is known; `findings` adds its own."""

    def findings(self, group: list[int]) -> Iterator[Finding]:
        now = sorted({number - back for number in group for back in range(WINDOWS)})
        most = dict.fromkeys(now, PROMPTS_OF_WINDOW)
        for day in self.days:
            most |= {int(one): -(-PROMPTS_OF_REFERENCE // len(self.days) // len(day)) for one in day}
        texts = read_prompts(self.settings, self.table, self.endpoint, most, self.seconds)
        before = self._before(texts)
        of_window = {number: texts.prompts.part(texts.of([number])) for number in now}
        judge = TopicJudge(before, list(of_window.values()))
        single = {number: judge.judge(prompts) for number, prompts in of_window.items()}
        for number in now:
            self.in_a_row[number] = self.in_a_row.get(number - 1, 0) + 1 if _seen(single[number]) else 0
        for number in group:
            found = single[number]
            if found is None or not _seen(found):
                continue
            last = [number - back for back in range(WINDOWS)]
            three = texts.of(last)
            together = judge.judge(texts.prompts.part(three))
            often = sum(_seen(single[one]) for one in last)
            sure = together is not None and together.matters and together.p_value <= LARGEST_Q_TOGETHER
            confirmed = sure and often >= LEAST_WINDOWS
            held = three if confirmed else texts.of([number])
            told = together if confirmed and together is not None else found
            yield self._finding(number, texts, held, before, told, confirmed)

    def _before(self, texts: WindowPrompts) -> Prompts:
        """The prompts of the reference, each with the number of its day."""
        days = np.full(len(texts.ids), -1, dtype=np.int64)
        for place, day in enumerate(self.days):
            days[texts.of(day.tolist())] = place
        return replace(texts.prompts, days=days).part(days >= 0)

    def _finding(
        self,
        number: int,
        texts: WindowPrompts,
        held: NDArray[np.bool_],
        before: Prompts,
        found: TopicDrift,
        confirmed: bool,
    ) -> Finding:
        now = texts.prompts.part(held)
        terms = new_terms(now, before)
        share, compared = (share_with(terms, side) for side in (now, before))
        words = [term.word for term in terms]
        minutes = self.seconds // 60 * (WINDOWS if confirmed else 1)
        counts = [[round(term.share * len(now)), round(term.compared * len(before))] for term in terms]
        return {
            "window_start": window_start(number, self.seconds),
            "window_end": window_start(number + 1, self.seconds),
            "granularity": self.granularity,
            "endpoint_name": self.endpoint,
            "slice_key": None,
            "slice_value": None,
            "column_name": PROMPT_TOPICS,
            "drift_type": self.reference.drift_type,
            "n": len(now),
            "n_compared": len(before),
            "value": share if terms else None,
            "value_compared": compared if terms else None,
            "effect": found.distance - found.usual,
            "effect_name": "squared distance of mean TF-IDF vectors",
            "p_value": found.p_value,
            # Topics are one test a window: the correction for the many of the numbers is not made for it.
            "q_value": None,
            "windows_in_a_row": self.in_a_row[number],
            "confirmed": confirmed,
            "sentence": told_of_topics(words, share, compared, reference=self.reference.words, minutes=minutes),
            "evidence": self._evidence(texts, held, words, counts),
        }

    def _evidence(
        self, texts: WindowPrompts, held: NDArray[np.bool_], words: list[str], counts: list[list[int]]
    ) -> dict[str, Any]:
        compared = np.unique(np.concatenate(self.days))
        return {
            "histogram": {
                "labels": words,
                "now": [now for now, _ in counts],
                "compared": [before for _, before in counts],
            },
            "examples": _examples(texts, held, words),
            "window_cmp": as_spans(compared, self.seconds),
            "test": _TEST,
            "reference": self.reference.words,
            "terms": [[word, *both] for word, both in zip(words, counts, strict=True)],
        }


def _seen(found: TopicDrift | None) -> bool:
    return found is not None and found.matters and found.p_value <= LARGEST_Q


def _examples(texts: WindowPrompts, held: NDArray[np.bool_], words: list[str]) -> list[str]:
    """Ids of prompts with most of the new words, each of another requester as far as one knows."""
    places = [int(place) for place in np.flatnonzero(held) if not texts.prompts.words[place].isdisjoint(words)]
    places.sort(key=lambda place: -len(texts.prompts.words[place].intersection(words)))
    found: dict[int, str] = {}
    for place in places:
        owner = int(texts.prompts.requesters[place])
        found.setdefault(owner if owner >= 0 else -1 - place, texts.ids[place])
    return list(found.values())[:_EXAMPLES]
