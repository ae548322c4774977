"""Prices in force over a stretch of time are those that the metrics job picks at each moment of it."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from metrics.cost import Price, pick_price
from metrics.price_list import prices_in_force, prices_of_csv, published_price

START = datetime(2026, 11, 1, tzinfo=UTC)
END = START + timedelta(days=30)


def price(day: int, usd: float = 1.0, version: str = "", source: str = "list") -> Price:
    return Price("prod.chatbot", version, usd, 2 * usd, START + timedelta(days=day), source)


@given(
    st.lists(
        st.builds(
            price,
            st.integers(-10, 40),
            st.sampled_from((0.5, 1.0, 2.0)),
            st.sampled_from(("", "1", "2")),
            st.sampled_from(("file", "table")),
        ),
        max_size=6,
    )
)
def test_every_moment_has_the_price_that_the_job_would_pick(prices: list[Price]) -> None:
    found = prices_in_force(prices, "prod.chatbot", "1", START, END, published=False)
    assert found[0].start == START
    assert found[-1].end == END
    assert all(one.end == following.start for one, following in pairwise(found))
    for hours in range(0, 30 * 24, 11):
        moment = START + timedelta(hours=hours)
        (at,) = [one.price for one in found if one.start <= moment < one.end]
        assert at == pick_price(prices, "prod.chatbot", "1", moment)


def test_a_price_that_changes_within_the_time_has_two_parts() -> None:
    found = prices_in_force([price(-5, 1.0), price(10, 3.0)], "prod.chatbot", "2", START, END)
    assert [(one.price and one.price.input_usd_per_million, one.start.day) for one in found] == [(1.0, 1), (3.0, 11)]


def test_time_before_the_first_price_has_none() -> None:
    found = prices_in_force([price(10)], "prod.chatbot", "2", START, END)
    assert [one.price is None for one in found] == [True, False]


def test_published_prices_stand_in_where_the_list_has_none() -> None:
    (found,) = prices_in_force([], "gpt-4o-mini", "1", START, END)
    assert found.price is not None
    assert found.price == published_price("gpt-4o-mini", START)
    assert 0 < found.price.input_usd_per_million < found.price.output_usd_per_million < 10
    assert "genai-prices" in found.price.source
    (without,) = prices_in_force([], "gpt-4o-mini", "1", START, END, published=False)
    assert without.price is None


def test_a_price_file_without_a_zone_is_utc() -> None:
    text = "model,version,input_usd_per_million,output_usd_per_million,effective_from\nm,,1,2,2026-01-01\n"
    (found,) = prices_of_csv(text, "own.csv")
    assert (found.source, found.effective_from) == ("price file own.csv", datetime(2026, 1, 1, tzinfo=UTC))
