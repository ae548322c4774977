"""Two real versions that answered the same prompts: which differences are real, and the pairs behind them."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from streamlit.testing.v1 import AppTest

from dashboard.panels.quality_words import is_real, paired_verdict, verdict
from dashboard.periods import period
from dashboard.queries.quality_comparison import findings
from dashboard.queries.quality_pairs import pairs
from settings import get_settings
from tests.dashboard import chat_pairs, workspace
from tests.dashboard.conftest import Month, use
from tests.dashboard.test_pages import texts
from tests.dashboard.test_quality import both, values

READABLE = ("response_fk_grade", "response_reading_ease", "response_ari")
PAIRED = (*READABLE, "response_toxicity", "completion_tokens")


@pytest.fixture(scope="module")
def answered(tmp_path_factory: pytest.TempPathFactory, chat_corpus: Path) -> tuple[Path, pd.DataFrame]:
    """The first 100 prompts as both versions of GPT-3.5 answered them."""
    home = tmp_path_factory.mktemp("gpt")
    return home, chat_pairs.build(home, chat_corpus, 100)


@pytest.fixture
def gpt(answered: tuple[Path, pd.DataFrame], monkeypatch: pytest.MonkeyPatch) -> Iterator[pd.DataFrame]:
    home, rows = answered
    use(monkeypatch, home)
    yield rows
    get_settings.cache_clear()


def holm(p_values: list[float]) -> list[float]:
    """Holm's correction, written out."""
    order = np.argsort(p_values)
    steps = [p_values[place] * (len(p_values) - rank) for rank, place in enumerate(order)]
    corrected = np.minimum(np.maximum.accumulate(steps), 1)
    return [float(corrected[list(order).index(place)]) for place in range(len(p_values))]


def peer_of(both: pd.DataFrame, way: str) -> tuple[float, float]:
    """The difference of the pairs and its p-value, by pandas and scipy."""
    difference = both["2"] - both["1"]
    if way == "ranks":
        return float(difference.median()), float(stats.wilcoxon(difference, correction=False, method="approx").pvalue)
    return float(difference.mean()), float(stats.ttest_rel(both["2"], both["1"]).pvalue)


def test_paired_differences_equal_scipys_over_the_raw_rows(gpt: pd.DataFrame) -> None:
    sides = both(period("30d"))
    found = pairs("chatbot", *sides, findings("chatbot", *sides))
    assert (found.rows, found.prompts, found.matched) == ((100, 100), (100, 100), 100)
    known = {one.score.metric: one for one in found.findings if one.paired is not None}
    assert set(known) == set(PAIRED)
    expected = {metric: chat_pairs.pairs_of(gpt, metric) for metric in known}
    tests = {metric: peer_of(expected[metric], one.way) for metric, one in known.items()}
    corrected = dict(zip(known, holm([p_value for _, p_value in tests.values()]), strict=True))
    assert {one.way for one in known.values()} == {"means", "ranks"}
    for metric, one in known.items():
        assert one.paired is not None
        assert one.paired.n == len(expected[metric])
        assert (one.paired.difference, one.paired.p_value) == pytest.approx(tests[metric], rel=1e-6)
        assert one.corrected == pytest.approx(corrected[metric], rel=1e-6)
        assert one.paired.low is not None
        assert one.paired.high is not None
        assert one.paired.low <= one.paired.difference <= one.paired.high


def test_the_page_says_which_differences_between_the_two_are_real(
    gpt: pd.DataFrame, page: Callable[..., AppTest]
) -> None:
    expected = {metric: chat_pairs.pairs_of(gpt, metric) for metric in PAIRED}
    # Grades and reading ease of these answers are about symmetric; toxicity and length have a long tail.
    ways = {metric: "means" if metric in READABLE else "ranks" for metric in PAIRED}
    p_values = holm([peer_of(expected[metric], ways[metric])[1] for metric in PAIRED])
    real = {metric for metric, p_value in zip(PAIRED, p_values, strict=True) if p_value < 0.05}
    assert real == set(PAIRED)
    app = page("quality", part="Same prompts")
    said = texts(app)
    assert "**100 prompts answered by both.** Real over the same prompts: " in said
    assert "None of the differences is clear" not in said
    assert "all 100 requests, 100 distinct prompts" in said
    longer = float((expected["completion_tokens"]["2"] - expected["completion_tokens"]["1"]).median())
    # The newer version writes longer answers that are harder to read and a little less rude.
    said = [str(element.value) for element in app.markdown if str(element.value).startswith("- ")][-1]
    for sentence in (
        "**v2 reads 0.93 grades harder**",
        "**v2 reads 6.8 points harder**",
        "**v2 is less toxic by 0.0019**",
        f"**v2 answers {longer:.0f} tokens longer**",
    ):
        assert f"{sentence}; very likely real" in said
    assert "No clear difference" not in said


