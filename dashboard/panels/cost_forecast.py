"""What the present month will come to."""

import streamlit as st

from dashboard import cost_charts as charts
from dashboard.downloads import download
from dashboard.money import money, money_decimals
from dashboard.panels.behind import rows_behind
from dashboard.panels.cost_over_time import BEHIND
from dashboard.panels.marked import marked_line, opened_change
from dashboard.queries import changes, cost_days
from dashboard.queries.cost_days import MonthSpend
from dashboard.widgets import chosen_point, clickable_chart, empty, table, time_zone
from dashboard.wording import number, plain, plural


def month(endpoint: str) -> None:
    """The month so far and where it is going, in a sentence and a chart."""
    found = cost_days.month_spend(endpoint, time_zone())
    if not found.days and not found.forecast.history_days:
        empty("Nothing with a price was spent in this month or in the weeks before.")
        return
    st.markdown(sentence(found))
    marked = changes.markers(cost_days.month_period(found, time_zone()), endpoint)
    figure = charts.month_to_date(found, time_zone(), marked)
    points = clickable_chart(figure, key="forecast", alt=sentence(found).replace("*", "").replace("\\", ""))
    st.caption(_method(found))
    marked_line(marked)
    opened_change(points)
    day = chosen_point(points, "day")
    if day is not None:
        wanted = cost_days.day_filter(endpoint, str(day[1]), time_zone())
        rows_behind(wanted, BEHIND, order="cost_usd")
    with st.container(horizontal=True, gap="small"):
        opened = st.expander("As a table", on_change="rerun", key="table of the month")
        with opened:
            if opened.open:
                _table(found)
        download(lambda: cost_days.month_frame(found), f"spend of {found.today:%B %Y}")


def sentence(found: MonthSpend) -> str:
    """The forecast in one sentence, as Markdown."""
    forecast, name = found.forecast, f"{found.today:%B}"
    decimals = max(money_decimals([forecast.total]), 2)
    total, so_far = (plain(money(amount, decimals)) for amount in (forecast.total, forecast.so_far))
    if forecast.method == "nothing":
        return f"**So far {name} cost {so_far}.** A forecast needs a full day of history."
    if forecast.low is None or forecast.high is None:
        return f"**{name} would come to about {total}** at the rate of one day; so far {so_far}."
    low, high = (plain(money(amount, decimals)) for amount in (forecast.low, forecast.high))
    interval = f"{forecast.coverage * 100:.0f} % interval {low} to {high}"
    if forecast.method == "run rate":
        return (
            f"**{name} would come to about {total} at the present rate** ({interval}: little is known after "
            f"{plural(forecast.history_days, 'day')}); so far {so_far}."
        )
    return f"**{name} will come to about {total}** ({interval}); so far {so_far}."


def _method(found: MonthSpend) -> str:
    days = number(found.forecast.history_days)
    rests = {
        "weekdays": f"Rests on the weekdays of the last {days} full days; the later ones count more.",
        "level": f"Rests on the average of the last {days} full days; weekdays are told apart from two weeks on.",
        "run rate": f"Only a run rate: the average of {days} full days. From a week on it is a forecast.",
        "nothing": "There is no full day of history yet.",
    }[found.forecast.method]
    return f"{rests} Days are those of {plain(time_zone())}. Click a day for its requests."


def _table(found: MonthSpend) -> None:
    days, forecast = sorted(found.days), found.forecast
    decimals = money_decimals([forecast.total]) + 1
    ahead = [one for one in forecast.days if one.day > found.today]
    total, so_far = 0.0, []
    for day in days:
        total += found.days[day]
        so_far.append(total)
    table(
        {
            "Day": [f"{day:%d %b}" for day in [*days, *(one.day for one in ahead)]],
            "Spent": [plain(money(found.days[day], decimals)) for day in days] + [""] * len(ahead),
            "Since the first": [plain(money(value, decimals)) for value in so_far]
            + [f"{plain(money(one.total, decimals))} expected" for one in ahead],
        },
        alt="The month day by day",
    )
