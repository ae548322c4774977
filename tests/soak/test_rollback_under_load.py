"""The benchmark's own run, held to what does not depend on how busy the machine is."""

import pytest

from benchmarks.rollback_under_load import CANARY_ANSWERS, CANARY_PERCENT, ROLLBACKS, measure


@pytest.mark.soak
def test_promotion_canary_abort_and_rollbacks_under_load_lose_no_request() -> None:
    line = measure()
    assert line["failed_requests"] == 0, line["problems"]
    assert set(line["ledger"]) == {"succeeded"}
    assert line["canary_answers"] >= CANARY_ANSWERS
    assert abs(line["canary_percent"] - CANARY_PERCENT) < 0.2, "the rotation is exact; the edges of the time are not"
    assert line["rollbacks"] >= ROLLBACKS
    # The promise is one second (`make bench` says how it is kept); this only notices that something waits.
    assert line["ours"] < 5
