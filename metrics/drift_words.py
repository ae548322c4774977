"""What moved, in a sentence for people: which column, from what to what, how sure, since when."""

import math
from dataclasses import dataclass

from metrics.drift_questions import (
    ANSWER_LENGTH,
    ANSWERS_FLAGGED,
    ERRORS,
    LATENCY,
    PROMPT_TOPICS,
    PROMPTS_FLAGGED,
)


@dataclass(frozen=True)
class Words:
    """How a column is spoken of. rises, falls: what is said of it when it does; unit: behind its typical value."""

    title: str
    rises: str
    falls: str
    unit: str = ""


WORDS = {
    ANSWER_LENGTH: Words("Answer length", "Answers are longer", "Answers are shorter", "tokens"),
    LATENCY: Words("Latency", "Answers take longer", "Answers come faster", "ms"),
    ANSWERS_FLAGGED: Words("Flagged answers", "More answers are flagged", "Fewer answers are flagged"),
    PROMPTS_FLAGGED: Words("Flagged prompts", "More prompts are flagged", "Fewer prompts are flagged"),
    ERRORS: Words("Errors", "More requests fail", "Fewer requests fail"),
    "response_perplexity": Words(
        "Perplexity of answers", "The perplexity of answers rose", "The perplexity of answers fell"
    ),
    "response_fk_grade": Words("Reading grade of answers", "Answers are harder to read", "Answers are easier to read"),
    "prompt_chars": Words("Prompt length", "Prompts are longer", "Prompts are shorter", "characters"),
    PROMPT_TOPICS: Words("Prompt topics", "People ask about something new", "People ask about other things"),
}
_SLICES = {"entity_version": "In version {}: ", "requester": "Of the requesters of {}: "}


def told(
    column: str,
    kind: str,
    *,
    value: float,
    compared: float,
    effect: float,
    reference: str,
    minutes: int,
    slice_key: str | None = None,
    slice_value: str | None = None,
    unit: str | None = None,
) -> str:
    """The sentence of a finding. value, compared: in the column's unit; shares from 0 to 1. minutes: of the windows.
    unit: where it is not the usual one of the column.
    """
    words = WORDS[column]
    what = words.rises if value > compared else words.falls
    if kind == "ratio":
        change = f"{abs(effect - 1):.0%}".replace("%", " %")
        unit = f" {unit or words.unit}" if unit or words.unit else ""
        detail = f"by {change}: typically {number(value)}{unit}, usually {number(compared)}{unit}"
    elif kind == "share":
        detail = f"{percent(value)} of them, usually {percent(compared)}"
    else:
        detail = f"{number(value)} on average, usually {number(compared)}"
    between = " " if kind == "ratio" else ": "
    where = _SLICES[slice_key].format(slice_value) if slice_key in _SLICES else ""
    return f"{where}{what}{between}{detail} ({span(minutes)}, compared with {reference})."


def told_of_topics(terms: list[str], share: float, compared: float, *, reference: str, minutes: int) -> str:
    """The sentence of new topics. terms: words that may be shown; shares: of prompts that hold one of them, 0 to 1."""
    words = WORDS[PROMPT_TOPICS]
    if not terms:
        return f"{words.falls} ({span(minutes)}, compared with {reference})."
    listed = ", ".join(terms[:5])
    detail = f"{percent(share)} of prompts hold words like {listed}; usually {percent(compared)} do"
    return f"{words.rises}: {detail} ({span(minutes)}, compared with {reference})."


def span(minutes: int) -> str:
    """How long a time is said: `the last 15 minutes`, `the last 3 hours`."""
    if minutes % 60 == 0:
        return f"the last {minutes // 60} hours" if minutes > 60 else "the last hour"
    return f"the last {minutes} minutes"


def percent(share: float) -> str:
    """A share with as many places as it needs: 0.4 %, 15 %."""
    return f"{share * 100:.1f} %" if share < 0.1 else f"{share * 100:.0f} %"


def number(value: float) -> str:
    """A number with three significant places, thousands apart."""
    if not math.isfinite(value) or value == 0:
        return "0"
    places = max(2 - math.floor(math.log10(abs(value))), 0)
    return f"{value:,.{places}f}"
