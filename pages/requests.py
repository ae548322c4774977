"""Requests: find single requests by time, version, score, status, requester or text, and open one."""

import streamlit as st

from dashboard import widgets
from dashboard.panels import request_details, requests_filters, requests_search
from dashboard.panels import requests as panels
from dashboard.time_range import moment_banner, moment_control, time_range_control

widgets.header("Requests", "Find single requests: by time, version, score, status, requester or text.", dated=True)
moment_banner()

if request_details.is_one_asked():
    with widgets.guarded("Request"):
        request_details.one()
else:
    with widgets.guarded("Filters"):
        requests_filters.take_narrowed()
        with st.container(horizontal=True, vertical_alignment="bottom"):
            chosen = time_range_control()
            endpoint = widgets.endpoint_control()
            moment_control()
        wanted = requests_filters.filters(chosen, endpoint)
        request_details.remember_list()
        with widgets.panel("Found", "Requests that fit all filters; times are those of the page's time zone."):
            if wanted.text:
                requests_search.found(wanted)
            else:
                panels.listed(wanted)
