"""The spool keeps what it says it keeps, and drops only what nobody was told of."""

import asyncio
import errno
import os
import subprocess
import sys
import textwrap

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving import spool as spools
from serving.spool import Spool, SpoolError, read_segment, segments_of_dead_spools


def _append_all(spool: Spool, records: list[bytes]) -> None:
    async def append() -> None:
        await asyncio.gather(*(spool.append(record) for record in records))

    asyncio.run(append())


def test_every_appended_record_stands_in_the_closed_segments_in_order(tmp_path):
    spool = Spool(tmp_path)
    records = [f"record {number}".encode() for number in range(100)]
    _append_all(spool, records)
    spool.close()
    assert [record for segment in spool.take_closed() for record in read_segment(segment.path)] == records


def test_a_record_is_on_disk_when_append_returns(tmp_path):
    spool = Spool(tmp_path)
    _append_all(spool, [b"durable"])
    (path,) = tmp_path.glob("*/*.segment")
    assert read_segment(path) == [b"durable"]
    spool.close()


def test_a_full_segment_is_closed_and_the_next_one_begun(tmp_path):
    spool = Spool(tmp_path, largest_segment=100)
    for number in range(4):
        _append_all(spool, [bytes([number]) * 60])
    assert [segment.number for segment in spool.take_closed()] == [1, 2]
    spool.close()


def test_roll_leaves_no_empty_segment(tmp_path):
    spool = Spool(tmp_path)
    spool.roll()
    _append_all(spool, [b"one"])
    spool.roll()
    spool.roll()
    assert [segment.number for segment in spool.take_closed()] == [1]
    spool.close()


@settings(max_examples=60, deadline=None)
@given(records=st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=5), data=st.data())
def test_a_segment_torn_at_any_byte_gives_the_records_before_the_tear(tmp_path_factory, records, data):
    folder = tmp_path_factory.mktemp("torn")
    spool = Spool(folder)
    _append_all(spool, records)
    spool.close()
    (segment,) = spool.take_closed()
    whole = segment.path.read_bytes()
    length = data.draw(st.integers(0, len(whole)))
    garbage = data.draw(st.binary(max_size=10))
    complete, position = [], 8
    for record in records:
        position += 8 + len(record)
        if position <= length:
            complete.append(record)
    segment.path.write_bytes(whole[:length])
    assert read_segment(segment.path) == complete
    segment.path.write_bytes(whole + b"\0" * len(garbage) + garbage)
    assert read_segment(segment.path) == records


def test_a_flipped_byte_is_not_taken_for_a_record(tmp_path):
    spool = Spool(tmp_path)
    _append_all(spool, [b"first record", b"second record"])
    spool.close()
    (segment,) = spool.take_closed()
    content = bytearray(segment.path.read_bytes())
    content[-1] ^= 1
    segment.path.write_bytes(content)
    assert read_segment(segment.path) == [b"first record"]


def test_what_a_dead_spool_left_is_found_and_the_living_one_is_not_touched(tmp_path):
    dead = Spool(tmp_path)
    _append_all(dead, [b"left behind"])
    dead.close()
    living = Spool(tmp_path)
    _append_all(living, [b"mine"])
    (found,) = segments_of_dead_spools(tmp_path, living.spool_id)
    assert (found.spool_id, found.number) == (dead.spool_id, 1)
    assert read_segment(found.path) == [b"left behind"]
    living.close()


def test_a_closed_spool_takes_no_record(tmp_path):
    spool = Spool(tmp_path)
    spool.close()
    with pytest.raises(SpoolError, match="closed"):
        _append_all(spool, [b"late"])


def test_a_full_disk_is_an_error_for_the_caller_and_harms_no_earlier_record(tmp_path):
    # A limit on the size of files is a disk that is full after 4 kB, also for root.
    script = f"""
        import asyncio, resource
        from pathlib import Path
        from serving.spool import Spool, SpoolError, read_segment

        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        spool = Spool(Path({str(tmp_path)!r}))

        async def main():
            await spool.append(b"before")
            try:
                await spool.append(b"x" * 8000)
            except SpoolError as error:
                print("refused:", error)
            await spool.append(b"after")

        asyncio.run(main())
        spool.close()
        print([record for segment in spool.take_closed() for record in read_segment(segment.path)])
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=True)
    refused, kept = done.stdout.strip().splitlines()
    assert refused.startswith("refused: The spool in")
    assert kept == "[b'before', b'after']"


def test_a_disk_that_is_full_when_a_segment_begins_costs_no_later_record(tmp_path, monkeypatch):
    write_fully, tries = spools._write_fully, []

    def full_once(file: int, data: bytes) -> None:
        tries.append(data)
        if len(tries) == 1:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write_fully(file, data)

    monkeypatch.setattr(spools, "_write_fully", full_once)
    spool = Spool(tmp_path)
    with pytest.raises(SpoolError, match="No space left"):
        _append_all(spool, [b"refused"])
    _append_all(spool, [b"acknowledged"])
    spool.close()
    (segment,) = spool.take_closed()
    assert read_segment(segment.path) == [b"acknowledged"]
    assert len(tries) > 1


@pytest.mark.parametrize("size", [0, 101])
def test_a_record_that_could_not_be_read_again_is_refused_and_harms_no_other(tmp_path, monkeypatch, size):
    monkeypatch.setattr(spools, "_LARGEST_RECORD", 100)
    spool = Spool(tmp_path)
    with pytest.raises(SpoolError, match=f"{size} bytes cannot be kept"):
        _append_all(spool, [b"x" * size])
    _append_all(spool, [b"x" * 100])
    spool.close()
    (segment,) = spool.take_closed()
    assert read_segment(segment.path) == [b"x" * 100]
