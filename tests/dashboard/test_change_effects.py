"""Before and after a change: every figure against plain pandas over the single rows, and the panel that shows it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from dashboard.chart_markers import time_layers
from dashboard.panels import change_effects as effects_panels
from dashboard.panels import marked as marked_panels
from dashboard.periods import Period
from dashboard.queries import changes
from dashboard.queries.change_effects import effects, endpoint_of, has_effects
from dashboard.queries.figure_windows import window_sums
from dashboard.queries.window_figures import FIGURES, FigureMoved, compared
from lakehouse.ledger import Change
from lakehouse.ledger import changes as all_changes
from metrics.before_after import Moved
from settings import Settings
from tests.dashboard import workspace
from tests.dashboard.conftest import Month

Opener = Callable[..., AppTest]


def deploy(month: Month) -> Change:
    """The change that brought version 2, fifteen days ago."""
    return next(
        found for found in all_changes(month.settings) if found.action == "deploy" and "chatbot-2" in found.after
    )


def between(month: Month, start: datetime, end: datetime) -> pd.DataFrame:
    times = month.rows["request_time"]
    return month.rows[(times >= start) & (times < end)]


def expected(rows: pd.DataFrame, hours: float) -> dict[str, tuple[int, float]]:
    """n and value of each figure, from single rows."""
    flags = {name: rows[name].dropna() for name in ("response_toxicity", "prompt_toxicity")}
    return {
        "requests": (len(rows), len(rows) / hours),
        "errors": (len(rows), 100 * float((rows["status_code"] >= 400).mean())),
        "latency": (len(rows), float(np.quantile(rows["execution_duration_ms"], 0.95, method="inverted_cdf"))),
        "perplexity": (
            int(rows["response_perplexity"].count()),
            float(rows["response_perplexity"].dropna().quantile(0.5, interpolation="lower")),
        ),
        "grade": (int(rows["response_fk_grade"].count()), float(rows["response_fk_grade"].mean())),
        "flags": (len(flags["response_toxicity"]), 100 * float((flags["response_toxicity"] >= 0.5).mean())),
        "prompt_flags": (len(flags["prompt_toxicity"]), 100 * float((flags["prompt_toxicity"] >= 0.5).mean())),
        "tokens": (int(rows["completion_tokens"].count()), float(rows["completion_tokens"].mean())),
        "cost": (int(rows["cost_usd"].count()), 1000 * float(rows["cost_usd"].mean())),
    }


@pytest.mark.parametrize("seconds", [21_600, 86_400])
def test_every_figure_is_that_of_the_single_rows(month: Month, seconds: int) -> None:
    found = effects(deploy(month), seconds)
    assert found.over
    assert (found.before_end - found.before_start).total_seconds() == seconds
    assert (found.after_end - found.after_start).total_seconds() == seconds
    assert found.before_end <= deploy(month).started_at < found.after_start
    sides = (
        expected(between(month, found.before_start, found.before_end), seconds / 3600),
        expected(between(month, found.after_start, found.after_end), seconds / 3600),
    )
    for one in found.figures:
        key = one.figure.key
        assert (one.moved.n_before, one.moved.n_after) == (sides[0][key][0], sides[1][key][0]), key
        assert one.moved.before == pytest.approx(sides[0][key][1], rel=0.011), key
        assert one.moved.after == pytest.approx(sides[1][key][1], rel=0.011), key
        assert one.moved.difference == pytest.approx(one.moved.after - one.moved.before), key


def test_what_really_differs_is_called_by_its_direction(month: Month) -> None:
    begun = deploy(month).started_at.replace(minute=0, second=0, microsecond=0)
    sides = [(begun - timedelta(days=5), begun), (begun + timedelta(hours=1), begun + timedelta(days=5))]
    before, after = (window_sums("chatbot", *side) for side in sides)
    found = {one.figure.key: one for one in compared(before, after)}
    assert found["grade"].verdict == "better"
    assert found["latency"].verdict == "better"
    assert found["grade"].scorer.startswith("flesch_kincaid")
    assert {one.figure.key for one in found.values()} == {figure.key for figure in FIGURES}


def test_other_changes_in_the_same_time_are_counted(month: Month) -> None:
    assert effects(deploy(month), 3600).others == 1
    assert effects(deploy(month), 300).others == 0


def test_time_that_is_not_over_is_said_and_only_what_is_scored_counts(month: Month) -> None:
    begun = month.now - timedelta(minutes=20)
    recent = Change("id", "split", "chatbot", "ana", "admin", "", "", "", {}, begun, "succeeded", 1.0)
    found = effects(recent, 3600)
    assert not found.over
    assert found.after_start < found.after_end <= month.now
    requests = found.figures[0].moved
    rows = between(month, found.after_start, found.after_end)
    assert requests.n_after == len(rows)


def test_a_change_of_this_minute_has_nothing_after_it(month: Month) -> None:
    begun = datetime.now(UTC)
    found = effects(Change("id", "split", "chatbot", "", "", "", "", "", {}, begun, None, None), 900)
    assert found.after_start == found.after_end
    assert {one.verdict for one in found.figures[2:]} == {"nothing to compare"}


def test_only_what_answers_has_a_before_and_after(month: Month) -> None:
    begun = month.now
    sign_in = Change("id", "sign_in", "dashboard", "", "", "", "", "", {}, begun, None, None)
    assert not has_effects(sign_in)
    assert has_effects(deploy(month))
    assert endpoint_of(sign_in) == "chatbot"


def test_scorers_are_never_mixed(empty: Settings, month: Month) -> None:
    rows = month.rows.tail(400).assign(status_code=200)
    start = rows["request_time"].min().floor("15min").to_pydatetime()
    end = rows["request_time"].max().ceil("15min").to_pydatetime()
    middle = rows["request_time"].iloc[200].floor("15min").to_pydatetime()
    other = rows.assign(perplexity_scorer="another/1", response_perplexity=rows["response_perplexity"] * 100)
    for part in (rows, other[other["request_time"] >= middle]):
        workspace.write_rows(empty, "metrics_15min", workspace.partials(part, 15))
    found = compared(window_sums("chatbot", start, middle), window_sums("chatbot", middle, end))
    perplexity = next(one for one in found if one.figure.key == "perplexity")
    assert perplexity.scorer == workspace.SCORERS["perplexity_scorer"]
    assert perplexity.moved.after < 100


def moved_to(figure: int, difference: float, low: float | None, high: float | None) -> FigureMoved:
    return FigureMoved(FIGURES[figure], Moved(9, 9, 1.0, 1.0 + difference, difference, low, high))


@pytest.mark.parametrize(
    ("figure", "difference", "low", "high", "word"),
    [
        (2, -1.0, -2.0, -0.5, "better"),
        (2, 1.0, 0.5, 2.0, "worse"),
        (0, 1.0, 0.5, 2.0, "higher"),
        (0, -1.0, -2.0, -0.5, "lower"),
        (2, 1.0, -0.5, 2.0, "no clear difference"),
        (2, 1.0, None, None, "too few to tell"),
        (2, float("nan"), None, None, "nothing to compare"),
    ],
)
def test_a_difference_has_a_plain_word(
    figure: int, difference: float, low: float | None, high: float | None, word: str
) -> None:
    assert moved_to(figure, difference, low, high).verdict == word


def shown_marker() -> None:
    import streamlit as st

    from dashboard.panels.marked import opened_change

    opened_change(st.session_state.get("points", []))


def opened(points: list[dict[str, Any]]) -> AppTest:
    app = AppTest.from_function(shown_marker, default_timeout=30)
    app.session_state["points"] = points
    return app.run()


def test_a_marker_opens_its_change_with_its_before_and_after(month: Month, monkeypatch: pytest.MonkeyPatch) -> None:
    # This script is no page of the app, so it cannot link to one.
    for panel in (marked_panels, effects_panels):
        monkeypatch.setattr(panel, "page_link", lambda *args, **query: linked.append(query))
    linked: list[dict[str, str]] = []
    span = Period(month.now - timedelta(days=16), month.now, 3600)
    marked = changes.markers(span, "chatbot")
    (trace,) = time_layers(marked, "UTC", *(round(end.timestamp() * 1000) for end in (span.start, span.end))).traces
    chosen = next(data for data in trace["customdata"] if deploy(month).change_id in data)
    assert chosen[0] == "change"
    app = opened([{"x": 1, "customdata": ["bin", 5]}, {"x": 1, "customdata": chosen}])
    assert not app.exception
    said = "\n".join(str(element.value) for element in [*app.markdown, *app.caption])
    assert "Deployment" in said
    assert "95 % intervals" in said
    assert "Latency, p95" in app.table[0].value.to_string()
    assert linked[0] == {"change": deploy(month).change_id}
    app.segmented_control(key=f"effects {deploy(month).change_id}").set_value("24h").run()
    assert "better" in app.table[0].value.to_string()


@pytest.mark.parametrize("points", [[], [{"x": 1}], [{"customdata": ["bin", 3]}], [{"customdata": ["change"]}]])
def test_other_points_open_no_change(month: Month, points: list[dict[str, Any]]) -> None:
    app = opened(points)
    assert not app.exception
    assert not app.markdown


def test_a_marker_of_a_change_that_is_gone_is_a_sentence(month: Month) -> None:
    assert "not in the ledger" in opened([{"customdata": ["change", "'; DROP"]}]).markdown[0].value


def test_an_alert_is_marked_apart_and_says_what_it_was(empty: Settings) -> None:
    now = workspace.utc_now()
    about = {"rule": "errors", "endpoint_name": "chatbot", "entity_name": "prod.chatbot", "entity_version": "2"}
    row = {"alert_id": "a1", "sentence": "<b>8 %</b> of requests failed.", "evidence": "{}", **about}
    workspace.write_rows(
        empty,
        "alert_events",
        [
            {**row, "state": "open", "time": now - timedelta(minutes=30)},
            {**row, "state": "closed", "time": now - timedelta(minutes=5), "evidence": '{"closed": "went down"}'},
            {**row, "alert_id": "a2", "state": "open", "time": now - timedelta(minutes=20), "endpoint_name": "other"},
        ],
    )
    span = Period(now - timedelta(hours=1), now + timedelta(minutes=1), 60)
    (marker,) = changes.markers(span, "chatbot")
    assert len(changes.markers(span)) == 2
    ends = [round(end.timestamp() * 1000) for end in (span.start, span.end)]
    layers = time_layers([marker], "UTC", *ends)
    (trace,) = layers.traces
    assert trace["customdata"] == [["alert", "a1"]]
    assert "&lt;b&gt;8 %" in trace["text"][0]
    assert layers.entries["shapes"][0]["line"]["dash"] == "solid"
    app = opened([{"customdata": trace["customdata"][0]}])
    assert "\\<b\\>8 %" in app.markdown[0].value
    assert "went down" in app.caption[0].value


def test_a_link_to_a_change_shows_what_moved_with_it(month: Month, page: Opener) -> None:
    app = page("ledger", change=deploy(month).change_id)
    assert not app.exception
    assert "Latency, p95" in app.table[0].value.to_string()
