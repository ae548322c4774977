"""Values that another system wrote: one that cannot be read takes no other with it."""

import pyarrow as pa
import pytest

from lakehouse.foreign_values import NO_VALUE, as_type, python_values


def texts(*values: bytes) -> pa.Array:
    """A column of texts that holds these bytes, as Parquet files may."""
    return pa.StringArray.from_buffers(len(values), *pa.array(values, pa.binary()).buffers()[1:])


DAMAGED = texts(b"good", b"\xff\xfe", b"fine")


@pytest.mark.parametrize(
    ("column", "kind", "expected"),
    [
        (pa.StructArray.from_arrays([DAMAGED], ["text"]), pa.string(), ['{"text": "good"}', None, '{"text": "fine"}']),
        (pa.ListArray.from_arrays([0, 1, 2, 3], DAMAGED), pa.list_(pa.string()), [["good"], None, ["fine"]]),
    ],
    ids=["a structure for a body", "a list as it should be"],
)
def test_damaged_text_inside_of_a_value_takes_that_value_only(
    column: pa.Array, kind: pa.DataType, expected: list[object]
) -> None:
    read, lost = as_type(pa.chunked_array([column]), kind)
    assert read.to_pylist() == expected
    assert lost.tolist() == [False, True, False]


def test_a_map_with_damaged_text_is_told_from_the_others() -> None:
    tags = pa.MapArray.from_arrays([0, 1, 2, 3], pa.array(["model"] * 3), DAMAGED)
    values = python_values(pa.chunked_array([tags]))
    assert values[1] is NO_VALUE
    assert [values[0], values[2]] == [[("model", "good")], [("model", "fine")]]
