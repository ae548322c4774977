"""Traffic: how much is asked and answered: requests, tokens, latency and errors over time."""

import streamlit as st

from dashboard import time_range, widgets
from dashboard.panels import traffic, traffic_errors, traffic_latency, traffic_spikes

widgets.header("Traffic", "How much is asked and answered: requests, tokens, latency and errors over time.", dated=True)
time_range.moment_banner()
with st.container(horizontal=True, vertical_alignment="bottom"):
    asked = time_range.time_range_control("24h")
    endpoint = widgets.endpoint_control()
    time_range.moment_control()


def requests_and_tokens() -> None:
    """How much was asked and answered, by version, requester or status."""
    by = traffic.split_control()
    split = traffic.SPLITS[by].lower()
    with widgets.panel("Requests over time", f"Logged requests by {split}. A bar opens the requests behind it."):
        traffic.requests_over_time(endpoint, asked, by)
    with st.grid(2, min_column_width=320):
        for metric, title in traffic.TOKENS.items():
            with widgets.panel(f"{title} over time", f"Tokens by {split}, as counted for each request."):
                traffic.tokens_over_time(endpoint, asked, by, metric)


def latency() -> None:
    """How long answers took."""
    with widgets.panel("Latency over time", "How long the endpoint took to answer, in ms, within 1 %."):
        traffic_latency.over_time_lines(endpoint, asked)
    with st.grid(2, min_column_width=320):
        with widgets.panel("Latency by length of the answer", "Median and 95th percentile, in ms, by tokens out."):
            traffic_latency.by_tokens(endpoint, asked)
        with widgets.panel("Distribution", "How latency and tokens are spread over a version's requests."):
            traffic_latency.spread(endpoint, asked)


def errors() -> None:
    """What failed, from both sources."""
    with widgets.panel("Errors", "Failed requests, 4xx and 5xx, from both sources: each misses what the other sees."):
        traffic_errors.over_time(endpoint, asked)
        with st.grid(2, min_column_width=300):
            with widgets.panel("In the inference table", "Requests in this time, by version.", border=False):
                traffic_errors.logged(endpoint, asked)
            with widgets.panel("Counted by the endpoint", "Its own metrics of the last minute.", border=False):
                traffic_errors.counted_by_endpoint(endpoint)


def spikes_and_rhythm() -> None:
    """What was unusual, and what is usual."""
    with widgets.panel("Spikes", "Requests and tokens that suddenly rose far above what is usual at that hour."):
        traffic_spikes.spikes(endpoint, asked)
    with widgets.panel("Rhythm of the week", "Requests per hour on average, by weekday and hour of day."):
        traffic.rhythm_of_week(endpoint, asked)


anything = False
with widgets.guarded("Traffic"):
    anything = traffic.tiles(endpoint, asked)

if anything:
    widgets.parts(
        {
            "Requests and tokens": requests_and_tokens,
            "Latency": latency,
            "Errors": errors,
            "Spikes and rhythm": spikes_and_rhythm,
        }
    )
else:
    errors()
