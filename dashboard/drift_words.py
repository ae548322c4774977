"""How columns, slices and statistics of drift are called on pages."""

from dataclasses import dataclass

from dashboard.measures import MEASURES
from dashboard.wording import number, percent

_COLUMNS = {
    ":table": ("Whole table", ""),
    "prompt_topics": ("Topics of the prompts", "share"),
    "errors": ("Failed requests", "share"),
    "status_code": ("Status", "HTTP status"),
    "response_flagged": ("Flagged answers", "share"),
    "prompt_flagged": ("Flagged prompts", "share"),
    "response_chars": ("Length of the answer", "characters"),
    "prompt_chars": ("Length of the prompt", "characters"),
}
"""Column → title and unit, of those that are no measure of one request."""
_SLICES = {
    "entity_version": "version",
    "requester": "requesters of",
    "status_class": "status",
    "endpoint_name": "endpoint",
}
PROFILED_AS = {"prompt_flagged": "prompt_toxicity", "response_flagged": "response_toxicity", "errors": "status_code"}
"""Column of a finding → the column whose profile shows it, where it has none of its own."""
JUDGED_AGAINST = {"CONSECUTIVE": "the hours before", "BASELINE": "the same hours of earlier days"}
"""Type of a finding → what it was judged against."""
COMPARED_WITH = {"CONSECUTIVE": "the window before", "BASELINE": "the week before"}
"""Type of a row of the drift table → what it compares with."""


@dataclass(frozen=True)
class Statistic:
    """A statistic as people read it."""

    title: str
    meaning: str


PROFILE_STATISTICS = {
    "avg": Statistic("Average", "Mean of the values that are there."),
    "median": Statistic("Median", "Half of the values lie below it."),
    "count": Statistic("Rows", "Requests in the window."),
    "stddev": Statistic("Standard deviation", "How far values scatter around the average."),
    "min": Statistic("Smallest", "Smallest value."),
    "max": Statistic("Largest", "Largest value."),
    "percent_null": Statistic("Missing, %", "Rows without a value."),
    "percent_zeros": Statistic("Zeros, %", "Rows whose value is 0."),
    "percent_distinct": Statistic("Distinct, %", "Different values, of all rows."),
    "distinct_count": Statistic("Distinct values", "Different values, perhaps estimated."),
    "avg_length": Statistic("Average length", "Mean number of characters of a text."),
}
"""Column of the profile table → how it is called."""

DRIFT_STATISTICS = {
    "ks_statistic": Statistic("Kolmogorov-Smirnov distance", "0 to 1: the largest gap between both distributions."),
    "ks_pvalue": Statistic("Kolmogorov-Smirnov, p", "How often chance alone gives such a gap."),
    "wasserstein_distance": Statistic("Wasserstein distance", "How far values moved on average, in the column's unit."),
    "population_stability_index": Statistic("Population stability index", "0: same; from 0.2 on a clear shift."),
    "js_distance": Statistic("Jensen-Shannon distance", "0 to 1, for categories."),
    "chi_squared_statistic": Statistic("Chi-squared", "Statistic of the test on counts of categories."),
    "chi_squared_pvalue": Statistic("Chi-squared, p", "How often chance alone gives such counts."),
    "tv_distance": Statistic("Total variation distance", "0 to 1: the share that changed category."),
    "l_infinity_distance": Statistic("L-infinity distance", "0 to 1: the largest change of one category's share."),
    "avg_delta": Statistic("Change of the average", "In the column's unit."),
    "count_delta": Statistic("Change of the rows", "Requests more or less."),
    "percent_null_delta": Statistic("Change of the missing", "Percentage points."),
}
"""Name in `queries.drift_statistics.DRIFT_COLUMNS` → how it is called."""


def column_title(column: str) -> str:
    """How a column is called."""
    if column in MEASURES:
        return MEASURES[column].title
    known = _COLUMNS.get(column)
    return known[0] if known else column.replace("_", " ").capitalize()


def column_label(column: str) -> str:
    """How a column is called, with its unit."""
    unit = MEASURES[column].unit if column in MEASURES else _COLUMNS.get(column, ("", ""))[1]
    return f"{column_title(column)}, {unit}" if unit else column_title(column)


def column_value(column: str, value: float, *, share: bool = False) -> str:
    """A value of a column with as many digits as people want. share: it is one from 0 to 1, of any column."""
    if share or _COLUMNS.get(column, ("", ""))[1] == "share":
        return percent(value)
    if column in MEASURES:
        return number(value, MEASURES[column].decimals)
    return number(value, 0 if abs(value) >= 100 else 3)


def slice_words(slice_key: str, slice_value: str) -> str:
    """Which requests a slice has, in a few words."""
    if not slice_key:
        return "all requests"
    value = slice_value or "none"
    return f"{_SLICES.get(slice_key, slice_key.replace('_', ' '))} {value}"
