import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from metrics.buckets import (
    ZERO_BUCKET,
    bucket_edges,
    bucket_lower,
    bucket_of,
    bucket_value,
    quantile,
    share_at_least,
)

LOG = "execution_duration_ms"
LINEAR = "response_reading_ease"
MAGNITUDES = st.floats(1e-300, 1e300)
NUMBERS = st.floats(-1e300, 1e300)
GRADES = st.floats(-1e7, 1e7)


def histogram(metric: str, values: list[float]) -> dict[int, float]:
    buckets, counts = np.unique(bucket_of(metric, values), return_counts=True)
    return dict(zip(buckets.tolist(), counts.astype(float).tolist(), strict=True))


@given(MAGNITUDES)
def test_a_logarithmic_bucket_stands_for_its_values_within_one_percent(value: float) -> None:
    for signed in (value, -value):
        bucket = int(bucket_of(LOG, signed))
        assert bucket_value(LOG, bucket) == pytest.approx(signed, rel=0.01)
    lower, upper = bucket_edges(LOG, int(bucket_of(LOG, value)))
    assert lower <= value < upper


@pytest.mark.parametrize("metric", [LINEAR, "response_fk_grade", "prompt_fk_grade", "response_ari"])
@given(value=GRADES)
def test_a_linear_bucket_is_a_quarter_wide(metric: str, value: float) -> None:
    lower, upper = bucket_edges(metric, int(bucket_of(metric, value)))
    assert lower <= value < upper
    assert upper - lower == 0.25


@given(NUMBERS, NUMBERS)
def test_buckets_sort_as_their_values(a: float, b: float) -> None:
    first, second = bucket_of(LOG, sorted((a, b)))
    assert first <= second


@given(st.integers(-1000, 1000))
def test_powers_of_two_are_edges(exponent: int) -> None:
    value = 2.0**exponent
    bucket = int(bucket_of(LOG, value))
    assert bucket == 35 * exponent
    assert bucket_edges(LOG, bucket)[0] == value
    assert int(bucket_of(LOG, np.nextafter(value, 0))) == bucket - 1


@given(st.integers(-20_000, 20_000))
def test_every_edge_belongs_to_the_bucket_above_it(bucket: int) -> None:
    assert int(bucket_of(LOG, bucket_edges(LOG, bucket)[0])) == bucket
    assert int(bucket_of(LINEAR, bucket_edges(LINEAR, bucket)[0])) == bucket


def test_the_ends_of_the_floating_point_range_have_buckets() -> None:
    values = np.array([5e-324, 1.7e308, -1.7e308, 0.0, -0.0])
    buckets = bucket_of(LOG, values)
    assert buckets.dtype == np.int32
    assert buckets.tolist()[3:] == [ZERO_BUCKET, ZERO_BUCKET]
    assert [bucket_value(LOG, bucket) for bucket in buckets.tolist()] == pytest.approx(values.tolist(), rel=0.01)
    assert bucket_of(LINEAR, [1e300, -1e300]).tolist() == [2**30, -(2**30)]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_value_that_is_no_number_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match="A value of prompt_toxicity is not a finite number"):
        bucket_of("prompt_toxicity", [0.5, value])


def test_the_toxicity_threshold_of_one_half_is_counted_exactly() -> None:
    values = [0.0, 0.4999, 0.5, 0.5001, 0.9, 1.0, 1e-9, 0.25]
    assert share_at_least("response_toxicity", histogram("response_toxicity", values), 0.5) == 0.5


@given(st.lists(NUMBERS, min_size=1, max_size=50), st.floats(-1e6, 1e6))
def test_no_value_below_a_threshold_is_counted(values: list[float], threshold: float) -> None:
    first = bucket_lower(LOG, threshold)
    counted = [value for value in values if int(bucket_of(LOG, value)) >= first]
    assert all(value >= threshold for value in counted)
    missed = [value for value in values if value >= threshold and value not in counted]
    assert all(value <= threshold + 0.0201 * abs(threshold) for value in missed)


@given(st.lists(GRADES, min_size=1, max_size=50), st.integers(-4000, 4000))
def test_thresholds_on_the_linear_grid_are_counted_exactly(values: list[float], quarters: int) -> None:
    share = share_at_least(LINEAR, histogram(LINEAR, values), quarters / 4)
    assert share == pytest.approx(np.mean(np.array(values) >= quarters / 4))


@given(st.lists(st.floats(0, 1e9), min_size=1, max_size=200), st.floats(0, 1))
def test_a_quantile_is_within_one_percent_of_the_values_own(values: list[float], q: float) -> None:
    expected = np.quantile(values, q, method="inverted_cdf")
    nearby = {expected, *np.quantile(values, [max(0, q - 1e-9), min(1, q + 1e-9)], method="inverted_cdf")}
    result = quantile(LOG, histogram(LOG, values), q)
    assert any(result == pytest.approx(value, rel=0.01, abs=1e-320) for value in nearby)


def test_quantiles_follow_the_weights() -> None:
    one, hundred = (int(bucket) for bucket in bucket_of(LOG, [1.0, 100.0]))
    assert quantile(LOG, {one: 99.0, hundred: 1.0}, 0.95) == pytest.approx(1, rel=0.01)
    assert quantile(LOG, {one: 1.0, hundred: 99.0}, 0.95) == pytest.approx(100, rel=0.01)


def test_an_empty_histogram_has_neither_quantile_nor_share() -> None:
    assert np.isnan(quantile(LOG, {}, 0.5))
    assert np.isnan(share_at_least(LOG, {}, 1.0))


def test_a_quantile_outside_zero_to_one_is_refused() -> None:
    with pytest.raises(ValueError, match="between 0 and 1, not 95"):
        quantile(LOG, {1: 1.0}, 95)
