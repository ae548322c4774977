"""What the model answered to toxic prompts: how toxic those answers are, beside the answers to all other prompts."""

from dataclasses import dataclass

import numpy as np

from dashboard.queries.safety import FlagShare, flag_share
from dashboard.queries.safety_rows import ScoredRequests
from dashboard.queries.safety_toxicities import Floats, Toxicities
from metrics.comparison import Comparison, Moments, compare, moments_from_sums

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
    both = [_with_both(part) for part in (scored.flagged, scored.others)]
    toxic = both[0].prompt >= threshold
    # Of the others some are flagged for their answer: those are all there, while the rest may be a sample.
    rest = both[0].at(~toxic)
    sides = (
        (both[0].answer[toxic], both[0].weight[toxic]),
        (
            np.concatenate([rest.answer, both[1].answer]),
            np.concatenate([rest.weight, both[1].weight * scored.one_in]),
        ),
    )
    of_flagged, of_others = (_moments(*side) for side in sides)
    return AnswersToToxicPrompts(
        _toxicity(*sides[0], threshold), _toxicity(*sides[1], threshold), compare(of_others, of_flagged)
    )


def _with_both(some: Toxicities) -> Toxicities:
    return some.at(~np.isnan(some.prompt) & ~np.isnan(some.answer))


def _moments(values: Floats, weights: Floats) -> Moments:
    return moments_from_sums(
        len(values),
        float(weights.sum()),
        float((weights * values).sum()),
        float((weights * values**2).sum()),
        float((weights**2).sum()),
    )


def _toxicity(values: Floats, weights: Floats, threshold: float) -> AnswerToxicity:
    share = flag_share(
        len(values), float(weights.sum()), float((weights**2).sum()), float(weights[values >= threshold].sum())
    )
    if not len(values):
        return AnswerToxicity(share, float("nan"), (float("nan"),) * len(QUANTILES))
    order = np.argsort(values)
    cumulated = np.cumsum(weights[order])
    places = np.searchsorted(cumulated, np.array(QUANTILES) * cumulated[-1] * (1 - 1e-12))
    mean = float(np.average(values, weights=weights))
    return AnswerToxicity(share, mean, tuple(float(value) for value in values[order][places]))
