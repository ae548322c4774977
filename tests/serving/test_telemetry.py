import json
import logging
import math
import time

import pytest

from serving.errors import TelemetryFailed
from serving.figures import Distribution, Family, Sample, counter, gauge
from serving.telemetry import Collector, Sender
from tests.serving import collector as collectors

SPREAD = Distribution((0.1, 1.0), (2, 0, 3), 7.25)
ASKED = [Sample(3, {"status_class": "2xx"}), Sample(1, {"status_class": "5xx"})]
FIGURES = [
    counter("lakehelm_asked_total", "Requests.", ASKED),
    gauge("lakehelm_age_seconds", "How old.", [Sample(1.5), Sample(math.nan), Sample(math.inf)]),
    gauge("lakehelm_nothing", "Nothing.", []),
    Family("lakehelm_took_seconds", "How long.", "histogram", distributions=[SPREAD]),
]


@pytest.fixture
def collector():
    with collectors.collecting() as state:
        yield state


def test_figures_arrive_as_the_protocol_has_them(collector):
    client = Collector(f"{collector.address}/", "lakehelm-gateway", "abc")
    client.send(client.payload(FIGURES))
    assert collector.paths == ["/v1/metrics"]
    (message,) = collector.requests()
    (resource,) = message.resource_metrics
    named = {one.key: one.value.string_value for one in resource.resource.attributes}
    assert named == {
        "service.name": "lakehelm-gateway",
        "service.namespace": "lakehelm",
        "service.instance.id": "abc",
    }
    metrics = {metric.name: metric for metric in resource.scope_metrics[0].metrics}
    assert set(metrics) == {"lakehelm_asked", "lakehelm_age_seconds", "lakehelm_took_seconds"}
    asked = metrics["lakehelm_asked"].sum
    assert asked.is_monotonic
    assert asked.aggregation_temporality == 2
    assert [(point.attributes[0].value.string_value, point.as_double) for point in asked.data_points] == [
        ("2xx", 3),
        ("5xx", 1),
    ]
    assert 0 < asked.data_points[0].start_time_unix_nano <= asked.data_points[0].time_unix_nano
    # JSON has neither NaN nor infinity.
    assert [point.as_double for point in metrics["lakehelm_age_seconds"].gauge.data_points] == [1.5]
    assert metrics["lakehelm_age_seconds"].unit == "s"
    (took,) = metrics["lakehelm_took_seconds"].histogram.data_points
    assert (list(took.bucket_counts), list(took.explicit_bounds)) == ([2, 0, 3], [0.1, 1.0])
    assert (took.count, took.sum) == (5, 7.25)


@pytest.mark.parametrize(
    "url",
    ["127.0.0.1:4318", "file:///etc/passwd", "http://", "http://me:secret@host", "http://host:port", "gopher://a"],
)
def test_an_address_that_is_none_is_one_sentence_without_what_it_holds(url):
    with pytest.raises(TelemetryFailed, match=r"^LAKEHELM_TELEMETRY_URL is no address of a collector") as error:
        Collector(url, "s", "i")
    assert "secret" not in str(error.value)


def test_a_collector_that_refuses_or_is_not_there_is_a_sentence(collector):
    collector.status = 503
    client = Collector(collector.address, "s", "i")
    with pytest.raises(TelemetryFailed, match="refused the figures with 503"):
        client.send(client.payload(FIGURES))
    with pytest.raises(TelemetryFailed, match=r"takes no figures: Connection refused\."):
        Collector("http://127.0.0.1:9", "s", "i").send(b"{}")


def test_a_collector_that_was_down_gets_everything_once_it_is_back(collector, caplog):
    caplog.set_level(logging.ERROR, "serving.telemetry")
    collector.status = 500
    asked = iter(range(1, 10_000))
    sender = Sender(collector.address, "s", "i", every_seconds=0.01)
    sender.start(lambda: [counter("asked_total", "Requests.", [Sample(next(asked))])])
    collector.wait_for(3)
    collector.status = 200
    collector.wait_for(len(collector.bodies) + 2)
    sender.stop()
    # A counter counts from its start on: the first body that is taken has all of it.
    assert collector.values()["asked"] >= 5
    assert [record.message for record in caplog.records].count(caplog.records[0].message) == 1
    assert "refused the figures with 500" in caplog.text


def test_a_collector_that_hangs_delays_nobody(collector):
    collector.hangs.set()
    sender = Sender(collector.address, "s", "i", every_seconds=0.01)
    began = time.monotonic()
    sender.start(lambda: FIGURES)
    collector.wait_for(1)
    sender.stop()
    assert time.monotonic() - began < 5
    assert json.loads(collector.bodies[0])


def test_without_an_address_nothing_is_gathered():
    def gather():
        raise AssertionError("gathered")

    Sender("", "s", "i").start(gather)


def test_a_wrong_address_is_logged_and_nothing_more(caplog):
    sender = Sender("nowhere", "s", "i")
    sender.start(lambda: FIGURES)
    assert "is no address of a collector" in caplog.text
    assert sender.problem