def test_the_unpaired_verdicts_follow_from_the_raw_rows(gpt: pd.DataFrame) -> None:
    sides = both(period("30d"))
    found = {one.score.metric: one for one in findings("chatbot", *sides) if all(one.n)}
    p_values = []
    for metric in found:
        a, b = (values(gpt, side, metric) for side in sides)
        if found[metric].way == "means":
            p_values.append(float(stats.ttest_ind(b, a, equal_var=False).pvalue))
        else:
            p_values.append(float(stats.mannwhitneyu(b, a, use_continuity=False, method="asymptotic").pvalue))
    corrected = holm(p_values)
    assert [is_real(one.corrected) for one in found.values()] == [value < 0.05 for value in corrected]
    assert [one.corrected for one in found.values()] == pytest.approx(corrected, rel=0.2)
    for one, value in zip(found.values(), corrected, strict=True):
        assert ("No clear difference" in verdict(one, "v2")) == (value >= 0.05)


def test_answers_to_one_prompt_count_as_their_average(month: Month) -> None:
    """The made-up month asks the same few prompts again and again: a pair is a prompt, not a request."""
    span = period("30d", month.now)
    sides = both(span)
    found = pairs("chatbot", *sides, findings("chatbot", *sides))
    inference = workspace.QUESTIONS
    rows = month.rows.reset_index(drop=True)
    asked = [
        inference[2 if toxic else (0, 1, 3, 4)[number % 4]].format(n=number % 60)
        for number, toxic in enumerate(rows["prompt_toxicity"] >= 0.5)
    ]
    rows = rows.assign(prompt=asked)
    assert found.matched == len(set.intersection(*(set(part["prompt"]) for _, part in rows.groupby("entity_version"))))
    for one in found.findings:
        assert one.paired is not None
        scored = rows.dropna(subset=[one.score.metric])
        if one.way == "ratio":
            scored = scored.assign(**{one.score.metric: np.log(scored[one.score.metric])})
        expected = chat_pairs.pairs_of(scored, one.score.metric)
        difference, p_value = peer_of(expected, one.way)
        assert one.paired.n == len(expected)
        assert one.paired.difference == pytest.approx(np.exp(difference) if one.way == "ratio" else difference)
        assert one.paired.p_value == pytest.approx(p_value, rel=1e-5, abs=1e-300)


def test_sides_without_a_common_prompt_have_no_pairs(month: Month) -> None:
    side = both(period("30d", month.now))[1]
    sides = replace(side, status="2xx"), replace(side, entity_version="9")
    found = pairs("chatbot", *sides, findings("chatbot", *sides))
    assert found.matched == 0
    assert all(one.paired is None and "Too few pairs" in paired_verdict(one, "v9") for one in found.findings)


def test_what_was_said_before_a_prompt_is_part_of_it() -> None:
    from dashboard.queries.quality_pairs import _prompt_key

    def body(*turns: tuple[str, str]) -> str:
        return json.dumps({"messages": [{"role": role, "content": text} for role, text in turns]})

    alone = _prompt_key(body(("user", "And then?")))
    assert alone == _prompt_key(body(("system", "Be brief."), ("user", "And then?")))
    after = _prompt_key(body(("user", "Tell me a story."), ("assistant", "Once."), ("user", "And then?")))
    assert after not in (None, alone)
    assert _prompt_key("no JSON at all {") is None
    assert _prompt_key(None) is None


def test_the_two_times_before_and_now_are_pairs_too(gpt: pd.DataFrame) -> None:
    side = both(period("30d"))[1]
    middle = pd.Timestamp(gpt[gpt["entity_version"] == "2"]["request_time"].median()).floor("min").to_pydatetime()
    later = replace(side.period, start=middle, end=middle + timedelta(minutes=15), bin_seconds=60)
    sides = (
        replace(side, period=replace(later, start=middle - timedelta(minutes=15), end=middle)),
        replace(side, period=later),
    )
    found = pairs("chatbot", *sides, findings("chatbot", *sides))
    assert found.matched == 0
    assert sum(found.rows) == 100
