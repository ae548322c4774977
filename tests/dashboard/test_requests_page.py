"""The Requests page: its address, one request with its words, what a viewer may not, and exports."""

import io
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pandas as pd
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from dashboard.actions import exports
from dashboard.actions import ledger as reveals
from dashboard.links import page_address, request_query, requests_query
from dashboard.panels import recorded_export, requests_search, revealed
from dashboard.panels import requests as panels
from dashboard.panels.conversation import FIRST_SHOWN, MOST_SHOWN
from dashboard.queries.request_filters import RequestFilter
from lakehouse.ledger import changes
from registry.actors import Actor
from registry.errors import NotAllowed
from settings import Settings
from tests.dashboard import workspace
from tests.dashboard.conftest import APP, PAGES, Month

NOON = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=3)
Opened = Callable[..., AppTest]


@pytest.fixture
def opened() -> Opened:
    """The page at an address; parameters may stand in it several times."""

    def open_at(query: dict[str, str | list[str]]) -> AppTest:
        app = AppTest.from_file(str(APP), default_timeout=60)
        for name, value in query.items():
            if value:
                app.query_params[name] = value
        return app.switch_page(str(PAGES / "requests.py")).run()

    return open_at


def shown(app: AppTest) -> str:
    parts = [*app.markdown, *app.caption, *app.info, *app.warning, *app.error, *app.text, *app.code]
    return "\n".join([*(str(part.value) for part in parts), *(table.value.to_string() for table in app.table)])


def write_one(settings: Settings, request: str | None, response: str | None, **columns: object) -> dict[str, object]:
    row = {
        "databricks_request_id": "one",
        "request_date": NOON.date(),
        "request_time": NOON,
        "status_code": 200,
        "requester": "ana@example.com",
        **columns,
    }
    logged = {"request": request, "response": response}
    if request is not None or response is not None:
        workspace.write_rows(settings, "inference_table", [{**row, **logged}])
    scored = {**row, "endpoint_name": "chatbot", "entity_name": "prod.chatbot", "entity_version": "2"}
    workspace.write_rows(settings, "request_metrics", [scored])
    return row


def chat(*turns: tuple[str, str]) -> str:
    return json.dumps({"messages": [{"role": role, "content": text} for role, text in turns]})


def answered(text: str) -> str:
    return json.dumps({"choices": [{"message": {"role": "assistant", "content": text}}]})


