import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from metrics.engines.batches import batches_by_tokens, padded


@given(st.lists(st.integers(0, 300), max_size=60), st.integers(1, 400))
def test_every_text_with_tokens_is_in_exactly_one_batch_within_the_budget(lengths: list[int], budget: int) -> None:
    batches = list(batches_by_tokens(lengths, budget))
    assert sorted(i for batch in batches for i in batch) == [i for i, length in enumerate(lengths) if length]
    for batch in batches:
        assert len(batch) == 1 or len(batch) * max(lengths[i] for i in batch) <= budget


def test_rows_are_filled_up_on_the_right() -> None:
    table = padded([np.array([5], dtype=np.int32), np.array([6, 7], dtype=np.int32)], filler=9)
    assert table.tolist() == [[5, 9], [6, 7]]
