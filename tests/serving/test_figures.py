import math
import re

import pytest

from serving.endpoint_metrics import parse
from serving.figures import Distribution, Family, Sample, counter, gauge, prometheus_text

LINE = re.compile(
    r'[a-zA-Z_:][\w:]*(?:\{[a-zA-Z_]\w*="(?:[^"\\\n]|\\[\\"n])*"(?:,[a-zA-Z_]\w*="(?:[^"\\\n]|\\[\\"n])*")*\})? \S+'
)


def test_each_family_is_described_once_before_its_samples():
    text = prometheus_text(
        [
            counter("asked_total", "What was\nasked.", [Sample(3, {"a": "1"}), Sample(2.5, {"a": "2"})]),
            gauge("nothing", "Left out.", []),
            gauge("ready", "Whether.", [Sample(1)]),
        ]
    )
    assert text == (
        "# HELP asked_total What was\\nasked.\n# TYPE asked_total counter\n"
        'asked_total{a="1"} 3\nasked_total{a="2"} 2.5\n'
        "# HELP ready Whether.\n# TYPE ready gauge\nready 1\n"
    )


def test_a_distribution_is_told_cumulatively_and_ends_with_all():
    spread = Distribution((0.1, 1.0), (2, 0, 3), 7.25, {"name": "x"})
    lines = prometheus_text([Family("took_seconds", "How long.", "histogram", distributions=[spread])]).splitlines()
    assert lines[2:] == [
        'took_seconds_bucket{name="x",le="0.1"} 2',
        'took_seconds_bucket{name="x",le="1"} 2',
        'took_seconds_bucket{name="x",le="+Inf"} 5',
        'took_seconds_sum{name="x"} 7.25',
        'took_seconds_count{name="x"} 5',
    ]


@pytest.mark.parametrize("name", ['quote " and \\ back', "two\nlines", "{}=,", "ü", ""])
def test_no_name_breaks_out_of_its_label(name):
    text = prometheus_text([gauge("in_flight", "…", [Sample(1, {"served_model_name": name, "b": "c"})])])
    sample = text.splitlines()[-1]
    assert LINE.fullmatch(sample), sample
    # Our own reader of such pages finds the name again.
    assert [one.name for one in parse(text)] == [name]


@pytest.mark.parametrize(
    ("value", "written"), [(math.nan, "NaN"), (math.inf, "+Inf"), (-math.inf, "-Inf"), (2**60, "1.152921504606847e+18")]
)
def test_numbers_are_written_as_prometheus_reads_them(value, written):
    assert prometheus_text([gauge("g", "…", [Sample(value)])]).splitlines()[-1] == f"g {written}"
