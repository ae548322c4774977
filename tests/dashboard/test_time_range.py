"""The control for time: what links carry, what they cannot, days on which the clock is changed."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.periods import period
from tests.dashboard.conftest import use

UTC_TEXT = "%Y-%m-%dT%H:%M"


@pytest.fixture(autouse=True)
def berlin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch, tmp_path / "workspace", TIME_ZONE="Europe/Berlin")


def script() -> None:
    import streamlit as st

    from dashboard.time_range import time_range_control

    with st.container(horizontal=True):
        found = time_range_control("24h")
    st.session_state["found"] = found


def opened(**query: str) -> AppTest:
    app = AppTest.from_function(script, default_timeout=20)
    for name, value in query.items():
        app.query_params[name.rstrip("_")] = value
    return app.run()


def shown(app: AppTest) -> tuple[str, str, str]:
    found = app.session_state["found"]
    return found.label, f"{found.period.start:{UTC_TEXT}}", f"{found.period.end:{UTC_TEXT}}"


def warnings(app: AppTest) -> list[str]:
    return [str(warning.value) for warning in app.warning]


def test_without_an_address_the_default_holds() -> None:
    app = opened()
    found = app.session_state["found"]
    assert (found.label, found.period.length, found.query) == (
        "last 24 hours",
        timedelta(hours=24),
        {"range": "24 hours"},
    )
    assert not warnings(app)


def test_a_link_shows_the_two_times_that_it_names_in_the_time_zone_of_the_page() -> None:
    app = opened(range="Custom", from_="2026-07-01T10:07", to="2026-07-01T15:22")
    assert shown(app) == ("01 Jul 10:07 to 01 Jul 15:22", "2026-07-01T08:07", "2026-07-01T13:22")
    query = app.session_state["found"].query
    assert query == {"range": "Custom", "from": "2026-07-01T10:07", "to": "2026-07-01T15:22"}
    # What a link carries shows the same again.
    again = opened(**{name if name != "from" else "from_": value for name, value in query.items()})
    assert shown(again) == shown(app)


def test_times_stay_as_chosen_when_the_page_is_drawn_again() -> None:
    app = opened(range="Custom", from_="2026-07-01T10:07", to="2026-07-01T15:22")
    first = shown(app)
    assert shown(app.run()) == first
    app.datetime_input(key="to").set_value(datetime(2026, 7, 1, 18, 0)).run()
    assert shown(app) == ("01 Jul 10:07 to 01 Jul 18:00", "2026-07-01T08:07", "2026-07-01T16:00")
    assert shown(app.run())[2] == "2026-07-01T16:00"


def test_a_custom_range_that_nobody_touched_does_not_move_either() -> None:
    app = opened(range="Custom")
    first = shown(app)
    assert shown(app.run()) == first


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"range": "; DROP TABLE"}, "time range"),
        ({"range": "Custom", "from_": "yesterday", "to": "2026-07-01T15:22"}, "yesterday"),
        ({"range": "Custom", "from_": "2026-07-01T10:07+02:00"}, "which cannot be shown"),
        ({"range": "Custom", "from_": "2026-07-02T10:00", "to": "2026-07-01T10:00"}, "ends before it starts"),
        ({"range": "Custom", "from_": "2025-01-01T00:00", "to": "2026-07-01T10:00"}, "longer than 366 days"),
    ],
)
def test_a_range_that_cannot_be_is_a_sentence_and_the_default_holds(query: dict[str, str], said: str) -> None:
    app = opened(**query)
    assert not app.exception
    assert shown(app)[0] == "last 24 hours"
    (sentence,) = warnings(app)
    assert said in sentence
    assert sentence.endswith("Shown: last 24 hours.")


def test_words_in_the_address_stay_words() -> None:
    (sentence,) = warnings(opened(range="[x](http://x) **b** " + "y" * 100))
    assert "\\[x\\]" in sentence
    assert "y" * 50 not in sentence


def test_the_day_on_which_the_clock_goes_back_has_25_hours_and_the_other_23() -> None:
    autumn = opened(range="Custom", from_="2026-10-25T00:00", to="2026-10-26T00:00").session_state["found"].period
    assert (autumn.length, autumn.start.hour, autumn.end.hour) == (timedelta(hours=25), 22, 23)
    spring = opened(range="Custom", from_="2026-03-29T00:00", to="2026-03-30T00:00").session_state["found"].period
    assert spring.length == timedelta(hours=23)


def test_the_present_month_goes_up_to_now() -> None:
    app = opened(range="Month")
    found = app.session_state["found"]
    assert found.query["range"] == "Month"
    assert found.period.start <= datetime.now(UTC) <= found.period.end
    assert not warnings(app)


def test_a_link_shows_the_month_that_it_names_and_a_wrong_one_is_a_sentence() -> None:
    last = datetime.now(UTC).replace(day=1) - timedelta(days=3)
    app = opened(range="Month", month=f"{last:%Y-%m}")
    assert shown(app)[0] == f"{last:%B %Y}"
    assert not warnings(app)
    wrong = opened(range="Month", month="2026-13")
    assert "2026\\-13" in warnings(wrong)[0]
    assert not wrong.exception


def test_leaving_custom_takes_the_times_out_of_the_links() -> None:
    app = opened(range="Custom", from_="2026-07-01T10:07", to="2026-07-01T15:22")
    app.segmented_control(key="range").set_value("7d").run()
    assert app.session_state["found"].query == {"range": "7 days"}
    assert app.session_state["found"].period.length == period("7d").length
