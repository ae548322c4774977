import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry.burn_rate import Counted, budget_used, burn_rate, judge_burn


def test_the_workbooks_own_numbers() -> None:
    # 99.9 %: 1.44 % of failures burn at 14.4, and an hour of that is 2 % of the month's budget.
    assert burn_rate(Counted(144, 10_000), 0.999) == pytest.approx(14.4)
    assert budget_used(Counted(144, 10_000), 0.999, 1 / 24) == pytest.approx(0.02)
    assert budget_used(Counted(60, 10_000), 0.999, 6 / 24) == pytest.approx(0.05)
    assert budget_used(Counted(10, 10_000), 0.999, 3) == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("long", "short", "status"),
    [
        (Counted(144, 1000), Counted(12, 83), "breached"),
        (Counted(144, 1000), Counted(0, 83), "within"),  # The short window says that it is over.
        (Counted(20, 1000), Counted(40, 83), "within"),  # A trifle that only the short one sees.
        (Counted(99, 99), Counted(9, 9), "unknown"),  # Fewer than the long window needs.
        (Counted(144, 1000), Counted(8, 8), "unknown"),  # Fewer than the short window needs.
        (Counted(0, 0), Counted(0, 0), "unknown"),
    ],
)
def test_both_windows_have_to_burn_and_both_need_enough(long: Counted, short: Counted, status: str) -> None:
    assert judge_burn(long, short, 0.99, 14.4, least_long=100, least_short=100 / 12).status == status


def test_exactly_the_factor_is_a_breach_whatever_rounding_makes_of_it() -> None:
    assert judge_burn(Counted(14.4, 100), Counted(14.4, 100), 0.99, 14.4, 1, 1).status == "breached"


def test_what_makes_no_sense_is_refused() -> None:
    for objective in (0.0, 1.0, 1.5):
        with pytest.raises(ValueError, match="between 0 and 1"):
            burn_rate(Counted(1, 2), objective)
    with pytest.raises(ValueError, match="no share"):
        burn_rate(Counted(3, 2), 0.99)
    assert math.isnan(burn_rate(Counted(0, 0), 0.99))
    assert math.isnan(budget_used(Counted(0, 0), 0.99, 1))


@given(
    total=st.floats(1, 1e9),
    share=st.floats(0, 1),
    more=st.floats(0, 1),
    objective=st.floats(0.001, 0.999),
)
def test_more_failures_never_burn_less_and_no_failure_burns_nothing(
    total: float, share: float, more: float, objective: float
) -> None:
    less = burn_rate(Counted(total * share, total), objective)
    worse = burn_rate(Counted(total * (share + (1 - share) * more), total), objective)
    assert worse >= less * (1 - 1e-9)
    assert burn_rate(Counted(0, total), objective) == 0
