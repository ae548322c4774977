"""What a comparison found, in plain words: which way, by how much, and whether it is more than chance."""

from dashboard.queries.quality import Score
from dashboard.queries.quality_comparison import Finding, Way
from dashboard.queries.quality_pairs import PairedFinding
from dashboard.wording import NOTHING, number, p_value, percent, plain, signed

REAL_BELOW, SURE_BELOW = 0.05, 0.01
"""Corrected p-values below which a difference is called real, and very likely so."""
_SMALL_D = ((0.2, "very small"), (0.5, "small"), (0.8, "medium"))
_SMALL_RANKS = ((0.147, "very small"), (0.33, "small"), (0.474, "medium"))
"""Cohen (1988); Romano et al. (2006) for Cliff's delta."""

_WORDS = {
    "response_perplexity": ("reads more fluent: perplexity {} lower", "reads less fluent: perplexity {} higher"),
    "response_fk_grade": ("reads {} grades easier", "reads {} grades harder"),
    "response_reading_ease": ("reads {} points harder", "reads {} points easier"),
    "response_ari": ("reads {} grades easier by ARI", "reads {} grades harder by ARI"),
    "response_toxicity": ("is less toxic by {}", "is more toxic by {}"),
    "completion_tokens": ("answers {} tokens shorter", "answers {} tokens longer"),
    "execution_duration_ms": ("answers {} ms faster", "answers {} ms slower"),
    "cost_usd": ("costs {} US$ less per answer", "costs {} US$ more per answer"),
}
"""What a lower and a higher value of a score mean, with a place for the difference."""
_MOSTLY = {
    "response_toxicity": ("is mostly less toxic", "is mostly more toxic"),
    "completion_tokens": ("mostly answers shorter", "mostly answers longer"),
    "execution_duration_ms": ("is mostly faster", "is mostly slower"),
    "cost_usd": ("mostly costs less", "mostly costs more"),
    "response_perplexity": ("mostly reads more fluent", "mostly reads less fluent"),
    "response_fk_grade": ("mostly reads easier", "mostly reads harder"),
    "response_reading_ease": ("mostly reads harder", "mostly reads easier"),
    "response_ari": ("mostly reads easier by ARI", "mostly reads harder by ARI"),
}
"""The same of ranks, where the medians do not tell."""


def verdict(found: Finding, label: str) -> str:
    """What the test that fits says about side b, whose name is `label`: one sentence in Markdown."""
    corrected = found.corrected
    if corrected is None:
        return "Too few values to tell a difference from chance."
    if corrected >= REAL_BELOW:
        return f"**No clear difference**: {difference(found)}."
    effect = effect_word(found.effect, ranks=found.way == "ranks")
    return f"**{plain(label)} {_what(found)}**; {certainty(corrected)}{_though(effect)}."


def paired_verdict(one: PairedFinding, label: str) -> str:
    """The same of the prompts that both sides answered."""
    found = one.paired
    if found is None or one.corrected is None:
        return "Too few pairs to tell."
    if one.corrected >= REAL_BELOW:
        return "**No clear difference**."
    change = found.difference - (1 if one.way == "ratio" else 0)
    direction = (found.effect_size or 0) if one.way == "ranks" else change
    effect = effect_word(found.effect_size, ranks=one.way == "ranks")
    said = _said(one.score, one.way, change, higher=direction > 0)
    return f"**{plain(label)} {said}**; {certainty(one.corrected)}{_though(effect)}."


def is_real(corrected: float | None) -> bool:
    """Whether a difference with this corrected p-value is more than chance."""
    return corrected is not None and corrected < REAL_BELOW


def certainty(corrected: float) -> str:
    """How sure a difference with this corrected p-value is."""
    return "very likely real" if corrected < SURE_BELOW else "likely real"


def difference(found: Finding) -> str:
    """The difference with its interval, as a table has it."""
    value, low, high = found.interval
    return interval_text(value, low, high, found.score.decimals, ratio=found.ratio is not None)


def interval_text(
    value: float | None, low: float | None, high: float | None, decimals: int, *, ratio: bool = False
) -> str:
    """A difference, or a ratio as a change in per cent, with its 95 % interval."""

    def said(one: float | None) -> str:
        if ratio:
            return NOTHING if one is None else f"{signed((one - 1) * 100, 1)}\u00a0%"
        return signed(one, decimals)

    if low is None or high is None:
        return f"{said(value)} (no interval)"
    return f"{said(value)} ({said(low)} to {said(high)})"


def effect_word(effect: float | None, *, ranks: bool = False) -> str:
    """How large an effect is; empty where it has no meaning."""
    if effect is None or effect != effect:
        return ""
    return next((word for limit, word in (_SMALL_RANKS if ranks else _SMALL_D) if abs(effect) < limit), "large")


def effect_text(effect: float | None, *, ranks: bool = False) -> str:
    """An effect with its size in a word."""
    word = effect_word(effect, ranks=ranks)
    return f"{signed(effect, 2)}, {word}" if word else NOTHING


def evidence(found: Finding, labels: tuple[str, str], scores: int) -> str:
    """On what a verdict rests: the test, its p-value, the effect and the scorer."""
    ranks = found.way == "ranks"
    name = "rank-biserial correlation" if ranks else "Cohen's d" + (" of the logarithms" if found.ratio else "")
    parts = [
        f"{plain(labels[1])} beside {plain(labels[0])}: {_compared_by(found)}, "
        f"{plain(found.test)}, {p_value(found.p_value)}, "
        f"corrected for {scores} scores (Holm) {p_value(found.corrected)}",
        f"{name} {effect_text(found.effect, ranks=ranks)}",
    ]
    scorer = found.compared.scorer
    said = "; ".join(parts) + "." + (f" Scored by {plain(scorer)}." if scorer else "")
    others = found.compared.others
    return said + (f" Left out, never mixed in: {plain(', '.join(others))}." if others else "")


def medians_source(exact: bool) -> str:
    """Where the medians come from."""
    return "single values" if exact else "the buckets of the rollups, within 2 %"


def _compared_by(found: Finding) -> str:
    if found.ratio is not None:
        means = (
            f"{number(found.ratio.mean_a, found.score.decimals)} and {number(found.ratio.mean_b, found.score.decimals)}"
        )
        return f"ratio of geometric means ({means})"
    if found.way == "means":
        return "averages"
    return f"ranks, and medians with a bootstrap interval from {medians_source(found.exact)}"


def _what(found: Finding) -> str:
    """Which way and how much, by the test that fits."""
    value = found.interval[0] or 0.0
    return _said(found.score, found.way, value - (1 if found.way == "ratio" else 0), higher=found.direction > 0)


def _said(score: Score, way: Way, change: float, *, higher: bool) -> str:
    if change == 0 or (change > 0) != higher:
        return _MOSTLY[score.metric][higher]
    return _WORDS[score.metric][higher].format(_amount(abs(change), score.decimals, way == "ratio"))


def _amount(value: float, decimals: int, ratio: bool) -> str:
    if ratio:
        return percent(value, 0 if value >= 0.1 else 1)
    text = number(value, min(decimals, 1) if value >= 1 else decimals)
    return text if float(f"{value:.{decimals}f}") else f"less than {number(10**-decimals, decimals)}"


def _though(effect: str) -> str:
    return ", but very small" if effect == "very small" else ""
