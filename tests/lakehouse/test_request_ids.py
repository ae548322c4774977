import itertools
from collections import Counter

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from lakehouse.generations import normalise
from lakehouse.request_ids import content_hash_in, content_hashes, fill_in_ids
from tests.lakehouse.inference_rows import inference_rows


def filled(rows: pa.Table, cuts: list[int], version: int = 3) -> list[str]:
    seen: Counter[str] = Counter()
    ids: list[str] = []
    borders = [0, *sorted(cut % (rows.num_rows + 1) for cut in cuts), rows.num_rows]
    for start, end in itertools.pairwise(borders):
        batch = rows.slice(start, end - start)
        versions = pa.chunked_array([pa.array([version] * batch.num_rows, pa.int64())])
        ids += fill_in_ids(batch, versions, seen)["databricks_request_id"].to_pylist()
    return ids


def with_requests(requests: list[str | None]) -> pa.Table:
    empty = normalise(inference_rows([]), 2)
    return pa.concat_tables([empty, *(normalise(inference_rows([None], request=request), 2) for request in requests)])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.sampled_from(["a", "b", None]), max_size=8), st.lists(st.integers(0, 100), max_size=3), st.randoms())
def test_ids_are_distinct_and_the_same_in_every_batching_and_order(requests, cuts, random) -> None:  # type: ignore[no-untyped-def]
    ids = filled(with_requests(requests), [])
    assert len(set(ids)) == len(requests)
    assert filled(with_requests(requests), cuts) == ids
    random.shuffle(requests)
    assert sorted(filled(with_requests(requests), cuts)) == sorted(ids)


def test_ids_that_are_there_stay_and_empty_ones_count_as_missing() -> None:
    ids = filled(normalise(inference_rows(["kept", "", None]), 2), [])
    assert ids[0] == "kept"
    assert ids[1].startswith("null-")
    assert ids[2].startswith("null-")
    assert len(set(ids)) == 3


def test_the_same_content_in_another_commit_is_another_row() -> None:
    rows = normalise(inference_rows([None]), 2)
    assert filled(rows, [], version=3) != filled(rows, [], version=4)


def test_the_content_can_be_found_again_by_its_id() -> None:
    rows = normalise(inference_rows([None], request="q"), 2)
    (made,) = filled(rows, [])
    assert content_hash_in(made) == content_hashes(rows)[0]
    assert content_hash_in("null-object-id") is None
    assert content_hash_in("5f1c-a-b-c") is None


def test_an_id_is_the_same_in_every_release() -> None:
    # Changing this makes every stored id of a nameless row unfindable, and has such rows scored a second time.
    assert filled(normalise(inference_rows([None]), 2), []) == ["null-ff5d8694824a4aebcbe1c71d853d56fa-3-0"]
