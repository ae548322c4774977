"""Looking back: what an address can ask for, how long it stays, and what the pages then show."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from dashboard.moment import chosen_moment, time_now
from settings import Settings
from tests.dashboard import workspace
from tests.dashboard.conftest import PAGES, use

Opener = Callable[..., AppTest]


def texts(app: AppTest) -> str:
    shown = [*app.markdown, *app.caption, *app.warning, *app.error]
    return "\n".join(str(element.value) for element in shown)


def address_of(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}Z"


def test_outside_of_a_page_it_is_now() -> None:
    assert chosen_moment() is None
    assert datetime.now(UTC) - time_now() < timedelta(seconds=5)


@pytest.fixture
def two_commits(empty: Settings, monkeypatch: pytest.MonkeyPatch) -> datetime:
    """A ledger with one change, and an hour later another; the moment between them."""
    monkeypatch.setattr("dashboard.queries.lake._RECHECK_SECONDS", 0.0)
    now = datetime.now(UTC)
    between = now - timedelta(minutes=30)
    frame = workspace.requests(now, 1, 200)
    for number, age in enumerate((60, 1)):
        time = now - timedelta(minutes=age)
        action = ("promote", "rollback")[number]
        workspace.write_rows(empty, "ledger", workspace.change(time, action, "chatbot", reason=f"reason {number}"))
        part = frame[frame["request_time"] < time] if number == 0 else frame[frame["request_time"] >= between]
        workspace.write_rows(empty, "metrics_15min", workspace.partials(part, 15))
    for name in ("ledger", "metrics_15min"):
        # As if the first commit had been made an hour ago.
        first = Path(empty.lake, name, "_delta_log", f"{0:020d}.json")
        text = first.read_text()
        stamp = text.split('"commitInfo":{"timestamp":')[1].split(",")[0]
        first.write_text(text.replace(f'"timestamp":{stamp}', f'"timestamp":{int((now.timestamp() - 3600) * 1000)}'))
    return between


def test_the_ledger_shows_what_was_in_it_then(two_commits: datetime, page: Opener) -> None:
    now = [str(step.label) for step in page("ledger").expander]
    assert ["reason 1" in now[0], "reason 0" in now[1]] == [True, True]
    app = page("ledger", as_of=address_of(two_commits))
    assert not app.exception
    then = [str(step.label) for step in app.expander]
    assert len(then) == 1
    assert "reason 0" in then[0]
    assert "As of **" in texts(app)


def test_the_overview_shows_figures_of_then_and_says_what_is_of_now(two_commits: datetime, page: Opener) -> None:
    app, now = page(as_of=address_of(two_commits)), page()
    assert not app.exception
    assert "the way back are of now" in texts(app)
    assert "reason 1" not in texts(app)
    assert "reason 1" in texts(now)
    assert app.metric[0].label == now.metric[0].label == "Requests"
    assert app.metric[0].value != now.metric[0].value


def test_before_a_table_was_there_a_page_is_empty_and_whole(two_commits: datetime, page: Opener) -> None:
    for name in ("incident", "ledger"):
        app = page(name, as_of=address_of(two_commits - timedelta(days=400)))
        assert not app.exception
        assert not app.error


def test_it_stays_from_page_to_page_until_somebody_goes_back(two_commits: datetime, page: Opener) -> None:
    app = page("incident", as_of=address_of(two_commits))
    app.query_params.clear()
    app.switch_page(str(PAGES / "ledger.py")).run()
    assert "As of **" in texts(app)
    assert app.query_params["as_of"] in (address_of(two_commits), [address_of(two_commits)])
    app.button(key="leave the past").click().run()
    assert "As of **" not in texts(app)
    assert "as_of" not in app.query_params


def test_a_moment_is_chosen_by_the_clock_of_the_page(
    empty: Settings, page: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, empty.home, TIME_ZONE="Europe/Berlin")
    app = page("incident")
    app.datetime_input(key="moment").set_value(datetime(2026, 7, 1, 14, 0)).run()
    app.button(key="look back").click().run()
    assert "As of **01 Jul 2026, 14:00**" in texts(app)
    assert app.query_params["as_of"] in ("2026-07-01T12:00:00Z", ["2026-07-01T12:00:00Z"])


@pytest.mark.parametrize("asked", ["yesterday", "2026-07-01T10:00:00", "2999-01-01T00:00:00Z", "9" * 400, "<b>"])
def test_a_moment_that_cannot_be_is_a_sentence_and_the_page_is_of_now(
    empty: Settings, page: Opener, asked: str
) -> None:
    app = page("ledger", as_of=asked)
    assert not app.exception
    assert "cannot be looked back at" in texts(app)
    assert "As of **" not in texts(app)


def test_a_change_that_was_under_way_then_is_not_called_interrupted(
    empty: Settings, page: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = datetime.now(UTC) - timedelta(hours=5)
    rows = workspace.change(begun, "split", "chatbot")
    workspace.write_rows(empty, "ledger", rows[:1])
    log = Path(empty.lake, "ledger", "_delta_log", f"{0:020d}.json")
    stamp = log.read_text().split('"commitInfo":{"timestamp":')[1].split(",")[0]
    log.write_text(log.read_text().replace(stamp, str(int(begun.timestamp() * 1000))))
    workspace.write_rows(empty, "ledger", rows[1:])
    (then,) = page("ledger", as_of=address_of(begun + timedelta(minutes=1))).expander
    assert "running" in str(then.label)
    (now,) = page("ledger").expander
    assert "running" not in str(now.label)


def test_a_time_zone_that_there_is_not_is_said_once(
    empty: Settings, page: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, empty.home, TIME_ZONE="Europe/Nowhere")
    app = page("incident")
    assert [str(warning.value) for warning in app.warning] == [
        "LAKEHELM_TIME_ZONE is Europe/Nowhere, which is no time zone: times are those of UTC."
    ]
