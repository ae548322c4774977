"""The Quality page: what can be compared, what it says in words, and bars where a pie cannot be."""

from collections.abc import Callable

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from dashboard.panels.quality_words import certainty, paired_verdict, verdict
from dashboard.periods import period
from dashboard.queries.quality import score_of
from dashboard.queries.quality_comparison import findings
from dashboard.queries.quality_pairs import PairedFinding
from dashboard.wording import number
from metrics.paired import PairedComparison
from settings import Settings
from tests.dashboard import workspace
from tests.dashboard.conftest import Month
from tests.dashboard.test_pages import texts
from tests.dashboard.test_quality import both

Opener = Callable[..., AppTest]


def pies(app: AppTest) -> list[str]:
    """What the three pies say to those who do not see them."""
    found = [str(element.proto.alt) for element in app.get("plotly_chart")]
    return [alt for alt in found if "average:" in alt or "median:" in alt]


def test_the_default_is_the_old_version_against_the_latest(month: Month, page: Opener) -> None:
    app = page("quality")
    assert not app.exception
    assert not app.error
    rows = month.rows.groupby("entity_version")
    assert pies(app) == [
        f"Perplexity, average: v1 {rows['response_perplexity'].mean()['1']:.1f}, "
        f"v2 {rows['response_perplexity'].mean()['2']:.1f}",
        f"Flesch-Kincaid grade, average: v1 {rows['response_fk_grade'].mean()['1']:.2f}, "
        f"v2 {rows['response_fk_grade'].mean()['2']:.2f}",
        f"Toxicity, average: v1 {rows['response_toxicity'].mean()['1']:.4f}, "
        f"v2 {rows['response_toxicity'].mean()['2']:.4f}",
    ]
    easier = rows["response_fk_grade"].mean()["1"] - rows["response_fk_grade"].mean()["2"]
    said = texts(app)
    assert "Requests are scored up to" in said
    assert f"**v2 reads {easier:.1f} grades easier**; very likely real." in said
    assert "corrected for 7 scores (Holm)" in said
    assert "prompts answered by both.**" not in said


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ("What differs", "differences are real**"),
        ("Same prompts", "prompts answered by both.**"),
        ("Spread", "From the buckets of the rollups; upright lines are medians"),
        ("Every minute", "Averages of each minute, last 30 days."),
        ("Nonsense", "differences are real**"),
    ],
)
def test_a_link_opens_a_part_and_only_that_is_drawn(month: Month, page: Opener, part: str, said: str) -> None:
    app = page("quality", part=part)
    assert not app.exception
    assert not app.error
    parts = ("differences are real**", "prompts answered by both.**", "upright lines are", "Averages of each minute")
    assert [one for one in parts if one in texts(app)] == [one for one in parts if one in said]
    assert len(pies(app)) == 3


def test_pies_can_show_medians(month: Month, page: Opener) -> None:
    app = page("quality", pies="Medians")
    medians = month.rows.groupby("entity_version")["response_perplexity"].median()
    assert pies(app)[0] == f"Perplexity, median: v1 {medians['1']:.1f}, v2 {medians['2']:.1f}"


@pytest.mark.parametrize(("shown", "word"), [("Averages", "an average"), ("Medians", "a median")])
def test_values_of_zero_or_below_are_bars_and_a_sentence(
    month: Month, empty: Settings, page: Opener, shown: str, word: str
) -> None:
    grades = month.rows["response_fk_grade"].where(month.rows["entity_version"] == "1", -1.5)
    rows = month.rows.assign(response_fk_grade=grades)
    for table, minutes in (("metrics_15min", 15), ("metrics_minute", 1)):
        workspace.write_rows(empty, table, workspace.partials(rows, minutes))
    workspace.write_requests(empty, rows)
    app = page("quality", pies=shown)
    assert not app.error
    assert f"Drawn as bars: {word} of zero or below has no share of a circle." in texts(app)
    assert texts(app).count("Drawn as bars") == 1
    kinds = [str(element.proto.spec) for element in app.get("plotly_chart")]
    assert sum('"type":"bar"' in spec for spec in kinds) == 1
    assert sum('"type":"pie"' in spec for spec in kinds) == 2


