"""What is known beforehand of a change: measured figures of the live version beside those of the target."""

from registry.plans import Expectation, ProductionState
from settings import Settings


def expected_differences(
    settings: Settings, before: ProductionState, *, target: str = "", copy_of: str = ""
) -> tuple[Expectation, ...]:
    """The figures that both versions have."""
    return ()