def test_an_address_of_another_page_shows_its_requests_and_stays(month: Month, opened: Opened) -> None:
    wanted = RequestFilter(
        (month.now - timedelta(days=6)).replace(second=0, microsecond=0),
        (month.now - timedelta(days=1)).replace(second=0, microsecond=0),
        "chatbot",
        versions=("prod.chatbot/1", "prod.chatbot/2"),
        requesters=("webshop", "ana@example.com"),
        statuses=("2xx", "429"),
        score="response_toxicity",
        at_least=0.001,
        below=0.05,
    )
    app = opened(requests_query(wanted, "UTC"))
    assert not app.exception
    rows = month.rows
    kept = rows[
        (rows["request_time"] >= wanted.start)
        & (rows["request_time"] < wanted.end)
        & rows["requester"].isin(wanted.requesters)
        & ((rows["status_code"] // 100 == 2) | (rows["status_code"] == 429))
        & (rows["response_toxicity"] >= 0.001)
        & (rows["response_toxicity"] < 0.05)
    ].sort_values("request_time", ascending=False)
    assert f"**{len(kept)} requests**" in shown(app)
    table = app.dataframe[0].value
    assert len(table) == min(len(kept), panels.PAGE_SIZE)
    assert table["Toxicity, 0 to 1"].tolist() == pytest.approx(kept["response_toxicity"].tolist()[: len(table)])
    assert app.multiselect(key="version").value == list(wanted.versions)
    assert app.multiselect(key="requester").value == list(wanted.requesters)
    # Its links open single requests.
    links = app.table[0].value["Time"].tolist()
    first = parse_qs(urlsplit(links[0].rpartition("(")[2].rstrip(")")).query)
    assert first["request"] == [kept["databricks_request_id"].iloc[0]]
    assert first["day"] == [str(kept["request_time"].iloc[0].date())]


def test_sorting_and_paging_stand_in_the_address(month: Month, opened: Opened) -> None:
    app = opened({"range": "30 days", "sort": "cost_usd", "order": "lowest", "requests_page": "2"})
    expected = month.rows.sort_values("cost_usd", na_position="last")["cost_usd"].tolist()
    assert app.dataframe[0].value["Cost, US dollars"].tolist() == pytest.approx(expected[25:50])
    app.selectbox(key="chosen sort").set_value("request_time").run()
    assert "sort" not in app.query_params
    app.selectbox(key="chosen sort").set_value("prompt_toxicity").run()
    assert app.query_params["sort"] in ("prompt_toxicity", ["prompt_toxicity"])
    app.selectbox(key="chosen order").set_value("highest").run()
    found = app.dataframe[0].value["Toxicity of the prompt, 0 to 1"].tolist()
    # Another question begins at its first page.
    assert found == pytest.approx(sorted(month.rows["prompt_toxicity"], reverse=True)[:25])


def test_an_address_that_cannot_be_is_no_error(month: Month, opened: Opened) -> None:
    app = opened(
        {
            "sort": "'; DROP TABLE this",
            "score": "no score",
            "at_least": "many",
            "status": ["<b>", "2xx"],
            "version": "2",
            "requests_page": "-7",
            "day": "yesterday",
        }
    )
    assert not app.exception
    assert "is no status" in shown(app)
    assert "could not be shown" not in shown(app)
    assert "No request is called" in shown(opened({"request": "[x](http://evil) <b>", "day": "9999-99-99"}))


def test_an_id_is_found_at_any_time(month: Month, opened: Opened) -> None:
    row = month.rows.iloc[3]
    app = opened({"range": "1 hour", "id": row["databricks_request_id"]})
    assert "**1 request**" in shown(app)
    assert "Not in this time" in shown(app)


def test_links_of_one_request_keep_their_base_path(month: Month, monkeypatch: pytest.MonkeyPatch) -> None:
    address = page_address("requests", request_query("a) [b](http://evil)\n|&day=x", month.now.date()))
    assert address.startswith("/requests?request=a%29+%5Bb%5D%28http")
    assert parse_qs(urlsplit(address).query)["request"] == ["a) [b](http://evil)\n|&day=x"]
    monkeypatch.setattr(st, "get_option", lambda name: "lake/helm" if name == "server.baseUrlPath" else None)
    assert page_address("requests", {"request": "x"}) == "/lake/helm/requests?request=x"


def test_a_filter_survives_its_address_to_the_minute(month: Month) -> None:
    wanted = RequestFilter(
        datetime(2026, 7, 1, 10, 0, 30, tzinfo=UTC), datetime(2026, 7, 1, 10, 4, 0, 1, tzinfo=UTC), requesters=("",)
    )
    query = requests_query(wanted, "Europe/Berlin")
    assert (query["from"], query["to"], query["requester"]) == ("2026-07-01T12:00", "2026-07-01T12:05", ["(none)"])
    whole = RequestFilter(datetime(2026, 7, 1, 10, 0, tzinfo=UTC), datetime(2026, 7, 1, 10, 4, tzinfo=UTC))
    assert requests_query(whole, "UTC")["to"] == "2026-07-01T10:04"


def test_a_request_shows_masked_words_until_they_are_revealed(
    empty: Settings, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_one(
        empty,
        chat(("system", "Be kind."), ("user", "Hello"), ("assistant", "Yes?"), ("user", "I am anna@example.com")),
        answered("Call +49 170 1234567, key sk-proj-abcdefghijklmnopqrstuvwxyz123456."),
    )
    app = opened(request_query("one", NOON.date()))
    assert [text.value for text in app.text][:4] == ["Be kind.", "Hello", "Yes?", "I am [e-mail]"]
    for hidden in ("anna@", "170 1234567", "sk-proj"):
        assert hidden not in shown(app)
    app.button(key="reveal").click().run()
    assert "I am anna@example.com" in [text.value for text in app.text]
    assert "sk-proj-abcdefghijklmnopqrstuvwxyz123456" in shown(app)
    taken = changes(empty, 1)[0]
    assert (taken.action, taken.target) == ("reveal", "prod.chatbot version 2")
    assert "one" in taken.evidence["what"]
    # A role that is taken away takes the words away.
    monkeypatch.setattr(revealed, "current_actor", lambda: Actor("vera", "viewer"))
    assert "anna@" not in shown(app.run())


def test_a_viewer_cannot_reveal_export_or_find_what_is_masked(
    month: Month, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    vera = Actor("vera", "viewer")
    for module in (revealed, recorded_export, exports, reveals):
        monkeypatch.setattr(module, "current_actor", lambda: vera)
    wanted = RequestFilter(month.now - timedelta(days=1), month.now)
    before = len(changes(month.settings))
    with pytest.raises(NotAllowed):
        exports.export_requests(wanted, "csv")
    row = month.rows.iloc[-1]
    app = opened(request_query(row["databricks_request_id"], row["request_time"].date()))
    assert app.button(key="reveal").disabled
    assert "vera is viewer" in app.button(key="reveal").help
    listed = opened({})
    assert [button.proto.disabled for button in listed.get("download_button")] == [True, True]
    searched = opened({"text": "@example.com"})
    for _ in range(20):
        if "Searched" in shown(searched):
            break
        searched.run()
    assert "0 hits" in shown(searched)
    assert len(changes(month.settings)) == before


HOSTILE = (
    "**bold** [link](http://evil.example) <script>alert(1)</script> $x^2$ :red[no] ![p](http://evil.example/p.png)",
    '=HYPERLINK("http://evil.example")',
    "line one\n\n# heading\n\n- item",
)


def test_words_are_drawn_letter_by_letter(empty: Settings, opened: Opened) -> None:
    turns = [("user", text) for text in HOSTILE]
    name = " ".join(HOSTILE)
    write_one(empty, chat(*turns, ("<b>role</b>", "x")), answered(name), requester=name, client_request_id=name)
    app = opened(request_query("one"))
    assert not app.exception
    assert [part.value for part in app.text] == [*HOSTILE, "x", name]
    drawn = "\n".join(str(part.value) for part in [*app.markdown, *app.caption])
    tables = "\n".join(table.value.to_string() for table in app.table)
    for raw in ("<script>", "](http", "**bold**", "\n# heading", "<b>role", ":red[no]"):
        assert raw not in drawn
        assert raw not in tables


def test_a_megabyte_is_cut_and_shown_further_on_demand(empty: Settings, opened: Opened) -> None:
    long = "word." * (MOST_SHOWN // 5 - 4) + "my address is anna@example.com " + "word." * 180_000
    write_one(empty, chat(("user", long)), answered("short"))
    app = opened(request_query("one"))
    assert len(app.text[0].value) == FIRST_SHOWN
    assert "more characters" in shown(app)
    app.toggle[0].set_value(True).run()
    assert MOST_SHOWN - 100 < len(app.text[0].value) <= MOST_SHOWN
    assert "more characters" in shown(app)
    assert "anna" not in app.text[0].value


def test_an_error_shows_its_body_masked_and_a_stream_and_a_data_frame_are_read(empty: Settings, opened: Opened) -> None:
    write_one(
        empty,
        json.dumps({"dataframe_split": {"columns": ["prompt"], "data": [["How deep is the sea?"]]}}),
        json.dumps({"error_code": "INTERNAL_ERROR", "message": "no answer for anna@example.com"}),
        status_code=500,
    )
    app = opened(request_query("one"))
    assert "How deep is the sea?" in [text.value for text in app.text]
    assert "no answer for [e-mail]" in app.code[0].value
    assert "The response is an error" in shown(app)


def test_texts_that_are_gone_and_requests_that_are_not_scored_are_sentences(empty: Settings, opened: Opened) -> None:
    write_one(empty, None, None, unscored={"response_perplexity": "the answer is empty"})
    app = opened(request_query("one"))
    assert not app.exception
    assert "does not have the texts of this request any more" in shown(app)
    assert "the answer is empty" in shown(app)
    assert "not scored yet" in shown(opened({"request": "another"}))


def test_one_request_says_who_scored_it_what_it_cost_and_what_was_live(month: Month, opened: Opened) -> None:
    row = month.rows[month.rows["status_code"] == 200].iloc[-5]
    name = row["databricks_request_id"]
    text = shown(opened(request_query(name, row["request_time"].date()))).replace("\\", "")
    for said in (
        *(str(row[column]) for column in workspace.SCORERS),
        f"{row['response_toxicity']:.4f}".replace("-", "−"),
        f"{row['cost_usd']:.6f} US dollars",
        "Deployment, chatbot: chatbot-1 100 % → chatbot-2 100 %",
        f"/requests?request={name}&day=",
    ):
        assert said in text


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_an_export_has_the_numbers_without_words_and_is_recorded(
    month: Month, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    wanted = RequestFilter(month.now - timedelta(days=2), month.now, versions=("prod.chatbot/2",))
    data = exports.export_requests(wanted, form)()  # type: ignore[arg-type]
    found = pd.read_csv(io.BytesIO(data)) if form == "csv" else pd.read_parquet(io.BytesIO(data))
    rows = month.rows[month.rows["request_time"] >= wanted.start].sort_values("request_time", ascending=False)
    assert found["databricks_request_id"].tolist() == rows["databricks_request_id"].tolist()
    assert found["cost_usd"].tolist() == pytest.approx(rows["cost_usd"].tolist(), nan_ok=True)
    assert not {"request", "response", "unscored"} & set(found.columns)
    assert "handbook" not in data.decode("latin-1")
    taken = changes(month.settings, 1)[0]
    assert (taken.action, taken.target, taken.outcome) == ("export", "requests", "succeeded")
    assert (taken.evidence["rows"], taken.evidence["versions"]) == (len(rows), ["prod.chatbot/2"])
    monkeypatch.setattr(exports, "MOST_ROWS", 7)
    few = exports.export_requests(wanted, "parquet")()
    newest = pd.read_parquet(io.BytesIO(few))["databricks_request_id"].tolist()
    assert newest == rows["databricks_request_id"].tolist()[:7]


def test_a_search_goes_on_from_run_to_run_and_can_be_stopped(
    month: Month, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests_search, "STEP_SECONDS", 0.0001)
    app = opened({"text": "handbook", "range": "30 days"})
    assert "Searching" in str(app.get("progress")[0].proto)
    app.run()
    app.button(key="stop search").click().run()
    assert "Stopped" in shown(app)
    monkeypatch.setattr(requests_search, "STEP_SECONDS", 60.0)
    app = opened({"text": "roll BACK to version", "range": "7 days", "requester": "webshop"})
    assert "Searched" in shown(app)
    assert app.dataframe[0].value["Found in"].isin(["prompt", "answer"]).all()
    assert app.dataframe[0].value["Requester"].unique().tolist() == ["webshop"]
