import math

import numpy as np

from metrics.profiles import SAMPLE, CategoryProfile, number_profiles


def matrix(*columns: list[float | None]) -> tuple[np.ndarray, np.ndarray]:
    numbers = np.array([[math.nan if value is None else value for value in column] for column in columns]).T
    return numbers, np.array([[value is None for value in column] for column in columns]).T


def test_a_column_by_hand() -> None:
    numbers, nulls = matrix([0.0, 4.0, None, 2.0, math.nan, 2.0], [None] * 6, [None, 7.0, None, None, None, None])
    full, empty, single = number_profiles(numbers, nulls)
    assert (full.rows, full.nulls, full.nans, full.zeros, full.distinct) == (6, 1, 1, 1, 3)
    assert (full.avg, full.min, full.max) == (2.0, 0.0, 4.0)
    assert full.stddev == np.std([0, 4, 2, 2], ddof=1)
    assert full.values.tolist() == [0, 2, 2, 4]
    assert full.quantiles(3).tolist() == [0, 2, 4]
    assert (empty.nulls, empty.distinct, len(empty.values), len(empty.quantiles(5))) == (6, 0, 0, 0)
    assert all(math.isnan(value) for value in (empty.avg, empty.stddev, empty.min, empty.max))
    assert (single.avg, single.distinct) == (7.0, 1)
    assert math.isnan(single.stddev)


def test_columns_are_profiled_as_one_by_one() -> None:
    random = np.random.default_rng(3)
    numbers = random.lognormal(size=(500, 4))
    numbers[random.random((500, 4)) < 0.3] = math.nan
    for column, profile in enumerate(number_profiles(numbers, np.isnan(numbers))):
        known = numbers[~np.isnan(numbers[:, column]), column]
        assert math.isclose(profile.avg, known.mean())
        assert math.isclose(profile.stddev, known.std(ddof=1))
        assert profile.distinct == len(np.unique(known))
        assert np.array_equal(profile.values, np.sort(known))


def test_a_large_window_is_sampled_evenly_and_counted_whole() -> None:
    rows = 3 * SAMPLE + 1
    numbers = np.arange(rows, dtype=np.float64)[:, None]
    (profile,) = number_profiles(numbers, np.isnan(numbers))
    assert (profile.rows, profile.sampled, len(profile.values)) == (rows, SAMPLE, SAMPLE)
    assert (profile.min, profile.max, profile.avg) == (0, rows - 1, (rows - 1) / 2)
    assert set(np.diff(profile.values)) <= {3.0, 4.0}


def test_frequent_categories_come_by_count_then_by_name() -> None:
    profile = CategoryProfile(rows=9, nulls=1, counts={"b": 2, "a": 2, "c": 4})
    assert profile.frequent() == [("c", 4), ("a", 2), ("b", 2)]
    assert (profile.distinct, profile.sampled) == (3, 9)
