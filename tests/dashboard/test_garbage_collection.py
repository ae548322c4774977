"""What is imported is left alone, and what is made later is not."""

import gc
import weakref

from dashboard.garbage_collection import leave_what_is_imported_alone


class Cycle:
    """Something that only the collector can take away."""

    def __init__(self) -> None:
        self.itself = self


def test_what_was_there_is_left_alone_and_what_comes_later_is_collected() -> None:
    stays = Cycle()
    leave_what_is_imported_alone()
    try:
        assert all(one is not stays for one in gc.get_objects())
        later = weakref.ref(Cycle())
        gc.collect()
        assert later() is None
    finally:
        gc.unfreeze()
