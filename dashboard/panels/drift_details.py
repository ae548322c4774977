"""One finding of drift with its evidence: both distributions, figures, example requests."""

import math

import streamlit as st

from dashboard import drift_charts
from dashboard.drift_findings import Finding
from dashboard.drift_words import JUDGED_AGAINST, column_label, column_title, column_value, slice_words
from dashboard.links import page_link, request_link, requests_query
from dashboard.panels.safety_words import reveal_button, words
from dashboard.periods import Period
from dashboard.queries import safety_texts
from dashboard.queries.drift import example_requests
from dashboard.queries.request_filters import RequestFilter
from dashboard.widgets import chart, empty, guarded, local, table, time_zone
from dashboard.wording import NOTHING, number, p_value, percent, plain, plural, probability, signed

_STATUS = "status_class"
_MOST_WINDOWS = 3


def facts(found: Finding) -> str:
    """What was compared with what, and how certain it is, in short Markdown lines."""
    return "  \n".join(f":gray[{name}:] {value}" for name, value in _facts(found).items() if value)


def details(found: Finding, period: Period, *, key: str, with_facts: bool = True) -> None:
    """Everything about a finding. period: of the page, for links that keep it."""
    if with_facts:
        st.markdown(facts(found))
    with guarded("Distributions"):
        distributions(found, key)
    if found.terms:
        listed = ", ".join(f"**{plain(term)}**" for term in found.terms[:20])
        st.markdown(f"More often in prompts than before: {listed}")
    with guarded("Examples"):
        _examples(found, key)
    _links(found, key)


def _facts(found: Finding) -> dict[str, str]:
    start, end = local(found.window_start), local(found.window_end)
    values = " → ".join(
        column_value(found.measured, value, share=found.is_share)
        for value in (found.value_compared, found.value)
        if math.isfinite(value)
    )
    effect = f"{plain(found.effect_name or 'effect')} {number(found.effect, 3)}" if math.isfinite(found.effect) else ""
    certain = [f"q {_called(found.q_value)}" if math.isfinite(found.q_value) else ""]
    certain += [p_value(found.p_value) if math.isfinite(found.p_value) else "", plain(found.test)]
    certain += [f"power {percent(found.power, 0)}" if math.isfinite(found.power) else ""]
    return {
        "Column": f"{plain(column_label(found.measured))} (`{_code(found.measured)}`)",
        "Of": plain(slice_words(found.slice_key, found.slice_value)),
        "Window": f"{start:%A, %d %B %Y, %H:%M} to {end:%H:%M} ({plain(found.granularity)}, {plain(time_zone())})",
        "Compared with": _compared(found),
        "Moved": f"{values}{_relative(found)}" if values else "",
        "Effect": effect,
        "Certainty": ", ".join(part for part in certain if part),
        "Requests": f"{number(found.n)} now, {number(found.n_compared)} compared",
        "Persistence": f"{plural(found.windows_in_a_row, 'window')} in a row" if found.windows_in_a_row else "",
    }


def _compared(found: Finding) -> str:
    what = plain(found.reference or JUDGED_AGAINST.get(found.drift_type, found.drift_type.lower()))
    windows = found.compared_windows
    if not windows:
        return what
    said = [f"{local(start):%d %b %H:%M} to {local(end):%d %b %H:%M}" for start, end in windows[-_MOST_WINDOWS:]]
    more = f" and {len(windows) - _MOST_WINDOWS} more, pooled" if len(windows) > _MOST_WINDOWS else ""
    return f"{what}: {'; '.join(said)}{more}"


def _relative(found: Finding) -> str:
    if not (math.isfinite(found.value) and math.isfinite(found.value_compared)) or found.value_compared <= 0:
        return ""
    return f" ({signed(100 * (found.value / found.value_compared - 1), 0)} %)"


def distributions(found: Finding, key: str) -> None:
    """Both distributions of a finding, as a chart and as a table."""
    histogram = found.histogram
    if histogram is None:
        empty("This finding was stored without distributions.")
        return
    names = ("now", "before")
    figure = drift_charts.distributions(histogram, column_label(found.measured), names)
    alt = f"{column_title(found.column_name)}: how values were spread before and now"
    chart(figure, key=f"spread {key}", alt=alt, still=True)
    with st.expander("As a table"):
        bins = (
            [f"{number(a, 3)} to {number(b, 3)}" for a, b in zip(histogram.edges, histogram.edges[1:], strict=False)]
            if histogram.edges
            else [plain(label) for label in histogram.labels]
        )
        table(
            {
                plain(column_label(found.measured)): bins,
                names[0].capitalize(): [number(value) for value in histogram.now],
                names[1].capitalize(): [number(value) for value in histogram.compared],
            },
            alt="Both distributions",
        )


def _examples(found: Finding, key: str) -> None:
    if not found.examples:
        return
    import pandas as pd

    rows = example_requests(found)
    if not rows:
        empty("The example requests are not in the tables any more.")
        return
    st.markdown(f"**{plural(len(rows), 'example request')}**")
    said = safety_texts.words(pd.DataFrame(rows))
    ids = [str(row["databricks_request_id"]) for row in rows]
    reveal_button(f"drift {key}", found.endpoint_name or "drift", ids)
    table(
        {
            "Time": [
                request_link(one, f"{local(row['request_time']):%d %b %H:%M:%S}", row["request_date"])
                for one, row in zip(ids, rows, strict=True)
            ],
            "Version": [f"v{plain(row['entity_version'])}" if row["entity_version"] else NOTHING for row in rows],
            "Prompt": [words(said[one].prompt, one) for one in ids],
            "Answer": [words(said[one].answer, one) for one in ids],
        },
        alt="Example requests of this finding",
    )
    st.caption("Masked: e-mail addresses, phone and card numbers, IBANs, keys and IP addresses; names are not found.")


def _links(found: Finding, key: str) -> None:
    endpoint = "" if found.endpoint_name == "*" else found.endpoint_name
    statuses = (found.slice_value,) if found.slice_key == _STATUS and found.slice_value else ()
    wanted = RequestFilter(found.window_start, found.window_end, endpoint, statuses=statuses)
    with st.container(horizontal=True, gap="small"):
        page_link("requests", "Requests of this window", "list_alt", **requests_query(wanted, time_zone()))
        if found.examples:
            ids = RequestFilter(found.seen_since, found.window_end, endpoint, request_ids=found.examples)
            page_link("requests", "Only the examples", "filter_list", **requests_query(ids, time_zone()))
        page_link("drift", "Link to this finding", "link", finding=found.finding_id)


def _called(value: float) -> str:
    text = probability(value)
    return f"\\{text}" if text.startswith("<") else f"= {text}"


def _code(name: str) -> str:
    return name.replace("`", "")
