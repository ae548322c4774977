"""What the model answered to toxic prompts: how toxic those answers are, beside the answers to all other prompts."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dashboard.queries.safety import FlagShare, flag_share
from dashboard.queries.safety_rows import ScoredRequests
from metrics.comparison import Comparison, compare, moments_from_sums

if TYPE_CHECKING:
    import pandas as pd

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True)
class AnswerToxicity:
    """The toxicity (0 to 1) of some answers. `quantiles` are those of `QUANTILES`, NaN where there is no answer."""

    flagged: FlagShare
    mean: float
    quantiles: tuple[float, ...]


@dataclass(frozen=True)
class AnswersToToxicPrompts:
    """The answers to flagged prompts beside those to all others; `comparison` is of their averages, others first."""

    to_flagged: AnswerToxicity
    to_others: AnswerToxicity
    comparison: Comparison


def answers_to_toxic_prompts(scored: ScoredRequests, threshold: float) -> AnswersToToxicPrompts:
    """Compare the answers to prompts at or above the threshold with those to prompts below it.

    Requests without a toxicity of both texts are left out. The random sample of the others stands for all of them.
    """
    import pandas as pd

    both = [
        part[["prompt_toxicity", "response_toxicity", "weight"]].dropna() for part in (scored.flagged, scored.others)
    ]
    toxic = both[0]["prompt_toxicity"] >= threshold
    # Of the others some are flagged for their answer: those are all there, while the rest may be a sample.
    rest = pd.concat([both[0][~toxic], both[1].assign(weight=both[1]["weight"] * scored.one_in)])
    sides = [_moments(both[0][toxic]), _moments(rest)]
    return AnswersToToxicPrompts(
        _toxicity(both[0][toxic], threshold), _toxicity(rest, threshold), compare(sides[1], sides[0])
    )


def _moments(rows: "pd.DataFrame") -> Any:
    values, weights = rows["response_toxicity"].to_numpy(float), rows["weight"].to_numpy(float)
    return moments_from_sums(
        len(rows),
        float(weights.sum()),
        float((weights * values).sum()),
        float((weights * values**2).sum()),
        float((weights**2).sum()),
    )


def _toxicity(rows: "pd.DataFrame", threshold: float) -> AnswerToxicity:
    values, weights = rows["response_toxicity"].to_numpy(float), rows["weight"].to_numpy(float)
    share = flag_share(
        len(rows), float(weights.sum()), float((weights**2).sum()), float(weights[values >= threshold].sum())
    )
    if not len(rows):
        return AnswerToxicity(share, float("nan"), (float("nan"),) * len(QUANTILES))
    order = np.argsort(values)
    cumulated = np.cumsum(weights[order])
    places = np.searchsorted(cumulated, np.array(QUANTILES) * cumulated[-1] * (1 - 1e-12))
    mean = float(np.average(values, weights=weights))
    return AnswerToxicity(share, mean, tuple(float(value) for value in values[order][places]))
