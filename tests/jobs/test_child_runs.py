"""What a row of `job_requests` may ask of an evaluation."""

from typing import Any

import pytest

from jobs.child_runs import wish_of_request
from jobs.errors import JobError


def test_a_version_is_passed_on_and_nothing_else() -> None:
    wish = wish_of_request({"request_id": "r", "job": "evaluate", "arguments": {"version": "12"}})
    assert wish.command() == ["jobs", "evaluate", "12", "--trigger=request", "--request-id=r"]


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        None,
        ["3"],
        {"version": 3},
        {"version": None},
        {"version": "--seconds=9999"},
        {"version": "@challenger"},
        {"version": "3\n"},
        {"version": "３"},
        {"version": "03"},
        {"version": "3", "seconds": "9999"},
    ],
)
def test_whatever_is_no_version_number_is_refused(arguments: Any) -> None:
    with pytest.raises(JobError, match="evaluate"):
        wish_of_request({"request_id": "r", "job": "evaluate", "arguments": arguments})


def test_scores_can_be_asked_for_that_were_left_out_before_but_no_range_or_switch() -> None:
    wish = wish_of_request({"request_id": "r", "job": "rescore", "arguments": {}})
    assert wish.command() == ["jobs", "rescore", "--trigger=request", "--request-id=r"]
    with pytest.raises(JobError, match="rescore takes only the switches"):
        wish_of_request({"request_id": "r", "job": "rescore", "arguments": {"from": "2026-05-04"}})
