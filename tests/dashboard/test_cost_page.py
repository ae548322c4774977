"""The Cost page says what was spent, what is not known, and stays whole where something is missing or wrong."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from dashboard import cost_charts
from dashboard.actions.cost_exports import export_requesters
from dashboard.money import money, money_change, money_decimals
from dashboard.panels.cost_forecast import sentence
from dashboard.periods import period
from dashboard.queries import cost
from dashboard.queries.cost_days import MonthSpend, SpendSpike
from lakehouse.ledger import changes
from metrics.forecast import forecast_month
from settings import Settings
from tests.dashboard import workspace
from tests.dashboard.conftest import Month, use
from tests.dashboard.test_pages import texts

Opener = Callable[..., AppTest]
DAY = 86_400_000


def figures(app: AppTest) -> dict[str, str]:
    return {str(metric.label): str(metric.value) for metric in app.metric}


def test_the_tiles_equal_the_rows(month: Month, page: Opener) -> None:
    app = page("cost")
    span = period("30d")
    rows = month.rows[month.rows["request_time"] >= span.start]
    shown = figures(app)
    assert shown["Spend"] == money(rows["cost_usd"].sum())
    assert shown["Per 1,000 requests"] == money(rows["cost_usd"].mean() * 1000)
    assert shown["Per conversation"] == money(rows["cost_usd"].mean())
    assert shown["Without a price"] == str(rows["cost_usd"].isna().sum())
    days = (span.end - max(span.start, rows["request_time"].min().floor("15min"))) / timedelta(days=1)
    assert shown["Per day"] == money(rows["cost_usd"].sum() / days)


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ("Over time", "Click a bar for its requests"),
        ("Forecast", "80 % interval"),
        ("Versions", "US dollars for 1,000 requests"),
        ("Conversations and prices", "A conversation cost"),
    ],
)
def test_only_the_open_part_is_drawn(month: Month, page: Opener, part: str, said: str) -> None:
    app = page("cost", part=part)
    assert not app.exception
    assert not app.error
    assert said in texts(app)
    others = ("Spend over time", "This month", "Between two versions", "Conversations")
    assert sum(str(heading.value) in others for heading in app.subheader) == 1


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ("Prices in force", "LAKEHELM\\_PRICES\\_FILE"),
        ("Without a price", "have no answer"),
        ("The monitoring itself", "processor hours"),
    ],
)
def test_each_detail_is_drawn_when_it_is_chosen(month: Month, page: Opener, more: str, said: str) -> None:
    app = page("cost", part="Conversations and prices", more=more)
    assert not app.exception
    assert said in texts(app)
    assert more in [str(heading.value) for heading in app.subheader]


def test_requesters_have_a_chart_and_a_table_with_links(month: Month, page: Opener) -> None:
    app = page("cost", by="Requester")
    assert not app.exception
    listed = next(table.value for table in app.table if "Requester" in table.value.columns)
    assert "ana" in listed["Requester"].iloc[0]
    assert "/requests?" in listed["Requester"].iloc[0]
    assert "requester=ana%40example.com" in listed["Requester"].iloc[0]


def test_a_workspace_without_prices_counts_everything_as_unpriced(empty: Settings, page: Opener) -> None:
    now = datetime.now(UTC)
    rows = workspace.requests(now, 10, 20).assign(cost_usd=np.nan, price_source=None)
    for table, minutes in (("metrics_minute", 1), ("metrics_15min", 15)):
        workspace.write_rows(empty, table, workspace.partials(rows, minutes))
    workspace.write_rows(empty, "metrics_daily_requester", workspace.partials(rows, 1440, by_requester=True))
    workspace.write_requests(empty, rows)
    app = page("cost", part="Conversations and prices", more="Prices in force")
    assert not app.exception
    shown = figures(app)
    assert shown["Spend"] == "–"
    assert shown["Without a price"] == str(len(rows))
    said = texts(app)
    assert "No request of this time has a price" in said
    assert "says how to set one" in texts(page("cost"))
    assert "could not be shown" not in said
    assert "$0" not in said
    listed = next(table.value for table in app.table if "Source" in table.value.columns)
    assert set(listed["Source"]) == {"no price known"}
    assert "No request of these days has a price" in texts(page("cost", by="Requester"))


def test_a_wrong_price_file_is_a_sentence_and_the_rest_stands(
    month: Month, page: Opener, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "prices.csv"
    file.write_text("model;version\n")
    use(monkeypatch, month.settings.home, PRICES_FILE=str(file))
    app = page("cost", part="Conversations and prices", more="Prices in force")
    assert all("lacks the columns" in error.value for error in app.error)
    assert app.error
    assert figures(app)["Spend"] != "–"


def test_damaged_texts_and_runs_take_only_their_panels(month: Month, page: Opener, empty: Settings) -> None:
    span = workspace.requests(datetime.now(UTC), 5, 20)
    workspace.write_rows(empty, "metrics_15min", workspace.partials(span, 15))
    for table in ("inference_table", "request_metrics", "prices"):
        log = Path(empty.lake, table, "_delta_log")
        log.mkdir(parents=True)
        (log / "00000000000000000000.json").write_text("this is no Delta log\n")
    for part in ("Over time", "Versions", "Conversations and prices"):
        app = page("cost", range="7 days", part=part)
        assert not app.exception
        assert app.error
        assert "could not be shown" not in texts(app)
        assert figures(app)["Spend"] != "–"


def test_an_export_of_names_is_recorded(month: Month) -> None:
    span = period("7d", month.now)
    found = cost.requester_spend("chatbot", span)
    content = export_requesters(found.requesters, "chatbot", span, "csv")()
    assert content.decode().splitlines()[0].startswith("requester,requests,failed")
    assert b"ana@example.com" in content
    newest = changes(month.settings, 1)[0]
    assert (newest.action, newest.target, newest.outcome) == ("export", "cost of requesters", "succeeded")


@pytest.mark.parametrize(
    ("usd", "said"),
    [
        (0.0, "$0.00"),
        (0.00001234, "$0.0000123"),
        (0.0123, "$0.0123"),
        (0.5, "$0.50"),
        (12.4, "$12.40"),
        (1234.5, "$1\u202f234"),
        (-0.02, "\u2212$0.0200"),
        (float("nan"), "–"),
        (None, "–"),
    ],
)
def test_money_is_read_at_every_size(usd: float | None, said: str) -> None:
    assert money(usd) == said


def test_amounts_of_a_column_share_their_decimals() -> None:
    assert money(0.001, money_decimals([0.001, 12.0])) == "$0.00"
    assert money_change(0.5) == "+$0.50"
    assert money(-0.0001, 2) == "$0.00"


def month_of(history: dict[date, float], today: date, so_far: float) -> MonthSpend:
    return MonthSpend(today, {}, forecast_month(history, today, so_far, 0.5))


def test_the_forecast_is_one_sentence() -> None:
    today = date(2026, 11, 22)
    history = {today - timedelta(days=back): 0.4 + 0.02 * (back % 3) for back in range(1, 50)}
    said = sentence(month_of(history, today, 9.03))
    assert said.startswith("**November will come to about \\$12")
    assert "80 % interval \\$1" in said
    assert said.endswith("so far \\$9\\.03.")
    few = sentence(month_of({day: usd for day, usd in history.items() if day > date(2026, 11, 18)}, today, 9.03))
    assert "at the present rate" in few
    assert "3 days" in few
    one = sentence(month_of({today - timedelta(days=1): 0.4}, today, 9.03))
    assert "at the rate of one day" in one
    assert (
        sentence(month_of({}, today, 0.2))
        == "**So far November cost \\$0\\.20.** A forecast needs a full day of history."
    )


def part(key: str, usd: list[float]) -> cost_charts.Part:
    return cost_charts.Part(key, key, "#2f78c4", np.array(usd))


def spend_chart(parts: list[cost_charts.Part], spikes: tuple[SpendSpike, ...] = ()) -> Any:
    starts = np.arange(3, dtype=np.int64) * DAY
    return cost_charts.spend_over_time(
        starts, starts + DAY, parts, "UTC", "US dollars per day", by_day=True, spikes=spikes
    )


def test_a_bar_says_which_requests_are_behind_it_and_names_are_escaped() -> None:
    figure = spend_chart([part("<b>x</b>", [1.0, np.nan, 3.0])])
    (bars,) = figure.data
    assert bars.name == "&lt;b&gt;x&lt;/b&gt;"
    assert list(bars.customdata[2][:4]) == ["bin", 2 * DAY, 3 * DAY, "<b>x</b>"]
    assert np.isnan(bars.y[1])
    assert figure.layout.yaxis.title.text == "US dollars per day"


def test_a_spike_stands_above_the_bar_of_its_day() -> None:
    hours = (SpendSpike(DAY + 7_200_000, 0.5, 0.1), SpendSpike(DAY + 3_600_000, 0.9, 0.1))
    figure = spend_chart([part("a", [1.0, 2.0, 3.0]), part("b", [1.0, 1.0, np.nan])], hours)
    diamonds = figure.data[-1]
    assert list(diamonds.y) == pytest.approx([3.0 * 1.04])
    # Of two in one day, the larger.
    assert list(diamonds.customdata[0][:2]) == ["spike", DAY + 3_600_000]


def test_the_last_bar_of_a_distribution_has_all_above() -> None:
    usd = np.concatenate([np.linspace(0.1, 1.0, 995), [50.0] * 5])
    figure, edges = cost_charts.distribution(usd, "US dollars")
    assert sum(figure.data[0].y) == len(usd)
    assert edges[-1][1] == float("inf")
    for count, (low, high) in zip(figure.data[0].y, edges, strict=True):
        assert count == pytest.approx(((usd >= low) & (usd < high)).sum(), abs=1)
