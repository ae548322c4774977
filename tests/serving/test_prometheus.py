from serving.prometheus import EntityMetrics, RequestCounters, exposition


def _value(text: str, start: str) -> float:
    (line,) = [line for line in text.splitlines() if line.startswith(start)]
    return float(line.rsplit(" ", 1)[1])


def test_requests_are_counted_by_status_class_and_latency():
    counters = RequestCounters()
    for status, seconds in ((200, 0.004), (200, 0.04), (404, 0.001), (503, 2.5)):
        counters.count(status, seconds)
    text = exposition("chatbot", [EntityMetrics("chatbot-1", counters, 3, 8, 12.5, 1.25)])
    labels = 'endpoint_name="chatbot",served_model_name="chatbot-1"'
    assert _value(text, f"request_count_total{{{labels}}}") == 4
    assert _value(text, f"request_4xx_count_total{{{labels}}}") == 1
    assert _value(text, f"request_5xx_count_total{{{labels}}}") == 1
    assert _value(text, f"provisioned_concurrent_requests_total{{{labels}}}") == 8
    assert _value(text, f"lakehelm_requests_in_flight{{{labels}}}") == 3
    assert _value(text, f"cpu_usage_percentage{{{labels}}}") == 12.5
    assert _value(text, f'request_latency_ms_bucket{{{labels},le="5"}}') == 2
    assert _value(text, f'request_latency_ms_bucket{{{labels},le="+Inf"}}') == 4
    assert _value(text, f"request_latency_ms_count{{{labels}}}") == 4
    assert _value(text, f"request_latency_ms_sum{{{labels}}}") == 2545


def test_each_metric_declares_its_type_once():
    entities = [EntityMetrics(f"chatbot-{number}", RequestCounters(), 0, 8, 0, 0) for number in (1, 2)]
    declared = [line.split()[2] for line in exposition("chatbot", entities).splitlines() if line.startswith("# TYPE")]
    assert len(declared) == len(set(declared)) == 9