def test_two_times_of_one_version(month: Month, page: Opener) -> None:
    app = page("quality", compare="Two times", range="7 days")
    assert not app.error
    said = texts(app)
    assert "**v2 earlier**: version 2, " in said
    assert "**v2 later**: version 2, " in said
    start = period("7d", month.now).start
    rows = month.rows[month.rows["entity_version"] == "2"].set_index("request_time")["response_fk_grade"]
    before = rows[(rows.index >= start - pd.Timedelta(days=7)) & (rows.index < start)].mean()
    later = rows[rows.index >= start].mean()
    assert f"Flesch-Kincaid grade, average: v2 earlier {before:.2f}, v2 later {later:.2f}" in pies(app)


def test_a_requesters_slice_says_what_cannot_be_sliced(month: Month, page: Opener) -> None:
    app = page("quality", compare="Any two sides", a_requester="ana@example.com", a="prod.chatbot v2")
    assert not app.error
    said = texts(app)
    assert said.count("not summed by requester, so it cannot be sliced so") == 2
    assert "requests of ana" in said
    assert "corrected for 3 scores (Holm)" in said


def test_sides_that_are_equal_are_not_compared(month: Month, page: Opener) -> None:
    assert "Choose two different sides" in texts(page("quality", compare="Any two sides", a="prod.chatbot v2"))
    assert "Choose two different versions" in texts(page("quality", a="prod.chatbot v2"))


def test_the_chosen_month_shows_every_minute_of_a_score(month: Month, page: Opener) -> None:
    app = page("quality", range="Month", measure="Perplexity", part="Every minute")
    assert not app.error
    alts = [str(element.proto.alt) for element in app.get("plotly_chart")]
    rows = month.rows.dropna(subset=["response_perplexity"])
    this_month = rows[rows["request_time"] >= pd.Timestamp(month.now).normalize().replace(day=1)]
    minutes = this_month.groupby([this_month["request_time"].dt.floor("min"), "entity_version"]).ngroups
    assert any(alt.startswith("Perplexity of the answers, minute by minute") for alt in alts) == (minutes > 0)
    if minutes:
        assert f"Perplexity of the answers, minute by minute: {number(minutes)} minutes" in alts


def test_words_tell_the_direction_and_how_sure(month: Month) -> None:
    found = {one.score.metric: one for one in findings("chatbot", *both(period("30d", month.now)))}
    perplexity = found["response_perplexity"]
    assert perplexity.ratio is not None
    higher = f"{(perplexity.ratio.ratio - 1) * 100:.0f}\u00a0%"
    assert f"v2 reads less fluent: perplexity {higher} higher" in verdict(perplexity, "v2")
    assert "points easier**; very likely real" in verdict(found["response_reading_ease"], "v2")
    assert "faster**; very likely real" in verdict(found["execution_duration_ms"], "v2")
    assert verdict(found["response_toxicity"], "v2").startswith("**No clear difference**")
    assert [certainty(value) for value in (0.002, 0.03)] == ["very likely real", "likely real"]


def test_a_real_difference_that_is_tiny_is_called_so() -> None:
    score = score_of("response_fk_grade")
    tiny = PairedComparison(90_000, 8.0, 8.03, 0.03, 0.01, 0.05, 1e-9, 0.01)
    said = paired_verdict(PairedFinding(score, "s", "means", tiny, 1e-9), "v*2*")
    assert said == "**v\\*2\\* reads 0.03 grades harder**; very likely real, but very small."
    against = PairedComparison(900, 8.0, 8.0, 0.0, 0.0, 0.0, 1e-9, -0.4)
    assert "mostly reads easier" in paired_verdict(PairedFinding(score, "s", "ranks", against, 1e-9), "v2")
