"""The Safety page: what a viewer and an operator may see and do there, and that it survives damage."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from dashboard.actions import flags as actions
from dashboard.periods import period
from dashboard.queries.safety_toxicities import microseconds
from lakehouse.flags import FlaggedRequest, record_decisions
from lakehouse.ledger import changes
from lakehouse.store import open_table, read_rows
from registry.actors import Actor
from registry.errors import NotAllowed
from settings import Settings
from tests.dashboard import workspace
from tests.dashboard.conftest import Month
from tests.dashboard.test_pages import texts
from tests.dashboard.test_safety import SCORER, decided, fill, toxic

Opener = Callable[..., AppTest]
ROLE_ASKED_IN = ("actions.flags", "actions.ledger", "panels.triage", "panels.revealed")


def sign_in(monkeypatch: pytest.MonkeyPatch, name: str, role: str) -> None:
    for module in ROLE_ASKED_IN:
        monkeypatch.setattr(f"dashboard.{module}.current_actor", lambda: Actor(name, role))  # type: ignore[arg-type]


@pytest.fixture
def few(month: Month, empty: Settings) -> tuple[Settings, pd.DataFrame]:
    """A workspace of its own with some hundred requests, whose flags may be decided about."""
    rows = month.rows.tail(240)
    fill(empty, rows)
    return empty, rows


def stored(settings: Settings) -> pd.DataFrame:
    return read_rows(open_table(settings, "flags")).to_pandas()


def tick(app: AppTest, count: int) -> list[str]:
    boxes = [box for box in app.checkbox if box.key != "flag all"][:count]
    for box in boxes:
        box.check()
    return [str(box.key).removeprefix("flag ") for box in boxes]


def press(app: AppTest, label: str) -> AppTest:
    return next(button for button in app.button if button.label == label).click().run()


def test_the_page_shows_its_parts_and_names_the_scorer(month: Month, page: Opener) -> None:
    app = page("safety", range="30 days")
    said = texts(app)
    assert not app.exception
    assert "keyword/alt\\-profanity\\-check" in said
    assert "keyword-like classifier" in said
    flagged = len(toxic(of_30_days(month.rows)))
    assert abs(int(app.metric[0].value.replace("\u202f", "")) - flagged) <= 1
    assert "random sample" not in said


@pytest.mark.parametrize(
    ("part", "panels"),
    [
        ("Over time", ["Flags over time"]),
        ("Prompts", ["Prompts against toxicity", "Most toxic prompts"]),
        ("To decide", ["Flags to decide"]),
        ("Answers", ["Answers to toxic prompts"]),
        ("Who", ["By version", "By requester"]),
        ("Nonsense", ["Flags over time"]),
    ],
)
def test_a_link_opens_a_part_and_only_that_is_drawn(month: Month, page: Opener, part: str, panels: list[str]) -> None:
    app = page("safety", range="30 days", part=part)
    assert not app.exception
    assert not app.error
    assert [heading.value for heading in app.subheader] == panels
    assert [metric.label for metric in app.metric] == ["Open", "Confirmed", "Dismissed", "Precision so far"]


def of_30_days(rows: pd.DataFrame) -> pd.DataFrame:
    """What a page of 30 days shows now: since the workspace was built, its first rows may have become too old."""
    span = period("30d")
    return rows[(rows["request_time"] >= span.start) & (rows["request_time"] < span.end)]


def test_a_link_moves_the_threshold(month: Month, page: Opener) -> None:
    app = page("safety", range="30 days", threshold="0.9")
    assert app.number_input[0].value == 0.9
    assert abs(int(app.metric[0].value) - len(toxic(of_30_days(month.rows), 0.9))) <= 1
    assert "0.5 is exact" in texts(app)
    assert not page("safety", threshold="; DROP TABLE").exception


def test_samples_and_parts_are_said(month: Month, page: Opener, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, most in (("MOST_READ", 900), ("ALL_UP_TO", 300), ("MOST_OTHERS", 100)):
        monkeypatch.setattr(f"dashboard.queries.safety_rows.{name}", most)
    said = texts(page("safety", range="30 days", part="Prompts"))
    assert "Single requests (points, list, answers) are read from" in said
    assert "a random sample of" in said
    assert "by a hash of the request's time" in said


def test_an_operator_dismisses_several_flags_at_once(
    few: tuple[Settings, pd.DataFrame], page: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, rows = few
    sign_in(monkeypatch, "olga", "operator")
    app = page("safety", range="30 days", part="To decide")
    before = int(app.metric[0].value)
    assert before == len(toxic(rows))
    chosen = tick(app, 3)
    app.selectbox(key="label queue ").select("false alarm")
    app.text_input(key="note queue").input("quotes a song")
    app = press(app, "Dismiss")
    assert not app.exception
    assert [int(metric.value) for metric in app.metric[:3]] == [before - 3, 0, 3]
    made = stored(settings)
    assert set(made["databricks_request_id"]) == set(chosen)
    assert set(made["decision"]) == {"dismissed"}
    assert set(made["label"]) == {"false alarm"}
    assert set(made["remark"]) == {"quotes a song"}
    assert set(zip(made["actor"], made["role"], strict=True)) == {("olga", "operator")}
    assert made["time"].nunique() == 1
    raw = rows.set_index("databricks_request_id")["prompt_toxicity"]
    assert made["prompt_toxicity"].tolist() == raw[made["databricks_request_id"]].tolist()
    assert set(made["toxicity_scorer"]) == {SCORER}
    # Of nobody's words anything is kept.
    assert "idiot" not in made.to_string()


def test_a_confirmed_flag_makes_the_precision_and_can_be_opened_again(
    few: tuple[Settings, pd.DataFrame], page: Opener
) -> None:
    app = page("safety", range="30 days", part="To decide")
    tick(app, 1)
    app = press(app, "Confirm")
    assert "100.0" in app.metric[3].value
    assert "95 % interval 21" in texts(app)
    app = page("safety", range="30 days", flags="Confirmed", part="To decide")
    tick(app, 1)
    app = press(app, "Open again")
    assert [int(metric.value) for metric in app.metric[1:3]] == [0, 0]
    assert len(stored(few[0])) == 2


def test_a_decision_that_somebody_else_made_meanwhile_is_said_and_kept(
    few: tuple[Settings, pd.DataFrame], page: Opener
) -> None:
    settings, _ = few
    app = page("safety", range="30 days", part="To decide")
    (chosen,) = tick(app, 1)
    record_decisions(settings, [decided(chosen, 0.9)], "confirmed", actor="ben", role="operator")
    app = press(app, "Dismiss")
    assert any("ben decided about" in toast.value for toast in app.toast)
    made = stored(settings).sort_values("time")
    assert made["decision"].tolist() == ["confirmed", "dismissed"]
    assert [int(metric.value) for metric in app.metric[1:3]] == [0, 1]


def choose(monkeypatch: pytest.MonkeyPatch, key: str, customdata: object, y: object = None) -> None:
    def chosen(*_: object, key: str = "", **__: object) -> list[dict[str, object]]:
        return [{"customdata": customdata, "y": y}] if key == wanted else []

    wanted = key
    for panels in ("safety", "safety_breakdown"):
        monkeypatch.setattr(f"dashboard.panels.{panels}.clickable_chart", chosen)


def test_a_chosen_point_opens_its_request_to_be_decided_about(
    few: tuple[Settings, pd.DataFrame], page: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, rows = few
    row = toxic(rows).iloc[0]
    request_id = str(row["databricks_request_id"])
    monkeypatch.setattr("dashboard.panels.safety.toxicity_labels", lambda *_: {"insult": 0.9, "threat": 0.2})
    choose(monkeypatch, "toxicity", float(microseconds(row["request_time"])), float(np.float32(row["prompt_toxicity"])))
    app = page("safety", range="30 days", part="Prompts")
    assert app.selectbox(key="label one harassment").value == "harassment"
    app.text_input(key="note one").input("seen")
    app = app.button(key="confirmed one").click().run()
    assert not app.exception
    (made,) = stored(settings).to_dict("records")
    assert (made["databricks_request_id"], made["decision"], made["label"], made["remark"]) == (
        request_id,
        "confirmed",
        "harassment",
        "seen",
    )
    assert "Decision" in "".join(str(table.value) for table in app.table)


@pytest.mark.parametrize(
    ("part", "key", "customdata"),
    [("Who", "by version", ["row", 0]), ("Who", "by requester", ["row", 0]), ("Prompts", "toxicity", 1.0e15)],
)
def test_a_chosen_row_opens_the_requests_behind_it(
    few: tuple[Settings, pd.DataFrame],
    page: Opener,
    monkeypatch: pytest.MonkeyPatch,
    part: str,
    key: str,
    customdata: object,
) -> None:
    choose(monkeypatch, key, customdata)
    app = page("safety", range="30 days", part=part)
    assert not app.exception
    assert "could not be shown" not in texts(app)
    if key == "toxicity":
        assert "not among those of the chosen time any more" in texts(app)
    else:
        assert "Flesch" not in texts(app)
        assert any("/requests?request=" in str(table.value) for table in app.table)


def test_nothing_ticked_decides_nothing(few: tuple[Settings, pd.DataFrame], page: Opener) -> None:
    app = press(page("safety", range="30 days", part="To decide"), "Confirm")
    assert any("Tick at least one flag" in toast.value for toast in app.toast)
    assert stored(few[0]).empty


def test_a_viewer_can_neither_decide_nor_see_whole_words(
    few: tuple[Settings, pd.DataFrame], page: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, _ = few
    sign_in(monkeypatch, "vera", "viewer")
    apps = [page("safety", range="30 days", part=part) for part in ("To decide", "Prompts")]
    asked = ("Confirm", "Dismiss", "Show people's words")
    off = [button for app in apps for button in app.button if button.label in asked]
    assert len(off) == 4
    assert all(button.disabled and "vera is viewer" in button.help for button in off)
    with pytest.raises(NotAllowed):
        actions.decide([decided("r1", 0.9)], "confirmed")
    assert stored(settings).empty


def with_secrets(settings: Settings, rows: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
    said = "You idiot, write to anna@example.com or call +49 170 1234567 <b>now</b>"
    monkeypatch.setattr(workspace, "QUESTIONS", (said,) * 5)
    fill(settings, rows)


def test_words_are_masked_until_an_operator_reveals_them(
    month: Month, empty: Settings, page: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_secrets(empty, month.rows.tail(40), monkeypatch)
    sign_in(monkeypatch, "olga", "operator")
    app = page("safety", range="30 days", part="To decide")
    shown = texts(app) + "".join(str(table.value) for table in app.table)
    assert "\\[e\\-mail\\]" in shown
    assert "anna" not in shown.replace("ana@", "")
    assert "170" not in shown
    app.button(key="reveal queue").click().run()
    said = texts(app)
    assert "1234567" in said
    # As text, never as HTML or as a link.
    assert "\\<b\\>now" in said
    (taken,) = [change for change in changes(empty) if change.action == "reveal"]
    assert (taken.actor, taken.target) == ("olga", "chatbot")
    assert "request-7-" in taken.evidence["what"]
    # A role that is taken away takes the words away.
    sign_in(monkeypatch, "olga", "viewer")
    assert "1234567" not in texts(app.run())


def test_while_somebody_looks_back_nothing_can_be_decided(month: Month, page: Opener) -> None:
    app = page("safety", range="30 days", part="To decide", as_of=f"{workspace.utc_now():%Y-%m-%dT%H:%M:%SZ}")
    buttons = [button for button in app.button if button.label == "Confirm"]
    assert buttons
    assert all("go back to now" in button.help for button in buttons)


def test_a_damaged_flags_table_costs_only_its_own_panels(few: tuple[Settings, pd.DataFrame], page: Opener) -> None:
    settings, _ = few
    record_decisions(settings, [decided("r1", 0.9)], "confirmed", actor="ana", role="operator")
    for file in Path(settings.lake, "flags").glob("*.parquet"):
        file.write_bytes(b"damaged")
    app = page("safety", range="30 days")
    assert not app.exception
    assert "could not be read" in texts(app)
    assert "Flags over time" in texts(app)


def test_texts_that_are_gone_leave_the_figures(few: tuple[Settings, pd.DataFrame], page: Opener) -> None:
    settings, _ = few
    shutil.rmtree(Path(settings.lake, "inference_table"))
    app = page("safety", range="30 days", part="To decide")
    assert not app.exception
    assert "no text was logged" in texts(app)
    assert int(app.metric[0].value) > 0


def test_rows_that_no_release_wrote_and_those_of_another_endpoint_count_for_nothing(
    few: tuple[Settings, pd.DataFrame], page: Opener
) -> None:
    settings, rows = few
    request_id = str(toxic(rows)["databricks_request_id"].iloc[0])
    strange = {"databricks_request_id": request_id, "endpoint_name": "chatbot", "decision": "exploded"}
    timeless = {"databricks_request_id": request_id, "endpoint_name": "chatbot", "decision": "confirmed", "time": None}
    workspace.write_rows(settings, "flags", [{**strange, "time": workspace.utc_now()}, timeless])
    other = FlaggedRequest(request_id, None, "elsewhere", "", "", 0.9, None, SCORER, 0.5)
    record_decisions(settings, [other], "confirmed", actor="ana", role="operator")
    app = page("safety", range="30 days")
    assert not app.exception
    assert [int(metric.value) for metric in app.metric[:3]] == [len(toxic(rows)), 0, 0]
