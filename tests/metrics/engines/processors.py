"""What the processor that runs the tests is able to."""

from metrics.engines.errors import ModelUnusable
from metrics.engines.precisions import require_eight_bits


def multiplies_eight_bits() -> bool:
    """Whether it has VNNI, or is of a kind that needs none."""
    try:
        require_eight_bits()
    except ModelUnusable:
        return False
    return True
