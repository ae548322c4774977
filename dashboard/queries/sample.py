"""Whether a figure rests on a random sample of the answers, and on how many of them."""

from dataclasses import dataclass

REQUESTS = "databricks_request_id"
"""The metric of the rollups that counts requests."""
ANSWERS = "response_chars"
"""The metric of the rollups that every request with an answer has."""


@dataclass(frozen=True)
class Sample:
    """A score was given to `scored` answers of `answers`, drawn at random; averages weight them accordingly."""

    scored: int
    answers: int


def sample_of(scored: int, weight: float, answers: int) -> Sample | None:
    """The sample that `scored` values are whose weights have this sum; None where each counts for itself alone."""
    return Sample(scored, max(answers, scored)) if weight > scored * (1 + 1e-9) else None
