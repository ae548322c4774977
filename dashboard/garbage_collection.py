"""Python's garbage collection leaves alone what stays for as long as the process runs."""

import atexit
import gc


def leave_what_is_imported_alone() -> None:
    """Take all that is alive now out of later collections; for the end of a background import.

    The imported libraries are several hundred thousand objects. Streamlit has them looked through after every rerun,
    which takes 0.2 s in which no page of anybody moves on. What is made later is collected as ever.
    """
    gc.collect()
    gc.freeze()
    # At the end everything goes, or libraries of C++ report what is left.
    atexit.register(gc.unfreeze)
