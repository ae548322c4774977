from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.routing import TrafficSplit


@given(st.lists(st.integers(1, 50), min_size=1, max_size=6))
def test_after_every_full_round_each_served_entity_has_had_exactly_its_share(weights):
    percentages = {f"chatbot-{number}": weight for number, weight in enumerate(weights)}
    split = TrafficSplit(percentages)
    for _ in range(3):
        assert Counter(split.next() for _ in range(sum(weights))) == percentages


def test_ninety_to_ten_gives_every_tenth_request_to_the_second():
    split = TrafficSplit({"old": 90, "new": 10})
    turns = [number for number in range(100) if split.next() == "new"]
    assert [later - earlier for earlier, later in pairwise(turns)] == [10] * 9


def test_a_served_entity_at_zero_per_cent_is_never_due():
    split = TrafficSplit({"live": 100, "warm": 0})
    assert {split.next() for _ in range(200)} == {"live"}


def test_without_traffic_there_is_nobody_to_ask():
    with pytest.raises(LookupError):
        TrafficSplit({}).next()
